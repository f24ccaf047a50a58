/* A piece of text, borrowed: where it begins and how long it is. */
#ifndef STR_H
#define STR_H
#include "arena/arena.h"

#include <stdbool.h>

typedef struct { const char *at; size_t size; } str;

str str_of(const char *text);
bool str_equal(str a, str b);

/* Below zero, zero or above as `a` is before, equal to or after `b`, byte by byte. */
int str_order(str a, str b);

/* A copy that lives as long as `memory`; a zero byte is behind it. */
str str_keep(arena *memory, str text);

/* Cut what is before the next `mark` off `rest`; all of it if there is none. False: nothing was left. */
bool str_cut(str *rest, char mark, str *ret_part);

#endif
