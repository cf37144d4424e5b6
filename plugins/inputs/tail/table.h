/* SPDX-License-Identifier: Apache-2.0 */
/* table: the files that a tail knows, at most `max`, found by inode, by path and by inotify watch.
 * A file's identity is device, inode and time of birth (0 where the file system has none): an inode
 * that is used again has another birth. Threads: none; the reading's. */
#pragma once

#include "cursor.h"
#include "join.h"
#include "plugin.h"

struct tail_identity {
    uint64_t device, inode;
    int64_t born_ns;
};

/* Names a file for as long as the agent runs, also when it has left the table. Zero: nobody. */
struct tail_ref {
    uint32_t slot, serial;
};

/* A file as it was when it was found to be cut off: what a copy of it is known by. */
struct tail_cut {
    struct tail_position read, settled; /* zeros: it never was, or nothing had been read */
    int64_t seen_ns;                    /* Unix */
};

enum tail_ahead { AHEAD_NONE, AHEAD_LINE, AHEAD_HOLE };

struct tail_file {
    struct tail_ref ref;
    struct tail_identity identity;
    char *path;       /* the name its events bear: that of the live file, also after a rotation */
    char *other_path; /* where it was last seen under another name; NULL: nowhere, or no memory */
    int64_t modified_ns;
    int64_t home_ns; /* Unix; the last scan that saw it at its path */
    int fd, watch;   /* -1: none */

    struct tail_cursor read;       /* all before it was offered; valid if `loaded` */
    struct tail_cursor ahead_read; /* how far the unfinished long line or hole was looked through */
    enum tail_ahead ahead;
    struct tail_position settled; /* all before it was delivered or counted */
    uint32_t generation;          /* counts what was written anew under this identity */
    uint64_t size;                /* at the last look */
    uint64_t lag_bytes;           /* this file's part of the gauge */

    struct tail_ref after; /* an older file of the same path, to be read first */
    uint32_t rotation;     /* the number in its name when it was found rotated, 0: none */
    int64_t active_ms;     /* last byte, or the rotation */
    int64_t gone_ns;       /* Unix; when it was found to be gone, 0: it is not */
    int64_t held_ms;       /* may be a copy of a live file, waits since then; 0: does not */
    uint64_t held_bytes;   /* so many were seen to be what the live file begins with */
    bool loaded;           /* `read` was made from `settled` and the file */
    bool snap;             /* begins at the end: go back to the begin of the last line */
    bool seen, at_home;    /* by the scan that runs: under any name, under its own */
    bool is_new;           /* added by the scan that runs */
    bool moved;            /* not at its path any more: rotated */
    bool finishing;        /* rotate_wait is over: at its end deliver what is left */
    bool finished;         /* nothing is expected of it any more */
    bool left_out; /* finished, since paths, exclude or own_output do not want it any more */
    bool queued;   /* waiting to be read */
    bool reading;  /* taken from the queue by the round that runs */
    bool failed;   /* and was told; tried again at each scan */
    bool at_end;   /* the last read came to the end of the file */

    /* For people who ask. Monotonic; 0: never */
    int64_t read_ms, end_ms; /* something was read; its end was reached */
    const char *error_msg;   /* the last failure, NULL: none */
    int error;
    int64_t error_ms, failed_ms; /* the latter: the first of those that `failed` is about */

    struct tail_hold hold; /* events of several lines: what waits for more */
    struct tail_cut cut;
    struct resource *resource; /* made at its first event */
    struct tail_file *next_queued, *next_inode, *next_path, *next_watch;
};

enum { TAIL_BUCKETS = 1024 };
struct tail_table {
    struct tail_file **slots;
    uint32_t room, count, max, last_serial, free_hint;
    struct tail_file *by_inode[TAIL_BUCKETS], *by_path[TAIL_BUCKETS], *by_watch[TAIL_BUCKETS];
    struct tail_file *queue_first, *queue_last;
};

void tail_table_init(struct tail_table *table, uint32_t max);
void tail_table_fini(struct tail_table *table);

/* NULL: full, or out of memory. */
struct tail_file *tail_table_add(struct tail_table *table, const char *path,
                                 struct tail_identity identity);
void tail_table_remove(struct tail_table *table, struct tail_file **filep); /* not while queued */
struct tail_file *tail_table_get(const struct tail_table *table, struct tail_ref ref);
struct tail_file *tail_table_at(const struct tail_table *table, uint32_t slot); /* or NULL */

struct tail_file *tail_table_by_inode(const struct tail_table *table, uint64_t device,
                                      uint64_t inode);
struct tail_file *tail_table_by_watch(const struct tail_table *table, int watch);
/* All files of a path: previous NULL for the first, else the one to go on from. */
struct tail_file *tail_table_by_path(const struct tail_table *table, const char *path,
                                     const struct tail_file *previous);
bool tail_table_set_path(struct tail_table *table, struct tail_file *file, const char *path);
void tail_table_set_identity(struct tail_table *table, struct tail_file *file,
                             struct tail_identity identity);
void tail_table_set_watch(struct tail_table *table, struct tail_file *file, int watch);

/* First in, first out; a file is in it once. */
void tail_queue_push(struct tail_table *table, struct tail_file *file);
struct tail_file *tail_queue_pop(struct tail_table *table); /* NULL: empty */
