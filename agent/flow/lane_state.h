/* SPDX-License-Identifier: Apache-2.0 */
/* lane_state: what a lane is made of, for the files lane*.c of this folder alone. */
#pragma once

#include "base/lock.h"
#include "flow/lane.h"

/* A worker has one piece in hand at a time, so no more arenas than workers can be waited for. */
enum { LANE_MAGIC = 0x1a9e1a9e, LANE_OUTGROWN = LEDGER_CELLS };

struct lane {
    uint32_t magic;
    struct lock lock;
    /* constant between two changes, which are made while nobody offers or gathers; but on_room and
     * its context: under lock */
    struct lane_config config;
    size_t max_record;
    /* under lock */
    struct arena *outgrown[LANE_OUTGROWN]; /* of before a change; workers have pieces of them */
    struct arena *arena;
    struct classes *classes;
    int64_t now_ms; /* the latest time that anybody brought */
    struct shedder *shedder;
    struct random random;
    struct attribute *weight_room; /* NULL: this lane never sheds */
    size_t full_class;             /* the class that found no room last */
    double passed;                 /* the event that found no room was kept with this; 0: none */
    struct lane_news news;         /* gathers what is shed, until shedding stops */
    bool has_news;
    int64_t shed_since_ms;
    uint64_t kept_bytes; /* by its reading, beside events */
    bool has_waiter;
    struct {
        bool is_open, is_bounded;
        bool kept_workers_waiting; /* they found only what is held back */
        struct amount admitted, oversize;
    } parcel;
};

/* For lane_parcel.c. */
void lane_note_time(struct lane *lane, int64_t boot_ms) NEEDS_LOCK(&lane->lock);
void lane_step_shedder(struct lane *lane, int64_t boot_ms) NEEDS_LOCK(&lane->lock);
void lane_note_shed(struct lane *lane, enum shed_change change, int64_t boot_ms)
    NEEDS_LOCK(&lane->lock);
void lane_end_shedding(struct lane *lane); /* and whoever can tell it will */
bool lane_may_shed(const struct lane *lane, const struct event *event);
size_t lane_find_class(struct lane *lane, const struct event *event, int64_t boot_ms)
    NEEDS_LOCK(&lane->lock);
void lane_take_news(struct lane *lane, struct lane_news *ret_news) NEEDS_LOCK(&lane->lock);

/* Arena, classes and shedder by its config. false: out of memory. */
bool lane_build(struct lane *lane);
