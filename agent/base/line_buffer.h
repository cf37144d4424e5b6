/* SPDX-License-Identifier: Apache-2.0 */
/* line_buffer: cuts a stream of bytes into lines, with a bound. Of a longer line the head is kept,
 * the rest is counted and thrown away, so memory does not depend on what comes.
 * A round: line_buffer_space(), read into it, line_buffer_add(), then line_buffer_next() until it
 * is false. What the lines point to stays until the next line_buffer_space(). Threads: the owner's.
 */
#pragma once

#include "base/slice.h"

#include <stdint.h>

struct line_buffer {
    size_t max_line_bytes;
    char *data;
    size_t room, filled;
    size_t taken;     /* bytes at the front that were given out: they go with the next space */
    size_t looked;    /* from `taken`: no newline up to here */
    uint64_t dropped; /* bytes of the unfinished line at the front that were thrown away */
    size_t kept;      /* what of that line stays: bounds may change meanwhile */
};

struct line {
    struct slice text;    /* cut at a whole character, without "\n" or "\r\n" */
    uint64_t whole_bytes; /* as it came; more than text.bytes: it was cut */
};

/* read_bytes: so much is there room for besides a line. false: out of memory. */
bool line_buffer_init(struct line_buffer *buffer, size_t max_line_bytes, size_t read_bytes);
/* For other bounds, what it holds stays. It never shrinks, so that there is a way back. */
bool line_buffer_change(struct line_buffer *buffer, size_t max_line_bytes, size_t read_bytes);
void line_buffer_fini(struct line_buffer *buffer);

char *line_buffer_space(struct line_buffer *buffer, size_t *ret_bytes); /* never without room */
void line_buffer_add(struct line_buffer *buffer, size_t bytes);
/* Empty lines are passed over. */
bool line_buffer_next(struct line_buffer *buffer, struct line *ret);
/* At the end: what has no newline. false: nothing. */
bool line_buffer_rest(struct line_buffer *buffer, struct line *ret);
