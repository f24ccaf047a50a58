#include "kernel/run_private.h"

/* Whole-state invariants ("Must hold" of docs/spec/02), each recomputed the slow way from the stored fields. */

#define HOLDS(cond_, text_) do { if (!(cond_)) return (text_); } while (0)

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
    HOLDS(node->epoch <= run->epoch_last, "an epoch above the last one given");
    HOLDS((node->number == 0) == (node->epoch == 0), "attempts without an epoch, or an epoch without an attempt");
    HOLDS(node->failures + node->losses <= node->number, "more attempts ended than began");
    bool has_live_attempt = node->number > 0 && !rv_attempt_state_is_terminal((rv_attempt_state)node->attempt);
    HOLDS(has_live_attempt == (node->state == RV_NODE_RUNNING), "a live attempt without a running node, or the reverse");
    HOLDS(node->state != RV_NODE_SKIPPED || rv_detail_group((rv_detail)node->detail) == 'k', "a skip without a cause");
    HOLDS(node->state != RV_NODE_CANCELLED || rv_detail_group((rv_detail)node->detail) == 'c', "a cancel without a cause");
    HOLDS(node->state != RV_NODE_SUCCEEDED || rv_detail_group((rv_detail)node->detail) == 's', "a success without a source");
    HOLDS(node->state != RV_NODE_FAILED || rv_detail_group((rv_detail)node->detail) == 'e', "a failure without a kind");
    HOLDS(node->state != RV_NODE_WAITING || rv_detail_group((rv_detail)node->detail) == 'w', "a wait without a reason");
    HOLDS(!is_terminal || !rv_run_state_is_terminal((rv_run_state)run->status) || node->root <= graph->node_count, "a root that is no node");
    bool is_in_set = rv_bitset_has(&run->ready[graph->nodes[index].class_index], graph->position[index]);
    HOLDS(is_in_set == (node->state == RV_NODE_READY), "the ready set disagrees with a node's state");
    HOLDS(!rv_run_state_is_terminal((rv_run_state)run->status) || is_terminal, "a run ended with a node that has not");
    HOLDS(node->result <= run->values.count && node->output <= run->values.count && node->error <= run->values.count, "a value that is not kept");
    return NULL;
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
    HOLDS(run->status != RV_RUN_INTERRUPTED || running == 0, "an interrupted run in which something runs");
    return NULL;
}
