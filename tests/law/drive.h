/* drive.h: a run in the hands of a test: inputs by node name, time as a number, the journal kept row by row, and after
 * every step the whole-state invariants. What is unexpected ends the program with the graph's text and the place. */
#ifndef RV_DRIVE_H
#define RV_DRIVE_H

#include "graph_text.h"
#include "kernel/admit.h"
#include "kernel/run.h"

typedef struct drive_row { size_t at, size; uint32_t event_count; rv_now now; } drive_row; /* of drive.journal */

typedef struct drive {
    const rv_graph *graph;
    rv_run *run;
    rv_now now;
    rv_out out;                  /* of the turn: the step just made, and those before that share its row */
    size_t step_size;            /* where in `out` the step just made begins: bytes, events, effects */
    uint32_t step_events, step_effects;
    rv_buf journal;
    RV_VEC(drive_row) rows;
    RV_VEC(rv_effect) effects;   /* all of them, in order */
    uint64_t seed;               /* said when something is wrong */
    uint32_t spawned_epoch;      /* the last one: no effect comes twice for one key */
    uint32_t crashes;
    rv_run_compile_fn *compile; void *compile_user; /* of submissions; set it after drive_new with drive_compile */
    bool borrows_graph;          /* it came from elsewhere and is not freed */
    bool is_quick;               /* leave out what costs more than the step: bytes before and after, walked pairs */
    bool merges_rows;            /* the next step's events go into the row before, as when inputs share a turn */
    bool pairs_seen[RV_NODE_STATE_COUNT][RV_NODE_STATE_COUNT];         /* node: from, to; by facts of the journal */
    bool attempt_pairs_seen[RV_ATTEMPT_STATE_COUNT][RV_ATTEMPT_STATE_COUNT];
    bool run_pairs_seen[RV_RUN_STATE_COUNT][RV_RUN_STATE_COUNT];
} drive;

/* engine time starts at 1000, wall time at 1700000000000. LOAD is given unless `is_bare`. */
drive *drive_new(const char *text);
drive *drive_new_bare(const char *text);
/* A run of a graph that somebody else made and frees after the drive. Nodes are named by their ids, `each[3].b#2/e1`. */
drive *drive_new_graph(const rv_graph *graph);
/* What compiles submissions for this run and for those that replay it. */
void drive_compile(drive *d, rv_run_compile_fn *compile, void *user);
void drive_free(drive *d); /* after drive_check_replay */

/* One input through reserve, step, invariants, row. A refused input (ILLEGAL, NOT_FOUND) is checked to have changed no
 * byte; a STALE one to have changed no byte of the state and to have left at most a note. */
rv_answer drive_step(drive *d, const rv_event *input);

rv_answer drive_admit(drive *d, const char *node);
rv_answer drive_started(drive *d, const char *node);           /* with its current epoch */
rv_answer drive_complete(drive *d, const char *node, rv_attempt_state state, rv_detail detail, int32_t exit_status);
rv_answer drive_complete_value(drive *d, const char *node, const char *value, const char *output);
/* What its attempt has spent so far, in all: micro-dollars, tokens. flags: rv_usage_flag */
rv_answer drive_usage(drive *d, const char *node, int64_t cost, uint64_t tokens, uint32_t flags);
rv_answer drive_budget(drive *d, rv_dimension dimension, int64_t amount, uint32_t flags); /* flags: rv_budget_flag */
rv_answer drive_quota(drive *d, rv_quota quota, int64_t amount);
void drive_spend(drive *d, const char *node, int64_t cost, uint64_t tokens); /* admit, start, tell the usage, complete ok */
rv_answer drive_lost(drive *d, const char *node, uint32_t flags);
/* An outcome of an earlier run: exit status 0, result {"n":1}, output "out" */
rv_answer drive_adopt(drive *d, const char *node);
rv_answer drive_answer(drive *d, const char *node, const char *value);
rv_answer drive_decide(drive *d, const char *node, rv_decision decision, const char *value);
rv_answer drive_tick(drive *d, int64_t later_ms);              /* both clocks go on by later_ms, then TICK */
rv_answer drive_until(drive *d, int64_t engine_ms);            /* the same, up to engine_ms if that is later than now */
rv_answer drive_signal(drive *d, rv_event_type type);          /* INTERRUPT, CANCEL, PREEMPT, RESUME, FAIL_FAST */
rv_answer drive_event(drive *d, const char *name, const char *value); /* an event from outside; value: JSON, or NULL */
void drive_ok(drive *d, const char *node);                     /* admit, start, complete ok */
void drive_fail(drive *d, const char *node, int32_t exit_status); /* admit, start, complete with this exit status */

/* Bring the run to its end as a patient world would: resume, admit, complete, answer, let time pass. A run that makes no
 * progress though it has not ended breaks [K5] and ends the program. */
void drive_to_end(drive *d);

/* "succeeded", "skipped upstream root=a": state, detail (but for none and fresh), root (but for itself). */
const char *drive_says(drive *d, const char *node);
uint32_t drive_index(drive *d, const char *node); /* of a node, or of a child by its id: `f[0]` */
rv_node_run *drive_node(drive *d, const char *node);
bool drive_has_effect(drive *d, rv_effect_type type, const char *node); /* of the step just made */
uint32_t drive_effect_count(const drive *d, rv_effect_type type);             /* of all steps */

/* Throw the run away; a new one replays the journal, or, every other time, is restored from a snapshot. It must encode to
 * the same bytes. */
void drive_crash(drive *d);
/* The same without replacing the run; also encode → decode → encode, and the inputs of the journal, decided once more
 * at their times, must give the facts that are recorded. */
void drive_check_replay(const drive *d);
/* The law of [K62]: cut the journal at each of its rows in turn. A run that is replayed up to there, or (every other time) restored from
 * a snapshot taken there, and is given the inputs of the rest at their times, decides the same and comes to the same end: bytes of the
 * state, ids, brackets. Quadratic in the rows. */
void drive_check_cuts(const drive *d);

#endif
