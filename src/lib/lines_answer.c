#include "lib/lines_private.h"

/* The writing half: what a step returned → a line. Members that have nothing to say are left out. */

static void kv_text(rv_json_writer *w, const char *key, const char *text)
{
    if (text && text[0]) rv_jw_kv_cstring(w, key, text);
}

static void kv_json(rv_json_writer *w, const char *key, const char *json)
{
    if (!json) return;
    rv_jw_key(w, key);
    rv_jw_raw(w, rv_str_of(json));
}

static void kv_number(rv_json_writer *w, const char *key, int64_t number, int64_t none)
{
    if (number != none) rv_jw_kv_i64(w, key, number);
}

static void list(rv_json_writer *w, const char *key, const char *const *items)
{
    rv_jw_key(w, key);
    rv_jw_array(w);
    for (; *items; items++) rv_jw_cstring(w, *items);
    rv_jw_array_end(w);
}

/* ---- nodes ---- */

static void write_park(rv_json_writer *w, const reeve_effect *park)
{
    rv_jw_object(w);
    rv_jw_kv_cstring(w, "type", park->type);
    rv_jw_kv_cstring(w, "node", park->node);
    rv_jw_kv_cstring(w, "detail", park->detail);
    kv_number(w, "due_ms", park->due_ms, 0);
    kv_text(w, "key", park->key);
    kv_json(w, "payload", park->payload);
    kv_text(w, "digest", park->digest);
    rv_jw_object_end(w);
}

/* park: NULL, or what the node waits for. */
static void write_node(rv_json_writer *w, const reeve_node *node, const char *result, const reeve_effect *park)
{
    rv_jw_object(w);
    rv_jw_kv_cstring(w, "node", node->name);
    rv_jw_kv_cstring(w, "kind", node->kind);
    rv_jw_kv_cstring(w, "state", node->state);
    kv_text(w, "detail", node->detail);
    kv_number(w, "number", node->attempt, 0);
    kv_number(w, "epoch", node->epoch, 0);
    kv_number(w, "exit_status", node->exit_status, -1);
    kv_text(w, "root", node->root);
    kv_text(w, "error", node->error);
    kv_json(w, "result", result);
    if (park) {
        rv_jw_key(w, "waits");
        write_park(w, park);
    }
    rv_jw_object_end(w);
}

static void write_state_of(rv_json_writer *w, reeve_kernel *kernel, uint32_t index)
{
    reeve_node node;
    reeve_effect park;
    const char *result = NULL;
    bool is_there = reeve_kernel_node(kernel, index, &node, &result) == REEVE_OK;
    RV_ASSERT(is_there);
    bool waits = reeve_kernel_waiting(kernel, index, &park) == REEVE_OK;
    write_node(w, &node, result, waits ? &park : NULL);
}

static void write_outcomes(rv_json_writer *w, reeve_kernel *kernel)
{
    reeve_node node;
    rv_jw_array(w);
    for (uint32_t i = 0; reeve_kernel_node(kernel, i, &node, NULL) == REEVE_OK; i++) write_node(w, &node, NULL, NULL);
    rv_jw_array_end(w);
}

/* Those that somebody carries out or is asked about: only_open; else all. */
static void write_states(rv_json_writer *w, reeve_kernel *kernel, bool only_open)
{
    rv_jw_array(w);
    for (uint32_t i = 0; i < kernel->run->node_count; i++) {
        bool is_open = kernel->run->nodes[i].state == RV_NODE_RUNNING || kernel->run->nodes[i].state == RV_NODE_WAITING;
        if (is_open || !only_open) write_state_of(w, kernel, i);
    }
    rv_jw_array_end(w);
}

/* ---- effects ---- */

static void write_env(rv_json_writer *w, const char *const *env)
{
    rv_jw_key(w, "env");
    rv_jw_object(w);
    for (; *env; env++) {
        rv_str entry = rv_str_of(*env);
        size_t equals = rv_str_find(entry, 0, '=');
        rv_jw_key_str(w, rv_str_cut(entry, 0, equals));
        rv_jw_str(w, rv_str_from(entry, equals + 1));
    }
    rv_jw_object_end(w);
}

