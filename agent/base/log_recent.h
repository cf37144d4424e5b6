/* SPDX-License-Identifier: Apache-2.0 */
/* log_recent: the last notable lines of the agent's own log, for who asks when they are gone from
 * the screen. Notable is all but debug lines and reports that come by themselves. What LOG_FOREIGN
 * fields say is left out: it may quote events.
 * Bounded: a fixed number of lines, each cut. Threads: any; one lock, held for a copy. */
#pragma once

#include "base/log.h"

#include <stddef.h>

enum { LOG_RECENT_LINES = 40, LOG_RECENT_BYTES = 480 };

struct log_recent_line {
    int64_t real_ns;
    enum log_level level;
    char text[LOG_RECENT_BYTES]; /* msg="…" key=value …; ends with … where it was cut */
};

void log_recent_add(enum log_level level, int64_t real_ns, struct slice text);
/* The newest first. Returns how many; ret has room for LOG_RECENT_LINES. */
size_t log_recent_copy(struct log_recent_line *ret);
