/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "delivery/batch_limit.h"

enum { MINUTE = 60 * 1000, MOST = 1 << 20, STEP = MOST / 16 };

static void a_refusal_halves_it_and_what_was_under_way_counts_once(void **unused)
{
    (void)unused;
    struct batch_limit limit = batch_limit_make(MOST);
    assert_int_equal(limit.bytes, MOST);
    assert_true(batch_limit_refused(&limit, 1000000, 0));
    assert_int_equal(limit.bytes, 500000);
    for (int i = 0; i < 31; i++)
        assert_false(batch_limit_refused(&limit, 1000000, 10));
    assert_int_equal(limit.bytes, 500000);
    assert_true(batch_limit_refused(&limit, 500000, 20));
    assert_int_equal(limit.bytes, 250000);
}

static void it_falls_only_to_just_below_what_was_accepted(void **unused)
{
    (void)unused;
    struct batch_limit limit = batch_limit_make(MOST);
    assert_false(batch_limit_accepted(&limit, 160000, 0));
    assert_false(batch_limit_accepted(&limit, 800000, 0));
    assert_true(batch_limit_refused(&limit, 1000000, 0));
    assert_int_equal(limit.bytes, 750000);
    assert_true(batch_limit_refused(&limit, 760000, 0)); /* smaller than what was accepted once */
    assert_int_equal(limit.bytes, 380000);
}

static void it_never_falls_below_a_kibibyte(void **unused)
{
    (void)unused;
    struct batch_limit limit = batch_limit_make(MOST);
    for (uint64_t bytes = MOST; bytes > 0; bytes /= 2)
        (void)batch_limit_refused(&limit, bytes, 0);
    assert_int_equal(limit.bytes, 1024);
    assert_false(batch_limit_refused(&limit, 1, 0));
}

static void it_grows_by_a_sixteenth_a_minute_if_full_batches_are_accepted(void **unused)
{
    (void)unused;
    struct batch_limit limit = batch_limit_make(MOST);
    int64_t now_ms = 0;
    assert_true(batch_limit_refused(&limit, MOST, now_ms));
    assert_false(batch_limit_accepted(&limit, limit.bytes, now_ms + MINUTE - 1));
    assert_false(
        batch_limit_accepted(&limit, limit.bytes / 2, now_ms + MINUTE)); /* proves little */
    for (int i = 1; i <= 8; i++) {
        now_ms += MINUTE;
        assert_true(batch_limit_accepted(&limit, limit.bytes, now_ms));
        assert_false(batch_limit_accepted(&limit, limit.bytes, now_ms));
        assert_int_equal(limit.bytes, MOST / 2 + i * STEP);
    }
    assert_int_equal(limit.bytes, MOST);
    assert_false(batch_limit_accepted(&limit, MOST, now_ms + 100 * MINUTE));
}

/* An endpoint that takes 700,000 bytes, a week, a full batch each second; batches exceed the limit
 * by an event of 300 bytes. */
static void at_a_fixed_bound_it_stays_near_and_refusals_become_rare(void **unused)
{
    (void)unused;
    enum { BOUND = 700000, WEEK_S = 7 * 24 * 3600, HOUR_S = 3600 };
    struct batch_limit limit = batch_limit_make(MOST);
    unsigned refused = 0, refused_late = 0;
    uint64_t least = MOST;
    for (int64_t s = 0; s < WEEK_S; s++) {
        uint64_t bytes = limit.bytes + 300;
        if (bytes <= BOUND) {
            (void)batch_limit_accepted(&limit, bytes, s * 1000);
        } else {
            (void)batch_limit_refused(&limit, bytes, s * 1000);
            refused++;
            refused_late += s > WEEK_S - 24 * HOUR_S;
        }
        if (s > HOUR_S && limit.bytes < least)
            least = limit.bytes;
    }
    assert_true(refused < 200 && refused_late <= 24);
    assert_true(refused > 10); /* it does try */
    assert_true(least > BOUND * 8 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_halves_it_and_what_was_under_way_counts_once),
        cmocka_unit_test(it_falls_only_to_just_below_what_was_accepted),
        cmocka_unit_test(it_never_falls_below_a_kibibyte),
        cmocka_unit_test(it_grows_by_a_sixteenth_a_minute_if_full_batches_are_accepted),
        cmocka_unit_test(at_a_fixed_bound_it_stays_near_and_refusals_become_rare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
