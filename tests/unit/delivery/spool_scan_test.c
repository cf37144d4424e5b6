/* SPDX-License-Identifier: Apache-2.0 */
/* What a start makes of a spool that it cannot read in full, or that a power loss went over. */
#include "base/crc32c.h"
#include "delivery/spool_bytes.h"
#include "delivery/stand.h"

/* The closing entries of the start before are made by hand: `unread` events could not be read. */
static void start_with_unread(struct store *store, uint64_t unread)
{
    struct numbers *numbers = ledger_lane_numbers(store->rig.lanes[0]);

    stop_store(store);
    numbers_set(numbers, NUMBER_spool_unread_events, unread);
    numbers_set(numbers, NUMBER_spool_unread_bytes, 10 * unread);
    start_store(store);
}

/* Three segments with 1, 2 and 3 events. */
static void fill_three(struct store *store)
{
    open_store(store, MIB);
    for (uint64_t n = 1; n <= 3; n++)
        assert_true(spill(store, n, 60000));
}

static void a_segment_that_cannot_be_opened_waits_for_a_start_that_can(void **unused)
{
    (void)unused;
    static const int errors[] = { EIO, EACCES, EMFILE };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct store store;
        fill_three(&store);
        store.fake.unreadable = fake_first(&store.fake);
        store.fake.fail_with = errors[i];
        start_with_unread(&store, 1);
        assert_int_equal(store.scan.unread, 1);
        assert_int_equal(store.scan.left_alone, 0);
        assert_non_null(strstr(store.scan.unread_note, strerror(errors[i])));
        assert_true(spool_index_of(store.spool)->is_partial);
        assert_int_equal(live_events(&store), 6); /* the books have it, and nobody sent it */
        assert_int_equal(drain_store(&store), 5);
        assert_int_equal(live_events(&store), 1);
        store.fake.unreadable = NULL;
        start_with_unread(&store, 0);
        assert_int_equal(drain_store(&store), 1);
        assert_int_equal(fake_used(&store.fake), 0);
        close_store(&store);
    }
}

static void a_segment_that_cannot_be_read_waits_as_well(void **unused)
{
    (void)unused;
    struct store store;
    fill_three(&store);
    stop_store(&store);
    store.fake.fail_at = store.fake.calls + 3; /* listed, opened, and then the head */
    store.fake.fail_count = 1;
    start_store(&store);
    assert_int_equal(store.scan.unread, 1);
    assert_int_equal(store.scan.segments, 2);
    assert_true(spool_index_of(store.spool)->is_partial);
    assert_int_equal(drain_store(&store), 5);
    close_store(&store);
}

static void what_is_gone_or_is_no_file_is_left_alone(void **unused)
{
    (void)unused;
    static const int errors[] = { ENOENT, ELOOP, ENXIO };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct store store;
        fill_three(&store);
        store.fake.unreadable = fake_first(&store.fake);
        store.fake.fail_with = errors[i];
        restart_store(&store);
        assert_int_equal(store.scan.unread, 0);
        assert_int_equal(store.scan.left_alone, 1);
        assert_false(spool_index_of(store.spool)->is_partial);
        close_store(&store);
    }
}

/* Whole, with a checksum that fits: of another build. */
static void a_segment_of_another_version_is_left_alone_and_named(void **unused)
{
    (void)unused;
    struct store store;
    open_store(&store, MIB);
    assert_true(spill(&store, 7, 1000));
    struct fake_file *file = fake_first(&store.fake);
    unsigned char *head = (unsigned char *)file->data;
    head[8] = SPOOL_VERSION + 1;
    put_u32(head + 48, crc32c(0, head, 48));
    restart_store(&store);
    assert_int_equal(store.scan.left_alone, 1);
    assert_non_null(strstr(store.scan.note, "its version is 2, this build reads 1"));
    assert_true(spill(&store, 1, 1000));
    assert_int_equal(drain_store(&store), 1);
    assert_int_equal(fake_used(&store.fake), file->bytes);
    head[8] = SPOOL_VERSION; /* the build that wrote it is back */
    put_u32(head + 48, crc32c(0, head, 48));
    restart_store(&store);
    assert_int_equal(drain_store(&store), 7);
    close_store(&store);
}

/* A copy that somebody made beside it: its batches are not sent twice. */
static void a_segment_under_another_name_is_left_alone(void **unused)
{
    (void)unused;
    struct store store;
    open_store(&store, MIB);
    assert_true(spill(&store, 7, 1000));
    struct fake_file *file = fake_first(&store.fake);
    int fd = fake_create(&store.fake.disk, "0000000000000005.seg");
    fake_put(&store.fake.files[fd], file->data, file->bytes, 0);
    restart_store(&store);
    assert_int_equal(store.scan.segments, 1);
    assert_int_equal(store.scan.left_alone, 1);
    assert_non_null(strstr(store.scan.note, "it has the name of another segment"));
    assert_int_equal(drain_store(&store), 7);
    assert_non_null(fake_find(&store.fake, "0000000000000005.seg"));
    close_store(&store);
}

static void without_the_names_of_its_files_nothing_is_written(void **unused)
{
    (void)unused;
    struct store store;
    fill_three(&store);
    stop_store(&store);
    store.fake.fail_at = store.fake.calls + 1;
    store.fake.fail_count = 1;
    start_store(&store);
    assert_int_equal(store.scan.error, EIO);
    assert_true(spool_is_closing(store.spool));
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_state), 1);
    uint64_t writes = store.fake.writes;
    assert_false(spill(&store, 7, 1000));
    struct batch *batch = rig_empty_batch(&store.rig, "{}");
    rig_add_run(&store.rig, batch, 0, NULL, 1);
    assert_false(spool_takes(store.spool, batch));
    batch_free(&batch);
    assert_int_equal(store.fake.writes, writes);
    restart_store(&store);
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_state), 0);
    assert_true(spill(&store, 7, 1000));
    assert_int_equal(drain_store(&store), 13);
    close_store(&store);
}

