/* SPDX-License-Identifier: Apache-2.0 */
/* host_disk: the folder of a spool, in memory. It outlives the agent: a crash keeps what was
 * written. It can be full, and its calls can fail. A write that fails leaves some of its bytes, but
 * none of a single word; all of them are there when it is the sync that fails. What is in memory
 * of the kernel and what is on the plates are kept apart, by sectors: a power loss takes any of
 * the former, and after a sync that failed some of it counts as written and never will be. Names
 * that are new or gone are as unsafe until the folder is synced. */
#include "host.h"

#include "delivery/spool_format.h"

#include <errno.h>
#include <stdlib.h>

enum { SECTOR = 512, SETTLE_PERCENT = 4 };

static struct sim_disk *self(struct spool_disk *disk)
{
    return (struct sim_disk *)(void *)disk;
}

static bool fails(struct sim_disk *disk)
{
    struct sim *host = disk->host;
    unsigned sickness = disk->is_scanned ? disk->scan_sickness : host->disk_sickness;

    return sickness > 0 && percent(host, sickness);
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

/* ---- memory and plates ---- */

static size_t sectors_of(size_t bytes)
{
    return (bytes + SECTOR - 1) / SECTOR;
}

static void make_room(struct sim_file *file, size_t bytes)
{
    size_t room = sectors_of(2 * bytes) * SECTOR;

    if (bytes <= file->room)
        return;
    struct sim *before = memory_is_for(NULL);
    file->data = realloc(file->data, room);
    file->kept = realloc(file->kept, room);
    file->is_dirty = realloc(file->is_dirty, room / SECTOR);
    CHECK(file->data != NULL && file->kept != NULL && file->is_dirty != NULL);
    (void)memory_is_for(before);
    memset(file->is_dirty + file->room / SECTOR, 0, (room - file->room) / SECTOR);
    memset(file->kept + file->room, 0, room - file->room);
    file->room = room;
}

static void keep_sector(struct sim_file *file, size_t sector)
{
    size_t at = sector * SECTOR, bytes = SECTOR;

    if (at >= file->bytes)
        return;
    if (bytes > file->bytes - at)
        bytes = file->bytes - at;
    memcpy(file->kept + at, file->data + at, bytes);
}

static void write_back(struct sim_file *file)
{
    for (size_t i = 0; i < sectors_of(file->bytes); i++) {
        if (file->is_dirty[i])
            keep_sector(file, i);
        file->is_dirty[i] = false;
    }
    file->kept_bytes = file->bytes;
}

/* What the kernel could not write counts as written from then on. */
static void lose_some(struct sim *host, struct sim_file *file)
{
    for (size_t i = 0; i < sectors_of(file->bytes); i++) {
        if (file->is_dirty[i] && percent(host, 50))
            file->is_dirty[i] = false;
    }
}

static void settle_names(struct sim_disk *disk)
{
    for (unsigned i = 0; i < DISK_FILES; i++) {
        disk->files[i].is_named = disk->files[i].name[0] != '\0';
        disk->files[i].ghost[0] = '\0';
    }
}

bool disk_is_kept(const struct sim_file *file, uint64_t at, uint64_t end)
{
    return file->is_named && file->kept_bytes >= end &&
           memcmp(file->data, file->kept, SPOOL_TOUCHED_AT) == 0 &&
           memcmp(file->data + at, file->kept + at, SPOOL_MARK_AT) == 0 &&
           memcmp(file->data + at + SPOOL_MARK_AT + 4, file->kept + at + SPOOL_MARK_AT + 4,
                  end - at - SPOOL_MARK_AT - 4) == 0;
}

/* ---- calls ---- */

static struct sim_file *find_free(struct sim_disk *disk)
{
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < DISK_FILES; i++) {
            if (disk->files[i].name[0] == '\0' && disk->files[i].ghost[0] == '\0')
                return &disk->files[i];
        }
        settle_names(disk);
    }
    host_fail(disk->host, "more than %d segments", (int)DISK_FILES);
}

static int disk_create(struct spool_disk *table, const char *name)
{
    struct sim_disk *disk = self(table);
    struct sim_file *file;

    if (fails(disk))
        return -EIO;
    if (disk_find(disk, name) != NULL)
        host_fail(disk->host, "a segment that is there is made anew: %s", name);
    for (unsigned i = 0; i < DISK_FILES; i++) {
        if (strcmp(disk->files[i].ghost, name) == 0)
            disk->files[i].ghost[0] = '\0';
    }
    file = find_free(disk);
    (void)snprintf(file->name, sizeof(file->name), "%s", name);
    file->bytes = file->kept_bytes = 0;
    file->is_named = false;
    memset(file->hidden, 0, sizeof(file->hidden));
    if (file->room > 0)
        memset(file->is_dirty, 0, file->room / SECTOR);
    return (int)(file - disk->files);
}

static int disk_open(struct spool_disk *table, const char *name)
{
    struct sim_disk *disk = self(table);
    const struct sim_file *file = disk_find(disk, name);

    if (fails(disk))
        return percent(disk->host, 50) ? -EIO : -EACCES;
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
    size_t from = at < file->bytes ? at : file->bytes;

    make_room(file, at + bytes);
    if (at > file->bytes)
        memset(file->data + file->bytes, 0, at - file->bytes);
    memcpy(file->data + at, data, bytes);
    if (at + bytes > file->bytes)
        file->bytes = at + bytes;
    for (size_t i = from / SECTOR; i < sectors_of(at + bytes); i++)
        file->is_dirty[i] = true;
}

