#include "vec/vec.h"

#include <stdbool.h>
#include <string.h>

void vec_push(vec *numbers, arena *memory, uint32_t number)
{
    if (numbers->count == numbers->room) {
        size_t room = numbers->room ? 2 * numbers->room : 8;
        uint32_t *more = arena_take(memory, room * sizeof *more);
        if (numbers->count > 0)
            memcpy(more, numbers->at, numbers->count * sizeof *more);
        numbers->at = more;
        numbers->room = room;
    }
    numbers->at[numbers->count++] = number;
}

/* Both sets side by side: each number once, kept if those that have it are wanted. */
static vec merge(vec a, vec b, arena *memory, bool first_alone, bool second_alone, bool both)
{
    vec merged = {0};
    for (size_t i = 0, j = 0; i < a.count || j < b.count;) {
        bool in_first = i < a.count && (j == b.count || a.at[i] <= b.at[j]);
        bool in_second = j < b.count && (i == a.count || b.at[j] <= a.at[i]);
        uint32_t number = in_first ? a.at[i] : b.at[j];
        if (in_first && in_second ? both : in_first ? first_alone : second_alone)
            vec_push(&merged, memory, number);
        i += in_first;
        j += in_second;
    }
    return merged;
}

vec vec_both(vec a, vec b, arena *memory)
{
    return merge(a, b, memory, false, false, true);
}

vec vec_either(vec a, vec b, arena *memory)
{
    return merge(a, b, memory, true, true, true);
}

vec vec_without(vec a, vec b, arena *memory)
{
    return merge(a, b, memory, true, false, false);
}
