/* SPDX-License-Identifier: Apache-2.0 */
/* crash: the handler makes a few stores and one write, all safe in a signal handler, and hands over
 * to whoever handled the signal before (a sanitizer, else the kernel). It runs on the thread's
 * stack for signals (base/thread): a fault may be that the other one is full. */
#include "crash.h"

#include "base/check.h"
#include "base/thread.h"
#include "ledger/fatal_record.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { FAULTS = 5 };
static const int faults[FAULTS] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
static struct sigaction before[FAULTS];
static struct ledger *_Atomic watched;

static void on_fault(int number, siginfo_t *info, void *context)
{
    static const char text[] =
        "level=error msg=\"the agent crashed\" effect=\"what it held is read "
        "again or counted as lost by the next start\"\n";
    struct ledger *ledger = atomic_load(&watched);

    (void)context;
    if (ledger != NULL) {
        ledger_mark_crashed(ledger);
        (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
        fatal_record_note(); /* last: it reads what may be damaged, and then that was all */
    }
    for (unsigned i = 0; i < FAULTS; i++) {
        if (faults[i] == number)
            (void)sigaction(number, &before[i], NULL);
    }
    /* A fault of the processor's comes again by itself, with all that belongs to it. */
    if (info->si_code <= 0 || number == SIGABRT)
        (void)raise(number);
}

bool crash_watch(struct ledger *ledger, struct err *err)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    if (!thread_take_signal_stack(err))
        return false;
    atomic_store(&watched, ledger);
    (void)sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < FAULTS; i++)
        CHECK(sigaction(faults[i], &action, &before[i]) == 0);
    return true;
}

void crash_unwatch(void)
{
    atomic_store(&watched, NULL);
}
