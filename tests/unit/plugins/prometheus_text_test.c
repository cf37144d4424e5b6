/* SPDX-License-Identifier: Apache-2.0 */
/* text: lines of both formats as targets write them, and as they should not. */
#include "plugins/inputs/prometheus/text.h"
#include "test.h"

#include <math.h>

static char buffer[4096];

static enum prometheus_line read_line(struct prometheus_text *text, const char *line,
                                      struct prometheus_sample *ret)
{
    size_t bytes = strlen(line);

    assert_true(bytes < sizeof(buffer));
    memcpy(buffer, line, bytes);
    return prometheus_read(text, buffer, bytes, ret);
}

static struct prometheus_sample sample_of(struct prometheus_text *text, const char *line)
{
    struct prometheus_sample sample;

    if (read_line(text, line, &sample) != PROMETHEUS_SAMPLE)
        fail_msg("'%s' is no sample", line);
    return sample;
}

static void assert_text(struct slice got, const char *wanted)
{
    if (!slice_equals(got, slice_of(wanted)))
        fail_msg("'%.*s', wanted '%s'", (int)got.bytes, got.bytes == 0 ? "" : got.data, wanted);
}

static void labels_numbers_and_times_are_read(void **unused)
{
    (void)unused;
    struct prometheus_text text = { 0 };

    struct prometheus_sample sample =
        sample_of(&text, "http:requests { method = \"post\",le=\"+Inf\", } 1.027e3\t1395066363000");
    assert_text(sample.name, "http:requests");
    assert_int_equal(sample.label_count, 2);
    assert_text(sample.labels[0].name, "method");
    assert_text(sample.labels[0].value, "post");
    assert_text(sample.labels[1].value, "+Inf");
    assert_true(sample.number == 1027 && sample.has_time);
    assert_true(sample.time_ns == INT64_C(1395066363000000000));
    sample = sample_of(&text, "a{} -3");
    assert_true(sample.number == -3 && !sample.has_time && sample.label_count == 0);
    assert_true(sample_of(&text, "  a 1 -3982045").time_ns == INT64_C(-3982045000000));
}

static void escapes_are_undone(void **unused)
{
    (void)unused;
    struct prometheus_text text = { 0 };
    struct prometheus_sample sample =
        sample_of(&text, "a{p=\"C:\\\\DIR\\\\F\",e=\"no \\\"x\\\"\\n, } {\",odd=\"\\d\"} 1");

    assert_text(sample.labels[0].value, "C:\\DIR\\F");
    assert_text(sample.labels[1].value, "no \"x\"\n, } {");
    assert_text(sample.labels[2].value, "\\d");
}

static void numbers_that_are_none_are_known_by_their_names(void **unused)
{
    (void)unused;
    struct prometheus_text text = { 0 };

    assert_true(isnan(sample_of(&text, "a NaN").number));
    assert_true(sample_of(&text, "a +Inf").number == (double)INFINITY);
    struct prometheus_sample sample = sample_of(&text, "a -Inf");
    assert_true(sample.number == -(double)INFINITY);
    assert_text(sample.digits, "-Inf");
}

static void what_is_no_line_is_refused(void **unused)
{
    (void)unused;
    static const char *const lines[] = {
        "a",
        "a ",
        "1a 1",
        "a{b=\"c\" 1",
        "a{b=\"c} 1",
        "a{b=c} 1",
        "a{\"b\"} 1",
        "a{b:c=\"\"} 1",
        "a{=\"\"} 1",
        "a{b} 1",
        "a 0x10",
        "a 1 2 3",
        "a 1 x",
        "a 1 1e30",
        "a 1 NaN",
        "{} 1",
        "a-b 1",
        "<html>",
        "a{b=\"c\"d=\"e\"} 1",
        "a 1.2.3",
        "a e",
        "a nano",
        "a{b=\"\\",
        "a{",
        "a 1 # {} 1",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct prometheus_text text = { 0 };
        struct prometheus_sample sample;
        if (read_line(&text, lines[i], &sample) != PROMETHEUS_BAD)
            fail_msg("'%s' was taken", lines[i]);
    }
}

