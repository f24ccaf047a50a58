/* edges.c: needs and after → predecessors; a topological order; cycles [W7].
 *
 * Kahn's algorithm gives the order; what it leaves over is on a cycle or behind one. Strongly connected components of
 * that rest (Tarjan 1972, with a stack of our own) are told one cycle each: a walk from a component's first node along
 * predecessors inside of it must come back, and what it went round is the cycle. */
#include "spec/load.h"

/* ---- edges ---- */

typedef struct linker {
    rv_loader *loader;
    uint64_t *seen; /* of a node: 2 × the node that named it last + 2, + 1 when in `after` */
    rv_node_list selected;
    uint32_t *entered; /* of a node: 1 + the tournament that named it last; NULL: none yet */
} linker;

/* is_selected: one of several that a selector names; what is there already needs no mention. */
static void edge(linker *k, uint32_t node, uint32_t value, uint32_t other, bool is_soft, bool is_selected)
{
    rv_loader *l = k->loader;
    const char *key = is_soft ? "after" : "needs";
    if (other == node) {
        rv_loader_error(l, value, 0, rv_str_of(is_selected ? "write `^~:`, or `]~:`, for all others" : "remove it"),
                        "`%.*s` names itself in `%s`", RV_FMT(rv_loader_own_name(l, other)), key);
        return;
    }
    uint64_t hard = 2 * (uint64_t)node + 2, mark = hard + is_soft;
    bool is_there = k->seen[other] == mark || (is_soft && k->seen[other] == hard);
    if (is_there && is_selected) return;
    if (k->seen[other] == mark) {
        rv_loader_error(l, value, 0, RV_STR("remove one"), "`%.*s` stands twice in `%s`", RV_FMT(rv_loader_own_name(l, other)), key);
        return;
    }
    if (is_there) {
        rv_loader_error(l, value, 0, RV_STR("keep it in `needs`, which orders too"), "`%.*s` is in `needs` and in `after` of `%.*s`",
                        RV_FMT(rv_loader_own_name(l, other)), RV_FMT(rv_loader_name(l, node)));
        return;
    }
    k->seen[other] = mark;
    rv_vec_push(&l->pred, is_soft ? other | RV_EDGE_SOFT : other);
}

static void edges_by(linker *k, uint32_t node, uint32_t value, const char *key, bool is_soft)
{
    rv_loader *l = k->loader;
    rv_str name = rv_doc_text(&l->doc, value);
    uint32_t scope = l->nodes.at[node].scope, other;
    if (!rv_doc_is_scalar(&l->doc, value)) return; /* said by check.c */
    if (rv_is_selector(name)) {
        if (scope != 0) return; /* so was this */
        rv_vec_clear(&k->selected);
        rv_loader_select(l, node, value, name, &k->selected);
        for (uint32_t i = 0; i < k->selected.count; i++) edge(k, node, value, k->selected.at[i], is_soft, true);
        return;
    }
    other = rv_loader_find(l, scope, name);
    if (other != RV_NONE) edge(k, node, value, other, is_soft, false);
    else if (rv_is_identifier(name) || rv_loader_is_composite(l, name)) /* else said by check.c, too */
        rv_loader_error(l, value, 0, rv_loader_node_hint(l, scope, name, "add the node or remove the name"),
                        "`%s` of `%.*s` names `%.*s`, which is no node", key, RV_FMT(rv_loader_name(l, node)), RV_FMT(name));
}

static void edges_of(linker *k, uint32_t node, const char *key, bool is_soft)
{
    rv_loader *l = k->loader;
    uint32_t list = rv_doc_get(&l->doc, rv_loader_body(l, node), key);
    if (list == RV_NONE || rv_doc_kind_of(&l->doc, list) != RV_DOC_LIST) return;
    for (uint32_t item = list + 1, end = rv_doc_next(&l->doc, list); item < end; item = rv_doc_next(&l->doc, item))
        edges_by(k, node, item, key, is_soft);
}

