#include "lib/leftovers.h"

#include "base/util.h"
#include "exec/exec.h"
#include "lib/owner.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

void rv_leash_mark(const struct stat *leash, char ret[80])
{
    snprintf(ret, 80, "%llx-%llx", (unsigned long long)leash->st_dev, (unsigned long long)leash->st_ino);
}

static rv_status kill_marked(const char *store_dir, const rv_owner *before, const rv_leftover *recorded, uint32_t count, rv_error *err)
{
    struct stat info;
    char mark[80];
    uint32_t killed = 0;
    rv_buf path = {0};
    rv_status status = RV_OK;
    rv_buf_printf(&path, "%s/leash", store_dir);
    if (stat(path.at, &info) == 0) {
        rv_leash_mark(&info, mark);
        status = rv_exec_kill_leftovers(path.at, mark, before->boot_id, before->cgroup, recorded, count, &killed, err);
    } else if (errno != ENOENT) {
        status = rv_error_set(err, RV_STORE_IO, "cannot look at %s: %s; check the permissions of the store", path.at, strerror(errno));
    }
    if (killed) rv_log(RV_LOG_WARN, "%u process%s of a dead engine had to be ended", killed, killed == 1 ? "" : "es");
    rv_buf_deinit(&path);
    return status;
}

/* What the dead owner recorded: its boot, and the pids of attempts that its store says are open. */
rv_status rv_leftovers_kill(const char *store_dir, rv_store *store, rv_error *err)
{
    rv_arena arena = {0};
    rv_owner before;
    rv_run_rows runs = {0};
    rv_attempt_rows attempts = {0};
    RV_VEC(rv_leftover) recorded = {0};
    bool was_clean = rv_owner_read(store_dir, &before, NULL) == RV_NOT_FOUND;
    rv_status status = rv_store_runs(store, &arena, &(rv_run_filter){.unfinished = true, .limit = 1000}, &runs, err);
    for (uint32_t i = 0; status == RV_OK && i < runs.count; i++)
        status = rv_store_attempts_open(store, &arena, runs.at[i].id, &attempts, err);
    for (uint32_t i = 0; i < attempts.count; i++)
        if (attempts.at[i].pid > 0) rv_vec_push(&recorded, ((rv_leftover){attempts.at[i].pid, (uint64_t)attempts.at[i].pid_start_ticks}));
    if (status == RV_OK && !(was_clean && recorded.count == 0))
        status = kill_marked(store_dir, &before, recorded.at, recorded.count, err);
    rv_vec_deinit(&recorded);
    rv_vec_deinit(&runs);
    rv_vec_deinit(&attempts);
    rv_arena_deinit(&arena);
    return status;
}
