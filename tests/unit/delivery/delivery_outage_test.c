/* SPDX-License-Identifier: Apache-2.0 */
/* The delivery when the endpoint is away, and when the agent stops meanwhile. */
#include "delivery/delivery.h"

#include "delivery/scene.h"

static void failures_open_the_breaker_and_then_nothing_is_encoded(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_news news;
    open_scene(&scene, &defaults);
    put(&scene, 1);
    for (int i = 0; i < 5; i++) {
        assert_false(delivery_take_news(scene.delivery, &news));
        struct step step = next(&scene);
        if (step.kind == STEP_WAIT) {
            scene.now_ms = step.until_ms;
            step = next(&scene);
        }
        assert_int_equal(step.kind, STEP_SEND);
        answer(&scene, step.batch, VERDICT_RETRY, -1);
    }
    assert_true(delivery_take_news(scene.delivery, &news));
    assert_string_equal(news.msg, "circuit breaker opened");
    assert_string_equal(news.reason, "5 failures in a row, the last: status 500");
    assert_in_range(news.rest_ms, 500, 1000);
    assert_false(delivery_wants_batches(scene.delivery, scene.now_ms));
    assert_false(delivery_wants_batches(scene.delivery, scene.now_ms + 100000));
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 2);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_opens), 1);
    close_scene(&scene);
}

static void open_breaker(struct scene *scene, int batches)
{
    for (int i = 0; i < batches; i++)
        put(scene, 1);
    answer(scene, launch(scene), VERDICT_HOLD, -1);
}

static void a_wrong_key_holds_the_data_and_the_batches_take_turns_as_probes(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_news news;
    open_scene(&scene, &defaults);
    open_breaker(&scene, 3);
    uint64_t seen[6];
    for (int i = 0; i < 6; i++) {
        scene.now_ms = expect_wait(&scene);
        struct batch *probe = launch(&scene);
        seen[i] = probe->sequence;
        assert_int_equal(expect_wait(&scene), 0); /* one probe only */
        assert_false(delivery_wants_batches(scene.delivery, scene.now_ms));
        assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 1);
        answer(&scene, probe, VERDICT_HOLD, -1);
    }
    for (int i = 0; i < 6; i++)
        assert_int_equal(seen[i], (i + 1) % 3 + 1);
    assert_true(delivery_take_news(scene.delivery, &news));
    assert_string_equal(news.msg, "circuit breaker stays open");
    scene.now_ms = expect_wait(&scene);
    answer(&scene, launch(&scene), VERDICT_SENT, -1);
    assert_true(delivery_take_news(scene.delivery, &news));
    assert_string_equal(news.msg, "circuit breaker closed");
    answer(&scene, launch(&scene), VERDICT_SENT, -1);
    assert_int_equal(rig_flow(&scene.rig, FLOW_deliver), 2);
    assert_true(delivery_wants_batches(scene.delivery, scene.now_ms));
    close_scene(&scene);
}

static void what_somebody_has_to_mend_is_told_apart_from_an_endpoint_that_is_away(void **unused)
{
    (void)unused;
    static const struct {
        enum verdict verdict;
        uint64_t held;
    } probes[] = { { VERDICT_HOLD, 1 },
                   { VERDICT_BUSY, 1 },
                   { VERDICT_RETRY, 0 },
                   { VERDICT_HOLD, 1 },
                   { VERDICT_SENT, 0 } };
    struct scene scene;
    open_scene(&scene, &defaults);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_held), 0);
    open_breaker(&scene, 1);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_held), 1);
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        scene.now_ms = expect_wait(&scene);
        answer(&scene, launch(&scene), probes[i].verdict, -1);
        assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_held), probes[i].held);
    }
    close_scene(&scene);
}

/* What is said of a probe is what it met, not what opened the breaker. */
static void a_probe_that_fails_after_a_wrong_key_is_told_as_what_it_met(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_news news;
    open_scene(&scene, &defaults);
    open_breaker(&scene, 1);
    assert_true(delivery_take_news(scene.delivery, &news));
    for (int failures = 2; failures <= 6; failures++) {
        scene.now_ms = expect_wait(&scene);
        answer(&scene, launch(&scene), VERDICT_RETRY, -1);
        assert_true(delivery_take_news(scene.delivery, &news));
        assert_string_equal(news.msg, "circuit breaker stays open");
        if (failures < 5)
            assert_string_equal(news.reason, "status 500");
    }
    assert_string_equal(news.reason, "6 failures in a row, the last: status 500");
    close_scene(&scene);
}

/* Ten rounds of probes, which take turns. What they find says something about the endpoint: they
 * are no attempts of the batches, and the rest was the wait of all. */
