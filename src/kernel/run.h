/* run.h: one run as a pure state machine: step(state, input, now) → facts for the journal, effects for the outside.
 *
 * How a run is held. Every change of what is stored is a *fact*; one function (rv_run_apply) changes stored fields,
 * and it is the same in a step and in a replay. A step decides: it looks at the state, emits a fact, which is
 * appended to the journal buffer and applied at once, looks again. Nothing else is remembered, so
 *
 *  (1) replay(journal) = state, byte for byte (rv_run_encode of both is equal);
 *  (2) derived fields (counts, gating counters, the ready sets, timers) are functions of stored ones and the graph;
 *  (3) a terminal node never changes; (4) a node leaves PENDING only when all predecessors that gate it are terminal;
 *  (5) each SPAWN has an epoch above all earlier ones of the run; nothing of another epoch than a node's current one
 *      changes it; (6) every node is terminal when the run is; (7) step is total: it cannot fail, and with the room
 *      that rv_run_reserve made it does not allocate, but for values that it keeps.
 *
 * Settling is a cascade: a node that becomes terminal lowers the gating counters of its successors; those that reach
 * zero go on a work list, in order, and are decided one by one until the list is empty. No recursion. */
#ifndef RV_RUN_H
#define RV_RUN_H

#include "kernel/event.h"
#include "kernel/fsm.h"

/* ---- state ---- */
enum rv_node_run_flag {
    RV_NODE_R_EXPIRED = 1, /* timeout_total has passed: what runs is being stopped, then it fails */
    RV_NODE_R_KEPT = 2,    /* an answer came before the wait began */
};

typedef struct rv_node_run {
    /* stored */
    uint8_t state, detail;     /* rv_node_state, rv_detail */
    uint8_t attempt;           /* rv_attempt_state of the latest attempt */
    uint8_t flags;             /* rv_node_run_flag */
    uint32_t number;           /* attempts started */
    uint32_t failures, losses; /* recorded failures; attempts lost while an engine lived */
    uint32_t epoch;            /* of the latest attempt; 0: none */
    uint32_t root;             /* node index + 1 of the root cause; 0: none */
    int32_t exit_status;       /* of the latest attempt; -1: none */
    uint32_t result, output, error; /* index + 1 in values; 0: none */
    int64_t due_ms;            /* engine ms at which it goes on or gives up; 0: none */
    int64_t total_due_ms;      /* engine ms of timeout_total; 0: not begun or none; below 0: it stands still, so many ms are left */
    /* derived */
    uint32_t gating;           /* predecessors that it still waits for */
} rv_node_run;

typedef struct rv_timer_item { int64_t due_ms; uint32_t node; uint32_t kind; } rv_timer_item;

typedef struct rv_run {
    /* stored */
    const rv_graph *graph;
    uint8_t status;            /* rv_run_state */
    uint8_t phase, closing;    /* rv_phase, rv_closing */
    uint8_t fail_fast;
    uint8_t is_hurried;        /* a signal came while it was being called off: nothing of it begins any more, handlers neither */
    uint32_t epoch_last;
    uint64_t rng;              /* for jitter: part of the state, so that a replay draws the same */
    int64_t due_ms;            /* engine ms of the run's own timeout; 0: none; below 0: it stands still, so many ms are left */
    rv_node_run *nodes;        /* nodes[0..graph->node_count) */
    RV_VEC(rv_str) values;     /* results, outputs and error texts that are kept; bytes in `arena` */
    rv_str load_value;         /* {"user":{…},"env":{…}} */
    rv_str run_id;             /* from LOAD's key */
    /* derived */
    uint32_t counts[RV_NODE_STATE_COUNT]; /* of the plain nodes */
    uint32_t handler_open;     /* handlers that are not terminal */
    uint32_t handler_failed;
    uint32_t running;          /* nodes in RUNNING, handlers too */
    uint32_t ready_count;
    rv_bitset *ready;          /* ready[class]: by position in graph->order */
    RV_VEC(rv_timer_item) timers; /* binary heap; stale items are dropped when they come up */
    uint32_t *work; uint32_t work_begin, work_end; /* nodes whose gating reached zero, to be decided */
    rv_map names; bool has_names; /* name → node, made when an expression first needs it */
    rv_arena arena;
} rv_run;

