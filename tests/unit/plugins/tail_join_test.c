/* SPDX-License-Identifier: Apache-2.0 */
/* join: events of several lines and of containers, through the whole input. `wait` is long, so that
 * nothing is taken by time, or 0: then the second look takes what the first one held. */
#include "inputs/tail/state.h"
#include "tail_scene.h"

#include "refused_memory.h"

#define T "2024-01-31T10:00:00.5Z "
#define DOCKER(log, stream)                                                                        \
    "{\"log\":\"" log "\",\"stream\":\"" stream "\",\"time\":\"2024-01-31T10:00:00.5Z\"}\n"

static const char *const java[] = { "java" };

static void use_start(const char *pattern)
{
    rig.config.multiline__start = pattern;
}

static void use_java(unsigned format)
{
    rig.config.multiline__traces = (struct text_list){ (const char **)java, 1 };
    rig.config.format = format;
}

/* The bodies, each in brackets. */
static const char *bodies(void)
{
    static struct buf all;
    buf_clear(&all);
    (void)buf_add_text(&all, "");
    for (size_t i = 0; i < rig.sink->event_count; i++)
        (void)buf_printf(&all, "[%s]", fake_sink_body(rig.sink, i));
    return all.data;
}

static void expect(const char *wanted)
{
    rig_drain(&rig);
    assert_string_equal(bodies(), wanted);
}

static bool is_incomplete(size_t index)
{
    struct value value;
    return event_field(&rig.sink->events[index], SLICE("log.record.incomplete"), &value) &&
           value.boolean;
}

static void lines_belong_to_the_start_before_them(void **unused)
{
    (void)unused;
    use_start("^\\d");
    begin_with("1 a\n  b\r\n\nc\r\n2 d\n\n3 e\n");
    assert_string_equal(bodies(), "[1 a\n  b\r\n\nc][2 d]"); /* 3 may go on */
    rig_append(&rig, "app.log", "f\n4\n");
    expect("[1 a\n  b\r\n\nc][2 d][3 e\nf]");
    assert_int_equal(rig.sink->numbers[SINK_LINES], 6);
    assert_int_equal(rig.sink->numbers[SINK_EVENTS_ENDED], 0);
}

static void a_pattern_that_goes_astray_is_counted_and_told(void **unused)
{
    char line[1002] = "";

    (void)unused;
    rig.config.multiline__continuation = "^(a|aa)+$";
    memset(line, 'a', sizeof(line) - 3);
    (void)strcat(line, "b\n");
    begin_with(line);
    rig_append(&rig, "app.log", "next\n");
    rig_drain(&rig);
    assert_true(rig.sink->numbers[SINK_PATTERNS_GIVEN_UP] > 0); /* at each look, while it waits */
    assert_true(fake_sink_told(rig.sink, "given up"));
}

static void what_waited_is_taken_as_it_is(void **unused)
{
    (void)unused;
    use_start("^\\d");
    rig.config.multiline__wait = 0;
    begin_with("1 a\n  b\n");
    expect("[1 a\n  b]");
    assert_false(is_incomplete(0));
    rig_append(&rig, "app.log", "  c\n2 half"); /* too late: an event of its own */
    expect("[1 a\n  b]");
    expect("[1 a\n  b][  c]");
    rig_append(&rig, "app.log", " line\n");
    rig_drain(&rig);
    expect("[1 a\n  b][  c][2 half line]");
}

static void it_says_when_to_look_again(void **unused)
{
    (void)unused;
    struct waits waits = { .fd_count = 0 };
    int64_t now_ms = clock_now_ms();
    use_start("^\\d");
    rig.config.rescan = 3600000;
    begin_with("1 a\n");
    rig_drain(&rig);
    input_tail.wait(rig.state, &waits);
    assert_in_range(waits.until_ms, now_ms + 1000, clock_now_ms() + 1000);
}

static void a_new_line_begins_the_wait_anew(void **unused)
{
    (void)unused;
    use_start("^\\d");
    rig.config.multiline__wait = 0;
    begin_with("1 a\n");
    rig_append(&rig, "app.log", "  b\n");
    expect("");
    expect("[1 a\n  b]");
}

