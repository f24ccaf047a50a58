#include "load/load.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int main(void)
{
    arena memory = {0};
    str text = {0};
    assert(load_file(&memory, "test.c", &text));  /* this file */
    assert(text.size > 100 && strstr(text.at, "this file"));
    str before = text;
    errno = 0;
    assert(!load_file(&memory, "nowhere", &text) && errno == ENOENT);
    assert(text.at == before.at && text.size == before.size);
    arena_drop(&memory);
    return 0;
}
