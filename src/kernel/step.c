#include "kernel/run_private.h"

/* One step: guard (may this input happen here?), journal the input, decide, cascade, finish. */

void rv_out_clear(rv_out *out)
{
    rv_buf_clear(&out->journal);
    out->event_count = 0;
    rv_vec_clear(&out->effects);
    rv_vec_clear(&out->changed);
}

void rv_out_deinit(rv_out *out)
{
    rv_buf_deinit(&out->journal);
    rv_vec_deinit(&out->effects);
    rv_vec_deinit(&out->changed);
}

/* A step may, at worst, change every node a few times; the pages are only touched when it does. */
#define FACT_SIZE_MAX 32u
#define FACTS_PER_NODE_MAX 6u
#define COPIED_SIZE_MAX ((size_t)1 << 20) /* what is larger has pages of its own, which are moved and not copied */

rv_status rv_run_reserve(rv_run *run, rv_out *out, const rv_event *input)
{
    size_t values = input->key.size + input->value.size + input->output.size + input->text.size;
    size_t touched = input->type == RV_EVENT_ADMITTED || input->type == RV_EVENT_STARTED ? 8 : run->node_count + 8u;
    size_t worst = touched * FACT_SIZE_MAX * FACTS_PER_NODE_MAX + values + 4096;
    /* At first twice as much, so that it seldom grows: that copies all of it, also pages that nobody has touched. A large one is moved. */
    bool is_first = out->journal.capacity == 0 && worst < COPIED_SIZE_MAX;
    rv_status status = rv_buf_reserve(&out->journal, is_first ? 2 * worst : worst);
    if (status != RV_OK) return status;
    rv_vec_reserve(&out->effects, out->effects.count + 2 * run->node_count + 8); /* a reduce may end its pause and start */
    rv_vec_reserve(&out->changed, out->changed.count + 8);
    return RV_OK;
}

/* ---- what the parts of a step are made of ---- */

void rv_step_emit(rv_step *step, const rv_event *fact)
{
    if (!step->out->leaves_out_journal) rv_event_write(&step->out->journal, fact);
    step->out->event_count++;
    const rv_event *cause = fact == step->input ? NULL : step->input;
    rv_status status = rv_run_apply(step->run, fact, cause, NULL);
    RV_ASSERT(status == RV_OK);
    bool is_stored = cause && fact->type >= RV_EVENT_NODE_STATE && fact->type != RV_EVENT_NOTE && fact->type != RV_EVENT_PHASE &&
                     fact->type != RV_EVENT_CLOCK;
    if (is_stored && fact->node != RV_NONE) rv_vec_push(&step->out->changed, fact->node);
}

void rv_step_effect(rv_step *step, rv_effect_type type, uint32_t node, rv_detail detail)
{
    rv_effect effect = {.type = type, .node = node, .detail = detail};
    if (node != RV_NONE) {
        effect.epoch = step->run->nodes[node].epoch;
        effect.number = step->run->nodes[node].number;
        effect.due_ms = step->run->nodes[node].due_ms;
    }
    if (type == RV_EFFECT_RUN_ENDED) effect.state = step->run->status;
    if (type == RV_EFFECT_ARM_TIMER) effect.due_ms = rv_run_due_ms(step->run);
    rv_vec_push(&step->out->effects, effect);
}

void rv_step_node(rv_step *step, uint32_t node, rv_node_change change, rv_detail detail, uint32_t root)
{
    rv_node_state before = (rv_node_state)step->run->nodes[node].state;
    rv_node_state next = rv_node_next(before, change);
    RV_ASSERT(next != RV_NODE_STATE_COUNT);
    rv_detail reason = (rv_detail)step->run->nodes[node].detail;
    rv_event fact; /* the two commonest facts: only what their type has is set, and looked at */
    fact.type = RV_EVENT_NODE_STATE;
    fact.node = node;
    fact.state = next;
    fact.detail = detail;
    fact.root = root;
    rv_step_emit(step, &fact);
    if (before == RV_NODE_WAITING) rv_step_effect(step, RV_EFFECT_RESUMED, node, reason);
    bool has_failed = step->run->fail_fast && (next == RV_NODE_FAILED || next == RV_NODE_DENIED);
    if (has_failed && rv_run_is_doomed_by(step->run, node)) step->is_failing = true;
    bool was_submitter = (step->run->nodes[node].flags & RV_NODE_R_SUBMITTER) && rv_node_state_is_terminal(next);
    if (was_submitter) rv_step_supersede(step, node);
}

void rv_step_attempt(rv_step *step, uint32_t node, rv_attempt_state state, rv_detail detail)
{
    rv_event fact;
    fact.type = RV_EVENT_ATTEMPT_STATE;
    fact.node = node;
    fact.epoch = step->run->nodes[node].epoch;
    fact.number = step->run->nodes[node].number;
    fact.state = state;
    fact.detail = detail;
    rv_step_emit(step, &fact);
    if (step->run->nodes[node].account && rv_attempt_state_is_terminal(state)) rv_step_settle(step, node, state);
}

