/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/fatal_record.h"

#include "base/in_hand.h"
#include "ledger/books_numbers.h"

static const enum number carried[] = { NUMBER_record_crashes, NUMBER_record_source,
                                       NUMBER_record_from, NUMBER_record_to };
enum { CARRIED = sizeof(carried) / sizeof(carried[0]) };

static _Thread_local struct numbers *lane_of_thread;

void fatal_record_watch(struct numbers *lane)
{
    lane_of_thread = lane;
}

struct place {
    uint64_t source, from, to;
};

/* Relaxed: all of it was written by this thread. */
static struct place place_in_hand(void)
{
    const char *body = atomic_load_explicit(&in_hand_now.body, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&in_hand_now.body_bytes, memory_order_relaxed);

    if (body != NULL)
        return (struct place){ in_hand_name(body, bytes), 0, bytes };
    return (struct place){ atomic_load_explicit(&in_hand_now.source, memory_order_relaxed),
                           atomic_load_explicit(&in_hand_now.from, memory_order_relaxed),
                           atomic_load_explicit(&in_hand_now.to, memory_order_relaxed) };
}

void fatal_record_note(void)
{
    struct numbers *lane = lane_of_thread;

    if (lane == NULL)
        return;
    struct place place = place_in_hand();
    if (place.from == place.to)
        return;
    bool is_same = numbers_get(lane, NUMBER_record_source) == place.source &&
                   numbers_get(lane, NUMBER_record_from) == place.from;
    numbers_set(lane, NUMBER_record_crashes,
                is_same ? numbers_get(lane, NUMBER_record_crashes) + 1 : 1);
    numbers_set(lane, NUMBER_record_source, place.source);
    numbers_set(lane, NUMBER_record_from, place.from);
    numbers_set(lane, NUMBER_record_to, place.to);
    numbers_set(lane, NUMBER_died_of_record, 1);
}

static bool was_closed(const struct books_image *image)
{
    return atomic_load(&image->header.state) == BOOKS_CLOSED;
}

bool fatal_record_was(const struct books_image *dead)
{
    unsigned lanes = was_closed(dead) ? 0 : atomic_load(&dead->header.lanes_used);

    for (unsigned i = 0; i < lanes; i++) {
        if (books_image_lane_number(dead, i, NUMBER_died_of_record) > 0)
            return true;
    }
    return false;
}

bool fatal_record_is_known(const struct books_image *dead, unsigned lane)
{
    return !was_closed(dead) && books_image_lane_number(dead, lane, NUMBER_record_crashes) > 0;
}

void fatal_record_carry(const struct books_image *dead, unsigned lane, struct numbers *ret)
{
    for (size_t i = 0; i < CARRIED; i++)
        numbers_set(ret, carried[i], books_image_lane_number(dead, lane, carried[i]));
}
