/* SPDX-License-Identifier: Apache-2.0 */
/* tail: how bytes become lines, and how positions outlive the agent. */
#include "tail_scene.h"

/* ---- options ---- */

static void no_path_and_an_empty_path_are_refused(void **unused)
{
    (void)unused;
    struct err err;
    const char *empty = "";
    struct tail_config config = { .paths = { NULL, 0 } };
    assert_false(input_tail.type.check(&config, &err));
    config.paths = (struct text_list){ &empty, 1 };
    assert_false(input_tail.type.check(&config, &err));
    assert_true(input_tail.type.check(&rig.config, &err));
}

/* ---- restore ---- */

static void expect_damaged(const char *text, const char *where)
{
    struct err err = { "" };
    rig_open(&rig);
    assert_false(input_tail.restore(rig.state, slice_of(text), &err));
    assert_non_null(strstr(err.text, where));
    rig_drain(&rig); /* it goes on, as without a checkpoint */
    rig_close(&rig);
}

static void a_damaged_checkpoint_is_refused_with_the_line_and_reading_goes_on(void **unused)
{
    (void)unused;
    static const char good[] = "1 2 0 0 5 5 ab 5 cd 0 5 0 0 /a\n";
    char text[8192];

    rig_append(&rig, "app.log", "a\n");
    expect_damaged("", "line 1");
    expect_damaged("spillway-tail 2 5\n", "line 1");
    expect_damaged("spillway-tail 1 \n", "line 1");
    expect_damaged("spillway-tail 1 5", "line 1");
    expect_damaged("spillway-tail 1 5\nx\n", "line 2");
    expect_damaged("spillway-tail 1 5\n\n", "line 2");
    expect_damaged("spillway-tail 1 5\n1 2 3 4 5 6 7 8 9 10 11 12 13 \n", "line 2");
    expect_damaged("spillway-tail 1 5\n1 2 0 0 5 5 ab 5 cd 0 5 0 0 /a%0\n", "line 2");
    expect_damaged("spillway-tail 1 5\n1 2 0 0 5 5 ab 5 cd 0 5 0 0 /a%00\n", "line 2");
    expect_damaged("spillway-tail 1 5\n1 2 0 0 5 257 ab 5 cd 0 5 0 0 /a\n",
                   "line 2"); /* a longer prefix than there is */
    expect_damaged("spillway-tail 1 5\n1 2 0 0 5 5 ab 6 cd 0 5 0 0 /a\n",
                   "line 2"); /* more last bytes than lie before the offset */
    expect_damaged("spillway-tail 1 5\n1 2 0 0 99999999999999999999 0 0 0 0 0 0 0 0 /a\n",
                   "line 2");
    expect_damaged("spillway-tail 1 5\n1 2 0 0 -5 0 0 0 0 0 0 0 0 /a\n", "line 2");
    (void)snprintf(text, sizeof(text), "spillway-tail 1 5\n%s%.10s", good, good);
    expect_damaged(text, "line 3");
    (void)snprintf(text, sizeof(text), "spillway-tail 1 5\n%s%s", good, good); /* the same twice */
    expect_damaged(text, "line 3");
    assert_int_equal(rig.sink->event_count, 15);
}

static void a_path_with_blanks_and_newlines_survives_the_checkpoint(void **unused)
{
    (void)unused;
    rig_add_path(&rig, "odd*");
    rig_append(&rig, "odd %41\n\tname\x7f\xff", "a\n");
    rig_open(&rig);
    rig_expect(&rig, "a ");
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_append(&rig, "odd %41\n\tname\x7f\xff", "b\n");
    rig_expect(&rig, "a b ");
    assert_true(slice_equals(fake_sink_attribute(&rig.sink->events[1], "log.file.name"),
                             slice_of("odd %41\n\tname\x7f\xff")));
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_ROTATED], 0);
}

static void only_settled_lines_are_not_read_again(void **unused)
{
    (void)unused;
    rig_append(&rig, "app.log", "a\nb\n");
    rig_open(&rig);
    rig_drain(&rig);
    rig_append(&rig, "app.log", "c\n");
    rig_drain(&rig);
    assert_int_equal(fake_sink_settle(rig.sink, &input_tail, rig.state, 1), 1);
    rig_restart(&rig);
    rig_expect(&rig, "a b c c ");
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_expect(&rig, "a b c c ");
}

