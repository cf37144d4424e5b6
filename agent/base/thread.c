/* SPDX-License-Identifier: Apache-2.0 */
/* thread: the stack for signals is mapped by whoever starts the thread, who can say that there was
 * no memory, and taken by the thread, as the kernel wants it. Neither thread-local (the C library
 * would write zeros over all of it) nor in a frame of the thread's (a compiler that probes large
 * frames would touch it): each would make it memory in use. */
#include "base/thread.h"

#include "base/check.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Our handler needs 1 KiB, a sanitizer's that reports a fault tens of them. */
enum { HANDLERS_BYTES = 64 * 1024 };

/* What the new thread is told. */
struct start {
    void *(*run)(void *context);
    void *context;
    const char *name;
    void *signal_stack;
};

/* With the registers that the kernel saves there: 11 KiB, where a processor has AMX. */
static size_t signal_stack_bytes(void)
{
    long frame = sysconf(_SC_MINSIGSTKSZ);

    return HANDLERS_BYTES + (frame > 0 ? (size_t)frame : 0);
}

/* NULL: no memory. */
static void *map_signal_stack(void)
{
    void *stack = mmap(NULL, signal_stack_bytes(), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    return stack == MAP_FAILED ? NULL : stack;
}

static void unmap_signal_stack(void *stack)
{
    CHECK(munmap(stack, signal_stack_bytes()) == 0);
}

static bool has_signal_stack(void)
{
    stack_t current;

    CHECK(sigaltstack(NULL, &current) == 0);
    return (current.ss_flags & SS_DISABLE) == 0;
}

static void use_signal_stack(void *stack)
{
    stack_t own = { .ss_sp = stack, .ss_size = signal_stack_bytes() };

    CHECK(sigaltstack(&own, NULL) == 0);
}

static void leave_signal_stack(void)
{
    stack_t none = { .ss_flags = SS_DISABLE };

    CHECK(sigaltstack(&none, NULL) == 0);
}

static void *run_thread(void *context)
{
    struct start start = *(struct start *)context;
    bool keeps_other = has_signal_stack();

    free(context);
    (void)pthread_setname_np(pthread_self(), start.name);
    if (keeps_other)
        unmap_signal_stack(start.signal_stack);
    else
        use_signal_stack(start.signal_stack);
    void *result = start.run(start.context);
    if (!keeps_other) {
        leave_signal_stack();
        unmap_signal_stack(start.signal_stack);
    }
    return result;
}

bool thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *context),
                  void *context, struct err *err)
{
    struct start *start = malloc(sizeof(*start));
    void *stack = map_signal_stack();
    int failed = ENOMEM;

    if (start != NULL && stack != NULL) {
        *start =
            (struct start){ .run = run, .context = context, .name = name, .signal_stack = stack };
        failed = pthread_create(ret_thread, NULL, run_thread, start);
    }
    if (failed == 0)
        return true;
    free(start);
    if (stack != NULL)
        unmap_signal_stack(stack);
    return err_set(err, "cannot start a thread: %s", strerror(failed));
}

bool thread_take_signal_stack(struct err *err)
{
    if (has_signal_stack())
        return true;
    void *stack = map_signal_stack();
    if (stack == NULL)
        return err_set(err, "cannot map a stack for signals: %s", strerror(errno));
    use_signal_stack(stack);
    return true;
}
