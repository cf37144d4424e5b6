/* SPDX-License-Identifier: Apache-2.0 */
/* spool: writing, sealing, removing, syncing, and the state of the disk. Reading and marking are in
 * spool_reading.c, the bound in spool_room.c. A segment is made in the index when its first record
 * is planned, so that nothing that can fail is left to do once the record is on disk. */
#include "base/check.h"
#include "base/clock.h"
#include "delivery/spool_state.h"

#include <errno.h>
#include <stdlib.h>

enum {
    RETRY_LEAST_MS = 1000,
    RETRY_MOST_MS = 60 * 1000,
    REMOVE_RETRY_MS = 10 * 1000,
};

void spool_change(struct spool *spool, const struct spool_config *config)
{
    spool->config = *config;
    spool->free_at_ms = SPOOL_FREE_UNKNOWN_MS;
    if (spool->numbers != NULL)
        spool_publish(spool);
}

void spool_moved(struct spool *spool)
{
    spool_end_writing(spool);
    spool->is_broken = false;
    spool->failures = 0;
    spool->free_at_ms = SPOOL_FREE_UNKNOWN_MS;
    spool_publish(spool);
}

struct spool *spool_new(const struct spool_config *config)
{
    struct spool *spool = calloc(1, sizeof(*spool));

    if (spool == NULL)
        return NULL;
    spool_change(spool, config);
    spool->next_id = 1;
    return spool;
}

void spool_free(struct spool **spoolp)
{
    struct spool *spool = *spoolp;

    *spoolp = NULL;
    if (spool == NULL)
        return;
    spool_index_fini(&spool->index);
    free(spool);
}

struct spool_index *spool_index_of(struct spool *spool)
{
    return &spool->index;
}

void spool_publish(const struct spool *spool)
{
    uint64_t at_risk =
        spool->unsynced_bytes < spool->index.bytes ? spool->unsynced_bytes : spool->index.bytes;

    numbers_set(spool->numbers, NUMBER_spool_bytes, spool->index.bytes);
    numbers_set(spool->numbers, NUMBER_spool_max_bytes, spool->config.max_bytes);
    numbers_set(spool->numbers, NUMBER_spool_unsynced_bytes, at_risk);
    numbers_set(spool->numbers, NUMBER_spool_state, spool->is_broken || spool->index.is_blind);
}

void spool_tell(struct spool *spool, const char *msg, const char *what, int error, uint64_t segment)
{
    spool->news = (struct spool_news){ msg, what, error, segment };
    spool->has_news = true;
}

bool spool_take_news(struct spool *spool, struct spool_news *ret)
{
    if (!spool->has_news)
        return false;
    *ret = spool->news;
    spool->has_news = false;
    return true;
}

/* ---- at the start ---- */

void spool_reserve_ids(struct spool *spool, uint64_t below)
{
    if (below > spool->next_id)
        spool->next_id = below;
}

/* ---- the state of the disk ---- */

void spool_disk_failed(struct spool *spool, const char *what, int error, int64_t now_ms)
{
    int64_t rest_ms = RETRY_MOST_MS;

    numbers_add(spool->numbers, NUMBER_spool_errors, 1);
    if (spool->failures < 6)
        rest_ms = (int64_t)RETRY_LEAST_MS << spool->failures;
    spool->failures++;
    spool->retry_ms = now_ms + (rest_ms < RETRY_MOST_MS ? rest_ms : RETRY_MOST_MS);
    if (!spool->is_broken)
        spool_tell(spool, "spool cannot be used, batches are held in memory", what, error, 0);
    spool->is_broken = true;
}

static void disk_works(struct spool *spool)
{
    if (spool->is_broken)
        spool_tell(spool, "spool works again", "write", 0, 0);
    spool->is_broken = false;
    spool->failures = 0;
}

bool spool_is_usable(const struct spool *spool, int64_t now_ms)
{
    return !spool->is_broken || now_ms >= spool->retry_ms;
}

bool spool_is_newest_first(const struct spool *spool)
{
    return spool->config.newest_first;
}

bool spool_never_syncs(const struct spool *spool)
{
    return spool->config.fsync == SPOOL_FSYNC_NEVER;
}

/* ---- writing ---- */

static void plan_remove(struct spool *spool, struct spool_segment *segment, enum flow flow,
                        struct spool_job *ret)
{
    (void)spool;
    *ret = (struct spool_job){ .kind = SPOOL_REMOVE, .place = { segment->id, 0 }, .flow = flow };
}

