/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery/delivery.h"

#include "delivery/scene.h"

static void nothing_to_send_waits_for_a_change_alone(void **unused)
{
    (void)unused;
    struct scene scene;
    open_scene(&scene, &defaults);
    assert_int_equal(expect_wait(&scene), 0);
    assert_true(delivery_is_empty(scene.delivery));
    assert_null(delivery_take_split(scene.delivery));
    close_scene(&scene);
}

static void a_batch_goes_through_ready_and_in_flight_to_delivered(void **unused)
{
    (void)unused;
    struct scene scene;
    open_scene(&scene, &defaults);
    put(&scene, 7);
    assert_int_equal(rig_stock(&scene.rig, ACCOUNT_batch), 0);
    assert_int_equal(rig_stock(&scene.rig, ACCOUNT_ready), 7);
    struct step step = next(&scene);
    assert_int_equal(step.kind, STEP_SEND);
    assert_int_equal(step.timeout_ms, 30000);
    assert_int_equal(rig_stock(&scene.rig, ACCOUNT_in_flight), 7);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_requests_in_flight), 1);
    answer(&scene, step.batch, VERDICT_SENT, -1);
    assert_int_equal(rig_flow(&scene.rig, FLOW_deliver), 7);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_attempts), 1);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_retries), 0);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_sent_bytes), 17);
    assert_true(delivery_is_empty(scene.delivery));
    close_scene(&scene);
}

static void the_limit_bounds_what_is_in_flight_and_what_is_sealed_ahead(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.concurrency_min = 2;
    open_scene(&scene, &config);
    for (int i = 0; i < 2; i++) {
        put(&scene, 1);
        (void)launch(&scene);
    }
    /* While it warms up: twice as many as may ever be in flight, and 2 to go on with. */
    for (unsigned i = 0; i < 2 * config.concurrency_max + 2; i++) {
        assert_true(delivery_wants_batches(scene.delivery, scene.now_ms));
        put(&scene, 1);
        assert_int_equal(expect_wait(&scene), 0);
    }
    assert_false(delivery_wants_batches(scene.delivery, scene.now_ms));
    close_scene(&scene);
}

static void a_retry_waits_for_its_backoff(void **unused)
{
    (void)unused;
    struct scene scene;
    open_scene(&scene, &defaults);
    put(&scene, 3);
    struct batch *batch = launch(&scene);
    answer(&scene, batch, VERDICT_RETRY, -1);
    assert_int_equal(rig_flow(&scene.rig, FLOW_return), 3);
    int64_t until_ms = expect_wait(&scene);
    assert_in_range(until_ms - scene.now_ms, 1, 1000);
    scene.now_ms = until_ms;
    assert_ptr_equal(launch(&scene), batch);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_retries), 1);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_failures), 1);
    close_scene(&scene);
}

static void retry_after_pauses_the_endpoint_for_at_most_an_hour_and_a_fifth(void **unused)
{
    (void)unused;
    static const int64_t given_ms[] = { 7000, INT64_MAX };
    static const int64_t least_ms[] = { 7000, 3600000 };
    for (int i = 0; i < 2; i++) {
        struct scene scene;
        open_scene(&scene, &defaults);
        put(&scene, 1);
        answer(&scene, launch(&scene), VERDICT_BUSY, given_ms[i]);
        put(&scene, 1); /* not only the batch that was answered waits */
        int64_t until_ms = expect_wait(&scene);
        assert_in_range(until_ms - scene.now_ms, least_ms[i], least_ms[i] * 6 / 5);
        scene.now_ms = until_ms;
        (void)launch(&scene);
        assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 0);
        close_scene(&scene);
    }
}

