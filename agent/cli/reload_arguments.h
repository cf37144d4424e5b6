/* SPDX-License-Identifier: Apache-2.0 */
/* reload_arguments: the command line of `spillway reload`; apart because getopt.h and the settings
 * both have a struct option. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct reload_arguments {
    const char *config;
    const char *state_dir, *runtime_dir; /* NULL: as the configuration says */
    int64_t timeout_ms;
};

/* false: the command is over, *ret_exit says how. */
bool reload_arguments_read(int argc, char **argv, struct reload_arguments *ret, int *ret_exit);
