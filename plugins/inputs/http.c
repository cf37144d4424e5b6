/* SPDX-License-Identifier: Apache-2.0 */
/* http: events that applications and other agents send over HTTP, answered honestly: 200 is said
 * only for what all lanes have taken. Runs in its reading's thread, which sleeps on the descriptor
 * of libmicrohttpd; while the agent drains, too. */
#include "http/state.h"

enum { EVENT_EXTRA = 128 };

static bool http_input_check(const void *config, struct err *err)
{
    const struct http_input_config *cfg = config;
    struct fields fields;

    if (cfg->max_pending_bytes < cfg->max_body_bytes)
        return err_set(err, "max_pending_bytes is below max_body_bytes");
    if (cfg->max_event_bytes > cfg->max_body_bytes)
        return err_set(err, "max_event_bytes is above max_body_bytes");
    return inlet_check(cfg, err) && guard_check(cfg, err) &&
           fields_make(&fields, &cfg->body_fields, &cfg->time_fields, &cfg->severity_fields, err);
}

static struct inlet_config inlet_config_of(struct http_input *input,
                                           const struct http_input_config *config)
{
    return (struct inlet_config){ .options = config,
                                  .on_request = request_serve,
                                  .on_completed = request_completed,
                                  .context = input };
}

/* What follows from the configuration without anything being opened. */
static void use_config(struct http_input *input, const struct http_input_config *config,
                       const struct host *host)
{
    struct err err = { "" };

    input->has_changed = true;
    input->config = config;
    input->host = host;
    input->mapping.host = host;
    input->mapping.max_event_bytes = config->max_event_bytes;
    CHECK(fields_make(&input->mapping.fields, &config->body_fields, &config->time_fields,
                      &config->severity_fields, &err));
    guard_make(&input->guard, config);
    resources_fini(&input->mapping.resources); /* the host's own attributes are in them */
    inlet_set_options(input->inlet, config);
    if (input->old_inlet != NULL) /* it is run once more, and what it was opened with goes */
        inlet_set_options(input->old_inlet, config);
    if (config->max_body_bytes == input->buffer_bytes)
        return;
    input->buffer_bytes = config->max_body_bytes;
    auto_free(&input->expanded);
    auto_free(&input->unescaped);
}

static bool http_input_open(void *state, const void *config, const struct host *host,
                            struct err *err)
{
    struct http_input *input = state;
    struct inlet_config inlet = inlet_config_of(input, config);

    input->inlet = inlet_open(&inlet, NULL, err);
    if (input->inlet == NULL)
        return false;
    use_config(input, config, host);
    return true;
}

/* Its last answers go out. A request that comes in this very run is told to come again: it could
 * not wait for anything, and libmicrohttpd does not end while a connection is suspended. */
static void run_old_inlet(struct http_input *input, int64_t now_ms)
{
    bool is_draining = input->is_draining;

    admit_none(input);
    admit_leave_ends(input);
    input->is_draining = true;
    (void)inlet_run(input->old_inlet, now_ms, &input->due_ms);
    input->is_draining = is_draining;
    inlet_close(&input->old_inlet);
}

static void run_inlets(struct http_input *input, struct sink *sink)
{
    int64_t now_ms = clock_now_ms();

    input->sink = sink;
    input->old_config = NULL;
    if (input->old_inlet != NULL)
        run_old_inlet(input, now_ms);
    admit_again(input, now_ms);
    input->is_run_again = inlet_run(input->inlet, now_ms, &input->due_ms);
    struct inlet_counts counts = inlet_take_counts(input->inlet);
    if (counts.accepted > 0)
        sink_add(sink, SINK_CONNECTIONS_ACCEPTED, counts.accepted);
    if (counts.refused > 0)
        sink_add(sink, SINK_CONNECTIONS_REFUSED, counts.refused);
    if (counts.stuck > 0)
        sink_tell(sink, LOG_ERROR, "cannot accept connections", inlet_bound(input->inlet),
                  "out of descriptors or memory; tried once a second");
    input->sink = NULL;
}

/* After a change, and at the start. */
static void settle(struct http_input *input, struct sink *sink)
{
    struct err err = { "" };

    if (!input->has_changed)
        return;
    input->has_changed = false;
    if (!input->has_told)
        sink_tell(sink, LOG_INFO, "listening", inlet_bound(input->inlet),
                  input->config->listen.items[0]);
    input->has_told = true;
    if (!inlet_adjust(input->inlet, &err))
        sink_tell(sink, LOG_ERROR, "not changed", inlet_bound(input->inlet), err.text);
}

