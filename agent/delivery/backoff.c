/* SPDX-License-Identifier: Apache-2.0 */
/* backoff: doubling stops at the cap, long before it could overflow. */
#include "delivery/backoff.h"

#include "base/check.h"

struct backoff backoff_make(int64_t base_ms, int64_t cap_ms)
{
    CHECK(base_ms > 0 && cap_ms > 0 && cap_ms < INT64_MAX);
    return (struct backoff){ base_ms, cap_ms };
}

int64_t backoff_bound_ms(const struct backoff *backoff, unsigned failures)
{
    int64_t bound_ms = backoff->base_ms;

    for (unsigned i = 0; i < failures && bound_ms < backoff->cap_ms; i++)
        bound_ms = bound_ms > backoff->cap_ms / 2 ? backoff->cap_ms : bound_ms * 2;
    return bound_ms < backoff->cap_ms ? bound_ms : backoff->cap_ms;
}

int64_t backoff_delay_ms(const struct backoff *backoff, unsigned failures, struct random *random)
{
    uint64_t choices = (uint64_t)backoff_bound_ms(backoff, failures) + 1;

    return (int64_t)random_below(random, choices);
}
