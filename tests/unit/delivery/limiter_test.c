/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "delivery/limiter.h"

#include <math.h>

static struct random chance = { 1 };

static uint64_t start(struct limiter *limiter, unsigned in_flight)
{
    return limiter_launch(limiter, in_flight, 0, &chance);
}

/* One round trip: as many requests as are allowed, or fewer, start; then all are answered. */
static void run_round(struct limiter *limiter, unsigned requests, enum limiter_sign sign,
                      int64_t latency_ms)
{
    uint64_t tickets[256];

    for (unsigned i = 0; i < requests; i++)
        tickets[i] = start(limiter, i + 1);
    for (unsigned i = 0; i < requests; i++)
        limiter_record(limiter, tickets[i], sign, latency_ms, 0);
}

static void run_full_rounds(struct limiter *limiter, unsigned rounds, int64_t latency_ms)
{
    for (unsigned i = 0; i < rounds; i++)
        run_round(limiter, (unsigned)limiter->limit, LIMITER_GOOD, latency_ms);
}

static void a_fresh_endpoint_is_warmed_up_with_each_full_round_up_to_the_most(void **unused)
{
    (void)unused;
    static const unsigned limits[] = { 4, 16, 20, 20, 20, 20 };
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

static void
the_prospect_is_twice_the_highest_limit_while_it_warms_up_and_then_the_limit(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(1, 64);
    assert_int_equal(limiter_prospect(&limiter), 128);
    run_full_rounds(&limiter, 1, 10);
    assert_int_equal(limiter.limit, 4);
    assert_int_equal(limiter_prospect(&limiter), 128);
    run_round(&limiter, 4, LIMITER_BAD, -1);
    assert_int_equal(limiter.limit, 2);
    assert_int_equal(limiter_prospect(&limiter), 2);
}

static void a_bad_answer_halves_it_once_a_round_trip_and_ends_the_warming_up(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(1, 64);
    run_full_rounds(&limiter, 2, 10);
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
        run_round(&limiter, (unsigned)limiter.limit, LIMITER_BAD, -1);
    assert_int_equal(limiter.limit, 3);
}

static void answers_that_say_nothing_about_load_change_nothing(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(2, 64);
    for (int i = 0; i < 10; i++)
        run_round(&limiter, (unsigned)limiter.limit, LIMITER_NO_SIGN, -1);
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
            tickets[i] = start(&limiter, i + 1);
        for (unsigned i = 0; i < 8; i++)
            limiter_record(&limiter, tickets[i], LIMITER_GOOD, i < 3 ? 5000 : 10, 0);
    }
    assert_int_equal(limiter.limit, 8);
}

static void a_few_quick_answers_do_not_move_the_median_either(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(8, 8);
    uint64_t tickets[8];
    limiter.min = 1;
    run_full_rounds(&limiter, 3, 10);
    for (unsigned i = 0; i < 8; i++)
        tickets[i] = start(&limiter, i + 1);
    for (unsigned i = 0; i < 8; i++)
        limiter_record(&limiter, tickets[i], LIMITER_GOOD, i < 3 ? 10 : 5000, 0);
    run_full_rounds(&limiter, 1, 10); /* a round is judged when the next one is answered */
    assert_int_equal(limiter.limit, 4);
}

/* One at a time: a round is one answer. */
static void a_median_is_of_three_answers_where_rounds_have_fewer(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(1, 1);
    run_full_rounds(&limiter, 3, 100);
    assert_true(limiter.smoothed_ms == 100);
    run_full_rounds(&limiter, 2, 500);
    assert_true(limiter.smoothed_ms == 100 && limiter.warming_up);
    run_full_rounds(&limiter, 1, 500);
    assert_true(limiter.smoothed_ms == 200 && !limiter.warming_up); /* a quarter of the way */
}

static void what_was_measured_before_a_cut_is_forgotten(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(1, 1);
    run_full_rounds(&limiter, 3, 100);
    run_full_rounds(&limiter, 2, 500);
    run_round(&limiter, 1, LIMITER_BAD, -1);
    run_full_rounds(&limiter, 2, 100);
    assert_true(limiter.smoothed_ms == 100);
    run_full_rounds(&limiter, 1, 100);
    assert_true(limiter.smoothed_ms == 100);
}

