/* SPDX-License-Identifier: Apache-2.0 */
/* statsd: samples of applications, aggregated from one flush to the next.
 * Books: events begin where a series is sent at a flush. Before that there are samples, which have
 * their own numbers: each value that was understood is in `samples`; those among them that found no
 * series of their own are in `samples_overflowed`, too. A line that is not understood is shipped
 * as it is, as a log event, and counted (lines_unparsed). Datagrams that the kernel dropped are
 * lost upstream, as those of every listener. What is aggregated and not sent yet is sent when the
 * agent stops; a kill loses it, which is one interval at most.
 * Runs in its reading's thread. */
#include "plugin.h"

#include "statsd/emit.h"
#include "statsd/number.h"

#include <sys/random.h>

#define STATSD_SCHEMES "udp://|tcp://|unix://|unixgram://|systemd:|fd:"
#define STATSD_OPTIONS(X, T)                                                                       \
    LISTENER_OPTIONS(X, T, STATSD_SCHEMES, "8KiB")                                                 \
    X(T, flush_interval, duration, "10s", "100ms", "1h",                                           \
      "Aggregate for so long, then send what got samples")                                         \
    X(T, temporality, choice, "cumulative", "cumulative|delta", ANY,                               \
      "Of counters and of the counts and sums of timers: since the series began, or since the "    \
      "flush before")                                                                              \
    X(T, quantiles, list, "0.5, 0.95, 0.99", ANY, ANY,                                             \
      "Of timers, histograms and distributions, each within 1 % of the value")                     \
    X(T, max_series, count, "10000", "8", "1000000",                                               \
      "Series at a time; samples of more go to otel.metric.overflow, by name")                     \
    X(T, max_series_memory, size, "8MiB", "64KiB", "1GiB", "Memory that series may take")          \
    X(T, expire, duration, "5m", "1s", "7d",                                                       \
      "A series without samples for so long is forgotten, and its room is free")
DECLARE_OPTIONS(statsd_config, STATSD_OPTIONS);

enum statsd_temporality { STATSD_CUMULATIVE, STATSD_DELTA };
enum { EVENT_EXTRA = 8 * 1024 };

struct statsd {
    struct listener *listener;
    struct series_table table;
    double quantiles[QUANTILES_MOST];
    size_t quantile_count;
    bool is_delta;
    int64_t interval_ms, expire_ms;
    int64_t begin_ns, due_ms; /* of the interval that runs */
    int64_t now_ns, now_ms;   /* of this collect */
    uint64_t samples, overflowed, unparsed;
};

/* ---- options ---- */

static bool read_quantiles(const struct text_list *list, double *ret, size_t *ret_count,
                           struct err *err)
{
    if (list->count > QUANTILES_MOST)
        return err_set(err, "quantiles: more than %d", QUANTILES_MOST);
    for (size_t i = 0; i < list->count; i++) {
        if (!statsd_number(slice_of(list->items[i]), &ret[i]) || ret[i] < 0 || ret[i] > 1)
            return err_set(err, "quantiles: '%s' is not between 0 and 1", list->items[i]);
    }
    *ret_count = list->count;
    return true;
}

static void take(void *context, struct sink *sink, const struct arrival *arrival);

static struct listener_config setup(const struct statsd_config *cfg, struct statsd *statsd)
{
    struct listener_config config = { LISTENER_SETTINGS(cfg), .take = take, .context = statsd };

    config.framing.kind = FRAMING_LINES;
    config.framing.delimiter = '\n';
    config.has_framed_datagrams = true;
    return config;
}

static bool statsd_check(const void *config, struct err *err)
{
    const struct statsd_config *cfg = config;
    struct listener_config listening = setup(cfg, NULL);
    double quantiles[QUANTILES_MOST];
    size_t count;

    return read_quantiles(&cfg->quantiles, quantiles, &count, err) &&
           listener_check(&listening, err);
}