static void a_restart_between_the_lines_gives_the_whole_event_again(void **unused)
{
    (void)unused;
    use_start("^\\d");
    begin_with("1 a\n2 b\n  c\n");
    assert_string_equal(bodies(), "[1 a]");
    rig_settle_all(&rig);
    rig_restart(&rig);
    rig_append(&rig, "app.log", "  d\n3\n");
    expect("[1 a][2 b\n  c\n  d]");
    rig_restart(&rig); /* the second was not settled */
    expect("[1 a][2 b\n  c\n  d][2 b\n  c\n  d]");
}

static void an_event_over_its_lines_is_ended_and_flagged(void **unused)
{
    (void)unused;
    use_start("^\\d");
    rig.config.multiline__max_lines = 3;
    begin_with("1\na\nb\nc\nd\n2\n");
    assert_string_equal(bodies(), "[1\na\nb][c\nd]");
    assert_true(is_incomplete(0));
    assert_false(is_incomplete(1));
    assert_int_equal(rig.sink->numbers[SINK_EVENTS_ENDED], 1);
}

static void an_event_over_its_bytes_is_ended_and_flagged(void **unused)
{
    (void)unused;
    use_start("^\\d");
    rig.config.multiline__max_bytes = 10;
    begin_with("1 345\na890\nx\n2\n");
    assert_string_equal(bodies(), "[1 345\na890][x]");
    assert_true(is_incomplete(0));
}

/* A body is what lies in the file: each carriage return counts, and each empty line. */
static void no_event_is_over_its_bytes_by_carriage_returns_or_empty_lines(void **unused)
{
    char text[1024];
    (void)unused;
    use_start("^\\d");
    rig.config.multiline__max_bytes = 260;
    (void)snprintf(text, sizeof(text), "%0257d\r\nab\n1", 1);
    memset(strchr(text, '\0'), '\n', 401); /* and the NUL behind it */
    text[257 + 6 + 401] = '\0';
    strcat(text, "b\n2\n");
    begin_with(text);
    assert_int_equal(rig.sink->event_count, 4);
    assert_int_equal(rig.sink->events[0].body.bytes, 257);
    assert_string_equal(strrchr(bodies(), 'a'), "ab][1][b]");
    assert_true(is_incomplete(0) && is_incomplete(2));
}

static void a_line_that_is_too_long_stands_alone_and_is_cut(void **unused)
{
    (void)unused;
    use_start("^\\d");
    rig.config.max_line_bytes = 8;
    begin_with("1 a\n  34567890\n  b\n2\n");
    assert_string_equal(bodies(), "[1 a][  345678][  b]");
    assert_true(is_incomplete(0));
    assert_int_equal(rig.sink->events[1].flags, EVENT_TRUNCATED);
    assert_int_equal(rig.sink->numbers[SINK_LINES_TRUNCATED], 1);
}

/* The buffer holds one event at the most: it is taken as far as it goes. */
static void an_event_that_fills_the_buffer_is_ended(void **unused)
{
    (void)unused;
    use_start("^\\d");
    rig.host.buffer_bytes = 1;
    rig.config.max_line_bytes = 16;
    rig.config.multiline__max_bytes = 16;
    begin_with("1 a\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nb\n2\n");
    assert_string_equal(bodies(), "[1 a][b]");
    assert_true(is_incomplete(0));
    rig_append(&rig, "app.log", "  and one line that is longer than the buffer is\n3\n4\n");
    expect("[1 a][b][2][  and one line t][3]");
}

static void a_rotation_ends_the_event_once_the_new_file_has_lines(void **unused)
{
    (void)unused;
    use_start("^\\d");
    rig.config.multiline__wait = 3600000; /* not by time */
    begin_with("1 a\n  b\n");
    rig_rotate(&rig);
    rig_append(&rig, "app.log.1", "  c\n"); /* the writer has not gone on yet */
    rig_append(&rig, "app.log", "");
    expect("");
    rig_append(&rig, "app.log", "2 d\n3\n");
    expect("[1 a\n  b\n  c][2 d]");
}

static void the_end_of_a_rotated_file_ends_its_event(void **unused)
{
    (void)unused;
    use_start("^\\d");
    begin_with("1 a\n  b");
    rig.config.rotate_wait = 0;
    rig_rotate(&rig);
    rig_drain(&rig);
    expect("[1 a\n  b]");
}

