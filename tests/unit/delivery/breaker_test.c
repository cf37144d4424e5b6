/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "delivery/breaker.h"

static struct random random_source;

static struct breaker make(unsigned failures)
{
    random_source = random_make(1);
    return breaker_make(
        &(struct breaker_config){ .failures = failures, .rest_ms = 1000, .rest_max_ms = 4000 });
}

static void record(struct breaker *breaker, enum breaker_sign sign, int64_t now_ms)
{
    breaker_record(breaker, sign, now_ms, &random_source);
}

static void enough_failures_in_a_row_open_it(void **unused)
{
    (void)unused;
    struct breaker breaker = make(3);
    record(&breaker, BREAKER_FAILURE, 0);
    record(&breaker, BREAKER_FAILURE, 0);
    record(&breaker, BREAKER_SUCCESS, 0);
    record(&breaker, BREAKER_FAILURE, 0);
    record(&breaker, BREAKER_FAILURE, 0);
    assert_true(breaker_allows(&breaker, 0));
    record(&breaker, BREAKER_FAILURE, 0);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_false(breaker_allows(&breaker, 0));
}

static void half_of_the_last_twenty_open_it_but_not_half_of_fewer(void **unused)
{
    (void)unused;
    struct breaker breaker = make(5);
    for (int i = 0; i < BREAKER_WINDOW - 1; i++) {
        record(&breaker, i % 2 == 0 ? BREAKER_FAILURE : BREAKER_SUCCESS, 0);
        assert_int_equal(breaker.state, BREAKER_CLOSED);
    }
    record(&breaker, BREAKER_FAILURE, 0);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void old_failures_leave_the_window(void **unused)
{
    (void)unused;
    struct breaker breaker = make(100);
    for (int i = 0; i < 9; i++)
        record(&breaker, BREAKER_FAILURE, 0);
    for (int i = 0; i < BREAKER_WINDOW; i++)
        record(&breaker, BREAKER_SUCCESS, 0);
    for (int i = 0; i < 9; i++)
        record(&breaker, BREAKER_FAILURE, 0);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    record(&breaker, BREAKER_FAILURE, 0);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void an_outage_opens_it_at_once(void **unused)
{
    (void)unused;
    struct breaker breaker = make(5);
    record(&breaker, BREAKER_OUTAGE, 0);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void no_sign_changes_nothing_while_it_is_closed(void **unused)
{
    (void)unused;
    struct breaker breaker = make(1);
    record(&breaker, BREAKER_NO_SIGN, 0);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker.window_count, 0);
}

static void an_open_breaker_lets_exactly_one_probe_through_after_its_rest(void **unused)
{
    (void)unused;
    struct breaker breaker = make(1);
    record(&breaker, BREAKER_FAILURE, 0);
    assert_in_range(breaker.until_ms, 500, 1000);
    assert_false(breaker_allows(&breaker, breaker.until_ms - 1));
    assert_true(breaker_allows(&breaker, breaker.until_ms));
    assert_false(breaker_allows(&breaker, breaker.until_ms + 100000));
}

static void one_success_of_the_probe_closes_it_with_a_clean_slate(void **unused)
{
    (void)unused;
    struct breaker breaker = make(2);
    record(&breaker, BREAKER_OUTAGE, 0);
    assert_true(breaker_allows(&breaker, 1000));
    record(&breaker, BREAKER_SUCCESS, 1000);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    record(&breaker, BREAKER_FAILURE, 1000);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    record(&breaker, BREAKER_FAILURE, 1000);
    assert_in_range(breaker.until_ms - 1000, 500, 1000);
}

static void each_failed_probe_doubles_the_rest_up_to_its_longest(void **unused)
{
    (void)unused;
    static const int64_t rests_ms[] = { 2000, 4000, 4000, 4000 };
    struct breaker breaker = make(1);
    record(&breaker, BREAKER_FAILURE, 0);
    for (int i = 0; i < 4; i++) {
        int64_t now_ms = breaker.until_ms;
        assert_true(breaker_allows(&breaker, now_ms));
        record(&breaker, i % 2 == 0 ? BREAKER_FAILURE : BREAKER_OUTAGE, now_ms);
        assert_in_range(breaker.until_ms - now_ms, rests_ms[i] / 2, rests_ms[i]);
    }
}

static void a_probe_without_a_verdict_rests_again_for_no_longer(void **unused)
{
    (void)unused;
    struct breaker breaker = make(1);
    record(&breaker, BREAKER_FAILURE, 0);
    for (int i = 0; i < 5; i++) {
        int64_t now_ms = breaker.until_ms;
        assert_true(breaker_allows(&breaker, now_ms));
        record(&breaker, BREAKER_NO_SIGN, now_ms);
        assert_in_range(breaker.until_ms - now_ms, 500, 1000);
    }
}

static void a_probe_can_be_repeated_at_once(void **unused)
{
    (void)unused;
    struct breaker breaker = make(1);
    breaker_rest_until(&breaker, 5000);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    record(&breaker, BREAKER_FAILURE, 0);
    assert_true(breaker_allows(&breaker, 1000));
    breaker_rest_until(&breaker, 1001);
    assert_false(breaker_allows(&breaker, 1000));
    assert_true(breaker_allows(&breaker, 1001));
}

static void after_a_success_the_first_rest_is_short_again(void **unused)
{
    (void)unused;
    struct breaker breaker = make(1);
    record(&breaker, BREAKER_FAILURE, 0);
    for (int i = 0; i < 4; i++) {
        int64_t now_ms = breaker.until_ms;
        assert_true(breaker_allows(&breaker, now_ms));
        record(&breaker, i < 3 ? BREAKER_FAILURE : BREAKER_SUCCESS, now_ms);
    }
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    record(&breaker, BREAKER_FAILURE, 50000);
    assert_in_range(breaker.until_ms - 50000, 500, 1000);
}

static void a_success_never_opens_it(void **unused)
{
    (void)unused;
    struct breaker breaker = make(5);
    for (int i = 0; i < BREAKER_WINDOW; i++)
        record(&breaker, i % 2 == 0 ? BREAKER_FAILURE : BREAKER_SUCCESS, 0);
    assert_int_equal(breaker.state, BREAKER_CLOSED); /* with half of the window failed */
    record(&breaker, BREAKER_FAILURE, 0);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void a_longest_rest_below_the_first_changes_nothing(void **unused)
{
    (void)unused;
    random_source = random_make(1);
    struct breaker breaker =
        breaker_make(&(struct breaker_config){ .failures = 1, .rest_ms = 1000, .rest_max_ms = 10 });
    record(&breaker, BREAKER_FAILURE, 0);
    assert_true(breaker_allows(&breaker, 1000));
    record(&breaker, BREAKER_FAILURE, 1000);
    assert_in_range(breaker.until_ms - 1000, 500, 1000);
}

static void rests_are_spread_so_that_a_fleet_does_not_come_back_together(void **unused)
{
    (void)unused;
    unsigned early = 0;
    struct random random = random_make(3);
    for (int i = 0; i < 1000; i++) {
        struct breaker breaker = make(1);
        breaker_record(&breaker, BREAKER_FAILURE, 0, &random);
        early += breaker.until_ms < 750;
    }
    assert_in_range(early, 400, 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enough_failures_in_a_row_open_it),
        cmocka_unit_test(half_of_the_last_twenty_open_it_but_not_half_of_fewer),
        cmocka_unit_test(old_failures_leave_the_window),
        cmocka_unit_test(an_outage_opens_it_at_once),
        cmocka_unit_test(no_sign_changes_nothing_while_it_is_closed),
        cmocka_unit_test(an_open_breaker_lets_exactly_one_probe_through_after_its_rest),
        cmocka_unit_test(one_success_of_the_probe_closes_it_with_a_clean_slate),
        cmocka_unit_test(each_failed_probe_doubles_the_rest_up_to_its_longest),
        cmocka_unit_test(a_probe_without_a_verdict_rests_again_for_no_longer),
        cmocka_unit_test(a_probe_can_be_repeated_at_once),
        cmocka_unit_test(after_a_success_the_first_rest_is_short_again),
        cmocka_unit_test(a_success_never_opens_it),
        cmocka_unit_test(a_longest_rest_below_the_first_changes_nothing),
        cmocka_unit_test(rests_are_spread_so_that_a_fleet_does_not_come_back_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
