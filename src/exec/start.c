/* The start of an attempt: its slot, its command, its pipes, its child; and the words for what went wrong with them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "exec/inner.h"

const int rv_exec_targets[RV_EXEC_TARGET_COUNT] = {0, 1, 2, RV_EXEC_FD_LEASH, RV_EXEC_FD_JOBS_R, RV_EXEC_FD_JOBS_W};

int rv_exec_duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 3); }

void rv_exec_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void rv_exec_close_later(rv_exec *exec, int *fd)
{
    if (*fd < 0)
        return;
    if (exec->closing_count == RV_EXEC_CLOSING_MAX)
        rv_exec_close_now(exec);
    exec->closing_fds[exec->closing_count++] = *fd;
    *fd = -1;
}

void rv_exec_close_now(rv_exec *exec)
{
    for (uint32_t i = 0; i < exec->closing_count; i++)
        close(exec->closing_fds[i]);
    exec->closing_count = 0;
}

void rv_exec_kill_cgroup(rv_proc *proc)
{
    if (!proc->is_in_cgroup)
        return;
    rv_cgroups_kill(proc->exec->cgroups, proc->index, proc->cgroup_kills);
    proc->is_cgroup_killed = true;
}

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
        proc->cgroup_fd = rv_cgroups_open(exec->cgroups, proc->index, 0);
        rv_vec_push(&exec->procs, proc);
    }
    RV_ASSERT(proc->state == RV_PROC_FREE);
    if (proc->is_cgroup_killed) {
        proc->is_cgroup_killed = false;
        rv_exec_close_fd(&proc->cgroup_fd);
        proc->cgroup_fd = rv_cgroups_open(exec->cgroups, proc->index, ++proc->cgroup_kills);
    }
    proc->pid = 0;
    proc->pidfd = proc->pipe_fds[0] = proc->pipe_fds[1] = -1;
    proc->is_watched = proc->is_ending = proc->is_stopping = proc->is_killing = false;
    proc->leave = spawn->leave;
    proc->is_in_cgroup = false;
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

void rv_exec_set_timer(rv_proc *proc, int64_t due_mono_ms)
{
    if (!proc->timer)
        proc->timer = rv_timer_new(proc->exec->loop, rv_exec_on_timer, proc);
    rv_timer_set(proc->timer, due_mono_ms);
}

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
void rv_exec_explain(rv_exit *exit, const rv_spawn_plan *plan, rv_spawn_step step, int error)
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
    for (size_t i = 0; i < RV_EXEC_TARGET_COUNT; i++)
        if (fd == rv_exec_targets[i])
            return *ret_copy = rv_exec_duplicate(fd);
    return fd;
}

/* envp with `entry` in place of what it may say of `leave` already, inherited from an attempt above; the caller frees it. */
static const char **environment_with_leave(const char *const *envp, const char *entry)
{
    size_t count = 0;
    while (envp[count])
        count++;
    const char **with = rv_alloc((count + 2) * sizeof *with);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(envp[i], RV_EXEC_LEAVE, strlen(RV_EXEC_LEAVE)) != 0)
            with[kept++] = envp[i];
    with[kept] = entry;
    return with;
}

/* Both pipes. 0 or errno. */
static int open_pipes(rv_proc *proc, int write_fds[2])
{
    write_fds[0] = write_fds[1] = -1;
    for (int i = 0; i < 2; i++) {
        int *fds = proc->exec->spare_pipes[i];
        if (fds[0] < 0 && pipe2(fds, O_CLOEXEC) != 0)
            return errno;
        proc->pipe_fds[i] = fds[0];
        write_fds[i] = fds[1];
        fds[0] = fds[1] = -1;
    }
    return 0;
}

/* What need not be done between the end of an attempt and the start of the next: now its child executes, and there is time.
 * The next start closes the write ends in its turn, so that no child is ever given those of another. */
static void prepare_next(rv_exec *exec)
{
    rv_exec_close_now(exec);
    if (exec->failed.count == 0)
        rv_timer_clear(exec->later);
    if (exec->shares_children)
        return; /* a child that the host forks meanwhile would hold the pipes of an attempt that is not its own */
    for (int i = 0; i < 2; i++) {
        int *fds = exec->spare_pipes[i];
        if (fds[0] < 0 && pipe2(fds, O_CLOEXEC) != 0)
            fds[0] = fds[1] = -1; /* the next start tries again, and has somebody to tell */
    }
}

/* Whether what argv[0] is to start is there. 0, or errno; the plan is then that of what is not. */
static int find_held(rv_exec *exec, const rv_spawn *spawn, rv_spawn_plan *plan)
{
    int error = 0;
    const char *command = spawn->held[0];
    rv_buf path = {0};
    if (!strchr(command, '/'))
        error = rv_path_find(exec->paths, command, plan->envp, plan->dir, &error) ? 0 : error;
    else if (command[0] == '/' || !spawn->held_moves) {
        rv_buf_printf(&path, "%s%s%s", command[0] == '/' ? "" : plan->dir, command[0] == '/' ? "" : "/", command);
        struct stat info;
        if (stat(path.at, &info) != 0 || faccessat(AT_FDCWD, path.at, X_OK, AT_EACCESS) != 0)
            error = errno;
        else if (!S_ISREG(info.st_mode))
            error = EACCES;
        if (error) plan->path = command;
    }
    rv_buf_deinit(&path);
    if (error)
        plan->argv = spawn->held;
    return error;
}