static enum collected http_input_collect(void *state, struct sink *sink)
{
    struct http_input *input = state;

    settle(input, sink);
    input->is_draining = false; /* a reload may have thought better of it */
    run_inlets(input, sink);
    return input->is_run_again ? COLLECT_MORE : COLLECT_IDLE;
}

static void http_input_drain(void *state, struct sink *sink)
{
    struct http_input *input = state;

    input->is_draining = true;
    admit_none(input);
    run_inlets(input, sink);
    if (input->is_run_again)
        run_inlets(input, sink);
}

static void http_input_wait(void *state, struct waits *waits)
{
    struct http_input *input = state;
    int64_t due_ms = admit_due_ms(input);
    int fd = inlet_fd(input->inlet);

    if (fd >= 0)
        waits->fds[waits->fd_count++] = fd;
    waits->until_ms = input->due_ms;
    if (due_ms != 0 && (waits->until_ms == 0 || due_ms < waits->until_ms))
        waits->until_ms = due_ms;
}

static void http_input_answer(void *state, uint64_t id, uint64_t dropped)
{
    admit_settled(state, id, dropped);
}

/* Two changes without a round between them: nobody goes back to what was before the first. */
static void close_old_inlet(struct http_input *input)
{
    if (input->old_inlet == NULL)
        return;
    admit_none(input);
    admit_leave_ends(input);
    inlet_close(&input->old_inlet);
}

/* An inlet in another place, or with another certificate, is opened beside. The one of before stays
 * until the next round: by then it is known that there is no way back. Connections go with it;
 * whoever got no answer sends again. */
static bool change_inlet(struct http_input *input, const struct http_input_config *config,
                         struct err *err)
{
    struct inlet *before = input->inlet;
    bool is_like = inlet_is_like(before, config);

    struct inlet_config inlet = inlet_config_of(input, config);
    struct inlet *opened = is_like ? before : inlet_open(&inlet, before, err);
    if (opened == NULL)
        return false;
    close_old_inlet(input);
    input->old_config = input->config;
    if (is_like)
        return true;
    input->old_inlet = before;
    input->inlet = opened;
    input->has_told = false;
    return true;
}

/* By what it was opened with: the files of a certificate may say something else by now, or be gone,
 * and going back never fails. Where a configuration of later lies at the same address, the place
 * tells them apart. */
static bool is_the_way_back(const struct http_input *input, const struct http_input_config *config)
{
    const struct inlet *inlet = input->old_inlet == NULL ? input->inlet : input->old_inlet;

    return config == input->old_config && inlet_is_at(inlet, config);
}

static void go_back(struct http_input *input)
{
    struct inlet *inlet = input->inlet;

    input->old_config = NULL;
    if (input->old_inlet == NULL)
        return;
    input->inlet = input->old_inlet;
    input->old_inlet = NULL;
    inlet_close(&inlet); /* nobody was let in yet */
}

static bool http_input_change(void *state, const void *config, const struct host *host,
                              struct err *err)
{
    struct http_input *input = state;

    if (is_the_way_back(input, config))
        go_back(input);
    else if (!change_inlet(input, config, err))
        return false;
    use_config(input, config, host);
    return true;
}

/* libmicrohttpd does not end while a connection is suspended. */
static void http_input_close(void *state)
{
    struct http_input *input = state;

    input->is_draining = true;
    admit_none(input);
    admit_leave_ends(input);
    inlet_close(&input->inlet);
    inlet_close(&input->old_inlet);
    CHECK(input->pending_bytes == 0);
    resources_fini(&input->mapping.resources);
    guard_fini(&input->guard);
    free(input->expanded);
    free(input->unescaped);
}

static uint64_t http_input_max_event_bytes(const void *config)
{
    const struct http_input_config *cfg = config;
    return cfg->max_event_bytes + EVENT_EXTRA;
}

static uint64_t http_input_memory_bytes(const void *config)
{
    const struct http_input_config *cfg = config;
    return cfg->max_pending_bytes + 2 * cfg->max_body_bytes + inlet_memory_bytes(cfg);
}

const struct input input_http = {
    .type = { PLUGIN_TYPE("http", "Events sent over HTTP: NDJSON, JSON, lines, OTLP",
                          http_input_config, http_input),
              .max_event_bytes = http_input_max_event_bytes,
              .memory_bytes = http_input_memory_bytes, .check = http_input_check },
    .open = http_input_open,
    .collect = http_input_collect,
    .wait = http_input_wait,
    .answer = http_input_answer,
    .drain = http_input_drain,
    .change = http_input_change,
    .close = http_input_close,
};
