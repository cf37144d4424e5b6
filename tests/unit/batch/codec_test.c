/* SPDX-License-Identifier: Apache-2.0 */
/* codec: round trips of every size and kind of content, and what must not be expanded. */
#include "test.h"

#include "base/random.h"
#include "batch/codec.h"
#include "plugins/plugin.h"

enum { MAX_BYTES = 1 << 20, LEVELS = 12 };

static struct codec *make_codec(int compression, unsigned level)
{
    struct codec *codec = codec_new(compression, level, MAX_BYTES);
    assert_non_null(codec);
    return codec;
}

/* Compresses into exactly the room that codec_bound() asks for, and expands again. */
static size_t round_trip(struct codec *codec, int compression, struct slice input)
{
    size_t room = codec_bound(codec, input.bytes);
    char *to = malloc(room + 1); /* + 1: nothing may have no room at all */
    struct buf back = { .limit = input.bytes + 1 };

    assert_non_null(to);
    size_t bytes = codec_compress(codec, input, to, room);
    assert_true(bytes > 0 || (input.bytes == 0 && compression == COMPRESS_NONE));
    assert_true(bytes <= room);
    assert_true(codec_expand(compression, (struct slice){ to, bytes }, &back));
    assert_true(slice_equals(buf_slice(&back), input));
    buf_fini(&back);
    free(to);
    return bytes;
}

enum content { ZEROS, TEXT, NOISE, MIXED, CONTENTS };

static void fill(char *to, size_t bytes, enum content content, struct random *random)
{
    static const char line[] = "level=info msg=\"request finished\" status=200 duration_ms=12 ";

    for (size_t i = 0; i < bytes; i++) {
        bool is_noise = content == NOISE || (content == MIXED && i / 1000 % 2 == 0) ||
                        (content == TEXT && i % 40 == 0);
        to[i] = content == ZEROS ? 0
                : is_noise       ? (char)random_next(random)
                                 : line[i % (sizeof(line) - 1)];
    }
}

static void check_sizes(int compression, unsigned level, const size_t *sizes, size_t count)
{
    struct codec *codec = make_codec(compression, level);
    struct random random = random_make(level);
    char *input = malloc(MAX_BYTES);

    assert_non_null(input);
    for (int content = 0; content < CONTENTS; content++)
        for (size_t i = 0; i < count; i++) {
            fill(input, sizes[i], (enum content)content, &random);
            (void)round_trip(codec, compression, (struct slice){ input, sizes[i] });
        }
    free(input);
    codec_free(&codec);
}

static bool is_missing(int compression)
{
    return !codec_is_built_in(compression);
}

static void check_bad(int compression, struct slice input)
{
    char *exact = malloc(input.bytes);
    struct buf ret = { .limit = MAX_BYTES };

    if (input.bytes > 0)
        memcpy(exact, input.data, input.bytes);
    assert_false(codec_expand(compression, (struct slice){ exact, input.bytes }, &ret));
    buf_fini(&ret);
    free(exact);
}

static void what_is_not_compressed_data_is_refused(void **unused)
{
    (void)unused;
    static const int both[] = { COMPRESS_GZIP, COMPRESS_ZSTD };

    for (size_t i = 0; i < 2; i++) {
        check_bad(both[i], SLICE(""));
        check_bad(both[i], SLICE("x"));
        check_bad(both[i], SLICE("this is not compressed at all, not even a little"));
        check_bad(both[i], SLICE("\x1f\x8b\x08\0\0\0\0\0\0\xff"));
        check_bad(both[i], SLICE("\x28\xb5\x2f\xfd"));
    }
}

static void a_cut_or_damaged_text_is_refused(void **unused)
{
    (void)unused;
    static const char input[] = "one line of text, and a little more of it, so that it is longer";
    char packed[256];

    for (int compression = COMPRESS_GZIP; compression <= COMPRESS_ZSTD; compression++) {
        if (is_missing(compression))
            continue;
        struct codec *codec = make_codec(compression, 1);
        assert_true(codec_bound(codec, sizeof(input)) <= sizeof(packed));
        size_t bytes = codec_compress(codec, SLICE(input), packed, sizeof(packed));
        assert_true(bytes > 0);
        for (size_t cut = 0; cut < bytes; cut++)
            check_bad(compression, (struct slice){ packed, cut });
        packed[bytes - 1] ^= 1; /* gzip: the length; zstd: the checksum */
        check_bad(compression, (struct slice){ packed, bytes });
        packed[bytes - 1] ^= 1;
        packed[bytes] = 'x'; /* something behind it */
        check_bad(compression, (struct slice){ packed, bytes + 1 });
        codec_free(&codec);
    }
}

