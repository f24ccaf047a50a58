#include "cli/plan.h"

#include "engine/forecast.h"

#include "cli/bodies.h"

#include "kernel/expr.h"

/* ---- conditions over load-time values ---- */

typedef struct plan_values { const rv_json *user, *env; bool needs_results; } plan_values;

static bool is_load_time(rv_str path)
{
    return rv_str_starts(path, RV_STR("user.")) || rv_str_starts(path, RV_STR("env."));
}

static void note_reference(void *user, rv_str path, bool has_default, size_t offset)
{
    plan_values *values = user;
    (void)has_default, (void)offset;
    if (!is_load_time(path)) values->needs_results = true;
}

static const rv_json *resolve(void *user, rv_arena *arena, rv_str path)
{
    const plan_values *values = user;
    (void)arena;
    bool is_user = rv_str_starts(path, RV_STR("user."));
    return rv_json_get(is_user ? values->user : values->env, rv_str_from(path, is_user ? 5 : 4));
}

static rv_status condition(const rv_graph *graph, uint32_t node, rv_arena *arena, plan_values *values, rv_plan_word *ret, rv_error *err)
{
    rv_str when = rv_graph_str(graph, graph->nodes[node].when);
    *ret = RV_PLAN_RUN;
    if (when.size == 0) return RV_OK;
    size_t offset = 0;
    values->needs_results = false;
    rv_status status = rv_expr_check(when, note_reference, values, &offset, err);
    const rv_json *value = NULL;
    if (status == RV_OK && values->needs_results) return *ret = RV_PLAN_MAYBE, RV_OK;
    if (status == RV_OK) status = rv_expr_eval(arena, when, resolve, values, &value, err);
    if (status) return rv_error_context(err, "node %.*s: when", RV_FMT(rv_graph_name(graph, node)));
    if (value->kind == RV_JSON_FALSE) *ret = RV_PLAN_SKIP;
    return RV_OK;
}

/* ---- what a node does ---- */

static void add_words(rv_buf *out, const rv_json *argv)
{
    for (const rv_json *word = argv->child; word; word = word->next) {
        if (word != argv->child) rv_buf_byte(out, ' ');
        rv_ui_shell_word(out, word->text);
    }
}

static void add_script(rv_buf *out, rv_str script)
{
    size_t end = rv_str_find(script, 0, '\n');
    rv_str line = end == SIZE_MAX ? script : rv_str_cut(script, 0, end);
    rv_ui_plain(out, line, 120);
    if (end != SIZE_MAX && end + 1 < script.size) rv_buf_printf(out, " %s", rv_ui_glyph(RV_GLYPH_ELLIPSIS));
}

static void add_count(rv_buf *out, uint32_t count, const char *what)
{
    rv_buf_printf(out, "%u %s%s", count, what, count == 1 ? "" : "s");
}

static void add_branches(rv_buf *out, const rv_graph *graph, const rv_control_def *control)
{
    rv_buf_cstring(out, "one of");
    for (uint32_t b = control->branch_first; b < control->branch_first + control->branch_count; b++) {
        rv_buf_printf(out, "%s %.*s:", b > control->branch_first ? "," : "", RV_FMT(rv_graph_str(graph, graph->branches[b].label)));
        for (uint32_t i = graph->branches[b].first; i < graph->branches[b].first + graph->branches[b].count; i++)
            rv_buf_printf(out, " %.*s", RV_FMT(rv_graph_name(graph, graph->branch_nodes[i])));
    }
}

static void add_foreach(rv_buf *out, const rv_graph *graph, const rv_control_def *control)
{
    rv_arena arena = {0};
    rv_json *items = NULL;
    rv_error ignored;
    if (rv_json_parse(&arena, rv_graph_str(graph, control->items), &items, &ignored) == RV_OK) {
        rv_buf_cstring(out, "for each of ");
        if (items->kind == RV_JSON_ARRAY) add_count(out, items->count, "item");
        else rv_ui_plain(out, items->text, 60);
    }
    rv_arena_deinit(&arena);
    if (control->max) rv_buf_printf(out, ", %u at a time", control->max);
    if (control->join != RV_JOIN_ALL) rv_buf_printf(out, ", join %s", rv_join_name((rv_join)control->join));
}

