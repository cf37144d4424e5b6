/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline: an input that can be read again gets one reading for each output, so that waiting for
 * one never holds another; all others get one reading with a lane for each output. */
#include "pipeline.h"

#include "base/auto.h"
#include "base/bell.h"
#include "base/random.h"
#include "class_lines.h"
#include "input/reading.h"
#include "input/sources.h"
#include "outlet.h"

#include <limits.h>

enum {
    PIECES = 32,
    PIECE_LEAST = 16 * 1024,
    RECORD_SLACK = 1024,
    READ_BUFFER = 256 * 1024,
    STUCK_MS = 90 * 1000,
    CALM_MOST_MS = 10 * 1000,
    DEFAULT_EVENT_BYTES = 64 * 1024
};

struct channel { /* one reading and its lanes */
    const char *input;
    struct reading *reading;
    struct lane **lanes;
    const char **outputs;
    size_t lane_count;
    struct class_weight *weights;
    struct attribute *base;
    struct reading_processor *processors;
};

struct pipeline {
    const struct settings *settings;
    struct ledger *ledger;
    struct disk *disk;
    int bell;
    char hostname[HOST_NAME_MAX + 1];
    struct channel *channels;
    size_t channel_count;
    struct outlet *outlets;
    bool stopped;
};

static void note_source_end(void *context)
{
    struct pipeline *pipeline = context;
    bell_ring(pipeline->bell);
}

/* ---- inputs and lanes ---- */

static size_t max_event_bytes(const struct settings_part *input)
{
    return input->type->max_event_bytes == NULL ? DEFAULT_EVENT_BYTES
                                                : input->type->max_event_bytes(input->config);
}

static size_t piece_bytes_of(const struct settings_part *input)
{
    size_t classes = settings_class_count(&input->input);
    size_t pieces = classes == 1 || 2 * classes < PIECES ? PIECES : 2 * classes;
    size_t piece = input->lane_bytes / pieces;
    size_t least = max_event_bytes(input) + RECORD_SLACK;

    if (piece < least)
        piece = least;
    if (piece < PIECE_LEAST)
        piece = PIECE_LEAST;
    return (piece + 4095) & ~(size_t)4095;
}

static struct shedder_config shed_of(const struct settings_part *input,
                                     const struct settings_part *output)
{
    static const enum shed_mode modes[] = { [SHED_OPTION_UNIFORM] = SHED_UNIFORM,
                                            [SHED_OPTION_SEVERITY] = SHED_SEVERITY,
                                            [SHED_OPTION_KEY] = SHED_KEY,
                                            [SHED_OPTION_LARGEST] = SHED_LARGEST,
                                            [SHED_OPTION_NOISIEST] = SHED_NOISIEST };
    const struct input_options *options = &input->input;
    bool is_adaptive = options->lane__shed__keep < 0; /* KEEP_ADAPTIVE */

    return (struct shedder_config){
        .high = options->lane__shed__high,
        .low = options->lane__shed__low,
        .keep = is_adaptive ? 1 : options->lane__shed__keep,
        .is_adaptive = is_adaptive,
        .mode = modes[options->lane__shed__mode],
        .severity_keep = { [BAND_TRACE] = options->lane__shed__severity__trace,
                           [BAND_DEBUG] = options->lane__shed__severity__debug,
                           [BAND_INFO] = options->lane__shed__severity__info,
                           [BAND_WARN] = options->lane__shed__severity__warn,
                           [BAND_ERROR] = options->lane__shed__severity__error,
                           [BAND_FATAL] = options->lane__shed__severity__fatal },
        .capacity_bytes = input->lane_bytes,
        .batch_bytes = output->output.batch__max_bytes,
    };
}

/* The weights are the channel's, for all its lanes. */
static bool make_weights(struct channel *channel, const struct settings_part *input)
{
    const struct text_map *map = &input->input.lane__classes__weights;

    channel->weights = calloc(map->count + 1, sizeof(*channel->weights));
    for (size_t i = 0; i < map->count && channel->weights != NULL; i++)
        channel->weights[i] = (struct class_weight){ map->items[i].key, input->class_weights[i] };
    return channel->weights != NULL;
}

