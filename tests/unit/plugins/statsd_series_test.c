/* SPDX-License-Identifier: Apache-2.0 */
/* series: the bounds of the table under attack, and the errors of sketches against exact answers.
 */
#include "fake_sink.h"
#include "plugins/inputs/statsd/emit.h"
#include "test.h"

#include <math.h>

enum { SEED = 12345 };

static enum series_place add(struct series_table *table, const char *line, int64_t now_ms)
{
    struct statsd_sample sample;
    struct statsd_value value;
    enum series_place place = SERIES_NONE;

    assert_null(statsd_parse_sample(slice_of(line), &sample));
    while (statsd_value(&sample, &value))
        place = series_add(table, &sample, &value, now_ms * NS_PER_MS, now_ms);
    return place;
}

static struct series *find(const struct series_table *table, const char *name)
{
    for (size_t i = 0; i < table->slot_count; i++) {
        if (table->slots[i] != NULL && slice_equals(series_name(table->slots[i]), slice_of(name)))
            return table->slots[i];
    }
    return NULL;
}

static void make_table(struct series_table *table, size_t max_series, size_t max_bytes)
{
    assert_true(series_table_init(table, max_series, max_bytes, SEED));
}

static void the_order_of_tags_makes_no_difference_and_the_kind_does(void **unused)
{
    (void)unused;
    struct series_table table;

    make_table(&table, 100, 1 << 20);
    add(&table, "a:1|c|#x:1,y:2", 0);
    add(&table, "a:2|c|#y:2,x:1", 0);
    assert_int_equal(table.count, 1);
    assert_true(find(&table, "a")->value == 3);
    add(&table, "a:2|g|#y:2,x:1", 0);
    add(&table, "a:2|c|#y:2", 0);
    add(&table, "a:2|c|#y:2,x:1,x:1", 0);
    assert_int_equal(table.count, 4);
    series_table_fini(&table);
}

static void gauges_change_by_signed_values_and_counters_are_scaled(void **unused)
{
    (void)unused;
    struct series_table table;

    make_table(&table, 100, 1 << 20);
    add(&table, "g:10|g", 0);
    add(&table, "g:+5|g", 0);
    add(&table, "g:-3|g", 0);
    assert_true(find(&table, "g")->value == 12);
    add(&table, "c:2:3|c|@0.1", 0);
    assert_true(find(&table, "c")->value == 50);
    series_table_fini(&table);
}

static void one_series_too_many_goes_to_the_overflow_of_its_name(void **unused)
{
    (void)unused;
    struct series_table table;
    char line[64];
    size_t own = 0, overflowed = 0;

    make_table(&table, 80, 1 << 20);
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(line, sizeof(line), "hits:1|c|#user:%d", i);
        enum series_place place = add(&table, line, 0);
        own += place == SERIES_OWN ? 1 : 0;
        overflowed += place == SERIES_OVERFLOW ? 1 : 0;
    }
    assert_int_equal(own, 70);
    assert_int_equal(overflowed, 10000 - 70);
    assert_int_equal(table.count, 71);
    double sum = 0;
    for (size_t i = 0; i < table.slot_count; i++)
        sum += table.slots[i] == NULL ? 0 : table.slots[i]->value;
    assert_true(sum == 10000); /* no count is gone: only who made it */
    for (int i = 0; i < 100; i++) {
        (void)snprintf(line, sizeof(line), "name%d:1|c", i);
        enum series_place place = add(&table, line, 0);
        assert_int_equal(place, i < 9 ? SERIES_OVERFLOW : SERIES_NONE);
    }
    assert_int_equal(table.count, 80);
    assert_int_equal(add(&table, "hits:1|c|#user:3", 0), SERIES_OWN);
    series_table_fini(&table);
}

static void memory_is_a_bound_of_its_own(void **unused)
{
    (void)unused;
    struct series_table table;
    char line[64];

    make_table(&table, 100000, 256 * 1024);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(line, sizeof(line), "t:-1|ms|#user:%d", i);
        (void)add(&table, line, 0);
        assert_true(table.bytes <= table.max_bytes);
    }
    assert_true(table.count > 20 && table.count < 64);
    series_table_fini(&table);
}

static void what_was_not_used_for_long_is_forgotten_and_the_rest_is_found(void **unused)
{
    (void)unused;
    struct series_table table;
    char line[64];

    make_table(&table, 1000, 1 << 20);
    for (int i = 0; i < 800; i++) {
        (void)snprintf(line, sizeof(line), "a:1|c|#user:%d", i);
        assert_int_equal(add(&table, line, i % 3 == 0 ? 100 : 1), SERIES_OWN);
    }
    series_expire(&table, 50);
    assert_int_equal(table.count, 267);
    for (int i = 0; i < 800; i += 3) {
        (void)snprintf(line, sizeof(line), "a:1|c|#user:%d", i);
        assert_int_equal(add(&table, line, 100), SERIES_OWN);
    }
    assert_int_equal(table.count, 267); /* none of them twice */
    assert_true(series_table_reserve(&table, 5000));
    for (int i = 0; i < 800; i += 3) {
        (void)snprintf(line, sizeof(line), "a:1|c|#user:%d", i);
        assert_int_equal(add(&table, line, 100), SERIES_OWN);
    }
    assert_int_equal(table.count, 267);
    series_expire(&table, 1000);
    assert_true(table.count == 0 && table.bytes == 0);
    series_table_fini(&table);
}

