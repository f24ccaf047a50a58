#include "cli/layout.h"

#include <stdlib.h>

#define BENDS_MAX 8000u /* beyond, long edges are drawn straight */
#define SWEEPS 8
#define BEND_ROOM 0.45 /* rows that a bend takes */

/* layer[n] = 1 + the greatest layer of what n comes after; nodes leave a queue when all of these are known. */
static void assign_layers(rv_layout *l, rv_arena *arena, const rv_graph *graph)
{
    uint32_t count = graph->plain_count, head = 0, tail = 0;
    uint32_t *queue = rv_arena_new(arena, uint32_t, count + 1), *waits_for = rv_arena_new(arena, uint32_t, count + 1);
    for (uint32_t n = 0; n < count; n++) {
        waits_for[n] = graph->pred_begin[n + 1] - graph->pred_begin[n];
        if (waits_for[n] == 0) queue[tail++] = n;
    }
    while (head < tail) {
        uint32_t node = queue[head++];
        l->layer_count = RV_MAX(l->layer_count, l->layer[node] + 1);
        for (uint32_t i = graph->succ_begin[node]; i < graph->succ_begin[node + 1]; i++) {
            uint32_t next = RV_EDGE_NODE(graph->succ[i]);
            l->layer[next] = RV_MAX(l->layer[next], l->layer[node] + 1);
            if (--waits_for[next] == 0) queue[tail++] = next;
        }
    }
    RV_ASSERT(tail == count); /* a graph has no cycle */
}

static void fill_layers(rv_layout *l, rv_arena *arena)
{
    l->layer_begin = rv_arena_new(arena, uint32_t, l->layer_count + 2);
    l->layer_vertices = rv_arena_new(arena, uint32_t, l->vertex_count + 1);
    for (uint32_t v = 0; v < l->vertex_count; v++) l->layer_begin[l->layer[v] + 1]++;
    for (uint32_t k = 0; k < l->layer_count; k++) l->layer_begin[k + 1] += l->layer_begin[k];
    uint32_t *at = rv_arena_new(arena, uint32_t, l->layer_count + 1);
    for (uint32_t v = 0; v < l->vertex_count; v++) l->layer_vertices[l->layer_begin[l->layer[v]] + at[l->layer[v]]++] = v;
}

void rv_layout_layers(rv_layout *l, rv_arena *arena, const rv_graph *graph)
{
    *l = (rv_layout){.node_count = graph->plain_count, .vertex_count = graph->plain_count};
    l->layer = rv_arena_new(arena, uint32_t, graph->plain_count + 1);
    assign_layers(l, arena, graph);
    fill_layers(l, arena);
}

/* ---- bends ---- */

static void add_segments(rv_layout *l, rv_arena *arena, const rv_graph *graph)
{
    uint64_t bends = 0, segments = 0;
    for (uint32_t n = 0; n < l->node_count; n++)
        for (uint32_t i = graph->succ_begin[n]; i < graph->succ_begin[n + 1]; i++)
            bends += l->layer[RV_EDGE_NODE(graph->succ[i])] - l->layer[n] - 1, segments++;
    bool has_bends = bends <= BENDS_MAX;
    if (!has_bends) bends = 0;
    uint32_t *layer = rv_arena_new(arena, uint32_t, l->node_count + bends + 1);
    memcpy(layer, l->layer, sizeof *layer * l->node_count);
    l->layer = layer;
    l->segments = rv_arena_new(arena, rv_layout_segment, segments + bends + 1);
    for (uint32_t n = 0; n < l->node_count; n++)
        for (uint32_t i = graph->succ_begin[n]; i < graph->succ_begin[n + 1]; i++) {
            uint32_t to = RV_EDGE_NODE(graph->succ[i]), from = n;
            for (uint32_t k = layer[n] + 1; has_bends && k < layer[to]; k++) {
                layer[l->vertex_count] = k;
                l->segments[l->segment_count++] = (rv_layout_segment){from, l->vertex_count, i};
                from = l->vertex_count++;
            }
            l->segments[l->segment_count++] = (rv_layout_segment){from, to, i};
        }
}

/* ---- neighbours, as arrays ---- */

typedef struct neighbours { uint32_t *begin, *list; } neighbours;

static neighbours collect(const rv_layout *l, rv_arena *arena, bool is_backward)
{
    neighbours n = {rv_arena_new(arena, uint32_t, l->vertex_count + 2), rv_arena_new(arena, uint32_t, l->segment_count + 1)};
    uint32_t *at = rv_arena_new(arena, uint32_t, l->vertex_count + 1);
    for (uint32_t s = 0; s < l->segment_count; s++) n.begin[(is_backward ? l->segments[s].to : l->segments[s].from) + 1]++;
    for (uint32_t v = 0; v < l->vertex_count; v++) n.begin[v + 1] += n.begin[v];
    for (uint32_t s = 0; s < l->segment_count; s++) {
        uint32_t owner = is_backward ? l->segments[s].to : l->segments[s].from;
        n.list[n.begin[owner] + at[owner]++] = is_backward ? l->segments[s].from : l->segments[s].to;
    }
    return n;
}

/* ---- order in a layer ---- */

typedef struct ranked { double key; uint32_t vertex, place; } ranked;

