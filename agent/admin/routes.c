/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/routes.h"

#include "admin/guard.h"
#include "admin/recent.h"
#include "base/json_add.h"
#include "ledger/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_TYPE "text/plain; charset=utf-8"
#define JSON_TYPE "application/json"

struct ask {
    const struct admin_config *config;
    enum admin_phase phase;
    const struct request *request;
};

typedef bool answer_fn(const struct ask *ask, struct reply *ret);

static bool answer_metrics(const struct ask *ask, struct reply *ret)
{
    enum metrics_format format = metrics_choose(ask->request->accept);

    ret->type = metrics_content_type(format);
    return metrics_write(ask->config->ledger, format, &ret->text);
}

static bool is_alive(const struct ask *ask)
{
    return ask->config->is_alive(ask->config->context);
}

static bool answer_health(const struct ask *ask, struct reply *ret)
{
    bool alive = is_alive(ask);

    ret->status = alive ? 200 : 503;
    return pages_health(alive, &ret->text);
}

static bool answer_ready(const struct ask *ask, struct reply *ret)
{
    bool is_ready = false;
    bool ok = pages_ready(ask->config->ledger, ask->phase, is_alive(ask), &ret->text, &is_ready);

    ret->status = is_ready ? 200 : 503;
    return ok;
}

static bool answer_stats(const struct ask *ask, struct reply *ret)
{
    return pages_stats(ask->config->ledger, &ret->text);
}

static bool answer_ledger(const struct ask *ask, struct reply *ret)
{
    return pages_ledger(ask->config->ledger, &ret->text);
}

static bool answer_config(const struct ask *ask, struct reply *ret)
{
    return ask->config->add_config(ask->config->context, &ret->text);
}

/* The wish is noted at once; how it went is read later, so no request waits for a reload. */
static bool answer_reload(const struct ask *ask, struct reply *ret)
{
    if (strcmp(ask->request->method, "POST") != 0)
        return ask->config->add_reload(ask->config->context, &ret->text);
    ret->status = 202;
    json_open(&ret->text, NULL, '{');
    json_add_count(&ret->text, "format", PAGES_FORMAT);
    json_add_count(&ret->text, "wish", ask->config->ask_reload(ask->config->context));
    json_close(&ret->text, '}');
    return buf_add_text(&ret->text, "\n");
}

/* A whole number of one of /sources' arguments. */
static bool read_number(const char **at, int base, char end, uint64_t *ret)
{
    char *stop = NULL;

    errno = 0;
    *ret = strtoull(*at, &stop, base);
    bool ok = stop != *at && errno == 0 && *stop == end;
    *at = stop + (ok && end != '\0' ? 1 : 0);
    return ok;
}

static bool read_query(const struct request *request, struct admin_query *ret)
{
    const char *file = request->file, *name = request->name;
    uint64_t sum = 0;

    ret->has_file = file != NULL;
    ret->has_name = name != NULL;
    if (file != NULL &&
        (!read_number(&file, 10, ':', &ret->device) || !read_number(&file, 10, '\0', &ret->inode)))
        return false;
    if (name != NULL && (!read_number(&name, 16, '\0', &sum) || sum > UINT32_MAX))
        return false;
    ret->name_sum = (uint32_t)sum;
    return true;
}

static bool answer_sources(const struct ask *ask, struct reply *ret)
{
    struct admin_query query = { .has_file = false };

    if (read_query(ask->request, &query))
        return ask->config->add_sources(ask->config->context, &query, &ret->text);
    ret->status = 400;
    ret->type = TEXT_TYPE;
    return buf_add_text(&ret->text, "file is DEVICE:INODE, name the CRC-32C of a path in hex.\n");
}

static bool answer_version(const struct ask *ask, struct reply *ret)
{
    return buf_add(&ret->text, ask->config->version_page.data, ask->config->version_page.bytes);
}

/* A connection for each tap, and one thread: HEAD has no use for it. */
static bool answer_tap(const struct ask *ask, struct reply *ret)
{
    const struct stream_maker *taps = &ask->config->taps;
    bool is_early = ask->phase == ADMIN_STARTING; /* nothing has a name yet */
    struct err err = { "the agent is starting" };

    if (strcmp(ask->request->method, "GET") == 0 && !is_early)
        ret->stream = taps->open(taps->context, &ask->request->query, ask->request->now_ms,
                                 &ret->stream_ms, &err);
    ret->type = ret->stream != NULL ? "application/x-ndjson" : TEXT_TYPE;
    if (ret->stream != NULL || strcmp(ask->request->method, "GET") != 0)
        return true;
    ret->status = is_early ? 503 : 400;
    return buf_printf(&ret->text, "%s\n", err.text);
}

static bool answer_recent(const struct ask *ask, struct reply *ret)
{
    return recent_write(ask->config->history, ask->config->ledger, &ret->text);
}

