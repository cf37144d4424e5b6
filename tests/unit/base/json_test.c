/* SPDX-License-Identifier: Apache-2.0 */
/* json: compared with a plain reference, byte by byte, at every length and place around the block.
 */
#include "test.h"

#include "base/json.h"
#include "base/random.h"

#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLACK_BYTES = 32 };

/* RFC 3629, section 4, as a decoder: the code point must need the length that it has. */
static size_t reference_sequence(const unsigned char *from, size_t bytes)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length = from[0] >= 0xf0 ? 4 : from[0] >= 0xe0 ? 3 : 2;
    uint32_t code = from[0] & (0xffU >> (length + 1));

    if (from[0] < 0xc0 || from[0] >= 0xf8 || bytes < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if (from[i] >> 6 != 2)
            return 0;
        code = code << 6 | (from[i] & 0x3fU);
    }
    bool is_scalar =
        code >= smallest[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return is_scalar ? length : 0;
}

static size_t reference_escape(char *to, const unsigned char *from, size_t bytes,
                               uint64_t *replaced)
{
    static const char *const names[256] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f",
        ['\r'] = "\\r", ['"'] = "\\\"", ['\\'] = "\\\\"
    };
    char *next = to;

    for (size_t i = 0; i < bytes;) {
        size_t length = reference_sequence(from + i, bytes - i);
        if (names[from[i]] != NULL) {
            next += sprintf(next, "%s", names[from[i++]]);
        } else if (from[i] < 0x20) {
            next += sprintf(next, "\\u%04x", from[i++]);
        } else if (from[i] < 0x80) {
            *next++ = (char)from[i++];
        } else if (length == 0) {
            next += sprintf(next, "\xef\xbf\xbd");
            (*replaced)++;
            i++;
        } else {
            memcpy(next, from + i, length);
            next += length;
            i += length;
        }
    }
    return (size_t)(next - to);
}

/* The text in memory of exactly its size, and the room that was promised: a sanitizer sees any
 * byte too far. */
static void check_same(const unsigned char *text, size_t bytes)
{
    char *exact = malloc(bytes), *got = malloc(6 * bytes + SLACK_BYTES);
    char *wanted = malloc(6 * bytes + SLACK_BYTES);
    uint64_t got_replaced = 0, wanted_replaced = 0;

    assert_non_null(got);
    assert_non_null(wanted);
    if (bytes > 0)
        memcpy(exact, text, bytes);
    size_t got_bytes = json_escape(got, (struct slice){ exact, bytes }, &got_replaced);
    size_t wanted_bytes = reference_escape(wanted, text, bytes, &wanted_replaced);
    assert_int_equal(got_bytes, wanted_bytes);
    assert_memory_equal(got, wanted, wanted_bytes);
    assert_int_equal(got_replaced, wanted_replaced);
    free(exact);
    free(got);
    free(wanted);
}

static void check_escape(const char *text, size_t bytes, const char *wanted,
                         uint64_t wanted_replaced)
{
    char got[512];
    uint64_t replaced = 0;

    size_t got_bytes = json_escape(got, (struct slice){ text, bytes }, &replaced);
    got[got_bytes] = '\0';
    assert_string_equal(got, wanted);
    assert_int_equal(replaced, wanted_replaced);
}
#define CHECK_ESCAPE(text, wanted, replaced)                                                       \
    check_escape((text), sizeof(text) - 1, (wanted), (replaced))

#define BAD "\xef\xbf\xbd"

