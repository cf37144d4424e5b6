/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/gate.h"

#include <pthread.h>

struct walker {
    struct gate gate;
    pthread_t thread;
    _Atomic bool stopping;
    uint64_t steps; /* the walker's, but while it stands */
};

static void *walk(void *context)
{
    struct walker *walker = context;
    while (!atomic_load(&walker->stopping)) {
        gate_pass(&walker->gate);
        walker->steps++;
    }
    return NULL;
}

static void await(struct walker *walker)
{
    for (int i = 0; i < 1000 && !gate_is_stood_at(&walker->gate); i++)
        gate_await(&walker->gate, 10);
    assert_true(gate_is_stood_at(&walker->gate));
}

/* Also right after it was opened: one that is leaving is not taken for standing. */
static void what_a_thread_has_is_the_others_while_it_stands(void **unused)
{
    struct walker walker = { .steps = 0 };
    (void)unused;
    assert_int_equal(pthread_create(&walker.thread, NULL, walk, &walker), 0);
    for (int round = 0; round < 2000; round++) {
        gate_shut(&walker.gate);
        await(&walker);
        uint64_t steps = walker.steps;
        for (volatile int i = 0; i < 100; i++)
            continue;
        assert_true(walker.steps == steps);
        walker.steps = 0;
        gate_open(&walker.gate);
    }
    atomic_store(&walker.stopping, true);
    assert_int_equal(pthread_join(walker.thread, NULL), 0);
}

static void a_wait_for_one_that_does_not_come_ends_in_time(void **unused)
{
    struct gate gate = { .word = 0 };
    (void)unused;
    gate_shut(&gate);
    gate_await(&gate, 20);
    assert_false(gate_is_stood_at(&gate));
    gate_open(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_thread_has_is_the_others_while_it_stands),
        cmocka_unit_test(a_wait_for_one_that_does_not_come_ends_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
