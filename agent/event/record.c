/* SPDX-License-Identifier: Apache-2.0 */
/* record: what most events do not have (trace, metric value, attributes) takes no room in them. */
#include "event/record.h"

#include "base/check.h"

struct record_head {
    uint32_t size; /* of the whole record, padded */
    uint32_t body_bytes;
    int64_t time_ns, observed_ns;
    uint32_t payload_bytes; /* event_bytes() */
    uint32_t lost_attributes;
    uint16_t attribute_count;
    uint8_t kind, severity, flags;
    uint8_t severity_text_bytes, unit_bytes;
    uint8_t reserved;
};
_Static_assert(sizeof(struct record_head) == 40,
               "the head is copied for every event: keep it small");

struct record_metric {
    int64_t start_ns;
    double number;
};

struct record_trace {
    uint8_t trace_id[16], span_id[8];
};

struct record_attribute {
    uint8_t kind;
    uint8_t reserved;
    uint16_t key_bytes;
    uint32_t text_bytes; /* VALUE_TEXT; else the 8 bytes of the value follow the key */
};

enum { SHORT_TEXT = 255, LONGEST_KEY = 65535, CACHE_LINE = 64, AHEAD_BYTES = 768 };

static size_t clip(size_t bytes, size_t limit)
{
    return bytes < limit ? bytes : limit;
}

static size_t attribute_size(const struct attribute *attribute)
{
    return sizeof(struct record_attribute) + clip(attribute->key.bytes, LONGEST_KEY) +
           (attribute->value.kind == VALUE_TEXT ? attribute->value.text.bytes : sizeof(int64_t));
}

