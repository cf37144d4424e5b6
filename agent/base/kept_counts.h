/* SPDX-License-Identifier: Apache-2.0 */
/* kept_counts: counts of things that outlive the process, by their key: a mapped file on tmpfs, so
 * that they survive any end of it as they stood, and none of the boot.
 * Threads: any may look for a count, which is then its own to write.
 * Why not in a file that is saved now and then: after a kill it would be behind. */
#pragma once

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEPT_COUNTS = 128 };
struct kept_key {
    uint64_t high, low; /* not both 0 */
};

struct kept_counts;
/* On tmpfs: elsewhere a full file system would kill. What is there and is none is made anew; one
 * that another process has is an error. NULL: err says why. */
struct kept_counts *kept_counts_open(const char *path, struct err *err);
void kept_counts_free(struct kept_counts **countsp);
/* The count of this key, 0 where it is new; for that the one goes that no one in this process has
 * asked for, and of these the one with the lowest key. NULL: all have been asked for. */
atomic_uint_fast64_t *kept_counts_find(struct kept_counts *counts, struct kept_key key,
                                       bool *ret_is_new);