static void retries_beside_other_requests_cost_tokens_but_a_lone_one_always_goes(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.concurrency_min = config.concurrency_max = 8;
    config.retry_base_ms = config.retry_cap_ms = 1; /* always due: only tokens count */
    config.breaker_failures = 1000;
    open_scene(&scene, &config);
    put(&scene, 1);
    put(&scene, 1);
    put(&scene, 1);
    unsigned retries = 0;
    struct batch *hanging = launch(&scene);
    for (int i = 0; i < 12; i++) { /* fewer than the breaker's window */
        struct step step = next(&scene);
        if (step.kind == STEP_SEND)
            answer(&scene, step.batch, VERDICT_BUSY, -1);
        scene.now_ms += 2;
    }
    retries = (unsigned)numbers_get(scene.rig.numbers, NUMBER_retries);
    for (int i = 0; i < 8; i++) {
        struct step step = next(&scene);
        if (step.kind == STEP_SEND)
            answer(&scene, step.batch, VERDICT_BUSY, -1);
        scene.now_ms += 2;
    }
    assert_int_equal(retries, 10);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_retries), 10);
    int64_t until_ms = expect_wait(&scene);
    assert_in_range(until_ms - scene.now_ms, 9000, 10000); /* the token that time brings */
    answer(&scene, hanging, VERDICT_SENT, -1);
    (void)launch(&scene); /* nothing in flight: goes without a token */
    assert_int_equal(expect_wait(&scene), until_ms - 1000); /* a success was worth a tenth */
    close_scene(&scene);
}

/* One batch more than the limit allows; the breaker open by a wrong key. */
static void max_age_cuts_the_timeout_and_expires_what_waits(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.max_age_ms = 5000;
    open_scene(&scene, &config);
    put(&scene, 2);
    scene.now_ms += 4000;
    struct step step = next(&scene);
    assert_int_equal(step.timeout_ms, 1000);
    answer(&scene, step.batch, VERDICT_BUSY, 60000);
    assert_int_equal(expect_wait(&scene), scene.now_ms + 1000); /* not after the pause */
    scene.now_ms += 999;
    assert_int_equal(expect_wait(&scene), scene.now_ms + 1);
    scene.now_ms += 1;
    (void)expect_wait(&scene);
    assert_int_equal(rig_flow(&scene.rig, FLOW_expire), 2);
    assert_true(delivery_is_empty(scene.delivery));
    close_scene(&scene);
}

static void split(struct scene *scene)
{
    struct batch *halves[2], *parent = delivery_take_split(scene->delivery);

    assert_non_null(parent);
    rig_cut(parent, halves);
    for (int i = 0; i < 2; i++)
        halves[i]->permit = share_overdraw(delivery_share(scene->delivery), halves[i]->body_bytes);
    delivery_put_halves(scene->delivery, &parent, halves, scene->now_ms);
    assert_true(parent == NULL && halves[0] == NULL && halves[1] == NULL);
}

static void a_batch_too_large_is_cut_until_one_event_alone_is_dropped(void **unused)
{
    (void)unused;
    struct scene scene;
    open_scene(&scene, &defaults);
    put(&scene, 4);
    uint64_t used = delivery_share(scene.delivery)->used_bytes;
    answer(&scene, launch(&scene), VERDICT_TOO_LARGE, -1);
    assert_int_equal(delivery_share(scene.delivery)->used_bytes, used);
    assert_int_equal(rig_stock(&scene.rig, ACCOUNT_ready), 4);
    (void)expect_wait(&scene);
    struct batch *parent = delivery_take_split(scene.delivery);
    assert_null(delivery_take_split(scene.delivery));
    delivery_audit(scene.delivery); /* also while a worker has it */
    assert_int_equal(rig_difference(&scene.rig), 0);
    struct batch *halves[2];
    rig_cut(parent, halves);
    delivery_put_halves(scene.delivery, &parent, halves, scene.now_ms);
    struct batch *first = launch(&scene);
    assert_non_null(strstr(first->key, "/0"));
    answer(&scene, first, VERDICT_TOO_LARGE, -1);
    split(&scene);
    answer(&scene, launch(&scene), VERDICT_TOO_LARGE, -1);
    assert_int_equal(rig_flow(&scene.rig, FLOW_split_too_large), 1);
    answer(&scene, launch(&scene), VERDICT_SENT, -1);
    answer(&scene, launch(&scene), VERDICT_SENT, -1);
    assert_int_equal(rig_flow(&scene.rig, FLOW_deliver), 3);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 0);
    close_scene(&scene);
}

