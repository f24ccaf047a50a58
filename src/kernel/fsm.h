/* fsm.h: the state machines of node, attempt and run. One list each is the source of the code, of the diagram in
 * docs/kernel.md and of the test that visits every (state, event) pair. A pair that is absent is illegal: deciding
 * one is our bug (asserted), reading one from a journal is damage (RV_CORRUPT). */
#ifndef RV_FSM_H
#define RV_FSM_H

#include "kernel/model.h"

#define RV_NODE_CHANGE_MAP(X)                                                     \
    X(ALLOW, "its predecessors have settled as its policy allows")                \
    X(ADMIT, "it was given a slot")                                               \
    X(PERFORM, "the engine performs it without a slot")                           \
    X(PARK, "it waits for a person, a time or an answer")                         \
    X(BACK_OFF, "it waits for its next attempt")                                  \
    X(RETRY, "it may be admitted again")                                          \
    X(PUT_BACK, "its attempt was interrupted and counts against nothing")         \
    X(SUCCEED, "it has its result")                                               \
    X(PART, "it has a result marked incomplete")                                  \
    X(FAIL, "it failed for good")                                                 \
    X(DENY, "it was refused")                                                     \
    X(SKIP, "it will not run")                                                    \
    X(CANCEL, "it was called off")

/*  state    change    next */
#define RV_NODE_TABLE(X)          \
    X(PENDING, ALLOW, READY)      \
    X(PENDING, PERFORM, RUNNING)  \
    X(PENDING, PARK, WAITING)     \
    X(PENDING, SUCCEED, SUCCEEDED) \
    X(PENDING, FAIL, FAILED)      \
    X(PENDING, DENY, DENIED)      \
    X(PENDING, SKIP, SKIPPED)     \
    X(PENDING, CANCEL, CANCELLED) \
    X(READY, ADMIT, RUNNING)      \
    X(READY, SUCCEED, SUCCEEDED)  \
    X(READY, PARK, WAITING)       \
    X(READY, FAIL, FAILED)        \
    X(READY, DENY, DENIED)        \
    X(READY, SKIP, SKIPPED)       \
    X(READY, CANCEL, CANCELLED)   \
    X(RUNNING, RETRY, READY)      \
    X(RUNNING, BACK_OFF, WAITING) \
    X(RUNNING, PARK, WAITING)     \
    X(RUNNING, PUT_BACK, PENDING) \
    X(RUNNING, SUCCEED, SUCCEEDED) \
    X(RUNNING, PART, PARTIAL)     \
    X(RUNNING, FAIL, FAILED)      \
    X(RUNNING, DENY, DENIED)      \
    X(RUNNING, CANCEL, CANCELLED) \
    X(WAITING, RETRY, READY)      \
    X(WAITING, PARK, WAITING)     \
    X(WAITING, SUCCEED, SUCCEEDED) \
    X(WAITING, FAIL, FAILED)      \
    X(WAITING, DENY, DENIED)      \
    X(WAITING, SKIP, SKIPPED)     \
    X(WAITING, CANCEL, CANCELLED)

/*  state     next */
#define RV_ATTEMPT_TABLE(X)  \
    X(STARTING, RUNNING)     \
    X(STARTING, OK)          \
    X(STARTING, PARTIAL)     \
    X(STARTING, ERROR)       \
    X(STARTING, TIMEOUT)     \
    X(STARTING, DENIED)      \
    X(STARTING, CANCELLED)   \
    X(STARTING, LOST)        \
    X(STARTING, UNKNOWN)     \
    X(STARTING, VOID)        \
    X(RUNNING, OK)           \
    X(RUNNING, PARTIAL)      \
    X(RUNNING, ERROR)        \
    X(RUNNING, TIMEOUT)      \
    X(RUNNING, DENIED)       \
    X(RUNNING, CANCELLED)    \
    X(RUNNING, LOST)         \
    X(RUNNING, UNKNOWN)

/*  status       next */
#define RV_RUN_TABLE(X)         \
    X(ACCEPTED, RUNNING)        \
    X(RUNNING, INTERRUPTED)     \
    X(RUNNING, OK)              \
    X(RUNNING, ERROR)           \
    X(RUNNING, TIMEOUT)         \
    X(RUNNING, CANCELLED)       \
    X(RUNNING, OVER_BUDGET)     \
    X(INTERRUPTED, RUNNING)

#define X(name_, text_) RV_CHANGE_##name_,
typedef enum rv_node_change { RV_NODE_CHANGE_MAP(X) RV_NODE_CHANGE_COUNT } rv_node_change;
#undef X

/* What `change` makes of a node in `state`; RV_NODE_STATE_COUNT: illegal. Pure. O(1). */
rv_node_state rv_node_next(rv_node_state state, rv_node_change change);
/* Whether some change leads from one state to the other. Pure. O(1). */
bool rv_node_may_become(rv_node_state from, rv_node_state to);
bool rv_attempt_may_become(rv_attempt_state from, rv_attempt_state to);
bool rv_run_may_become(rv_run_state from, rv_run_state to);

#endif
