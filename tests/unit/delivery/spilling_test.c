/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery/stand.h"

/* ---- to disk and back ---- */

static void nothing_goes_to_disk_while_the_endpoint_answers(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    for (int i = 0; i < 20; i++) {
        put_with(&stand, 5, NULL);
        assert_int_equal(run_spool(&stand), 0);
        settle(&stand, send_next(&stand), VERDICT_SENT);
    }
    assert_int_equal(stand.store.fake.writes, 0);
    close_stand(&stand);
}

static void
all_that_is_ready_goes_to_disk_when_the_endpoint_is_away_and_workers_go_on(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    break_endpoint(&stand);
    for (int i = 0; i < 20; i++) {
        assert_true(delivery_wants_batches(stand.delivery, stand.now_ms));
        put_with(&stand, 5, NULL);
    }
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spill), 101);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 101);
    assert_int_equal(stock(&stand, ACCOUNT_ready), 0);
    /* A few are read back, to take turns at the probe; no more of the share is in use. */
    assert_int_equal(delivery_share(stand.delivery)->used_bytes, 4 * 17);
    close_stand(&stand);
}

static uint64_t told_age(struct stand *stand)
{
    delivery_tell_age(stand->delivery, stand->now_ms);
    return numbers_get(stand->store.rig.numbers, NUMBER_spool_oldest_seconds);
}

static void what_is_being_sent_from_disk_is_as_old_as_it_was_there(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.concurrency_max = 1;
    open_stand(&stand, &config);
    assert_int_equal(told_age(&stand), 0);
    break_endpoint(&stand);
    (void)run_spool(&stand);
    stand.now_ms += 100000;
    put_with(&stand, 5, NULL);
    (void)run_spool(&stand);
    assert_int_equal(told_age(&stand), 100);
    struct batch *first = send_next(&stand);
    assert_int_equal(told_age(&stand), 100);
    settle(&stand, first, VERDICT_SENT);
    (void)run_spool(&stand);
    stand.now_ms += 3000;
    assert_int_equal(told_age(&stand), 3);
    settle(&stand, send_next(&stand), VERDICT_SENT);
    (void)run_spool(&stand);
    assert_int_equal(told_age(&stand), 0);
    close_stand(&stand);
}

static void after_the_outage_the_oldest_goes_first_and_new_ones_behind(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.concurrency_max = 1;
    open_stand(&stand, &config);
    break_endpoint(&stand);
    for (int i = 0; i < 5; i++)
        put_with(&stand, 5, NULL);
    (void)run_spool(&stand);
    stand.now_ms += 100000;
    for (uint64_t sequence = 1; sequence <= 9; sequence++) {
        (void)run_spool(&stand);
        struct batch *batch = send_next(&stand);
        assert_int_equal(batch->sequence, sequence);
        assert_int_equal(batch->pin != NULL, sequence <= 6);
        settle(&stand, batch, VERDICT_SENT);
        if (sequence <= 3)
            put_with(&stand, 7, NULL);
    }
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spool_deliver), 26);
    assert_int_equal(flow(&stand, FLOW_deliver), 21);
    assert_int_equal(fake_used(&stand.store.fake), 0);
    assert_true(delivery_is_empty(stand.delivery));
    close_stand(&stand);
}

static void what_comes_back_from_a_failed_request_is_written_before_what_is_newer(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.concurrency_max = 1;
    config.memory_bytes = 100;
    open_stand(&stand, &config);
    put_with(&stand, 1, NULL);
    struct batch *first = send_next(&stand);
    for (int i = 0; i < 4; i++)
        put_with(&stand, 1, NULL);
    struct permit permit;
    assert_false(delivery_reserve(stand.delivery, 0, 40, &permit)); /* the share is used up */
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spill), 0); /* the first is out and may come back */
    settle(&stand, first, VERDICT_HOLD);
    (void)run_spool(&stand);
    stand.now_ms += 100000;
    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        (void)run_spool(&stand);
        struct batch *batch = send_next(&stand);
        assert_int_equal(batch->sequence, sequence);
        settle(&stand, batch, VERDICT_SENT);
    }
    (void)run_spool(&stand);
    close_stand(&stand);
}

