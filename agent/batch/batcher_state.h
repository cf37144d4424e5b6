/* SPDX-License-Identifier: Apache-2.0 */
/* batcher_state: what a batcher is made of, for batcher.c and batcher_change.c alone. */
#pragma once

#include "batch/batcher.h"
#include "batch/workshop.h"
#include "flow/scheduler.h"
#include "flow/tap.h"

enum { EVENT_ATTRIBUTES = 1024 };

struct open_batch {
    struct batch_run *runs; /* room for RUNS_MAX: a batch that needs more is closed */
    size_t run_count;
    uint64_t events, bytes;
    int64_t oldest_boot_ms;
    struct slice body; /* compressed; data NULL: events may still be added */
    size_t raw_bytes;
    enum encoding encoding; /* of the body, with `compression` */
    enum compression compression;
};

struct hand {
    struct lane *lane;
    struct piece *piece; /* NULL: nothing in hand */
    struct piece_reader reader;
    uint64_t events, bytes; /* not encoded yet */
};

struct batcher {
    /* constant between two changes */
    struct batcher_config config;
    struct workshop workshop;
    /* the rest changes */
    struct workshop before; /* where the body of `open` lies, if that was encoded before a change */
    struct scheduler *scheduler;
    bool has_events[LEDGER_LANES];
    /* Of all lanes that there ever were: what is in hand may be of one that was taken out. */
    struct books *seen[LEDGER_LANES];
    size_t seen_count;
    struct open_batch open;
    struct hand hand;
    int64_t last_seal_ms;
    int64_t boot_ms; /* of the last look */
    struct tap_view tap;
    struct attribute attributes[EVENT_ATTRIBUTES];
};

struct scheduler *batcher_make_scheduler(const struct batcher_config *config); /* or NULL */
void batcher_note_lanes(struct batcher *batcher);                              /* for the audits */
