/* SPDX-License-Identifier: Apache-2.0 */
/* event: one record on its way: a log line or a metric sample.
 * Fields follow the OpenTelemetry logs data model and metrics data model
 * (opentelemetry.io/docs/specs/otel). An event is a view: all slices are borrowed. It lives from
 * sink_event() until its run is offered to the lanes, which copy it; and again, decoded from a
 * lane's record, while it is encoded. Threads: none; whoever made it. */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct resource;

enum value_kind { VALUE_TEXT, VALUE_INT, VALUE_REAL, VALUE_BOOL };
struct value {
    enum value_kind kind;
    union {
        struct slice text;
        int64_t integer;
        double real;
        bool boolean;
    };
};

struct attribute {
    struct slice key;
    struct value value;
};

/* Their room doubles, and what it was before stays in the scratch. */
enum { EVENT_MOST_ATTRIBUTES = 1024 };
#define EVENT_GROWTH_BYTES (2 * EVENT_MOST_ATTRIBUTES * sizeof(struct attribute))

enum event_kind { EVENT_LOG, EVENT_SUM, EVENT_UPDOWN, EVENT_GAUGE };
/* EVENT_SUM: monotonic sum; EVENT_UPDOWN: non-monotonic sum; both cumulative without EVENT_DELTA.
 * EVENT_GAUGE: gauge. */

enum event_flags {
    EVENT_TRUNCATED = 1, /* the body was cut; attribute log.record.original_bytes has the length */
    EVENT_HAS_TRACE = 2, /* trace_id and span_id are set */
    EVENT_DELTA = 4,     /* of a sum: since start_ns, which is when the sample before it ended */
    EVENT_NO_VALUE = 8,  /* of a metric: there is none any more, the number is NaN; OTel's data
                          * point flag no_recorded_value, a Prometheus's staleness marker */
};

enum {
    SEVERITY_NONE = 0,
    SEVERITY_TRACE = 1,
    SEVERITY_DEBUG = 5,
    SEVERITY_INFO = 9,
    SEVERITY_WARN = 13,
    SEVERITY_ERROR = 17,
    SEVERITY_FATAL = 21
}; /* OTel SeverityNumber */

/* Bump memory for the attributes of the events of one run; freed all at once. */
struct scratch {
    char *memory;
    size_t room, used;
};

struct event {
    struct slice body;          /* the line; for a metric its name (system.cpu.time) */
    struct slice severity_text; /* as the source wrote it; may be empty */
    struct slice unit;          /* metrics: UCUM ("By", "s", "1", "{packet}") */
    struct resource *resource;  /* borrowed; NULL: the reading's own (host.name …) */
    struct attribute *attributes;
    struct scratch *scratch;  /* where more attributes go; NULL: the event is read-only */
    int64_t time_ns;          /* when it happened, Unix; 0: the source did not say */
    int64_t observed_ns;      /* when we read it, Unix */
    int64_t start_ns;         /* sums: begin of the accumulation, Unix; 0: unknown */
    double number;            /* metrics: the value */
    uint32_t lost_attributes; /* did not fit: OTel dropped_attributes_count */
    uint16_t attribute_count, attribute_room;
    uint8_t kind;     /* enum event_kind */
    uint8_t severity; /* OTel SeverityNumber, 0: unset */
    uint8_t flags;    /* enum event_flags */
    uint8_t trace_id[16];
    uint8_t span_id[8];
};

/* Add one attribute. Key and text are borrowed like the body. What does not fit is counted in
 * lost_attributes. A key that is there already is replaced by event_set_*, not by event_*. */
void event_add(struct event *event, struct slice key, struct value value);
void event_real(struct event *event, const char *key, double real);
void event_boolean(struct event *event, const char *key, bool boolean);
void event_set(struct event *event, struct slice key, struct value value);

/* Here, so that the length of a literal key is known when it is compiled. */
static inline void event_text(struct event *event, const char *key, struct slice text)
{
    event_add(event, slice_of(key), (struct value){ .kind = VALUE_TEXT, .text = text });
}

static inline void event_integer(struct event *event, const char *key, int64_t integer)
{
    event_add(event, slice_of(key), (struct value){ .kind = VALUE_INT, .integer = integer });
}

/* Severity and its text by syslog's level, 0 … 7 (RFC 5424, 6.2.1), numbered as in appendix B of
 * the logs data model. */
void event_syslog_severity(struct event *event, unsigned level);

/* The value of a field by the name users write in a configuration: body, severity_text,
 * severity_number, unit, or an attribute's key ("attributes." may stand before it), or a resource
 * attribute ("resource." before it). false: there is no such field. */
bool event_field(const struct event *event, struct slice name, struct value *ret);

uint64_t event_attribute_bytes(const struct event *event);
/* Bytes by which an event is counted in the books: body, attribute keys and values. */
static inline uint64_t event_bytes(const struct event *event)
{
    return event->body.bytes + (event->attribute_count == 0 ? 0 : event_attribute_bytes(event));
}

/* Copies bytes into the event's scratch, so that they live as long as the event does. An empty
 * slice when they do not fit. */
struct slice event_keep(struct event *event, struct slice text);
