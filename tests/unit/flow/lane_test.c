/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/check.h"
#include "lane_rig.h"

#include <pthread.h>

static void drop_oldest_takes_all_that_is_new_and_counts_what_it_pushes_out(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_DROP_OLDEST, no_shedding, false);
    struct event events[100];
    struct run_info run = { .boot_ms = 1 };
    fill_events(events, 100);
    for (uint64_t offered = 100; offered <= 10000; offered += 100) {
        assert_int_equal(lane_offer(lane, events, 0, 100, &run, NULL), 100);
        assert_balance(lane, offered);
    }
    uint64_t evicted = ledger_flow(lane_books(lane), FLOW_evict_oldest).events;
    assert_true(evicted > 0);
    assert_int_equal(lane_level(lane).events, 10000 - evicted);
    empty_lane(lane);
    lane_free(&lane);
}

static void drop_newest_keeps_what_it_has(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_DROP_NEWEST, no_shedding, false);
    struct event events[1000];
    struct run_info run = { .boot_ms = 1 };
    fill_events(events, 1000);
    assert_int_equal(lane_offer(lane, events, 0, 1000, &run, NULL), 1000);
    uint64_t kept = lane_level(lane).events;
    assert_int_equal(ledger_flow(lane_books(lane), FLOW_shed_newest).events, 1000 - kept);
    assert_balance(lane, 1000);
    empty_lane(lane);
    lane_free(&lane);
}

static void block_hands_back_what_found_no_room_and_rings_when_there_is(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_BLOCK, no_shedding, true);
    struct event events[1000];
    struct run_info run = { .boot_ms = 1 };
    fill_events(events, 1000);
    size_t at = lane_offer(lane, events, 0, 1000, &run, NULL);
    assert_in_range(at, 100, 999);
    assert_balance(lane, at);
    assert_int_equal(rooms, 0);
    empty_lane(lane);
    assert_int_equal(rooms, 1);
    assert_int_equal(lane_offer(lane, events, at, 1000, &run, NULL) > at, true);
    lane_refuse(lane, FLOW_block_timeout, events, 0, 1);
    lane_abandon(lane, FLOW_drain_timeout_ring);
    assert_true(ledger_flow(lane_books(lane), FLOW_replay_ring).events > 0);
    lane_free(&lane);
}

static void an_event_larger_than_a_piece_is_oversize_and_its_neighbours_are_taken(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_BLOCK, no_shedding, false);
    static char body[PIECE];
    struct event events[3];
    struct run_info run = { .boot_ms = 1 };
    fill_events(events, 3);
    events[1].body = (struct slice){ body, sizeof(body) };
    assert_int_equal(lane_offer(lane, events, 0, 3, &run, NULL), 3);
    assert_int_equal(ledger_flow(lane_books(lane), FLOW_oversize).events, 1);
    assert_int_equal(ledger_flow(lane_books(lane), FLOW_oversize).bytes, PIECE);
    assert_int_equal(lane_level(lane).events, 2);
    empty_lane(lane);
    lane_free(&lane);
}

/* What all events in the lane say of themselves: the sum of their weights. Empties it. */
static double weights_in(struct lane *lane, uint64_t *ret_events)
{
    static struct attribute attributes[1024];
    double sum = 0;

    *ret_events = 0;
    for (struct piece *piece; (piece = lane_gather(lane, 0, 0)) != NULL;) {
        struct piece_reader reader = { .piece = piece };
        for (const char *record; (record = piece_next(&reader)) != NULL;) {
            struct event event;
            struct value weight = { .kind = VALUE_REAL, .real = 1 };
            piece_advance(&reader, record_read(record, &event, attributes, 1024));
            (void)event_field(&event, SLICE("sampling.weight"), &weight);
            assert_int_equal(weight.kind, VALUE_REAL);
            sum += weight.real;
            (*ret_events)++;
        }
        lane_give_back(lane, &piece);
    }
    return sum;
}

static const struct shedder_config halves = { .high = 0.25, .low = 0.1, .keep = 0.5 };

static struct piece *held;

/* A lane that has just begun to shed, with 100 events. It goes on as long as `held` is taken: one
 * piece of eight is more than `low`. */
