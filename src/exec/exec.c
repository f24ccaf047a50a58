/* Attempts: start, output, stop, the end. The header is the contract; adopt.c has what becomes of orphans.
 *
 *          start                leader ended,            last orphan
 *   FREE ────────▶ RUNNING ───── some are left ──▶ SWEEPING ──── reaped ──▶ ended, FREE
 *     │               └────────── none is left ─────────────────────────────▶
 *     └─ could not ─▶ FAILED ── next iteration ──▶ ended, FREE
 *
 * What an attempt costs is mostly the kernel's: clone, execve, exit. Of the rest this is the plan:
 *   - The child executes beside us, see spawn.c: that its program cannot be executed is learned at its end.
 *   - One epoll instance of our own, nested in the loop. The pidfd is registered for one event, so that close is enough
 *     to be rid of it; an event that was collected before is told by its generation.
 *   - The pipes are watched only when the attempt has lived for WATCH_AFTER_MS: most short ones have ended by then, and
 *     one wake-up and one poll take the place of three wake-ups and two reads.
 *   - No look at /proc, no kill: see adopt.c for how little it takes to know that nothing is left.
 *   - Slots, timers and buffers are reused. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <linux/magic.h>
#include <poll.h>
#include <unistd.h>

#include "exec/inner.h"

#define OUTPUT_SIZE ((size_t)64 << 10)
#define WATCH_AFTER_MS 5
#define EVENTS_MAX 64
#define READS_PER_EVENT 4
#define READS_AT_END_MAX 4096 /* 256 MiB: more than any pipe holds; bounds a holder that we could not find */
#define FREE_TIMEOUT_MS 10000

static void on_events(void *user, int events);
static void on_later(void *user);
static void on_watch_timer(void *user);
static void on_proc_timer(void *user);

/* ---- life ------------------------------------------------------------------ */

static const int held_targets[] = {0, 1, 2, RV_EXEC_FD_LEASH, RV_EXEC_FD_JOBS_R, RV_EXEC_FD_JOBS_W};

/* No descriptor that we open later may be one that a child's dup3 writes over before it is used as a source. Those that
 * are free are taken by /dev/null; null_fd itself may be one of them. */
static void hold_targets(rv_exec *exec, int null_fd)
{
    for (size_t i = 0; i < RV_COUNT(held_targets); i++) {
        if (held_targets[i] == null_fd)
            exec->held_fds[i] = null_fd;
        else if (fcntl(held_targets[i], F_GETFD) < 0 && errno == EBADF)
            exec->held_fds[i] = fcntl(null_fd, F_DUPFD_CLOEXEC, held_targets[i]);
    }
}

static void close_unless_held(const rv_exec *exec, int fd)
{
    for (size_t i = 0; i < RV_COUNT(held_targets); i++)
        if (exec->held_fds[i] == fd)
            return;
    close(fd);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* /proc/loadavg may be somebody else's file (a container's filter): then its last word means nothing. */
static int open_loadavg(void)
{
    int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    struct statfs system;
    if (fd >= 0 && (fstatfs(fd, &system) != 0 || system.f_type != PROC_SUPER_MAGIC))
        close_fd(&fd);
    return fd;
}

/* A duplicate that is none of the targets, now that they are all taken. */
static int duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 3); }

static rv_status open_descriptors(rv_exec *exec, int leash_fd, rv_error *err)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return rv_error_set(err, RV_UNAVAILABLE, "cannot open /dev/null: %s", strerror(errno));
    hold_targets(exec, null_fd);
    exec->null_fd = duplicate(null_fd);
    exec->leash_fd = duplicate(leash_fd);
    close_unless_held(exec, null_fd);
    if (exec->null_fd < 0 || exec->leash_fd < 0)
        return rv_error_set(err, RV_UNAVAILABLE, "cannot duplicate the leash: %s", strerror(errno));
    exec->loadavg_fd = open_loadavg();
    exec->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (exec->epoll_fd < 0)
        return rv_error_set(err, RV_UNAVAILABLE, "cannot watch processes: %s", strerror(errno));
    return rv_watch_start(exec->loop, exec->epoll_fd, RV_LOOP_READ, on_events, exec, &exec->watch, err);
}

rv_status rv_exec_new(const rv_exec_config *config, rv_exec **ret, rv_error *err)
{
    RV_ASSERT(config->leash_fd >= 0);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return rv_error_set(err, RV_UNSUPPORTED, "cannot become the reaper of orphans: %s", strerror(errno));
    struct sigaction child_signal;
    /* Ignored, as some shells leave it, it would reap our children before we can ask how they ended. */
    if (sigaction(SIGCHLD, NULL, &child_signal) == 0 && child_signal.sa_handler == SIG_IGN)
        signal(SIGCHLD, SIG_DFL);
    rv_exec *exec = rv_alloc(sizeof *exec);
    exec->loop = config->loop;
    exec->shares_children = config->shares_children;
    exec->epoll_fd = exec->null_fd = exec->leash_fd = exec->loadavg_fd = -1;
    for (size_t i = 0; i < RV_COUNT(held_targets); i++)
        exec->held_fds[i] = -1;
    exec->paths = rv_path_cache_new();
    exec->output = rv_alloc(OUTPUT_SIZE);
    exec->later = rv_timer_new(exec->loop, on_later, exec);
    exec->watch_timer = rv_timer_new(exec->loop, on_watch_timer, exec);
    exec->spawner = rv_spawner_new();
    rv_status status = open_descriptors(exec, config->leash_fd, err);
    if (status != RV_OK) {
        rv_exec_free(exec);
        return status;
    }
    *ret = exec;
    return RV_OK;
}

/* Kill and reap all that is left, waiting; at most FREE_TIMEOUT_MS, after which they are the keeper's. */
static void end_all(rv_exec *exec)
{
    int64_t deadline_ms = rv_loop_mono_ms(exec->loop) + FREE_TIMEOUT_MS;
    while (exec->live && rv_loop_mono_ms(exec->loop) < deadline_ms) {
        for (uint32_t i = 0; i < exec->procs.count; i++) {
            rv_proc *proc = exec->procs.at[i];
            proc->ended = NULL;
            proc->output = NULL;
            if (proc->state == RV_PROC_RUNNING || proc->state == RV_PROC_SWEEPING)
                rv_exec_stop(proc, RV_STOP_CANCEL, 0);
        }
        on_later(exec);
        struct pollfd wait = {.fd = exec->epoll_fd, .events = POLLIN};
        if (exec->live && poll(&wait, 1, 100) > 0)
            on_events(exec, RV_LOOP_READ);
    }
}

void rv_exec_free(rv_exec *exec)
{
    if (!exec)
        return;
    end_all(exec);
    for (uint32_t i = 0; i < exec->orphans.count; i++)
        if (exec->orphans.at[i].owner != RV_ORPHAN_FREE)
            close_fd(&exec->orphans.at[i].pidfd);
    rv_watch_end(exec->watch);
    rv_timer_free(exec->later);
    rv_timer_free(exec->watch_timer);
    for (uint32_t i = 0; i < exec->procs.count; i++) {
        rv_timer_free(exec->procs.at[i]->timer);
        rv_buf_deinit(&exec->procs.at[i]->mark);
        rv_spawn_room_free(exec->procs.at[i]->room);
        rv_free(exec->procs.at[i]);
    }
    int *fds[] = {&exec->epoll_fd, &exec->null_fd, &exec->leash_fd, &exec->loadavg_fd};
    for (size_t i = 0; i < RV_COUNT(fds); i++)
        close_fd(fds[i]);
    for (size_t i = 0; i < RV_COUNT(held_targets); i++)
        close_fd(&exec->held_fds[i]);
    rv_spawner_free(exec->spawner);
    rv_path_cache_free(exec->paths);
    rv_vec_deinit(&exec->procs);
    rv_vec_deinit(&exec->free_procs);
    rv_vec_deinit(&exec->ending);
    rv_vec_deinit(&exec->settling);
    rv_vec_deinit(&exec->failed);
    rv_vec_deinit(&exec->orphans);
    rv_vec_deinit(&exec->free_orphans);
    rv_buf_deinit(&exec->environ_bytes);
    rv_free(exec->known);
    rv_free(exec->output);
    rv_free(exec);
}

uint32_t rv_exec_live(const rv_exec *exec) { return exec->live; }

/* ---- slots ----------------------------------------------------------------- */

