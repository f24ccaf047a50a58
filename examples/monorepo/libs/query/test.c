#include "query/query.h"

#include <assert.h>

static text_index index;

/* The answer as a number in binary: document 0 is its lowest bit. */
static unsigned answer(const char *question)
{
    arena memory = {0};
    vec found = query_answer(&index, str_of(question), &memory);
    unsigned bits = 0;
    for (size_t i = 0; i < found.count; i++)
        bits |= 1u << found.at[i];
    arena_drop(&memory);
    return bits;
}

int main(void)
{
    index_add(&index, str_of("0"), str_of("a red boat"));
    index_add(&index, str_of("1"), str_of("a blue boat on a lake"));
    index_add(&index, str_of("2"), str_of("blue lakes"));
    assert(answer("boat") == 3 && answer("Boats  lake") == 2 && answer("boat -lake") == 1);
    assert(answer("red|lake") == 7 && answer("blue red|boat") == 2 && answer("-red|boat") == 4);
    assert(answer("ocean") == 0 && answer("") == 7 && answer("|") == 0);
    index_drop(&index);
    return 0;
}
