/* Memory that is given back all at once. */
#ifndef ARENA_H
#define ARENA_H
#include <stddef.h>

struct arena_block;
typedef struct { struct arena_block *last; } arena;  /* all zero is an empty one */

/* `size` bytes, all zero, aligned for every type, that live until arena_drop. Ends the program when there are none. */
void *arena_take(arena *memory, size_t size);

/* Give all of it back; the arena is empty again. */
void arena_drop(arena *memory);

#endif
