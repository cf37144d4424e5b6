/* SPDX-License-Identifier: Apache-2.0 */
/* A real sender that writes into a pipe. */
#include "delivery/stream_writer.h"

#include "base/log.h"
#include "delivery/stage.h"

#include <fcntl.h>
#include <signal.h>

static int get_descriptor(void *state)
{
    const struct stage *stage = state;

    return stage->fds[1];
}

static const struct output pipe_plugin = { .descriptor = get_descriptor };

static void open_pipe(struct stage *stage)
{
    memset(stage, 0, sizeof(*stage));
    rig_open(&stage->rig);
    assert_int_equal(pipe2(stage->fds, O_CLOEXEC), 0);
    start_sender(stage, &pipe_plugin);
}

enum { LARGE_BYTES = 300000 }; /* more than a pipe holds */

static char large_byte(char letter, int at)
{
    return (char)(letter + at / 1000 % 26);
}

static void put_large(struct stage *stage, char letter)
{
    char *body = malloc(LARGE_BYTES + 1);

    assert_non_null(body);
    for (int i = 0; i < LARGE_BYTES; i++)
        body[i] = large_byte(letter, i);
    body[LARGE_BYTES] = '\0';
    put(stage, body, 1);
    free(body);
}

static void a_pipe_gets_whole_batches_one_after_the_other(void **unused)
{
    (void)unused;
    struct stage stage;
    char some[1000];
    open_pipe(&stage);
    put_large(&stage, 'a');
    put_large(&stage, 'A');
    for (size_t at = 0; at < 2 * LARGE_BYTES;) {
        ssize_t got = read(stage.fds[0], some, sizeof(some));
        assert_true(got > 0);
        for (ssize_t i = 0; i < got; i++, at++)
            assert_int_equal(some[i],
                             large_byte(at < LARGE_BYTES ? 'a' : 'A', (int)at % LARGE_BYTES));
    }
    wait_until_empty(&stage);
    assert_int_equal(rig_flow(&stage.rig, FLOW_deliver), 2);
    close_stage(&stage);
    (void)close(stage.fds[0]);
    (void)close(stage.fds[1]);
}

static void a_reader_that_is_gone_is_an_outage_and_the_data_is_held(void **unused)
{
    (void)unused;
    struct stage stage;
    open_pipe(&stage);
    (void)close(stage.fds[0]);
    put(&stage, "one\n", 1);
    wait_for(&stage, NUMBER_breaker_opens, 1);
    assert_false(sender_wants_batches(stage.sender));
    assert_int_equal(rig_flow(&stage.rig, FLOW_return), 1);
    close_stage(&stage);
    (void)close(stage.fds[1]);
}

/* The pipe is full, so that not a byte of the batch is written: it can be tried again. */
static void a_reader_that_does_not_read_ends_in_a_timeout_at_the_deadline(void **unused)
{
    (void)unused;
    enum { LONG_MS = 20000 }; /* without a deadline it would be half a minute */
    struct stage stage;
    char some[1000] = "";
    int64_t began_ms = clock_now_ms();
    struct delivery_config config = stage_delivery;
    config.max_age_ms = PATIENCE_MS;
    memset(&stage, 0, sizeof(stage));
    rig_open(&stage.rig);
    assert_int_equal(pipe2(stage.fds, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(stage.fds[1], some, sizeof(some)) > 0)
        continue;
    while (write(stage.fds[1], some, 1) > 0)
        continue;
    start_sender_with(&stage, &pipe_plugin, &config);
    put_aged(&stage, "one\n", 1, clock_boot_ms() - PATIENCE_MS + 300); /* that is what is left */
    wait_until_empty(&stage);
    assert_int_equal(rig_flow(&stage.rig, FLOW_expire), 1);
    assert_true(clock_now_ms() - began_ms < LONG_MS);
    assert_int_equal(rig_flow(&stage.rig, FLOW_return),
                     numbers_get(stage.rig.numbers, NUMBER_failures));
    close_stage(&stage);
    (void)close(stage.fds[0]);
    (void)close(stage.fds[1]);
}

static void a_stop_does_not_wait_for_a_reader_that_does_not_read(void **unused)
{
    (void)unused;
    struct stage stage;
    open_pipe(&stage);
    put_large(&stage, 'a');
    wait_for(&stage, NUMBER_requests_in_flight, 1);
    close_stage(&stage);
    (void)close(stage.fds[0]);
    (void)close(stage.fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_gets_whole_batches_one_after_the_other),
        cmocka_unit_test(a_reader_that_is_gone_is_an_outage_and_the_data_is_held),
        cmocka_unit_test(a_reader_that_does_not_read_ends_in_a_timeout_at_the_deadline),
        cmocka_unit_test(a_stop_does_not_wait_for_a_reader_that_does_not_read),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
