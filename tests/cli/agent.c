/* agent TEXT [RESULT [STATUS]]: what nodes of same_journal.py run, a hundred times: TEXT to standard output; RESULT, if it is not empty, to
 * $REEVE_OUTPUT; the first attempt ends with STATUS, each other one with 0. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    fputs(argv[1], stdout);
    if (argc > 2 && *argv[2]) {
        FILE *file = fopen(getenv("REEVE_OUTPUT"), "w");
        if (!file || fputs(argv[2], file) < 0 || fclose(file) != 0) return 2;
    }
    const char *number = strrchr(getenv("REEVE_ATTEMPT"), '/');
    return number && strcmp(number, "/1") == 0 && argc > 3 ? atoi(argv[3]) : 0;
}
