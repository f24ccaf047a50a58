/* The keeper: the engine's parent, which outlives it by as long as it takes to kill what it left (DESIGN 12).
 *
 *     shell ── keeper ──────── engine ── attempts …
 *                 └─ socket ─────┘
 *
 * (1) It does next to nothing: polls its signals, the engine's pidfd and the socket. It opens no file before the engine's
 *     end and has no thread.
 * (2) Both are in the shell's job: one process group. A key (Ctrl-C, Ctrl-Z) reaches both; the keeper leaves the first
 *     to the engine and is stopped and continued by the second with it, so that the shell sees its job stop.
 * (3) What a process sends to the keeper, whose pid is the one that people know, goes on to the engine as a byte.
 * (4) As a subreaper it inherits the attempts' processes when the engine dies, before it can see that death.
 * (5) The socket keeps the borders of messages. Engine → keeper: `message`s. Keeper → engine: one byte each, a signal
 *     number, or in answer to ARM one of the two below, which are no signal numbers. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec/inner.h"

enum { BYTE_ARMED = 200, BYTE_REFUSED = 201 };
enum { MESSAGE_ARM = 100 }; /* else an rv_leave_note */
#define MARK_SIZE_MAX 256
#define PATH_SIZE_MAX 4096

typedef struct message {
    uint32_t kind;
    int32_t pid;
    uint64_t start_ticks;
    char mark[MARK_SIZE_MAX]; /* ARM only, like the path; notes are cut before them */
    char leash_path[PATH_SIZE_MAX];
    char cgroup[RV_EXEC_CGROUP_SIZE];
} message;
#define NOTE_SIZE offsetof(message, mark)

typedef struct keeper {
    pid_t engine;
    int engine_pidfd, channel, signal_fd, lock_fd;
    char mark[MARK_SIZE_MAX], cgroup[RV_EXEC_CGROUP_SIZE];
    rv_sweep_plan plan;
    RV_VEC(rv_leftover) running, left; /* of `leave` attempts */
} keeper;

/* The engine's end of the socket, for notes from exec.c; -1: this process has no keeper. */
static int note_fd = -1;

static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

/* ---- the keeper's side ------------------------------------------------------- */