static struct lane *make_shedding(enum lane_overflow overflow, uint64_t *ret_offered)
{
    struct lane *lane = make_lane(overflow, halves, false);
    struct event events[100];
    struct run_info run = { .boot_ms = 1 };
    struct lane_news news = { .shed = SHED_SAME };
    fill_events(events, 100);
    (void)lane_offer(lane, events, 0, 100, &run, &news); /* two pieces of eight */
    assert_int_equal(news.shed, SHED_SAME);
    (void)lane_offer(lane, events, 0, 0, &run, &news);
    assert_int_equal(news.shed, SHED_STARTED);
    assert_int_equal(news.depth.events, 100);
    assert_true(news.fill >= 0.25 && news.high == 0.25 && news.low == 0.1 && news.keep == 0.5);
    *ret_offered = 100;
    held = lane_gather(lane, 0, 0);
    return lane;
}

static void free_shedding(struct lane *lane)
{
    if (held != NULL)
        lane_give_back(lane, &held);
    empty_lane(lane);
    lane_free(&lane);
}

static void kept_events_carry_their_weight_while_shedding_and_metrics_are_not_sampled(void **unused)
{
    (void)unused;
    uint64_t offered;
    struct lane *lane = make_shedding(LANE_DROP_OLDEST, &offered);
    struct event events[100];
    struct attribute attributes[4];
    struct run_info run = { .boot_ms = 1 };
    fill_events(events, 100);
    for (size_t i = 0; i < 100; i++)
        events[i].kind = i < 30 ? EVENT_GAUGE : EVENT_LOG;
    assert_int_equal(lane_offer(lane, events, 0, 100, &run, NULL), 100);
    offered += 100;
    assert_balance(lane, offered);
    uint64_t shed = ledger_flow(lane_books(lane), FLOW_shed_sample).events;
    assert_in_range(shed, 15, 55); /* 70 at one half */
    uint64_t at = held->events;
    for (struct piece *piece; (piece = lane_gather(lane, 0, 0)) != NULL;) {
        struct piece_reader reader = { .piece = piece };
        for (const char *record; (record = piece_next(&reader)) != NULL; at++) {
            struct event event;
            piece_advance(&reader, record_read(record, &event, attributes, 4));
            assert_int_equal(event.attribute_count, at >= 100 && event.kind == EVENT_LOG);
            if (event.attribute_count == 1)
                assert_true(slice_equals(attributes[0].key, SLICE("sampling.weight")) &&
                            attributes[0].value.real == 2);
        }
        lane_give_back(lane, &piece);
    }
    assert_int_equal(at, 200 - shed);
    free_shedding(lane);
}

static void a_weight_that_is_there_is_multiplied_and_finds_room_in_a_full_event(void **unused)
{
    (void)unused;
    enum { ALL = 1024 };
    static char keys[ALL][8];
    static struct attribute attributes[ALL];
    uint64_t offered, kept;
    struct lane *lane = make_shedding(LANE_DROP_OLDEST, &offered);
    struct run_info run = { .boot_ms = 1 };
    const struct value there[] = { { .kind = VALUE_REAL, .real = 2.5 },
                                   { .kind = VALUE_INT, .integer = 4 } };
    (void)weights_in(lane, &kept);
    for (size_t i = 0; i < 2; i++) {
        struct attribute own = { SLICE("sampling.weight"), there[i] };
        struct event event = { .body = SLICE("x"), .attributes = &own, .attribute_count = 1 };
        do
            (void)lane_offer(lane, &event, 0, 1, &run, NULL);
        while (lane_level(lane).events == 0);
        assert_true(weights_in(lane, &kept) == (i == 0 ? 5 : 8));
        assert_true(own.value.kind == there[i].kind); /* the reading's own is not touched */
    }
    for (size_t i = 0; i < ALL; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        attributes[i] = (struct attribute){ slice_of(keys[i]), { .kind = VALUE_BOOL } };
    }
    struct event full = { .attributes = attributes, .attribute_count = 100 };
    for (int round = 0; round < 2; round++) {
        do
            (void)lane_offer(lane, &full, 0, 1, &run, NULL);
        while (lane_level(lane).events == 0);
        assert_true(weights_in(lane, &kept) == 2);
        full.attribute_count = 500; /* more do not fit into a piece of this lane */
    }
    free_shedding(lane);
}

