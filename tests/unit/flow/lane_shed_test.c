/* SPDX-License-Identifier: Apache-2.0 */
/* A lane that sheds at three times what is read of it: what its records say of themselves. */
#include "test.h"

#include "lane_rig.h"

#include <math.h>
#include <string.h>

enum { ROUND_EVENTS = 64, ROUND_MS = 7, ROUNDS = 6000 };

/* The weights in records that were read, and by what their sum may be off: its variance is
 * estimated without bias by the sum of w (w - 1) over what was kept. */
struct weighed {
    double sum, bytes, variance, variance_bytes, least_keep;
    uint64_t events;
};

static void weigh(struct piece *piece, struct weighed *ret)
{
    struct attribute attributes[4];
    struct piece_reader reader = { .piece = piece };

    for (const char *record; (record = piece_next(&reader)) != NULL;) {
        struct value weight = { .kind = VALUE_REAL, .real = 1 };
        struct event event;
        piece_advance(&reader, record_read(record, &event, attributes, 4));
        (void)event_field(&event, SLICE("sampling.weight"), &weight);
        assert_int_equal(weight.kind, VALUE_REAL);
        assert_true(weight.real >= 1 && weight.real <= 1000);
        double bytes = (double)event.body.bytes, off = weight.real * (weight.real - 1);
        ret->sum += weight.real;
        ret->bytes += weight.real * bytes;
        ret->variance += off;
        ret->variance_bytes += bytes * bytes * off;
        ret->least_keep = fmin(ret->least_keep, 1 / weight.real);
        ret->events++;
    }
}

/* Until so many bytes were read. Returns how many are owed yet, or too many were read. */
static double read_some(struct lane *lane, double bytes, struct weighed *ret)
{
    for (struct piece *piece; bytes > 0 && (piece = lane_gather(lane, 0, 0)) != NULL;) {
        bytes -= (double)piece->bytes;
        weigh(piece, ret);
        lane_give_back(lane, &piece);
    }
    return bytes < 0 ? bytes : 0;
}

/* Each with a key of its own; small ones and large ones, of all severities, most of them "info". */
static uint64_t offer_round(struct lane *lane, struct random *random, int64_t boot_ms)
{
    static char texts[ROUND_EVENTS][24];
    struct attribute keys[ROUND_EVENTS];
    struct event events[ROUND_EVENTS];
    struct run_info run = { .boot_ms = boot_ms };
    uint64_t bytes = 0;

    fill_events(events, ROUND_EVENTS);
    for (size_t i = 0; i < ROUND_EVENTS; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "%llx", (unsigned long long)random_next(random));
        keys[i] = (struct attribute){ SLICE("tenant"),
                                      { .kind = VALUE_TEXT, .text = slice_of(texts[i]) } };
        events[i].severity =
            (uint8_t)(random_below(random, 2) > 0 ? 9 : 1 + random_below(random, 24));
        events[i].body.bytes = 1 + random_below(random, BODY);
        events[i].attributes = &keys[i];
        events[i].attribute_count = 1;
        bytes += events[i].body.bytes;
    }
    assert_int_equal(lane_offer(lane, events, 0, ROUND_EVENTS, &run, NULL), ROUND_EVENTS);
    return bytes;
}

static struct lane *make_shedding(enum shed_mode mode, bool is_adaptive)
{
    struct shedder_config shed = { .high = 0.8,
                                   .low = 0.3,
                                   .keep = 0.15,
                                   .is_adaptive = is_adaptive,
                                   .mode = mode,
                                   .severity_keep = { 0.05, 0.1, 0.15, 0.2, 0.5, 0.5 },
                                   .batch_bytes = PIECE };

    lane_pieces = 64;
    shed.capacity_bytes = PIECE * lane_pieces;
    return make_lane_with(LANE_DROP_NEWEST, shed, false,
                          (struct classes_config){ .by = CLASS_BY_SEVERITY });
}

static void expect_estimate(enum shed_mode mode, bool is_adaptive)
{
    struct random random = random_make(400 + 2 * (uint64_t)mode + is_adaptive);
    struct lane *lane = make_shedding(mode, is_adaptive);
    struct books *books = lane_books(lane);
    struct weighed weighed = { .least_keep = 1 };
    double came = (double)ROUNDS * ROUND_EVENTS, came_bytes = 0, owed = 0;

    for (int round = 0; round < ROUNDS; round++) {
        double bytes = (double)offer_round(lane, &random, 1 + (int64_t)round * ROUND_MS);
        came_bytes += bytes;
        owed = read_some(lane, owed + bytes / 3, &weighed);
    }
    (void)read_some(lane, INFINITY, &weighed);
    double off = (weighed.sum - came) / sqrt(weighed.variance);
    double off_bytes = (weighed.bytes - came_bytes) / sqrt(weighed.variance_bytes);
    uint64_t shed = ledger_flow(books, FLOW_shed_sample).events;
    print_message("mode %d adaptive %d: %.0f for %.0f (%.1f sigma), from %llu; bytes %.1f sigma; "
                  "least %g\n",
                  (int)mode, is_adaptive, weighed.sum, came, off,
                  (unsigned long long)weighed.events, off_bytes, weighed.least_keep);
    /* All that is missing was sampled: nothing else is made up for by weights. */
    assert_int_equal(weighed.events + shed, ROUNDS * ROUND_EVENTS);
    assert_true(shed > ROUNDS * ROUND_EVENTS / 4);
    assert_true(fabs(off) < 4 && fabs(off_bytes) < 4);
    assert_true(sqrt(weighed.variance) < 0.02 * came);
    lane_free(&lane);
}

