/* SPDX-License-Identifier: Apache-2.0 */
/* The agent stops while there is a spool: what is there already stays, and keeps nobody waiting. */
#include "test.h"

#include "delivery/stand.h"

enum { BATCHES = 12, EVENTS = 4 * BATCHES };

/* On disk are batches of four events, some of them in memory as well; the endpoint answers. */
static void open_backlog(struct stand *stand, unsigned concurrency_max)
{
    struct delivery_config config = defaults;

    config.concurrency_max = concurrency_max;
    open_stand(stand, &config);
    settle(stand, (put_with(stand, 1, NULL), send_next(stand)), VERDICT_SENT);
    break_endpoint(stand);
    for (int i = 0; i < BATCHES; i++)
        put_with(stand, 4, NULL);
    (void)run_spool(stand);
    stand->now_ms += 100000;
    settle(stand, send_next(stand), VERDICT_SENT); /* the probe, from disk */
    (void)run_spool(stand);
    assert_int_equal(stock(stand, ACCOUNT_spool), EVENTS);
    assert_false(delivery_is_empty(stand->delivery));
}

static void what_is_on_disk_is_left_there_and_not_waited_for(void **unused)
{
    (void)unused;
    struct stand stand;
    open_backlog(&stand, 8);
    delivery_drain(stand.delivery, stand.now_ms);
    assert_int_equal(run_spool(&stand), 0);
    assert_int_equal(take_step(&stand).kind, STEP_WAIT);
    assert_true(delivery_is_empty(stand.delivery));
    assert_int_equal(stock(&stand, ACCOUNT_spool), EVENTS);
    close_stand(&stand);
}

static void what_comes_meanwhile_goes_behind_what_is_on_disk(void **unused)
{
    (void)unused;
    struct stand stand;
    open_backlog(&stand, 1);
    delivery_drain(stand.delivery, stand.now_ms);
    put_with(&stand, 3, NULL);
    assert_int_equal(take_step(&stand).kind, STEP_WAIT); /* older ones go first, after the stop */
    (void)run_spool(&stand);
    assert_true(delivery_is_empty(stand.delivery));
    assert_int_equal(stock(&stand, ACCOUNT_spool), EVENTS + 3);
    close_stand(&stand);
}

static void what_waits_to_be_split_is_written_too(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    settle(&stand, (put_with(&stand, 1, NULL), send_next(&stand)), VERDICT_SENT);
    put_with(&stand, 2, NULL);
    settle(&stand, send_next(&stand), VERDICT_TOO_LARGE);
    delivery_drain(stand.delivery, stand.now_ms);
    delivery_spill_all(stand.delivery, stand.now_ms);
    (void)run_spool(&stand);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 2);
    assert_true(delivery_is_empty(stand.delivery));
    close_stand(&stand);
}

/* The next job of that kind is begun, and not done. */
static void run_spool_until(struct stand *stand, enum spool_job_kind kind, struct spool_job *ret)
{
    struct spool_stamp *now = &stand->store.now;
    int64_t due_ms;

    for (;;) {
        assert_true(delivery_spool_job(stand->delivery, now, stand->now_ms, ret, &due_ms));
        if (ret->kind == kind)
            return;
        do_job(&stand->store, ret);
        delivery_spool_done(stand->delivery, ret, &stand->store.result, now, stand->now_ms);
    }
}

/* Whoever does the job does not come back: of one that is written nobody knows what is on disk. */
static void only_what_was_being_written_by_one_who_was_left_behind_stays_held(void **unused)
{
    (void)unused;
    static struct stand stand;
    struct spool_job job;
    open_stand(&stand, &defaults);
    break_endpoint(&stand); /* which has one batch */
    put_with(&stand, 2, NULL);
    put_with(&stand, 4, NULL);
    run_spool_until(&stand, SPOOL_WRITE, &job);
    uint64_t written = job.batch->events;
    delivery_drain(stand.delivery, stand.now_ms);
    delivery_spill_all(stand.delivery, stand.now_ms);
    delivery_leave_spool(stand.delivery);
    for (int times = 0; times < 2; times++) { /* workers may still be at it */
        delivery_abandon(stand.delivery);
        assert_int_equal(stock(&stand, ACCOUNT_ready), written);
    }
    assert_int_equal(flow(&stand, FLOW_replay_ready), 7 - written);
    assert_memory_equal(job.batch->body, "{\"body\"", 7);
    check_stand(&stand);
    rig_close(&stand.store.rig);
}

/* Whoever sends does not come back: what is in flight may be read by that one yet, and so goes
 * nowhere, but for the count. The rest is written. */
static void of_a_sender_that_was_left_behind_only_what_is_in_flight_is_not_written(void **unused)
{
    (void)unused;
    static struct stand stand;
    open_stand(&stand, &defaults);
    settle(&stand, (put_with(&stand, 1, NULL), send_next(&stand)), VERDICT_SENT);
    struct batch *batch = (put_with(&stand, 2, NULL), send_next(&stand));
    put_with(&stand, 3, NULL);
    delivery_drain(stand.delivery, stand.now_ms);
    delivery_leave_sending(stand.delivery);
    delivery_spill_all(stand.delivery, stand.now_ms);
    (void)run_spool(&stand);
    delivery_abandon(stand.delivery);
    assert_int_equal(flow(&stand, FLOW_replay_in_flight), 2);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 3);
    assert_memory_equal(batch->body, "{\"body\"", 7);
    check_stand(&stand);
    rig_close(&stand.store.rig);
}

static void of_a_sender_that_was_left_behind_what_came_from_disk_stays_there(void **unused)
{
    (void)unused;
    static struct stand stand;
    open_backlog(&stand, 8);
    struct batch *batch = send_next(&stand);
    assert_non_null(batch->pin);
    delivery_leave_sending(stand.delivery);
    delivery_spill_all(stand.delivery, stand.now_ms);
    (void)run_spool(&stand);
    delivery_abandon(stand.delivery);
    assert_int_equal(stock(&stand, ACCOUNT_spool), EVENTS);
    assert_int_equal(flow(&stand, FLOW_replay_in_flight) + stock(&stand, ACCOUNT_in_flight), 0);
    assert_true(batch->body_bytes > 0);
    check_stand(&stand);
    rig_close(&stand.store.rig);
}

/* A job of any other kind has nothing in its hand that the disk does not have. */
static void of_a_read_that_does_not_come_back_nothing_stays_held(void **unused)
{
    (void)unused;
    static struct stand stand;
    struct spool_job job;
    open_stand(&stand, &defaults);
    break_endpoint(&stand);
    run_spool_until(&stand, SPOOL_PEEK, &job);
    put_with(&stand, 2, NULL);
    delivery_spill_all(stand.delivery, stand.now_ms); /* it would be written next */
    delivery_leave_spool(stand.delivery);
    delivery_abandon(stand.delivery);
    assert_int_equal(flow(&stand, FLOW_replay_ready), 2);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 1);
    check_stand(&stand);
    rig_close(&stand.store.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_on_disk_is_left_there_and_not_waited_for),
        cmocka_unit_test(what_comes_meanwhile_goes_behind_what_is_on_disk),
        cmocka_unit_test(what_waits_to_be_split_is_written_too),
        cmocka_unit_test(only_what_was_being_written_by_one_who_was_left_behind_stays_held),
        cmocka_unit_test(of_a_sender_that_was_left_behind_only_what_is_in_flight_is_not_written),
        cmocka_unit_test(of_a_sender_that_was_left_behind_what_came_from_disk_stays_there),
        cmocka_unit_test(of_a_read_that_does_not_come_back_nothing_stays_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