/* What leaves the lane says by its weights how much came, whoever was shed for it. */
static void in_every_mode_the_weights_in_the_lane_add_up_to_what_came(void **unused)
{
    (void)unused;
    for (int mode = SHED_UNIFORM; mode <= SHED_NOISIEST; mode++) {
        struct shedder_config shed = halves;
        struct random random = random_make(31 + (uint64_t)mode);
        struct event events[64];
        struct attribute keys[64];
        char texts[64][24];
        struct run_info run = { .boot_ms = 1 };
        double came = 0, weighed = 0;
        uint64_t kept, stored = 0;
        shed.mode = (enum shed_mode)mode;
        for (size_t band = 0; band < BANDS; band++)
            shed.severity_keep[band] = 0.2 + 0.1 * (double)band;
        struct lane *lane = make_lane_with(LANE_DROP_NEWEST, shed, false,
                                           (struct classes_config){ .by = CLASS_BY_SEVERITY });
        fill_events(events, 64);
        (void)lane_offer(lane, events, 0, 64, &run, NULL);
        (void)lane_offer(lane, events, 0, 64, &run, NULL);
        held = lane_gather(lane, 0, 0);
        struct piece *second = lane_gather(lane, 0, 0); /* fill stays above low */
        assert_non_null(second);
        (void)lane_offer(lane, events, 0, 0, &run, NULL);
        (void)weights_in(lane, &kept);
        for (int round = 0; round < 8000; round++, run.boot_ms += 7) {
            for (size_t i = 0; i < 64; i++) {
                (void)snprintf(texts[i], sizeof(texts[i]), "%llx",
                               (unsigned long long)random_next(&random));
                keys[i] = (struct attribute){ SLICE("tenant"),
                                              { .kind = VALUE_TEXT, .text = slice_of(texts[i]) } };
                events[i].severity = (uint8_t)(1 + random_below(&random, 24));
                events[i].body.bytes = 1 + random_below(&random, BODY);
                events[i].attributes = &keys[i];
                events[i].attribute_count = 1;
            }
            assert_int_equal(lane_offer(lane, events, 0, 64, &run, NULL), 64);
            weighed += weights_in(lane, &kept);
            stored += kept;
            came += 64;
        }
        print_message("mode %d: %.0f for %.0f, from %llu\n", mode, weighed, came,
                      (unsigned long long)stored);
        /* At most 1 / 0.2 for each: sigma is below 0.3 %. */
        assert_true((double)stored < 0.8 * came && (double)stored > 0.2 * came);
        assert_true(weighed > came * 0.99 && weighed < came * 1.01);
        lane_give_back(lane, &second);
        free_shedding(lane);
    }
}

/* An event that finds no room has been sampled: it must not be sampled again when there is. */
static void waiting_for_room_or_pushing_out_does_not_sample_twice(void **unused)
{
    (void)unused;
    for (int overflow = LANE_BLOCK; overflow <= LANE_DROP_OLDEST; overflow++) {
        uint64_t offered, kept;
        struct lane *lane = make_shedding((enum lane_overflow)overflow, &offered);
        struct run_info run = { .boot_ms = 1 };
        double weighed = 0;
        (void)weights_in(lane, &kept);
        struct event events[60];
        static char body[PIECE / 2 + 100]; /* each takes a piece: every eighth finds no room */
        fill_events(events, 60);
        for (size_t i = 0; i < 60; i++)
            events[i].body = (struct slice){ body, sizeof(body) };
        for (int round = 0; round < 500; round++) {
            for (size_t at = 0; at < 60;) {
                at = lane_offer(lane, events, at, 60, &run, NULL);
                weighed += weights_in(lane, &kept);
            }
        }
        weighed += 2 * (double)ledger_flow(lane_books(lane), FLOW_evict_oldest).events;
        /* sigma of the sum of 30,000 at one half, with weight 2: 173 */
        if (weighed < 30000 - 700 || weighed > 30000 + 700)
            fail_msg("overflow %d: %.0f for 30000", overflow, weighed);
        free_shedding(lane);
    }
}

