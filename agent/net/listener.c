/* SPDX-License-Identifier: Apache-2.0 */
#include "net/listener_state.h"

#include "base/auto.h"

#include <sys/epoll.h>

enum { READY_AT_ONCE = 16, LOOK_MS = 5000, ACCEPT_REST_MS = 1000 };

/* ---- what is told ---- */

static void tell_opening(struct socket *socket, struct sink *sink)
{
    bool is_less = socket->granted_bytes < socket->asked_bytes;
    char text[160] = "";

    if (socket->is_told)
        return;
    socket->is_told = true;
    if (socket->asked_bytes > 0)
        (void)snprintf(text, sizeof(text), "receive buffer: asked for %llu bytes, granted %llu%s",
                       (unsigned long long)socket->asked_bytes,
                       (unsigned long long)socket->granted_bytes,
                       is_less ? ": net.core.rmem_max is the bound" : "");
    sink_tell(sink, is_less ? LOG_WARN : LOG_INFO, "listens", socket->name, text);
}

static void tell_drops(struct socket *socket, struct sink *sink)
{
    uint64_t dropped = datagrams_dropped(socket);

    if (dropped == 0)
        return;
    sink_lost(sink, socket->name, dropped, 0);
    if (socket->kept_drops != NULL)
        atomic_store(socket->kept_drops, socket->drops);
}

/* ---- datagrams ---- */

/* One datagram is one record, without the line ends that some senders put behind it. */
static void give_datagram(struct emission *emission, const struct datagram *datagram)
{
    size_t limit = emission->config->framing.max_record_bytes;
    struct frame frame = { datagram->data, datagram->whole_bytes, false };
    bool is_whole = datagram->whole_bytes == frame.data.bytes;

    while (is_whole && frame.data.bytes > 0 &&
           (frame.data.data[frame.data.bytes - 1] == '\n' ||
            frame.data.data[frame.data.bytes - 1] == '\r')) {
        frame.data.bytes--;
        frame.whole_bytes--;
    }
    frame.data.bytes = slice_cut(frame.data, limit);
    if (frame.data.bytes > 0)
        emission_give(emission, &frame);
}

static void give_framed(struct emission *emission, const struct datagram *datagram)
{
    const struct framing *framing = &emission->config->framing;
    struct framer framer = { .skip = 0 };
    size_t taken = framing_take(framing, &framer, datagram->data, emission_give, emission);
    struct slice rest = { datagram->data.data + taken, datagram->data.bytes - taken };

    framing_end(framing, &framer, rest, datagram->whole_bytes == datagram->data.bytes,
                emission_give, emission);
}

struct refused {
    uint64_t events, bytes;
};

static void give_run(struct listener *listener, const struct datagram *run, size_t count,
                     struct emission *emission, struct refused *refused)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t before = emission->records;
        emission->peer = run[i].peer;
        if (streams_may_send(&listener->rules, run[i].peer)) {
            if (emission->config->has_framed_datagrams)
                give_framed(emission, &run[i]);
            else
                give_datagram(emission, &run[i]);
        }
        if (emission->records == before) { /* nobody may lose sight of one */
            refused->events++;
            refused->bytes += run[i].whole_bytes;
        }
    }
}

enum run { RUN_MAY_HAVE_MORE, RUN_WAS_ALL, RUN_FAILED };

static enum run read_run(struct listener *listener, struct socket *socket, struct sink *sink)
{
    struct emission emission = { .config = &listener->rules.config,
                                 .sink = sink,
                                 .is_datagram = true };
    struct refused refused = { 0, 0 };
    const struct datagram *run;
    bool is_full = false;
    int error = 0;

    size_t count = datagrams_read(listener->datagrams, socket, &run, &is_full, &error);
    if (error != 0)
        sink_tell(sink, LOG_ERROR, "cannot read", socket->name, strerror(error));
    give_run(listener, run, count, &emission, &refused);
    emission_count(&emission);
    if (refused.events > 0)
        sink_malformed(sink, socket->name, refused.events, refused.bytes);
    if (count > 0)
        (void)sink_flush(sink); /* the next run goes to the same place */
    if (error != 0)
        return RUN_FAILED;
    return is_full ? RUN_MAY_HAVE_MORE : RUN_WAS_ALL;
}

