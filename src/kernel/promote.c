#include "kernel/run_private.h"

/* What becomes of a node whose gating predecessors have all settled [K3, K4]. It waits for all of them, also when one
 * has already spoilt its policy: so its outcome and its root cause depend on outcomes alone, not on their order. */

typedef enum verdict { VERDICT_MET, VERDICT_UNMET, VERDICT_PRUNED } verdict;

static bool policy_accepts(rv_dep_policy policy, const rv_node_run *pred)
{
    if (policy == RV_DEP_ALL_TERMINAL) return true;
    if (pred->state == RV_NODE_SUCCEEDED) return true;
    if (pred->state == RV_NODE_SKIPPED) return pred->detail == RV_DETAIL_CONDITION || pred->detail == RV_DETAIL_PRUNED;
    return pred->state == RV_NODE_PARTIAL && policy == RV_DEP_ACCEPT_PARTIAL;
}

/* UNMET: *ret_spoiler is the first predecessor, in order, that the policy does not accept. */
static verdict judge(const rv_run *run, uint32_t node, uint32_t *ret_spoiler)
{
    const rv_graph *graph = rv_run_graph(run, node);
    uint32_t hard = 0, pruned = 0, def = run->nodes[node].def;
    rv_dep_policy policy = (rv_dep_policy)graph->nodes[def].dep_policy;
    *ret_spoiler = RV_NONE;
    if (policy == RV_DEP_OPTIONAL) return VERDICT_MET; /* its edges are not hard */
    for (uint32_t e = graph->pred_begin[def]; e < graph->pred_begin[def + 1]; e++) {
        if (graph->pred[e] & RV_EDGE_SOFT) continue;
        uint32_t before = rv_run_pred(run, run->nodes[node].place, graph->pred[e]);
        const rv_node_run *pred = &run->nodes[before];
        hard++;
        pruned += pred->state == RV_NODE_SKIPPED && pred->detail == RV_DETAIL_PRUNED;
        if (*ret_spoiler == RV_NONE && !policy_accepts(policy, pred)) *ret_spoiler = before;
    }
    if (hard && pruned == hard) return VERDICT_PRUNED;
    return *ret_spoiler == RV_NONE ? VERDICT_MET : VERDICT_UNMET;
}

static void skip_upstream(rv_step *step, uint32_t node, uint32_t spoiler)
{
    const rv_node_run *pred = &step->run->nodes[spoiler];
    uint32_t root = pred->root ? pred->root : spoiler + 1; /* the root, not the nearest [K4] */
    if (step->run->nodes[root - 1].state == RV_NODE_CANCELLED)
        rv_step_node(step, node, RV_CHANGE_CANCEL, RV_DETAIL_UPSTREAM_CANCELLED, root);
    else rv_step_node(step, node, RV_CHANGE_SKIP, RV_DETAIL_UPSTREAM, root);
}

/* Evaluate `when`. false: the node is settled already (condition false, or it cannot be evaluated). */
static bool condition_holds(rv_step *step, uint32_t index)
{
    rv_str text = rv_graph_str(rv_run_graph(step->run, index), rv_run_def(step->run, index)->when);
    if (text.size == 0) return true;
    rv_arena arena = {0};
    rv_error error = {0};
    const rv_json *value = NULL;
    rv_status status = rv_run_eval(step->run, index, 0, &arena, text, &value, &error);
    if (status == RV_OK && value->kind != RV_JSON_TRUE && value->kind != RV_JSON_FALSE)
        status = rv_error_set(&error, RV_INVALID, "`when` is neither true nor false; compare it with something");
    bool holds = status == RV_OK && value->kind == RV_JSON_TRUE;
    if (status != RV_OK) {
        rv_step_error(step, index, rv_str_of(error.text));
        rv_step_node(step, index, RV_CHANGE_FAIL, RV_DETAIL_VALUE, index + 1);
    } else if (!holds) {
        rv_step_node(step, index, RV_CHANGE_SKIP, RV_DETAIL_CONDITION, 0);
    }
    rv_arena_deinit(&arena);
    return holds;
}

/* `set`: each key's expression becomes a field of the result. */
static void compute_set(rv_step *step, uint32_t index)
{
    const rv_graph *graph = rv_run_graph(step->run, index);
    const rv_node_def *def = rv_run_def(step->run, index);
    rv_arena arena = {0};
    rv_buf out = {0};
    rv_json_writer w;
    rv_error error = {0};
    rv_status status = RV_OK;
    rv_json_writer_init(&w, &out, 0);
    rv_jw_object(&w);
    for (uint32_t i = def->aux; i < def->aux + def->aux_count && status == RV_OK; i++) {
        const rv_json *value = NULL;
        rv_buf text = {0};
        status = rv_run_eval(step->run, index, 0, &arena, rv_graph_str(graph, graph->set_items[i].expression), &value, &error);
        if (status == RV_OK) {
            rv_json_write(&text, value, true);
            rv_jw_key_str(&w, rv_graph_str(graph, graph->set_items[i].key));
            rv_jw_raw(&w, rv_buf_str(&text));
        }
        rv_buf_deinit(&text);
    }
    rv_jw_object_end(&w);
    if (status == RV_OK) {
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_RESULT, .node = index, .value = rv_buf_str(&out)});
        rv_step_succeed(step, index, RV_DETAIL_FRESH);
    } else {
        rv_step_error(step, index, rv_str_of(error.text));
        rv_step_node(step, index, RV_CHANGE_FAIL, RV_DETAIL_VALUE, index + 1);
    }
    rv_buf_deinit(&out);
    rv_arena_deinit(&arena);
}

