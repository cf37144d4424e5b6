/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "event/record.h"
#include "event/resource.h"
#include "flow/tap.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { RUN = 500 };

static struct resource *host;
static _Alignas(RECORD_ALIGN) char record[TAP_RECORD_BYTES];

static struct tap *open_tap(enum tap_stage stage, const char *name, unsigned rate,
                            const char *filter)
{
    struct tap_wish wish = { .stage = stage, .rate = rate };
    struct err err = { "" };

    (void)snprintf(wish.name, sizeof(wish.name), "%s", name);
    if (filter != NULL)
        assert_true(tap_filter_parse(filter, &wish.filters[wish.filter_count++], &err));
    struct tap *tap = tap_open(&wish, &err);
    assert_non_null(tap);
    return tap;
}

static void fill(struct event *events, char bodies[][32], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(bodies[i], 32, "line %zu", i);
        events[i] = (struct event){ .body = slice_of(bodies[i]) };
    }
}

static void offer(const char *input, size_t count)
{
    static struct event events[RUN];
    static char bodies[RUN][32];
    struct tap_place place = { TAP_READ, input, "main", "", host };

    fill(events, bodies, count);
    tap_offer(&place, events, count);
}

static bool take(struct tap *tap, struct event *ret)
{
    struct tapped tapped;

    if (!tap_take(tap, &tapped, record))
        return false;
    assert_ptr_equal(tapped.resource, host);
    resource_unref(&tapped.resource);
    (void)record_read(record, ret, NULL, 0);
    return true;
}

static void check_sum(struct tap *tap)
{
    struct tap_counts counts = tap_counts(tap);
    assert_int_equal(counts.seen,
                     counts.shown + counts.not_matching + counts.over_rate + counts.dropped);
}

static int make_host(void **unused)
{
    (void)unused;
    static const struct attribute name = { SLICE("host.name"),
                                           { .kind = VALUE_TEXT, .text = SLICE("h") } };
    host = resource_new(&name, 1);
    return host == NULL;
}

static int free_host(void **unused)
{
    (void)unused;
    resource_unref(&host);
    return 0;
}

static void a_stage_is_wanted_while_a_tap_looks_at_it(void **unused)
{
    (void)unused;
    assert_false(tap_is_wanted(TAP_READ));
    struct tap *one = open_tap(TAP_READ, "app", 10, NULL);
    struct tap *two = open_tap(TAP_READ, "app", 10, NULL);
    assert_true(tap_is_wanted(TAP_READ));
    assert_false(tap_is_wanted(TAP_ENCODED));
    tap_close(&one);
    assert_true(tap_is_wanted(TAP_READ));
    tap_close(&two);
    assert_false(tap_is_wanted(TAP_READ));
}

static void a_tap_sees_its_own_input_alone_and_an_event_comes_as_it_was(void **unused)
{
    (void)unused;
    struct tap *tap = open_tap(TAP_READ, "app", 100, NULL);
    struct event event;

    offer("other", 5);
    offer("app", 3);
    for (int i = 0; i < 3; i++) {
        char body[32];
        (void)snprintf(body, sizeof(body), "line %d", i);
        assert_true(take(tap, &event));
        assert_int_equal(event.body.bytes, strlen(body));
        assert_memory_equal(event.body.data, body, strlen(body));
    }
    assert_false(take(tap, &event));
    assert_int_equal(tap_counts(tap).seen, 3);
    check_sum(tap);
    tap_close(&tap);
}

static void more_than_the_rate_is_counted_and_the_samples_are_spread_over_the_run(void **unused)
{
    (void)unused;
    struct tap *tap = open_tap(TAP_READ, "app", 10, NULL);
    struct event event;
    unsigned shown = 0;
    long last = -1;

    offer("app", RUN);
    while (take(tap, &event)) {
        last = strtol(event.body.data + 5, NULL, 10);
        shown++;
    }
    assert_in_range(shown, 10, 12); /* some of a second may have passed */
    assert_in_range(last, RUN / 2, RUN);
    assert_int_equal(tap_counts(tap).over_rate, RUN - shown);
    check_sum(tap);
    tap_close(&tap);
}

static void what_does_not_match_is_counted_and_uses_up_no_rate(void **unused)
{
    (void)unused;
    struct tap *tap = open_tap(TAP_READ, "app", 10, "body=line 49*9");
    struct event event;

    offer("app", RUN);
    assert_true(take(tap, &event));
    assert_memory_equal(event.body.data, "line 499", 8);
    assert_false(take(tap, &event));
    assert_int_equal(tap_counts(tap).not_matching, RUN - 1);
    check_sum(tap);
    tap_close(&tap);
}

static void a_resource_can_be_asked_for(void **unused)
{
    (void)unused;
    struct tap *tap = open_tap(TAP_READ, "app", 10, "resource.host.name=h");
    struct event event;

    offer("app", 1);
    assert_true(take(tap, &event));
    tap_close(&tap);
}

