/* SPDX-License-Identifier: Apache-2.0 */
/* host_disk: the folder of a spool, in memory. It outlives the agent: a crash keeps what was
 * written. It can be full, and its calls can fail. A write that fails leaves some of its bytes, but
 * none of a single word; all of them are there when it is the sync that fails. What was synced is
 * known, so that a promise that came too early is seen. */
#include "host.h"

#include <errno.h>
#include <stdlib.h>

static struct sim_disk *self(struct spool_disk *disk)
{
    return (struct sim_disk *)(void *)disk;
}

static bool fails(struct sim_disk *disk)
{
    struct sim *host = disk->host;

    return host->disk_sickness > 0 && !disk->is_scanned && percent(host, host->disk_sickness);
}

struct sim_file *disk_find(struct sim_disk *disk, const char *name)
{
    for (unsigned i = 0; i < DISK_FILES; i++) {
        if (strcmp(disk->files[i].name, name) == 0)
            return &disk->files[i];
    }
    return NULL;
}

uint64_t disk_used(const struct sim_disk *disk)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < DISK_FILES; i++)
        used += disk->files[i].name[0] == '\0' ? 0 : disk->files[i].bytes;
    return used;
}

static int disk_create(struct spool_disk *table, const char *name)
{
    struct sim_disk *disk = self(table);
    struct sim_file *file = disk_find(disk, "");

    if (fails(disk))
        return -EIO;
    if (disk_find(disk, name) != NULL)
        host_fail(disk->host, "a segment that is there is made anew: %s", name);
    if (file == NULL)
        host_fail(disk->host, "more than %d segments", (int)DISK_FILES);
    (void)snprintf(file->name, sizeof(file->name), "%s", name);
    file->bytes = file->synced_bytes = 0;
    return (int)(file - disk->files);
}

static int disk_open(struct spool_disk *table, const char *name)
{
    struct sim_disk *disk = self(table);
    const struct sim_file *file = disk_find(disk, name);

    if (fails(disk))
        return -EIO;
    return file == NULL ? -ENOENT : (int)(file - disk->files);
}

static void disk_close(struct spool_disk *table, int fd)
{
    (void)table;
    (void)fd;
}

static int64_t disk_size(struct spool_disk *table, int fd)
{
    return (int64_t)self(table)->files[fd].bytes;
}

static int64_t disk_read(struct spool_disk *table, int fd, void *ret, size_t bytes, uint64_t at)
{
    struct sim_disk *disk = self(table);
    const struct sim_file *file = &disk->files[fd];

    if (fails(disk))
        return -EIO;
    if (at >= file->bytes)
        return 0;
    if (bytes > file->bytes - at)
        bytes = file->bytes - at;
    memcpy(ret, file->data + at, bytes);
    return (int64_t)bytes;
}

static void put(struct sim_file *file, const char *data, size_t bytes, uint64_t at)
{
    if (at + bytes > file->room) {
        file->room = 2 * (at + bytes);
        file->data = realloc(file->data, file->room);
        CHECK(file->data != NULL);
    }
    if (at > file->bytes)
        memset(file->data + file->bytes, 0, at - file->bytes);
    memcpy(file->data + at, data, bytes);
    if (at + bytes > file->bytes)
        file->bytes = at + bytes;
    if (file->synced_bytes > at)
        file->synced_bytes = at;
}

static int disk_write(struct spool_disk *table, int fd, const struct slice *parts, unsigned count,
                      uint64_t at)
{
    struct sim_disk *disk = self(table);
    struct sim_file *file = &disk->files[fd];
    bool is_broken = fails(disk), is_mark;
    uint64_t left = 0;

    for (unsigned i = 0; i < count; i++)
        left += parts[i].bytes;
    is_mark = at + left <= file->bytes && left == 4;
    bool is_full = disk->host->disk_is_full && at + left > file->bytes;
    if (is_broken || is_full)
        left = is_mark ? 0 : random_below(&disk->host->random, left);
    for (unsigned i = 0; i < count && left > 0; i++) {
        size_t part = parts[i].bytes < left ? parts[i].bytes : (size_t)left;
        uint64_t synced_bytes = file->synced_bytes;
        if (part > 0)
            put(file, parts[i].data, part, at);
        if (is_mark)
            file->synced_bytes = synced_bytes; /* no one waits for the sync of a mark */
        at += part;
        left -= part;
    }
    return is_broken ? -EIO : is_full ? -ENOSPC : 0;
}

static int disk_truncate(struct spool_disk *table, int fd, uint64_t bytes)
{
    struct sim_disk *disk = self(table);
    struct sim_file *file = &disk->files[fd];

    if (fails(disk))
        return -EIO;
    if (bytes < file->bytes)
        file->bytes = bytes;
    return 0;
}

static int disk_sync(struct spool_disk *table, int fd)
{
    struct sim_disk *disk = self(table);

    if (fails(disk))
        return -EIO;
    disk->files[fd].synced_bytes = disk->files[fd].bytes;
    return 0;
}

static int disk_sync_folder(struct spool_disk *table)
{
    return fails(self(table)) ? -EIO : 0;
}

static int disk_remove(struct spool_disk *table, const char *name)
{
    struct sim_disk *disk = self(table);
    struct sim_file *file = disk_find(disk, name);

    if (fails(disk) || (disk->is_scanned && percent(disk->host, disk->host->disk_sickness)))
        return -EIO;
    if (file == NULL)
        return -ENOENT;
    file->name[0] = '\0';
    return 0;
}

static int disk_list(struct spool_disk *table, void (*take)(void *context, const char *name),
                     void *context)
{
    const struct sim_disk *disk = self(table);

    for (unsigned i = DISK_FILES; i > 0; i--) {
        if (disk->files[i - 1].name[0] != '\0')
            take(context, disk->files[i - 1].name);
    }
    return 0;
}

static int disk_free_bytes(struct spool_disk *table, uint64_t *ret)
{
    const struct sim_disk *disk = self(table);
    uint64_t used = disk_used(disk);

    *ret = disk->host->disk_is_full || used > disk->capacity ? 0 : disk->capacity - used;
    return 0;
}

static void disk_keep(struct spool_disk **diskp)
{
    *diskp = NULL;
}

void disk_make(struct sim_disk *disk)
{
    disk->disk = (struct spool_disk){ disk_create,      disk_open,   disk_close,    disk_size,
                                      disk_read,        disk_write,  disk_truncate, disk_sync,
                                      disk_sync_folder, disk_remove, disk_list,     disk_free_bytes,
                                      disk_keep };
}

void disk_end(struct sim_disk *disk)
{
    for (unsigned i = 0; i < DISK_FILES; i++)
        free(disk->files[i].data);
}
