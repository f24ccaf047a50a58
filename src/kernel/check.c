#include "kernel/run_private.h"

/* Whole-state invariants ("Must hold" of docs/spec/02), each recomputed the slow way from the stored fields. */

#define HOLDS(cond_, text_) do { if (!(cond_)) return (text_); } while (0)

/* What a waiting node waits for must be something that its kind can wait for, or nobody could end it. */
static bool wait_fits(const rv_node_run *node, rv_kind kind)
{
    bool has_attempts = rv_kind_needs_slot(kind) || kind == RV_KIND_REDUCE;
    if (node->detail == RV_DETAIL_APPROVAL) return kind == RV_KIND_APPROVE;
    if (node->detail == RV_DETAIL_INPUT) return kind == RV_KIND_INPUT;
    if (node->detail == RV_DETAIL_TIMER) return (kind == RV_KIND_WAIT || has_attempts) && node->due_ms != 0;
    return node->detail == RV_DETAIL_UNKNOWN_OUTCOME && has_attempts && node->attempt == RV_ATTEMPT_UNKNOWN;
}

static const char *check_attempts(const rv_run *run, uint32_t index)
{
    const rv_node_run *node = &run->nodes[index];
    rv_kind kind = (rv_kind)run->graph->nodes[index].kind;
    bool has_attempts = rv_kind_needs_slot(kind) || kind == RV_KIND_REDUCE;
    bool is_live = node->number > 0 && !rv_attempt_state_is_terminal((rv_attempt_state)node->attempt);
    HOLDS(node->epoch <= run->epoch_last, "an epoch above the last one given");
    HOLDS(node->number <= node->epoch, "more attempts than epochs");
    HOLDS((node->number == 0) == (node->epoch == 0), "attempts without an epoch, or an epoch without an attempt");
    HOLDS((node->number == 0) == (node->attempt == RV_ATTEMPT_PENDING), "an attempt without a state, or the reverse");
    HOLDS((uint64_t)node->failures + node->losses + is_live <= node->number, "more attempts ended than began");
    HOLDS(is_live == (node->state == RV_NODE_RUNNING), "a live attempt without a running node, or the reverse");
    HOLDS(node->number == 0 || has_attempts, "an attempt at a node that needs none");
    HOLDS(node->state != RV_NODE_READY || has_attempts, "a node that needs no attempt is ready for one");
    HOLDS(node->flags <= (RV_NODE_R_EXPIRED | RV_NODE_R_KEPT), "a flag that is none");
    HOLDS(!(node->flags & RV_NODE_R_KEPT) || kind == RV_KIND_INPUT, "an answer kept for a node that asks nothing");
    return NULL;
}

static const char *check_node(const rv_run *run, uint32_t index)
{
    const rv_graph *graph = run->graph;
    const rv_node_run *node = &run->nodes[index];
    bool is_terminal = rv_node_state_is_terminal((rv_node_state)node->state);
    bool has_begun = node->state != RV_NODE_PENDING;
    uint32_t gating = 0;
    for (uint32_t e = graph->pred_begin[index]; e < graph->pred_begin[index + 1]; e++) {
        uint32_t pred = RV_EDGE_NODE(graph->pred[e]);
        bool gates = (graph->pred[e] & RV_EDGE_SOFT) || graph->nodes[index].dep_policy != RV_DEP_OPTIONAL;
        bool is_settled = rv_node_state_is_terminal((rv_node_state)run->nodes[pred].state);
        gating += gates && !is_settled;
        bool was_called_off = node->state == RV_NODE_CANCELLED;
        HOLDS(!gates || is_settled || !has_begun || was_called_off, "a node began before a predecessor that gates it was terminal");
    }
    HOLDS(node->gating == gating, "a gating counter disagrees with the edges");
    HOLDS(node->state != RV_NODE_SKIPPED || rv_detail_group((rv_detail)node->detail) == 'k', "a skip without a cause");
    HOLDS(node->state != RV_NODE_CANCELLED || rv_detail_group((rv_detail)node->detail) == 'c', "a cancel without a cause");
    HOLDS(node->state != RV_NODE_SUCCEEDED || rv_detail_group((rv_detail)node->detail) == 's', "a success without a source");
    HOLDS(node->state != RV_NODE_FAILED || rv_detail_group((rv_detail)node->detail) == 'e', "a failure without a kind");
    HOLDS(node->state != RV_NODE_WAITING || wait_fits(node, (rv_kind)graph->nodes[index].kind), "a wait that nothing can end");
    bool is_derived = node->detail == RV_DETAIL_UPSTREAM || node->detail == RV_DETAIL_UPSTREAM_CANCELLED;
    HOLDS(node->root <= graph->node_count && !(is_derived && node->root == 0), "a root that is no node");
    bool is_in_set = rv_bitset_has(&run->ready[graph->nodes[index].class_index], graph->position[index]);
    HOLDS(is_in_set == (node->state == RV_NODE_READY), "the ready set disagrees with a node's state");
    HOLDS(!rv_run_state_is_terminal((rv_run_state)run->status) || is_terminal, "a run ended with a node that has not");
    HOLDS(node->result <= run->values.count && node->output <= run->values.count && node->error <= run->values.count,
          "a value that is not kept");
    bool is_plain = index < graph->plain_count, goes_on = run->status == RV_RUN_RUNNING && run->closing != RV_CLOSING_INTERRUPT;
    HOLDS(!(is_plain && goes_on && node->state == RV_NODE_PENDING && gating == 0), "a node that nothing holds back was not decided");
    HOLDS(node->total_due_ms >= 0 || is_terminal || run->closing == RV_CLOSING_INTERRUPT, "the time of a node stands still");
    return check_attempts(run, index);
}

