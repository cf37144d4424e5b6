/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include "refused_memory.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- what the system refuses; linked with --wrap of these ---- */

static bool maps_are_refused, threads_are_refused;

void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *context);
int __wrap_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *context);

static void *last_map;

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (maps_are_refused) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    last_map = __real_mmap(at, bytes, protection, flags, fd, offset);
    return last_map;
}

int __wrap_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *context)
{
    return threads_are_refused ? EAGAIN
                               : __real_pthread_create(ret_thread, attributes, run, context);
}

static bool is_mapped(void *page)
{
    unsigned char is_resident;

    return mincore(page, 1, &is_resident) == 0;
}

/* ---- a thread that looks at itself ---- */

struct seen {
    char name[16];
    stack_t stack;
};

static void *look(void *context)
{
    struct seen *seen = context;

    (void)pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    (void)sigaltstack(NULL, &seen->stack);
    return context;
}

static void a_thread_has_its_name_and_its_result(void **unused)
{
    struct seen seen = { .name = "" };
    struct err err = { "" };
    pthread_t thread;
    void *result;

    (void)unused;
    assert_true(thread_start(&thread, "fifteen letters", look, &seen, &err));
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_string_equal(seen.name, "fifteen letters");
    assert_ptr_equal(result, &seen);
}

/* A sanitizer's, where there is one, which then is what is there: smaller, and it goes the same. */
static void a_thread_has_a_stack_for_signals_until_it_ends(void **unused)
{
    struct seen seen = { .name = "" };
    struct err err = { "" };
    pthread_t thread;

    (void)unused;
    assert_true(thread_start(&thread, "look", look, &seen, &err));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(seen.stack.ss_flags & SS_DISABLE, 0);
    assert_true(seen.stack.ss_size >= (size_t)sysconf(_SC_SIGSTKSZ));
    assert_false(is_mapped(seen.stack.ss_sp));
    assert_false(is_mapped(last_map));
}

static void who_has_a_stack_for_signals_keeps_it(void **unused)
{
    static char room[64 * 1024];
    stack_t own = { .ss_sp = room, .ss_size = sizeof(room) };
    stack_t before, after;
    struct err err = { "" };

    (void)unused;
    assert_int_equal(sigaltstack(&own, &before), 0);
    assert_true(thread_take_signal_stack(&err));
    assert_int_equal(sigaltstack(&before, &after), 0);
    assert_ptr_equal(after.ss_sp, room);
}

static void main_takes_one_and_no_second_one(void **unused)
{
    stack_t none = { .ss_flags = SS_DISABLE };
    stack_t before, first, second;
    struct err err = { "" };

    (void)unused;
    assert_int_equal(sigaltstack(&none, &before), 0);
    assert_true(thread_take_signal_stack(&err));
    assert_int_equal(sigaltstack(NULL, &first), 0);
    assert_true(thread_take_signal_stack(&err));
    assert_int_equal(sigaltstack(&before, &second), 0);
    assert_int_equal(first.ss_flags, 0);
    assert_true(first.ss_size >= (size_t)sysconf(_SC_SIGSTKSZ));
    assert_ptr_equal(first.ss_sp, second.ss_sp);
    assert_int_equal(munmap(first.ss_sp, first.ss_size), 0);
}

/* ---- what is refused ---- */

static void expect_refused(const char *text)
{
    struct err err = { "" };
    pthread_t thread;

    bool started = thread_start(&thread, "none", look, NULL, &err);
    memory_is_refused = maps_are_refused = threads_are_refused = false;
    assert_false(started);
    assert_string_equal(err.text, text);
}

static void what_the_system_refuses_is_told_and_nothing_is_left_behind(void **unused)
{
    (void)unused;
    threads_are_refused = true;
    expect_refused("cannot start a thread: Resource temporarily unavailable");
    assert_false(is_mapped(last_map));
    memory_is_refused = true;
    expect_refused("cannot start a thread: Cannot allocate memory");
    assert_false(is_mapped(last_map));
    maps_are_refused = true;
    expect_refused("cannot start a thread: Cannot allocate memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_has_its_name_and_its_result),
        cmocka_unit_test(a_thread_has_a_stack_for_signals_until_it_ends),
        cmocka_unit_test(who_has_a_stack_for_signals_keeps_it),
        cmocka_unit_test(main_takes_one_and_no_second_one),
        cmocka_unit_test(what_the_system_refuses_is_told_and_nothing_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
