#include "kernel/run_private.h"

/* Places: where instances stand, how they find each other, what they are called. */

/* ---- graphs ---- */

static uint32_t tag_of(rv_run *run, rv_str name, uint32_t cap, bool is_host)
{
    for (uint32_t i = 0; i < run->tags.count; i++)
        if (rv_str_eq(run->tags.at[i].name, name)) return i; /* the first to name it sets its cap */
    rv_vec_push(&run->tags, ((rv_run_tag){name, cap, is_host}));
    return run->tags.count - 1;
}

void rv_run_add_graph(rv_run *run, const rv_graph *graph)
{
    rv_vec_push(&run->graphs, graph);
    rv_vec_push(&run->class_base, run->classes.count);
    for (uint32_t t = 0; t < graph->tag_count; t++)
        (void)tag_of(run, rv_graph_str(graph, graph->tags[t].name), graph->tags[t].cap, graph->tags[t].is_host);
    for (uint32_t c = 0; c < graph->class_count; c++) {
        rv_run_class class = {.first = run->class_tags.count, .count = graph->classes[c].count, .is_staged = graph->classes[c].is_staged};
        for (uint32_t i = 0; i < class.count; i++) {
            const rv_tag_def *tag = &graph->tags[graph->class_tags[graph->classes[c].first + i]];
            uint32_t known = tag_of(run, rv_graph_str(graph, tag->name), tag->cap, tag->is_host);
            class.is_staged |= run->tags.at[known].is_host; /* the machine is asked when it is about to start */
            rv_vec_push(&run->class_tags, known);
        }
        rv_vec_push(&run->classes, class);
    }
}

/* ---- making ---- */

static void make_room(rv_run *run, uint32_t count)
{
    if (run->node_count + count <= run->node_capacity) return;
    uint32_t capacity = RV_MAX(run->node_count + count, run->node_count ? run->node_capacity + run->node_capacity / 2 : count);
    run->nodes = rv_realloc(run->nodes, sizeof *run->nodes * RV_MAX(capacity, 1u));
    run->node_capacity = capacity;
}

uint32_t rv_place_nodes(rv_run *run, const rv_place *place)
{
    uint32_t base = run->node_count;
    make_room(run, place->count);
    memset(run->nodes + base, 0, sizeof *run->nodes * place->count);
    run->node_count += place->count;
    for (uint32_t node = base; node < run->node_count; node++) {
        run->nodes[node].place = run->places.count;
        run->nodes[node].exit_status = -1;
    }
    if (place->role != RV_SCOPE_HANDLERS) run->counts[RV_NODE_PENDING] += place->count;
    else run->handler_open += place->count;
    rv_vec_push(&run->places, *place);
    return base;
}

static bool is_top(const rv_run *run, uint32_t role, uint32_t parent) { return parent == RV_NONE && role != RV_SCOPE_HANDLERS; }

uint32_t rv_place_add(rv_run *run, uint32_t graph_index, uint32_t scope_index, uint32_t parent, uint32_t ordinal)
{
    const rv_graph *graph = run->graphs.at[graph_index];
    const rv_scope_def *scope = &graph->scopes[scope_index];
    rv_place place = {.base = run->node_count, .count = scope->count, .graph = graph_index, .scope = scope_index, .parent = parent,
                      .ordinal = ordinal, .role = scope->role, .open = scope->count, .is_top = is_top(run, scope->role, parent)};
    uint32_t index = run->places.count;
    (void)rv_place_nodes(run, &place);
    for (uint32_t i = 0; i < scope->count; i++) {
        rv_node_run *node = &run->nodes[place.base + i];
        const rv_node_def *def = &graph->nodes[scope->first + i];
        node->def = scope->first + i;
        for (uint32_t e = graph->pred_begin[node->def]; e < graph->pred_begin[node->def + 1]; e++)
            node->gating += rv_edge_gates(def, graph->pred[e]);
        if (parent != RV_NONE && node->gating == 0) rv_run_work_push(run, place.base + i);
    }
    if (parent != RV_NONE) {
        rv_control *control = &run->controls.at[run->nodes[parent].control - 1];
        rv_vec_push(&control->places, index);
        control->open++;
    }
    return index;
}

void rv_control_add(rv_run *run, uint32_t node, uint32_t count, uint32_t value)
{
    rv_vec_push(&run->controls, ((rv_control){.node = node, .count = count, .value = value}));
    run->nodes[node].control = run->controls.count;
}

void rv_controls_free(rv_run *run)
{
    for (uint32_t i = 0; i < run->controls.count; i++) {
        rv_vec_deinit(&run->controls.at[i].places);
        rv_vec_deinit(&run->controls.at[i].items);
        rv_vec_deinit(&run->controls.at[i].matches);
        rv_vec_deinit(&run->controls.at[i].entrants);
        rv_vec_deinit(&run->controls.at[i].pairs);
        rv_vec_deinit(&run->controls.at[i].rounds);
        rv_vec_deinit(&run->controls.at[i].alive);
        rv_vec_deinit(&run->controls.at[i].score);
        rv_vec_deinit(&run->controls.at[i].decided);
    }
    rv_vec_deinit(&run->controls);
}

/* ---- finding each other ---- */

uint32_t rv_run_at(const rv_run *run, uint32_t place_index, uint32_t def)
{
    const rv_place *place = &run->places.at[rv_run_home(run, place_index)];
    const rv_scope_def *scope = &run->graphs.at[place->graph]->scopes[place->scope];
    RV_ASSERT(def - scope->first < scope->count);
    uint32_t node = place->base + (def - scope->first);
    while (run->nodes[node].next) node = run->nodes[node].next - 1;
    return node;
}

