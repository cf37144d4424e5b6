/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_leave: what a reload took out drains, while all else goes on. A lane leaves when it is
 * empty and its receipts are settled, or when its time is over: then what its input can read again
 * goes back (the receipts stay open, so the next reading of that name reads it again), and the rest
 * is reload_drop. Sealed batches of an output that stays are still sent; until they are done the
 * receipts that they point to are kept. An output leaves when nothing is left of it, or when its
 * time is over, as at the end of the agent. Runs in the main thread, a step at a time. */
#include "base/clock.h"
#include "base/log.h"
#include "outlet_end.h"
#include "pipeline_state.h"

#include <string.h>

enum { LOOK_MS = 50, SETTLE_LOOK_MS = 500, AWAIT_MS = 100, SPILL_MS = 400, STANDS_MS = 1000 };

void pipeline_let_leave(struct channel *channel, int64_t deadline_ms)
{
    channel->state = CHANNEL_LEAVES;
    channel->deadline_ms = deadline_ms;
    if (channel->reading != NULL)
        reading_stop_input(channel->reading);
}

static void unlist_channel(struct pipeline *pipeline, struct channel *channel)
{
    size_t i = 0;

    while (pipeline->channels[i] != channel) {
        i++;
        CHECK(i < pipeline->channel_count);
    }
    lock_take(&pipeline->lock);
    pipeline->channels[i] = pipeline->channels[--pipeline->channel_count];
    lock_drop(&pipeline->lock);
}

static void free_channel(struct pipeline *pipeline, struct channel *channel)
{
    unlist_channel(pipeline, channel);
    channel_free(&channel);
}

static void end_reading(struct pipeline *pipeline, struct channel *channel)
{
    if (channel->reading == NULL)
        return;
    reading_finish(channel->reading);
    if (reading_receipts(channel->reading) != NULL) /* they may be needed yet */
        return;
    for (size_t i = 0; i < channel->strand_count; i++)
        lane_set_reading(channel->strands[i]->lane, NULL, NULL);
    struct reading *reading = channel->reading;
    lock_take(&pipeline->lock);
    channel->reading = NULL;
    lock_drop(&pipeline->lock);
    reading_free(&reading);
}

/* ---- lanes ---- */

static bool is_empty(const struct channel *channel)
{
    for (size_t i = 0; i < channel->strand_count; i++) {
        if (!channel->strands[i]->is_taken_out && lane_level(channel->strands[i]->lane).events > 0)
            return false;
    }
    return true;
}

static void clear(struct books *books, const enum number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        numbers_set(ledger_lane_numbers(books), numbers[i], 0);
}

void pipeline_clear_source_gauges(struct books *books)
{
    static const enum number gauges[] = {
        NUMBER_lag_bytes,       NUMBER_sources_open,     NUMBER_sources_unwatched,
        NUMBER_sources_refused, NUMBER_folders_left_out, NUMBER_journal_files_unreadable,
        NUMBER_receipts,        NUMBER_series,           NUMBER_positions_moved,
        NUMBER_crashes,         NUMBER_suspect_events,   NUMBER_record_crashes,
        NUMBER_record_source,   NUMBER_record_from,      NUMBER_record_to
    };

    clear(books, gauges, sizeof(gauges) / sizeof(gauges[0]));
}

static void clear_gauges(struct books *books)
{
    static const enum number gauges[] = { NUMBER_lane_capacity_bytes, NUMBER_lane_used_bytes,
                                          NUMBER_lane_shedding, NUMBER_lane_oldest_seconds };

    clear(books, gauges, sizeof(gauges) / sizeof(gauges[0]));
    pipeline_clear_source_gauges(books);
}

static void tell_taken_out(const struct channel *channel, const struct strand *strand,
                           struct amount left)
{
    bool goes_back = ledger_is_rereadable(lane_books(strand->lane));

    LOG(left.events > 0 ? LOG_WARN : LOG_INFO, "lane taken out", LS("input", channel->input),
        LS("output", strand->outlet->name), LU("left_events", left.events),
        LU("left_bytes", left.bytes),
        LS("what_was_left", left.events == 0 ? "nothing"
                            : goes_back      ? "will be read again"
                                             : "reload_drop"));
}

