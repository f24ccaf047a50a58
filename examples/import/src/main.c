#include "limits.h"
#include "words.h"

static word words[WORDS_MAX];

int main(void)
{
    unsigned count = words_read(stdin, words, WORDS_MAX);
    words_sort(words, count);
    for (unsigned i = 0; i < count; i++) printf("%u %s\n", words[i].count, words[i].text);
    return 0;
}
