/* One stem for the forms of a word. */
#ifndef STEM_H
#define STEM_H
#include "str/str.h"

/* The word, in lower case, without its ending: the first of `ies`, `ing`, `ed`, `es`, `s`, `y`, `e` that leaves three letters. */
str stem_of(str word);

#endif