/* What a controller is going to do with what is in it. */
static void add_controller(rv_buf *out, const rv_graph *graph, uint32_t node)
{
    const rv_control_def *control = &graph->controls[graph->nodes[node].aux];
    switch ((rv_kind)graph->nodes[node].kind) {
    case RV_KIND_FOREACH: add_foreach(out, graph, control); return;
    case RV_KIND_LOOP:
        rv_buf_printf(out, "at most %u times", control->max);
        if (control->until.size) rv_buf_cstring(out, ", until "), rv_ui_plain(out, rv_graph_str(graph, control->until), 60);
        return;
    case RV_KIND_CLASSIFY: add_branches(out, graph, control); return;
    case RV_KIND_TOURNAMENT:
        add_count(out, control->entrant_count, "entrant");
        if (control->max) rv_buf_cstring(out, ", swiss, "), add_count(out, control->max, "round");
        rv_buf_cstring(out, ", ");
        add_count(out, control->quorum, "judge");
        rv_buf_printf(out, " a match%s", control->swap ? ", each twice with sides exchanged" : "");
        return;
    case RV_KIND_WORKFLOW:
        add_count(out, graph->scopes[control->scope_first].count, "node");
        if (control->params.size) rv_buf_cstring(out, " with "), rv_ui_plain(out, rv_graph_str(graph, control->params), 60);
        return;
    case RV_KIND_RUN: case RV_KIND_SHELL: case RV_KIND_APPROVE: case RV_KIND_INPUT: case RV_KIND_WAIT: case RV_KIND_SET:
    case RV_KIND_REDUCE: case RV_KIND_COUNT: return;
    }
}

/* `scratch` is cleared. */
static void add_action(rv_buf *out, const rv_graph *graph, uint32_t node, rv_arena *scratch)
{
    const rv_node_def *def = &graph->nodes[node];
    if (rv_kind_is_controller((rv_kind)def->kind)) {
        add_controller(out, graph, node);
        return;
    }
    rv_json *body = NULL;
    rv_error ignored;
    rv_kind kind = (rv_kind)def->kind;
    rv_arena_clear(scratch);
    if (rv_json_parse(scratch, rv_graph_str(graph, def->body), &body, &ignored) == RV_OK) {
        const rv_json *value = rv_json_get(body, rv_str_of(rv_kind_name(kind)));
        const rv_json *text = NULL;
        if (value && value->kind == RV_JSON_OBJECT) {
            text = rv_json_get(value, RV_STR("message"));
            if (!text) text = rv_json_get(value, RV_STR("question"));
        }
        if (value && kind == RV_KIND_RUN && value->kind == RV_JSON_ARRAY) add_words(out, value);
        else if (value && value->kind == RV_JSON_STRING) add_script(out, value->text);
        else if (text && text->kind == RV_JSON_STRING) add_script(out, text->text);
        else if (value) rv_json_write(out, value, false);
    }
}

void rv_plan_action(rv_buf *out, const rv_graph *graph, uint32_t node)
{
    rv_arena scratch = {0};
    add_action(out, graph, node, &scratch);
    rv_arena_deinit(&scratch);
}

/* ---- order ---- */

/* order[0..count): each node after its predecessors; among those that are free, by the graph's order. */
static void sort(const rv_graph *graph, rv_arena *arena, uint32_t *order)
{
    uint32_t *waits_for = rv_arena_new(arena, uint32_t, graph->plain_count + 1);
    rv_bitset ready; /* by position */
    rv_bitset_init(&ready, arena, RV_MAX(graph->node_count, 1u));
    for (uint32_t n = 0; n < graph->plain_count; n++) {
        waits_for[n] = graph->pred_begin[n + 1] - graph->pred_begin[n];
        if (waits_for[n] == 0) rv_bitset_add(&ready, graph->position[n]);
    }
    for (uint32_t at = 0; at < graph->plain_count; at++) {
        uint32_t position = rv_bitset_next(&ready, 0);
        RV_ASSERT(position != RV_NONE); /* a graph has no cycle */
        rv_bitset_remove(&ready, position);
        uint32_t node = order[at] = graph->order[position];
        for (uint32_t i = graph->succ_begin[node]; i < graph->succ_begin[node + 1]; i++) {
            uint32_t next = RV_EDGE_NODE(graph->succ[i]);
            if (--waits_for[next] == 0) rv_bitset_add(&ready, graph->position[next]);
        }
    }
}

/* ---- printing ---- */

/* ---- the cache ---- */

