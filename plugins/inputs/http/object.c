/* SPDX-License-Identifier: Apache-2.0 */
/* object: keys come in any order, and what a few of them mean depends on others: those wait in a
 * draft until the object is at its end. */
#include "object.h"

#include "severity.h"
#include "when.h"

#include <math.h>

enum { SHORT_TEXT = 255 }; /* longer ones are not kept whole in an event's own fields */

struct candidate {
    bool is_there;
    unsigned rank;
    struct slice key;
    struct pull_value value;
};

struct draft {
    struct mapping *mapping;
    struct event *event;
    size_t room; /* for attributes */
    struct candidate held[FIELDS];
};

static void add_attribute(struct draft *draft, struct slice key, const struct value *value)
{
    size_t bytes = key.bytes + OBJECT_ATTRIBUTE_BYTES +
                   (value->kind == VALUE_TEXT ? value->text.bytes : sizeof(value->integer));

    if (bytes > draft->room || key.bytes > UINT16_MAX) {
        draft->event->lost_attributes++;
        return;
    }
    draft->room -= bytes;
    event_set(draft->event, key, *value);
}

static void keep_as_attribute(struct draft *draft, const struct candidate *candidate)
{
    if (candidate->is_there && candidate->value.kind != PULL_NULL) /* of a metric's value */
        add_attribute(draft, candidate->key, &candidate->value.value);
}

/* Of several keys for one field the one of the lowest rank stays. */
static void hold(struct draft *draft, enum field field, const struct candidate *candidate)
{
    struct candidate *held = &draft->held[field];

    if (held->is_there && held->rank < candidate->rank) {
        keep_as_attribute(draft, candidate);
        return;
    }
    if (held->is_there && !slice_equals(held->key, candidate->key))
        keep_as_attribute(draft, held);
    *held = *candidate;
}

/* ---- attributes and resource ---- */

static void read_attributes(struct draft *draft, const struct candidate *candidate, char **roomp)
{
    struct slice json = candidate->value.json;
    struct slice key;

    if (candidate->value.kind != PULL_NESTED || json.data[0] != '{') {
        keep_as_attribute(draft, candidate);
        return;
    }
    /* Seen to be whole before: it cannot break. */
    struct pull pull = { json.data + 1, json.data + json.bytes, *roomp };
    for (bool is_first = true; pull_member(&pull, is_first, &key) == PULL_NEXT; is_first = false) {
        struct pull_value value = pull_value(&pull);
        if (value.kind == PULL_BAD)
            break; /* an escape that is none */
        if (value.kind != PULL_NULL)
            add_attribute(draft, key, &value.value);
    }
    *roomp = pull.room;
}

static void read_resource(struct draft *draft, const struct candidate *candidate, char **roomp)
{
    struct mapping *mapping = draft->mapping;
    struct slice json = candidate->value.json;
    struct attribute attributes[RESOURCE_ATTRIBUTES];
    size_t count = 0;
    struct slice key;

    if (candidate->value.kind != PULL_NESTED || json.data[0] != '{' ||
        json.bytes > RESOURCE_TEXT_BYTES) {
        keep_as_attribute(draft, candidate);
        return;
    }
    draft->event->resource = resources_find(&mapping->resources, json);
    if (draft->event->resource != NULL)
        return;
    struct pull pull = { json.data + 1, json.data + json.bytes, *roomp };
    for (bool is_first = true; pull_member(&pull, is_first, &key) == PULL_NEXT; is_first = false) {
        struct pull_value value = pull_value(&pull);
        if (value.kind == PULL_BAD || value.kind == PULL_NULL)
            continue;
        if (count < RESOURCE_ATTRIBUTES)
            attributes[count++] = (struct attribute){ key, value.value };
        else
            draft->event->lost_attributes++;
    }
    *roomp = pull.room;
    draft->event->resource =
        resources_add(&mapping->resources, json, mapping->host, attributes, count);
    if (draft->event->resource == NULL)
        keep_as_attribute(draft, candidate);
}

/* ---- what waited ---- */

