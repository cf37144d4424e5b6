/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery/spool_files.h"

#include "base/auto.h"
#include "delivery/store.h"

enum { MIB = 1024 * 1024 };

static void what_is_written_is_read_oldest_first_with_the_same_key_and_body(void **unused)
{
    (void)unused;
    struct store store;
    struct batch *damaged = NULL;
    open_store(&store, MIB);
    for (uint64_t n = 1; n <= 10; n++)
        assert_true(spill(&store, n, 100 + n));
    for (uint64_t n = 1; n <= 10; n++) {
        char key[32];
        struct batch *batch = read_batch(&store, &damaged);
        assert_non_null(batch);
        (void)snprintf(key, sizeof(key), "agent-start-%llu", (unsigned long long)n);
        assert_string_equal(batch->key, key);
        assert_int_equal(batch->events, n);
        assert_int_equal(batch->sequence, n);
        assert_int_equal(batch->body_bytes, 100 + n);
        assert_int_equal(batch->body[0], 'a' + (int)n - 1);
        assert_int_equal(batch->oldest_boot_ms, store.now.boot_ms);
        finish_batch(&store, &batch, FLOW_spool_deliver);
    }
    assert_null(read_batch(&store, &damaged));
    tidy(&store);
    assert_int_equal(spool_index_of(store.spool)->bytes, 0);
    assert_int_equal(fake_used(&store.fake), 0);
    assert_int_equal(rig_stock(&store.rig, ACCOUNT_spool), 0);
    close_store(&store);
}

static void the_next_start_finds_what_is_not_done(void **unused)
{
    (void)unused;
    struct store store;
    struct batch *damaged = NULL;
    open_store(&store, MIB);
    for (uint64_t n = 1; n <= 9; n++)
        assert_true(spill(&store, n, 20000)); /* more than one segment: some have a sum */
    for (int n = 0; n < 2; n++) {
        struct batch *batch = read_batch(&store, &damaged);
        finish_batch(&store, &batch, FLOW_spool_deliver);
    }
    restart_store(&store);
    assert_int_equal(live_events(&store), 45 - 3);
    assert_true(store.scan.segments >= 3);
    assert_true(store.scan.walked >= 1 && store.scan.walked < store.scan.segments);
    assert_int_equal(store.scan.bytes, fake_used(&store.fake));
    assert_int_equal(rig_flow(&store.rig, FLOW_carry), 42);
    assert_int_equal(drain_store(&store), 42);
    assert_int_equal(fake_used(&store.fake), 0);
    close_store(&store);
}

static void newest_first_reads_backward_across_a_restart(void **unused)
{
    (void)unused;
    struct store store;
    struct batch *damaged = NULL;
    open_store(&store, MIB);
    for (uint64_t n = 1; n <= 9; n++)
        assert_true(spill(&store, n, 20000));
    stop_store(&store);
    store.config.newest_first = true;
    start_store(&store);
    for (uint64_t n = 9; n >= 1; n--) {
        struct batch *batch = read_batch(&store, &damaged);
        assert_non_null(batch);
        assert_int_equal(batch->sequence, n);
        finish_batch(&store, &batch, FLOW_spool_deliver);
    }
    assert_null(read_batch(&store, &damaged));
    tidy(&store);
    assert_int_equal(fake_used(&store.fake), 0);
    close_store(&store);
}

static void a_full_spool_gives_up_its_oldest_and_stays_within_its_bound(void **unused)
{
    (void)unused;
    struct store store;
    open_store(&store, 4 * 65536);
    for (uint64_t n = 1; n <= 100; n++) {
        assert_true(spill(&store, n, 10000));
        assert_true(fake_used(&store.fake) <= 4 * 65536);
        assert_int_equal(fake_used(&store.fake), spool_index_of(store.spool)->bytes);
        assert_int_equal(rig_stock(&store.rig, ACCOUNT_spool), live_events(&store));
    }
    uint64_t evicted = rig_flow(&store.rig, FLOW_spool_evict);
    assert_in_range(evicted, 1, 5050 - 1500);
    assert_int_equal(drain_store(&store), 5050 - evicted);
    close_store(&store);
}

