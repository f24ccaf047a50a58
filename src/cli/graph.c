/* graph.c: `reeve graph`: a workflow's graph as a tree, DOT, Mermaid or JSON. */
#include "cli/bodies.h"
#include "cli/layout.h"
#include "cli/load.h"
#include "cli/plan.h"
#include "cli/verbs.h"

#define TREE_DEPTH_MAX 16u /* deeper graphs are shown as layers */

/* ---- text ---- */

typedef struct tree {
    const rv_graph *graph;
    rv_layout layout;
    uint32_t *parent;             /* what a node hangs from: the predecessor in the deepest layer; RV_NONE: a root */
    uint32_t *child_begin, *children;
    uint32_t name_columns;        /* where the column of actions begins */
} tree;

/* Of a node and of what is in it. */
static uint32_t name_columns(const rv_graph *graph, uint32_t node)
{
    uint32_t most = (uint32_t)rv_graph_name(graph, node).size, def;
    rv_bodies walk;
    rv_buf path = {0};
    rv_bodies_begin(&walk, graph, node);
    while (rv_bodies_next(&walk, &def) != RV_BODIES_OVER) {
        rv_buf_clear(&path);
        rv_bodies_path(&path, graph, def);
        most = RV_MAX(most, (uint32_t)path.size + 2 * walk.depth + 3);
    }
    rv_buf_deinit(&path);
    return most;
}

static void tree_build(tree *t, rv_arena *arena)
{
    const rv_graph *graph = t->graph;
    uint32_t count = graph->plain_count;
    t->parent = rv_arena_new(arena, uint32_t, count + 1);
    t->child_begin = rv_arena_new(arena, uint32_t, count + 3); /* owner 0: the roots; owner n + 1: node n */
    t->children = rv_arena_new(arena, uint32_t, count + 1);
    for (uint32_t n = 0; n < count; n++) {
        t->parent[n] = RV_NONE;
        for (uint32_t i = graph->pred_begin[n]; i < graph->pred_begin[n + 1]; i++) {
            uint32_t pred = RV_EDGE_NODE(graph->pred[i]);
            if (t->parent[n] == RV_NONE || t->layout.layer[pred] > t->layout.layer[t->parent[n]]) t->parent[n] = pred;
        }
        t->child_begin[(t->parent[n] == RV_NONE ? 0 : t->parent[n] + 1) + 1]++;
    }
    for (uint32_t owner = 0; owner <= count; owner++) t->child_begin[owner + 1] += t->child_begin[owner];
    uint32_t *at = rv_arena_new(arena, uint32_t, count + 2);
    for (uint32_t n = 0; n < count; n++) {
        uint32_t owner = t->parent[n] == RV_NONE ? 0 : t->parent[n] + 1;
        t->children[t->child_begin[owner] + at[owner]++] = n;
    }
    for (uint32_t n = 0; n < count; n++)
        t->name_columns = RV_MAX(t->name_columns, 3 * t->layout.layer[n] + name_columns(graph, n));
    t->name_columns = RV_MIN(t->name_columns, 48u);
}

/* Predecessors that the tree does not show as the parent. */
static void other_needs(const tree *t, rv_buf *out, uint32_t node)
{
    const rv_graph *graph = t->graph;
    bool is_first = true;
    for (uint32_t i = graph->pred_begin[node]; i < graph->pred_begin[node + 1]; i++) {
        uint32_t entry = graph->pred[i], pred = RV_EDGE_NODE(entry);
        bool is_soft = entry & RV_EDGE_SOFT;
        if (pred == t->parent[node] && !is_soft) continue;
        rv_buf_cstring(out, is_first ? "  " : ", ");
        if (is_first) rv_buf_printf(out, "%s ", rv_ui_glyph(RV_GLYPH_ARROW));
        rv_buf_printf(out, "%s%.*s", is_soft ? "after " : "", RV_FMT(rv_graph_name(graph, pred)));
        is_first = false;
    }
}

