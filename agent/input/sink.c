/* SPDX-License-Identifier: Apache-2.0 */
/* sink: events are kept as views until a run of them is full, then processed and offered together:
 * one lock for each lane and run. */
#include "input/sink.h"

#include "base/bell.h"
#include "input/shed_lines.h"
#include "ledger/metrics.h"

#include <stdio.h>
#include <unistd.h>

enum { QUOTED_BYTES = 300 };

bool sink_init(struct sink *sink, struct err *err)
{
    sink->magic = SINK_MAGIC;
    sink->aside.fd = sink->fatal.aside.fd = -1;
    sink->events = calloc(SINK_EVENTS, sizeof(*sink->events));
    sink->scratch.memory = malloc(SINK_SCRATCH);
    sink->scratch.room = SINK_SCRATCH;
    if (sink->events == NULL || sink->scratch.memory == NULL)
        return err_set(err, "out of memory for a reading");
    return true;
}

void sink_fini(struct sink *sink)
{
    free(sink->events);
    free(sink->scratch.memory);
    set_aside_end(&sink->aside);
    set_aside_end(&sink->fatal.aside);
    resource_unref(&sink->resource);
}

static void count_in_lanes(struct sink *sink, enum flow flow, uint64_t events, uint64_t bytes)
{
    for (size_t i = 0; i < sink->lane_count; i++)
        lane_count(sink->lanes[i], flow, events, bytes);
}

/* ---- who looks on ---- */

/* output: of the lane that it is about; "": of several. */
static struct tap_place place_of(const struct sink *sink, enum tap_stage stage, const char *reason,
                                 const char *output)
{
    return (struct tap_place){ .stage = stage,
                               .input = sink->input,
                               .output = output,
                               .reason = reason,
                               .resource = sink->resource };
}

static const char *only_output(const struct sink *sink)
{
    return sink->lane_count == 1 ? sink->lane_outputs[0] : "";
}

void sink_show(const struct sink *sink, enum tap_stage stage)
{
    if (!tap_is_wanted(stage))
        return;
    struct tap_place place = place_of(sink, stage, "", only_output(sink));
    tap_offer(&place, sink->events, sink->count);
}

static void show_filtered(struct sink *sink, enum processed processed, const struct event *event)
{
    const char *reason = processed == PROCESS_DROP ? "filter" : "malformed";
    struct tap_place place = place_of(sink, TAP_FILTERED, reason, only_output(sink));

    tap_view_show(&sink->filtered, &place, event);
}

static void show_shed(const struct sink *sink, size_t lane, enum flow why, size_t at, size_t count)
{
    struct tap_place place =
        place_of(sink, TAP_SHED, flow_infos[why].name, sink->lane_outputs[lane]);
    tap_offer(&place, sink->events + at, count);
}

/* ---- processors ---- */

/* Processors see the reading's resource at events that bring none, as outputs do. */
static enum processed process_event(struct sink *sink, struct event *event)
{
    struct resource *own = event->resource;
    enum processed processed = PROCESS_KEEP;

    event->resource = own == NULL ? sink->resource : own;
    in_hand_take_event(event->body);
    for (size_t i = 0; i < sink->processor_count && processed == PROCESS_KEEP; i++)
        processed = sink->processors[i].plugin->process(sink->processors[i].state, event);
    in_hand_drop_event();
    event->resource = own;
    return processed;
}

/* Whether the next event has room for all that processors may add to it; those before it have taken
 * some. An event alone has what there is. */
static bool has_room(const struct sink *sink, size_t used_before)
{
    const struct scratch *scratch = &sink->scratch;

    return scratch->used == used_before || scratch->room - scratch->used >= EVENT_GROWTH_BYTES;
}

/* As many events as have room for what is added. Returns their number; sink->count is that of the
 * kept ones, which stand first. */
static size_t process_part(struct sink *sink, struct amount *filtered, struct amount *malformed)
{
    size_t kept = 0, i = 0, used_before = sink->scratch.used;

    tap_view_ask(&sink->filtered, TAP_FILTERED);
    for (; i < sink->count && has_room(sink, used_before); i++) {
        struct event *event = &sink->events[i];
        uint64_t bytes = event_bytes(event); /* as it came: a processor may change it */
        enum processed processed = process_event(sink, event);
        if (processed == PROCESS_KEEP) {
            if (kept != i)
                sink->events[kept] = *event;
            kept++;
            continue;
        }
        if (sink->filtered.is_wanted)
            show_filtered(sink, processed, event);
        struct amount *amount = processed == PROCESS_DROP ? filtered : malformed;
        amount->events++;
        amount->bytes += bytes;
    }
    sink->count = kept;
    return i;
}

