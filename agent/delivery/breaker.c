/* SPDX-License-Identifier: Apache-2.0 */
/* breaker: a handful of numbers; the window is a shift register. */
#include "delivery/breaker.h"

#include "base/check.h"

struct breaker breaker_make(const struct breaker_config *config)
{
    CHECK(config->failures > 0 && config->rest_ms > 0);
    return (struct breaker){ .config = *config, .state = BREAKER_CLOSED };
}

bool breaker_allows(struct breaker *breaker, int64_t now_ms)
{
    if (breaker->state == BREAKER_CLOSED)
        return true;
    if (breaker->state == BREAKER_HALF_OPEN || now_ms < breaker->until_ms)
        return false;
    breaker->state = BREAKER_HALF_OPEN;
    return true;
}

static void rest(struct breaker *breaker, int64_t now_ms, struct random *random)
{
    int64_t half_ms = breaker->rest_ms / 2;
    uint64_t choices = (uint64_t)(breaker->rest_ms - half_ms) + 1;

    breaker->state = BREAKER_OPEN;
    breaker->until_ms = now_ms + half_ms + (int64_t)random_below(random, choices);
}

static int64_t next_rest_ms(const struct breaker *breaker)
{
    int64_t max_ms = breaker->config.rest_max_ms > breaker->config.rest_ms
                         ? breaker->config.rest_max_ms
                         : breaker->config.rest_ms;

    return breaker->rest_ms > max_ms / 2 ? max_ms : breaker->rest_ms * 2;
}

static void close_again(struct breaker *breaker)
{
    *breaker = breaker_make(&breaker->config);
}

static void note(struct breaker *breaker, bool failed)
{
    breaker->failures_in_row = failed ? breaker->failures_in_row + 1 : 0;
    breaker->window = (breaker->window << 1 | failed) & ((1u << BREAKER_WINDOW) - 1);
    if (breaker->window_count < BREAKER_WINDOW)
        breaker->window_count++;
}

static void record_probe(struct breaker *breaker, enum breaker_sign sign, int64_t now_ms,
                         struct random *random)
{
    switch (sign) {
    case BREAKER_SUCCESS:
        close_again(breaker);
        break;
    case BREAKER_FAILURE:
    case BREAKER_OUTAGE:
        note(breaker, true);
        breaker->rest_ms = next_rest_ms(breaker);
        rest(breaker, now_ms, random);
        break;
    case BREAKER_NO_SIGN:
        rest(breaker, now_ms, random);
        break;
    }
}

static bool has_seen_enough(const struct breaker *breaker)
{
    return breaker->failures_in_row >= breaker->config.failures ||
           (breaker->window_count == BREAKER_WINDOW &&
            __builtin_popcount(breaker->window) >= BREAKER_WINDOW_FAILURES);
}

void breaker_record(struct breaker *breaker, enum breaker_sign sign, int64_t now_ms,
                    struct random *random)
{
    CHECK(breaker->state != BREAKER_OPEN);
    if (breaker->state == BREAKER_HALF_OPEN) {
        record_probe(breaker, sign, now_ms, random);
        return;
    }
    if (sign == BREAKER_NO_SIGN)
        return;
    note(breaker, sign != BREAKER_SUCCESS);
    if (sign == BREAKER_OUTAGE || (sign == BREAKER_FAILURE && has_seen_enough(breaker))) {
        breaker->rest_ms = breaker->config.rest_ms;
        rest(breaker, now_ms, random);
    }
}

void breaker_rest_until(struct breaker *breaker, int64_t until_ms)
{
    if (breaker->state == BREAKER_CLOSED)
        return;
    breaker->state = BREAKER_OPEN;
    breaker->until_ms = until_ms;
}