static void each_byte_that_is_not_utf8_becomes_one_replacement(void **unused)
{
    (void)unused;
    CHECK_ESCAPE("a\x80z", "a" BAD "z", 1);                       /* continues nothing */
    CHECK_ESCAPE("\xff\xfe", BAD BAD, 2);                         /* never in UTF-8 */
    CHECK_ESCAPE("\xc0\xaf", BAD BAD, 2);                         /* overlong / */
    CHECK_ESCAPE("\xc1\xbf", BAD BAD, 2);                         /* overlong DEL */
    CHECK_ESCAPE("\xe0\x9f\xbf", BAD BAD BAD, 3);                 /* overlong U+07FF */
    CHECK_ESCAPE("\xf0\x8f\xbf\xbf", BAD BAD BAD BAD, 4);         /* overlong U+FFFF */
    CHECK_ESCAPE("\xed\xa0\x80", BAD BAD BAD, 3);                 /* surrogate U+D800 */
    CHECK_ESCAPE("\xed\xbf\xbf", BAD BAD BAD, 3);                 /* surrogate U+DFFF */
    CHECK_ESCAPE("\xf4\x90\x80\x80", BAD BAD BAD BAD, 4);         /* U+110000 */
    CHECK_ESCAPE("\xf5\x80\x80\x80", BAD BAD BAD BAD, 4);         /* beyond */
    CHECK_ESCAPE("\xe2\x82", BAD BAD, 2);                         /* cut off */
    CHECK_ESCAPE("\xe2\x82\"", BAD BAD "\\\"", 2);                /* cut off by a quote */
    CHECK_ESCAPE("\xf0\x9f\x98\xe2\x82\xac", BAD BAD BAD "€", 3); /* cut off by a good one */
}

static void the_ends_of_each_range_of_utf8_are_kept(void **unused)
{
    (void)unused;
    CHECK_ESCAPE("\xc2\x80 \xdf\xbf", "\xc2\x80 \xdf\xbf", 0);
    CHECK_ESCAPE("\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80", "\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80",
                 0);
    CHECK_ESCAPE("\xef\xbf\xbf \xf0\x90\x80\x80", "\xef\xbf\xbf \xf0\x90\x80\x80", 0);
    CHECK_ESCAPE("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", 0);
}

static void controls_quotes_and_backslashes_are_escaped_and_nothing_else(void **unused)
{
    (void)unused;
    CHECK_ESCAPE("", "", 0);
    CHECK_ESCAPE("a\0b", "a\\u0000b", 0);
    CHECK_ESCAPE("\b\t\n\f\r\x1b[0m", "\\b\\t\\n\\f\\r\\u001b[0m", 0);
    CHECK_ESCAPE("say \"C:\\dir\"", "say \\\"C:\\\\dir\\\"", 0);
    CHECK_ESCAPE("/\x7f", "/\x7f", 0);
    CHECK_ESCAPE("\u2028\u2029", "\u2028\u2029", 0); /* lines to JavaScript, not to JSON */
}

static void a_special_byte_is_found_at_every_place_of_every_length(void **unused)
{
    (void)unused;
    static const char *const specials[] = { "\"", "\\",         "\x1f",        "\x80",
                                            "€",  "\U0001f600", "\xf0\x9f\x98" };
    unsigned char text[96];

    for (size_t bytes = 0; bytes <= 80; bytes++)
        for (size_t at = 0; at <= bytes; at++)
            for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
                size_t length = strlen(specials[i]);
                memset(text, 'x', sizeof(text));
                memcpy(text + at, specials[i], length);
                check_same(text, bytes); /* the end may cut the sequence */
            }
}

static unsigned char draw_byte(struct random *random, uint64_t mix)
{
    static const unsigned char tricky[] = { 0x00, 0x1f, 0x20, 0x22, 0x5c, 0x7f, 0x80, 0x8f,
                                            0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xe2,
                                            0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff };
    if (mix == 0)
        return (unsigned char)random_below(random, 256);
    if (random_below(random, mix) == 0)
        return tricky[random_below(random, sizeof(tricky))];
    return (unsigned char)(0x20 + random_below(random, 0x5f));
}