void rv_step_starting(rv_step *step, uint32_t node)
{
    rv_event fact;
    fact.type = RV_EVENT_ATTEMPT_STATE;
    fact.node = node;
    fact.epoch = step->run->epoch_last + 1;
    fact.number = step->run->nodes[node].number + 1;
    fact.state = RV_ATTEMPT_STARTING;
    fact.detail = RV_DETAIL_NONE;
    rv_step_emit(step, &fact);
}

void rv_step_timer(rv_step *step, uint32_t node, int64_t due_ms, uint32_t kind)
{
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_NODE_TIMER, .node = node, .due_ms = due_ms, .flags = kind});
}

void rv_step_note(rv_step *step, uint32_t node, const char *text)
{
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_NOTE, .node = node, .text = rv_str_of(text)});
    rv_step_effect(step, RV_EFFECT_NOTE, node, RV_DETAIL_NONE);
}

void rv_step_phase(rv_step *step, uint32_t phase, uint32_t closing)
{
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_PHASE, .state = phase, .flags = closing});
}

void rv_step_error(rv_step *step, uint32_t node, rv_str text)
{
    RV_ASSERT(text.size > 0); /* an empty one would stand for the input's own */
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_ERROR_TEXT, .node = node, .text = text});
}

/* ---- guards ---- */

/* The detail must be one that the node's next state can have. */
static bool is_sound_completion(const rv_event *input)
{
    if (input->detail >= RV_DETAIL_COUNT) return false;
    char group = rv_detail_group((rv_detail)input->detail);
    if (input->state == RV_ATTEMPT_OK) return group == 's' || group == 'n';
    return group == 'e' || (input->state != RV_ATTEMPT_ERROR && input->state != RV_ATTEMPT_TIMEOUT);
}

static bool has_current_attempt(const rv_run *run, const rv_event *input)
{
    const rv_node_run *node = &run->nodes[input->node];
    return node->state == RV_NODE_RUNNING && node->epoch == input->epoch && !rv_attempt_state_is_terminal((rv_attempt_state)node->attempt);
}

static rv_answer guard_person(const rv_run *run, const rv_event *input)
{
    const rv_node_run *node = &run->nodes[input->node];
    rv_kind kind = rv_run_kind(run, input->node);
    if (rv_node_state_is_terminal((rv_node_state)node->state)) return RV_ANSWER_STALE;
    if (input->type == RV_EVENT_ANSWER) {
        if (kind != RV_KIND_INPUT) return RV_ANSWER_ILLEGAL;
        return node->flags & RV_NODE_R_KEPT ? RV_ANSWER_STALE : RV_ANSWER_TAKEN;
    }
    if (node->state != RV_NODE_WAITING) return RV_ANSWER_ILLEGAL;
    bool is_verdict = input->state == RV_DECISION_APPROVE || input->state == RV_DECISION_REJECT;
    if (node->detail == RV_DETAIL_APPROVAL) return is_verdict ? RV_ANSWER_TAKEN : RV_ANSWER_ILLEGAL;
    if (node->detail != RV_DETAIL_UNKNOWN_OUTCOME || is_verdict || input->state > RV_DECISION_AGAIN) return RV_ANSWER_ILLEGAL;
    return RV_ANSWER_TAKEN;
}

static bool waits_for(const rv_run *run, uint32_t node, rv_str event)
{
    bool waits = run->nodes[node].state == RV_NODE_WAITING && run->nodes[node].detail == RV_DETAIL_EVENT;
    return waits && rv_str_eq(rv_graph_str(rv_run_graph(run, node), rv_run_gate(run, node)->event), event);
}

static uint32_t first_waiter(const rv_run *run, rv_str event)
{
    uint32_t node = 0;
    while (node < run->node_count && !waits_for(run, node, event)) node++;
    return node < run->node_count ? node : RV_NONE;
}

static rv_answer guard_signal(const rv_run *run, const rv_event *input)
{
    if (rv_run_state_is_terminal((rv_run_state)run->status)) return RV_ANSWER_STALE;
    if (run->status == RV_RUN_ACCEPTED || input->key.size == 0) return RV_ANSWER_ILLEGAL;
    bool has_room = run->signals.count < RV_SIGNALS_MAX || first_waiter(run, input->key) != RV_NONE;
    return has_room ? RV_ANSWER_TAKEN : RV_ANSWER_ILLEGAL;
}

static rv_answer guard_violation(const rv_run *run, const rv_event *input)
{
    bool is_sound = input->key.size && input->root && input->root <= run->node_count && input->state < RV_VIOLATION_COUNT;
    bool may_close = run->closing == RV_CLOSING_NO || run->closing == RV_CLOSING_INTERRUPT || run->closing == RV_CLOSING_FAIL_FAST;
    if (!is_sound) return RV_ANSWER_ILLEGAL;
    bool is_in_time = run->status == RV_RUN_RUNNING && may_close && run->phase == RV_PHASE_GRAPH && run->violation.path == 0;
    return is_in_time ? RV_ANSWER_TAKEN : RV_ANSWER_STALE;
}

