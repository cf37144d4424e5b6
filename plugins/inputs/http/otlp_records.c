/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_records: log records, spans and the events of spans. */
#include "otlp.h"

enum { HIGHEST_SEVERITY = 24, SHORT_TEXT = 255, KINDS = 6, STATUSES = 3 };

static const struct otlp_row log_rows[] = {
    { "timeUnixNano", 1, OTLP_ONE },
    { "severityNumber", 2, OTLP_ONE },
    { "severityText", 3, OTLP_ONE },
    { "body", 5, OTLP_ONE },
    { "attributes", 6, OTLP_ONE },
    { "droppedAttributesCount", 7, OTLP_ONE },
    { "traceId", 9, OTLP_ONE },
    { "spanId", 10, OTLP_ONE },
    { "observedTimeUnixNano", 11, OTLP_ONE },
    { "eventName", 12, OTLP_ONE },
    { NULL, 0, 0 },
};
static const struct otlp_row span_rows[] = {
    { "traceId", 1, OTLP_ONE },
    { "spanId", 2, OTLP_ONE },
    { "traceState", 3, OTLP_ONE },
    { "parentSpanId", 4, OTLP_ONE },
    { "name", 5, OTLP_ONE },
    { "kind", 6, OTLP_ONE },
    { "startTimeUnixNano", 7, OTLP_ONE },
    { "endTimeUnixNano", 8, OTLP_ONE },
    { "attributes", 9, OTLP_ONE },
    { "droppedAttributesCount", 10, OTLP_ONE },
    { "events", 11, OTLP_ONE },
    { "droppedEventsCount", 12, OTLP_ONE },
    { "links", 13, OTLP_ONE },
    { "droppedLinksCount", 14, OTLP_ONE },
    { "status", 15, OTLP_ONE },
    { NULL, 0, 0 },
};
static const struct otlp_row span_event_rows[] = {
    { "timeUnixNano", 1, OTLP_ONE },
    { "name", 2, OTLP_ONE },
    { "attributes", 3, OTLP_ONE },
    { "droppedAttributesCount", 4, OTLP_ONE },
    { NULL, 0, 0 },
};
static const struct otlp_row link_rows[] = { { "traceId", 1, OTLP_ONE },
                                             { "spanId", 2, OTLP_ONE },
                                             { NULL, 0, 0 } };
static const struct otlp_row status_rows[] = { { "message", 2, OTLP_ONE },
                                               { "code", 3, OTLP_ONE },
                                               { NULL, 0, 0 } };

static void note_dropped(struct event *event, const struct otlp_value *field)
{
    uint64_t dropped = otlp_number(field);

    event->lost_attributes += dropped > INT32_MAX ? INT32_MAX : (uint32_t)dropped;
}

static void set_body(struct otlp *otlp, struct event *event, struct slice text)
{
    size_t half = otlp->take->mapping->max_event_bytes / 2;

    otlp->take->cut += object_set_body(event, text, otlp->left + half);
}

/* ---- logs ---- */

static void set_any_body(struct otlp *otlp, struct event *event, struct slice message)
{
    char number[32];
    struct value value;

    if (message.bytes == 0 || !otlp_any(otlp, event, message, &value))
        return;
    if (value.kind == VALUE_INT)
        value.text = (struct slice){ number, json_integer(number, value.integer) };
    else if (value.kind == VALUE_REAL)
        value.text = (struct slice){ number, json_real(number, value.real) };
    else if (value.kind == VALUE_BOOL)
        value.text = value.boolean ? SLICE("true") : SLICE("false");
    if (value.kind == VALUE_INT || value.kind == VALUE_REAL)
        value.text = event_keep(event, value.text);
    set_body(otlp, event, value.text);
}

static void set_severity(struct otlp *otlp, struct event *event, struct slice text)
{
    if (text.bytes <= SHORT_TEXT)
        event->severity_text = text;
    else
        otlp_add_text(otlp, event, "severity_text", text);
}

