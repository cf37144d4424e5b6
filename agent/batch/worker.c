/* SPDX-License-Identifier: Apache-2.0 */
/* worker: between two steps everything it holds is in `open` (encoded, not sealed) and `hand` (a
 * piece, read up to `reader`): so an audit between two steps is exact. */
#include "batch/worker.h"

#include "base/auto.h"
#include "base/check.h"
#include "base/clock.h"
#include "batch/codec.h"
#include "batch/encoder.h"
#include "batch/split.h"
#include "event/record.h"
#include "flow/scheduler.h"

#include <pthread.h>

enum { WORKER_MAGIC = 0x3047ce41, EVENT_ATTRIBUTES = 1024, RUNS_MAX = 1024 };

struct open_batch {
    struct batch_run *runs; /* room for RUNS_MAX: a batch that needs more is closed */
    size_t run_count;
    uint64_t events, bytes;
    int64_t oldest_boot_ms;
};

struct hand {
    struct lane *lane;
    struct piece *piece; /* NULL: nothing in hand */
    struct piece_reader reader;
    uint64_t events, bytes; /* not encoded yet */
};

struct worker {
    uint32_t magic;
    /* constant after start */
    struct worker_config config;
    pthread_t thread;
    struct encoder *encoder;
    struct codec *codec;
    char *compressed;
    size_t compressed_room;
    /* worker thread only */
    struct scheduler *scheduler;
    bool *has_events;
    struct open_batch open;
    struct hand hand;
    int64_t last_seal_ms;
    struct attribute attributes[EVENT_ATTRIBUTES];
    /* any thread */
    _Atomic bool draining, stopping, audit_wanted, idle;
    _Atomic int64_t last_step_ms;
};

/* ---- what is due ---- */

/* Looks under each lane's lock in turn. Returns when the next batch is due on CLOCK_BOOTTIME:
 * 0 at once, < 0: nothing is there. */
static int64_t next_due(struct worker *worker, int64_t now_ms, int64_t boot_ms)
{
    int64_t oldest = 0;

    for (size_t i = 0; i < worker->config.lane_count; i++) {
        struct lane_level level = lane_level(worker->config.lanes[i]);
        worker->has_events[i] = level.events > 0;
        if (level.events > 0 && (oldest == 0 || level.oldest_boot_ms < oldest))
            oldest = level.oldest_boot_ms;
    }
    if (worker->hand.piece != NULL) /* older than anything in its lane */
        oldest = worker->hand.reader.run.boot_ms;
    if (oldest == 0) {
        feed_caught_up(worker->config.feed);
        return -1;
    }
    if (atomic_load(&worker->draining) || feed_is_full(worker->config.feed) ||
        feed_is_hurried(worker->config.feed))
        return 0;
    int64_t quiet_ms = now_ms - worker->last_seal_ms;
    if (quiet_ms >= worker->config.max_wait_ms)
        return 0;
    int64_t due = oldest + worker->config.max_wait_ms;
    return due <= boot_ms ? 0 : due;
}

/* ---- gathering and encoding ---- */

static bool pick_up_piece(struct worker *worker)
{
    struct hand *hand = &worker->hand;

    for (;;) {
        size_t i = scheduler_pick(worker->scheduler, worker->has_events);
        if (i == worker->config.lane_count)
            return false;
        struct piece *piece = lane_gather(worker->config.lanes[i], worker->config.index);
        if (piece != NULL) {
            scheduler_charge(worker->scheduler, i, piece->bytes);
            *hand = (struct hand){ .lane = worker->config.lanes[i],
                                   .piece = piece,
                                   .reader = { .piece = piece },
                                   .events = piece->events,
                                   .bytes = piece->bytes };
            return true;
        }
        worker->has_events[i] = false;
    }
}

static bool continues_run(const struct open_batch *open, const struct books *books,
                          const struct receipt *receipt)
{
    if (open->run_count == 0)
        return false;
    const struct batch_run *last = &open->runs[open->run_count - 1];
    return last->books == books && last->receipt == receipt;
}

static void add_to_runs(struct open_batch *open, struct books *books, struct receipt *receipt,
                        uint64_t bytes)
{
    if (!continues_run(open, books, receipt))
        open->runs[open->run_count++] = (struct batch_run){ .books = books, .receipt = receipt };
    struct batch_run *last = &open->runs[open->run_count - 1];
    last->events++;
    last->bytes += bytes;
    open->events++;
    open->bytes += bytes;
}