static void random_bytes_give_what_the_reference_gives(void **unused)
{
    (void)unused;
    unsigned char text[300];
    uint64_t first_seed;

    random_bytes(&first_seed, sizeof(first_seed));
    for (uint64_t seed = first_seed; seed - first_seed < 20000; seed++) {
        struct random random = random_make(seed);
        uint64_t mix = random_below(&random, 5) * 8;
        size_t bytes = random_below(&random, sizeof(text));
        for (size_t i = 0; i < bytes; i++)
            text[i] = draw_byte(&random, mix);
        if (seed == first_seed)
            print_message("seeds from %llu\n", (unsigned long long)seed);
        check_same(text, bytes);
    }
}

/* What json.h promises: 32 bytes more than what is returned are enough. */
static void nothing_is_stored_beyond_the_promised_room(void **unused)
{
    (void)unused;
    unsigned char text[130];
    struct random random = random_make(1);

    for (size_t bytes = 0; bytes < sizeof(text); bytes++) {
        char wide[6 * sizeof(text) + SLACK_BYTES];
        for (size_t i = 0; i < bytes; i++)
            text[i] = draw_byte(&random, bytes % 3 * 4);
        struct slice slice = { (const char *)text, bytes };
        size_t needed = json_escape(wide, slice, NULL);
        char *close = malloc(needed + SLACK_BYTES);
        assert_non_null(close);
        assert_int_equal(json_escape(close, slice, NULL), needed);
        assert_memory_equal(close, wide, needed);
        free(close);
    }
}

static void check_integer(int64_t integer, const char *wanted)
{
    char got[33];
    got[json_integer(got, integer)] = '\0';
    assert_string_equal(got, wanted);
}

static void integers_are_exact_to_the_last_digit(void **unused)
{
    (void)unused;
    check_integer(INT64_MIN, "-9223372036854775808");
    check_integer(INT64_MAX, "9223372036854775807");
    check_integer(-1, "-1");
    check_integer(0, "0");
    check_integer(10, "10");
    check_integer(INT64_C(9007199254740993), "9007199254740993"); /* no double has it */
}

static void check_real(double real, const char *wanted)
{
    char got[33];
    got[json_real(got, real)] = '\0';
    assert_string_equal(got, wanted);
}

static void reals_that_json_does_not_have_are_null(void **unused)
{
    (void)unused;
    check_real((double)NAN, "null");
    check_real((double)INFINITY, "null");
    check_real(-(double)INFINITY, "null");
}

static void reals_are_as_short_as_they_can_be(void **unused)
{
    (void)unused;
    check_real(0, "0");
    check_real(-0.0, "-0");
    check_real(0.1, "0.1");
    check_real(0.1 + 0.2, "0.30000000000000004");
    check_real(-1.5, "-1.5");
    check_real(1e14, "100000000000000");
    check_real(1e15, "1e+15");
    check_real(DBL_MAX, "1.7976931348623157e+308");
    check_real(5e-324, "5e-324");
}

static void every_real_reads_back_as_itself(void **unused)
{
    (void)unused;
    struct random random = random_make(7);

    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_next(&random);
        char *got = malloc(32);
        double real;
        assert_non_null(got);
        memcpy(&real, &bits, sizeof(real));
        size_t bytes = json_real(got, real);
        assert_true(bytes < 32);
        got[bytes] = '\0';
        cJSON *parsed = cJSON_Parse(got);
        assert_non_null(parsed);
        if (isfinite(real))
            assert_true(parsed->valuedouble == real);
        cJSON_Delete(parsed);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_that_is_not_utf8_becomes_one_replacement),
        cmocka_unit_test(the_ends_of_each_range_of_utf8_are_kept),
        cmocka_unit_test(controls_quotes_and_backslashes_are_escaped_and_nothing_else),
        cmocka_unit_test(a_special_byte_is_found_at_every_place_of_every_length),
        cmocka_unit_test(random_bytes_give_what_the_reference_gives),
        cmocka_unit_test(nothing_is_stored_beyond_the_promised_room),
        cmocka_unit_test(integers_are_exact_to_the_last_digit),
        cmocka_unit_test(reals_that_json_does_not_have_are_null),
        cmocka_unit_test(reals_are_as_short_as_they_can_be),
        cmocka_unit_test(every_real_reads_back_as_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
