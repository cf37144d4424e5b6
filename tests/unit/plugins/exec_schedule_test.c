/* SPDX-License-Identifier: Apache-2.0 */
#include "inputs/exec/schedule.h"

#include "test.h"

static bool take(struct schedule *schedule, int64_t now_ms, bool is_running, uint64_t skipped)
{
    uint64_t got;
    bool is_due = schedule_take(schedule, now_ms, is_running, &got);

    assert_int_equal(got, skipped);
    return is_due;
}

static void runs_keep_to_the_interval_and_skipped_ones_are_counted(void **unused)
{
    struct schedule schedule = { .interval_ms = 100 };

    (void)unused;
    assert_true(take(&schedule, 1000, false, 0)); /* the first one at once */
    assert_false(take(&schedule, 1099, false, 0));
    assert_true(take(&schedule, 1130, false, 0));
    assert_false(take(&schedule, 1199, false, 0)); /* late by 30: the next one is not */
    assert_true(take(&schedule, 1200, false, 0));
    assert_false(take(&schedule, 1300, true, 1));
    assert_false(take(&schedule, 1599, true, 2));
    assert_true(take(&schedule, 1600, false, 0));
    assert_true(take(&schedule, 2050, false, 3)); /* nobody was there to take these */
    assert_int_equal(schedule.next_ms, 2100);
}

static int64_t rest_after(struct schedule *schedule, int64_t took_ms, struct random *random)
{
    schedule_note_end(schedule, 5000, took_ms, random);
    assert_false(take(schedule, schedule->next_ms - 1, false, 0));
    assert_true(take(schedule, schedule->next_ms, false, 0));
    assert_false(take(schedule, schedule->next_ms, true, 0));
    return schedule->next_ms - 5000;
}

static void a_command_that_ends_again_and_again_rests_longer_and_at_random(void **unused)
{
    struct random random = random_make(1);
    int64_t least[8], most[8];

    (void)unused;
    for (unsigned i = 0; i < 8; i++)
        least[i] = INT64_MAX, most[i] = 0;
    for (unsigned round = 0; round < 200; round++) {
        struct schedule schedule = { .rest_ms = 1000, .most_ms = 60000 };
        assert_true(take(&schedule, 1, false, 0));
        for (unsigned i = 0; i < 8; i++) {
            int64_t rest_ms = rest_after(&schedule, 10, &random);
            int64_t bound_ms = i < 6 ? 1000 << i : 60000;
            assert_in_range(rest_ms, bound_ms / 2, bound_ms);
            least[i] = rest_ms < least[i] ? rest_ms : least[i];
            most[i] = rest_ms > most[i] ? rest_ms : most[i];
        }
        int64_t calm_ms = rest_after(&schedule, 60000, &random); /* it ran for a minute */
        assert_in_range(calm_ms, 500, 1000);
    }
    for (unsigned i = 0; i < 8; i++)
        assert_true(most[i] - least[i] > least[i] / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_keep_to_the_interval_and_skipped_ones_are_counted),
        cmocka_unit_test(a_command_that_ends_again_and_again_rests_longer_and_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
