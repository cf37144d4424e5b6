/* SPDX-License-Identifier: Apache-2.0 */
/* What calls that fail leave on disk: a record that could not be taken back, a mark that could not
 * be written. The next start is to find what the books say. */
#include "delivery/stand.h"

/* Of the calls to the disk from now on these fail. */
static void fail_calls(struct store *store, uint64_t first, uint64_t count)
{
    store->fake.fail_at = store->fake.calls + first;
    store->fake.fail_count = count;
    store->fake.fail_with = EIO;
}

static void open_synced(struct store *store)
{
    open_store(store, MIB);
    store->config.fsync = SPOOL_FSYNC_ALWAYS;
    restart_store(store);
}

/* Written in full, but neither synced nor taken back. */
static void leave_record(struct store *store)
{
    assert_true(spill(store, 3, 1000));
    fail_calls(store, 2, 2);
    uint64_t before = fake_used(&store->fake);
    assert_false(spill(store, 5, 1000));
    assert_true(fake_used(&store->fake) > before + 1000);
    assert_int_equal(spool_left(store->spool).at, before);
    assert_int_equal(numbers_get(store->rig.numbers, NUMBER_spool_left_at), before);
    assert_int_equal(numbers_get(store->rig.numbers, NUMBER_spool_left_segment),
                     spool_left(store->spool).segment);
}

static void a_record_that_could_not_be_taken_back_is_none_for_the_next_start(void **unused)
{
    (void)unused;
    struct store store;
    open_synced(&store);
    leave_record(&store);
    restart_store(&store);
    assert_int_equal(live_events(&store), 3);
    restart_store(&store); /* and for the one after that */
    assert_int_equal(live_events(&store), 3);
    assert_int_equal(drain_store(&store), 3);
    assert_int_equal(fake_used(&store.fake), 0);
    assert_int_equal(spool_left(store.spool).segment, 0); /* it went with its segment */
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_left_segment), 0);
    close_store(&store);
}

static void nothing_is_written_before_it_is_gone(void **unused)
{
    (void)unused;
    struct store store;
    struct spool_job job;
    struct batch *batch;
    open_synced(&store);
    leave_record(&store);
    batch = rig_empty_batch(&store.rig, "{\"body\":\"a shorter one\"}\n");
    rig_add_run(&store.rig, batch, 0, NULL, 7);
    store.now.boot_ms += 100000;
    fail_calls(&store, 1, 1);
    assert_true(spool_plan_write(store.spool, batch, &store.now, store.now.boot_ms, &job));
    do_job(&store, &job);
    spool_looked(store.spool, &store.result, store.now.boot_ms);
    assert_true(spool_plan_write(store.spool, batch, &store.now, store.now.boot_ms, &job));
    assert_int_equal(job.kind, SPOOL_UNDO);
    do_job(&store, &job);
    spool_undone(store.spool, &job, &store.result, store.now.boot_ms);
    assert_false(spool_plan_write(store.spool, batch, &store.now, store.now.boot_ms, &job));
    assert_int_not_equal(spool_left(store.spool).segment, 0);
    store.now.boot_ms += 100000;
    assert_true(write_batch(&store, batch));
    ledger_move(store.rig.lanes[0], FLOW_spill, 7, 70);
    assert_int_equal(spool_left(store.spool).segment, 0);
    assert_int_equal(spool_index_of(store.spool)->bytes, fake_used(&store.fake));
    batch_free(&batch);
    restart_store(&store);
    assert_int_equal(store.scan.torn + store.scan.damaged, 0);
    assert_int_equal(drain_store(&store), 10);
    close_store(&store);
}

static void a_new_segment_that_could_not_be_removed_is_none_for_the_next_start(void **unused)
{
    (void)unused;
    struct store store;
    open_synced(&store);
    fail_calls(&store, 5, 2); /* make, head, record, sync; then: sync of the folder, remove */
    assert_false(spill(&store, 5, 1000));
    assert_true(fake_used(&store.fake) > 1000);
    assert_int_equal(spool_left(store.spool).at, SPOOL_ALL_OF_IT);
    restart_store(&store);
    assert_int_equal(live_events(&store), 0);
    assert_int_equal(store.scan.left_alone, 0);
    assert_int_equal(fake_used(&store.fake), 0);
    store.now.boot_ms += 100000;
    assert_true(spill(&store, 5, 1000));
    assert_int_equal(drain_store(&store), 5);
    close_store(&store);
}

static void without_its_sum_a_segment_is_read_record_by_record(void **unused)
{
    (void)unused;
    struct store store;
    struct spool_job job;
    open_synced(&store);
    leave_record(&store);
    assert_false(spool_plan_close(store.spool, &store.now, &job)); /* it would lie behind it */
    restart_store(&store);
    assert_int_equal(store.scan.walked, 1);
    assert_int_equal(drain_store(&store), 3);
    close_store(&store);
}

