/* SPDX-License-Identifier: Apache-2.0 */
/* body_pool: keeps a few bodies of finished batches for the next ones. Without it each batch costs
 * fresh pages from the system, which the kernel clears: a tenth of the agent's work under load.
 * Bounded: BODY_SPARES bodies of at most BODY_SPARE_BYTES, beside the memory of the permits.
 * Threads: any, without a lock: a slot is taken or filled by one exchange. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

enum { BODY_SPARES = 4, BODY_SPARE_BYTES = 512 * 1024 };

struct body_pool {
    _Atomic(char *) spares[BODY_SPARES];
};

char *body_pool_take(struct body_pool *pool, size_t bytes); /* NULL: out of memory */
void body_pool_give(struct body_pool *pool, char *body);    /* pool NULL: frees it */
void body_pool_trim(struct body_pool *pool);                /* frees the spares */
