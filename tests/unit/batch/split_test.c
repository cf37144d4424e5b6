/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/auto.h"
#include "batch/encoder.h"
#include "batch/split.h"
#include "plugins/plugin.h"

#include <stdio.h>
#include <stdlib.h>

enum { EVENTS = 7 };

/* A sealed batch of EVENTS lines "line 0" …, in runs of 3, 1 and 3 events. The books are only
 * compared, never used. */
static struct batch *make_batch(int encoding, int compression, struct codec *codec)
{
    static const uint64_t run_events[] = { 3, 1, 3 };
    struct encoder *encoder = encoder_new(encoding, 64 * 1024);
    struct batch *batch = batch_new();
    char text[16];

    encoder_begin(encoder);
    for (int i = 0; i < EVENTS; i++) {
        int length = snprintf(text, sizeof(text), "line %d", i);
        struct event event = { .body = { text, (size_t)length } };
        assert_int_equal(encoder_add(encoder, &event), ENCODED);
    }
    struct slice raw = encoder_end(encoder);
    batch->raw_bytes = raw.bytes;
    batch->body = malloc(raw.bytes + 1024);
    if (codec == NULL) {
        memcpy(batch->body, raw.data, raw.bytes);
        batch->body_bytes = raw.bytes;
    } else {
        batch->body_bytes = codec_compress(codec, raw, batch->body, raw.bytes + 1024);
    }
    batch->runs = calloc(3, sizeof(*batch->runs));
    batch->run_count = 3;
    for (size_t i = 0; i < 3; i++) {
        batch->runs[i] = (struct batch_run){ .books = (struct books *)(uintptr_t)(i + 1),
                                             .events = run_events[i],
                                             .bytes = run_events[i] * 10 + 1 };
        batch->events += batch->runs[i].events;
        batch->bytes += batch->runs[i].bytes;
    }
    batch->encoding = (uint8_t)encoding;
    batch->compression = (uint8_t)compression;
    batch->sequence = 9;
    batch->oldest_boot_ms = 4321;
    batch->worker = 3;
    (void)snprintf(batch->key, sizeof(batch->key), "a-b-9");
    encoder_free(&encoder);
    return batch;
}

static unsigned count_lines(const struct batch *batch, struct codec *codec, const char *needle)
{
    AUTO(buf_fini) struct buf text = { 0 };
    unsigned count = 0;
    if (codec != NULL)
        assert_true(codec_expand(batch->compression,
                                 (struct slice){ batch->body, batch->body_bytes }, &text));
    else
        assert_true(buf_add(&text, batch->body, batch->body_bytes));
    for (const char *at = text.data; (at = strstr(at, needle)) != NULL; at++)
        count++;
    return count;
}

static void check_halves(int encoding, int compression)
{
    struct codec *codec =
        compression == COMPRESS_NONE ? NULL : codec_new(compression, 1, 64 * 1024);
    struct batch *parent = make_batch(encoding, compression, codec);
    struct batch *halves[2] = { NULL, NULL };

    assert_true(split_batch(parent, codec, halves));
    assert_int_equal(halves[0]->events, 3);
    assert_int_equal(halves[1]->events, 4);
    assert_int_equal(halves[0]->bytes + halves[1]->bytes, parent->bytes);
    assert_string_equal(halves[0]->key, "a-b-9/0");
    assert_string_equal(halves[1]->key, "a-b-9/1");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(halves[i]->sequence, 9);
        assert_int_equal(halves[i]->oldest_boot_ms, 4321); /* max_age is a deadline of both */
        assert_int_equal(halves[i]->encoding, encoding);
        assert_int_equal(halves[i]->compression, compression);
        assert_int_equal(halves[i]->worker, 3);
    }
    assert_int_equal(halves[0]->run_count, 1);
    assert_int_equal(halves[1]->run_count, 2);
    assert_int_equal(count_lines(halves[0], codec, "\"line "), 3);
    assert_int_equal(count_lines(halves[1], codec, "\"line "), 4);
    assert_int_equal(count_lines(halves[1], codec, "\"line 3\""), 1);

    struct batch *quarters[2] = { NULL, NULL };
    assert_true(split_batch(halves[0], codec, quarters));
    assert_string_equal(quarters[1]->key, "a-b-9/0/1");
    assert_int_equal(quarters[0]->bytes + quarters[1]->bytes, halves[0]->bytes);
    struct batch *all[] = { parent, halves[0], halves[1], quarters[0], quarters[1] };
    for (size_t i = 0; i < 5; i++)
        batch_free(&all[i]);
    codec_free(&codec);
}

