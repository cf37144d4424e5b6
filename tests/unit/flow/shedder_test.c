/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "flow/shed_groups.h"
#include "flow/shedder.h"

#include <math.h>
#include <string.h>

static const struct shedder_config fixed = { .high = 0.8, .low = 0.4, .keep = 0.1 };
static const double shares[BANDS] = { 0.01, 0.02, 0.1, 0.5, 1, 1 };

static struct shedder *make(struct shedder_config config)
{
    memcpy(config.severity_keep, shares, sizeof(shares));
    config.class_count = 10;
    config.capacity_bytes = 1000000;
    config.batch_bytes = 100000;
    struct shedder *shedder = shedder_new(&config);
    assert_non_null(shedder);
    return shedder;
}

static void it_starts_at_high_and_stops_only_at_low(void **unused)
{
    (void)unused;
    struct shedder *shedder = make(fixed);
    assert_int_equal(shedder_step(shedder, 1, 0.79), SHED_SAME);
    assert_int_equal(shedder_step(shedder, 2, 0.8), SHED_STARTED);
    assert_int_equal(shedder_step(shedder, 3, 0.41), SHED_SAME);
    assert_true(shedder_is_shedding(shedder));
    assert_int_equal(shedder_step(shedder, 4, 0.4), SHED_STOPPED);
    assert_int_equal(shedder_step(shedder, 5, 0.79), SHED_SAME);
    assert_false(shedder_is_shedding(shedder));
    shedder_free(&shedder);
}

static void a_high_of_all_never_sheds(void **unused)
{
    (void)unused;
    struct shedder *shedder = make((struct shedder_config){ .high = 1, .keep = 0.1 });
    assert_false(shedder_may_shed(shedder));
    assert_int_equal(shedder_step(shedder, 1, 1), SHED_SAME);
    shedder_free(&shedder);
}

static void a_keep_of_nothing_keeps_nothing(void **unused)
{
    (void)unused;
    struct random random = random_make(1);
    struct shedder *shedder = make((struct shedder_config){ .high = 0.8, .low = 0.4, .keep = 0 });
    (void)shedder_step(shedder, 1, 1);
    for (int i = 0; i < 10000; i++)
        assert_true(shedder_admit(shedder, &(struct shed_facts){ .bytes = 1 }, &random) == 0);
    shedder_free(&shedder);
}

/* ---- a crowd of events: classes 1 … 9 bring little, 0 brings most; sizes over three decades ----
 */

static struct shed_facts any_event(struct random *random)
{
    size_t class = random_below(random, 4) > 0 ? 0 : 1 + random_below(random, 9);
    double size = exp(random_unit(random) * 7) * 10;
    return (struct shed_facts){ .bytes = (uint64_t)size,
                                .class = class,
                                .key = random_next(random),
                                .has_key = true,
                                .severity = (unsigned)(1 + random_below(random, 24)) };
}

/* What came and what was kept, as sums weighted by 1 / probability; and the variance of them. */
struct estimate {
    double came, came_bytes, kept, kept_bytes, variance, variance_bytes, least;
};

static void estimate_add(struct estimate *estimate, const struct shed_facts *facts, double keep)
{
    double bytes = (double)facts->bytes;
    estimate->came += 1;
    estimate->came_bytes += bytes;
    if (keep <= 0)
        return;
    estimate->kept += 1 / keep;
    estimate->kept_bytes += bytes / keep;
    /* Unbiased as well: E[(1-p)/p²·kept] = (1-p)/p */
    estimate->variance += (1 - keep) / (keep * keep);
    estimate->variance_bytes += bytes * bytes * (1 - keep) / (keep * keep);
    estimate->least = fmin(estimate->least, keep);
}

/* Plan and rates move on every 500 events; shedding holds throughout. */
static struct estimate run_crowd(struct shedder *shedder, struct random *random, int events)
{
    struct estimate estimate = { .least = 1 };
    int64_t now_ms = 0;

    for (int i = 0; i < 50000; i++) { /* rates are known when it starts */
        struct shed_facts facts = any_event(random);
        (void)shedder_admit(shedder, &facts, random);
        shedder_note_out(shedder, facts.bytes / 2);
        if (i % 500 == 0)
            (void)shedder_step(shedder, now_ms += 100, 0.5);
    }
    assert_int_equal(shedder_step(shedder, now_ms += 100, 0.9), SHED_STARTED);
    for (int i = 0; i < events; i++) {
        struct shed_facts facts = any_event(random);
        estimate_add(&estimate, &facts, shedder_admit(shedder, &facts, random));
        shedder_note_out(shedder, facts.bytes / 2);
        if (i % 500 == 0)
            assert_int_equal(shedder_step(shedder, now_ms += 100, 0.6), SHED_SAME);
    }
    return estimate;
}

