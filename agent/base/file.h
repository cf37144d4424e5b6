/* SPDX-License-Identifier: Apache-2.0 */
/* file: whole small files, read with a bound and replaced without a moment of half a file. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>
#include <time.h>

/* Appends the file's bytes to ret. false: cannot be read, or larger than ret->limit. */
bool file_read(const char *path, struct buf *ret, struct err *err);

/* What was there when it was looked at; zeroed: nothing. true: it is another one now. */
struct file_mark {
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec modified, changed; /* changed: also by chmod and chown */
};
bool file_mark_look(struct file_mark *mark, const char *path);

/* Writes path.tmp, fsyncs, keeps the old file as path.previous if keep_previous, renames, and
 * fsyncs the folder. After any crash path or path.previous is whole. */
bool file_replace(const char *path, struct slice content, bool keep_previous, struct err *err);

/* The same without waiting for the disk: whole after any crash of the process. After a power loss
 * path may be anything until file_sync(); path.previous is whole if it was synced when it was kept.
 */
bool file_place(const char *path, struct slice content, bool keep_previous, struct err *err);
bool file_sync(const char *path, struct err *err); /* the file and its name */

/* mkdir -p with the mode for folders that are made. */
bool file_make_dirs(const char *path, unsigned mode, struct err *err);
