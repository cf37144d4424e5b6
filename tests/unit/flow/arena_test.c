/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/arena.h"

#include "test.h"

#include <string.h>

enum { PIECES = 32 };

static void fill(struct piece *piece, size_t bytes)
{
    memset(piece->data, 'x', bytes);
}

static void a_trim_leaves_the_pieces_alone_that_are_lent(void **unused)
{
    (void)unused;
    for (size_t bytes = 512; bytes <= 16384; bytes += 512) {
        struct arena *arena = arena_new(bytes * PIECES, bytes);
        struct piece *lent[PIECES];
        for (int i = 0; i < PIECES; i++) {
            lent[i] = arena_take(arena);
            assert_non_null(lent[i]);
            fill(lent[i], bytes);
        }
        for (int i = 0; i < PIECES; i += 2)
            arena_give(arena, lent[i]);
        arena_trim(arena);
        for (int i = 1; i < PIECES; i += 2) {
            assert_null(memchr(lent[i]->data, 0, bytes));
            arena_give(arena, lent[i]);
        }
        arena_free(&arena);
    }
}

static void a_trim_gives_the_memory_of_free_pieces_back(void **unused)
{
    (void)unused;
    const size_t bytes = 64 * 1024; /* whole pages, on any host */
    struct arena *arena = arena_new(bytes * 2, bytes);
    struct piece *piece = arena_take(arena);
    fill(piece, bytes);
    arena_give(arena, piece);
    arena_trim(arena);
    assert_ptr_equal(arena_take(arena), piece); /* the one given back last */
    assert_int_equal(piece->data[0], 0);
    assert_int_equal(piece->data[bytes - 1], 0);
    arena_give(arena, piece);
    arena_free(&arena);
}

static void pieces_are_lent_until_there_are_none(void **unused)
{
    (void)unused;
    struct arena *arena = arena_new(4096 * 2, 4096);
    struct piece *first = arena_take(arena), *second = arena_take(arena);
    assert_true(first != NULL && second != NULL && first != second);
    assert_null(arena_take(arena));
    assert_int_equal(arena_lent(arena), 2);
    arena_give(arena, first);
    assert_ptr_equal(arena_take(arena), first);
    arena_give(arena, first);
    arena_give(arena, second);
    assert_int_equal(arena_lent(arena), 0);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trim_leaves_the_pieces_alone_that_are_lent),
        cmocka_unit_test(a_trim_gives_the_memory_of_free_pieces_back),
        cmocka_unit_test(pieces_are_lent_until_there_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
