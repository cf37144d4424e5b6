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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_is_found_anywhere_in_the_line),
        cmocka_unit_test(bytes_that_are_no_utf8_are_bytes),
        cmocka_unit_test(only_the_begin_of_a_line_is_looked_at),
        cmocka_unit_test(what_is_no_pattern_is_refused_with_its_place),
        cmocka_unit_test(a_pattern_that_goes_astray_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
