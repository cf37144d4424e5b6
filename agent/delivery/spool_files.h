/* SPDX-License-Identifier: Apache-2.0 */
/* spool_files: does the jobs of a spool on its disk, and finds out at the start what lies there.
 * Decides nothing. Never touches a file that it does not understand: it says so, and leaves it.
 * Threads: one at a time, main for the scan, then the spool's. No lock is held while it works. */
#pragma once

#include "delivery/spool.h"
#include "delivery/spool_disk.h"

struct spool_files;

/* Takes the disk. NULL: no memory. */
struct spool_files *spool_files_new(struct spool_disk **diskp);
/* Where bodies come from that are read: borrowed. Without it they are malloc'd. */
void spool_files_use_pool(struct spool_files *files, struct body_pool *bodies);
/* From now on what is new is written there. false: no memory, and nothing has changed. */
bool spool_files_move(struct spool_files *files, struct spool_disk **diskp);
void spool_files_free(struct spool_files **filesp);

struct spool_scan {            /* what was found */
    int error;                 /* errno of the folder, 0: it could be read */
    unsigned segments, walked; /* walked: read record by record, without a sum or with marks */
    unsigned torn, damaged;    /* segments that end in half a record; damaged parts */
    unsigned left_alone;       /* files that are not ours, of another version, or without a head */
    unsigned unread;           /* segments that another start may be able to read */
    uint64_t bytes;
    char note[200], unread_note[200]; /* about the first of them: its name and why */
};
/* Reads heads and sums, no bodies. */
void spool_files_scan(struct spool_files *files, struct spool *spool, const unsigned char *boot,
                      const struct spool_stamp *now, struct spool_scan *ret);

/* ret is emptied first, its memory is used again. */
void spool_files_do(struct spool_files *files, const struct spool_job *job,
                    struct spool_result *ret);
void spool_result_fini(struct spool_result *result);
