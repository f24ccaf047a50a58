#include "lib/host.h"

#include "base/failpoint.h"
#include "engine/memo.h"
#include "lib/control.h"
#include "lib/leftovers.h"
#include "lib/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Order of opening: folders → owner lock → keeper armed → leftovers of the dead killed → store → loop → executor →
 * blobs → engine → socket. Closing is the reverse. */

struct rv_host {
    rv_host_config config;
    char *dir;                 /* absolute */
    int lock_fd, leash_fd;
    rv_owner owner;
    rv_store *store;
    rv_loop *loop;
    rv_exec *exec;
    rv_blobs *blobs;
    rv_engine *engine;
    rv_memo *memo;               /* until the engine has it */
    rv_control *control;
    rv_watch *keeper_watch;
    char mark[80];
    char *leash_path;
    int last_signal;
    int64_t last_signal_ms;
    bool is_interrupted;
    rv_error failure;
    bool has_failed;
};

/* ---- signals ---- */

static void exit_at_once(rv_host *host, int signal)
{
    /* Twice: exit now; the keeper kills what is left, recovery does the rest [W33]. */
    (void)host;
    _exit(128 + signal);
}

static void take_signal(rv_host *host, int signal)
{
    int64_t now_ms = rv_loop_mono_ms(host->loop);
    /* The same signal can come twice for one cause: from the terminal and through the keeper. */
    if (signal == host->last_signal && now_ms - host->last_signal_ms < 150) return;
    host->last_signal = signal;
    host->last_signal_ms = now_ms;
    if (host->is_interrupted) exit_at_once(host, signal);
    host->is_interrupted = true;
    if (host->config.signalled) host->config.signalled(host->config.observer.user, signal);
    rv_engine_interrupt(host->engine, signal);
}

static void on_signal(void *user, int signal, bool is_from_terminal) { take_signal(user, signal); }

static void on_keeper(void *user, int events)
{
    rv_host *host = user;
    unsigned char signal;
    ssize_t size = read(host->config.keeper_fd, &signal, 1);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size == 1) {
        take_signal(host, signal);
        return;
    }
    rv_watch_end(host->keeper_watch); /* the keeper died: so do we, and ours with us */
    host->keeper_watch = NULL;
    rv_exec_free(host->exec);
    _exit(75);
}

/* ---- opening ---- */

static char *absolute(const char *path)
{
    char *full = realpath(path, NULL);
    char *copy = rv_cstring_dup(rv_str_of(full ? full : path));
    free(full);
    return copy;
}

static void read_command(char *ret, size_t size)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t count = fd >= 0 ? read(fd, ret, size - 1) : 0;
    if (fd >= 0) close(fd);
    if (count < 0) count = 0;
    for (ssize_t i = 0; i + 1 < count; i++)
        if (ret[i] == 0) ret[i] = ' ';
    ret[count] = 0;
}

static rv_status take_lock(rv_host *host, rv_error *err)
{
    struct timespec t;
    rv_owner other = {0};
    rv_status status = rv_owner_lock(host->dir, 10000, false, &host->lock_fd, &other, err);
    if (status != RV_OK) return status;
    clock_gettime(CLOCK_REALTIME, &t);
    host->owner.pid = getpid();
    host->owner.keeper = host->config.keeper_fd >= 0 ? getppid() : 0;
    host->owner.since_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    rv_exec_boot_id(host->owner.boot_id);
    read_command(host->owner.command, sizeof host->owner.command);
    rv_owner_socket_path(host->dir, host->owner.socket);
    return RV_OK;
}

