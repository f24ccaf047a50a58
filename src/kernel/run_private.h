/* run_private.h: what the parts of the run machine share: the work list, timers, the step's context. */
#ifndef RV_RUN_PRIVATE_H
#define RV_RUN_PRIVATE_H

#include "kernel/expr.h"
#include "kernel/gate.h"
#include "kernel/run.h"

/* Append a node whose gating reached zero; one that comes twice is decided once. */
static inline void rv_run_work_push(rv_run *run, uint32_t node) { rv_vec_push(&run->work, node); }

static inline void rv_run_work_clear(rv_run *run)
{
    rv_vec_clear(&run->work);
    rv_vec_clear(&run->tend);
    run->work_begin = run->tend_begin = 0;
}

/* Whether nothing of this node may begin any more: handlers still begin in a run that is called off, unless a signal
 * came then. */
static inline bool rv_run_is_called_off(const rv_run *run, uint32_t node)
{
    bool is_closing = run->closing == RV_CLOSING_CANCEL || run->closing == RV_CLOSING_TIMEOUT;
    return is_closing && (!rv_run_is_handler(run, node) || run->is_hurried);
}

/* Whether what runs may finish and nothing begins: somebody failed under fail-fast, or the budget stopped the run. */
static inline bool rv_run_is_winding_down(const rv_run *run)
{
    return run->closing == RV_CLOSING_FAIL_FAST || run->closing == RV_CLOSING_BUDGET || run->closing == RV_CLOSING_VIOLATION;
}
/* Whether its times stand still because somebody has to give its budget more, and nothing of it runs [K52]. */
static inline bool rv_run_stands_still(const rv_run *run)
{
    return run->paused > 0 && run->running == 0 && run->closing == RV_CLOSING_NO; /* else it is closing, or has no node that waits */
}
/* The cause with which it skips what has not begun. */
static inline rv_detail rv_run_skip_cause(const rv_run *run)
{
    if (run->closing == RV_CLOSING_VIOLATION) return RV_DETAIL_VIOLATION;
    return run->closing == RV_CLOSING_BUDGET ? RV_DETAIL_OVER_BUDGET : RV_DETAIL_FAIL_FAST;
}

/* ---- places (place.c) ---- */
/* Whether a controller still looks after its children: not when it has its outcome, nor when somebody is asked about it (revise.at_max). */
static inline bool rv_run_tends(const rv_run *run, uint32_t node)
{
    return run->nodes[node].state == RV_NODE_WAITING && run->nodes[node].detail == RV_DETAIL_CHILDREN;
}
/* Append a place of `scope` and its nodes, all pending; those that nothing gates go on the work list. */
uint32_t rv_place_add(rv_run *run, uint32_t graph, uint32_t scope, uint32_t parent, uint32_t ordinal);
/* Append `place` and its place.count nodes, pending, without their defs and gating; returns the first. */
uint32_t rv_place_nodes(rv_run *run, const rv_place *place);
/* Make another graph's classes and tags known. */
void rv_run_add_graph(rv_run *run, const rv_graph *graph);
/* Whether an edge holds its successor back: all but the hard edges of an optional node. */
static inline bool rv_edge_gates(const rv_node_def *successor, uint32_t entry)
{
    return (entry & RV_EDGE_SOFT) || successor->dep_policy != RV_DEP_OPTIONAL;
}
/* Gating predecessors of `node` that are not terminal, counted. */
uint32_t rv_run_count_gating(const rv_run *run, uint32_t node);
/* A controller begins: its entry in controls. */
void rv_control_add(rv_run *run, uint32_t node, uint32_t count, uint32_t value);
/* The first kept event that the wait `node` is for, an index in signals; RV_NONE: none. */
uint32_t rv_run_signal_for(const rv_run *run, uint32_t node);
/* Free what controls hold. */
void rv_controls_free(rv_run *run);

/* ---- ready queues (ready.c) ---- */
void rv_ready_add(rv_run *run, uint32_t node);
/* Call it when a node has left READY: drops what is stale at the front. */
void rv_ready_settle(rv_run *run, uint32_t class_index);

