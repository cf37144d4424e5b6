/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "delivery/backoff.h"

static void the_bound_doubles_up_to_the_cap_and_never_overflows(void **unused)
{
    (void)unused;
    struct backoff backoff = backoff_make(1000, 60000);
    assert_int_equal(backoff_bound_ms(&backoff, 0), 1000);
    assert_int_equal(backoff_bound_ms(&backoff, 1), 2000);
    assert_int_equal(backoff_bound_ms(&backoff, 5), 32000);
    assert_int_equal(backoff_bound_ms(&backoff, 6), 60000);
    assert_int_equal(backoff_bound_ms(&backoff, UINT32_MAX), 60000);
    backoff = backoff_make(3, INT64_MAX - 1);
    assert_true(backoff_bound_ms(&backoff, 200) == INT64_MAX - 1);
}

static void a_cap_below_the_base_wins(void **unused)
{
    (void)unused;
    struct backoff backoff = backoff_make(1000, 10);
    assert_int_equal(backoff_bound_ms(&backoff, 0), 10);
}

static void delays_fill_the_whole_range_from_zero_to_the_bound(void **unused)
{
    (void)unused;
    struct backoff backoff = backoff_make(4, 1000);
    struct random random = random_make(7);
    unsigned seen[5] = { 0 };
    for (int i = 0; i < 1000; i++) {
        int64_t delay_ms = backoff_delay_ms(&backoff, 0, &random);
        assert_in_range(delay_ms, 0, 4);
        seen[delay_ms]++;
    }
    for (int i = 0; i < 5; i++)
        assert_in_range(seen[i], 150, 250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_doubles_up_to_the_cap_and_never_overflows),
        cmocka_unit_test(a_cap_below_the_base_wins),
        cmocka_unit_test(delays_fill_the_whole_range_from_zero_to_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
