/* Attempts: output, stop, the end. The header is the contract; start.c begins them, adopt.c has what becomes of orphans.
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
 *   - The pipes are watched only when the attempt has lived for RV_EXEC_WATCH_AFTER_MS: most short ones have ended by then, and
 *     one wake-up and one poll take the place of three wake-ups and two reads.
 *   - What can wait is done while the next child executes: closing what the last one left, and making the pipes of the next.
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
#define EVENTS_MAX 64
#define LONG_MS 1000 /* from this age on, orphans of an attempt are reaped while it lives */
#define READS_PER_EVENT 4
#define READS_AT_END_MAX 4096 /* 256 MiB: more than any pipe holds; bounds a holder that we could not find */
#define FREE_TIMEOUT_MS 10000
#define CLOSE_AFTER_MS 2 /* when no start comes first */

static void on_events(void *user, int events);
static void on_later(void *user);
static void on_watch_timer(void *user);

/* ---- life ------------------------------------------------------------------ */

/* No descriptor that we open later may be one that a child's dup3 writes over before it is used as a source. Those that
 * are free are taken by /dev/null; null_fd itself may be one of them. */
static void hold_targets(rv_exec *exec, int null_fd)
{
    for (size_t i = 0; i < RV_EXEC_TARGET_COUNT; i++) {
        if (rv_exec_targets[i] == null_fd)
            exec->held_fds[i] = null_fd;
        else if (fcntl(rv_exec_targets[i], F_GETFD) < 0 && errno == EBADF)
            exec->held_fds[i] = fcntl(null_fd, F_DUPFD_CLOEXEC, rv_exec_targets[i]);
    }
}

static void close_unless_held(const rv_exec *exec, int fd)
{
    for (size_t i = 0; i < RV_EXEC_TARGET_COUNT; i++)
        if (exec->held_fds[i] == fd)
            return;
    close(fd);
}

/* /proc/loadavg may be somebody else's file (a container's filter): then its last word means nothing. */
static int open_loadavg(void)
{
    int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    struct statfs system;
    if (fd >= 0 && (fstatfs(fd, &system) != 0 || system.f_type != PROC_SUPER_MAGIC))
        rv_exec_close_fd(&fd);
    return fd;
}

static rv_status open_descriptors(rv_exec *exec, int leash_fd, rv_error *err)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return rv_error_set(err, RV_UNAVAILABLE, "cannot open /dev/null: %s", strerror(errno));
    hold_targets(exec, null_fd);
    exec->null_fd = rv_exec_duplicate(null_fd);
    exec->leash_fd = rv_exec_duplicate(leash_fd);
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
    memset(exec->spare_pipes, -1, sizeof exec->spare_pipes);
    for (size_t i = 0; i < RV_EXEC_TARGET_COUNT; i++)
        exec->held_fds[i] = -1;
    exec->paths = rv_path_cache_new();
    exec->output = rv_alloc(OUTPUT_SIZE);
    exec->later = rv_timer_new(exec->loop, on_later, exec);
    exec->watch_timer = rv_timer_new(exec->loop, on_watch_timer, exec);
    exec->spawner = rv_spawner_new();
    exec->cgroups = rv_cgroups_new(config->cgroup, exec->spawner);
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
    if (exec->other) {
        exec->other->free(exec);
        return;
    }
    end_all(exec);
    rv_cgroups_free(exec->cgroups, exec->live ? 0 : FREE_TIMEOUT_MS);
    for (uint32_t i = 0; i < exec->orphans.count; i++)
        if (exec->orphans.at[i].owner != RV_ORPHAN_FREE)
            rv_exec_close_fd(&exec->orphans.at[i].pidfd);
    rv_watch_end(exec->watch);
    rv_timer_free(exec->later);
    rv_timer_free(exec->watch_timer);
    for (uint32_t i = 0; i < exec->procs.count; i++) {
        rv_exec_close_fd(&exec->procs.at[i]->cgroup_fd);
        rv_timer_free(exec->procs.at[i]->timer);
        rv_buf_deinit(&exec->procs.at[i]->mark);
        rv_spawn_room_free(exec->procs.at[i]->room);
        rv_free(exec->procs.at[i]);
    }
    int *fds[] = {&exec->epoll_fd, &exec->null_fd, &exec->leash_fd, &exec->loadavg_fd};
    for (size_t i = 0; i < RV_COUNT(fds); i++)
        rv_exec_close_fd(fds[i]);
    for (size_t i = 0; i < RV_EXEC_TARGET_COUNT; i++)
        rv_exec_close_fd(&exec->held_fds[i]);
    for (int i = 0; i < 4; i++)
        rv_exec_close_fd(&exec->spare_pipes[i / 2][i % 2]);
    rv_exec_close_now(exec);
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

