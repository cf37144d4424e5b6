/* SPDX-License-Identifier: Apache-2.0 */
/* receive_server: libmicrohttpd calls on_request() for the head, for each piece of the body and
 * once more at its end; a suspended exchange gets that last call again when it is resumed. */
#include "cli/receive_server.h"

#include "base/auto.h"
#include "base/clock.h"
#include "base/listen.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { BACKLOG = 512 };
enum {
    THREADS = 2,
    CONNECTIONS = 1024,
    CONNECTION_BYTES = 256 * 1024,
    IDLE_S = 300,
    FAULT_LINES_BYTES = 64 * 1024,
    HALF_BYTES = 500,
    WATCH_MS = 100
};

enum route { ROUTE_EVENTS, ROUTE_SUMMARY, ROUTE_HEALTH, ROUTE_SET_FAULTS, ROUTE_NONE };

struct exchange {
    struct server *server;
    struct MHD_Connection *connection;
    enum route route;
    bool decided;     /* its body is over, and what to do was decided */
    bool client_gone; /* while it waited */
    struct request request;
    struct fault_verdict verdict;
    struct buf text; /* of PUT /_faults */
    int64_t due_ms;  /* while it waits: INT64_MAX without end */
    struct exchange *next;
};

/* ---- answers ---- */

static enum MHD_Result send_response(struct exchange *exchange, unsigned status,
                                     struct MHD_Response *response)
{
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result result = MHD_queue_response(exchange->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_text(struct exchange *exchange, unsigned status, const char *text)
{
    return send_response(exchange, status,
                         MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                                         MHD_RESPMEM_MUST_COPY));
}

static ssize_t read_half(void *context, uint64_t position, char *to, size_t room)
{
    (void)context;
    if (position >= HALF_BYTES)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t bytes = room < HALF_BYTES - position ? room : HALF_BYTES - (size_t)position;
    memset(to, '.', bytes);
    return (ssize_t)bytes;
}

static ssize_t read_endless(void *context, uint64_t position, char *to, size_t room)
{
    (void)context;
    (void)position;
    memset(to, '.', room);
    return (ssize_t)room;
}

static int descriptor_of(struct exchange *exchange)
{
    return MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
        ->connect_fd;
}

/* The descriptor stays libmicrohttpd's, which closes it on MHD_NO. */
static enum MHD_Result break_connection(struct exchange *exchange, enum fault_kind kind)
{
    static const char garbage[] = "\x16\x03\x01 this is \xff\xfe no HTTP\n\n\r\n";
    int fd = descriptor_of(exchange);

    if (kind == FAULT_GARBAGE) {
        (void)send(fd, garbage, sizeof(garbage), MSG_NOSIGNAL | MSG_DONTWAIT);
        return MHD_NO;
    }
    /* Dissolving a connection sends RST at once (tcp_disconnect() in Linux); closing it with a
     * linger time of 0 would let libmicrohttpd's shutdown() send FIN first. */
    struct sockaddr none = { .sa_family = AF_UNSPEC };
    (void)connect(fd, &none, sizeof(none));
    return MHD_NO;
}

static enum MHD_Result send_status(struct exchange *exchange)
{
    char text[64];
    const struct fault_verdict *verdict = &exchange->verdict;

    (void)snprintf(text, sizeof(text), "{\"error\":\"status %u was asked for by --fault\"}\n",
                   verdict->status);
    bool may_have_body =
        verdict->status != MHD_HTTP_NO_CONTENT && verdict->status != MHD_HTTP_NOT_MODIFIED;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        may_have_body ? strlen(text) : 0, text, MHD_RESPMEM_MUST_COPY);
    if (response != NULL && verdict->retry_after_s >= 0) {
        (void)snprintf(text, sizeof(text), "%jd", (intmax_t)verdict->retry_after_s);
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, text);
    }
    summary_answered(&exchange->server->summary, verdict->status, &exchange->request.facts);
    return send_response(exchange, verdict->status, response);
}

