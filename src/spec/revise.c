/* revise.c: back-edges [K17]: what lies between a target and the node that looks back at it, and whether that can be run again as one.
 *
 * Only edges that are waited for lead back: over an optional one a node may end before what it needs has. The members are the nodes
 * after the target from which this node follows: a walk backwards from the node, which stops at the target's place in the order, then
 * one pass forwards over what it saw. A branch that is not taken is pruned before what else it needs has ended: then the node with the
 * back-edge waits for that itself, by a soft edge that is in no file.
 *
 * Two back-edges of one scope must lie apart, or one within the other: taken from the largest to
 * the smallest, all members of one have the same innermost one around them. */
#include "spec/load.h"
#include <stdlib.h>

#define RV_REVISE_WAITS_MAX 1000u
#define RV_REVISE_WORK_MAX RV_EDGES_MAX /* nodes and edges that all back-edges of a file look at */

typedef struct wait { uint32_t node, other; } wait; /* node: of a back-edge; other: what it is to wait for, too */

typedef struct reviser {
    rv_loader *loader;
    uint32_t *visited; /* of a node: 1 + the back-edge that saw it last */
    uint32_t *reached; /* … that reached it from its target */
    RV_VEC(uint32_t) seen;
    RV_VEC(wait) extra;
    uint64_t work;
} reviser;

static int by_order(const void *a, const void *b, void *user)
{
    const rv_loader *l = user;
    uint32_t x = l->position[*(const uint32_t *)a], y = l->position[*(const uint32_t *)b];
    return x < y ? -1 : x > y;
}

