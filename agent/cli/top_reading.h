/* SPDX-License-Identifier: Apache-2.0 */
/* top_reading: the books, read again and again, and the figures of the last two readings.
 * Threads: none of its own. */
#pragma once

#include "view/figures.h"
#include "view/source.h"

struct top_reading {
    struct books_wanted wanted; /* constant */
    struct books_found now, before;
    struct figures *figures; /* NULL: nothing was read yet */
    struct source source;    /* as of the last reading; what it points to lives here */
    int64_t now_ms, still_since_ms;
    struct err trouble;
};

/* Reads once more. false: that failed; figures and source are those of before, and say so. */
bool top_read(struct top_reading *reading);
/* Is a second look of use, that is, may the books still move? */
bool top_may_move(const struct top_reading *reading);
void top_reading_fini(struct top_reading *reading);