/* Leaves `batch` for `dropped` by that flow. */
static void drop_event(struct worker *worker, enum flow flow, struct receipt *receipt,
                       uint64_t bytes)
{
    ledger_move_cell(lane_books(worker->hand.lane), flow, worker->config.index, 1, bytes);
    receipt_release(receipt, 1);
}

enum filled { FILLED_MORE, FILLED_FULL };

static enum filled encode_record(struct worker *worker, const char *record)
{
    struct hand *hand = &worker->hand;
    struct open_batch *open = &worker->open;
    struct run_info run = hand->reader.run;
    struct event event;
    size_t size = record_read(record, &event, worker->attributes, EVENT_ATTRIBUTES);
    uint64_t bytes;
    (void)record_skip(record, &bytes);

    if (open->run_count == RUNS_MAX && !continues_run(open, lane_books(hand->lane), run.receipt))
        return FILLED_FULL;
    event.resource = run.resource;
    enum encoded encoded = encoder_add(worker->encoder, &event);
    if (encoded == ENCODE_FULL)
        return FILLED_FULL;
    if (encoded == ENCODED) {
        if (open->events == 0)
            open->oldest_boot_ms = run.boot_ms;
        add_to_runs(open, lane_books(hand->lane), run.receipt, bytes);
    } else {
        drop_event(worker, FLOW_too_large, run.receipt, bytes);
    }
    hand->events--;
    hand->bytes -= bytes;
    piece_advance(&hand->reader, size);
    return open->events >= worker->config.max_events ? FILLED_FULL : FILLED_MORE;
}

static void put_down_piece(struct worker *worker)
{
    CHECK(worker->hand.events == 0);
    lane_give_back(worker->hand.lane, &worker->hand.piece);
}

static void fill_batch(struct worker *worker)
{
    encoder_begin(worker->encoder);
    while (worker->hand.piece != NULL || pick_up_piece(worker)) {
        for (const char *record; (record = piece_next(&worker->hand.reader)) != NULL;) {
            if (encode_record(worker, record) == FILLED_FULL)
                return;
        }
        put_down_piece(worker);
    }
}

/* ---- sealing ---- */

static void name_batch(struct worker *worker, struct batch *batch)
{
    batch->sequence = atomic_fetch_add(worker->config.sequence, 1) + 1;
    int length = snprintf(batch->key, sizeof(batch->key), "%s-%s-%s-%llu", worker->config.agent_id,
                          worker->config.start_id, worker->config.output,
                          (unsigned long long)batch->sequence);
    CHECK(length > 0 && length < (int)sizeof(batch->key));
}

static struct slice compress_text(struct worker *worker, struct slice text)
{
    if (worker->config.compression == COMPRESS_NONE)
        return text;
    size_t bytes = codec_compress(worker->codec, text, worker->compressed, worker->compressed_room);
    CHECK(bytes > 0); /* the room is codec_bound() of the largest text */
    return (struct slice){ worker->compressed, bytes };
}

/* Waits for memory of the output's share. false: the agent stops. */
static bool wait_for_memory(struct worker *worker, uint64_t bytes, struct permit *ret)
{
    for (;;) {
        uint32_t seen = wake_read(&worker->config.feed->wake);
        if (sender_reserve(worker->config.sender, bytes, ret))
            return true;
        if (atomic_load(&worker->stopping))
            return false;
        wake_wait(&worker->config.feed->wake, seen, 10 * MS_PER_S);
        atomic_store(&worker->last_step_ms, clock_now_ms());
    }
}

static struct batch *make_batch(struct worker *worker, struct slice body, size_t raw_bytes)
{
    struct open_batch *open = &worker->open;
    AUTO(batch_free) struct batch *batch = batch_new();

    if (batch == NULL)
        return NULL;
    batch->pool = worker->config.bodies;
    batch->body = body_pool_take(batch->pool, body.bytes);
    if (batch->body == NULL)
        return NULL;
    memcpy(batch->body, body.data, body.bytes);
    batch->runs = malloc(open->run_count * sizeof(*batch->runs));
    if (batch->runs == NULL)
        return NULL;
    memcpy(batch->runs, open->runs, open->run_count * sizeof(*batch->runs));
    batch->run_count = open->run_count;
    batch->body_bytes = body.bytes;
    batch->raw_bytes = raw_bytes;
    batch->encoding = (uint8_t)worker->config.encoding;
    batch->compression = (uint8_t)worker->config.compression;
    batch->events = open->events;
    batch->bytes = open->bytes;
    batch->worker = worker->config.index;
    batch->oldest_boot_ms = open->oldest_boot_ms;
    struct batch *made = batch;
    batch = NULL;
    return made;
}

