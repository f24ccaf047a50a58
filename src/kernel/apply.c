#include "kernel/run_private.h"

/* The only place that writes a run's stored fields; a step and a replay both come through here. Derived fields are
 * kept in the same breath. What is illegal is found before anything is written, so that a damaged journal is told
 * from our own mistakes: a step asserts RV_OK, a replay reports. */

static bool edge_gates(const rv_graph *graph, uint32_t successor, uint32_t entry)
{
    return (entry & RV_EDGE_SOFT) || graph->nodes[successor].dep_policy != RV_DEP_OPTIONAL;
}

/* ---- life ---- */

static void init_derived(rv_run *run)
{
    const rv_graph *graph = run->graph;
    for (uint32_t node = 0; node < graph->node_count; node++) {
        uint32_t gating = 0;
        for (uint32_t e = graph->pred_begin[node]; e < graph->pred_begin[node + 1]; e++) gating += edge_gates(graph, node, graph->pred[e]);
        run->nodes[node].gating = gating;
        run->nodes[node].exit_status = -1;
    }
    run->counts[RV_NODE_PENDING] = graph->plain_count;
    run->handler_open = graph->node_count - graph->plain_count;
}

rv_run *rv_run_new(const rv_graph *graph)
{
    RV_ASSERT(graph->node_count >= graph->plain_count && graph->class_count >= 1);
    rv_run *run = rv_alloc(sizeof *run);
    run->graph = graph;
    run->status = RV_RUN_ACCEPTED;
    run->nodes = rv_arena_new(&run->arena, rv_node_run, graph->node_count);
    run->work = rv_arena_new(&run->arena, uint32_t, graph->node_count);
    run->ready = rv_arena_new(&run->arena, rv_bitset, graph->class_count);
    for (uint32_t c = 0; c < graph->class_count; c++) rv_bitset_init(&run->ready[c], &run->arena, graph->node_count);
    init_derived(run);
    return run;
}

void rv_run_free(rv_run *run)
{
    if (!run) return;
    rv_vec_deinit(&run->values);
    rv_vec_deinit(&run->timers);
    rv_map_deinit(&run->names);
    rv_arena_deinit(&run->arena);
    rv_free(run);
}

/* ---- kept values ---- */

static uint32_t keep(rv_run *run, rv_str value)
{
    rv_vec_push(&run->values, rv_arena_str(&run->arena, value));
    return run->values.count;
}

static rv_str kept(const rv_run *run, uint32_t index_plus_one)
{
    if (index_plus_one == 0) return (rv_str){NULL, 0};
    RV_ASSERT(index_plus_one <= run->values.count);
    return run->values.at[index_plus_one - 1];
}

rv_str rv_run_result(const rv_run *run, uint32_t node) { return kept(run, run->nodes[node].result); }
rv_str rv_run_output(const rv_run *run, uint32_t node) { return kept(run, run->nodes[node].output); }
rv_str rv_run_error(const rv_run *run, uint32_t node) { return kept(run, run->nodes[node].error); }

/* ---- derived: counts, ready sets, gating ---- */

static void leave_state(rv_run *run, uint32_t node, rv_node_state state)
{
    const rv_graph *graph = run->graph;
    if (node < graph->plain_count) run->counts[state]--;
    if (state == RV_NODE_RUNNING) run->running--;
    if (state == RV_NODE_READY) {
        rv_bitset_remove(&run->ready[graph->nodes[node].class_index], graph->position[node]);
        run->ready_count--;
    }
}

static void settle_successors(rv_run *run, uint32_t node)
{
    const rv_graph *graph = run->graph;
    for (uint32_t e = graph->succ_begin[node]; e < graph->succ_begin[node + 1]; e++) {
        uint32_t successor = RV_EDGE_NODE(graph->succ[e]);
        if (!edge_gates(graph, successor, graph->succ[e])) continue;
        RV_ASSERT(run->nodes[successor].gating > 0);
        if (--run->nodes[successor].gating == 0 && run->nodes[successor].state == RV_NODE_PENDING) rv_run_work_push(run, successor);
    }
}

