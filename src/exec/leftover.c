/* Processes of an engine that is dead: found by what they carry, killed, waited for.
 *
 * Used by the keeper when its engine has ended, and by the next start when both had been killed. Nothing here is our
 * descendant for certain, so a pid is only ever signalled through a pidfd, after its start time was read again. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exec/inner.h"

#define SWEEP_MS_MAX 10000
#define RETRY_MS 20      /* between passes when nothing could be signalled, so nothing can be waited for */
#define ANCESTORS_MAX 64
#define QUIET_PASSES 2   /* a process that forks while /proc is listed can slip through one pass */

typedef struct sweep {
    const rv_sweep_plan *plan;
    pid_t ancestors[ANCESTORS_MAX]; /* and ourselves */
    uint32_t ancestor_count;
    RV_VEC(rv_leftover) seen; /* all that ever matched */
    RV_VEC(int) pidfds;       /* signalled in this pass */
    uint32_t matched;         /* in this pass */
    rv_buf environ_bytes;
} sweep;

static int64_t mono_ms(void)
{
    struct timespec at;
    RV_ASSERT(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static void find_ancestors(sweep *s)
{
    rv_process process = {.parent = getpid()};
    do
        s->ancestors[s->ancestor_count++] = process.parent;
    while (s->ancestor_count < ANCESTORS_MAX && rv_process_read(process.parent, &process) && process.parent > 1);
}

static bool is_ancestor(const sweep *s, pid_t pid)
{
    for (uint32_t i = 0; i < s->ancestor_count; i++)
        if (s->ancestors[i] == pid)
            return true;
    return false;
}

static bool has_entry(const rv_leftover *entries, uint32_t count, pid_t pid, uint64_t start_ticks)
{
    for (uint32_t i = 0; i < count; i++)
        if (entries[i].pid == pid && entries[i].start_ticks == start_ticks)
            return true;
    return false;
}

/* In a recorded group, whose leader still is the recorded one: a number alone may have gone to somebody else. */
static bool is_recorded(const sweep *s, const rv_process *process)
{
    for (uint32_t i = 0; i < s->plan->recorded_count; i++) {
        const rv_leftover *recorded = &s->plan->recorded[i];
        rv_process leader;
        if (recorded->pid == process->group && recorded->pid > 1 && rv_process_read(process->group, &leader) &&
            leader.start_ticks == recorded->start_ticks)
            return true;
    }
    return false;
}

static bool is_wanted(sweep *s, const rv_process *process)
{
    const rv_sweep_plan *plan = s->plan;
    if (is_recorded(s, process))
        return true;
    if (has_entry(plan->left, plan->left_count, process->pid, process->start_ticks))
        return false;
    rv_process_environ(process->pid, &s->environ_bytes);
    if (rv_environ_may_stay(rv_buf_str(&s->environ_bytes)))
        return false;
    if (plan->takes_children && process->parent == getpid() && process->start_ticks >= plan->children_ticks)
        return true;
    if (plan->mark && plan->mark[0] &&
        rv_str_is(rv_environ_value(rv_buf_str(&s->environ_bytes), RV_STR("REEVE_STORE_MARK=")), plan->mark))
        return true;
    return plan->has_leash && rv_process_holds(process->pid, plan->leash_device, plan->leash_inode);
}

static bool is_victim(const sweep *s, pid_t pid, rv_process *ret)
{
    return pid > 1 && !is_ancestor(s, pid) && rv_process_read(pid, ret) && ret->state != 'Z' && ret->state != 'X';
}

static void take(sweep *s, const rv_process *process)
{
    s->matched++;
    rv_leftover found = {process->pid, process->start_ticks};
    if (!has_entry(s->seen.at, s->seen.count, process->pid, process->start_ticks))
        rv_vec_push(&s->seen, found);
    int pidfd;
    if (rv_process_signal(process->pid, process->start_ticks, SIGKILL, &pidfd))
        rv_vec_push(&s->pidfds, pidfd);
}

static bool visit(void *user, pid_t pid)
{
    sweep *s = user;
    rv_process process;
    if (is_victim(s, pid, &process) && is_wanted(s, &process))
        take(s, &process);
    return true;
}

static bool visit_member(void *user, pid_t pid)
{
    sweep *s = user;
    rv_process process;
    if (is_victim(s, pid, &process))
        take(s, &process);
    return true;
}

static bool has_ancestor_in(const sweep *s, const char *path)
{
    for (uint32_t i = 0; i < s->ancestor_count; i++)
        if (rv_cgroup_has(path, s->ancestors[i]))
            return true;
    return false;
}

/* The store's cgroups: one by one, so that they are counted and waited for, then at a stroke, which they cannot outrun by
 * forking. Without the stroke when it would hit us: a command of the dead engine can start the next one. */
static void visit_cgroups(sweep *s)
{
    for (size_t i = 0; i < RV_COUNT(s->plan->cgroups); i++) {
        const char *path = s->plan->cgroups[i];
        if (path && path[0] && rv_cgroup_each(path, visit_member, s) && !has_ancestor_in(s, path))
            rv_cgroup_kill(path);
    }
}

static void remove_cgroups(const sweep *s, int64_t deadline_ms)
{
    for (size_t i = 0; i < RV_COUNT(s->plan->cgroups); i++) {
        const char *path = s->plan->cgroups[i];
        if (path && path[0])
            (void)rv_cgroup_remove(path, has_ancestor_in(s, path) ? 0 : RV_MAX(0, deadline_ms - mono_ms()));
    }
}

/* Until all that were signalled are dead, or the deadline. */
static void await_deaths(sweep *s, int64_t deadline_ms)
{
    if (s->matched && !s->pidfds.count)
        (void)poll(NULL, 0, RETRY_MS);
    for (uint32_t i = 0; i < s->pidfds.count; i++) {
        struct pollfd wait = {.fd = s->pidfds.at[i], .events = POLLIN};
        int64_t left_ms = deadline_ms - mono_ms();
        while (left_ms > 0 && poll(&wait, 1, (int)left_ms) < 0 && errno == EINTR)
            left_ms = deadline_ms - mono_ms();
        close(s->pidfds.at[i]);
    }
    rv_vec_clear(&s->pidfds);
    while (s->plan->takes_children && waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

rv_status rv_sweep(const rv_sweep_plan *plan, uint32_t *ret_killed, rv_error *err)
{
    sweep s = {.plan = plan};
    int64_t deadline_ms = mono_ms() + SWEEP_MS_MAX;
    rv_status status = RV_OK;
    find_ancestors(&s);
    for (uint32_t quiet = 0; quiet < QUIET_PASSES && status == RV_OK; quiet = s.matched ? 0 : quiet + 1) {
        s.matched = 0;
        visit_cgroups(&s);
        if (!rv_process_each(visit, &s))
            status = rv_error_set(err, RV_UNAVAILABLE, "cannot list /proc to find what a dead engine left: %s", strerror(errno));
        else if (s.matched && mono_ms() >= deadline_ms)
            status = rv_error_set(err, RV_TIMEOUT, "%u processes of a dead engine do not die (the first: pid %lld)", s.matched,
                                  (long long)s.seen.at[0].pid);
        await_deaths(&s, deadline_ms);
    }
    remove_cgroups(&s, deadline_ms);
    *ret_killed = s.seen.count;
    rv_vec_deinit(&s.seen);
    rv_vec_deinit(&s.pidfds);
    rv_buf_deinit(&s.environ_bytes);
    return status;
}

rv_status rv_exec_kill_leftovers(const char *leash_path, const char *mark, const char *boot_id, const char *cgroup,
                                 const rv_leftover *recorded, uint32_t count, uint32_t *ret_killed, rv_error *err)
{
    char from_here[RV_EXEC_CGROUP_SIZE];
    bool has_one = mark && mark[0] && rv_exec_cgroup_path(mark, from_here, NULL);
    bool is_same = has_one && cgroup && strcmp(cgroup, from_here) == 0;
    rv_sweep_plan plan = {.mark = mark, .cgroups = {rv_cgroup_is_of(cgroup, mark) ? cgroup : NULL, has_one && !is_same ? from_here : NULL}};
    struct stat file;
    if (leash_path && stat(leash_path, &file) == 0) {
        plan.has_leash = true;
        plan.leash_device = file.st_dev;
        plan.leash_inode = file.st_ino;
    }
    char now[64];
    rv_exec_boot_id(now);
    if (boot_id && now[0] && strcmp(boot_id, now) == 0) {
        plan.recorded = recorded;
        plan.recorded_count = count;
    }
    return rv_sweep(&plan, ret_killed, err);
}
