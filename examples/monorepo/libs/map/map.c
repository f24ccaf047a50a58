#include "map/map.h"

#include <string.h>

/* FNV-1a, 64 bits. */
static uint64_t hash(str key)
{
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < key.size; i++)
        sum = (sum ^ (unsigned char)key.at[i]) * 1099511628211u;
    return sum;
}

/* The slot that has the key, or the free one where it belongs. There is always a free one: half of them are. */
static uint32_t *slot_of(const map *from, str key)
{
    size_t mask = from->room * 2 - 1;
    for (size_t i = hash(key) & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &from->slots[i];
        if (*slot == 0 || str_equal(from->entries[*slot - 1].key, key))
            return slot;
    }
}

static void grow(map *into, arena *memory)
{
    map wider = {.count = into->count, .room = into->room ? 2 * into->room : 16};
    wider.entries = arena_take(memory, wider.room * sizeof *wider.entries);
    wider.slots = arena_take(memory, wider.room * 2 * sizeof *wider.slots);
    if (into->count > 0)
        memcpy(wider.entries, into->entries, into->count * sizeof *wider.entries);
    for (uint32_t i = 0; i < wider.count; i++)
        *slot_of(&wider, wider.entries[i].key) = i + 1;
    *into = wider;
}

void *map_get(const map *from, str key)
{
    uint32_t slot = from->room ? *slot_of(from, key) : 0;
    return slot ? from->entries[slot - 1].value : NULL;
}

void **map_at(map *into, arena *memory, str key)
{
    if (into->count == into->room)
        grow(into, memory);
    uint32_t *slot = slot_of(into, key);
    if (*slot == 0) {
        into->entries[into->count] = (map_entry){str_keep(memory, key), NULL};
        *slot = (uint32_t)++into->count;
    }
    return &into->entries[*slot - 1].value;
}
