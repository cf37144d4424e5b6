/* SPDX-License-Identifier: Apache-2.0 */
/* listener_state: what a listener is made of, for listener.c and listener_change.c alone. */
#pragma once

#include "net/datagrams.h"
#include "net/listener.h"
#include "net/streams.h"

enum { LISTENER_PARKED = 2 * SOCKETS_MAX };

struct listener {
    struct stream_rules rules;
    size_t buffer_bytes;
    int epoll;
    struct kept_counts *kept; /* NULL: none */
    struct socket *sockets[SOCKETS_MAX];
    size_t socket_count;
    struct datagrams *datagrams;
    struct streams *streams;
    int64_t look_ms;         /* when to look for drops again; 0: at once, or never */
    int64_t due_ms;          /* when to collect again at the latest; 0: no matter */
    int64_t accept_again_ms; /* out of descriptors: accepting rests until then; 0: it does not */
    int64_t begin_again_ms;  /* some socket could not be watched: once more then; 0: all are */
    bool has_changed;        /* since the last collect */
    bool is_over, is_ending; /* by listener_last() */
    /* Until the next collect: what the configuration before a change had, so that there is a way
     * back that cannot fail. */
    struct socket *parked[LISTENER_PARKED];
    size_t parked_count;
    struct tls_server *parked_tls;
};

/* Opens what is not open yet, and parks what is not wanted any more. */
bool listener_apply(struct listener *listener, const struct listener_config *config,
                    size_t buffer_bytes, struct err *err);
/* After a change, in the reading's thread: what left is read to its end, what came is watched. */
void listener_settle(struct listener *listener, struct sink *sink);
void listener_begin_sockets(struct listener *listener, struct sink *sink);
void listener_end_socket(struct listener *listener, struct socket **socketp, struct sink *sink);
void listener_end_datagrams(struct listener *listener, struct socket *socket, struct sink *sink);