static void an_outage_costs_batches_neither_attempts_nor_a_wait_beyond_its_end(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct scene scene;
        struct delivery_config config = defaults;
        config.seed = seed;
        config.breaker_rest_max_ms = 1000;
        open_scene(&scene, &config);
        open_breaker(&scene, 3);
        for (int i = 0; i < 30; i++) {
            scene.now_ms = expect_wait(&scene);
            struct batch *probe = launch(&scene);
            answer(&scene, probe, VERDICT_RETRY, -1);
            assert_int_equal(probe->attempts, 1); /* what follows is a retry, and costs a token */
        }
        scene.now_ms = expect_wait(&scene);
        answer(&scene, launch(&scene), VERDICT_SENT, -1);
        answer(&scene, launch(&scene), VERDICT_SENT, -1);
        answer(&scene, launch(&scene), VERDICT_RETRY, -1);
        assert_in_range(expect_wait(&scene) - scene.now_ms, 1, 2000); /* its second failure */
        close_scene(&scene);
    }
}

/* Whoever judges what is in a batch is there. */
static void a_probe_that_is_refused_for_what_is_in_it_closes_the_breaker(void **unused)
{
    (void)unused;
    static const enum verdict verdicts[] = { VERDICT_REJECTED, VERDICT_TOO_LARGE };
    for (int i = 0; i < 2; i++) {
        struct scene scene;
        open_scene(&scene, &defaults);
        deliver_one(&scene);
        open_breaker(&scene, 1);
        scene.now_ms = expect_wait(&scene);
        answer(&scene, launch(&scene), verdicts[i], -1);
        assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 0);
        close_scene(&scene);
    }
}

/* Perhaps it is another one. */
static void after_a_change_nothing_is_known_of_the_endpoint(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.retry_base_ms = config.retry_cap_ms = 600000;
    open_scene(&scene, &config);
    deliver_one(&scene);
    put(&scene, 1);
    answer(&scene, launch(&scene), VERDICT_RETRY, -1);
    assert_true(expect_wait(&scene) > scene.now_ms);
    delivery_change(scene.delivery, &config);
    answer(&scene, launch(&scene), VERDICT_REJECTED, -1); /* no wait is left, and no trust */
    assert_int_equal(rig_flow(&scene.rig, FLOW_refuse), 0);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 2);
    close_scene(&scene);
}

static void half_of_the_last_requests_is_told_as_the_reason(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_news news;
    struct delivery_config config = defaults;
    config.retry_base_ms = config.retry_cap_ms = 1;
    open_scene(&scene, &config);
    for (int i = 0; i < 20; i++) {
        assert_false(delivery_take_news(scene.delivery, &news));
        put(&scene, 1);
        scene.now_ms += 2;
        answer(&scene, launch(&scene), i % 2 == 0 ? VERDICT_SENT : VERDICT_RETRY, -1);
    }
    assert_true(delivery_take_news(scene.delivery, &news));
    assert_string_equal(news.msg, "circuit breaker opened");
    assert_string_equal(news.reason, "half of the last 20 requests failed, the last: status 500");
    close_scene(&scene);
}

static void a_change_of_the_configuration_closes_an_open_breaker_and_it_is_said(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_news news;
    open_scene(&scene, &defaults);
    delivery_change(scene.delivery, &defaults);
    assert_false(delivery_take_news(scene.delivery, &news)); /* it was closed */
    open_breaker(&scene, 1);
    assert_true(delivery_take_news(scene.delivery, &news));
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_held), 1);
    delivery_change(scene.delivery, &defaults);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_held), 0);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 0);
    assert_true(delivery_take_news(scene.delivery, &news));
    assert_string_equal(news.msg, "circuit breaker closed");
    assert_string_equal(news.reason, "the configuration was changed");
    assert_int_equal(news.rest_ms, 0);
    answer(&scene, launch(&scene), VERDICT_BUSY, 600000);
    delivery_change(scene.delivery, &defaults); /* ends a pause, too: another endpoint, perhaps */
    answer(&scene, launch(&scene), VERDICT_SENT, -1);
    close_scene(&scene);
}

static void a_busy_probe_is_no_verdict_and_the_rest_does_not_grow(void **unused)
{
    (void)unused;
    struct scene scene;
    open_scene(&scene, &defaults);
    open_breaker(&scene, 1);
    for (int i = 0; i < 5; i++) {
        int64_t until_ms = expect_wait(&scene);
        assert_in_range(until_ms - scene.now_ms, 1, 1000);
        scene.now_ms = until_ms;
        answer(&scene, launch(&scene), VERDICT_BUSY, -1);
        assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 2);
    }
    close_scene(&scene);
}

