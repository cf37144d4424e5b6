/* SPDX-License-Identifier: Apache-2.0 */
/* admin_state: for the files of this folder that make up the endpoint; nobody else includes it. */
#pragma once

#include "admin/admin.h"
#include "admin/admin_tls.h"
#include "admin/routes.h"
#include "admin/socket_file.h"
#include "base/listen.h"

#include <microhttpd.h>
#include <pthread.h>

enum {
    CONNECTIONS_MAX = 32, /* of each door */
    STREAMS_MAX = 8,
};

struct guest {
    int fd; /* -1: no one */
    int64_t deadline_ms;
};

/* An answer that goes on. */
struct flowing {
    struct admin *admin;
    struct MHD_Connection *connection;
    void *stream; /* NULL: none */
    bool is_suspended;
};

struct door { /* one listening socket */
    struct admin *admin;
    struct MHD_Daemon *daemon; /* NULL: not open */
    int epoll_fd;
    bool is_tcp;
    bool has_left; /* a guest left in this round */
    struct guest guests[CONNECTIONS_MAX];
};

struct admin {
    /* constant after the start */
    struct admin_config config;
    char address[LISTEN_TEXT];
    char no_socket[sizeof(struct err) + 8];
    struct socket_file socket;
    struct admin_tls tls;
    int bell;
    bool has_thread;
    pthread_t thread;
    /* any thread */
    _Atomic bool is_stopping;
    _Atomic int phase;
    /* the endpoint's thread only */
    struct door tcp, local;
    size_t pages_bytes;
    struct flowing flowing[STREAMS_MAX];
    int64_t next_look_ms;
};

/* Takes the response. */
enum MHD_Result admin_send(struct MHD_Connection *connection, struct MHD_Response *response,
                           const struct reply *reply);
enum MHD_Result admin_refuse_for_now(struct MHD_Connection *connection);
