/* SPDX-License-Identifier: Apache-2.0 */
/* spool_carry: what was found on disk enters the books. */
#include "base/check.h"
#include "delivery/spool_state.h"

/* Of an output that was taken out and comes back within a start the books know a part already, or
 * more than there is: what is not on disk any more can only be called damaged. */
static void carry_lane(struct books *books, struct amount live)
{
    struct amount known = ledger_stock(books, ACCOUNT_spool);
    struct amount more = { live.events > known.events ? live.events - known.events : 0,
                           live.bytes > known.bytes ? live.bytes - known.bytes : 0 };
    struct amount less = { known.events > live.events ? known.events - live.events : 0,
                           known.bytes > live.bytes ? known.bytes - live.bytes : 0 };

    if (more.events > 0 || more.bytes > 0)
        ledger_move(books, FLOW_carry, more.events, more.bytes);
    if (less.events > 0 || less.bytes > 0)
        ledger_move(books, FLOW_spool_corrupt, less.events, less.bytes);
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
            carry_lane(spool->index.lanes[i].books, live);
    }
    spool_publish(spool);
}

void spool_carry(struct spool *spool, struct numbers *numbers)
{
    spool->numbers = numbers;
    for (unsigned i = 0; i < spool->index.lane_count; i++) {
        struct amount live = spool_index_live(&spool->index, i);
        CHECK(spool->index.lanes[i].books != NULL);
        if (live.events > 0 || live.bytes > 0)
            ledger_move(spool->index.lanes[i].books, FLOW_carry, live.events, live.bytes);
        spool_lane_forget_unmarked(&spool->index.lanes[i]);
    }
    spool_publish_left(spool);
    spool_publish(spool);
}
