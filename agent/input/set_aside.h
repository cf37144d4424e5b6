/* SPDX-License-Identifier: Apache-2.0 */
/* set_aside: what a reading had in hand when start after start crashed on it is written to a file
 * and counted, instead of being offered once more: so one bad line is no crash loop.
 * The first events that are read again are those: a start without progress ended where it began.
 * Threads: the reading's. Bounded: SET_ASIDE_FILE_BYTES of events are kept for each reading, what
 * is beyond is counted all the same. */
#pragma once

#include "event/event.h"

#include <limits.h>
#include <stddef.h>

enum {
    SET_ASIDE_AFTER = 3, /* starts in a row that crashed without progress */
    SET_ASIDE_FILE_BYTES = 64 << 20
};

struct set_aside {
    uint64_t left; /* events still to be set aside; 0: none */
    uint64_t events, bytes, not_written;
    char path[PATH_MAX]; /* STATE_DIR/quarantine/INPUT@OUTPUT */
    int fd;              /* < 0: not open */
    uint64_t file_bytes;
    int error; /* the first of them, errno */
};

/* Opens the file. Whatever fails there is no reason not to set aside: it is told at the end. */
void set_aside_begin(struct set_aside *aside, const char *state_dir, const char *input,
                     const char *output, uint64_t events);
/* Writes the first of the events, as many as are left to be set aside, one JSON object a line:
 * time, body and where it came from. Returns how many that were; the caller counts them then. */
size_t set_aside_take(struct set_aside *aside, const struct event *events, size_t count);
void set_aside_end(struct set_aside *aside); /* syncs and closes the file */
