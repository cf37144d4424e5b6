/* SPDX-License-Identifier: Apache-2.0 */
/* substitute: ${VAR}, ${VAR:-default} and ${file:/path} in a value; $$ is a literal '$', and a '$'
 * before anything else stays as it is (patterns end with it).
 * Promise: the result is not looked at again, is at most SUBSTITUTED_MAX bytes, and no message
 * contains a substituted value. Reads the environment and regular files, nothing else. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum { SUBSTITUTED_MAX = 64 * 1024 };

struct substituted {
    bool
        is_changed; /* a variable or a file went into it: the value is not the user's to be shown */
    size_t offset;  /* on failure: where the bad ${…} begins */
};

/* Where the values of the ${…} in a text come from, in words for people, without the values:
 * "environment variable TOKEN", "file /etc/token". Appends to ret; nothing where there are none. */
void substitute_sources(const char *text, struct buf *ret);

/* Appends to ret_text. VAR:-default: also taken when VAR is set and empty, as in a shell. */
bool substitute(const char *text, struct buf *ret_text, struct substituted *ret, struct err *err);
