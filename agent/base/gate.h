/* SPDX-License-Identifier: Apache-2.0 */
/* gate: where a thread stands still between two steps while another one changes what it works with.
 * Who shuts it must wake the thread, so that it comes to the gate, and then wait until it stands:
 * from there until gate_open() everything that belongs to the thread belongs to the other one.
 * Threads: gate_pass() the one that stands, the others main. Zeroed memory is an open gate. */
#pragma once

#include "base/wake.h"

struct gate {
    _Atomic uint32_t word;  /* odd: shut; each shutting is another one */
    _Atomic uint32_t stood; /* the last shutting at which the thread stood */
    struct wake opened, arrived;
};

void gate_shut(struct gate *gate);
void gate_open(struct gate *gate);
bool gate_is_stood_at(const struct gate *gate); /* the thread stands */
/* Waits until it stands, for at most timeout_ms; may return early, ask again. */
void gate_await(struct gate *gate, int64_t timeout_ms);

void gate_stand(struct gate *gate);
static inline void gate_pass(struct gate *gate)
{
    if ((atomic_load_explicit(&gate->word, memory_order_acquire) & 1) != 0)
        gate_stand(gate);
}
