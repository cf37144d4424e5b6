/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/dead_letter.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "delivery/rig.h"
#include "plugins/plugin.h"

static const struct refusal refusal = { FLOW_refuse, "status \"422\"", "bad\n\xff" };

struct desk {
    struct rig rig;
    char path[64], older[64];
    struct dead_letter letters;
};

static void open_desk(struct desk *desk, uint64_t max_bytes)
{
    rig_open(&desk->rig);
    (void)snprintf(desk->path, sizeof(desk->path), "%s/dead", desk->rig.folder);
    (void)snprintf(desk->older, sizeof(desk->older), "%s/dead.1", desk->rig.folder);
    desk->letters = (struct dead_letter){
        .path = desk->path, .output = "main", .max_bytes = max_bytes, .numbers = desk->rig.numbers
    };
}

static void close_desk(struct desk *desk)
{
    rig_close(&desk->rig);
}

static uint64_t number(const struct desk *desk, enum number which)
{
    return numbers_get(desk->rig.numbers, which);
}

static void write_letter(struct desk *desk, const char *body)
{
    struct batch *batch = rig_empty_batch(&desk->rig, body);

    rig_add_run(&desk->rig, batch, 2, NULL, 1);
    dead_letter_write(&desk->letters, batch, slice_of(body), 0, &refusal);
    batch_free(&batch);
}

static void read_all(const char *path, struct buf *ret)
{
    struct err err;

    buf_clear(ret);
    assert_true(buf_add(ret, "", 0));
    assert_true(file_read(path, ret, &err));
}

static void a_letter_is_one_line_with_where_why_and_the_event(void **unused)
{
    (void)unused;
    AUTO(buf_fini) struct buf text = { 0 };
    struct desk desk;
    open_desk(&desk, 1 << 20);
    write_letter(&desk, "{\"body\":\"hello\"}\n");
    read_all(desk.path, &text);
    const char *rest = strstr(text.data, "Z\",");
    assert_non_null(rest);
    assert_memory_equal(text.data, "{\"time\":\"2", 10);
    assert_string_equal(rest + 3,
                        "\"output\":\"main\",\"input\":\"socket\",\"key\":\"agent-start-1\","
                        "\"reason\":\"status \\\"422\\\"\",\"answer\":\"bad\\n\xEF\xBF\xBD\","
                        "\"event\":{\"body\":\"hello\"}}\n");
    assert_int_equal(number(&desk, NUMBER_dead_letter_events), 1);
    assert_int_equal(number(&desk, NUMBER_dead_letter_bytes), text.bytes);
    close_desk(&desk);
}

static void of_a_batch_the_named_event_is_written_with_the_input_of_its_run(void **unused)
{
    (void)unused;
    static const char *const bodies[] = { "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n",
                                          "[\n{\"n\":0},\n{\"n\":1},\n{\"n\":2}\n]" };
    static const char *const inputs[] = { "files", "journal", "journal" };
    for (int i = 0; i < 6; i++) {
        AUTO(buf_fini) struct buf text = { 0 };
        char wanted[64];
        struct desk desk;
        open_desk(&desk, 1 << 20);
        struct batch *batch = rig_empty_batch(&desk.rig, bodies[i / 3]);
        batch->encoding = (uint8_t)(i / 3 == 0 ? ENCODE_NDJSON : ENCODE_JSON_ARRAY);
        rig_add_run(&desk.rig, batch, 0, NULL, 1);
        rig_add_run(&desk.rig, batch, 1, NULL, 2);
        dead_letter_write(&desk.letters, batch, slice_of(bodies[i / 3]), (uint64_t)i % 3, &refusal);
        read_all(desk.path, &text);
        (void)snprintf(wanted, sizeof(wanted), "\"event\":{\"n\":%d}}\n", i % 3);
        assert_non_null(strstr(text.data, wanted));
        (void)snprintf(wanted, sizeof(wanted), "\"input\":\"%s\"", inputs[i % 3]);
        assert_non_null(strstr(text.data, wanted));
        dead_letter_write(&desk.letters, batch, slice_of(bodies[i / 3]), 3, &refusal);
        assert_int_equal(number(&desk, NUMBER_dead_letter_errors), 1);
        batch_free(&batch);
        close_desk(&desk);
    }
}