/* NULL: no memory for the room of its child */
static rv_proc *proc_take(rv_exec *exec, const rv_spawn *spawn)
{
    rv_proc *proc;
    if (exec->free_procs.count) {
        proc = exec->procs.at[rv_vec_pop(&exec->free_procs)];
    } else {
        rv_spawn_room *room = rv_spawn_room_new();
        if (!room)
            return NULL;
        proc = rv_alloc(sizeof *proc);
        proc->room = room;
        proc->exec = exec;
        proc->index = exec->procs.count;
        rv_vec_push(&exec->procs, proc);
    }
    RV_ASSERT(proc->state == RV_PROC_FREE);
    proc->pid = 0;
    proc->pidfd = proc->pipe_fds[0] = proc->pipe_fds[1] = -1;
    proc->is_watched = proc->is_ending = proc->is_stopping = proc->is_killing = false;
    proc->leave = spawn->leave;
    proc->start_ticks = 0;
    proc->started_mono_ms = rv_loop_mono_ms(exec->loop);
    proc->kill_due_mono_ms = INT64_MAX;
    proc->grace_ms = spawn->grace_ms;
    rv_buf_clear(&proc->mark);
    if (spawn->mark)
        rv_buf_cstring(&proc->mark, spawn->mark);
    proc->output = spawn->output;
    proc->ended = spawn->ended;
    proc->user = spawn->user;
    proc->exit = (rv_exit){.exit_status = -1, .signal = -1, .started_ms = rv_loop_wall_ms(exec->loop)};
    exec->live++;
    return proc;
}

/* The slot is free before its owner hears of the end, so that the next attempt can take it from within that call. */
static void proc_end(rv_proc *proc)
{
    rv_exec *exec = proc->exec;
    rv_ended_fn *ended = proc->ended;
    void *user = proc->user;
    proc->exit.ended_ms = rv_loop_wall_ms(exec->loop);
    rv_exit exit = proc->exit;
    if (proc->timer)
        rv_timer_clear(proc->timer);
    if (proc->leave && proc->pid)
        rv_keeper_note(RV_LEAVE_ENDED, proc->pid, proc->start_ticks);
    proc->state = RV_PROC_FREE;
    proc->generation++;
    RV_ASSERT(exec->live > 0);
    exec->live--;
    rv_vec_push(&exec->free_procs, proc->index);
    if (ended)
        ended(user, &exit);
}

static void set_timer(rv_proc *proc, int64_t due_mono_ms)
{
    if (!proc->timer)
        proc->timer = rv_timer_new(proc->exec->loop, on_proc_timer, proc);
    rv_timer_set(proc->timer, due_mono_ms);
}

/* ---- start ----------------------------------------------------------------- */

static bool is_transient(int error)
{
    switch (error) {
    case EAGAIN: case ENOMEM: case EMFILE: case ENFILE: case EINTR: case EIO: case ETXTBSY: case ENOSPC: case EUSERS:
        return true;
    default:
        return false;
    }
}

/* What people read when the program was not executed; plan->path is NULL when there was none to be found. */
static void explain_exec(char *text, size_t size, const rv_spawn_plan *plan, int error)
{
    const char *command = plan->argv[0], *path = plan->path;
    if (!path && error == EACCES)
        snprintf(text, size, "command %s: found in PATH, but it may not be executed (PATH=%s)", command, rv_path_of(plan->envp));
    else if (!path)
        snprintf(text, size, "command %s: not found in PATH (PATH=%s)", command, rv_path_of(plan->envp));
    else if (error == ENOENT && path[0] == '/' && access(path, F_OK) == 0)
        snprintf(text, size, "command %s: %s is there, but the interpreter that it names is not", command, path);
    else if (error == ENOENT)
        snprintf(text, size, "command %s: no such file (in directory %s)", command, plan->dir);
    else if (error == EACCES)
        snprintf(text, size, "command %s: %s may not be executed (permission denied)", command, path);
    else if (error == ENOEXEC)
        snprintf(text, size, "command %s: %s is not a program; a script begins with #! and its interpreter", command, path);
    else if (error == E2BIG)
        snprintf(text, size, "command %s: arguments and environment are larger than the system takes", command);
    else
        snprintf(text, size, "command %s: %s: %s", command, path, strerror(error));
}

