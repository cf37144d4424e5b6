/* SPDX-License-Identifier: Apache-2.0 */
/* reading_change: a reading goes over to another configuration in place: its thread, positions,
 * receipts and lanes are the same objects before and after, so nothing is read twice and nothing
 * is waited for. Runs in the main thread, while the reading stands at its gate. One that stands in
 * the middle of a read, because its lane is full, takes the change up by itself when that is over.
 */
#include "input/reading_state.h"

#include "base/auto.h"
#include "base/bell.h"
#include "base/check.h"
#include "base/log.h"

#include <stdlib.h>

struct reading_change {
    struct reading_config config;
    struct processor_instance *processors;
    size_t processor_count;
    struct resource *resource;
    void *state; /* NULL: the plugin changes by itself */
    struct host *host;
    bool is_open;
};

void reading_change_free(struct reading_change **changep)
{
    struct reading_change *change = *changep;

    *changep = NULL;
    if (change == NULL)
        return;
    if (change->is_open && change->config.plugin->close != NULL)
        change->config.plugin->close(change->state);
    free(change->state);
    free(change->host);
    if (change->processors != NULL)
        reading_close_processors(&change->processors, change->processor_count);
    resource_unref(&change->resource);
    free(change);
}

/* Without change() another instance takes the place of this one. */
static bool open_beside(struct reading_change *change, struct err *err)
{
    const struct input *plugin = change->config.plugin;
    struct err why = { "" };

    if (plugin->change != NULL)
        return true;
    if ((plugin->type.traits & INPUT_REREADABLE) != 0)
        return err_set(err, "input '%s' cannot be changed while it runs: restart the agent",
                       change->config.input);
    change->state = calloc(1, plugin->type.state_bytes);
    if (change->state == NULL)
        return err_set(err, "out of memory for input '%s'", change->config.input);
    change->is_open = plugin->open(change->state, change->config.plugin_config, change->host, &why);
    return change->is_open || err_set(err, "input '%s': %s", change->config.input, why.text);
}

struct reading_change *reading_prepare(struct reading *reading, const struct reading_config *config,
                                       struct err *err)
{
    AUTO(reading_change_free) struct reading_change *change = calloc(1, sizeof(*change));

    CHECK(config->plugin == reading->config.plugin);
    if (change == NULL) {
        (void)err_set(err, "out of memory for input '%s'", config->input);
        return NULL;
    }
    change->config = *config;
    change->host = reading_make_host(config);
    change->resource = resource_new(config->base, config->base_count);
    if (change->resource == NULL || change->host == NULL) {
        (void)err_set(err, "out of memory for input '%s'", config->input);
        return NULL;
    }
    if (!reading_open_processors(config, &change->processors, &change->processor_count, err) ||
        !open_beside(change, err))
        return NULL;
    struct reading_change *made = change;
    change = NULL;
    return made;
}

struct gate *reading_gate(struct reading *reading)
{
    return &reading->gate;
}

void reading_nudge(struct reading *reading)
{
    bell_ring(reading->sink.bell);
}

bool reading_is_offering(struct reading *reading)
{
    return atomic_load(&reading->sink.is_offering);
}

bool reading_try_change(struct reading *reading, struct reading_change *change, bool forward,
                        struct err *err)
{
    const struct reading_config *config = forward ? &change->config : &reading->config;
    const struct host *host = forward ? change->host : reading->host;

    CHECK(gate_is_stood_at(&reading->gate) && !reading_is_offering(reading));
    if (config->plugin->change == NULL)
        return true;
    if (config->plugin->change(reading->state, config->plugin_config, host, err))
        return true;
    CHECK(forward); /* going back never fails */
    return false;
}

void reading_give_way(struct reading *reading, bool gives_way)
{
    atomic_store(&reading->sink.gives_way, gives_way);
    bell_ring(reading->sink.bell);
}

/* It may have another source, or more to come: it is asked once more. */
static void forget_end(struct reading *reading)
{
    if (!reading->done)
        return;
    reading->done = false;
    atomic_store(&reading->finished_source, false);
    atomic_store(&reading->stopped, false); /* it says so anew */
}