static void tell_given_up(struct sink *sink)
{
    for (size_t i = 0; i < sink->processor_count; i++) {
        const struct processor *plugin = sink->processors[i].plugin;
        uint64_t events =
            plugin->given_up == NULL ? 0 : plugin->given_up(sink->processors[i].state);
        if (events == 0)
            continue;
        sink_add(sink, SINK_PATTERNS_GIVEN_UP, events);
        LOG(LOG_WARN, "pattern of a processor was given up at events", LS("input", sink->input),
            LS("processor", plugin->type.name),
            LS("why", "it takes too many steps; taken as no match"), LU("events", events));
    }
}

void sink_process(struct sink *sink, struct amount *filtered, struct amount *malformed,
                  void (*put)(struct sink *sink))
{
    struct event *events = sink->events;
    size_t left = sink->count, used_before = sink->scratch.used;

    if (sink->processor_count == 0) {
        put(sink);
        return;
    }
    while (left > 0 && !sink->refused) {
        size_t done = process_part(sink, filtered, malformed);
        put(sink);
        sink->events += done;
        left -= done;
        sink->count = left;
        sink->scratch.used = used_before; /* the lanes have copied what was there */
    }
    sink->events = events;
    tell_given_up(sink);
}

void sink_count(struct sink *sink, enum flow flow, struct amount amount)
{
    if (amount.events > 0)
        count_in_lanes(sink, flow, amount.events, amount.bytes);
}

/* ---- lanes ---- */

/* false: do not wait any longer. */
static bool wait_for_room(struct sink *sink, int64_t deadline_ms)
{
    int64_t wait_ms = -1;

    /* Not at the first signal: the drain makes room, and what was taken of a read in part would
     * come again after the next start. */
    if (atomic_load(&sink->aborting) || atomic_load(&sink->gives_way))
        return false;
    if (deadline_ms > 0) {
        wait_ms = deadline_ms - clock_now_ms();
        if (wait_ms <= 0)
            return false;
    }
    /* Settled positions are saved also while a lane is full for long. */
    int64_t tend_ms = sink->on_wait(sink->on_wait_context);
    tend_ms = tend_ms == 0 ? MS_PER_S : tend_ms - clock_now_ms();
    if (wait_ms < 0 || wait_ms > tend_ms)
        wait_ms = tend_ms > 0 ? tend_ms : 0;
    bell_wait(sink->bell, NULL, 0, wait_ms);
    return true;
}

static void offer_to_lane(struct sink *sink, size_t lane, const struct run_info *run)
{
    int64_t deadline_ms = sink->block_for_ms == 0 ? 0 : clock_now_ms() + sink->block_for_ms;
    struct lane_news news = { .shed = SHED_SAME,
                              .examples = { .are_wanted = tap_is_wanted(TAP_SHED) } };
    size_t at = 0;

    for (;;) {
        at = lane_offer(sink->lanes[lane], sink->events, at, sink->count, run, &news);
        shed_lines_write(sink->input, sink->lane_outputs[lane], &news); /* the wait may be long */
        if (at == sink->count)
            break;
        atomic_store(&sink->is_offering, true);
        gate_pass(sink->gate); /* a lane may be changed meanwhile */
        if (!wait_for_room(sink, deadline_ms))
            break;
    }
    atomic_store(&sink->is_offering, false);
    for (size_t i = 0; i < news.examples.count; i++)
        show_shed(sink, lane, news.examples.items[i].why, news.examples.items[i].at, 1);
    if (at == sink->count)
        return;
    if (sink->rereadable && atomic_load(&sink->aborting))
        sink->refused = true; /* not taken, not counted: they are still in the source */
    else
        lane_refuse(sink->lanes[lane], FLOW_block_timeout, sink->events, at, sink->count);
    if (!sink->refused && tap_is_wanted(TAP_SHED))
        show_shed(sink, lane, FLOW_block_timeout, at, sink->count - at);
}

static void open_receipt(struct sink *sink)
{
    /* A full list (the reading keeps a reserve) is no error: the read goes on under the next one.
     */
    if (sink->receipts != NULL && sink->receipt == NULL)
        sink->receipt = receipts_open(sink->receipts);
}

