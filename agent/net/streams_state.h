/* SPDX-License-Identifier: Apache-2.0 */
/* streams_state: what streams are made of, for streams.c and streams_read.c alone. */
#pragma once

#include "net/connection.h"
#include "net/streams.h"

struct streams {
    const struct stream_rules *rules;
    int epoll;
    struct connection **table;
    size_t room, count;
    char *window;
    size_t window_bytes, used; /* used: what events of this run point to */
    size_t held_room;          /* of all connections */
    size_t endings;            /* connections that are ending */
    bool is_looked_at;         /* next_look_ms is right */
    int64_t next_look_ms;
};

size_t streams_held_limit(const struct framing *framing);
bool streams_watch(const struct streams *streams, struct connection *connection, int operation);
void streams_free_hold(struct streams *streams, struct connection *connection);
void streams_drop(struct streams *streams, struct connection *connection);
/* Gives what is held as it is, and drops it. is_closed: its sender ended it. */
void streams_end_one(struct streams *streams, struct connection *connection, bool is_closed,
                     struct sink *sink);
