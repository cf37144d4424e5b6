/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_park: readings stand first, while the workers still make room in the lanes that readings
 * may be waiting for; then senders and workers. */
#include "base/clock.h"
#include "pipeline_state.h"

#include <stdlib.h>

enum { LOOK_MS = 10, STANDS_MAX = 1024 };

struct stand {
    struct gate *gate;
    void (*nudge)(void *thread);
    void *thread;
    struct reading *reading; /* it must be between two reads; NULL: anywhere will do */
    const char *kind, *name;
    bool is_shut;
};

struct parking {
    size_t count;
    struct stand stands[STANDS_MAX];
};

struct parking *parking_new(void)
{
    return calloc(1, sizeof(struct parking));
}

static void open_stand(struct stand *stand)
{
    if (stand->is_shut)
        gate_open(stand->gate);
    stand->is_shut = false;
}

void parking_free(struct parking **parkingp)
{
    struct parking *parking = *parkingp;

    *parkingp = NULL;
    for (size_t i = 0; parking != NULL && i < parking->count; i++)
        open_stand(&parking->stands[i]);
    free(parking);
}

static void add(struct parking *parking, const struct stand *stand)
{
    for (size_t i = 0; i < parking->count; i++) {
        if (parking->stands[i].gate == stand->gate)
            return;
    }
    CHECK(parking->count < STANDS_MAX);
    parking->stands[parking->count++] = *stand;
}

static void nudge_worker(void *thread)
{
    worker_nudge(thread);
}

static void nudge_sender(void *thread)
{
    sender_nudge(thread);
}

static void nudge_reading(void *thread)
{
    reading_nudge(thread);
}

void parking_add_workers(struct parking *parking, struct outlet *outlet)
{
    for (size_t i = 0; i < outlet->worker_count; i++)
        add(parking, &(struct stand){ .gate = worker_gate(outlet->workers[i]),
                                      .nudge = nudge_worker,
                                      .thread = outlet->workers[i],
                                      .kind = "a batch worker of output",
                                      .name = outlet->name });
}

void parking_add_sender(struct parking *parking, struct outlet *outlet)
{
    add(parking, &(struct stand){ .gate = sender_gate(outlet->sender),
                                  .nudge = nudge_sender,
                                  .thread = outlet->sender,
                                  .kind = "the sender of output",
                                  .name = outlet->name });
}

void parking_add_reading(struct parking *parking, struct channel *channel, bool between_reads)
{
    add(parking, &(struct stand){ .gate = reading_gate(channel->reading),
                                  .nudge = nudge_reading,
                                  .thread = channel->reading,
                                  .reading = between_reads ? channel->reading : NULL,
                                  .kind = "input",
                                  .name = channel->input });
}

static void shut_stand(struct stand *stand)
{
    gate_shut(stand->gate);
    stand->is_shut = true;
    stand->nudge(stand->thread);
}

/* One that stands in the middle of a read goes on for a moment: the lanes may have room by then. */
static bool does_stand(struct stand *stand)
{
    if (!gate_is_stood_at(stand->gate))
        return false;
    if (stand->reading == NULL || !reading_is_offering(stand->reading))
        return true;
    open_stand(stand);
    stand->nudge(stand->thread);
    return false;
}

static bool await_stand(struct stand *stand, const struct patience *patience, struct err *err)
{
    while (!does_stand(stand)) {
        if (patience->is_over(patience->context))
            return err_set(err, "the agent is stopping");
        if (clock_now_ms() >= patience->deadline_ms)
            return err_set(err, "%s '%s' did not come to rest in time%s", stand->kind, stand->name,
                           stand->reading == NULL ? ""
                                                  : ": its lane is full, and what it reads waits");
        gate_await(stand->gate, LOOK_MS);
        if (!stand->is_shut)
            shut_stand(stand);
    }
    return true;
}

bool parking_close(struct parking *parking, const struct patience *patience, struct err *err)
{
    for (int readings = 1; readings >= 0; readings--) {
        for (size_t i = 0; i < parking->count; i++) {
            struct stand *stand = &parking->stands[i];
            if ((stand->nudge == nudge_reading) == (readings == 1))
                shut_stand(stand);
        }
        for (size_t i = 0; i < parking->count; i++) {
            struct stand *stand = &parking->stands[i];
            if ((stand->nudge == nudge_reading) == (readings == 1) &&
                !await_stand(stand, patience, err))
                return false;
        }
    }
    return true;
}