static bool read_time(const struct pull_value *value, int64_t *ret_ns)
{
    switch (value->kind) {
    case PULL_TEXT:
        return when_read(value->value.text, ret_ns);
    case PULL_INTEGER:
        return when_integer(value->value.integer, ret_ns);
    case PULL_REAL:
        return when_number(value->value.real, ret_ns);
    case PULL_BOOLEAN:
    case PULL_NULL:
    case PULL_NESTED:
    case PULL_BAD:
        break;
    }
    return false;
}

static void set_time(struct draft *draft, enum field field, int64_t *ret_ns)
{
    struct candidate *held = &draft->held[field];

    if (held->is_there && !read_time(&held->value, ret_ns))
        keep_as_attribute(draft, held);
}

static void set_severity(struct draft *draft)
{
    struct event *event = draft->event;
    const struct candidate *text = &draft->held[FIELD_SEVERITY];
    const struct candidate *number = &draft->held[FIELD_SEVERITY_NUMBER];

    if (text->is_there && text->value.kind == PULL_TEXT &&
        text->value.value.text.bytes <= SHORT_TEXT) {
        event->severity_text = text->value.value.text;
        event->severity = severity_of(event->severity_text);
    } else {
        keep_as_attribute(draft, text);
    }
    if (!number->is_there)
        return;
    if (number->value.kind == PULL_INTEGER && number->value.value.integer >= 0 &&
        number->value.value.integer <= 24)
        event->severity = (uint8_t)number->value.value.integer;
    else
        keep_as_attribute(draft, number);
}

static bool read_hex(const struct candidate *held, uint8_t *to, size_t bytes)
{
    if (!held->is_there || held->value.kind != PULL_TEXT ||
        held->value.value.text.bytes != 2 * bytes)
        return false;
    for (size_t i = 0; i < 2 * bytes; i++) {
        char digit = held->value.value.text.data[i];
        int value = digit >= '0' && digit <= '9'   ? digit - '0'
                    : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                    : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                                   : -1;
        if (value < 0)
            return false;
        to[i / 2] = (uint8_t)(i % 2 == 0 ? value << 4 : to[i / 2] | value);
    }
    return true;
}

static void set_trace(struct draft *draft)
{
    struct event *event = draft->event;
    const struct candidate *trace = &draft->held[FIELD_TRACE_ID];
    const struct candidate *span = &draft->held[FIELD_SPAN_ID];

    if (read_hex(trace, event->trace_id, sizeof(event->trace_id)) &&
        read_hex(span, event->span_id, sizeof(event->span_id))) {
        event->flags |= EVENT_HAS_TRACE;
        return;
    }
    keep_as_attribute(draft, trace);
    keep_as_attribute(draft, span);
}

static bool find_kind(const struct candidate *type, uint8_t *ret_kind)
{
    static const struct {
        struct slice name;
        enum event_kind kind;
    } kinds[] = {
        { SLICE("sum"), EVENT_SUM },
        { SLICE("updown"), EVENT_UPDOWN },
        { SLICE("gauge"), EVENT_GAUGE },
    };

    if (!type->is_there || type->value.kind != PULL_TEXT)
        return false;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!slice_equals(kinds[i].name, type->value.value.text))
            continue;
        *ret_kind = (uint8_t)kinds[i].kind;
        return true;
    }
    return false;
}

static bool read_number(const struct pull_value *value, double *ret)
{
    if (value->kind == PULL_INTEGER)
        *ret = (double)value->value.integer;
    else if (value->kind == PULL_REAL)
        *ret = value->value.real;
    else if (value->kind == PULL_NULL)
        *ret = NAN; /* as it is written */
    else
        return false;
    return true;
}

static void set_metric_flags(struct draft *draft)
{
    struct event *event = draft->event;
    const struct candidate *temporality = &draft->held[FIELD_TEMPORALITY];
    const struct candidate *no_value = &draft->held[FIELD_NO_VALUE];

    if (temporality->is_there && temporality->value.kind == PULL_TEXT &&
        slice_equals(temporality->value.value.text, SLICE("delta")) && event->kind != EVENT_GAUGE)
        event->flags |= EVENT_DELTA;
    else
        keep_as_attribute(draft, temporality);
    if (no_value->is_there && no_value->value.kind == PULL_BOOLEAN &&
        no_value->value.value.boolean && isnan(event->number))
        event->flags |= EVENT_NO_VALUE;
    else
        keep_as_attribute(draft, no_value);
}

