/* SPDX-License-Identifier: Apache-2.0 */
/* codec: compresses whole buffers. gzip (RFC 1952) by ISA-L, else libdeflate, else zlib, as found
 * at build time; zstd (RFC 8878). Levels 1 … 12 are mapped to what the library has. Threads: an
 * instance belongs to one thread. Allocates at construction only. */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

struct codec;

/* compression: enum compression of plugins/plugin.h. usual_bytes: inputs are seldom larger; one
 * that is compresses as well as one of that size. NULL: out of memory, or not built in. */
struct codec *codec_new(int compression, unsigned level, size_t usual_bytes);
void codec_free(struct codec **codecp);
size_t codec_bound(const struct codec *codec, size_t input_bytes); /* room that to needs */
/* Returns the bytes written, 0: failed. */
size_t codec_compress(struct codec *codec, struct slice input, char *to, size_t room);
int codec_compression(const struct codec *codec); /* what codec_new() was given */
size_t codec_memory(const struct codec *codec);   /* bytes it holds besides the buffers */

/* Expands what codec_compress() made, appended to ret (its limit bounds it). Any codec instance. */
bool codec_expand(int compression, struct slice input, struct buf *ret);
bool codec_is_built_in(int compression);
const char *codec_libraries(void); /* "gzip: isa-l 2.30, zstd: 1.5.4" */
