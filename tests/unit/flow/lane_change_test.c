/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "lane_rig.h"

#include <pthread.h>
#include <stdatomic.h>

static struct lane_config config_like(struct lane *lane, size_t pieces, enum class_by by)
{
    return (struct lane_config){ .capacity_bytes = PIECE * pieces,
                                 .piece_bytes = PIECE,
                                 .overflow = LANE_BLOCK,
                                 .shed = no_shedding,
                                 .classes = { .by = by },
                                 .weight = 1,
                                 .seed = 5,
                                 .books = lane_books(lane),
                                 .feed = &feed,
                                 .on_room = count_room };
}

/* Numbers as bodies, so that the order can be told. */
static void offer_numbered(struct lane *lane, struct receipt *receipt, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char body[BODY];
        int bytes = snprintf(body, sizeof(body), "%d", i);
        struct event event = { .body = { body, (size_t)bytes } };
        struct run_info run = { .receipt = receipt, .boot_ms = 1000 };
        assert_int_equal(lane_offer(lane, &event, 0, 1, &run, NULL), 1);
    }
}

static void take_numbered(struct lane *lane, int first, int count)
{
    struct attribute attributes[4];
    int next = first;
    for (struct piece *piece; (piece = lane_gather(lane, 0, 0)) != NULL;) {
        struct piece_reader reader = { .piece = piece };
        for (const char *record; (record = piece_next(&reader)) != NULL;) {
            struct event event;
            size_t size = record_read(record, &event, attributes, 4);
            assert_int_equal(atoi(event.body.data), next);
            assert_int_equal(reader.run.boot_ms, 1000);
            next++;
            receipt_release(reader.run.receipt, 1);
            piece_advance(&reader, size);
        }
        lane_give_back(lane, &piece);
    }
    assert_int_equal(next, first + count);
}

static void all_that_it_holds_moves_over_in_order_with_its_receipts(void **unused)
{
    struct receipts *receipts = receipts_new(NULL, NULL);
    struct receipt *receipt = receipts_open(receipts);
    struct lane *lane = make_lane(LANE_BLOCK, no_shedding, true);
    char mark[RECEIPT_MARK_BYTES];
    size_t bytes;
    (void)unused;
    offer_numbered(lane, receipt, 0, 500);
    receipts_hold_done(receipts, receipt, "m", 1);
    struct lane_config config = config_like(lane, 2 * PIECES, CLASS_BY_SEVERITY);
    struct lane_change *change = lane_prepare(&config);
    assert_non_null(change);
    assert_true(lane_fits(lane, change));
    assert_int_equal(lane_commit(lane, &change).events, 0);
    assert_int_equal(lane_level(lane).events, 500);
    assert_balance(lane, 500);
    assert_false(receipts_pop_settled(receipts, mark, &bytes));
    offer_numbered(lane, NULL, 500, 10);
    take_numbered(lane, 0, 510);
    assert_true(receipts_pop_settled(receipts, mark, &bytes));
    lane_free(&lane);
    receipts_free(&receipts);
}

static void a_piece_that_a_worker_has_in_hand_goes_back_to_where_it_is_from(void **unused)
{
    struct lane *lane = make_lane(LANE_BLOCK, no_shedding, false);
    (void)unused;
    offer_numbered(lane, NULL, 0, 200);
    struct piece *piece = lane_gather(lane, 0, 0);
    assert_non_null(piece);
    struct lane_config config = config_like(lane, 2 * PIECES, CLASS_BY_NOTHING);
    for (int i = 0; i < 3; i++) {
        struct lane_change *change = lane_prepare(&config);
        (void)lane_commit(lane, &change);
    }
    assert_false(lane_is_free(lane));
    lane_give_back(lane, &piece);
    empty_lane(lane);
    assert_true(lane_is_free(lane));
    lane_free(&lane);
}

