/* SPDX-License-Identifier: Apache-2.0 */
/* spool_files: one function for each kind of job. */
#include "delivery/spool_files.h"

#include "base/auto.h"
#include "base/check.h"
#include "delivery/spool_bytes.h"
#include "delivery/spool_segment.h"

#include <errno.h>
#include <stdlib.h>

/* ---- writing ---- */

static int sync_written(struct spool_files *files, int fd)
{
    int failed = files->disk->sync(files->disk, fd);

    if (failed == 0 && files->is_folder_dirty)
        failed = files->disk->sync_folder(files->disk);
    if (failed == 0)
        files->is_folder_dirty = false;
    return failed;
}

static int write_head(struct spool_files *files, int fd, const struct spool_job *job)
{
    unsigned char head[SPOOL_SEGMENT_HEAD];
    struct slice part = { (const char *)head, sizeof(head) };

    spool_write_segment_head(&job->head, head);
    files->is_folder_dirty = true;
    return files->disk->write(files->disk, fd, &part, 1, 0);
}

static int append_record(struct spool_files *files, int fd, const struct spool_job *job,
                         uint64_t *ret_bytes)
{
    static const char zeros[8];
    const struct batch *batch = job->batch;
    int failed;

    buf_clear(&files->buf);
    if (!spool_write_record_head(batch, &job->stamp, &files->buf))
        return -ENOMEM;
    struct slice parts[] = { buf_slice(&files->buf),
                             { batch->body, batch->body_bytes },
                             { zeros, spool_padded(batch->body_bytes) - batch->body_bytes } };
    failed = files->disk->write(files->disk, fd, parts, 3, job->place.at);
    if (failed == 0 && job->sync)
        failed = sync_written(files, fd);
    *ret_bytes = parts[0].bytes + parts[1].bytes + parts[2].bytes;
    return failed;
}

static int do_remove(struct spool_files *files, const struct spool_job *job)
{
    char name[SPOOL_NAME_BYTES];

    spool_close_segment(files, job->place.segment);
    if (files->window_id == job->place.segment)
        spool_forget_window(files);
    spool_name(job->place.segment, name);
    return files->disk->remove(files->disk, name);
}

/* What was written there and behind it: half a record, or one that could not be synced. */
static int take_back(struct spool_files *files, const struct spool_job *job, bool is_new)
{
    int fd;

    if (is_new)
        return do_remove(files, job);
    fd = spool_open_segment(files, job->place.segment, false);
    return fd < 0 ? fd : files->disk->truncate(files->disk, fd, job->place.at);
}

static int do_write(struct spool_files *files, const struct spool_job *job,
                    struct spool_result *ret)
{
    int fd = spool_open_segment(files, job->place.segment, job->is_new);
    int failed = 0;

    if (fd < 0)
        return fd;
    if (files->window_id == job->place.segment)
        spool_forget_window(files);
    if (job->is_new)
        failed = write_head(files, fd, job);
    if (failed == 0)
        failed = append_record(files, fd, job, &ret->bytes);
    if (failed != 0)
        ret->is_left = take_back(files, job, job->is_new) != 0;
    return failed;
}

static int do_seal(struct spool_files *files, const struct spool_job *job, struct spool_result *ret)
{
    int fd = spool_open_segment(files, job->place.segment, false);
    int failed;

    if (fd < 0)
        return fd;
    buf_clear(&files->buf);
    if (!spool_write_sum(&job->sum, job->place.at, &files->buf))
        return -ENOMEM;
    struct slice part = buf_slice(&files->buf);
    failed = files->disk->write(files->disk, fd, &part, 1, job->place.at);
    if (failed == 0 && job->sync)
        failed = sync_written(files, fd);
    ret->bytes = part.bytes;
    if (failed != 0)
        ret->is_left = take_back(files, job, false) != 0;
    return failed;
}

static int do_sync(struct spool_files *files, const struct spool_job *job)
{
    int fd;

    if (job->place.segment == 0) /* it was synced when it was sealed, or is gone */
        return 0;
    fd = spool_open_segment(files, job->place.segment, false);
    return fd < 0 ? fd : sync_written(files, fd);
}

static int write_word(struct spool_files *files, int fd, uint64_t at)
{
    unsigned char word[4];
    struct slice part = { (const char *)word, sizeof(word) };

    put_u32(word, SPOOL_DONE);
    return files->disk->write(files->disk, fd, &part, 1, at);
}

/* First that there are marks, then the mark. */
static int do_mark(struct spool_files *files, const struct spool_job *job)
{
    int fd = spool_open_segment(files, job->place.segment, false);
    int failed = 0;

    if (fd < 0)
        return fd;
    if (job->touch)
        failed = write_word(files, fd, SPOOL_TOUCHED_AT);
    return failed != 0 ? failed : write_word(files, fd, job->place.at + SPOOL_MARK_AT);
}

/* ---- reading ---- */

static bool keep_head(const struct spool_files *files, const struct spool_record *record,
                      uint64_t at, struct spool_result *ret)
{
    return buf_add(&ret->head, files->window + (at - files->window_at), record->head_bytes);
}