static void a_hole_ends_the_event_before_it(void **unused)
{
    (void)unused;
    char bytes[100] = "1 a\n  b\n";
    use_start("^\\d");
    memcpy(bytes + 90, "  c\n2\n", 6);
    rig_put(&rig, "app.log", O_APPEND, bytes, 96);
    rig_open(&rig);
    expect("[1 a\n  b][  c]");
    assert_int_equal(rig.sink->malformed_count, 1);
    assert_int_equal(rig.sink->malformed[0].bytes, 82);
}

static void texts_of_a_container_are_events_with_stream_and_time(void **unused)
{
    (void)unused;
    rig.config.format = TAIL_CONTAINER;
    begin_with(T "stdout F one\n" DOCKER("\\ttwo\\n", "stderr") T "stderr F \n");
    assert_string_equal(bodies(), "[one][\ttwo]");
    assert_true(
        slice_equals(fake_sink_attribute(&rig.sink->events[0], "log.iostream"), SLICE("stdout")));
    assert_true(
        slice_equals(fake_sink_attribute(&rig.sink->events[1], "log.iostream"), SLICE("stderr")));
    assert_int_equal(rig.sink->events[0].time_ns, INT64_C(1706695200500000000));
    assert_int_equal(rig.sink->events[1].time_ns, INT64_C(1706695200500000000));
    assert_int_equal(rig.sink->numbers[SINK_LINES_UNPARSED], 0);
}

static void parts_of_a_line_are_joined_by_stream_and_order_is_kept(void **unused)
{
    (void)unused;
    rig.config.format = TAIL_CRI;
    begin_with(T "stdout P a\n" T "stderr P x\n" T "stdout P b\n" T "stderr F y\n");
    assert_string_equal(bodies(), ""); /* xy is whole, but a began before it */
    rig_append(&rig, "app.log", T "stderr F z\n" T "stdout F c\n" T "stdout F d\n");
    expect("[abc][xy][z][d]");
    assert_int_equal(rig.sink->numbers[SINK_LINES], 7);
}

static void a_part_whose_rest_never_comes_is_flagged(void **unused)
{
    (void)unused;
    rig.config.format = TAIL_DOCKER;
    rig.config.multiline__wait = 0;
    begin_with(DOCKER("par", "stdout") DOCKER("t \\u0041", "stdout"));
    expect("[part A]");
    assert_true(is_incomplete(0));
    assert_int_equal(rig.sink->numbers[SINK_EVENTS_ENDED], 0);
}

static void a_line_in_parts_that_gets_too_long_is_ended(void **unused)
{
    (void)unused;
    rig.config.format = TAIL_CRI;
    rig.config.max_line_bytes = 8;
    begin_with(T "stdout P 1234\n" T "stdout P 567\n" T "stdout P 8901\n" T
                 "stdout F 2345678901\n");
    assert_string_equal(bodies(), "[1234567][8901][23456789]");
    assert_true(is_incomplete(0) && is_incomplete(1));
    assert_int_equal(rig.sink->events[2].flags, EVENT_TRUNCATED);
}

static void traces_of_a_container_are_joined_by_stream(void **unused)
{
    (void)unused;
    use_java(TAIL_DOCKER);
    begin_with(DOCKER("java.lang.Error: \\\"x\\\"\\n", "stderr") DOCKER("GET /\\n", "stdout")
                   DOCKER("\\tat a.b(c.java:1)\\n", "stderr") DOCKER("GET /2\\n", "stdout")
                       DOCKER("\\tat d", "stderr") DOCKER(".e(f.java:2)\\n", "stderr")
                           DOCKER("next\\n", "stderr") DOCKER("GET /3\\n", "stdout"));
    assert_string_equal(bodies(), "[java.lang.Error: \"x\"\n\tat a.b(c.java:1)\n\tat d.e(f.java:2)]"
                                  "[GET /][GET /2]");
}

/* The first is whole before the second is, and has a line behind the second's begin. */
static void of_events_that_overlap_none_comes_twice(void **unused)
{
    (void)unused;
    use_java(TAIL_CRI);
    begin_with(T "stderr F a\n" T "stdout F x\n" T "stderr F \tat b\n" T "stderr F c\n");
    assert_string_equal(bodies(), "");
    rig_append(&rig, "app.log", T "stdout F \tat y\n" T "stderr F d\n" T "stdout F z\n");
    expect("[a\n\tat b][x\n\tat y][c]");
}

