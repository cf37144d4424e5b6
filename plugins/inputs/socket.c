/* SPDX-License-Identifier: Apache-2.0 */
/* socket: what others send: lines or records with their length before them, over TCP, TLS, UDP,
 * unix sockets, FIFOs and inherited descriptors. Runs in its reading's thread. */
#include "plugin.h"

enum socket_framing { BY_NEWLINE, BY_NUL, BY_LENGTH_2, BY_LENGTH_4 };

#define SOCKET_SCHEMES "udp://|tcp://|tls://|unix://|unixgram://|fifo://|fd:|systemd:"
#define SOCKET_OPTIONS(X, T)                                                                       \
    LISTENER_OPTIONS(X, T, SOCKET_SCHEMES, "64KiB")                                                \
    JOINING_OPTIONS(X, T)                                                                          \
    X(T, framing, choice, "newline", "newline|nul|length16|length32", ANY,                         \
      "Where a record of a stream ends: at a newline, at a NUL, or by a length of 2 or 4 bytes, "  \
      "the highest first, before it. A datagram is one record")
DECLARE_OPTIONS(socket_config, SOCKET_OPTIONS);

struct socket_input {
    struct listener *listener;
    struct joining joining; /* of the lines of each connection; a datagram is one event */
};

static void take(void *context, struct sink *sink, const struct arrival *arrival)
{
    struct socket_input *in = context;

    if (in->joining.now == NULL || arrival->is_datagram)
        arrival_describe(arrival, sink_event(sink));
    else
        joining_add(&in->joining, sink, arrival);
}

static void end_connection(void *context, struct sink *sink, const struct peer *peer)
{
    struct socket_input *in = context;

    joining_end(&in->joining, sink, peer);
}

static struct listener_config setup(const struct socket_config *cfg, struct socket_input *in)
{
    static const struct framing framings[] = {
        [BY_NEWLINE] = { .kind = FRAMING_LINES, .delimiter = '\n' },
        [BY_NUL] = { .kind = FRAMING_LINES, .delimiter = '\0' },
        [BY_LENGTH_2] = { .kind = FRAMING_LENGTH, .prefix_bytes = 2 },
        [BY_LENGTH_4] = { .kind = FRAMING_LENGTH, .prefix_bytes = 4 },
    };
    const struct framing *framing = &framings[cfg->framing];

    return (struct listener_config){ LISTENER_SETTINGS(cfg),
                                     .framing.kind = framing->kind,
                                     .framing.delimiter = framing->delimiter,
                                     .framing.prefix_bytes = framing->prefix_bytes,
                                     .take = take,
                                     .end = end_connection,
                                     .context = in };
}

static struct joiner_rules rules_of(const struct socket_config *cfg)
{
    struct listener_config listener = setup(cfg, NULL);

    return (struct joiner_rules)JOINING_RULES(cfg, listener_streams(&listener));
}

static bool check_joining(const struct socket_config *cfg, struct err *err)
{
    struct joiner_rules rules = rules_of(cfg);

    if (!multiline_is_wanted(&rules.lines))
        return true;
    if (cfg->framing != BY_NEWLINE)
        return err_set(err, "multiline: needs framing: newline; other records are whole events");
    for (size_t i = 0; i < cfg->listen.count; i++) {
        const char *address = cfg->listen.items[i];
        if (strncmp(address, "udp://", 6) == 0 || strncmp(address, "unixgram://", 11) == 0)
            return err_set(err, "multiline: '%.80s' brings datagrams, and each is one event",
                           address);
    }
    return joining_check(&rules, err);
}

static bool socket_input_check(const void *config, struct err *err)
{
    struct listener_config listener = setup(config, NULL);

    return listener_check(&listener, err) && check_joining(config, err);
}

static uint64_t socket_max_event_bytes(const void *config)
{
    const struct socket_config *cfg = config;
    struct joiner_rules rules = rules_of(cfg);

    return listener_event_bytes(joining_event_bytes(&rules, cfg->max_record_bytes));
}

static uint64_t socket_memory_bytes(const void *config)
{
    const struct socket_config *cfg = config;
    struct listener_config listener = setup(cfg, NULL);
    struct joiner_rules rules = rules_of(cfg);

    return listener_memory_bytes(&listener) + joining_memory_bytes(&rules, cfg->max_record_bytes);
}

static bool socket_input_open(void *state, const void *config, const struct host *host,
                              struct err *err)
{
    const struct socket_config *cfg = config;
    struct socket_input *in = state;
    struct listener_config listener = setup(cfg, in);
    struct joiner_rules rules = rules_of(cfg);

    if (!joining_set(&in->joining, &rules, cfg->max_record_bytes, err))
        return false;
    in->listener = listener_open(&listener, host, err);
    if (in->listener == NULL)
        joining_fini(&in->joining);
    return in->listener != NULL;
}

static enum collected socket_collect(void *state, struct sink *sink)
{
    struct socket_input *in = state;

    joining_begin(&in->joining, sink);
    enum collected collected = listener_collect(in->listener, sink);
    joining_tend(&in->joining, sink);
    return collected;
}

static void socket_wait(void *state, struct waits *waits)
{
    struct socket_input *in = state;

    listener_wait(in->listener, waits);
    joining_wait(&in->joining, waits);
}

static enum collected socket_last(void *state, struct sink *sink)
{
    struct socket_input *in = state;

    joining_begin(&in->joining, sink);
    return listener_last(in->listener, sink); /* ends all connections */
}

static void socket_attend(void *state, struct sink *sink)
{
    struct socket_input *in = state;

    listener_attend(in->listener, sink);
}

static bool socket_change(void *state, const void *config, const struct host *host, struct err *err)
{
    const struct socket_config *cfg = config;
    struct socket_input *in = state;
    struct listener_config listener = setup(cfg, in);
    struct joiner_rules rules = rules_of(cfg);

    if (!joining_set(&in->joining, &rules, cfg->max_record_bytes, err))
        return false;
    bool has_changed = listener_change(in->listener, &listener, host, err);
    if (!has_changed)
        joining_undo(&in->joining);
    return has_changed;
}

static void socket_input_close(void *state)
{
    struct socket_input *in = state;

    listener_close(&in->listener);
    joining_fini(&in->joining);
}

const struct input input_socket = {
    .type = { PLUGIN_TYPE("socket",
                          "Lines or records that are sent over TCP, TLS, UDP or unix sockets",
                          socket_config, socket_input),
              .max_event_bytes = socket_max_event_bytes, .memory_bytes = socket_memory_bytes,
              .check = socket_input_check },
    .open = socket_input_open,
    .collect = socket_collect,
    .wait = socket_wait,
    .last = socket_last,
    .attend = socket_attend,
    .close = socket_input_close,
    .change = socket_change,
};
