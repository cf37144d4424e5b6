/* SPDX-License-Identifier: Apache-2.0 */
/* patterns: glob patterns as users write them, against paths, without a look at the disk. Pure.
 * As glob(3) with GLOB_BRACE, and "**" as a whole part for any number of folders, also none. A
 * wildcard takes no leading dot, "**" neither. What is on the disk finds find.h; this says why a
 * path is none of a pattern's. */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* May it be used? If not, what to write instead. */
bool patterns_check(const char *pattern, struct err *err);

/* The pattern once for each alternative in braces. false: there are too many; the first were told.
 */
typedef void patterns_each_fn(void *context, const char *plain);
bool patterns_expand(const char *pattern, patterns_each_fn *each, void *context);

/* All alternatives of some patterns, for who compares many paths with them. */
struct patterns_plain {
    char **items;
    size_t count;
};
bool patterns_plain_make(const char *const *patterns, size_t count,
                         struct patterns_plain *ret); /* false: no memory, and nothing made */
void patterns_plain_free(struct patterns_plain *plain);

/* The first pattern that leaves a path out, by any of its alternatives; NULL: none does. One
 * without a '/' is compared with the last part of the path alone. Wildcards take leading dots here.
 */
const char *patterns_excluding(const char *const *patterns, size_t count, const char *path);
/* Does one leave out all that is below a folder? Only those that end with a "**" are asked. */
bool patterns_exclude_below(const char *const *patterns, size_t count, const char *folder);

/* Could a name in some folder be the last part of a path of the pattern's? */
bool patterns_may_end_with(const char *pattern, const char *name);

enum { PATTERN_PART_BYTES = 256 };

/* How far a glob goes along with a path, part by part between the slashes. */
struct pattern_fit {
    bool fits;
    size_t parts;                     /* that fit, from the beginning */
    char wanted[PATTERN_PART_BYTES];  /* the pattern's part that does not; "": it ends there */
    char present[PATTERN_PART_BYTES]; /* the path's part in that place; "": it ends there */
};
/* Of several alternatives in braces the one that goes furthest. */
struct pattern_fit patterns_fit(const char *pattern, const char *path);
