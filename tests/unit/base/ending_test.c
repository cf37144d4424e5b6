/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/clock.h"
#include "base/ending.h"

#include <pthread.h>

static void *end(void *context)
{
    ending_tell(context);
    return NULL;
}

static void who_waits_for_an_end_goes_on_at_it_or_at_the_deadline(void **unused)
{
    (void)unused;
    struct ending ending = { .is_told = false };
    pthread_t thread;
    int64_t deadline_ms = clock_now_ms() + 20;
    assert_false(ending_await(&ending, 0));
    assert_false(ending_await(&ending, deadline_ms));
    assert_true(clock_now_ms() >= deadline_ms);
    assert_int_equal(pthread_create(&thread, NULL, end, &ending), 0);
    assert_true(ending_await(&ending, INT64_MAX));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(ending_await(&ending, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_for_an_end_goes_on_at_it_or_at_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
