/* SPDX-License-Identifier: Apache-2.0 */
/* refusals: what the kernel or malloc() refuse for a moment costs a delay, and nothing else. Linked
 * with --wrap for what is refused. */
#include "listener_rig.h"

#include "net/connection.h"
#include "net/streams_state.h"

#include <errno.h>

static int adds_to_refuse, connections_to_refuse, runs_to_refuse;

int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD && adds_to_refuse > 0) {
        adds_to_refuse--;
        errno = ENOSPC;
        return -1;
    }
    return __real_epoll_ctl(epoll, operation, fd, event);
}

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

void *__wrap_calloc(size_t count, size_t bytes)
{
    if (bytes == sizeof(struct connection) && connections_to_refuse > 0) {
        connections_to_refuse--;
        return NULL;
    }
    return __real_calloc(count, bytes);
}

int __real_recvmmsg(int fd, struct mmsghdr *heads, unsigned count, int flags, struct timespec *t);
int __wrap_recvmmsg(int fd, struct mmsghdr *heads, unsigned count, int flags, struct timespec *t);

int __wrap_recvmmsg(int fd, struct mmsghdr *heads, unsigned count, int flags, struct timespec *t)
{
    if (runs_to_refuse > 0) {
        runs_to_refuse--;
        errno = ENOMEM;
        return -1;
    }
    return __real_recvmmsg(fd, heads, count, flags, t);
}

/* As if its time had come. */
static void look_at_paused(struct listener_rig *rig, struct connection *connection)
{
    assert_true(connection->is_paused);
    connection->paused_until_ms = clock_now_ms();
    rig->listener->streams->is_looked_at = false;
    (void)rig_collect(rig);
    assert_int_equal(streams_count(rig->listener->streams), 1);
}

static void a_connection_that_cannot_go_on_yet_keeps_what_is_held_of_it(void **statep)
{
    struct listener_rig *rig = *statep;

    rig->config.max_rate = 8;
    rig_listen_at(rig, "tcp://127.0.0.1:0");
    rig_open(rig);
    (void)rig_collect(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "one\nhalf, ");
    rig_await(rig, 1);
    struct connection *connection = rig->listener->streams->table[0];
    adds_to_refuse = 1;
    int64_t begin_ms = clock_now_ms();
    look_at_paused(rig, connection);
    assert_true(fake_sink_told(rig->sink, "cannot go on with a connection"));
    assert_true(connection->paused_until_ms >= begin_ms + 1000);
    look_at_paused(rig, connection);
    assert_false(connection->is_paused);
    rig_send(fd, "whole\n");
    rig_await(rig, 2);
    assert_string_equal(fake_sink_body(rig->sink, 1), "half, whole");
    (void)close(fd);
}

/* Opens it; returns its writer. */
static int open_fifo(struct listener_rig *rig)
{
    static char address[160];

    (void)snprintf(address, sizeof(address), "fifo://%s/f", rig->folder);
    rig_listen_at(rig, address);
    rig_open(rig);
    int fd = open(strstr(address, "//") + 2, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, "line\n", 5), 5);
    return fd;
}

static void await_next_attempt(struct listener_rig *rig)
{
    struct waits waits = { .fd_count = 0 };

    listener_wait(rig->listener, &waits);
    assert_in_range(waits.until_ms - clock_now_ms() + 60000, 1, 61000);
    assert_int_equal(rig->sink->numbers[SINK_SOURCES_OPEN], 1);
    rig->listener->begin_again_ms = clock_now_ms();
}

static void a_pipe_that_cannot_be_read_yet_is_read_later(void **statep)
{
    struct listener_rig *rig = *statep;

    connections_to_refuse = 1;
    int fd = open_fifo(rig);
    assert_int_equal(rig_collect(rig), COLLECT_IDLE); /* it is not at its end */
    assert_int_equal(connections_to_refuse, 0);
    assert_true(fake_sink_told(rig->sink, "out of memory"));
    await_next_attempt(rig);
    adds_to_refuse = 1;
    assert_int_equal(rig_collect(rig), COLLECT_IDLE);
    assert_int_equal(adds_to_refuse, 0);
    await_next_attempt(rig);
    rig_await(rig, 1);
    assert_string_equal(fake_sink_body(rig->sink, 0), "line");
    assert_int_equal(rig->listener->begin_again_ms, 0);
    (void)close(fd);
}

static void what_is_in_a_pipe_that_can_never_be_read_is_counted(void **statep)
{
    struct listener_rig *rig = *statep;

    connections_to_refuse = 2;
    int fd = open_fifo(rig);
    (void)rig_collect(rig);
    assert_int_equal(rig_last(rig), COLLECT_IDLE);
    assert_int_equal(connections_to_refuse, 0);
    assert_int_equal(rig->sink->loss_count, 1);
    assert_int_equal(fake_sink_lost_bytes(rig->sink, NULL), 5);
    (void)close(fd);
}

static void a_socket_that_cannot_be_waited_for_yet_is_waited_for_later(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "tcp://127.0.0.1:0");
    rig_open(rig);
    adds_to_refuse = 1;
    (void)rig_collect(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "line\n");
    await_next_attempt(rig);
    rig_await(rig, 1);
    (void)close(fd);
}

/* Nothing tells of it, and nevertheless what the kernel has is read. */
static void a_socket_that_is_not_waited_for_is_read_at_the_end(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_open(rig);
    adds_to_refuse = 1;
    (void)rig_collect(rig);
    int fd = rig_connect(rig, 0);
    rig_send(fd, "datagram");
    (void)rig_last(rig);
    assert_int_equal(rig->sink->event_count, 1);
    (void)close(fd);
}

/* The core rests after a failure only. */
static void datagrams_that_cannot_be_read_are_not_asked_for_without_a_rest(void **statep)
{
    struct listener_rig *rig = *statep;

    rig_listen_at(rig, "udp://127.0.0.1:0");
    rig_listen_at(rig, "udp://[::1]:0");
    rig_open(rig);
    (void)rig_collect(rig);
    int fd = rig_connect(rig, 0), other = rig_connect(rig, 1);
    rig_send(fd, "datagram");
    runs_to_refuse = 1;
    assert_int_equal(fake_sink_collect(rig->sink, &rig_input, rig), COLLECT_FAILED);
    assert_true(fake_sink_told(rig->sink, "cannot read"));
    rig_send(other, "of the other");
    runs_to_refuse = 1; /* one of two */
    assert_int_equal(fake_sink_collect(rig->sink, &rig_input, rig), COLLECT_MORE);
    rig_await(rig, 2);
    (void)close(fd);
    (void)close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_connection_that_cannot_go_on_yet_keeps_what_is_held_of_it),
        RIG_TEST(a_pipe_that_cannot_be_read_yet_is_read_later),
        RIG_TEST(what_is_in_a_pipe_that_can_never_be_read_is_counted),
        RIG_TEST(a_socket_that_cannot_be_waited_for_yet_is_waited_for_later),
        RIG_TEST(a_socket_that_is_not_waited_for_is_read_at_the_end),
        RIG_TEST(datagrams_that_cannot_be_read_are_not_asked_for_without_a_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
