/* SPDX-License-Identifier: Apache-2.0 */
/* The share of memory for sealed batches, as the workers of an output see it. */
#include "delivery/delivery.h"

#include "delivery/scene.h"

static uint64_t shown(const struct scene *scene, enum number number)
{
    return numbers_get(scene->rig.numbers, number);
}

static void workers_wait_for_memory_in_turn_and_a_large_batch_is_not_overtaken(void **unused)
{
    (void)unused;
    struct scene scene;
    struct permit held, large, small;
    struct delivery_config config = defaults;
    config.memory_bytes = 100;
    open_scene(&scene, &config);
    assert_true(delivery_reserve(scene.delivery, 0, 90, &held));
    assert_false(delivery_reserve(scene.delivery, 1, 80, &large));
    assert_false(delivery_reserve(scene.delivery, 2, 5, &small)); /* it would fit */
    assert_int_equal(shown(&scene, NUMBER_sealed_memory_bytes), 90);
    delivery_unreserve(scene.delivery, &held);
    assert_int_equal(shown(&scene, NUMBER_sealed_memory_bytes), 0);
    assert_false(delivery_reserve(scene.delivery, 2, 5, &small));
    assert_true(delivery_reserve(scene.delivery, 1, 80, &large));
    assert_true(delivery_reserve(scene.delivery, 2, 5, &small));
    delivery_unreserve(scene.delivery, &large);
    delivery_unreserve(scene.delivery, &large); /* inert */
    assert_int_equal(shown(&scene, NUMBER_sealed_memory_bytes), 5);
    delivery_unreserve(scene.delivery, &small);
    close_scene(&scene);
}

static void what_readings_keep_is_missing_for_sealed_batches(void **unused)
{
    (void)unused;
    _Atomic uint64_t kept = 40;
    struct scene scene;
    struct permit first, second;
    struct delivery_config config = defaults;
    config.memory_bytes = 100;
    config.kept_bytes = &kept;
    open_scene(&scene, &config);
    assert_true(delivery_reserve(scene.delivery, 0, 50, &first));
    assert_int_equal(shown(&scene, NUMBER_sealed_memory_limit_bytes), 60);
    assert_false(delivery_reserve(scene.delivery, 0, 11, &second));
    kept = 39;
    assert_true(delivery_reserve(scene.delivery, 0, 11, &second));
    delivery_unreserve(scene.delivery, &first);
    delivery_unreserve(scene.delivery, &second);
    close_scene(&scene);
}

static void a_share_changes_its_size_while_it_is_in_use(void **unused)
{
    (void)unused;
    struct scene scene;
    struct permit first, second;
    struct delivery_config config = defaults;
    config.memory_bytes = 100;
    open_scene(&scene, &config);
    assert_true(delivery_reserve(scene.delivery, 0, 90, &first));
    delivery_set_memory(scene.delivery, 50);
    assert_int_equal(shown(&scene, NUMBER_sealed_memory_limit_bytes), 50);
    assert_false(delivery_reserve(scene.delivery, 0, 1, &second));
    delivery_set_memory(scene.delivery, 200);
    assert_true(delivery_reserve(scene.delivery, 0, 110, &second));
    delivery_unreserve(scene.delivery, &first);
    delivery_unreserve(scene.delivery, &second);
    close_scene(&scene);
}

static void spare_bodies_may_have_what_no_permit_holds(void **unused)
{
    (void)unused;
    struct scene scene;
    struct body_pool pool = { .spares = { NULL } };
    struct delivery_config config = defaults;
    config.memory_bytes = 100;
    open_scene(&scene, &config);
    struct batch *batch = rig_batch(&scene.rig, 1);
    uint64_t bytes = batch->body_bytes;
    batch->pool = &pool;
    assert_true(delivery_reserve(scene.delivery, 0, bytes, &batch->permit));
    delivery_put(scene.delivery, &batch, scene.now_ms);
    assert_int_equal(pool.allowed_bytes, 100 - bytes);
    answer(&scene, launch(&scene), VERDICT_SENT, -1);
    assert_int_equal(pool.allowed_bytes, 100);
    body_pool_trim(&pool);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_wait_for_memory_in_turn_and_a_large_batch_is_not_overtaken),
        cmocka_unit_test(what_readings_keep_is_missing_for_sealed_batches),
        cmocka_unit_test(a_share_changes_its_size_while_it_is_in_use),
        cmocka_unit_test(spare_bodies_may_have_what_no_permit_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
