/* SPDX-License-Identifier: Apache-2.0 */
#include "base/line_buffer.h"

#include <stdlib.h>

enum { HEAD_EXTRA = 2 }; /* a byte to find a whole character by, and the last one that came */

bool line_buffer_change(struct line_buffer *buffer, size_t max_line_bytes, size_t read_bytes)
{
    size_t room = max_line_bytes + HEAD_EXTRA + read_bytes;

    if (room > buffer->room) {
        char *larger = realloc(buffer->data, room);
        if (larger == NULL)
            return false;
        buffer->data = larger;
        buffer->room = room;
    }
    buffer->max_line_bytes = max_line_bytes;
    return true;
}

bool line_buffer_init(struct line_buffer *buffer, size_t max_line_bytes, size_t read_bytes)
{
    *buffer = (struct line_buffer){ .room = 0 };
    return line_buffer_change(buffer, max_line_bytes, read_bytes);
}

void line_buffer_fini(struct line_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct line_buffer){ .room = 0 };
}

/* Of a line that fills the buffer the head stays, and the last byte, for it may be the '\r' of a
 * line's end. */
char *line_buffer_space(struct line_buffer *buffer, size_t *ret_bytes)
{
    buffer->filled -= buffer->taken;
    memmove(buffer->data, buffer->data + buffer->taken, buffer->filled);
    buffer->taken = 0;
    if (buffer->filled == buffer->room) {
        size_t head = buffer->max_line_bytes + HEAD_EXTRA;
        buffer->data[head - 1] = buffer->data[buffer->filled - 1];
        if (buffer->dropped == 0)
            buffer->kept = buffer->max_line_bytes;
        buffer->dropped += buffer->filled - head;
        buffer->filled = buffer->looked = head;
    }
    *ret_bytes = buffer->room - buffer->filled;
    return buffer->data + buffer->filled;
}

void line_buffer_add(struct line_buffer *buffer, size_t bytes)
{
    buffer->filled += bytes;
}

/* false: it is empty. */
static bool make_line(struct line_buffer *buffer, const char *begin, const char *end,
                      struct line *ret)
{
    uint64_t whole_bytes = (uint64_t)(end - begin) + buffer->dropped;
    size_t limit = buffer->max_line_bytes;

    if (buffer->dropped > 0 && buffer->kept < limit)
        limit = buffer->kept;
    buffer->dropped = 0;
    if (end > begin && end[-1] == '\r')
        whole_bytes--;
    struct slice text = { begin, (size_t)whole_bytes };
    if (whole_bytes > limit) {
        text.bytes = limit + 1;
        text.bytes = slice_cut(text, limit);
    }
    *ret = (struct line){ text, whole_bytes };
    return whole_bytes > 0;
}

bool line_buffer_next(struct line_buffer *buffer, struct line *ret)
{
    const char *end = buffer->data + buffer->filled;

    for (;;) {
        const char *begin = buffer->data + buffer->taken;
        const char *look = begin + buffer->looked;
        const char *newline = look == end ? NULL : memchr(look, '\n', (size_t)(end - look));
        buffer->looked = newline == NULL ? (size_t)(end - begin) : 0;
        if (newline == NULL)
            return false;
        buffer->taken = (size_t)(newline + 1 - buffer->data);
        if (make_line(buffer, begin, newline, ret))
            return true;
    }
}

bool line_buffer_rest(struct line_buffer *buffer, struct line *ret)
{
    const char *begin = buffer->data + buffer->taken, *end = buffer->data + buffer->filled;

    buffer->taken = buffer->filled;
    buffer->looked = 0;
    return make_line(buffer, begin, end, ret);
}
