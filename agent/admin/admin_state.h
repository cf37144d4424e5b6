/* SPDX-License-Identifier: Apache-2.0 */
/* admin_state: for the files of this folder that make up the endpoint; nobody else includes it. */
#pragma once

#include "admin/admin.h"
#include "admin/port.h"
#include "admin/routes.h"
#include "admin/socket_file.h"
#include "base/wake.h"

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
    struct door *door;
    struct MHD_Connection *connection;
    void *stream; /* NULL: none */
    bool is_suspended;
};

struct door { /* one listening socket */
    struct admin *admin;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    bool is_tcp;
    bool has_come;     /* a guest came in this round */
    bool has_left;     /* one left */
    bool is_stuck;     /* one waits, and cannot be accepted: only time may help */
    bool is_shut;      /* it listens no more */
    bool ends_streams; /* what would go on for long ends */
    struct admin_tls tls;
    struct guest guests[CONNECTIONS_MAX];
};

struct admin {
    /* constant after the start */
    struct admin_config config;
    char no_socket[sizeof(struct err) + 8];
    struct socket_file socket;
    int bell;
    bool has_thread;
    pthread_t thread;
    /* any thread */
    _Atomic bool is_stopping;
    _Atomic int phase;
    /* Handed to the endpoint's thread; NULL: none, or it has been taken. Main waits for that. */
    _Atomic(struct admin_change *) change;
    struct wake changed;
    /* The endpoint's thread; main reads it too, between two changes: but for the token and what was
     * seen of the files. */
    struct port port;
    /* the endpoint's thread only, after the start */
    struct door *tcp, *local; /* NULL: there is none */
    struct door *retiring;    /* of before: those inside may finish; NULL: none */
    int64_t next_file_look_ms;
    int64_t door_again_ms, token_again_ms; /* to read a file that was of no use; 0: none was */
    size_t pages_bytes;
    struct flowing flowing[STREAMS_MAX];
    int64_t next_look_ms;
};

enum MHD_Result admin_answer(void *context, struct MHD_Connection *connection, const char *url,
                             const char *method, const char *version, const char *upload,
                             size_t *upload_bytes, void **request_context);
/* What the routes are told of the port. */
void admin_use_port(struct admin *admin);
/* A door on a copy of the port's socket. Takes the pair. NULL: err says why. */
struct door *admin_open_tcp(struct admin *admin, const struct port *port, struct admin_tls *tls,
                            struct err *err);
/* Changes that came, and files that changed. */
void admin_look_at_port(struct admin *admin, int64_t now_ms);
/* Takes the response. */
enum MHD_Result admin_send(struct MHD_Connection *connection, struct MHD_Response *response,
                           const struct reply *reply);
enum MHD_Result admin_refuse_for_now(struct MHD_Connection *connection);
