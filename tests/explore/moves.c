#include "moves.h"

typedef struct context {
    const rv_run *run;
    rv_now now;
    uint32_t groups, attempts_max;
    const move_world *world;
    move_list *out;
} context;

static move *add(const context *c, rv_event event, move_hope hope)
{
    move made = {.event = event, .hope = hope};
    rv_vec_push(c->out, made);
    return &c->out->at[c->out->count - 1];
}

static rv_event about(const context *c, rv_event_type type, uint32_t node)
{
    return (rv_event){.type = type, .node = node, .epoch = c->run->nodes[node].epoch, .exit_status = -1, .signal = -1};
}

static move *add_completion(const context *c, uint32_t node, rv_attempt_state state, rv_detail detail, int32_t exit_status)
{
    rv_event event = about(c, RV_EVENT_COMPLETED, node);
    event.state = state;
    event.detail = detail;
    event.exit_status = exit_status;
    if (state == RV_ATTEMPT_ERROR) event.text = RV_STR("it failed");
    if (state == RV_ATTEMPT_OK) event.value = RV_STR("{\"n\":1}"), event.output = RV_STR("out");
    move *made = add(c, event, MOVE_MUST);
    made->is_progress = state != RV_ATTEMPT_CANCELLED;
    return made;
}

/* Its work was done before [A3]: taken where it has not begun and may. */
static move *add_hit(const context *c, uint32_t node)
{
    const rv_run *run = c->run;
    bool is_ready = run->nodes[node].state == RV_NODE_READY;
    bool is_open = run->status == RV_RUN_RUNNING && run->closing != RV_CLOSING_INTERRUPT;
    rv_event event = about(c, RV_EVENT_CACHED, node);
    event.exit_status = 0;
    event.key = RV_STR("sha256:00");
    event.value = RV_STR("{\"n\":1}");
    event.output = RV_STR("out");
    move *made = add(c, event, is_ready && is_open ? MOVE_MUST : MOVE_MUST_NOT);
    made->is_progress = is_ready;
    return made;
}

/* It runs and ends well, or it need not run. */
static move *add_success(const context *c, uint32_t node)
{
    bool runs = c->run->nodes[node].state == RV_NODE_RUNNING;
    return runs ? add_completion(c, node, RV_ATTEMPT_OK, RV_DETAIL_NONE, 0) : add_hit(c, node);
}

/* What a child can say to its controller: the first of them stands for all others. */
static void list_successes(const context *c, uint32_t node)
{
    static const char *const judged[] = {"{\"winner\":\"left\"}", "{\"winner\":\"right\"}", "{\"winner\":\"nobody\"}"};
    static const char *const classified[] = {"{\"branch\":\"x\"}", "{\"branch\":\"y\"}", "{\"branch\":\"z\"}"};
    static const char *const iterated[] = {"{\"n\":1}", "{\"continue\":false}", "{\"n\":9}"};
    const char *const *results = NULL;
    switch ((rv_scope_role)rv_run_place(c->run, node)->role) {
    case RV_SCOPE_JUDGE: results = judged; break;
    case RV_SCOPE_CLASSIFIER: results = classified; break;
    case RV_SCOPE_ITERATION: results = iterated; break;
    case RV_SCOPE_FILE: case RV_SCOPE_HANDLERS: case RV_SCOPE_ITEM: case RV_SCOPE_ENTRANT: case RV_SCOPE_WORKFLOW:
    case RV_SCOPE_REVISION: case RV_SCOPE_SUBMITTED: case RV_SCOPE_COUNT: break;
    }
    add_success(c, node);
    if (!results && rv_run_def(c->run, node)->revise) results = iterated;
    if (!results) return;
    c->out->at[c->out->count - 1].event.value = rv_str_of(results[0]);
    for (uint32_t i = 1; i < 3; i++) add_success(c, node)->event.value = rv_str_of(results[i]);
}

static void add_lost(const context *c, uint32_t node, uint32_t flags)
{
    rv_event event = about(c, RV_EVENT_LOST, node);
    event.flags = flags;
    move *made = add(c, event, MOVE_MUST);
    made->is_recovery = !(flags & RV_LOST_STOPPED);
}