/* The branches that it belongs to, and where it goes back to. */
static void roads(rv_buf *out, const rv_graph *graph, uint32_t node)
{
    for (uint32_t i = graph->pred_begin[node]; i < graph->pred_begin[node + 1]; i++) {
        uint32_t pred = RV_EDGE_NODE(graph->pred[i]);
        rv_buf labels = {0};
        rv_bodies_labels(&labels, graph, pred, node);
        if (labels.size) rv_buf_printf(out, "  if %.*s is %s", RV_FMT(rv_graph_name(graph, pred)), labels.at);
        rv_buf_deinit(&labels);
    }
    if (graph->nodes[node].revise == 0) return;
    const rv_revise_def *revise = &graph->revises[graph->nodes[node].revise - 1];
    rv_buf_printf(out, "  back to %.*s while %.*s, at most %u times", RV_FMT(rv_graph_name(graph, revise->target)),
                  RV_FMT(rv_graph_str(graph, revise->when)), revise->max);
}

static void tree_line(const tree *t, rv_buf *out, uint32_t node, rv_str prefix, uint32_t columns)
{
    size_t begin = out->size;
    rv_buf rest = {0}, line = {0};
    rv_ui_style(out, RV_STYLE_DIM, prefix);
    rv_ui_style(out, RV_STYLE_BOLD, rv_graph_name(t->graph, node));
    rv_ui_pad(out, begin, t->name_columns);
    rv_buf_printf(&rest, "  %-8s ", rv_kind_name((rv_kind)t->graph->nodes[node].kind));
    rv_plan_action(&rest, t->graph, node);
    other_needs(t, &rest, node);
    roads(&rest, t->graph, node);
    rv_ui_plain(&line, rv_buf_str(&rest), rv_ui_get()->is_terminal && columns > t->name_columns + 10 ? columns - t->name_columns - 1 : 0);
    rv_ui_style(out, RV_STYLE_DIM, rv_buf_str(&line));
    rv_buf_byte(out, '\n');
    rv_buf_deinit(&rest);
    rv_buf_deinit(&line);
}

/* What is in a controller, a line each beneath its own. */
static void body_lines(const tree *t, rv_buf *out, uint32_t node, rv_str prefix, uint32_t columns)
{
    rv_bodies walk;
    uint32_t def;
    rv_bodies_begin(&walk, t->graph, node);
    for (rv_bodies_step step; (step = rv_bodies_next(&walk, &def)) != RV_BODIES_OVER;) {
        if (step == RV_BODIES_END) continue;
        rv_buf path = {0}, rest = {0}, line = {0};
        bool is_controller = rv_kind_is_controller((rv_kind)t->graph->nodes[def].kind);
        uint32_t depth = walk.depth - is_controller;
        size_t begin = out->size;
        rv_bodies_path(&path, t->graph, def);
        rv_ui_style(out, RV_STYLE_DIM, prefix);
        rv_buf_printf(out, "%*s", (int)(2 * depth), "");
        rv_buf_str_add(out, rv_buf_str(&path));
        rv_ui_pad(out, begin, t->name_columns);
        rv_buf_printf(&rest, "  %-8s ", rv_kind_name((rv_kind)t->graph->nodes[def].kind));
        rv_plan_action(&rest, t->graph, def);
        roads(&rest, t->graph, def);
        bool is_cut = rv_ui_get()->is_terminal && columns > t->name_columns + 10;
        rv_ui_plain(&line, rv_buf_str(&rest), is_cut ? columns - t->name_columns - 1 : 0);
        rv_ui_style(out, RV_STYLE_DIM, rv_buf_str(&line));
        rv_buf_byte(out, '\n');
        rv_buf_deinit(&path);
        rv_buf_deinit(&rest);
        rv_buf_deinit(&line);
    }
}

