/* SPDX-License-Identifier: Apache-2.0 */
/* variants: __real_NAME is the function of the agent, __wrap_NAME is called in its place. */
#include "variants.h"

#include "delivery/breaker.h"
#include "delivery/limiter.h"
#include "delivery/retry_budget.h"

const char *const variant_names[VARIANTS] = { "all_on", "no_jitter", "no_breaker", "no_budget",
                                              "no_aimd" };
enum variant variant;

/* The linker's names; it declares them nowhere. */
#define WRAPPED(type, name, ...)                                                                   \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

WRAPPED(uint64_t, random_below, struct random *random, uint64_t bound)
{
    if (variant == VARIANT_NO_JITTER)
        return bound == 0 ? 0 : bound - 1;
    return __real_random_below(random, bound);
}

WRAPPED(double, random_unit, struct random *random)
{
    return variant == VARIANT_NO_JITTER ? 0.5 : __real_random_unit(random);
}

WRAPPED(void, breaker_record, struct breaker *breaker, enum breaker_sign sign, int64_t now_ms,
        struct random *random)
{
    if (variant != VARIANT_NO_BREAKER)
        __real_breaker_record(breaker, sign, now_ms, random);
}

WRAPPED(int64_t, retry_budget_ready_ms, const struct retry_budget *budget, int64_t now_ms)
{
    return variant == VARIANT_NO_BUDGET ? now_ms : __real_retry_budget_ready_ms(budget, now_ms);
}

WRAPPED(struct limiter, limiter_make, unsigned min, unsigned max)
{
    return __real_limiter_make(variant == VARIANT_NO_AIMD ? max : min, max);
}
