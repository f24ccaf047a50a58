#include "kernel/run_private.h"

/* What a step decides about budgets, quotas and trust: may a node start, what did its attempt cost, who goes on. */

/* ---- a start ---- */

static void tell_gate(rv_step *step, uint32_t node, rv_gate_kind kind, const char *stage, const char *reason)
{
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_GATE, .node = node, .state = kind, .key = rv_str_of(stage), .text = rv_str_of(reason)});
}

static void deny(rv_step *step, uint32_t node, const char *stage, const char *reason)
{
    rv_buf text = {0};
    tell_gate(step, node, RV_GATE_DENY, stage, reason);
    rv_buf_printf(&text, "denied at stage %s: %s", stage, reason);
    rv_step_error(step, node, rv_buf_str(&text));
    rv_buf_deinit(&text);
    rv_step_node(step, node, RV_CHANGE_DENY, RV_DETAIL_DENIED, node + 1);
}

/* A node, or a controller with what is beneath it, does not fit its own limits. */
static void fail_over(rv_step *step, uint32_t node, const char *reason)
{
    rv_step_error(step, node, rv_str_of(reason));
    rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_BUDGET_SPENT, node + 1);
    if (step->run->nodes[node].control) rv_step_call_off_children(step, node);
}

/* The run goes no further: what runs may finish, the rest is skipped. */
static void stop_run(rv_step *step)
{
    rv_step_effect(step, RV_EFFECT_NOTE, RV_NONE, RV_DETAIL_OVER_BUDGET);
    rv_step_phase(step, step->run->phase, RV_CLOSING_BUDGET);
    rv_step_call_off_idle(step, RV_CHANGE_SKIP, RV_DETAIL_OVER_BUDGET);
}

static void lack(rv_step *step, uint32_t node, const rv_gate_answer *answer)
{
    const rv_shortage *shortage = &answer->shortage;
    tell_gate(step, node, shortage->at_limit == RV_AT_LIMIT_PAUSE ? RV_GATE_ASK : RV_GATE_DENY, answer->stage, answer->reason);
    if (shortage->owner != RV_NONE) {
        fail_over(step, shortage->owner, answer->reason);
    } else if (shortage->at_limit == RV_AT_LIMIT_STOP) {
        stop_run(step);
    } else {
        rv_step_node(step, node, RV_CHANGE_PARK, RV_DETAIL_BUDGET, 0);
        rv_step_effect(step, RV_EFFECT_PARK, node, RV_DETAIL_BUDGET);
    }
}

static void reserve(rv_step *step, uint32_t node)
{
    int64_t wants[RV_DIMENSION_COUNT];
    rv_budget_wants(step->run, node, wants);
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_RESERVED, .node = node, .due_ms = step->now.engine_ms,
                                   .cost = wants[RV_DIMENSION_USD], .amount = wants[RV_DIMENSION_TOKENS]});
}

bool rv_step_may_start(rv_step *step, uint32_t node)
{
    rv_gate_request request = {.verb = RV_GATE_VERB_SPAWN, .node = node, .now = step->now};
    rv_gate_answer answer = rv_gate(step->run, &request);
    switch (answer.kind) {
    case RV_GATE_ALLOW:
        if (rv_run_is_counted(step->run) && !rv_run_is_handler(step->run, node)) reserve(step, node);
        break;
    case RV_GATE_DENY:
    case RV_GATE_ASK:
        if (answer.is_budget) lack(step, node, &answer);
        else deny(step, node, answer.stage, answer.reason);
        break;
    case RV_GATE_DEFER:
    case RV_GATE_RATE_LIMITED: tell_gate(step, node, answer.kind, answer.stage, answer.reason); break;
    case RV_GATE_COUNT: RV_UNREACHABLE();
    }
    return answer.kind == RV_GATE_ALLOW;
}

/* ---- growth ---- */

bool rv_step_denies_growth(rv_step *step, uint32_t node, uint32_t count)
{
    rv_gate_answer answer = rv_gate_growth(step->run, node, count, false);
    if (answer.kind == RV_GATE_ALLOW) return false;
    deny(step, node, answer.stage, answer.reason);
    rv_step_call_off_children(step, node);
    return true;
}

bool rv_step_denies_revision(rv_step *step, uint32_t node, uint32_t count)
{
    rv_gate_answer answer = rv_gate_growth(step->run, node, count, true);
    if (answer.kind == RV_GATE_ALLOW) return false;
    deny(step, node, answer.stage, answer.reason);
    return true;
}

/* ---- the end of an attempt ---- */

/* What an attempt reported is what it is charged; one that was lost may have spent all that was reserved for it. */
void rv_step_settle(rv_step *step, uint32_t node, rv_attempt_state state)
{
    const rv_account *account = &step->run->accounts.at[step->run->nodes[node].account - 1];
    bool has_report = account->reported[RV_DIMENSION_USD] || account->reported[RV_DIMENSION_TOKENS] || account->reported_cached;
    bool is_lost = state == RV_ATTEMPT_LOST || state == RV_ATTEMPT_UNKNOWN;
    int64_t actual[RV_HELD_COUNT];
    if (!account->is_open && !has_report) return;
    for (uint32_t d = 0; d < RV_HELD_COUNT; d++)
        actual[d] = is_lost ? RV_MAX(account->reported[d], account->held[d]) : account->reported[d];
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_SPENT, .node = node, .due_ms = step->now.engine_ms, .cost = actual[RV_DIMENSION_USD],
                                   .amount = actual[RV_DIMENSION_TOKENS], .tokens_cached = (uint64_t)account->reported_cached});
}

