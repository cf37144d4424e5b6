/* SPDX-License-Identifier: Apache-2.0 */
/* refusals: what the kernel or malloc() refuse for a moment costs a delay, and nothing else. Linked
 * with --wrap for what is refused. */
#include "listener_rig.h"

#include "net/connection.h"
#include "net/streams_state.h"

#include <errno.h>

static int adds_to_refuse;

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_connection_that_cannot_go_on_yet_keeps_what_is_held_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