/* Where a sum was written in full, its sync failed, and it could not be taken back. */
static void a_sum_that_could_not_be_taken_back_counts_for_nothing(void **unused)
{
    (void)unused;
    struct store store;
    struct spool_job job;
    open_synced(&store);
    assert_true(spill(&store, 3, 1000));
    assert_true(spool_plan_close(store.spool, &store.now, &job));
    fail_calls(&store, 2, 2);
    do_job(&store, &job);
    spool_sealed(store.spool, &job, &store.result, store.now.boot_ms);
    assert_int_equal(spool_left(store.spool).at, spool_index_of(store.spool)->bytes);
    restart_store(&store);
    assert_int_equal(store.scan.walked, 1);
    assert_int_equal(live_events(&store), 3);
    close_store(&store);
}

/* Done and counted: the next start sends it once more, and the books of this one know that. */
static void what_has_no_mark_is_told_to_the_books_until_its_segment_is_gone(void **unused)
{
    (void)unused;
    struct store store;
    struct batch *damaged = NULL;
    open_synced(&store);
    assert_true(spill(&store, 3, 1000));
    assert_true(spill(&store, 5, 1000));
    struct numbers *numbers = ledger_lane_numbers(store.rig.lanes[0]);
    struct batch *batch = read_batch(&store, &damaged);
    fail_calls(&store, 1, 1);
    finish_batch(&store, &batch, FLOW_spool_deliver);
    assert_int_equal(live_events(&store), 5);
    assert_int_equal(numbers_get(numbers, NUMBER_spool_unmarked_events), 3);
    assert_int_equal(numbers_get(numbers, NUMBER_spool_unmarked_bytes), 30);
    batch = read_batch(&store, &damaged);
    finish_batch(&store, &batch, FLOW_spool_deliver);
    assert_int_equal(numbers_get(numbers, NUMBER_spool_unmarked_events), 3);
    tidy(&store);
    assert_int_equal(fake_used(&store.fake), 0);
    assert_int_equal(numbers_get(numbers, NUMBER_spool_unmarked_events), 0);
    assert_int_equal(numbers_get(numbers, NUMBER_spool_unmarked_bytes), 0);
    close_store(&store);
}

/* A sum has what lives at its time: it would not have the record that the next start finds. */
static void a_mark_that_failed_ends_its_segment_without_a_sum(void **unused)
{
    (void)unused;
    struct store store;
    struct spool_job job;
    struct batch *damaged = NULL;
    open_synced(&store);
    assert_true(spill(&store, 3, 1000));
    assert_true(spill(&store, 5, 1000));
    struct batch *batch = read_batch(&store, &damaged);
    fail_calls(&store, 1, 1);
    finish_batch(&store, &batch, FLOW_spool_deliver);
    assert_false(spool_plan_close(store.spool, &store.now, &job));
    restart_store(&store);
    assert_int_equal(live_events(&store), 8);
    assert_int_equal(
        numbers_get(ledger_lane_numbers(store.rig.lanes[0]), NUMBER_spool_unmarked_events),
        0); /* it is carried: it is in an account again */
    close_store(&store);
}

static void a_segment_that_cannot_be_removed_is_read_on(void **unused)
{
    (void)unused;
    struct store store;
    struct batch *damaged = NULL;
    struct spool_job job;
    open_synced(&store);
    assert_true(spill(&store, 3, 1000));
    job = (struct spool_job){ .kind = SPOOL_REMOVE,
                              .place = { spool_index_of(store.spool)->oldest->id, 0 },
                              .flow = FLOW_spool_evict };
    fail_calls(&store, 1, 1);
    do_remove_job(&store, &job);
    struct batch *batch = read_batch(&store, &damaged);
    assert_non_null(batch);
    finish_batch(&store, &batch, FLOW_spool_deliver);
    tidy(&store);
    assert_true(fake_used(&store.fake) > 0); /* not again at once */
    store.now.boot_ms = spool_due_ms(store.spool, store.now.boot_ms);
    tidy(&store);
    assert_int_equal(fake_used(&store.fake), 0);
    close_store(&store);
}

/* ---- in the delivery ---- */

static void count_settled(void *context)
{
    ++*(unsigned *)context;
}

