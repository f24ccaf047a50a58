/* Words that are too common to be looked for. */
#ifndef STOP_H
#define STOP_H
#include "str/str.h"

/* Is the word, in lower case, in words.txt? */
bool stop_has(str word);

#endif
