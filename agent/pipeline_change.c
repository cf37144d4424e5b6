/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_change: from one configuration to another while events flow. Parts live by name: one
 * that is in both configurations is the same object before and after, whatever of it changes.
 *   prepare  everything new is opened beside: outputs, readings, lanes, connections, workshops.
 *            Whatever can fail fails here, and then what runs has not noticed anything
 *   park     the threads that the change concerns come to stand at their gates, and no others
 *   commit   pointers change places; nothing can fail but memory in a plugin, which comes first
 *   leave    what the new configuration does not have drains, see pipeline_leave.c
 * The start is the same with nothing before it. */
#include "base/bell.h"
#include "base/clock.h"
#include "outlet_end.h"
#include "pipeline_state.h"

enum { QUIET_MS = 1000, QUIET_LOOK_MS = 5 };

/* ---- park ---- */

static bool loses_lanes(const struct channel *channel)
{
    for (size_t i = 0; i < channel->strand_count; i++) {
        if (!channel->strands[i]->is_wanted)
            return true;
    }
    return false;
}

static void plan_parking(const struct plan *plan)
{
    const struct pipeline *pipeline = plan->pipeline;

    for (size_t i = 0; i < plan->old_outlets; i++) {
        struct outlet *outlet = pipeline->outlets[i];
        if (outlet->next.changes_lanes || outlet_changes_sender(outlet))
            parking_add_workers(plan->parking, outlet);
        if (outlet_changes_sender(outlet))
            parking_add_sender(plan->parking, outlet);
        if (outlet->next.moved != NULL)
            parking_add_spool(plan->parking, outlet);
    }
    for (size_t i = 0; i < plan->old_channels; i++) {
        struct channel *channel = pipeline->channels[i];
        for (size_t j = 0; j < channel->strand_count; j++) {
            if (channel->strands[j]->change != NULL)
                parking_add_workers(plan->parking, channel->strands[j]->outlet);
        }
        bool loses = channel->is_wanted && loses_lanes(channel);
        channel->changes_lanes |= loses;
        if (channel->reading != NULL && channel_must_stand(channel))
            parking_add_reading(plan->parking, channel, loses);
    }
    replace_plan_parking(plan);
}

static void hold_senders(const struct plan *plan, bool holds)
{
    for (size_t i = 0; i < plan->old_outlets; i++) {
        if (holds ? outlet_changes_sender(plan->pipeline->outlets[i]) : true)
            sender_hold(plan->pipeline->outlets[i]->sender, holds);
    }
}

static bool are_quiet(const struct plan *plan)
{
    for (size_t i = 0; i < plan->old_outlets; i++) {
        const struct outlet *outlet = plan->pipeline->outlets[i];
        if (outlet_changes_sender(outlet) && !sender_is_quiet(outlet->sender))
            return false;
    }
    return true;
}

/* Requests that are out may still be answered: what is broken off is sent again. */
static void await_quiet(const struct plan *plan, const struct patience *patience)
{
    int64_t until_ms = clock_now_ms() + QUIET_MS;

    while (!are_quiet(plan) && clock_now_ms() < until_ms && !patience->is_over(patience->context))
        bell_wait(plan->pipeline->bell, NULL, 0, QUIET_LOOK_MS);
}

/* ---- commit ---- */

/* One in the middle of a read changes later, by itself. */
static bool changes_now(const struct channel *channel)
{
    return channel->change != NULL && !reading_is_offering(channel->reading);
}

/* Plugins that change by themselves may find no memory: before anything else, with a way back. */
static bool change_plugins(const struct plan *plan, struct err *err)
{
    struct pipeline *pipeline = plan->pipeline;
    size_t i = 0;

    for (; i < plan->old_channels; i++) {
        struct channel *channel = pipeline->channels[i];
        if (changes_now(channel) &&
            !reading_try_change(channel->reading, channel->change, true, err))
            break;
    }
    if (i == plan->old_channels)
        return true;
    while (i-- > 0) {
        struct channel *channel = pipeline->channels[i];
        if (changes_now(channel))
            (void)reading_try_change(channel->reading, channel->change, false, err);
    }
    return false;
}

static void drop_strand(const struct plan *plan, struct channel *channel, struct strand *strand,
                        int64_t deadline_ms)
{
    struct channel *stray = strand->stray;

    CHECK(stray != NULL);
    strand->stray = NULL;
    lane_set_reading(strand->lane, NULL, NULL);
    channel_give(channel, strand, stray);
    stray->deadline_ms = deadline_ms;
    plan_list_channel(plan->pipeline, stray);
    channel->changes_lanes = true;
}

/* Lanes of an input that goes on, to outputs that it does not go to any more. */
static void drop_strands(const struct plan *plan, struct channel *channel, int64_t deadline_ms)
{
    for (size_t i = channel->strand_count; i-- > 0;) {
        struct strand *strand = channel->strands[i];
        if (!strand->is_wanted)
            drop_strand(plan, channel, strand, deadline_ms);
    }
}

