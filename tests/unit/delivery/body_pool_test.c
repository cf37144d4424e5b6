/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery/body_pool.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BODY = 128 * 1024, TWICE = 256 * 1024, MANY = 2 * BODY_SPARES };

static unsigned count_spares(struct body_pool *pool)
{
    unsigned count = 0;
    for (unsigned i = 0; i < BODY_SPARES; i++)
        count += pool->spares[i] != NULL;
    return count;
}

/* That many batches at once, all of them given back then. */
static void burst(struct body_pool *pool, unsigned count, size_t bytes)
{
    static char *bodies[MANY];

    for (unsigned i = 0; i < count; i++)
        assert_non_null(bodies[i] = body_pool_take(pool, bytes));
    assert_int_equal(pool->bytes, 0);
    for (unsigned i = 0; i < count; i++)
        body_pool_give(pool, bodies[i]);
}

static void spares_beside_the_permits_are_few(void **unused)
{
    (void)unused;
    struct body_pool pool = { .bytes = 0 };
    burst(&pool, MANY, BODY);
    assert_in_range(pool.bytes, BODY, BODY_SPARES_BYTES);
    assert_in_range(count_spares(&pool), 1, BODY_SPARES_BYTES / BODY);
    body_pool_trim(&pool);
    assert_int_equal(pool.bytes, 0);
    assert_int_equal(count_spares(&pool), 0);
}

static void more_are_kept_as_long_as_no_permit_holds_that_memory(void **unused)
{
    (void)unused;
    struct body_pool pool = { .bytes = 0 };
    body_pool_allow(&pool, 32 * (size_t)BODY);
    burst(&pool, MANY, BODY);
    assert_in_range(pool.bytes, BODY_SPARES_BYTES + 1, 32 * (size_t)BODY);
    body_pool_allow(&pool, SIZE_MAX / 2);
    burst(&pool, 1, TWICE); /* what is too small for it leaves */
    assert_int_equal(count_spares(&pool), 1);
    burst(&pool, MANY, TWICE);
    assert_int_equal(count_spares(&pool), BODY_SPARES); /* no place for another */
    body_pool_trim(&pool);
    assert_int_equal(pool.bytes, 0);
}

static void spares_give_up_what_permits_take_again(void **unused)
{
    (void)unused;
    struct body_pool pool = { .bytes = 0 };
    body_pool_allow(&pool, 64 * (size_t)BODY);
    burst(&pool, MANY, BODY);
    body_pool_allow(&pool, 24 * (size_t)BODY); /* others, for which no spare was taken */
    assert_in_range(pool.bytes, BODY_SPARES_BYTES, 24 * (size_t)BODY);
    body_pool_allow(&pool, 0);
    assert_in_range(pool.bytes, BODY, BODY_SPARES_BYTES);
    body_pool_trim(&pool);
}

static void a_spare_is_taken_before_the_system_is_asked(void **unused)
{
    (void)unused;
    struct body_pool pool = { .bytes = 0 };
    char *body = body_pool_take(&pool, BODY);
    body_pool_give(&pool, body);
    assert_int_equal(pool.bytes, malloc_usable_size(body));
    assert_ptr_equal(body_pool_take(&pool, BODY), body);
    body_pool_give(&pool, body);
    char *small = body_pool_take(&pool, 100); /* those are not worth a place */
    assert_ptr_not_equal(small, body);
    body_pool_give(&pool, small);
    assert_int_equal(count_spares(&pool), 1);
    body_pool_trim(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spares_beside_the_permits_are_few),
        cmocka_unit_test(more_are_kept_as_long_as_no_permit_holds_that_memory),
        cmocka_unit_test(spares_give_up_what_permits_take_again),
        cmocka_unit_test(a_spare_is_taken_before_the_system_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