/* What people read when an attempt did not start. */
static void explain(rv_exit *exit, const rv_spawn_plan *plan, rv_spawn_step step, int error)
{
    char *text = exit->error_text;
    size_t size = sizeof exit->error_text;
    exit->exit_status = exit->signal = -1;
    exit->error = is_transient(error) ? RV_DETAIL_UNAVAILABLE : RV_DETAIL_START;
    switch (step) {
    case RV_SPAWN_DIR:
        snprintf(text, size, "working directory %s: %s", plan->dir, strerror(error));
        return;
    case RV_SPAWN_EXEC:
        explain_exec(text, size, plan, error);
        return;
    case RV_SPAWN_CLONE:
    case RV_SPAWN_GROUP:
    case RV_SPAWN_DESCRIPTORS:
        exit->error = RV_DETAIL_UNAVAILABLE;
        snprintf(text, size, "cannot start %s: %s", plan->argv[0], strerror(error));
        return;
    }
}

/* A copy beside the targets when `fd` is one of them. *ret_copy: to be closed after the start. */
static int source_fd(int fd, int *ret_copy)
{
    *ret_copy = -1;
    for (size_t i = 0; i < RV_COUNT(held_targets); i++)
        if (fd == held_targets[i])
            return *ret_copy = duplicate(fd);
    return fd;
}

/* envp with the mark of `leave`; the caller frees it. */
static const char **environment_with_leave(const char *const *envp)
{
    size_t count = 0;
    while (envp[count])
        count++;
    const char **with = rv_alloc((count + 2) * sizeof *with);
    memcpy(with, envp, count * sizeof *with);
    with[count] = RV_EXEC_LEAVE_MARK;
    return with;
}

/* Both pipes. 0 or errno. */
static int open_pipes(rv_proc *proc, int write_fds[2])
{
    write_fds[0] = write_fds[1] = -1;
    for (int i = 0; i < 2; i++) {
        int fds[2];
        if (pipe2(fds, O_CLOEXEC) != 0)
            return errno;
        proc->pipe_fds[i] = fds[0];
        write_fds[i] = fds[1];
    }
    return 0;
}

/* Find the command. 0, or errno and *ret_step. */
static int find_path(rv_exec *exec, rv_spawn_plan *plan, rv_spawn_step *ret_step)
{
    int error;
    *ret_step = RV_SPAWN_EXEC;
    plan->path = rv_path_find(exec->paths, plan->argv[0], plan->envp, plan->dir, &error);
    if (plan->path)
        return 0;
    /* A directory that is not there explains more than a command that is not found by way of it. */
    if (access(plan->dir, X_OK) == 0)
        return error;
    *ret_step = RV_SPAWN_DIR;
    return errno;
}

/* 0 or errno and *ret_step; `plan` has what is needed to explain it. */
static int start_child(rv_proc *proc, const rv_spawn *spawn, rv_spawn_plan *plan, rv_spawned *ret, rv_spawn_step *ret_step)
{
    rv_exec *exec = proc->exec;
    int write_fds[2] = {-1, -1}, copies[3] = {-1, -1, -1};
    int error = find_path(exec, plan, ret_step);
    if (error == 0) {
        *ret_step = RV_SPAWN_DESCRIPTORS;
        error = open_pipes(proc, write_fds);
    }
    if (error == 0) {
        plan->fds[0] = spawn->stdin_fd < 0 ? exec->null_fd : source_fd(spawn->stdin_fd, &copies[0]);
        plan->fds[1] = write_fds[0];
        plan->fds[2] = write_fds[1];
        plan->jobs_fds[0] = spawn->jobs_fds[0] < 0 ? -1 : source_fd(spawn->jobs_fds[0], &copies[1]);
        plan->jobs_fds[1] = spawn->jobs_fds[0] < 0 ? -1 : source_fd(spawn->jobs_fds[1], &copies[2]);
        const char **envp = spawn->leave ? environment_with_leave(spawn->envp) : NULL;
        if (envp)
            plan->envp = envp;
        *ret_step = RV_SPAWN_CLONE;
        error = rv_spawner_start(exec->spawner, proc->room, plan, ret);
        plan->envp = spawn->envp;
        rv_free(envp);
    }
    for (size_t i = 0; i < RV_COUNT(copies); i++)
        close_fd(&copies[i]);
    close_fd(&write_fds[0]);
    close_fd(&write_fds[1]);
    return error;
}

