/* SPDX-License-Identifier: Apache-2.0 */
/* host_outlet: the batch workers and the sender of one output. They do with the batcher and the
 * delivery what batch/worker and delivery/sender do in threads: who is asked for what, in which
 * order, and who is woken by whom is the same. */
#include "host.h"

enum { MEMORY_REST_MS = 10 * 1000, SYSTEM_MEMORY_REST_MS = 100, SENDER_REST_MS = 60 * 1000 };

/* ---- start and end ---- */

static struct batcher_config batcher_config_of(struct outlet *outlet, unsigned worker)
{
    return (struct batcher_config){ .index = worker,
                                    .lanes = outlet->lanes,
                                    .lane_count = outlet->source_count,
                                    .feed = &outlet->feed,
                                    .bodies = &outlet->bodies,
                                    .numbers = outlet->numbers,
                                    .output = outlet->name,
                                    .agent_id = "agent",
                                    .start_id = ledger_start_id(outlet->host->ledger),
                                    .sequence = &outlet->sequence,
                                    .encoding = outlet->encoding,
                                    .compression = outlet->compression,
                                    .compression_level = 1,
                                    .max_bytes = outlet->max_bytes,
                                    .max_events = outlet->max_events,
                                    .max_wait_ms = outlet->max_wait_ms };
}

static void start_workers(struct outlet *outlet)
{
    struct sim *host = outlet->host;
    struct err err = { "" };

    for (unsigned i = 0; i < outlet->worker_count; i++) {
        struct batcher_config config = batcher_config_of(outlet, i);
        outlet->workers[i] =
            (struct sim_worker){ .batcher = batcher_new(&config, host->now_ms, &err) };
        if (outlet->workers[i].batcher == NULL)
            host_fail(host, "no batcher: %s", err.text);
    }
}

void outlet_start(struct outlet *outlet)
{
    struct sim *host = outlet->host;

    outlet->numbers = ledger_output_numbers(host->ledger, outlet->name);
    outlet->delivery_config.seed = random_next(&host->random);
    outlet->delivery = delivery_new(&outlet->delivery_config, outlet->numbers);
    CHECK(outlet->numbers != NULL && outlet->delivery != NULL);
    outlet->feed =
        (struct feed){ .full_events = outlet->max_events, .full_bytes = outlet->max_bytes };
    outlet->sequence = 0;
    for (unsigned i = 0; i < outlet->source_count; i++) {
        source_start(&outlet->sources[i]);
        outlet->lanes[i] = outlet->sources[i].lane;
    }
    spool_start(outlet);
    start_workers(outlet);
    memset(outlet->requests, 0, sizeof(outlet->requests));
    outlet->request_count = outlet->probes = 0;
    outlet->sender_is_awake = true;
    outlet->workers_may_go_on = outlet->any_answer = outlet->has_launched = false;
    outlet->pause_until_ms = 0;
    outlet->tokens = 10;
    outlet->tokens_at_ms = host->now_ms;
}

/* In the order in which the agent's threads end. */
static void end_burial(struct outlet *outlet, struct sim_worker *worker)
{
    outlet->host->buried++;
    delivery_put_buried(outlet->delivery, &worker->burying);
    wake_bump(&outlet->feed.wake);
}

/* What is in flight is taken back, as where the connections are closed. */
static void break_off(struct outlet *outlet)
{
    for (unsigned i = 0; i < REQUESTS_MAX; i++) {
        if (outlet->requests[i].batch != NULL)
            endpoint_forget(outlet, &outlet->requests[i]);
        outlet->requests[i].batch = NULL;
    }
    outlet->request_count = outlet->probes = 0;
}

/* Other options of batches and delivery while it runs, as outlet_change and sender_change. */
void outlet_reload(struct outlet *outlet)
{
    struct sim *host = outlet->host;
    struct err err = { "" };

    break_off(outlet);
    delivery_take_back(outlet->delivery, host->now_ms);
    plan_outlet_options(outlet);
    outlet->delivery_config.seed = random_next(&host->random);
    delivery_change(outlet->delivery, &outlet->delivery_config);
    outlet->feed.full_events = outlet->max_events;
    outlet->feed.full_bytes = outlet->max_bytes;
    for (unsigned i = 0; i < outlet->worker_count; i++) {
        struct batcher_config config = batcher_config_of(outlet, i);
        struct batcher_change *change = batcher_prepare(&config, true, &err);
        if (change == NULL)
            host_fail(host, "no batcher: %s", err.text);
        batcher_commit(outlet->workers[i].batcher, outlet->lanes, &change);
    }
    outlet->pause_until_ms = 0;
    outlet->tokens = 10;
    outlet->tokens_at_ms = host->now_ms;
    outlet->sender_is_awake = outlet->spooler.is_awake = true;
    wake_bump(&outlet->feed.wake);
    host->reloads++;
    TRACE(host, "%s: reload: batches of %zu bytes, %llu events, %u requests", outlet->name,
          outlet->max_bytes, (unsigned long long)outlet->max_events,
          outlet->delivery_config.concurrency_max);
}

