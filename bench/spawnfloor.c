/* spawnfloor MODE COUNT IN_FLIGHT: the time that COUNT processes which do nothing take, IN_FLIGHT at once.
 *
 *   runner  what any runner has to do: vfork, two output pipes, own process group, pidfd, epoll until both pipes
 *           ended and the exit was seen
 *   vfork   vfork and wait, nothing else
 *   posix   posix_spawn and wait
 *   sh      posix_spawn of `sh -c true` and wait: what make and ninja do for each command
 *
 * Prints one line; `seconds=` is what bench/run reads. Nothing is allocated, nothing is recorded: a durable runner
 * cannot be faster than `runner`. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define IN_FLIGHT_MAX 64

extern char **environ;

/* One child of `runner`: it is over when both pipes and the pidfd have spoken. */
struct slot {
    int fds[3]; /* stdout, stderr, pidfd */
    int open_count;
    pid_t pid; /* 0: free */
};

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void check_exit(int status)
{
    if (status != 0) {
        fprintf(stderr, "spawnfloor: a child ended with status %d\n", status);
        exit(1);
    }
}

static void slot_start(struct slot *slot, uint32_t index, int epoll_fd)
{
    static char *const argv[] = {"/bin/true", NULL};
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
        die("pipe2");
    pid_t pid = vfork();
    if (pid == 0) {
        setpgid(0, 0);
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    if (pid < 0)
        die("vfork");
    close(out[1]);
    close(err[1]);
    *slot = (struct slot){{out[0], err[0], (int)syscall(SYS_pidfd_open, pid, 0)}, 3, pid};
    for (uint32_t i = 0; i < 3; i++) {
        struct epoll_event event = {EPOLLIN, {.u32 = index * 4 + i}};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, slot->fds[i], &event) != 0)
            die("epoll_ctl");
    }
}

/* Handle what descriptor `which` of `slot` says. The descriptor leaves epoll before it is closed: the parent of a
 * vfork goes on before the child's close-on-exec, so that a closed one could still be reported. */
static void slot_read(struct slot *slot, uint32_t which, int epoll_fd)
{
    char bytes[4096];
    if (which == 2) {
        int status;
        if (waitpid(slot->pid, &status, 0) != slot->pid)
            die("waitpid");
        check_exit(status);
    } else if (read(slot->fds[which], bytes, sizeof bytes) > 0) {
        return;
    }
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, slot->fds[which], NULL);
    close(slot->fds[which]);
    slot->open_count--;
}

static void run_runner(int count, int in_flight)
{
    struct slot slots[IN_FLIGHT_MAX] = {0};
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    for (int started = 0, alive = 0, done = 0; done < count;) {
        for (uint32_t i = 0; started < count && alive < in_flight; i++) {
            if (slots[i].pid != 0)
                continue;
            slot_start(&slots[i], i, epoll_fd);
            started++;
            alive++;
        }
        struct epoll_event events[16];
        int event_count = epoll_wait(epoll_fd, events, 16, -1);
        for (int i = 0; i < event_count; i++) {
            struct slot *slot = &slots[events[i].data.u32 / 4];
            slot_read(slot, events[i].data.u32 % 4, epoll_fd);
            if (slot->open_count == 0) {
                slot->pid = 0;
                alive--;
                done++;
            }
        }
    }
    close(epoll_fd);
}

static pid_t spawn_vfork(char *const *argv)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    return pid;
}

static pid_t spawn_posix(char *const *argv)
{
    pid_t pid;
    errno = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
    return errno == 0 ? pid : -1;
}

static void run_plain(pid_t (*spawn)(char *const *), char *const *argv, int count, int in_flight)
{
    for (int started = 0, done = 0; done < count; done++) {
        for (; started < count && started - done < in_flight; started++)
            if (spawn(argv) < 0)
                die("spawn");
        int status;
        if (wait(&status) < 0)
            die("wait");
        check_exit(status);
    }
}

int main(int argc, char **argv)
{
    static char *const argv_true[] = {"/bin/true", NULL};
    static char *const argv_sh[] = {"/bin/sh", "-c", "true", NULL};
    const char *mode = argc == 4 ? argv[1] : "";
    int count = argc == 4 ? atoi(argv[2]) : 0;
    int in_flight = argc == 4 ? atoi(argv[3]) : 0;
    if (count < 1 || in_flight < 1 || in_flight > IN_FLIGHT_MAX)
        mode = "";
    double began_s = now_s();
    if (strcmp(mode, "runner") == 0) {
        run_runner(count, in_flight);
    } else if (strcmp(mode, "vfork") == 0) {
        run_plain(spawn_vfork, argv_true, count, in_flight);
    } else if (strcmp(mode, "posix") == 0) {
        run_plain(spawn_posix, argv_true, count, in_flight);
    } else if (strcmp(mode, "sh") == 0) {
        run_plain(spawn_posix, argv_sh, count, in_flight);
    } else {
        fprintf(stderr, "usage: spawnfloor runner|vfork|posix|sh COUNT IN_FLIGHT   (IN_FLIGHT at most %d)\n", IN_FLIGHT_MAX);
        return 2;
    }
    double seconds = now_s() - began_s;
    printf("%s count=%d in_flight=%d seconds=%.4f per_child_us=%.1f\n", mode, count, in_flight, seconds, seconds / count * 1e6);
    return 0;
}