/* Written by a start of this boot that was killed, and never synced. */
static void what_was_found_unsynced_is_at_risk_until_it_is_synced(void **unused)
{
    (void)unused;
    struct store store;
    struct spool_job job;
    open_store(&store, MIB);
    assert_true(spill(&store, 1, 1000));
    store.config.fsync = SPOOL_FSYNC_INTERVAL;
    restart_store(&store);
    assert_true(numbers_get(store.rig.numbers, NUMBER_spool_unsynced_bytes) > 1000);
    assert_true(spool_plan_sync(store.spool, store.now.boot_ms, false, &job));
    assert_int_equal(job.kind, SPOOL_REWRITE); /* a sync of it may have failed before */
    do_job(&store, &job);
    assert_true(spool_synced(store.spool, &job, &store.result, store.now.boot_ms));
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_unsynced_bytes), 0);
    memcpy(store.config.boot, "other boot", 10);
    restart_store(&store); /* what a reboot left is on disk */
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_unsynced_bytes), 0);
    assert_int_equal(drain_store(&store), 1);
    close_store(&store);
}

/* A power loss takes any of what was not synced: here both words, and not what came later. */
static void records_whose_marks_a_power_loss_took_are_sent_again_and_counted_once(void **unused)
{
    (void)unused;
    struct store store;
    struct batch *damaged = NULL;
    open_store(&store, MIB);
    assert_true(spill(&store, 1, 20000));
    assert_true(spill(&store, 2, 20000));
    struct batch *batch = read_batch(&store, &damaged);
    finish_batch(&store, &batch, FLOW_spool_deliver);
    assert_true(spill(&store, 3, 20000)); /* the first segment is full of them: another one */
    assert_true(spill(&store, 4, 20000));
    stop_store(&store);
    char *first = fake_first(&store.fake)->data;
    memset(first + SPOOL_TOUCHED_AT, 0, 4);
    memset(first + SPOOL_SEGMENT_HEAD + SPOOL_MARK_AT, 0, 4);
    memcpy(store.config.boot, "other boot", 10);
    start_store(&store);
    assert_int_equal(live_events(&store), 10);
    assert_int_equal(drain_store(&store), 10);
    assert_int_equal(live_events(&store), 0);
    close_store(&store);
}

/* Sealed by a start that did not sync. */
static void what_was_sealed_without_a_sync_is_synced_by_a_start_that_does(void **unused)
{
    (void)unused;
    struct store store;
    struct spool_job job;
    open_store(&store, MIB);
    for (int i = 0; i < 4; i++)
        assert_true(spill(&store, 1, 40000)); /* the first segment is full and sealed */
    store.config.fsync = SPOOL_FSYNC_INTERVAL;
    restart_store(&store);
    for (int i = 0; i < FAKE_FILES; i++)
        store.fake.files[i].synced_bytes = 0;
    assert_true(numbers_get(store.rig.numbers, NUMBER_spool_unsynced_bytes) > 4 * 40000);
    while (spool_plan_sync(store.spool, store.now.boot_ms, false, &job)) {
        do_job(&store, &job);
        (void)spool_synced(store.spool, &job, &store.result, store.now.boot_ms);
    }
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_unsynced_bytes), 0);
    for (int i = 0; i < FAKE_FILES; i++)
        assert_int_equal(store.fake.files[i].synced_bytes, store.fake.files[i].bytes);
    assert_int_equal(drain_store(&store), 4);
    close_store(&store);
}

/* The clock of the boot began anew, that of the day tells how long it was off. */
static void after_a_reboot_sealed_segments_are_as_old_as_they_are(void **unused)
{
    enum { MINUTE = 60 * 1000 };
    (void)unused;
    struct store store;
    open_store(&store, MIB);
    for (int i = 0; i < 4; i++)
        assert_true(spill(&store, 1, 40000)); /* the first segment is full and sealed */
    store.config.max_age_ms = 60 * MINUTE;
    memcpy(store.config.boot, "other boot", 10);
    store.now.boot_ms = 5000;
    store.now.real_ms += 30 * MINUTE;
    restart_store(&store);
    tidy(&store);
    assert_int_equal(live_events(&store), 4);
    store.now.boot_ms += 29 * MINUTE;
    tidy(&store);
    assert_int_equal(live_events(&store), 4);
    store.now.boot_ms += 2 * MINUTE;
    tidy(&store);
    assert_int_equal(live_events(&store), 0);
    assert_int_equal(rig_flow(&store.rig, FLOW_spool_expire), 4);
    close_store(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_that_cannot_be_opened_waits_for_a_start_that_can),
        cmocka_unit_test(a_segment_that_cannot_be_read_waits_as_well),
        cmocka_unit_test(what_is_gone_or_is_no_file_is_left_alone),
        cmocka_unit_test(a_segment_of_another_version_is_left_alone_and_named),
        cmocka_unit_test(a_segment_under_another_name_is_left_alone),
        cmocka_unit_test(without_the_names_of_its_files_nothing_is_written),
        cmocka_unit_test(what_was_found_unsynced_is_at_risk_until_it_is_synced),
        cmocka_unit_test(what_was_sealed_without_a_sync_is_synced_by_a_start_that_does),
        cmocka_unit_test(records_whose_marks_a_power_loss_took_are_sent_again_and_counted_once),
        cmocka_unit_test(after_a_reboot_sealed_segments_are_as_old_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
