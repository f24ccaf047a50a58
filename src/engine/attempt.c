#include "engine/inner.h"

/* From an effect SPAWN to an outcome: make argv and environment, start, take output, take the end. */

/* ---- pool ---- */

rv_attempt *rv_attempt_new(rv_job *job, uint32_t node)
{
    rv_engine *engine = job->engine;
    rv_attempt *attempt;
    if (engine->attempts_free.count) {
        attempt = rv_vec_pop(&engine->attempts_free);
    } else {
        attempt = rv_alloc(sizeof *attempt);
        attempt->index = engine->attempts.count;
        rv_vec_push(&engine->attempts, attempt);
    }
    attempt->job = job;
    attempt->node = node;
    attempt->row = (rv_attempt_row){.exit_status = -1, .signal = -1, .log_last = RV_LOG_NONE, .state = RV_ATTEMPT_STARTING};
    job->attempt_of[node] = attempt->index + 1;
    return attempt;
}

void rv_attempt_free(rv_attempt *attempt)
{
    rv_engine *engine = attempt->job->engine;
    if (attempt->job->attempt_of[attempt->node] == attempt->index + 1) attempt->job->attempt_of[attempt->node] = 0;
    RV_ASSERT(!attempt->proc && !attempt->dir && !attempt->log);
    rv_mask_free(attempt->mask);
    rv_attempt blank = {.index = attempt->index,
                        .result = attempt->result,
                        .output = attempt->output,
                        .error = attempt->error,
                        .artifacts = attempt->artifacts};
    rv_buf_clear(&blank.result), rv_buf_clear(&blank.output), rv_buf_clear(&blank.error), rv_buf_clear(&blank.artifacts);
    *attempt = blank;
    rv_vec_push(&engine->attempts_free, attempt);
}

const rv_mask *rv_attempt_mask(rv_attempt *attempt)
{
    rv_job *job = attempt->job;
    uint32_t count = job->spec->secrets.count;
    if (attempt->mask) return attempt->mask;
    job->secrets[count] = rv_str_of(attempt->token);
    attempt->mask = rv_mask_new(job->secrets, count + 1);
    return attempt->mask;
}

/* ---- ending ---- */

static void give_slot(rv_attempt *attempt)
{
    rv_job *job = attempt->job;
    rv_jobserver_give(job->engine, attempt);
    rv_engine_release(job, attempt->node, attempt->has_slot);
    attempt->has_slot = false;
}

void rv_attempt_end(rv_attempt *attempt, rv_attempt_state state, rv_detail detail)
{
    rv_job *job = attempt->job;
    rv_event completed = {.type = RV_EVENT_COMPLETED, .node = attempt->node, .epoch = attempt->epoch, .state = state, .detail = detail,
                          .exit_status = attempt->row.exit_status, .signal = attempt->row.signal, .value = rv_buf_str(&attempt->result),
                          .output = rv_buf_str(&attempt->output), .text = rv_buf_str(&attempt->error)};
    while (completed.output.size && completed.output.at[completed.output.size - 1] == '\n')
        completed.output.size--; /* as `$(…)` gives it */
    attempt->is_ended = true;
    attempt->row.state = state;
    attempt->row.detail = detail;
    give_slot(attempt);
    rv_vec_push(&job->ended, attempt);
    rv_usage_tell(attempt);
    rv_engine_step(job, &completed, false);
    if (job->run->nodes[attempt->node].epoch == attempt->epoch)
        attempt->row.state = (rv_attempt_state)job->run->nodes[attempt->node].attempt;
}

/* It never had a process: called off while it waited for its commit or its slot. */
static void end_unstarted(rv_attempt *attempt)
{
    rv_job *job = attempt->job;
    rv_event lost = {
        .type = RV_EVENT_LOST, .node = attempt->node, .epoch = attempt->epoch, .flags = RV_LOST_STOPPED | RV_LOST_NEVER_STARTED};
    attempt->is_ended = true;
    attempt->row.state = RV_ATTEMPT_CANCELLED;
    attempt->row.detail = RV_DETAIL_SIGNALLED;
    attempt->row.error_source = RV_STR("engine");
    give_slot(attempt);
    rv_vec_push(&job->ended, attempt);
    rv_engine_step(job, &lost, true);
}

