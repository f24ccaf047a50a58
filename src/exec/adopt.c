/* Orphans: whose parent died while the engine lives.
 *
 * The engine is a child subreaper: when a process dies, the kernel gives its children to the nearest subreaper above.
 * So, once the leader of an attempt is dead, every process that it left behind is a child of the engine or descends from
 * one (T, the top of its tree). To find them all it is enough to find the children that nobody knows, kill these, and
 * look again when they have died, until there are none. What a process did to hide (setsid, env -i, closing everything)
 * changes nothing in that: its parent is the one thing that it cannot choose.
 *
 * Finding children must cost next to nothing, since it is done at the end of every attempt, and nearly always finds none.
 *   - waitid(P_PID, pid, WNOHANG|WNOWAIT) tells for one pid whether it is our child: a hash look-up in the kernel.
 *   - Which pids: those handed out since the leader's own. The last one is the last word of /proc/loadavg, one pread
 *     of an open file. Pids wrap, so this holds only while the pid cannot have been reached again: for
 *     attempts younger than YOUNG_MS, and when the last pid is not below any of the leaders'.
 *   - Else, or when they are many, all of /proc is listed: some 0.3 µs a process.
 * (/proc/self/task/TID/children would do the same in one read, but not all kernels are built with it.)
 *
 * (1) A scan that finds nothing was complete when it began: T was our child and had its pid by then.
 * (2) A scan that reaps a zombie, or finds anybody, is made again: T may have become ours behind its back.
 * (3) While we have not reaped a child, its pid is its own: signals to it cannot hit a stranger.
 *
 * Attribution: the cgroup of the attempt's slot, where there are cgroups; process group, mark (REEVE_ATTEMPT in its
 * environment), an end of the attempt's output pipes, and else birth: it belongs to one of the attempts that were alive
 * then. One is certain; of several it is a stray, which ends with the last of them. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec/inner.h"

#define YOUNG_MS 50
#define RANGE_MAX 4096 /* pids tried one by one before listing /proc is cheaper */

void rv_adopt_know(rv_exec *exec, pid_t pid, bool is_known)
{
    size_t byte = (size_t)pid / 8;
    if (byte >= exec->known_size) {
        size_t size = RV_MAX(byte + 1, exec->known_size * 2);
        exec->known = rv_realloc(exec->known, size);
        memset(exec->known + exec->known_size, 0, size - exec->known_size);
        exec->known_size = size;
    }
    uint8_t bit = (uint8_t)(1u << (pid % 8));
    if (is_known)
        exec->known[byte] |= bit;
    else
        exec->known[byte] &= (uint8_t)~bit;
}

static bool is_known(const rv_exec *exec, pid_t pid)
{
    size_t byte = (size_t)pid / 8;
    return byte < exec->known_size && (exec->known[byte] >> (pid % 8) & 1);
}

/* ---- whose is it? ---------------------------------------------------------- */

static bool holds_pipe(const rv_proc *proc, pid_t pid)
{
    for (int i = 0; i < 2; i++) {
        struct stat file;
        if (proc->pipe_fds[i] >= 0 && fstat(proc->pipe_fds[i], &file) == 0 && rv_process_holds(pid, file.st_dev, file.st_ino))
            return true;
    }
    return false;
}

static bool is_live(const rv_proc *proc) { return proc->state == RV_PROC_RUNNING || proc->state == RV_PROC_SWEEPING; }

static rv_proc *proc_by_cgroup(const rv_exec *exec, pid_t pid)
{
    uint32_t slot;
    if (!rv_cgroups_slot_of(exec->cgroups, pid, &slot) || slot >= exec->procs.count)
        return NULL;
    rv_proc *proc = exec->procs.at[slot];
    return is_live(proc) && proc->is_in_cgroup ? proc : NULL;
}

/* The attempt to which the process gives itself away, or NULL. exec->environ_bytes has its environment. */
static rv_proc *proc_by_evidence(rv_exec *exec, const rv_process *process)
{
    rv_proc *inside = proc_by_cgroup(exec, process->pid);
    if (inside)
        return inside;
    rv_str mark = rv_environ_value(rv_buf_str(&exec->environ_bytes), RV_STR("REEVE_ATTEMPT="));
    for (uint32_t i = 0; i < exec->procs.count; i++) {
        rv_proc *proc = exec->procs.at[i];
        if (is_live(proc) && proc->pid == process->group)
            return proc;
    }
    for (uint32_t i = 0; i < exec->procs.count && mark.size; i++) {
        rv_proc *proc = exec->procs.at[i];
        if (is_live(proc) && proc->mark.size && rv_str_eq(mark, rv_buf_str(&proc->mark)))
            return proc;
    }
    for (uint32_t i = 0; i < exec->procs.count; i++)
        if (is_live(exec->procs.at[i]) && holds_pipe(exec->procs.at[i], process->pid))
            return exec->procs.at[i];
    return NULL;
}

