/* SPDX-License-Identifier: Apache-2.0 */
/* refused_memory: a host that has no memory left, for as long as a test says so. Its program is
 * linked with --wrap of these functions. */
#pragma once

#include <stdbool.h>
#include <stdlib.h>

static _Atomic bool memory_is_refused;

#define REFUSED(name, parameters, arguments)                                                       \
    void *__real_##name parameters;                                                                \
    void *__wrap_##name parameters;                                                                \
    void *__wrap_##name parameters                                                                 \
    {                                                                                              \
        return memory_is_refused ? NULL : __real_##name arguments;                                 \
    }
REFUSED(malloc, (size_t bytes), (bytes))
REFUSED(calloc, (size_t count, size_t bytes), (count, bytes))
REFUSED(realloc, (void *memory, size_t bytes), (memory, bytes))
#undef REFUSED
