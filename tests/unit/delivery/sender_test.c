/* SPDX-License-Identifier: Apache-2.0 */
/* A real sender against a scripted endpoint on loopback. */
#include "delivery/sender.h"

#include "base/log.h"
#include "delivery/stage.h"

#include <curl/curl.h>
#include <signal.h>

static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static const char DOWN[] = "HTTP/1.1 503 Down\r\nContent-Length: 4\r\n\r\ndown";

static void fill_request(void *state, struct http_request *ret)
{
    const struct stage *stage = state;

    *ret = (struct http_request){ .url = stage->url,
                                  .method = "PUT",
                                  .headers = { { "X-Scope", "mine" }, { "X-Empty", "" } },
                                  .header_count = 2,
                                  .user = "me",
                                  .password = "secret",
                                  .verify = true,
                                  .connect_timeout_ms = 1000,
                                  .timeout_ms = stage->timeout_ms };
}

static const struct output http_plugin = { .request = fill_request };

static void open_stage(struct stage *stage, const struct reply *script, unsigned lines)
{
    memset(stage, 0, sizeof(*stage));
    rig_open(&stage->rig);
    server_start(&stage->server, script, lines);
    (void)snprintf(stage->url, sizeof(stage->url), "http://127.0.0.1:%d/in", stage->server.port);
    stage->timeout_ms = PATIENCE_MS;
}

static void expect_delivered_after_one_failure(const char *text, enum after after,
                                               int64_t timeout_ms)
{
    const struct reply script[] = { { text, after }, { OK, AFTER_KEEP } };
    struct stage stage;

    open_stage(&stage, script, 2);
    stage.timeout_ms = timeout_ms;
    start_sender(&stage, &http_plugin);
    put(&stage, "one\n", 3);
    wait_until_empty(&stage);
    assert_int_equal(rig_flow(&stage.rig, FLOW_deliver), 3);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_failures), 1);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_retries), 1);
    assert_int_equal(server_requests(&stage.server), 2);
    close_stage(&stage);
}

static void an_endpoint_that_hangs_ends_in_a_timeout(void **unused)
{
    (void)unused;
    expect_delivered_after_one_failure("", AFTER_HANG, 200);
    expect_delivered_after_one_failure("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
                                       AFTER_HANG, 200);
}

static void a_reset_in_the_middle_of_an_answer_is_no_answer(void **unused)
{
    (void)unused;
    expect_delivered_after_one_failure("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
                                       AFTER_RESET, PATIENCE_MS);
    expect_delivered_after_one_failure("HTTP/1.1 200 OK\r\nContent-Le", AFTER_CLOSE, PATIENCE_MS);
}

static void garbage_instead_of_http_is_no_answer(void **unused)
{
    (void)unused;
    expect_delivered_after_one_failure("220 mail.example.com ESMTP\r\n", AFTER_CLOSE, PATIENCE_MS);
    expect_delivered_after_one_failure("HTTP/1.1 banana\r\n\r\n", AFTER_CLOSE, PATIENCE_MS);
    expect_delivered_after_one_failure("\x16\x03\x01\xff\xff", AFTER_CLOSE, PATIENCE_MS);
}

static void headers_without_end_are_cut_off_and_are_no_answer(void **unused)
{
    (void)unused;
    static const char begin[] = "HTTP/1.1 200 OK\r\n", line[] = "X-Filler: aaaaaaaaaaaaaaaaaaa\r\n";
    static const char end[] = "Content-Length: 0\r\n\r\n";
    char text[80000] = "";
    size_t bytes = sizeof(begin) - 1;
    memcpy(text, begin, bytes);
    for (; bytes < 70000; bytes += sizeof(line) - 1)
        memcpy(text + bytes, line, sizeof(line) - 1);
    memcpy(text + bytes, end, sizeof(end));
    expect_delivered_after_one_failure(text, AFTER_HANG, PATIENCE_MS); /* many, with an end */
    expect_delivered_after_one_failure(line, AFTER_REPEAT, PATIENCE_MS);
    expect_delivered_after_one_failure(begin, AFTER_REPEAT, PATIENCE_MS);
}

