/* SPDX-License-Identifier: Apache-2.0 */
/* fields: what the keys of a JSON object mean. Those of our own NDJSON, which are the names of the
 * OpenTelemetry models, and those that the configuration adds for body, time and severity.
 * A table of fixed size, made once. Threads: any, once made. */
#pragma once

#include "plugin.h"

enum field {
    FIELD_ATTRIBUTE, /* any other key */
    FIELD_BODY,
    FIELD_TIME,
    FIELD_SEVERITY,
    FIELD_SEVERITY_NUMBER,
    FIELD_OBSERVED_TIME,
    FIELD_ATTRIBUTES,
    FIELD_RESOURCE,
    FIELD_TRACE_ID,
    FIELD_SPAN_ID,
    FIELD_DROPPED_COUNT,
    FIELD_NAME, /* this one and the rest: of metrics only */
    FIELD_TYPE,
    FIELD_UNIT,
    FIELD_VALUE,
    FIELD_START_TIME,
    FIELD_TEMPORALITY,
    FIELD_NO_VALUE,
    FIELDS
};

enum { FIELDS_LIST = 16, FIELDS_SLOTS = 256 };

struct fields {
    struct fields_row {
        struct slice name; /* borrowed */
        uint8_t field, rank;
    } rows[FIELDS_SLOTS];
};

/* The first of a list that an object has wins. false: a list is longer than FIELDS_LIST. */
bool fields_make(struct fields *fields, const struct text_list *body, const struct text_list *time,
                 const struct text_list *severity, struct err *err);
/* ret_rank: the lower wins. */
enum field fields_find(const struct fields *fields, struct slice name, unsigned *ret_rank);
