#include "kernel/run_private.h"

/* The only place that writes a run's stored fields; a step and a replay both come through here. Derived fields are
 * kept in the same breath. What is illegal is found before anything is written, so that a damaged journal is told
 * from our own mistakes: a step asserts RV_OK, a replay reports. */

/* ---- life ---- */

rv_run *rv_run_new(const rv_graph *graph)
{
    RV_ASSERT(graph->node_count >= graph->top_count && graph->top_count >= graph->plain_count && graph->class_count >= 1);
    rv_run *run = rv_alloc(sizeof *run);
    run->graph = graph;
    run->status = RV_RUN_ACCEPTED;
    rv_limits_init(run);
    rv_run_add_graph(run, graph);
    (void)rv_place_add(run, 0, 0, RV_NONE, 0);
    (void)rv_place_add(run, 0, 1, RV_NONE, 0);
    return run;
}

void rv_run_free(rv_run *run)
{
    if (!run) return;
    for (uint32_t c = 0; c < run->classes.count; c++) {
        rv_vec_deinit(&run->classes.at[c].ready.row);
        rv_vec_deinit(&run->classes.at[c].ready.heap);
    }
    rv_controls_free(run);
    rv_free(run->nodes);
    rv_vec_deinit(&run->accounts);
    rv_vec_deinit(&run->places);
    rv_vec_deinit(&run->signals);
    rv_vec_deinit(&run->steers);
    rv_submissions_free(run);
    rv_vec_deinit(&run->graphs);
    rv_vec_deinit(&run->class_base);
    rv_vec_deinit(&run->classes);
    rv_vec_deinit(&run->class_tags);
    rv_vec_deinit(&run->tags);
    rv_vec_deinit(&run->values);
    rv_vec_deinit(&run->timers);
    rv_vec_deinit(&run->work);
    rv_vec_deinit(&run->tend);
    rv_vec_deinit(&run->scratch);
    rv_map_deinit(&run->names);
    rv_map_deinit(&run->def_names);
    rv_arena_deinit(&run->arena);
    rv_free(run);
}

/* ---- kept values ---- */

uint32_t rv_run_keep(rv_run *run, rv_str value)
{
    rv_vec_push(&run->values, rv_arena_str(&run->arena, value));
    return run->values.count;
}

rv_str rv_run_kept(const rv_run *run, uint32_t index_plus_one)
{
    if (index_plus_one == 0) return (rv_str){NULL, 0};
    RV_ASSERT(index_plus_one <= run->values.count);
    return run->values.at[index_plus_one - 1];
}

rv_str rv_run_result(const rv_run *run, uint32_t node) { return rv_run_kept(run, run->nodes[node].result); }
rv_str rv_run_output(const rv_run *run, uint32_t node) { return rv_run_kept(run, run->nodes[node].output); }
rv_str rv_run_steer(const rv_run *run, uint32_t index) { return rv_run_kept(run, run->steers.at[index].value); }
rv_str rv_run_error(const rv_run *run, uint32_t node) { return rv_run_kept(run, run->nodes[node].error); }

/* ---- derived: counts, ready sets, gating ---- */

static void leave_state(rv_run *run, uint32_t node, rv_node_state state)
{
    if (state == RV_NODE_WAITING && run->nodes[node].detail == RV_DETAIL_BUDGET) run->paused--;
    if (!rv_run_is_handler(run, node)) run->counts[state]--;
    if (state == RV_NODE_RUNNING) run->running--;
    if (state != RV_NODE_READY) return;
    run->ready_count--;
    run->nodes[node].is_aside = false;
}

/* Only a pending node is held back: one that has begun is past its edges, one that is put back counts them anew. */
static void settle_successors(rv_run *run, uint32_t node)
{
    const rv_graph *graph = rv_run_graph(run, node);
    uint32_t def = run->nodes[node].def, place = run->nodes[node].place;
    for (uint32_t e = graph->succ_begin[def]; e < graph->succ_begin[def + 1]; e++) {
        uint32_t other = RV_EDGE_NODE(graph->succ[e]);
        if (!rv_edge_gates(&graph->nodes[other], graph->succ[e])) continue;
        uint32_t successor = rv_run_at(run, place, other);
        if (run->nodes[successor].state != RV_NODE_PENDING) continue;
        RV_ASSERT(run->nodes[successor].gating > 0);
        if (--run->nodes[successor].gating == 0) rv_run_work_push(run, successor);
    }
    if (run->outers.count) rv_outers_settle(run, node);
}