/* The process has ended: what threads that were left behind still had is gone like all else. */
static void forget_left(struct outlet *outlet)
{
    struct holding *held = &outlet->delivery->held;
    struct batch *batch;

    held->is_spool_left = held->is_writing_left = false;
    while ((batch = batch_list_pop(&held->left)) != NULL) {
        if (batch->pin != NULL) {
            pins_drop(batch);
            continue;
        }
        permit_release(&batch->permit);
        batch_free(&batch);
    }
}

/* The sender's thread too may be in a call that never ends: then its requests are not broken off.
 */
static void leave_sender(struct outlet *outlet)
{
    if (!outlet->host->may_hang || !percent(outlet->host, 20))
        return;
    TRACE(outlet->host, "%s: the sender does not come back", outlet->name);
    delivery_leave_sending(outlet->delivery);
}

void outlet_abandon(struct outlet *outlet, bool is_clean)
{
    for (unsigned i = 0; i < outlet->worker_count; i++) {
        if (outlet->workers[i].burying != NULL)
            end_burial(outlet, &outlet->workers[i]);
    }
    for (unsigned i = 0; i < outlet->worker_count; i++)
        batcher_abandon(outlet->workers[i].batcher, FLOW_drain_timeout_batch);
    for (unsigned i = 0; i < outlet->source_count; i++)
        lane_abandon(outlet->sources[i].lane, FLOW_drain_timeout_ring);
    break_off(outlet);
    if (is_clean) {
        leave_sender(outlet);
        spool_stop(outlet);
    } else {
        forget_left(outlet);
        spool_crash(outlet);
    }
    delivery_abandon(outlet->delivery);
}

void outlet_free(struct outlet *outlet)
{
    for (unsigned i = 0; i < outlet->worker_count; i++)
        batcher_free(&outlet->workers[i].batcher);
    delivery_free(&outlet->delivery);
    spool_end(outlet);
    body_pool_trim(&outlet->bodies);
    for (unsigned i = 0; i < outlet->source_count; i++)
        source_crash(&outlet->sources[i]);
}

/* ---- batch workers ---- */

bool worker_may_step(const struct outlet *outlet, const struct sim_worker *worker)
{
    return !worker->is_asleep || worker->burying != NULL ||
           atomic_load_explicit(&outlet->feed.wake.word, memory_order_relaxed) != worker->seen ||
           (worker->until_boot_ms > 0 && outlet->host->boot_ms >= worker->until_boot_ms);
}

static void sleep_until(struct sim_worker *worker, uint32_t seen, int64_t until_boot_ms)
{
    worker->is_asleep = true;
    worker->seen = seen;
    worker->until_boot_ms = until_boot_ms;
    worker->is_idle = until_boot_ms == 0;
}

static bool split_one(struct outlet *outlet, struct sim_worker *worker)
{
    struct batch *parent = delivery_take_split(outlet->delivery);
    struct batch *halves[2] = { NULL, NULL };

    if (parent == NULL)
        return false;
    TRACE(outlet->host, "%s splits %s, %llu events", outlet->name, strrchr(parent->key, '-'),
          (unsigned long long)parent->events);
    (void)batcher_split(worker->batcher, parent, halves);
    for (unsigned i = 0; i < 2 && halves[i] != NULL; i++)
        halves[i]->permit = share_overdraw(delivery_share(outlet->delivery), halves[i]->body_bytes);
    delivery_put_halves(outlet->delivery, &parent, halves, outlet->host->now_ms);
    outlet->sender_is_awake = true;
    outlet->host->splits++;
    return true;
}

/* Written in one step, counted in another. */
static bool bury_one(struct outlet *outlet, struct sim_worker *worker)
{
    if (worker->burying != NULL) {
        end_burial(outlet, worker);
        return true;
    }
    worker->burying = delivery_take_refused(outlet->delivery);
    return worker->burying != NULL;
}

