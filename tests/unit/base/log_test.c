/* SPDX-License-Identifier: Apache-2.0 */
/* log: written into a file in memory and read back. */
#include "test.h"

#include "base/log_limit.h"
#include "base/log_ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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
    assert_int_equal(strlen(line), 2048);
    assert_int_equal(count_lines(line), 1);
    assert_int_equal(line[2047], '\n');
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

static void
the_lines_of_a_kind_are_limited_and_the_last_word_tells_how_many_were_held_back(void **unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++)
        LOG(LOG_WARN, "x", LS("output", "one"));
    LOG(LOG_WARN, "x", LS("output", "two")); /* another kind */
    const char *text = take_log();
    assert_int_equal(count_lines(text), LOG_BURST + 1);
    assert_null(strstr(text, "held_back"));
    log_tell_held_back(); /* the kind has not rested yet */
    assert_string_equal(take_log(), "");
    assert_int_equal(log_end(), 100 - LOG_BURST);
    check_log("level=warn msg=\"lines held back\" of=\"all kinds\" held_back=95\n");
    (void)log_end();
    assert_string_equal(take_log(), "");
}

/* The JSON line without its time, which comes first. */
static void check_json(const char *wanted)
{
    const char *line = take_log();
    assert_int_equal(strncmp(line, "{\"time\":\"", 9), 0);
    const char *level = strstr(line, "\"level\"");
    assert_non_null(level);
    assert_string_equal(level, wanted);
}

static void json_lines_have_numbers_as_numbers(void **unused)
{
    (void)unused;
    log_set_format(LOG_JSON);
    LOG(LOG_WARN, "two words", LS("a", "say \"hi\"\n"), LU("u", UINT64_MAX), LI("i", -3),
        LR("r", 0.25), LB("bytes", SLICE("\xff")));
    check_json("\"level\":\"warn\",\"msg\":\"two words\",\"a\":\"say \\\"hi\\\"\\n\","
               "\"u\":18446744073709551615,\"i\":-3,\"r\":0.25,\"bytes\":\"\xef\xbf\xbd\"}\n");
    log_set_format(LOG_LOGFMT);
}

static void a_json_line_that_is_too_long_leaves_fields_out_and_is_still_json(void **unused)
{
    (void)unused;
    char text[1001];

    memset(text, '\x01', sizeof(text) - 1); /* six bytes each */
    text[sizeof(text) - 1] = '\0';
    log_set_format(LOG_JSON);
    LOG(LOG_INFO, "long", LS("first", "1"), LS("text", text), LU("after", 7));
    check_json("\"level\":\"info\",\"msg\":\"long\",\"first\":\"1\",\"cut\":true,\"after\":7}\n");
    log_set_format(LOG_LOGFMT);
}

static void
priorities_stand_before_lines_only_if_the_descriptor_is_the_journals_stream(void **unused)
{
    (void)unused;
    struct stat info;
    char stream[64];

    assert_int_equal(fstat(log_fd, &info), 0);
    (void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)info.st_dev,
                   (unsigned long long)info.st_ino + 1);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_mark_priorities();
    LOG(LOG_ERROR, "x", LU("n", 1));
    assert_int_equal(strncmp(take_log(), "time=", 5), 0);
    (void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)info.st_dev,
                   (unsigned long long)info.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_mark_priorities();
    LOG(LOG_ERROR, "x", LU("n", 1));
    assert_int_equal(strncmp(take_log(), "<3>time=", 8), 0);
    LOG(LOG_INFO, "x", LU("n", 1));
    assert_int_equal(strncmp(take_log(), "<6>time=", 8), 0);
    assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
    log_mark_priorities();
}

static int bind_journal(char path[64])
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)snprintf(path, 64, "/tmp/spillway-log-%ld", (long)getpid());
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static bool has_field(const char *datagram, size_t bytes, const char *name, const char *value)
{
    char field[256];
    size_t name_bytes = strlen(name), value_bytes = strlen(value);

    memcpy(field, name, name_bytes);
    field[name_bytes] = '\n';
    memset(field + name_bytes + 1, 0, 8);
    field[name_bytes + 1] = (char)value_bytes;
    memcpy(field + name_bytes + 9, value, value_bytes);
    field[name_bytes + 9 + value_bytes] = '\n';
    return memmem(datagram, bytes, field, name_bytes + value_bytes + 10) != NULL;
}