static rv_answer guard(const rv_run *run, const rv_event *input)
{
    rv_run_state status = (rv_run_state)run->status;
    bool is_live = status == RV_RUN_RUNNING;
    if ((rv_event_fields(input->type) & RV_F_NODE) && input->node >= run->node_count) return RV_ANSWER_NOT_FOUND;
    switch (input->type) {
    case RV_EVENT_LOAD: return status == RV_RUN_ACCEPTED && !run->load_value.at ? RV_ANSWER_TAKEN : RV_ANSWER_ILLEGAL;
    case RV_EVENT_ADMITTED:
        if (!is_live || run->closing == RV_CLOSING_INTERRUPT || run->nodes[input->node].state != RV_NODE_READY) return RV_ANSWER_ILLEGAL;
        return RV_ANSWER_TAKEN;
    case RV_EVENT_STARTED:
        if (!has_current_attempt(run, input)) return RV_ANSWER_STALE;
        return run->nodes[input->node].attempt == RV_ATTEMPT_STARTING ? RV_ANSWER_TAKEN : RV_ANSWER_STALE;
    case RV_EVENT_COMPLETED:
        if (!has_current_attempt(run, input)) return RV_ANSWER_STALE;
        if (!rv_attempt_may_become((rv_attempt_state)run->nodes[input->node].attempt, (rv_attempt_state)input->state))
            return RV_ANSWER_ILLEGAL;
        if (!rv_attempt_state_is_terminal((rv_attempt_state)input->state) || input->state >= RV_ATTEMPT_LOST) return RV_ANSWER_ILLEGAL;
        return is_sound_completion(input) ? RV_ANSWER_TAKEN : RV_ANSWER_ILLEGAL;
    case RV_EVENT_VIOLATION: return guard_violation(run, input);
    case RV_EVENT_CACHED: {
        bool is_open = is_live && run->closing != RV_CLOSING_INTERRUPT;
        return is_open && run->nodes[input->node].state == RV_NODE_READY ? RV_ANSWER_TAKEN : RV_ANSWER_STALE;
    }
    case RV_EVENT_ADOPT: {
        rv_node_state state = (rv_node_state)run->nodes[input->node].state;
        return is_live && (state == RV_NODE_READY || state == RV_NODE_WAITING) ? RV_ANSWER_TAKEN : RV_ANSWER_STALE;
    }
    case RV_EVENT_USAGE:
        if (!has_current_attempt(run, input)) return RV_ANSWER_STALE;
        return rv_usage_is_sound(input) ? RV_ANSWER_TAKEN : RV_ANSWER_ILLEGAL;
    case RV_EVENT_BUDGET:
        if (rv_run_state_is_terminal(status)) return RV_ANSWER_STALE;
        return rv_budget_is_sound(run, input) ? RV_ANSWER_TAKEN : RV_ANSWER_ILLEGAL;
    case RV_EVENT_QUOTA:
        if (rv_run_state_is_terminal(status)) return RV_ANSWER_STALE;
        return input->state < RV_QUOTA_COUNT && input->amount >= -1 && input->amount <= RV_AMOUNT_MAX ? RV_ANSWER_TAKEN : RV_ANSWER_ILLEGAL;
    case RV_EVENT_STEER: {
        if (rv_node_state_is_terminal((rv_node_state)run->nodes[input->node].state)) return RV_ANSWER_STALE;
        bool has_turns = rv_kind_needs_slot(rv_run_kind(run, input->node));
        bool is_said = input->text.size && input->text.size <= RV_STEER_SIZE_MAX;
        return has_turns && is_said && run->steers.count < RV_STEERS_MAX ? RV_ANSWER_TAKEN : RV_ANSWER_ILLEGAL;
    }
    case RV_EVENT_ASK:
        if (!has_current_attempt(run, input)) return RV_ANSWER_STALE;
        return rv_ask_is_sound(run, input) ? RV_ANSWER_TAKEN : RV_ANSWER_ILLEGAL;
    case RV_EVENT_SUBMIT: return has_current_attempt(run, input) ? RV_ANSWER_TAKEN : RV_ANSWER_STALE;
    case RV_EVENT_LOST: return has_current_attempt(run, input) ? RV_ANSWER_TAKEN : RV_ANSWER_STALE;
    case RV_EVENT_ANSWER:
    case RV_EVENT_DECIDED: return rv_run_state_is_terminal(status) ? RV_ANSWER_STALE : guard_person(run, input);
    case RV_EVENT_CANCEL: return rv_run_state_is_terminal(status) || run->closing == RV_CLOSING_CANCEL ? RV_ANSWER_STALE : RV_ANSWER_TAKEN;
    case RV_EVENT_INTERRUPT: /* once for each of its two meanings */
        return is_live && run->closing != RV_CLOSING_INTERRUPT && !run->is_hurried ? RV_ANSWER_TAKEN : RV_ANSWER_STALE;
    case RV_EVENT_SIGNAL: return guard_signal(run, input);
    case RV_EVENT_PREEMPT:
    case RV_EVENT_FAIL_FAST:
    case RV_EVENT_TICK: return is_live ? RV_ANSWER_TAKEN : RV_ANSWER_STALE;
    case RV_EVENT_RESUME: return is_live || status == RV_RUN_INTERRUPTED ? RV_ANSWER_TAKEN : RV_ANSWER_ILLEGAL;
    case RV_EVENT_RUN_STATE: case RV_EVENT_NODE_STATE: case RV_EVENT_NODE_TIMER: case RV_EVENT_ATTEMPT_STATE: case RV_EVENT_RESULT:
    case RV_EVENT_KEPT: case RV_EVENT_NOTE: case RV_EVENT_ERROR_TEXT: case RV_EVENT_EXPIRED: case RV_EVENT_CLOCK: case RV_EVENT_PHASE:
    case RV_EVENT_CONTROL: case RV_EVENT_GREW: case RV_EVENT_MATCH: case RV_EVENT_REVISED: case RV_EVENT_CALLED_OFF:
    case RV_EVENT_SIGNAL_KEPT: case RV_EVENT_SIGNAL_TAKEN: case RV_EVENT_SUBMITTED:
    case RV_EVENT_RESERVED: case RV_EVENT_RAISED: case RV_EVENT_SPENT: case RV_EVENT_WARNED: case RV_EVENT_GATE: case RV_EVENT_OVERSPENT:
    case RV_EVENT_TYPE_MAX: break; /* facts are decided here, not given */
    }
    return RV_ANSWER_ILLEGAL;
}

