/* SPDX-License-Identifier: Apache-2.0 */
/* crash: each test dies in a process of its own, which shares the books, and of the signal itself:
 * what a sanitizer would make of it is out of the way. */
#include "crash.h"

#include "test.h"

#include "base/auto.h"
#include "base/thread.h"
#include "ledger/books_folders.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { ROOM_BYTES = 4096 };
static struct ledger *ledger;

static int open_books(void **context)
{
    if (make_folders(context) == 0)
        ledger = open_in(*context);
    return ledger == NULL;
}

static int close_books(void **context)
{
    ledger_close(&ledger);
    return remove_folders(context);
}

static uint32_t books_state(void)
{
    struct books_header header;
    AUTO(auto_close) int fd = open(ledger_live_path(ledger), O_RDONLY | O_CLOEXEC);

    assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
    return atomic_load(&header.state);
}

/* ---- ways to die ---- */

/* Without end; the compiler is not to know. */
static unsigned recurse(const volatile unsigned *depth)
{
    volatile char room[ROOM_BYTES];

    room[0] = (char)*depth;
    return *depth == 0 ? 0 : recurse(depth) + (unsigned)room[0];
}

static void *overflow(void *context)
{
    volatile unsigned depth = 1;

    return recurse(&depth) == 0 ? context : NULL;
}

static void overflow_main(void)
{
    (void)overflow(NULL);
}

static void overflow_a_thread(void)
{
    struct err err;
    pthread_t thread;

    if (thread_start(&thread, "deep", overflow, NULL, &err))
        (void)pthread_join(thread, NULL);
}

static void fault(void)
{
    volatile uintptr_t nowhere = 16; /* NULL would be the sanitizer's */

    *(volatile char *)nowhere = 1;
}

static void be_killed(void)
{
    (void)raise(SIGKILL);
}

/* ---- and what the books say of it ---- */

static void die(void (*way)(void))
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
    struct rlimit stack = { 1 << 20, 1 << 20 };
    struct err err;

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        (void)signal(faults[i], SIG_DFL);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)setrlimit(RLIMIT_STACK, &stack);
    (void)alarm(60); /* a fault that comes again without end */
    if (crash_watch(ledger, &err))
        way();
    _exit(0);
}

static void expect(void (*way)(void), int number, enum books_state state)
{
    int status;

    ledger_mark_closed(ledger);
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        die(way);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, number);
    assert_int_equal(books_state(), state);
}

static void a_fault_is_noted_and_then_ends_the_process_as_ever(void **unused)
{
    (void)unused;
    expect(fault, SIGSEGV, BOOKS_CRASHED);
    expect(abort, SIGABRT, BOOKS_CRASHED);
}

static void a_full_stack_of_main_is_noted(void **unused)
{
    (void)unused;
    expect(overflow_main, SIGSEGV, BOOKS_CRASHED);
}

static void a_full_stack_of_a_thread_is_noted(void **unused)
{
    (void)unused;
    expect(overflow_a_thread, SIGSEGV, BOOKS_CRASHED);
}

static void a_kill_is_not_noted(void **unused)
{
    (void)unused;
    expect(be_killed, SIGKILL, BOOKS_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_is_noted_and_then_ends_the_process_as_ever),
        cmocka_unit_test(a_full_stack_of_main_is_noted),
        cmocka_unit_test(a_full_stack_of_a_thread_is_noted),
        cmocka_unit_test(a_kill_is_not_noted),
    };
    return cmocka_run_group_tests(tests, open_books, close_books);
}
