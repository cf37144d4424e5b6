/* SPDX-License-Identifier: Apache-2.0 */
/* stdin: a pipe takes the place of standard input. */
#include "fake_sink.h"
#include "test.h"

#include <fcntl.h>

extern const struct input input_stdin;

#define CONFIG_OPTIONS(X, T) X(T, max_line_bytes, size, "", "", "", "") JOINING_OPTIONS(X, T)
DECLARE_OPTIONS(stdin_config, CONFIG_OPTIONS);

struct fixture {
    int saved, writer;
    void *state;
    struct stdin_config config;
    struct sink *sink;
};

static void open_input(struct fixture *fixture, size_t max_line_bytes)
{
    struct host host = { .name = "in", .buffer_bytes = 1 };
    struct err err;

    fixture->config.max_line_bytes = max_line_bytes;
    assert_true(input_stdin.open(fixture->state, &fixture->config, &host, &err));
}

static int setup(void **statep)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    int ends[2];

    assert_int_equal(sizeof(fixture->config), input_stdin.type.config_bytes);
    fixture->config.multiline__start = fixture->config.multiline__continuation = "";
    fixture->config.multiline__max_lines = 100;
    fixture->config.multiline__max_bytes = 1024;
    fixture->config.multiline__wait = 60000;
    assert_int_equal(pipe(ends), 0);
    fixture->saved = dup(STDIN_FILENO);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    (void)close(ends[0]);
    fixture->writer = ends[1];
    (void)fcntl(fixture->writer, F_SETPIPE_SZ, 1 << 20);
    fixture->state = calloc(1, input_stdin.type.state_bytes);
    fixture->sink = fake_sink_new();
    *statep = fixture;
    return 0;
}

static int teardown(void **statep)
{
    struct fixture *fixture = *statep;

    input_stdin.close(fixture->state);
    fake_sink_free(&fixture->sink);
    free(fixture->state);
    if (fixture->writer >= 0)
        (void)close(fixture->writer);
    (void)dup2(fixture->saved, STDIN_FILENO);
    (void)close(fixture->saved);
    free(fixture);
    return 0;
}

static void feed_bytes(struct fixture *fixture, const char *data, size_t bytes)
{
    assert_int_equal(write(fixture->writer, data, bytes), (ssize_t)bytes);
}

static void feed(struct fixture *fixture, const char *text)
{
    feed_bytes(fixture, text, strlen(text));
}

static void feed_run(struct fixture *fixture, char byte, size_t bytes)
{
    char *run = malloc(bytes);

    memset(run, byte, bytes);
    feed_bytes(fixture, run, bytes);
    free(run);
}

static enum collected drain(struct fixture *fixture)
{
    return fake_sink_drain(fixture->sink, &input_stdin, fixture->state, 1000);
}

static enum collected end(struct fixture *fixture)
{
    (void)close(fixture->writer);
    fixture->writer = -1;
    return drain(fixture);
}

static int64_t original_bytes(const struct sink *sink, size_t index)
{
    struct value value;

    assert_true(event_field(&sink->events[index], SLICE("log.record.original_bytes"), &value));
    assert_int_equal(value.kind, VALUE_INT);
    return value.integer;
}

static void a_closed_standard_input_is_an_error_at_the_start(void **statep)
{
    struct fixture *fixture = *statep;
    struct host host = { .buffer_bytes = 1 };
    struct err err = { "" };

    (void)close(STDIN_FILENO);
    assert_false(input_stdin.open(fixture->state, &fixture->config, &host, &err));
    assert_string_equal(err.text, "standard input is closed");
}

static void an_empty_pipe_does_not_hold_the_thread(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture, 100);
    assert_int_equal(drain(fixture), COLLECT_IDLE);
    assert_int_equal(fixture->sink->event_count, 0);
}

static void an_input_that_cannot_be_read_ends_and_says_why(void **statep)
{
    struct fixture *fixture = *statep;
    int folder = open("/", O_RDONLY | O_DIRECTORY);

    open_input(fixture, 100);
    assert_int_equal(dup2(folder, STDIN_FILENO), STDIN_FILENO);
    (void)close(folder);
    assert_int_equal(drain(fixture), COLLECT_DONE);
    assert_true(fake_sink_told(fixture->sink, "standard input"));
}

static void lines_are_events_and_empty_ones_are_none(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture, 100);
    feed(fixture, "one\r\n\n\r\ntwo\nthr");
    assert_int_equal(drain(fixture), COLLECT_IDLE);
    assert_int_equal(fixture->sink->event_count, 2);
    assert_string_equal(fake_sink_body(fixture->sink, 0), "one");
    assert_string_equal(fake_sink_body(fixture->sink, 1), "two");
    feed(fixture, "ee\nfour\n");
    assert_int_equal(drain(fixture), COLLECT_IDLE);
    assert_string_equal(fake_sink_body(fixture->sink, 2), "three");
    assert_string_equal(fake_sink_body(fixture->sink, 3), "four");
    assert_int_equal(fixture->sink->numbers[SINK_LINES], 4);
}