static void add_change(rv_buf *out, const rv_difference *change)
{
    static const char *const words[] = {"is new", "is gone", "changed"};
    rv_buf_printf(out, "%s ", rv_made_of_name(change->kind));
    rv_ui_plain(out, change->name, 60);
    rv_buf_printf(out, "%s%s", change->name.size ? " " : "", words[change->change]);
}

/* What has changed since the node's last entry: the first three of it. false: it has none, or it cannot be told. */
static bool add_changes(rv_buf *out, rv_forecast *forecast, uint32_t node)
{
    rv_arena arena = {0};
    rv_differences changes = {0};
    bool is_known = rv_forecast_changes(forecast, node, &arena, &changes, NULL) == RV_OK && changes.count > 0;
    for (uint32_t i = 0; i < changes.count && i < 3 && is_known; i++) {
        if (i) rv_buf_cstring(out, ", ");
        add_change(out, &changes.at[i]);
    }
    if (is_known && changes.count > 3) rv_buf_printf(out, " and %u more", changes.count - 3);
    rv_vec_deinit(&changes);
    rv_arena_deinit(&arena);
    return is_known;
}

/* Why the cache would or would not have a node; nothing for what is not cached. *word becomes HIT where it would. */
static void add_why(rv_buf *out, const rv_graph *graph, rv_forecast *forecast, uint32_t node, rv_plan_word *word)
{
    const rv_forecast_node *at = forecast ? rv_forecast_of(forecast, node) : NULL;
    if (!at || *word == RV_PLAN_SKIP) return;
    if (at->word == RV_FORECAST_HIT) {
        *word = RV_PLAN_HIT;
        rv_buf_cstring(out, "the same was done before, in ");
        rv_duration_write(out, at->saved_ms);
    } else if (at->word == RV_FORECAST_AFTER && at->is_cached && at->because != RV_NONE && at->because < graph->plain_count) {
        rv_buf_printf(out, "after %.*s has run", RV_FMT(rv_graph_name(graph, at->because)));
    } else if (at->word == RV_FORECAST_SKIP) {
        *word = RV_PLAN_SKIP;
        rv_buf_cstring(out, "what it needs is skipped, or its condition is false");
    } else if (at->word == RV_FORECAST_RUN && at->is_cached) {
        if (at->text.size) rv_ui_plain(out, at->text, 120);
        else if (at->reason != RV_CACHE_NO_ENTRY || !add_changes(out, forecast, node))
            rv_buf_cstring(out, rv_cache_reason_name(at->reason));
    }
}

static const char *const plan_words[] = {[RV_PLAN_RUN] = "run", [RV_PLAN_SKIP] = "skip", [RV_PLAN_MAYBE] = "maybe",
                                         [RV_PLAN_BODY] = "body", [RV_PLAN_HIT] = "hit"};

/* What is printed, and places for texts that each node needs anew. */
typedef struct printer {
    const rv_graph *graph;
    rv_json_writer *json; /* NULL: a table */
    rv_table table;
    rv_arena scratch;
    rv_buf text, path;
} printer;

static void json_node(printer *p, uint32_t node, rv_plan_word word, rv_str why)
{
    rv_json_writer *w = p->json;
    const rv_graph *graph = p->graph;
    rv_buf_clear(&p->text);
    rv_buf_clear(&p->path);
    add_action(&p->text, graph, node, &p->scratch);
    rv_bodies_path(&p->path, graph, node);
    rv_jw_object(w);
    rv_jw_kv_str(w, "node", rv_buf_str(&p->path));
    rv_jw_kv_cstring(w, "kind", rv_kind_name((rv_kind)graph->nodes[node].kind));
    rv_jw_kv_cstring(w, "will", plan_words[word]);
    if (graph->nodes[node].when.size) rv_jw_kv_str(w, "when", rv_graph_str(graph, graph->nodes[node].when));
    rv_jw_kv_str(w, "action", rv_buf_str(&p->text));
    if (why.size) rv_jw_kv_str(w, "why", why);
    rv_jw_object_end(w);
}

