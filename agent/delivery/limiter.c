/* SPDX-License-Identifier: Apache-2.0 */
/* limiter: the median is of at least three answers, gathered over more than one round where rounds
 * are short, because the median of one is that one, and a single slow answer means nothing. The
 * smoothed median follows also what was judged as congestion: an endpoint that became slower for
 * good is congestion only for a while. */
#include "delivery/limiter.h"

#include "base/check.h"

#include <stdlib.h>

enum { SAMPLES_LEAST = 3, LATENCY_STEP_LEAST_MS = 50 };
static const double LATENCY_STEP = 1.5;
static const double SMOOTHING = 0.25;

struct limiter limiter_make(unsigned min, unsigned max)
{
    CHECK(min >= 1 && min <= max);
    return (struct limiter){
        .min = min, .max = max, .limit = min, .doubling = true, .round_ticket = 1, .smoothed_ms = -1
    };
}

uint64_t limiter_launch(struct limiter *limiter, unsigned in_flight)
{
    if (in_flight >= limiter->limit)
        limiter->round_used_all = true;
    return ++limiter->last_ticket;
}

static void begin_round(struct limiter *limiter)
{
    limiter->round_ticket = limiter->last_ticket + 1;
    limiter->round_used_all = false;
}

static void cut(struct limiter *limiter)
{
    limiter->limit = limiter->limit / 2 > limiter->min ? limiter->limit / 2 : limiter->min;
    limiter->doubling = false;
    limiter->cut_ticket = limiter->last_ticket;
    limiter->sample_count = 0;
    begin_round(limiter);
}

static void grow(struct limiter *limiter)
{
    unsigned more = limiter->doubling ? limiter->limit : 1;

    limiter->limit = more > limiter->max - limiter->limit ? limiter->max : limiter->limit + more;
}

static int compare_ms(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* Takes the samples in, and says whether they stand out from what was usual. */
static bool is_slower(struct limiter *limiter)
{
    double usual_ms = limiter->smoothed_ms, median_ms;

    if (limiter->sample_count < SAMPLES_LEAST)
        return false;
    qsort(limiter->samples_ms, limiter->sample_count, sizeof(limiter->samples_ms[0]), compare_ms);
    median_ms = (double)limiter->samples_ms[limiter->sample_count / 2];
    limiter->sample_count = 0;
    limiter->smoothed_ms = usual_ms < 0 ? median_ms : usual_ms + (median_ms - usual_ms) * SMOOTHING;
    return usual_ms >= 0 && median_ms > usual_ms * LATENCY_STEP &&
           median_ms >= usual_ms + LATENCY_STEP_LEAST_MS;
}

static void end_round(struct limiter *limiter)
{
    if (is_slower(limiter)) {
        cut(limiter);
        return;
    }
    if (limiter->round_used_all)
        grow(limiter);
    begin_round(limiter);
}

void limiter_record(struct limiter *limiter, uint64_t ticket, enum limiter_sign sign,
                    int64_t latency_ms)
{
    CHECK(ticket >= 1 && ticket <= limiter->last_ticket);
    if (ticket <= limiter->cut_ticket || sign == LIMITER_NO_SIGN)
        return;
    if (sign == LIMITER_BAD) {
        cut(limiter);
        return;
    }
    if (latency_ms >= 0 && limiter->sample_count < LIMITER_SAMPLES)
        limiter->samples_ms[limiter->sample_count++] = latency_ms;
    if (ticket >= limiter->round_ticket)
        end_round(limiter);
}

void limiter_restart(struct limiter *limiter)
{
    cut(limiter);
    limiter->limit = limiter->min;
}
