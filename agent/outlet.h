/* SPDX-License-Identifier: Apache-2.0 */
/* outlet: one output as it runs: its plugin, its lanes, its batch workers and its sender.
 * Threads: main only. */
#pragma once

#include "batch/dead_letter.h"
#include "batch/worker.h"
#include "config/settings.h"
#include "spools.h"
#include "watch.h"

struct outlet {
    const struct settings_part *part;
    const struct output *plugin;
    void *state;
    bool is_open;
    struct host host;
    struct feed feed;
    struct numbers *numbers;
    _Atomic uint64_t sequence;
    struct sender *sender;
    struct body_pool bodies;
    struct dead_letter letters; /* of the workers, one at a time */
    struct worker *workers[LEDGER_CELLS];
    size_t worker_count;
    struct lane *lanes[LEDGER_LANES]; /* borrowed from their readings */
    size_t lane_count;
    struct watch watch;
};

/* Opens the plugin and starts the sender of settings->outputs[index]; lanes are added later. */
bool outlet_open(struct outlet *outlet, const struct settings *settings, size_t index,
                 struct ledger *ledger, struct err *err);
/* Once all lanes are there: takes over what is on disk. Takes both of it. */
bool outlet_use_spool(struct outlet *outlet, struct ledger *ledger, struct opened_spool *spool,
                      struct err *err);
/* After that. */
bool outlet_start_workers(struct outlet *outlet, const struct ledger *ledger, struct err *err);
void outlet_audit(struct outlet *outlet);
bool outlet_is_alive(const struct outlet *outlet, int64_t now_ms, int64_t stuck_ms);
void outlet_drain(struct outlet *outlet);
bool outlet_is_drained(const struct outlet *outlet);
/* Ends the threads; what is left goes back to its source or is counted. */
void outlet_stop(struct outlet *outlet);
void outlet_fini(struct outlet *outlet);
