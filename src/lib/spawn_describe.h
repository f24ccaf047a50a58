/* spawn_describe.h: the descriptor of an attempt [K41], as far as it follows from the workflow and the run alone: for the kernel's hosts
 * and for executors that a program registers with its engine. */
#ifndef RV_SPAWN_DESCRIBE_H
#define RV_SPAWN_DESCRIBE_H

#include "base/json.h"
#include "kernel/run.h"
#include "reeve.h"

/* Fill *ret for attempt `number` of `node`; texts live in the arena. body: the node's, parsed. run, epoch, key, argv, env and dir
 * are left NULL and 0. */
void rv_spawn_describe(rv_run *run, uint32_t node, uint32_t number, const rv_json *body, rv_arena *arena, reeve_spawn *ret);

#endif
