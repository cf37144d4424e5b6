/* SPDX-License-Identifier: Apache-2.0 */
/* encoder: the limit is asked once for each event, not once for each field. An event is written
 * when its worst case fits the buffer, and taken back if it then turns out to be over the limit;
 * only at the end of a batch, or for a very large event, is it measured first.
 * Numbers and dates are written by our own arithmetic: printf would cost more than all the rest.
 * Each field is written with a comma before it; the first one's becomes the opening brace. */
#include "batch/encoder.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "event/resource.h"
#include "plugins/plugin.h"

enum {
    HEAD_BYTES = 640, /* over all keys, times, numbers and ids of one event, without attributes */
    OVERSPILL_BYTES = 32, /* json_escape() writes whole blocks */
    ATTRIBUTE_BYTES = 40, /* over quotes, colon, comma and a number of one attribute */
    STAMP_BYTES = 32,
    CLOSE_BYTES = 2, /* newline and bracket */
};

/* The last time written and its text: events of one read share their observed time. */
struct stamp {
    int64_t ns, second;
    size_t bytes;
    char text[STAMP_BYTES];
};

struct encoder {
    /* constant after construction */
    int encoding;
    size_t limit_bytes; /* of events; what closes an array is left out */
    size_t room;
    /* the batch */
    size_t bytes;
    uint64_t events;
    bool ended;
    struct stamp time, observed, start;
    char data[];
};

static inline char *put(char *to, struct slice text)
{
    if (text.bytes > 0) /* of nothing there may be no data */
        memcpy(to, text.data, text.bytes);
    return to + text.bytes;
}

static char *put_digits(char *to, unsigned value, size_t digits)
{
    for (size_t i = digits; i > 0; i--, value /= 10)
        to[i - 1] = (char)('0' + value % 10);
    return to + digits;
}

/* Howard Hinnant's days_from_civil, backwards ("chrono-Compatible Low-Level Date Algorithms").
 * 64 bits of nanoseconds reach from 1677 to 2262, so the year always has four digits. */
static char *put_date(char *to, int64_t days)
{
    unsigned shifted = (unsigned)(days + 719468); /* days since 0000-03-01 */
    unsigned era = shifted / 146097, day_of_era = shifted % 146097;
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned from_march = (5 * day_of_year + 2) / 153;
    unsigned month = from_march < 10 ? from_march + 3 : from_march - 9;

    to = put_digits(to, era * 400 + year_of_era + (month <= 2 ? 1 : 0), 4);
    *to++ = '-';
    to = put_digits(to, month, 2);
    *to++ = '-';
    return put_digits(to, day_of_year - (153 * from_march + 2) / 5 + 1, 2);
}

static char *put_second(char *to, int64_t second)
{
    const int64_t day_s = 86400;
    int64_t days = second / day_s - (second % day_s < 0 ? 1 : 0);
    unsigned rest = (unsigned)(second - days * day_s);

    to = put_date(to, days);
    *to++ = 'T';
    to = put_digits(to, rest / 3600, 2);
    *to++ = ':';
    to = put_digits(to, rest / 60 % 60, 2);
    *to++ = ':';
    return put_digits(to, rest % 60, 2);
}

static void set_stamp(struct stamp *stamp, int64_t ns)
{
    enum { SECOND_BYTES = sizeof("2026-01-01T00:00:00") - 1 };
    int64_t second = ns / NS_PER_S - (ns % NS_PER_S < 0 ? 1 : 0);
    unsigned fraction = (unsigned)(ns - second * NS_PER_S);
    bool is_whole_ms = fraction % NS_PER_MS == 0;
    char *to = stamp->text + SECOND_BYTES;

    if (stamp->bytes == 0 || second != stamp->second)
        (void)put_second(stamp->text, second);
    *to++ = '.';
    to = is_whole_ms ? put_digits(to, fraction / (unsigned)NS_PER_MS, 3)
                     : put_digits(to, fraction, 9);
    *to++ = 'Z';
    stamp->ns = ns;
    stamp->second = second;
    stamp->bytes = (size_t)(to - stamp->text);
}

