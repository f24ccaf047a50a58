#include "engine/inner.h"
#include "kernel/gate.h"

/* Nodes that a running command submits [K20, W15]. Its token says which attempt it is, as long as that goes on; what it gives
 * is checked whole, against its run, before the kernel hears of it; and it is told once they are on disk. */

/* Takes as long for any token. */
static bool is_same_token(const char own[65], rv_str given)
{
    unsigned char differs = given.size != 64;
    for (size_t i = 0; i < 64; i++) differs |= (unsigned char)(own[i] ^ (given.size ? given.at[i < given.size ? i : 0] : 0));
    return differs == 0;
}

static rv_attempt *attempt_of(rv_engine *engine, rv_str token)
{
    rv_attempt *found = NULL;
    for (uint32_t i = 0; i < engine->attempts.count; i++) {
        rv_attempt *attempt = engine->attempts.at[i];
        bool is_live = attempt->job && attempt->is_started && !attempt->is_ended && !attempt->is_ghost && attempt->token[0];
        if (is_live && is_same_token(attempt->token, token)) found = attempt;
    }
    return found;
}

/* The attempt that is named instead of proved. */
static rv_status find_attempt(rv_engine *engine, const rv_submit_nodes *given, rv_attempt **ret, rv_error *err)
{
    rv_job *job = rv_engine_job(engine, given->run);
    uint32_t node = job ? rv_run_find(job->run, given->node) : RV_NONE;
    rv_attempt *attempt = node == RV_NONE ? NULL : rv_job_attempt(job, node);
    if (node == RV_NONE)
        return rv_error_set(err, RV_NOT_FOUND, "this engine drives no node %.*s of a run %.*s", RV_FMT(given->node), RV_FMT(given->run));
    bool is_live = attempt && attempt->epoch == given->epoch && attempt->is_started && !attempt->is_ended && !attempt->is_ghost;
    if (!is_live) return rv_error_set(err, RV_CONFLICT, "attempt %u of node %.*s does not go on", given->epoch, RV_FMT(given->node));
    *ret = attempt;
    return RV_OK;
}

/* What a submission has of its own: its params, the environment that it names. Size 0: nothing. */
static void make_load_value(const rv_spec *spec, rv_buf *out)
{
    bool has_user = spec->user.size > 2, has_env = spec->env.size > 2; /* of more than {} */
    if (!has_user && !has_env) return;
    rv_buf_byte(out, '{');
    if (has_user) rv_buf_printf(out, "\"user\":%s", spec->user.at);
    if (has_env) rv_buf_printf(out, "%s\"env\":%s", has_user ? "," : "", spec->env.at);
    rv_buf_byte(out, '}');
}

/* The answer's members: the key, whether they are new, the ids. */
static void describe(rv_job *job, uint32_t node, rv_str key, bool is_new, rv_buf *out)
{
    rv_json_writer w;
    const rv_submission *given = &job->run->submissions.at[rv_run_submission(job->run, node, key)];
    const rv_place *place = &job->run->places.at[given->place];
    rv_json_writer_init(&w, out, 0);
    rv_jw_object(&w);
    rv_jw_kv_str(&w, "key", key);
    rv_jw_kv_bool(&w, "is_new", is_new);
    rv_jw_key(&w, "nodes");
    rv_jw_array(&w);
    for (uint32_t i = 0; i < place->count; i++) rv_jw_str(&w, rv_job_node_id(job, place->base + i));
    rv_jw_array_end(&w);
    rv_jw_object_end(&w);
}

static rv_status refuse_problems(const rv_problems *problems, rv_str source, const char *file, rv_buf *ret_told, rv_error *err)
{
    rv_buf text = {0};
    rv_json_writer w;
    rv_problems_text(&text, problems, source, false, false);
    while (text.size && text.at[text.size - 1] == '\n') text.at[--text.size] = 0;
    rv_json_writer_init(&w, ret_told, 0);
    rv_problems_json(&w, problems);
    rv_error_set(err, RV_INVALID, "%s", text.size ? text.at : file);
    rv_buf_deinit(&text);
    return RV_INVALID;
}

/* A secret would stand in the definition for good. */
static rv_status check_secrets(rv_attempt *attempt, rv_str definition, rv_error *err)
{
    rv_buf masked = {0};
    bool has_secret = rv_said_mask(attempt->job, definition, &masked);
    rv_buf_deinit(&masked);
    has_secret |= memmem(definition.at, definition.size, attempt->token, 64) != NULL;
    if (!has_secret) return RV_OK;
    return rv_error_set(err, RV_INVALID, "it holds a secret of the run, which would be recorded; let its nodes take it from ${user.NAME}");
}

