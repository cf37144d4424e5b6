/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <math.h>
#include <strings.h>

enum { TOKEN_MOST_BYTES = 16 * 1024, STATUS_OK = 200, MARKERS_AT_ONCE = 256 };

/* ---- events ---- */

/* What all events of a target have. */
static struct event *begin_event(struct target *target)
{
    struct event *event = sink_event(target->sink);

    event->resource = target->resource;
    event->time_ns = target->began_ns;
    return event;
}

static void add_labels(const struct target *target, struct event *event)
{
    const struct text_map *labels = &target->config->labels;

    for (size_t i = 0; i < labels->count; i++)
        event_set(event, slice_of(labels->items[i].key),
                  (struct value){ .kind = VALUE_TEXT, .text = slice_of(labels->items[i].value) });
}

static void emit(struct target *target, const struct prometheus_sample *sample)
{
    struct event *event = begin_event(target);
    bool is_theirs = sample->has_time && target->config->honor_timestamps;

    event->body = sample->name;
    event->kind = (uint8_t)prometheus_kind(&target->text, sample->name);
    event->unit = prometheus_unit(&target->text, sample->name);
    if (event->unit.data == target->text.unit)
        event->unit = event_keep(event, event->unit);
    event->number = sample->number;
    for (size_t i = 0; i < sample->label_count; i++)
        event_set(event, sample->labels[i].name,
                  (struct value){ .kind = VALUE_TEXT, .text = sample->labels[i].value });
    add_labels(target, event);
    if (is_theirs) /* whoever says the time says when it ends, as for a Prometheus */
        event->time_ns = sample->time_ns;
    else if (!known_note(target->known, target->set, event))
        target->unknown++;
    if (!isfinite(sample->number)) /* JSON has no such numbers */
        event_text(event, "prometheus.value", sample->digits);
}

/* About the target; series like the others, but for those of a scrape they are not counted. */
static void emit_own(struct target *target, const char *name, const char *unit, double number)
{
    struct event *event = begin_event(target);

    event->body = slice_of(name);
    event->kind = EVENT_GAUGE;
    event->unit = slice_of(unit);
    event->number = number;
    add_labels(target, event);
    (void)known_note(target->known, target->set, event);
}

/* ---- series that are gone ---- */

/* Each that had no sample since known_begin(): after a scrape that broke off, each that it has not
 * reached. So at each scrape a series has a value or, once, a marker. */
static void mark_gone(struct target *target)
{
    struct known_series *gone;

    while (!target->is_stopping &&
           (gone = known_take_gone(target->known, target->set, MARKERS_AT_ONCE)) != NULL) {
        for (struct known_series *series = gone; series != NULL;) {
            struct event *event = begin_event(target);
            series = known_fill(series, event);
            event->number = NAN;
            event->flags |= EVENT_NO_VALUE;
        }
        target->is_stopping = !sink_flush(target->sink);
        known_free(&gone);
    }
}

bool target_take_over(struct target *target, struct target *left)
{
    if (target->set->first != NULL || strcmp(target->url, left->url) != 0 ||
        !slice_equals(resource_json(target->resource), resource_json(left->resource)))
        return false;
    struct known_set *set = target->set;
    target->set = left->set;
    left->set = set;
    return true;
}

void target_leave(struct target *target, struct sink *sink)
{
    target->sink = sink;
    target->is_stopping = false;
    target->began_ns = clock_real_ns();
    known_begin(target->set);
    mark_gone(target);
}

/* ---- lines ---- */

