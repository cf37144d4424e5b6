/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_any: an AnyValue. What is nested is written as JSON, as our own NDJSON has it in texts. */
#include "base64.h"
#include "otlp.h"

enum any { ANY_STRING = 1, ANY_BOOL, ANY_INT, ANY_DOUBLE, ANY_ARRAY, ANY_KVLIST, ANY_BYTES };
enum { ESCAPE_ROOM = 32, NUMBER_ROOM = 32 };

static const struct otlp_row any_rows[] = {
    { "stringValue", ANY_STRING, OTLP_ONE }, { "boolValue", ANY_BOOL, OTLP_ONE },
    { "intValue", ANY_INT, OTLP_ONE },       { "doubleValue", ANY_DOUBLE, OTLP_ONE },
    { "arrayValue", ANY_ARRAY, OTLP_ONE },   { "kvlistValue", ANY_KVLIST, OTLP_ONE },
    { "bytesValue", ANY_BYTES, OTLP_ONE },   { NULL, 0, 0 },
};
static const struct otlp_row values_rows[] = { { "values", 1, OTLP_ONE }, { NULL, 0, 0 } };

struct writer {
    char *to, *end;
    bool failed;
};

static void put(struct writer *writer, struct slice text)
{
    if ((size_t)(writer->end - writer->to) < text.bytes) {
        writer->failed = true;
        return;
    }
    memcpy(writer->to, text.data, text.bytes);
    writer->to += text.bytes;
}

static void put_text(struct writer *writer, struct slice text)
{
    size_t room = (size_t)(writer->end - writer->to);

    if (room < 2 + ESCAPE_ROOM || text.bytes > (room - 2 - ESCAPE_ROOM) / 6) {
        writer->failed = true;
        return;
    }
    *writer->to++ = '"';
    writer->to += json_escape(writer->to, text, NULL);
    *writer->to++ = '"';
}

static void put_number(struct writer *writer, const struct otlp_value *field, bool is_real)
{
    char number[NUMBER_ROOM];
    size_t bytes = is_real ? json_real(number, otlp_real(field))
                           : json_integer(number, (int64_t)otlp_number(field));

    put(writer, (struct slice){ number, bytes });
}

static void put_bytes(struct otlp *otlp, struct writer *writer, struct slice bytes)
{
    size_t room = (size_t)(writer->end - writer->to);

    if (otlp->is_json) { /* it is in base64 there */
        put_text(writer, bytes);
        return;
    }
    if (room < 2 || base64_bytes(bytes.bytes) > room - 2) {
        writer->failed = true;
        return;
    }
    *writer->to++ = '"';
    base64_encode(bytes, writer->to);
    writer->to += base64_bytes(bytes.bytes);
    *writer->to++ = '"';
}

static void put_any(struct otlp *otlp, struct writer *writer, struct slice message, int depth);

static void put_list(struct otlp *otlp, struct writer *writer, struct slice message, int depth)
{
    struct otlp_walk walk = otlp_walk(otlp, values_rows, message);
    struct otlp_value field;

    put(writer, SLICE("["));
    for (bool is_first = true; !writer->failed && otlp_next(&walk, &field) != 0; is_first = false) {
        if (!is_first)
            put(writer, SLICE(","));
        put_any(otlp, writer, otlp_bytes(&field), depth);
    }
    put(writer, SLICE("]"));
    otlp_end_walk(otlp, &walk);
}

static void put_pair(struct otlp *otlp, struct writer *writer, struct slice message, int depth)
{
    struct slice key, value = otlp_pair(otlp, message, &key);

    put_text(writer, key);
    put(writer, SLICE(":"));
    put_any(otlp, writer, value, depth);
}

static void put_map(struct otlp *otlp, struct writer *writer, struct slice message, int depth)
{
    struct otlp_walk walk = otlp_walk(otlp, values_rows, message);
    struct otlp_value field;

    put(writer, SLICE("{"));
    for (bool is_first = true; !writer->failed && otlp_next(&walk, &field) != 0; is_first = false) {
        if (!is_first)
            put(writer, SLICE(","));
        put_pair(otlp, writer, otlp_bytes(&field), depth);
    }
    put(writer, SLICE("}"));
    otlp_end_walk(otlp, &walk);
}

/* Which of its kinds it is; 0: none. */
static unsigned read_any(struct otlp *otlp, struct slice message, struct otlp_value *ret)
{
    struct otlp_value field;
    unsigned kind = 0;

    if (message.bytes == 0)
        return 0;
    struct otlp_walk walk = otlp_walk(otlp, any_rows, message);
    for (unsigned number; (number = otlp_next(&walk, &field)) != 0;) {
        kind = number;
        *ret = field;
    }
    otlp_end_walk(otlp, &walk);
    return kind;
}

static void put_any(struct otlp *otlp, struct writer *writer, struct slice message, int depth)
{
    struct otlp_value field = { 0 };

    if (depth == OTLP_ANY_DEPTH) {
        writer->failed = true;
        return;
    }
    switch (read_any(otlp, message, &field)) {
    case ANY_STRING:
        put_text(writer, otlp_bytes(&field));
        break;
    case ANY_BOOL:
        put(writer, otlp_flag(&field) ? SLICE("true") : SLICE("false"));
        break;
    case ANY_INT:
        put_number(writer, &field, false);
        break;
    case ANY_DOUBLE:
        put_number(writer, &field, true);
        break;
    case ANY_ARRAY:
        put_list(otlp, writer, otlp_bytes(&field), depth + 1);
        break;
    case ANY_KVLIST:
        put_map(otlp, writer, otlp_bytes(&field), depth + 1);
        break;
    case ANY_BYTES:
        put_bytes(otlp, writer, otlp_bytes(&field));
        break;
    default:
        put(writer, SLICE("null"));
        break;
    }
}

/* As JSON; of bytes without the quotes. */
static bool keep_nested(struct otlp *otlp, struct event *event, struct slice message, bool is_bytes,
                        struct value *ret)
{
    struct writer writer = { otlp->nested, otlp->nested + OTLP_NESTED_BYTES, false };

    put_any(otlp, &writer, message, 0);
    struct slice text = { otlp->nested, (size_t)(writer.to - otlp->nested) };
    if (is_bytes && text.bytes >= 2)
        text = (struct slice){ text.data + 1, text.bytes - 2 };
    *ret = (struct value){ .kind = VALUE_TEXT, .text = event_keep(event, text) };
    if (!writer.failed && ret->text.bytes == text.bytes)
        return true;
    event->lost_attributes++;
    return false;
}

bool otlp_any(struct otlp *otlp, struct event *event, struct slice message, struct value *ret)
{
    struct otlp_value field = { 0 };
    char *room = otlp->take->room;
    unsigned kind = read_any(otlp, message, &field);

    switch (kind) {
    case ANY_STRING:
        *ret = (struct value){ .kind = VALUE_TEXT, .text = otlp_bytes(&field) };
        return true;
    case ANY_BOOL:
        *ret = (struct value){ .kind = VALUE_BOOL, .boolean = otlp_flag(&field) };
        return true;
    case ANY_INT:
        *ret = (struct value){ .kind = VALUE_INT, .integer = (int64_t)otlp_number(&field) };
        return true;
    case ANY_DOUBLE:
        *ret = (struct value){ .kind = VALUE_REAL, .real = otlp_real(&field) };
        return true;
    case ANY_ARRAY:
    case ANY_KVLIST:
    case ANY_BYTES:
        otlp->take->room = room; /* it is read again */
        return keep_nested(otlp, event, message, kind == ANY_BYTES, ret);
    default:
        return false;
    }
}
