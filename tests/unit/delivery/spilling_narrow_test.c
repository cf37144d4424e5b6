/* SPDX-License-Identifier: Apache-2.0 */
/* Batches that the spool, or the memory to read them back, has no room for; a disk that does not
 * sync. */
#include "delivery/stand.h"

static void put_body(struct stand *stand, const char *body)
{
    struct batch *batch = rig_empty_batch(&stand->store.rig, body);

    rig_add_run(&stand->store.rig, batch, 0, NULL, 1);
    batch->oldest_boot_ms = stand->now_ms;
    assert_true(delivery_reserve(stand->delivery, 0, batch->body_bytes, &batch->permit));
    delivery_put(stand->delivery, &batch, stand->now_ms);
}

static void in_order_nothing_overtakes_a_batch_that_is_larger_than_the_spool(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    struct permit permit;
    char large[4001];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    config.concurrency_max = 1;
    config.memory_bytes = sizeof(large) + 3 * 17;
    open_store(&stand.store, MIB);
    stand.store.config.max_bytes = 3000;
    restart_store(&stand.store);
    stand.now_ms = stand.store.now.boot_ms;
    start_stand(&stand, &config);
    put_body(&stand, large);
    for (int i = 0; i < 2; i++)
        put_with(&stand, 1, NULL);
    assert_false(delivery_reserve(stand.delivery, 0, 40, &permit));
    (void)run_spool(&stand);
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        struct batch *batch = send_next(&stand);
        assert_int_equal(batch->sequence, sequence);
        settle(&stand, batch, VERDICT_SENT);
        (void)run_spool(&stand);
    }
    close_stand(&stand);
}

static unsigned count_segments(const struct fake_disk *fake)
{
    unsigned count = 0;

    for (int i = 0; i < FAKE_FILES; i++)
        count += fake->files[i].name[0] != '\0';
    return count;
}

/* And the endpoint is away. */
static void open_newest_first(struct stand *stand, const struct delivery_config *config)
{
    open_store(&stand->store, MIB);
    stand->store.config.newest_first = true;
    restart_store(&stand->store);
    stand->now_ms = stand->store.now.boot_ms;
    start_stand(stand, config);
    break_endpoint(stand);
}

/* What is read is sealed, so that it does not grow meanwhile. */
static void newest_first_seals_no_segment_for_what_there_is_no_memory_to_read(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.memory_bytes = 40;
    open_newest_first(&stand, &config);
    for (int i = 0; i < 50; i++) {
        (void)run_spool(&stand);
        put_with(&stand, 1, NULL);
    }
    (void)run_spool(&stand);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 51);
    assert_in_range(count_segments(&stand.store.fake), 1, 2);
    close_stand(&stand);
}

static void newest_first_reads_what_it_sealed_though_more_comes(void **unused)
{
    (void)unused;
    struct stand stand;
    open_newest_first(&stand, &defaults);
    for (int i = 0; i < 50; i++)
        put_with(&stand, 1, NULL);
    (void)run_spool(&stand);
    assert_in_range(count_segments(&stand.store.fake), 1, 4);
    stand.now_ms += 100000;
    settle(&stand, send_next(&stand), VERDICT_SENT);
    close_stand(&stand);
}

/* What was read before goes first, but not what is still on disk. */
static void newest_first_what_comes_does_not_wait_for_the_disk(void **unused)
{
    (void)unused;
    struct stand stand;
    struct batch *batch;
    unsigned before = 0;
    open_newest_first(&stand, &defaults);
    for (int i = 0; i < 50; i++)
        put_with(&stand, 1, NULL);
    (void)run_spool(&stand);
    stand.now_ms += 100000;
    settle(&stand, send_next(&stand), VERDICT_SENT);
    put_with(&stand, 1, NULL);
    while ((batch = send_next(&stand))->pin != NULL) {
        settle(&stand, batch, VERDICT_SENT);
        assert_true(++before < 10);
    }
    assert_true(spool_may_read(stand.store.spool, stand.now_ms));
    settle(&stand, batch, VERDICT_SENT);
    close_stand(&stand);
}

