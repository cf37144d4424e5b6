/* SPDX-License-Identifier: Apache-2.0 */
/* joiner: lines of several sources in, events out, nothing lost and nothing held for ever. */
#include "event/joiner.h"

#include "base/buf.h"
#include "base/err.h"
#include "test.h"

#include <stdlib.h>

static const char a[] = "a", b[] = "b", c[] = "c"; /* sources: their addresses tell them apart */
static struct buf given;
static struct joiner *joiner;
static struct joiner_rules rules;

static void give(void *context, const struct joined_lines *event)
{
    assert_ptr_equal(context, &given);
    assert_true(buf_printf(&given, "%s%s[%.*s]", (const char *)event->source,
                           event->is_incomplete ? "!" : "", (int)event->body.bytes,
                           event->body.data));
    if (event->missing_bytes > 0)
        assert_true(buf_printf(&given, "-%d", (int)event->missing_bytes));
}
static const struct joiner_taker taker = { give, &given };

static int begin(void **unused)
{
    (void)unused;
    rules = (struct joiner_rules){ .lines = { "^\\d", "", NULL, 0 },
                                   .max_lines = 100,
                                   .max_bytes = 1024,
                                   .wait_ms = 1000,
                                   .sources = 2 };
    return 0;
}

static int end(void **unused)
{
    (void)unused;
    joiner_free(&joiner);
    buf_fini(&given);
    return 0;
}

static void start(void)
{
    struct err err = { "" };
    joiner = joiner_new(&rules, &err);
    if (joiner == NULL)
        fail_msg("%s", err.text);
    assert_true(buf_add_text(&given, ""));
}

/* The line is in memory of its own, gone at once: it has to be held by the joiner. */
static void add(const char *source, const char *line, int64_t now_ms)
{
    size_t bytes = strlen(line);
    char *copy = malloc(bytes + 1);
    assert_non_null(copy);
    memcpy(copy, line, bytes);
    joiner_add(joiner, source, &(struct joiner_line){ .text = { copy, bytes } }, now_ms, &taker);
    free(copy);
}

static void sources_have_events_of_their_own(void **unused)
{
    (void)unused;
    start();
    add(a, "1", 0);
    add(b, "2", 0);
    add(a, " x", 0);
    add(b, "", 0);
    add(b, " y", 0);
    add(a, "3", 0);
    add(b, "4", 0);
    assert_string_equal(given.data, "a[1\n x]b[2\n\n y]");
    joiner_end_all(joiner, &taker);
    assert_string_equal(given.data, "a[1\n x]b[2\n\n y]a[3]b[4]");
}

static void time_ends_an_event_by_its_last_line(void **unused)
{
    (void)unused;
    start();
    assert_int_equal(joiner_due_ms(joiner), 0);
    add(a, "1", 100);
    add(b, "2", 200);
    add(a, " x", 500);
    assert_int_equal(joiner_due_ms(joiner), 1200);
    joiner_end_due(joiner, 1199, &taker);
    assert_string_equal(given.data, "");
    joiner_end_due(joiner, 1200, &taker);
    assert_string_equal(given.data, "b[2]");
    joiner_end_due(joiner, 1500, &taker);
    assert_string_equal(given.data, "b[2]a[1\n x]");
    add(a, " late", 1600);
    joiner_end(joiner, a, &taker);
    assert_string_equal(given.data, "b[2]a[1\n x]a[ late]");
    assert_int_equal(joiner_due_ms(joiner), 0);
}

static void what_is_over_a_bound_is_another_event(void **unused)
{
    (void)unused;
    rules.max_lines = 2;
    rules.max_bytes = 8;
    start();
    add(a, "1", 0);
    add(a, " x", 0);
    add(a, " y", 0);
    add(a, "z6789", 0);
    add(a, "2 is too long to be held", 0);
    add(a, " q", 0);
    joiner_end(joiner, a, &taker);
    assert_string_equal(given.data, "a![1\n x]a[ y\nz6789]a[2 is too long to be held]a[ q]");
}

static void one_source_too_many_takes_the_place_of_the_silent_one(void **unused)
{
    (void)unused;
    start();
    add(a, "1", 10);
    add(b, "2", 20);
    add(a, " x", 30);
    add(c, "3", 40);
    assert_string_equal(given.data, "b![2]");
    joiner_end(joiner, a, &taker);
    add(b, "4", 50); /* a's place is free */
    joiner_end_all(joiner, &taker);
    assert_string_equal(given.data, "b![2]a[1\n x]b[4]c[3]");
}

static void what_was_cut_off_is_added_up(void **unused)
{
    (void)unused;
    start();
    joiner_add(joiner, a, &(struct joiner_line){ SLICE("1"), 7, false }, 0, &taker);
    joiner_add(joiner, a, &(struct joiner_line){ SLICE(" x"), 5, false }, 0, &taker);
    joiner_add(joiner, a, &(struct joiner_line){ SLICE("2"), 0, false }, 0, &taker);
    assert_string_equal(given.data, "a[1\n x]-12");
}

static void a_long_event_grows_and_leaves_its_memory(void **unused)
{
    (void)unused;
    size_t lines = 0;
    rules.max_bytes = 64 * 1024;
    rules.max_lines = 100000;
    start();
    add(a, "1", 0);
    for (; lines < 5000; lines++)
        add(a, " 12345678", 0);
    joiner_end(joiner, a, &taker);
    assert_int_equal(given.bytes, 3 + 1 + 5000 * 10);
    assert_true(joiner_memory_bytes(&rules) >= 2 * 64 * 1024);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(sources_have_events_of_their_own),
        TEST(time_ends_an_event_by_its_last_line),
        TEST(what_is_over_a_bound_is_another_event),
        TEST(one_source_too_many_takes_the_place_of_the_silent_one),
        TEST(what_was_cut_off_is_added_up),
        TEST(a_long_event_grows_and_leaves_its_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
