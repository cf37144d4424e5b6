/* SPDX-License-Identifier: Apache-2.0 */
/* disk: one thread that replaces small files (tmp, rename), so that nobody else waits for a disk.
 * Two promises: a content is in place at once, which is enough against kill -9; and it is synced at
 * once, or a second after the last sync of this file, which is the price of a power loss. The copy
 * before, as path.previous, is always one that was synced: what is in place takes that name only
 * if it was.
 * Bounded: each file has one pending content, a newer one takes its place. A write that fails is
 * said once, retried with the next content, and counted. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct disk;
struct disk_file;

struct disk *disk_start(struct err *err);
/* The path is copied. One that was let go (disk_file_mute) is the same again for the same path.
 * on_error (may be NULL) runs in the disk's thread after a write that failed, under the disk's
 * lock: it may only ring a bell. NULL: no memory. */
struct disk_file *disk_file_new(struct disk *disk, const char *path,
                                void (*on_error)(void *context), void *context);
/* Any thread. Takes the bytes of content and leaves it empty. */
void disk_file_put(struct disk_file *file, struct buf *content);
/* Lets go of it: on_error is not called any more, its context may go. What is pending is written.
 */
void disk_file_mute(struct disk_file *file);
/* Waits until what was put is in place, for at most timeout_ms. false: it is not. */
bool disk_file_await(struct disk_file *file, int64_t timeout_ms);
uint64_t disk_file_errors(const struct disk_file *file); /* failed writes so far */
/* Writes what is pending, all of it before anything is synced, and ends the thread. false: it is in
 * a call that did not come back by then (INT64_MAX: waits for it); it is left behind, as the log
 * says, and nothing of it is freed. */
bool disk_stop(struct disk **diskp, int64_t deadline_ms);
