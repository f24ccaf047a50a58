/* mkset NAME <WORDS >SOURCE: a C array `NAME` of the words, ascending, each once, and their count, `NAME_count`. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 1000, WORD_SIZE = 32 };

static char words[WORDS_MAX][WORD_SIZE];

static int order(const void *left, const void *right)
{
    return strcmp(left, right);
}

static size_t fail(const char *text, const char *what)
{
    fprintf(stderr, "mkset: %s%s\n", text, what);
    exit(2);
}

/* Read the words; their count. */
static size_t take_in(void)
{
    size_t count = 0;
    char line[WORD_SIZE + 1];
    while (fgets(line, sizeof line, stdin)) {
        if (line[0] == '#') {
            while (!strchr(line, '\n') && fgets(line, sizeof line, stdin))
                continue;
            continue;
        }
        size_t size = strcspn(line, "\n");
        if (size == 0)
            continue;
        for (size_t i = 0; i < size; i++)
            if (!islower((unsigned char)line[i]))
                fail("not a word in lower case: ", line);
        if (size >= WORD_SIZE || count == WORDS_MAX)
            fail("too long: ", size >= WORD_SIZE ? line : "the list");
        memcpy(words[count++], line, size);
    }
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        fail("usage: mkset NAME <WORDS >SOURCE", "");
    size_t count = take_in(), kept = 0;
    qsort(words, count, sizeof *words, order);
    printf("#include <stddef.h>\n\nextern const char *const %s[];\nextern const size_t %s_count;\n\n", argv[1], argv[1]);
    printf("const char *const %s[] = {\n", argv[1]);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(words[i], words[i - 1]) != 0) {
            printf("    \"%s\",\n", words[i]);
            kept++;
        }
    printf("    NULL,\n};\nconst size_t %s_count = %zu;\n", argv[1], kept);
    return fflush(stdout) == 0 ? 0 : 2;
}