static void halves_hold_each_event_once_in_every_format(void **unused)
{
    (void)unused;
    const int encodings[] = { ENCODE_NDJSON, ENCODE_JSON_ARRAY };
    const int compressions[] = { COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_ZSTD };
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < 3; j++) {
            if (codec_is_built_in(compressions[j]))
                check_halves(encodings[i], compressions[j]);
        }
    }
}

/* It was sealed when batches could be larger: a user who is told 413 makes them smaller. */
static void halves_may_be_larger_than_what_this_worker_seals(void **unused)
{
    (void)unused;
    static const int kinds[] = { COMPRESS_GZIP, COMPRESS_ZSTD };

    for (size_t i = 0; i < 2; i++) {
        if (!codec_is_built_in(kinds[i]))
            continue;
        struct codec *before = codec_new(kinds[i], 1, 64 * 1024), *now = codec_new(kinds[i], 1, 32);
        struct batch *parent = make_batch(ENCODE_NDJSON, kinds[i], before);
        struct batch *halves[2] = { NULL, NULL };
        assert_true(split_batch(parent, now, halves));
        assert_true(halves[1]->raw_bytes > 32);
        assert_int_equal(count_lines(halves[0], now, "\"line "), 3);
        assert_int_equal(count_lines(halves[1], now, "\"line "), 4);
        batch_free(&parent);
        batch_free(&halves[0]);
        batch_free(&halves[1]);
        codec_free(&before);
        codec_free(&now);
    }
}

/* It was read from the spool of a start with other settings. */
static void halves_are_compressed_as_their_parent_was_whatever_this_worker_does(void **unused)
{
    (void)unused;
    static const int kinds[] = { COMPRESS_NONE, COMPRESS_GZIP };
    for (size_t i = 0; i < 4; i++) {
        struct codec *gzip = codec_new(COMPRESS_GZIP, 1, 64 * 1024);
        int was = kinds[i % 2], is = kinds[i / 2];
        struct batch *parent = make_batch(ENCODE_NDJSON, was, was == COMPRESS_NONE ? NULL : gzip);
        struct batch *halves[2] = { NULL, NULL };
        struct codec *codec = is == COMPRESS_NONE ? NULL : gzip;
        assert_true(split_batch(parent, codec, halves));
        assert_int_equal(halves[0]->compression, was);
        assert_int_equal(halves[1]->compression, was);
        assert_int_equal(count_lines(halves[0], was == COMPRESS_NONE ? NULL : gzip, "\"line "), 3);
        assert_int_equal(count_lines(halves[1], was == COMPRESS_NONE ? NULL : gzip, "\"line "), 4);
        batch_free(&parent);
        batch_free(&halves[0]);
        batch_free(&halves[1]);
        codec_free(&gzip);
    }
}

static void one_event_cannot_be_split(void **unused)
{
    (void)unused;
    struct batch *batch = make_batch(ENCODE_NDJSON, COMPRESS_NONE, NULL);
    struct batch *halves[2] = { NULL, NULL };
    batch->events = 1;
    assert_false(split_batch(batch, NULL, halves));
    assert_null(halves[0]);
    batch_free(&batch);
}

static void a_damaged_body_is_not_split(void **unused)
{
    (void)unused;
    struct codec *codec = codec_new(COMPRESS_GZIP, 1, 64 * 1024);
    struct batch *batch = make_batch(ENCODE_NDJSON, COMPRESS_GZIP, codec);
    struct batch *halves[2] = { NULL, NULL };
    batch->body_bytes /= 2;
    assert_false(split_batch(batch, codec, halves));
    batch_free(&batch);
    codec_free(&codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_hold_each_event_once_in_every_format),
        cmocka_unit_test(halves_may_be_larger_than_what_this_worker_seals),
        cmocka_unit_test(halves_are_compressed_as_their_parent_was_whatever_this_worker_does),
        cmocka_unit_test(one_event_cannot_be_split),
        cmocka_unit_test(a_damaged_body_is_not_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
