#include "bracket.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- nodes by id ---- */

static uint32_t find(const rv_run *run, const char *id)
{
    uint32_t found = RV_NONE;
    rv_buf own = {0};
    for (uint32_t node = 0; node < run->node_count; node++) {
        rv_buf_clear(&own);
        rv_run_id(run, node, &own);
        if (rv_str_is(rv_buf_str(&own), id)) found = node;
    }
    rv_buf_deinit(&own);
    return found;
}

static rv_node_state state_of(const rv_run *run, uint32_t node)
{
    return node == RV_NONE ? RV_NODE_STATE_COUNT : (rv_node_state)run->nodes[node].state;
}

static bool said(const rv_run *run, uint32_t node, const char *result)
{
    return node != RV_NONE && run->nodes[node].state == RV_NODE_SUCCEEDED && rv_str_is(rv_run_result(run, node), result);
}

/* Whether the controller ended as wanted, with a result that holds `part` (NULL: any, or none). */
static bool ended(const rv_run *run, uint32_t node, rv_node_state wanted, const char *part)
{
    rv_str result = rv_run_result(run, node);
    if (state_of(run, node) != wanted) return false;
    return !part || (result.size && memmem(result.at, result.size, part, strlen(part)));
}

static void name_of(const rv_run *run, uint32_t node, char *ret, size_t size)
{
    rv_buf id = {0};
    rv_run_id(run, node, &id);
    snprintf(ret, size, "%.*s", RV_FMT(rv_buf_str(&id)));
    rv_buf_deinit(&id);
}

/* ---- foreach of single nodes ---- */

static const char *check_foreach(const rv_run *run, uint32_t node)
{
    const rv_control *control = &run->controls.at[run->nodes[node].control - 1];
    rv_join join = (rv_join)rv_run_control_def(run, node)->join;
    uint32_t good = 0, bad = 0;
    char name[60], id[80];
    name_of(run, node, name, sizeof name);
    for (uint32_t i = 0; i < control->places.count; i++) {
        const rv_place *place = &run->places.at[control->places.at[i]];
        snprintf(id, sizeof id, "%s[%u]", name, i);
        if (place->count == 1 && find(run, id) != place->base) return "an item has another id than its number";
        bool is_good = true;
        for (uint32_t child = place->base; child < place->base + place->count; child++)
            is_good &= state_of(run, child) == RV_NODE_SUCCEEDED;
        good += is_good;
        bad += !is_good;
    }
    switch (join) {
    case RV_JOIN_ALL: return ended(run, node, bad ? RV_NODE_FAILED : RV_NODE_SUCCEEDED, NULL) ? NULL : "a foreach of all ended otherwise";
    case RV_JOIN_ANY: return ended(run, node, good ? RV_NODE_SUCCEEDED : RV_NODE_FAILED, NULL) ? NULL : "a foreach of any ended otherwise";
    case RV_JOIN_ALL_SETTLED: return ended(run, node, RV_NODE_SUCCEEDED, NULL) ? NULL : "a foreach that never fails did";
    case RV_JOIN_RACE: /* who came first is not known in the end, if they differ */
        if (bad == 0) return ended(run, node, RV_NODE_SUCCEEDED, NULL) ? NULL : "a race that all won was lost";
        return good || ended(run, node, RV_NODE_FAILED, NULL) ? NULL : "a race that all lost was won";
    case RV_JOIN_COUNT: break;
    }
    return "a join that is none";
}

/* ---- loop ---- */

