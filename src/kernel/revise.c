#include "kernel/run_private.h"

/* Back-edges [K17]. A node with `revise` that succeeds while its condition holds does not end there: every node on the
 * paths from the target to it is made anew, as one place, and what depends on them waits for the latest.
 *
 *     draft ──► review ──► publish            members of review's back-edge to draft: draft, review
 *       ▲          │
 *       └──revise──┘        after `review` said no:   draft~1 ──► review~1 ──► publish (still pending)
 *
 * Edges are not stored, so they need not be moved: whoever asks for a def of a place gets its latest revision
 * (rv_run_at). A revision counts as part of the place that it repeats: that place settles when its latest nodes have. */

static const rv_revise_def *revise_of(const rv_run *run, uint32_t node)
{
    uint32_t index = rv_run_def(run, node)->revise;
    return index ? &rv_run_graph(run, node)->revises[index - 1] : NULL;
}

uint32_t rv_run_home(const rv_run *run, uint32_t place)
{
    while (run->places.at[place].role == RV_SCOPE_REVISION) place = run->places.at[place].origin;
    return place;
}

/* How often the back-edge of `node` was taken in its place. */
static uint32_t times_taken(const rv_run *run, uint32_t node)
{
    uint32_t home = rv_run_home(run, run->nodes[node].place), revise = rv_run_def(run, node)->revise - 1, count = 0;
    for (uint32_t i = home + 1; i < run->places.count; i++) {
        const rv_place *place = &run->places.at[i];
        count += place->role == RV_SCOPE_REVISION && place->origin == home && place->revise == revise;
    }
    return count;
}

/* ---- what a REVISED fact does ---- */

/* What was terminal is superseded: its failure is no longer the run's. */
static void supersede(rv_run *run, uint32_t old, uint32_t latest, bool is_top)
{
    bool is_bad = run->nodes[old].state == RV_NODE_FAILED || run->nodes[old].state == RV_NODE_DENIED;
    run->failed -= is_bad && is_top;
    run->nodes[old].next = latest + 1;
}

/* Dependents outside that have not begun wait again. */
static void hold_dependents(rv_run *run, uint32_t home, uint32_t def)
{
    const rv_graph *graph = run->graphs.at[run->places.at[home].graph];
    for (uint32_t e = graph->succ_begin[def]; e < graph->succ_begin[def + 1]; e++) {
        uint32_t node = rv_run_at(run, home, RV_EDGE_NODE(graph->succ[e]));
        if (run->nodes[node].state == RV_NODE_PENDING) run->nodes[node].gating = rv_run_count_gating(run, node);
    }
    for (uint32_t at = run->nodes[rv_run_first(run, rv_run_at(run, home, def))].outer; at; at = run->outers.at[at - 1].next) {
        uint32_t node = rv_outer_node(run, at);
        if (run->nodes[node].state == RV_NODE_PENDING) run->nodes[node].gating = rv_run_count_gating(run, node);
    }
}

void rv_revision_add(rv_run *run, uint32_t home, uint32_t revise_index, uint32_t ordinal, uint32_t value)
{
    const rv_place origin = run->places.at[home];
    const rv_graph *graph = run->graphs.at[origin.graph];
    const rv_revise_def *revise = &graph->revises[revise_index];
    rv_place place = origin;
    place.base = run->node_count;
    place.count = revise->member_count;
    place.ordinal = ordinal;
    place.origin = home;
    place.value = value;
    place.revise = revise_index;
    place.role = RV_SCOPE_REVISION;
    place.open = 0; /* its nodes count as the origin's */
    uint32_t base = rv_place_nodes(run, &place);
    for (uint32_t i = 0; i < revise->member_count; i++) {
        uint32_t def = graph->revise_nodes[revise->member_first + i], old = rv_run_at(run, home, def);
        run->nodes[base + i].def = def;
        supersede(run, old, base + i, origin.is_top);
    }
    if (origin.parent != RV_NONE && origin.open == 0) run->controls.at[run->nodes[origin.parent].control - 1].open++;
    run->places.at[home].open += revise->member_count;
    for (uint32_t i = 0; i < revise->member_count; i++) {
        uint32_t node = base + i;
        run->nodes[node].gating = rv_run_count_gating(run, node);
        if (run->nodes[node].gating == 0) rv_run_work_push(run, node);
    }
    for (uint32_t i = 0; i < revise->member_count; i++) hold_dependents(run, home, graph->revise_nodes[revise->member_first + i]);
}