static void a_share_that_is_used_up_sends_its_oldest_to_disk(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.memory_bytes = 170;
    struct permit permit = { 0 };
    open_stand(&stand, &config);
    for (int i = 0; i < 10; i++)
        put_with(&stand, 1, NULL);
    struct batch *slow = send_next(&stand);
    assert_false(delivery_reserve(stand.delivery, 0, 17, &permit));
    (void)run_spool(&stand);
    assert_in_range(flow(&stand, FLOW_spill), 3, 3); /* a quarter of the share */
    for (int i = 0; i < 3 && !delivery_reserve(stand.delivery, 0, 17, &permit); i++)
        (void)run_spool(&stand); /* the oldest were read back at once: only so many are */
    assert_int_equal(permit.bytes, 17);
    delivery_unreserve(stand.delivery, &permit);
    settle(&stand, slow, VERDICT_SENT);
    close_stand(&stand);
}

static void memory_for_what_is_read_back_is_at_most_half_of_the_share(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.memory_bytes = 170;
    config.concurrency_min = 32;
    config.concurrency_max = 32;
    open_stand(&stand, &config);
    break_endpoint(&stand);
    for (int i = 0; i < 30; i++) {
        put_with(&stand, 1, NULL);
        (void)run_spool(&stand);
    }
    stand.now_ms += 100000;
    settle(&stand, send_next(&stand), VERDICT_SENT); /* the probe */
    (void)run_spool(&stand);
    assert_int_equal(delivery_share(stand.delivery)->used_bytes, 5 * 17);
    close_stand(&stand);
}

/* ---- the ends of a batch from disk ---- */

static struct batch *probe_from_disk(struct stand *stand, uint64_t events)
{
    settle(stand, (put_with(stand, 1, NULL), send_next(stand)), VERDICT_SENT);
    break_endpoint(stand);
    put_with(stand, events, NULL);
    (void)run_spool(stand);
    stand->now_ms += 100000;
    settle(stand, send_next(stand), VERDICT_SENT);
    (void)run_spool(stand);
    struct batch *batch = send_next(stand);
    assert_int_equal(batch->events, events);
    assert_non_null(batch->pin);
    return batch;
}

/* The endpoint finds it too large. */
static void split_in_two(struct stand *stand, struct batch *batch)
{
    struct batch *halves[2];

    settle(stand, batch, VERDICT_TOO_LARGE);
    batch = delivery_take_split(stand->delivery);
    rig_cut(batch, halves);
    for (int i = 0; i < 2; i++)
        halves[i]->permit = share_overdraw(delivery_share(stand->delivery), halves[i]->body_bytes);
    delivery_put_halves(stand->delivery, &batch, halves, stand->now_ms);
}

static void a_split_batch_from_disk_is_counted_when_all_of_its_parts_are_done(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    struct batch *batch = probe_from_disk(&stand, 4);
    split_in_two(&stand, batch);
    settle(&stand, send_next(&stand), VERDICT_SENT);
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spool_deliver), 1); /* that of break_endpoint() */
    assert_int_equal(stock(&stand, ACCOUNT_spool), 4);
    batch = send_next(&stand);
    split_in_two(&stand, batch);
    settle(&stand, send_next(&stand), VERDICT_SENT);
    settle(&stand, send_next(&stand), VERDICT_REJECTED);
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spool_deliver), 4);
    assert_int_equal(flow(&stand, FLOW_spool_refuse), 1);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 0);
    assert_int_equal(fake_used(&stand.store.fake), 0);
    close_stand(&stand);
}

