/* SPDX-License-Identifier: Apache-2.0 */
/* A spool in seldom states: a disk that cannot tell what is free, options that change while it is
 * read, lanes that share their books. */
#include "delivery/store.h"

#include <errno.h>

enum { MIB = 1024 * 1024 };

static void where_it_cannot_be_told_what_is_free_nothing_is_evicted_for_it(void **unused)
{
    (void)unused;
    struct store store;
    struct spool_news news = { .msg = NULL };
    open_store(&store, 100 * MIB);
    store.config.min_free_bytes = MIB;
    store.fake.fails_free = true;
    restart_store(&store);
    for (uint64_t n = 1; n <= 300; n++) {
        assert_true(spill(&store, 1, 10000));
        store.now.boot_ms += 1000;
        store.now.real_ms += 1000;
        assert_int_equal(spool_take_news(store.spool, &news), n == 1);
    }
    assert_string_equal(news.what, "statvfs");
    assert_int_equal(rig_flow(&store.rig, FLOW_spool_evict), 0);
    assert_int_equal(drain_store(&store), 300);
    close_store(&store);
}

static void a_disk_that_fails_is_counted_and_tried_after_rests_that_grow_to_a_minute(void **unused)
{
    (void)unused;
    static const int64_t rests_s[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
    struct store store;
    open_store(&store, MIB);
    for (int outage = 0; outage < 2; outage++) { /* the second begins anew */
        uint64_t errors = numbers_get(store.rig.numbers, NUMBER_spool_errors);
        store.fake.capacity = fake_used(&store.fake) + 500;
        store.now.boot_ms += 2000;
        for (size_t i = 0; i < sizeof(rests_s) / sizeof(rests_s[0]); i++) {
            assert_false(spill(&store, 1, 1000));
            assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_errors), errors + i + 1);
            int64_t due_ms = spool_due_ms(store.spool, store.now.boot_ms);
            assert_int_equal(due_ms - store.now.boot_ms, 1000 * rests_s[i]);
            store.now.boot_ms = due_ms;
        }
        store.fake.capacity = MIB;
        assert_true(spill(&store, 1, 1000));
    }
    assert_int_equal(drain_store(&store), 2);
    close_store(&store);
}

/* They need what is to stay free: the oldest make room, more than for the batch that comes. */
static void what_others_take_of_the_disk_the_spool_gives_back(void **unused)
{
    (void)unused;
    struct store store;
    open_store(&store, 100 * MIB);
    store.config.min_free_bytes = MIB;
    store.fake.capacity = 3 * MIB;
    restart_store(&store);
    for (int n = 0; n < 150; n++)
        assert_true(spill(&store, 1, 10000));
    assert_int_equal(rig_flow(&store.rig, FLOW_spool_evict), 0);
    store.fake.capacity = 2 * MIB;
    store.now.boot_ms += 2000; /* so that it looks at the disk again */
    assert_true(spill(&store, 1, 10000));
    assert_true(fake_used(&store.fake) <= MIB);
    assert_in_range(rig_flow(&store.rig, FLOW_spool_evict), 45, 90);
    assert_int_equal(drain_store(&store), 151 - rig_flow(&store.rig, FLOW_spool_evict));
    close_store(&store);
}

/* Of a spool that may be large, on a disk that has little room: also while its oldest is sent. */
static void where_less_is_free_than_it_may_have_the_oldest_still_make_room(void **unused)
{
    (void)unused;
    struct store store;
    struct batch *damaged = NULL;
    open_store(&store, 100 * MIB);
    store.config.min_free_bytes = MIB;
    store.fake.capacity = 2 * MIB;
    restart_store(&store);
    assert_true(spill(&store, 7, 10000));
    struct batch *sent = read_batch(&store, &damaged);
    assert_non_null(sent);
    for (int n = 0; n < 300; n++) {
        assert_true(spill(&store, 1, 10000));
        assert_true(fake_used(&store.fake) <= MIB);
    }
    assert_in_range(rig_flow(&store.rig, FLOW_spool_evict), 190, 260);
    finish_batch(&store, &sent, FLOW_spool_deliver);
    assert_int_equal(drain_store(&store), 300 - rig_flow(&store.rig, FLOW_spool_evict));
    close_store(&store);
}

/* At every place between two jobs of reading. */
static void newest_first_may_be_turned_off_and_on_while_it_is_read(void **unused)
{
    (void)unused;
    for (unsigned turn_at = 0; turn_at < 12; turn_at++) {
        for (int was = 0; was < 2; was++) {
            struct store store;
            struct spool_job job;
            uint64_t body_bytes;
            open_store(&store, MIB);
            store.config.newest_first = was;
            restart_store(&store);
            for (uint64_t n = 1; n <= 5; n++)
                assert_true(spill(&store, n, 1000));
            for (unsigned i = 0; i < turn_at; i++) {
                if (!spool_plan_read(store.spool, &store.now, store.now.boot_ms, &job, &body_bytes))
                    break;
                if (i + 1 == turn_at) {
                    store.config.newest_first = !was;
                    spool_change(store.spool, &store.config);
                }
                struct batch *batch = do_read_job(&store, &job);
                if (batch != NULL)
                    finish_batch(&store, &batch, FLOW_spool_deliver);
            }
            (void)drain_store(&store);
            assert_int_equal(rig_flow(&store.rig, FLOW_spool_deliver), 15);
            close_store(&store);
        }
    }
}

