/* graph.c: `reeve graph`: a workflow's graph as a tree, DOT, Mermaid or JSON. */
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
        t->name_columns = RV_MAX(t->name_columns, 3 * t->layout.layer[n] + (uint32_t)rv_graph_name(graph, n).size);
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
    rv_ui_plain(&line, rv_buf_str(&rest), rv_ui_get()->is_terminal && columns > t->name_columns + 10 ? columns - t->name_columns - 1 : 0);
    rv_ui_style(out, RV_STYLE_DIM, rv_buf_str(&line));
    rv_buf_byte(out, '\n');
    rv_buf_deinit(&rest);
    rv_buf_deinit(&line);
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

static void dot(rv_buf *out, const rv_graph *graph)
{
    rv_buf_cstring(out, "digraph ");
    rv_json_quote(out, rv_graph_str(graph, graph->name));
    rv_buf_cstring(out, " {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    for (uint32_t n = 0; n < graph->plain_count; n++) {
        rv_buf_cstring(out, "  ");
        rv_json_quote(out, rv_graph_name(graph, n));
        if (!rv_kind_needs_slot((rv_kind)graph->nodes[n].kind)) rv_buf_cstring(out, " [style=\"rounded,dashed\"]");
        rv_buf_cstring(out, ";\n");
    }
    for (uint32_t n = 0; n < graph->plain_count; n++)
        for (uint32_t i = graph->succ_begin[n]; i < graph->succ_begin[n + 1]; i++) {
            rv_buf_cstring(out, "  ");
            rv_json_quote(out, rv_graph_name(graph, n));
            rv_buf_cstring(out, " -> ");
            rv_json_quote(out, rv_graph_name(graph, RV_EDGE_NODE(graph->succ[i])));
            rv_buf_cstring(out, graph->succ[i] & RV_EDGE_SOFT ? " [style=dashed];\n" : ";\n");
        }
    rv_buf_cstring(out, "}\n");
}

static void mermaid(rv_buf *out, const rv_graph *graph)
{
    rv_buf_cstring(out, "flowchart LR\n");
    for (uint32_t n = 0; n < graph->plain_count; n++) {
        bool has_slot = rv_kind_needs_slot((rv_kind)graph->nodes[n].kind);
        rv_buf_printf(out, "  n%u%s\"%.*s\"%s\n", n, has_slot ? "[" : "([", RV_FMT(rv_graph_name(graph, n)), has_slot ? "]" : "])");
    }
    for (uint32_t n = 0; n < graph->plain_count; n++)
        for (uint32_t i = graph->succ_begin[n]; i < graph->succ_begin[n + 1]; i++)
            rv_buf_printf(out, "  n%u %s n%u\n", n, graph->succ[i] & RV_EDGE_SOFT ? "-.->" : "-->", RV_EDGE_NODE(graph->succ[i]));
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
    for (uint32_t n = 0; n < graph->top_count; n++) {
        const rv_node_def *def = &graph->nodes[n];
        rv_jw_object(&w);
        rv_jw_kv_str(&w, "node", rv_graph_name(graph, n));
        rv_jw_kv_cstring(&w, "kind", rv_kind_name((rv_kind)def->kind));
        if (def->handler != RV_HANDLER_NONE) rv_jw_kv_cstring(&w, "handler", rv_handler_name((rv_handler)def->handler));
        if (def->when.size) rv_jw_kv_str(&w, "when", rv_graph_str(graph, def->when));
        rv_jw_kv_cstring(&w, "dep_policy", rv_dep_policy_name((rv_dep_policy)def->dep_policy));
        rv_jw_kv_i64(&w, "priority", def->priority);
        rv_jw_object_end(&w);
    }
    rv_jw_array_end(&w);
    rv_jw_key(&w, "edges");
    rv_jw_array(&w);
    for (uint32_t n = 0; n < graph->plain_count; n++)
        for (uint32_t i = graph->succ_begin[n]; i < graph->succ_begin[n + 1]; i++) {
            rv_jw_object(&w);
            rv_jw_kv_str(&w, "from", rv_graph_name(graph, n));
            rv_jw_kv_str(&w, "to", rv_graph_name(graph, RV_EDGE_NODE(graph->succ[i])));
            rv_jw_kv_bool(&w, "is_soft", graph->succ[i] & RV_EDGE_SOFT);
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
