/* SPDX-License-Identifier: Apache-2.0 */
/* receive_check: which numbers have come, of several runs: unique, missing, twice, out of order.
 * One bit a number in address space that takes memory only where it is used: at most CHECK_RUNS
 * runs of CHECK_NUMBERS numbers, so 8 GiB of addresses and, for 10 million lines, 1.2 MB of memory.
 * Threads: check_run() may be called from any; the rest under the caller's lock. */
#pragma once

#include "base/lock.h"
#include "base/slice.h"

#include <stdint.h>

enum { CHECK_RUNS = 64, CHECK_NAME_BYTES = 192, CHECK_NUMBERS = 1 << 30 };
enum { CHECK_NO_RUN = CHECK_RUNS };

struct check_run {
    char name[CHECK_NAME_BYTES]; /* never changes once it is there */
    uint64_t *bits;              /* NULL: no address space, then every number is `beyond` */
    uint64_t unique, duplicate, out_of_order, beyond;
    uint64_t lowest, highest;
};

struct check {
    struct lock lock; /* only to add a run */
    _Atomic uint32_t count;
    _Atomic uint64_t runs_ignored; /* calls with a name for which there was no place */
    struct check_run runs[CHECK_RUNS];
};

void check_init(struct check *check);
void check_fini(struct check *check);
/* The run's index, a new one if there is none of that name; CHECK_NO_RUN: no place left. */
uint32_t check_run(struct check *check, struct slice name);
/* How a number came: true if for the first time. */
bool check_add(struct check *check, uint32_t run, uint64_t number);
/* Holes between `first` (0: the lowest that came) and the highest that came. */
uint64_t check_missing(const struct check_run *run, uint64_t first);
/* The first hole, 0: none. */
uint64_t check_first_hole(const struct check_run *run, uint64_t first);