static void in_every_mode_weights_estimate_what_came(void **unused)
{
    (void)unused;
    for (int mode = SHED_UNIFORM; mode <= SHED_NOISIEST; mode++) {
        expect_estimate((enum shed_mode)mode, false);
        expect_estimate((enum shed_mode)mode, true);
    }
}

/* ---- who is asked ---- */

/* Sheds as long as `held` is taken. */
static struct lane *make_holding(enum shed_mode mode, struct piece **ret_held)
{
    struct event events[150];
    struct run_info run = { .boot_ms = 1 };
    struct lane_news news = { .shed = SHED_SAME };
    lane_pieces = PIECES;
    struct lane *lane = make_lane(
        LANE_BLOCK, (struct shedder_config){ .high = 0.25, .low = 0.1, .keep = 0.5, .mode = mode },
        false);
    fill_events(events, 150);
    (void)lane_offer(lane, events, 0, 150, &run, NULL);
    (void)lane_offer(lane, events, 0, 0, &run, &news);
    *ret_held = lane_gather(lane, 0, 1);
    empty_lane(lane);
    return lane;
}

static void free_holding(struct lane *lane, struct piece **heldp)
{
    lane_give_back(lane, heldp);
    empty_lane(lane);
    lane_free(&lane);
}

/* Not all of them for one draw of the hash of nothing. */
static void events_without_the_key_are_left_to_chance_one_by_one(void **unused)
{
    (void)unused;
    struct piece *held;
    struct lane *lane = make_holding(SHED_KEY, &held);
    struct event events[100];
    struct run_info run = { .boot_ms = 1 };
    fill_events(events, 100);
    assert_int_equal(lane_offer(lane, events, 0, 100, &run, NULL), 100);
    assert_in_range(lane_level(lane).events, 20, 80);
    free_holding(lane, &held);
}

/* It was kept for its chance, found no room, and its time was over: the next one has a chance of
 * its own. */
static void after_one_that_waited_in_vain_the_next_is_asked(void **unused)
{
    (void)unused;
    enum { TIMES = 400 };
    static char body[PIECE / 2 + 100]; /* each takes a piece */
    struct piece *held;
    struct lane *lane = make_holding(SHED_UNIFORM, &held);
    struct event events[40];
    struct run_info run = { .boot_ms = 1 };
    uint64_t kept = 0;
    fill_events(events, 40);
    for (size_t i = 0; i < 40; i++)
        events[i].body = (struct slice){ body, sizeof(body) };
    for (int i = 0; i < TIMES; i++) {
        size_t at = lane_offer(lane, events, 0, 40, &run, NULL);
        assert_true(at < 40); /* seven of them are kept with near certainty */
        lane_refuse(lane, FLOW_block_timeout, events, at, 40);
        empty_lane(lane);
        assert_int_equal(lane_offer(lane, events, 0, 1, &run, NULL), 1);
        kept += lane_level(lane).events;
        empty_lane(lane);
    }
    assert_in_range(kept, TIMES / 2 - 80, TIMES / 2 + 80); /* eight deviations */
    free_holding(lane, &held);
}

/* ---- what is told ---- */

static const struct shedder_config halves = { .high = 0.5, .low = 0.25, .keep = 0.5 };

/* Until it is full: it has begun to shed, and told so. */
static struct lane *make_full(uint64_t *ret_shed)
{
    struct event events[100];
    struct run_info run = { .boot_ms = 1000 };
    struct lane_news news = { .shed = SHED_SAME };
    lane_pieces = PIECES;
    struct lane *lane = make_lane(LANE_BLOCK, halves, false);
    fill_events(events, 100);
    while (lane_offer(lane, events, 0, 100, &run, &news) == 100)
        continue;
    assert_int_equal(news.shed, SHED_STARTED);
    *ret_shed = ledger_flow(lane_books(lane), FLOW_shed_sample).events;
    assert_true(*ret_shed > 0);
    return lane;
}

