/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "books_folders.h"

#include "base/auto.h"
#include "base/bell.h"
#include "base/log.h"
#include "ledger/report.h"

#include <signal.h>
#include <sys/mman.h>

/* The log since the last call; the caller frees it. */
static int log_fd = -1;

static char *take_log(void)
{
    off_t bytes = lseek(log_fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)bytes + 1);
    assert_non_null(text);
    assert_int_equal(pread(log_fd, text, (size_t)bytes, 0), bytes);
    assert_int_equal(ftruncate(log_fd, 0), 0);
    assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
    return text;
}

static void expect_log(const char *const *wanted, size_t count)
{
    char *log = take_log();
    const char *line = log;
    for (size_t i = 0; i < count; i++) {
        const char *end = strchr(line, '\n');
        const char *level = strstr(line, "level=");
        if (end == NULL || level == NULL || level > end ||
            (size_t)(end - level) != strlen(wanted[i]) ||
            strncmp(level, wanted[i], strlen(wanted[i])) != 0)
            fail_msg("wanted line %zu\n%s\ngot the log\n%s", i, wanted[i], log);
        line = end + 1;
    }
    if (*line != '\0')
        fail_msg("more lines than wanted:\n%s", line);
    free(log);
}
#define EXPECT_LOG(...)                                                                            \
    expect_log((const char *const[]){ __VA_ARGS__ },                                               \
               sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))
#define EXPECT_SILENCE() expect_log(NULL, 0)

static int redirect_log(void **context)
{
    log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(log_fd >= 0);
    log_set_fd(log_fd);
    return make_folders(context);
}

static int restore_log(void **context)
{
    log_set_fd(STDERR_FILENO);
    (void)close(log_fd);
    return remove_folders(context);
}

static void balance_other_than_0_is_an_error_and_is_counted(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct report *report = report_new(ledger);
    struct books *books = ledger_lane(ledger, "nginx", "main", false);
    ledger_move(books, FLOW_admit, 10, 100);
    (void)ledger_audit(books, ACCOUNT_ring, 0, (struct amount){ 8, 100 });
    report_write(report, false);
    EXPECT_LOG("level=error msg=ledger input=nginx output=main received=10 delivered=0 dropped=0 "
               "ring=8 batch=0 ready=0 in_flight=0 spool=0 balance=-2 differences=1");
    assert_int_equal(numbers_get(ledger_agent_numbers(ledger), NUMBER_audit_differences), 1);
    report_write(report, false);
    EXPECT_SILENCE();
    (void)ledger_audit(books, ACCOUNT_ring, 0, (struct amount){ 10, 100 });
    report_write(report, false);
    EXPECT_LOG("level=info msg=ledger input=nginx output=main received=10 delivered=0 dropped=0 "
               "ring=10 batch=0 ready=0 in_flight=0 spool=0 balance=0");
    assert_int_equal(numbers_get(ledger_agent_numbers(ledger), NUMBER_audit_differences), 1);
    report_free(&report);
    ledger_close(&ledger);
}

