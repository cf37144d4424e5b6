/* SPDX-License-Identifier: Apache-2.0 */
/* join_state: what the two files of join share. The events of the read that runs stand in a queue
 * in the order in which they begin, each with its parts of the read's bytes. */
#pragma once

#include "join.h"
#include "unwrap.h"

enum { JOIN_EVENTS = 256, JOIN_PARTS = 2048, JOIN_NONE = UINT16_MAX };

struct part {
    const char *data;
    uint32_t bytes;
    uint16_t next;  /* of the event, or of the free ones */
    uint8_t breaks; /* newlines before it */
    bool is_escaped;
    bool is_long; /* more than max_line_bytes */
};

struct joined {
    const char *start, *end; /* in the file: from its first line to behind its last one */
    int64_t time_ns;
    uint64_t bytes; /* at most; before anything is cut */
    uint32_t lines;
    uint16_t first, last; /* parts */
    uint8_t stream;
    uint8_t blanks; /* empty lines that are part of it if another line comes */
    bool is_open;
    bool in_line;       /* its last text was a part of a line */
    bool is_incomplete; /* ended at a bound */
    bool is_raw;
};

struct tail_join {
    /* constant after start */
    unsigned format;             /* enum tail_format */
    struct multiline *multiline; /* NULL: lines are events */
    char *start, *continuation;  /* the patterns as they were written */
    char *traces;                /* names, each ended by a blank */
    uint64_t max_line_bytes, max_event_bytes, max_lines;
    int64_t wait_ms;
    /* of the read that runs */
    const struct tail_join_read *read;
    char *copy; /* where the next body is put together */
    struct joined events[JOIN_EVENTS];
    size_t first, count;
    struct part parts[JOIN_PARTS];
    uint16_t free_part;
    uint16_t open[STREAMS]; /* event of each stream, or JOIN_NONE */
    struct multiline_state states[STREAMS];
    char head[REGEX_LINE_BYTES];
};

void tail_join_forget(struct tail_join *join); /* all events of a read */
