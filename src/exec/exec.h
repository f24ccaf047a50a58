/* exec.h: start, watch, stop and reap the processes of attempts [A10, A12, P8, E32].
 *
 *  (1) Every attempt is a process group of its own, stdin /dev/null (or given), no inherited descriptors but 0, 1, 2
 *      and RV_EXEC_FD_LEASH (and, when given, RV_EXEC_FD_JOBS_R/W). Default signal dispositions and an empty mask.
 *  (2) `ended` is called once per started attempt, after its leader was reaped, its group is empty, everything found
 *      by adoption, leash or mark is dead, and both pipes are drained or cut. A child that holds a pipe after its
 *      parent died is killed, not waited for (unless `leave`).
 *  (3) Stop is TERM to the group, grace, KILL to the group and to what escaped it. Signals to the leader go through its pidfd.
 *  (4) Output is delivered as it comes, by bytes; the reader applies the cap.
 *  (5) The engine process is a child subreaper: orphans of attempts are adopted and attributed by cgroup (where there are
 *      any), group, mark, pipe; what none of these tells ends with the last attempt alive at its birth.
 *  (6) The child executes its program beside the engine: rv_exec_start does not wait for execve.
 *
 * One thread, the loop's. The calls given must not free the executor. What an attempt's process is given is in
 * docs/environment.md. */
#ifndef RV_EXEC_H
#define RV_EXEC_H

#include "kernel/model.h"
#include "loop/loop.h"

#define RV_EXEC_FD_LEASH 60  /* documented in docs/environment.md */
#define RV_EXEC_FD_JOBS_R 61
#define RV_EXEC_FD_JOBS_W 62

typedef struct rv_exec rv_exec;
typedef struct rv_proc rv_proc; /* one started attempt */

typedef enum rv_stop_reason { RV_STOP_NONE, RV_STOP_TIMEOUT, RV_STOP_CANCEL, RV_STOP_INTERRUPT } rv_stop_reason;

typedef struct rv_exit {
    int32_t exit_status;   /* -1: ended by a signal or never started */
    int32_t signal;        /* -1: none */
    rv_stop_reason stopped; /* why we stopped it; NONE: it ended by itself */
    rv_detail error;       /* NONE, START (no such command: never retried), UNAVAILABLE (EAGAIN, ENOMEM …), CAPTURE */
    char error_text[256];  /* for people, when error is set */
    bool is_partial;       /* it gave a result and says that it is incomplete (executors of another make) */
    int64_t started_ms, ended_ms; /* wall */
    uint64_t user_us, system_us, rss_max;
    uint32_t killed;       /* escaped processes that had to be killed */
    rv_str result;         /* JSON that an executor of another make gives itself, borrowed; size 0: $REEVE_OUTPUT is read */
} rv_exit;

typedef void rv_output_fn(void *user, int stream /* 1 or 2 */, rv_str bytes);
typedef void rv_ended_fn(void *user, const rv_exit *exit);

typedef struct rv_spawn {
    const char *const *argv;  /* NULL-terminated; argv[0] without `/` is looked up in the PATH of envp (cached) */
    const char *const *held;  /* in argv: the command itself, which argv[0] starts; held[0] is looked for, too, before anything starts.
                               * NULL: argv is the command */
    bool held_moves;          /* argv[0] starts it in another directory: a relative path is for argv[0] to look for */
    const char *const *envp;  /* NULL-terminated, complete */
    const char *dir;          /* working directory, absolute */
    int stdin_fd;             /* -1: /dev/null; else borrowed for the call */
    int jobs_fds[2];          /* jobserver read and write ends, or -1, -1 */
    const char *mark;         /* value of REEVE_ATTEMPT in envp: by it escapees are known */
    int64_t timeout_ms;       /* 0: none; leaves out the time in which the machine slept */
    int64_t grace_ms;         /* between TERM and KILL; > 0 */
    bool leave;               /* processes left behind by a leader that ended by itself are not killed; its pipes are cut
                               * then. REEVE_LEAVE=mark is added to envp: by it they are spared later */
    rv_output_fn *output;
    rv_ended_fn *ended;
    void *user;
} rv_spawn;

typedef struct rv_exec_config {
    rv_loop *loop;
    const char *cgroup;       /* from rv_exec_cgroup_path: attempts start below it, where that is granted. NULL or "": they stay
                               * in the cgroup of this process. Borrowed for the call */
    int leash_fd;             /* open file that every attempt holds open at RV_EXEC_FD_LEASH; borrowed */
    bool shares_children;     /* this process has children of its own besides: an orphan is only touched when cgroup, group, mark
                               * or pipe say whose it is. false: every child that was not started here is an orphan of an attempt */
} rv_exec_config;

/* Make an executor; this process becomes a child subreaper. IO: err says what the system refused. */
RV_MUST_USE rv_status rv_exec_new(const rv_exec_config *config, rv_exec **ret, rv_error *err);
void rv_exec_free(rv_exec *exec); /* kills and reaps what is left; NULL is legal */
/* Start an attempt. Returns RV_OK also when the command could not be started: then `ended` comes (from the loop, never
 * from within this call) with error START or UNAVAILABLE. pid, start ticks: for recovery after a crash (0 if there is no
 * process; that its program cannot be executed, although it was found, is learned when the process has ended).
 * All of `spawn` is borrowed for the call. The slot *ret is the executor's and is reused after `ended`.
 * RV_NO_MEMORY: nothing was started, and no `ended` comes. */
