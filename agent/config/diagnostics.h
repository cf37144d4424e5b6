/* SPDX-License-Identifier: Apache-2.0 */
/* diagnostics: collects what is wrong with the files of a configuration and shows it all, ordered
 * by place: agent.yaml:14:12: outputs.main.timeout: '2ms' is below the minimum 1s 14 |     timeout:
 * 2ms |              ^ Promise: bounded (PROBLEMS_MAX are shown, the rest is counted); control
 * characters and invalid UTF-8 never reach the terminal; what follows the key of a secret is masked
 * in the shown line. Threads: none of its own. */
#pragma once

#include "base/buf.h"

enum { PROBLEMS_MAX = 100 };

struct place { /* from 1; line 0: the file as a whole */
    unsigned line, column;
    unsigned file; /* 0: the first one; n: others[n - 1] */
};

struct config_text { /* a file of the configuration */
    const char *file;
    struct slice text;
};

struct problem;
struct diagnostics {
    const char *file;                 /* borrowed */
    struct slice text;                /* borrowed: the whole file */
    const struct config_text *others; /* borrowed: further files */
    size_t other_count;
    bool (*is_secret)(const void *context, const char *key); /* NULL: nothing is */
    const void *context;
    struct problem *problems; /* ordered; room for PROBLEMS_MAX, made by the first */
    size_t count;
    size_t more; /* found, but not kept */
};

void diagnostics_fini(struct diagnostics *diagnostics);
/* Always returns false, so that one line reports and leaves. */
bool diagnostics_add(struct diagnostics *diagnostics, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool diagnostics_is_clean(const struct diagnostics *diagnostics);
/* Further problems will be counted and hardly shown: not worth an expensive message. */
bool diagnostics_is_full(const struct diagnostics *diagnostics);
void diagnostics_write(const struct diagnostics *diagnostics, struct buf *ret);

const char *diagnostics_file(const struct diagnostics *diagnostics, unsigned file);
struct slice diagnostics_text(const struct diagnostics *diagnostics, unsigned file);
/* Its line without its break; empty if there is none. Breaks are those of YAML 1.1. */
struct slice diagnostics_line(const struct diagnostics *diagnostics, struct place place);
/* Where that byte of the file's text is. */
struct place diagnostics_place(const struct diagnostics *diagnostics, unsigned file, size_t offset);
