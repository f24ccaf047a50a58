/* fuzz_run.h: what the targets of journals and states share: the graphs, and what must hold of a run that was accepted. */
#ifndef RV_FUZZ_RUN_H
#define RV_FUZZ_RUN_H

#include <stdio.h>

#include "graph_text.h"
#include "kernel/run.h"

/* The graph that an input's first byte names. Built once. */
static inline const rv_graph *fuzz_graph(uint8_t which)
{
    static const char *const texts[] = {
        "a; b: a; c: a ~b [all_terminal] %attempts=3 %delay=100; e: b c; on.failure; on.exit",
        "x: %delivery=at_most_once %unknown=ask %total=5000; i: x !input %deadline=60 %default={\"n\":1}; p: !approve; w: !wait %for=30;"
        " s: i p !set `n=${i.n}`; r: s w [all_terminal] !reduce;"
        " z: r @t when ${s.n} == 1; y: @t [optional] x; %cap=t/1; %timeout=90000; on.cancel; on.success",
    };
    static const rv_graph *graphs[RV_COUNT(texts)];
    size_t index = which % RV_COUNT(texts);
    if (!graphs[index]) graphs[index] = rv_graph_text(texts[index]);
    return graphs[index];
}

static inline void fuzz_expect_stable(const rv_run *run)
{
    rv_buf once = {0}, twice = {0};
    rv_run *copy = rv_run_new(run->graph);
    rv_error err = {0};
    rv_run_encode(run, &once);
    RV_ASSERT(rv_run_decode(copy, rv_buf_str(&once), &err) == RV_OK);
    rv_run_encode(copy, &twice);
    RV_ASSERT(rv_str_eq(rv_buf_str(&once), rv_buf_str(&twice)));
    rv_buf_deinit(&once);
    rv_buf_deinit(&twice);
    rv_run_free(copy);
}

static inline void fuzz_step(rv_run *run, rv_out *out, rv_event event, rv_now now)
{
    rv_out_clear(out);
    if (rv_run_reserve(run, out, &event) != RV_OK) return;
    rv_run_step(run, &event, now, out);
    const char *broken = rv_run_check(run);
    if (broken) fprintf(stderr, "after %s of node %u: %s\n", rv_event_name(event.type), event.node, broken);
    RV_ASSERT(broken == NULL);
}

/* A run that passed its check is as good as any other: it takes inputs, keeps its invariants, encodes and decodes. */
static inline void fuzz_use(rv_run *run)
{
    rv_out out = {0};
    rv_now now = {.wall_ms = 1700000000000, .engine_ms = 5000};
    fuzz_expect_stable(run);
    fuzz_step(run, &out, (rv_event){.type = RV_EVENT_RESUME, .node = RV_NONE}, now);
    fuzz_step(run, &out, (rv_event){.type = RV_EVENT_TICK, .node = RV_NONE}, now);
    for (uint32_t node = 0; node < run->graph->node_count; node++) {
        fuzz_step(run, &out, (rv_event){.type = RV_EVENT_DECIDED, .node = node, .state = node % 5, .value = RV_STR("{\"n\":1}")}, now);
        fuzz_step(run, &out, (rv_event){.type = RV_EVENT_ANSWER, .node = node, .value = RV_STR("{\"n\":1}")}, now);
        fuzz_step(run, &out, (rv_event){.type = RV_EVENT_ADMITTED, .node = node}, now);
        fuzz_step(run, &out, (rv_event){.type = RV_EVENT_STARTED, .node = node, .epoch = run->nodes[node].epoch, .pid = 1}, now);
        fuzz_step(run, &out, (rv_event){.type = RV_EVENT_COMPLETED, .node = node, .epoch = run->nodes[node].epoch,
                                        .state = RV_ATTEMPT_OK + node % 3, .detail = node % 3 == 2 ? RV_DETAIL_EXIT : RV_DETAIL_NONE}, now);
    }
    now.engine_ms = INT64_MAX;
    fuzz_step(run, &out, (rv_event){.type = RV_EVENT_TICK, .node = RV_NONE}, now);
    fuzz_step(run, &out, (rv_event){.type = RV_EVENT_INTERRUPT, .node = RV_NONE, .signal = 2}, now);
    fuzz_step(run, &out, (rv_event){.type = RV_EVENT_CANCEL, .node = RV_NONE}, now);
    for (uint32_t node = 0; node < run->graph->node_count; node++)
        fuzz_step(run, &out, (rv_event){.type = RV_EVENT_LOST, .node = node, .epoch = run->nodes[node].epoch}, now);
    fuzz_step(run, &out, (rv_event){.type = RV_EVENT_PREEMPT, .node = RV_NONE}, now);
    fuzz_expect_stable(run);
    rv_out_deinit(&out);
}

#endif
