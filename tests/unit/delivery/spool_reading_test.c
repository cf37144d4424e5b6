/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back from the disk: the batch that was sealed, and whose events were in it. */
#include "delivery/spool_segment.h"
#include "delivery/stand.h"

static const char sealed[] = "sealed bytes, sent as they are";

/* Of two lanes, in three runs: 3 and 6 events of the one around 5 of the other. */
static void spill_mixed(struct store *store)
{
    struct batch *batch = rig_empty_batch(&store->rig, sealed);

    rig_add_run(&store->rig, batch, 0, NULL, 3);
    rig_add_run(&store->rig, batch, 2, NULL, 5);
    rig_add_run(&store->rig, batch, 0, NULL, 6);
    batch->raw_bytes = 12345;
    batch->encoding = ENCODE_JSON_ARRAY;
    batch->compression = COMPRESS_GZIP;
    batch->oldest_boot_ms = store->now.boot_ms;
    assert_true(write_batch(store, batch));
    for (size_t i = 0; i < batch->run_count; i++)
        ledger_move(batch->runs[i].books, FLOW_spill, batch->runs[i].events, batch->runs[i].bytes);
    batch_free(&batch);
}

static void seal_segment(struct store *store)
{
    struct spool_job job;

    assert_true(spool_plan_close(store->spool, &store->now, &job));
    do_job(store, &job);
    spool_sealed(store->spool, &job, &store->result, store->now.boot_ms);
}

static uint64_t of_lane(const struct store *store, int lane, enum flow flow)
{
    return ledger_flow(store->rig.lanes[lane], flow).events;
}

static void a_batch_comes_back_as_it_was_sealed_with_the_runs_of_its_lanes(void **unused)
{
    (void)unused;
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        struct store store;
        struct batch *damaged = NULL;
        open_store(&store, MIB);
        spill_mixed(&store);
        if (is_sealed)
            seal_segment(&store);
        restart_store(&store);
        assert_int_equal(store.scan.walked, !is_sealed);
        assert_int_equal(of_lane(&store, 0, FLOW_carry), 9);
        assert_int_equal(of_lane(&store, 2, FLOW_carry), 5);
        struct batch *batch = read_batch(&store, &damaged);
        assert_non_null(batch);
        assert_int_equal(batch->body_bytes, sizeof(sealed) - 1);
        assert_memory_equal(batch->body, sealed, sizeof(sealed) - 1);
        assert_string_equal(batch->key, "agent-start-1");
        assert_int_equal(batch->sequence, 1);
        assert_int_equal(batch->encoding, ENCODE_JSON_ARRAY);
        assert_int_equal(batch->compression, COMPRESS_GZIP);
        assert_int_equal(batch->raw_bytes, 12345);
        assert_int_equal(batch->events, 14);
        assert_int_equal(batch->bytes, 140);
        assert_int_equal(batch->run_count, 3);
        assert_ptr_equal(batch->runs[1].books, store.rig.lanes[2]);
        assert_int_equal(batch->runs[1].events, 5);
        assert_ptr_equal(batch->runs[2].books, store.rig.lanes[0]);
        assert_int_equal(batch->runs[2].events, 6);
        finish_batch(&store, &batch, FLOW_spool_deliver);
        assert_int_equal(live_events(&store), 0);
        close_store(&store);
    }
}

static uint64_t live_of(const struct store *store, int lane)
{
    struct spool_index *index = spool_index_of(store->spool);

    return spool_index_live(index, spool_index_lane_of(index, store->rig.lanes[lane])).events;
}

static void what_is_done_leaves_what_others_have_in_its_segment(void **unused)
{
    (void)unused;
    struct store store;
    struct batch *damaged = NULL;
    open_store(&store, MIB);
    assert_true(spill(&store, 1, 100)); /* of lane 0, as is the last */
    spill_mixed(&store);
    assert_true(spill(&store, 7, 100));
    static const uint64_t left[][2] = { { 16, 5 }, { 7, 0 }, { 0, 0 } };
    for (size_t i = 0; i < 3; i++) {
        struct batch *batch = read_batch(&store, &damaged);
        assert_non_null(batch);
        finish_batch(&store, &batch, FLOW_spool_deliver);
        assert_int_equal(live_of(&store, 0), left[i][0]);
        assert_int_equal(live_of(&store, 2), left[i][1]);
    }
    close_store(&store);
}

/* The sealed bytes of the one record on disk are not what they were. */
static void damage_body(struct store *store)
{
    struct fake_file *file = fake_first(&store->fake);
    char *body = memmem(file->data, file->bytes, sealed, sizeof(sealed) - 1);

    assert_non_null(body);
    body[7] ^= 0x20;
}

