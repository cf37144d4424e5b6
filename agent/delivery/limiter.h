/* SPDX-License-Identifier: Apache-2.0 */
/* limiter: how many requests may be in flight, found by additive increase and multiplicative
 * decrease, as TCP finds its window. A fresh endpoint is warmed up: the limit becomes four times as
 * high with each round, until the first sign of congestion; then it grows by one a round; in both
 * cases only if the round used the whole limit. A bad answer, or a round whose median latency
 * stands out, halves it, at most once a round trip.
 * A round ends with the first answer to a request that was started in it: tickets tell.
 *
 * Below one it is pacing: one request in flight, and a gap from start to start of the usual round
 * trip divided by the limit, times 0.5 to 1.5 at random. So a fleet of agents can share an endpoint
 * of which each may have less than one request at a time. Pure: time and chance are passed in. */
#pragma once

#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

enum limiter_sign {
    LIMITER_NO_SIGN,
    LIMITER_GOOD,
    LIMITER_BAD, /* overload or a broken request */
};

enum { LIMITER_SAMPLES = 64 };
/* The gap stands for at least this round trip, and is never longer than that. */
enum { LIMITER_ROUND_TRIP_LEAST_MS = 100, LIMITER_GAP_MOST_MS = 5 * 1000 };

struct limiter {
    unsigned min, max; /* min 0: may fall below one */
    double limit;      /* a whole number from 1 on */
    bool warming_up;   /* no congestion and no outage so far */
    bool round_used_all;
    bool held_back;        /* since the last launch a gap was waited for */
    uint64_t last_ticket;  /* given out; tickets count from 1 */
    uint64_t round_ticket; /* first ticket of this round */
    uint64_t cut_ticket;   /* last ticket given out before the last cut */
    int64_t launched_ms;   /* the last one */
    double gap_factor;     /* its chance, 0.5 to 1.5 */
    double smoothed_ms;    /* of the rounds' medians, < 0: none yet */
    int64_t good_ms;       /* of the last answer, if it was a good one; else < 0 */
    double usual_gap_ms;   /* between good answers, < 0: not known */
    unsigned sample_count;
    int64_t samples_ms[LIMITER_SAMPLES];
};

/* The limit's factor a round: with a round trip of 200 ms a limit of a
 * hundred is reached in 0.8 s; by doubling it took 1.4 s. */
enum { LIMITER_WARM_UP = 4 };

/* Starts at min, but not below one. */
struct limiter limiter_make(unsigned min, unsigned max);
/* How many batches may soon be wanted: while it warms up twice as many as may ever be in flight, so
 * that there is something to send when the limit rises, and to follow when that is answered. A far
 * endpoint is not filled otherwise: it takes most of a second to warm up. */
double limiter_prospect(const struct limiter *limiter);
/* When the next request may start; <= now_ms: now; INT64_MAX: not before one in flight is answered.
 * Ask with a request at hand: one that is held back by a gap uses the whole limit. */
int64_t limiter_ready_ms(struct limiter *limiter, unsigned in_flight, int64_t now_ms);
/* A request starts. in_flight counts it. Returns its ticket. */
uint64_t limiter_launch(struct limiter *limiter, unsigned in_flight, int64_t now_ms,
                        struct random *random);
/* latency_ms < 0: not to be learnt from (the request opened a connection). */
void limiter_record(struct limiter *limiter, uint64_t ticket, enum limiter_sign sign,
                    int64_t latency_ms, int64_t now_ms);
/* After an outage: from the least again, or, where min is 0, at the pace that was usual before, but
 * not above one; without warming up. */
void limiter_restart(struct limiter *limiter);
