/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "fake_sink.h"

extern const struct input input_self;

static struct sink *sink;
static char state[256];

static void open_self(bool metrics, bool logs)
{
    static bool config[2]; /* metrics, logs: in the order of the options */
    static const struct host host = { .name = "self" };
    struct err err = { "" };

    assert_int_equal(input_self.type.config_bytes, sizeof(config));
    assert_true(input_self.type.state_bytes <= sizeof(state));
    config[0] = metrics;
    config[1] = logs;
    memset(state, 0, sizeof(state));
    assert_true(input_self.type.check(config, &err));
    assert_true(input_self.open(state, config, &host, &err));
    sink = fake_sink_new();
}

static int close_self(void **unused)
{
    (void)unused;
    if (sink != NULL)
        fake_sink_free(&sink);
    return 0;
}

static int collect(void)
{
    return (int)fake_sink_collect(sink, &input_self, state);
}

static void a_sample_keeps_its_name_its_labels_and_its_value(void **unused)
{
    (void)unused;
    open_self(true, false);
    sink->own_metrics = "# HELP spillway_x_total with # and {a=\"b\"} 1\n"
                        "# TYPE spillway_x_total counter\n"
                        "spillway_x_total{input=\"a b\",output=\"say \\\"hi\\\" \\\\ \\n\"} 42\n"
                        "# TYPE spillway_y_bytes gauge\n"
                        "spillway_y_bytes 1.5\n"
                        "# TYPE spillway_z_seconds histogram\n"
                        "spillway_z_seconds_bucket{le=\"+Inf\"} 3\n";
    assert_int_equal(collect(), COLLECT_IDLE);
    assert_int_equal(sink->event_count, 3);
    const struct event *event = fake_sink_find(sink, "spillway_x_total");
    assert_non_null(event);
    assert_int_equal(event->kind, EVENT_SUM);
    assert_true(event->number == 42 && event->start_ns > 0 && event->time_ns >= event->start_ns);
    struct slice label = fake_sink_attribute(event, "output");
    assert_int_equal(label.bytes, strlen("say \"hi\" \\ \n"));
    assert_memory_equal(label.data, "say \"hi\" \\ \n", label.bytes);
    assert_memory_equal(fake_sink_attribute(event, "input").data, "a b", 3);
    event = fake_sink_find(sink, "spillway_y_bytes");
    assert_true(event != NULL && event->kind == EVENT_GAUGE && event->number == 1.5);
    assert_memory_equal(event->unit.data, "By", 2);
    assert_int_equal(event->start_ns, 0);
    event = fake_sink_find(sink, "spillway_z_seconds_bucket");
    assert_true(event != NULL && event->kind == EVENT_SUM && event->number == 3);
    assert_memory_equal(event->unit.data, "1", 1);
    assert_int_equal(sink->tell_count, 0);
}

static void what_is_no_sample_is_told(void **unused)
{
    (void)unused;
    open_self(true, false);
    sink->own_metrics = "x{a=\"b} 1\n";
    assert_int_equal(collect(), COLLECT_IDLE);
    assert_true(fake_sink_told(sink, "not understood"));
    sink->own_metrics = NULL;
    assert_int_equal(collect(), COLLECT_FAILED);
}

static void a_line_of_the_log_is_an_event_with_its_fields(void **unused)
{
    (void)unused;
    open_self(false, true);
    (void)collect();
    fake_sink_clear(sink);
    log_set_level(LOG_INFO);
    LOG(LOG_WARN, "request failed", LS("output", "main"), LS("why", "a \"b\"\n\x01"), LI("n", -12),
        LS("empty", ""), LR("share", 0.5));
    (void)collect();
    assert_int_equal(sink->event_count, 1);
    const struct event *event = fake_sink_find(sink, "request failed");
    assert_non_null(event);
    assert_int_equal(event->kind, EVENT_LOG);
    assert_int_equal(event->severity, SEVERITY_WARN);
    assert_true(event->time_ns > 0);
    assert_memory_equal(fake_sink_attribute(event, "output").data, "main", 4);
    struct slice why = fake_sink_attribute(event, "why");
    assert_int_equal(why.bytes, 7);
    assert_memory_equal(why.data, "a \"b\"\n\x01", 7);
    struct value value;
    assert_true(event_field(event, SLICE("n"), &value));
    assert_true(value.kind == VALUE_INT && value.integer == -12);
    assert_true(event_field(event, SLICE("empty"), &value) && value.text.bytes == 0);
    (void)collect();
    assert_int_equal(sink->event_count, 1); /* once */
}

