/* SPDX-License-Identifier: Apache-2.0 */
/* batcher: everything it holds is in `open` (encoded, not sealed) and `hand` (a piece, read up to
 * `reader`): so an audit between two calls is exact. */
#include "batch/batcher_state.h"

#include "base/auto.h"
#include "base/check.h"
#include "base/in_hand.h"
#include "batch/split.h"
#include "event/record.h"
#include "ledger/fatal_record.h"

enum {
    RUNS_MAX = 1024,
    UNWANTED_REST_MS = 10 * 1000, /* the sender wakes its workers when it wants batches again */
};

/* ---- what is due ---- */

/* Looks under each lane's lock in turn. Returns when the next batch is due on CLOCK_BOOTTIME:
 * 0 at once, < 0: nothing is there. */
static int64_t next_due(struct batcher *batcher, const struct batcher_view *view)
{
    int64_t oldest = 0;

    for (size_t i = 0; !view->is_leaving && i < batcher->config.lane_count; i++) {
        struct lane_level level = lane_level(batcher->config.lanes[i]);
        batcher->has_events[i] = level.events > 0;
        if (level.events > 0 && (oldest == 0 || level.oldest_boot_ms < oldest))
            oldest = level.oldest_boot_ms;
    }
    if (batcher->hand.piece != NULL && (oldest == 0 || batcher->hand.reader.run.boot_ms < oldest))
        oldest = batcher->hand.reader.run.boot_ms;
    if (oldest == 0)
        return -1;
    if (view->is_draining || feed_is_full(batcher->config.feed) ||
        feed_is_hurried(batcher->config.feed, oldest))
        return 0;
    int64_t quiet_ms = view->now_ms - batcher->last_seal_ms;
    if (quiet_ms >= batcher->config.max_wait_ms)
        return 0;
    int64_t due = oldest + batcher->config.max_wait_ms;
    return due <= view->boot_ms ? 0 : due;
}

/* ---- gathering and encoding ---- */

/* The oldest events of a piece are in its first run. */
static void note_wait(const struct batcher *batcher, struct hand *hand)
{
    (void)piece_next(&hand->reader);
    numbers_observe(ledger_lane_numbers(lane_books(hand->lane)), HISTOGRAM_ring_wait,
                    batcher->boot_ms - hand->reader.run.boot_ms, hand->events);
}

