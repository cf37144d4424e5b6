/* SPDX-License-Identifier: Apache-2.0 */
/* slice: borrowed bytes, not terminated. Valid as long as their owner says. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data;
    size_t bytes;
};

static inline struct slice slice_of(const char *text)
{
    return (struct slice){ text, text == NULL ? 0 : strlen(text) };
}

static inline bool slice_equals(struct slice a, struct slice b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

/* Where to cut text that is longer than `limit`: the largest length up to it that splits no UTF-8
 * character. Where it is none, or one character is longer than the limit, any place is as good. */
static inline size_t slice_cut(struct slice text, size_t limit)
{
    size_t cut = limit;

    if (text.bytes <= limit)
        return text.bytes;
    while (cut > 0 && limit - cut < 3 && ((unsigned char)text.data[cut] & 0xc0) == 0x80)
        cut--;
    return cut == 0 || (unsigned char)text.data[cut] < 0xc0 ? limit : cut;
}

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })
