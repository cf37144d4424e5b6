/* SPDX-License-Identifier: Apache-2.0 */
/* syslog: messages of syslog, from programs of this host and from elsewhere.
 * The listener gives one message after the other, whatever carried it; the parser tells its parts;
 * here they get the names of the OpenTelemetry logs data model, and those of the Elastic Common
 * Schema where that model has none: the same as journald and kmsg use.
 * Runs in its reading's thread. */
#include "plugin.h"

#include "syslog/event.h"
#include "syslog/message.h"

#define SYSLOG_SCHEMES "udp://|tcp://|tls://|unix://|unixgram://|systemd:|fd:"
#define SYSLOG_OPTIONS(X, T)                                                                       \
    LISTENER_OPTIONS(X, T, SYSLOG_SCHEMES, "64KiB")                                                \
    X(T, time_zone, text, "local", ANY, ANY,                                                       \
      "Of times that tell none: local, UTC, an offset as +02:00, or a name as Europe/Berlin")      \
    X(T, original, flag, "no", ANY, ANY, "Also the message as it came, as log.record.original")
DECLARE_OPTIONS(syslog_config, SYSLOG_OPTIONS);

enum { ZONE_NAME_BYTES = 64 };
struct named_zone {
    char name[ZONE_NAME_BYTES];
    struct zone zone;
};

struct syslog {
    bool keeps_original;
    struct listener *listener;
    struct named_zone zone, former; /* a reload that is undone goes back to the former */
    uint64_t unparsed;              /* of this collect */
};

static void take(void *context, struct sink *sink, const struct arrival *arrival)
{
    struct syslog *syslog = context;
    struct event *event = sink_event(sink);
    struct syslog_context surroundings = { .zone = &syslog->zone.zone,
                                           .now_ns = event->observed_ns,
                                           .is_local = arrival->peer->address_bytes == 0 };
    struct syslog_message message;

    syslog_parse(arrival->data, &surroundings, &message);
    arrival_describe(arrival, event);
    syslog_fill_event(&message, event);
    if (syslog->keeps_original)
        event_text(event, "log.record.original", arrival->data);
    syslog->unparsed += message.problem == NULL ? 0 : 1;
}

static struct listener_config setup(const struct syslog_config *cfg, struct syslog *syslog)
{
    struct listener_config config = { LISTENER_SETTINGS(cfg), .take = take, .context = syslog };

    config.framing.kind = FRAMING_SYSLOG;
    config.framing.delimiter = '\n';
    return config;
}

static bool open_zone(const char *name, struct named_zone *ret, struct err *err)
{
    struct named_zone named;

    if (!zone_open(name, &named.zone, err))
        return false;
    (void)snprintf(named.name, sizeof(named.name), "%s", name);
    *ret = named;
    return true;
}

static bool syslog_open(void *state, const void *config, const struct host *host, struct err *err)
{
    const struct syslog_config *cfg = config;
    struct syslog *syslog = state;
    struct listener_config listening = setup(cfg, syslog);

    syslog->keeps_original = cfg->original;
    if (!open_zone(cfg->time_zone, &syslog->zone, err))
        return false;
    syslog->listener = listener_open(&listening, host, err);
    if (syslog->listener == NULL)
        zone_fini(&syslog->zone.zone);
    return syslog->listener != NULL;
}

static void count_unparsed(struct syslog *syslog, struct sink *sink)
{
    sink_add(sink, SINK_LINES_UNPARSED, syslog->unparsed);
    syslog->unparsed = 0;
}

static enum collected syslog_collect(void *state, struct sink *sink)
{
    struct syslog *syslog = state;
    enum collected collected = listener_collect(syslog->listener, sink);

    count_unparsed(syslog, sink);
    return collected;
}

static void syslog_attend(void *state, struct sink *sink)
{
    struct syslog *syslog = state;

    listener_attend(syslog->listener, sink);
}

static enum collected syslog_last(void *state, struct sink *sink)
{
    struct syslog *syslog = state;
    enum collected collected = listener_last(syslog->listener, sink);

    count_unparsed(syslog, sink);
    return collected;
}

static void syslog_wait(void *state, struct waits *waits)
{
    struct syslog *syslog = state;
    listener_wait(syslog->listener, waits);
}

static void exchange_zones(struct syslog *syslog)
{
    struct named_zone zone = syslog->zone;

    syslog->zone = syslog->former;
    syslog->former = zone;
}

/* Makes the named zone the present one; the one before stays at hand. */
static bool change_zone(struct syslog *syslog, const char *name, struct err *err)
{
    struct named_zone next;

    if (strcmp(name, syslog->zone.name) == 0)
        return true;
    if (strcmp(name, syslog->former.name) != 0) {
        if (!open_zone(name, &next, err))
            return false;
        zone_fini(&syslog->former.zone);
        syslog->former = next;
    }
    exchange_zones(syslog);
    return true;
}

static bool syslog_change(void *state, const void *config, const struct host *host, struct err *err)
{
    const struct syslog_config *cfg = config;
    struct syslog *syslog = state;
    struct listener_config listening = setup(cfg, syslog);
    bool is_other_zone = strcmp(cfg->time_zone, syslog->zone.name) != 0;

    if (!change_zone(syslog, cfg->time_zone, err))
        return false;
    if (!listener_change(syslog->listener, &listening, host, err)) {
        if (is_other_zone)
            exchange_zones(syslog);
        return false;
    }
    syslog->keeps_original = cfg->original;
    return true;
}

static void syslog_close(void *state)
{
    struct syslog *syslog = state;

    listener_close(&syslog->listener);
    zone_fini(&syslog->zone.zone);
    zone_fini(&syslog->former.zone);
}

static uint64_t syslog_max_event_bytes(const void *config)
{
    const struct syslog_config *cfg = config;
    uint64_t original_bytes = cfg->original ? cfg->max_record_bytes : 0;

    return listener_event_bytes(cfg->max_record_bytes) + original_bytes + SYSLOG_EVENT_EXTRA;
}

static uint64_t syslog_memory_bytes(const void *config)
{
    struct listener_config listening = setup(config, NULL);

    return listener_memory_bytes(&listening);
}

static bool syslog_check(const void *config, struct err *err)
{
    const struct syslog_config *cfg = config;
    struct listener_config listening = setup(cfg, NULL);

    if (!zone_is_name(cfg->time_zone) || strlen(cfg->time_zone) >= ZONE_NAME_BYTES)
        return err_set(err, "time_zone: '%s' is no time zone: local, UTC, +02:00, Europe/Berlin",
                       cfg->time_zone);
    return listener_check(&listening, err);
}

const struct input input_syslog = {
    .type = { PLUGIN_TYPE("syslog", "Messages of syslog (RFC 3164, RFC 5424), as a server",
                          syslog_config, syslog),
              .max_event_bytes = syslog_max_event_bytes, .memory_bytes = syslog_memory_bytes,
              .check = syslog_check },
    .open = syslog_open,
    .collect = syslog_collect,
    .last = syslog_last,
    .attend = syslog_attend,
    .wait = syslog_wait,
    .close = syslog_close,
    .change = syslog_change,
};
