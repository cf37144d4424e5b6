/* SPDX-License-Identifier: Apache-2.0 */
/* requests: libmicrohttpd calls request_serve() with the headers, with each piece of the body, with
 * its end, and once more when it was suspended and is resumed. What is wrong with a request is told
 * at its end: an answer in the middle of a body is lost on many senders. Only who asks first
 * (Expect) is told at once; and what announces a body that is too large, or goes on sending, is not
 * listened to. */
#include "state.h"

#include <stdarg.h>
#include <strings.h>

enum { LEAST_ROOM = 8 * 1024 };

/* ---- replies ---- */

void request_reply(struct exchange *exchange, unsigned status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(exchange->reply, sizeof(exchange->reply), format, args);
    va_end(args);
    exchange->status = status;
    exchange->stage = STAGE_ANSWERED;
}

static void refuse(struct exchange *exchange, unsigned status, const char *why)
{
    request_reply(exchange, status, "{\"error\":\"%s\"}\n", why);
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    (void)MHD_add_response_header(response, name, value);
}

static void add_headers(const struct exchange *exchange, struct MHD_Response *response)
{
    const struct http_input *input = exchange->input;
    char seconds[24];

    add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
               exchange->is_otlp && !exchange->is_json ? "application/x-protobuf"
                                                       : "application/json");
    switch (exchange->status) {
    case MHD_HTTP_TOO_MANY_REQUESTS:
    case MHD_HTTP_SERVICE_UNAVAILABLE:
        (void)snprintf(seconds, sizeof(seconds), "%lld",
                       (long long)((input->config->retry_after + MS_PER_S - 1) / MS_PER_S));
        add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
        break;
    case MHD_HTTP_UNAUTHORIZED:
        add_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                   input->guard.basic[0] != '\0' ? "Basic realm=\"spillway\"" : "Bearer");
        break;
    case MHD_HTTP_METHOD_NOT_ALLOWED:
        add_header(response, MHD_HTTP_HEADER_ALLOW, "POST, PUT");
        break;
    case MHD_HTTP_UNSUPPORTED_MEDIA_TYPE:
        add_header(response, MHD_HTTP_HEADER_ACCEPT_ENCODING, expand_known);
        break;
    default:
        break;
    }
    if (input->is_draining)
        add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static void count(const struct exchange *exchange)
{
    struct sink *sink = exchange->input->sink;
    unsigned status = exchange->status;

    if (status == MHD_HTTP_TOO_MANY_REQUESTS || status == MHD_HTTP_SERVICE_UNAVAILABLE)
        sink_add(sink, SINK_REQUESTS_PUT_OFF, 1);
    else if (status >= 400 && status < 500)
        sink_add(sink, SINK_REQUESTS_BAD, 1);
}

static void tell(const struct exchange *exchange)
{
    char address[INET6_ADDRSTRLEN];

    if (exchange->status < 400 || exchange->status >= 500 ||
        exchange->status == MHD_HTTP_TOO_MANY_REQUESTS)
        return;
    inlet_name_guest(exchange->guest, address);
    sink_tell(exchange->input->sink, LOG_WARN, "request refused", address, exchange->reply);
}

/* The connection is cut: its sender comes again. */
static enum MHD_Result put_off(const struct http_input *input)
{
    if (input->sink != NULL)
        sink_add(input->sink, SINK_REQUESTS_PUT_OFF, 1);
    return MHD_NO;
}

