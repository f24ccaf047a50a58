#include "str/str.h"

#include <assert.h>
#include <string.h>

int main(void)
{
    assert(str_equal(str_of("word"), (str){"words", 4}));
    assert(!str_equal(str_of("word"), str_of("words")));
    assert(str_order(str_of("a"), str_of("b")) < 0 && str_order(str_of("ab"), str_of("a")) > 0);
    assert(str_order(str_of(""), str_of("")) == 0);

    arena memory = {0};
    char text[] = "kept";
    str kept = str_keep(&memory, str_of(text));
    text[0] = 'w';
    assert(strcmp(kept.at, "kept") == 0);
    arena_drop(&memory);

    str rest = str_of("a,,bc"), part;
    assert(str_cut(&rest, ',', &part) && str_equal(part, str_of("a")));
    assert(str_cut(&rest, ',', &part) && part.size == 0);
    assert(str_cut(&rest, ',', &part) && str_equal(part, str_of("bc")));
    assert(!str_cut(&rest, ',', &part));
    return 0;
}
