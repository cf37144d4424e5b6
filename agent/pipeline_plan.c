/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_plan: what a change needs, opened beside what runs: see pipeline_change.c. */
#include "config/settings_diff.h"
#include "pipeline_state.h"

#include <string.h>

/* ---- finding what runs ---- */

static struct outlet *find_outlet(const struct pipeline *pipeline, const char *name)
{
    for (size_t i = 0; i < pipeline->outlet_count; i++) {
        if (strcmp(pipeline->outlets[i]->name, name) == 0)
            return pipeline->outlets[i];
    }
    return NULL;
}

/* The channel that reads that input, for that outlet if it can be read again. */
static struct channel *find_channel(const struct pipeline *pipeline,
                                    const struct settings_part *input, const struct outlet *outlet)
{
    bool is_rereadable = (input->type->traits & INPUT_REREADABLE) != 0;

    for (size_t i = 0; i < pipeline->channel_count; i++) {
        struct channel *channel = pipeline->channels[i];
        if (channel->reading != NULL && channel->state != CHANNEL_SETTLES && !channel->is_aborted &&
            strcmp(channel->input, input->name) == 0 && channel_type(channel) == input->type &&
            (!is_rereadable || strcmp(channel->output, outlet->name) == 0))
            return channel;
    }
    return NULL;
}

void plan_list_channel(struct pipeline *pipeline, struct channel *channel)
{
    CHECK(pipeline->channel_count < PIPELINE_CHANNELS);
    lock_take(&pipeline->lock);
    pipeline->channels[pipeline->channel_count++] = channel;
    lock_drop(&pipeline->lock);
}

static void list_outlet(struct pipeline *pipeline, struct outlet *outlet)
{
    CHECK(pipeline->outlet_count < PIPELINE_OUTLETS);
    lock_take(&pipeline->lock);
    pipeline->outlets[pipeline->outlet_count++] = outlet;
    lock_drop(&pipeline->lock);
}

/* ---- prepare ---- */

static bool open_outlets(struct plan *plan, struct err *err)
{
    const struct settings *settings = &plan->next->settings;
    struct pipeline *pipeline = plan->pipeline;

    for (size_t i = 0; i < settings->output_count; i++) {
        struct outlet *outlet = find_outlet(pipeline, settings->outputs[i].name);
        if (outlet != NULL)
            continue;
        if (pipeline->outlet_count == PIPELINE_OUTLETS)
            return err_set(err, "too many outputs are still draining: reload again later");
        outlet = outlet_open(plan->next, i, pipeline->ledger, &pipeline->lock, err);
        if (outlet == NULL)
            return false;
        list_outlet(pipeline, outlet);
        if (!plan->is_start && !spools_open_one(plan->spools, settings, i, pipeline->ledger, err))
            return false;
    }
    return true;
}

static struct channel *open_channel(struct plan *plan, size_t input, const char *output,
                                    struct err *err)
{
    if (plan->pipeline->channel_count == PIPELINE_CHANNELS) {
        (void)err_set(err, "too many lanes are still draining: reload again later");
        return NULL;
    }
    const struct channel_place *place = &plan->pipeline->place;
    struct channel *channel = channel_open(place, plan->next, input, output, err);
    if (channel == NULL && replace_makes_way(plan, &plan->next->settings.inputs[input], err))
        channel = channel_open(place, plan->next, input, output, err);
    if (channel != NULL)
        plan_list_channel(plan->pipeline, channel);
    return channel;
}

/* The lane from that channel to that outlet: one it has, one of another channel, or a new one. */
static bool plan_lane(struct plan *plan, struct channel *channel, size_t input,
                      struct outlet *outlet, const struct settings_part *output, struct err *err)
{
    struct strand *strand = channel_find(channel, outlet);

    if (strand != NULL)
        return strand_prepare(channel, strand, plan->next, input, output, err);
    channel->changes_lanes = true;
    strand = replace_find_lane(plan->pipeline, channel, outlet);
    if (strand != NULL) {
        strand->next_channel = channel;
        return strand_prepare(channel, strand, plan->next, input, output, err);
    }
    return channel_add(channel, &plan->pipeline->place, plan->next, input, outlet, output, err) !=
           NULL;
}

static bool plan_input_of(struct plan *plan, size_t input, const size_t *outputs, size_t count,
                          struct err *err)
{
    const struct settings *settings = &plan->next->settings;
    const struct settings_part *part = &settings->inputs[input];
    struct outlet *first = find_outlet(plan->pipeline, settings->outputs[outputs[0]].name);
    struct channel *channel = find_channel(plan->pipeline, part, first);

    if (channel == NULL)
        channel = open_channel(plan, input, first->name, err);
    else if (!channel_prepare(channel, &plan->pipeline->place, plan->next, input, err))
        return false;
    if (channel == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct settings_part *output = &settings->outputs[outputs[i]];
        if (!plan_lane(plan, channel, input, find_outlet(plan->pipeline, output->name), output,
                       err))
            return false;
    }
    return true;
}

static bool plan_input(struct plan *plan, size_t input, struct err *err)
{
    const struct settings *settings = &plan->next->settings;
    size_t takers[LEDGER_OUTPUTS], count = 0;

    for (size_t i = 0; i < settings->output_count; i++) {
        if (settings_takes(&settings->outputs[i], input))
            takers[count++] = i;
    }
    if (count == 0) /* only where there are no outputs at all: the agent is idle */
        return true;
    if ((settings->inputs[input].type->traits & INPUT_REREADABLE) == 0)
        return plan_input_of(plan, input, takers, count, err);
    for (size_t i = 0; i < count; i++) {
        if (!plan_input_of(plan, input, &takers[i], 1, err))
            return false;
    }
    return true;
}

