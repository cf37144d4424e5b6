/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"

#include "number.h"

enum { LEAST_RATE_DIVISOR = 1000000 };

/* ---- pieces between bars ---- */

static bool take_piece(struct slice *rest, struct slice *ret)
{
    if (rest->bytes == 0)
        return false;
    const char *bar = memchr(rest->data, '|', rest->bytes);
    size_t bytes = bar == NULL ? rest->bytes : (size_t)(bar - rest->data);
    *ret = (struct slice){ rest->data, bytes };
    bytes += bar == NULL ? 0 : 1;
    rest->data += bytes;
    rest->bytes -= bytes;
    return true;
}

static bool begins(struct slice piece, const char *with, size_t bytes)
{
    return piece.bytes >= bytes && memcmp(piece.data, with, bytes) == 0;
}

static struct slice behind(struct slice piece, size_t bytes)
{
    return (struct slice){ piece.data + bytes, piece.bytes - bytes };
}

static const char *take_tags(struct slice list, struct statsd_tags *tags)
{
    while (list.bytes > 0) {
        const char *comma = memchr(list.data, ',', list.bytes);
        size_t bytes = comma == NULL ? list.bytes : (size_t)(comma - list.data);
        if (bytes > 0) {
            if (tags->count == STATSD_TAGS_MOST)
                return "too many tags";
            tags->items[tags->count++] = (struct slice){ list.data, bytes };
        }
        bytes += comma == NULL ? 0 : 1;
        list = behind(list, bytes);
    }
    return NULL;
}

/* ---- samples ---- */

static bool find_kind(struct slice type, enum statsd_kind *ret)
{
    static const struct slice names[] = {
        [STATSD_COUNTER] = SLICE("c"),      [STATSD_GAUGE] = SLICE("g"),
        [STATSD_TIMER] = SLICE("ms"),       [STATSD_HISTOGRAM] = SLICE("h"),
        [STATSD_DISTRIBUTION] = SLICE("d"), [STATSD_SET] = SLICE("s"),
    };
    for (size_t kind = 0; kind < sizeof(names) / sizeof(names[0]); kind++) {
        if (slice_equals(names[kind], type)) {
            *ret = (enum statsd_kind)kind;
            return true;
        }
    }
    return slice_equals(type, SLICE("m")) && (*ret = STATSD_COUNTER, true); /* a meter */
}

static const char *take_rate(struct slice text, struct statsd_sample *sample)
{
    double rate;

    if (!statsd_number(text, &rate) || rate <= 0 || rate > 1 || rate * LEAST_RATE_DIVISOR < 1)
        return "no sample rate between 0.000001 and 1";
    sample->weight = 1 / rate;
    return NULL;
}

static const char *take_time(struct slice text, int64_t *ret_s)
{
    double time_s;

    if (!statsd_number(text, &time_s) || time_s < 0 || time_s > 9e9)
        return "no time";
    *ret_s = (int64_t)time_s;
    return NULL;
}

/* What is behind the type. A time (T…) is passed over: a sample is of the interval in which it
 * comes. So are fields that a later version adds. */
static const char *take_options(struct slice rest, struct statsd_sample *sample)
{
    const char *problem = NULL;
    struct slice piece;

    while (problem == NULL && take_piece(&rest, &piece)) {
        if (begins(piece, "@", 1))
            problem = take_rate(behind(piece, 1), sample);
        else if (begins(piece, "#", 1))
            problem = take_tags(behind(piece, 1), &sample->tags);
    }
    return problem;
}

static bool take_value_text(struct slice *values, enum statsd_kind kind, struct slice *ret)
{
    if (values->bytes == 0)
        return false;
    /* The members of a set may be anything, a colon among it. */
    const char *colon = kind == STATSD_SET ? NULL : memchr(values->data, ':', values->bytes);
    size_t bytes = colon == NULL ? values->bytes : (size_t)(colon - values->data);
    *ret = (struct slice){ values->data, bytes };
    *values = behind(*values, bytes + (colon == NULL ? 0 : 1));
    return true;
}

bool statsd_value(struct statsd_sample *sample, struct statsd_value *ret)
{
    *ret = (struct statsd_value){ 0 };
    if (!take_value_text(&sample->values, sample->kind, &ret->text))
        return false;
    if (sample->kind == STATSD_SET)
        return true;
    ret->is_change = sample->kind == STATSD_GAUGE && ret->text.bytes > 0 &&
                     (ret->text.data[0] == '+' || ret->text.data[0] == '-');
    return statsd_number(ret->text, &ret->number);
}