static void shedding_that_ends_is_told_with_what_was_shed_also_when_nothing_comes(void **unused)
{
    (void)unused;
    uint64_t offered, kept;
    struct lane *lane = make_shedding(LANE_DROP_OLDEST, &offered);
    struct event events[100];
    struct run_info run = { .boot_ms = 501 };
    struct lane_news news = { .shed = SHED_SAME };
    fill_events(events, 100);
    for (size_t i = 0; i < 100; i++)
        events[i].severity = i < 50 ? SEVERITY_DEBUG : SEVERITY_ERROR;
    (void)lane_offer(lane, events, 0, 100, &run, &news);
    assert_int_equal(news.shed, SHED_SAME);
    (void)weights_in(lane, &kept);
    lane_give_back(lane, &held);
    lane_tell_time(lane, 1001, NULL);
    lane_audit(lane);
    assert_int_equal(numbers_get(ledger_lane_numbers(lane_books(lane)), NUMBER_lane_shedding), 0);
    run.boot_ms = 60000;
    (void)lane_offer(lane, events, 0, 1, &run, &news);
    assert_int_equal(news.shed, SHED_STOPPED);
    assert_int_equal(news.shed_ms, 1000);
    uint64_t shed = ledger_flow(lane_books(lane), FLOW_shed_sample).events;
    assert_int_equal(news.shed_amount.events, shed);
    assert_int_equal(news.shed_amount.bytes, shed * BODY);
    assert_int_equal(news.shed_by_band[BAND_DEBUG] + news.shed_by_band[BAND_ERROR], shed);
    assert_true(news.shed_by_band[BAND_DEBUG] > 0 && news.shed_by_band[BAND_ERROR] > 0);
    news.shed = SHED_SAME;
    (void)lane_offer(lane, events, 0, 1, &run, &news);
    assert_int_equal(news.shed, SHED_SAME); /* once */
    (void)weights_in(lane, &kept);
    lane_free(&lane);
}

static void the_age_of_the_oldest_is_told_also_across_classes(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane_with(LANE_DROP_OLDEST, no_shedding, false,
                                       (struct classes_config){ .by = CLASS_BY_SEVERITY });
    struct numbers *numbers = ledger_lane_numbers(lane_books(lane));
    struct event event;
    fill_events(&event, 1);
    for (int64_t second = 10; second < 13; second++) {
        event.severity = (uint8_t)(1 + 4 * (second - 10));
        (void)lane_offer(lane, &event, 0, 1, &(struct run_info){ .boot_ms = second * 1000 }, NULL);
    }
    lane_tell_time(lane, 15500, NULL);
    lane_audit(lane);
    assert_int_equal(numbers_get(numbers, NUMBER_lane_oldest_seconds), 5);
    empty_lane(lane);
    lane_audit(lane);
    assert_int_equal(numbers_get(numbers, NUMBER_lane_oldest_seconds), 0);
    lane_free(&lane);
}

static void receipts_settle_however_the_events_leave(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_DROP_OLDEST, no_shedding, true);
    struct receipts *receipts = receipts_new(NULL, NULL);
    struct event events[100];
    char mark[RECEIPT_MARK_BYTES];
    size_t mark_bytes;
    fill_events(events, 100);
    for (uint64_t read = 0; read < 50; read++) {
        struct run_info run = { .receipt = receipts_open(receipts), .boot_ms = 1 };
        (void)lane_offer(lane, events, 0, 100, &run, NULL);
        receipts_hold_done(receipts, run.receipt, &read, sizeof(read));
    }
    uint64_t popped = 0;
    while (receipts_pop_settled(receipts, mark, &mark_bytes))
        popped++;
    /* Pushed out: counted as dropped, so their reads are settled, but for the one cut by a piece.
     */
    uint64_t evicted = ledger_flow(lane_books(lane), FLOW_evict_oldest).events;
    assert_int_equal(popped, evicted / 100);
    lane_abandon(lane, FLOW_drain_timeout_ring); /* can be read again: these receipts stay open */
    assert_false(receipts_pop_settled(receipts, mark, &mark_bytes));
    receipts_free(&receipts);
    lane_free(&lane);
}

/* Events of all severities, of eight tenants and of none. */
static void vary_events(struct event *events, size_t count, struct attribute *tenants,
                        struct random *random)
{
    static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    for (size_t i = 0; i < count; i++) {
        tenants[i] = (struct attribute){ SLICE("tenant"),
                                         { .kind = VALUE_TEXT,
                                           .text = slice_of(names[random_below(random, 8)]) } };
        events[i].severity = (uint8_t)random_below(random, 25);
        events[i].body.bytes = 1 + random_below(random, BODY);
        events[i].attributes = &tenants[i];
        events[i].attribute_count = random_below(random, 10) > 0;
    }
}

static void live_a_random_day(struct lane *lane, struct random *random)
{
    struct event events[64];
    struct attribute tenants[64];
    struct piece *hand[4] = { NULL };
    struct run_info run = { .boot_ms = 1 };
    uint64_t handled = 0;

    fill_events(events, 64);
    for (int i = 0; i < 6000; i++) {
        struct piece **slot = &hand[random_below(random, 4)];
        uint64_t what = random_below(random, 3);
        run.boot_ms += (int64_t)random_below(random, i % 1000 == 0 ? 100000 : 20);
        vary_events(events, 64, tenants, random);
        if (what == 0)
            handled += lane_offer(lane, events, 0, 1 + random_below(random, 64), &run, NULL);
        else if (what == 1 && *slot == NULL)
            *slot = lane_gather(lane, (unsigned)random_below(random, LEDGER_CELLS), run.boot_ms);
        else if (what == 2 && *slot != NULL)
            lane_give_back(lane, slot);
        assert_balance(lane, handled);
    }
    for (int i = 0; i < 4; i++) {
        if (hand[i] != NULL)
            lane_give_back(lane, &hand[i]);
    }
    empty_lane(lane);
}

