/* shape.h: every graph of n nodes whose nodes carry one of a list of variants, once up to isomorphism.
 *
 * A shape is a strictly upper triangular matrix: edges go from a lower to a higher node, so there is no cycle, and
 * every graph without one has such a form. Of all forms of a graph only the one with the least code is visited.
 *
 *        a ──► b          [. h s]     h hard, s soft
 *        ╎     │          [. . h]     (a then ~a, b then a, c then b ~a)
 *        └╌╌► c ◄┘        [. . .] */
#ifndef RV_SHAPE_H
#define RV_SHAPE_H

#include "base/mem.h"

#define SHAPE_NODES_MAX 4

typedef enum shape_edge { SHAPE_NO_EDGE, SHAPE_HARD, SHAPE_SOFT } shape_edge;

/* What a node can be: how it is written in a graph text (graph_text.h), and where it may stand. */
typedef struct shape_variant {
    const char *text;          /* settings of the node, "" for a plain one */
    bool needs_hard_pred;      /* without a hard predecessor it would be the same as variant 0 */
} shape_variant;

typedef struct shape {
    uint32_t node_count;
    uint8_t edge[SHAPE_NODES_MAX][SHAPE_NODES_MAX]; /* shape_edge, [from][to], from < to */
    uint8_t variant[SHAPE_NODES_MAX];               /* index in the list of variants */
} shape;

typedef struct shape_space {
    uint32_t node_count;       /* 1..SHAPE_NODES_MAX */
    bool has_soft;             /* soft edges too, else hard ones alone */
    const shape_variant *variants;
    uint32_t variant_count;    /* ≥ 1 */
    const char *suffix;        /* written behind the nodes: handlers, the run's timeout; "" for none */
} shape_space;

/* The first shape of a space, and the next one: each graph once up to isomorphism. false: there is none (any more).
 * Exponential in the nodes; for at most SHAPE_NODES_MAX of them. */
bool shape_first(const shape_space *space, shape *ret);
bool shape_next(const shape_space *space, shape *s);
/* As a graph text, appended: nodes a, b, c, d, in this order, or the last one first. */
void shape_text(const shape_space *space, const shape *s, bool is_reversed, rv_buf *out);

#endif
