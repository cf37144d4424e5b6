/* SPDX-License-Identifier: Apache-2.0 */
/* encoder: events as text in one buffer of fixed size. Each event is one line, so a batch can be
 * cut at newlines: NDJSON is `{…}\n` for each; a JSON array is `[` newline, events joined by `,`
 * newline, newline `]`. Fields that are empty or zero are left out. A log event:
 *
 *   {"time":"…","observed_time":"…","severity_number":17,"severity_text":"error","body":"…",
 *    "attributes":{…},"dropped_attributes_count":1,"trace_id":"…","span_id":"…","resource":{…}}
 *
 * A metric sample; its time is when it was observed, if the source did not say; type is sum
 * (monotonic, cumulative), updown (not monotonic, cumulative) or gauge:
 *
 *   {"time":"…","start_time":"…","name":"system.cpu.time","type":"sum","unit":"s","value":1.5,
 *    "attributes":{…},"dropped_attributes_count":1,"resource":{…}}
 *
 * Times are RFC 3339 UTC with nanoseconds cut to milliseconds where they are whole.
 * Threads: its worker's. Allocates at construction only. */
#pragma once

#include "base/buf.h"
#include "event/event.h"

struct encoder;

enum encoded {
    ENCODED,      /* written */
    ENCODE_FULL,  /* no room left in this batch: seal it and try again */
    ENCODE_NEVER, /* larger than a whole batch */
};

/* encoding: enum encoding of plugins/plugin.h. limit_bytes: max_bytes of a batch. */
struct encoder *encoder_new(int encoding, size_t limit_bytes);
void encoder_free(struct encoder **encoderp);
void encoder_begin(struct encoder *encoder); /* empties the buffer */
enum encoded encoder_add(struct encoder *encoder, const struct event *event);
/* Ends the text (array) and returns it; valid until the next begin. */
struct slice encoder_end(struct encoder *encoder);
size_t encoder_bytes(const struct encoder *encoder);

/* Cuts encoded text behind the first `events` events. Both halves are whole texts again; ret_first
 * and ret_second are appended to. false: out of memory or not `events` events in it. */
bool encoder_split(int encoding, struct slice text, uint64_t events, struct buf *ret_first,
                   struct buf *ret_second);
/* The event of that index, from 0, without what joins it to others: one JSON value. It lies in
 * text. false: there is no such event. */
bool encoder_event(int encoding, struct slice text, uint64_t index, struct slice *ret);
