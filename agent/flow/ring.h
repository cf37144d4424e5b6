/* SPDX-License-Identifier: Apache-2.0 */
/* ring: bounded FIFO of events, in pieces borrowed from its lane's arena.
 * Promise: pushing never blocks and never allocates. When the arena is full the caller decides:
 * detach the oldest piece (and count it as evicted), or wait.
 * Inside a piece events stand in runs: consecutive ones of one receipt and one resource share a
 * head, so references are counted once a run. A piece leaves the ring whole, for a batch worker or
 * for eviction: that is one pointer under the lock, whatever is in it. Threads: none of its own,
 * and no lock: the caller holds the lane's. A detached piece belongs to whoever detached it. Why
 * not lock-free: events come and go in runs of hundreds, so the lock is taken once a run. */
#pragma once

#include "event/event.h"
#include "flow/arena.h"
#include "flow/receipt.h"

#include <stdbool.h>

struct ring {
    struct arena *arena; /* borrowed */
    struct piece *head, *tail;
    uint64_t events, bytes;
    size_t pieces; /* borrowed from the arena, in this ring */
};

/* What the events of a run have in common. */
struct run_info {
    struct receipt *receipt;   /* NULL: none */
    struct resource *resource; /* NULL: none; the ring takes its own reference */
    int64_t boot_ms;           /* admission, clock_boot_ms() */
};

void ring_init(struct ring *ring, struct arena *arena);
/* The largest record that can ever fit. */
size_t ring_max_record(const struct arena *arena);
/* Writes one event of `size` = record_size(). false: no room. The receipt is not counted here. */
bool ring_push(struct ring *ring, const struct event *event, size_t size,
               const struct run_info *run);
/* Would it fit into the piece that is being filled? */
bool ring_has_room(const struct ring *ring, size_t size, const struct run_info *run);
struct piece *ring_detach(struct ring *ring); /* the oldest piece; NULL: empty */
/* Admission of the oldest event; 0: empty. */
int64_t ring_oldest_boot_ms(const struct ring *ring);

/* Reads the records of a detached piece, in order. Zeroed but for `piece` is at the start. */
struct piece_reader {
    const struct piece *piece;
    uint32_t at;      /* next record, or run head */
    uint32_t run_end; /* where the current run ends */
    struct run_info run;
};
/* The next record; NULL: end. After it, reader->run tells what the record has in common. */
const char *piece_next(struct piece_reader *reader);
/* Steps behind the record that piece_next() returned. */
void piece_advance(struct piece_reader *reader, size_t record_bytes);
/* Its events are done with: each is released by its receipt. */
void piece_release_receipts(const struct piece *piece);
/* Drops the references to the resources of all its runs: call once before the piece is given back.
 */
void piece_forget_resources(struct piece *piece);