static inline char *put_time(char *to, struct slice key, struct stamp *stamp, int64_t ns)
{
    if (ns == 0)
        return to;
    if (stamp->bytes == 0 || ns != stamp->ns)
        set_stamp(stamp, ns);
    to = put(to, key);
    memcpy(to, stamp->text, STAMP_BYTES);
    to += stamp->bytes;
    *to++ = '"';
    return to;
}

static inline char *put_text(char *to, struct slice key, struct slice text)
{
    if (text.bytes == 0)
        return to;
    to = put(to, key);
    to += json_escape(to, text, NULL);
    *to++ = '"';
    return to;
}

static char *put_id(char *to, struct slice key, const uint8_t *id, size_t bytes)
{
    static const char hex[] = "0123456789abcdef";

    to = put(to, key);
    for (size_t i = 0; i < bytes; i++) {
        *to++ = hex[id[i] >> 4];
        *to++ = hex[id[i] & 15];
    }
    *to++ = '"';
    return to;
}

static size_t write_number(char *to, const struct value *value)
{
    CHECK(value->kind != VALUE_TEXT);
    switch (value->kind) {
    case VALUE_INT:
        return json_integer(to, value->integer);
    case VALUE_REAL:
        return json_real(to, value->real);
    case VALUE_BOOL:
        return (size_t)(put(to, value->boolean ? SLICE("true") : SLICE("false")) - to);
    case VALUE_TEXT:
        break;
    }
    return 0;
}

static char *put_attributes(char *to, const struct event *event)
{
    to = put(to, SLICE(",\"attributes\":"));
    for (size_t i = 0; i < event->attribute_count; i++) {
        const struct attribute *attribute = &event->attributes[i];
        *to++ = i == 0 ? '{' : ',';
        *to++ = '"';
        to += json_escape(to, attribute->key, NULL);
        *to++ = '"';
        *to++ = ':';
        if (attribute->value.kind != VALUE_TEXT) {
            to += write_number(to, &attribute->value);
            continue;
        }
        *to++ = '"';
        to += json_escape(to, attribute->value.text, NULL);
        *to++ = '"';
    }
    *to++ = '}';
    return to;
}

static char *put_common(char *to, const struct event *event)
{
    if (event->attribute_count > 0)
        to = put_attributes(to, event);
    if (event->lost_attributes > 0) {
        to = put(to, SLICE(",\"dropped_attributes_count\":"));
        to += json_integer(to, event->lost_attributes);
    }
    return to;
}

static char *put_log(struct encoder *encoder, char *to, const struct event *event)
{
    to = put_time(to, SLICE(",\"time\":\""), &encoder->time, event->time_ns);
    to = put_time(to, SLICE(",\"observed_time\":\""), &encoder->observed, event->observed_ns);
    if (event->severity != SEVERITY_NONE) {
        to = put(to, SLICE(",\"severity_number\":"));
        to += json_integer(to, event->severity);
    }
    to = put_text(to, SLICE(",\"severity_text\":\""), event->severity_text);
    to = put_text(to, SLICE(",\"body\":\""), event->body);
    to = put_common(to, event);
    if ((event->flags & EVENT_HAS_TRACE) != 0) {
        to = put_id(to, SLICE(",\"trace_id\":\""), event->trace_id, sizeof(event->trace_id));
        to = put_id(to, SLICE(",\"span_id\":\""), event->span_id, sizeof(event->span_id));
    }
    return to;
}

static char *put_metric(struct encoder *encoder, char *to, const struct event *event)
{
    static const struct slice types[] = {
        [EVENT_SUM] = SLICE(",\"type\":\"sum\""),
        [EVENT_UPDOWN] = SLICE(",\"type\":\"updown\""),
        [EVENT_GAUGE] = SLICE(",\"type\":\"gauge\""),
    };
    int64_t time_ns = event->time_ns != 0 ? event->time_ns : event->observed_ns;

    to = put_time(to, SLICE(",\"time\":\""), &encoder->time, time_ns);
    to = put_time(to, SLICE(",\"start_time\":\""), &encoder->start, event->start_ns);
    to = put_text(to, SLICE(",\"name\":\""), event->body);
    to = put(to, types[event->kind]);
    if ((event->flags & EVENT_DELTA) != 0)
        to = put(to, SLICE(",\"temporality\":\"delta\""));
    to = put_text(to, SLICE(",\"unit\":\""), event->unit);
    to = put(to, SLICE(",\"value\":"));
    to += json_real(to, event->number);
    if ((event->flags & EVENT_NO_VALUE) != 0)
        to = put(to, SLICE(",\"no_recorded_value\":true"));
    return put_common(to, event);
}

