#include "kernel/run_private.h"

/* References of expressions: user.K, env.K, run.id, NODE.state, NODE.error, NODE.exit_code, NODE.stdout, NODE.FIELD…
 * Values of a node that was skipped, or that has not settled (an optional edge), are null [W12]. */

uint32_t rv_run_find(rv_run *run, rv_str name)
{
    const rv_graph *graph = run->graph;
    if (!run->has_names) {
        rv_map_reserve(&run->names, graph->node_count);
        for (uint32_t node = 0; node < graph->node_count; node++) rv_map_add(&run->names, rv_graph_name(graph, node), node);
        run->has_names = true;
    }
    return rv_map_get(&run->names, name);
}

static rv_json *make(rv_arena *arena, rv_json_kind kind, rv_str text)
{
    rv_json *value = rv_arena_new(arena, rv_json, 1);
    value->kind = kind;
    value->text = text;
    return value;
}

static rv_json *make_string(rv_arena *arena, rv_str text) { return make(arena, RV_JSON_STRING, text); }

/* Cut the first part (up to a dot) off *path. */
static rv_str take_part(rv_str *path)
{
    size_t dot = rv_str_find(*path, 0, '.');
    rv_str part = dot == SIZE_MAX ? *path : rv_str_cut(*path, 0, dot);
    *path = dot == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(*path, dot + 1);
    return part;
}

static bool parse_index(rv_str text, uint32_t *ret)
{
    uint64_t value = 0;
    if (text.size == 0 || text.size > 9) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') return false;
        value = value * 10 + (uint64_t)(text.at[i] - '0');
    }
    *ret = (uint32_t)value;
    return true;
}

/* Follow `path` into `value`; NULL: it is not there. */
static const rv_json *walk(const rv_json *value, rv_str path)
{
    while (value && path.size) {
        rv_str part = take_part(&path);
        uint32_t index;
        if (value->kind == RV_JSON_ARRAY) value = parse_index(part, &index) ? rv_json_at(value, index) : NULL;
        else value = rv_json_get(value, part);
    }
    return value;
}

static const rv_json *parse(rv_arena *arena, rv_str text)
{
    rv_json *value = NULL;
    if (text.size == 0 || rv_json_parse(arena, text, &value, NULL) != RV_OK) return NULL;
    return value;
}

static const rv_json *resolve_number(rv_arena *arena, int64_t value)
{
    return make(arena, RV_JSON_NUMBER, rv_arena_printf(arena, "%lld", (long long)value));
}

static const rv_json *resolve_node(rv_run *run, rv_arena *arena, uint32_t index, rv_str path)
{
    const rv_node_run *node = &run->nodes[index];
    bool is_null = !rv_node_state_is_terminal((rv_node_state)node->state) || node->state == RV_NODE_SKIPPED;
    if (rv_str_is(path, "state")) return make_string(arena, rv_str_of(rv_node_state_name((rv_node_state)node->state)));
    if (is_null) return make(arena, RV_JSON_NULL, RV_STR(""));
    if (rv_str_is(path, "error"))
        return node->error && node->state != RV_NODE_SUCCEEDED ? make_string(arena, rv_run_error(run, index))
                                                               : make(arena, RV_JSON_NULL, RV_STR(""));
    if (rv_str_is(path, "exit_code"))
        return node->exit_status >= 0 ? resolve_number(arena, node->exit_status) : make(arena, RV_JSON_NULL, RV_STR(""));
    if (rv_str_is(path, "stdout")) return make_string(arena, rv_run_output(run, index));
    if (node->result == 0) return node->state == RV_NODE_SUCCEEDED ? NULL : make(arena, RV_JSON_NULL, RV_STR(""));
    return walk(parse(arena, rv_run_result(run, index)), path);
}

static const rv_json *resolve(void *user, rv_arena *arena, rv_str path)
{
    rv_run *run = user;
    rv_str whole = path, first = take_part(&path);
    if (rv_str_is(first, "user") || rv_str_is(first, "env")) return walk(parse(arena, run->load_value), whole);
    if (rv_str_is(whole, "run.id")) return make_string(arena, run->run_id);
    uint32_t node = rv_run_find(run, first);
    return node == RV_NONE ? NULL : resolve_node(run, arena, node, path);
}

rv_status rv_run_eval(rv_run *run, rv_arena *arena, rv_str text, const rv_json **ret, rv_error *err)
{
    return rv_expr_eval(arena, text, resolve, run, ret, err);
}
