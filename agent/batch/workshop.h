/* SPDX-License-Identifier: Apache-2.0 */
/* workshop: the memory of a batcher that depends on encoding, compression and sizes: an encoder, a
 * compressor and the room for one compressed batch. Threads: none of its own. */
#pragma once

#include "batch/batcher.h"
#include "batch/codec.h"
#include "batch/encoder.h"

struct workshop {
    struct encoder *encoder; /* NULL: there is none */
    struct codec *codec;     /* NULL: no compression */
    char *compressed;
    size_t compressed_room;
};

/* false: out of memory, err says for what; what was made is freed by workshop_fini(). */
bool workshop_init(struct workshop *shop, const struct batcher_config *config, struct err *err);
void workshop_fini(struct workshop *shop); /* zeroed and half-built ones are fine */
/* The text, compressed if it is to be: borrowed until the next call. */
struct slice workshop_compress(const struct workshop *shop, struct slice text);
