/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/log_ring.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINES = 2000, ROOM = 256 };

static void put(uint64_t n, size_t bytes)
{
    char text[ROOM];

    memset(text, 'x', sizeof(text));
    (void)snprintf(text, sizeof(text), "n=%llu ", (unsigned long long)n);
    text[strlen(text)] = 'x';
    log_ring_put((int64_t)n, LOG_INFO, (struct slice){ text, bytes });
}

static void a_reader_that_keeps_up_sees_every_line(void **unused)
{
    (void)unused;
    uint64_t number = log_ring_last(), lost;
    char text[ROOM];
    struct log_news news;

    for (uint64_t n = 0; n < LINES; n++) {
        put(n, 20 + n % 200);
        assert_true(log_ring_next(&number, text, sizeof(text), &news, &lost));
        assert_int_equal(lost, 0);
        assert_int_equal(news.real_ns, n);
        assert_int_equal(news.text.bytes, 20 + n % 200);
        assert_int_equal(strtoull(text + 2, NULL, 10), n);
        assert_false(log_ring_next(&number, text, sizeof(text), &news, &lost));
    }
}

static void a_slow_reader_is_told_how_many_lines_it_missed(void **unused)
{
    (void)unused;
    uint64_t number = log_ring_last(), lost, seen = 0, missed = 0;
    char text[ROOM];
    struct log_news news;

    for (uint64_t n = 0; n < LINES; n++)
        put(n, 100);
    for (; log_ring_next(&number, text, sizeof(text), &news, &lost); seen++)
        missed += lost;
    assert_int_equal(seen + missed, LINES);
    assert_in_range(seen, LOG_RING_BYTES / 130, LOG_RING_BYTES / 100);
    assert_int_equal(number, log_ring_last());
}

static void a_line_is_cut_to_the_readers_room(void **unused)
{
    (void)unused;
    uint64_t number = log_ring_last(), lost;
    char text[8];
    struct log_news news;

    put(7, 50);
    assert_true(log_ring_next(&number, text, sizeof(text), &news, &lost));
    assert_int_equal(news.text.bytes, sizeof(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_that_keeps_up_sees_every_line),
        cmocka_unit_test(a_slow_reader_is_told_how_many_lines_it_missed),
        cmocka_unit_test(a_line_is_cut_to_the_readers_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
