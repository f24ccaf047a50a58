#include "engine/inner.h"

#include <unistd.h>

/* References of templates, looked up when a node is about to start [W10–W12]. */

const rv_json *rv_value_body(rv_job *job, uint32_t node)
{
    rv_json *body = NULL;
    rv_error error = {0};
    rv_status status = rv_json_parse(&job->engine->scratch, rv_graph_str(job->graph, job->graph->nodes[node].body), &body, &error);
    RV_ASSERT(status == RV_OK); /* the normal form was written by us and is pinned by its hash */
    return body;
}

static rv_str take_part(rv_str *path)
{
    size_t dot = rv_str_find(*path, 0, '.');
    rv_str part = dot == SIZE_MAX ? *path : rv_str_cut(*path, 0, dot);
    *path = dot == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(*path, dot + 1);
    return part;
}

static rv_value_kind give_json(const rv_json *value, rv_buf *out)
{
    if (!value) return RV_VALUE_MISSING;
    if (value->kind == RV_JSON_NULL) return RV_VALUE_NULL;
    if (value->kind == RV_JSON_STRING) rv_buf_str_add(out, value->text);
    else rv_json_write(out, value, false);
    return RV_VALUE_TEXT;
}

static const rv_json *walk(const rv_json *value, rv_str path)
{
    while (value && path.size) {
        rv_str part = take_part(&path);
        uint64_t index = 0;
        bool is_number = part.size > 0 && part.size < 10;
        for (size_t i = 0; i < part.size && is_number; i++) {
            is_number = part.at[i] >= '0' && part.at[i] <= '9';
            index = index * 10 + (uint64_t)(part.at[i] - '0');
        }
        if (value->kind == RV_JSON_ARRAY) value = is_number ? rv_json_at(value, (uint32_t)index) : NULL;
        else value = rv_json_get(value, part);
    }
    return value;
}

static rv_value_kind from_json(rv_str json, rv_str path, rv_buf *out)
{
    rv_arena arena = {0};
    rv_json *tree = NULL;
    rv_value_kind kind = RV_VALUE_MISSING;
    if (json.size && rv_json_parse(&arena, json, &tree, NULL) == RV_OK) kind = give_json(walk(tree, path), out);
    rv_arena_deinit(&arena);
    return kind;
}

static rv_value_kind from_user(rv_job *job, rv_str whole, rv_str name, rv_buf *out)
{
    for (uint32_t i = 0; i < job->spec->secrets.count; i++) {
        if (!rv_str_eq(job->spec->secrets.at[i].name, name)) continue;
        rv_buf_str_add(out, job->spec->secrets.at[i].value);
        return RV_VALUE_TEXT;
    }
    return from_json(rv_buf_str(&job->load_value), whole, out);
}

/* ---- outputs of predecessors ---- */

static rv_status add_output(void *user, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    rv_buf *out = user;
    if (out->size + bytes.size > VALUE_SIZE_MAX) return RV_LIMIT;
    rv_buf_str_add(out, bytes);
    return RV_OK;
}

/* Where the latest attempt of a node ended in its run's log; false: it had none there. */
static bool find_attempt(rv_job *job, rv_str run, rv_str name, uint64_t *ret_last)
{
    rv_buf out = {0};
    rv_str args[2] = {run, name};
    bool is_cut, is_found = false;
    rv_arena arena = {0};
    rv_status status = rv_store_query(
        job->engine->config.store, RV_STR("SELECT log_last FROM attempt WHERE run = ?1 AND node = ?2 ORDER BY epoch DESC LIMIT 1"),
        args, 2, 1, &out, &is_cut, NULL);
    size_t line = status == RV_OK ? rv_str_find(rv_buf_str(&out), 0, '\n') : SIZE_MAX;
    rv_str row_text = line == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(rv_buf_str(&out), line + 1);
    rv_json *row = NULL;
    int64_t value;
    if (row_text.size && rv_json_parse(&arena, row_text, &row, NULL) == RV_OK && row->child && rv_json_i64(row->child, &value)) {
        *ret_last = value >= 0 ? (uint64_t)value : RV_LOG_NONE;
        is_found = true;
    }
    rv_arena_deinit(&arena);
    rv_buf_deinit(&out);
    return is_found;
}