/* A handler before its turn is pending, after its turn terminal. */
static const char *check_handlers(const rv_run *run)
{
    const rv_graph *graph = run->graph;
    for (uint32_t index = graph->plain_count; index < graph->node_count; index++) {
        rv_node_state state = (rv_node_state)run->nodes[index].state;
        uint8_t turn = graph->nodes[index].handler == RV_HANDLER_EXIT ? RV_PHASE_EXIT : RV_PHASE_HANDLERS;
        bool is_called_off = run->is_hurried && state == RV_NODE_CANCELLED;
        HOLDS(run->phase >= turn || state == RV_NODE_PENDING || is_called_off, "a handler began before its turn");
        HOLDS(run->phase <= turn || rv_node_state_is_terminal(state), "a handler outlived its turn");
    }
    return NULL;
}

static const char *check_run(const rv_run *run)
{
    rv_run_state status = (rv_run_state)run->status;
    uint32_t open = run->counts[RV_NODE_PENDING] + run->counts[RV_NODE_READY] + run->counts[RV_NODE_RUNNING] + run->counts[RV_NODE_WAITING];
    HOLDS(run->epoch_last <= UINT32_MAX / 2, "epochs are running out");
    HOLDS(rv_run_state_is_terminal(status) == (run->phase == RV_PHASE_OVER), "a run ended before its last phase, or did not end in it");
    HOLDS(run->phase == RV_PHASE_GRAPH || open == 0, "handlers began before the graph had ended");
    HOLDS(status != RV_RUN_ACCEPTED || (open == run->counts[RV_NODE_PENDING] && open == run->graph->plain_count &&
                                        run->closing == RV_CLOSING_NO && run->epoch_last == 0),
          "a run began before it was loaded");
    HOLDS(status != RV_RUN_INTERRUPTED || (run->running == 0 && run->closing == RV_CLOSING_INTERRUPT),
          "an interrupted run in which something runs");
    HOLDS(status != RV_RUN_RUNNING || run->closing != RV_CLOSING_INTERRUPT || run->running > 0, "an interrupted run that does not say so");
    HOLDS(status != RV_RUN_RUNNING || run->phase != RV_PHASE_GRAPH || open > 0, "a run that has nothing left to do goes on");
    HOLDS(run->due_ms >= 0 || run->closing == RV_CLOSING_INTERRUPT, "the time of a run that goes on stands still");
    HOLDS(!run->is_hurried || run->closing == RV_CLOSING_CANCEL || run->closing == RV_CLOSING_TIMEOUT,
          "a hurried run that is not called off");
    HOLDS(run->due_ms == 0 || run->phase == RV_PHASE_GRAPH, "the run's timeout outlived its graph");
    return check_handlers(run);
}

const char *rv_run_check(const rv_run *run)
{
    uint32_t counts[RV_NODE_STATE_COUNT] = {0};
    uint32_t running = 0, ready = 0, handler_open = 0, handler_failed = 0;
    for (uint32_t index = 0; index < run->graph->node_count; index++) {
        rv_node_state state = (rv_node_state)run->nodes[index].state;
        const char *broken = check_node(run, index);
        if (broken) return broken;
        running += state == RV_NODE_RUNNING;
        ready += state == RV_NODE_READY;
        if (index < run->graph->plain_count) counts[state]++;
        else handler_open += !rv_node_state_is_terminal(state);
        if (index >= run->graph->plain_count) handler_failed += state == RV_NODE_FAILED || state == RV_NODE_DENIED;
    }
    HOLDS(memcmp(counts, run->counts, sizeof counts) == 0, "the counts disagree with the nodes");
    HOLDS(running == run->running && ready == run->ready_count, "running or ready disagrees with the nodes");
    HOLDS(handler_open == run->handler_open && handler_failed == run->handler_failed, "the handlers' counts disagree");
    HOLDS(run->work_begin == run->work_end, "a cascade was left unfinished");
    return check_run(run);
}
