/* SPDX-License-Identifier: Apache-2.0 */
/* listener: all that one input listens on: UDP, TCP, TLS, unix sockets, sockets from systemd,
 * FIFOs. A plugin puts LISTENER_OPTIONS into its table, hands its configuration on, and gets each
 * record without its framing; everything else happens here. The smallest plugin:
 *
 *     #define APP_OPTIONS(X, T) LISTENER_OPTIONS(X, T, "udp://|tcp://|tls://|unix://", "64KiB")
 *     DECLARE_OPTIONS(app_config, APP_OPTIONS);
 *     struct app { struct listener *listener; };
 *     static void take(void *context, struct sink *sink, const struct arrival *arrival)
 *     { arrival_describe(arrival, sink_event(sink)); }        // body, truncation, peer
 *     static struct listener_config setup(const struct app_config *cfg, struct app *app)
 *     { return (struct listener_config){ LISTENER_SETTINGS(cfg), .take = take, .context = app,
 *                                        .framing = { .kind = FRAMING_LINES, .delimiter = '\n' } };
 * } open:    listener = listener_open(&config, host, err)   NULL: failed collect: return
 * listener_collect(listener, sink);       wait: listener_wait(listener, waits) last:    return
 * listener_last(listener, sink);          close: listener_close(&listener) change:  return
 * listener_change(listener, &config, host, err) type.check: listener_check(&config, err) with what
 * `allow` and tls need type.max_event_bytes: listener_event_bytes(cfg->max_record_bytes) and what
 * the plugin adds
 *
 * Accounting: sink_lost() for what the kernel dropped of UDP, sink_malformed() for what cannot be a
 * record or comes from a peer that may not, SINK_LINES and SINK_LINES_TRUNCATED for each record.
 * Threads: the reading's. Memory: bounded by the options, allocated at open but for what is held of
 * unfinished records. */
#pragma once

#include "net/framing.h"
#include "net/peer.h"
#include "plugins/plugin.h"

/* Any of "udp://|tcp://|tls://|unix://|unixgram://|fifo://|fd:|systemd:". */
#define LISTENER_OPTIONS(X, T, schemes, longest)                                                   \
    X(T, listen, list, REQUIRED, schemes, ANY, "Where to listen, one address or several")          \
    X(T, max_record_bytes, size, longest, "16", "1MiB",                                            \
      "Longer records are cut here, at a whole character, and flagged")                            \
    X(T, max_connections, count, "256", "1", "100000",                                             \
      "Connections at a time; more are closed at once, and counted")                               \
    X(T, max_connections_per_peer, count, "0", ANY, "100000",                                      \
      "Of them from one address; 0: no bound of its own")                                          \
    X(T, idle_timeout, duration, "0s", ANY, "30d",                                                 \
      "A connection that sends nothing for so long is closed; 0: never. TCP asks after dead "      \
      "peers by itself (keepalive)")                                                               \
    X(T, max_rate, size, "0", ANY, ANY,                                                            \
      "Bytes a second that are read of one connection; its sender waits; 0: no bound")             \
    X(T, receive_buffer, size, "4MiB", "4KiB", "1GiB",                                             \
      "Kernel buffer asked for each socket of datagrams; what is granted is in the log")           \
    X(T, allow, list, "", ANY, ANY,                                                                \
      "Networks whose peers may send, as in 192.0.2.0/24; empty: all")                             \
    X(T, socket_mode, text, "0660", ANY, ANY, "Mode of unix sockets and FIFOs that are made")      \
    X(T, socket_owner, text, "", ANY, ANY,                                                         \
      "Their owner: USER, USER:GROUP or :GROUP; empty: the agent's own")                           \
    X(T, tls__cert_file, text, "", ANY, ANY,                                                       \
      "Certificate of tls:// addresses, PEM, with its chain; taken up anew when it changes")       \
    X(T, tls__key_file, text, "", ANY, ANY, "Its key, PEM")                                        \
    X(T, tls__client_ca_file, text, "", ANY, ANY,                                                  \
      "Authorities of clients, PEM: if set, only clients with a certificate of theirs may send")

#define LISTENER_SETTINGS(cfg)                                                                     \
    .listen = &(cfg)->listen, .allow = &(cfg)->allow,                                              \
    .framing.max_record_bytes = (cfg)->max_record_bytes,                                           \
    .max_connections = (cfg)->max_connections,                                                     \
    .max_connections_per_peer = (cfg)->max_connections_per_peer,                                   \
    .idle_timeout_ms = (cfg)->idle_timeout, .max_rate = (cfg)->max_rate,                           \
    .receive_buffer = (cfg)->receive_buffer, .socket_mode = (cfg)->socket_mode,                    \
    .socket_owner = (cfg)->socket_owner, .cert_file = (cfg)->tls__cert_file,                       \
    .key_file = (cfg)->tls__key_file, .client_ca_file = (cfg)->tls__client_ca_file

struct arrival {
    struct slice data;    /* one record, never empty; borrowed until the collect() is over */
    uint64_t whole_bytes; /* as it was sent; more than data.bytes: it was cut */
    bool is_unfinished;   /* its stream ended, or was let go, in the middle of it */
    bool is_datagram;
    const struct peer *peer; /* borrowed as data is */
};
/* Called for each record, in the reading's thread. It may take events from the sink. */
typedef void listener_take_fn(void *context, struct sink *sink, const struct arrival *arrival);
/* A connection is over, its last record was taken: after this its peer is gone. */
typedef void listener_end_fn(void *context, struct sink *sink, const struct peer *peer);

struct listener_config { /* texts are borrowed until close, or the collect() after a change */
    const struct text_list *listen, *allow;
    struct framing framing;    /* of streams; of datagrams too if has_framed_datagrams */
    bool has_framed_datagrams; /* several records in one datagram (statsd); else each is one,
                                  without the newlines at its end */
    uint64_t max_connections, max_connections_per_peer, max_rate, receive_buffer;
    int64_t idle_timeout_ms;
    const char *socket_mode, *socket_owner, *cert_file, *key_file, *client_ca_file;
    listener_take_fn *take;
    listener_end_fn *end; /* optional */
    void *context;        /* for both */
};

struct listener;
bool listener_check(const struct listener_config *config, struct err *err); /* opens nothing */
struct listener *listener_open(const struct listener_config *config, const struct host *host,
                               struct err *err);
enum collected listener_collect(struct listener *listener, struct sink *sink);
void listener_wait(struct listener *listener, struct waits *waits); /* adds one descriptor */
void listener_attend(struct listener *listener, struct sink *sink); /* drops while a lane is full */
/* Accepts and reads what the kernel holds by now, then closes. */
enum collected listener_last(struct listener *listener, struct sink *sink);
/* Sockets whose address stays are kept, with their connections; others are read to their end. */
bool listener_change(struct listener *listener, const struct listener_config *config,
                     const struct host *host, struct err *err);
void listener_close(struct listener **listenerp);
uint64_t listener_memory_bytes(const struct listener_config *config); /* beside its read buffer */
size_t listener_streams(const struct listener_config *config);        /* side by side, at most */
uint64_t listener_event_bytes(uint64_t max_record_bytes); /* with what arrival_describe() adds */

/* Body, truncation, network.peer.address and network.peer.port. For an event of another body:
 * arrival_peer() alone. */
void arrival_describe(const struct arrival *arrival, struct event *event);
void arrival_peer(const struct arrival *arrival, struct event *event);
