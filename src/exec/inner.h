/* inner.h: what the files of exec/ share, and nobody else includes.
 *
 *   exec.c     attempts: events, output, stop, the end
 *   start.c    their start, up to the clone
 *   adopt.c    orphans: found, attributed, killed, reaped
 *   spawn.c    from clone to execve
 *   cgroup.c   where attempts run, when the machine has cgroups
 *   path.c     argv[0] → a path
 *   procfs.c   what /proc says of a process
 *   keeper.c   the parent of the engine
 *   leftover.c processes of an engine that is dead */
#ifndef RV_EXEC_INNER_H
#define RV_EXEC_INNER_H

#include <sys/types.h>

#include "base/mem.h"
#include "exec/exec.h"

/* In the environment of an attempt with `leave: true`, with the attempt's mark as its value. */
#define RV_EXEC_LEAVE "REEVE_LEAVE="

/* ---- procfs.c -------------------------------------------------------------- */

typedef struct rv_process {
    pid_t pid, parent, group, session;
    uint64_t start_ticks; /* clock ticks since boot */
    char state;           /* R S D T Z X … as proc(5) has them */
} rv_process;

/* false: there is no such process (any more). */
RV_MUST_USE bool rv_process_read(pid_t pid, rv_process *ret);
/* Its environment into `out` (cleared first): NUL-terminated entries. Empty when it may not be read. At most 4 MiB. */
void rv_process_environ(pid_t pid, rv_buf *out);
/* The value of the entry `name` (with its `=`) in what rv_process_environ gave; at NULL when there is none. Pure. */
rv_str rv_environ_value(rv_str environ_bytes, rv_str name);
/* true when these are of an attempt with `leave`, and not of another that was started somewhere below one. Pure. */
bool rv_environ_may_stay(rv_str environ_bytes);
/* true when it has the file (device, inode) open. false also when its descriptors may not be read. */
bool rv_process_holds(pid_t pid, dev_t device, ino_t inode);
/* Send `signal` if the process of this pid still is the one that started at start_ticks. *ret_pidfd (may be NULL): an
 * open pidfd of it, the caller's; written on true only. false: it is gone, or may not be signalled. */
RV_MUST_USE bool rv_process_signal(pid_t pid, uint64_t start_ticks, int signal, int *ret_pidfd);
/* Call `fn` with each pid of /proc until it returns false. false: /proc cannot be read. */
typedef bool rv_pid_fn(void *user, pid_t pid);
RV_MUST_USE bool rv_process_each(rv_pid_fn *fn, void *user);
/* Ticks since boot of a CLOCK_BOOTTIME reading, as field 22 of /proc/PID/stat counts them. Pure. */
uint64_t rv_ticks_of(int64_t boottime_ns);
int rv_pidfd_open(pid_t pid);
int rv_pidfd_signal(int pidfd, int signal);

/* ---- path.c ---------------------------------------------------------------- */

typedef struct rv_path_cache rv_path_cache;
/* An empty cache; ended by rv_path_cache_free. */
rv_path_cache *rv_path_cache_new(void);
void rv_path_cache_free(rv_path_cache *cache); /* NULL is legal */
/* The path to execute for `command`: itself when it has a `/`, else the first executable file of that name in the PATH
 * of envp. Relative entries of PATH are taken from `dir`, where the command will run. Valid until the next call.
 * NULL: not found; *ret_errno is ENOENT, or EACCES when a file was found that may not be executed.
 * An answer is kept for as long as that file may be executed; a file that appears later in an earlier directory is not seen. */
const char *rv_path_find(rv_path_cache *cache, const char *command, const char *const *envp, const char *dir, int *ret_errno);
/* The value of PATH in envp, or the system's default. */
const char *rv_path_of(const char *const *envp);

/* ---- spawn.c --------------------------------------------------------------- */

typedef enum rv_spawn_step { RV_SPAWN_CLONE, RV_SPAWN_GROUP, RV_SPAWN_DESCRIPTORS, RV_SPAWN_DIR, RV_SPAWN_EXEC } rv_spawn_step;

typedef struct rv_spawner rv_spawner; /* what this kernel can, and which signals are ignored */
rv_spawner *rv_spawner_new(void);
void rv_spawner_free(rv_spawner *spawner); /* NULL is legal */

