/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config/capacity.h"

enum { MIB = 1 << 20 };

/* Two inputs that feed one output: `files` waits when its lane is full, `stdin` drops. */
struct scene {
    struct settings_part inputs[2], output;
    size_t links[2];
    uint64_t sealed_bytes;
    struct settings settings;
};

static struct settings *make(struct scene *scene)
{
    *scene = (struct scene){ .links = { 0, 1 }, .sealed_bytes = 10 * MIB };
    scene->inputs[0].lane_bytes = 8 * MIB;
    scene->inputs[0].input.lane__overflow = OVERFLOW_BLOCK;
    scene->inputs[1].lane_bytes = 2 * MIB;
    scene->inputs[1].input.lane__overflow = OVERFLOW_DROP_OLDEST;
    scene->output = (struct settings_part){ .links = scene->links, .link_count = 2 };
    scene->output.output = (struct output_options){ .compression = COMPRESSION_GZIP,
                                                    .spool__max_bytes = 100 * MIB,
                                                    .dead_letter__path = "",
                                                    .dead_letter__max_bytes = 64 * MIB };
    scene->settings = (struct settings){ .inputs = scene->inputs,
                                         .input_count = 2,
                                         .outputs = &scene->output,
                                         .output_count = 1,
                                         .sealed_bytes = &scene->sealed_bytes };
    return &scene->settings;
}

/* 1024 events a second of 1 KiB in a lane; 2 KiB encoded, and 512 bytes compressed. */
static const struct capacity_load load = {
    .rate_per_s = 1024, .record_bytes = 1024, .encoded_bytes = 2048, .ratio = 4
};

static void a_lane_holds_its_bytes_and_each_event_waits_for_those_before_it(void **unused)
{
    struct scene scene;
    (void)unused;
    struct lane_capacity lane = capacity_of_lane(&make(&scene)->inputs[0], &load);
    assert_int_equal(lane.lane.bytes, 8 * MIB);
    assert_int_equal(lane.lane.events, 8192);
    assert_true(lane.lane.seconds == 8);
    assert_true(lane.waits);
    scene.inputs[0].input.lane__block_for = 500;
    assert_false(capacity_of_lane(&scene.inputs[0], &load).waits);
    assert_false(capacity_of_lane(&scene.inputs[1], &load).waits);
}

static void an_output_takes_the_rates_of_all_its_inputs(void **unused)
{
    struct scene scene;
    (void)unused;
    struct output_capacity output = capacity_of_output(make(&scene), 0, &load);
    assert_int_equal(output.lane_bytes, 10 * MIB);
    assert_int_equal(output.sealed.events, 20480);
    assert_true(output.sealed.seconds == 10);
    assert_int_equal(output.spool.events, 204800);
    assert_true(output.spool.seconds == 100);
    assert_int_equal(output.waiting, 1);
    assert_int_equal(output.dead_letter_bytes, 0);
}

static void the_worst_wait_is_through_the_largest_lane_and_all_sealed_batches(void **unused)
{
    struct scene scene;
    (void)unused;
    assert_true(capacity_of_output(make(&scene), 0, &load).worst_wait_s == 8 + 10);
}

static void an_outage_is_survived_until_the_first_lane_is_full(void **unused)
{
    struct scene scene;
    struct settings *settings = make(&scene);
    (void)unused;
    assert_true(capacity_of_output(settings, 0, &load).outage_s == 100 + 2);
    scene.output.output.spool__max_bytes = 0;
    assert_true(capacity_of_output(settings, 0, &load).outage_s == 2);
}

static void what_is_not_compressed_takes_its_whole_size(void **unused)
{
    struct scene scene;
    struct settings *settings = make(&scene);
    (void)unused;
    scene.output.output.compression = COMPRESSION_NONE;
    scene.output.output.dead_letter__path = "/var/log/refused";
    struct output_capacity output = capacity_of_output(settings, 0, &load);
    assert_int_equal(output.sealed.events, 5120);
    assert_int_equal(output.spool.events, 51200);
    assert_int_equal(output.dead_letter_bytes, 64 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_holds_its_bytes_and_each_event_waits_for_those_before_it),
        cmocka_unit_test(an_output_takes_the_rates_of_all_its_inputs),
        cmocka_unit_test(the_worst_wait_is_through_the_largest_lane_and_all_sealed_batches),
        cmocka_unit_test(an_outage_is_survived_until_the_first_lane_is_full),
        cmocka_unit_test(what_is_not_compressed_takes_its_whole_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
