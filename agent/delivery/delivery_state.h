/* SPDX-License-Identifier: Apache-2.0 */
/* delivery_state: what a delivery is made of, for delivery.c, answers.c and spilling.c alone. */
#pragma once

#include "delivery/backoff.h"
#include "delivery/batch_limit.h"
#include "delivery/breaker.h"
#include "delivery/delivery.h"
#include "delivery/holding.h"
#include "delivery/limiter.h"
#include "delivery/retry_budget.h"

enum { DELIVERY_MAGIC = 0x64656c69 };

/* What is between the delivery and its spool. */
struct spilling {
    struct spool *spool;   /* NULL: none; borrowed */
    bool wants_memory;     /* a worker could not get a permit */
    bool was_write;        /* the last job: writing and reading take turns */
    bool is_writing;       /* the job that is being done */
    bool is_closing;       /* the agent stops: sync at once, then seal */
    bool has_left;         /* the agent stops, and some read from disk were dropped from memory */
    struct permit loading; /* for the body that is being read */
};

struct delivery {
    uint32_t magic;
    struct numbers *numbers; /* constant */
    /* under the caller's lock */
    struct delivery_config config;
    bool in_order;
    struct backoff backoff;
    struct random random;
    struct breaker breaker;
    struct limiter limiter;
    struct retry_budget budget;
    struct batch_limit batch_limit;
    struct holding held;
    struct spilling spill;
    struct batch *probe; /* in flight, while the breaker is half-open */
    int64_t pause_until_ms;
    bool endpoint_took_one, draining, abandoned, has_news;
    bool is_on_hold; /* starts no request: see delivery_hold() */
    bool is_held;    /* the last answer that told the breaker something was an outage */
    struct delivery_news news;
};

static inline int64_t least_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Moves what is to be written out of `ready`; drops from memory what is not to be sent any more. */
void spilling_choose(struct delivery *delivery, int64_t now_ms);
/* false: an older one on disk goes first. */
bool spilling_may_send(const struct delivery *delivery, const struct batch *batch, int64_t now_ms);
/* Should workers seal on, beyond what is to be sent next? */
bool spilling_wants_batches(const struct delivery *delivery, int64_t now_ms);
/* When the state of the spool changes by itself, so that the workers may go on; INT64_MAX. */
int64_t spilling_due_ms(const struct delivery *delivery, int64_t now_ms);
/* Admission of the oldest event of the spool; INT64_MAX: there is none. */
int64_t spilling_oldest_boot_ms(const struct delivery *delivery);
void spilling_audit(struct delivery *delivery);

/* While the agent stops: until a batch, or the probe, is tried again. */
int64_t delivery_drain_wait_ms(struct delivery *delivery);
/* Shows what changed in the numbers of the output. */
void delivery_publish(const struct delivery *delivery);
