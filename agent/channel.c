/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"

#include "base/auto.h"
#include "base/log.h"
#include "config/settings_diff.h"
#include "lane_setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fini_setup(struct channel_setup *setup)
{
    free(setup->base);
    free(setup->processors);
    generation_release(&setup->from);
    *setup = (struct channel_setup){ .from = NULL };
}

/* ---- the reading ---- */

/* host.name and the attributes that the user adds to the resource. */
static bool make_base(const char *hostname, const struct settings_part *input,
                      struct channel_setup *ret, size_t *ret_count)
{
    const struct text_map *map = &input->input.resource;
    size_t count = 0;

    ret->base = calloc(map->count + 1, sizeof(*ret->base));
    if (ret->base == NULL)
        return false;
    ret->base[count++] = (struct attribute){ SLICE("host.name"),
                                             { .kind = VALUE_TEXT, .text = slice_of(hostname) } };
    for (size_t i = 0; i < map->count; i++) {
        struct value value = { .kind = VALUE_TEXT, .text = slice_of(map->items[i].value) };
        if (strcmp(map->items[i].key, "host.name") == 0)
            ret->base[0].value = value;
        else
            ret->base[count++] = (struct attribute){ slice_of(map->items[i].key), value };
    }
    *ret_count = count;
    return true;
}

static bool list_processors(const struct settings *settings, const struct settings_part *input,
                            struct channel_setup *ret)
{
    ret->processors = calloc(input->link_count + 1, sizeof(*ret->processors));
    if (ret->processors == NULL)
        return false;
    for (size_t i = 0; i < input->link_count; i++) {
        const struct settings_part *part = &settings->processors[input->links[i]];
        ret->processors[i] =
            (struct reading_processor){ (const struct processor *)(const void *)part->type,
                                        part->config, part->name };
    }
    return true;
}

/* Fills *ret with what the config points to. */
static bool make_setup(const struct channel_place *place, struct generation *generation,
                       size_t index, const char *output, struct channel_setup *ret,
                       struct reading_config *ret_config, struct err *err)
{
    const struct settings_part *input = &generation->settings.inputs[index];
    size_t base_count;

    *ret = (struct channel_setup){ .from = generation_hold(generation) };
    if (!make_base(place->hostname, input, ret, &base_count) ||
        !list_processors(&generation->settings, input, ret)) {
        fini_setup(ret);
        return err_set(err, "out of memory for input '%s'", input->name);
    }
    *ret_config =
        (struct reading_config){ .input = input->name,
                                 .plugin = (const struct input *)(const void *)input->type,
                                 .plugin_config = input->config,
                                 .base = ret->base,
                                 .base_count = base_count,
                                 .processors = ret->processors,
                                 .processor_count = input->link_count,
                                 .output = output,
                                 .state_dir = generation->settings.agent.state_dir,
                                 .disk = place->disk,
                                 .interval_ms = input->input.interval,
                                 .block_for_ms = input->input.lane__block_for,
                                 .max_event_bytes = lane_setup_event_bytes(input),
                                 .buffer_bytes = LANE_READ_BUFFER,
                                 .starter = place->starter,
                                 .kept = place->kept,
                                 .on_done = place->on_done,
                                 .on_done_context = place->context };
    return true;
}

struct channel *channel_of_strays(const char *input)
{
    struct channel *channel = calloc(1, sizeof(*channel));

    if (channel == NULL)
        return NULL;
    (void)snprintf(channel->input, sizeof(channel->input), "%s", input);
    channel->state = CHANNEL_LEAVES;
    return channel;
}

struct channel *channel_open(const struct channel_place *place, struct generation *generation,
                             size_t part, const char *output, struct err *err)
{
    const struct settings_part *input = &generation->settings.inputs[part];
    AUTO(channel_free) struct channel *channel = channel_of_strays(input->name);
    struct reading_config config;

    if (channel == NULL) {
        (void)err_set(err, "out of memory for input '%s'", input->name);
        return NULL;
    }
    channel->state = CHANNEL_NEW;
    channel->is_rereadable = (input->type->traits & INPUT_REREADABLE) != 0;
    channel->part = part;
    channel->is_wanted = true;
    (void)snprintf(channel->output, sizeof(channel->output), "%s", output);
    if (!make_setup(place, generation, part, channel->output, &channel->setup, &config, err))
        return NULL;
    channel->reading = reading_new(&config, err);
    if (channel->reading == NULL)
        return NULL;
    struct channel *made = channel;
    channel = NULL;
    return made;
}

void channel_free(struct channel **channelp)
{
    struct channel *channel = *channelp;

    *channelp = NULL;
    if (channel == NULL)
        return;
    channel_forget_change(channel);
    reading_free(&channel->reading);
    for (size_t i = 0; i < channel->strand_count; i++)
        strand_free(&channel->strands[i]);
    fini_setup(&channel->setup);
    fini_setup(&channel->before);
    free(channel);
}

