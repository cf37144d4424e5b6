/* SPDX-License-Identifier: Apache-2.0 */
/* spool_join: descriptors are the real ones of either folder, so only what takes a name, or is of a
 * folder, has to choose. */
#include "delivery/spool_join.h"

#include "delivery/spool_segment.h"

#include <errno.h>
#include <stdlib.h>

struct join {
    struct spool_disk disk;
    struct spool_disk *first, *second; /* second NULL: it had nothing more */
};

static struct join *join_of(struct spool_disk *disk)
{
    return (struct join *)(void *)disk;
}

static int create_file(struct spool_disk *disk, const char *name)
{
    struct spool_disk *first = join_of(disk)->first;

    return first->create(first, name);
}

static int open_file(struct spool_disk *disk, const char *name)
{
    const struct join *join = join_of(disk);
    int fd = join->first->open(join->first, name);

    return fd == -ENOENT && join->second != NULL ? join->second->open(join->second, name) : fd;
}

static void close_file(struct spool_disk *disk, int fd)
{
    struct spool_disk *first = join_of(disk)->first;

    first->close(first, fd);
}

static int64_t size_of_file(struct spool_disk *disk, int fd)
{
    struct spool_disk *first = join_of(disk)->first;

    return first->size(first, fd);
}

static int64_t read_file(struct spool_disk *disk, int fd, void *ret, size_t bytes, uint64_t at)
{
    struct spool_disk *first = join_of(disk)->first;

    return first->read(first, fd, ret, bytes, at);
}

static int write_file(struct spool_disk *disk, int fd, const struct slice *parts, unsigned count,
                      uint64_t at)
{
    struct spool_disk *first = join_of(disk)->first;

    return first->write(first, fd, parts, count, at);
}

static int truncate_file(struct spool_disk *disk, int fd, uint64_t bytes)
{
    struct spool_disk *first = join_of(disk)->first;

    return first->truncate(first, fd, bytes);
}

static int sync_file(struct spool_disk *disk, int fd)
{
    struct spool_disk *first = join_of(disk)->first;

    return first->sync(first, fd);
}

/* A name that was made before the move may not be synced yet. */
static int sync_folder(struct spool_disk *disk)
{
    const struct join *join = join_of(disk);
    int failed = join->first->sync_folder(join->first);

    return failed != 0 || join->second == NULL ? failed : join->second->sync_folder(join->second);
}

static void note_segment(void *context, const char *name)
{
    uint64_t id;

    *(bool *)context |= spool_name_is_ours(name, &id);
}

bool spool_has_segments(struct spool_disk *disk)
{
    bool has_any = false;

    return disk->list(disk, note_segment, &has_any) != 0 || has_any;
}

/* The last one out of the second folder lets go of it: somebody may want to use it again. */
static int remove_file(struct spool_disk *disk, const char *name)
{
    struct join *join = join_of(disk);
    int failed = join->first->remove(join->first, name);

    if (failed != -ENOENT || join->second == NULL)
        return failed;
    failed = join->second->remove(join->second, name);
    if (failed == 0 && !spool_has_segments(join->second))
        join->second->free(&join->second);
    return failed;
}

static int list_files(struct spool_disk *disk, void (*take)(void *context, const char *name),
                      void *context)
{
    const struct join *join = join_of(disk);
    int failed = join->first->list(join->first, take, context), failed_too = 0;

    if (join->second != NULL)
        failed_too = join->second->list(join->second, take, context);
    return failed != 0 ? failed : failed_too;
}

static int find_free_bytes(struct spool_disk *disk, uint64_t *ret)
{
    struct spool_disk *first = join_of(disk)->first;

    return first->free_bytes(first, ret);
}

static void free_join(struct spool_disk **diskp)
{
    struct join *join = join_of(*diskp);

    *diskp = NULL;
    join->first->free(&join->first);
    if (join->second != NULL)
        join->second->free(&join->second);
    free(join);
}

struct spool_disk *spool_join(struct spool_disk **firstp, struct spool_disk **secondp)
{
    struct join *join = malloc(sizeof(*join));

    if (join == NULL)
        return NULL;
    if (!spool_has_segments(*secondp)) /* as where the last one goes out */
        (*secondp)->free(secondp);
    *join = (struct join){ .disk = { .create = create_file,
                                     .open = open_file,
                                     .close = close_file,
                                     .size = size_of_file,
                                     .read = read_file,
                                     .write = write_file,
                                     .truncate = truncate_file,
                                     .sync = sync_file,
                                     .sync_folder = sync_folder,
                                     .remove = remove_file,
                                     .list = list_files,
                                     .free_bytes = find_free_bytes,
                                     .free = free_join },
                           .first = *firstp,
                           .second = *secondp };
    *firstp = *secondp = NULL;
    return &join->disk;
}
