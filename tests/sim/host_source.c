/* SPDX-License-Identifier: Apache-2.0 */
/* host_source: a source of events, and the reading in front of its lane: reads as long as the lane
 * takes, opens a receipt for each read, moves its position over what is settled, and saves that to
 * a disk that may be full. What input/reading and input/sink do in threads, without the threads.
 * The text of an event says who it is: "e<source>:<id>|xxx…". */
#include "host.h"

#include "event/resource.h"

#include <stdlib.h>

enum {
    BODY_MAX = 9 * 1024,
    SAVE_EVERY_MS = 1000,
    LOOK_MS = 1000, /* a reading that waits for a lane looks up this often */
    RECEIPT_RESERVE = 64,
    BACKLOG_READS = 8,
};

struct mark {
    uint64_t stream, position;
};

/* ---- the text of events ---- */

static uint64_t mix(uint64_t seed, uint32_t id)
{
    struct random random = random_make(seed + id);
    return random_next(&random);
}

size_t source_event_size(const struct source *source, uint32_t id)
{
    uint64_t hash = mix(source->size_seed, id);
    uint64_t kind = hash % 1000;

    hash >>= 10;
    if (kind < 4)
        return (size_t)(1000 + hash % (BODY_MAX - 1000));
    if (kind < 30)
        return (size_t)(200 + hash % 800);
    return (size_t)(16 + hash % 48);
}

bool source_is_poison(const struct source *source, uint32_t id)
{
    return mix(source->size_seed + 1, id) % 250 == 0;
}

static void add_fields(const struct source *source, uint32_t id, unsigned row, struct event *event)
{
    static const char tenants[] = "t0t0t0t0t1t1t2t3t4t5t6t7t8t9";
    static const uint8_t severities[] = { SEVERITY_NONE, SEVERITY_DEBUG, SEVERITY_INFO,
                                          SEVERITY_INFO, SEVERITY_WARN,  SEVERITY_ERROR };
    static struct attribute attributes[READ_EVENTS];
    uint64_t hash = mix(source->size_seed + 2, id);

    attributes[row] = (struct attribute){
        .key = { "tenant", 6 },
        .value = { .kind = VALUE_TEXT,
                   .text = { tenants + 2 * (hash % (sizeof(tenants) / 2)), 2 } },
    };
    event->attributes = &attributes[row];
    event->attribute_count = event->attribute_room = 1;
    event->severity = severities[(hash >> 20) % sizeof(severities)];
}

static struct event make_event(const struct source *source, uint32_t id, unsigned row)
{
    static char bodies[READ_EVENTS][BODY_MAX];
    char *body = bodies[row];

    if (body[BODY_MAX - 1] != 'x')
        memset(body, 'x', BODY_MAX);
    char digits[16];
    int length = 0;
    uint32_t rest = id;
    do
        digits[length++] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    *body++ = 'e';
    *body++ = (char)('0' + source->number);
    *body++ = ':';
    while (length > 0)
        *body++ = digits[--length];
    *body = '|';
    struct event event = { .body = { bodies[row], source_event_size(source, id) } };
    if (source->has_fields)
        add_fields(source, id, row, &event);
    return event;
}

/* ---- positions ---- */

void source_pop_settled(struct source *source)
{
    struct mark mark;
    size_t bytes;

    source->has_settled = false;
    while (receipts_pop_settled(source->receipts, &mark, &bytes)) {
        while (source->reads_count > 0 && source->reads[source->reads_at].to <= mark.position) {
            const struct open_read *read = &source->reads[source->reads_at];
            source->popped = read->to;
            source->reads_at = (source->reads_at + 1) % SOURCE_IDS;
            source->reads_count--;
            audit_settled(source, read->from, read->to);
        }
        if (source->popped != mark.position)
            host_fail(source->host, "%s: a position %llu that no read ended at", source->name,
                      (unsigned long long)mark.position);
        source->is_dirty = true;
    }
}

/* Another thread than the reading's: the position may move at this very moment, or later. */
static void note_settled(void *context)
{
    struct source *source = context;

    if (source->host->is_torn_down)
        return;
    source->has_settled = true;
    if (percent(source->host, 50))
        source_pop_settled(source);
}

static void note_room(void *context)
{
    struct source *source = context;
    source->has_room = true;
}

