/* SPDX-License-Identifier: Apache-2.0 */
/* receive_summary: what the receiver has seen so far, and how it is shown.
 * `received`: bodies that came whole. `acknowledged`: those of them that got a 2xx answer, whole or
 * endless.
 * Threads: any, under its lock; `lines` and `batches` may be asked for a run without it. */
#pragma once

#include "base/buf.h"
#include "base/lock.h"
#include "cli/receive_check.h"
#include "cli/receive_faults.h"
#include "cli/receive_latency.h"

enum { SUMMARY_KEYS = 1 << 18, SUMMARY_STATUSES = 600 };

/* Numbers that came one after the other: what a request holds until its answer is decided. */
struct number_range {
    uint64_t first;
    uint32_t run, count;
};

/* Hashes of the newest keys. Forgets all of them when it is three quarters full. */
struct key_set {
    uint64_t slots[SUMMARY_KEYS];
    size_t used;
};

struct request_facts {
    uint64_t wire_bytes, expanded_bytes, events;
    uint64_t told_events;            /* header Spillway-Events, if has_told */
    uint64_t several;                /* events with more than one number */
    bool has_told, counted;          /* counted: the body was expanded, `events` holds */
    char key[CHECK_NAME_BYTES + 32]; /* Idempotency-Key; "" : none */
    struct buf ranges;               /* of struct number_range */
    struct latency latency;
};

struct summary {
    struct lock lock;
    uint64_t requests, requests_acknowledged, requests_broken;
    uint64_t bytes_wire, bytes_expanded;
    uint64_t events_received, events_acknowledged, events_told, several;
    uint64_t header_mismatches, undecodable, too_large;
    uint64_t resent, repeated; /* keys received again; acknowledged again */
    uint64_t answers[SUMMARY_STATUSES];
    uint64_t misdeeds[FAULT_KINDS];
    struct check lines, batches;
    struct latency latency;
    struct key_set received_keys, acknowledged_keys;
    /* constant after start */
    bool check_all;        /* number checks over received instead of acknowledged ones */
    uint64_t first_number; /* holes are looked for from here; 0: from the lowest that came */
};

void summary_init(struct summary *summary);
void summary_fini(struct summary *summary);
/* Each takes the lock. */
void summary_received(struct summary *summary, const struct request_facts *facts);
void summary_answered(struct summary *summary, unsigned status, const struct request_facts *facts);
void summary_misbehaved(struct summary *summary, enum fault_kind kind,
                        const struct request_facts *facts);
char *summary_json(struct summary *summary); /* malloc'd; NULL: out of memory */
/* One line for a human; the changes are over `seconds`, since `last_events`. */
void summary_line(struct summary *summary, uint64_t last_events, double seconds, struct buf *ret);
/* Sums over all runs. */
struct summary_verdict {
    uint64_t changes; /* differs if anything happened */
    uint64_t events, missing, duplicate, missing_batches;
    uint64_t mismatches; /* header and body differ, or a body could not be expanded */
};
struct summary_verdict summary_verdict(struct summary *summary);
