/* SPDX-License-Identifier: Apache-2.0 */
/* host_endpoint: the network and the endpoint of an output, and what they know: the set of events
 * that arrived, read from the bodies of the requests, and those for which the agent was told so. */
#include "host.h"

#include "base/auto.h"
#include "batch/codec.h"

/* ---- what is in a body ---- */

static const char *read_number(const char *at, const char *end, uint32_t *ret)
{
    uint32_t number = 0;

    while (at < end && *at >= '0' && *at <= '9')
        number = number * 10 + (uint32_t)(*at++ - '0');
    *ret = number;
    return at;
}

/* One line, `{"severity_number":9,"body":"e3:17|xxx"…`. Returns where the next begins. */
static const char *read_line(const struct outlet *outlet, bool is_old, const char *at,
                             const char *end, struct item *ret)
{
    static const char head[] = "\"body\":\"e";
    const size_t head_bytes = sizeof(head) - 1, before_body = 40;
    uint32_t source = 0, id = 0;
    size_t room = (size_t)(end - at) < before_body ? (size_t)(end - at) : before_body;
    const char *body = memmem(at, room, head, head_bytes);

    if (body == NULL)
        host_fail(outlet->host, "%s: a line that is no event: %.30s", outlet->name, at);
    at = read_number(body + head_bytes, end, &source);
    at = read_number(at + 1, end, &id);
    unsigned index = source - outlet->number * OUTLET_SOURCES;
    if (index >= outlet->source_count ||
        id >= (is_old ? outlet->sources[index].written : outlet->sources[index].handled))
        host_fail(outlet->host, "%s: event %u of source %u was never offered", outlet->name, id,
                  source);
    *ret = (struct item){ (uint8_t)index, id };
    at = memchr(at, '\n', (size_t)(end - at));
    return at == NULL ? end : at + 1;
}

static void read_text(const struct outlet *outlet, struct slice text, struct sim_request *request)
{
    const char *at = text.data, *end = text.data + text.bytes;

    if (request->batch->encoding == ENCODE_JSON_ARRAY) {
        if (text.bytes < 4 || memcmp(at, "[\n", 2) != 0 || memcmp(end - 2, "\n]", 2) != 0)
            host_fail(outlet->host, "%s: a body that is no array", outlet->name);
        at += 2;
        end -= 1;
    } else if (end[-1] != '\n') {
        host_fail(outlet->host, "%s: a body without an end", outlet->name);
    }
    request->count = 0;
    while (at < end) {
        if (request->count == BATCH_EVENTS)
            host_fail(outlet->host, "%s: a body of more than %d events", outlet->name,
                      (int)BATCH_EVENTS);
        at = read_line(outlet, request->is_old, at, end, &request->items[request->count++]);
    }
}

void endpoint_read_body(const struct outlet *outlet, struct sim_request *request)
{
    const struct batch *batch = request->batch;
    AUTO(buf_fini) struct buf text = { .limit = batch->raw_bytes + 1 };
    struct slice body = { batch->body, batch->body_bytes };

    if (batch->compression != COMPRESS_NONE) {
        struct sim *before = memory_is_for(NULL);
        if (!codec_expand(batch->compression, body, &text))
            host_fail(outlet->host, "%s: a body that does not expand", outlet->name);
        body = buf_slice(&text);
        (void)memory_is_for(before);
    }
    if (body.bytes != batch->raw_bytes)
        host_fail(outlet->host, "%s: a body of %zu bytes, not %zu", outlet->name, body.bytes,
                  batch->raw_bytes);
    read_text(outlet, body, request);
}

/* ---- is it what the batch says? ---- */

static const struct open_read *find_read(const struct source *source, uint32_t id)
{
    unsigned low = 0, high = source->reads_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct open_read *read = &source->reads[(source->reads_at + middle) % SOURCE_IDS];
        if (id >= read->to)
            low = middle + 1;
        else if (id < read->from)
            high = middle;
        else
            return read;
    }
    return NULL;
}

static void check_receipt(const struct source *source, const struct item *item,
                          const struct receipt *receipt)
{
    const struct open_read *read = find_read(source, item->id);

    if (read == NULL)
        host_fail(source->host, "%s: event %u is under way, but its read was settled before",
                  source->name, item->id);
    if (read->receipt != receipt)
        host_fail(source->host, "%s: event %u is in a run with another read's receipt",
                  source->name, item->id);
}

