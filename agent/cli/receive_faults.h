/* SPDX-License-Identifier: Apache-2.0 */
/* receive_faults: when the receiver misbehaves, and how.
 * Pure: time, chance and the request come in, what to do comes out. The caller holds a lock. */
#pragma once

#include "base/err.h"
#include "base/random.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

enum fault_kind {
    FAULT_NONE,    /* answer as it should be */
    FAULT_STATUS,  /* an answer of another status */
    FAULT_RESET,   /* break the connection without an answer (RST) */
    FAULT_HALF,    /* break it in the middle of the answer's body */
    FAULT_HANG,    /* never answer */
    FAULT_ENDLESS, /* an answer whose body has no end */
    FAULT_GARBAGE, /* bytes that are no HTTP */
    FAULT_KINDS,
};

enum { FAULTS_MOST = 32, FAULT_TEXT_BYTES = 160 };

struct fault {
    char text[FAULT_TEXT_BYTES]; /* as it was written */
    enum fault_kind kind;
    unsigned status;
    int64_t retry_after_s; /* < 0: not said */
    int64_t delay_ms;
    double share;
    uint64_t after, first;   /* leaves `after` requests alone, then hits the next `first`; 0: all */
    int64_t from_ms, for_ms; /* since the list was set; for_ms 0: without end */
    uint64_t max_bytes;      /* hits bodies that are larger only */
    uint64_t seen;           /* requests that came while it was on */
};

struct faults {
    struct fault list[FAULTS_MOST];
    size_t count;
    int64_t set_ms;
};

struct fault_verdict {
    enum fault_kind kind;
    unsigned status;
    int64_t retry_after_s, delay_ms;
};

/* `text`: status=503,share=50% … as in the help. */
bool faults_add(struct faults *faults, const char *text, struct err *err);
/* One fault a line; empty lines and those with # are left out. On an error `faults` is unchanged.
 */
bool faults_replace(struct faults *faults, struct slice lines, int64_t now_ms, struct err *err);
/* Delays add up; of the other kinds the first one that hits decides. body_bytes: on the wire. */
struct fault_verdict faults_decide(struct faults *faults, uint64_t body_bytes, int64_t now_ms,
                                   struct random *random);