/* ---- inputs ---- */

static void on_load(rv_step *step)
{
    rv_run *run = step->run;
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_RUN_STATE, .state = RV_RUN_RUNNING});
    if (run->graph->timeout_ms) rv_step_timer(step, RV_NONE, rv_time_after(step->now.engine_ms, run->graph->timeout_ms), RV_TIMER_RUN);
    for (uint32_t node = 0; node < run->graph->plain_count; node++)
        if (run->nodes[node].gating == 0) rv_run_work_push(run, node);
}

static void on_admitted(rv_step *step)
{
    uint32_t node = step->input->node;
    if (!rv_step_may_start(step, node)) return;
    rv_step_starting(step, node);
    rv_step_node(step, node, RV_CHANGE_ADMIT, RV_DETAIL_NONE, 0);
    rv_step_effect(step, RV_EFFECT_SPAWN, node, RV_DETAIL_NONE);
}

static void put_back_or_call_off(rv_step *step, uint32_t node)
{
    rv_run *run = step->run;
    bool is_expired = run->nodes[node].flags & RV_NODE_R_EXPIRED;
    bool is_called_off = run->closing == RV_CLOSING_CANCEL || run->closing == RV_CLOSING_TIMEOUT;
    if (run->nodes[node].flags & RV_NODE_R_CALLED_OFF) rv_step_node(step, node, RV_CHANGE_CANCEL, RV_DETAIL_SUPERSEDED, node + 1);
    else if (is_expired) rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_TIMEOUT, node + 1);
    else if (run->closing == RV_CLOSING_INTERRUPT) rv_step_node(step, node, RV_CHANGE_PUT_BACK, RV_DETAIL_SIGNALLED, 0);
    else if (is_called_off) rv_step_node(step, node, RV_CHANGE_CANCEL, RV_DETAIL_SIGNALLED, node + 1);
    else if (run->nodes[node].flags & RV_NODE_R_OVERSPENT) rv_step_overspent(step, node);
    else rv_step_again(step, node); /* nobody wants it stopped any more */
}

/* An attempt at most once whose outcome nobody knows. */
static void on_unknown(rv_step *step, uint32_t node, const rv_policy *policy)
{
    bool is_called_off = rv_run_is_called_off(step->run, node);
    rv_step_attempt(step, node, RV_ATTEMPT_UNKNOWN, RV_DETAIL_LOST);
    if (policy->on_unknown == RV_ON_UNKNOWN_FAIL) {
        rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_LOST, node + 1);
        return;
    }
    if (policy->on_unknown == RV_ON_UNKNOWN_RETRY || is_called_off) {
        rv_step_again(step, node);
        return;
    }
    rv_step_node(step, node, RV_CHANGE_PARK, RV_DETAIL_UNKNOWN_OUTCOME, 0);
    rv_step_effect(step, RV_EFFECT_PARK, node, RV_DETAIL_UNKNOWN_OUTCOME);
}

/* An attempt that may happen at most once was stopped half-way by an interrupt: whether it happened is not known, so it
 * is not put back to be run again [P3]. */
static bool is_cut_in_two(const rv_step *step, uint32_t node)
{
    const rv_run *run = step->run;
    bool was_stopped = run->closing == RV_CLOSING_INTERRUPT || (run->nodes[node].flags & RV_NODE_R_OVERSPENT);
    return was_stopped && rv_run_policy(run, node)->delivery == RV_DELIVERY_AT_MOST_ONCE;
}

