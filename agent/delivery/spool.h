/* SPDX-License-Identifier: Apache-2.0 */
/* spool: decides what happens to the segment files of one output: where the next record goes, which
 * is read next, what is evicted, synced and removed, and what a disk that fails means. What to do
 * comes back as a job, one at a time; a doer (spool_files) does it, and what came of it is told
 * here. Promise: the disk moves first, the counter second. Bounded in bytes and in what is left
 * free on the disk, oldest segment out first, never one with a batch that is being sent. A disk
 * that fails is a state (memory mode), said once, counted and tried again. Pure. Threads: the
 * caller holds the delivery's lock. */
#pragma once

#include "delivery/spool_job.h"

enum spool_fsync { SPOOL_FSYNC_NEVER, SPOOL_FSYNC_INTERVAL, SPOOL_FSYNC_ALWAYS };

struct spool_config {
    uint64_t max_bytes, min_free_bytes;
    enum spool_fsync fsync;
    int64_t fsync_interval_ms;
    int64_t max_age_ms; /* 0: never */
    bool newest_first;
    bool waits_when_full; /* all that comes can wait where it is: then nothing is evicted for it */
    unsigned char boot[SPOOL_BOOT_BYTES];
};

struct spool;
struct spool *spool_new(const struct spool_config *config);
void spool_change(struct spool *spool, const struct spool_config *config); /* other options */
/* Elsewhere: what is written is written no more, and the disk may be tried at once. */
void spool_moved(struct spool *spool);
void spool_free(struct spool **spoolp);
struct spool_index *spool_index_of(struct spool *spool);

/* ---- at the start, before any other call ---- */
/* Names below this one are taken, by segments or by files that are left alone. */
void spool_reserve_ids(struct spool *spool, uint64_t below);
/* What a write of the start before left behind, from there on: it is none of the spool's. Segment
 * 0: nothing. */
void spool_set_left(struct spool *spool, struct spool_place left);
struct spool_place spool_left(const struct spool *spool);
/* The books of the start before have events of that input on disk that could not be read: a lane
 * for them, to be bound. false: there are too many. */
bool spool_expect_unread(struct spool *spool, struct slice input);
/* What was found on disk, by lane, is taken into the books: carry. The lanes must be bound. */
void spool_carry(struct spool *spool, struct numbers *numbers);
void spool_carry_again(struct spool *spool, struct numbers *numbers); /* within the same start */

/* ---- what next; false: nothing of this kind now ---- */
/* It has no room, or its folder could not be read: only what it has is sent. */
bool spool_is_closing(const struct spool *spool);
bool spool_takes(const struct spool *spool, const struct batch *batch);
bool spool_is_usable(const struct spool *spool, int64_t now_ms); /* not in memory mode, or try */
bool spool_may_read(const struct spool *spool, int64_t now_ms);  /* there is something unread */
bool spool_is_newest_first(const struct spool *spool);
bool spool_never_syncs(const struct spool *spool);
bool spool_is_nearly_full(const struct spool *spool);
bool spool_asks_to_wait(const struct spool *spool); /* nearly full, and what comes can wait */
/* May it be written, behind those? */
bool spool_has_room(const struct spool *spool, const struct batch_list *before,
                    const struct batch *batch, int64_t now_ms);
bool spool_plan_write(struct spool *spool, struct batch *batch, const struct spool_stamp *now,
                      int64_t now_ms, struct spool_job *ret);
/* Body bytes of the record to read next, at most; UINT64_MAX: *ret is a job to find out. */
bool spool_plan_read(struct spool *spool, const struct spool_stamp *now, int64_t now_ms,
                     struct spool_job *ret, uint64_t *ret_body_bytes);
void spool_begin_load(struct spool *spool); /* this LOAD is done now; then comes spool_loaded() */
void spool_plan_mark(struct spool *spool, struct batch *batch, struct spool_job *ret);
bool spool_plan_tidy(struct spool *spool, int64_t now_ms, int64_t boot_ms, struct spool_job *ret);
/* After a sync that failed the kernel takes what it could not write for clean, and the next sync
 * says that all is well: so the segment is written no more, and one that must still be synced is
 * written once more as it is read back, which makes it dirty again. */
bool spool_plan_sync(struct spool *spool, int64_t now_ms, bool at_once, struct spool_job *ret);
bool spool_plan_close(struct spool *spool, const struct spool_stamp *now, struct spool_job *ret);
int64_t spool_due_ms(const struct spool *spool, int64_t now_ms); /* when to ask again; INT64_MAX */

/* ---- what came of it ---- */
/* WRITE: true: it is in the spool. */
bool spool_wrote(struct spool *spool, const struct spool_job *job,
                 const struct spool_result *result, int64_t now_ms);
void spool_sealed(struct spool *spool, const struct spool_job *job,
                  const struct spool_result *result, int64_t now_ms);
void spool_peeked(struct spool *spool, const struct spool_job *job,
                  const struct spool_result *result, int64_t now_ms);
/* LOAD: the batch, pinned, without a permit; a damaged one has no body. NULL: nothing. */
struct batch *spool_loaded(struct spool *spool, const struct spool_job *job,
                           struct spool_result *result, const struct spool_stamp *now,
                           int64_t now_ms);
/* Counts nothing; the caller does, after this. */
void spool_marked(struct spool *spool, const struct spool_job *job,
                  const struct spool_result *result, int64_t now_ms);
void spool_removed(struct spool *spool, const struct spool_job *job,
                   const struct spool_result *result, int64_t now_ms);
bool spool_synced(struct spool *spool, const struct spool_job *job,
                  const struct spool_result *result, int64_t now_ms);
void spool_undone(struct spool *spool, const struct spool_job *job,
                  const struct spool_result *result, int64_t now_ms);
void spool_looked(struct spool *spool, const struct spool_result *result, int64_t now_ms);

struct spool_news {         /* state changes since the last call, for the log */
    const char *msg, *what; /* msg: a literal */
    int error;
    uint64_t segment;
};
bool spool_take_news(struct spool *spool, struct spool_news *ret); /* false: none */
