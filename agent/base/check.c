/* SPDX-License-Identifier: Apache-2.0 */
/* check: prints what failed without touching the heap, because the heap may be what broke. */
#include "base/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static _Atomic(void (*)(void)) failure_hook;

void check_set_hook(void (*hook)(void))
{
    atomic_store(&failure_hook, hook);
}

void check_failed(const char *cond, const char *file, int line, const char *func)
{
    char text[512];
    int length = snprintf(text, sizeof(text),
                          "level=error msg=\"internal check failed, this is a bug\" "
                          "check=\"%s\" at=%s:%d function=%s\n",
                          cond, file, line, func);
    if (length > 0)
        (void)!write(STDERR_FILENO, text,
                     (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
    void (*hook)(void) = atomic_exchange(&failure_hook, NULL);
    if (hook != NULL)
        hook();
    abort();
}