static void an_unavailable_endpoint_is_tried_again(void **unused)
{
    (void)unused;
    expect_delivered_after_one_failure(DOWN, AFTER_KEEP, PATIENCE_MS);
}

static void an_answer_in_chunks_with_a_trailer_after_an_interim_one_is_whole(void **unused)
{
    (void)unused;
    const struct reply script[] = { { "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
                                      "HTTP/1.1 202 Ok\r\nTransfer-Encoding: chunked\r\n"
                                      "Trailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
                                      AFTER_KEEP } };
    struct stage stage;
    open_stage(&stage, script, 1);
    start_sender(&stage, &http_plugin);
    put(&stage, "one\n", 1);
    wait_until_empty(&stage);
    assert_int_equal(rig_flow(&stage.rig, FLOW_deliver), 1);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_failures), 0);
    close_stage(&stage);
}

static void an_endless_body_is_cut_off_and_judged_by_its_status(void **unused)
{
    (void)unused;
    const struct reply script[] = { { "HTTP/1.1 200 OK\r\n\r\n0123456789abcdef", AFTER_REPEAT },
                                    { OK, AFTER_KEEP } };
    struct stage stage;
    open_stage(&stage, script, 2);
    start_sender(&stage, &http_plugin);
    put(&stage, "one\n", 1);
    wait_until_empty(&stage);
    put(&stage, "two\n", 1);
    wait_until_empty(&stage);
    assert_int_equal(rig_flow(&stage.rig, FLOW_deliver), 2);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_attempts), 2);
    close_stage(&stage);
}

static void a_request_says_who_sends_what_and_a_retry_says_the_same(void **unused)
{
    (void)unused;
    const struct reply script[] = { { DOWN, AFTER_KEEP }, { OK, AFTER_KEEP } };
    static const char *const wanted[][2] = { { "Idempotency-Key", "agent-start-1" },
                                             { "Spillway-Agent", "agent" },
                                             { "Spillway-Sequence", "1" },
                                             { "Spillway-Events", "3" },
                                             { "User-Agent", "spillway/" SPILLWAY_VERSION },
                                             { "Content-Type", "application/x-ndjson" },
                                             { "Content-Encoding", "gzip" },
                                             { "Content-Length", "4" },
                                             { "X-Scope", "mine" },
                                             { "Authorization", "Basic bWU6c2VjcmV0" },
                                             { "Expect", "" } };
    struct stage stage;
    open_stage(&stage, script, 2);
    start_sender(&stage, &http_plugin);
    put(&stage, "one\n", 3);
    wait_until_empty(&stage);
    assert_true(sender_begin_stop(stage.sender, INT64_MAX, clock_now_ms() + STOP_MS));
    assert_true(sender_end_stop(stage.sender, INT64_MAX));
    sender_free(&stage.sender);
    server_stop(&stage.server);
    for (unsigned request = 0; request < 2; request++) {
        assert_memory_equal(stage.server.requests[request], "PUT /in HTTP/1.1\r\n", 18);
        assert_non_null(strstr(stage.server.requests[request], "\r\n\r\none\n"));
        assert_non_null(strcasestr(stage.server.requests[request], "\r\nX-Empty:"));
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
            assert_string_equal(server_header(&stage.server, request, wanted[i][0]), wanted[i][1]);
    }
    rig_close(&stage.rig);
}

static void batches_follow_each_other_on_one_connection(void **unused)
{
    (void)unused;
    const struct reply script[] = { { OK, AFTER_KEEP } };
    struct stage stage;
    open_stage(&stage, script, 1);
    start_sender(&stage, &http_plugin);
    for (int i = 0; i < 20; i++)
        put(&stage, "one\n", 1);
    wait_until_empty(&stage);
    wait_for(&stage, NUMBER_connections, 1);
    assert_int_equal(rig_flow(&stage.rig, FLOW_deliver), 20);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_connections), 1);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_sent_bytes), 80);
    close_stage(&stage);
}

