/* SPDX-License-Identifier: Apache-2.0 */
/* pull: reads JSON (RFC 8259) value by value, without building a tree.
 * Why not a library: cJSON allocates for each value; nothing in the distributions we build for
 * reads JSON without. Promise: allocates nothing, never recurses, reads nothing behind the end.
 * Texts are views into the JSON; one with escapes is written without them into the room that the
 * caller gives, which as many bytes as the JSON has always suffice for. Control characters inside a
 * text are let through: senders forget to escape them. Threads: any. */
#pragma once

#include "plugin.h"

enum { PULL_DEPTH = 64 }; /* of arrays and objects in each other */

struct pull {
    const char *at, *end;
    char *room; /* for the next text with escapes */
};

enum pulled { PULL_TEXT, PULL_INTEGER, PULL_REAL, PULL_BOOLEAN, PULL_NULL, PULL_NESTED, PULL_BAD };

struct pull_value {
    enum pulled kind;
    struct value value; /* not for PULL_NULL; of PULL_NESTED its JSON, as a text */
    struct slice json;  /* as it stands there */
};

void pull_space(struct pull *pull);
/* The value that stands there, whole. Integers beyond 64 bits are reals. */
struct pull_value pull_value(struct pull *pull);

enum pull_step { PULL_NEXT, PULL_END, PULL_BROKEN };
/* Inside an object, behind its '{' or a value: the key of the next member; the value follows. */
enum pull_step pull_member(struct pull *pull, bool is_first, struct slice *ret_key);
/* Inside an array, behind its '[' or a value: PULL_NEXT: a value follows. */
enum pull_step pull_element(struct pull *pull, bool is_first);
