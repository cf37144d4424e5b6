/* SPDX-License-Identifier: Apache-2.0 */
/* spool_aside: batches of the spool that start after start crashed with in hand are copied to a
 * folder of their own, marked as done in the spool and counted (quarantine_spool), instead of being
 * sent once more. They are the first to be read: a start without progress ended where it began.
 * The copies are a segment of the same format, so it can be looked at, or put back. The disk moves
 * first, the counter second; a start that dies in between goes on where it was.
 * Bounded: the folder holds SPOOL_ASIDE_BYTES, what is beyond is counted all the same.
 * Threads: main, before the sender's and the spool's use either of the two. */
#pragma once

#include "delivery/spool_files.h"

enum {
    SPOOL_ASIDE_AFTER = 3, /* starts in a row that crashed without progress */
    SPOOL_ASIDE_BYTES = 64 << 20
};
#define SPOOL_ASIDE_FOLDER "quarantine" /* in the folder of the spool */

struct spool_aside {
    uint64_t batches, events, bytes; /* set aside; damaged ones are not, they are spool_corrupt */
    uint64_t not_kept;               /* batches of these without a copy */
    int error;                       /* the first, errno; of the copies or of the spool */
    char file[32];                   /* of the copies; "": none */
};

/* Sets the next `batches` aside. Takes the folder for the copies; NULL: it cannot be opened, that
 * is no reason not to set aside. The spool was carried over. */
void spool_set_aside(struct spool *spool, struct spool_files *files, struct spool_disk **folderp,
                     uint64_t batches, const struct spool_stamp *now, int64_t now_ms,
                     struct spool_aside *ret);
