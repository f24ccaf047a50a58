#include <ctype.h>
#include <string.h>

#include "limits.h"
#include "words.h"

static void add(word *at, unsigned *count, unsigned max, const char *text)
{
    for (unsigned i = 0; i < *count; i++)
        if (strcmp(at[i].text, text) == 0) {
            at[i].count++;
            return;
        }
    if (*count == max) return;
    strcpy(at[*count].text, text);
    at[(*count)++].count = 1;
}

unsigned words_read(FILE *file, word *at, unsigned max)
{
    char text[WORD_MAX + 1];
    unsigned size = 0, count = 0;
    for (int c = 0; c != EOF;) {
        c = fgetc(file);
        if (c != EOF && isalpha(c)) {
            if (size < WORD_MAX) text[size++] = (char)tolower(c);
        } else if (size > 0) {
            text[size] = 0;
            size = 0;
            add(at, &count, max, text);
        }
    }
    return count;
}
