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
    uint64_t events, bytes; /* without those of an open parcel */
    size_t pieces;          /* borrowed from the arena, in this ring */
    bool is_open;           /* for a parcel */
    struct ring_mark {      /* where its parcel begins */
        struct piece *tail; /* NULL: the ring was empty */
        uint32_t used, last_run;
        uint64_t run_bytes, events, bytes; /* of that piece */
    } mark;
    uint64_t parcel_events, parcel_bytes;
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
struct piece *ring_detach(struct ring *ring); /* the oldest piece; NULL: empty, or held back */
/* A parcel: what is pushed from ring_open() to ring_close() stays or goes as a whole. Meanwhile the
 * piece in which it begins, and those behind it, are held back from ring_detach(). */
void ring_open(struct ring *ring);
void ring_close(struct ring *ring, bool keep);
bool ring_can_detach(const struct ring *ring);
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
/* Its events were dropped, and counted: each is released by its receipt. */
void piece_release_receipts(const struct piece *piece);
/* Drops the references to the resources of all its runs: call once before the piece is given back.
 */
void piece_forget_resources(struct piece *piece);
