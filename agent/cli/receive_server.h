/* SPDX-License-Identifier: Apache-2.0 */
/* receive_server: the HTTP side of the receiver, on libmicrohttpd: routes, answers, misbehaviour.
 * Bounded: connections, bytes a request may expand to, faults. Requests that wait (delay, hang) are
 * suspended and cost no thread; server_tick() lets them go on.
 * Threads: two of libmicrohttpd; the functions here are for the one that started it. */
#pragma once

#include "base/listen.h"

#include "cli/receive_request.h"

#include <microhttpd.h>

struct exchange; /* a request and what becomes of it */

struct server {
    /* constant after start */
    struct request_config config;
    struct MHD_Daemon *daemon;
    int listen_fd;
    int wake_fd;               /* eventfd: readable when there is something new to wait for */
    char address[LISTEN_TEXT]; /* as bound: 127.0.0.1:8088 */
    unsigned port;
    struct summary summary; /* has a lock of its own */
    /* under lock */
    struct lock lock;
    struct faults faults;
    struct random random;
    struct exchange *waiting; /* suspended */
    bool stopping;
};

/* config, summary's constants and faults are set; listen: ADDRESS:PORT or [v6]:PORT, port 0 takes a
 * free one. */
bool server_start(struct server *server, const char *listen, struct err *err);
/* Lets requests go on whose delay is over, ends those whose client has gone. Returns when to call
 * again, 0: only when wake_fd says so. */
int64_t server_tick(struct server *server, int64_t now_ms);
void server_stop(struct server *server);