static int by_key(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->place < y->place ? -1 : 1; /* stable */
}

static void order_layer(rv_layout *l, uint32_t layer, const neighbours *n, uint32_t *place, ranked *scratch)
{
    uint32_t begin = l->layer_begin[layer], count = l->layer_begin[layer + 1] - begin;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t v = l->layer_vertices[begin + i], degree = n->begin[v + 1] - n->begin[v];
        double sum = 0;
        for (uint32_t k = n->begin[v]; k < n->begin[v + 1]; k++) sum += place[n->list[k]];
        scratch[i] = (ranked){degree ? sum / degree : i, v, i};
    }
    qsort(scratch, count, sizeof *scratch, by_key);
    for (uint32_t i = 0; i < count; i++) {
        l->layer_vertices[begin + i] = scratch[i].vertex;
        place[scratch[i].vertex] = i;
    }
}

/* ---- heights ---- */

static double room_of(const rv_layout *l, uint32_t vertex) { return vertex < l->node_count ? 1.0 : BEND_ROOM; }

typedef struct block { double sum; uint32_t count; } block;

/* Least squares towards `wish` under order and distance: with the distances taken off it is isotonic regression, solved by pooling
 * adjacent violators. */
static void settle_layer(rv_layout *l, uint32_t layer, const double *wish, block *blocks)
{
    uint32_t begin = l->layer_begin[layer], count = l->layer_begin[layer + 1] - begin, used = 0;
    double offset = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t v = l->layer_vertices[begin + i];
        if (i > 0) offset += (room_of(l, l->layer_vertices[begin + i - 1]) + room_of(l, v)) / 2;
        blocks[used++] = (block){wish[v] - offset, 1};
        while (used > 1 && blocks[used - 2].sum / blocks[used - 2].count > blocks[used - 1].sum / blocks[used - 1].count) {
            blocks[used - 2].sum += blocks[used - 1].sum;
            blocks[used - 2].count += blocks[used - 1].count;
            used--;
        }
    }
    offset = 0;
    for (uint32_t b = 0, i = 0; b < used; b++)
        for (uint32_t k = 0; k < blocks[b].count; k++, i++) {
            uint32_t v = l->layer_vertices[begin + i];
            if (i > 0) offset += (room_of(l, l->layer_vertices[begin + i - 1]) + room_of(l, v)) / 2;
            l->y[v] = blocks[b].sum / blocks[b].count + offset;
        }
}

static void settle(rv_layout *l, rv_arena *arena, const neighbours *before, const neighbours *after)
{
    double *wish = rv_arena_new(arena, double, l->vertex_count + 1), least = 0, most = 0;
    block *blocks = rv_arena_new(arena, block, l->vertex_count + 1);
    for (uint32_t k = 0; k < l->layer_count; k++)
        for (uint32_t i = l->layer_begin[k]; i < l->layer_begin[k + 1]; i++) l->y[l->layer_vertices[i]] = i - l->layer_begin[k];
    for (uint32_t sweep = 0; sweep < SWEEPS; sweep++)
        for (uint32_t step = 0; step < l->layer_count; step++) {
            uint32_t k = sweep % 2 ? l->layer_count - 1 - step : step;
            for (uint32_t i = l->layer_begin[k]; i < l->layer_begin[k + 1]; i++) {
                uint32_t v = l->layer_vertices[i], count = 0;
                double sum = 0;
                const neighbours *sides[] = {before, after};
                for (size_t s = 0; s < RV_COUNT(sides); s++)
                    for (uint32_t e = sides[s]->begin[v]; e < sides[s]->begin[v + 1]; e++) sum += l->y[sides[s]->list[e]], count++;
                wish[v] = count ? sum / count : l->y[v];
            }
            settle_layer(l, k, wish, blocks);
        }
    for (uint32_t v = 0; v < l->vertex_count; v++) {
        if (v == 0 || l->y[v] < least) least = l->y[v];
        if (v == 0 || l->y[v] > most) most = l->y[v];
    }
    for (uint32_t v = 0; v < l->vertex_count; v++) l->y[v] -= least;
    l->height = l->vertex_count ? most - least + 1 : 0;
}

void rv_layout_place(rv_layout *l, rv_arena *arena, const rv_graph *graph)
{
    rv_layout_layers(l, arena, graph);
    add_segments(l, arena, graph);
    fill_layers(l, arena);
    neighbours before = collect(l, arena, true), after = collect(l, arena, false);
    uint32_t *place = rv_arena_new(arena, uint32_t, l->vertex_count + 1);
    ranked *scratch = rv_arena_new(arena, ranked, l->vertex_count + 1);
    for (uint32_t k = 0; k < l->layer_count; k++)
        for (uint32_t i = l->layer_begin[k]; i < l->layer_begin[k + 1]; i++) place[l->layer_vertices[i]] = i - l->layer_begin[k];
    for (uint32_t sweep = 0; sweep < SWEEPS; sweep++)
        for (uint32_t step = 1; step < l->layer_count; step++)
            order_layer(l, sweep % 2 ? l->layer_count - 1 - step : step, sweep % 2 ? &after : &before, place, scratch);
    l->y = rv_arena_new(arena, double, l->vertex_count + 1);
    settle(l, arena, &before, &after);
}