static void random_days_balance_after_every_step(void **unused)
{
    (void)unused;
    uint64_t seed;
    random_bytes(&seed, sizeof(seed));
    print_message("seed=%llu\n", (unsigned long long)seed);
    struct random random = random_make(seed);

    for (int overflow = LANE_BLOCK; overflow <= LANE_DROP_NEWEST; overflow++) {
        for (int by = CLASS_BY_NOTHING; by <= CLASS_BY_FIELD; by++) {
            bool has_classes = by != CLASS_BY_NOTHING;
            struct shedder_config shed = { .high = 0.8, .low = 0.4, .keep = 0.3 };
            shed.mode = (enum shed_mode)random_below(&random, has_classes ? 5 : 4);
            shed.is_adaptive = random_below(&random, 2) > 0;
            shed.capacity_bytes = PIECE * PIECES;
            shed.batch_bytes = PIECE;
            for (size_t band = 0; band < BANDS; band++)
                shed.severity_keep[band] = 0.1 + 0.1 * (double)band;
            struct lane *lane = make_lane_with(
                (enum lane_overflow)overflow, shed, false,
                (struct classes_config){ .by = (enum class_by)by, .field = "tenant", .max = 3 });
            live_a_random_day(lane, &random);
            lane_free(&lane);
        }
    }
}

/* Pieces are taken while the reading is still at the door: what the workers sleep by is never less
 * than what is in the rings, and nothing in the end. */
enum { OFFERS = 20000 };

static void *offer_all(void *context)
{
    struct lane *lane = context;
    struct event event;
    struct run_info run = { .boot_ms = 1 };

    fill_events(&event, 1);
    for (int i = 0; i < OFFERS; i++)
        CHECK(lane_offer(lane, &event, 0, 1, &run, NULL) == 1);
    return NULL;
}

static void the_feed_is_never_negative_however_soon_a_piece_is_taken(void **unused)
{
    (void)unused;
    struct lane *lane = make_lane(LANE_DROP_OLDEST, no_shedding, false);
    struct books *books = lane_books(lane);
    pthread_t thread;
    uint64_t gathered = 0, evicted = 0;

    assert_int_equal(pthread_create(&thread, NULL, offer_all, lane), 0);
    while (gathered + evicted < OFFERS) {
        struct piece *piece = lane_gather(lane, 0, 0);
        assert_in_range(atomic_load(&feed.events), 0, OFFERS);
        if (piece != NULL)
            lane_give_back(lane, &piece);
        gathered = ledger_flow(books, FLOW_gather).events;
        evicted = ledger_flow(books, FLOW_evict_oldest).events;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&feed.events), 0);
    assert_int_equal(atomic_load(&feed.bytes), 0);
    lane_free(&lane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drop_oldest_takes_all_that_is_new_and_counts_what_it_pushes_out),
        cmocka_unit_test(drop_newest_keeps_what_it_has),
        cmocka_unit_test(block_hands_back_what_found_no_room_and_rings_when_there_is),
        cmocka_unit_test(an_event_larger_than_a_piece_is_oversize_and_its_neighbours_are_taken),
        cmocka_unit_test(kept_events_carry_their_weight_while_shedding_and_metrics_are_not_sampled),
        cmocka_unit_test(a_weight_that_is_there_is_multiplied_and_finds_room_in_a_full_event),
        cmocka_unit_test(in_every_mode_the_weights_in_the_lane_add_up_to_what_came),
        cmocka_unit_test(waiting_for_room_or_pushing_out_does_not_sample_twice),
        cmocka_unit_test(shedding_that_ends_is_told_with_what_was_shed_also_when_nothing_comes),
        cmocka_unit_test(the_age_of_the_oldest_is_told_also_across_classes),
        cmocka_unit_test(receipts_settle_however_the_events_leave),
        cmocka_unit_test(random_days_balance_after_every_step),
        cmocka_unit_test(the_feed_is_never_negative_however_soon_a_piece_is_taken),
    };
    return RUN_WITH_LEDGER(tests);
}
