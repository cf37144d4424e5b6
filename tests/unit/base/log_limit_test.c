/* SPDX-License-Identifier: Apache-2.0 */
/* log_limit: in simulated time. */
#include "test.h"

#include "base/log_limit.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINE = 250, SECOND_MS = 1000 };

struct world {
    struct log_limit limit;
    uint64_t asked, written, told, bytes;
};

static int make_world(void **context)
{
    *context = calloc(1, sizeof(struct world));
    return *context == NULL;
}

static int free_world(void **context)
{
    free(*context);
    return 0;
}

static bool say(struct world *world, enum log_purse purse, enum log_level level, const char *msg,
                const char *output, int64_t now_ms)
{
    struct log_ask ask = {
        .purse = purse, .level = level, .msg = msg, .input = SLICE(""), .output = slice_of(output)
    };

    world->asked++;
    if (!log_limit_ask(&world->limit, &ask, now_ms) ||
        !log_limit_pay(&world->limit, &ask, LINE, now_ms))
        return false;
    world->written++;
    world->told += ask.held_back;
    world->bytes += LINE;
    return true;
}

static bool say_news(struct world *world, const char *msg, int64_t now_ms)
{
    return say(world, LOG_NEWS, LOG_WARN, msg, "main", now_ms);
}

static void a_kind_has_a_burst_and_then_one_line_each_rest_that_tells_the_others(void **context)
{
    struct world *world = *context;

    for (int i = 0; i < 100; i++)
        assert_int_equal(say_news(world, "x", 50), i < LOG_BURST);
    assert_false(say_news(world, "x", 50 + LOG_REST_MS - 1));
    assert_int_equal(world->told, 0);
    assert_true(say_news(world, "x", 50 + LOG_REST_MS));
    assert_int_equal(world->told, 96);
    assert_false(say_news(world, "x", 60 + LOG_REST_MS)); /* one, while it goes on */
    assert_true(say_news(world, "x", 50 + 2 * LOG_REST_MS));
    assert_int_equal(world->told, 97);
    assert_int_equal(world->limit.held_back, 97);
}

static void a_kind_that_was_quiet_has_its_burst_again(void **context)
{
    struct world *world = *context;

    assert_true(say_news(world, "x", 0));
    for (int i = 0; i < 100; i++)
        assert_int_equal(say_news(world, "x", LOG_REST_MS), i < LOG_BURST);
    assert_int_equal(world->told, 0);
}

static void one_kind_does_not_hold_back_another(void **context)
{
    struct world *world = *context;

    for (int i = 0; i < 100; i++)
        (void)say_news(world, "x", 0);
    assert_true(say_news(world, "y", 0));
    assert_true(say(world, LOG_NEWS, LOG_WARN, "x", "other", 0));
}

static void what_was_held_back_is_told_once_the_kind_has_rested(void **context)
{
    struct world *world = *context;

    for (int i = 0; i < 8; i++)
        (void)say_news(world, "x", 0);
    assert_null(log_limit_untold(&world->limit, LOG_REST_MS - 1));
    struct log_kind *kind = log_limit_untold(&world->limit, LOG_REST_MS);
    assert_non_null(kind);
    assert_string_equal(kind->msg, "x");
    assert_string_equal(kind->output, "main");
    assert_int_equal(kind->held_back, 3);
    assert_int_equal(kind->level, LOG_WARN);
    kind->held_back = 0;
    assert_null(log_limit_untold(&world->limit, LOG_REST_MS));
}

/* Many kinds, more than there is room for, at once and without end. */
static void flood(struct world *world, int64_t now_ms)
{
    char msg[32];

    for (int i = 0; i < 2 * LOG_KINDS; i++) {
        (void)snprintf(msg, sizeof(msg), "kind %d", i);
        (void)say(world, LOG_NEWS, i % 3 == 0 ? LOG_ERROR : LOG_WARN, msg, "main", now_ms);
    }
    for (int i = 0; i < 20; i++)
        (void)say(world, LOG_REPORT, LOG_INFO, "ledger", "main", now_ms);
}

