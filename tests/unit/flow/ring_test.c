/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/random.h"
#include "event/record.h"
#include "event/resource.h"
#include "flow/ring.h"

#include <stdio.h>

enum { PIECE = 4096, PIECES = 8 };

static struct event make_event(struct slice body)
{
    return (struct event){ .body = body };
}

static void push_number(struct ring *ring, uint64_t number, const struct run_info *run)
{
    char text[32];
    struct slice body = { text, (size_t)snprintf(text, sizeof(text), "%llu",
                                                 (unsigned long long)number) };
    struct event event = make_event(body);
    assert_true(ring_push(ring, &event, record_size(&event), run));
}

/* Reads all of a piece, expects numbers from *next on. */
static void expect_numbers(struct piece *piece, uint64_t *next)
{
    struct piece_reader reader = { .piece = piece };
    struct event event;
    char text[32];
    for (const char *record; (record = piece_next(&reader)) != NULL;) {
        piece_advance(&reader, record_read(record, &event, NULL, 0));
        int length = snprintf(text, sizeof(text), "%llu", (unsigned long long)(*next)++);
        assert_int_equal(event.body.bytes, length);
        assert_memory_equal(event.body.data, text, event.body.bytes);
    }
}

static void events_come_out_in_the_order_they_went_in(void **unused)
{
    (void)unused;
    struct arena *arena = arena_new(PIECE * PIECES, PIECE);
    struct ring ring;
    struct random random = random_make(3);
    struct run_info run = { .boot_ms = 9 };
    uint64_t pushed = 0, read = 0;

    ring_init(&ring, arena);
    for (int round = 0; round < 10000; round++) {
        if (random_below(&random, 100) < 95 && arena_lent(arena) < PIECES) {
            push_number(&ring, pushed++, &run);
            continue;
        }
        struct piece *piece = ring_detach(&ring);
        if (piece == NULL)
            continue;
        expect_numbers(piece, &read);
        piece_forget_resources(piece);
        arena_give(arena, piece);
        assert_int_equal(ring.events, pushed - read);
    }
    for (struct piece *piece; (piece = ring_detach(&ring)) != NULL; arena_give(arena, piece))
        expect_numbers(piece, &read);
    assert_int_equal(read, pushed);
    assert_int_equal(ring.bytes, 0);
    arena_free(&arena);
}

static void a_full_arena_refuses_and_keeps_what_it_has(void **unused)
{
    (void)unused;
    struct arena *arena = arena_new(PIECE * 2, PIECE);
    struct ring ring;
    struct run_info run = { 0 };
    static char body[1000];
    struct event event = make_event((struct slice){ body, sizeof(body) });
    uint64_t pushed = 0;

    ring_init(&ring, arena);
    while (ring_push(&ring, &event, record_size(&event), &run))
        pushed++;
    assert_int_equal(ring.events, pushed);
    assert_in_range(pushed, 4, 8);
    assert_int_equal(ring.bytes, pushed * sizeof(body));
    for (struct piece *piece; (piece = ring_detach(&ring)) != NULL;)
        arena_give(arena, piece);
    arena_free(&arena);
}

static void each_run_keeps_a_reference_to_its_resource(void **unused)
{
    (void)unused;
    struct arena *arena = arena_new(PIECE * PIECES, PIECE);
    struct ring ring;
    struct attribute attribute = { SLICE("host.name"), { .kind = VALUE_TEXT, .text = SLICE("h") } };
    struct run_info runs[2] = { { .resource = resource_new(&attribute, 1) },
                                { .resource = resource_new(&attribute, 1) } };

    ring_init(&ring, arena);
    for (uint64_t i = 0; i < 20; i++)
        push_number(&ring, i, &runs[i / 5 % 2]);
    struct resource *ours[2] = { runs[0].resource, runs[1].resource };
    resource_unref(&runs[0].resource);
    resource_unref(&runs[1].resource);
    struct piece *piece = ring_detach(&ring);
    struct piece_reader reader = { .piece = piece };
    for (uint64_t i = 0; i < 20; i++) {
        uint64_t bytes;
        const char *record = piece_next(&reader);
        assert_ptr_equal(reader.run.resource, ours[i / 5 % 2]);
        assert_true(
            slice_equals(resource_json(reader.run.resource), SLICE("{\"host.name\":\"h\"}")));
        piece_advance(&reader, record_skip(record, &bytes));
    }
    piece_forget_resources(piece); /* the sanitizer sees a leak or a use after free */
    arena_give(arena, piece);
    arena_free(&arena);
}

static void a_quiet_ring_uses_one_piece_again_and_again(void **unused)
{
    (void)unused;
    struct arena *arena = arena_new(PIECE * PIECES, PIECE);
    struct ring ring;
    struct run_info run = { 0 };
    char *first = NULL;

    ring_init(&ring, arena);
    for (uint64_t i = 0; i < 100; i++) {
        push_number(&ring, i, &run);
        struct piece *piece = ring_detach(&ring);
        if (first == NULL)
            first = piece->data;
        assert_ptr_equal(piece->data, first);
        arena_give(arena, piece);
    }
    arena_trim(arena);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_out_in_the_order_they_went_in),
        cmocka_unit_test(a_full_arena_refuses_and_keeps_what_it_has),
        cmocka_unit_test(each_run_keeps_a_reference_to_its_resource),
        cmocka_unit_test(a_quiet_ring_uses_one_piece_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
