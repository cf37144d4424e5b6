/* SPDX-License-Identifier: Apache-2.0 */
/* object: one JSON object becomes one event.
 * An object with `type` (sum, updown, gauge), `name` and `value` is a metric sample, as our own
 * NDJSON writes it; any other is a log record. What a key does not say, or says in a way that
 * cannot be read, is kept as an attribute. null is no value: its key is left out. Promise: an event
 * is never larger than its bound: attributes that do not fit are left out and counted in it
 * (dropped_attributes_count), a longer body is cut and flagged. */
#pragma once

#include "fields.h"
#include "pull.h"
#include "resources.h"

struct mapping {
    struct fields fields;
    struct resources resources;
    const struct host *host;
    size_t max_event_bytes; /* of body and attributes together */
    struct sink *sink;      /* of the round */
};

enum { OBJECT_ATTRIBUTE_BYTES = 8 }; /* beside key and text */

/* At '{'. false: broken JSON; the event is then as it was, but for memory of its scratch. */
bool object_read(struct mapping *mapping, struct pull *pull, struct event *event);
/* The body, cut to `room` bytes. Returns whether it was. */
bool object_set_body(struct event *event, struct slice body, size_t room);
