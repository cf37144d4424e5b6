/* SPDX-License-Identifier: Apache-2.0 */
/* lane: offers are counted once a run. Eviction takes a whole piece out under the lock, and lets go
 * of its receipts outside of it. */
#include "flow/lane_state.h"

#include "base/check.h"
#include "event/record.h"
#include "event/resource.h"
#include "flow/field_key.h"
#include "flow/weight.h"

#include <stdlib.h>

bool lane_build(struct lane *lane)
{
    const struct lane_config *config = &lane->config;

    lane->arena = arena_new(config->capacity_bytes, config->piece_bytes);
    if (lane->arena == NULL)
        return false;
    struct shedder_config shed = config->shed;
    shed.class_count = classes_count(&config->classes);
    lane->shedder = shedder_new(&shed);
    lane->classes = classes_new(&config->classes, lane->arena);
    if (lane->shedder == NULL || lane->classes == NULL)
        return false;
    if (shedder_may_shed(lane->shedder)) {
        lane->weight_room = malloc(WEIGHT_ROOM * sizeof(*lane->weight_room));
        if (lane->weight_room == NULL)
            return false;
    }
    lane->max_record = ring_max_record(lane->arena);
    return true;
}

struct lane *lane_new(const struct lane_config *config)
{
    struct lane *lane = calloc(1, sizeof(*lane));
    if (lane == NULL)
        return NULL;
    lane->magic = LANE_MAGIC;
    lane->config = *config;
    lane->random = random_make(config->seed);
    lock_init(&lane->lock, "lane");
    if (!lane_build(lane)) {
        lane_free(&lane);
        return NULL;
    }
    numbers_set(ledger_lane_numbers(config->books), NUMBER_lane_capacity_bytes,
                arena_pieces(lane->arena) * arena_piece_bytes(lane->arena));
    return lane;
}

void lane_free(struct lane **lanep)
{
    struct lane *lane = *lanep;
    *lanep = NULL;
    if (lane == NULL)
        return;
    CHECK(lane->magic == LANE_MAGIC);
    for (size_t i = 0; i < LANE_OUTGROWN; i++)
        CHECK(lane->outgrown[i] == NULL); /* workers have put down what they had in hand */
    (void)feed_keep(lane->config.feed, &lane->kept_bytes, 0);
    classes_free(&lane->classes);
    arena_free(&lane->arena);
    shedder_free(&lane->shedder);
    free(lane->weight_room);
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
    struct amount admitted, shed, oversize, newest, over_share;
    enum flow why; /* the last event was turned away */
};

static void tally_add(struct amount *amount, uint64_t bytes)
{
    amount->events++;
    amount->bytes += bytes;
}

/* After a change to less memory more may be lent than there is now. */
static double lane_fill(const struct lane *lane)
{
    double fill = (double)arena_lent(lane->arena) / (double)arena_pieces(lane->arena);

    return fill > 1 ? 1 : fill;
}

void lane_note_time(struct lane *lane, int64_t boot_ms) NEEDS_LOCK(&lane->lock)
{
    if (boot_ms > lane->now_ms)
        lane->now_ms = boot_ms;
}

void lane_note_shed(struct lane *lane, enum shed_change change, int64_t boot_ms)
    NEEDS_LOCK(&lane->lock)
{
    double fill = lane_fill(lane);
    struct lane_news *news = &lane->news;

    if (change == SHED_STARTED) {
        *news = (struct lane_news){ .shed = change };
        lane->shed_since_ms = boot_ms;
    }
    news->shed = change;
    news->fill = fill;
    news->high = lane->config.shed.high;
    news->low = lane->config.shed.low;
    news->keep = shedder_keep(lane->shedder);
    struct classes_level level = classes_level(lane->classes);
    news->depth = (struct amount){ level.events, level.bytes };
    news->shed_ms = boot_ms - lane->shed_since_ms;
    lane->has_news = true;
}

/* Looks whether shedding starts or stops; what is new waits for whoever can tell it, and nothing
 * newer takes its place. */
