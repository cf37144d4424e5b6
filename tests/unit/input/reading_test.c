/* SPDX-License-Identifier: Apache-2.0 */
/* A reading's thread around an input that the test holds: when it is called. */
#include "test.h"

#include "input/reading.h"
#include "own_ledger.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { REST_MS = 20, COLLECTIONS = 5, GIVE_UP_MS = 60000, WAITED_MS = 60000 };

struct resting {
    int64_t until_ms;
};
static _Atomic unsigned collections, too_early;
static struct feed feed = { .full_events = 1 << 20, .full_bytes = 1 << 30 };

static bool resting_open(void *state, const void *config, const struct host *host, struct err *err)
{
    (void)state, (void)config, (void)host, (void)err;
    return true;
}

static enum collected resting_collect(void *state, struct sink *sink)
{
    struct resting *resting = state;

    if (clock_now_ms() < resting->until_ms)
        atomic_fetch_add(&too_early, 1);
    if (atomic_fetch_add(&collections, 1) == 0)
        sink_waited(sink, WAITED_MS);
    sink_event(sink)->body = SLICE("an event");
    return COLLECT_IDLE;
}

static void resting_wait(void *state, struct waits *waits)
{
    struct resting *resting = state;
    waits->until_ms = resting->until_ms = clock_now_ms() + REST_MS;
}

static const struct input input_resting = {
    .type = { .name = "resting", .state_bytes = sizeof(struct resting) },
    .open = resting_open,
    .collect = resting_collect,
    .wait = resting_wait,
};

static struct lane *make_lane(void)
{
    struct lane_config config = { .capacity_bytes = 128 * 1024,
                                  .piece_bytes = 16 * 1024,
                                  .overflow = LANE_BLOCK,
                                  .shed = { .high = 1 },
                                  .weight = 1,
                                  .books = ledger_lane(ledger, "in", "out", false),
                                  .feed = &feed };
    struct lane *lane = lane_new(&config);
    assert_non_null(lane);
    return lane;
}

/* Rings all the while, as settled reads do. */
static void ring_until_collected(struct reading *reading, unsigned count)
{
    int64_t give_up_ms = clock_now_ms() + GIVE_UP_MS;

    while (atomic_load(&collections) < count) {
        reading_ring(reading);
        (void)usleep(500);
        assert_true(clock_now_ms() < give_up_ms);
    }
}

/* Of the next piece. */
static int64_t age_ms(struct lane *lane)
{
    int64_t age_ms = clock_boot_ms() - lane_level(lane).oldest_boot_ms;
    struct piece *piece = lane_gather(lane, 0, 0);

    assert_non_null(piece);
    lane_give_back(lane, &piece);
    return age_ms;
}

static void an_input_without_descriptors_rests_until_its_time_whatever_rings(void **unused)
{
    (void)unused;
    struct err err = { "" };
    struct lane *lane = make_lane();
    const char *output = "out";
    const struct reading_config config = { .input = "in",
                                           .plugin = &input_resting,
                                           .output = output };
    struct reading *reading = reading_new(&config, &err);
    assert_non_null(reading);
    assert_true(reading_start(reading, &lane, &output, 1, &err));

    ring_until_collected(reading, 1);
    while (lane_level(lane).events == 0)
        (void)usleep(500);
    assert_true(age_ms(lane) >= WAITED_MS);
    int64_t began_ms = clock_boot_ms();
    ring_until_collected(reading, COLLECTIONS);
    while (lane_level(lane).events == 0)
        (void)usleep(500);
    assert_true(age_ms(lane) <= clock_boot_ms() - began_ms + WAITED_MS / 2); /* it was said once */
    assert_int_equal(atomic_load(&too_early), 0);

    reading_finish(reading);
    reading_free(&reading);
    lane_abandon(lane, FLOW_drain_timeout_ring);
    lane_free(&lane);
}

/* ---- an input at its end ---- */

static _Atomic unsigned source, seen; /* as it says after that; and what was read of it */
static _Atomic unsigned ends;

static enum collected ending_collect(void *state, struct sink *sink)
{
    (void)state;
    for (; seen < source; seen++)
        sink_event(sink)->body = SLICE("an event");
    return COLLECT_DONE;
}

static bool ending_change(void *state, const void *config, const struct host *host, struct err *err)
{
    (void)state, (void)config, (void)host, (void)err;
    return true;
}