uint32_t rv_run_count_gating(const rv_run *run, uint32_t node)
{
    const rv_graph *graph = rv_run_graph(run, node);
    uint32_t def = run->nodes[node].def, gating = 0;
    for (uint32_t e = graph->pred_begin[def]; e < graph->pred_begin[def + 1]; e++) {
        uint32_t pred = rv_run_pred(run, run->nodes[node].place, graph->pred[e]);
        gating += rv_edge_gates(&graph->nodes[def], graph->pred[e]) && !rv_node_state_is_terminal((rv_node_state)run->nodes[pred].state);
    }
    return gating;
}

uint32_t rv_run_signal_for(const rv_run *run, uint32_t node)
{
    rv_str name = rv_graph_str(rv_run_graph(run, node), rv_run_gate(run, node)->event);
    for (uint32_t i = 0; i < run->signals.count; i++)
        if (name.size && rv_str_eq(run->signals.at[i].name, name)) return i;
    return RV_NONE;
}

/* ---- ids ---- */

#define ID_DEPTH_MAX 64u

static void add_judge(uint32_t ordinal, rv_buf *out)
{
    rv_buf_printf(out, "/r%um%u", RV_MATCH_ROUND(ordinal), RV_MATCH_NUMBER(ordinal));
    if (RV_MATCH_JUDGE(ordinal)) rv_buf_printf(out, "j%u", RV_MATCH_JUDGE(ordinal));
    if (RV_MATCH_SWAPPED(ordinal)) rv_buf_byte(out, 's');
}

/* How many revisions of its def came before it. */
static uint32_t revision_of(const rv_run *run, uint32_t node)
{
    const rv_place *home = &run->places.at[rv_run_home(run, run->nodes[node].place)];
    uint32_t first = home->base + (run->nodes[node].def - run->graphs.at[home->graph]->scopes[home->scope].first), count = 0;
    for (; first != node; first = run->nodes[first].next - 1) count++;
    return count;
}

/* What a place adds to its owner's id, and what stands before the name of a node in it. */
static void add_place(const rv_place *place, bool is_named, rv_buf *out)
{
    switch ((rv_scope_role)place->role) {
    case RV_SCOPE_ITEM: rv_buf_printf(out, "[%u]", place->ordinal); break;
    case RV_SCOPE_ITERATION: rv_buf_printf(out, "#%u", place->ordinal); break;
    case RV_SCOPE_CLASSIFIER: rv_buf_cstring(out, ".by"); break;
    case RV_SCOPE_ENTRANT: rv_buf_printf(out, "/e%u", place->ordinal); break;
    case RV_SCOPE_JUDGE: add_judge(place->ordinal, out); break;
    case RV_SCOPE_FILE: case RV_SCOPE_HANDLERS: case RV_SCOPE_WORKFLOW: case RV_SCOPE_REVISION: case RV_SCOPE_SUBMITTED:
    case RV_SCOPE_COUNT: break;
    }
    if (is_named && place->parent != RV_NONE) rv_buf_byte(out, '.');
}

/* Nodes from the outermost owner down to `node`, as they stand in each other. */
static uint32_t chain_of(const rv_run *run, uint32_t node, uint32_t chain[static ID_DEPTH_MAX])
{
    uint32_t depth = 0;
    for (uint32_t at = node; at != RV_NONE; at = run->places.at[rv_run_namespace(run, run->nodes[at].place)].parent) {
        RV_ASSERT(depth < ID_DEPTH_MAX); /* the loader bounds how deep bodies nest */
        chain[depth++] = at;
    }
    return depth;
}

static void add_node(const rv_run *run, uint32_t node, rv_buf *out)
{
    const rv_place *own = rv_run_place(run, node), *place = &run->places.at[rv_run_home(run, run->nodes[node].place)];
    const rv_graph *graph = run->graphs.at[place->graph];
    bool is_named = graph->scopes[place->scope].is_named;
    add_place(&run->places.at[rv_run_namespace(run, run->nodes[node].place)], is_named, out);
    if (is_named) rv_buf_str_add(out, rv_graph_name(graph, run->nodes[node].def));
    if (own->role == RV_SCOPE_REVISION) rv_buf_printf(out, "~%u", revision_of(run, node));
}

void rv_run_id(const rv_run *run, uint32_t node, rv_buf *out)
{
    uint32_t chain[ID_DEPTH_MAX], depth = chain_of(run, node, chain);
    while (depth-- > 0) add_node(run, chain[depth], out);
}

void rv_run_id_within(const rv_run *run, uint32_t place, rv_buf *out)
{
    if (run->places.at[place].parent == RV_NONE) return;
    rv_run_id(run, run->places.at[place].parent, out);
    add_place(&run->places.at[place], true, out);
}

rv_str rv_run_id_in(const rv_run *run, uint32_t node, rv_arena *arena)
{
    const rv_place *place = rv_run_place(run, node);
    bool is_plain = place->parent == RV_NONE && place->role != RV_SCOPE_REVISION && place->role != RV_SCOPE_SUBMITTED;
    if (is_plain) return rv_graph_name(run->graphs.at[place->graph],
        run->nodes[node].def);
    rv_buf id = {0};
    rv_run_id(run, node, &id);
    rv_str text = rv_arena_str(arena, rv_buf_str(&id));
    rv_buf_deinit(&id);
    return text;
}

uint32_t rv_run_find(rv_run *run, rv_str id)
{
    for (; run->named_count < run->node_count; run->named_count++)
        rv_map_add(&run->names, rv_run_id_in(run, run->named_count, &run->arena), run->named_count);
    return rv_map_get(&run->names, id);
}