/* The lane is not read from any more. */
static void empty_lane(const struct channel *channel, struct strand *strand)
{
    struct lane_level level = lane_level(strand->lane);

    lane_abandon(strand->lane, FLOW_reload_drop);
    lane_audit(strand->lane);
    clear_gauges(lane_books(strand->lane));
    tell_taken_out(channel, strand, (struct amount){ level.events, level.bytes });
}

static bool leave_out(struct outlet *outlet, const struct lane *lane, struct err *err)
{
    struct outlet_change *next = &outlet->next;

    for (size_t i = 0; i < outlet->lane_count; i++) {
        if (outlet->lanes[i] != lane)
            next->lanes[next->lane_count++] = outlet->lanes[i];
    }
    next->changes_lanes = true;
    return outlet_prepare_lanes(outlet, err);
}

/* false: its workers did not come to rest; to be tried again. */
static bool take_out_strand(const struct channel *channel, struct strand *strand)
{
    if (strand->outlet->end != OUTLET_GOES_ON) /* it goes with its output */
        return false;
    struct parking *parking = parking_new();
    struct outlet *outlet = strand->outlet;
    struct err err = { "" };
    bool ok = parking != NULL && leave_out(outlet, strand->lane, &err);

    if (ok) {
        parking_add_workers(parking, outlet);
        ok = parking_close_briefly(parking);
    }
    if (ok) {
        empty_lane(channel, strand);
        outlet_commit(outlet);
    } else {
        outlet_forget_change(outlet);
    }
    parking_free(&parking);
    return ok;
}

/* false: to be tried again; until then it may come back with what it still has, for what an outlet
 * knows has the right to the books. */
static bool take_out_strands(struct channel *channel)
{
    for (size_t i = channel->strand_count; i-- > 0;) {
        struct strand *strand = channel->strands[i];
        if (!strand->is_taken_out)
            strand->is_taken_out = take_out_strand(channel, strand);
        if (!strand->is_taken_out)
            return false;
    }
    return true;
}

/* It takes receipts, and its lanes will be gone before these are settled: lanes and reading part.
 * false: to be tried again. */
static bool let_linger(struct pipeline *pipeline, struct channel *channel)
{
    struct parking *parking = parking_new();
    struct channel *lanes = channel_of_strays(channel->input);
    bool ok = parking != NULL && lanes != NULL && pipeline->channel_count < PIPELINE_CHANNELS;

    if (ok) {
        parking_add_reading(parking, channel, false);
        ok = parking_close_briefly(parking);
    }
    if (ok) {
        reading_leave_lanes(channel->reading);
        lanes->deadline_ms = channel->deadline_ms;
        while (channel->strand_count > 0) {
            lane_set_reading(channel->strands[0]->lane, NULL, NULL);
            channel_give(channel, channel->strands[0], lanes);
        }
        plan_list_channel(pipeline, lanes);
        channel->state = CHANNEL_LINGERS;
    } else {
        channel_free(&lanes);
    }
    parking_free(&parking);
    return ok;
}

static bool must_linger(const struct channel *channel)
{
    return channel->reading != NULL && !channel->is_rereadable &&
           reading_receipts(channel->reading) != NULL;
}

static void step_leaving(struct pipeline *pipeline, struct channel *channel, int64_t now_ms)
{
    bool is_over = now_ms >= channel->deadline_ms;

    for (size_t i = 0; i < channel->strand_count; i++)
        lane_hurry(channel->strands[i]->lane, clock_boot_ms());
    if (channel->reading != NULL && !reading_has_stopped_input(channel->reading)) {
        if (is_over) {
            channel->is_aborted = true;
            reading_abort(channel->reading);
        }
        return;
    }
    if (must_linger(channel)) {
        (void)let_linger(pipeline, channel);
        return;
    }
    if (!channel->is_rereadable)
        end_reading(pipeline, channel);
    bool is_done =
        is_empty(channel) && (channel->reading == NULL || reading_is_settled(channel->reading));
    if ((!is_done && !is_over) || !take_out_strands(channel))
        return;
    end_reading(pipeline, channel);
    for (size_t i = 0; channel->is_rereadable && i < channel->strand_count; i++)
        pipeline_clear_source_gauges(lane_books(channel->strands[i]->lane)); /* it set them */
    channel->state = CHANNEL_SETTLES;
    channel->deadline_ms = now_ms;
}