static void a_segment_with_a_batch_that_is_being_sent_is_not_evicted(void **unused)
{
    (void)unused;
    struct store store;
    struct batch *damaged = NULL;
    open_store(&store, 4 * 65536);
    assert_true(spill(&store, 1000, 10000));
    struct batch *pinned = read_batch(&store, &damaged);
    for (uint64_t n = 1; n <= 100; n++)
        assert_true(spill(&store, n, 10000));
    assert_in_range(rig_flow(&store.rig, FLOW_spool_evict), 1, 5050);
    finish_batch(&store, &pinned, FLOW_spool_deliver);
    assert_int_equal(rig_flow(&store.rig, FLOW_spool_deliver), 1000);
    assert_int_equal(rig_stock(&store.rig, ACCOUNT_spool), live_events(&store));
    (void)drain_store(&store);
    assert_int_equal(rig_stock(&store.rig, ACCOUNT_spool), 0);
    close_store(&store);
}

static void what_is_to_stay_free_on_the_disk_bounds_it_too(void **unused)
{
    (void)unused;
    struct store store;
    open_store(&store, 100 * MIB);
    store.config.min_free_bytes = MIB;
    store.fake.capacity = 2 * MIB;
    restart_store(&store);
    for (uint64_t n = 1; n <= 300; n++) {
        assert_true(spill(&store, 1, 10000));
        store.now.boot_ms += 1000;
        store.now.real_ms += 1000;
    }
    assert_true(fake_used(&store.fake) <= MIB + 65536);
    assert_in_range(rig_flow(&store.rig, FLOW_spool_evict), 150, 299);
    close_store(&store);
}

static int64_t age_of_the_oldest(struct store *store)
{
    return store->now.boot_ms - spool_index_oldest_boot_ms(spool_index_of(store->spool));
}

static void the_age_of_the_oldest_is_known_after_a_restart_and_after_a_reboot(void **unused)
{
    (void)unused;
    struct store store;
    struct batch *damaged = NULL;
    open_store(&store, MIB);
    assert_true(spool_index_oldest_boot_ms(spool_index_of(store.spool)) == INT64_MAX);
    for (int i = 0; i < 4; i++) { /* 60 KiB each: a segment has one */
        assert_true(spill(&store, 1, 60000));
        store.now.boot_ms += 1000;
        store.now.real_ms += 1000;
        assert_int_equal(age_of_the_oldest(&store), (i + 1) * 1000);
    }
    struct batch *batch = read_batch(&store, &damaged);
    finish_batch(&store, &batch, FLOW_spool_deliver);
    tidy(&store);
    assert_int_equal(age_of_the_oldest(&store), 3000); /* of a segment whose sum does not say it */
    restart_store(&store);
    assert_int_equal(age_of_the_oldest(&store), 3000);
    memcpy(store.config.boot, "other boot", 10);
    store.now.boot_ms = 50;
    store.now.real_ms += 7000;
    restart_store(&store);
    assert_int_equal(age_of_the_oldest(&store), 10000);
    assert_int_equal(drain_store(&store), 3);
    assert_true(spool_index_oldest_boot_ms(spool_index_of(store.spool)) == INT64_MAX);
    close_store(&store);
}

static void within_a_segment_the_oldest_is_the_next_to_be_read(void **unused)
{
    (void)unused;
    struct store store;
    struct batch *damaged = NULL;
    open_store(&store, 16 * MIB);
    for (int i = 0; i < 3; i++) {
        assert_true(spill(&store, 1, 1000));
        store.now.boot_ms += 1000;
    }
    for (int i = 0; i < 2; i++) {
        struct batch *batch = read_batch(&store, &damaged);
        assert_int_equal(age_of_the_oldest(&store), 3000 - 1000 * i);
        finish_batch(&store, &batch, FLOW_spool_deliver);
    }
    restart_store(&store); /* two are marked: the third is the first */
    assert_int_equal(age_of_the_oldest(&store), 1000);
    assert_int_equal(drain_store(&store), 1);
    close_store(&store);
}

static void a_segment_of_records_that_are_all_too_old_is_expired_unread(void **unused)
{
    (void)unused;
    struct store store;
    open_store(&store, MIB);
    store.config.max_age_ms = 60000;
    restart_store(&store);
    assert_true(spill(&store, 5, 100));
    memcpy(store.config.boot, "next boot", 10);
    store.now.boot_ms = 500; /* the clock began anew */
    store.now.real_ms += 59000;
    restart_store(&store);
    tidy(&store);
    assert_int_equal(rig_flow(&store.rig, FLOW_spool_expire), 0);
    store.now.boot_ms += 1000;
    tidy(&store);
    assert_int_equal(rig_flow(&store.rig, FLOW_spool_expire), 5);
    assert_int_equal(fake_used(&store.fake), 0);
    close_store(&store);
}

