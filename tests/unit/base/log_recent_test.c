/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/log_recent.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct log_recent_line got[LOG_RECENT_LINES];

static int silence_log(void **unused)
{
    (void)unused;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    log_set_fd(fd);
    return fd < 0;
}

static void the_newest_notable_line_comes_first(void **unused)
{
    (void)unused;
    size_t before = log_recent_copy(got);
    LOG(LOG_WARN, "request failed", LS("output", "main"), LS("reason", "status 503"));
    LOG(LOG_INFO, "circuit breaker closed", LS("output", "main"));
    log_write(&log_unlimited, LOG_INFO, "first drop", (const struct log_field[]){ { 0 } });
    assert_int_equal(log_recent_copy(got), before + 3);
    assert_string_equal(got[0].text, "msg=\"first drop\"");
    assert_string_equal(got[1].text, "msg=\"circuit breaker closed\" output=main");
    assert_string_equal(got[2].text, "msg=\"request failed\" output=main reason=\"status 503\"");
    assert_int_equal(got[2].level, LOG_WARN);
    assert_true(got[0].real_ns >= got[2].real_ns && got[2].real_ns > 0);
}

static void reports_and_what_is_not_written_are_not_kept(void **unused)
{
    (void)unused;
    LOG(LOG_WARN, "mark", LU("n", 1));
    log_write(NULL, LOG_INFO, "ledger", (const struct log_field[]){ { 0 } });
    LOG(LOG_DEBUG, "detail", LU("n", 2));
    log_set_level(LOG_DEBUG);
    LOG(LOG_DEBUG, "detail", LU("n", 2));
    log_set_level(LOG_INFO);
    (void)log_recent_copy(got);
    assert_string_equal(got[0].text, "msg=mark n=1");
}

static void what_an_endpoint_answered_is_not_kept(void **unused)
{
    (void)unused;
    LOG(LOG_WARN, "x", LF("answer", "cannot parse 'user=secret'"), LS("verdict", "hold"));
    (void)log_recent_copy(got);
    assert_string_equal(got[0].text, "msg=x verdict=hold");
}

static void a_long_line_is_cut_between_characters(void **unused)
{
    (void)unused;
    char text[2 * LOG_RECENT_BYTES];
    for (size_t shift = 0; shift < 2; shift++) {
        size_t bytes = shift;
        memset(text, 'x', sizeof(text));
        while (bytes + 2 < sizeof(text)) {
            memcpy(text + bytes, "\xc3\xa4", 2);
            bytes += 2;
        }
        log_recent_add(LOG_INFO, 1, (struct slice){ text, bytes });
        (void)log_recent_copy(got);
        size_t kept = strlen(got[0].text);
        assert_true(kept < LOG_RECENT_BYTES && kept > LOG_RECENT_BYTES - 6);
        assert_string_equal(got[0].text + kept - 3, "\xe2\x80\xa6");
        assert_int_equal((unsigned char)got[0].text[kept - 4], 0xa4); /* a whole ä before it */
    }
}

static void only_the_last_lines_are_kept(void **unused)
{
    (void)unused;
    char text[32];
    for (int i = 0; i < 10 * LOG_RECENT_LINES; i++) {
        (void)snprintf(text, sizeof(text), "line %d", i);
        log_recent_add(LOG_INFO, i, slice_of(text));
    }
    assert_int_equal(log_recent_copy(got), LOG_RECENT_LINES);
    assert_int_equal(got[0].real_ns, 10 * LOG_RECENT_LINES - 1);
    assert_int_equal(got[LOG_RECENT_LINES - 1].real_ns, 9 * LOG_RECENT_LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_notable_line_comes_first),
        cmocka_unit_test(reports_and_what_is_not_written_are_not_kept),
        cmocka_unit_test(what_an_endpoint_answered_is_not_kept),
        cmocka_unit_test(a_long_line_is_cut_between_characters),
        cmocka_unit_test(only_the_last_lines_are_kept),
    };
    return cmocka_run_group_tests(tests, silence_log, NULL);
}
