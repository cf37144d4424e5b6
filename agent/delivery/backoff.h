/* SPDX-License-Identifier: Apache-2.0 */
/* backoff: how long one batch waits before it is tried again. Full jitter: uniform between zero and
 * a bound that doubles with each attempt, so that many agents do not come back together (Brooker,
 * "Exponential Backoff and Jitter", AWS Architecture Blog, 2015). Pure. */
#pragma once

#include "base/random.h"

#include <stdint.h>

struct backoff {
    int64_t base_ms, cap_ms;
};

struct backoff backoff_make(int64_t base_ms, int64_t cap_ms);
/* min(cap, base * 2^failures): failures before this wait, from 0. Never overflows. */
int64_t backoff_bound_ms(const struct backoff *backoff, unsigned failures);
int64_t backoff_delay_ms(const struct backoff *backoff, unsigned failures, struct random *random);
