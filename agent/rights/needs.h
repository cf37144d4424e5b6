/* SPDX-License-Identifier: Apache-2.0 */
/* needs: what a configuration asks for beyond reading what everyone may read. Looks at nothing but
 * the settings. Threads: none of its own. */
#pragma once

#include "base/err.h"
#include "config/settings.h"

enum need_kind {
    NEED_FOLDER,     /* files are made, written and removed in it, and below */
    NEED_FILE,       /* this one is written */
    NEED_CAPABILITY, /* of the kernel's, by its number */
};

struct need {
    enum need_kind kind;
    const char *section, *name; /* who asks: "inputs", "nginx"; name "": the section itself */
    struct mark mark;           /* file NULL: none */
    char *path;                 /* NEED_FOLDER, NEED_FILE */
    int capability;             /* NEED_CAPABILITY */
};

struct needs {
    struct need *items;
    size_t count;
    bool failed; /* out of memory */
};

/* Points into the settings. false: out of memory, err is set. */
bool needs_gather(struct needs *ret, const struct settings *settings, struct err *err);
void needs_fini(struct needs *needs);
