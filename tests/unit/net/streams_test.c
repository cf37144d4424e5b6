/* SPDX-License-Identifier: Apache-2.0 */
/* streams, by way of a listener: connections with their bounds, and what is held of records. */
#include "listener_rig.h"

#include "net/connection.h"
#include "net/streams_state.h"

#include <sys/resource.h>

static void open_tcp(struct listener_rig *rig)
{
    rig_listen_at(rig, "tcp://127.0.0.1:0");
    rig_open(rig);
    assert_int_equal(rig_collect(rig), COLLECT_IDLE);
}

static void records_of_connections_do_not_mix(void **statep)
{
    struct listener_rig *rig = *statep;

    open_tcp(rig);
    int a = rig_connect(rig, 0), b = rig_connect(rig, 0);
    rig_send(a, "one of a\nhalf ");
    rig_send(b, "half of b, ");
    rig_await(rig, 1);
    rig_send(b, "whole\n");
    rig_await(rig, 2);
    rig_send(a, "of a\n");
    rig_await(rig, 3);
    assert_string_equal(fake_sink_body(rig->sink, 0), "one of a");
    assert_string_equal(fake_sink_body(rig->sink, 1), "half of b, whole");
    assert_string_equal(fake_sink_body(rig->sink, 2), "half of a");
    assert_int_equal(rig->sink->numbers[SINK_SOURCES_OPEN], 3);
    (void)close(a);
    (void)close(b);
}

static void the_last_record_of_a_connection_needs_no_end(void **statep)
{
    struct listener_rig *rig = *statep;

    open_tcp(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "first\nlast");
    (void)close(fd);
    rig_await(rig, 2);
    assert_string_equal(fake_sink_body(rig->sink, 1), "last");
    assert_int_equal(rig->sink->events[1].flags & EVENT_TRUNCATED, 0);
    assert_int_equal(rig->sink->numbers[SINK_SOURCES_OPEN], 1);
}

static void a_connection_that_breaks_gives_what_it_had_and_says_so(void **statep)
{
    struct listener_rig *rig = *statep;
    struct linger at_once = { 1, 0 };

    open_tcp(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "half");
    while (streams_count(rig->listener->streams) == 0)
        (void)rig_collect(rig);
    (void)rig_collect(rig);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    (void)close(fd);
    rig_await(rig, 1);
    assert_string_equal(fake_sink_body(rig->sink, 0), "half");
    assert_int_equal(rig->sink->events[0].flags & EVENT_TRUNCATED, EVENT_TRUNCATED);
    assert_true(fake_sink_told(rig->sink, "connection broke"));
}

static void connections_over_the_bound_are_closed_and_counted(void **statep)
{
    struct listener_rig *rig = *statep;
    int fds[12];

    open_tcp(rig);
    for (int i = 0; i < 12; i++)
        fds[i] = rig_connect(rig, 0);
    while (rig->sink->numbers[SINK_CONNECTIONS_REFUSED] < 4)
        (void)rig_collect(rig);
    assert_int_equal(rig->sink->numbers[SINK_CONNECTIONS_ACCEPTED], 8);
    assert_true(fake_sink_told(rig->sink, "there are max_connections already"));
    assert_true(rig_is_closed(fds[11]));
    (void)close(fds[0]); /* makes room */
    while (streams_count(rig->listener->streams) > 7)
        (void)rig_collect(rig);
    int late = rig_connect(rig, 0);
    rig_send(late, "late\n");
    rig_await(rig, 1);
    for (int i = 1; i < 12; i++)
        (void)close(fds[i]);
    (void)close(late);
}

