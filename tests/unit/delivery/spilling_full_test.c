/* SPDX-License-Identifier: Apache-2.0 */
/* A full spool, and what is in hand of it. */
#include "base/auto.h"
#include "delivery/stand.h"

/* ---- what a crash would find in hand ---- */

static void the_books_say_what_is_in_hand_before_it_is_read(void **unused)
{
    (void)unused;
    struct stand stand;
    struct spool_job job = { .kind = SPOOL_LOOK };
    int64_t due_ms;
    struct numbers *numbers;
    open_stand(&stand, &defaults);
    numbers = stand.store.rig.numbers;
    break_endpoint(&stand);
    while (delivery_spool_job(stand.delivery, &stand.store.now, stand.now_ms, &job, &due_ms) &&
           job.kind != SPOOL_LOAD) {
        assert_int_equal(numbers_get(numbers, NUMBER_spool_in_hand), 0);
        do_job(&stand.store, &job);
        delivery_spool_done(stand.delivery, &job, &stand.store.result, &stand.store.now,
                            stand.now_ms);
    }
    assert_int_equal(job.kind, SPOOL_LOAD);
    assert_int_equal(numbers_get(numbers, NUMBER_spool_in_hand), 1);
    do_job(&stand.store, &job);
    delivery_spool_done(stand.delivery, &job, &stand.store.result, &stand.store.now, stand.now_ms);
    assert_int_equal(numbers_get(numbers, NUMBER_spool_in_hand), 1);
    stand.now_ms += 100000;
    settle(&stand, send_next(&stand), VERDICT_SENT);
    assert_int_equal(numbers_get(numbers, NUMBER_spool_in_hand), 1); /* not marked on disk */
    (void)run_spool(&stand);
    assert_int_equal(numbers_get(numbers, NUMBER_spool_in_hand), 0);
    close_stand(&stand);
}

/* ---- a full spool whose inputs can wait ---- */

static void put_large(struct stand *stand)
{
    static char body[20001];
    struct batch *batch;

    memset(body, 'x', sizeof(body) - 1);
    batch = rig_empty_batch(&stand->store.rig, body);
    rig_add_run(&stand->store.rig, batch, 0, NULL, 1);
    batch->oldest_boot_ms = stand->now_ms;
    assert_true(delivery_reserve(stand->delivery, 0, batch->body_bytes, &batch->permit));
    delivery_put(stand->delivery, &batch, stand->now_ms);
}

/* The endpoint is away, and batches of `bytes` came until no more are wanted; returns how many. */
static unsigned fill_spool(struct stand *stand, size_t bytes)
{
    AUTO(auto_free) char *body = malloc(bytes + 1);
    unsigned count = 0;

    assert_non_null(body);
    memset(body, 'x', bytes);
    body[bytes] = '\0';
    break_endpoint(stand);
    for (;;) {
        struct permit permit;
        (void)run_spool(stand);
        if (count == 200 || !delivery_wants_batches(stand->delivery, stand->now_ms) ||
            !delivery_reserve(stand->delivery, 0, bytes, &permit))
            return count;
        struct batch *batch = rig_empty_batch(&stand->store.rig, body);
        rig_add_run(&stand->store.rig, batch, 0, NULL, 1);
        batch->oldest_boot_ms = stand->now_ms;
        batch->permit = permit;
        delivery_put(stand->delivery, &batch, stand->now_ms);
        count++;
    }
}

static void open_waiting(struct stand *stand, bool waits)
{
    static struct delivery_config config;

    config = defaults;
    config.concurrency_max = 1;
    config.memory_bytes = 200000;
    *stand = (struct stand){ .now_ms = 1000000 };
    open_store(&stand->store, MIB);
    stand->store.config.waits_when_full = waits;
    restart_store(&stand->store);
    start_stand(stand, &config);
}

