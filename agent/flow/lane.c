/* SPDX-License-Identifier: Apache-2.0 */
/* lane: offers are counted once a run. Eviction takes a whole piece out under the lock, and lets go
 * of its receipts outside of it. */
#include "flow/lane.h"

#include "base/check.h"
#include "base/lock.h"
#include "event/record.h"
#include "event/resource.h"

#include <stdlib.h>

enum { LANE_MAGIC = 0x1a9e1a9e, WEIGHED_ATTRIBUTES = 64 };

struct lane {
    uint32_t magic;
    /* constant after start */
    struct lane_config config;
    size_t max_record;
    struct lock lock;
    /* under lock */
    struct arena *arena;
    struct ring ring;
    struct shedder shedder;
    struct random random;
    uint64_t shed_since_start;
    bool has_waiter;
};

struct lane *lane_new(const struct lane_config *config)
{
    struct lane *lane = calloc(1, sizeof(*lane));
    if (lane == NULL)
        return NULL;
    lane->arena = arena_new(config->capacity_bytes, config->piece_bytes);
    if (lane->arena == NULL) {
        free(lane);
        return NULL;
    }
    lane->magic = LANE_MAGIC;
    lane->config = *config;
    lane->max_record = ring_max_record(lane->arena);
    lock_init(&lane->lock, "lane");
    ring_init(&lane->ring, lane->arena);
    lane->shedder = shedder_make(&config->shed);
    lane->random = random_make(config->seed);
    return lane;
}

void lane_free(struct lane **lanep)
{
    struct lane *lane = *lanep;
    *lanep = NULL;
    if (lane == NULL)
        return;
    CHECK(lane->magic == LANE_MAGIC && lane->ring.events == 0);
    arena_free(&lane->arena);
    lock_fini(&lane->lock);
    free(lane);
}

struct books *lane_books(const struct lane *lane)
{
    return lane->config.books;
}

uint64_t lane_weight(const struct lane *lane)
{
    return lane->config.weight;
}

/* ---- the door ---- */

/* What one pass under the lock did. */
struct tally {
    struct amount admitted, shed, oversize, newest;
};

static void tally_add(struct amount *amount, const struct event *event)
{
    amount->events++;
    amount->bytes += event_bytes(event);
}

static double lane_fill(const struct lane *lane)
{
    return (double)arena_lent(lane->arena) / (double)arena_pieces(lane->arena);
}

/* A copy whose sampling.weight says for how many events it stands. The copy shares all else. */
static void weigh_event(struct event *event, struct attribute attributes[WEIGHED_ATTRIBUTES],
                        double weight)
{
    static const struct slice key = { "sampling.weight", sizeof("sampling.weight") - 1 };
    struct value there;

    if (event_field(event, key, &there) && there.kind == VALUE_REAL)
        weight *= there.real;
    if (event->attribute_count >= WEIGHED_ATTRIBUTES) {
        event->lost_attributes++;
        return;
    }
    if (event->attribute_count > 0)
        memcpy(attributes, event->attributes, event->attribute_count * sizeof(*attributes));
    event->attributes = attributes;
    event->attribute_room = WEIGHED_ATTRIBUTES;
    event_set(event, key, (struct value){ .kind = VALUE_REAL, .real = weight });
}

enum admission { ADMITTED, NOT_ADMITTED, NO_ROOM };

static enum admission admit_event(struct lane *lane, const struct event *event,
                                  const struct run_info *run, struct tally *tally)
    NEEDS_LOCK(&lane->lock)
{
    struct attribute attributes[WEIGHED_ATTRIBUTES];
    struct event weighed;

    if (lane->shedder.is_shedding && event->kind == EVENT_LOG) {
        if (!shedder_keeps(&lane->shedder, &lane->random)) {
            tally_add(&tally->shed, event);
            return NOT_ADMITTED;
        }
        weighed = *event;
        weigh_event(&weighed, attributes, shedder_weight(&lane->shedder));
        event = &weighed;
    }
    size_t size = record_size(event);
    if (size > lane->max_record) {
        tally_add(&tally->oversize, event);
        return NOT_ADMITTED;
    }
    struct run_info info = *run;
    if (event->resource != NULL)
        info.resource = event->resource;
    if (ring_push(&lane->ring, event, size, &info)) {
        tally_add(&tally->admitted, event);
        return ADMITTED;
    }
    if (lane->config.overflow == LANE_DROP_NEWEST) {
        tally_add(&tally->newest, event);
        return NOT_ADMITTED;
    }
    return NO_ROOM;
}

