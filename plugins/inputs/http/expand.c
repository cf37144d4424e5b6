/* SPDX-License-Identifier: Apache-2.0 */
#include "expand.h"

#include <strings.h>
#include <zlib.h>
#ifdef WITH_ZSTD
#include <zstd.h>
#include <zstd_errors.h>
#endif

enum { ANY_HEAD = MAX_WBITS + 32, NO_HEAD = -MAX_WBITS };

#ifdef WITH_ZSTD
const char expand_known[] = "gzip, deflate, zstd";
#else
const char expand_known[] = "gzip, deflate";
#endif

enum expand_coding expand_coding_of(const char *name)
{
    if (name == NULL || name[0] == '\0' || strcasecmp(name, "identity") == 0)
        return CODING_IDENTITY;
    if (strcasecmp(name, "gzip") == 0 || strcasecmp(name, "x-gzip") == 0)
        return CODING_GZIP;
    if (strcasecmp(name, "deflate") == 0)
        return CODING_DEFLATE;
#ifdef WITH_ZSTD
    if (strcasecmp(name, "zstd") == 0)
        return CODING_ZSTD;
#endif
    return CODING_UNKNOWN;
}

static size_t bound_room(struct slice body, size_t room)
{
    size_t most = EXPAND_FREE_BYTES + body.bytes * EXPAND_RATIO;

    return most < room ? most : room;
}

/* Of one member after the other, until the body is at its end. */
static enum expanded inflate_all(z_stream *stream, size_t room, size_t *ret_bytes)
{
    for (;;) {
        int result = inflate(stream, Z_FINISH);
        *ret_bytes = room - stream->avail_out;
        if (result == Z_MEM_ERROR)
            return EXPAND_NO_MEMORY;
        if (result == Z_BUF_ERROR || result == Z_OK)
            return stream->avail_out == 0 ? EXPAND_TOO_LARGE : EXPAND_DAMAGED;
        if (result != Z_STREAM_END)
            return EXPAND_DAMAGED;
        if (stream->avail_in == 0)
            return EXPANDED;
        if (inflateReset(stream) != Z_OK)
            return EXPAND_DAMAGED;
    }
}

/* "deflate" is a zlib stream (RFC 1950), and yet some send it bare: the first byte tells. */
static enum expanded expand_zlib(enum expand_coding coding, struct slice body, char *to,
                                 size_t room, size_t *ret_bytes)
{
    bool is_bare = coding == CODING_DEFLATE && ((unsigned char)body.data[0] & 0x0f) != Z_DEFLATED;
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)body.data,
                        .avail_in = (uInt)body.bytes,
                        .next_out = (Bytef *)to,
                        .avail_out = (uInt)room };

    if (inflateInit2(&stream, is_bare ? NO_HEAD : ANY_HEAD) != Z_OK)
        return EXPAND_NO_MEMORY;
    enum expanded expanded = inflate_all(&stream, room, ret_bytes);
    (void)inflateEnd(&stream);
    return expanded;
}

#ifdef WITH_ZSTD
/* In one go no window is needed beside the text itself, however large its sender made it. */
static enum expanded expand_zstd(struct slice body, char *to, size_t room, size_t *ret_bytes)
{
    size_t result = ZSTD_decompress(to, room, body.data, body.bytes);

    if (!ZSTD_isError(result)) {
        *ret_bytes = result;
        return EXPANDED;
    }
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_dstSize_tooSmall:
        return EXPAND_TOO_LARGE;
    case ZSTD_error_memory_allocation:
        return EXPAND_NO_MEMORY;
    default:
        return EXPAND_DAMAGED;
    }
}
#endif

enum expanded expand(enum expand_coding coding, struct slice body, char *to, size_t room,
                     size_t *ret_bytes)
{
    *ret_bytes = 0;
    if (body.bytes == 0)
        return EXPANDED;
    room = bound_room(body, room);
#ifdef WITH_ZSTD
    if (coding == CODING_ZSTD)
        return expand_zstd(body, to, room, ret_bytes);
#endif
    return expand_zlib(coding, body, to, room, ret_bytes);
}
