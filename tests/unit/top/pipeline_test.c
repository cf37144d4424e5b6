/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "own_catalog.h"
#include "own_generation.h"
#include "pipeline_state.h"

enum { NOW_MS = 5000, LOOKS_MS = 10000 };

static const struct plugin_type *const inputs[] = { &input_nothing.type, NULL };
const struct catalog catalog = { inputs, known_processors, known_outputs };

/* Who asks whether the main thread is alive takes that for its step. */
static void it_is_looked_at_often_also_where_there_is_no_output(void **unused)
{
    (void)unused;
    static struct pipeline pipeline;
    struct generation *generation = load_generation(1, "{in: {type: nothing}}", "{}");
    assert_int_equal(generation->settings.agent.report_interval, 3600000);
    pipeline.generation = generation;
    assert_true(pipeline_is_idle(&pipeline));
    assert_int_equal(pipeline_watch(&pipeline, NOW_MS), NOW_MS + LOOKS_MS);
    generation_release(&generation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_looked_at_often_also_where_there_is_no_output),
    };
    return RUN_WITH_LEDGER(tests);
}
