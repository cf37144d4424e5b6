/* SPDX-License-Identifier: Apache-2.0 */
/* lines: bytes of a file to events, without a copy: bodies point into the bytes.
 * A line ends with "\n" or "\r\n"; empty ones are skipped. A longer line than the limit is cut at a
 * whole UTF-8 character, flagged EVENT_TRUNCATED, and says how long it was. A run of NULs at the
 * start of a line is what a writer leaves that kept its offset over a truncation: skipped, counted.
 * Threads: none; the reading's. */
#pragma once

#include "plugin.h"

enum { TAIL_HOLE_BYTES = 64 }; /* shorter runs of NULs are a line's own */

struct tail_lines {
    struct sink *sink;
    struct resource *resource;
    const char *path;
    uint64_t offset; /* of the read's first byte in its file */
    size_t max_line_bytes;
    const char *parse_error; /* NULL; or what a line too long to be looked at is flagged with */
    /* counted here, told to the sink by the caller once a read */
    uint64_t lines, cut, unparsed, ended;
};

/* One line of `whole_bytes`, of which `data` has at least min(whole_bytes, max_line_bytes + 1). */
void tail_lines_emit(struct tail_lines *lines, const char *data, uint64_t whole_bytes);

/* All whole lines in data. Returns the bytes consumed: up to behind the last newline, and beyond it
 * over a hole that ends within data. */
size_t tail_lines_split(struct tail_lines *lines, const char *data, size_t bytes);

size_t tail_lines_hole(const char *data, size_t bytes); /* NULs that data begins with */