/* What one child reads and writes between its start and its execve. */
typedef struct rv_spawn_room rv_spawn_room;
rv_spawn_room *rv_spawn_room_new(void); /* NULL: no memory */
void rv_spawn_room_free(rv_spawn_room *room); /* NULL is legal; nobody may live in it */

typedef struct rv_spawn_plan {
    const char *path, *dir;
    const char *const *argv, *const *envp;
    int fds[3];      /* become 0, 1, 2; themselves none of 0, 1, 2, 60, 61, 62 */
    int leash_fd;    /* becomes RV_EXEC_FD_LEASH; likewise */
    int jobs_fds[2]; /* become RV_EXEC_FD_JOBS_R and _W, or -1; likewise */
    int cgroup_fd;   /* a cgroup's directory: the child starts in it, if that is granted. -1: in ours */
} rv_spawn_plan;
typedef struct rv_spawned {
    pid_t pid;
    bool is_in_cgroup;      /* in that of cgroup_fd */
    int pidfd;              /* close-on-exec; the caller's */
    uint64_t start_ticks;   /* as /proc/PID/stat has them */
} rv_spawned;
/* Start a child in `room`, whose last child has ended. 0, or errno with nothing started. Does not wait for its execve:
 * whether that succeeded is told by rv_spawn_failure once the child has ended. All of `plan` is borrowed for the call. */
int rv_spawner_start(rv_spawner *spawner, rv_spawn_room *room, const rv_spawn_plan *plan, rv_spawned *ret);
/* What the room's last child was given; the copies live until the next start. */
const rv_spawn_plan *rv_spawn_room_plan(const rv_spawn_room *room);
/* Start a child in the cgroup of this descriptor that does nothing, and wait for it. true: it ended by itself. */
RV_MUST_USE bool rv_spawner_try(rv_spawner *spawner, int cgroup_fd);
/* Of a child that has ended: 0 when it executed its program, else errno and *ret_step. */
int rv_spawn_failure(const rv_spawn_room *room, rv_spawn_step *ret_step);

/* ---- cgroup.c -------------------------------------------------------------- */

/* Those of one executor: the store's, and one for each slot below it. */
typedef struct rv_cgroups rv_cgroups;
/* path: see rv_exec_config.cgroup; borrowed. The spawner is used until the end. Nothing is made yet. */
rv_cgroups *rv_cgroups_new(const char *path, rv_spawner *spawner);
/* Kill what is in them, wait at most wait_ms, remove them. NULL is legal. */
void rv_cgroups_free(rv_cgroups *cgroups, int64_t wait_ms);
/* The slot's own, made now; a descriptor of it, the caller's. kills: how often rv_cgroups_kill was called for earlier ones of the
 * slot, each of which ends its use. -1: it has none. */
int rv_cgroups_open(rv_cgroups *cgroups, uint32_t slot, uint32_t kills);
/* The nearest one above us that is no store's, borrowed. -1: it is our own. */
int rv_cgroups_outside(rv_cgroups *cgroups);
/* true: the process is in the slot's cgroup, or below it. */
RV_MUST_USE bool rv_cgroups_slot_of(const rv_cgroups *cgroups, pid_t pid, uint32_t *ret_slot);
/* SIGKILL to all of the slot's, and of what is below it, in one stroke. No child may be started in it any more. */
void rv_cgroups_kill(const rv_cgroups *cgroups, uint32_t slot, uint32_t kills);

/* true when `path` may be a cgroup of the store with this mark: below the mount point, and with that name. NULL is legal. */
bool rv_cgroup_is_of(const char *path, const char *mark);
/* SIGKILL to all that is in the cgroup at `path` or below. Not there, or not allowed: no-op. */
void rv_cgroup_kill(const char *path);
/* true when the process is in the cgroup at `path` or below. */
bool rv_cgroup_has(const char *path, pid_t pid);
/* Call `fn` with each pid in the cgroup at `path` and below until it returns false; 0 is one that has no number here. false: there
 * is no such cgroup. */
RV_MUST_USE bool rv_cgroup_each(const char *path, rv_pid_fn *fn, void *user);
/* Remove it and what is below it; waits at most wait_ms for those in it to die. true: it is not there. */
bool rv_cgroup_remove(const char *path, int64_t wait_ms);

