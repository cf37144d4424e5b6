/* SPDX-License-Identifier: Apache-2.0 */
/* stand: a delivery over a spool over a fake disk, at a simulated time. store.rig has the books. */
#pragma once

#include "base/random.h"
#include "delivery/scene.h"
#include "delivery/store.h"

enum { MIB = 1024 * 1024 };

struct stand {
    struct store store;
    struct delivery *delivery;
    int64_t now_ms;
};

static inline void start_stand(struct stand *stand, const struct delivery_config *config)
{
    stand->delivery = delivery_new(config, stand->store.rig.numbers);
    assert_non_null(stand->delivery);
    delivery_use_spool(stand->delivery, stand->store.spool);
}

static inline void open_stand(struct stand *stand, const struct delivery_config *config)
{
    open_store(&stand->store, MIB);
    stand->now_ms = stand->store.now.boot_ms;
    start_stand(stand, config);
}

static inline void check_stand(struct stand *stand)
{
    delivery_audit(stand->delivery);
    assert_int_equal(rig_difference(&stand->store.rig), 0);
}

/* Does the jobs of the spool until there are none; returns how many. */
static inline unsigned run_spool(struct stand *stand)
{
    unsigned jobs = 0;
    struct spool_job job;
    int64_t due_ms;

    stand->store.now.boot_ms = stand->now_ms;
    while (delivery_spool_job(stand->delivery, &stand->store.now, stand->now_ms, &job, &due_ms)) {
        do_job(&stand->store, &job);
        delivery_spool_done(stand->delivery, &job, &stand->store.result, &stand->store.now,
                            stand->now_ms);
        body_pool_give(NULL, stand->store.result.body);
        stand->store.result.body = NULL;
        check_stand(stand);
        assert_true(++jobs < 10000);
    }
    assert_true(due_ms > stand->now_ms);
    return jobs;
}

static inline void put_with(struct stand *stand, uint64_t events, struct receipt *receipt)
{
    struct batch *batch = rig_empty_batch(&stand->store.rig, "{\"body\":\"hello\"}\n");

    rig_add_run(&stand->store.rig, batch, 0, receipt, events);
    batch->oldest_boot_ms = stand->now_ms;
    assert_true(delivery_reserve(stand->delivery, 0, batch->body_bytes, &batch->permit));
    delivery_put(stand->delivery, &batch, stand->now_ms);
}

static inline struct step take_step(struct stand *stand)
{
    return delivery_next(stand->delivery, stand->now_ms, stand->now_ms);
}

static inline struct batch *send_next(struct stand *stand)
{
    struct step step = take_step(stand);

    assert_int_equal(step.kind, STEP_SEND);
    return step.batch;
}

static inline void settle(struct stand *stand, struct batch *batch, enum verdict verdict)
{
    struct answer_summary summary = { .verdict = (int)verdict, .retry_after_ms = -1, .took_ms = 5 };

    delivery_answer(stand->delivery, batch, &summary, stand->now_ms);
    check_stand(stand);
}

static inline void close_stand(struct stand *stand)
{
    check_stand(stand);
    delivery_abandon(stand->delivery);
    check_stand(stand);
    delivery_free(&stand->delivery);
    close_store(&stand->store);
}

static inline uint64_t stock(const struct stand *stand, enum account account)
{
    return rig_stock(&stand->store.rig, account);
}

static inline uint64_t flow(const struct stand *stand, enum flow which)
{
    return rig_flow(&stand->store.rig, which);
}

/* One batch fails for good: the endpoint is away. */
static inline void break_endpoint(struct stand *stand)
{
    put_with(stand, 1, NULL);
    settle(stand, send_next(stand), VERDICT_HOLD);
    assert_int_equal(numbers_get(stand->store.rig.numbers, NUMBER_breaker_state), 2);
}
