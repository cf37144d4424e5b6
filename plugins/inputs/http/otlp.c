/* SPDX-License-Identifier: Apache-2.0 */
/* otlp: a resource and a scope may stand behind what they are of, so each list is walked twice: for
 * them, and for the rest. */
#include "otlp.h"

static const struct otlp_row request_rows[] = { { "resourceLogs", 1, OTLP_ONE },
                                                { "resourceMetrics", 1, OTLP_ONE },
                                                { "resourceSpans", 1, OTLP_ONE },
                                                { NULL, 0, 0 } };
static const struct otlp_row group_rows[] = { { "resource", 1, OTLP_ONE },
                                              { "scopeLogs", 2, OTLP_ONE },
                                              { "scopeMetrics", 2, OTLP_ONE },
                                              { "scopeSpans", 2, OTLP_ONE },
                                              { NULL, 0, 0 } };
static const struct otlp_row list_rows[] = { { "scope", 1, OTLP_ONE },
                                             { "logRecords", 2, OTLP_ONE },
                                             { "metrics", 2, OTLP_ONE },
                                             { "spans", 2, OTLP_ONE },
                                             { NULL, 0, 0 } };
static const struct otlp_row resource_rows[] = { { "attributes", 1, OTLP_ONE }, { NULL, 0, 0 } };
static const struct otlp_row scope_rows[] = { { "name", 1, OTLP_ONE },
                                              { "version", 2, OTLP_ONE },
                                              { "attributes", 3, OTLP_ONE },
                                              { NULL, 0, 0 } };
static const struct otlp_row pair_rows[] = { { "key", 1, OTLP_ONE },
                                             { "value", 2, OTLP_ONE },
                                             { NULL, 0, 0 } };

struct otlp_walk otlp_walk(struct otlp *otlp, const struct otlp_row *rows, struct slice message)
{
    return otlp_begin(rows, otlp->is_json, message, &otlp->take->room);
}

void otlp_end_walk(struct otlp *otlp, const struct otlp_walk *walk)
{
    otlp->is_broken |= walk->is_broken;
}

/* ---- events ---- */

struct event *otlp_event(struct otlp *otlp)
{
    struct event *event = take_event(otlp->take);

    event->resource = otlp->resource;
    event->lost_attributes += otlp->resource_lost;
    otlp->left = otlp->take->mapping->max_event_bytes / 2;
    for (size_t i = 0; i < otlp->scope_count; i++)
        otlp_add(otlp, event, otlp->scope[i].key, otlp->scope[i].value);
    return event;
}

void otlp_add(struct otlp *otlp, struct event *event, struct slice key, struct value value)
{
    size_t bytes = key.bytes + OBJECT_ATTRIBUTE_BYTES +
                   (value.kind == VALUE_TEXT ? value.text.bytes : sizeof(value.integer));

    if (bytes > otlp->left || key.bytes > UINT16_MAX) {
        event->lost_attributes++;
        return;
    }
    otlp->left -= bytes;
    event_set(event, key, value);
}

void otlp_add_text(struct otlp *otlp, struct event *event, const char *key, struct slice text)
{
    if (text.bytes > 0)
        otlp_add(otlp, event, slice_of(key), (struct value){ .kind = VALUE_TEXT, .text = text });
}

void otlp_add_integer(struct otlp *otlp, struct event *event, const char *key, int64_t integer)
{
    otlp_add(otlp, event, slice_of(key), (struct value){ .kind = VALUE_INT, .integer = integer });
}

struct slice otlp_pair(struct otlp *otlp, struct slice message, struct slice *ret_key)
{
    struct otlp_walk walk = otlp_walk(otlp, pair_rows, message);
    struct slice value = { "", 0 };
    struct otlp_value field;

    *ret_key = (struct slice){ "", 0 };
    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;)
        *(number == 1 ? ret_key : &value) = otlp_bytes(&field);
    otlp_end_walk(otlp, &walk);
    return value;
}

void otlp_add_pair(struct otlp *otlp, struct event *event, struct slice message)
{
    struct slice key, any = otlp_pair(otlp, message, &key);
    struct value value;

    if (any.bytes == 0)
        return; /* no value */
    if (otlp_any(otlp, event, any, &value))
        otlp_add(otlp, event, key, value);
}

/* ---- resource and scope ---- */

static struct resource *read_resource(struct otlp *otlp, struct slice message)
{
    struct resources *resources = &otlp->take->mapping->resources;
    struct resource *resource = resources_find(resources, message);
    struct attribute attributes[RESOURCE_ATTRIBUTES];
    char memory[OTLP_NESTED_BYTES];
    struct scratch scratch = { memory, sizeof(memory), 0 };
    struct event holder = { .scratch = &scratch }; /* of nested values, while it is made */
    size_t count = 0;
    struct otlp_value field;

    if (resource != NULL || message.bytes > RESOURCE_TEXT_BYTES)
        return resource;
    struct otlp_walk walk = otlp_walk(otlp, resource_rows, message);
    while (otlp_next(&walk, &field) != 0) {
        struct slice key, any = otlp_pair(otlp, otlp_bytes(&field), &key);
        if (count < RESOURCE_ATTRIBUTES && any.bytes > 0 &&
            otlp_any(otlp, &holder, any, &attributes[count].value))
            attributes[count++].key = key;
    }
    otlp_end_walk(otlp, &walk);
    if (otlp->is_broken) /* it must not be found the next time */
        return NULL;
    resources_tidy(resources, otlp->take->mapping->sink, false);
    return resources_add(resources, message, otlp->take->mapping->host, attributes, count);
}