static void on_completed(rv_step *step)
{
    const rv_event *input = step->input;
    uint32_t node = input->node;
    rv_attempt_state state = (rv_attempt_state)input->state;
    uint16_t flags = rv_run_def(step->run, node)->flags;
    if (state == RV_ATTEMPT_CANCELLED && is_cut_in_two(step, node)) {
        on_unknown(step, node, rv_run_policy(step->run, node));
        return;
    }
    rv_step_attempt(step, node, state, (rv_detail)input->detail);
    if (state == RV_ATTEMPT_CANCELLED) {
        put_back_or_call_off(step, node);
        return;
    }
    if ((state == RV_ATTEMPT_OK || state == RV_ATTEMPT_PARTIAL) && rv_budget_is_over(step->run, node, false)) { /* [K54] */
        rv_step_error(step, node, RV_STR("it has spent more than its own budget; its result is discarded"));
        rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_BUDGET_SPENT, node + 1);
        return;
    }
    if (input->text.size) rv_step_emit(step, &(rv_event){.type = RV_EVENT_ERROR_TEXT, .node = node}); /* the input's own text */
    bool has_value = (input->value.size && (flags & RV_NODE_F_KEEP_RESULT)) || (input->output.size && (flags & RV_NODE_F_EXPR_OUTPUT));
    if (has_value) rv_step_emit(step, &(rv_event){.type = RV_EVENT_RESULT, .node = node});
    if (state == RV_ATTEMPT_OK) {
        rv_step_succeed(step, node, input->detail == RV_DETAIL_NONE ? RV_DETAIL_FRESH : (rv_detail)input->detail);
    } else if (state == RV_ATTEMPT_PARTIAL) {
        rv_step_node(step, node, RV_CHANGE_PART, RV_DETAIL_NONE, node + 1);
    } else if (state == RV_ATTEMPT_DENIED) {
        rv_step_node(step, node, RV_CHANGE_DENY, (rv_detail)input->detail, node + 1);
    } else {
        rv_step_failed(step, node, (rv_detail)input->detail);
    }
}

static void on_lost(rv_step *step)
{
    rv_run *run = step->run;
    uint32_t node = step->input->node, flags = step->input->flags;
    const rv_policy *policy = rv_run_policy(run, node);
    bool is_running = run->nodes[node].attempt == RV_ATTEMPT_RUNNING; /* then it did start, whatever the giver believes */
    bool never_started = !is_running && (flags & RV_LOST_NEVER_STARTED);
    bool was_started = is_running || (flags & RV_LOST_WAS_STARTED);
    if ((flags & RV_LOST_STOPPED) && (never_started || !is_cut_in_two(step, node))) {
        rv_step_attempt(step, node, RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED);
        put_back_or_call_off(step, node);
    } else if (policy->delivery == RV_DELIVERY_AT_MOST_ONCE && !never_started) {
        on_unknown(step, node, policy);
    } else if (!was_started || never_started) {
        rv_step_attempt(step, node, RV_ATTEMPT_VOID, RV_DETAIL_NONE);
        rv_step_again(step, node);
    } else {
        rv_step_attempt(step, node, RV_ATTEMPT_LOST, RV_DETAIL_LOST);
        bool is_too_often = run->nodes[node].losses > policy->lost_max && !(run->nodes[node].flags & RV_NODE_R_EXPIRED);
        if (is_too_often) rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_LOST, node + 1);
        else rv_step_again(step, node);
    }
}

/* The outcome of an earlier run stands for this one's [R1]. */
static void on_adopt(rv_step *step)
{
    uint32_t node = step->input->node;
    if (rv_run_kind(step->run, node) == RV_KIND_CLASSIFY) rv_step_take_branch(step, node, step->input->value);
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_RESULT, .node = node}); /* and the exit status */
    rv_step_node(step, node, RV_CHANGE_SUCCEED, RV_DETAIL_REPLAY, 0); /* final there, so no back-edge is taken */
    if (step->run->nodes[node].control == 0) return;
    for (uint32_t i = 0; i < step->run->controls.at[step->run->nodes[node].control - 1].places.count; i++) /* nothing of it is needed */
        rv_step_call_off(step, step->run->controls.at[step->run->nodes[node].control - 1].places.at[i]);
}

/* The same work was done before [A3]. Nothing started, hence nothing is counted or spent. */
static void on_cached(rv_step *step)
{
    uint32_t node = step->input->node;
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_RESULT, .node = node}); /* and the exit status */
    rv_step_succeed(step, node, RV_DETAIL_CACHE);
}

/* Nodes are at odds about a file: nothing more is admitted, what runs may finish, the rest is skipped [A8]. An interrupt goes before: the
 * resume comes back to it. */
static void on_violation(rv_step *step)
{
    rv_step_effect(step, RV_EFFECT_NOTE, RV_NONE, RV_DETAIL_VIOLATION);
    if (step->run->closing == RV_CLOSING_INTERRUPT) return;
    rv_step_phase(step, step->run->phase, RV_CLOSING_VIOLATION);
    rv_step_call_off_idle(step, RV_CHANGE_SKIP, RV_DETAIL_VIOLATION);
}

static void on_answer(rv_step *step)
{
    uint32_t node = step->input->node;
    if (step->run->nodes[node].state == RV_NODE_WAITING) {
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_RESULT, .node = node});
        rv_step_succeed(step, node, RV_DETAIL_PERSON);
    } else {
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_KEPT, .node = node});
    }
}

/* It ends every wait for it that has begun; when there is none it is kept for the first that will [K60]. */
static void on_signal(rv_step *step)
{
    rv_run *run = step->run;
    uint32_t first = first_waiter(run, step->input->key);
    if (first == RV_NONE) rv_step_emit(step, &(rv_event){.type = RV_EVENT_SIGNAL_KEPT, .node = RV_NONE});
    for (uint32_t node = first; node < run->node_count; node++) {
        if (!waits_for(run, node, step->input->key)) continue;
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_RESULT, .node = node});
        rv_step_succeed(step, node, RV_DETAIL_FRESH);
    }
}