static void the_last_line_needs_no_newline(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture, 100);
    feed(fixture, "one\ntwo");
    assert_int_equal(end(fixture), COLLECT_DONE);
    assert_int_equal(fixture->sink->event_count, 2);
    assert_string_equal(fake_sink_body(fixture->sink, 1), "two");
}

static void bytes_that_are_no_text_come_as_they_are(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture, 100);
    feed_bytes(fixture, "a\0b\xff\n", 5);
    assert_int_equal(drain(fixture), COLLECT_IDLE);
    assert_int_equal(fixture->sink->events[0].body.bytes, 4);
    assert_memory_equal(fixture->sink->events[0].body.data, "a\0b\xff", 4);
}

static void lines_at_the_limit_are_whole_and_longer_ones_are_cut(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture, 5);
    feed(fixture, "1234\n12345\n123456\n12345\r\nnext\n");
    assert_int_equal(drain(fixture), COLLECT_IDLE);
    assert_string_equal(fake_sink_body(fixture->sink, 1), "12345");
    assert_int_equal(fixture->sink->events[1].flags & EVENT_TRUNCATED, 0);
    assert_string_equal(fake_sink_body(fixture->sink, 2), "12345");
    assert_int_equal(fixture->sink->events[2].flags & EVENT_TRUNCATED, EVENT_TRUNCATED);
    assert_int_equal(original_bytes(fixture->sink, 2), 6);
    assert_int_equal(fixture->sink->events[3].flags & EVENT_TRUNCATED, 0);
    assert_string_equal(fake_sink_body(fixture->sink, 4), "next");
    assert_int_equal(fixture->sink->numbers[SINK_LINES_TRUNCATED], 1);
}

static void a_cut_never_splits_a_character(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture, 5);
    feed(fixture, "1234\xc3\xa4\n" /* 4 and 2 bytes: the limit is in the second */
                  "12\xf0\x9f\x98\x80"
                  "6\n"                        /* 2, 4, 1: the limit is in the second */
                  "\x80\x80\x80\x80\x80\x80\n" /* no character begins anywhere */
                  "123\xc3\xa4z\n");           /* the limit is right behind a character */
    assert_int_equal(drain(fixture), COLLECT_IDLE);
    assert_string_equal(fake_sink_body(fixture->sink, 0), "1234");
    assert_string_equal(fake_sink_body(fixture->sink, 1), "12");
    assert_int_equal(fixture->sink->events[2].body.bytes, 5);
    assert_string_equal(fake_sink_body(fixture->sink, 3), "123\xc3\xa4");
}

static void a_line_longer_than_the_buffer_is_one_event_and_its_length_is_exact(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture, 100);
    for (int i = 0; i < 10; i++) {
        feed_run(fixture, 'x', 100001);
        assert_int_equal(drain(fixture), COLLECT_IDLE);
        assert_int_equal(fixture->sink->event_count, 0);
    }
    feed(fixture, "\r\nnext\n");
    assert_int_equal(drain(fixture), COLLECT_IDLE);
    assert_int_equal(fixture->sink->event_count, 2);
    assert_int_equal(fixture->sink->events[0].body.bytes, 100);
    assert_int_equal(original_bytes(fixture->sink, 0), 1000010);
    assert_string_equal(fake_sink_body(fixture->sink, 1), "next");
}

static void a_line_end_that_is_split_behind_a_full_buffer_does_not_count(void **statep)
{
    struct fixture *fixture = *statep;
    size_t room = 100 + 2 + 65536; /* the least: the line, what a cut needs, one read */

    open_input(fixture, 100);
    feed_run(fixture, 'x', room - 1);
    feed(fixture, "\r");
    assert_int_equal(drain(fixture), COLLECT_IDLE);
    feed(fixture, "\n");
    assert_int_equal(drain(fixture), COLLECT_IDLE);
    assert_int_equal(original_bytes(fixture->sink, 0), room - 1);
}

static void the_end_of_a_long_line_may_be_the_end_of_the_input(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture, 100);
    feed_run(fixture, 'x', 200000);
    assert_int_equal(end(fixture), COLLECT_DONE);
    assert_int_equal(fixture->sink->event_count, 1);
    assert_int_equal(original_bytes(fixture->sink, 0), 200000);
}

