/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a cursor, and cut at newlines as the fields of an entry. */
#include "plugins/inputs/journald/fields.h"

#include "plugins/inputs/journald/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void read_cursor(const char *text)
{
    struct journal_sequence sequence;

    if (journal_sequence_of(text, &sequence))
        CHECK(strlen(sequence.id) == SEQUENCE_ID_BYTES - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static char memory[64 + ENTRY_ATTRIBUTE_BYTES], scratch_memory[4096];
    struct scratch scratch = { .memory = scratch_memory, .room = sizeof(scratch_memory) };
    struct event event = { .scratch = &scratch };
    struct journal_entry entry = { .event = &event,
                                   .memory = memory,
                                   .room = sizeof(memory),
                                   .max_line_bytes = 64,
                                   .all_fields = bytes % 2 == 0 };
    char *copy = malloc(bytes + 1);
    struct slice of;

    CHECK(copy != NULL);
    memcpy(copy, data, bytes);
    copy[bytes] = '\0';
    read_cursor(copy);
    for (size_t at = 0; at < bytes;) {
        const char *newline = memchr(copy + at, '\n', bytes - at);
        size_t end = newline == NULL ? bytes : (size_t)(newline - copy);
        journal_entry_field(&entry, (struct slice){ copy + at, end - at });
        at = end + 1;
    }
    (void)journal_entry_suppressed(&entry, &of);
    CHECK(entry.used <= entry.room && event.body.bytes <= 64);
    CHECK(event_bytes(&event) <= 64 + ENTRY_ATTRIBUTE_BYTES + 64);
    free(copy);
    return 0;
}