static size_t count_lines(const char *log, const char *what)
{
    size_t count = 0;

    for (const char *at = log; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

static void of_many_lanes_the_busiest_are_told_and_the_others_as_one_sum(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct report *report = report_new(ledger);
    struct books *books[30];
    char name[16];

    for (uint64_t i = 0; i < 30; i++) {
        (void)snprintf(name, sizeof(name), "in%02u", (unsigned)i);
        books[i] = ledger_lane(ledger, name, "main", false);
        ledger_move(books[i], FLOW_shed_sample, i + 1, 1000 * (i + 1));
    }
    report_news(report); /* as much as there is room for; so it need not be told with the books */
    free(take_log());
    log_set_fd(log_fd);
    report_write(report, false);
    char *log = take_log();
    assert_int_equal(count_lines(log, "msg=ledger "), REPORT_LANES);
    assert_non_null(strstr(log, "input=in29"));
    assert_null(strstr(log, "msg=ledger input=in09"));
    /* 1 + 2 + … + 10 */
    assert_non_null(strstr(log,
                           "msg=\"ledger of the other lanes\" lanes=10 received=55 delivered=0 "
                           "dropped=55 shed_sample=55 ring=0"));
    free(log);
    log_set_fd(log_fd);
    for (unsigned i = 20; i < 30; i++)
        ledger_move(books[i], FLOW_shed_sample, 1, 1);
    report_write(report, false);
    log = take_log();
    assert_non_null(strstr(log, "msg=ledger input=in09")); /* it waited, and is told now */
    assert_int_equal(count_lines(log, "msg=ledger "), REPORT_LANES);
    free(log);
    report_write(report, true); /* the closing books are told whole */
    log = take_log();
    assert_int_equal(count_lines(log, "msg=ledger "), 30);
    assert_null(strstr(log, "other lanes"));
    free(log);
    report_free(&report);
    ledger_close(&ledger);
}

static void differences_that_cancel_out_are_an_error_too(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct report *report = report_new(ledger);
    struct books *books = ledger_lane(ledger, "nginx", "main", false);
    (void)ledger_audit(books, ACCOUNT_ring, 0, (struct amount){ 1, 10 });
    ledger_move(books, FLOW_admit, 1, 10);
    ledger_move_cell(books, FLOW_gather, 1, 1, 10);
    (void)ledger_audit(books, ACCOUNT_batch, 1, (struct amount){ 0, 0 });
    report_write(report, false);
    EXPECT_LOG("level=error msg=ledger input=nginx output=main received=1 delivered=0 dropped=0 "
               "ring=1 batch=0 ready=0 in_flight=0 spool=0 balance=0 differences=2");
    report_free(&report);
    ledger_close(&ledger);
}

static void a_line_names_each_reason_and_the_first_drop_of_a_kind_is_news(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct report *report = report_new(ledger);
    struct books *books = ledger_lane(ledger, "nginx", "main", false);
    ledger_move(books, FLOW_admit, 100, 1000);
    ledger_move(books, FLOW_shed_sample, 20, 200);
    ledger_move(books, FLOW_filter, 5, 50);
    ledger_move(books, FLOW_evict_oldest, 10, 100);
    ledger_move_cell(books, FLOW_gather, 0, 50, 500);
    ledger_move_cell(books, FLOW_seal, 0, 50, 500);
    ledger_move(books, FLOW_launch, 50, 500);
    ledger_move(books, FLOW_deliver, 49, 490);
    ledger_move(books, FLOW_return, 1, 10);
    ledger_move(books, FLOW_replay_ready, 1, 10);
    (void)ledger_audit(books, ACCOUNT_ring, 0, (struct amount){ 40, 400 });
    report_write(report, false);
    EXPECT_LOG(
        "level=info msg=\"first drop\" input=nginx output=main reason=shed_sample "
        "meaning=\"shed at the door by sampling, the lane was above its high watermark\"",
        "level=info msg=\"first drop\" input=nginx output=main reason=evict_oldest "
        "meaning=\"pushed out of a full lane by newer events\"",
        "level=info msg=ledger input=nginx output=main received=124 delivered=49 dropped=30 "
        "shed_sample=20 evict_oldest=10 filtered=5 replay=1 ring=40 batch=0 ready=0 in_flight=0 "
        "spool=0 balance=0");
    ledger_move(books, FLOW_shed_sample, 1, 10);
    report_write(report, false);
    EXPECT_LOG("level=info msg=ledger input=nginx output=main received=125 delivered=49 dropped=31 "
               "shed_sample=21 evict_oldest=10 filtered=5 replay=1 ring=40 batch=0 ready=0 "
               "in_flight=0 spool=0 balance=0");
    report_free(&report);
    ledger_close(&ledger);
}

static void a_first_drop_rings_a_bell_and_is_told_once_without_a_report(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct report *report = report_new(ledger);
    struct books *books = ledger_lane(ledger, "nginx", "main", false);
    int bell = -1;
    struct pollfd poller = { .events = POLLIN };
    assert_true(bell_open(&bell));
    poller.fd = bell;
    ledger_ring_at_first_drop(bell);
    ledger_move(books, FLOW_admit, 100, 1000);
    assert_int_equal(poll(&poller, 1, 0), 0);
    ledger_move(books, FLOW_shed_sample, 20, 200);
    assert_int_equal(poll(&poller, 1, 0), 1);
    bell_wait(bell, NULL, 0, 0);
    ledger_move(books, FLOW_shed_sample, 20, 200);
    assert_int_equal(poll(&poller, 1, 0), 0);
    report_news(report);
    EXPECT_LOG("level=info msg=\"first drop\" input=nginx output=main reason=shed_sample "
               "meaning=\"shed at the door by sampling, the lane was above its high watermark\"");
    report_news(report);
    EXPECT_SILENCE();
    ledger_ring_at_first_drop(-1);
    auto_close(&bell);
    report_free(&report);
    ledger_close(&ledger);
}

static void only_lanes_that_moved_are_reported_and_at_the_end_all_that_ever_did(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct report *report = report_new(ledger);
    struct books *first = ledger_lane(ledger, "a", "main", false);
    struct books *second = ledger_lane(ledger, "b", "main", false);
    (void)ledger_lane(ledger, "never", "main", false);
    report_write(report, false);
    EXPECT_SILENCE();
    ledger_move(first, FLOW_filter, 1, 1);
    ledger_move(second, FLOW_filter, 1, 1);
    report_write(report, false);
    free(take_log());
    ledger_move(second, FLOW_filter, 1, 1);
#define REST " ring=0 batch=0 ready=0 in_flight=0 spool=0 balance=0"
    report_write(report, false);
    EXPECT_LOG("level=info msg=ledger input=b output=main received=2 delivered=0 dropped=0 "
               "filtered=2" REST);
    report_write(report, true);
    EXPECT_LOG("level=info msg=ledger input=a output=main received=1 delivered=0 dropped=0 "
               "filtered=1" REST,
               "level=info msg=ledger input=b output=main received=2 delivered=0 dropped=0 "
               "filtered=2" REST);
    report_free(&report);
    ledger_close(&ledger);
}

/* Bytes that were cut off before they were read: how many events they were, nobody knows. */
static void a_drop_of_bytes_alone_is_news_too(void **context)
{
    struct ledger *ledger = open_in(*context);
    struct report *report = report_new(ledger);
    ledger_move(ledger_lane(ledger, "a", "main", false), FLOW_upstream_loss, 0, 77);
    report_write(report, false);
    EXPECT_LOG("level=info msg=\"first drop\" input=a output=main reason=upstream_loss "
               "meaning=\"lost before it reached the agent, where the source can tell\"",
               "level=info msg=ledger input=a output=main received=0 delivered=0 dropped=0" REST);
    report_free(&report);
    ledger_close(&ledger);
}

static void hold_some(struct ledger *ledger)
{
    ledger_move(ledger_lane(ledger, "file", "main", true), FLOW_admit, 7, 70);
    ledger_move(ledger_lane(ledger, "socket", "main", false), FLOW_admit, 9, 90);
    ledger_move_cell(ledger_lane(ledger, "socket", "main", false), FLOW_gather, 2, 4, 40);
    ledger_move(ledger_lane(ledger, "empty", "main", false), FLOW_filter, 4, 40);
}

static void what_a_killed_start_left_is_told_once_and_apart_from_this_start(void **context)
{
    run_and_kill(*context, hold_some);
    struct ledger *ledger = open_in(*context);
    struct report *report = report_new(ledger);
    EXPECT_LOG("level=info msg=\"books of the killed start closed\" input=file output=main "
               "replay=7 lost=0 replay_ring=7 books=exact",
               "level=info msg=\"books of the killed start closed\" input=socket output=main "
               "replay=0 lost=9 crash_ring=5 crash_batch=4 books=exact");
    report_write(report, true);
    EXPECT_SILENCE();
    ledger_move(ledger_lane(ledger, "socket", "main", false), FLOW_filter, 1, 1);
    report_write(report, true);
    EXPECT_LOG("level=info msg=ledger input=socket output=main received=1 delivered=0 dropped=0 "
               "filtered=1" REST);
    ledger_move(ledger_lane(ledger, "file", "main", true), FLOW_admit, 3, 30);
    ledger_move(ledger_lane(ledger, "file", "main", true), FLOW_replay_ring, 2, 20);
    report_write(report, false);
    EXPECT_LOG("level=info msg=ledger input=file output=main received=1 delivered=0 dropped=0 "
               "replay=2" REST);
    report_free(&report);
    ledger_close(&ledger);
}

static void unreadable_books_are_told(void **context)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/books.saved",
                   ((const struct books_folders *)*context)->state);
    write_file(path, "half", 4);
    struct ledger *ledger = open_in(*context);
    struct report *report = report_new(ledger);
    char *log = take_log();
    assert_non_null(strstr(log, "level=warn msg=\"books of the start before could not be read"));
    assert_non_null(strstr(log, "it has only 4 bytes"));
    free(log);
    report_free(&report);
    ledger_close(&ledger);
}

