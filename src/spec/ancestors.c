/* ancestors.c: is a path of edges, hard or soft, from one node to another? [W7a]
 *
 * Most questions are about a direct predecessor. For the others: a short walk backwards; what that leaves undecided is settled for 64
 * sources at a time by one pass over the topological order, a bit a source. So the cost stays near nodes + edges for ordinary
 * files and is (nodes + edges) × sources ÷ 64 at worst. */
#include "spec/load.h"
#include <stdlib.h>

#define WALK_MAX 128 /* nodes that the walk backwards looks at */

typedef struct resolver {
    rv_loader *loader;
    rv_not_an_ancestor_fn *no;
    uint32_t *direct;  /* of a node: 1 + the node of which it is known to be an ancestor */
    uint32_t *visited; /* of a node: the walk that was here last */
    uint32_t walks, direct_of;
    RV_VEC(rv_question) open;
    uint32_t walk[WALK_MAX];
} resolver;

/* 1 yes, 0 no, -1 not decided within WALK_MAX nodes. */
static int walk_back(resolver *r, uint32_t from, uint32_t to)
{
    const rv_loader *l = r->loader;
    uint32_t count = 0, next = 0, floor = l->position[from];
    r->walks++;
    r->walk[count++] = to;
    while (next < count) {
        uint32_t node = r->walk[next++];
        for (uint32_t i = l->pred_begin[node]; i < l->pred_begin[node + 1]; i++) {
            uint32_t other = RV_EDGE_NODE(l->pred.at[i]);
            if (other == from) return 1;
            if (l->position[other] < floor || r->visited[other] == r->walks)
                continue; /* what comes before it cannot follow from it */
            if (count == WALK_MAX) return -1;
            r->visited[other] = r->walks;
            r->walk[count++] = other;
        }
    }
    return 0;
}

static void answer(resolver *r, const rv_question *q)
{
    rv_loader *l = r->loader;
    if (r->direct_of != q->to) {
        r->direct_of = q->to;
        for (uint32_t i = l->pred_begin[q->to]; i < l->pred_begin[q->to + 1]; i++) r->direct[RV_EDGE_NODE(l->pred.at[i])] = q->to + 1;
    }
    if (r->direct[q->from] == q->to + 1) return;
    int is_one = l->position[q->from] > l->position[q->to] ? 0 : walk_back(r, q->from, q->to);
    if (is_one == 0) r->no(l, q);
    else if (is_one < 0) rv_vec_push(&r->open, *q);
    else r->direct[q->from] = q->to + 1;
}

static int by_target(const void *a, const void *b)
{
    const rv_question *x = a, *y = b;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    return x->reference < y->reference ? -1 : x->reference > y->reference;
}

static int by_position(const void *a, const void *b, void *user)
{
    const rv_loader *l = user;
    const rv_question *x = a, *y = b;
    uint32_t p = l->position[x->from], q = l->position[y->from];
    if (p != q) return p < q ? -1 : 1;
    return x->reference < y->reference ? -1 : x->reference > y->reference;
}

/* One pass for the questions [begin, end), which have 64 sources at most, over the part of the order that they span. */
static void answer_batch(resolver *r, uint64_t *mask, uint64_t *is_source, uint32_t begin, uint32_t end)
{
    rv_loader *l = r->loader;
    uint32_t low = l->position[r->open.at[begin].from], high = 0, bit = 0;
    for (uint32_t i = begin; i < end; i++) {
        rv_question *q = &r->open.at[i];
        if (i > begin && q->from != q[-1].from) bit++;
        is_source[q->from] = (uint64_t)1 << bit;
        high = RV_MAX(high, l->position[q->to]);
    }
    for (uint32_t p = low; p <= high; p++) {
        uint32_t node = l->order[p];
        mask[node] = 0;
        for (uint32_t i = l->pred_begin[node]; i < l->pred_begin[node + 1]; i++) {
            uint32_t other = RV_EDGE_NODE(l->pred.at[i]);
            if (l->position[other] >= low) mask[node] |= mask[other] | is_source[other];
        }
    }
    for (uint32_t i = begin; i < end; i++) {
        rv_question *q = &r->open.at[i];
        if (!(mask[q->to] & is_source[q->from])) r->no(l, q);
    }
    for (uint32_t i = begin; i < end; i++) is_source[r->open.at[i].from] = 0;
}

static void answer_open(resolver *r)
{
    if (r->open.count == 0) return;
    uint64_t *mask = rv_alloc(sizeof *mask * (r->loader->nodes.count + 1u)),
             *is_source = rv_alloc(sizeof *is_source * (r->loader->nodes.count + 1u));
    qsort_r(r->open.at, r->open.count, sizeof *r->open.at, by_position, r->loader);
    for (uint32_t begin = 0, end; begin < r->open.count; begin = end) {
        uint32_t sources = 1;
        for (end = begin + 1; end < r->open.count; end++)
            if (r->open.at[end].from != r->open.at[end - 1].from && ++sources > 64) break;
        answer_batch(r, mask, is_source, begin, end);
    }
    rv_free(mask);
    rv_free(is_source);
}

void rv_loader_ancestors(rv_loader *l, rv_question *questions, uint32_t count, rv_not_an_ancestor_fn *no)
{
    bool is_sorted = true;
    RV_ASSERT(l->is_acyclic);
    if (count == 0) return;
    for (uint32_t i = 1; i < count; i++) is_sorted &= questions[i - 1].to <= questions[i].to;
    if (!is_sorted) qsort(questions, count, sizeof *questions, by_target);
    resolver r = {.loader = l,
                  .no = no,
                  .direct = rv_alloc(sizeof(uint32_t) * (l->nodes.count + 1u)),
                  .visited = rv_alloc(sizeof(uint32_t) * (l->nodes.count + 1u)),
                  .direct_of = RV_NONE};
    for (uint32_t i = 0; i < count; i++) answer(&r, &questions[i]);
    answer_open(&r);
    rv_free(r.direct);
    rv_free(r.visited);
    rv_vec_deinit(&r.open);
}
