/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule.h"

enum { LONG_RUN_MS = 60 * 1000 };

bool schedule_take(struct schedule *schedule, int64_t now_ms, bool is_running,
                   uint64_t *ret_skipped)
{
    *ret_skipped = 0;
    if (schedule->interval_ms == 0)
        return !is_running && now_ms >= schedule->next_ms;
    if (schedule->next_ms == 0)
        schedule->next_ms = now_ms;
    if (now_ms < schedule->next_ms)
        return false;
    uint64_t missed = (uint64_t)((now_ms - schedule->next_ms) / schedule->interval_ms);
    schedule->next_ms += (int64_t)(missed + 1) * schedule->interval_ms;
    *ret_skipped = is_running ? missed + 1 : missed;
    return !is_running;
}

void schedule_note_end(struct schedule *schedule, int64_t now_ms, int64_t took_ms,
                       struct random *random)
{
    int64_t rest_ms = schedule->rest_ms;

    if (schedule->interval_ms > 0)
        return;
    schedule->short_runs = took_ms >= LONG_RUN_MS ? 0 : schedule->short_runs + 1;
    for (unsigned i = 1; i < schedule->short_runs && rest_ms < schedule->most_ms; i++)
        rest_ms *= 2;
    if (rest_ms > schedule->most_ms)
        rest_ms = schedule->most_ms;
    /* From half of it to all: hosts that lost a common server do not come back in step. */
    int64_t half_ms = rest_ms / 2;
    schedule->next_ms =
        now_ms + half_ms + (int64_t)random_below(random, (uint64_t)(rest_ms - half_ms) + 1);
}
