/* SPDX-License-Identifier: Apache-2.0 */
/* When a batch is tried again: how long it waits, what a pause does, and what a retry costs. */
#include "delivery/delivery.h"

#include "delivery/scene.h"

enum { SEEDS = 60 };

struct spread {
    int64_t least_ms, most_ms;
};

static void add_to_spread(struct spread *spread, int64_t ms, bool is_first)
{
    spread->least_ms = is_first || ms < spread->least_ms ? ms : spread->least_ms;
    spread->most_ms = is_first || ms > spread->most_ms ? ms : spread->most_ms;
}

static void each_backoff_is_between_zero_and_twice_the_one_before(void **unused)
{
    (void)unused;
    enum { FAILURES = 4 };
    struct spread waits[FAILURES];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct scene scene;
        struct delivery_config config = defaults;
        config.seed = seed;
        config.retry_cap_ms = 4000;
        open_scene(&scene, &config);
        put(&scene, 1);
        for (int i = 0; i < FAILURES; i++) {
            answer(&scene, launch(&scene), VERDICT_RETRY, -1);
            struct step step = next(&scene);
            int64_t wait_ms = step.kind == STEP_SEND ? 0 : step.until_ms - scene.now_ms;
            add_to_spread(&waits[i], wait_ms, seed == 1);
            scene.now_ms += wait_ms;
            if (step.kind == STEP_SEND)
                delivery_take_back(scene.delivery, scene.now_ms);
        }
        close_scene(&scene);
    }
    for (int i = 0; i < FAILURES; i++) {
        int64_t bound_ms = i < 2 ? 1000 << i : 4000;
        assert_in_range(waits[i].least_ms, 0, bound_ms / 5);
        assert_in_range(waits[i].most_ms, bound_ms * 4 / 5, bound_ms);
    }
}

static void to_a_pause_up_to_a_fifth_is_added_at_random(void **unused)
{
    (void)unused;
    struct spread pauses = { 0, 0 };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct scene scene;
        struct delivery_config config = defaults;
        config.seed = seed;
        open_scene(&scene, &config);
        put(&scene, 1);
        answer(&scene, launch(&scene), VERDICT_BUSY, 10000);
        add_to_spread(&pauses, expect_wait(&scene) - scene.now_ms, seed == 1);
        close_scene(&scene);
    }
    assert_in_range(pauses.least_ms, 10000, 10400);
    assert_in_range(pauses.most_ms, 11600, 12000);
}

static void a_pause_is_not_cut_short_by_a_shorter_one(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.concurrency_min = 2;
    open_scene(&scene, &config);
    put(&scene, 1);
    put(&scene, 1);
    struct batch *first = launch(&scene), *second = launch(&scene);
    answer(&scene, first, VERDICT_BUSY, 60000);
    answer(&scene, second, VERDICT_BUSY, 1000);
    assert_in_range(expect_wait(&scene) - scene.now_ms, 60000, 72000);
    close_scene(&scene);
}

static void a_pause_of_nothing_is_no_leave_to_try_again_at_once(void **unused)
{
    (void)unused;
    struct scene scene;
    open_scene(&scene, &defaults);
    put(&scene, 1);
    answer(&scene, launch(&scene), VERDICT_BUSY, 0);
    assert_in_range(expect_wait(&scene) - scene.now_ms, 1, 1000);
    close_scene(&scene);
}

static void a_probe_waits_for_the_end_of_a_pause(void **unused)
{
    (void)unused;
    struct scene scene;
    open_scene(&scene, &defaults);
    put(&scene, 1);
    answer(&scene, launch(&scene), VERDICT_HOLD, -1);
    scene.now_ms = expect_wait(&scene);
    answer(&scene, launch(&scene), VERDICT_BUSY, 600000);
    int64_t paused_ms = scene.now_ms;
    while (scene.now_ms < paused_ms + 600000)
        scene.now_ms = expect_wait(&scene);
    (void)launch(&scene);
    close_scene(&scene);
}

/* Tokens are gone, one request hangs, and a retry waits for a token. */
static struct batch *use_up_tokens(struct scene *scene)
{
    struct delivery_config config = defaults;

    config.concurrency_min = config.concurrency_max = 8;
    config.retry_base_ms = config.retry_cap_ms = 1;
    open_scene(scene, &config);
    put(scene, 1);
    put(scene, 1);
    struct batch *hanging = launch(scene);
    for (int i = 0; i <= 10; i++) {
        answer(scene, launch(scene), VERDICT_BUSY, -1);
        scene->now_ms += 2;
    }
    (void)expect_wait(scene);
    assert_in_range(numbers_get(scene->rig.numbers, NUMBER_retry_tokens), 0, 999);
    return hanging;
}

