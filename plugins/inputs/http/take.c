/* SPDX-License-Identifier: Apache-2.0 */
#include "take.h"

struct event *take_event(struct take *take)
{
    struct sink *sink = take->mapping->sink;

    resources_tidy(&take->mapping->resources, sink, false);
    struct event *event = sink_event(sink);
    take->events++;
    if (take->client.bytes > 0)
        event_text(event, "client.address", take->client);
    return event;
}

static void set_body(struct take *take, struct event *event, struct slice text)
{
    take->cut += object_set_body(event, text, take->mapping->max_event_bytes);
}

/* ---- lines ---- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static struct slice trim(const char *begin, const char *end)
{
    while (begin < end && is_blank(end[-1]))
        end--;
    while (begin < end && is_blank(*begin))
        begin++;
    return (struct slice){ begin, (size_t)(end - begin) };
}

static void take_line(struct take *take, const char *begin, const char *end)
{
    if (begin < end && end[-1] == '\r')
        end--;
    if (begin < end)
        set_body(take, take_event(take), (struct slice){ begin, (size_t)(end - begin) });
}

/* An object, or a text; with nothing behind it. */
static bool read_json(struct take *take, struct event *event, struct slice line)
{
    struct pull pull = { line.data, line.data + line.bytes, take->room };

    if (line.data[0] == '{') {
        const struct event before = *event;
        if (!object_read(take->mapping, &pull, event))
            return false;
        if (pull.at != pull.end) {
            *event = before;
            return false;
        }
    } else {
        struct pull_value value = pull_value(&pull);
        if (value.kind != PULL_TEXT || pull.at != pull.end)
            return false;
        set_body(take, event, value.value.text);
    }
    take->room = pull.room;
    return true;
}

static void take_json_line(struct take *take, const char *begin, const char *end)
{
    struct slice line = trim(begin, end);

    if (line.bytes == 0)
        return;
    struct event *event = take_event(take);
    if (read_json(take, event, line))
        return;
    event_text(event, "log.parse_error", SLICE("not a JSON object"));
    set_body(take, event, line);
    take->unparsed++;
}

static bool take_lines(struct take *take, struct slice body,
                       void take_one(struct take *take, const char *begin, const char *end))
{
    const char *at = body.data, *end = body.data + body.bytes;

    while (at < end && !sink_parcel_fails(take->mapping->sink)) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline == NULL ? end : newline;
        take_one(take, at, line_end);
        at = newline == NULL ? end : newline + 1;
    }
    return true;
}

/* ---- one JSON text ---- */

static bool take_value(struct take *take, struct pull *pull)
{
    struct event *event;

    pull_space(pull);
    if (pull->at < pull->end && *pull->at == '{')
        return object_read(take->mapping, pull, take_event(take));
    struct pull_value value = pull_value(pull);
    if (value.kind == PULL_BAD)
        return false;
    event = take_event(take);
    set_body(take, event, value.kind == PULL_TEXT ? value.value.text : value.json);
    return true;
}

static bool take_array(struct take *take, struct pull *pull)
{
    pull->at++;
    for (bool is_first = true; !sink_parcel_fails(take->mapping->sink); is_first = false) {
        enum pull_step step = pull_element(pull, is_first);
        if (step == PULL_END)
            return true;
        if (step == PULL_BROKEN || !take_value(take, pull))
            return false;
    }
    return true;
}

/* An array, or values one behind the other. */
static bool take_json(struct take *take, struct slice body)
{
    struct pull pull = { body.data, body.data + body.bytes, take->room };
    bool is_whole = true;

    for (pull_space(&pull); is_whole && pull.at < pull.end; pull_space(&pull)) {
        if (sink_parcel_fails(take->mapping->sink))
            return true;
        is_whole = *pull.at == '[' ? take_array(take, &pull) : take_value(take, &pull);
    }
    take->room = pull.room;
    take->broken_at = (size_t)(pull.at - body.data);
    return is_whole || sink_parcel_fails(take->mapping->sink);
}

enum take_format take_look(struct slice body)
{
    struct pull pull = { body.data, body.data + body.bytes, NULL };

    pull_space(&pull);
    if (pull.at == pull.end)
        return TAKE_LINES;
    if (*pull.at == '{')
        return TAKE_NDJSON;
    if (*pull.at++ != '[')
        return TAKE_LINES;
    /* A line of a log may begin with a bracket too. */
    pull_space(&pull);
    return pull.at < pull.end && (*pull.at == '{' || *pull.at == ']') ? TAKE_JSON : TAKE_LINES;
}

bool take_body(struct take *take, enum take_format format, struct slice body)
{
    switch (format) {
    case TAKE_NDJSON:
        return take_lines(take, body, take_json_line);
    case TAKE_JSON:
        return take_json(take, body);
    case TAKE_LINES:
        return take_lines(take, body, take_line);
    case TAKE_AUTO:
        break;
    }
    CHECK(false);
    return false;
}