static int do_peek(struct spool_files *files, const struct spool_job *job, struct spool_result *ret)
{
    struct spool_record record;
    int failed = spool_find_record(files, job->place.segment, job->place.at, job->stop_at,
                                   &ret->found, &ret->place.at, &record);

    ret->place.segment = job->place.segment;
    if (failed != 0 || ret->found != SPOOL_READ)
        return failed;
    return keep_head(files, &record, ret->place.at, ret) ? 0 : -ENOMEM;
}

static char *take_body(struct spool_files *files, size_t bytes)
{
    return files->bodies != NULL ? body_pool_take(files->bodies, bytes) : malloc(bytes);
}

/* A body that is not there in full is damaged, like one with the wrong checksum. */
static int do_load(struct spool_files *files, const struct spool_job *job, struct spool_result *ret)
{
    struct spool_record record;
    int64_t got;
    int failed = do_peek(files, job, ret), fd;

    if (failed != 0 || ret->found != SPOOL_READ)
        return failed;
    if (spool_read_record_head(buf_slice(&ret->head), &record, &(size_t){ 0 }) != SPOOL_READ)
        return -EIO;
    ret->body = take_body(files, record.body_bytes + 1);
    fd = spool_open_segment(files, job->place.segment, false);
    if (ret->body == NULL || fd < 0)
        return ret->body == NULL ? -ENOMEM : fd;
    ret->pool = files->bodies;
    got = files->disk->read(files->disk, fd, ret->body, record.body_bytes,
                            job->place.at + record.head_bytes);
    if (got < 0)
        return (int)got;
    if ((uint64_t)got != record.body_bytes || !spool_body_is_whole(&record, ret->body))
        ret->found = SPOOL_DAMAGED;
    return 0;
}

/* ---- after a sync that failed ---- */

static int rewrite_record(struct spool_files *files, int fd, const struct spool_record *record,
                          uint64_t at)
{
    size_t bytes = (size_t)spool_record_bytes(record);
    AUTO(auto_free) char *text = malloc(bytes);
    int64_t got = text == NULL ? -ENOMEM : files->disk->read(files->disk, fd, text, bytes, at);
    struct slice part = { text, bytes };

    if (got < 0)
        return (int)got;
    if ((uint64_t)got != bytes) /* its end is not there any more: told when it is read */
        return 0;
    return files->disk->write(files->disk, fd, &part, 1, at);
}

static int rewrite_head(struct spool_files *files, int fd)
{
    char head[SPOOL_SEGMENT_HEAD];
    int64_t got = files->disk->read(files->disk, fd, head, sizeof(head), 0);
    struct slice part = { head, sizeof(head) };

    if (got < 0)
        return (int)got;
    return got != sizeof(head) ? -EIO : files->disk->write(files->disk, fd, &part, 1, 0);
}

/* What cannot be read any more was lost: whoever reads it to send it says so. */
static int do_rewrite(struct spool_files *files, const struct spool_job *job)
{
    int fd = spool_open_segment(files, job->place.segment, false);
    uint64_t at = SPOOL_SEGMENT_HEAD;
    struct spool_record record;
    enum spool_read found;
    int failed = fd < 0 ? fd : rewrite_head(files, fd);

    spool_forget_window(files);
    while (failed == 0 && at < job->stop_at) {
        failed =
            spool_find_record(files, job->place.segment, at, job->stop_at, &found, &at, &record);
        if (failed != 0 || found != SPOOL_READ)
            break;
        failed = rewrite_record(files, fd, &record, at);
        at += spool_record_bytes(&record);
    }
    return failed != 0 ? failed : sync_written(files, fd);
}

/* ---- all ---- */

void spool_result_fini(struct spool_result *result)
{
    buf_fini(&result->head);
    body_pool_give(result->pool, result->body);
    result->body = NULL;
}

static int do_job(struct spool_files *files, const struct spool_job *job, struct spool_result *ret)
{
    switch (job->kind) {
    case SPOOL_WRITE:
        return do_write(files, job, ret);
    case SPOOL_SEAL:
        return do_seal(files, job, ret);
    case SPOOL_PEEK:
        return do_peek(files, job, ret);
    case SPOOL_LOAD:
        return do_load(files, job, ret);
    case SPOOL_MARK:
        return do_mark(files, job);
    case SPOOL_REMOVE:
        return do_remove(files, job);
    case SPOOL_SYNC:
        return do_sync(files, job);
    case SPOOL_UNDO:
        return take_back(files, job, job->place.at == SPOOL_ALL_OF_IT);
    case SPOOL_REWRITE:
        return do_rewrite(files, job);
    case SPOOL_LOOK:
        return files->disk->free_bytes(files->disk, &ret->bytes);
    }
    return -EINVAL;
}

void spool_files_do(struct spool_files *files, const struct spool_job *job,
                    struct spool_result *ret)
{
    CHECK(ret->body == NULL);
    buf_clear(&ret->head);
    ret->is_left = false;
    ret->bytes = 0;
    ret->found = SPOOL_DAMAGED;
    ret->error = -do_job(files, job, ret);
    CHECK(ret->error >= 0);
}
