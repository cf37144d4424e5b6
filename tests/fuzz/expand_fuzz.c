/* SPDX-License-Identifier: Apache-2.0 */
/* expand_fuzz: any bytes as compressed data end in bounded time and memory; and any bytes that
 * are compressed come back. The first byte says which. */
#include "batch/codec.h"
#include "plugins/plugin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { LIMIT_BYTES = 1 << 18 };

static void check_round_trip(int compression, struct slice input)
{
    struct codec *codec = codec_new(compression, 1 + (unsigned)(input.bytes % 12), input.bytes);
    struct buf back = { .limit = input.bytes + 1 };

    CHECK(codec != NULL);
    size_t room = codec_bound(codec, input.bytes);
    char *packed = malloc(room + 1);
    CHECK(packed != NULL);
    size_t packed_bytes = codec_compress(codec, input, packed, room);
    CHECK(packed_bytes > 0 && packed_bytes <= room);
    CHECK(codec_expand(compression, (struct slice){ packed, packed_bytes }, &back));
    CHECK(slice_equals(buf_slice(&back), input));
    free(packed);
    buf_fini(&back);
    codec_free(&codec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    struct slice input = { (const char *)data + 1, bytes - 1 };
    int compression = (data[0] & 1) != 0 ? COMPRESS_GZIP : COMPRESS_ZSTD;
    struct buf ret = { .limit = LIMIT_BYTES };

    if (!codec_is_built_in(compression))
        return 0;
    if ((data[0] & 2) != 0) {
        check_round_trip(compression, input);
        return 0;
    }
    (void)codec_expand(compression, input, &ret);
    CHECK(ret.bytes <= LIMIT_BYTES);
    buf_fini(&ret);
    return 0;
}