static void tree_text(const tree *t, rv_buf *out, rv_arena *arena)
{
    uint32_t columns, rows, depth = 0;
    rv_ui_size(&columns, &rows);
    uint32_t *next = rv_arena_new(arena, uint32_t, TREE_DEPTH_MAX + 2), *owner = rv_arena_new(arena, uint32_t, TREE_DEPTH_MAX + 2);
    rv_buf prefix = {0};
    next[0] = t->child_begin[0];
    for (;;) { /* the path from the root is the stack: owner[d] is walked at next[d] */
        uint32_t end = t->child_begin[owner[depth] + 1];
        if (next[depth] == end) {
            if (depth == 0) break;
            depth--;
            continue;
        }
        uint32_t node = t->children[next[depth]++];
        rv_buf_clear(&prefix);
        for (uint32_t d = 1; d <= depth; d++) {
            bool is_last = next[d] == t->child_begin[owner[d] + 1];
            if (d == depth) rv_buf_cstring(&prefix, rv_ui_glyph(is_last ? RV_GLYPH_ELBOW : RV_GLYPH_TEE));
            else rv_buf_cstring(&prefix, is_last ? "   " : rv_ui_glyph(RV_GLYPH_DOWN));
        }
        tree_line(t, out, node, rv_buf_str(&prefix), columns);
        rv_buf_clear(&prefix);
        for (uint32_t d = 1; d <= depth; d++) {
            bool is_last = next[d] == t->child_begin[owner[d] + 1];
            rv_buf_cstring(&prefix, is_last ? "   " : rv_ui_glyph(RV_GLYPH_DOWN));
        }
        bool has_successors = t->child_begin[node + 1] < t->child_begin[node + 2];
        if (has_successors) rv_buf_cstring(&prefix, rv_ui_glyph(RV_GLYPH_DOWN));
        body_lines(t, out, node, rv_buf_str(&prefix), columns);
        depth++;
        owner[depth] = node + 1;
        next[depth] = t->child_begin[node + 1];
    }
    rv_buf_deinit(&prefix);
}

static void layers_text(const tree *t, rv_buf *out)
{
    uint32_t columns, rows;
    rv_ui_size(&columns, &rows);
    for (uint32_t k = 0; k < t->layout.layer_count; k++) {
        size_t begin = out->size;
        uint32_t used = 10;
        rv_ui_stylef(out, RV_STYLE_DIM, "%6u", k + 1);
        rv_ui_pad(out, begin, 10);
        for (uint32_t i = t->layout.layer_begin[k]; i < t->layout.layer_begin[k + 1]; i++) {
            rv_str name = rv_graph_name(t->graph, t->layout.layer_vertices[i]);
            if (used > 10 && used + name.size + 2 > columns) {
                rv_buf_printf(out, "\n%10s", "");
                used = 10;
            }
            rv_buf_printf(out, "%s%.*s", used > 10 ? "  " : "", RV_FMT(name));
            used += (uint32_t)name.size + 2;
        }
        rv_buf_byte(out, '\n');
    }
}

static void text(rv_buf *out, const rv_graph *graph)
{
    rv_arena arena = {0};
    tree t = {.graph = graph};
    rv_layout_layers(&t.layout, &arena, graph);
    rv_ui_style(out, RV_STYLE_BOLD, rv_graph_str(graph, graph->name));
    rv_buf_printf(out, "  %u node%s, %u edge%s, %u layer%s\n", graph->plain_count, graph->plain_count == 1 ? "" : "s", graph->edge_count,
                  graph->edge_count == 1 ? "" : "s", t.layout.layer_count, t.layout.layer_count == 1 ? "" : "s");
    if (t.layout.layer_count > TREE_DEPTH_MAX) {
        layers_text(&t, out);
    } else {
        tree_build(&t, &arena);
        tree_text(&t, out, &arena);
    }
    for (uint32_t n = graph->plain_count; n < graph->top_count; n++) {
        rv_ui_style(out, RV_STYLE_DIM, rv_graph_name(graph, n));
        rv_buf_cstring(out, "  ");
        rv_plan_action(out, graph, n);
        rv_buf_byte(out, '\n');
    }
    rv_arena_deinit(&arena);
}

/* ---- DOT, Mermaid, JSON ---- */

/* ---- for other programs ---- */

static void add_path(rv_buf *out, const rv_graph *graph, uint32_t def)
{
    rv_buf path = {0};
    rv_bodies_path(&path, graph, def);
    rv_json_quote(out, rv_buf_str(&path));
    rv_buf_deinit(&path);
}

/* Edges are told but for those to handlers, which have none, and to nodes of another run. */
typedef void edge_fn(rv_buf *out, const rv_graph *graph, uint32_t from, uint32_t to, bool is_soft, rv_str labels);

