/* SPDX-License-Identifier: Apache-2.0 */
/* What the endpoint refuses for good: held until it is in the dead letters, then counted. */
#include "delivery/delivery.h"

#include "delivery/scene.h"

static void open_keeping_scene(struct scene *scene)
{
    struct delivery_config config = defaults;

    config.keeps_refused = true;
    open_scene(scene, &config);
    deliver_one(scene);
}

static void refuse_one(struct scene *scene, enum verdict verdict)
{
    struct answer_summary summary = {
        .verdict = (int)verdict, .retry_after_ms = -1, .what = "status 422", .text = "bad field"
    };

    put(scene, 1);
    delivery_answer(scene->delivery, launch(scene), &summary, scene->now_ms);
}

static void check_burial(enum verdict verdict, enum flow flow)
{
    struct scene scene;
    open_keeping_scene(&scene);
    refuse_one(&scene, verdict);
    delivery_audit(scene.delivery);
    assert_int_equal(rig_stock(&scene.rig, ACCOUNT_in_flight), 1);
    assert_int_equal(rig_flow(&scene.rig, flow), 0);
    assert_false(delivery_is_empty(scene.delivery));
    struct batch *batch = delivery_take_refused(scene.delivery);
    assert_non_null(batch);
    assert_false(delivery_is_empty(scene.delivery));
    assert_string_equal(batch->refusal->reason, "status 422");
    assert_string_equal(batch->refusal->answer, "bad field");
    delivery_audit(scene.delivery);
    assert_int_equal(rig_difference(&scene.rig), 0);
    assert_int_equal(rig_flow(&scene.rig, flow), 0);
    delivery_put_buried(scene.delivery, &batch);
    assert_null(batch);
    assert_int_equal(rig_flow(&scene.rig, flow), 1);
    assert_true(delivery_is_empty(scene.delivery));
    close_scene(&scene);
}

static void a_refused_event_is_counted_once_it_is_buried_and_not_before(void **unused)
{
    (void)unused;
    check_burial(VERDICT_REJECTED, FLOW_refuse);
    check_burial(VERDICT_TOO_LARGE, FLOW_split_too_large);
}

static void one_refused_event_is_out_at_a_time_in_the_order_of_the_answers(void **unused)
{
    (void)unused;
    struct scene scene;
    open_keeping_scene(&scene);
    for (int i = 0; i < 3; i++)
        refuse_one(&scene, VERDICT_REJECTED);
    for (uint64_t sequence = 2; sequence <= 4; sequence++) {
        struct batch *batch = delivery_take_refused(scene.delivery);
        assert_int_equal(batch->sequence, sequence);
        assert_null(delivery_take_refused(scene.delivery));
        delivery_put_buried(scene.delivery, &batch);
    }
    assert_null(delivery_take_refused(scene.delivery));
    close_scene(&scene);
}

static void refused_events_that_wait_are_no_requests_and_hold_up_nothing(void **unused)
{
    (void)unused;
    struct scene scene;
    open_keeping_scene(&scene);
    for (int i = 0; i < 20; i++)
        refuse_one(&scene, VERDICT_REJECTED);
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_requests_in_flight), 0);
    assert_true(delivery_wants_batches(scene.delivery, scene.now_ms));
    delivery_drain(scene.delivery, scene.now_ms);
    deliver_one(&scene);
    assert_int_equal(rig_flow(&scene.rig, FLOW_deliver), 2);
    close_scene(&scene);
}

/* Lane 2 cannot be read again. */
static void what_was_not_buried_at_the_end_is_refused_or_read_again_and_counted(void **unused)
{
    (void)unused;
    for (int lane = 1; lane < RIG_LANES; lane++) {
        struct scene scene;
        open_keeping_scene(&scene);
        struct batch *batch = rig_empty_batch(&scene.rig, "{}\n");
        rig_add_run(&scene.rig, batch, lane, NULL, 1);
        assert_true(delivery_reserve(scene.delivery, 0, batch->body_bytes, &batch->permit));
        delivery_put(scene.delivery, &batch, scene.now_ms);
        answer(&scene, launch(&scene), VERDICT_REJECTED, -1);
        delivery_abandon(scene.delivery);
        assert_int_equal(rig_flow(&scene.rig, FLOW_replay_in_flight), lane == 1);
        assert_int_equal(rig_flow(&scene.rig, FLOW_refuse), lane == 2);
        assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_dead_letter_errors), 1);
        close_scene(&scene);
    }
}

