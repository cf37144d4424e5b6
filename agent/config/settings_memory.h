/* SPDX-License-Identifier: Apache-2.0 */
/* settings_memory: everything a configuration is made of, in a few blocks that are freed at once.
 * Promise: what is taken is zeroed, aligned for any type, and stays in place until free. It never
 * gives out more than its bound; after a first failure all further requests fail, so that a reader
 * may go on and ask once, at the end.
 * Threads: none of its own; loading is done by one thread. */
#pragma once

#include "base/slice.h"

struct settings_memory;

struct settings_memory *settings_memory_new(size_t limit_bytes); /* NULL: out of memory */
void settings_memory_free(struct settings_memory **memoryp);
void *settings_memory_take(struct settings_memory *memory, size_t bytes); /* NULL: no more */
char *settings_memory_text(struct settings_memory *memory,
                           struct slice text); /* a terminated copy */
bool settings_memory_failed(const struct settings_memory *memory);
