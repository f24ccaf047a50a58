#include "engine/inner.h"

/* Rows that people query, projected from the state after a turn: each node that changed is written once a batch.
 * Nodes that are pending, ready or journaled as starting ahead of a slot have no row yet (docs/schema.md). */

static uint32_t sum_skipped(const rv_run *run) { return run->counts[RV_NODE_SKIPPED]; }

static rv_task_state task_state_of(rv_run_state status)
{
    switch (status) {
    case RV_RUN_ACCEPTED: return RV_TASK_QUEUED;
    case RV_RUN_RUNNING: return RV_TASK_RUNNING;
    case RV_RUN_INTERRUPTED: return RV_TASK_QUEUED;
    case RV_RUN_OK: return RV_TASK_DONE;
    case RV_RUN_ERROR:
    case RV_RUN_TIMEOUT:
    case RV_RUN_OVER_BUDGET: return RV_TASK_ERROR;
    case RV_RUN_CANCELLED: return RV_TASK_CANCELLED;
    case RV_RUN_STATE_COUNT: break;
    }
    RV_UNREACHABLE();
}

static rv_interaction interaction_of(const rv_run *run)
{
    if (rv_run_state_is_terminal((rv_run_state)run->status)) return RV_INTERACTION_CLOSED;
    return run->running == 0 && run->ready_count == 0 && run->counts[RV_NODE_WAITING] ? RV_INTERACTION_WAITING_FOR_INPUT
                                                                                      : RV_INTERACTION_WORKING;
}

static rv_str user_values(rv_job *job, bool env)
{
    rv_arena arena = {0};
    rv_json *tree = NULL;
    rv_str found = RV_STR("{}");
    if (rv_json_parse(&arena, rv_buf_str(&job->load_value), &tree, NULL) == RV_OK) {
        const rv_json *part = rv_json_get(tree, env ? RV_STR("env") : RV_STR("user"));
        rv_buf text = {0};
        rv_json_write(&text, part, false);
        found = rv_arena_str(&job->arena, rv_buf_str(&text));
        rv_buf_deinit(&text);
    }
    rv_arena_deinit(&arena);
    return found;
}

static void task_row(rv_job *job, rv_batch *batch, rv_str hash, rv_str params)
{
    rv_task_state state = task_state_of((rv_run_state)job->run->status);
    if (!job->is_new && state == job->task_state) return;
    rv_now now = rv_engine_now(job->engine);
    rv_task_row row = {.workspace = RV_STR("default"), .id = rv_str_of(job->task), .workflow_hash = hash, .name = rv_str_of(job->name),
                       .params = params, .state = state, .version = ++job->task_version, .target_run = rv_str_of(job->id),
                       .accepted_ms = job->created_ms, .dispatched_ms = job->started_run_ms,
                       .settled_ms = rv_run_state_is_terminal((rv_run_state)job->run->status) ? now.wall_ms : 0};
    job->task_state = state;
    rv_batch_task(batch, &row);
}

void rv_rows_run(rv_job *job, rv_batch *batch)
{
    char hash[RV_DIGEST_TEXT_SIZE + 1];
    const rv_run *run = job->run;
    bool is_over = rv_run_state_is_terminal((rv_run_state)run->status);
    rv_digest_text(job->graph->digest, hash);
    rv_str params = user_values(job, false);
    rv_str name = rv_str_of(job->name);
    rv_run_row row = {.workspace = RV_STR("default"),
                      .id = rv_str_of(job->id),
                      .task = rv_str_of(job->task),
                      .workflow_hash = rv_str_of(hash),
                      .name = name,
                      .number = 1,
                      .status = (rv_run_state)run->status,
                      .interaction = interaction_of(run),
                      .file = rv_str_of(job->file),
                      .dir = rv_str_of(job->dir),
                      .params = params,
                      .secrets = rv_buf_str(&job->secrets_json),
                      .env = user_values(job, true),
                      .resumed_from = job->resumed_from,
                      .created_ms = job->created_ms,
                      .started_ms = job->started_run_ms,
                      .ended_ms = is_over ? job->ended_ms : 0,
                      .exit_status = is_over ? rv_job_exit_status(job) : -1,
                      .nodes_total = job->run->node_count - (job->graph->top_count - job->graph->plain_count),
                      .nodes_succeeded = run->counts[RV_NODE_SUCCEEDED],
                      .nodes_failed = run->counts[RV_NODE_FAILED] + run->counts[RV_NODE_DENIED],
                      .nodes_skipped = sum_skipped(run),
                      .nodes_cancelled = run->counts[RV_NODE_CANCELLED],
                      .last_seq = job->last_seq,
                      .budget_group = job->group,
                      .cost_micro = run->purse.spent[RV_DIMENSION_USD],
                      .tokens = run->purse.spent[RV_DIMENSION_TOKENS],
                      .tokens_cached = run->purse.cached,
                      .reserved_micro = run->purse.reserved[RV_DIMENSION_USD],
                      .reserved_tokens = run->purse.reserved[RV_DIMENSION_TOKENS],
                      .counted_ms = run->purse.spent[RV_DIMENSION_TIME],
                      .counted_attempts = (uint64_t)run->purse.spent[RV_DIMENSION_ATTEMPTS],
                      .counted_nodes = (uint64_t)run->purse.spent[RV_DIMENSION_NODES]};
    if (job->is_new) {
        bool has_workflow = false; /* its body may be megabytes */
        rv_workflow_row workflow = {.workspace = RV_STR("default"), .hash = rv_str_of(hash), .name = name, .body = job->graph->definition,
                                    .created_ms = job->created_ms};
        rv_status status = rv_store_workflow_has(job->engine->config.store, workflow.workspace, workflow.hash, &has_workflow, NULL);
        if (status != RV_OK || !has_workflow) rv_batch_workflow(batch, &workflow);
        task_row(job, batch, rv_str_of(hash), params);
        rv_batch_run_new(batch, &row);
    } else {
        task_row(job, batch, rv_str_of(hash), params);
        rv_batch_run(batch, &row);
    }
}

