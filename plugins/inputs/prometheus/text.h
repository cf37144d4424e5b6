/* SPDX-License-Identifier: Apache-2.0 */
/* text: the lines of a scrape, the text format 0.0.4 and OpenMetrics 1.0. Pure. What it remembers
 * between two lines is the family: what # TYPE and # UNIT said last. */
#pragma once

#include "plugin.h"

enum {
    PROMETHEUS_LABELS_MOST = 64,
    PROMETHEUS_NAME_MOST_BYTES = 255, /* longer families have no type and no unit */
    PROMETHEUS_UNIT_MOST_BYTES = 31,
};

enum prometheus_type {
    PROMETHEUS_UNKNOWN, /* gauge, info, stateset, gaugehistogram, too: nothing that only rises */
    PROMETHEUS_COUNTER,
    PROMETHEUS_HISTOGRAM,
    PROMETHEUS_SUMMARY,
};

struct prometheus_text {
    bool is_openmetrics; /* timestamps in seconds, exemplars, and an end */
    bool is_ended;       /* # EOF was there */
    enum prometheus_type type;
    size_t name_bytes, unit_bytes;
    char name[PROMETHEUS_NAME_MOST_BYTES], unit[PROMETHEUS_UNIT_MOST_BYTES];
};

struct prometheus_label {
    struct slice name, value;
};

/* Points into the line. */
struct prometheus_sample {
    struct slice name;
    struct prometheus_label labels[PROMETHEUS_LABELS_MOST];
    size_t label_count;
    double number;       /* may be NaN, or infinite */
    struct slice digits; /* as it was written */
    bool has_time;
    int64_t time_ns;
};

enum prometheus_line { PROMETHEUS_NOTHING, PROMETHEUS_SAMPLE, PROMETHEUS_BAD };

/* The escapes of labels are undone in place, so the line is changed. *ret is of use with
 * PROMETHEUS_SAMPLE alone. */
enum prometheus_line prometheus_read(struct prometheus_text *text, char *line, size_t bytes,
                                     struct prometheus_sample *ret);

/* By the family, if the sample is of it; a gauge if nothing is known. */
enum event_kind prometheus_kind(const struct prometheus_text *text, struct slice name);
/* UCUM, by # UNIT or by how the name ends; empty if neither says. Borrowed from `text` if it is
 * one that has no name in UCUM. */
struct slice prometheus_unit(const struct prometheus_text *text, struct slice name);
