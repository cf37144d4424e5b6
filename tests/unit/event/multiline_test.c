/* SPDX-License-Identifier: Apache-2.0 */
/* multiline: what patterns and traces together say about lines. */
#include "event/multiline.h"

#include "base/err.h"
#include "test.h"

/* "+" for a line that goes on, "." for one that begins. */
static void expect(const struct multiline_rules *rules, const char *const *lines, const char *said)
{
    struct err err = { "" };
    struct multiline_state state = { { { 0 } } };
    struct multiline *multiline = multiline_new(rules, &err);
    char got[32] = "";

    if (multiline == NULL)
        fail_msg("%s", err.text);
    for (size_t i = 0; lines[i] != NULL; i++)
        got[i] = multiline_continues(multiline, &state, slice_of(lines[i])) ? '+' : '.';
    assert_string_equal(got, said);
    multiline_free(&multiline);
}

static const char *const lines[] = { "  lost", "2024 a",    "b", "  c", "\tat d",
                                     "2024 e", "2024 at f", "",  NULL };

static void with_a_start_all_other_lines_go_on(void **unused)
{
    (void)unused;
    expect(&(struct multiline_rules){ "^\\d{4} ", "", NULL, 0 }, lines, "+.+++..+");
}

static void with_a_continuation_all_other_lines_begin(void **unused)
{
    (void)unused;
    expect(&(struct multiline_rules){ "", "^\\s", NULL, 0 }, lines, "+..++...");
}

static void with_both_only_what_matches_goes_on(void **unused)
{
    (void)unused;
    expect(&(struct multiline_rules){ "^2024 a", " ", NULL, 0 }, lines, "+..+++..");
}

static void with_traces_lines_of_none_begin(void **unused)
{
    (void)unused;
    const char *const java[] = { "java" };
    expect(&(struct multiline_rules){ "", "", java, 1 }, lines, "....+...");
    expect(&(struct multiline_rules){ "at d", "", java, 1 }, lines, "........");
    expect(&(struct multiline_rules){ "", "^  ", java, 1 }, lines, "+..++...");
}

static void mistakes_are_told_by_the_name_of_the_option(void **unused)
{
    (void)unused;
    const char *const cobol[] = { "cobol" };
    struct err err = { "" };
    assert_null(multiline_new(&(struct multiline_rules){ "(", "", NULL, 0 }, &err));
    assert_non_null(strstr(err.text, "multiline.start: "));
    assert_null(multiline_new(&(struct multiline_rules){ "", "[", NULL, 0 }, &err));
    assert_non_null(strstr(err.text, "multiline.continuation: "));
    assert_null(multiline_new(&(struct multiline_rules){ "", "", cobol, 1 }, &err));
    assert_non_null(strstr(err.text, "'cobol'"));
}

static void a_pattern_that_is_given_up_does_not_match_and_is_counted(void **unused)
{
    (void)unused;
    struct err err = { "" };
    struct multiline_state state = { { { 0 } } };
    struct multiline *multiline =
        multiline_new(&(struct multiline_rules){ "", "^(a|aa)+$", NULL, 0 }, &err);
    char line[1000];

    memset(line, 'a', sizeof(line));
    line[sizeof(line) - 1] = 'b';
    assert_non_null(multiline);
    assert_false(multiline_continues(multiline, &state, (struct slice){ line, sizeof(line) }));
    assert_int_equal(multiline_given_up(multiline), 1);
    assert_int_equal(multiline_given_up(multiline), 0);
    assert_true(multiline_continues(multiline, &state, SLICE("aaa")));
    multiline_free(&multiline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_a_start_all_other_lines_go_on),
        cmocka_unit_test(with_a_continuation_all_other_lines_begin),
        cmocka_unit_test(with_both_only_what_matches_goes_on),
        cmocka_unit_test(with_traces_lines_of_none_begin),
        cmocka_unit_test(mistakes_are_told_by_the_name_of_the_option),
        cmocka_unit_test(a_pattern_that_is_given_up_does_not_match_and_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