/* None of the two can go before the other is whole. */
static void events_that_overlap_end_by_time(void **unused)
{
    (void)unused;
    use_java(TAIL_CRI);
    rig.config.multiline__wait = 0;
    begin_with(T "stderr F a\n" T "stdout F x\n" T "stderr F \tat b\n");
    expect("[a\n\tat b][x]");
    rig_append(&rig, "app.log", T "stdout F y\n" T "stderr F c\n" T "stdout F \tat z\n");
    rig_drain(&rig);
    expect("[a\n\tat b][x][y\n\tat z][c]");
}

static void what_does_not_parse_is_shipped_raw_flagged_and_counted(void **unused)
{
    (void)unused;
    use_java(TAIL_CONTAINER);
    begin_with(T "stdout F a\n"
                 "no container\r\n"
                 "{\"log\":\n" T "stdout F \tat b\n" T "stdout F c\n");
    assert_string_equal(bodies(), "[a\n\tat b][no container][{\"log\":]");
    assert_int_equal(rig.sink->numbers[SINK_LINES_UNPARSED], 2);
    assert_int_equal(fake_sink_attribute(&rig.sink->events[0], "log.parse_error").bytes, 0);
    assert_true(fake_sink_attribute(&rig.sink->events[1], "log.parse_error").bytes > 0);
}

