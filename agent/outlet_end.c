/* SPDX-License-Identifier: Apache-2.0 */
/* outlet_end: first the workers, which may be at the dead letters; then lanes and sender, which may
 * be at a file that it writes to, or at its credentials; then the spool. A thread that is left
 * behind is told so, and stands should it ever come back: nothing of the output is freed then. */
#include "outlet_end.h"

#include "base/clock.h"

void outlet_tell_workers(struct outlet *outlet)
{
    if (outlet->end != OUTLET_GOES_ON)
        return;
    outlet->end = OUTLET_WORKERS_END;
    for (size_t worker = 0; worker < outlet->worker_count; worker++)
        worker_begin_stop(outlet->workers[worker]);
}

static bool end_workers(struct outlet *outlet, const struct outlet_stop *stop)
{
    enum flow drop = stop->by_reload ? FLOW_reload_drop_batch : FLOW_drain_timeout_batch;

    for (size_t i = 0; i < outlet->worker_count; i++) {
        if (worker_end_stop(outlet->workers[i], drop, stop->workers_ms))
            continue;
        if (!stop->is_last)
            return false;
        outlet->has_left |= !worker_leave_behind(outlet->workers[i], drop);
    }
    return true;
}

static void tell_sender(struct outlet *outlet, const struct outlet_stop *stop)
{
    enum flow drop = stop->by_reload ? FLOW_reload_drop : FLOW_drain_timeout_ring;

    outlet->end = OUTLET_SENDER_ENDS;
    for (size_t lane = 0; lane < outlet->lane_count; lane++)
        lane_abandon(outlet->lanes[lane], drop);
    if (outlet->sender == NULL)
        return;
    if (stop->by_reload)
        sender_let_leave(outlet->sender);
    sender_tell_stop(outlet->sender);
}

static bool end_sender(struct outlet *outlet, const struct outlet_stop *stop)
{
    struct sender *sender = outlet->sender;

    if (sender == NULL || sender_begin_stop(sender, stop->sender_ms, stop->spill_ms))
        return true;
    if (!stop->is_last)
        return false;
    sender_leave_sending(sender, stop->spill_ms);
    outlet->has_left = true;
    return true;
}

bool outlet_begin_stop(struct outlet *outlet, const struct outlet_stop *stop)
{
    outlet_tell_workers(outlet);
    if (outlet->end == OUTLET_WORKERS_END) {
        if (!end_workers(outlet, stop))
            return false;
        tell_sender(outlet, stop);
    }
    if (outlet->end == OUTLET_SENDER_ENDS) {
        if (!end_sender(outlet, stop))
            return false;
        outlet->end = OUTLET_SPOOL_ENDS;
    }
    return true;
}

bool outlet_end_stop(struct outlet *outlet, const struct outlet_stop *stop)
{
    if (outlet->end == OUTLET_HAS_ENDED)
        return true;
    if (outlet->sender != NULL && !sender_end_stop(outlet->sender, stop->spool_ms)) {
        if (!stop->is_last)
            return false;
        sender_leave_behind(outlet->sender);
        outlet->has_left = true;
    }
    outlet->end = OUTLET_HAS_ENDED;
    outlet_audit(outlet);
    return true;
}

void outlet_stop(struct outlet *outlet)
{
    struct outlet_stop stop = { .by_reload = true,
                                .workers_ms = INT64_MAX,
                                .sender_ms = INT64_MAX,
                                .spill_ms = clock_now_ms(), /* it has nothing */
                                .spool_ms = INT64_MAX };

    (void)outlet_begin_stop(outlet, &stop);
    (void)outlet_end_stop(outlet, &stop);
}
