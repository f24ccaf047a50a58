#include "cli/drive.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "cli/heap.h"
#include "cli/out.h"

rv_status rv_drive_fork(rv_drive *drive, rv_error *err)
{
    rv_status status = rv_keeper_fork(&drive->keeper_fd, err);
    if (status == RV_OK) rv_heap_fill();
    return status;
}

rv_status rv_drive_options(rv_drive *drive, rv_error *err)
{
    const char *mode = rv_args_value(drive->args, "output");
    bool is_known = !mode || strcmp(mode, "live") == 0 || strcmp(mode, "buffered") == 0 || strcmp(mode, "quiet") == 0;
    if (!is_known) return rv_error_set(err, RV_INVALID, "--output is `%s`; give live, buffered or quiet", mode);
    return rv_args_number(drive->args, "jobs", 1, 4096, 0, &drive->slots, err);
}

/* The last line with --json: how it ended. */
static void json_end(rv_progress *p, int exit_status)
{
    rv_json_writer w;
    uint32_t counts[RV_NODE_STATE_COUNT], running, hits;
    int64_t saved_ms;
    bool nothing_ran;
    rv_job_counts(p->job, counts, &running);
    rv_json_writer_init(&w, &p->out, 0);
    rv_jw_object(&w);
    rv_jw_kv_i64(&w, "v", RV_JSON_SHAPE_VERSION);
    rv_jw_kv_cstring(&w, "type", "run_ended");
    rv_jw_kv_i64(&w, "at", rv_loop_wall_ms(rv_host_loop(p->host)));
    rv_jw_kv_str(&w, "run", rv_job_id(p->job));
    rv_jw_kv_cstring(&w, "status", p->gave_up ? "waiting" : rv_run_state_name(rv_job_state(p->job)));
    rv_jw_kv_i64(&w, "exit_status", exit_status);
    rv_jw_key(&w, "counts");
    rv_jw_object(&w);
    for (uint32_t state = 0; state < RV_NODE_STATE_COUNT; state++)
        if (counts[state]) rv_jw_kv_i64(&w, rv_node_state_name((rv_node_state)state), counts[state]);
    rv_jw_object_end(&w);
    rv_job_cached(p->job, &hits, &saved_ms, &nothing_ran);
    rv_jw_kv_i64(&w, "cached", hits);
    rv_jw_kv_i64(&w, "saved_ms", saved_ms);
    rv_jw_object_end(&w);
    rv_buf_byte(&p->out, '\n');
}

static int finish(rv_drive *drive, rv_progress *p)
{
    int status = p->gave_up ? 76 : rv_job_exit_status(p->job);
    rv_buf summary = {0};
    if (p->face == RV_FACE_JSON) json_end(p, status);
    else rv_summary_write(p, &summary);
    rv_progress_left_out(p);
    rv_buf_str_add(&p->out, rv_buf_str(&summary));
    rv_buf_deinit(&summary);
    return status;
}

/* Everything is said: wait until it is read. A signal gives up on that; a second one, after one that stopped the run, exits. */
static int drain(rv_progress *p, rv_host *host, int status)
{
    bool was_signalled = p->signal != 0;
    static const int never = 0;
    rv_out_drain(rv_host_loop(host), was_signalled ? &never : &p->signal);
    bool has_given_up = p->signal && !was_signalled && rv_out_waiting() > 0;
    rv_out_end();
    if (has_given_up) return 128 + p->signal;
    int error = rv_out_error();
    if (error == EPIPE) {
        rv_buf command = {0};
        if (p->signal == SIGPIPE) rv_summary_go_on(p, &command);
        if (command.size) rv_cli_note("nobody reads the output any more, so the run was interrupted; go on with: %s", command.at);
        rv_buf_deinit(&command);
        return 128 + SIGPIPE;
    }
    if (error == 0) return status;
    rv_cli_note("standard output cannot be written: %s", rv_out_error_text(error));
    return status ? status : rv_status_exit(RV_IO);
}

int rv_drive_run(rv_drive *drive)
{
    rv_progress progress;
    rv_progress_init(&progress, drive->args, drive->store_dir);
    progress.no_wait = drive->no_wait;
    rv_host_config config = {.store_dir = drive->store_dir,
                             .environ = (const char *const *)environ,
                             .slots = drive->slots,
                             .graph = drive->graph,
                             .dir = drive->dir,
                             .keeper_fd = drive->keeper_fd,
                             .observer = rv_progress_observer(&progress),
                             .handles_signals = true,
                             .signalled = rv_progress_signalled};
    rv_host *host = NULL;
    rv_job *job = NULL;
    rv_error err = {0};
    int status;
    if (drive->graph) rv_heap_expect(drive->graph->node_count);
    if (rv_host_open(&config, &host, &err)) {
        rv_progress_deinit(&progress);
        return rv_cli_fail(drive->args, &err);
    }
    rv_progress_open(&progress, host);
    rv_status begun = rv_out_begin(rv_host_loop(host), rv_progress_out_failed, &progress, &err);
    if (begun == RV_OK) begun = drive->begin(drive, host, &job, &err);
    if (begun) {
        status = rv_cli_fail(drive->args, &err);
    } else if (!job) {
        status = drive->status_early;
    } else {
        progress.job = job;
        if (!progress.is_ended) rv_host_run(host);
        status = finish(drive, &progress);
    }
    rv_progress_close(&progress);
    status = drain(&progress, host, status);
    if (rv_host_close(host, &err)) status = rv_cli_fail(drive->args, &err);
    rv_progress_deinit(&progress);
    return status;
}
