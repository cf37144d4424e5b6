/* SPDX-License-Identifier: Apache-2.0 */
/* clock: the only reader of time. Everything that decides gets `now` passed in. */
#pragma once

#include <stdint.h>

#define MS_PER_S INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* Milliseconds of CLOCK_MONOTONIC: for intervals and timers. A step of the wall clock does not move
 * it. */
int64_t clock_now_ms(void);
int64_t clock_now_ns(void); /* the same clock, finer */

/* Milliseconds of CLOCK_BOOTTIME: for the age of data; it also counts while the host is suspended.
 */
int64_t clock_boot_ms(void);

/* Nanoseconds since 1970 UTC: for timestamps only, it may step. */
int64_t clock_real_ns(void);
