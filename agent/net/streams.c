/* SPDX-License-Identifier: Apache-2.0 */
#include "net/streams_state.h"

#include "base/auto.h"
#include "base/process.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    WINDOW_LEAST = 64 * 1024,
    ACCEPTS_AT_ONCE = 64,
    HANDSHAKE_MS = 10 * 1000,
    KEEPALIVE_S = 60,
    DESCRIPTORS_RESERVED = 64,
    TLS_CONNECTION_BYTES = 48 * 1024, /* of GnuTLS */
    REFUSED_REST_MS = 1000,
};

struct streams *streams_new(const struct stream_rules *rules, int epoll)
{
    struct streams *streams = calloc(1, sizeof(*streams));

    if (streams != NULL) {
        streams->rules = rules;
        streams->epoll = epoll;
    }
    return streams;
}

/* As long as a record may be, a few of them have to have room. */
size_t streams_held_limit(const struct framing *framing)
{
    size_t records = STREAMS_HELD_RECORDS * framing_hold_bytes(framing);

    return records > STREAMS_HELD_BYTES ? records : STREAMS_HELD_BYTES;
}

uint64_t streams_memory_bytes(const struct listener_config *config, bool has_tls)
{
    uint64_t each = sizeof(struct connection) + sizeof(struct connection *) +
                    (has_tls ? TLS_CONNECTION_BYTES : 0);

    return streams_held_limit(&config->framing) + config->max_connections * each;
}

static size_t window_for(const struct listener_config *config, size_t buffer_bytes)
{
    size_t least = framing_hold_bytes(&config->framing) + WINDOW_LEAST;

    return buffer_bytes > least ? buffer_bytes : least;
}

bool streams_make_room(struct streams *streams, const struct listener_config *config,
                       size_t buffer_bytes)
{
    size_t room = listener_streams(config);
    size_t window_bytes = window_for(config, buffer_bytes);

    if (room > streams->room) {
        struct connection **table = realloc(streams->table, room * sizeof(struct connection *));
        if (table == NULL)
            return false;
        streams->table = table;
        streams->room = room;
    }
    if (window_bytes > streams->window_bytes) {
        char *window = malloc(window_bytes);
        if (window == NULL)
            return false;
        free(streams->window);
        streams->window = window;
        streams->window_bytes = window_bytes;
        streams->used = 0;
    }
    return true;
}

void streams_change(struct streams *streams)
{
    for (size_t i = 0; i < streams->count; i++)
        streams->table[i]->framing.max_record_bytes =
            streams->rules->config.framing.max_record_bytes;
    streams->is_looked_at = false;
}

size_t streams_count(const struct streams *streams)
{
    return streams->count;
}

bool streams_may_send(const struct stream_rules *rules, const struct peer *peer)
{
    if (rules->network_count == 0 || peer->address_bytes == 0)
        return true;
    for (size_t i = 0; i < rules->network_count; i++) {
        if (network_has(&rules->networks[i], peer->ip))
            return true;
    }
    return false;
}

void streams_begin(struct streams *streams)
{
    streams->used = 0;
}

/* ---- the table ---- */

bool streams_watch(const struct streams *streams, struct connection *connection, int operation)
{
    uint32_t events = EPOLLIN | (connection->is_outgoing ? EPOLLOUT : 0);
    struct epoll_event event = { .events = events, .data.ptr = connection };

    return epoll_ctl(streams->epoll, operation, connection->fd, &event) == 0;
}

static bool is_shaking(const struct connection *connection)
{
    return connection->tls != NULL && !tls_is_ready(connection->tls);
}

static void add_connection(struct streams *streams, struct connection *connection)
{
    connection->index = streams->count;
    streams->table[streams->count++] = connection;
    connection->framing = streams->rules->config.framing;
    connection->opened_ms = connection->heard_ms = clock_now_ms();
    connection->tokens = (int64_t)streams->rules->config.max_rate;
    connection->tokens_ms = connection->opened_ms;
    streams->is_looked_at = false;
}

void streams_free_hold(struct streams *streams, struct connection *connection)
{
    streams->held_room -= connection->hold_room;
    connection_free_hold(connection);
}

void streams_drop(struct streams *streams, struct connection *connection)
{
    struct connection *last = streams->table[--streams->count];

    last->index = connection->index;
    streams->table[last->index] = last;
    streams_free_hold(streams, connection);
    streams->endings -= connection->is_ending ? 1 : 0;
    if (!connection->is_paused) /* it may be open elsewhere too: closing alone would not do */
        (void)epoll_ctl(streams->epoll, EPOLL_CTL_DEL, connection->fd, NULL);
    connection_free(&connection);
}

