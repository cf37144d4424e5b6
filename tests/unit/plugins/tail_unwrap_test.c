/* SPDX-License-Identifier: Apache-2.0 */
/* unwrap: lines of containers' logs to what was said, and which lines are none. */
#include "inputs/tail/unwrap.h"

#include "test.h"

static const int64_t TIME_NS = INT64_C(1706695200123456789); /* 2024-01-31T10:00:00.123456789Z */
#define TIME "2024-01-31T10:00:00.123456789Z"

static void expect_text(const struct unwrapped *found, const char *text, size_t bytes)
{
    char plain[256];
    struct slice got = found->text;

    if (found->is_escaped)
        got = (struct slice){ plain, tail_unescape(found->text, plain, sizeof(plain)) };
    if (got.bytes != bytes || memcmp(got.data, text, bytes) != 0)
        fail_msg("'%.*s' is not '%s'", (int)got.bytes, got.data, text);
}

static struct unwrapped docker(const char *line)
{
    struct unwrapped found;
    if (!tail_unwrap_docker(slice_of(line), &found))
        fail_msg("not taken: %s", line);
    return found;
}

static void docker_log(const char *log, const char *text, size_t bytes, bool partial)
{
    char line[512];
    (void)snprintf(line, sizeof(line),
                   "{\"log\":\"%s\",\"stream\":\"stdout\",\"time\":\"" TIME "\"}", log);
    struct unwrapped found = docker(line);
    expect_text(&found, text, bytes);
    assert_int_equal(found.is_partial, partial);
    assert_int_equal(found.stream, STREAM_STDOUT);
    assert_int_equal(found.time_ns, TIME_NS);
}
#define DOCKER(log, text, partial) docker_log(log, text, sizeof(text) - 1, partial)

static void a_text_of_docker_is_what_the_program_wrote(void **unused)
{
    (void)unused;
    DOCKER("hello\\n", "hello", false);
    DOCKER("\\n", "", false);
    DOCKER("", "", true);
    DOCKER("no newline", "no newline", true);
    DOCKER("crlf\\r\\n", "crlf", false);
    DOCKER("\\\\n", "\\n", true); /* a backslash and an n */
    DOCKER("\\\\\\n", "\\", false);
    DOCKER("a\\\\r\\n", "a\\r", false);
    DOCKER("two\\nlines\\n", "two\nlines", false);
    DOCKER("\\\"quoted\\\" \\/ \\b\\f\\t\\r x\\n", "\"quoted\" / \b\f\t\r x", false);
    DOCKER("\\u003cb\\u003e \\u00e9 \\u20ac \\ud83d\\ude00\\n",
           "<b> \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", false);
    DOCKER("nul \\u0000.\\n", "nul \0.", false);
    DOCKER("half \\ud83d, \\ude00 and \\ud83d\\u0041\\n",
           "half \xef\xbf\xbd, \xef\xbf\xbd and \xef\xbf\xbd"
           "A",
           false);
    DOCKER("\xff\xfe raw\\n", "\xff\xfe raw", false);
}

static void members_may_stand_in_any_order_with_others_between(void **unused)
{
    (void)unused;
    struct unwrapped found =
        docker(" { \"time\" : \"" TIME "\" , \"attrs\":{\"a\":\"}\\\"\",\"b\":[1,{\"log\":\"x\"}]},"
               "\"n\":-1.5e3,\"t\":true,\"stream\":\"stderr\", \"log\":\"x\\n\" } ");
    expect_text(&found, "x", 1);
    assert_false(found.is_escaped);
    assert_int_equal(found.stream, STREAM_STDERR);
    assert_int_equal(found.time_ns, TIME_NS);
    found = docker("{\"log\":\"x\\n\"}");
    assert_int_equal(found.stream, STREAM_NONE);
    assert_int_equal(found.time_ns, 0);
    found = docker("{\"log\":\"x\\n\",\"stream\":\"console\",\"time\":\"today\"}");
    assert_int_equal(found.stream, STREAM_NONE);
    assert_int_equal(found.time_ns, 0);
}

static void what_is_not_dockers_is_left_as_it_is(void **unused)
{
    (void)unused;
    static const char *const lines[] = {
        "",
        "{",
        "{}",
        "[]",
        "null",
        "{\"log\":\"x\\n\"",
        "{\"log\":\"x\\n}",
        "{\"log\":1}",
        "{\"log\":\"x\\n\"} tail",
        "{\"log\":\"x\\n\",}",
        "{,\"log\":\"x\\n\"}",
        "{\"log\" \"x\\n\"}",
        "{\"log\":\"x\\n\" \"a\":1}",
        "{\"log\":\"bad \\x escape\\n\"}",
        "{\"log\":\"\\u12g4\\n\"}",
        "{\"log\":\"cut \\u12",
        "{\"log\":\"cut \\",
        "{\"message\":\"x\\n\"}",
        "{\"a\":{\"log\":\"x\\n\"}}",
        "{\"a\":],\"log\":\"x\\n\"}",
        "{\"log\":\"x\\n\",\"a\":}",
        "plain text",
        "{\"a\":[,\"log\":\"x\\n\"}",
    };
    struct unwrapped found = { .time_ns = 7 };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (tail_unwrap_docker(slice_of(lines[i]), &found))
            fail_msg("taken: %s", lines[i]);
        assert_int_equal(found.time_ns, 7);
    }
}

