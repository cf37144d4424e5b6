/* SPDX-License-Identifier: Apache-2.0 */
/* settings: a whole configuration, parsed, defaulted and checked. `spillway check` and
 * `spillway run` load it by the same call. Immutable once loaded; owns all its memory. */
#pragma once

#include "base/buf.h"
#include "config/plugin_type.h"
#include "config/settings_options.h"

#include <limits.h>

struct mark { /* a place in a configuration file */
    const char *file;
    unsigned line, column; /* from 1 */
    unsigned file_number;  /* private to the loading */
};

struct settings_part {              /* an input, processor or output */
    const char *name;               /* the user's own */
    const struct plugin_type *type; /* first member of the struct input, processor or output */
    void *config;                   /* type->config_bytes, filled */
    struct mark mark;               /* of its name */
    union {
        struct input_options input;
        struct output_options output;
        struct processor_options processor;
    };
    /* Filled by the checks across parts: */
    size_t *links; /* input: its processors; output: its inputs, as indexes */
    size_t link_count;
    uint64_t *class_weights; /* input: as numbers, in the order of lane.classes.weights */
    uint64_t lane_bytes;     /* input: the capacity of each of its lanes, worked out */
};

struct option_origin { /* of an option that the file gives; all others have their defaults */
    const char *name;  /* "outputs.main.auth.bearer_token" */
    struct mark mark;  /* of the value */
    const char *taken; /* "environment variable TOKEN", "file /etc/token"; "": as it is written */
    const struct option_origin *next;
};

struct settings {
    struct agent_options agent;
    struct settings_part *inputs, *processors, *outputs;
    size_t input_count, processor_count, output_count;
    uint64_t *connections;  /* for each output: most at a time that fit in memory, worked out */
    uint64_t *sealed_bytes; /* for each output: its share for sealed batches, worked out */
    const struct option_origin *origins;
    char
        hash[17]; /* of the text, and of what went into its ${…}, hex: tells configurations apart */
    struct settings_memory *memory; /* private: everything above lives here */
};

/* The file at `path` with those of conf.d beside it: see texts.h and merge.h.
 * How a problem is shown: file:line:column: text, the line, a caret, a suggestion; each ends with
 * a newline. All problems are appended to ret_problems. */
bool settings_load(const char *path, const struct catalog *catalog, struct settings *ret,
                   struct buf *ret_problems);
bool settings_parse(const char *name, struct slice text, const struct catalog *catalog,
                    struct settings *ret, struct buf *ret_problems); /* from memory */
/* Of a file that may be wrong: the options of the agent as far as they can be read, else their
 * defaults; nothing else, and no problems. false: not even these. */
bool settings_load_agent(const char *path, const struct catalog *catalog, struct settings *ret);
void settings_free(struct settings *settings);

/* NULL: the file does not give it. */
const struct option_origin *settings_origin(const struct settings *settings, const char *name);

/* Where the spool of an output is to be; "": nowhere. false: the path is too long. */
bool settings_spool_folder(const struct settings *settings, const struct settings_part *output,
                           char ret[PATH_MAX]);
/* Do both name the same, as far as the text tells: "/a//b/." is "/a/b"? */
bool settings_same_path(const char *a, const char *b);

/* Most classes that a lane of this input may have, with that of the others; 1: it is not split. */
size_t settings_class_count(const struct input_options *input);
/* In how many pieces a lane of this input has its memory at least. */
size_t settings_lane_pieces(const struct input_options *input);