void streams_free(struct streams **streamsp)
{
    struct streams *streams = *streamsp;

    *streamsp = NULL;
    if (streams == NULL)
        return;
    while (streams->count > 0)
        streams_drop(streams, streams->table[streams->count - 1]);
    free(streams->table);
    free(streams->window);
    free(streams);
}

/* ---- accepting ---- */

static size_t count_of_peer(const struct streams *streams, const struct peer *peer)
{
    size_t count = 0;

    for (size_t i = 0; i < streams->count; i++) {
        const struct peer *other = &streams->table[i]->peer;
        count += other->address_bytes > 0 && memcmp(other->ip, peer->ip, sizeof(peer->ip)) == 0;
    }
    return count;
}

/* Descriptors are given from the lowest on: a high one says that the rest is nearly used up, which
 * the outputs need, too. */
static bool is_reserved(int fd)
{
    return (uint64_t)fd + DESCRIPTORS_RESERVED >= process_max_fds();
}

/* NULL: it may come in. */
static const char *find_objection(const struct streams *streams, int fd, const struct peer *peer)
{
    const struct listener_config *config = &streams->rules->config;

    if (is_reserved(fd))
        return "the rest of the descriptors is for other uses: raise the limit (LimitNOFILE)";
    if (!streams_may_send(streams->rules, peer))
        return "it is in no network of 'allow'";
    if (streams->count >= config->max_connections || streams->count == streams->room)
        return "there are max_connections already";
    if (config->max_connections_per_peer > 0 && peer->address_bytes > 0 &&
        count_of_peer(streams, peer) >= config->max_connections_per_peer)
        return "there are max_connections_per_peer of it already";
    return NULL;
}

/* A peer that is gone without a word is found after two minutes, and does not hold its place. */
static void keep_alive(int fd)
{
    int on = 1, idle_s = KEEPALIVE_S, interval_s = 10, probes = 6;

    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

static void look_at_certificates(const struct streams *streams, const struct socket *socket,
                                 struct sink *sink)
{
    struct err why = { "" };

    switch (tls_server_look(streams->rules->tls, clock_now_ms(), &why)) {
    case TLS_SAME:
        return;
    case TLS_TAKEN:
        sink_tell(sink, LOG_INFO, "changed certificates taken up", socket->name, "");
        return;
    case TLS_REFUSED:
        sink_tell(sink, LOG_WARN, "changed certificates are of no use, the old ones stay",
                  socket->name, why.text);
        return;
    }
}

static bool start_tls(const struct streams *streams, struct connection *connection,
                      const struct socket *socket, struct sink *sink)
{
    if (!socket->is_tls)
        return true;
    look_at_certificates(streams, socket, sink);
    connection->tls = tls_connection_new(streams->rules->tls, connection->fd);
    return connection->tls != NULL;
}

static void refuse(const struct socket *socket, struct sink *sink, const char *what,
                   const char *why)
{
    if (socket->kind == SOCKET_BYTES) {
        sink_tell(sink, LOG_ERROR, "cannot read", what, why);
        return;
    }
    sink_add(sink, SINK_CONNECTIONS_REFUSED, 1);
    sink_tell(sink, LOG_WARN, "connection refused", what, why);
}

enum taken { TAKEN, TAKEN_NOT_NOW, TAKEN_NEVER };

/* The descriptor stays the caller's if it is not taken. */
static enum taken take_connection(struct streams *streams, int fd, const struct peer *peer,
                                  const struct socket *socket, struct sink *sink)
{
    char name[CONNECTION_NAME_BYTES];
    struct connection *connection = connection_new(fd, socket);
    enum taken refusal = TAKEN_NOT_NOW;

    if (connection == NULL) {
        refuse(socket, sink, socket->name, "out of memory");
        return refusal;
    }
    connection->peer = *peer;
    const char *objection = connection->is_pipe && streams->count < streams->room
                                ? NULL
                                : find_objection(streams, fd, peer);
    if (objection == NULL && !start_tls(streams, connection, socket, sink))
        objection = "out of memory";
    if (objection == NULL && !streams_watch(streams, connection, EPOLL_CTL_ADD)) {
        refusal = errno == EPERM ? TAKEN_NEVER : TAKEN_NOT_NOW;
        objection = errno == EPERM ? "it cannot be waited for" : strerror(errno);
    }
    if (objection != NULL) {
        refuse(socket, sink, connection_name(connection, name), objection);
        connection->fd = -1;
        connection_free(&connection);
        return refusal;
    }
    keep_alive(fd);
    add_connection(streams, connection);
    sink_add(sink, SINK_CONNECTIONS_ACCEPTED, 1);
    return TAKEN;
}

bool streams_accept(struct streams *streams, const struct socket *socket, struct sink *sink)
{
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
        socklen_t bytes = sizeof(from);
        struct peer peer;
        int fd =
            accept4(socket->fd, (struct sockaddr *)&from, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EAGAIN || errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                       errno == ENOMEM)) {
            if (errno != EAGAIN)
                sink_tell(sink, LOG_ERROR, "cannot accept a connection", socket->name,
                          strerror(errno));
            return errno == EAGAIN;
        }
        if (fd < 0)
            continue; /* it was gone again */
        peer_of(&from, &peer);
        if (take_connection(streams, fd, &peer, socket, sink) != TAKEN)
            (void)close(fd);
    }
    return true;
}