/* It ended under this engine, under an earlier one, or in the run that this one goes on from. */
static rv_output_ref find_output(rv_job *job, uint32_t node)
{
    for (uint32_t i = job->outputs.count; i-- > 0;)
        if (job->outputs.at[i].node == node) return job->outputs.at[i];
    rv_output_ref ref = {node, RV_LOG_NONE, rv_str_of(job->id)};
    rv_str name = rv_graph_name(job->graph, node), parent = job->resumed_from;
    while (!find_attempt(job, ref.run, name, &ref.log_last) && parent.size) {
        rv_run_row row = {0};
        ref.run = parent;
        parent = rv_store_run(job->engine->config.store, &job->arena, ref.run, &row, NULL) == RV_OK ? row.resumed_from : (rv_str){NULL, 0};
    }
    rv_vec_push(&job->outputs, ref);
    return ref;
}

/* As `$(…)` gives it: without the newlines at its end. */
static rv_value_kind from_output(const rv_value_scope *scope, uint32_t node, int stream, rv_buf *out, rv_error *err)
{
    rv_job *job = scope->job;
    size_t before = out->size;
    rv_status status = job->log ? rv_log_flush(job->log, err) : RV_OK; /* an undriven run has none */
    rv_output_ref ref = find_output(job, node);
    if (status == RV_OK) status = rv_log_read(job->engine->config.root, ref.run, ref.log_last, stream, add_output, out, err);
    if (status == RV_LIMIT)
        rv_error_set(err, RV_LIMIT, "the output of %.*s is over 1 MiB; write it to $REEVE_ARTIFACTS and pass the path",
                     RV_FMT(rv_graph_name(job->graph, node)));
    if (status != RV_OK) {
        out->size = before; /* a refused value leaves nothing */
        if (scope->refused) *scope->refused = *err;
        return RV_VALUE_MISSING;
    }
    while (out->size > before && out->at[out->size - 1] == '\n') out->at[--out->size] = 0;
    return RV_VALUE_TEXT;
}

static rv_value_kind from_artifact(rv_job *job, uint32_t node, rv_str name, rv_buf *out)
{
    rv_buf path = {0};
    rv_buf_printf(&path, "%s/artifacts/%s/%.*s/%.*s", job->engine->config.root, job->id, RV_FMT(rv_graph_name(job->graph, node)),
                  RV_FMT(name));
    bool exists = access(path.at, F_OK) == 0;
    if (exists) rv_buf_str_add(out, rv_buf_str(&path));
    rv_buf_deinit(&path);
    return exists ? RV_VALUE_TEXT : RV_VALUE_MISSING;
}

static rv_value_kind from_node(const rv_value_scope *scope, uint32_t index, rv_str path, rv_buf *out, rv_error *err)
{
    rv_job *job = scope->job;
    const rv_node_run *node = &job->run->nodes[index];
    rv_str whole = path, first = take_part(&path);
    if (rv_str_is(whole, "state")) {
        rv_buf_cstring(out, rv_node_state_name((rv_node_state)node->state));
        return RV_VALUE_TEXT;
    }
    if (!rv_node_state_is_terminal((rv_node_state)node->state) || node->state == RV_NODE_SKIPPED) return RV_VALUE_NULL;
    if (rv_str_is(whole, "error")) {
        if (node->error == 0 || node->state == RV_NODE_SUCCEEDED) return RV_VALUE_NULL; /* of an earlier attempt */
        rv_buf_str_add(out, rv_run_error(job->run, index));
        return RV_VALUE_TEXT;
    }
    if (rv_str_is(whole, "exit_code")) {
        if (node->exit_status >= 0) rv_buf_i64(out, node->exit_status);
        return node->exit_status >= 0 ? RV_VALUE_TEXT : RV_VALUE_NULL;
    }
    if (rv_str_is(whole, "stdout")) return from_output(scope, index, 1, out, err);
    if (rv_str_is(whole, "stderr")) return from_output(scope, index, 2, out, err);
    if (rv_str_is(first, "artifact")) return from_artifact(job, index, path, out);
    if (node->result == 0 && node->state != RV_NODE_SUCCEEDED) return RV_VALUE_NULL;
    return from_json(rv_run_result(job->run, index), whole, out);
}

