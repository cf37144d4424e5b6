/* SPDX-License-Identifier: Apache-2.0 */
/* reader: fills the structs of option tables from a map of the file.
 * Promise: every key of the map is an option of one of the tables or a problem; every option has
 * its value, its default, or a problem. Texts are copied into the settings' memory.
 * Threads: none of its own. */
#pragma once

#include "config/schema_names.h"
#include "config/yaml.h"

struct option_origin;
struct mark;

struct reader {
    struct diagnostics *diagnostics;
    struct settings_memory *memory;
    const struct option_origin **origins; /* each option that is given is put in front */
    uint64_t *hash;                       /* what takes the place of a ${…} is added to it */
};

struct option_table {
    const struct option *options;
    void *config; /* zeroed */
};

enum { TABLES_MAX = 2, USER_NAME_BYTES = 128 };
struct section {
    const char *title;                      /* "inputs.nginx": how messages begin */
    struct place place;                     /* where a missing option is reported */
    const struct node *node;                /* NULL: all defaults */
    struct option_table tables[TABLES_MAX]; /* one map for all of them */
    size_t table_count;
    bool is_open; /* there may be keys of a table that is not known: only near misses are told */
};

/* false: at least one problem was added; the rest is filled all the same. */
bool reader_fill(const struct reader *reader, const struct section *section);

/* The value of a single text after substitution; NULL: a problem was added. `name` begins the
 * message. */
const char *reader_text(const struct reader *reader, const char *name, const struct node *node,
                        bool *ret_is_substituted);

struct mark reader_mark(const struct reader *reader, struct place place);

/* The node at "lane.shed.high"; NULL: not given. */
const struct node *reader_find(const struct node *map, const char *user_name);
