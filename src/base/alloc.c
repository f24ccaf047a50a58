/* alloc.c: the one door to the system's allocator, with a fault that tests can arm; large blocks; growing vectors. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define RV_POISON(at_, size_) ASAN_POISON_MEMORY_REGION((at_), (size_))
#else
#define RV_POISON(at_, size_) ((void)(at_), (void)(size_))
#endif

static _Atomic int64_t fail_after = -1;

void rv_alloc_fail_after(int64_t count) { atomic_store(&fail_after, count < 0 ? -1 : count); }

/* True once, for the allocation that the armed fault names. The relaxed load keeps the unarmed path free of a
 * locked instruction; the exchange makes sure that two threads cannot both be the one that fails. */
static bool is_fault_due(void)
{
    int64_t left = atomic_load_explicit(&fail_after, memory_order_relaxed);
    while (left >= 0) {
        if (atomic_compare_exchange_weak(&fail_after, &left, left - 1)) return left == 0;
    }
    return false;
}

RV_NORETURN static void die_of_memory(size_t size)
{
    fprintf(stderr, "reeve: out of memory (asked for %zu bytes)\n", size);
    abort();
}

/* ---- large blocks ---- */

#define WHOLE_MIN ((size_t)1 << 20) /* zeroed blocks from this size on are an arena's, a map's slots, arrays: used to their end */
#define HUGE_MIN ((size_t)4 << 20)

/* The first touch of a page is a fault, and dear: 1 to 12 us, where to have it filled with its neighbours costs 0.8, and a huge page 120
 * for 512 of them. So large blocks may have huge pages, and those that will be used whole are filled at once. A kernel that knows neither
 * says so, and nothing is lost. The advice is for whole mappings: one that is cut in two could not be grown where it is (mremap). */
static void *prepared(void *at, size_t size, bool is_whole)
{
    const uintptr_t page = 4096;
    if (!at || size < WHOLE_MIN) return at;
    uintptr_t begin = (uintptr_t)at & ~(page - 1), end = ((uintptr_t)at + size + page - 1) & ~(page - 1);
    if (size >= HUGE_MIN) (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
    if (is_whole) (void)madvise((void *)begin, end - begin, MADV_POPULATE_WRITE);
    return at;
}

void *rv_alloc(size_t size)
{
    void *at = calloc(1, size ? size : 1);
    if (!at) die_of_memory(size);
    return prepared(at, size, true);
}

void *rv_alloc_try(size_t size)
{
    if (is_fault_due()) return NULL;
    return prepared(calloc(1, size ? size : 1), size, true);
}

void *rv_realloc(void *at, size_t size)
{
    void *moved = realloc(at, size ? size : 1);
    if (!moved) die_of_memory(size);
    return prepared(moved, size, false);
}

void *rv_realloc_try(void *at, size_t size)
{
    if (is_fault_due()) return NULL;
    return prepared(realloc(at, size ? size : 1), size, false);
}

RV_START void rv_free(void *at) { free(at); }

void rv_give_back(void *at, size_t size)
{
    const uintptr_t page = 4096;
    RV_POISON(at, size);
    uintptr_t begin = ((uintptr_t)at + page - 1) & ~(page - 1), end = ((uintptr_t)at + size) & ~(page - 1);
    if (begin < end) (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

void rv_zero(void *at, size_t size) { memset(at, 0, size); }

char *rv_cstring_dup(rv_str text)
{
    RV_ASSERT(text.size < SIZE_MAX);
    char *copy = rv_alloc(text.size + 1);
    if (text.size) memcpy(copy, text.at, text.size);
    return copy;
}

void *rv_vec_grow(void *at, uint32_t *capacity, uint32_t need, size_t item_size)
{
    RV_ASSERT(need > 0); /* zero is what a count of 2^32 items wraps to */
    if (need <= *capacity) return at;
    uint64_t grown = (uint64_t)*capacity + *capacity / 2 + 4;
    if (grown > UINT32_MAX) grown = UINT32_MAX;
    uint32_t wanted = RV_MAX((uint32_t)grown, need);
    size_t size;
    RV_ASSERT(!__builtin_mul_overflow((size_t)wanted, item_size, &size));
    at = rv_realloc(at, size);
    *capacity = wanted;
    return at;
}