/* ---- nodes and attempts ---- */

static bool has_row(const rv_node_run *node, const rv_attempt *attempt)
{
    if (node->state == RV_NODE_PENDING || node->state == RV_NODE_READY) return node->number > 0;
    if (node->state == RV_NODE_RUNNING) return node->attempt == RV_ATTEMPT_RUNNING || node->number > 1 || !attempt;
    return true;
}

static void node_row(rv_job *job, uint32_t index, rv_attempt *attempt, rv_now now, rv_batch *batch)
{
    rv_node_run *node = &job->run->nodes[index];
    bool is_terminal = rv_node_state_is_terminal((rv_node_state)node->state);
    if (attempt && attempt->row.started_ms && job->started_ms[index] == 0) job->started_ms[index] = attempt->row.started_ms;
    if (node->state == RV_NODE_WAITING && job->started_ms[index] == 0) job->started_ms[index] = now.wall_ms;
    rv_node_row row = {.run = rv_str_of(job->id),
                       .id = rv_job_node_id(job, index),
                       .index = index,
                       .kind = rv_run_kind(job->run, index),
                       .state = (rv_node_state)node->state,
                       .detail = (rv_detail)node->detail,
                       .attempts = node->number,
                       .epoch = node->epoch,
                       .error = node->state == RV_NODE_SUCCEEDED ? (rv_str){NULL, 0} : rv_run_error(job->run, index),
                       .result = rv_run_result(job->run, index),
                       .started_ms = job->started_ms[index],
                       .log_last = RV_LOG_NONE};
    rv_cache_shown(job, index, &row.log_last, &row.result);
    if (node->root) row.root = rv_job_node_id(job, node->root - 1);
    if (attempt && attempt->result.size) row.result = rv_buf_str(&attempt->result);
    if (row.result.size == 0 && node->detail == RV_DETAIL_REPLAY) row.result = rv_adopt_result(job, index);
    if (is_terminal) row.ended_ms = attempt && attempt->row.ended_ms ? attempt->row.ended_ms : now.wall_ms;
    if (node->due_ms && node->state == RV_NODE_WAITING) row.due_ms = now.wall_ms + (node->due_ms - now.engine_ms);
    rv_batch_node(batch, &row);
}

static void attempt_row(rv_job *job, rv_attempt *attempt, rv_batch *batch)
{
    rv_attempt_row row = attempt->row;
    row.run = rv_str_of(job->id);
    row.node = rv_job_node_id(job, attempt->node);
    row.node_index = attempt->node;
    row.number = attempt->number;
    row.epoch = attempt->epoch;
    row.error = rv_buf_str(&attempt->error);
    row.cost_micro = attempt->cost;
    row.tokens_in = attempt->tokens_in, row.tokens_out = attempt->tokens_out, row.tokens_cached = attempt->tokens_cached;
    const rv_node_run *node = &job->run->nodes[attempt->node];
    bool is_called_off = !attempt->is_ended && node->epoch == attempt->epoch && node->attempt == RV_ATTEMPT_CANCELLED;
    if (is_called_off) row.state = RV_ATTEMPT_CANCELLED, row.detail = RV_DETAIL_SIGNALLED; /* its end comes too late [K61] */
    if ((attempt->is_ended || is_called_off) && row.ended_ms == 0) row.ended_ms = rv_engine_now(job->engine).wall_ms;
    if (row.detail != RV_DETAIL_NONE && row.error_source.size == 0) row.error_source = RV_STR("task");
    rv_batch_attempt(batch, &row);
    if (attempt->is_ended)
        rv_artifact_rows(job, attempt->node, attempt->epoch, rv_buf_str(&attempt->artifacts), attempt->row.ended_ms, batch);
}

