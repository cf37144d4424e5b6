/* SPDX-License-Identifier: Apache-2.0 */
/* cursor: how far a file was read, with proof: a hash of its first bytes and the last bytes before
 * the offset. Both cover only what was consumed, so a file may do what it likes after the offset.
 * Promise: a file that was cut off and written anew, even to the same size, no longer fits its
 * cursor; one that only grew always does. Threads: none. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { TAIL_PREFIX_BYTES = 256, TAIL_LAST_BYTES = 64 };

struct tail_cursor {
    uint64_t offset;
    uint64_t prefix_hash;       /* of the first min(offset, TAIL_PREFIX_BYTES) bytes */
    char last[TAIL_LAST_BYTES]; /* the min(offset, TAIL_LAST_BYTES) bytes before the offset */
};

/* A cursor as it is kept: hashes with the lengths they cover. 0 bytes: nothing to compare. Of the
 * first bytes more may be known than lie before the offset. */
struct tail_position {
    uint64_t offset;
    uint64_t prefix_hash, last_hash;
    uint32_t prefix_bytes, last_bytes;
};

struct tail_cursor tail_cursor_make(void); /* at offset 0 */
void tail_cursor_advance(struct tail_cursor *cursor, const char *data, size_t bytes);
void tail_cursor_advance_zeros(struct tail_cursor *cursor, uint64_t bytes);
struct tail_position tail_cursor_position(const struct tail_cursor *cursor);

enum tail_fit {
    TAIL_FITS,
    TAIL_FITS_NOT,  /* the file is another one there, or shorter: it was cut off or written anew */
    TAIL_UNREADABLE /* nobody can say: errno */
};

/* Is what was consumed still what the file has there? */
enum tail_fit tail_cursor_fits(const struct tail_cursor *cursor, int fd);

/* The cursor of a kept position, if the file fits it. */
enum tail_fit tail_cursor_load(struct tail_cursor *ret, const struct tail_position *position,
                               int fd);
