/* SPDX-License-Identifier: Apache-2.0 */
/* receive_latency: the bucket is the number's highest bit and the four bits after it. */
#include "cli/receive_latency.h"

enum { STEPS = 16, STEP_BITS = 4 };

static unsigned bucket_of(uint64_t us)
{
    if (us < STEPS)
        return (unsigned)us;
    unsigned shift = 63 - (unsigned)__builtin_clzll(us) - STEP_BITS;
    unsigned bucket = (shift + 1) * STEPS + (unsigned)(us >> shift & (STEPS - 1));
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The largest time that falls into the bucket. */
static uint64_t end_of(unsigned bucket)
{
    if (bucket < STEPS)
        return bucket;
    unsigned shift = bucket / STEPS - 1;
    return ((uint64_t)(bucket % STEPS + STEPS + 1) << shift) - 1;
}

void latency_add(struct latency *latency, int64_t us)
{
    us = us < 0 ? 0 : us;
    latency->count++;
    latency->max_us = us > latency->max_us ? us : latency->max_us;
    latency->buckets[bucket_of((uint64_t)us)]++;
}

void latency_merge(struct latency *into, const struct latency *from)
{
    if (from->count == 0)
        return;
    into->count += from->count;
    into->max_us = from->max_us > into->max_us ? from->max_us : into->max_us;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

double latency_quantile_ms(const struct latency *latency, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)latency->count);
    uint64_t passed = 0;

    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        passed += latency->buckets[i];
        if (passed > 0 && passed >= wanted) {
            uint64_t us =
                end_of(i) < (uint64_t)latency->max_us ? end_of(i) : (uint64_t)latency->max_us;
            return (double)us / 1000;
        }
    }
    return 0;
}
