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

bool journal_sequence_of(const char *cursor, struct journal_sequence *ret)
{
    struct slice id = find_part(cursor, 's'), number = find_part(cursor, 'i');
    struct journal_sequence sequence = { .number = 0 };

    if (id.bytes != SEQUENCE_ID_BYTES - 1 || number.bytes == 0 || number.bytes > 16)
        return false;
    memcpy(sequence.id, id.data, id.bytes);
    for (size_t i = 0; i < number.bytes; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = number.data[i] == '\0' ? NULL : strchr(digits, number.data[i]);
        if (digit == NULL)
            return false;
        sequence.number = sequence.number << 4 | (uint64_t)(digit - digits);
    }
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
