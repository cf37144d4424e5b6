/* SPDX-License-Identifier: Apache-2.0 */
/* spool_aside: one batch after the other: read, copy and sync, mark, count. The books show what is
 * left to do all the while, so that a start that dies here leaves the rest to the next one. */
#include "delivery/spool_aside.h"

#include "base/check.h"
#include "delivery/pins.h"
#include "delivery/spool_segment.h"
#include "delivery/spool_state.h"

#include <errno.h>

struct aside {
    struct spool *spool;
    struct spool_files *files;
    struct spool_files *copies; /* NULL: there is no folder for them */
    const struct spool_stamp *now;
    int64_t now_ms;
    uint64_t folder_bytes;
    uint64_t id, end_at, last_at; /* of the segment of copies; end_at 0: not begun */
    struct spool_result result;
    struct spool_aside *ret;
};

static void note_error(struct aside *aside, int error)
{
    if (aside->ret->error == 0)
        aside->ret->error = error;
}

/* ---- the copies ---- */

static void take_copy(void *context, const char *name)
{
    struct aside *aside = context;
    struct spool_disk *disk = aside->copies->disk;
    int fd = disk->open(disk, name);
    int64_t size = fd < 0 ? fd : disk->size(disk, fd);
    uint64_t id;

    if (fd >= 0)
        disk->close(disk, fd);
    aside->folder_bytes += size > 0 ? (uint64_t)size : 0;
    if (spool_name_is_ours(name, &id) && id >= aside->id)
        aside->id = id + 1;
}

/* Named by the time, not by the next number: so it is put back beside segments of any number. */
static void open_copies(struct aside *aside, struct spool_disk **folderp)
{
    struct spool_disk *disk = *folderp;

    aside->id = aside->now->real_ms > 0 ? (uint64_t)aside->now->real_ms : 1;
    if (disk == NULL)
        return;
    aside->copies = spool_files_new(folderp);
    if (aside->copies == NULL) {
        disk->free(folderp);
        note_error(aside, ENOMEM);
        return;
    }
    int failed = disk->list(disk, take_copy, aside);
    if (failed != 0)
        note_error(aside, -failed);
}

static void fill_copy_job(const struct aside *aside, struct batch *batch, struct spool_job *ret)
{
    bool is_new = aside->end_at == 0;

    *ret = (struct spool_job){ .kind = SPOOL_WRITE,
                               .batch = batch,
                               .place = { aside->id, is_new ? SPOOL_SEGMENT_HEAD : aside->end_at },
                               .stamp = *aside->now,
                               .is_new = is_new,
                               .sync = true,
                               .head = { .id = aside->id, .made_real_ms = aside->now->real_ms } };
    ret->stamp.previous_at = aside->last_at;
    memcpy(ret->head.boot, aside->spool->config.boot, SPOOL_BOOT_BYTES);
}

/* 0, or an errno. */
static int keep_copy(struct aside *aside, struct batch *batch)
{
    struct spool_result *result = &aside->result;
    struct spool_job job;

    if (aside->copies == NULL)
        return EBADF;
    if (aside->folder_bytes + batch->body_bytes > SPOOL_ASIDE_BYTES)
        return EFBIG;
    fill_copy_job(aside, batch, &job);
    spool_files_do(aside->copies, &job, result);
    if (result->error != 0)
        return result->error;
    aside->last_at = job.place.at;
    aside->end_at = job.place.at + result->bytes;
    aside->folder_bytes += result->bytes;
    spool_name(aside->id, aside->ret->file);
    return 0;
}

/* ---- the spool ---- */

static struct batch *load_next(struct aside *aside)
{
    struct spool_result *result = &aside->result;
    struct spool_job job;
    struct batch *batch;
    uint64_t unused;

    while (spool_plan_read(aside->spool, aside->now, aside->now_ms, &job, &unused)) {
        if (job.kind == SPOOL_LOAD)
            spool_begin_load(aside->spool);
        spool_files_do(aside->files, &job, result);
        if (result->error != 0)
            note_error(aside, result->error);
        if (job.kind == SPOOL_LOAD) {
            batch = spool_loaded(aside->spool, &job, result, aside->now, aside->now_ms);
            body_pool_give(result->pool, result->body);
            result->body = NULL;
            return batch;
        }
        CHECK(job.kind == SPOOL_PEEK); /* nothing is written yet, so there is nothing to seal */
        spool_peeked(aside->spool, &job, result, aside->now_ms);
        if (result->error != 0) /* what comes next is not what was in hand */
            return NULL;
    }
    return NULL;
}

/* Marks it in the spool, then counts it. */
static void finish(struct aside *aside, struct batch *batch, enum flow flow)
{
    struct pins pins = { NULL, NULL };
    struct spool_job job;

    pins_adopt(&pins, batch);
    pins_finish(batch, flow);
    spool_plan_mark(aside->spool, pins_first(&pins)->done, &job);
    spool_files_do(aside->files, &job, &aside->result);
    if (aside->result.error != 0)
        note_error(aside, aside->result.error);
    spool_marked(aside->spool, &job, &aside->result, aside->now_ms);
    pins_count_first(&pins);
}

static void set_one_aside(struct aside *aside, struct batch *batch)
{
    int error;

    if (batch->body == NULL) {
        finish(aside, batch, FLOW_spool_corrupt);
        return;
    }
    error = keep_copy(aside, batch);
    if (error != 0) {
        note_error(aside, error);
        aside->ret->not_kept++;
    }
    aside->ret->batches++;
    aside->ret->events += batch->events;
    aside->ret->bytes += batch->bytes;
    finish(aside, batch, FLOW_quarantine_spool);
}

void spool_set_aside(struct spool *spool, struct spool_files *files, struct spool_disk **folderp,
                     uint64_t batches, const struct spool_stamp *now, int64_t now_ms,
                     struct spool_aside *ret)
{
    struct aside aside = {
        .spool = spool, .files = files, .now = now, .now_ms = now_ms, .ret = ret
    };

    *ret = (struct spool_aside){ .batches = 0 };
    spool->still_aside = batches;
    spool_show_in_hand(spool);
    open_copies(&aside, folderp);
    while (spool->still_aside > 0) {
        struct batch *batch = load_next(&aside);
        if (batch == NULL)
            break;
        set_one_aside(&aside, batch);
    }
    if (spool->still_aside == 0) /* the count begins anew */
        numbers_set(spool->numbers, NUMBER_spool_crashes, 0);
    spool->still_aside = 0;
    spool_show_in_hand(spool);
    spool_result_fini(&aside.result);
    if (aside.copies != NULL)
        spool_files_free(&aside.copies);
}
