/* search QUESTION FILE…: the files that answer it, one a line. Exit status 1: none does; 2: a file cannot be read. */
#include "load/load.h"
#include "query/query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: search QUESTION FILE...\n", stderr);
        return 2;
    }
    arena memory = {0};
    text_index index = {0};
    for (int i = 2; i < argc; i++) {
        str text;
        if (!load_file(&memory, argv[i], &text)) {
            fprintf(stderr, "search: %s: %s\n", argv[i], strerror(errno));
            return 2;
        }
        index_add(&index, str_of(argv[i]), text);
    }
    vec answer = query_answer(&index, str_of(argv[1]), &memory);
    for (size_t i = 0; i < answer.count; i++)
        puts(index.documents[answer.at[i]].name.at);
    size_t found = answer.count;
    index_drop(&index);
    arena_drop(&memory);
    return fflush(stdout) != 0 ? 2 : found == 0;
}
