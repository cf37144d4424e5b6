/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ending.h"

#include "base/clock.h"

enum { LOOK_MS = 1000 };

void ending_tell(struct ending *ending)
{
    atomic_store(&ending->is_told, true);
    wake_bump(&ending->wake);
}

bool ending_await(struct ending *ending, int64_t deadline_ms)
{
    for (;;) {
        uint32_t seen = wake_read(&ending->wake);
        if (atomic_load(&ending->is_told))
            return true;
        int64_t left_ms = deadline_ms - clock_now_ms();
        if (left_ms <= 0)
            return false;
        wake_wait(&ending->wake, seen, left_ms < LOOK_MS ? left_ms : LOOK_MS);
    }
}