static void enter_state(rv_run *run, uint32_t node, rv_node_state state)
{
    const rv_graph *graph = run->graph;
    bool is_plain = node < graph->plain_count;
    if (is_plain) run->counts[state]++;
    if (state == RV_NODE_RUNNING) run->running++;
    if (state == RV_NODE_READY) {
        rv_bitset_add(&run->ready[graph->nodes[node].class_index], graph->position[node]);
        run->ready_count++;
    }
    if (!rv_node_state_is_terminal(state)) return;
    if (!is_plain) {
        run->handler_open--;
        run->handler_failed += state == RV_NODE_FAILED || state == RV_NODE_DENIED;
    }
    settle_successors(run, node);
}

/* ---- facts ---- */

static bool apply_node_state(rv_run *run, const rv_event *event)
{
    rv_node_run *node = &run->nodes[event->node];
    if (event->state >= RV_NODE_STATE_COUNT || event->root > run->graph->node_count) return false;
    if (!rv_node_may_become((rv_node_state)node->state, (rv_node_state)event->state)) return false;
    leave_state(run, event->node, (rv_node_state)node->state);
    node->state = (uint8_t)event->state;
    node->detail = (uint8_t)event->detail;
    node->root = event->root;
    if (event->state == RV_NODE_PENDING) node->due_ms = 0;
    if (event->state == RV_NODE_PENDING && node->total_due_ms > 0) node->total_due_ms = 0; /* as journals of version 1 mean it */
    enter_state(run, event->node, (rv_node_state)event->state);
    return true;
}

static bool apply_attempt_state(rv_run *run, const rv_event *event, const rv_event *cause)
{
    rv_node_run *node = &run->nodes[event->node];
    if (event->state == RV_ATTEMPT_STARTING) {
        if (event->epoch <= run->epoch_last || event->number != node->number + 1) return false;
        node->epoch = run->epoch_last = event->epoch;
        node->number = event->number;
        node->attempt = RV_ATTEMPT_STARTING;
        node->exit_status = -1;
        return true;
    }
    if (event->epoch != node->epoch || !rv_attempt_may_become((rv_attempt_state)node->attempt, (rv_attempt_state)event->state))
        return false;
    node->attempt = (uint8_t)event->state;
    if (event->state == RV_ATTEMPT_ERROR || event->state == RV_ATTEMPT_TIMEOUT || event->state == RV_ATTEMPT_DENIED) node->failures++;
    if (event->state == RV_ATTEMPT_LOST) node->losses++;
    if (cause && cause->type == RV_EVENT_COMPLETED && cause->node == event->node) node->exit_status = cause->exit_status;
    return true;
}

static bool apply_timer(rv_run *run, const rv_event *event)
{
    if (event->flags > RV_TIMER_RUN || (event->flags == RV_TIMER_RUN) != (event->node == RV_NONE)) return false;
    if (!rv_timer_is_sound(event->due_ms, event->flags)) return false;
    if (event->flags == RV_TIMER_RUN) run->due_ms = event->due_ms;
    else if (event->flags == RV_TIMER_TOTAL) run->nodes[event->node].total_due_ms = event->due_ms;
    else run->nodes[event->node].due_ms = event->due_ms;
    if (event->due_ms > 0) rv_run_timer_push(run, event->due_ms, event->node, event->flags);
    return true;
}

static void apply_values(rv_run *run, const rv_event *event, const rv_event *cause)
{
    rv_node_run *node = &run->nodes[event->node];
    if (event->type == RV_EVENT_ERROR_TEXT) {
        node->error = keep(run, event->text.size ? event->text : cause ? cause->text : event->text);
        return;
    }
    rv_str value = event->value.size ? event->value : cause ? cause->value : event->value;
    if (value.size) node->result = keep(run, value);
    if (event->type == RV_EVENT_KEPT) node->flags |= RV_NODE_R_KEPT;
    bool is_own = cause && (cause->type == RV_EVENT_COMPLETED || cause->type == RV_EVENT_ADOPT) &&
                  cause->node == event->node; /* a `set` may settle in the same step */
    if (is_own && cause->output.size && (run->graph->nodes[event->node].flags & RV_NODE_F_EXPR_OUTPUT))
        node->output = keep(run, cause->output);
    if (is_own && cause->type == RV_EVENT_ADOPT) node->exit_status = cause->exit_status;
}

