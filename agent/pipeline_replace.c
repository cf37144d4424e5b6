/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_replace: lanes that pass from one channel to another: an input whose type is another one
 * now, or a lane that was left over and is wanted again. A lane goes with all it holds, and its
 * flows go on. The reading of before ends as at the end of the agent, while the workers make room:
 * what it had in hand is in the lane before the next one offers to it. Its receipts, which batches
 * point to, keep it until they are settled: so its own positions are right if the type comes back.
 * Until what it read has left, the books say that what a crash leaves in the lane is lost. */
#include "base/bell.h"
#include "base/clock.h"
#include "base/log.h"
#include "pipeline_state.h"

#include <string.h>

enum { STOP_LOOK_MS = 5, MIX_LOOK_MS = 500 };

struct strand *replace_find_lane(const struct pipeline *pipeline, const struct channel *taker,
                                 const struct outlet *outlet)
{
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        const struct channel *channel = pipeline->channels[i];
        struct strand *strand = channel_find(channel, outlet);
        if (channel != taker && strand != NULL && !strand->is_taken_out &&
            strcmp(channel->input, taker->input) == 0)
            return strand;
    }
    return NULL;
}

/* ---- the reading of before ends ---- */

/* One that reads gives way to another type; one that leaves may be wanted again as it was. */
static bool tell_stuck(const struct channel *channel, struct err *err)
{
    return err_set(err,
                   "input '%s' %s '%s' and does not come to its end in time: its lane may be full, "
                   "or a command of its runs on: reload again later",
                   channel->input,
                   channel->state == CHANNEL_READS ? "has been of the type"
                                                   : "was taken out, it was of the type",
                   channel_type(channel)->name);
}

static bool await_stop(const struct plan *plan, struct channel *channel, struct err *err)
{
    const struct patience *patience = plan->patience;

    if (channel->state == CHANNEL_READS && !channel->is_stopped) {
        channel->is_stopped = true;
        reading_stop_input(channel->reading);
    }
    while (!reading_has_stopped_input(channel->reading)) {
        if (patience->is_over(patience->context))
            return err_set(err, "the agent is stopping");
        if (clock_now_ms() >= patience->deadline_ms)
            return tell_stuck(channel, err);
        bell_wait(plan->pipeline->bell, NULL, 0, STOP_LOOK_MS);
    }
    return true;
}

bool replace_gives_lanes(const struct channel *channel)
{
    for (size_t i = 0; i < channel->strand_count; i++) {
        if (channel->strands[i]->next_channel != NULL)
            return true;
    }
    return false;
}

bool replace_await_stops(const struct plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->old_channels; i++) {
        struct channel *channel = plan->pipeline->channels[i];
        if (channel->reading != NULL && replace_gives_lanes(channel) &&
            !await_stop(plan, channel, err))
            return false;
    }
    return true;
}

static bool has_address(const struct plugin_type *type)
{
    const struct option *option = type->options;

    while (option->key != NULL && strcmp(option->key, "listen") != 0)
        option++;
    return option->key != NULL;
}

bool replace_makes_way(const struct plan *plan, const struct settings_part *input, struct err *err)
{
    bool has_stopped = false;

    for (size_t i = 0; !plan->is_start && i < plan->old_channels; i++) {
        struct channel *channel = plan->pipeline->channels[i];
        if (channel->reading == NULL || channel->state == CHANNEL_SETTLES ||
            channel->state == CHANNEL_LINGERS || strcmp(channel->input, input->name) != 0 ||
            !has_address(channel_type(channel)) || !has_address(input->type))
            continue;
        if (!await_stop(plan, channel, err))
            return false;
        has_stopped = true;
    }
    return has_stopped;
}

void replace_forget(const struct plan *plan)
{
    for (size_t i = 0; i < plan->old_channels; i++) {
        struct channel *channel = plan->pipeline->channels[i];
        if (channel->is_stopped)
            reading_go_on(channel->reading);
        channel->is_stopped = false;
    }
}

/* ---- while all stand ---- */

static void park_givers(const struct plan *plan, struct channel *channel)
{
    bool comes_back = channel->is_wanted &&
                      (channel->state == CHANNEL_LEAVES || channel->state == CHANNEL_LINGERS);

    if (channel->reading != NULL && (comes_back || replace_gives_lanes(channel)))
        parking_add_reading(plan->parking, channel, false);
}

void replace_plan_parking(const struct plan *plan)
{
    for (size_t i = 0; i < plan->old_channels; i++)
        park_givers(plan, plan->pipeline->channels[i]);
}

static void hand_over(struct channel *from, struct strand *strand)
{
    struct channel *to = strand->next_channel;
    struct books *books = lane_books(strand->lane);

    strand->next_channel = NULL;
    lane_set_reading(strand->lane, reading_ring, to->reading);
    channel_give(from, strand, to);
    to->changes_lanes = true;
    if (from->reading == NULL && !to->is_rereadable)
        return; /* of the same kind */
    pipeline_clear_source_gauges(books);
    ledger_set_rereadable(books, false);
    strand->mixed_boot_ms = to->is_rereadable ? clock_boot_ms() : 0;
}

void replace_hand_over(const struct plan *plan)
{
    for (size_t i = 0; i < plan->old_channels; i++) {
        struct channel *channel = plan->pipeline->channels[i];
        channel->is_stopped = false;
        if (!replace_gives_lanes(channel))
            continue;
        if (channel->reading != NULL)
            reading_leave_lanes(channel->reading);
        for (size_t j = 0; j < channel->strand_count;) {
            struct strand *strand = channel->strands[j];
            if (strand->next_channel == NULL)
                j++;
            else
                hand_over(channel, strand);
        }
        if (channel->reading != NULL)
            channel->state = CHANNEL_LINGERS;
    }
}

/* ---- afterwards ---- */

static bool is_older_in_sender(struct sender *sender, const void *boot_ms)
{
    return sender_oldest_boot_ms(sender) <= *(const int64_t *)boot_ms;
}

static bool is_older_in_worker(const struct worker *worker, const void *boot_ms)
{
    return worker_oldest_boot_ms(worker) <= *(const int64_t *)boot_ms;
}

/* Looks in the order in which events move: one that moves meanwhile is seen where it comes to. */
static bool holds_what_is_older(const struct strand *strand)
{
    struct lane_level level = lane_level(strand->lane);

    if (level.events > 0 && level.oldest_boot_ms <= strand->mixed_boot_ms)
        return true;
    return parking_may_hold(strand->outlet,
                            &(struct outlet_question){ is_older_in_sender, is_older_in_worker,
                                                       &strand->mixed_boot_ms });
}

bool replace_is_mixed(const struct channel *channel)
{
    for (size_t i = 0; i < channel->strand_count; i++) {
        if (channel->strands[i]->mixed_boot_ms != 0)
            return true;
    }
    return false;
}

void replace_tend(struct channel *channel, int64_t now_ms)
{
    if (!replace_is_mixed(channel) || now_ms < channel->deadline_ms)
        return;
    channel->deadline_ms = now_ms + MIX_LOOK_MS;
    for (size_t i = 0; i < channel->strand_count; i++) {
        struct strand *strand = channel->strands[i];
        if (strand->mixed_boot_ms == 0 || holds_what_is_older(strand))
            continue;
        strand->mixed_boot_ms = 0;
        ledger_set_rereadable(lane_books(strand->lane), true);
        LOG(LOG_INFO, "what the input of another type had read has left the lane",
            LS("input", channel->input), LS("output", strand->outlet->name));
    }
}
