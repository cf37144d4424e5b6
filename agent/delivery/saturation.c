/* SPDX-License-Identifier: Apache-2.0 */
/* saturation: a table of marks, and a streak. */
#include "delivery/saturation.h"

#include "base/check.h"

#include <stddef.h>

enum { LOOKS_TO_ENTER = 2, LOOKS_TO_LEAVE = 3 };
enum { LAG_LEAST_BYTES = 1024 * 1024 };

/* enter: to be suspected; stay: to be still suspected, being the cause. */
static const struct marks {
    double enter, stay;
} marks[SATURATION_CAUSES] = {
    [SATURATION_ENDPOINT] = { 0.5, 0.25 },
    [SATURATION_DISK] = { 0.5, 0.25 },
    [SATURATION_CPU] = { 0.9, 0.7 },
    [SATURATION_RING] = { 0.8, 0.5 },
};

static bool is_over(const struct saturation *saturation, enum saturation_cause cause, double value)
{
    return value >= (saturation->cause == cause ? marks[cause].stay : marks[cause].enter);
}

/* Busy threads alone hold nobody up. */
static bool is_late(const struct saturation_measure *measure)
{
    return measure->wait_p99_ms > measure->late_ms || measure->lag_bytes >= LAG_LEAST_BYTES ||
           measure->ring_fill >= marks[SATURATION_RING].stay;
}

static bool falls_behind(const struct saturation *saturation,
                         const struct saturation_measure *measure)
{
    if (measure->lag_bytes < LAG_LEAST_BYTES)
        return false;
    return saturation->cause == SATURATION_INPUT || measure->lag_bytes > measure->lag_before_bytes;
}

/* A lane is full: of bursts, unless the workers are never idle, though neither what they do nor
 * what they wait for takes most of their time. */
static enum saturation_cause suspect_behind_ring(const struct saturation *saturation,
                                                 const struct saturation_measure *measure,
                                                 enum saturation_cause outside)
{
    bool is_known = saturation->cause == outside || saturation->cause == SATURATION_CPU;
    double mark = is_known ? marks[SATURATION_CPU].stay : marks[SATURATION_CPU].enter;

    if (measure->busy + measure->blocked < mark)
        return SATURATION_RING;
    if (is_known)
        return saturation->cause;
    return measure->blocked > measure->busy ? outside : SATURATION_CPU;
}

static enum saturation_cause suspect(const struct saturation *saturation,
                                     const struct saturation_measure *measure)
{
    enum saturation_cause outside = measure->to_disk ? SATURATION_DISK : SATURATION_ENDPOINT;

    if (is_over(saturation, outside, measure->blocked))
        return outside;
    if (is_over(saturation, SATURATION_CPU, measure->busy) && is_late(measure))
        return SATURATION_CPU;
    if (is_over(saturation, SATURATION_RING, measure->ring_fill))
        return suspect_behind_ring(saturation, measure, outside);
    return falls_behind(saturation, measure) ? SATURATION_INPUT : SATURATION_NONE;
}

bool saturation_look(struct saturation *saturation, const struct saturation_measure *measure)
{
    enum saturation_cause found = suspect(saturation, measure);
    unsigned wanted = found == SATURATION_NONE ? LOOKS_TO_LEAVE : LOOKS_TO_ENTER;

    if (found != saturation->suspect)
        saturation->looks = 0;
    saturation->suspect = found;
    if (found == saturation->cause || ++saturation->looks < wanted)
        return false;
    saturation->cause = found;
    saturation->looks = 0;
    return true;
}

bool saturation_is_calm(const struct saturation *saturation)
{
    return saturation->cause == SATURATION_NONE && saturation->suspect == SATURATION_NONE;
}

const char *saturation_name(enum saturation_cause cause)
{
    static const char *const names[SATURATION_CAUSES] = {
        [SATURATION_NONE] = "none", [SATURATION_INPUT] = "input",       [SATURATION_CPU] = "cpu",
        [SATURATION_RING] = "ring", [SATURATION_ENDPOINT] = "endpoint", [SATURATION_DISK] = "disk",
    };

    CHECK(cause < SATURATION_CAUSES && names[cause] != NULL);
    return names[cause];
}

/* ---- waits: four buckets between a power of two and the next ---- */

/* The least wait that does not fall into this bucket any more. */
static int64_t end_of_bucket(unsigned bucket)
{
    if (bucket < 4)
        return bucket + 1;
    return (int64_t)(4 + bucket % 4 + 1) << (bucket / 4 - 1);
}

void wait_times_add(struct wait_times *waits, int64_t wait_ms, uint64_t events)
{
    unsigned bucket = 0;

    while (bucket < WAIT_BUCKETS - 1 && wait_ms >= end_of_bucket(bucket))
        bucket++;
    atomic_fetch_add_explicit(&waits->events[bucket], events, memory_order_relaxed);
}

int64_t wait_times_take_p99_ms(struct wait_times *waits)
{
    uint64_t events[WAIT_BUCKETS], sum = 0, seen = 0;

    for (unsigned i = 0; i < WAIT_BUCKETS; i++) {
        events[i] = atomic_exchange_explicit(&waits->events[i], 0, memory_order_relaxed);
        sum += events[i];
    }
    for (unsigned i = 0; i < WAIT_BUCKETS && sum > 0; i++) {
        seen += events[i];
        if (seen >= sum - sum / 100)
            return end_of_bucket(i);
    }
    return -1;
}
