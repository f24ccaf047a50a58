/* Numbers in a row; where they ascend, a set of them. */
#ifndef VEC_H
#define VEC_H
#include "arena/arena.h"

#include <stdint.h>

typedef struct { uint32_t *at; size_t count, room; } vec;  /* all zero is an empty one */

/* Put one at the end; the room for it is `memory`'s. */
void vec_push(vec *numbers, arena *memory, uint32_t number);

/* Of two sets: what is in both, in either, in the first alone. A new set, also ascending, in `memory`. */
vec vec_both(vec a, vec b, arena *memory);
vec vec_either(vec a, vec b, arena *memory);
vec vec_without(vec a, vec b, arena *memory);

#endif
