/* SPDX-License-Identifier: Apache-2.0 */
/* cursor: what the journal's own place marks say of a sequence.
 * Source: systemd's journal export format and sd_journal_get_cursor(3): "s=ID;i=NUMBER;b=…", ID is
 * of whoever numbers the entries, NUMBER is hexadecimal, and so is the time, "t=USEC". The rest is
 * the journal's own affair, and so is the whole but for counting what is missing between two of
 * them. Pure. */
#pragma once

#include "plugin.h"

enum { CURSOR_BYTES = 256, SEQUENCE_ID_BYTES = 33 };

struct journal_sequence {
    char id[SEQUENCE_ID_BYTES]; /* "": not known */
    uint64_t number;
};

/* false: the cursor has none. */
bool journal_sequence_of(const char *cursor, struct journal_sequence *ret);
bool journal_time_of(const char *cursor, uint64_t *ret_usec); /* wall-clock; false: it has none */
/* How many entries are missing at least between two places, if `seen` were read behind the first,
 * up to the second. Exact where one numbered them all. 0 where it cannot be told. */
uint64_t journal_missing(const struct journal_sequence *from, const struct journal_sequence *to,
                         uint64_t seen);
