/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/field_key.h"

#include <stdio.h>

static struct slice printed(const char *text, int length)
{
    return (struct slice){ text, length > 0 ? (size_t)length : 0 };
}

struct slice field_key_text(const struct event *event, struct slice field,
                            char room[FIELD_KEY_BYTES])
{
    static const struct slice nothing = { "", 0 };
    struct value value;

    if (slice_equals(field, SLICE("trace_id")) && (event->flags & EVENT_HAS_TRACE) != 0)
        return (struct slice){ (const char *)event->trace_id, sizeof(event->trace_id) };
    if (!event_field(event, field, &value))
        return nothing;
    switch (value.kind) {
    case VALUE_TEXT:
        return value.text;
    case VALUE_INT:
        return printed(room, snprintf(room, FIELD_KEY_BYTES, "%lld", (long long)value.integer));
    case VALUE_REAL:
        return printed(room, snprintf(room, FIELD_KEY_BYTES, "%.17g", value.real));
    case VALUE_BOOL:
        return value.boolean ? SLICE("true") : SLICE("false");
    }
    return nothing;
}

/* FNV-1a, then the finish of SplitMix64: FNV alone leaves the high bits uneven for short texts. */
uint64_t field_key_hash(struct slice text)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < text.bytes; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(1099511628211);
    hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
    return hash ^ (hash >> 31);
}
