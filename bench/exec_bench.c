/* exec_bench [N] [INFLIGHT]: what the executor adds to the floor of starting processes.
 *
 * The floor is the least that a runner must do for `true`: vfork, two output pipes, a process group, a pidfd, epoll
 * until both ends and the exit were seen. Both are run in turns (A B A B …) in this one process, ROUNDS times each; the
 * medians and their ratio are printed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "exec/exec.h"

#define ROUNDS 5
#define INFLIGHT_MAX 64

extern char **environ;

static double now_s(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

static void require(bool is_true, const char *what)
{
    if (is_true)
        return;
    perror(what);
    exit(1);
}

/* ---- the floor --------------------------------------------------------------- */

typedef struct floor_slot {
    int fds[3]; /* stdout, stderr, pidfd */
    int open_count;
    pid_t pid;
} floor_slot;

static void floor_start(floor_slot *slot, uint32_t index, int epoll_fd)
{
    static char *argv[] = {"true", NULL};
    int out[2], err[2];
    require(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0, "pipe2");
    pid_t pid = vfork();
    if (pid == 0) {
        setpgid(0, 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        execv("/bin/true", argv);
        _exit(127);
    }
    require(pid > 0, "vfork");
    close(out[1]);
    close(err[1]);
    *slot = (floor_slot){{out[0], err[0], (int)syscall(SYS_pidfd_open, pid, 0)}, 3, pid};
    for (uint32_t i = 0; i < 3; i++) {
        struct epoll_event event = {EPOLLIN, {.u32 = index * 4 + i}};
        require(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, slot->fds[i], &event) == 0, "epoll_ctl");
    }
}

/* true: the slot is free again */
static bool floor_event(floor_slot *slot, uint32_t which, int epoll_fd)
{
    char bytes[4096];
    if (which == 2) {
        int status;
        require(waitpid(slot->pid, &status, 0) == slot->pid && status == 0, "waitpid");
    } else if (read(slot->fds[which], bytes, sizeof bytes) > 0) {
        return false;
    }
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, slot->fds[which], NULL);
    close(slot->fds[which]);
    return --slot->open_count == 0;
}

static double floor_run(uint32_t count, uint32_t inflight)
{
    floor_slot slots[INFLIGHT_MAX] = {0};
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    double began_s = now_s();
    for (uint32_t started = 0, done = 0; done < count;) {
        for (uint32_t i = 0; i < inflight && started < count; i++)
            if (!slots[i].open_count) {
                floor_start(&slots[i], i, epoll_fd);
                started++;
            }
        struct epoll_event events[16];
        int event_count = epoll_wait(epoll_fd, events, 16, -1);
        for (int i = 0; i < event_count; i++)
            done += floor_event(&slots[events[i].data.u32 / 4], events[i].data.u32 % 4, epoll_fd);
    }
    double took_s = now_s() - began_s;
    close(epoll_fd);
    return took_s;
}

/* ---- the executor ------------------------------------------------------------- */

typedef struct runner {
    rv_loop *loop;
    rv_exec *exec;
    uint32_t started, done, count;
} runner;

static void start_next(runner *r);

static void on_output(void *user, int stream, rv_str bytes) { (void)user, (void)stream, (void)bytes; }

static void on_ended(void *user, const rv_exit *exit)
{
    runner *r = user;
    require(exit->exit_status == 0, "true");
    r->done++;
    if (r->started < r->count)
        start_next(r);
    else if (r->done == r->count)
        rv_loop_stop(r->loop);
}

static void start_next(runner *r)
{
    static const char *const argv[] = {"true", NULL};
    rv_spawn spawn = {.argv = argv, .envp = (const char *const *)environ, .dir = "/tmp", .stdin_fd = -1, .jobs_fds = {-1, -1},
                      .mark = "01BENCH", .timeout_ms = 60000, .grace_ms = 5000, .output = on_output, .ended = on_ended, .user = r};
    rv_proc *proc;
    int64_t pid;
    uint64_t start_ticks;
    r->started++;
    require(rv_exec_start(r->exec, &spawn, &proc, &pid, &start_ticks, NULL) == RV_OK, "rv_exec_start");
}

static double exec_run(runner *r, uint32_t count, uint32_t inflight)
{
    r->started = r->done = 0;
    r->count = count;
    double began_s = now_s();
    for (uint32_t i = 0; i < inflight && i < count; i++)
        start_next(r);
    rv_loop_run(r->loop);
    return now_s() - began_s;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    uint32_t count = argc > 1 ? (uint32_t)atoi(argv[1]) : 2000, inflight = argc > 2 ? (uint32_t)atoi(argv[2]) : 2;
    const char *only = argc > 3 ? argv[3] : ""; /* `floor` or `exec`: that one alone, for perf and strace */
    if (count == 0 || inflight == 0 || inflight > INFLIGHT_MAX) {
        fprintf(stderr, "usage: exec_bench [N] [INFLIGHT ≤ %d] [floor|exec]\n", INFLIGHT_MAX);
        return 2;
    }
    runner r = {0};
    int leash_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    require(leash_fd >= 0, "leash");
    require(rv_loop_new(&r.loop, NULL) == RV_OK, "loop");
    char mark[40], cgroup[RV_EXEC_CGROUP_SIZE]; /* REEVE_CGROUPS=off shows what they cost */
    snprintf(mark, sizeof mark, "exec-bench-%d", (int)getpid());
    (void)rv_exec_cgroup_path(mark, cgroup, NULL);
    require(rv_exec_new(&(rv_exec_config){.loop = r.loop, .leash_fd = leash_fd, .cgroup = cgroup}, &r.exec, NULL) == RV_OK, "exec");
    double floor_s[ROUNDS] = {0}, exec_s[ROUNDS] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        if (strcmp(only, "exec") != 0)
            floor_s[round] = floor_run(count, inflight);
        if (strcmp(only, "floor") != 0)
            exec_s[round] = exec_run(&r, count, inflight);
    }
    qsort(floor_s, ROUNDS, sizeof *floor_s, compare);
    qsort(exec_s, ROUNDS, sizeof *exec_s, compare);
    double floor_us = floor_s[ROUNDS / 2] / count * 1e6, exec_us = exec_s[ROUNDS / 2] / count * 1e6;
    printf("exec_bench n=%u inflight=%u floor %.1f us executor %.1f us ratio %.3f (medians of %d)\n", count, inflight, floor_us, exec_us,
           floor_us > 0 ? exec_us / floor_us : 0, ROUNDS);
    rv_exec_free(r.exec);
    rv_loop_free(r.loop);
    return 0;
}