static void seal_one(struct outlet *outlet, struct sim_worker *worker, uint32_t seen,
                     uint64_t bytes)
{
    struct sim *host = outlet->host;
    unsigned index = (unsigned)(worker - outlet->workers);
    struct permit permit;

    if (!delivery_reserve(outlet->delivery, index, bytes, &permit)) {
        sleep_until(worker, seen, host->boot_ms + MEMORY_REST_MS);
        worker->lacks_memory = true;
        outlet->spooler.is_awake = true;
        TRACE(host, "%s has no memory for %llu bytes", outlet->name, (unsigned long long)bytes);
        return;
    }
    struct batch *batch = batcher_seal(worker->batcher, &permit, host->now_ms);
    if (batch == NULL) {
        delivery_unreserve(outlet->delivery, &permit);
        sleep_until(worker, seen, host->boot_ms + SYSTEM_MEMORY_REST_MS);
        worker->lacks_memory = true;
        return;
    }
    if (batch->body_bytes > outlet->largest_body)
        outlet->largest_body = batch->body_bytes;
    TRACE(host, "%s seals %s, %llu events", outlet->name, strrchr(batch->key, '-'),
          (unsigned long long)batch->events);
    delivery_put(outlet->delivery, &batch, host->now_ms);
    outlet->sender_is_awake = true;
}

void worker_step(struct outlet *outlet, struct sim_worker *worker)
{
    struct sim *host = outlet->host;
    uint32_t seen = wake_read(&outlet->feed.wake);
    struct batcher_view view = { .now_ms = host->now_ms,
                                 .boot_ms = host->boot_ms,
                                 .is_draining = host->is_draining };

    worker->is_asleep = worker->is_idle = worker->lacks_memory = false;
    if (worker->burying == NULL && split_one(outlet, worker))
        return;
    if (bury_one(outlet, worker))
        return;
    view.is_wanted = delivery_wants_batches(outlet->delivery, host->now_ms);
    view.max_bytes = delivery_max_bytes(outlet->delivery);
    struct batcher_step next = batcher_next(worker->batcher, &view);
    if (next.kind == BATCHER_REST)
        sleep_until(worker, seen, next.until_boot_ms);
    else if (next.kind == BATCHER_SEAL)
        seal_one(outlet, worker, seen, next.bytes);
}

/* ---- the sender ---- */

bool sender_may_step(const struct outlet *outlet)
{
    return outlet->sender_is_awake || outlet->host->now_ms >= outlet->sender_until_ms;
}

static struct sim_request *find_free_request(struct outlet *outlet)
{
    for (unsigned i = 0; i < REQUESTS_MAX; i++) {
        if (outlet->requests[i].batch == NULL)
            return &outlet->requests[i];
    }
    host_fail(outlet->host, "%s: more than %d requests in flight", outlet->name, (int)REQUESTS_MAX);
}

/* A retry beside other requests costs a token, unless it is the probe; a tenth comes back with each
 * success. */
static void expect_token(struct outlet *outlet, const struct batch *batch, bool is_probe)
{
    struct sim *host = outlet->host;

    outlet->tokens += (double)(host->now_ms - outlet->tokens_at_ms) / 10000;
    outlet->tokens = outlet->tokens > 10 ? 10 : outlet->tokens;
    outlet->tokens_at_ms = host->now_ms;
    if (is_probe || batch->attempts < 2 || batch->suspect_connection_retry_used ||
        host->is_draining || outlet->request_count == 0)
        return;
    outlet->tokens -= 1;
    if (outlet->tokens < -0.01)
        host_fail(host, "%s: a retry beyond the retry budget", outlet->name);
}

static void expect_launch(struct outlet *outlet, const struct batch *batch, int64_t timeout_ms)
{
    struct sim *host = outlet->host;
    const struct delivery_config *config = &outlet->delivery_config;
    bool is_probe = numbers_get(outlet->numbers, NUMBER_breaker_state) != BREAKER_CLOSED;
    int64_t left_ms = batch->oldest_boot_ms + config->max_age_ms - host->boot_ms;

    if (outlet->request_count >= config->concurrency_max)
        host_fail(host, "%s: %u requests in flight, at most %u", outlet->name,
                  outlet->request_count + 1, config->concurrency_max);
    if (host->now_ms < outlet->pause_until_ms)
        host_fail(host, "%s: a request in the pause that the endpoint asked for", outlet->name);
    if (is_probe && outlet->probes > 0)
        host_fail(host, "%s: two probes at a time", outlet->name);
    if (config->max_age_ms > 0 && (left_ms <= 0 || timeout_ms > left_ms))
        host_fail(host, "%s: a request beyond max_age", outlet->name);
    if (timeout_ms <= 0 || timeout_ms > config->timeout_ms)
        host_fail(host, "%s: a request with a timeout of %lld ms", outlet->name,
                  (long long)timeout_ms);
    expect_token(outlet, batch, is_probe);
}

