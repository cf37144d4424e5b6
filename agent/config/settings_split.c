/* SPDX-License-Identifier: Apache-2.0 */
/* settings_split: divides memory_limit into lanes, the outputs' workshops, the readings' buffers
 * and the outputs' shares for sealed batches. The division for a limit is a function of the limit
 * alone, so that a message can name the least one that would do. */
#include "config/settings_check.h"

#include "base/check.h"

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1024) * KIB)

enum { BATCHES_IN_LANE = 4, BATCHES_SEALED = 2 };

static const uint64_t lane_automatic_bytes = 8 * MIB;
static const uint64_t event_default_bytes = 64 * KIB;
static const uint64_t record_overhead_bytes = 1 * KIB;
static const uint64_t scratch_bytes = 256 * KIB;
static const uint64_t read_buffer_bytes = 256 * KIB; /* or more, where a line may be longer */
static const uint64_t compressor_bytes = 512 * KIB;
static const uint64_t limit_max_bytes = 64 * KIB * MIB; /* of memory_limit in its table */

/* Of the 8 MiB that the agent may take beyond memory_limit, connections may have so much. */
static const uint64_t connections_free_bytes = 4 * MIB;

struct split {
    uint64_t automatic_bytes; /* of each lane without a capacity */
    uint64_t lanes, workshops, readings, connections, sealed;
    bool fits;
};

static uint64_t largest_event(const struct settings_part *input)
{
    return input->type->max_event_bytes == NULL ? event_default_bytes
                                                : input->type->max_event_bytes(input->config);
}

static uint64_t reading_bytes(const struct settings_part *input)
{
    uint64_t buffer = largest_event(input) + 64 * KIB;
    uint64_t own = input->type->memory_bytes == NULL ? 0 : input->type->memory_bytes(input->config);

    return own + scratch_bytes + (buffer > read_buffer_bytes ? buffer : read_buffer_bytes);
}

/* As many as batches, without classes. A class takes at least one; half as many again, so that a
 * lane with a little of each class does not count as nearly full. */
size_t settings_lane_pieces(const struct input_options *input)
{
    size_t count = settings_class_count(input);

    return count == 1 ? BATCHES_IN_LANE : count * 3 / 2 + 1;
}

/* A piece takes the largest event. */
static uint64_t classes_least(const struct settings_part *input)
{
    uint64_t piece = largest_event(input) + record_overhead_bytes;
    uint64_t rounded = (piece + 4 * KIB - 1) / (4 * KIB) * (4 * KIB);
    uint64_t least =
        settings_lane_pieces(&input->input) * (rounded > 16 * KIB ? rounded : 16 * KIB);

    if (settings_class_count(&input->input) == 1)
        return 0;
    /* Sizes are written in whole numbers: 18MiB, not 17.1. */
    return least < 8 * MIB ? least : (least + MIB - 1) / MIB * MIB;
}

/* What the lanes from this input to this output must hold at least. */
static uint64_t lane_least(const struct settings_part *input, const struct settings_part *output)
{
    uint64_t piece = largest_event(input) + record_overhead_bytes;
    uint64_t batch = output->output.batch__max_bytes;
    uint64_t least = BATCHES_IN_LANE * (batch > piece ? batch : piece);
    uint64_t classes = classes_least(input);

    return least > classes ? least : classes;
}

static uint64_t workshop_bytes(const struct output_options *output)
{
    uint64_t raw = output->batch__max_bytes;
    uint64_t compressed = raw + raw / 100 + 4 * KIB;

    return (output->workers + 1) * (raw + compressed + compressor_bytes);
}

static uint64_t weight_of_all(const struct settings *settings)
{
    uint64_t weight = 0;

    for (size_t i = 0; i < settings->output_count; i++)
        weight += settings->outputs[i].output.memory_weight;
    return weight;
}

static uint64_t sealed_share(const struct settings *settings, size_t output, uint64_t sealed_bytes)
{
    return sealed_bytes / weight_of_all(settings) * settings->outputs[output].output.memory_weight;
}

/* ---- connections ---- */

static uint64_t connection_bytes(const struct settings_part *output)
{
    return output->type->connection_bytes == NULL ? 0
                                                  : output->type->connection_bytes(output->config);
}

/* What is to be put aside so that all may have as many as they are allowed: at most half of what
 * the least of sealed batches leaves, so that no configuration needs more memory for it. */
