#include "engine/describe.h"

/* References of templates, looked up when a node is about to start [W10–W12]. */

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

/* What the run's state tells: items, iterations, params of a sub-workflow, feedback. */
static rv_value_kind from_run(const rv_value_scope *scope, rv_str path, rv_buf *out)
{
    rv_arena arena = {0};
    rv_value_kind kind = give_json(rv_run_value(scope->values->run, scope->node, &arena, path), out);
    rv_arena_deinit(&arena);
    return kind;
}

static rv_value_kind from_user(const rv_value_scope *scope, rv_str whole, rv_str name, rv_buf *out)
{
    const rv_values *values = scope->values;
    if (rv_run_is_inside(values->run, scope->node)) return from_run(scope, whole, out); /* a sub-workflow has params of its own */
    for (uint32_t i = 0; i < values->spec->secrets.count; i++) {
        if (!rv_str_eq(values->spec->secrets.at[i].name, name)) continue;
        rv_buf_str_add(out, values->spec->secrets.at[i].value);
        return RV_VALUE_TEXT;
    }
    return from_json(rv_buf_str(values->load_value), whole, out);
}

static void output_is_large(const rv_run *run, uint32_t node, rv_error *err)
{
    rv_buf id = {0};
    rv_run_id(run, node, &id);
    rv_error_set(err, RV_LIMIT, "the output of %.*s is over 1 MiB; write it to $REEVE_ARTIFACTS and pass the path",
                 RV_FMT(rv_buf_str(&id)));
    rv_buf_deinit(&id);
}

/* As `$(…)` gives it: without the newlines at its end. */
static rv_value_kind from_output(const rv_value_scope *scope, uint32_t node, int stream, rv_buf *out, rv_error *err)
{
    const rv_values *values = scope->values;
    size_t before = out->size;
    rv_status status = values->output(values->user, node, stream, out, err);
    if (status == RV_LIMIT)
        output_is_large(values->run, node, err);
    if (status != RV_OK) {
        out->size = before; /* a refused value leaves nothing */
        if (scope->refused) *scope->refused = *err;
        return RV_VALUE_MISSING;
    }
    while (out->size > before && out->at[out->size - 1] == '\n') out->at[--out->size] = 0;
    return RV_VALUE_TEXT;
}

static rv_value_kind from_node(const rv_value_scope *scope, uint32_t index, rv_str path, rv_buf *out, rv_error *err)
{
    const rv_values *values = scope->values;
    const rv_node_run *node = &values->run->nodes[index];
    rv_str whole = path, first = take_part(&path);
    if (rv_str_is(whole, "state")) {
        rv_buf_cstring(out, rv_node_state_name((rv_node_state)node->state));
        return RV_VALUE_TEXT;
    }
    if (!rv_node_state_is_terminal((rv_node_state)node->state) || node->state == RV_NODE_SKIPPED) return RV_VALUE_NULL;
    if (rv_str_is(whole, "error")) {
        if (node->error == 0 || node->state == RV_NODE_SUCCEEDED) return RV_VALUE_NULL; /* of an earlier attempt */
        rv_buf_str_add(out, rv_run_error(values->run, index));
        return RV_VALUE_TEXT;
    }
    if (rv_str_is(whole, "exit_code")) {
        if (node->exit_status >= 0) rv_buf_i64(out, node->exit_status);
        return node->exit_status >= 0 ? RV_VALUE_TEXT : RV_VALUE_NULL;
    }
    if (rv_str_is(whole, "stdout")) return from_output(scope, index, 1, out, err);
    if (rv_str_is(whole, "stderr")) return from_output(scope, index, 2, out, err);
    if (rv_str_is(first, "artifact")) return values->artifact(values->user, index, path, out) ? RV_VALUE_TEXT : RV_VALUE_MISSING;
    if (node->result == 0 && node->state != RV_NODE_SUCCEEDED) return RV_VALUE_NULL;
    return from_json(rv_run_result(values->run, index), whole, out);
}

rv_value_kind rv_value_resolve(void *user, rv_str path, rv_buf *out, rv_error *err)
{
    const rv_value_scope *scope = user;
    const rv_values *values = scope->values;
    rv_str whole = path, first = take_part(&path);
    if (rv_str_is(first, "user")) return from_user(scope, whole, path, out);
    bool is_submitted = rv_str_is(first, "env") && rv_run_submission_of(values->run, scope->node);
    if (is_submitted) return from_run(scope, whole, out); /* it may have some of its own */
    if (rv_str_is(first, "env")) return from_json(rv_buf_str(values->load_value), whole, out);
    if (rv_str_is(whole, "run.id")) {
        rv_buf_cstring(out, values->run_id);
        return RV_VALUE_TEXT;
    }
    if (rv_str_is(first, "attempt") && scope->epoch) {
        if (rv_str_is(path, "epoch")) rv_buf_u64(out, scope->epoch);
        else if (rv_str_is(path, "key")) {
            rv_buf_printf(out, "%s/", values->run_id);
            rv_run_id(values->run, scope->node, out);
            rv_buf_printf(out, "/%u", scope->epoch);
        }
        return RV_VALUE_TEXT;
    }
    bool is_side = rv_str_is(first, "left") || rv_str_is(first, "right");
    if (is_side && rv_str_is(path, "id")) return from_run(scope, whole, out);
    path = whole;
    uint32_t node = rv_run_see(values->run, scope->node, &path);
    return node == RV_NONE ? from_run(scope, whole, out) : from_node(scope, node, path, out, err);
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
    if (status == RV_OK) return RV_OK;
    rv_buf id = {0};
    rv_run_id(scope->values->run, scope->node, &id);
    status = rv_error_context(err, "node %.*s", RV_FMT(rv_buf_str(&id)));
    rv_buf_deinit(&id);
    return status;
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
