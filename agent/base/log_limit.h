/* SPDX-License-Identifier: Apache-2.0 */
/* log_limit: which lines of the agent's own log are written. Pure: no clock, I/O or lock of its
 * own. A kind is a message of an input and an output: a burst of LOG_BURST lines, then one each
 * LOG_REST_MS, which tells how many were held back before it. Over all kinds the log has two purses
 * of bytes, so that whatever fails at once, it stays below 1 KiB/s: one for what is reported at
 * each interval, one for the news, the last part of which is for errors alone. Promise: written and
 * held back add up to what was asked; nothing that was held back is forgotten. */
#pragma once

#include "base/log.h"

enum {
    LOG_BURST = 5,
    LOG_REST_MS = 10000,
    LOG_KINDS = 128,
    LOG_NAME = 48,
    /* 704 B/s, and both purses at once: no 30 s ever have more than 30 KiB. */
    LOG_REPORT_RATE = 480,
    LOG_REPORT_BYTES = 4800,
    LOG_NEWS_RATE = 224,
    LOG_NEWS_BYTES = 4608,
    LOG_ERROR_BYTES = 1024, /* of the news' purse */
};

struct log_kind {
    char msg[LOG_NAME], input[LOG_NAME], output[LOG_NAME]; /* cut; "": none */
    enum log_level level;                                  /* of the last line held back */
    uint32_t lines;                                        /* of the burst */
    uint64_t held_back;                                    /* and not told yet */
    int64_t rest_until_ms, used_ms;
};

struct log_limit { /* zeroed: full purses, at the first call */
    struct log_kind kinds[LOG_KINDS];
    struct log_kind others; /* what was held back of kinds that had to make room */
    size_t count;
    bool has_begun;
    int64_t filled_ms;
    int64_t report_millibytes, news_millibytes;
    uint64_t held_back; /* ever */
};

struct log_ask {
    enum log_purse purse;
    enum log_level level;
    const char *msg;
    struct slice input, output; /* empty: none */
    struct log_kind *kind;      /* set by log_limit_ask(); NULL: not limited by kind */
    uint64_t held_back;         /* set by log_limit_ask(): to be told with this line */
};

/* May a line of this kind be written now? true: it is to be paid. */
bool log_limit_ask(struct log_limit *limit, struct log_ask *ask, int64_t now_ms);
/* false: the purse is empty; the line is held back, and what it would have told stays to be told.
 */
bool log_limit_pay(struct log_limit *limit, const struct log_ask *ask, size_t bytes,
                   int64_t now_ms);
/* A line that was paid could not be written. */
void log_limit_give_up(struct log_limit *limit, const struct log_ask *ask);

/* A kind whose lines were held back and that had no further line, for a rest. NULL: none. The
 * caller tells them, and sets held_back to 0. */
struct log_kind *log_limit_untold(struct log_limit *limit, int64_t now_ms);
/* All that is untold, of every kind; it is told then. */
uint64_t log_limit_take_untold(struct log_limit *limit);
