/* SPDX-License-Identifier: Apache-2.0 */
/* The adaptive shedder against a ring made of plain numbers: what comes is noisy, what leaves goes
 * in batches. From a seed, in virtual time. */
#include "test.h"

#include "flow/shed_control.h"
#include "flow/shedder.h"

#include <math.h>

enum { TICK_MS = 10 };

struct day {
    uint64_t seed;
    enum shed_mode mode;
    double capacity, batch, out_rate; /* bytes, bytes a second */
    double overload;                  /* offered / out */
    double noise;                     /* each tick's load is times 1 ± noise */
};

struct ring_model {
    double bytes, owed; /* in it; what could have left by now */
};

struct outcome {
    double low, high;     /* fill, once it has settled */
    double kept, offered; /* bytes, since then */
    unsigned starts, stops;
    int64_t stopped_ms;
};

/* The crowd of one tick: events of 200 to 2,000 bytes of all severities and classes. */
static void offer(struct shedder *shedder, struct random *random, const struct day *day,
                  double bytes, struct ring_model *ring, struct outcome *outcome)
{
    while (bytes > 0) {
        struct shed_facts facts = { .bytes = 200 + random_below(random, 1800),
                                    .class = random_below(random, 3),
                                    .key = random_next(random),
                                    .has_key = true,
                                    .severity = (unsigned)(1 + random_below(random, 24)) };
        double size = (double)facts.bytes;
        bool fits = ring->bytes + size <= day->capacity;
        bool is_kept = shedder_admit(shedder, &facts, random) > 0;
        ring->bytes += is_kept && fits ? size : 0;
        outcome->offered += size;
        outcome->kept += is_kept ? size : 0;
        bytes -= size;
    }
}

static void drain(struct shedder *shedder, const struct day *day, struct ring_model *ring)
{
    ring->owed = fmin(ring->owed + day->out_rate * TICK_MS / 1000, 2 * day->batch);
    if (ring->owed < day->batch || ring->bytes <= 0)
        return;
    double left = fmin(day->batch, ring->bytes);
    ring->owed -= day->batch;
    ring->bytes -= left;
    shedder_note_out(shedder, (uint64_t)left);
}

/* Runs until until_ms; from settle_ms on the bounds are noted. */
static void run(struct shedder *shedder, struct random *random, const struct day *day,
                struct ring_model *ring, int64_t *now_ms, int64_t until_ms, int64_t settle_ms,
                struct outcome *outcome)
{
    for (; *now_ms < until_ms; *now_ms += TICK_MS) {
        double fill = ring->bytes / day->capacity;
        enum shed_change change = shedder_step(shedder, *now_ms, fill);
        outcome->starts += change == SHED_STARTED;
        outcome->stops += change == SHED_STOPPED;
        if (change == SHED_STOPPED)
            outcome->stopped_ms = *now_ms;
        double noise = 1 + day->noise * (2 * random_unit(random) - 1);
        offer(shedder, random, day, day->out_rate * day->overload * noise * TICK_MS / 1000, ring,
              outcome);
        drain(shedder, day, ring);
        if (*now_ms >= settle_ms) {
            fill = ring->bytes / day->capacity;
            outcome->low = fmin(outcome->low, fill);
            outcome->high = fmax(outcome->high, fill);
        }
    }
}

static struct shedder *make(const struct day *day)
{
    struct shedder *shedder =
        shedder_new(&(struct shedder_config){ .high = 0.8,
                                              .low = 0.4,
                                              .is_adaptive = true,
                                              .mode = day->mode,
                                              .severity_keep = { 0.01, 0.02, 0.1, 0.5, 1, 1 },
                                              .class_count = 3,
                                              .capacity_bytes = (uint64_t)day->capacity,
                                              .batch_bytes = (uint64_t)day->batch });
    assert_non_null(shedder);
    return shedder;
}

#define MB 1e6

static void overload_is_held_between_the_marks_without_flapping(void **unused)
{
    (void)unused;
    static const struct day days[] = {
        { 1, SHED_UNIFORM, 8 * MB, 1 * MB, 4 * MB, 3, 0.3 },
        { 2, SHED_UNIFORM, 8 * MB, 1 * MB, 4 * MB, 10, 0.8 },
        { 3, SHED_UNIFORM, 8 * MB, 1 * MB, 4 * MB, 1.2, 0.3 },
        { 4, SHED_UNIFORM, 8 * MB, 0.25 * MB, 0.5 * MB, 5, 0.5 },
        { 5, SHED_UNIFORM, 4 * MB, 0.25 * MB, 8 * MB, 4, 0.3 },
        { 6, SHED_KEY, 8 * MB, 0.5 * MB, 4 * MB, 3, 0.3 },
        { 7, SHED_KEY, 8 * MB, 0.5 * MB, 4 * MB, 10, 0.3 },
        { 8, SHED_SEVERITY, 8 * MB, 1 * MB, 4 * MB, 3, 0.3 },
        { 9, SHED_SEVERITY, 8 * MB, 1 * MB, 4 * MB, 20, 0.3 },
        { 10, SHED_NOISIEST, 8 * MB, 1 * MB, 4 * MB, 3, 0.3 },
        { 11, SHED_LARGEST, 8 * MB, 1 * MB, 4 * MB, 3, 0.3 },
        { 12, SHED_LARGEST, 8 * MB, 1 * MB, 4 * MB, 10, 0.3 },
    };

    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        const struct day *day = &days[i];
        struct random random = random_make(day->seed);
        struct shedder *shedder = make(day);
        struct ring_model ring = { 0 };
        struct outcome before = { 0 }, outcome = { .low = 1 };
        int64_t now_ms = 0;
        run(shedder, &random, day, &ring, &now_ms, 90000, 90000, &before);
        run(shedder, &random, day, &ring, &now_ms, 210000, 0, &outcome);
        double keep = outcome.kept / outcome.offered;
        print_message("day %zu: fill %.2f to %.2f, keep %.3f for %.3f\n", i, outcome.low,
                      outcome.high, keep, 1 / day->overload);
        if (outcome.low < 0.4 || outcome.high > 0.8 || before.starts != 1 || before.stops != 0 ||
            outcome.starts != 0 || outcome.stops != 0 || fabs(keep * day->overload - 1) > 0.03)
            fail_msg("seed %llu: fill %g to %g, %u starts, keep %g", (unsigned long long)day->seed,
                     outcome.low, outcome.high, before.starts + outcome.starts, keep);
        shedder_free(&shedder);
    }
}

