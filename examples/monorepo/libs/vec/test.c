#include "vec/vec.h"

#include <assert.h>
#include <stdbool.h>

/* The multiples of `step` below 100. */
static vec multiples(arena *memory, uint32_t step)
{
    vec found = {0};
    for (uint32_t n = 0; n < 100; n += step)
        vec_push(&found, memory, n);
    return found;
}

static void agrees(vec set, bool (*is_in)(uint32_t))
{
    size_t next = 0;
    for (uint32_t n = 0; n < 100; n++)
        if (is_in(n))
            assert(next < set.count && set.at[next++] == n);
    assert(next == set.count);
}

static bool is_both(uint32_t n) { return n % 2 == 0 && n % 3 == 0; }
static bool is_either(uint32_t n) { return n % 2 == 0 || n % 3 == 0; }
static bool is_without(uint32_t n) { return n % 2 == 0 && n % 3 != 0; }

int main(void)
{
    arena memory = {0};
    vec twos = multiples(&memory, 2), threes = multiples(&memory, 3), none = {0};
    agrees(vec_both(twos, threes, &memory), is_both);
    agrees(vec_either(twos, threes, &memory), is_either);
    agrees(vec_without(twos, threes, &memory), is_without);
    assert(vec_both(twos, none, &memory).count == 0 && vec_either(none, twos, &memory).count == 50);
    arena_drop(&memory);
    return 0;
}
