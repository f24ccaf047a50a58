/* What the nodes of the engine tests run when a test has to decide when they end. It connects to the hub (harness.py),
 * a unix socket named by $HUB, says `NODE EPOCH PID`, and waits for one line:
 *
 *     STATUS [TEXT]     write TEXT to standard output, exit with STATUS
 *
 * As long as it lives its connection is open: the hub knows who runs, without clocks. A hub that went away ends it with 9.
 *
 * engine-node [stubborn]      stubborn: ignores TERM
 * engine-node note FILE [N]   no hub: appends its node's name to FILE, after N results of some 64 bytes; where many are needed it is
 *                             a third of what a shell is */
#include <fcntl.h>
#include <signal.h>
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

int main(int argc, char **argv)
{
    char line[4096];
    size_t size = 0;
    if (argc > 2 && strcmp(argv[1], "note") == 0) return note(argv[2], argc > 3 ? atoi(argv[3]) : 0);
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
