/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include "base/check.h"

#include <time.h>

static int64_t read_clock_ns(clockid_t id)
{
    struct timespec now;
    CHECK(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_now_ms(void)
{
    return read_clock_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

int64_t clock_now_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

int64_t clock_boot_ms(void)
{
    return read_clock_ns(CLOCK_BOOTTIME) / NS_PER_MS;
}

int64_t clock_real_ns(void)
{
    return read_clock_ns(CLOCK_REALTIME);
}
