/* SPDX-License-Identifier: Apache-2.0 */
/* log: the agent's own log: lines of logfmt or JSON on standard error, or the journal.
 * Only agent.c, admin/, cli/ and the threads that do (input/reading, batch/worker, delivery/sender)
 * log; everything below returns what happened. LOG(LOG_WARN, "file was cut off", LS("path", path),
 * LU("bytes", lost)); Each kind of line is limited, and so are all together: see log_limit.h. What
 * was held back is told, `held_back=N`, by the next line of its kind or by one of its own.
 * Threads: any. No lock is held while a line is written. */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };
enum log_purse {
    LOG_NEWS,   /* limited by kind, and by what all of them may write */
    LOG_KEPT,   /* news that are not limited by kind: the caller keeps what is not written */
    LOG_REPORT, /* of each interval; the same, from a purse of its own */
    LOG_ALWAYS, /* start, end, what became of a reload, the closing books */
};

enum log_field_kind { LOG_END, LOG_TEXT, LOG_UINT, LOG_INT, LOG_REAL };
struct log_field {
    enum log_field_kind kind;
    bool is_foreign; /* a text that an endpoint brought: it may quote events */
    const char *key;
    struct slice text;
    uint64_t uint;
    int64_t sint;
    double real;
};

/* One field each: text (quoted where needed), slice, unsigned, signed, real. */
#define LS(k, v) ((struct log_field){ .kind = LOG_TEXT, .key = (k), .text = slice_of(v) })
#define LB(k, v) ((struct log_field){ .kind = LOG_TEXT, .key = (k), .text = (v) })
/* Is written, and not kept for those who ask the agent for its news. */
#define LF(k, v)                                                                                   \
    ((struct log_field){ .kind = LOG_TEXT, .is_foreign = true, .key = (k), .text = slice_of(v) })
#define LU(k, v) ((struct log_field){ .kind = LOG_UINT, .key = (k), .uint = (v) })
#define LI(k, v) ((struct log_field){ .kind = LOG_INT, .key = (k), .sint = (v) })
#define LR(k, v) ((struct log_field){ .kind = LOG_REAL, .key = (k), .real = (v) })

#define LOG(level, msg, ...) LOG_AS(LOG_NEWS, level, msg, __VA_ARGS__)
/* Not with LOG_KEPT: who keeps what is not written asks log_write(). */
#define LOG_AS(purse, level, msg, ...)                                                             \
    (void)log_write((purse), (level), (msg), (const struct log_field[]){ __VA_ARGS__, { 0 } })

/* false: held back, and counted if it is news. fields end with a LOG_END. */
bool log_write(enum log_purse purse, enum log_level level, const char *msg,
               const struct log_field *fields);

/* Kinds of which something was held back and nothing came since: a line for each. Now and then. */
void log_tell_held_back(void);
/* The end: one line for all that was not told. Returns how many were ever held back. */
uint64_t log_end(void);
uint64_t log_held_back(void); /* lines, since the start */

/* ---- where to and how: main, before other threads log ---- */
void log_set_level(enum log_level level); /* lines below it are not written; default LOG_INFO */
void log_set_format(enum log_format format);
/* Default: standard error. Tests and the quick start redirect it. The limits begin anew. */
void log_set_fd(int fd);
/* Each line begins with its priority, "<4>", if the descriptor is a stream of the journal's: that
 * is how it tells warnings from the rest. */
void log_mark_priorities(void);
/* Straight to the journal, with the fields as its own. path: of its socket. false: err says why,
 * lines go where they went. A line that it cannot take now is held back; what it cannot take at all
 * goes to the descriptor. */
bool log_use_journal(const char *path, struct err *err);
#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"