static const char *check_loop(const rv_run *run, uint32_t node)
{
    uint32_t max = rv_run_control_def(run, node)->max, iteration = 1, child;
    bool has_until = rv_run_control_def(run, node)->until.size != 0;
    char name[60], id[80], part[60];
    name_of(run, node, name, sizeof name);
    for (;; iteration++) {
        snprintf(id, sizeof id, "%s#%u", name, iteration);
        child = find(run, id);
        if (child == RV_NONE) return "an iteration is missing";
        if (run->nodes[child].control) return NULL; /* of controllers: their own case */
        if (state_of(run, child) == RV_NODE_FAILED)
            return ended(run, node, RV_NODE_FAILED, NULL) ? NULL : "a failed iteration is no failed loop";
        bool is_over = said(run, child, "{\"continue\":false}") || (has_until && said(run, child, "{\"n\":9}"));
        snprintf(part, sizeof part, "\"iterations\":%u,\"exhausted\":%s", iteration, is_over ? "false" : "true");
        if (is_over || iteration == max) break;
    }
    snprintf(id, sizeof id, "%s#%u", name, iteration + 1);
    if (find(run, id) != RV_NONE) return "an iteration too many";
    return ended(run, node, RV_NODE_SUCCEEDED, part) ? NULL : "a loop ended otherwise than its last iteration says";
}

/* ---- classify ---- */

static const char *check_classify(const rv_run *run, uint32_t node)
{
    const rv_control *control = &run->controls.at[run->nodes[node].control - 1];
    const rv_control_def *def = rv_run_control_def(run, node);
    const rv_graph *graph = rv_run_graph(run, node);
    uint32_t child = run->places.at[control->places.at[0]].base, taken = RV_NONE;
    char result[60];
    for (uint32_t b = def->branch_first; b < def->branch_first + def->branch_count; b++) {
        snprintf(result, sizeof result, "{\"branch\":\"%.*s\"}", RV_FMT(rv_graph_str(graph, graph->branches[b].label)));
        if (said(run, child, result)) taken = b;
    }
    if (taken == RV_NONE) return ended(run, node, RV_NODE_FAILED, NULL) ? NULL : "a label that is none was taken";
    for (uint32_t b = def->branch_first; b < def->branch_first + def->branch_count; b++)
        for (uint32_t i = graph->branches[b].first; i < graph->branches[b].first + graph->branches[b].count; i++) {
            uint32_t other = rv_run_at(run, run->nodes[node].place, graph->branch_nodes[i]);
            bool is_taken = false;
            for (uint32_t k = graph->branches[taken].first; k < graph->branches[taken].first + graph->branches[taken].count; k++)
                is_taken |= graph->branch_nodes[k] == graph->branch_nodes[i];
            bool is_pruned = run->nodes[other].state == RV_NODE_SKIPPED && run->nodes[other].detail == RV_DETAIL_PRUNED;
            if (is_pruned == is_taken) return "a branch was pruned that was taken, or the reverse";
        }
    return ended(run, node, RV_NODE_SUCCEEDED, NULL) ? NULL : "a classify that named a branch did not succeed";
}

/* ---- tournament of elimination ---- */

/* How many of a match's seats name its first entrant, its second, nobody: judges are asked with sides exchanged, too. */
static void count_votes(const rv_run *run, const rv_control_def *def, const char *match, uint32_t ret_votes[3])
{
    char id[100];
    for (uint32_t judge = 0; judge < def->quorum; judge++)
        for (uint32_t swapped = 0; swapped <= def->swap; swapped++) {
            int size = snprintf(id, sizeof id, "%s", match);
            if (judge) size += snprintf(id + size, sizeof id - (size_t)size, "j%u", judge);
            if (swapped) snprintf(id + size, sizeof id - (size_t)size, "s");
            uint32_t node = find(run, id);
            bool is_left = said(run, node, "{\"winner\":\"left\"}"), is_right = said(run, node, "{\"winner\":\"right\"}");
            ret_votes[is_left ? swapped : is_right ? !swapped : 2]++;
        }
}