/* It was refused, whatever becomes of its letters. Who writes them still has it. */
static void what_is_buried_by_one_who_was_left_behind_ends_as_refused(void **unused)
{
    (void)unused;
    static struct scene scenes[RIG_LANES];
    for (int lane = 1; lane < RIG_LANES; lane++) {
        struct scene *scene = &scenes[lane];
        open_keeping_scene(scene);
        struct batch *batch = rig_empty_batch(&scene->rig, "{}\n");
        rig_add_run(&scene->rig, batch, lane, NULL, 1);
        assert_true(delivery_reserve(scene->delivery, 0, batch->body_bytes, &batch->permit));
        delivery_put(scene->delivery, &batch, scene->now_ms);
        answer(scene, launch(scene), VERDICT_REJECTED, -1);
        batch = delivery_take_refused(scene->delivery);
        delivery_abandon(scene->delivery); /* it may still bring it */
        assert_int_equal(rig_stock(&scene->rig, ACCOUNT_in_flight), 1);
        delivery_leave_burying(scene->delivery);
        delivery_abandon(scene->delivery);
        delivery_abandon(scene->delivery); /* as others still bring something */
        assert_int_equal(rig_flow(&scene->rig, FLOW_replay_in_flight), lane == 1);
        assert_int_equal(rig_flow(&scene->rig, FLOW_refuse), lane == 2);
        assert_int_equal(numbers_get(scene->rig.numbers, NUMBER_dead_letter_errors), 1);
        assert_memory_equal(batch->body, "{}\n", 3);
        delivery_audit(scene->delivery);
        assert_int_equal(rig_difference(&scene->rig), 0);
        rig_close(&scene->rig);
    }
}

static void give_halves(struct scene *scene, struct batch *parent)
{
    struct batch *halves[2];

    rig_cut(parent, halves);
    for (int i = 0; i < 2; i++)
        halves[i]->permit = share_overdraw(delivery_share(scene->delivery), halves[i]->body_bytes);
    delivery_put_halves(scene->delivery, &parent, halves, scene->now_ms);
}

static struct batch *launch_in_time(struct scene *scene)
{
    for (int waits = 0; waits < 10; waits++) {
        struct step step = next(scene);
        if (step.kind == STEP_SEND)
            return step.batch;
        assert_true(step.until_ms > scene->now_ms);
        scene->now_ms = step.until_ms;
    }
    fail_msg("nothing is sent any more");
    return NULL;
}

static void what_waits_to_be_cut_grows_too_old_like_others(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.max_age_ms = 5000;
    open_scene(&scene, &config);
    deliver_one(&scene);
    put(&scene, 8);
    answer(&scene, launch(&scene), VERDICT_TOO_LARGE, -1);
    assert_int_equal(expect_wait(&scene), scene.now_ms + 5000);
    scene.now_ms += 5000;
    (void)expect_wait(&scene);
    assert_int_equal(rig_flow(&scene.rig, FLOW_expire), 8);
    assert_null(delivery_take_split(scene.delivery));
    close_scene(&scene);
}

/* The endpoint has taken nothing since the start, and the poison is the first
 * of 64 events: in the first half of a first half, and so on. */
static void tell_poison_by_halves(unsigned concurrency_max)
{
    struct scene scene;
    struct delivery_config config = defaults;
    config.concurrency_max = concurrency_max;
    open_scene(&scene, &config);
    put(&scene, 64);
    for (int requests = 0; !delivery_is_empty(scene.delivery); requests++) {
        struct batch *batch = delivery_take_split(scene.delivery);
        assert_true(requests < 40);
        if (batch != NULL)
            give_halves(&scene, batch);
        batch = launch_in_time(&scene);
        bool is_poisoned = strstr(batch->key, "/1") == NULL;
        answer(&scene, batch, is_poisoned ? VERDICT_REJECTED : VERDICT_SENT, -1);
    }
    assert_int_equal(rig_flow(&scene.rig, FLOW_refuse), 1);
    assert_int_equal(rig_flow(&scene.rig, FLOW_deliver), 63);
    close_scene(&scene);
}

