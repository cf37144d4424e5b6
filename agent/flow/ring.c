/* SPDX-License-Identifier: Apache-2.0 */
/* ring: a run grows in place while events of the same receipt and resource follow. */
#include "flow/ring.h"

#include "base/check.h"
#include "event/record.h"
#include "event/resource.h"

struct run_head {
    struct run_info info;
    uint64_t bytes; /* of the run with its head */
};
_Static_assert(sizeof(struct run_head) % RECORD_ALIGN == 0, "records stay aligned");

void ring_init(struct ring *ring, struct arena *arena)
{
    *ring = (struct ring){ .arena = arena };
}

size_t ring_max_record(const struct arena *arena)
{
    return arena_piece_bytes(arena) - sizeof(struct run_head);
}

static struct run_head *head_at(const struct piece *piece, uint32_t at)
{
    return (struct run_head *)(void *)(piece->data + at);
}

static bool continues_run(const struct piece *piece, const struct run_info *run)
{
    if (piece->used == 0)
        return false;
    const struct run_info *last = &head_at(piece, piece->last_run)->info;
    return last->receipt == run->receipt && last->resource == run->resource;
}

static bool add_piece(struct ring *ring)
{
    struct piece *piece = arena_take(ring->arena);
    if (piece == NULL)
        return false;
    if (ring->tail == NULL)
        ring->head = piece;
    else
        ring->tail->next = piece;
    ring->tail = piece;
    ring->pieces++;
    return true;
}

static void begin_run(struct piece *piece, const struct run_info *run)
{
    struct run_head *head = head_at(piece, piece->used);
    *head = (struct run_head){ .info = *run, .bytes = sizeof(*head) };
    (void)resource_ref(run->resource);
    piece->last_run = piece->used;
    piece->used += (uint32_t)sizeof(*head);
}

static bool fits(const struct ring *ring, size_t size, bool continues)
{
    size_t need = size + (continues ? 0 : sizeof(struct run_head));
    return need <= arena_piece_bytes(ring->arena) - ring->tail->used;
}

bool ring_has_room(const struct ring *ring, size_t size, const struct run_info *run)
{
    return ring->tail != NULL && fits(ring, size, continues_run(ring->tail, run));
}

bool ring_push(struct ring *ring, const struct event *event, size_t size,
               const struct run_info *run)
{
    bool continues = ring->tail != NULL && continues_run(ring->tail, run);

    if (ring->tail == NULL || !fits(ring, size, continues)) {
        if (!add_piece(ring))
            return false;
        continues = false;
    }
    struct piece *piece = ring->tail;
    uint64_t bytes = event_bytes(event);
    if (!continues)
        begin_run(piece, run);
    record_write(piece->data + piece->used, size, event);
    piece->used += (uint32_t)size;
    head_at(piece, piece->last_run)->bytes += size;
    piece->events++;
    piece->bytes += bytes;
    *(ring->is_open ? &ring->parcel_events : &ring->events) += 1;
    *(ring->is_open ? &ring->parcel_bytes : &ring->bytes) += bytes;
    return true;
}

/* ---- parcels ---- */

void ring_open(struct ring *ring)
{
    struct piece *tail = ring->tail;

    CHECK(!ring->is_open);
    ring->is_open = true;
    ring->mark = (struct ring_mark){ .tail = tail };
    ring->parcel_events = ring->parcel_bytes = 0;
    if (tail == NULL)
        return;
    ring->mark.used = tail->used;
    ring->mark.last_run = tail->last_run;
    ring->mark.run_bytes = head_at(tail, tail->last_run)->bytes;
    ring->mark.events = tail->events;
    ring->mark.bytes = tail->bytes;
}

/* Drops the references of all runs that begin at `at` or behind it. */
static void forget_runs(struct piece *piece, uint32_t at)
{
    while (at < piece->used) {
        struct run_head *head = head_at(piece, at);
        at += (uint32_t)head->bytes;
        resource_unref(&head->info.resource);
    }
}

static void cut_tail(struct ring *ring)
{
    const struct ring_mark *mark = &ring->mark;
    struct piece *tail = mark->tail;
    struct run_head *last = head_at(tail, mark->last_run);

    /* That run may have grown by the parcel; those behind it are the parcel's own. */
    forget_runs(tail, mark->last_run + (uint32_t)last->bytes);
    tail->next = NULL;
    tail->used = mark->used;
    tail->last_run = mark->last_run;
    tail->events = mark->events;
    tail->bytes = mark->bytes;
    last->bytes = mark->run_bytes;
}

void ring_close(struct ring *ring, bool keep)
{
    struct piece *piece = ring->mark.tail == NULL ? ring->head : ring->mark.tail->next;

    CHECK(ring->is_open);
    ring->is_open = false;
    if (keep) {
        ring->events += ring->parcel_events;
        ring->bytes += ring->parcel_bytes;
        return;
    }
    for (struct piece *next; piece != NULL; piece = next) {
        next = piece->next;
        forget_runs(piece, 0);
        arena_give(ring->arena, piece);
        ring->pieces--;
    }
    ring->tail = ring->mark.tail;
    if (ring->tail == NULL)
        ring->head = NULL;
    else
        cut_tail(ring);
}

bool ring_can_detach(const struct ring *ring)
{
    if (!ring->is_open)
        return ring->head != NULL;
    return ring->mark.tail != NULL && ring->head != ring->mark.tail;
}

struct piece *ring_detach(struct ring *ring)
{
    struct piece *piece = ring->head;
    if (!ring_can_detach(ring))
        return NULL;
    ring->head = piece->next;
    if (ring->head == NULL)
        ring->tail = NULL;
    piece->next = NULL;
    ring->pieces--;
    ring->events -= piece->events;
    ring->bytes -= piece->bytes;
    return piece;
}

int64_t ring_oldest_boot_ms(const struct ring *ring)
{
    bool is_empty = ring->head == NULL || (ring->is_open && ring->mark.tail == NULL);
    return is_empty ? 0 : head_at(ring->head, 0)->info.boot_ms;
}

const char *piece_next(struct piece_reader *reader)
{
    if (reader->at == reader->piece->used)
        return NULL;
    if (reader->at == reader->run_end) {
        const struct run_head *head = head_at(reader->piece, reader->at);
        reader->run = head->info;
        reader->run_end = reader->at + (uint32_t)head->bytes;
        reader->at += (uint32_t)sizeof(*head);
    }
    return reader->piece->data + reader->at;
}

void piece_advance(struct piece_reader *reader, size_t record_bytes)
{
    reader->at += (uint32_t)record_bytes;
    CHECK(reader->at <= reader->run_end);
}

void piece_release_receipts(const struct piece *piece)
{
    struct piece_reader reader = { .piece = piece };
    uint64_t bytes;
    for (const char *record; (record = piece_next(&reader)) != NULL;) {
        struct receipt *receipt = reader.run.receipt;
        uint64_t events = 0;
        do {
            piece_advance(&reader, record_skip(record, &bytes));
            events++;
        } while (reader.at != reader.run_end && (record = piece_next(&reader)) != NULL);
        receipt_drop(receipt, events);
    }
}

void piece_forget_resources(struct piece *piece)
{
    forget_runs(piece, 0);
}