rv_value_kind rv_value_resolve(void *user, rv_str path, rv_buf *out, rv_error *err)
{
    const rv_value_scope *scope = user;
    rv_job *job = scope->job;
    rv_str whole = path, first = take_part(&path);
    if (rv_str_is(first, "user")) return from_user(job, whole, path, out);
    if (rv_str_is(first, "env")) return from_json(rv_buf_str(&job->load_value), whole, out);
    if (rv_str_is(whole, "run.id")) {
        rv_buf_cstring(out, job->id);
        return RV_VALUE_TEXT;
    }
    if (rv_str_is(first, "attempt") && scope->attempt) {
        rv_str name = rv_graph_name(job->graph, scope->node);
        if (rv_str_is(path, "epoch")) rv_buf_u64(out, scope->attempt->epoch);
        else if (rv_str_is(path, "key")) rv_buf_printf(out, "%s/%.*s/%u", job->id, RV_FMT(name), scope->attempt->epoch);
        return RV_VALUE_TEXT;
    }
    uint32_t node = rv_run_find(job->run, first);
    return node == RV_NONE ? RV_VALUE_MISSING : from_node(scope, node, path, out, err);
}

rv_status rv_value_render(const rv_value_scope *scope, rv_str text, bool null_is_error, rv_buf *out, rv_error *err)
{
    if (rv_str_find(text, 0, '$') == SIZE_MAX) {
        rv_buf_str_add(out, text);
        return RV_OK;
    }
    rv_error refused = {0};
    rv_value_scope copy = *scope;
    copy.refused = &refused;
    rv_status status = rv_render(text, rv_value_resolve, &copy, null_is_error, out, err);
    if (status == RV_OK && refused.status != RV_OK) status = rv_error_set(err, RV_INVALID, "%s", refused.text);
    return status == RV_OK ? RV_OK : rv_error_context(err, "node %.*s", RV_FMT(rv_graph_name(scope->job->graph, scope->node)));
}

rv_status rv_value_render_json(const rv_value_scope *scope, const rv_json *value, rv_json_writer *w, rv_error *err)
{
    rv_status status = RV_OK;
    rv_buf text = {0};
    if (value->kind == RV_JSON_STRING) {
        status = rv_value_render(scope, value->text, false, &text, err);
        if (status == RV_OK) rv_jw_str(w, rv_buf_str(&text));
    } else if (value->kind == RV_JSON_ARRAY) { /* lists of messages: one level, their elements are strings */
        rv_jw_array(w);
        for (const rv_json *child = value->child; child && status == RV_OK; child = child->next) {
            rv_buf_clear(&text);
            if (child->kind == RV_JSON_STRING) status = rv_value_render(scope, child->text, false, &text, err);
            else rv_json_write(&text, child, false);
            if (status != RV_OK) break;
            if (child->kind == RV_JSON_STRING) rv_jw_str(w, rv_buf_str(&text));
            else rv_jw_raw(w, rv_buf_str(&text));
        }
        rv_jw_array_end(w);
    } else {
        rv_json_write(&text, value, false);
        rv_jw_raw(w, rv_buf_str(&text));
    }
    rv_buf_deinit(&text);
    return status;
}
