/* SPDX-License-Identifier: Apache-2.0 */
/* in_hand: what this thread looks into, for the case that the agent dies of it: the handler of the
 * fault runs in the same thread (see ledger/fatal_record.h). It is the record of a source that is
 * read, by its place there, or an event, by its body. Two stores, so that it may be said of each
 * line. Threads: each has its own. */
#pragma once

#include "base/slice.h"

#include <stdatomic.h>
#include <stdint.h>

/* Each < 2^48, for the books keep no more. The source's name is the same in the next start. */
struct in_hand {
    _Atomic uint64_t source;
    _Atomic uint64_t from, to;  /* in the source's own measure, bytes or numbers; equal: nothing */
    _Atomic(const char *) body; /* of an event, borrowed; NULL: none */
    _Atomic uint64_t body_bytes;
};

extern _Thread_local struct in_hand in_hand_now;

static inline void in_hand_of(uint64_t source)
{
    atomic_store_explicit(&in_hand_now.source, source, memory_order_relaxed);
}

static inline void in_hand_take(uint64_t from, uint64_t to)
{
    atomic_store_explicit(&in_hand_now.from, from, memory_order_relaxed);
    atomic_store_explicit(&in_hand_now.to, to, memory_order_relaxed);
}

static inline void in_hand_drop(void)
{
    in_hand_take(0, 0);
}

static inline void in_hand_take_event(struct slice body)
{
    atomic_store_explicit(&in_hand_now.body_bytes, body.bytes, memory_order_relaxed);
    atomic_store_explicit(&in_hand_now.body, body.data, memory_order_relaxed);
}

static inline void in_hand_drop_event(void)
{
    atomic_store_explicit(&in_hand_now.body, NULL, memory_order_relaxed);
}

/* A name of 48 bits for what is named by so many bytes. */
uint64_t in_hand_name(const void *bytes, uint64_t count);
