/* SPDX-License-Identifier: Apache-2.0 */
#include "heap.h"

#include "base/check.h"

#include <stdlib.h>

void heap_push(struct heap *heap, struct happening happening)
{
    size_t at = heap->count++;

    if (heap->count > heap->room) {
        heap->room = heap->room == 0 ? 1024 : heap->room * 2;
        heap->items = realloc(heap->items, heap->room * sizeof(*heap->items));
        CHECK(heap->items != NULL);
    }
    for (; at > 0 && heap->items[(at - 1) / 2].at_ms > happening.at_ms; at = (at - 1) / 2)
        heap->items[at] = heap->items[(at - 1) / 2];
    heap->items[at] = happening;
}

bool heap_pop(struct heap *heap, struct happening *ret)
{
    size_t at = 0;
    struct happening last;

    if (heap->count == 0)
        return false;
    *ret = heap->items[0];
    last = heap->items[--heap->count];
    for (size_t child = 1; child < heap->count; child = 2 * at + 1) {
        if (child + 1 < heap->count && heap->items[child + 1].at_ms < heap->items[child].at_ms)
            child++;
        if (heap->items[child].at_ms >= last.at_ms)
            break;
        heap->items[at] = heap->items[child];
        at = child;
    }
    heap->items[at] = last;
    return true;
}

void heap_fini(struct heap *heap)
{
    free(heap->items);
    *heap = (struct heap){ 0 };
}