/* How many live attempts were alive at its birth; *ret_proc: one of them. Ticks are coarse: a tie counts as alive. */
static uint32_t count_by_birth(const rv_exec *exec, const rv_process *process, const rv_proc *except, rv_proc **ret_proc)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < exec->procs.count; i++) {
        rv_proc *proc = exec->procs.at[i];
        if (proc == except || !is_live(proc) || proc->start_ticks > process->start_ticks)
            continue;
        count++;
        if (ret_proc)
            *ret_proc = proc;
    }
    return count;
}

/* Left behind on purpose by an attempt that is over: it says so itself, or shares group or session with one that was. */
static bool is_left(const rv_exec *exec, const rv_process *process)
{
    if (rv_environ_may_stay(rv_buf_str(&exec->environ_bytes)))
        return true;
    for (uint32_t i = 0; i < exec->orphans.count; i++) {
        const rv_orphan *orphan = &exec->orphans.at[i];
        if (orphan->owner == RV_ORPHAN_LEFT && (orphan->process.group == process->group ||
                                                (orphan->process.session == process->session && process->session != getsid(0))))
            return true;
    }
    return false;
}

static void attribute(rv_exec *exec, rv_orphan *orphan)
{
    rv_process_environ(orphan->process.pid, &exec->environ_bytes);
    rv_proc *proc = proc_by_evidence(exec, &orphan->process);
    if (!proc && is_left(exec, &orphan->process)) {
        orphan->owner = RV_ORPHAN_LEFT;
        return;
    }
    if (!proc && !exec->shares_children && count_by_birth(exec, &orphan->process, NULL, &proc) != 1)
        proc = NULL;
    orphan->owner = proc ? RV_ORPHAN_OWNED : RV_ORPHAN_STRAY;
    orphan->proc = proc;
}

/* ---- finding them ---------------------------------------------------------- */

static uint32_t orphan_index(rv_exec *exec)
{
    if (exec->free_orphans.count)
        return rv_vec_pop(&exec->free_orphans);
    (void)rv_vec_add(&exec->orphans);
    return exec->orphans.count - 1;
}

/* Take a living child into the list. false: it died meanwhile, or it is the host's. */
static bool orphan_add(rv_exec *exec, pid_t pid)
{
    rv_orphan found = {.pidfd = rv_pidfd_open(pid)};
    if (found.pidfd < 0)
        return false;
    if (!rv_process_read(pid, &found.process)) {
        close(found.pidfd);
        return false;
    }
    attribute(exec, &found);
    if (found.owner == RV_ORPHAN_STRAY && exec->shares_children) {
        close(found.pidfd);
        return false;
    }
    uint32_t index = orphan_index(exec);
    rv_orphan *orphan = &exec->orphans.at[index];
    found.generation = orphan->generation;
    *orphan = found;
    rv_adopt_know(exec, pid, true);
    struct epoll_event event = {EPOLLIN | EPOLLONESHOT, {.u64 = rv_event_pack(RV_EVENT_ORPHAN, index, orphan->generation)}};
    RV_ASSERT(epoll_ctl(exec->epoll_fd, EPOLL_CTL_ADD, orphan->pidfd, &event) == 0);
    return true;
}

/* true: it was an orphan that nobody knew, dead or alive. */
static bool try_pid(rv_exec *exec, pid_t pid)
{
    if (is_known(exec, pid))
        return false;
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        return false; /* not our child */
    if (info.si_pid == 0)
        return orphan_add(exec, pid);
    if (exec->shares_children)
        return false; /* the host's own, for all we know: the host reaps it */
    (void)waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG);
    return true;
}

typedef struct listing {
    rv_exec *exec;
    uint32_t found;
} listing;

static bool try_listed(void *user, pid_t pid)
{
    listing *list = user;
    list->found += try_pid(list->exec, pid);
    return true;
}