/* Returns whether it is a metric. */
static bool set_metric(struct draft *draft)
{
    struct event *event = draft->event;
    const struct candidate *name = &draft->held[FIELD_NAME];
    const struct candidate *value = &draft->held[FIELD_VALUE];
    const struct candidate *unit = &draft->held[FIELD_UNIT];
    uint8_t kind;
    double number;

    if (!name->is_there || name->value.kind != PULL_TEXT || !value->is_there ||
        name->value.value.text.bytes > draft->room || !find_kind(&draft->held[FIELD_TYPE], &kind) ||
        !read_number(&value->value, &number)) {
        for (enum field field = FIELD_NAME; field < FIELDS; field++)
            keep_as_attribute(draft, &draft->held[field]);
        return false;
    }
    event->kind = kind;
    event->body = name->value.value.text;
    event->number = number;
    if (unit->is_there && unit->value.kind == PULL_TEXT &&
        unit->value.value.text.bytes <= SHORT_TEXT)
        event->unit = unit->value.value.text;
    else
        keep_as_attribute(draft, unit);
    set_time(draft, FIELD_START_TIME, &event->start_ns);
    set_metric_flags(draft);
    return true;
}

bool object_set_body(struct event *event, struct slice body, size_t room)
{
    if (body.bytes <= room) {
        event->body = body;
        return false;
    }
    event->body = (struct slice){ body.data, slice_cut(body, room) };
    event->flags |= EVENT_TRUNCATED;
    event_integer(event, "log.record.original_bytes", (int64_t)body.bytes);
    return true;
}

static void set_body(struct draft *draft)
{
    const struct candidate *body = &draft->held[FIELD_BODY];

    if (!body->is_there)
        return;
    struct slice text = body->value.kind == PULL_TEXT ? body->value.value.text : body->value.json;
    (void)object_set_body(draft->event, text, draft->room);
}

static void finish(struct draft *draft)
{
    struct event *event = draft->event;
    const struct candidate *dropped = &draft->held[FIELD_DROPPED_COUNT];

    set_time(draft, FIELD_TIME, &event->time_ns);
    set_time(draft, FIELD_OBSERVED_TIME, &event->observed_ns);
    set_severity(draft);
    set_trace(draft);
    if (dropped->is_there && dropped->value.kind == PULL_INTEGER &&
        dropped->value.value.integer > 0 && dropped->value.value.integer <= INT32_MAX)
        event->lost_attributes += (uint32_t)dropped->value.value.integer;
    else
        keep_as_attribute(draft, dropped);
    if (set_metric(draft))
        keep_as_attribute(draft, &draft->held[FIELD_BODY]);
    else
        set_body(draft);
}

/* ---- the object ---- */

static void take_member(struct draft *draft, const struct candidate *candidate, enum field field,
                        char **roomp)
{
    switch (field) {
    case FIELD_ATTRIBUTE:
        keep_as_attribute(draft, candidate);
        break;
    case FIELD_ATTRIBUTES:
        read_attributes(draft, candidate, roomp);
        break;
    default:
        hold(draft, field, candidate);
        break;
    }
}

bool object_read(struct mapping *mapping, struct pull *pull, struct event *event)
{
    struct draft draft = { .mapping = mapping, .event = event };
    const struct event before = *event;
    enum pull_step step;

    /* Half for attributes, so that they never leave nothing for the body. */
    draft.room = mapping->max_event_bytes / 2;
    pull->at++;
    for (bool is_first = true;; is_first = false) {
        struct candidate candidate = { .is_there = true };
        step = pull_member(pull, is_first, &candidate.key);
        if (step != PULL_NEXT)
            break;
        candidate.value = pull_value(pull);
        if (candidate.value.kind == PULL_BAD)
            break;
        enum field field = fields_find(&mapping->fields, candidate.key, &candidate.rank);
        if (candidate.value.kind != PULL_NULL || field == FIELD_VALUE)
            take_member(&draft, &candidate, field, &pull->room);
    }
    if (step != PULL_END) {
        *event = before;
        return false;
    }
    if (draft.held[FIELD_RESOURCE].is_there)
        read_resource(&draft, &draft.held[FIELD_RESOURCE], &pull->room);
    draft.room += mapping->max_event_bytes - mapping->max_event_bytes / 2;
    finish(&draft);
    return true;
}