static void take_options(struct statsd *statsd, const struct statsd_config *cfg)
{
    struct err ignored;

    (void)read_quantiles(&cfg->quantiles, statsd->quantiles, &statsd->quantile_count, &ignored);
    statsd->is_delta = cfg->temporality == STATSD_DELTA;
    statsd->interval_ms = cfg->flush_interval;
    statsd->expire_ms = cfg->expire;
}

static void begin_interval(struct statsd *statsd)
{
    statsd->begin_ns = clock_real_ns();
    statsd->due_ms = clock_now_ms() + statsd->interval_ms;
}

static bool statsd_open(void *state, const void *config, const struct host *host, struct err *err)
{
    const struct statsd_config *cfg = config;
    struct statsd *statsd = state;
    struct listener_config listening = setup(cfg, statsd);
    uint64_t seed;

    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        return err_set(err, "no random number: %s", strerror(errno));
    take_options(statsd, cfg);
    if (!series_table_init(&statsd->table, cfg->max_series, cfg->max_series_memory, seed))
        return err_set(err, "out of memory for %llu series", (unsigned long long)cfg->max_series);
    begin_interval(statsd);
    statsd->listener = listener_open(&listening, host, err);
    if (statsd->listener == NULL)
        series_table_fini(&statsd->table);
    return statsd->listener != NULL;
}

/* ---- lines ---- */

static void ship_raw(struct statsd *statsd, struct sink *sink, const struct arrival *arrival,
                     const char *problem)
{
    struct event *event = sink_event(sink);

    arrival_describe(arrival, event);
    event_text(event, "log.parse_error", slice_of(problem));
    statsd->unparsed++;
}

static const char *take_event(struct sink *sink, const struct arrival *arrival)
{
    struct statsd_event parsed;
    const char *problem = statsd_parse_event(arrival->data, &parsed);

    if (problem != NULL)
        return problem;
    struct event *event = sink_event(sink);
    emit_event(event, &parsed);
    arrival_peer(arrival, event);
    return NULL;
}

static const char *take_sample(struct statsd *statsd, struct slice line)
{
    struct statsd_sample sample;
    struct statsd_value value;
    const char *problem = statsd_parse_sample(line, &sample);

    if (problem != NULL)
        return problem;
    while (statsd_value(&sample, &value)) {
        enum series_place place =
            series_add(&statsd->table, &sample, &value, statsd->now_ns, statsd->now_ms);
        statsd->samples++;
        statsd->overflowed += place == SERIES_OWN ? 0 : 1;
    }
    return NULL;
}

static void take(void *context, struct sink *sink, const struct arrival *arrival)
{
    struct statsd *statsd = context;
    const char *problem;

    if (arrival->whole_bytes > arrival->data.bytes || arrival->is_unfinished)
        problem = "the line is not whole";
    else if (statsd_is_event(arrival->data))
        problem = take_event(sink, arrival);
    else
        problem = take_sample(statsd, arrival->data);
    if (problem != NULL)
        ship_raw(statsd, sink, arrival, problem);
}

/* ---- flushes ---- */

static void flush(struct statsd *statsd, struct sink *sink)
{
    struct emission emission = { .sink = sink,
                                 .begin_ns = statsd->begin_ns,
                                 .end_ns = statsd->now_ns,
                                 .is_delta = statsd->is_delta,
                                 .quantiles = statsd->quantiles,
                                 .quantile_count = statsd->quantile_count };

    for (size_t i = 0; i < statsd->table.slot_count; i++) {
        if (statsd->table.slots[i] != NULL)
            emit_series(&emission, statsd->table.slots[i]);
    }
    (void)sink_flush(sink); /* the events point into the series */
    series_expire(&statsd->table, statsd->now_ms - statsd->expire_ms);
    statsd->begin_ns = statsd->now_ns;
    statsd->due_ms += statsd->interval_ms;
    if (statsd->due_ms <= statsd->now_ms) /* the machine slept, or a lane was full */
        statsd->due_ms = statsd->now_ms + statsd->interval_ms;
}

