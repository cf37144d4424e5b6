/* SPDX-License-Identifier: Apache-2.0 */
/* multiline: which lines are one event. It decides and keeps no line: whoever reads holds them.
 *     start         a line that matches begins an event
 *     continuation  a line that matches belongs to the event before it
 *     traces        so do the lines of stack traces of these languages
 * With a start and nothing else, all other lines belong to the event before them; otherwise a line
 * of which nothing is said is an event of its own. Looks at the begin of a line (REGEX_LINE_BYTES).
 * Threads: one at a time. */
#pragma once

#include "base/regex.h"
#include "event/traces.h"

struct multiline;
struct err;

struct multiline_rules {
    const char *start, *continuation; /* patterns; "": none */
    const char *const *traces;        /* of TRACE_NAMES */
    size_t trace_count;
};

bool multiline_is_wanted(const struct multiline_rules *rules);
struct multiline *multiline_new(const struct multiline_rules *rules, struct err *err); /* or NULL */
void multiline_free(struct multiline **multilinep);

struct multiline_state { /* of one stream of lines; zeroed at the begin of an event */
    struct trace_states traces;
};
/* true: it belongs to the event before it, if there is one. */
bool multiline_continues(struct multiline *multiline, struct multiline_state *state,
                         struct slice line);
/* Lines so far on which a pattern was given up, and did not match; since the last call. */
uint64_t multiline_given_up(struct multiline *multiline);