static void clear_open(struct worker *worker)
{
    worker->open.run_count = 0;
    worker->open.events = worker->open.bytes = 0;
}

static void seal_batch(struct worker *worker)
{
    if (worker->open.events == 0)
        return;
    struct slice text = encoder_end(worker->encoder);
    struct slice body = compress_text(worker, text);
    struct permit permit;
    struct batch *batch = NULL;

    if (!wait_for_memory(worker, body.bytes, &permit))
        return; /* stays open: worker_stop() gives it back */
    while ((batch = make_batch(worker, body, text.bytes)) == NULL) {
        /* The system is out of memory: wait for it, the lanes shed meanwhile. */
        if (atomic_load(&worker->stopping)) {
            sender_unreserve(worker->config.sender, &permit);
            return;
        }
        wake_wait(&worker->config.feed->wake, wake_read(&worker->config.feed->wake), 100);
    }
    batch->permit = permit;
    name_batch(worker, batch);
    clear_open(worker);
    numbers_add(worker->config.numbers, NUMBER_batches, 1);
    numbers_add(worker->config.numbers, NUMBER_raw_bytes, text.bytes);
    numbers_add(worker->config.numbers, NUMBER_wire_bytes, body.bytes);
    sender_put(worker->config.sender, &batch);
    worker->last_seal_ms = clock_now_ms();
}

/* ---- splitting what an endpoint found too large ---- */

static bool split_one(struct worker *worker)
{
    struct batch *parent = sender_take_split(worker->config.sender);
    struct batch *halves[2] = { NULL, NULL };

    if (parent == NULL)
        return false;
    if (split_batch(parent, worker->codec, halves))
        numbers_add(worker->config.numbers, NUMBER_splits, 1);
    sender_put_halves(worker->config.sender, &parent, halves);
    return true;
}

/* ---- the thread ---- */

static struct amount held_of(const struct worker *worker, const struct books *books)
{
    struct amount held = { 0, 0 };
    for (size_t i = 0; i < worker->open.run_count; i++) {
        if (worker->open.runs[i].books == books) {
            held.events += worker->open.runs[i].events;
            held.bytes += worker->open.runs[i].bytes;
        }
    }
    if (worker->hand.piece != NULL && lane_books(worker->hand.lane) == books) {
        held.events += worker->hand.events;
        held.bytes += worker->hand.bytes;
    }
    return held;
}

static void audit_own(struct worker *worker)
{
    atomic_store(&worker->audit_wanted, false);
    for (size_t i = 0; i < worker->config.lane_count; i++) {
        struct books *books = lane_books(worker->config.lanes[i]);
        (void)ledger_audit(books, ACCOUNT_batch, worker->config.index, held_of(worker, books));
    }
}

static void rest(struct worker *worker, uint32_t seen, int64_t due_boot_ms)
{
    int64_t wait_ms = -1;

    if (due_boot_ms > 0) {
        wait_ms = due_boot_ms - clock_boot_ms();
        if (wait_ms < 1)
            wait_ms = 1;
    }
    audit_own(worker);
    atomic_store(&worker->idle, due_boot_ms < 0 && worker->open.events == 0);
    atomic_store(&worker->last_step_ms, wait_ms < 0 ? 0 : clock_now_ms() + wait_ms);
    wake_wait(&worker->config.feed->wake, seen, wait_ms);
}

static void step(struct worker *worker)
{
    uint32_t seen = wake_read(&worker->config.feed->wake);
    int64_t now_ms = clock_now_ms();

    atomic_store(&worker->last_step_ms, now_ms);
    if (atomic_load(&worker->audit_wanted))
        audit_own(worker);
    if (split_one(worker))
        return;
    int64_t due = next_due(worker, now_ms, clock_boot_ms());
    if (due == 0 && sender_wants_batches(worker->config.sender)) {
        atomic_store(&worker->idle, false);
        fill_batch(worker);
        seal_batch(worker);
        return;
    }
    /* Due, but the sender takes nothing: it wakes the workers when it does. */
    rest(worker, seen, due == 0 ? clock_boot_ms() + 10 * MS_PER_S : due);
}

