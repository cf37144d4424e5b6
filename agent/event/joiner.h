/* SPDX-License-Identifier: Apache-2.0 */
/* joiner: events of several lines from sources that cannot be read again (connections), each with
 * lines of its own. It holds what is not finished; files need none, see plugins/inputs/tail/join.h.
 * Promise: at most `sources` events of at most `max_bytes` are held; one that is over a bound, or
 * has to give way, is given as it is and said to be incomplete, and what follows is another event.
 * No line is lost. Threads: one at a time. */
#pragma once

#include "event/multiline.h"

#define MULTILINE_OPTIONS(X, T, most_bytes)                                                        \
    X(T, multiline__start, text, "", ANY, ANY, "Pattern (PCRE2) of the first line of an event")    \
    X(T, multiline__continuation, text, "", ANY, ANY,                                              \
      "Pattern (PCRE2) of lines that belong to the event before them")                             \
    X(T, multiline__traces, list, "", TRACE_NAMES, ANY,                                            \
      "Languages whose stack traces are one event")                                                \
    X(T, multiline__max_lines, count, "1000", "2", "1000",                                         \
      "An event of more lines is ended here and flagged; what follows is another event")           \
    X(T, multiline__max_bytes, size, "64KiB", "1KiB", most_bytes,                                  \
      "An event of more bytes is ended before them and flagged; what follows is another event")
#define MULTILINE_RULES(cfg)                                                                       \
    .start = (cfg)->multiline__start, .continuation = (cfg)->multiline__continuation,              \
    .traces = (cfg)->multiline__traces.items, .trace_count = (cfg)->multiline__traces.count

struct joiner_rules {
    struct multiline_rules lines;
    uint64_t max_lines, max_bytes;
    int64_t wait_ms; /* after its last line an event is taken for whole */
    size_t sources;  /* side by side */
};

struct joined_lines { /* borrowed while it is given */
    struct slice body;
    const void *source;
    uint64_t missing_bytes; /* cut off its lines before they came here */
    bool has_torn;          /* one of its lines */
    bool is_incomplete;
};
typedef void joiner_give_fn(void *context, const struct joined_lines *event);
struct joiner_taker {
    joiner_give_fn *give;
    void *context;
};

struct joiner;
struct joiner *joiner_new(const struct joiner_rules *rules, struct err *err); /* or NULL */
void joiner_free(struct joiner **joinerp); /* what is held is gone: joiner_end_all() first */
uint64_t joiner_memory_bytes(const struct joiner_rules *rules);

struct joiner_line {
    struct slice text;
    uint64_t missing_bytes; /* cut off it */
    bool is_torn;           /* it ends where it was not to end; how much is missing is not known */
};
/* `source` tells sources apart until joiner_end(). */
void joiner_add(struct joiner *joiner, const void *source, const struct joiner_line *line,
                int64_t now_ms, const struct joiner_taker *taker);
void joiner_end(struct joiner *joiner, const void *source, const struct joiner_taker *taker);
void joiner_end_due(struct joiner *joiner, int64_t now_ms, const struct joiner_taker *taker);
void joiner_end_all(struct joiner *joiner, const struct joiner_taker *taker);
int64_t joiner_due_ms(const struct joiner *joiner); /* when joiner_end_due() has work; 0: never */
uint64_t joiner_given_up(struct joiner *joiner);    /* as multiline_given_up() */
