/* SPDX-License-Identifier: Apache-2.0 */
/* What answers do to the number of requests that may be in flight. */
#include "delivery/delivery.h"

#include "delivery/scene.h"

enum { ONE = 1000 }; /* the gauge has thousandths */

static uint64_t shown_limit(const struct scene *scene)
{
    return numbers_get(scene->rig.numbers, NUMBER_concurrency_limit);
}

static struct delivery_config wide(void)
{
    struct delivery_config config = defaults;

    config.concurrency_max = 64;
    config.breaker_failures = 1000;
    return config;
}

/* All that are allowed start. Returns the first. */
static struct batch *fill(struct scene *scene)
{
    unsigned count = (unsigned)(shown_limit(scene) / ONE);
    struct batch *first = NULL;

    for (unsigned i = 0; i < count; i++) {
        put(scene, 1);
        struct batch *batch = launch(scene);
        first = first == NULL ? batch : first;
    }
    put(scene, 1);
    (void)expect_wait(scene);
    return first;
}

static void each_answer_raises_halves_or_leaves_the_limit(void **unused)
{
    (void)unused;
    static const struct {
        enum verdict verdict;
        unsigned limit; /* of four, in use */
    } rows[] = {
        { VERDICT_SENT, 16 }, { VERDICT_TOO_LARGE, 16 }, { VERDICT_REJECTED, 16 },
        { VERDICT_BUSY, 2 },  { VERDICT_RETRY, 2 },      { VERDICT_HOLD, 4 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene scene;
        struct delivery_config config = wide();
        open_scene(&scene, &config);
        deliver_one(&scene);
        assert_int_equal(shown_limit(&scene), 4 * ONE);
        answer(&scene, fill(&scene), rows[i].verdict, -1);
        if (shown_limit(&scene) != rows[i].limit * ONE)
            fail_msg("verdict %d: %d thousandths", (int)rows[i].verdict, (int)shown_limit(&scene));
        assert_int_equal(numbers_get(scene.rig.numbers, NUMBER_concurrency_max), 64);
        close_scene(&scene);
    }
}

/* Slow restart: from one, and by one a round. */
static void when_the_breaker_closes_the_limit_begins_again_at_the_least(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = wide();
    open_scene(&scene, &config);
    deliver_one(&scene);
    answer(&scene, fill(&scene), VERDICT_SENT, -1);
    assert_int_equal(shown_limit(&scene), 16 * ONE);
    while (numbers_get(scene.rig.numbers, NUMBER_breaker_state) == 0)
        answer(&scene, launch(&scene), VERDICT_HOLD, -1);
    assert_int_equal(shown_limit(&scene), 16 * ONE);
    scene.now_ms = expect_wait(&scene);
    struct batch *probe = launch(&scene);
    assert_int_equal(expect_wait(&scene), 0); /* the one probe */
    answer(&scene, probe, VERDICT_SENT, -1);
    assert_int_equal(shown_limit(&scene), ONE);
    delivery_take_back(scene.delivery, scene.now_ms); /* those from before say nothing */
    for (unsigned limit = 1; limit < 4; limit++) {
        put(&scene, 1);
        struct batch *batches[4];
        for (unsigned i = 0; i < limit; i++) {
            put(&scene, 1);
            batches[i] = launch(&scene);
        }
        assert_int_equal(expect_wait(&scene), 0);
        for (unsigned i = 0; i < limit; i++)
            answer(&scene, batches[i], VERDICT_SENT, -1);
        assert_int_equal(shown_limit(&scene), (limit + 1) * ONE);
    }
    close_scene(&scene);
}

static void answer_after(struct scene *scene, enum verdict verdict, int64_t took_ms, bool opened)
{
    struct answer_summary summary = { .verdict = (int)verdict,
                                      .retry_after_ms = -1,
                                      .took_ms = took_ms,
                                      .opened_connection = opened };

    put(scene, 1);
    delivery_answer(scene->delivery, launch(scene), &summary, scene->now_ms);
}

static void latency_is_learnt_from_what_was_taken_over_a_connection_that_was_there(void **unused)
{
    (void)unused;
    struct scene scene;
    struct delivery_config config = defaults;
    config.concurrency_min = 0; /* halves at one, too */
    config.concurrency_max = 1;
    open_scene(&scene, &config);
    for (int i = 0; i < 6; i++)
        answer_after(&scene, VERDICT_SENT, 10, false);
    for (int i = 0; i < 6; i++)
        answer_after(&scene, VERDICT_SENT, 5000, true);
    for (int i = 0; i < 6; i++)
        answer_after(&scene, VERDICT_REJECTED, 5000, false);
    assert_int_equal(shown_limit(&scene), ONE);
    for (int i = 0; i < 3; i++)
        answer_after(&scene, VERDICT_SENT, 5000, false);
    assert_int_equal(shown_limit(&scene), ONE / 2);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_raises_halves_or_leaves_the_limit),
        cmocka_unit_test(when_the_breaker_closes_the_limit_begins_again_at_the_least),
        cmocka_unit_test(latency_is_learnt_from_what_was_taken_over_a_connection_that_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
