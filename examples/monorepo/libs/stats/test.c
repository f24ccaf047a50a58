#include "stats/stats.h"

#include <assert.h>

int main(void)
{
    uint32_t five[] = {9, 1, 4000000000, 4000000000, 5}, four[] = {4, 3, 2, 1};
    stats found = stats_of(five, 5);
    assert(found.least == 1 && found.median == 9 && found.most == 4000000000 && found.sum == 8000000015);
    assert(stats_of(four, 4).median == 2);
    assert(stats_of(NULL, 0).sum == 0);
    return 0;
}