/* Find the command. 0, or errno and *ret_step. */
static int find_path(rv_exec *exec, const rv_spawn *spawn, rv_spawn_plan *plan, rv_spawn_step *ret_step)
{
    int error;
    *ret_step = RV_SPAWN_EXEC;
    if (spawn->held && (error = find_held(exec, spawn, plan)) != 0)
        return error;
    plan->path = rv_path_find(exec->paths, plan->argv[0], plan->envp, plan->dir, &error);
    if (plan->path)
        return 0;
    /* A directory that is not there explains more than a command that is not found by way of it. */
    if (access(plan->dir, X_OK) == 0)
        return error;
    *ret_step = RV_SPAWN_DIR;
    return errno;
}

static int start_with_leave(rv_proc *proc, const rv_spawn_plan *plan, rv_spawned *ret)
{
    rv_buf entry = {0};
    rv_buf_printf(&entry, RV_EXEC_LEAVE "%s", proc->mark.size ? proc->mark.at : "");
    const char **envp = environment_with_leave(plan->envp, entry.at);
    rv_spawn_plan with = *plan;
    with.envp = envp;
    int error = rv_spawner_start(proc->exec->spawner, proc->room, &with, ret);
    rv_free(envp);
    rv_buf_deinit(&entry);
    return error;
}

/* 0 or errno and *ret_step; `plan` has what is needed to explain it. */
static int start_child(rv_proc *proc, const rv_spawn *spawn, rv_spawn_plan *plan, rv_spawned *ret, rv_spawn_step *ret_step)
{
    rv_exec *exec = proc->exec;
    int write_fds[2] = {-1, -1}, copies[3] = {-1, -1, -1};
    int error = find_path(exec, spawn, plan, ret_step);
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
        plan->cgroup_fd = spawn->leave ? rv_cgroups_outside(exec->cgroups) : proc->cgroup_fd;
        *ret_step = RV_SPAWN_CLONE;
        error = spawn->leave ? start_with_leave(proc, plan, ret) : rv_spawner_start(exec->spawner, proc->room, plan, ret);
        RV_FAIL_POINT(EXEC_FORKED);
    }
    for (size_t i = 0; i < RV_COUNT(copies); i++)
        rv_exec_close_fd(&copies[i]);
    rv_exec_close_fd(&write_fds[0]);
    rv_exec_close_fd(&write_fds[1]);
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
    rv_exec_close_fd(&proc->pipe_fds[0]);
    rv_exec_close_fd(&proc->pipe_fds[1]);
    rv_exec_explain(&proc->exit, plan, step, error);
    proc->state = RV_PROC_FAILED;
    rv_vec_push(&proc->exec->failed, proc);
    rv_timer_set(proc->exec->later, 0);
}

rv_status rv_exec_start(rv_exec *exec, const rv_spawn *spawn, rv_proc **ret, int64_t *ret_pid, uint64_t *ret_start_ticks,
                        rv_error *err)
{
    RV_ASSERT(spawn->argv[0] != NULL);
    RV_ASSERT(spawn->dir != NULL);
    RV_ASSERT(spawn->grace_ms > 0);
    RV_ASSERT(spawn->ended != NULL);
    if (exec->other)
        return exec->other->start(exec, spawn, ret, ret_pid, ret_start_ticks, err);
    rv_proc *proc = proc_take(exec, spawn);
    if (!proc)
        return rv_error_set(err, RV_NO_MEMORY, "no memory to start %s", spawn->argv[0]);
    rv_spawn_plan plan = {.dir = spawn->dir, .argv = spawn->argv, .envp = spawn->envp, .leash_fd = exec->leash_fd, .cgroup_fd = -1};
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
    proc->is_in_cgroup = spawned.is_in_cgroup && !proc->leave;
    if (!spawned.is_in_cgroup && !proc->leave)
        rv_exec_close_fd(&proc->cgroup_fd); /* refused: the slot goes on without */
    rv_adopt_know(exec, proc->pid, true);
    watch_leader(proc);
    if (proc->leave)
        rv_keeper_note(RV_LEAVE_RUNNING, proc->pid, proc->start_ticks);
    int64_t watch_ms = proc->started_mono_ms + RV_EXEC_WATCH_AFTER_MS;
    if (!exec->is_watch_timer_set || watch_ms < exec->watch_due_mono_ms) {
        exec->is_watch_timer_set = true;
        exec->watch_due_mono_ms = watch_ms;
        rv_timer_set(exec->watch_timer, watch_ms);
    }
    if (spawn->timeout_ms > 0)
        rv_exec_set_timer(proc, proc->started_mono_ms + spawn->timeout_ms);
    prepare_next(exec);
    return RV_OK;
}