static void launch(struct outlet *outlet, const struct step *step)
{
    struct sim *host = outlet->host;
    struct sim_request *request = find_free_request(outlet);

    expect_launch(outlet, step->batch, step->timeout_ms);
    request->batch = step->batch;
    request->is_old = strstr(step->batch->key, ledger_start_id(host->ledger)) == NULL;
    request->is_from_disk = step->batch->pin != NULL;
    host->from_disk += request->is_from_disk;
    request->launched_ms = host->now_ms;
    request->is_probe = numbers_get(outlet->numbers, NUMBER_breaker_state) != BREAKER_CLOSED;
    outlet->probes += request->is_probe;
    outlet->request_count++;
    host->launches++;
    endpoint_take(outlet, request, step->timeout_ms);
    TRACE(host, "%s sends %s, %llu events, attempt %u%s: an answer in %lld ms", outlet->name,
          strrchr(step->batch->key, '-'), (unsigned long long)step->batch->events,
          step->batch->attempts, request->is_probe ? ", probe" : "",
          (long long)(request->answer_ms - host->now_ms));
}

void sender_step(struct outlet *outlet)
{
    struct sim *host = outlet->host;
    uint64_t used_bytes = delivery_share(outlet->delivery)->used_bytes;
    struct step step = delivery_next(outlet->delivery, host->now_ms, host->boot_ms);
    bool may_go_on = delivery_wants_batches(outlet->delivery, host->now_ms);

    outlet->sender_is_awake = step.kind == STEP_SEND;
    outlet->has_launched |= step.kind == STEP_SEND;
    outlet->any_answer |= delivery_share(outlet->delivery)->used_bytes < used_bytes;
    if (step.kind == STEP_SEND) {
        launch(outlet, &step);
        return;
    }
    outlet->spooler.is_awake = true;
    if (step.until_ms != 0 && step.until_ms <= host->now_ms)
        host_fail(host, "%s: the delivery waits for a time that is over", outlet->name);
    if (outlet->any_answer || (may_go_on && (outlet->has_launched || !outlet->workers_may_go_on)))
        wake_bump(&outlet->feed.wake);
    outlet->any_answer = outlet->has_launched = false;
    outlet->workers_may_go_on = may_go_on;
    outlet->sender_until_ms = host->now_ms + SENDER_REST_MS;
    if (step.until_ms != 0)
        outlet->sender_until_ms = least_ms(outlet->sender_until_ms, step.until_ms);
}

static void expect_pause(struct outlet *outlet, const struct answer_summary *answer)
{
    struct sim *host = outlet->host;
    int64_t hour_ms = 3600 * MS_PER_S;

    if (answer->retry_after_ms > 0 && !host->is_draining &&
        (answer->verdict == VERDICT_BUSY || answer->verdict == VERDICT_RETRY))
        outlet->pause_until_ms =
            host->now_ms + (answer->retry_after_ms < hour_ms ? answer->retry_after_ms : hour_ms);
}

void request_end(struct outlet *outlet, struct sim_request *request)
{
    struct batch *batch = request->batch;

    TRACE(outlet->host, "%s: %s comes back, verdict %d", outlet->name, strrchr(batch->key, '-'),
          request->answer.verdict);
    request->batch = NULL;
    outlet->request_count--;
    outlet->probes -= request->is_probe;
    endpoint_forget(outlet, request);
    if (request->answer.verdict == VERDICT_SENT) {
        endpoint_acknowledge(outlet, request);
        outlet->tokens += 0.1;
    }
    if (!request->answer.died_before_answer || batch->suspect_connection_retry_used)
        expect_pause(outlet, &request->answer);
    delivery_answer(outlet->delivery, batch, &request->answer, outlet->host->now_ms);
    outlet->any_answer = true;
    outlet->sender_is_awake = true;
}
