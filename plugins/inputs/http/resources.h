/* SPDX-License-Identifier: Apache-2.0 */
/* resources: those that senders name, each made once and shared by all events that name it.
 * Promise: bounded; a new one takes the place of the one that was not used for longest. A resource
 * is found by how the sender wrote it, byte by byte. Threads: the reading's. */
#pragma once

#include "plugin.h"

enum {
    RESOURCES = 64,
    RESOURCES_RETIRED = 32,
    RESOURCE_ATTRIBUTES = 128,
    RESOURCE_TEXT_BYTES = 16 * 1024
};

struct resources {
    struct resources_entry {
        struct resource *resource;
        char *written; /* what it was made from */
        size_t bytes;
        uint64_t used; /* a count of uses, not a time */
    } entries[RESOURCES];
    size_t count;
    uint64_t uses;
    /* Out of the table, but events that are not passed on yet may name them. */
    struct resource *retired[RESOURCES_RETIRED];
    size_t retired_count;
};

void resources_fini(struct resources *resources);
/* NULL: it is not known. */
struct resource *resources_find(struct resources *resources, struct slice written);
/* What the sender says of a key that is in `base` counts. NULL: out of memory, or too many are
 * retired: resources_tidy() before the next event. */
struct resource *resources_add(struct resources *resources, struct slice written,
                               const struct host *host, const struct attribute *attributes,
                               size_t count);
/* Between two events: flushes the sink if that is needed to let go of what is retired. */
void resources_tidy(struct resources *resources, struct sink *sink, bool is_at_end);