/* An input whose books are full of others has its events in those of the first lane. */
static void lanes_that_share_books_keep_their_names(void **unused)
{
    (void)unused;
    struct store store;
    open_store(&store, MIB);
    struct spool_index *index = spool_index_of(store.spool);
    unsigned other = spool_index_lane(index, slice_of("of before"));
    index->lanes[other].books = store.rig.lanes[0];
    assert_int_not_equal(spool_index_lane_of(index, store.rig.lanes[0]), other);
    assert_true(spill(&store, 7, 1000));
    assert_int_equal(drain_store(&store), 7);
    close_store(&store);
}

/* Else newer batches would overtake it, and an output of one request at a time promises the order.
 */
static void without_memory_nothing_is_passed_over(void **unused)
{
    (void)unused;
    struct store store;
    struct spool_job job;
    uint64_t body_bytes;
    open_store(&store, MIB);
    assert_true(spill(&store, 1, 1000));
    assert_true(spool_plan_read(store.spool, &store.now, store.now.boot_ms, &job, &body_bytes));
    assert_int_equal(job.kind, SPOOL_PEEK);
    (void)do_read_job(&store, &job);
    assert_true(spool_plan_read(store.spool, &store.now, store.now.boot_ms, &job, &body_bytes));
    assert_int_equal(job.kind, SPOOL_LOAD);
    store.result.error = ENOMEM;
    assert_null(spool_loaded(store.spool, &job, &store.result, &store.now, store.now.boot_ms));
    assert_true(spool_may_read(store.spool, store.now.boot_ms)); /* so what is newer waits */
    assert_false(spool_plan_read(store.spool, &store.now, store.now.boot_ms, &job, &body_bytes));
    int64_t due_ms = spool_due_ms(store.spool, store.now.boot_ms);
    assert_true(due_ms > store.now.boot_ms && due_ms <= store.now.boot_ms + 1000);
    store.now.boot_ms = due_ms;
    assert_int_equal(drain_store(&store), 1);
    close_store(&store);
}

/* As start_store(), by a reload: the books go on. */
static void take_over_again(struct store *store)
{
    struct spool_disk *disk = &store->fake.disk;

    stop_store(store);
    store->spool = spool_new(&store->config);
    store->files = spool_files_new(&disk);
    assert_true(store->spool != NULL && store->files != NULL);
    spool_files_scan(store->files, store->spool, store->config.boot, &store->now, &store->scan);
    struct spool_index *index = spool_index_of(store->spool);
    unsigned lane = spool_index_lane(index, slice_of(ledger_input_name(store->rig.lanes[0])));
    index->lanes[lane].books = store->rig.lanes[0];
    spool_carry_again(store->spool, store->rig.numbers);
}

static void the_books_follow_what_happened_to_a_spool_that_was_away(void **unused)
{
    (void)unused;
    struct store store;
    char name[FAKE_NAME];
    open_store(&store, MIB);
    for (uint64_t n = 1; n <= 3; n++)
        assert_true(spill(&store, n, 1000));
    take_over_again(&store);
    assert_int_equal(rig_stock(&store.rig, ACCOUNT_spool), 6);
    assert_int_equal(rig_flow(&store.rig, FLOW_carry), 0);

    struct fake_file *file = fake_first(&store.fake);
    memcpy(name, file->name, FAKE_NAME);
    (void)snprintf(file->name, FAKE_NAME, "elsewhere");
    take_over_again(&store);
    assert_int_equal(rig_stock(&store.rig, ACCOUNT_spool), 0);
    assert_int_equal(rig_flow(&store.rig, FLOW_spool_corrupt), 6);

    memcpy(file->name, name, FAKE_NAME); /* somebody put it back */
    take_over_again(&store);
    assert_int_equal(rig_stock(&store.rig, ACCOUNT_spool), 6);
    assert_int_equal(rig_flow(&store.rig, FLOW_carry), 6);
    assert_int_equal(drain_store(&store), 6);
    assert_int_equal(rig_stock(&store.rig, ACCOUNT_spool), 0);
    close_store(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_cannot_be_told_what_is_free_nothing_is_evicted_for_it),
        cmocka_unit_test(where_less_is_free_than_it_may_have_the_oldest_still_make_room),
        cmocka_unit_test(what_others_take_of_the_disk_the_spool_gives_back),
        cmocka_unit_test(a_disk_that_fails_is_counted_and_tried_after_rests_that_grow_to_a_minute),
        cmocka_unit_test(newest_first_may_be_turned_off_and_on_while_it_is_read),
        cmocka_unit_test(lanes_that_share_books_keep_their_names),
        cmocka_unit_test(without_memory_nothing_is_passed_over),
        cmocka_unit_test(the_books_follow_what_happened_to_a_spool_that_was_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
