/* SPDX-License-Identifier: Apache-2.0 */
/* sink_aside: what starts before this one died of is counted and written away, before anything else
 * looks at it. Of an event it is the body that is known: all that have it are set aside. */
#include "input/sink.h"

static void tell(const struct sink *sink, const struct set_aside *aside, const char *source)
{
    LOG(LOG_WARN, "set aside what was in hand at the crashes", LS("input", sink->input),
        LS("output", sink->lane_count == 1 ? sink->lane_outputs[0] : "all"), LS("source", source),
        LU("events", aside->events), LU("bytes", aside->bytes), LS("path", aside->path),
        LU("not_written", aside->not_written),
        LS("error", aside->error == 0 ? "none" : strerror(aside->error)));
}

static struct amount take(struct set_aside *aside, const struct event *events, size_t count)
{
    uint64_t bytes = aside->bytes;
    size_t taken = set_aside_take(aside, events, count);

    return (struct amount){ taken, aside->bytes - bytes };
}

/* ---- the first events that are read ---- */

static void set_first_aside(struct sink *sink)
{
    struct set_aside *aside = &sink->aside;

    if (aside->left == 0)
        return;
    struct amount taken = take(aside, sink->events, sink->count);
    sink_count(sink, FLOW_quarantine_read, taken);
    sink->count -= taken.events;
    memmove(sink->events, sink->events + taken.events, sink->count * sizeof(*sink->events));
    if (aside->left == 0) {
        set_aside_end(aside);
        tell(sink, aside, "all that it read first");
    }
}

/* ---- one event, or one record ---- */

const struct fatal_place *sink_fatal_place(const struct sink *sink)
{
    return sink->fatal.place.from == sink->fatal.place.to ? NULL : &sink->fatal.place;
}

static bool is_fatal(const struct fatal_place *place, struct slice body)
{
    return place->from == 0 && place->to == body.bytes &&
           place->source == in_hand_name(body.data, body.bytes);
}

struct amount sink_take_fatal(struct sink *sink)
{
    const struct fatal_place *place = sink_fatal_place(sink);
    struct amount taken = { 0, 0 };
    size_t kept = 0;

    for (size_t i = 0; place != NULL && i < sink->count; i++) {
        if (!is_fatal(place, sink->events[i].body)) {
            sink->events[kept++] = sink->events[i];
            continue;
        }
        struct amount one = take(&sink->fatal.aside, &sink->events[i], 1);
        taken.events += one.events;
        taken.bytes += one.bytes;
    }
    if (taken.events == 0)
        return taken;
    sink->count = kept;
    if (!sink->fatal.is_done) /* what comes with that body is set aside all the same */
        tell(sink, &sink->fatal.aside, "an event, by its body");
    sink->fatal.is_done = true;
    return taken;
}

void sink_set_suspects_aside(struct sink *sink)
{
    set_first_aside(sink);
    sink_count(sink, FLOW_quarantine_read, sink_take_fatal(sink));
}

void sink_set_aside(struct sink *sink, struct slice record, struct resource *resource)
{
    const struct event event = { .body = record,
                                 .resource = resource == NULL ? sink->resource : resource,
                                 .observed_ns = clock_real_ns() };

    sink_count(sink, FLOW_quarantine_read, take(&sink->fatal.aside, &event, 1));
}

void sink_set_aside_done(struct sink *sink, const char *what)
{
    sink->fatal.place = (struct fatal_place){ .from = 0 };
    sink->fatal.is_done = true;
    set_aside_end(&sink->fatal.aside);
    tell(sink, &sink->fatal.aside, what);
}