static void on_decided(rv_step *step)
{
    const rv_event *input = step->input;
    uint32_t node = input->node;
    bool may_reject = rv_run_kind(step->run, node) == RV_KIND_APPROVE && rv_run_gate(step->run, node)->on_reject_continue;
    bool has_ended = rv_run_kind(step->run, node) != RV_KIND_APPROVE || step->run->nodes[node].result; /* then revise.at_max asks */
    if (step->run->nodes[node].detail == RV_DETAIL_APPROVAL && has_ended) {
        if (input->state == RV_DECISION_APPROVE) rv_step_node(step, node, RV_CHANGE_SUCCEED, RV_DETAIL_PERSON, 0);
        else rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_REVISE_MAX, node + 1);
        return;
    }
    if (input->value.size) rv_step_emit(step, &(rv_event){.type = RV_EVENT_RESULT, .node = node});
    switch ((rv_decision)input->state) {
    case RV_DECISION_APPROVE:
    case RV_DECISION_DONE: rv_step_succeed(step, node, RV_DETAIL_PERSON); break;
    case RV_DECISION_REJECT:
        if (may_reject) rv_step_succeed(step, node, RV_DETAIL_PERSON);
        else rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_REJECTED, node + 1);
        break;
    case RV_DECISION_FAILED: rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_LOST, node + 1); break;
    case RV_DECISION_AGAIN: rv_step_again(step, node); break;
    }
}

/* A signal while it is being called off for good: nothing is put back, nothing begins, what runs is stopped [W33]. */
static void hurry(rv_step *step)
{
    rv_run *run = step->run;
    for (uint32_t node = 0; node < run->node_count; node++) {
        rv_node_state state = (rv_node_state)run->nodes[node].state;
        if (state == RV_NODE_RUNNING) rv_step_effect(step, RV_EFFECT_STOP, node, RV_DETAIL_SIGNALLED);
        else if (rv_run_is_handler(run, node) && !rv_node_state_is_terminal(state))
            rv_step_node(step, node, RV_CHANGE_CANCEL, RV_DETAIL_SIGNALLED, node + 1);
    }
}

static void on_interrupt(rv_step *step)
{
    rv_run *run = step->run;
    if (run->is_hurried) {
        hurry(step);
        return;
    }
    rv_step_phase(step, run->phase, RV_CLOSING_INTERRUPT);
    rv_step_hold_times(step);
    for (uint32_t node = 0; node < run->node_count; node++)
        if (run->nodes[node].state == RV_NODE_RUNNING) rv_step_effect(step, RV_EFFECT_STOP, node, RV_DETAIL_SIGNALLED);
}

/* What has failed by now counts under fail-fast that is asked for now, or that an interrupt had kept from counting. */
static void look_for_failures(rv_step *step)
{
    const rv_run *run = step->run;
    for (uint32_t node = 0; node < run->node_count && !step->is_failing; node++) {
        bool is_bad = run->nodes[node].state == RV_NODE_FAILED || run->nodes[node].state == RV_NODE_DENIED;
        step->is_failing = is_bad && !run->nodes[node].next && rv_run_is_doomed_by(run, node);
    }
}

/* After a crash or an interrupt: go on. What ran was reported lost before or will be. */
static void on_resume(rv_step *step)
{
    rv_run *run = step->run;
    if (run->status == RV_RUN_INTERRUPTED) rv_step_emit(step, &(rv_event){.type = RV_EVENT_RUN_STATE, .state = RV_RUN_RUNNING});
    uint32_t goes_on = run->is_over_budget ? RV_CLOSING_BUDGET : run->violation.path ? RV_CLOSING_VIOLATION : RV_CLOSING_NO;
    if (run->closing == RV_CLOSING_INTERRUPT) rv_step_phase(step, run->phase, goes_on);
    if (rv_run_is_winding_down(run)) rv_step_call_off_idle(step, RV_CHANGE_SKIP, rv_run_skip_cause(run)); /* what is idle since */
    rv_step_release_times(step);
    if (run->fail_fast) look_for_failures(step);
    for (uint32_t node = 0; node < run->node_count; node++) {
        bool is_open_handler = rv_run_is_handler(run, node) && run->nodes[node].number == 0;
        if (run->nodes[node].state == RV_NODE_PENDING && run->nodes[node].gating == 0 && !is_open_handler) rv_run_work_push(run, node);
        bool may_begin = run->nodes[node].state == RV_NODE_READY && !rv_step_is_failing(step, node);
        if (may_begin && rv_run_kind(run, node) == RV_KIND_REDUCE) rv_step_reduce(step, node);
    }
}

