/* SPDX-License-Identifier: Apache-2.0 */
/* script_server: an HTTP endpoint on loopback that answers by a script, one connection at a time,
 * in a thread of its own. When the script is over its last line is repeated. */
#pragma once

#include "test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* RESET: of a long request the rest is not read. */
enum after { AFTER_KEEP, AFTER_CLOSE, AFTER_RESET, AFTER_HANG, AFTER_REPEAT };

struct reply {
    const char *text; /* sent when a whole request has come */
    enum after after; /* REPEAT: the text again and again, until the other side has enough */
};

enum { SCRIPT_MAX = 8, REQUESTS_MAX = 16, SCRIPT_REQUEST_BYTES = 4096 };

struct script_server {
    struct reply script[SCRIPT_MAX];
    unsigned script_lines;
    int listen_fd;
    int port;
    pthread_t thread;
    pthread_mutex_t mutex;
    /* under mutex */
    bool stopping;
    int connection_fd;
    unsigned request_count;
    char requests[REQUESTS_MAX][SCRIPT_REQUEST_BYTES]; /* header and body */
};

/* Until the header is whole and the body as long as it says; of a longer one than there is room for
 * *ret_left bytes are still to come. false: the connection ended. */
static inline bool server_read(int fd, char *to, size_t room, size_t *ret_left)
{
    size_t bytes = 0;

    *ret_left = 0;
    while (bytes < room - 1) {
        ssize_t got = read(fd, to + bytes, room - 1 - bytes);
        const char *end, *length;
        if (got <= 0)
            return false;
        bytes += (size_t)got;
        to[bytes] = '\0';
        end = strstr(to, "\r\n\r\n");
        if (end == NULL)
            continue;
        length = strcasestr(to, "content-length:");
        *ret_left =
            length == NULL ? 0 : (size_t)(end + 4 - to) + strtoul(length + 15, NULL, 10) - bytes;
        if (*ret_left == 0)
            return true;
    }
    return true;
}

static inline bool server_read_rest(int fd, size_t left)
{
    char some[4096];

    while (left > 0) {
        ssize_t got = read(fd, some, left < sizeof(some) ? left : sizeof(some));
        if (got <= 0)
            return false;
        left -= (size_t)got;
    }
    return true;
}

static inline bool server_send(int fd, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t sent = send(fd, text, left, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        text += sent;
        left -= (size_t)sent;
    }
    return true;
}

static inline void server_reset(int fd)
{
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* false: the connection is over. */
static inline bool server_reply(const struct reply *reply, int fd)
{
    char byte;

    if (!server_send(fd, reply->text))
        return false;
    switch (reply->after) {
    case AFTER_KEEP:
        return true;
    case AFTER_REPEAT:
        while (server_send(fd, reply->text))
            continue;
        return false;
    case AFTER_RESET:
        server_reset(fd);
        return false;
    case AFTER_HANG:
        while (read(fd, &byte, 1) > 0)
            continue;
        return false;
    case AFTER_CLOSE:
        return false;
    }
    return false;
}

static inline bool server_keep(struct script_server *server, const char *request,
                               struct reply *ret_reply)
{
    unsigned line;

    (void)pthread_mutex_lock(&server->mutex);
    line = server->request_count < server->script_lines ? server->request_count
                                                        : server->script_lines - 1;
    *ret_reply = server->script[line];
    if (server->request_count < REQUESTS_MAX)
        (void)snprintf(server->requests[server->request_count], SCRIPT_REQUEST_BYTES, "%s",
                       request);
    server->request_count++;
    (void)pthread_mutex_unlock(&server->mutex);
    return true;
}

static inline bool server_set_connection(struct script_server *server, int fd)
{
    bool stopping;

    (void)pthread_mutex_lock(&server->mutex);
    stopping = server->stopping;
    server->connection_fd = fd;
    (void)pthread_mutex_unlock(&server->mutex);
    return !stopping;
}

static inline void *server_run(void *context)
{
    struct script_server *server = context;
    static _Thread_local char request[SCRIPT_REQUEST_BYTES];
    struct reply reply;
    size_t left;
    int fd;

    while ((fd = accept(server->listen_fd, NULL, NULL)) >= 0) {
        bool goes_on = server_set_connection(server, fd);
        while (goes_on && server_read(fd, request, sizeof(request), &left) &&
               server_keep(server, request, &reply))
            goes_on = (reply.after == AFTER_RESET || server_read_rest(fd, left)) &&
                      server_reply(&reply, fd);
        (void)server_set_connection(server, -1);
        (void)close(fd);
    }
    return NULL;
}

static inline void server_start(struct script_server *server, const struct reply *script,
                                unsigned lines)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof(address);

    memset(server, 0, sizeof(*server));
    memcpy(server->script, script, lines * sizeof(*script));
    server->script_lines = lines;
    server->connection_fd = -1;
    assert_int_equal(pthread_mutex_init(&server->mutex, NULL), 0);
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listen_fd >= 0);
    assert_int_equal(bind(server->listen_fd, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(listen(server->listen_fd, 16), 0);
    assert_int_equal(getsockname(server->listen_fd, (struct sockaddr *)&address, &bytes), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, server_run, server), 0);
}

static inline void server_stop(struct script_server *server)
{
    (void)pthread_mutex_lock(&server->mutex);
    server->stopping = true;
    if (server->connection_fd >= 0)
        (void)shutdown(server->connection_fd, SHUT_RDWR);
    (void)pthread_mutex_unlock(&server->mutex);
    (void)shutdown(server->listen_fd, SHUT_RDWR);
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    (void)close(server->listen_fd);
    (void)pthread_mutex_destroy(&server->mutex);
}

static inline unsigned server_requests(struct script_server *server)
{
    unsigned count;

    (void)pthread_mutex_lock(&server->mutex);
    count = server->request_count;
    (void)pthread_mutex_unlock(&server->mutex);
    return count;
}

/* The value of a header of that request, "": not there. Ask after server_stop(). */
static inline const char *server_header(const struct script_server *server, unsigned request,
                                        const char *name)
{
    static char value[256];
    const char *line = server->requests[request];
    size_t name_bytes = strlen(name);

    value[0] = '\0';
    while ((line = strstr(line, "\r\n")) != NULL && line[2] != '\r') {
        line += 2;
        if (strncasecmp(line, name, name_bytes) == 0 && line[name_bytes] == ':')
            (void)sscanf(line + name_bytes + 1, " %255[^\r]", value);
    }
    return value;
}