static enum MHD_Result send_reply(struct exchange *exchange)
{
    if (exchange->input->sink == NULL) /* it closes */
        return MHD_NO;
    char text[OTLP_REPLY_BYTES];
    size_t bytes = exchange->is_otlp ? otlp_reply(exchange, text) : strlen(exchange->reply);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        bytes, exchange->is_otlp ? text : exchange->reply, MHD_RESPMEM_MUST_COPY);

    if (response == NULL)
        return put_off(exchange->input);
    count(exchange);
    tell(exchange);
    request_forget_body(exchange);
    add_headers(exchange, response);
    enum MHD_Result result = MHD_queue_response(exchange->connection, exchange->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- the body ---- */

void request_forget_body(struct exchange *exchange)
{
    exchange->input->pending_bytes -= exchange->room;
    free(exchange->body);
    exchange->body = NULL;
    exchange->bytes = exchange->room = 0;
}

static bool grow(struct exchange *exchange, size_t least)
{
    struct http_input *input = exchange->input;
    size_t room = exchange->room == 0 ? LEAST_ROOM : 2 * exchange->room;

    if (exchange->length > 0 && room > exchange->length)
        room = exchange->length;
    if (room > input->config->max_body_bytes)
        room = input->config->max_body_bytes;
    if (room < least)
        room = least;
    if (input->pending_bytes - exchange->room + room > input->config->max_pending_bytes)
        return false;
    char *grown = realloc(exchange->body, room);
    if (grown == NULL)
        return false;
    input->pending_bytes += room - exchange->room;
    exchange->body = grown;
    exchange->room = room;
    return true;
}

static void keep(struct exchange *exchange, const char *data, size_t bytes)
{
    size_t most = exchange->input->config->max_body_bytes;

    if (exchange->bytes > most || bytes > most - exchange->bytes) /* a reload may lower it */
        refuse(exchange, MHD_HTTP_CONTENT_TOO_LARGE, "the body is larger than max_body_bytes");
    else if (exchange->room - exchange->bytes < bytes && !grow(exchange, exchange->bytes + bytes))
        refuse(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory for more bodies at the moment");
    if (exchange->status != 0) {
        request_forget_body(exchange);
        return;
    }
    memcpy(exchange->body + exchange->bytes, data, bytes);
    exchange->bytes += bytes;
}

/* MHD_NO cuts the connection. */
static enum MHD_Result take_piece(struct exchange *exchange, const char *data, size_t bytes)
{
    if (exchange->status == 0) {
        keep(exchange, data, bytes);
        return MHD_YES;
    }
    exchange->thrown_away += bytes;
    return exchange->thrown_away > exchange->input->config->max_body_bytes ? MHD_NO : MHD_YES;
}

/* ---- the headers ---- */

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static bool is_type(const char *type, const char *name)
{
    size_t bytes = strlen(name);

    return strncasecmp(type, name, bytes) == 0 && strchr("; \t", type[bytes]) != NULL;
}

static bool find_format(const char *type, enum take_format *ret)
{
    static const struct {
        const char *name;
        enum take_format format;
    } known[] = {
        { "application/x-ndjson", TAKE_NDJSON },
        { "application/ndjson", TAKE_NDJSON },
        { "application/jsonl", TAKE_NDJSON },
        { "application/x-jsonlines", TAKE_NDJSON },
        { "application/json-lines", TAKE_NDJSON },
        { "application/json", TAKE_JSON },
        { "text/plain", TAKE_LINES },
        { "application/octet-stream", TAKE_AUTO },
        { "application/x-www-form-urlencoded", TAKE_AUTO }, /* curl's, unless it is told better */
    };

    *ret = TAKE_AUTO;
    if (type == NULL)
        return true;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!is_type(type, known[i].name))
            continue;
        *ret = known[i].format;
        return true;
    }
    return false;
}

/* By its path; then only the two forms of OTLP will do. */
static bool find_form(struct exchange *exchange, const char *url, const char *type)
{
    static const char *const paths[] = {
        [OTLP_LOGS] = "/v1/logs", [OTLP_METRICS] = "/v1/metrics", [OTLP_TRACES] = "/v1/traces"
    };

    for (unsigned signal = 0; exchange->input->config->otlp && signal <= OTLP_TRACES; signal++) {
        if (strcmp(url, paths[signal]) != 0)
            continue;
        exchange->is_otlp = true;
        exchange->signal = (enum otlp_signal)signal;
        exchange->is_json = type != NULL && is_type(type, "application/json");
        return exchange->is_json || (type != NULL && is_type(type, "application/x-protobuf"));
    }
    return find_format(type, &exchange->format) || exchange->input->config->format != TAKE_AUTO;
}

static bool is_too_large(struct exchange *exchange)
{
    const char *length = header_of(exchange->connection, MHD_HTTP_HEADER_CONTENT_LENGTH);

    exchange->length = length == NULL ? 0 : strtoull(length, NULL, 10);
    return exchange->length > exchange->input->config->max_body_bytes;
}

