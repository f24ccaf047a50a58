/* failpoint.h: named places where the engine can be made to die, so that a test can kill it at each of them in turn.
 *
 * Whoever opens a store says whether the environment may arm one: REEVE_FAIL_POINT=NAME[:N[:WHO]], the N-th passage (from
 * 1, 1 by default) of NAME, WHO engine (the default), keeper or both. At that passage SIGKILL is sent, once; nothing is
 * written, closed or unlocked first. WHO stopped: the engine is sent SIGSTOP instead, and goes on from there with SIGCONT: so a
 * test changes the world while the engine holds still at a place that it knows. Attempts do not inherit the variable. A point
 * that is not armed costs a load and one branch that is never taken. tests/crash walks the table below; a place that is in it
 * and in no file is found there. */
#ifndef RV_FAILPOINT_H
#define RV_FAILPOINT_H

#include <sys/types.h>

#include "base/base.h"

#define RV_FAIL_POINTS(X) /* symbol, name */                                                                      \
    X(HOST_LOCKED, "host.locked")                   /* the owner lock is ours, nothing is said about us yet */     \
    X(HOST_LOOKED, "host.looked")                   /* the files of the run to come were looked at early, if any were */ \
    X(HOST_KEEPER_ARMED, "host.keeper_armed")       /* the keeper holds the lock too */                            \
    X(HOST_STORE_OPEN, "host.store_open")           /* before leftovers of the dead are killed */                  \
    X(HOST_LEFTOVERS_KILLED, "host.leftovers_killed")                                                             \
    X(HOST_OWNER_WRITTEN, "host.owner_written")     /* owner.lock names us */                                      \
    X(HOST_CLOSING, "host.closing")                 /* everything was said; the store is still open */             \
    X(HOST_CLOSED, "host.closed")                   /* the store is closed, the lock still ours */                 \
    X(RESUME_REPLAYED, "resume.replayed")           /* the journal is replayed, nothing is decided yet */          \
    X(RESUME_STEPPED, "resume.stepped")             /* RESUME and LOST are stepped, not committed */               \
    X(ENGINE_BEFORE_SUBMIT, "engine.before_submit") /* a batch is made */                                          \
    X(ENGINE_AFTER_SUBMIT, "engine.after_submit")   /* it is the store's */                                        \
    X(ENGINE_WRITTEN, "engine.written")             /* a batch is known to be written, nothing of it performed */   \
    X(ENGINE_PERFORMED, "engine.performed")         /* its effects are performed */                                \
    X(ENGINE_SYNCED, "engine.synced")               /* a batch is known to be synced, nobody was told */           \
    X(RUN_STARTED, "run.started")                   /* the run's id has been given out */                          \
    X(RUN_OVER, "run.over")                         /* its end is stepped, not committed */                        \
    X(RUN_END_SYNCED, "run.end_synced")             /* its end is on disk, nobody was told */                      \
    X(STORE_BEFORE_NAME, "store.before_name")       /* a new store's file is synced, under another name */          \
    X(STORE_AFTER_NAME, "store.after_name")         /* it has its name; the directory is not synced */             \
    X(STORE_BEFORE_BEGIN, "store.before_begin")     /* these are on the store's thread */                          \
    X(STORE_BEFORE_COMMIT, "store.before_commit")                                                                 \
    X(STORE_AFTER_COMMIT, "store.after_commit")     /* written; the result is not delivered */                     \
    X(STORE_BEFORE_SYNC, "store.before_sync")                                                                     \
    X(STORE_AFTER_SYNC, "store.after_sync")         /* synced; the notice is not delivered */                      \
    X(ATTEMPT_BEFORE_SPAWN, "attempt.before_spawn")                                                               \
    X(EXEC_FORKED, "exec.forked")                   /* the child exists; nobody knows its pid */                   \
    X(ATTEMPT_AFTER_SPAWN, "attempt.after_spawn")   /* its pid is known, STARTED is not journaled */               \
    X(ATTEMPT_STARTED, "attempt.started")           /* STARTED is stepped, not committed */                        \
    X(ATTEMPT_ENDED, "attempt.ended")               /* it was reaped; its completion is not stepped */             \
    X(ATTEMPT_COLLECTED, "attempt.collected")       /* its result and artifacts are read */                        \
    X(ATTEMPT_STEPPED, "attempt.stepped")           /* its completion is stepped, not committed */                 \
    X(BLOB_BEFORE_RENAME, "blob.before_rename")                                                                   \
    X(BLOB_AFTER_RENAME, "blob.after_rename")       /* it has its name; the directory is not synced */             \
    X(CACHE_KEPT, "cache.kept")                     /* an attempt's outputs are blobs, its entry is in no batch */   \
    X(CACHE_STAGED, "cache.staged")                 /* a hit's files are staged, none is in its place */           \
    X(CACHE_MADE, "cache.made")                     /* one has a name, staged or in its place, and no bytes yet */ \
    X(CACHE_PLACED, "cache.placed")                 /* one of them is */                                           \
    X(CACHE_LOOKED, "cache.looked")                 /* all that is remembered was looked at ahead; a node asks next */ \
    X(CACHE_SETTLED, "cache.settled")               /* all are, its output is logged; its event is not stepped */  \
    X(ARTIFACT_LINKED, "artifact.linked")           /* it has its maker's name; no row says so */                  \
    X(LOG_BEFORE_FLUSH, "log.before_flush")                                                                       \
    X(LOG_AFTER_FLUSH, "log.after_flush")

typedef enum rv_fail_point {
#define X(symbol_, name_) RV_FAIL_##symbol_,
    RV_FAIL_POINTS(X)
#undef X
    RV_FAIL_POINT_COUNT,
} rv_fail_point;

/* The armed point, RV_FAIL_POINT_COUNT if none. Written before the process has threads, then only read. */
extern int rv_fail_point_armed;
#define RV_FAIL_POINT(symbol_) (__builtin_expect(rv_fail_point_armed == RV_FAIL_##symbol_, 0) ? rv_fail_point_pass() : (void)0)

/* "host.locked" …; never NULL. */
const char *rv_fail_point_name(rv_fail_point point);

/* Arm what `text` says; NULL: nothing. keeper: the process that WHO `keeper` means, 0 if there is none (it is then left out).
 * INVALID: no such point, or text of another form; err names it, and what was armed before stays. */
RV_MUST_USE rv_status rv_fail_point_arm(const char *text, pid_t keeper, rv_error *err);

/* The same within a program that simulates deaths: at passage `passages` (from 1) of `point` call `fn`, once, instead of sending a
 * signal. RV_FAIL_POINT_COUNT: arm nothing. Whatever was armed before is not any more. */
void rv_fail_point_call(rv_fail_point point, int64_t passages, void (*fn)(void *user), void *user);

/* The armed point is passed: count it and, if it is its turn, send SIGKILL, or SIGSTOP for WHO `stopped`; a SIGKILL to ourselves does not
 * return. Any thread. */
void rv_fail_point_pass(void);

#endif