static void fail_before_start(rv_attempt *attempt, rv_detail detail, const rv_error *err)
{
    rv_buf_cstring(&attempt->error, err->text);
    attempt->row.error_source = RV_STR("engine");
    attempt->row.started_ms = attempt->row.ended_ms = rv_loop_wall_ms(attempt->job->engine->config.loop);
    rv_attempt_end(attempt, RV_ATTEMPT_ERROR, detail);
}

/* What an exit means: state, error.kind and a text for people [A9]. */
static rv_attempt_state judge_exit(rv_attempt *attempt, const rv_exit *exit, rv_detail *ret_detail)
{
    *ret_detail = RV_DETAIL_NONE;
    if (exit->error != RV_DETAIL_NONE) {
        *ret_detail = exit->error;
        rv_mask_whole(rv_attempt_mask(attempt), rv_str_of(exit->error_text), &attempt->error); /* it may be the words of a host's agent */
        return RV_ATTEMPT_ERROR;
    }
    if (exit->stopped == RV_STOP_TIMEOUT) {
        *ret_detail = RV_DETAIL_TIMEOUT;
        rv_buf_cstring(&attempt->error, "took longer than its timeout");
        return RV_ATTEMPT_TIMEOUT;
    }
    if (exit->stopped != RV_STOP_NONE) {
        *ret_detail = RV_DETAIL_SIGNALLED;
        return RV_ATTEMPT_CANCELLED;
    }
    if (exit->signal > 0) {
        *ret_detail = RV_DETAIL_SIGNAL;
        rv_buf_printf(&attempt->error, "ended by signal %d (%s)", exit->signal, strsignal(exit->signal));
        return RV_ATTEMPT_ERROR;
    }
    if (exit->exit_status != 0 && rv_worktree_failure(attempt, &attempt->error)) {
        *ret_detail = RV_DETAIL_START;
        return RV_ATTEMPT_ERROR;
    }
    if (exit->exit_status != 0) {
        *ret_detail = RV_DETAIL_EXIT;
        rv_buf_printf(&attempt->error, "exit status %d", exit->exit_status);
        return RV_ATTEMPT_ERROR;
    }
    return exit->is_partial ? RV_ATTEMPT_PARTIAL : RV_ATTEMPT_OK;
}

static bool has_result(rv_attempt_state state) { return state == RV_ATTEMPT_OK || state == RV_ATTEMPT_PARTIAL; }

bool rv_attempt_storage_failed(rv_attempt *attempt, const rv_error *err)
{
    bool is_storage = err->status == RV_STORE_FULL || err->status == RV_STORE_IO;
    if (is_storage) rv_engine_fail(attempt->job->engine, err);
    return is_storage;
}

/* Masked output, to the expressions that read it and to who watches. */
static void give_output(rv_attempt *attempt, int stream, rv_str text)
{
    rv_job *job = attempt->job;
    const rv_observer *observer = &job->engine->config.observer;
    if (text.size == 0) return;
    bool is_read = stream == 1 && (rv_run_def(job->run, attempt->node)->flags & RV_NODE_F_EXPR_OUTPUT);
    attempt->is_output_over |= is_read && attempt->output.size + text.size > RV_VALUE_SIZE_MAX;
    if (is_read && !attempt->is_output_over) rv_buf_str_add(&attempt->output, text);
    if (observer->output) observer->output(observer->user, job, attempt->node, stream, text);
}

static void end_log(rv_attempt *attempt)
{
    rv_error error = {0};
    rv_attempt_row *row = &attempt->row;
    for (int stream = 1; stream <= 2; stream++) give_output(attempt, stream, rv_log_attempt_rest(attempt->log, stream));
    rv_status status = rv_log_attempt_end(attempt->log, &row->log_last, &row->stdout_size, &row->stderr_size, &error);
    attempt->log = NULL;
    if (status != RV_OK && rv_attempt_storage_failed(attempt, &error)) return;
    if (status != RV_OK && attempt->error.size == 0) {
        row->detail = RV_DETAIL_CAPTURE;
        rv_buf_cstring(&attempt->error, error.text);
    }
    if (rv_run_def(attempt->job->run, attempt->node)->flags & RV_NODE_F_READS_OUTPUT)
        rv_vec_push(&attempt->job->outputs, ((rv_output_ref){attempt->node, row->log_last, rv_str_of(attempt->job->id)}));
}

