/* SPDX-License-Identifier: Apache-2.0 */
/* heap: what is to happen next, the earliest first. A binary heap that grows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;

struct happening {
    int64_t at_ms;
    struct batch *batch; /* its request is over; NULL: the agent looks what there is to do */
    uint32_t agent;
    int32_t took_ms;
    int32_t verdict;
};

struct heap {
    struct happening *items;
    size_t count, room;
};

void heap_push(struct heap *heap, struct happening happening);
bool heap_pop(struct heap *heap, struct happening *ret); /* false: it is empty */
void heap_fini(struct heap *heap);
