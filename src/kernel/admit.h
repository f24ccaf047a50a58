/* admit.h: how many attempts at once [A1, A2, A6]. A second pure machine, over all runs of an engine. Its slots are
 * not journaled: after a restart they are rebuilt from what runs.
 *
 * A node needs a slot under the global cap and one under each tag of its class. The walk goes over the classes'
 * ready queues in order of admission; a class whose caps are full does not stop the others. Classes and tags are the
 * run's (rv_run_class_of): those of its file, then those of what was submitted to it. */
#ifndef RV_ADMIT_H
#define RV_ADMIT_H

#include "kernel/run.h"

typedef struct rv_admit {
    uint32_t cap, used;          /* global */
    RV_VEC(uint32_t) tag_used;   /* by tag of the run */
} rv_admit; /* one per run for its tags; `cap` and `used` are the engine's when it drives one run */

/* cap ≥ 1. */
void rv_admit_init(rv_admit *admit, uint32_t cap);
void rv_admit_deinit(rv_admit *admit);
/* Whether a node of `class_index` may have its slots now. Pure. O(tags of the class). */
bool rv_admit_fits(const rv_admit *admit, const rv_run *run, uint32_t class_index);
/* The ready node that goes next: the first over all classes whose caps permit; RV_NONE: none may go now. O(classes). */
uint32_t rv_admit_next(const rv_admit *admit, const rv_run *run);
/* Take and give back the slots of one node. take: they must fit. */
void rv_admit_take(rv_admit *admit, const rv_run *run, uint32_t class_index);
void rv_admit_give(rv_admit *admit, const rv_run *run, uint32_t class_index);
/* The tag (index) whose cap keeps a node of this class from starting, or RV_NONE when it is the global cap or none. */
uint32_t rv_admit_blocker(const rv_admit *admit, const rv_run *run, uint32_t class_index);

#endif