/* An entrant that is a node is waited for, however it ends: who failed is out. Only `needs` makes the tournament depend on it. */
static void enter_node(linker *k, uint32_t node, uint32_t value)
{
    rv_loader *l = k->loader;
    rv_str name = rv_doc_text(&l->doc, value);
    if (!rv_is_identifier(name) && !rv_loader_is_composite(l, name)) return; /* said by check.c */
    uint32_t scope = l->nodes.at[node].scope, other = rv_loader_find(l, scope, name);
    if (k->entered == NULL) k->entered = rv_alloc(sizeof(uint32_t) * (l->nodes.count + 1));
    if (other == RV_NONE || other >= l->def_count)
        rv_loader_error(l, value, 0, rv_loader_node_hint(l, scope, name, "name a node that stands beside the tournament"),
                        "`entrants` of `%.*s` names `%.*s`, which is no node beside it", RV_FMT(rv_loader_name(l, node)), RV_FMT(name));
    else if (other == node) rv_loader_error(l, value, 0, RV_STR("remove it"), "`%.*s` names itself in `entrants`", RV_FMT(name));
    else if (k->entered[other] == node + 1)
        rv_loader_error(l, value, 0, RV_STR("remove one"), "`%.*s` stands twice in `entrants`", RV_FMT(name));
    else if (k->seen[other] == 2 * (uint64_t)node + 3)
        rv_loader_error(l, value, 0, RV_STR("take it out of `after`: an entrant is waited for"),
                        "`%.*s` is in `entrants` and in `after` of `%.*s`", RV_FMT(name), RV_FMT(rv_loader_name(l, node)));
    else {
        k->entered[other] = node + 1;
        if (k->seen[other] != 2 * (uint64_t)node + 2) rv_vec_push(&l->pred, other | RV_EDGE_SOFT);
    }
}

static void entrants_of(linker *k, uint32_t node)
{
    rv_loader *l = k->loader;
    uint32_t map = rv_loader_kind_value(l, node), list = rv_doc_get(&l->doc, map, "entrants");
    if (list == RV_NONE || rv_doc_kind_of(&l->doc, list) != RV_DOC_LIST) return;
    for (uint32_t item = list + 1, end = rv_doc_next(&l->doc, list); item < end; item = rv_doc_next(&l->doc, item))
        if (rv_doc_is_scalar(&l->doc, item)) enter_node(k, node, item);
}

static void collect(rv_loader *l)
{
    linker k = {.loader = l, .seen = rv_alloc(sizeof(uint64_t) * (l->nodes.count + 1))};
    for (uint32_t node = 0; node < l->nodes.count; node++) {
        l->pred_begin[node] = l->pred.count;
        if (l->nodes.at[node].handler) continue;
        if (l->scopes.at[l->nodes.at[node].scope].is_named) {
            edges_of(&k, node, "needs", false);
            edges_of(&k, node, "after", true);
        }
        if (l->listed) l->listed[node] = l->pred.count - l->pred_begin[node];
        if (l->nodes.at[node].kind == RV_KIND_TOURNAMENT) entrants_of(&k, node);
    }
    l->pred_begin[l->nodes.count] = l->pred.count;
    for (uint32_t i = 0; i < l->pred.count; i++) l->nodes.at[RV_EDGE_NODE(l->pred.at[i])].has_successor = true;
    rv_free(k.seen);
    rv_free(k.entered);
    rv_vec_deinit(&k.selected);
}

/* ---- order ---- */

/* Fills order and position; returns how many nodes are in it. A node on or behind a cycle has position RV_NONE. */
static uint32_t sort(rv_loader *l)
{
    uint32_t count = l->nodes.count, done = 0, placed = 0;
    uint32_t *begin = rv_alloc(sizeof(uint32_t) * (count + 2)), *succ = rv_alloc(sizeof(uint32_t) * (l->pred.count + 1));
    uint32_t *open = rv_alloc(sizeof(uint32_t) * (count + 1));
    for (uint32_t i = 0; i < l->pred.count; i++) begin[RV_EDGE_NODE(l->pred.at[i]) + 2]++;
    for (uint32_t node = 0; node < count; node++) begin[node + 2] += begin[node + 1];
    for (uint32_t node = 0; node < count; node++) {
        open[node] = l->pred_begin[node + 1] - l->pred_begin[node];
        for (uint32_t i = l->pred_begin[node]; i < l->pred_begin[node + 1]; i++)
            succ[begin[RV_EDGE_NODE(l->pred.at[i]) + 1]++] = node;
        l->position[node] = RV_NONE;
        if (open[node] == 0) l->order[placed++] = node;
    }
    while (done < placed) {
        uint32_t node = l->order[done];
        l->position[node] = done++;
        for (uint32_t i = begin[node]; i < begin[node + 1]; i++)
            if (--open[succ[i]] == 0) l->order[placed++] = succ[i];
    }
    rv_free(begin);
    rv_free(succ);
    rv_free(open);
    return placed;
}

/* ---- cycles ---- */

typedef struct tarjan {
    const rv_loader *loader;
    uint32_t *number, *low, *component; /* number 0: not visited; component RV_NONE: still open */
    uint32_t *next;                     /* the edge to look at next */
    RV_VEC(uint32_t) path, open;
    uint32_t numbers, components;
} tarjan;

