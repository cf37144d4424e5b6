/* SPDX-License-Identifier: Apache-2.0 */
/* spool_disk: the calls that a spool makes to its folder, behind a small table, so that tests and
 * the simulator put a disk in its place that fails. A call returns 0 or more, or a negative errno.
 * Threads: one at a time (main at the start, then the spool's thread). */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

struct spool_disk {
    /* A new file, which must not be there, or one that is: a descriptor. */
    int (*create)(struct spool_disk *disk, const char *name);
    int (*open)(struct spool_disk *disk, const char *name);
    void (*close)(struct spool_disk *disk, int fd);
    int64_t (*size)(struct spool_disk *disk, int fd);
    /* All of the bytes, less only where the file ends: how many. */
    int64_t (*read)(struct spool_disk *disk, int fd, void *ret, size_t bytes, uint64_t at);
    /* All of the parts, one after the other, or an error with any of it written. */
    int (*write)(struct spool_disk *disk, int fd, const struct slice *parts, unsigned count,
                 uint64_t at);
    int (*truncate)(struct spool_disk *disk, int fd, uint64_t bytes);
    int (*sync)(struct spool_disk *disk, int fd);
    int (*sync_folder)(struct spool_disk *disk);
    int (*remove)(struct spool_disk *disk, const char *name);
    /* Calls take() for each name in the folder, in any order. */
    int (*list)(struct spool_disk *disk, void (*take)(void *context, const char *name),
                void *context);
    int (*free_bytes)(struct spool_disk *disk, uint64_t *ret);
    void (*free)(struct spool_disk **diskp);
};

/* The folder is made, and locked against a second agent. NULL: err says why not; *ret_is_taken:
 * that is why. */
struct spool_disk *spool_disk_open(const char *path, bool *ret_is_taken, struct err *err);
