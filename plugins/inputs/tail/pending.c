/* SPDX-License-Identifier: Apache-2.0 */
/* pending: bounded by the marks that the core lets stand open, times the files of one read. */
#include "pending.h"

enum { FIRST_ROOM = 64 };

void tail_pending_fini(struct tail_pending *pending)
{
    free(pending->ring);
    *pending = (struct tail_pending){ .room = 0 };
}

bool tail_pending_reserve(struct tail_pending *pending, size_t more)
{
    size_t needed = (size_t)(pending->pushed - pending->popped) + more;
    size_t room = pending->room == 0 ? FIRST_ROOM : pending->room;

    if (needed <= pending->room)
        return true;
    while (room < needed)
        room *= 2;
    struct tail_pending_position *ring = calloc(room, sizeof(*ring));
    if (ring == NULL)
        return false;
    for (uint64_t i = pending->popped; i != pending->pushed; i++)
        ring[i & (room - 1)] = pending->ring[i & (pending->room - 1)];
    free(pending->ring);
    pending->ring = ring;
    pending->room = room;
    return true;
}

void tail_pending_push(struct tail_pending *pending, struct tail_pending_position position)
{
    CHECK(pending->pushed - pending->popped < pending->room);
    pending->ring[pending->pushed++ & (pending->room - 1)] = position;
}

void tail_pending_redirect(struct tail_pending *pending, struct tail_ref from, uint32_t generation,
                           const struct tail_pending_position *most)
{
    for (uint64_t i = pending->popped; i != pending->pushed; i++) {
        struct tail_pending_position *at = &pending->ring[i & (pending->room - 1)];
        if (at->ref.slot != from.slot || at->ref.serial != from.serial ||
            at->generation != generation)
            continue;
        if (at->position.offset > most->position.offset)
            at->position = most->position;
        at->ref = most->ref;
        at->generation = most->generation;
    }
}

bool tail_pending_pop(struct tail_pending *pending, uint64_t mark,
                      struct tail_pending_position *ret)
{
    if (pending->popped == pending->pushed || pending->popped >= mark)
        return false;
    *ret = pending->ring[pending->popped++ & (pending->room - 1)];
    return true;
}
