/* SPDX-License-Identifier: Apache-2.0 */
/* streams_read: bytes of a connection are read behind what is held of it, into one window for all;
 * records point there until the sink has passed them on. What is left over is held by itself. */
#include "net/streams_state.h"

#include <sys/epoll.h>

enum { READ_LEAST = TLS_RECORD_BYTES, HOLD_LEAST = 256, HOLD_KEPT = 4096, PAUSE_LEAST_MS = 20 };

static struct emission emission_of(const struct streams *streams, struct connection *connection,
                                   struct sink *sink)
{
    return (struct emission){ .config = &streams->rules->config,
                              .sink = sink,
                              .peer = &connection->peer };
}

/* ---- what is held ---- */

/* Rooms that connections keep for their next records. */
static void free_idle_holds(struct streams *streams)
{
    for (size_t i = 0; i < streams->count; i++) {
        if (streams->table[i]->held == 0)
            streams_free_hold(streams, streams->table[i]);
    }
}

/* Of one that holds nothing. false: there is no such room. */
static bool grow_hold(struct streams *streams, struct connection *connection, size_t bytes)
{
    size_t limit = streams_held_limit(&streams->rules->config.framing);
    size_t room = connection->hold_room == 0 ? HOLD_LEAST : connection->hold_room;

    while (room < bytes)
        room *= 2;
    if (streams->held_room - connection->hold_room + room > limit)
        free_idle_holds(streams);
    streams_free_hold(streams, connection);
    char *hold = streams->held_room + room > limit ? NULL : malloc(room);
    if (hold == NULL)
        return false;
    streams->held_room += room;
    connection->hold = hold;
    connection->hold_room = room;
    return true;
}

static void count_skipped(struct connection *connection, bool is_end, struct sink *sink)
{
    uint64_t skipped = framing_count_skipped(&connection->framer, is_end);
    char name[CONNECTION_NAME_BYTES];

    if (skipped > 0)
        sink_malformed(sink, connection_name(connection, name), 0, skipped);
}

static void hold_rest(struct streams *streams, struct connection *connection, struct slice rest,
                      struct emission *emission)
{
    size_t most = framing_hold_bytes(&connection->framing);
    size_t wanted = rest.bytes < most ? rest.bytes : most;

    connection->held = 0;
    if (rest.bytes == 0) {
        if (connection->hold_room > HOLD_KEPT)
            streams_free_hold(streams, connection);
        return;
    }
    if (wanted > FRAMING_HELD_LEAST && wanted > connection->hold_room &&
        !grow_hold(streams, connection, wanted)) {
        framing_spill(&connection->framing, &connection->framer, rest, emission_give, emission);
        return;
    }
    connection->held =
        framing_hold(&connection->framing, &connection->framer, rest, connection->hold);
}

/* Where `more` bytes may be read to, with what is held before them. */
static char *open_window(struct streams *streams, const struct connection *connection, size_t more,
                         struct sink *sink)
{
    if (streams->window_bytes - streams->used < connection->held + more) {
        (void)sink_flush(sink);
        streams->used = 0;
    }
    char *window = streams->window + streams->used;
    if (connection->held > 0)
        memcpy(window, connection->hold, connection->held);
    return window;
}

void streams_end_one(struct streams *streams, struct connection *connection, bool is_closed,
                     struct sink *sink)
{
    struct emission emission = emission_of(streams, connection, sink);
    struct slice rest = { open_window(streams, connection, 0, sink), connection->held };

    streams->used += connection->held;
    count_skipped(connection, true, sink);
    framing_end(&connection->framing, &connection->framer, rest, is_closed, emission_give,
                &emission);
    emission_count(&emission);
    if (emission.config->end != NULL)
        emission.config->end(emission.config->context, sink, &connection->peer);
    /* Its events point to the peer, which goes with it. */
    (void)sink_flush(sink);
    streams->used = 0;
    streams_drop(streams, connection);
}

/* ---- rates ---- */

static void fill_tokens(const struct streams *streams, struct connection *connection,
                        int64_t now_ms)
{
    int64_t rate = (int64_t)streams->rules->config.max_rate;
    int64_t passed_ms = now_ms - connection->tokens_ms;

    if (rate == 0)
        return;
    passed_ms = passed_ms > MS_PER_S ? MS_PER_S : passed_ms;
    connection->tokens += rate / MS_PER_S * passed_ms + rate % MS_PER_S * passed_ms / MS_PER_S;
    if (connection->tokens > rate)
        connection->tokens = rate;
    connection->tokens_ms = now_ms;
}

/* It has read more than it may: it is looked at again when that is made up for. */
static void pay(struct streams *streams, struct connection *connection, size_t bytes,
                int64_t now_ms)
{
    int64_t rate = (int64_t)streams->rules->config.max_rate;

    connection->heard_ms = now_ms;
    if (rate == 0)
        return;
    connection->tokens -= (int64_t)bytes;
    if (connection->tokens > 0 || connection->is_ending)
        return;
    int64_t rest_ms = -connection->tokens * MS_PER_S / rate;
    connection->paused_until_ms = now_ms + (rest_ms < PAUSE_LEAST_MS ? PAUSE_LEAST_MS : rest_ms);
    connection->is_paused = true;
    (void)epoll_ctl(streams->epoll, EPOLL_CTL_DEL, connection->fd, NULL);
    streams->is_looked_at = false;
}

