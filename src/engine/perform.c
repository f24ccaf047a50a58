#include "engine/inner.h"

/* Effects that the engine carries out itself, without a slot: reduce [K14]. */

/* By the host: {"value":…} of what it gives, which is checked as what commands write is. */
static rv_status reduce_outside(rv_job *job, uint32_t node, const rv_value_scope *scope, rv_str reducer, rv_buf *out, rv_error *err)
{
    const rv_engine_config *config = &job->engine->config;
    rv_buf inputs = {0}, value = {0};
    rv_arena arena = {0};
    rv_json *tree = NULL;
    if (!config->reduce) return rv_error_set(err, RV_NOT_FOUND, "no reducer %.*s", RV_FMT(reducer));
    rv_status status = rv_reduce_inputs(scope, rv_job_body(job, node), &inputs, err);
    if (status == RV_OK) status = config->reduce(config->reduce_user, job, node, reducer, rv_buf_str(&inputs), &value, err);
    if (status == RV_OK && value.size > RV_RESULT_SIZE_MAX) status = rv_error_set(err, RV_LIMIT, "the reduced value is over 1 MiB");
    if (status == RV_OK && rv_json_parse(&arena, rv_buf_str(&value), &tree, err) != RV_OK) status = RV_INVALID;
    if (status == RV_OK) {
        rv_buf_cstring(out, "{\"value\":");
        rv_json_write(out, tree, false);
        rv_buf_byte(out, '}');
    }
    rv_buf_deinit(&inputs);
    rv_buf_deinit(&value);
    rv_arena_deinit(&arena);
    return status;
}

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
    const rv_json *body = rv_job_body(job, node);
    rv_str reducer = rv_json_get(rv_json_get(body, RV_STR("reduce")), RV_STR("reducer"))->text;
    rv_status status = rv_reducer_is_own(reducer) ? rv_reduce(&scope, body, &attempt->result, &error)
                                                  : reduce_outside(job, node, &scope, reducer, &attempt->result, &error);
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
