/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

enum { DIGITS_MOST = 19, PRIORITY_MOST = 1023, LEVEL_BITS = 3 };
static const uint64_t SINCE_BOOT_MOST_US = UINT64_C(3155760000) * 1000 * 1000; /* a century */

/* A number and the comma, semicolon or end behind it, which stays. */
static bool take_number(struct slice *rest, uint64_t *ret)
{
    uint64_t number = 0;
    size_t digits = 0;

    while (digits < rest->bytes && rest->data[digits] >= '0' && rest->data[digits] <= '9') {
        if (digits == DIGITS_MOST)
            return false;
        number = number * 10 + (uint64_t)(rest->data[digits++] - '0');
    }
    if (digits == 0 || (digits < rest->bytes && rest->data[digits] != ','))
        return false;
    *ret = number;
    rest->data += digits;
    rest->bytes -= digits;
    return true;
}

static bool take_comma(struct slice *rest)
{
    if (rest->bytes == 0 || rest->data[0] != ',')
        return false;
    rest->data++;
    rest->bytes--;
    return true;
}

/* What follows the flag: keys and values between commas. */
static void take_fields(struct slice rest, struct kmsg_record *record)
{
    static const struct slice caller = SLICE("caller=");

    while (rest.bytes > 0) {
        const char *comma = memchr(rest.data, ',', rest.bytes);
        size_t bytes = comma == NULL ? rest.bytes : (size_t)(comma - rest.data);
        if (bytes > caller.bytes && memcmp(rest.data, caller.data, caller.bytes) == 0)
            record->caller = (struct slice){ rest.data + caller.bytes, bytes - caller.bytes };
        bytes += comma == NULL ? 0 : 1;
        rest.data += bytes;
        rest.bytes -= bytes;
    }
}

static bool parse_head(struct slice head, struct kmsg_record *record)
{
    uint64_t priority;

    if (!take_number(&head, &priority) || priority > PRIORITY_MOST || !take_comma(&head) ||
        !take_number(&head, &record->sequence) || !take_comma(&head) ||
        !take_number(&head, &record->since_boot_us) || record->since_boot_us > SINCE_BOOT_MOST_US)
        return false;
    record->facility = (unsigned)priority >> LEVEL_BITS;
    record->level = (unsigned)priority & ((1U << LEVEL_BITS) - 1);
    if (take_comma(&head))
        take_fields(head, record); /* the flag among them: it has no '=' */
    return true;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* What is no escape stays as it is. */
static size_t undo_escapes(char *text, size_t bytes)
{
    size_t to = 0;

    if (memchr(text, '\\', bytes) == NULL)
        return bytes;
    for (size_t at = 0; at < bytes; at++) {
        bool is_escape = text[at] == '\\' && bytes - at >= 4 && text[at + 1] == 'x' &&
                         hex_value(text[at + 2]) >= 0 && hex_value(text[at + 3]) >= 0;
        text[to++] =
            is_escape ? (char)(hex_value(text[at + 2]) * 16 + hex_value(text[at + 3])) : text[at];
        at += is_escape ? 3 : 0;
    }
    return to;
}

bool kmsg_parse(char *data, size_t bytes, struct kmsg_record *ret)
{
    struct kmsg_record record = { 0 };
    char *semicolon = bytes == 0 ? NULL : memchr(data, ';', bytes);

    if (semicolon == NULL ||
        !parse_head((struct slice){ data, (size_t)(semicolon - data) }, &record))
        return false;
    char *message = semicolon + 1, *end = data + bytes;
    char *newline = memchr(message, '\n', (size_t)(end - message));
    char *stop = newline == NULL ? end : newline;
    record.message = (struct slice){ message, undo_escapes(message, (size_t)(stop - message)) };
    if (newline != NULL)
        record.dictionary = (struct slice){ newline + 1, (size_t)(end - newline - 1) };
    *ret = record;
    return true;
}

bool kmsg_pair(struct slice *dictionary, struct slice *ret_key, struct slice *ret_value)
{
    while (dictionary->bytes > 0) {
        char *line = (char *)dictionary->data; /* of the reader's buffer, see kmsg_parse() */
        char *newline = memchr(line, '\n', dictionary->bytes);
        size_t bytes = newline == NULL ? dictionary->bytes : (size_t)(newline - line);
        size_t taken = bytes + (newline == NULL ? 0 : 1);
        char *equals = bytes < 2 || line[0] != ' ' ? NULL : memchr(line + 1, '=', bytes - 1);

        dictionary->data += taken;
        dictionary->bytes -= taken;
        if (equals == NULL || equals == line + 1)
            continue;
        size_t value_bytes = (size_t)(line + bytes - equals - 1);
        *ret_key = (struct slice){ line + 1, (size_t)(equals - line - 1) };
        *ret_value = (struct slice){ equals + 1, undo_escapes(equals + 1, value_bytes) };
        return true;
    }
    return false;
}
