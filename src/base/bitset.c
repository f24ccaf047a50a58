/* bitset.c: a set of indices as a tree of 64-ary words.
 *
 *   level 1   bit w is set when word w of level 0 is not zero          1 0 1
 *   level 0   bit i is set when index i is in the set        0110…  0000…  1000…
 *
 * Invariant: for every level k, bit w of level k+1 says whether word w of level k is non-zero. The top level is one
 * word. `next` climbs until a word has a bit to the right, then falls along the lowest bits. */
#include "base/mem.h"

void rv_bitset_init(rv_bitset *set, rv_arena *arena, uint32_t capacity)
{
    *set = (rv_bitset){.capacity = capacity};
    uint64_t bits = RV_MAX(capacity, 1u);
    do {
        RV_ASSERT(set->level_count < RV_BITSET_LEVELS);
        uint64_t words = (bits + 63) / 64;
        set->level[set->level_count++] = rv_arena_new(arena, uint64_t, words);
        bits = words;
    } while (bits > 1);
}

void rv_bitset_add(rv_bitset *set, uint32_t index)
{
    RV_ASSERT(index < set->capacity);
    if (rv_bitset_has(set, index)) return;
    set->count++;
    for (uint32_t k = 0, at = index; k < set->level_count; k++, at >>= 6) {
        uint64_t *word = &set->level[k][at >> 6];
        bool was_empty = *word == 0;
        *word |= 1ull << (at & 63);
        if (!was_empty) return; /* the levels above know it already */
    }
}

void rv_bitset_remove(rv_bitset *set, uint32_t index)
{
    RV_ASSERT(index < set->capacity);
    if (!rv_bitset_has(set, index)) return;
    set->count--;
    for (uint32_t k = 0, at = index; k < set->level_count; k++, at >>= 6) {
        uint64_t *word = &set->level[k][at >> 6];
        *word &= ~(1ull << (at & 63));
        if (*word != 0) return;
    }
}

uint32_t rv_bitset_next(const rv_bitset *set, uint32_t from)
{
    uint64_t at = from, bit_count = set->capacity; /* of level k */
    uint32_t k = 0;
    for (;;) { /* climb: is there a bit at or after `at` in its word? */
        if (at >= bit_count) return RV_NONE;
        uint64_t right = set->level[k][at >> 6] & ~0ull << (at & 63);
        if (right) {
            at = (at & ~63ull) + (uint64_t)__builtin_ctzll(right);
            break;
        }
        if (++k == set->level_count) return RV_NONE;
        at = (at >> 6) + 1;
        bit_count = (bit_count + 63) / 64;
    }
    for (; k > 0; k--) at = at * 64 + (uint64_t)__builtin_ctzll(set->level[k - 1][at]); /* fall */
    return (uint32_t)at;
}
