/* SPDX-License-Identifier: Apache-2.0 */
/* settings_diff: the tables of options say what there is to compare; which aspect an option belongs
 * to is told from its name. */
#include "config/settings_diff.h"
#include "config/schema_names.h"

#include <stdio.h>
#include <string.h>

enum { USER_NAME_BYTES = 128 };

/* ---- one option ---- */

static bool are_lists_same(const struct text_list *a, const struct text_list *b)
{
    for (size_t i = 0; a->count == b->count && i < a->count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return a->count == b->count;
}

static bool are_maps_same(const struct text_map *a, const struct text_map *b)
{
    for (size_t i = 0; a->count == b->count && i < a->count; i++) {
        if (strcmp(a->items[i].key, b->items[i].key) != 0 ||
            strcmp(a->items[i].value, b->items[i].value) != 0)
            return false;
    }
    return a->count == b->count;
}

static bool is_same(enum option_type type, const void *a, const void *b)
{
    switch (type) {
    case OPT_text:
    case OPT_secret:
        return strcmp(*(const char *const *)a, *(const char *const *)b) == 0;
    case OPT_flag:
        return *(const bool *)a == *(const bool *)b;
    case OPT_count:
    case OPT_rate:
    case OPT_size:
        return *(const uint64_t *)a == *(const uint64_t *)b;
    case OPT_duration:
        return *(const int64_t *)a == *(const int64_t *)b;
    case OPT_share:
    case OPT_keep: /* parsed from the same text it is the same number */
        return memcmp(a, b, sizeof(double)) == 0;
    case OPT_list:
        return are_lists_same(a, b);
    case OPT_map:
    case OPT_secrets:
        return are_maps_same(a, b);
    case OPT_choice:
        return *(const unsigned *)a == *(const unsigned *)b;
    }
    return false;
}

static void name_text(char options[DIFF_TEXT_BYTES], const char *name)
{
    size_t used = strlen(options);

    (void)snprintf(options + used, DIFF_TEXT_BYTES - used, "%s%s", used == 0 ? "" : ", ", name);
}

static void name_option(char options[DIFF_TEXT_BYTES], const struct option *option)
{
    char name[USER_NAME_BYTES];

    schema_user_name(option, name, sizeof(name));
    name_text(options, name);
}

/* ---- a table of options ---- */

typedef unsigned aspect_fn(const char *key); /* 0: told in another way */

static void compare_table(const struct option *option, const void *a, const void *b,
                          aspect_fn *aspect_of, struct part_diff *ret)
{
    for (; option->key != NULL; option++) {
        unsigned aspect = aspect_of(option->key);
        if (aspect == 0 || is_same(option->type, (const char *)a + option->offset,
                                   (const char *)b + option->offset))
            continue;
        ret->aspects |= aspect;
        name_option(ret->options, option);
    }
}

static bool begins(const char *key, const char *with)
{
    return strncmp(key, with, strlen(with)) == 0;
}

static unsigned plugin_aspect(const char *key)
{
    (void)key;
    return DIFF_PLUGIN;
}

static unsigned input_aspect(const char *key)
{
    if (strcmp(key, "type") == 0)
        return DIFF_TYPE;
    if (strcmp(key, "processors") == 0 || strcmp(key, "lane__capacity") == 0)
        return 0; /* by what they contain, and by what it comes to */
    if (strcmp(key, "lane__block_for") == 0)
        return DIFF_BLOCK_FOR;
    return begins(key, "lane__") ? DIFF_LANE : DIFF_PLUGIN;
}

static unsigned output_aspect(const char *key)
{
    if (strcmp(key, "type") == 0)
        return DIFF_TYPE;
    if (strcmp(key, "inputs") == 0 || strcmp(key, "memory_weight") == 0 ||
        strcmp(key, "spool__max_bytes") == 0)
        return 0;
    if (strcmp(key, "spool__path") == 0)
        return DIFF_SPOOL_PLACE;
    return begins(key, "spool__") ? DIFF_SPOOL : DIFF_COMMON;
}

static unsigned processor_aspect(const char *key)
{
    return strcmp(key, "type") == 0 ? DIFF_TYPE : DIFF_PLUGIN;
}

static unsigned agent_aspect(const char *key)
{
    (void)key;
    return DIFF_COMMON;
}

static void compare_plugin(const struct settings_part *a, const struct settings_part *b,
                           struct part_diff *ret)
{
    if (a->type == b->type)
        compare_table(a->type->options, a->config, b->config, plugin_aspect, ret);
}

/* ---- parts ---- */

int settings_find(const struct settings_part *parts, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(parts[i].name, name) == 0)
            return (int)i;
    }
    return SETTINGS_NONE;
}

