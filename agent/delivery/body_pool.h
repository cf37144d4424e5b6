/* SPDX-License-Identifier: Apache-2.0 */
/* body_pool: keeps bodies of finished batches for the next ones. Without it each batch costs fresh
 * pages from the system, which the kernel clears: a tenth of the agent's work under load. From an
 * endpoint that is far, answers come in bursts, and with them as many bodies.
 * Bounded: BODY_SPARES_BYTES beside the memory of the permits; more only out of what no permit
 * holds, as body_pool_allow() said last.
 * Threads: any, without a lock: a slot is taken or filled by one exchange. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

enum { BODY_SPARES = 64, BODY_SPARES_BYTES = 512 * 1024 };

struct body_pool {
    _Atomic(char *) spares[BODY_SPARES];
    _Atomic size_t bytes;         /* of the spares, and of one that is on its way in or out */
    _Atomic size_t allowed_bytes; /* by body_pool_allow() */
};

char *body_pool_take(struct body_pool *pool, size_t bytes); /* NULL: out of memory */
void body_pool_give(struct body_pool *pool, char *body);    /* pool NULL: frees it */
void body_pool_allow(struct body_pool *pool, size_t bytes); /* that no permit holds */
void body_pool_trim(struct body_pool *pool);                /* frees the spares */