static void move_if_any(struct books *books, enum flow flow, struct amount amount)
{
    if (amount.events > 0)
        ledger_move(books, flow, amount.events, amount.bytes);
}

static void note_shedding(struct lane *lane, const struct tally *tally, struct lane_news *news)
    NEEDS_LOCK(&lane->lock)
{
    double fill = lane_fill(lane);
    enum shed_change change = shedder_update(&lane->shedder, fill);

    lane->shed_since_start += tally->shed.events;
    if (change == SHED_SAME)
        return;
    if (news != NULL)
        *news = (struct lane_news){ change, fill, lane->shed_since_start };
    lane->shed_since_start = 0;
}

/* One pass under the lock; ret_victim: a piece that was pushed out, to be let go without the lock.
 */
static size_t offer_pass(struct lane *lane, const struct event *events, size_t from, size_t count,
                         const struct run_info *run, struct lane_news *news,
                         struct piece **ret_victim)
{
    struct tally tally = { 0 };
    size_t at = from;

    lock_take(&lane->lock);
    while (at < count) {
        if (admit_event(lane, &events[at], run, &tally) == NO_ROOM)
            break;
        at++;
    }
    receipt_add(run->receipt, tally.admitted.events);
    move_if_any(lane->config.books, FLOW_admit, tally.admitted);
    move_if_any(lane->config.books, FLOW_shed_sample, tally.shed);
    move_if_any(lane->config.books, FLOW_oversize, tally.oversize);
    move_if_any(lane->config.books, FLOW_shed_newest, tally.newest);
    note_shedding(lane, &tally, news);
    if (at < count && lane->config.overflow == LANE_DROP_OLDEST) {
        /* NULL while the workers have all pieces in hand: then the newest has nowhere to go. */
        *ret_victim = ring_detach(&lane->ring);
        if (*ret_victim != NULL)
            ledger_move(lane->config.books, FLOW_evict_oldest, (*ret_victim)->events,
                        (*ret_victim)->bytes);
    }
    lane->has_waiter = at < count && lane->config.overflow == LANE_BLOCK;
    lock_drop(&lane->lock);
    feed_add(lane->config.feed, tally.admitted.events, tally.admitted.bytes);
    return at;
}

static void release_receipts(const struct piece *piece)
{
    struct piece_reader reader = { .piece = piece };
    uint64_t bytes;
    for (const char *record; (record = piece_next(&reader)) != NULL;) {
        struct receipt *receipt = reader.run.receipt;
        uint64_t events = 0;
        do {
            piece_advance(&reader, record_skip(record, &bytes));
            events++;
        } while (reader.at != reader.run_end && (record = piece_next(&reader)) != NULL);
        receipt_release(receipt, events);
    }
}

static void let_go(struct lane *lane, struct piece *victim)
{
    feed_take(lane->config.feed, victim->events, victim->bytes);
    release_receipts(victim);
    piece_forget_resources(victim);
    lock_take(&lane->lock);
    arena_give(lane->arena, victim);
    lock_drop(&lane->lock);
}

size_t lane_offer(struct lane *lane, const struct event *events, size_t from, size_t count,
                  const struct run_info *run, struct lane_news *ret_news)
{
    CHECK(lane->magic == LANE_MAGIC);
    for (size_t at = from;;) {
        struct piece *victim = NULL;
        at = offer_pass(lane, events, at, count, run, ret_news, &victim);
        if (at == count || lane->config.overflow == LANE_BLOCK)
            return at;
        if (victim != NULL) {
            let_go(lane, victim);
        } else {
            lane_refuse(lane, FLOW_shed_newest, events, at, at + 1);
            at++;
        }
    }
}

