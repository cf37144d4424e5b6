/* SPDX-License-Identifier: Apache-2.0 */
/* tap: samples of the events that pass a stage, copied for someone who looks on.
 * Promise: the flow is never held up. Where nobody looks a run costs one relaxed load. Where
 * somebody does, a tap works for at most 2 % of the time and keeps a bounded number of events; what
 * it has no time, rate or room for is counted: seen = shown + not_matching + over_rate + dropped.
 * Process-wide, as the log is: a tap lives on while a reload replaces all that it looks at, and
 * finds the new ones by their names.
 * Threads: tap_offer() any; the others the one that looks. A lock for each tap. */
#pragma once

#include "flow/tap_filter.h"
#include "ledger/ledger.h"

#include <stdatomic.h>

enum tap_stage {
    TAP_READ,      /* as the input made it, before processors */
    TAP_PROCESSED, /* as it is offered to the lanes */
    TAP_FILTERED,  /* dropped or refused by a processor, as it left that */
    TAP_SHED,      /* turned away at the door of a lane: by the shedder, or a lane that is full */
    TAP_ENCODED,   /* as it is written into a batch of an output */
    TAP_STAGES
};
extern const char *const tap_stage_names[TAP_STAGES];
static inline bool tap_stage_is_of_output(enum tap_stage stage)
{
    return stage == TAP_ENCODED;
}

enum {
    TAPS = 4,
    TAP_FILTERS = 4,
    TAP_RING_BYTES = 128 * 1024,
    TAP_BODY_BYTES = 8 * 1024,    /* a longer body is cut */
    TAP_RECORD_BYTES = 16 * 1024, /* a larger event is counted as dropped */
    TAP_RATE_MOST = 1000,
    TAP_WORK_SHARE = 50, /* one part of that of the time */
};

struct tap_wish {
    enum tap_stage stage;
    char name[LEDGER_NAME];                 /* the input's; for stages of an output, the output's */
    struct tap_filter filters[TAP_FILTERS]; /* all have to match */
    size_t filter_count;
    unsigned rate; /* events a second, 1 … TAP_RATE_MOST */
};

struct tap_counts {
    uint64_t seen, shown, not_matching, over_rate, dropped;
};

struct tapped {
    char input[LEDGER_NAME], output[LEDGER_NAME]; /* "": of no single one */
    const char *stage_name, *reason;              /* literals; reason "": none */
    struct resource *resource;                    /* the reader's own reference */
    size_t record_bytes;                          /* event/record.h */
};

extern _Atomic unsigned tap_stages_wanted; /* a bit each */

static inline bool tap_is_wanted(enum tap_stage stage)
{
    return (atomic_load_explicit(&tap_stages_wanted, memory_order_relaxed) & 1U << stage) != 0;
}

/* Ask tap_is_wanted() first. output "": of no single one. resource: of events without one. */
struct tap_place {
    enum tap_stage stage;
    const char *input, *output;
    const char *reason; /* a literal; "": none */
    struct resource *resource;
};
void tap_offer(const struct tap_place *place, const struct event *events, size_t count);

/* For whoever has its events one by one: asks and offers for groups of them, while no tap has rate
 * or time for more. Owned by one thread. */
struct tap_view {
    bool is_wanted;
    uint64_t passed_by;
};
void tap_view_ask(struct tap_view *view,
                  enum tap_stage stage); /* now and then: once for each batch */
void tap_view_show(struct tap_view *view, const struct tap_place *place, const struct event *event);

struct tap;
/* NULL: all are taken, or out of memory. */
struct tap *tap_open(const struct tap_wish *wish, struct err *err);
/* The oldest sample; its record is copied to `record`, of TAP_RECORD_BYTES and aligned as
 * RECORD_ALIGN. The caller lets go of the resource. false: none is there. */
bool tap_take(struct tap *tap, struct tapped *ret, char *record);
struct tap_counts tap_counts(struct tap *tap);
void tap_close(struct tap **tapp);
