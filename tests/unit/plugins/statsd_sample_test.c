/* SPDX-License-Identifier: Apache-2.0 */
/* sample: lines of statsd as clients write them, and as they should not. */
#include "plugins/inputs/statsd/number.h"
#include "plugins/inputs/statsd/sample.h"
#include "test.h"

#include <math.h>

static struct statsd_sample parse(const char *line)
{
    struct statsd_sample sample;
    const char *problem = statsd_parse_sample(slice_of(line), &sample);

    if (problem != NULL)
        fail_msg("'%s': %s", line, problem);
    return sample;
}

static void assert_text(struct slice got, const char *wanted)
{
    if (!slice_equals(got, slice_of(wanted)))
        fail_msg("'%.*s', wanted '%s'", (int)got.bytes, got.bytes == 0 ? "" : got.data, wanted);
}

static void each_kind_is_read(void **unused)
{
    (void)unused;
    static const struct {
        const char *line;
        enum statsd_kind kind;
        double number, weight;
        bool is_change;
    } lines[] = {
        { "a:1|c", STATSD_COUNTER, 1, 1, false },
        { "a:-3|c|@0.5", STATSD_COUNTER, -3, 2, false },
        { "a:1|m", STATSD_COUNTER, 1, 1, false },
        { "a:1.25|g", STATSD_GAUGE, 1.25, 1, false },
        { "a:+4|g", STATSD_GAUGE, 4, 1, true },
        { "a:-4|g", STATSD_GAUGE, -4, 1, true },
        { "a:320|ms|@0.1", STATSD_TIMER, 320, 10, false },
        { "a:3e2|h", STATSD_HISTOGRAM, 300, 1, false },
        { "a:0.1|d|#x:y|c:ci-1|T1656581400", STATSD_DISTRIBUTION, 0.1, 1, false },
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct statsd_sample sample = parse(lines[i].line);
        struct statsd_value value;
        assert_text(sample.name, "a");
        assert_int_equal(sample.kind, lines[i].kind);
        assert_true(statsd_value(&sample, &value));
        assert_true(value.number == lines[i].number && sample.weight == lines[i].weight);
        assert_int_equal(value.is_change, lines[i].is_change);
        assert_false(statsd_value(&sample, &value));
    }
}

static void several_values_and_tags_are_taken_apart(void **unused)
{
    (void)unused;
    struct statsd_sample sample = parse("page.views:1:2.5:-3|h|@1|#env:prod,flag,,url:http://x/y");
    static const double wanted[] = { 1, 2.5, -3 };
    struct statsd_value value;

    for (size_t i = 0; i < 3; i++) {
        assert_true(statsd_value(&sample, &value));
        assert_true(value.number == wanted[i]);
    }
    assert_false(statsd_value(&sample, &value));
    assert_int_equal(sample.tags.count, 3);
    assert_text(sample.tags.items[0], "env:prod");
    assert_text(sample.tags.items[1], "flag");
    assert_text(sample.tags.items[2], "url:http://x/y");
}

static void a_member_of_a_set_may_be_anything(void **unused)
{
    (void)unused;
    struct statsd_sample sample = parse("users:a:b c|s");
    struct statsd_value value;

    assert_true(statsd_value(&sample, &value));
    assert_text(value.text, "a:b c");
    assert_false(statsd_value(&sample, &value));
}

static void what_is_no_sample_is_told(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "",          "|",         ":1|c",    "a",        "a:1",      "a:|c",        "a:1|",
        "a:1|x",     "a:x|c",     "a:1:|c",  "a::1|c",   "a:1|c|@0", "a:1|c|@2",    "a:1|c|@x",
        "a:1|c|@-1", "a:nan|g",   "a:inf|g", "a:0x10|c", "a: 1|c",   "a:1 |c",      "a:1e999|c",
        "a:--1|g",   "a:1.2.3|c", "a:.|c",   "a:e5|c",   "a:1e|c",   "a:1|c|@1e-9",
    };
    struct statsd_sample sample;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (statsd_parse_sample(slice_of(bad[i]), &sample) == NULL)
            fail_msg("'%s' is taken for a sample", bad[i]);
    }
    char line[4096] = "a:1|c|#";
    for (size_t i = 0; i <= STATSD_TAGS_MOST; i++)
        strcat(line, "t,");
    assert_non_null(statsd_parse_sample(slice_of(line), &sample));
    memset(line, 'n', 300);
    strcpy(line + 300, ":1|c");
    assert_non_null(statsd_parse_sample(slice_of(line), &sample));
}

static void numbers_are_those_of_strtod(void **unused)
{
    (void)unused;
    static const char *const texts[] = { "0",
                                         "1",
                                         "-1",
                                         "+1",
                                         "0.1",
                                         "123456789.123456",
                                         "1e3",
                                         "2.5e-7",
                                         "3.14",
                                         "1.",
                                         ".5",
                                         "999999999999999",
                                         "12345678901234567890",
                                         "0.30000000000000004",
                                         "179769313486231570000000000000000000000e100" };
    double got;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!statsd_number(slice_of(texts[i]), &got) || got != strtod(texts[i], NULL))
            fail_msg("'%s': %.17g, wanted %.17g", texts[i], got, strtod(texts[i], NULL));
    }
}

static void events_are_taken_apart(void **unused)
{
    (void)unused;
    struct statsd_event event;

    assert_null(statsd_parse_event(slice_of("_e{5,9}:ti|le|text\\nmor|d:1656581400|h:web1|k:agg|"
                                            "p:low|s:nagios|t:error|#a:b,c"),
                                   &event));
    assert_text(event.title, "ti|le");
    assert_text(event.text, "text\\nmor");
    assert_text(event.host, "web1");
    assert_text(event.key, "agg");
    assert_text(event.priority, "low");
    assert_text(event.source, "nagios");
    assert_text(event.alert, "error");
    assert_true(event.time_s == 1656581400 && event.tags.count == 2 && !event.is_check);
    assert_null(statsd_parse_event(slice_of("_sc|db.up|2|h:web1|#a:b|m:no answer"), &event));
    assert_true(event.is_check && event.status == 2);
    assert_text(event.title, "db.up");
    assert_text(event.text, "no answer");
}

static void what_is_no_event_is_told(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "_e{",          "_e{1}:a|b",   "_e{1,1}",
                                       "_e{1,1}:",     "_e{9,9}:a|b", "_e{1,1}:ab",
                                       "_e{1,1}:a|bc", "_e{0,1}:|b",  "_e{1,99999999}:a|b",
                                       "_e{-1,1}:a|b", "_sc|",        "_sc|a",
                                       "_sc|a|4",      "_sc|a|10",    "_sc||0",
                                       "_sc|a|0|d:x" };
    struct statsd_event event;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(statsd_is_event(slice_of(bad[i])));
        if (statsd_parse_event(slice_of(bad[i]), &event) == NULL)
            fail_msg("'%s' is taken for an event", bad[i]);
    }
    assert_false(statsd_is_event(slice_of("_e:1|c")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_read),
        cmocka_unit_test(several_values_and_tags_are_taken_apart),
        cmocka_unit_test(a_member_of_a_set_may_be_anything),
        cmocka_unit_test(what_is_no_sample_is_told),
        cmocka_unit_test(numbers_are_those_of_strtod),
        cmocka_unit_test(events_are_taken_apart),
        cmocka_unit_test(what_is_no_event_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