static void write_spawn(rv_json_writer *w, const reeve_spawn *spawn)
{
    rv_jw_object(w);
    rv_jw_kv_cstring(w, "run", spawn->run);
    rv_jw_kv_cstring(w, "node", spawn->node);
    rv_jw_kv_cstring(w, "kind", spawn->kind);
    rv_jw_kv_i64(w, "epoch", spawn->epoch);
    rv_jw_kv_i64(w, "number", spawn->number);
    rv_jw_kv_cstring(w, "key", spawn->key);
    if (spawn->argv[0]) list(w, "argv", spawn->argv);
    if (spawn->env[0]) write_env(w, spawn->env);
    if (spawn->dir) rv_jw_kv_cstring(w, "dir", spawn->dir);
    kv_number(w, "timeout_ms", spawn->timeout_ms, 0);
    kv_number(w, "deadline_ms", spawn->deadline_ms, 0);
    if (spawn->is_at_most_once) rv_jw_kv_bool(w, "at_most_once", true);
    if (spawn->leaves) rv_jw_kv_bool(w, "leave", true);
    if (spawn->inputs[0]) list(w, "inputs", spawn->inputs);
    kv_json(w, "output_schema", spawn->output_schema);
    kv_text(w, "feedback", spawn->feedback);
    kv_json(w, "more", spawn->more);
    rv_jw_object_end(w);
}

static void write_effect(rv_json_writer *w, reeve_kernel *kernel, const reeve_effect *effect)
{
    bool is_gate = rv_str_is(rv_str_of(effect->type), "gate"),
         is_of_attempt = is_gate || rv_str_is(rv_str_of(effect->type), "stop") || rv_str_is(rv_str_of(effect->type), "steer"),
         is_timer = rv_str_is(rv_str_of(effect->type), "arm_timer");
    if (rv_str_is(rv_str_of(effect->type), "park")) {
        write_park(w, effect);
        return;
    }
    rv_jw_object(w);
    rv_jw_kv_cstring(w, "type", effect->type);
    kv_text(w, "node", effect->node);
    if (is_of_attempt || effect->reducer) rv_jw_kv_i64(w, "epoch", effect->epoch);
    if (effect->reducer) rv_jw_kv_i64(w, "number", effect->number);
    kv_text(w, "state", effect->state);
    kv_text(w, "detail", effect->detail);
    if (is_timer || (is_gate && effect->due_ms)) rv_jw_kv_i64(w, "due_ms", effect->due_ms);
    kv_text(w, "key", effect->key);
    kv_text(w, "reducer", effect->reducer);
    kv_json(w, "inputs", effect->inputs);
    kv_text(w, "text", effect->text);
    if (effect->spawn_count) {
        rv_jw_key(w, "nodes");
        rv_jw_array(w);
        for (size_t i = 0; i < effect->spawn_count; i++) write_spawn(w, &effect->spawns[i]);
        rv_jw_array_end(w);
    }
    kv_json(w, "budget", effect->budget);
    if (rv_str_is(rv_str_of(effect->type), "run_ended")) {
        rv_jw_key(w, "nodes");
        write_outcomes(w, kernel);
    }
    rv_jw_object_end(w);
}

static void write_row(rv_json_writer *w, const reeve_row *row)
{
    rv_buf body = {0};
    rv_base64_write(&body, (rv_str){row->body, row->body_size});
    rv_jw_object(w);
    rv_jw_kv_i64(w, "first_seq", (int64_t)row->first_seq);
    rv_jw_kv_i64(w, "event_count", row->event_count);
    rv_jw_key(w, "now");
    rv_jw_object(w);
    rv_jw_kv_i64(w, "wall_ms", row->now.wall_ms);
    rv_jw_kv_i64(w, "engine_ms", row->now.engine_ms);
    rv_jw_object_end(w);
    rv_jw_kv_str(w, "body", rv_buf_str(&body));
    kv_json(w, "values", row->values);
    rv_jw_object_end(w);
    rv_buf_deinit(&body);
}

void rv_lines_step(rv_json_writer *w, reeve_kernel *kernel, const reeve_step *step)
{
    rv_jw_kv_cstring(w, "answer", step->is_stale ? "stale" : "taken");
    rv_jw_key(w, "effects");
    rv_jw_array(w);
    for (size_t i = 0; i < step->effect_count; i++) write_effect(w, kernel, &step->effects[i]);
    rv_jw_array_end(w);
    if (step->node_count) {
        rv_jw_key(w, "nodes");
        rv_jw_array(w);
        for (size_t i = 0; i < step->node_count; i++) write_node(w, &step->nodes[i], NULL, NULL);
        rv_jw_array_end(w);
    }
    if (!step->row.body) return;
    rv_jw_key(w, "journal");
    write_row(w, &step->row);
}

