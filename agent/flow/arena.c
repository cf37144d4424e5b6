/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/arena.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct arena {
    char *memory;
    size_t piece_bytes, count, limit, lent;
    size_t
        touched; /* free pieces that may still have memory of the system, at the head of `free` */
    struct piece *free;
    struct piece pieces[];
};

struct arena *arena_new(size_t capacity_bytes, size_t piece_bytes)
{
    size_t count = capacity_bytes / piece_bytes;
    CHECK(count > 0 && piece_bytes <= UINT32_MAX);
    struct arena *arena = calloc(1, sizeof(*arena) + count * sizeof(struct piece));
    if (arena == NULL)
        return NULL;
    arena->memory = mmap(NULL, count * piece_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena->memory == MAP_FAILED) {
        free(arena);
        return NULL;
    }
    arena->piece_bytes = piece_bytes;
    arena->count = arena->limit = count;
    for (size_t i = count; i-- > 0;) {
        arena->pieces[i].data = arena->memory + i * piece_bytes;
        arena->pieces[i].next = arena->free;
        arena->free = &arena->pieces[i];
    }
    return arena;
}

void arena_free(struct arena **arenap)
{
    struct arena *arena = *arenap;
    *arenap = NULL;
    if (arena == NULL)
        return;
    CHECK(arena->lent == 0);
    CHECK(munmap(arena->memory, arena->count * arena->piece_bytes) == 0);
    free(arena);
}

struct piece *arena_take(struct arena *arena)
{
    struct piece *piece = arena->free;
    if (piece == NULL || arena->lent >= arena->limit)
        return NULL;
    arena->free = piece->next;
    arena->lent++;
    if (arena->touched > 0)
        arena->touched--;
    piece->next = NULL;
    piece->used = piece->last_run = 0;
    piece->events = piece->bytes = 0;
    return piece;
}

void arena_give(struct arena *arena, struct piece *piece)
{
    CHECK(arena_owns(arena, piece) && arena->lent > 0);
    piece->next = arena->free;
    arena->free = piece;
    arena->lent--;
    arena->touched++;
}

/* Only pages that are wholly in the piece: the kernel rounds the end up, into a neighbour that may
 * be lent. */
static void trim_piece(const struct arena *arena, const struct piece *piece, size_t page_bytes)
{
    size_t begin = (size_t)(piece->data - arena->memory);
    size_t end = (begin + arena->piece_bytes) / page_bytes * page_bytes;

    begin = (begin + page_bytes - 1) / page_bytes * page_bytes;
    if (begin < end)
        (void)madvise(arena->memory + begin, end - begin, MADV_DONTNEED);
}

void arena_trim(struct arena *arena)
{
    struct piece *piece = arena->free;
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

    for (; arena->touched > 0 && piece != NULL; arena->touched--, piece = piece->next)
        trim_piece(arena, piece, page_bytes);
}

size_t arena_piece_bytes(const struct arena *arena)
{
    return arena->piece_bytes;
}

size_t arena_pieces(const struct arena *arena)
{
    return arena->limit;
}

size_t arena_room(const struct arena *arena)
{
    return arena->count;
}

bool arena_limit(struct arena *arena, size_t pieces)
{
    if (pieces == 0 || pieces > arena->count)
        return false;
    arena->limit = pieces;
    return true;
}

bool arena_owns(const struct arena *arena, const struct piece *piece)
{
    return piece >= arena->pieces && piece < arena->pieces + arena->count;
}

size_t arena_lent(const struct arena *arena)
{
    return arena->lent;
}