static void one_slow_answer_at_a_limit_of_one_is_no_congestion(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(1, 64);
    run_round(&limiter, 1, LIMITER_GOOD, 900);
    assert_int_equal(limiter.limit, 4);
    assert_true(limiter.warming_up);
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
    uint64_t old = start(&limiter, 1);
    limiter_restart(&limiter);
    assert_int_equal(limiter.limit, 2);
    limiter_record(&limiter, old, LIMITER_GOOD, 10, 0); /* from before: says nothing */
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
        unsigned requests = (unsigned)limiter.limit;
        run_round(&limiter, requests, requests > 20 ? LIMITER_BAD : LIMITER_GOOD, 10);
        if (round >= 200)
            sum += requests;
    }
    assert_in_range(sum / 200, 10, 20);
}

/* One request at a time, each as early as it may start; all answered so after 10 ms. Returns the
 * time of the last start. */
static int64_t run_paced(struct limiter *limiter, unsigned requests, enum limiter_sign sign,
                         int64_t now_ms)
{
    for (unsigned i = 0; i < requests; i++) {
        int64_t ready_ms = limiter_ready_ms(limiter, 0, now_ms);
        now_ms = ready_ms > now_ms ? ready_ms : now_ms;
        uint64_t ticket = limiter_launch(limiter, 1, now_ms, &chance);
        assert_true(limiter->limit > 1 || limiter_ready_ms(limiter, 1, now_ms) == INT64_MAX);
        limiter_record(limiter, ticket, sign, 10, now_ms);
    }
    return now_ms;
}

static void without_a_floor_bad_answers_halve_it_below_one(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(0, 64);
    assert_true(limiter.limit == 1.0);
    (void)run_paced(&limiter, 3, LIMITER_BAD, 0);
    assert_true(limiter.limit == 0.125);
    limiter = limiter_make(1, 64);
    (void)run_paced(&limiter, 3, LIMITER_BAD, 0);
    assert_true(limiter.limit == 1.0);
    assert_int_equal(limiter_ready_ms(&limiter, 0, 7), 7); /* no gap either */
}

/* A quarter: four round trips from start to start, of which each counts as 100 ms at least. */
static void below_one_there_is_a_gap_of_a_round_trip_over_the_limit_half_up_or_down(void **unused)
{
    (void)unused;
    static const int64_t latency_ms[] = { 10, 500 }, gap_ms[] = { 400, 2000 };
    for (int i = 0; i < 2; i++) {
        struct limiter limiter = limiter_make(0, 64);
        int64_t least_ms = INT64_MAX, most_ms = 0, sum_ms = 0;
        limiter.smoothed_ms = (double)latency_ms[i];
        limiter.limit = 0.25;
        for (int request = 0; request < 1000; request++) {
            (void)limiter_launch(&limiter, 1, 5000, &chance);
            int64_t gap = limiter_ready_ms(&limiter, 0, 5000) - 5000;
            least_ms = gap < least_ms ? gap : least_ms;
            most_ms = gap > most_ms ? gap : most_ms;
            sum_ms += gap;
        }
        assert_in_range(least_ms, gap_ms[i] / 2, gap_ms[i] * 11 / 20);
        assert_in_range(most_ms, gap_ms[i] * 29 / 20, gap_ms[i] * 3 / 2);
        assert_in_range(sum_ms / 1000, gap_ms[i] * 19 / 20, gap_ms[i] * 21 / 20);
    }
}

static void the_gap_ends_when_the_limit_is_one_again_and_grows_with_each_cut(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(0, 64);
    int64_t before_ms = 0;
    for (int i = 0; i < 5; i++) {
        uint64_t ticket = limiter_launch(&limiter, 1, 0, &chance);
        limiter.gap_factor = 1;
        limiter_record(&limiter, ticket, LIMITER_BAD, -1, 0);
        assert_true(limiter_ready_ms(&limiter, 0, 0) > before_ms);
        before_ms = limiter_ready_ms(&limiter, 0, 0);
    }
    assert_int_equal(before_ms, 3200);
    limiter.limit = 1;
    assert_int_equal(limiter_ready_ms(&limiter, 0, 1), 1);
}