/* The lanes that an outlet will have: those that are new, and all that it has, for those that leave
 * drain into it. */
static void plan_lanes_of(const struct pipeline *pipeline, struct outlet *outlet)
{
    struct outlet_change *next = &outlet->next;

    memcpy(next->lanes, outlet->lanes, outlet->lane_count * sizeof(struct lane *));
    next->lane_count = outlet->lane_count;
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        const struct strand *strand = channel_find(pipeline->channels[i], outlet);
        size_t at = 0;
        if (strand == NULL || strand->is_taken_out)
            continue;
        while (at < next->lane_count && next->lanes[at] != strand->lane)
            at++;
        if (at < next->lane_count)
            continue;
        CHECK(next->lane_count < LEDGER_LANES);
        next->lanes[next->lane_count++] = strand->lane;
        next->changes_lanes = true;
    }
}

static bool start_outlet(struct plan *plan, struct outlet *outlet, size_t index, struct err *err)
{
    struct opened_spool *spool = &plan->spools->items[index];

    memcpy(outlet->lanes, outlet->next.lanes, outlet->next.lane_count * sizeof(struct lane *));
    outlet->lane_count = outlet->next.lane_count;
    outlet->next = (struct outlet_change){ .from = NULL };
    if (spool->spool != NULL && !outlet_use_spool(outlet, spool, plan->is_start, err))
        return false;
    return outlet_start_workers(outlet, err);
}

static bool prepare_outlets(struct plan *plan, struct err *err)
{
    const struct settings *settings = &plan->next->settings;

    for (size_t i = 0; i < settings->output_count; i++) {
        struct outlet *outlet = find_outlet(plan->pipeline, settings->outputs[i].name);
        if (outlet->end != OUTLET_GOES_ON)
            return err_set(err,
                           "output '%s' is just being taken out, try again; if its disk does not "
                           "answer, not before it does, or the agent is restarted",
                           outlet->name);
        plan_lanes_of(plan->pipeline, outlet);
        if (outlet->state_now == OUTLET_NEW
                ? !start_outlet(plan, outlet, i, err)
                : !outlet_prepare(outlet, plan->next, i, plan->spools, err))
            return false;
    }
    return true;
}

/* Does the commit take lanes from it that nobody wants? */
static bool drops_lanes(const struct channel *channel)
{
    return channel->is_wanted || channel->state == CHANNEL_LINGERS ||
           (channel->reading != NULL && replace_gives_lanes(channel));
}

static bool open_stray(const struct channel *channel, struct strand *strand, struct err *err)
{
    strand->stray = channel_of_strays(channel->input);
    return strand->stray != NULL || err_set(err, "out of memory for the lane %s to %s",
                                            channel->input, strand->outlet->name);
}

/* What such lanes drain in: the commit has no way back. */
static bool open_strays(const struct plan *plan, struct err *err)
{
    const struct pipeline *pipeline = plan->pipeline;
    size_t room = PIPELINE_CHANNELS - pipeline->channel_count;

    for (size_t i = 0; i < plan->old_channels; i++) {
        const struct channel *channel = pipeline->channels[i];
        for (size_t j = 0; drops_lanes(channel) && j < channel->strand_count; j++) {
            if (channel->strands[j]->is_wanted)
                continue;
            if (room-- == 0)
                return err_set(err, "too many lanes are still draining: reload again later");
            if (!open_stray(channel, channel->strands[j], err))
                return false;
        }
    }
    return true;
}

/* Those that it will have, in the order in which they are handed over. */
static size_t list_lanes(const struct pipeline *pipeline, struct channel *channel)
{
    size_t count = channel->strand_count;

    channel_list_lanes(channel);
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        const struct channel *giver = pipeline->channels[i];
        for (size_t j = 0; j < giver->strand_count; j++) {
            if (giver->strands[j]->next_channel != channel)
                continue;
            channel->lanes[count] = giver->strands[j]->lane;
            channel->outputs[count++] = giver->strands[j]->outlet->name;
        }
    }
    return count;
}

/* Their threads stand at once, and begin to read when the change is committed. */
static bool start_readings(struct plan *plan, struct err *err)
{
    struct pipeline *pipeline = plan->pipeline;

    for (size_t i = plan->old_channels; i < pipeline->channel_count; i++) {
        struct channel *channel = pipeline->channels[i];
        size_t lanes = list_lanes(pipeline, channel);
        gate_shut(reading_gate(channel->reading));
        if (!reading_start(channel->reading, channel->lanes, channel->outputs, lanes, err)) {
            gate_open(reading_gate(channel->reading));
            return false;
        }
        channel->changes_lanes = false;
    }
    return true;
}

bool plan_prepare(struct plan *plan, struct err *err)
{
    struct pipeline *pipeline = plan->pipeline;

    for (size_t i = 0; i < pipeline->outlet_count; i++)
        pipeline->outlets[i]->is_wanted = false;
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        struct channel *channel = pipeline->channels[i];
        channel->is_wanted = false;
        for (size_t j = 0; j < channel->strand_count; j++)
            channel->strands[j]->is_wanted = false;
    }
    if (!open_outlets(plan, err))
        return false;
    for (size_t i = 0; i < plan->next->settings.input_count; i++) {
        if (!plan_input(plan, i, err))
            return false;
    }
    return prepare_outlets(plan, err) && open_strays(plan, err) && start_readings(plan, err);
}