static void quotes_are_found_at_each_place_of_a_word(void **unused)
{
    (void)unused;
    char line[160], text[64];
    for (size_t i = 0; i < 40; i++) {
        memset(text, 'a', i);
        text[i] = '\0';
        (void)snprintf(line, sizeof(line), "{\"log\":\"%s\\\"%s\\n\"}", text, text);
        struct unwrapped found = docker(line);
        assert_int_equal(found.text.bytes, 2 * i + 2);
        assert_true(found.is_escaped);
    }
}

static void cri_line(const char *line, const char *text, size_t bytes, bool partial)
{
    struct unwrapped found;
    if (!tail_unwrap_cri(slice_of(line), &found))
        fail_msg("not taken: %s", line);
    expect_text(&found, text, bytes);
    assert_int_equal(found.is_partial, partial);
    assert_int_equal(found.stream, STREAM_STDERR);
    assert_int_equal(found.time_ns, TIME_NS);
}
#define CRI(line, text, partial) cri_line(line, text, sizeof(text) - 1, partial)

static void a_text_of_a_cri_runtime_is_what_follows_its_tags(void **unused)
{
    (void)unused;
    CRI(TIME " stderr F hello  you ", "hello  you ", false);
    CRI(TIME " stderr F ", "", false);
    CRI(TIME " stderr F", "", false);
    CRI(TIME " stderr P part\r", "part\r", true);
    CRI(TIME " stderr F crlf\r", "crlf", false);
    CRI(TIME " stderr F  indented", " indented", false);
    CRI(TIME " stderr P:more:tags x", "x", true);
    CRI("2024-01-31T12:00:00.123456789+02:00 stderr F x", "x", false);
    CRI("2024-01-31T04:30:00.1234567891-05:30 stderr F x", "x", false);
}

static void what_is_not_cris_is_left_as_it_is(void **unused)
{
    (void)unused;
    static const char *const lines[] = {
        "",
        " ",
        "hello",
        TIME,
        TIME " ",
        TIME " stdout",
        TIME " stdout ",
        TIME " stdout X x",
        TIME " stdout FF x",
        TIME " stdin F x",
        TIME "  stdout F x",
        "2024-01-31 stdout F x",
        "2024-13-31T10:00:00Z stdout F x",
        "2024-01-31T10:00:00 stdout F x",
        "2024-01-31T25:00:00Z stdout F x",
        "2024-01-31T10:00:00.Zx stdout F x",
        "1969-12-31T10:00:00Z stdout F x",
        "2300-12-31T10:00:00Z stdout F x",
        "2024-01-31T10:00:00+2:00 stdout F x",
    };
    struct unwrapped found = { .time_ns = 7 };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (tail_unwrap_cri(slice_of(lines[i]), &found))
            fail_msg("taken: %s", lines[i]);
        assert_int_equal(found.time_ns, 7);
    }
}

static void expect_time(const char *text, int64_t seconds, int64_t ns)
{
    int64_t got = 0;
    assert_true(tail_parse_time(slice_of(text), &got));
    assert_int_equal(got, seconds * NS_PER_S + ns);
}

static void times_over_leap_years_and_ends_of_months(void **unused)
{
    (void)unused;
    expect_time("1970-01-01T00:00:00Z", 0, 0);
    expect_time("2000-02-29T00:00:00Z", 951782400, 0);
    expect_time("2000-03-01T00:00:00.5Z", 951868800, 500000000);
    expect_time("2024-02-29T23:59:60Z", 1709251200, 0);
    expect_time("2023-12-31T23:59:59.000000001Z", 1704067199, 1);
    expect_time("2038-01-19T03:14:08Z", INT64_C(2147483648), 0);
    expect_time("2100-03-01T00:00:00Z", INT64_C(4107542400), 0);
    expect_time("1970-01-01T00:30:00+01:00", -1800, 0);
}

static void unescaping_stops_where_there_is_no_room(void **unused)
{
    (void)unused;
    char to[4] = "....";
    assert_int_equal(tail_unescape(SLICE("ab\\ncd"), to, 4), 4);
    assert_memory_equal(to, "ab\nc", 4);
    assert_int_equal(tail_unescape(SLICE("abc\\u20ac"), to, 4), 3);
    assert_int_equal(tail_unescape(SLICE(""), to, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_of_docker_is_what_the_program_wrote),
        cmocka_unit_test(members_may_stand_in_any_order_with_others_between),
        cmocka_unit_test(what_is_not_dockers_is_left_as_it_is),
        cmocka_unit_test(quotes_are_found_at_each_place_of_a_word),
        cmocka_unit_test(a_text_of_a_cri_runtime_is_what_follows_its_tags),
        cmocka_unit_test(what_is_not_cris_is_left_as_it_is),
        cmocka_unit_test(times_over_leap_years_and_ends_of_months),
        cmocka_unit_test(unescaping_stops_where_there_is_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