static void a_few_more_are_read_than_may_be_sent_and_a_stop_waits_for_none_of_them(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    break_endpoint(&stand);
    for (int i = 0; i < 50; i++)
        put_with(&stand, 1, NULL);
    (void)run_spool(&stand);
    stand.now_ms += 100000;
    settle(&stand, send_next(&stand), VERDICT_SENT);
    for (int i = 0; i < 3; i++)
        settle(&stand, send_next(&stand), VERDICT_SENT);
    (void)run_spool(&stand);
    uint64_t limit = numbers_get(stand.store.rig.numbers, NUMBER_concurrency_limit) / 1000;
    assert_in_range(delivery_share(stand.delivery)->used_bytes / 17, limit, limit + 2);
    delivery_drain(stand.delivery, stand.now_ms);
    (void)run_spool(&stand);
    assert_true(delivery_is_empty(stand.delivery));
    assert_int_equal(delivery_share(stand.delivery)->used_bytes, 0);
    assert_int_equal(take_step(&stand).kind, STEP_WAIT);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 51 - 4);
    close_stand(&stand);
}

/* Of the endpoint, by a Retry-After: up to a fifth is added. */
static void a_long_pause_is_an_outage_and_a_short_one_is_not(void **unused)
{
    (void)unused;
    static const int64_t pauses_ms[] = { 4000, 5000 };
    for (int is_long = 0; is_long < 2; is_long++) {
        struct answer_summary busy = { .verdict = VERDICT_BUSY,
                                       .retry_after_ms = pauses_ms[is_long] };
        struct stand stand;
        open_stand(&stand, &defaults);
        for (int i = 0; i < 3; i++)
            put_with(&stand, 1, NULL);
        delivery_answer(stand.delivery, send_next(&stand), &busy, stand.now_ms);
        (void)run_spool(&stand);
        assert_int_equal(flow(&stand, FLOW_spill), is_long ? 3 : 0);
        assert_int_equal(numbers_get(stand.store.rig.numbers, NUMBER_breaker_state), 0);
        close_stand(&stand);
    }
}

static void a_sync_that_failed_is_not_tried_again_at_once_even_at_a_stop(void **unused)
{
    (void)unused;
    struct stand stand;
    open_store(&stand.store, MIB);
    stand.store.config.fsync = SPOOL_FSYNC_INTERVAL;
    stand.store.config.fsync_interval_ms = 1000;
    restart_store(&stand.store);
    stand.now_ms = stand.store.now.boot_ms;
    start_stand(&stand, &defaults);
    break_endpoint(&stand);
    for (int i = 0; i < 5; i++)
        put_with(&stand, 1, NULL);
    (void)run_spool(&stand);
    stand.store.fake.fails_sync = true;
    delivery_spill_all(stand.delivery, stand.now_ms);
    assert_true(run_spool(&stand) < 5);
    stand.store.fake.fails_sync = false;
    stand.now_ms += 60 * 1000;
    assert_in_range(run_spool(&stand), 1, 5);
    assert_int_equal(numbers_get(stand.store.rig.numbers, NUMBER_spool_unsynced_bytes), 0);
    close_stand(&stand);
}

static void count_settled(void *context)
{
    ++*(unsigned *)context;
}

static void those_that_wait_for_a_sync_wait_no_more_once_there_is_to_be_none(void **unused)
{
    (void)unused;
    struct stand stand;
    unsigned settled = 0;
    struct receipts *receipts = receipts_new(count_settled, &settled);
    open_store(&stand.store, MIB);
    stand.store.config.fsync = SPOOL_FSYNC_INTERVAL;
    stand.store.config.fsync_interval_ms = 1000;
    restart_store(&stand.store);
    stand.now_ms = stand.store.now.boot_ms;
    start_stand(&stand, &defaults);
    break_endpoint(&stand);
    struct receipt *receipt = receipts_open(receipts);
    put_with(&stand, 5, receipt);
    receipts_hold_done(receipts, receipt, NULL, 0);
    (void)run_spool(&stand);
    assert_int_equal(settled, 0);
    stand.store.config.fsync = SPOOL_FSYNC_NEVER;
    spool_change(stand.store.spool, &stand.store.config);
    (void)run_spool(&stand);
    assert_int_equal(settled, 1);
    close_stand(&stand);
    receipts_free(&receipts);
}

