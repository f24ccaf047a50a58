/* run.c: `reeve run`: keeper, file, store, run, summary; in this order. */
#include <unistd.h>

#include "cli/drive.h"
#include "cli/load.h"
#include "cli/plan.h"
#include "cli/select.h"
#include "cli/verbs.h"
#include "engine/forecast.h"

typedef struct run_verb {
    const rv_args *args;
    rv_load load;
    rv_buf store, compiled; /* directories */
    rv_resume resume;
    rv_select select;
    bool is_resume;
} run_verb;

static rv_status begin_new(rv_drive *drive, rv_host *host, rv_job **ret_job, rv_error *err)
{
    run_verb *run = drive->user;
    rv_load_keep(&run->load, run->compiled.at);
    rv_buf_deinit(&run->load.source); /* what was to be said of it is said; of a large file it is as much as its graph */
    rv_submit submit = {.spec = run->load.spec, .file = run->load.path.at, .dir = run->load.dir.at, .fail_fast = drive->fail_fast};
    rv_status status = rv_engine_submit(rv_host_engine(host), &submit, ret_job, err);
    if (status == RV_OK) run->load.spec = NULL;
    return status;
}

static rv_status begin_resume(rv_drive *drive, rv_host *host, rv_job **ret_job, rv_error *err)
{
    run_verb *run = drive->user;
    rv_status status = rv_resume_begin(&run->resume, host, ret_job, err);
    drive->status_early = run->resume.status_early;
    return status;
}

static rv_status check_usage(const rv_args *args, rv_error *err)
{
    bool is_resume = rv_args_has(args, "resume");
    if (rv_args_has(args, "edit") && !is_resume)
        return rv_error_set(err, RV_INVALID, "--edit goes with --resume: it makes a child of a run");
    if (rv_args_has(args, "dry-run") && is_resume)
        return rv_error_set(err, RV_INVALID, "--dry-run tells about a new run; `reeve show RUN` tells what a run has still to do");
    return RV_OK;
}

/* Where the store is, and for --resume which run is meant. */
static rv_status locate(run_verb *run, const char *word, rv_error *err)
{
    const char *option = rv_args_value(run->args, "store");
    run->resume = (rv_resume){.args = run->args,
                              .word = rv_args_value(run->args, "resume"),
                              .edit = rv_args_has(run->args, "edit"),
                              .fail_fast = rv_args_has(run->args, "fail-fast")};
    bool is_by_id = run->is_resume && run->resume.word && !word;
    if (is_by_id) return rv_store_locate(option, NULL, &run->store, err);
    rv_status status = rv_load_find(&run->load, word, err);
    if (status) return status;
    run->resume.file = run->load.path.at;
    return rv_cli_store_for(option, run->load.path.at, &run->store, err);
}

/* What would run and, where there is a store, what its cache has. */
static rv_status tell_plan(run_verb *run, rv_error *err)
{
    rv_client *client = NULL;
    rv_cache *cache = NULL;
    rv_blobs *blobs = NULL;
    rv_forecast *forecast = NULL;
    rv_error no_cache = {0};
    rv_forecast_config config = {.spec = run->load.spec, .file = run->load.path.at, .dir = run->load.dir.at};
    rv_status found = access(run->store.at, F_OK) == 0 ? rv_client_open(run->store.at, &client, &no_cache) : RV_NOT_FOUND;
    if (found == RV_OK) found = rv_client_cache_open(client, (const char *const *)environ, &cache, &blobs, &no_cache);
    config.cache = cache;
    if (found == RV_OK) found = rv_forecast_make(&config, &forecast, &no_cache);
    if (found != RV_OK && found != RV_NOT_FOUND) rv_cli_note("%s", no_cache.text);
    rv_status status = rv_plan_print(run->load.spec, forecast, run->args, err);
    rv_forecast_free(forecast);
    rv_cache_close(cache);
    rv_blobs_close(blobs);
    rv_client_close(client);
    return status;
}

static int run_located(run_verb *run, const char *word, rv_drive *drive)
{
    int status = 0;
    uint32_t count = 0;
    rv_error err = {0};
    rv_buf_printf(&run->compiled, "%s/compiled", run->store.at);
    if (run->is_resume) {
        if (access(run->store.at, F_OK) != 0)
            return rv_cli_failf(run->args, RV_NOT_FOUND, "there is no store at %s yet, so there is nothing to resume", run->store.at);
        drive->begin = begin_resume;
        return rv_drive_run(drive);
    }
    if (rv_load_file(&run->load, run->args, word, false, run->compiled.at, &status)) return status;
    if (access(run->store.at, W_OK) == 0) rv_load_keep(&run->load, run->compiled.at); /* a plan makes no store, but fills one */
    if (rv_select_apply(&run->select, &run->load, &count, &err)) return rv_cli_fail(run->args, &err);
    if (count == 0) {
        rv_cli_note("nothing to run: no node's inputs changed");
        return 0;
    }
    if (rv_args_has(run->args, "dry-run")) return tell_plan(run, &err) ? rv_cli_fail(run->args, &err) : 0;
    drive->begin = begin_new;
    drive->graph = &run->load.spec->graph;
    drive->dir = run->load.dir.at;
    return rv_drive_run(drive);
}

int rv_verb_run(const rv_args *args)
{
    run_verb run = {.args = args, .is_resume = rv_args_has(args, "resume")};
    rv_drive drive = {.args = args, .user = &run, .keeper_fd = -1};
    rv_error err = {0};
    rv_status failed = rv_select_read(&run.select, args, &err);
    const char *word = run.select.file;
    if (failed == RV_OK) failed = check_usage(args, &err);
    if (failed == RV_OK) failed = rv_drive_options(&drive, &err);
    /* Before anything is loaded, so that the keeper stays tiny. */
    if (failed == RV_OK && !rv_args_has(args, "dry-run")) failed = rv_drive_fork(&drive, &err);
    if (failed == RV_OK) failed = locate(&run, word, &err);
    drive.store_dir = run.store.at;
    drive.fail_fast = rv_args_has(args, "fail-fast");
    drive.no_wait = rv_args_has(args, "no-wait");
    int status = failed ? rv_cli_fail(args, &err) : run_located(&run, word, &drive);
    rv_load_deinit(&run.load);
    rv_select_deinit(&run.select);
    rv_buf_deinit(&run.store);
    rv_buf_deinit(&run.compiled);
    return status;
}