static void each_edge(rv_buf *out, const rv_graph *graph, edge_fn *fn)
{
    rv_buf labels = {0};
    for (uint32_t n = 0; n < graph->node_count; n++)
        for (uint32_t i = graph->succ_begin[n]; i < graph->succ_begin[n + 1]; i++) {
            uint32_t to = RV_EDGE_NODE(graph->succ[i]);
            rv_buf_clear(&labels);
            rv_bodies_labels(&labels, graph, n, to);
            fn(out, graph, n, to, graph->succ[i] & RV_EDGE_SOFT, rv_buf_str(&labels));
        }
    rv_buf_deinit(&labels);
}

static void dot_node(rv_buf *out, const rv_graph *graph, uint32_t def, uint32_t depth)
{
    rv_buf_printf(out, "%*s", (int)(2 * depth), "");
    add_path(out, graph, def);
    if (!rv_kind_needs_slot((rv_kind)graph->nodes[def].kind)) rv_buf_cstring(out, " [style=\"rounded,dashed\"]");
    rv_buf_cstring(out, ";\n");
}

static void dot_cluster(rv_buf *out, const rv_graph *graph, uint32_t def, uint32_t depth)
{
    rv_buf label = {0};
    rv_bodies_path(&label, graph, def);
    rv_buf_printf(&label, " (%s)", rv_kind_name((rv_kind)graph->nodes[def].kind));
    rv_buf_printf(out, "%*ssubgraph cluster_%u {\n%*slabel=", (int)(2 * depth), "", def, (int)(2 * depth) + 2, "");
    rv_json_quote(out, rv_buf_str(&label));
    rv_buf_cstring(out, "; style=\"rounded,dashed\"; color=gray;\n");
    rv_buf_deinit(&label);
    dot_node(out, graph, def, depth + 1);
}

static void dot_edge(rv_buf *out, const rv_graph *graph, uint32_t from, uint32_t to, bool is_soft, rv_str labels)
{
    rv_buf_cstring(out, "  ");
    add_path(out, graph, from);
    rv_buf_cstring(out, " -> ");
    add_path(out, graph, to);
    if (is_soft) rv_buf_cstring(out, " [style=dashed]");
    if (labels.size) rv_buf_cstring(out, " [label="), rv_json_quote(out, labels), rv_buf_byte(out, ']');
    rv_buf_cstring(out, ";\n");
}

static void dot_back(rv_buf *out, const rv_graph *graph, uint32_t from, uint32_t to, rv_str when)
{
    rv_buf_cstring(out, "  ");
    add_path(out, graph, from);
    rv_buf_cstring(out, " -> ");
    add_path(out, graph, to);
    rv_buf_cstring(out, " [style=dashed, constraint=false, label=");
    rv_json_quote(out, when);
    rv_buf_cstring(out, "];\n");
}

/* What goes back: revise edges, and loops from their body to itself. */
static void each_back(rv_buf *out, const rv_graph *graph, void (*fn)(rv_buf *out, const rv_graph *graph, uint32_t from, uint32_t to,
                                                                       rv_str when))
{
    for (uint32_t r = 0; r < graph->revise_count; r++)
        fn(out, graph, graph->revises[r].node, graph->revises[r].target, rv_graph_str(graph, graph->revises[r].when));
    for (uint32_t n = 0; n < graph->node_count; n++) {
        if (graph->nodes[n].kind != RV_KIND_LOOP) continue;
        const rv_control_def *control = &graph->controls[graph->nodes[n].aux];
        uint32_t body = graph->scopes[control->scope_first].first;
        rv_buf when = {0};
        if (control->until.size) rv_buf_printf(&when, "until %.*s", RV_FMT(rv_graph_str(graph, control->until)));
        fn(out, graph, body, body, when.size ? rv_buf_str(&when) : RV_STR("again"));
        rv_buf_deinit(&when);
    }
}

static void dot(rv_buf *out, const rv_graph *graph)
{
    rv_bodies walk;
    uint32_t def;
    rv_buf_cstring(out, "digraph ");
    rv_json_quote(out, rv_graph_str(graph, graph->name));
    rv_buf_cstring(out, " {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    for (uint32_t n = 0; n < graph->plain_count; n++) {
        rv_bodies_begin(&walk, graph, n);
        if (walk.depth) dot_cluster(out, graph, n, 1);
        else dot_node(out, graph, n, 1);
        for (rv_bodies_step step; (step = rv_bodies_next(&walk, &def)) != RV_BODIES_OVER;) {
            bool is_controller = rv_kind_is_controller((rv_kind)graph->nodes[def].kind);
            if (step == RV_BODIES_END) rv_buf_printf(out, "%*s}\n", (int)(2 * walk.depth) + 2, "");
            else if (is_controller) dot_cluster(out, graph, def, walk.depth);
            else dot_node(out, graph, def, walk.depth + 1);
        }
    }
    each_edge(out, graph, dot_edge);
    each_back(out, graph, dot_back);
    rv_buf_cstring(out, "}\n");
}

