#include "stem/stem.h"

#include <assert.h>

static void is_stem(const char *word, const char *stem)
{
    assert(str_equal(stem_of(str_of(word)), str_of(stem)));
}

int main(void)
{
    is_stem("story", "stor");
    is_stem("stories", "stor");
    is_stem("sailed", "sail");
    is_stem("sailing", "sail");
    is_stem("lakes", "lak");
    is_stem("lake", "lak");
    is_stem("sing", "sing");  /* too short to lose it */
    is_stem("", "");
    return 0;
}