/* ---- state ---- */

static void write_counts(rv_json_writer *w, const reeve_kernel_info *info)
{
    rv_jw_key(w, "counts");
    rv_jw_object(w);
    rv_jw_kv_i64(w, "pending", info->pending_count);
    rv_jw_kv_i64(w, "ready", info->ready_count);
    rv_jw_kv_i64(w, "running", info->running_count);
    rv_jw_kv_i64(w, "waiting", info->waiting_count);
    rv_jw_kv_i64(w, "done", info->done_count);
    rv_jw_kv_i64(w, "failed", info->failed_count);
    rv_jw_object_end(w);
}

static void write_ready(rv_json_writer *w, reeve_kernel *kernel, uint32_t count)
{
    const char **names = rv_alloc(sizeof *names * ((size_t)count + 1));
    size_t found = reeve_kernel_ready(kernel, names, count);
    rv_jw_key(w, "ready");
    rv_jw_array(w);
    for (size_t i = 0; i < found; i++) rv_jw_cstring(w, names[i]);
    rv_jw_array_end(w);
    rv_free(names);
}

static rv_status write_named(rv_json_writer *w, reeve_kernel *kernel, const rv_json *names, rv_error *err)
{
    rv_status status = RV_OK;
    rv_jw_array(w);
    for (const rv_json *name = names->child; name && status == RV_OK; name = name->next) {
        rv_str id = name->kind == RV_JSON_STRING ? name->text : (rv_str){NULL, 0};
        uint32_t index = rv_run_find(kernel->run, id);
        if (index == RV_NONE)
            status = rv_error_set(err, RV_NOT_FOUND, "state: this run has no node `%.*s`", RV_FMT(id));
        else write_state_of(w, kernel, index);
    }
    rv_jw_array_end(w);
    return status;
}

rv_status rv_lines_write_state(rv_json_writer *w, reeve_kernel *kernel, rv_lines_nodes which, const rv_json *names,
                               rv_error *err)
{
    static const char *const phases[] = {"graph", "handlers", "exit", "over"}, *const closings[] = {"", "interrupt", "cancel", "timeout",
                                                                                                      "fail_fast", "budget"};
    reeve_kernel_info info = {.size = sizeof info};
    rv_status status = RV_OK;
    reeve_kernel_state(kernel, &info);
    rv_jw_object(w);
    rv_jw_kv_cstring(w, "run", info.run);
    rv_jw_kv_cstring(w, "state", info.state);
    rv_jw_kv_cstring(w, "phase", kernel->run->phase < RV_COUNT(phases) ? phases[kernel->run->phase] : "");
    kv_text(w, "closing", kernel->run->closing < RV_COUNT(closings) ? closings[kernel->run->closing] : "");
    kv_number(w, "due_ms", info.due_ms, 0);
    rv_jw_kv_i64(w, "last_seq", (int64_t)info.last_seq);
    write_counts(w, &info);
    write_ready(w, kernel, kernel->run->ready_count);
    rv_jw_key(w, "nodes");
    if (which == RV_LINES_NAMED) status = write_named(w, kernel, names, err);
    else write_states(w, kernel, which == RV_LINES_OPEN);
    rv_jw_object_end(w);
    return status;
}

/* ---- a row, read ---- */

/* Of the run as it is now: a node that the row made is there if the row was applied. */
static rv_str id_of(void *user, uint32_t node)
{
    reeve_kernel *kernel = user;
    return node < kernel->run->node_count ? rv_run_id_in(kernel->run, node, &kernel->scratch) : RV_STR("");
}

rv_status rv_lines_write_events(rv_json_writer *w, reeve_kernel *kernel, const reeve_row *row, rv_error *err)
{
    const char *at = row->body, *end = at + row->body_size;
    rv_event event;
    rv_status status = RV_OK;
    rv_jw_array(w);
    for (uint32_t i = 0; i < row->event_count && status == RV_OK; i++) {
        status = rv_event_read(&at, end, &event, err);
        rv_json *value = NULL;
        if (status == RV_OK && event.value.size && rv_json_parse(&kernel->scratch, event.value, &value, err) != RV_OK) status = RV_CORRUPT;
        if (status == RV_OK) rv_event_json(w, &event, id_of, kernel);
    }
    rv_jw_array_end(w);
    if (status == RV_OK && at != end) status = rv_error_set(err, RV_CORRUPT, "the row has bytes after its last event");
    return status;
}
