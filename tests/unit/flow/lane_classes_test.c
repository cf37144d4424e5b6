/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants in one lane: who gets what of the reading and of the memory when all of it is asked for.
 */
#include "test.h"

#include "flow/lane_parcel.h"
#include "lane_rig.h"

#include <math.h>
#include <string.h>

enum { TENANTS = 5, EVENTS = 4096, NO_TENANT = 99 };
static const char *const names[TENANTS] = { "noisy", "a", "b", "c", "d" };

/* One millisecond after another: so many events of each tenant come, in random order, and so many
 * bytes are read. */
struct town {
    struct lane *lane;
    struct random random;
    size_t load[TENANTS]; /* events a millisecond */
    uint64_t read_bytes;  /* a millisecond */
    int64_t now_ms;
    double owed;
    uint64_t offered[TENANTS], came_bytes[TENANTS], came[TENANTS];
};

static size_t tenant_of(const char *record)
{
    struct attribute attributes[4];
    struct event event;
    struct value value;

    (void)record_read(record, &event, attributes, 4);
    for (size_t i = 0; event_field(&event, SLICE("tenant"), &value) && i < TENANTS; i++) {
        if (slice_equals(value.text, slice_of(names[i])))
            return i;
    }
    return NO_TENANT;
}

static void read_pieces(struct town *town)
{
    town->owed += (double)town->read_bytes;
    while (town->owed > 0) {
        struct piece *piece = lane_gather(town->lane, 0, 0);
        if (piece == NULL) {
            town->owed = 0;
            return;
        }
        size_t tenant = tenant_of(piece_next(&(struct piece_reader){ .piece = piece }));
        assert_true(tenant < TENANTS);
        town->came_bytes[tenant] += piece->bytes;
        town->came[tenant] += piece->events;
        town->owed -= (double)piece->bytes;
        lane_give_back(town->lane, &piece);
    }
}

static void offer_all(struct town *town)
{
    static char body[400];
    static struct event events[EVENTS];
    static struct attribute attributes[EVENTS];
    struct run_info run = { .boot_ms = town->now_ms };
    size_t left[TENANTS], total = 0, count = 0;

    for (size_t i = 0; i < TENANTS; i++)
        total += left[i] = town->load[i];
    assert_true(total <= EVENTS);
    for (; total > 0; total--) {
        size_t at = random_below(&town->random, total), tenant = 0;
        while (at >= left[tenant])
            at -= left[tenant++];
        left[tenant]--;
        town->offered[tenant]++;
        attributes[count] =
            (struct attribute){ SLICE("tenant"),
                                { .kind = VALUE_TEXT, .text = slice_of(names[tenant]) } };
        events[count] = (struct event){ .body = { body, 100 + random_below(&town->random, 300) },
                                        .attributes = &attributes[count],
                                        .attribute_count = 1 };
        count++;
    }
    for (size_t from = 0; from < count; from += 512)
        (void)lane_offer(town->lane, events, from, from + 512 < count ? from + 512 : count, &run,
                         NULL);
}

static void live(struct town *town, int64_t ms)
{
    for (int64_t until = town->now_ms + ms; town->now_ms < until; town->now_ms++) {
        offer_all(town);
        read_pieces(town);
    }
}

static struct town make_town(enum lane_overflow overflow, const struct class_weight *weights,
                             size_t weight_count)
{
    lane_pieces = 64;
    struct lane *lane = make_lane_with(overflow, no_shedding, false,
                                       (struct classes_config){ .by = CLASS_BY_FIELD,
                                                                .field = "attributes.tenant",
                                                                .max = 16,
                                                                .weights = weights,
                                                                .weight_count = weight_count });
    return (struct town){ .lane = lane, .random = random_make(11), .now_ms = 1000 };
}

static void leave(struct town *town)
{
    empty_lane(town->lane);
    lane_free(&town->lane);
}

static struct class_report report_of(const struct class_report *reports, size_t count,
                                     const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(reports[i].name, name) == 0)
            return reports[i];
    }
    fail_msg("no report of %s", name);
    return reports[0];
}

static void begin_anew(struct town *town)
{
    struct class_report reports[32];
    (void)lane_report_classes(town->lane, town->now_ms, reports, 32);
    memset(town->came, 0, sizeof(town->came));
    memset(town->came_bytes, 0, sizeof(town->came_bytes));
    memset(town->offered, 0, sizeof(town->offered));
}

