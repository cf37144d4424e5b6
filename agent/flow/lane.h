/* SPDX-License-Identifier: Apache-2.0 */
/* lane: the bounded path from one reading to one output: a shedder at the door, one arena, one
 * ring, or one for each class. Promise: every event offered is in a ring, or counted by the flow
 * that says why not; the caller is told which ones are still its own. Under the lock, what the
 * rings hold equals the stock of the account `ring` in the books. Order is kept in a class.
 * Threads: offered to by its reading, emptied by the batch workers, audited by anyone: one lock,
 * taken once for a run of events. Receipts are released after the lock is dropped. */
#pragma once

#include "flow/classes.h"
#include "flow/feed.h"
#include "flow/shedder.h"
#include "ledger/ledger.h"

struct lane;
enum lane_overflow { LANE_BLOCK, LANE_DROP_OLDEST, LANE_DROP_NEWEST };

struct lane_config {
    size_t capacity_bytes, piece_bytes;
    enum lane_overflow overflow;
    struct shedder_config shed;
    const char *shed_key; /* SHED_KEY: the field; borrowed */
    struct classes_config classes;
    uint64_t weight;
    uint64_t seed;
    struct books *books;
    struct feed *feed;              /* of the output; borrowed */
    void (*on_room)(void *context); /* under the lane's lock: only rings a reading that waits */
    void *on_room_context;
};

struct lane *lane_new(const struct lane_config *config); /* NULL: out of memory */
void lane_free(struct lane **lanep);                     /* CHECKs that it is empty */
struct books *lane_books(const struct lane *lane);
uint64_t lane_weight(const struct lane *lane);

/* Some of the events that were turned away, for who wants to see them. */
enum { LANE_EXAMPLES = 8 };
struct lane_examples {
    bool are_wanted;
    size_t count;
    struct lane_example {
        size_t at; /* index of the event */
        enum flow why;
    } items[LANE_EXAMPLES];
};

/* What the log should say once shedding starts or stops. */
struct lane_news {
    struct lane_examples examples; /* set up by the caller */
    enum shed_change shed;
    double fill, high, low, keep;
    struct amount depth; /* in the lane now */
    /* SHED_STOPPED: what was shed since it started, and for how long it did. */
    struct amount shed_amount;
    uint64_t shed_by_band[BANDS]; /* events, by severity */
    int64_t shed_ms;
};

/* Offers events[from … count) in order; run->receipt is counted for those admitted. Returns the
 * index of the first event that was not handled: count, or with LANE_BLOCK the one that found no
 * room; then on_room is called once there is, and it is the first of the next offer, unless it is
 * refused: it has passed the shedder and is not asked again. ret_news: may be NULL. */
size_t lane_offer(struct lane *lane, const struct event *events, size_t from, size_t count,
                  const struct run_info *run, struct lane_news *ret_news);
/* Counts events[from … count) as dropped by that flow from `world` (block_timeout, …). */
void lane_refuse(struct lane *lane, enum flow flow, const struct event *events, size_t from,
                 size_t count);
/* Counts what happened before the lanes (malformed, upstream_loss, filter). */
void lane_count(struct lane *lane, enum flow flow, uint64_t events, uint64_t bytes);

/* Its reading keeps so many bytes beside events: see feed_keep(). Given back with the reading. */
bool lane_keep(struct lane *lane, uint64_t bytes);
/* The reading has caught up with a backlog: what came up to now need not wait for company. */
void lane_hurry(struct lane *lane, int64_t boot_ms);
int64_t lane_max_wait_ms(const struct lane *lane); /* so long events wait in it for company */

struct lane_level {
    uint64_t events, bytes;
    int64_t oldest_boot_ms; /* 0: empty */
    double fill;            /* of its memory, 0 … 1 */
};
struct lane_level lane_level(struct lane *lane);

/* The oldest piece, of the class whose turn it is, counted as gathered by that worker; or NULL. */
struct piece *lane_gather(struct lane *lane, unsigned worker, int64_t boot_ms);
/* The piece is done with: its memory is free for new events. */
void lane_give_back(struct lane *lane, struct piece **piecep);

/* What time it is, before each audit: shedding ends here too, where nothing is offered any more.
 * ret_news: as for lane_offer(), but with NULL the news wait for the next one who can tell them. */
void lane_tell_time(struct lane *lane, int64_t boot_ms, struct lane_news *ret_news);
/* Compares rings and books, reports numbers; gives memory of an empty lane back to the system. */
void lane_audit(struct lane *lane);
/* What became of each class since the last report; 0: the lane has none. */
size_t lane_report_classes(struct lane *lane, int64_t boot_ms, struct class_report *ret_reports,
                           size_t room);
/* At the end: all that is left goes back to its source (replay_ring; receipts stay open), or is
 * counted by that flow: drain_timeout_ring, or reload_drop. */
void lane_abandon(struct lane *lane, enum flow drop);

/* ---- another configuration; its books, feed and reading are the same ---- */
struct lane_change;
struct lane_change *lane_prepare(const struct lane_config *config); /* NULL: out of memory */
void lane_change_free(struct lane_change **changep);
/* Would all that it holds find room? */
bool lane_fits(struct lane *lane, const struct lane_change *change);
/* While nobody offers or gathers: what it holds moves over, with its receipts. What finds no room
 * in spite of lane_fits() is counted as reload_drop and returned. */
struct amount lane_commit(struct lane *lane, struct lane_change **changep);
/* At any time: it lends no more from now on, in the pieces it has. false: these are too few. */
bool lane_limit(struct lane *lane, size_t capacity_bytes);
bool lane_can_limit(struct lane *lane, size_t capacity_bytes, size_t least_pieces);
size_t lane_capacity(struct lane *lane); /* as it was asked for */
bool lane_is_free(struct lane *lane);    /* empty, and no worker has a piece of it in hand */
/* Another reading offers to it, or with NULL none. The one of before is not called any more. */
void lane_set_reading(struct lane *lane, void (*on_room)(void *context), void *context);
/* Gives back what a worker had in hand and did not seal; what cannot go back is counted so. */
void lane_abandon_gathered(struct books *books, enum flow drop, unsigned worker,
                           struct receipt *receipt, uint64_t events, uint64_t bytes);
