/* SPDX-License-Identifier: Apache-2.0 */
#include "base/disk.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/ending.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/wake.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { SYNC_EVERY_MS = 1000 };

enum in_place {
    IN_PLACE_FOUND, /* what a start before left there, or a failure: synced or not */
    IN_PLACE_WRITTEN,
    IN_PLACE_SYNCED
};

struct disk_file {
    char path[PATH_MAX];
    struct disk *disk;
    struct disk_file *next;
    _Atomic uint64_t errors;
    /* disk thread only */
    bool is_failing;
    enum in_place in_place;
    int64_t next_sync_ms;
    /* under the disk's lock */
    void (*on_error)(void *context);
    void *context;
    struct buf pending;
    bool has_pending, is_writing, is_used;
};

struct disk {
    struct lock lock;
    struct wake wake, written;
    struct disk_file *files; /* under lock; grows at its head, and none is taken out */
    _Atomic bool stopping, is_left;
    pthread_t thread;
    struct ending ending;
};

/* Left behind: what it would do now is nobody's wish any more. Until the process ends. */
static void stand_if_left(const struct disk *disk)
{
    while (atomic_load(&disk->is_left))
        (void)pause();
}

static void conclude(struct disk_file *file, bool ok, const struct err *err)
{
    stand_if_left(file->disk);
    if (!ok) {
        atomic_fetch_add(&file->errors, 1);
        file->in_place = IN_PLACE_FOUND; /* whatever it is now; the next content is the next try */
    }
    if (!ok && !file->is_failing)
        LOG(LOG_ERROR, "cannot save", LS("path", file->path), LS("error", err->text),
            LS("effect", "shipping goes on; after a crash more is read again"));
    if (ok && file->is_failing)
        LOG(LOG_INFO, "saved again", LS("path", file->path),
            LU("failed_writes", atomic_load(&file->errors)));
    file->is_failing = !ok;
    lock_take(&file->disk->lock);
    if (!ok && file->on_error != NULL)
        file->on_error(file->context);
    lock_drop(&file->disk->lock);
}

static bool sync_file(struct disk_file *file, int64_t now_ms, struct err *err)
{
    file->next_sync_ms = now_ms + SYNC_EVERY_MS;
    if (!file_sync(file->path, err))
        return false;
    file->in_place = IN_PLACE_SYNCED;
    return true;
}

static void write_file(struct disk_file *file, struct slice content)
{
    struct err err = { "" };
    int64_t now_ms = clock_now_ms();

    if (file->in_place == IN_PLACE_FOUND && file_sync(file->path, &err))
        file->in_place = IN_PLACE_SYNCED;
    bool ok = file_place(file->path, content, file->in_place == IN_PLACE_SYNCED, &err);
    if (ok) {
        file->in_place = IN_PLACE_WRITTEN;
        if (now_ms < file->next_sync_ms || atomic_load(&file->disk->stopping))
            return; /* whether it is saved is told by the sync */
        ok = sync_file(file, now_ms, &err);
    }
    conclude(file, ok, &err);
}

/* Returns the milliseconds until the next sync is due; -1: none is. */
static int64_t sync_due(struct disk *disk, bool stopping)
{
    int64_t now_ms = clock_now_ms(), next_ms = -1;

    lock_take(&disk->lock); /* files are added at the head meanwhile, and none is taken out */
    struct disk_file *first = disk->files;
    lock_drop(&disk->lock);
    for (struct disk_file *file = first; file != NULL; file = file->next) {
        struct err err = { "" };
        if (file->in_place != IN_PLACE_WRITTEN)
            continue;
        if (stopping || now_ms >= file->next_sync_ms)
            conclude(file, sync_file(file, now_ms, &err), &err);
        int64_t left_ms = file->next_sync_ms - now_ms;
        if (file->in_place == IN_PLACE_WRITTEN && (next_ms < 0 || left_ms < next_ms))
            next_ms = left_ms;
    }
    return next_ms;
}

static bool write_next(struct disk *disk)
{
    struct disk_file *found = NULL;
    struct buf content = { 0 };

    lock_take(&disk->lock);
    for (struct disk_file *file = disk->files; file != NULL && found == NULL; file = file->next) {
        if (file->has_pending)
            found = file;
    }
    if (found != NULL) {
        content = found->pending;
        found->pending = (struct buf){ 0 };
        found->has_pending = false;
        found->is_writing = true;
    }
    lock_drop(&disk->lock);
    if (found == NULL)
        return false;
    write_file(found, buf_slice(&content));
    stand_if_left(disk);
    buf_fini(&content);
    lock_take(&disk->lock);
    found->is_writing = false;
    lock_drop(&disk->lock);
    wake_bump(&disk->written);
    return true;
}

