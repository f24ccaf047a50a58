/* words.h: how often each word of a text occurs. */
#ifndef WORDS_H
#define WORDS_H

#include <stdio.h>

typedef struct word { char text[65]; unsigned count; } word;
/* Read words of letters, in lower case, into at[0..max). Returns how many different ones there are. */
unsigned words_read(FILE *file, word *at, unsigned max);
/* The most frequent first; those that are equally frequent by their letters. */
void words_sort(word *at, unsigned count);

#endif
