/* SPDX-License-Identifier: Apache-2.0 */
/* sender: the thread of one output. Runs curl (or writes to a descriptor), asks the delivery what
 * to do, and holds the delivery's lock for its callers. No lock is held across I/O. Threads: every
 * function may be called from any thread but start/stop/free: main. */
#pragma once

#include "base/gate.h"
#include "base/wake.h"
#include "delivery/delivery.h"
#include "delivery/saturation.h"
#include "delivery/spool_files.h"
#include "plugins/plugin.h"

struct sender;

struct sender_config {
    const char *name; /* of the output */
    const struct output *plugin;
    void *state; /* opened plugin state, used from the sender's thread only; borrowed */
    const char *agent_id;
    struct delivery_config delivery;
    struct numbers *numbers;
    /* A compressed body as it was before, for a transport that has no word for compression. NULL:
     * it is sent as it is. */
    bool (*expand)(const struct batch *batch, struct buf *ret);
    struct wake *workers; /* bumped when a worker may go on: memory, breaker, splits */
};

/* Takes both: what is on disk is sent first, and there is a thread for it until sender_end_stop().
 * Once; the lanes of the spool are bound to books. path: for the log, see spooler.h. false: no
 * thread, and both are left. */
bool sender_use_spool(struct sender *sender, const char *path, struct spool **spoolp,
                      struct spool_files **filesp, struct err *err);
struct sender *sender_start(const struct sender_config *config, struct err *err);
/* Skip waits: the agent is stopping. */
void sender_drain(struct sender *sender);
/* What is left at the end was taken out by a reload, and is counted so. */
void sender_let_leave(struct sender *sender);
void sender_tell_stop(struct sender *sender); /* else begin_stop() does */
/* Joins the thread. What is left begins to go to the spool, if there is one, until_ms. false: it is
 * in a call (it writes to a file, it reads a token's) that has not come back by the deadline; to be
 * asked again, or to be left. */
bool sender_begin_stop(struct sender *sender, int64_t deadline_ms, int64_t until_ms);
void sender_leave_sending(struct sender *sender, int64_t until_ms); /* in place of it */
/* Waits for that. What is left then is abandoned (see delivery_abandon). false: the spool has not
 * come back from its disk by the deadline; to be asked again, or to be left. */
bool sender_end_stop(struct sender *sender, int64_t deadline_ms);
void sender_leave_behind(struct sender *sender);  /* the thread of its spool; the rest ends */
void sender_leave_burying(struct sender *sender); /* a worker, with what it was given to bury */
void sender_free(struct sender **senderp);        /* once sender_end_stop() was true */

/* For a change. First what is needed is opened beside, so that nothing can fail later; then the
 * sender holds: it starts no request, and after a while none is out. Then its gate is shut, and
 * while it stands there the change is committed: requests that are still out are broken off, and
 * their batches wait again. What is held stays, in memory and on disk. */
struct sender_change;
struct sender_change *sender_prepare(const struct sender_config *config, struct err *err);
void sender_change_free(struct sender_change **changep);
void sender_hold(struct sender *sender, bool holds);
bool sender_is_quiet(struct sender *sender); /* no request is out */
struct gate *sender_gate(struct sender *sender);
void sender_nudge(struct sender *sender);
void sender_commit(struct sender *sender, struct sender_change **changep);
/* At any time. */
void sender_set_memory(struct sender *sender, uint64_t memory_bytes);
void sender_set_spool(struct sender *sender, const struct spool_config *config); /* if it has one */
struct gate *sender_spool_gate(struct sender *sender); /* of its thread; NULL: there is no spool */
void sender_nudge_spool(struct sender *sender);
/* While that stands: what is new is written to that disk. Takes it. false: no memory. */
bool sender_move_spool(struct sender *sender, struct spool_disk **diskp);
bool sender_has_receipts(struct sender *sender, const struct receipts *receipts);
/* Admission of the oldest event that is held in memory; INT64_MAX: nothing is. */
int64_t sender_oldest_boot_ms(struct sender *sender);

/* For the workers: as their namesakes in delivery.h, under the lock. */
bool sender_reserve(struct sender *sender, unsigned worker, uint64_t bytes, struct permit *ret);
void sender_unreserve(struct sender *sender, struct permit *permit);
bool sender_wants_batches(struct sender *sender);
uint64_t sender_max_bytes(struct sender *sender);
void sender_put(struct sender *sender, struct batch **batchp);
struct batch *sender_take_split(struct sender *sender);
/* Gives both halves their permits. */
void sender_put_halves(struct sender *sender, struct batch **parentp, struct batch *halves[2]);
struct batch *sender_take_refused(struct sender *sender);
void sender_put_buried(struct sender *sender, struct batch **batchp);
bool sender_is_empty(struct sender *sender);
/* How long delivered events were in the agent. */
struct wait_times *sender_waits(struct sender *sender);
void sender_audit(struct sender *sender);
/* clock_now_ms() of the thread's last step, for the watchdog: it never rests longer than a minute.
 */
int64_t sender_last_step_ms(struct sender *sender);
