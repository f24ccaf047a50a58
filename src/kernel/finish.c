#include "kernel/run_private.h"

/* The end of a run: graph → the handlers of its outcome → the exit handler → over. Each step ends here; most find
 * nothing to do. */

/* Nodes first: what follows from outcomes. Then places, which may grow and so give more nodes. */
static void cascade(rv_step *step)
{
    rv_run *run = step->run;
    for (;;) {
        if (run->work_begin < run->work.count) {
            uint32_t node = run->work.at[run->work_begin++];
            if (run->nodes[node].state == RV_NODE_PENDING && run->nodes[node].gating == 0) rv_step_promote(step, node);
        } else if (run->tend_begin < run->tend.count) {
            rv_step_tend(step, run->tend.at[run->tend_begin++]);
        } else {
            break;
        }
    }
    rv_run_work_clear(run);
}

static uint32_t plain_open(const rv_run *run)
{
    return run->counts[RV_NODE_PENDING] + run->counts[RV_NODE_READY] + run->counts[RV_NODE_RUNNING] + run->counts[RV_NODE_WAITING];
}

static rv_run_state outcome(const rv_run *run)
{
    if (run->closing == RV_CLOSING_CANCEL) return RV_RUN_CANCELLED;
    if (run->closing == RV_CLOSING_TIMEOUT) return RV_RUN_TIMEOUT;
    if (run->is_over_budget) return RV_RUN_OVER_BUDGET;
    return run->failed || run->violation.path ? RV_RUN_ERROR : RV_RUN_OK;
}

static rv_handler handler_of(rv_run_state state)
{
    if (state == RV_RUN_OK) return RV_HANDLER_SUCCESS;
    return state == RV_RUN_CANCELLED ? RV_HANDLER_CANCEL : RV_HANDLER_FAILURE;
}

/* A handler's turn has come. Its own kind decides how it starts; an undriven cancel starts none. */
static void begin_handler(rv_step *step, uint32_t node)
{
    bool is_undriven = step->input->type == RV_EVENT_CANCEL && (step->input->flags & RV_CANCEL_UNDRIVEN);
    if (is_undriven) rv_step_node(step, node, RV_CHANGE_CANCEL, RV_DETAIL_RUN_CANCELLED, node + 1);
    else rv_step_promote(step, node);
}

static void begin_handlers(rv_step *step)
{
    const rv_graph *graph = step->run->graph;
    rv_handler wanted = handler_of(outcome(step->run));
    for (uint32_t node = graph->plain_count; node < graph->top_count; node++) {
        if (step->run->nodes[node].state != RV_NODE_PENDING || graph->nodes[node].handler == RV_HANDLER_EXIT) continue;
        if (graph->nodes[node].handler == wanted) begin_handler(step, node);
        else rv_step_node(step, node, RV_CHANGE_SKIP, RV_DETAIL_CONDITION, 0);
    }
}

static void begin_exit_handlers(rv_step *step)
{
    const rv_graph *graph = step->run->graph;
    for (uint32_t node = graph->plain_count; node < graph->top_count; node++)
        if (step->run->nodes[node].state == RV_NODE_PENDING) begin_handler(step, node);
}

/* Whether the turn of this handler has come or gone. In HANDLERS the exit handlers are still to come. */
static bool handler_has_begun(const rv_run *run, uint32_t node)
{
    return run->phase == RV_PHASE_EXIT || (run->phase == RV_PHASE_HANDLERS && rv_run_def(run, node)->handler != RV_HANDLER_EXIT);
}

static bool phase_is_done(const rv_run *run)
{
    const rv_graph *graph = run->graph;
    if (run->phase == RV_PHASE_GRAPH) return plain_open(run) == 0;
    if (run->handler_open == 0) return true;
    for (uint32_t node = graph->plain_count; node < graph->top_count; node++)
        if (handler_has_begun(run, node) && !rv_node_state_is_terminal((rv_node_state)run->nodes[node].state)) return false;
    return true;
}

static void end_run(rv_step *step)
{
    rv_run *run = step->run;
    rv_run_state state = outcome(run);
    if (state == RV_RUN_OK && run->handler_failed) state = RV_RUN_ERROR;
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_RUN_STATE, .state = state});
    rv_step_effect(step, RV_EFFECT_RUN_ENDED, RV_NONE, RV_DETAIL_NONE);
}

