/* SPDX-License-Identifier: Apache-2.0 */
/* socket: what others send: lines or records with their length before them, over TCP, TLS, UDP,
 * unix sockets, FIFOs and inherited descriptors. Runs in its reading's thread. */
#include "plugin.h"

enum socket_framing { BY_NEWLINE, BY_NUL, BY_LENGTH_2, BY_LENGTH_4 };

#define SOCKET_SCHEMES "udp://|tcp://|tls://|unix://|unixgram://|fifo://|fd:|systemd:"
#define SOCKET_OPTIONS(X, T)                                                                       \
    LISTENER_OPTIONS(X, T, SOCKET_SCHEMES, "64KiB")                                                \
    X(T, framing, choice, "newline", "newline|nul|length16|length32", ANY,                         \
      "Where a record of a stream ends: at a newline, at a NUL, or by a length of 2 or 4 bytes, "  \
      "the highest first, before it. A datagram is one record")
DECLARE_OPTIONS(socket_config, SOCKET_OPTIONS);

struct socket_input {
    struct listener *listener;
};

static void take(void *context, struct sink *sink, const struct arrival *arrival)
{
    (void)context;
    arrival_describe(arrival, sink_event(sink));
}

static struct listener_config setup(const struct socket_config *cfg)
{
    static const struct framing framings[] = {
        [BY_NEWLINE] = { .kind = FRAMING_LINES, .delimiter = '\n' },
        [BY_NUL] = { .kind = FRAMING_LINES, .delimiter = '\0' },
        [BY_LENGTH_2] = { .kind = FRAMING_LENGTH, .prefix_bytes = 2 },
        [BY_LENGTH_4] = { .kind = FRAMING_LENGTH, .prefix_bytes = 4 },
    };
    const struct framing *framing = &framings[cfg->framing];

    return (struct listener_config){ LISTENER_SETTINGS(cfg), .framing.kind = framing->kind,
                                     .framing.delimiter = framing->delimiter,
                                     .framing.prefix_bytes = framing->prefix_bytes, .take = take };
}

static bool socket_check(const void *config, struct err *err)
{
    struct listener_config listener = setup(config);

    return listener_check(&listener, err);
}

static uint64_t socket_max_event_bytes(const void *config)
{
    const struct socket_config *cfg = config;

    return listener_event_bytes(cfg->max_record_bytes);
}

static uint64_t socket_memory_bytes(const void *config)
{
    struct listener_config listener = setup(config);

    return listener_memory_bytes(&listener);
}

static bool socket_open(void *state, const void *config, const struct host *host, struct err *err)
{
    struct socket_input *in = state;
    struct listener_config listener = setup(config);

    in->listener = listener_open(&listener, host, err);
    return in->listener != NULL;
}

static enum collected socket_collect(void *state, struct sink *sink)
{
    struct socket_input *in = state;

    return listener_collect(in->listener, sink);
}

static void socket_wait(void *state, struct waits *waits)
{
    struct socket_input *in = state;

    listener_wait(in->listener, waits);
}

static enum collected socket_last(void *state, struct sink *sink)
{
    struct socket_input *in = state;

    return listener_last(in->listener, sink);
}

static void socket_attend(void *state, struct sink *sink)
{
    struct socket_input *in = state;

    listener_attend(in->listener, sink);
}

static bool socket_change(void *state, const void *config, const struct host *host, struct err *err)
{
    struct socket_input *in = state;
    struct listener_config listener = setup(config);

    return listener_change(in->listener, &listener, host, err);
}

static void socket_close(void *state)
{
    struct socket_input *in = state;

    listener_close(&in->listener);
}

const struct input input_socket = {
    .type = { PLUGIN_TYPE("socket",
                          "Lines or records that are sent over TCP, TLS, UDP or unix sockets",
                          socket_config, socket_input),
              .max_event_bytes = socket_max_event_bytes, .memory_bytes = socket_memory_bytes,
              .check = socket_check },
    .open = socket_open,
    .collect = socket_collect,
    .wait = socket_wait,
    .last = socket_last,
    .attend = socket_attend,
    .close = socket_close,
    .change = socket_change,
};