static void *run_worker(void *context)
{
    struct worker *worker = context;
    CHECK(worker->magic == WORKER_MAGIC);
    (void)pthread_setname_np(pthread_self(), "batch");
    while (!atomic_load(&worker->stopping))
        step(worker);
    return NULL;
}

static bool build_worker(struct worker *worker, struct err *err)
{
    const struct worker_config *config = &worker->config;
    uint64_t weights[LEDGER_LANES];

    CHECK(config->lane_count <= LEDGER_LANES && config->index < LEDGER_CELLS);
    for (size_t i = 0; i < config->lane_count; i++)
        weights[i] = lane_weight(config->lanes[i]);
    worker->scheduler = scheduler_new(weights, config->lane_count, 256 * 1024);
    worker->has_events = calloc(config->lane_count, sizeof(*worker->has_events));
    worker->encoder = encoder_new((int)config->encoding, config->max_bytes);
    worker->open.runs = malloc(RUNS_MAX * sizeof(*worker->open.runs));
    if (worker->scheduler == NULL || worker->has_events == NULL || worker->encoder == NULL ||
        worker->open.runs == NULL)
        return err_set(err, "out of memory for a batch worker");
    if (config->compression == COMPRESS_NONE)
        return true;
    worker->codec =
        codec_new((int)config->compression, config->compression_level, config->max_bytes);
    if (worker->codec == NULL)
        return err_set(err, "out of memory for a compressor, or this compression is not built in");
    worker->compressed_room = codec_bound(worker->codec, config->max_bytes);
    worker->compressed = malloc(worker->compressed_room);
    return worker->compressed != NULL || err_set(err, "out of memory for a batch worker");
}

struct worker *worker_start(const struct worker_config *config, struct err *err)
{
    AUTO(worker_free) struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        (void)err_set(err, "out of memory for a batch worker");
        return NULL;
    }
    worker->magic = WORKER_MAGIC;
    worker->config = *config;
    worker->last_seal_ms = clock_now_ms() - config->max_wait_ms;
    if (!build_worker(worker, err))
        return NULL;
    int failed = pthread_create(&worker->thread, NULL, run_worker, worker);
    if (failed != 0) {
        (void)err_set(err, "cannot start a thread: %s", strerror(failed));
        return NULL;
    }
    struct worker *started = worker;
    worker = NULL;
    return started;
}

void worker_drain(struct worker *worker)
{
    atomic_store(&worker->draining, true);
    atomic_store(&worker->idle, false);
    wake_bump(&worker->config.feed->wake);
}

bool worker_is_idle(struct worker *worker)
{
    return atomic_load(&worker->idle);
}

static void abandon_in_hand(struct worker *worker)
{
    struct hand *hand = &worker->hand;
    uint64_t bytes;

    for (const char *record; hand->piece != NULL && (record = piece_next(&hand->reader)) != NULL;) {
        size_t size = record_skip(record, &bytes);
        lane_abandon_gathered(lane_books(hand->lane), worker->config.index,
                              hand->reader.run.receipt, 1, bytes);
        hand->events--;
        hand->bytes -= bytes;
        piece_advance(&hand->reader, size);
    }
    if (hand->piece != NULL)
        put_down_piece(worker);
}

void worker_stop(struct worker *worker)
{
    atomic_store(&worker->stopping, true);
    wake_bump(&worker->config.feed->wake);
    CHECK(pthread_join(worker->thread, NULL) == 0);
    for (size_t i = 0; i < worker->open.run_count; i++) {
        const struct batch_run *run = &worker->open.runs[i];
        lane_abandon_gathered(run->books, worker->config.index, run->receipt, run->events,
                              run->bytes);
    }
    clear_open(worker);
    abandon_in_hand(worker);
    audit_own(worker);
}

void worker_free(struct worker **workerp)
{
    struct worker *worker = *workerp;
    *workerp = NULL;
    if (worker == NULL)
        return;
    scheduler_free(&worker->scheduler);
    encoder_free(&worker->encoder);
    codec_free(&worker->codec);
    free(worker->has_events);
    free(worker->compressed);
    free(worker->open.runs);
    free(worker);
}

void worker_request_audit(struct worker *worker)
{
    atomic_store(&worker->audit_wanted, true);
}

int64_t worker_last_step_ms(struct worker *worker)
{
    return atomic_load(&worker->last_step_ms);
}