static void begin_save(struct source *source)
{
    struct sim *host = source->host;

    source->is_dirty = false;
    source->is_saving = true;
    source->saving = source->popped;
    source->save_fails = host->disk_is_full;
    source->saved_at_ms = host->now_ms + (int64_t)between(host, 1, 30);
    source->next_save_ms = host->now_ms + SAVE_EVERY_MS;
}

static void end_save(struct source *source)
{
    source->is_saving = false;
    if (source->save_fails) {
        source->is_dirty = true;
        return;
    }
    if (source->saving < source->durable)
        host_fail(source->host, "%s: the checkpoint went back from %u to %u", source->name,
                  source->durable, source->saving);
    source->durable = source->saving;
}

/* ---- reading ---- */

static bool may_collect(const struct source *source)
{
    return !source->host->is_draining && source->read_at < source->written &&
           (source->receipts == NULL || receipts_have_room(source->receipts, RECEIPT_RESERVE));
}

static void begin_read(struct source *source)
{
    struct sim *host = source->host;
    uint32_t there = source->written - source->read_at;
    uint32_t count = (uint32_t)between(host, 1, source->read_events);

    if (count > there)
        count = there;
    source->is_reading = true;
    source->read_to = source->read_at + count;
    source->read_boot_ms = host->boot_ms;
    source->deadline_ms = source->block_for_ms == 0 ? 0 : host->now_ms + source->block_for_ms;
    source->has_room = true;
    if (source->receipts != NULL) {
        source->receipt = receipts_open(source->receipts);
        if (source->receipt == NULL)
            host_fail(host, "%s: the list of receipts is full", source->name);
        unsigned at = (source->reads_at + source->reads_count++) % SOURCE_IDS;
        source->reads[at] = (struct open_read){ source->receipt, source->read_at, source->read_to };
    }
    source->read_at = source->read_to;
}

static void end_read(struct source *source)
{
    struct mark mark = { 1, source->read_to };

    source->is_reading = false;
    if (source->receipt != NULL)
        receipts_hold_done(source->receipts, source->receipt, &mark, sizeof(mark));
    source->receipt = NULL;
    if (source->read_at < source->written) {
        source->full_reads++;
        return;
    }
    if (source->full_reads >= BACKLOG_READS)
        lane_hurry(source->lane, source->host->boot_ms);
    source->full_reads = 0;
}

static void give_up_read(struct source *source, const struct event *events, size_t count)
{
    if (source->rereadable && source->host->is_aborting) {
        source->is_reading = false; /* still in the source: the hold stays */
        source->has_refused = true;
        return;
    }
    lane_refuse(source->lane, FLOW_block_timeout, events, 0, count);
    source->handled = source->read_to;
    end_read(source);
}

static void offer(struct source *source)
{
    struct sim *host = source->host;
    struct event events[READ_EVENTS];
    size_t count = source->read_to - source->handled;
    struct run_info run = { source->receipt, source->resource, source->read_boot_ms };
    struct lane_news news = { .shed = SHED_SAME };

    CHECK(count <= READ_EVENTS);
    for (size_t i = 0; i < count; i++) {
        uint32_t id = source->handled + (uint32_t)i;
        events[i] = make_event(source, id, (unsigned)i);
        source->fates[id].admitted_ms =
            (uint32_t)(host->boots_ms + source->read_boot_ms - HOST_EPOCH_MS);
    }
    source->has_room = false;
    size_t done = lane_offer(source->lane, events, 0, count, &run, &news);
    TRACE(host, "%s offers %u…%u, the lane takes %zu", source->name, source->handled,
          source->read_to, done);
    source->handled += (uint32_t)done;
    if (done == count) {
        end_read(source);
    } else if (host->is_aborting ||
               (source->deadline_ms > 0 && host->now_ms >= source->deadline_ms)) {
        give_up_read(source, events + done, count - done);
    } else {
        source->wait_until_ms = host->now_ms + LOOK_MS;
        if (source->deadline_ms > 0 && source->deadline_ms < source->wait_until_ms)
            source->wait_until_ms = source->deadline_ms;
    }
}

