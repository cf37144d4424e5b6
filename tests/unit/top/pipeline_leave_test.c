/* SPDX-License-Identifier: Apache-2.0 */
/* Channels that leave, of which the test says when the workers of an output come to rest. */
#include "test.h"

#include "own_catalog.h"
#include "own_generation.h"
#include "pipeline_state.h"

static const struct plugin_type *const inputs[] = { &input_nothing.type, NULL };
const struct catalog catalog = { inputs, known_processors, known_outputs };

static unsigned rests; /* so many more times the workers come to rest */

bool __wrap_parking_close_briefly(struct parking *parking);
bool __wrap_parking_close_briefly(struct parking *parking)
{
    (void)parking;
    if (rests == 0)
        return false;
    rests--;
    return true;
}

struct scene {
    struct generation *generation;
    struct outlet first, second;
    struct pipeline pipeline;
    struct channel *taker; /* would read the input again */
};

static void add_outlet(struct scene *scene, struct outlet *outlet, const char *name)
{
    (void)snprintf(outlet->name, sizeof(outlet->name), "%s", name);
    outlet->feed = (struct feed){ .full_events = 1000, .full_bytes = 1 << 20 };
    outlet->part = scene->generation->settings.outputs;
}

static struct strand *add_lane(struct scene *scene, struct channel *channel, struct outlet *outlet)
{
    struct channel_place place = { .ledger = ledger };
    struct err err = { "" };
    struct strand *strand =
        channel_add(channel, &place, scene->generation, 0, outlet, outlet->part, &err);

    assert_non_null(strand);
    outlet->lanes[outlet->lane_count++] = strand->lane;
    return strand;
}

static struct scene *open_scene(void)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scene->generation = load_generation(1, "{in: {type: nothing}}",
                                        "{first: {type: nowhere}, second: {type: nowhere}}");
    add_outlet(scene, &scene->first, "first");
    add_outlet(scene, &scene->second, "second");
    lock_init(&scene->pipeline.lock, "pipeline");
    struct channel *channel = channel_of_strays("in");
    assert_non_null(channel);
    plan_list_channel(&scene->pipeline, channel);
    pipeline_let_leave(channel, 0);
    scene->taker = channel_of_strays("in");
    assert_non_null(scene->taker);
    return scene;
}

static void close_scene(struct scene **scenep)
{
    struct scene *scene = *scenep;

    assert_int_equal(scene->pipeline.channel_count, 0);
    channel_free(&scene->taker);
    generation_release(&scene->generation);
    lock_fini(&scene->pipeline.lock);
    free(scene);
    *scenep = NULL;
}

static void offer_one(struct lane *lane)
{
    struct event event = { .body = SLICE("an event") };
    struct run_info run = { .boot_ms = 1 };

    assert_int_equal(lane_offer(lane, &event, 0, 1, &run, NULL), 1);
}

static void a_lane_that_its_output_still_knows_can_be_had_again(void **unused)
{
    (void)unused;
    struct scene *scene = open_scene();
    struct strand *strand = add_lane(scene, scene->pipeline.channels[0], &scene->first);
    offer_one(strand->lane);
    (void)pipeline_tend(&scene->pipeline, 1); /* its time is over, but a worker is busy */
    assert_int_equal(scene->first.lane_count, 1);
    assert_ptr_equal(replace_find_lane(&scene->pipeline, scene->taker, &scene->first), strand);
    assert_int_equal(lane_level(strand->lane).events, 1);
    rests = 1;
    (void)pipeline_tend(&scene->pipeline, 2);
    assert_int_equal(scene->first.lane_count, 0);
    assert_null(replace_find_lane(&scene->pipeline, scene->taker, &scene->first));
    close_scene(&scene);
}

static void a_lane_that_its_output_knows_no_more_is_not_had_again(void **unused)
{
    (void)unused;
    struct scene *scene = open_scene();
    struct strand *strand = add_lane(scene, scene->pipeline.channels[0], &scene->first);
    (void)add_lane(scene, scene->pipeline.channels[0], &scene->second);
    rests = 1; /* of the second alone */
    (void)pipeline_tend(&scene->pipeline, 1);
    assert_int_equal(scene->first.lane_count, 1);
    assert_int_equal(scene->second.lane_count, 0);
    assert_null(replace_find_lane(&scene->pipeline, scene->taker, &scene->second));
    assert_ptr_equal(replace_find_lane(&scene->pipeline, scene->taker, &scene->first), strand);
    rests = 1;
    (void)pipeline_tend(&scene->pipeline, 2);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_that_its_output_still_knows_can_be_had_again),
        cmocka_unit_test(a_lane_that_its_output_knows_no_more_is_not_had_again),
    };
    return RUN_WITH_LEDGER(tests);
}