static void enter(tarjan *t, uint32_t node)
{
    t->number[node] = t->low[node] = ++t->numbers;
    t->next[node] = t->loader->pred_begin[node];
    rv_vec_push(&t->path, node);
    rv_vec_push(&t->open, node);
}

static void leave(tarjan *t, uint32_t node)
{
    (void)rv_vec_pop(&t->path);
    if (t->path.count > 0) {
        uint32_t parent = t->path.at[t->path.count - 1];
        t->low[parent] = RV_MIN(t->low[parent], t->low[node]);
    }
    if (t->low[node] != t->number[node]) return;
    for (uint32_t other = RV_NONE; other != node;) {
        other = rv_vec_pop(&t->open);
        t->component[other] = t->components;
    }
    t->components++;
}

static void components_from(tarjan *t, uint32_t root)
{
    const rv_loader *l = t->loader;
    enter(t, root);
    while (t->path.count > 0) {
        uint32_t node = t->path.at[t->path.count - 1];
        if (t->next[node] == l->pred_begin[node + 1]) {
            leave(t, node);
            continue;
        }
        uint32_t other = RV_EDGE_NODE(l->pred.at[t->next[node]++]);
        if (l->position[other] != RV_NONE) continue; /* in the order, so on no cycle */
        if (t->number[other] == 0) enter(t, other);
        else if (t->component[other] == RV_NONE) t->low[node] = RV_MIN(t->low[node], t->number[other]);
    }
}

static uint32_t pred_in(const tarjan *t, uint32_t node)
{
    const rv_loader *l = t->loader;
    for (uint32_t i = l->pred_begin[node]; i < l->pred_begin[node + 1]; i++) {
        uint32_t other = RV_EDGE_NODE(l->pred.at[i]);
        if (l->position[other] == RV_NONE && t->component[other] == t->component[node]) return other;
    }
    return RV_NONE;
}

static void tell(rv_loader *l, const tarjan *t, uint32_t node, uint32_t *step)
{
    uint32_t steps = 0, at = node;
    while (step[at] == 0) { /* ends: inside a component every node has a predecessor */
        step[at] = ++steps;
        at = pred_in(t, at);
    }
    rv_buf text = {0};
    uint32_t first = at;
    do {
        rv_buf_printf(&text, "%.*s -> ", RV_FMT(rv_loader_name(l, at)));
        at = pred_in(t, at);
    } while (at != first);
    rv_buf_str_add(&text, rv_loader_name(l, first));
    rv_loader_error(l, l->nodes.at[first].key, 0, RV_STR("remove one of these from `needs` or `after`"),
                    "nodes wait for each other: %.*s (each waits for the next)", RV_FMT(rv_buf_str(&text)));
    rv_buf_deinit(&text);
}

static void tell_cycles(rv_loader *l)
{
    size_t size = sizeof(uint32_t) * (l->nodes.count + 1);
    tarjan t = {
        .loader = l, .number = rv_alloc(size), .low = rv_alloc(size), .component = rv_alloc(size), .next = rv_alloc(size)};
    uint32_t *step = rv_alloc(size);
    memset(t.component, 0xff, size);
    for (uint32_t node = 0; node < l->nodes.count; node++)
        if (l->position[node] == RV_NONE && t.number[node] == 0) components_from(&t, node);
    uint8_t *told = rv_alloc(t.components + 1u);
    for (uint32_t node = 0; node < l->nodes.count; node++) {
        if (l->position[node] != RV_NONE || told[t.component[node]] || pred_in(&t, node) == RV_NONE) continue;
        told[t.component[node]] = 1;
        tell(l, &t, node, step);
    }
    rv_free(told);
    rv_free(step);
    rv_free(t.number);
    rv_free(t.low);
    rv_free(t.component);
    rv_free(t.next);
    rv_vec_deinit(&t.path);
    rv_vec_deinit(&t.open);
}

void rv_loader_link(rv_loader *l)
{
    size_t size = sizeof(uint32_t) * (l->nodes.count + 2);
    l->pred_begin = rv_arena_alloc(&l->arena, size);
    l->order = rv_arena_alloc(&l->arena, size);
    l->position = rv_arena_alloc(&l->arena, size);
    if (l->projects.count > 0) l->listed = rv_arena_alloc(&l->arena, size);
    collect(l);
    if (l->pred.count > RV_EDGES_MAX) {
        rv_loader_error(l, 0, 0, RV_STR("put a node between those that all depend on the same ones"), "%u edges; %u are the most",
                        l->pred.count, RV_EDGES_MAX);
        return;
    }
    l->is_acyclic = sort(l) == l->nodes.count;
    if (!l->is_acyclic) tell_cycles(l);
}