/* Once: a leader's end is one event, and no close of ours has to take the registration away. */
static void watch_leader(rv_proc *proc)
{
    struct epoll_event event = {EPOLLIN | EPOLLONESHOT, {.u64 = rv_event_pack(RV_EVENT_LEADER, proc->index, proc->generation)}};
    RV_ASSERT(epoll_ctl(proc->exec->epoll_fd, EPOLL_CTL_ADD, proc->pidfd, &event) == 0);
}

static void not_started(rv_proc *proc, const rv_spawn_plan *plan, rv_spawn_step step, int error)
{
    close_fd(&proc->pipe_fds[0]);
    close_fd(&proc->pipe_fds[1]);
    explain(&proc->exit, plan, step, error);
    proc->state = RV_PROC_FAILED;
    rv_vec_push(&proc->exec->failed, proc);
    rv_timer_set(proc->exec->later, 0);
}

rv_status rv_exec_start(rv_exec *exec, const rv_spawn *spawn, rv_proc **ret, int64_t *ret_pid, uint64_t *ret_start_ticks, rv_error *err)
{
    RV_ASSERT(spawn->argv[0] != NULL);
    RV_ASSERT(spawn->dir != NULL);
    RV_ASSERT(spawn->grace_ms > 0);
    RV_ASSERT(spawn->ended != NULL);
    rv_proc *proc = proc_take(exec, spawn);
    if (!proc)
        return rv_error_set(err, RV_NO_MEMORY, "no memory to start %s", spawn->argv[0]);
    rv_spawn_plan plan = {.dir = spawn->dir, .argv = spawn->argv, .envp = spawn->envp, .leash_fd = exec->leash_fd};
    rv_spawned spawned = {0};
    rv_spawn_step step;
    int error = start_child(proc, spawn, &plan, &spawned, &step);
    *ret = proc;
    *ret_pid = spawned.pid;
    *ret_start_ticks = spawned.start_ticks;
    if (error) {
        not_started(proc, &plan, step, error);
        return RV_OK;
    }
    proc->state = RV_PROC_RUNNING;
    proc->pid = spawned.pid;
    proc->pidfd = spawned.pidfd;
    proc->start_ticks = spawned.start_ticks;
    rv_adopt_know(exec, proc->pid, true);
    watch_leader(proc);
    if (proc->leave)
        rv_keeper_note(RV_LEAVE_RUNNING, proc->pid, proc->start_ticks);
    if (!exec->is_watch_timer_set) {
        exec->is_watch_timer_set = true;
        rv_timer_set(exec->watch_timer, proc->started_mono_ms + WATCH_AFTER_MS);
    }
    if (spawn->timeout_ms > 0)
        set_timer(proc, proc->started_mono_ms + spawn->timeout_ms);
    return RV_OK;
}

/* ---- output ---------------------------------------------------------------- */

static void capture_failed(rv_proc *proc, int error)
{
    if (proc->exit.error != RV_DETAIL_NONE)
        return;
    proc->exit.error = RV_DETAIL_CAPTURE;
    snprintf(proc->exit.error_text, sizeof proc->exit.error_text, "cannot read its output: %s", strerror(error));
}

/* A child that was started just now may hold a copy of it for a moment longer, and with it the registration. */
static void close_pipe(rv_proc *proc, int which)
{
    if (proc->is_watched && proc->pipe_fds[which] >= 0)
        (void)epoll_ctl(proc->exec->epoll_fd, EPOLL_CTL_DEL, proc->pipe_fds[which], NULL);
    close_fd(&proc->pipe_fds[which]);
}

/* At most `reads` reads. The pipe is closed at its end. */
static void read_pipe(rv_proc *proc, int which, uint32_t reads)
{
    rv_exec *exec = proc->exec;
    for (uint32_t i = 0; i < reads; i++) {
        ssize_t size = read(proc->pipe_fds[which], exec->output, OUTPUT_SIZE);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size <= 0) {
            if (size < 0)
                capture_failed(proc, errno);
            close_pipe(proc, which);
            return;
        }
        if (proc->output)
            proc->output(proc->user, which + 1, (rv_str){exec->output, (size_t)size});
    }
}

static void set_nonblocking(int fd)
{
    int on = 1;
    RV_ASSERT(ioctl(fd, FIONBIO, &on) == 0);
}

