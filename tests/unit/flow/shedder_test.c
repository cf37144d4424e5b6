/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "flow/shedder.h"

static const struct shedder_config config = { .high = 0.8, .low = 0.4, .keep = 0.1 };

static void it_starts_at_high_and_stops_only_at_low(void **unused)
{
    (void)unused;
    struct shedder shedder = shedder_make(&config);
    assert_int_equal(shedder_update(&shedder, 0.79), SHED_SAME);
    assert_int_equal(shedder_update(&shedder, 0.8), SHED_STARTED);
    assert_int_equal(shedder_update(&shedder, 0.41), SHED_SAME);
    assert_true(shedder.is_shedding);
    assert_int_equal(shedder_update(&shedder, 0.4), SHED_STOPPED);
    assert_int_equal(shedder_update(&shedder, 0.79), SHED_SAME);
    assert_false(shedder.is_shedding);
}

static void a_high_of_all_never_sheds(void **unused)
{
    (void)unused;
    struct shedder shedder = shedder_make(&(struct shedder_config){ .high = 1, .keep = 0.1 });
    assert_int_equal(shedder_update(&shedder, 1), SHED_SAME);
}

static void the_weighted_count_of_what_is_kept_is_unbiased(void **unused)
{
    (void)unused;
    struct random random = random_make(42);
    struct shedder shedder = shedder_make(&config);
    double weighted = 0;
    for (int i = 0; i < 1000000; i++)
        weighted += shedder_keeps(&shedder, &random) ? shedder_weight(&shedder) : 0;
    /* standard deviation sqrt(n (1-p) / p) = 3000: four of them */
    assert_true(weighted > 988000 && weighted < 1012000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_at_high_and_stops_only_at_low),
        cmocka_unit_test(a_high_of_all_never_sheds),
        cmocka_unit_test(the_weighted_count_of_what_is_kept_is_unbiased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