/* ---- receipts ---- */

static bool is_in_sender(struct sender *sender, const void *receipts)
{
    return sender_has_receipts(sender, receipts);
}

static bool is_in_worker(const struct worker *worker, const void *receipts)
{
    return worker_holds(worker, receipts);
}

static bool is_referred_to(const struct channel *channel)
{
    const struct receipts *receipts = reading_receipts(channel->reading);

    return receipts != NULL && !reading_is_settled(channel->reading) &&
           parking_may_hold(channel->strands[0]->outlet,
                            &(struct outlet_question){ is_in_sender, is_in_worker, receipts });
}

/* true: nothing points to it any more. */
static bool is_settled(struct channel *channel, int64_t now_ms)
{
    for (size_t i = 0; i < channel->strand_count; i++) {
        if (!lane_is_free(channel->strands[i]->lane))
            return false;
    }
    if (channel->reading == NULL || channel->strand_count == 0)
        return true;
    if (now_ms < channel->deadline_ms)
        return false;
    channel->deadline_ms = now_ms + SETTLE_LOOK_MS;
    return !is_referred_to(channel);
}

static void step_channel(struct pipeline *pipeline, struct channel *channel, int64_t now_ms)
{
    bool is_spent = channel->strand_count == 0 && channel->reading == NULL;

    channel_settle_change(channel);
    if (channel->state == CHANNEL_READS)
        replace_tend(channel, now_ms);
    if (channel->state == CHANNEL_LINGERS && reading_is_settled(channel->reading)) {
        end_reading(pipeline, channel);
        free_channel(pipeline, channel);
        return;
    }
    if (channel->state == CHANNEL_LEAVES && !is_spent)
        step_leaving(pipeline, channel, now_ms);
    if (is_spent || (channel->state == CHANNEL_SETTLES && is_settled(channel, now_ms)))
        free_channel(pipeline, channel);
}

/* ---- outlets ---- */

/* What a failed write left on the disk stays told: a later start with that output asks for it. */
static bool outlives_its_output(enum number number)
{
    return number == NUMBER_spool_left_segment || number == NUMBER_spool_left_at;
}

static void clear_output_gauges(struct numbers *numbers)
{
    for (enum number number = 0; number < NUMBERS; number++) {
        const struct number_info *info = &number_infos[number];
        if (info->scope == SCOPE_output && info->kind != KIND_counter &&
            !outlives_its_output(number))
            numbers_set(numbers, number, 0);
    }
}

static bool has_drained(const struct pipeline *pipeline, const struct outlet *outlet)
{
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        if (channel_find(pipeline->channels[i], outlet) != NULL)
            return false;
    }
    return outlet_is_drained(outlet);
}

/* Readings that had positions for it: nothing points to their receipts any more. */
static void end_lingering(struct pipeline *pipeline, const struct outlet *outlet)
{
    for (size_t i = pipeline->channel_count; i-- > 0;) {
        struct channel *channel = pipeline->channels[i];
        if (channel->state != CHANNEL_LINGERS || !channel->is_rereadable ||
            strcmp(channel->output, outlet->name) != 0)
            continue;
        end_reading(pipeline, channel);
        free_channel(pipeline, channel);
    }
}

/* At which a thread of it may be. */
static const char *path_of_end(const struct outlet *outlet)
{
    if (outlet->end == OUTLET_SENDER_ENDS)
        return "what the sender writes to, or its credentials";
    return outlet->end == OUTLET_WORKERS_END ? outlet->letters.path : outlet->spool_path;
}

/* false: a disk does not answer, to be tried again. Who waits for it is no use to anybody else, and
 * main is: so it waits the first time only. */