static char *put_event(struct encoder *encoder, char *to, const struct event *event)
{
    char *begin = to;

    if (encoder->encoding == ENCODE_JSON_ARRAY)
        begin = to = put(to, encoder->events == 0 ? SLICE("[\n") : SLICE(",\n"));
    to = event->kind == EVENT_LOG ? put_log(encoder, to, event) : put_metric(encoder, to, event);
    if (event->resource != NULL) {
        to = put(to, SLICE(",\"resource\":"));
        to = put(to, resource_json(event->resource));
    }
    if (to == begin)
        to++;
    *begin = '{';
    *to++ = '}';
    if (encoder->encoding == ENCODE_NDJSON)
        *to++ = '\n';
    return to;
}

/* Bytes of the text after escaping. Escaped piece by piece on the stack; a piece ends where no
 * UTF-8 sequence can span the cut: before a byte that continues none, or after four that do. */
static size_t measure_text(struct slice text)
{
    enum { PIECE = 512 };
    char escaped[6 * PIECE + OVERSPILL_BYTES];
    size_t total = 0;

    while (text.bytes > PIECE) {
        size_t cut = PIECE;
        while (cut > PIECE - 4 && ((unsigned char)text.data[cut] & 0xc0) == 0x80)
            cut--;
        total += json_escape(escaped, (struct slice){ text.data, cut }, NULL);
        text.data += cut;
        text.bytes -= cut;
    }
    return total + json_escape(escaped, text, NULL);
}

static size_t measure_resource(const struct event *event)
{
    return event->resource == NULL ? 0 : resource_json(event->resource).bytes;
}

/* The most that the event can take in the buffer; cheap. */
static size_t bound_event(const struct event *event)
{
    size_t texts = event->body.bytes + event->severity_text.bytes + event->unit.bytes;

    for (size_t i = 0; i < event->attribute_count; i++) {
        const struct attribute *attribute = &event->attributes[i];
        texts += attribute->key.bytes;
        texts += attribute->value.kind == VALUE_TEXT ? attribute->value.text.bytes : 0;
    }
    return HEAD_BYTES + 6 * texts + ATTRIBUTE_BYTES * (size_t)event->attribute_count +
           measure_resource(event) + OVERSPILL_BYTES;
}

/* What the event takes in the buffer, too large by HEAD_BYTES and OVERSPILL_BYTES at most; it costs
 * as much as encoding the event. */
static size_t measure_event(const struct event *event)
{
    size_t total = HEAD_BYTES + OVERSPILL_BYTES + measure_resource(event) +
                   measure_text(event->body) + measure_text(event->severity_text) +
                   measure_text(event->unit);

    for (size_t i = 0; i < event->attribute_count; i++) {
        const struct attribute *attribute = &event->attributes[i];
        char number[STAMP_BYTES];
        total += sizeof("\"\":,") - 1 + measure_text(attribute->key);
        total += attribute->value.kind == VALUE_TEXT
                     ? sizeof("\"\"") - 1 + measure_text(attribute->value.text)
                     : write_number(number, &attribute->value);
    }
    return total;
}

struct encoder *encoder_new(int encoding, size_t limit_bytes)
{
    CHECK(encoding == ENCODE_NDJSON || encoding == ENCODE_JSON_ARRAY);
    CHECK(limit_bytes > CLOSE_BYTES && limit_bytes < SIZE_MAX / 8);
    /* Behind the limit there is room for what measure_event() is too large by. */
    size_t room = limit_bytes + HEAD_BYTES + OVERSPILL_BYTES;
    struct encoder *encoder = malloc(sizeof(*encoder) + room);