static void what_was_never_tried_goes_past_a_retry_that_waits_for_a_token(void **unused)
{
    (void)unused;
    struct scene scene;
    (void)use_up_tokens(&scene);
    put(&scene, 1);
    assert_int_equal(launch(&scene)->sequence, 3);
    (void)expect_wait(&scene);
    close_scene(&scene);
}

/* Of a retry, too: what it repeats was paid for. */
static void the_repetition_after_a_dead_connection_costs_no_token(void **unused)
{
    (void)unused;
    struct scene scene;
    struct answer_summary died = { .verdict = VERDICT_RETRY,
                                   .retry_after_ms = -1,
                                   .died_before_answer = true };
    open_scene(&scene, &defaults);
    put(&scene, 1);
    answer(&scene, launch(&scene), VERDICT_BUSY, -1);
    scene.now_ms = expect_wait(&scene);
    struct batch *batch = launch(&scene);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_retry_tokens), 9000);
    delivery_answer(scene.delivery, batch, &died, scene.now_ms);
    assert_ptr_equal(launch(&scene), batch);
    assert_int_equal(batch->attempts, 2); /* nor an attempt: the backoff does not grow */
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_retry_tokens), 9000);
    close_scene(&scene);
}

static void the_repetition_after_a_dead_connection_goes_before_all_others(void **unused)
{
    (void)unused;
    struct scene scene;
    struct answer_summary died = { .verdict = VERDICT_RETRY,
                                   .retry_after_ms = -1,
                                   .died_before_answer = true };
    open_scene(&scene, &defaults);
    put(&scene, 1);
    put(&scene, 1);
    struct batch *batch = launch(&scene);
    delivery_answer(scene.delivery, batch, &died, scene.now_ms);
    assert_ptr_equal(launch(&scene), batch);
    close_scene(&scene);
}

static void what_is_on_hold_starts_no_request(void **unused)
{
    (void)unused;
    struct scene scene;
    open_scene(&scene, &defaults);
    put(&scene, 1);
    delivery_hold(scene.delivery, true);
    assert_int_equal(expect_wait(&scene), 0);
    delivery_hold(scene.delivery, false);
    (void)launch(&scene);
    close_scene(&scene);
}

static struct batch *cut(struct scene *scene)
{
    struct batch *halves[2], *parent = delivery_take_split(scene->delivery);

    assert_non_null(parent);
    rig_cut(parent, halves);
    delivery_put_halves(scene->delivery, &parent, halves, scene->now_ms);
    return launch(scene);
}

static void each_half_of_a_batch_costs_a_token(void **unused)
{
    (void)unused;
    struct scene scene;
    open_scene(&scene, &defaults);
    put(&scene, 2);
    answer(&scene, launch(&scene), VERDICT_TOO_LARGE, -1);
    struct batch *half = cut(&scene);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_retry_tokens), 9000);
    answer(&scene, half, VERDICT_SENT, -1); /* is worth a tenth */
    (void)launch(&scene);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_retry_tokens), 8100);
    close_scene(&scene);
}

static void what_waits_to_be_cut_expires_as_well(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.max_age_ms = 5000;
    open_scene(&scene, &config);
    put(&scene, 2);
    answer(&scene, launch(&scene), VERDICT_TOO_LARGE, -1);
    assert_int_equal(expect_wait(&scene), scene.now_ms + 5000);
    scene.now_ms += 5000;
    (void)expect_wait(&scene);
    assert_int_equal(rig_flow(&scene.rig, FLOW_expire), 2);
    assert_null(delivery_take_split(scene.delivery));
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_backoff_is_between_zero_and_twice_the_one_before),
        cmocka_unit_test(to_a_pause_up_to_a_fifth_is_added_at_random),
        cmocka_unit_test(a_pause_is_not_cut_short_by_a_shorter_one),
        cmocka_unit_test(a_pause_of_nothing_is_no_leave_to_try_again_at_once),
        cmocka_unit_test(a_probe_waits_for_the_end_of_a_pause),
        cmocka_unit_test(what_was_never_tried_goes_past_a_retry_that_waits_for_a_token),
        cmocka_unit_test(the_repetition_after_a_dead_connection_costs_no_token),
        cmocka_unit_test(the_repetition_after_a_dead_connection_goes_before_all_others),
        cmocka_unit_test(what_is_on_hold_starts_no_request),
        cmocka_unit_test(each_half_of_a_batch_costs_a_token),
        cmocka_unit_test(what_waits_to_be_cut_expires_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
