/* parent.h: the run that a child run goes on from [R1]: its state, what its nodes gave, and which of its nodes is which of the
 * child's. A node's *twin* is the parent's node of the same place, name and number: `each[3].build` of `each[3].build`; of a node that
 * was revised there the latest instance, so a child's `draft` may be the twin of `draft~2`. What is made anew by a revision of
 * the child, handlers and what was submitted have none. */
#ifndef RV_PARENT_H
#define RV_PARENT_H

#include "engine/inner.h"

typedef struct rv_kept_artifact { rv_str name, media_type, digest; uint64_t size; struct rv_kept_artifact *next; } rv_kept_artifact;
/* What a node of the parent gave. */
typedef struct rv_kept {
    rv_str value, digest;      /* JSON, size 0 none; of what people were shown */
    rv_kept_artifact *artifacts;
} rv_kept;

/* Of a node of the child. */
typedef struct rv_twin_state {
    uint32_t node;             /* index + 1 in the parent; 0: it has none */
    bool is_known;             /* it was looked up */
    bool is_same;              /* computed again, from the same; of a controller: the parent's may stand for it */
    bool is_asked;             /* whether it happened was asked about */
    bool is_listed;            /* what it made is in rows of the child */
} rv_twin_state;

typedef struct rv_parent {
    rv_spec *spec;
    rv_run *run;
    rv_compiler compiler;
    rv_arena arena;
    bool has_same_params;      /* params, environment, directory and secrets are the child's too */
    rv_kept *kept;             /* kept[node of the parent] */
    RV_VEC(rv_twin_state) twins; /* by node of the child, as far as somebody asked */
    RV_VEC(uint32_t) deferred; /* controllers of the child that are kept once their children are */
    bool is_adopting;          /* within rv_adopt_changed */
} rv_parent;

/* Read the run job->resumed_from into job->parent, which is there afterwards also when this fails.
 * STORE_IO …: as reading the store; CORRUPT: its workflow does not load. Linear in its journal and rows. */
RV_MUST_USE rv_status rv_parent_load(rv_job *job, rv_error *err);
void rv_parent_free(rv_parent *parent); /* NULL is legal */

/* The twin of a node of the child; RV_NONE: none. Looked up once. */
uint32_t rv_twin(rv_job *job, uint32_t node);
/* What is known of it; borrowed until the next one is asked for. */
rv_twin_state *rv_twin_of(rv_job *job, uint32_t node);

#endif