static void the_gap_is_never_longer_than_seven_and_a_half_seconds(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(0, 64);
    (void)run_paced(&limiter, 100, LIMITER_BAD, 0);
    assert_true(limiter.limit == 100.0 / LIMITER_GAP_MOST_MS);
    for (int i = 0; i < 100; i++) {
        (void)limiter_launch(&limiter, 1, 0, &chance);
        assert_in_range(limiter_ready_ms(&limiter, 0, 0), 2500, 7500);
    }
    limiter.smoothed_ms = 1e9; /* a silly latency */
    assert_in_range(limiter_ready_ms(&limiter, 0, 0), 2500, 7500);
}

static void
below_one_it_grows_by_a_sixteenth_for_each_request_that_waited_for_its_gap(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(0, 64);
    int64_t now_ms = run_paced(&limiter, 2, LIMITER_BAD, 0);
    now_ms = run_paced(&limiter, 1, LIMITER_GOOD, now_ms);
    assert_true(limiter.limit == 0.25 * 17 / 16);
    double limit = limiter.limit;
    for (int i = 0; i < 10; i++) /* seldom enough to need no gap */
        now_ms = run_paced(&limiter, 1, LIMITER_GOOD, now_ms + 60000);
    assert_true(limiter.limit == limit);
    now_ms = run_paced(&limiter, 21, LIMITER_GOOD, now_ms);
    assert_true(limiter.limit > 0.9 && limiter.limit < 1);
    (void)run_paced(&limiter, 1, LIMITER_GOOD, now_ms);
    assert_true(limiter.limit == 1.0);
    run_full_rounds(&limiter, 1, 10);
    assert_true(limiter.limit == 2.0);
}

static void from_the_longest_gaps_it_comes_back_in_minutes(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(0, 64);
    int64_t now_ms = run_paced(&limiter, 100, LIMITER_BAD, 0), since_ms = now_ms;
    for (int i = 0; i < 1000 && limiter.limit < 1; i++)
        now_ms = run_paced(&limiter, 1, LIMITER_GOOD, now_ms);
    assert_true(limiter.limit == 1.0);
    assert_in_range(now_ms - since_ms, 60000, 300000);
}

static void an_outage_at_the_start_is_followed_by_one_at_a_time(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(0, 64);
    (void)run_paced(&limiter, 5, LIMITER_BAD, 0);
    (void)run_paced(&limiter, 1, LIMITER_GOOD, 60000);
    limiter_restart(&limiter);
    assert_true(limiter.limit == 1.0);
}

/* What it is then: a request of 100 ms each two seconds; fifty a second, of which one is allowed.
 */
static void after_an_outage_it_goes_on_at_the_pace_that_was_usual_before(void **unused)
{
    (void)unused;
    static const int64_t gap_ms[] = { 2000, 20 };
    static const double limit[] = { 0.05, 1 };
    for (int i = 0; i < 2; i++) {
        struct limiter limiter = limiter_make(0, 64);
        int64_t now_ms = 0;
        for (int request = 0; request < 100; request++, now_ms += gap_ms[i])
            (void)run_paced(&limiter, 1, LIMITER_GOOD, now_ms);
        (void)run_paced(&limiter, 5, LIMITER_BAD, now_ms);
        now_ms =
            run_paced(&limiter, 1, LIMITER_GOOD, now_ms + 1800000); /* no gap of half an hour */
        limiter_restart(&limiter);
        assert_true(fabs(limiter.limit - limit[i]) < 0.0001);
    }
}

static void the_usual_pace_of_answers_in_bursts_is_that_of_many_of_them(void **unused)
{
    (void)unused;
    struct limiter limiter = limiter_make(0, 64);
    int64_t now_ms = 0;
    for (int request = 0; request < 100; request++, now_ms += request % 2 == 0 ? 20 : 3980)
        (void)run_paced(&limiter, 1, LIMITER_GOOD, now_ms);
    limiter_restart(&limiter);
    assert_true(fabs(limiter.limit - 0.05) < 0.005);
}