static rv_node_view view_of(rv_job *job, uint32_t index, const rv_attempt *attempt)
{
    rv_node_view view;
    rv_job_node_view(job, index, &view);
    if (!attempt) return view;
    view.number = attempt->number;
    view.epoch = attempt->epoch;
    view.exit_status = attempt->row.exit_status;
    view.signal = attempt->row.signal;
    view.started_ms = attempt->row.started_ms;
    view.ended_ms = attempt->row.ended_ms;
    if (attempt->error.size) view.error = rv_arena_str(&job->arena, rv_buf_str(&attempt->error));
    return view;
}

/* Whether another attempt follows by itself: not when people are asked, about a result that they have or an outcome that nobody knows. */
static bool goes_on(const rv_node_run *node, rv_attempt_state state)
{
    bool is_result = state == RV_ATTEMPT_OK || state == RV_ATTEMPT_PARTIAL;
    bool waits = node->state == RV_NODE_WAITING && (node->detail == RV_DETAIL_TIMER || node->detail == RV_DETAIL_BUDGET);
    return !is_result && (waits || node->state == RV_NODE_READY || node->state == RV_NODE_RUNNING);
}

static void tell_attempt(rv_job *job, const rv_attempt *attempt)
{
    const rv_node_run *node = &job->run->nodes[attempt->node];
    rv_notice notice = {
        .type = NOTICE_ENDED, .job = job, .view = view_of(job, attempt->node, attempt), .attempt_state = attempt->row.state};
    notice.will_retry = goes_on(node, attempt->row.state);
    if (node->due_ms && notice.will_retry) notice.retry_in_ms = RV_MAX(node->due_ms - rv_engine_now(job->engine).engine_ms, 0);
    if (!attempt->is_ghost) rv_engine_notice(job->engine, notice, RV_STR(""), RV_STR(""));
}

static void collect_node(rv_job *job, uint32_t index, rv_now now, rv_batch *batch)
{
    const rv_node_run *node = &job->run->nodes[index];
    rv_attempt *attempt = rv_job_attempt(job, index);
    if (!has_row(node, attempt)) return;
    if (attempt && attempt->is_started && !attempt->is_ended) attempt_row(job, attempt, batch);
    node_row(job, index, attempt, now, batch);
    if (rv_node_state_is_terminal((rv_node_state)node->state))
        rv_engine_notice(job->engine, (rv_notice){.type = NOTICE_NODE, .job = job, .view = view_of(job, index, attempt)},
                         RV_STR(""), RV_STR(""));
}

/* Each node once, where it changed last: a controller that came to wait and ended in this turn is told after its children. */
static void keep_last_changes(rv_job *job)
{
    uint32_t turn = job->engine->turn_number;
    for (uint32_t i = job->out.changed.count; i-- > 0;) {
        uint32_t *index = &job->out.changed.at[i];
        if (job->stamp[*index] == turn) *index = RV_NONE;
        else job->stamp[*index] = turn;
    }
}

void rv_rows_collect(rv_job *job, rv_batch *batch)
{
    rv_now now = rv_engine_now(job->engine); /* of all that is collected in this turn */
    for (uint32_t i = 0; i < job->ended.count; i++) {
        attempt_row(job, job->ended.at[i], batch);
        tell_attempt(job, job->ended.at[i]);
    }
    keep_last_changes(job);
    for (uint32_t i = 0; i < job->out.changed.count; i++) {
        uint32_t index = job->out.changed.at[i];
        if (index == RV_NONE) continue;
        collect_node(job, index, now, batch);
        rv_adopt_rows(job, index, batch);
        rv_cache_collect(job, index, batch);
    }
    for (uint32_t i = 0; i < job->ended.count; i++) rv_attempt_free(job->ended.at[i]);
    rv_vec_clear(&job->ended);
}