static void a_connection_that_the_endpoint_closed_meanwhile_costs_nothing(void **unused)
{
    (void)unused;
    const struct reply script[] = { { OK, AFTER_CLOSE } };
    struct stage stage;
    open_stage(&stage, script, 1);
    start_sender(&stage, &http_plugin);
    for (int i = 0; i < 10; i++) {
        put(&stage, "one\n", 1);
        wait_until_empty(&stage);
    }
    assert_int_equal(rig_flow(&stage.rig, FLOW_deliver), 10);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_breaker_opens), 0);
    close_stage(&stage);
}

static void a_batch_too_large_is_offered_to_a_worker_and_its_halves_are_sent(void **unused)
{
    (void)unused;
    const struct reply script[] = {
        { "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", AFTER_KEEP }, { OK, AFTER_KEEP }
    };
    struct stage stage;
    struct batch *parent, *halves[2];
    open_stage(&stage, script, 2);
    start_sender(&stage, &http_plugin);
    put(&stage, "one\ntwo\n", 2);
    wait_for(&stage, NUMBER_failures, 1);
    while ((parent = sender_take_split(stage.sender)) == NULL)
        wake_wait(&stage.workers, wake_read(&stage.workers), 10);
    rig_cut(parent, halves);
    sender_put_halves(stage.sender, &parent, halves);
    wait_until_empty(&stage);
    assert_int_equal(rig_flow(&stage.rig, FLOW_deliver), 2);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_sealed_memory_bytes), 0);
    assert_true(sender_begin_stop(stage.sender, INT64_MAX, clock_now_ms() + STOP_MS));
    assert_true(sender_end_stop(stage.sender, INT64_MAX));
    sender_free(&stage.sender);
    server_stop(&stage.server);
    assert_string_equal(server_header(&stage.server, 1, "Idempotency-Key"), "agent-start-1/0");
    assert_string_equal(server_header(&stage.server, 2, "Idempotency-Key"), "agent-start-1/1");
    rig_close(&stage.rig);
}

static void retry_after_is_waited_for_until_a_drain(void **unused)
{
    (void)unused;
    const struct reply script[] = {
        { "HTTP/1.1 503 Busy\r\nRetry-After: 3000\r\nContent-Length: 0\r\n\r\n", AFTER_KEEP },
        { OK, AFTER_KEEP }
    };
    struct stage stage;
    open_stage(&stage, script, 2);
    start_sender(&stage, &http_plugin);
    put(&stage, "one\n", 1);
    wait_for(&stage, NUMBER_failures, 1);
    for (int i = 0; i < 3; i++)
        put(&stage, "more\n", 1); /* wakes the thread, which must not send */
    assert_false(sender_wants_batches(stage.sender));
    assert_int_equal(server_requests(&stage.server), 1);
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_breaker_state), 0);
    sender_drain(stage.sender);
    wait_until_empty(&stage);
    assert_int_equal(rig_flow(&stage.rig, FLOW_deliver), 4);
    close_stage(&stage);
}

static void a_wrong_key_opens_the_breaker_and_holds_the_data(void **unused)
{
    (void)unused;
    const struct reply script[] = { { "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", AFTER_KEEP },
                                    { OK, AFTER_KEEP } };
    struct stage stage;
    open_stage(&stage, script, 2);
    start_sender(&stage, &http_plugin);
    put(&stage, "one\n", 1);
    wait_for(&stage, NUMBER_breaker_opens, 1);
    assert_false(sender_wants_batches(stage.sender));
    sender_drain(stage.sender);
    wait_until_empty(&stage);
    assert_int_equal(rig_flow(&stage.rig, FLOW_deliver), 1);
    close_stage(&stage);
}