bool settings_takes(const struct settings_part *output, size_t input)
{
    for (size_t i = 0; i < output->link_count; i++) {
        if (output->links[i] == input)
            return true;
    }
    return false;
}

struct part_diff settings_compare_processor(const struct settings *before, size_t old,
                                            const struct settings *after, size_t new)
{
    const struct settings_part *a = &before->processors[old], *b = &after->processors[new];
    struct part_diff diff = { .aspects = 0 };

    compare_table(processor_options_options, &a->processor, &b->processor, processor_aspect, &diff);
    compare_plugin(a, b, &diff);
    return diff;
}

static bool are_processors_same(const struct settings *before, const struct settings_part *a,
                                const struct settings *after, const struct settings_part *b)
{
    for (size_t i = 0; a->link_count == b->link_count && i < a->link_count; i++) {
        if (strcmp(before->processors[a->links[i]].name, after->processors[b->links[i]].name) !=
                0 ||
            settings_compare_processor(before, a->links[i], after, b->links[i]).aspects != 0)
            return false;
    }
    return a->link_count == b->link_count;
}

struct part_diff settings_compare_input(const struct settings *before, size_t old,
                                        const struct settings *after, size_t new)
{
    const struct settings_part *a = &before->inputs[old], *b = &after->inputs[new];
    struct part_diff diff = { .aspects = 0 };

    compare_table(input_options_options, &a->input, &b->input, input_aspect, &diff);
    compare_plugin(a, b, &diff);
    if (!are_processors_same(before, a, after, b)) {
        diff.aspects |= DIFF_PROCESSORS;
        name_text(diff.options, "processors");
    }
    if (a->lane_bytes != b->lane_bytes) {
        diff.aspects |= DIFF_MEMORY;
        name_text(diff.options, "memory of its lanes");
    }
    return diff;
}

static bool are_links_same(const struct settings *before, const struct settings_part *a,
                           const struct settings *after, const struct settings_part *b)
{
    for (size_t i = 0; a->link_count == b->link_count && i < a->link_count; i++) {
        int input =
            settings_find(after->inputs, after->input_count, before->inputs[a->links[i]].name);
        if (input == SETTINGS_NONE || !settings_takes(b, (size_t)input))
            return false;
    }
    return a->link_count == b->link_count;
}

struct part_diff settings_compare_output(const struct settings *before, size_t old,
                                         const struct settings *after, size_t new)
{
    const struct settings_part *a = &before->outputs[old], *b = &after->outputs[new];
    uint64_t a_spool = a->output.spool__max_bytes, b_spool = b->output.spool__max_bytes;
    struct part_diff diff = { .aspects = 0 };

    compare_table(output_options_options, &a->output, &b->output, output_aspect, &diff);
    compare_plugin(a, b, &diff);
    if (a_spool != b_spool) {
        diff.aspects |= (a_spool == 0) != (b_spool == 0) ? DIFF_SPOOL_PLACE : DIFF_SPOOL;
        name_text(diff.options, "spool.max_bytes");
    }
    if (!are_links_same(before, a, after, b)) {
        diff.aspects |= DIFF_LINKS;
        name_text(diff.options, "inputs");
    }
    if (before->connections[old] != after->connections[new]) {
        diff.aspects |= DIFF_COMMON;
        name_text(diff.options, "connections that fit");
    }
    if (before->sealed_bytes[old] != after->sealed_bytes[new]) {
        diff.aspects |= DIFF_MEMORY;
        name_text(diff.options, "memory for sealed batches");
    }
    return diff;
}

