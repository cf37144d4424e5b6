/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "inputs/http/severity.h"
#include "inputs/http/when.h"

static void points_in_time_are_read_in_the_forms_that_loggers_write(void **unused)
{
    (void)unused;
    const int64_t second = INT64_C(1795849920); /* 2026-11-28T07:12:00Z */
    static const struct {
        const char *text;
        int64_t beyond_ns;
    } cases[] = {
        { "2026-11-28T07:12:00Z", 0 },
        { "2026-11-28t07:12:00z", 0 },
        { "2026-11-28 07:12:00", 0 },
        { "2026-11-28T07:12:00.000000001Z", 1 },
        { "2026-11-28T07:12:00.0000000019Z", 1 },
        { "2026-11-28T07:12:00,25Z", 250000000 },
        { "2026-11-28T08:12:00+01:00", 0 },
        { "2026-11-28T02:42:00-0430", 0 },
        { "2026-11-28T08:12:00+01", 0 },
        { "1795849920", 0 },
        { "1795849920001", 1000000 },
        { "1795849920000001", 1000 },
        { "1795849920000000001", 1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ns = 0;
        if (!when_read(slice_of(cases[i].text), &ns))
            fail_msg("not read: %s", cases[i].text);
        assert_int_equal(ns, second * NS_PER_S + cases[i].beyond_ns);
    }
}

static void leap_days_and_the_ends_of_time_are_where_they_are(void **unused)
{
    (void)unused;
    int64_t ns = 0;
    assert_true(when_read(SLICE("2024-02-29T00:00:00Z"), &ns));
    assert_int_equal(ns, INT64_C(1709164800) * NS_PER_S);
    assert_true(when_read(SLICE("1970-01-01T00:00:01Z"), &ns));
    assert_int_equal(ns, NS_PER_S);
    assert_true(when_read(SLICE("2261-12-31T23:59:59.999999999Z"), &ns));
    assert_true(ns > 0);
}

static void what_is_no_point_in_time_is_not_read(void **unused)
{
    (void)unused;
    static const char *const cases[] = {
        "",
        "0",
        "-1",
        "now",
        "2026-11-28",
        "2026-11-28T07:12",
        "2026-13-28T07:12:00Z",
        "2026-11-32T07:12:00Z",
        "2026-11-28T24:12:00Z",
        "2026-11-28T07:60:00Z",
        "2026-11-28T07:12:00X",
        "2026-11-28T07:12:00.Z",
        "2026-11-28T07:12:00+",
        "2026-11-28T07:12:00+1",
        "2026-11-28T07:12:00+01:6",
        "2026-11-28T07:12:00Z ",
        "1969-12-31T23:59:59Z",
        "2262-01-01T00:00:00Z",
        "9999999999999999999",
        "20261128T071200Z",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ns = 77;
        if (when_read(slice_of(cases[i]), &ns))
            fail_msg("read: %s", cases[i]);
    }
}

static void numbers_say_their_unit_by_their_size(void **unused)
{
    (void)unused;
    int64_t ns = 0;
    /* A double is not finer than that. */
    assert_true(when_number(1795849920.25, &ns));
    assert_in_range(ns, INT64_C(1795849920249999000), INT64_C(1795849920250001000));
    assert_true(when_number(1795849920250.0, &ns));
    assert_in_range(ns, INT64_C(1795849920249999000), INT64_C(1795849920250001000));
    assert_false(when_number(0, &ns));
    assert_false(when_number(-1, &ns));
    assert_false(when_number(1e300, &ns));
    assert_false(when_integer(-5, &ns));
    assert_true(when_integer(INT64_MAX, &ns));
}

static void words_for_severities_are_known_in_any_case(void **unused)
{
    (void)unused;
    assert_int_equal(severity_of(SLICE("WARN")), SEVERITY_WARN);
    assert_int_equal(severity_of(SLICE("Error")), SEVERITY_ERROR);
    assert_int_equal(severity_of(SLICE("warned")), SEVERITY_NONE);
    assert_int_equal(severity_of(SLICE("")), SEVERITY_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_in_time_are_read_in_the_forms_that_loggers_write),
        cmocka_unit_test(leap_days_and_the_ends_of_time_are_where_they_are),
        cmocka_unit_test(what_is_no_point_in_time_is_not_read),
        cmocka_unit_test(numbers_say_their_unit_by_their_size),
        cmocka_unit_test(words_for_severities_are_known_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