/* 300 agents, a server that takes 100 requests in 10 s: what is refused stays small. */
static void many_agents_share_a_server_of_which_each_may_have_far_less_than_one(void **unused)
{
    (void)unused;
    enum { AGENTS = 300, STEP_MS = 100, CAPACITY = 10 };
    static struct limiter limiters[AGENTS];
    unsigned offered = 0, steps = 0;

    for (int i = 0; i < AGENTS; i++)
        limiters[i] = limiter_make(0, 64);
    for (int64_t now_ms = 1; now_ms < 600000; now_ms += STEP_MS, steps++) {
        unsigned taken = 0;
        unsigned first = (unsigned)random_below(&chance, AGENTS);
        for (unsigned i = 0; i < AGENTS; i++) {
            struct limiter *limiter = &limiters[(first + i) % AGENTS];
            if (limiter_ready_ms(limiter, 0, now_ms) > now_ms)
                continue;
            uint64_t ticket = limiter_launch(limiter, 1, now_ms, &chance);
            limiter_record(limiter, ticket, taken < CAPACITY ? LIMITER_GOOD : LIMITER_BAD, 10,
                           now_ms);
            taken++;
        }
        offered += now_ms > 300000 ? taken : 0;
    }
    assert_in_range(offered / (steps / 2), CAPACITY * 8 / 10, CAPACITY * 12 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_endpoint_is_warmed_up_with_each_full_round_up_to_the_most),
        cmocka_unit_test(a_round_that_did_not_use_the_limit_does_not_raise_it),
        cmocka_unit_test(
            the_prospect_is_twice_the_highest_limit_while_it_warms_up_and_then_the_limit),
        cmocka_unit_test(a_bad_answer_halves_it_once_a_round_trip_and_ends_the_warming_up),
        cmocka_unit_test(it_never_falls_below_the_least),
        cmocka_unit_test(answers_that_say_nothing_about_load_change_nothing),
        cmocka_unit_test(a_median_that_stands_out_halves_it),
        cmocka_unit_test(a_median_is_only_high_by_half_and_by_fifty_milliseconds),
        cmocka_unit_test(a_few_slow_answers_do_not_move_the_median),
        cmocka_unit_test(a_few_quick_answers_do_not_move_the_median_either),
        cmocka_unit_test(a_median_is_of_three_answers_where_rounds_have_fewer),
        cmocka_unit_test(what_was_measured_before_a_cut_is_forgotten),
        cmocka_unit_test(one_slow_answer_at_a_limit_of_one_is_no_congestion),
        cmocka_unit_test(an_endpoint_that_became_slower_for_good_is_not_punished_for_ever),
        cmocka_unit_test(requests_that_opened_a_connection_teach_no_latency),
        cmocka_unit_test(after_an_outage_it_grows_by_one_a_round_from_the_least),
        cmocka_unit_test(it_finds_the_capacity_of_a_server_and_stays_near_it),
        cmocka_unit_test(without_a_floor_bad_answers_halve_it_below_one),
        cmocka_unit_test(below_one_there_is_a_gap_of_a_round_trip_over_the_limit_half_up_or_down),
        cmocka_unit_test(the_gap_ends_when_the_limit_is_one_again_and_grows_with_each_cut),
        cmocka_unit_test(the_gap_is_never_longer_than_seven_and_a_half_seconds),
        cmocka_unit_test(
            below_one_it_grows_by_a_sixteenth_for_each_request_that_waited_for_its_gap),
        cmocka_unit_test(from_the_longest_gaps_it_comes_back_in_minutes),
        cmocka_unit_test(an_outage_at_the_start_is_followed_by_one_at_a_time),
        cmocka_unit_test(after_an_outage_it_goes_on_at_the_pace_that_was_usual_before),
        cmocka_unit_test(the_usual_pace_of_answers_in_bursts_is_that_of_many_of_them),
        cmocka_unit_test(many_agents_share_a_server_of_which_each_may_have_far_less_than_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
