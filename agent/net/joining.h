/* SPDX-License-Identifier: Apache-2.0 */
/* joining: events of several lines, for inputs whose lines cannot be read again: a joiner, what the
 * sink needs of it, and its way through a reload.
 * `now` is NULL where nothing is to be joined: ask it before each call for a line.
 * Memory: joining_memory_bytes(), allocated at open but for what is held. Threads: the reading's.
 */
#pragma once

#include "event/joiner.h"

struct arrival;
struct err;
struct peer;
struct sink;
struct waits;

#define JOINING_OPTIONS(X, T)                                                                      \
    MULTILINE_OPTIONS(X, T, "1MiB")                                                                \
    X(T, multiline__wait, duration, "1s", "10ms", "1m",                                            \
      "An event whose end is not known yet is delivered this long after its last line")
/* side_by_side: streams at a time; one more makes the one that was silent longest give way. */
#define JOINING_RULES(cfg, side_by_side)                                                           \
    {                                                                                              \
        .lines = { MULTILINE_RULES(cfg) }, .max_lines = (cfg)->multiline__max_lines,               \
        .max_bytes = (cfg)->multiline__max_bytes, .wait_ms = (cfg)->multiline__wait,               \
        .sources = (side_by_side)                                                                  \
    }

struct joining_way; /* a joiner and the rules it was made of */
struct joining {    /* zeroed at first */
    struct joining_way *now,
        *before;              /* before: until the next round, so that there is a way back */
    struct joining_way *undo; /* of before the last joining_set(), for joining_undo() alone */
    char *text;               /* what events of this round point to */
    size_t room, used;
};

bool joining_check(const struct joiner_rules *rules, struct err *err);
/* At open and in a change. longest: of a line. false: nothing has changed. Back to rules that it
 * had since the last round: never fails. */
bool joining_set(struct joining *joining, const struct joiner_rules *rules, uint64_t longest,
                 struct err *err);
void joining_undo(struct joining *joining); /* right after joining_set() */
void joining_fini(struct joining *joining);
uint64_t joining_memory_bytes(const struct joiner_rules *rules, uint64_t longest);
/* Of the largest event, beside what its input adds. */
uint64_t joining_event_bytes(const struct joiner_rules *rules, uint64_t longest);

void joining_begin(struct joining *joining, struct sink *sink); /* a round: collect() or last() */
/* Its peer tells streams apart, and stays as it is until joining_end(). */
void joining_add(struct joining *joining, struct sink *sink, const struct arrival *arrival);
void joining_end(struct joining *joining, struct sink *sink, const struct peer *peer);
void joining_end_all(struct joining *joining, struct sink *sink);
/* What is due, and what is to be told: behind the reading, which may have brought the rest. */
void joining_tend(struct joining *joining, struct sink *sink);
void joining_wait(const struct joining *joining, struct waits *waits);
