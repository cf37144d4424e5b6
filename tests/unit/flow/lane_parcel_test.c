/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "event/resource.h"
#include "flow/lane_parcel.h"
#include "lane_rig.h"

static const struct run_info plain = { .boot_ms = 1 };

static uint64_t flow_of(struct lane *lane, enum flow flow)
{
    return ledger_flow(lane_books(lane), flow).events;
}

static void put(struct lane *lane, size_t count)
{
    struct event events[32];

    fill_events(events, count);
    assert_int_equal(lane_offer(lane, events, 0, count, &plain, NULL), count);
}

static enum lane_parcel add(struct lane *lane, size_t count)
{
    struct event events[512];

    fill_events(events, count);
    return lane_parcel_add(lane, events, count, &plain);
}

static void close_parcel(struct lane *lane, bool keep)
{
    assert_int_equal(lane_parcel_close(lane, NULL, keep, false, NULL), 0);
}

static void a_parcel_is_in_no_account_until_it_is_kept(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_DROP_OLDEST, no_shedding, false);
    lane_parcel_open(lane, 1);
    assert_int_equal(add(lane, 10), LANE_FITS);
    assert_balance(lane, 0);
    assert_int_equal(lane_level(lane).oldest_boot_ms, 0);
    assert_null(lane_gather(lane, 0, 0));
    assert_int_equal(feed.events, 0);
    close_parcel(lane, true);
    assert_balance(lane, 10);
    assert_int_equal(lane_level(lane).events, 10);
    assert_int_equal(feed.events, 10);
    empty_lane(lane);
    lane_free(&lane);
}

static void of_a_parcel_that_is_not_kept_nothing_stays(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_DROP_OLDEST, no_shedding, false);
    put(lane, 5);
    lane_parcel_open(lane, 1);
    assert_int_equal(add(lane, 300), LANE_FITS); /* in several pieces */
    close_parcel(lane, false);
    assert_balance(lane, 5);
    assert_int_equal(feed.events, 5);
    struct piece *piece = lane_gather(lane, 0, 0);
    assert_int_equal(piece->events, 5);
    lane_give_back(lane, &piece);
    assert_null(lane_gather(lane, 0, 0));
    assert_true(lane_is_free(lane));
    lane_free(&lane);
}

static void a_full_lane_pushes_nothing_out_for_a_parcel(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_DROP_OLDEST, no_shedding, false);
    for (int i = 0; i < 12; i++)
        put(lane, 32);
    lane_parcel_open(lane, 1);
    assert_int_equal(add(lane, 500), LANE_FULL);
    assert_int_equal(lane_parcel_close(lane, NULL, false, true, NULL), 0);
    assert_balance(lane, 384);
    assert_int_equal(flow_of(lane, FLOW_evict_oldest), 0);
    assert_int_equal(lane_level(lane).events, 384);
    assert_int_equal(rooms, 0);
    empty_lane(lane);
    assert_int_equal(rooms, 1);
    lane_free(&lane);
}

static void what_an_empty_lane_cannot_take_it_never_takes(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_BLOCK, no_shedding, false);
    enum lane_parcel parcel = LANE_FITS;
    lane_parcel_open(lane, 1);
    while (parcel == LANE_FITS)
        parcel = add(lane, 100);
    assert_int_equal(parcel, LANE_NEVER);
    close_parcel(lane, false);
    assert_true(lane_is_free(lane));
    lane_free(&lane);
}

static void a_lane_that_sheds_is_full(void **unused)
{
    (void)unused;
    struct shedder_config shed = { .high = 0.5, .low = 0.1, .keep = 0.5 };
    struct lane *lane = make_lane(LANE_DROP_OLDEST, shed, false);
    lane_parcel_open(lane, 1);
    assert_int_equal(add(lane, 400), LANE_FITS); /* over the mark, begun below it */
    close_parcel(lane, true);
    lane_parcel_open(lane, 2);
    assert_int_equal(add(lane, 1), LANE_FULL);
    struct lane_news news = { .shed = SHED_SAME };
    assert_int_equal(lane_parcel_close(lane, NULL, false, false, &news), 0);
    assert_int_equal(news.shed, SHED_STARTED);
    assert_int_equal(flow_of(lane, FLOW_shed_sample), 0);
    empty_lane(lane);
    lane_parcel_open(lane, 3);
    assert_int_equal(add(lane, 1), LANE_FITS);
    close_parcel(lane, true);
    empty_lane(lane);
    lane_free(&lane);
}

static void an_oversize_event_is_counted_with_its_parcel(void **unused)
{
    (void)unused;
    static char body[PIECE];
    struct lane *lane = make_lane(LANE_BLOCK, no_shedding, false);
    struct event events[2];
    for (int keep = 0; keep < 2; keep++) {
        fill_events(events, 2);
        events[0].body = (struct slice){ body, sizeof(body) };
        lane_parcel_open(lane, 1);
        assert_int_equal(lane_parcel_add(lane, events, 2, &plain), LANE_FITS);
        assert_int_equal(lane_parcel_close(lane, NULL, keep != 0, false, NULL), keep);
        assert_int_equal(flow_of(lane, FLOW_oversize), keep);
    }
    assert_balance(lane, 2);
    empty_lane(lane);
    lane_free(&lane);
}

static void workers_that_a_parcel_kept_waiting_are_woken_at_its_end(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_BLOCK, no_shedding, false);
    put(lane, 5);
    for (int keep = 0; keep < 2; keep++) {
        lane_parcel_open(lane, 1);
        assert_int_equal(lane_level(lane).events, 0); /* they are in the piece that is held back */
        uint32_t before = wake_read(&feed.wake);
        close_parcel(lane, keep != 0);
        assert_int_not_equal(wake_read(&feed.wake), before);
        assert_int_equal(lane_level(lane).events, 5);
    }
    empty_lane(lane);
    lane_free(&lane);
}

