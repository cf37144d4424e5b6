/* SPDX-License-Identifier: Apache-2.0 */
/* A channel whose reading says the word of its configuration again and again, and whose lane the
 * test empties. */
#include "test.h"

#include "channel.h"
#include "own_catalog.h"
#include "own_generation.h"

enum { GIVE_UP_MS = 60000, LOOK_US = 500 };

#define WORDS_OPTIONS(X, T) X(T, word, text, REQUIRED, ANY, ANY, "What it says")
DECLARE_OPTIONS(words_config, WORDS_OPTIONS);
struct words {
    const struct words_config *config;
};
static char said[16]; /* the last word: while the reading stands */

static bool words_open(void *state, const void *config, const struct host *host, struct err *err)
{
    struct words *words = state;
    (void)host, (void)err;
    words->config = config;
    return true;
}

static enum collected words_collect(void *state, struct sink *sink)
{
    const struct words *words = state;
    (void)snprintf(said, sizeof(said), "%s", words->config->word);
    sink_event(sink)->body = slice_of(words->config->word);
    return COLLECT_MORE;
}

static void words_wait(void *state, struct waits *waits)
{
    (void)state, (void)waits;
}

static const struct input input_words = { .type = { PLUGIN_TYPE("words", "", words_config, words) },
                                          .open = words_open,
                                          .collect = words_collect,
                                          .wait = words_wait };
static const struct plugin_type *const inputs[] = { &input_words.type, NULL };
const struct catalog catalog = { inputs, known_processors, known_outputs };

static struct outlet outlet = { .name = "out", .feed = { .full_bytes = 1 << 30 } };

static struct generation *generation_of(uint64_t number, const char *word)
{
    char input[256];

    (void)snprintf(input, sizeof(input),
                   "{app: {type: words, word: %s, lane: {capacity: 1MiB, overflow: block}}}", word);
    return load_generation(number, input, "{out: {type: nowhere, batch: {max_bytes: 64KiB}}}");
}

static struct channel *start_channel(struct generation *generation)
{
    struct channel_place place = { .ledger = ledger, .hostname = "host" };
    struct err err = { "" };
    struct channel *channel = channel_open(&place, generation, 0, "out", &err);

    assert_non_null(channel);
    outlet.part = generation->settings.outputs;
    assert_non_null(channel_add(channel, &place, generation, 0, &outlet, outlet.part, &err));
    channel_list_lanes(channel);
    assert_true(reading_start(channel->reading, channel->lanes, channel->outputs, 1, &err));
    return channel;
}

static void empty_lane(struct channel *channel)
{
    struct lane *lane = channel->strands[0]->lane;

    for (struct piece *piece; (piece = lane_gather(lane, 0, 0)) != NULL;)
        lane_give_back(lane, &piece);
}

static void pause_until(int64_t give_up_ms)
{
    (void)usleep(LOOK_US);
    assert_true(clock_now_ms() < give_up_ms);
}

/* Returns while it stands in the middle of a read, for which its lane has no room. */
static void stop_in_full_lane(struct channel *channel)
{
    struct gate *gate = reading_gate(channel->reading);
    int64_t give_up_ms = clock_now_ms() + GIVE_UP_MS;

    for (;;) {
        gate_shut(gate);
        reading_nudge(channel->reading);
        while (!gate_is_stood_at(gate))
            pause_until(give_up_ms);
        if (reading_is_offering(channel->reading))
            return;
        gate_open(gate);
        pause_until(give_up_ms);
    }
}

/* As a reload does while it stands there. */
static void reload(struct channel *channel, struct generation *next)
{
    struct channel_place place = { .ledger = ledger, .hostname = "host" };
    struct err err = { "" };

    stop_in_full_lane(channel);
    assert_true(channel_prepare(channel, &place, next, 0, &err));
    assert_non_null(channel->change);
    channel_commit(channel, next);
    gate_open(reading_gate(channel->reading));
}

static void await_taken_up(struct channel *channel)
{
    int64_t give_up_ms = clock_now_ms() + GIVE_UP_MS;

    while (reading_is_changing(channel->reading)) {
        empty_lane(channel);
        pause_until(give_up_ms);
    }
}