static void commit_channels(const struct plan *plan, int64_t deadline_ms)
{
    struct pipeline *pipeline = plan->pipeline;

    replace_hand_over(plan);
    for (size_t i = 0; i < plan->old_channels; i++) {
        struct channel *channel = pipeline->channels[i];
        if (channel->is_wanted) {
            drop_strands(plan, channel, deadline_ms);
            bool comes_back = channel->state != CHANNEL_READS;
            channel->state = CHANNEL_READS;
            channel_commit(channel, plan->next);
            if (comes_back)
                reading_go_on(channel->reading);
        } else if (channel->state == CHANNEL_LINGERS) {
            drop_strands(plan, channel, deadline_ms); /* that its other type does not go to */
        } else if (channel->state == CHANNEL_READS) {
            pipeline_let_leave(channel, deadline_ms);
        }
    }
    for (size_t i = plan->old_channels; i < pipeline->channel_count; i++) {
        struct channel *channel = pipeline->channels[i];
        if (channel->state != CHANNEL_NEW)
            continue;
        channel->state = CHANNEL_READS;
        channel_list_lanes(channel); /* as they were listed for its start */
        channel->changes_lanes = false;
        channel_commit(channel, plan->next);
        gate_open(reading_gate(channel->reading));
    }
}

static void commit_outlets(const struct plan *plan, int64_t deadline_ms)
{
    struct pipeline *pipeline = plan->pipeline;

    for (size_t i = 0; i < pipeline->outlet_count; i++) {
        struct outlet *outlet = pipeline->outlets[i];
        if (!outlet->is_wanted && outlet->state_now == OUTLET_RUNS) {
            outlet->state_now = OUTLET_LEAVES;
            outlet->deadline_ms = deadline_ms;
            continue;
        }
        if (!outlet->is_wanted)
            continue;
        outlet->state_now = OUTLET_RUNS;
        if (i < plan->old_outlets)
            outlet_commit(outlet);
    }
}

static void commit(const struct plan *plan)
{
    struct pipeline *pipeline = plan->pipeline;
    int64_t grace_ms = plan->next->settings.agent.shutdown_grace;
    int64_t deadline_ms = clock_now_ms() + grace_ms;

    commit_channels(plan, deadline_ms);
    commit_outlets(plan, deadline_ms);
    numbers_set(ledger_agent_numbers(pipeline->ledger), NUMBER_memory_limit_bytes,
                plan->next->settings.agent.memory_limit);
    generation_release(&pipeline->generation);
    pipeline->generation = generation_hold(plan->next);
    for (size_t i = 0; i < pipeline->channel_count; i++)
        pipeline->channels[i]->is_wanted = false;
}

/* ---- back ---- */

static void close_channel(struct channel *channel)
{
    if (reading_has_thread(channel->reading)) {
        reading_end(channel->reading);
        gate_open(reading_gate(channel->reading));
        reading_finish(channel->reading);
    }
    channel_free(&channel);
}

static void forget_strays(const struct channel *channel)
{
    for (size_t i = 0; i < channel->strand_count; i++)
        channel_free(&channel->strands[i]->stray);
}

static void roll_back(const struct plan *plan)
{
    struct pipeline *pipeline = plan->pipeline;

    for (size_t i = 0; i < plan->old_outlets; i++)
        outlet_forget_change(pipeline->outlets[i]);
    replace_forget(plan);
    lock_take(&pipeline->lock);
    size_t channels = pipeline->channel_count, outlets = pipeline->outlet_count;
    pipeline->channel_count = plan->old_channels;
    pipeline->outlet_count = plan->old_outlets;
    lock_drop(&pipeline->lock);
    for (size_t i = plan->old_outlets; i < outlets; i++)
        outlet_stop(pipeline->outlets[i]);
    for (size_t i = 0; i < plan->old_channels; i++) {
        forget_strays(pipeline->channels[i]);
        channel_forget_new(pipeline->channels[i]);
    }
    for (size_t i = plan->old_channels; i < channels; i++)
        close_channel(pipeline->channels[i]);
    for (size_t i = plan->old_outlets; i < outlets; i++)
        outlet_free(&pipeline->outlets[i]);
}

/* ---- all of it ---- */

static bool run(struct plan *plan, const struct patience *patience, struct err *err)
{
    if (!plan_prepare(plan, err))
        return false;
    if (plan->is_start) /* nothing stands in the way */
        return true;
    if (!replace_await_stops(plan, err))
        return false;
    plan_parking(plan);
    hold_senders(plan, true);
    await_quiet(plan, patience);
    return parking_close(plan->parking, patience, err) && change_plugins(plan, err);
}

bool pipeline_follow(struct pipeline *pipeline, struct generation *next, struct spools *spools,
                     const struct patience *patience, struct err *err)
{
    struct plan plan = { .pipeline = pipeline,
                         .next = next,
                         .spools = spools,
                         .parking = parking_new(),
                         .patience = patience,
                         .old_outlets = pipeline->outlet_count,
                         .old_channels = pipeline->channel_count,
                         .is_start = pipeline->generation == NULL };

    if (plan.parking == NULL)
        return err_set(err, "out of memory");
    bool ok = run(&plan, patience, err);
    if (ok)
        commit(&plan);
    else
        roll_back(&plan);
    parking_free(&plan.parking);
    hold_senders(&plan, false);
    return ok;
}

bool pipeline_change(struct pipeline *pipeline, struct generation *next,
                     const struct patience *patience, struct err *err)
{
    struct spools spools;
    bool ok = spools_prepare(&spools, &next->settings, err) &&
              pipeline_follow(pipeline, next, &spools, patience, err);

    spools_close(&spools);
    return ok;
}
