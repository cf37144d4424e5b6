/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "sample.h"

/* An input with this in its lane. */
static const char *with_lane(const char *lane)
{
    static char text[4096];
    (void)snprintf(text, sizeof(text),
                   "inputs: {p: {type: pipe, lane: {%s}}}\noutputs: {a: {type: print}}\n", lane);
    return text;
}

static void classes_and_their_weights_are_read(void **unused)
{
    (void)unused;
    struct settings settings = settings_of(with_lane(
        "classes: {by: attributes.tenant, max: 7, weights: {b: 1, a.b: 1000, other: 3}}"));
    const struct settings_part *part = &settings.inputs[0];
    assert_string_equal(part->input.lane__classes__by, "attributes.tenant");
    assert_int_equal(settings_class_count(&part->input), 8);
    assert_int_equal(part->input.lane__classes__weights.count, 3);
    assert_string_equal(part->input.lane__classes__weights.items[1].key, "a.b");
    assert_int_equal(part->class_weights[0], 1);
    assert_int_equal(part->class_weights[1], 1000);
    assert_int_equal(part->class_weights[2], 3);
    settings_free(&settings);
    settings = settings_of(with_lane("classes: {by: severity}"));
    assert_int_equal(settings_class_count(&settings.inputs[0].input), 7);
    settings_free(&settings);
    settings = settings_of(with_lane("weight: 1"));
    assert_int_equal(settings_class_count(&settings.inputs[0].input), 1);
    settings_free(&settings);
}

static void what_contradicts_itself_is_told_where_it_is_written(void **unused)
{
    (void)unused;
    static const struct {
        const char *lane, *wanted;
    } cases[] = {
        { "classes: {max: 3}", "a.yaml:1:43: inputs.p.lane.classes.max: needs lane.classes.by" },
        { "classes: {weights: {a: 3}}",
          "a.yaml:1:43: inputs.p.lane.classes.weights: needs lane.classes.by" },
        { "classes: {by: severity, max: 3}",
          "a.yaml:1:57: inputs.p.lane.classes.max: is for classes by a field" },
        { "classes: {by: severty}",
          "a.yaml:1:47: inputs.p.lane.classes.by: did you mean 'severity'?" },
        { "classes: {by: attributes.severty}", NULL },
        { "classes: {by: tenant, max: 0}", "'0' is below the minimum 1" },
        { "classes: {by: tenant, max: 257}", "'257' is above the maximum 256" },
        { "classes: {by: tenant, weights: {a: 0}}",
          "a.yaml:1:68: inputs.p.lane.classes.weights.a: '0' is below the minimum 1" },
        { "classes: {by: tenant, weights: {a: much}}",
          "inputs.p.lane.classes.weights.a: 'much' is not a count" },
        { "classes: {by: severity, weights: {eror: 2}}",
          "a.yaml:1:67: inputs.p.lane.classes.weights: there is no severity 'eror', did you mean "
          "'error'?" },
        { "classes: {by: severity, weights: {zz: 2}}", "there is no severity 'zz'; known: trace" },
        { "classes: {by: severity, weights: {error: 2, other: 1}}", NULL },
        { "shed: {mode: noisiest}",
          "a.yaml:1:46: inputs.p.lane.shed.mode: noisiest needs classes to compare" },
        { "classes: {by: tenant}, shed: {mode: noisiest}", NULL },
        { "capacity: 6MiB, classes: {by: tenant, max: 256}",
          "a.yaml:1:43: inputs.p.lane.capacity: 6MiB is too small: a lane holds at least 4 batches "
          "of output 'a' (batch.max_bytes 1MiB) and 4 of the largest events, and three of them "
          "for every two classes: set it to at least 26MiB" },
        { "capacity: 7MiB, classes: {by: tenant, max: 64}", NULL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].wanted == NULL)
            assert_string_equal(problems_of(with_lane(cases[i].lane)), "");
        else
            assert_problem(with_lane(cases[i].lane), cases[i].wanted);
    }
}

static void every_option_misspelt_by_one_letter_is_told_with_a_suggestion(void **unused)
{
    (void)unused;
    static const struct {
        const char *before, *key, *after;
    } keys[] = { { "", "classes", ": {by: tenant}" },
                 { "classes: {by: tenant, ", "max", ": 3}" },
                 { "classes: {by: tenant, ", "weights", ": {a: 2}}" } };

    for (size_t n = 0; n < sizeof(keys) / sizeof(keys[0]); n++) {
        for (size_t i = 0; i < 2 * strlen(keys[n].key); i++) {
            char lane[256], meant[32];
            (void)snprintf(lane, sizeof(lane), "%s%.*s%s%s%s", keys[n].before, (int)(i / 2),
                           keys[n].key, i % 2 == 0 ? "q" : "", keys[n].key + i / 2 + 1,
                           keys[n].after);
            (void)snprintf(meant, sizeof(meant), "%s'?", keys[n].key);
            assert_problem(with_lane(lane), "a.yaml:1:");
            assert_problem(with_lane(lane), meant);
        }
    }
    assert_problem(with_lane("classes: {bqy: tenant}"), "did you mean 'lane.classes.by'?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_and_their_weights_are_read),
        cmocka_unit_test(what_contradicts_itself_is_told_where_it_is_written),
        cmocka_unit_test(every_option_misspelt_by_one_letter_is_told_with_a_suggestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
