/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_park: readings stand first, while the workers still make room in the lanes that readings
 * may be waiting for; then senders and workers. */
#include "base/clock.h"
#include "pipeline_state.h"

#include <stdlib.h>

enum {
    LOOK_MS = 10,
    STANDS_MAX = 1024,
    OFFER_MS = 300, /* a read is given so long to find room */
    BRIEF_MS = 200,
};

struct stand {
    struct gate *gate;
    void (*nudge)(void *thread);
    void *thread;
    struct reading *reading; /* NULL: it is none */
    const char *kind, *name;
    bool is_shut, loses_lanes;
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
    for (size_t i = 0; parking != NULL && i < parking->count; i++) {
        struct stand *stand = &parking->stands[i];
        if (stand->loses_lanes)
            reading_give_way(stand->reading, false);
        open_stand(stand);
    }
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

static void nudge_spool(void *thread)
{
    sender_nudge_spool(thread);
}

void parking_add_spool(struct parking *parking, struct outlet *outlet)
{
    add(parking, &(struct stand){ .gate = sender_spool_gate(outlet->sender),
                                  .nudge = nudge_spool,
                                  .thread = outlet->sender,
                                  .kind = "the spool of output",
                                  .name = outlet->name });
}

void parking_add_reading(struct parking *parking, struct channel *channel, bool loses_lanes)
{
    add(parking, &(struct stand){ .gate = reading_gate(channel->reading),
                                  .nudge = nudge_reading,
                                  .thread = channel->reading,
                                  .reading = channel->reading,
                                  .loses_lanes = loses_lanes,
                                  .kind = "input",
                                  .name = channel->input });
}

static void shut_stand(struct stand *stand)
{
    gate_shut(stand->gate);
    stand->is_shut = true;
    stand->nudge(stand->thread);
}

/* One that stands in the middle of a read goes on for a moment: the lanes may have room by then.
 * After that it may stand there, but if a lane of it is to go: then what waits gives way. */
static bool does_stand(struct stand *stand, int64_t began_ms)
{
    bool is_late = clock_now_ms() - began_ms >= OFFER_MS;

    if (!gate_is_stood_at(stand->gate))
        return false;
    if (stand->reading == NULL || !reading_is_offering(stand->reading) ||
        (is_late && !stand->loses_lanes))
        return true;
    if (is_late)
        reading_give_way(stand->reading, true);
    open_stand(stand);
    stand->nudge(stand->thread);
    return false;
}

static bool await_stand(struct stand *stand, int64_t began_ms, const struct patience *patience,
                        struct err *err)
{
    while (!does_stand(stand, began_ms)) {
        if (patience->is_over(patience->context))
            return err_set(err, "the agent is stopping");
        if (clock_now_ms() >= patience->deadline_ms)
            return err_set(err, "%s '%s' did not come to rest in time", stand->kind, stand->name);
        gate_await(stand->gate, LOOK_MS);
        if (!stand->is_shut)
            shut_stand(stand);
    }
    return true;
}

bool parking_close(struct parking *parking, const struct patience *patience, struct err *err)
{
    int64_t began_ms = clock_now_ms();

    for (int readings = 1; readings >= 0; readings--) {
        for (size_t i = 0; i < parking->count; i++) {
            struct stand *stand = &parking->stands[i];
            if ((stand->nudge == nudge_reading) == (readings == 1))
                shut_stand(stand);
        }
        for (size_t i = 0; i < parking->count; i++) {
            struct stand *stand = &parking->stands[i];
            if ((stand->nudge == nudge_reading) == (readings == 1) &&
                !await_stand(stand, began_ms, patience, err))
                return false;
        }
    }
    return true;
}

static bool never(void *context)
{
    (void)context;
    return false;
}

bool parking_close_briefly(struct parking *parking)
{
    struct patience patience = { clock_now_ms() + BRIEF_MS, never, NULL };
    struct err err = { "" };

    return parking_close(parking, &patience, &err);
}

static bool may_workers_hold(struct outlet *outlet, const struct outlet_question *question)
{
    if (outlet->end !=
        OUTLET_GOES_ON) /* they stand nowhere any more; at their end they have none */
        return outlet->end == OUTLET_WORKERS_END;
    struct parking *parking = parking_new();
    bool is_held = true;

    if (parking != NULL) {
        parking_add_workers(parking, outlet);
        is_held = !parking_close_briefly(parking);
    }
    for (size_t i = 0; !is_held && i < outlet->worker_count; i++)
        is_held = question->is_in_worker(outlet->workers[i], question->what);
    parking_free(&parking);
    return is_held;
}

/* The sender is asked first, as that spares the workers the question, and once more: what a worker
 * gave to it meanwhile is there by now. */
bool parking_may_hold(struct outlet *outlet, const struct outlet_question *question)
{
    return question->is_in_sender(outlet->sender, question->what) ||
           may_workers_hold(outlet, question) ||
           question->is_in_sender(outlet->sender, question->what);
}
