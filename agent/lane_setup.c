/* SPDX-License-Identifier: Apache-2.0 */
#include "lane_setup.h"

#include "base/check.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

enum { PIECES = 32, PIECE_LEAST = 16 * 1024, RECORD_SLACK = 1024, DEFAULT_EVENT_BYTES = 64 * 1024 };

size_t lane_setup_event_bytes(const struct settings_part *input)
{
    return input->type->max_event_bytes == NULL ? DEFAULT_EVENT_BYTES
                                                : input->type->max_event_bytes(input->config);
}

static size_t piece_bytes_of(const struct settings_part *input)
{
    size_t classes = settings_class_count(&input->input);
    size_t pieces = classes == 1 || 2 * classes < PIECES ? PIECES : 2 * classes;
    size_t piece = input->lane_bytes / pieces;
    size_t least = lane_setup_event_bytes(input) + RECORD_SLACK;

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

struct class_weight *lane_setup_weights(const struct settings_part *input)
{
    const struct text_map *map = &input->input.lane__classes__weights;
    struct class_weight *weights = calloc(map->count + 1, sizeof(*weights));

    for (size_t i = 0; i < map->count && weights != NULL; i++)
        weights[i] = (struct class_weight){ map->items[i].key, input->class_weights[i] };
    return weights;
}

static struct classes_config classes_of(const struct settings_part *input,
                                        const struct class_weight *weights)
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
                                    .weights = weights,
                                    .weight_count = options->lane__classes__weights.count };
}

struct lane_config lane_setup(const struct settings_part *input, const struct settings_part *output,
                              const struct class_weight *weights)
{
    static const enum lane_overflow overflows[] = { [OVERFLOW_BLOCK] = LANE_BLOCK,
                                                    [OVERFLOW_DROP_OLDEST] = LANE_DROP_OLDEST,
                                                    [OVERFLOW_DROP_NEWEST] = LANE_DROP_NEWEST };
    uint64_t seed;

    CHECK(input->input.lane__overflow != OVERFLOW_AUTO); /* resolved by the settings */
    random_bytes(&seed, sizeof(seed));
    return (struct lane_config){ .capacity_bytes = input->lane_bytes,
                                 .piece_bytes = piece_bytes_of(input),
                                 .overflow = overflows[input->input.lane__overflow],
                                 .shed = shed_of(input, output),
                                 .shed_key = input->input.lane__shed__key,
                                 .classes = classes_of(input, weights),
                                 .weight = input->input.lane__weight,
                                 .seed = seed };
}
