/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/buf.h"

#include <stdlib.h>

static void a_buf_over_its_limit_keeps_what_it_has_and_stays_failed(void **unused)
{
    (void)unused;
    struct buf buf = { .limit = 5 };

    assert_true(buf_add(&buf, "abc", 3));
    assert_false(buf_add(&buf, "def", 3));
    assert_true(buf.failed);
    assert_false(buf_add(&buf, "d", 1)); /* it would fit, but something is missing before it */
    assert_string_equal(buf.data, "abc");
    assert_int_equal(buf.bytes, 3);
    buf_fini(&buf);
}

static void a_format_over_the_limit_fails_as_a_whole(void **unused)
{
    (void)unused;
    struct buf buf = { .limit = 4 };

    assert_false(buf_printf(&buf, "%d", 12345));
    assert_true(buf.failed);
    assert_int_equal(buf.bytes, 0);
    buf_fini(&buf);
}

static void a_buf_takes_exactly_its_limit(void **unused)
{
    (void)unused;
    for (size_t limit = 1; limit < 300; limit++) {
        struct buf buf = { .limit = limit };
        for (size_t i = 0; i < limit; i++)
            assert_true(buf_add(&buf, "x", 1));
        assert_int_equal(buf.bytes, limit);
        assert_int_equal(buf.data[limit], 0);
        assert_false(buf_add(&buf, "x", 1));
        buf_fini(&buf);
    }
}

static void a_cleared_buf_forgets_its_failure_and_keeps_its_memory(void **unused)
{
    (void)unused;
    struct buf buf = { .limit = 3 };

    assert_true(buf_add_text(&buf, "abc"));
    assert_false(buf_add_text(&buf, "d"));
    const char *memory = buf.data;
    buf_clear(&buf);
    assert_false(buf.failed);
    assert_true(buf_add_text(&buf, "xyz"));
    assert_ptr_equal(buf.data, memory);
    assert_string_equal(buf.data, "xyz");
    buf_fini(&buf);
}

static void a_finished_buf_is_empty_and_keeps_its_limit(void **unused)
{
    (void)unused;
    struct buf buf = { .limit = 3 };

    assert_true(buf_add_text(&buf, "abc"));
    buf_fini(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.bytes, 0);
    assert_int_equal(buf.limit, 3);
    buf_fini(&buf);
}

static void the_slice_of_an_empty_buf_is_empty_and_not_null(void **unused)
{
    (void)unused;
    struct buf buf = { 0 };

    assert_non_null(buf_slice(&buf).data);
    assert_int_equal(buf_slice(&buf).bytes, 0);
    assert_true(buf_add(&buf, NULL, 0));
    assert_string_equal(buf_slice(&buf).data, "");
    buf_fini(&buf);
}

static void appends_of_every_size_follow_each_other(void **unused)
{
    (void)unused;
    struct buf buf = { 0 };
    char piece[200];
    size_t total = 0;

    for (size_t i = 0; i < sizeof(piece); i++) {
        memset(piece, (int)('a' + i % 26), i);
        assert_true(buf_add(&buf, piece, i));
        assert_true(buf_printf(&buf, "%zu,", i));
    }
    for (size_t i = 0; i < sizeof(piece); i++) {
        for (size_t j = 0; j < i; j++)
            assert_int_equal(buf.data[total++], 'a' + i % 26);
        assert_int_equal(strtoull(buf.data + total, NULL, 10), i);
        total = (size_t)(strchr(buf.data + total, ',') + 1 - buf.data);
    }
    assert_int_equal(total, buf.bytes);
    assert_int_equal(strlen(buf.data), buf.bytes);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buf_over_its_limit_keeps_what_it_has_and_stays_failed),
        cmocka_unit_test(a_format_over_the_limit_fails_as_a_whole),
        cmocka_unit_test(a_buf_takes_exactly_its_limit),
        cmocka_unit_test(a_cleared_buf_forgets_its_failure_and_keeps_its_memory),
        cmocka_unit_test(a_finished_buf_is_empty_and_keeps_its_limit),
        cmocka_unit_test(the_slice_of_an_empty_buf_is_empty_and_not_null),
        cmocka_unit_test(appends_of_every_size_follow_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
