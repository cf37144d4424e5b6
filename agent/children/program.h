/* SPDX-License-Identifier: Apache-2.0 */
/* program: where a program is found, as a shell would look for it. Safe between fork and exec:
 * allocates nothing. */
#pragma once

#include <limits.h>
#include <stdbool.h>

/* A name with a slash is a path; any other is looked for in `search`, a list as PATH is ("": the
 * usual folders). true: ret_path can be executed by this process. false: why as errno, of the
 * first file of that name that there is, else ENOENT. */
bool program_find(const char *name, const char *search, char ret_path[PATH_MAX], int *ret_errno);

/* The value of NAME in an environment that ends with NULL; NULL: it is not there. */
const char *program_variable(char *const *environment, const char *name);