static void mermaid_node(rv_buf *out, const rv_graph *graph, uint32_t def, uint32_t depth)
{
    bool has_slot = rv_kind_needs_slot((rv_kind)graph->nodes[def].kind);
    rv_buf path = {0};
    rv_bodies_path(&path, graph, def);
    rv_buf_printf(out, "%*sn%u%s\"%s\"%s\n", (int)(2 * depth), "", def, has_slot ? "[" : "([", path.at, has_slot ? "]" : "])");
    rv_buf_deinit(&path);
}

static void mermaid_cluster(rv_buf *out, const rv_graph *graph, uint32_t def, uint32_t depth)
{
    rv_buf path = {0};
    rv_bodies_path(&path, graph, def);
    rv_buf_printf(out, "%*ssubgraph s%u[\"%s: %s\"]\n", (int)(2 * depth), "", def, path.at, rv_kind_name((rv_kind)graph->nodes[def].kind));
    rv_buf_deinit(&path);
    mermaid_node(out, graph, def, depth + 1);
}

/* Text of a label: quotes and what Mermaid would read as markup are written as entities. */
static void mermaid_text(rv_buf *out, rv_str text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '"' || text.at[i] == '#' || text.at[i] == '<' || text.at[i] == '>') rv_buf_printf(out, "#%d;", text.at[i]);
        else rv_buf_byte(out, text.at[i]);
    }
}

static void mermaid_edge(rv_buf *out, const rv_graph *graph, uint32_t from, uint32_t to, bool is_soft, rv_str labels)
{
    (void)graph;
    rv_buf_printf(out, "  n%u %s", from, is_soft ? "-.->" : "-->");
    if (labels.size) rv_buf_cstring(out, "|\""), mermaid_text(out, labels), rv_buf_cstring(out, "\"|");
    rv_buf_printf(out, " n%u\n", to);
}

static void mermaid_back(rv_buf *out, const rv_graph *graph, uint32_t from, uint32_t to, rv_str when)
{
    (void)graph;
    rv_buf_printf(out, "  n%u -.->|\"", from);
    mermaid_text(out, when);
    rv_buf_printf(out, "\"| n%u\n", to);
}

static void mermaid(rv_buf *out, const rv_graph *graph)
{
    rv_bodies walk;
    uint32_t def;
    rv_buf_cstring(out, "flowchart LR\n");
    for (uint32_t n = 0; n < graph->plain_count; n++) {
        rv_bodies_begin(&walk, graph, n);
        if (walk.depth) mermaid_cluster(out, graph, n, 1);
        else mermaid_node(out, graph, n, 1);
        for (rv_bodies_step step; (step = rv_bodies_next(&walk, &def)) != RV_BODIES_OVER;) {
            bool is_controller = rv_kind_is_controller((rv_kind)graph->nodes[def].kind);
            if (step == RV_BODIES_END) rv_buf_printf(out, "%*send\n", (int)(2 * walk.depth) + 2, "");
            else if (is_controller) mermaid_cluster(out, graph, def, walk.depth);
            else mermaid_node(out, graph, def, walk.depth + 1);
        }
    }
    each_edge(out, graph, mermaid_edge);
    each_back(out, graph, mermaid_back);
}

static void path_member(rv_json_writer *w, const char *key, const rv_graph *graph, uint32_t def)
{
    rv_buf path = {0};
    rv_bodies_path(&path, graph, def);
    rv_jw_kv_str(w, key, rv_buf_str(&path));
    rv_buf_deinit(&path);
}

