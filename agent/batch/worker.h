/* SPDX-License-Identifier: Apache-2.0 */
/* worker: a thread that gathers events from the lanes of an output, encodes, compresses and seals
 * them into its sender. Owns its cell of the account `batch`.
 * When: at max_bytes or max_events together in the lanes, or when the oldest is max_wait old; the
 * first events after a quiet spell of max_wait leave at once, and so does the rest of a backlog
 * that a reading has caught up with. Memory for the sealed bytes is acquired before they leave;
 * while there is none the worker waits, and the lanes fill. */
#pragma once

#include "delivery/sender.h"
#include "flow/lane.h"

struct worker;

struct worker_config {
    unsigned index; /* 0 … LEDGER_CELLS-1: its cell */
    struct lane *const *lanes;
    size_t lane_count;
    struct feed *feed;
    struct sender *sender;
    struct body_pool *bodies;
    struct numbers *numbers;
    const char *output, *agent_id, *start_id; /* name its batches */
    _Atomic uint64_t *sequence;               /* of the output, shared by its workers */
    enum encoding encoding;
    enum compression compression;
    unsigned compression_level;
    size_t max_bytes;
    uint64_t max_events;
    int64_t max_wait_ms;
};

struct worker *worker_start(const struct worker_config *config, struct err *err);
/* From now on everything is worth sealing at once. */
void worker_drain(struct worker *worker);
/* Nothing in hand and, at its last look, nothing in the lanes. */
bool worker_is_idle(struct worker *worker);
/* Ends the thread; what it has in hand goes back to its source or is counted as
 * drain_timeout_batch. */
void worker_stop(struct worker *worker);
void worker_free(struct worker **workerp);
/* Asks for an audit of its account; done by the worker itself at its next step. */
void worker_request_audit(struct worker *worker);
int64_t worker_last_step_ms(struct worker *worker); /* 0: it sleeps and nothing is due */
