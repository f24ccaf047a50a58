#include "stats/stats.h"

#include <stdlib.h>

static int order(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

stats stats_of(uint32_t *numbers, size_t count)
{
    stats found = {0};
    if (count == 0)
        return found;
    qsort(numbers, count, sizeof *numbers, order);
    for (size_t i = 0; i < count; i++)
        found.sum += numbers[i];
    found.least = numbers[0];
    found.median = numbers[(count - 1) / 2];
    found.most = numbers[count - 1];
    return found;
}
