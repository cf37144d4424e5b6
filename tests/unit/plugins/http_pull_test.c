/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "inputs/http/pull.h"

static char room[4096];

static struct pull begin(const char *json)
{
    return (struct pull){ json, json + strlen(json), room };
}

static void expect_text(const char *json, const char *text)
{
    struct pull pull = begin(json);
    struct pull_value value = pull_value(&pull);

    assert_int_equal(value.kind, PULL_TEXT);
    assert_int_equal(value.value.text.bytes, strlen(text));
    assert_memory_equal(value.value.text.data, text, strlen(text));
    assert_ptr_equal(pull.at, pull.end);
}

static void expect_bad(const char *json)
{
    struct pull pull = begin(json);
    struct pull_value value = pull_value(&pull);

    if (value.kind != PULL_BAD && pull.at == pull.end)
        fail_msg("taken: %s", json);
}

static void texts_lose_their_escapes(void **unused)
{
    (void)unused;
    expect_text("\"\"", "");
    expect_text("\"a plain one, longer than a word\"", "a plain one, longer than a word");
    expect_text("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
    expect_text("\"before \\\"in\\\" behind, and more of it\"",
                "before \"in\" behind, and more of it");
    expect_text("\"\\u00e4\\u20AC\\ud83d\\ude00\"", "ä€😀");
    expect_text("\"\\ud83d \\ude00\\ud83dx\\ud83d\\u0041\"",
                "\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbdx"
                "\xef\xbf\xbd"
                "A");
    expect_text("\"a\tb\"", "a\tb");
}

static void numbers_are_of_the_kind_that_holds_them(void **unused)
{
    (void)unused;
    static const struct {
        const char *json;
        enum pulled kind;
        int64_t integer;
        double real;
    } cases[] = {
        { "0", PULL_INTEGER, 0, 0 },
        { "-0", PULL_INTEGER, 0, 0 },
        { "9223372036854775807", PULL_INTEGER, INT64_MAX, 0 },
        { "-9223372036854775808", PULL_INTEGER, INT64_MIN, 0 },
        { "9223372036854775808", PULL_REAL, 0, 9223372036854775808.0 },
        { "1.5", PULL_REAL, 0, 1.5 },
        { "-2e-3", PULL_REAL, 0, -0.002 },
        { "1E2", PULL_REAL, 0, 100 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pull pull = begin(cases[i].json);
        struct pull_value value = pull_value(&pull);
        assert_int_equal(value.kind, cases[i].kind);
        if (value.kind == PULL_INTEGER)
            assert_int_equal(value.value.integer, cases[i].integer);
        else
            assert_true(value.value.real == cases[i].real);
    }
}

static void what_is_no_json_is_not_taken(void **unused)
{
    (void)unused;
    static const char *const cases[] = {
        "",           "\"",        "\"a",         "\"\\",
        "\"\\x\"",    "\"\\u12\"", "\"\\u123g\"", "tru",
        "nul",        "truer",     "01",          "1.",
        "-",          "1e",        ".5",          "+1",
        "{",          "{\"a\"",    "{\"a\":",     "{\"a\":1",
        "{\"a\":1,}", "{a:1}",     "{\"a\" 1}",   "[1,]",
        "[,1]",       "[1 2]",     "[1",          "[}",
        "{]",         "[\"a\":1]", "{\"a\"}",     "[[1]",
        "[1]]",       "NaN",       "{\"a\":1]",   "[{\"a\":[}]}]",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_bad(cases[i]);
}

static void nested_values_are_taken_whole_down_to_a_depth(void **unused)
{
    (void)unused;
    static const char *const cases[] = { "{}", "[]", "[[],{}]",
                                         "{\"a\":[1,{\"b\":\"]}\\\"\"}],\"c\":{}}",
                                         " [ 1 , { \"a\" : null } ]" };
    char deep[2 * PULL_DEPTH + 3];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pull pull = begin(cases[i]);
        assert_int_equal(pull_value(&pull).kind, PULL_NESTED);
        assert_ptr_equal(pull.at, pull.end);
    }
    for (int levels = PULL_DEPTH; levels <= PULL_DEPTH + 1; levels++) {
        memset(deep, '[', (size_t)levels);
        memset(deep + levels, ']', (size_t)levels);
        struct pull pull = { deep, deep + 2 * levels, room };
        assert_int_equal(pull_value(&pull).kind, levels == PULL_DEPTH ? PULL_NESTED : PULL_BAD);
    }
}

static void nothing_behind_the_end_is_read(void **unused)
{
    (void)unused;
    static const char whole[] = "{\"a\":[1.5e3,\"x\\u00e4\",{\"b\":true}],\"c\":null}";
    for (size_t bytes = 0; bytes < sizeof(whole) - 1; bytes++) {
        char *part = malloc(bytes + 1); /* ASan sees what is behind it */
        assert_non_null(part);
        part = realloc(part, bytes == 0 ? 1 : bytes);
        memcpy(part, whole, bytes);
        struct pull pull = { part, part + bytes, room };
        assert_int_equal(pull_value(&pull).kind, PULL_BAD);
        free(part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_lose_their_escapes),
        cmocka_unit_test(numbers_are_of_the_kind_that_holds_them),
        cmocka_unit_test(what_is_no_json_is_not_taken),
        cmocka_unit_test(nested_values_are_taken_whole_down_to_a_depth),
        cmocka_unit_test(nothing_behind_the_end_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
