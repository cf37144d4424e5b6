/* SPDX-License-Identifier: Apache-2.0 */
/* regex: patterns find, are refused with their place, and never hang. */
#include "base/regex.h"

#include "base/clock.h"
#include "base/err.h"
#include "test.h"

static enum regex_found find(const char *pattern, struct slice line)
{
    struct err err = { "" };
    struct regex *regex = regex_new(pattern, &err);
    if (regex == NULL)
        fail_msg("%s", err.text);
    enum regex_found found = regex_find(regex, line);
    regex_free(&regex);
    return found;
}

static void a_pattern_is_found_anywhere_in_the_line(void **unused)
{
    (void)unused;
    assert_int_equal(find("b+c", SLICE("aabbcc")), REGEX_YES);
    assert_int_equal(find("^b+c", SLICE("aabbcc")), REGEX_NO);
    assert_int_equal(find("^\\d{4}-\\d\\d", SLICE("2024-01-31 x")), REGEX_YES);
    assert_int_equal(find("^$", SLICE("")), REGEX_YES);
    assert_int_equal(find("a$", (struct slice){ "ab", 1 }), REGEX_YES); /* not beyond the slice */
}

static void bytes_that_are_no_utf8_are_bytes(void **unused)
{
    (void)unused;
    assert_int_equal(find("^\\xff.x", SLICE("\xff\xfex")), REGEX_YES);
    assert_int_equal(find("^.\\x00b", SLICE("a\0b")), REGEX_YES);
}

static void only_the_begin_of_a_line_is_looked_at(void **unused)
{
    (void)unused;
    char line[REGEX_LINE_BYTES + 1];
    memset(line, 'a', sizeof(line));
    line[REGEX_LINE_BYTES] = 'b';
    assert_int_equal(find("b", (struct slice){ line, sizeof(line) }), REGEX_NO);
    line[REGEX_LINE_BYTES - 1] = 'b';
    assert_int_equal(find("b", (struct slice){ line, sizeof(line) }), REGEX_YES);
}

static void what_is_no_pattern_is_refused_with_its_place(void **unused)
{
    (void)unused;
    struct err err = { "" };
    assert_null(regex_new("^ab(c", &err));
    assert_non_null(strstr(err.text, "'^ab(c'"));
    assert_non_null(strstr(err.text, "character 6"));
    assert_null(regex_new("(*UTF)a", &err)); /* would refuse lines that are not UTF-8 */
    assert_null(regex_new("((((a{1,500}){1,500}){1,500}){1,500})", &err));
}

/* Without limits each of these takes longer than anyone waits. */
static void a_pattern_that_goes_astray_is_given_up(void **unused)
{
    (void)unused;
    char line[REGEX_LINE_BYTES];
    memset(line, 'a', sizeof(line));
    line[sizeof(line) - 1] = 'b';
    const struct slice text = { line, sizeof(line) };
    int64_t begin_ms = clock_now_ms();
    assert_int_equal(find("^(a|aa)+$", text), REGEX_GAVE_UP);
    assert_int_equal(find("^(a+)+$", text), REGEX_GAVE_UP);
    assert_int_equal(find("^(?:.*a){12}$", text), REGEX_GAVE_UP);
    assert_true(clock_now_ms() - begin_ms < 60000);
}

enum { SHORT = 1000, LONG = 64 * 1024 };

static enum regex_found find_whole(const char *pattern, struct slice text)
{
    struct err err = { "" };
    struct regex *regex = regex_new_whole(pattern, &err);
    if (regex == NULL)
        fail_msg("%s", err.text);
    enum regex_found found = regex_find_whole(regex, text);
    regex_free(&regex);
    return found;
}

