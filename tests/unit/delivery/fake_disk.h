/* SPDX-License-Identifier: Apache-2.0 */
/* fake_disk: a spool's folder in memory, that can be full, fail, lose what was not synced, and be
 * damaged. Each call counts; the call numbered fail_at, and fail_count - 1 after it, return
 * fail_with (a write leaves half of its bytes). */
#pragma once

#include "delivery/spool_disk.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { FAKE_FILES = 256, FAKE_NAME = 64 };

struct fake_file {
    char name[FAKE_NAME]; /* "": no file */
    char *data;
    size_t bytes, synced_bytes;
};

struct fake_disk {
    struct spool_disk disk;
    struct fake_file files[FAKE_FILES];
    uint64_t capacity, calls, writes, syncs;
    uint64_t fail_at, fail_count;
    int fail_with;
    bool fails_sync;                    /* whatever the number of the call */
    bool fails_free;                    /* it cannot be told what is free */
    const struct fake_file *unreadable; /* it cannot be opened */
};

static inline bool fake_fails(struct fake_disk *fake)
{
    uint64_t call = ++fake->calls;

    return fake->fail_at != 0 && call >= fake->fail_at && call < fake->fail_at + fake->fail_count;
}

static inline struct fake_file *fake_find(struct fake_disk *fake, const char *name)
{
    for (int i = 0; i < FAKE_FILES; i++) {
        if (strcmp(fake->files[i].name, name) == 0)
            return &fake->files[i];
    }
    return NULL;
}

static inline uint64_t fake_used(const struct fake_disk *fake)
{
    uint64_t used = 0;

    for (int i = 0; i < FAKE_FILES; i++)
        used += fake->files[i].name[0] == '\0' ? 0 : fake->files[i].bytes;
    return used;
}

static inline int fake_create(struct spool_disk *disk, const char *name)
{
    struct fake_disk *fake = (struct fake_disk *)(void *)disk;

    if (fake_fails(fake))
        return -fake->fail_with;
    if (fake_find(fake, name) != NULL)
        return -EEXIST;
    struct fake_file *file = fake_find(fake, "");
    if (file == NULL)
        return -ENOSPC;
    (void)snprintf(file->name, FAKE_NAME, "%s", name);
    file->bytes = file->synced_bytes = 0;
    return (int)(file - fake->files);
}

static inline int fake_open(struct spool_disk *disk, const char *name)
{
    struct fake_disk *fake = (struct fake_disk *)(void *)disk;
    struct fake_file *file = fake_find(fake, name);

    if (fake_fails(fake) || (file != NULL && file == fake->unreadable))
        return -fake->fail_with;
    return file == NULL ? -ENOENT : (int)(file - fake->files);
}

static inline void fake_close(struct spool_disk *disk, int fd)
{
    (void)disk;
    (void)fd;
}

static inline int64_t fake_size(struct spool_disk *disk, int fd)
{
    return (int64_t)((struct fake_disk *)(void *)disk)->files[fd].bytes;
}

static inline int64_t fake_read(struct spool_disk *disk, int fd, void *ret, size_t bytes,
                                uint64_t at)
{
    struct fake_disk *fake = (struct fake_disk *)(void *)disk;
    struct fake_file *file = &fake->files[fd];

    if (fake_fails(fake))
        return -fake->fail_with;
    if (at >= file->bytes)
        return 0;
    if (bytes > file->bytes - at)
        bytes = file->bytes - at;
    if (bytes > 0)
        memcpy(ret, file->data + at, bytes);
    return (int64_t)bytes;
}

static inline void fake_put(struct fake_file *file, const char *data, size_t bytes, uint64_t at)
{
    if (at + bytes > file->bytes) {
        file->data = realloc(file->data, at + bytes);
        assert_non_null(file->data);
        if (at > file->bytes)
            memset(file->data + file->bytes, 0, at - file->bytes);
        file->bytes = at + bytes;
    }
    memcpy(file->data + at, data, bytes);
}