static void on_ended(void *user, const rv_exit *exit)
{
    rv_attempt *attempt = user;
    rv_engine *engine = attempt->job->engine;
    rv_detail detail;
    RV_FAIL_POINT(ATTEMPT_ENDED);
    rv_engine_stir(engine);
    attempt->proc = NULL;
    attempt->row.exit_status = exit->exit_status;
    attempt->row.signal = exit->signal;
    attempt->row.started_ms = exit->started_ms ? exit->started_ms : attempt->row.started_ms;
    attempt->row.ended_ms = exit->ended_ms;
    attempt->row.user_us = exit->user_us, attempt->row.system_us = exit->system_us, attempt->row.rss_max = exit->rss_max;
    int64_t length_us = rv_loop_mono_us(engine->config.loop) - (int64_t)attempt->started_us;
    engine->attempt_us = engine->attempt_us ? (engine->attempt_us * 7 + length_us) / 8 : length_us;
    end_log(attempt);
    rv_attempt_state state = judge_exit(attempt, exit, &detail);
    if (has_result(state) && attempt->row.detail == RV_DETAIL_CAPTURE) {
        state = RV_ATTEMPT_ERROR;
        detail = RV_DETAIL_CAPTURE;
    }
    if (has_result(state) && attempt->is_output_over) { /* a condition must not decide on a part of it */
        state = RV_ATTEMPT_ERROR;
        detail = RV_DETAIL_VALUE;
        rv_buf_cstring(&attempt->error, "its output is over 1 MiB, and an expression reads it; write it to $REEVE_ARTIFACTS instead");
    }
    if (has_result(state) && !rv_result_collect(attempt, exit->result)) {
        state = RV_ATTEMPT_ERROR;
        detail = attempt->row.detail;
    }
    if (!has_result(state)) rv_result_look(attempt, exit->result);
    rv_cache_keep(attempt, state == RV_ATTEMPT_OK);
    if (state == RV_ATTEMPT_OK) rv_cache_tell_outputs(attempt);
    rv_usage_take(attempt);
    if (!has_result(state)) rv_buf_clear(&attempt->result);
    if (attempt->is_output_over) rv_buf_clear(&attempt->output);
    /* What a `leave` node left behind may write there yet: its directory serves nobody else. */
    bool may_be_written = rv_run_def(attempt->job->run, attempt->node)->flags & RV_NODE_F_LEAVE;
    if (!may_be_written) rv_slot_dir_give(attempt->dir);
    attempt->dir = NULL;
    rv_arena_clear(&engine->scratch);
    if (engine->has_failed) return;
    RV_FAIL_POINT(ATTEMPT_COLLECTED);
    rv_attempt_end(attempt, state, detail);
    RV_FAIL_POINT(ATTEMPT_STEPPED);
    rv_attempt_start_ahead(attempt->job);
}

static void on_output(void *user, int stream, rv_str bytes)
{
    rv_attempt *attempt = user;
    rv_job *job = attempt->job;
    rv_error error = {0};
    rv_str text = {0};
    if (!attempt->mask) rv_log_attempt_mask(attempt->log, rv_attempt_mask(attempt));
    rv_status status = rv_log_add(attempt->log, stream, rv_loop_wall_ms(job->engine->config.loop), bytes, &text, &error);
    if (status != RV_OK) {
        if (rv_attempt_storage_failed(attempt, &error)) return;
        attempt->row.detail = RV_DETAIL_CAPTURE;
        if (attempt->error.size == 0) rv_buf_cstring(&attempt->error, error.text);
        return;
    }
    give_output(attempt, stream, text);
}

/* ---- argv and environment ---- */

typedef struct command {
    rv_command own; /* what the workflow says */
    const char *dir, *mark;
} command;

static void make_token(rv_engine *engine, char ret[65])
{
    static const char digits[] = "0123456789abcdef";
    enum { TOKEN_BYTES = 32 };
    if (engine->random_left < TOKEN_BYTES) {
        rv_engine_random(engine, engine->random, sizeof engine->random);
        engine->random_left = sizeof engine->random;
    }
    engine->random_left -= TOKEN_BYTES;
    uint8_t *bytes = engine->random + engine->random_left;
    for (size_t i = 0; i < TOKEN_BYTES; i++) ret[2 * i] = digits[bytes[i] >> 4], ret[2 * i + 1] = digits[bytes[i] & 15];
    ret[64] = 0;
    memset(bytes, 0, TOKEN_BYTES);
}

