#include "cli/heap.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/base.h"

/* Batches go from the loop's thread to the store's, which frees them: one heap for both, and what is freed is used again instead of being
 * given back, since a new page costs more than what is written to it. */
static void set_heap(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

#define BLOCK_SIZE ((size_t)480 << 10) /* below the size from which a block is a mapping of its own */
#define BLOCKS_MAX 16u

/* Blocks that the heap had to grow for; they are free, and its next to be given. */
typedef struct heap_blocks { uintptr_t at[BLOCKS_MAX]; uint32_t count; } heap_blocks;

static void grow_heap(heap_blocks *blocks)
{
    void *at[BLOCKS_MAX];
    for (uint32_t i = 0; i < blocks->count; i++) at[i] = malloc(BLOCK_SIZE), blocks->at[i] = (uintptr_t)at[i];
    for (uint32_t i = 0; i < blocks->count; i++) free(at[i]);
}

/* What is in the pages stays as it is, and what is freed stays the heap's (M_TRIM_THRESHOLD). */
static void *fill_heap(void *user)
{
    const heap_blocks *blocks = user;
    const size_t page = 4096;
    for (uint32_t i = 0; i < blocks->count; i++)
        (void)madvise((void *)((blocks->at[i] + page - 1) & ~(page - 1)), BLOCK_SIZE - page, MADV_POPULATE_WRITE);
    return NULL;
}

void rv_heap_fill(void)
{
    heap_blocks one = {.count = 1};
    set_heap();
    grow_heap(&one);
    fill_heap(&one);
}

void rv_heap_expect(uint32_t node_count)
{
    enum { NODE_SIZE = 1024 }; /* what a node takes of the heap, with its rows and words on their way to the store */
    static heap_blocks blocks; /* of a thread that nobody waits for */
    pthread_t thread;
    sigset_t all, before;
    size_t count = node_count * (size_t)NODE_SIZE / BLOCK_SIZE;
    if (count == 0 || blocks.count) return;
    blocks.count = (uint32_t)RV_MIN(count, (size_t)BLOCKS_MAX);
    grow_heap(&blocks);
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, fill_heap, &blocks) == 0) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
