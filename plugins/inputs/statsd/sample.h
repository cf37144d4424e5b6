/* SPDX-License-Identifier: Apache-2.0 */
/* sample: one line of the statsd protocol, with what DogStatsD adds.
 *   NAME:VALUE[:VALUE…]|TYPE[|@RATE][|#TAG,TAG…][|c:…][|e:…][|T…]
 *     TYPE  c counter, g gauge (+N and -N change it), ms timer, h histogram, d distribution, s set
 *   _e{TITLE,TEXT}:title|text[|d:time][|h:host][|k:key][|p:priority][|s:source][|t:kind][|#tags]
 *   _sc|NAME|STATUS[|d:time][|h:host][|#tags][|m:message]
 * Source: github.com/statsd/statsd, docs/metric_types.md; docs.datadoghq.com, DogStatsD datagram
 * format. Pure, no allocation; slices point into the line. Threads: none. */
#pragma once

#include "plugin.h"

enum statsd_kind {
    STATSD_COUNTER,
    STATSD_GAUGE,
    STATSD_TIMER,
    STATSD_HISTOGRAM,
    STATSD_DISTRIBUTION,
    STATSD_SET
};

enum { STATSD_TAGS_MOST = 64, STATSD_NAME_MOST_BYTES = 255 };

struct statsd_tags {
    struct slice items[STATSD_TAGS_MOST];
    size_t count;
};

struct statsd_sample {
    enum statsd_kind kind;
    struct slice name;
    struct slice values; /* for statsd_value() */
    double weight;       /* one over the sample rate */
    struct statsd_tags tags;
};

struct statsd_value {
    double number;
    bool is_change;    /* of a gauge: it was written with a sign */
    struct slice text; /* of a set */
};

struct statsd_event {
    bool is_check;
    struct slice title, text; /* of a check its name and message. With \n for newlines */
    int status;               /* of a check, 0 … 3 */
    int64_t time_s;           /* 0: not told */
    struct slice host, key, priority, source, alert;
    struct statsd_tags tags;
};

/* What was wrong; NULL: it was read, and statsd_value() will give at least one value, each good. */
const char *statsd_parse_sample(struct slice line, struct statsd_sample *ret);
bool statsd_value(struct statsd_sample *sample, struct statsd_value *ret);

bool statsd_is_event(struct slice line);
const char *statsd_parse_event(struct slice line, struct statsd_event *ret);
