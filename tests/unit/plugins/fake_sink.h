/* SPDX-License-Identifier: Apache-2.0 */
/* fake_sink: the core's side of plugin.h for tests of inputs. It records all that an input says.
 * Promise: events are copied when the core may pass them on and not before (a flush, a mark, a full
 * run, the end of a collection), so a buffer that is reused too early shows under ASan or in a
 * body. Threads: the test's. Ownership: the sink owns all it recorded; out of memory fails the
 * test. */
#pragma once

#include "plugins/plugin.h"

enum { FAKE_RUN_EVENTS = 256, FAKE_SCRATCH_BYTES = 256 * 1024, FAKE_OBSERVED_NS = 1000 };

struct fake_mark {
    unsigned char data[MARK_BYTES];
    size_t bytes;
    size_t events; /* how many had been taken before it */
};

struct fake_count { /* of sink_lost() or sink_malformed() */
    char *what;
    uint64_t events, bytes;
};

struct fake_tell {
    enum log_level level;
    char *msg, *what, *why;
};

struct sink {
    struct event *events; /* copies: all slices, attributes and the resource are the sink's */
    size_t event_count;
    struct fake_mark *marks;
    size_t mark_count, settled; /* how many fake_sink_settle() has handed back */
    struct fake_count *losses;
    size_t loss_count;
    struct fake_count *malformed;
    size_t malformed_count;
    struct fake_tell *tells;
    size_t tell_count;
    uint64_t kept_bytes, kept_most_bytes; /* of sink_keep(); 0: any */
    uint64_t numbers[SINK_NUMBERS];       /* sums of sink_add(), last values of sink_set() */

    struct fatal_place fatal; /* set by a test: what sink_fatal_place() says */
    struct buf aside;         /* what was set aside, each ended by a newline */
    size_t aside_count, aside_done;

    bool parcel_is_open, parcel_fails;
    uint64_t parcel_id;      /* of the last one */
    size_t parcel_begin;     /* event_count at its begin */
    enum parcel next_parcel; /* set by a test: what the next one becomes */
    int64_t max_wait_ms;     /* set by a test: what sink_max_wait_ms() says */
    int64_t waited_ms;       /* of the last sink_waited() */
    const char *own_metrics; /* set by a test: what sink_own_metrics() gives; NULL: it fails */
    bool stopping;   /* set by a test: flushes and marks are refused, events are thrown away */
    bool count_only; /* set by a test: event_count and event_bytes alone, for long inputs */
    void (*on_event)(void); /* set by a test: called once, when the next event is begun */
    uint64_t event_bytes;   /* sum of event_bytes() */

    struct event run[FAKE_RUN_EVENTS]; /* not passed on yet: slices still point into the plugin */
    size_t run_count;
    struct scratch scratch;
};

struct sink *fake_sink_new(void);
void fake_sink_free(struct sink **sinkp);
void fake_sink_clear(struct sink *sink); /* forgets everything, keeps the two switches */

/* One call of the plugin's collect(), as the core makes it: with a flush after it. */
enum collected fake_sink_collect(struct sink *sink, const struct input *input, void *state);
/* Collects until the input says something else than COLLECT_MORE; fails the test after `rounds`. */
enum collected fake_sink_drain(struct sink *sink, const struct input *input, void *state,
                               size_t rounds);
/* Settles the next `count` marks in order, or as many as there are. Returns how many. */
size_t fake_sink_settle(struct sink *sink, const struct input *input, void *state, size_t count);

const char *fake_sink_body(const struct sink *sink, size_t index); /* ended by a NUL */
bool fake_sink_is_body(const struct sink *sink, size_t index, const char *body);
/* The event whose body is this; the first. NULL: there is none. */
const struct event *fake_sink_find(const struct sink *sink, const char *body);
/* A text attribute of an event or of its resource; "" if there is none. */
struct slice fake_sink_attribute(const struct event *event, const char *key);
bool fake_sink_told(const struct sink *sink, const char *part); /* in msg, what or why of a tell */
uint64_t fake_sink_lost_bytes(const struct sink *sink, const char *what); /* NULL: of all */
