/* SPDX-License-Identifier: Apache-2.0 */
/* limiter: how many requests may be in flight, found by additive increase and multiplicative
 * decrease, as TCP finds its window. It doubles each round until the first sign of congestion, then
 * grows by one a round; in both cases only if the round used the whole limit. A bad answer, or a
 * round whose median latency stands out, halves it, at most once a round trip.
 * A round ends with the first answer to a request that was started in it: tickets tell.
 * Pure; without time, because latency is passed in. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum limiter_sign {
    LIMITER_NO_SIGN,
    LIMITER_GOOD,
    LIMITER_BAD, /* overload or a broken request */
};

enum { LIMITER_SAMPLES = 64 };

struct limiter {
    unsigned min, max, limit;
    bool doubling; /* no congestion and no outage so far */
    bool round_used_all;
    uint64_t last_ticket;  /* given out; tickets count from 1 */
    uint64_t round_ticket; /* first ticket of this round */
    uint64_t cut_ticket;   /* last ticket given out before the last cut */
    double smoothed_ms;    /* of the rounds' medians, < 0: none yet */
    unsigned sample_count;
    int64_t samples_ms[LIMITER_SAMPLES];
};

struct limiter limiter_make(unsigned min, unsigned max);
/* A request starts. in_flight counts it. Returns its ticket. */
uint64_t limiter_launch(struct limiter *limiter, unsigned in_flight);
/* latency_ms < 0: not to be learnt from (the request opened a connection). */
void limiter_record(struct limiter *limiter, uint64_t ticket, enum limiter_sign sign,
                    int64_t latency_ms);
/* After an outage: from the least again, growing by one a round. */
void limiter_restart(struct limiter *limiter);