/* Before anything is counted: a line is taken as a whole or not at all. */
static const char *check_values(const struct statsd_sample *sample)
{
    struct slice rest = sample->values, text;
    double number;

    if (rest.bytes == 0)
        return "no value";
    if (sample->kind != STATSD_SET && rest.data[rest.bytes - 1] == ':')
        return "a value that is no number";
    while (sample->kind != STATSD_SET && take_value_text(&rest, sample->kind, &text)) {
        if (!statsd_number(text, &number))
            return "a value that is no number";
    }
    return NULL;
}

const char *statsd_parse_sample(struct slice line, struct statsd_sample *ret)
{
    struct slice rest = line, head, type;

    ret->weight = 1;
    ret->tags.count = 0;
    (void)take_piece(&rest, &head);
    const char *colon = line.bytes == 0 ? NULL : memchr(head.data, ':', head.bytes);
    if (colon == NULL || colon == head.data)
        return "no name with a value";
    ret->name = (struct slice){ head.data, (size_t)(colon - head.data) };
    ret->values = behind(head, ret->name.bytes + 1);
    if (ret->name.bytes > STATSD_NAME_MOST_BYTES)
        return "the name is too long";
    if (!take_piece(&rest, &type) || !find_kind(type, &ret->kind))
        return "no type that is known";
    const char *problem = take_options(rest, ret);
    return problem != NULL ? problem : check_values(ret);
}

/* ---- events and service checks ---- */

bool statsd_is_event(struct slice line)
{
    return begins(line, "_e{", 3) || begins(line, "_sc|", 4);
}

static bool take_length(struct slice *rest, char end, size_t *ret)
{
    size_t length = 0, digits = 0;

    while (digits < rest->bytes && rest->data[digits] >= '0' && rest->data[digits] <= '9') {
        if (digits == 7)
            return false;
        length = length * 10 + (size_t)(rest->data[digits++] - '0');
    }
    if (digits == 0 || digits == rest->bytes || rest->data[digits] != end)
        return false;
    *rest = behind(*rest, digits + 1);
    *ret = length;
    return true;
}

static const char *take_event_options(struct slice rest, struct statsd_event *event)
{
    const struct {
        const char *prefix;
        struct slice *field;
    } fields[] = { { "h:", &event->host },
                   { "k:", &event->key },
                   { "p:", &event->priority },
                   { "s:", &event->source },
                   { "t:", &event->alert } };
    const char *problem = NULL;
    struct slice piece;

    while (problem == NULL && take_piece(&rest, &piece)) {
        if (begins(piece, "#", 1))
            problem = take_tags(behind(piece, 1), &event->tags);
        else if (begins(piece, "d:", 2))
            problem = take_time(behind(piece, 2), &event->time_s);
        else if (begins(piece, "m:", 2) && event->is_check)
            event->text = behind(piece, 2);
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
            if (begins(piece, fields[i].prefix, 2))
                *fields[i].field = behind(piece, 2);
        }
    }
    return problem;
}

static const char *parse_check(struct slice rest, struct statsd_event *event)
{
    struct slice status;

    event->is_check = true;
    if (!take_piece(&rest, &event->title) || event->title.bytes == 0)
        return "a service check without a name";
    if (!take_piece(&rest, &status) || status.bytes != 1 || status.data[0] < '0' ||
        status.data[0] > '3')
        return "a service check without a status from 0 to 3";
    event->status = status.data[0] - '0';
    return take_event_options(rest, event);
}

const char *statsd_parse_event(struct slice line, struct statsd_event *ret)
{
    size_t title_bytes, text_bytes;

    memset(ret, 0, offsetof(struct statsd_event, tags));
    ret->tags.count = 0;
    if (begins(line, "_sc|", 4))
        return parse_check(behind(line, 4), ret);
    struct slice rest = behind(line, 3);
    if (!take_length(&rest, ',', &title_bytes) || !take_length(&rest, '}', &text_bytes) ||
        rest.bytes == 0 || rest.data[0] != ':')
        return "an event without its lengths";
    rest = behind(rest, 1);
    if (title_bytes == 0 || rest.bytes <= title_bytes || rest.data[title_bytes] != '|' ||
        rest.bytes - title_bytes - 1 < text_bytes)
        return "an event shorter than its lengths";
    ret->title = (struct slice){ rest.data, title_bytes };
    ret->text = (struct slice){ rest.data + title_bytes + 1, text_bytes };
    rest = behind(rest, title_bytes + 1 + text_bytes);
    if (rest.bytes > 0 && rest.data[0] != '|')
        return "an event longer than its lengths";
    return take_event_options(rest.bytes > 0 ? behind(rest, 1) : rest, ret);
}