static const char *check_tournament(const rv_run *run, uint32_t node)
{
    const rv_control_def *def = rv_run_control_def(run, node);
    const rv_graph *graph = rv_run_graph(run, node);
    uint32_t alive[64], count = 0;
    char name[60], id[80], part[120];
    if (def->max) return NULL; /* swiss */
    name_of(run, node, name, sizeof name);
    for (uint32_t i = 0; i < def->entrant_count; i++) {
        uint32_t place = graph->entrants[def->entrant_first + i].node;
        snprintf(id, sizeof id, "%s/e%u", name, i);
        uint32_t entrant = place == RV_NONE ? find(run, id) : rv_run_at(run, run->nodes[node].place, place);
        if (state_of(run, entrant) == RV_NODE_SUCCEEDED || state_of(run, entrant) == RV_NODE_PARTIAL) alive[count++] = entrant;
    }
    if (count == 0) return ended(run, node, RV_NODE_FAILED, NULL) ? NULL : "a tournament without an entrant has a winner";
    for (uint32_t round = 1; count > 1; round++) {
        uint32_t next = 0;
        for (uint32_t i = 0; i + 1 < count; i += 2) {
            snprintf(id, sizeof id, "%s/r%um%u", name, round, i / 2);
            uint32_t votes[3] = {0}, seats = def->quorum * (def->swap ? 2u : 1u);
            count_votes(run, def, id, votes);
            if (votes[0] == votes[1] && votes[2] == 0) return NULL; /* drawn from the seed */
            bool is_decided = 2 * RV_MAX(votes[0], votes[1]) > seats;
            if (!is_decided) return ended(run, node, RV_NODE_FAILED, NULL) ? NULL : "a match that nobody won has a winner";
            alive[next++] = alive[i + (votes[1] > votes[0])];
        }
        if (count % 2) alive[next++] = alive[count - 1]; /* a bye */
        count = next;
    }
    name_of(run, alive[0], id, sizeof id);
    snprintf(part, sizeof part, "\"winner\":\"%s\"", id);
    return ended(run, node, RV_NODE_SUCCEEDED, part) ? NULL : "another one won";
}

/* ---- what was pruned ---- */

/* [K3] A node all of whose hard predecessors are pruned is pruned itself. */
static const char *check_pruned(const rv_run *run, uint32_t node)
{
    const rv_graph *graph = rv_run_graph(run, node);
    uint32_t def = run->nodes[node].def, hard = 0, pruned = 0;
    for (uint32_t e = graph->pred_begin[def]; e < graph->pred_begin[def + 1]; e++) {
        if (graph->pred[e] & RV_EDGE_SOFT) continue;
        uint32_t pred = rv_run_pred(run, run->nodes[node].place, graph->pred[e]);
        hard++;
        pruned += run->nodes[pred].state == RV_NODE_SKIPPED && run->nodes[pred].detail == RV_DETAIL_PRUNED;
    }
    bool is_pruned = run->nodes[node].state == RV_NODE_SKIPPED && run->nodes[node].detail == RV_DETAIL_PRUNED;
    return hard && hard == pruned && !is_pruned ? "a node of pruned ones alone was not pruned" : NULL;
}

const char *bracket_check(const rv_run *run, const void *user, bool *ret_was_asked)
{
    (void)user;
    *ret_was_asked = run->closing == RV_CLOSING_NO;
    if (!*ret_was_asked) return NULL;
    for (uint32_t node = 0; node < run->node_count; node++) {
        if (run->nodes[node].next) continue; /* a revision stands in its place */
        const char *wrong = check_pruned(run, node);
        if (wrong) return wrong;
        bool was_called_off = run->nodes[node].state == RV_NODE_CANCELLED || run->nodes[node].state == RV_NODE_SKIPPED;
        bool is_over_budget = run->nodes[node].detail == RV_DETAIL_BUDGET_SPENT; /* whatever its children say */
        if (run->nodes[node].control == 0 || was_called_off || is_over_budget) continue;
        rv_kind kind = rv_run_kind(run, node);
        if (kind == RV_KIND_FOREACH) wrong = check_foreach(run, node);
        if (kind == RV_KIND_LOOP) wrong = check_loop(run, node);
        if (kind == RV_KIND_CLASSIFY) wrong = check_classify(run, node);
        if (kind == RV_KIND_TOURNAMENT) wrong = check_tournament(run, node);
        if (wrong) return wrong;
    }
    return NULL;
}