/* Counted first: an offer may wait for long. */
static void count_and_offer(struct sink *sink)
{
    sink_count(sink, FLOW_filter, sink->left_out.filtered);
    sink_count(sink, FLOW_malformed, sink->left_out.malformed);
    sink->left_out = (struct left_out){ 0 };
    sink_show(sink, TAP_PROCESSED);
    open_receipt(sink);
    struct run_info run = { sink->receipt, sink->resource, clock_boot_ms() - sink->waited_ms };
    for (size_t i = 0; i < sink->lane_count && sink->count > 0; i++)
        offer_to_lane(sink, i, &run);
}

/* ---- passing on ---- */

/* What is known of this run should it kill the agent: see ledger/suspect.h. */
static void note_run(struct sink *sink, size_t events)
{
    for (size_t i = 0; sink->rereadable && i < sink->lane_count; i++)
        numbers_set(ledger_lane_numbers(lane_books(sink->lanes[i])), NUMBER_run_events, events);
}

void sink_stand_if_left(struct sink *sink)
{
    while (atomic_load_explicit(&sink->is_left, memory_order_relaxed))
        (void)pause(); /* until the process ends */
}

/* It is what the agent dies of now, and not the record that the input looks into meanwhile. */
static void offer_run(struct sink *sink)
{
    const struct in_hand before = in_hand_now;

    in_hand_drop();
    note_run(sink, sink->count);
    sink_show(sink, TAP_READ);
    sink_process(sink, &sink->left_out.filtered, &sink->left_out.malformed, count_and_offer);
    note_run(sink, 0);
    in_hand_take(before.from, before.to);
}

bool sink_flush(struct sink *sink)
{
    CHECK(sink->magic == SINK_MAGIC);
    sink_stand_if_left(sink);
    if (sink->parcel.is_open) {
        sink_show(sink, TAP_READ);
        sink_parcel_put(sink);
        sink->count = 0;
        sink->scratch.used = 0;
        return sink->parcel.verdict == PARCEL_TAKEN;
    }
    if (sink->count > 0 && !sink->refused)
        sink_set_suspects_aside(sink);
    if (sink->count > 0 && !sink->refused)
        offer_run(sink);
    sink->count = 0;
    sink->scratch.used = 0;
    return !sink->refused;
}

struct event *sink_event(struct sink *sink)
{
    CHECK(sink->magic == SINK_MAGIC);
    if (sink->count == SINK_EVENTS || sink->scratch.used > SINK_SCRATCH / 2)
        (void)sink_flush(sink);
    struct event *event = &sink->events[sink->count];
    int64_t observed_ns = sink->count > 0 ? sink->events[0].observed_ns : clock_real_ns();
    /* In two stretches, each short enough for a few stores, and without the ids, which mean nothing
     * without their flag: the compiler clears a whole event by a `rep stos`, which costs more than
     * the rest of this function. */
    const size_t first = offsetof(struct event, time_ns), second = offsetof(struct event, trace_id);
    memset(event, 0, first);
    memset((char *)event + first, 0, second - first);
    event->observed_ns = observed_ns;
    event->scratch = &sink->scratch;
    sink->count++;
    return event;
}

bool sink_mark(struct sink *sink, const void *mark, size_t bytes)
{
    _Static_assert((int)MARK_BYTES == (int)RECEIPT_MARK_BYTES, "a mark fits its receipt");
    CHECK(sink->receipts != NULL && bytes <= MARK_BYTES);
    if (!sink_flush(sink))
        return false;
    open_receipt(sink);
    if (sink->receipt != NULL)
        receipts_hold_done(sink->receipts, sink->receipt, mark, bytes);
    sink->took_mark = true;
    sink->receipt = NULL;
    return true;
}

/* ---- what a plugin reports ---- */

void sink_lost(struct sink *sink, const char *what, uint64_t events, uint64_t bytes)
{
    count_in_lanes(sink, FLOW_upstream_loss, events, bytes);
    LOG(LOG_WARN, "lost before it was read", LS("input", sink->input), LS("source", what),
        LU("events", events), LU("bytes", bytes));
}

void sink_malformed(struct sink *sink, const char *what, uint64_t events, uint64_t bytes)
{
    count_in_lanes(sink, FLOW_malformed, events, bytes);
    LOG(LOG_WARN, "not a readable record", LS("input", sink->input), LS("source", what),
        LU("events", events), LU("bytes", bytes));
}