static rv_status make_command(rv_attempt *attempt, const rv_json *body, command *out, rv_error *err)
{
    rv_job *job = attempt->job;
    rv_arena *scratch = &job->engine->scratch;
    rv_value_scope scope = {.values = &job->values, .node = attempt->node, .epoch = attempt->epoch};
    rv_status status = rv_command_make(&scope, body, scratch, &out->own, err);
    if (status != RV_OK) return status;
    out->mark = rv_environment_make(attempt, body, out->own.env.at, out->own.env.count);
    const char *dir = out->own.dir;
    out->dir = !dir ? job->dir : dir[0] == '/' ? dir : rv_arena_printf(scratch, "%s/%s", job->dir, dir).at;
    return RV_OK;
}

/* ---- starting ---- */

/* A cancel handler runs within the grace [W1]. */
static int64_t time_limit_ms(const rv_engine *engine, const rv_node_def *def, const rv_policy *policy)
{
    if (def->handler != RV_HANDLER_CANCEL) return policy->timeout_ms;
    return policy->timeout_ms ? RV_MIN(policy->timeout_ms, engine->config.grace_ms) : engine->config.grace_ms;
}

static rv_status launch(rv_attempt *attempt, const command *cmd, rv_error *err)
{
    rv_job *job = attempt->job;
    rv_engine *engine = job->engine;
    const rv_policy *policy = rv_run_policy(job->run, attempt->node);
    rv_spawn spawn = {.argv = cmd->own.argv.at,
                      .held = cmd->own.held ? cmd->own.argv.at + cmd->own.held : NULL,
                      .held_moves = cmd->own.held_moves,
                      .envp = engine->envp.at,
                      .dir = cmd->dir,
                      .stdin_fd = -1,
                      .jobs_fds = {engine->jobs_fds[0], engine->jobs_fds[1]},
                      .mark = cmd->mark,
                      .timeout_ms = time_limit_ms(engine, rv_run_def(job->run, attempt->node), policy),
                      .grace_ms = engine->config.grace_ms,
                      .leave = rv_run_def(job->run, attempt->node)->flags & RV_NODE_F_LEAVE,
                      .output = on_output,
                      .ended = on_ended,
                      .user = attempt};
    attempt->log = rv_log_attempt_new(job->log, attempt->node, attempt->epoch, RV_CAPTURE_SIZE_MAX, job->mask);
    attempt->started_us = (uint64_t)rv_loop_mono_us(engine->config.loop);
    attempt->row.started_ms = rv_loop_wall_ms(engine->config.loop);
    uint64_t ticks = 0;
    RV_FAIL_POINT(ATTEMPT_BEFORE_SPAWN);
    return rv_exec_start(engine->config.exec, &spawn, &attempt->proc, &attempt->row.pid, &ticks, err) == RV_OK
               ? (attempt->row.pid_start_ticks = (int64_t)ticks, RV_OK) : err->status;
}

static void started(rv_attempt *attempt)
{
    rv_job *job = attempt->job;
    attempt->is_started = true;
    RV_FAIL_POINT(ATTEMPT_AFTER_SPAWN);
    if (attempt->row.pid == 0) return; /* its end, with the reason, comes from the loop */
    if (attempt->row.pid < 0) attempt->row.pid = 0; /* a host carries it out: it has begun, without a process */
    attempt->row.state = RV_ATTEMPT_RUNNING;
    rv_engine_step(job,
                   &(rv_event){.type = RV_EVENT_STARTED,
                               .node = attempt->node,
                               .epoch = attempt->epoch,
                               .pid = (uint64_t)attempt->row.pid,
                               .pid_start = (uint64_t)attempt->row.pid_start_ticks},
                   rv_job_spends_money(job, attempt->node)); /* what dies before this is recorded has spent nothing as far as is known */
    RV_FAIL_POINT(ATTEMPT_STARTED);
    if (job->engine->config.observer.attempt_started) {
        rv_node_view view;
        rv_job_node_view(job, attempt->node, &view);
        view.started_ms = attempt->row.started_ms;
        job->engine->config.observer.attempt_started(job->engine->config.observer.user, job, &view);
    }
}

