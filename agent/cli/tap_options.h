/* SPDX-License-Identifier: Apache-2.0 */
/* tap_options: the command line of `spillway tap`. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum { TAP_OPTION_FILTERS = 4 };

struct tap_options {
    const char *name, *stage; /* stage NULL: the agent's choice */
    const char *filters[TAP_OPTION_FILTERS];
    unsigned filter_count;
    uint64_t rate, count; /* count 0: no end */
    int64_t for_ms;
    const char *config, *state_dir, *runtime_dir; /* NULL: not given */
};

/* false: the command is over, *ret_exit says how. */
bool tap_options_read(int argc, char **argv, struct tap_options *ret, int *ret_exit);