static void
whatever_fails_the_log_stays_below_a_kilobyte_a_second_over_any_half_minute(void **context)
{
    struct world *world = *context;
    uint64_t at[600];

    for (int second = 0; second < 600; second++) {
        flood(world, second * SECOND_MS);
        at[second] = world->bytes;
        uint64_t before = second < 30 ? 0 : at[second - 30];
        if (at[second] - before > 30 * 1024)
            fail_msg("%llu bytes in 30 s at %d s", (unsigned long long)(at[second] - before),
                     second);
    }
    assert_in_range(world->bytes, 600 * 640, 600 * 740); /* and it is used */
}

static void the_counts_of_what_was_held_back_add_up(void **context)
{
    struct world *world = *context;
    uint64_t reports = 0;

    for (int second = 0; second < 100; second++) {
        flood(world, second * SECOND_MS);
        reports += 20;
    }
    uint64_t untold = log_limit_take_untold(&world->limit);
    assert_true(untold > 0);
    assert_int_equal(world->told + untold, world->limit.held_back);
    /* Of reports the caller keeps what was not written: it asks for nothing to be counted. */
    uint64_t report_bytes = LOG_REPORT_BYTES + 99 * LOG_REPORT_RATE;
    uint64_t kept = reports - report_bytes / LINE;
    assert_int_equal(world->asked - world->written, world->limit.held_back + kept);
    assert_int_equal(log_limit_take_untold(&world->limit), 0);
}

static void the_last_part_of_the_purse_is_for_errors(void **context)
{
    struct world *world = *context;
    char msg[32];
    int warnings = 0, errors = 0;

    for (int i = 0; i < 100; i++) {
        (void)snprintf(msg, sizeof(msg), "warning %d", i);
        warnings += say(world, LOG_NEWS, LOG_WARN, msg, "main", 0) ? 1 : 0;
    }
    assert_int_equal(warnings, (LOG_NEWS_BYTES - LOG_ERROR_BYTES) / LINE);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(msg, sizeof(msg), "error %d", i);
        errors += say(world, LOG_NEWS, LOG_ERROR, msg, "main", 0) ? 1 : 0;
    }
    assert_int_equal(errors, LOG_NEWS_BYTES / LINE - warnings);
}

static void what_must_be_written_is_and_reports_wait_for_it(void **context)
{
    struct world *world = *context;

    for (int i = 0; i < 200; i++)
        assert_true(say(world, LOG_ALWAYS, LOG_INFO, "ledger", "main", 0));
    assert_false(say(world, LOG_REPORT, LOG_INFO, "ledger", "main", 5 * SECOND_MS));
    /* However much it was: a purse is owed, not more. */
    assert_true(say(world, LOG_REPORT, LOG_INFO, "ledger", "main", 12 * SECOND_MS));
    assert_true(say_news(world, "x", 0));
}

static void
a_line_that_could_not_be_written_is_held_back_with_what_it_would_have_told(void **context)
{
    struct world *world = *context;
    struct log_ask ask = {
        .purse = LOG_NEWS, .level = LOG_WARN, .msg = "x", .input = SLICE(""), .output = SLICE("")
    };

    for (int i = 0; i < 7; i++) {
        if (log_limit_ask(&world->limit, &ask, 0))
            assert_true(log_limit_pay(&world->limit, &ask, LINE, 0));
    }
    assert_true(log_limit_ask(&world->limit, &ask, LOG_REST_MS));
    assert_int_equal(ask.held_back, 2);
    log_limit_give_up(&world->limit, &ask);
    assert_int_equal(log_limit_take_untold(&world->limit), 3);
    assert_int_equal(world->limit.held_back, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_world, free_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_kind_has_a_burst_and_then_one_line_each_rest_that_tells_the_others),
        TEST(a_kind_that_was_quiet_has_its_burst_again),
        TEST(one_kind_does_not_hold_back_another),
        TEST(what_was_held_back_is_told_once_the_kind_has_rested),
        TEST(whatever_fails_the_log_stays_below_a_kilobyte_a_second_over_any_half_minute),
        TEST(the_counts_of_what_was_held_back_add_up),
        TEST(the_last_part_of_the_purse_is_for_errors),
        TEST(what_must_be_written_is_and_reports_wait_for_it),
        TEST(a_line_that_could_not_be_written_is_held_back_with_what_it_would_have_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
