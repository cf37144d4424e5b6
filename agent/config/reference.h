/* SPDX-License-Identifier: Apache-2.0 */
/* reference: the manual of all options, from the same rows that parse them, for people and for
 * editors. Pure. */
#pragma once

#include "base/buf.h"
#include "config/plugin_type.h"

enum reference_format {
    REFERENCE_TEXT,
    REFERENCE_MARKDOWN,
    REFERENCE_MAN,        /* spillway.yaml(5), troff with the man macros */
    REFERENCE_JSON_SCHEMA /* draft 2020-12; each scalar may also be a ${…} that is replaced later */
};

/* Out of memory shows in ret->failed. */
void reference_write(enum reference_format format, const struct catalog *catalog, struct buf *ret);

/* For the writers: "1s to 5m", "at most 1h", "a|b"; "": any. */
void reference_range(const struct option *option, struct buf *ret);
/* The parts of a configuration that have names of the user's own. */
struct reference_kind {
    const char *title, *one; /* "inputs", "input" */
    const struct option *common;
    const struct plugin_type *const *types;
};
enum { REFERENCE_KINDS = 3 };
void reference_kinds(const struct catalog *catalog, struct reference_kind ret[REFERENCE_KINDS]);
void reference_pages(bool is_man, const struct catalog *catalog, struct buf *ret);
void reference_json_schema(const struct catalog *catalog, struct buf *ret);