static void take_line(struct target *target, const struct line *line)
{
    struct prometheus_sample sample;
    char *text = target->lines.data + (line->text.data - target->lines.data); /* ours to change */
    enum prometheus_line kind = PROMETHEUS_BAD;

    target->line_count++;
    if (line->whole_bytes <= line->text.bytes) /* else it was cut */
        kind = prometheus_read(&target->text, text, line->text.bytes, &sample);
    if (kind == PROMETHEUS_BAD) {
        target->bad++;
        target->bad_bytes += line->whole_bytes;
    } else if (kind == PROMETHEUS_SAMPLE && target->sample_count >= target->config->max_samples) {
        target->dropped++;
        target->dropped_bytes += line->whole_bytes;
    } else if (kind == PROMETHEUS_SAMPLE) {
        target->sample_count++;
        emit(target, &sample);
    }
}

/* ---- the transfer ---- */

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)context;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void begin_body(struct target *target)
{
    const char *type = NULL;
    long status = 0;

    target->is_begun = true;
    (void)curl_easy_getinfo(target->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(target->easy, CURLINFO_CONTENT_TYPE, &type);
    target->is_unwanted = status != STATUS_OK;
    target->text.is_openmetrics =
        type != NULL && strncasecmp(type, "application/openmetrics-text", 28) == 0;
}

/* Another number than `bytes` ends the transfer. */
static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct target *target = context;
    size_t bytes = size * count, room;
    struct line line;

    if (!target->is_begun)
        begin_body(target);
    target->body_bytes += bytes;
    target->is_too_large = target->body_bytes > target->config->max_body_bytes;
    if (target->is_unwanted || target->is_too_large || target->is_stopping)
        return 0;
    for (size_t at = 0; at < bytes;) {
        char *to = line_buffer_space(&target->lines, &room);
        size_t part = bytes - at < room ? bytes - at : room;
        memcpy(to, data + at, part);
        at += part;
        line_buffer_add(&target->lines, part);
        while (line_buffer_next(&target->lines, &line))
            take_line(target, &line);
        target->is_stopping = !sink_flush(target->sink); /* the lines go with the next part */
    }
    return target->is_stopping ? 0 : bytes;
}

static bool set_text(CURL *easy, CURLoption option, const char *text)
{
    return text[0] == '\0' || curl_easy_setopt(easy, option, text) == CURLE_OK;
}

static bool set_long(CURL *easy, CURLoption option, long number)
{
    return curl_easy_setopt(easy, option, number) == CURLE_OK;
}

/* Those of the system, which libcurl has as a folder beside the file, are not trusted then, too. */
static bool set_authorities(CURL *easy, const char *ca_file)
{
    return ca_file[0] == '\0' || (curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
                                  curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK);
}

static bool set_security(CURL *easy, const struct prometheus_config *config)
{
    bool ok = set_long(easy, CURLOPT_SSL_VERIFYPEER, config->tls__verify ? 1 : 0) &&
              set_long(easy, CURLOPT_SSL_VERIFYHOST, config->tls__verify ? 2 : 0) &&
              set_authorities(easy, config->tls__ca_file) &&
              set_text(easy, CURLOPT_SSLCERT, config->tls__cert_file) &&
              set_text(easy, CURLOPT_SSLKEY, config->tls__key_file);

    if (config->auth__user[0] != '\0')
        return ok && set_long(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) &&
               set_text(easy, CURLOPT_USERNAME, config->auth__user) &&
               set_text(easy, CURLOPT_PASSWORD, config->auth__password);
    if (config->auth__bearer_token[0] != '\0')
        return ok && set_long(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER) &&
               set_text(easy, CURLOPT_XOAUTH2_BEARER, config->auth__bearer_token);
    return ok;
}

static bool set_transfer(struct target *target)
{
    CURL *easy = target->easy;

    target->headers = curl_slist_append(
        NULL, "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5");
    return target->headers != NULL && set_text(easy, CURLOPT_URL, target->url) &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, target->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, target) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, target->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, target) == CURLE_OK &&
           set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https") &&
           set_text(easy, CURLOPT_ACCEPT_ENCODING, "gzip") &&
           set_text(easy, CURLOPT_USERAGENT, "spillway/" SPILLWAY_VERSION) &&
           set_long(easy, CURLOPT_BUFFERSIZE, TARGET_READ_BYTES) &&
           set_long(easy, CURLOPT_NOSIGNAL, 1) && set_long(easy, CURLOPT_QUICK_EXIT, 1);
}

