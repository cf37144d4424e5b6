/* SPDX-License-Identifier: Apache-2.0 */
#include "input/reading_state.h"

#include "base/auto.h"
#include "base/bell.h"
#include "base/thread.h"
#include "input/checkpoint.h"
#include "input/sources.h"

#include <limits.h>

enum {
    SAVE_SETTLED_MS =
        50, /* after the last save; what is settled meanwhile comes twice after a kill */
    SAVE_KNOWN_MS = 1000,
    SAVE_BYTES_PER_MS = 256, /* spares the disk: 10,000 files are 1.8 MB, each 7 s */
    RETRY_MS = 1000,
    RECEIPT_RESERVE = 64,
    BACKLOG_ROUNDS = 16,
    REST_MOST_MS = 30 * 1000 /* a rest without an end would look the same as a thread that hangs */
};

/* ---- positions ---- */

static void plan_save(struct reading *reading, int64_t rest_ms)
{
    if (rest_ms < reading->save_rest_ms)
        rest_ms = reading->save_rest_ms;
    int64_t due_ms = reading->saved_ms + rest_ms;
    if (reading->save_due_ms == 0 || due_ms < reading->save_due_ms)
        reading->save_due_ms = due_ms;
}

static void settle_reads(struct reading *reading)
{
    char mark[MARK_BYTES];
    size_t bytes;

    if (reading->sink.receipts == NULL)
        return;
    for (;;) {
        uint64_t dropped = receipts_dropped(reading->sink.receipts), id;
        if (!receipts_pop_settled(reading->sink.receipts, mark, &bytes))
            return;
        if (bytes == 0)
            continue;
        if (reading->config.plugin->answer != NULL) {
            memcpy(&id, mark, sizeof(id));
            reading->config.plugin->answer(reading->state, id, dropped);
            continue;
        }
        reading->config.plugin->settle(reading->state, mark, bytes);
        reading->has_settled = true;
        plan_save(reading, SAVE_SETTLED_MS);
    }
}

/* Its lanes may be another reading's by now. */
static void add_number(const struct reading *reading, enum number number, uint64_t count)
{
    if (reading->sink.lane_count > 0)
        numbers_add(ledger_lane_numbers(lane_books(reading->sink.lanes[0])), number, count);
}

static void set_number(const struct reading *reading, enum number number, uint64_t value)
{
    if (reading->sink.lane_count > 0)
        numbers_set(ledger_lane_numbers(lane_books(reading->sink.lanes[0])), number, value);
}

static void save_positions(struct reading *reading)
{
    AUTO(buf_fini) struct buf text = { 0 };
    AUTO(buf_fini) struct buf file = { 0 };

    if (!reading->config.plugin->save(reading->state, &text) ||
        !checkpoint_wrap(buf_slice(&text), &file)) {
        add_number(reading, NUMBER_checkpoint_errors, 1);
        LOG(LOG_ERROR, "checkpoint not made", LS("input", reading->config.input),
            LS("why", "out of memory"));
        reading->save_due_ms = reading->saved_ms + SAVE_KNOWN_MS;
        return;
    }
    reading->save_rest_ms = (int64_t)(file.bytes / SAVE_BYTES_PER_MS);
    disk_file_put(reading->file, &file);
    if (reading->has_settled)
        set_number(reading, NUMBER_positions_moved, 1); /* see ledger/suspect.h */
    reading->save_due_ms = 0;
}

static void note_disk_errors(struct reading *reading)
{
    uint64_t errors = disk_file_errors(reading->file);

    if (errors > reading->seen_disk_errors) {
        add_number(reading, NUMBER_checkpoint_errors, errors - reading->seen_disk_errors);
        reading->seen_disk_errors = errors;
        set_number(reading, NUMBER_positions_moved, 0);
        plan_save(reading, SAVE_KNOWN_MS); /* try again */
    }
    set_number(reading, NUMBER_receipts, receipts_count(reading->sink.receipts));
}

static void answer_question(struct reading *reading)
{
    if (atomic_load_explicit(&reading->question, memory_order_relaxed) == NULL)
        return;
    struct sources_ask *question = atomic_exchange(&reading->question, NULL);
    if (question != NULL)
        sources_ask_answer(question, reading->config.input, reading->config.output,
                           reading->config.plugin, reading->state);
    sources_ask_release(&question);
}

