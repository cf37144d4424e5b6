/* SPDX-License-Identifier: Apache-2.0 */
/* limiter: the median is of at least three answers, gathered over more than one round where rounds
 * are short, because the median of one is that one, and a single slow answer means nothing. The
 * smoothed median follows also what was judged as congestion: an endpoint that became slower for
 * good is congestion only for a while.
 *
 * Below one the limit grows by a share of itself for each good answer, not by one: where hundreds
 * of thousands of agents share an endpoint, "one more" from each would be many times what it can
 * take. With a sixteenth up and a half down they settle where about one request in twelve is
 * refused, whatever their number. After an outage an agent goes on at its usual pace, because the
 * sum of all is then what the endpoint is used to, however many they are and however seldom each
 * sends. tests/sim/fleet shows it. */
#include "delivery/limiter.h"

#include "base/check.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLES_LEAST = 3, LATENCY_STEP_LEAST_MS = 50 };
static const double LATENCY_STEP = 1.5;
static const double SMOOTHING = 0.25;
static const double PACED_GROWTH = 1.0 / 16;
static const double PACE_SMOOTHING = 1.0 / 16; /* of answers; they may come in bursts */

struct limiter limiter_make(unsigned min, unsigned max)
{
    CHECK(max >= 1 && min <= max);
    return (struct limiter){ .min = min,
                             .max = max,
                             .limit = min >= 1 ? min : 1,
                             .warming_up = true,
                             .round_ticket = 1,
                             .gap_factor = 1,
                             .smoothed_ms = -1,
                             .good_ms = -1,
                             .usual_gap_ms = -1 };
}

static double round_trip_ms(const struct limiter *limiter)
{
    return fmax(limiter->smoothed_ms, LIMITER_ROUND_TRIP_LEAST_MS);
}

int64_t limiter_ready_ms(struct limiter *limiter, unsigned in_flight, int64_t now_ms)
{
    double gap_ms;
    int64_t ready_ms;

    if (in_flight >= (limiter->limit < 1 ? 1 : limiter->limit))
        return INT64_MAX;
    if (limiter->limit >= 1 || limiter->last_ticket == 0)
        return now_ms;
    gap_ms = fmin(round_trip_ms(limiter) / limiter->limit, LIMITER_GAP_MOST_MS);
    ready_ms = limiter->launched_ms + (int64_t)(gap_ms * limiter->gap_factor);
    if (ready_ms > now_ms)
        limiter->held_back = true;
    return ready_ms;
}

uint64_t limiter_launch(struct limiter *limiter, unsigned in_flight, int64_t now_ms,
                        struct random *random)
{
    if (limiter->limit < 1 ? limiter->held_back : in_flight >= limiter->limit)
        limiter->round_used_all = true;
    limiter->held_back = false;
    limiter->launched_ms = now_ms;
    limiter->gap_factor = 0.5 + random_unit(random);
    return ++limiter->last_ticket;
}

static void begin_round(struct limiter *limiter)
{
    limiter->round_ticket = limiter->last_ticket + 1;
    limiter->round_used_all = false;
}

/* With no floor of the user's: where the gap is as long as it may be. */
static double least_limit(const struct limiter *limiter)
{
    if (limiter->min >= 1)
        return limiter->min;
    return fmin(round_trip_ms(limiter) / LIMITER_GAP_MOST_MS, 1);
}

static void cut_to(struct limiter *limiter, double limit)
{
    limiter->limit = fmax(limit >= 1 ? floor(limit) : limit, least_limit(limiter));
    limiter->warming_up = false;
    limiter->cut_ticket = limiter->last_ticket;
    limiter->sample_count = 0;
    begin_round(limiter);
}

static void cut(struct limiter *limiter)
{
    cut_to(limiter, limiter->limit / 2);
}

static void grow(struct limiter *limiter)
{
    double limit = limiter->limit;

    if (limit < 1)
        limiter->limit = fmin(limit + limit * PACED_GROWTH, 1);
    else
        limiter->limit =
            fmin(limiter->warming_up ? limit * LIMITER_WARM_UP : limit + 1, limiter->max);
}

double limiter_prospect(const struct limiter *limiter)
{
    return limiter->warming_up ? 2.0 * limiter->max : limiter->limit;
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

/* Between two good answers with nothing else in between. */
static void learn_pace(struct limiter *limiter, enum limiter_sign sign, int64_t now_ms)
{
    double gap_ms = (double)(now_ms - limiter->good_ms), usual_ms = limiter->usual_gap_ms;

    if (sign == LIMITER_GOOD && limiter->good_ms >= 0)
        limiter->usual_gap_ms =
            usual_ms < 0 ? gap_ms : usual_ms + (gap_ms - usual_ms) * PACE_SMOOTHING;
    limiter->good_ms = sign == LIMITER_GOOD ? now_ms : -1;
}

void limiter_record(struct limiter *limiter, uint64_t ticket, enum limiter_sign sign,
                    int64_t latency_ms, int64_t now_ms)
{
    CHECK(ticket >= 1 && ticket <= limiter->last_ticket);
    learn_pace(limiter, sign, now_ms);
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
    double limit = 1; /* as at the start: the usual pace is not known */

    if (limiter->usual_gap_ms >= 0)
        limit = fmin(round_trip_ms(limiter) / fmax(limiter->usual_gap_ms, 1), 1);
    cut_to(limiter, limit);
}