/* ---- sketches ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void assert_quantiles(double *numbers, size_t count)
{
    struct sketch_store below = { 0 };
    struct sketch sketch = { .below = &below };

    for (size_t i = 0; i < count; i++)
        sketch_add(&sketch, numbers[i], 1);
    qsort(numbers, count, sizeof(numbers[0]), by_size);
    for (int percent = 0; percent <= 100; percent++) {
        double exact = numbers[(size_t)floor(percent / 100.0 * (double)(count - 1))];
        double got = sketch_quantile(&sketch, percent / 100.0);
        if (fabs(got - exact) > SKETCH_ERROR * fabs(exact) * 1.0001)
            fail_msg("p%d: %g, exact %g", percent, got, exact);
    }
    assert_true(sketch.min == numbers[0] && sketch.max == numbers[count - 1]);
}

static void quantiles_are_within_one_percent(void **unused)
{
    (void)unused;
    enum { COUNT = 20000 };
    static double numbers[COUNT];
    uint64_t state = 1;

    for (int shape = 0; shape < 4; shape++) {
        for (size_t i = 0; i < COUNT; i++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
            double unit = (double)(state >> 11) / 9007199254740992.0;
            numbers[i] = shape == 0   ? unit * 1000
                         : shape == 1 ? exp(unit * 18)
                         : shape == 2 ? (unit - 0.5) * 1e6
                                      : floor(unit * 10) - 5; /* zeros among them */
        }
        assert_quantiles(numbers, COUNT);
    }
    static double rising[] = { 1e7, 1e-1, 1, 5, 1e5 }; /* the window has to move both ways */
    assert_quantiles(rising, 5);
}

static void beyond_its_span_the_upper_quantiles_stay_exact(void **unused)
{
    (void)unused;
    struct sketch sketch = { 0 };

    for (int i = 1; i <= 1000; i++) {
        sketch_add(&sketch, 1e-6 * i, 1);
        sketch_add(&sketch, 1e9 * i, 1);
    }
    assert_true(fabs(sketch_quantile(&sketch, 0.9) - 8e11) < 8e9 * 1.01);
    assert_true(sketch_quantile(&sketch, 0) == 1e-6 || sketch_quantile(&sketch, 0) > 0);
    assert_int_equal(sketch.count, 2000);
    sketch_clear(&sketch);
    sketch_add(&sketch, 7, 1);
    assert_true(fabs(sketch_quantile(&sketch, 0.5) - 7) <= 0.07);
    assert_true(sketch_quantile(&sketch, 1) <= sketch.max);
}

static void a_sampled_number_stands_for_several(void **unused)
{
    (void)unused;
    struct sketch sketch = { 0 };

    for (int i = 0; i < 900; i++)
        sketch_add(&sketch, 10, 1 / 0.3);
    assert_true(sketch.count >= 2999 && sketch.count <= 3000);
    assert_true(fabs(sketch.sum - 30000) < 1e-6);
}

static void the_count_of_a_set_is_near(void **unused)
{
    (void)unused;
    struct series_table table;
    char line[64];

    make_table(&table, 100, 1 << 20);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 100; i++) {
            (void)snprintf(line, sizeof(line), "few:user%d|s", i);
            add(&table, line, 0);
        }
        for (int i = 0; i < 100000; i++) {
            (void)snprintf(line, sizeof(line), "many:%d|s", i);
            add(&table, line, 0);
        }
    }
    double few = distinct_count(find(&table, "few")->distinct);
    double many = distinct_count(find(&table, "many")->distinct);
    if (fabs(few - 100) > 3 || fabs(many - 100000) > 7000)
        fail_msg("few %g of 100, many %g of 100000", few, many);
    series_table_fini(&table);
}

/* ---- events ---- */

static void emit_all(struct sink *sink, struct series_table *table, bool is_delta)
{
    static const double quantiles[] = { 0.5 };
    struct emission emission = { sink, 5 * NS_PER_S, 15 * NS_PER_S, is_delta, quantiles, 1 };

    for (size_t i = 0; i < table->slot_count; i++) {
        if (table->slots[i] != NULL)
            emit_series(&emission, table->slots[i]);
    }
    assert_true(sink_flush(sink));
}

