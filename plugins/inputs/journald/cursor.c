/* SPDX-License-Identifier: Apache-2.0 */
#include "cursor.h"

/* The value of "KEY=" up to the semicolon. */
static struct slice find_part(const char *cursor, char key)
{
    for (const char *part = cursor; *part != '\0';) {
        size_t bytes = strcspn(part, ";");
        if (bytes > 2 && part[0] == key && part[1] == '=')
            return (struct slice){ part + 2, bytes - 2 };
        part += bytes + (part[bytes] == ';' ? 1 : 0);
    }
    return SLICE("");
}

static bool parse_hexadecimal(struct slice text, uint64_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t number = 0;

    if (text.bytes == 0 || text.bytes > 16)
        return false;
    for (size_t i = 0; i < text.bytes; i++) {
        const char *digit = text.data[i] == '\0' ? NULL : strchr(digits, text.data[i]);
        if (digit == NULL)
            return false;
        number = number << 4 | (uint64_t)(digit - digits);
    }
    *ret = number;
    return true;
}

bool journal_time_of(const char *cursor, uint64_t *ret_usec)
{
    return parse_hexadecimal(find_part(cursor, 't'), ret_usec);
}

bool journal_sequence_of(const char *cursor, struct journal_sequence *ret)
{
    struct slice id = find_part(cursor, 's'), number = find_part(cursor, 'i');
    struct journal_sequence sequence = { .number = 0 };

    if (id.bytes != SEQUENCE_ID_BYTES - 1 || !parse_hexadecimal(number, &sequence.number))
        return false;
    memcpy(sequence.id, id.data, id.bytes);
    *ret = sequence;
    return true;
}

uint64_t journal_missing(const struct journal_sequence *from, const struct journal_sequence *to,
                         uint64_t seen)
{
    if (from->id[0] == '\0' || strcmp(from->id, to->id) != 0 || to->number < from->number)
        return 0;
    uint64_t passed = to->number - from->number;
    return passed > seen ? passed - seen : 0;
}