/* Outputs connect, files are opened: connections do not take the last descriptors. */
static void some_descriptors_are_left_for_others(void **statep)
{
    struct listener_rig *rig = *statep;
    struct rlimit before, tight;
    int fds[8];

    open_tcp(rig);
    for (int i = 0; i < 8; i++)
        fds[i] = rig_connect(rig, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = (struct rlimit){ (rlim_t)fds[7] + 64 + 4, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    while (rig->sink->numbers[SINK_CONNECTIONS_REFUSED] < 5)
        (void)rig_collect(rig);
    assert_int_equal(rig->sink->numbers[SINK_CONNECTIONS_ACCEPTED], 3);
    assert_true(fake_sink_told(rig->sink, "LimitNOFILE"));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 8; i++)
        (void)close(fds[i]);
}

static void one_peer_may_not_take_all_places(void **statep)
{
    struct listener_rig *rig = *statep;
    int fds[3];

    rig->config.max_connections_per_peer = 2;
    open_tcp(rig);
    for (int i = 0; i < 3; i++)
        fds[i] = rig_connect(rig, 0);
    while (rig->sink->numbers[SINK_CONNECTIONS_REFUSED] < 1)
        (void)rig_collect(rig);
    assert_int_equal(rig->sink->numbers[SINK_CONNECTIONS_ACCEPTED], 2);
    assert_true(fake_sink_told(rig->sink, "max_connections_per_peer"));
    for (int i = 0; i < 3; i++)
        (void)close(fds[i]);
}

static void a_peer_of_no_network_is_refused(void **statep)
{
    struct listener_rig *rig = *statep;

    rig->networks[0] = "192.0.2.0/24";
    rig->allow.count = 1;
    open_tcp(rig);
    int fd = rig_connect(rig, 0);
    while (rig->sink->numbers[SINK_CONNECTIONS_REFUSED] < 1)
        (void)rig_collect(rig);
    assert_true(rig_is_closed(fd));
    (void)close(fd);
}

static void a_peer_that_may_not_send_any_more_is_read_to_its_end(void **statep)
{
    struct listener_rig *rig = *statep;

    open_tcp(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "first\n");
    rig_await(rig, 1);
    rig_send(fd, "last\n");
    rig->networks[0] = "192.0.2.0/24";
    rig->allow.count = 1;
    assert_true(rig_change(rig));
    rig_await(rig, 2);
    assert_true(rig_is_closed(fd));
    (void)close(fd);
}

static void one_that_sends_nothing_is_closed_in_time_and_others_are_not(void **statep)
{
    struct listener_rig *rig = *statep;

    rig->config.idle_timeout_ms = 300;
    open_tcp(rig);
    int silent = rig_connect(rig, 0), busy = rig_connect(rig, 0);
    int64_t begin_ms = clock_now_ms();
    rig_send(silent, "half");
    while (!fake_sink_told(rig->sink, "idle_timeout")) {
        struct pollfd ready = { .fd = rig->listener->epoll, .events = POLLIN };
        rig_send(busy, "x\n");
        (void)rig_collect(rig);
        (void)poll(&ready, 1, 20);
        assert_true(clock_now_ms() - begin_ms < 60000);
    }
    assert_true(clock_now_ms() - begin_ms >= 300);
    assert_true(rig_is_closed(silent));
    assert_int_equal(streams_count(rig->listener->streams), 1);
    assert_non_null(fake_sink_find(rig->sink, "half"));
    (void)close(silent);
    (void)close(busy);
}

/* As after a lane was full for longer than the timeout: the bytes are there, and nobody looked. */
static void one_whose_bytes_wait_to_be_read_is_not_taken_for_silent(void **statep)
{
    struct listener_rig *rig = *statep;

    rig->config.idle_timeout_ms = 60000;
    open_tcp(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "before\n");
    rig_await(rig, 1);
    rig_send(fd, "meanwhile\n");
    rig->listener->streams->table[0]->heard_ms -= 61000;
    rig->listener->streams->is_looked_at = false;
    rig_await(rig, 2);
    assert_string_equal(fake_sink_body(rig->sink, 1), "meanwhile");
    assert_int_equal(streams_count(rig->listener->streams), 1);
    assert_false(fake_sink_told(rig->sink, "idle_timeout"));
    (void)close(fd);
}

static void a_rate_makes_the_sender_wait_and_loses_nothing(void **statep)
{
    struct listener_rig *rig = *statep;
    enum { LINES = 1000, LINE = 100 };
    char line[LINE + 1];

    rig->config.max_rate = 100 * 1000; /* the first second's worth may come at once */
    open_tcp(rig);
    int fd = rig_connect(rig, 0);
    memset(line, 'x', LINE);
    line[LINE - 1] = '\n';
    line[LINE] = '\0';
    int64_t begin_ms = clock_now_ms();
    for (int i = 0; i < LINES + LINES / 4; i++)
        rig_send(fd, line);
    rig_await(rig, LINES + LINES / 4);
    assert_in_range(clock_now_ms() - begin_ms, 100, 60000);
    (void)close(fd);
}

static void a_change_of_the_longest_record_is_for_connections_that_stand_too(void **statep)
{
    struct listener_rig *rig = *statep;

    open_tcp(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "0123456789012345678901234567890123456789\n");
    rig_await(rig, 1);
    rig->config.framing.max_record_bytes = 32;
    assert_true(rig_change(rig));
    rig_send(fd, "0123456789012345678901234567890123456789\n");
    rig_await(rig, 2);
    assert_int_equal(rig->sink->events[0].body.bytes, 40);
    assert_int_equal(rig->sink->events[1].body.bytes, 32);
    (void)close(fd);
}

static void longer_lines_are_cut_however_long_they_are(void **statep)
{
    struct listener_rig *rig = *statep;
    static char text[100001];
    struct value value;

    open_tcp(rig);
    int fd = rig_connect(rig, 0);
    memset(text, 'x', sizeof(text) - 1);
    for (int i = 0; i < 10; i++) {
        rig_send(fd, text);
        (void)rig_collect(rig);
    }
    rig_send(fd, "\nnext\n");
    rig_await(rig, 2);
    assert_int_equal(rig->sink->events[0].body.bytes, 1024);
    assert_true(event_field(&rig->sink->events[0], SLICE("log.record.original_bytes"), &value));
    assert_int_equal(value.integer, 1000000);
    assert_string_equal(fake_sink_body(rig->sink, 1), "next");
    assert_int_equal(rig->sink->numbers[SINK_LINES_TRUNCATED], 1);
    (void)close(fd);
}

/* Many senders, each with a long line that does not end: together they may hold so much. */
static void what_is_held_has_a_bound_and_is_cut_there(void **statep)
{
    struct listener_rig *rig = *statep;
    enum { SENDERS = 6, HALF = 900 * 1024 };
    char *text = malloc(HALF + 1);
    int fds[SENDERS];

    rig->config.framing.max_record_bytes = 1024 * 1024;
    open_tcp(rig);
    memset(text, 'x', HALF);
    text[HALF] = '\0';
    for (int i = 0; i < SENDERS; i++) {
        fds[i] = rig_connect(rig, 0);
        (void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
        for (size_t at = 0; at < HALF;) {
            ssize_t sent = send(fds[i], text + at, HALF - at, MSG_NOSIGNAL);
            at += sent > 0 ? (size_t)sent : 0;
            (void)rig_collect(rig);
        }
        (void)rig_collect(rig);
    }
    size_t cut = rig->sink->event_count;
    assert_in_range(cut, 1, SENDERS - 1);
    for (int i = 0; i < SENDERS; i++)
        rig_send(fds[i], "end\nwhole\n");
    rig_await(rig, 2 * SENDERS);
    (void)rig_collect(rig);
    assert_int_equal(rig->sink->event_count, 2 * SENDERS);
    assert_int_equal(rig->sink->numbers[SINK_LINES_TRUNCATED], cut);
    for (int i = 0; i < SENDERS; i++)
        (void)close(fds[i]);
    free(text);
}

/* As if others held it all but for so much. */
static void leave_to_hold(struct listener_rig *rig, size_t bytes)
{
    rig->listener->streams->held_room = streams_held_limit(&rig->config.framing) - bytes;
}

static void send_and_read(struct listener_rig *rig, int fd, const char *text, size_t bytes)
{
    const struct streams *streams = rig->listener->streams;
    struct pollfd ready = { .fd = rig->listener->epoll, .events = POLLIN };

    assert_int_equal(send(fd, text, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
    assert_int_equal(poll(&ready, 1, 60000), 1);
    while (streams->count == 0 || poll(&ready, 1, 0) == 1)
        (void)rig_collect(rig);
}

static void a_room_that_is_kept_for_the_next_record_goes_to_one_that_needs_it(void **statep)
{
    struct listener_rig *rig = *statep;
    enum { HALF = 500 };
    char text[2 * HALF + 1];

    open_tcp(rig);
    memset(text, 'x', sizeof(text));
    int idle = rig_connect(rig, 0), busy = rig_connect(rig, 0);
    send_and_read(rig, idle, text, HALF);
    send_and_read(rig, idle, "\n", 1);
    assert_int_equal(rig->listener->streams->held_room, 512);
    rig->listener->streams->held_room = streams_held_limit(&rig->config.framing);
    send_and_read(rig, busy, text, HALF);
    rig_send(busy, "\n");
    rig_await(rig, 2);
    assert_int_equal(rig->sink->events[1].body.bytes, HALF);
    assert_int_equal(rig->sink->numbers[SINK_LINES_TRUNCATED], 0);
    (void)close(idle);
    (void)close(busy);
}

static void a_prefix_is_held_where_nothing_else_can_be(void **statep)
{
    struct listener_rig *rig = *statep;

    rig->config.framing = (struct framing){ FRAMING_LENGTH, 0, 4, 1024 };
    open_tcp(rig);
    int fd = rig_connect(rig, 0);
    leave_to_hold(rig, 0);
    send_and_read(rig, fd, "\0\0", 2);
    send_and_read(rig, fd, "\0\3", 2);
    send_and_read(rig, fd, "one\0\0\0\3two", 10);
    rig_await(rig, 2);
    assert_string_equal(fake_sink_body(rig->sink, 0), "one");
    assert_string_equal(fake_sink_body(rig->sink, 1), "two");
    assert_int_equal(rig->sink->numbers[SINK_LINES_TRUNCATED], 0);
    (void)close(fd);
}

static void what_is_skipped_of_a_line_that_cannot_be_held_is_counted(void **statep)
{
    struct listener_rig *rig = *statep;
    char text[101];

    open_tcp(rig);
    memset(text, 'x', sizeof(text));
    int fd = rig_connect(rig, 0);
    leave_to_hold(rig, 0);
    send_and_read(rig, fd, text, 100);
    send_and_read(rig, fd, text, 50);
    send_and_read(rig, fd, "xx\nnext\n", 8);
    rig_await(rig, 2);
    assert_int_equal(rig->sink->events[0].body.bytes, 100);
    assert_string_equal(fake_sink_body(rig->sink, 1), "next");
    assert_int_equal(rig->sink->malformed_count, 1);
    assert_int_equal(rig->sink->malformed[0].bytes, 52);
    send_and_read(rig, fd, text, 100);
    send_and_read(rig, fd, text, 30);
    (void)close(fd);
    while (rig->sink->malformed_count < 2)
        (void)rig_collect(rig);
    assert_int_equal(rig->sink->malformed[1].bytes, 30);
}

static void a_length_that_cannot_be_closes_the_connection(void **statep)
{
    struct listener_rig *rig = *statep;

    rig->config.framing = (struct framing){ FRAMING_LENGTH, 0, 4, 1024 };
    open_tcp(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "GET / HTTP/1.1\r\n\r\n");
    while (rig->sink->malformed_count == 0)
        (void)rig_collect(rig);
    assert_int_equal(rig->sink->malformed[0].bytes, 18);
    assert_true(rig_is_closed(fd));
    (void)close(fd);
}

/* Connections that were not even accepted have sent already. */
static void the_last_read_takes_what_the_kernel_has(void **statep)
{
    struct listener_rig *rig = *statep;
    int fds[6];

    open_tcp(rig);
    for (int i = 0; i < 6; i++) {
        fds[i] = rig_connect(rig, 0);
        rig_send(fds[i], "whole\nhalf");
        if (i == 2)
            rig_await(rig, 3);
    }
    assert_int_equal(rig_last(rig), COLLECT_IDLE);
    assert_int_equal(rig->sink->event_count, 12);
    assert_int_equal(rig->sink->numbers[SINK_LINES_TRUNCATED], 6);
    assert_int_equal(rig->sink->numbers[SINK_SOURCES_OPEN], 0);
    for (int i = 0; i < 6; i++)
        (void)close(fds[i]);
}

/* It does not wait for one that sends on and on. */
static void the_last_read_ends_though_a_sender_does_not(void **statep)
{
    struct listener_rig *rig = *statep;
    char text[4097];

    open_tcp(rig);
    int fd = rig_connect(rig, 0);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    text[100] = '\n';
    rig_send(fd, text);
    enum collected collected = COLLECT_MORE;
    int rounds = 0;
    while (collected == COLLECT_MORE) {
        collected = fake_sink_collect(rig->sink, &rig_ending_input, rig);
        (void)send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(++rounds < 100);
    }
    (void)close(fd);
}

/* A second reload wants the input again before the first has taken it out. */
static void it_can_come_back_after_its_end(void **statep)
{
    struct listener_rig *rig = *statep;

    open_tcp(rig);
    assert_int_equal(rig_last(rig), COLLECT_IDLE);
    assert_int_equal(rig_collect(rig), COLLECT_IDLE);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "again\n");
    rig_await(rig, 1);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(records_of_connections_do_not_mix),
        RIG_TEST(the_last_record_of_a_connection_needs_no_end),
        RIG_TEST(a_connection_that_breaks_gives_what_it_had_and_says_so),
        RIG_TEST(connections_over_the_bound_are_closed_and_counted),
        RIG_TEST(some_descriptors_are_left_for_others),
        RIG_TEST(one_peer_may_not_take_all_places),
        RIG_TEST(a_peer_of_no_network_is_refused),
        RIG_TEST(a_peer_that_may_not_send_any_more_is_read_to_its_end),
        RIG_TEST(one_that_sends_nothing_is_closed_in_time_and_others_are_not),
        RIG_TEST(one_whose_bytes_wait_to_be_read_is_not_taken_for_silent),
        RIG_TEST(a_rate_makes_the_sender_wait_and_loses_nothing),
        RIG_TEST(a_change_of_the_longest_record_is_for_connections_that_stand_too),
        RIG_TEST(longer_lines_are_cut_however_long_they_are),
        RIG_TEST(what_is_held_has_a_bound_and_is_cut_there),
        RIG_TEST(a_room_that_is_kept_for_the_next_record_goes_to_one_that_needs_it),
        RIG_TEST(a_prefix_is_held_where_nothing_else_can_be),
        RIG_TEST(what_is_skipped_of_a_line_that_cannot_be_held_is_counted),
        RIG_TEST(a_length_that_cannot_be_closes_the_connection),
        RIG_TEST(the_last_read_takes_what_the_kernel_has),
        RIG_TEST(the_last_read_ends_though_a_sender_does_not),
        RIG_TEST(it_can_come_back_after_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