static void what_does_not_fit_is_told_before_and_counted_if_it_is_done_all_the_same(void **unused)
{
    struct lane *lane = make_lane(LANE_BLOCK, no_shedding, false);
    (void)unused;
    offer_numbered(lane, NULL, 0, 1000);
    struct lane_config config = config_like(lane, 1, CLASS_BY_NOTHING);
    struct lane_change *change = lane_prepare(&config);
    assert_false(lane_fits(lane, change));
    struct amount dropped = lane_commit(lane, &change);
    assert_true(dropped.events > 0);
    assert_int_equal(ledger_flow(lane_books(lane), FLOW_reload_drop).events, dropped.events);
    assert_int_equal(ledger_flow(lane_books(lane), FLOW_reload_drop).bytes, dropped.bytes);
    assert_int_equal(lane_level(lane).events, 1000 - dropped.events);
    assert_balance(lane, 1000);
    empty_lane(lane);
    lane_free(&lane);
}

static void less_memory_lets_drain_what_is_there_and_takes_no_more(void **unused)
{
    struct lane *lane = make_lane(LANE_BLOCK, no_shedding, false);
    struct event event = { .body = SLICE("x") };
    struct run_info run = { .boot_ms = 1 };
    (void)unused;
    offer_numbered(lane, NULL, 0, 500);
    assert_false(lane_can_limit(lane, PIECE * (PIECES + 1), 1));
    assert_false(lane_can_limit(lane, PIECE * PIECES - 1, PIECES));
    assert_true(lane_can_limit(lane, PIECE * PIECES, PIECES));
    assert_true(lane_limit(lane, PIECE));
    while (lane_offer(lane, &event, 0, 1, &run, NULL) == 1)
        continue;
    assert_true(lane_level(lane).fill <= 1);
    empty_lane(lane);
    assert_int_equal(lane_offer(lane, &event, 0, 1, &run, NULL), 1);
    assert_true(lane_limit(lane, PIECE * PIECES));
    empty_lane(lane);
    lane_free(&lane);
}

/* How much a lane sheds that comes to rest between the marks. */
static uint64_t shed_under_load(struct lane *lane)
{
    struct event events[200];
    struct run_info run = { .boot_ms = 1000 };
    fill_events(events, 200);
    for (int step = 0; step < 200; step++, run.boot_ms += 100) {
        struct piece *piece = lane_gather(lane, 0, 0);
        if (piece != NULL)
            lane_give_back(lane, &piece);
        (void)lane_offer(lane, events, 0, 200, &run, NULL);
    }
    empty_lane(lane);
    return ledger_flow(lane_books(lane), FLOW_shed_sample).events;
}

static void less_memory_is_shed_for_as_where_there_was_never_more(void **unused)
{
    (void)unused;
    struct shedder_config adaptive = { .high = 0.8,
                                       .low = 0.4,
                                       .is_adaptive = true,
                                       .capacity_bytes = PIECE * PIECES,
                                       .batch_bytes = 1 << 10 };
    struct lane *lane = make_lane(LANE_DROP_OLDEST, adaptive, false);
    uint64_t shed = shed_under_load(lane);
    lane_free(&lane);
    lane_pieces = 8 * PIECES;
    adaptive.capacity_bytes = PIECE * lane_pieces;
    lane = make_lane(LANE_DROP_OLDEST, adaptive, false);
    lane_pieces = PIECES;
    assert_true(lane_limit(lane, PIECE * PIECES));
    assert_int_equal(shed_under_load(lane), shed);
    lane_free(&lane);
}

