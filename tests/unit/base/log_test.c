/* SPDX-License-Identifier: Apache-2.0 */
/* log: written into a file in memory and read back. Rests are ended by hand, never waited for. */
#include "test.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { READ_BYTES = 65536 };

static int log_fd;
static char got[READ_BYTES];

static int open_log(void **unused)
{
    (void)unused;
    log_fd = memfd_create("log", MFD_CLOEXEC);
    log_set_fd(log_fd);
    log_set_level(LOG_INFO);
    return log_fd < 0;
}

static int close_log(void **unused)
{
    (void)unused;
    log_set_fd(STDERR_FILENO);
    return close(log_fd);
}

/* All that was written since the last call. */
static const char *take_log(void)
{
    ssize_t bytes = pread(log_fd, got, sizeof(got) - 1, 0);
    assert_true(bytes >= 0);
    got[bytes] = '\0';
    assert_int_equal(ftruncate(log_fd, 0), 0);
    assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
    return got;
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

/* The line without its time. */
static void check_log(const char *wanted)
{
    const char *level = strstr(take_log(), "level=");
    assert_non_null(level);
    assert_string_equal(level, wanted);
}

static void a_text_cannot_break_out_of_its_field_or_line(void **unused)
{
    (void)unused;
    LOG(LOG_INFO, "x", LS("a", "two words"), LS("b", "a=b"), LS("c", ""), LS("d", "say \"hi\""));
    check_log("level=info msg=x a=\"two words\" b=\"a=b\" c=\"\" d=\"say \\\"hi\\\"\"\n");
    LOG(LOG_INFO, "x", LS("a", "\"quoted\""), LS("b", "\\"));
    check_log("level=info msg=x a=\"\\\"quoted\\\"\" b=\"\\\\\"\n");
    LOG(LOG_INFO, "x", LS("a", "one\nlevel=error msg=forged"), LS("b", "C:\\dir"));
    check_log("level=info msg=x a=\"one\\nlevel=error msg=forged\" b=\"C:\\\\dir\"\n");
    LOG(LOG_INFO, "x", LS("a", "\x1b[31m\x7f\r\t"), LB("b", SLICE("nul\0byte")));
    check_log("level=info msg=x a=\"\\x1b[31m\\x7f\\x0d\\x09\" b=\"nul\\x00byte\"\n");
}

static void a_line_that_is_too_long_is_cut_and_still_ends(void **unused)
{
    (void)unused;
    char text[10000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    LOG(LOG_INFO, "long", LS("text", text), LS("after", "y"));
    const char *line = take_log();
    assert_int_equal(strlen(line), 4096);
    assert_int_equal(count_lines(line), 1);
    assert_int_equal(line[4095], '\n');
}

static void numbers_are_plain(void **unused)
{
    (void)unused;
    LOG(LOG_WARN, "file was cut off", LU("u", UINT64_MAX), LI("i", INT64_MIN), LR("r", 0.25),
        LS("plain", "/var/log/a.log"));
    check_log("level=warn msg=\"file was cut off\" u=18446744073709551615 "
              "i=-9223372036854775808 r=0.25 plain=/var/log/a.log\n");
}

static void every_line_begins_with_its_time(void **unused)
{
    (void)unused;
    int year, month, day, hour, minute, second, ms, end = 0;

    LOG(LOG_ERROR, "x", LU("n", 1));
    const char *line = take_log();
    int found = sscanf(line, "time=%4d-%2d-%2dT%2d:%2d:%2d.%3dZ level=error%n", &year, &month, &day,
                       &hour, &minute, &second, &ms, &end);
    assert_int_equal(found, 7);
    assert_true(end > 0);
}

static void lines_below_the_level_are_not_written(void **unused)
{
    (void)unused;
    LOG(LOG_DEBUG, "x", LU("n", 1));
    assert_string_equal(take_log(), "");
    log_set_level(LOG_DEBUG);
    LOG(LOG_DEBUG, "x", LU("n", 1));
    check_log("level=debug msg=x n=1\n");
    log_set_level(LOG_ERROR);
    LOG(LOG_WARN, "x", LU("n", 1));
    assert_string_equal(take_log(), "");
}

static void write_many(struct log_site *site, size_t lines)
{
    for (size_t i = 0; i < lines; i++)
        log_write(site, LOG_INFO, "x", (const struct log_field[]){ { 0 } });
}

static void a_place_writes_a_burst_and_then_one_line_each_rest_that_tells_the_others(void **unused)
{
    (void)unused;
    struct log_site site = { 0 };

    write_many(&site, 100);
    const char *text = take_log();
    assert_int_equal(count_lines(text), LOG_BURST);
    assert_null(strstr(text, "held_back"));
    atomic_store(&site.rest_until_ms, 0);
    write_many(&site, 50);
    check_log("level=info msg=x held_back=95\n");
    atomic_store(&site.rest_until_ms, 0);
    write_many(&site, 1);
    check_log("level=info msg=x held_back=49\n");
}

static void a_place_that_was_quiet_has_its_burst_again(void **unused)
{
    (void)unused;
    struct log_site site = { 0 };

    write_many(&site, 2);
    atomic_store(&site.rest_until_ms, 0);
    (void)take_log();
    write_many(&site, 100);
    const char *text = take_log();
    assert_int_equal(count_lines(text), LOG_BURST);
    assert_null(strstr(text, "held_back"));
}

static void a_line_without_a_place_is_never_held_back(void **unused)
{
    (void)unused;
    write_many(NULL, 200);
    assert_int_equal(count_lines(take_log()), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_text_cannot_break_out_of_its_field_or_line, open_log,
                                        close_log),
        cmocka_unit_test_setup_teardown(a_line_that_is_too_long_is_cut_and_still_ends, open_log,
                                        close_log),
        cmocka_unit_test_setup_teardown(numbers_are_plain, open_log, close_log),
        cmocka_unit_test_setup_teardown(every_line_begins_with_its_time, open_log, close_log),
        cmocka_unit_test_setup_teardown(lines_below_the_level_are_not_written, open_log, close_log),
        cmocka_unit_test_setup_teardown(
            a_place_writes_a_burst_and_then_one_line_each_rest_that_tells_the_others, open_log,
            close_log),
        cmocka_unit_test_setup_teardown(a_place_that_was_quiet_has_its_burst_again, open_log,
                                        close_log),
        cmocka_unit_test_setup_teardown(a_line_without_a_place_is_never_held_back, open_log,
                                        close_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