static void the_last_mark_stands_for_those_before_it(void **unused)
{
    (void)unused;
    rig_add_path(&rig, "other.log");
    rig_open(&rig);
    for (int i = 0; i < 3; i++) {
        rig_append(&rig, "app.log", "a\n");
        rig_drain(&rig);
        rig_append(&rig, "other.log", "b\n");
        rig_drain(&rig);
    }
    const struct fake_mark *last = &rig.sink->marks[rig.sink->mark_count - 1];
    input_tail.settle(rig.state, last->data, last->bytes);
    rig_restart(&rig);
    rig_expect(&rig, "a b a b a b ");
}

static void a_file_that_is_gone_for_more_than_a_day_is_forgotten(void **unused)
{
    (void)unused;
    rig_append(&rig, "app.log", "a\n");
    rig_open(&rig);
    rig_drain(&rig);
    rig_save(&rig);
    assert_true(buf_printf(&rig.checkpoint, "1 77 0 0 5 0 0 0 0 0 5 0 1 /gone\n"));
    assert_true(buf_printf(&rig.checkpoint, "1 78 0 0 5 0 0 0 0 0 5 0 %lld /just-gone\n",
                           (long long)clock_real_ns()));
    rig_close(&rig);
    rig_restore(&rig);
    rig_drain(&rig);
    rig_save(&rig);
    assert_null(strstr(rig.checkpoint.data, "/gone\n"));
    assert_non_null(strstr(rig.checkpoint.data, "/just-gone\n"));
    assert_int_equal(fake_sink_lost_bytes(rig.sink, NULL), 0);
}

static void a_device_with_another_number_after_a_boot_is_the_same_device(void **unused)
{
    (void)unused;
    rig_append(&rig, "app.log", "a\n");
    rig_open(&rig);
    rig_drain(&rig);
    rig_settle_all(&rig);
    rig_save(&rig);
    char *line = strchr(rig.checkpoint.data, '\n') + 1;
    *line = *line == '9' ? '8' : '9'; /* the first digit of the device */
    rig_close(&rig);
    rig_restore(&rig);
    rig_append(&rig, "app.log", "b\n");
    rig_expect(&rig, "a b ");
}

static void while_stopping_nothing_moves(void **unused)
{
    (void)unused;
    rig_append(&rig, "app.log", "a\n");
    rig_open(&rig);
    rig.sink->stopping = true;
    assert_int_equal(fake_sink_collect(rig.sink, &input_tail, rig.state), COLLECT_IDLE);
    rig.sink->stopping = false;
    rig_expect(&rig, "a ");
}

/* ---- lines ---- */

static void lines_are_the_same_whatever_the_buffer_splits(void **unused)
{
    (void)unused;
    rig_append(&rig, "app.log", "one\r\n\r\n\ntwo\rmore\n\r\r\nthree\n");
    rig.config.max_line_bytes = 9;
    for (size_t bytes = 1; bytes < 40; bytes++) { /* at least a line with its end is taken */
        rig.host.buffer_bytes = bytes;
        rig_open(&rig);
        rig_expect(&rig, "one two\rmore \r three ");
        assert_int_equal(rig.sink->numbers[SINK_LINES], 4);
        rig_close(&rig);
        fake_sink_clear(rig.sink);
    }
}

static void ugly_bytes_stay_in_the_body(void **unused)
{
    (void)unused;
    static const char ugly[] = "a\0b\xff\xc3(\xed\xa0\x80\n\xef\xbb\xbfz\n";
    rig_put(&rig, "app.log", O_APPEND, ugly, sizeof(ugly) - 1);
    rig_open(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 2);
    assert_true(slice_equals(rig.sink->events[0].body, (struct slice){ ugly, 9 }));
    assert_true(fake_sink_is_body(rig.sink, 1, "\xef\xbb\xbfz"));
    assert_true(
        slice_equals(fake_sink_attribute(&rig.sink->events[1], "host.name"), slice_of("box")));
    assert_true(slice_equals(fake_sink_attribute(&rig.sink->events[1], "log.file.path"),
                             slice_of(rig_path(&rig, "app.log"))));
}

