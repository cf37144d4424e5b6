/* SPDX-License-Identifier: Apache-2.0 */
/* What a real sender wakes the workers of its output for. They look again by themselves only after
 * ten seconds, so a wake that is left out costs time, and nothing else shows it. */
#include "delivery/sender.h"

#include "base/log.h"
#include "delivery/stage.h"

#include <curl/curl.h>
#include <signal.h>

static const char TOO_LARGE[] = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
static const char NO[] = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n";

static void fill_request(void *state, struct http_request *ret)
{
    const struct stage *stage = state;

    *ret = (struct http_request){
        .url = stage->url, .method = "POST", .verify = true, .timeout_ms = PATIENCE_MS
    };
}

static const struct output http_plugin = { .request = fill_request };

static uint32_t await_bumps(struct stage *stage, uint32_t least)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    uint32_t seen;

    while ((seen = wake_read(&stage->workers)) < least) {
        if (clock_now_ms() >= until_ms)
            fail_msg("workers were woken %u times, not %u", seen, least);
        wake_wait(&stage->workers, seen, 10);
    }
    return seen;
}

static void open_stage(struct stage *stage, const struct reply *script, unsigned lines,
                       const struct delivery_config *delivery)
{
    memset(stage, 0, sizeof(*stage));
    rig_open(&stage->rig);
    server_start(&stage->server, script, lines);
    (void)snprintf(stage->url, sizeof(stage->url), "http://127.0.0.1:%d/in", stage->server.port);
    start_sender_with(stage, &http_plugin, delivery);
    assert_int_equal(await_bumps(stage, 1), 1); /* at the start: they may go on */
}

static void for_a_batch_that_left_and_for_its_answer(void **unused)
{
    (void)unused;
    const struct reply script[] = { { TOO_LARGE, AFTER_KEEP } };
    struct stage stage;
    open_stage(&stage, script, 1, &stage_delivery);
    put(&stage, "one\ntwo\n", 2);
    (void)await_bumps(&stage, 3); /* to be cut: it is not sent again before */
    assert_int_equal(server_requests(&stage.server), 1);
    close_stage(&stage);
}

static void for_memory_that_is_free_because_a_batch_was_too_old(void **unused)
{
    (void)unused;
    const struct reply script[] = { { "", AFTER_HANG } };
    struct stage stage;
    struct delivery_config config = stage_delivery;
    config.max_age_ms = PATIENCE_MS;
    open_stage(&stage, script, 1, &config);
    put_aged(&stage, "one\n", 1, clock_boot_ms());
    uint32_t bumps = await_bumps(&stage, 2);
    put_aged(&stage, "two\n", 2, clock_boot_ms() - PATIENCE_MS + 1);
    (void)await_bumps(&stage, bumps + 1);
    assert_int_equal(rig_flow(&stage.rig, FLOW_expire), 2);
    close_stage(&stage);
}

/* The last word read before they were wanted again; 0: they were never unwanted. */
static uint32_t await_wanted(struct stage *stage)
{
    uint32_t unwanted = 0;

    for (;;) {
        uint32_t seen = wake_read(&stage->workers);
        if (sender_wants_batches(stage->sender))
            return unwanted;
        unwanted = seen;
        wake_wait(&stage->workers, seen, 10);
    }
}

/* The endpoint is away, and what it did not take was too old: only a new batch can be the probe. */
static void for_a_rest_that_is_over_where_nothing_is_left_to_probe_with(void **unused)
{
    (void)unused;
    enum { AGE_MS = 200, REST_MS = 1000 };
    const struct reply script[] = { { NO, AFTER_KEEP } };
    struct stage stage;
    struct delivery_config config = stage_delivery;
    config.max_age_ms = 1000 * PATIENCE_MS;
    config.breaker_rest_ms = config.breaker_rest_max_ms = REST_MS;
    open_stage(&stage, script, 1, &config);
    uint32_t unwanted = 0;
    while (unwanted == 0) { /* on a slow machine the request, or the look at it, takes too long */
        put_aged(&stage, "one\n", 1, clock_boot_ms() - config.max_age_ms + AGE_MS);
        wait_until_empty(&stage);
        unwanted = await_wanted(&stage);
    }
    (void)await_bumps(&stage, unwanted + 1);
    assert_int_equal(rig_flow(&stage.rig, FLOW_deliver), 0);
    close_stage(&stage);
}

static void for_another_size_of_their_memory(void **unused)
{
    (void)unused;
    const struct reply script[] = { { "", AFTER_HANG } };
    struct stage stage;
    struct permit permit, more;
    open_stage(&stage, script, 1, &stage_delivery);
    assert_true(sender_reserve(stage.sender, 0, stage_delivery.memory_bytes, &permit));
    assert_false(sender_reserve(stage.sender, 0, 1, &more));
    uint32_t before = wake_read(&stage.workers);
    sender_set_memory(stage.sender, stage_delivery.memory_bytes + 1);
    assert_true(wake_read(&stage.workers) > before);
    assert_true(sender_reserve(stage.sender, 0, 1, &more));
    sender_unreserve(stage.sender, &more);
    sender_unreserve(stage.sender, &permit);
    close_stage(&stage);
}

/* Beside the wakes: what workers bring has memory, halves as well. */
static void halves_of_a_batch_hold_the_memory_they_need(void **unused)
{
    (void)unused;
    const struct reply script[] = { { TOO_LARGE, AFTER_KEEP }, { "", AFTER_HANG } };
    struct stage stage;
    struct batch *parent, *halves[2];
    open_stage(&stage, script, 2, &stage_delivery);
    put(&stage, "one\ntwo\n", 2);
    (void)await_bumps(&stage, 3);
    parent = sender_take_split(stage.sender);
    assert_non_null(parent);
    rig_cut(parent, halves);
    size_t bytes = halves[0]->body_bytes + halves[1]->body_bytes;
    sender_put_halves(stage.sender, &parent, halves);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_sealed_memory_bytes), bytes);
    close_stage(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(for_a_batch_that_left_and_for_its_answer),
        cmocka_unit_test(for_memory_that_is_free_because_a_batch_was_too_old),
        cmocka_unit_test(for_a_rest_that_is_over_where_nothing_is_left_to_probe_with),
        cmocka_unit_test(for_another_size_of_their_memory),
        cmocka_unit_test(halves_of_a_batch_hold_the_memory_they_need),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    log_set_level(LOG_ERROR);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
