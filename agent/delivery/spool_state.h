/* SPDX-License-Identifier: Apache-2.0 */
/* spool_state: what a spool is made of, for the files spool_*.c of this folder alone. */
#pragma once

#include "delivery/spool.h"

enum { SPOOL_FREE_UNKNOWN_MS = -1 };

struct spool {
    /* constant */
    struct spool_config config;
    struct numbers *numbers;
    /* under the caller's lock */
    struct spool_index index;
    struct spool_segment *writing; /* NULL: the next record begins a new one */
    uint64_t next_id;
    uint64_t unsynced_bytes;
    int64_t sync_due_ms;   /* while unsynced_bytes > 0 */
    int64_t sync_retry_ms; /* after a failed one also what is asked at once waits; 0: none failed */
    uint64_t free_bytes;   /* on the disk, as of free_at_ms less what was written since */
    int64_t free_at_ms;    /* SPOOL_FREE_UNKNOWN_MS: not looked yet */
    bool is_free_unknown;  /* the last look failed */
    bool is_broken;        /* memory mode */
    unsigned failures;     /* in a row */
    int64_t retry_ms;
    struct spool_place left;    /* see spool_left.c; segment 0: nothing */
    uint64_t last_ended;        /* the segment that was written before; 0: none */
    int64_t no_memory_until_ms; /* reading failed by that alone: nothing is passed over for it */
    /* The record whose head was read last and whose body was not. */
    bool has_peeked;
    struct spool_place peeked;
    uint64_t peeked_body_bytes;
    /* What a crash would find in hand: see spool_show_in_hand(). */
    unsigned pins; /* of all segments */
    bool is_loading;
    uint64_t still_aside; /* to be set aside, and not read yet */
    bool has_news;
    struct spool_news news;
};

void spool_publish(const struct spool *spool);
void spool_tell(struct spool *spool, const char *msg, const char *what, int error,
                uint64_t segment);
/* Tells the books, before a batch is used: should the agent die of it, the next start asks. */
void spool_show_in_hand(const struct spool *spool);
/* The file of that segment is gone, or cannot be read any more. */
void spool_give_up_segment(struct spool_segment *segment);

/* The disk fails: memory mode. */
void spool_disk_failed(struct spool *spool, const char *what, int error, int64_t now_ms);
/* The segment that is written is written no more, without a sum. */
void spool_end_writing(struct spool *spool);

/* ---- spool_left.c ---- */
void spool_note_left(struct spool *spool, const struct spool_job *job,
                     const struct spool_result *result);
bool spool_plan_undo(const struct spool *spool, struct spool_job *ret);
void spool_forget_left(struct spool *spool, uint64_t segment);
void spool_publish_left(const struct spool *spool);
/* ---- spool_room.c ---- */
uint64_t spool_limit_bytes(const struct spool *spool);
uint64_t spool_segment_bytes(const struct spool *spool); /* a segment is sealed at this size */
uint64_t spool_growth_of(const struct batch *batch);
bool spool_must_evict(const struct spool *spool, uint64_t growth, uint64_t limit);
bool spool_has_looked(const struct spool *spool, int64_t now_ms); /* at the free space, lately */
bool spool_may_wait(const struct spool *spool);                   /* instead of evicting */
