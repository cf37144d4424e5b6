/* SPDX-License-Identifier: Apache-2.0 */
/* prometheus: what targets expose for a Prometheus, scraped each interval: all at once, so that one
 * that hangs holds nobody.
 * Each sample is an event, with `up`, scrape_duration_seconds and scrape_samples_scraped for each
 * target and scrape. A scrape that breaks off has sent what came before; up: 0 says so. Lines that
 * are not understood, and samples over max_samples, are counted as malformed. A series that a
 * scrape has no more gets one last event without a value, as has each of a target that cannot be
 * had or that a reload took out; not when the agent stops, for it may come back. What of a scrape
 * has not come by then is not taken. While lanes are full (overflow: block) scrapes wait, and may
 * run into their timeout. Runs in its reading's thread: curl's sockets are in an epoll that the
 * reading waits for. */
#include "plugin.h"

#include "prometheus/targets.h"

#include <sys/epoll.h>

enum { TARGETS_MOST = 64, EVENTS_AT_ONCE = 64, EVENT_EXTRA = 8 * 1024, LEFT_MOST = 4 };

struct prometheus {
    CURLM *multi;
    int epoll;
    struct known known;
    struct targets targets;
    struct targets left[LEFT_MOST]; /* until the next round: a reload may go back to them */
    size_t left_count;
    int64_t interval_ms, timeout_ms;
    int64_t next_ms; /* 0: at once */
};

/* ---- sockets ---- */