static bool plan_evict(struct spool *spool, int64_t now_ms, struct spool_job *ret)
{
    struct spool_segment *segment = spool->index.oldest;

    while (segment != NULL && (segment->pins > 0 || segment->remove_ms > now_ms))
        segment = segment->newer;
    if (segment == NULL)
        return false;
    plan_remove(spool, segment, FLOW_spool_evict, ret);
    return true;
}

static void plan_seal(const struct spool *spool, const struct spool_stamp *now,
                      struct spool_job *ret)
{
    const struct spool_segment *segment = spool->writing;
    struct spool_sum *sum = &ret->sum;

    *ret = (struct spool_job){ .kind = SPOOL_SEAL,
                               .place = { segment->id, segment->end_at },
                               .sync = spool->config.fsync != SPOOL_FSYNC_NEVER };
    sum->records = segment->records;
    sum->last_at = segment->last_at;
    sum->newest_boot_ms = segment->newest_boot_ms;
    sum->newest_age_ms = now->boot_ms - segment->newest_boot_ms;
    sum->newest_real_ms = now->real_ms;
    for (unsigned i = 0; i < segment->row_count; i++) {
        const struct spool_row *row = &segment->rows[i];
        sum->rows[sum->row_count++] =
            (struct spool_sum_row){ slice_of(spool->index.lanes[row->lane].input), row->amount };
    }
}

void spool_end_writing(struct spool *spool)
{
    if (spool->writing != NULL) {
        spool->writing->is_unsynced = spool->unsynced_bytes > 0;
        spool->last_ended = spool->writing->id;
    }
    spool->writing = NULL;
}

/* It may be the sync that failed: then what a reload found there unsynced is not to be trusted. */
static void end_unsynced(struct spool *spool)
{
    struct spool_segment *segment = spool->writing;

    spool_end_writing(spool);
    segment->must_rewrite = segment->is_unsynced;
}

/* Without its sum a segment is read record by record at the next start: no harm. It gets none where
 * it would lie behind what a failed write left; and none if it has marks, because where a power
 * loss takes these it would lack records that are there again. */
bool spool_plan_close(struct spool *spool, const struct spool_stamp *now, struct spool_job *ret)
{
    if (spool->left.segment != 0 || (spool->writing != NULL && spool->writing->is_touched))
        spool_end_writing(spool);
    if (spool->writing == NULL)
        return false;
    plan_seal(spool, now, ret);
    return true;
}

/* Room for the record in the index, before it is on disk. */
static bool prepare_rows(struct spool *spool, struct spool_segment *segment,
                         const struct batch *batch)
{
    for (size_t i = 0; i < batch->run_count; i++) {
        unsigned lane = spool_index_lane_of(&spool->index, batch->runs[i].books);
        if (lane == SPOOL_LANES_MAX || !spool_segment_add(segment, lane, (struct amount){ 0, 0 }))
            return false;
    }
    return true;
}

static bool begin_segment(struct spool *spool, const struct spool_stamp *now, struct spool_job *job)
{
    spool->writing = spool_index_add(&spool->index, spool->next_id, 0);
    if (spool->writing == NULL)
        return false;
    spool->next_id++;
    job->is_new = true;
    job->head =
        (struct spool_segment_head){ .id = spool->writing->id, .made_real_ms = now->real_ms };
    memcpy(job->head.boot, spool->config.boot, SPOOL_BOOT_BYTES);
    return true;
}

static void drop_empty_segment(struct spool *spool)
{
    spool_index_remove(&spool->index, spool->writing);
    spool->writing = NULL;
}

static bool fill_write(struct spool *spool, struct batch *batch, const struct spool_stamp *now,
                       struct spool_job *ret)
{
    *ret = (struct spool_job){ .kind = SPOOL_WRITE, .batch = batch, .stamp = *now };
    if (spool->writing == NULL && !begin_segment(spool, now, ret))
        return false;
    if (!prepare_rows(spool, spool->writing, batch)) {
        if (ret->is_new)
            drop_empty_segment(spool);
        return false;
    }
    ret->place = (struct spool_place){ spool->writing->id, spool->writing->end_at };
    ret->stamp.previous_at = spool->writing->last_at;
    ret->sync = spool->config.fsync == SPOOL_FSYNC_ALWAYS;
    return true;
}