/* After a change of the type of an input, in one piece: reads of three kinds. */
static void what_is_abandoned_goes_back_where_its_own_read_says(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_DROP_OLDEST, no_shedding, false);
    struct receipts *before = receipts_new(NULL, NULL), *now = receipts_new(NULL, NULL);
    struct receipt *left = receipts_open(before), *read = receipts_open(now);
    char mark[RECEIPT_MARK_BYTES];
    size_t mark_bytes;
    receipts_set_way(before, RECEIPTS_GO_BACK);
    receipts_set_way(now, RECEIPTS_GO_BACK);
    offer_numbered(lane, NULL, 0, 3);
    offer_numbered(lane, left, 3, 5);
    receipts_set_way(before, RECEIPTS_STAY);
    offer_numbered(lane, read, 8, 7);
    receipts_hold_done(before, left, "m", 1);
    receipts_hold_done(now, read, "m", 1);
    lane_abandon(lane, FLOW_reload_drop);
    assert_int_equal(ledger_flow(lane_books(lane), FLOW_reload_drop).events, 8);
    assert_int_equal(ledger_flow(lane_books(lane), FLOW_replay_ring).events, 7);
    assert_true(receipts_pop_settled(before, mark, &mark_bytes));
    assert_false(receipts_pop_settled(now, mark, &mark_bytes));
    receipts_free(&before);
    receipts_free(&now);
    lane_free(&lane);
}

/* A worker rings it, while main takes it from its lane. */
struct waiter {
    struct lane *lane;
    _Atomic bool is_rung, is_taken, was_rung_after;
};

static void ring_for_long(void *context)
{
    struct waiter *waiter = context;
    atomic_store(&waiter->is_rung, true);
    (void)usleep(50 * 1000); /* enough for it to be taken, if that can be */
    atomic_store(&waiter->was_rung_after, atomic_load(&waiter->is_taken));
}

static void *give_back_all(void *context)
{
    struct waiter *waiter = context;
    empty_lane(waiter->lane);
    return NULL;
}

static void a_reading_that_was_taken_from_its_lane_is_not_rung_any_more(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_BLOCK, no_shedding, false);
    struct waiter waiter = { .lane = lane };
    struct event events[1000];
    struct run_info run = { .boot_ms = 1000 };
    pthread_t worker;
    fill_events(events, 1000);
    lane_set_reading(lane, ring_for_long, &waiter);
    assert_true(lane_offer(lane, events, 0, 1000, &run, NULL) < 1000); /* it waits for room */
    assert_int_equal(pthread_create(&worker, NULL, give_back_all, &waiter), 0);
    while (!atomic_load(&waiter.is_rung))
        (void)usleep(100);
    lane_set_reading(lane, NULL, NULL);
    atomic_store(&waiter.is_taken, true); /* now it may be freed */
    assert_int_equal(pthread_join(worker, NULL), 0);
    assert_false(waiter.was_rung_after);
    lane_free(&lane);
}

static void what_a_reading_keeps_is_given_back_with_it(void **unused)
{
    (void)unused;
    struct lane *first = make_lane(LANE_BLOCK, no_shedding, true);
    struct feed *of_output = &feed;
    of_output->kept_most_bytes = 100;
    assert_true(lane_keep(first, 60));
    assert_true(lane_keep(first, 100));
    assert_false(lane_keep(first, 101)); /* counted all the same: it is there */
    assert_int_equal(of_output->kept_bytes, 101);
    assert_true(lane_keep(first, 10));
    lane_set_reading(first, NULL, NULL);
    assert_int_equal(of_output->kept_bytes, 0);
    assert_true(lane_keep(first, 7));
    lane_free(&first);
    assert_int_equal(of_output->kept_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_it_holds_moves_over_in_order_with_its_receipts),
        cmocka_unit_test(a_piece_that_a_worker_has_in_hand_goes_back_to_where_it_is_from),
        cmocka_unit_test(what_does_not_fit_is_told_before_and_counted_if_it_is_done_all_the_same),
        cmocka_unit_test(less_memory_lets_drain_what_is_there_and_takes_no_more),
        cmocka_unit_test(less_memory_is_shed_for_as_where_there_was_never_more),
        cmocka_unit_test(what_is_abandoned_goes_back_where_its_own_read_says),
        cmocka_unit_test(what_a_reading_keeps_is_given_back_with_it),
        cmocka_unit_test(a_reading_that_was_taken_from_its_lane_is_not_rung_any_more),
    };
    return RUN_WITH_LEDGER(tests);
}