static uint64_t reserve_connections(const struct settings *settings, uint64_t left_bytes)
{
    uint64_t wanted = 0, least = 0;

    for (size_t i = 0; i < settings->output_count; i++) {
        const struct settings_part *output = &settings->outputs[i];
        uint64_t share = weight_of_all(settings) * BATCHES_SEALED * output->output.batch__max_bytes;
        wanted += output->output.concurrency__max * connection_bytes(output);
        if (share / output->output.memory_weight + weight_of_all(settings) > least)
            least = share / output->output.memory_weight + weight_of_all(settings);
    }
    uint64_t most = left_bytes > least ? (left_bytes - least) / 2 : 0;
    wanted = wanted > connections_free_bytes ? wanted - connections_free_bytes : 0;
    return wanted < most ? wanted : most;
}

/* Each has its part by weight, and one in any case. */
static uint64_t connections_of(const struct settings *settings, size_t index, uint64_t reserved)
{
    const struct settings_part *output = &settings->outputs[index];
    uint64_t each = connection_bytes(output), most = output->output.concurrency__max;
    uint64_t part = sealed_share(settings, index, connections_free_bytes + reserved);
    uint64_t fit = each == 0 ? most : part / each;

    if (fit > most)
        fit = most;
    return fit == 0 ? 1 : fit;
}

/* The lanes of one output, and whether each automatic one is large enough. */
static void add_lanes(const struct settings *settings, const struct settings_part *output,
                      struct split *split)
{
    for (size_t i = 0; i < output->link_count; i++) {
        const struct settings_part *input = &settings->inputs[output->links[i]];
        uint64_t capacity = input->input.lane__capacity;
        if (capacity == 0 && split->automatic_bytes < lane_least(input, output))
            split->fits = false;
        split->lanes += capacity == 0 ? split->automatic_bytes : capacity;
    }
}

static uint64_t count_lanes(const struct settings *settings)
{
    uint64_t lanes = 0;

    for (size_t i = 0; i < settings->output_count; i++)
        lanes += settings->outputs[i].link_count;
    return lanes;
}

/* An input that can be read again has a reading for each output, others have one. */
static uint64_t readings_bytes(const struct settings *settings)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < settings->input_count; i++) {
        if ((settings->inputs[i].type->traits & INPUT_REREADABLE) == 0)
            bytes += reading_bytes(&settings->inputs[i]);
    }
    for (size_t i = 0; i < settings->output_count; i++) {
        const struct settings_part *output = &settings->outputs[i];
        for (size_t j = 0; j < output->link_count; j++) {
            const struct settings_part *input = &settings->inputs[output->links[j]];
            if ((input->type->traits & INPUT_REREADABLE) != 0)
                bytes += reading_bytes(input);
        }
    }
    return bytes;
}

static struct split split_at(const struct settings *settings, uint64_t limit_bytes)
{
    uint64_t lanes = count_lanes(settings);
    uint64_t part = limit_bytes / 2 / (lanes > 0 ? lanes : 1); /* an idle agent has none */
    struct split split = { .automatic_bytes =
                               part < lane_automatic_bytes ? part : lane_automatic_bytes,
                           .readings = readings_bytes(settings),
                           .fits = true };

    for (size_t i = 0; i < settings->output_count; i++) {
        add_lanes(settings, &settings->outputs[i], &split);
        split.workshops += workshop_bytes(&settings->outputs[i].output);
    }
    uint64_t taken = split.lanes + split.workshops + split.readings;
    if (taken > limit_bytes) {
        split.fits = false;
        return split;
    }
    split.connections = reserve_connections(settings, limit_bytes - taken);
    split.sealed = limit_bytes - taken - split.connections;
    for (size_t i = 0; i < settings->output_count; i++) {
        if (sealed_share(settings, i, split.sealed) <
            BATCHES_SEALED * settings->outputs[i].output.batch__max_bytes)
            split.fits = false;
    }
    return split;
}

/* The least memory_limit that would do, in whole MiB; 0: none. More never fits worse: of each byte
 * more the automatic lanes take at most half. */
static uint64_t least_limit(const struct settings *settings)
{
    uint64_t low = 1, high = limit_max_bytes / MIB;

    if (!split_at(settings, high * MIB).fits)
        return 0;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (split_at(settings, middle * MIB).fits)
            high = middle;
        else
            low = middle + 1;
    }
    return low * MIB;
}

/* ---- messages ---- */