bool rv_revision_apply(rv_run *run, const rv_event *event)
{
    const rv_node_run *node = &run->nodes[event->node];
    const rv_revise_def *revise = revise_of(run, event->node);
    uint32_t home = rv_run_home(run, node->place);
    if (!revise || node->next || node->state != RV_NODE_SUCCEEDED ||
        revise->member_count > RV_RUN_NODES_MAX - run->node_count) return false;
    const rv_graph *graph = rv_run_graph(run, event->node);
    for (uint32_t i = 0; i < revise->member_count; i++) { /* all of them are behind it */
        uint32_t old = rv_run_at(run, home, graph->revise_nodes[revise->member_first + i]);
        if (!rv_node_state_is_terminal((rv_node_state)run->nodes[old].state)) return false;
    }
    uint32_t value = event->value.size ? rv_run_keep(run, event->value) : 0;
    rv_revision_add(run, home, rv_run_def(run, event->node)->revise - 1, event->number, value);
    return true;
}

/* ---- deciding ---- */

/* The node's own result is what the condition is about: it is read as if the node had ended. */
static rv_status condition(rv_step *step, uint32_t node, const rv_revise_def *revise, bool *ret, rv_error *err)
{
    rv_arena arena = {0};
    const rv_json *value = NULL;
    rv_status status = rv_run_eval_ended(step->run, node, &arena, rv_graph_str(rv_run_graph(step->run, node), revise->when), &value, err);
    if (status == RV_OK && value->kind != RV_JSON_TRUE && value->kind != RV_JSON_FALSE)
        status = rv_error_set(err, RV_INVALID, "`revise.when` is neither true nor false; compare it with something");
    *ret = status == RV_OK && value->kind == RV_JSON_TRUE;
    rv_arena_deinit(&arena);
    return status;
}

static void at_max(rv_step *step, uint32_t node, const rv_revise_def *revise)
{
    if (revise->at_max_ask) {
        bool is_first = rv_run_kind(step->run, node) == RV_KIND_APPROVE && step->run->nodes[node].result == 0;
        if (is_first) rv_step_emit(step, &(rv_event){.type = RV_EVENT_RESULT, .node = node, .value = RV_STR("{}")}); /* it was decided */
        rv_step_node(step, node, RV_CHANGE_PARK, RV_DETAIL_APPROVAL, 0);
        rv_step_effect(step, RV_EFFECT_PARK, node, RV_DETAIL_APPROVAL);
        return;
    }
    rv_buf text = {0};
    rv_buf_printf(&text, "was revised %u times and `revise.when` still holds", revise->max);
    rv_step_error(step, node, rv_buf_str(&text));
    rv_buf_deinit(&text);
    rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_REVISE_MAX, node + 1);
}

void rv_step_succeed(rv_step *step, uint32_t node, rv_detail detail)
{
    rv_run *run = step->run;
    const rv_revise_def *revise = revise_of(run, node);
    rv_error error = {0};
    bool holds = false, may_begin = run->closing == RV_CLOSING_NO || run->closing == RV_CLOSING_INTERRUPT;
    if (revise && may_begin && condition(step, node, revise, &holds, &error) != RV_OK) {
        rv_step_error(step, node, rv_str_of(error.text));
        rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_VALUE, node + 1);
        return;
    }
    uint32_t taken = holds ? times_taken(run, node) : 0;
    bool fits = !holds || revise->member_count <= RV_RUN_NODES_MAX - run->node_count;
    if (holds && (taken >= revise->max || !fits)) {
        at_max(step, node, revise);
        return;
    }
    if (holds && rv_step_denies_revision(step, node, revise->member_count)) return;
    rv_step_node(step, node, RV_CHANGE_SUCCEED, detail, 0);
    if (!holds) return;
    rv_str feedback = rv_run_result(run, node);
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_REVISED, .node = node, .number = taken + 1, .value = feedback});
}