static void stop_channel(struct channel **channelp)
{
    struct channel *channel = *channelp;

    reading_abort(channel->reading);
    assert_true(reading_await_stop(channel->reading, INT64_MAX));
    reading_finish(channel->reading);
    lane_abandon(channel->strands[0]->lane, FLOW_drain_timeout_ring);
    channel_free(channelp);
}

static void what_a_reading_went_over_to_stays_until_it_has_taken_up_the_next(void **unused)
{
    (void)unused;
    struct generation *first = generation_of(1, "one"), *second = generation_of(2, "two"),
                      *third = generation_of(3, "three");
    struct channel *channel = start_channel(first);
    reload(channel, second); /* waits for the lane; main does not look at it before the next one */
    await_taken_up(channel);
    reload(channel, third);
    assert_non_null(channel->before.from);
    assert_int_equal(channel->before.from->number, 2);
    generation_release(&first);
    generation_release(&second);
    stop_in_full_lane(channel);
    assert_string_equal(said, "two");
    gate_open(reading_gate(channel->reading));
    await_taken_up(channel);
    channel_settle_change(channel);
    assert_null(channel->before.from);
    stop_in_full_lane(channel);
    assert_string_equal(said, "three");
    gate_open(reading_gate(channel->reading));
    stop_channel(&channel);
    assert_int_equal(third->users, 1);
    generation_release(&third);
}

static void a_change_that_was_not_taken_up_gives_way_to_the_next(void **unused)
{
    (void)unused;
    struct generation *first = generation_of(1, "one"), *second = generation_of(2, "two"),
                      *third = generation_of(3, "three");
    struct channel *channel = start_channel(first);
    reload(channel, second);
    reload(channel, third);
    assert_int_equal(channel->before.from->number, 1);
    assert_int_equal(second->users, 1);
    await_taken_up(channel);
    stop_in_full_lane(channel);
    assert_string_equal(said, "three");
    gate_open(reading_gate(channel->reading));
    stop_channel(&channel);
    generation_release(&first);
    generation_release(&second);
    generation_release(&third);
}

/* ---- less memory for a lane ---- */

static struct generation *generation_with(uint64_t number, const char *capacity,
                                          const char *classes)
{
    char input[256];

    (void)snprintf(input, sizeof(input),
                   "{app: {type: words, word: one, lane: {capacity: %s, overflow: block%s}}}",
                   capacity, classes);
    return load_generation(number, input, "{out: {type: nowhere, batch: {max_bytes: 64KiB}}}");
}

/* Returns whether its lane keeps its pieces, and only lends fewer of them. */
static bool keeps_pieces(const char *before, const char *after, const char *classes)
{
    struct generation *first = generation_with(1, before, classes),
                      *next = generation_with(2, after, classes);
    struct channel_place place = { .ledger = ledger, .hostname = "host" };
    struct err err = { "" };
    struct channel *channel = channel_open(&place, first, 0, "out", &err);
    assert_non_null(channel);
    struct strand *strand =
        channel_add(channel, &place, first, 0, &outlet, first->settings.outputs, &err);
    assert_non_null(strand);
    outlet.part = first->settings.outputs;
    assert_true(strand_prepare(channel, strand, next, 0, next->settings.outputs, &err));
    bool keeps = strand->change == NULL;
    assert_int_equal(strand->limit_bytes, keeps ? next->settings.inputs[0].lane_bytes : 0);
    channel_free(&channel);
    generation_release(&first);
    generation_release(&next);
    return keeps;
}

static void a_lane_with_less_memory_has_no_fewer_pieces_than_a_new_one_must_have(void **unused)
{
    (void)unused;
    const char *by_severity = ", classes: {by: severity}";
    assert_true(keeps_pieces("64MiB", "32MiB", by_severity));
    assert_false(keeps_pieces("64MiB", "16MiB", by_severity)); /* 8 for 7 classes */
    assert_false(keeps_pieces("64MiB", "4MiB", by_severity));
    assert_true(keeps_pieces("64MiB", "8MiB", ""));
    assert_false(keeps_pieces("64MiB", "4MiB", ""));
    assert_false(keeps_pieces("64MiB", "1MiB", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_reading_went_over_to_stays_until_it_has_taken_up_the_next),
        cmocka_unit_test(a_change_that_was_not_taken_up_gives_way_to_the_next),
        cmocka_unit_test(a_lane_with_less_memory_has_no_fewer_pieces_than_a_new_one_must_have),
    };
    return RUN_WITH_LEDGER(tests);
}
