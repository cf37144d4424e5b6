/* SPDX-License-Identifier: Apache-2.0 */
/* admit: those that wait for room go in the order in which they came; a new one does not pass them.
 * A body that found no room is read anew when it is tried again: it is kept as it came. */
#include "state.h"

enum { TRY_REST_MS = 20, LATE_MS = 1000 };

/* ---- lists ---- */

static void append(struct exchange_list *list, struct exchange *exchange)
{
    exchange->next = NULL;
    if (list->head == NULL)
        list->head = exchange;
    else
        list->tail->next = exchange;
    list->tail = exchange;
}

static void put_first(struct exchange_list *list, struct exchange *exchange)
{
    exchange->next = list->head;
    list->head = exchange;
    if (list->tail == NULL)
        list->tail = exchange;
}

void admit_remove(struct exchange_list *list, struct exchange *exchange)
{
    struct exchange **link = &list->head, *before = NULL;

    while (*link != exchange) {
        before = *link;
        link = &before->next;
    }
    *link = exchange->next;
    if (list->tail == exchange)
        list->tail = before;
    exchange->next = NULL;
}

/* ---- one try ---- */

static bool has_buffer(char **bufferp, size_t bytes)
{
    if (*bufferp == NULL)
        *bufferp = malloc(bytes);
    return *bufferp != NULL;
}

/* The text of a body. false: there is a reply instead. */
static bool read_text(struct exchange *exchange, struct slice *ret)
{
    struct http_input *input = exchange->input;
    size_t bytes = 0;

    *ret = (struct slice){ exchange->body == NULL ? "" : exchange->body, exchange->bytes };
    enum expanded expanded = EXPANDED;
    if (exchange->bytes > input->buffer_bytes) { /* a reload has lowered it meanwhile */
        request_reply(exchange, MHD_HTTP_CONTENT_TOO_LARGE,
                      "{\"error\":\"the body is larger than max_body_bytes\"}\n");
        return false;
    }
    if (!has_buffer(&input->unescaped, input->buffer_bytes) ||
        (exchange->coding != CODING_IDENTITY && !has_buffer(&input->expanded, input->buffer_bytes)))
        expanded = EXPAND_NO_MEMORY;
    else if (exchange->coding != CODING_IDENTITY) {
        expanded =
            expand(exchange->coding, *ret, input->expanded, input->config->max_body_bytes, &bytes);
        *ret = (struct slice){ input->expanded, bytes };
    }
    switch (expanded) {
    case EXPANDED:
        return true;
    case EXPAND_DAMAGED:
        request_reply(exchange, MHD_HTTP_BAD_REQUEST,
                      "{\"error\":\"the body is not what Content-Encoding says\"}\n");
        break;
    case EXPAND_TOO_LARGE:
        request_reply(exchange, MHD_HTTP_CONTENT_TOO_LARGE,
                      "{\"error\":\"the body is larger than max_body_bytes, decompressed, or grows "
                      "by more than %d times\"}\n",
                      EXPAND_RATIO);
        break;
    case EXPAND_NO_MEMORY:
        request_reply(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "{\"error\":\"out of memory\"}\n");
        break;
    }
    return false;
}

static void count_lines(struct sink *sink, const struct take *take)
{
    sink_add(sink, SINK_REQUESTS_TAKEN, 1);
    sink_add(sink, SINK_LINES, take->events);
    sink_add(sink, SINK_LINES_UNPARSED, take->unparsed);
    sink_add(sink, SINK_LINES_TRUNCATED, take->cut);
}

static void await_end(struct exchange *exchange, uint64_t accepted)
{
    struct http_input *input = exchange->input;

    exchange->accepted = accepted;
    exchange->stage = STAGE_AWAITS_END;
    exchange->deadline_ms = clock_now_ms() + input->config->acknowledge_timeout;
    exchange->guest->deadline_ms = exchange->deadline_ms + LATE_MS;
    append(&input->ends, exchange);
    request_forget_body(exchange);
}

/* 207: some were taken and some never will be. */
static void end_taken(struct exchange *exchange, const struct take *take, uint64_t refused)
{
    unsigned long long accepted = take->events - refused;

    refused += take->refused;
    exchange->refused = refused;
    count_lines(exchange->input->sink, take);
    if (take->refused > 0)
        sink_malformed(exchange->input->sink, "otlp", take->refused, 0);
    if (exchange->id != 0)
        await_end(exchange, accepted);
    else if (refused == 0 || exchange->is_otlp) /* which tells it in its own way */
        request_reply(exchange, MHD_HTTP_OK, "{\"accepted\":%llu}\n", accepted);
    else
        request_reply(exchange, MHD_HTTP_MULTI_STATUS, "{\"accepted\":%llu,\"refused\":%llu}\n",
                      accepted, (unsigned long long)refused);
}

static void reply_full(struct exchange *exchange)
{
    request_reply(exchange, MHD_HTTP_TOO_MANY_REQUESTS,
                  "{\"error\":\"the agent has no room, nothing of it was taken\"}\n");
}

static struct take make_take(struct exchange *exchange, char address[INET6_ADDRSTRLEN])
{
    struct http_input *input = exchange->input;
    struct take take = { .mapping = &input->mapping, .room = input->unescaped };

    input->mapping.sink = input->sink;
    if (input->config->client_address) {
        inlet_name_guest(exchange->guest, address);
        take.client = slice_of(address);
    }
    return take;
}

static bool read_events(const struct exchange *exchange, struct take *take, struct slice text)
{
    enum take_format format = exchange->format;

    if (exchange->is_otlp)
        return otlp_take(take, exchange->signal, exchange->is_json, text);
    return take_body(take, format == TAKE_AUTO ? take_look(text) : format, text);
}

