/* SPDX-License-Identifier: Apache-2.0 */
/* What is written of a lane, as the lane gets it. */
#include "test.h"

#include "lane_setup.h"
#include "own_catalog.h"
#include "own_generation.h"

#include <math.h>
#include <stdlib.h>

static const struct plugin_type *const inputs[] = { &input_nothing.type, NULL };
const struct catalog catalog = { inputs, known_processors, known_outputs };

/* The lane of an input with these options of `lane`, and the weights that it borrows. */
struct set_up {
    struct generation *generation;
    struct class_weight *weights;
    struct lane_config lane;
};

static struct set_up set_up(const char *options)
{
    char input[512];
    struct set_up set_up;

    (void)snprintf(input, sizeof(input), "{app: {type: nothing, lane: {%s}}}", options);
    set_up.generation =
        load_generation(1, input, "{out: {type: nowhere, batch: {max_bytes: 64KiB}}}");
    const struct settings *settings = &set_up.generation->settings;
    set_up.weights = lane_setup_weights(&settings->inputs[0]);
    set_up.lane = lane_setup(&settings->inputs[0], &settings->outputs[0], set_up.weights);
    return set_up;
}

static void forget(struct set_up *set_up)
{
    free(set_up->weights);
    generation_release(&set_up->generation);
}

static void each_overflow_policy_is_what_it_is_called(void **unused)
{
    (void)unused;
    static const struct {
        const char *options;
        enum lane_overflow overflow;
    } cases[] = { { "overflow: block", LANE_BLOCK },
                  { "overflow: drop_oldest", LANE_DROP_OLDEST },
                  { "overflow: drop_newest", LANE_DROP_NEWEST },
                  { "weight: 7", LANE_DROP_OLDEST } }; /* it cannot be read again */

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct set_up made = set_up(cases[i].options);
        assert_int_equal(made.lane.overflow, cases[i].overflow);
        assert_int_equal(made.lane.weight, i == 3 ? 7 : 1);
        assert_true(made.lane.shed.high >= 1); /* it never sheds */
        assert_int_equal(made.lane.classes.by, CLASS_BY_NOTHING);
        forget(&made);
    }
}

static void each_mode_of_shedding_is_what_it_is_called(void **unused)
{
    (void)unused;
    static const struct {
        const char *options;
        enum shed_mode mode;
    } cases[] = { { "shed: {high: 70%}", SHED_UNIFORM },
                  { "shed: {high: 70%, mode: uniform}", SHED_UNIFORM },
                  { "shed: {high: 70%, mode: severity}", SHED_SEVERITY },
                  { "shed: {high: 70%, mode: key, key: trace_id}", SHED_KEY },
                  { "shed: {high: 70%, mode: largest}", SHED_LARGEST },
                  { "classes: {by: severity}, shed: {high: 70%, mode: noisiest}", SHED_NOISIEST } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct set_up made = set_up(cases[i].options);
        assert_int_equal(made.lane.shed.mode, cases[i].mode);
        assert_true(fabs(made.lane.shed.high - 0.7) < 1e-9);
        assert_true(fabs(made.lane.shed.low - 0.4) < 1e-9);
        assert_string_equal(made.lane.shed_key, cases[i].mode == SHED_KEY ? "trace_id" : "");
        forget(&made);
    }
}

static void what_is_kept_is_a_share_one_for_each_severity_or_adaptive(void **unused)
{
    (void)unused;
    struct set_up fixed = set_up("shed: {low: 20%, keep: 30%}");
    assert_true(fabs(fixed.lane.shed.high - 0.8) < 1e-9 && fabs(fixed.lane.shed.low - 0.2) < 1e-9);
    assert_true(!fixed.lane.shed.is_adaptive && fabs(fixed.lane.shed.keep - 0.3) < 1e-9);
    forget(&fixed);
    struct set_up adaptive = set_up("capacity: 2MiB, shed: {keep: adaptive}");
    assert_true(adaptive.lane.shed.is_adaptive);
    assert_int_equal(adaptive.lane.capacity_bytes, 2 << 20);
    assert_int_equal(adaptive.lane.shed.capacity_bytes, 2 << 20);
    assert_int_equal(adaptive.lane.shed.batch_bytes, 64 << 10);
    forget(&adaptive);
    struct set_up shares = set_up("shed: {mode: severity, severity: {trace: 1%, debug: 2%, "
                                  "info: 3%, warn: 4%, error: 5%, fatal: 6%}}");
    for (size_t i = 0; i < BANDS; i++)
        assert_true(fabs(shares.lane.shed.severity_keep[i] - 0.01 * (double)(i + 1)) < 1e-9);
    forget(&shares);
}

static void classes_have_their_field_their_bound_and_their_weights(void **unused)
{
    (void)unused;
    struct set_up made = set_up("classes: {by: attributes.tenant, max: 5, "
                                "weights: {a: 3, other: 2, b: 1000}}");
    const struct classes_config *classes = &made.lane.classes;
    assert_int_equal(classes->by, CLASS_BY_FIELD);
    assert_string_equal(classes->field, "attributes.tenant");
    assert_int_equal(classes->max, 5);
    assert_int_equal(classes->weight_count, 3);
    static const struct class_weight wanted[] = { { "a", 3 }, { "other", 2 }, { "b", 1000 } };
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(classes->weights[i].name, wanted[i].name);
        assert_int_equal(classes->weights[i].weight, wanted[i].weight);
    }
    forget(&made);
    made = set_up("classes: {by: severity, weights: {error: 4}}");
    assert_int_equal(made.lane.classes.by, CLASS_BY_SEVERITY);
    assert_int_equal(made.lane.classes.weights[0].weight, 4);
    forget(&made);
}

/* So that each may hold two of them. */
static void many_classes_get_smaller_pieces(void **unused)
{
    (void)unused;
    struct set_up few = set_up("capacity: 16MiB"),
                  many = set_up("capacity: 16MiB, classes: {by: body, max: 63}");
    assert_true(few.lane.capacity_bytes / few.lane.piece_bytes >= 30);
    assert_true(many.lane.capacity_bytes / many.lane.piece_bytes >= 120);
    forget(&few);
    forget(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_overflow_policy_is_what_it_is_called),
        cmocka_unit_test(each_mode_of_shedding_is_what_it_is_called),
        cmocka_unit_test(what_is_kept_is_a_share_one_for_each_severity_or_adaptive),
        cmocka_unit_test(classes_have_their_field_their_bound_and_their_weights),
        cmocka_unit_test(many_classes_get_smaller_pieces),
    };
    return RUN_WITH_LEDGER(tests);
}
