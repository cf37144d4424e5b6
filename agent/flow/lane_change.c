/* SPDX-License-Identifier: Apache-2.0 */
/* lane_change: a lane goes over to other options with all it holds. The new arena, classes and
 * shedder are made beside, as a lane of their own that nobody knows; then the records are pushed
 * anew, class by class in order, and the insides change places. A record knows its receipt and
 * resource by its run, so nothing is counted: it was in the ring and it is in the ring. A worker
 * may still have a piece of the old arena in hand; that arena stays until the piece comes back. */
#include "base/check.h"
#include "event/record.h"
#include "event/resource.h"
#include "flow/lane_state.h"

#include <stdlib.h>

enum { EVENT_ATTRIBUTES = 1024 };

struct lane_change {
    struct lane *next;
    struct attribute *attributes; /* to read a record into */
};

void lane_change_free(struct lane_change **changep)
{
    struct lane_change *change = *changep;

    *changep = NULL;
    if (change == NULL)
        return;
    lane_free(&change->next);
    free(change->attributes);
    free(change);
}

struct lane_change *lane_prepare(const struct lane_config *config)
{
    struct lane_change *change = calloc(1, sizeof(*change));

    if (change == NULL)
        return NULL;
    change->next = lane_new(config);
    change->attributes = malloc(EVENT_ATTRIBUTES * sizeof(*change->attributes));
    if (change->next == NULL || change->attributes == NULL)
        lane_change_free(&change);
    return change;
}

/* A quarter more than is used, for what pieces of another size waste. */
bool lane_fits(struct lane *lane, const struct lane_change *change)
{
    lock_take(&lane->lock);
    uint64_t used = arena_lent(lane->arena) * arena_piece_bytes(lane->arena);
    lock_drop(&lane->lock);
    const struct arena *next = change->next->arena;
    return used + used / 4 <= arena_pieces(next) * arena_piece_bytes(next);
}

/* false: it finds no room. */
static bool move_record(struct lane *to, const struct event *event, const struct run_info *run)
{
    size_t size = record_size(event);
    bool is_new;

    if (size > to->max_record)
        return false;
    size_t class = classes_find(to->classes, event, run->boot_ms, &is_new);
    return classes_push(to->classes, class, event, size, run, false) == CLASS_PUSHED;
}

/* Both are this thread's alone. Counted first, then released. */
static void move_piece(struct lane *from, struct lane_change *change, const struct piece *piece,
                       struct amount *dropped)
{
    struct piece_reader reader = { .piece = piece };
    uint64_t bytes;

    for (const char *record; (record = piece_next(&reader)) != NULL;) {
        struct event event;
        size_t read = record_read(record, &event, change->attributes, EVENT_ATTRIBUTES);
        (void)record_skip(record, &bytes);
        event.resource = NULL; /* its run has it */
        if (!move_record(change->next, &event, &reader.run)) {
            dropped->events++;
            dropped->bytes += bytes;
            ledger_move(from->config.books, FLOW_reload_drop, 1, bytes);
            feed_take(from->config.feed, 1, bytes);
            receipt_drop(reader.run.receipt, 1);
        }
        piece_advance(&reader, read);
    }
}

/* The arena of before, if pieces of it are out. */
static void keep_outgrown(struct lane *lane, struct arena **arenap)
{
    size_t i = 0;

    if (arena_lent(*arenap) == 0) {
        arena_free(arenap);
        return;
    }
    arena_trim(*arenap);
    while (i < LANE_OUTGROWN && lane->outgrown[i] != NULL)
        i++;
    CHECK(i < LANE_OUTGROWN);
    lane->outgrown[i] = *arenap;
    *arenap = NULL;
}

static void swap_insides(struct lane *lane, struct lane *next) NEEDS_LOCK(&lane->lock)
{
    struct arena *arena = lane->arena;

    classes_free(&lane->classes);
    shedder_free(&lane->shedder);
    free(lane->weight_room);
    lane->config = next->config;
    lane->max_record = next->max_record;
    lane->arena = next->arena;
    lane->classes = next->classes;
    lane->shedder = next->shedder;
    lane->weight_room = next->weight_room;
    lane->full_class = 0;
    lane->passed = 0;
    next->arena = NULL;
    next->classes = NULL;
    next->shedder = NULL;
    next->weight_room = NULL;
    keep_outgrown(lane, &arena);
}

struct amount lane_commit(struct lane *lane, struct lane_change **changep)
{
    struct lane_change *change = *changep;
    struct amount dropped = { 0, 0 };
    struct piece *piece;

    CHECK(lane->config.books == change->next->config.books);
    lane_end_shedding(lane); /* the next shedder begins by its own options */
    for (;;) {
        lock_take(&lane->lock);
        piece = classes_take(lane->classes, lane->now_ms);
        lock_drop(&lane->lock);
        if (piece == NULL)
            break;
        move_piece(lane, change, piece, &dropped);
        lane_give_back(lane, &piece);
    }
    lock_take(&lane->lock);
    swap_insides(lane, change->next);
    lock_drop(&lane->lock);
    lane_change_free(changep);
    return dropped;
}

bool lane_limit(struct lane *lane, size_t capacity_bytes)
{
    lock_take(&lane->lock);
    bool ok = arena_limit(lane->arena, capacity_bytes / arena_piece_bytes(lane->arena));
    if (ok) {
        lane->config.capacity_bytes = lane->config.shed.capacity_bytes = capacity_bytes;
        shedder_set_capacity(lane->shedder, capacity_bytes);
    }
    lock_drop(&lane->lock);
    return ok;
}

bool lane_can_limit(struct lane *lane, size_t capacity_bytes, size_t least_pieces)
{
    lock_take(&lane->lock);
    size_t pieces = capacity_bytes / arena_piece_bytes(lane->arena);
    bool can = pieces > 0 && pieces >= least_pieces && pieces <= arena_room(lane->arena);
    lock_drop(&lane->lock);
    return can;
}

bool lane_is_free(struct lane *lane)
{
    lock_take(&lane->lock);
    bool is_free = arena_lent(lane->arena) == 0;
    for (size_t i = 0; i < LANE_OUTGROWN; i++)
        is_free = is_free && lane->outgrown[i] == NULL;
    lock_drop(&lane->lock);
    return is_free;
}

size_t lane_capacity(struct lane *lane)
{
    lock_take(&lane->lock);
    size_t bytes = lane->config.capacity_bytes;
    lock_drop(&lane->lock);
    return bytes;
}

static void ring_nobody(void *context)
{
    (void)context;
}

void lane_set_reading(struct lane *lane, void (*on_room)(void *context), void *context)
{
    lock_take(&lane->lock);
    lane->has_waiter = false;
    lane->config.on_room = on_room == NULL ? ring_nobody : on_room;
    lane->config.on_room_context = context;
    (void)feed_keep(lane->config.feed, &lane->kept_bytes, 0);
    lock_drop(&lane->lock);
}