static void a_bomb_stops_at_the_limit(void **unused)
{
    (void)unused;
    char *zeros = calloc(1, MAX_BYTES), *packed = malloc(2 * MAX_BYTES);

    assert_non_null(zeros);
    assert_non_null(packed);
    for (int compression = COMPRESS_GZIP; compression <= COMPRESS_ZSTD; compression++) {
        if (is_missing(compression))
            continue;
        struct codec *codec = make_codec(compression, 1);
        struct buf ret = { .limit = 50000 };
        size_t bytes = codec_compress(codec, (struct slice){ zeros, MAX_BYTES }, packed,
                                      codec_bound(codec, MAX_BYTES));
        assert_true(bytes > 0 && bytes < MAX_BYTES / 50);
        assert_false(codec_expand(compression, (struct slice){ packed, bytes }, &ret));
        assert_true(ret.bytes <= ret.limit);
        assert_true(ret.room <= 2 * ret.limit);
        buf_fini(&ret);
        codec_free(&codec);
    }
    free(zeros);
    free(packed);
}

static void a_room_that_is_too_small_fails_and_the_next_call_works(void **unused)
{
    (void)unused;
    char input[5000], to[5000];
    struct random random = random_make(3);

    fill(input, sizeof(input), NOISE, &random);
    for (int compression = COMPRESS_NONE; compression <= COMPRESS_ZSTD; compression++) {
        if (is_missing(compression))
            continue;
        struct codec *codec = make_codec(compression, 1);
        for (size_t room = 0; room < 4000; room += 37)
            assert_int_equal(
                codec_compress(codec, (struct slice){ input, sizeof(input) }, to, room), 0);
        (void)round_trip(codec, compression, (struct slice){ input, sizeof(input) });
        codec_free(&codec);
    }
}

static void several_members_are_one_text(void **unused)
{
    (void)unused;
    char packed[512];

    for (int compression = COMPRESS_GZIP; compression <= COMPRESS_ZSTD; compression++) {
        if (is_missing(compression))
            continue;
        struct codec *codec = make_codec(compression, 1);
        struct buf ret = { .limit = 100 };
        size_t bytes = codec_compress(codec, SLICE("one, "), packed, 256);
        bytes += codec_compress(codec, SLICE(""), packed + bytes, 64);
        bytes += codec_compress(codec, SLICE("two"), packed + bytes, 128);
        assert_true(codec_expand(compression, (struct slice){ packed, bytes }, &ret));
        assert_true(slice_equals(buf_slice(&ret), SLICE("one, two")));
        buf_fini(&ret);
        codec_free(&codec);
    }
}

/* Written by hand: one block, "100,000 times a". All input is taken before all output is out. */
static void a_frame_without_a_checksum_is_expanded_to_its_end(void **unused)
{
    (void)unused;
    const struct slice frame = SLICE("\x28\xb5\x2f\xfd\xa0\xa0\x86\x01\x00\x03\x35\x0c"
                                     "a");
    struct buf ret = { .limit = 100000 };

    if (is_missing(COMPRESS_ZSTD))
        skip();
    assert_true(codec_expand(COMPRESS_ZSTD, frame, &ret));
    assert_int_equal(ret.bytes, 100000);
    buf_fini(&ret);
}

static void every_size_and_content_comes_back(void **unused)
{
    (void)unused;
    size_t small[300];
    static const size_t large[] = { 1000,  4096,  16383,  16384,  16385,         32767,
                                    65535, 65536, 131070, 131072, MAX_BYTES - 1, MAX_BYTES };

    for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++)
        small[i] = i;
    for (int compression = COMPRESS_NONE; compression <= COMPRESS_ZSTD; compression++) {
        if (is_missing(compression))
            continue;
        check_sizes(compression, 1, small, sizeof(small) / sizeof(small[0]));
        check_sizes(compression, 1, large, sizeof(large) / sizeof(large[0]));
    }
}

