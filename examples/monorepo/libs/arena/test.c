/* test [COUNT]: an arena with COUNT pieces. */
#include "arena/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    arena memory = {0};
    unsigned char *before = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t size = i % 500 + 1;
        unsigned char *piece = arena_take(&memory, size);
        assert((uintptr_t)piece % 16 == 0);
        assert(piece[0] == 0 && piece[size - 1] == 0);
        memset(piece, (int)(i % 255) + 1, size);
        assert(!before || before[0] == (i - 1) % 255 + 1);  /* pieces do not overlap */
        before = piece;
    }
    assert(arena_take(&memory, 1000000));  /* larger than a block */
    arena_drop(&memory);
    assert(!memory.last);
    return 0;
}