/* A place whose last node has settled is its owner's to tend. */
static void settle_place(rv_run *run, uint32_t index)
{
    uint32_t home = rv_run_home(run, index);
    rv_place *place = &run->places.at[home];
    RV_ASSERT(place->open > 0);
    if (--place->open || place->parent == RV_NONE) return;
    run->controls.at[run->nodes[place->parent].control - 1].open--;
    rv_vec_push(&run->tend, home);
}

static void enter_state(rv_run *run, uint32_t node, rv_node_state state)
{
    bool is_plain = !rv_run_is_handler(run, node), is_bad = state == RV_NODE_FAILED || state == RV_NODE_DENIED;
    if (is_plain) run->counts[state]++;
    if (state == RV_NODE_WAITING && run->nodes[node].detail == RV_DETAIL_BUDGET) run->paused++;
    if (state == RV_NODE_RUNNING) run->running++;
    if (state == RV_NODE_READY) {
        rv_ready_add(run, node);
        run->ready_count++;
    }
    if (state == RV_NODE_PENDING) run->nodes[node].gating = rv_run_count_gating(run, node);
    if (!rv_node_state_is_terminal(state)) return;
    if (!is_plain) {
        run->handler_open--;
        run->handler_failed += is_bad;
    }
    run->failed += is_bad && rv_run_place(run, node)->is_top;
    settle_successors(run, node);
    settle_place(run, run->nodes[node].place);
}

/* ---- facts ---- */

static bool apply_node_state(rv_run *run, const rv_event *event)
{
    rv_node_run *node = &run->nodes[event->node];
    rv_node_state before = (rv_node_state)node->state;
    if (event->state >= RV_NODE_STATE_COUNT || event->root > run->node_count) return false;
    if (!rv_node_may_become(before, (rv_node_state)event->state)) return false;
    if (rv_node_state_has_root((rv_node_state)event->state) && event->root == 0) return false;
    leave_state(run, event->node, before);
    node->state = (uint8_t)event->state;
    node->detail = (uint8_t)event->detail;
    node->root = event->root;
    if (event->state == RV_NODE_PENDING) node->due_ms = 0;
    if (event->state == RV_NODE_PENDING && node->total_due_ms > 0) node->total_due_ms = 0; /* as journals of version 1 mean it */
    enter_state(run, event->node, (rv_node_state)event->state);
    if (before == RV_NODE_READY) rv_ready_settle(run, rv_run_class_of(run, event->node));
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
        node->flags &= (uint8_t)~RV_NODE_R_OVERSPENT;
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
        node->error = rv_run_keep(run, event->text.size ? event->text : cause ? cause->text : event->text);
        return;
    }
    rv_str value = event->value.size ? event->value : cause ? cause->value : event->value;
    if (value.size) node->result = rv_run_keep(run, value);
    if (event->type == RV_EVENT_KEPT) node->flags |= RV_NODE_R_KEPT;
    bool is_kept = cause && (cause->type == RV_EVENT_ADOPT || cause->type == RV_EVENT_CACHED);
    bool is_own = cause && (is_kept || cause->type == RV_EVENT_COMPLETED) &&
                  cause->node == event->node; /* a `set` may settle in the same step */
    if (is_own && cause->output.size && (rv_run_def(run, event->node)->flags & RV_NODE_F_EXPR_OUTPUT))
        node->output = rv_run_keep(run, cause->output);
    if (is_own && is_kept) node->exit_status = cause->exit_status;
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

static bool apply_violation(rv_run *run, const rv_event *event)
{
    if (event->root == 0 || event->root > run->node_count || event->state >= RV_VIOLATION_COUNT || run->violation.path) return false;
    run->violation = (rv_violation){rv_run_keep(run, event->key), event->node, event->root - 1, event->state};
    return true;
}