/* ---- attempts and orphans ------------------------------------------------------ */

typedef enum rv_proc_state {
    RV_PROC_FREE,
    RV_PROC_FAILED,   /* did not start; `ended` is owed */
    RV_PROC_RUNNING,  /* its leader is alive, or a zombie that was not reaped yet */
    RV_PROC_SWEEPING, /* its leader was reaped; processes that it left behind are dying */
} rv_proc_state;

struct rv_proc {
    rv_exec *exec; /* first */
    rv_proc_state state;
    uint32_t index, generation;
    pid_t pid; /* and process group */
    int pidfd, pipe_fds[2]; /* -1: closed */
    bool is_watched;    /* its pipes are in the epoll set */
    bool is_ending;     /* in exec->ending */
    bool is_stopping, is_killing;
    bool leave;
    bool is_in_cgroup;  /* in that of its slot */
    int cgroup_fd;      /* of the slot's cgroup; kept with the slot until it was killed; -1: it has none */
    bool is_cgroup_killed;
    uint32_t cgroup_kills; /* of earlier ones of the slot */
    uint64_t start_ticks;
    int64_t started_mono_ms, kill_due_mono_ms, grace_ms;
    rv_timer *timer;    /* of its timeout, then of its grace; NULL until first needed; kept with the slot */
    rv_buf mark;        /* NUL-terminated */
    rv_spawn_room *room; /* kept with the slot */
    rv_output_fn *output;
    rv_ended_fn *ended;
    void *user;
    rv_exit exit;
};

/* An adopted process. We are its parent: until we reap it its pid is its own. */
typedef enum rv_orphan_owner { RV_ORPHAN_FREE, RV_ORPHAN_OWNED, RV_ORPHAN_STRAY, RV_ORPHAN_LEFT } rv_orphan_owner;
typedef struct rv_orphan {
    rv_orphan_owner owner;
    rv_proc *proc; /* OWNED */
    uint32_t generation;
    int pidfd;
    rv_process process; /* as it was when it was found */
    int signalled;      /* the strongest signal that it was sent; 0: none */
} rv_orphan;

/* The descriptors that a child is given at most: none of ours may be among them, see rv_exec.held_fds. */
#define RV_EXEC_TARGET_COUNT 6
extern const int rv_exec_targets[RV_EXEC_TARGET_COUNT];

#define RV_EXEC_CLOSING_MAX 6 /* two attempts' */

struct rv_exec {
    const rv_exec_ops *other; /* first; NULL: it is this one */
    rv_loop *loop;
    rv_watch *watch;
    rv_timer *later;      /* ends of attempts that did not start; descriptors that are still to be closed */
    rv_timer *watch_timer; /* pipes of attempts that live long enough to be watched */
    bool is_watch_timer_set, takes_child_signals, shares_children;
    int64_t watch_due_mono_ms; /* of watch_timer while it is set */
    int epoll_fd, null_fd, leash_fd, loadavg_fd;
    int spare_pipes[2][2]; /* read and write end, for the next attempt; -1: none */
    int closing_fds[RV_EXEC_CLOSING_MAX]; /* of attempts that have ended; no use to anybody */
    uint32_t closing_count;
    int held_fds[RV_EXEC_TARGET_COUNT]; /* keep 0, 1, 2, 60, 61, 62 taken, so that no descriptor of ours lands there; -1 */
    rv_spawner *spawner;
    rv_cgroups *cgroups;
    rv_path_cache *paths;
    RV_VEC(rv_proc *) procs;
    RV_VEC(uint32_t) free_procs;
    RV_VEC(rv_proc *) ending, settling; /* leaders that ended, or whose orphans did, since the last settlement */
    RV_VEC(rv_proc *) failed;
    uint32_t live;
    RV_VEC(rv_orphan) orphans;
    RV_VEC(uint32_t) free_orphans;
    uint8_t *known;       /* a bit a pid: children that are leaders of attempts or in `orphans` */
    size_t known_size;    /* bytes */
    rv_buf environ_bytes; /* scratch */
    char *output;         /* scratch, OUTPUT_SIZE */
};