static void next_phase(rv_step *step)
{
    rv_run *run = step->run;
    if (run->due_ms) rv_step_timer(step, RV_NONE, 0, RV_TIMER_RUN); /* the run's timeout is the graph's, not its handlers' */
    rv_step_phase(step, run->phase + 1u, run->closing);
    if (run->phase == RV_PHASE_HANDLERS) begin_handlers(step);
    else if (run->phase == RV_PHASE_EXIT) begin_exit_handlers(step);
    else end_run(step);
}

/* Skip or cancel what has not started. Nodes that become terminal put their successors on the work list, which is
 * decided under the closing that is set by now, as is a node that an interrupt put back. Failing fast leaves handlers
 * alone, controllers, whose children may still run, and a node of unknown outcome, which is not idle: somebody must
 * still say what it did. */
void rv_step_call_off_idle(rv_step *step, rv_node_change change, rv_detail detail)
{
    rv_run *run = step->run;
    bool skips = change == RV_CHANGE_SKIP;
    for (uint32_t node = 0; node < run->node_count; node++) {
        bool is_plain = !rv_run_is_handler(run, node);
        rv_node_state state = (rv_node_state)run->nodes[node].state;
        bool is_held = state == RV_NODE_WAITING && (run->nodes[node].detail == RV_DETAIL_UNKNOWN_OUTCOME ||
                                                    run->nodes[node].detail == RV_DETAIL_CHILDREN);
        bool is_unreached = state == RV_NODE_PENDING && run->nodes[node].gating == 0;
        if (!is_plain && (skips || !handler_has_begun(run, node))) continue;
        if (is_plain && is_unreached) rv_step_promote(step, node);
        else if (is_unreached || state == RV_NODE_READY || (state == RV_NODE_WAITING && !(is_held && skips)))
            rv_step_node(step, node, change, detail, skips ? 0 : node + 1);
    }
}

void rv_step_close(rv_step *step, uint32_t closing)
{
    rv_run *run = step->run;
    if (run->status != RV_RUN_RUNNING) rv_step_emit(step, &(rv_event){.type = RV_EVENT_RUN_STATE, .state = RV_RUN_RUNNING});
    rv_step_phase(step, run->phase, closing);
    if (run->due_ms) rv_step_timer(step, RV_NONE, 0, RV_TIMER_RUN); /* it ends for one reason */
    rv_step_release_times(step); /* of what an interrupt had held up */
    for (uint32_t node = 0; node < run->node_count; node++)
        if (run->nodes[node].state == RV_NODE_RUNNING) rv_step_effect(step, RV_EFFECT_STOP, node, RV_DETAIL_SIGNALLED);
    rv_step_call_off_idle(step, RV_CHANGE_CANCEL, RV_DETAIL_RUN_CANCELLED);
}

static void apply_fail_fast(rv_step *step)
{
    rv_run *run = step->run;
    if (!run->fail_fast || run->closing != RV_CLOSING_NO || run->phase != RV_PHASE_GRAPH) return;
    if (run->failed == 0 && !step->is_failing) return;
    rv_step_phase(step, run->phase, RV_CLOSING_FAIL_FAST);
    rv_step_call_off_idle(step, RV_CHANGE_SKIP, RV_DETAIL_FAIL_FAST);
    cascade(step);
}

void rv_step_finish(rv_step *step)
{
    rv_run *run = step->run;
    if (run->paused || run->accounts.count) rv_step_budgets(step);
    cascade(step);
    apply_fail_fast(step);
    if (run->closing == RV_CLOSING_INTERRUPT) {
        if (run->running || run->status != RV_RUN_RUNNING) return;
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_RUN_STATE, .state = RV_RUN_INTERRUPTED});
        rv_step_effect(step, RV_EFFECT_RUN_ENDED, RV_NONE, RV_DETAIL_NONE);
        return;
    }
    while (run->phase != RV_PHASE_OVER && run->status == RV_RUN_RUNNING && phase_is_done(run)) {
        next_phase(step);
        cascade(step);
    }
}