void rv_run_violation_words(const rv_run *run, rv_buf *out)
{
    const rv_violation *v = &run->violation;
    if (v->path == 0) return;
    rv_str path = rv_run_kept(run, v->path);
    rv_buf_byte(out, '`');
    rv_run_id(run, v->other, out);
    rv_buf_cstring(out, "` and `");
    rv_run_id(run, v->node, out);
    if (v->kind == RV_VIOLATION_OVERLAP) rv_buf_printf(out, "` both made %.*s", RV_FMT(path));
    else rv_buf_printf(out, "` are a circle: the second made %.*s, which the first had read", RV_FMT(path));
}

static bool apply_phase(rv_run *run, const rv_event *event)
{
    if (event->state > RV_PHASE_OVER || event->state < run->phase || event->flags >= RV_CLOSING_COUNT) return false;
    run->phase = (uint8_t)event->state;
    run->closing = (uint8_t)event->flags;
    run->is_over_budget |= event->flags == RV_CLOSING_BUDGET;
    return true;
}

static bool apply_run_state(rv_run *run, const rv_event *event)
{
    if (event->state >= RV_RUN_STATE_COUNT || !rv_run_may_become((rv_run_state)run->status, (rv_run_state)event->state)) return false;
    run->status = (uint8_t)event->state;
    return true;
}

static bool apply_control(rv_run *run, const rv_event *event)
{
    rv_kind kind = rv_run_kind(run, event->node);
    rv_node_run *node = &run->nodes[event->node];
    if (!rv_kind_is_controller(kind) || node->control || node->state != RV_NODE_PENDING) return false;
    rv_control_add(run, event->node, event->number, event->value.size ? rv_run_keep(run, event->value) : 0);
    return true;
}

static bool apply_grew(rv_run *run, const rv_event *event)
{
    const rv_node_run *node = &run->nodes[event->node];
    if (node->control == 0 || node->state != RV_NODE_WAITING) return false;
    const rv_control_def *def = rv_run_control_def(run, event->node);
    uint32_t graph = rv_run_place(run, event->node)->graph;
    if (event->state >= def->scope_count || event->flags == 0) return false;
    uint32_t scope = def->scope_first + event->state, size = run->graphs.at[graph]->scopes[scope].count;
    if (event->flags > (RV_RUN_NODES_MAX - run->node_count) / RV_MAX(size, 1u)) return false;
    if (run->graphs.at[graph]->scopes[scope].role == RV_SCOPE_JUDGE && !rv_bracket_judge(run, node->control - 1,
        event->number)) return false;
    for (uint32_t i = 0; i < event->flags; i++) (void)rv_place_add(run, graph, scope, event->node, event->number + i);
    return true;
}

static bool apply_match(rv_run *run, const rv_event *event)
{
    const rv_node_run *node = &run->nodes[event->node];
    rv_match match = {event->number, event->state, event->flags};
    return node->control && node->state == RV_NODE_WAITING && rv_bracket_match(run, node->control - 1, &match);
}

static bool apply_signal_kept(rv_run *run, const rv_event *cause)
{
    if (!cause || cause->type != RV_EVENT_SIGNAL || run->signals.count >= RV_SIGNALS_MAX) return false;
    uint32_t value = cause->value.size ? rv_run_keep(run, cause->value) : 0;
    rv_vec_push(&run->signals, ((rv_signal){rv_arena_str(&run->arena, cause->key), value}));
    return true;
}

static bool apply_signal_taken(rv_run *run, uint32_t node)
{
    uint32_t index = rv_run_kind(run, node) == RV_KIND_WAIT ? rv_run_signal_for(run, node) : RV_NONE;
    if (index == RV_NONE || run->nodes[node].state != RV_NODE_PENDING) return false;
    run->nodes[node].result = run->signals.at[index].value;
    run->signals.count--;
    for (uint32_t i = index; i < run->signals.count; i++) run->signals.at[i] = run->signals.at[i + 1];
    return true;
}

static bool apply_steer(rv_run *run, const rv_event *event)
{
    if (run->steers.count >= RV_STEERS_MAX || event->text.size == 0) return false;
    rv_vec_push(&run->steers, ((rv_steer){event->node, rv_run_keep(run, event->text)}));
    return true;
}