/* Nobody who may write is left: what is in the pipes is all there is. */
static void drain_pipes(rv_proc *proc)
{
    struct pollfd ends[2] = {{.fd = proc->pipe_fds[0], .events = POLLIN}, {.fd = proc->pipe_fds[1], .events = POLLIN}};
    (void)poll(ends, 2, 0);
    for (int i = 0; i < 2; i++) {
        if (proc->pipe_fds[i] >= 0 && ends[i].revents != POLLHUP) {
            if (!(ends[i].revents & POLLHUP))
                set_nonblocking(proc->pipe_fds[i]); /* handed to a stranger, through a socket: it is cut */
            read_pipe(proc, i, READS_AT_END_MAX);
        }
        close_pipe(proc, i);
    }
}

static void watch_pipes(rv_proc *proc)
{
    proc->is_watched = true;
    for (int i = 0; i < 2; i++) {
        set_nonblocking(proc->pipe_fds[i]);
        struct epoll_event event = {EPOLLIN, {.u64 = rv_event_pack(RV_EVENT_STDOUT + (uint32_t)i, proc->index, proc->generation)}};
        RV_ASSERT(epoll_ctl(proc->exec->epoll_fd, EPOLL_CTL_ADD, proc->pipe_fds[i], &event) == 0);
    }
}

static void on_watch_timer(void *user)
{
    rv_exec *exec = user;
    int64_t now_ms = rv_loop_mono_ms(exec->loop), next_ms = INT64_MAX;
    for (uint32_t i = 0; i < exec->procs.count; i++) {
        rv_proc *proc = exec->procs.at[i];
        if (proc->state != RV_PROC_RUNNING || proc->is_watched)
            continue;
        int64_t due_ms = proc->started_mono_ms + WATCH_AFTER_MS;
        if (due_ms <= now_ms)
            watch_pipes(proc);
        else
            next_ms = RV_MIN(next_ms, due_ms);
    }
    exec->is_watch_timer_set = next_ms != INT64_MAX;
    if (exec->is_watch_timer_set)
        rv_timer_set(exec->watch_timer, next_ms);
}

/* ---- stop ------------------------------------------------------------------ */

/* To everybody of the attempt that can be named now. Its leader was not reaped, so the group's number is its own. Before
 * the child has made its group it is told alone. */
static void signal_group(rv_proc *proc, int number)
{
    RV_ASSERT(proc->state == RV_PROC_RUNNING);
    /* One that moved to another group still is the leader's process; told once, since a handler runs once each time. */
    if (getpgid(proc->pid) != proc->pid)
        (void)rv_pidfd_signal(proc->pidfd, number);
    (void)kill(-proc->pid, number);
}

static void kill_now(rv_proc *proc)
{
    proc->is_killing = true;
    if (proc->state == RV_PROC_RUNNING)
        signal_group(proc, SIGKILL);
    rv_adopt_signal(proc->exec, proc, SIGKILL);
}

void rv_exec_stop(rv_proc *proc, rv_stop_reason reason, int64_t grace_ms)
{
    RV_ASSERT(reason != RV_STOP_NONE);
    if (proc->state == RV_PROC_FREE || proc->state == RV_PROC_FAILED || proc->is_killing)
        return;
    bool is_first = !proc->is_stopping;
    if (is_first) {
        proc->is_stopping = true;
        proc->exit.stopped = reason;
        if (proc->state == RV_PROC_RUNNING && grace_ms != 0) {
            signal_group(proc, SIGTERM);
            signal_group(proc, SIGCONT); /* a stopped process hears nothing */
        }
    }
    int64_t due_ms = rv_loop_mono_ms(proc->exec->loop) + (grace_ms < 0 ? proc->grace_ms : grace_ms);
    proc->kill_due_mono_ms = RV_MIN(proc->kill_due_mono_ms, due_ms);
    if (grace_ms == 0)
        kill_now(proc);
    else
        set_timer(proc, proc->kill_due_mono_ms);
}

static void on_proc_timer(void *user)
{
    rv_proc *proc = user;
    if (proc->is_stopping)
        kill_now(proc);
    else
        rv_exec_stop(proc, RV_STOP_TIMEOUT, -1);
}

/* ---- the end --------------------------------------------------------------- */

