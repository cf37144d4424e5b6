/* SPDX-License-Identifier: Apache-2.0 */
/* receive_latency: a histogram of times from write to arrival, in fixed memory: 16 buckets for each
 * doubling, so a quantile is at most 6 % too high. Threads: none; the caller's lock. */
#pragma once

#include <stdint.h>

enum { LATENCY_BUCKETS = 16 * 40 };

struct latency {
    uint64_t count;
    int64_t max_us;
    uint32_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *latency,
                 int64_t us); /* < 0 (the clock was set back) counts as 0 */
void latency_merge(struct latency *into, const struct latency *from);
double latency_quantile_ms(const struct latency *latency, double share); /* 0 if there are none */
