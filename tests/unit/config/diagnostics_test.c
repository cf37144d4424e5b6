/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config/diagnostics.h"

#include <stdlib.h>
#include <string.h>

static struct diagnostics about(const char *text)
{
    return (struct diagnostics){ .file = "a.yaml", .text = slice_of(text) };
}

static void assert_shown(struct diagnostics *diagnostics, const char *wanted)
{
    struct buf shown = { 0 };

    diagnostics_write(diagnostics, &shown);
    assert_string_equal(buf_slice(&shown).data, wanted);
    buf_fini(&shown);
    diagnostics_fini(diagnostics);
}

static void add(struct diagnostics *diagnostics, unsigned line, unsigned column, const char *text)
{
    assert_false(diagnostics_add(diagnostics, (struct place){ line, column, 0 }, "%s", text));
}

static bool is_password(const void *context, const char *key)
{
    (void)context;
    return strcmp(key, "password") == 0;
}

static void a_problem_shows_its_line_and_a_caret_under_its_column(void **unused)
{
    (void)unused;
    struct diagnostics diagnostics = about("one\n  two: 2ms\nthree\n");
    assert_true(diagnostics_is_clean(&diagnostics));
    add(&diagnostics, 2, 8, "two: '2ms' is too little");
    assert_false(diagnostics_is_clean(&diagnostics));
    assert_shown(&diagnostics, "a.yaml:2:8: two: '2ms' is too little\n"
                               "    2 |   two: 2ms\n"
                               "      |        ^\n");
}

static void a_problem_of_the_whole_file_has_no_line(void **unused)
{
    (void)unused;
    struct diagnostics diagnostics = about("");
    add(&diagnostics, 0, 0, "is empty");
    assert_shown(&diagnostics, "a.yaml: is empty\n");
}

static void a_place_behind_the_end_of_the_text_is_shown_without_a_crash(void **unused)
{
    (void)unused;
    struct diagnostics diagnostics = about("a");
    add(&diagnostics, 7, 3, "x");
    add(&diagnostics, 1, 4, "y");
    assert_shown(&diagnostics, "a.yaml:1:4: y\n    1 | a\n      |    ^\n"
                               "a.yaml:7:3: x\n    7 | \n      |   ^\n");
}

static void problems_are_ordered_by_place_and_then_as_found(void **unused)
{
    (void)unused;
    struct diagnostics diagnostics = about("a\nb\n");
    add(&diagnostics, 2, 1, "third");
    add(&diagnostics, 1, 1, "first");
    add(&diagnostics, 2, 1, "fourth");
    add(&diagnostics, 1, 2, "second");
    assert_shown(&diagnostics, "a.yaml:1:1: first\n    1 | a\n      | ^\n"
                               "a.yaml:1:2: second\n    1 | a\n      |  ^\n"
                               "a.yaml:2:1: third\n    2 | b\n      | ^\n"
                               "a.yaml:2:1: fourth\n    2 | b\n      | ^\n");
}

static void the_same_problem_is_told_once(void **unused)
{
    (void)unused;
    struct diagnostics diagnostics = about("a\n");
    add(&diagnostics, 1, 1, "same");
    add(&diagnostics, 1, 1, "same");
    assert_int_equal(diagnostics.count, 1);
    assert_int_equal(diagnostics.more, 0);
    diagnostics_fini(&diagnostics);
}

static void of_too_many_problems_the_first_by_place_are_shown_and_the_rest_counted(void **unused)
{
    (void)unused;
    struct diagnostics diagnostics = about("a\n");
    struct buf shown = { 0 };
    for (unsigned line = 1000; line > 0; line--)
        add(&diagnostics, line, 1, "problem");
    diagnostics_write(&diagnostics, &shown);
    assert_non_null(strstr(shown.data, "a.yaml:1:1: "));
    assert_non_null(strstr(shown.data, "a.yaml:100:1: "));
    assert_null(strstr(shown.data, "a.yaml:101:1: "));
    assert_non_null(strstr(shown.data, "a.yaml: and 900 more\n"));
    buf_fini(&shown);
    diagnostics_fini(&diagnostics);
}

static void tabs_before_the_caret_are_kept(void **unused)
{
    (void)unused;
    struct diagnostics diagnostics = about("a:\t2ms\n");
    add(&diagnostics, 1, 4, "x");
    assert_shown(&diagnostics, "a.yaml:1:4: x\n    1 | a:\t2ms\n      |   \t^\n");
}

static void columns_count_characters_and_not_bytes(void **unused)
{
    (void)unused;
    struct diagnostics diagnostics = about("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80: x\n");
    add(&diagnostics, 1, 6, "x");
    assert_shown(&diagnostics, "a.yaml:1:6: x\n    1 | \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80: x\n"
                               "      |      ^\n");
}

