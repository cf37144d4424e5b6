/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp_walk.h"

#include <math.h>

enum { WIRE_VARINT, WIRE_EIGHT, WIRE_BYTES, WIRE_FOUR = 5 };

struct otlp_walk otlp_begin(const struct otlp_row *rows, bool is_json, struct slice message,
                            char **room)
{
    if (message.bytes == 0) /* of a field that is no message there may be no data */
        message.data = "";
    struct otlp_walk walk = { .is_json = is_json,
                              .is_first = true,
                              .rows = rows,
                              .at = message.data,
                              .end = message.data + message.bytes,
                              .room = room };

    if (!is_json)
        return walk;
    if (message.bytes == 0 || *walk.at != '{')
        walk.is_broken = true;
    else
        walk.at++;
    return walk;
}

static unsigned break_off(struct otlp_walk *walk)
{
    walk->is_broken = true;
    return 0;
}

/* ---- protobuf ---- */

static bool take_varint(struct otlp_walk *walk, const char *end, uint64_t *ret)
{
    uint64_t total = 0;

    for (unsigned shift = 0; shift < 64 && walk->at < end; shift += 7) {
        unsigned char byte = (unsigned char)*walk->at++;
        total |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = total;
            return true;
        }
    }
    return false;
}

/* The lowest byte first. */
static bool take_fixed(struct otlp_walk *walk, const char *end, size_t bytes, uint64_t *ret)
{
    if ((size_t)(end - walk->at) < bytes)
        return false;
    *ret = 0;
    for (size_t i = 0; i < bytes; i++)
        *ret |= (uint64_t)(unsigned char)walk->at[i] << (8 * i);
    walk->at += bytes;
    return true;
}

static bool take_wire(struct otlp_walk *walk, struct otlp_value *ret)
{
    uint64_t length;

    switch (ret->wire) {
    case WIRE_VARINT:
        return take_varint(walk, walk->end, &ret->bits);
    case WIRE_EIGHT:
        return take_fixed(walk, walk->end, 8, &ret->bits);
    case WIRE_FOUR:
        return take_fixed(walk, walk->end, 4, &ret->bits);
    case WIRE_BYTES:
        if (!take_varint(walk, walk->end, &length) || length > (size_t)(walk->end - walk->at))
            return false;
        ret->bytes = (struct slice){ walk->at, (size_t)length };
        walk->at += length;
        return true;
    default:
        return false; /* groups, which no message of OTLP has */
    }
}

static const struct otlp_row *row_of(const struct otlp_walk *walk, uint64_t number)
{
    for (const struct otlp_row *row = walk->rows; row->json != NULL; row++) {
        if (row->number == number)
            return row;
    }
    return NULL;
}

static unsigned next_packed(struct otlp_walk *walk, struct otlp_value *ret)
{
    bool ok = walk->packed_wire == WIRE_VARINT ? take_varint(walk, walk->packed_end, &ret->bits)
                                               : take_fixed(walk, walk->packed_end, 8, &ret->bits);

    ret->wire = walk->packed_wire;
    return ok ? walk->packed_field : break_off(walk);
}

static unsigned next_wire(struct otlp_walk *walk, struct otlp_value *ret)
{
    uint64_t tag;

    for (;;) {
        if (walk->packed_end != NULL && walk->at < walk->packed_end)
            return next_packed(walk, ret);
        walk->packed_end = NULL;
        if (walk->at == walk->end)
            return 0;
        if (!take_varint(walk, walk->end, &tag))
            return break_off(walk);
        ret->wire = tag & 7;
        if (!take_wire(walk, ret))
            return break_off(walk);
        const struct otlp_row *row = row_of(walk, tag >> 3);
        if (row == NULL)
            continue;
        if (row->kind == OTLP_ONE || ret->wire != WIRE_BYTES)
            return row->number;
        walk->packed_field = row->number;
        walk->packed_wire = row->kind == OTLP_PACKED_VARINT ? WIRE_VARINT : WIRE_EIGHT;
        walk->packed_end = walk->at;
        walk->at = ret->bytes.data;
    }
}

/* ---- JSON ---- */

static struct pull pull_of(const struct otlp_walk *walk)
{
    return (struct pull){ walk->at, walk->end, *walk->room };
}

static void put_back(struct otlp_walk *walk, const struct pull *pull)
{
    walk->at = pull->at;
    *walk->room = pull->room;
}

static unsigned find_key(const struct otlp_walk *walk, struct slice key)
{
    for (const struct otlp_row *row = walk->rows; row->json != NULL; row++) {
        if (slice_equals(slice_of(row->json), key))
            return row->number;
    }
    return 0;
}

static unsigned next_element(struct otlp_walk *walk, struct otlp_value *ret)
{
    struct pull pull = pull_of(walk);
    enum pull_step step = pull_element(&pull, walk->array_is_first);

    walk->array_is_first = false;
    if (step == PULL_NEXT)
        ret->pulled = pull_value(&pull);
    put_back(walk, &pull);
    if (step == PULL_END) {
        walk->array_field = 0;
        return 0;
    }
    if (step == PULL_BROKEN || ret->pulled.kind == PULL_BAD)
        return break_off(walk);
    return walk->array_field;
}

