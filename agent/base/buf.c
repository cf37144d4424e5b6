/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void buf_fini(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){ .limit = buf->limit };
}

void buf_clear(struct buf *buf)
{
    buf->bytes = 0;
    buf->failed = buf->no_memory = false;
}

static bool make_room(struct buf *buf, size_t more)
{
    if (buf->failed || (buf->limit != 0 && more > buf->limit - buf->bytes)) {
        buf->failed = true;
        return false;
    }
    if (buf->room - buf->bytes > more)
        return true;
    size_t room = buf->room < 64 ? 64 : buf->room;
    while (room - buf->bytes <= more)
        room *= 2;
    char *data = realloc(buf->data, room);
    if (data == NULL) {
        buf->failed = buf->no_memory = true;
        return false;
    }
    buf->data = data;
    buf->room = room;
    return true;
}

bool buf_add(struct buf *buf, const void *data, size_t bytes)
{
    if (!make_room(buf, bytes))
        return false;
    if (bytes > 0)
        memcpy(buf->data + buf->bytes, data, bytes);
    buf->bytes += bytes;
    buf->data[buf->bytes] = '\0';
    return true;
}

bool buf_add_text(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

bool buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    bool ok = length >= 0 && make_room(buf, (size_t)length);
    if (ok) {
        (void)vsnprintf(buf->data + buf->bytes, (size_t)length + 1, format, again);
        buf->bytes += (size_t)length;
    }
    va_end(again);
    return ok;
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool ok = buf_vprintf(buf, format, args);
    va_end(args);
    return ok;
}
