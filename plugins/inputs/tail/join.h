/* SPDX-License-Identifier: Apache-2.0 */
/* join: the lines of one read to events of several lines, and of containers' logs to what the
 * programs said. Made only where the configuration asks for one of the two.
 *
 * What is not finished stays in the file: the read ends where the oldest unfinished event begins,
 * and it is read again with what has come since. So nothing is carried over, and a position is
 * never inside an event. Of the events behind an unfinished one (of a container's other stream)
 * none is taken, nor one before it that has lines behind its begin: all come once and in order.
 *
 * Promise: memory is fixed; an event over its bounds is ended, flagged and counted, and what
 * follows is another event; one of which no more comes for `multiline.wait` is taken as it is.
 * Threads: none; the reading's. */
#pragma once

#include "lines.h"
#include "options.h"

/* What of a file waits for more: part of the file's state. Zeroed: nothing. */
struct tail_hold {
    uint64_t start, end; /* offsets of the oldest unfinished event */
    int64_t since_ms;    /* its last line was found; 0: nothing is held */
    bool end_now;        /* the file goes on elsewhere: no more comes */
};

struct tail_join;

bool tail_join_is_wanted(const struct tail_config *config);
/* *ret is NULL where none is wanted. The configuration is not needed afterwards. */
bool tail_join_new(const struct tail_config *config, struct tail_join **ret, struct err *err);
void tail_join_free(struct tail_join **joinp);
bool tail_join_suits(const struct tail_join *join, const struct tail_config *config);
/* What a line is flagged with that is not in the format; NULL: any line is. */
const char *tail_join_parse_error(const struct tail_join *join);

uint64_t tail_join_event_bytes(const struct tail_config *config); /* of the longest body */
/* The longest stretch of a file that may have to be looked at at once. */
size_t tail_join_room(const struct tail_config *config);
/* Of a read buffer as much again is needed, for bodies that are not in the file as they are. */
bool tail_join_needs_copy(const struct tail_config *config);
uint64_t tail_join_memory_bytes(const struct tail_config *config); /* beside the read buffer */

struct tail_join_read {
    struct tail_lines *lines; /* where events go; counts */
    const char *data;
    size_t bytes;
    char *copy;      /* as many bytes, if tail_join_needs_copy() */
    uint64_t offset; /* of data in its file */
    bool is_full;    /* there may be no more room: something has to be taken */
    bool is_last;    /* nothing will follow: a last line needs no newline */
    int64_t now_ms;
};
/* Returns the bytes consumed. *hold is what waits behind them. */
size_t tail_join_split(struct tail_join *join, const struct tail_join_read *read,
                       struct tail_hold *hold);
int64_t tail_join_due_ms(const struct tail_join *join, const struct tail_hold *hold); /* 0: never */