/* ---- life ---- */

static struct attribute text_attribute(const char *key, const char *text)
{
    return (struct attribute){ slice_of(key), { .kind = VALUE_TEXT, .text = slice_of(text) } };
}

/* The names that OpenTelemetry gives to `job` and `instance`. */
static struct resource *describe(const char *url, const struct host *host, struct err *err)
{
    enum { OWN = 5 };
    char name[TARGET_HOST_BYTES], instance[TARGET_HOST_BYTES + 8];
    struct attribute *attributes = calloc(host->base_count + OWN, sizeof(*attributes));
    size_t count = 0;
    int64_t port = 0;

    if (attributes == NULL || !target_address_read(url, name, &port, err)) {
        free(attributes);
        return NULL;
    }
    (void)snprintf(instance, sizeof(instance), "%s:%d", name, (int)port);
    for (size_t i = 0; i < host->base_count; i++) {
        if (!slice_equals(host->base[i].key, SLICE("service.name")) &&
            !slice_equals(host->base[i].key, SLICE("service.instance.id")))
            attributes[count++] = host->base[i];
    }
    attributes[count++] = text_attribute("service.name", host->name);
    attributes[count++] = text_attribute("service.instance.id", instance);
    attributes[count++] = text_attribute("server.address", name);
    attributes[count++] =
        (struct attribute){ SLICE("server.port"), { .kind = VALUE_INT, .integer = port } };
    attributes[count++] =
        text_attribute("url.scheme", strncasecmp(url, "https:", 6) == 0 ? "https" : "http");
    struct resource *resource = resource_new(attributes, count);
    free(attributes);
    return resource;
}

bool target_open(struct target *target, const char *url, const struct prometheus_config *config,
                 const struct host *host, struct known *known, struct err *err)
{
    target->url = strdup(url);
    target->set = calloc(1, sizeof(*target->set));
    target->known = known;
    target->config = config;
    target->resource = describe(url, host, err);
    target->easy = curl_easy_init();
    if (target->url == NULL || target->set == NULL || target->resource == NULL ||
        target->easy == NULL ||
        !line_buffer_init(&target->lines, TARGET_LINE_BYTES, TARGET_READ_BYTES))
        return err_set(err, "out of memory for a target");
    if (!set_transfer(target) || !set_security(target->easy, config))
        return err_set(err, "targets: cannot set up the requests to '%.200s'", url);
    return true;
}

static void forget(struct target *target)
{
    if (target->set == NULL || target->set->first == NULL)
        return;
    known_begin(target->set);
    struct known_series *all = known_take_gone(target->known, target->set, SIZE_MAX);
    known_free(&all);
}

void target_close(struct target *target)
{
    if (target->easy != NULL)
        curl_easy_cleanup(target->easy);
    curl_slist_free_all(target->headers);
    resource_unref(&target->resource);
    line_buffer_fini(&target->lines);
    forget(target);
    free(target->set);
    free(target->url);
}

/* ---- scrapes ---- */

static bool read_token(struct target *target, struct err *err)
{
    struct buf token = { .limit = TOKEN_MOST_BYTES };
    const char *path = target->config->auth__bearer_token_file;

    if (path[0] == '\0')
        return true;
    bool ok = file_read(path, &token, err);
    while (ok && token.bytes > 0 && strchr(" \r\n\t", token.data[token.bytes - 1]) != NULL)
        token.bytes--;
    if (ok && (!buf_add(&token, "", 1) || strlen(token.data) + 1 != token.bytes))
        ok = err_set(err, "the token is no text");
    if (ok && (curl_easy_setopt(target->easy, CURLOPT_XOAUTH2_BEARER, token.data) != CURLE_OK ||
               !set_long(target->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER)))
        ok = err_set(err, "out of memory for a token");
    buf_fini(&token);
    return ok;
}

