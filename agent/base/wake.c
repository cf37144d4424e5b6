/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wake.h"

#include "base/clock.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void wake_bump(struct wake *wake)
{
    atomic_fetch_add_explicit(&wake->word, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&wake->sleepers, memory_order_seq_cst) > 0)
        (void)syscall(SYS_futex, &wake->word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void wake_wait(struct wake *wake, uint32_t seen, int64_t timeout_ms)
{
    struct timespec limit = { .tv_sec = timeout_ms / MS_PER_S,
                              .tv_nsec = (timeout_ms % MS_PER_S) * NS_PER_MS };

    atomic_fetch_add_explicit(&wake->sleepers, 1, memory_order_seq_cst);
    (void)syscall(SYS_futex, &wake->word, FUTEX_WAIT_PRIVATE, seen, timeout_ms < 0 ? NULL : &limit,
                  NULL, 0);
    atomic_fetch_sub_explicit(&wake->sleepers, 1, memory_order_seq_cst);
}