bool spool_plan_write(struct spool *spool, struct batch *batch, const struct spool_stamp *now,
                      int64_t now_ms, struct spool_job *ret)
{
    uint64_t growth = spool_growth_of(batch);

    if (!spool_is_usable(spool, now_ms) || spool_is_closing(spool))
        return false;
    if (!spool_has_looked(spool, now_ms)) {
        *ret = (struct spool_job){ .kind = SPOOL_LOOK };
        return true;
    }
    if (spool_plan_undo(spool, ret))
        return true;
    if (spool_must_evict(spool, growth, spool_limit_bytes(spool))) {
        if (spool_may_wait(spool))
            return false;
        if (plan_evict(spool, now_ms, ret))
            return true;
        spool_disk_failed(spool, "make room, all of it is being sent or the disk is full", ENOSPC,
                          now_ms);
        spool_publish(spool);
        return false;
    }
    if (spool->writing != NULL && spool->writing->end_at > SPOOL_SEGMENT_HEAD &&
        spool->writing->end_at + growth > spool_segment_bytes(spool) &&
        spool_plan_close(spool, now, ret))
        return true;
    return fill_write(spool, batch, now, ret);
}

static void add_record(struct spool *spool, const struct spool_job *job, uint64_t bytes)
{
    struct spool_segment *segment = spool->writing;
    const struct batch *batch = job->batch;

    if (job->is_new)
        spool_index_grow(&spool->index, segment, SPOOL_SEGMENT_HEAD);
    spool_index_grow(&spool->index, segment, bytes);
    if (!spool_segment_has_unread(segment))
        segment->front_boot_ms = batch->oldest_boot_ms;
    segment->last_at = segment->end_at;
    segment->end_at += bytes;
    segment->stop_at = segment->end_at;
    segment->records++;
    if (segment->newest_boot_ms < batch->oldest_boot_ms || segment->records == 1)
        segment->newest_boot_ms = batch->oldest_boot_ms;
    for (size_t i = 0; i < batch->run_count; i++) {
        const struct batch_run *run = &batch->runs[i];
        CHECK(spool_segment_add(segment, spool_index_lane_of(&spool->index, run->books),
                                (struct amount){ run->events, run->bytes }));
    }
}

bool spool_wrote(struct spool *spool, const struct spool_job *job,
                 const struct spool_result *result, int64_t now_ms)
{
    CHECK(spool->writing != NULL && spool->writing->id == job->place.segment);
    spool_note_left(spool, job, result);
    if (result->error != 0) {
        spool_disk_failed(spool, "write", result->error, now_ms);
        if (job->is_new)
            drop_empty_segment(spool);
        else if (job->sync)
            end_unsynced(spool);
        spool->free_at_ms = SPOOL_FREE_UNKNOWN_MS;
        spool_publish(spool);
        return false;
    }
    add_record(spool, job, result->bytes);
    disk_works(spool);
    spool->free_bytes -= spool->free_bytes < result->bytes ? spool->free_bytes : result->bytes;
    if (!job->sync) {
        if (spool->unsynced_bytes == 0)
            spool->sync_due_ms = now_ms + spool->config.fsync_interval_ms;
        spool->unsynced_bytes += result->bytes;
    }
    spool_publish(spool);
    return true;
}

void spool_sealed(struct spool *spool, const struct spool_job *job,
                  const struct spool_result *result, int64_t now_ms)
{
    CHECK(spool->writing != NULL && spool->writing->id == job->place.segment);
    spool->writing->is_unsynced = spool->unsynced_bytes > 0 && (result->error != 0 || !job->sync);
    spool->writing->must_rewrite = spool->writing->is_unsynced && job->sync;
    spool_note_left(spool, job, result);
    if (result->error != 0)
        spool_disk_failed(spool, "seal a segment", result->error, now_ms);
    else
        spool_index_grow(&spool->index, spool->writing, result->bytes);
    spool->last_ended = spool->writing->id;
    spool->writing = NULL;
    spool_publish(spool);
}

/* ---- syncing ---- */

/* One whose seal failed, or the one that is written. */
static struct spool_segment *find_unsynced(const struct spool *spool)
{
    struct spool_segment *segment = spool->index.oldest;

    while (segment != NULL && !segment->is_unsynced)
        segment = segment->newer;
    return segment != NULL ? segment : spool->writing;
}

/* at_once: the agent stops. */
bool spool_plan_sync(struct spool *spool, int64_t now_ms, bool at_once, struct spool_job *ret)
{
    if (spool->unsynced_bytes == 0 || spool->config.fsync == SPOOL_FSYNC_NEVER ||
        now_ms < spool->sync_retry_ms || (now_ms < spool->sync_due_ms && !at_once))
        return false;
    const struct spool_segment *segment = find_unsynced(spool);
    *ret = (struct spool_job){ .kind = SPOOL_SYNC };
    if (segment != NULL) {
        ret->place.segment = segment->id;
        ret->stop_at = segment->end_at;
        ret->kind = segment->must_rewrite ? SPOOL_REWRITE : SPOOL_SYNC;
    }
    return true;
}