/* now_ms + delay_ms, or the end of time. */
static inline int64_t rv_time_after(int64_t now_ms, int64_t delay_ms)
{
    int64_t due_ms;
    return __builtin_add_overflow(now_ms, delay_ms, &due_ms) ? INT64_MAX : due_ms;
}

/* ---- timers: a binary heap by due time; an item counts only while its owner's due time is still the same ---- */
void rv_run_timer_push(rv_run *run, int64_t due_ms, uint32_t node, uint32_t kind);
/* Take the earliest item due at or before now_ms into *ret. Stale ones are dropped on the way. */
bool rv_run_timer_pop(rv_run *run, int64_t now_ms, rv_timer_item *ret);
/* Whether `due_ms` may be stored for a timer of `kind`: only the times of a whole run or node stand still. Pure. */
static inline bool rv_timer_is_sound(int64_t due_ms, uint32_t kind) { return due_ms >= (kind == RV_TIMER_NODE ? 0 : -INT64_MAX); }

/* Keep a value for good; its index + 1, for the `result`, `output`, `error` and `value` fields. */
uint32_t rv_run_keep(rv_run *run, rv_str value);
rv_str rv_run_kept(const rv_run *run, uint32_t index_plus_one);

/* ---- a step ---- */
typedef struct rv_step {
    rv_run *run;
    const rv_event *input;
    rv_now now;
    rv_out *out;
    bool is_failing;           /* something failed that will fail the run: under fail-fast nothing more begins */
} rv_step;

/* Whether a plain node begins no more, though the run does not wind down yet: in this step something failed under fail-fast. */
static inline bool rv_step_is_failing(const rv_step *step, uint32_t node)
{
    return step->is_failing && step->run->closing == RV_CLOSING_NO && !rv_run_is_handler(step->run, node);
}
/* Journal a fact and apply it. */
void rv_step_emit(rv_step *step, const rv_event *fact);
void rv_step_effect(rv_step *step, rv_effect_type type, uint32_t node, rv_detail detail);
/* Change a node's state through the table; root: node index + 1, 0 none. */
void rv_step_node(rv_step *step, uint32_t node, rv_node_change change, rv_detail detail, uint32_t root);
void rv_step_attempt(rv_step *step, uint32_t node, rv_attempt_state state, rv_detail detail);
/* The next attempt of a node: its number and an epoch above all earlier ones. */
void rv_step_starting(rv_step *step, uint32_t node);
void rv_step_timer(rv_step *step, uint32_t node, int64_t due_ms, uint32_t kind);
/* Let the run's timeout and each timeout_total stand still, with what is left of them; let them go on [K52]. */
void rv_step_hold_times(rv_step *step);
void rv_step_release_times(rv_step *step);
/* At the end of a step: a pause of the budget in which nothing runs is nobody's time; was_still: it was one before the step. */
void rv_step_stand(rv_step *step, bool was_still);
void rv_step_note(rv_step *step, uint32_t node, const char *text);
void rv_step_phase(rv_step *step, uint32_t phase, uint32_t closing);
/* Keep an error text made here (copied). */
void rv_step_error(rv_step *step, uint32_t node, rv_str text);

/* promote.c: decide a node whose gating predecessors have all settled: ready, parked, computed, skipped or cancelled. */
void rv_step_promote(rv_step *step, uint32_t node);
/* Start to wait, or take the answer that came early. */
void rv_step_park(rv_step *step, uint32_t node);
/* A node may be admitted (again): READY, or RUNNING at once for a reduce (not while an interrupt puts things back). */
void rv_step_allow(rv_step *step, uint32_t node, rv_node_change change);
/* Start a reduce that is PENDING or READY: it needs no slot, so nobody else admits it. */
void rv_step_reduce(rv_step *step, uint32_t node);

/* retry.c: what becomes of a node whose attempt has ended without success. */
void rv_step_failed(rv_step *step, uint32_t node, rv_detail detail);
/* The pause after so many recorded failures (≥ 1), with jitter drawn from (seed, node, failures): at least
 * half of the delay, at most all of it; without a bound of its own at most 30 days. Pure. */
