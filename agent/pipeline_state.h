/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_state: what a pipeline is made of, for the files pipeline*.c alone. */
#pragma once

#include "base/lock.h"
#include "channel.h"
#include "pipeline.h"

#include <limits.h>

/* An output that leaves may still be there while as many others run. */
enum { PIPELINE_OUTLETS = 2 * LEDGER_OUTPUTS, PIPELINE_CHANNELS = 4 * LEDGER_LANES };

struct pipeline {
    struct generation *generation; /* NULL: nothing runs yet */
    struct ledger *ledger;
    struct disk *disk;
    int bell;
    char hostname[HOST_NAME_MAX + 1];
    struct channel_place place;
    bool stopped, has_left; /* has_left: a thread, behind */
    struct lock lock;       /* held by main when the two lists change, by others when they read */
    struct channel *channels[PIPELINE_CHANNELS];
    size_t channel_count;
    struct outlet *outlets[PIPELINE_OUTLETS];
    size_t outlet_count;
};

/* ---- pipeline_park.c: threads that stand still for a change ---- */
struct parking;
/* What is to stand: nothing is asked of a thread before parking_close(). NULL: out of memory. */
struct parking *parking_new(void);
void parking_free(struct parking **parkingp); /* opens all gates */
void parking_add_workers(struct parking *parking, struct outlet *outlet);
void parking_add_sender(struct parking *parking, struct outlet *outlet);
void parking_add_spool(struct parking *parking, struct outlet *outlet); /* which it has */
/* loses_lanes: not in the middle of a read either. */
void parking_add_reading(struct parking *parking, struct channel *channel, bool loses_lanes);
/* Waits until all stand. false: they do not, err says who. */
bool parking_close(struct parking *parking, const struct patience *patience, struct err *err);
/* The same for a step that is tried again later: it may wait for a moment only. */
bool parking_close_briefly(struct parking *parking);
/* Something that an output may hold. */
struct outlet_question {
    bool (*is_in_sender)(struct sender *sender, const void *what);
    bool (*is_in_worker)(const struct worker *worker, const void *what);
    const void *what;
};
/* Its workers stand while they are asked. true also where they do not come to rest: it may be. */
bool parking_may_hold(struct outlet *outlet, const struct outlet_question *question);

/* ---- pipeline_plan.c ---- */
struct plan {
    struct pipeline *pipeline;
    struct generation *next;
    struct spools *spools;
    struct parking *parking;
    const struct patience *patience;  /* NULL: it is the start */
    size_t old_outlets, old_channels; /* in the lists before it */
    bool is_start;
};
/* Opens beside what the next configuration needs. false: err says what cannot be. */
bool plan_prepare(struct plan *plan, struct err *err);
void plan_list_channel(struct pipeline *pipeline, struct channel *channel);

/* ---- pipeline_change.c ---- */
/* The start too: with nothing before. The spools of new outputs are taken; with something before,
 * they are opened into it. */
bool pipeline_follow(struct pipeline *pipeline, struct generation *next, struct spools *spools,
                     const struct patience *patience, struct err *err);

/* ---- pipeline_replace.c: lanes that pass from one channel to another ---- */
/* The lane of that input to that outlet in another channel, which would give it. NULL: none. */
struct strand *replace_find_lane(const struct pipeline *pipeline, const struct channel *taker,
                                 const struct outlet *outlet);
bool replace_gives_lanes(const struct channel *channel);
/* An input could not be opened: what had its name until now, of another type, stops, should both
 * want one address. true: so try again. false: there is none, or it does not stop: err says so. */
bool replace_makes_way(const struct plan *plan, const struct settings_part *input, struct err *err);
/* The readings whose lanes pass on stop. false: one does not in time. */
bool replace_await_stops(const struct plan *plan, struct err *err);
void replace_plan_parking(const struct plan *plan);
void replace_hand_over(const struct plan *plan); /* the commit */
void replace_forget(const struct plan *plan);    /* nothing comes of it: they read on */
/* Is there in a lane of it what the type before has read? Of a channel that reads. */
bool replace_is_mixed(const struct channel *channel);
void replace_tend(struct channel *channel, int64_t now_ms);

/* ---- pipeline_leave.c ---- */
/* Figures of a source that is read no more under these books. */
void pipeline_clear_source_gauges(struct books *books);
/* From now on these drain. */
void pipeline_let_leave(struct channel *channel, int64_t deadline_ms);
