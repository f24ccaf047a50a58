/* What the nodes of the crash graph run. It writes a line to an append-only ledger when it begins and one when it is
 * about to end, so that what really happened can be held against what was recorded:
 *
 *     S NODE EPOCH NUMBER PID         begins
 *     E NODE EPOCH NUMBER STATUS      ends with exit status STATUS (no such line: it was killed)
 *
 * crash_node LEDGER [WORD...]
 *     sleep MS              takes so long
 *     fail_first            fails with status 7 when it is the node's first attempt
 *     same GIVEN WANTED     fails with status 8 when the two differ: a value came through
 *     file PATH WANTED      the same for the bytes of a file: an artifact came through
 *     result K              its result is {"k": K}
 *     artifact TEXT         leaves an artifact `data` with this text
 *     bulk SIZE             leaves an artifact of so many bytes, different each time
 *     print COUNT           writes so many lines to stdout
 *     linger                leaves a daemon behind, which nobody but its supervisor ends */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int ledger_fd;

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    if (value) return value;
    fprintf(stderr, "%s is not set\n", name);
    exit(9);
}

static int number(void)
{
    const char *slash = strrchr(environment("REEVE_ATTEMPT"), '/');
    return slash ? atoi(slash + 1) : 0;
}

static void note(char what, int value)
{
    char line[256];
    const char *node = environment("REEVE_NODE"), *epoch = environment("REEVE_EPOCH");
    int size = snprintf(line, sizeof line, "%c %s %s %d %d\n", what, node, epoch, number(), value);
    if (write(ledger_fd, line, (size_t)size) != size) exit(9);
}

static void leave(int status)
{
    note('E', status);
    exit(status);
}

static void put_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0) leave(10);
}

static void check_file(const char *path, const char *wanted)
{
    char text[256];
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[size] = 0;
    if (file) fclose(file);
    if (strcmp(text, wanted) == 0) return;
    fprintf(stderr, "%s says `%s`, not `%s`\n", path, text, wanted);
    leave(8);
}

static void linger(void)
{
    if (fork() != 0) return;
    setsid();
    if (fork() != 0) _exit(0);
    for (int fd = 0; fd < 3; fd++) close(fd);
    for (;;) pause();
}

static void artifact(const char *text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/data", environment("REEVE_ARTIFACTS"));
    put_file(path, text);
}

static void bulk(int size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/bulk", environment("REEVE_ARTIFACTS"));
    FILE *file = fopen(path, "w");
    if (!file) leave(10);
    srand((unsigned)getpid());
    for (int i = 0; i < size; i++) (void)putc(rand() & 255, file);
    if (fclose(file) != 0) leave(10);
}

static void result(const char *k)
{
    char text[64];
    snprintf(text, sizeof text, "{\"k\": %s}\n", k);
    put_file(environment("REEVE_OUTPUT"), text);
}

static void sleep_ms(int ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0)
        ;
}

static void same(const char *given, const char *wanted)
{
    if (strcmp(given, wanted) == 0) return;
    fprintf(stderr, "`%s` was given, not `%s`\n", given, wanted);
    leave(8);
}

static bool is_word(const char *word, const char *name, int left, int needed) { return strcmp(word, name) == 0 && left >= needed; }

int main(int argc, char **argv)
{
    if (argc < 2 || (ledger_fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0) return 9;
    if (getenv("REEVE_FAIL_POINT")) return 9; /* not ours to inherit */
    note('S', (int)getpid());
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i];
        int left = argc - i - 1;
        if (is_word(word, "sleep", left, 1)) sleep_ms(atoi(argv[++i]));
        else if (is_word(word, "fail_first", left, 0)) { if (number() == 1) leave(7); }
        else if (is_word(word, "same", left, 2)) same(argv[i + 1], argv[i + 2]), i += 2;
        else if (is_word(word, "file", left, 2)) check_file(argv[i + 1], argv[i + 2]), i += 2;
        else if (is_word(word, "result", left, 1)) result(argv[++i]);
        else if (is_word(word, "artifact", left, 1)) artifact(argv[++i]);
        else if (is_word(word, "bulk", left, 1)) bulk(atoi(argv[++i]));
        else if (is_word(word, "print", left, 1)) for (int count = atoi(argv[++i]); count > 0; count--) puts("a line of output");
        else if (is_word(word, "linger", left, 0)) linger();
        else return 9;
    }
    if (fflush(stdout) != 0) return 10;
    leave(0);
}
