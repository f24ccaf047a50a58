/* agree.h: the end of a run beside what the oracle of tests/law says about it. */
#ifndef RV_AGREE_H
#define RV_AGREE_H

#include "kernel/run.h"
#include "shape.h"

/* Whether the end of this run is a function of how its attempts and questions ended: not cut short, nothing adopted. */
bool agree_is_due(const rv_run *run);
/* NULL: the oracle, told how each attempt and each question of `run` ended, says the same of every node and of the run;
 * else static text. `run` is over; graph, space and s as in explore_graph. */
const char *agree_check(const rv_run *run, const shape *s, bool is_reversed);

#endif
