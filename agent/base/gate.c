/* SPDX-License-Identifier: Apache-2.0 */
/* gate: a thread says at which shutting it stands, not just that it does: else one that is just
 * leaving would be taken for standing at the next. */
#include "base/gate.h"

#include "base/check.h"

void gate_shut(struct gate *gate)
{
    CHECK((atomic_fetch_add(&gate->word, 1) & 1) == 0);
}

void gate_open(struct gate *gate)
{
    CHECK((atomic_fetch_add(&gate->word, 1) & 1) == 1);
    wake_bump(&gate->opened);
}

bool gate_is_stood_at(const struct gate *gate)
{
    return atomic_load(&gate->stood) == atomic_load(&gate->word);
}

void gate_await(struct gate *gate, int64_t timeout_ms)
{
    uint32_t seen = wake_read(&gate->arrived);

    if (!gate_is_stood_at(gate))
        wake_wait(&gate->arrived, seen, timeout_ms);
}

void gate_stand(struct gate *gate)
{
    for (;;) {
        uint32_t seen = wake_read(&gate->opened);
        uint32_t word = atomic_load(&gate->word);
        if ((word & 1) == 0)
            return;
        atomic_store(&gate->stood, word);
        wake_bump(&gate->arrived);
        wake_wait(&gate->opened, seen, -1);
    }
}
