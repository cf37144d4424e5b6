/* SPDX-License-Identifier: Apache-2.0 */
/* check: assertions that stay on in every build.
 * For our own bugs only: preconditions, impossible arms, calls that cannot fail. Never for data,
 * network or configuration. A failed CHECK aborts: the live books outlive the process, and the next
 * start closes them. */
#pragma once

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            check_failed(#cond, __FILE__, __LINE__, __func__);                                     \
    } while (0)

_Noreturn void check_failed(const char *cond, const char *file, int line, const char *func);

/* For tests: called once before the abort, from the failing thread. It may only read. */
void check_set_hook(void (*hook)(void));
