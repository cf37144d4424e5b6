/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "flow/budget.h"

static void what_does_not_fit_is_refused_and_takes_nothing(void **unused)
{
    (void)unused;
    struct share share = { .limit_bytes = 100 };
    struct permit first, second = { 0 };
    assert_true(share_acquire(&share, 60, &first));
    assert_false(share_acquire(&share, 41, &second));
    assert_false(share_acquire(&share, UINT64_MAX, &second));
    assert_null(second.share);
    assert_int_equal(share.used_bytes, 60);
    assert_true(share_acquire(&share, 40, &second));
    assert_int_equal(share.used_bytes, 100);
}

static void a_request_larger_than_the_share_is_granted_when_it_is_empty(void **unused)
{
    (void)unused;
    struct share share = { .limit_bytes = 100 };
    struct permit small, large;
    assert_true(share_acquire(&share, 1, &small));
    assert_false(share_acquire(&share, 500, &large));
    permit_release(&small);
    assert_true(share_acquire(&share, 500, &large));
    assert_false(share_acquire(&share, 1, &small));
}

static void a_permit_can_be_released_only_once(void **unused)
{
    (void)unused;
    struct share share = { .limit_bytes = 100 };
    struct permit first, second;
    assert_true(share_acquire(&share, 60, &first));
    assert_true(share_acquire(&share, 30, &second));
    permit_release(&first);
    permit_release(&first);
    assert_int_equal(share.used_bytes, 30);
    permit_shrink(&first, 0);
    assert_int_equal(share.used_bytes, 30);
}

static void shrinking_gives_back_the_rest_and_never_grows(void **unused)
{
    (void)unused;
    struct share share = { .limit_bytes = 100 };
    struct permit permit;
    assert_true(share_acquire(&share, 60, &permit));
    permit_shrink(&permit, 80);
    assert_int_equal(share.used_bytes, 60);
    permit_shrink(&permit, 20);
    assert_int_equal(share.used_bytes, 20);
    permit_release(&permit);
    assert_int_equal(share.used_bytes, 0);
}

static void an_overdraft_is_granted_and_keeps_others_out_until_it_is_paid_back(void **unused)
{
    (void)unused;
    struct share share = { .limit_bytes = 100 };
    struct permit first, second, other;
    assert_true(share_acquire(&share, 90, &first));
    second = share_overdraw(&share, 50);
    assert_int_equal(share.used_bytes, 140);
    assert_false(share_acquire(&share, 1, &other));
    permit_release(&first);
    assert_true(share_acquire(&share, 50, &other));
    permit_release(&second);
    permit_release(&other);
    assert_int_equal(share.used_bytes, 0);
}

static void who_waits_longer_is_served_first_whatever_it_wants(void **unused)
{
    (void)unused;
    struct share share = { .limit_bytes = 100 };
    struct permit held, large, small, other;
    assert_true(share_acquire_in_turn(&share, 0, 90, &held));
    assert_false(share_acquire_in_turn(&share, 1, 80, &large));
    assert_false(share_acquire_in_turn(&share, 2, 5, &small)); /* it would fit */
    assert_false(share_acquire_in_turn(&share, 0, 1, &other));
    permit_shrink(&held, 20);
    assert_false(share_acquire_in_turn(&share, 2, 5, &small));
    assert_true(share_acquire_in_turn(&share, 1, 80, &large));
    permit_release(&large);
    assert_false(share_acquire_in_turn(&share, 0, 1, &other));
    assert_true(share_acquire_in_turn(&share, 2, 5, &small));
    assert_true(share_acquire_in_turn(&share, 0, 1, &other));
    assert_true(share_acquire_in_turn(&share, 1, 1, &large)); /* nobody waits any more */
    assert_int_equal(share.used_bytes, 27);
}

static void what_others_keep_is_taken_off_up_to_half(void **unused)
{
    (void)unused;
    _Atomic uint64_t kept = 30;
    struct share share = { .limit_bytes = 100, .kept_bytes = &kept };
    struct permit first, second = { 0 };
    assert_true(share_acquire(&share, 60, &first));
    assert_false(share_acquire(&share, 11, &second));
    kept = 29;
    assert_true(share_acquire(&share, 11, &second));
    kept = 1000; /* while more is in use: nothing new, and nothing breaks */
    assert_int_equal(share_limit(&share), 50);
    assert_int_equal(share_room(&share), 0);
    permit_release(&first);
    assert_int_equal(share_room(&share), 39);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_refused_and_takes_nothing),
        cmocka_unit_test(a_request_larger_than_the_share_is_granted_when_it_is_empty),
        cmocka_unit_test(a_permit_can_be_released_only_once),
        cmocka_unit_test(shrinking_gives_back_the_rest_and_never_grows),
        cmocka_unit_test(an_overdraft_is_granted_and_keeps_others_out_until_it_is_paid_back),
        cmocka_unit_test(who_waits_longer_is_served_first_whatever_it_wants),
        cmocka_unit_test(what_others_keep_is_taken_off_up_to_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
