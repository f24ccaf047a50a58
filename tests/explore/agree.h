/* agree.h: the end of a run beside what the oracle of tests/law says about it. */
#ifndef RV_AGREE_H
#define RV_AGREE_H

#include "kernel/run.h"
#include "shape.h"

typedef struct agree_graph { const shape *drawn; bool is_reversed; } agree_graph; /* what the run's graph was made from */

/* An explore_oracle, user: agree_graph. The oracle of tests/law is told how each attempt and each question of `run` ended, and
 * must say the same of every node and of the run. It judges only what is a function of that: a run that was not cut short
 * and in which nothing was adopted. */
const char *agree_check(const rv_run *run, const void *user, bool *ret_was_asked);

#endif
