/* SPDX-License-Identifier: Apache-2.0 */
/* generator: numbered lines, as many as are due. */
#include "fake_sink.h"
#include "test.h"

#include <time.h>

extern const struct input input_generator;

struct generator_config {
    opt_count rate, count;
    opt_size bytes;
    opt_text run;
    opt_count seed;
};

static const struct host host = { .name = "demo", .buffer_bytes = 1 };
static struct generator_config config;
static struct sink *sink;
static void *state;

static int begin(void **unused)
{
    (void)unused;
    config = (struct generator_config){ 100000, 0, 230, "r", 1 };
    assert_int_equal(sizeof(config), input_generator.type.config_bytes);
    sink = fake_sink_new();
    state = calloc(1, input_generator.type.state_bytes);
    assert_non_null(state);
    return 0;
}

static int end(void **unused)
{
    (void)unused;
    input_generator.close(state);
    free(state);
    fake_sink_free(&sink);
    return 0;
}

static void open_input(void)
{
    struct err err;
    assert_true(input_generator.open(state, &config, &host, &err));
}

/* Collects until so many lines are there, or it is done; waits as the core does. */
static enum collected collect(size_t lines)
{
    enum collected collected = COLLECT_MORE;
    while (sink->event_count < lines && collected != COLLECT_DONE) {
        struct waits waits = { .fd_count = 0 };
        collected = fake_sink_collect(sink, &input_generator, state);
        input_generator.wait(state, &waits);
        int64_t left_ms = waits.until_ms - clock_now_ms();
        assert_true(left_ms <= 1000);
        struct timespec rest = { .tv_nsec = left_ms > 0 ? left_ms * NS_PER_MS : 0 };
        if (collected == COLLECT_IDLE)
            (void)nanosleep(&rest, NULL);
    }
    return collected;
}

static void check_numbers(size_t first, size_t count)
{
    char part[32];
    for (size_t i = first; i < first + count; i++) {
        (void)snprintf(part, sizeof(part), " seq=r.%zu ", i + 1);
        assert_non_null(strstr(fake_sink_body(sink, i), part));
        assert_null(strchr(fake_sink_body(sink, i), '\n'));
    }
}

static void it_ends_after_so_many_lines_with_their_numbers(void **unused)
{
    (void)unused;
    config.count = 1500;
    open_input();
    assert_int_equal(collect(SIZE_MAX), COLLECT_DONE);
    assert_int_equal(sink->event_count, 1500);
    assert_int_equal(sink->numbers[SINK_LINES], 1500);
    check_numbers(0, 1500);
    assert_in_range(sink->event_bytes / 1500, 200, 260);
}

static void no_more_lines_come_than_are_due(void **unused)
{
    (void)unused;
    int64_t start_ms = clock_now_ms();
    config.rate = 2000;
    open_input();
    (void)collect(100);
    int64_t elapsed_ms = clock_now_ms() - start_ms;
    assert_true(elapsed_ms >= 45); /* 100 of 2000 a second */
    assert_true(sink->event_count <= (size_t)(2 * elapsed_ms + 1));
}

static void long_lines_fit_what_was_said_of_them(void **unused)
{
    (void)unused;
    config.bytes = 64 * 1024;
    config.count = 50;
    open_input();
    assert_int_equal(collect(SIZE_MAX), COLLECT_DONE);
    for (size_t i = 0; i < 50; i++)
        assert_true(event_bytes(&sink->events[i]) <= input_generator.type.max_event_bytes(&config));
}

static void the_shortest_lines_fit_too(void **unused)
{
    (void)unused;
    config.bytes = 64;
    config.count = 500;
    config.run = "a-name-of-thirty-two-characters_";
    open_input();
    (void)collect(SIZE_MAX);
    for (size_t i = 0; i < 500; i++)
        assert_true(event_bytes(&sink->events[i]) <= input_generator.type.max_event_bytes(&config));
}

static void numbers_go_on_over_a_reload(void **unused)
{
    (void)unused;
    struct err err;
    struct generator_config other = config;
    open_input();
    (void)collect(100);
    other.rate = 50000;
    assert_true(input_generator.change(state, &other, &host, &err));
    (void)collect(300);
    check_numbers(0, 300);
}

static void a_name_that_a_receiver_cannot_read_is_refused(void **unused)
{
    (void)unused;
    struct err err = { "" };
    open_input();
    config.run = "a.b";
    assert_false(input_generator.type.check(&config, &err));
    assert_non_null(strstr(err.text, "'a.b'"));
    config.run = "a-name-of-thirty-three-characters";
    assert_false(input_generator.type.check(&config, &err));
    config.run = "";
    assert_true(input_generator.type.check(&config, &err));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(it_ends_after_so_many_lines_with_their_numbers),
        TEST(no_more_lines_come_than_are_due),
        TEST(long_lines_fit_what_was_said_of_them),
        TEST(the_shortest_lines_fit_too),
        TEST(numbers_go_on_over_a_reload),
        TEST(a_name_that_a_receiver_cannot_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
