/* SPDX-License-Identifier: Apache-2.0 */
/* outlet: one output as it runs: its plugin, its lanes, its batch workers and its sender.
 * A change keeps the lanes, all that is held and the spool: they belong to the output, by its name,
 * and not to its type, its URL or its options. Only plugin, connections and workshops are replaced.
 * Threads: main only. */
#pragma once

#include "base/lock.h"
#include "batch/dead_letter.h"
#include "batch/worker.h"
#include "generation.h"
#include "spools.h"
#include "watch.h"

enum outlet_state {
    OUTLET_NEW, /* made for a change that is not committed */
    OUTLET_RUNS,
    OUTLET_LEAVES, /* drains, until its deadline: may come back until then */
};

/* How far its end is. */
enum outlet_end {
    OUTLET_GOES_ON,
    OUTLET_WORKERS_END,
    OUTLET_SENDER_ENDS,
    OUTLET_SPOOL_ENDS, /* its thread alone is left, and writes what is held */
    OUTLET_HAS_ENDED,
};

/* Prepared, not committed. */
struct outlet_change {
    struct generation *from; /* NULL: the options stay */
    const struct settings_part *part;
    const struct output *plugin;
    void *state;
    bool is_open;
    struct sender_change *sender;
    struct batcher_change *batchers[LEDGER_CELLS]; /* NULL: that worker stays as it is */
    struct lane *lanes[LEDGER_LANES];
    size_t lane_count;
    bool changes_lanes;
    uint64_t sealed_bytes; /* 0: it stays, and so does the way its spool is used */
    struct spool_config spool;
    struct opened_spool *opened; /* one that it did not have; borrowed. NULL: nothing */
    struct spool_disk *moved;    /* where its spool is to be; NULL: it stays */
    char moved_path[PATH_MAX];
};

struct outlet {
    char name[LEDGER_NAME];
    enum outlet_state state_now;
    int64_t deadline_ms; /* OUTLET_LEAVES */
    enum outlet_end end;
    bool has_left;         /* a thread, behind: nothing of it may be freed */
    bool is_told_to_stand; /* in its end, as its disk does not answer: said once */
    bool is_wanted;        /* by the change that is being prepared */
    struct generation *from;
    const struct settings_part *part; /* of `from` */
    const struct output *plugin;
    void *state;
    bool is_open;
    struct host host;
    struct feed feed;
    struct numbers *numbers;
    struct ledger *ledger;
    _Atomic uint64_t sequence;
    struct sender *sender;
    char spool_path[PATH_MAX]; /* where what is new is written; "": there is none */
    struct body_pool bodies;
    struct dead_letter letters; /* of the workers, one at a time */
    struct lock *list_lock;     /* of the pipeline: held where the list of workers changes */
    struct worker *workers[LEDGER_CELLS];
    size_t worker_count;              /* those that leave included: they are the last ones */
    struct lane *lanes[LEDGER_LANES]; /* borrowed from their channels */
    size_t lane_count;
    struct watch watch;
    struct outlet_change next;
};

/* Opens the plugin and starts the sender of that output; lanes are added later. NULL: err set. */
struct outlet *outlet_open(struct generation *generation, size_t index, struct ledger *ledger,
                           struct lock *list_lock, struct err *err);
void outlet_free(struct outlet **outletp); /* once outlet_end_stop() was true */
/* Once all lanes are there: takes over what is on disk. Takes both of it. */
bool outlet_use_spool(struct outlet *outlet, struct opened_spool *spool, bool at_start,
                      struct err *err);
/* After that. */
bool outlet_start_workers(struct outlet *outlet, struct err *err);
void outlet_audit(struct outlet *outlet);
/* false: who is stuck, and for how long, is in ret_who. */
bool outlet_is_alive(const struct outlet *outlet, int64_t now_ms, int64_t stuck_ms,
                     struct err *ret_who);
void outlet_drain(struct outlet *outlet);
bool outlet_is_drained(const struct outlet *outlet);

/* ---- another configuration: outlet_change.c ---- */
/* What the configuration would change, prepared beside; next.lanes is filled by the caller before,
 * if next.changes_lanes. false: err says why it cannot be. */
bool outlet_prepare(struct outlet *outlet, struct generation *next, size_t index,
                    struct spools *spools, struct err *err);
/* With other lanes alone. */
bool outlet_prepare_lanes(struct outlet *outlet, struct err *err);
void outlet_forget_change(struct outlet *outlet); /* nothing came of it */
/* While all its threads that it concerns stand. */
void outlet_commit(struct outlet *outlet);
bool outlet_changes_sender(const struct outlet *outlet);
/* Workers that are too many now and have finished what they had in hand. */
void outlet_dismiss(struct outlet *outlet);

/* For outlet_change.c. */
void outlet_list_worker(struct outlet *outlet, struct worker *worker);
struct sender_config outlet_sender_config(const struct outlet *outlet,
                                          const struct settings *settings, size_t index,
                                          const struct output *plugin, void *state);
struct dead_letter outlet_letters(const struct outlet *outlet, const struct settings_part *part);
struct worker_config outlet_worker_config(struct outlet *outlet, size_t worker,
                                          const struct settings_part *part);
