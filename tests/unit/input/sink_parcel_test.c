/* SPDX-License-Identifier: Apache-2.0 */
/* A parcel goes into two lanes, or into none. */
#include "test.h"

#include "input/sink.h"
#include "own_ledger.h"

#include <stdio.h>

enum { PIECE = 16 * 1024, PIECES = 8, BODY = 1000, LANES = 2 };

static struct feed feed;
static unsigned made;

struct scene {
    struct sink sink;
    struct gate gate;
    struct lane *lanes[LANES];
    const char *outputs[LANES];
};

static void ring(void *context)
{
    (void)context;
}

static struct lane *make_lane(size_t pieces)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "input%u", made++);
    feed = (struct feed){ .full_events = 1 << 20, .full_bytes = 1 << 30 };
    struct lane_config config = { .capacity_bytes = PIECE * pieces,
                                  .piece_bytes = PIECE,
                                  .overflow = LANE_DROP_OLDEST,
                                  .shed = { .high = 1 },
                                  .weight = 1,
                                  .books = ledger_lane(ledger, name, "out", false),
                                  .feed = &feed,
                                  .on_room = ring };
    struct lane *lane = lane_new(&config);
    assert_non_null(lane);
    return lane;
}

static struct scene *make_scene(void)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct err err = { "" };

    assert_non_null(scene);
    assert_true(sink_init(&scene->sink, &err));
    scene->lanes[0] = make_lane(PIECES);
    scene->lanes[1] = make_lane(PIECES / 4);
    scene->outputs[0] = scene->outputs[1] = "out";
    scene->sink.input = "in";
    scene->sink.lanes = scene->lanes;
    scene->sink.lane_outputs = scene->outputs;
    scene->sink.lane_count = LANES;
    scene->sink.gate = &scene->gate;
    scene->sink.receipts = receipts_new(NULL, NULL);
    assert_non_null(scene->sink.receipts);
    return scene;
}

static void end_scene(struct scene *scene)
{
    for (size_t i = 0; i < LANES; i++) {
        lane_abandon(scene->lanes[i], FLOW_drain_timeout_ring);
        lane_free(&scene->lanes[i]);
    }
    receipts_free(&scene->sink.receipts);
    sink_fini(&scene->sink);
    free(scene);
}

static void add(struct scene *scene, unsigned count)
{
    static char body[BODY];

    for (unsigned i = 0; i < count; i++)
        sink_event(&scene->sink)->body = (struct slice){ body, sizeof(body) };
}

static uint64_t events_in(const struct scene *scene, size_t lane)
{
    return lane_level(scene->lanes[lane]).events;
}

static uint64_t counted(const struct scene *scene, enum flow flow)
{
    return ledger_flow(lane_books(scene->lanes[0]), flow).events;
}

static void a_parcel_that_fits_is_in_all_lanes(void **unused)
{
    (void)unused;
    struct scene *scene = make_scene();
    uint64_t refused = 9;

    assert_true(sink_parcel_begin(&scene->sink, 0));
    add(scene, 20);
    assert_int_equal(sink_parcel_end(&scene->sink, true, &refused), PARCEL_TAKEN);
    assert_int_equal(refused, 0);
    assert_int_equal(events_in(scene, 0), 20);
    assert_int_equal(events_in(scene, 1), 20);
    end_scene(scene);
}

static void one_lane_without_room_is_enough_for_none_to_take_it(void **unused)
{
    (void)unused;
    struct scene *scene = make_scene();
    uint64_t refused = 9;

    assert_true(sink_parcel_begin(&scene->sink, 0));
    add(scene, 20);
    assert_int_equal(sink_parcel_end(&scene->sink, true, &refused), PARCEL_TAKEN);
    assert_true(sink_parcel_begin(&scene->sink, 7));
    assert_false(sink_parcel_fails(&scene->sink));
    add(scene, 20); /* there is room for as many in the first lane alone */
    assert_false(sink_flush(&scene->sink));
    assert_true(sink_parcel_fails(&scene->sink));
    add(scene, 2000);
    assert_int_equal(sink_parcel_end(&scene->sink, true, &refused), PARCEL_FULL);
    assert_int_equal(events_in(scene, 0), 20);
    assert_int_equal(events_in(scene, 1), 20);
    assert_int_equal(counted(scene, FLOW_admit), 20);
    assert_int_equal(receipts_count(scene->sink.receipts), 0);
    end_scene(scene);
}

