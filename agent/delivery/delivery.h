/* SPDX-License-Identifier: Apache-2.0 */
/* delivery: what becomes of sealed batches. Decides who is sent when, and what an answer means for
 * the batch, the limiter, the breaker and the retry budget. Owns the accounts `ready` and
 * `in_flight`. Pure: no clock, I/O, thread or lock of its own; the caller holds the sender's lock
 * and passes the time and (at construction) a seed. Counts first, then releases receipts. */
#pragma once

#include "delivery/spool.h"

struct delivery_config {
    uint64_t memory_bytes;              /* this output's share for sealed batches */
    const _Atomic uint64_t *kept_bytes; /* of it by others; NULL: nothing */
    uint64_t batch_max_bytes;           /* batches are closed at this size; 0: at any */
    unsigned concurrency_min, concurrency_max;
    int64_t retry_base_ms, retry_cap_ms, max_age_ms; /* max_age 0: never give up */
    unsigned breaker_failures;
    int64_t breaker_rest_ms, breaker_rest_max_ms;
    int64_t timeout_ms; /* of one request, before it is cut to the batch's deadline */
    bool keeps_refused; /* for delivery_take_refused(); else they are dropped at once */
    uint64_t seed;
};

struct delivery;
struct delivery *delivery_new(const struct delivery_config *config, struct numbers *numbers);
void delivery_free(struct delivery **deliveryp); /* CHECKs that nothing is held */

/* ---- from the batch workers ---- */
/* worker: its index. false: not yet, or others wait longer; to be asked again. */
bool delivery_reserve(struct delivery *delivery, unsigned worker, uint64_t bytes,
                      struct permit *ret);
void delivery_unreserve(struct delivery *delivery, struct permit *permit);
/* May a worker encode now? Not while the breaker is open (there is no spool to seal for), nor while
 * enough sealed batches wait already to keep all allowed requests busy. Always during a drain. */
bool delivery_wants_batches(const struct delivery *delivery, int64_t now_ms);
/* At this size, before compression, a batch is to be closed; an endpoint may have lowered it. */
uint64_t delivery_max_bytes(const struct delivery *delivery);
/* Takes the batch: counts `seal` for each run. */
void delivery_put(struct delivery *delivery, struct batch **batchp, int64_t now_ms);
/* One to be cut in two by a worker: it stays in `ready` and keeps its permit. NULL: none. */
struct batch *delivery_take_split(struct delivery *delivery);
/* The halves (permits by share_overdraw of delivery_share()) replace the parent; or with halves
 * NULL: it could not be split, and is tried as it is later. */
void delivery_put_halves(struct delivery *delivery, struct batch **parentp, struct batch *halves[2],
                         int64_t now_ms);
/* A batch of one event that the endpoint refused (batch->refusal), or found too large alone. It
 * stays in the account `in_flight` until delivery_put_buried(). One at a time. NULL: none. */
struct batch *delivery_take_refused(struct delivery *delivery);
/* It was written to the dead letters, or could not be: it is dropped, and counted. */
void delivery_put_buried(struct delivery *delivery, struct batch **batchp);
struct share *delivery_share(struct delivery *delivery);

/* ---- from the sender ---- */
enum step_kind { STEP_SEND, STEP_WAIT };
struct step {
    enum step_kind kind;
    struct batch *batch; /* STEP_SEND: now in_flight; borrowed until delivery_answer() */
    int64_t timeout_ms;  /* STEP_SEND: for this request */
    int64_t until_ms;    /* STEP_WAIT: look again then; 0: only when something changes */
};
/* Expires what is too old, then says what to do next. boot_ms: clock_boot_ms(), for ages. */
struct step delivery_next(struct delivery *delivery, int64_t now_ms, int64_t boot_ms);

struct answer_summary {
    int verdict;            /* enum verdict of plugins/plugin.h */
    int64_t retry_after_ms; /* from the answer, < 0: none */
    int64_t took_ms;
    bool opened_connection;  /* do not learn from its latency */
    bool died_before_answer; /* a reused connection broke before a byte of the answer came */
    const char *what; /* for people: "status 401", "Timeout was reached"; NULL: nothing to say */
    const char *text; /* how the answer's body begins; NULL: none */
};
/* The request of this batch is over. After it the batch may be gone. */
void delivery_answer(struct delivery *delivery, struct batch *batch,
                     const struct answer_summary *answer, int64_t now_ms);

/* From now on backoff waits and pauses are skipped: one last attempt for each batch, then again at
 * the short base interval until delivery_abandon(). */
void delivery_drain(struct delivery *delivery, int64_t now_ms);
/* Ends everything: batches whose input can be read again go back (replay_*, receipts stay open),
 * the rest is drain_timeout_*, or after delivery_let_leave() reload_drop_*. */
void delivery_let_leave(struct delivery *delivery);
void delivery_abandon(struct delivery *delivery);
/* Before it: that thread never comes back. What is being written stays held beyond the end. */
void delivery_leave_spool(struct delivery *delivery);
void delivery_leave_sending(struct delivery *delivery); /* in flight: counted, and not freed */
void delivery_leave_burying(struct delivery *delivery);
bool delivery_is_empty(const struct delivery *delivery);
/* ---- with a spool ---- */
/* Before the first batch. Borrowed; then the account `spool` is this delivery's too. */
void delivery_use_spool(struct delivery *delivery, struct spool *spool);
/* The next thing to do on the spool's disk, without the lock. false: nothing before *ret_due_ms
 * (INT64_MAX: before something changes). Then what came of it. */
bool delivery_spool_job(struct delivery *delivery, const struct spool_stamp *now, int64_t now_ms,
                        struct spool_job *ret, int64_t *ret_due_ms);
void delivery_spool_done(struct delivery *delivery, const struct spool_job *job,
                         struct spool_result *result, const struct spool_stamp *now,
                         int64_t now_ms);
/* The agent stops and the requests are broken off: all that is in memory is to be written. */
void delivery_spill_all(struct delivery *delivery, int64_t now_ms);

/* ---- another configuration ---- */
void delivery_hold(struct delivery *delivery, bool holds); /* launches nothing meanwhile */
unsigned delivery_in_flight(const struct delivery *delivery);
void delivery_take_back(struct delivery *delivery, int64_t now_ms); /* requests broken off */
/* With nothing in flight. What is held stays; what was learnt of the endpoint is forgotten. */
void delivery_change(struct delivery *delivery, const struct delivery_config *config);
void delivery_set_memory(struct delivery *delivery, uint64_t memory_bytes);
bool delivery_has_receipts(const struct delivery *delivery, const struct receipts *receipts);
/* Compares what is held with the books, for every lane that has been seen. */
void delivery_audit(struct delivery *delivery);
/* Publishes the age of the oldest event that is held in memory, and of that in the spool. */
void delivery_tell_age(const struct delivery *delivery, int64_t boot_ms);
int64_t delivery_oldest_boot_ms(const struct delivery *delivery); /* in memory; INT64_MAX: none */
/* State changes since the last call, for the log. false: none. */
struct delivery_news {
    const char *msg;  /* "circuit breaker opened" … a literal */
    char reason[160]; /* "5 failures in a row, the last: status 500", "status 401" … */
    int64_t rest_ms;
};
bool delivery_take_news(struct delivery *delivery, struct delivery_news *ret);
