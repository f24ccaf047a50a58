#include "engine/inner.h"

/* Effects that the engine carries out itself, without a slot: reduce [K14]. */

void rv_reduce_perform(rv_job *job, uint32_t node, uint32_t epoch)
{
    rv_engine *engine = job->engine;
    rv_error error = {0};
    if (job->run->nodes[node].epoch != epoch || job->run->nodes[node].state != RV_NODE_RUNNING || engine->has_failed) return;
    rv_attempt *attempt = rv_attempt_new(job, node);
    rv_value_scope scope = {.values = &job->values, .node = node, .epoch = epoch};
    attempt->epoch = epoch;
    attempt->number = job->run->nodes[node].number;
    attempt->row.started_ms = rv_loop_wall_ms(engine->config.loop);
    rv_status status = rv_reduce(&scope, rv_job_body(job, node), &attempt->result, &error);
    attempt->row.ended_ms = rv_loop_wall_ms(engine->config.loop);
    if (status != RV_OK) {
        rv_buf_clear(&attempt->result);
        rv_buf_cstring(&attempt->error, error.text);
        attempt->row.error_source = RV_STR("engine");
    } else {
        attempt->row.exit_status = 0;
    }
    rv_arena_clear(&engine->scratch);
    rv_attempt_end(attempt, status == RV_OK ? RV_ATTEMPT_OK : RV_ATTEMPT_ERROR, status == RV_OK ? RV_DETAIL_NONE : RV_DETAIL_REDUCER);
}
