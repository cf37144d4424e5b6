/* SPDX-License-Identifier: Apache-2.0 */
/* delivery: which batch goes when: choose() asks the policies before a request. What an answer
 * means is in answers.c, what is held and counted in holding.c. With at most one request allowed at
 * a time batches leave in order: then only the head of the queue is looked at, and what comes back
 * becomes the head. */
#include "base/check.h"
#include "delivery/delivery_state.h"

#include <stdlib.h>

enum {
    AHEAD = 2, /* sealed batches that wait beyond those that may be sent at once */
};

/* Whatever follows from the configuration, as for an endpoint of which nothing is known. */
static void make_policies(struct delivery *delivery, const struct delivery_config *config)
{
    delivery->config = *config;
    delivery->in_order = config->concurrency_max == 1;
    delivery->random = random_make(config->seed);
    delivery->backoff = backoff_make(config->retry_base_ms, config->retry_cap_ms);
    delivery->breaker =
        breaker_make(&(struct breaker_config){ .failures = config->breaker_failures,
                                               .rest_ms = config->breaker_rest_ms,
                                               .rest_max_ms = config->breaker_rest_max_ms });
    delivery->limiter = limiter_make(config->concurrency_min, config->concurrency_max);
    delivery->budget = retry_budget_make();
    delivery->batch_limit =
        batch_limit_make(config->batch_max_bytes == 0 ? UINT64_MAX : config->batch_max_bytes);
    delivery->held.share.limit_bytes = config->memory_bytes;
    delivery->held.share.kept_bytes = config->kept_bytes;
}

struct delivery *delivery_new(const struct delivery_config *config, struct numbers *numbers)
{
    struct delivery *delivery = calloc(1, sizeof(*delivery));

    if (delivery == NULL)
        return NULL;
    delivery->magic = DELIVERY_MAGIC;
    delivery->numbers = numbers;
    make_policies(delivery, config);
    return delivery;
}

void delivery_free(struct delivery **deliveryp)
{
    struct delivery *delivery = *deliveryp;

    *deliveryp = NULL;
    if (delivery == NULL)
        return;
    CHECK(delivery->magic == DELIVERY_MAGIC && delivery_is_empty(delivery));
    CHECK(delivery->held.share.used_bytes == 0);
    delivery->magic = 0;
    free(delivery);
}

void delivery_publish(const struct delivery *delivery)
{
    struct numbers *numbers = delivery->numbers;

    numbers_set(numbers, NUMBER_requests_in_flight, delivery->held.in_flight.count);
    numbers_set(numbers, NUMBER_concurrency_limit, (uint64_t)(delivery->limiter.limit * 1000));
    numbers_set(numbers, NUMBER_concurrency_max, delivery->config.concurrency_max);
    numbers_set(numbers, NUMBER_batch_max_bytes, delivery->batch_limit.bytes);
    numbers_set(numbers, NUMBER_breaker_state, delivery->breaker.state);
    numbers_set(numbers, NUMBER_held, delivery->is_held);
    numbers_set(numbers, NUMBER_sealed_memory_bytes, delivery->held.share.used_bytes);
    numbers_set(numbers, NUMBER_sealed_memory_limit_bytes, share_limit(&delivery->held.share));
}

/* What workers still bring after the end goes the same way. */
static void abandon_if_over(struct delivery *delivery)
{
    if (!delivery->abandoned)
        return;
    numbers_add(delivery->numbers, NUMBER_dead_letter_errors, holding_abandon(&delivery->held));
    delivery->probe = NULL;
}

/* ---- from the batch workers ---- */

bool delivery_reserve(struct delivery *delivery, unsigned worker, uint64_t bytes,
                      struct permit *ret)
{
    _Static_assert((int)SHARE_WAITERS >= (int)LEDGER_CELLS, "a place for each worker");
    bool granted = share_acquire_in_turn(&delivery->held.share, worker, bytes, ret);

    delivery->spill.wants_memory = !granted;
    delivery_publish(delivery);
    return granted;
}

void delivery_unreserve(struct delivery *delivery, struct permit *permit)
{
    permit_release(permit);
    delivery_publish(delivery);
}

struct share *delivery_share(struct delivery *delivery)
{
    return &delivery->held.share;
}

