/* SPDX-License-Identifier: Apache-2.0 */
/* tail: which file is which, over renames, removals, truncations and restarts; and what is watched.
 */
#include "tail_scene.h"

#include <sys/syscall.h>
#include <time.h>

enum { PROOF_MOST = 256 };
static size_t unreadable_bytes; /* reads of up to so many fail, as of a server that is away */

/* Stands before the C library's. */
ssize_t pread(int fd, void *to, size_t bytes, off_t offset)
{
    if (unreadable_bytes > 0 && bytes <= unreadable_bytes) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, fd, to, bytes, offset);
}

static void expect_lost(const char *name, uint64_t bytes)
{
    assert_int_equal(fake_sink_lost_bytes(rig.sink, NULL), bytes);
    if (bytes > 0)
        assert_int_equal(fake_sink_lost_bytes(rig.sink, rig_path(&rig, name)), bytes);
}

/* ---- rotation by rename ---- */

static void the_rest_of_a_renamed_file_comes_before_the_new_one(void **unused)
{
    (void)unused;
    begin_with("a\n");
    int old = open(rig_path(&rig, "app.log"), O_WRONLY | O_APPEND);
    rig_append(&rig, "app.log", "b\n");
    rig_rotate(&rig);
    rig_append(&rig, "app.log", "c\n");
    rig_expect(&rig, "a b c ");
    assert_int_equal(write(old, "late\n", 5), 5);
    rig_append(&rig, "app.log", "d\n");
    rig_expect(&rig, "a b c late d ");
    (void)close(old);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_ROTATED], 1);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_TRUNCATED], 0);
    assert_true(slice_equals(fake_sink_attribute(&rig.sink->events[3], "log.file.path"),
                             slice_of(rig_path(&rig, "app.log"))));
    expect_lost(NULL, 0);
}

/* A last line in the old file, and then one in the new, as of a program that just opens it. */
static void write_on(void)
{
    rig_append(&rig, "app.log.1", "late\n");
    rig_append(&rig, "app.log", "e\n");
}

static void what_the_old_file_got_before_the_new_one_was_read_on_comes_first(void **unused)
{
    (void)unused;
    rig_add_path(&rig, "app.log");
    free((char *)rig.paths[0]);
    rig.paths[0] = strdup(rig_path(&rig, "another.log")); /* read before the other one */
    rig_append(&rig, "another.log", "x\n");
    begin_with("a\n");
    rig_rotate(&rig);
    rig_append(&rig, "app.log", "c\n");
    rig_expect(&rig, "x a c ");
    rig_append(&rig, "another.log", "y\n");
    rig_append(&rig, "app.log", "d\n");
    rig.sink->on_event = write_on;
    rig_expect(&rig, "x a c y late d e ");
    expect_lost(NULL, 0);
}

static void rotate_four_times(void)
{
    rig_append(&rig, "app.log", "b\n");
    for (int i = 0; i < 4; i++) {
        char text[] = { (char)('c' + i), '\n', '\0' };
        rig_rotate(&rig);
        rig_append(&rig, "app.log", text);
    }
}

static void several_rotations_between_two_looks_are_read_oldest_first(void **unused)
{
    (void)unused;
    begin_with("a\n");
    rotate_four_times();
    rig_expect(&rig, "a b c d e f ");
    rotate_four_times();
    rig_expect(&rig, "a b c d e f b c d e f ");
}

static void several_rotations_while_down_are_read_oldest_first(void **unused)
{
    (void)unused;
    begin_with("a\n");
    rig_settle_all(&rig);
    rotate_four_times();
    rig_restart(&rig);
    rig_expect(&rig, "a b c d e f ");
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_expect(&rig, "a b c d e f ");
    expect_lost(NULL, 0);
}

static void rotated_files_that_the_glob_finds_too_are_read_once(void **unused)
{
    (void)unused;
    rig_add_path(&rig, "app.log*");
    begin_with("a\n");
    rotate_four_times();
    rig_expect(&rig, "a b c d e f ");
    assert_true(
        slice_equals(fake_sink_attribute(&rig.sink->events[3], "log.file.name"), SLICE("app.log")));
    rig_settle_all(&rig);
    rig_restart(&rig);
    rotate_four_times();
    rig_expect(&rig, "a b c d e f b c d e f ");
}

static void a_restart_between_two_files_of_a_path_keeps_their_order(void **unused)
{
    (void)unused;
    begin_with("a\n");
    rig_settle_all(&rig);
    rig_append(&rig, "app.log", "b\n");
    rig_rotate(&rig);
    rig_append(&rig, "app.log", "c\n");
    rig_drain(&rig); /* not settled */
    rig_restart(&rig);
    rig_expect(&rig, "a b c b c ");
}

