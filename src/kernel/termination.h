/* termination.h: how an executor says that an attempt ended [K42], and what that makes of the attempt. One list gives
 * the words, the states and the table of docs/kernel-protocol.md. */
#ifndef RV_TERMINATION_H
#define RV_TERMINATION_H

#include "kernel/model.h"

#define RV_TERMINATION_MAP(X) /* name, word, state of the attempt, detail */ \
    X(COMPLETED, "completed", OK, NONE)                                      \
    X(MAX_TURNS, "max_turns", PARTIAL, NONE)                                 \
    X(TOKEN_BUDGET, "token_budget", PARTIAL, NONE)                           \
    X(TIMEOUT, "timeout", TIMEOUT, TIMEOUT)                                  \
    X(USER_ABORT, "user_abort", CANCELLED, SIGNALLED)                        \
    X(ERROR, "error", ERROR, EXIT)                                           \
    X(MILESTONE_EXCEEDED, "milestone_exceeded", ERROR, EXIT)

#define X(name_, ...) RV_TERMINATION_##name_,
typedef enum rv_termination { RV_TERMINATION_MAP(X) RV_TERMINATION_COUNT } rv_termination;
#undef X

/* The termination of that word, or RV_TERMINATION_COUNT. Pure. */
rv_termination rv_termination_find(rv_str word);
/* What it makes of the attempt. Pure. */
rv_attempt_state rv_termination_state(rv_termination termination);
rv_detail rv_termination_detail(rv_termination termination);

#endif