void otlp_log(struct otlp *otlp, struct slice message)
{
    struct event *event = otlp_event(otlp);
    struct otlp_walk walk = otlp_walk(otlp, log_rows, message);
    struct slice body = { "", 0 };
    bool has_trace = false, has_span = false;
    struct otlp_value field;

    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        switch (number) {
        case 1:
            event->time_ns = otlp_time(&field);
            break;
        case 2:
            if (otlp_number(&field) <= HIGHEST_SEVERITY)
                event->severity = (uint8_t)otlp_number(&field);
            break;
        case 3:
            set_severity(otlp, event, otlp_bytes(&field));
            break;
        case 5:
            body = otlp_bytes(&field);
            break;
        case 6:
            otlp_add_pair(otlp, event, otlp_bytes(&field));
            break;
        case 7:
            note_dropped(event, &field);
            break;
        case 9:
            has_trace = otlp_id(&field, event->trace_id, sizeof(event->trace_id));
            break;
        case 10:
            has_span = otlp_id(&field, event->span_id, sizeof(event->span_id));
            break;
        case 11:
            event->observed_ns = otlp_time(&field) == 0 ? event->observed_ns : otlp_time(&field);
            break;
        default:
            otlp_add_text(otlp, event, "otel.event.name", otlp_bytes(&field));
            break;
        }
    }
    if (has_trace && !has_span)
        memset(event->span_id, 0, sizeof(event->span_id));
    event->flags |= has_trace ? EVENT_HAS_TRACE : 0;
    set_any_body(otlp, event, body);
    otlp_end_walk(otlp, &walk);
}

/* ---- spans ---- */

struct span {
    uint8_t trace_id[16], span_id[8];
    bool has_ids;
    int64_t start_ns, end_ns;
    struct slice name;
};

static void add_id(struct otlp *otlp, struct event *event, const char *key,
                   const struct otlp_value *field)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t id[8];
    char hex[2 * sizeof(id)];

    if (!otlp_id(field, id, sizeof(id)))
        return;
    for (size_t i = 0; i < sizeof(id); i++) {
        hex[2 * i] = digits[id[i] >> 4];
        hex[2 * i + 1] = digits[id[i] & 15];
    }
    otlp_add_text(otlp, event, key, event_keep(event, (struct slice){ hex, sizeof(hex) }));
}

static void add_status(struct otlp *otlp, struct event *event, struct slice message)
{
    static const char *const names[STATUSES] = { "unset", "ok", "error" };
    struct otlp_walk walk = otlp_walk(otlp, status_rows, message);
    struct otlp_value field;

    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 2)
            otlp_add_text(otlp, event, "span.status_message", otlp_bytes(&field));
        else if (otlp_number(&field) < STATUSES)
            otlp_add_text(otlp, event, "span.status", slice_of(names[otlp_number(&field)]));
    }
    otlp_end_walk(otlp, &walk);
}

static void add_kind(struct otlp *otlp, struct event *event, uint64_t kind)
{
    static const char *const names[KINDS] = { "unspecified", "internal", "server",
                                              "client",      "producer", "consumer" };
    if (kind < KINDS)
        otlp_add_text(otlp, event, "span.kind", slice_of(names[kind]));
}

static void take_span_field(struct otlp *otlp, struct event *event, struct span *span,
                            unsigned number, const struct otlp_value *field)
{
    switch (number) {
    case 3:
        otlp_add_text(otlp, event, "span.trace_state", otlp_bytes(field));
        break;
    case 4:
        add_id(otlp, event, "span.parent_id", field);
        break;
    case 5:
        span->name = otlp_bytes(field);
        break;
    case 6:
        add_kind(otlp, event, otlp_number(field));
        break;
    case 7:
        span->start_ns = otlp_time(field);
        break;
    case 8:
        span->end_ns = otlp_time(field);
        break;
    case 9:
        otlp_add_pair(otlp, event, otlp_bytes(field));
        break;
    case 10:
        note_dropped(event, field);
        break;
    case 12:
        otlp_add_integer(otlp, event, "span.dropped_events", (int64_t)otlp_number(field));
        break;
    case 14:
        otlp_add_integer(otlp, event, "span.dropped_links", (int64_t)otlp_number(field));
        break;
    case 15:
        add_status(otlp, event, otlp_bytes(field));
        break;
    default:
        break;
    }
}