static struct classes_config classes_of(const struct channel *channel,
                                        const struct settings_part *input)
{
    const struct input_options *options = &input->input;
    enum class_by by = CLASS_BY_FIELD;

    if (options->lane__classes__by[0] == '\0')
        by = CLASS_BY_NOTHING;
    else if (strcmp(options->lane__classes__by, "severity") == 0)
        by = CLASS_BY_SEVERITY;
    return (struct classes_config){ .by = by,
                                    .field = options->lane__classes__by,
                                    .max = options->lane__classes__max,
                                    .weights = channel->weights,
                                    .weight_count = options->lane__classes__weights.count };
}

static bool add_lane(struct pipeline *pipeline, struct channel *channel,
                     const struct settings_part *input, struct outlet *outlet, struct err *err)
{
    static const enum lane_overflow overflows[] = { [OVERFLOW_BLOCK] = LANE_BLOCK,
                                                    [OVERFLOW_DROP_OLDEST] = LANE_DROP_OLDEST,
                                                    [OVERFLOW_DROP_NEWEST] = LANE_DROP_NEWEST };
    uint64_t seed;

    CHECK(input->input.lane__overflow != OVERFLOW_AUTO); /* resolved by the settings */
    random_bytes(&seed, sizeof(seed));
    struct lane_config config = {
        .capacity_bytes = input->lane_bytes,
        .piece_bytes = piece_bytes_of(input),
        .overflow = overflows[input->input.lane__overflow],
        .shed = shed_of(input, outlet->part),
        .shed_key = input->input.lane__shed__key,
        .classes = classes_of(channel, input),
        .weight = input->input.lane__weight,
        .seed = seed,
        .books = ledger_lane(pipeline->ledger, input->name, outlet->part->name,
                             input->type->traits & INPUT_REREADABLE),
        .feed = &outlet->feed,
        .on_room = reading_ring,
        .on_room_context = channel->reading,
    };
    if (config.books == NULL || outlet->lane_count == LEDGER_LANES)
        return err_set(err, "the books have room for %d lanes", LEDGER_LANES);
    struct lane *lane = lane_new(&config);
    if (lane == NULL)
        return err_set(err, "out of memory for the lane %s to %s", input->name, outlet->part->name);
    channel->outputs[channel->lane_count] = outlet->part->name;
    channel->lanes[channel->lane_count++] = lane;
    outlet->lanes[outlet->lane_count++] = lane;
    return true;
}

/* host.name and the attributes that the user adds to the resource. */
static bool make_base(const struct pipeline *pipeline, struct channel *channel,
                      const struct settings_part *input, size_t *ret_count)
{
    const struct text_map *map = &input->input.resource;
    size_t count = 0;

    channel->base = calloc(map->count + 1, sizeof(*channel->base));
    if (channel->base == NULL)
        return false;
    channel->base[count++] =
        (struct attribute){ SLICE("host.name"),
                            { .kind = VALUE_TEXT, .text = slice_of(pipeline->hostname) } };
    for (size_t i = 0; i < map->count; i++) {
        struct value value = { .kind = VALUE_TEXT, .text = slice_of(map->items[i].value) };
        if (strcmp(map->items[i].key, "host.name") == 0)
            channel->base[0].value = value;
        else
            channel->base[count++] = (struct attribute){ slice_of(map->items[i].key), value };
    }
    *ret_count = count;
    return true;
}

static bool list_processors(const struct pipeline *pipeline, struct channel *channel,
                            const struct settings_part *input)
{
    channel->processors = calloc(input->link_count + 1, sizeof(*channel->processors));
    if (channel->processors == NULL)
        return false;
    for (size_t i = 0; i < input->link_count; i++) {
        const struct settings_part *part = &pipeline->settings->processors[input->links[i]];
        channel->processors[i] =
            (struct reading_processor){ (const struct processor *)(const void *)part->type,
                                        part->config, part->name };
    }
    return true;
}

static bool open_reading(struct pipeline *pipeline, struct channel *channel,
                         const struct settings_part *input, const char *output, struct err *err)
{
    size_t base_count;

    if (!make_base(pipeline, channel, input, &base_count) ||
        !list_processors(pipeline, channel, input))
        return err_set(err, "out of memory for input '%s'", input->name);
    struct reading_config config = { .input = input->name,
                                     .plugin = (const struct input *)(const void *)input->type,
                                     .plugin_config = input->config,
                                     .base = channel->base,
                                     .base_count = base_count,
                                     .processors = channel->processors,
                                     .processor_count = input->link_count,
                                     .output = output,
                                     .state_dir = pipeline->settings->agent.state_dir,
                                     .disk = pipeline->disk,
                                     .interval_ms = input->input.interval,
                                     .block_for_ms = input->input.lane__block_for,
                                     .max_event_bytes = max_event_bytes(input),
                                     .buffer_bytes = READ_BUFFER,
                                     .on_done = note_source_end,
                                     .on_done_context = pipeline };
    channel->reading = reading_new(&config, err);
    return channel->reading != NULL;
}