static void
ages_go_on_after_a_reboot_and_a_step_of_the_clock_does_not_count_within_a_boot(void **unused)
{
    (void)unused;
    struct store store;
    struct batch *damaged = NULL;
    open_store(&store, MIB);
    assert_true(spill(&store, 5, 100));
    assert_true(spill(&store, 5, 100));
    store.now.real_ms += 3600000; /* the clock is set, no time passes */
    restart_store(&store);
    struct batch *batch = read_batch(&store, &damaged);
    assert_int_equal(batch->oldest_boot_ms, 1000000);
    finish_batch(&store, &batch, FLOW_spool_deliver);
    memcpy(store.config.boot, "next boot", 10);
    store.now.boot_ms = 500;
    restart_store(&store);
    batch = read_batch(&store, &damaged);
    assert_int_equal(batch->oldest_boot_ms, 500 - 3600000);
    finish_batch(&store, &batch, FLOW_spool_deliver);
    close_store(&store);
}

/* ---- damage ---- */

/* Every bit flipped, one after the other, in a spool of three batches: whatever it hits, the events
 * that are not delivered are in the books as corrupt, or were not found at all (crash_spool then).
 */
static void damage_is_counted_exactly_wherever_it_is(void **unused)
{
    (void)unused;
    struct store store;
    uint64_t corrupt_seen = 0, missed_seen = 0;
    open_store(&store, MIB);
    for (uint64_t n = 1; n <= 3; n++)
        assert_true(spill(&store, n, 40));
    stop_store(&store);
    AUTO(auto_free) char *whole = malloc(fake_first(&store.fake)->bytes);
    struct fake_file saved = *fake_first(&store.fake);
    assert_non_null(whole);
    memcpy(whole, saved.data, saved.bytes);
    fake_first(&store.fake)->name[0] = '\0';
    for (size_t at = 0; at < saved.bytes; at++) {
        struct fake_file *file = fake_find(&store.fake, "");
        (void)snprintf(file->name, FAKE_NAME, "%s", saved.name);
        file = fake_find(&store.fake, saved.name);
        file->bytes = 0;
        fake_put(file, whole, saved.bytes, 0);
        file->data[at] ^= 0x10;
        uint64_t carried = rig_flow(&store.rig, FLOW_carry);
        uint64_t corrupt = rig_flow(&store.rig, FLOW_spool_corrupt);
        start_store(&store);
        carried = rig_flow(&store.rig, FLOW_carry) - carried;
        uint64_t delivered = drain_store(&store);
        corrupt = rig_flow(&store.rig, FLOW_spool_corrupt) - corrupt;
        assert_int_equal(delivered + corrupt, carried);
        assert_true(carried <= 6 && delivered <= 6);
        corrupt_seen += corrupt > 0;
        missed_seen += carried < 6;
        if (at < 52) /* the head of the segment: it is left alone */
            assert_int_equal(store.scan.left_alone, 1);
        else
            assert_int_equal(fake_used(&store.fake), 0);
        stop_store(&store);
        for (int i = 0; i < FAKE_FILES; i++)
            store.fake.files[i].name[0] = '\0';
    }
    assert_in_range(corrupt_seen, 3 * 40, 3 * 40); /* the bodies */
    assert_true(missed_seen > 3 * 96);
    start_store(&store);
    close_store(&store);
}

static void a_damaged_head_in_a_sealed_segment_is_corrupt_by_its_sum(void **unused)
{
    (void)unused;
    for (int newest_first = 0; newest_first < 2; newest_first++) {
        struct store store;
        open_store(&store, MIB);
        for (uint64_t n = 1; n <= 9; n++)
            assert_true(spill(&store, n, 20000)); /* the first segment holds 1, 2 and 3 */
        stop_store(&store);
        struct fake_file *first = fake_first(&store.fake);
        struct slice record = { first->data + SPOOL_SEGMENT_HEAD, first->bytes };
        struct spool_record head;
        assert_int_equal(spool_read_record_head(record, &head, &(size_t){ 0 }), SPOOL_READ);
        first->data[SPOOL_SEGMENT_HEAD + spool_record_bytes(&head) + 40] ^= 1;
        store.config.newest_first = newest_first;
        start_store(&store);
        assert_int_equal(live_events(&store), 45);
        assert_int_equal(drain_store(&store), 43);
        assert_int_equal(rig_flow(&store.rig, FLOW_spool_corrupt), 2);
        assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_damaged), 1);
        assert_int_equal(fake_used(&store.fake), 0);
        close_store(&store);
    }
}

