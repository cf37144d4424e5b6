/* SPDX-License-Identifier: Apache-2.0 */
/* log_line: one line of the log, written into a buffer of fixed size. No text breaks out of its
 * field or its line; a line that is too long is cut, in JSON by leaving fields out. Pure. */
#pragma once

#include "base/log.h"

enum { LOG_LINE_BYTES = 2048, LOG_DATAGRAM_BYTES = 4 * LOG_LINE_BYTES };

struct log_line {
    char data[LOG_LINE_BYTES];
    size_t bytes;
};
struct log_datagram {
    char data[LOG_DATAGRAM_BYTES];
    size_t bytes;
};

extern const char *const log_level_names[];

/* The line up to its end, which log_line_end() writes; more fields may follow until then.
 * real_ns 0: without a time. */
void log_line_begin(struct log_line *line, enum log_format format, int64_t real_ns,
                    enum log_level level, const char *msg, const struct log_field *fields);
void log_line_add(struct log_line *line, enum log_format format, const struct log_field *field);
void log_line_end(struct log_line *line, enum log_format format); /* with a newline */

/* For the journal: MESSAGE (text), PRIORITY, and SPILLWAY_KEY for each field. What does not fit is
 * left out. */
void log_line_datagram(struct log_datagram *ret, struct slice text, enum log_level level,
                       const char *msg, const struct log_field *fields);
int log_priority(enum log_level level); /* as syslog(3) counts */