static bool read_datagrams(struct listener *listener, struct socket *socket, struct sink *sink)
{
    enum run run = read_run(listener, socket, sink);

    tell_drops(socket, sink);
    return run != RUN_FAILED;
}

void listener_end_datagrams(struct listener *listener, struct socket *socket, struct sink *sink)
{
    enum { RUNS_MAX = 1024 }; /* of a socket that others fill on */

    if (!socket->is_adopted)
        datagrams_shut(socket);
    for (int i = 0; i < RUNS_MAX && read_run(listener, socket, sink) == RUN_MAY_HAVE_MORE; i++)
        ;
    tell_drops(socket, sink);
}

/* ---- the round ---- */

static void rest_accepting(struct listener *listener, bool rests)
{
    for (size_t i = 0; i < listener->socket_count; i++) {
        struct socket *socket = listener->sockets[i];
        struct epoll_event event = { .events = rests ? 0 : EPOLLIN, .data.ptr = socket };
        if (socket->kind == SOCKET_ACCEPTS)
            (void)epoll_ctl(listener->epoll, EPOLL_CTL_MOD, socket->fd, &event);
    }
    listener->accept_again_ms = rests ? clock_now_ms() + ACCEPT_REST_MS : 0;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms == 0 || (b_ms != 0 && b_ms < a_ms) ? b_ms : a_ms;
}

/* What nobody's data tells of. */
static void look_around(struct listener *listener, struct sink *sink)
{
    int64_t now_ms = clock_now_ms();
    bool has_drops = false;

    if (listener->accept_again_ms != 0 && now_ms >= listener->accept_again_ms)
        rest_accepting(listener, false);
    if (listener->begin_again_ms != 0 && now_ms >= listener->begin_again_ms)
        listener_begin_sockets(listener, sink);
    int64_t tend_ms = streams_tend(listener->streams, sink);
    if (listener->look_ms == 0 || now_ms >= listener->look_ms) {
        for (size_t i = 0; i < listener->socket_count; i++) {
            tell_drops(listener->sockets[i], sink);
            has_drops = has_drops || listener->sockets[i]->counts_drops;
        }
        listener->look_ms = has_drops ? now_ms + LOOK_MS : 0;
    }
    listener->due_ms = sooner(sooner(tend_ms, listener->look_ms), listener->accept_again_ms);
    listener->due_ms = sooner(listener->due_ms, listener->begin_again_ms);
}

/* The collect() that waits may be in the middle of closing them. */
void listener_attend(struct listener *listener, struct sink *sink)
{
    for (size_t i = 0; i < listener->socket_count; i++) {
        if (listener->sockets[i] != NULL)
            tell_drops(listener->sockets[i], sink);
    }
}

/* false: nothing came of it, and it would be the same at once again. */
static bool take_event(struct listener *listener, void *watched, size_t share, struct sink *sink)
{
    if (*(const enum watched *)watched == WATCHED_CONNECTION) {
        streams_read(listener->streams, watched, share, sink);
        return true;
    }
    struct socket *socket = watched;
    if (socket->kind == SOCKET_DATAGRAMS)
        return read_datagrams(listener, socket, sink);
    if (!streams_accept(listener->streams, socket, sink))
        rest_accepting(listener, true);
    return true;
}

static void show_open(const struct listener *listener, struct sink *sink)
{
    size_t open = streams_count(listener->streams);

    for (size_t i = 0; i < listener->socket_count; i++)
        open += listener->sockets[i]->fd >= 0 ? 1 : 0;
    sink_set(sink, SINK_SOURCES_OPEN, open);
}

static bool is_all_over(const struct listener *listener)
{
    if (streams_count(listener->streams) > 0)
        return false;
    for (size_t i = 0; i < listener->socket_count; i++) {
        if (listener->sockets[i]->fd >= 0)
            return false;
    }
    return true;
}