/* What is synced at the end of an interval that is far away. */
static void open_seldom(struct stand *stand)
{
    open_store(&stand->store, MIB);
    stand->store.config.fsync = SPOOL_FSYNC_INTERVAL;
    stand->store.config.fsync_interval_ms = 3600 * 1000;
    restart_store(&stand->store);
    stand->now_ms = stand->store.now.boot_ms;
    start_stand(stand, &defaults);
    break_endpoint(stand);
    (void)run_spool(stand);
}

static void a_stop_syncs_at_once_and_lets_the_positions_of_inputs_move(void **unused)
{
    (void)unused;
    for (int has_marks = 0; has_marks < 2; has_marks++) {
        struct stand stand;
        unsigned settled = 0;
        struct receipts *receipts = receipts_new(count_settled, &settled);
        struct receipt *receipt = receipts_open(receipts);
        open_seldom(&stand);
        put_with(&stand, 5, receipt);
        receipts_hold_done(receipts, receipt, NULL, 0);
        (void)run_spool(&stand);
        if (has_marks) { /* then the segment gets no sum that would be synced */
            stand.now_ms += 100000;
            settle(&stand, send_next(&stand), VERDICT_SENT);
            (void)run_spool(&stand);
        }
        assert_int_equal(settled, 0);
        delivery_drain(stand.delivery, stand.now_ms);
        delivery_spill_all(stand.delivery, stand.now_ms);
        (void)run_spool(&stand);
        assert_int_equal(settled, 1);
        assert_true(stand.store.fake.syncs > 0);
        assert_int_equal(numbers_get(stand.store.rig.numbers, NUMBER_spool_unsynced_bytes), 0);
        close_stand(&stand);
        receipts_free(&receipts);
    }
}

/* The list of batches whose receipts wait has to have an end. */
static void a_sync_is_not_put_off_when_many_batches_wait_for_it(void **unused)
{
    (void)unused;
    struct stand stand;
    open_seldom(&stand);
    for (int count = 1; count < 1024; count++) { /* one is on disk already */
        assert_true(numbers_get(stand.store.rig.numbers, NUMBER_spool_unsynced_bytes) > 0);
        put_with(&stand, 1, NULL);
        (void)run_spool(&stand);
    }
    assert_int_equal(numbers_get(stand.store.rig.numbers, NUMBER_spool_unsynced_bytes), 0);
    close_stand(&stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_wait_for_a_sync_wait_no_more_once_there_is_to_be_none),
        cmocka_unit_test(a_stop_syncs_at_once_and_lets_the_positions_of_inputs_move),
        cmocka_unit_test(a_sync_is_not_put_off_when_many_batches_wait_for_it),
        cmocka_unit_test(newest_first_what_comes_does_not_wait_for_the_disk),
        cmocka_unit_test(a_long_pause_is_an_outage_and_a_short_one_is_not),
        cmocka_unit_test(a_few_more_are_read_than_may_be_sent_and_a_stop_waits_for_none_of_them),
        cmocka_unit_test(in_order_nothing_overtakes_a_batch_that_is_larger_than_the_spool),
        cmocka_unit_test(a_sync_that_failed_is_not_tried_again_at_once_even_at_a_stop),
        cmocka_unit_test(newest_first_reads_what_it_sealed_though_more_comes),
        cmocka_unit_test(newest_first_seals_no_segment_for_what_there_is_no_memory_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