static void in_every_mode_what_is_kept_estimates_what_came(void **unused)
{
    (void)unused;
    const enum shed_mode modes[] = { SHED_UNIFORM, SHED_SEVERITY, SHED_KEY, SHED_NOISIEST,
                                     SHED_LARGEST };

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        for (int adaptive = 0; adaptive < 2; adaptive++) {
            uint64_t seed = 77 + i * 2 + (uint64_t)adaptive;
            struct random random = random_make(seed);
            struct shedder *shedder = make((struct shedder_config){
                .high = 0.8, .low = 0.4, .keep = 0.1, .is_adaptive = adaptive, .mode = modes[i] });
            struct estimate sum = run_crowd(shedder, &random, 1000000);
            double off = (sum.kept - sum.came) / sqrt(sum.variance);
            double off_bytes = (sum.kept_bytes - sum.came_bytes) / sqrt(sum.variance_bytes);
            if (fabs(off) > 4 || fabs(off_bytes) > 4 || sqrt(sum.variance) > 0.02 * sum.came ||
                sqrt(sum.variance_bytes) > 0.03 * sum.came_bytes || sum.least < SHED_LEAST_KEEP ||
                sum.least > 0.5)
                fail_msg("mode %zu adaptive %d seed %llu: %.0f for %.0f (%.1f sigma), %.0f for "
                         "%.0f bytes (%.1f sigma), least %g",
                         i, adaptive, (unsigned long long)seed, sum.kept, sum.came, off,
                         sum.kept_bytes, sum.came_bytes, off_bytes, sum.least);
            shedder_free(&shedder);
        }
    }
}

static void fixed_shares_are_what_is_kept_of_the_bytes(void **unused)
{
    (void)unused;
    const enum shed_mode modes[] = { SHED_UNIFORM, SHED_KEY, SHED_NOISIEST, SHED_LARGEST };

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct random random = random_make(5 + i);
        struct shedder *shedder =
            make((struct shedder_config){ .high = 0.8, .low = 0.4, .keep = 0.3, .mode = modes[i] });
        double came = 0, kept = 0;
        int64_t now_ms = 0;
        for (int n = 0; n < 400000; n++) {
            struct shed_facts facts = any_event(&random);
            if (n % 500 == 0)
                (void)shedder_step(shedder, now_ms += 100, 0.9);
            bool is_kept = shedder_admit(shedder, &facts, &random) > 0;
            if (n < 100000)
                continue; /* until the rates are known */
            came += (double)facts.bytes;
            kept += is_kept ? (double)facts.bytes : 0;
        }
        if (fabs(kept / came - 0.3) > 0.01)
            fail_msg("mode %zu keeps %g", i, kept / came);
        shedder_free(&shedder);
    }
}

/* ---- who bears it ---- */

static double share_of_facts(struct shedder *shedder, struct shed_facts facts,
                             struct random *random)
{
    double share = 0;
    for (int i = 0; i < 100000 && share <= 0; i++)
        share = shedder_admit(shedder, &facts, random);
    return share;
}

static void by_severity_each_has_its_share_and_none_counts_as_info(void **unused)
{
    (void)unused;
    struct random random = random_make(3);
    struct shedder *shedder =
        make((struct shedder_config){ .high = 0.8, .low = 0.4, .keep = 1, .mode = SHED_SEVERITY });
    const struct {
        unsigned severity;
        double share;
    } cases[] = { { 1, 0.01 }, { 4, 0.01 }, { 5, 0.02 }, { 9, 0.1 }, { 0, 0.1 },
                  { 12, 0.1 }, { 13, 0.5 }, { 17, 1 },   { 21, 1 },  { 24, 1 } };

    (void)shedder_step(shedder, 1, 0.9);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_true(share_of_facts(
                        shedder, (struct shed_facts){ .bytes = 10, .severity = cases[i].severity },
                        &random) == cases[i].share);
    shedder_free(&shedder);
}

