/* Files, whole. */
#ifndef LOAD_H
#define LOAD_H
#include "str/str.h"

/* What is in the file, in `memory`. False: it cannot be read, errno says why; `ret_text` is untouched. */
bool load_file(arena *memory, const char *path, str *ret_text);

#endif
