/* SPDX-License-Identifier: Apache-2.0 */
/* spool_index: which segments are on disk, what lives in each for each lane, and how far each has
 * been read. It knows sums, not records: its memory grows with the segments (SEGMENTS_MAX), not
 * with the batches on disk. Records are read in their order from the front of a segment, or with
 * newest_first from its back; what lies between front_at and stop_at was not read yet.
 * Pure. Threads: the caller holds the lock. */
#pragma once

#include "delivery/batch_list.h"
#include "delivery/spool_format.h"

enum { SPOOL_SEGMENTS_MAX = 4096 };

struct spool_place { /* names a record */
    uint64_t segment, at;
};

struct spool_row {
    unsigned lane; /* of the index */
    struct amount amount;
    struct amount unmarked; /* is done and counted, but lives on for the next start */
};

struct spool_segment {
    struct spool_segment *older, *newer;
    uint64_t id;
    uint64_t bytes;             /* of its file */
    uint64_t records;           /* that are not done */
    uint64_t front_at, stop_at; /* not read yet */
    uint64_t last_at;           /* of those, where the last begins; 0: not known, read forward */
    uint64_t end_at;            /* of all records */
    int64_t newest_boot_ms;     /* admission of the oldest event of its youngest record */
    int64_t front_boot_ms;      /* the same of the first that was not read, or the one before it */
    int64_t read_ms, remove_ms; /* reading or removing it failed: not before; 0: it did not */
    unsigned pins;              /* records of it that are in memory to be sent */
    bool is_touched;
    bool is_unreadable;    /* the last try to read it failed, which is said once */
    bool is_unsynced;      /* its seal failed, and records in it wait for a sync */
    bool must_rewrite;     /* a sync of it failed: see spool_plan_sync() */
    bool is_of_other_boot; /* times of its records are of another clock */
    unsigned row_count, row_room;
    struct spool_row *rows; /* what is not done, for each lane */
};

struct spool_lane {
    char input[LEDGER_NAME];
    struct books *books;  /* NULL until it is bound */
    struct amount unread; /* in no segment of the index: it could not be read at the start */
};

struct spool_index {
    struct spool_segment *oldest, *newest;
    unsigned count;
    uint64_t bytes;  /* of all files */
    bool is_partial; /* there may be more on disk, that could not be read at the start */
    bool is_blind;   /* not even the names of the files: nothing may be written */
    unsigned lane_count;
    struct spool_lane lanes[SPOOL_LANES_MAX];
};

void spool_index_fini(struct spool_index *index);
/* Newer than all others. NULL: no memory, or SPOOL_SEGMENTS_MAX. */
struct spool_segment *spool_index_add(struct spool_index *index, uint64_t id, uint64_t bytes);
void spool_index_remove(struct spool_index *index, struct spool_segment *segment);
struct spool_segment *spool_index_find(const struct spool_index *index, uint64_t id); /* or NULL */
void spool_index_grow(struct spool_index *index, struct spool_segment *segment, uint64_t bytes);

/* The lane of that name, a new one where there is none. SPOOL_LANES_MAX: there are too many. */
unsigned spool_index_lane(struct spool_index *index, struct slice input);
/* The lane of these books, which a new one is bound to. */
unsigned spool_index_lane_of(struct spool_index *index, struct books *books);
/* false: no memory. */
bool spool_segment_add(struct spool_segment *segment, unsigned lane, struct amount amount);
/* The runs of one record that is done: events beyond what is there are not taken. Where its mark
 * could not be written the books are told, before the end of the batch is counted. */
void spool_segment_settle(struct spool_index *index, struct spool_segment *segment,
                          const struct batch *batch, bool is_marked);
/* All that lies on disk is in an account. */
void spool_lane_forget_unmarked(const struct spool_lane *lane);
/* That row is gone from the disk. */
void spool_row_forget_unmarked(const struct spool_index *index, const struct spool_row *row);
/* What lives on disk of that lane, as far as the books are right also where it cannot be read. */
struct amount spool_index_live(const struct spool_index *index, unsigned lane);
/* Admission of the oldest event that was not read yet, as far as records lie in the order of their
 * age; INT64_MAX: all was. */
int64_t spool_index_oldest_boot_ms(const struct spool_index *index);
bool spool_segment_has_unread(const struct spool_segment *segment);