static void on_tick_node(rv_step *step, uint32_t index)
{
    rv_run *run = step->run;
    rv_kind kind = rv_run_kind(run, index);
    if (run->nodes[index].state != RV_NODE_WAITING) return;
    switch ((rv_detail)run->nodes[index].detail) {
    case RV_DETAIL_TIMER:
        if (kind != RV_KIND_WAIT) {
            rv_step_allow(step, index, RV_CHANGE_RETRY);
        } else if (rv_run_gate(run, index)->is_until && step->now.wall_ms < rv_run_gate(run, index)->ms) { /* the wall clock was set back */
            rv_step_timer(step, index, rv_time_after(step->now.engine_ms, rv_run_gate(run, index)->ms - step->now.wall_ms),
                          RV_TIMER_NODE);
        } else {
            rv_step_succeed(step, index, RV_DETAIL_FRESH);
        }
        break;
    case RV_DETAIL_INPUT:
        if (rv_run_gate(run, index)->fallback.size) {
            rv_buf value = {0};
            rv_buf_printf(&value, "{\"value\":%.*s}", RV_FMT(rv_graph_str(rv_run_graph(run, index), rv_run_gate(run, index)->fallback)));
            rv_step_emit(step, &(rv_event){.type = RV_EVENT_RESULT, .node = index, .value = rv_buf_str(&value)});
            rv_buf_deinit(&value);
            rv_step_succeed(step, index, RV_DETAIL_FRESH);
            break;
        }
        rv_step_error(step, index, RV_STR("nobody answered before the deadline"));
        rv_step_node(step, index, RV_CHANGE_FAIL, RV_DETAIL_DEADLINE, index + 1);
        break;
    case RV_DETAIL_APPROVAL:
        rv_step_error(step, index, RV_STR("nobody decided before the deadline"));
        rv_step_node(step, index, RV_CHANGE_FAIL, RV_DETAIL_DEADLINE, index + 1);
        break;
    /* no other detail waits for a time */
#define X(name_, text_, group_) case RV_DETAIL_##name_:
    X(NONE,,) X(QUESTION,,) X(EVENT,,) X(CHILDREN,,) X(BUDGET,,) X(UNKNOWN_OUTCOME,,) X(FRESH,,) X(CACHE,,) X(REPLAY,,) X(PERSON,,)
    X(CONDITION,,) X(PRUNED,,) X(UPSTREAM,,) X(OVER_BUDGET,,) X(VIOLATION,,) X(FAIL_FAST,,) X(SIGNALLED,,) X(RUN_CANCELLED,,)
    X(UPSTREAM_CANCELLED,,) X(SUPERSEDED,,) X(EXIT,,) X(SIGNAL,,) X(TIMEOUT,,) X(START,,) X(WAIT,,) X(CAPTURE,,) X(OUTPUT_NOT_REGULAR,,)
    X(OUTPUT_MISSING,,) X(OUTPUT_PATH,,) X(SCHEMA,,) X(REJECTED,,) X(DENIED,,) X(LOST,,) X(UNAVAILABLE,,) X(VALUE,,) X(REDUCER,,)
    X(DEADLINE,,) X(BRANCH,,) X(JUDGE,,) X(ITERATION,,) X(CHILDREN_FAILED,,) X(REVISE_MAX,,) X(BUDGET_SPENT,,) X(COUNT,,)
#undef X
        break;
    }
}

static void on_tick(rv_step *step)
{
    rv_run *run = step->run;
    rv_timer_item item;
    while (rv_run_timer_pop(run, step->now.engine_ms, &item)) {
        if (item.kind == RV_TIMER_RUN) {
            rv_step_timer(step, RV_NONE, 0, RV_TIMER_RUN);
            rv_step_close(step, RV_CLOSING_TIMEOUT);
        } else if (item.kind == RV_TIMER_NODE) {
            rv_step_timer(step, item.node, 0, RV_TIMER_NODE);
            on_tick_node(step, item.node);
        } else if (run->nodes[item.node].state == RV_NODE_RUNNING || run->nodes[item.node].detail == RV_DETAIL_UNKNOWN_OUTCOME) {
            rv_step_timer(step, item.node, 0, RV_TIMER_TOTAL);
            rv_step_emit(step, &(rv_event){.type = RV_EVENT_EXPIRED, .node = item.node});
            if (run->nodes[item.node].state == RV_NODE_RUNNING) rv_step_effect(step, RV_EFFECT_STOP, item.node, RV_DETAIL_TIMEOUT);
        } else if (run->nodes[item.node].state != RV_NODE_PENDING) {
            rv_step_error(step, item.node, RV_STR("timeout_total has passed"));
            rv_step_node(step, item.node, RV_CHANGE_FAIL, RV_DETAIL_TIMEOUT, item.node + 1);
        } else { /* as a journal may have it in which the time of what had not begun went on: it begins when the node does */
            rv_step_timer(step, item.node, 0, RV_TIMER_TOTAL);
        }
    }
}

/* Critical: everything is called off at once; what still runs is told to stop and comes back stale [K61]. */
static void on_preempt(rv_step *step)
{
    rv_run *run = step->run;
    rv_step_phase(step, run->phase, RV_CLOSING_CANCEL);
    for (uint32_t node = 0; node < run->node_count; node++) {
        bool was_running = run->nodes[node].state == RV_NODE_RUNNING;
        if (rv_node_state_is_terminal((rv_node_state)run->nodes[node].state)) continue;
        if (was_running) rv_step_effect(step, RV_EFFECT_STOP, node, RV_DETAIL_SIGNALLED);
        if (was_running) rv_step_attempt(step, node, RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED);
        rv_step_node(step, node, RV_CHANGE_CANCEL, was_running ? RV_DETAIL_SIGNALLED : RV_DETAIL_RUN_CANCELLED, node + 1);
    }
    rv_run_work_clear(run); /* all of them are terminal now */
}