static void table_node(printer *p, uint32_t node, uint32_t number, rv_plan_word word, rv_str why)
{
    const rv_graph *graph = p->graph;
    rv_buf *text = &p->text;
    rv_buf_clear(text);
    if (number) rv_buf_u64(text, number);
    rv_table_cell(&p->table, rv_buf_str(text));
    bool is_quiet = word == RV_PLAN_SKIP || word == RV_PLAN_BODY || word == RV_PLAN_HIT;
    rv_style style = is_quiet ? RV_STYLE_DIM : word == RV_PLAN_MAYBE ? RV_STYLE_YELLOW : RV_STYLE_GREEN;
    rv_table_cell_style(&p->table, style, rv_str_of(plan_words[word]));
    rv_buf_clear(text);
    if (word == RV_PLAN_BODY) rv_buf_cstring(text, "  ");
    rv_bodies_path(text, graph, node);
    rv_table_cell(&p->table, rv_buf_str(text));
    rv_table_cell(&p->table, rv_str_of(rv_kind_name((rv_kind)graph->nodes[node].kind)));
    rv_buf_clear(text);
    rv_str when = rv_graph_str(graph, graph->nodes[node].when);
    if (word == RV_PLAN_BODY && when.size) {
        rv_buf_cstring(text, "when ");
        rv_ui_plain(text, when, 60);
        rv_buf_cstring(text, "  ");
    }
    if ((word == RV_PLAN_SKIP || word == RV_PLAN_MAYBE) && when.size) {
        rv_buf_cstring(text, word == RV_PLAN_SKIP ? "when is false: " : "when ");
        rv_ui_plain(text, when, 60);
        rv_buf_cstring(text, "  ");
    }
    add_action(text, graph, node, &p->scratch);
    if (why.size) rv_buf_printf(text, "  (%.*s)", RV_FMT(why));
    rv_table_cell(&p->table, rv_buf_str(text));
}

static void print_node(printer *p, uint32_t node, uint32_t number, rv_plan_word word, rv_str why)
{
    if (p->json) json_node(p, node, word, why);
    else table_node(p, node, number, word, why);
}

static void bodies(printer *p, uint32_t node)
{
    rv_bodies walk;
    uint32_t def;
    rv_bodies_begin(&walk, p->graph, node);
    for (rv_bodies_step step; (step = rv_bodies_next(&walk, &def)) != RV_BODIES_OVER;)
        if (step != RV_BODIES_END) print_node(p, def, 0, RV_PLAN_BODY, RV_STR(""));
}

static void printer_deinit(printer *p)
{
    rv_table_deinit(&p->table);
    rv_arena_deinit(&p->scratch);
    rv_buf_deinit(&p->text);
    rv_buf_deinit(&p->path);
}

static rv_status print(const rv_spec *spec, rv_forecast *forecast, const rv_args *args, rv_arena *arena, rv_error *err)
{
    const rv_graph *graph = &spec->graph;
    rv_json *user = NULL, *env = NULL;
    rv_status status = rv_json_parse(arena, spec->user.size ? rv_buf_str(&spec->user) : RV_STR("{}"), &user, err);
    if (status == RV_OK) status = rv_json_parse(arena, spec->env.size ? rv_buf_str(&spec->env) : RV_STR("{}"), &env, err);
    if (status) return status;
    plan_values values = {.user = user, .env = env};
    uint32_t *order = rv_arena_new(arena, uint32_t, graph->plain_count + 1);
    sort(graph, arena, order);
    printer p = {.graph = graph};
    static const char *const titles[] = {"", "will", "node", "kind", "what"};
    for (size_t i = 0; i < RV_COUNT(titles); i++) rv_table_column(&p.table, titles[i], i == 0);
    rv_buf out = {0}, why = {0};
    rv_json_writer w;
    if (args->is_json) {
        p.json = &w;
        rv_cli_json_begin(&w, &out);
        rv_jw_key(&w, "plan");
        rv_jw_array(&w);
    }
    for (uint32_t i = 0; i < graph->plain_count && status == RV_OK; i++) {
        rv_plan_word word = RV_PLAN_RUN;
        status = condition(graph, order[i], arena, &values, &word, err);
        if (status) break;
        rv_buf_clear(&why);
        add_why(&why, graph, forecast, order[i], &word);
        print_node(&p, order[i], i + 1, word, rv_buf_str(&why));
        bodies(&p, order[i]);
    }
    if (args->is_json) rv_jw_array_end(&w);
    if (status == RV_OK && args->is_json) rv_cli_json_end(&w);
    else if (status == RV_OK) rv_table_print_take(&p.table);
    printer_deinit(&p);
    rv_buf_deinit(&out);
    rv_buf_deinit(&why);
    return status;
}

rv_status rv_plan_print(const rv_spec *spec, rv_forecast *forecast, const rv_args *args, rv_error *err)
{
    rv_arena arena = {0};
    rv_status status = print(spec, forecast, args, &arena, err);
    rv_arena_deinit(&arena);
    return status;
}
