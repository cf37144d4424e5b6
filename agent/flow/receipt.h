/* SPDX-License-Identifier: Apache-2.0 */
/* receipt: counts the events that start in one read of one source, in all lanes, plus one hold kept
 * by the reading until the last of them is offered. At zero the read is settled: each of its events
 * was delivered or counted as dropped.
 * Promise: always count first, then release; so a settled read has no event without an entry in the
 * books. Threads: receipt_add/receipt_release any. The list belongs to the reading's thread alone:
 * it walks the finished prefix and moves its checkpoint. Lives in flow/ because lanes evict and
 * must release. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECEIPTS_MAX = 1024, RECEIPT_MARK_BYTES = 64 };

struct receipt;
struct receipts; /* a reading's list, oldest first, at most RECEIPTS_MAX */

/* on_settled runs in the releasing thread, without locks of ours, when a receipt reaches zero. */
struct receipts *receipts_new(void (*on_settled)(void *context), void *context);
/* All must be settled or abandoned. After it on_settled is not called and its context may go. */
void receipts_free(struct receipts **receiptsp);
/* May so many reads be opened? With few entries left finished neighbours are merged first: one read
 * that takes long does not keep those behind it, which are finished, in the list. */
bool receipts_have_room(struct receipts *receipts, size_t reads);
/* Opens the receipt of the next read, with the reading's hold. NULL: the list is full. */
struct receipt *receipts_open(struct receipts *receipts);
/* The reading lets go: all events of the read are offered, and this is the position after it. */
void receipts_hold_done(struct receipts *receipts, struct receipt *receipt, const void *mark,
                        size_t mark_bytes);
/* Takes the oldest receipt if it is settled. false: it is still open, or there is none. The first 8
 * bytes of a mark name its stream: in a full list finished neighbours of one stream are merged. */
bool receipts_pop_settled(struct receipts *receipts, void *ret_mark, size_t *ret_mark_bytes);
size_t receipts_count(const struct receipts *receipts);
/* Events of the oldest receipt that were dropped; it is settled, so this is final. */
uint64_t receipts_dropped(const struct receipts *receipts);
/* Takes back the newest receipt, under which nothing was offered. */
void receipts_cancel(struct receipts *receipts, struct receipt *receipt);

/* Where its events belong that are not delivered in the end: back to the source, which still has
 * them; or, once an input of another type reads under the name, nowhere. Any thread. */
enum receipts_way {
    RECEIPTS_BY_BOOKS, /* as the books of the lane say */
    RECEIPTS_GO_BACK,
    RECEIPTS_STAY,
};
void receipts_set_way(struct receipts *receipts, enum receipts_way way);
bool receipt_goes_back(const struct receipt *receipt, bool by_books); /* NULL: by the books */

bool receipt_is_of(const struct receipt *receipt, const struct receipts *receipts); /* NULL: no */
void receipt_add(struct receipt *receipt, uint64_t events);     /* NULL: nothing to do */
void receipt_release(struct receipt *receipt, uint64_t events); /* NULL: nothing to do */
/* The same of events that were dropped, for inputs that answer for them. */
void receipt_drop(struct receipt *receipt, uint64_t events);
void receipt_note_dropped(struct receipt *receipt, uint64_t events); /* before it is settled */
/* In two steps, for many at once: each reading is woken once then. Returns the list of the receipt
 * if it reached zero, which must be told soon, or spared that, as it is told anyway; NULL: nobody
 * needs to know. */
struct receipts *receipt_settle(struct receipt *receipt, uint64_t events);
void receipts_tell(struct receipts *receipts); /* NULL: nothing to do */
void receipts_spare(struct receipts *receipts);
