/* SPDX-License-Identifier: Apache-2.0 */
/* A connection that was used before and dies before a byte of the answer came is nobody's fault,
 * and the request is repeated at once. Any other end is a failure, and has its backoff: here an
 * hour. */
#include "delivery/sender.h"

#include "base/log.h"
#include "delivery/stage.h"

#include <curl/curl.h>
#include <signal.h>

enum { LARGE_BYTES = 8 << 20 }; /* more than sockets take in */

static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void fill_request(void *state, struct http_request *ret)
{
    const struct stage *stage = state;

    *ret = (struct http_request){
        .url = stage->url, .method = "POST", .verify = true, .timeout_ms = PATIENCE_MS
    };
}

static const struct output http_plugin = { .request = fill_request };

static void open_stage(struct stage *stage, const struct reply *script, unsigned lines)
{
    struct delivery_config config = stage_delivery;

    config.retry_base_ms = config.retry_cap_ms = 3600000;
    memset(stage, 0, sizeof(*stage));
    rig_open(&stage->rig);
    server_start(&stage->server, script, lines);
    (void)snprintf(stage->url, sizeof(stage->url), "http://127.0.0.1:%d/in", stage->server.port);
    start_sender_with(stage, &http_plugin, &config);
}

/* The sender bumps the word at its start, for each request and for each answer, and after an answer
 * only when it has looked what to send next. */
static void await_bumps(struct stage *stage, uint32_t least)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;

    for (uint32_t seen; (seen = wake_read(&stage->workers)) < least;) {
        assert_true(clock_now_ms() < until_ms);
        wake_wait(&stage->workers, seen, 10);
    }
}

static void put_large(struct stage *stage)
{
    char *body = malloc(LARGE_BYTES + 1);

    assert_non_null(body);
    memset(body, 'x', LARGE_BYTES);
    body[LARGE_BYTES] = '\0';
    put(stage, body, 2);
    free(body);
}

static void a_connection_that_was_there_and_is_reset_under_a_request_costs_no_backoff(void **unused)
{
    (void)unused;
    const struct reply script[] = { { OK, AFTER_KEEP }, { "", AFTER_RESET }, { OK, AFTER_KEEP } };
    struct stage stage;
    open_stage(&stage, script, 3);
    put(&stage, "one\n", 1);
    wait_until_empty(&stage);
    put_large(&stage);
    wait_until_empty(&stage);
    assert_int_equal(rig_flow(&stage.rig, FLOW_deliver), 3);
    assert_int_equal(server_requests(&stage.server), 3);
    close_stage(&stage);
}

static void expect_backoff(const struct reply *script, unsigned lines, uint64_t requests)
{
    struct stage stage;
    open_stage(&stage, script, lines);
    await_bumps(&stage, 1);
    for (uint64_t i = 0; i < requests; i++) {
        put(&stage, "one\n", 1);
        await_bumps(&stage, 1 + 2 * ((uint32_t)i + 1));
    }
    assert_int_equal(server_requests(&stage.server), requests);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_retries), 0);
    assert_int_equal(rig_stock(&stage.rig, ACCOUNT_ready), 1);
    sender_drain(stage.sender);
    wait_until_empty(&stage);
    assert_int_equal(rig_flow(&stage.rig, FLOW_deliver), requests);
    close_stage(&stage);
}

static void a_new_connection_that_dies_is_a_failure(void **unused)
{
    (void)unused;
    const struct reply closed[] = { { "", AFTER_CLOSE }, { OK, AFTER_KEEP } };
    const struct reply reset[] = { { "", AFTER_RESET }, { OK, AFTER_KEEP } };
    expect_backoff(closed, 2, 1);
    expect_backoff(reset, 2, 1);
}

static void an_answer_that_had_begun_is_a_failure(void **unused)
{
    (void)unused;
    const struct reply script[] = { { OK, AFTER_KEEP },
                                    { "HTTP/1.1 200 OK\r\nContent-Le", AFTER_RESET },
                                    { OK, AFTER_KEEP } };
    expect_backoff(script, 3, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_that_was_there_and_is_reset_under_a_request_costs_no_backoff),
        cmocka_unit_test(a_new_connection_that_dies_is_a_failure),
        cmocka_unit_test(an_answer_that_had_begun_is_a_failure),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    log_set_level(LOG_ERROR);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
