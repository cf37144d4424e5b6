/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery/spool_aside.h"

#include "delivery/store.h"

enum { MIB = 1024 * 1024 };

static struct spool_aside set_aside(struct store *store, struct fake_disk *folder, uint64_t batches)
{
    struct spool_disk *disk = folder == NULL ? NULL : &folder->disk;
    struct spool_aside ret;

    /* Each start of the test carried what was there into the same books. */
    uint64_t carried = rig_stock(&store->rig, ACCOUNT_spool) - live_events(store);
    numbers_set(store->rig.numbers, NUMBER_spool_crashes, 3);
    spool_set_aside(store->spool, store->files, &disk, batches, &store->now, store->now.boot_ms,
                    &ret);
    assert_null(disk);
    assert_int_equal(numbers_get(store->rig.numbers, NUMBER_spool_in_hand), 0);
    assert_int_equal(rig_stock(&store->rig, ACCOUNT_spool), carried + live_events(store));
    return ret;
}

static uint64_t quarantined(const struct store *store)
{
    return rig_flow(&store->rig, FLOW_quarantine_spool);
}

/* Ten batches of 1, 2, … events, in several segments, and a restart: 55 events. */
static void open_filled(struct store *store, struct fake_disk *folder)
{
    open_store(store, MIB);
    fake_open_disk(folder);
    for (uint64_t n = 1; n <= 10; n++)
        assert_true(spill(store, n, 20000));
    restart_store(store);
}

static void close_filled(struct store *store, struct fake_disk *folder)
{
    fake_close_disk(folder);
    close_store(store);
}

/* A spool over that folder: as if its files had been put back into an empty one. */
static uint64_t events_kept(struct fake_disk *folder, uint64_t *ret_first_sequence)
{
    struct store store;
    struct batch *damaged = NULL;
    uint64_t events = 0;

    open_store(&store, 100 * MIB);
    stop_store(&store);
    struct fake_disk own = store.fake;
    store.fake = *folder;
    start_store(&store);
    *ret_first_sequence = 0;
    for (struct batch *batch; (batch = read_batch(&store, &damaged)) != NULL;) {
        if (events == 0)
            *ret_first_sequence = batch->sequence;
        assert_int_equal(batch->body_bytes, 20000);
        assert_int_equal(batch->body[19999], batch->body[0]);
        events += batch->events;
        finish_batch(&store, &batch, FLOW_spool_deliver);
    }
    assert_null(damaged);
    stop_store(&store);
    store.fake = own;
    start_store(&store);
    close_store(&store);
    return events;
}

static void the_first_to_be_read_are_set_aside_kept_and_counted(void **unused)
{
    (void)unused;
    struct store store;
    struct fake_disk folder;
    uint64_t first;
    open_filled(&store, &folder);
    struct spool_aside aside = set_aside(&store, &folder, 4);
    assert_int_equal(aside.batches, 4);
    assert_int_equal(aside.events, 1 + 2 + 3 + 4);
    assert_int_equal(aside.not_kept, 0);
    assert_int_equal(aside.error, 0);
    assert_int_equal(quarantined(&store), 10);
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_crashes), 0);
    assert_string_equal(aside.file, fake_first(&folder)->name);
    restart_store(&store);
    assert_int_equal(drain_store(&store), 45);
    assert_int_equal(events_kept(&folder, &first), 10);
    assert_int_equal(first, 1);
    close_filled(&store, &folder);
}

static void with_newest_first_they_are_the_newest(void **unused)
{
    (void)unused;
    struct store store;
    struct fake_disk folder;
    uint64_t first;
    open_filled(&store, &folder);
    store.config.newest_first = true;
    restart_store(&store);
    assert_int_equal(set_aside(&store, &folder, 2).events, 10 + 9);
    assert_int_equal(drain_store(&store), 36);
    assert_int_equal(events_kept(&folder, &first), 19);
    close_filled(&store, &folder);
}

/* The clock did not go on between them, or was set back. */
static void what_was_set_aside_before_is_kept_beside_it(void **unused)
{
    (void)unused;
    struct store store;
    struct fake_disk folder;
    uint64_t first;
    open_filled(&store, &folder);
    assert_int_equal(set_aside(&store, &folder, 2).events, 1 + 2);
    store.now.real_ms -= 1000;
    struct spool_aside second = set_aside(&store, &folder, 2);
    assert_int_equal(second.events, 3 + 4);
    assert_int_equal(second.not_kept, 0);
    assert_int_equal(second.error, 0);
    assert_int_equal(events_kept(&folder, &first), 1 + 2 + 3 + 4);
    close_filled(&store, &folder);
}