int64_t rv_retry_delay_ms(const rv_policy *policy, uint64_t seed, uint32_t node, uint32_t failures);
/* A node whose attempt ended and counts for nothing goes on: it may be admitted again, unless what happened to the
 * node or to the run meanwhile forbids it; then it settles. */
void rv_step_again(rv_step *step, uint32_t node);
/* Whether a failure of this kind may be tried again [W3a]. Pure. */
bool rv_retry_allows(const rv_policy *policy, rv_detail detail, int32_t exit_status);

/* control.c: controllers: begin one that may; decide what follows when a place of one has settled. */
void rv_step_control(rv_step *step, uint32_t node);
void rv_step_tend(rv_step *step, uint32_t place);
/* Nobody needs the nodes of a place any more: what has not started is cancelled, what runs is stopped. Children too. */
void rv_step_call_off(rv_step *step, uint32_t place);
/* How a settled place of a controller that goes on ended: its first failed node, else the first that was skipped for more
 * than a condition, in index order, in *ret_node; RV_NODE_SUCCEEDED: neither. */
rv_node_state rv_place_outcome(const rv_run *run, uint32_t place, uint32_t *ret_node);
/* The result of a settled place, JSON: its node's where it has one nameless node, else {name: result} of its sinks. null: none. */
void rv_place_result(const rv_run *run, uint32_t place, rv_buf *out);

/* Fail a controller because of a child: the error names it. */
void rv_step_child_failed(rv_step *step, uint32_t node, rv_detail detail, uint32_t child);
/* Prune the branches that a classify whose result this is did not take. */
void rv_step_take_branch(rv_step *step, uint32_t node, rv_str result);
/* Whether the failure of `node` fails the run, though its controllers have not ended yet. Pure; as deep as controllers nest. */
bool rv_run_is_doomed_by(const rv_run *run, uint32_t node);
/* Skip a controller as its child was skipped, with the same cause and root. */
void rv_step_child_skipped(rv_step *step, uint32_t node, uint32_t child);
/* Append `count` places of a controller's scope (offset among its own), with ordinals from `ordinal` on. */
void rv_step_grow(rv_step *step, uint32_t node, uint32_t scope, uint32_t ordinal, uint32_t count);
/* The result of a controller, then its success. */
void rv_step_result(rv_step *step, uint32_t node, rv_str result);
/* revise.c: a node has succeeded, unless its back-edge says otherwise: then its paths are made anew, it fails, or somebody is asked. */
void rv_step_succeed(rv_step *step, uint32_t node, rv_detail detail);
/* Apply a REVISED fact. false: not possible here. */
RV_MUST_USE bool rv_revision_apply(rv_run *run, const rv_event *event);
/* The place of a revision of `home`, and its nodes. */
void rv_revision_add(rv_run *run, uint32_t home, uint32_t revise_index, uint32_t ordinal, uint32_t value);
/* submit.c */
/* Whether a SUBMIT may be taken; *ret_graph: its graph, NULL where it is known already. */
rv_answer rv_submission_guard(rv_run *run, const rv_event *input, const rv_graph **ret_graph);
/* Apply a SUBMITTED fact. false: not possible here. */
RV_MUST_USE bool rv_submission_apply(rv_run *run, const rv_event *event, const rv_event *cause);
/* The place, nodes and edges of a submission, whose texts the run keeps. false: its graph does not fit the run; nothing changed. */
RV_MUST_USE bool rv_submission_add(rv_run *run, const rv_submission *given, const rv_graph *graph);
const rv_graph *rv_run_compile(rv_run *run, const rv_event *submit);
void rv_submissions_free(rv_run *run);
/* The place in whose namespace the nodes of `place` have their ids. */
uint32_t rv_run_namespace(const rv_run *run, uint32_t place);
/* What stands above a node: its controller, or who submitted it [K21]; RV_NONE: nothing. */
uint32_t rv_run_above(const rv_run *run, uint32_t node);
/* The first instance of a node's def in its place. */
uint32_t rv_run_first(const rv_run *run, uint32_t node);
/* Submitted nodes wait for one predecessor less. */
void rv_outers_settle(rv_run *run, uint32_t node);
/* The latest instance of the node that an edge of outers leads to. */
uint32_t rv_outer_node(const rv_run *run, uint32_t index_plus_one);
void rv_step_submitted(rv_step *step);
/* A submitter has ended: what its last attempt did not give again and has not started is superseded. */
void rv_step_supersede(rv_step *step, uint32_t submitter);
/* tournament.c */
/* A place of judges of a round that is new was made, a match was decided: keep up what is derived. false: not possible here. */
RV_MUST_USE bool rv_bracket_judge(rv_run *run, uint32_t control, uint32_t ordinal);
RV_MUST_USE bool rv_bracket_match(rv_run *run, uint32_t control, const rv_match *match);
void rv_step_tournament(rv_step *step, uint32_t node);
void rv_step_tend_tournament(rv_step *step, uint32_t node, uint32_t place);

