/* test [COUNT]: a map of COUNT keys. */
#include "map/map.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static str numbered(char text[24], size_t number)
{
    snprintf(text, 24, "key-%zu", number);
    return str_of(text);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    arena memory = {0};
    map numbers = {0};
    char text[24];
    assert(!map_get(&numbers, str_of("key-0")));
    for (size_t i = 0; i < count; i++)
        *map_at(&numbers, &memory, numbered(text, i)) = (void *)(i + 1);
    for (size_t i = 0; i < count; i++) {
        assert(map_get(&numbers, numbered(text, i)) == (void *)(i + 1));
        assert(str_equal(numbers.entries[i].key, str_of(text)));
    }
    *map_at(&numbers, &memory, str_of("key-0")) = NULL;
    assert(numbers.count == count && !map_get(&numbers, str_of("key-0")) && !map_get(&numbers, str_of("key")));
    arena_drop(&memory);
    return 0;
}