static void copies_and_compressed_files_are_no_rotations(void **unused)
{
    (void)unused;
    begin_with("a\n");
    rig_append(&rig, "app.log.2", "a\n");                 /* a copy of what was read */
    struct timespec tick = { .tv_nsec = 50 * NS_PER_MS }; /* so that their stamps tell them apart */
    assert_int_equal(nanosleep(&tick, NULL), 0);
    rig_drain(&rig);
    rig_append(&rig, "app.log.3.gz", "x\n");
    rig_append(&rig, "app.log.txt", "x\n");
    rig_append(&rig, "app.logs", "x\n");
    rig_rename(&rig, "app.log", "app.log.1");
    rig_append(&rig, "app.log", "b\n");
    rig_expect(&rig, "a b ");
}

static void rotations_with_a_date_before_the_ending_are_found(void **unused)
{
    (void)unused;
    begin_with("a\n");
    rig_rename(&rig, "app.log", "app-20240131.log");
    rig_append(&rig, "app.log", "b\n");
    rig_rename(&rig, "app.log", "app-20240201.log");
    rig_append(&rig, "app.log", "c\n");
    rig_expect(&rig, "a b c ");
}

static void a_last_line_without_newline_is_delivered_when_its_file_is_given_up(void **unused)
{
    (void)unused;
    rig.config.max_line_bytes = 16;
    rig.host.buffer_bytes = 8;
    const char *lasts[] = { "half", "more than sixteen bytes", "" };

    for (size_t i = 0; i < 3; i++) {
        rig.config.rotate_wait = 60000;
        begin_with("a\n");
        rig_append(&rig, "app.log", lasts[i]);
        rig_rotate(&rig);
        rig_append(&rig, "app.log", "b\n");
        rig_expect(&rig, "a b ");
        rig.config.rotate_wait = 0;
        rig_settle_all(&rig);
        rig_restart(&rig);
        rig_drain(&rig);
        rig_drain(&rig);
        assert_int_equal(rig.sink->event_count, i == 2 ? 2 : 3);
        assert_int_equal(rig.sink->numbers[SINK_SOURCES_OPEN], 1);
        if (i < 2)
            assert_int_equal(strncmp(fake_sink_body(rig.sink, 2), lasts[i], 16), 0);
        rig_settle_all(&rig);
        rig_restart(&rig);
        rig_drain(&rig);
        rig_drain(&rig);
        assert_int_equal(rig.sink->event_count, i == 2 ? 2 : 3);
        rig_close(&rig);
        rig_unlink(&rig, "app.log");
        fake_sink_clear(rig.sink);
    }
}

/* ---- gone ---- */

static void a_removed_file_that_is_open_is_read_to_its_end(void **unused)
{
    (void)unused;
    begin_with("a\n");
    rig_append(&rig, "app.log", "b\n");
    rig_unlink(&rig, "app.log");
    rig_expect(&rig, "a b ");
    expect_lost(NULL, 0);
    rig_append(&rig, "app.log", "c\n");
    rig_expect(&rig, "a b c ");
}

static void bytes_of_a_file_removed_while_down_are_counted_by_its_name(void **unused)
{
    (void)unused;
    begin_with("a\nbb\nhalf");
    rig_restart(&rig); /* nothing was settled */
    rig_close(&rig);
    rig_unlink(&rig, "app.log");
    rig_append(&rig, "app.log.1.gz", "x");
    rig_restore(&rig);
    rig_drain(&rig);
    expect_lost("app.log", 9);
    rig_restart(&rig);
    rig_drain(&rig);
    expect_lost("app.log", 9); /* once */
}

static void a_missed_file_that_there_is_no_room_for_is_counted(void **unused)
{
    (void)unused;
    rig.config.max_files = 2;
    begin_with("a\n");
    rig_rotate(&rig);
    rig_append(&rig, "app.log", "missed\n");
    rig_rotate(&rig);
    rig_append(&rig, "app.log", "c\n");
    rig_expect(&rig, "a c ");
    expect_lost("app.log", 7);
}

static void what_was_cut_off_while_down_is_counted_though_nothing_was_settled(void **unused)
{
    (void)unused;
    begin_with("a\nbb\n");
    rig_save(&rig);
    rig_close(&rig);
    rig_rewrite(&rig, "app.log", "longer than before\n");
    rig.sink->settled = rig.sink->mark_count;
    rig_restore(&rig);
    rig_expect(&rig, "a bb longer than before ");
    expect_lost("app.log", 5);
}

