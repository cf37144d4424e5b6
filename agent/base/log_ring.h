/* SPDX-License-Identifier: Apache-2.0 */
/* log_ring: the latest news of the log, for those who show or ship them. Bounded: the oldest lines
 * make room. Each reader has a place of its own. Lines of reports are not in it: they come again.
 * Threads: any; a lock of its own. */
#pragma once

#include "base/log.h"

enum { LOG_RING_BYTES = 32 * 1024 };

struct log_news {
    uint64_t number; /* of the lines ever written, from 1 */
    int64_t real_ns;
    enum log_level level;
    struct slice text; /* logfmt, from msg= on; in the reader's buffer */
};

/* The first line behind *number, which moves on to it; *ret_lost: how many were gone before they
 * were read. Cut to room. false: there is none. */
bool log_ring_next(uint64_t *number, char *text, size_t room, struct log_news *ret,
                   uint64_t *ret_lost);
uint64_t log_ring_last(void); /* the number of the latest line; 0: none */

/* For log.c. */
void log_ring_put(int64_t real_ns, enum log_level level, struct slice text);
