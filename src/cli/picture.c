/* picture.c: a run's graph as it is drawn.
 *
 * A node belongs to what it grew from: the controller it is a child of, the node that submitted it, the one that it does again. Of
 * many that belong to one the first are drawn, the last two, and those that did not go well; the rest is one vertex, the fold, with
 * everything beneath them. Edges are those of the file, place by place, and then what orders children: an iteration comes after the one
 * before, a judge after the two it judges, what nothing else orders after its owner; and what comes after the owner comes after its last
 * children. */
#include "cli/picture.h"

#include <stdlib.h>

#define VERTICES_MAX 400u
#define FAN_MAX 200u /* about so many edges from last children; more are left out */

typedef struct edge { uint32_t from, to, flags; } edge;

typedef struct picture {
    const rv_report *r;
    rv_arena *arena;
    uint32_t *owner, *children; /* of each node: to whom it belongs, RV_NONE nobody; how many belong to it */
    uint32_t *vertex, *fold;    /* of each node: its vertex + 1; that of what is folded beneath it + 1; 0: none */
    bool *is_last;              /* of each vertex: nothing beside it comes after it */
    RV_VEC(rv_picture_vertex) vertices;
    RV_VEC(edge) edges;
} picture;

static const rv_place *home_of(const picture *p, uint32_t node)
{
    return &p->r->run->places.at[rv_run_home(p->r->run, p->r->run->nodes[node].place)];
}

/* The node with the back-edge that a revision comes from: its instance of before. */
static uint32_t reviser_of(const picture *p, uint32_t node)
{
    const rv_run *run = p->r->run;
    const rv_place *place = rv_run_place(run, node), *home = home_of(p, node);
    const rv_graph *graph = run->graphs.at[place->graph];
    uint32_t at = home->base + (graph->revises[place->revise].node - graph->scopes[place->scope].first);
    while (run->nodes[at].next && run->nodes[at].next - 1 < place->base) at = run->nodes[at].next - 1;
    return at;
}

static uint32_t owner_of(const picture *p, uint32_t node)
{
    const rv_place *place = rv_run_place(p->r->run, node), *home = home_of(p, node);
    if (place->role == RV_SCOPE_REVISION)
        return home->base + (p->r->run->nodes[node].def - p->r->run->graphs.at[home->graph]->scopes[home->scope].first);
    return place->role == RV_SCOPE_SUBMITTED ? p->r->run->submissions.at[place->origin].node : p->r->nodes[node].parent;
}

/* ---- who is drawn ---- */

static bool is_bad(rv_node_state state) { return state != RV_NODE_SUCCEEDED && state != RV_NODE_SKIPPED && state != RV_NODE_PENDING; }

/* Mark who is drawn when at most `most` of an owner's are; returns how many vertices there are then. */
static uint32_t choose(picture *p, uint32_t most)
{
    const rv_report *r = p->r;
    uint32_t count = 0, *seen = rv_arena_new(p->arena, uint32_t, r->node_count + 1),
             *bad = rv_arena_new(p->arena, uint32_t, r->node_count + 1);
    memset(p->vertex, 0, sizeof *p->vertex * r->node_count);
    memset(p->fold, 0, sizeof *p->fold * r->node_count);
    for (uint32_t i = 0; i < r->node_count; i++) { /* owners stand before what is theirs */
        uint32_t node = r->order[i], owner = p->owner[node];
        bool is_drawn = !rv_run_is_handler(r->run, node);
        if (owner != RV_NONE && is_drawn) {
            uint32_t nth = seen[owner]++, all = p->children[owner];
            bool is_chosen = all <= most || nth + 2 < most || nth + 2 >= all;
            if (!is_chosen && is_bad(rv_report_look(r, node))) is_chosen = bad[owner]++ < most;
            is_drawn = p->vertex[owner] && is_chosen;
            if (!is_drawn && p->vertex[owner] && !p->fold[owner]) p->fold[owner] = ++count;
        }
        if (is_drawn) p->vertex[node] = ++count;
    }
    return count;
}

static void choose_all(picture *p)
{
    static const uint32_t most[] = {24, 12, 6, 3, 1};
    for (uint32_t n = 0; n < p->r->node_count; n++) {
        p->owner[n] = owner_of(p, n);
        if (p->owner[n] != RV_NONE) p->children[p->owner[n]]++;
    }
    size_t i = 0;
    while (choose(p, most[i]) > VERTICES_MAX && i + 1 < RV_COUNT(most)) i++;
}

/* The vertex + 1 that shows the node, itself or folded; 0: none does. */
static uint32_t shown_as(const picture *p, uint32_t node)
{
    if (p->vertex[node]) return p->vertex[node];
    uint32_t owner = p->owner[node];
    while (owner != RV_NONE && !p->vertex[owner]) owner = p->owner[owner];
    return owner == RV_NONE ? 0 : p->fold[owner];
}

