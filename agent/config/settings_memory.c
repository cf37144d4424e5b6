/* SPDX-License-Identifier: Apache-2.0 */
/* settings_memory: a list of blocks, each filled from its start. Requests larger than a block get
 * one of their own. */
#include "config/settings_memory.h"

#include <stdlib.h>

enum { BLOCK_BYTES = 16 * 1024, ALIGNMENT = 16 };

struct block {
    struct block *next;
    size_t used, room;
    _Alignas(ALIGNMENT) char bytes[];
};

struct settings_memory {
    struct block *blocks; /* the first one is being filled */
    size_t left_bytes;
    bool failed;
};

struct settings_memory *settings_memory_new(size_t limit_bytes)
{
    struct settings_memory *memory = calloc(1, sizeof(*memory));

    if (memory != NULL)
        memory->left_bytes = limit_bytes;
    return memory;
}

void settings_memory_free(struct settings_memory **memoryp)
{
    struct settings_memory *memory = *memoryp;
    *memoryp = NULL;
    if (memory == NULL)
        return;
    while (memory->blocks != NULL) {
        struct block *block = memory->blocks;
        memory->blocks = block->next;
        free(block);
    }
    free(memory);
}

static bool add_block(struct settings_memory *memory, size_t bytes)
{
    size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    struct block *block = room > memory->left_bytes ? NULL : calloc(1, sizeof(*block) + room);

    if (block == NULL)
        return false;
    block->room = room;
    block->next = memory->blocks;
    memory->blocks = block;
    memory->left_bytes -= room;
    return true;
}

void *settings_memory_take(struct settings_memory *memory, size_t bytes)
{
    struct block *block = memory->blocks;

    if (memory->failed || bytes > memory->left_bytes + BLOCK_BYTES) {
        memory->failed = true;
        return NULL;
    }
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (block == NULL || block->room - block->used < bytes) {
        if (!add_block(memory, bytes)) {
            memory->failed = true;
            return NULL;
        }
        block = memory->blocks;
    }
    void *taken = block->bytes + block->used;
    block->used += bytes;
    return taken;
}

char *settings_memory_text(struct settings_memory *memory, struct slice text)
{
    char *copy = settings_memory_take(memory, text.bytes + 1);

    if (copy != NULL && text.bytes > 0)
        memcpy(copy, text.data, text.bytes);
    return copy;
}

bool settings_memory_failed(const struct settings_memory *memory)
{
    return memory->failed;
}
