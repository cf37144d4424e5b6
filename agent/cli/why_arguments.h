/* SPDX-License-Identifier: Apache-2.0 */
/* why_arguments: the command line of `why`. Apart from why.c because getopt.h and the settings both
 * have a struct option. */
#pragma once

#include <stdbool.h>

struct why_arguments {
    const char *config;      /* NULL: --state-dir was given */
    const char *state_dir;   /* NULL: that of the configuration */
    const char *runtime_dir; /* NULL: not given */
    bool all;
    char **files; /* of argv */
    int count;
};

/* false: the command is over, *ret_exit says how: help was shown, or the command line is wrong. */
bool why_arguments(int argc, char **argv, struct why_arguments *ret, int *ret_exit);