static rv_status step_submission(rv_attempt *attempt, rv_str key, const rv_spec *spec, rv_buf *ret_told, rv_error *err)
{
    rv_job *job = attempt->job;
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_buf load_value = {0};
    bool is_new = rv_run_submission(job->run, attempt->node, key) == RV_NONE;
    rv_gate_answer growth = is_new ? rv_gate_growth(job->run, attempt->node, spec->graph.scopes[0].count, false) : (rv_gate_answer){0};
    rv_status status = check_secrets(attempt, spec->graph.definition, err);
    if (status != RV_OK) return status;
    make_load_value(spec, &load_value);
    rv_digest_text(spec->graph.digest, digest);
    rv_event event = {.type = RV_EVENT_SUBMIT, .node = attempt->node, .epoch = attempt->epoch, .key = key, .value = spec->graph.definition,
                      .output = rv_buf_str(&load_value), .text = rv_str_of(digest), .graph = &spec->graph};
    rv_answer answer = rv_engine_step(job, &event, true);
    rv_buf_deinit(&load_value);
    if (answer != RV_ANSWER_TAKEN || !is_new) rv_compiler_drop(&job->compiler, spec);
    if (answer == RV_ANSWER_TAKEN) {
        job->row_is_dirty = true;
        describe(job, attempt->node, key, is_new, ret_told);
        return RV_OK;
    }
    if (answer == RV_ANSWER_STALE) return rv_error_set(err, RV_CONFLICT, "the attempt has ended");
    if (!is_new)
        return rv_error_set(err, RV_CONFLICT, "key %.*s was given with other nodes by an earlier attempt; give these another --key",
                            RV_FMT(key));
    if (rv_run_is_handler(job->run, attempt->node))
        return rv_error_set(err, RV_CONFLICT, "%.*s is a handler: the graph is over", RV_FMT(rv_job_node_id(job, attempt->node)));
    if (growth.kind != RV_GATE_ALLOW) return rv_error_set(err, RV_DENIED, "%s: %s", growth.stage, growth.reason);
    return rv_error_set(err, RV_LIMIT, "the run would have more than %u nodes", RV_RUN_NODES_MAX);
}

void rv_engine_submit_nodes(rv_engine *engine, const rv_submit_nodes *given, rv_buf *ret_told, rv_engine_done_fn *done, void *user)
{
    rv_error error = {0};
    rv_problems problems = {0};
    const rv_spec *spec = NULL;
    rv_status status = RV_OK;
    rv_attempt *attempt = given->token.size ? attempt_of(engine, given->token) : NULL;
    if (!attempt && given->run.size) status = find_attempt(engine, given, &attempt, &error);
    else if (!attempt) status = rv_error_set(&error, RV_DENIED, "this is no token of an attempt that goes on; only a running node submits");
    rv_str key = given->key;
    if (attempt && key.size == 0) key = rv_arena_printf(&attempt->job->arena, "%u", attempt->submission_count + 1);
    if (attempt && !rv_is_identifier(key))
        status = rv_error_set(&error, RV_INVALID, "`%.*s` is no key: 1 to 64 of [A-Za-z0-9_-], the first one alphanumeric", RV_FMT(key));
    if (status == RV_OK) {
        rv_job *job = attempt->job;
        job->compiler.reducers = engine->config.reducers ? engine->config.reducers(engine->config.reduce_user) : NULL;
        status = rv_compiler_load(&job->compiler, job->run, attempt->node, key, given->source, given->file, given->is_json, &spec,
                                  &problems);
        if (given->ret_problems) rv_problems_text(given->ret_problems, &problems, given->source, false, false);
        if (status != RV_OK) status = refuse_problems(&problems, given->source, given->file, ret_told, &error);
    }
    if (status == RV_OK) status = step_submission(attempt, key, spec, ret_told, &error);
    rv_problems_deinit(&problems);
    if (status != RV_OK) {
        if (done) done(user, status, &error);
        return;
    }
    attempt->submission_count += given->key.size == 0;
    if (done) rv_vec_push(&rv_engine_flight(engine)->done, ((rv_done_item){done, user}));
    rv_engine_urgent(engine);
}

void rv_submit_rows(rv_job *job, rv_batch *batch)
{
    for (; job->submission_rows < job->run->submissions.count; job->submission_rows++) {
        const rv_submission *given = &job->run->submissions.at[job->submission_rows];
        rv_workflow_row row = {.workspace = RV_STR("default"), .hash = given->digest, .name = rv_job_node_id(job, given->node),
                               .body = given->definition, .created_ms = rv_engine_now(job->engine).wall_ms};
        rv_batch_workflow(batch, &row);
    }
}
