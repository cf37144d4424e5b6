/* SPDX-License-Identifier: Apache-2.0 */
/* lane_rig: lanes with real books, for the tests of the lane. */
#pragma once

#include "base/random.h"
#include "event/record.h"
#include "flow/lane.h"
#include "own_ledger.h"

#include <stdio.h>

enum { PIECE = 16 * 1024, PIECES = 8, BODY = 200 };

static struct feed feed;
static unsigned lanes_made, rooms;
static size_t lane_pieces = PIECES; /* of the next lane */

static inline void count_room(void *context)
{
    (void)context;
    rooms++;
}

static inline struct lane *make_lane_with(enum lane_overflow overflow, struct shedder_config shed,
                                          bool rereadable, struct classes_config classes)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "input%u", lanes_made++);
    rooms = 0;
    feed = (struct feed){ .full_events = 1000, .full_bytes = 1 << 20 };
    struct lane_config config = { .capacity_bytes = PIECE * lane_pieces,
                                  .piece_bytes = PIECE,
                                  .overflow = overflow,
                                  .shed = shed,
                                  .classes = classes,
                                  .weight = 1,
                                  .seed = 5,
                                  .shed_key = "tenant",
                                  .books = ledger_lane(ledger, name, "out", rereadable),
                                  .feed = &feed,
                                  .on_room = count_room };
    struct lane *lane = lane_new(&config);
    assert_non_null(lane);
    return lane;
}

static inline struct lane *make_lane(enum lane_overflow overflow, struct shedder_config shed,
                                     bool rereadable)
{
    return make_lane_with(overflow, shed, rereadable, (struct classes_config){ 0 });
}

static const struct shedder_config no_shedding = { .high = 1, .low = 0.4, .keep = 0.1 };

static inline void fill_events(struct event *events, size_t count)
{
    static char body[BODY];
    for (size_t i = 0; i < count; i++)
        events[i] = (struct event){ .body = { body, sizeof(body) } };
}

/* Everything that was offered is in one account or another, and the ring holds what the books say.
 */
static inline void assert_balance(struct lane *lane, uint64_t offered)
{
    struct books *books = lane_books(lane);
    uint64_t left_world = 0;
    for (int flow = 0; flow < FLOWS; flow++) {
        if (flow_infos[flow].from == ACCOUNT_world)
            left_world += ledger_flow(books, (enum flow)flow).events;
    }
    assert_int_equal(left_world, offered);
    struct lane_level level = lane_level(lane);
    assert_true(ledger_audit(books, ACCOUNT_ring, 0, (struct amount){ level.events, level.bytes }));
}

static inline void empty_lane(struct lane *lane)
{
    for (struct piece *piece; (piece = lane_gather(lane, 0, 0)) != NULL;)
        lane_give_back(lane, &piece);
}
