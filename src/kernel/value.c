#include "kernel/run_private.h"

#include "kernel/template.h"

/* What a reference means where a node stands: user.K, env.K, run.id, item, index, iteration, previous, left, right,
 * feedback, NODE.state, NODE.error, NODE.exit_code, NODE.stdout, NODE.FIELD… Names are looked up outwards, place by place,
 * as far as the scopes are open. Values of a node that was skipped, or that has not settled (an optional edge), are null
 * [W12]. */

static rv_json *make(rv_arena *arena, rv_json_kind kind, rv_str text)
{
    rv_json *value = rv_arena_new(arena, rv_json, 1);
    value->kind = kind;
    value->text = text;
    return value;
}

static rv_json *make_string(rv_arena *arena, rv_str text) { return make(arena, RV_JSON_STRING, text); }

static rv_json *make_null(rv_arena *arena) { return make(arena, RV_JSON_NULL, RV_STR("")); }

static rv_json *make_number(rv_arena *arena, int64_t value)
{
    return make(arena, RV_JSON_NUMBER, rv_arena_printf(arena, "%lld", (long long)value));
}

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

/* ---- names ---- */

/* 4 bytes of the graph's and the scope's numbers each, then the name. */
static rv_str name_key(char *at, uint32_t graph, uint32_t scope, rv_str name)
{
    memcpy(at, &graph, sizeof graph);
    memcpy(at + sizeof graph, &scope, sizeof scope);
    memcpy(at + 2 * sizeof graph, name.at, name.size);
    return (rv_str){at, 2 * sizeof graph + name.size};
}

static void index_names(rv_run *run)
{
    for (; run->named_graphs < run->graphs.count; run->named_graphs++) {
        const rv_graph *graph = run->graphs.at[run->named_graphs];
        for (uint32_t def = 0; def < graph->node_count; def++) {
            rv_str name = rv_graph_name(graph, def);
            if (name.size == 0) continue;
            char *at = rv_arena_alloc(&run->arena, 2 * sizeof(uint32_t) + name.size);
            rv_map_add(&run->def_names, name_key(at, run->named_graphs, graph->nodes[def].scope, name), def);
        }
        for (uint32_t i = 0; i < graph->external_count; i++) {
            rv_str name = rv_graph_str(graph, graph->externals[i].name);
            char *at = rv_arena_alloc(&run->arena, 2 * sizeof(uint32_t) + name.size);
            rv_map_add(&run->def_names, name_key(at, run->named_graphs, 0, name), i | RV_EDGE_EXTERNAL);
        }
    }
}

/* The nearest place of `role` around a node, as far as scopes are open; RV_NONE: none. */
static uint32_t around(const rv_run *run, uint32_t node, rv_scope_role role)
{
    for (uint32_t at = node; at != RV_NONE; at = rv_run_place(run, at)->parent) {
        const rv_place *place = rv_run_place(run, at);
        if (place->role == role) return run->nodes[at].place;
        if (run->graphs.at[place->graph]->scopes[place->scope].is_closed) break;
    }
    return RV_NONE;
}

/* The node whose result is `previous` after `iteration` iterations of `loop`; RV_NONE: there is none yet. */
static uint32_t iteration_node(const rv_run *run, uint32_t loop, uint32_t iteration)
{
    if (iteration == 0) return RV_NONE;
    const rv_control *control = &run->controls.at[run->nodes[loop].control - 1];
    return iteration <= control->places.count ? run->places.at[control->places.at[iteration - 1]].base : RV_NONE;
}

/* ${left}, ${right}, ${previous}: nodes under other names; RV_NONE: not one of them, or not there (yet). */
static uint32_t see_role(rv_run *run, uint32_t node, rv_str name)
{
    bool is_left = rv_str_is(name, "left");
    if (is_left || rv_str_is(name, "right")) {
        uint32_t place = around(run, node, RV_SCOPE_JUDGE), left, right;
        if (place == RV_NONE) return RV_NONE;
        rv_run_sides(run, place, &left, &right);
        return is_left ? left : right;
    }
    uint32_t place = rv_str_is(name, "previous") ? around(run, node, RV_SCOPE_ITERATION) : RV_NONE;
    return place == RV_NONE ? RV_NONE : iteration_node(run, run->places.at[place].parent, run->places.at[place].ordinal - 1);
}