static void what_cannot_be_cut_for_want_of_memory_is_tried_again_later(void **unused)
{
    (void)unused;
    struct scene scene;
    struct batch *none[2] = { NULL, NULL };
    open_scene(&scene, &defaults);
    put(&scene, 4);
    answer(&scene, launch(&scene), VERDICT_TOO_LARGE, -1);
    struct batch *parent = delivery_take_split(scene.delivery);
    delivery_put_halves(scene.delivery, &parent, none, scene.now_ms);
    assert_null(parent);
    scene.now_ms = expect_wait(&scene);
    answer(&scene, launch(&scene), VERDICT_SENT, -1);
    assert_int_equal(rig_flow(&scene.rig, FLOW_deliver), 4);
    close_scene(&scene);
}

static void a_batch_too_large_lowers_the_size_of_those_to_come_and_it_is_said_once(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_news news;
    struct delivery_config config = defaults;
    config.concurrency_min = 2;
    config.batch_max_bytes = 1 << 20;
    open_scene(&scene, &config);
    assert_int_equal(delivery_max_bytes(scene.delivery), 1 << 20);
    struct batch *batches[2];
    for (int i = 0; i < 2; i++) {
        put(&scene, 4);
        batches[i] = launch(&scene);
        batches[i]->raw_bytes = 1000000;
    }
    struct answer_summary summary = { .verdict = VERDICT_TOO_LARGE, .what = "status 413" };
    delivery_answer(scene.delivery, batches[0], &summary, scene.now_ms);
    assert_true(delivery_take_news(scene.delivery, &news));
    assert_string_equal(news.msg, "batch size lowered");
    assert_string_equal(news.reason, "status 413 for 1000000 bytes before compression, from now on "
                                     "at most 500000");
    delivery_answer(scene.delivery, batches[1], &summary, scene.now_ms);
    assert_false(delivery_take_news(scene.delivery, &news));
    assert_int_equal(delivery_max_bytes(scene.delivery), 500000);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_batch_max_bytes), 500000);
    scene.now_ms += 60000;
    split(&scene);
    split(&scene);
    struct batch *half = launch(&scene);
    half->raw_bytes = 500000;
    answer(&scene, half, VERDICT_SENT, -1);
    assert_int_equal(delivery_max_bytes(scene.delivery), 500000 + (1 << 16));
    close_scene(&scene);
}

/* Refuses what the event with this number is in. */
static void bisect(struct scene *scene, uint64_t poison)
{
    uint64_t taken = 0; /* events before the next batch: halves come in order */

    for (int i = 0; i < 100 && !delivery_is_empty(scene->delivery); i++) {
        struct batch *batch = launch(scene);
        uint64_t events = batch->events;
        bool is_poisoned = poison >= taken && poison < taken + events;
        answer(scene, batch, is_poisoned ? VERDICT_REJECTED : VERDICT_SENT, -1);
        if (is_poisoned && events > 1)
            split(scene);
        else
            taken += events;
    }
}

static void a_poisoned_batch_is_bisected_and_only_the_poison_is_refused(void **unused)
{
    (void)unused;
    for (uint64_t poison = 0; poison < 64; poison += 9) {
        struct scene scene;
        struct delivery_config config = defaults;
        config.batch_max_bytes = 1 << 20;
        open_scene(&scene, &config);
        deliver_one(&scene);
        put(&scene, 64);
        bisect(&scene, poison);
        assert_int_equal(delivery_max_bytes(scene.delivery), 1 << 20); /* it was not too large */
        assert_int_equal(rig_flow(&scene.rig, FLOW_refuse), 1);
        assert_int_equal(rig_flow(&scene.rig, FLOW_deliver), 64);
        assert_in_range(numbers_get(scene.rig.numbers, NUMBER_attempts), 2, 2 + 2 * 6);
        close_scene(&scene);
    }
}