static void expect_stopped(const struct lane_news *news, uint64_t shed)
{
    assert_int_equal(news->shed, SHED_STOPPED);
    assert_true(news->high == 0.5 && news->low == 0.25);
    assert_int_equal(news->shed_amount.events, shed);
    assert_int_equal(news->shed_amount.bytes, shed * BODY);
    assert_int_equal(news->shed_ms, 4000);
}

static void where_nothing_comes_any_more_the_end_is_told_to_who_tells_the_time(void **unused)
{
    (void)unused;
    uint64_t shed;
    struct lane *lane = make_full(&shed);
    struct lane_news news = { .shed = SHED_SAME };
    struct numbers *numbers = ledger_lane_numbers(lane_books(lane));
    lane_tell_time(lane, 2000, &news);
    assert_int_equal(news.shed, SHED_SAME);
    lane_audit(lane);
    assert_int_equal(numbers_get(numbers, NUMBER_lane_shedding), 1);
    empty_lane(lane);
    lane_tell_time(lane, 5000, &news);
    expect_stopped(&news, shed);
    assert_int_equal(news.depth.events, 0);
    news.shed = SHED_SAME;
    lane_tell_time(lane, 6000, &news);
    assert_int_equal(news.shed, SHED_SAME); /* once */
    lane_free(&lane);
}

/* Adaptive: it would go on for seconds after the lane is empty. */
static void the_end_of_a_lane_ends_its_shedding(void **unused)
{
    (void)unused;
    for (int adaptive = 0; adaptive < 2; adaptive++) {
        struct shedder_config shed = halves;
        struct event events[100];
        struct run_info run = { .boot_ms = 1000 };
        struct lane_news news = { .shed = SHED_SAME };
        lane_pieces = PIECES;
        shed.is_adaptive = adaptive;
        shed.capacity_bytes = PIECE * PIECES;
        shed.batch_bytes = PIECE;
        struct lane *lane = make_lane(LANE_DROP_NEWEST, shed, false);
        fill_events(events, 100);
        for (; run.boot_ms < 5000; run.boot_ms += 10)
            (void)lane_offer(lane, events, 0, 10, &run, news.shed == SHED_SAME ? &news : NULL);
        assert_int_equal(news.shed, SHED_STARTED);
        uint64_t held = lane_level(lane).events;
        lane_abandon(lane, FLOW_drain_timeout_ring);
        lane_tell_time(lane, 5000, &news);
        assert_int_equal(news.shed, SHED_STOPPED);
        assert_int_equal(news.depth.events, held);
        assert_int_equal(news.shed_amount.events,
                         ledger_flow(lane_books(lane), FLOW_shed_sample).events);
        news.shed = SHED_SAME;
        lane_tell_time(lane, 20000, &news);
        assert_int_equal(news.shed, SHED_SAME);
        lane_free(&lane);
    }
}

static void a_reload_ends_shedding_and_the_next_shedder_begins_anew(void **unused)
{
    (void)unused;
    uint64_t shed;
    struct lane *lane = make_full(&shed);
    struct lane_news news = { .shed = SHED_SAME };
    struct lane_config config = { .capacity_bytes = PIECE * PIECES * 5 / 4,
                                  .piece_bytes = PIECE,
                                  .overflow = LANE_BLOCK,
                                  .shed = { .high = 0.6, .low = 0.1, .keep = 0.5 },
                                  .weight = 1,
                                  .books = lane_books(lane),
                                  .feed = &feed,
                                  .on_room = count_room };
    uint64_t held = lane_level(lane).events;
    lane_tell_time(lane, 5000, &news);
    assert_int_equal(news.shed, SHED_SAME);
    struct lane_change *change = lane_prepare(&config);
    assert_int_equal(lane_commit(lane, &change).events, 0);
    struct event event;
    struct run_info run = { .boot_ms = 5001 };
    fill_events(&event, 1);
    (void)lane_offer(lane, &event, 0, 0, &run, &news);
    expect_stopped(&news, shed);
    assert_int_equal(news.depth.events, held);
    (void)lane_offer(lane, &event, 0, 0, &run, &news);
    assert_int_equal(news.shed, SHED_STARTED);
    assert_true(news.high == 0.6 && news.low == 0.1);
    assert_int_equal(news.shed_amount.events, 0);
    empty_lane(lane);
    lane_free(&lane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_every_mode_weights_estimate_what_came),
        cmocka_unit_test(events_without_the_key_are_left_to_chance_one_by_one),
        cmocka_unit_test(after_one_that_waited_in_vain_the_next_is_asked),
        cmocka_unit_test(where_nothing_comes_any_more_the_end_is_told_to_who_tells_the_time),
        cmocka_unit_test(the_end_of_a_lane_ends_its_shedding),
        cmocka_unit_test(a_reload_ends_shedding_and_the_next_shedder_begins_anew),
    };
    return RUN_WITH_LEDGER(tests);
}
