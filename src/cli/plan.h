/* plan.h: what a run would do, told from load-time values alone (`run --dry-run`). */
#ifndef RV_PLAN_H
#define RV_PLAN_H

#include "cli/cli.h"

typedef enum rv_plan_word { RV_PLAN_RUN, RV_PLAN_SKIP, RV_PLAN_MAYBE, RV_PLAN_BODY, RV_PLAN_HIT } rv_plan_word;
/* MAYBE: its condition reads results; BODY: its controller does it, as often as it takes; HIT: the cache has it */

/* Print the nodes in the order in which one slot would take them: priority, then the file's order, each after what it needs; what is in
 * a controller follows it.
 * INVALID: a condition that cannot be evaluated; err names node and cause. O(nodes + edges · log nodes). */
/* forecast: what the cache would do; NULL: it is not asked. */
struct rv_forecast;
RV_MUST_USE rv_status rv_plan_print(const rv_spec *spec, struct rv_forecast *forecast, const rv_args *args, rv_error *err);
/* What a node does, on one line: its command, or the first line of its script, or what it waits for. */
void rv_plan_action(rv_buf *out, const rv_graph *graph, uint32_t node);

#endif