static void a_whole_text_is_looked_at_up_to_its_end(void **unused)
{
    static const size_t sizes[] = { SHORT, LONG };
    static char text[LONG];

    (void)unused;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const struct slice whole = { text, sizes[i] };
        memset(text, '-', sizeof(text));
        memcpy(text, "begin\n", 6);
        memcpy(text + sizes[i] - 7, "the end", 7);
        assert_int_equal(find_whole("the end$", whole), REGEX_YES);
        assert_int_equal(find_whole("^begin.*the end$", whole), REGEX_YES);
        assert_int_equal(find_whole("middle|\\Qend", whole), REGEX_YES);
        assert_int_equal(find_whole("^(?!.*middle)", whole), REGEX_YES);
        assert_int_equal(find_whole("^(?!.*end)", whole), REGEX_NO);
        assert_int_equal(find_whole("-$", whole), REGEX_NO);
        assert_int_equal(find_whole("^the", whole), REGEX_NO);
        assert_int_equal(find_whole("-$", (struct slice){ text, sizes[i] - 7 }), REGEX_YES);
    }
    assert_int_equal(find_whole("^$", (struct slice){ NULL, 0 }), REGEX_YES);
    assert_int_equal(find_whole(".", (struct slice){ NULL, 0 }), REGEX_NO);
}

/* One pass is not enough for these: there is a bounded look from each place. */
static void a_match_that_one_pass_does_not_find_is_found_where_it_is_short(void **unused)
{
    static char text[LONG];
    const struct slice whole = { text, sizeof(text) };

    (void)unused;
    memset(text, '7', sizeof(text));
    assert_int_equal(find_whole("[0-9]+ms", whole), REGEX_GAVE_UP);
    assert_int_equal(find_whole("(7)\\1\\z", (struct slice){ text, SHORT }), REGEX_YES);
    memcpy(text + LONG - 5, "ms xx", 5);
    assert_int_equal(find_whole("[0-9]+ms", whole), REGEX_YES);
    assert_int_equal(find_whole("(7)\\1\\z", whole), REGEX_GAVE_UP); /* a cut is no end */
    assert_int_equal(find_whole("(x)\\1", whole), REGEX_YES);
}

/* From each place to the end of the text each of these takes minutes. */
static void a_whole_text_takes_no_longer_than_its_length_allows(void **unused)
{
    static const char *const patterns[] = { "[0-9]+ms",  "(7+7+)+m",          "(?=.*q)7",
                                            "^(7|77)+$", "[^z]*[^y]*[^w]*==", "(?:7?){100}m" };
    static char text[256 * 1024];

    (void)unused;
    memset(text, '7', sizeof(text));
    text[sizeof(text) - 1] = '=';
    int64_t begin_ms = clock_now_ms();
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
        assert_int_not_equal(find_whole(patterns[i], (struct slice){ text, sizeof(text) }),
                             REGEX_YES);
    assert_true(clock_now_ms() - begin_ms < 60000);
}

/* As in a service that may not write code: 100 ms for each KiB without fewer steps. */
static void nor_where_patterns_are_interpreted(void **unused)
{
    static char text[1024 * 1024];

    (void)unused;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 512 == 0 ? '=' : '7';
    int64_t begin_ms = clock_now_ms();
    assert_int_not_equal(
        find_whole("(*NO_JIT)[0-9x]+[0-9x]+==", (struct slice){ text, sizeof(text) }), REGEX_YES);
    assert_true(clock_now_ms() - begin_ms < 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_is_found_anywhere_in_the_line),
        cmocka_unit_test(bytes_that_are_no_utf8_are_bytes),
        cmocka_unit_test(only_the_begin_of_a_line_is_looked_at),
        cmocka_unit_test(what_is_no_pattern_is_refused_with_its_place),
        cmocka_unit_test(a_pattern_that_goes_astray_is_given_up),
        cmocka_unit_test(a_whole_text_is_looked_at_up_to_its_end),
        cmocka_unit_test(a_match_that_one_pass_does_not_find_is_found_where_it_is_short),
        cmocka_unit_test(a_whole_text_takes_no_longer_than_its_length_allows),
        cmocka_unit_test(nor_where_patterns_are_interpreted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
