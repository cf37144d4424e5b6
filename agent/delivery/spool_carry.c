/* SPDX-License-Identifier: Apache-2.0 */
/* spool_carry: what was found on disk enters the books. */
#include "base/check.h"
#include "delivery/spool_state.h"

/* What the books of the start before have on disk, and nobody could read there, stays in the spool:
 * so that a later start that finds it there does not find more than the books know. */
static void tell_unread(const struct spool_lane *lane)
{
    struct numbers *numbers = ledger_lane_numbers(lane->books);

    numbers_set(numbers, NUMBER_spool_unread_events, lane->unread.events);
    numbers_set(numbers, NUMBER_spool_unread_bytes, lane->unread.bytes);
}

/* Of an output that was taken out and comes back within a start the books know a part already, or
 * more than there is: what is not on disk any more can only be called damaged. */
static void carry_lane(struct spool_index *index, struct spool_lane *lane, struct amount live)
{
    struct amount known = ledger_stock(lane->books, ACCOUNT_spool);
    struct amount more = { live.events > known.events ? live.events - known.events : 0,
                           live.bytes > known.bytes ? live.bytes - known.bytes : 0 };
    struct amount less = { known.events > live.events ? known.events - live.events : 0,
                           known.bytes > live.bytes ? known.bytes - live.bytes : 0 };

    if (more.events > 0 || more.bytes > 0)
        ledger_move(lane->books, FLOW_carry, more.events, more.bytes);
    if (index->is_partial)
        lane->unread = less;
    else if (less.events > 0 || less.bytes > 0)
        ledger_move(lane->books, FLOW_spool_corrupt, less.events, less.bytes);
    tell_unread(lane);
}

/* Of all lanes with the books of lane i: where the books had no room, lanes share theirs. false:
 * they were counted with an earlier one. */
static bool sum_live(const struct spool_index *index, unsigned i, struct amount *ret)
{
    *ret = (struct amount){ 0, 0 };
    for (unsigned j = 0; j < index->lane_count; j++) {
        struct amount live = spool_index_live(index, j);
        if (index->lanes[j].books != index->lanes[i].books)
            continue;
        if (j < i)
            return false;
        ret->events += live.events;
        ret->bytes += live.bytes;
    }
    return true;
}

void spool_carry_again(struct spool *spool, struct numbers *numbers)
{
    struct amount live;

    spool->numbers = numbers;
    for (unsigned i = 0; i < spool->index.lane_count; i++) {
        if (sum_live(&spool->index, i, &live))
            carry_lane(&spool->index, &spool->index.lanes[i], live);
    }
    spool_publish(spool);
}

/* Where the books had no room, lanes share theirs. */
static void take_unread(struct spool_index *index, unsigned at)
{
    struct spool_lane *lane = &index->lanes[at];
    const struct numbers *numbers = ledger_lane_numbers(lane->books);

    for (unsigned i = 0; i < at; i++) {
        if (index->lanes[i].books == lane->books)
            return;
    }
    lane->unread = (struct amount){ numbers_get(numbers, NUMBER_spool_unread_events),
                                    numbers_get(numbers, NUMBER_spool_unread_bytes) };
}

bool spool_expect_unread(struct spool *spool, struct slice input)
{
    return !spool->index.is_partial || spool_index_lane(&spool->index, input) < SPOOL_LANES_MAX;
}

void spool_carry(struct spool *spool, struct numbers *numbers)
{
    spool->numbers = numbers;
    for (unsigned i = 0; i < spool->index.lane_count; i++) {
        CHECK(spool->index.lanes[i].books != NULL);
        take_unread(&spool->index, i);
        struct amount live = spool_index_live(&spool->index, i);
        if (live.events > 0 || live.bytes > 0)
            ledger_move(spool->index.lanes[i].books, FLOW_carry, live.events, live.bytes);
        spool_lane_forget_unmarked(&spool->index.lanes[i]);
    }
    spool_publish_left(spool);
    spool_publish(spool);
}
