/* SPDX-License-Identifier: Apache-2.0 */
/* rfc5424: the newer format, RFC 5424, 6. Lengths are not held against a sender. */
#include "message.h"

#include "cursor.h"
#include "stamp.h"

static bool is_nil(struct slice word)
{
    return word.bytes == 1 && word.data[0] == '-';
}

/* A field and the blank behind it. */
static bool take_field(struct slice *rest, struct slice *ret)
{
    struct slice word = cursor_take_word(rest);

    if (word.bytes == 0)
        return false;
    *ret = is_nil(word) ? (struct slice){ word.data, 0 } : word;
    return rest->bytes == 0 || cursor_take(rest, ' ');
}

/* ---- structured data ---- */

static bool is_name_letter(char letter)
{
    return letter > ' ' && letter < 0x7f && letter != '=' && letter != ']' && letter != '"';
}

static struct slice take_name(struct slice *rest)
{
    size_t bytes = 0;

    while (bytes < rest->bytes && is_name_letter(rest->data[bytes]))
        bytes++;
    return cursor_cut(rest, bytes);
}

/* ="value" */
static bool take_value(struct slice *rest, struct syslog_param *param)
{
    struct slice at = *rest;
    size_t bytes = 0;

    param->has_escapes = false;
    if (!cursor_take(&at, '=') || !cursor_take(&at, '"'))
        return false;
    while (bytes < at.bytes && at.data[bytes] != '"') {
        bool is_escape = at.data[bytes] == '\\';
        param->has_escapes = param->has_escapes || is_escape;
        bytes += is_escape ? 2 : 1;
    }
    if (bytes >= at.bytes)
        return false;
    param->value = cursor_cut(&at, bytes);
    cursor_skip(&at, 1);
    *rest = at;
    return true;
}

/* One step through "[id name="value" …][id …]". */
bool syslog_param(struct slice *structured, struct slice *id, struct syslog_param *ret)
{
    struct slice at = *structured;

    *ret = (struct syslog_param){ .id = *id };
    if (cursor_take(&at, '[')) {
        *id = ret->id = take_name(&at);
        if (id->bytes == 0)
            return false;
        if (cursor_take(&at, ']')) {
            *structured = at;
            return true;
        }
    }
    if (id->bytes == 0 || !cursor_take(&at, ' '))
        return false;
    while (cursor_peek(at, 0) == ' ')
        cursor_skip(&at, 1);
    ret->name = take_name(&at);
    if (ret->name.bytes == 0 || !take_value(&at, ret))
        return false;
    while (cursor_peek(at, 0) == ' ' && cursor_peek(at, 1) == ']')
        cursor_skip(&at, 1);
    if (cursor_take(&at, ']'))
        *id = (struct slice){ id->data, 0 };
    *structured = at;
    return true;
}

/* "-", or elements without a blank between them. false: it is neither; *rest is as it was. */
static bool take_structured(struct slice *rest, struct slice *ret)
{
    struct slice at = *rest, id = { NULL, 0 }, taken = { rest->data, 0 };
    struct syslog_param param;

    if (!cursor_take(&at, '-')) {
        while (cursor_peek(at, 0) == '[' || id.bytes > 0) {
            if (!syslog_param(&at, &id, &param))
                return false;
            if (param.name.bytes == 0)
                id.bytes = 0;
        }
        if (at.data == rest->data)
            return false;
        taken.bytes = rest->bytes - at.bytes;
    }
    if (at.bytes > 0 && !cursor_take(&at, ' '))
        return false;
    *rest = at;
    *ret = taken;
    return true;
}

size_t syslog_unescape(struct slice value, char *to)
{
    size_t bytes = 0;

    for (size_t at = 0; at < value.bytes; at++) {
        char next = cursor_peek(value, at + 1);
        bool is_escape = value.data[at] == '\\' && (next == '"' || next == '\\' || next == ']');
        at += is_escape ? 1 : 0; /* a backslash before anything else is one: RFC 5424, 6.3.3 */
        to[bytes++] = value.data[at];
    }
    return bytes;
}

/* ---- the message ---- */

static void skip_byte_order_mark(struct slice *rest)
{
    static const struct slice mark = SLICE("\xef\xbb\xbf");

    if (rest->bytes >= mark.bytes && memcmp(rest->data, mark.data, mark.bytes) == 0)
        cursor_skip(rest, mark.bytes);
}

bool syslog_parse_5424(struct slice rest, const struct syslog_context *context,
                       struct syslog_message *message)
{
    struct slice host, app, process, id, structured = { NULL, 0 };
    struct stamp stamp;
    int version;
    bool has_stamp;

    if (!cursor_take_number(&rest, 1, 3, &version) || version == 0 || !cursor_take(&rest, ' '))
        return false;
    has_stamp = stamp_take_rfc3339(&rest, &stamp);
    if ((!has_stamp && !cursor_take(&rest, '-')) || !cursor_take(&rest, ' '))
        return false;
    if (!take_field(&rest, &host) || !take_field(&rest, &app) || !take_field(&rest, &process) ||
        !take_field(&rest, &id)) {
        message->problem = "the header of RFC 5424 is not whole";
        return true;
    }
    message->version = (unsigned)version;
    message->time_ns = has_stamp ? stamp_ns(&stamp, context->zone, context->now_ns) : 0;
    message->host = host;
    message->app = app;
    message->process = process;
    message->id = id;
    if (rest.bytes > 0 && !take_structured(&rest, &structured))
        message->problem = "the structured data are not well-formed"; /* they stay in the body */
    message->structured = structured;
    skip_byte_order_mark(&rest);
    message->body = rest;
    return true;
}