/* ---- strands ---- */

void strand_free(struct strand **strandp)
{
    struct strand *strand = *strandp;

    *strandp = NULL;
    if (strand == NULL)
        return;
    lane_change_free(&strand->change);
    free(strand->next_weights);
    lane_free(&strand->lane);
    free(strand->weights);
    generation_release(&strand->from);
    free(strand);
}

static struct lane_config lane_config_of(const struct channel *channel, struct books *books,
                                         const struct settings_part *input, struct outlet *outlet,
                                         const struct settings_part *output,
                                         const struct class_weight *weights)
{
    struct lane_config config = lane_setup(input, output, weights);

    config.books = books;
    config.feed = &outlet->feed;
    config.on_room = reading_ring;
    config.on_room_context = channel->reading;
    return config;
}

struct strand *channel_add(struct channel *channel, const struct channel_place *place,
                           struct generation *generation, size_t part, struct outlet *outlet,
                           const struct settings_part *output, struct err *err)
{
    const struct settings_part *input = &generation->settings.inputs[part];
    AUTO(strand_free) struct strand *strand = calloc(1, sizeof(*strand));
    struct books *books =
        ledger_lane(place->ledger, input->name, outlet->name, channel->is_rereadable);

    CHECK(channel->strand_count < LEDGER_OUTPUTS);
    if (books == NULL) {
        (void)err_set(err,
                      "the books have room for %d lanes in one start, those that were taken out "
                      "included, and none is left for %s to %s: restart the agent",
                      LEDGER_LANES, input->name, outlet->name);
        return NULL;
    }
    if (strand != NULL && (strand->weights = lane_setup_weights(input)) != NULL) {
        struct lane_config config =
            lane_config_of(channel, books, input, outlet, output, strand->weights);
        strand->lane = lane_new(&config);
    }
    if (strand == NULL || strand->lane == NULL) {
        (void)err_set(err, "out of memory for the lane %s to %s", input->name, outlet->name);
        return NULL;
    }
    strand->outlet = outlet;
    strand->from = generation_hold(generation);
    strand->is_new = strand->is_wanted = true;
    struct strand *made = strand;
    strand = NULL;
    channel->strands[channel->strand_count++] = made;
    return made;
}

const struct plugin_type *channel_type(const struct channel *channel)
{
    return channel->setup.from->settings.inputs[channel->part].type;
}

struct strand *channel_find(const struct channel *channel, const struct outlet *outlet)
{
    for (size_t i = 0; i < channel->strand_count; i++) {
        if (channel->strands[i]->outlet == outlet)
            return channel->strands[i];
    }
    return NULL;
}

void channel_give(struct channel *from, struct strand *strand, struct channel *to)
{
    size_t i = 0;

    while (from->strands[i] != strand) {
        i++;
        CHECK(i < from->strand_count);
    }
    from->strand_count--;
    for (; i < from->strand_count; i++)
        from->strands[i] = from->strands[i + 1];
    CHECK(to == NULL || to->strand_count < LEDGER_OUTPUTS);
    if (to != NULL)
        to->strands[to->strand_count++] = strand;
}

void channel_list_lanes(struct channel *channel)
{
    for (size_t i = 0; i < channel->strand_count; i++) {
        channel->lanes[i] = channel->strands[i]->lane;
        channel->outputs[i] = channel->strands[i]->outlet->name;
    }
}

/* ---- another configuration ---- */

bool channel_prepare(struct channel *channel, const struct channel_place *place,
                     struct generation *next, size_t part, struct err *err)
{
    enum { READING = DIFF_PLUGIN | DIFF_PROCESSORS | DIFF_BLOCK_FOR };
    struct part_diff diff = settings_compare_input(&channel->setup.from->settings, channel->part,
                                                   &next->settings, part);
    struct reading_config config;

    channel->is_wanted = true;
    if ((diff.aspects & READING) == 0)
        return true;
    if (!make_setup(place, next, part, channel->output, &channel->next, &config, err))
        return false;
    channel->next_part = part;
    channel->change = reading_prepare(channel->reading, &config, err);
    return channel->change != NULL;
}

/* How large a piece is follows from the largest event: what else differs is in the options. */
static bool needs_other_lane(const struct strand *strand, const struct settings_part *before,
                             const struct settings_part *after, unsigned aspects,
                             const struct settings_part *output)
{
    bool is_adaptive = after->input.lane__shed__keep < 0; /* KEEP_ADAPTIVE */

    return (aspects & DIFF_LANE) != 0 ||
           lane_setup_event_bytes(before) < lane_setup_event_bytes(after) ||
           (is_adaptive &&
            strand->outlet->part->output.batch__max_bytes != output->output.batch__max_bytes);
}

