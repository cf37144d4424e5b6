/* SPDX-License-Identifier: Apache-2.0 */
#include "base/man.h"

#include "test.h"

static void expect_help(const char *help, const char *wanted)
{
    struct buf page = { 0 };

    man_add_help(&page, slice_of(help));
    assert_string_equal(buf_slice(&page).data, wanted);
    buf_fini(&page);
}

static void text_is_shown_as_it_is(void **unused)
{
    (void)unused;
    static const char *const cases[][2] = {
        { "a-b \\ c", "a\\-b \\e c" }, { ".PP", "\\&.PP" }, { "'x'", "\\&'x'" }, { "", "" }
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf page = { 0 };
        man_add(&page, slice_of(cases[i][0]));
        assert_string_equal(buf_slice(&page).data, cases[i][1]);
        buf_fini(&page);
    }
}

static void usage_and_paragraphs_stand_apart(void **unused)
{
    (void)unused;
    expect_help("usage: x [-c FILE]\n\nOne.\nStill one.\n\nTwo.\n",
                "\\fBx [\\-c FILE]\\fR\n.PP\nOne.\nStill one.\n.PP\nTwo.\n");
    expect_help("Usage: x\nOne.", "\\fBx\\fR\n.PP\nOne.\n");
    expect_help("usage: x -a\n       x -b\n\nOne.\n",
                "\\fBx \\-a\\fR\n.br\n\\fBx \\-b\\fR\n.PP\nOne.\n");
}

static void an_option_is_explained_in_the_column_of_the_others(void **unused)
{
    (void)unused;
    expect_help("  --one     first\n"
                "            and on\n"
                "  --two TOO second\n"
                "  --three AND-MORE  third\n"
                "            and on\n"
                "  -f\n\nText.\n",
                ".TP\n\\fB\\-\\-one\\fR\nfirst\nand on\n"
                ".TP\n\\fB\\-\\-two TOO\\fR\nsecond\n"
                ".TP\n\\fB\\-\\-three AND\\-MORE\\fR\nthird\nand on\n"
                ".TP\n\\fB\\-f\\fR\n.PP\nText.\n");
}

static void other_indented_lines_keep_their_form(void **unused)
{
    (void)unused;
    expect_help("  --one WHAT  first\n"
                "      WHAT  a   b\n"
                "            c\n"
                "  --two       second\n",
                ".TP\n\\fB\\-\\-one WHAT\\fR\nfirst\n.nf\n      WHAT  a   b\n            c\n.fi\n"
                ".TP\n\\fB\\-\\-two\\fR\nsecond\n");
    expect_help("Text:\n  x  y\n", "Text:\n.nf\n  x  y\n.fi\n");
}

static void any_bytes_are_taken(void **unused)
{
    (void)unused;
    static const char *const cases[] = { "",   "\n",    " ",       "-",
                                         " -", "  -  ", "usage: ", "   \n -a  \n  -" };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf page = { 0 };
        man_add_help(&page, slice_of(cases[i]));
        assert_false(page.failed);
        buf_fini(&page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_shown_as_it_is),
        cmocka_unit_test(usage_and_paragraphs_stand_apart),
        cmocka_unit_test(an_option_is_explained_in_the_column_of_the_others),
        cmocka_unit_test(other_indented_lines_keep_their_form),
        cmocka_unit_test(any_bytes_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
