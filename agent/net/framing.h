/* SPDX-License-Identifier: Apache-2.0 */
/* framing: where a record ends in a stream of bytes. Pure, and does not allocate: whoever reads the
 * stream holds what is not whole yet and shows it again with more behind it.
 * Promise: every byte is in a record, part of the framing, counted in a record's whole_bytes, or,
 * of a line whose head was given before its end was known, in `skipped`. */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum framing_kind {
    FRAMING_LINES,  /* up to the delimiter; before a newline a '\r' goes too */
    FRAMING_SYSLOG, /* RFC 6587: "LENGTH SPACE <…" octets, else a line; found for each record */
    FRAMING_LENGTH, /* the length goes before, in 2 or 4 bytes, the highest first */
};

struct framing {
    enum framing_kind kind;
    char delimiter;          /* of lines */
    unsigned prefix_bytes;   /* of FRAMING_LENGTH: 2 or 4 */
    size_t max_record_bytes; /* longer ones are cut, at a whole character */
};

struct frame {
    struct slice data;    /* never empty; borrowed */
    uint64_t whole_bytes; /* of the record as it was sent; more than data.bytes: it was cut */
    bool is_unfinished;   /* cut because the stream ended, or because no more of it can be held */
};
typedef void frame_fn(void *context, const struct frame *frame);

/* Of one stream. Zeroed is the beginning. */
struct framer {
    uint64_t skip;    /* bytes to come of a record whose head was given already */
    uint64_t dropped; /* of the unfinished line that is held: bytes of its middle */
    size_t looked;    /* bytes of what is held that have no delimiter */
    bool skips_line;  /* to the next delimiter: the head was given already */
    uint64_t skipped; /* bytes of such lines, until framing_count_skipped() */
    bool is_broken;   /* a length that cannot be: nothing behind it means anything; take no more */
};

/* Of what framing_take() left over so much can always be held: more than any prefix. */
enum { FRAMING_HELD_LEAST = 32 };

/* What may have to be held between two reads. */
static inline size_t framing_hold_bytes(const struct framing *framing)
{
    return framing->max_record_bytes + 24; /* the longest prefix, and one byte to see a cut */
}

/* Gives all records that are whole. Returns how many bytes at the front are done with. */
size_t framing_take(const struct framing *framing, struct framer *framer, struct slice data,
                    frame_fn *give, void *context);
/* Of what framing_take() left over: writes what has to be held to `hold`, which has room for
 * framing_hold_bytes() and may be where the rest is. Returns how many bytes. */
size_t framing_hold(const struct framing *framing, struct framer *framer, struct slice rest,
                    char *hold);
/* It cannot be held, and is longer than FRAMING_HELD_LEAST: gives the head of the unfinished
 * record, as far as it is there. What comes of it is skipped. */
void framing_spill(const struct framing *framing, struct framer *framer, struct slice rest,
                   frame_fn *give, void *context);
/* How many bytes of lines were skipped since the last call, as far as these have come to their end;
 * is_end: all. */
uint64_t framing_count_skipped(struct framer *framer, bool is_end);
/* The stream is at its end. A last line needs no delimiter; is_closed: its sender ended it, else it
 * is we who read no further. */
void framing_end(const struct framing *framing, struct framer *framer, struct slice rest,
                 bool is_closed, frame_fn *give, void *context);
