/* SPDX-License-Identifier: Apache-2.0 */
/* schedule: when a command runs. Pure: time and chance are passed in. */
#pragma once

#include "plugin.h"

struct schedule {
    int64_t interval_ms;      /* 0: it is kept running */
    int64_t rest_ms, most_ms; /* kept running: between two runs */
    unsigned short_runs;      /* in a row */
    int64_t next_ms;          /* 0: at once */
};

/* Is it time for a run? Each time that came is counted in *ret_skipped if `is_running`, and so are
 * those that nobody was there to take: a run that was not made is told. */
bool schedule_take(struct schedule *schedule, int64_t now_ms, bool is_running,
                   uint64_t *ret_skipped);
/* A run that took so long has ended. */
void schedule_note_end(struct schedule *schedule, int64_t now_ms, int64_t took_ms,
                       struct random *random);
