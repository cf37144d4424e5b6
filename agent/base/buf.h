/* SPDX-License-Identifier: Apache-2.0 */
/* buf: growable bytes for work off the hot path, with a bound set by the owner.
 * A buf that ran over its bound or out of memory stays `failed` and ignores further appends, so
 * that a writer checks once, at the end. Zeroed memory is an empty, unbounded buf. */
#pragma once

#include "base/slice.h"

#include <stdarg.h>
#include <stdint.h>

struct buf {
    char *data; /* terminated by NUL after every append */
    size_t bytes;
    size_t room;
    size_t limit; /* 0: none */
    bool failed;
    bool no_memory; /* failed for that, and not at its bound */
};

void buf_fini(struct buf *buf);
void buf_clear(struct buf *buf); /* keeps the memory, forgets a failure */
bool buf_add(struct buf *buf, const void *data, size_t bytes);
bool buf_add_text(struct buf *buf, const char *text);
bool buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static inline struct slice buf_slice(const struct buf *buf)
{
    return (struct slice){ buf->data == NULL ? "" : buf->data, buf->bytes };
}