/* ---- at a node that runs ---- */

/* Whether no other attempt follows, however this one ends. A handler runs on in a run that was called off. */
static bool is_called_off(const context *c, uint32_t node)
{
    const rv_run *run = c->run;
    if (run->nodes[node].flags & (RV_NODE_R_EXPIRED | RV_NODE_R_CALLED_OFF)) return true;
    if (rv_run_is_handler(run, node) && !run->is_hurried) return false;
    return run->closing == RV_CLOSING_CANCEL || run->closing == RV_CLOSING_TIMEOUT;
}

static void list_losses(const context *c, uint32_t node, bool may_go_on)
{
    const rv_node_run *at = &c->run->nodes[node];
    const rv_policy *policy = rv_run_policy(c->run, node);
    bool is_once = policy->delivery == RV_DELIVERY_AT_MOST_ONCE;
    bool loss_is_last = is_once ? policy->on_unknown != RV_ON_UNKNOWN_RETRY : at->losses >= policy->lost_max;
    if (may_go_on || loss_is_last) add_lost(c, node, RV_LOST_WAS_STARTED);
    if (!may_go_on) return;
    add_lost(c, node, RV_LOST_NEVER_STARTED);
    add_lost(c, node, 0);
    add_lost(c, node, RV_LOST_STOPPED);
}

/* ---- money ---- */

#define LIMIT_MAX 12 /* micro-dollars: to which people raise a budget */

/* It has spent more than it had said so far: what was reserved for it or less, or more than that. */
static void list_spend(const context *c, uint32_t node)
{
    const rv_run *run = c->run;
    uint32_t index = run->nodes[node].account;
    int64_t said = index ? run->accounts.at[index - 1].reported[RV_DIMENSION_USD] : 0;
    for (int64_t cost = 1; cost <= 3; cost += 2) {
        rv_event event = about(c, RV_EVENT_USAGE, node);
        event.cost = cost;
        if (cost > said) add(c, event, MOVE_MUST);
        event.flags = RV_USAGE_FINAL;
        if (cost > said) add(c, event, MOVE_MUST);
        event.epoch++;
        if (cost > said) add(c, event, MOVE_MUST_NOT);
    }
}

/* Somebody adds to the budget: before it is asked for, and as long as it is. */
static void list_budget(const context *c)
{
    const rv_run *run = c->run;
    if (!(run->limits.limits >> RV_DIMENSION_USD & 1)) return;
    bool is_over = rv_run_state_is_terminal((rv_run_state)run->status), is_early = run->limits.limit[RV_DIMENSION_USD] <= 4;
    if (!is_over && !is_early && (!run->paused || run->limits.limit[RV_DIMENSION_USD] >= LIMIT_MAX)) return;
    rv_event event = {.type = RV_EVENT_BUDGET, .node = RV_NONE, .state = RV_DIMENSION_USD, .amount = 4, .exit_status = -1, .signal = -1};
    add(c, event, is_over ? MOVE_MUST_NOT : MOVE_MUST)->is_progress = !is_over;
    event.state = RV_DIMENSION_COUNT;
    add(c, event, MOVE_MUST_NOT);
}

/* ---- submissions ---- */

static void list_submissions(const context *c, uint32_t node)
{
    bool may = rv_str_is(rv_graph_str(rv_run_graph(c->run, node), rv_run_def(c->run, node)->name), "submits");
    for (uint32_t i = 0; i < c->world->submission_count && may; i++) {
        const move_submission *given = &c->world->submissions[i];
        uint32_t known = rv_run_submission(c->run, node, rv_str_of(given->key));
        bool is_same = known != RV_NONE && rv_str_eq(c->run->submissions.at[known].digest, given->digest);
        rv_event event = about(c, RV_EVENT_SUBMIT, node);
        event.key = rv_str_of(given->key);
        event.value = given->definition;
        event.text = given->digest;
        add(c, event, known == RV_NONE ? MOVE_MAY : is_same ? MOVE_MUST : MOVE_MUST_NOT);
        event.epoch++;
        add(c, event, MOVE_MUST_NOT);
    }
}

