/* Prints the names of all fail points, one a line: what the crash loop walks. */
#include <stdio.h>

#include "base/failpoint.h"

int main(void)
{
    for (int point = 0; point < RV_FAIL_POINT_COUNT; point++)
        puts(rv_fail_point_name((rv_fail_point)point));
    return 0;
}
