#include "engine/inner.h"

/* Runs that share a budget's group [K53]. The store is the authority between processes: each run's row says what it has spent and
 * reserved, written with the journal's row that decided it, and one process owns a store. So what a run has to know of the others is
 *
 *     elsewhere = rows of runs that this engine does not drive  +  states of those that it does
 *
 * It is told to the kernel as an input, so that a replay decides the same, and only where it has changed, before anything is decided
 * that depends on it. */

/* What a run has taken of a dimension, as other runs see it. */
static int64_t taken_by(const rv_run *run, uint32_t dimension, int64_t engine_ms)
{
    const rv_purse *purse = &run->purse;
    int64_t taken = purse->spent[dimension];
    if (dimension < RV_HELD_COUNT) taken += purse->reserved[dimension];
    if (dimension == RV_DIMENSION_TIME && purse->live) taken += RV_MAX(engine_ms - purse->since_ms, 0);
    return RV_MIN(taken, RV_AMOUNT_MAX);
}

static void add_row(const rv_run_row *row, int64_t *amounts)
{
    const int64_t taken[RV_DIMENSION_COUNT] = {[RV_DIMENSION_USD] = row->cost_micro + row->reserved_micro,
                                               [RV_DIMENSION_TOKENS] = row->tokens + row->reserved_tokens,
                                               [RV_DIMENSION_TIME] = row->counted_ms,
                                               [RV_DIMENSION_ATTEMPTS] = (int64_t)row->counted_attempts,
                                               [RV_DIMENSION_NODES] = (int64_t)row->counted_nodes};
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++) amounts[d] = RV_MIN(amounts[d] + taken[d], RV_AMOUNT_MAX);
}

rv_status rv_group_load(rv_job *job, rv_error *err)
{
    rv_engine *engine = job->engine;
    rv_arena arena = {0};
    rv_run_rows rows = {0};
    int64_t stored[RV_DIMENSION_COUNT] = {0};
    const rv_graph *graph = job->graph;
    if (graph->budget) job->group = rv_graph_str(graph, graph->budgets[graph->budget - 1].group);
    if (job->group.size == 0) return RV_OK;
    rv_run_filter filter = {.budget_group = job->group};
    rv_status status = rv_store_runs(engine->config.store, &arena, &filter, &rows, err);
    for (uint32_t i = 0; i < rows.count && status == RV_OK; i++)
        if (!rv_engine_job(engine, rows.at[i].id)) add_row(&rows.at[i], stored);
    for (uint32_t i = 0; i < engine->jobs.count && status == RV_OK; i++) /* what is driven here now is no row of others any more */
        if (rv_str_eq(engine->jobs.at[i]->group, job->group)) memcpy(engine->jobs.at[i]->group_stored, stored, sizeof stored);
    rv_vec_deinit(&rows);
    rv_arena_deinit(&arena);
    return status;
}

/* What has changed elsewhere, told for one dimension. */
static void tell(rv_job *job, uint32_t dimension)
{
    rv_engine *engine = job->engine;
    int64_t engine_ms = rv_engine_now(engine).engine_ms, elsewhere = job->group_stored[dimension];
    for (uint32_t i = 0; i < engine->jobs.count; i++) {
        const rv_job *other = engine->jobs.at[i];
        if (other == job || !rv_str_eq(other->group, job->group)) continue;
        elsewhere = RV_MIN(elsewhere + taken_by(other->run, dimension, engine_ms), RV_AMOUNT_MAX);
    }
    if (elsewhere == job->run->limits.elsewhere[dimension]) return;
    rv_event told = {.type = RV_EVENT_BUDGET, .node = RV_NONE, .state = dimension, .amount = elsewhere, .flags = RV_BUDGET_ELSEWHERE};
    rv_answer answer = rv_engine_step(job, &told, job->run->paused > 0);
    RV_ASSERT(answer == RV_ANSWER_TAKEN);
}

void rv_group_look(rv_job *job, rv_event_type next)
{
    bool is_open = job->run->status == RV_RUN_RUNNING || job->run->status == RV_RUN_INTERRUPTED;
    if (job->group.size == 0 || !is_open) return;
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++) {
        bool is_wanted = d != RV_DIMENSION_TIME || next == RV_EVENT_ADMITTED; /* it passes by itself: a start looks at it */
        if (is_wanted && job->run->limits.limits >> d & 1) tell(job, d);
    }
}
