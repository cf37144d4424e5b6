/* SPDX-License-Identifier: Apache-2.0 */
#include "config/settings_explain.h"
#include "config/schema_names.h"

#include "config/shown.h"

#include <stdio.h>

enum { NAME_BYTES = 256, COLUMN_BYTES = 30, VALUE_COLUMN_BYTES = 24 };

/* ---- values ---- */

/* On one line, whatever is in it. */
static void add_value(struct buf *ret, const struct option *option, const void *config)
{
    size_t before = ret->bytes;

    shown_add_value(ret, option, (const char *)config + option->offset);
    for (size_t i = before; i < ret->bytes && ret->data != NULL; i++) {
        if (ret->data[i] == '\n' || ret->data[i] == '\r')
            ret->data[i] = ' ';
    }
}

static void add_size(struct buf *ret, uint64_t bytes)
{
    char text[SIZE_TEXT_BYTES];

    (void)buf_add_text(ret, schema_size_text(bytes, text));
}

static void add_duration(struct buf *ret, int64_t duration_ms)
{
    char text[SHOWN_DURATION_BYTES];

    (void)buf_add_text(ret, shown_duration(duration_ms, text));
}

/* ---- the flow: inputs ---- */

/* What it cannot do without says what it is about: the paths of a file input, the URL of an output.
 */
static void add_part(struct buf *ret, const struct settings_part *part)
{
    (void)buf_printf(ret, "%s (%s: %s)", part->name, part->type->name, part->type->doc);
    for (const struct option *option = part->type->options; option->key != NULL; option++) {
        char name[NAME_BYTES];
        if (option->preset != REQUIRED)
            continue;
        schema_user_name(option, name, sizeof(name));
        (void)buf_printf(ret, ", %s ", name);
        add_value(ret, option, part->config);
    }
    (void)buf_add_text(ret, "\n");
}

static void add_overflow(struct buf *ret, const struct input_options *input)
{
    switch ((enum overflow)input->lane__overflow) {
    case OVERFLOW_AUTO: /* resolved by the checks */
        return;
    case OVERFLOW_BLOCK:
        (void)buf_add_text(ret, "when it is full the input waits");
        if (input->lane__block_for > 0) {
            (void)buf_add_text(ret, " for ");
            add_duration(ret, input->lane__block_for);
            (void)buf_add_text(ret, ", then the newest events are dropped");
        }
        return;
    case OVERFLOW_DROP_OLDEST:
        (void)buf_add_text(ret, "when it is full the oldest events give way");
        return;
    case OVERFLOW_DROP_NEWEST:
        (void)buf_add_text(ret, "when it is full the newest events are dropped");
        return;
    }
}

static void add_shedding(struct buf *ret, const struct input_options *input)
{
    static const char *const modes[] = { [SHED_OPTION_UNIFORM] = "of any",
                                         [SHED_OPTION_SEVERITY] = "the least severe go first",
                                         [SHED_OPTION_KEY] = "whole groups by",
                                         [SHED_OPTION_LARGEST] = "the largest go first",
                                         [SHED_OPTION_NOISIEST] = "the noisiest class goes first" };
    if (input->lane__shed__high >= 1)
        return;
    (void)buf_printf(ret,
                     "       sheds from %g%% full down to %g%%: ", input->lane__shed__high * 100,
                     input->lane__shed__low * 100);
    if (input->lane__shed__keep == KEEP_ADAPTIVE)
        (void)buf_add_text(ret, "keeps as much as leaves");
    else
        (void)buf_printf(ret, "keeps %g%%", input->lane__shed__keep * 100);
    (void)buf_printf(ret, ", %s%s%s\n", modes[input->lane__shed__mode],
                     input->lane__shed__key[0] == '\0' ? "" : " ", input->lane__shed__key);
}

