#include "shape.h"

/* ---- counting through all forms ---- */

/* Add 1 to the number whose digits are the edges, then the variants. false: it was the last one. */
static bool count_up(const shape_space *space, shape *s)
{
    uint32_t n = space->node_count, edge_kinds = space->has_soft ? 3 : 2;
    for (uint32_t from = 0; from < n; from++)
        for (uint32_t to = from + 1; to < n; to++) {
            if (++s->edge[from][to] < edge_kinds) return true;
            s->edge[from][to] = SHAPE_NO_EDGE;
        }
    for (uint32_t node = 0; node < n; node++) {
        if (++s->variant[node] < space->variant_count) return true;
        s->variant[node] = 0;
    }
    return false;
}

static bool has_hard_pred(const shape *s, uint32_t node)
{
    for (uint32_t from = 0; from < node; from++)
        if (s->edge[from][node] == SHAPE_HARD) return true;
    return false;
}

static bool is_meant(const shape_space *space, const shape *s)
{
    for (uint32_t node = 0; node < s->node_count; node++)
        if (space->variants[s->variant[node]].needs_hard_pred && !has_hard_pred(s, node)) return false;
    return true;
}

/* ---- one form of each graph ---- */

/* <0, 0, >0: the shape with its nodes renamed by `to` against the shape itself; RV_NONE stands for "an edge would go back". */
static int compare_renamed(const shape *s, const uint8_t to[SHAPE_NODES_MAX])
{
    shape renamed = {.node_count = s->node_count};
    for (uint32_t from = 0; from < s->node_count; from++) {
        renamed.variant[to[from]] = s->variant[from];
        for (uint32_t node = from + 1; node < s->node_count; node++) {
            if (s->edge[from][node] == SHAPE_NO_EDGE) continue;
            if (to[from] > to[node]) return 1; /* not a form of ours */
            renamed.edge[to[from]][to[node]] = s->edge[from][node];
        }
    }
    int edges = memcmp(renamed.edge, s->edge, sizeof s->edge);
    return edges ? edges : memcmp(renamed.variant, s->variant, sizeof s->variant);
}

/* The next permutation in lexical order; false: it was the last one. */
static bool permute(uint8_t *to, uint32_t count)
{
    uint32_t at = count - 1, other = count - 1;
    while (at > 0 && to[at - 1] > to[at]) at--;
    if (at == 0) return false;
    while (to[other] < to[at - 1]) other--;
    uint8_t swapped = to[at - 1];
    to[at - 1] = to[other];
    to[other] = swapped;
    for (uint32_t low = at, high = count - 1; low < high; low++, high--) {
        swapped = to[low];
        to[low] = to[high];
        to[high] = swapped;
    }
    return true;
}

static bool is_least(const shape *s)
{
    uint8_t to[SHAPE_NODES_MAX] = {0, 1, 2, 3};
    do {
        if (compare_renamed(s, to) < 0) return false;
    } while (permute(to, s->node_count));
    return true;
}

static bool is_wanted(const shape_space *space, const shape *s) { return is_meant(space, s) && is_least(s); }

bool shape_first(const shape_space *space, shape *ret)
{
    RV_ASSERT(space->node_count >= 1 && space->node_count <= SHAPE_NODES_MAX && space->variant_count >= 1);
    *ret = (shape){.node_count = space->node_count};
    return is_wanted(space, ret) || shape_next(space, ret);
}

bool shape_next(const shape_space *space, shape *s)
{
    while (count_up(space, s))
        if (is_wanted(space, s)) return true;
    return false;
}

void shape_text(const shape_space *space, const shape *s, bool is_reversed, rv_buf *out)
{
    for (uint32_t i = 0; i < s->node_count; i++) {
        uint32_t node = is_reversed ? s->node_count - 1 - i : i;
        rv_buf_printf(out, "%c:", 'a' + (char)node);
        for (uint32_t from = 0; from < node; from++)
            if (s->edge[from][node] != SHAPE_NO_EDGE)
                rv_buf_printf(out, " %s%c", s->edge[from][node] == SHAPE_SOFT ? "~" : "", 'a' + (char)from);
        rv_buf_printf(out, " %s; ", space->variants[s->variant[node]].text);
    }
    rv_buf_cstring(out, space->suffix);
}
