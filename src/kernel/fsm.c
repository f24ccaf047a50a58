#include "kernel/fsm.h"

/* next + 1, so that an absent pair is 0. */
#define X(from_, change_, to_) [RV_NODE_##from_][RV_CHANGE_##change_] = RV_NODE_##to_ + 1,
static const uint8_t node_next[RV_NODE_STATE_COUNT][RV_NODE_CHANGE_COUNT] = {RV_NODE_TABLE(X)};
#undef X
#define X(from_, to_) [RV_ATTEMPT_##from_][RV_ATTEMPT_##to_] = 1,
static const uint8_t attempt_pair[RV_ATTEMPT_STATE_COUNT][RV_ATTEMPT_STATE_COUNT] = {RV_ATTEMPT_TABLE(X)};
#undef X
#define X(from_, to_) [RV_RUN_##from_][RV_RUN_##to_] = 1,
static const uint8_t run_pair[RV_RUN_STATE_COUNT][RV_RUN_STATE_COUNT] = {RV_RUN_TABLE(X)};
#undef X

rv_node_state rv_node_next(rv_node_state state, rv_node_change change)
{
    RV_ASSERT((uint32_t)state < RV_NODE_STATE_COUNT && (uint32_t)change < RV_NODE_CHANGE_COUNT);
    uint8_t next = node_next[state][change];
    return next ? (rv_node_state)(next - 1) : RV_NODE_STATE_COUNT;
}

static bool leads_to(rv_node_state from, rv_node_state to)
{
    for (uint32_t change = 0; change < RV_NODE_CHANGE_COUNT; change++)
        if (node_next[from][change] == (uint32_t)to + 1) return true;
    return false;
}

bool rv_node_may_become(rv_node_state from, rv_node_state to)
{
    return (uint32_t)from < RV_NODE_STATE_COUNT && (uint32_t)to < RV_NODE_STATE_COUNT && leads_to(from, to);
}

bool rv_attempt_may_become(rv_attempt_state from, rv_attempt_state to)
{
    return (uint32_t)from < RV_ATTEMPT_STATE_COUNT && (uint32_t)to < RV_ATTEMPT_STATE_COUNT && attempt_pair[from][to];
}

bool rv_run_may_become(rv_run_state from, rv_run_state to)
{
    return (uint32_t)from < RV_RUN_STATE_COUNT && (uint32_t)to < RV_RUN_STATE_COUNT && run_pair[from][to];
}