static void add_lane(struct buf *ret, const struct settings_part *input,
                     const struct settings_part *output)
{
    (void)buf_printf(ret, "    -> lane to %s: ", output->name);
    add_size(ret, input->lane_bytes);
    (void)buf_add_text(ret, ", ");
    add_overflow(ret, &input->input);
    (void)buf_add_text(ret, "\n");
    add_shedding(ret, &input->input);
    if (input->input.lane__classes__by[0] != '\0')
        (void)buf_printf(ret, "       split into at most %zu classes by %s, read in turns\n",
                         settings_class_count(&input->input), input->input.lane__classes__by);
}

static bool takes_input(const struct settings_part *output, size_t input)
{
    for (size_t i = 0; i < output->link_count; i++) {
        if (output->links[i] == input)
            return true;
    }
    return false;
}

static void add_input(struct buf *ret, const struct settings *settings, size_t index)
{
    const struct settings_part *input = &settings->inputs[index];
    bool samples = (input->type->traits & INPUT_SAMPLES) != 0;

    (void)buf_add_text(ret, "  ");
    add_part(ret, input);
    if (samples) {
        (void)buf_add_text(ret, "    collects each ");
        add_duration(ret, input->input.interval);
        (void)buf_add_text(ret, "\n");
    }
    for (size_t i = 0; i < input->link_count; i++) {
        (void)buf_add_text(ret, "    -> ");
        add_part(ret, &settings->processors[input->links[i]]);
    }
    for (size_t i = 0; i < settings->output_count; i++) {
        if (takes_input(&settings->outputs[i], index))
            add_lane(ret, input, &settings->outputs[i]);
    }
}

/* ---- the flow: outputs ---- */

static void add_batches(struct buf *ret, const struct settings_part *output)
{
    const struct output_options *options = &output->output;
    static const char *const codings[] = { "", "not compressed", "gzip", "zstd" };

    (void)buf_add_text(ret, "    a batch closes at ");
    add_size(ret, options->batch__max_bytes);
    (void)buf_printf(ret, " or %llu events, or when its oldest event is ",
                     (unsigned long long)options->batch__max_events);
    add_duration(ret, options->batch__max_wait);
    (void)buf_printf(ret, " old; %s\n", codings[options->compression]);
}

static void add_requests(struct buf *ret, const struct output_options *options, uint64_t at_once)
{
    (void)buf_printf(ret,
                     "    at most %llu requests at a time; one that fails is repeated after up to ",
                     (unsigned long long)at_once);
    add_duration(ret, options->retry__base);
    (void)buf_add_text(ret, ", each time twice as long, at most ");
    add_duration(ret, options->retry__cap);
    (void)buf_printf(ret, "\n    after %llu failures in a row the breaker opens and rests ",
                     (unsigned long long)options->breaker__failures);
    add_duration(ret, options->breaker__rest);
    (void)buf_add_text(ret, ", later up to ");
    add_duration(ret, options->breaker__rest_max);
    (void)buf_add_text(ret, ", then one request asks\n");
}

static void add_outage(struct buf *ret, const struct settings *settings, size_t index)
{
    const struct output_options *options = &settings->outputs[index].output;

    (void)buf_add_text(
        ret, "    while the endpoint is away what is sealed already waits in memory (up to ");
    add_size(ret, settings->sealed_bytes[index]);
    (void)buf_add_text(ret, ")");
    if (options->spool__max_bytes > 0) {
        (void)buf_add_text(ret, ", the rest on disk (up to ");
        add_size(ret, options->spool__max_bytes);
        (void)buf_add_text(ret, ")");
    }
    (void)buf_add_text(ret, ", then the lanes fill\n    ");
    if (options->retry__max_age > 0) {
        (void)buf_add_text(ret, "events older than ");
        add_duration(ret, options->retry__max_age);
        (void)buf_add_text(ret, " are given up");
    } else {
        (void)buf_add_text(ret, "no event is given up for its age");
    }
    if (options->dead_letter__path[0] == '\0') {
        (void)buf_add_text(ret, "; what is refused for good is only counted\n");
        return;
    }
    (void)buf_printf(ret, "; what is refused for good is kept in %s, up to ",
                     options->dead_letter__path);
    add_size(ret, options->dead_letter__max_bytes);
    (void)buf_add_text(ret, "\n");
}