/* curl's callback; -1 makes its transfers fail. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
{
    const struct prometheus *prometheus = context;
    struct epoll_event event = { .data.fd = fd };

    (void)easy;
    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(prometheus->epoll, EPOLL_CTL_DEL, fd, NULL); /* may be closed already */
        return 0;
    }
    event.events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                   ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);
    if (epoll_ctl(prometheus->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    return errno == EEXIST ? epoll_ctl(prometheus->epoll, EPOLL_CTL_MOD, fd, &event) : -1;
}

static void move_transfers(struct prometheus *prometheus)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    long timer_ms = -1;
    int running;

    int count = epoll_wait(prometheus->epoll, events, EVENTS_AT_ONCE, 0);
    for (int i = 0; i < count; i++) {
        int bits = ((events[i].events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                   ((events[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0);
        if ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0)
            bits = 0; /* curl finds out by itself */
        (void)curl_multi_socket_action(prometheus->multi, events[i].data.fd, bits, &running);
    }
    (void)curl_multi_timeout(prometheus->multi, &timer_ms);
    if (timer_ms == 0)
        (void)curl_multi_socket_action(prometheus->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

/* ---- scrapes ---- */

static void begin(struct prometheus *prometheus, struct target *target, struct sink *sink)
{
    if (target->is_running || !target_begin(target, prometheus->timeout_ms, sink))
        return;
    if (curl_multi_add_handle(prometheus->multi, target->easy) == CURLM_OK)
        target->is_running = true;
    else
        target_end(target, CURLE_OUT_OF_MEMORY, sink);
}

static void begin_if_due(struct prometheus *prometheus, struct sink *sink)
{
    int64_t now_ms = clock_now_ms();

    if (now_ms < prometheus->next_ms)
        return;
    for (size_t i = 0; i < prometheus->targets.count; i++)
        begin(prometheus, &prometheus->targets.items[i], sink);
    if (prometheus->next_ms == 0)
        prometheus->next_ms = now_ms;
    prometheus->next_ms +=
        ((now_ms - prometheus->next_ms) / prometheus->interval_ms + 1) * prometheus->interval_ms;
}

static void end_those_done(struct prometheus *prometheus, struct sink *sink)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(prometheus->multi, &left)) != NULL) {
        struct target *target = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        CHECK(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &target) == CURLE_OK);
        target_end(target, code, sink);
        (void)curl_multi_remove_handle(prometheus->multi, target->easy);
        target->is_running = false;
    }
}

static void let_leave(struct prometheus *prometheus, struct sink *sink)
{
    for (size_t i = 0; i < prometheus->left_count; i++)
        targets_leave(&prometheus->left[i], &prometheus->targets, prometheus->multi, sink);
    prometheus->left_count = 0;
}

static enum collected prometheus_collect(void *state, struct sink *sink)
{
    struct prometheus *prometheus = state;

    let_leave(prometheus, sink);
    for (size_t i = 0; i < prometheus->targets.count; i++)
        prometheus->targets.items[i].sink = sink;
    begin_if_due(prometheus, sink);
    move_transfers(prometheus);
    end_those_done(prometheus, sink);
    sink_set(sink, SINK_SERIES, prometheus->known.count);
    return COLLECT_IDLE;
}

/* A scrape takes up to its timeout, so it is not waited for. */
static enum collected prometheus_last(void *state, struct sink *sink)
{
    struct prometheus *prometheus = state;

    for (size_t i = 0; i < prometheus->left_count; i++)
        targets_abandon(&prometheus->left[i], prometheus->multi, sink);
    targets_abandon(&prometheus->targets, prometheus->multi, sink);
    return COLLECT_DONE;
}

static void prometheus_wait(void *state, struct waits *waits)
{
    struct prometheus *prometheus = state;
    int64_t now_ms = clock_now_ms();
    long timer_ms = -1;

    (void)curl_multi_timeout(prometheus->multi, &timer_ms);
    waits->fds[waits->fd_count++] = prometheus->epoll;
    waits->until_ms = prometheus->next_ms > 0 ? prometheus->next_ms : now_ms;
    if (timer_ms >= 0 && now_ms + timer_ms < waits->until_ms)
        waits->until_ms = now_ms + timer_ms;
}

/* ---- life ---- */

static bool prometheus_check(const void *config, struct err *err)
{
    const struct prometheus_config *cfg = config;
    char host[TARGET_HOST_BYTES];
    int64_t port;

    if (cfg->targets.count == 0 || cfg->targets.count > TARGETS_MOST)
        return err_set(err, "targets: name 1 to %d", TARGETS_MOST);
    for (size_t i = 0; i < cfg->targets.count; i++) {
        if (!target_address_read(cfg->targets.items[i], host, &port, err))
            return false;
    }
    if ((cfg->auth__user[0] != '\0') + (cfg->auth__bearer_token[0] != '\0') +
            (cfg->auth__bearer_token_file[0] != '\0') >
        1)
        return err_set(err, "auth: a user or a token, not both");
    if ((cfg->tls__cert_file[0] == '\0') != (cfg->tls__key_file[0] == '\0'))
        return err_set(err, "tls.cert_file and tls.key_file belong together");
    return true;
}

static void close_all_left(struct prometheus *prometheus)
{
    for (size_t i = 0; i < prometheus->left_count; i++)
        targets_close(&prometheus->left[i], prometheus->multi);
    prometheus->left_count = 0;
}

static void prometheus_close(void *state)
{
    struct prometheus *prometheus = state;

    close_all_left(prometheus);
    targets_close(&prometheus->targets, prometheus->multi);
    if (prometheus->multi != NULL)
        (void)curl_multi_cleanup(prometheus->multi); /* may still call back for its sockets */
    if (prometheus->epoll >= 0)
        (void)close(prometheus->epoll);
    known_fini(&prometheus->known);
}

static void use_config(struct prometheus *prometheus, const struct prometheus_config *config,
                       const struct host *host)
{
    prometheus->known.max_bytes = config->max_series_memory;
    prometheus->interval_ms = host->interval_ms;
    prometheus->timeout_ms =
        config->timeout < host->interval_ms ? config->timeout : host->interval_ms;
    if (prometheus->next_ms > clock_now_ms() + prometheus->interval_ms)
        prometheus->next_ms = clock_now_ms() + prometheus->interval_ms;
    targets_use(&prometheus->targets, config);
    for (size_t i = 0; i < prometheus->left_count; i++)
        targets_use(&prometheus->left[i], config); /* theirs goes */
    (void)curl_multi_setopt(prometheus->multi, CURLMOPT_MAXCONNECTS, (long)config->targets.count);
}

static bool open_all(struct prometheus *prometheus, const struct prometheus_config *config,
                     const struct host *host, struct err *err)
{
    uint64_t seed;

    random_bytes(&seed, sizeof(seed));
    prometheus->epoll = epoll_create1(EPOLL_CLOEXEC);
    prometheus->multi = curl_multi_init();
    if (prometheus->epoll < 0 || prometheus->multi == NULL ||
        !known_init(&prometheus->known, config->max_series_memory, seed) ||
        curl_multi_setopt(prometheus->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) != CURLM_OK ||
        curl_multi_setopt(prometheus->multi, CURLMOPT_SOCKETDATA, prometheus) != CURLM_OK)
        return err_set(err, "cannot set up transfers: %s", strerror(errno));
    return targets_open(&prometheus->targets, config, host, &prometheus->known, err);
}

static bool prometheus_open(void *state, const void *config, const struct host *host,
                            struct err *err)
{
    struct prometheus *prometheus = state;

    if (open_all(prometheus, config, host, err)) {
        use_config(prometheus, config, host);
        return true;
    }
    prometheus_close(prometheus);
    return false;
}

/* ---- another configuration ---- */

static bool go_back(struct prometheus *prometheus, uint64_t wishes)
{
    for (size_t i = 0; i < prometheus->left_count; i++) {
        if (prometheus->left[i].wishes != wishes)
            continue;
        struct targets targets = prometheus->left[i];
        prometheus->left[i] = prometheus->targets;
        prometheus->targets = targets;
        return true;
    }
    return false;
}

/* Other targets are opened beside; those of before leave in the next round, when it is known that
 * there is no way back. */
static bool prometheus_change(void *state, const void *config, const struct host *host,
                              struct err *err)
{
    struct prometheus *prometheus = state;
    uint64_t wishes = targets_wishes(config, host);
    struct targets opened;

    if (wishes != prometheus->targets.wishes && !go_back(prometheus, wishes)) {
        if (prometheus->left_count == LEFT_MOST)
            return err_set(err, "changes before this one are not through yet");
        if (!targets_open(&opened, config, host, &prometheus->known, err))
            return false;
        prometheus->left[prometheus->left_count++] = prometheus->targets;
        prometheus->targets = opened;
    }
    use_config(prometheus, config, host);
    return true;
}

static uint64_t prometheus_max_event_bytes(const void *config)
{
    const struct prometheus_config *cfg = config;
    uint64_t bytes = TARGET_LINE_BYTES + EVENT_EXTRA;

    for (size_t i = 0; i < cfg->labels.count; i++)
        bytes += strlen(cfg->labels.items[i].key) + strlen(cfg->labels.items[i].value);
    return bytes;
}

static uint64_t prometheus_memory_bytes(const void *config)
{
    const struct prometheus_config *cfg = config;
    uint64_t bytes = cfg->max_series_memory + known_table_bytes(cfg->max_series_memory);

    for (size_t i = 0; i < cfg->targets.count; i++)
        bytes += sizeof(struct target) + TARGET_LINE_BYTES + TARGET_READ_BYTES +
                 target_address_memory(cfg->targets.items[i], cfg);
    return bytes;
}

const struct input input_prometheus = {
    .type = { PLUGIN_TYPE("prometheus", "What others expose for a Prometheus, scraped",
                          prometheus_config, prometheus),
              .traits = INPUT_TIMED, .max_event_bytes = prometheus_max_event_bytes,
              .memory_bytes = prometheus_memory_bytes, .check = prometheus_check },
    .open = prometheus_open,
    .collect = prometheus_collect,
    .wait = prometheus_wait,
    .close = prometheus_close,
    .last = prometheus_last,
    .change = prometheus_change,
};