static void answers_from_before_the_breaker_opened_neither_close_it_nor_end_its_rest(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.concurrency_min = 4;
    open_scene(&scene, &config);
    for (int i = 0; i < 4; i++)
        put(&scene, 1);
    struct batch *first = launch(&scene), *second = launch(&scene), *third = launch(&scene);
    answer(&scene, first, VERDICT_HOLD, -1);
    int64_t until_ms = expect_wait(&scene);
    answer(&scene, second, VERDICT_SENT, -1);
    answer(&scene, third, VERDICT_RETRY, -1);
    assert_int_equal(expect_wait(&scene), until_ms);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 2);
    close_scene(&scene);
}

static void with_nothing_left_to_probe_with_a_new_batch_is_wanted_after_the_rest(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.max_age_ms = 100;
    open_scene(&scene, &config);
    open_breaker(&scene, 1);
    scene.now_ms += 100;
    int64_t until_ms = expect_wait(&scene); /* expires the only one */
    assert_true(delivery_is_empty(scene.delivery));
    assert_int_equal(rig_flow(&scene.rig, FLOW_expire), 1);
    assert_false(delivery_wants_batches(scene.delivery, until_ms - 1));
    assert_true(delivery_wants_batches(scene.delivery, until_ms));
    close_scene(&scene);
}

static void a_reused_connection_that_was_dead_costs_one_repetition_and_no_blame(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    struct answer_summary died = { .verdict = VERDICT_RETRY,
                                   .retry_after_ms = -1,
                                   .died_before_answer = true };
    config.breaker_failures = 1;
    open_scene(&scene, &config);
    put(&scene, 1);
    struct batch *batch = launch(&scene);
    delivery_answer(scene.delivery, batch, &died, scene.now_ms);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 0);
    assert_ptr_equal(launch(&scene), batch); /* at once */
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_retries), 1);
    delivery_answer(scene.delivery, batch, &died, scene.now_ms); /* twice is a failure */
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 2);
    scene.now_ms = expect_wait(&scene);
    assert_ptr_equal(launch(&scene), batch);
    delivery_answer(scene.delivery, batch, &died, scene.now_ms); /* as a probe: again at once */
    assert_ptr_equal(launch(&scene), batch);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 1);
    answer(&scene, batch, VERDICT_SENT, -1);
    assert_int_equal(rig_flow(&scene.rig, FLOW_deliver), 1);
    close_scene(&scene);
}

static void a_refusal_by_an_endpoint_that_never_took_a_batch_holds_the_data(void **unused)
{
    (void)unused;
    struct scene scene;
    open_scene(&scene, &defaults);
    put(&scene, 1);
    answer(&scene, launch(&scene), VERDICT_REJECTED, -1);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 2);
    assert_int_equal(rig_flow(&scene.rig, FLOW_refuse), 0);
    assert_int_equal(rig_stock(&scene.rig, ACCOUNT_ready), 1);
    close_scene(&scene);
}

/* A reload may give another address: that it refuses all of it says nothing of the events. */
static void after_a_change_the_endpoint_is_another_and_has_nothing_refused_yet(void **unused)
{
    (void)unused;
    struct scene scene;
    open_scene(&scene, &defaults);
    deliver_one(&scene);
    delivery_change(scene.delivery, &defaults);
    put(&scene, 1);
    answer(&scene, launch(&scene), VERDICT_REJECTED, -1);
    assert_int_equal(rig_flow(&scene.rig, FLOW_refuse), 0);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 2);
    scene.now_ms = expect_wait(&scene);
    answer(&scene, launch(&scene), VERDICT_SENT, -1);
    assert_int_equal(rig_flow(&scene.rig, FLOW_deliver), 2);
    close_scene(&scene);
}

static void a_drain_skips_backoff_and_pauses_and_tries_again_at_short_intervals(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.retry_base_ms = 600000;
    config.concurrency_min = 2;
    open_scene(&scene, &config);
    put(&scene, 1);
    put(&scene, 1);
    struct batch *first = launch(&scene), *second = launch(&scene);
    answer(&scene, first, VERDICT_RETRY, -1);
    answer(&scene, second, VERDICT_BUSY, 600000);
    assert_true(expect_wait(&scene) > scene.now_ms + 1000);
    delivery_drain(scene.delivery, scene.now_ms);
    assert_true(delivery_wants_batches(scene.delivery, scene.now_ms));
    first = launch(&scene);
    second = launch(&scene);
    answer(&scene, first, VERDICT_BUSY, 600000);
    answer(&scene, second, VERDICT_RETRY, -1);
    assert_in_range(expect_wait(&scene) - scene.now_ms, 1, 1000);
    close_scene(&scene);
}