static void sums_are_cumulative_or_deltas(void **unused)
{
    (void)unused;
    struct series_table table;
    struct sink *sink = fake_sink_new();

    make_table(&table, 100, 1 << 20);
    for (int round = 0; round < 4; round++) {
        bool is_delta = round >= 2;
        add(&table, "c:2|c|#env:prod,alone", 3);
        fake_sink_clear(sink);
        emit_all(sink, &table, is_delta);
        assert_int_equal(sink->event_count, 1);
        const struct event *event = &sink->events[0];
        assert_true(event->kind == EVENT_SUM && fake_sink_is_body(sink, 0, "c"));
        assert_true(event->number == (is_delta ? 2 : 2 * (round + 1)));
        assert_int_equal(event->start_ns, is_delta ? 5 * NS_PER_S : 3 * NS_PER_MS);
        assert_int_equal(event->time_ns, 15 * NS_PER_S);
        assert_int_equal((event->flags & EVENT_DELTA) != 0, is_delta);
        assert_true(slice_equals(fake_sink_attribute(event, "env"), SLICE("prod")));
    }
    fake_sink_clear(sink);
    emit_all(sink, &table, false);
    assert_int_equal(sink->event_count, 0); /* nothing came */
    add(&table, "c:-1|c|#env:prod,alone", 3);
    emit_all(sink, &table, false);
    assert_int_equal(sink->events[0].kind, EVENT_UPDOWN);
    fake_sink_free(&sink);
    series_table_fini(&table);
}

static void a_timer_is_five_samples_and_more_with_more_quantiles(void **unused)
{
    (void)unused;
    static const char *const bodies[] = { "t.count", "t.sum", "t.min", "t.max", "t" };
    static const double numbers[] = { 30, 150, 4, 6, 5 };
    struct series_table table;
    struct sink *sink = fake_sink_new();

    make_table(&table, 100, 1 << 20);
    add(&table, "t:4:5:6|ms|@0.1", 3);
    emit_all(sink, &table, false);
    assert_int_equal(sink->event_count, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct event *event = &sink->events[i];
        assert_string_equal(fake_sink_body(sink, i), bodies[i]);
        assert_true(fabs(event->number - numbers[i]) <= numbers[i] * SKETCH_ERROR);
        assert_int_equal(event->kind, i < 2 ? EVENT_SUM : EVENT_GAUGE);
    }
    assert_true(slice_equals(sink->events[4].unit, SLICE("ms")));
    struct value quantile;
    assert_true(event_field(&sink->events[4], SLICE("quantile"), &quantile));
    assert_true(quantile.real == 0.5);
    fake_sink_free(&sink);
    series_table_fini(&table);
}

static void an_event_and_a_check_are_log_events(void **unused)
{
    (void)unused;
    struct sink *sink = fake_sink_new();
    struct statsd_event parsed;

    assert_null(statsd_parse_event(slice_of("_e{2,4}:hi|a\\nb|t:error|#env:prod"), &parsed));
    emit_event(sink_event(sink), &parsed);
    assert_null(statsd_parse_event(slice_of("_sc|db|1|d:7|m:slow"), &parsed));
    emit_event(sink_event(sink), &parsed);
    assert_true(sink_flush(sink));
    assert_string_equal(fake_sink_body(sink, 0), "a\nb");
    assert_int_equal(sink->events[0].severity, SEVERITY_ERROR);
    assert_true(
        slice_equals(fake_sink_attribute(&sink->events[0], "statsd.event.title"), SLICE("hi")));
    assert_true(slice_equals(fake_sink_attribute(&sink->events[0], "env"), SLICE("prod")));
    assert_string_equal(fake_sink_body(sink, 1), "slow");
    assert_int_equal(sink->events[1].severity, SEVERITY_WARN);
    assert_int_equal(sink->events[1].time_ns, 7 * NS_PER_S);
    fake_sink_free(&sink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_tags_makes_no_difference_and_the_kind_does),
        cmocka_unit_test(gauges_change_by_signed_values_and_counters_are_scaled),
        cmocka_unit_test(one_series_too_many_goes_to_the_overflow_of_its_name),
        cmocka_unit_test(memory_is_a_bound_of_its_own),
        cmocka_unit_test(what_was_not_used_for_long_is_forgotten_and_the_rest_is_found),
        cmocka_unit_test(quantiles_are_within_one_percent),
        cmocka_unit_test(beyond_its_span_the_upper_quantiles_stay_exact),
        cmocka_unit_test(a_sampled_number_stands_for_several),
        cmocka_unit_test(the_count_of_a_set_is_near),
        cmocka_unit_test(sums_are_cumulative_or_deltas),
        cmocka_unit_test(a_timer_is_five_samples_and_more_with_more_quantiles),
        cmocka_unit_test(an_event_and_a_check_are_log_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