static bool answer_page(const struct ask *ask, struct reply *ret)
{
    (void)ask;
    ret->type = "text/html; charset=utf-8";
    return status_page_write(&ret->text, ret->policy);
}

/* Open: also without the token. Private: on the unix socket, or with a token that there is. */
static const struct route {
    const char *path;
    answer_fn *answer;
    enum { ROUTE_GUARDED, ROUTE_OPEN, ROUTE_PRIVATE } access;
    const char *doc;
} routes[] = {
    { "/", answer_page, ROUTE_GUARDED, "the status page, for a browser" },
    { "/healthz", answer_health, ROUTE_OPEN, "is it alive: 200, or 503 where a thread is stuck" },
    { "/readyz", answer_ready, ROUTE_GUARDED, "is it ready: 200, or 503 with the reasons" },
    { "/metrics", answer_metrics, ROUTE_GUARDED, "for Prometheus, classic text or OpenMetrics" },
    { "/stats", answer_stats, ROUTE_GUARDED, "flows, stocks and numbers as JSON" },
    { "/recent", answer_recent, ROUTE_GUARDED,
      "drops of the last hour, troubles and log lines as JSON" },
    { "/ledger", answer_ledger, ROUTE_GUARDED, "the full books and the last audits as JSON" },
    { "/config", answer_config, ROUTE_GUARDED, "the effective configuration, without its secrets" },
    { "/reload", answer_reload, ROUTE_PRIVATE,
      "POST: load the configuration again; GET: how it went" },
    { "/tap", answer_tap, ROUTE_PRIVATE, "events as they pass: what `spillway tap` shows" },
    { "/sources", answer_sources, ROUTE_PRIVATE, "the files of inputs, and how far they are read" },
    { "/version", answer_version, ROUTE_GUARDED, "the version and its libraries" },
};
enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

static bool refuse(struct reply *ret, unsigned status, const char *text)
{
    ret->status = status;
    ret->type = TEXT_TYPE;
    return buf_add_text(&ret->text, text);
}

static bool answer_not_found(struct reply *ret)
{
    (void)refuse(ret, 404, "There is nothing here. What there is:\n");
    for (size_t i = 0; i < ROUTES; i++)
        (void)buf_printf(&ret->text, "  %-10s %s\n", routes[i].path, routes[i].doc);
    return !ret->text.failed;
}

static const struct route *find_route(const char *url)
{
    for (size_t i = 0; i < ROUTES; i++) {
        if (strcmp(routes[i].path, url) == 0)
            return &routes[i];
    }
    return NULL;
}

static bool is_reading(const struct request *request)
{
    return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

static bool has_token(const struct request *request, const char *token)
{
    return guard_token(request->authorization, token) ||
           (is_reading(request) && guard_password(request->authorization, token));
}

/* A browser asks its user only where it is told of a scheme that it has. */
static bool refuse_stranger(const struct request *request, struct reply *ret)
{
    bool is_for_people = strcmp(request->url, "/") == 0;

    ret->authenticate = is_for_people ? "Basic realm=\"spillway: the token as password\""
                                      : "Bearer realm=\"spillway\"";
    return refuse(ret, 401, "Send the token: Authorization: Bearer TOKEN.\n");
}

static bool is_allowed(const struct route *route, const struct request *request)
{
    return is_reading(request) ||
           (route->answer == answer_reload && strcmp(request->method, "POST") == 0);
}

bool routes_answer(const struct admin_config *config, enum admin_phase phase,
                   const struct request *request, struct reply *ret)
{
    const struct route *route = find_route(request->url);
    struct ask ask = { config, phase, request };
    bool is_tcp = request->bound != NULL;

    if (is_tcp && !guard_host(request->host, config->listen, request->bound))
        return refuse(ret, 403,
                      "This Host is not answered here: use localhost, an address, or the name in "
                      "agent.admin.listen.\n");
    bool is_open = !is_tcp || (route != NULL && route->access == ROUTE_OPEN);
    if (is_tcp && route != NULL && route->access == ROUTE_PRIVATE && config->token[0] == '\0')
        return refuse(ret, 403, "Ask on the unix socket, or set agent.admin.token.\n");
    if (!is_open && !has_token(request, config->token))
        return refuse_stranger(request, ret);
    if (route == NULL)
        return answer_not_found(ret);
    if (!is_allowed(route, request)) {
        ret->allow = route->answer == answer_reload ? "GET, HEAD, POST" : "GET, HEAD";
        (void)buf_printf(&ret->text, "%s is for reading: ", route->path);
        return refuse(ret, 405, "use GET.\n");
    }
    ret->status = 200;
    ret->type = JSON_TYPE;
    return route->answer(&ask, ret);
}
