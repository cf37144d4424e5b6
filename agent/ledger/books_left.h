/* SPDX-License-Identifier: Apache-2.0 */
/* books_left: what the books of a dead start, of any build, say was held when it ended, against
 * what lies on disk. Nothing in the file is trusted. Threads: main. */
#pragma once

#include "ledger/books_file.h"

/* What a dead start left in one lane, as the flows of this build that close it. */
struct books_left {
    char input[LEDGER_NAME], output[LEDGER_NAME];
    bool rereadable;
    bool damaged;                 /* its counters or names make no sense: nothing was taken */
    struct amount closing[FLOWS]; /* `replay_*` where the input can be read again, else `crash_*` */
    struct amount unread; /* of those handed over: on disk as far as is known, and not readable */
};
/* lane < header.lanes_used. false: nothing was left and nothing is damaged. */
bool books_left_in(const struct books_image *image, unsigned lane, struct books_left *ret);