static bool takes_input(const struct outlet *outlet, size_t input)
{
    for (size_t i = 0; i < outlet->part->link_count; i++) {
        if (outlet->part->links[i] == input)
            return true;
    }
    return false;
}

static bool open_channel(struct pipeline *pipeline, const struct settings_part *input,
                         struct outlet **outlets, size_t count, struct err *err)
{
    struct channel *channel = &pipeline->channels[pipeline->channel_count++];

    CHECK(count > 0); /* an input without an output is refused before */
    channel->input = input->name;
    channel->lanes = calloc(count, sizeof(struct lane *));
    channel->outputs = calloc(count, sizeof(char *));
    if (channel->lanes == NULL || channel->outputs == NULL || !make_weights(channel, input))
        return err_set(err, "out of memory for input '%s'", input->name);
    if (!open_reading(pipeline, channel, input, outlets[0]->part->name, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!add_lane(pipeline, channel, input, outlets[i], err))
            return false;
    }
    return true;
}

static bool open_input(struct pipeline *pipeline, size_t index, struct err *err)
{
    const struct settings_part *input = &pipeline->settings->inputs[index];
    struct outlet *takers[LEDGER_OUTPUTS];
    size_t count = 0;

    for (size_t i = 0; i < pipeline->settings->output_count; i++) {
        if (takes_input(&pipeline->outlets[i], index))
            takers[count++] = &pipeline->outlets[i];
    }
    if (!(input->type->traits & INPUT_REREADABLE))
        return open_channel(pipeline, input, takers, count, err);
    for (size_t i = 0; i < count; i++) {
        if (!open_channel(pipeline, input, &takers[i], 1, err))
            return false;
    }
    return true;
}

/* ---- start ---- */

static bool start_all(struct pipeline *pipeline, struct spools *spools, struct err *err)
{
    const struct settings *settings = pipeline->settings;

    for (size_t i = 0; i < settings->output_count; i++) {
        if (!outlet_open(&pipeline->outlets[i], settings, i, pipeline->ledger, err))
            return false;
    }
    for (size_t i = 0; i < settings->input_count; i++) {
        if (!open_input(pipeline, i, err))
            return false;
    }
    for (size_t i = 0; i < settings->output_count; i++) {
        struct opened_spool *spool = &spools->items[i];
        if (spool->spool != NULL &&
            !outlet_use_spool(&pipeline->outlets[i], pipeline->ledger, spool, err))
            return false;
        if (!outlet_start_workers(&pipeline->outlets[i], pipeline->ledger, err))
            return false;
    }
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        struct channel *channel = &pipeline->channels[i];
        if (!reading_start(channel->reading, channel->lanes, channel->outputs, channel->lane_count,
                           err))
            return false;
    }
    return true;
}

struct pipeline *pipeline_start(const struct settings *settings, struct ledger *ledger,
                                struct disk *disk, int bell, struct spools *spools, struct err *err)
{
    AUTO(pipeline_free) struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
    if (pipeline == NULL) {
        (void)err_set(err, "out of memory");
        return NULL;
    }
    pipeline->settings = settings;
    pipeline->ledger = ledger;
    pipeline->disk = disk;
    pipeline->bell = bell;
    numbers_set(ledger_agent_numbers(ledger), NUMBER_memory_limit_bytes,
                settings->agent.memory_limit);
    if (gethostname(pipeline->hostname, sizeof(pipeline->hostname) - 1) != 0)
        (void)strcpy(pipeline->hostname, "localhost");
    pipeline->outlets = calloc(settings->output_count, sizeof(*pipeline->outlets));
    pipeline->channels =
        calloc(settings->input_count * settings->output_count, sizeof(*pipeline->channels));
    if (pipeline->outlets == NULL || pipeline->channels == NULL) {
        (void)err_set(err, "out of memory");
        return NULL;
    }
    if (!start_all(pipeline, spools, err)) {
        pipeline_stop(pipeline);
        return NULL;
    }
    struct pipeline *started = pipeline;
    pipeline = NULL;
    return started;
}

