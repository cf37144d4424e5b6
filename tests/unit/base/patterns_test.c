/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/patterns.h"

#include <string.h>

static void expect(const char *pattern, const char *path, bool fits, size_t parts,
                   const char *wanted, const char *present)
{
    struct pattern_fit fit = patterns_fit(pattern, path);

    if (fit.fits != fits || fit.parts != parts || strcmp(fit.wanted, wanted) != 0 ||
        strcmp(fit.present, present) != 0)
        fail_msg("%s and %s: fits %d, %zu parts, '%s' is not '%s'", pattern, path, fit.fits,
                 fit.parts, fit.wanted, fit.present);
}

static void a_pattern_says_at_which_part_it_ends_to_fit(void **unused)
{
    (void)unused;
    expect("/var/log/*.log", "/var/log/app.log", true, 3, "", "");
    expect("/var/log/*.log", "/var/log/app.txt", false, 2, "*.log", "app.txt");
    expect("/var/log/*.log", "/var/lag/app.log", false, 1, "log", "lag");
    expect("/var/log/*.log", "/var/log/nginx/app.log", false, 2, "*.log", "nginx");
    expect("/var/log/*", "/var/log/nginx/app.log", false, 3, "", "app.log");
    expect("/var/log/*/app.log", "/var/log/nginx", false, 3, "app.log", "");
    expect("logs/*.log", "/var/log/app.log", false, 0, "logs", "");
    expect("/var//log/*.log", "/var/log//app.log", true, 3, "", "");
}

static void wildcards_take_neither_slashes_nor_leading_dots(void **unused)
{
    (void)unused;
    expect("/l/*", "/l/.hidden", false, 1, "*", ".hidden");
    expect("/l/.*", "/l/.hidden", true, 2, "", "");
    expect("/*", "/l/x", false, 1, "", "x");
    expect("/l/[ab]?", "/l/b1", true, 2, "", "");
}

static void of_alternatives_the_one_that_goes_furthest_counts(void **unused)
{
    (void)unused;
    expect("/l/{a,b}.log", "/l/b.log", true, 2, "", "");
    expect("/l/{a,b}.log", "/l/c.log", false, 1, "a.log", "c.log");
    expect("/{l/x,m}/*.log", "/l/x/y.txt", false, 2, "*.log", "y.txt");
    expect("/{a,{b,c}}/{d,e}", "/c/e", true, 2, "", "");
    expect("/l/{a", "/l/{a", true, 2, "", "");
}

static void two_stars_as_a_part_take_any_number_of_folders(void **unused)
{
    (void)unused;
    expect("/l/**/*.log", "/l/a.log", true, 2, "", "");
    expect("/l/**/*.log", "/l/x/y/a.log", true, 4, "", "");
    expect("/l/**/*.log", "/l/x/a.txt", false, 2, "*.log", "a.txt");
    expect("/l/**/*.log", "/m/a.log", false, 0, "l", "m");
    expect("/l/**", "/l/a", true, 2, "", "");
    expect("/l/**", "/l/x/a", true, 3, "", "");
    expect("/l/**", "/l", false, 1, "*", "");
    expect("/**/*.log", "/a.log", true, 1, "", "");
    expect("**/*.log", "x/a.log", true, 2, "", "");
    expect("**/*.log", "/x/a.log", false, 0, "*.log", "");
    expect("/l/**/**/a", "/l/a", true, 2, "", "");
    expect("/l/**/x/**/a", "/l/x/x/y/a", true, 5, "", "");
    expect("/l/**/x/**/a", "/l/y/a", false, 2, "x", "a");
    expect("/l/{m/**,n}/a", "/l/m/p/q/a", true, 5, "", "");
}

static void two_stars_pass_by_hidden_folders_unless_named(void **unused)
{
    (void)unused;
    expect("/l/**/a", "/l/.x/a", false, 1, "a", ".x");
    expect("/l/**/.x/a", "/l/y/.x/a", true, 4, "", "");
    expect("/l/**", "/l/.a", false, 1, "*", ".a");
}

static void expect_advice(const char *pattern, const char *advice)
{
    struct err err = { "" };

    if (patterns_check(pattern, &err) || strstr(err.text, advice) == NULL)
        fail_msg("%s: '%s' does not say '%s'", pattern, err.text, advice);
}

static void what_cannot_be_meant_is_refused_with_what_to_write(void **unused)
{
    static const char *const good[] = { "/l/*.log", "/l/**/*.log", "**",        "/**",
                                        "/l/**",    "{a,b/**}",    "/l/\\*\\*x" };
    struct err err = { "" };
    char deep[300] = "", braces[300] = "";
    (void)unused;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!patterns_check(good[i], &err))
            fail_msg("%s: %s", good[i], err.text);
    }
    expect_advice("", "names no file");
    expect_advice("/l/a**b", "within a name write '*'");
    expect_advice("/l/**.log", "logs/**/*.log");
    expect_advice("/l/***", "'**' stands alone");
    expect_advice("/l/**/a**", "'**' stands alone");
    expect_advice("/l/{x,y**}", "'/l/y**'");
    for (int i = 0; i < 63; i++)
        strcat(deep, "/a");
    expect_advice(deep, "more than 62 parts");
    for (int i = 0; i < 9; i++)
        strcat(braces, "{a,b}");
    expect_advice(braces, "more than 256 alternatives");
}

