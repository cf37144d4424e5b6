/* SPDX-License-Identifier: Apache-2.0 */
/* seeds: a test that runs from seeds, 1 and up. With NAME_SEED=N in the environment it runs that
 * one, with NAME_RUNS=M so many from there. */
#pragma once

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static inline const char *seeds_wish(const char *name, const char *what)
{
    char variable[64];

    (void)snprintf(variable, sizeof(variable), "%s_%s", name, what);
    return getenv(variable);
}

static inline void seeds_run(const char *name, uint64_t runs, void (*run)(uint64_t seed))
{
    const char *first = seeds_wish(name, "SEED"), *count = seeds_wish(name, "RUNS");
    uint64_t seed = first == NULL ? 1 : strtoull(first, NULL, 10);
    uint64_t end = seed + (count != NULL ? strtoull(count, NULL, 10) : first != NULL ? 1 : runs);

    for (; seed < end; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        run(seed);
    }
}
