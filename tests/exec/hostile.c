/* hostile MODE …: children that behave as badly as they can. Each writes the pids of those that are to be dead later to
 * a file, one a line, before anybody can see it ready. No processes but those named stay behind. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void note_pid(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    char line[32];
    int size = snprintf(line, sizeof line, "%d\n", (int)getpid());
    if (fd < 0 || write(fd, line, (size_t)size) != size)
        _exit(99);
    close(fd);
}

static void sleep_for_ever(void)
{
    for (;;)
        pause();
}

static void close_all(int from, int kept)
{
    for (int fd = from; fd < 256; fd++)
        if (fd != kept)
            close(fd);
}

static void escaped(const char *flags, const char *pids, int sync_fd)
{
    note_pid(pids);
    if (strchr(flags, 'c'))
        close_all(0, sync_fd);
    if (strchr(flags, 'p')) {
        close_all(2, sync_fd);
        close(0);
    }
    if (write(sync_fd, "x", 1) != 1)
        _exit(99);
    close(sync_fd);
    sleep_for_ever();
}

/* escape FLAGS PIDS [stay]: a grandchild that sheds what FLAGS say, and lives. s: new session, g: new group only,
 * e: no environment, as another program, c: closes everything, p: closes everything but stdout. The first process ends once
 * the grandchild is ready, or with `stay` says `ready` and lives too. */
static int escape(char **argv, int argc)
{
    const char *flags = argv[2], *pids = argv[3];
    int sync_fds[2];
    if (pipe(sync_fds) != 0)
        return 99;
    pid_t middle = fork();
    if (middle == 0) {
        if (strchr(flags, 's'))
            setsid();
        if (strchr(flags, 'g'))
            setpgid(0, 0);
        if (fork() != 0)
            _exit(0);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        if (!strchr(flags, 'e'))
            escaped(flags, pids, sync_fds[1]);
        char fd_text[16];
        snprintf(fd_text, sizeof fd_text, "%d", sync_fds[1]);
        char *none[] = {NULL};
        char *again[] = {argv[0], "escaped", argv[2], argv[3], fd_text, NULL};
        execve("/proc/self/exe", again, none);
        _exit(99);
    }
    close(sync_fds[1]);
    char byte;
    waitpid(middle, NULL, 0);
    if (read(sync_fds[0], &byte, 1) != 1)
        return 99;
    close(sync_fds[0]);
    if (argc > 4) {
        if (write(1, "ready\n", 6) != 6)
            return 99;
        sleep_for_ever();
    }
    return 0;
}

/* bomb COUNT PIDS: a chain of COUNT processes; each second parent ends, so that its child is orphaned; each third leaves
 * the group, each fifth the session. */
static int bomb(int count, const char *pids)
{
    int sync_fds[2];
    if (pipe(sync_fds) != 0)
        return 99;
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        if (child < 0)
            return 99;
        if (child > 0) {
            if (i == 0)
                break;
            if (i % 2)
                _exit(0);
            sleep_for_ever();
        }
        if (i % 3 == 0)
            setpgid(0, 0);
        if (i % 5 == 0)
            setsid();
        note_pid(pids);
        if (i == count - 1) {
            if (write(sync_fds[1], "x", 1) != 1)
                _exit(99);
            sleep_for_ever();
        }
    }
    char byte;
    return read(sync_fds[0], &byte, 1) == 1 ? 0 : 99; /* the leader ends and leaves them all */
}

/* flee COUNT PIDS: a daemon that is never the same process for long: each forks the next in a session of its own and ends.
 * The first process ends once there were COUNT of them, of which five are noted; it goes on, and gives up by itself after a
 * number that takes many seconds. */
static int flee(int count, const char *pids)
{
    int sync_fds[2];
    char byte;
    if (pipe(sync_fds) != 0)
        return 99;
    if (fork() != 0)
        return read(sync_fds[0], &byte, 1) == 1 ? 0 : 99;
    for (int i = 0; i < 200000; i++) {
        setsid();
        if (i % (count / 4) == 0)
            note_pid(pids);
        if (i == count && write(sync_fds[1], "x", 1) != 1)
            _exit(99);
        pid_t next = fork();
        if (next != 0)
            _exit(0);
    }
    return 0;
}

/* litter COUNT: orphans COUNT processes that end at once, over more than a second, then says `ready` and lives. */
static int litter(int count)
{
    for (int i = 0; i < count; i++) {
        pid_t middle = fork();
        if (middle == 0) {
            pid_t child = fork();
            if (child == 0)
                usleep(2000); /* ends after its parent */
            _exit(0);
        }
        waitpid(middle, NULL, 0);
        usleep((useconds_t)(1500000 / count));
    }
    if (write(1, "ready\n", 6) != 6)
        return 99;
    sleep_for_ever();
    return 0;
}

static void list_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
            printf("%s\n", entry->d_name);
}

static void list_signals(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "SigBlk", 6) == 0 || strncmp(line, "SigIgn", 6) == 0 || strncmp(line, "SigCgt", 6) == 0)
            fputs(line, stdout);
    fclose(file);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    if (!strcmp(mode, "escape"))
        return escape(argv, argc);
    if (!strcmp(mode, "escaped"))
        escaped(argv[2], argv[3], atoi(argv[4]));
    else if (!strcmp(mode, "bomb"))
        return bomb(atoi(argv[2]), argv[3]);
    else if (!strcmp(mode, "flee"))
        return flee(atoi(argv[2]), argv[3]);
    else if (!strcmp(mode, "litter"))
        return litter(atoi(argv[2]));
    else if (!strcmp(mode, "say")) { /* TEXT STATUS: of many, the cheapest */
        puts(argv[2]);
        return atoi(argv[3]);
    } else if (!strcmp(mode, "descriptors"))
        list_descriptors();
    else if (!strcmp(mode, "signals"))
        list_signals();
    else if (!strcmp(mode, "deaf") || !strcmp(mode, "stopped") || !strcmp(mode, "stranger")) {
        if (!strcmp(mode, "deaf"))
            signal(SIGTERM, SIG_IGN);
        if (!strcmp(mode, "stranger"))
            setpgid(0, getpgid(getppid()));
        if (argc > 2)
            note_pid(argv[2]);
        if (write(1, "ready\n", 6) != 6)
            return 99;
        if (!strcmp(mode, "stopped"))
            raise(SIGSTOP);
        sleep_for_ever();
    } else
        return 98;
    return 0;
}
