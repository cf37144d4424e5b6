/* SPDX-License-Identifier: Apache-2.0 */
/* worker: the thread of a batcher. Asks it what comes next, gets the memory for what it seals, and
 * hands that to the sender; cuts what an endpoint found too large before it makes anything new.
 * Sleeps on the word of the feed: whoever brings events, memory or a batch to cut bumps it. */
#pragma once

#include "base/gate.h"
#include "batch/batcher.h"
#include "batch/dead_letter.h"
#include "delivery/sender.h"

struct worker;

struct worker_config {
    struct batcher_config batcher;
    struct sender *sender;       /* borrowed */
    struct dead_letter *letters; /* of the output, for what its sender keeps; borrowed */
    bool leaves;                 /* as after worker_leave(): it takes nothing yet */
};

struct worker *worker_start(const struct worker_config *config, struct err *err);
/* From now on everything is worth sealing at once. */
void worker_drain(struct worker *worker);
/* Nothing in hand and, at its last look, nothing in the lanes. */
bool worker_is_idle(struct worker *worker);
void worker_begin_stop(struct worker *worker);
/* Ends the thread; what it has in hand goes back to its source or is counted by that flow. false:
 * by then it has not come back from the disk of the dead letters: to be asked again, or to be left.
 */
bool worker_end_stop(struct worker *worker, enum flow drop, int64_t deadline_ms);
void worker_stop(struct worker *worker, enum flow drop); /* both, without a deadline */
/* The same for one that may be on that disk for ever: should it come back, it does nothing. true:
 * it has come back just now, and has ended. */
bool worker_leave_behind(struct worker *worker, enum flow drop);
void worker_free(struct worker **workerp); /* once worker_end_stop() was true */
/* For a change: shut it, worker_nudge(), and wait until the thread stands there. */
struct gate *worker_gate(struct worker *worker);
void worker_nudge(struct worker *worker);
/* While it stands; `lanes` are those of the change, where they will stay. */
void worker_commit(struct worker *worker, struct lane *const *lanes,
                   struct batcher_change **changep);
bool worker_holds(const struct worker *worker, const struct receipts *receipts);
int64_t worker_oldest_boot_ms(const struct worker *worker); /* in hand; INT64_MAX: nothing is */
/* It finishes what it has in hand and takes no more, or it takes part again. */
void worker_leave(struct worker *worker, bool leaves);
/* Asks for an audit of its account; done by the worker itself at its next step. */
void worker_request_audit(struct worker *worker);
/* How it spent its time so far, up to now; its thread goes on meanwhile, so it is not exact. */
struct worker_times {
    int64_t busy_ms;    /* gathering, encoding, compressing */
    int64_t blocked_ms; /* it had events, and the sender took none or had no memory */
};
struct worker_times worker_times(struct worker *worker, int64_t now_ms);
/* For the watchdog: its last step, or when its rest is over; it always has an end. */
int64_t worker_last_step_ms(struct worker *worker);
