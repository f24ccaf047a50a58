/* mem.h: the four ways to hold memory: arena (one lifetime), buf (bytes that grow), vec (items that grow),
 * map (bytes → u32). Each names its lifetime; running out of memory ends the process with a message (a host that
 * must survive it reserves first: rv_buf_reserve and rv_map_reserve return RV_NO_MEMORY and change nothing). */
#ifndef RV_MEM_H
#define RV_MEM_H

#include "base/base.h"
#include <stdarg.h>

/* ---- allocation ----------------------------------------------------------
 * All of the program's own memory comes from here. A test can make the n-th allocation fail. */
void *rv_alloc(size_t size);                 /* zeroed; never NULL: ends the process when there is none */
void *rv_alloc_try(size_t size);             /* zeroed; NULL when there is none */
void *rv_realloc(void *at, size_t size);     /* never NULL */
void *rv_realloc_try(void *at, size_t size); /* NULL when there is none; `at` then unchanged */
void rv_free(void *at);                      /* NULL is legal */
/* Give the memory of the whole pages in at[0..size) back to the system, before the block that they are in is freed. Nobody looks at these
 * bytes until then: AddressSanitizer reports who does. */
void rv_give_back(void *at, size_t size);
/* Zero at[0..size), as memset does; for a struct that is large and often zeroed: for a size that it knows a compiler writes an instruction
 * in its place that takes 30 ns to begin. */
void rv_zero(void *at, size_t size);
char *rv_cstring_dup(rv_str text);           /* NUL-terminated copy; rv_free it */
/* Tests: let `count` more allocations succeed, fail the one after them once, then go on as usual; -1: never fail.
 * Counts and affects the _try forms and what is built on them (rv_buf_reserve, rv_map_reserve), nothing else. */
void rv_alloc_fail_after(int64_t count);

/* ---- arena: freed all at once --------------------------------------------- */
typedef struct rv_arena_block rv_arena_block;
typedef struct rv_arena {
    rv_arena_block *head; /* newest first */
    char *at, *end;       /* free part of the newest block */
    size_t total_size;    /* bytes taken from the system */
} rv_arena; /* {0} is an empty arena */

void rv_arena_deinit(rv_arena *arena); /* frees all of it; the arena is empty and usable after */
void rv_arena_clear(rv_arena *arena);  /* keeps the largest block for reuse */
void *rv_arena_alloc_slow(rv_arena *arena, size_t size); /* what rv_arena_alloc does when its block has no room */
/* `size` zeroed bytes, aligned to 16; never NULL, also for 0. Write only inside them: what follows must stay zero. */
static inline void *rv_arena_alloc(rv_arena *arena, size_t size)
{
    char *at = arena->at;
    if (size - 1 >= (size_t)(arena->end - at)) return rv_arena_alloc_slow(arena, size); /* size 0 wraps, and is slow */
    arena->at = at + ((size + 15) & ~(size_t)15);
    return at;
}
/* Zeroed room for `count` items of `item_size` bytes; a product over SIZE_MAX ends the process. */
static inline void *rv_arena_items(rv_arena *arena, size_t item_size, size_t count)
{
    size_t size;
    RV_ASSERT(!__builtin_mul_overflow(item_size, count, &size));
    return rv_arena_alloc(arena, size);
}
char *rv_arena_cstring(rv_arena *arena, rv_str text);  /* NUL-terminated copy */
rv_str rv_arena_str(rv_arena *arena, rv_str text);     /* copy */
rv_str rv_arena_printf(rv_arena *arena, const char *fmt, ...) RV_PRINTF(2, 3); /* NUL-terminated past its size */
#define rv_arena_new(arena_, type_, count_) ((type_ *)rv_arena_items((arena_), sizeof(type_), (size_t)(count_)))

/* ---- buf: bytes that grow; always one spare byte, kept NUL ------------------- */
typedef struct rv_buf {
    char *at;
    size_t size, capacity;
} rv_buf; /* {0} is an empty buffer */