static void count(struct statsd *statsd, struct sink *sink)
{
    sink_add(sink, SINK_SAMPLES, statsd->samples);
    sink_add(sink, SINK_SAMPLES_OVERFLOWED, statsd->overflowed);
    sink_add(sink, SINK_LINES_UNPARSED, statsd->unparsed);
    sink_set(sink, SINK_SERIES, statsd->table.count);
    statsd->samples = statsd->overflowed = statsd->unparsed = 0;
}

static void note_time(struct statsd *statsd)
{
    statsd->now_ns = clock_real_ns();
    statsd->now_ms = clock_now_ms();
}

static enum collected statsd_collect(void *state, struct sink *sink)
{
    struct statsd *statsd = state;

    note_time(statsd);
    enum collected collected = listener_collect(statsd->listener, sink);
    note_time(statsd);
    if (statsd->now_ms >= statsd->due_ms)
        flush(statsd, sink);
    count(statsd, sink);
    return collected;
}

static void statsd_attend(void *state, struct sink *sink)
{
    struct statsd *statsd = state;

    listener_attend(statsd->listener, sink);
}

static enum collected statsd_last(void *state, struct sink *sink)
{
    struct statsd *statsd = state;

    note_time(statsd);
    enum collected collected = listener_last(statsd->listener, sink);
    if (collected != COLLECT_MORE)
        flush(statsd, sink);
    count(statsd, sink);
    return collected;
}

static void statsd_wait(void *state, struct waits *waits)
{
    struct statsd *statsd = state;

    listener_wait(statsd->listener, waits);
    if (waits->until_ms == 0 || statsd->due_ms < waits->until_ms)
        waits->until_ms = statsd->due_ms;
}

/* ---- life ---- */

/* Series stay. With less room than they take there will be no more until enough have expired. */
static bool statsd_change(void *state, const void *config, const struct host *host, struct err *err)
{
    const struct statsd_config *cfg = config;
    struct statsd *statsd = state;
    struct listener_config listening = setup(cfg, statsd);

    if (!series_table_reserve(&statsd->table, cfg->max_series))
        return err_set(err, "out of memory for %llu series", (unsigned long long)cfg->max_series);
    if (!listener_change(statsd->listener, &listening, host, err))
        return false;
    take_options(statsd, cfg);
    statsd->table.max_series = cfg->max_series;
    statsd->table.max_bytes = cfg->max_series_memory;
    if (statsd->due_ms > clock_now_ms() + statsd->interval_ms)
        statsd->due_ms = clock_now_ms() + statsd->interval_ms;
    return true;
}

static void statsd_close(void *state)
{
    struct statsd *statsd = state;

    listener_close(&statsd->listener);
    series_table_fini(&statsd->table);
}

static uint64_t statsd_max_event_bytes(const void *config)
{
    const struct statsd_config *cfg = config;

    return listener_event_bytes(cfg->max_record_bytes) + EVENT_EXTRA;
}

static uint64_t statsd_memory_bytes(const void *config)
{
    const struct statsd_config *cfg = config;
    struct listener_config listening = setup(cfg, NULL);

    return listener_memory_bytes(&listening) + series_table_bytes(cfg->max_series) +
           cfg->max_series_memory;
}

const struct input input_statsd = {
    .type = { PLUGIN_TYPE("statsd", "Samples of statsd and DogStatsD, aggregated", statsd_config,
                          statsd),
              .max_event_bytes = statsd_max_event_bytes, .memory_bytes = statsd_memory_bytes,
              .check = statsd_check },
    .open = statsd_open,
    .collect = statsd_collect,
    .last = statsd_last,
    .attend = statsd_attend,
    .wait = statsd_wait,
    .close = statsd_close,
    .change = statsd_change,
};