static void json_node(rv_json_writer *w, const rv_graph *graph, uint32_t n)
{
    const rv_node_def *def = &graph->nodes[n];
    const rv_scope_def *scope = &graph->scopes[def->scope];
    rv_jw_object(w);
    path_member(w, "node", graph, n);
    rv_jw_kv_cstring(w, "kind", rv_kind_name((rv_kind)def->kind));
    if (scope->owner != RV_NONE) path_member(w, "parent", graph, scope->owner);
    if (scope->owner != RV_NONE) rv_jw_kv_cstring(w, "role", rv_scope_role_name((rv_scope_role)scope->role));
    if (def->handler != RV_HANDLER_NONE) rv_jw_kv_cstring(w, "handler", rv_handler_name((rv_handler)def->handler));
    if (def->when.size) rv_jw_kv_str(w, "when", rv_graph_str(graph, def->when));
    rv_jw_kv_cstring(w, "dep_policy", rv_dep_policy_name((rv_dep_policy)def->dep_policy));
    rv_jw_kv_i64(w, "priority", def->priority);
    rv_jw_object_end(w);
}

static void json_edge(rv_json_writer *w, const rv_graph *graph, uint32_t from, uint32_t entry)
{
    rv_buf labels = {0};
    rv_bodies_labels(&labels, graph, from, RV_EDGE_NODE(entry));
    rv_jw_object(w);
    path_member(w, "from", graph, from);
    path_member(w, "to", graph, RV_EDGE_NODE(entry));
    rv_jw_kv_bool(w, "is_soft", entry & RV_EDGE_SOFT);
    if (labels.size) rv_jw_kv_str(w, "labels", rv_buf_str(&labels));
    rv_jw_object_end(w);
    rv_buf_deinit(&labels);
}

static void json(rv_buf *out, const rv_graph *graph)
{
    rv_json_writer w;
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_digest_text(graph->digest, digest);
    rv_json_writer_init(&w, out, 0);
    rv_jw_object(&w);
    rv_jw_kv_i64(&w, "v", RV_JSON_SHAPE_VERSION);
    rv_jw_kv_str(&w, "name", rv_graph_str(graph, graph->name));
    rv_jw_kv_cstring(&w, "workflow", digest);
    rv_jw_key(&w, "nodes");
    rv_jw_array(&w);
    for (uint32_t n = 0; n < graph->node_count; n++) json_node(&w, graph, n);
    rv_jw_array_end(&w);
    rv_jw_key(&w, "edges");
    rv_jw_array(&w);
    for (uint32_t n = 0; n < graph->node_count; n++)
        for (uint32_t i = graph->succ_begin[n]; i < graph->succ_begin[n + 1]; i++) json_edge(&w, graph, n, graph->succ[i]);
    rv_jw_array_end(&w);
    rv_jw_key(&w, "back_edges");
    rv_jw_array(&w);
    for (uint32_t r = 0; r < graph->revise_count; r++) {
        rv_jw_object(&w);
        path_member(&w, "from", graph, graph->revises[r].node);
        path_member(&w, "to", graph, graph->revises[r].target);
        rv_jw_kv_str(&w, "when", rv_graph_str(graph, graph->revises[r].when));
        rv_jw_kv_i64(&w, "max", graph->revises[r].max);
        rv_jw_object_end(&w);
    }
    rv_jw_array_end(&w);
    rv_jw_object_end(&w);
    rv_buf_byte(out, '\n');
}

int rv_verb_graph(const rv_args *args)
{
    static const struct { const char *name; void (*write)(rv_buf *out, const rv_graph *graph); } formats[] = {
        {"text", text}, {"dot", dot}, {"mermaid", mermaid}, {"json", json}};
    const char *word = rv_args_value(args, "format");
    rv_load load = {0};
    int status = 0;
    size_t format = 0;
    while (word && format < RV_COUNT(formats) && strcmp(formats[format].name, word) != 0) format++;
    if (format == RV_COUNT(formats))
        return rv_cli_failf(args, RV_INVALID, "--format is `%s`; give text, dot, mermaid or json", word);
    if (rv_load_file(&load, args, rv_args_word(args, 0), true, NULL, &status) == RV_OK) {
        rv_buf out = {0};
        formats[format].write(&out, &load.spec->graph);
        rv_ui_out(rv_buf_str(&out));
        rv_buf_deinit(&out);
    }
    rv_load_deinit(&load);
    return status;
}