/* A member that is known; of one whose value is an array its elements come next. */
static unsigned next_member(struct otlp_walk *walk, struct otlp_value *ret, bool *ret_is_end)
{
    struct pull pull = pull_of(walk);
    struct slice key;
    enum pull_step step = pull_member(&pull, walk->is_first, &key);

    walk->is_first = false;
    *ret_is_end = step != PULL_NEXT;
    if (step == PULL_BROKEN)
        return break_off(walk);
    if (step == PULL_END) {
        put_back(walk, &pull);
        return 0;
    }
    unsigned field = find_key(walk, key);
    pull_space(&pull);
    if (field != 0 && pull.at < pull.end && *pull.at == '[') {
        pull.at++;
        walk->array_field = field;
        walk->array_is_first = true;
        put_back(walk, &pull);
        return 0;
    }
    ret->pulled = pull_value(&pull);
    put_back(walk, &pull);
    if (ret->pulled.kind == PULL_BAD)
        return break_off(walk);
    return ret->pulled.kind == PULL_NULL ? 0 : field;
}

static unsigned next_json(struct otlp_walk *walk, struct otlp_value *ret)
{
    bool is_end = false;
    unsigned field = 0;

    while (field == 0 && !is_end && !walk->is_broken)
        field = walk->array_field != 0 ? next_element(walk, ret) : next_member(walk, ret, &is_end);
    return field;
}

unsigned otlp_next(struct otlp_walk *walk, struct otlp_value *ret)
{
    *ret = (struct otlp_value){ .is_json = walk->is_json };
    if (walk->is_broken)
        return 0;
    return walk->is_json ? next_json(walk, ret) : next_wire(walk, ret);
}

/* ---- values ---- */

struct slice otlp_bytes(const struct otlp_value *value)
{
    if (!value->is_json)
        return value->bytes;
    return value->pulled.kind == PULL_TEXT ? value->pulled.value.text : value->pulled.json;
}

/* 64 bits come in quotes, and some senders leave them out. */
static bool read_quoted(const struct otlp_value *value, struct pull_value *ret)
{
    char room[8];

    *ret = value->pulled;
    if (ret->kind != PULL_TEXT)
        return ret->kind == PULL_INTEGER || ret->kind == PULL_REAL;
    struct slice text = ret->value.text;
    struct pull pull = { text.data, text.data + text.bytes, room };
    if (text.bytes == 0 || (text.data[0] != '-' && (text.data[0] < '0' || text.data[0] > '9')))
        return false;
    *ret = pull_value(&pull);
    return ret->kind == PULL_INTEGER || ret->kind == PULL_REAL;
}

uint64_t otlp_number(const struct otlp_value *value)
{
    const double beyond = 18446744073709551616.0;
    struct pull_value read;

    if (!value->is_json)
        return value->bits;
    if (!read_quoted(value, &read))
        return 0;
    if (read.kind == PULL_INTEGER)
        return (uint64_t)read.value.integer;
    return read.value.real >= 0 && read.value.real < beyond ? (uint64_t)read.value.real : 0;
}

double otlp_real(const struct otlp_value *value)
{
    struct pull_value read;
    double real;

    if (!value->is_json) {
        memcpy(&real, &value->bits, sizeof(real));
        return real;
    }
    if (read_quoted(value, &read))
        return read.kind == PULL_INTEGER ? (double)read.value.integer : read.value.real;
    if (slice_equals(otlp_bytes(value), SLICE("Infinity")))
        return INFINITY;
    return slice_equals(otlp_bytes(value), SLICE("-Infinity")) ? -INFINITY : NAN;
}

bool otlp_flag(const struct otlp_value *value)
{
    if (!value->is_json)
        return value->bits != 0;
    return value->pulled.kind == PULL_BOOLEAN && value->pulled.value.boolean;
}

int64_t otlp_time(const struct otlp_value *value)
{
    uint64_t ns = otlp_number(value);

    return ns > INT64_MAX ? 0 : (int64_t)ns;
}

int64_t otlp_zigzag(const struct otlp_value *value)
{
    uint64_t bits = otlp_number(value);

    return value->is_json ? (int64_t)bits : (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
}

static int read_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool otlp_id(const struct otlp_value *value, uint8_t *to, size_t bytes)
{
    struct slice id = otlp_bytes(value);
    uint8_t any = 0;

    if (id.bytes != (value->is_json ? 2 * bytes : bytes))
        return false;
    for (size_t i = 0; i < bytes; i++) {
        if (!value->is_json) {
            to[i] = (uint8_t)id.data[i];
        } else {
            int high = read_digit(id.data[2 * i]), low = read_digit(id.data[2 * i + 1]);
            if (high < 0 || low < 0)
                return false;
            to[i] = (uint8_t)(high << 4 | low);
        }
        any |= to[i];
    }
    return any != 0;
}