static void every_level_comes_back_and_compresses_text(void **unused)
{
    (void)unused;
    char *input = malloc(MAX_BYTES);
    struct random random = random_make(1);

    assert_non_null(input);
    fill(input, MAX_BYTES, TEXT, &random);
    for (int compression = COMPRESS_GZIP; compression <= COMPRESS_ZSTD; compression++)
        for (unsigned level = 1; !is_missing(compression) && level <= LEVELS; level++) {
            struct codec *codec = make_codec(compression, level);
            size_t bytes = round_trip(codec, compression, (struct slice){ input, MAX_BYTES });
            assert_true(bytes < MAX_BYTES / 5);
            codec_free(&codec);
        }
    free(input);
}

/* A context in fixed memory, made for the largest input, must do for all of them. */
static void every_level_takes_inputs_of_every_order_of_size(void **unused)
{
    (void)unused;
    static const size_t sizes[] = { 0,      100,    5000,   16384,  20000,
                                    131072, 140000, 262144, 300000, MAX_BYTES };

    for (unsigned level = 2; level <= LEVELS; level += 2)
        for (int compression = COMPRESS_GZIP; compression <= COMPRESS_ZSTD; compression++)
            if (!is_missing(compression))
                check_sizes(compression, level, sizes, sizeof(sizes) / sizeof(sizes[0]));
}

static void what_is_larger_than_usual_is_compressed_too(void **unused)
{
    (void)unused;
    static const size_t usual[] = { 1, 1000, 20000, 200000 };
    char *input = malloc(MAX_BYTES);
    struct random random = random_make(2);

    assert_non_null(input);
    fill(input, MAX_BYTES, TEXT, &random);
    for (int compression = COMPRESS_GZIP; compression <= COMPRESS_ZSTD; compression++)
        for (unsigned level = 1; !is_missing(compression) && level <= LEVELS; level += 3)
            for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
                struct codec *codec = codec_new(compression, level, usual[i]);
                assert_non_null(codec);
                (void)round_trip(codec, compression, (struct slice){ input, MAX_BYTES });
                (void)round_trip(codec, compression, (struct slice){ input, usual[i] });
                codec_free(&codec);
            }
    free(input);
}

static void the_memory_of_a_codec_is_known_and_modest_at_level_one(void **unused)
{
    (void)unused;
    for (int compression = COMPRESS_NONE; compression <= COMPRESS_ZSTD; compression++) {
        if (is_missing(compression))
            continue;
        struct codec *codec = make_codec(compression, 1);
        size_t least = compression == COMPRESS_NONE ? 1 : 100 << 10;
        assert_in_range(codec_memory(codec), least, 3 << 20);
        codec_free(&codec);
    }
}

static void a_codec_that_is_not_built_in_is_not_made(void **unused)
{
    (void)unused;
    struct codec *codec = codec_new(COMPRESS_ZSTD, 1, MAX_BYTES);

    assert_int_equal(codec != NULL, codec_is_built_in(COMPRESS_ZSTD));
    codec_free(&codec);
    codec_free(&codec);
    assert_false(codec_is_built_in(COMPRESS_ZSTD + 1));
    assert_non_null(strstr(codec_libraries(), "gzip: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_compressed_data_is_refused),
        cmocka_unit_test(a_cut_or_damaged_text_is_refused),
        cmocka_unit_test(a_bomb_stops_at_the_limit),
        cmocka_unit_test(a_room_that_is_too_small_fails_and_the_next_call_works),
        cmocka_unit_test(several_members_are_one_text),
        cmocka_unit_test(a_frame_without_a_checksum_is_expanded_to_its_end),
        cmocka_unit_test(every_size_and_content_comes_back),
        cmocka_unit_test(every_level_comes_back_and_compresses_text),
        cmocka_unit_test(every_level_takes_inputs_of_every_order_of_size),
        cmocka_unit_test(what_is_larger_than_usual_is_compressed_too),
        cmocka_unit_test(the_memory_of_a_codec_is_known_and_modest_at_level_one),
        cmocka_unit_test(a_codec_that_is_not_built_in_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