void lane_step_shedder(struct lane *lane, int64_t boot_ms) NEEDS_LOCK(&lane->lock)
{
    if (lane->has_news)
        return;
    enum shed_change change = shedder_step(lane->shedder, boot_ms, lane_fill(lane));
    if (change != SHED_SAME)
        lane_note_shed(lane, change, boot_ms);
}

/* Asks the shedder, if the event may be shed. The probability with which the event is kept; 0:
 * shed. */
static double pass_shedder(struct lane *lane, const struct event *event, size_t class)
    NEEDS_LOCK(&lane->lock)
{
    struct shed_facts facts = { .bytes = event_bytes(event),
                                .class = class,
                                .severity = event->severity };
    char room[FIELD_KEY_BYTES];

    if (lane->config.shed.mode == SHED_KEY && shedder_is_shedding(lane->shedder)) {
        struct slice key = field_key_text(event, slice_of(lane->config.shed_key), room);
        facts.has_key = key.bytes > 0;
        facts.key = field_key_hash(key);
    }
    double kept = shedder_admit(lane->shedder, &facts, &lane->random);
    if (kept <= 0) {
        tally_add(&lane->news.shed_amount, facts.bytes);
        classes_note_shed(lane->classes, class);
        lane->news.shed_by_band[severity_band(event->severity)]++;
    }
    return kept;
}

enum admission { ADMITTED, NOT_ADMITTED, NO_ROOM };

static enum admission push_event(struct lane *lane, const struct event *event, size_t class,
                                 const struct run_info *run, struct tally *tally)
    NEEDS_LOCK(&lane->lock)
{
    bool is_bounded = lane->config.overflow == LANE_DROP_NEWEST;
    size_t size = record_size(event);
    struct run_info info = *run;

    if (size > lane->max_record) {
        tally_add(&tally->oversize, event_bytes(event));
        tally->why = FLOW_oversize;
        return NOT_ADMITTED;
    }
    if (event->resource != NULL)
        info.resource = event->resource;
    switch (classes_push(lane->classes, class, event, size, &info, is_bounded)) {
    case CLASS_PUSHED:
        tally_add(&tally->admitted, event_bytes(event));
        return ADMITTED;
    case CLASS_OVER_SHARE:
        classes_note_refused(lane->classes, class);
        tally_add(&tally->over_share, event_bytes(event));
        tally->why = FLOW_shed_class;
        return NOT_ADMITTED;
    case CLASS_NO_ROOM:
        break;
    }
    lane->full_class = class;
    if (!is_bounded)
        return NO_ROOM;
    classes_note_refused(lane->classes, class);
    tally_add(&tally->newest, event_bytes(event));
    tally->why = FLOW_shed_newest;
    return NOT_ADMITTED;
}

size_t lane_find_class(struct lane *lane, const struct event *event, int64_t boot_ms)
    NEEDS_LOCK(&lane->lock)
{
    bool is_new;
    if (lane->config.classes.by == CLASS_BY_NOTHING)
        return 0;
    size_t class = classes_find(lane->classes, event, boot_ms, &is_new);
    if (is_new)
        shedder_forget_class(lane->shedder, class);
    return class;
}

bool lane_may_shed(const struct lane *lane, const struct event *event)
{
    return lane->weight_room != NULL && event->kind == EVENT_LOG;
}

static enum admission admit_event(struct lane *lane, const struct event *event,
                                  const struct run_info *run, struct tally *tally)
    NEEDS_LOCK(&lane->lock)
{
    /* Asked once: an event that waits for room would else be sampled again and again. */
    double kept = lane->passed;
    size_t class = lane_find_class(lane, event, run->boot_ms);
    lane->passed = 0;
    if (kept <= 0)
        kept = lane_may_shed(lane, event) ? pass_shedder(lane, event, class) : 1;
    if (kept <= 0) {
        tally_add(&tally->shed, event_bytes(event));
        tally->why = FLOW_shed_sample;
        return NOT_ADMITTED;
    }
    struct event weighed;
    const struct event *admitted = event;
    if (kept < 1) {
        weighed = *event;
        weight_set(&weighed, lane->weight_room, 1 / kept);
        admitted = &weighed;
    }
    enum admission admission = push_event(lane, admitted, class, run, tally);
    if (admission == NO_ROOM)
        lane->passed = kept;
    return admission;
}