static void more_than_there_are_is_all_of_them(void **unused)
{
    (void)unused;
    struct store store;
    struct fake_disk folder;
    open_filled(&store, &folder);
    assert_int_equal(set_aside(&store, &folder, 1000).events, 55);
    assert_int_equal(drain_store(&store), 0);
    assert_int_equal(fake_used(&store.fake), 0);
    close_filled(&store, &folder);
}

static void without_a_folder_or_with_a_full_disk_they_are_counted_all_the_same(void **unused)
{
    (void)unused;
    struct store store;
    struct fake_disk folder;
    open_filled(&store, &folder);
    struct spool_aside aside = set_aside(&store, NULL, 2);
    assert_int_equal(aside.batches, 2);
    assert_int_equal(aside.not_kept, 2);
    assert_int_equal(aside.error, EBADF);
    folder.capacity = 45000; /* two of them */
    aside = set_aside(&store, &folder, 3);
    assert_int_equal(aside.batches, 3);
    assert_int_equal(aside.not_kept, 1);
    assert_int_equal(aside.error, ENOSPC);
    assert_int_equal(quarantined(&store), 1 + 2 + 3 + 4 + 5);
    uint64_t first;
    assert_int_equal(events_kept(&folder, &first), 3 + 4);
    close_filled(&store, &folder);
}

static void what_is_beyond_the_bound_is_counted_and_not_kept(void **unused)
{
    (void)unused;
    struct store store;
    struct fake_disk folder;
    static char block[MIB];
    open_filled(&store, &folder);
    int fd = fake_create(&folder.disk, "0000000000000001.seg");
    for (uint64_t at = 0; at < SPOOL_ASIDE_BYTES - MIB; at += MIB)
        fake_put(&folder.files[fd], block, sizeof(block), at);
    fake_put(&folder.files[fd], block, MIB - 30000, SPOOL_ASIDE_BYTES - MIB);
    struct spool_aside aside = set_aside(&store, &folder, 3);
    assert_int_equal(aside.not_kept, 2);
    assert_int_equal(aside.error, EFBIG);
    assert_int_equal(quarantined(&store), 6);
    assert_true(fake_used(&folder) <= SPOOL_ASIDE_BYTES);
    close_filled(&store, &folder);
}

static void a_damaged_batch_is_corrupt_and_not_set_aside(void **unused)
{
    (void)unused;
    struct store store;
    struct fake_disk folder;
    open_filled(&store, &folder);
    fake_first(&store.fake)->data[10000] ^= 1;
    struct spool_aside aside = set_aside(&store, &folder, 2);
    assert_int_equal(aside.events, 2);
    assert_int_equal(rig_flow(&store.rig, FLOW_spool_corrupt), 1);
    assert_int_equal(drain_store(&store), 52);
    close_filled(&store, &folder);
}

/* The process dies at any call to either disk: what was counted is not on disk any more, and what
 * is on disk was not counted; at most the one in between is in neither. None is gone without a
 * copy. */
static void a_start_that_dies_in_the_middle_loses_and_doubles_nothing(void **unused)
{
    (void)unused;
    for (uint64_t call = 1; call < 60; call++) {
        struct store store;
        struct fake_disk folder;
        uint64_t first;
        open_filled(&store, &folder);
        folder.fail_at = folder.calls + call;
        folder.fail_count = 1;
        struct spool_aside aside = set_aside(&store, &folder, 4);
        assert_int_equal(aside.batches, 4);
        folder.fail_at = 0;
        uint64_t kept = events_kept(&folder, &first);
        assert_true(aside.not_kept > 0 ? kept < 10 : kept == 10);
        restart_store(&store);
        assert_int_equal(live_events(&store), 45);
        close_filled(&store, &folder);

        open_filled(&store, &folder);
        store.fake.fail_at = store.fake.calls + call;
        store.fake.fail_count = UINT64_MAX / 2; /* from there on nothing reaches the disk */
        (void)set_aside(&store, &folder, 4);
        store.fake.fail_at = 0;
        uint64_t counted = quarantined(&store);
        restart_store(&store);
        uint64_t on_disk = live_events(&store);
        assert_true(counted + on_disk >= 55); /* a mark that failed: it is sent, once more */
        assert_true(events_kept(&folder, &first) >= 55 - on_disk);
        close_filled(&store, &folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_to_be_read_are_set_aside_kept_and_counted),
        cmocka_unit_test(with_newest_first_they_are_the_newest),
        cmocka_unit_test(what_was_set_aside_before_is_kept_beside_it),
        cmocka_unit_test(more_than_there_are_is_all_of_them),
        cmocka_unit_test(without_a_folder_or_with_a_full_disk_they_are_counted_all_the_same),
        cmocka_unit_test(what_is_beyond_the_bound_is_counted_and_not_kept),
        cmocka_unit_test(a_damaged_batch_is_corrupt_and_not_set_aside),
        cmocka_unit_test(a_start_that_dies_in_the_middle_loses_and_doubles_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