/* The records are on disk, the sync that the seal was to bring was not: receipts wait for one. */
static void a_seal_that_failed_leaves_records_unsynced_and_their_receipts_wait(void **unused)
{
    (void)unused;
    struct stand stand = { .now_ms = 1000000 };
    struct spool_job job;
    unsigned settled = 0;
    struct receipts *receipts = receipts_new(count_settled, &settled);
    struct store *store = &stand.store;
    open_store(store, MIB);
    store->config.fsync = SPOOL_FSYNC_INTERVAL;
    store->config.fsync_interval_ms = 1000;
    restart_store(store);
    start_stand(&stand, &defaults);
    break_endpoint(&stand);
    struct receipt *receipt = receipts_open(receipts);
    put_with(&stand, 5, receipt);
    receipts_hold_done(receipts, receipt, NULL, 0);
    (void)run_spool(&stand);
    assert_true(spool_plan_close(store->spool, &store->now, &job));
    fail_calls(store, 2, 1);
    do_job(store, &job);
    delivery_spool_done(stand.delivery, &job, &store->result, &store->now, stand.now_ms);
    assert_int_equal(settled, 0);
    uint64_t syncs = store->fake.syncs;
    stand.now_ms += 100000;
    (void)run_spool(&stand);
    assert_int_equal(settled, 1);
    assert_true(store->fake.syncs > syncs);
    close_stand(&stand);
    receipts_free(&receipts);
}

/* The kernel takes for clean what it could not write: the next sync alone proves nothing. */
static void
after_a_sync_that_failed_all_is_written_once_more_and_a_new_segment_is_begun(void **unused)
{
    (void)unused;
    struct stand stand = { .now_ms = 1000000 };
    unsigned settled = 0;
    struct receipts *receipts = receipts_new(count_settled, &settled);
    struct store *store = &stand.store;
    open_store(store, MIB);
    store->config.fsync = SPOOL_FSYNC_INTERVAL;
    store->config.fsync_interval_ms = 1000;
    restart_store(store);
    start_stand(&stand, &defaults);
    break_endpoint(&stand);
    struct receipt *receipt = receipts_open(receipts);
    put_with(&stand, 5, receipt);
    receipts_hold_done(receipts, receipt, NULL, 0);
    (void)run_spool(&stand);
    stand.now_ms += 1000;
    store->fake.fails_sync = true;
    (void)run_spool(&stand);
    assert_int_equal(settled, 0);
    store->fake.fails_sync = false;
    uint64_t writes = store->fake.writes, syncs = store->fake.syncs;
    put_with(&stand, 5, NULL);
    stand.now_ms += 100000;
    (void)run_spool(&stand);
    assert_int_equal(settled, 1);
    assert_true(store->fake.syncs >= syncs + 2);   /* of the old one and of the new one */
    assert_true(store->fake.writes >= writes + 4); /* head and record once more, and a new one */
    assert_int_equal(spool_index_of(store->spool)->count, 2);
    close_stand(&stand);
    receipts_free(&receipts);
}

/* One was read to be sent, the next is to be written, and cannot: it is not sent before it. */
static void what_could_not_be_written_stays_behind_what_was_read(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.concurrency_max = 1;
    open_stand(&stand, &config);
    break_endpoint(&stand);
    (void)run_spool(&stand); /* written, and read for the probe */
    stand.store.fake.capacity = 10;
    put_with(&stand, 1, NULL);
    (void)run_spool(&stand);
    assert_int_equal(numbers_get(stand.store.rig.numbers, NUMBER_spool_state), 1);
    for (uint64_t sequence = 1; sequence <= 2; sequence++) {
        stand.now_ms += 100000;
        (void)run_spool(&stand);
        struct batch *batch = send_next(&stand);
        assert_int_equal(batch->sequence, sequence);
        settle(&stand, batch, VERDICT_SENT);
    }
    close_stand(&stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_that_could_not_be_taken_back_is_none_for_the_next_start),
        cmocka_unit_test(nothing_is_written_before_it_is_gone),
        cmocka_unit_test(a_new_segment_that_could_not_be_removed_is_none_for_the_next_start),
        cmocka_unit_test(without_its_sum_a_segment_is_read_record_by_record),
        cmocka_unit_test(a_sum_that_could_not_be_taken_back_counts_for_nothing),
        cmocka_unit_test(what_has_no_mark_is_told_to_the_books_until_its_segment_is_gone),
        cmocka_unit_test(a_mark_that_failed_ends_its_segment_without_a_sum),
        cmocka_unit_test(a_segment_that_cannot_be_removed_is_read_on),
        cmocka_unit_test(a_seal_that_failed_leaves_records_unsynced_and_their_receipts_wait),
        cmocka_unit_test(
            after_a_sync_that_failed_all_is_written_once_more_and_a_new_segment_is_begun),
        cmocka_unit_test(what_could_not_be_written_stays_behind_what_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