static void lines_that_were_gone_before_they_were_read_are_counted(void **unused)
{
    (void)unused;
    char text[200];

    open_self(false, true);
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 1000; i++)
        log_ring_put(1, LOG_INFO, (struct slice){ text, sizeof(text) });
    (void)collect(); /* what was gone before its first look is not its to lose */
    assert_int_equal(sink->loss_count, 0);
    uint64_t seen = sink->event_count;
    for (int i = 0; i < 1000; i++)
        log_ring_put(1, LOG_INFO, (struct slice){ text, sizeof(text) });
    (void)collect();
    assert_int_equal(sink->loss_count, 1);
    assert_int_equal(sink->losses[0].events + sink->event_count - seen, 1000);
}

static void change_self(bool metrics, bool logs)
{
    static bool config[2];
    static const struct host host = { .name = "self" };
    struct err err = { "" };

    config[0] = metrics;
    config[1] = logs;
    assert_non_null(input_self.change); /* else the core opens another one */
    assert_true(input_self.change(state, config, &host, &err));
}

static void a_change_brings_no_line_twice_and_counters_do_not_begin_anew(void **unused)
{
    (void)unused;
    open_self(true, true);
    sink->own_metrics = "# TYPE spillway_x_total counter\nspillway_x_total 1\n";
    LOG(LOG_WARN, "before", LS("n", "1"));
    (void)collect();
    assert_non_null(fake_sink_find(sink, "before"));
    int64_t start_ns = fake_sink_find(sink, "spillway_x_total")->start_ns;
    fake_sink_clear(sink);
    change_self(true, true);
    sink->own_metrics = "# TYPE spillway_x_total counter\nspillway_x_total 2\n";
    (void)collect();
    assert_int_equal(sink->event_count, 1);
    assert_int_equal(fake_sink_find(sink, "spillway_x_total")->start_ns, start_ns);
}

static void lines_that_go_while_they_are_not_wanted_are_not_lost(void **unused)
{
    (void)unused;
    char text[200];

    open_self(false, true);
    LOG(LOG_WARN, "before", LS("n", "1"));
    (void)collect();
    change_self(true, false);
    sink->own_metrics = "";
    (void)collect();
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 1000; i++)
        log_ring_put(1, LOG_INFO, (struct slice){ text, sizeof(text) });
    change_self(false, true);
    (void)collect();
    assert_int_equal(sink->loss_count, 0);
}

static void neither_metrics_nor_logs_is_an_error(void **unused)
{
    (void)unused;
    static const bool config[2] = { false, false };
    struct err err = { "" };

    assert_false(input_self.type.check(config, &err));
    assert_string_equal(err.text, "neither metrics nor logs: nothing is left");
}

#define TEST(name) cmocka_unit_test_teardown(name, close_self)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sample_keeps_its_name_its_labels_and_its_value),
        TEST(what_is_no_sample_is_told),
        TEST(a_line_of_the_log_is_an_event_with_its_fields),
        TEST(lines_that_were_gone_before_they_were_read_are_counted),
        TEST(a_change_brings_no_line_twice_and_counters_do_not_begin_anew),
        TEST(lines_that_go_while_they_are_not_wanted_are_not_lost),
        cmocka_unit_test(neither_metrics_nor_logs_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