enum { RV_EVENT_STDOUT, RV_EVENT_STDERR, RV_EVENT_LEADER, RV_EVENT_ORPHAN };
static inline uint64_t rv_event_pack(uint32_t kind, uint32_t index, uint32_t generation)
{
    return (uint64_t)generation << 32 | (uint64_t)index << 2 | kind;
}

/* ---- start.c and exec.c ---- */

#define RV_EXEC_WATCH_AFTER_MS 5 /* an attempt's pipes are watched from this age on */

void rv_exec_close_fd(int *fd); /* -1 is legal; sets -1 */
/* Close it when there is time: after the next start, or soon. Its end must matter to nobody. -1 is legal; sets -1 */
void rv_exec_close_later(rv_exec *exec, int *fd);
void rv_exec_close_now(rv_exec *exec); /* what was left for later */
/* SIGKILL to all of the attempt's cgroup; the slot gets another one. Without cgroups: no-op. */
void rv_exec_kill_cgroup(rv_proc *proc);
/* A close-on-exec duplicate that is none of the targets, once they are all taken. -1 with errno. */
int rv_exec_duplicate(int fd);
/* What people read when an attempt did not start: sets error, error_text, and that it neither exited nor was signalled.
 * plan->path is NULL when the command was not found. */
void rv_exec_explain(rv_exit *exit, const rv_spawn_plan *plan, rv_spawn_step step, int error);
/* The slot's one timer: first its timeout, then its grace. */
void rv_exec_set_timer(rv_proc *proc, int64_t due_mono_ms);
void rv_exec_on_timer(void *user);

/* ---- adopt.c ---- */

/* Remember, or forget, that `pid` is a child that we know. */
void rv_adopt_know(rv_exec *exec, pid_t pid, bool is_known);
/* Find the children that nobody knows and give each an owner, so that afterwards every living process that was orphaned
 * before the call is in exec->orphans, or descends from one that is. `procs`: the attempts whose leaders have ended. */
void rv_adopt_scan(rv_exec *exec, rv_proc *const *procs, uint32_t count);
/* What of `proc`, whose leader has ended, is alive: its own orphans and the strays whose last possible owner it is.
 * With `leave` they are let go and 0 is returned. */
uint32_t rv_adopt_claim(rv_exec *exec, rv_proc *proc);
void rv_adopt_signal(rv_exec *exec, const rv_proc *proc, int signal);
/* Reap orphans that died while their attempt lives. Finds most: one behind a zombie that is somebody's event stays. */
void rv_adopt_reap_dead(rv_exec *exec);
/* The orphan at `index` has ended: reap it. Returns its owner or NULL. */
rv_proc *rv_adopt_ended(rv_exec *exec, uint32_t index);

/* ---- keeper.c, leftover.c ------------------------------------------------------ */

/* What a sweep looks for; see rv_sweep. */
typedef struct rv_sweep_plan {
    const char *cgroups[2];      /* paths of the store's; NULL or "": none. They are removed */
    bool has_leash;
    dev_t leash_device;
    ino_t leash_inode;
    const char *mark;            /* of REEVE_STORE_MARK, or NULL */
    const rv_leftover *recorded; /* groups whose leader has this start time */
    uint32_t recorded_count;
    const rv_leftover *left;     /* processes that `leave` attempts left behind: spared */
    uint32_t left_count;
    bool takes_children;         /* our own children that started at children_ticks or later; the dead are reaped */
    uint64_t children_ticks;
} rv_sweep_plan;
/* Kill all that matches until nothing does, at most 10 s. Never ourselves, nor an ancestor of ours, nor a process that
 * may stay (rv_environ_may_stay) and is in no recorded group. RV_TIMEOUT: some would not die; *ret_killed is set then too. */
RV_MUST_USE rv_status rv_sweep(const rv_sweep_plan *plan, uint32_t *ret_killed, rv_error *err);

/* In the engine: tell the keeper about an attempt with `leave`. No keeper: no-op. */
typedef enum rv_leave_note {
    RV_LEAVE_RUNNING = 1, /* this leader runs: its group is not to be spared */
    RV_LEAVE_ENDED = 2,   /* its leader has ended */
    RV_LEAVE_LEFT = 3,    /* this process was left behind: it is to be spared */
} rv_leave_note;
void rv_keeper_note(rv_leave_note note, pid_t pid, uint64_t start_ticks);

#endif