/* Only another batch tells whether the one that is held is poisoned. */
static bool needs_another(const struct delivery *delivery)
{
    const struct holding *held = &delivery->held;

    return held->ready.count == 1 && held->ready.head->may_be_poisoned &&
           held->in_flight.count + held->to_split.count + held->splitting.count == 0;
}

/* With nothing held while the breaker is open there would be no batch to probe with. */
bool delivery_wants_batches(const struct delivery *delivery, int64_t now_ms)
{
    const struct breaker *breaker = &delivery->breaker;

    if (delivery->draining || spilling_wants_batches(delivery, now_ms))
        return true;
    if (breaker->state != BREAKER_CLOSED)
        return needs_another(delivery) ||
               (delivery_is_empty(delivery) && now_ms >= breaker->until_ms);
    return (double)delivery->held.ready.count < limiter_prospect(&delivery->limiter) + AHEAD;
}

uint64_t delivery_max_bytes(const struct delivery *delivery)
{
    return delivery->batch_limit.bytes;
}

void delivery_put(struct delivery *delivery, struct batch **batchp, int64_t now_ms)
{
    (*batchp)->due_ms = now_ms;
    holding_seal(&delivery->held, *batchp);
    *batchp = NULL;
    abandon_if_over(delivery);
    delivery_publish(delivery);
}

struct batch *delivery_take_split(struct delivery *delivery)
{
    return holding_take_split(&delivery->held);
}

static void put_unsplit(struct delivery *delivery, struct batch *parent, int64_t now_ms)
{
    struct backoff *backoff = &delivery->backoff;

    /* No memory for the halves: from the start again, later. */
    parent->due_ms = now_ms + (delivery->draining ? delivery_drain_wait_ms(delivery)
                                                  : backoff_delay_ms(backoff, parent->attempts,
                                                                     &delivery->random));
    holding_end_split(&delivery->held, parent, NULL);
}

void delivery_put_halves(struct delivery *delivery, struct batch **parentp, struct batch *halves[2],
                         int64_t now_ms)
{
    struct batch *parent = *parentp;

    *parentp = NULL;
    if (halves == NULL || halves[0] == NULL) {
        put_unsplit(delivery, parent, now_ms);
    } else {
        for (unsigned i = 0; i < 2; i++) {
            halves[i]->due_ms = now_ms;
            halves[i]->attempts = parent->attempts; /* an extra request: it costs a token */
        }
        holding_end_split(&delivery->held, parent, halves);
        halves[0] = halves[1] = NULL;
    }
    abandon_if_over(delivery);
    delivery_publish(delivery);
}

struct batch *delivery_take_refused(struct delivery *delivery)
{
    return holding_take_refused(&delivery->held);
}

void delivery_put_buried(struct delivery *delivery, struct batch **batchp)
{
    holding_finish(&delivery->held.burying, *batchp, (*batchp)->refusal->flow);
    *batchp = NULL;
    delivery_publish(delivery);
}

/* ---- before a request ---- */

static bool is_probing(const struct delivery *delivery)
{
    return delivery->breaker.state != BREAKER_CLOSED;
}

/* A repetition after a connection that was dead already is not the endpoint's burden. */
static bool needs_token(const struct batch *batch)
{
    return batch->attempts > 0 && !batch->suspect_connection_retry_used;
}

/* One due batch may always go while nothing is in flight; otherwise a retry needs a token. */
static struct batch *find_due(const struct delivery *delivery, int64_t now_ms, int64_t *until_ms)
{
    bool is_free = delivery->draining || delivery->held.in_flight.count == 0;

    for (struct batch *batch = delivery->held.ready.head; batch != NULL; batch = batch->next) {
        int64_t at_ms = batch->due_ms;
        if (!spilling_may_send(delivery, batch, now_ms))
            continue;
        if (at_ms <= now_ms && needs_token(batch) && !is_free)
            at_ms = retry_budget_ready_ms(&delivery->budget, now_ms);
        if (at_ms <= now_ms)
            return batch;
        *until_ms = least_ms(*until_ms, at_ms);
        if (delivery->in_order)
            break;
    }
    return NULL;
}

static struct batch *first_sendable(const struct delivery *delivery, int64_t now_ms)
{
    struct batch *batch = delivery->held.ready.head;

    while (batch != NULL && !spilling_may_send(delivery, batch, now_ms))
        batch = batch->next;
    return batch;
}

