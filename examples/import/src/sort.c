#include <stdlib.h>
#include <string.h>

#include "words.h"

static int by_count(const void *left, const void *right)
{
    const word *a = left, *b = right;
    return a->count != b->count ? (a->count < b->count ? 1 : -1) : strcmp(a->text, b->text);
}

void words_sort(word *at, unsigned count) { qsort(at, count, sizeof *at, by_count); }
