/* What belongs to a text: a hash map that keeps the order in which its keys came. */
#ifndef MAP_H
#define MAP_H
#include "str/str.h"

#include <stdint.h>

typedef struct { str key; void *value; } map_entry;
typedef struct {
    map_entry *entries;  /* entries[0..count), oldest first */
    size_t count, room;
    uint32_t *slots;     /* room * 2 of them: zero, or one more than the entry's index */
} map;                   /* all zero is an empty one */

/* The value of `key`, NULL if it has none. */
void *map_get(const map *from, str key);

/* The place of the value of `key`, which is added, copied into `memory`, if it is new. Holds until the next call. */
void **map_at(map *into, arena *memory, str key);

#endif