size_t record_size(const struct event *event)
{
    size_t size = sizeof(struct record_head) + event->body.bytes +
                  clip(event->severity_text.bytes, SHORT_TEXT) +
                  clip(event->unit.bytes, SHORT_TEXT);
    if (event->kind != EVENT_LOG)
        size += sizeof(struct record_metric);
    if (event->flags & EVENT_HAS_TRACE)
        size += sizeof(struct record_trace);
    for (size_t i = 0; i < event->attribute_count; i++)
        size += attribute_size(&event->attributes[i]);
    return (size + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

/* Most pieces are short: two copies of fixed size that overlap beat a call. */
static inline char *put(char *to, const void *from, size_t bytes)
{
    enum { WORD = 8, BLOCK = 16 };
    const char *text = from;

    if (bytes > 2 * BLOCK) {
        memcpy(to, from, bytes);
    } else if (bytes >= BLOCK) {
        memcpy(to, from, BLOCK);
        memcpy(to + bytes - BLOCK, text + bytes - BLOCK, BLOCK);
    } else if (bytes >= WORD) {
        memcpy(to, from, WORD);
        memcpy(to + bytes - WORD, text + bytes - WORD, WORD);
    } else {
        for (size_t i = 0; i < bytes; i++)
            to[i] = text[i];
    }
    return to + bytes;
}

static char *put_attribute(char *to, const struct attribute *attribute)
{
    const struct value *value = &attribute->value;
    struct record_attribute head = {
        .kind = (uint8_t)value->kind,
        .key_bytes = (uint16_t)clip(attribute->key.bytes, LONGEST_KEY),
        .text_bytes = value->kind == VALUE_TEXT ? (uint32_t)value->text.bytes : 0,
    };
    to = put(to, &head, sizeof(head));
    to = put(to, attribute->key.data, head.key_bytes);
    if (value->kind == VALUE_TEXT)
        return put(to, value->text.data, value->text.bytes);
    int64_t scalar = value->kind == VALUE_BOOL ? value->boolean : value->integer;
    return put(to, &scalar, sizeof(scalar)); /* a real's bits lie in the same place */
}

/* Records lie one after the other, and the memory that the next ones go to was last read by the
 * worker's processor: asked for early, it is here in time. The processor does not guess this by
 * itself across pages. Beyond the end of a piece it is a hint without effect. */
static void fetch_ahead(const char *to, size_t size)
{
    for (size_t at = AHEAD_BYTES; at < AHEAD_BYTES + size; at += CACHE_LINE)
        __builtin_prefetch((const void *)((uintptr_t)to + at), 1);
}

void record_write(char *to, size_t size, const struct event *event)
{
    struct record_head head = {
        .size = (uint32_t)size,
        .body_bytes = (uint32_t)event->body.bytes,
        .time_ns = event->time_ns,
        .observed_ns = event->observed_ns,
        .payload_bytes = (uint32_t)event_bytes(event),
        .lost_attributes = event->lost_attributes,
        .attribute_count = event->attribute_count,
        .kind = event->kind,
        .severity = event->severity,
        .flags = event->flags,
        .severity_text_bytes = (uint8_t)clip(event->severity_text.bytes, SHORT_TEXT),
        .unit_bytes = (uint8_t)clip(event->unit.bytes, SHORT_TEXT),
    };
    fetch_ahead(to, size);
    char *next = put(to, &head, sizeof(head));
    if (event->kind != EVENT_LOG)
        next = put(next, &(struct record_metric){ event->start_ns, event->number },
                   sizeof(struct record_metric));
    if (event->flags & EVENT_HAS_TRACE) {
        next = put(next, event->trace_id, sizeof(event->trace_id));
        next = put(next, event->span_id, sizeof(event->span_id));
    }
    for (size_t i = 0; i < event->attribute_count; i++)
        next = put_attribute(next, &event->attributes[i]);
    next = put(next, event->severity_text.data, head.severity_text_bytes);
    next = put(next, event->unit.data, head.unit_bytes);
    next = put(next, event->body.data, event->body.bytes);
    CHECK(next <= to + size);
}

static const char *get(const char *from, void *ret, size_t bytes)
{
    memcpy(ret, from, bytes);
    return from + bytes;
}

static const char *get_attribute(const char *from, struct attribute *ret)
{
    struct record_attribute head;
    from = get(from, &head, sizeof(head));
    ret->key = (struct slice){ from, head.key_bytes };
    from += head.key_bytes;
    ret->value.kind = (enum value_kind)head.kind;
    if (head.kind == VALUE_TEXT) {
        ret->value.text = (struct slice){ from, head.text_bytes };
        return from + head.text_bytes;
    }
    int64_t scalar;
    from = get(from, &scalar, sizeof(scalar));
    if (head.kind == VALUE_BOOL)
        ret->value.boolean = scalar != 0;
    else
        ret->value.integer = scalar;
    return from;
}

static const char *get_attributes(const char *from, uint16_t count, struct event *ret,
                                  struct attribute *attributes, uint16_t room)
{
    struct attribute beyond;
    for (uint16_t i = 0; i < count; i++)
        from = get_attribute(from, i < room ? &attributes[i] : &beyond);
    ret->attributes = attributes;
    ret->attribute_count = count < room ? count : room;
    ret->attribute_room = room;
    ret->lost_attributes += (uint32_t)(count - ret->attribute_count);
    return from;
}

size_t record_read(const char *from, struct event *ret, struct attribute *attributes,
                   uint16_t attribute_room)
{
    struct record_head head;
    const char *next = get(from, &head, sizeof(head));

    ret->resource = NULL;
    ret->scratch = NULL;
    ret->time_ns = head.time_ns;
    ret->observed_ns = head.observed_ns;
    ret->lost_attributes = head.lost_attributes;
    ret->kind = head.kind;
    ret->severity = head.severity;
    ret->flags = head.flags;
    ret->start_ns = 0;
    ret->number = 0;
    if (head.kind != EVENT_LOG) {
        struct record_metric metric;
        next = get(next, &metric, sizeof(metric));
        ret->start_ns = metric.start_ns;
        ret->number = metric.number;
    }
    if (head.flags & EVENT_HAS_TRACE) {
        next = get(next, ret->trace_id, sizeof(ret->trace_id));
        next = get(next, ret->span_id, sizeof(ret->span_id));
    }
    next = get_attributes(next, head.attribute_count, ret, attributes, attribute_room);
    ret->severity_text = (struct slice){ next, head.severity_text_bytes };
    next += head.severity_text_bytes;
    ret->unit = (struct slice){ next, head.unit_bytes };
    next += head.unit_bytes;
    ret->body = (struct slice){ next, head.body_bytes };
    return head.size;
}

size_t record_skip(const char *from, uint64_t *ret_bytes)
{
    struct record_head head;
    (void)get(from, &head, sizeof(head));
    *ret_bytes = head.payload_bytes;
    return head.size;
}
