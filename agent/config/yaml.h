/* SPDX-License-Identifier: Apache-2.0 */
/* yaml: one YAML document as a tree of nodes that know their place.
 * Promise: bounded in depth, nodes and keys, whatever the text is; duplicate keys, aliases, tags,
 * tabs as indentation and a second document are problems, not surprises.
 * Why no aliases: nine lines of them can stand for a billion nodes, and an option whose value is
 * written elsewhere cannot be pointed at. */
#pragma once

#include "config/diagnostics.h"
#include "config/settings_memory.h"

enum {
    YAML_DEPTH_MAX = 16,
    YAML_NODES_MAX = 100000,
    YAML_KEYS_MAX = 2000,
    YAML_TEXT_MAX = 64 * 1024
};

enum node_kind { NODE_TEXT, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    bool is_null;   /* text: nothing at all, ~ or null, without quotes */
    bool is_quoted; /* text: so its content begins one column further */
    struct place place;
    const char *key; /* in a map; else NULL */
    struct place key_place;
    unsigned key_hash;
    const char *text;   /* text; else NULL */
    struct node *child; /* list, map: the first one */
    struct node *next;  /* sibling */
    size_t children;
};

/* Of the file with that number in diagnostics. NULL: could not be parsed. Problems, also those of a
 * tree that is returned, are in diagnostics. */
struct node *yaml_read(struct diagnostics *diagnostics, unsigned file,
                       struct settings_memory *memory);

const struct node *node_find(const struct node *map, const char *key); /* NULL: no such key */
const char *node_kind_text(const struct node *node);                   /* "a map", … */