uint32_t rv_run_see(rv_run *run, uint32_t node, rv_str *path)
{
    rv_str rest = *path, name = take_part(&rest);
    uint32_t role = see_role(run, node, name);
    if (role != RV_NONE) {
        *path = rest;
        return role;
    }
    char bytes[2 * sizeof(uint32_t) + RV_NAME_MAX];
    if (name.size == 0 || name.size > RV_NAME_MAX) return RV_NONE;
    index_names(run);
    for (uint32_t at = node; at != RV_NONE;) {
        uint32_t index = run->nodes[at].place;
        const rv_place *place = &run->places.at[index];
        uint32_t scope = place->role == RV_SCOPE_HANDLERS ? 0 : place->scope; /* handlers see the file's nodes */
        uint32_t def = rv_map_get(&run->def_names, name_key(bytes, place->graph, scope, name));
        if (def != RV_NONE) {
            *path = rest;
            if (def & RV_EDGE_EXTERNAL) return rv_run_pred(run, index, def);
            return rv_run_at(run, place->role == RV_SCOPE_HANDLERS ? 0 : index, def);
        }
        if (run->graphs.at[place->graph]->scopes[place->scope].is_closed) break;
        at = place->parent;
    }
    return RV_NONE;
}

/* ---- values of nodes ---- */

static const rv_json *node_value(rv_run *run, rv_arena *arena, uint32_t index, rv_str path, bool has_ended)
{
    const rv_node_run *node = &run->nodes[index];
    bool is_terminal = has_ended || rv_node_state_is_terminal((rv_node_state)node->state);
    bool is_null = !is_terminal || node->state == RV_NODE_SKIPPED;
    if (rv_str_is(path, "state")) return make_string(arena, rv_str_of(rv_node_state_name((rv_node_state)node->state)));
    if (is_null) return make_null(arena);
    if (rv_str_is(path, "error"))
        return node->error && node->state != RV_NODE_SUCCEEDED ? make_string(arena, rv_run_error(run, index)) : make_null(arena);
    if (rv_str_is(path, "exit_code")) return node->exit_status >= 0 ? make_number(arena, node->exit_status) : make_null(arena);
    if (rv_str_is(path, "stdout")) return make_string(arena, rv_run_output(run, index));
    if (node->result == 0) return (has_ended || node->state == RV_NODE_SUCCEEDED) && path.size ? NULL : make_null(arena);
    return walk(parse(arena, rv_run_result(run, index)), path);
}

/* ---- values of places ---- */

rv_str rv_run_item(rv_run *run, uint32_t place_index)
{
    const rv_place *place = &run->places.at[place_index];
    rv_control *control = &run->controls.at[run->nodes[place->parent].control - 1];
    if (control->items.count == 0) {
        rv_arena arena = {0};
        const rv_json *list = parse(&arena, rv_run_kept(run, control->value));
        rv_buf text = {0};
        for (const rv_json *item = list ? list->child : NULL; item; item = item->next) {
            rv_buf_clear(&text);
            rv_json_write(&text, item, true);
            rv_vec_push(&control->items, rv_arena_str(&run->arena, rv_buf_str(&text)));
        }
        rv_buf_deinit(&text);
        rv_arena_deinit(&arena);
    }
    return place->ordinal < control->items.count ? control->items.at[place->ordinal] : (rv_str){NULL, 0};
}

static const rv_json *previous_value(rv_run *run, rv_arena *arena, uint32_t loop, uint32_t iteration, rv_str path)
{
    uint32_t node = iteration_node(run, loop, iteration);
    return node == RV_NONE ? make_null(arena) : node_value(run, arena, node, path, false);
}

static bool loop_value(rv_run *run, uint32_t node, rv_arena *arena, rv_str first, rv_str path, const rv_json **ret)
{
    uint32_t place = around(run, node, RV_SCOPE_ITERATION);
    if (place == RV_NONE) return false;
    uint32_t ordinal = run->places.at[place].ordinal;
    if (rv_str_is(first, "iteration")) *ret = path.size ? NULL : make_number(arena, ordinal);
    else *ret = previous_value(run, arena, run->places.at[place].parent, ordinal - 1, path);
    return true;
}

static bool item_value(rv_run *run, uint32_t node, rv_arena *arena, rv_str first, rv_str path, const rv_json **ret)
{
    uint32_t place = around(run, node, RV_SCOPE_ITEM);
    if (place == RV_NONE) return false;
    if (rv_str_is(first, "index")) *ret = path.size ? NULL : make_number(arena, run->places.at[place].ordinal);
    else *ret = walk(parse(arena, rv_run_item(run, place)), path);
    return true;
}

