#include "arena/arena.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_SIZE = 65536, ALIGN = 16 };

struct arena_block {
    struct arena_block *before;
    size_t used, size;
    _Alignas(ALIGN) char bytes[];
};

static struct arena_block *block_new(struct arena_block *before, size_t size)
{
    struct arena_block *block = calloc(1, sizeof *block + size);
    if (!block) {
        fprintf(stderr, "arena: no memory for %zu bytes\n", size);
        exit(2);
    }
    block->before = before;
    block->size = size;
    return block;
}

void *arena_take(arena *memory, size_t size)
{
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    if (!memory->last || memory->last->size - memory->last->used < size)
        memory->last = block_new(memory->last, size > BLOCK_SIZE ? size : BLOCK_SIZE);
    void *taken = memory->last->bytes + memory->last->used;
    memory->last->used += size;
    return taken;
}

void arena_drop(arena *memory)
{
    while (memory->last) {
        struct arena_block *before = memory->last->before;
        free(memory->last);
        memory->last = before;
    }
}