static void under_saturation_each_class_has_its_weight_within_two_percent(void **unused)
{
    (void)unused;
    static const struct class_weight weights[] = { { "b", 2 }, { "c", 4 } };
    const double wanted[TENANTS] = { 1.0 / 9, 1.0 / 9, 2.0 / 9, 4.0 / 9, 1.0 / 9 };

    for (int overflow = LANE_DROP_OLDEST; overflow <= LANE_DROP_NEWEST; overflow++) {
        struct town town = make_town((enum lane_overflow)overflow, weights, 2);
        struct class_report reports[32];
        double total = 0;
        town.read_bytes = 8000; /* some 30 events */
        memcpy(town.load, (size_t[]){ 800, 8, 16, 32, 8 }, sizeof(town.load));
        live(&town, 500);
        begin_anew(&town);
        live(&town, 3000);
        for (size_t i = 0; i < TENANTS; i++)
            total += (double)town.came_bytes[i];
        size_t count = lane_report_classes(town.lane, town.now_ms, reports, 32);
        /* Its share of the memory, read at its share of the rate; a piece of it may be under way.
         */
        int64_t most_ms = (int64_t)(lane_pieces * PIECE / town.read_bytes) + 5;
        for (size_t i = 0; i < TENANTS; i++) {
            double share = (double)town.came_bytes[i] / total;
            struct class_report report = report_of(reports, count, names[i]);
            print_message("overflow %d: %s offered %llu, share %.4f for %.4f, longest wait %lld "
                          "ms\n",
                          overflow, names[i], (unsigned long long)town.offered[i], share, wanted[i],
                          (long long)report.longest_wait_ms);
            assert_true(share > wanted[i] * 0.98 && share < wanted[i] * 1.02);
            assert_true(i == 0 || report.longest_wait_ms <= most_ms); /* 0 is the noisy one */
            assert_int_equal(report.gathered, town.came[i]);
        }
        leave(&town);
    }
}

static void a_hundredfold_load_costs_the_others_nothing(void **unused)
{
    (void)unused;
    for (int overflow = LANE_DROP_OLDEST; overflow <= LANE_DROP_NEWEST; overflow++) {
        struct town town = make_town((enum lane_overflow)overflow, NULL, 0);
        struct class_report reports[32];
        town.read_bytes = 8000;
        memcpy(town.load, (size_t[]){ 400, 4, 4, 4, 4 }, sizeof(town.load));
        live(&town, 500);
        begin_anew(&town);
        live(&town, 2000);
        size_t count = lane_report_classes(town.lane, town.now_ms, reports, 32);
        struct class_report noisy = report_of(reports, count, "noisy");
        uint64_t lost = overflow == LANE_DROP_OLDEST ? noisy.evicted : noisy.refused;
        assert_true(lost > noisy.gathered);
        for (size_t i = 1; i < TENANTS; i++) {
            struct class_report quiet = report_of(reports, count, names[i]);
            assert_int_equal(quiet.evicted + quiet.refused + quiet.shed, 0);
            assert_int_equal(quiet.admitted, town.offered[i]);
            /* Noisy's own are pushed out young, or stay and wait. */
            bool is_long = overflow == LANE_DROP_OLDEST || noisy.longest_wait_ms > 50;
            if (quiet.longest_wait_ms > 5 || !is_long)
                fail_msg("overflow %d: %s waited %lld ms, noisy %lld ms", overflow, names[i],
                         (long long)quiet.longest_wait_ms, (long long)noisy.longest_wait_ms);
        }
        struct books *books = lane_books(town.lane);
        if (overflow == LANE_DROP_NEWEST) {
            assert_int_equal(ledger_flow(books, FLOW_evict_oldest).events, 0);
            assert_true(ledger_flow(books, FLOW_shed_class).events >= lost);
        } else {
            assert_int_equal(ledger_flow(books, FLOW_shed_class).events, 0);
            assert_int_equal(ledger_flow(books, FLOW_shed_newest).events, 0);
        }
        leave(&town);
    }
}

