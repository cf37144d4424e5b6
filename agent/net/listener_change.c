/* SPDX-License-Identifier: Apache-2.0 */
/* listener_change: from one configuration to another, of which the first is that of the start.
 * A change only opens; what is to be closed is parked until the next collect, so that the way back
 * opens nothing and cannot fail. */
#include "net/listener_state.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>

/* ---- what can be checked without opening ---- */

static struct socket_wishes wishes_of(const struct listener_config *config)
{
    return (struct socket_wishes){ config->socket_mode, config->socket_owner,
                                   config->receive_buffer };
}

static bool parse_networks(const struct listener_config *config, struct network *networks,
                           struct err *err)
{
    if (config->allow->count > NETWORKS_MAX)
        return err_set(err, "allow: there are more than %d networks", NETWORKS_MAX);
    for (size_t i = 0; i < config->allow->count; i++) {
        struct err why = { "" };
        if (!network_parse(config->allow->items[i], &networks[i], &why))
            return err_set(err, "allow: %s", why.text);
    }
    return true;
}

static bool has_tls(const struct listener_config *config)
{
    for (size_t i = 0; i < config->listen->count; i++) {
        if (strncmp(config->listen->items[i], "tls://", 6) == 0)
            return true;
    }
    return false;
}

static bool has_twice(const struct text_list *list, struct err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(list->items[i], list->items[k]) == 0) {
                (void)err_set(err, "listen: '%.80s' is there twice", list->items[i]);
                return true;
            }
        }
    }
    return false;
}

static bool check_tls(const struct listener_config *config, struct err *err)
{
    bool has_cert = config->cert_file[0] != '\0', has_key = config->key_file[0] != '\0';

    if (!has_tls(config))
        return (!has_cert && !has_key && config->client_ca_file[0] == '\0') ||
               err_set(err, "tls: no address in 'listen' begins with tls://");
    if (has_cert && has_key)
        return true;
    return err_set(err, "listen: a tls:// address needs tls.cert_file and tls.key_file");
}

/* By its text alone. */
static bool check_text(const struct listener_config *config, struct network *networks,
                       struct err *err)
{
    if (config->listen->count > SOCKETS_MAX)
        return err_set(err, "listen: there are more than %d addresses", SOCKETS_MAX);
    return !has_twice(config->listen, err) && check_tls(config, err) &&
           parse_networks(config, networks, err);
}

/* Asks the host who the owner is. */
static bool check_wishes(const struct listener_config *config, struct err *err)
{
    struct socket_wishes wishes = wishes_of(config);
    return socket_check_wishes(&wishes, err);
}

bool listener_check(const struct listener_config *config, struct err *err)
{
    struct network networks[NETWORKS_MAX];
    return check_text(config, networks, err) && check_wishes(config, err);
}

static bool has_kind(const struct listener_config *config, bool of_datagrams)
{
    for (size_t i = 0; i < config->listen->count; i++) {
        const char *address = config->listen->items[i];
        bool is_datagram =
            strncmp(address, "udp:", 4) == 0 || strncmp(address, "unixgram:", 9) == 0;
        bool is_either = strncmp(address, "systemd:", 8) == 0 || strncmp(address, "fd:", 3) == 0;
        if (is_either || is_datagram == of_datagrams)
            return true;
    }
    return false;
}

uint64_t listener_memory_bytes(const struct listener_config *config)
{
    uint64_t bytes = sizeof(struct listener);

    if (has_kind(config, true))
        bytes += datagrams_memory_bytes(config->framing.max_record_bytes);
    if (has_kind(config, false))
        bytes += streams_memory_bytes(config, has_tls(config));
    return bytes;
}

size_t listener_streams(const struct listener_config *config)
{
    return (size_t)config->max_connections + SOCKETS_MAX; /* pipes have no bound of theirs */
}

/* ---- sockets ---- */

enum { POOL = 2 * SOCKETS_MAX + LISTENER_PARKED };

static bool is_open_in(struct socket *const *sockets, size_t count, const char *address)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(sockets[i]->address, address) == 0)
            return true;
    }
    return false;
}

static bool is_wanted(const struct listener_config *config, const char *address)
{
    for (size_t i = 0; i < config->listen->count; i++) {
        if (strcmp(config->listen->items[i], address) == 0)
            return true;
    }
    return false;
}

