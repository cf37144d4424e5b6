/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "delivery/verdict.h"

enum { NOW_S = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

static void garbage_in_retry_after_says_nothing(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "",
                                       " ",
                                       "soon",
                                       "-1",
                                       "+5",
                                       "1.5",
                                       "5s",
                                       "0x10",
                                       "1e3",
                                       "\xff",
                                       "5 6",
                                       "Sun, 99 Nov",
                                       "true",
                                       "999999999999999999999x",
                                       "06 Nov 2034 08:49:37 GMT",
                                       "-06 Nov 2034 08:49:37 GMT" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (verdict_retry_after_ms(bad[i], NOW_S) != -1)
            fail_msg("'%s' was taken for a time", bad[i]);
    }
}

static void retry_after_in_seconds(void **unused)
{
    (void)unused;
    assert_int_equal(verdict_retry_after_ms("0", NOW_S), 0);
    assert_int_equal(verdict_retry_after_ms("7", NOW_S), 7000);
    assert_int_equal(verdict_retry_after_ms("  7 \t", NOW_S), 7000);
    assert_int_equal(verdict_retry_after_ms("007", NOW_S), 7000);
}

static void retry_after_is_at_most_an_hour(void **unused)
{
    (void)unused;
    assert_int_equal(verdict_retry_after_ms("3601", NOW_S), 3600000);
    assert_int_equal(verdict_retry_after_ms("1000000000", NOW_S), 3600000);
    assert_int_equal(verdict_retry_after_ms("99999999999999999999999999", NOW_S), 3600000);
    assert_int_equal(verdict_retry_after_ms("Sun, 06 Nov 2034 08:49:37 GMT", NOW_S), 3600000);
}

static void retry_after_as_each_form_of_a_date(void **unused)
{
    (void)unused;
    assert_int_equal(verdict_retry_after_ms("Sun, 06 Nov 1994 08:49:44 GMT", NOW_S), 7000);
    assert_int_equal(verdict_retry_after_ms("Sunday, 06-Nov-94 08:49:44 GMT", NOW_S), 7000);
    assert_int_equal(verdict_retry_after_ms("Sun Nov  6 08:49:44 1994", NOW_S), 7000);
    assert_int_equal(verdict_retry_after_ms("Sun, 06 Nov 1994 08:49:30 GMT", NOW_S), 0);
}

static void each_status_has_its_meaning(void **unused)
{
    (void)unused;
    static const struct {
        long status;
        bool has_retry_after;
        enum verdict verdict;
    } rows[] = {
        { 0, false, VERDICT_RETRY },       { 100, false, VERDICT_RETRY },
        { 200, false, VERDICT_SENT },      { 202, true, VERDICT_SENT },
        { 204, false, VERDICT_SENT },      { 299, false, VERDICT_SENT },
        { 301, false, VERDICT_HOLD },      { 304, false, VERDICT_HOLD },
        { 400, false, VERDICT_REJECTED },  { 422, false, VERDICT_REJECTED },
        { 401, false, VERDICT_HOLD },      { 403, false, VERDICT_HOLD },
        { 404, false, VERDICT_HOLD },      { 405, false, VERDICT_HOLD },
        { 407, false, VERDICT_HOLD },      { 410, false, VERDICT_HOLD },
        { 408, false, VERDICT_RETRY },     { 425, false, VERDICT_RETRY },
        { 413, false, VERDICT_TOO_LARGE }, { 413, true, VERDICT_TOO_LARGE },
        { 429, false, VERDICT_BUSY },      { 429, true, VERDICT_BUSY },
        { 500, false, VERDICT_RETRY },     { 500, true, VERDICT_RETRY },
        { 502, false, VERDICT_RETRY },     { 503, false, VERDICT_RETRY },
        { 503, true, VERDICT_BUSY },       { 599, false, VERDICT_RETRY },
        { 999, false, VERDICT_RETRY },     { -1, false, VERDICT_RETRY },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum verdict got = verdict_of_status(rows[i].status, rows[i].has_retry_after);
        if (got != rows[i].verdict)
            fail_msg("status %ld: got %s, wanted %s", rows[i].status, verdict_name(got),
                     verdict_name(rows[i].verdict));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(garbage_in_retry_after_says_nothing),
        cmocka_unit_test(retry_after_in_seconds),
        cmocka_unit_test(retry_after_is_at_most_an_hour),
        cmocka_unit_test(retry_after_as_each_form_of_a_date),
        cmocka_unit_test(each_status_has_its_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