static void escape_sequences_and_invalid_bytes_do_not_reach_the_terminal(void **unused)
{
    (void)unused;
    struct diagnostics diagnostics = about("a\x1b[2J\xff\xc2\x9b\xc3\n");
    add(&diagnostics, 1, 1, "key '\x1b[2J\x7f\xff' is\n\tbad");
    assert_shown(&diagnostics, "a.yaml:1:1: key '?[2J?"
                               "?' is? bad\n    1 | a?[2J?"
                               "?"
                               "?\n      | ^\n");
}

static void a_long_line_is_cut_around_the_place(void **unused)
{
    (void)unused;
    char text[4001];
    memset(text, 'x', 4000);
    text[3000] = 'Y';
    text[4000] = '\0';
    struct diagnostics diagnostics = about(text);
    struct buf shown = { 0 };
    add(&diagnostics, 1, 3001, "x");
    diagnostics_write(&diagnostics, &shown);
    assert_true(shown.bytes < 400);
    const char *line = strstr(shown.data, "    1 | ");
    const char *caret_line = strstr(shown.data, "      | ");
    assert_int_equal(strchr(line, 'Y') - line, strchr(caret_line, '^') - caret_line);
    buf_fini(&shown);
    diagnostics_fini(&diagnostics);
}

static void a_line_that_nobody_wrote_is_not_shown(void **unused)
{
    (void)unused;
    char text[5001];
    memset(text, ':', 5000);
    text[5000] = '\0';
    struct diagnostics diagnostics = about(text);
    add(&diagnostics, 1, 2, "x");
    assert_shown(&diagnostics, "a.yaml:1:2: x\n");
}

static void a_text_that_is_too_long_is_cut(void **unused)
{
    (void)unused;
    char text[5001];
    memset(text, 'x', 5000);
    text[5000] = '\0';
    struct diagnostics diagnostics = about("a");
    struct buf shown = { 0 };
    add(&diagnostics, 0, 0, text);
    diagnostics_write(&diagnostics, &shown);
    assert_true(shown.bytes < 800);
    buf_fini(&shown);
    diagnostics_fini(&diagnostics);
}

static void what_follows_the_key_of_a_secret_is_masked(void **unused)
{
    (void)unused;
    static const char *const lines[] = { "password: hunter2",
                                         "  {user: a, password: hunter2, b: c}",
                                         "\"password\" : hunter2", "password:hunter2" };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct diagnostics diagnostics = about(lines[i]);
        struct buf shown = { 0 };
        diagnostics.is_secret = is_password;
        add(&diagnostics, 1, 200, "x");
        add(&diagnostics, 1, 1, "y");
        diagnostics_write(&diagnostics, &shown);
        assert_null(strstr(shown.data, "hunter2"));
        assert_non_null(strstr(shown.data, "password"));
        assert_non_null(strstr(shown.data, " ***\n"));
        buf_fini(&shown);
        diagnostics_fini(&diagnostics);
    }
}

static void lines_are_found_with_any_break_of_yaml(void **unused)
{
    (void)unused;
    struct diagnostics diagnostics = about("a\r\nb\rc\nd\xe2\x80\xa8"
                                           "e\n\nf");
    static const char *const lines[] = { "a", "b", "c", "d", "e", "", "f", "" };
    for (unsigned i = 0; i < 8; i++)
        assert_true(slice_equals(diagnostics_line(&diagnostics, (struct place){ .line = i + 1 }),
                                 slice_of(lines[i])));
    struct place place = diagnostics_place(&diagnostics, 0, diagnostics.text.bytes - 1);
    assert_int_equal(place.line, 7);
    assert_int_equal(place.column, 1);
    place = diagnostics_place(&diagnostics, 0, 1000000);
    assert_int_equal(place.line, 7);
    assert_int_equal(place.column, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_shows_its_line_and_a_caret_under_its_column),
        cmocka_unit_test(a_problem_of_the_whole_file_has_no_line),
        cmocka_unit_test(a_place_behind_the_end_of_the_text_is_shown_without_a_crash),
        cmocka_unit_test(problems_are_ordered_by_place_and_then_as_found),
        cmocka_unit_test(the_same_problem_is_told_once),
        cmocka_unit_test(of_too_many_problems_the_first_by_place_are_shown_and_the_rest_counted),
        cmocka_unit_test(tabs_before_the_caret_are_kept),
        cmocka_unit_test(columns_count_characters_and_not_bytes),
        cmocka_unit_test(escape_sequences_and_invalid_bytes_do_not_reach_the_terminal),
        cmocka_unit_test(a_long_line_is_cut_around_the_place),
        cmocka_unit_test(a_line_that_nobody_wrote_is_not_shown),
        cmocka_unit_test(a_text_that_is_too_long_is_cut),
        cmocka_unit_test(what_follows_the_key_of_a_secret_is_masked),
        cmocka_unit_test(lines_are_found_with_any_break_of_yaml),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
