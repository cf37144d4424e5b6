/* SPDX-License-Identifier: Apache-2.0 */
/* The delivery where less than one request at a time is allowed, and many of them at once. */
#include "delivery/delivery.h"

#include "delivery/scene.h"

static struct delivery_config paced(void)
{
    struct delivery_config config = defaults;

    config.concurrency_min = 0;
    config.retry_base_ms = config.retry_cap_ms = 1; /* only the gap counts */
    return config;
}

static uint64_t shown_limit(const struct scene *scene)
{
    return numbers_get(scene->rig.numbers, NUMBER_concurrency_limit);
}

static void after_bad_answers_every_request_waits_for_a_gap_not_only_the_retries(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = paced();
    open_scene(&scene, &config);
    put(&scene, 1);
    assert_int_equal(shown_limit(&scene), 1000);
    for (int i = 0; i < 3; i++) {
        int64_t began_ms = scene.now_ms;
        answer(&scene, launch(&scene), VERDICT_BUSY, -1);
        put(&scene, 1); /* never tried */
        assert_int_equal(shown_limit(&scene), 500 >> i);
        scene.now_ms += 2; /* the backoff is over */
        int64_t until_ms = expect_wait(&scene);
        assert_in_range(until_ms - began_ms, 100 << i, 300 << i);
        scene.now_ms = until_ms - 1;
        assert_int_equal(expect_wait(&scene), until_ms);
        scene.now_ms = until_ms;
    }
    (void)launch(&scene);
    assert_int_equal(expect_wait(&scene), 0); /* one at a time */
    close_scene(&scene);
}

static void with_a_floor_of_one_there_are_no_gaps(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = paced();
    config.concurrency_min = 1;
    open_scene(&scene, &config);
    put(&scene, 1);
    for (int i = 0; i < 4; i++) {
        answer(&scene, launch(&scene), VERDICT_BUSY, -1);
        assert_int_equal(shown_limit(&scene), 1000);
        scene.now_ms += 1;
    }
    close_scene(&scene);
}

static void a_drain_does_not_wait_for_a_gap(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = paced();
    open_scene(&scene, &config);
    put(&scene, 1);
    for (int i = 0; i < 8; i++) {
        answer(&scene, launch(&scene), VERDICT_BUSY, -1);
        scene.now_ms += 2;
        scene.now_ms = expect_wait(&scene);
    }
    put(&scene, 1);
    answer(&scene, launch(&scene), VERDICT_SENT, -1);
    assert_true(expect_wait(&scene) > scene.now_ms + 2000);
    delivery_drain(scene.delivery, scene.now_ms);
    answer(&scene, launch(&scene), VERDICT_SENT, -1);
    close_scene(&scene);
}

/* As in design 3.5: the budget bounds retries; the gap bounds all. With the endpoint well again
 * every batch still leaves. */
static void what_waits_behind_gaps_leaves_in_the_end_and_faster_and_faster(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = paced();
    open_scene(&scene, &config);
    put(&scene, 1);
    for (int i = 0; i < 8; i++) {
        answer(&scene, launch(&scene), VERDICT_BUSY, -1);
        scene.now_ms += 2;
        scene.now_ms = expect_wait(&scene);
    }
    int64_t since_ms = scene.now_ms;
    uint64_t before = shown_limit(&scene), sent = 0;
    for (int i = 0; i < 1000 && shown_limit(&scene) < 1000; i++) {
        put(&scene, 1);
        answer(&scene, launch(&scene), VERDICT_SENT, -1);
        sent++;
        put(&scene, 1);
        struct step step = next(&scene);
        if (step.kind == STEP_SEND)
            answer(&scene, step.batch, VERDICT_SENT, -1);
        else
            scene.now_ms = step.until_ms;
        assert_true(shown_limit(&scene) >= before);
        before = shown_limit(&scene);
    }
    assert_true(shown_limit(&scene) >= 1000);
    assert_in_range(sent, 20, 90);
    assert_in_range(scene.now_ms - since_ms, 30000, 300000);
    close_scene(&scene);
}

/* ---- a crowd ---- */

enum { CROWD = 1000, ATTEMPTS = 5, BINS = CROWD / 20 };

/* Fails at time 0, and at each attempt after it, whose times are returned. */
static void fail_all_the_time(struct rig *rig, uint64_t seed, int64_t ret_ms[ATTEMPTS])
{
    struct answer_summary failure = { .verdict = VERDICT_RETRY, .retry_after_ms = -1 };
    struct delivery_config config = defaults;
    int64_t now_ms = 0;

    config.concurrency_min = 0;
    config.seed = seed;
    struct delivery *delivery = delivery_new(&config, rig->numbers);
    struct batch *batch = rig_batch(rig, 1);
    assert_non_null(delivery);
    delivery_put(delivery, &batch, now_ms);
    for (int attempt = -1; attempt < ATTEMPTS;) {
        struct step step = delivery_next(delivery, now_ms, now_ms);
        if (step.kind == STEP_WAIT) {
            now_ms = step.until_ms;
            continue;
        }
        if (attempt >= 0)
            ret_ms[attempt] = now_ms;
        attempt++;
        delivery_answer(delivery, step.batch, &failure, now_ms);
    }
    delivery_abandon(delivery);
    delivery_free(&delivery);
}

static unsigned fullest_bin(const int64_t *at_ms)
{
    unsigned bins[BINS] = { 0 }, most = 0;
    int64_t first_ms = INT64_MAX, last_ms = 0;

    for (int i = 0; i < CROWD; i++) {
        first_ms = at_ms[i] < first_ms ? at_ms[i] : first_ms;
        last_ms = at_ms[i] > last_ms ? at_ms[i] : last_ms;
    }
    for (int i = 0; i < CROWD; i++) {
        unsigned *bin = &bins[(at_ms[i] - first_ms) * BINS / (last_ms - first_ms + 1)];
        if (++*bin > most)
            most = *bin;
    }
    return most;
}

static void a_thousand_agents_that_fail_at_the_same_instant_do_not_come_back_together(void **unused)
{
    (void)unused;
    static int64_t at_ms[ATTEMPTS][CROWD];
    struct rig rig;
    rig_open(&rig);
    for (uint64_t seed = 1; seed <= 10; seed++) {
        for (int i = 0; i < CROWD; i++) {
            int64_t own_ms[ATTEMPTS];
            fail_all_the_time(&rig, seed * CROWD + (uint64_t)i, own_ms);
            for (int attempt = 0; attempt < ATTEMPTS; attempt++)
                at_ms[attempt][i] = own_ms[attempt];
        }
        unsigned first = fullest_bin(at_ms[0]), fifth = fullest_bin(at_ms[ATTEMPTS - 1]);
        print_message("seed %llu: 20 on the mean, at most %u in a bin of the first attempt and %u "
                      "of the fifth\n",
                      (unsigned long long)seed, first, fifth);
        assert_in_range(first, 20, 60);
        assert_in_range(fifth, 20, 60);
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_bad_answers_every_request_waits_for_a_gap_not_only_the_retries),
        cmocka_unit_test(with_a_floor_of_one_there_are_no_gaps),
        cmocka_unit_test(a_drain_does_not_wait_for_a_gap),
        cmocka_unit_test(what_waits_behind_gaps_leaves_in_the_end_and_faster_and_faster),
        cmocka_unit_test(a_thousand_agents_that_fail_at_the_same_instant_do_not_come_back_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