static const struct input input_ending = {
    .type = { .name = "ending", .state_bytes = 1 },
    .open = resting_open,
    .collect = ending_collect,
    .wait = resting_wait,
    .change = ending_change,
};

static void note_end(void *context)
{
    (void)context;
    atomic_fetch_add(&ends, 1);
}

static void await_count(const _Atomic unsigned *count, unsigned wanted)
{
    int64_t give_up_ms = clock_now_ms() + GIVE_UP_MS;

    while (atomic_load(count) < wanted) {
        (void)usleep(500);
        assert_true(clock_now_ms() < give_up_ms);
    }
}

static void await_stopped(struct reading *reading)
{
    int64_t give_up_ms = clock_now_ms() + GIVE_UP_MS;

    while (!reading_has_stopped_input(reading)) {
        (void)usleep(500);
        assert_true(clock_now_ms() < give_up_ms);
    }
}

static void change(struct reading *reading, const struct reading_config *config)
{
    struct err err = { "" };
    struct reading_change *prepared = reading_prepare(reading, config, &err);

    assert_non_null(prepared);
    gate_shut(reading_gate(reading));
    reading_nudge(reading);
    while (!gate_is_stood_at(reading_gate(reading)))
        gate_await(reading_gate(reading), 100);
    assert_true(reading_try_change(reading, prepared, true, &err));
    assert_true(reading_commit(reading, &prepared));
    assert_false(reading_is_done(reading));
    gate_open(reading_gate(reading));
}

static void one_at_its_end_is_asked_again_after_a_change(void **unused)
{
    (void)unused;
    struct err err = { "" };
    struct lane *lane = make_lane();
    const char *output = "out";
    const struct reading_config config = {
        .input = "in", .plugin = &input_ending, .output = output, .on_done = note_end
    };
    struct reading *reading = reading_new(&config, &err);
    assert_non_null(reading);
    source = 2;
    assert_true(reading_start(reading, &lane, &output, 1, &err));
    await_count(&ends, 1);
    await_stopped(reading);
    assert_true(reading_is_done(reading));
    source = 3;
    change(reading, &config);
    await_count(&ends, 2);
    await_stopped(reading);
    assert_true(reading_is_done(reading));
    assert_int_equal(lane_level(lane).events, 3);

    reading_finish(reading);
    reading_free(&reading);
    lane_abandon(lane, FLOW_drain_timeout_ring);
    lane_free(&lane);
}

/* ---- an input that the kernel does not let go of ---- */

static int hanging[2];
static _Atomic unsigned has_come_back;
static struct reading *left; /* its thread has it to the end of the process */

static enum collected hanging_collect(void *state, struct sink *sink)
{
    char byte;

    (void)state;
    sink_event(sink)->body = SLICE("an event");
    if (atomic_fetch_add(&collections, 1) > 0 && read(hanging[0], &byte, 1) == 1)
        atomic_store(&has_come_back, 1);
    return COLLECT_MORE;
}

static const struct input input_hanging = {
    .type = { .name = "hanging", .state_bytes = 1 },
    .open = resting_open,
    .collect = hanging_collect,
    .wait = resting_wait,
};

static void one_that_does_not_come_back_is_left_and_offers_nothing_any_more(void **unused)
{
    (void)unused;
    struct err err = { "" };
    static const char *output = "out";
    static struct lane *lane;
    const struct reading_config config = { .input = "in",
                                           .plugin = &input_hanging,
                                           .output = output };
    lane = make_lane();
    assert_int_equal(pipe(hanging), 0);
    atomic_store(&collections, 0);
    left = reading_new(&config, &err);
    assert_non_null(left);
    assert_true(reading_start(left, &lane, &output, 1, &err));
    await_count(&collections, 2);
    reading_abort(left);
    assert_false(reading_await_stop(left, clock_now_ms() + REST_MS));
    reading_leave_behind(left);
    assert_true(reading_is_left(left));
    assert_int_equal(lane_level(lane).events, 1);
    assert_int_equal(write(hanging[1], "x", 1), 1);
    await_count(&has_come_back, 1);
    assert_false(reading_await_stop(left, clock_now_ms() + REST_MS)); /* it stands */
    assert_int_equal(lane_level(lane).events, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_input_without_descriptors_rests_until_its_time_whatever_rings),
        cmocka_unit_test(one_at_its_end_is_asked_again_after_a_change),
        cmocka_unit_test(one_that_does_not_come_back_is_left_and_offers_nothing_any_more),
    };
    return RUN_WITH_LEDGER(tests);
}
