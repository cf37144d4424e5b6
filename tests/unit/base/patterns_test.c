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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_says_at_which_part_it_ends_to_fit),
        cmocka_unit_test(wildcards_take_neither_slashes_nor_leading_dots),
        cmocka_unit_test(of_alternatives_the_one_that_goes_furthest_counts),
        cmocka_unit_test(very_many_alternatives_are_bounded),
        cmocka_unit_test(what_is_excluded_names_the_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