static void fail(struct target *target, const char *why)
{
    sink_tell(target->sink, LOG_WARN, "a scrape failed", target->url, why);
    sink_add(target->sink, SINK_COLLECT_FAILURES, 1);
}

static void report(struct target *target, bool is_up, double seconds)
{
    double samples = (double)(target->sample_count + target->dropped);

    emit_own(target, "up", "1", is_up ? 1 : 0);
    emit_own(target, "scrape_duration_seconds", "s", seconds);
    emit_own(target, "scrape_samples_scraped", "1", samples);
}

static void clear(struct target *target)
{
    struct line line;

    (void)line_buffer_rest(&target->lines, &line);
    target->text = (struct prometheus_text){ 0 };
    target->error[0] = '\0';
    target->body_bytes = target->line_count = target->sample_count = target->unknown = 0;
    target->dropped = target->dropped_bytes = target->bad = target->bad_bytes = 0;
    target->is_begun = target->is_unwanted = target->is_too_large = target->is_stopping = false;
}

bool target_begin(struct target *target, int64_t timeout_ms, struct sink *sink)
{
    struct err err = { "" };

    clear(target);
    known_begin(target->set);
    target->sink = sink;
    target->began_ns = clock_real_ns();
    if (read_token(target, &err) && set_long(target->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms))
        return true;
    fail(target, err.text);
    report(target, false, 0);
    mark_gone(target);
    return false;
}

/* NULL: it was as it should be. */
static const char *problem(struct target *target, CURLcode code, struct err *err)
{
    long status = 0;

    (void)curl_easy_getinfo(target->easy, CURLINFO_RESPONSE_CODE, &status);
    if (target->is_too_large)
        return "it answered more than max_body_bytes";
    if (status != 0 && status != STATUS_OK) {
        (void)err_set(err, "it answered with status %ld", status);
        return err->text;
    }
    if (code != CURLE_OK)
        return target->error[0] == '\0' ? curl_easy_strerror(code) : target->error;
    if (target->text.is_openmetrics && !target->text.is_ended)
        return "the answer has no # EOF at its end";
    if (target->bad > 0 && target->sample_count + target->dropped == 0)
        return "the answer is no text of Prometheus";
    return NULL;
}

static void count(struct target *target)
{
    sink_add(target->sink, SINK_LINES, target->line_count);
    if (target->bad > 0)
        sink_malformed(target->sink, target->url, target->bad, target->bad_bytes);
    bool is_short = target->unknown > 0 && target->config->max_series_memory > 0;
    if (is_short && !target->has_told_unknown)
        sink_tell(target->sink, LOG_WARN, "some series will get no marker when they are gone",
                  target->url, "max_series_memory is used up, or their labels are too long");
    target->has_told_unknown = is_short;
    if (target->dropped == 0)
        return;
    sink_tell(target->sink, LOG_WARN, "samples are dropped", target->url,
              "there are more than max_samples");
    sink_malformed(target->sink, target->url, target->dropped, target->dropped_bytes);
}

void target_end(struct target *target, CURLcode code, struct sink *sink)
{
    curl_off_t took_us = 0;
    struct line line;
    struct err err;

    target->sink = sink;
    if (code == CURLE_OK && line_buffer_rest(&target->lines, &line)) {
        take_line(target, &line);
        target->is_stopping = !sink_flush(sink);
    }
    if (!target->is_stopping) {
        const char *why = problem(target, code, &err);
        if (why != NULL)
            fail(target, why);
        (void)curl_easy_getinfo(target->easy, CURLINFO_TOTAL_TIME_T, &took_us);
        report(target, why == NULL, (double)took_us / 1e6);
        mark_gone(target);
    }
    count(target);
}

void target_abandon(struct target *target, struct sink *sink)
{
    target->sink = sink;
    count(target);
}
