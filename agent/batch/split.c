/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/split.h"

#include "base/auto.h"
#include "base/check.h"
#include "batch/encoder.h"
#include "plugins/plugin.h"

static bool take_body(struct batch *half, struct slice text, struct codec *codec)
{
    size_t room = codec == NULL ? text.bytes : codec_bound(codec, text.bytes);

    half->body = malloc(room);
    if (half->body == NULL)
        return false;
    half->raw_bytes = text.bytes;
    half->compression = codec == NULL ? COMPRESS_NONE : (uint8_t)codec_compression(codec);
    if (codec == NULL) {
        memcpy(half->body, text.data, text.bytes);
        half->body_bytes = text.bytes;
        return true;
    }
    half->body_bytes = codec_compress(codec, text, half->body, room);
    if (half->body_bytes == 0)
        return false;
    char *fitted = realloc(half->body, half->body_bytes);
    if (fitted != NULL)
        half->body = fitted;
    return true;
}

static void add_run(struct batch *half, const struct batch_run *run, uint64_t events,
                    uint64_t bytes)
{
    if (events == 0)
        return;
    half->runs[half->run_count] = *run;
    half->runs[half->run_count].events = events;
    half->runs[half->run_count++].bytes = bytes;
    half->events += events;
    half->bytes += bytes;
}

static bool share_runs(const struct batch *parent, uint64_t first_events, struct batch *halves[2])
{
    for (int i = 0; i < 2; i++) {
        halves[i]->runs = malloc(parent->run_count * sizeof(struct batch_run));
        if (halves[i]->runs == NULL)
            return false;
    }
    uint64_t left = first_events;
    for (size_t i = 0; i < parent->run_count; i++) {
        const struct batch_run *run = &parent->runs[i];
        uint64_t events = run->events < left ? run->events : left;
        uint64_t bytes =
            run->bytes / run->events * events + run->bytes % run->events * events / run->events;
        add_run(halves[0], run, events, bytes);
        add_run(halves[1], run, run->events - events, run->bytes - bytes);
        left -= events;
    }
    return true;
}

static bool name_half(struct batch *half, const struct batch *parent, int index)
{
    half->sequence = parent->sequence;
    half->encoding = parent->encoding;
    half->worker = parent->worker;
    half->oldest_boot_ms = parent->oldest_boot_ms;
    int length = snprintf(half->key, sizeof(half->key), "%s/%d", parent->key, index);
    return length > 0 && length < (int)sizeof(half->key);
}

bool split_batch(const struct batch *parent, struct codec *codec, struct batch *ret_halves[2])
{
    AUTO(batch_free) struct batch *first = batch_new();
    AUTO(batch_free) struct batch *second = batch_new();
    AUTO(buf_fini) struct buf text = { .limit = parent->raw_bytes + 1 };
    AUTO(buf_fini) struct buf start = { 0 };
    AUTO(buf_fini) struct buf rest = { 0 };
    AUTO(codec_free) struct codec *own = NULL;
    struct slice body = { parent->body, parent->body_bytes };

    if (parent->events < 2 || first == NULL || second == NULL)
        return false;
    /* One from the spool may have been sealed with other settings. */
    if (parent->compression == COMPRESS_NONE) {
        codec = NULL;
    } else {
        if (codec == NULL || codec_compression(codec) != parent->compression) {
            own = codec_new(parent->compression, 1, parent->raw_bytes);
            codec = own;
        }
        if (codec == NULL || !codec_expand(parent->compression, body, &text))
            return false;
        body = buf_slice(&text);
    }
    uint64_t events = parent->events / 2;
    struct batch *halves[2] = { first, second };
    if (!encoder_split(parent->encoding, body, events, &start, &rest) ||
        !share_runs(parent, events, halves) || !name_half(first, parent, 0) ||
        !name_half(second, parent, 1) || !take_body(first, buf_slice(&start), codec) ||
        !take_body(second, buf_slice(&rest), codec))
        return false;
    ret_halves[0] = first;
    ret_halves[1] = second;
    first = second = NULL;
    return true;
}
