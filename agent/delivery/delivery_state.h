/* SPDX-License-Identifier: Apache-2.0 */
/* delivery_state: what a delivery is made of, for delivery.c and answers.c alone. */
#pragma once

#include "delivery/backoff.h"
#include "delivery/batch_limit.h"
#include "delivery/breaker.h"
#include "delivery/delivery.h"
#include "delivery/holding.h"
#include "delivery/limiter.h"
#include "delivery/retry_budget.h"

enum { DELIVERY_MAGIC = 0x64656c69 };

struct delivery {
    uint32_t magic;
    /* constant */
    struct delivery_config config;
    struct numbers *numbers;
    bool in_order;
    struct backoff backoff;
    /* under the caller's lock */
    struct random random;
    struct breaker breaker;
    struct limiter limiter;
    struct retry_budget budget;
    struct batch_limit batch_limit;
    struct holding held;
    struct batch *probe; /* in flight, while the breaker is half-open */
    int64_t pause_until_ms;
    bool endpoint_took_one, draining, abandoned, has_news;
    struct delivery_news news;
};

static inline int64_t least_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Shows what changed in the numbers of the output. */
void delivery_publish(const struct delivery *delivery);
