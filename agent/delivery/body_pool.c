/* SPDX-License-Identifier: Apache-2.0 */
/* body_pool: sizes are rounded up, so that a spare fits most of the batches to come. */
#include "delivery/body_pool.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

enum { ROUND_BYTES = 64 * 1024, ROUND_FROM_BYTES = 32 * 1024 };

/* The spare of a slot, if there is one, now the caller's. */
static char *take_spare(struct body_pool *pool, unsigned slot)
{
    if (atomic_load_explicit(&pool->spares[slot], memory_order_relaxed) == NULL)
        return NULL;
    char *spare = atomic_exchange(&pool->spares[slot], NULL);
    if (spare != NULL)
        atomic_fetch_sub(&pool->bytes, malloc_usable_size(spare));
    return spare;
}

char *body_pool_take(struct body_pool *pool, size_t bytes)
{
    for (unsigned i = 0; i < BODY_SPARES && bytes >= ROUND_FROM_BYTES; i++) {
        char *spare = take_spare(pool, i);
        if (spare != NULL && malloc_usable_size(spare) >= bytes)
            return spare;
        free(spare);
    }
    if (bytes >= ROUND_FROM_BYTES)
        bytes = (bytes + ROUND_BYTES - 1) / ROUND_BYTES * ROUND_BYTES;
    return malloc(bytes);
}

static size_t most_bytes(struct body_pool *pool)
{
    size_t allowed = atomic_load(&pool->allowed_bytes);
    return allowed > BODY_SPARES_BYTES ? allowed : BODY_SPARES_BYTES;
}

static bool reserve(struct body_pool *pool, size_t bytes)
{
    if (atomic_fetch_add(&pool->bytes, bytes) + bytes <= most_bytes(pool))
        return true;
    atomic_fetch_sub(&pool->bytes, bytes);
    return false;
}

static bool put_spare(struct body_pool *pool, char *body)
{
    for (unsigned i = 0; i < BODY_SPARES; i++) {
        char *expected = NULL;
        if (atomic_load_explicit(&pool->spares[i], memory_order_relaxed) == NULL &&
            atomic_compare_exchange_strong(&pool->spares[i], &expected, body))
            return true;
    }
    return false;
}

void body_pool_give(struct body_pool *pool, char *body)
{
    size_t bytes = pool == NULL || body == NULL ? 0 : malloc_usable_size(body);

    if (bytes >= ROUND_FROM_BYTES && reserve(pool, bytes)) {
        if (put_spare(pool, body))
            return;
        atomic_fetch_sub(&pool->bytes, bytes);
    }
    free(body);
}

void body_pool_allow(struct body_pool *pool, size_t bytes)
{
    atomic_store(&pool->allowed_bytes, bytes);
    /* Batches too small for a spare take memory of their own: what they hold, spares give up. */
    for (unsigned i = 0; i < BODY_SPARES && atomic_load(&pool->bytes) > most_bytes(pool); i++)
        free(take_spare(pool, i));
}

void body_pool_trim(struct body_pool *pool)
{
    for (unsigned i = 0; i < BODY_SPARES; i++)
        free(take_spare(pool, i));
}
