/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pattern_parts.h"

#include <fnmatch.h>
#include <string.h>

static bool add_part(struct pattern_parts *pattern, const char *part)
{
    bool is_deep = strcmp(part, "**") == 0;
    uint64_t bit = UINT64_C(1) << pattern->count;

    if (is_deep && pattern->count > 0 && (pattern->deep & bit >> 1) != 0)
        return true; /* as one */
    if (pattern->count >= PATTERN_PARTS_MAX)
        return false;
    pattern->deep |= is_deep ? bit : 0;
    pattern->wild |= strpbrk(part, "*?[\\") != NULL ? bit : 0;
    pattern->parts[pattern->count++] = part;
    return true;
}

bool pattern_parts_make(const char *pattern, bool takes_hidden, struct pattern_parts *ret)
{
    char *place = NULL;

    if (strlen(pattern) >= sizeof(ret->text))
        return false;
    ret->count = 0;
    ret->deep = ret->wild = 0;
    ret->is_absolute = pattern[0] == '/';
    ret->takes_hidden = takes_hidden;
    strcpy(ret->text, pattern);
    for (char *part = strtok_r(ret->text, "/", &place); part != NULL;
         part = strtok_r(NULL, "/", &place)) {
        if (!add_part(ret, part))
            return false;
    }
    bool ends_deep = ret->count > 0 && (ret->deep >> (ret->count - 1) & 1) != 0;
    return !ends_deep || add_part(ret, "*");
}

/* A "**" may also be none at all. */
static uint64_t with_skipped(const struct pattern_parts *pattern, uint64_t at)
{
    return at | (at & pattern->deep) << 1; /* two of them never follow each other */
}

uint64_t pattern_parts_begin(const struct pattern_parts *pattern)
{
    return with_skipped(pattern, 1);
}

uint64_t pattern_parts_step(const struct pattern_parts *pattern, uint64_t at, const char *name,
                            bool is_link)
{
    int flags = pattern->takes_hidden ? 0 : FNM_PERIOD;
    bool goes_deep = !is_link && (pattern->takes_hidden || name[0] != '.');
    uint64_t next = goes_deep ? at & pattern->deep : 0;

    for (unsigned i = 0; i < pattern->count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if ((at & bit & ~pattern->deep) == 0)
            continue;
        if ((pattern->wild & bit) != 0 ? fnmatch(pattern->parts[i], name, flags) == 0
                                       : strcmp(pattern->parts[i], name) == 0)
            next |= bit << 1;
    }
    return with_skipped(pattern, next);
}
