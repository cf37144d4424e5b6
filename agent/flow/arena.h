/* SPDX-License-Identifier: Apache-2.0 */
/* arena: the memory of one lane, reserved at start and lent out in pieces of equal size.
 * Promise: taking and giving back never allocates. The piece given back last is lent first, so a
 * quiet lane touches one or two pieces and not all its memory.
 * Threads: none of its own, and no lock: the caller holds the lane's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct piece {
    struct piece *next;
    char *data;
    uint32_t used;          /* bytes written */
    uint32_t last_run;      /* where its newest run begins */
    uint64_t events, bytes; /* in it, as the books count them */
};

struct arena;
struct arena *arena_new(size_t capacity_bytes, size_t piece_bytes); /* NULL: out of memory */
void arena_free(struct arena **arenap);                             /* CHECKs that all is back */
struct piece *arena_take(struct arena *arena);                      /* NULL: all lent */
void arena_give(struct arena *arena, struct piece *piece);
void arena_trim(struct arena *arena); /* returns the memory of pieces not lent to the system */

size_t arena_piece_bytes(const struct arena *arena);
size_t arena_pieces(const struct arena *arena); /* most that are lent at a time */
size_t arena_room(const struct arena *arena);   /* most that it could lend */
/* Lends no more than so many at a time from now on. false: it has not so many. */
bool arena_limit(struct arena *arena, size_t pieces);
bool arena_owns(const struct arena *arena, const struct piece *piece);
size_t arena_lent(const struct arena *arena);