/* The pid that was handed out last, or 0 when the system does not say. */
static pid_t last_pid(const rv_exec *exec)
{
    char text[128];
    ssize_t size = exec->loadavg_fd < 0 ? 0 : pread(exec->loadavg_fd, text, sizeof text - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = 0;
    const char *at = strrchr(text, ' ');
    return at ? (pid_t)strtol(at + 1, NULL, 10) : 0;
}

/* first and newest: the least and the greatest pid of the leaders. One of them above the last pid means that pids
 * wrapped after its start, so that its orphans may be anywhere. */
static uint32_t scan_once(rv_exec *exec, pid_t first, pid_t newest, bool is_young)
{
    pid_t last = is_young ? last_pid(exec) : 0;
    if (last >= newest && last - first <= RANGE_MAX) {
        uint32_t found = 0;
        for (pid_t pid = first + 1; pid <= last; pid++)
            found += try_pid(exec, pid);
        return found;
    }
    listing list = {exec, 0};
    RV_ASSERT(rv_process_each(try_listed, &list));
    return list.found;
}

void rv_adopt_scan(rv_exec *exec, rv_proc *const *procs, uint32_t count)
{
    int64_t now_ms = rv_loop_mono_ms(exec->loop);
    pid_t first = procs[0]->pid, newest = first;
    bool is_young = true;
    for (uint32_t i = 0; i < count; i++) {
        const rv_proc *proc = procs[i];
        first = RV_MIN(first, proc->pid);
        newest = RV_MAX(newest, proc->pid);
        is_young = is_young && proc->state == RV_PROC_RUNNING && now_ms - proc->started_mono_ms < YOUNG_MS;
    }
    while (scan_once(exec, first, newest, is_young) > 0) /* keeps (2) */
        ;
}

void rv_adopt_reap_dead(rv_exec *exec)
{
    siginfo_t info = {0};
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0 && try_pid(exec, info.si_pid))
        info.si_pid = 0;
}

/* ---- what becomes of them -------------------------------------------------- */

uint32_t rv_adopt_claim(rv_exec *exec, rv_proc *proc)
{
    uint32_t count = 0;
    bool lets_go = proc->leave && !proc->is_stopping;
    for (uint32_t i = 0; i < exec->orphans.count; i++) {
        rv_orphan *orphan = &exec->orphans.at[i];
        if (orphan->owner == RV_ORPHAN_STRAY && proc->start_ticks <= orphan->process.start_ticks &&
            count_by_birth(exec, &orphan->process, proc, NULL) == 0) {
            orphan->owner = RV_ORPHAN_OWNED;
            orphan->proc = proc;
        }
        if (orphan->owner != RV_ORPHAN_OWNED || orphan->proc != proc)
            continue;
        if (lets_go) {
            orphan->owner = RV_ORPHAN_LEFT;
            orphan->proc = NULL;
            rv_keeper_note(RV_LEAVE_LEFT, orphan->process.pid, orphan->process.start_ticks);
        } else {
            count++;
        }
    }
    return count;
}

void rv_adopt_signal(rv_exec *exec, const rv_proc *proc, int signal)
{
    for (uint32_t i = 0; i < exec->orphans.count; i++) {
        rv_orphan *orphan = &exec->orphans.at[i];
        if (orphan->owner != RV_ORPHAN_OWNED || orphan->proc != proc || orphan->signalled == signal || orphan->signalled == SIGKILL)
            continue;
        /* The group was told to stop already: telling it twice would run a handler twice. */
        if (signal != SIGTERM || orphan->process.group != proc->pid)
            (void)rv_pidfd_signal(orphan->pidfd, signal);
        orphan->signalled = signal;
    }
}

rv_proc *rv_adopt_ended(rv_exec *exec, uint32_t index)
{
    rv_orphan *orphan = &exec->orphans.at[index];
    RV_ASSERT(orphan->owner != RV_ORPHAN_FREE);
    rv_proc *proc = orphan->owner == RV_ORPHAN_OWNED ? orphan->proc : NULL;
    struct rusage usage;
    int status;
    pid_t reaped = wait4(orphan->process.pid, &status, WNOHANG, &usage);
    if (reaped == 0)
        return NULL; /* not dead after all */
    if (proc) {
        rv_exit *exit = &proc->exit;
        exit->killed += orphan->signalled == SIGKILL;
        exit->user_us += (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec;
        exit->system_us += (uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec;
        exit->rss_max = RV_MAX(exit->rss_max, (uint64_t)usage.ru_maxrss * 1024);
    }
    rv_adopt_know(exec, orphan->process.pid, false);
    close(orphan->pidfd);
    *orphan = (rv_orphan){.owner = RV_ORPHAN_FREE, .pidfd = -1, .generation = orphan->generation + 1};
    rv_vec_push(&exec->free_orphans, index);
    return proc;
}
