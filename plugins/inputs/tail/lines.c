/* SPDX-License-Identifier: Apache-2.0 */
/* lines: one memchr() for each line and no call per byte: this is the hot loop of a busy tail. */
#include "lines.h"

void tail_lines_emit(struct tail_lines *lines, const char *data, uint64_t whole_bytes)
{
    struct event *event = sink_event(lines->sink);

    lines->lines++;
    event->resource = lines->resource;
    if (whole_bytes <= lines->max_line_bytes) {
        event->body = (struct slice){ data, (size_t)whole_bytes };
        return;
    }
    lines->cut++;
    struct slice head = { data, lines->max_line_bytes + 1 };
    event->body = (struct slice){ data, slice_cut(head, lines->max_line_bytes) };
    event->flags |= EVENT_TRUNCATED;
    event_integer(event, "log.record.original_bytes", (int64_t)whole_bytes);
    if (lines->parse_error != NULL) {
        event_text(event, "log.parse_error", slice_of(lines->parse_error));
        lines->unparsed++;
    }
}

size_t tail_lines_hole(const char *data, size_t bytes)
{
    size_t run = 0;
    while (run < bytes && data[run] == '\0')
        run++;
    return run;
}

static const char *skip_hole(const struct tail_lines *lines, const char *at, const char *end)
{
    size_t run = tail_lines_hole(at, (size_t)(end - at));
    if (run <= TAIL_HOLE_BYTES || at + run == end)
        return at;
    sink_malformed(lines->sink, lines->path, 0, run);
    return at + run;
}

size_t tail_lines_split(struct tail_lines *lines, const char *data, size_t bytes)
{
    const char *at = data, *end = data + bytes;

    while (at < end) {
        if (__builtin_expect(*at == '\0', 0))
            at = skip_hole(lines, at, end);
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            break;
        const char *stop = newline > at && newline[-1] == '\r' ? newline - 1 : newline;
        in_hand_take(lines->offset + (uint64_t)(at - data),
                     lines->offset + (uint64_t)(newline + 1 - data));
        if (stop > at)
            tail_lines_emit(lines, at, (uint64_t)(stop - at));
        at = newline + 1;
    }
    return (size_t)(at - data);
}