static void a_reader_that_does_not_read_loses_samples_and_they_are_counted(void **unused)
{
    (void)unused;
    struct tap *tap = open_tap(TAP_READ, "app", TAP_RATE_MOST, NULL);
    static char body[TAP_BODY_BYTES + 1000];
    struct event event = { .body = { body, sizeof(body) } }, got;
    struct tap_place place = { TAP_READ, "app", "main", "", host };
    unsigned read = 0;

    memset(body, 'x', sizeof(body));
    /* A slow machine has to wait for the tap's share of time now and then. */
    while (tap_counts(tap).dropped == 0)
        tap_offer(&place, &event, 1);
    struct tap_counts counts = tap_counts(tap);
    assert_in_range(counts.shown, 5, TAP_RING_BYTES / TAP_BODY_BYTES);
    check_sum(tap);
    while (take(tap, &got)) {
        assert_int_equal(got.body.bytes, TAP_BODY_BYTES); /* cut */
        assert_true(got.flags & EVENT_TRUNCATED);
        read++;
    }
    assert_int_equal(read, counts.shown);
    while (!take(tap, &got)) /* there is room again, also over the end of the ring */
        tap_offer(&place, &event, 1);
    tap_close(&tap);
}

static void a_tap_works_for_a_small_part_of_the_time_whatever_passes(void **unused)
{
    (void)unused;
    struct tap *tap = open_tap(TAP_READ, "app", 10, "body=nothing");
    static struct event events[RUN];
    static char bodies[RUN][32];
    struct tap_place place = { TAP_READ, "app", "main", "", host };

    fill(events, bodies, RUN);
    for (int i = 0; i < 20000; i++) /* seconds of comparing, if it were let */
        tap_offer(&place, events, RUN);
    struct tap_counts counts = tap_counts(tap);
    assert_int_equal(counts.seen, 20000 * RUN);
    assert_true(counts.over_rate > counts.not_matching);
    check_sum(tap);
    tap_close(&tap);
}

static void a_fifth_tap_is_refused(void **unused)
{
    (void)unused;
    struct tap *all[TAPS];
    struct tap_wish wish = { .stage = TAP_READ, .name = "app", .rate = 1 };
    struct err err = { "" };

    for (size_t i = 0; i < TAPS; i++)
        all[i] = open_tap(TAP_READ, "app", 1, NULL);
    assert_null(tap_open(&wish, &err));
    assert_string_equal(err.text, "there are 4 taps already: end one of them first");
    tap_close(&all[2]);
    all[2] = open_tap(TAP_READ, "app", 1, NULL);
    for (size_t i = 0; i < TAPS; i++)
        tap_close(&all[i]);
}

static void one_by_one_events_are_counted_too(void **unused)
{
    (void)unused;
    struct tap *tap = open_tap(TAP_ENCODED, "main", 5, NULL);
    struct tap_place place = { TAP_ENCODED, "app", "main", "", NULL };
    struct event event = { .body = SLICE("x"), .resource = host };
    struct tap_view view = { .passed_by = 0 };

    tap_view_show(&view, &place, &event); /* not asked yet: nothing is wanted */
    assert_int_equal(tap_counts(tap).seen, 0);
    tap_view_ask(&view, TAP_ENCODED);
    for (int i = 0; i < 10000; i++)
        tap_view_show(&view, &place, &event);
    assert_int_equal(tap_counts(tap).seen, 10000 - view.passed_by);
    assert_true(view.passed_by <= 64);
    assert_in_range(tap_counts(tap).shown, 5, 10);
    check_sum(tap);
    tap_close(&tap);
}

static _Atomic bool is_over;

static void *keep_offering(void *context)
{
    const char *body = context;
    struct tap_place place = { TAP_READ, "app", "main", "", host };
    struct event events[4] = { { .body = slice_of(body) }, { .body = slice_of(body) } };

    while (!atomic_load(&is_over)) {
        if (tap_is_wanted(TAP_READ))
            tap_offer(&place, events, 2);
    }
    return NULL;
}

static void taps_come_and_go_while_events_pass(void **unused)
{
    (void)unused;
    pthread_t threads[2];
    struct event event;

    atomic_store(&is_over, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_offering, (void *)"a body"), 0);
    for (int i = 0; i < 300; i++) {
        struct tap *tap = open_tap(TAP_READ, "app", TAP_RATE_MOST, NULL);
        while (!take(tap, &event))
            ;
        assert_memory_equal(event.body.data, "a body", 6);
        check_sum(tap);
        tap_close(&tap);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stage_is_wanted_while_a_tap_looks_at_it),
        cmocka_unit_test(a_tap_sees_its_own_input_alone_and_an_event_comes_as_it_was),
        cmocka_unit_test(more_than_the_rate_is_counted_and_the_samples_are_spread_over_the_run),
        cmocka_unit_test(what_does_not_match_is_counted_and_uses_up_no_rate),
        cmocka_unit_test(a_resource_can_be_asked_for),
        cmocka_unit_test(a_reader_that_does_not_read_loses_samples_and_they_are_counted),
        cmocka_unit_test(a_tap_works_for_a_small_part_of_the_time_whatever_passes),
        cmocka_unit_test(a_fifth_tap_is_refused),
        cmocka_unit_test(one_by_one_events_are_counted_too),
        cmocka_unit_test(taps_come_and_go_while_events_pass),
    };
    return cmocka_run_group_tests(tests, make_host, free_host);
}
