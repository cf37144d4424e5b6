/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery/saturation.h"

#include "test.h"

static const struct saturation_measure quiet = { .wait_p99_ms = -1, .late_ms = 3000 };
enum { MIB = 1024 * 1024 };

static enum saturation_cause look(struct saturation *saturation, struct saturation_measure measure,
                                  int times)
{
    measure.late_ms = quiet.late_ms;
    for (int i = 0; i < times; i++)
        (void)saturation_look(saturation, &measure);
    return saturation->cause;
}

static void each_cause_is_known_by_its_measurements(void **unused)
{
    (void)unused;
    static const struct {
        struct saturation_measure measure;
        enum saturation_cause wanted;
    } cases[] = {
        { { .wait_p99_ms = -1 }, SATURATION_NONE },
        { { .blocked = 0.49, .ring_fill = 0.79, .busy = 0.5, .wait_p99_ms = 9 }, SATURATION_NONE },
        { { .blocked = 0.5, .ring_fill = 1, .busy = 0.5, .wait_p99_ms = 9000 },
          SATURATION_ENDPOINT },
        { { .blocked = 0.5, .to_disk = true, .wait_p99_ms = -1 }, SATURATION_DISK },
        { { .blocked = 0.1, .to_disk = true, .wait_p99_ms = -1 }, SATURATION_NONE },
        { { .busy = 0.95, .ring_fill = 0.1, .wait_p99_ms = 2000 }, SATURATION_NONE },
        { { .busy = 0.95, .ring_fill = 0.1, .wait_p99_ms = 4000 }, SATURATION_CPU },
        { { .busy = 0.95, .ring_fill = 0.6, .wait_p99_ms = 10 }, SATURATION_CPU },
        { { .busy = 0.95, .lag_bytes = 2 * MIB, .lag_before_bytes = MIB }, SATURATION_CPU },
        { { .ring_fill = 0.8, .busy = 0.3 }, SATURATION_RING },
        { { .lag_bytes = 2 * MIB, .lag_before_bytes = MIB, .busy = 0.2 }, SATURATION_INPUT },
        { { .lag_bytes = 2 * MIB, .lag_before_bytes = 3 * MIB }, SATURATION_NONE },
        { { .lag_bytes = 9000, .lag_before_bytes = 0 }, SATURATION_NONE },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct saturation saturation = { 0 };
        assert_int_equal(look(&saturation, cases[i].measure, 10), cases[i].wanted);
        assert_int_equal(saturation_is_calm(&saturation), cases[i].wanted == SATURATION_NONE);
    }
}

static void one_look_is_a_suspicion_and_two_are_a_cause_that_is_told_once(void **unused)
{
    (void)unused;
    struct saturation saturation = { 0 };
    struct saturation_measure slow = quiet;

    slow.blocked = 0.9;
    assert_false(saturation_look(&saturation, &slow));
    assert_int_equal(saturation.cause, SATURATION_NONE);
    assert_false(saturation_is_calm(&saturation));
    assert_true(saturation_look(&saturation, &slow));
    assert_int_equal(saturation.cause, SATURATION_ENDPOINT);
    assert_false(saturation_look(&saturation, &slow));
    assert_false(saturation_look(&saturation, &quiet));
    assert_false(saturation_look(&saturation, &quiet));
    assert_true(saturation_look(&saturation, &quiet));
    assert_true(saturation_is_calm(&saturation));
}

static void a_load_around_a_mark_does_not_flap(void **unused)
{
    (void)unused;
    static const double shares[] = { 0.51, 0.49, 0.55, 0.4, 0.3, 0.6, 0.26, 0.52 };
    struct saturation saturation = { 0 };
    unsigned changes = 0;

    for (int i = 0; i < 1000; i++) {
        struct saturation_measure measure = quiet;
        measure.blocked = i < 2 ? 0.51 : shares[i % 8];
        changes += saturation_look(&saturation, &measure);
    }
    assert_int_equal(changes, 1);
    /* Below it, single peaks are no cause. */
    saturation = (struct saturation){ 0 };
    for (int i = 0; i < 1000; i++) {
        struct saturation_measure measure = quiet;
        measure.blocked = i % 2 == 0 ? 1 : 0.1;
        assert_false(saturation_look(&saturation, &measure));
    }
    /* Nor are single calm looks its end. */
    assert_int_equal(look(&saturation, (struct saturation_measure){ .blocked = 1 }, 2),
                     SATURATION_ENDPOINT);
    for (int i = 0; i < 1000; i++) {
        struct saturation_measure measure = quiet;
        measure.blocked = i % 3 == 0 ? 1 : 0;
        assert_false(saturation_look(&saturation, &measure));
    }
}

