#include "kernel/gate.h"
#include "kernel/run_private.h"

/* Submissions [K20]. A running node gives nodes with a key; they become one place at the top of the run, though their ids
 * stand where the submitter stands. The same key and digest again, by a later attempt of it, is the same submission; what
 * the attempt that ended the submitter did not give again is superseded, as far as it has not started.
 *
 *     plan (running) ── submit {more: {needs: [fetch, extra]}, extra: …}        place: extra ──► more
 *     fetch ─────────────────────────────── external ────────────────────────────────────────────►┘
 *
 * An edge to a node that the run had before is in no graph's successors: such edges hang on the first instance of that
 * node (rv_node_run.outer), and mean its latest one. */

/* ---- what ids mean to a submitter ---- */

/* The place whose ids the nodes of `place` share: its own, or, of submitted nodes, their submitter's. */
uint32_t rv_run_namespace(const rv_run *run, uint32_t place)
{
    uint32_t at = rv_run_home(run, place);
    while (run->places.at[at].role == RV_SCOPE_SUBMITTED)
        at = rv_run_home(run, run->nodes[run->submissions.at[run->places.at[at].origin].node].place);
    return at;
}

uint32_t rv_run_above(const rv_run *run, uint32_t node)
{
    const rv_place *place = &run->places.at[rv_run_home(run, run->nodes[node].place)];
    return place->role == RV_SCOPE_SUBMITTED ? run->submissions.at[place->origin].node : place->parent;
}

static uint32_t find_beside(rv_run *run, uint32_t submitter, rv_str name)
{
    rv_buf id = {0};
    rv_run_id_within(run, rv_run_namespace(run, run->nodes[submitter].place), &id);
    rv_buf_str_add(&id, name);
    uint32_t node = rv_run_find(run, rv_buf_str(&id));
    rv_buf_deinit(&id);
    return node;
}

uint32_t rv_run_find_for(rv_run *run, uint32_t submitter, rv_str id)
{
    uint32_t node = find_beside(run, submitter, id);
    rv_str rest = id;
    if (node != RV_NONE) return node;
    bool is_name = rv_is_identifier(id);
    node = is_name ? rv_run_see(run, submitter, &rest) : RV_NONE;
    return node != RV_NONE ? rv_run_first(run, node) : rv_run_find(run, id);
}

/* ---- finding submissions ---- */

static uint32_t find(const rv_run *run, uint32_t submitter, rv_str key)
{
    for (uint32_t i = 0; i < run->submissions.count; i++)
        if (run->submissions.at[i].node == submitter && rv_str_eq(run->submissions.at[i].key, key)) return i;
    return RV_NONE;
}

uint32_t rv_run_submission(const rv_run *run, uint32_t submitter, rv_str key) { return find(run, submitter, key); }

const rv_submission *rv_run_submission_of(const rv_run *run, uint32_t node)
{
    for (uint32_t at = node; at != RV_NONE; at = rv_run_place(run, at)->parent) {
        const rv_place *place = &run->places.at[rv_run_home(run, run->nodes[at].place)];
        if (place->role == RV_SCOPE_SUBMITTED) return &run->submissions.at[place->origin];
        if (place->role == RV_SCOPE_WORKFLOW) return NULL; /* it has params of its own */
    }
    return NULL;
}

/* ---- what a SUBMITTED fact does ---- */

static void add_edge(rv_run *run, uint32_t before, uint32_t node)
{
    rv_vec_push(&run->outers, ((rv_outer){node, run->nodes[before].outer}));
    run->nodes[before].outer = run->outers.count;
}

bool rv_submission_add(rv_run *run, const rv_submission *given, const rv_graph *graph)
{
    uint32_t count = graph->scopes[0].count;
    rv_submission added = *given;
    if (graph->top_count != count || count > RV_RUN_NODES_MAX - run->node_count) return false; /* handlers are a run's */
    for (uint32_t i = 0; i < graph->external_count; i++) {
        uint32_t node = rv_run_find_for(run, given->node, rv_graph_str(graph, graph->externals[i].name));
        if (node == RV_NONE) {
            rv_vec_deinit(&added.externals);
            return false;
        }
        rv_vec_push(&added.externals, node);
    }
    rv_run_add_graph(run, graph);
    added.place = run->places.count;
    rv_vec_push(&run->submissions, added);
    rv_place place = {.base = run->node_count, .count = count, .graph = run->graphs.count - 1, .parent = RV_NONE,
                      .role = RV_SCOPE_SUBMITTED, .origin = run->submissions.count - 1, .is_top = true, .open = count};
    uint32_t base = rv_place_nodes(run, &place);
    for (uint32_t i = 0; i < count; i++) run->nodes[base + i].def = i;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t e = graph->pred_begin[i]; e < graph->pred_begin[i + 1]; e++)
            if ((graph->pred[e] & RV_EDGE_EXTERNAL) && rv_edge_gates(&graph->nodes[i], graph->pred[e]))
                add_edge(run, added.externals.at[RV_EDGE_NODE(graph->pred[e])], base + i);
        run->nodes[base + i].gating = rv_run_count_gating(run, base + i);
        if (run->nodes[base + i].gating == 0) rv_run_work_push(run, base + i);
    }
    run->nodes[given->node].flags |= RV_NODE_R_SUBMITTER;
    return true;
}

