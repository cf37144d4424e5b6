/* SPDX-License-Identifier: Apache-2.0 */
/* json_walk: a walk over the members of a JSON object, without building anything. Strings are found
 * by words of 8 bytes; what is nested is passed over by counting brackets, however deep it is.
 * Pure. */
#pragma once

#include "plugin.h"

struct json_walk {
    const char *at, *end;
};
struct json_member {
    struct slice key;
    struct slice value; /* of a string without its quotes */
    bool is_string;
    bool is_escaped;      /* has a backslash in it */
    bool ends_in_newline; /* its last character is an escaped newline, "\n" */
};

bool json_walk_begin(struct json_walk *walk, struct slice object); /* false: no '{' */
enum json_step { JSON_MEMBER, JSON_END, JSON_BROKEN };
enum json_step json_walk_next(struct json_walk *walk, struct json_member *ret);
bool json_walk_is_over(const struct json_walk *walk); /* nothing but blanks behind the end */
