/* arena.c: blocks of falling age, each filled from its front.
 *
 * Invariants
 * (1) every byte in [at, end) is zero: blocks come zeroed, and rv_arena_clear zeroes again what was handed out.
 *     Hence an allocation is an addition and a comparison (in mem.h), and pays for zeroes only once.
 * (2) `at` and `end` are multiples of 16, so that a size that fits still fits when rounded up.
 * (3) an allocation that is larger than a quarter of a block gets a block of its own behind the head: it does not
 *     throw away the free part of the head. */
#include "base/mem.h"

#include <stdio.h>

#define BLOCK_SIZE_MIN ((size_t)4096)
#define BLOCK_SIZE_MAX ((size_t)1 << 20)

struct rv_arena_block {
    rv_arena_block *next;
    size_t size; /* of the bytes after this header */
};
_Static_assert(sizeof(rv_arena_block) % 16 == 0, "keeps (2): what follows the header is aligned as malloc aligns");

static char *block_bytes(rv_arena_block *block) { return (char *)(block + 1); }

static rv_arena_block *block_new(rv_arena *arena, size_t size)
{
    RV_ASSERT(size <= SIZE_MAX - sizeof(rv_arena_block));
    rv_arena_block *block = rv_alloc(sizeof *block + size);
    block->size = size;
    arena->total_size += sizeof *block + size;
    return block;
}

void rv_arena_deinit(rv_arena *arena)
{
    for (rv_arena_block *block = arena->head, *next; block; block = next) {
        next = block->next;
        rv_free(block);
    }
    *arena = (rv_arena){0};
}

void rv_arena_clear(rv_arena *arena)
{
    if (!arena->head) return;
    rv_arena_block *largest = arena->head;
    for (rv_arena_block *block = arena->head; block; block = block->next)
        if (block->size > largest->size) largest = block;
    size_t used = largest == arena->head ? (size_t)(arena->at - block_bytes(largest)) : largest->size;
    for (rv_arena_block *block = arena->head, *next; block; block = next) {
        next = block->next;
        if (block != largest) rv_free(block);
    }
    memset(block_bytes(largest), 0, used); /* keeps (1) */
    largest->next = NULL;
    arena->head = largest;
    arena->at = block_bytes(largest);
    arena->end = arena->at + largest->size;
    arena->total_size = sizeof *largest + largest->size;
}

void *rv_arena_alloc_slow(rv_arena *arena, size_t size)
{
    RV_ASSERT(size <= SIZE_MAX / 2);
    size_t rounded = (RV_MAX(size, (size_t)1) + 15) & ~(size_t)15;
    if (rounded <= (size_t)(arena->end - arena->at)) { /* a size of zero comes here too */
        char *at = arena->at;
        arena->at += rounded;
        return at;
    }
    /* Blocks grow with the arena, so that their number is logarithmic until the maximum. */
    size_t usual = RV_MIN(RV_MAX(arena->total_size, BLOCK_SIZE_MIN), BLOCK_SIZE_MAX) - sizeof(rv_arena_block);
    usual &= ~(size_t)15;
    if (arena->head && rounded > usual / 4) { /* keeps (3) */
        rv_arena_block *own = block_new(arena, rounded);
        own->next = arena->head->next;
        arena->head->next = own;
        return block_bytes(own);
    }
    rv_arena_block *block = block_new(arena, RV_MAX(usual, rounded));
    block->next = arena->head;
    arena->head = block;
    arena->at = block_bytes(block) + rounded;
    arena->end = block_bytes(block) + block->size;
    return block_bytes(block);
}

char *rv_arena_cstring(rv_arena *arena, rv_str text)
{
    RV_ASSERT(text.size < SIZE_MAX / 2);
    char *copy = rv_arena_alloc(arena, text.size + 1);
    if (text.size) memcpy(copy, text.at, text.size);
    return copy;
}

rv_str rv_arena_str(rv_arena *arena, rv_str text)
{
    char *copy = rv_arena_alloc(arena, text.size);
    if (text.size) memcpy(copy, text.at, text.size);
    return (rv_str){copy, text.size};
}

rv_str rv_arena_printf(rv_arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    RV_ASSERT(size >= 0);
    char *text = rv_arena_alloc(arena, (size_t)size + 1);
    va_start(args, fmt);
    vsnprintf(text, (size_t)size + 1, fmt, args);
    va_end(args);
    return (rv_str){text, (size_t)size};
}