static void a_file_that_comes_back_goes_on_where_it_was(void **unused)
{
    (void)unused;
    begin_with("a\n");
    rig_settle_all(&rig);
    assert_int_equal(mkdir(rig_path(&rig, "away"), 0755), 0);
    rig_rename(&rig, "app.log", "away/app.log");
    rig_restart(&rig);
    rig_drain(&rig);
    rig_restart(&rig);
    rig_drain(&rig);
    rig_rename(&rig, "away/app.log", "app.log");
    rig_append(&rig, "app.log", "b\n");
    rig_expect(&rig, "a b ");
    expect_lost(NULL, 0);
}

static void the_target_of_a_link_is_exchanged(void **unused)
{
    (void)unused;
    rig_append(&rig, "one", "a\n");
    rig_append(&rig, "two", "b\n");
    assert_int_equal(symlink("one", rig_path(&rig, "app.log")), 0);
    rig_open(&rig);
    rig_expect(&rig, "a ");
    rig_append(&rig, "one", "a2\n");
    assert_int_equal(symlink("two", rig_path(&rig, "fresh")), 0);
    rig_rename(&rig, "fresh", "app.log");
    rig_expect(&rig, "a a2 b ");
}

static void a_file_with_two_names_is_read_once(void **unused)
{
    (void)unused;
    rig_add_path(&rig, "*.log");
    rig_append(&rig, "app.log", "a\n");
    assert_int_equal(link(rig_path(&rig, "app.log"), rig_path(&rig, "b.log")), 0);
    rig_open(&rig);
    rig_expect(&rig, "a ");
    rig_unlink(&rig, "app.log");
    rig_append(&rig, "b.log", "b\n");
    rig_expect(&rig, "a b ");
}

/* ---- truncation ---- */

static void a_file_written_anew_is_read_anew_whatever_its_size(void **unused)
{
    (void)unused;
    static const char *const fresh[] = { "1\n", "1\n2\n3\n", "1\n2\n3\n4\n", "one\n1\n", "" };
    static const size_t lines[] = { 1, 3, 4, 2, 0 };

    for (int down = 0; down < 2; down++) {
        for (size_t i = 0; i < sizeof(fresh) / sizeof(fresh[0]); i++) {
            begin_with("a\nb\nc\n");
            rig_settle_all(&rig);
            rig_save(&rig);
            if (down)
                rig_close(&rig);
            rig_rewrite(&rig, "app.log", fresh[i]);
            if (down)
                rig_restore(&rig);
            fake_sink_clear(rig.sink);
            rig_drain(&rig);
            assert_int_equal(rig.sink->event_count, lines[i]);
            assert_int_equal(rig.sink->numbers[SINK_SOURCES_TRUNCATED], 1);
            expect_lost(NULL, 0);
            rig_close(&rig);
            rig_unlink(&rig, "app.log");
            fake_sink_clear(rig.sink);
        }
    }
}

static void the_same_begin_does_not_hide_that_the_rest_is_new(void **unused)
{
    (void)unused;
    char head[301];
    char text[400];

    memset(head, 'h', 300);
    head[299] = '\n';
    head[300] = '\0';
    (void)snprintf(text, sizeof(text), "%sa\nb\n", head);
    begin_with(text);
    (void)snprintf(text, sizeof(text), "%sc\nd\n", head);
    rig_rewrite(&rig, "app.log", text);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 6);
    assert_true(fake_sink_is_body(rig.sink, 5, "d"));
}

static void the_same_end_does_not_hide_that_the_begin_is_new(void **unused)
{
    (void)unused;
    char same[101];
    char text[200];

    memset(same, 's', 100);
    same[100] = '\0';
    (void)snprintf(text, sizeof(text), "a\n%s\n", same);
    begin_with(text);
    (void)snprintf(text, sizeof(text), "b\n%s\nc\n", same);
    rig_rewrite(&rig, "app.log", text);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 5);
    assert_true(fake_sink_is_body(rig.sink, 2, "b"));
}

static void a_huge_unfinished_line_that_is_written_anew_is_read_anew(void **unused)
{
    (void)unused;
    char *text = malloc(300001);

    assert_non_null(text);
    memset(text, 'a', 200000);
    rig.config.max_line_bytes = 1000;
    rig_put(&rig, "app.log", 0, text, 200000);
    rig_open(&rig);
    rig_expect(&rig, "");
    memset(text, 'b', 300000);
    text[100000] = text[300000] = '\n';
    rig_put(&rig, "app.log", O_TRUNC, text, 300001);
    free(text);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 2);
    assert_int_equal(rig.sink->events[0].body.bytes, 1000);
    assert_int_equal(fake_sink_body(rig.sink, 1)[0], 'b');
}

