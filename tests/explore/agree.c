#include "agree.h"

#include <stdio.h>

#include "moves.h"
#include "oracle.h"

static bool is_due(const rv_run *run)
{
    if (run->closing != RV_CLOSING_NO) return false;
    for (uint32_t node = 0; node < run->node_count; node++) {
        rv_detail detail = (rv_detail)run->nodes[node].detail;
        /* a run that failed fast, was interrupted in its handlers and resumed has forgotten why it winds down; its nodes have not */
        if (detail == RV_DETAIL_REPLAY || detail == RV_DETAIL_FAIL_FAST) return false;
    }
    return true;
}

/* How its last attempt ended; what never began has no fate that matters. */
static fate fate_of(const rv_node_run *node)
{
    fate f = {.kind = FATE_OK, .number = -1};
    if (node->state == RV_NODE_SUCCEEDED && node->detail == RV_DETAIL_CACHE) f.kind = FATE_CACHED;
    if (node->state == RV_NODE_PARTIAL) f.kind = FATE_PARTIAL;
    if (node->state == RV_NODE_DENIED) f.kind = FATE_DENIED;
    if (node->state != RV_NODE_FAILED) return f;
    if (node->detail == RV_DETAIL_EXIT) f.kind = FATE_EXIT, f.exit_status = node->exit_status;
    if (node->detail == RV_DETAIL_TIMEOUT) f.kind = FATE_TIMEOUT;
    if (node->detail == RV_DETAIL_START) f.kind = FATE_START;
    if (node->detail == RV_DETAIL_LOST) f.kind = FATE_LOST;
    return f;
}

static void tell_person(const rv_node_run *node, story_node *told)
{
    told->person = PERSON_YES;
    if (node->detail == RV_DETAIL_REJECTED) told->person = PERSON_NO;
    if (node->detail == RV_DETAIL_DEADLINE) told->person = PERSON_SILENT;
    bool is_default = told->kind == RV_KIND_INPUT && node->state == RV_NODE_SUCCEEDED && node->detail == RV_DETAIL_FRESH;
    if (is_default) told->person = PERSON_SILENT, told->continues_rejected = true;
}

static void tell_node(const rv_run *run, uint32_t index, story_node *told)
{
    const rv_node_def *def = rv_run_def(run, index);
    const rv_policy *policy = rv_run_policy(run, index);
    const rv_node_run *node = &run->nodes[index];
    *told = (story_node){.kind = (rv_kind)def->kind, .dep_policy = (rv_dep_policy)def->dep_policy, .handler = (rv_handler)def->handler,
                         .place = index, .max_attempts = 1, .retry_exit = -1, .set_from = RV_NONE, .set_number = 1};
    told->fates[0] = fate_of(node);
    told->fate_count = 1;
    told->is_at_most_once = policy->delivery == RV_DELIVERY_AT_MOST_ONCE;
    bool is_by_hand = node->number > 0 && node->detail == RV_DETAIL_PERSON; /* somebody said that it was done */
    if (is_by_hand) told->fates[0].kind = FATE_LOST;
    told->decisions[0] = is_by_hand ? RV_DECISION_DONE : RV_DECISION_FAILED;
    tell_person(node, told);
}

static uint32_t index_of(const shape *s, bool is_reversed, uint32_t node) { return is_reversed ? s->node_count - 1 - node : node; }

const char *agree_check(const rv_run *run, const void *user, bool *ret_was_asked)
{
    const agree_graph *made_from = user;
    const shape *s = made_from->drawn;
    bool is_reversed = made_from->is_reversed;
    static story told;
    static ending endings[STORY_NODES_MAX];
    *ret_was_asked = is_due(run);
    if (!*ret_was_asked) return NULL;
    told.count = run->node_count;
    told.plain_count = run->graph->plain_count;
    RV_ASSERT(told.plain_count == s->node_count && told.count <= STORY_NODES_MAX);
    for (uint32_t node = 0; node < s->node_count; node++) { /* a story's nodes stand behind their predecessors */
        story_node *at = &told.nodes[node];
        tell_node(run, index_of(s, is_reversed, node), at);
        for (uint32_t from = 0; from < node; from++) {
            if (s->edge[from][node] == SHAPE_NO_EDGE) continue;
            at->is_soft[at->pred_count] = s->edge[from][node] == SHAPE_SOFT;
            at->preds[at->pred_count++] = from;
        }
        if (rv_run_def(run, at->place)->when.size == 0) continue; /* the only condition in use is one that never holds */
        at->conditions[0] = (condition){.leaf = LEAF_STATE, .node = node, .number = RV_NODE_FAILED};
        at->condition_count = 1;
    }
    for (uint32_t node = s->node_count; node < told.count; node++) tell_node(run, node, &told.nodes[node]);
    rv_run_state outcome = story_end(&told, endings);
    for (uint32_t node = 0; node < told.count; node++) {
        const rv_node_run *at = &run->nodes[told.nodes[node].place];
        const ending *e = &endings[node];
        uint32_t root = e->root ? told.nodes[e->root - 1].place + 1 : 0;
        if (at->state != e->state || at->detail != e->detail || at->root != root) return "the oracle says otherwise of a node";
    }
    return run->status == outcome ? NULL : "the oracle says otherwise of the run";
}