/* Wait for an event from outside, or take one that came before [K60]. */
static void park_for_event(rv_step *step, uint32_t index)
{
    if (rv_run_signal_for(step->run, index) != RV_NONE) {
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_SIGNAL_TAKEN, .node = index});
        rv_step_succeed(step, index, RV_DETAIL_FRESH);
        return;
    }
    rv_step_node(step, index, RV_CHANGE_PARK, RV_DETAIL_EVENT, 0);
    rv_step_effect(step, RV_EFFECT_PARK, index, RV_DETAIL_EVENT);
}

void rv_step_park(rv_step *step, uint32_t index)
{
    rv_run *run = step->run;
    const rv_node_def *def = rv_run_def(run, index);
    const rv_gate_def *gate = rv_run_gate(run, index);
    rv_detail reason = def->kind == RV_KIND_APPROVE ? RV_DETAIL_APPROVAL : def->kind == RV_KIND_INPUT ? RV_DETAIL_INPUT : RV_DETAIL_TIMER;
    int64_t wait_ms = gate->is_until ? RV_MAX(gate->ms - step->now.wall_ms, 0) : gate->ms;
    int64_t due_ms = gate->ms ? rv_time_after(step->now.engine_ms, wait_ms) : 0;
    if (gate->event.size) {
        park_for_event(step, index);
        return;
    }
    if (run->nodes[index].flags & RV_NODE_R_KEPT) { /* answered before the wait began [K60] */
        rv_step_succeed(step, index, RV_DETAIL_PERSON);
        return;
    }
    if (def->kind == RV_KIND_WAIT && due_ms <= step->now.engine_ms) {
        rv_step_succeed(step, index, RV_DETAIL_FRESH);
        return;
    }
    rv_step_node(step, index, RV_CHANGE_PARK, reason, 0);
    if (due_ms) rv_step_timer(step, index, due_ms, RV_TIMER_NODE);
    rv_step_effect(step, RV_EFFECT_PARK, index, reason);
}

void rv_step_reduce(rv_step *step, uint32_t index)
{
    rv_step_starting(step, index);
    rv_step_node(step, index, step->run->nodes[index].state == RV_NODE_READY ? RV_CHANGE_ADMIT : RV_CHANGE_PERFORM, RV_DETAIL_NONE, 0);
    rv_step_effect(step, RV_EFFECT_REDUCE, index, RV_DETAIL_NONE);
}

void rv_step_allow(rv_step *step, uint32_t index, rv_node_change change)
{
    rv_run *run = step->run;
    const rv_policy *policy = rv_run_policy(run, index);
    if (policy->timeout_total_ms && run->nodes[index].total_due_ms == 0)
        rv_step_timer(step, index, rv_time_after(step->now.engine_ms, policy->timeout_total_ms), RV_TIMER_TOTAL);
    bool is_reduce = rv_run_kind(run, index) == RV_KIND_REDUCE;
    bool starts_now = is_reduce && run->closing != RV_CLOSING_INTERRUPT && !rv_step_is_failing(step, index); /* else `resume` starts it */
    if (change == RV_CHANGE_RETRY || !starts_now) rv_step_node(step, index, change, RV_DETAIL_NONE, 0);
    if (starts_now) rv_step_reduce(step, index);
}

static void start_by_kind(rv_step *step, uint32_t index)
{
    switch (rv_run_kind(step->run, index)) {
    case RV_KIND_RUN:
    case RV_KIND_SHELL:
    case RV_KIND_REDUCE: rv_step_allow(step, index, RV_CHANGE_ALLOW); break;
    case RV_KIND_APPROVE:
    case RV_KIND_INPUT:
    case RV_KIND_WAIT: rv_step_park(step, index); break;
    case RV_KIND_SET: compute_set(step, index); break;
    case RV_KIND_FOREACH:
    case RV_KIND_LOOP:
    case RV_KIND_CLASSIFY:
    case RV_KIND_TOURNAMENT:
    case RV_KIND_WORKFLOW: rv_step_control(step, index); break;
    case RV_KIND_COUNT: RV_UNREACHABLE();
    }
}

void rv_step_promote(rv_step *step, uint32_t index)
{
    rv_run *run = step->run;
    uint32_t spoiler;
    RV_ASSERT(run->nodes[index].state == RV_NODE_PENDING && run->nodes[index].gating == 0);
    if (run->closing == RV_CLOSING_INTERRUPT) return; /* stays pending; `resume` comes back to it */
    bool is_plain = !rv_run_is_handler(run, index); /* handlers begin in a run that is closed */
    bool is_late = (rv_run_is_winding_down(run) && is_plain) || rv_step_is_failing(step, index);
    verdict found = judge(run, index, &spoiler);
    if (found == VERDICT_PRUNED) rv_step_node(step, index, RV_CHANGE_SKIP, RV_DETAIL_PRUNED, 0);
    else if (found == VERDICT_UNMET) skip_upstream(step, index, spoiler);
    else if (is_late) rv_step_node(step, index, RV_CHANGE_SKIP, rv_run_skip_cause(run), 0);
    else if (run->closing != RV_CLOSING_NO && is_plain) rv_step_node(step, index, RV_CHANGE_CANCEL, RV_DETAIL_RUN_CANCELLED, index + 1);
    else if (condition_holds(step, index)) start_by_kind(step, index);
}