static void a_poisoned_event_that_comes_first_is_told_from_a_wrong_endpoint_by_halves(void **unused)
{
    (void)unused;
    tell_poison_by_halves(defaults.concurrency_max);
    tell_poison_by_halves(1);
}

static void expect_answer(struct scene *scene, uint64_t sequence, enum verdict verdict)
{
    struct batch *batch = launch_in_time(scene);

    assert_int_equal(batch->sequence, sequence);
    answer(scene, batch, verdict, -1);
}

/* It and the next one take turns; whatever becomes of that, it comes back behind it. */
static void a_poisoned_event_alone_at_the_head_does_not_hold_the_others_for_ever(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.concurrency_max = 1;
    open_scene(&scene, &config);
    put(&scene, 1);
    expect_answer(&scene, 1, VERDICT_REJECTED);
    assert_true(delivery_wants_batches(scene.delivery, scene.now_ms)); /* for there is no other */
    put(&scene, 1);
    assert_false(delivery_wants_batches(scene.delivery, scene.now_ms));
    put(&scene, 1);
    expect_answer(&scene, 2, VERDICT_RETRY);
    expect_answer(&scene, 1, VERDICT_REJECTED);
    expect_answer(&scene, 2, VERDICT_HOLD);
    expect_answer(&scene, 1, VERDICT_REJECTED);
    expect_answer(&scene, 2, VERDICT_SENT);
    assert_int_equal(rig_flow(&scene.rig, FLOW_refuse), 0);
    expect_answer(&scene, 1, VERDICT_REJECTED);
    assert_int_equal(rig_flow(&scene.rig, FLOW_refuse), 1);
    expect_answer(&scene, 3, VERDICT_SENT);
    close_scene(&scene);
}

/* Parts of the one that went past it stay behind it, too. */
static void what_went_past_the_head_is_cut_behind_it(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.concurrency_max = 1;
    open_scene(&scene, &config);
    put(&scene, 1);
    put(&scene, 2);
    expect_answer(&scene, 1, VERDICT_REJECTED);
    expect_answer(&scene, 2, VERDICT_REJECTED);
    give_halves(&scene, delivery_take_split(scene.delivery));
    expect_answer(&scene, 1, VERDICT_REJECTED);
    struct batch *batch = launch_in_time(&scene);
    assert_non_null(strstr(batch->key, "/0"));
    answer(&scene, batch, VERDICT_SENT, -1);
    expect_answer(&scene, 1, VERDICT_REJECTED);
    batch = launch_in_time(&scene);
    assert_non_null(strstr(batch->key, "/1"));
    answer(&scene, batch, VERDICT_SENT, -1);
    assert_int_equal(rig_flow(&scene.rig, FLOW_refuse), 1);
    close_scene(&scene);
}

static void an_endpoint_that_refuses_everything_from_the_start_gets_nothing_dropped(void **unused)
{
    (void)unused;
    struct scene scene;
    open_scene(&scene, &defaults);
    put(&scene, 64);
    for (int requests = 0; requests < 200; requests++) {
        struct batch *batch = delivery_take_split(scene.delivery);
        if (batch != NULL)
            give_halves(&scene, batch);
        answer(&scene, launch_in_time(&scene), VERDICT_REJECTED, -1);
    }
    assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_breaker_state), 2);
    assert_int_equal(rig_stock(&scene.rig, ACCOUNT_ready), 64);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_event_is_counted_once_it_is_buried_and_not_before),
        cmocka_unit_test(one_refused_event_is_out_at_a_time_in_the_order_of_the_answers),
        cmocka_unit_test(refused_events_that_wait_are_no_requests_and_hold_up_nothing),
        cmocka_unit_test(what_was_not_buried_at_the_end_is_refused_or_read_again_and_counted),
        cmocka_unit_test(what_is_buried_by_one_who_was_left_behind_ends_as_refused),
        cmocka_unit_test(what_waits_to_be_cut_grows_too_old_like_others),
        cmocka_unit_test(a_poisoned_event_that_comes_first_is_told_from_a_wrong_endpoint_by_halves),
        cmocka_unit_test(a_poisoned_event_alone_at_the_head_does_not_hold_the_others_for_ever),
        cmocka_unit_test(what_went_past_the_head_is_cut_behind_it),
        cmocka_unit_test(an_endpoint_that_refuses_everything_from_the_start_gets_nothing_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
