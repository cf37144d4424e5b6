/* SPDX-License-Identifier: Apache-2.0 */
/* patterns: glob patterns against paths, without a look at the disk. Pure.
 * For what is on the disk there is glob(3); this says why a path is none of a pattern's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The first pattern that leaves a path out; NULL: none does. A pattern without a '/' is compared
 * with the last part of the path alone. */
const char *patterns_excluding(const char *const *patterns, size_t count, const char *path);

enum { PATTERN_PART_BYTES = 256 };

/* How far a glob goes along with a path, part by part between the slashes. */
struct pattern_fit {
    bool fits;
    size_t parts;                     /* that fit, from the beginning */
    char wanted[PATTERN_PART_BYTES];  /* the pattern's part that does not; "": it ends there */
    char present[PATTERN_PART_BYTES]; /* the path's part in that place; "": it ends there */
};
/* As glob(3) with GLOB_BRACE: of several alternatives in braces the one that goes furthest; only so
 * many are tried. A '*' does not take a leading dot. */
struct pattern_fit patterns_fit(const char *pattern, const char *path);