static void write_repeated(const char *name, const char *piece, size_t times, const char *end)
{
    struct buf text = { 0 };
    for (size_t i = 0; i < times; i++)
        (void)buf_add_text(&text, piece);
    (void)buf_add_text(&text, end);
    assert_false(text.failed);
    rig_put(&rig, name, O_APPEND, text.data, text.bytes);
    buf_fini(&text);
}

static void expect_cut(size_t index, size_t body_bytes, int64_t original_bytes)
{
    struct value value;
    const struct event *event = &rig.sink->events[index];

    assert_true(index < rig.sink->event_count);
    assert_int_equal(event->body.bytes, body_bytes);
    bool cut = event_field(event, SLICE("log.record.original_bytes"), &value);
    assert_int_equal(cut, original_bytes != 0);
    assert_int_equal((event->flags & EVENT_TRUNCATED) != 0, cut);
    if (cut)
        assert_int_equal(value.integer, original_bytes);
}

static void longer_lines_are_cut_at_a_character_and_flagged(void **unused)
{
    (void)unused;
    rig.config.max_line_bytes = 16;
    for (size_t bytes = 1; bytes < 200; bytes += 7) {
        rig.host.buffer_bytes = bytes;
        rig_rewrite(&rig, "app.log", "before\n");
        write_repeated("app.log", "x", 15, "\n");
        write_repeated("app.log", "x", 16, "\r\n");
        write_repeated("app.log", "x", 17, "\n");
        write_repeated("app.log", "x", 160, "\r\n");
        write_repeated("app.log", "\xe2\x82\xac", 50, "\n"); /* the cut falls within a euro sign */
        write_repeated("app.log", "\x80", 50, "\n");         /* not UTF-8 */
        rig_append(&rig, "app.log", "after\n");
        rig_open(&rig);
        rig_drain(&rig);
        assert_int_equal(rig.sink->event_count, 8);
        expect_cut(0, 6, 0);
        expect_cut(1, 15, 0);
        expect_cut(2, 16, 0);
        expect_cut(3, 16, 17);
        expect_cut(4, 16, 160);
        expect_cut(5, 15, 150);
        expect_cut(6, 16, 50);
        expect_cut(7, 5, 0);
        assert_int_equal(rig.sink->numbers[SINK_LINES_TRUNCATED], 4);
        rig_close(&rig);
        fake_sink_clear(rig.sink);
    }
}

static void a_restart_within_a_huge_line_delivers_it_once_from_its_begin(void **unused)
{
    (void)unused;
    rig_append(&rig, "app.log", "before\n");
    write_repeated("app.log", "0123456789abcdef", 256 * 1024, "");
    rig_open(&rig);
    rig_expect(&rig, "before ");
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_expect(&rig, "before ");
    rig_append(&rig, "app.log", "the end\nafter\n");
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 3);
    expect_cut(1, 64 * 1024, 4 * 1024 * 1024 + 7);
    assert_true(fake_sink_is_body(rig.sink, 2, "after"));
}

static void a_huge_line_does_not_hold_up_other_files(void **unused)
{
    (void)unused;
    rig_add_path(&rig, "other.log");
    write_repeated("app.log", "0123456789abcdef", 256 * 1024, "\n");
    rig_append(&rig, "other.log", "here\n");
    rig_open(&rig);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fake_sink_collect(rig.sink, &input_tail, rig.state), COLLECT_MORE);
    assert_string_equal(rig_bodies(&rig), "here ");
}

static void a_last_line_without_newline_waits_for_it_also_over_a_restart(void **unused)
{
    (void)unused;
    rig_append(&rig, "app.log", "a\nhal");
    rig_open(&rig);
    rig_expect(&rig, "a ");
    rig_append(&rig, "app.log", "f ");
    rig_expect(&rig, "a ");
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_expect(&rig, "a ");
    assert_int_equal(rig.sink->numbers[SINK_LAG_BYTES], 5);
    rig_append(&rig, "app.log", "whole\n");
    rig_expect(&rig, "a half whole ");
    assert_int_equal(rig.sink->numbers[SINK_LAG_BYTES], 0);
}

/* ---- holes ---- */