static int disk_write(struct spool_disk *table, int fd, const struct slice *parts, unsigned count,
                      uint64_t at)
{
    struct sim_disk *disk = self(table);
    struct sim_file *file = &disk->files[fd];
    bool is_broken = fails(disk), is_mark;
    uint64_t left = 0;

    if (percent(disk->host, SETTLE_PERCENT)) /* the kernel does so by itself */
        settle_names(disk);
    for (unsigned i = 0; i < count; i++)
        left += parts[i].bytes;
    is_mark = at + left <= file->bytes && left == 4;
    bool is_full = disk->host->disk_is_full && at + left > file->bytes;
    if (is_broken || is_full)
        left = is_mark ? 0 : random_below(&disk->host->random, left);
    for (unsigned i = 0; i < count && left > 0; i++) {
        size_t part = parts[i].bytes < left ? parts[i].bytes : (size_t)left;
        if (part > 0)
            put(file, parts[i].data, part, at);
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

    if (fails(disk)) {
        lose_some(disk->host, &disk->files[fd]);
        return -EIO;
    }
    write_back(&disk->files[fd]);
    return 0;
}

static int disk_sync_folder(struct spool_disk *table)
{
    struct sim_disk *disk = self(table);

    if (fails(disk))
        return -EIO;
    settle_names(disk);
    return 0;
}

static int disk_remove(struct spool_disk *table, const char *name)
{
    struct sim_disk *disk = self(table);
    struct sim_file *file = disk_find(disk, name);

    if (fails(disk) || (disk->is_scanned && percent(disk->host, disk->host->disk_sickness)))
        return -EIO;
    if (file == NULL)
        return -ENOENT;
    if (file->is_named)
        (void)snprintf(file->ghost, sizeof(file->ghost), "%s", name);
    file->name[0] = '\0';
    return 0;
}

/* A folder that fails in the middle of it has told some names. */
static int disk_list(struct spool_disk *table, void (*take)(void *context, const char *name),
                     void *context)
{
    struct sim_disk *disk = self(table);
    bool is_broken = fails(disk);

    for (unsigned i = DISK_FILES; i > 0; i--) {
        if (disk->files[i - 1].name[0] != '\0' && (!is_broken || percent(disk->host, 50)))
            take(context, disk->files[i - 1].name);
    }
    return is_broken ? -EIO : 0;
}

static int disk_free_bytes(struct spool_disk *table, uint64_t *ret)
{
    struct sim_disk *disk = self(table);
    uint64_t used = disk_used(disk);

    if (fails(disk))
        return -EIO;
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
    for (unsigned i = 0; i < DISK_FILES; i++) {
        free(disk->files[i].data);
        free(disk->files[i].kept);
        free(disk->files[i].is_dirty);
    }
}

/* ---- what happens to it ---- */

/* Of what was not synced: nothing is left, or all, or any sector of it; or some up to a point. */
static void lose_file(struct sim *host, struct sim_file *file)
{
    size_t low = file->kept_bytes < file->bytes ? file->kept_bytes : file->bytes;
    size_t high = file->kept_bytes < file->bytes ? file->bytes : file->kept_bytes;
    unsigned chance = (unsigned[]){ 0, 50, 95, 100 }[between(host, 0, 3)];
    size_t bytes = chance == 0     ? file->kept_bytes
                   : chance == 100 ? file->bytes
                                   : between(host, low, high);
    size_t stop =
        percent(host, 40) ? between(host, 0, sectors_of(file->bytes)) : sectors_of(file->bytes);

    if (file->kept_bytes < bytes) /* longer than what was written of it: zeros */
        memset(file->kept + file->kept_bytes, 0, bytes - file->kept_bytes);
    for (size_t i = 0; i < stop; i++) {
        if (file->is_dirty[i] && percent(host, chance))
            keep_sector(file, i);
    }
    if (bytes > 0)
        memcpy(file->data, file->kept, bytes);
    file->bytes = file->kept_bytes = bytes;
    if (file->room > 0)
        memset(file->is_dirty, 0, file->room / SECTOR);
}

void disk_lose_power(struct sim_disk *disk)
{
    struct sim *host = disk->host;

    for (unsigned i = 0; i < DISK_FILES; i++) {
        struct sim_file *file = &disk->files[i];
        if (file->ghost[0] != '\0' && disk_find(disk, file->ghost) == NULL && percent(host, 50))
            (void)snprintf(file->name, sizeof(file->name), "%s", file->ghost);
        else if (file->name[0] != '\0' && !file->is_named && percent(host, 50))
            file->name[0] = '\0';
        if (file->name[0] != '\0')
            lose_file(host, file);
    }
    settle_names(disk);
}

void disk_flip_bit(struct sim_file *file, uint64_t at, unsigned bit)
{
    file->data[at] ^= (char)(1U << bit);
    file->kept[at] ^= (char)(1U << bit);
}