static void a_line_longer_than_any_of_a_container_is_cut_and_flagged(void **unused)
{
    (void)unused;
    static char line[300000];
    rig.config.format = TAIL_DOCKER;
    memset(line, 'a', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    rig_put(&rig, "app.log", O_APPEND, line, sizeof(line));
    rig_append(&rig, "app.log", DOCKER("b\\n", "stdout"));
    rig_open(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 2);
    assert_int_equal(rig.sink->events[0].body.bytes, 64 * 1024);
    assert_int_equal(rig.sink->events[0].flags, EVENT_TRUNCATED);
    assert_true(fake_sink_attribute(&rig.sink->events[0], "log.parse_error").bytes > 0);
    assert_true(fake_sink_is_body(rig.sink, 1, "b"));
    assert_int_equal(rig.sink->numbers[SINK_LINES_UNPARSED], 1);
}

/* One stream stands in a part, the other one says more than is kept side by side. */
static void a_stream_that_stands_still_does_not_hold_the_other_for_ever(void **unused)
{
    (void)unused;
    rig.config.format = TAIL_CRI;
    rig_append(&rig, "app.log", T "stdout P stuck\n");
    for (int i = 0; i < 300; i++)
        rig_append(&rig, "app.log", T "stderr F x\n");
    rig_open(&rig);
    rig_drain(&rig);
    assert_int_equal(rig.sink->event_count, 301);
    assert_true(fake_sink_is_body(rig.sink, 0, "stuck") && is_incomplete(0));
}

static void a_reload_takes_other_patterns_and_back(void **unused)
{
    (void)unused;
    struct err err = { "" };
    struct tail_config before;
    use_start("^\\d");
    begin_with("1 a\n  b\n");
    before = rig.config;
    use_start("(");
    assert_false(input_tail.type.check(&rig.config, &err));
    assert_non_null(strstr(err.text, "multiline.start"));
    assert_false(input_tail.change(rig.state, &rig.config, &rig.host, &err));
    use_start("^\\w");
    rig.config.format = TAIL_CONTAINER;
    assert_true(input_tail.change(rig.state, &rig.config, &rig.host, &err));
    assert_true(input_tail.change(rig.state, &before, &rig.host, &err));
    rig_append(&rig, "app.log", "  c\n2\n");
    expect("[1 a\n  b\n  c]");
}

static void the_way_back_to_other_patterns_needs_no_memory(void **unused)
{
    (void)unused;
    struct err err = { "" };
    struct tail_config before;
    use_java(TAIL_LINES);
    begin_with("1 a\n");
    before = rig.config;
    use_start("^\\w");
    assert_true(input_tail.change(rig.state, &rig.config, &rig.host, &err));
    memory_is_refused = true;
    bool is_back = input_tail.change(rig.state, &before, &rig.host, &err);
    memory_is_refused = false;
    assert_true(is_back);
    rig_append(&rig, "app.log", "\tat a.b(C.java:1)\n2\n");
    expect("[1 a\n\tat a.b(C.java:1)]");
}

/* One list of traces that begins as the other one does. */
static void patterns_that_differ_in_one_trace_are_others(void **unused)
{
    (void)unused;
    static const char *names[] = { "java", "python" };
    struct err err = { "" };
    use_java(TAIL_LINES);
    begin_with("1 a\n");
    const struct tail *tail = rig.state;
    const struct tail_join *of_one = tail->join;
    struct tail_config two = rig.config;
    two.multiline__traces = (struct text_list){ names, 2 };
    assert_true(input_tail.change(rig.state, &two, &rig.host, &err));
    assert_ptr_not_equal(tail->join, of_one);
    const struct tail_join *of_two = tail->join;
    assert_true(input_tail.change(rig.state, &two, &rig.host, &err));
    assert_ptr_equal(tail->join, of_two);
    assert_true(input_tail.change(rig.state, &rig.config, &rig.host, &err));
    assert_ptr_equal(tail->join, of_one);
}

static void kubernetes_names_and_links_work_over_a_rotation(void **unused)
{
    (void)unused;
    const char *pod = rig_path(&rig, "pods"), *folder = rig_path(&rig, "pods/shop_web_11/app");
    rig.config.format = TAIL_CONTAINER;
    assert_int_equal(mkdir(pod, 0755), 0);
    assert_int_equal(mkdir(rig_path(&rig, "pods/shop_web_11"), 0755), 0);
    assert_int_equal(mkdir(folder, 0755), 0);
    rig_append(&rig, "pods/shop_web_11/app/0.log", T "stdout F a\n");
    assert_int_equal(
        symlink(rig_path(&rig, "pods/shop_web_11/app/0.log"), rig_path(&rig, "app.log")), 0);
    rig_add_path(&rig, "pods/*/*/*.log");
    rig_open(&rig);
    expect("[a]"); /* one file under two names */
    rig_settle_all(&rig);
    rig_save(&rig);
    rig_append(&rig, "pods/shop_web_11/app/0.log", T "stdout F b\n");
    rig_rename(&rig, "pods/shop_web_11/app/0.log", "pods/shop_web_11/app/0.log.20240131-100000");
    rig_append(&rig, "pods/shop_web_11/app/0.log", T "stdout F c\n");
    rig_close(&rig); /* it was not running meanwhile */
    rig.sink->settled = rig.sink->mark_count;
    rig_restore(&rig);
    expect("[a][b][c]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_belong_to_the_start_before_them),
        TEST(a_pattern_that_goes_astray_is_counted_and_told),
        TEST(what_waited_is_taken_as_it_is),
        TEST(it_says_when_to_look_again),
        TEST(a_new_line_begins_the_wait_anew),
        TEST(a_restart_between_the_lines_gives_the_whole_event_again),
        TEST(an_event_over_its_lines_is_ended_and_flagged),
        TEST(an_event_over_its_bytes_is_ended_and_flagged),
        TEST(no_event_is_over_its_bytes_by_carriage_returns_or_empty_lines),
        TEST(a_line_that_is_too_long_stands_alone_and_is_cut),
        TEST(an_event_that_fills_the_buffer_is_ended),
        TEST(a_rotation_ends_the_event_once_the_new_file_has_lines),
        TEST(the_end_of_a_rotated_file_ends_its_event),
        TEST(a_hole_ends_the_event_before_it),
        TEST(texts_of_a_container_are_events_with_stream_and_time),
        TEST(parts_of_a_line_are_joined_by_stream_and_order_is_kept),
        TEST(a_part_whose_rest_never_comes_is_flagged),
        TEST(a_line_in_parts_that_gets_too_long_is_ended),
        TEST(traces_of_a_container_are_joined_by_stream),
        TEST(of_events_that_overlap_none_comes_twice),
        TEST(events_that_overlap_end_by_time),
        TEST(what_does_not_parse_is_shipped_raw_flagged_and_counted),
        TEST(a_line_longer_than_any_of_a_container_is_cut_and_flagged),
        TEST(a_stream_that_stands_still_does_not_hold_the_other_for_ever),
        TEST(a_reload_takes_other_patterns_and_back),
        TEST(the_way_back_to_other_patterns_needs_no_memory),
        TEST(patterns_that_differ_in_one_trace_are_others),
        TEST(kubernetes_names_and_links_work_over_a_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