uint32_t rv_exec_live(const rv_exec *exec) { return exec->other ? exec->other->live(exec) : exec->live; }

/* ---- slots ----------------------------------------------------------------- */

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
    if (exec->live == 0 && exec->is_watch_timer_set) { /* it would wake us, for nothing, in the midst of the next one */
        rv_timer_clear(exec->watch_timer);
        exec->is_watch_timer_set = false;
    }
    rv_vec_push(&exec->free_procs, proc->index);
    if (ended)
        ended(user, &exit);
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
    rv_exec_close_fd(&proc->pipe_fds[which]);
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
    if (ends[0].fd < 0 && ends[1].fd < 0)
        return; /* read to their ends before */
    (void)poll(ends, 2, 0);
    for (int i = 0; i < 2; i++) {
        if (ends[i].revents == POLLHUP && !proc->is_watched) {
            rv_exec_close_later(proc->exec, &proc->pipe_fds[i]); /* empty, and nobody is at its other end */
            continue;
        }
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

/* An attempt that lives long may orphan many that die long before it: they are reaped as they go. From then on, since a
 * signal for each child costs short attempts something that nearly none of them needs. */
static void on_child_signal(void *user, int number, bool is_from_terminal)
{
    (void)number, (void)is_from_terminal;
    rv_adopt_reap_dead(user);
}

static void take_child_signals(rv_exec *exec)
{
    const int number = SIGCHLD;
    exec->takes_child_signals = true; /* asked for once; where it cannot be had the dead wait for the attempt's end */
    if (!exec->shares_children && rv_loop_signals(exec->loop, &number, 1, on_child_signal, exec, NULL) == RV_OK)
        rv_adopt_reap_dead(exec);
}

static void on_watch_timer(void *user)
{
    rv_exec *exec = user;
    int64_t now_ms = rv_loop_mono_ms(exec->loop), next_ms = INT64_MAX;
    for (uint32_t i = 0; i < exec->procs.count; i++) {
        rv_proc *proc = exec->procs.at[i];
        if (proc->state != RV_PROC_RUNNING)
            continue;
        int64_t watch_ms = proc->started_mono_ms + RV_EXEC_WATCH_AFTER_MS, long_ms = proc->started_mono_ms + LONG_MS;
        if (!proc->is_watched && watch_ms <= now_ms)
            watch_pipes(proc);
        if (!exec->takes_child_signals && long_ms <= now_ms)
            take_child_signals(exec);
        if (!proc->is_watched)
            next_ms = RV_MIN(next_ms, watch_ms);
        else if (!exec->takes_child_signals)
            next_ms = RV_MIN(next_ms, long_ms);
    }
    exec->is_watch_timer_set = next_ms != INT64_MAX;
    exec->watch_due_mono_ms = next_ms;
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
    else
        rv_exec_kill_cgroup(proc);
    rv_adopt_signal(proc->exec, proc, SIGKILL);
}

void rv_exec_stop(rv_proc *proc, rv_stop_reason reason, int64_t grace_ms)
{
    RV_ASSERT(reason != RV_STOP_NONE);
    if (proc->exec->other) {
        proc->exec->other->stop(proc, reason, grace_ms);
        return;
    }
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
        rv_exec_set_timer(proc, proc->kill_due_mono_ms);
}

void rv_exec_on_timer(void *user)
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
    rv_exec_close_later(proc->exec, &proc->pidfd);
    rv_adopt_know(proc->exec, proc->pid, false);
    rv_exit *exit = &proc->exit;
    rv_spawn_step step;
    int error = rv_spawn_failure(proc->room, &step);
    if (error)
        rv_exec_explain(exit, rv_spawn_room_plan(proc->room), step, error);
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
        rv_exec_kill_cgroup(proc); /* and those that do and are nowhere else */
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
    if (exec->closing_count)
        rv_timer_set(exec->later, rv_loop_mono_ms(exec->loop) + CLOSE_AFTER_MS);
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
    rv_exec_close_now(exec);
    uint32_t count = exec->failed.count; /* one that fails from within `ended` has its turn in the next iteration */
    for (uint32_t i = 0; i < count; i++)
        proc_end(exec->failed.at[i]);
    exec->failed.count -= count;
    for (uint32_t i = 0; i < exec->failed.count; i++)
        exec->failed.at[i] = exec->failed.at[i + count];
}
