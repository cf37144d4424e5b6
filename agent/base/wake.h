/* SPDX-License-Identifier: Apache-2.0 */
/* wake: the one word a thread sleeps on.
 * Whoever changes something the thread waits for bumps the word after unlocking. The sleeper reads
 * the word, looks at everything it waits for, and sleeps only if the word is unchanged: no wake-up
 * is lost, whatever the order. Futex(2), private. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct wake {
    _Atomic uint32_t word;
    _Atomic uint32_t sleepers;
};

static inline uint32_t wake_read(struct wake *wake)
{
    return atomic_load_explicit(&wake->word, memory_order_seq_cst);
}

void wake_bump(struct wake *wake); /* any thread */

/* Sleeps while the word is `seen`, for at most timeout_ms (< 0: without end). May return early. */
void wake_wait(struct wake *wake, uint32_t seen, int64_t timeout_ms);
