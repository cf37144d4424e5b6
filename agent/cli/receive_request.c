/* SPDX-License-Identifier: Apache-2.0 */
/* receive_request: numbers are kept as ranges until the answer is decided; lines of one file come
 * in order, so a batch has few. */
#include "cli/receive_request.h"

#include "base/clock.h"
#include "cli/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum { RANGES_BYTES = 32 * 1024 * 1024 };

static bool read_digits(const char **at, const char *end, uint64_t *ret)
{
    const char *begin = *at;
    uint64_t number = 0;

    for (; *at < end && isdigit((unsigned char)**at) && *at - begin < 19; (*at)++)
        number = number * 10 + (uint64_t)(**at - '0');
    *ret = number;
    return *at > begin;
}

static void add_number(struct request *request, struct slice name, uint64_t number)
{
    struct buf *ranges = &request->facts.ranges;
    struct number_range *last =
        ranges->bytes == 0 ? NULL
                           : (void *)(ranges->data + ranges->bytes - sizeof(struct number_range));
    const struct check_run *runs = request->config->lines->runs;

    bool same_run = last != NULL && strlen(runs[last->run].name) == name.bytes &&
                    memcmp(runs[last->run].name, name.data, name.bytes) == 0;
    if (same_run && number == last->first + last->count && last->count < UINT32_MAX) {
        last->count++;
        return;
    }
    struct number_range range = { .first = number, .count = 1 };
    range.run = same_run ? last->run : check_run(request->config->lines, name);
    if (range.run != CHECK_NO_RUN && !buf_add(ranges, &range, sizeof(range)))
        request->state = REQUEST_TOO_LARGE;
}

/* `rest` begins behind " seq=". A number that the line's end cuts off is none. */
static bool read_sequence(struct request *request, struct slice rest)
{
    const char *end = rest.data + rest.bytes;
    const char *dot = memchr(rest.data, '.', rest.bytes < 64 ? rest.bytes : 64);
    struct slice name = { rest.data, dot == NULL ? 0 : (size_t)(dot - rest.data) };
    uint64_t number = 0;

    if (dot == NULL || !options_name_is_valid(name))
        return false;
    const char *at = dot + 1;
    if (!read_digits(&at, end, &number) || at == end || *at != ' ')
        return false;
    add_number(request, name, number);
    return true;
}

static void read_stamp(struct request *request, struct slice event)
{
    const char *at = memmem(event.data, event.bytes, " ts=", 4);
    const char *end = event.data + event.bytes;
    uint64_t ns = 0;

    if (at == NULL)
        return;
    at += 4;
    if (read_digits(&at, end, &ns) && at < end && *at == ' ')
        latency_add(&request->facts.latency, (clock_real_ns() - (int64_t)ns) / 1000);
}

static void print_event(FILE *to, struct slice event)
{
    flockfile(to);
    (void)fwrite_unlocked(event.data, 1, event.bytes, to);
    (void)putc_unlocked('\n', to);
    funlockfile(to);
}

static void take_event(void *context, struct slice event)
{
    struct request *request = context;
    struct slice rest = event;
    unsigned numbers = 0;
    const char *at;

    if (request->config->print != NULL)
        print_event(request->config->print, event);
    while ((at = memmem(rest.data, rest.bytes, " seq=", 5)) != NULL) {
        at += 5;
        rest = (struct slice){ at, rest.bytes - (size_t)(at - rest.data) };
        numbers += read_sequence(request, rest);
    }
    if (numbers > 0)
        read_stamp(request, event);
    request->facts.several += numbers > 1;
}

static void take_piece(void *context, struct slice piece)
{
    struct request *request = context;
    events_feed(&request->events, piece);
}

static bool is_plain_json(const char *content_type)
{
    static const char json[] = "application/json";

    return content_type != NULL && strncasecmp(content_type, json, strlen(json)) == 0 &&
           (content_type[strlen(json)] == '\0' || content_type[strlen(json)] == ';' ||
            content_type[strlen(json)] == ' ');
}

static void open_body(struct request *request, const struct request_head *head)
{
    enum body_encoding encoding = body_encoding_of(head->content_encoding);

    request->facts.counted = true;
    request->events = (struct events){ .take = take_event,
                                       .context = request,
                                       .may_be_array = is_plain_json(head->content_type) };
    events_init(&request->events);
    request->body = body_new(encoding, request->config->most_bytes, take_piece, request);
    if (request->body == NULL)
        request->state = encoding == BODY_UNKNOWN ? REQUEST_UNSUPPORTED : REQUEST_NO_MEMORY;
}

void request_init(struct request *request, const struct request_config *config,
                  const struct request_head *head)
{
    struct request_facts *facts = &request->facts;
    struct err err;

    request->config = config;
    facts->ranges.limit = RANGES_BYTES;
    facts->has_told =
        head->spillway_events != NULL &&
        options_count("Spillway-Events", head->spillway_events, &facts->told_events, &err);
    if (head->idempotency_key != NULL)
        (void)snprintf(facts->key, sizeof(facts->key), "%s", head->idempotency_key);
    if (!config->count_only)
        open_body(request, head);
}

void request_fini(struct request *request)
{
    body_free(&request->body);
    events_fini(&request->events);
    buf_fini(&request->facts.ranges);
}

static void judge_body(struct request *request, enum body_state state)
{
    static const enum request_state meant[] = {
        [BODY_GOOD] = REQUEST_GOOD,
        [BODY_DAMAGED] = REQUEST_DAMAGED,
        [BODY_TOO_LARGE] = REQUEST_TOO_LARGE,
        [BODY_NO_MEMORY] = REQUEST_NO_MEMORY,
    };
    if (request->state == REQUEST_GOOD)
        request->state = meant[state];
}

void request_feed(struct request *request, struct slice piece)
{
    request->facts.wire_bytes += piece.bytes;
    if (request->body != NULL && request->state == REQUEST_GOOD)
        judge_body(request, body_feed(request->body, piece));
}

void request_end(struct request *request)
{
    if (request->body == NULL)
        return;
    judge_body(request, body_end(request->body));
    if (!events_end(&request->events) && request->state == REQUEST_GOOD)
        request->state = REQUEST_DAMAGED;
    request->facts.events = request->events.count;
    request->facts.expanded_bytes = body_expanded_bytes(request->body);
    if (request->config->print != NULL)
        (void)fflush(request->config->print);
}