/* The output that needs the largest lane of this input; NULL: all have enough of capacity_bytes. */
static const struct settings_part *find_too_small(const struct settings *settings, size_t input,
                                                  uint64_t capacity_bytes, uint64_t *ret_least)
{
    const struct settings_part *found = NULL;

    *ret_least = capacity_bytes;
    for (size_t i = 0; i < settings->output_count; i++) {
        const struct settings_part *output = &settings->outputs[i];
        for (size_t j = 0; j < output->link_count; j++) {
            uint64_t least = lane_least(&settings->inputs[input], output);
            if (output->links[j] == input && least > *ret_least) {
                *ret_least = least;
                found = output;
            }
        }
    }
    return found;
}

/* A capacity, given or the largest automatic one, that no memory_limit makes large enough. */
static bool check_capacity(struct loader *loader, size_t index)
{
    const struct settings *settings = loader->settings;
    const struct settings_part *input = &settings->inputs[index];
    bool is_given = input->input.lane__capacity != 0;
    uint64_t capacity = is_given ? input->input.lane__capacity : lane_automatic_bytes;
    char has[SIZE_TEXT_BYTES], needs[SIZE_TEXT_BYTES], batch[SIZE_TEXT_BYTES];
    uint64_t least;

    const struct settings_part *output = find_too_small(settings, index, capacity, &least);
    if (output == NULL)
        return true;
    return diagnostics_add(
        &loader->diagnostics, settings_place(input, &loader->inputs[index], "lane.capacity"),
        "inputs.%s.lane.capacity: %s%s is too small: a lane holds at least %d "
        "batches of output '%s' (batch.max_bytes %s) and %d of the largest "
        "events%s: set it to at least %s",
        input->name, is_given ? "" : "the automatic ", schema_size_text(capacity, has),
        BATCHES_IN_LANE, output->name, schema_size_text(output->output.batch__max_bytes, batch),
        BATCHES_IN_LANE,
        settings_class_count(&input->input) > 1 ? ", and three of them for every two classes" : "",
        schema_size_text(least, needs));
}

static void complain_limit(struct loader *loader, const struct split *split)
{
    const struct settings *settings = loader->settings;
    const struct node *node = reader_find(loader->root, "agent.memory_limit");
    const struct node *outputs = node_find(loader->root, "outputs");
    uint64_t least = least_limit(settings);
    uint64_t limit = settings->agent.memory_limit;
    char has[SIZE_TEXT_BYTES], lane[SIZE_TEXT_BYTES], lanes[SIZE_TEXT_BYTES],
        workshops[SIZE_TEXT_BYTES], readings[SIZE_TEXT_BYTES], needs[SIZE_TEXT_BYTES];

    (void)diagnostics_add(
        &loader->diagnostics, node != NULL ? node->place : outputs->key_place,
        "agent.memory_limit: %s is too small for %llu lanes of %s and more (%s in all, each at "
        "least "
        "%d batches), %s to encode and compress, %s to read, and %d sealed batches of each output: "
        "%s%s, or lower batch.max_bytes, workers or lane.capacity",
        schema_size_text(limit, has), (unsigned long long)count_lanes(settings),
        schema_size_text(split->automatic_bytes, lane), schema_size_text(split->lanes, lanes),
        BATCHES_IN_LANE, schema_size_text(split->workshops, workshops),
        schema_size_text(split->readings, readings), BATCHES_SEALED,
        least == 0 ? "no limit is enough" : "raise it to at least ",
        least == 0 ? "" : schema_size_text(least, needs));
}

static void hand_out(struct settings *settings, const struct split *split)
{
    settings->sealed_bytes =
        settings_memory_take(settings->memory, settings->output_count * sizeof(uint64_t));
    settings->connections =
        settings_memory_take(settings->memory, settings->output_count * sizeof(uint64_t));
    for (size_t i = 0; settings->sealed_bytes != NULL && settings->connections != NULL &&
                       i < settings->output_count;
         i++) {
        settings->sealed_bytes[i] = sealed_share(settings, i, split->sealed);
        settings->connections[i] = connections_of(settings, i, split->connections);
    }
    for (size_t i = 0; i < settings->input_count; i++) {
        struct settings_part *input = &settings->inputs[i];
        uint64_t capacity = input->input.lane__capacity;
        input->lane_bytes = capacity == 0 ? split->automatic_bytes : capacity;
    }
}

void settings_split(struct loader *loader)
{
    struct settings *settings = loader->settings;
    bool ok = true;

    for (size_t i = 0; i < settings->input_count; i++)
        ok = check_capacity(loader, i) && ok;
    if (!ok)
        return;
    struct split split = split_at(settings, settings->agent.memory_limit);
    if (split.fits)
        hand_out(settings, &split);
    else
        complain_limit(loader, &split);
}