static bool end_outlet(struct outlet *outlet)
{
    int64_t now_ms = clock_now_ms();
    bool is_first = outlet->end == OUTLET_GOES_ON;
    struct outlet_stop stop = { .by_reload = true,
                                .workers_ms = is_first ? now_ms + AWAIT_MS : now_ms,
                                .sender_ms = is_first ? now_ms + AWAIT_MS : now_ms,
                                .spill_ms = now_ms + SPILL_MS,
                                .spool_ms = is_first ? now_ms + AWAIT_MS : now_ms };

    bool has_ended = outlet_begin_stop(outlet, &stop) && outlet_end_stop(outlet, &stop);
    if (!has_ended && !outlet->is_told_to_stand && now_ms >= outlet->deadline_ms + STANDS_MS) {
        outlet->is_told_to_stand = true;
        LOG(LOG_ERROR, "an output that was taken out cannot end, its disk does not answer",
            LS("output", outlet->name), LS("path", path_of_end(outlet)),
            LS("effect", "what it holds stays; the others go on"));
    }
    return has_ended;
}

/* As at the end of the agent: threads end, what is left goes back or is counted, then positions. */
static void close_outlet(struct pipeline *pipeline, size_t index)
{
    struct outlet *outlet = pipeline->outlets[index];
    int64_t until_ms = clock_now_ms() + (outlet->end == OUTLET_GOES_ON ? AWAIT_MS : 0);

    for (size_t i = 0; i < pipeline->channel_count; i++) {
        struct channel *channel = pipeline->channels[i];
        if (channel_find(channel, outlet) != NULL && channel->reading != NULL)
            reading_abort(channel->reading);
    }
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        struct channel *channel = pipeline->channels[i];
        if (channel_find(channel, outlet) != NULL && channel->reading != NULL)
            if (!reading_await_stop(channel->reading, until_ms))
                return; /* to be tried again */
    }
    for (size_t i = pipeline->channel_count; i-- > 0;) {
        struct channel *channel = pipeline->channels[i];
        if (channel_find(channel, outlet) != NULL && must_linger(channel) &&
            !let_linger(pipeline, channel))
            return; /* to be tried again */
    }
    if (!end_outlet(outlet))
        return; /* to be tried again */
    for (size_t i = pipeline->channel_count; i-- > 0;) {
        struct channel *channel = pipeline->channels[i];
        struct strand *strand = channel_find(channel, outlet);
        if (strand == NULL)
            continue;
        end_reading(pipeline, channel);
        clear_gauges(lane_books(strand->lane));
        channel_give(channel, strand, NULL);
        strand_free(&strand);
        if (channel->strand_count == 0)
            free_channel(pipeline, channel);
    }
    end_lingering(pipeline, outlet);
    clear_output_gauges(outlet->numbers);
    LOG(LOG_INFO, "output taken out", LS("output", outlet->name));
    lock_take(&pipeline->lock);
    pipeline->outlets[index] = pipeline->outlets[--pipeline->outlet_count];
    lock_drop(&pipeline->lock);
    outlet_free(&outlet);
}

static void step_outlet(struct pipeline *pipeline, size_t index, int64_t now_ms)
{
    struct outlet *outlet = pipeline->outlets[index];

    outlet_dismiss(outlet);
    if (outlet->state_now != OUTLET_LEAVES)
        return;
    if (has_drained(pipeline, outlet) || now_ms >= outlet->deadline_ms + LOOK_MS)
        close_outlet(pipeline, index);
}

/* ---- all ---- */

static bool is_anything_leaving(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->channel_count; i++) {
        const struct channel *channel = pipeline->channels[i];
        if (channel->state != CHANNEL_READS || channel->before.from != NULL ||
            replace_is_mixed(channel))
            return true;
    }
    for (size_t i = 0; i < pipeline->outlet_count; i++) {
        const struct outlet *outlet = pipeline->outlets[i];
        if (outlet->state_now != OUTLET_RUNS || outlet->worker_count > outlet->part->output.workers)
            return true;
    }
    return false;
}

int64_t pipeline_tend(struct pipeline *pipeline, int64_t now_ms)
{
    for (size_t i = pipeline->channel_count; i-- > 0;)
        step_channel(pipeline, pipeline->channels[i], now_ms);
    for (size_t i = pipeline->outlet_count; i-- > 0;)
        step_outlet(pipeline, i, now_ms);
    return is_anything_leaving(pipeline) ? now_ms + LOOK_MS : INT64_MAX;
}