static void make_vertices(picture *p)
{
    const rv_report *r = p->r;
    for (uint32_t n = 0; n < r->node_count; n++) {
        uint32_t last = RV_MAX(p->vertex[n], p->fold[n]);
        while (p->vertices.count < last) rv_vec_push(&p->vertices, ((rv_picture_vertex){.node = RV_NONE}));
        if (p->vertex[n]) p->vertices.at[p->vertex[n] - 1].node = n;
        if (p->fold[n]) p->vertices.at[p->fold[n] - 1].node = n;
    }
    for (uint32_t n = 0; n < r->node_count; n++) {
        uint32_t as = p->vertex[n] ? 0 : shown_as(p, n);
        if (!as) continue;
        p->vertices.at[as - 1].folded++;
        p->vertices.at[as - 1].states[rv_report_look(r, n)]++;
    }
}

/* ---- edges ---- */

static bool join(picture *p, uint32_t from, uint32_t to, uint32_t flags)
{
    uint32_t a = shown_as(p, from), b = p->vertex[to];
    if (!a || a == b) return false;
    rv_vec_push(&p->edges, ((edge){a - 1, b - 1, flags}));
    return true;
}

/* Who made an entrant what it was when it came into this round: the judge of the match it won last, else itself. */
static uint32_t source_of(const picture *p, const rv_control *control, uint32_t entrant, uint32_t round)
{
    uint32_t best = 0, judge = RV_NONE;
    for (uint32_t i = 0; i < control->matches.count; i++) {
        const rv_match *match = &control->matches.at[i];
        if (match->winner == entrant && RV_MATCH_ROUND(match->ordinal) < round) best = RV_MAX(best, match->ordinal);
    }
    for (uint32_t i = 0; best && i < control->places.count && judge == RV_NONE; i++) {
        const rv_place *place = &p->r->run->places.at[control->places.at[i]];
        uint32_t match = RV_MATCH(RV_MATCH_ROUND(place->ordinal), RV_MATCH_NUMBER(place->ordinal), 0, 0);
        if (place->role == RV_SCOPE_JUDGE && match == best) judge = place->base;
    }
    return judge == RV_NONE ? control->entrants.at[entrant] : judge;
}

static void join_judge(picture *p, uint32_t node, const rv_place *place)
{
    const rv_control *control = rv_report_control(p->r, place->parent);
    uint32_t round = RV_MATCH_ROUND(place->ordinal), at = control->rounds.at[round - 1] + RV_MATCH_NUMBER(place->ordinal);
    const rv_pair pair = control->pairs.at[at];
    join(p, source_of(p, control, pair.left, round), node, RV_PICTURE_INNER);
    join(p, source_of(p, control, pair.right, round), node, RV_PICTURE_INNER);
}

static void join_node(picture *p, uint32_t node, bool with_again)
{
    const rv_report *r = p->r;
    const rv_graph *graph = rv_run_graph(r->run, node);
    const rv_place *place = rv_run_place(r->run, node);
    uint32_t def = r->run->nodes[node].def;
    bool is_joined = false;
    for (uint32_t e = graph->pred_begin[def]; e < graph->pred_begin[def + 1]; e++)
        is_joined |= join(p, rv_report_pred(r, node, graph->pred[e]), node, graph->pred[e] & RV_EDGE_SOFT);
    if (place->role == RV_SCOPE_JUDGE) join_judge(p, node, place);
    else if (place->role == RV_SCOPE_REVISION) {
        bool is_first = def == graph->revises[place->revise].target;
        if (is_first && with_again) join(p, reviser_of(p, node), node, RV_PICTURE_INNER);
    } else if (place->role == RV_SCOPE_ITERATION && place->ordinal > 1 && !is_joined) {
        const rv_control *control = rv_report_control(r, place->parent);
        const rv_place *before = &r->run->places.at[control->places.at[place->ordinal - 2]];
        join(p, before->base, node, RV_PICTURE_INNER);
    } else if (p->owner[node] != RV_NONE && !is_joined) join(p, p->owner[node], node, RV_PICTURE_INNER);
}

/* The controller around a vertex; RV_NONE: there is none. */
static uint32_t parent_at(const picture *p, uint32_t vertex)
{
    const rv_picture_vertex *v = &p->vertices.at[vertex];
    return v->folded && rv_report_control(p->r, v->node) ? v->node : p->r->nodes[v->node].parent;
}

/* What comes after a controller comes after those of its children that nothing beside them comes after. */
static void join_last(picture *p, uint32_t vertex, uint32_t edges_before)
{
    uint32_t at = vertex, parent = parent_at(p, vertex);
    while (parent != RV_NONE && p->is_last[at]) {
        at = p->vertex[parent] - 1;
        for (uint32_t e = 0; e < edges_before; e++)
            if (p->edges.at[e].from == at && !(p->edges.at[e].flags & RV_PICTURE_INNER))
                rv_vec_push(&p->edges, ((edge){vertex, p->edges.at[e].to, RV_PICTURE_INNER}));
        parent = p->r->nodes[parent].parent;
    }
}