/* Values that the place of a node gives; false: it gives none of that name. */
static bool place_value(rv_run *run, uint32_t node, rv_arena *arena, rv_str first, rv_str path, const rv_json **ret)
{
    if (rv_str_is(first, "item") || rv_str_is(first, "index")) return item_value(run, node, arena, first, path, ret);
    if (rv_str_is(first, "iteration") || rv_str_is(first, "previous")) return loop_value(run, node, arena, first, path, ret);
    if (!rv_str_is(first, "feedback")) return false;
    *ret = rv_run_feedback(run, node, arena, path);
    return true;
}

/* Whether the submission that a node stands in has a part `name` in its load value. */
static bool own_values(const rv_run *run, uint32_t node, const char *name)
{
    rv_arena arena = {0};
    const rv_submission *given = rv_run_submission_of(run, node);
    const rv_json *value = given ? parse(&arena, given->load_value) : NULL;
    bool has_own = value && rv_json_get(value, rv_str_of(name));
    rv_arena_deinit(&arena);
    return has_own;
}

bool rv_run_is_inside(const rv_run *run, uint32_t node)
{
    for (uint32_t at = node; at != RV_NONE; at = rv_run_place(run, at)->parent)
        if (rv_run_place(run, at)->role == RV_SCOPE_WORKFLOW) return true;
    return own_values(run, node, "user");
}

/* ${user.K}, ${env.K}: what a submission has of its own, else the run's. */
static const rv_json *load_value(rv_run *run, uint32_t node, rv_arena *arena, rv_str path)
{
    const rv_submission *given = rv_run_submission_of(run, node);
    const rv_json *value = given ? walk(parse(arena, given->load_value), path) : NULL;
    return value ? value : walk(parse(arena, run->load_value), path);
}

/* ${user.K}: of the sub-workflow that a node stands in, else of the run. */
static const rv_json *user_value(rv_run *run, uint32_t node, rv_arena *arena, rv_str whole, rv_str path)
{
    for (uint32_t at = node; at != RV_NONE; at = rv_run_place(run, at)->parent) {
        const rv_place *place = rv_run_place(run, at);
        if (place->role != RV_SCOPE_WORKFLOW) continue;
        uint32_t value = run->controls.at[run->nodes[place->parent].control - 1].value;
        return walk(parse(arena, rv_run_kept(run, value)), path);
    }
    return load_value(run, node, arena, whole);
}

const rv_json *rv_run_value(rv_run *run, uint32_t node, rv_arena *arena, rv_str path)
{
    const rv_json *value = NULL;
    rv_str whole = path, first = take_part(&path);
    if (rv_str_is(first, "user")) return user_value(run, node, arena, whole, path);
    if (rv_str_is(first, "env")) return load_value(run, node, arena, whole);
    if (rv_str_is(whole, "run.id")) return make_string(arena, run->run_id);
    if (place_value(run, node, arena, first, path, &value)) return value;
    uint32_t side = rv_str_is(path, "id") && (rv_str_is(first, "left") || rv_str_is(first, "right")) ? see_role(run, node, first) : RV_NONE;
    if (side != RV_NONE) return make_string(arena, rv_run_id_in(run, side, arena)); /* who it is, not a field of its result */
    uint32_t other = rv_run_see(run, node, &whole);
    return other == RV_NONE ? NULL : node_value(run, arena, other, whole, false);
}

/* ---- expressions and templates ---- */

typedef struct view { rv_run *run; uint32_t node, iteration; bool has_ended; } view;

static const rv_json *resolve(void *user, rv_arena *arena, rv_str path)
{
    const view *v = user;
    rv_str rest = path, first = take_part(&rest);
    if (v->iteration && rv_str_is(path, "iteration")) return make_number(arena, v->iteration);
    if (v->iteration && rv_str_is(first, "previous")) return previous_value(v->run, arena, v->node, v->iteration, rest);
    rest = path;
    if (v->has_ended && rv_run_see(v->run, v->node, &rest) == v->node) return node_value(v->run, arena, v->node, rest, true);
    return rv_run_value(v->run, v->node, arena, path);
}

