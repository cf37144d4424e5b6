/* SPDX-License-Identifier: Apache-2.0 */
/* body_pool: sizes are rounded up, so that a spare fits most of the batches to come. */
#include "delivery/body_pool.h"

#include <malloc.h>
#include <stdlib.h>

enum { ROUND_BYTES = 64 * 1024, ROUND_FROM_BYTES = 32 * 1024 };

char *body_pool_take(struct body_pool *pool, size_t bytes)
{
    for (unsigned i = 0; i < BODY_SPARES && bytes >= ROUND_FROM_BYTES; i++) {
        char *spare = atomic_exchange(&pool->spares[i], NULL);
        if (spare != NULL && malloc_usable_size(spare) >= bytes)
            return spare;
        free(spare);
    }
    if (bytes >= ROUND_FROM_BYTES)
        bytes = (bytes + ROUND_BYTES - 1) / ROUND_BYTES * ROUND_BYTES;
    return malloc(bytes);
}

void body_pool_give(struct body_pool *pool, char *body)
{
    size_t bytes = pool == NULL || body == NULL ? 0 : malloc_usable_size(body);

    for (unsigned i = 0; i < BODY_SPARES && bytes >= ROUND_FROM_BYTES && bytes <= BODY_SPARE_BYTES;
         i++) {
        char *expected = NULL;
        if (atomic_compare_exchange_strong(&pool->spares[i], &expected, body))
            return;
    }
    free(body);
}

void body_pool_trim(struct body_pool *pool)
{
    for (unsigned i = 0; i < BODY_SPARES; i++)
        free(atomic_exchange(&pool->spares[i], NULL));
}
