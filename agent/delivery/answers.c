/* SPDX-License-Identifier: Apache-2.0 */
/* answers: what follows from the end of a request: learn() for the policies, settle_answer() for
 * the batch. Which answer means what to whom is the table `reactions`. */
#include "base/check.h"
#include "delivery/delivery_state.h"
#include "delivery/verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { DRAIN_INTERVAL_MS = 1000 }; /* at most, between two attempts while the agent stops */
static const double PAUSE_JITTER = 0.2;

static const struct reaction {
    enum limiter_sign limiter;
    enum breaker_sign breaker;
} reactions[] = {
    [VERDICT_SENT] = { LIMITER_GOOD, BREAKER_SUCCESS },
    [VERDICT_BUSY] = { LIMITER_BAD, BREAKER_NO_SIGN },
    [VERDICT_RETRY] = { LIMITER_BAD, BREAKER_FAILURE },
    [VERDICT_HOLD] = { LIMITER_NO_SIGN, BREAKER_OUTAGE },
    [VERDICT_TOO_LARGE] = { LIMITER_GOOD, BREAKER_SUCCESS },
    [VERDICT_REJECTED] = { LIMITER_GOOD, BREAKER_SUCCESS },
};

int64_t delivery_drain_wait_ms(struct delivery *delivery)
{
    int64_t half_ms = least_ms(delivery->config.retry_base_ms, DRAIN_INTERVAL_MS) / 2;

    return half_ms + (int64_t)random_below(&delivery->random, (uint64_t)half_ms + 1);
}

/* A probe that failed speaks for itself, unless so many have that it would open the breaker. */
static void tell(struct delivery *delivery, const char *msg, enum breaker_state before,
                 const struct answer_summary *answer, int64_t now_ms)
{
    const struct breaker *breaker = &delivery->breaker;
    struct delivery_news *news = &delivery->news;
    const char *what = answer->what == NULL ? "no answer" : answer->what;

    *news = (struct delivery_news){ .msg = msg };
    if (breaker->state == BREAKER_OPEN)
        news->rest_ms = breaker->until_ms - now_ms;
    if (answer->verdict == VERDICT_RETRY && breaker->failures_in_row >= breaker->config.failures)
        (void)snprintf(news->reason, sizeof(news->reason), "%u failures in a row, the last: %s",
                       breaker->failures_in_row, what);
    else if (answer->verdict == VERDICT_RETRY && before == BREAKER_CLOSED)
        (void)snprintf(news->reason, sizeof(news->reason),
                       "half of the last %d requests failed, the last: %s", BREAKER_WINDOW, what);
    else
        (void)snprintf(news->reason, sizeof(news->reason), "%s", what);
    delivery->has_news = true;
}

static void record_breaker(struct delivery *delivery, const struct answer_summary *answer,
                           enum breaker_sign sign, int64_t now_ms)
{
    struct breaker *breaker = &delivery->breaker;
    enum breaker_state before = breaker->state;

    breaker_record(breaker, sign, now_ms, &delivery->random);
    if (sign != BREAKER_NO_SIGN)
        delivery->is_held = sign == BREAKER_OUTAGE;
    if (delivery->draining)
        breaker_rest_until(breaker, now_ms + delivery_drain_wait_ms(delivery));
    if (breaker->state == before)
        return;
    if (breaker->state == BREAKER_CLOSED) {
        limiter_restart(&delivery->limiter);
        tell(delivery, "circuit breaker closed", before, answer, now_ms);
    } else if (before == BREAKER_CLOSED) {
        numbers_add(delivery->numbers, NUMBER_breaker_opens, 1);
        tell(delivery, "circuit breaker opened", before, answer, now_ms);
    } else {
        tell(delivery, "circuit breaker stays open", before, answer, now_ms);
    }
}

/* What the breaker has to say goes first. */
static void tell_size(struct delivery *delivery, const struct batch *batch, const char *what)
{
    struct delivery_news *news = &delivery->news;

    if (delivery->has_news)
        return;
    *news = (struct delivery_news){ .msg = "batch size lowered" };
    (void)snprintf(news->reason, sizeof(news->reason),
                   "%s for %zu bytes before compression, from now on at most %" PRIu64,
                   what == NULL ? "no answer" : what, batch->raw_bytes,
                   delivery->batch_limit.bytes);
    delivery->has_news = true;
}

static void learn_size(struct delivery *delivery, const struct batch *batch,
                       const struct answer_summary *answer, int64_t now_ms)
{
    if (answer->verdict == VERDICT_SENT)
        (void)batch_limit_accepted(&delivery->batch_limit, batch->raw_bytes, now_ms);
    if (answer->verdict == VERDICT_TOO_LARGE &&
        batch_limit_refused(&delivery->batch_limit, batch->raw_bytes, now_ms))
        tell_size(delivery, batch, answer->what);
}

/* Answers to requests from before the breaker opened are not for it: see breaker.h. */
static void learn(struct delivery *delivery, const struct batch *batch,
                  const struct answer_summary *answer, bool was_probe, int64_t now_ms)
{
    const struct reaction *reaction = &reactions[answer->verdict];
    bool tells_time = answer->verdict == VERDICT_SENT && !answer->opened_connection;
    int64_t latency_ms = tells_time ? answer->took_ms : -1; /* a refusal may be quick */

    limiter_record(&delivery->limiter, batch->ticket, reaction->limiter, latency_ms, now_ms);
    if (was_probe || delivery->breaker.state == BREAKER_CLOSED)
        record_breaker(delivery, answer, reaction->breaker, now_ms);
    if (answer->verdict == VERDICT_SENT) {
        delivery->endpoint_took_one = true;
        retry_budget_success(&delivery->budget);
        numbers_add(delivery->numbers, NUMBER_sent_bytes, batch->body_bytes);
    }
}