static size_t count_wanted(struct socket *const *sockets, size_t count,
                           const struct listener_config *config)
{
    size_t wanted = 0;

    for (size_t i = 0; i < count; i++)
        wanted += is_wanted(config, sockets[i]->address) ? 1 : 0;
    return wanted;
}

static bool open_missing(const struct listener *listener, const struct listener_config *config,
                         struct socket **opened, size_t *count, struct err *err)
{
    struct socket_wishes wishes = wishes_of(config);
    size_t room = SOCKETS_MAX - count_wanted(listener->sockets, listener->socket_count, config) -
                  count_wanted(listener->parked, listener->parked_count, config);

    for (size_t i = 0; i < config->listen->count; i++) {
        const char *address = config->listen->items[i];
        size_t more = 0;
        if (is_open_in(listener->sockets, listener->socket_count, address) ||
            is_open_in(listener->parked, listener->parked_count, address))
            continue;
        if (!socket_open(address, &wishes, opened + *count, room - *count, &more, err))
            return false;
        *count += more;
    }
    return true;
}

static void park(struct listener *listener, struct socket *socket)
{
    if (listener->parked_count == LISTENER_PARKED) { /* of a change long before the last */
        if (listener->parked[0]->is_watched) /* closing is not enough where others have it */
            (void)epoll_ctl(listener->epoll, EPOLL_CTL_DEL, listener->parked[0]->fd, NULL);
        socket_close(&listener->parked[0]);
        listener->parked_count--;
        memmove(listener->parked, listener->parked + 1,
                listener->parked_count * sizeof(struct socket *));
    }
    listener->parked[listener->parked_count++] = socket;
}

/* What is wanted of those that are open or were just opened is in use, the rest is parked. */
static void sort_sockets(struct listener *listener, const struct listener_config *config,
                         struct socket *const *opened, size_t opened_count)
{
    struct socket *pool[POOL];
    size_t count = 0;

    for (size_t i = 0; i < listener->parked_count; i++)
        pool[count++] = listener->parked[i];
    for (size_t i = 0; i < listener->socket_count; i++)
        pool[count++] = listener->sockets[i];
    for (size_t i = 0; i < opened_count; i++)
        pool[count++] = opened[i];
    listener->socket_count = listener->parked_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_wanted(config, pool[i]->address))
            listener->sockets[listener->socket_count++] = pool[i];
        else
            park(listener, pool[i]);
    }
}

/* ---- what else may fail ---- */

static bool is_of(const struct tls_server *server, const struct listener_config *config)
{
    return server != NULL &&
           tls_server_is_of(server, config->cert_file, config->key_file, config->client_ca_file);
}

/* *ret: one that is made for it; NULL: there is one, or none is needed. */
static bool make_tls(const struct listener *listener, const struct listener_config *config,
                     struct tls_server **ret, struct err *err)
{
    *ret = NULL;
    if (!has_tls(config) || is_of(listener->rules.tls, config) ||
        is_of(listener->parked_tls, config))
        return true;
    *ret = tls_server_new(config->cert_file, config->key_file, config->client_ca_file, err);
    return *ret != NULL;
}

/* Connections keep what they began with. */
static void exchange_tls(struct listener *listener, const struct listener_config *config,
                         struct tls_server *fresh)
{
    struct tls_server *before = listener->rules.tls;

    if (!has_tls(config) || is_of(before, config))
        return;
    if (fresh == NULL)
        fresh = listener->parked_tls;
    else
        tls_server_free(&listener->parked_tls);
    listener->rules.tls = fresh;
    listener->parked_tls = before;
}

/* Memory never shrinks, so that there is a way back. */
static bool make_room(struct listener *listener, const struct listener_config *config,
                      size_t buffer_bytes, struct err *err)
{
    size_t bytes = config->framing.max_record_bytes;

    if (!streams_make_room(listener->streams, config, buffer_bytes))
        return err_set(err, "out of memory for connections");
    if (!has_kind(config, true))
        return true;
    if (listener->datagrams != NULL && datagrams_max_bytes(listener->datagrams) >= bytes)
        return true;
    struct datagrams *datagrams = datagrams_new(bytes);
    if (datagrams == NULL)
        return err_set(err, "out of memory for datagrams");
    datagrams_free(&listener->datagrams);
    listener->datagrams = datagrams;
    return true;
}