static void on_signals(keeper *k)
{
    struct signalfd_siginfo info;
    while (read(k->signal_fd, &info, sizeof info) == sizeof info) {
        uint8_t byte = (uint8_t)info.ssi_signo;
        /* keeps (2) and (3); an engine that does not read is not worth waiting for */
        /* A key of the terminal reaches the whole group; a hang-up only the leader of the session, which may be us. */
        if (info.ssi_code != SI_KERNEL || info.ssi_signo == SIGHUP)
            (void)send(k->channel, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static bool arm(keeper *k, const message *m, int lock_fd)
{
    struct stat file;
    if (lock_fd < 0 || stat(m->leash_path, &file) != 0)
        return false;
    if (k->lock_fd >= 0)
        close(k->lock_fd);
    k->lock_fd = lock_fd;
    snprintf(k->mark, sizeof k->mark, "%s", m->mark);
    k->plan.mark = k->mark;
    snprintf(k->cgroup, sizeof k->cgroup, "%s", m->cgroup);
    k->plan.cgroups[0] = k->cgroup;
    k->plan.has_leash = true;
    k->plan.leash_device = file.st_dev;
    k->plan.leash_inode = file.st_ino;
    return true;
}

static void note(keeper *k, const message *m)
{
    rv_leftover entry = {m->pid, m->start_ticks};
    switch ((rv_leave_note)m->kind) {
    case RV_LEAVE_RUNNING:
        rv_vec_push(&k->running, entry);
        return;
    case RV_LEAVE_ENDED:
        for (uint32_t i = 0; i < k->running.count; i++)
            if (k->running.at[i].pid == entry.pid)
                k->running.at[i--] = rv_vec_pop(&k->running);
        return;
    case RV_LEAVE_LEFT:
        rv_vec_push(&k->left, entry);
        return;
    }
}

/* false: the other end is closed */
static bool on_message(keeper *k)
{
    message m = {0};
    union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
    struct iovec part = {&m, sizeof m};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof control.bytes;
    ssize_t size = recvmsg(k->channel, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size <= 0)
        return size < 0 && (errno == EAGAIN || errno == EINTR);
    const struct cmsghdr *item = CMSG_FIRSTHDR(&header);
    int fd = -1;
    if (item && item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS && item->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(item), sizeof fd);
    if (m.kind == MESSAGE_ARM) {
        m.mark[MARK_SIZE_MAX - 1] = m.leash_path[PATH_SIZE_MAX - 1] = m.cgroup[RV_EXEC_CGROUP_SIZE - 1] = 0;
        uint8_t answer = arm(k, &m, fd) ? BYTE_ARMED : BYTE_REFUSED;
        (void)send(k->channel, &answer, 1, MSG_NOSIGNAL);
    } else {
        note(k, &m);
    }
    return true;
}

/* Does nobody live that descends from the engine? An orphan is given to the nearest reaper above it, keeps (4): so whoever is
 * left would be our child now, or have one of our children above it. */
static bool is_alone(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

RV_NORETURN static void keep(keeper *k)
{
    struct pollfd polled[] = {
        {.fd = k->engine_pidfd, .events = POLLIN},
        {.fd = k->signal_fd, .events = POLLIN},
        {.fd = k->channel, .events = POLLIN},
    };
    bool is_open = true;
    do {
        polled[2].fd = is_open ? k->channel : -1;
        if (poll(polled, RV_COUNT(polled), -1) < 0)
            continue;
        if (polled[1].revents)
            on_signals(k);
        if (polled[2].revents)
            is_open = on_message(k);
    } while (!polled[0].revents);
    while (is_open && poll(&polled[2], 1, 0) > 0) /* what it said last */
        is_open = on_message(k);
    int status = 0;
    while (waitpid(k->engine, &status, 0) < 0 && errno == EINTR)
        ;
    k->plan.recorded = k->running.at;
    k->plan.recorded_count = k->running.count;
    k->plan.left = k->left.at;
    k->plan.left_count = k->left.count;
    uint32_t killed = 0;
    rv_error err;
    /* To look at every process of the machine takes longer than a short run: not after an engine that ended in order. */
    bool has_all_ended = WIFEXITED(status) && is_alone();
    if (!has_all_ended && rv_sweep(&k->plan, &killed, &err) != RV_OK)
        dprintf(2, "reeve: %s\n", err.text);
    if (has_all_ended && k->cgroup[0])
        (void)rv_cgroup_remove(k->cgroup, 0); /* an engine that exits at once leaves it */
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* ---- the engine's side ------------------------------------------------------- */

/* Both sides, before the fork: the socket, and the keeper's signals blocked, so that none is lost in between. */
static rv_status prepare(int fds[2], int *ret_signal_fd, sigset_t *ret_before, rv_error *err)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return rv_error_set(err, RV_UNSUPPORTED, "cannot become the reaper of orphans: %s", strerror(errno));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return rv_error_set(err, RV_UNAVAILABLE, "cannot make a channel to the keeper: %s", strerror(errno));
    sigset_t signals;
    sigemptyset(&signals);
    for (size_t i = 0; i < RV_COUNT(forwarded); i++)
        sigaddset(&signals, forwarded[i]);
    *ret_signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (*ret_signal_fd < 0) {
        close(fds[0]);
        close(fds[1]);
        return rv_error_set(err, RV_UNAVAILABLE, "cannot read signals: %s", strerror(errno));
    }
    sigprocmask(SIG_BLOCK, &signals, ret_before);
    return RV_OK;
}

rv_status rv_keeper_fork(int *ret_keeper_fd, rv_error *err)
{
    int fds[2], signal_fd = -1;
    sigset_t before;
    rv_status status = prepare(fds, &signal_fd, &before, err);
    if (status != RV_OK)
        return status;
    signal(SIGCHLD, SIG_DFL); /* ignored, as some parents leave it, it would take the engine's status from us */
    pid_t pid = fork();
    if (pid > 0) {
        close(fds[1]);
        keeper k = {.engine = pid, .engine_pidfd = rv_pidfd_open(pid), .channel = fds[0], .signal_fd = signal_fd, .lock_fd = -1};
        rv_process engine;
        k.plan.takes_children = rv_process_read(pid, &engine);
        k.plan.children_ticks = k.plan.takes_children ? engine.start_ticks : 0;
        RV_ASSERT(k.engine_pidfd >= 0);
        keep(&k);
    }
    close(signal_fd);
    close(fds[0]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        close(fds[1]);
        return rv_error_set(err, RV_UNAVAILABLE, "cannot fork: %s", strerror(errno));
    }
    RV_ASSERT(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0); /* fork does not hand it down */
    note_fd = fds[1];
    *ret_keeper_fd = fds[1];
    return RV_OK;
}

rv_status rv_keeper_arm(int keeper_fd, int lock_fd, const char *leash_path, const char *mark, const char *cgroup, rv_error *err)
{
    message m = {.kind = MESSAGE_ARM};
    if (strlen(leash_path) >= PATH_SIZE_MAX || strlen(mark) >= MARK_SIZE_MAX || (cgroup && strlen(cgroup) >= RV_EXEC_CGROUP_SIZE))
        return rv_error_set(err, RV_LIMIT, "%s: path too long for the keeper (%d bytes)", leash_path, PATH_SIZE_MAX - 1);
    memcpy(m.leash_path, leash_path, strlen(leash_path));
    memcpy(m.mark, mark, strlen(mark));
    if (cgroup)
        memcpy(m.cgroup, cgroup, strlen(cgroup));
    union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = {0};
    struct iovec part = {&m, sizeof m};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof control.bytes;
    struct cmsghdr *item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof lock_fd);
    memcpy(CMSG_DATA(item), &lock_fd, sizeof lock_fd);
    ssize_t size;
    while ((size = sendmsg(keeper_fd, &header, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    for (uint8_t byte = 0; size > 0;) {
        while ((size = recv(keeper_fd, &byte, 1, 0)) < 0 && errno == EINTR)
            ;
        if (size == 1 && byte == BYTE_ARMED)
            return RV_OK;
        if (size == 1 && byte == BYTE_REFUSED)
            return rv_error_set(err, RV_NOT_FOUND, "the keeper cannot see the leash %s", leash_path);
        if (size == 1)
            (void)raise(byte); /* forwarded meanwhile: whoever takes signals here gets it now */
    }
    return rv_error_set(err, RV_UNAVAILABLE, "the keeper is gone");
}

void rv_keeper_note(rv_leave_note kind, pid_t pid, uint64_t start_ticks)
{
    if (note_fd < 0)
        return;
    message m = {.kind = kind, .pid = pid, .start_ticks = start_ticks};
    (void)send(note_fd, &m, NOTE_SIZE, MSG_NOSIGNAL);
}
