/* SPDX-License-Identifier: Apache-2.0 */
/* refused_memory: a host that has no memory left, for as long as a test says so, or but for so many
 * requests. Its program is linked with --wrap of these functions. */
#pragma once

#include <stdbool.h>
#include <stdlib.h>

static _Atomic bool memory_is_refused;
static _Atomic unsigned memory_grants; /* that many are granted all the same */

static inline bool memory_refuses(void)
{
    if (memory_is_refused && memory_grants > 0) {
        memory_grants--;
        return false;
    }
    return memory_is_refused;
}

#define REFUSED(name, parameters, arguments)                                                       \
    void *__real_##name parameters;                                                                \
    void *__wrap_##name parameters;                                                                \
    void *__wrap_##name parameters                                                                 \
    {                                                                                              \
        return memory_refuses() ? NULL : __real_##name arguments;                                  \
    }
REFUSED(malloc, (size_t bytes), (bytes))
REFUSED(calloc, (size_t count, size_t bytes), (count, bytes))
REFUSED(realloc, (void *memory, size_t bytes), (memory, bytes))
#undef REFUSED