static uint64_t count_letters(const char *path)
{
    AUTO(buf_fini) struct buf text = { 0 };
    uint64_t lines = 0;

    read_all(path, &text);
    assert_true(text.bytes > 0 && text.bytes <= 1024);
    for (size_t i = 0; i < text.bytes; i++)
        lines += text.data[i] == '\n';
    return lines;
}

static void the_pair_stays_within_its_bound_and_what_goes_is_counted(void **unused)
{
    (void)unused;
    struct desk desk;
    open_desk(&desk, 2048);
    for (uint64_t i = 1; i <= 50; i++) {
        write_letter(&desk, "{\"body\":\"hello\"}\n");
        uint64_t kept = count_letters(desk.path);
        if (access(desk.older, F_OK) == 0)
            kept += count_letters(desk.older);
        assert_int_equal(number(&desk, NUMBER_dead_letter_events), i);
        assert_int_equal(kept + number(&desk, NUMBER_dead_letter_removed), i);
    }
    assert_in_range(number(&desk, NUMBER_dead_letter_removed), 30, 48);
    close_desk(&desk);
}

static uint64_t bytes_at(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* An operator lowers max_bytes, because the disk is full. */
static void a_bound_that_was_lowered_holds_from_the_next_letter_on(void **unused)
{
    (void)unused;
    for (uint64_t before = 5; before <= 18; before++) { /* of them in path: some, and nearly all */
        struct desk desk;
        open_desk(&desk, 4096);
        for (uint64_t i = 1; i <= before; i++)
            write_letter(&desk, "{\"body\":\"hello\"}\n");
        desk.letters.max_bytes = 1024;
        for (uint64_t i = before + 1; i <= before + 5; i++) {
            write_letter(&desk, "{\"body\":\"hello\"}\n");
            assert_in_range(bytes_at(desk.path) + bytes_at(desk.older), 1, 1024);
            uint64_t kept = count_letters(desk.path);
            if (access(desk.older, F_OK) == 0)
                kept += count_letters(desk.older);
            assert_int_equal(kept + number(&desk, NUMBER_dead_letter_removed), i);
        }
        assert_int_equal(number(&desk, NUMBER_dead_letter_errors), 0);
        close_desk(&desk);
    }
}

static void a_letter_larger_than_half_the_bound_is_an_error_and_leaves_the_others(void **unused)
{
    (void)unused;
    static char body[2048];
    struct desk desk;
    open_desk(&desk, 2048);
    write_letter(&desk, "{}\n");
    memset(body, ' ', sizeof(body) - 2);
    body[sizeof(body) - 2] = '\n';
    write_letter(&desk, body);
    assert_int_equal(number(&desk, NUMBER_dead_letter_errors), 1);
    assert_int_equal(count_letters(desk.path), 1);
    assert_int_equal(access(desk.older, F_OK), -1);
    close_desk(&desk);
}

static void a_line_cut_off_by_a_crash_is_taken_out_before_the_next(void **unused)
{
    (void)unused;
    AUTO(buf_fini) struct buf text = { 0 };
    struct desk desk;
    open_desk(&desk, 1 << 20);
    FILE *file = fopen(desk.path, "w");
    assert_true(file != NULL && fprintf(file, "{\"a\":1}\n%*s", 9000, "{\"b") > 0);
    assert_int_equal(fclose(file), 0);
    write_letter(&desk, "{}\n");
    read_all(desk.path, &text);
    assert_memory_equal(text.data, "{\"a\":1}\n{\"time\"", 15);
    assert_int_equal(text.data[text.bytes - 1], '\n');
    close_desk(&desk);
}

static void what_is_no_file_or_has_no_folder_is_an_error_and_later_it_works_again(void **unused)
{
    (void)unused;
    struct desk desk;
    char target[64];
    open_desk(&desk, 1 << 20);
    assert_int_equal(mkdir(desk.path, 0700), 0);
    write_letter(&desk, "{}\n");
    assert_int_equal(rmdir(desk.path), 0);
    (void)snprintf(target, sizeof(target), "%s/target", desk.rig.folder);
    assert_int_equal(symlink(target, desk.path), 0);
    write_letter(&desk, "{}\n");
    assert_int_equal(access(target, F_OK), -1);
    assert_int_equal(unlink(desk.path), 0);
    assert_int_equal(mkfifo(desk.path, 0600), 0);
    write_letter(&desk, "{}\n");
    assert_int_equal(unlink(desk.path), 0);
    assert_int_equal(number(&desk, NUMBER_dead_letter_errors), 3);
    assert_true(desk.letters.is_failing);
    write_letter(&desk, "{}\n");
    assert_int_equal(number(&desk, NUMBER_dead_letter_events), 1);
    assert_false(desk.letters.is_failing);
    close_desk(&desk);
}

static bool is_wanted(void *context)
{
    int *letters = context;

    return (*letters)-- > 0;
}

/* It is asked before each letter, and after it, before that is counted. */
static void letters_that_nobody_wants_any_more_are_not_written_nor_counted(void **unused)
{
    (void)unused;
    AUTO(buf_fini) struct buf text = { 0 };
    struct desk desk;
    struct refusal own = refusal;
    int wanted = 3;
    open_desk(&desk, 1 << 20);
    struct batch *batch = rig_empty_batch(&desk.rig, "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n");
    rig_add_run(&desk.rig, batch, 0, NULL, 3);
    batch->refusal = &own;
    dead_letter_write_batch(&desk.letters, batch, is_wanted, &wanted);
    batch->refusal = NULL;
    read_all(desk.path, &text);
    assert_null(strstr(text.data, "{\"n\":2}"));
    assert_int_equal(number(&desk, NUMBER_dead_letter_events), 1);
    assert_int_equal(number(&desk, NUMBER_dead_letter_errors), 0);
    batch_free(&batch);
    close_desk(&desk);
}

static void a_body_that_cannot_be_expanded_is_an_error(void **unused)
{
    (void)unused;
    struct desk desk;
    open_desk(&desk, 1 << 20);
    struct batch *batch = rig_empty_batch(&desk.rig, "this is not gzip");
    rig_add_run(&desk.rig, batch, 0, NULL, 1);
    batch->compression = COMPRESS_GZIP;
    dead_letter_write_batch(&desk.letters, batch, is_wanted, &(int){ 1 });
    assert_int_equal(number(&desk, NUMBER_dead_letter_errors), 1);
    assert_int_equal(access(desk.path, F_OK), -1);
    batch_free(&batch);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_is_one_line_with_where_why_and_the_event),
        cmocka_unit_test(letters_that_nobody_wants_any_more_are_not_written_nor_counted),
        cmocka_unit_test(of_a_batch_the_named_event_is_written_with_the_input_of_its_run),
        cmocka_unit_test(the_pair_stays_within_its_bound_and_what_goes_is_counted),
        cmocka_unit_test(a_bound_that_was_lowered_holds_from_the_next_letter_on),
        cmocka_unit_test(a_letter_larger_than_half_the_bound_is_an_error_and_leaves_the_others),
        cmocka_unit_test(a_line_cut_off_by_a_crash_is_taken_out_before_the_next),
        cmocka_unit_test(what_is_no_file_or_has_no_folder_is_an_error_and_later_it_works_again),
        cmocka_unit_test(a_body_that_cannot_be_expanded_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