static int by_index(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Whether a node waits for all of its predecessors; else only for those that are in `after`. */
static bool waits_for_all(rv_loader *l, uint32_t node)
{
    uint32_t value = rv_loader_value(l, node, RV_NK_DEP_POLICY);
    return value == RV_NONE || !rv_str_is(rv_doc_text(&l->doc, value), "optional");
}

/* Everything that the node waits for, down to the target's place in the order. */
static void see(reviser *v, uint32_t node, uint32_t target, uint32_t mark)
{
    rv_loader *l = v->loader;
    uint32_t floor = l->position[target];
    v->seen.count = 0;
    rv_vec_push(&v->seen, node);
    v->visited[node] = mark;
    for (uint32_t next = 0; next < v->seen.count && v->work < RV_REVISE_WORK_MAX; next++) {
        uint32_t at = v->seen.at[next];
        bool waits = waits_for_all(l, at);
        v->work += 1 + l->pred_begin[at + 1] - l->pred_begin[at];
        for (uint32_t i = l->pred_begin[at]; i < l->pred_begin[at + 1]; i++) {
            uint32_t other = RV_EDGE_NODE(l->pred.at[i]);
            bool leads_back = waits || (l->pred.at[i] & RV_EDGE_SOFT);
            if (!leads_back || v->visited[other] == mark || l->position[other] < floor) continue;
            v->visited[other] = mark;
            rv_vec_push(&v->seen, other);
        }
    }
}

/* The members of a back-edge. false: the target is no ancestor. */
static bool collect(reviser *v, rv_revise_draft *revise, uint32_t mark)
{
    rv_loader *l = v->loader;
    see(v, revise->node, revise->target, mark);
    if (v->visited[revise->target] != mark) return false;
    qsort_r(v->seen.at, v->seen.count, sizeof(uint32_t), by_order, l);
    revise->member_first = l->revise_nodes.count;
    for (uint32_t i = 0; i < v->seen.count; i++) {
        uint32_t node = v->seen.at[i];
        bool is_member = node == revise->target, waits = waits_for_all(l, node);
        for (uint32_t e = l->pred_begin[node]; e < l->pred_begin[node + 1] && !is_member; e++)
            is_member = (waits || (l->pred.at[e] & RV_EDGE_SOFT)) && v->reached[RV_EDGE_NODE(l->pred.at[e])] == mark;
        if (!is_member) continue;
        v->reached[node] = mark;
        l->nodes.at[node].is_revised = true;
        rv_vec_push(&l->revise_nodes, node);
    }
    revise->member_count = l->revise_nodes.count - revise->member_first;
    qsort(l->revise_nodes.at + revise->member_first, revise->member_count, sizeof(uint32_t), by_index);
    return true;
}

static void revise_of(reviser *v, uint32_t node, uint32_t map)
{
    rv_loader *l = v->loader;
    uint32_t value = rv_doc_get(&l->doc, map, "target");
    if (value == RV_NONE || !rv_doc_is_scalar(&l->doc, value)) return; /* said by check.c */
    rv_str name = rv_doc_text(&l->doc, value);
    uint32_t scope = l->nodes.at[node].scope, target = rv_loader_find(l, scope, name);
    rv_revise_draft revise = {.node = node, .target = target};
    if (!rv_is_identifier(name) && !rv_loader_is_composite(l, name)) return;
    if (target == RV_NONE || target >= l->def_count)
        rv_loader_error(l, value, 0, rv_loader_node_hint(l, scope, name, "name a node that stands beside it"),
                        "`target` of `%.*s` names `%.*s`, which is no node beside it", RV_FMT(rv_loader_name(l, node)), RV_FMT(name));
    else if (target == node)
        rv_loader_error(l, value, 0, RV_STR("use a `loop`, or name an ancestor"), "`%.*s` names itself as `target`",
                        RV_FMT(rv_loader_name(l, node)));
    else if (l->position[target] > l->position[node] || !collect(v, &revise, l->revises.count + 1))
        rv_loader_error(l, value, 0, RV_STR("name a node that it waits for, directly or not; what is optional is not waited for"),
                        "`%.*s` is no ancestor of `%.*s`", RV_FMT(name), RV_FMT(rv_loader_name(l, node)));
    else {
        rv_vec_push(&l->revises, revise);
        l->nodes.at[node].revise = l->revises.count;
    }
}

/* ---- one within the other, or apart ---- */

static int larger_first(const void *a, const void *b, void *user)
{
    const rv_loader *l = user;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    uint32_t p = l->revises.at[x].member_count, q = l->revises.at[y].member_count;
    if (p != q) return p > q ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void tell_crossing(rv_loader *l, uint32_t one, uint32_t other)
{
    uint32_t node = l->revises.at[one].node, with = l->revises.at[other].node;
    rv_loader_error(l, rv_doc_get(&l->doc, rv_loader_body(l, node), "revise"), 0,
                    RV_STR("let one lie within the other, or let them lie apart"),
                    "the revisions of `%.*s` (from `%.*s`) and of `%.*s` (from `%.*s`) cross", RV_FMT(rv_loader_name(l, node)),
                    RV_FMT(rv_loader_own_name(l, l->revises.at[one].target)), RV_FMT(rv_loader_name(l, with)),
                    RV_FMT(rv_loader_own_name(l, l->revises.at[other].target)));
}

static void check_crossing(rv_loader *l)
{
    uint32_t count = l->revises.count, *sorted = rv_alloc(sizeof *sorted * (count + 1)),
             *around = rv_alloc(sizeof *around * (l->nodes.count + 1)); /* of a node: 1 + the innermost so far */
    for (uint32_t i = 0; i < count; i++) sorted[i] = i;
    qsort_r(sorted, count, sizeof *sorted, larger_first, l);
    for (uint32_t i = 0; i < count; i++) {
        const rv_revise_draft *revise = &l->revises.at[sorted[i]];
        const uint32_t *members = l->revise_nodes.at + revise->member_first;
        uint32_t crossed = 0, least = around[members[0]];
        for (uint32_t k = 1; k < revise->member_count && !crossed; k++)
            if (around[members[k]] != least) crossed = RV_MAX(around[members[k]], least);
        if (crossed) tell_crossing(l, sorted[i], crossed - 1);
        else
            for (uint32_t k = 0; k < revise->member_count; k++) around[members[k]] = sorted[i] + 1;
    }
    rv_free(sorted);
    rv_free(around);
}

/* ---- what is pruned waits for nobody ---- */

static void mark_branch(const rv_loader *l, uint32_t classify, uint32_t list, uint32_t *branch_of)
{
    if (rv_doc_kind_of(&l->doc, list) != RV_DOC_LIST) return;
    for (uint32_t item = list + 1, end = rv_doc_next(&l->doc, list); item < end; item = rv_doc_next(&l->doc, item)) {
        bool is_name = rv_doc_is_scalar(&l->doc, item);
        uint32_t node = is_name ? rv_loader_find(l, l->nodes.at[classify].scope, rv_doc_text(&l->doc, item)) : RV_NONE;
        if (node == RV_NONE || node >= l->def_count) continue;
        branch_of[node] = branch_of[node] == 0 || branch_of[node] == classify + 1 ? classify + 1 : RV_NONE;
    }
}

/* Of each node: 1 + the classify in whose branches it stands, RV_NONE: of several; 0: of none. */
static uint32_t *find_branches(rv_loader *l)
{
    uint32_t *branch_of = rv_alloc(sizeof *branch_of * (l->nodes.count + 1u));
    for (uint32_t node = 0; node < l->def_count; node++) {
        if (l->nodes.at[node].kind != RV_KIND_CLASSIFY) continue;
        uint32_t map = rv_doc_get(&l->doc, rv_loader_kind_value(l, node), "branches");
        if (map == RV_NONE || rv_doc_kind_of(&l->doc, map) != RV_DOC_MAP) continue; /* said by check.c */
        for (uint32_t key = map + 1, end = rv_doc_next(&l->doc, map); key < end; key = rv_doc_next(&l->doc, key + 1))
            mark_branch(l, node, key + 1, branch_of);
    }
    return branch_of;
}

/* Append to `extra` the members of a back-edge that a branch among them needs, and that its node does not wait for itself. */
static void find_waits(reviser *v, const rv_revise_draft *revise, const uint32_t *branch_of, uint32_t mark)
{
    rv_loader *l = v->loader;
    const uint32_t *members = l->revise_nodes.at + revise->member_first;
    for (uint32_t i = 0; i < revise->member_count; i++) v->reached[members[i]] = mark;
    v->visited[revise->node] = mark;
    for (uint32_t e = l->pred_begin[revise->node]; e < l->pred_begin[revise->node + 1]; e++)
        if (waits_for_all(l, revise->node) || (l->pred.at[e] & RV_EDGE_SOFT)) v->visited[RV_EDGE_NODE(l->pred.at[e])] = mark;
    for (uint32_t i = 0; i < revise->member_count; i++) {
        if (!branch_of[members[i]]) continue;
        for (uint32_t e = l->pred_begin[members[i]]; e < l->pred_begin[members[i] + 1]; e++) {
            uint32_t other = RV_EDGE_NODE(l->pred.at[e]);
            bool is_classify = branch_of[members[i]] == other + 1; /* has ended before it prunes */
            if (is_classify || other >= l->def_count || v->reached[other] != mark || v->visited[other] == mark) continue;
            v->visited[other] = mark;
            rv_vec_push(&v->extra, ((wait){revise->node, other}));
        }
    }
}

/* Put the edges of `extra` behind those of their nodes. */
static void add_waits(reviser *v)
{
    rv_loader *l = v->loader;
    uint32_t count = l->pred.count;
    rv_vec_reserve(&l->pred, count + v->extra.count);
    for (uint32_t i = 0; i < v->extra.count; i++) {
        const wait *w = &v->extra.at[i];
        uint32_t at = l->pred_begin[w->node + 1];
        memmove(l->pred.at + at + 1, l->pred.at + at, sizeof *l->pred.at * (l->pred.count - at));
        l->pred.at[at] = w->other | RV_EDGE_SOFT;
        l->pred.count++;
        for (uint32_t node = w->node + 1; node <= l->nodes.count; node++) l->pred_begin[node]++;
        l->nodes.at[w->other].has_successor = true;
    }
}

static void wait_for_members(reviser *v)
{
    rv_loader *l = v->loader;
    uint32_t *branch_of = find_branches(l);
    memset(v->visited, 0, sizeof *v->visited * (l->nodes.count + 1u));
    memset(v->reached, 0, sizeof *v->reached * (l->nodes.count + 1u));
    for (uint32_t i = 0; i < l->revises.count; i++) find_waits(v, &l->revises.at[i], branch_of, i + 1);
    if (v->extra.count > RV_REVISE_WAITS_MAX)
        rv_loader_error(l, 0, 0, RV_STR("let fewer branches lie on the way of a back-edge"),
                        "the revisions have more than %u branches on their ways", RV_REVISE_WAITS_MAX);
    else add_waits(v);
    rv_free(branch_of);
}

void rv_loader_revise(rv_loader *l)
{
    if (!l->is_acyclic || l->revising.count == 0) return;
    reviser v = {.loader = l,
                 .visited = rv_alloc(sizeof(uint32_t) * (l->nodes.count + 1u)),
                 .reached = rv_alloc(sizeof(uint32_t) * (l->nodes.count + 1u))};
    for (uint32_t i = 0; i < l->revising.count && v.work < RV_REVISE_WORK_MAX; i++)
        revise_of(&v, l->revising.at[i].node, l->revising.at[i].map);
    if (v.work >= RV_REVISE_WORK_MAX)
        rv_loader_error(l, 0, 0, RV_STR("let `target` be nearer, or revise at fewer nodes"),
                        "the revisions span more than %u nodes and edges", RV_REVISE_WORK_MAX);
    else check_crossing(l), wait_for_members(&v);
    rv_free(v.visited);
    rv_free(v.reached);
    rv_vec_deinit(&v.seen);
    rv_vec_deinit(&v.extra);
}
