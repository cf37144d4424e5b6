/* SPDX-License-Identifier: Apache-2.0 */
/* spool_job: what a spool wants done on its disk, one at a time, and what came of it. */
#pragma once

#include "delivery/spool_index.h"

enum spool_job_kind {
    SPOOL_WRITE,   /* append a record; is_new: to a new segment */
    SPOOL_SEAL,    /* append the sum, and write this segment no more */
    SPOOL_PEEK,    /* read the head of a record, or of the first whole one behind it */
    SPOOL_LOAD,    /* read head and body */
    SPOOL_MARK,    /* write the mark of a record that is done */
    SPOOL_REMOVE,  /* unlink the segment */
    SPOOL_SYNC,    /* fdatasync a segment; 0: none is left to be */
    SPOOL_REWRITE, /* the same after one that failed: first all records are written once more */
    SPOOL_LOOK,    /* how much is free on the disk */
    SPOOL_UNDO, /* take back what a write that failed left behind; at SPOOL_ALL_OF_IT: the segment
                 */
};

enum { SPOOL_ALL_OF_IT = 1 }; /* UNDO: no record begins there */

struct spool_job {
    enum spool_job_kind kind;
    struct spool_place place;
    struct batch *batch; /* WRITE, MARK: borrowed until it is told what came of it */
    struct spool_stamp stamp;
    uint64_t stop_at; /* PEEK: no record lies behind it; 0: only the one at that place. REWRITE:
                         where the records end */
    bool is_new, sync, touch;
    enum flow flow; /* REMOVE: what becomes of events that are left in it */
    struct spool_sum sum;
    struct spool_segment_head head;
};

struct spool_result {
    int error;             /* errno, 0: done */
    bool is_left;          /* WRITE, SEAL: it failed, and what is there could not be taken back */
    uint64_t bytes;        /* WRITE, SEAL: appended; LOOK: free */
    enum spool_read found; /* PEEK, LOAD: READ, DAMAGED */
    struct spool_place place;
    struct buf head; /* PEEK, LOAD: of the record found */
    char *body;      /* LOAD: from the pool */
    struct body_pool *pool;
};
