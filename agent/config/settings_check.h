/* SPDX-License-Identifier: Apache-2.0 */
/* settings_check: what is private to the loading of settings: where each part stands in the file,
 * and the checks that need more than one option or one part to be seen. */
#pragma once

#include "config/reader.h"
#include "config/settings.h"

struct part_source {
    const struct node *node;
    bool is_ok; /* no problem in its own options */
};

struct loader {
    const struct catalog *catalog;
    struct diagnostics diagnostics;
    struct settings_memory *tree; /* of the nodes; freed after loading */
    struct settings *settings;
    struct reader reader;
    const struct node *root;
    struct part_source *inputs, *processors, *outputs; /* as in settings */
};

/* One of the three maps of named parts. */
struct part_kind {
    const char *title, *one;
    const struct plugin_type *const *types;
    const struct option *common;
    struct settings_part **parts;
    size_t *count;
    struct part_source **sources;
};

/* Fills the parts of that kind: settings_parts.c. false: out of memory, or told: then the checks
 * across parts have nothing to stand on. */
bool settings_read_parts(struct loader *loader, const struct part_kind *kind);

/* References between parts, and options that contradict each other. Fills links and resolves what
 * is `auto`. */
void settings_check(struct loader *loader);

/* The spools of outputs: settings_spool.c. */
void settings_check_spools(struct loader *loader);

/* The file of dead letters of an output: see settings_files.c. */
void settings_check_dead_letter(struct loader *loader, size_t index);

/* The shedding of one input's lanes; part of settings_check(). */
void settings_check_shed(struct loader *loader, size_t input);

/* Its classes; fills class_weights. */
void settings_check_classes(struct loader *loader, size_t input);

/* Divides memory_limit; only for settings without a problem. Fills lane_bytes and sealed_bytes. */
void settings_split(struct loader *loader);

struct place settings_part_place(const struct settings_part *part);
/* Where an option of the part is written; else where the part is. */
struct place settings_place(const struct settings_part *part, const struct part_source *source,
                            const char *user_name);
