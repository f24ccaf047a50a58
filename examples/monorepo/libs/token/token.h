/* Words of a text. */
#ifndef TOKEN_H
#define TOKEN_H
#include "str/str.h"

/* The next word of `rest`, letters only, in lower case, in `memory`; cut off with all before it. False: there is none. */
bool token_next(str *rest, arena *memory, str *ret_word);

#endif