/* More than its reservation: that is raised while the budget has room, else the attempt is stopped [P10]. */
void rv_step_usage(rv_step *step)
{
    rv_run *run = step->run;
    uint32_t node = step->input->node;
    const rv_account *account = &run->accounts.at[run->nodes[node].account - 1];
    int64_t more[RV_DIMENSION_COUNT] = {0};
    rv_shortage shortage;
    for (uint32_t d = 0; d < RV_HELD_COUNT; d++) more[d] = RV_MAX(account->reported[d] - account->held[d], 0);
    bool is_beyond = more[RV_DIMENSION_USD] || more[RV_DIMENSION_TOKENS];
    if (!account->is_open || !is_beyond || (step->input->flags & RV_USAGE_FINAL)) return;
    if (rv_budget_fits(run, node, more, step->now.engine_ms, &shortage)) {
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_RAISED, .node = node, .cost = more[RV_DIMENSION_USD],
                                       .amount = more[RV_DIMENSION_TOKENS]});
    } else if (!(run->nodes[node].flags & RV_NODE_R_OVERSPENT)) {
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_OVERSPENT, .node = node});
        rv_step_effect(step, RV_EFFECT_STOP, node, RV_DETAIL_BUDGET_SPENT);
    }
}

void rv_step_overspent(rv_step *step, uint32_t node)
{
    const rv_run *run = step->run;
    bool may_wait = run->limits.at_limit == RV_AT_LIMIT_PAUSE && run->closing == RV_CLOSING_NO && !rv_budget_is_over(run, node, true);
    if (may_wait) {
        rv_step_node(step, node, RV_CHANGE_PARK, RV_DETAIL_BUDGET, 0);
        rv_step_effect(step, RV_EFFECT_PARK, node, RV_DETAIL_BUDGET);
        return;
    }
    rv_step_error(step, node, RV_STR("it was stopped: it spent more than was reserved for it, and its budget has no more"));
    rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_BUDGET_SPENT, node + 1);
}

/* ---- the end of a step ---- */

/* What passed a limit that only warns is said once a dimension. */
static void warn_of(rv_step *step, uint32_t owner, const int64_t *limit, const int64_t *elsewhere, uint32_t limits)
{
    rv_purse purse = rv_run_purse(step->run, owner);
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++) {
        bool is_over = limits >> d & 1 && purse.spent[d] + (elsewhere ? elsewhere[d] : 0) > limit[d];
        if (!is_over || purse.warned >> d & 1) continue;
        rv_buf text = {0};
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_WARNED, .node = owner, .state = d});
        rv_buf_cstring(&text, owner == RV_NONE ? "the run's budget is passed: " : "its budget is passed: ");
        rv_budget_words((rv_dimension)d, limit[d], &text);
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_NOTE, .node = owner, .detail = RV_DETAIL_BUDGET, .text = rv_buf_str(&text)});
        rv_step_effect(step, RV_EFFECT_NOTE, owner, RV_DETAIL_BUDGET);
        rv_buf_deinit(&text);
    }
}

/* A controller whose children have passed its limit. */
static void look_at_owner(rv_step *step, uint32_t owner)
{
    const rv_run *run = step->run;
    uint32_t index = rv_run_def(run, owner)->budget;
    if (index == 0) return;
    const rv_budget_def *own = &rv_run_graph(run, owner)->budgets[index - 1];
    bool is_open = run->nodes[owner].state == RV_NODE_WAITING && run->nodes[owner].control;
    if (own->at_limit == RV_AT_LIMIT_WARN) warn_of(step, owner, own->limit, NULL, own->limits);
    else if (is_open && rv_budget_is_over(run, owner, false)) fail_over(step, owner, "what is beneath it has spent more than its budget");
}

static void go_on(rv_step *step)
{
    rv_run *run = step->run;
    bool is_open = run->status == RV_RUN_RUNNING && run->closing == RV_CLOSING_NO;
    for (uint32_t node = 0; node < run->node_count && run->paused && is_open; node++) {
        int64_t wants[RV_DIMENSION_COUNT];
        rv_shortage shortage;
        if (run->nodes[node].state != RV_NODE_WAITING || run->nodes[node].detail != RV_DETAIL_BUDGET) continue;
        rv_budget_wants(run, node, wants);
        if (!rv_budget_fits(run, node, wants, step->now.engine_ms, &shortage) && shortage.owner == RV_NONE) continue;
        rv_step_node(step, node, RV_CHANGE_RETRY, RV_DETAIL_NONE, 0);
    }
}

void rv_step_budgets(rv_step *step)
{
    rv_run *run = step->run;
    const rv_limits *limits = &run->limits;
    bool has_node = rv_event_fields(step->input->type) & RV_F_NODE;
    uint32_t node = has_node ? step->input->node : RV_NONE;
    for (uint32_t owner = node; owner != RV_NONE; owner = rv_run_place(run, owner)->parent) look_at_owner(step, owner);
    if (limits->at_limit == RV_AT_LIMIT_WARN) warn_of(step, RV_NONE, limits->limit, limits->elsewhere, limits->limits);
    if (run->paused) go_on(step);
}
