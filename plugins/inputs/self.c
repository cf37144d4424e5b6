/* SPDX-License-Identifier: Apache-2.0 */
/* self: what the agent says of itself, as events for its own outputs: the metrics of /metrics, and
 * the news of its log. It cannot feed itself: the report lines of the books, which every event
 * moves, are no news, and the log has a bound of its own, whatever fails. Runs in its reading's
 * thread. */
#include "self/lines.h"
#include "self/samples.h"

enum { METRICS_BYTES_MOST = 16 * 1024 * 1024, LINE_ROOM = 2048 };

#define SELF_OPTIONS(X, T)                                                                         \
    X(T, metrics, flag, "yes", ANY, ANY,                                                           \
      "The samples of /metrics, under the same names, each interval")                              \
    X(T, logs, flag, "yes", ANY, ANY,                                                              \
      "The lines of the agent's own log, but for the ledger's, each interval")
DECLARE_OPTIONS(self_config, SELF_OPTIONS);

struct self {
    const struct self_config *config;
    int64_t begin_ns; /* Unix: of the counters */
    uint64_t line;    /* the last one that was taken */
    bool has_lines;   /* what was gone before the first look was never this input's to lose */
};

static bool self_check(const void *config, struct err *err)
{
    const struct self_config *cfg = config;

    return cfg->metrics || cfg->logs || err_set(err, "neither metrics nor logs: nothing is left");
}

static bool self_open(void *state, const void *config, const struct host *host, struct err *err)
{
    struct self *self = state;

    (void)host, (void)err;
    self->config = config;
    self->begin_ns = clock_real_ns();
    return true;
}

/* It goes on where it was: neither does a line come twice, nor do the counters begin anew. */
static bool self_change(void *state, const void *config, const struct host *host, struct err *err)
{
    struct self *self = state;

    (void)host, (void)err;
    self->config = config;
    return true;
}

static void collect_logs(struct self *self, struct sink *sink)
{
    char text[LINE_ROOM];
    struct log_news news;
    uint64_t lost, lost_lines = 0, last = log_ring_last();

    /* Not beyond what is there now: a line about this very input waits for the next round. */
    while (self->line < last && log_ring_next(&self->line, text, sizeof(text), &news, &lost)) {
        lost_lines += self->has_lines ? lost : 0;
        self->has_lines = true;
        self_line(sink_event(sink), &news);
    }
    if (lost_lines > 0)
        sink_lost(sink, "the agent's own log", lost_lines, 0);
}

static bool collect_metrics(struct self *self, struct sink *sink)
{
    struct buf text = { .limit = METRICS_BYTES_MOST };
    bool ok = sink_own_metrics(sink, &text);

    if (!ok)
        sink_tell(sink, LOG_WARN, "cannot collect", "metrics", "out of memory");
    else if (self_samples(sink, text.data, clock_real_ns(), self->begin_ns) > 0)
        sink_tell(sink, LOG_ERROR, "some metrics are not understood, this is a bug", "metrics", "");
    (void)sink_flush(sink); /* the events point into the text */
    buf_fini(&text);
    return ok;
}

static enum collected self_collect(void *state, struct sink *sink)
{
    struct self *self = state;
    bool ok = true;

    if (self->config->logs)
        collect_logs(self, sink);
    else
        self->has_lines = false; /* what goes meanwhile is not lost */
    if (self->config->metrics)
        ok = collect_metrics(self, sink);
    return ok ? COLLECT_IDLE : COLLECT_FAILED;
}

const struct input input_self = {
    .type = { PLUGIN_TYPE("self", "The agent's own metrics and log lines", self_config, self),
              .traits = INPUT_SAMPLES, .check = self_check },
    .open = self_open,
    .collect = self_collect,
    .change = self_change,
};