/* Classes are read in turns: order is kept in each, not in the lane. */
static void check_run(const struct outlet *outlet, const struct sim_request *request, unsigned at,
                      const struct batch_run *run)
{
    const struct item *first = &request->items[at], *end = first + run->events;
    const struct source *source = &outlet->sources[first->source];
    bool is_ordered = source->classes.by == CLASS_BY_NOTHING;

    if (source->books != run->books)
        host_fail(outlet->host, "%s: a run of %s is said to be another's", outlet->name,
                  source->name);
    if ((!source->rereadable || request->batch->pin != NULL) && run->receipt != NULL)
        host_fail(outlet->host, "%s: a receipt from nowhere", source->name);
    for (const struct item *item = first; item < end; item++) {
        if (item->source != first->source ||
            (is_ordered && item > first && item->id <= item[-1].id))
            host_fail(outlet->host, "%s: event %u follows %u of %s in one run", outlet->name,
                      item->id, item[-1].id, source->name);
        if (source->rereadable && request->batch->pin == NULL &&
            (item == first || item + 1 == end || !is_ordered))
            check_receipt(source, item, run->receipt);
    }
}

static void check_runs(const struct outlet *outlet, const struct sim_request *request)
{
    const struct batch *batch = request->batch;
    unsigned at = 0;

    if (request->count != batch->events)
        host_fail(outlet->host, "%s: a body of %u events, not %llu", outlet->name, request->count,
                  (unsigned long long)batch->events);
    for (size_t i = 0; i < batch->run_count; i++) {
        if (batch->runs[i].events == 0 || batch->runs[i].events > request->count - at)
            host_fail(outlet->host, "%s: runs of more events than the body has", outlet->name);
        check_run(outlet, request, at, &batch->runs[i]);
        at += (unsigned)batch->runs[i].events;
    }
}

/* A batch of an earlier start may be sent twice, when what became of it was not noted in time;
 * never in two requests at a time. */
static void check_old(const struct outlet *outlet, const struct sim_request *request)
{
    if (request->batch->pin == NULL)
        host_fail(outlet->host, "%s: a batch of an earlier start is in memory", outlet->name);
    for (unsigned i = 0; i < REQUESTS_MAX; i++) {
        const struct sim_request *other = &outlet->requests[i];
        if (other != request && other->batch != NULL &&
            strcmp(other->batch->key, request->batch->key) == 0)
            host_fail(outlet->host, "%s: a batch is in two requests", outlet->name);
    }
}

static void check_item(const struct outlet *outlet, const struct item *item)
{
    const struct sim *host = outlet->host;
    const struct source *source = &outlet->sources[item->source];
    struct fate *fate = &source->fates[item->id];
    int64_t age_ms = host->boots_ms + host->boot_ms - HOST_EPOCH_MS - (int64_t)fate->admitted_ms;
    int64_t max_age_ms = outlet->delivery_config.max_age_ms;

    if (item->id < source->first)
        host_fail(host, "%s: event %u is of an earlier start", source->name, item->id);
    if (fate->in_flight)
        host_fail(host, "%s: event %u is in two requests at a time", source->name, item->id);
    if (fate->acked_in == host->start || (fate->was_acked && !source->rereadable))
        host_fail(host, "%s: event %u is sent again after it was acknowledged", source->name,
                  item->id);
    if (max_age_ms > 0 && age_ms >= max_age_ms)
        host_fail(host, "%s: event %u is sent %lld ms after its admission, max_age is %lld",
                  source->name, item->id, (long long)age_ms, (long long)max_age_ms);
    fate->in_flight = true;
}

static void note_arrival(struct outlet *outlet, const struct sim_request *request)
{
    for (unsigned i = 0; i < request->count; i++) {
        const struct item *item = &request->items[i];
        struct fate *fate = &outlet->sources[item->source].fates[item->id];
        outlet->host->repeated += fate->arrived && !fate->was_repeated;
        fate->was_repeated = fate->arrived;
        fate->arrived = true;
    }
}

/* One request at a time, one worker: the order is kept, also over a spool, unless a part of it
 * cannot be read now: then what is behind that goes first. */
static void check_order(const struct outlet *outlet, struct source *source, uint32_t id)
{
    if (outlet->was_parallel || outlet->worker_count > 1 || outlet->was_newest_first ||
        outlet->spooler.any_unread || source->classes.by != CLASS_BY_NOTHING ||
        outlet->host->is_draining)
        return;
    if (source->fates[id].was_refused) /* by one that took nothing yet: the next one went past it */
        return;
    if (id < source->last_acked)
        host_fail(outlet->host, "%s: event %u arrived after %u", source->name, id,
                  source->last_acked);
    source->last_acked = id;
}

void endpoint_acknowledge(struct outlet *outlet, const struct sim_request *request)
{
    for (unsigned i = 0; i < request->count; i++) {
        const struct item *item = &request->items[i];
        struct source *source = &outlet->sources[item->source];
        source->fates[item->id].was_acked = true;
        *(request->is_from_disk ? &source->acked_from_disk : &source->acked) += 1;
        if (request->is_old)
            continue;
        source->fates[item->id].acked_in = (uint8_t)outlet->host->start;
        check_order(outlet, source, item->id);
    }
}

void endpoint_forget(struct outlet *outlet, const struct sim_request *request)
{
    if (request->count == 1 && request->answer.verdict == VERDICT_REJECTED)
        outlet->sources[request->items[0].source].fates[request->items[0].id].was_refused = true;
    for (unsigned i = 0; i < request->count && !request->is_old; i++)
        outlet->sources[request->items[i].source].fates[request->items[i].id].in_flight = false;
}

