/* SPDX-License-Identifier: Apache-2.0 */
/* lane_parcel: events are written into the rings at once and made known when the parcel is kept, so
 * nothing is copied twice. Only the lane's reading pushes, so between two additions the room can
 * only grow. The shedder is asked at the beginning alone: a parcel larger than what is left below
 * `high` would else never pass. */
#include "flow/lane_parcel.h"

#include "base/check.h"
#include "event/record.h"
#include "event/resource.h"
#include "flow/lane_state.h"

/* Nothing else is in the lane, and none of it in a worker's hand: waiting would be no use. */
static bool is_alone(const struct lane *lane) NEEDS_LOCK(&lane->lock)
{
    return classes_level(lane->classes).events == 0 &&
           arena_lent(lane->arena) == classes_pieces(lane->classes);
}

void lane_parcel_open(struct lane *lane, int64_t boot_ms)
{
    CHECK(lane->magic == LANE_MAGIC);
    lock_take(&lane->lock);
    CHECK(!lane->parcel.is_open);
    lane_note_time(lane, boot_ms);
    lane_step_shedder(lane, boot_ms);
    lane->parcel.is_open = true;
    /* Nothing is pushed out for it, so one class may not take all there is. Where they wait for
     * each other anyhow, or where nobody else is there, it may. */
    lane->parcel.is_bounded = lane->config.overflow != LANE_BLOCK && !is_alone(lane);
    lane->parcel.admitted = lane->parcel.oversize = (struct amount){ 0, 0 };
    classes_open(lane->classes);
    lock_drop(&lane->lock);
}

static void add_amount(struct amount *amount, uint64_t bytes)
{
    amount->events++;
    amount->bytes += bytes;
}

static enum lane_parcel add_event(struct lane *lane, const struct event *event,
                                  const struct run_info *run) NEEDS_LOCK(&lane->lock)
{
    size_t size = record_size(event);
    struct run_info info = *run;

    if (size > lane->max_record) {
        add_amount(&lane->parcel.oversize, event_bytes(event));
        return LANE_FITS;
    }
    if (lane_may_shed(lane, event) && shedder_is_shedding(lane->shedder))
        return LANE_FULL;
    if (event->resource != NULL)
        info.resource = event->resource;
    size_t class = lane_find_class(lane, event, run->boot_ms);
    switch (classes_push(lane->classes, class, event, size, &info, lane->parcel.is_bounded)) {
    case CLASS_PUSHED:
        add_amount(&lane->parcel.admitted, event_bytes(event));
        return LANE_FITS;
    case CLASS_OVER_SHARE:
    case CLASS_NO_ROOM:
        break;
    }
    return is_alone(lane) ? LANE_NEVER : LANE_FULL;
}

enum lane_parcel lane_parcel_add(struct lane *lane, const struct event *events, size_t count,
                                 const struct run_info *run)
{
    enum lane_parcel parcel = LANE_FITS;

    lock_take(&lane->lock);
    CHECK(lane->parcel.is_open);
    for (size_t i = 0; i < count && parcel == LANE_FITS; i++)
        parcel = add_event(lane, &events[i], run);
    lock_drop(&lane->lock);
    return parcel;
}

static void move_if_any(struct lane *lane, enum flow flow, struct amount amount)
{
    if (amount.events > 0)
        ledger_move(lane->config.books, flow, amount.events, amount.bytes);
}

uint64_t lane_parcel_close(struct lane *lane, struct receipt *receipt, bool keep, bool wants_room,
                           struct lane_news *ret_news)
{
    lock_take(&lane->lock);
    CHECK(lane->parcel.is_open);
    lane->parcel.is_open = false;
    struct amount admitted = lane->parcel.admitted, oversize = lane->parcel.oversize;
    classes_close(lane->classes, keep);
    if (keep) {
        receipt_add(receipt, admitted.events);
        move_if_any(lane, FLOW_admit, admitted);
        move_if_any(lane, FLOW_oversize, oversize);
    }
    lane->has_waiter = wants_room;
    bool wake_workers = lane->parcel.kept_workers_waiting;
    if (keep && feed_add(lane->config.feed, admitted.events, admitted.bytes))
        wake_workers = true;
    lane->parcel.kept_workers_waiting = false;
    lane_take_news(lane, ret_news);
    lock_drop(&lane->lock);
    if (wake_workers)
        wake_bump(&lane->config.feed->wake);
    return keep ? oversize.events : 0;
}
