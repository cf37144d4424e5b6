/* SPDX-License-Identifier: Apache-2.0 */
/* receive_body: one small step for each piece and encoding; all of them end in hand_on(). */
#include "cli/receive_body.h"

#include "base/auto.h"
#include "built_with.h"

#include <stdlib.h>
#include <strings.h>
#include <zlib.h>
#if HAVE_ZSTD
#include <zstd.h>
#endif

enum {
    PIECE_BYTES = 128 * 1024,
    AUTO_HEAD = MAX_WBITS + 32,
    NO_HEAD = -MAX_WBITS,
    LARGEST_WINDOW_LOG = 25
};

struct body {
    /* constant after start */
    enum body_encoding encoding;
    uint64_t most_bytes;
    void (*take)(void *context, struct slice piece);
    void *context;
    /* the rest */
    enum body_state state;
    uint64_t expanded;
    bool started; /* bytes have come */
    bool at_end;  /* a member or frame is whole, and none has begun since */
    bool inflating;
    z_stream inflate;
#if HAVE_ZSTD
    ZSTD_DStream *zstd;
#endif
    char piece[PIECE_BYTES];
};

enum body_encoding body_encoding_of(const char *name)
{
    static const struct {
        const char *name;
        enum body_encoding encoding;
    } known[] = {
        { "", BODY_IDENTITY },
        { "identity", BODY_IDENTITY },
        { "gzip", BODY_GZIP },
        { "x-gzip", BODY_GZIP },
        { "deflate", BODY_DEFLATE },
#if HAVE_ZSTD
        { "zstd", BODY_ZSTD },
#endif
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcasecmp(name == NULL ? "" : name, known[i].name) == 0)
            return known[i].encoding;
    }
    return BODY_UNKNOWN;
}

struct body *body_new(enum body_encoding encoding, uint64_t most_bytes,
                      void (*take)(void *context, struct slice piece), void *context)
{
    AUTO(body_free)
    struct body *body = encoding == BODY_UNKNOWN ? NULL : malloc(sizeof(*body));

    if (body == NULL)
        return NULL;
    memset(body, 0, offsetof(struct body, piece));
    body->encoding = encoding;
    body->most_bytes = most_bytes;
    body->take = take;
    body->context = context;
    body->at_end = encoding == BODY_IDENTITY;
#if HAVE_ZSTD
    if (encoding == BODY_ZSTD) {
        body->zstd = ZSTD_createDStream();
        if (body->zstd == NULL || ZSTD_isError(ZSTD_DCtx_setParameter(
                                      body->zstd, ZSTD_d_windowLogMax, LARGEST_WINDOW_LOG)))
            return NULL;
    }
#endif
    struct body *made = body;
    body = NULL;
    return made;
}

void body_free(struct body **bodyp)
{
    struct body *body = *bodyp;
    *bodyp = NULL;
    if (body == NULL)
        return;
    if (body->inflating)
        (void)inflateEnd(&body->inflate);
#if HAVE_ZSTD
    (void)ZSTD_freeDStream(body->zstd);
#endif
    free(body);
}

static bool hand_on(struct body *body, struct slice piece)
{
    body->expanded += piece.bytes;
    if (body->expanded > body->most_bytes) {
        body->state = BODY_TOO_LARGE;
        return false;
    }
    if (piece.bytes > 0)
        body->take(body->context, piece);
    return true;
}

/* "deflate" is a zlib stream, and yet some send it bare: the first byte tells (RFC 1950, 2.2). */
static bool start_inflate(struct body *body, struct slice piece)
{
    bool bare =
        body->encoding == BODY_DEFLATE && ((unsigned char)piece.data[0] & 0x0f) != Z_DEFLATED;

    body->inflating = inflateInit2(&body->inflate, bare ? NO_HEAD : AUTO_HEAD) == Z_OK;
    if (!body->inflating)
        body->state = BODY_NO_MEMORY;
    return body->inflating;
}

static void feed_inflate(struct body *body, struct slice piece)
{
    z_stream *stream = &body->inflate;

    if (!body->inflating && !start_inflate(body, piece))
        return;
    stream->next_in = (Bytef *)piece.data;
    stream->avail_in = (uInt)piece.bytes;
    do {
        if (body->at_end && inflateReset(stream) != Z_OK) /* members may follow each other */
            body->state = BODY_DAMAGED;
        stream->next_out = (Bytef *)body->piece;
        stream->avail_out = PIECE_BYTES;
        int result = inflate(stream, Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            body->state = BODY_DAMAGED;
        body->at_end = result == Z_STREAM_END;
        if (!hand_on(body, (struct slice){ body->piece, PIECE_BYTES - stream->avail_out }))
            return;
    } while (body->state == BODY_GOOD &&
             (stream->avail_in > 0 || (stream->avail_out == 0 && !body->at_end)));
}

#if HAVE_ZSTD
static void feed_zstd(struct body *body, struct slice piece)
{
    ZSTD_inBuffer in = { piece.data, piece.bytes, 0 };
    ZSTD_outBuffer out;

    do {
        out = (ZSTD_outBuffer){ body->piece, PIECE_BYTES, 0 };
        size_t result = ZSTD_decompressStream(body->zstd, &out, &in);
        if (ZSTD_isError(result)) {
            body->state = BODY_DAMAGED;
            return;
        }
        body->at_end = result == 0;
        if (!hand_on(body, (struct slice){ body->piece, out.pos }))
            return;
    } while (in.pos < in.size || (out.pos == out.size && !body->at_end));
}
#endif

enum body_state body_feed(struct body *body, struct slice piece)
{
    if (body->state != BODY_GOOD || piece.bytes == 0)
        return body->state;
    body->started = true;
    switch (body->encoding) {
    case BODY_IDENTITY:
        (void)hand_on(body, piece);
        break;
    case BODY_GZIP:
    case BODY_DEFLATE:
        feed_inflate(body, piece);
        break;
    case BODY_ZSTD:
#if HAVE_ZSTD
        feed_zstd(body, piece);
        break;
#endif
    case BODY_UNKNOWN:
        break; /* body_new() makes none of these */
    }
    return body->state;
}

enum body_state body_end(struct body *body)
{
    if (body->state == BODY_GOOD && body->started && !body->at_end)
        body->state = BODY_DAMAGED;
    return body->state;
}

uint64_t body_expanded_bytes(const struct body *body)
{
    return body->expanded;
}
