/* SPDX-License-Identifier: Apache-2.0 */
/* emit: what is known at the end of an interval as events.
 *   counter                        NAME, a sum
 *   gauge, set                     NAME, a gauge; of a set how many different members came
 *   timer, histogram, distribution NAME.count and NAME.sum, sums; NAME.min, NAME.max and NAME with
 *                                  the attribute quantile, gauges of this interval
 * A sum is cumulative since its series was born, or the delta of this interval, as temporality
 * says. It may fall (updown) once a negative number was in it. Tags are attributes: key:value.
 * Only what got samples in this interval is sent. Threads: the reading's. */
#pragma once

#include "series.h"

enum { QUANTILES_MOST = 16 };

struct emission {
    struct sink *sink;
    int64_t begin_ns, end_ns; /* of the interval, Unix */
    bool is_delta;
    const double *quantiles;
    size_t quantile_count;
};

/* Sends it, and makes it ready for the next interval. Events point into the series. */
void emit_series(const struct emission *emission, struct series *series);

/* An event or a service check, as a log event. It points into the line. */
void emit_event(struct event *to, const struct statsd_event *event);