/* ---- weather ---- */

static const char *const weather_names[WEATHERS] = {
    [FINE] = "fine",           [DOWN] = "down",   [SILENT] = "silent", [SICK] = "sick",
    [SLOW] = "slow",           [BUSY] = "busy",   [GRUMPY] = "grumpy", [FORBIDDEN] = "forbidden",
    [FORGETFUL] = "forgetful", [FLAKY] = "flaky", [SMALL] = "small",   [PICKY] = "picky",
};

void endpoint_change_weather(struct outlet *outlet)
{
    struct sim *host = outlet->host;

    if (host->is_calm || outlet->weather != FINE)
        outlet->weather = FINE;
    else
        outlet->weather = (enum weather)between(host, 1, WEATHERS - 1);
    host->faults += outlet->weather != FINE;
    outlet->weather_until_step = host->step + between(host, 20, percent(host, 20) ? 500 : 150);
    /* A grumpy endpoint refuses all it is offered: for long there would be nothing else. */
    if (outlet->weather == GRUMPY)
        outlet->weather_until_step = host->step + between(host, 5, 40);
    outlet->chance = (unsigned)between(host, 5, 100);
    outlet->size_limit = (size_t)between(host, 50, outlet->max_bytes);
    TRACE(host, "%s: the weather is %s", outlet->name, weather_names[outlet->weather]);
}

static bool has_poison(const struct outlet *outlet, const struct sim_request *request)
{
    for (unsigned i = 0; i < request->count; i++) {
        if (source_is_poison(&outlet->sources[request->items[i].source], request->items[i].id))
            return true;
    }
    return false;
}

/* Sets verdict and took_ms; returns whether the data arrive. */
static bool meet_weather(struct outlet *outlet, const struct sim_request *request,
                         int64_t timeout_ms, struct answer_summary *answer)
{
    struct sim *host = outlet->host;
    bool strikes = percent(host, outlet->chance);

    switch (outlet->weather) {
    case DOWN:
        *answer = (struct answer_summary){ VERDICT_RETRY, -1, 1, true, false, "refused", NULL };
        return false;
    case SILENT:
        *answer =
            (struct answer_summary){ VERDICT_RETRY, -1, timeout_ms, true, false, "timeout", NULL };
        return percent(host, 30);
    case SICK:
        if (strikes)
            answer->verdict = VERDICT_RETRY;
        return !strikes || percent(host, 20);
    case SLOW:
        answer->took_ms *= (int64_t)between(host, 2, 100);
        return true;
    case BUSY:
        if (strikes)
            answer->verdict = VERDICT_BUSY;
        if (strikes && percent(host, 70))
            answer->retry_after_ms =
                percent(host, 1) ? 7200 * MS_PER_S : (int64_t)between(host, 0, 20000);
        return !strikes;
    case FORBIDDEN:
        answer->verdict = VERDICT_HOLD;
        return false;
    case GRUMPY:
        answer->verdict = VERDICT_REJECTED;
        return false;
    case FORGETFUL:
        if (strikes)
            answer->verdict = VERDICT_RETRY;
        return true;
    case FLAKY:
        if (strikes)
            answer->verdict = VERDICT_RETRY;
        answer->died_before_answer = strikes && !answer->opened_connection;
        return !strikes || percent(host, 30);
    case SMALL:
        if (request->batch->body_bytes > outlet->size_limit)
            answer->verdict = VERDICT_TOO_LARGE;
        return answer->verdict == VERDICT_SENT;
    case PICKY:
        if (has_poison(outlet, request))
            answer->verdict = VERDICT_REJECTED;
        return answer->verdict == VERDICT_SENT;
    case FINE:
    case WEATHERS:
        break;
    }
    return true;
}

void endpoint_take(struct outlet *outlet, struct sim_request *request, int64_t timeout_ms)
{
    struct sim *host = outlet->host;
    int64_t latency_ms = outlet->latency_ms;

    endpoint_read_body(outlet, request);
    check_runs(outlet, request);
    if (request->is_old)
        check_old(outlet, request);
    for (unsigned i = 0; i < request->count && !request->is_old; i++)
        check_item(outlet, &request->items[i]);
    request->answer = (struct answer_summary){
        .verdict = VERDICT_SENT,
        .retry_after_ms = -1,
        .took_ms = latency_ms + (int64_t)between(host, 0, (uint64_t)latency_ms),
        .opened_connection = percent(host, 10),
        .what = "an answer",
    };
    bool arrives = meet_weather(outlet, request, timeout_ms, &request->answer);
    if (request->answer.took_ms >= timeout_ms)
        request->answer =
            (struct answer_summary){ VERDICT_RETRY, -1, timeout_ms, false, false, "timeout", NULL };
    if (arrives)
        note_arrival(outlet, request);
    request->answer_ms = host->now_ms + request->answer.took_ms;
}