static void more_labels_than_there_is_room_for_are_refused(void **unused)
{
    (void)unused;
    struct prometheus_text text = { 0 };
    struct prometheus_sample sample;
    char line[2048] = "a{";

    for (int i = 0; i <= PROMETHEUS_LABELS_MOST; i++)
        (void)snprintf(line + strlen(line), sizeof(line) - strlen(line), "l%d=\"\",", i);
    strcat(line, "} 1");
    assert_int_equal(read_line(&text, line, &sample), PROMETHEUS_BAD);
}

static void kinds_and_units_are_of_the_family(void **unused)
{
    (void)unused;
    static const struct {
        const char *meta[2], *name;
        enum event_kind kind;
        const char *unit;
    } rows[] = {
        { { "# TYPE a_total counter", "" }, "a_total", EVENT_SUM, "" },
        { { "# TYPE a_seconds counter", "" }, "a_seconds_total", EVENT_SUM, "s" },
        { { "# TYPE a counter", "# UNIT a bytes" }, "a_total", EVENT_SUM, "By" },
        { { "# UNIT a parsecs", "# TYPE a counter" }, "a_total", EVENT_SUM, "parsecs" },
        { { "# TYPE a counter", "" }, "a_created", EVENT_GAUGE, "s" },
        { { "# TYPE a_bytes gauge", "" }, "a_bytes", EVENT_GAUGE, "By" },
        { { "# TYPE a_seconds histogram", "" }, "a_seconds_bucket", EVENT_SUM, "1" },
        { { "# TYPE a_seconds histogram", "" }, "a_seconds_count", EVENT_SUM, "1" },
        { { "# TYPE a_seconds histogram", "" }, "a_seconds_sum", EVENT_SUM, "s" },
        { { "# TYPE a_seconds summary", "" }, "a_seconds", EVENT_GAUGE, "s" },
        { { "# TYPE a counter", "# HELP b" }, "b_total", EVENT_GAUGE, "" },
        { { "# TYPE a counter", "" }, "ab", EVENT_GAUGE, "" },
        { { "# TYPE a counter", "# TYPE b gauge" }, "a", EVENT_GAUGE, "" },
        { { "# TYPE a counter", "# UNIT b bytes" }, "b_total", EVENT_GAUGE, "By" },
        { { "", "" }, "b_ratio", EVENT_GAUGE, "1" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct prometheus_text text = { 0 };
        struct prometheus_sample sample;
        for (size_t j = 0; j < 2; j++)
            assert_int_equal(read_line(&text, rows[i].meta[j], &sample), PROMETHEUS_NOTHING);
        if (prometheus_kind(&text, slice_of(rows[i].name)) != rows[i].kind)
            fail_msg("row %zu: another kind", i);
        assert_text(prometheus_unit(&text, slice_of(rows[i].name)), rows[i].unit);
    }
}

static void openmetrics_has_seconds_exemplars_and_an_end(void **unused)
{
    (void)unused;
    struct prometheus_text text = { .is_openmetrics = true };
    struct prometheus_sample sample =
        sample_of(&text, "a_bucket{le=\"1 # 2\"} 8 1.5 # {trace_id=\"x # y\"} 0.67 1.25");

    assert_text(sample.labels[0].value, "1 # 2");
    assert_true(sample.number == 8 && sample.time_ns == 1500000000);
    sample = sample_of(&text, "a_total 17 # {} 0.67");
    assert_true(sample.number == 17 && !sample.has_time);
    assert_int_equal(read_line(&text, "# EOF", &sample), PROMETHEUS_NOTHING);
    assert_true(text.is_ended);
    assert_int_equal(read_line(&text, "a 1", &sample), PROMETHEUS_BAD);
}

static void the_plain_format_has_no_end(void **unused)
{
    (void)unused;
    struct prometheus_text text = { 0 };
    struct prometheus_sample sample;

    assert_int_equal(read_line(&text, "# EOF", &sample), PROMETHEUS_NOTHING);
    assert_true(sample_of(&text, "a 1").number == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_numbers_and_times_are_read),
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(numbers_that_are_none_are_known_by_their_names),
        cmocka_unit_test(what_is_no_line_is_refused),
        cmocka_unit_test(more_labels_than_there_is_room_for_are_refused),
        cmocka_unit_test(kinds_and_units_are_of_the_family),
        cmocka_unit_test(openmetrics_has_seconds_exemplars_and_an_end),
        cmocka_unit_test(the_plain_format_has_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