static void send_back(struct delivery *delivery, struct batch *batch, int64_t due_ms)
{
    batch->due_ms = due_ms;
    holding_return(&delivery->held, batch, delivery->in_order ? HOLDING_FRONT : HOLDING_BACK);
}

/* Takes a Retry-After as a pause of the whole endpoint. Returns when this batch is due: while the
 * breaker rests that is the wait, and when it closes the limiter says how many go. */
static int64_t retry_at_ms(struct delivery *delivery, const struct batch *batch,
                           const struct answer_summary *answer, int64_t now_ms)
{
    int64_t pause_ms = least_ms(answer->retry_after_ms, RETRY_AFTER_MAX_MS), until_ms;
    double jitter;

    if (delivery->draining)
        return now_ms + delivery_drain_wait_ms(delivery);
    if (pause_ms <= 0 && delivery->breaker.state != BREAKER_CLOSED)
        return now_ms;
    if (pause_ms <= 0)
        return now_ms +
               backoff_delay_ms(&delivery->backoff, batch->attempts - 1, &delivery->random);
    jitter = (double)pause_ms * PAUSE_JITTER * random_unit(&delivery->random);
    until_ms = now_ms + pause_ms + (int64_t)jitter;
    if (until_ms > delivery->pause_until_ms)
        delivery->pause_until_ms = until_ms;
    return now_ms;
}

/* Remembers why, for the dead letters. false: no memory, or nobody keeps them. */
static bool note_refusal(struct delivery *delivery, struct batch *batch, enum flow flow,
                         const struct answer_summary *answer)
{
    if (!delivery->config.keeps_refused)
        return false;
    batch->refusal = calloc(1, sizeof(*batch->refusal));
    if (batch->refusal == NULL) {
        numbers_add(delivery->numbers, NUMBER_dead_letter_errors, batch->events);
        return false;
    }
    batch->refusal->flow = flow;
    (void)snprintf(batch->refusal->reason, sizeof(batch->refusal->reason), "%s",
                   answer->what == NULL ? "" : answer->what);
    (void)snprintf(batch->refusal->answer, sizeof(batch->refusal->answer), "%s",
                   answer->text == NULL ? "" : answer->text);
    return true;
}

static void refuse(struct delivery *delivery, struct batch *batch, enum flow flow,
                   const struct answer_summary *answer)
{
    struct holding *held = &delivery->held;

    if (batch->events > 1)
        holding_return_to_split(held, batch);
    else if (note_refusal(delivery, batch, flow, answer))
        holding_refuse(held, batch);
    else
        holding_finish(&held->in_flight, batch, flow);
}

static void settle_answer(struct delivery *delivery, struct batch *batch,
                          const struct answer_summary *answer, int64_t now_ms)
{
    switch ((enum verdict)answer->verdict) {
    case VERDICT_SENT:
        holding_finish(&delivery->held.in_flight, batch, FLOW_deliver);
        break;
    case VERDICT_BUSY:
    case VERDICT_RETRY:
        send_back(delivery, batch, retry_at_ms(delivery, batch, answer, now_ms));
        break;
    case VERDICT_HOLD: /* the breaker's rest is the wait */
        send_back(delivery, batch, now_ms);
        break;
    case VERDICT_TOO_LARGE:
        refuse(delivery, batch, FLOW_split_too_large, answer);
        break;
    case VERDICT_REJECTED:
        refuse(delivery, batch, FLOW_refuse, answer);
        break;
    }
}

/* The endpoint closed an idle connection just as it was used again: says nothing about it. */
static void repeat_at_once(struct delivery *delivery, struct batch *batch, bool was_probe,
                           int64_t now_ms)
{
    batch->suspect_connection_retry_used = true;
    batch->attempts--;
    batch->due_ms = now_ms;
    holding_return(&delivery->held, batch, HOLDING_FRONT);
    if (was_probe)
        breaker_rest_until(&delivery->breaker, now_ms);
}

void delivery_answer(struct delivery *delivery, struct batch *batch,
                     const struct answer_summary *given, int64_t now_ms)
{
    struct answer_summary answer = *given;
    bool was_probe = delivery->probe == batch;

    CHECK(delivery->magic == DELIVERY_MAGIC);
    CHECK(answer.verdict >= VERDICT_SENT && answer.verdict <= VERDICT_REJECTED);
    if (was_probe)
        delivery->probe = NULL;
    if (answer.verdict != VERDICT_SENT)
        numbers_add(delivery->numbers, NUMBER_failures, 1);
    /* Only an endpoint that takes batches can judge one; else it is the wrong place, like a 404. It
     * is also what one poisoned event looks like that comes first after a start: so the next probe
     * is a half. That loses nothing, and the first half that is taken tells the two apart. */
    bool may_be_poisoned = answer.verdict == VERDICT_REJECTED && !delivery->endpoint_took_one;
    if (may_be_poisoned)
        answer.verdict = VERDICT_HOLD;
    if (answer.died_before_answer && !batch->suspect_connection_retry_used) {
        repeat_at_once(delivery, batch, was_probe, now_ms);
    } else {
        batch->suspect_connection_retry_used = false;
        learn(delivery, batch, &answer, was_probe, now_ms);
        learn_size(delivery, batch, &answer, now_ms);
        if (was_probe && batch->attempts > 1) /* it was about the endpoint, not about the batch */
            batch->attempts--;
        batch->may_be_poisoned = may_be_poisoned && batch->events == 1;
        if (may_be_poisoned && batch->events > 1)
            holding_return_to_split(&delivery->held, batch);
        else
            settle_answer(delivery, batch, &answer, now_ms);
    }
    delivery_publish(delivery);
}