static void move_if_any(struct books *books, enum flow flow, struct amount amount)
{
    if (amount.events > 0)
        ledger_move(books, flow, amount.events, amount.bytes);
}

static void count_pass(struct lane *lane, const struct run_info *run, const struct tally *tally)
{
    receipt_add(run->receipt, tally->admitted.events);
    move_if_any(lane->config.books, FLOW_admit, tally->admitted);
    move_if_any(lane->config.books, FLOW_shed_sample, tally->shed);
    move_if_any(lane->config.books, FLOW_oversize, tally->oversize);
    move_if_any(lane->config.books, FLOW_shed_newest, tally->newest);
    move_if_any(lane->config.books, FLOW_shed_class, tally->over_share);
}

void lane_take_news(struct lane *lane, struct lane_news *ret_news) NEEDS_LOCK(&lane->lock)
{
    if (!lane->has_news)
        return;
    lane->has_news = false;
    if (ret_news == NULL)
        return;
    struct lane_examples examples = ret_news->examples;
    *ret_news = lane->news;
    ret_news->examples = examples;
}

static void add_example(struct lane_examples *examples, size_t at, enum flow why)
{
    if (examples->are_wanted && examples->count < LANE_EXAMPLES)
        examples->items[examples->count++] = (struct lane_example){ at, why };
}

static void count_evicted(struct lane *lane, const struct piece *piece)
{
    ledger_move(lane->config.books, FLOW_evict_oldest, piece->events, piece->bytes);
    feed_take(lane->config.feed, piece->events, piece->bytes);
}

/* One pass under the lock; ret_victim: pushed out, to be let go without the lock. */
static size_t offer_pass(struct lane *lane, const struct event *events, size_t from, size_t count,
                         const struct run_info *run, struct lane_news *news,
                         struct piece **ret_victim)
{
    struct tally tally = { 0 };
    size_t at = from;

    lock_take(&lane->lock);
    lane_note_time(lane, run->boot_ms);
    lane_step_shedder(lane, run->boot_ms);
    for (; at < count; at++) {
        enum admission admission = admit_event(lane, &events[at], run, &tally);
        if (admission == NO_ROOM)
            break;
        if (admission == NOT_ADMITTED && news != NULL)
            add_example(&news->examples, at, tally.why);
    }
    count_pass(lane, run, &tally);
    bool wake_workers = feed_add(lane->config.feed, tally.admitted.events, tally.admitted.bytes);
    lane_take_news(lane, news);
    if (at < count && lane->config.overflow == LANE_DROP_OLDEST) {
        /* NULL while the workers have all pieces in hand: then the newest has nowhere to go. */
        *ret_victim = classes_evict(lane->classes, lane->full_class);
        if (*ret_victim != NULL)
            count_evicted(lane, *ret_victim);
    }
    lane->has_waiter = at < count && lane->config.overflow == LANE_BLOCK;
    lock_drop(&lane->lock);
    if (wake_workers)
        wake_bump(&lane->config.feed->wake);
    return at;
}

/* To the arena that it is of: before a change the lane had another one. */
static void take_back(struct lane *lane, struct piece *piece) NEEDS_LOCK(&lane->lock)
{
    if (arena_owns(lane->arena, piece)) {
        arena_give(lane->arena, piece);
        return;
    }
    for (size_t i = 0; i < LANE_OUTGROWN; i++) {
        struct arena *arena = lane->outgrown[i];
        if (arena == NULL || !arena_owns(arena, piece))
            continue;
        arena_give(arena, piece);
        if (arena_lent(arena) == 0)
            arena_free(&lane->outgrown[i]);
        return;
    }
    CHECK(false); /* a piece of another lane */
}

static void let_go(struct lane *lane, struct piece *victim)
{
    piece_release_receipts(victim);
    piece_forget_resources(victim);
    lock_take(&lane->lock);
    take_back(lane, victim);
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
    lock_take(&lane->lock);
    for (size_t i = from; i < count; i++) {
        tally_add(&amount, event_bytes(&events[i]));
        classes_note_refused(lane->classes, lane_find_class(lane, &events[i], lane->now_ms));
    }
    lane->passed = 0;
    lock_drop(&lane->lock);
    move_if_any(lane->config.books, flow, amount);
}

