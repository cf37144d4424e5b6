/* SPDX-License-Identifier: Apache-2.0 */
/* feed: what all lanes of one output hold together, for its batch workers: when to wake up. Nothing
 * is counted from here. A lane adds and takes under its own lock, together with the change to its
 * rings, so the feed is empty when all lanes are: added later, events that a worker has taken by
 * then would make it negative, and those of another lane would find it full of nothing and wake
 * nobody. */
#pragma once

#include "base/wake.h"

struct feed {
    struct wake wake;                /* the batch workers sleep on it */
    _Atomic uint64_t events, bytes;  /* in the rings */
    _Atomic int64_t hurried_boot_ms; /* what came up to then need not wait for company */
    /* At these a batch is worth making; a reload may change them. */
    _Atomic uint64_t full_events, full_bytes;
    _Atomic int64_t max_wait_ms; /* so long events may wait for company; 0: not at all */
    /* Memory that the readings keep beside events, and how much they may; a share reads it. */
    _Atomic uint64_t kept_bytes, kept_most_bytes;
};

/* true: it was empty, or has just become worth a batch: wake the workers, after unlocking. */
bool feed_add(struct feed *feed, uint64_t events, uint64_t bytes);
void feed_take(struct feed *feed, uint64_t events, uint64_t bytes);
bool feed_is_full(struct feed *feed);
/* A reading has caught up with a long backlog: the rest of it leaves at once, whichever of the
 * workers has it in hand. */
void feed_hurry(struct feed *feed, int64_t boot_ms);
/* One of them keeps `bytes` now, and kept *kept_bytes until now. false: all of them keep more than
 * they may. */
bool feed_keep(struct feed *feed, uint64_t *kept_bytes, uint64_t bytes);
bool feed_is_hurried(struct feed *feed, int64_t oldest_boot_ms); /* of what is there */
