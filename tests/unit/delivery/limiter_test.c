/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "delivery/limiter.h"

/* One round trip: as many requests as are allowed, or fewer, start; then all are answered. */
static void run_round(struct limiter *limiter, unsigned requests, enum limiter_sign sign,
                      int64_t latency_ms)
{
    uint64_t tickets[256];

    for (unsigned i = 0; i < requests; i++)
        tickets[i] = limiter_launch(limiter, i + 1);
    for (unsigned i = 0; i < requests; i++)
        limiter_record(limiter, tickets[i], sign, latency_ms);
}

static void run_full_rounds(struct limiter *limiter, unsigned rounds, int64_t latency_ms)
{
    for (unsigned i = 0; i < rounds; i++)
        run_round(limiter, limiter->limit, LIMITER_GOOD, latency_ms);
}

static void it_doubles_each_full_round_up_to_the_most(void **unused)
{
    (void)unused;
    static const unsigned limits[] = { 2, 4, 8, 16, 20, 20 };
    struct limiter limiter = limiter_make(1, 20);
    assert_int_equal(limiter.limit, 1);
    for (int i = 0; i < 6; i++) {
        run_full_rounds(&limiter, 1, 10);
        assert_int_equal(limiter.limit, limits[i]);
    }
}

static void a_round_that_did_not_use_the_limit_does_not_raise_it(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(4, 64);
    for (int i = 0; i < 10; i++)
        run_round(&limiter, 3, LIMITER_GOOD, 10);
    assert_int_equal(limiter.limit, 4);
}

static void a_bad_answer_halves_it_once_a_round_trip_and_ends_the_doubling(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(1, 64);
    run_full_rounds(&limiter, 4, 10);
    assert_int_equal(limiter.limit, 16);
    run_round(&limiter, 16, LIMITER_BAD, -1);
    assert_int_equal(limiter.limit, 8);
    run_full_rounds(&limiter, 1, 10);
    assert_int_equal(limiter.limit, 9);
    run_full_rounds(&limiter, 1, 10);
    assert_int_equal(limiter.limit, 10);
}

static void it_never_falls_below_the_least(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(3, 64);
    for (int i = 0; i < 10; i++)
        run_round(&limiter, limiter.limit, LIMITER_BAD, -1);
    assert_int_equal(limiter.limit, 3);
}

static void answers_that_say_nothing_about_load_change_nothing(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(2, 64);
    for (int i = 0; i < 10; i++)
        run_round(&limiter, limiter.limit, LIMITER_NO_SIGN, -1);
    assert_int_equal(limiter.limit, 2);
}

static void a_median_that_stands_out_halves_it(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(8, 8);
    run_full_rounds(&limiter, 3, 100);
    limiter.min = 1;
    run_full_rounds(&limiter, 2, 151); /* a round is judged when the next one is answered */
    assert_int_equal(limiter.limit, 4);
}

static void a_median_is_only_high_by_half_and_by_fifty_milliseconds(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(8, 8);
    limiter.min = 1;
    run_full_rounds(&limiter, 3, 10);
    run_full_rounds(&limiter, 2, 59);
    assert_int_equal(limiter.limit, 8);
    limiter = limiter_make(8, 8);
    limiter.min = 1;
    run_full_rounds(&limiter, 3, 1000);
    run_full_rounds(&limiter, 2, 1499);
    assert_int_equal(limiter.limit, 8);
}

static void a_few_slow_answers_do_not_move_the_median(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(8, 8);
    limiter.min = 1;
    run_full_rounds(&limiter, 3, 10);
    for (int round = 0; round < 10; round++) {
        uint64_t tickets[8];
        for (unsigned i = 0; i < 8; i++)
            tickets[i] = limiter_launch(&limiter, i + 1);
        for (unsigned i = 0; i < 8; i++)
            limiter_record(&limiter, tickets[i], LIMITER_GOOD, i < 3 ? 5000 : 10);
    }
    assert_int_equal(limiter.limit, 8);
}

static void one_slow_answer_at_a_limit_of_one_is_no_congestion(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(1, 64);
    run_round(&limiter, 1, LIMITER_GOOD, 900);
    assert_int_equal(limiter.limit, 2);
    assert_true(limiter.doubling);
}

static void an_endpoint_that_became_slower_for_good_is_not_punished_for_ever(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(1, 64);
    run_full_rounds(&limiter, 6, 10);
    run_full_rounds(&limiter, 100, 400);
    assert_int_equal(limiter.limit, 64);
}

static void requests_that_opened_a_connection_teach_no_latency(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(8, 8);
    run_full_rounds(&limiter, 5, -1);
    assert_true(limiter.smoothed_ms < 0);
}

static void after_an_outage_it_grows_by_one_a_round_from_the_least(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(2, 64);
    run_full_rounds(&limiter, 4, 10);
    uint64_t old = limiter_launch(&limiter, 1);
    limiter_restart(&limiter);
    assert_int_equal(limiter.limit, 2);
    limiter_record(&limiter, old, LIMITER_GOOD, 10); /* from before: says nothing */
    assert_int_equal(limiter.limit, 2);
    run_full_rounds(&limiter, 3, 10);
    assert_int_equal(limiter.limit, 5);
}

static void it_finds_the_capacity_of_a_server_and_stays_near_it(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(1, 256);
    unsigned sum = 0;
    for (int round = 0; round < 400; round++) {
        unsigned requests = limiter.limit;
        run_round(&limiter, requests, requests > 20 ? LIMITER_BAD : LIMITER_GOOD, 10);
        if (round >= 200)
            sum += requests;
    }
    assert_in_range(sum / 200, 10, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_doubles_each_full_round_up_to_the_most),
        cmocka_unit_test(a_round_that_did_not_use_the_limit_does_not_raise_it),
        cmocka_unit_test(a_bad_answer_halves_it_once_a_round_trip_and_ends_the_doubling),
        cmocka_unit_test(it_never_falls_below_the_least),
        cmocka_unit_test(answers_that_say_nothing_about_load_change_nothing),
        cmocka_unit_test(a_median_that_stands_out_halves_it),
        cmocka_unit_test(a_median_is_only_high_by_half_and_by_fifty_milliseconds),
        cmocka_unit_test(a_few_slow_answers_do_not_move_the_median),
        cmocka_unit_test(one_slow_answer_at_a_limit_of_one_is_no_congestion),
        cmocka_unit_test(an_endpoint_that_became_slower_for_good_is_not_punished_for_ever),
        cmocka_unit_test(requests_that_opened_a_connection_teach_no_latency),
        cmocka_unit_test(after_an_outage_it_grows_by_one_a_round_from_the_least),
        cmocka_unit_test(it_finds_the_capacity_of_a_server_and_stays_near_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
