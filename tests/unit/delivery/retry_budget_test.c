/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "delivery/retry_budget.h"

static unsigned take_all(struct retry_budget *budget, int64_t now_ms)
{
    unsigned taken = 0;

    while (retry_budget_take(budget, now_ms))
        taken++;
    return taken;
}

static void it_starts_full_and_gives_ten_tokens(void **unused)
{
    (void)unused;
    struct retry_budget budget = retry_budget_make();
    assert_int_equal(retry_budget_ready_ms(&budget, 5), 5);
    assert_int_equal(retry_budget_left(&budget, 5), 10000);
    assert_int_equal(take_all(&budget, 1000000), 10);
    assert_false(retry_budget_take(&budget, 1000000));
    assert_int_equal(retry_budget_left(&budget, 1000000), 0);
    assert_int_equal(retry_budget_left(&budget, 1005000), 500); /* and asking takes nothing */
    assert_int_equal(retry_budget_left(&budget, 1005000), 500);
}

static void ten_successes_are_worth_one_retry(void **unused)
{
    (void)unused;
    struct retry_budget budget = retry_budget_make();
    (void)take_all(&budget, 1000000);
    for (int i = 0; i < 9; i++)
        retry_budget_success(&budget);
    assert_false(retry_budget_take(&budget, 1000000));
    retry_budget_success(&budget);
    assert_true(retry_budget_take(&budget, 1000000));
    assert_false(retry_budget_take(&budget, 1000000));
}

static void time_alone_brings_a_token_and_it_says_when(void **unused)
{
    (void)unused;
    struct retry_budget budget = retry_budget_make();
    (void)take_all(&budget, 1000000);
    int64_t ready_ms = retry_budget_ready_ms(&budget, 1000000);
    assert_int_equal(ready_ms, 1010000);
    for (int64_t now_ms = 1000003; now_ms < ready_ms; now_ms += 7)
        assert_false(retry_budget_take(&budget, now_ms));
    assert_true(retry_budget_take(&budget, ready_ms));
}

static void neither_successes_nor_years_overfill_it(void **unused)
{
    (void)unused;
    struct retry_budget budget = retry_budget_make();
    for (int i = 0; i < 1000; i++)
        retry_budget_success(&budget);
    assert_int_equal(take_all(&budget, INT64_MAX / 2), 10);
}

static void a_clock_that_stands_still_brings_nothing(void **unused)
{
    (void)unused;
    struct retry_budget budget = retry_budget_make();
    (void)take_all(&budget, 1000000);
    assert_false(retry_budget_take(&budget, 1000000));
    assert_false(retry_budget_take(&budget, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_full_and_gives_ten_tokens),
        cmocka_unit_test(ten_successes_are_worth_one_retry),
        cmocka_unit_test(time_alone_brings_a_token_and_it_says_when),
        cmocka_unit_test(neither_successes_nor_years_overfill_it),
        cmocka_unit_test(a_clock_that_stands_still_brings_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
