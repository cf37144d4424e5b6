/* SPDX-License-Identifier: Apache-2.0 */
/* settings_diff: what differs between two configurations, part by part, by the values after
 * substitution: a ${file:…} whose content changed is a change. What the core works out (the memory
 * of lanes and of sealed batches) counts too: an output more may change every lane.
 * Pure; both configurations are borrowed. */
#pragma once

#include "config/settings.h"

enum part_kind { PART_INPUT, PART_PROCESSOR, PART_OUTPUT, PART_KINDS };
enum part_fate { PART_KEPT, PART_CHANGED, PART_ADDED, PART_REMOVED };

/* What of a part differs; bits. */
enum part_aspect {
    DIFF_TYPE = 1,
    DIFF_PLUGIN = 2, /* the plugin's own options; of an input also what it is told by the core */
    DIFF_PROCESSORS = 4, /* input: which, their order, or their options */
    DIFF_LANE = 8,       /* input: lane.*, but for its capacity and block_for */
    DIFF_BLOCK_FOR = 16, /* input: lane.block_for */
    DIFF_MEMORY = 32,    /* worked out: the capacity of each lane; the share for sealed batches */
    DIFF_COMMON = 64,    /* output: options of the core */
    DIFF_SPOOL = 128,    /* output: how its spool is used */
    DIFF_SPOOL_PLACE = 256, /* output: whether it has one, and where */
    DIFF_LINKS = 512        /* output: which inputs it takes */
};

enum { DIFF_TEXT_BYTES = 240 };
struct part_diff {
    unsigned aspects;
    char options[DIFF_TEXT_BYTES]; /* names of those that differ: "url, batch.max_bytes"; cut */
};

/* Of two parts of one kind, by index. */
struct part_diff settings_compare_input(const struct settings *before, size_t old,
                                        const struct settings *after, size_t new);
struct part_diff settings_compare_output(const struct settings *before, size_t old,
                                         const struct settings *after, size_t new);
struct part_diff settings_compare_processor(const struct settings *before, size_t old,
                                            const struct settings *after, size_t new);

/* The part of that name; SETTINGS_NONE: there is none. */
enum { SETTINGS_NONE = -1 };
int settings_find(const struct settings_part *parts, size_t count, const char *name);
bool settings_takes(const struct settings_part *output, size_t input); /* is it linked? */

/* Visits every part of both, those of `after` first, in their order. */
struct part_news {
    enum part_kind kind;
    enum part_fate fate;
    const char *name;
    struct part_diff diff; /* PART_CHANGED */
};
typedef void part_visit_fn(void *context, const struct part_news *news);
void settings_visit_news(const struct settings *before, const struct settings *after,
                         part_visit_fn *visit, void *context);
const char *part_kind_name(enum part_kind kind); /* "input" */
const char *part_fate_name(enum part_fate fate); /* "added" */

/* Options of the agent that differ: "log_level". */
void settings_compare_agent(const struct settings *before, const struct settings *after,
                            char ret_options[DIFF_TEXT_BYTES]);
/* What a running agent cannot change: one line each, with its place. false: there is such. */
bool settings_may_follow(const struct settings *before, const struct settings *after,
                         struct buf *ret_problems);
