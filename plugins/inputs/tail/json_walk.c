/* SPDX-License-Identifier: Apache-2.0 */
#include "json_walk.h"

static const uint64_t ONES = UINT64_C(0x0101010101010101);

/* A set bit 7 in each byte of `word` that is `byte`, and perhaps in some above the first such. */
static uint64_t match(uint64_t word, unsigned char byte)
{
    uint64_t zeros = word ^ (ONES * byte);
    return (zeros - ONES) & ~zeros & (ONES << 7);
}

/* The first quote or backslash. `end` if there is none. */
static const char *find_special(const char *at, const char *end)
{
    for (; end - at >= (ptrdiff_t)sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        if ((match(word, '"') | match(word, '\\')) != 0)
            break;
    }
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}

static bool is_hex(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
           (byte >= 'A' && byte <= 'F');
}

/* Bytes of the escape at a backslash, 0: it is none. */
static size_t escape_bytes(const char *at, const char *end)
{
    if (end - at < 2)
        return 0;
    if (at[1] != 'u')
        return strchr("\"\\/bfnrt", at[1]) != NULL && at[1] != '\0' ? 2 : 0;
    return end - at >= 6 && is_hex(at[2]) && is_hex(at[3]) && is_hex(at[4]) && is_hex(at[5]) ? 6
                                                                                             : 0;
}

/* From behind the opening quote. The walk ends behind the closing one. */
static bool take_string(struct json_walk *walk, struct json_member *ret, struct slice *ret_text)
{
    const char *begin = walk->at, *at = begin, *newline = NULL;

    ret->is_escaped = false;
    for (;;) {
        at = find_special(at, walk->end);
        if (at == walk->end)
            return false;
        if (*at == '"')
            break;
        size_t bytes = escape_bytes(at, walk->end);
        if (bytes == 0)
            return false;
        newline = at[1] == 'n' ? at : newline;
        ret->is_escaped = true;
        at += bytes;
    }
    *ret_text = (struct slice){ begin, (size_t)(at - begin) };
    ret->ends_in_newline = newline != NULL && newline + 2 == at;
    walk->at = at + 1;
    return true;
}

static char skip_blanks(struct json_walk *walk) /* returns what comes then, '\0': the end */
{
    while (walk->at < walk->end &&
           (*walk->at == ' ' || *walk->at == '\t' || *walk->at == '\r' || *walk->at == '\n'))
        walk->at++;
    return walk->at < walk->end ? *walk->at : '\0';
}

/* A number, a word, an object or an array: to the comma or bracket behind it. */
static bool take_other(struct json_walk *walk, struct slice *ret)
{
    const char *begin = walk->at;
    struct json_member ignored;
    struct slice text;
    size_t depth = 0;

    while (walk->at < walk->end) {
        char byte = *walk->at;
        if (depth == 0 && (byte == ',' || byte == '}'))
            break;
        walk->at++;
        if (byte == '"' && !take_string(walk, &ignored, &text))
            return false;
        if (byte == '{' || byte == '[')
            depth++;
        if ((byte == '}' || byte == ']') && depth-- == 0)
            return false;
    }
    *ret = (struct slice){ begin, (size_t)(walk->at - begin) };
    return walk->at > begin && walk->at < walk->end;
}

bool json_walk_begin(struct json_walk *walk, struct slice object)
{
    *walk = (struct json_walk){ object.data, object.data + object.bytes };
    if (object.bytes == 0 || skip_blanks(walk) != '{')
        return false;
    walk->at++;
    return true;
}

/* Up to the next key: over the comma before it. */
static enum json_step reach_key(struct json_walk *walk)
{
    bool is_first = walk->at[-1] == '{';
    char byte = skip_blanks(walk);

    if (byte == '}') {
        walk->at++;
        return JSON_END;
    }
    if (!is_first) {
        if (byte != ',')
            return JSON_BROKEN;
        walk->at++;
        byte = skip_blanks(walk);
    }
    if (byte != '"')
        return JSON_BROKEN;
    walk->at++;
    return JSON_MEMBER;
}

enum json_step json_walk_next(struct json_walk *walk, struct json_member *ret)
{
    enum json_step step = reach_key(walk);

    if (step != JSON_MEMBER)
        return step;
    if (!take_string(walk, ret, &ret->key) || skip_blanks(walk) != ':')
        return JSON_BROKEN;
    walk->at++;
    ret->is_string = skip_blanks(walk) == '"';
    if (!ret->is_string)
        return take_other(walk, &ret->value) ? JSON_MEMBER : JSON_BROKEN;
    walk->at++;
    return take_string(walk, ret, &ret->value) ? JSON_MEMBER : JSON_BROKEN;
}

bool json_walk_is_over(const struct json_walk *walk)
{
    struct json_walk rest = *walk;
    return skip_blanks(&rest) == '\0' && rest.at == rest.end;
}
