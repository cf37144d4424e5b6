/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "outlet.h"

enum { SUSPECT_MS = 1000 };

static int64_t soonest_ms(int64_t calm_ms)
{
    return calm_ms < SUSPECT_MS ? calm_ms : SUSPECT_MS;
}

static void measure_lanes(const struct outlet *outlet, struct saturation_measure *ret)
{
    for (size_t i = 0; i < outlet->lane_count; i++) {
        struct lane *lane = outlet->lanes[i];
        double fill = lane_level(lane).fill;
        if (fill > ret->ring_fill)
            ret->ring_fill = fill;
        ret->lag_bytes += numbers_get(ledger_lane_numbers(lane_books(lane)), NUMBER_lag_bytes);
    }
}

static double share_of(int64_t ms, int64_t of_ms)
{
    double share = of_ms <= 0 ? 0 : (double)ms / (double)of_ms;

    return share < 0 ? 0 : share > 1 ? 1 : share;
}

static void measure_workers(struct watch *watch, const struct outlet *outlet, int64_t now_ms,
                            struct saturation_measure *ret)
{
    int64_t window_ms = (now_ms - watch->looked_ms) * (int64_t)outlet->worker_count;
    struct worker_times sum = { 0, 0 };

    for (size_t i = 0; i < outlet->worker_count; i++) {
        struct worker_times times = worker_times(outlet->workers[i], now_ms);
        sum.busy_ms += times.busy_ms;
        sum.blocked_ms += times.blocked_ms;
    }
    ret->busy = share_of(sum.busy_ms - watch->busy_ms, window_ms);
    ret->blocked = share_of(sum.blocked_ms - watch->blocked_ms, window_ms);
    watch->busy_ms = sum.busy_ms;
    watch->blocked_ms = sum.blocked_ms;
}

static void publish(const struct watch *watch, const struct outlet *outlet,
                    const struct saturation_measure *measure)
{
    double most = measure->ring_fill;

    if (measure->blocked > most)
        most = measure->blocked;
    if (measure->busy > most)
        most = measure->busy;
    numbers_set(outlet->numbers, NUMBER_saturation, (uint64_t)(most * 1000 + 0.5));
    numbers_set(outlet->numbers, NUMBER_saturation_cause, watch->saturation.cause);
    if (measure->wait_p99_ms >= 0)
        numbers_set(outlet->numbers, NUMBER_wait_p99, (uint64_t)measure->wait_p99_ms);
}

static void tell(const struct watch *watch, const struct outlet *outlet,
                 const struct saturation_measure *measure, enum saturation_cause before)
{
    bool is_over = watch->saturation.cause == SATURATION_NONE;

    LOG(is_over ? LOG_INFO : LOG_WARN, is_over ? "output no longer held up" : "output held up",
        LS("output", outlet->part->name), LS("cause", saturation_name(watch->saturation.cause)),
        LS("before", saturation_name(before)), LR("ring_fill", measure->ring_fill),
        LR("blocked", measure->blocked), LR("busy", measure->busy),
        LU("lag_bytes", measure->lag_bytes),
        LU("in_flight", numbers_get(outlet->numbers, NUMBER_requests_in_flight)),
        LR("limit", (double)numbers_get(outlet->numbers, NUMBER_concurrency_limit) / 1000),
        LU("breaker", numbers_get(outlet->numbers, NUMBER_breaker_state)),
        measure->wait_p99_ms < 0 ? (struct log_field){ .kind = LOG_END } /* nothing arrived */
                                 : LI("wait_p99_ms", measure->wait_p99_ms));
}

int64_t watch_look(struct watch *watch, struct outlet *outlet, int64_t now_ms, int64_t calm_ms)
{
    struct saturation_measure measure = {
        .wait_p99_ms = wait_times_take_p99_ms(sender_waits(outlet->sender)),
        .lag_before_bytes = watch->lag_bytes,
        .late_ms = 2 * outlet->part->output.batch__max_wait + MS_PER_S,
    };
    enum saturation_cause before = watch->saturation.cause;
    bool is_first = watch->looked_ms == 0;

    measure.to_disk = numbers_get(outlet->numbers, NUMBER_spool_max_bytes) > 0 &&
                      numbers_get(outlet->numbers, NUMBER_breaker_state) != 0;
    measure_lanes(outlet, &measure);
    measure_workers(watch, outlet, now_ms, &measure);
    watch->lag_bytes = measure.lag_bytes;
    watch->looked_ms = now_ms;
    bool has_changed = !is_first && saturation_look(&watch->saturation, &measure);
    publish(watch, outlet, &measure);
    if (has_changed)
        tell(watch, outlet, &measure, before);
    return now_ms + (saturation_is_calm(&watch->saturation) ? calm_ms : soonest_ms(calm_ms));
}
