/* map.c: open addressing with linear probing, at most two thirds full, nothing is ever removed.
 *
 * A slot keeps 32 bits of its key's hash: a probe touches the key's bytes only when those agree, and growing does
 * not touch them at all. The hash is seeded per process, so that no input can be made to collide; nothing that is
 * stored or shown depends on the order of slots. */
#include "base/mem.h"
#include "base/util.h"

#define CAPACITY_MIN 16u
#define CAPACITY_MAX (1u << 31)

void rv_map_deinit(rv_map *map)
{
    rv_free(map->slots);
    *map = (rv_map){0};
}

static bool is_too_full(uint64_t count, uint32_t capacity) { return count * 3 > (uint64_t)capacity * 2; }

static bool capacity_for(const rv_map *map, uint32_t count, uint32_t *ret)
{
    uint32_t capacity = RV_MAX(map->capacity, CAPACITY_MIN);
    while (is_too_full(count, capacity)) {
        if (capacity == CAPACITY_MAX) return false;
        capacity *= 2;
    }
    *ret = capacity;
    return true;
}

static void move_to(rv_map *map, rv_map_slot *slots, uint32_t capacity)
{
    for (uint32_t i = 0; i < map->capacity; i++) {
        const rv_map_slot *slot = &map->slots[i];
        if (!slot->key) continue;
        uint32_t at = slot->hash & (capacity - 1);
        while (slots[at].key) at = (at + 1) & (capacity - 1);
        slots[at] = *slot;
    }
    rv_free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
}

rv_status rv_map_reserve(rv_map *map, uint32_t count)
{
    uint32_t capacity;
    if (!capacity_for(map, count, &capacity)) return RV_NO_MEMORY;
    if (capacity <= map->capacity) return RV_OK;
    rv_map_slot *slots = rv_alloc_try(sizeof *slots * (size_t)capacity);
    if (!slots) return RV_NO_MEMORY;
    move_to(map, slots, capacity);
    return RV_OK;
}

static void make_room(rv_map *map)
{
    if (map->capacity && !is_too_full((uint64_t)map->count + 1, map->capacity)) return;
    uint32_t capacity;
    RV_ASSERT(capacity_for(map, map->count + 1, &capacity));
    move_to(map, rv_alloc(sizeof(rv_map_slot) * (size_t)capacity), capacity);
}

static uint32_t hash_of(rv_str key) { return (uint32_t)rv_hash64(key, rv_hash_seed()); }

/* The slot of `key`, or the empty one where it belongs. There is always an empty one. */
static rv_map_slot *slot_of(const rv_map *map, rv_str key, uint32_t hash)
{
    uint32_t mask = map->capacity - 1;
    for (uint32_t at = hash & mask;; at = (at + 1) & mask) {
        rv_map_slot *slot = &map->slots[at];
        if (!slot->key) return slot;
        if (slot->hash == hash && slot->key_size == key.size && (key.size == 0 || memcmp(slot->key, key.at, key.size) == 0)) return slot;
    }
}

uint32_t rv_map_get(const rv_map *map, rv_str key)
{
    if (map->count == 0) return RV_NONE;
    const rv_map_slot *slot = slot_of(map, key, hash_of(key));
    return slot->key ? slot->value : RV_NONE;
}

uint32_t rv_map_add(rv_map *map, rv_str key, uint32_t value)
{
    RV_ASSERT(value != RV_NONE);
    RV_ASSERT(key.size <= UINT32_MAX);
    make_room(map);
    uint32_t hash = hash_of(key);
    rv_map_slot *slot = slot_of(map, key, hash);
    if (slot->key) return slot->value;
    *slot = (rv_map_slot){.key = key.at ? key.at : "", .key_size = (uint32_t)key.size, .hash = hash, .value = value};
    map->count++;
    return RV_NONE;
}
