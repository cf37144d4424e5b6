/* SPDX-License-Identifier: Apache-2.0 */
/* codec: one of three libraries makes gzip. Which one is decided here, at build time, and each
 * answers to the same names: gzip_open, gzip_close, gzip_bound, gzip_run, gzip_memory. Everything
 * is allocated when the codec is made: a batch that waits to be sealed must not fail for lack of
 * memory. Threads: an instance belongs to one. */
#include "batch/codec.h"

#include "base/check.h"
#include "built_with.h"
#include "plugins/plugin.h"

#include <limits.h>
#include <zlib.h>

#if HAVE_ISAL
#include <isa-l/igzip_lib.h>
#define GZIP_LIBRARY "isa-l " ISAL_VERSION
#elif HAVE_DEFLATE
#include <libdeflate.h>
#define GZIP_LIBRARY "libdeflate " DEFLATE_VERSION
#else
#define GZIP_LIBRARY "zlib " ZLIB_VERSION
#endif
#if HAVE_ZSTD
/* For a context in memory of our own. These functions are marked as experimental, but have been
 * exported unchanged since 1.3; the stable ones allocate, grow and shrink when they please. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#define ZSTD_LIBRARY ", zstd: " ZSTD_VERSION_STRING
#else
#define ZSTD_LIBRARY ""
#endif

enum { CHUNK_BYTES = 16384 };

#if HAVE_ISAL

/* The whole buffer in one call. Against the stream interface (isal_deflate) on 1 MiB of log lines:
 * the same speed and size at level 1, 10 % faster at levels 2 and 3; and what does not compress is
 * stored, so that the bound is close. Smaller or larger level buffers gain nothing. */
struct gzip {
    struct isal_zstream stream;
    uint32_t level, level_bytes;
    uint8_t level_memory[];
};

static struct gzip *gzip_open(unsigned level)
{
    static const uint32_t level_bytes[] = { 0, ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT,
                                            ISAL_DEF_LVL3_DEFAULT };
    unsigned mapped = level < 3 ? level : 3;
    struct gzip *gzip = calloc(1, sizeof(*gzip) + level_bytes[mapped]);

    if (gzip != NULL) {
        gzip->level = mapped;
        gzip->level_bytes = level_bytes[mapped];
    }
    return gzip;
}

static void gzip_close(struct gzip *gzip)
{
    free(gzip);
}

static size_t gzip_memory(const struct gzip *gzip)
{
    return sizeof(*gzip) + gzip->level_bytes;
}

/* Stored blocks of 65535 bytes with a head of 5 each, and the head and foot of the file. */
static size_t gzip_bound(struct gzip *gzip, size_t bytes)
{
    (void)gzip;
    return bytes + 5 * (bytes / 65535 + 1) + 64;
}

/* The library leaves the upper halves of the vector registers in use (as XGETBV tells), and with
 * them each SSE instruction waits for what its register held before. Measured: without, the worker
 * needs 3 % less time for lines of a file, and 7 % less for messages of syslog. */
static inline void clear_upper_halves(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vzeroupper" ::: "memory");
#endif
}

static size_t gzip_run(struct gzip *gzip, struct slice input, char *to, size_t room)
{
    struct isal_zstream *stream = &gzip->stream;

    isal_deflate_stateless_init(stream);
    stream->level = gzip->level;
    stream->level_buf = gzip->level_memory;
    stream->level_buf_size = gzip->level_bytes;
    stream->gzip_flag = IGZIP_GZIP;
    stream->end_of_stream = 1;
    stream->next_in = (uint8_t *)(uintptr_t)input.data; /* read only */
    stream->avail_in = (uint32_t)input.bytes;
    stream->next_out = (uint8_t *)to;
    stream->avail_out = (uint32_t)(room < UINT32_MAX ? room : UINT32_MAX);
    int failed = isal_deflate_stateless(stream);
    clear_upper_halves();
    return failed == COMP_OK ? stream->total_out : 0;
}

#elif HAVE_DEFLATE

struct gzip {
    struct libdeflate_compressor *compressor;
    unsigned level;
};

static struct gzip *gzip_open(unsigned level)
{
    struct gzip *gzip = malloc(sizeof(*gzip));

    if (gzip == NULL)
        return NULL;
    gzip->level = level;
    gzip->compressor = libdeflate_alloc_compressor((int)level);
    if (gzip->compressor == NULL) {
        free(gzip);
        return NULL;
    }
    return gzip;
}

static void gzip_close(struct gzip *gzip)
{
    if (gzip != NULL)
        libdeflate_free_compressor(gzip->compressor);
    free(gzip);
}

/* The library does not tell. Measured, and rounded up: its near-optimal levels need far more. */
static size_t gzip_memory(const struct gzip *gzip)
{
    const size_t first_near_optimal = 10;
    return sizeof(*gzip) + (gzip->level < first_near_optimal ? 1U << 20 : 10U << 20);
}

