/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/workshop.h"

#include "base/check.h"

#include <stdlib.h>

bool workshop_init(struct workshop *shop, const struct batcher_config *config, struct err *err)
{
    shop->encoder = encoder_new((int)config->encoding, config->max_bytes);
    if (shop->encoder == NULL)
        return err_set(err, "out of memory for a batch worker");
    if (config->compression == COMPRESS_NONE)
        return true;
    shop->codec = codec_new((int)config->compression, config->compression_level, config->max_bytes);
    if (shop->codec == NULL)
        return err_set(err, "out of memory for a compressor, or this compression is not built in");
    shop->compressed_room = codec_bound(shop->codec, config->max_bytes);
    shop->compressed = malloc(shop->compressed_room);
    return shop->compressed != NULL || err_set(err, "out of memory for a batch worker");
}

void workshop_fini(struct workshop *shop)
{
    encoder_free(&shop->encoder);
    codec_free(&shop->codec);
    free(shop->compressed);
    *shop = (struct workshop){ .encoder = NULL };
}

struct slice workshop_compress(const struct workshop *shop, struct slice text)
{
    if (shop->codec == NULL)
        return text;
    size_t bytes = codec_compress(shop->codec, text, shop->compressed, shop->compressed_room);
    CHECK(bytes > 0); /* the room is codec_bound() of the largest text */
    return (struct slice){ shop->compressed, bytes };
}