static void arrive(struct source *source)
{
    struct sim *host = source->host;
    uint64_t count = between(host, 1, source->read_events), dice = between(host, 0, 999);
    int64_t gap_ms = (int64_t)between(host, 0, 2 * (uint64_t)source->gap_ms);

    if (dice < 10)
        count = between(host, 100, 1500);
    else if (dice < 20)
        gap_ms = (int64_t)between(host, 1000, 120000);
    if (count > SOURCE_IDS - source->written)
        count = SOURCE_IDS - source->written;
    source->written += (uint32_t)count;
    source->next_arrival_ms = source->written == SOURCE_IDS ? INT64_MAX : host->now_ms + 1 + gap_ms;
}

/* ---- steps ---- */

static bool may_offer(const struct source *source)
{
    const struct sim *host = source->host;

    return source->is_reading ? source->has_room || host->now_ms >= source->wait_until_ms
                              : may_collect(source);
}

static bool may_arrive(const struct source *source)
{
    return !source->host->is_calm && source->host->now_ms >= source->next_arrival_ms;
}

static bool may_save(const struct source *source)
{
    return source->is_dirty && !source->is_saving && source->host->now_ms >= source->next_save_ms;
}

bool source_may_step(const struct source *source)
{
    return may_arrive(source) || source->has_settled ||
           (source->is_saving && source->host->now_ms >= source->saved_at_ms) || may_save(source) ||
           may_offer(source);
}

void source_step(struct source *source)
{
    if (source->is_saving && source->host->now_ms >= source->saved_at_ms)
        end_save(source);
    else if (source->has_settled)
        source_pop_settled(source);
    else if (may_save(source))
        begin_save(source);
    else if (may_arrive(source))
        arrive(source);
    else if (!source->is_reading)
        begin_read(source);
    else
        offer(source);
}

int64_t source_next_ms(const struct source *source)
{
    int64_t next_ms = source->host->is_calm ? INT64_MAX : source->next_arrival_ms;

    if (source->is_saving)
        next_ms = least_ms(next_ms, source->saved_at_ms);
    else if (source->is_dirty)
        next_ms = least_ms(next_ms, source->next_save_ms);
    if (source->is_reading)
        next_ms = least_ms(next_ms, source->wait_until_ms);
    return next_ms;
}

bool source_is_quiet(const struct source *source)
{
    return source->read_at == source->written && !source->is_reading && !source->is_dirty &&
           !source->is_saving && !source->has_settled &&
           (source->receipts == NULL || receipts_count(source->receipts) == 0);
}

/* ---- start and end ---- */

void source_start(struct source *source)
{
    struct sim *host = source->host;
    struct lane_config config = { .capacity_bytes = source->pieces * source->piece_bytes,
                                  .piece_bytes = source->piece_bytes,
                                  .overflow = source->overflow,
                                  .shed = source->shed,
                                  .shed_key = "tenant",
                                  .classes = source->classes,
                                  .weight = 1 + source->number % 3,
                                  .seed = host->seed + source->number,
                                  .feed = &source->outlet->feed,
                                  .on_room = note_room,
                                  .on_room_context = source };
    struct attribute place = { { "place", 5 }, { .kind = VALUE_TEXT, .text = { "here", 4 } } };

    source->books =
        ledger_lane(host->ledger, source->name, source->outlet->name, source->rereadable);
    CHECK(source->books != NULL);
    config.books = source->books;
    source->lane = lane_new(&config);
    source->resource = source->has_resource ? resource_new(&place, 1) : NULL;
    if (source->rereadable)
        source->receipts = receipts_new(note_settled, source);
    source->acked = source->popped_unacked = source->last_acked = 0;
    source->reads_at = source->reads_count = source->full_reads = 0;
    source->is_reading = source->has_settled = source->is_dirty = source->is_saving = false;
    source->has_refused = false;
    source->receipt = NULL;
    source->next_save_ms = host->now_ms;
    /* What came to a socket while nobody listened was never the agent's. */
    source->first = source->rereadable ? source->durable : source->written;
    source->read_at = source->handled = source->popped = source->first;
}

void source_crash(struct source *source)
{
    lane_free(&source->lane);
    receipts_free(&source->receipts);
    resource_unref(&source->resource);
}

void source_abort(struct source *source)
{
    if (source->is_reading)
        offer(source);
}

void source_finish(struct source *source)
{
    if (source->receipts == NULL)
        return;
    source_pop_settled(source);
    if (source->is_saving)
        end_save(source);
    begin_save(source);
    end_save(source);
}
