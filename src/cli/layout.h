/* layout.h: where the nodes of a graph stand when it is drawn in layers from left to right.
 *
 * Longest-path layering; an edge that spans several layers is led through a bend in each layer between (a vertex without a node),
 * so that it does not run through boxes; the order in a layer by sweeps of barycentres (Sugiyama, Tagawa, Toda 1981); heights by
 * isotonic regression: each vertex as near to the mean of its neighbours as order and distance allow. O(vertices · log + edges) a
 * sweep, a fixed number of sweeps. */
#ifndef RV_LAYOUT_H
#define RV_LAYOUT_H

#include "base/mem.h"
#include "kernel/model.h"

typedef struct rv_layout_segment {
    uint32_t from, to, edge;
} rv_layout_segment; /* vertices of neighbouring layers; edge: index in graph->succ */

typedef struct rv_layout {
    uint32_t node_count, layer_count;
    uint32_t *layer;         /* of each vertex */
    uint32_t *layer_begin;   /* vertices of layer l: layer_vertices[layer_begin[l] .. layer_begin[l + 1]) */
    uint32_t *layer_vertices;
    uint32_t vertex_count;   /* nodes first, then bends */
    rv_layout_segment *segments; uint32_t segment_count;
    double *y;               /* of each vertex, top 0; units: one is the height of a node's row */
    double height;
} rv_layout;

/* Layers alone: layer of each of the plain_count nodes, and the nodes of each layer in the graph's order. */
void rv_layout_layers(rv_layout *layout, rv_arena *arena, const rv_graph *graph);
/* Layers, bends, order and heights. For graphs of some hundred nodes. */
void rv_layout_place(rv_layout *layout, rv_arena *arena, const rv_graph *graph);

#endif
