#include "stop/stop.h"

/* out/words.c, which mkset makes of words.txt: ascending. */
extern const char *const stop_words[];
extern const size_t stop_words_count;

bool stop_has(str word)
{
    size_t low = 0, high = stop_words_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_order(word, str_of(stop_words[middle]));
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}