static void a_drain_probes_an_open_breaker_at_once_and_on_success_everything_goes(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.breaker_rest_ms = config.breaker_rest_max_ms = 600000;
    open_scene(&scene, &config);
    open_breaker(&scene, 3);
    assert_true(expect_wait(&scene) > scene.now_ms + 1000);
    assert_false(delivery_wants_batches(scene.delivery, scene.now_ms));
    delivery_drain(scene.delivery, scene.now_ms);
    assert_true(delivery_wants_batches(scene.delivery, scene.now_ms)); /* what is in the lanes */
    answer(&scene, launch(&scene), VERDICT_HOLD, -1);
    int64_t until_ms = expect_wait(&scene);
    assert_in_range(until_ms - scene.now_ms, 1, 1000);
    scene.now_ms = until_ms;
    for (int i = 0; i < 3; i++)
        answer(&scene, launch(&scene), VERDICT_SENT, -1);
    assert_true(delivery_is_empty(scene.delivery));
    close_scene(&scene);
}

static void a_drain_needs_no_tokens_and_keeps_to_the_limit(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    struct batch *first;
    struct step step;

    config.concurrency_min = 2;
    config.retry_base_ms = config.retry_cap_ms = 1;
    open_scene(&scene, &config);
    put(&scene, 1);
    put(&scene, 1);
    for (first = launch(&scene); (step = next(&scene)).kind == STEP_SEND; first = launch(&scene)) {
        answer(&scene, first, VERDICT_BUSY, -1);
        answer(&scene, step.batch, VERDICT_BUSY, -1);
        scene.now_ms += 2;
    }
    assert_true(step.until_ms > scene.now_ms + 1000); /* no token is left */
    delivery_drain(scene.delivery, scene.now_ms);
    (void)launch(&scene);
    put(&scene, 1);
    assert_int_equal(expect_wait(&scene), 0);
    close_scene(&scene);
}

static void in_a_drain_a_batch_that_could_not_be_split_is_soon_tried_again(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;

    config.retry_base_ms = config.retry_cap_ms = 600000;
    open_scene(&scene, &config);
    deliver_one(&scene);
    put(&scene, 2);
    answer(&scene, launch(&scene), VERDICT_TOO_LARGE, -1);
    delivery_drain(scene.delivery, scene.now_ms);
    struct batch *batch = delivery_take_split(scene.delivery);
    assert_non_null(batch);
    delivery_put_halves(scene.delivery, &batch, NULL, scene.now_ms);
    assert_in_range(expect_wait(&scene) - scene.now_ms, 1, 1000);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_open_the_breaker_and_then_nothing_is_encoded),
        cmocka_unit_test(a_wrong_key_holds_the_data_and_the_batches_take_turns_as_probes),
        cmocka_unit_test(what_somebody_has_to_mend_is_told_apart_from_an_endpoint_that_is_away),
        cmocka_unit_test(a_probe_that_fails_after_a_wrong_key_is_told_as_what_it_met),
        cmocka_unit_test(an_outage_costs_batches_neither_attempts_nor_a_wait_beyond_its_end),
        cmocka_unit_test(a_probe_that_is_refused_for_what_is_in_it_closes_the_breaker),
        cmocka_unit_test(after_a_change_nothing_is_known_of_the_endpoint),
        cmocka_unit_test(half_of_the_last_requests_is_told_as_the_reason),
        cmocka_unit_test(a_change_of_the_configuration_closes_an_open_breaker_and_it_is_said),
        cmocka_unit_test(a_busy_probe_is_no_verdict_and_the_rest_does_not_grow),
        cmocka_unit_test(answers_from_before_the_breaker_opened_neither_close_it_nor_end_its_rest),
        cmocka_unit_test(with_nothing_left_to_probe_with_a_new_batch_is_wanted_after_the_rest),
        cmocka_unit_test(a_reused_connection_that_was_dead_costs_one_repetition_and_no_blame),
        cmocka_unit_test(a_refusal_by_an_endpoint_that_never_took_a_batch_holds_the_data),
        cmocka_unit_test(after_a_change_the_endpoint_is_another_and_has_nothing_refused_yet),
        cmocka_unit_test(a_drain_skips_backoff_and_pauses_and_tries_again_at_short_intervals),
        cmocka_unit_test(a_drain_probes_an_open_breaker_at_once_and_on_success_everything_goes),
        cmocka_unit_test(a_drain_needs_no_tokens_and_keeps_to_the_limit),
        cmocka_unit_test(in_a_drain_a_batch_that_could_not_be_split_is_soon_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
