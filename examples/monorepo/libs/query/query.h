/* Questions to an index. */
#ifndef QUERY_H
#define QUERY_H
#include "index/index.h"

/* The documents that have every word of `question`, by number, in `memory`. `a|b` is either of them, `-a` is none of it. */
vec query_answer(const text_index *index, str question, arena *memory);

#endif