static void totals_agree_with_each_other(void **context)
{
    (void)context;
    struct lane_snapshot lane = { .input = "a", .output = "b" };
    lane.flows[FLOW_admit].events = 10;
    lane.flows[FLOW_malformed].events = 2;
    lane.flows[FLOW_filter].events = 3;
    lane.flows[FLOW_deliver].events = 4;
    lane.flows[FLOW_replay_in_flight].events = 1;
    lane.closing[FLOW_crash_ready].events = 50;
    lane.closing[FLOW_replay_ready].events = 60;
    lane.measured[ACCOUNT_ring].events = 5;
    struct lane_totals totals = report_totals(&lane);
    assert_int_equal(totals.received, 14);
    assert_int_equal(totals.received,
                     totals.delivered + totals.filtered + totals.dropped + totals.held);
    assert_int_equal(totals.replayed, 1);
    assert_int_equal(report_lost(&lane).events, 50); /* these two with the start before */
    assert_int_equal(report_replayed(&lane).events, 61);
}

int main(void)
{
#define REPORT_TEST(name) cmocka_unit_test_setup_teardown(name, redirect_log, restore_log)
    const struct CMUnitTest tests[] = {
        REPORT_TEST(unreadable_books_are_told),
        REPORT_TEST(balance_other_than_0_is_an_error_and_is_counted),
        REPORT_TEST(differences_that_cancel_out_are_an_error_too),
        REPORT_TEST(of_many_lanes_the_busiest_are_told_and_the_others_as_one_sum),
        REPORT_TEST(a_drop_of_bytes_alone_is_news_too),
        REPORT_TEST(what_a_killed_start_left_is_told_once_and_apart_from_this_start),
        REPORT_TEST(only_lanes_that_moved_are_reported_and_at_the_end_all_that_ever_did),
        REPORT_TEST(a_line_names_each_reason_and_the_first_drop_of_a_kind_is_news),
        REPORT_TEST(a_first_drop_rings_a_bell_and_is_told_once_without_a_report),
        REPORT_TEST(totals_agree_with_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