void lane_count(struct lane *lane, enum flow flow, uint64_t events, uint64_t bytes)
{
    CHECK(flow_infos[flow].from == ACCOUNT_world);
    ledger_move(lane->config.books, flow, events, bytes);
}

bool lane_keep(struct lane *lane, uint64_t bytes)
{
    lock_take(&lane->lock);
    bool may = feed_keep(lane->config.feed, &lane->kept_bytes, bytes);
    lock_drop(&lane->lock);
    return may;
}

void lane_hurry(struct lane *lane, int64_t boot_ms)
{
    feed_hurry(lane->config.feed, boot_ms);
}

int64_t lane_max_wait_ms(const struct lane *lane)
{
    return atomic_load(&lane->config.feed->max_wait_ms);
}

/* ---- the other end ---- */

struct lane_level lane_level(struct lane *lane)
{
    lock_take(&lane->lock);
    struct classes_level level = classes_level(lane->classes);
    uint64_t held = classes_held_events(lane->classes);
    lane->parcel.kept_workers_waiting |= held > 0;
    double fill = lane_fill(lane);
    uint64_t used = arena_lent(lane->arena) * arena_piece_bytes(lane->arena);
    lock_drop(&lane->lock);
    numbers_set(ledger_lane_numbers(lane->config.books), NUMBER_lane_used_bytes, used);
    return (struct lane_level){ level.events - held, level.bytes, level.oldest_boot_ms, fill };
}

struct piece *lane_gather(struct lane *lane, unsigned worker, int64_t boot_ms)
{
    lock_take(&lane->lock);
    lane_note_time(lane, boot_ms);
    struct piece *piece = classes_take(lane->classes, lane->now_ms);
    if (piece != NULL) {
        ledger_move_cell(lane->config.books, FLOW_gather, worker, piece->events, piece->bytes);
        shedder_note_out(lane->shedder, piece->bytes);
        feed_take(lane->config.feed, piece->events, piece->bytes);
    }
    lock_drop(&lane->lock);
    return piece;
}

/* A reading that waits is woken when a quarter is free, not for every piece: each wake-up costs it
 * a system call and the worker its turn. */
static bool may_wake_waiter(const struct lane *lane)
{
    size_t room = arena_pieces(lane->arena), lent = arena_lent(lane->arena);
    size_t free_pieces = lent < room ? room - lent : 0;
    return lane->has_waiter && (free_pieces * 4 >= arena_pieces(lane->arena) ||
                                classes_level(lane->classes).events == 0);
}

void lane_give_back(struct lane *lane, struct piece **piecep)
{
    struct piece *piece = *piecep;
    *piecep = NULL;
    piece_forget_resources(piece);
    lock_take(&lane->lock);
    take_back(lane, piece);
    /* Under the lock: a reading that was taken from the lane (lane_set_reading) may be freed. */
    if (may_wake_waiter(lane)) {
        lane->has_waiter = false;
        lane->config.on_room(lane->config.on_room_context);
    }
    lock_drop(&lane->lock);
}

/* ---- audits and the end ---- */

void lane_tell_time(struct lane *lane, int64_t boot_ms, struct lane_news *ret_news)
{
    lock_take(&lane->lock);
    lane_note_time(lane, boot_ms);
    lane_step_shedder(lane, boot_ms);
    if (ret_news != NULL)
        lane_take_news(lane, ret_news);
    lock_drop(&lane->lock);
}

size_t lane_report_classes(struct lane *lane, int64_t boot_ms, struct class_report *ret_reports,
                           size_t room)
{
    if (lane->config.classes.by == CLASS_BY_NOTHING)
        return 0;
    lock_take(&lane->lock);
    lane_note_time(lane, boot_ms);
    size_t filled = classes_report(lane->classes, boot_ms, ret_reports, room);
    lock_drop(&lane->lock);
    return filled;
}