/* ---- reading ---- */

static void tell_failure(const struct connection *connection, const char *why, struct sink *sink)
{
    char name[CONNECTION_NAME_BYTES];
    bool is_stranger = connection->tls != NULL && !tls_is_ready(connection->tls);

    if (is_stranger)
        sink_add(sink, SINK_CONNECTIONS_FAILED, 1);
    sink_tell(sink, LOG_WARN, is_stranger ? "TLS handshake failed" : "connection broke",
              connection_name(connection, name), why);
}

static void take_bytes(struct streams *streams, struct connection *connection, struct slice data,
                       struct sink *sink)
{
    struct emission emission = emission_of(streams, connection, sink);
    size_t taken =
        framing_take(&connection->framing, &connection->framer, data, emission_give, &emission);
    struct slice rest = { data.data + taken, data.bytes - taken };
    char name[CONNECTION_NAME_BYTES];

    if (connection->framer.is_broken) {
        sink_malformed(sink, connection_name(connection, name), 1, rest.bytes);
        rest.bytes = 0;
    }
    count_skipped(connection, false, sink);
    hold_rest(streams, connection, rest, &emission);
    emission_count(&emission);
}

static void follow_handshake(const struct streams *streams, struct connection *connection)
{
    bool is_outgoing = tls_wants_to_write(connection->tls);

    if (is_outgoing == connection->is_outgoing || connection->is_paused)
        return;
    connection->is_outgoing = is_outgoing;
    (void)streams_watch(streams, connection, EPOLL_CTL_MOD);
}

/* A whole record of TLS has to have room. */
static size_t at_most(size_t room, size_t most)
{
    most = most < READ_LEAST ? READ_LEAST : most;
    return room < most ? room : most;
}

static enum received read_some(struct streams *streams, struct connection *connection, size_t most,
                               struct sink *sink)
{
    char *window = open_window(streams, connection, READ_LEAST, sink);
    size_t room = streams->window_bytes - streams->used - connection->held, bytes = 0;
    int64_t now_ms = clock_now_ms();
    const char *why = "";

    fill_tokens(streams, connection, now_ms);
    room = at_most(room, most);
    if (streams->rules->config.max_rate > 0)
        room = at_most(room, connection->tokens > 0 ? (size_t)connection->tokens : 0);
    enum received received =
        connection_receive(connection, window + connection->held, room, &bytes, &why);
    if (bytes > 0) {
        struct slice data = { window, connection->held + bytes };
        streams->used += data.bytes;
        connection->left -= bytes < connection->left ? bytes : connection->left;
        pay(streams, connection, bytes, now_ms);
        take_bytes(streams, connection, data, sink);
    }
    if (received == RECEIVED_FAILURE)
        tell_failure(connection, why, sink);
    else if (connection->tls != NULL)
        follow_handshake(streams, connection);
    return connection->framer.is_broken ? RECEIVED_FAILURE : received;
}

void streams_read(struct streams *streams, struct connection *connection, size_t share,
                  struct sink *sink)
{
    switch (read_some(streams, connection, streams->window_bytes / share, sink)) {
    case RECEIVED_SOME:
    case RECEIVED_NOTHING:
        return;
    case RECEIVED_END:
        streams_end_one(streams, connection, true, sink);
        return;
    case RECEIVED_FAILURE:
        streams_end_one(streams, connection, false, sink);
        return;
    }
}

/* ---- the end ---- */

static void begin_ending(struct streams *streams, struct connection *connection)
{
    if (connection->is_ending)
        return;
    connection->is_ending = true;
    connection->left = connection_waiting_bytes(connection);
    streams->endings++;
}

void streams_end(struct streams *streams, const char *address)
{
    for (size_t i = 0; i < streams->count; i++) {
        struct connection *connection = streams->table[i];
        if (address == NULL || strcmp(connection->socket_address, address) == 0)
            begin_ending(streams, connection);
    }
}

void streams_end_strangers(struct streams *streams)
{
    for (size_t i = 0; i < streams->count; i++) {
        struct connection *connection = streams->table[i];
        if (!streams_may_send(streams->rules, &connection->peer))
            begin_ending(streams, connection);
    }
}

static void read_ending(struct streams *streams, struct connection *connection, struct sink *sink)
{
    enum received received = RECEIVED_NOTHING;

    if (connection->left > 0)
        received = read_some(streams, connection, streams->window_bytes, sink);
    if (received == RECEIVED_SOME && connection->left > 0)
        return;
    streams_end_one(streams, connection, received == RECEIVED_END, sink);
}

bool streams_read_ending(struct streams *streams, struct sink *sink)
{
    for (size_t i = streams->count; i-- > 0 && streams->endings > 0;) {
        if (streams->table[i]->is_ending)
            read_ending(streams, streams->table[i], sink);
    }
    return streams->endings > 0;
}