static bool begin_round(struct listener *listener, struct sink *sink)
{
    struct err err = { "" };

    if (listener->is_over) { /* it has come back before it was gone */
        if (!listener_apply(listener, &listener->rules.config, listener->buffer_bytes, &err)) {
            sink_tell(sink, LOG_ERROR, "cannot listen again", "", err.text);
            return false;
        }
        listener->is_over = listener->is_ending = false;
    }
    if (listener->has_changed) {
        listener_settle(listener, sink);
        for (size_t i = 0; i < listener->socket_count; i++)
            tell_opening(listener->sockets[i], sink);
        listener->look_ms = 0;
    }
    return true;
}

enum collected listener_collect(struct listener *listener, struct sink *sink)
{
    struct epoll_event events[READY_AT_ONCE];

    if (!begin_round(listener, sink))
        return COLLECT_FAILED;
    streams_begin(listener->streams);
    bool is_ending = streams_read_ending(listener->streams, sink);
    look_around(listener, sink);
    int count = epoll_wait(listener->epoll, events, READY_AT_ONCE, 0);
    int failed = 0;
    for (int i = 0; i < count; i++)
        failed += !take_event(listener, events[i].data.ptr, (size_t)count, sink);
    show_open(listener, sink);
    if (count > failed || is_ending)
        return COLLECT_MORE;
    if (failed > 0)
        return COLLECT_FAILED; /* after a rest */
    return is_all_over(listener) ? COLLECT_DONE : COLLECT_IDLE;
}

void listener_wait(struct listener *listener, struct waits *waits)
{
    CHECK(waits->fd_count < WAIT_FDS);
    waits->fds[waits->fd_count++] = listener->epoll;
    waits->until_ms = sooner(waits->until_ms, listener->due_ms);
}

/* ---- the end ---- */

static void begin_end(struct listener *listener, struct sink *sink)
{
    listener->is_ending = true;
    (void)begin_round(listener, sink);
    for (size_t i = 0; i < listener->socket_count; i++)
        listener_end_socket(listener, &listener->sockets[i], sink);
    listener->socket_count = 0;
    streams_end(listener->streams, NULL);
}

enum collected listener_last(struct listener *listener, struct sink *sink)
{
    streams_begin(listener->streams);
    if (!listener->is_ending)
        begin_end(listener, sink);
    if (streams_read_ending(listener->streams, sink))
        return COLLECT_MORE;
    listener->is_over = true;
    show_open(listener, sink);
    return COLLECT_IDLE;
}

/* ---- life ---- */

void listener_close(struct listener **listenerp)
{
    struct listener *listener = *listenerp;

    *listenerp = NULL;
    if (listener == NULL)
        return;
    streams_free(&listener->streams);
    for (size_t i = 0; i < listener->socket_count; i++)
        socket_close(&listener->sockets[i]);
    for (size_t i = 0; i < listener->parked_count; i++)
        socket_close(&listener->parked[i]);
    datagrams_free(&listener->datagrams);
    tls_server_free(&listener->rules.tls);
    tls_server_free(&listener->parked_tls);
    auto_close(&listener->epoll);
    free(listener);
}

struct listener *listener_open(const struct listener_config *config, const struct host *host,
                               struct err *err)
{
    AUTO(listener_close) struct listener *listener = calloc(1, sizeof(*listener));

    if (listener == NULL) {
        (void)err_set(err, "out of memory for a listener");
        return NULL;
    }
    listener->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (listener->epoll < 0) {
        (void)err_set(err, "cannot make an epoll descriptor: %s", strerror(errno));
        return NULL;
    }
    listener->streams = streams_new(&listener->rules, listener->epoll);
    if (listener->streams == NULL) {
        (void)err_set(err, "out of memory for a listener");
        return NULL;
    }
    listener->kept = host->kept;
    if (!listener_change(listener, config, host, err))
        return NULL;
    struct listener *opened = listener;
    listener = NULL;
    return opened;
}