static void a_damaged_body_is_counted_to_each_lane_by_its_head(void **unused)
{
    (void)unused;
    struct store store;
    open_store(&store, MIB);
    spill_mixed(&store);
    damage_body(&store);
    restart_store(&store);
    assert_int_equal(drain_store(&store), 0);
    assert_int_equal(of_lane(&store, 0, FLOW_spool_corrupt), 9);
    assert_int_equal(of_lane(&store, 2, FLOW_spool_corrupt), 5);
    assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_damaged), 1);
    assert_int_equal(fake_used(&store.fake), 0);
    close_store(&store);
}

/* The disk fails for the head, or only for the body behind it. */
static void a_segment_that_cannot_be_read_is_said_once_and_read_when_it_can_be(void **unused)
{
    (void)unused;
    for (unsigned good_reads = 0; good_reads < 2; good_reads++) {
        struct store store;
        struct batch *damaged = NULL;
        struct spool_news news;
        open_store(&store, MIB);
        assert_true(spill(&store, 7, 20000));
        restart_store(&store);
        spool_forget_window(store.files); /* the scan read ahead */
        uint64_t errors = 0;
        for (int i = 0; i < 4; i++) {
            store.fake.fail_at = store.fake.calls + 1; /* it is open, and a good head was kept */
            if (i == 0)
                store.fake.fail_at += good_reads;
            store.fake.fail_count = 100;
            assert_null(read_batch(&store, &damaged));
            assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_errors), ++errors);
            assert_int_equal(spool_take_news(store.spool, &news), i == 0);
            int64_t due_ms = spool_due_ms(store.spool, store.now.boot_ms);
            assert_in_range(due_ms - store.now.boot_ms, 1000, 60000);
            store.now.boot_ms = due_ms;
        }
        assert_int_equal(news.error, EIO);
        store.fake.fail_at = 0;
        struct batch *batch = read_batch(&store, &damaged);
        assert_non_null(batch);
        assert_true(spool_take_news(store.spool, &news));
        assert_string_equal(news.msg, "spool reads a segment again");
        finish_batch(&store, &batch, FLOW_spool_deliver);
        close_store(&store);
    }
}

static bool is_there(struct store *store, const char *name)
{
    return fake_find(&store->fake, name) != NULL;
}

static struct batch *read_with(struct store *store, bool reads_fail)
{
    struct batch *damaged = NULL;

    spool_forget_window(store->files);
    store->fake.fail_at = reads_fail ? store->fake.calls + 1 : 0;
    store->fake.fail_count = 100;
    struct batch *batch = read_batch(store, &damaged);
    store->fake.fail_at = 0;
    return batch;
}

static void what_comes_is_not_put_behind_what_cannot_be_read(void **unused)
{
    (void)unused;
    struct store store;
    open_store(&store, MIB);
    assert_true(spill(&store, 1, 1000));
    assert_null(read_with(&store, true));
    assert_true(spill(&store, 2, 1000));
    assert_true(is_there(&store, "0000000000000002.seg"));
    struct batch *batch = read_with(&store, false); /* the first one waits */
    assert_non_null(batch);
    assert_int_equal(batch->events, 2);
    finish_batch(&store, &batch, FLOW_spool_deliver);
    assert_true(spill(&store, 3, 1000));
    assert_null(read_with(&store, true)); /* but not a segment for each batch */
    assert_true(spill(&store, 4, 1000));
    assert_false(is_there(&store, "0000000000000003.seg"));
    store.now.boot_ms += 20000;
    assert_int_equal(drain_store(&store), 1 + 3 + 4);
    close_store(&store);
}

static void one_that_cannot_be_removed_is_said_once_and_removed_when_it_can_be(void **unused)
{
    (void)unused;
    struct store store;
    struct spool_news news;
    open_store(&store, MIB);
    assert_true(spill(&store, 7, 20000));
    assert_int_equal(drain_store(&store), 7);
    assert_true(spill(&store, 7, 20000));
    for (int i = 0; i < 4; i++) {
        struct batch *damaged = NULL, *batch = read_batch(&store, &damaged);
        if (batch != NULL)
            finish_batch(&store, &batch, FLOW_spool_deliver);
        store.fake.fail_at = store.fake.calls + 1;
        store.fake.fail_count = 100;
        tidy(&store);
        assert_int_equal(numbers_get(store.rig.numbers, NUMBER_spool_errors), i + 1);
        assert_int_equal(spool_take_news(store.spool, &news), i == 0);
        store.now.boot_ms = spool_due_ms(store.spool, store.now.boot_ms);
        store.fake.fail_at = 0;
    }
    tidy(&store);
    assert_int_equal(fake_used(&store.fake), 0);
    close_store(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_comes_back_as_it_was_sealed_with_the_runs_of_its_lanes),
        cmocka_unit_test(what_is_done_leaves_what_others_have_in_its_segment),
        cmocka_unit_test(a_segment_that_cannot_be_read_is_said_once_and_read_when_it_can_be),
        cmocka_unit_test(what_comes_is_not_put_behind_what_cannot_be_read),
        cmocka_unit_test(one_that_cannot_be_removed_is_said_once_and_removed_when_it_can_be),
        cmocka_unit_test(a_damaged_body_is_counted_to_each_lane_by_its_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
