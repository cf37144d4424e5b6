/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_walk: steps through one message of OTLP, field by field, in protobuf's wire format or in its
 * JSON form; who walks sees no difference.
 * Why not protobuf-c: it builds a tree, an allocation for each field, and JSON would need a second
 * reader of everything. Of the wire format four kinds of fields are all there is.
 * Sources: protobuf.dev/programming-guides/encoding, opentelemetry.io/docs/specs/otlp (JSON).
 * Promise: allocates nothing, reads nothing behind the end; unknown fields are skipped; nested
 * messages are slices, so only who walks them recurses. Threads: any. */
#pragma once

#include "pull.h"

enum otlp_kind { OTLP_ONE, OTLP_PACKED_FIXED, OTLP_PACKED_VARINT };

/* The fields of a message that are read; others are skipped. Ends with a row without name. */
struct otlp_row {
    const char *json; /* its key */
    uint8_t number;   /* below 32 */
    uint8_t kind;     /* enum otlp_kind: repeated numbers may come in one piece */
};

struct otlp_value {
    bool is_json;
    unsigned wire;            /* of protobuf: 0 varint, 1 eight bytes, 2 bytes, 5 four bytes */
    uint64_t bits;            /* of a number */
    struct slice bytes;       /* wire 2 */
    struct pull_value pulled; /* of JSON */
};

struct otlp_walk {
    bool is_json, is_first, is_broken;
    const struct otlp_row *rows;
    const char *at, *end;
    unsigned packed_field, packed_wire; /* in the middle of one */
    const char *packed_end;
    unsigned array_field; /* JSON: in the middle of one; 0: no */
    bool array_is_first;
    char **room; /* for texts of JSON with escapes */
};

/* message: of JSON with its braces. */
struct otlp_walk otlp_begin(const struct otlp_row *rows, bool is_json, struct slice message,
                            char **room);
/* The number of the next field; 0: the end, or broken. */
unsigned otlp_next(struct otlp_walk *walk, struct otlp_value *ret);

struct slice otlp_bytes(const struct otlp_value *value); /* a text, or a message */
uint64_t otlp_number(const struct otlp_value *value);    /* of JSON also in quotes */
double otlp_real(const struct otlp_value *value);
bool otlp_flag(const struct otlp_value *value);
int64_t otlp_time(const struct otlp_value *value);   /* Unix nanoseconds; 0: none, or behind 2262 */
int64_t otlp_zigzag(const struct otlp_value *value); /* sint32 */
/* bytes; of JSON in hexadecimal, as ids are. false: not so many, or all zero. */
bool otlp_id(const struct otlp_value *value, uint8_t *to, size_t bytes);
