/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/random.h"
#include "flow/scheduler.h"

static void nothing_to_read_is_told(void **unused)
{
    (void)unused;
    struct scheduler *scheduler = scheduler_new((const uint64_t[]){ 1, 1 }, 2, 100);
    assert_int_equal(scheduler_pick(scheduler, (const bool[]){ false, false }), 2);
    scheduler_free(&scheduler);
}

static void busy_lanes_share_by_weight_whatever_the_size_of_their_pieces(void **unused)
{
    (void)unused;
    const uint64_t weights[] = { 1, 3, 6 };
    const uint64_t most[] = { 90, 250, 30 };
    struct scheduler *scheduler = scheduler_new(weights, 3, 100);
    struct random random = random_make(7);
    uint64_t served[3] = { 0 }, total = 0;

    for (int i = 0; i < 200000; i++) {
        size_t lane = scheduler_pick(scheduler, (const bool[]){ true, true, true });
        uint64_t bytes = 1 + random_below(&random, most[lane]);
        scheduler_charge(scheduler, lane, bytes);
        served[lane] += bytes;
        total += bytes;
    }
    for (int i = 0; i < 3; i++) {
        double share = (double)served[i] / (double)total;
        double wanted = (double)weights[i] / 10;
        assert_true(share > wanted * 0.98 && share < wanted * 1.02);
    }
    scheduler_free(&scheduler);
}

static void an_idle_lane_saves_no_credit(void **unused)
{
    (void)unused;
    struct scheduler *scheduler = scheduler_new((const uint64_t[]){ 1, 1 }, 2, 100);
    for (int i = 0; i < 1000; i++)
        scheduler_charge(scheduler, scheduler_pick(scheduler, (const bool[]){ true, false }), 100);
    uint64_t served[2] = { 0 };
    for (int i = 0; i < 10; i++) {
        size_t lane = scheduler_pick(scheduler, (const bool[]){ true, true });
        scheduler_charge(scheduler, lane, 100);
        served[lane]++;
    }
    assert_in_range(served[1], 4, 6);
    scheduler_free(&scheduler);
}

/* It is read as soon as something comes, with most of its turn left over each time. */
static void what_is_left_of_a_turn_is_gone_when_the_lane_is_empty(void **unused)
{
    (void)unused;
    struct scheduler *scheduler = scheduler_new((const uint64_t[]){ 1, 10 }, 2, 100);
    for (int i = 0; i < 1000; i++) {
        size_t lane = scheduler_pick(scheduler, (const bool[]){ true, i % 2 == 0 });
        scheduler_charge(scheduler, lane, 100);
    }
    (void)scheduler_pick(scheduler, (const bool[]){ true, false });
    size_t streak = 0;
    for (int i = 0; i < 100 && streak < 100; i++) {
        size_t lane = scheduler_pick(scheduler, (const bool[]){ true, true });
        scheduler_charge(scheduler, lane, 100);
        streak = lane == 1 ? streak + 1 : 0;
        assert_true(streak <= 10);
    }
    scheduler_set_weight(scheduler, 1,
                         1); /* another one: it begins without the rest of that turn */
    streak = 0;
    while (scheduler_pick(scheduler, (const bool[]){ true, true }) != 1)
        scheduler_charge(scheduler, 0, 100);
    while (scheduler_pick(scheduler, (const bool[]){ true, true }) == 1) {
        scheduler_charge(scheduler, 1, 100);
        streak++;
    }
    assert_int_equal(streak, 1);
    scheduler_free(&scheduler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_read_is_told),
        cmocka_unit_test(busy_lanes_share_by_weight_whatever_the_size_of_their_pieces),
        cmocka_unit_test(an_idle_lane_saves_no_credit),
        cmocka_unit_test(what_is_left_of_a_turn_is_gone_when_the_lane_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