static void the_journal_gets_the_line_its_priority_and_each_field(void **unused)
{
    (void)unused;
    char path[64], datagram[8192];
    struct err err = { "" };

    assert_false(log_use_journal("/tmp/no-such-socket", &err));
    assert_string_equal(err.text, "there is no socket '/tmp/no-such-socket'");
    int journal = bind_journal(path);
    assert_true(log_use_journal(path, &err));
    LOG(LOG_WARN, "request failed", LS("output", "main"), LS("why", "a\nb"), LU("n", 3));
    ssize_t bytes = recv(journal, datagram, sizeof(datagram), 0);
    assert_true(bytes > 0);
    size_t length = (size_t)bytes;
    assert_true(has_field(datagram, length, "MESSAGE",
                          "level=warn msg=\"request failed\" output=main why=\"a\\nb\" n=3"));
    assert_true(has_field(datagram, length, "PRIORITY", "4"));
    assert_true(has_field(datagram, length, "SYSLOG_IDENTIFIER", "spillway"));
    assert_true(has_field(datagram, length, "SPILLWAY_OUTPUT", "main"));
    assert_true(has_field(datagram, length, "SPILLWAY_WHY", "a\nb"));
    assert_true(has_field(datagram, length, "SPILLWAY_N", "3"));
    assert_string_equal(take_log(), ""); /* nothing twice */
    assert_int_equal(unlink(path), 0);
    LOG(LOG_WARN, "request failed", LS("output", "main")); /* it is gone: the line is not */
    check_log("level=warn msg=\"request failed\" output=main\n");
    (void)close(journal);
}

static void what_a_busy_journal_does_not_take_is_held_back_and_told(void **unused)
{
    (void)unused;
    char path[64], msg[32], datagram[8192];
    struct err err = { "" };
    int journal = bind_journal(path), asked = 0, taken = 0;

    assert_true(log_use_journal(path, &err));
    for (; asked < 2000 && log_held_back() == 0; asked++) {
        (void)snprintf(msg, sizeof(msg), "%d", asked % 100);
        LOG_AS(LOG_ALWAYS, LOG_INFO, msg, LU("n", 1));
    }
    assert_int_equal(log_held_back(), 1);
    while (recv(journal, datagram, sizeof(datagram), 0) > 0)
        taken++;
    assert_int_equal(taken, asked - 1);
    (void)log_end();
    ssize_t bytes = recv(journal, datagram, sizeof(datagram), 0);
    assert_true(bytes > 0 && has_field(datagram, (size_t)bytes, "SPILLWAY_HELD_BACK", "1"));
    assert_string_equal(take_log(), "");
    (void)close(journal);
    (void)unlink(path);
}

static void news_are_in_the_ring_and_reports_are_not(void **unused)
{
    (void)unused;
    uint64_t number = log_ring_last(), lost = 9;
    struct log_news news;
    char text[256];

    LOG_AS(LOG_REPORT, LOG_INFO, "ledger", LU("n", 1));
    assert_false(log_ring_next(&number, text, sizeof(text), &news, &lost));
    LOG(LOG_WARN, "request failed", LF("answer", "cannot take 'user=ann'"), LS("output", "main"));
    assert_non_null(strstr(take_log(), "user=ann")); /* only there: it may quote an event */
    assert_true(log_ring_next(&number, text, sizeof(text), &news, &lost));
    assert_int_equal(lost, 0);
    assert_int_equal(news.level, LOG_WARN);
    assert_int_equal(news.text.bytes, strlen("msg=\"request failed\" output=main"));
    assert_memory_equal(news.text.data, "msg=\"request failed\" output=main", news.text.bytes);
    assert_false(log_ring_next(&number, text, sizeof(text), &news, &lost));
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
            the_lines_of_a_kind_are_limited_and_the_last_word_tells_how_many_were_held_back,
            open_log, close_log),
        cmocka_unit_test_setup_teardown(json_lines_have_numbers_as_numbers, open_log, close_log),
        cmocka_unit_test_setup_teardown(
            a_json_line_that_is_too_long_leaves_fields_out_and_is_still_json, open_log, close_log),
        cmocka_unit_test_setup_teardown(
            priorities_stand_before_lines_only_if_the_descriptor_is_the_journals_stream, open_log,
            close_log),
        cmocka_unit_test_setup_teardown(the_journal_gets_the_line_its_priority_and_each_field,
                                        open_log, close_log),
        cmocka_unit_test_setup_teardown(what_a_busy_journal_does_not_take_is_held_back_and_told,
                                        open_log, close_log),
        cmocka_unit_test_setup_teardown(news_are_in_the_ring_and_reports_are_not, open_log,
                                        close_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
