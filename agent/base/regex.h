/* SPDX-License-Identifier: Apache-2.0 */
/* regex: a pattern of the user's against lines (PCRE2, bytes).
 * Promise: a look at a line ends after a bounded number of steps, whatever the pattern and the
 * line: only the first REGEX_LINE_BYTES of it are looked at, and a match that goes astray is given
 * up. A look at a whole text takes at most about a millisecond for each KiB of it.
 * Threads: one at a time for each pattern; it owns the memory that a match needs. */
#pragma once

#include "base/slice.h"

struct err;
struct regex;

enum { REGEX_LINE_BYTES = 1024 };

struct regex *regex_new(const char *pattern, struct err *err); /* NULL: not a pattern, no memory */
struct regex *regex_new_whole(const char *pattern,
                              struct err *err); /* for whole texts: there . is a line's end too */
void regex_free(struct regex **regexp);

enum regex_found { REGEX_NO, REGEX_YES, REGEX_GAVE_UP };
enum regex_found regex_find(struct regex *regex, struct slice line); /* anywhere, as grep */
/* The same in all of the text; for patterns of regex_new_whole(). */
enum regex_found regex_find_whole(struct regex *regex, struct slice text);