static bool prepare_other_lane(struct channel *channel, struct strand *strand,
                               const struct settings_part *input,
                               const struct settings_part *output, struct err *err)
{
    strand->next_weights = lane_setup_weights(input);
    if (strand->next_weights != NULL) {
        struct lane_config config = lane_config_of(channel, lane_books(strand->lane), input,
                                                   strand->outlet, output, strand->next_weights);
        strand->change = lane_prepare(&config);
    }
    if (strand->change == NULL)
        return err_set(err, "out of memory for the lane %s to %s", input->name,
                       strand->outlet->name);
    return lane_fits(strand->lane, strand->change) ||
           err_set(err,
                   "the lane %s to %s holds more now than it could with the new options: reload "
                   "again when it has drained",
                   input->name, strand->outlet->name);
}

bool strand_prepare(struct channel *channel, struct strand *strand, struct generation *next,
                    size_t part, const struct settings_part *output, struct err *err)
{
    const struct settings *settings = &strand->from->settings;
    const struct settings_part *after = &next->settings.inputs[part];
    int old = settings_find(settings->inputs, settings->input_count, channel->input);

    CHECK(old != SETTINGS_NONE);
    const struct settings_part *before = &settings->inputs[old];
    struct part_diff diff = settings_compare_input(settings, (size_t)old, &next->settings, part);
    strand->is_wanted = true;
    if (needs_other_lane(strand, before, after, diff.aspects, output))
        return prepare_other_lane(channel, strand, after, output, err);
    if (lane_capacity(strand->lane) == after->lane_bytes)
        return true;
    if (lane_can_limit(strand->lane, after->lane_bytes, settings_lane_pieces(&after->input)))
        strand->limit_bytes = after->lane_bytes;
    else
        return prepare_other_lane(channel, strand, after, output, err);
    return true;
}

void channel_forget_change(struct channel *channel)
{
    reading_change_free(&channel->change);
    fini_setup(&channel->next);
    channel->changes_lanes = false;
    for (size_t i = 0; i < channel->strand_count; i++) {
        struct strand *strand = channel->strands[i];
        lane_change_free(&strand->change);
        free(strand->next_weights);
        strand->next_weights = NULL;
        strand->limit_bytes = 0;
        strand->next_channel = NULL;
    }
}

void channel_forget_new(struct channel *channel)
{
    channel_forget_change(channel);
    for (size_t i = channel->strand_count; i-- > 0;) {
        struct strand *strand = channel->strands[i];
        if (!strand->is_new)
            continue;
        channel_give(channel, strand, NULL);
        strand_free(&strand);
    }
}

bool channel_must_stand(const struct channel *channel)
{
    for (size_t i = 0; i < channel->strand_count; i++) {
        if (channel->strands[i]->change != NULL)
            return true;
    }
    return channel->change != NULL || channel->changes_lanes;
}

static void commit_strand(struct channel *channel, struct strand *strand, struct generation *next)
{
    if (strand->limit_bytes > 0)
        CHECK(lane_limit(strand->lane, strand->limit_bytes));
    strand->limit_bytes = 0;
    strand->is_new = false;
    if (strand->change == NULL)
        return;
    struct amount dropped = lane_commit(strand->lane, &strand->change);
    if (dropped.events > 0)
        LOG(LOG_WARN, "events of a lane found no room in its new memory",
            LS("input", channel->input), LS("output", strand->outlet->name),
            LU("reload_drop", dropped.events), LU("bytes", dropped.bytes));
    free(strand->weights);
    strand->weights = strand->next_weights;
    strand->next_weights = NULL;
    generation_release(&strand->from);
    strand->from = generation_hold(next);
}

void channel_settle_change(struct channel *channel)
{
    if (channel->before.from != NULL &&
        (channel->reading == NULL || !reading_is_changing(channel->reading)))
        fini_setup(&channel->before);
}

/* A change that is not taken up yet gives way to a newer one. Whether the last one was is asked
 * here, while the reading stands: what main found out at its last look is old by now. */
static void commit_change(struct channel *channel)
{
    channel_settle_change(channel);
    bool is_done = reading_commit(channel->reading, &channel->change);

    if (is_done || channel->before.from != NULL)
        fini_setup(&channel->setup);
    else
        channel->before = channel->setup;
    if (is_done)
        fini_setup(&channel->before);
    else
        LOG(LOG_INFO, "input waits for its full lane, it changes when the read in hand is over",
            LS("input", channel->input));
    channel->setup = channel->next;
    channel->next = (struct channel_setup){ .from = NULL };
    channel->part = channel->next_part;
}

void channel_commit(struct channel *channel, struct generation *next)
{
    for (size_t i = 0; i < channel->strand_count; i++)
        commit_strand(channel, channel->strands[i], next);
    if (channel->change != NULL)
        commit_change(channel);
    if (!channel->changes_lanes)
        return; /* its reading may be at work */
    channel_list_lanes(channel);
    if (channel->reading != NULL && channel->strand_count > 0)
        reading_set_lanes(channel->reading, channel->lanes, channel->outputs,
                          channel->strand_count);
    channel->changes_lanes = false;
}
