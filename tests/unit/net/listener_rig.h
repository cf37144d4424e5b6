/* SPDX-License-Identifier: Apache-2.0 */
/* listener_rig: a listener with a sink that records, and senders on loopback, all in one thread. */
#pragma once

#include "net/listener_state.h"

#include "fake_sink.h"
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { RIG_ADDRESSES = 4, RIG_BUFFER_BYTES = 256 * 1024 };

struct listener_rig {
    struct listener *listener;
    struct sink *sink;
    const char *addresses[RIG_ADDRESSES], *networks[RIG_ADDRESSES];
    struct text_list listen, allow;
    struct listener_config config;
    char folder[64];
};

static void rig_take(void *context, struct sink *sink, const struct arrival *arrival)
{
    (void)context;
    arrival_describe(arrival, sink_event(sink));
}

static const struct host rig_host = { .name = "app", .buffer_bytes = RIG_BUFFER_BYTES };

static int rig_setup(void **statep)
{
    struct listener_rig *rig = calloc(1, sizeof(*rig));

    rig->sink = fake_sink_new();
    rig->listen = (struct text_list){ rig->addresses, 0 };
    rig->allow = (struct text_list){ rig->networks, 0 };
    rig->config = (struct listener_config){ .listen = &rig->listen,
                                            .allow = &rig->allow,
                                            .framing = { FRAMING_LINES, '\n', 0, 1024 },
                                            .max_connections = 8,
                                            .receive_buffer = 256 * 1024,
                                            .socket_mode = "0600",
                                            .socket_owner = "",
                                            .cert_file = "",
                                            .key_file = "",
                                            .client_ca_file = "",
                                            .take = rig_take };
    strcpy(rig->folder, "/tmp/listener-test-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    *statep = rig;
    return 0;
}

static int rig_teardown(void **statep)
{
    struct listener_rig *rig = *statep;
    char command[128];

    listener_close(&rig->listener);
    fake_sink_free(&rig->sink);
    (void)snprintf(command, sizeof(command), "rm -rf %s", rig->folder);
    (void)!system(command); /* NOLINT: a test's own folder */
    free(rig);
    return 0;
}

__attribute__((unused)) static void rig_listen_at(struct listener_rig *rig, const char *address)
{
    rig->addresses[rig->listen.count++] = address;
}

__attribute__((unused)) static void rig_open(struct listener_rig *rig)
{
    struct err err = { "" };

    rig->listener = listener_open(&rig->config, &rig_host, &err);
    if (rig->listener == NULL)
        fail_msg("%s", err.text);
}

__attribute__((unused)) static bool rig_change(struct listener_rig *rig)
{
    struct err err = { "" };

    return listener_change(rig->listener, &rig->config, &rig_host, &err);
}

/* ---- the core's side ---- */

static enum collected rig_collect_state(void *state, struct sink *sink)
{
    struct listener_rig *rig = state;
    return listener_collect(rig->listener, sink);
}

static enum collected rig_last_state(void *state, struct sink *sink)
{
    struct listener_rig *rig = state;
    return listener_last(rig->listener, sink);
}

static const struct input rig_input = { .collect = rig_collect_state };
static const struct input rig_ending_input = { .collect = rig_last_state };

__attribute__((unused)) static enum collected rig_collect(struct listener_rig *rig)
{
    return fake_sink_drain(rig->sink, &rig_input, rig, 10000);
}

__attribute__((unused)) static enum collected rig_last(struct listener_rig *rig)
{
    return fake_sink_drain(rig->sink, &rig_ending_input, rig, 10000);
}

/* Collects as the core would until there are so many events. */
__attribute__((unused)) static void rig_await(struct listener_rig *rig, size_t events)
{
    for (int rounds = 0; rounds < 1000 && rig->sink->event_count < events; rounds++) {
        struct waits waits = { .fd_count = 0 };
        (void)rig_collect(rig);
        listener_wait(rig->listener, &waits);
        struct pollfd ready = { .fd = waits.fds[0], .events = POLLIN };
        if (rig->sink->event_count < events)
            (void)poll(&ready, 1, 10);
    }
    if (rig->sink->event_count < events)
        fail_msg("%zu events, wanted %zu", rig->sink->event_count, events);
}

/* ---- senders ---- */

/* Of the nth socket. */
__attribute__((unused)) static int rig_connect(struct listener_rig *rig, size_t nth)
{
    const struct socket *socket_ = rig->listener->sockets[nth];
    struct sockaddr_storage address;
    socklen_t bytes = sizeof(address);
    int type = socket_->kind == SOCKET_DATAGRAMS ? SOCK_DGRAM : SOCK_STREAM;

    assert_int_equal(getsockname(socket_->fd, (struct sockaddr *)&address, &bytes), 0);
    int fd = socket(address.ss_family, type | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, bytes) != 0)
        fail_msg("cannot connect: %s", strerror(errno));
    return fd;
}

__attribute__((unused)) static void rig_send(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

__attribute__((unused)) static uint64_t rig_sum(const struct fake_count *counts, size_t count)
{
    uint64_t events = 0;

    for (size_t i = 0; i < count; i++)
        events += counts[i].events;
    return events;
}

/* Whether the other end has closed: waits for it. */
__attribute__((unused)) static bool rig_is_closed(int fd)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    char byte;

    return poll(&ready, 1, 60000) == 1 && read(fd, &byte, 1) <= 0;
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