static void receipts_know_what_was_kept_and_what_was_dropped(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_BLOCK, no_shedding, false);
    struct receipts *receipts = receipts_new(NULL, NULL);
    struct receipt *refused = receipts_open(receipts), *kept;
    struct run_info run = { .receipt = refused, .boot_ms = 1 };
    struct event events[3];
    char mark[RECEIPT_MARK_BYTES];
    size_t bytes;

    fill_events(events, 3);
    lane_parcel_open(lane, 1);
    assert_int_equal(lane_parcel_add(lane, events, 3, &run), LANE_FITS);
    assert_int_equal(lane_parcel_close(lane, refused, false, false, NULL), 0);
    receipts_cancel(receipts, refused);
    assert_int_equal(receipts_count(receipts), 0);
    run.receipt = kept = receipts_open(receipts);
    lane_parcel_open(lane, 1);
    assert_int_equal(lane_parcel_add(lane, events, 3, &run), LANE_FITS);
    assert_int_equal(lane_parcel_close(lane, kept, true, false, NULL), 0);
    receipts_hold_done(receipts, kept, "12345678", 8);
    assert_false(receipts_pop_settled(receipts, mark, &bytes));
    lane_abandon(lane, FLOW_drain_timeout_ring);
    assert_int_equal(receipts_dropped(receipts), 3);
    assert_true(receipts_pop_settled(receipts, mark, &bytes));
    receipts_free(&receipts);
    lane_free(&lane);
}

/* ---- against a model ---- */

enum { STEPS = 4000, MOST = 1 << 16 };

struct model {
    struct lane *lane;
    struct random random;
    struct resource *resources[2];
    uint32_t expected[MOST]; /* in the lane, in order */
    size_t first, count;
    uint32_t next;
};

static void check_piece(struct model *model, const struct piece *piece)
{
    struct piece_reader reader = { .piece = piece };
    struct attribute attributes[4];

    for (const char *record; (record = piece_next(&reader)) != NULL;) {
        struct event event;
        uint32_t number;
        size_t size = record_read(record, &event, attributes, 4);
        memcpy(&number, event.body.data, sizeof(number));
        assert_true(model->first < model->count);
        assert_int_equal(number, model->expected[model->first]);
        assert_ptr_equal(reader.run.resource, model->resources[number / 3 % 2]);
        model->first++;
        piece_advance(&reader, size);
    }
}

static void gather(struct model *model)
{
    struct piece *piece = lane_gather(model->lane, 0, 0);

    if (piece == NULL)
        return;
    check_piece(model, piece);
    lane_give_back(model->lane, &piece);
}

static void send_parcel(struct model *model)
{
    size_t count = 1 + random_below(&model->random, 200);
    enum lane_parcel parcel = LANE_FITS;
    uint32_t begin = model->next;
    static char body[BODY];

    lane_parcel_open(model->lane, 1);
    for (size_t i = 0; i < count && parcel == LANE_FITS; i++) {
        struct event event = { .body = { body, sizeof(uint32_t) + i % 100 },
                               .resource = model->resources[model->next / 3 % 2] };
        memcpy(body, &model->next, sizeof(model->next));
        parcel = lane_parcel_add(model->lane, &event, 1, &plain);
        model->next += parcel == LANE_FITS ? 1 : 0;
        if (random_below(&model->random, 50) == 0)
            gather(model);
    }
    bool keep = parcel == LANE_FITS && random_below(&model->random, 2) == 0;
    close_parcel(model->lane, keep);
    for (uint32_t number = begin; keep && number < model->next; number++)
        model->expected[model->count++] = number;
}

static void what_is_gathered_is_what_was_kept_in_order(void **unused)
{
    (void)unused;
    struct model *model = calloc(1, sizeof(*model));
    assert_non_null(model);
    model->random = random_make(7);
    model->lane = make_lane(LANE_DROP_OLDEST, no_shedding, false);
    for (size_t i = 0; i < 2; i++)
        model->resources[i] = resource_new(NULL, 0);
    for (int step = 0; step < STEPS && model->count + 200 < MOST; step++) {
        send_parcel(model);
        if (random_below(&model->random, 3) == 0)
            gather(model);
        assert_balance(model->lane, model->count);
    }
    assert_true(model->count > 10000);
    while (model->first < model->count)
        gather(model);
    assert_true(lane_is_free(model->lane));
    lane_free(&model->lane);
    for (size_t i = 0; i < 2; i++)
        resource_unref(&model->resources[i]); /* a leak, or one too many, is seen by ASan */
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parcel_is_in_no_account_until_it_is_kept),
        cmocka_unit_test(of_a_parcel_that_is_not_kept_nothing_stays),
        cmocka_unit_test(a_full_lane_pushes_nothing_out_for_a_parcel),
        cmocka_unit_test(what_an_empty_lane_cannot_take_it_never_takes),
        cmocka_unit_test(a_lane_that_sheds_is_full),
        cmocka_unit_test(an_oversize_event_is_counted_with_its_parcel),
        cmocka_unit_test(workers_that_a_parcel_kept_waiting_are_woken_at_its_end),
        cmocka_unit_test(receipts_know_what_was_kept_and_what_was_dropped),
        cmocka_unit_test(what_is_gathered_is_what_was_kept_in_order),
    };
    return RUN_WITH_LEDGER(tests);
}