    if (encoder == NULL)
        return NULL;
    *encoder = (struct encoder){ .encoding = encoding, .room = room };
    encoder->limit_bytes = encoding == ENCODE_NDJSON ? limit_bytes : limit_bytes - CLOSE_BYTES;
    return encoder;
}

void encoder_free(struct encoder **encoderp)
{
    free(*encoderp);
    *encoderp = NULL;
}

void encoder_begin(struct encoder *encoder)
{
    encoder->bytes = 0;
    encoder->events = 0;
    encoder->ended = false;
}

enum encoded encoder_add(struct encoder *encoder, const struct event *event)
{
    size_t room = encoder->room - encoder->bytes;
    char *begin = encoder->data + encoder->bytes;

    CHECK(!encoder->ended);
    if (bound_event(event) > room && measure_event(event) > room)
        return encoder->events > 0 ? ENCODE_FULL : ENCODE_NEVER;
    size_t bytes = (size_t)(put_event(encoder, begin, event) - begin);
    if (bytes > encoder->limit_bytes - encoder->bytes)
        return encoder->events > 0 ? ENCODE_FULL : ENCODE_NEVER;
    encoder->bytes += bytes;
    encoder->events++;
    return ENCODED;
}

struct slice encoder_end(struct encoder *encoder)
{
    if (encoder->encoding == ENCODE_JSON_ARRAY && !encoder->ended) {
        char *end = encoder->data + encoder->bytes;
        if (encoder->events == 0)
            *end++ = '[';
        end = put(end, SLICE("\n]"));
        encoder->bytes = (size_t)(end - encoder->data);
    }
    encoder->ended = true;
    return (struct slice){ encoder->data, encoder->bytes };
}

size_t encoder_bytes(const struct encoder *encoder)
{
    return encoder->bytes;
}

/* Bytes of the first `events` lines with their newlines; 0: there are not so many before the last.
 */
static size_t find_cut(struct slice lines, uint64_t events)
{
    const char *next = lines.data, *end = lines.data + lines.bytes;

    for (uint64_t i = 0; i < events; i++) {
        const char *newline = memchr(next, '\n', (size_t)(end - next));
        if (newline == NULL)
            return 0;
        next = newline + 1;
    }
    return next == end ? 0 : (size_t)(next - lines.data);
}

static bool split_array(struct slice text, uint64_t events, struct buf *ret_first,
                        struct buf *ret_second)
{
    const size_t open = sizeof("[\n") - 1, join = sizeof(",\n") - 1;

    if (text.bytes < open)
        return false;
    struct slice lines = { text.data + open, text.bytes - open };
    size_t cut = find_cut(lines, events);
    if (cut < join || lines.bytes - cut <= 1)
        return false;
    return buf_add(ret_first, text.data, open + cut - join) && buf_add(ret_first, "\n]", 2) &&
           buf_add(ret_second, "[\n", 2) &&
           buf_add(ret_second, lines.data + cut, lines.bytes - cut);
}

bool encoder_split(int encoding, struct slice text, uint64_t events, struct buf *ret_first,
                   struct buf *ret_second)
{
    if (events == 0)
        return false;
    if (encoding == ENCODE_JSON_ARRAY)
        return split_array(text, events, ret_first, ret_second);
    size_t cut = find_cut(text, events);
    return cut > 0 && buf_add(ret_first, text.data, cut) &&
           buf_add(ret_second, text.data + cut, text.bytes - cut);
}

bool encoder_event(int encoding, struct slice text, uint64_t index, struct slice *ret)
{
    bool is_array = encoding == ENCODE_JSON_ARRAY;
    const char *end = text.data + text.bytes, *newline = NULL;

    for (uint64_t line = index + (is_array ? 1 : 0);; line--) { /* "[" stands alone */
        newline = memchr(text.data, '\n', (size_t)(end - text.data));
        if (newline == NULL)
            return false;
        if (line == 0)
            break;
        text.data = newline + 1;
    }
    *ret = (struct slice){ text.data, (size_t)(newline - text.data) };
    if (is_array && ret->bytes > 0 && ret->data[ret->bytes - 1] == ',')
        ret->bytes--;
    return ret->bytes > 0;
}
