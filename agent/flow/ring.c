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
    ring->events++;
    ring->bytes += bytes;
    return true;
}

struct piece *ring_detach(struct ring *ring)
{
    struct piece *piece = ring->head;
    if (piece == NULL)
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
    return ring->head == NULL ? 0 : head_at(ring->head, 0)->info.boot_ms;
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
        receipt_release(receipt, events);
    }
}

void piece_forget_resources(struct piece *piece)
{
    for (uint32_t at = 0; at < piece->used;) {
        struct run_head *head = head_at(piece, at);
        at += (uint32_t)head->bytes;
        resource_unref(&head->info.resource);
    }
}
