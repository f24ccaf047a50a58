#include "str/str.h"

#include <string.h>

str str_of(const char *text)
{
    return (str){text, strlen(text)};
}

bool str_equal(str a, str b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

int str_order(str a, str b)
{
    size_t both = a.size < b.size ? a.size : b.size;
    int order = both == 0 ? 0 : memcmp(a.at, b.at, both);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

str str_keep(arena *memory, str text)
{
    char *copy = arena_take(memory, text.size + 1);
    if (text.size > 0)
        memcpy(copy, text.at, text.size);
    return (str){copy, text.size};
}

bool str_cut(str *rest, char mark, str *ret_part)
{
    if (rest->size == 0)
        return false;
    const char *end = memchr(rest->at, mark, rest->size);
    size_t size = end ? (size_t)(end - rest->at) : rest->size;
    *ret_part = (str){rest->at, size};
    size_t gone = size + (end ? 1 : 0);
    *rest = (str){rest->at + gone, rest->size - gone};
    return true;
}