bool listener_apply(struct listener *listener, const struct listener_config *given,
                    size_t buffer_bytes, struct err *err)
{
    struct listener_config config = *given; /* it may be our own */
    struct network networks[NETWORKS_MAX];
    struct socket *opened[SOCKETS_MAX];
    struct tls_server *tls = NULL;
    size_t count = 0;

    /* Until the next collect it may be the way back: the host may have no memory for an answer, or
     * not know the owner of then any more. */
    bool ok = check_text(&config, networks, err) &&
              (listener->has_changed || check_wishes(&config, err)) &&
              make_room(listener, &config, buffer_bytes, err) &&
              make_tls(listener, &config, &tls, err) &&
              open_missing(listener, &config, opened, &count, err);
    if (!ok) {
        tls_server_free(&tls);
        while (count > 0)
            socket_close(&opened[--count]);
        return false;
    }
    sort_sockets(listener, &config, opened, count);
    exchange_tls(listener, &config, tls);
    listener->rules.config = config;
    listener->rules.network_count = config.allow->count;
    memcpy(listener->rules.networks, networks, config.allow->count * sizeof(networks[0]));
    listener->buffer_bytes = buffer_bytes;
    listener->has_changed = true;
    return true;
}

bool listener_change(struct listener *listener, const struct listener_config *config,
                     const struct host *host, struct err *err)
{
    return listener_apply(listener, config, host->buffer_bytes, err);
}

/* ---- in the reading's thread ---- */

enum { BEGIN_REST_MS = 1000 };

/* The last attempt: what its writers have written goes with it. */
static void end_pipe(struct listener *listener, struct socket *socket, struct sink *sink)
{
    int bytes = 0;

    if (!streams_adopt(listener->streams, socket, sink) &&
        ioctl(socket->fd, FIONREAD, &bytes) == 0 && bytes > 0)
        sink_lost(sink, socket->name, 0, (uint64_t)bytes);
}

/* What it holds is read to its end; its connections, too. */
void listener_end_socket(struct listener *listener, struct socket **socketp, struct sink *sink)
{
    struct socket *socket = *socketp;

    if (socket->is_begun && socket->fd >= 0) {
        if (socket->kind == SOCKET_DATAGRAMS)
            listener_end_datagrams(listener, socket, sink);
        else if (socket->kind == SOCKET_BYTES)
            end_pipe(listener, socket, sink);
        else
            streams_accept_all(listener->streams, socket, sink);
    }
    /* It may be open elsewhere too: closing alone would not do. */
    if (socket->is_watched && socket->fd >= 0)
        (void)epoll_ctl(listener->epoll, EPOLL_CTL_DEL, socket->fd, NULL);
    streams_end(listener->streams, socket->address);
    socket_close(socketp);
}

static void begin_socket(struct listener *listener, struct socket *socket, struct sink *sink)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = socket };

    if (!socket->is_begun && socket->is_adopted && socket->kind == SOCKET_DATAGRAMS)
        datagrams_go_on(socket, listener->kept);
    socket->is_begun = true;
    if (socket->kind == SOCKET_BYTES) {
        socket->is_watched = streams_adopt(listener->streams, socket, sink);
        return;
    }
    socket->is_watched = epoll_ctl(listener->epoll, EPOLL_CTL_ADD, socket->fd, &event) == 0;
    if (!socket->is_watched)
        sink_tell(sink, LOG_ERROR, "cannot wait for", socket->name, strerror(errno));
}

void listener_begin_sockets(struct listener *listener, struct sink *sink)
{
    bool are_watched = true;

    for (size_t i = 0; i < listener->socket_count; i++) {
        if (!listener->sockets[i]->is_watched)
            begin_socket(listener, listener->sockets[i], sink);
        are_watched = are_watched && listener->sockets[i]->is_watched;
    }
    listener->begin_again_ms = are_watched ? 0 : clock_now_ms() + BEGIN_REST_MS;
}

void listener_settle(struct listener *listener, struct sink *sink)
{
    struct socket_wishes wishes = wishes_of(&listener->rules.config);

    for (size_t i = 0; i < listener->parked_count; i++)
        listener_end_socket(listener, &listener->parked[i], sink);
    listener->parked_count = 0;
    tls_server_free(&listener->parked_tls);
    for (size_t i = 0; i < listener->socket_count; i++) {
        struct err err = { "" };
        if (!socket_adjust(listener->sockets[i], &wishes, &err))
            sink_tell(sink, LOG_ERROR, "not changed", listener->sockets[i]->name, err.text);
    }
    listener_begin_sockets(listener, sink);
    streams_change(listener->streams);
    streams_end_strangers(listener->streams);
    listener->has_changed = false;
}
