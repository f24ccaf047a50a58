#include "kernel/run_private.h"

bool rv_retry_allows(const rv_policy *policy, rv_detail detail, int32_t exit_status)
{
    if (detail == RV_DETAIL_SCHEMA) return true; /* tried again with the violation as feedback */
    if (detail == RV_DETAIL_SIGNAL) return policy->retry_on & RV_RETRY_ON_SIGNAL;
    if (detail == RV_DETAIL_TIMEOUT) return policy->retry_on & RV_RETRY_ON_TIMEOUT;
    if (detail == RV_DETAIL_UNAVAILABLE) return policy->retry_on & RV_RETRY_ON_UNAVAILABLE;
    if (detail != RV_DETAIL_EXIT) return false;
    if (policy->retry_on & RV_RETRY_ON_ANY_EXIT) return true;
    return exit_status >= 0 && exit_status < 256 && (policy->retry_exit[exit_status >> 6] >> (exit_status & 63)) & 1;
}

int64_t rv_retry_delay_ms(const rv_policy *policy, uint64_t seed, uint32_t node, uint32_t failures)
{
    int64_t delay_ms = policy->delay_ms;
    int64_t bound_ms = policy->delay_ms_max > 0 ? policy->delay_ms_max : INT64_C(30) * 24 * 3600 * 1000;
    if (policy->backoff == RV_BACKOFF_EXPONENTIAL)
        for (uint32_t i = 1; i < failures && delay_ms < bound_ms; i++) delay_ms = delay_ms > bound_ms / 2 ? bound_ms : delay_ms * 2;
    if (delay_ms > bound_ms) delay_ms = bound_ms;
    if (!policy->jitter || delay_ms < 2) return delay_ms;
    uint64_t state = seed ^ ((uint64_t)node << 32) ^ failures; /* "equal jitter": half fixed, half drawn */
    return delay_ms / 2 + (int64_t)(rv_rng_next(&state) % (uint64_t)(delay_ms - delay_ms / 2 + 1));
}

void rv_step_failed(rv_step *step, uint32_t index, rv_detail detail)
{
    rv_run *run = step->run;
    const rv_policy *policy = rv_run_policy(run, index);
    rv_node_run *node = &run->nodes[index];
    bool is_failing_fast = rv_run_is_winding_down(run) && !rv_run_is_handler(run, index);
    bool is_closed = is_failing_fast || rv_run_is_called_off(run, index);
    bool may_retry = node->failures < policy->max_attempts && rv_retry_allows(policy, detail, node->exit_status) &&
                     !rv_budget_is_over(run, index, true); /* [K54] */
    if (node->flags & RV_NODE_R_CALLED_OFF) { /* its failure is recorded; nobody waits for another try */
        rv_step_node(step, index, RV_CHANGE_CANCEL, RV_DETAIL_SUPERSEDED, index + 1);
        return;
    }
    if (!may_retry || is_closed || (node->flags & RV_NODE_R_EXPIRED)) {
        rv_step_node(step, index, RV_CHANGE_FAIL, (node->flags & RV_NODE_R_EXPIRED) ? RV_DETAIL_TIMEOUT : detail, index + 1);
        return;
    }
    int64_t delay_ms = rv_retry_delay_ms(policy, run->rng, index, node->failures);
    if (delay_ms == 0) {
        rv_step_allow(step, index, RV_CHANGE_RETRY);
        return;
    }
    rv_step_node(step, index, RV_CHANGE_BACK_OFF, RV_DETAIL_TIMER, 0);
    rv_step_timer(step, index, rv_time_after(step->now.engine_ms, delay_ms), RV_TIMER_NODE);
}

void rv_step_again(rv_step *step, uint32_t index)
{
    rv_run *run = step->run;
    bool is_failing_fast = rv_run_is_winding_down(run) && !rv_run_is_handler(run, index);
    if (run->nodes[index].flags & RV_NODE_R_CALLED_OFF) {
        rv_step_node(step, index, RV_CHANGE_CANCEL, RV_DETAIL_SUPERSEDED, index + 1);
    } else if (run->nodes[index].flags & RV_NODE_R_EXPIRED) {
        rv_step_node(step, index, RV_CHANGE_FAIL, RV_DETAIL_TIMEOUT, index + 1);
    } else if (is_failing_fast) { /* what runs may finish; nothing begins */
        rv_step_node(step, index, RV_CHANGE_RETRY, RV_DETAIL_NONE, 0);
        rv_step_node(step, index, RV_CHANGE_SKIP, rv_run_skip_cause(run), 0);
    } else if (rv_run_is_called_off(run, index)) {
        rv_step_node(step, index, RV_CHANGE_CANCEL, RV_DETAIL_SIGNALLED, index + 1);
    } else {
        rv_step_allow(step, index, RV_CHANGE_RETRY);
    }
}