/* There is no time for a gap while the agent stops. */
static struct batch *choose_due(struct delivery *delivery, int64_t now_ms, int64_t *until_ms)
{
    struct batch *batch = find_due(delivery, now_ms, until_ms);
    int64_t ready_ms;

    if (batch == NULL)
        return NULL;
    ready_ms = limiter_ready_ms(&delivery->limiter, delivery->held.in_flight.count, now_ms);
    if (ready_ms <= now_ms || (delivery->draining && ready_ms != INT64_MAX))
        return batch;
    *until_ms = ready_ms;
    return NULL;
}

/* Where the order is kept the head is the probe. One that may be poisoned would hold all others for
 * ever: it and the next one take turns, and if that is taken the head was to blame. */
static struct batch *choose_probe(const struct delivery *delivery, struct batch *first,
                                  int64_t now_ms)
{
    struct batch *next = first->next;

    if (!delivery->in_order || !first->may_be_poisoned)
        return first;
    while (next != NULL && !spilling_may_send(delivery, next, now_ms))
        next = next->next;
    if (next == NULL)
        return first;
    first->may_be_poisoned = false;
    first->was_passed = true;
    return next;
}

/* The batch to send now, NULL: none before until_ms, if nothing else happens. */
static struct batch *choose(struct delivery *delivery, int64_t now_ms, int64_t *until_ms)
{
    bool is_ahead_split = delivery->held.to_split.count + delivery->held.splitting.count > 0;

    *until_ms = INT64_MAX;
    if (delivery->is_on_hold)
        return NULL;
    struct batch *first = first_sendable(delivery, now_ms);
    if (first == NULL || (delivery->in_order && is_ahead_split))
        return NULL;
    if (now_ms < delivery->pause_until_ms) {
        *until_ms = delivery->pause_until_ms;
        return NULL;
    }
    if (!is_probing(delivery))
        return choose_due(delivery, now_ms, until_ms);
    /* The rest of the breaker is the wait of the probe; the head is the one tried longest ago. */
    if (breaker_allows(&delivery->breaker, now_ms))
        return delivery->probe = choose_probe(delivery, first, now_ms);
    if (delivery->breaker.state == BREAKER_OPEN)
        *until_ms = delivery->breaker.until_ms;
    return NULL;
}

static void launch(struct delivery *delivery, struct batch *batch, int64_t now_ms)
{
    holding_launch(&delivery->held, batch);
    numbers_add(delivery->numbers, NUMBER_attempts, 1);
    if (batch->attempts > 0 || batch->suspect_connection_retry_used)
        numbers_add(delivery->numbers, NUMBER_retries, 1);
    if (needs_token(batch))
        (void)retry_budget_take(&delivery->budget, now_ms); /* none left: it went for free */
    batch->attempts++;
    batch->ticket = limiter_launch(&delivery->limiter, delivery->held.in_flight.count, now_ms,
                                   &delivery->random);
}

/* While the breaker rests with nothing held, the workers must be told when it is over. */
static int64_t next_look_ms(const struct delivery *delivery, int64_t until_ms, int64_t expiry_ms,
                            int64_t now_ms)
{
    if (expiry_ms != INT64_MAX)
        until_ms = least_ms(until_ms, now_ms + expiry_ms);
    if (delivery->breaker.state == BREAKER_OPEN && now_ms < delivery->breaker.until_ms)
        until_ms = least_ms(until_ms, delivery->breaker.until_ms);
    return until_ms == INT64_MAX ? 0 : until_ms;
}

struct step delivery_next(struct delivery *delivery, int64_t now_ms, int64_t boot_ms)
{
    int64_t expiry_ms = holding_expire(&delivery->held, delivery->config.max_age_ms, boot_ms);
    int64_t until_ms;
    spilling_choose(delivery, now_ms);
    struct batch *batch = choose(delivery, now_ms, &until_ms);
    struct step step = { .kind = STEP_WAIT };

    if (batch == NULL) {
        until_ms = least_ms(until_ms, spilling_due_ms(delivery, now_ms));
        step.until_ms = next_look_ms(delivery, until_ms, expiry_ms, now_ms);
    } else {
        launch(delivery, batch, now_ms);
        step.kind = STEP_SEND;
        step.batch = batch;
        step.timeout_ms =
            least_ms(delivery->config.timeout_ms,
                     holding_time_left_ms(batch, delivery->config.max_age_ms, boot_ms));
    }
    numbers_set(delivery->numbers, NUMBER_retry_tokens,
                (uint64_t)retry_budget_left(&delivery->budget, now_ms));
    delivery_publish(delivery);
    return step;
}