void rv_buf_deinit(rv_buf *buf); /* the buffer is empty and usable after */
static inline void rv_buf_clear(rv_buf *buf) { buf->size = 0; if (buf->at) buf->at[0] = 0; }
static inline rv_str rv_buf_str(const rv_buf *buf) { return (rv_str){buf->at, buf->size}; }
/* Room for `more` bytes beyond size. RV_NO_MEMORY: unchanged. */
RV_MUST_USE rv_status rv_buf_reserve(rv_buf *buf, size_t more);
char *rv_buf_extend(rv_buf *buf, size_t more); /* makes room, adds `more` to size, returns where to write */
void rv_buf_add(rv_buf *buf, const void *bytes, size_t size);
void rv_buf_byte(rv_buf *buf, char byte);
void rv_buf_str_add(rv_buf *buf, rv_str text);
void rv_buf_cstring(rv_buf *buf, const char *text);
void rv_buf_printf(rv_buf *buf, const char *fmt, ...) RV_PRINTF(2, 3);
void rv_buf_vprintf(rv_buf *buf, const char *fmt, va_list args);
void rv_buf_u64(rv_buf *buf, uint64_t value); /* decimal */
void rv_buf_i64(rv_buf *buf, int64_t value);
/* LEB128 variable-length integers, at most 10 bytes; zigzag for signed. */
void rv_buf_varint(rv_buf *buf, uint64_t value);
void rv_buf_varint_signed(rv_buf *buf, int64_t value);
/* Read one at *at (moved past it). false: cut short or over 64 bits; *at then unchanged. */
RV_MUST_USE bool rv_varint_read(const char **at, const char *end, uint64_t *ret);
RV_MUST_USE bool rv_varint_read_signed(const char **at, const char *end, int64_t *ret);

/* ---- vec: items that grow ------------------------------------------------------ */
#define RV_VEC(type_) struct { type_ *at; uint32_t count, capacity; }
void *rv_vec_grow(void *at, uint32_t *capacity, uint32_t need, size_t item_size);
#define rv_vec_reserve(v_, n_)                                                                                  \
    ((n_) > (v_)->capacity ? (void)((v_)->at = rv_vec_grow((v_)->at, &(v_)->capacity, (n_), sizeof *(v_)->at)) : (void)0)
#define rv_vec_push(v_, item_) (rv_vec_reserve((v_), (v_)->count + 1), (v_)->at[(v_)->count++] = (item_))
#define rv_vec_add(v_)                                                                                          \
    (rv_vec_reserve((v_), (v_)->count + 1), memset(&(v_)->at[(v_)->count], 0, sizeof *(v_)->at), &(v_)->at[(v_)->count++])
#define rv_vec_pop(v_) ((v_)->at[--(v_)->count])
#define rv_vec_clear(v_) ((v_)->count = 0)
#define rv_vec_deinit(v_) (rv_free((v_)->at), (v_)->at = NULL, (v_)->count = (v_)->capacity = 0)

/* ---- map: bytes → u32; open addressing; keys are borrowed and must outlive the map --- */
typedef struct rv_map_slot { const char *key; uint32_t key_size, hash, value; } rv_map_slot;
typedef struct rv_map {
    rv_map_slot *slots; /* capacity is a power of two */
    uint32_t count, capacity;
} rv_map; /* {0} is an empty map */
void rv_map_deinit(rv_map *map);
/* Room for `count` keys in all. RV_NO_MEMORY: unchanged (who does not care ignores it: rv_map_add makes its own room). */
rv_status rv_map_reserve(rv_map *map, uint32_t count);
/* The value of `key`, or RV_NONE. */
uint32_t rv_map_get(const rv_map *map, rv_str key);
/* Add `key`; returns RV_NONE if it was added, else the value that is there (unchanged). `value` is not RV_NONE. */
uint32_t rv_map_add(rv_map *map, rv_str key, uint32_t value);

/* ---- bitset: ordered set of indices, min and next in O(log64 n) ------------------------ */
#define RV_BITSET_LEVELS 6
typedef struct rv_bitset {
    uint64_t *level[RV_BITSET_LEVELS]; /* level[0]: a bit an index; level[k+1]: a bit a non-empty word of level[k] */
    uint32_t level_count, capacity, count;
} rv_bitset; /* {0}; memory from the arena given to init */
void rv_bitset_init(rv_bitset *set, rv_arena *arena, uint32_t capacity); /* indices 0..capacity-1 */
static inline bool rv_bitset_has(const rv_bitset *set, uint32_t index) { return (set->level[0][index >> 6] >> (index & 63)) & 1; }
void rv_bitset_add(rv_bitset *set, uint32_t index);    /* no-op when present */
void rv_bitset_remove(rv_bitset *set, uint32_t index); /* no-op when absent */
uint32_t rv_bitset_next(const rv_bitset *set, uint32_t from); /* the least index ≥ from, or RV_NONE */

#endif
