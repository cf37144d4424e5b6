/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery/spool_shut.h"

#include <errno.h>
#include <stddef.h>

static int open_none(struct spool_disk *disk, const char *name)
{
    (void)disk;
    (void)name;
    return -EIO;
}

static void close_none(struct spool_disk *disk, int fd)
{
    (void)disk;
    (void)fd;
}

static int64_t size_of_none(struct spool_disk *disk, int fd)
{
    (void)disk;
    (void)fd;
    return -EIO;
}

static int64_t read_none(struct spool_disk *disk, int fd, void *ret, size_t bytes, uint64_t at)
{
    (void)disk;
    (void)fd;
    (void)ret;
    (void)bytes;
    (void)at;
    return -EIO;
}

static int write_none(struct spool_disk *disk, int fd, const struct slice *parts, unsigned count,
                      uint64_t at)
{
    (void)disk;
    (void)fd;
    (void)parts;
    (void)count;
    (void)at;
    return -EIO;
}

static int truncate_none(struct spool_disk *disk, int fd, uint64_t bytes)
{
    (void)disk;
    (void)fd;
    (void)bytes;
    return -EIO;
}

static int sync_none(struct spool_disk *disk, int fd)
{
    (void)disk;
    (void)fd;
    return -EIO;
}

static int sync_no_folder(struct spool_disk *disk)
{
    (void)disk;
    return -EIO;
}

static int list_none(struct spool_disk *disk, void (*take)(void *context, const char *name),
                     void *context)
{
    (void)disk;
    (void)take;
    (void)context;
    return -EIO;
}

static int find_no_room(struct spool_disk *disk, uint64_t *ret)
{
    (void)disk;
    (void)ret;
    return -EIO;
}

static void forget(struct spool_disk **diskp)
{
    *diskp = NULL;
}

struct spool_disk *spool_shut(void)
{
    static struct spool_disk disk = { .create = open_none,
                                      .open = open_none,
                                      .close = close_none,
                                      .size = size_of_none,
                                      .read = read_none,
                                      .write = write_none,
                                      .truncate = truncate_none,
                                      .sync = sync_none,
                                      .sync_folder = sync_no_folder,
                                      .remove = open_none,
                                      .list = list_none,
                                      .free_bytes = find_no_room,
                                      .free = forget };

    return &disk;
}
