/* SPDX-License-Identifier: Apache-2.0 */
/* receive_events: cuts a body, as it comes in pieces, into events: the lines of NDJSON and plain
 * text, or the elements of a JSON array. Memory is bounded: an event longer than EVENTS_LONGEST is
 * counted, but only its begin is shown to the taker. Threads: its request's. */
#pragma once

#include "base/buf.h"

enum { EVENTS_LONGEST = 1024 * 1024 };

struct events {
    /* constant after start */
    void (*take)(void *context, struct slice event);
    void *context;
    bool may_be_array; /* Content-Type: application/json */
    /* the rest */
    uint64_t count;
    struct buf carry; /* of an event that is not whole yet */
    enum { EVENTS_UNDECIDED, EVENTS_LINES, EVENTS_ARRAY, EVENTS_ARRAY_OVER } shape;
    unsigned depth; /* in an array: of brackets that are open */
    bool in_event, in_text, escaped;
};

void events_init(struct events *events);
void events_fini(struct events *events);
void events_feed(struct events *events, struct slice piece);
/* The body is over: takes the last line. false: an array without an end. */
bool events_end(struct events *events);