static void a_key_is_wholly_kept_or_wholly_shed_and_smaller_shares_are_nested(void **unused)
{
    (void)unused;
    struct random random = random_make(9);
    const double keeps[] = { 0.5, 0.25, 0.1 };
    struct shedder *shedders[3];
    size_t kept[3] = { 0 };

    for (size_t i = 0; i < 3; i++) {
        shedders[i] = make(
            (struct shedder_config){ .high = 0.8, .low = 0.4, .keep = keeps[i], .mode = SHED_KEY });
        (void)shedder_step(shedders[i], 1, 0.9);
    }
    for (int n = 0; n < 10000; n++) {
        struct shed_facts facts = { .bytes = 1, .key = random_next(&random), .has_key = true };
        bool before = true;
        for (size_t i = 0; i < 3; i++) {
            bool is_kept = shedder_admit(shedders[i], &facts, &random) > 0;
            for (int again = 0; again < 3; again++)
                assert_true((shedder_admit(shedders[i], &facts, &random) > 0) == is_kept);
            assert_true(before || !is_kept);
            before = is_kept;
            kept[i] += is_kept;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        assert_true(fabs((double)kept[i] / 10000 - keeps[i]) < 0.02);
        shedder_free(&shedders[i]);
    }
}

/* A tenth of a second in which so much of what is offered leaves. The share of keys in it. */
static double live_by_key(struct shedder *shedder, struct random *random, int64_t *now_ms,
                          double out)
{
    double share = 0;

    for (int i = 0; i < 50; i++) {
        struct shed_facts facts = { .bytes = 100, .key = random_next(random), .has_key = true };
        share = fmax(share, shedder_admit(shedder, &facts, random));
    }
    shedder_note_out(shedder, (uint64_t)(out * 5000));
    assert_int_equal(shedder_step(shedder, *now_ms += 100, 0.6), SHED_SAME);
    return share;
}

/* So that most keys keep their fate while what is wanted wanders. */
static void an_adaptive_share_of_keys_moves_in_halves_and_late(void **unused)
{
    (void)unused;
    struct random random = random_make(21);
    struct shedder *shedder = make(
        (struct shedder_config){ .high = 0.8, .low = 0.4, .is_adaptive = true, .mode = SHED_KEY });
    int64_t now_ms = 0;
    unsigned seen = 0;
    int exponent;

    (void)shedder_step(shedder, ++now_ms, 0.9);
    for (double out = 0.01; out < 0.9; out *= 1.002) {
        double share = live_by_key(shedder, &random, &now_ms, out);
        assert_true(share <= 0 || frexp(share, &exponent) == 0.5);
        if (share > 0)
            seen |= 1U << (1 - exponent);
    }
    assert_true(__builtin_popcount(seen) >= 4);
    for (int step = 0; step < 300; step++) {
        double share = live_by_key(shedder, &random, &now_ms, step / 30 % 2 == 0 ? 0.42 : 0.58);
        if (step > 60 && share != 0.5)
            fail_msg("step %d: a share of %g", step, share);
    }
    shedder_free(&shedder);
}

static void the_noisiest_class_is_shed_and_the_quiet_ones_are_not(void **unused)
{
    (void)unused;
    struct random random = random_make(4);
    struct shedder *shedder = make(
        (struct shedder_config){ .high = 0.8, .low = 0.4, .keep = 0.5, .mode = SHED_NOISIEST });
    (void)run_crowd(shedder, &random, 5000);
    /* Class 0 brings three quarters, the others a 36th each: a half of all leaves it a quarter. */
    for (size_t class = 1; class < 10; class ++)
        assert_true(share_of_facts(shedder, (struct shed_facts){ 100, .class = class }, &random) ==
                    1);
    double share = share_of_facts(shedder, (struct shed_facts){ 100, .class = 0 }, &random);
    assert_true(share > 0.28 && share < 0.39);
    shedder_forget_class(shedder, 0); /* another one now, of which nothing is known */
    assert_true(share_of_facts(shedder, (struct shed_facts){ 100, .class = 0 }, &random) == 1);
    shedder_free(&shedder);
}

static void the_largest_are_shed_first(void **unused)
{
    (void)unused;
    struct random random = random_make(4);
    struct shedder *shedder =
        make((struct shedder_config){ .high = 0.8, .low = 0.4, .keep = 0.5, .mode = SHED_LARGEST });
    (void)run_crowd(shedder, &random, 5000);
    double before = 1;
    for (uint64_t bytes = 16; bytes < 20000; bytes *= 2) {
        double share = share_of_facts(shedder, (struct shed_facts){ .bytes = bytes }, &random);
        assert_true(share <= before);
        before = share;
    }
    assert_true(share_of_facts(shedder, (struct shed_facts){ .bytes = 16 }, &random) == 1);
    assert_true(before < 0.4);
    /* So large that its share would be less than can be made up for. */
    assert_true(share_of_facts(shedder, (struct shed_facts){ .bytes = 1 << 30 }, &random) ==
                SHED_LEAST_KEEP);
    shedder_free(&shedder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_at_high_and_stops_only_at_low),
        cmocka_unit_test(a_high_of_all_never_sheds),
        cmocka_unit_test(a_keep_of_nothing_keeps_nothing),
        cmocka_unit_test(in_every_mode_what_is_kept_estimates_what_came),
        cmocka_unit_test(fixed_shares_are_what_is_kept_of_the_bytes),
        cmocka_unit_test(by_severity_each_has_its_share_and_none_counts_as_info),
        cmocka_unit_test(a_key_is_wholly_kept_or_wholly_shed_and_smaller_shares_are_nested),
        cmocka_unit_test(an_adaptive_share_of_keys_moves_in_halves_and_late),
        cmocka_unit_test(the_noisiest_class_is_shed_and_the_quiet_ones_are_not),
        cmocka_unit_test(the_largest_are_shed_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
