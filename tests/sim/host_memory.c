/* SPDX-License-Identifier: Apache-2.0 */
/* host_memory: scarce memory. While a part of the agent acts, what it asks for is refused by
 * chance; what the world around it asks for never is. Linked with --wrap. */
#include "host.h"

#include <stdlib.h>

static struct sim *acting; /* NULL: the world is */

struct sim *memory_is_for(struct sim *host)
{
    struct sim *before = acting;

    acting = host;
    return before;
}

static bool is_refused(void)
{
    bool ret = acting != NULL && acting->memory_sickness > 0 &&
               random_below(&acting->random, 1000) < acting->memory_sickness;

    if (ret)
        acting->refused++;
    return ret;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);

void *__wrap_malloc(size_t bytes)
{
    return is_refused() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return is_refused() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    return is_refused() ? NULL : __real_realloc(memory, bytes);
}