static void the_last_part_under_way_at_a_stop_does_not_end_those_that_were_not_sent(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    split_in_two(&stand, probe_from_disk(&stand, 4));
    struct batch *under_way = send_next(&stand);
    uint64_t delivered = flow(&stand, FLOW_spool_deliver);
    delivery_drain(stand.delivery, stand.now_ms);
    (void)run_spool(&stand);
    settle(&stand, under_way, VERDICT_SENT);
    delivery_spill_all(stand.delivery, stand.now_ms);
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spool_deliver), delivered);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 4);
    delivery_abandon(stand.delivery);
    delivery_free(&stand.delivery);
    restart_store(&stand.store);
    assert_int_equal(live_events(&stand.store), 4);
    close_store(&stand.store);
}

static void a_part_that_is_not_done_at_the_end_leaves_all_of_it_to_the_next_start(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    struct batch *batch = probe_from_disk(&stand, 4);
    split_in_two(&stand, batch);
    settle(&stand, send_next(&stand), VERDICT_SENT);
    delivery_drain(stand.delivery, stand.now_ms);
    delivery_spill_all(stand.delivery, stand.now_ms);
    (void)run_spool(&stand);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 4);
    delivery_abandon(stand.delivery);
    delivery_free(&stand.delivery);
    restart_store(&stand.store);
    assert_int_equal(live_events(&stand.store), 4);
    start_stand(&stand, &defaults);
    delivery_free(&stand.delivery);
    close_store(&stand.store);
}

static void what_is_too_old_when_it_is_read_is_expired(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.max_age_ms = 60000;
    open_stand(&stand, &config);
    break_endpoint(&stand);
    put_with(&stand, 7, NULL);
    (void)run_spool(&stand);
    stand.now_ms += 60000;
    for (int i = 0; i < 5; i++) {
        (void)take_step(&stand);
        (void)run_spool(&stand);
    }
    assert_int_equal(flow(&stand, FLOW_spool_expire), 8);
    assert_int_equal(fake_used(&stand.store.fake), 0);
    close_stand(&stand);
}

/* ---- receipts ---- */

static void count_settled(void *context)
{
    ++*(unsigned *)context;
}

static void receipts_are_released_when_the_policy_says_that_it_is_safe(void **unused)
{
    (void)unused;
    static const enum spool_fsync policies[] = { SPOOL_FSYNC_NEVER, SPOOL_FSYNC_INTERVAL,
                                                 SPOOL_FSYNC_ALWAYS };
    for (int i = 0; i < 3; i++) {
        struct stand stand = { .now_ms = 1000000 };
        unsigned settled = 0;
        struct receipts *receipts = receipts_new(count_settled, &settled);
        open_store(&stand.store, MIB);
        stand.store.config.fsync = policies[i];
        stand.store.config.fsync_interval_ms = 1000;
        restart_store(&stand.store);
        start_stand(&stand, &defaults);
        break_endpoint(&stand);
        struct receipt *receipt = receipts_open(receipts);
        put_with(&stand, 5, receipt);
        receipts_hold_done(receipts, receipt, NULL, 0);
        assert_int_equal(settled, 0);
        (void)run_spool(&stand);
        assert_int_equal(settled, policies[i] != SPOOL_FSYNC_INTERVAL);
        assert_int_equal(delivery_is_empty(stand.delivery), false);
        stand.now_ms += 1000;
        (void)run_spool(&stand);
        assert_int_equal(settled, 1);
        assert_int_equal(stand.store.fake.syncs > 0, policies[i] != SPOOL_FSYNC_NEVER);
        close_stand(&stand);
        receipts_free(&receipts);
    }
}

/* The endpoint took nothing yet, and the first event on disk is one that it never will. */
static void a_poisoned_event_alone_at_the_head_of_the_spool_lets_the_next_one_past(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.concurrency_max = 1;
    open_stand(&stand, &config);
    break_endpoint(&stand);
    put_with(&stand, 1, NULL);
    (void)run_spool(&stand);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 2);
    static const struct {
        uint64_t sequence;
        enum verdict verdict;
    } requests[] = {
        { 1, VERDICT_REJECTED }, { 2, VERDICT_RETRY },    { 1, VERDICT_REJECTED },
        { 2, VERDICT_SENT },     { 1, VERDICT_REJECTED },
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        stand.now_ms += 100000;
        (void)run_spool(&stand);
        struct batch *batch = send_next(&stand);
        assert_int_equal(batch->sequence, requests[i].sequence);
        assert_non_null(batch->pin);
        settle(&stand, batch, requests[i].verdict);
    }
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spool_refuse), 1);
    assert_int_equal(flow(&stand, FLOW_spool_deliver), 1);
    close_stand(&stand);
}