static void decide(rv_step *step)
{
    switch (step->input->type) {
    case RV_EVENT_LOAD: on_load(step); break;
    case RV_EVENT_ADMITTED: on_admitted(step); break;
    case RV_EVENT_STARTED: rv_step_attempt(step, step->input->node, RV_ATTEMPT_RUNNING, RV_DETAIL_NONE); break;
    case RV_EVENT_COMPLETED: on_completed(step); break;
    case RV_EVENT_LOST: on_lost(step); break;
    case RV_EVENT_ADOPT: on_adopt(step); break;
    case RV_EVENT_CACHED: on_cached(step); break;
    case RV_EVENT_VIOLATION: on_violation(step); break;
    case RV_EVENT_ANSWER: on_answer(step); break;
    case RV_EVENT_DECIDED: on_decided(step); break;
    case RV_EVENT_SIGNAL: on_signal(step); break;
    case RV_EVENT_SUBMIT: rv_step_submitted(step); break;
    case RV_EVENT_ASK: rv_step_ask(step); break;
    case RV_EVENT_STEER: /* its stored part is kept; who runs is told */
        if (step->run->nodes[step->input->node].state == RV_NODE_RUNNING)
            rv_step_effect(step, RV_EFFECT_STEER, step->input->node, RV_DETAIL_NONE);
        break;
    case RV_EVENT_INTERRUPT: on_interrupt(step); break;
    case RV_EVENT_CANCEL: rv_step_close(step, RV_CLOSING_CANCEL); break;
    case RV_EVENT_PREEMPT: on_preempt(step); break;
    case RV_EVENT_TICK: on_tick(step); break;
    case RV_EVENT_RESUME: on_resume(step); break;
    case RV_EVENT_USAGE: rv_step_usage(step); break;
    case RV_EVENT_BUDGET: case RV_EVENT_QUOTA: break; /* likewise; rv_step_budgets looks at it */
    case RV_EVENT_FAIL_FAST: look_for_failures(step); break; /* its stored part is all; rv_step_finish looks at it */
    case RV_EVENT_RUN_STATE: case RV_EVENT_NODE_STATE: case RV_EVENT_NODE_TIMER: case RV_EVENT_ATTEMPT_STATE: case RV_EVENT_RESULT:
    case RV_EVENT_KEPT: case RV_EVENT_NOTE: case RV_EVENT_ERROR_TEXT: case RV_EVENT_EXPIRED: case RV_EVENT_CLOCK: case RV_EVENT_PHASE:
    case RV_EVENT_CONTROL: case RV_EVENT_GREW: case RV_EVENT_MATCH: case RV_EVENT_REVISED: case RV_EVENT_CALLED_OFF:
    case RV_EVENT_SIGNAL_KEPT: case RV_EVENT_SIGNAL_TAKEN: case RV_EVENT_SUBMITTED:
    case RV_EVENT_RESERVED: case RV_EVENT_RAISED: case RV_EVENT_SPENT: case RV_EVENT_WARNED: case RV_EVENT_GATE: case RV_EVENT_OVERSPENT:
    case RV_EVENT_TYPE_MAX: RV_UNREACHABLE();
    }
}

/* What was dropped is said by name [P9]. */
#define X(name_, number_, text_, ...) [number_] = "came too late and changed nothing: " text_,
static const char *const late_texts[RV_EVENT_TYPE_MAX] = {RV_EVENT_MAP(X)};
#undef X

/* A row has one time; a step at another one is preceded by it, so that deciding again decides at the same instants. */
static void tell_time(rv_step *step)
{
    rv_out *out = step->out;
    rv_now now = step->now;
    if (out->event_count == 0) out->first_now = now;
    else if (now.wall_ms != out->last_now.wall_ms || now.engine_ms != out->last_now.engine_ms)
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_CLOCK, .node = RV_NONE, .seed = (uint64_t)now.wall_ms, .due_ms = now.engine_ms});
    out->last_now = now;
}

rv_answer rv_run_step(rv_run *run, const rv_event *input, rv_now now, rv_out *out)
{
    rv_step step = {.run = run, .input = input, .now = now, .out = out};
    rv_answer answer = guard(run, input);
    rv_event submit;
    if (answer == RV_ANSWER_TAKEN && input->type == RV_EVENT_SUBMIT) {
        submit = *input;
        answer = rv_submission_guard(run, input, &submit.graph);
        step.input = input = &submit;
    }
    if (answer == RV_ANSWER_STALE && rv_run_state_is_terminal((rv_run_state)run->status)) return answer;
    if (answer == RV_ANSWER_STALE && input->type != RV_EVENT_TICK && input->type != RV_EVENT_STARTED) {
        rv_event none = {.type = RV_EVENT_TICK};
        step.input = &none;
        tell_time(&step);
        rv_step_note(&step, input->node < run->node_count ? input->node : RV_NONE, late_texts[input->type]);
    }
    if (answer != RV_ANSWER_TAKEN) return answer;
    int64_t due_ms = rv_run_due_ms(run);
    bool was_still = rv_run_stands_still(run);
    tell_time(&step);
    rv_step_emit(&step, input);
    decide(&step);
    rv_step_finish(&step);
    rv_step_stand(&step, was_still);
    if (rv_run_due_ms(run) != due_ms) rv_step_effect(&step, RV_EFFECT_ARM_TIMER, RV_NONE, RV_DETAIL_NONE);
    return answer;
}