/* value.c: evaluate an expression where `node` stands; `iteration` not 0: as after that iteration of the loop `node`. */
rv_status rv_run_eval(rv_run *run, uint32_t node, uint32_t iteration, rv_arena *arena, rv_str text, const rv_json **ret, rv_error *err);
/* What ${feedback} is for a node: of its revision, else what its last attempt violated; null: nothing. NULL: not that path. */
const rv_json *rv_run_feedback(rv_run *run, uint32_t node, rv_arena *arena, rv_str path);
/* Evaluate where `node` stands, its own values as if it had ended. */
rv_status rv_run_eval_ended(rv_run *run, uint32_t node, rv_arena *arena, rv_str text, const rv_json **ret, rv_error *err);
/* Every string of a JSON tree as a template: one that is a single reference becomes its value, others text. Canonical JSON. */
rv_status rv_run_fill(rv_run *run, uint32_t node, rv_str json, rv_buf *out, rv_error *err);

/* budget.c: the stored part of what is counted. false: not possible here. */
RV_MUST_USE bool rv_budget_apply(rv_run *run, const rv_event *event);
/* The limits that the file sets. */
void rv_limits_init(rv_run *run);
/* The account of a node, made if there is none; borrowed until the next one is made. */
rv_account *rv_account_of(rv_run *run, uint32_t node);
/* Whether a usage input is one: amounts that can be. Pure. */
bool rv_usage_is_sound(const rv_event *input);
/* Whether a budget input can be taken: a dimension, an amount that can be. Pure. */
bool rv_budget_is_sound(const rv_run *run, const rv_event *input);
/* spend.c: a node is about to start: true, and its reservation is taken. false: it has been deferred, parked, denied, failed or, with
 * the rest of the run, skipped. */
bool rv_step_may_start(rv_step *step, uint32_t node);
/* Its attempt has just ended in `state`: what it spent is settled. */
void rv_step_settle(rv_step *step, uint32_t node, rv_attempt_state state);
/* It said what it has spent so far. */
void rv_step_usage(rv_step *step);
/* What was stopped for what it spends has ended. */
void rv_step_overspent(rv_step *step, uint32_t node);
/* At the end of a step: controllers that are over their limits fail, warnings are said, who waits for a budget that does now goes on. */
void rv_step_budgets(rv_step *step);
/* A quota forbids to grow; node: the controller. true: it was denied. */
bool rv_step_denies_growth(rv_step *step, uint32_t node, uint32_t count);
/* Likewise for the nodes of a back-edge that `node` is about to take. */
bool rv_step_denies_revision(rv_step *step, uint32_t node, uint32_t count);
/* Answer what an attempt asks the gate: a fact if it is no plain allow, and an effect (ask.c). */
void rv_step_ask(rv_step *step);
/* Skip or cancel what has not started (finish.c). */
void rv_step_call_off_idle(rv_step *step, rv_node_change change, rv_detail detail);
/* Call off the children of a controller that has its outcome (control.c). */
void rv_step_call_off_children(rv_step *step, uint32_t node);

/* finish.c: go from the graph to the handlers, to the exit handler, to the end. */
void rv_step_finish(rv_step *step);
/* Stop admitting for good and call off what has not started [A11]. */
void rv_step_close(rv_step *step, uint32_t closing);

#endif