static void a_full_spool_evicts_nothing_for_what_can_wait_and_keeps_the_order(void **unused)
{
    (void)unused;
    struct stand stand;
    open_waiting(&stand, true);
    unsigned count = fill_spool(&stand, 20000);
    assert_in_range(count, 40, 60); /* of the MiB */
    for (int i = 0; i < 6; i++)     /* sealed before: the last of them wait in memory */
        put_large(&stand);
    put_with(&stand, 1, NULL); /* there is room for this one, but it is newer */
    for (int i = 0; i < 5; i++) {
        stand.now_ms += 2000; /* so that it looks at the disk again */
        (void)run_spool(&stand);
    }
    assert_int_equal(flow(&stand, FLOW_spool_evict), 0);
    assert_true(fake_used(&stand.store.fake) <= MIB);
    for (uint64_t sequence = 1; sequence <= count + 8; sequence++) {
        stand.now_ms += 100000;
        (void)run_spool(&stand);
        struct batch *batch = send_next(&stand);
        assert_int_equal(batch->sequence, sequence);
        settle(&stand, batch, VERDICT_SENT);
    }
    (void)run_spool(&stand);
    assert_true(delivery_is_empty(stand.delivery));
    assert_int_equal(fake_used(&stand.store.fake), 0);
    close_stand(&stand);
}

/* Waiting batches hold all of the memory: what is read back goes over it, one at a time. */
static void batches_that_wait_with_all_of_the_memory_are_no_deadlock(void **unused)
{
    (void)unused;
    struct stand stand;
    struct permit permit;
    open_waiting(&stand, true);
    unsigned count = fill_spool(&stand, 20000), more = 0;
    uint64_t held = delivery_share(stand.delivery)->used_bytes;
    while (delivery_reserve(stand.delivery, 0, 20000, &permit)) {
        struct batch *batch = rig_empty_batch(&stand.store.rig, "hello");
        rig_add_run(&stand.store.rig, batch, 0, NULL, 1);
        batch->oldest_boot_ms = stand.now_ms;
        batch->permit = permit;
        delivery_put(stand.delivery, &batch, stand.now_ms);
        more++;
    }
    assert_true(more * 20000 + held > 180000);
    for (unsigned sent = 0; sent <= count + more; sent++) {
        stand.now_ms += 100000;
        (void)run_spool(&stand);
        settle(&stand, send_next(&stand), VERDICT_SENT);
    }
    (void)run_spool(&stand);
    assert_true(delivery_is_empty(stand.delivery));
    assert_int_equal(flow(&stand, FLOW_spool_evict), 0);
    close_stand(&stand);
}

static void where_not_all_can_wait_a_full_spool_gives_up_its_oldest(void **unused)
{
    (void)unused;
    struct stand stand;
    open_waiting(&stand, false);
    assert_int_equal(fill_spool(&stand, 20000), 200);
    assert_true(flow(&stand, FLOW_spool_evict) > 100);
    close_stand(&stand);
}

/* Others fill the disk and free it again: then it goes on without a restart. */
static void a_disk_that_others_freed_again_is_used_again(void **unused)
{
    (void)unused;
    struct stand stand;
    open_waiting(&stand, true);
    stop_store(&stand.store);
    stand.store.config.min_free_bytes = MIB;
    start_store(&stand.store);
    delivery_free(&stand.delivery);
    struct delivery_config config = defaults;
    start_stand(&stand, &config);
    break_endpoint(&stand);
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spill), 1);
    stand.store.fake.capacity = MIB;
    stand.now_ms += 2000;
    put_with(&stand, 1, NULL);
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spill), 1);
    assert_int_equal(flow(&stand, FLOW_spool_evict), 0);
    stand.store.fake.capacity = UINT64_C(1) << 40;
    stand.now_ms += 2000;
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spill), 2);
    close_stand(&stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_books_say_what_is_in_hand_before_it_is_read),
        cmocka_unit_test(a_full_spool_evicts_nothing_for_what_can_wait_and_keeps_the_order),
        cmocka_unit_test(batches_that_wait_with_all_of_the_memory_are_no_deadlock),
        cmocka_unit_test(where_not_all_can_wait_a_full_spool_gives_up_its_oldest),
        cmocka_unit_test(a_disk_that_others_freed_again_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
