/* SPDX-License-Identifier: Apache-2.0 */
/* budget: an output's share of the memory for sealed batches. Pure; the caller holds the lock.
 * A permit is a value that can be released once; a released permit is inert. Those who wait for
 * room are served in the order in which they began to wait: while an earlier, larger one waits, a
 * later, smaller one does not overtake it. Nobody sleeps here: who was refused asks again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { SHARE_WAITERS = 8 };

struct share {
    uint64_t limit_bytes, used_bytes;
    /* Memory that others keep of it, at most half; they may change it at any time. NULL: nobody */
    const _Atomic uint64_t *kept_bytes;
    uint64_t last_turn;
    uint64_t turns[SHARE_WAITERS]; /* since when it waits; 0: it does not */
};

struct permit {
    struct share *share; /* NULL: inert */
    uint64_t bytes;
};

uint64_t share_limit(const struct share *share); /* without what others keep */
uint64_t share_room(const struct share *share);  /* what no permit holds */
/* A request larger than the whole share is granted when the share is empty: it could never fit. */
bool share_acquire(struct share *share, uint64_t bytes, struct permit *ret);
/* The same for waiter `who` (a batch worker), behind those who wait longer; it asks again until it
 * gets what it asked for. */
bool share_acquire_in_turn(struct share *share, unsigned who, uint64_t bytes, struct permit *ret);
/* For the halves of a split batch: always granted, even over the limit. */
struct permit share_overdraw(struct share *share, uint64_t bytes);
/* Gives back what is over `bytes` (a batch turned out smaller than reserved). */
void permit_shrink(struct permit *permit, uint64_t bytes);
void permit_release(struct permit *permit);