bool spool_synced(struct spool *spool, const struct spool_job *job,
                  const struct spool_result *result, int64_t now_ms)
{
    struct spool_segment *segment = spool_index_find(&spool->index, job->place.segment);
    bool is_all = result->error == 0;

    if (result->error != 0) {
        spool_disk_failed(spool, "sync", result->error, now_ms);
        spool->sync_due_ms = spool->sync_retry_ms = spool->retry_ms;
        if (segment != NULL && segment == spool->writing)
            spool_end_writing(spool);
        if (segment != NULL)
            segment->must_rewrite = true;
    } else {
        spool->sync_retry_ms = 0;
        if (segment != NULL)
            segment->is_unsynced = segment->must_rewrite = false;
        segment = find_unsynced(spool);
        is_all = segment == NULL || segment->id == job->place.segment;
        spool->unsynced_bytes = is_all ? 0 : spool->unsynced_bytes;
    }
    spool_publish(spool);
    return is_all;
}

/* ---- removing ---- */

static bool is_over(const struct spool_segment *segment)
{
    return segment->pins == 0 && !spool_segment_has_unread(segment);
}

static bool is_too_old(const struct spool *spool, const struct spool_segment *segment,
                       int64_t boot_ms)
{
    int64_t max_age_ms = spool->config.max_age_ms;

    return max_age_ms > 0 && segment->pins == 0 && segment->newest_boot_ms + max_age_ms <= boot_ms;
}

bool spool_plan_tidy(struct spool *spool, int64_t now_ms, int64_t boot_ms, struct spool_job *ret)
{
    for (struct spool_segment *segment = spool->index.oldest; segment != NULL;
         segment = segment->newer) {
        if (segment->remove_ms > now_ms ||
            (!is_over(segment) && !is_too_old(spool, segment, boot_ms)))
            continue;
        /* What is left of one that was read to its end could not be read. */
        plan_remove(spool, segment, is_over(segment) ? FLOW_spool_corrupt : FLOW_spool_expire, ret);
        return true;
    }
    return false;
}

/* What was counted before without a mark is gone for good, and is not sent again. */
static void count_rest(const struct spool *spool, const struct spool_segment *segment,
                       enum flow flow)
{
    for (unsigned i = 0; i < segment->row_count; i++) {
        const struct spool_row *row = &segment->rows[i];
        if (row->amount.events > 0 || row->amount.bytes > 0)
            ledger_move(spool->index.lanes[row->lane].books, flow, row->amount.events,
                        row->amount.bytes);
        spool_row_forget_unmarked(&spool->index, row);
    }
}

void spool_removed(struct spool *spool, const struct spool_job *job,
                   const struct spool_result *result, int64_t now_ms)
{
    struct spool_segment *segment = spool_index_find(&spool->index, job->place.segment);

    CHECK(segment != NULL && segment->pins == 0);
    if (result->error != 0 && result->error != ENOENT) {
        numbers_add(spool->numbers, NUMBER_spool_errors, 1);
        if (segment->remove_ms == 0)
            spool_tell(spool, "spool cannot remove a segment, it is tried again", "remove",
                       result->error, segment->id);
        segment->remove_ms = now_ms + REMOVE_RETRY_MS;
        return;
    }
    count_rest(spool, segment, job->flow);
    if (spool->has_peeked && spool->peeked.segment == segment->id)
        spool->has_peeked = false;
    if (spool->writing == segment)
        spool->writing = NULL;
    spool->free_at_ms = SPOOL_FREE_UNKNOWN_MS;
    spool_forget_left(spool, segment->id);
    spool_index_remove(&spool->index, segment);
    spool_publish(spool);
}

/* When to look again if nothing else happens. */
int64_t spool_due_ms(const struct spool *spool, int64_t now_ms)
{
    int64_t due_ms = INT64_MAX;

    if (spool->is_broken && spool->retry_ms > now_ms)
        due_ms = spool->retry_ms;
    if (spool->no_memory_until_ms > now_ms && spool->no_memory_until_ms < due_ms)
        due_ms = spool->no_memory_until_ms;
    if (spool->unsynced_bytes > 0 && spool->config.fsync != SPOOL_FSYNC_NEVER &&
        spool->sync_due_ms < due_ms)
        due_ms = spool->sync_due_ms;
    for (const struct spool_segment *segment = spool->index.oldest; segment != NULL;
         segment = segment->newer) {
        if (segment->read_ms > now_ms && segment->read_ms < due_ms)
            due_ms = segment->read_ms;
        if (segment->remove_ms > now_ms && segment->remove_ms < due_ms)
            due_ms = segment->remove_ms;
    }
    return due_ms;
}