bool rv_submission_apply(rv_run *run, const rv_event *event, const rv_event *cause)
{
    if (!cause || cause->type != RV_EVENT_SUBMIT || cause->node != event->node || run->nodes[event->node].state != RV_NODE_RUNNING)
        return false;
    uint32_t index = find(run, event->node, cause->key);
    if (index != RV_NONE) { /* its submitter was run again */
        run->submissions.at[index].epoch = event->epoch;
        return rv_str_eq(run->submissions.at[index].digest, cause->text);
    }
    const rv_graph *graph = cause->graph ? cause->graph : rv_run_compile(run, cause);
    if (!graph) return false;
    rv_arena *arena = &run->arena;
    rv_submission added = {.node = event->node, .epoch = event->epoch, .key = rv_arena_str(arena, cause->key),
                           .digest = rv_arena_str(arena, cause->text), .definition = rv_arena_str(arena, cause->value),
                           .load_value = rv_arena_str(arena, cause->output)};
    return rv_submission_add(run, &added, graph);
}

const rv_graph *rv_run_compile(rv_run *run, const rv_event *submit)
{
    return run->compile ? run->compile(run->compile_user, run, submit->node, submit->value) : NULL;
}

void rv_submissions_free(rv_run *run)
{
    for (uint32_t i = 0; i < run->submissions.count; i++) rv_vec_deinit(&run->submissions.at[i].externals);
    rv_vec_deinit(&run->submissions);
    rv_vec_deinit(&run->outers);
}

/* ---- edges from outside ---- */

uint32_t rv_run_first(const rv_run *run, uint32_t node)
{
    const rv_place *place = &run->places.at[rv_run_home(run, run->nodes[node].place)];
    return place->base + (run->nodes[node].def - run->graphs.at[place->graph]->scopes[place->scope].first);
}

uint32_t rv_run_pred(const rv_run *run, uint32_t place, uint32_t entry)
{
    if (!(entry & RV_EDGE_EXTERNAL)) return rv_run_at(run, place, RV_EDGE_NODE(entry));
    uint32_t node = run->submissions.at[run->places.at[rv_run_home(run, place)].origin].externals.at[RV_EDGE_NODE(entry)];
    while (run->nodes[node].next) node = run->nodes[node].next - 1;
    return node;
}

void rv_outers_settle(rv_run *run, uint32_t node)
{
    for (uint32_t at = run->nodes[rv_run_first(run, node)].outer; at; at = run->outers.at[at - 1].next) {
        uint32_t successor = rv_outer_node(run, at);
        if (run->nodes[successor].state != RV_NODE_PENDING) continue;
        RV_ASSERT(run->nodes[successor].gating > 0);
        if (--run->nodes[successor].gating == 0) rv_run_work_push(run, successor);
    }
}

uint32_t rv_outer_node(const rv_run *run, uint32_t index)
{
    uint32_t node = run->outers.at[index - 1].node;
    while (run->nodes[node].next) node = run->nodes[node].next - 1;
    return node;
}

/* ---- deciding ---- */

rv_answer rv_submission_guard(rv_run *run, const rv_event *input, const rv_graph **ret_graph)
{
    uint32_t index = find(run, input->node, input->key);
    *ret_graph = NULL;
    if (input->key.size == 0 || rv_run_is_handler(run, input->node)) return RV_ANSWER_ILLEGAL;
    if (index != RV_NONE) return rv_str_eq(run->submissions.at[index].digest, input->text) ? RV_ANSWER_TAKEN : RV_ANSWER_ILLEGAL;
    const rv_graph *graph = input->graph ? input->graph : rv_run_compile(run, input);
    if (!graph || graph->top_count != graph->scopes[0].count || graph->scopes[0].count > RV_RUN_NODES_MAX - run->node_count)
        return RV_ANSWER_ILLEGAL;
    if (rv_gate_growth(run, input->node, graph->scopes[0].count, false).kind != RV_GATE_ALLOW) return RV_ANSWER_ILLEGAL;
    for (uint32_t i = 0; i < graph->external_count; i++)
        if (rv_run_find_for(run, input->node, rv_graph_str(graph, graph->externals[i].name)) == RV_NONE) return RV_ANSWER_ILLEGAL;
    for (uint32_t i = 0; i < graph->top_count; i++)
        if (find_beside(run, input->node, rv_graph_name(graph, i)) != RV_NONE) return RV_ANSWER_ILLEGAL;
    *ret_graph = graph;
    return RV_ANSWER_TAKEN;
}

void rv_step_submitted(rv_step *step)
{
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_SUBMITTED, .node = step->input->node, .epoch = step->input->epoch});
}

static bool has_started(const rv_node_run *node)
{
    bool waits_idle = node->state == RV_NODE_WAITING && node->control == 0 && node->number == 0;
    return !(node->state == RV_NODE_PENDING || node->state == RV_NODE_READY || waits_idle) || node->number > 0;
}

void rv_step_supersede(rv_step *step, uint32_t submitter)
{
    rv_run *run = step->run;
    for (uint32_t i = 0; i < run->submissions.count; i++) {
        const rv_submission *given = &run->submissions.at[i];
        if (given->node != submitter || given->epoch == run->nodes[submitter].epoch) continue;
        uint32_t base = run->places.at[given->place].base, count = run->places.at[given->place].count;
        for (uint32_t node = base; node < base + count; node++)
            if (!has_started(&run->nodes[node])) rv_step_node(step, node, RV_CHANGE_CANCEL, RV_DETAIL_SUPERSEDED, node + 1);
    }
}
