/* moves.h: what the outside can say to a run in a given state: everything that a world with executors, people, time and
 * crashes could say there, and what only a confused one would say (late, twice, for a node that is not there).
 *
 * So that the space is finite, trouble at one node ends with its last attempt (`attempts_max`): in that attempt nothing
 * is offered that would make the node go on once more. */
#ifndef RV_MOVES_H
#define RV_MOVES_H

#include "kernel/run.h"

enum move_group {              /* what a search includes, beside admission, success, answers and time */
    MOVES_FAILURES = 1,        /* error (tried again or not), */
    MOVES_OUTCOMES = 2,        /* and timeout, partial, denied, a result of the cache */
    MOVES_STARTED = 4,         /* a process is seen to have started: else attempts stay `starting` */
    MOVES_LOSSES = 8,          /* attempts are lost: started, not started, stopped, nobody knows */
    MOVES_INTERRUPTS = 16,     /* interrupt and resume */
    MOVES_ENDS = 32,           /* cancel, preempt */
    MOVES_FAIL_FAST = 64,
    MOVES_ADOPT = 128,         /* an outcome of an earlier run stands */
    MOVES_ALL = 255,
};

typedef enum move_hope { MOVE_MUST, MOVE_MUST_NOT } move_hope; /* whether the kernel is to take it */

typedef struct move {
    rv_event event;
    int64_t later_ms;          /* both clocks go on by this much before it */
    move_hope hope;
    bool is_progress;          /* part of an ordinary life: ends are reached by these alone */
    bool is_recovery;          /* what an engine says after a crash: stepped on a replayed run */
} move;

typedef RV_VEC(move) move_list;

/* The earliest due time that somebody live has, the slow way; 0: none, or the run does not go on. */
int64_t explored_due_ms(const rv_run *run);

/* All moves in this state, appended. groups: bits of move_group. */
void moves_list(const rv_run *run, rv_now now, uint32_t groups, uint32_t attempts_max, move_list *out);

#endif