/* Called between collections and while lanes are full. */
static int64_t tend_positions(void *context)
{
    struct reading *reading = context;
    int64_t now_ms = clock_now_ms();

    sink_stand_if_left(&reading->sink);
    atomic_store(&reading->last_step_ms, now_ms);
    answer_question(reading);
    if (reading->config.plugin->attend != NULL && atomic_load(&reading->sink.is_offering))
        reading->config.plugin->attend(reading->state, &reading->sink);
    if (reading->sink.receipts == NULL)
        return 0;
    settle_reads(reading);
    if (reading->file != NULL)
        note_disk_errors(reading);
    atomic_store(&reading->open_receipts, receipts_count(reading->sink.receipts));
    if (reading->save_due_ms != 0 && now_ms >= reading->save_due_ms) {
        reading->saved_ms = now_ms;
        save_positions(reading);
        reading_forget_record(reading);
    }
    return reading->save_due_ms;
}

/* ---- the thread ---- */

static bool may_collect(struct reading *reading)
{
    return !reading->done && !atomic_load(&reading->stopping) &&
           !atomic_load(&reading->sink.gives_way) &&
           (reading->sink.receipts == NULL || !reading->sink.rereadable ||
            receipts_have_room(reading->sink.receipts, RECEIPT_RESERVE));
}

static void end_source(struct reading *reading)
{
    reading->done = true;
    atomic_store(&reading->finished_source, true);
    LOG(LOG_INFO, "input is at its end", LS("input", reading->config.input));
    reading->config.on_done(reading->config.on_done_context);
}

static bool is_sampling(const struct reading *reading)
{
    return reading->config.plugin->type.traits & INPUT_SAMPLES;
}

/* When to collect again after there was nothing more. */
static int64_t plan_next(struct reading *reading, enum collected collected, struct waits *waits)
{
    int64_t now_ms = clock_now_ms();

    if (is_sampling(reading)) {
        int64_t next = reading->next_collect_ms + reading->config.interval_ms;
        /* After a pause of the machine one round, not all that were missed. */
        return next > now_ms ? next : now_ms + reading->config.interval_ms;
    }
    if (reading->config.plugin->wait != NULL)
        reading->config.plugin->wait(reading->state, waits);
    if (collected == COLLECT_FAILED) {
        waits->fd_count = 0; /* a descriptor that failed may stay readable: do not spin */
        return now_ms + RETRY_MS;
    }
    return waits->until_ms;
}

static void rest(struct reading *reading, const struct waits *waits, int64_t until_ms)
{
    int64_t now_ms = clock_now_ms();

    if (reading->save_due_ms != 0 && (until_ms == 0 || reading->save_due_ms < until_ms))
        until_ms = reading->save_due_ms;
    if (until_ms == 0)
        until_ms = now_ms + REST_MOST_MS;
    int64_t wait_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    atomic_store(&reading->last_step_ms, now_ms + wait_ms);
    bell_wait(reading->sink.bell, waits->fds, waits->fd_count, wait_ms);
}

static void note_end_of_backlog(struct reading *reading)
{
    if (reading->rounds_with_more >= BACKLOG_ROUNDS) {
        for (size_t i = 0; i < reading->sink.lane_count; i++)
            lane_hurry(reading->sink.lanes[i], clock_boot_ms());
    }
    reading->rounds_with_more = 0;
}

/* What is left of a stop that a reload thought better of. */
static void come_back(struct reading *reading)
{
    if (atomic_load_explicit(&reading->stopped, memory_order_relaxed))
        atomic_store(&reading->stopped, false);
    reading->has_ended = false;
    reading->sink.refused = false;
}

