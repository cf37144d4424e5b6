/* SPDX-License-Identifier: Apache-2.0 */
#include "aside.h"

uint64_t tail_aside_name(const struct tail_file *file)
{
    const uint64_t identity[] = { file->identity.device, file->identity.inode,
                                  (uint64_t)file->identity.born_ns };
    return in_hand_name(identity, sizeof(identity));
}

size_t tail_aside_clear(const struct sink *sink, const struct tail_file *file, size_t bytes)
{
    const struct fatal_place *place = sink_fatal_place(sink);
    uint64_t offset = file->read.offset;

    if (place == NULL || place->to <= offset || place->from >= offset + bytes ||
        place->source != tail_aside_name(file))
        return bytes;
    return place->from <= offset ? 0 : (size_t)(place->from - offset);
}

/* Its end is the end of a line, or else the file was written anew. */
static bool is_there(const char *data, size_t bytes, uint64_t left)
{
    return left >= bytes || data[left - 1] == '\n';
}

size_t tail_aside_take(struct sink *sink, const struct tail_file *file, const char *data,
                       size_t bytes)
{
    uint64_t left = sink_fatal_place(sink)->to - file->read.offset;
    size_t taken = !is_there(data, bytes, left) ? 0 : left < bytes ? (size_t)left : bytes;

    for (size_t at = 0; at < taken;) {
        const char *newline = memchr(data + at, '\n', taken - at);
        size_t end = newline == NULL ? taken : (size_t)(newline - data);
        if (end > at)
            sink_set_aside(sink, (struct slice){ data + at, end - at }, file->resource);
        at = newline == NULL ? end : end + 1;
    }
    if (taken == 0 || taken == left)
        sink_set_aside_done(sink, file->path);
    return taken;
}
