/* SPDX-License-Identifier: Apache-2.0 */
/* lane_end: what a lane holds, compared with the books; and what becomes of it in the end. */
#include "base/check.h"
#include "event/record.h"
#include "flow/lane_state.h"

void lane_audit(struct lane *lane)
{
    struct numbers *numbers = ledger_lane_numbers(lane->config.books);

    lock_take(&lane->lock);
    struct classes_level level = classes_level(lane->classes);
    int64_t oldest_ms = level.oldest_boot_ms == 0 ? lane->now_ms : level.oldest_boot_ms;
    int64_t waits_ms = lane->now_ms > oldest_ms ? lane->now_ms - oldest_ms : 0;
    (void)ledger_audit(lane->config.books, ACCOUNT_ring, 0,
                       (struct amount){ level.events, level.bytes });
    size_t piece_bytes = arena_piece_bytes(lane->arena);
    uint64_t used = arena_lent(lane->arena) * piece_bytes;
    uint64_t capacity = arena_pieces(lane->arena) * piece_bytes;
    bool is_shedding = shedder_is_shedding(lane->shedder);
    if (level.events == 0)
        arena_trim(lane->arena);
    lock_drop(&lane->lock);
    numbers_set(numbers, NUMBER_lane_capacity_bytes, capacity);
    numbers_set(numbers, NUMBER_lane_used_bytes, used);
    numbers_set(numbers, NUMBER_lane_shedding, is_shedding);
    numbers_set(numbers, NUMBER_lane_oldest_seconds, (uint64_t)waits_ms / 1000);
}

/* What of a piece goes back to its source, or (does_release) lets go of the rest. After a change of
 * the input's type a piece may have events of both. */
static struct amount walk_piece(const struct piece *piece, bool by_books, bool does_release)
{
    struct piece_reader reader = { .piece = piece };
    struct amount back = { 0, 0 };
    uint64_t bytes;

    for (const char *record; (record = piece_next(&reader)) != NULL;) {
        struct receipt *receipt = reader.run.receipt;
        piece_advance(&reader, record_skip(record, &bytes));
        if (receipt_goes_back(receipt, by_books)) {
            back.events++;
            back.bytes += bytes;
        } else if (does_release) {
            receipt_drop(receipt, 1);
        }
    }
    return back;
}

static void move_some(struct books *books, enum flow flow, uint64_t events, uint64_t bytes)
{
    if (events > 0)
        ledger_move(books, flow, events, bytes);
}

void lane_end_shedding(struct lane *lane)
{
    lock_take(&lane->lock);
    if (shedder_is_shedding(lane->shedder)) {
        lane_note_shed(lane, SHED_STOPPED, lane->now_ms);
        shedder_end(lane->shedder);
    }
    lock_drop(&lane->lock);
}

void lane_abandon(struct lane *lane, enum flow drop)
{
    struct books *books = lane->config.books;
    bool by_books = ledger_is_rereadable(books);

    CHECK(drop == FLOW_drain_timeout_ring || drop == FLOW_reload_drop);
    lane_end_shedding(lane);
    for (;;) {
        lock_take(&lane->lock);
        struct piece *piece = classes_take(lane->classes, lane->now_ms);
        if (piece != NULL) {
            struct amount back = walk_piece(piece, by_books, false);
            move_some(books, FLOW_replay_ring, back.events, back.bytes);
            move_some(books, drop, piece->events - back.events, piece->bytes - back.bytes);
            feed_take(lane->config.feed, piece->events, piece->bytes);
        }
        lock_drop(&lane->lock);
        if (piece == NULL)
            return;
        (void)walk_piece(piece, by_books, true);
        lane_give_back(lane, &piece);
    }
}

void lane_abandon_gathered(struct books *books, enum flow drop, unsigned worker,
                           struct receipt *receipt, uint64_t events, uint64_t bytes)
{
    bool replay = receipt_goes_back(receipt, ledger_is_rereadable(books));
    ledger_move_cell(books, replay ? FLOW_replay_batch : drop, worker, events, bytes);
    if (!replay)
        receipt_drop(receipt, events);
}