static enum MHD_Result answer_well(struct exchange *exchange)
{
    static const unsigned statuses[] = {
        [REQUEST_GOOD] = MHD_HTTP_OK,
        [REQUEST_DAMAGED] = MHD_HTTP_BAD_REQUEST,
        [REQUEST_UNSUPPORTED] = MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
        [REQUEST_TOO_LARGE] = MHD_HTTP_CONTENT_TOO_LARGE,
        [REQUEST_NO_MEMORY] = MHD_HTTP_INTERNAL_SERVER_ERROR,
    };
    static const char *const texts[] = {
        [REQUEST_GOOD] = "{}\n",
        [REQUEST_DAMAGED] = "{\"error\":\"the body cannot be expanded, or has no end\"}\n",
        [REQUEST_UNSUPPORTED] = "{\"error\":\"this content encoding is not known here\"}\n",
        [REQUEST_TOO_LARGE] = "{\"error\":\"the body expands to too much\"}\n",
        [REQUEST_NO_MEMORY] = "{\"error\":\"out of memory\"}\n",
    };
    enum request_state state = exchange->request.state;

    summary_answered(&exchange->server->summary, statuses[state], &exchange->request.facts);
    return send_text(exchange, statuses[state], texts[state]);
}

static enum MHD_Result answer_events(struct exchange *exchange)
{
    enum fault_kind kind = exchange->verdict.kind;

    if (exchange->client_gone)
        return MHD_NO;
    if (kind != FAULT_NONE && kind != FAULT_STATUS &&
        kind != FAULT_HANG) /* hang was counted when it began */
        summary_misbehaved(&exchange->server->summary, kind, &exchange->request.facts);
    switch (kind) {
    case FAULT_NONE:
        return answer_well(exchange);
    case FAULT_STATUS:
        return send_status(exchange);
    case FAULT_HALF:
        return send_response(exchange, MHD_HTTP_OK,
                             MHD_create_response_from_callback((uint64_t)HALF_BYTES * 2, HALF_BYTES,
                                                               read_half, NULL, NULL));
    case FAULT_ENDLESS:
        return send_response(exchange, MHD_HTTP_OK,
                             MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 * 1024,
                                                               read_endless, NULL, NULL));
    case FAULT_RESET:
    case FAULT_GARBAGE:
    case FAULT_HANG: /* only when the server stops */
    case FAULT_KINDS:
        break;
    }
    return break_connection(exchange, kind);
}

/* ---- events ---- */

static void wake_starter(struct server *server)
{
    (void)eventfd_write(server->wake_fd, 1);
}

/* Suspended first, listed second: what is in the list can be resumed. */
static enum MHD_Result wait_first(struct exchange *exchange, int64_t due_ms)
{
    struct server *server = exchange->server;

    exchange->due_ms = due_ms;
    MHD_suspend_connection(exchange->connection);
    lock_take(&server->lock);
    exchange->next = server->waiting;
    server->waiting = exchange;
    lock_drop(&server->lock);
    wake_starter(server);
    return MHD_YES;
}

static void note_state(struct server *server, enum request_state state)
{
    lock_take(&server->summary.lock);
    server->summary.undecodable += state == REQUEST_DAMAGED || state == REQUEST_UNSUPPORTED;
    server->summary.too_large += state == REQUEST_TOO_LARGE;
    lock_drop(&server->summary.lock);
}

static enum MHD_Result end_events(struct exchange *exchange)
{
    struct server *server = exchange->server;
    int64_t now_ms = clock_now_ms();

    if (exchange->decided)
        return answer_events(exchange);
    exchange->decided = true;
    request_end(&exchange->request);
    if (exchange->request.state != REQUEST_GOOD) {
        note_state(server, exchange->request.state);
        return answer_events(exchange);
    }
    summary_received(&server->summary, &exchange->request.facts);
    lock_take(&server->lock);
    exchange->verdict =
        faults_decide(&server->faults, exchange->request.facts.wire_bytes, now_ms, &server->random);
    bool stopping = server->stopping;
    lock_drop(&server->lock);
    if (stopping)
        return MHD_NO;
    if (exchange->verdict.kind == FAULT_HANG) {
        summary_misbehaved(&server->summary, FAULT_HANG, &exchange->request.facts);
        return wait_first(exchange, INT64_MAX);
    }
    if (exchange->verdict.delay_ms > 0)
        return wait_first(exchange, now_ms + exchange->verdict.delay_ms);
    return answer_events(exchange);
}