/* Its reads go on by the config of now, and what it waits for is looked at anew. */
static void swap_in(struct reading *reading, struct reading_change **changep)
{
    struct reading_change *change = *changep;
    struct sink *sink = &reading->sink;
    struct reading_change old = { .config = reading->config,
                                  .host = reading->host,
                                  .processors = sink->processors,
                                  .processor_count = sink->processor_count,
                                  .resource = sink->resource };

    if (change->state != NULL) {
        old.state = reading->state;
        old.is_open = true;
        reading->state = change->state;
    }
    reading->config = change->config;
    reading->host = change->host;
    sink->processors = change->processors;
    sink->processor_count = change->processor_count;
    sink->resource = change->resource;
    sink->input = change->config.input;
    sink->block_for_ms = change->config.block_for_ms;
    reading->next_collect_ms = 0;
    forget_end(reading);
    *change = old; /* goes with the change */
    reading_change_free(changep);
}

static void forget_pending(struct reading *reading)
{
    struct reading_change *pending = atomic_exchange(&reading->pending, NULL);

    reading_change_free(&pending);
}

bool reading_commit(struct reading *reading, struct reading_change **changep)
{
    CHECK(gate_is_stood_at(&reading->gate));
    forget_pending(reading);
    if (!reading_is_offering(reading)) {
        swap_in(reading, changep);
        return true;
    }
    reading->retry_change_ms = 0;
    atomic_store(&reading->pending, *changep);
    *changep = NULL;
    return false;
}

bool reading_is_changing(struct reading *reading)
{
    return atomic_load(&reading->pending) != NULL;
}

/* It stays in its place until all of it is done: main looks there. */
void reading_take_pending(struct reading *reading)
{
    struct reading_change *change = atomic_load(&reading->pending);
    struct err err = { "" };

    if (change == NULL || clock_now_ms() < reading->retry_change_ms)
        return;
    const struct input *plugin = change->config.plugin;
    if (plugin->change != NULL &&
        !plugin->change(reading->state, change->config.plugin_config, change->host, &err)) {
        reading->retry_change_ms = clock_now_ms() + MS_PER_S;
        LOG(LOG_ERROR, "input cannot be changed yet, it is tried again",
            LS("input", reading->config.input), LS("error", err.text));
        return;
    }
    swap_in(reading, &change);
    atomic_store(&reading->pending, NULL);
    LOG(LOG_INFO, "input changed, the read that waited for its full lane is over",
        LS("input", reading->config.input));
}

void reading_set_lanes(struct reading *reading, struct lane **lanes, const char **outputs,
                       size_t count)
{
    CHECK(gate_is_stood_at(&reading->gate) && count > 0);
    for (size_t i = 0; reading_is_offering(reading) && i < reading->sink.lane_count; i++)
        CHECK(i < count && lanes[i] == reading->sink.lanes[i]);
    reading->sink.lanes = lanes;
    reading->sink.lane_outputs = outputs;
    reading->sink.lane_count = count;
}

void reading_leave_lanes(struct reading *reading)
{
    CHECK(gate_is_stood_at(&reading->gate) && reading_has_stopped_input(reading));
    reading->sink.lane_count = 0;
    if (reading->sink.receipts != NULL)
        receipts_set_way(reading->sink.receipts, RECEIPTS_STAY);
}

void reading_go_on(struct reading *reading)
{
    if (reading->sink.receipts != NULL)
        receipts_set_way(reading->sink.receipts, reading_way_back(reading));
    atomic_store(&reading->sink.aborting, false);
    atomic_store(&reading->stopped, false);
    atomic_store(&reading->stopping, false);
    bell_ring(reading->sink.bell);
}

bool reading_has_thread(const struct reading *reading)
{
    return reading->has_thread;
}

struct receipts *reading_receipts(struct reading *reading)
{
    return reading->sink.receipts;
}

bool reading_is_settled(struct reading *reading)
{
    return reading_has_stopped_input(reading) && atomic_load(&reading->open_receipts) == 0;
}