static void reap_leader(rv_proc *proc)
{
    struct rusage usage;
    int status;
    pid_t reaped;
    do
        reaped = wait4(proc->pid, &status, 0, &usage);
    while (reaped < 0 && errno == EINTR);
    RV_ASSERT(reaped == proc->pid);
    close_fd(&proc->pidfd);
    rv_adopt_know(proc->exec, proc->pid, false);
    rv_exit *exit = &proc->exit;
    rv_spawn_step step;
    int error = rv_spawn_failure(proc->room, &step);
    if (error)
        explain(exit, rv_spawn_room_plan(proc->room), step, error);
    else if (WIFEXITED(status))
        exit->exit_status = WEXITSTATUS(status);
    else
        exit->signal = WTERMSIG(status);
    exit->user_us += (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec;
    exit->system_us += (uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec;
    exit->rss_max = RV_MAX(exit->rss_max, (uint64_t)usage.ru_maxrss * 1024);
}

/* The leader, or an orphan, of `proc` has ended, and a scan was made since: end it, or see to those that are left. */
static void settle(rv_proc *proc)
{
    rv_exec *exec = proc->exec;
    uint32_t left = rv_adopt_claim(exec, proc);
    bool has_grace = proc->is_stopping && !proc->is_killing;
    if (left && !has_grace) {
        proc->is_killing = true;
        if (proc->state == RV_PROC_RUNNING)
            (void)kill(-proc->pid, SIGKILL); /* those of the group that descend from orphans; the zombie holds the number */
    }
    if (proc->state == RV_PROC_RUNNING) {
        reap_leader(proc);
        proc->state = RV_PROC_SWEEPING;
    }
    if (left) {
        rv_adopt_signal(exec, proc, has_grace ? SIGTERM : SIGKILL);
        if (!proc->is_watched)
            watch_pipes(proc);
        return;
    }
    drain_pipes(proc);
    proc_end(proc);
}

static void settle_all(rv_exec *exec)
{
    while (exec->ending.count) {
        /* `ended` calls back into us; what ends meanwhile goes into a list of its own */
        rv_vec_clear(&exec->settling);
        for (uint32_t i = 0; i < exec->ending.count; i++) {
            exec->ending.at[i]->is_ending = false;
            rv_vec_push(&exec->settling, exec->ending.at[i]);
        }
        rv_vec_clear(&exec->ending);
        rv_adopt_scan(exec, exec->settling.at, exec->settling.count);
        for (uint32_t i = 0; i < exec->settling.count; i++)
            settle(exec->settling.at[i]);
    }
}

static void mark_ending(rv_proc *proc)
{
    if (proc->is_ending)
        return;
    proc->is_ending = true;
    rv_vec_push(&proc->exec->ending, proc);
}

static void on_event(rv_exec *exec, uint64_t data)
{
    uint32_t kind = data & 3, index = (uint32_t)data >> 2, generation = (uint32_t)(data >> 32);
    if (kind == RV_EVENT_ORPHAN) {
        if (exec->orphans.at[index].generation != generation)
            return;
        rv_proc *owner = rv_adopt_ended(exec, index);
        if (owner && owner->state == RV_PROC_SWEEPING)
            mark_ending(owner);
        return;
    }
    rv_proc *proc = exec->procs.at[index];
    if (proc->generation != generation)
        return;
    if (kind == RV_EVENT_LEADER) {
        if (proc->state == RV_PROC_RUNNING)
            mark_ending(proc);
    } else if (proc->pipe_fds[kind] >= 0) {
        read_pipe(proc, (int)kind, READS_PER_EVENT);
    }
}

static void on_events(void *user, int wanted)
{
    rv_exec *exec = user;
    struct epoll_event events[EVENTS_MAX];
    (void)wanted;
    int count = epoll_wait(exec->epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++)
        on_event(exec, events[i].data.u64);
    settle_all(exec);
}

static void on_later(void *user)
{
    rv_exec *exec = user;
    uint32_t count = exec->failed.count; /* one that fails from within `ended` has its turn in the next iteration */
    for (uint32_t i = 0; i < count; i++)
        proc_end(exec->failed.at[i]);
    exec->failed.count -= count;
    memmove(exec->failed.at, exec->failed.at + count, exec->failed.count * sizeof *exec->failed.at);
}