void lane_refuse(struct lane *lane, enum flow flow, const struct event *events, size_t from,
                 size_t count)
{
    struct amount amount = { 0, 0 };
    for (size_t i = from; i < count; i++)
        tally_add(&amount, &events[i]);
    move_if_any(lane->config.books, flow, amount);
}

void lane_count(struct lane *lane, enum flow flow, uint64_t events, uint64_t bytes)
{
    CHECK(flow_infos[flow].from == ACCOUNT_world);
    ledger_move(lane->config.books, flow, events, bytes);
}

void lane_hurry(struct lane *lane)
{
    feed_hurry(lane->config.feed);
}

/* ---- the other end ---- */

struct lane_level lane_level(struct lane *lane)
{
    lock_take(&lane->lock);
    struct lane_level level = { lane->ring.events, lane->ring.bytes,
                                ring_oldest_boot_ms(&lane->ring) };
    lock_drop(&lane->lock);
    return level;
}

struct piece *lane_gather(struct lane *lane, unsigned worker)
{
    lock_take(&lane->lock);
    struct piece *piece = ring_detach(&lane->ring);
    if (piece != NULL)
        ledger_move_cell(lane->config.books, FLOW_gather, worker, piece->events, piece->bytes);
    lock_drop(&lane->lock);
    if (piece != NULL)
        feed_take(lane->config.feed, piece->events, piece->bytes);
    return piece;
}

/* A reading that waits is woken when a quarter is free, not for every piece: each wake-up costs it
 * a system call and the worker its turn. */
static bool may_wake_waiter(const struct lane *lane)
{
    size_t free_pieces = arena_pieces(lane->arena) - arena_lent(lane->arena);
    return lane->has_waiter &&
           (free_pieces * 4 >= arena_pieces(lane->arena) || lane->ring.head == NULL);
}

void lane_give_back(struct lane *lane, struct piece **piecep)
{
    struct piece *piece = *piecep;
    *piecep = NULL;
    piece_forget_resources(piece);
    lock_take(&lane->lock);
    arena_give(lane->arena, piece);
    bool wake = may_wake_waiter(lane);
    if (wake)
        lane->has_waiter = false;
    lock_drop(&lane->lock);
    if (wake)
        lane->config.on_room(lane->config.on_room_context);
}

/* ---- audits and the end ---- */

void lane_audit(struct lane *lane)
{
    struct numbers *numbers = ledger_lane_numbers(lane->config.books);

    lock_take(&lane->lock);
    (void)ledger_audit(lane->config.books, ACCOUNT_ring, 0,
                       (struct amount){ lane->ring.events, lane->ring.bytes });
    size_t piece_bytes = arena_piece_bytes(lane->arena);
    uint64_t used = arena_lent(lane->arena) * piece_bytes;
    uint64_t capacity = arena_pieces(lane->arena) * piece_bytes;
    bool is_shedding = lane->shedder.is_shedding;
    if (lane->ring.events == 0)
        arena_trim(lane->arena);
    lock_drop(&lane->lock);
    numbers_set(numbers, NUMBER_lane_used_bytes, used);
    numbers_set(numbers, NUMBER_lane_capacity_bytes, capacity);
    numbers_set(numbers, NUMBER_lane_shedding, is_shedding);
}

void lane_abandon(struct lane *lane)
{
    bool replay = ledger_is_rereadable(lane->config.books);

    for (;;) {
        lock_take(&lane->lock);
        struct piece *piece = ring_detach(&lane->ring);
        if (piece != NULL)
            ledger_move(lane->config.books, replay ? FLOW_replay_ring : FLOW_drain_timeout_ring,
                        piece->events, piece->bytes);
        lock_drop(&lane->lock);
        if (piece == NULL)
            return;
        feed_take(lane->config.feed, piece->events, piece->bytes);
        if (!replay)
            release_receipts(piece);
        lane_give_back(lane, &piece);
    }
}

void lane_abandon_gathered(struct books *books, unsigned worker, struct receipt *receipt,
                           uint64_t events, uint64_t bytes)
{
    bool replay = ledger_is_rereadable(books);
    ledger_move_cell(books, replay ? FLOW_replay_batch : FLOW_drain_timeout_batch, worker, events,
                     bytes);
    if (!replay)
        receipt_release(receipt, events);
}
