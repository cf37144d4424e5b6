/* SPDX-License-Identifier: Apache-2.0 */
/* holding: the batches that a delivery physically holds, and every entry they cause in the books.
 * Owns the accounts `ready` and `in_flight`. It decides nothing: delivery.c says what happens, this
 * does it, counts it, then releases receipts and permits, in that order.
 * Threads: the caller holds the delivery's lock. */
#pragma once

#include "delivery/batch_list.h"
#include "delivery/pins.h"
#include "delivery/tally.h"

struct holding {
    struct batch_list ready;
    struct batch_list to_split;  /* account ready; a worker will cut them in two */
    struct batch_list splitting; /* account ready; a worker is cutting them in two */
    struct batch_list in_flight;
    struct batch_list to_spool; /* account ready; to be written to disk, in order: spilling.c */
    bool is_spool_left;         /* whoever does its jobs was left behind, and borrows what it did */
    bool is_writing_left;       /* that is the first of to_spool */
    struct batch_list
        unsynced; /* in account spool, without a body: their receipts wait for a sync */
    struct pins pins;
    struct batch_list refused; /* account in_flight; a worker will write them to the dead letters */
    struct batch_list burying; /* account in_flight; a worker writes it, one at a time */
    bool is_burying_left;      /* by one that was left behind */
    struct batch_list left;    /* of such a one: counted, and not freed */
    struct share share;
    bool leaves_by_reload; /* and not at a stop */
    struct tally lanes;    /* all that have been seen; the amounts are not used */
};

enum end { HOLDING_FRONT, HOLDING_BACK };

/* A new batch from a worker: seal. */
void holding_seal(struct holding *holding, struct batch *batch);
/* ready → in_flight */
void holding_launch(struct holding *holding, struct batch *batch);
/* in_flight → ready, to that end of the list */
void holding_return(struct holding *holding, struct batch *batch, enum end end);
/* in_flight → ready, to be split */
void holding_return_to_split(struct holding *holding, struct batch *batch);
struct batch *holding_take_split(struct holding *holding); /* NULL: none */
/* Two halves stand for their parent, first half first; NULL: the parent waits again as it was. */
void holding_end_split(struct holding *holding, struct batch *parent, struct batch *halves[2]);
/* A batch in flight was refused; batch->refusal says why. */
void holding_refuse(struct holding *holding, struct batch *batch);
struct batch *holding_take_refused(struct holding *holding); /* NULL: none, or one is out already */
/* The end of a batch in one of the lists of that flow's account; frees it. */
void holding_finish(struct batch_list *list, struct batch *batch, enum flow flow);
/* max_age_ms after the admission of its oldest event, less now; INT64_MAX: max_age_ms is 0, no end.
 */
int64_t holding_time_left_ms(const struct batch *batch, int64_t max_age_ms, int64_t boot_ms);
/* Drops what is too old in account ready, and returns the time left to the next one. */
int64_t holding_expire(struct holding *holding, int64_t max_age_ms, int64_t boot_ms);
/* Ends all but `splitting` and `burying`: what its source will read again goes back with its
 * receipt still open, the rest is dropped. Returns how many refused events were not buried.
 * Of who was left behind: what is written to the spool stays in `ready`, for it may be on disk;
 * what is buried was refused, whatever becomes of the letters, and ends as that. */
uint64_t holding_abandon(struct holding *holding);
/* Before it: whoever sends was left behind, and reads what is in flight yet. It ends, and stays. */
void holding_leave_sending(struct holding *holding);
bool holding_is_empty(const struct holding *holding);
/* Has any batch an event whose receipt is in that list? */
bool holding_has_receipts(const struct holding *holding, const struct receipts *receipts);
/* Compares both accounts with the books of every lane seen. */
void holding_audit(const struct holding *holding);
/* Admission of the oldest event that is held in memory, or of those of it that were read from the
 * spool; INT64_MAX: nothing is. */
int64_t holding_oldest_boot_ms(const struct holding *holding);
int64_t holding_oldest_pinned_boot_ms(const struct holding *holding);