static void add_output(struct buf *ret, const struct settings *settings, size_t index)
{
    const struct settings_part *output = &settings->outputs[index];

    (void)buf_add_text(ret, "  ");
    add_part(ret, output);
    (void)buf_add_text(ret, "    takes");
    for (size_t i = 0; i < output->link_count; i++)
        (void)buf_printf(ret, "%s %s", i == 0 ? "" : ",", settings->inputs[output->links[i]].name);
    (void)buf_add_text(ret, "\n");
    add_batches(ret, output);
    if ((output->type->traits & OUTPUT_STREAM) != 0)
        return;
    add_requests(ret, &output->output, settings->connections[index]);
    add_outage(ret, settings, index);
}

/* ---- options ---- */

/* What a default is worked out to. Returns false: it is what the table says. */
static bool add_worked_out(struct buf *ret, const struct option *option,
                           const struct settings_part *part)
{
    if (part == NULL || strcmp(option->key, "lane__capacity") != 0 ||
        part->input.lane__capacity != 0)
        return false;
    add_size(ret, part->lane_bytes);
    return true;
}

static void add_place(struct buf *ret, const struct settings *settings, const char *name)
{
    const struct option_origin *origin = settings_origin(settings, name);

    if (origin == NULL) {
        (void)buf_add_text(ret, "default\n");
        return;
    }
    (void)buf_printf(ret, "%s:%u%s%s%s\n", origin->mark.file, origin->mark.line,
                     origin->taken[0] == '\0' ? "" : " (", origin->taken,
                     origin->taken[0] == '\0' ? "" : ")");
}

/* part: an input; else NULL. */
static void add_options(struct buf *ret, const struct settings *settings, const char *title,
                        const struct option *option, const void *config,
                        const struct settings_part *part)
{
    for (; option->key != NULL; option++) {
        char name[NAME_BYTES], full[2 * NAME_BYTES];
        struct buf value = { 0 };
        schema_user_name(option, name, sizeof(name));
        (void)snprintf(full, sizeof(full), "%s.%s", title, name);
        if (!add_worked_out(&value, option, part))
            add_value(&value, option, config);
        (void)buf_printf(ret, "  %-*s %-*s ", COLUMN_BYTES, name, VALUE_COLUMN_BYTES,
                         buf_slice(&value).data);
        add_place(ret, settings, full);
        ret->failed = ret->failed || value.failed;
        buf_fini(&value);
    }
}

static void add_part_options(struct buf *ret, const struct settings *settings, const char *kind,
                             const struct option *common, const struct settings_part *part)
{
    char title[NAME_BYTES];
    bool is_input = common == input_options_options;

    (void)snprintf(title, sizeof(title), "%s.%s", kind, part->name);
    (void)buf_printf(ret, "%s\n", title);
    add_options(ret, settings, title, common, &part->input, is_input ? part : NULL);
    add_options(ret, settings, title, part->type->options, part->config, NULL);
}

static void add_all_options(struct buf *ret, const struct settings *settings)
{
    (void)buf_add_text(ret, "\nOptions, their values, and where these come from\n\nagent\n");
    add_options(ret, settings, "agent", agent_options_options, &settings->agent, NULL);
    for (size_t i = 0; i < settings->input_count; i++)
        add_part_options(ret, settings, "inputs", input_options_options, &settings->inputs[i]);
    for (size_t i = 0; i < settings->processor_count; i++)
        add_part_options(ret, settings, "processors", processor_options_options,
                         &settings->processors[i]);
    for (size_t i = 0; i < settings->output_count; i++)
        add_part_options(ret, settings, "outputs", output_options_options, &settings->outputs[i]);
}

bool settings_explain(const struct settings *settings, struct buf *ret)
{
    (void)buf_add_text(ret, "The way of the events\n\n");
    for (size_t i = 0; i < settings->input_count; i++)
        add_input(ret, settings, i);
    (void)buf_add_text(ret, "\n");
    for (size_t i = 0; i < settings->output_count; i++)
        add_output(ret, settings, i);
    add_all_options(ret, settings);
    return !ret->failed;
}