/* Each: what makes it the cause; what does not, and keeps it; what ends it. */
static void a_cause_ends_at_lower_marks_than_it_begins_at(void **unused)
{
    (void)unused;
    static const struct {
        enum saturation_cause cause;
        struct saturation_measure enters, stays, ends;
    } cases[] = {
        { SATURATION_ENDPOINT, { .blocked = 0.5 }, { .blocked = 0.25 }, { .blocked = 0.24 } },
        { SATURATION_DISK,
          { .blocked = 0.5, .to_disk = true },
          { .blocked = 0.25, .to_disk = true },
          { .blocked = 0.24, .to_disk = true } },
        { SATURATION_CPU,
          { .busy = 0.9, .wait_p99_ms = 3001 },
          { .busy = 0.7, .wait_p99_ms = 3001 },
          { .busy = 0.69, .wait_p99_ms = 3001 } },
        { SATURATION_CPU,
          { .busy = 0.9, .wait_p99_ms = 3001 },
          { .busy = 0.89, .wait_p99_ms = 3001 },
          { .busy = 0.9, .wait_p99_ms = 3000 } },
        { SATURATION_RING, { .ring_fill = 0.8 }, { .ring_fill = 0.5 }, { .ring_fill = 0.49 } },
        { SATURATION_INPUT,
          { .lag_bytes = MIB, .lag_before_bytes = MIB - 1 },
          { .lag_bytes = MIB, .lag_before_bytes = 2 * MIB },
          { .lag_bytes = MIB - 1, .lag_before_bytes = 0 } },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct saturation saturation = { 0 };
        assert_int_equal(look(&saturation, cases[i].stays, 10), SATURATION_NONE);
        assert_int_equal(look(&saturation, cases[i].enters, 2), cases[i].cause);
        assert_int_equal(look(&saturation, cases[i].stays, 10), cases[i].cause);
        assert_int_equal(look(&saturation, cases[i].ends, 2), cases[i].cause);
        assert_int_equal(look(&saturation, cases[i].ends, 1), SATURATION_NONE);
    }
}

static void
workers_that_are_never_idle_are_told_from_bursts_by_what_takes_more_of_their_time(void **unused)
{
    (void)unused;
    static const struct saturation_measure busy = { .busy = 0.6, .blocked = 0.4, .ring_fill = 1 };
    static const struct saturation_measure slow = { .busy = 0.45, .blocked = 0.46, .ring_fill = 1 };
    static const struct saturation_measure less = { .busy = 0.4, .blocked = 0.31, .ring_fill = 1 };
    static const struct saturation_measure idle = { .busy = 0.3, .blocked = 0.2, .ring_fill = 1 };
    struct saturation saturation = { 0 };

    assert_int_equal(look(&saturation, less, 2), SATURATION_RING);
    assert_int_equal(look(&saturation, busy, 2), SATURATION_CPU);
    assert_int_equal(look(&saturation, slow, 10), SATURATION_CPU); /* it does not flap */
    assert_int_equal(look(&saturation, less, 10), SATURATION_CPU);
    assert_int_equal(look(&saturation, idle, 2), SATURATION_RING);
    assert_int_equal(look(&saturation, slow, 2), SATURATION_ENDPOINT);
    assert_int_equal(look(&saturation, busy, 10), SATURATION_ENDPOINT);
    struct saturation_measure to_disk = slow;
    to_disk.to_disk = true;
    assert_int_equal(look(&saturation, idle, 2), SATURATION_RING);
    assert_int_equal(look(&saturation, to_disk, 2), SATURATION_DISK);
}

static void one_cause_takes_over_from_another_without_none_between(void **unused)
{
    (void)unused;
    struct saturation saturation = { 0 };
    struct saturation_measure slow = { .blocked = 1, .ring_fill = 1 };
    struct saturation_measure busy = { .busy = 1, .ring_fill = 1 };

    assert_int_equal(look(&saturation, slow, 5), SATURATION_ENDPOINT);
    assert_int_equal(look(&saturation, busy, 1), SATURATION_ENDPOINT);
    assert_int_equal(look(&saturation, busy, 1), SATURATION_CPU);
    assert_string_equal(saturation_name(saturation.cause), "cpu");
}

static void the_99th_percentile_of_waits_is_bounded_from_above_by_a_quarter(void **unused)
{
    (void)unused;
    struct wait_times waits = { 0 };

    assert_int_equal(wait_times_take_p99_ms(&waits), -1);
    for (int64_t ms = 0; ms < 30000000; ms = ms * 5 / 4 + 1) {
        wait_times_add(&waits, ms, 3);
        assert_in_range(wait_times_take_p99_ms(&waits), ms, ms + ms / 4 + 1);
    }
    wait_times_add(&waits, INT64_MAX, 1);
    assert_true(wait_times_take_p99_ms(&waits) > 0);
    wait_times_add(&waits, 10, 990);
    wait_times_add(&waits, 5000, 10);
    assert_in_range(wait_times_take_p99_ms(&waits), 10, 12);
    wait_times_add(&waits, 10, 989);
    wait_times_add(&waits, 5000, 11);
    assert_in_range(wait_times_take_p99_ms(&waits), 5000, 6250);
    assert_int_equal(wait_times_take_p99_ms(&waits), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cause_is_known_by_its_measurements),
        cmocka_unit_test(one_look_is_a_suspicion_and_two_are_a_cause_that_is_told_once),
        cmocka_unit_test(a_load_around_a_mark_does_not_flap),
        cmocka_unit_test(a_cause_ends_at_lower_marks_than_it_begins_at),
        cmocka_unit_test(
            workers_that_are_never_idle_are_told_from_bursts_by_what_takes_more_of_their_time),
        cmocka_unit_test(one_cause_takes_over_from_another_without_none_between),
        cmocka_unit_test(the_99th_percentile_of_waits_is_bounded_from_above_by_a_quarter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