static size_t gzip_bound(struct gzip *gzip, size_t bytes)
{
    return libdeflate_gzip_compress_bound(gzip->compressor, bytes);
}

static size_t gzip_run(struct gzip *gzip, struct slice input, char *to, size_t room)
{
    return libdeflate_gzip_compress(gzip->compressor, input.data, input.bytes, to, room);
}

#else

struct gzip {
    z_stream stream;
};

static struct gzip *gzip_open(unsigned level)
{
    enum { GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 8 };
    struct gzip *gzip = calloc(1, sizeof(*gzip));
    int mapped = level < Z_BEST_COMPRESSION ? (int)level : Z_BEST_COMPRESSION;

    if (gzip != NULL && deflateInit2(&gzip->stream, mapped, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(gzip);
        return NULL;
    }
    return gzip;
}

static void gzip_close(struct gzip *gzip)
{
    if (gzip != NULL)
        (void)deflateEnd(&gzip->stream);
    free(gzip);
}

/* As zconf.h says for the window and memory level above, and the state itself. */
static size_t gzip_memory(const struct gzip *gzip)
{
    return sizeof(*gzip) + (1U << 17) + (1U << 17) + (1U << 13);
}

static size_t gzip_bound(struct gzip *gzip, size_t bytes)
{
    return deflateBound(&gzip->stream, bytes);
}

static size_t gzip_run(struct gzip *gzip, struct slice input, char *to, size_t room)
{
    z_stream *stream = &gzip->stream;

    stream->next_in = (Bytef *)(uintptr_t)input.data; /* read only */
    stream->avail_in = (uInt)input.bytes;
    stream->next_out = (Bytef *)to;
    stream->avail_out = room < UINT_MAX ? (uInt)room : UINT_MAX;
    size_t bytes = deflate(stream, Z_FINISH) == Z_STREAM_END ? stream->total_out : 0;
    CHECK(deflateReset(stream) == Z_OK); /* at once: deflateBound() is wrong on a finished stream */
    return bytes;
}

#endif

#if HAVE_ZSTD

struct zstd {
    ZSTD_CCtx *context; /* in `memory` */
    size_t memory_bytes;
    uint64_t memory[];
};

/* The tables are sized for the largest input. The level is turned into plain parameters, because
 * for smaller inputs it would mean others, with tables that may be larger. */
static bool set_parameters(ZSTD_CCtx *context, ZSTD_compressionParameters parameters)
{
    const struct {
        ZSTD_cParameter name;
        unsigned value;
    } rows[] = {
        { ZSTD_c_windowLog, parameters.windowLog },
        { ZSTD_c_hashLog, parameters.hashLog },
        { ZSTD_c_chainLog, parameters.chainLog },
        { ZSTD_c_searchLog, parameters.searchLog },
        { ZSTD_c_minMatch, parameters.minMatch },
        { ZSTD_c_strategy, parameters.strategy },
        { ZSTD_c_targetLength, parameters.targetLength },
        { ZSTD_c_contentSizeFlag, 1 },
        { ZSTD_c_checksumFlag, 1 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (ZSTD_isError(ZSTD_CCtx_setParameter(context, rows[i].name, (int)rows[i].value)))
            return false;
    return true;
}

static struct zstd *zstd_open(unsigned level, size_t usual_bytes)
{
    ZSTD_compressionParameters parameters = ZSTD_getCParams((int)level, usual_bytes, 0);
    size_t bytes = ZSTD_estimateCCtxSize_usingCParams(parameters);
    struct zstd *zstd = ZSTD_isError(bytes) ? NULL : malloc(sizeof(*zstd) + bytes);

    if (zstd == NULL)
        return NULL;
    zstd->memory_bytes = bytes;
    zstd->context = ZSTD_initStaticCCtx(zstd->memory, bytes);
    if (zstd->context == NULL || !set_parameters(zstd->context, parameters)) {
        free(zstd);
        return NULL;
    }
    return zstd;
}

static void zstd_close(struct zstd *zstd)
{
    free(zstd);
}

static size_t zstd_memory(const struct zstd *zstd)
{
    return sizeof(*zstd) + zstd->memory_bytes;
}

static size_t zstd_bound(size_t bytes)
{
    return ZSTD_compressBound(bytes);
}

static size_t zstd_run(struct zstd *zstd, struct slice input, char *to, size_t room)
{
    size_t bytes = ZSTD_compress2(zstd->context, to, room, input.data, input.bytes);
    return ZSTD_isError(bytes) ? 0 : bytes;
}

static bool zstd_expand(struct slice input, struct buf *ret)
{
    char chunk[CHUNK_BYTES];
    ZSTD_inBuffer in = { input.data, input.bytes, 0 };
    ZSTD_DStream *stream = ZSTD_createDStream();
    size_t hint = 1; /* 0: at the end of a frame */
    bool ok = stream != NULL, full = true;

    /* A full chunk may mean that there is more to come without further input. */
    while (ok && (in.pos < in.size || (hint != 0 && full))) {
        ZSTD_outBuffer out = { chunk, sizeof(chunk), 0 };
        hint = ZSTD_decompressStream(stream, &out, &in);
        full = out.pos == out.size;
        ok = !ZSTD_isError(hint) && buf_add(ret, chunk, out.pos);
    }
    (void)ZSTD_freeDStream(stream);
    return ok && hint == 0;
}

#else

struct zstd;

static struct zstd *zstd_open(unsigned level, size_t usual_bytes)
{
    (void)level, (void)usual_bytes;
    return NULL;
}

static void zstd_close(struct zstd *zstd)
{
    (void)zstd;
}

static size_t zstd_memory(const struct zstd *zstd)
{
    (void)zstd;
    return 0;
}

static size_t zstd_bound(size_t bytes)
{
    return bytes;
}

static size_t zstd_run(struct zstd *zstd, struct slice input, char *to, size_t room)
{
    (void)zstd, (void)input, (void)to, (void)room;
    return 0;
}

static bool zstd_expand(struct slice input, struct buf *ret)
{
    (void)input, (void)ret;
    return false;
}

#endif

struct codec {
    int compression;
    struct gzip *gzip; /* one of the two, or none */
    struct zstd *zstd;
};

struct codec *codec_new(int compression, unsigned level, size_t usual_bytes)
{
    CHECK(level >= 1 && level <= 12);
    struct codec *codec = calloc(1, sizeof(*codec));

    if (codec == NULL)
        return NULL;
    codec->compression = compression;
    if (compression == COMPRESS_GZIP)
        codec->gzip = gzip_open(level);
    else if (compression == COMPRESS_ZSTD)
        codec->zstd = zstd_open(level, usual_bytes);
    if (compression != COMPRESS_NONE && codec->gzip == NULL && codec->zstd == NULL)
        codec_free(&codec);
    return codec;
}

void codec_free(struct codec **codecp)
{
    struct codec *codec = *codecp;

    *codecp = NULL;
    if (codec == NULL)
        return;
    gzip_close(codec->gzip);
    zstd_close(codec->zstd);
    free(codec);
}

size_t codec_bound(const struct codec *codec, size_t input_bytes)
{
    return codec->gzip != NULL   ? gzip_bound(codec->gzip, input_bytes)
           : codec->zstd != NULL ? zstd_bound(input_bytes)
                                 : input_bytes;
}

size_t codec_compress(struct codec *codec, struct slice input, char *to, size_t room)
{
    CHECK(input.bytes < INT_MAX); /* what every library can count */
    if (codec->gzip != NULL)
        return gzip_run(codec->gzip, input, to, room);
    if (codec->zstd != NULL)
        return zstd_run(codec->zstd, input, to, room);
    if (input.bytes > room)
        return 0;
    memcpy(to, input.data, input.bytes);
    return input.bytes;
}

size_t codec_memory(const struct codec *codec)
{
    return sizeof(*codec) + (codec->gzip != NULL ? gzip_memory(codec->gzip) : 0) +
           (codec->zstd != NULL ? zstd_memory(codec->zstd) : 0);
}

/* One member of a gzip file after the other (RFC 1952, 2.2). */
static bool gzip_expand(struct slice input, struct buf *ret)
{
    enum { ANY_WINDOW = 15 + 32 };
    char chunk[CHUNK_BYTES];
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)input.data, .avail_in = (uInt)input.bytes };
    int status = Z_OK;

    if (input.bytes > UINT_MAX || inflateInit2(&stream, ANY_WINDOW) != Z_OK)
        return false;
    while (status == Z_OK) {
        stream.next_out = (Bytef *)chunk;
        stream.avail_out = sizeof(chunk);
        status = inflate(&stream, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END)
            break;
        if (!buf_add(ret, chunk, sizeof(chunk) - stream.avail_out))
            status = Z_MEM_ERROR;
        else if (status == Z_STREAM_END && stream.avail_in > 0)
            status = inflateReset(&stream);
    }
    (void)inflateEnd(&stream);
    return status == Z_STREAM_END;
}

int codec_compression(const struct codec *codec)
{
    return codec->compression;
}

bool codec_expand(int compression, struct slice input, struct buf *ret)
{
    if (compression == COMPRESS_GZIP)
        return gzip_expand(input, ret);
    if (compression == COMPRESS_ZSTD)
        return zstd_expand(input, ret);
    return buf_add(ret, input.data, input.bytes);
}

bool codec_is_built_in(int compression)
{
    return compression == COMPRESS_NONE || compression == COMPRESS_GZIP ||
           (compression == COMPRESS_ZSTD && HAVE_ZSTD);
}

const char *codec_libraries(void)
{
    return "gzip: " GZIP_LIBRARY ZSTD_LIBRARY;
}
