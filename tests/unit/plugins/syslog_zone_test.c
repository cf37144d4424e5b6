/* SPDX-License-Identifier: Apache-2.0 */
/* zone: against the C library's own reading of the same files, and rules in place of files. */
#include "plugins/inputs/syslog/zone.h"
#include "plugins/inputs/syslog/zone_rule.h"
#include "test.h"

#include <time.h>

static void open_zone(const char *name, struct zone *ret)
{
    struct err err = { "" };

    if (!zone_open(name, ret, &err))
        fail_msg("%s: %s", name, err.text);
}

static void set_zone(const char *name)
{
    assert_int_equal(setenv("TZ", name, 1), 0);
    tzset();
}

static void assert_same_as_libc(const char *name, const struct zone *zone)
{
    const int64_t step_s = 86400 * 5 + 7919;

    for (int64_t at_s = 0; at_s < INT64_C(4102444800); at_s += step_s) { /* to 2100 */
        time_t unix_s = (time_t)at_s;
        struct tm local;
        assert_non_null(localtime_r(&unix_s, &local));
        if (zone_offset_s(zone, at_s) != local.tm_gmtoff)
            fail_msg("%s at %lld: %d, wanted %ld", name, (long long)at_s, zone_offset_s(zone, at_s),
                     local.tm_gmtoff);
        if (zone_unix_s(zone, at_s + local.tm_gmtoff) != at_s) {
            /* The hour that clocks show twice, or that was just skipped around. */
            int64_t away_s = llabs(zone_unix_s(zone, at_s + local.tm_gmtoff) - at_s);
            assert_true(away_s <= 2 * 3600);
        }
    }
}

static void offsets_are_those_of_the_c_library(void **unused)
{
    (void)unused;
    static const char *const names[] = { "Europe/Berlin",     "America/New_York",
                                         "Asia/Kolkata",      "Australia/Lord_Howe",
                                         "Pacific/Auckland",  "America/Sao_Paulo",
                                         "Africa/Casablanca", "Etc/GMT+5",
                                         "Asia/Tokyo" };
    struct zone zone;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        open_zone(names[i], &zone);
        set_zone(names[i]);
        assert_same_as_libc(names[i], &zone);
        zone_fini(&zone);
        open_zone("local", &zone); /* by TZ */
        assert_same_as_libc(names[i], &zone);
        zone_fini(&zone);
        assert_int_equal(unsetenv("TZ"), 0);
        tzset();
    }
}

static void rules_are_those_of_the_c_library(void **unused)
{
    (void)unused;
    static const char *const rules[] = {
        "CET-1CEST,M3.5.0,M10.5.0/3",     "EST5EDT,M3.2.0,M11.1.0", "<+03>-3",
        "NZST-12NZDT,M9.5.0,M4.1.0/3",    "XST2XDT,J60/1:30,J300",  "YST-5:30YDT-6,59,299/-1",
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0"
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct zone zone = { 0 };
        assert_true(zone_rule_parse(slice_of(rules[i]), &zone));
        set_zone(rules[i]);
        assert_same_as_libc(rules[i], &zone);
        open_zone("local", &zone); /* by TZ */
        assert_same_as_libc(rules[i], &zone);
        zone_fini(&zone);
    }
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

static void what_is_no_rule_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "",          "CET",
                                       "1",         "CET-1CEST,",
                                       "CET-1,M13", "CET-25",
                                       "<+03-3",    "CET-1CEST,M3.5.0",
                                       "CET-1 x",   "CET-1CEST,M3.5.0,M10.6.0" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct zone zone = { 0 };
        if (zone_rule_parse(slice_of(bad[i]), &zone) || zone.has_rule)
            fail_msg("'%s' is taken for a rule", bad[i]);
    }
}

static void fixed_offsets_are_read(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        int32_t offset_s;
    } fixed[] = { { "UTC", 0 }, { "+02:00", 7200 }, { "-0330", -12600 }, { "+5", 18000 } };
    struct zone zone;

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        open_zone(fixed[i].name, &zone);
        assert_int_equal(zone_offset_s(&zone, 1795867200), fixed[i].offset_s);
        assert_int_equal(zone_unix_s(&zone, 1795867200), 1795867200 - fixed[i].offset_s);
        assert_true(zone_is_name(fixed[i].name));
    }
}

static void names_that_are_none_are_told(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "",    "Mars/Base", "../../etc/passwd", "/etc/passwd", "+99",
                                       "+1:", "+1:2x" };
    struct zone zone;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err = { "" };
        if (zone_open(bad[i], &zone, &err))
            fail_msg("'%s' is taken for a zone", bad[i]);
        assert_non_null(strstr(err.text, "time_zone"));
        assert_true(zone_is_name(bad[i]) == (i == 1));
    }
}

static void a_damaged_file_is_refused(void **unused)
{
    (void)unused;
    char bytes[8192];
    FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "re");
    assert_non_null(file);
    size_t count = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    struct zone zone;

    for (size_t cut = 0; cut < count; cut += cut < 100 ? 1 : 37) {
        char *copy = malloc(cut + 1); /* of its own size, so that a read behind it is seen */
        memcpy(copy, bytes, cut);
        if (zone_parse((struct slice){ copy, cut }, &zone))
            zone_fini(&zone); /* a cut within the footer leaves a whole table */
        free(copy);
    }
    assert_false(zone_parse((struct slice){ bytes, 100 }, &zone));
    bytes[0] = 'X';
    assert_false(zone_parse((struct slice){ bytes, count }, &zone));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_those_of_the_c_library),
        cmocka_unit_test(rules_are_those_of_the_c_library),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(fixed_offsets_are_read),
        cmocka_unit_test(names_that_are_none_are_told),
        cmocka_unit_test(a_damaged_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