/* ---- the other routes ---- */

static enum MHD_Result set_faults(struct exchange *exchange)
{
    struct server *server = exchange->server;
    struct err err = { "more than 64 KiB" };
    char text[sizeof(err.text) + 32];

    lock_take(&server->lock);
    bool ok = !exchange->text.failed &&
              faults_replace(&server->faults, buf_slice(&exchange->text), clock_now_ms(), &err);
    size_t count = server->faults.count;
    lock_drop(&server->lock);
    if (ok)
        (void)snprintf(text, sizeof(text), "%zu faults\n", count);
    else
        (void)snprintf(text, sizeof(text), "%s\n", err.text);
    return send_text(exchange, ok ? MHD_HTTP_OK : MHD_HTTP_BAD_REQUEST, text);
}

static enum MHD_Result send_summary(struct exchange *exchange)
{
    char *text = summary_json(&exchange->server->summary);

    if (text == NULL)
        return MHD_NO;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(text);
    else
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    return send_response(exchange, MHD_HTTP_OK, response);
}

static enum MHD_Result end_exchange(struct exchange *exchange)
{
    switch (exchange->route) {
    case ROUTE_EVENTS:
        return end_events(exchange);
    case ROUTE_SUMMARY:
        return send_summary(exchange);
    case ROUTE_HEALTH:
        return send_text(exchange, MHD_HTTP_OK, "ok\n");
    case ROUTE_SET_FAULTS:
        return set_faults(exchange);
    case ROUTE_NONE:
        break;
    }
    return send_text(exchange, MHD_HTTP_METHOD_NOT_ALLOWED,
                     "POST, PUT or PATCH events to any path; GET /summary, GET /healthz, "
                     "PUT /_faults\n");
}

static enum route route_of(const char *method, const char *url)
{
    bool is_put = strcmp(method, MHD_HTTP_METHOD_PUT) == 0;

    if (is_put && strcmp(url, "/_faults") == 0)
        return ROUTE_SET_FAULTS;
    if (is_put || strcmp(method, MHD_HTTP_METHOD_POST) == 0 ||
        strcmp(method, MHD_HTTP_METHOD_PATCH) == 0)
        return ROUTE_EVENTS;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return ROUTE_NONE;
    if (strcmp(url, "/summary") == 0)
        return ROUTE_SUMMARY;
    return strcmp(url, "/healthz") == 0 ? ROUTE_HEALTH : ROUTE_NONE;
}

/* ---- libmicrohttpd's side ---- */

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static struct exchange *exchange_new(struct server *server, struct MHD_Connection *connection,
                                     enum route route)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (exchange == NULL)
        return NULL;
    exchange->server = server;
    exchange->connection = connection;
    exchange->route = route;
    exchange->text.limit = FAULT_LINES_BYTES;
    if (route == ROUTE_EVENTS)
        request_init(
            &exchange->request, &server->config,
            &(struct request_head){
                .content_encoding = header_of(connection, MHD_HTTP_HEADER_CONTENT_ENCODING),
                .content_type = header_of(connection, MHD_HTTP_HEADER_CONTENT_TYPE),
                .idempotency_key = header_of(connection, "Idempotency-Key"),
                .spillway_events = header_of(connection, "Spillway-Events"),
            });
    return exchange;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_bytes, void **exchangep)
{
    struct exchange *exchange = *exchangep;

    (void)version;
    if (exchange == NULL) {
        *exchangep = exchange_new(context, connection, route_of(method, url));
        return *exchangep == NULL ? MHD_NO : MHD_YES;
    }
    if (*data_bytes == 0)
        return end_exchange(exchange);
    if (exchange->route == ROUTE_EVENTS)
        request_feed(&exchange->request, (struct slice){ data, *data_bytes });
    else if (exchange->route == ROUTE_SET_FAULTS)
        (void)buf_add(&exchange->text, data, *data_bytes);
    *data_bytes = 0;
    return MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **exchangep,
                         enum MHD_RequestTerminationCode code)
{
    struct server *server = context;
    struct exchange *exchange = *exchangep;

