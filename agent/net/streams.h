/* SPDX-License-Identifier: Apache-2.0 */
/* streams: the connections of one listener: accepted or refused, read in turn into one window, and
 * held back where they are too fast.
 * Memory: the window, a few hundred bytes and TLS for each connection, and what is held of records
 * that are not whole, which has a bound for all together: beyond it a record is cut where it is. */
#pragma once

#include "net/emission.h"
#include "net/socket.h"
#include "net/tls.h"

struct streams;
struct connection;

enum { NETWORKS_MAX = 128, STREAMS_HELD_BYTES = 2 * 1024 * 1024, STREAMS_HELD_RECORDS = 4 };
/* What the configuration says, in its listener's hands. */
struct stream_rules {
    struct listener_config config;
    struct network networks[NETWORKS_MAX];
    size_t network_count;
    struct tls_server *tls; /* NULL: no tls:// address */
};

struct streams *streams_new(const struct stream_rules *rules, int epoll); /* NULL: out of memory */
void streams_free(struct streams **streamsp);                             /* closes all */
/* Before rules say so. false: out of memory, nothing has changed; never for what it had before. */
bool streams_make_room(struct streams *streams, const struct listener_config *config,
                       size_t buffer_bytes);
void streams_change(
    struct streams *streams); /* rules have changed; framing is of new connections */

/* Takes what waits to be accepted, a few at a time. false: no descriptor can be had; wait a little.
 */
bool streams_accept(struct streams *streams, const struct socket *socket, struct sink *sink);
void streams_accept_all(struct streams *streams, const struct socket *socket, struct sink *sink);
/* The socket is a stream itself; its descriptor goes over, or is closed if it cannot be waited for.
 * false: there is no memory for it now; it is as it was. */
bool streams_adopt(struct streams *streams, struct socket *socket, struct sink *sink);
void streams_begin(struct streams *streams); /* the sink has passed all on */
/* It is readable; `share` connections are. */
void streams_read(struct streams *streams, struct connection *connection, size_t share,
                  struct sink *sink);
/* Timeouts, and those that paused. Returns when to call again, 0: no matter when. */
int64_t streams_tend(struct streams *streams, struct sink *sink);
uint64_t streams_memory_bytes(const struct listener_config *config, bool has_tls); /* at most */
size_t streams_count(const struct streams *streams);
bool streams_may_send(const struct stream_rules *rules, const struct peer *peer);

/* Connections of sockets with that address (NULL: all) end when what the kernel has by now is read.
 * true: there is more to do. */
void streams_end(struct streams *streams, const char *address);
void streams_end_strangers(struct streams *streams); /* those that may not send any more */
bool streams_read_ending(struct streams *streams, struct sink *sink);
