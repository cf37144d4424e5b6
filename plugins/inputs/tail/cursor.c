/* SPDX-License-Identifier: Apache-2.0 */
/* cursor: FNV-1a because it goes on byte by byte: the prefix grows with what is consumed, from the
 * very bytes that were delivered, and needs no second read that could see another file. */
#include "cursor.h"

#include "plugin.h"

static const uint64_t FNV_BASIS = UINT64_C(0xcbf29ce484222325);
static const uint64_t FNV_PRIME = UINT64_C(0x100000001b3);

static uint64_t hash_more(uint64_t hash, const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)data[i]) * FNV_PRIME;
    return hash;
}

static size_t covered(uint64_t offset, size_t most)
{
    return offset < most ? (size_t)offset : most;
}

/* A short read means that the file has become shorter. */
static enum tail_fit read_fully(int fd, char *to, size_t bytes, uint64_t offset)
{
    ssize_t got = pread(fd, to, bytes, (off_t)offset);

    if (got < 0)
        return TAIL_UNREADABLE;
    return got == (ssize_t)bytes ? TAIL_FITS : TAIL_FITS_NOT;
}

struct tail_cursor tail_cursor_make(void)
{
    return (struct tail_cursor){ .prefix_hash = FNV_BASIS };
}

void tail_cursor_advance(struct tail_cursor *cursor, const char *data, size_t bytes)
{
    size_t had_prefix = covered(cursor->offset, TAIL_PREFIX_BYTES);
    size_t had_last = covered(cursor->offset, TAIL_LAST_BYTES);

    cursor->offset += bytes;
    size_t prefix = covered(cursor->offset, TAIL_PREFIX_BYTES);
    cursor->prefix_hash = hash_more(cursor->prefix_hash, data, prefix - had_prefix);
    size_t last = covered(cursor->offset, TAIL_LAST_BYTES);
    size_t fresh = covered(bytes, last);
    size_t kept = last - fresh;
    memmove(cursor->last, cursor->last + had_last - kept, kept);
    if (fresh > 0)
        memcpy(cursor->last + kept, data + bytes - fresh, fresh);
}

void tail_cursor_advance_zeros(struct tail_cursor *cursor, uint64_t bytes)
{
    static const char zeros[TAIL_PREFIX_BYTES + TAIL_LAST_BYTES];
    size_t seen = covered(bytes, sizeof(zeros));

    tail_cursor_advance(cursor, zeros, seen);
    cursor->offset += bytes - seen; /* beyond this neither hash nor last bytes change */
}

struct tail_position tail_cursor_position(const struct tail_cursor *cursor)
{
    size_t last = covered(cursor->offset, TAIL_LAST_BYTES);
    return (struct tail_position){
        .offset = cursor->offset,
        .prefix_hash = cursor->prefix_hash,
        .prefix_bytes = (uint32_t)covered(cursor->offset, TAIL_PREFIX_BYTES),
        .last_hash = hash_more(FNV_BASIS, cursor->last, last),
        .last_bytes = (uint32_t)last,
    };
}

enum tail_fit tail_cursor_fits(const struct tail_cursor *cursor, int fd)
{
    char block[TAIL_PREFIX_BYTES];
    size_t prefix = covered(cursor->offset, TAIL_PREFIX_BYTES);
    size_t last = covered(cursor->offset, TAIL_LAST_BYTES);

    enum tail_fit fit = read_fully(fd, block, last, cursor->offset - last);
    if (fit == TAIL_FITS && memcmp(block, cursor->last, last) != 0)
        return TAIL_FITS_NOT;
    if (fit == TAIL_FITS)
        fit = read_fully(fd, block, prefix, 0);
    if (fit == TAIL_FITS && hash_more(FNV_BASIS, block, prefix) != cursor->prefix_hash)
        return TAIL_FITS_NOT;
    return fit;
}

static bool is_hash_of(const char *data, uint32_t bytes, uint64_t hash)
{
    return bytes == 0 || hash_more(FNV_BASIS, data, bytes) == hash;
}

enum tail_fit tail_cursor_load(struct tail_cursor *ret, const struct tail_position *position,
                               int fd)
{
    struct tail_cursor cursor = { .offset = position->offset };
    char block[TAIL_PREFIX_BYTES];
    size_t prefix = covered(position->offset, TAIL_PREFIX_BYTES);
    size_t last = covered(position->offset, TAIL_LAST_BYTES);

    size_t proof = position->prefix_bytes > prefix ? position->prefix_bytes : prefix;

    if (proof > sizeof(block) || position->last_bytes > last)
        return TAIL_FITS_NOT;
    enum tail_fit fit = read_fully(fd, block, proof, 0);
    if (fit == TAIL_FITS)
        fit = read_fully(fd, cursor.last, last, position->offset - last);
    if (fit != TAIL_FITS)
        return fit;
    const char *kept = cursor.last + last - position->last_bytes;
    if (!is_hash_of(block, position->prefix_bytes, position->prefix_hash) ||
        !is_hash_of(kept, position->last_bytes, position->last_hash))
        return TAIL_FITS_NOT;
    cursor.prefix_hash = hash_more(FNV_BASIS, block, prefix);
    *ret = cursor;
    return TAIL_FITS;
}