static inline int fake_write(struct spool_disk *disk, int fd, const struct slice *parts,
                             unsigned count, uint64_t at)
{
    struct fake_disk *fake = (struct fake_disk *)(void *)disk;
    bool fails = fake_fails(fake);
    uint64_t all = 0;

    fake->writes++;
    for (unsigned i = 0; i < count; i++)
        all += parts[i].bytes;
    bool full = at + all > fake->files[fd].bytes &&
                fake_used(fake) - fake->files[fd].bytes + at + all > fake->capacity;
    uint64_t left = fails || full ? all / 2 : all;
    for (unsigned i = 0; i < count && left > 0; i++) {
        size_t part = parts[i].bytes < left ? parts[i].bytes : (size_t)left;
        if (part > 0)
            fake_put(&fake->files[fd], parts[i].data, part, at);
        at += part;
        left -= part;
    }
    return fails ? -fake->fail_with : full ? -ENOSPC : 0;
}

static inline int fake_truncate(struct spool_disk *disk, int fd, uint64_t bytes)
{
    struct fake_disk *fake = (struct fake_disk *)(void *)disk;

    if (fake_fails(fake))
        return -fake->fail_with;
    if (bytes < fake->files[fd].bytes)
        fake->files[fd].bytes = bytes;
    return 0;
}

static inline int fake_sync(struct spool_disk *disk, int fd)
{
    struct fake_disk *fake = (struct fake_disk *)(void *)disk;

    if (fake_fails(fake) || fake->fails_sync)
        return -fake->fail_with;
    fake->syncs++;
    fake->files[fd].synced_bytes = fake->files[fd].bytes;
    return 0;
}

static inline int fake_sync_folder(struct spool_disk *disk)
{
    struct fake_disk *fake = (struct fake_disk *)(void *)disk;

    return fake_fails(fake) ? -fake->fail_with : 0;
}

static inline int fake_remove(struct spool_disk *disk, const char *name)
{
    struct fake_disk *fake = (struct fake_disk *)(void *)disk;
    struct fake_file *file = fake_find(fake, name);

    if (fake_fails(fake))
        return -fake->fail_with;
    if (file == NULL)
        return -ENOENT;
    file->name[0] = '\0';
    return 0;
}

static inline int fake_list(struct spool_disk *disk, void (*take)(void *context, const char *name),
                            void *context)
{
    struct fake_disk *fake = (struct fake_disk *)(void *)disk;

    if (fake_fails(fake))
        return -fake->fail_with;
    for (int i = FAKE_FILES - 1; i >= 0; i--) {
        if (fake->files[i].name[0] != '\0')
            take(context, fake->files[i].name);
    }
    return 0;
}

static inline int fake_free_bytes(struct spool_disk *disk, uint64_t *ret)
{
    struct fake_disk *fake = (struct fake_disk *)(void *)disk;
    uint64_t used = fake_used(fake);

    if (fake->fails_free)
        return -EIO;
    *ret = fake->capacity > used ? fake->capacity - used : 0;
    return 0;
}

static inline void fake_keep(struct spool_disk **diskp)
{
    *diskp = NULL; /* it outlives the spool: the next start finds it again */
}

static inline void fake_open_disk(struct fake_disk *fake)
{
    *fake = (struct fake_disk){ .disk = { fake_create, fake_open, fake_close, fake_size, fake_read,
                                          fake_write, fake_truncate, fake_sync, fake_sync_folder,
                                          fake_remove, fake_list, fake_free_bytes, fake_keep },
                                .capacity = UINT64_C(1) << 40,
                                .fail_with = EIO };
}

static inline void fake_close_disk(struct fake_disk *fake)
{
    for (int i = 0; i < FAKE_FILES; i++)
        free(fake->files[i].data);
}

static inline struct fake_file *fake_first(struct fake_disk *fake)
{
    struct fake_file *first = NULL;

    for (int i = 0; i < FAKE_FILES; i++) {
        struct fake_file *file = &fake->files[i];
        if (file->name[0] != '\0' && (first == NULL || strcmp(file->name, first->name) < 0))
            first = file;
    }
    assert_non_null(first);
    return first;
}