static void with_one_request_at_a_time_batches_arrive_in_order(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.concurrency_max = 1;
    open_scene(&scene, &config);
    for (int i = 0; i < 3; i++)
        put(&scene, 2);
    answer(&scene, launch(&scene), VERDICT_RETRY, -1);
    scene.now_ms = expect_wait(&scene); /* the others wait behind it */
    struct batch *batch = launch(&scene);
    assert_int_equal(batch->sequence, 1);
    answer(&scene, batch, VERDICT_TOO_LARGE, -1);
    assert_int_equal(expect_wait(&scene), 0); /* until it is cut */
    split(&scene);
    static const uint64_t sequences[] = { 1, 1, 2, 3 };
    for (int i = 0; i < 4; i++) {
        batch = launch(&scene);
        assert_int_equal(batch->sequence, sequences[i]);
        answer(&scene, batch, VERDICT_SENT, -1);
    }
    close_scene(&scene);
}

static void note_nothing(void *context)
{
    (void)context;
}

static void what_is_abandoned_goes_back_to_its_source_or_is_counted_as_dropped(void **unused)
{
    (void)unused;
    struct scene scene;
    struct receipts *receipts = receipts_new(note_nothing, NULL);
    struct receipt *receipt = receipts_open(receipts);
    char mark[RECEIPT_MARK_BYTES];
    size_t mark_bytes;
    open_scene(&scene, &defaults);
    for (int i = 0; i < 2; i++) { /* one is in flight, one is ready */
        struct batch *batch = rig_empty_batch(&scene.rig, "x");
        rig_add_run(&scene.rig, batch, 0, receipt, 3);
        rig_add_run(&scene.rig, batch, 2, NULL, 4);
        rig_add_run(&scene.rig, batch, 0, receipt, 5);
        delivery_put(scene.delivery, &batch, scene.now_ms);
    }
    (void)launch(&scene);
    receipts_hold_done(receipts, receipt, "12345678", 8);
    delivery_abandon(scene.delivery);
    assert_true(delivery_is_empty(scene.delivery));
    assert_int_equal(rig_flow(&scene.rig, FLOW_replay_ready), 8);
    assert_int_equal(rig_flow(&scene.rig, FLOW_replay_in_flight), 8);
    assert_int_equal(rig_flow(&scene.rig, FLOW_drain_timeout_ready), 4);
    assert_int_equal(rig_flow(&scene.rig, FLOW_drain_timeout_in_flight), 4);
    assert_false(receipts_pop_settled(receipts, mark, &mark_bytes));
    put(&scene, 6); /* a worker comes late */
    assert_true(delivery_is_empty(scene.delivery));
    assert_int_equal(rig_flow(&scene.rig, FLOW_replay_ready), 14);
    close_scene(&scene);
    receipts_free(&receipts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_send_waits_for_a_change_alone),
        cmocka_unit_test(a_batch_goes_through_ready_and_in_flight_to_delivered),
        cmocka_unit_test(the_limit_bounds_what_is_in_flight_and_what_is_sealed_ahead),
        cmocka_unit_test(a_retry_waits_for_its_backoff),
        cmocka_unit_test(retry_after_pauses_the_endpoint_for_at_most_an_hour_and_a_fifth),
        cmocka_unit_test(retries_beside_other_requests_cost_tokens_but_a_lone_one_always_goes),
        cmocka_unit_test(max_age_cuts_the_timeout_and_expires_what_waits),
        cmocka_unit_test(a_batch_too_large_is_cut_until_one_event_alone_is_dropped),
        cmocka_unit_test(a_batch_too_large_lowers_the_size_of_those_to_come_and_it_is_said_once),
        cmocka_unit_test(what_cannot_be_cut_for_want_of_memory_is_tried_again_later),
        cmocka_unit_test(a_poisoned_batch_is_bisected_and_only_the_poison_is_refused),
        cmocka_unit_test(with_one_request_at_a_time_batches_arrive_in_order),
        cmocka_unit_test(what_is_abandoned_goes_back_to_its_source_or_is_counted_as_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
