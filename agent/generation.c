/* SPDX-License-Identifier: Apache-2.0 */
#include "generation.h"

#include "base/check.h"
#include "catalog.h"

#include <stdlib.h>

struct generation *generation_load(const char *path, uint64_t number, struct buf *ret_problems)
{
    struct generation *generation = calloc(1, sizeof(*generation));

    if (generation == NULL) {
        (void)buf_printf(ret_problems, "%s: out of memory\n", path);
        return NULL;
    }
    generation->number = number;
    generation->users = 1;
    if (settings_load(path, &catalog, &generation->settings, ret_problems))
        return generation;
    free(generation);
    return NULL;
}

struct generation *generation_hold(struct generation *generation)
{
    generation->users++;
    return generation;
}

void generation_release(struct generation **generationp)
{
    struct generation *generation = *generationp;

    *generationp = NULL;
    if (generation == NULL)
        return;
    CHECK(generation->users > 0);
    if (--generation->users > 0)
        return;
    settings_free(&generation->settings);
    free(generation);
}