static void what_its_maker_gives_up_is_in_none(void **unused)
{
    (void)unused;
    struct scene *scene = make_scene();
    uint64_t refused = 9;

    assert_true(sink_parcel_begin(&scene->sink, 0));
    add(scene, 10);
    (void)sink_parcel_end(&scene->sink, false, &refused);
    assert_int_equal(events_in(scene, 0), 0);
    assert_int_equal(refused, 9);
    end_scene(scene);
}

static enum processed judge(void *state, struct event *event)
{
    unsigned *seen = state;

    (void)event;
    ++*seen;
    return *seen % 4 == 0 ? PROCESS_DROP : *seen % 4 == 1 ? PROCESS_REFUSE : PROCESS_KEEP;
}

static void what_processors_leave_out_is_counted_with_the_parcel(void **unused)
{
    (void)unused;
    static const struct processor processor = { .process = judge };
    struct scene *scene = make_scene();
    unsigned seen = 0;
    struct processor_instance instance = { &processor, &seen };
    uint64_t refused = 0;

    scene->sink.processors = &instance;
    scene->sink.processor_count = 1;
    for (int keep = 0; keep < 2; keep++) {
        assert_true(sink_parcel_begin(&scene->sink, 0));
        add(scene, 12);
        (void)sink_parcel_end(&scene->sink, keep != 0, &refused);
        assert_int_equal(counted(scene, FLOW_filter), keep * 3);
        assert_int_equal(counted(scene, FLOW_malformed), keep * 3);
        assert_int_equal(events_in(scene, 1), keep * 6);
    }
    assert_int_equal(refused, 3);
    end_scene(scene);
}

static void an_id_comes_back_when_all_copies_are_settled(void **unused)
{
    (void)unused;
    struct scene *scene = make_scene();
    struct receipts *receipts = scene->sink.receipts;
    uint64_t refused = 0, id = 0;
    char mark[RECEIPT_MARK_BYTES];
    size_t bytes;

    assert_true(sink_parcel_begin(&scene->sink, 77));
    add(scene, 10);
    assert_int_equal(sink_parcel_end(&scene->sink, true, &refused), PARCEL_TAKEN);
    lane_abandon(scene->lanes[0], FLOW_drain_timeout_ring);
    assert_false(receipts_pop_settled(receipts, mark, &bytes));
    lane_abandon(scene->lanes[1], FLOW_drain_timeout_ring);
    assert_int_equal(receipts_dropped(receipts), 20);
    assert_true(receipts_pop_settled(receipts, mark, &bytes));
    memcpy(&id, mark, sizeof(id));
    assert_int_equal(id, 77);
    end_scene(scene);
}

static void too_many_that_wait_for_their_end_are_no_more_taken(void **unused)
{
    (void)unused;
    struct scene *scene = make_scene();
    uint64_t refused = 0, id = 1;

    for (; sink_parcel_begin(&scene->sink, id); id++) {
        if (id == 1)
            add(scene, 1); /* it holds up those behind it */
        assert_int_equal(sink_parcel_end(&scene->sink, true, &refused), PARCEL_TAKEN);
    }
    assert_int_equal(id, RECEIPTS_MAX + 1);
    assert_true(sink_parcel_begin(&scene->sink, 0)); /* who does not ask is taken */
    assert_int_equal(sink_parcel_end(&scene->sink, true, &refused), PARCEL_TAKEN);
    end_scene(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parcel_that_fits_is_in_all_lanes),
        cmocka_unit_test(one_lane_without_room_is_enough_for_none_to_take_it),
        cmocka_unit_test(what_its_maker_gives_up_is_in_none),
        cmocka_unit_test(what_processors_leave_out_is_counted_with_the_parcel),
        cmocka_unit_test(an_id_comes_back_when_all_copies_are_settled),
        cmocka_unit_test(too_many_that_wait_for_their_end_are_no_more_taken),
    };
    return RUN_WITH_LEDGER(tests);
}