static rv_status open_leash(rv_host *host, rv_error *err)
{
    struct stat info;
    rv_buf path = {0};
    rv_buf_printf(&path, "%s/leash", host->dir);
    host->leash_path = rv_cstring_dup(rv_buf_str(&path));
    host->leash_fd = open(path.at, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    rv_buf_deinit(&path);
    if (host->leash_fd < 0 || fstat(host->leash_fd, &info) != 0)
        return rv_error_set(err, RV_STORE_IO, "cannot open %s: %s; check the permissions of the store", host->leash_path, strerror(errno));
    rv_leash_mark(&info, host->mark);
    return RV_OK;
}

static void on_failed(void *user, const rv_error *err);

static void on_change(void *user)
{
    rv_host *host = user;
    rv_control_notify(host->control);
}

/* Nobody but us writes now: the lock is ours, and who had it before had left nothing behind, or it would still say so. */
static void look_early(rv_host *host)
{
    const rv_graph *graph = host->config.graph;
    struct stat info;
    struct timespec now;
    host->config.graph = NULL;
    if (!graph || host->config.in_memory || fstat(host->lock_fd, &info) != 0 || info.st_size != 0) return;
    host->memo = rv_memo_open(&(rv_memo_of){.root = host->dir, .workflow = graph->digest, .environ = host->config.environ,
                                            .node_count = graph->node_count});
    RV_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    rv_memo_look_early(host->memo, host->config.dir, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    while (rv_fail_point_armed == RV_FAIL_HOST_LOOKED && rv_memo_is_looking(host->memo)) sched_yield();
}

static rv_status open_parts(rv_host *host, rv_error *err)
{
    const rv_host_config *config = &host->config;
    rv_store_config store_config = {.path = host->dir};
    rv_status status = open_leash(host, err);
    if (status == RV_OK) (void)rv_exec_cgroup_path(host->mark, host->owner.cgroup, NULL);
    if (status == RV_OK && config->keeper_fd >= 0)
        status = rv_keeper_arm(config->keeper_fd, host->lock_fd, host->leash_path, host->mark, host->owner.cgroup, err);
    RV_FAIL_POINT(HOST_KEEPER_ARMED);
    if (status == RV_OK && !config->in_memory) status = rv_store_check_whole(host->dir, err);
    if (status == RV_OK)
        status =
            config->in_memory ? rv_store_open_memory(&host->store, err) : rv_store_open_sqlite(&store_config, &host->store, err);
    RV_FAIL_POINT(HOST_STORE_OPEN);
    if (status == RV_OK && !config->in_memory) status = rv_leftovers_kill(host->dir, host->store, err);
    RV_FAIL_POINT(HOST_LEFTOVERS_KILLED);
    if (status == RV_OK) status = rv_owner_write(host->lock_fd, &host->owner, err);
    RV_FAIL_POINT(HOST_OWNER_WRITTEN);
    if (status == RV_OK) status = rv_loop_new(&host->loop, err);
    if (status == RV_OK)
        status = rv_exec_new(&(rv_exec_config){.loop = host->loop,
                                               .leash_fd = host->leash_fd,
                                               .cgroup = host->owner.cgroup,
                                               .shares_children = config->shares_children},
                             &host->exec, err);
    if (status == RV_OK && config->wrap) host->exec = config->wrap(config->wrap_user, host->loop, host->exec);
    if (status == RV_OK) status = rv_blobs_open(host->dir, &host->blobs, err);
    if (status != RV_OK) return status;
    rv_engine_config engine_config = {.loop = host->loop,
                                      .store = host->store,
                                      .exec = host->exec,
                                      .blobs = host->blobs,
                                      .root = host->dir,
                                      .socket = host->owner.socket,
                                      .store_mark = host->mark,
                                      .environ = config->environ,
                                      .slots = config->slots,
                                      .grace_ms = config->grace_ms,
                                      .observer = config->observer,
                                      .reduce = config->reduce,
                                      .reducers = config->reducers,
                                      .reduce_user = config->reduce_user,
                                      .failed = on_failed,
                                      .failed_user = host,
                                      .memo = host->memo};
    host->memo = NULL;
    status = rv_engine_new(&engine_config, &host->engine, err);
    if (status == RV_OK) status = rv_control_open(host->engine, host->store, host->loop, host->owner.socket, &host->control, err);
    if (status == RV_OK) rv_engine_on_change(host->engine, on_change, host);
    return status;
}

static rv_status watch_signals(rv_host *host, rv_error *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    rv_status status = RV_OK;
    if (!host->config.shares_children) signal(SIGPIPE, SIG_IGN); /* a program that embeds us decides that itself */
    if (host->config.handles_signals) status = rv_loop_signals(host->loop, signals, RV_COUNT(signals), on_signal, host, err);
    if (status == RV_OK && host->config.keeper_fd >= 0)
        status = rv_watch_start(host->loop, host->config.keeper_fd, RV_LOOP_READ, on_keeper, host, &host->keeper_watch, err);
    return status;
}

rv_status rv_host_open(const rv_host_config *config, rv_host **ret, rv_error *err)
{
    rv_host *host = rv_alloc(sizeof *host);
    host->config = *config;
    host->lock_fd = host->leash_fd = -1;
    rv_status status = rv_fail_point_arm(getenv("REEVE_FAIL_POINT"), config->keeper_fd >= 0 ? getppid() : 0, err);
    if (status == RV_OK) status = rv_store_make(config->store_dir, err);
    host->dir = absolute(config->store_dir);
    if (status == RV_OK) status = take_lock(host, err);
    RV_FAIL_POINT(HOST_LOCKED);
    if (status == RV_OK) look_early(host);
    RV_FAIL_POINT(HOST_LOOKED);
    if (!config->shares_children) signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk, not a death */
    if (status == RV_OK) status = open_parts(host, err);
    if (status == RV_OK) status = watch_signals(host, err);
    if (status != RV_OK) {
        rv_error ignored;
        rv_host_close(host, &ignored);
        return status;
    }
    *ret = host;
    return RV_OK;
}

rv_engine *rv_host_engine(rv_host *host) { return host->engine; }
rv_store *rv_host_store(rv_host *host) { return host->store; }
rv_loop *rv_host_loop(rv_host *host) { return host->loop; }
void rv_host_run(rv_host *host) { rv_loop_run(host->loop); }
void rv_host_stop(rv_host *host) { rv_loop_stop(host->loop); }

bool rv_host_has_failed(const rv_host *host, rv_error *ret)
{
    if (host->has_failed) *ret = host->failure;
    return host->has_failed;
}

/* The store failed: nothing more is recorded, so nothing more may run. Attempts are stopped; then the loop ends. */
static void on_failed(void *user, const rv_error *err)
{
    rv_host *host = user;
    host->has_failed = true;
    host->failure = *err;
    rv_loop_stop(host->loop);
}

rv_status rv_host_close(rv_host *host, rv_error *err)
{
    rv_status status = RV_OK;
    if (!host) return RV_OK;
    RV_FAIL_POINT(HOST_CLOSING);
    if (host->store) rv_store_leave(host->store);
    rv_control_close(host->control);
    rv_watch_end(host->keeper_watch);
    if (host->exec) rv_exec_free(host->exec); /* kills what is left */
    rv_engine_free(host->engine);
    rv_memo_close(host->memo, false);
    rv_blobs_close(host->blobs);
    if (host->store) status = rv_store_close(host->store, err);
    rv_loop_free(host->loop);
    RV_FAIL_POINT(HOST_CLOSED);
    if (host->has_failed) {
        status = host->failure.status;
        if (err) *err = host->failure;
    }
    bool is_clean = status == RV_OK && host->engine && host->lock_fd >= 0;
    if (is_clean && ftruncate(host->lock_fd, 0) != 0) status = RV_OK; /* what it says only helps recovery */
    if (host->leash_fd >= 0) close(host->leash_fd);
    if (host->lock_fd >= 0) close(host->lock_fd);
    rv_free(host->leash_path);
    rv_free(host->dir);
    rv_free(host);
    return status;
}