static void write_at(const char *name, off_t offset, const char *text)
{
    int fd = open(rig_path(&rig, name), O_WRONLY | O_CREAT, 0644);
    assert_int_equal(pwrite(fd, text, strlen(text), offset), strlen(text));
    (void)close(fd);
}

static void a_hole_before_a_line_is_skipped_and_counted(void **unused)
{
    (void)unused;
    static const off_t holes[] = { 65, 1000, 64 * 1024 + 1, 3 * 1024 * 1024, (off_t)1 << 40 };

    for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
        rig_rewrite(&rig, "app.log", "a\n");
        write_at("app.log", 2 + holes[i], "b\nc\n");
        rig_open(&rig);
        rig_expect(&rig, "a b c ");
        uint64_t skipped = 0;
        for (size_t k = 0; k < rig.sink->malformed_count; k++)
            skipped += rig.sink->malformed[k].bytes;
        assert_int_equal(skipped, holes[i]);
        rig_close(&rig);
        fake_sink_clear(rig.sink);
    }
}

static void a_few_nuls_belong_to_their_line(void **unused)
{
    (void)unused;
    write_at("app.log", 64, "b\n");
    rig_open(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 1);
    assert_int_equal(rig.sink->events[0].body.bytes, 65);
    assert_int_equal(rig.sink->malformed_count, 0);
}

static void room_that_a_writer_reserved_is_not_skipped_before_it_is_filled(void **unused)
{
    (void)unused;
    static const off_t sizes[] = { 200, 4 * 1024 * 1024 };
    enum { HEAD_LINES = 100 };

    for (size_t i = 0; i < 2; i++) {
        rig_rewrite(&rig, "app.log", "");
        assert_int_equal(truncate(rig_path(&rig, "app.log"), sizes[i] + HEAD_LINES * 6), 0);
        rig_open(&rig);
        for (off_t line = 0; line < HEAD_LINES; line++) { /* also beyond the fingerprint */
            rig_drain(&rig);
            assert_int_equal(rig.sink->event_count, line);
            write_at("app.log", line * 6, "aline\n");
        }
        rig_drain(&rig);
        assert_int_equal(rig.sink->event_count, HEAD_LINES);
        assert_int_equal(rig.sink->malformed_count, 0);
        assert_int_equal(rig.sink->numbers[SINK_SOURCES_TRUNCATED], 0);
        rig_close(&rig);
        fake_sink_clear(rig.sink);
    }
}

/* ---- rounds ---- */

static void many_quiet_files_share_one_read_and_one_mark(void **unused)
{
    (void)unused;
    char name[32];

    rig_add_path(&rig, "many/*");
    assert_int_equal(mkdir(rig_path(&rig, "many"), 0755), 0);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "many/%d", i);
        rig_append(&rig, name, "line\n");
    }
    rig_open(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 200);
    assert_int_equal(rig.sink->mark_count, 4);
    assert_int_equal(rig.sink->numbers[SINK_SOURCES_OPEN], 200);
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_path_and_an_empty_path_are_refused),
        TEST(a_damaged_checkpoint_is_refused_with_the_line_and_reading_goes_on),
        TEST(a_path_with_blanks_and_newlines_survives_the_checkpoint),
        TEST(only_settled_lines_are_not_read_again),
        TEST(the_last_mark_stands_for_those_before_it),
        TEST(a_file_that_is_gone_for_more_than_a_day_is_forgotten),
        TEST(a_device_with_another_number_after_a_boot_is_the_same_device),
        TEST(while_stopping_nothing_moves),
        TEST(lines_are_the_same_whatever_the_buffer_splits),
        TEST(ugly_bytes_stay_in_the_body),
        TEST(longer_lines_are_cut_at_a_character_and_flagged),
        TEST(a_restart_within_a_huge_line_delivers_it_once_from_its_begin),
        TEST(a_huge_line_does_not_hold_up_other_files),
        TEST(a_last_line_without_newline_waits_for_it_also_over_a_restart),
        TEST(a_hole_before_a_line_is_skipped_and_counted),
        TEST(a_few_nuls_belong_to_their_line),
        TEST(room_that_a_writer_reserved_is_not_skipped_before_it_is_filled),
        TEST(many_quiet_files_share_one_read_and_one_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