void sink_tell(struct sink *sink, enum log_level level, const char *msg, const char *what,
               const char *why)
{
    LOG(level, msg, LS("input", sink->input), LS("source", what), LS("why", why));
}

void sink_quote(struct sink *sink, enum log_level level, const char *msg, const char *what,
                struct slice words)
{
    char text[QUOTED_BYTES + 1];

    if (words.bytes > QUOTED_BYTES)
        words.bytes = slice_cut(words, QUOTED_BYTES);
    memcpy(text, words.data, words.bytes);
    text[words.bytes] = '\0';
    LOG(level, msg, LS("input", sink->input), LS("source", what), LF("text", text));
}

bool sink_own_metrics(struct sink *sink, struct buf *ret_text)
{
    CHECK(sink->magic == SINK_MAGIC);
    return metrics_write(ledger_current(), METRICS_CLASSIC, ret_text);
}

int64_t sink_max_wait_ms(const struct sink *sink)
{
    int64_t least_ms = INT64_MAX;

    CHECK(sink->magic == SINK_MAGIC);
    for (size_t i = 0; i < sink->lane_count; i++) {
        int64_t wait_ms = lane_max_wait_ms(sink->lanes[i]);
        least_ms = wait_ms < least_ms ? wait_ms : least_ms;
    }
    return sink->lane_count == 0 ? 0 : least_ms;
}

void sink_waited(struct sink *sink, int64_t waited_ms)
{
    CHECK(sink->magic == SINK_MAGIC && waited_ms >= 0);
    (void)sink_flush(sink); /* those before have not */
    sink->waited_ms = waited_ms;
}

static const enum number number_of[SINK_NUMBERS] = {
    [SINK_LINES] = NUMBER_lines,
    [SINK_LINES_TRUNCATED] = NUMBER_lines_truncated,
    [SINK_LINES_UNPARSED] = NUMBER_lines_unparsed,
    [SINK_PATTERNS_GIVEN_UP] = NUMBER_patterns_given_up,
    [SINK_EVENTS_ENDED] = NUMBER_events_ended,
    [SINK_SAMPLES] = NUMBER_samples,
    [SINK_SAMPLES_OVERFLOWED] = NUMBER_samples_overflowed,
    [SINK_SERIES] = NUMBER_series,
    [SINK_SOURCES_OPEN] = NUMBER_sources_open,
    [SINK_SOURCES_UNWATCHED] = NUMBER_sources_unwatched,
    [SINK_SOURCES_REFUSED] = NUMBER_sources_refused,
    [SINK_FOLDERS_LEFT_OUT] = NUMBER_folders_left_out,
    [SINK_SOURCES_ROTATED] = NUMBER_sources_rotated,
    [SINK_SOURCES_TRUNCATED] = NUMBER_sources_truncated,
    [SINK_LAG_BYTES] = NUMBER_lag_bytes,
    [SINK_JOURNAL_FILES_UNREADABLE] = NUMBER_journal_files_unreadable,
    [SINK_COLLECT_FAILURES] = NUMBER_collect_failures,
    [SINK_REQUESTS_TAKEN] = NUMBER_requests_taken,
    [SINK_REQUESTS_PUT_OFF] = NUMBER_requests_put_off,
    [SINK_REQUESTS_BAD] = NUMBER_requests_bad,
    [SINK_CONNECTIONS_ACCEPTED] = NUMBER_connections_accepted,
    [SINK_CONNECTIONS_REFUSED] = NUMBER_connections_refused,
    [SINK_CONNECTIONS_FAILED] = NUMBER_connections_failed,
    [SINK_RUNS] = NUMBER_runs,
    [SINK_RUNS_FAILED] = NUMBER_runs_failed,
    [SINK_RUNS_SKIPPED] = NUMBER_runs_skipped,
};

void sink_add(struct sink *sink, enum sink_number number, uint64_t count)
{
    for (size_t i = 0; i < sink->lane_count; i++)
        numbers_add(ledger_lane_numbers(lane_books(sink->lanes[i])), number_of[number], count);
}

bool sink_keep(struct sink *sink, uint64_t bytes)
{
    bool may = true;

    for (size_t i = 0; i < sink->lane_count; i++)
        may = lane_keep(sink->lanes[i], bytes) && may;
    return may;
}

void sink_set(struct sink *sink, enum sink_number number, uint64_t value)
{
    for (size_t i = 0; i < sink->lane_count; i++)
        numbers_set(ledger_lane_numbers(lane_books(sink->lanes[i])), number_of[number], value);
}
