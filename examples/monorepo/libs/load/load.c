#include "load/load.h"

#include <stdio.h>

bool load_file(arena *memory, const char *path, str *ret_text)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    bool is_read = false;
    if (size >= 0 && fseek(file, 0, SEEK_SET) == 0) {
        char *text = arena_take(memory, (size_t)size + 1);
        is_read = fread(text, 1, (size_t)size, file) == (size_t)size;
        if (is_read)
            *ret_text = (str){text, (size_t)size};
    }
    fclose(file);
    return is_read;
}
