/* SPDX-License-Identifier: Apache-2.0 */
/* scene: a delivery with its books at a simulated time; closing it checks that the books balance.
 */
#pragma once

#include "delivery/delivery.h"
#include "delivery/rig.h"
#include "plugins/plugin.h"

static const struct delivery_config defaults = {
    .memory_bytes = 1000000,
    .concurrency_min = 1,
    .concurrency_max = 8,
    .retry_base_ms = 1000,
    .retry_cap_ms = 60000,
    .breaker_failures = 5,
    .breaker_rest_ms = 1000,
    .breaker_rest_max_ms = 60000,
    .timeout_ms = 30000,
    .seed = 1,
};

struct scene {
    struct rig rig;
    struct delivery *delivery;
    int64_t now_ms;
};

static inline void open_scene(struct scene *scene, const struct delivery_config *config)
{
    rig_open(&scene->rig);
    scene->delivery = delivery_new(config, scene->rig.numbers);
    assert_non_null(scene->delivery);
    scene->now_ms = 1000000;
}

static inline void close_scene(struct scene *scene)
{
    delivery_audit(scene->delivery);
    assert_int_equal(rig_difference(&scene->rig), 0);
    delivery_abandon(scene->delivery);
    delivery_audit(scene->delivery);
    assert_int_equal(rig_difference(&scene->rig), 0);
    assert_int_equal(delivery_share(scene->delivery)->used_bytes, 0);
    assert_int_equal(rig_stock(&scene->rig, ACCOUNT_ready), 0);
    assert_int_equal(rig_stock(&scene->rig, ACCOUNT_in_flight), 0);
    delivery_free(&scene->delivery);
    rig_close(&scene->rig);
}

static inline void put(struct scene *scene, uint64_t events)
{
    struct batch *batch = rig_batch(&scene->rig, events);

    batch->oldest_boot_ms = scene->now_ms;
    assert_true(delivery_reserve(scene->delivery, 0, batch->body_bytes, &batch->permit));
    delivery_put(scene->delivery, &batch, scene->now_ms);
    assert_null(batch);
}

static inline struct step next(struct scene *scene)
{
    return delivery_next(scene->delivery, scene->now_ms, scene->now_ms);
}

static inline struct batch *launch(struct scene *scene)
{
    struct step step = next(scene);

    assert_int_equal(step.kind, STEP_SEND);
    return step.batch;
}

static inline int64_t expect_wait(struct scene *scene)
{
    struct step step = next(scene);

    assert_int_equal(step.kind, STEP_WAIT);
    assert_true(step.until_ms == 0 || step.until_ms > scene->now_ms);
    return step.until_ms;
}

static inline void answer(struct scene *scene, struct batch *batch, enum verdict verdict,
                          int64_t retry_after_ms)
{
    struct answer_summary summary = { .verdict = (int)verdict,
                                      .retry_after_ms = retry_after_ms,
                                      .took_ms = 10,
                                      .what = "status 500" };

    delivery_answer(scene->delivery, batch, &summary, scene->now_ms);
}

/* The endpoint takes one batch: it is known to be the right one. */
static inline void deliver_one(struct scene *scene)
{
    put(scene, 1);
    answer(scene, launch(scene), VERDICT_SENT, -1);
}
