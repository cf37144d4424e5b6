/* SPDX-License-Identifier: Apache-2.0 */
/* pull: most bytes of a body are in texts, so only those are looked through eight at a time. */
#include "pull.h"

#include <ctype.h>

enum { NUMBER_BYTES = 64 };

void pull_space(struct pull *pull)
{
    while (pull->at < pull->end &&
           (*pull->at == ' ' || *pull->at == '\n' || *pull->at == '\r' || *pull->at == '\t'))
        pull->at++;
}

/* ---- texts ---- */

/* 0x80 in each byte that equals the one in `pattern`. */
static inline uint64_t mark_byte(uint64_t text, uint64_t pattern)
{
    uint64_t difference = text ^ pattern;
    return (difference - UINT64_C(0x0101010101010101)) & ~difference & UINT64_C(0x8080808080808080);
}

/* The next quote or backslash; the end if there is none. */
static const char *find_special(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t text;
        memcpy(&text, at, sizeof(text));
        if ((mark_byte(text, UINT64_C(0x2222222222222222)) |
             mark_byte(text, UINT64_C(0x5c5c5c5c5c5c5c5c))) != 0)
            break;
        at += 8;
    }
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* Four hexadecimal digits; -1: they are not. */
static int32_t read_unit(const char *at, const char *end)
{
    int32_t unit = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char digit = at[i];
        int32_t value = digit >= '0' && digit <= '9'   ? digit - '0'
                        : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                        : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                                       : -1;
        if (value < 0)
            return -1;
        unit = unit << 4 | value;
    }
    return unit;
}

static char *put_code(char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (code & 0x3f));
    return to;
}