static void set_ids(struct event *event, const struct span *span)
{
    if (!span->has_ids)
        return;
    memcpy(event->trace_id, span->trace_id, sizeof(event->trace_id));
    memcpy(event->span_id, span->span_id, sizeof(event->span_id));
    event->flags |= EVENT_HAS_TRACE;
}

/* A link is an event of its own, that names the other span. */
static void take_link(struct otlp *otlp, const struct span *span, struct slice message)
{
    struct event *event = otlp_event(otlp);
    struct otlp_walk walk = otlp_walk(otlp, link_rows, message);
    struct span linked = { .has_ids = true };
    struct otlp_value field;

    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;)
        linked.has_ids &= number == 1 ? otlp_id(&field, linked.trace_id, sizeof(linked.trace_id))
                                      : otlp_id(&field, linked.span_id, sizeof(linked.span_id));
    otlp_end_walk(otlp, &walk);
    event->time_ns = span->start_ns;
    otlp_add_text(otlp, event, "span.record", SLICE("link"));
    otlp_add_text(otlp, event, "span.name", span->name);
    set_ids(event, &linked);
    set_body(otlp, event, SLICE("link"));
}

static void take_span_event(struct otlp *otlp, const struct span *span, struct slice message)
{
    struct event *event = otlp_event(otlp);
    struct otlp_walk walk = otlp_walk(otlp, span_event_rows, message);
    struct slice name = { "", 0 };
    struct otlp_value field;

    otlp_add_text(otlp, event, "span.record", SLICE("event"));
    otlp_add_text(otlp, event, "span.name", span->name);
    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 1)
            event->time_ns = otlp_time(&field);
        else if (number == 2)
            name = otlp_bytes(&field);
        else if (number == 3)
            otlp_add_pair(otlp, event, otlp_bytes(&field));
        else
            note_dropped(event, &field);
    }
    otlp_end_walk(otlp, &walk);
    set_ids(event, span);
    set_body(otlp, event, name);
}

/* What its events need of the span, wherever it stands. Room of texts is given back: all is read
 * again. */
static struct span read_head(struct otlp *otlp, struct slice message)
{
    char *room = otlp->take->room;
    struct otlp_walk walk = otlp_walk(otlp, span_rows, message);
    struct span span = { .name = { "", 0 } };
    bool has_trace = false, has_span = false;
    struct otlp_value field;

    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 1)
            has_trace = otlp_id(&field, span.trace_id, sizeof(span.trace_id));
        else if (number == 2)
            has_span = otlp_id(&field, span.span_id, sizeof(span.span_id));
    }
    otlp_end_walk(otlp, &walk);
    span.has_ids = has_trace && has_span;
    otlp->take->room = room;
    return span;
}

void otlp_span(struct otlp *otlp, struct slice message)
{
    struct span span = read_head(otlp, message);
    struct event *event = otlp_event(otlp);
    struct otlp_walk walk = otlp_walk(otlp, span_rows, message);
    struct otlp_value field;

    otlp_add_text(otlp, event, "span.record", SLICE("span"));
    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;)
        take_span_field(otlp, event, &span, number, &field);
    otlp_end_walk(otlp, &walk);
    event->time_ns = span.start_ns;
    if (span.end_ns >= span.start_ns && span.start_ns > 0)
        otlp_add_integer(otlp, event, "span.duration_ns", span.end_ns - span.start_ns);
    set_ids(event, &span);
    set_body(otlp, event, span.name);
    char *room = otlp->take->room;
    walk = otlp_walk(otlp, span_rows, message);
    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 11)
            take_span_event(otlp, &span, otlp_bytes(&field));
        else if (number == 13)
            take_link(otlp, &span, otlp_bytes(&field));
        else
            otlp->take->room = room;
        room = otlp->take->room;
    }
}
