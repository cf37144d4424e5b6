/* SPDX-License-Identifier: Apache-2.0 */
/* spool_segment: open segment files and records in them, for spool_files.c and spool_scan.c. */
#pragma once

#include "delivery/spool_files.h"

enum { SPOOL_NAME_BYTES = 24, SPOOL_OPEN_MAX = 4 };

struct spool_files {
    struct spool_disk *disk;
    struct body_pool *bodies;
    struct {
        uint64_t id; /* 0: none */
        int fd;
        uint64_t used; /* the least of these is closed first */
    } open[SPOOL_OPEN_MAX];
    uint64_t uses;
    bool is_folder_dirty; /* a new name is not synced */
    struct buf buf;       /* of heads and sums that are written */
    bool is_scanning;     /* read ahead: the next head is wanted too */
    char *window;         /* bytes of a segment that were read */
    uint64_t window_id, window_at;
    size_t window_bytes;
};

void spool_name(uint64_t id, char ret[SPOOL_NAME_BYTES]);
bool spool_name_is_ours(const char *name, uint64_t *ret_id);
int spool_open_segment(struct spool_files *files, uint64_t id, bool is_new); /* fd or -errno */
void spool_close_segment(struct spool_files *files, uint64_t id);
void spool_forget_window(struct spool_files *files);
/* The head of the record there; with stop_at of the next whole one before it. SPOOL_DAMAGED: there
 * is none. ret borrows files' window until the next call. Returns 0 or -errno. */
int spool_find_record(struct spool_files *files, uint64_t id, uint64_t at, uint64_t stop_at,
                      enum spool_read *ret_found, uint64_t *ret_at, struct spool_record *ret);