static void a_class_borrows_what_others_leave_and_gives_its_oldest_back(void **unused)
{
    (void)unused;
    struct town town = make_town(LANE_DROP_OLDEST, NULL, 0);
    struct class_report reports[32];
    memcpy(town.load, (size_t[]){ 400, 0, 0, 0, 0 }, sizeof(town.load));
    live(&town, 20); /* fills all 64 pieces */
    size_t count = lane_report_classes(town.lane, town.now_ms, reports, 32);
    uint64_t alone = report_of(reports, count, "noisy").waiting;
    assert_true(alone * 250 > (uint64_t)62 * PIECE * 8 / 10);
    memcpy(town.load, (size_t[]){ 0, 400, 0, 0, 0 }, sizeof(town.load));
    live(&town, 20);
    count = lane_report_classes(town.lane, town.now_ms, reports, 32);
    uint64_t noisy = report_of(reports, count, "noisy").waiting;
    uint64_t a = report_of(reports, count, "a").waiting;
    assert_true(fabs((double)noisy / (double)alone - 0.5) < 0.05);
    assert_true(fabs((double)a / (double)alone - 0.5) < 0.05);
    /* All of it spans some 9 ms and is 20 ms old; its newer half is left. */
    print_message("noisy waits for %lld ms\n",
                  (long long)report_of(reports, count, "noisy").longest_wait_ms);
    assert_in_range(report_of(reports, count, "noisy").longest_wait_ms, 20, 26);
    leave(&town);
}

static void the_noisiest_class_is_sampled_and_the_others_are_whole(void **unused)
{
    (void)unused;
    lane_pieces = 64;
    struct shedder_config shed = { .high = 0.8,
                                   .low = 0.4,
                                   .is_adaptive = true,
                                   .mode = SHED_NOISIEST,
                                   .capacity_bytes = PIECE * 64,
                                   .batch_bytes = PIECE };
    struct town town = { .lane = make_lane_with(LANE_DROP_NEWEST, shed, false,
                                                (struct classes_config){ .by = CLASS_BY_FIELD,
                                                                         .field = "tenant",
                                                                         .max = 16 }),
                         .random = random_make(12),
                         .now_ms = 1000,
                         .read_bytes = 8000,
                         .load = { 100, 1, 1, 1, 1 } };
    struct class_report reports[32];
    live(&town, 4000);
    begin_anew(&town);
    live(&town, 4000);
    size_t count = lane_report_classes(town.lane, town.now_ms, reports, 32);
    assert_true(report_of(reports, count, "noisy").shed > 4000 * 50);
    for (size_t i = 1; i < TENANTS; i++)
        assert_int_equal(report_of(reports, count, names[i]).admitted, 4000);
    leave(&town);
}

static struct class_report report_now(struct lane *lane, int64_t boot_ms, const char *name)
{
    struct class_report reports[32];
    size_t count = lane_report_classes(lane, boot_ms, reports, 32);

    return report_of(reports, count, name);
}

static struct lane *make_by_severity(enum lane_overflow overflow)
{
    lane_pieces = PIECES;
    return make_lane_with(overflow, no_shedding, false,
                          (struct classes_config){ .by = CLASS_BY_SEVERITY });
}

/* A worker that was held up for long: nothing was offered meanwhile, and no report made. */
static void how_long_a_class_waited_is_known_when_it_is_read(void **unused)
{
    (void)unused;
    struct lane *lane = make_by_severity(LANE_BLOCK);
    struct event event;
    fill_events(&event, 1);
    for (int64_t second = 1; second < 4; second++) {
        event.severity = second < 2 ? 9 : 17;
        (void)lane_offer(lane, &event, 0, 1, &(struct run_info){ .boot_ms = second * 1000 }, NULL);
    }
    for (int64_t boot_ms = 10000; boot_ms < 12000; boot_ms += 1000) {
        struct piece *piece = lane_gather(lane, 0, boot_ms);
        lane_give_back(lane, &piece);
    }
    struct class_report reports[32];
    size_t count = lane_report_classes(lane, 60000, reports, 32);
    assert_int_equal(count, 2);
    assert_int_equal(report_of(reports, count, "info").longest_wait_ms, 9000);
    assert_int_equal(report_of(reports, count, "error").longest_wait_ms, 9000);
    lane_free(&lane);
}