static int by_ends(const void *a, const void *b)
{
    const edge *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    return x->flags < y->flags ? -1 : x->flags > y->flags;
}

static void join_all(picture *p, bool with_again)
{
    p->edges.count = 0;
    p->is_last = rv_arena_new(p->arena, bool, p->vertices.count + 1);
    for (uint32_t v = 0; v < p->vertices.count; v++) {
        const rv_picture_vertex *vertex = &p->vertices.at[v];
        if (vertex->folded) rv_vec_push(&p->edges, ((edge){p->vertex[vertex->node] - 1, v, RV_PICTURE_INNER}));
        else join_node(p, vertex->node, with_again);
        p->is_last[v] = true;
    }
    uint32_t before = p->edges.count;
    uint32_t *has_inside = rv_arena_new(p->arena, uint32_t, p->vertices.count + 1);
    for (uint32_t e = 0; e < before; e++) {
        const edge *d = &p->edges.at[e];
        uint32_t parent = parent_at(p, d->to);
        if (parent_at(p, d->from) == parent) p->is_last[d->from] = false;
        if (parent != RV_NONE) has_inside[p->vertex[parent] - 1]++;
    }
    for (uint32_t v = 0; v < p->vertices.count && p->edges.count - before < FAN_MAX; v++)
        if (!has_inside[v]) join_last(p, v, before);
    if (p->edges.count) qsort(p->edges.at, p->edges.count, sizeof *p->edges.at, by_ends);
    uint32_t kept = 0;
    for (uint32_t e = 0; e < p->edges.count; e++) {
        bool is_again = kept && p->edges.at[e].from == p->edges.at[kept - 1].from && p->edges.at[e].to == p->edges.at[kept - 1].to;
        if (!is_again) p->edges.at[kept++] = p->edges.at[e];
    }
    p->edges.count = kept;
}

/* The edges, sorted by where they begin, as a graph; false: some go round. */
static bool make_graph(const picture *p, rv_graph *ret)
{
    uint32_t count = p->vertices.count, done = 0;
    uint32_t *preds = rv_arena_new(p->arena, uint32_t, count + 2), *succs = rv_arena_new(p->arena, uint32_t, count + 2),
             *succ = rv_arena_new(p->arena, uint32_t, p->edges.count + 1), *open = rv_arena_new(p->arena, uint32_t, count + 1),
             *queue = rv_arena_new(p->arena, uint32_t, count + 1);
    for (uint32_t e = 0; e < p->edges.count; e++) {
        const edge *d = &p->edges.at[e];
        succ[e] = d->to | d->flags;
        preds[d->to + 1]++, succs[d->from + 1]++, open[d->to]++;
    }
    for (uint32_t v = 0; v < count; v++) preds[v + 1] += preds[v], succs[v + 1] += succs[v];
    *ret = (rv_graph){.node_count = count, .plain_count = count, .edge_count = p->edges.count, .pred_begin = preds,
                      .succ_begin = succs, .succ = succ};
    for (uint32_t v = 0; v < count; v++)
        if (open[v] == 0) queue[done++] = v;
    for (uint32_t next = 0; next < done; next++)
        for (uint32_t e = succs[queue[next]]; e < succs[queue[next] + 1]; e++)
            if (--open[RV_EDGE_NODE(succ[e])] == 0) queue[done++] = RV_EDGE_NODE(succ[e]);
    return done == count;
}

void rv_picture_make(const rv_report *report, rv_arena *arena, rv_picture *ret)
{
    uint32_t count = report->node_count;
    picture p = {.r = report, .arena = arena,
                 .owner = rv_arena_new(arena, uint32_t, count + 1), .children = rv_arena_new(arena, uint32_t, count + 1),
                 .vertex = rv_arena_new(arena, uint32_t, count + 1), .fold = rv_arena_new(arena, uint32_t, count + 1)};
    choose_all(&p);
    make_vertices(&p);
    join_all(&p, true);
    if (!make_graph(&p, &ret->graph)) { /* within one millisecond nobody can tell which instance came first */
        join_all(&p, false);
        bool is_acyclic = make_graph(&p, &ret->graph);
        RV_ASSERT(is_acyclic);
    }
    ret->vertices = rv_arena_new(arena, rv_picture_vertex, p.vertices.count + 1);
    if (p.vertices.count) memcpy(ret->vertices, p.vertices.at, sizeof *p.vertices.at * p.vertices.count);
    rv_vec_deinit(&p.vertices);
    rv_vec_deinit(&p.edges);
}