static void collect(void *context, const char *plain)
{
    strcat(strcat(context, plain), " ");
}

static void braces_are_taken_apart_and_escaped_ones_are_not(void **unused)
{
    char all[256] = "";
    (void)unused;
    assert_true(patterns_expand("/{a,{b,c}/d}/e", collect, all));
    assert_true(patterns_expand("\\{x,y\\}", collect, all));
    assert_true(patterns_expand("{p\\,q}", collect, all));
    assert_string_equal(all, "/a/e /b/d/e /c/d/e \\{x,y\\} p\\,q ");
}

static void a_name_is_asked_about_for_each_alternative(void **unused)
{
    (void)unused;
    assert_true(patterns_may_end_with("/l/{a,b}.log", "b.log"));
    assert_true(patterns_may_end_with("/{x/*.log,y/*.txt}", "b.log"));
    assert_false(patterns_may_end_with("/{x/*.log,y/*.txt}", "b.gz"));
    assert_true(patterns_may_end_with("/l/**", "anything"));
}

static void very_many_alternatives_are_bounded(void **unused)
{
    (void)unused;
    char pattern[4000] = "/";
    for (int i = 0; i < 300; i++)
        strcat(pattern, "{a,b}");
    assert_false(patterns_fit(pattern, "/x").fits);
}

static void what_is_excluded_names_the_pattern(void **unused)
{
    static const char *const patterns[] = { "*.gz", "/var/log/*/debug.log" };
    (void)unused;
    assert_string_equal(patterns_excluding(patterns, 2, "/var/log/a.gz"), "*.gz");
    assert_string_equal(patterns_excluding(patterns, 2, "/var/log/x/debug.log"),
                        "/var/log/*/debug.log");
    assert_null(patterns_excluding(patterns, 2, "/var/log/x/y/debug.log"));
    assert_null(patterns_excluding(patterns, 2, "/var/log.gz/a"));
    assert_null(patterns_excluding(patterns, 0, "/var/log/a.gz"));
}

static void what_is_excluded_may_be_at_any_depth(void **unused)
{
    static const char *const patterns[] = { "**/tmp/*", "/l/no/**", "/l/**/x.log" };
    (void)unused;
    assert_string_equal(patterns_excluding(patterns, 3, "/tmp/a"), "**/tmp/*");
    assert_string_equal(patterns_excluding(patterns, 3, "/a/b/tmp/a"), "**/tmp/*");
    assert_string_equal(patterns_excluding(patterns, 3, "/l/no/.hidden/a"), "/l/no/**");
    assert_string_equal(patterns_excluding(patterns, 3, "/l/a/x.log"), "/l/**/x.log");
    assert_null(patterns_excluding(patterns, 3, "/l/nothing"));
    assert_null(patterns_excluding(patterns, 3, "/l/no"));
    assert_true(patterns_exclude_below(patterns, 3, "/l/no"));
    assert_true(patterns_exclude_below(patterns, 3, "/l/no/more/below"));
    assert_false(patterns_exclude_below(patterns, 3, "/l"));
    assert_false(patterns_exclude_below(patterns, 3, "/l/other"));
    assert_false(patterns_exclude_below(patterns, 3, "/a/tmp"));
}

static void of_what_is_excluded_each_alternative_counts(void **unused)
{
    static const char *const patterns[] = { "*.{gz,bz2}", "/l/{a/**,b/x.{log,txt}}" };
    static const char *const paths[] = { "/v/a.gz", "/v/a.bz2", "/l/b/x.log", "/l/b/x.txt" };
    struct patterns_plain plain;
    (void)unused;
    assert_true(patterns_plain_make(patterns, 2, &plain));
    assert_int_equal(plain.count, 5);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(patterns_excluding(patterns, 2, paths[i]), patterns[i / 2]);
        assert_string_equal(patterns_excluding((const char *const *)plain.items, 5, paths[i]),
                            plain.items[i < 2 ? i : i + 1]);
    }
    assert_null(patterns_excluding(patterns, 2, "/v/a.{gz,bz2}"));
    assert_null(patterns_excluding(patterns, 2, "/l/c/x.log"));
    assert_true(patterns_exclude_below(patterns, 2, "/l/a"));
    assert_true(patterns_exclude_below((const char *const *)plain.items, 5, "/l/a/more"));
    assert_false(patterns_exclude_below(patterns, 2, "/l/b"));
    patterns_plain_free(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_says_at_which_part_it_ends_to_fit),
        cmocka_unit_test(wildcards_take_neither_slashes_nor_leading_dots),
        cmocka_unit_test(of_alternatives_the_one_that_goes_furthest_counts),
        cmocka_unit_test(two_stars_as_a_part_take_any_number_of_folders),
        cmocka_unit_test(two_stars_pass_by_hidden_folders_unless_named),
        cmocka_unit_test(what_cannot_be_meant_is_refused_with_what_to_write),
        cmocka_unit_test(braces_are_taken_apart_and_escaped_ones_are_not),
        cmocka_unit_test(a_name_is_asked_about_for_each_alternative),
        cmocka_unit_test(what_is_excluded_may_be_at_any_depth),
        cmocka_unit_test(of_what_is_excluded_each_alternative_counts),
        cmocka_unit_test(very_many_alternatives_are_bounded),
        cmocka_unit_test(what_is_excluded_names_the_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