RV_MUST_USE rv_status rv_exec_start(rv_exec *exec, const rv_spawn *spawn, rv_proc **ret, int64_t *ret_pid,
                                    uint64_t *ret_start_ticks, rv_error *err);
/* Begin to stop it; the first reason stays. grace_ms < 0: the attempt's own. `ended` comes as always. */
void rv_exec_stop(rv_proc *proc, rv_stop_reason reason, int64_t grace_ms);
uint32_t rv_exec_live(const rv_exec *exec);

/* ---- executors of another make ----
 * Who drives an engine may give it an executor of his own, such as the simulator's. Its struct begins with a pointer to these, that of
 * its attempts with a pointer to the executor; the functions above are then these members, under the same contracts. An attempt that
 * has begun without a process has pid -1. */
typedef struct rv_exec_ops {
    rv_status (*start)(rv_exec *exec, const rv_spawn *spawn, rv_proc **ret, int64_t *ret_pid, uint64_t *ret_start_ticks, rv_error *err);
    void (*stop)(rv_proc *proc, rv_stop_reason reason, int64_t grace_ms);
    uint32_t (*live)(const rv_exec *exec);
    void (*free)(rv_exec *exec);
} rv_exec_ops;

/* ---- cgroups, where the machine has them ----
 * What an attempt starts in a cgroup cannot leave by anything that daemons do: its orphans are told apart by it, and a later
 * engine finds what a dead one left. Used when this process may write its own cgroup in the unified hierarchy (root, or one that
 * was delegated) and the kernel is 5.14 or later; else, and after REEVE_CGROUPS=off in the environment, everything works as
 * without. Attempts with `leave` start outside. */
#define RV_EXEC_CGROUP_SIZE 512 /* bytes of a path, with the NUL */
/* Where an engine in this process has the cgroup of the store with `mark` (a file name). Nothing is made. false: nowhere; ret
 * is "" then and *ret_why (static; ret_why may be NULL) says why, for people. */
bool rv_exec_cgroup_path(const char *mark, char ret[RV_EXEC_CGROUP_SIZE], const char **ret_why);
/* Make that cgroup and remove it again. false: it is not to be had, *ret_why as above. */
RV_MUST_USE bool rv_exec_cgroup_try(const char *mark, const char **ret_why);

/* ---- leftovers of a dead engine ----
 * Find and kill every process that is in `cgroup` (as the dead owner recorded it, or NULL) or in the cgroup that the store has
 * from here, holds the leash file (device, inode), is in a recorded group whose leader has the recorded start time, or carries
 * `REEVE_STORE_MARK=mark` in its environment; wait until they are gone, and remove the cgroups. Never this process or an
 * ancestor of it; never what a `leave` attempt left behind, but for its recorded group. A cgroup of another mark is not touched.
 * boot_id differs from this boot's: recorded pids are not looked at. *ret_killed: how many. TIMEOUT: some would not die in 10 s. */
typedef struct rv_leftover { int64_t pid; uint64_t start_ticks; } rv_leftover;
RV_MUST_USE rv_status rv_exec_kill_leftovers(const char *leash_path, const char *mark, const char *boot_id,
                                             const char *cgroup, const rv_leftover *recorded, uint32_t count,
                                             uint32_t *ret_killed, rv_error *err);
/* This boot's id (/proc/sys/kernel/random/boot_id), NUL-terminated, at most 63 bytes. */
void rv_exec_boot_id(char ret[64]);

/* ---- keeper: nobody dies alone (DESIGN 12) ----
 * Fork into keeper (parent, stays) and engine (child, returns). Call before any thread exists, first thing in the program,
 * so that the keeper stays tiny. Both are subreapers.
 * In the engine: returns RV_OK; the engine must watch *ret_keeper_fd (a socket): readable EOF, or an error, means that the keeper
 * died → kill attempts, exit; a byte N read from it is signal N, forwarded by the keeper because a process (not the terminal)
 * sent it there (one that was sent to the whole group comes both ways, a moment apart).
 * In the keeper: never returns; when the engine ends it kills everything that is left (its adopted children; once armed
 * also the store's cgroup, leash holders and the mark; it looks for none when the engine exited and no descendant of it
 * lives), then exits with the engine's status, or 128+N if signal N killed it. */
RV_MUST_USE rv_status rv_keeper_fork(int *ret_keeper_fd, rv_error *err);
/* From the engine, once it owns a store: hand the keeper a duplicate of `lock_fd` (flock'ed; SCM_RIGHTS), which it holds until it
 * has killed what is left, and what to look for; `cgroup` as in rv_exec_config. Blocks until the keeper has confirmed. */
RV_MUST_USE rv_status rv_keeper_arm(int keeper_fd, int lock_fd, const char *leash_path, const char *mark, const char *cgroup,
                                    rv_error *err);

#endif