static void whatever_a_full_lane_turns_away_is_told_of_its_class(void **unused)
{
    (void)unused;
    for (int overflow = LANE_BLOCK; overflow <= LANE_DROP_NEWEST; overflow++) {
        struct lane *lane = make_by_severity((enum lane_overflow)overflow);
        struct books *books = lane_books(lane);
        struct run_info run = { .boot_ms = 1000 };
        struct event events[BANDS];
        struct piece *hand[PIECES];
        fill_events(events, BANDS);
        for (size_t i = 0; i < BANDS; i++)
            events[i].severity = (uint8_t)(1 + 4 * i);
        (void)lane_offer(lane, events, 0, BANDS - 1, &run, NULL); /* a piece for each but one */
        for (size_t i = 0; i < BANDS - 1; i++)
            hand[i] = lane_gather(lane, 0, 1000);
        (void)lane_offer(lane, events, 0, 3, &run, NULL);
        for (size_t i = BANDS - 1; i < PIECES; i++)
            hand[i] = lane_gather(lane, 0, 1000);
        size_t at = lane_offer(lane, events, 4, 6, &run, NULL); /* all are in hand */
        lane_refuse(lane, FLOW_block_timeout, events, at, 6);
        assert_int_equal(ledger_flow(books, FLOW_shed_newest).events +
                             ledger_flow(books, FLOW_block_timeout).events,
                         2);
        struct class_report reports[32];
        size_t count = lane_report_classes(lane, 1000, reports, 32);
        assert_int_equal(report_of(reports, count, "error").refused, 1);
        assert_int_equal(report_of(reports, count, "fatal").refused, 1);
        assert_int_equal(report_of(reports, count, "info").refused, 0);
        for (size_t i = 0; i < PIECES; i++)
            lane_give_back(lane, &hand[i]);
        lane_free(&lane);
    }
}

/* Its sender has it still. */
static void a_parcel_that_is_not_taken_is_no_drop_of_its_class(void **unused)
{
    (void)unused;
    struct lane *lane = make_by_severity(LANE_DROP_NEWEST);
    struct run_info run = { .boot_ms = 1000 };
    struct event event;
    fill_events(&event, 1);
    assert_int_equal(lane_offer(lane, &event, 0, 1, &run, NULL), 1);
    lane_parcel_open(lane, 1000);
    while (lane_parcel_add(lane, &event, 1, &run) == LANE_FITS)
        continue;
    (void)lane_parcel_close(lane, NULL, false, false, NULL);
    assert_int_equal(lane_offer(lane, &event, 0, 1, &run, NULL), 1);
    struct class_report info = report_now(lane, 1000, "info");
    assert_int_equal(info.admitted, 2);
    assert_int_equal(info.refused, 0);
    empty_lane(lane);
    lane_free(&lane);
}

static enum lane_parcel put_parcel(struct lane *lane, uint8_t severity, size_t count)
{
    struct event events[64];
    struct run_info run = { .boot_ms = 1000 };
    enum lane_parcel parcel = LANE_FITS;
    fill_events(events, 64);
    for (size_t i = 0; i < 64; i++)
        events[i].severity = severity;
    lane_parcel_open(lane, 1000);
    for (size_t left = count; left > 0 && parcel == LANE_FITS;) {
        size_t part = left < 64 ? left : 64;
        parcel = lane_parcel_add(lane, events, part, &run);
        left -= part;
    }
    (void)lane_parcel_close(lane, NULL, parcel == LANE_FITS, false, NULL);
    return parcel;
}

/* Nothing is pushed out for a request. The one class of many requests is told that it is full while
 * there is room for the others; with `block` all wait for each other. */
static void who_sends_most_requests_leaves_room_for_those_of_others(void **unused)
{
    (void)unused;
    for (int overflow = LANE_BLOCK; overflow <= LANE_DROP_NEWEST; overflow++) {
        struct lane *lane = make_by_severity((enum lane_overflow)overflow);
        while (put_parcel(lane, 9, 10) == LANE_FITS)
            continue;
        assert_int_equal(put_parcel(lane, 17, 10), overflow == LANE_BLOCK ? LANE_FULL : LANE_FITS);
        empty_lane(lane);
        assert_int_equal(put_parcel(lane, 9, PIECES * 64), LANE_FITS); /* alone: all of it */
        empty_lane(lane);
        assert_int_equal(put_parcel(lane, 9, (size_t)PIECES * 100), LANE_NEVER);
        lane_free(&lane);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(under_saturation_each_class_has_its_weight_within_two_percent),
        cmocka_unit_test(a_hundredfold_load_costs_the_others_nothing),
        cmocka_unit_test(a_class_borrows_what_others_leave_and_gives_its_oldest_back),
        cmocka_unit_test(the_noisiest_class_is_sampled_and_the_others_are_whole),
        cmocka_unit_test(how_long_a_class_waited_is_known_when_it_is_read),
        cmocka_unit_test(whatever_a_full_lane_turns_away_is_told_of_its_class),
        cmocka_unit_test(a_parcel_that_is_not_taken_is_no_drop_of_its_class),
        cmocka_unit_test(who_sends_most_requests_leaves_room_for_those_of_others),
    };
    return RUN_WITH_LEDGER(tests);
}
