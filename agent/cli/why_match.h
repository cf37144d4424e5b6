/* SPDX-License-Identifier: Apache-2.0 */
/* why_match: what the patterns of a configuration say to a file. By what it is where it can be
 * looked at, so that links and other names of it count; else by its name alone. */
#pragma once

#include "base/patterns.h"
#include "config/settings.h"

#include <limits.h>
#include <sys/stat.h>

struct why_file {
    char path[PATH_MAX];     /* absolute, as it was named */
    char resolved[PATH_MAX]; /* without links; as path where it cannot be told */
    bool is_there;
    int error; /* why it cannot be looked at; errno */
    struct stat info;
};

/* false: the path is too long. */
bool why_file_look(struct why_file *file, const char *path);

struct why_match {
    const char *pattern;     /* that matches; NULL: none of this input does */
    const char *excluded_by; /* NULL: not left out */
    char name[PATH_MAX];     /* under which it is matched */
    const char *nearest;     /* pattern, where none matches */
    struct pattern_fit nearest_fit;
};

/* false: the input is not one of files. */
bool why_match(const struct settings_part *input, const struct why_file *file,
               struct why_match *ret);