static bool is_for_events(const char *method)
{
    return strcmp(method, MHD_HTTP_METHOD_POST) == 0 || strcmp(method, MHD_HTTP_METHOD_PUT) == 0;
}

/* Sets a reply if that can be told by now. */
static void judge_headers(struct exchange *exchange, const char *url, const char *method)
{
    const struct http_input *input = exchange->input;
    struct MHD_Connection *connection = exchange->connection;

    const char *type = header_of(connection, MHD_HTTP_HEADER_CONTENT_TYPE);
    bool is_known = find_form(exchange, url, type);

    exchange->coding = expand_coding_of(header_of(connection, MHD_HTTP_HEADER_CONTENT_ENCODING));
    if (input->is_draining)
        refuse(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "the agent is stopping");
    else if (strcmp(url, "/healthz") == 0 && strcmp(method, MHD_HTTP_METHOD_GET) == 0)
        request_reply(exchange, MHD_HTTP_OK, "{\"status\":\"ok\"}\n");
    else if (!guard_lets_in(&input->guard, header_of(connection, MHD_HTTP_HEADER_AUTHORIZATION)))
        refuse(exchange, MHD_HTTP_UNAUTHORIZED, "the Authorization header is not what it must be");
    else if (!is_for_events(method))
        refuse(exchange, MHD_HTTP_METHOD_NOT_ALLOWED, "POST or PUT events");
    else if (exchange->coding == CODING_UNKNOWN)
        refuse(exchange, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unknown Content-Encoding");
    else if (!is_known)
        refuse(exchange, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unknown Content-Type");
    else if (is_too_large(exchange))
        refuse(exchange, MHD_HTTP_CONTENT_TOO_LARGE, "the body is larger than max_body_bytes");
    if (input->config->format != TAKE_AUTO)
        exchange->format = (enum take_format)input->config->format;
}

/* Its sender asks before it sends the body. */
static bool awaits_word(const struct exchange *exchange)
{
    const char *expects = header_of(exchange->connection, MHD_HTTP_HEADER_EXPECT);

    return expects != NULL && strcasecmp(expects, "100-continue") == 0;
}

static enum MHD_Result begin(struct http_input *input, struct MHD_Connection *connection,
                             const char *url, const char *method, void **exchangep)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (exchange == NULL)
        return put_off(input);
    exchange->input = input;
    exchange->connection = connection;
    exchange->guest = inlet_guest(connection);
    exchange->guest->deadline_ms = clock_now_ms() + input->config->request_timeout;
    exchange->guest->rests = false;
    *exchangep = exchange;
    judge_headers(exchange, url, method);
    bool is_heard = exchange->status == MHD_HTTP_CONTENT_TOO_LARGE || awaits_word(exchange);
    return exchange->status != 0 && is_heard ? send_reply(exchange) : MHD_YES;
}

enum MHD_Result request_serve(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_bytes, void **exchangep)
{
    struct exchange *exchange = *exchangep;
    size_t bytes = *data_bytes;

    (void)version;
    if (exchange == NULL)
        return begin(context, connection, url, method, exchangep);
    if (bytes > 0) {
        *data_bytes = 0;
        return take_piece(exchange, data, bytes);
    }
    if (exchange->status == 0)
        admit_request(exchange);
    if (exchange->status != 0)
        return send_reply(exchange);
    MHD_suspend_connection(connection);
    return MHD_YES;
}

void request_completed(void *context, struct MHD_Connection *connection, void **exchangep,
                       enum MHD_RequestTerminationCode code)
{
    struct http_input *input = context;
    struct exchange *exchange = *exchangep;

    (void)connection, (void)code;
    *exchangep = NULL;
    if (exchange == NULL)
        return;
    if (exchange->stage == STAGE_AWAITS_ROOM)
        admit_remove(&input->rooms, exchange);
    if (exchange->stage == STAGE_AWAITS_END)
        admit_remove(&input->ends, exchange);
    exchange->guest->deadline_ms = clock_now_ms() + input->config->idle_timeout;
    exchange->guest->rests = true;
    request_forget_body(exchange);
    free(exchange);
}
