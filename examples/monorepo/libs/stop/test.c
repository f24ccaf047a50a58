#include "stop/stop.h"

#include <assert.h>

int main(void)
{
    assert(stop_has(str_of("a")) && stop_has(str_of("the")) && stop_has(str_of("with")));
    assert(!stop_has(str_of("th")) && !stop_has(str_of("then a")) && !stop_has(str_of("zebra")) && !stop_has(str_of("")));
    return 0;
}
