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
    MOVES_CACHE = 1024,        /* what is ready is found in the cache, and is said to be when it is not ready */
    MOVES_VIOLATION = 2048,    /* two nodes are at odds about a file */
    MOVES_ALL = 255 | MOVES_CACHE | MOVES_VIOLATION,
    MOVES_SPEND = 256,         /* what runs says what it spent, within its reservation and beyond; people add to the budget */
    MOVES_SUBMIT = 512,        /* what runs submits nodes, the same again, and others under the same key */
};

typedef enum move_hope { MOVE_MUST, MOVE_MUST_NOT, MOVE_MAY } move_hope; /* whether the kernel is to take it */

/* Nodes that a node called `submits` may give, in normal form, with the digest of it. */
typedef struct move_submission { const char *key; rv_str definition, digest; } move_submission;

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

typedef struct move_world {
    uint32_t groups;           /* bits of move_group */
    uint32_t attempts_max;
    const move_submission *submissions; uint32_t submission_count;
} move_world;

/* All moves in this state, appended. */
void moves_list(const rv_run *run, rv_now now, const move_world *world, move_list *out);

#endif