static void collect_once(struct reading *reading)
{
    struct waits waits = { .fd_count = 0 };
    int64_t now_ms = clock_now_ms();

    come_back(reading);
    if (reading->is_resting && now_ms < reading->next_collect_ms) {
        rest(reading, &waits, reading->next_collect_ms); /* the bell rang for something else */
        return;
    }
    reading->is_resting = false;
    fatal_record_watch(reading_suspect_numbers(reading));
    enum collected collected = reading->config.plugin->collect(reading->state, &reading->sink);
    bool taken = sink_flush(&reading->sink);
    reading->sink.waited_ms = 0;
    /* Saved also before anything is settled: the next start must know of a source to count what is
     * lost of it, should it be gone by then. */
    if (reading->sink.took_mark)
        plan_save(reading, SAVE_KNOWN_MS);
    reading->sink.fatal.is_behind |= reading->sink.took_mark && reading->sink.fatal.is_done;
    reading->sink.took_mark = false;
    if (taken && collected == COLLECT_MORE)
        reading->rounds_with_more++;
    if (!taken || collected == COLLECT_MORE)
        return;
    note_end_of_backlog(reading);
    if (collected == COLLECT_DONE) {
        end_source(reading);
        return;
    }
    if (collected == COLLECT_FAILED)
        sink_add(&reading->sink, SINK_COLLECT_FAILURES, 1);
    reading->next_collect_ms = plan_next(reading, collected, &waits);
    reading->is_resting = waits.fd_count == 0;
    tend_positions(reading);
    rest(reading, &waits, reading->next_collect_ms);
}

/* Also after an abort: then nothing waits, and what comes is counted as dropped. true: once more.
 */
static bool collect_last(struct reading *reading)
{
    const struct input *plugin = reading->config.plugin;

    if (plugin->last == NULL || reading->has_ended || reading->done ||
        !atomic_load(&reading->stopping))
        return false;
    enum collected collected = plugin->last(reading->state, &reading->sink);
    (void)sink_flush(&reading->sink);
    if (collected == COLLECT_WAIT && !atomic_load(&reading->sink.aborting)) {
        struct waits waits = { .fd_count = 0 };
        plugin->wait(reading->state, &waits);
        rest(reading, &waits, waits.until_ms);
    } else {
        reading->has_ended = collected != COLLECT_MORE;
    }
    return !reading->has_ended;
}

static void tell_stopped(struct reading *reading)
{
    if (atomic_exchange(&reading->stopped, true))
        return;
    wake_bump(&reading->stop_wake);
}

/* Reads no more, and lives on for its receipts and its senders. */
static void drain_once(struct reading *reading)
{
    struct waits waits = { .fd_count = 0 };

    if (reading->config.plugin->drain != NULL && atomic_load(&reading->stopping)) {
        reading->config.plugin->drain(reading->state, &reading->sink);
        reading->config.plugin->wait(reading->state, &waits);
    }
    rest(reading, &waits, waits.until_ms);
}

static void *run_reading(void *context)
{
    struct reading *reading = context;

    CHECK(reading->magic == READING_MAGIC);
    while (!atomic_load(&reading->finishing)) {
        reading_take_pending(reading);
        gate_pass(&reading->gate);
        tend_positions(reading);
        if (may_collect(reading)) {
            collect_once(reading);
            continue;
        }
        if (collect_last(reading))
            continue;
        if (reading->done || atomic_load(&reading->stopping))
            tell_stopped(reading);
        drain_once(reading);
    }
    settle_reads(reading);
    if (reading->file != NULL)
        save_positions(reading);
    if (reading->config.plugin->drain != NULL)
        reading->config.plugin->drain(reading->state, &reading->sink); /* the last answers */
    return NULL;
}

/* ---- construction ---- */

static bool open_reading(struct reading *reading, struct err *err)
{
    const struct reading_config *config = &reading->config;
    struct err why = { "" };

    if (!bell_open(&reading->sink.bell))
        return err_set(err, "cannot make an eventfd: %s", strerror(errno));
    struct sink *sink = &reading->sink;
    if (!sink_init(sink, err) ||
        !reading_open_processors(config, &sink->processors, &sink->processor_count, err))
        return false;
    reading->sink.resource = resource_new(config->base, config->base_count);
    reading->state = calloc(1, config->plugin->type.state_bytes);
    reading->host = reading_make_host(config);
    if (reading->sink.resource == NULL || reading->state == NULL || reading->host == NULL)
        return err_set(err, "out of memory for a reading");
    if (!config->plugin->open(reading->state, config->plugin_config, reading->host, &why))
        return err_set(err, "input '%s': %s", config->input, why.text);
    reading->is_open = true;
    return reading_open_positions(reading, err);
}