static void a_redirect_is_not_followed(void **unused)
{
    (void)unused;
    const struct reply script[] = {
        { "HTTP/1.1 307 Go\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", AFTER_KEEP }
    };
    struct stage stage;
    open_stage(&stage, script, 1);
    start_sender(&stage, &http_plugin);
    put(&stage, "one\n", 1);
    wait_for(&stage, NUMBER_breaker_opens, 1);
    assert_int_equal(server_requests(&stage.server), 1);
    close_stage(&stage);
}

static void a_batch_that_leaves_makes_room_for_the_next_one(void **unused)
{
    (void)unused;
    const struct reply script[] = { { "", AFTER_HANG } };
    struct stage stage;
    open_stage(&stage, script, 1);
    start_sender(&stage, &http_plugin);
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (wake_read(&stage.workers) == 0 && clock_now_ms() < until_ms)
        wake_wait(&stage.workers, 0, 10);
    uint32_t seen = wake_read(&stage.workers);
    put(&stage, "one\n", 5);
    while (wake_read(&stage.workers) == seen && clock_now_ms() < until_ms)
        wake_wait(&stage.workers, seen, 10);
    assert_true(wake_read(&stage.workers) != seen); /* there was no answer yet */
    assert_int_equal(numbers_get(stage.rig.numbers, NUMBER_requests_in_flight), 1);
    close_stage(&stage);
}

static void a_stop_breaks_off_a_request_and_gives_the_batch_back(void **unused)
{
    (void)unused;
    const struct reply script[] = { { "", AFTER_HANG } };
    struct stage stage;
    open_stage(&stage, script, 1);
    start_sender(&stage, &http_plugin);
    put(&stage, "one\n", 5);
    wait_for(&stage, NUMBER_requests_in_flight, 1);
    put(&stage, "two\n", 6);
    int64_t began_ms = clock_now_ms();
    assert_true(sender_begin_stop(stage.sender, INT64_MAX, clock_now_ms() + STOP_MS));
    assert_true(sender_end_stop(stage.sender, INT64_MAX));
    assert_true(clock_now_ms() - began_ms < PATIENCE_MS / 2);
    assert_int_equal(rig_flow(&stage.rig, FLOW_replay_in_flight), 5);
    assert_int_equal(rig_flow(&stage.rig, FLOW_replay_ready), 6);
    put(&stage, "late\n", 7); /* by a worker that was not stopped yet */
    assert_int_equal(rig_flow(&stage.rig, FLOW_replay_ready), 13);
    assert_true(sender_is_empty(stage.sender));
    sender_free(&stage.sender);
    server_stop(&stage.server);
    rig_close(&stage.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_that_hangs_ends_in_a_timeout),
        cmocka_unit_test(a_reset_in_the_middle_of_an_answer_is_no_answer),
        cmocka_unit_test(garbage_instead_of_http_is_no_answer),
        cmocka_unit_test(headers_without_end_are_cut_off_and_are_no_answer),
        cmocka_unit_test(an_unavailable_endpoint_is_tried_again),
        cmocka_unit_test(an_answer_in_chunks_with_a_trailer_after_an_interim_one_is_whole),
        cmocka_unit_test(an_endless_body_is_cut_off_and_judged_by_its_status),
        cmocka_unit_test(a_request_says_who_sends_what_and_a_retry_says_the_same),
        cmocka_unit_test(batches_follow_each_other_on_one_connection),
        cmocka_unit_test(a_connection_that_the_endpoint_closed_meanwhile_costs_nothing),
        cmocka_unit_test(a_batch_too_large_is_offered_to_a_worker_and_its_halves_are_sent),
        cmocka_unit_test(retry_after_is_waited_for_until_a_drain),
        cmocka_unit_test(a_wrong_key_opens_the_breaker_and_holds_the_data),
        cmocka_unit_test(a_redirect_is_not_followed),
        cmocka_unit_test(a_batch_that_leaves_makes_room_for_the_next_one),
        cmocka_unit_test(a_stop_breaks_off_a_request_and_gives_the_batch_back),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    log_set_level(LOG_ERROR);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