static void a_torn_tail_is_said_and_what_is_before_it_is_found(void **unused)
{
    (void)unused;
    struct store store;
    open_store(&store, MIB);
    for (uint64_t n = 1; n <= 3; n++)
        assert_true(spill(&store, n, 1000));
    size_t whole = fake_first(&store.fake)->bytes;
    for (size_t cut = 1; cut < 1000; cut += 7) {
        stop_store(&store);
        struct fake_file *file = fake_first(&store.fake);
        file->bytes = whole - cut;
        start_store(&store);
        assert_int_equal(live_events(&store), 3);
        assert_int_equal(store.scan.torn, 1);
        assert_int_equal(store.scan.damaged, 0);
    }
    assert_true(spill(&store, 4, 1000)); /* behind it, in a segment of its own */
    assert_int_equal(drain_store(&store), 7);
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_damaged), 0);
    assert_int_equal(fake_used(&store.fake), 0);
    close_store(&store);
}

static void files_that_are_not_ours_are_left_alone_and_their_names_not_taken(void **unused)
{
    (void)unused;
    static const char *const names[] = { "README", "0000000000000005.seg", "0000000000000009.seg",
                                         "00000000000000FF.seg" };
    struct store store;
    struct spool_segment_head head = { .id = 9 };
    unsigned char bytes[SPOOL_SEGMENT_HEAD];
    open_store(&store, MIB);
    spool_write_segment_head(&head, bytes);
    bytes[8] = 2; /* another version, its checksum with it */
    for (int i = 0; i < 4; i++) {
        int fd = fake_create(&store.fake.disk, names[i]);
        fake_put(&store.fake.files[fd], i == 2 ? (const char *)bytes : "hello", i == 2 ? 64 : 5, 0);
    }
    restart_store(&store);
    assert_int_equal(store.scan.left_alone, 4);
    assert_int_equal(store.scan.segments, 0);
    assert_true(store.scan.note[0] != '\0');
    assert_true(spill(&store, 1, 10));
    assert_non_null(fake_find(&store.fake, "000000000000000a.seg"));
    assert_int_equal(drain_store(&store), 1);
    for (int i = 0; i < 4; i++)
        assert_non_null(fake_find(&store.fake, names[i]));
    close_store(&store);
}

static void a_segment_that_was_taken_away_is_counted_as_corrupt(void **unused)
{
    (void)unused;
    struct store store;
    open_store(&store, MIB);
    for (int n = 0; n < 20; n++)
        assert_true(spill(&store, 1, 20000));
    restart_store(&store);
    fake_first(&store.fake)->name[0] = '\0'; /* of seven: its file is not open any more */
    assert_int_equal(drain_store(&store), 17);
    assert_int_equal(rig_flow(&store.rig, FLOW_spool_corrupt), 3);
    close_store(&store);
}

/* ---- a disk that fails ---- */

static void a_full_disk_is_memory_mode_said_once_and_tried_again(void **unused)
{
    (void)unused;
    struct store store;
    struct spool_news news;
    open_store(&store, MIB);
    assert_true(spill(&store, 1, 1000));
    store.fake.capacity = fake_used(&store.fake) + 500;
    restart_store(&store);
    for (int i = 0; i < 5; i++) {
        assert_false(spill(&store, 1, 1000));
        assert_int_equal(spool_take_news(store.spool, &news), i == 0);
        assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_state), 1);
        assert_false(spool_is_usable(store.spool, store.now.boot_ms));
        store.now.boot_ms = spool_due_ms(store.spool, store.now.boot_ms);
        assert_true(spool_is_usable(store.spool, store.now.boot_ms));
    }
    store.fake.capacity = MIB;
    assert_true(spill(&store, 1, 1000));
    assert_true(spool_take_news(store.spool, &news));
    assert_string_equal(news.msg, "spool works again");
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_state), 0);
    assert_int_equal(drain_store(&store), 2);
    close_store(&store);
}

