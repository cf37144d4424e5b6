/* SPDX-License-Identifier: Apache-2.0 */
/* check_arguments: the command line of `check`. Apart from check.c because getopt.h and the
 * settings both have a struct option. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct check_arguments {
    const char *config;
    bool explain, env;
    uint64_t rate_per_s; /* 0: no load is given, so what it can hold is not worked out */
    uint64_t event_bytes;
    double ratio;
};

/* false: the command is over, *ret_exit says how: help was shown, or the command line is wrong. */
bool check_arguments(int argc, char **argv, struct check_arguments *ret, int *ret_exit);
