/* SPDX-License-Identifier: Apache-2.0 */
#include "base/line_buffer.h"

#include "test.h"

#include <stdlib.h>

enum { MAX_LINE = 10, READ = 16 };

struct fixture {
    struct line_buffer buffer;
    char lines[16][64];
    uint64_t whole[16];
    unsigned count;
};

static int setup(void **statep)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_true(line_buffer_init(&fixture->buffer, MAX_LINE, READ));
    *statep = fixture;
    return 0;
}

static int teardown(void **statep)
{
    struct fixture *fixture = *statep;

    line_buffer_fini(&fixture->buffer);
    free(fixture);
    return 0;
}

static void note(struct fixture *fixture, const struct line *line)
{
    memcpy(fixture->lines[fixture->count], line->text.data, line->text.bytes);
    fixture->lines[fixture->count][line->text.bytes] = '\0';
    fixture->whole[fixture->count++] = line->whole_bytes;
}

/* In pieces of at most `piece` bytes. */
static void feed(struct fixture *fixture, const char *text, size_t piece)
{
    size_t left = strlen(text), room;
    struct line line;

    while (left > 0) {
        char *space = line_buffer_space(&fixture->buffer, &room);
        size_t bytes = left < piece ? left : piece;
        bytes = bytes < room ? bytes : room;
        assert_true(bytes > 0);
        memcpy(space, text, bytes);
        line_buffer_add(&fixture->buffer, bytes);
        text += bytes;
        left -= bytes;
        while (line_buffer_next(&fixture->buffer, &line))
            note(fixture, &line);
    }
}

static void the_pieces_in_which_bytes_come_do_not_matter(void **statep)
{
    struct fixture *fixture = *statep;
    struct line line;

    for (size_t piece = 1; piece < 40; piece++) {
        fixture->count = 0;
        feed(fixture,
             "one\n\ntwo\r\n0123456789\n0123456789\r\n0123456789abcdefghijklmnopqrs\r\nrest",
             piece);
        assert_true(line_buffer_rest(&fixture->buffer, &line));
        note(fixture, &line);
        assert_int_equal(fixture->count, 6);
        assert_string_equal(fixture->lines[0], "one");
        assert_string_equal(fixture->lines[1], "two");
        assert_string_equal(fixture->lines[2], "0123456789");
        assert_string_equal(fixture->lines[3], "0123456789");
        assert_string_equal(fixture->lines[4], "0123456789");
        assert_int_equal(fixture->whole[4], 29);
        assert_string_equal(fixture->lines[5], "rest");
        assert_false(line_buffer_rest(&fixture->buffer, &line));
    }
}

static void a_bound_that_grows_in_the_middle_of_a_long_line_brings_nothing_back(void **statep)
{
    struct fixture *fixture = *statep;

    feed(fixture, "0123456789abcdefghijklmnopqrstuvwxyz0123456789", 100);
    assert_true(line_buffer_change(&fixture->buffer, 60, READ));
    feed(fixture, "end\n", 100);
    assert_int_equal(fixture->count, 1);
    assert_string_equal(fixture->lines[0], "0123456789");
    assert_int_equal(fixture->whole[0], 49);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_pieces_in_which_bytes_come_do_not_matter, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_bound_that_grows_in_the_middle_of_a_long_line_brings_nothing_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