/* ---- life ---- graph is borrowed and must outlive the run. About 64 + 40 bytes a node. */
rv_run *rv_run_new(const rv_graph *graph);
void rv_run_free(rv_run *run); /* NULL is legal */

/* ---- what a step gives ---- */
typedef struct rv_out {
    rv_buf journal;            /* packed events: the input, then its facts; appended */
    uint32_t event_count;
    rv_now first_now, last_now; /* of the first and the latest step since it was clear: the first is the journal row's time */
    RV_VEC(rv_effect) effects; /* appended, in order */
    RV_VEC(uint32_t) changed;  /* nodes whose stored fields changed (may repeat) */
    bool leaves_out_journal;   /* facts are applied but not written: for a host that keeps no journal, and for measuring */
} rv_out; /* {0} */
void rv_out_clear(rv_out *out);
void rv_out_deinit(rv_out *out);

typedef enum rv_answer { /* what the giver of an input is told */
    RV_ANSWER_TAKEN,
    RV_ANSWER_STALE,     /* of an earlier epoch, or the node has moved on: nothing changed but a note */
    RV_ANSWER_NOT_FOUND, /* no such node: nothing changed */
    RV_ANSWER_ILLEGAL,   /* not possible in this state: nothing changed */
} rv_answer;

/* Room for one step with `input` (RV_NO_MEMORY: nothing changed). */
RV_MUST_USE rv_status rv_run_reserve(rv_run *run, rv_out *out, const rv_event *input);
/* Take one input at now. Facts and effects are appended to `out`; STALE leaves a note, NOT_FOUND and ILLEGAL leave
 * nothing. Deterministic. O(1) + the nodes and edges that change. */
rv_answer rv_run_step(rv_run *run, const rv_event *input, rv_now now, rv_out *out);
/* Apply one fact, or the stored part of an input (`cause`: the input that precedes a fact in the journal).
 * RV_CORRUPT: illegal here; the run is then unusable. */
RV_MUST_USE rv_status rv_run_apply(rv_run *run, const rv_event *event, const rv_event *cause, rv_error *err);
/* Apply one journal row. As rv_run_apply for each of its events. */
RV_MUST_USE rv_status rv_run_replay(rv_run *run, rv_str body, uint32_t event_count, rv_error *err);

/* The next ready node of `class_index` in order of admission at or after `position`, or RV_NONE; *ret_position: its position. */
uint32_t rv_run_ready_next(const rv_run *run, uint32_t class_index, uint32_t position, uint32_t *ret_position);
/* The earliest engine ms at which a TICK is wanted; 0: none, or the run does not go on (interrupted, ended). */
int64_t rv_run_due_ms(const rv_run *run);
/* A kept value of `node`: its result (JSON), stdout, error text; size 0: none. */
rv_str rv_run_result(const rv_run *run, uint32_t node);
rv_str rv_run_output(const rv_run *run, uint32_t node);
rv_str rv_run_error(const rv_run *run, uint32_t node);
/* Node index of `name`, or RV_NONE. The first call builds an index. */
uint32_t rv_run_find(rv_run *run, rv_str name);

/* ---- proof ---- */
/* The stored state, byte for byte: two runs are equal when their encodings are. */
void rv_run_encode(const rv_run *run, rv_buf *out);
/* Restore what rv_run_encode wrote into a new run of the same graph. RV_CORRUPT: not of this graph, or damaged. */
RV_MUST_USE rv_status rv_run_decode(rv_run *run, rv_str state, rv_error *err);
/* Every invariant over the whole state, derived fields recomputed the slow way. NULL: all hold; else static text of the first that
 * does not. */
const char *rv_run_check(const rv_run *run);

#endif