/* Each call of a run of writes, reads and marks fails once: nothing is lost but by its count, and
 * nothing is there twice but what a mark failed for. */
static void any_one_call_may_fail(void **unused)
{
    (void)unused;
    for (uint64_t call = 1;; call++) {
        struct store store;
        uint64_t written = 0;
        open_store(&store, MIB);
        store.config.fsync = SPOOL_FSYNC_ALWAYS;
        restart_store(&store);
        uint64_t before = store.fake.calls;
        store.fake.fail_at = before + call;
        store.fake.fail_count = 1;
        for (uint64_t n = 1; n <= 8; n++) {
            if (spill(&store, n, 20000))
                written += n;
            store.now.boot_ms += 20000;
        }
        uint64_t read = drain_store(&store);
        store.now.boot_ms += 20000;
        read += drain_store(&store);
        tidy(&store);
        assert_int_equal(read + rig_flow(&store.rig, FLOW_spool_corrupt), written);
        assert_int_equal(rig_stock(&store.rig, ACCOUNT_spool), 0);
        bool is_over = store.fake.calls < before + call;
        close_store(&store);
        if (is_over)
            break;
        assert_true(call < 1000);
    }
}

static void the_policy_says_when_it_is_synced(void **unused)
{
    (void)unused;
    struct store store;
    struct spool_job job;
    open_store(&store, MIB);
    assert_true(spill(&store, 1, 1000));
    assert_false(spool_plan_sync(store.spool, INT64_MAX, true, &job)); /* never */
    assert_true(numbers_get(store.rig.numbers, NUMBER_spool_unsynced_bytes) > 1000);
    assert_int_equal(drain_store(&store), 1);
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_unsynced_bytes), 0);
    store.config.fsync = SPOOL_FSYNC_INTERVAL;
    store.config.fsync_interval_ms = 1000;
    restart_store(&store);
    assert_true(spill(&store, 1, 1000));
    assert_false(spool_plan_sync(store.spool, store.now.boot_ms + 999, false, &job));
    assert_true(spool_plan_sync(store.spool, store.now.boot_ms + 1000, false, &job));
    do_job(&store, &job);
    assert_true(spool_synced(store.spool, &job, &store.result, store.now.boot_ms));
    assert_int_equal(store.fake.syncs, 1);
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_unsynced_bytes), 0);
    assert_int_equal(drain_store(&store), 1);
    store.config.fsync = SPOOL_FSYNC_ALWAYS;
    restart_store(&store);
    assert_true(spill(&store, 1, 1000));
    assert_int_equal(store.fake.syncs, 2);
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_unsynced_bytes), 0);
    close_store(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_oldest_first_with_the_same_key_and_body),
        cmocka_unit_test(the_next_start_finds_what_is_not_done),
        cmocka_unit_test(newest_first_reads_backward_across_a_restart),
        cmocka_unit_test(a_full_spool_gives_up_its_oldest_and_stays_within_its_bound),
        cmocka_unit_test(a_segment_with_a_batch_that_is_being_sent_is_not_evicted),
        cmocka_unit_test(what_is_to_stay_free_on_the_disk_bounds_it_too),
        cmocka_unit_test(the_age_of_the_oldest_is_known_after_a_restart_and_after_a_reboot),
        cmocka_unit_test(within_a_segment_the_oldest_is_the_next_to_be_read),
        cmocka_unit_test(a_segment_of_records_that_are_all_too_old_is_expired_unread),
        cmocka_unit_test(
            ages_go_on_after_a_reboot_and_a_step_of_the_clock_does_not_count_within_a_boot),
        cmocka_unit_test(damage_is_counted_exactly_wherever_it_is),
        cmocka_unit_test(a_damaged_head_in_a_sealed_segment_is_corrupt_by_its_sum),
        cmocka_unit_test(a_torn_tail_is_said_and_what_is_before_it_is_found),
        cmocka_unit_test(files_that_are_not_ours_are_left_alone_and_their_names_not_taken),
        cmocka_unit_test(a_segment_that_was_taken_away_is_counted_as_corrupt),
        cmocka_unit_test(a_full_disk_is_memory_mode_said_once_and_tried_again),
        cmocka_unit_test(any_one_call_may_fail),
        cmocka_unit_test(the_policy_says_when_it_is_synced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