static void it_waits_for_standard_input(void **statep)
{
    struct fixture *fixture = *statep;
    struct waits waits = { .fd_count = 0 };

    open_input(fixture, 100);
    input_stdin.wait(fixture->state, &waits);
    assert_int_equal(waits.fd_count, 1);
    assert_int_equal(waits.fds[0], STDIN_FILENO);
}

static void the_largest_event_is_told(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture, 100);
    feed_run(fixture, 'x', 101);
    assert_int_equal(end(fixture), COLLECT_DONE);
    assert_true(event_bytes(&fixture->sink->events[0]) <=
                input_stdin.type.max_event_bytes(&fixture->config));
}

static void lines_of_one_event_are_held_until_its_end_or_a_stop(void **statep)
{
    struct fixture *fixture = *statep;
    struct waits waits = { .until_ms = 0 };

    fixture->config.multiline__start = "^begin";
    open_input(fixture, 100);
    assert_true(input_stdin.type.memory_bytes(&fixture->config) > 1024);
    int64_t before_ms = clock_now_ms();
    feed(fixture, "begin\n\nmore\nbegin\nlast");
    assert_int_equal(drain(fixture), COLLECT_IDLE);
    assert_int_equal(fixture->sink->event_count, 1);
    assert_string_equal(fake_sink_body(fixture->sink, 0), "begin\nmore");
    input_stdin.wait(fixture->state, &waits);
    assert_true(waits.until_ms > before_ms);
    assert_int_equal(input_stdin.last(fixture->state, fixture->sink), COLLECT_IDLE);
    (void)sink_flush(fixture->sink);
    assert_string_equal(fake_sink_body(fixture->sink, 1), "begin\nlast");
    feed(fixture, " words\nbegin"); /* a reload brought it back */
    assert_int_equal(drain(fixture), COLLECT_IDLE);
    assert_int_equal(end(fixture), COLLECT_DONE);
    assert_int_equal(fixture->sink->event_count, 4);
    assert_string_equal(fake_sink_body(fixture->sink, 2), " words");
    assert_string_equal(fake_sink_body(fixture->sink, 3), "begin");
}

static enum collected stop(struct fixture *fixture)
{
    enum collected collected = input_stdin.last(fixture->state, fixture->sink);
    (void)sink_flush(fixture->sink);
    return collected;
}

static void a_stop_takes_what_is_in_the_pipe_and_the_line_that_is_not_whole(void **statep)
{
    struct fixture *fixture = *statep;

    open_input(fixture, 100);
    feed(fixture, "x\npart");
    assert_int_equal(drain(fixture), COLLECT_IDLE);
    assert_int_equal(fixture->sink->event_count, 1);
    feed(fixture, "ial\nanother");
    assert_int_equal(stop(fixture), COLLECT_MORE);
    assert_int_equal(stop(fixture), COLLECT_IDLE);
    assert_int_equal(fixture->sink->event_count, 3);
    assert_string_equal(fake_sink_body(fixture->sink, 1), "partial");
    assert_string_equal(fake_sink_body(fixture->sink, 2), "another");
    assert_int_equal(fixture->sink->numbers[SINK_LINES], 3);
    assert_int_equal(stop(fixture), COLLECT_IDLE);
    assert_int_equal(fixture->sink->event_count, 3);
}

static void a_writer_that_never_ends_does_not_hold_the_stop(void **statep)
{
    struct fixture *fixture = *statep;
    unsigned rounds = 0;

    open_input(fixture, 100);
    do {
        feed_run(fixture, 'x', 65536);
        rounds++;
    } while (stop(fixture) == COLLECT_MORE && rounds < 100);
    assert_in_range(rounds, 2, 99);
    assert_int_equal(fixture->sink->event_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_closed_standard_input_is_an_error_at_the_start),
        TEST(an_empty_pipe_does_not_hold_the_thread),
        TEST(an_input_that_cannot_be_read_ends_and_says_why),
        TEST(lines_are_events_and_empty_ones_are_none),
        TEST(the_last_line_needs_no_newline),
        TEST(bytes_that_are_no_text_come_as_they_are),
        TEST(lines_at_the_limit_are_whole_and_longer_ones_are_cut),
        TEST(a_cut_never_splits_a_character),
        TEST(a_line_longer_than_the_buffer_is_one_event_and_its_length_is_exact),
        TEST(a_line_end_that_is_split_behind_a_full_buffer_does_not_count),
        TEST(the_end_of_a_long_line_may_be_the_end_of_the_input),
        TEST(lines_of_one_event_are_held_until_its_end_or_a_stop),
        TEST(a_stop_takes_what_is_in_the_pipe_and_the_line_that_is_not_whole),
        TEST(a_writer_that_never_ends_does_not_hold_the_stop),
        TEST(it_waits_for_standard_input),
        TEST(the_largest_event_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
