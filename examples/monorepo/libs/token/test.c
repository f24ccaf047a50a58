#include "token/token.h"

#include <assert.h>

int main(void)
{
    arena memory = {0};
    static const char *const words[] = {"it", "s", "a", "word", "z", "end"};
    str rest = str_of("  It's a WORD-42 [Z]\nend"), word;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert(token_next(&rest, &memory, &word) && str_equal(word, str_of(words[i])));
    assert(!token_next(&rest, &memory, &word) && rest.size == 0);
    rest = str_of("1 2 3");
    assert(!token_next(&rest, &memory, &word));
    arena_drop(&memory);
    return 0;
}