/* ---- while it runs ---- */

static void tell_classes(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        const struct channel *channel = &pipeline->channels[i];
        for (size_t lane = 0; lane < channel->lane_count; lane++)
            class_lines_write(channel->lanes[lane], channel->input, channel->outputs[lane]);
    }
}

void pipeline_ask(struct pipeline *pipeline, struct sources_ask *question)
{
    sources_ask_begin(question, pipeline->channel_count);
    for (size_t i = 0; i < pipeline->channel_count; i++)
        reading_ask(pipeline->channels[i].reading, question);
    sources_ask_end(question);
}

void pipeline_audit(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->settings->output_count; i++)
        outlet_audit(&pipeline->outlets[i]);
    tell_classes(pipeline);
}

int64_t pipeline_watch(struct pipeline *pipeline, int64_t now_ms)
{
    int64_t calm_ms = pipeline->settings->agent.report_interval, next_ms;
    int64_t soonest_ms = INT64_MAX;

    if (calm_ms > CALM_MOST_MS)
        calm_ms = CALM_MOST_MS;
    for (size_t i = 0; i < pipeline->settings->output_count; i++) {
        struct outlet *outlet = &pipeline->outlets[i];
        next_ms = watch_look(&outlet->watch, outlet, now_ms, calm_ms);
        if (next_ms < soonest_ms)
            soonest_ms = next_ms;
    }
    return soonest_ms;
}

bool pipeline_has_ended(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        if (!reading_is_done(pipeline->channels[i].reading))
            return false;
    }
    return true;
}

bool pipeline_is_alive(const struct pipeline *pipeline, int64_t now_ms)
{
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        int64_t last_ms = reading_last_step_ms(pipeline->channels[i].reading);
        if (last_ms != 0 && now_ms - last_ms >= STUCK_MS)
            return false;
    }
    for (size_t i = 0; i < pipeline->settings->output_count; i++) {
        if (!outlet_is_alive(&pipeline->outlets[i], now_ms, STUCK_MS))
            return false;
    }
    return true;
}

/* ---- the end ---- */

void pipeline_drain(struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->channel_count; i++)
        reading_stop_input(pipeline->channels[i].reading);
    for (size_t i = 0; i < pipeline->settings->output_count; i++)
        outlet_drain(&pipeline->outlets[i]);
}

bool pipeline_is_drained(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        if (!reading_has_stopped_input(pipeline->channels[i].reading))
            return false;
    }
    for (size_t i = 0; i < pipeline->settings->output_count; i++) {
        if (!outlet_is_drained(&pipeline->outlets[i]))
            return false;
    }
    return true;
}

void pipeline_stop(struct pipeline *pipeline)
{
    if (pipeline->stopped)
        return;
    pipeline->stopped = true;
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        struct reading *reading = pipeline->channels[i].reading;
        if (reading == NULL)
            continue;
        reading_abort(reading);
    }
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        if (pipeline->channels[i].reading != NULL)
            reading_await_stop(pipeline->channels[i].reading);
    }
    for (size_t i = 0; i < pipeline->settings->output_count; i++)
        outlet_stop(&pipeline->outlets[i]);
    tell_classes(pipeline);
    /* Last: by now every receipt that can be settled is. */
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        if (pipeline->channels[i].reading != NULL)
            reading_finish(pipeline->channels[i].reading);
    }
}

static void free_channel(struct channel *channel)
{
    reading_free(&channel->reading);
    for (size_t i = 0; i < channel->lane_count; i++)
        lane_free(&channel->lanes[i]);
    free(channel->lanes);
    free(channel->outputs);
    free(channel->weights);
    free(channel->base);
    free(channel->processors);
}

void pipeline_free(struct pipeline **pipelinep)
{
    struct pipeline *pipeline = *pipelinep;
    *pipelinep = NULL;
    if (pipeline == NULL)
        return;
    for (size_t i = 0; i < pipeline->channel_count; i++)
        free_channel(&pipeline->channels[i]);
    for (size_t i = 0; pipeline->outlets != NULL && i < pipeline->settings->output_count; i++)
        outlet_fini(&pipeline->outlets[i]);
    free(pipeline->outlets);
    free(pipeline->channels);
    free(pipeline);
}
