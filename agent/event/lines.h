/* SPDX-License-Identifier: Apache-2.0 */
/* lines: log lines as real programs write them, each with its number in it.
 * Four kinds are mixed: an nginx access log, syslog, a JSON log, and Java with an exception. Every
 * line has ` seq=RUN.N ` in it, so that a receiver can tell which arrived, and how often.
 * Threads: none; from the same seed come the same lines (but for their times). */
#pragma once

#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINES_SHORTEST = 64, LINES_LONGEST = 65536, LINES_ROOM = LINES_LONGEST * 2 };

struct lines {
    /* constant after start */
    const char *run;
    size_t mean_bytes; /* wanted; lines differ by up to 15 %, and those too short for their kind are
                          longer */
    bool stamp;        /* put ts=<Unix time in ns> into each line */
    /* the rest */
    struct random random;
    uint64_t next;   /* number of the next line */
    int64_t clock_s; /* second that the texts below show */
    char clock_nginx[32], clock_syslog[32], clock_iso[32];
};

/* Writes one line with its newline, at most LINES_ROOM bytes, and returns its length. */
size_t lines_write(struct lines *lines, int64_t now_ns, char *to);