static bool pick_up_piece(struct batcher *batcher)
{
    struct hand *hand = &batcher->hand;

    for (;;) {
        size_t i = scheduler_pick(batcher->scheduler, batcher->has_events);
        if (i == batcher->config.lane_count)
            return false;
        struct piece *piece =
            lane_gather(batcher->config.lanes[i], batcher->config.index, batcher->boot_ms);
        if (piece != NULL) {
            fatal_record_watch(ledger_lane_numbers(lane_books(batcher->config.lanes[i])));
            scheduler_charge(batcher->scheduler, i, piece->bytes);
            *hand = (struct hand){ .lane = batcher->config.lanes[i],
                                   .piece = piece,
                                   .reader = { .piece = piece },
                                   .events = piece->events,
                                   .bytes = piece->bytes };
            note_wait(batcher, hand);
            return true;
        }
        batcher->has_events[i] = false;
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
static void drop_event(struct batcher *batcher, enum flow flow, struct receipt *receipt,
                       uint64_t bytes)
{
    ledger_move_cell(lane_books(batcher->hand.lane), flow, batcher->config.index, 1, bytes);
    receipt_drop(receipt, 1);
}

static void show(struct batcher *batcher, const struct event *event)
{
    struct tap_place place = { .stage = TAP_ENCODED,
                               .input = ledger_input_name(lane_books(batcher->hand.lane)),
                               .output = batcher->config.output,
                               .reason = "" };
    tap_view_show(&batcher->tap, &place, event);
}

enum filled { FILLED_MORE, FILLED_FULL };

static enum filled encode_record(struct batcher *batcher, const char *record)
{
    struct hand *hand = &batcher->hand;
    struct open_batch *open = &batcher->open;
    struct run_info run = hand->reader.run;
    struct event event;
    size_t size = record_read(record, &event, batcher->attributes, EVENT_ATTRIBUTES);
    uint64_t bytes;
    (void)record_skip(record, &bytes);

    if (open->run_count == RUNS_MAX && !continues_run(open, lane_books(hand->lane), run.receipt))
        return FILLED_FULL;
    event.resource = run.resource;
    in_hand_take_event(event.body);
    enum encoded encoded = encoder_add(batcher->workshop.encoder, &event);
    in_hand_drop_event();
    if (encoded == ENCODE_FULL)
        return FILLED_FULL;
    if (encoded == ENCODED) {
        if (open->events == 0 || run.boot_ms < open->oldest_boot_ms)
            open->oldest_boot_ms = run.boot_ms; /* lanes differ in age */
        add_to_runs(open, lane_books(hand->lane), run.receipt, bytes);
        if (batcher->tap.is_wanted)
            show(batcher, &event);
    } else {
        drop_event(batcher, FLOW_too_large, run.receipt, bytes);
    }
    hand->events--;
    hand->bytes -= bytes;
    piece_advance(&hand->reader, size);
    return open->events >= batcher->config.max_events ? FILLED_FULL : FILLED_MORE;
}

static void put_down_piece(struct batcher *batcher)
{
    CHECK(batcher->hand.events == 0);
    lane_give_back(batcher->hand.lane, &batcher->hand.piece);
}

static bool is_large_enough(const struct batcher *batcher, uint64_t max_bytes)
{
    return max_bytes > 0 && encoder_bytes(batcher->workshop.encoder) >= max_bytes;
}

static void fill_batch(struct batcher *batcher, uint64_t max_bytes, bool is_leaving)
{
    tap_view_ask(&batcher->tap, TAP_ENCODED);
    encoder_begin(batcher->workshop.encoder);
    while (batcher->hand.piece != NULL || (!is_leaving && pick_up_piece(batcher))) {
        for (const char *record; (record = piece_next(&batcher->hand.reader)) != NULL;) {
            if (encode_record(batcher, record) == FILLED_FULL ||
                is_large_enough(batcher, max_bytes))
                return;
        }
        put_down_piece(batcher);
    }
}

/* ---- sealing ---- */

static void close_batch(struct batcher *batcher)
{
    struct slice text = encoder_end(batcher->workshop.encoder);

    batcher->open.raw_bytes = text.bytes;
    batcher->open.encoding = batcher->config.encoding;
    batcher->open.compression = batcher->config.compression;
    batcher->open.body = workshop_compress(&batcher->workshop, text);
}

struct batcher_step batcher_next(struct batcher *batcher, const struct batcher_view *view)
{
    struct open_batch *open = &batcher->open;

    batcher->boot_ms = view->boot_ms;
    if (open->body.data == NULL) {
        int64_t due = next_due(batcher, view);
        if (due < 0)
            return (struct batcher_step){ .kind = BATCHER_REST };
        if (due == 0 && !view->is_wanted)
            due = view->boot_ms + UNWANTED_REST_MS;
        if (due > 0)
            return (struct batcher_step){ .kind = BATCHER_REST, .until_boot_ms = due };
        fill_batch(batcher, view->max_bytes, view->is_leaving);
        if (open->events == 0)
            return (struct batcher_step){ .kind = BATCHER_AGAIN };
        close_batch(batcher);
    }
    return (struct batcher_step){ .kind = BATCHER_SEAL, .bytes = open->body.bytes };
}

static void name_batch(const struct batcher *batcher, struct batch *batch)
{
    const struct batcher_config *config = &batcher->config;

    batch->sequence = atomic_fetch_add(config->sequence, 1) + 1;
    int length = snprintf(batch->key, sizeof(batch->key), "%s-%s-%s-%llu", config->agent_id,
                          config->start_id, config->output, (unsigned long long)batch->sequence);
    CHECK(length > 0 && length < (int)sizeof(batch->key));
}

static struct batch *make_batch(const struct batcher *batcher)
{
    const struct batcher_config *config = &batcher->config;
    const struct open_batch *open = &batcher->open;
    AUTO(batch_free) struct batch *batch = batch_new();

    if (batch == NULL)
        return NULL;
    batch->pool = config->bodies;
    batch->body = body_pool_take(batch->pool, open->body.bytes);
    if (batch->body == NULL)
        return NULL;
    memcpy(batch->body, open->body.data, open->body.bytes);
    batch->runs = malloc(open->run_count * sizeof(*batch->runs));
    if (batch->runs == NULL)
        return NULL;
    memcpy(batch->runs, open->runs, open->run_count * sizeof(*batch->runs));
    batch->run_count = open->run_count;
    batch->body_bytes = open->body.bytes;
    batch->raw_bytes = open->raw_bytes;
    batch->encoding = (uint8_t)open->encoding;
    batch->compression = (uint8_t)open->compression;
    batch->events = open->events;
    batch->bytes = open->bytes;
    batch->worker = config->index;
    batch->oldest_boot_ms = open->oldest_boot_ms;
    struct batch *made = batch;
    batch = NULL;
    return made;
}

static void clear_open(struct batcher *batcher)
{
    struct open_batch *open = &batcher->open;

    open->run_count = 0;
    open->events = open->bytes = 0;
    open->body = (struct slice){ 0 };
    workshop_fini(&batcher->before);
}

struct batch *batcher_seal(struct batcher *batcher, struct permit *permit, int64_t now_ms)
{
    struct numbers *numbers = batcher->config.numbers;

    CHECK(batcher->open.body.data != NULL);
    struct batch *batch = make_batch(batcher);
    if (batch == NULL)
        return NULL;
    batch->permit = *permit;
    *permit = (struct permit){ 0 };
    name_batch(batcher, batch);
    clear_open(batcher);
    numbers_add(numbers, NUMBER_batches, 1);
    numbers_add(numbers, NUMBER_raw_bytes, batch->raw_bytes);
    numbers_add(numbers, NUMBER_wire_bytes, batch->body_bytes);
    batcher->last_seal_ms = now_ms;
    return batch;
}

bool batcher_split(struct batcher *batcher, const struct batch *parent, struct batch *halves[2])
{
    if (!split_batch(parent, batcher->workshop.codec, halves))
        return false;
    numbers_add(batcher->config.numbers, NUMBER_splits, 1);
    return true;
}

/* ---- audit and end ---- */

static struct amount held_of(const struct batcher *batcher, const struct books *books)
{
    struct amount held = { 0, 0 };
    for (size_t i = 0; i < batcher->open.run_count; i++) {
        if (batcher->open.runs[i].books == books) {
            held.events += batcher->open.runs[i].events;
            held.bytes += batcher->open.runs[i].bytes;
        }
    }
    if (batcher->hand.piece != NULL && lane_books(batcher->hand.lane) == books) {
        held.events += batcher->hand.events;
        held.bytes += batcher->hand.bytes;
    }
    return held;
}

void batcher_audit(const struct batcher *batcher)
{
    for (size_t i = 0; i < batcher->seen_count; i++) {
        struct books *books = batcher->seen[i];
        (void)ledger_audit(books, ACCOUNT_batch, batcher->config.index, held_of(batcher, books));
    }
}

static void abandon_hand(struct batcher *batcher, enum flow drop)
{
    struct hand *hand = &batcher->hand;
    uint64_t bytes;

    for (const char *record; hand->piece != NULL && (record = piece_next(&hand->reader)) != NULL;) {
        size_t size = record_skip(record, &bytes);
        lane_abandon_gathered(lane_books(hand->lane), drop, batcher->config.index,
                              hand->reader.run.receipt, 1, bytes);
        hand->events--;
        hand->bytes -= bytes;
        piece_advance(&hand->reader, size);
    }
    if (hand->piece != NULL)
        put_down_piece(batcher);
}

void batcher_abandon(struct batcher *batcher, enum flow drop)
{
    for (size_t i = 0; i < batcher->open.run_count; i++) {
        const struct batch_run *run = &batcher->open.runs[i];
        lane_abandon_gathered(run->books, drop, batcher->config.index, run->receipt, run->events,
                              run->bytes);
    }
    clear_open(batcher);
    abandon_hand(batcher, drop);
}

/* ---- construction ---- */

static bool build_batcher(struct batcher *batcher, struct err *err)
{
    batcher->scheduler = batcher_make_scheduler(&batcher->config);
    batcher->open.runs = malloc(RUNS_MAX * sizeof(*batcher->open.runs));
    if (batcher->scheduler == NULL || batcher->open.runs == NULL)
        return err_set(err, "out of memory for a batch worker");
    return workshop_init(&batcher->workshop, &batcher->config, err);
}

struct batcher *batcher_new(const struct batcher_config *config, int64_t now_ms, struct err *err)
{
    AUTO(batcher_free) struct batcher *batcher = calloc(1, sizeof(*batcher));
    if (batcher == NULL) {
        (void)err_set(err, "out of memory for a batch worker");
        return NULL;
    }
    batcher->config = *config;
    batcher->last_seal_ms = now_ms - config->max_wait_ms; /* as after a quiet spell */
    if (!build_batcher(batcher, err))
        return NULL;
    batcher_note_lanes(batcher);
    struct batcher *made = batcher;
    batcher = NULL;
    return made;
}

void batcher_free(struct batcher **batcherp)
{
    struct batcher *batcher = *batcherp;
    *batcherp = NULL;
    if (batcher == NULL)
        return;
    CHECK(batcher->open.events == 0 && batcher->hand.piece == NULL);
    scheduler_free(&batcher->scheduler);
    workshop_fini(&batcher->workshop);
    workshop_fini(&batcher->before);
    free(batcher->open.runs);
    free(batcher);
}
