#include "cli/bodies.h"

static void push(rv_bodies *w, uint32_t def)
{
    if (!rv_kind_is_controller((rv_kind)w->graph->nodes[def].kind)) return;
    RV_ASSERT(w->depth <= RV_BODIES_DEPTH_MAX); /* the loader bounds it */
    w->stack[w->depth].owner = def;
    w->stack[w->depth].scope = w->stack[w->depth].next = 0;
    w->depth++;
}

void rv_bodies_begin(rv_bodies *w, const rv_graph *graph, uint32_t def)
{
    w->graph = graph;
    w->depth = 0;
    push(w, def);
}

rv_bodies_step rv_bodies_next(rv_bodies *w, uint32_t *ret_def)
{
    while (w->depth > 0) {
        uint32_t top = w->depth - 1, owner = w->stack[top].owner;
        const rv_control_def *control = &w->graph->controls[w->graph->nodes[owner].aux];
        if (w->stack[top].scope == control->scope_count) {
            w->depth--;
            *ret_def = owner;
            return RV_BODIES_END;
        }
        const rv_scope_def *scope = &w->graph->scopes[control->scope_first + w->stack[top].scope];
        if (w->stack[top].next < scope->count) {
            *ret_def = scope->first + w->stack[top].next++;
            push(w, *ret_def);
            return RV_BODIES_NODE;
        }
        w->stack[top].scope++;
        w->stack[top].next = 0;
    }
    return RV_BODIES_OVER;
}

static uint32_t entrant_number(const rv_graph *graph, const rv_scope_def *scope)
{
    const rv_control_def *control = &graph->controls[graph->nodes[scope->owner].aux];
    uint32_t i = 0;
    while (i < control->entrant_count && graph->entrants[control->entrant_first + i].scope != (uint32_t)(scope - graph->scopes)) i++;
    return i;
}

static void add_place(rv_buf *out, const rv_graph *graph, const rv_scope_def *scope)
{
    switch ((rv_scope_role)scope->role) {
    case RV_SCOPE_ITEM: rv_buf_cstring(out, "[*]"); break;
    case RV_SCOPE_ITERATION: rv_buf_cstring(out, "#*"); break;
    case RV_SCOPE_CLASSIFIER: rv_buf_cstring(out, ".by"); break;
    case RV_SCOPE_ENTRANT: rv_buf_printf(out, "/e%u", entrant_number(graph, scope)); break;
    case RV_SCOPE_JUDGE: rv_buf_cstring(out, "/judge"); break;
    case RV_SCOPE_FILE: case RV_SCOPE_HANDLERS: case RV_SCOPE_WORKFLOW: case RV_SCOPE_REVISION: case RV_SCOPE_SUBMITTED:
    case RV_SCOPE_COUNT: break;
    }
}

void rv_bodies_path(rv_buf *out, const rv_graph *graph, uint32_t def)
{
    uint32_t chain[RV_BODIES_DEPTH_MAX + 2], depth = 0;
    for (uint32_t at = def; at != RV_NONE; at = graph->scopes[graph->nodes[at].scope].owner) {
        RV_ASSERT(depth < RV_COUNT(chain));
        chain[depth++] = at;
    }
    while (depth-- > 0) {
        const rv_scope_def *scope = &graph->scopes[graph->nodes[chain[depth]].scope];
        if (scope->owner != RV_NONE) add_place(out, graph, scope);
        if (scope->owner != RV_NONE && scope->is_named) rv_buf_byte(out, '.');
        if (scope->is_named) rv_buf_str_add(out, rv_graph_name(graph, chain[depth]));
    }
}

void rv_bodies_labels(rv_buf *out, const rv_graph *graph, uint32_t classify, uint32_t def)
{
    bool is_first = true;
    if (graph->nodes[classify].kind != RV_KIND_CLASSIFY) return;
    const rv_control_def *control = &graph->controls[graph->nodes[classify].aux];
    for (uint32_t b = control->branch_first; b < control->branch_first + control->branch_count; b++)
        for (uint32_t i = graph->branches[b].first; i < graph->branches[b].first + graph->branches[b].count; i++) {
            if (graph->branch_nodes[i] != def) continue;
            if (!is_first) rv_buf_byte(out, '|');
            rv_buf_str_add(out, rv_graph_str(graph, graph->branches[b].label));
            is_first = false;
        }
}