static bool apply_load(rv_run *run, const rv_event *event)
{
    if (run->status != RV_RUN_ACCEPTED || run->load_value.at) return false;
    run->rng = event->seed;
    run->fail_fast = (event->flags & RV_LOAD_FAIL_FAST) != 0;
    run->run_id = rv_arena_str(&run->arena, event->key);
    run->load_value = rv_arena_str(&run->arena, event->value);
    return true;
}

static bool apply_phase(rv_run *run, const rv_event *event)
{
    if (event->state > RV_PHASE_OVER || event->state < run->phase || event->flags > RV_CLOSING_FAIL_FAST) return false;
    run->phase = (uint8_t)event->state;
    run->closing = (uint8_t)event->flags;
    return true;
}

static bool apply_run_state(rv_run *run, const rv_event *event)
{
    if (event->state >= RV_RUN_STATE_COUNT || !rv_run_may_become((rv_run_state)run->status, (rv_run_state)event->state)) return false;
    run->status = (uint8_t)event->state;
    return true;
}

static bool apply_one(rv_run *run, const rv_event *event, const rv_event *cause)
{
    bool needs_node = (rv_event_fields(event->type) & RV_F_NODE) && !(event->type == RV_EVENT_NODE_TIMER && event->flags == RV_TIMER_RUN);
    if (needs_node && event->node >= run->graph->node_count) return event->type == RV_EVENT_NOTE && event->node == RV_NONE;
    switch (event->type) {
    case RV_EVENT_LOAD: return apply_load(run, event);
    case RV_EVENT_NODE_STATE: return apply_node_state(run, event);
    case RV_EVENT_NODE_TIMER: return apply_timer(run, event);
    case RV_EVENT_ATTEMPT_STATE: return apply_attempt_state(run, event, cause);
    case RV_EVENT_RUN_STATE: return apply_run_state(run, event);
    case RV_EVENT_PHASE: return apply_phase(run, event);
    case RV_EVENT_EXPIRED: run->nodes[event->node].flags |= RV_NODE_R_EXPIRED; return true;
    case RV_EVENT_RESULT:
    case RV_EVENT_KEPT:
    case RV_EVENT_ERROR_TEXT: apply_values(run, event, cause); return true;
    case RV_EVENT_FAIL_FAST: run->fail_fast = true; return true;
    case RV_EVENT_INTERRUPT:
        run->is_hurried |= run->closing == RV_CLOSING_CANCEL || run->closing == RV_CLOSING_TIMEOUT;
        return true;
    case RV_EVENT_ADMITTED: case RV_EVENT_STARTED: case RV_EVENT_COMPLETED: case RV_EVENT_LOST: case RV_EVENT_ADOPT: case RV_EVENT_ANSWER:
    case RV_EVENT_DECIDED: case RV_EVENT_CANCEL: case RV_EVENT_PREEMPT: case RV_EVENT_TICK:
    case RV_EVENT_RESUME: case RV_EVENT_NOTE: case RV_EVENT_CLOCK: return true; /* no stored part of their own */
    case RV_EVENT_TYPE_MAX: break;
    }
    return false;
}

rv_status rv_run_apply(rv_run *run, const rv_event *event, const rv_event *cause, rv_error *err)
{
    if (apply_one(run, event, cause)) return RV_OK;
    return rv_error_set(err, RV_CORRUPT, "event %s of node %u is not possible in this state", rv_event_name(event->type), event->node);
}

rv_status rv_run_replay(rv_run *run, rv_str body, uint32_t event_count, rv_error *err)
{
    const char *at = body.at, *end = body.at + body.size;
    rv_event event, cause = {0};
    bool has_cause = false;
    for (uint32_t i = 0; i < event_count; i++) {
        rv_status status = rv_event_read(&at, end, &event, err);
        if (status != RV_OK) return status;
        status = rv_run_apply(run, &event, has_cause ? &cause : NULL, err);
        if (status != RV_OK) return status;
        if (rv_event_is_input(event.type)) cause = event, has_cause = true;
    }
    run->work_begin = run->work_end = 0; /* what became due was decided by the facts that follow */
    return at == end ? RV_OK : rv_error_set(err, RV_CORRUPT, "journal row has bytes after its last event");
}