static void bytes_cut_off_before_they_were_read_are_counted(void **unused)
{
    (void)unused;
    rig.host.buffer_bytes = 64;
    rig.config.max_line_bytes = 16;
    begin_with("a\n");
    for (int i = 0; i < 100; i++)
        rig_append(&rig, "app.log", "0123456\n");
    assert_int_equal(fake_sink_collect(rig.sink, &input_tail, rig.state), COLLECT_MORE);
    uint64_t left = rig.sink->numbers[SINK_LAG_BYTES];
    assert_true(left > 0 && left == (101 - rig.sink->event_count) * 8);
    rig_rewrite(&rig, "app.log", "new\n");
    rig_drain(&rig);
    expect_lost("app.log", left);
    assert_non_null(fake_sink_find(rig.sink, "new"));
}

static void an_unfinished_line_that_is_taken_back_is_counted_and_the_rest_is_kept(void **unused)
{
    (void)unused;
    begin_with("a\nhalf");
    assert_int_equal(truncate(rig_path(&rig, "app.log"), 2), 0);
    rig_append(&rig, "app.log", "b\n");
    rig_expect(&rig, "a b ");
    expect_lost("app.log", 2);
}

/* ---- what cannot be read ---- */

static void expect_patience(const char *first)
{
    rig_append(&rig, "app.log", "b\n");
    unreadable_bytes = PROOF_MOST;
    rig_expect(&rig, first);
    assert_true(fake_sink_told(rig.sink, strerror(EIO)));
    rig_drain(&rig);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_REFUSED], 1);
    unreadable_bytes = 0;
    rig_drain(&rig);
    rig_expect(&rig, "a b ");
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_REFUSED], 0);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_TRUNCATED], 0);
    expect_lost(NULL, 0);
}

static void a_file_whose_proof_cannot_be_read_is_not_taken_for_another(void **unused)
{
    (void)unused;
    begin_with("a\n");
    expect_patience("a ");
}

static void a_file_of_the_checkpoint_that_cannot_be_read_yet_is_not_begun_anew(void **unused)
{
    (void)unused;
    begin_with("a\n");
    rig_settle_all(&rig);
    rig_restart(&rig);
    expect_patience("a ");
    assert_int_equal(rig.sink->tell_count, 1);
}

static void a_long_line_whose_proof_cannot_be_read_is_read_whole_later(void **unused)
{
    (void)unused;
    static char line[1000];
    rig.host.buffer_bytes = 2048;
    rig.config.max_line_bytes = 300;
    begin_with("a\n");
    memset(line, 'x', sizeof(line) - 1);
    rig_append(&rig, "app.log", line);
    rig_drain(&rig); /* it is looked through by now */
    rig_append(&rig, "app.log", "y\nb\n");
    unreadable_bytes = PROOF_MOST;
    rig_drain(&rig);
    unreadable_bytes = 0;
    rig_drain(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 3);
    assert_int_equal(rig.sink->events[1].body.bytes, 300);
    assert_string_equal(fake_sink_body(rig.sink, 2), "b");
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_TRUNCATED], 0);
    expect_lost(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_rest_of_a_renamed_file_comes_before_the_new_one),
        TEST(what_the_old_file_got_before_the_new_one_was_read_on_comes_first),
        TEST(several_rotations_between_two_looks_are_read_oldest_first),
        TEST(several_rotations_while_down_are_read_oldest_first),
        TEST(rotated_files_that_the_glob_finds_too_are_read_once),
        TEST(a_restart_between_two_files_of_a_path_keeps_their_order),
        TEST(copies_and_compressed_files_are_no_rotations),
        TEST(rotations_with_a_date_before_the_ending_are_found),
        TEST(a_last_line_without_newline_is_delivered_when_its_file_is_given_up),
        TEST(a_removed_file_that_is_open_is_read_to_its_end),
        TEST(bytes_of_a_file_removed_while_down_are_counted_by_its_name),
        TEST(a_missed_file_that_there_is_no_room_for_is_counted),
        TEST(what_was_cut_off_while_down_is_counted_though_nothing_was_settled),
        TEST(a_file_that_comes_back_goes_on_where_it_was),
        TEST(the_target_of_a_link_is_exchanged),
        TEST(a_file_with_two_names_is_read_once),
        TEST(a_file_written_anew_is_read_anew_whatever_its_size),
        TEST(the_same_begin_does_not_hide_that_the_rest_is_new),
        TEST(the_same_end_does_not_hide_that_the_begin_is_new),
        TEST(a_huge_unfinished_line_that_is_written_anew_is_read_anew),
        TEST(bytes_cut_off_before_they_were_read_are_counted),
        TEST(an_unfinished_line_that_is_taken_back_is_counted_and_the_rest_is_kept),
        TEST(a_file_whose_proof_cannot_be_read_is_not_taken_for_another),
        TEST(a_file_of_the_checkpoint_that_cannot_be_read_yet_is_not_begun_anew),
        TEST(a_long_line_whose_proof_cannot_be_read_is_read_whole_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
