/* SPDX-License-Identifier: Apache-2.0 */
/* state: one tail input, shared by its source files. Everything belongs to the reading's thread.
 *   scan    finds files by their patterns, sees which are new and which have left their path
 *   rotate  finds what has left, and rotations that were missed; orders the files of one path
 *   file    opens, closes, starts over and gives up single files; refused: what it may not read
 *   copy    knows copies of files that were then cut off (copytruncate)
 *   reader  takes files from the queue and makes events of their bytes
 *   join    makes events of several lines, and of containers' logs
 *   account says of each file how it stands, to people who ask */
#pragma once

#include "options.h"
#include "own.h"
#include "pending.h"
#include "refused.h"
#include "stat.h"
#include "watch.h"
#include <limits.h>

struct tail {
    /* constant after open */
    const struct tail_config *config;
    const struct host *host;
    char *buffer;
    size_t buffer_bytes, buffer_room;    /* to read into; with what is behind it for joined lines */
    size_t line_room;                    /* the longest stretch that is looked at at once */
    struct tail_join *join, *spare_join; /* NULL: each line is an event; that of before a reload */
    struct patterns_plain exclude;       /* no items: there are none, or no memory to unfold them */
    unsigned max_open;

    struct tail_table table;
    struct tail_pending pending;
    struct tail_watch watch;
    uint64_t lag_bytes, open_count;
    size_t round_bytes;     /* of lines, in the last round */
    int64_t round_ms;       /* when it was */
    size_t folder_count;    /* looked into by the last scan */
    int64_t next_scan_ms;   /* the slow rescan */
    int64_t scan_rest_ms;   /* no scan on news before this */
    int64_t next_expiry_ms; /* the next rotate_wait that runs out; 0: none */
    int64_t next_join_ms;   /* the next event that has waited for its next line; 0: none */
    int64_t nap_until_ms;   /* after data: collect a few more lines before waking again; 0: awake */
    int64_t known_ns;       /* Unix; files born later are new since the checkpoint or the start */
    int64_t scan_ns;        /* Unix; when the scan that runs began */
    bool scan_due, has_scanned, has_checkpoint, told_full, told_polling;
    struct tail_own own;
    struct tail_refused refused;
};

/* ---- file ---- */
void tail_file_keep(const struct tail *tail, struct sink *sink); /* tells what the table takes */
/* Not known before. From its beginning, or from its last line on. NULL: no room; told. */
struct tail_file *tail_file_add(struct tail *tail, struct sink *sink, const char *path,
                                const struct tail_stat *stat, bool from_end);
bool tail_file_open(struct tail *tail, struct sink *sink, struct tail_file *file);
void tail_file_close(struct tail *tail, struct tail_file *file); /* the watch stays */
/* The content is another one: count what was not read, begin again at 0. */
void tail_file_renew(struct tail *tail, struct sink *sink, struct tail_file *file);
/* It cannot be found any more: count what was not read. */
void tail_file_vanish(struct tail *tail, struct sink *sink, struct tail_file *file);
void tail_file_finish(struct tail *tail, struct tail_file *file); /* read to its end for good */
/* It is not wanted any more: what is unread of it is no loss. */
void tail_file_leave_out(struct tail *tail, struct tail_file *file);
/* It has left its path; what is left in it is read, and it is kept for rotate_wait. */
void tail_file_move(struct tail *tail, struct sink *sink, struct tail_file *file);
/* When its rotate_wait ends; when its unfinished event has waited. */
void tail_file_expect(struct tail *tail, const struct tail_file *file);
void tail_file_expect_line(struct tail *tail, const struct tail_file *file);
void tail_file_failed(struct tail *tail, struct sink *sink, struct tail_file *file, const char *msg,
                      int error);
/* It is tried again with a new descriptor: that is what cures a stale handle. */
void tail_file_unreadable(struct tail *tail, struct sink *sink, struct tail_file *file, int error);
void tail_file_note(struct tail *tail, struct tail_file *file); /* its size or offset changed */
void tail_file_describe(const struct tail *tail, struct tail_file *file); /* gives it a resource */
uint64_t tail_file_offset(const struct tail_file *file);
/* Is all that was read of it delivered or counted? Else it must not be forgotten. */
bool tail_file_is_settled(const struct tail_file *file);
void tail_file_drop(struct tail *tail, struct tail_file **filep);

/* ---- rotate; a visit returns 0, or the errno that cut it short ---- */
typedef bool tail_visit_fn(void *context, const char *path, const char *name); /* true: go on */
int tail_visit_folder_of(const char *path, tail_visit_fn *visit, void *context);
bool tail_rotate_is_rotated(const char *name, const char *path); /* app.log.1 of …/app.log */
/* The path that a file under a rotated name came from, of those that are asked about. */
typedef bool tail_origin_fn(const struct tail *tail, const struct tail_file *file,
                            const char *path);
bool tail_rotate_origin(const struct tail *tail, const struct tail_file *file,
                        tail_origin_fn *is_origin, char ret_path[PATH_MAX], uint32_t *ret_rotation);

/* Opens a file that has left its path, where it was seen last or by inode beside its path. -1:
 * errno; ENOENT: it is not there. */
int tail_rotate_open(const struct tail_file *file);
int tail_open_same(const char *path, const struct tail_identity *identity); /* -1: errno */
/* Files of the path that no scan has seen: begun after the last known one and, if there is a file
 * at the path now, before that. */
void tail_rotate_find_missed(struct tail *tail, struct sink *sink, const char *path,
                             const struct tail_file *newest);
/* Takes a newcomer that the glob found under a rotated name as a file of the path it was rotated
 * from: one that came and went between two looks. false: it is a file of its own. */
bool tail_rotate_adopt(struct tail *tail, struct sink *sink, struct tail_file *file);
void tail_rotate_order(struct tail *tail, const char *path); /* sets `after` of all its files */

/* ---- scan ---- */
void tail_scan(struct tail *tail, struct sink *sink, int64_t now_ms);
/* The known file that this is. NULL: it is a new one, also where an old one had its inode. */
struct tail_file *tail_scan_find(struct tail *tail, struct sink *sink,
                                 const struct tail_stat *stat);
bool tail_scan_is_ours(const struct tail *tail, const char *name); /* the last part of a path */
bool tail_scan_excludes(const struct tail *tail, const char *path);

/* ---- reader ---- */
/* Reads from queued files until the buffer is full. What was not taken is read again later. */
enum tail_round {
    TAIL_ROUND_TOOK,
    TAIL_ROUND_EMPTY,   /* no file had anything */
    TAIL_ROUND_STOPPED, /* the agent is stopping: nothing was taken */
    TAIL_ROUND_FAILED,  /* no memory; told */
};
enum tail_round tail_read_round(struct tail *tail, struct sink *sink, int64_t now_ms);