static uint32_t count_attributes(struct otlp *otlp, struct slice message)
{
    char *room = otlp->take->room;
    struct otlp_walk walk = otlp_walk(otlp, resource_rows, message);
    struct otlp_value field;
    uint32_t count = 0;

    while (otlp_next(&walk, &field) != 0)
        count++;
    otlp_end_walk(otlp, &walk);
    otlp->take->room = room;
    return count;
}

/* One that is too long, or finds no memory, is not kept. */
static void begin_resource(struct otlp *otlp, struct slice message)
{
    otlp->resource = message.bytes == 0 ? NULL : read_resource(otlp, message);
    otlp->resource_lost =
        otlp->resource == NULL && message.bytes > 0 ? count_attributes(otlp, message) : 0;
}

static void add_to_scope(struct otlp *otlp, struct slice key, struct value value)
{
    if (otlp->scope_count < OTLP_SCOPE_ATTRIBUTES)
        otlp->scope[otlp->scope_count++] = (struct attribute){ key, value };
}

/* Texts and numbers alone: a nested value would have nowhere to stay. */
static void add_scope_pair(struct otlp *otlp, struct slice message)
{
    struct slice key, any = otlp_pair(otlp, message, &key);
    struct event nowhere = { 0 };
    struct value value;

    if (any.bytes > 0 && otlp_any(otlp, &nowhere, any, &value))
        add_to_scope(otlp, key, value);
}

static void read_scope(struct otlp *otlp, struct slice message)
{
    struct otlp_walk walk = otlp_walk(otlp, scope_rows, message);
    struct otlp_value field;

    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        struct slice bytes = otlp_bytes(&field);
        struct value text = { .kind = VALUE_TEXT, .text = bytes };
        if (number == 3)
            add_scope_pair(otlp, bytes);
        else if (bytes.bytes > 0)
            add_to_scope(otlp, number == 1 ? SLICE("otel.scope.name") : SLICE("otel.scope.version"),
                         text);
    }
    otlp_end_walk(otlp, &walk);
}

/* ---- lists ---- */

static bool goes_on(const struct otlp *otlp)
{
    return !otlp->is_broken && !sink_parcel_fails(otlp->take->mapping->sink);
}

/* Of field 1 the last, where there is one. Texts with escapes are read again later: their room is
 * given back. */
static struct slice find_head(struct otlp *otlp, const struct otlp_row *rows, struct slice message)
{
    char *room = otlp->take->room;
    struct otlp_walk walk = otlp_walk(otlp, rows, message);
    struct slice head = { "", 0 };
    struct otlp_value field;

    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 1)
            head = otlp_bytes(&field);
    }
    otlp_end_walk(otlp, &walk);
    otlp->take->room = room;
    return head;
}

static void take_list(struct otlp *otlp, enum otlp_signal signal, struct slice message)
{
    static void (*const take_item[])(struct otlp * otlp, struct slice message) = {
        [OTLP_LOGS] = otlp_log, [OTLP_METRICS] = otlp_metric, [OTLP_TRACES] = otlp_span
    };
    struct slice scope = find_head(otlp, list_rows, message);
    struct otlp_walk walk = otlp_walk(otlp, list_rows, message);
    struct otlp_value field;

    otlp->scope_count = 0;
    if (scope.bytes > 0)
        read_scope(otlp, scope);
    for (unsigned number; goes_on(otlp) && (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 2)
            take_item[signal](otlp, otlp_bytes(&field));
    }
    otlp_end_walk(otlp, &walk);
}

static void take_group(struct otlp *otlp, enum otlp_signal signal, struct slice message)
{
    struct slice resource = find_head(otlp, group_rows, message);
    struct otlp_walk walk = otlp_walk(otlp, group_rows, message);
    struct otlp_value field;

    begin_resource(otlp, resource);
    for (unsigned number; goes_on(otlp) && (number = otlp_next(&walk, &field)) != 0;) {
        if (number == 2)
            take_list(otlp, signal, otlp_bytes(&field));
    }
    otlp_end_walk(otlp, &walk);
}

/* JSON is seen to be whole before anything of it is taken. */
static bool check_json(struct take *take, struct slice *body)
{
    struct pull pull = { body->data, body->data + body->bytes, take->room };

    pull_space(&pull);
    body->data = pull.at;
    struct pull_value value = pull_value(&pull);
    take->broken_at = (size_t)(pull.at - body->data);
    *body = value.json;
    pull_space(&pull);
    return value.kind == PULL_NESTED && pull.at == pull.end;
}

bool otlp_take(struct take *take, enum otlp_signal signal, bool is_json, struct slice body)
{
    char nested[OTLP_NESTED_BYTES];
    struct otlp otlp = { .take = take, .is_json = is_json, .nested = nested };
    struct otlp_value field;

    if (is_json && !check_json(take, &body))
        return false;
    struct otlp_walk walk = otlp_walk(&otlp, request_rows, body);
    while (goes_on(&otlp) && otlp_next(&walk, &field) != 0)
        take_group(&otlp, signal, otlp_bytes(&field));
    otlp_end_walk(&otlp, &walk);
    return !otlp.is_broken;
}
