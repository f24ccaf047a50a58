/* What the nodes of the engine tests run when a test has to decide when they end. It connects to the hub (harness.py),
 * a unix socket named by $HUB, says `NODE EPOCH PID`, and waits for one line:
 *
 *     STATUS [TEXT]     write TEXT to standard output, exit with STATUS
 *
 * As long as it lives its connection is open: the hub knows who runs, without clocks. A hub that went away ends it with 9.
 *
 * engine-node [stubborn]      stubborn: ignores TERM
 * engine-node note FILE [N]   no hub: appends its node's name to FILE, after N results of some 64 bytes; where many are needed it is
 *                             a third of what a shell is
 * engine-node do STEP…        no hub: these one after the other, for as little:
 *     put FILE TEXT           FILE is made, with TEXT in it; @NAME at its beginning is the value of $NAME
 *     note FILE               its node's name is appended to FILE
 *     tell TEXT               TEXT and its node's name to standard output, a line
 *     if FILE STATUS          the end with STATUS if FILE:NODE is there, where NODE is its node's name with _ for each /
 *     to FILE                 what is written from here on to standard output goes there
 *     say TEXT                TEXT to standard output, without a line end
 *     fill COUNT              so many times x to standard output
 *     raise SIGNAL            a signal to itself
 *     exit STATUS             the end
 *     args FILE WORD…         FILE has the words, each ended by NUL; all that follow are words */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    if (value) return value;
    fprintf(stderr, "%s is not set\n", name);
    exit(9);
}

static int connect_hub(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", environment("HUB"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    perror("hub");
    exit(9);
}

static int note(const char *file, int results)
{
    const char *node = environment("REEVE_NODE");
    FILE *out = results > 0 ? fopen(environment("REEVE_OUTPUT"), "w") : NULL;
    for (int i = 1; i <= results && out; i++) fprintf(out, "k%d=%s-%d-%050d\n", i, node, i, 0);
    if (results > 0 && (!out || fclose(out) != 0)) return 9;
    char line[256];
    int length = snprintf(line, sizeof line, "%s\n", node);
    int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    return fd >= 0 && write(fd, line, (size_t)length) == length ? 0 : 9;
}

static FILE *file_at(const char *name)
{
    char path[4096];
    const char *rest = name[0] == '@' ? name + 1 + strcspn(name + 1, "/") : name;
    char variable[64];
    snprintf(variable, sizeof variable, "%.*s", (int)(rest - name) - 1, name + 1);
    snprintf(path, sizeof path, "%s%s", rest > name ? environment(variable) : "", rest);
    FILE *file = fopen(path, "w");
    if (file) return file;
    perror(path);
    exit(9);
}

static void put(const char *name, const char *text)
{
    FILE *file = file_at(name);
    fputs(text, file);
    if (fclose(file) != 0) exit(9);
}

static int put_args(const char *name, char **words)
{
    FILE *file = file_at(name);
    for (; *words; words++) {
        fputs(*words, file);
        fputc(0, file);
    }
    return fclose(file) == 0 ? 0 : 9;
}

static bool is_there(const char *file)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s:%s", file, environment("REEVE_NODE"));
    for (char *at = path + strlen(file); at < path + length; at++) if (*at == '/') *at = '_';
    return access(path, F_OK) == 0;
}

static void fill(long count)
{
    char piece[65536];
    memset(piece, 'x', sizeof piece);
    while (count > 0) {
        size_t size = count < (long)sizeof piece ? (size_t)count : sizeof piece;
        if (fwrite(piece, 1, size, stdout) != size) exit(9);
        count -= (long)size;
    }
}

static int steps(char **word)
{
    while (word[0] && word[1]) {
        fflush(stdout);
        if (strcmp(word[0], "args") == 0) return put_args(word[1], word + 2);
        if (strcmp(word[0], "exit") == 0) return atoi(word[1]);
        bool is_put = strcmp(word[0], "put") == 0, is_if = strcmp(word[0], "if") == 0;
        if (is_put && word[2]) put(word[1], word[2]);
        else if (is_if && word[2]) {
            if (is_there(word[1])) return atoi(word[2]);
        } else if (strcmp(word[0], "note") == 0) {
            if (note(word[1], 0) != 0) return 9;
        } else if (strcmp(word[0], "tell") == 0) printf("%s%s\n", word[1], environment("REEVE_NODE"));
        else if (strcmp(word[0], "to") == 0) dup2(fileno(file_at(word[1])), 1);
        else if (strcmp(word[0], "say") == 0) fputs(word[1], stdout);
        else if (strcmp(word[0], "fill") == 0) fill(atol(word[1]));
        else if (strcmp(word[0], "raise") == 0) raise(atoi(word[1]));
        else break;
        word += is_put || is_if ? 3 : 2;
    }
    if (word[0]) fprintf(stderr, "engine-node: not a step: %s\n", word[0]);
    return word[0] ? 9 : 0;
}

int main(int argc, char **argv)
{
    char line[4096];
    size_t size = 0;
    if (argc > 2 && strcmp(argv[1], "note") == 0) return note(argv[2], argc > 3 ? atoi(argv[3]) : 0);
    if (argc > 1 && strcmp(argv[1], "do") == 0) return steps(argv + 2);
    if (argc > 1 && strcmp(argv[1], "stubborn") == 0) signal(SIGTERM, SIG_IGN);
    int fd = connect_hub();
    int length = snprintf(line, sizeof line, "%s %s %d\n", environment("REEVE_NODE"), environment("REEVE_EPOCH"), (int)getpid());
    if (write(fd, line, (size_t)length) != length) return 9;
    while (size == 0 || line[size - 1] != '\n') {
        ssize_t count = read(fd, line + size, sizeof line - 1 - size);
        if (count <= 0) return 9;
        size += (size_t)count;
    }
    line[size - 1] = 0;
    const char *text = strchr(line, ' ');
    if (text) fputs(text + 1, stdout);
    fflush(stdout);
    return atoi(line);
}
