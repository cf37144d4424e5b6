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

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })
