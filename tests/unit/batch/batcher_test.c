/* SPDX-License-Identifier: Apache-2.0 */
/* A real batcher over two real lanes, at a simulated time. After each call the account `batch` is
 * compared with the books. */
#include "batch/batcher.h"

#include "base/auto.h"
#include "base/in_hand.h"
#include "batch/encoder.h"
#include "delivery/rig.h"
#include "ledger/fatal_record.h"

enum { FILES, SOCKET, LANES, PIECE = 4096, PIECES = 16, BODY = 100, MAX_WAIT_MS = 1000 };

struct fixture {
    struct rig rig;
    struct lane *lanes[LANES];
    struct feed feed;
    struct body_pool bodies;
    _Atomic uint64_t sequence;
    struct receipts *receipts;
    struct share share;
    struct batcher *batcher;
    int64_t now_ms;
};

static size_t lane_pieces = PIECES; /* of the next fixture, and the weight of its first lane */
static uint64_t files_weight = 1;

static void ignore(void *context)
{
    (void)context;
}

static struct batcher *make_batcher(struct fixture *f, unsigned index)
{
    struct err err;
    struct batcher_config config = { .lanes = f->lanes,
                                     .lane_count = LANES,
                                     .feed = &f->feed,
                                     .bodies = &f->bodies,
                                     .numbers = f->rig.numbers,
                                     .output = "main",
                                     .agent_id = "agent",
                                     .start_id = "start",
                                     .index = index,
                                     .sequence = &f->sequence,
                                     .max_bytes = f->feed.full_bytes,
                                     .max_events = f->feed.full_events,
                                     .max_wait_ms = MAX_WAIT_MS };
    struct batcher *batcher = batcher_new(&config, f->now_ms, &err);
    assert_non_null(batcher);
    return batcher;
}

static void open_fixture(struct fixture *f, size_t max_bytes, uint64_t max_events)
{
    memset(f, 0, sizeof(*f));
    rig_open(&f->rig);
    f->now_ms = 1000000;
    f->share.limit_bytes = 1 << 20;
    f->feed.full_bytes = max_bytes;
    f->feed.full_events = max_events;
    f->receipts = receipts_new(NULL, NULL);
    for (int i = 0; i < LANES; i++) {
        struct lane_config config = { .capacity_bytes = PIECE * lane_pieces,
                                      .piece_bytes = PIECE,
                                      .overflow = LANE_DROP_OLDEST,
                                      .shed = { .high = 1 },
                                      .weight = i == FILES ? files_weight : 1,
                                      .books = f->rig.lanes[i == FILES ? 0 : RIG_LANES - 1],
                                      .feed = &f->feed,
                                      .on_room = ignore };
        f->lanes[i] = lane_new(&config);
    }
    f->batcher = make_batcher(f, 0);
}

static void check_books(struct fixture *f)
{
    batcher_audit(f->batcher);
    for (int i = 0; i < LANES; i++)
        lane_audit(f->lanes[i]);
    assert_int_equal(rig_difference(&f->rig), 0);
}

static void close_fixture(struct fixture *f)
{
    batcher_abandon(f->batcher, FLOW_drain_timeout_batch);
    check_books(f);
    batcher_free(&f->batcher);
    for (int i = 0; i < LANES; i++) {
        lane_abandon(f->lanes[i], FLOW_drain_timeout_ring);
        lane_free(&f->lanes[i]);
    }
    body_pool_trim(&f->bodies);
    receipts_free(&f->receipts);
    rig_close(&f->rig);
}

static void offer(struct fixture *f, int lane, struct receipt *receipt, size_t events, size_t bytes)
{
    char body[PIECE / 2];
    struct event event = { .body = { body, bytes } };
    struct run_info run = { .receipt = receipt, .boot_ms = f->now_ms };

    memset(body, 'x', sizeof(body));
    for (size_t i = 0; i < events; i++)
        assert_int_equal(lane_offer(f->lanes[lane], &event, 0, 1, &run, NULL), 1);
}

static struct batcher_step look(struct fixture *f)
{
    struct batcher_view view = { .now_ms = f->now_ms, .boot_ms = f->now_ms, .is_wanted = true };
    struct batcher_step step = batcher_next(f->batcher, &view);

    check_books(f);
    return step;
}

static struct batch *seal(struct fixture *f)
{
    struct batcher_step step = look(f);
    struct permit permit;

    assert_int_equal(step.kind, BATCHER_SEAL);
    assert_true(share_acquire(&f->share, step.bytes, &permit));
    struct batch *batch = batcher_seal(f->batcher, &permit, f->now_ms);
    assert_non_null(batch);
    assert_null(permit.share);
    assert_int_equal(batch->permit.bytes, batch->body_bytes);
    for (size_t i = 0; i < batch->run_count; i++) /* as delivery_put() does */
        ledger_move_cell(batch->runs[i].books, FLOW_seal, 0, batch->runs[i].events,
                         batch->runs[i].bytes);
    check_books(f);
    return batch;
}

static uint64_t seal_and_free(struct fixture *f)
{
    struct batch *batch = seal(f);
    uint64_t events = batch->events;

    permit_release(&batch->permit);
    batch_free(&batch);
    return events;
}

static void expect_rest(struct fixture *f, int64_t until_boot_ms)
{
    struct batcher_step step = look(f);

    assert_int_equal(step.kind, BATCHER_REST);
    assert_int_equal(step.until_boot_ms, until_boot_ms);
}

static void the_first_events_after_a_quiet_spell_leave_at_once_and_the_next_wait(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f, 64 * 1024, 1000);
    expect_rest(&f, 0);
    offer(&f, FILES, NULL, 3, BODY);
    assert_int_equal(seal_and_free(&f), 3);
    f.now_ms += 10;
    offer(&f, FILES, NULL, 2, BODY);
    expect_rest(&f, f.now_ms + MAX_WAIT_MS);
    f.now_ms += MAX_WAIT_MS - 10;
    assert_int_equal(seal_and_free(&f), 2);
    f.now_ms += 5;
    offer(&f, SOCKET, NULL, 1, BODY);
    int64_t due = f.now_ms + MAX_WAIT_MS;
    f.now_ms += 5;
    offer(&f, FILES, NULL, 1, BODY);
    expect_rest(&f, due); /* that of the oldest, whatever its lane */
    close_fixture(&f);
}

static void a_full_feed_a_hurry_and_a_drain_do_not_wait(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f, 64 * 1024, 10);
    offer(&f, FILES, NULL, 1, BODY);
    assert_int_equal(seal_and_free(&f), 1);
    offer(&f, FILES, NULL, 9, BODY);
    expect_rest(&f, f.now_ms + MAX_WAIT_MS);
    offer(&f, SOCKET, NULL, 1, BODY);
    assert_int_equal(seal_and_free(&f), 10);
    offer(&f, FILES, NULL, 2, BODY);
    expect_rest(&f, f.now_ms + MAX_WAIT_MS);
    lane_hurry(f.lanes[FILES], f.now_ms);
    assert_int_equal(seal_and_free(&f), 2);
    expect_rest(&f, 0);
    f.now_ms++; /* what comes later is not meant */
    offer(&f, FILES, NULL, 2, BODY);
    expect_rest(&f, f.now_ms + MAX_WAIT_MS);
    struct batcher_view view = {
        .now_ms = f.now_ms, .boot_ms = f.now_ms, .is_wanted = true, .is_draining = true
    };
    assert_int_equal(batcher_next(f.batcher, &view).kind, BATCHER_SEAL);
    close_fixture(&f);
}

/* The one worker has closed a batch in the middle of a piece when the other finds the lanes empty.
 */
static void the_rest_of_a_backlog_leaves_at_once_whichever_worker_has_it(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f, 64 * 1024, 2);
    struct batcher *other = make_batcher(&f, 1);
    struct batcher_view view = { .now_ms = f.now_ms, .boot_ms = f.now_ms, .is_wanted = true };
    offer(&f, FILES, NULL, 3, BODY);
    lane_hurry(f.lanes[FILES], f.now_ms);
    assert_int_equal(seal_and_free(&f), 2);
    struct batcher_step step = batcher_next(other, &view);
    assert_int_equal(step.kind, BATCHER_REST);
    assert_int_equal(step.until_boot_ms, 0);
    assert_int_equal(seal_and_free(&f), 1);
    batcher_free(&other);
    close_fixture(&f);
}

static void nothing_leaves_its_lane_while_no_batch_is_wanted(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f, 64 * 1024, 10);
    offer(&f, FILES, NULL, 20, BODY);
    struct batcher_view view = { .now_ms = f.now_ms, .boot_ms = f.now_ms };
    struct batcher_step step = batcher_next(f.batcher, &view);
    assert_int_equal(step.kind, BATCHER_REST);
    assert_true(step.until_boot_ms > f.now_ms);
    assert_int_equal(lane_level(f.lanes[FILES]).events, 20);
    close_fixture(&f);
}

static void an_encoded_batch_waits_for_its_memory_as_it_is(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f, 64 * 1024, 10);
    offer(&f, FILES, NULL, 10, BODY);
    struct batcher_step first = look(&f);
    assert_int_equal(first.kind, BATCHER_SEAL);
    offer(&f, SOCKET, NULL, 5, BODY);
    f.now_ms += 100 * MAX_WAIT_MS;
    struct batcher_view view = { .now_ms = f.now_ms, .boot_ms = f.now_ms };
    struct batcher_step again = batcher_next(f.batcher, &view); /* wanted or not: it is made */
    assert_int_equal(again.kind, BATCHER_SEAL);
    assert_int_equal(again.bytes, first.bytes);
    assert_int_equal(lane_level(f.lanes[SOCKET]).events, 5);
    struct batch *batch = seal(&f);
    assert_int_equal(batch->events, 10);
    assert_int_equal(batch->body_bytes, first.bytes);
    permit_release(&batch->permit);
    batch_free(&batch);
    assert_int_equal(seal_and_free(&f), 5);
    close_fixture(&f);
}

static void a_batch_carries_its_runs_in_order_and_the_rest_of_a_piece_is_the_next(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f, 64 * 1024, 5);
    struct receipt *first = receipts_open(f.receipts), *second = receipts_open(f.receipts);
    offer(&f, FILES, first, 3, BODY);
    offer(&f, FILES, second, 4, BODY);
    struct batch *batch = seal(&f);
    assert_int_equal(batch->run_count, 2);
    assert_ptr_equal(batch->runs[0].receipt, first);
    assert_int_equal(batch->runs[0].events, 3);
    assert_int_equal(batch->runs[0].bytes, 3 * BODY);
    assert_ptr_equal(batch->runs[1].receipt, second);
    assert_int_equal(batch->runs[1].events, 2);
    assert_int_equal(batch->events, 5);
    assert_int_equal(batch->oldest_boot_ms, f.now_ms);
    assert_string_equal(batch->key, "agent-start-main-1");
    permit_release(&batch->permit);
    batch_free(&batch);
    f.now_ms += MAX_WAIT_MS;
    assert_int_equal(seal_and_free(&f), 2);
    expect_rest(&f, 0);
    close_fixture(&f);
}

static void a_batch_of_several_lanes_is_as_old_as_its_oldest_event(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f, 64 * 1024, 100);
    /* The scheduler begins with the second lane: the older event is not the first in the batch. */
    int64_t oldest = f.now_ms;
    offer(&f, FILES, NULL, 1, BODY);
    f.now_ms += 500;
    offer(&f, SOCKET, NULL, 1, BODY);
    struct batch *batch = seal(&f);
    assert_ptr_equal(batch->runs[0].books, f.rig.lanes[RIG_LANES - 1]);
    assert_int_equal(batch->oldest_boot_ms, oldest);
    permit_release(&batch->permit);
    batch_free(&batch);
    close_fixture(&f);
}

/* Both are never empty. More batches than one worker's turn is long. */
static void lanes_that_want_all_of_an_output_share_it_by_weight(void **unused)
{
    (void)unused;
    struct fixture f;
    uint64_t events[LANES] = { 0 };
    lane_pieces = 64;
    files_weight = 3;
    open_fixture(&f, 64 * 1024, 1 << 20);
    for (int i = 0; i < 512; i++) {
        for (int lane = 0; lane < LANES; lane++)
            offer(&f, lane, NULL, 60, 1000);
        struct batch *batch = seal(&f);
        for (size_t run = 0; run < batch->run_count; run++)
            events[batch->runs[run].books == lane_books(f.lanes[FILES]) ? FILES : SOCKET] +=
                batch->runs[run].events;
        permit_release(&batch->permit);
        batch_free(&batch);
    }
    double share = (double)events[FILES] / (double)(events[FILES] + events[SOCKET]);
    print_message("share %.4f of %llu events\n", share,
                  (unsigned long long)(events[FILES] + events[SOCKET]));
    assert_true(share > 0.75 * 0.98 && share < 0.75 * 1.02);
    close_fixture(&f);
    lane_pieces = PIECES;
    files_weight = 1;
}

static void a_piece_in_hand_does_not_hide_an_older_event_in_another_lane(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f, 64 * 1024, 5);
    int64_t oldest = f.now_ms;
    offer(&f, FILES, NULL, 1, BODY);
    f.now_ms += 100;
    offer(&f, SOCKET, NULL, 6, BODY);
    assert_int_equal(seal_and_free(&f), 5); /* of the socket; one stays in hand */
    assert_int_equal(lane_level(f.lanes[FILES]).events, 1);
    expect_rest(&f, oldest + MAX_WAIT_MS);
    close_fixture(&f);
}

static void more_runs_than_a_batch_has_room_for_go_into_the_next(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f, 1 << 20, 5000);
    for (int i = 0; i < 550; i++) /* alternating, each event is a run of its own */
        for (int lane = FILES; lane < LANES; lane++)
            offer(&f, lane, i % 2 == 0 ? receipts_open(f.receipts) : NULL, 1, 10);
    struct batcher_view view = {
        .now_ms = f.now_ms, .boot_ms = f.now_ms, .is_wanted = true, .is_draining = true
    };
    assert_int_equal(batcher_next(f.batcher, &view).kind, BATCHER_SEAL);
    uint64_t events = seal_and_free(&f);
    assert_int_equal(events, 1024);
    f.now_ms += MAX_WAIT_MS;
    assert_int_equal(seal_and_free(&f), 1100 - 1024);
    close_fixture(&f);
}

static void an_event_over_the_limit_is_counted_and_its_receipt_let_go(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f, 1000, 10);
    struct receipt *receipt = receipts_open(f.receipts);
    char mark[RECEIPT_MARK_BYTES];
    size_t mark_bytes;
    offer(&f, FILES, receipt, 1, 2000);
    receipts_hold_done(f.receipts, receipt, "position", 8);
    assert_int_equal(look(&f).kind, BATCHER_AGAIN);
    assert_int_equal(rig_flow(&f.rig, FLOW_too_large), 1);
    assert_true(receipts_pop_settled(f.receipts, mark, &mark_bytes));
    expect_rest(&f, 0);
    close_fixture(&f);
}

/* The endpoint found a larger one too large. A single event over that size still goes. */
static void a_lowered_limit_closes_a_batch_with_the_event_that_reaches_it(void **unused)
{
    (void)unused;
    struct fixture f;
    struct batcher_view view = { .now_ms = 1000000,
                                 .boot_ms = 1000000,
                                 .is_wanted = true,
                                 .is_draining = true,
                                 .max_bytes = 600 };
    open_fixture(&f, 64 * 1024, 1000);
    offer(&f, FILES, NULL, 9, BODY);
    offer(&f, FILES, NULL, 1, 1000);
    static const uint64_t events[] = { 6, 4 };
    for (int i = 0; i < 2; i++) {
        struct batcher_step step = batcher_next(f.batcher, &view);
        assert_int_equal(step.kind, BATCHER_SEAL);
        assert_true(step.bytes >= view.max_bytes && step.bytes < 2000);
        assert_int_equal(seal_and_free(&f), events[i]);
    }
    assert_int_equal(batcher_next(f.batcher, &view).kind, BATCHER_AGAIN); /* an empty piece */
    expect_rest(&f, 0);
    close_fixture(&f);
}

/* As the fault's handler would, in the middle of an event. */
static bool dies_while_it_encodes;
enum encoded __real_encoder_add(struct encoder *encoder, const struct event *event);
enum encoded __wrap_encoder_add(struct encoder *encoder, const struct event *event);

enum encoded __wrap_encoder_add(struct encoder *encoder, const struct event *event)
{
    if (dies_while_it_encodes)
        fatal_record_note();
    return __real_encoder_add(encoder, event);
}

static void the_event_that_is_encoded_is_in_hand_for_its_lane(void **unused)
{
    (void)unused;
    struct fixture f;
    char body[PIECE / 2];

    memset(body, 'x', sizeof(body));
    open_fixture(&f, 64 * 1024, 100);
    offer(&f, FILES, NULL, 1, 50);
    offer(&f, SOCKET, NULL, 1, 60);
    dies_while_it_encodes = true;
    (void)seal_and_free(&f);
    dies_while_it_encodes = false;
    for (int lane = 0; lane < LANES; lane++) {
        struct numbers *numbers = ledger_lane_numbers(lane_books(f.lanes[lane]));
        size_t bytes = lane == FILES ? 50 : 60;
        assert_int_equal(numbers_get(numbers, NUMBER_record_crashes), 1);
        assert_int_equal(numbers_get(numbers, NUMBER_record_from), 0);
        assert_int_equal(numbers_get(numbers, NUMBER_record_to), bytes);
        assert_int_equal(numbers_get(numbers, NUMBER_record_source), in_hand_name(body, bytes));
        numbers_set(numbers, NUMBER_record_crashes, 0);
        fatal_record_note(); /* and it is over */
        assert_int_equal(numbers_get(numbers, NUMBER_record_crashes), 0);
    }
    close_fixture(&f);
}

static void what_is_left_goes_back_to_its_source_or_is_counted(void **unused)
{
    (void)unused;
    struct fixture f;
    char mark[RECEIPT_MARK_BYTES];
    size_t mark_bytes;
    open_fixture(&f, 64 * 1024, 4);
    struct receipt *receipt = receipts_open(f.receipts);
    offer(&f, FILES, receipt, 6, BODY);
    offer(&f, SOCKET, NULL, 3, BODY);
    receipts_hold_done(f.receipts, receipt, "position", 8);
    assert_int_equal(look(&f).kind, BATCHER_SEAL); /* four encoded, five in hand */
    batcher_abandon(f.batcher, FLOW_drain_timeout_batch);
    check_books(&f);
    assert_int_equal(rig_flow(&f.rig, FLOW_replay_batch), 6);
    assert_int_equal(rig_flow(&f.rig, FLOW_drain_timeout_batch), 3);
    assert_false(receipts_pop_settled(f.receipts, mark, &mark_bytes));
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_events_after_a_quiet_spell_leave_at_once_and_the_next_wait),
        cmocka_unit_test(a_full_feed_a_hurry_and_a_drain_do_not_wait),
        cmocka_unit_test(the_rest_of_a_backlog_leaves_at_once_whichever_worker_has_it),
        cmocka_unit_test(nothing_leaves_its_lane_while_no_batch_is_wanted),
        cmocka_unit_test(an_encoded_batch_waits_for_its_memory_as_it_is),
        cmocka_unit_test(a_batch_carries_its_runs_in_order_and_the_rest_of_a_piece_is_the_next),
        cmocka_unit_test(a_batch_of_several_lanes_is_as_old_as_its_oldest_event),
        cmocka_unit_test(lanes_that_want_all_of_an_output_share_it_by_weight),
        cmocka_unit_test(a_piece_in_hand_does_not_hide_an_older_event_in_another_lane),
        cmocka_unit_test(more_runs_than_a_batch_has_room_for_go_into_the_next),
        cmocka_unit_test(an_event_over_the_limit_is_counted_and_its_receipt_let_go),
        cmocka_unit_test(a_lowered_limit_closes_a_batch_with_the_event_that_reaches_it),
        cmocka_unit_test(the_event_that_is_encoded_is_in_hand_for_its_lane),
        cmocka_unit_test(what_is_left_goes_back_to_its_source_or_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
