/* SPDX-License-Identifier: Apache-2.0 */
/* pattern_parts: one glob as its parts between the slashes, and how far along it a path is. Pure.
 * A part "**" takes any number of folders, also none; at the end, all that is below. So a path may
 * be at several parts at once: a set of bits, of which bit i says "part i is wanted next".
 * Braces are not known here: patterns_expand() comes before. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PATTERN_PARTS_MAX = 62 };

struct pattern_parts {
    char text[PATH_MAX]; /* the parts, each ended by a NUL */
    const char *parts[PATTERN_PARTS_MAX + 1];
    unsigned count;
    uint64_t deep;     /* those that are "**" */
    uint64_t wild;     /* those that are no plain names: "**" too */
    bool is_absolute;  /* begins with a '/' */
    bool takes_hidden; /* wildcards take leading dots as well; glob(3)'s do not */
};

/* false: it has too many parts, or is too long. */
bool pattern_parts_make(const char *pattern, bool takes_hidden, struct pattern_parts *ret);

uint64_t pattern_parts_begin(const struct pattern_parts *pattern);
/* Where it is behind a name, coming from `at`; 0: nowhere. "**" goes past no link, so that none
 * leads round in a circle. */
uint64_t pattern_parts_step(const struct pattern_parts *pattern, uint64_t at, const char *name,
                            bool is_link);

static inline bool pattern_parts_is_end(const struct pattern_parts *pattern, uint64_t at)
{
    return (at >> pattern->count & 1) != 0;
}

/* Without the end: what may still come below. */
static inline uint64_t pattern_parts_below(const struct pattern_parts *pattern, uint64_t at)
{
    return at & ~(UINT64_C(1) << pattern->count);
}
