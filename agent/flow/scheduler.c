/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/scheduler.h"

#include "base/check.h"

#include <stdlib.h>

struct turn {
    uint64_t weight;
    int64_t credit_bytes;
};

struct scheduler {
    size_t count, at;
    uint64_t quantum_bytes;
    struct turn turns[];
};

struct scheduler *scheduler_new(const uint64_t *weights, size_t count, uint64_t quantum_bytes)
{
    struct scheduler *scheduler = calloc(1, sizeof(*scheduler) + count * sizeof(struct turn));
    if (scheduler == NULL)
        return NULL;
    scheduler->count = count;
    scheduler->quantum_bytes = quantum_bytes;
    for (size_t i = 0; i < count; i++)
        scheduler->turns[i].weight = weights[i];
    return scheduler;
}

void scheduler_free(struct scheduler **schedulerp)
{
    free(*schedulerp);
    *schedulerp = NULL;
}

static bool forget_idle_lanes(struct scheduler *scheduler, const bool *has_events)
{
    bool any = false;
    for (size_t i = 0; i < scheduler->count; i++) {
        any = any || has_events[i];
        if (!has_events[i])
            scheduler->turns[i].credit_bytes = 0;
    }
    return any;
}

size_t scheduler_pick(struct scheduler *scheduler, const bool *has_events)
{
    if (!forget_idle_lanes(scheduler, has_events))
        return scheduler->count;
    /* Ends: each round adds at least a quantum to a lane that has events, and an overdraft is at
     * most a piece. */
    for (;;) {
        struct turn *turn = &scheduler->turns[scheduler->at];
        if (has_events[scheduler->at] && turn->credit_bytes > 0)
            return scheduler->at;
        scheduler->at = (scheduler->at + 1) % scheduler->count;
        turn = &scheduler->turns[scheduler->at];
        if (has_events[scheduler->at])
            turn->credit_bytes += (int64_t)(turn->weight * scheduler->quantum_bytes);
    }
}

void scheduler_set_weight(struct scheduler *scheduler, size_t lane, uint64_t weight)
{
    CHECK(lane < scheduler->count);
    scheduler->turns[lane] = (struct turn){ .weight = weight };
}

void scheduler_charge(struct scheduler *scheduler, size_t lane, uint64_t bytes)
{
    CHECK(lane < scheduler->count);
    scheduler->turns[lane].credit_bytes -= (int64_t)bytes;
}