static void it_ends_once_when_all_has_been_kept_for_five_seconds(void **unused)
{
    (void)unused;
    struct day day = { 21, SHED_UNIFORM, 8 * MB, 0.5 * MB, 4 * MB, 3, 0.3 };
    struct random random = random_make(day.seed);
    struct shedder *shedder = make(&day);
    struct ring_model ring = { 0 };
    struct outcome outcome = { .low = 1 };
    int64_t now_ms = 0;

    run(shedder, &random, &day, &ring, &now_ms, 30000, 0, &outcome);
    assert_int_equal(outcome.starts, 1);
    day.overload = 0.5;
    run(shedder, &random, &day, &ring, &now_ms, 60000, 0, &outcome);
    assert_int_equal(outcome.starts, 1);
    assert_int_equal(outcome.stops, 1);
    assert_in_range(outcome.stopped_ms, 35000, 42000);
    day.overload = 3; /* again: what was kept before does not end it at once */
    run(shedder, &random, &day, &ring, &now_ms, 90000, 0, &outcome);
    assert_int_equal(outcome.starts, 2);
    assert_int_equal(outcome.stops, 1);
    shedder_free(&shedder);
}

/* The endpoint dies, the ring is full, nearly all is shed; then it is back. */
static void after_a_standstill_it_finds_its_way_back(void **unused)
{
    (void)unused;
    struct day day = { 22, SHED_UNIFORM, 8 * MB, 0.5 * MB, 4 * MB, 2, 0.3 };
    struct random random = random_make(day.seed);
    struct shedder *shedder = make(&day);
    struct ring_model ring = { 0 };
    struct outcome outcome = { .low = 1 }, later = { .low = 1 };
    int64_t now_ms = 0;
    double out_rate = day.out_rate;

    run(shedder, &random, &day, &ring, &now_ms, 30000, 0, &outcome);
    day.overload = 2e9;
    day.out_rate = 0.004; /* the same comes, nothing leaves */
    run(shedder, &random, &day, &ring, &now_ms, 150000, 0, &outcome);
    assert_true(shedder_keep(shedder) < 0.01);
    day.overload = 2;
    day.out_rate = out_rate;
    run(shedder, &random, &day, &ring, &now_ms, 240000, 0, &outcome);
    run(shedder, &random, &day, &ring, &now_ms, 300000, 0, &later);
    assert_int_equal(outcome.starts, 1);
    assert_true(later.low >= 0.4 && later.high <= 0.8);
    assert_true(fabs(later.kept / later.offered - 0.5) < 0.02);
    shedder_free(&shedder);
}

static double keep_at_begin(double capacity_bytes, double fill)
{
    struct shed_control control = { .high = 0.8,
                                    .low = 0.4,
                                    .batch_bytes = 1,
                                    .capacity_bytes = capacity_bytes,
                                    .offered_rate = 8 * MB,
                                    .out_rate = 2 * MB,
                                    .keep = 1 };

    shed_control_begin(&control, fill);
    return control.keep;
}

static void it_begins_with_what_leaves_corrected_towards_the_middle(void **unused)
{
    (void)unused;
    assert_true(fabs(keep_at_begin(64 * MB, 0.6) - 0.25) < 1e-9);
    double at_high = keep_at_begin(64 * MB, 0.8), at_low = keep_at_begin(64 * MB, 0.4);
    assert_true(at_high > 0.05 && at_high < 0.125 && at_low > 0.5 && at_low < 1);
    /* A ring that is empty in a tenth of a second: the same direction, and weaker. */
    double short_high = keep_at_begin(0.2 * MB, 0.8), short_low = keep_at_begin(0.2 * MB, 0.4);
    assert_true(short_high > 0.2 && short_high < 0.25 && short_low > 0.25 && short_low < 0.3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_with_what_leaves_corrected_towards_the_middle),
        cmocka_unit_test(overload_is_held_between_the_marks_without_flapping),
        cmocka_unit_test(it_ends_once_when_all_has_been_kept_for_five_seconds),
        cmocka_unit_test(after_a_standstill_it_finds_its_way_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