static void list_running(const context *c, uint32_t node)
{
    const rv_node_run *at = &c->run->nodes[node];
    if (c->groups & MOVES_SPEND) list_spend(c, node);
    if (c->groups & MOVES_SUBMIT) list_submissions(c, node);
    bool may_go_on = at->number < c->attempts_max || is_called_off(c, node);
    if ((c->groups & MOVES_STARTED) && at->attempt == RV_ATTEMPT_STARTING)
        add(c, about(c, RV_EVENT_STARTED, node), MOVE_MUST)->is_progress = true;
    list_successes(c, node);
    if (c->groups & MOVES_FAILURES) add_completion(c, node, RV_ATTEMPT_ERROR, RV_DETAIL_START, -1); /* never tried again */
    if ((c->groups & MOVES_FAILURES) && may_go_on) add_completion(c, node, RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 7);
    if (c->groups & MOVES_OUTCOMES) {
        add_completion(c, node, RV_ATTEMPT_OK, RV_DETAIL_CACHE, 0);
        add_completion(c, node, RV_ATTEMPT_PARTIAL, RV_DETAIL_NONE, 0);
        add_completion(c, node, RV_ATTEMPT_DENIED, RV_DETAIL_DENIED, -1);
        if (may_go_on) add_completion(c, node, RV_ATTEMPT_TIMEOUT, RV_DETAIL_TIMEOUT, -1);
    }
    bool is_overspent = at->flags & RV_NODE_R_OVERSPENT;
    bool is_stopped = is_called_off(c, node) || is_overspent || c->run->closing == RV_CLOSING_INTERRUPT;
    if (is_stopped && may_go_on) add_completion(c, node, RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    if (c->groups & MOVES_LOSSES) list_losses(c, node, may_go_on);
    if (c->groups & MOVES_CACHE) add_hit(c, node); /* looked up before it began, said after */
    rv_event stale = about(c, RV_EVENT_COMPLETED, node); /* of an attempt before, of one that never was */
    stale.state = RV_ATTEMPT_OK;
    stale.epoch--;
    add(c, stale, MOVE_MUST_NOT);
    stale.epoch += 2;
    add(c, stale, MOVE_MUST_NOT);
}

/* ---- at a node that waits, or will ---- */

static void add_decision(const context *c, uint32_t node, rv_decision decision, move_hope hope)
{
    rv_event event = about(c, RV_EVENT_DECIDED, node);
    event.state = decision;
    event.value = RV_STR("{\"by\":\"hand\"}");
    add(c, event, hope)->is_progress = hope != MOVE_MUST_NOT;
}

static void list_people(const context *c, uint32_t node)
{
    const rv_node_run *at = &c->run->nodes[node];
    rv_kind kind = (rv_kind)rv_run_def(c->run, node)->kind;
    bool is_over = rv_node_state_is_terminal((rv_node_state)at->state), waits = at->state == RV_NODE_WAITING;
    if (kind == RV_KIND_INPUT) {
        rv_event event = about(c, RV_EVENT_ANSWER, node);
        event.value = RV_STR("{\"value\":4}");
        bool is_late = is_over || (at->flags & RV_NODE_R_KEPT);
        add(c, event, is_late ? MOVE_MUST_NOT : MOVE_MUST)->is_progress = !is_late && waits;
    }
    if (kind != RV_KIND_APPROVE && waits && at->detail == RV_DETAIL_APPROVAL) { /* a back-edge at its maximum */
        add_decision(c, node, RV_DECISION_APPROVE, MOVE_MUST);
        add_decision(c, node, RV_DECISION_REJECT, MOVE_MUST);
    }
    if (kind == RV_KIND_APPROVE) {
        bool is_asked = waits && at->detail == RV_DETAIL_APPROVAL;
        add_decision(c, node, RV_DECISION_APPROVE, is_asked ? MOVE_MUST : MOVE_MUST_NOT);
        add_decision(c, node, RV_DECISION_REJECT, is_asked ? MOVE_MUST : MOVE_MUST_NOT);
        add_decision(c, node, RV_DECISION_AGAIN, MOVE_MUST_NOT);
    }
    if (waits && at->detail == RV_DETAIL_UNKNOWN_OUTCOME) {
        add_decision(c, node, RV_DECISION_DONE, MOVE_MUST);
        add_decision(c, node, RV_DECISION_FAILED, MOVE_MUST);
        add_decision(c, node, RV_DECISION_APPROVE, MOVE_MUST_NOT);
        if (at->number < c->attempts_max) add_decision(c, node, RV_DECISION_AGAIN, MOVE_MUST);
    }
}

static void list_idle(const context *c, uint32_t node)
{
    const rv_run *run = c->run;
    const rv_node_run *at = &run->nodes[node];
    bool is_open = run->status == RV_RUN_RUNNING && run->closing != RV_CLOSING_INTERRUPT;
    bool is_ready = at->state == RV_NODE_READY;
    add(c, about(c, RV_EVENT_ADMITTED, node), is_ready && is_open ? MOVE_MUST : MOVE_MUST_NOT)->is_progress = is_ready;
    rv_event twice = about(c, RV_EVENT_COMPLETED, node); /* what ended it, or what never ran, once more */
    twice.state = RV_ATTEMPT_OK;
    add(c, twice, MOVE_MUST_NOT);
    twice.type = RV_EVENT_LOST;
    add(c, twice, MOVE_MUST_NOT);
    if (c->groups & MOVES_CACHE) list_successes(c, node);
    if (!(c->groups & MOVES_ADOPT)) return;
    bool is_adoptable = run->status == RV_RUN_RUNNING && (is_ready || at->state == RV_NODE_WAITING);
    rv_event adopt = about(c, RV_EVENT_ADOPT, node);
    adopt.exit_status = 0;
    adopt.value = RV_STR("{\"n\":2}");
    add(c, adopt, is_adoptable ? MOVE_MUST : MOVE_MUST_NOT);
}

/* ---- to the run ---- */

int64_t explored_due_ms(const rv_run *run)
{
    int64_t due_ms = run->due_ms > 0 ? run->due_ms : INT64_MAX;
    for (uint32_t n = 0; n < run->node_count; n++) {
        const rv_node_run *node = &run->nodes[n];
        if (rv_node_state_is_terminal((rv_node_state)node->state)) continue;
        if (node->due_ms > 0) due_ms = RV_MIN(due_ms, node->due_ms);
        if (node->total_due_ms > 0) due_ms = RV_MIN(due_ms, node->total_due_ms);
    }
    return due_ms == INT64_MAX || run->status != RV_RUN_RUNNING ? 0 : due_ms;
}

static void list_run(const context *c)
{
    const rv_run *run = c->run;
    bool is_live = run->status == RV_RUN_RUNNING, is_over = rv_run_state_is_terminal((rv_run_state)run->status);
    rv_event event = {.node = RV_NONE, .exit_status = -1, .signal = -1};
    int64_t due_ms = explored_due_ms(run); /* not rv_run_due_ms, which may be of a stale item: that passes without a trace */
    event.type = RV_EVENT_TICK;
    move *tick = add(c, event, is_live ? MOVE_MUST : MOVE_MUST_NOT);
    tick->is_progress = true;
    tick->later_ms = due_ms ? RV_MAX(due_ms - c->now.engine_ms, 0) : 0;
    event.type = RV_EVENT_LOAD;
    event.key = RV_STR("run-1");
    event.seed = 42;
    event.value = RV_STR("{\"user\":{},\"env\":{}}");
    add(c, event, run->status == RV_RUN_ACCEPTED ? MOVE_MUST : MOVE_MUST_NOT)->is_progress = true;
    event = (rv_event){.node = RV_NONE, .exit_status = -1, .signal = -1};
    event.type = RV_EVENT_NODE_STATE; /* a fact is decided here, not given */
    event.node = 0;
    add(c, event, MOVE_MUST_NOT);
    event.node = RV_NONE;
    event.type = RV_EVENT_RESUME;
    move *resume = add(c, event, is_over || run->status == RV_RUN_ACCEPTED ? MOVE_MUST_NOT : MOVE_MUST);
    resume->is_recovery = true;
    resume->is_progress = true;
    if (c->groups & MOVES_INTERRUPTS) {
        event.type = RV_EVENT_INTERRUPT;
        event.signal = 2;
        add(c, event, is_live && run->closing != RV_CLOSING_INTERRUPT && !run->is_hurried ? MOVE_MUST : MOVE_MUST_NOT);
    }
    if (c->groups & MOVES_ENDS) {
        event.type = RV_EVENT_CANCEL;
        bool is_cancelled = is_over || run->closing == RV_CLOSING_CANCEL;
        add(c, event, is_cancelled ? MOVE_MUST_NOT : MOVE_MUST);
        event.flags = RV_CANCEL_UNDRIVEN;
        if (run->graph->plain_count < run->graph->node_count) add(c, event, is_cancelled ? MOVE_MUST_NOT : MOVE_MUST);
        event.flags = 0;
        event.type = RV_EVENT_PREEMPT;
        add(c, event, is_live ? MOVE_MUST : MOVE_MUST_NOT);
    }
    event.type = RV_EVENT_FAIL_FAST;
    if (c->groups & MOVES_FAIL_FAST) add(c, event, is_live ? MOVE_MUST : MOVE_MUST_NOT);
}

/* The first node and the last made the same file [A8]: once, as long as the graph goes on. */
static void list_violations(const context *c)
{
    const rv_run *run = c->run;
    bool may_close = run->closing == RV_CLOSING_NO || run->closing == RV_CLOSING_INTERRUPT || run->closing == RV_CLOSING_FAIL_FAST;
    bool is_due = run->status == RV_RUN_RUNNING && run->phase == RV_PHASE_GRAPH && may_close && !run->violation.path;
    rv_event event = {.type = RV_EVENT_VIOLATION, .node = 0, .root = run->node_count, .state = RV_VIOLATION_OVERLAP, .exit_status = -1,
                      .signal = -1, .key = RV_STR("out/x")};
    add(c, event, is_due ? MOVE_MUST : MOVE_MUST_NOT);
    event.root = 0;
    add(c, event, MOVE_MUST_NOT);
}

/* The event that some waits of the graph are for, at most twice ahead of them. */
static void list_events(const context *c)
{
    const rv_run *run = c->run;
    bool is_waited_for = false, is_over = rv_run_state_is_terminal((rv_run_state)run->status);
    for (uint32_t node = 0; node < run->node_count; node++)
        is_waited_for |= rv_run_kind(run, node) == RV_KIND_WAIT && rv_run_gate(run, node)->event.size != 0;
    if (!is_waited_for || run->signals.count >= 2) return;
    rv_event event = {.type = RV_EVENT_SIGNAL, .node = RV_NONE, .key = RV_STR("go"), .value = RV_STR("{\"n\":1}"), .exit_status = -1,
                      .signal = -1};
    bool is_possible = !is_over && run->status != RV_RUN_ACCEPTED;
    add(c, event, is_possible ? MOVE_MUST : MOVE_MUST_NOT)->is_progress = is_possible;
}

void moves_list(const rv_run *run, rv_now now, const move_world *world, move_list *out)
{
    context c = {.run = run, .now = now, .groups = world->groups, .attempts_max = world->attempts_max, .world = world, .out = out};
    list_run(&c);
    list_events(&c);
    if (c.groups & MOVES_VIOLATION) list_violations(&c);
    if (c.groups & MOVES_SPEND) list_budget(&c);
    for (uint32_t node = 0; node < run->node_count; node++) {
        if (run->nodes[node].state == RV_NODE_RUNNING) list_running(&c, node);
        else list_idle(&c, node);
        list_people(&c, node);
    }
    rv_event nowhere = {.type = RV_EVENT_ADMITTED, .node = run->node_count, .exit_status = -1, .signal = -1};
    add(&c, nowhere, MOVE_MUST_NOT);
}
