/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "flow/shed_groups.h"

#include <math.h>

/* Group i is offered bytes[i] in one second, in events of `size`. */
static struct shed_groups *offered(const uint64_t *bytes, size_t count, uint64_t size)
{
    struct shed_groups *groups = shed_groups_new(count);
    assert_non_null(groups);
    for (size_t i = 0; i < count; i++) {
        for (uint64_t left = bytes[i]; left > 0; left -= size)
            shed_groups_offer(groups, i, size);
    }
    shed_groups_smooth(groups, 1, 1e-9); /* no memory: the rate is that of the window */
    return groups;
}

static void the_level_leaves_the_share_and_spares_the_small(void **unused)
{
    (void)unused;
    const uint64_t bytes[] = { 1000, 200, 100, 0 };
    struct shed_groups *groups = offered(bytes, 4, 10);
    assert_true(fabs(shed_groups_level(groups, 0.5) - 350) < 0.01);   /* 350 + 200 + 100 */
    assert_true(fabs(shed_groups_level(groups, 0.2) - 86.66) < 0.01); /* a third each */
    assert_true(isinf(shed_groups_level(groups, 1)));
    shed_groups_free(&groups);
}

static void an_event_level_cuts_by_size(void **unused)
{
    (void)unused;
    struct shed_groups *groups = shed_groups_new(2);
    for (int i = 0; i < 10; i++)
        shed_groups_offer(groups, 0, 10);
    for (int i = 0; i < 10; i++)
        shed_groups_offer(groups, 1, 90);
    shed_groups_smooth(groups, 1, 1e-9);
    assert_true(fabs(shed_groups_event_level(groups, 0.5) - 40) < 0.01); /* 10·10 + 10·40 */
    shed_groups_free(&groups);
}

static void by_rank_the_first_go_first_and_none_to_nothing(void **unused)
{
    (void)unused;
    const uint64_t bytes[] = { 1000, 1000, 0, 1000 };
    const double least[] = { 0.1, 0.5, 0.5, 1 };
    struct shed_groups *groups = offered(bytes, 4, 10);
    double keep[4];

    shed_groups_by_rank(groups, 0.9, least, keep); /* 300 less */
    assert_true(fabs(keep[0] - 0.7) < 1e-6 && keep[1] == 1 && keep[3] == 1);
    shed_groups_by_rank(groups, 0.6, least, keep); /* 900 and then 300 */
    assert_true(fabs(keep[0] - 0.1) < 1e-6 && fabs(keep[1] - 0.7) < 1e-6 && keep[3] == 1);
    shed_groups_by_rank(groups, 0.2, least, keep); /* 1400, then 99, then 499, then 402 */
    assert_true(fabs(keep[0] - 0.001) < 1e-6 && fabs(keep[1] - 0.001) < 1e-6);
    assert_true(fabs(keep[3] - 0.598) < 1e-3);
    assert_true(keep[2] <=
                0.5); /* brings nothing yet: what would come is cut like its neighbours */
    shed_groups_by_rank(groups, 0, least, keep);
    for (int i = 0; i < 4; i++)
        assert_true(fabs(keep[i] - SHED_LEAST_KEEP) < 1e-9);
    assert_true(fabs(shed_groups_share(groups, keep) - SHED_LEAST_KEEP) < 1e-9);
    shed_groups_free(&groups);
}

static void rates_are_smoothed_and_forgotten(void **unused)
{
    (void)unused;
    struct shed_groups *groups = shed_groups_new(1);
    for (int i = 0; i < 100; i++) { /* ten seconds of 1000 bytes each */
        shed_groups_offer(groups, 0, 100);
        shed_groups_smooth(groups, 0.1, 1);
    }
    assert_true(fabs(shed_groups_rate(groups, 0) - 1000) < 1);
    shed_groups_smooth(groups, 1, 1); /* a second of nothing: 1/e is left */
    assert_true(fabs(shed_groups_rate(groups, 0) - 1000 / exp(1)) < 1);
    shed_groups_forget(groups, 0);
    assert_true(shed_groups_rate(groups, 0) == 0);
    shed_groups_free(&groups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_level_leaves_the_share_and_spares_the_small),
        cmocka_unit_test(an_event_level_cuts_by_size),
        cmocka_unit_test(by_rank_the_first_go_first_and_none_to_nothing),
        cmocka_unit_test(rates_are_smoothed_and_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