/* Behind "\u": one code point of one or two units; half a pair becomes U+FFFD. NULL: no digits. */
static const char *take_unicode(const char *at, const char *end, char **top)
{
    const uint32_t replacement = 0xfffd;
    int32_t unit = read_unit(at, end);

    if (unit < 0)
        return NULL;
    at += 4;
    uint32_t code = (uint32_t)unit;
    if (unit >= 0xd800 && unit < 0xe000) {
        bool is_pair = unit < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u';
        int32_t low = is_pair ? read_unit(at + 2, end) : -1;
        code = replacement;
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + (((uint32_t)unit - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
            at += 6;
        }
    }
    *top = put_code(*top, code);
    return at;
}

/* At a backslash. NULL: no such escape. */
static const char *take_escape(const char *at, const char *end, char **top)
{
    static const char plain[128] = { ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                     ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t' };

    if (end - at < 2)
        return NULL;
    unsigned char escape = (unsigned char)at[1];
    if (escape == 'u')
        return take_unicode(at + 2, end, top);
    if (escape >= sizeof(plain) || plain[escape] == '\0')
        return NULL;
    *(*top)++ = plain[escape];
    return at + 2;
}

/* From the first backslash on, into the room. */
static bool take_escaped(struct pull *pull, const char *begin, const char *at, struct slice *ret)
{
    char *to = pull->room;

    for (;;) {
        memcpy(to, begin, (size_t)(at - begin));
        to += at - begin;
        if (at == pull->end)
            return false;
        if (*at == '"')
            break;
        begin = take_escape(at, pull->end, &to);
        if (begin == NULL)
            return false;
        at = find_special(begin, pull->end);
    }
    *ret = (struct slice){ pull->room, (size_t)(to - pull->room) };
    pull->room = to;
    pull->at = at + 1;
    return true;
}

/* At a quote. */
static bool take_text(struct pull *pull, struct slice *ret)
{
    const char *begin = pull->at + 1;
    const char *at = find_special(begin, pull->end);

    if (at < pull->end && *at == '"') {
        *ret = (struct slice){ begin, (size_t)(at - begin) };
        pull->at = at + 1;
        return true;
    }
    return take_escaped(pull, begin, at, ret);
}

/* ---- numbers and words ---- */

static bool is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

static const char *skip_digits(const char *at, const char *end)
{
    while (is_digit(at, end))
        at++;
    return at;
}

/* Behind a number; NULL: it is none. */
static const char *measure_number(const char *at, const char *end, bool *ret_is_integer)
{
    *ret_is_integer = true;
    if (at < end && *at == '-')
        at++;
    if (!is_digit(at, end))
        return NULL;
    at = *at == '0' ? at + 1 : skip_digits(at, end);
    if (at < end && *at == '.') {
        *ret_is_integer = false;
        if (!is_digit(++at, end))
            return NULL;
        at = skip_digits(at, end);
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        *ret_is_integer = false;
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        if (!is_digit(at, end))
            return NULL;
        at = skip_digits(at, end);
    }
    return at;
}

static bool read_integer(struct slice digits, int64_t *ret)
{
    bool is_negative = digits.data[0] == '-';
    int64_t total = 0;

    for (size_t i = is_negative ? 1 : 0; i < digits.bytes; i++) {
        int digit = digits.data[i] - '0';
        if (__builtin_mul_overflow(total, 10, &total) ||
            __builtin_sub_overflow(total, digit, &total))
            return false;
    }
    if (!is_negative && total == INT64_MIN)
        return false;
    *ret = is_negative ? total : -total;
    return true;
}

static struct pull_value take_number(struct pull *pull)
{
    struct pull_value taken = { .kind = PULL_BAD };
    char copy[NUMBER_BYTES];
    bool is_integer;
    const char *end = measure_number(pull->at, pull->end, &is_integer);

    if (end == NULL)
        return taken;
    taken.json = (struct slice){ pull->at, (size_t)(end - pull->at) };
    pull->at = end;
    if (is_integer && read_integer(taken.json, &taken.value.integer)) {
        taken.kind = PULL_INTEGER;
        taken.value.kind = VALUE_INT;
        return taken;
    }
    if (taken.json.bytes >= sizeof(copy)) { /* no double has so many digits: keep them all */
        taken.kind = PULL_NESTED;
        taken.value = (struct value){ .kind = VALUE_TEXT, .text = taken.json };
        return taken;
    }
    memcpy(copy, taken.json.data, taken.json.bytes);
    copy[taken.json.bytes] = '\0';
    taken.kind = PULL_REAL;
    taken.value = (struct value){ .kind = VALUE_REAL, .real = strtod(copy, NULL) };
    return taken;
}

static bool take_word(struct pull *pull, struct slice word)
{
    if ((size_t)(pull->end - pull->at) < word.bytes || memcmp(pull->at, word.data, word.bytes) != 0)
        return false;
    pull->at += word.bytes;
    return true;
}

static struct pull_value take_literal(struct pull *pull)
{
    if (take_word(pull, SLICE("true")))
        return (struct pull_value){ PULL_BOOLEAN,
                                    { .kind = VALUE_BOOL, .boolean = true },
                                    SLICE("true") };
    if (take_word(pull, SLICE("false")))
        return (struct pull_value){ PULL_BOOLEAN,
                                    { .kind = VALUE_BOOL, .boolean = false },
                                    SLICE("false") };
    if (take_word(pull, SLICE("null")))
        return (struct pull_value){ .kind = PULL_NULL, .json = SLICE("null") };
    return (struct pull_value){ .kind = PULL_BAD };
}

/* ---- what is nested ---- */

static bool skip_text(struct pull *pull)
{
    for (const char *at = pull->at + 1;; at += 2) {
        at = find_special(at, pull->end);
        if (at == pull->end)
            return false;
        if (*at == '"') {
            pull->at = at + 1;
            return true;
        }
        if (pull->end - at < 2)
            return false;
    }
}

static bool skip_scalar(struct pull *pull)
{
    bool is_integer;

    if (pull->at == pull->end)
        return false;
    if (*pull->at == '"')
        return skip_text(pull);
    if (*pull->at == '-' || is_digit(pull->at, pull->end)) {
        const char *end = measure_number(pull->at, pull->end, &is_integer);
        pull->at = end == NULL ? pull->at : end;
        return end != NULL;
    }
    return take_literal(pull).kind != PULL_BAD;
}

/* At a key: behind its colon. */
static bool skip_key(struct pull *pull)
{
    pull_space(pull);
    if (pull->at == pull->end || *pull->at != '"' || !skip_text(pull))
        return false;
    pull_space(pull);
    return pull->at < pull->end && *pull->at++ == ':';
}

/* Behind a value: closes what ends there. false: broken. *depth 0: all is closed. */
static bool close_levels(struct pull *pull, uint64_t objects, unsigned *depth)
{
    while (*depth > 0) {
        bool is_object = (objects >> (*depth - 1) & 1) != 0;
        pull_space(pull);
        if (pull->at == pull->end)
            return false;
        char next = *pull->at++;
        if (next == ',')
            return !is_object || skip_key(pull);
        if (next != (is_object ? '}' : ']'))
            return false;
        --*depth;
    }
    return true;
}

/* At '{' or '['. One bit for each level says which it is, so nothing recurses. */
static bool skip_nested(struct pull *pull)
{
    uint64_t objects = 0;
    unsigned depth = 0;

    do {
        pull_space(pull);
        bool is_object = pull->at < pull->end && *pull->at == '{';
        if (!is_object && (pull->at == pull->end || *pull->at != '[')) {
            if (!skip_scalar(pull) || !close_levels(pull, objects, &depth))
                return false;
            continue;
        }
        if (depth == PULL_DEPTH)
            return false;
        pull->at++;
        objects = (objects & ~(UINT64_C(1) << depth)) | (uint64_t)is_object << depth;
        depth++;
        pull_space(pull);
        if (pull->at < pull->end && *pull->at == (is_object ? '}' : ']')) {
            pull->at++;
            depth--;
            if (!close_levels(pull, objects, &depth))
                return false;
        } else if (is_object && !skip_key(pull)) {
            return false;
        }
    } while (depth > 0);
    return true;
}

struct pull_value pull_value(struct pull *pull)
{
    struct pull_value taken = { .kind = PULL_BAD };
    const char *begin;

    pull_space(pull);
    begin = pull->at;
    if (begin == pull->end)
        return taken;
    if (*begin == '"') {
        taken.value.kind = VALUE_TEXT;
        if (take_text(pull, &taken.value.text))
            taken.kind = PULL_TEXT;
    } else if (*begin == '{' || *begin == '[') {
        if (skip_nested(pull))
            taken.kind = PULL_NESTED;
    } else if (*begin == '-' || isdigit((unsigned char)*begin)) {
        return take_number(pull);
    } else {
        return take_literal(pull);
    }
    taken.json = (struct slice){ begin, (size_t)(pull->at - begin) };
    if (taken.kind == PULL_NESTED)
        taken.value = (struct value){ .kind = VALUE_TEXT, .text = taken.json };
    return taken;
}

enum pull_step pull_element(struct pull *pull, bool is_first)
{
    pull_space(pull);
    if (pull->at == pull->end)
        return PULL_BROKEN;
    if (*pull->at == ']') {
        pull->at++;
        return PULL_END;
    }
    if (is_first)
        return PULL_NEXT;
    return *pull->at++ == ',' ? PULL_NEXT : PULL_BROKEN;
}

enum pull_step pull_member(struct pull *pull, bool is_first, struct slice *ret_key)
{
    pull_space(pull);
    if (pull->at < pull->end && *pull->at == '}') {
        pull->at++;
        return PULL_END;
    }
    if (!is_first) {
        if (pull->at == pull->end || *pull->at != ',')
            return PULL_BROKEN;
        pull->at++;
        pull_space(pull);
    }
    if (pull->at == pull->end || *pull->at != '"' || !take_text(pull, ret_key))
        return PULL_BROKEN;
    pull_space(pull);
    return pull->at < pull->end && *pull->at++ == ':' ? PULL_NEXT : PULL_BROKEN;
}