/* ---- all ---- */

typedef struct part_diff compare_fn(const struct settings *before, size_t old,
                                    const struct settings *after, size_t new);

struct parts {
    const struct settings_part *items;
    size_t count;
};

static struct parts parts_of(const struct settings *settings, enum part_kind kind)
{
    const struct parts all[PART_KINDS] = {
        [PART_INPUT] = { settings->inputs, settings->input_count },
        [PART_PROCESSOR] = { settings->processors, settings->processor_count },
        [PART_OUTPUT] = { settings->outputs, settings->output_count },
    };
    return all[kind];
}

static void visit_kind(const struct settings *before, const struct settings *after,
                       enum part_kind kind, part_visit_fn *visit, void *context)
{
    static compare_fn *const compares[PART_KINDS] = { [PART_INPUT] = settings_compare_input,
                                                      [PART_PROCESSOR] = settings_compare_processor,
                                                      [PART_OUTPUT] = settings_compare_output };
    struct parts old = parts_of(before, kind), new = parts_of(after, kind);

    for (size_t i = 0; i < new.count; i++) {
        struct part_news news = { .kind = kind, .fate = PART_ADDED, .name = new.items[i].name };
        int found = settings_find(old.items, old.count, news.name);
        if (found != SETTINGS_NONE) {
            news.diff = compares[kind](before, (size_t)found, after, i);
            news.fate = news.diff.aspects == 0 ? PART_KEPT : PART_CHANGED;
        }
        visit(context, &news);
    }
    for (size_t i = 0; i < old.count; i++) {
        struct part_news news = { .kind = kind, .fate = PART_REMOVED, .name = old.items[i].name };
        if (settings_find(new.items, new.count, news.name) == SETTINGS_NONE)
            visit(context, &news);
    }
}

void settings_visit_news(const struct settings *before, const struct settings *after,
                         part_visit_fn *visit, void *context)
{
    for (int kind = 0; kind < PART_KINDS; kind++)
        visit_kind(before, after, (enum part_kind)kind, visit, context);
}

const char *part_kind_name(enum part_kind kind)
{
    static const char *const names[PART_KINDS] = {
        [PART_INPUT] = "input", [PART_PROCESSOR] = "processor", [PART_OUTPUT] = "output"
    };
    return names[kind];
}

const char *part_fate_name(enum part_fate fate)
{
    static const char *const names[] = { [PART_KEPT] = "kept",
                                         [PART_CHANGED] = "changed",
                                         [PART_ADDED] = "added",
                                         [PART_REMOVED] = "removed" };
    return names[fate];
}

/* ---- the agent's own ---- */

void settings_compare_agent(const struct settings *before, const struct settings *after,
                            char ret_options[DIFF_TEXT_BYTES])
{
    struct part_diff diff = { .aspects = 0 };

    compare_table(agent_options_options, &before->agent, &after->agent, agent_aspect, &diff);
    memcpy(ret_options, diff.options, DIFF_TEXT_BYTES);
}

/* ---- what needs a restart ---- */

/* What makes the process the one that it is, for who looks for it: the books, the locks and the
 * unix socket are where they were opened, and so is the log. */
bool settings_may_follow(const struct settings *before, const struct settings *after,
                         struct buf *ret_problems)
{
    static const char *const fixed[] = { "state_dir", "runtime_dir", "log_to", "sandbox" };
    enum { FIXED = sizeof(fixed) / sizeof(fixed[0]) };
    bool ok = true;

    for (const struct option *option = agent_options_options; option->key != NULL; option++) {
        const char *a = (const char *)&before->agent + option->offset;
        const char *b = (const char *)&after->agent + option->offset;
        char name[USER_NAME_BYTES];
        for (size_t i = 0; i < FIXED; i++) {
            if (strcmp(option->key, fixed[i]) != 0 || is_same(option->type, a, b))
                continue;
            schema_user_name(option, name, sizeof(name));
            (void)buf_printf(ret_problems,
                             "agent.%s: cannot be changed while the agent runs: restart it\n",
                             name);
            ok = false;
        }
    }
    return ok;
}