struct reading *reading_new(const struct reading_config *config, struct err *err)
{
    AUTO(reading_free) struct reading *reading = calloc(1, sizeof(*reading));
    if (reading == NULL) {
        (void)err_set(err, "out of memory for a reading");
        return NULL;
    }
    reading->magic = READING_MAGIC;
    reading->config = *config;
    reading->sink.input = config->input;
    reading->sink.block_for_ms = config->block_for_ms;
    reading->sink.bell = -1;
    reading->sink.on_wait = tend_positions;
    reading->sink.on_wait_context = reading;
    reading->sink.gate = &reading->gate;
    if (!open_reading(reading, err))
        return NULL;
    struct reading *made = reading;
    reading = NULL;
    return made;
}

void reading_ring(void *context)
{
    struct reading *reading = context;
    bell_ring(reading->sink.bell);
}

bool reading_start(struct reading *reading, struct lane **lanes, const char **outputs, size_t count,
                   struct err *err)
{
    CHECK(count > 0);
    reading->sink.lanes = lanes;
    reading->sink.lane_outputs = outputs;
    reading->sink.lane_count = count;
    atomic_store(&reading->last_step_ms, clock_now_ms());
    reading_set_suspects_aside(reading);
    reading->has_thread = thread_start(&reading->thread, "reading", run_reading, reading, err);
    return reading->has_thread;
}

void reading_stop_input(struct reading *reading)
{
    atomic_store(&reading->stopping, true);
    bell_ring(reading->sink.bell);
}

bool reading_has_stopped_input(struct reading *reading)
{
    return atomic_load(&reading->stopped);
}

bool reading_is_done(struct reading *reading)
{
    return atomic_load(&reading->finished_source);
}

void reading_abort(struct reading *reading)
{
    atomic_store(&reading->sink.aborting, true);
    reading_stop_input(reading);
}

bool reading_await_stop(struct reading *reading, int64_t deadline_ms)
{
    while (reading->has_thread && !reading_has_stopped_input(reading)) {
        uint32_t seen = wake_read(&reading->stop_wake);
        if (clock_now_ms() >= deadline_ms)
            return reading_has_stopped_input(reading);
        if (!reading_has_stopped_input(reading))
            wake_wait(&reading->stop_wake, seen, 100);
    }
    return true;
}

void reading_leave_behind(struct reading *reading)
{
    atomic_store(&reading->sink.is_left, true);
    LOG(LOG_ERROR, "input does not come back from a read, going on without it",
        LS("input", reading->config.input), LS("output", reading->config.output));
}

bool reading_is_left(struct reading *reading)
{
    return atomic_load(&reading->sink.is_left);
}

void reading_end(struct reading *reading)
{
    atomic_store(&reading->finishing, true);
    reading_abort(reading);
}

void reading_finish(struct reading *reading)
{
    if (!reading->has_thread)
        return;
    reading_end(reading);
    CHECK(pthread_join(reading->thread, NULL) == 0);
    reading->has_thread = false;
    if (reading->file != NULL)
        disk_file_mute(reading->file);
    reading->file = NULL;
}

void reading_free(struct reading **readingp)
{
    struct reading *reading = *readingp;
    *readingp = NULL;
    if (reading == NULL)
        return;
    CHECK(!reading->has_thread);
    struct reading_change *pending = atomic_exchange(&reading->pending, NULL);
    reading_change_free(&pending);
    struct sources_ask *question = atomic_exchange(&reading->question, NULL);
    sources_ask_release(&question);
    if (reading->file != NULL)
        disk_file_mute(reading->file);
    if (reading->is_open && reading->config.plugin->close != NULL)
        reading->config.plugin->close(reading->state);
    if (reading->sink.processors != NULL)
        reading_close_processors(&reading->sink.processors, reading->sink.processor_count);
    sink_fini(&reading->sink);
    receipts_free(&reading->sink.receipts);
    auto_close(&reading->sink.bell);
    free(reading->state);
    free(reading->host);
    free(reading);
}

int64_t reading_last_step_ms(struct reading *reading)
{
    return atomic_load(&reading->last_step_ms);
}

void reading_ask(struct reading *reading, struct sources_ask *question)
{
    if (!sources_ask_expect(question, reading->config.input, reading->config.output))
        return;
    struct sources_ask *before = atomic_exchange(&reading->question, sources_ask_hold(question));
    sources_ask_release(&before);
    reading_ring(reading);
}
