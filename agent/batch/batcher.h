/* SPDX-License-Identifier: Apache-2.0 */
/* batcher: gathers events from the lanes of an output, encodes, compresses and seals them.
 * When: at max_bytes or max_events together in the lanes, or when the oldest is max_wait old; the
 * first events after a quiet spell of max_wait leave at once, and so does the rest of a backlog
 * that a reading has caught up with. Memory for the sealed bytes is asked for when their number is
 * known; while there is none the encoded batch stays where it is, and the lanes fill.
 * Decides when and does the work, but never waits and reads no clock: batcher_next() says what
 * comes next. Owns its cell of the account `batch`: between two calls all that it holds is counted
 * there. Threads: one at a time, its worker's. Allocates at construction, and for a sealed batch.
 */
#pragma once

#include "delivery/batch.h"
#include "flow/lane.h"
#include "plugins/plugin.h"

struct batcher;

struct batcher_config {
    unsigned index; /* 0 … LEDGER_CELLS-1: its cell */
    struct lane *const *lanes;
    size_t lane_count;
    struct feed *feed;
    struct body_pool *bodies;
    struct numbers *numbers;
    const char *output, *agent_id, *start_id; /* name its batches */
    _Atomic uint64_t *sequence;               /* of the output, shared by its batchers */
    enum encoding encoding;
    enum compression compression;
    unsigned compression_level;
    size_t max_bytes;
    uint64_t max_events;
    int64_t max_wait_ms;
};

/* now_ms: clock_now_ms(), of the construction. Everything the config points to is borrowed. */
struct batcher *batcher_new(const struct batcher_config *config, int64_t now_ms, struct err *err);
void batcher_free(struct batcher **batcherp); /* CHECKs that nothing is in hand */

/* What another configuration needs, made beside, so that nothing can fail later. options: encoding,
 * compression and sizes may differ too, not only the lanes. NULL: out of memory, err set. */
struct batcher_change;
struct batcher_change *batcher_prepare(const struct batcher_config *config, bool options,
                                       struct err *err);
void batcher_change_free(struct batcher_change **changep);
/* Between two calls: goes on with it. What is in hand stays: a batch that is encoded already is
 * sealed as it is. */
void batcher_commit(struct batcher *batcher, struct lane *const *lanes,
                    struct batcher_change **changep);
/* Is an event in hand, encoded, whose receipt is in that list? A piece in hand is seen at its lane.
 */
bool batcher_holds(const struct batcher *batcher, const struct receipts *receipts);
/* Admission of the oldest event in hand; INT64_MAX: there is none. */
int64_t batcher_oldest_boot_ms(const struct batcher *batcher);

/* What the batcher cannot see for itself. */
struct batcher_view {
    int64_t now_ms, boot_ms;
    bool is_wanted;     /* delivery_wants_batches() */
    uint64_t max_bytes; /* delivery_max_bytes(); one event more may be in a batch. 0: no bound but
                           that of the config */
    bool is_draining;   /* everything is worth sealing at once */
    bool is_leaving;    /* takes nothing more out of the lanes */
};
enum batcher_kind {
    BATCHER_REST,  /* nothing to do before until_boot_ms, unless something changes */
    BATCHER_AGAIN, /* something was done: ask again */
    BATCHER_SEAL,  /* a batch is encoded: get a permit for `bytes` and call batcher_seal() */
};
struct batcher_step {
    enum batcher_kind kind;
    uint64_t bytes;
    int64_t until_boot_ms; /* 0: the lanes are empty and nothing is in hand */
};
/* Encodes a batch if one is due. Without a permit the same BATCHER_SEAL comes again. */
struct batcher_step batcher_next(struct batcher *batcher, const struct batcher_view *view);
/* After BATCHER_SEAL. Takes the permit into the batch, which is still in the account `batch` until
 * delivery_put(). NULL: out of memory; the permit stays the caller's, nothing has changed. */
struct batch *batcher_seal(struct batcher *batcher, struct permit *permit, int64_t now_ms);
/* Cuts a batch that an endpoint found too large; see split.h. */
bool batcher_split(struct batcher *batcher, const struct batch *parent, struct batch *halves[2]);

/* Compares its account with the books of each lane. */
void batcher_audit(const struct batcher *batcher);
/* What is in hand goes back to its source or is counted by that flow: drain_timeout_batch, or
 * reload_drop_batch. */
void batcher_abandon(struct batcher *batcher, enum flow drop);