/* ---- the end, and the audit ---- */

void delivery_drain(struct delivery *delivery, int64_t now_ms)
{
    delivery->draining = true;
    delivery->pause_until_ms = 0;
    for (struct batch *batch = delivery->held.ready.head; batch != NULL; batch = batch->next)
        batch->due_ms = now_ms;
    if (delivery->breaker.state == BREAKER_OPEN)
        breaker_rest_until(&delivery->breaker, now_ms);
    spilling_choose(delivery, now_ms);
    delivery_publish(delivery);
}

void delivery_let_leave(struct delivery *delivery)
{
    delivery->held.leaves_by_reload = true;
}

void delivery_leave_spool(struct delivery *delivery)
{
    delivery->held.is_spool_left = true;
    delivery->held.is_writing_left = delivery->spill.is_writing;
}

void delivery_leave_sending(struct delivery *delivery)
{
    delivery->probe = NULL;
    holding_leave_sending(&delivery->held);
}

void delivery_leave_burying(struct delivery *delivery)
{
    delivery->held.is_burying_left = true;
}

void delivery_abandon(struct delivery *delivery)
{
    delivery->abandoned = true;
    abandon_if_over(delivery);
    delivery_publish(delivery);
}

/* ---- another configuration ---- */

void delivery_hold(struct delivery *delivery, bool holds)
{
    delivery->is_on_hold = holds;
}

unsigned delivery_in_flight(const struct delivery *delivery)
{
    return delivery->held.in_flight.count;
}

void delivery_take_back(struct delivery *delivery, int64_t now_ms)
{
    struct batch *batch;

    /* The newest first, each to the front: so they stand in the order in which they were sent. */
    while ((batch = delivery->held.in_flight.tail) != NULL) {
        batch->due_ms = now_ms;
        holding_return(&delivery->held, batch, HOLDING_FRONT);
    }
    delivery->probe = NULL;
    delivery_publish(delivery);
}

void delivery_change(struct delivery *delivery, const struct delivery_config *config)
{
    CHECK(delivery->held.in_flight.count == 0);
    if (is_probing(delivery)) {
        delivery->news = (struct delivery_news){ .msg = "circuit breaker closed",
                                                 .reason = "the configuration was changed" };
        delivery->has_news = true;
    }
    make_policies(delivery, config);
    delivery->endpoint_took_one = delivery->is_held = false;
    delivery->pause_until_ms = 0;
    delivery->probe = NULL;
    for (struct batch *batch = delivery->held.ready.head; batch != NULL; batch = batch->next)
        batch->due_ms = 0;
    delivery_publish(delivery);
}

void delivery_set_memory(struct delivery *delivery, uint64_t memory_bytes)
{
    delivery->config.memory_bytes = delivery->held.share.limit_bytes = memory_bytes;
    delivery_publish(delivery);
}

bool delivery_has_receipts(const struct delivery *delivery, const struct receipts *receipts)
{
    return holding_has_receipts(&delivery->held, receipts);
}

int64_t delivery_oldest_boot_ms(const struct delivery *delivery)
{
    return holding_oldest_boot_ms(&delivery->held);
}

bool delivery_is_empty(const struct delivery *delivery)
{
    return holding_is_empty(&delivery->held);
}

void delivery_audit(struct delivery *delivery)
{
    holding_audit(&delivery->held);
    spilling_audit(delivery);
}

void delivery_tell_age(const struct delivery *delivery, int64_t boot_ms)
{
    int64_t age_ms = boot_ms - least_ms(holding_oldest_boot_ms(&delivery->held), boot_ms);

    numbers_set(delivery->numbers, NUMBER_batch_oldest_seconds, (uint64_t)age_ms / 1000);
    age_ms = boot_ms - least_ms(spilling_oldest_boot_ms(delivery), boot_ms);
    numbers_set(delivery->numbers, NUMBER_spool_oldest_seconds, (uint64_t)age_ms / 1000);
}

bool delivery_take_news(struct delivery *delivery, struct delivery_news *ret)
{
    if (!delivery->has_news)
        return false;
    *ret = delivery->news;
    delivery->has_news = false;
    return true;
}
