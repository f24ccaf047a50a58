/* host.h: the composition root for programs that drive runs themselves (`reeve run`, `reeve each`): owner lock, keeper,
 * store, loop, executor, blobs, engine and the owner's socket, opened and closed in the right order. */
#ifndef RV_HOST_H
#define RV_HOST_H

#include "engine/engine.h"

typedef struct rv_host rv_host;
typedef struct rv_host_config {
    const char *store_dir;       /* made (0700) when absent */
    const char *const *environ;
    uint32_t slots;
    int64_t grace_ms;
    int keeper_fd;               /* from rv_keeper_fork, or -1: no keeper (tests, embedding) */
    rv_observer observer;
    bool shares_children;        /* the process has children of its own: see exec.h (embedding) */
    rv_exec *(*wrap)(void *user, rv_loop *loop, rv_exec *inner); /* take the executor, give one of another make over it; NULL: as it is */
    void *wrap_user;
    rv_status (*reduce)(void *user, rv_job *job, uint32_t node, rv_str reducer, rv_str inputs, rv_buf *ret_value, rv_error *err);
    const char *const *(*reducers)(void *user);
    void *reduce_user;           /* these three as of rv_engine_config */
    const struct rv_graph *graph; /* of the run that is submitted next, in `dir`, or NULL: what is remembered of it (memo.h) is looked */
    const char *dir;              /* at while the rest is opened. Both borrowed for the opening */
    bool in_memory;              /* memory store, nothing durable (`--dry-run` needs none of this) */
    bool handles_signals;        /* SIGINT, SIGTERM, SIGHUP once: interrupt; twice: exit at once [W33] */
    void (*signalled)(void *user, int signal); /* tell the person; may be NULL */
} rv_host_config;

/* Take the owner lock (waits up to 10 s for a dying owner), open everything, kill a dead owner's leftovers.
 * CONFLICT: a living owner; err says who (pid, command), since when. STORE_IO, CORRUPT: as the store says. */
RV_MUST_USE rv_status rv_host_open(const rv_host_config *config, rv_host **ret, rv_error *err);
rv_engine *rv_host_engine(rv_host *host);
rv_store *rv_host_store(rv_host *host);
rv_loop *rv_host_loop(rv_host *host);
/* Run the loop until rv_host_stop (call it from an observer). */
void rv_host_run(rv_host *host);
void rv_host_stop(rv_host *host);
/* For a host within another program's loop: rv_loop_step on rv_host_loop. The store failed: nothing more is done; close it. */
bool rv_host_has_failed(const rv_host *host, rv_error *ret);
/* Sync what is written, close everything, release the lock. */
rv_status rv_host_close(rv_host *host, rv_error *err);

#endif
