/* SPDX-License-Identifier: Apache-2.0 */
/* refused: what patterns lead to and the agent may not look at, or not any more. Each is told once
 * for as long as it lasts, as far as a short list remembers; all are counted in a gauge.
 * Threads: none; the reading's. */
#pragma once

#include "plugin.h"

enum { TAIL_REFUSED = 64, TAIL_UNSEEN = 1024, TAIL_WHY_BYTES = 400 };

struct tail_refused {
    uint64_t before[TAIL_REFUSED], now[TAIL_REFUSED]; /* sums of what was told */
    size_t before_count, now_count;
    uint64_t unseen[TAIL_UNSEEN]; /* sums of the folders that this look was refused */
    size_t unseen_count;
    uint64_t folder_count; /* left out by the look that runs, or that was the last */
    uint64_t file_count;   /* that cannot be opened or read */
};

static inline bool tail_refused_any(const struct tail_refused *refused)
{
    return refused->folder_count > 0 || refused->file_count > 0;
}

void tail_refused_begin(struct tail_refused *refused); /* around a look at all folders */
void tail_refused_end(struct tail_refused *refused);
void tail_refused_folder(struct tail_refused *refused, struct sink *sink, enum find_trouble trouble,
                         const char *folder, int error);

/* Did the look see less than all of a folder above this file? Then it may be there all the same. */
bool tail_refused_hides(const struct tail_refused *refused, const char *path);

/* The error of a path, and what would help. Returns `why`. */
const char *tail_refused_why(const char *path, int error, char why[TAIL_WHY_BYTES]);