static bool apply_one(rv_run *run, const rv_event *event, const rv_event *cause)
{
    bool needs_node = (rv_event_fields(event->type) & RV_F_NODE) && !(event->type == RV_EVENT_NODE_TIMER && event->flags == RV_TIMER_RUN);
    if (needs_node && event->node >= run->node_count)
        return event->node == RV_NONE && (event->type == RV_EVENT_NOTE || (event->type == RV_EVENT_WARNED && rv_budget_apply(run, event)));
    switch (event->type) {
    case RV_EVENT_LOAD: return apply_load(run, event);
    case RV_EVENT_NODE_STATE: return apply_node_state(run, event);
    case RV_EVENT_NODE_TIMER: return apply_timer(run, event);
    case RV_EVENT_ATTEMPT_STATE: return apply_attempt_state(run, event, cause);
    case RV_EVENT_RUN_STATE: return apply_run_state(run, event);
    case RV_EVENT_PHASE: return apply_phase(run, event);
    case RV_EVENT_EXPIRED: run->nodes[event->node].flags |= RV_NODE_R_EXPIRED; return true;
    case RV_EVENT_CALLED_OFF: run->nodes[event->node].flags |= RV_NODE_R_CALLED_OFF; return true;
    case RV_EVENT_CONTROL: return apply_control(run, event);
    case RV_EVENT_MATCH: return apply_match(run, event);
    case RV_EVENT_REVISED: return rv_revision_apply(run, event);
    case RV_EVENT_GREW: return apply_grew(run, event);
    case RV_EVENT_SUBMITTED: return rv_submission_apply(run, event, cause);
    case RV_EVENT_SIGNAL_KEPT: return apply_signal_kept(run, cause);
    case RV_EVENT_SIGNAL_TAKEN: return apply_signal_taken(run, event->node);
    case RV_EVENT_OVERSPENT: run->nodes[event->node].flags |= RV_NODE_R_OVERSPENT; return true;
    case RV_EVENT_BUDGET: case RV_EVENT_QUOTA: case RV_EVENT_USAGE: case RV_EVENT_RESERVED: case RV_EVENT_RAISED: case RV_EVENT_SPENT:
    case RV_EVENT_WARNED: return rv_budget_apply(run, event);
    case RV_EVENT_RESULT:
    case RV_EVENT_KEPT:
    case RV_EVENT_ERROR_TEXT: apply_values(run, event, cause); return true;
    case RV_EVENT_FAIL_FAST: run->fail_fast = true; return true;
    case RV_EVENT_STEER: return apply_steer(run, event);
    case RV_EVENT_VIOLATION: return apply_violation(run, event);
    case RV_EVENT_RESUME:
        if (event->flags & RV_RESUME_AFTER_DEATH) run->epoch_last += RV_EPOCH_GAP;
        return true;
    case RV_EVENT_INTERRUPT:
        run->is_hurried |= run->closing == RV_CLOSING_CANCEL || run->closing == RV_CLOSING_TIMEOUT;
        return true;
    case RV_EVENT_ADMITTED: case RV_EVENT_STARTED: case RV_EVENT_COMPLETED: case RV_EVENT_LOST: case RV_EVENT_ADOPT: case RV_EVENT_CACHED:
    case RV_EVENT_ANSWER: case RV_EVENT_DECIDED: case RV_EVENT_CANCEL: case RV_EVENT_PREEMPT: case RV_EVENT_TICK:
    case RV_EVENT_SIGNAL: case RV_EVENT_SUBMIT: case RV_EVENT_NOTE: case RV_EVENT_ASK: case RV_EVENT_GATE:
    case RV_EVENT_CLOCK: return true; /* no stored part of their own */
    case RV_EVENT_TYPE_MAX: break;
    }
    return false;
}

rv_status rv_run_apply(rv_run *run, const rv_event *event, const rv_event *cause, rv_error *err)
{
    if (apply_one(run, event, cause)) return RV_OK;
    return rv_error_set(err, RV_CORRUPT, "event %s of node %u is not possible in this state", rv_event_name(event->type), event->node);
}

void rv_run_replayed(rv_run *run) { rv_run_work_clear(run); /* what became due was decided by the facts that follow */ }

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
    rv_run_replayed(run);
    return at == end ? RV_OK : rv_error_set(err, RV_CORRUPT, "journal row has bytes after its last event");
}
