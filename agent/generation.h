/* SPDX-License-Identifier: Apache-2.0 */
/* generation: one configuration that was loaded, and who still lives by it. A part that a reload
 * does not change goes on with the settings that it was built from, so these stay as long as the
 * last such part. Threads: main. */
#pragma once

#include "config/settings.h"

struct generation {
    struct settings settings;
    uint64_t number; /* from 1 */
    unsigned users;
};

/* Loads by the same call as `check`; the caller is its first user. NULL: *ret_problems says why. */
struct generation *generation_load(const char *path, uint64_t number, struct buf *ret_problems);
struct generation *generation_hold(struct generation *generation); /* one user more */
void generation_release(struct generation **generationp);          /* the last one frees it */
