/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "sample.h"

/* An input whose lane.shed is this. */
static const char *with_shed(const char *shed)
{
    static char text[2048];
    (void)snprintf(text, sizeof(text),
                   "inputs: {p: {type: pipe, lane: {shed: {%s}}}}\noutputs: {a: {type: print}}\n",
                   shed);
    return text;
}

static struct input_options lane_of(const char *text)
{
    struct settings settings = settings_of(text);
    struct input_options input = settings.inputs[0].input;
    settings_free(&settings); /* numbers stay good */
    return input;
}

static void high_is_80_percent_where_shedding_is_asked_for_and_never_else(void **unused)
{
    (void)unused;
    assert_true(lane_of(with_shed("keep: 20%")).lane__shed__high == 0.8);
    assert_true(lane_of(with_shed("high: 100%, keep: 20%")).lane__shed__high == 1);
    assert_true(lane_of(with_shed("high: 60%")).lane__shed__high == 0.6);
    assert_true(lane_of("inputs: {p: {type: pipe, lane: {weight: 2}}}\noutputs: {a: {type: print}}")
                    .lane__shed__high == 1);
}

static void keep_is_a_share_or_adaptive(void **unused)
{
    (void)unused;
    assert_true(lane_of(with_shed("keep: adaptive")).lane__shed__keep == KEEP_ADAPTIVE);
    assert_true(lane_of(with_shed("keep: 25%")).lane__shed__keep == 0.25);
    assert_true(lane_of(with_shed("keep: 0")).lane__shed__keep == 0);
    assert_problem(with_shed("keep: adaptiv"),
                   "a.yaml:1:46: inputs.p.lane.shed.keep: 'adaptiv' is not a share, did you mean "
                   "'adaptive'?");
    assert_problem(with_shed("keep: lots"), "'lots' is not a keep: write 80%, 0.8 or adaptive");
    assert_problem(with_shed("keep: 101%"), "'101%' is above the maximum 100%");
    assert_problem(with_shed("keep: 0.05%"), "a.yaml:1:46: inputs.p.lane.shed.keep: is below 0.1%");
}

static void what_contradicts_itself_is_told_where_it_is_written(void **unused)
{
    (void)unused;
    static const struct {
        const char *shed, *wanted;
    } cases[] = {
        { "mode: key", "a.yaml:1:46: inputs.p.lane.shed.mode: key needs lane.shed.key" },
        { "mode: key, key: trace_id", NULL },
        { "key: trace_id", "a.yaml:1:45: inputs.p.lane.shed.key: needs lane.shed.mode: key" },
        { "low: 80%",
          "a.yaml:1:45: inputs.p.lane.shed.low: 80% must be below lane.shed.high, 80%" },
        { "mode: severity", NULL },
        { "mode: severity, keep: adaptive", NULL },
        { "mode: severity, keep: 10%",
          "a.yaml:1:62: inputs.p.lane.shed.keep: with mode severity the shares are those of" },
        { "severity: {info: 5%}",
          "a.yaml:1:50: inputs.p.lane.shed.severity: needs lane.shed.mode: severity" },
        { "mode: severity, severity: {trace: 5%, debug: 5%, info: 5%, warn: 10%, error: 20%, "
          "fatal: 20%}",
          NULL },
        { "mode: severity, severity: {warn: 5%}",
          "a.yaml:1:73: inputs.p.lane.shed.severity.warn: info keeps 10% and warn only 5%" },
        { "mode: severity, severity: {info: 80%}",
          "a.yaml:1:73: inputs.p.lane.shed.severity.info: info keeps 80% and warn only 50%" },
        { "mode: severity, severity: {info: 0%}", "'0%' is below the minimum 0.1%" },
        { "mode: sevrity", "did you mean 'severity'?" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].wanted == NULL)
            assert_string_equal(problems_of(with_shed(cases[i].shed)), "");
        else
            assert_problem(with_shed(cases[i].shed), cases[i].wanted);
    }
}

/* Each letter of the key left out, or replaced. */
static void assert_misspellings_are_told(const char *before, const char *key, const char *after)
{
    char shed[512], wrong[64], meant[64];

    (void)snprintf(meant, sizeof(meant), "%s'?", key);
    for (size_t i = 0; i < 2 * strlen(key); i++) {
        const char *instead = i % 2 == 0 ? "q" : "";
        (void)snprintf(wrong, sizeof(wrong), "%.*s%s%s", (int)(i / 2), key, instead,
                       key + i / 2 + 1);
        (void)snprintf(shed, sizeof(shed), "%s%s%s", before, wrong, after);
        assert_problem(with_shed(shed), "a.yaml:1:");
        assert_problem(with_shed(shed), meant);
    }
}

static void every_option_misspelt_by_one_letter_is_told_with_a_suggestion(void **unused)
{
    (void)unused;
    static const char *const bands[] = { "trace", "debug", "info", "warn", "error", "fatal" };

    assert_misspellings_are_told("", "mode", ": uniform");
    assert_misspellings_are_told("mode: key, ", "key", ": trace_id");
    assert_misspellings_are_told("mode: severity, ", "severity", ": {info: 10%}");
    for (size_t i = 0; i < sizeof(bands) / sizeof(bands[0]); i++)
        assert_misspellings_are_told("mode: severity, severity: {", bands[i], ": 50%}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(high_is_80_percent_where_shedding_is_asked_for_and_never_else),
        cmocka_unit_test(keep_is_a_share_or_adaptive),
        cmocka_unit_test(what_contradicts_itself_is_told_where_it_is_written),
        cmocka_unit_test(every_option_misspelt_by_one_letter_is_told_with_a_suggestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