    (void)connection;
    (void)code;
    *exchangep = NULL;
    if (exchange == NULL)
        return;
    if (exchange->route == ROUTE_EVENTS && !exchange->decided) {
        lock_take(&server->summary.lock);
        server->summary.requests_broken++;
        lock_drop(&server->summary.lock);
    }
    request_fini(&exchange->request);
    buf_fini(&exchange->text);
    free(exchange);
}

/* ---- the starter's side ---- */

/* poll(), not epoll: libmicrohttpd's edge-triggered epoll does not see an end that came along with
 * the last data, and would keep such a broken request until the timeout. */
static bool start_daemon(struct server *server, struct err *err)
{
    server->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, server,
        MHD_OPTION_LISTEN_SOCKET, server->listen_fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_END);
    return server->daemon != NULL ||
           err_set(err, "cannot start libmicrohttpd: %s", strerror(errno));
}

bool server_start(struct server *server, const char *listen, struct err *err)
{
    lock_init(&server->lock, "receive.server");
    summary_init(&server->summary);
    server->config.lines = &server->summary.lines;
    server->faults.set_ms = clock_now_ms();
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->listen_fd = listen_open(listen, BACKLOG, server->address, &server->port, err);
    if (server->listen_fd < 0)
        return false;
    if (server->wake_fd < 0)
        return err_set(err, "cannot make an eventfd: %s", strerror(errno));
    return start_daemon(server, err);
}

static bool client_has_gone(struct exchange *exchange)
{
    struct pollfd poll_fd = { .fd = descriptor_of(exchange), .events = POLLRDHUP };

    return poll(&poll_fd, 1, 0) > 0;
}

/* Takes those out of the list that may go on. They are resumed without the lock. */
static struct exchange *take_due(struct server *server, int64_t now_ms, int64_t *ret_next_ms)
{
    struct exchange *due = NULL;
    struct exchange **link = &server->waiting;

    lock_take(&server->lock);
    while (*link != NULL) {
        struct exchange *exchange = *link;
        exchange->client_gone = server->stopping || client_has_gone(exchange);
        if (exchange->due_ms > now_ms && !exchange->client_gone) {
            int64_t look_ms =
                now_ms + WATCH_MS < exchange->due_ms ? now_ms + WATCH_MS : exchange->due_ms;
            *ret_next_ms = *ret_next_ms == 0 || look_ms < *ret_next_ms ? look_ms : *ret_next_ms;
            link = &exchange->next;
            continue;
        }
        *link = exchange->next;
        exchange->next = due;
        due = exchange;
    }
    lock_drop(&server->lock);
    return due;
}

int64_t server_tick(struct server *server, int64_t now_ms)
{
    eventfd_t count;
    int64_t next_ms = 0;

    (void)eventfd_read(server->wake_fd, &count);
    struct exchange *due = take_due(server, now_ms, &next_ms);
    while (due != NULL) {
        struct exchange *exchange = due;
        due = due->next; /* once resumed it may be gone */
        MHD_resume_connection(exchange->connection);
    }
    return next_ms;
}

void server_stop(struct server *server)
{
    lock_take(&server->lock);
    server->stopping = true;
    lock_drop(&server->lock);
    if (server->daemon != NULL) {
        (void)server_tick(server, clock_now_ms());
        MHD_stop_daemon(server->daemon); /* closes the listening socket too */
    } else {
        auto_close(&server->listen_fd);
    }
    auto_close(&server->wake_fd);
    summary_fini(&server->summary);
    lock_fini(&server->lock);
}
