/* SPDX-License-Identifier: Apache-2.0 */
/* event: attributes grow inside the run's scratch, so an event costs no allocation of its own. */
#include "event/event.h"

#include "base/check.h"
#include "event/resource.h"

enum { FIRST_ROOM = 8, SCRATCH_ALIGN = 8 };

static void *take_scratch(struct scratch *scratch, size_t bytes)
{
    if (scratch == NULL)
        return NULL;
    size_t start = (scratch->used + SCRATCH_ALIGN - 1) & ~(size_t)(SCRATCH_ALIGN - 1);
    if (start > scratch->room || bytes > scratch->room - start)
        return NULL;
    scratch->used = start + bytes;
    return scratch->memory + start;
}

static bool grow_attributes(struct event *event)
{
    size_t room = event->attribute_room == 0 ? FIRST_ROOM : event->attribute_room * (size_t)2;
    if (room > EVENT_MOST_ATTRIBUTES)
        return false;
    struct attribute *grown = take_scratch(event->scratch, room * sizeof(*grown));
    if (grown == NULL)
        return false;
    if (event->attribute_count > 0)
        memcpy(grown, event->attributes, event->attribute_count * sizeof(*grown));
    event->attributes = grown;
    event->attribute_room = (uint16_t)room;
    return true;
}

void event_add(struct event *event, struct slice key, struct value value)
{
    if (event->attribute_count == event->attribute_room && !grow_attributes(event)) {
        event->lost_attributes++;
        return;
    }
    event->attributes[event->attribute_count++] = (struct attribute){ key, value };
}

void event_real(struct event *event, const char *key, double real)
{
    event_add(event, slice_of(key), (struct value){ .kind = VALUE_REAL, .real = real });
}

void event_boolean(struct event *event, const char *key, bool boolean)
{
    event_add(event, slice_of(key), (struct value){ .kind = VALUE_BOOL, .boolean = boolean });
}

static struct attribute *find_attribute(const struct attribute *attributes, size_t count,
                                        struct slice key)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equals(attributes[i].key, key))
            return (struct attribute *)&attributes[i];
    }
    return NULL;
}

void event_set(struct event *event, struct slice key, struct value value)
{
    struct attribute *there = find_attribute(event->attributes, event->attribute_count, key);
    if (there != NULL)
        there->value = value;
    else
        event_add(event, key, value);
}

void event_syslog_severity(struct event *event, unsigned level)
{
    static const struct {
        uint8_t number;
        struct slice text;
    } severities[] = {
        { SEVERITY_FATAL, SLICE("emerg") },    { SEVERITY_ERROR + 2, SLICE("alert") },
        { SEVERITY_ERROR + 1, SLICE("crit") }, { SEVERITY_ERROR, SLICE("err") },
        { SEVERITY_WARN, SLICE("warning") },   { SEVERITY_INFO + 1, SLICE("notice") },
        { SEVERITY_INFO, SLICE("info") },      { SEVERITY_DEBUG, SLICE("debug") },
    };

    CHECK(level < sizeof(severities) / sizeof(severities[0]));
    event->severity = severities[level].number;
    event->severity_text = severities[level].text;
}

static bool has_prefix(struct slice name, struct slice prefix, struct slice *ret_rest)
{
    if (name.bytes < prefix.bytes || memcmp(name.data, prefix.data, prefix.bytes) != 0)
        return false;
    *ret_rest = (struct slice){ name.data + prefix.bytes, name.bytes - prefix.bytes };
    return true;
}

static bool copy_value(const struct attribute *attribute, struct value *ret)
{
    if (attribute == NULL)
        return false;
    *ret = attribute->value;
    return true;
}

static bool own_field(const struct event *event, struct slice name, struct value *ret)
{
    if (slice_equals(name, SLICE("body")))
        *ret = (struct value){ .kind = VALUE_TEXT, .text = event->body };
    else if (slice_equals(name, SLICE("severity_text")))
        *ret = (struct value){ .kind = VALUE_TEXT, .text = event->severity_text };
    else if (slice_equals(name, SLICE("severity_number")))
        *ret = (struct value){ .kind = VALUE_INT, .integer = event->severity };
    else if (slice_equals(name, SLICE("unit")))
        *ret = (struct value){ .kind = VALUE_TEXT, .text = event->unit };
    else
        return false;
    return true;
}

bool event_field(const struct event *event, struct slice name, struct value *ret)
{
    struct slice key = name;

    if (own_field(event, name, ret))
        return true;
    if (has_prefix(name, SLICE("resource."), &key)) {
        size_t count = 0;
        const struct attribute *attributes =
            event->resource == NULL ? NULL : resource_attributes(event->resource, &count);
        return copy_value(find_attribute(attributes, count, key), ret);
    }
    (void)has_prefix(name, SLICE("attributes."), &key);
    return copy_value(find_attribute(event->attributes, event->attribute_count, key), ret);
}

uint64_t event_attribute_bytes(const struct event *event)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < event->attribute_count; i++) {
        const struct attribute *attribute = &event->attributes[i];
        bytes += attribute->key.bytes + (attribute->value.kind == VALUE_TEXT
                                             ? attribute->value.text.bytes
                                             : sizeof(attribute->value.integer));
    }
    return bytes;
}

struct slice event_keep(struct event *event, struct slice text)
{
    char *kept = take_scratch(event->scratch, text.bytes);
    if (kept == NULL)
        return (struct slice){ "", 0 };
    memcpy(kept, text.data, text.bytes);
    return (struct slice){ kept, text.bytes };
}