/* What it needs of the machine cannot be had (engine.c): the text becomes the attempt's error in the usual way. */
static rv_status refused(rv_attempt *attempt, rv_error *err)
{
    rv_error_set(err, RV_UNAVAILABLE, "%.*s", RV_FMT(rv_buf_str(&attempt->error)));
    rv_buf_clear(&attempt->error);
    return RV_UNAVAILABLE;
}

static void start_now(rv_attempt *attempt)
{
    rv_job *job = attempt->job;
    rv_engine *engine = job->engine;
    rv_error error = {0};
    command cmd = {0};
    rv_detail detail = RV_DETAIL_VALUE;
    const rv_json *body = rv_job_body(job, attempt->node);
    make_token(engine, attempt->token);
    rv_engine_stir(engine);
    rv_status status = (attempt->dir = rv_slot_dir_take(engine, &error)) ? RV_OK : error.status;
    if (status != RV_OK && rv_attempt_storage_failed(attempt, &error)) return;
    if (status != RV_OK) detail = RV_DETAIL_UNAVAILABLE;
    if (status == RV_OK) status = make_command(attempt, body, &cmd, &error);
    if (status == RV_OK && attempt->is_refused) status = refused(attempt, &error), detail = RV_DETAIL_UNAVAILABLE;
    if (status == RV_OK && (status = rv_isolate(attempt, &cmd.own, &cmd.dir, &error)) != RV_OK) detail = RV_DETAIL_START;
    if (status == RV_OK && job->run->steers.count) rv_steer_write(attempt);
    if (status == RV_OK && (status = launch(attempt, &cmd, &error)) != RV_OK) {
        detail = RV_DETAIL_UNAVAILABLE;
        rv_error ignored;
        if (rv_log_attempt_end(attempt->log, &attempt->row.log_last, &attempt->row.stdout_size, &attempt->row.stderr_size,
                               &ignored) == RV_OK)
            attempt->log = NULL;
        attempt->log = NULL;
    }
    rv_command_deinit(&cmd.own);
    rv_arena_clear(&engine->scratch);
    if (status == RV_OK) {
        started(attempt);
        return;
    }
    if (attempt->dir) rv_slot_dir_give(attempt->dir);
    attempt->dir = NULL;
    fail_before_start(attempt, detail, &error);
}

void rv_attempt_start(rv_job *job, uint32_t node, uint32_t epoch)
{
    rv_attempt *attempt = rv_job_attempt(job, node);
    bool is_current = attempt && attempt->epoch == epoch && !attempt->is_started && !attempt->is_ended;
    if (!is_current || job->engine->has_failed) return;
    if (job->run->closing == RV_CLOSING_INTERRUPT || job->run->nodes[node].state != RV_NODE_RUNNING) {
        end_unstarted(attempt);
        return;
    }
    if (!attempt->has_slot || !rv_jobserver_take(job->engine, attempt)) {
        rv_vec_push(&job->ahead, node);
        return;
    }
    start_now(attempt);
}

void rv_attempt_start_ahead(rv_job *job)
{
    if (job->engine->has_failed) return;
    while (job->ahead_begin < job->ahead.count) {
        uint32_t node = job->ahead.at[job->ahead_begin];
        rv_attempt *attempt = rv_job_attempt(job, node);
        if (!attempt || attempt->is_started || attempt->is_ended) {
            job->ahead_begin++;
            continue;
        }
        if (!attempt->has_slot) {
            if (!rv_admit_fits(&job->admit, rv_run_class_of(job->run, node))) break;
            rv_admit_take(&job->admit, node);
            attempt->has_slot = true;
        }
        if (!rv_jobserver_take(job->engine, attempt)) break;
        job->ahead_begin++;
        start_now(attempt);
    }
    if (job->ahead_begin == job->ahead.count) job->ahead_begin = job->ahead.count = 0;
}

void rv_attempt_stop(rv_job *job, uint32_t node, uint32_t epoch, rv_stop_reason reason)
{
    rv_attempt *attempt = rv_job_attempt(job, node);
    if (!attempt || attempt->epoch != epoch || attempt->is_ended || attempt->is_ghost) return;
    if (attempt->proc) rv_exec_stop(attempt->proc, reason, -1);
    else if (!attempt->is_started) end_unstarted(attempt);
}
