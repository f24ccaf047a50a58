/* bodies.h: the definitions inside of controllers, for those who draw or plan a workflow that does not run yet. */
#ifndef RV_BODIES_H
#define RV_BODIES_H

#include "base/mem.h"
#include "kernel/model.h"

#define RV_BODIES_DEPTH_MAX 64u /* as deep as the loader lets bodies nest */

/* A walk over all that is inside of a definition: owners before what is in them, in the file's order. */
typedef struct rv_bodies {
    const rv_graph *graph;
    uint32_t depth;
    struct { uint32_t owner, scope, next; } stack[RV_BODIES_DEPTH_MAX + 1];
} rv_bodies;
typedef enum rv_bodies_step {
    RV_BODIES_NODE, /* a definition; if it is a controller what is in it follows */
    RV_BODIES_END,  /* all that is in this controller was given; also of the one that the walk began with */
    RV_BODIES_OVER,
} rv_bodies_step;
/* Begin at `def`; one that is no controller gives OVER at once. graph is borrowed. */
void rv_bodies_begin(rv_bodies *walk, const rv_graph *graph, uint32_t def);
/* The next step, and which definition it is about. */
rv_bodies_step rv_bodies_next(rv_bodies *walk, uint32_t *ret_def);

/* Append how a definition is called before there are instances of it: `each[*].build`, `try#*`, `sort.by`, `best/e1`, `best/judge`. */
void rv_bodies_path(rv_buf *out, const rv_graph *graph, uint32_t def);
/* Append the labels under which `classify` lets `def` go on, with `|` between them; nothing when it is in no branch of it. */
void rv_bodies_labels(rv_buf *out, const rv_graph *graph, uint32_t classify, uint32_t def);

#endif
