#include "stem/stem.h"

enum { STEM_SIZE_MIN = 3 };

str stem_of(str word)
{
    static const char *const endings[] = {"ies", "ing", "ed", "es", "s", "y", "e"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        str ending = str_of(endings[i]);
        if (word.size < ending.size + STEM_SIZE_MIN)
            continue;
        str tail = {word.at + word.size - ending.size, ending.size};
        if (str_equal(tail, ending))
            return (str){word.at, word.size - ending.size};
    }
    return word;
}