/* false: it found no room; it may be tried again. */
static bool try_once(struct exchange *exchange)
{
    struct http_input *input = exchange->input;
    bool acknowledges = input->config->acknowledge == ACKNOWLEDGE_DELIVERED;
    char address[INET6_ADDRSTRLEN];
    uint64_t refused = 0;
    struct slice text;

    if (!read_text(exchange, &text))
        return true;
    exchange->id = acknowledges ? ++input->last_id : 0;
    if (!sink_parcel_begin(input->sink, exchange->id))
        return false;
    struct take take = make_take(exchange, address);
    bool is_whole = read_events(exchange, &take, text);
    enum parcel parcel = sink_parcel_end(input->sink, is_whole, &refused);
    resources_tidy(&input->mapping.resources, input->sink, true);
    if (!is_whole) {
        request_reply(exchange, MHD_HTTP_BAD_REQUEST,
                      "{\"error\":\"no %s at byte %zu, nothing of it was taken\"}\n",
                      exchange->is_otlp ? "OTLP" : "JSON", take.broken_at);
        return true;
    }
    if (parcel == PARCEL_FULL)
        return false;
    if (parcel == PARCEL_TAKEN)
        end_taken(exchange, &take, refused);
    else
        request_reply(exchange, MHD_HTTP_CONTENT_TOO_LARGE,
                      "{\"error\":\"more than a lane of this input holds\"}\n");
    return true;
}

static void await_room(struct exchange *exchange)
{
    struct http_input *input = exchange->input;

    exchange->stage = STAGE_AWAITS_ROOM;
    exchange->deadline_ms = clock_now_ms() + input->config->request_timeout;
    exchange->guest->deadline_ms = exchange->deadline_ms + LATE_MS;
    append(&input->rooms, exchange);
}

void admit_request(struct exchange *exchange)
{
    struct http_input *input = exchange->input;

    if (input->is_draining)
        request_reply(exchange, MHD_HTTP_SERVICE_UNAVAILABLE,
                      "{\"error\":\"the agent is stopping\"}\n");
    else if (input->rooms.head == NULL && try_once(exchange))
        return;
    else if (input->config->when_full == WHEN_FULL_WAIT)
        await_room(exchange);
    else
        reply_full(exchange);
}

/* ---- those that wait ---- */

static void resume(struct exchange *exchange)
{
    MHD_resume_connection(exchange->connection);
}

static void try_rooms(struct http_input *input, int64_t now_ms)
{
    struct exchange *exchange;

    while ((exchange = input->rooms.head) != NULL) {
        bool is_late = now_ms >= exchange->deadline_ms;
        if (!is_late && now_ms < input->next_try_ms)
            return;
        admit_remove(&input->rooms, exchange); /* it may go into the other list */
        if (is_late) {
            reply_full(exchange);
        } else if (!try_once(exchange)) {
            put_first(&input->rooms, exchange);
            input->next_try_ms = now_ms + TRY_REST_MS;
            return;
        }
        if (exchange->status != 0)
            resume(exchange);
    }
}

static void give_up_ends(struct http_input *input, int64_t now_ms)
{
    struct exchange *exchange;

    /* All have the same time, but for a change of the configuration. */
    while ((exchange = input->ends.head) != NULL && now_ms >= exchange->deadline_ms) {
        admit_remove(&input->ends, exchange);
        request_reply(exchange, MHD_HTTP_GATEWAY_TIMEOUT,
                      "{\"accepted\":%llu,\"error\":\"not delivered yet, it will be tried on\"}\n",
                      (unsigned long long)exchange->accepted);
        resume(exchange);
    }
}

void admit_leave_ends(struct http_input *input)
{
    give_up_ends(input, INT64_MAX);
}

void admit_again(struct http_input *input, int64_t now_ms)
{
    give_up_ends(input, now_ms);
    if (!input->is_draining)
        try_rooms(input, now_ms);
}

void admit_settled(struct http_input *input, uint64_t id, uint64_t dropped)
{
    struct exchange *exchange = input->ends.head;

    while (exchange != NULL && exchange->id != id)
        exchange = exchange->next;
    if (exchange == NULL)
        return; /* it was answered at its deadline, or its sender has gone */
    admit_remove(&input->ends, exchange);
    if (dropped == 0)
        request_reply(exchange, MHD_HTTP_OK, "{\"delivered\":%llu}\n",
                      (unsigned long long)exchange->accepted);
    else
        request_reply(exchange, MHD_HTTP_INTERNAL_SERVER_ERROR,
                      "{\"accepted\":%llu,\"dropped\":%llu,\"error\":\"dropped copies of events: "
                      "the agent's books say why\"}\n",
                      (unsigned long long)exchange->accepted, (unsigned long long)dropped);
    resume(exchange);
}

void admit_none(struct http_input *input)
{
    struct exchange *exchange;

    while ((exchange = input->rooms.head) != NULL) {
        admit_remove(&input->rooms, exchange);
        request_reply(exchange, MHD_HTTP_SERVICE_UNAVAILABLE,
                      "{\"error\":\"the agent is stopping\"}\n");
        resume(exchange);
    }
}

int64_t admit_due_ms(const struct http_input *input)
{
    int64_t due_ms = input->ends.head == NULL ? 0 : input->ends.head->deadline_ms;

    if (input->rooms.head != NULL && (due_ms == 0 || input->next_try_ms < due_ms))
        due_ms = input->next_try_ms;
    return due_ms;
}
