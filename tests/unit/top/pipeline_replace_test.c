/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "own_catalog.h"
#include "own_generation.h"
#include "pipeline_state.h"

static const struct plugin_type *const inputs[] = { &input_nothing.type, NULL };
const struct catalog catalog = { inputs, known_processors, known_outputs };

static bool never(void *context)
{
    (void)context;
    return false;
}

/* Of a reading that has not come to its end, as it has no thread. */
static void assert_refusal(enum channel_state state, const char *wanted)
{
    static struct pipeline pipeline;
    static struct outlet outlet = { .name = "out" };
    struct generation *generation =
        load_generation(1, "{in: {type: nothing}}", "{out: {type: nowhere}}");
    struct channel_place place = { .ledger = ledger, .hostname = "host" };
    struct patience patience = { .is_over = never };
    struct plan plan = { .pipeline = &pipeline, .patience = &patience, .old_channels = 1 };
    struct err err = { "" };
    struct channel *channel = channel_open(&place, generation, 0, "out", &err);
    assert_non_null(channel);
    struct strand *strand =
        channel_add(channel, &place, generation, 0, &outlet, generation->settings.outputs, &err);
    assert_non_null(strand);
    struct channel *taker = channel_of_strays("in");
    strand->next_channel = taker;
    channel->state = state;
    pipeline.channels[0] = channel;
    assert_false(replace_await_stops(&plan, &err));
    if (strstr(err.text, wanted) == NULL)
        fail_msg("wanted '%s', got '%s'", wanted, err.text);
    channel_free(&channel);
    channel_free(&taker);
    generation_release(&generation);
}

static void what_does_not_come_to_its_end_is_told_as_it_is(void **unused)
{
    (void)unused;
    assert_refusal(CHANNEL_READS, "input 'in' has been of the type 'nothing' and does not come");
    assert_refusal(CHANNEL_LEAVES,
                   "input 'in' was taken out, it was of the type 'nothing' and does not come");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_come_to_its_end_is_told_as_it_is),
    };
    return RUN_WITH_LEDGER(tests);
}