static void *run_disk(void *context)
{
    struct disk *disk = context;
    bool stopping = false;

    while (!stopping) {
        uint32_t seen = wake_read(&disk->wake);
        stopping = atomic_load(&disk->stopping);
        while (write_next(disk))
            continue;
        int64_t wait_ms = sync_due(disk, stopping);
        if (!stopping)
            wake_wait(&disk->wake, seen, wait_ms);
    }
    ending_tell(&disk->ending);
    return NULL;
}

struct disk *disk_start(struct err *err)
{
    struct disk *disk = calloc(1, sizeof(*disk));
    if (disk == NULL) {
        (void)err_set(err, "out of memory");
        return NULL;
    }
    lock_init(&disk->lock, "disk");
    if (!thread_start(&disk->thread, "disk", run_disk, disk, err)) {
        lock_fini(&disk->lock);
        free(disk);
        return NULL;
    }
    return disk;
}

/* One of this path that was let go; NULL: there is none. */
static struct disk_file *take_again(struct disk *disk, const char *path,
                                    void (*on_error)(void *context), void *context)
{
    lock_take(&disk->lock);
    struct disk_file *file = disk->files;
    while (file != NULL && (file->is_used || strcmp(file->path, path) != 0))
        file = file->next;
    if (file != NULL) {
        file->on_error = on_error;
        file->context = context;
        file->is_used = true;
    }
    lock_drop(&disk->lock);
    return file;
}

struct disk_file *disk_file_new(struct disk *disk, const char *path,
                                void (*on_error)(void *context), void *context)
{
    struct disk_file *file = take_again(disk, path, on_error, context);
    size_t length = strlen(path);

    if (file != NULL)
        return file;
    file = calloc(1, sizeof(*file));
    if (file == NULL || length >= sizeof(file->path)) {
        free(file);
        return NULL;
    }
    memcpy(file->path, path, length + 1);
    file->on_error = on_error;
    file->context = context;
    file->disk = disk;
    file->is_used = true;
    lock_take(&disk->lock);
    file->next = disk->files;
    disk->files = file;
    lock_drop(&disk->lock);
    return file;
}

void disk_file_put(struct disk_file *file, struct buf *content)
{
    struct buf old;

    lock_take(&file->disk->lock);
    old = file->pending;
    file->pending = *content;
    file->has_pending = true;
    lock_drop(&file->disk->lock);
    *content = (struct buf){ 0 };
    buf_fini(&old);
    wake_bump(&file->disk->wake);
}

void disk_file_mute(struct disk_file *file)
{
    lock_take(&file->disk->lock);
    file->on_error = NULL;
    file->is_used = false;
    lock_drop(&file->disk->lock);
}

bool disk_file_await(struct disk_file *file, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_now_ms() + timeout_ms;

    for (;;) {
        uint32_t seen = wake_read(&file->disk->written);
        lock_take(&file->disk->lock);
        bool is_done = !file->has_pending && !file->is_writing;
        lock_drop(&file->disk->lock);
        int64_t left_ms = deadline_ms - clock_now_ms();
        if (is_done || left_ms <= 0)
            return is_done;
        wake_wait(&file->disk->written, seen, left_ms);
    }
}

uint64_t disk_file_errors(const struct disk_file *file)
{
    return atomic_load(&file->errors);
}

static void leave_behind(struct disk *disk)
{
    const char *path = ""; /* of none: it is in a sync */

    atomic_store(&disk->is_left, true);
    lock_take(&disk->lock);
    for (struct disk_file *file = disk->files; file != NULL; file = file->next) {
        if (file->is_writing)
            path = file->path;
    }
    lock_drop(&disk->lock);
    LOG(LOG_ERROR, "the disk of state_dir does not answer, ending without it", LS("path", path),
        LS("effect", "what was not saved is read again, and after a reboot the books are older"));
}

bool disk_stop(struct disk **diskp, int64_t deadline_ms)
{
    struct disk *disk = *diskp;
    *diskp = NULL;
    if (disk == NULL)
        return true;
    atomic_store(&disk->stopping, true);
    wake_bump(&disk->wake);
    if (!ending_await(&disk->ending, deadline_ms)) {
        leave_behind(disk);
        return false;
    }
    CHECK(pthread_join(disk->thread, NULL) == 0);
    for (struct disk_file *file = disk->files; file != NULL;) {
        struct disk_file *next = file->next;
        buf_fini(&file->pending);
        free(file);
        file = next;
    }
    lock_fini(&disk->lock);
    free(disk);
    return true;
}