void streams_accept_all(struct streams *streams, const struct socket *socket, struct sink *sink)
{
    enum { ROUNDS_MAX = 64 }; /* more than the longest queue */
    struct pollfd waiting = { .fd = socket->fd, .events = POLLIN };

    for (int i = 0; i < ROUNDS_MAX && poll(&waiting, 1, 0) == 1; i++) {
        if (!streams_accept(streams, socket, sink))
            return;
    }
}

bool streams_adopt(struct streams *streams, struct socket *socket, struct sink *sink)
{
    struct peer nobody = { .port = 0 };

    switch (take_connection(streams, socket->fd, &nobody, socket, sink)) {
    case TAKEN:
        socket->fd = -1;
        return true;
    case TAKEN_NEVER:
        auto_close(&socket->fd);
        return true;
    case TAKEN_NOT_NOW:
        return false;
    }
    return false;
}

/* ---- time ---- */

/* Where the kernel has no memory for it now, it pauses on: whoever knows its peer knows nothing of
 * an end, and what is held of it waits for its rest. */
static void resume(struct streams *streams, struct connection *connection, struct sink *sink)
{
    char name[CONNECTION_NAME_BYTES];

    connection->is_paused = !streams_watch(streams, connection, EPOLL_CTL_ADD);
    if (!connection->is_paused)
        return;
    sink_tell(sink, LOG_ERROR, "cannot go on with a connection", connection_name(connection, name),
              strerror(errno));
    connection->paused_until_ms = clock_now_ms() + REFUSED_REST_MS;
}

/* When something is to be done about it; 0: never. */
static int64_t due_of(const struct streams *streams, const struct connection *connection)
{
    int64_t idle_ms = streams->rules->config.idle_timeout_ms;

    if (connection->is_paused)
        return connection->paused_until_ms;
    if (is_shaking(connection))
        return connection->opened_ms + HANDSHAKE_MS;
    return idle_ms > 0 && !connection->is_pipe ? connection->heard_ms + idle_ms : 0;
}

static void let_go(struct streams *streams, struct connection *connection, struct sink *sink)
{
    bool is_shy = is_shaking(connection);
    char name[CONNECTION_NAME_BYTES];

    if (is_shy)
        sink_add(sink, SINK_CONNECTIONS_FAILED, 1);
    sink_tell(sink, is_shy ? LOG_WARN : LOG_INFO, "connection closed",
              connection_name(connection, name),
              is_shy ? "no TLS handshake in time" : "nothing came for idle_timeout");
    streams_end_one(streams, connection, false, sink);
}

/* true: it is not there any more. */
static bool tend_one(struct streams *streams, struct connection *connection, struct sink *sink)
{
    size_t count = streams->count;

    if (connection->is_paused)
        resume(streams, connection, sink);
    else if (!is_shaking(connection) && connection_waiting_bytes(connection) > 0)
        connection->heard_ms = clock_now_ms(); /* it was not silent: a full lane held us up */
    else
        let_go(streams, connection, sink);
    return streams->count < count;
}

int64_t streams_tend(struct streams *streams, struct sink *sink)
{
    int64_t now_ms = clock_now_ms(), next_ms = 0;
    size_t i = 0;

    if (streams->is_looked_at && (streams->next_look_ms == 0 || now_ms < streams->next_look_ms))
        return streams->next_look_ms;
    while (i < streams->count) {
        struct connection *connection = streams->table[i];
        int64_t due_ms = due_of(streams, connection);
        if (due_ms != 0 && due_ms <= now_ms) {
            if (tend_one(streams, connection, sink))
                continue; /* another has taken its place */
            due_ms = due_of(streams, connection);
        }
        if (due_ms != 0 && (next_ms == 0 || due_ms < next_ms))
            next_ms = due_ms;
        i++;
    }
    streams->is_looked_at = true;
    streams->next_look_ms = next_ms;
    return next_ms;
}
