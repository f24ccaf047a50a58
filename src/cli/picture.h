/* picture.h: what is drawn of a run's graph: the file's nodes and those that grew beneath them [K13–K17, K20]. A vertex is a node, or
 * stands for what is too much beneath one. */
#ifndef RV_PICTURE_H
#define RV_PICTURE_H

#include "cli/report.h"

#define RV_PICTURE_NODES_MAX 400u /* of the file; more are not drawn one by one */

#define RV_PICTURE_INNER RV_EDGE_EXTERNAL /* set in an edge's entry: from a node to what grew beneath it, or from that to what comes next */

typedef struct rv_picture_vertex {
    uint32_t node;   /* whose box it is; of a fold: what it is beneath */
    uint32_t folded; /* > 0: a fold, of so many nodes */
    uint32_t states[RV_NODE_STATE_COUNT]; /* of those */
} rv_picture_vertex;

typedef struct rv_picture {
    rv_picture_vertex *vertices;
    rv_graph graph;  /* of vertices: plain_count, pred_begin, succ_begin and succ, for layout.h */
} rv_picture;

/* Arrange it in the arena, in at most some hundred vertices more than the file has nodes, which are at most RV_PICTURE_NODES_MAX. */
void rv_picture_make(const rv_report *report, rv_arena *arena, rv_picture *ret);

#endif