/* ---- a disk that fails, a stop ---- */

static void a_disk_that_fails_leaves_batches_in_memory_in_their_order(void **unused)
{
    (void)unused;
    struct stand stand;
    struct delivery_config config = defaults;
    config.concurrency_max = 1;
    open_stand(&stand, &config);
    break_endpoint(&stand);
    stand.store.fake.capacity = 10;
    for (int i = 0; i < 5; i++) {
        put_with(&stand, 1, NULL);
        (void)run_spool(&stand);
    }
    assert_int_equal(numbers_get(stand.store.rig.numbers, NUMBER_spool_state), 1);
    assert_false(delivery_wants_batches(stand.delivery, stand.now_ms));
    assert_int_equal(stock(&stand, ACCOUNT_ready), 6);
    stand.now_ms += 100000;
    for (uint64_t sequence = 1; sequence <= 6; sequence++) {
        (void)run_spool(&stand);
        struct batch *batch = send_next(&stand);
        assert_int_equal(batch->sequence, sequence);
        settle(&stand, batch, VERDICT_SENT);
    }
    close_stand(&stand);
}

static void a_stop_writes_all_that_is_left_and_the_next_start_has_it(void **unused)
{
    (void)unused;
    struct stand stand;
    open_stand(&stand, &defaults);
    for (int i = 0; i < 4; i++)
        put_with(&stand, 5, NULL);
    (void)send_next(&stand);
    delivery_drain(stand.delivery, stand.now_ms);
    (void)run_spool(&stand);
    assert_int_equal(flow(&stand, FLOW_spill), 0); /* the endpoint answers: it is sent first */
    delivery_spill_all(stand.delivery, stand.now_ms);
    (void)run_spool(&stand);
    assert_int_equal(stock(&stand, ACCOUNT_spool), 20);
    assert_true(delivery_is_empty(stand.delivery));
    delivery_abandon(stand.delivery);
    delivery_free(&stand.delivery);
    restart_store(&stand.store);
    assert_int_equal(stand.store.scan.walked, 0); /* it was sealed */
    assert_int_equal(live_events(&stand.store), 20);
    close_store(&stand.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_goes_to_disk_while_the_endpoint_answers),
        cmocka_unit_test(
            all_that_is_ready_goes_to_disk_when_the_endpoint_is_away_and_workers_go_on),
        cmocka_unit_test(what_is_being_sent_from_disk_is_as_old_as_it_was_there),
        cmocka_unit_test(after_the_outage_the_oldest_goes_first_and_new_ones_behind),
        cmocka_unit_test(what_comes_back_from_a_failed_request_is_written_before_what_is_newer),
        cmocka_unit_test(a_share_that_is_used_up_sends_its_oldest_to_disk),
        cmocka_unit_test(memory_for_what_is_read_back_is_at_most_half_of_the_share),
        cmocka_unit_test(a_split_batch_from_disk_is_counted_when_all_of_its_parts_are_done),
        cmocka_unit_test(the_last_part_under_way_at_a_stop_does_not_end_those_that_were_not_sent),
        cmocka_unit_test(a_part_that_is_not_done_at_the_end_leaves_all_of_it_to_the_next_start),
        cmocka_unit_test(what_is_too_old_when_it_is_read_is_expired),
        cmocka_unit_test(a_poisoned_event_alone_at_the_head_of_the_spool_lets_the_next_one_past),
        cmocka_unit_test(receipts_are_released_when_the_policy_says_that_it_is_safe),
        cmocka_unit_test(a_disk_that_fails_leaves_batches_in_memory_in_their_order),
        cmocka_unit_test(a_stop_writes_all_that_is_left_and_the_next_start_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
