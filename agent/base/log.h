/* SPDX-License-Identifier: Apache-2.0 */
/* log: the agent's own log, logfmt lines on standard error.
 * Only agent.c, admin/, cli/ and the threads that do (input/reading, batch/worker, delivery/sender)
 * log; everything below returns what happened. Each call site is limited: a burst of LOG_BURST
 * lines, then one every LOG_REST_MS with `held_back=N` for those in between. LOG(LOG_WARN, "file
 * was cut off", LS("path", path), LU("bytes", lost)); */
#pragma once

#include "base/slice.h"

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum { LOG_BURST = 5, LOG_REST_MS = 10000 };

enum log_kind { LOG_END, LOG_TEXT, LOG_FOREIGN, LOG_UINT, LOG_INT, LOG_REAL };
struct log_field {
    enum log_kind kind;
    const char *key;
    struct slice text;
    uint64_t uint;
    int64_t sint;
    double real;
};

/* One field each: text (quoted where needed), slice, unsigned, signed, real. */
#define LS(k, v) ((struct log_field){ .kind = LOG_TEXT, .key = (k), .text = slice_of(v) })
#define LB(k, v) ((struct log_field){ .kind = LOG_TEXT, .key = (k), .text = (v) })
/* Text that an event or an endpoint brought: logged, and not kept for log_recent. */
#define LF(k, v) ((struct log_field){ .kind = LOG_FOREIGN, .key = (k), .text = slice_of(v) })
#define LU(k, v) ((struct log_field){ .kind = LOG_UINT, .key = (k), .uint = (v) })
#define LI(k, v) ((struct log_field){ .kind = LOG_INT, .key = (k), .sint = (v) })
#define LR(k, v) ((struct log_field){ .kind = LOG_REAL, .key = (k), .real = (v) })

struct log_site {
    _Atomic uint32_t lines;     /* written in the current burst */
    _Atomic uint32_t held_back; /* since the last line written */
    _Atomic int64_t rest_until_ms;
};

#define LOG(level, msg, ...)                                                                       \
    do {                                                                                           \
        static struct log_site log_site_here;                                                      \
        log_write(&log_site_here, (level), (msg),                                                  \
                  (const struct log_field[]){ __VA_ARGS__, { 0 } });                               \
    } while (0)

/* Threads: any. site NULL: not limited, a report that comes by itself (the ledger's lines);
 * log_unlimited: not limited, and kept for log_recent like all others. fields end with a LOG_END.
 */
void log_write(struct log_site *site, enum log_level level, const char *msg,
               const struct log_field *fields);
extern struct log_site log_unlimited;
void log_set_level(enum log_level level); /* lines below it are not written; default LOG_INFO */
void log_set_fd(int fd); /* default: standard error. Tests and the quick start redirect it */
