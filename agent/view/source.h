/* SPDX-License-Identifier: Apache-2.0 */
/* source: where the figures come from, and how things stand with that agent, in words and as names.
 * Pure. Threads: none of its own. */
#pragma once

#include "ledger/books_find.h"

struct source {
    const struct books_found *found; /* borrowed */
    int64_t now_real_ns;
    double still_s; /* live books: how long nothing has changed in them, as far as was watched */
    const char *trouble; /* why the last attempt to read them failed; "": it did not */
};

const char *source_kind_name(enum books_kind kind);       /* "live", "saved", "copy" */
const char *source_holder_name(enum holder_state holder); /* "running", "stopped", … */

/* "3h12m", "45s", "2d04h". */
enum { AGE_TEXT = 24 };
const char *source_age(double seconds, char ret_text[AGE_TEXT]);
/* How old the books are; 0: they are live. */
double source_age_s(const struct source *source);

/* "pid 123 is running, up 3h12m", "pid 123 is gone and did not close its books", … */
enum { SOURCE_TEXT = 400 };
const char *source_holder_text(const struct source *source, char ret_text[SOURCE_TEXT]);
/* What has to be known of the figures before they are believed: "a saved copy, 8s old: …"; "": they
 * are live and that is all. */
const char *source_caution(const struct source *source, char ret_text[SOURCE_TEXT]);