/* The file's lines are not known any more: the expression itself says which it was. */
static rv_status told(rv_str text, rv_status status, rv_error *err)
{
    if (status == RV_OK) return status;
    return rv_error_context(err, "`%.*s%s`", (int)RV_MIN(text.size, (size_t)160), text.at, text.size > 160 ? "…" : "");
}

rv_status rv_run_eval_ended(rv_run *run, uint32_t node, rv_arena *arena, rv_str text, const rv_json **ret, rv_error *err)
{
    view v = {run, node, 0, true};
    return told(text, rv_expr_eval(arena, text, resolve, &v, ret, err), err);
}

rv_status rv_run_eval(rv_run *run, uint32_t node, uint32_t iteration, rv_arena *arena, rv_str text, const rv_json **ret, rv_error *err)
{
    view v = {run, node, iteration, false};
    return told(text, rv_expr_eval(arena, text, resolve, &v, ret, err), err);
}

typedef struct filling { rv_run *run; uint32_t node; rv_arena *arena; } filling;

static rv_value_kind fill_reference(void *user, rv_str path, rv_buf *out, rv_error *err)
{
    const filling *f = user;
    const rv_json *value = rv_run_value(f->run, f->node, f->arena, path);
    if (!value) return RV_VALUE_MISSING;
    if (value->kind == RV_JSON_NULL) return RV_VALUE_NULL;
    if (value->kind == RV_JSON_STRING) rv_buf_str_add(out, value->text);
    else rv_json_write(out, value, true);
    return RV_VALUE_TEXT;
}

/* A string that is one reference becomes the value itself, of whatever kind. */
static rv_status fill_string(const filling *f, rv_str text, rv_json *ret, rv_error *err)
{
    rv_template_part part;
    size_t at = 0;
    rv_buf out = {0};
    if (rv_str_find(text, 0, '$') == SIZE_MAX) return RV_OK;
    rv_status status = rv_template_next(text, &at, &part, err);
    if (status == RV_OK && part.is_reference && at == text.size) {
        const rv_json *value = rv_run_value(f->run, f->node, f->arena, part.path);
        bool is_there = value && (value->kind != RV_JSON_NULL || !part.has_default);
        if (!is_there && !part.has_default) return rv_error_set(err, RV_INVALID, "`%.*s`: there is no such value", RV_FMT(text));
        rv_json *next = ret->next;
        rv_str key = ret->key;
        *ret = is_there ? *value : (rv_json){.kind = RV_JSON_STRING, .text = rv_arena_str(f->arena, part.text)};
        ret->next = next;
        ret->key = key;
        return RV_OK;
    }
    if (status == RV_OK) status = rv_render(text, fill_reference, (void *)(uintptr_t)f, false, &out, err);
    if (status == RV_OK) ret->text = rv_arena_str(f->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return status;
}

rv_status rv_run_fill(rv_run *run, uint32_t node, rv_str json, rv_buf *out, rv_error *err)
{
    rv_arena arena = {0};
    rv_json *tree = NULL, *stack[RV_JSON_DEPTH_MAX + 1];
    filling f = {run, node, &arena};
    uint32_t depth = 0;
    rv_status status = rv_json_parse(&arena, json, &tree, err);
    for (rv_json *at = tree; status == RV_OK && at;) { /* values taken from the run are not looked into: one pass [W11] */
        bool was_string = at->kind == RV_JSON_STRING;
        if (was_string) status = fill_string(&f, at->text, at, err);
        bool has_inside = !was_string && (at->kind == RV_JSON_ARRAY || at->kind == RV_JSON_OBJECT) && at->child;
        if (has_inside) stack[depth++] = at;
        rv_json *next = has_inside ? at->child : at == tree ? NULL : at->next;
        while (!next && depth > 0) {
            rv_json *parent = stack[--depth];
            next = parent == tree ? NULL : parent->next;
        }
        at = next;
    }
    if (status == RV_OK) rv_json_write(out, tree, true);
    rv_arena_deinit(&arena);
    return status;
}

const rv_json *rv_run_feedback(rv_run *run, uint32_t node, rv_arena *arena, rv_str path)
{
    uint32_t place = around(run, node, RV_SCOPE_REVISION);
    if (place != RV_NONE) return walk(parse(arena, rv_run_kept(run, run->places.at[place].value)), path);
    bool is_violation = run->nodes[node].failures > 0 && run->nodes[node].error;
    return is_violation && path.size == 0 ? make_string(arena, rv_run_error(run, node)) : make_null(arena);
}
