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
 * zero go on a work list, in order, and are decided one by one until the list is empty. No recursion.
 *
 * How a run grows. Nodes are instances of the graph's defs. They stand in *places*: a place is one expansion of a scope,
 * its nodes in a row, in the order of the defs:
 *
 *     places   0: the file | 1: handlers | 2: each[0]  | 3: each[1]  | 4: try#1 …      appended, never moved
 *     nodes    0 1 2 3 4   | 5           | 6 7 8       | 9 10 11     | 12 …
 *
 * so that edges are not stored again: a predecessor of a node is the same offset in the same place (rv_run_at). A
 * controller waits(children); when the last node of a place of its settles, the place goes on the list of places to be
 * tended, and its owner decides what follows: another place, or its own outcome (control.c).
 *
 *  (8) a place's nodes are made by one fact, all pending; (9) a controller is WAITING(children) exactly while it has
 *  begun and is not terminal; (10) nothing grows beneath a terminal controller; (11) nothing is cancelled beneath one that
 *  waits for its children: who calls off calls off the owner first. */
#ifndef RV_RUN_H
#define RV_RUN_H

#include "kernel/budget.h"
#include "kernel/event.h"
#include "kernel/fsm.h"

/* ---- state ---- */
#define RV_RUN_NODES_MAX (1u << 20) /* of a run, with all that grew; a row's key has 20 bits for the index */

enum rv_node_run_flag {
    RV_NODE_R_EXPIRED = 1, /* timeout_total has passed: what runs is being stopped, then it fails */
    RV_NODE_R_KEPT = 2,    /* an answer came before the wait began */
    RV_NODE_R_CALLED_OFF = 4, /* its controller needs it no more: what runs is being stopped, then it is cancelled */
    RV_NODE_R_OVERSPENT = 8,  /* what runs is being stopped, since what it spends does not fit the budget */
    RV_NODE_R_SUBMITTER = 16, /* it has submitted nodes */
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
    uint32_t def, place;       /* what it is an instance of: of the place's graph; fixed when the place is made */
    uint32_t next;             /* node index + 1 of its next revision; 0: it is the latest */
    uint32_t control;          /* index + 1 in controls: a controller that has begun; 0: none */
    int64_t due_ms;            /* engine ms at which it goes on or gives up; 0: none */
    int64_t total_due_ms;      /* engine ms of timeout_total; 0: not begun or none; below 0: it stands still, so many ms are left */
    /* derived */
    uint32_t gating;           /* predecessors that it still waits for */
    uint32_t account;          /* index + 1 in accounts; 0: nothing of it was counted */
    uint32_t is_aside;         /* READY, but admitted already and not started: it stands in no ready queue (admit.h) */
    uint32_t outer;            /* first instance: index + 1 in outers of its edges to submitted nodes; 0: none */
} rv_node_run;

/* Which judge a JUDGE place is: round (from 1), match (from 0), judge of the match (from 0), whether sides are exchanged. */
#define RV_MATCH(round_, match_, judge_, \
                 swapped_) ((uint32_t)(round_) << 26 | (uint32_t)(match_) << 9 | (uint32_t)(judge_) << 1 | (swapped_))
#define RV_MATCH_ROUND(ordinal_) ((ordinal_) >> 26)
#define RV_MATCH_NUMBER(ordinal_) ((ordinal_) >> 9 & 0x1ffffu)
#define RV_MATCH_JUDGE(ordinal_) ((ordinal_) >> 1 & 0xffu)
#define RV_MATCH_SWAPPED(ordinal_) ((ordinal_) & 1u)
#define RV_ROUNDS_MAX 63u
#define RV_ENTRANTS_MAX (1u << 18)
#define RV_QUORUM_MAX 255u

/* One expansion of a scope. All stored, but `open`. */
typedef struct rv_place {
    uint32_t base, count;      /* its nodes: base .. base+count */
    uint32_t graph;            /* index in graphs */
    uint32_t scope;            /* of that graph */
    uint32_t parent;           /* node that owns it; RV_NONE: the run */
    uint32_t ordinal;          /* ITEM, ENTRANT: from 0; ITERATION, REVISION: from 1; JUDGE: RV_MATCH */
    uint32_t origin, value;    /* REVISION: the place whose nodes it repeats; index + 1 in values of the feedback.
                                * SUBMITTED: index in submissions */
    uint32_t revise;           /* REVISION: index in the graph's revises */
    uint8_t role;              /* rv_scope_role */
    uint8_t is_top;            /* derived: a failure in it is a failure of the run */
    uint32_t open;             /* derived: its nodes, with those of its revisions, that are not terminal; REVISION: 0 */
} rv_place;

/* A match of a tournament that is decided. */
typedef struct rv_match {
    uint32_t ordinal;          /* RV_MATCH of its round and number */
    uint32_t winner;           /* entrant, by number */
    uint32_t is_drawn;         /* the judges were split: the seed decided */
} rv_match;
typedef struct rv_pair { uint32_t left, right; /* entrants, by number */ } rv_pair;

/* Nodes that a running node gave [K20]. */
typedef struct rv_submission {
    uint32_t node, epoch;      /* who gave them, and his latest attempt that did */
    rv_str key, digest, definition, load_value; /* as in SUBMIT */
    /* derived */
    uint32_t place;
    RV_VEC(uint32_t) externals; /* of its graph's: the first instances */
} rv_submission;

/* An edge to a submitted node (its first instance), hung on the node that it comes from. */
typedef struct rv_outer { uint32_t node, next; /* index + 1 in outers; 0: it is the last */ } rv_outer;

/* Two nodes that are at odds about a file [A8]. */
typedef struct rv_violation {
    uint32_t path;             /* index + 1 in values; 0: there is none */
    uint32_t node, other, kind;
} rv_violation;

struct rv_run;
/* The graph of what `submitter` gave, in normal form; it outlives the run. NULL: it cannot be had. The same for the same run. */
typedef const rv_graph *rv_run_compile_fn(void *user, struct rv_run *run, uint32_t submitter, rv_str definition);

/* A directive that was given to a node [K61]: for its attempts, the one that runs and those to come. */
typedef struct rv_steer { uint32_t node, value; /* index + 1 in values */ } rv_steer;
#define RV_STEERS_MAX 4096u /* of a run */
#define RV_STEER_SIZE_MAX 65536u /* bytes of one */

/* An event from outside that nobody has waited for yet [K60]. */
typedef struct rv_signal { rv_str name; uint32_t value; /* index + 1 in values; 0: nothing came with it */ } rv_signal;
#define RV_SIGNALS_MAX 4096u /* kept at once, of a run */

/* A controller that has begun. */
typedef struct rv_control {
    uint32_t node;
    uint32_t count;            /* FOREACH: items; TOURNAMENT: entrants */
    uint32_t value;            /* index + 1 in values: FOREACH: the items, a JSON list; WORKFLOW: its params; 0: none */
    RV_VEC(rv_match) matches;  /* TOURNAMENT: in the order of their being decided */
    /* derived */
    RV_VEC(uint32_t) entrants; /* TOURNAMENT, once the first round began: each one's node */
    RV_VEC(rv_pair) pairs; RV_VEC(uint32_t) rounds; /* of all rounds so far; rounds[r]: the first pair of round r + 1 */
    RV_VEC(uint32_t) alive;    /* who is paired in the round that is under way, in order */
    RV_VEC(uint32_t) score;    /* swiss: by entrant, matches won */
    uint32_t judged;           /* index in places of the first judge of the round that is under way */
    uint32_t undecided;        /* matches of that round */
    RV_VEC(bool) decided;      /* of that round: by match */
    RV_VEC(uint32_t) places;   /* in the order of their making */
    uint32_t open;             /* of its places, those with open nodes */
    RV_VEC(rv_str) items;      /* FOREACH: each item's JSON, once somebody asked */
} rv_control;

/* Ready nodes of one class, first the higher priority, then the lower index. Items whose node is no longer READY, or aside, are stale
 * and are dropped when they come up; the first is never stale. */
typedef struct rv_ready_item { int32_t priority; uint32_t node; } rv_ready_item;
typedef struct rv_ready_queue {
    RV_VEC(rv_ready_item) row; uint32_t row_begin; /* what came in order: the usual case, no sifting */
    RV_VEC(rv_ready_item) heap;                    /* the rest */
} rv_ready_queue;

typedef struct rv_run_tag { rv_str name; uint32_t cap; /* 0: none of its own */ bool is_host; } rv_run_tag;
typedef struct rv_run_class { uint32_t first, count; /* of class_tags */ bool is_staged; rv_ready_queue ready; } rv_run_class;

typedef struct rv_timer_item { int64_t due_ms; uint32_t node; uint32_t kind; } rv_timer_item;

typedef struct rv_run {
    /* stored */
    const rv_graph *graph;     /* the file's: graphs[0] */
    uint8_t status;            /* rv_run_state */
    uint8_t phase, closing;    /* rv_phase, rv_closing */
    uint8_t fail_fast;
    uint8_t is_over_budget;    /* a budget stopped it: what was skipped stays so after an interrupt */
    rv_violation violation;    /* likewise: the first that was found stopped it */
    uint8_t is_hurried;        /* a signal came while it was being called off: nothing of it begins any more, handlers neither */
    uint32_t epoch_last;
    uint64_t rng;              /* for jitter: part of the state, so that a replay draws the same */
    int64_t due_ms;            /* engine ms of the run's own timeout; 0: none; below 0: it stands still, so many ms are left */
    rv_node_run *nodes;        /* nodes[0..node_count): may move when the run grows */
    uint32_t node_count;
    RV_VEC(rv_place) places;
    RV_VEC(rv_control) controls;
    RV_VEC(rv_signal) signals; /* kept, in the order of their coming */
    RV_VEC(rv_steer) steers;   /* in the order of their coming */
    RV_VEC(rv_submission) submissions; /* in the order of their places */
    RV_VEC(rv_str) values;     /* results, outputs and error texts that are kept; bytes in `arena` */
    rv_limits limits;
    rv_purse purse;            /* the run's */
    RV_VEC(rv_account) accounts; /* in the order of their making; they may move */
    rv_str load_value;         /* {"user":{…},"env":{…}} */
    rv_str run_id;             /* from LOAD's key */
    /* derived */
    uint32_t node_capacity;
    rv_run_compile_fn *compile; void *compile_user; /* set by the owner; NULL: nothing can be submitted */
    RV_VEC(rv_outer) outers;
    RV_VEC(const rv_graph *) graphs; /* the file's, then those of submissions; borrowed */
    RV_VEC(uint32_t) class_base; /* of each graph: its class c is classes[class_base[graph] + c] */
    RV_VEC(rv_run_class) classes;
    RV_VEC(uint32_t) class_tags; /* indices in tags */
    RV_VEC(rv_run_tag) tags;   /* of all graphs, each name once */
    uint32_t counts[RV_NODE_STATE_COUNT]; /* of the plain nodes, children too */
    uint32_t failed;           /* latest nodes of top places that failed or were denied */
    uint32_t handler_open;     /* handlers that are not terminal */
    uint32_t handler_failed;
    uint32_t running;          /* nodes in RUNNING, handlers too */
    uint32_t ready_count;
    uint32_t paused;           /* nodes that wait for the run's budget: while there is one nothing is admitted */
    RV_VEC(rv_timer_item) timers; /* binary heap; stale items are dropped when they come up */
    RV_VEC(uint32_t) work; uint32_t work_begin; /* nodes whose gating reached zero, to be decided */
    RV_VEC(uint32_t) tend; uint32_t tend_begin; /* places whose last node settled, to be tended */
    RV_VEC(uint32_t) scratch;
    rv_map names; uint32_t named_count; /* id → node of the first named_count nodes, made when somebody asks */
    rv_map def_names; uint32_t named_graphs; /* graph, scope and name → def, of the first named_graphs graphs */
    rv_arena arena;
} rv_run;

/* ---- life ---- graph is borrowed and must outlive the run. About 80 bytes a node. */
rv_run *rv_run_new(const rv_graph *graph);
void rv_run_free(rv_run *run); /* NULL is legal */

/* ---- what a node is ---- all pure, O(1), but for the id */
static inline const rv_place *rv_run_place(const rv_run *run, uint32_t node) { return &run->places.at[run->nodes[node].place]; }
static inline const rv_graph *rv_run_graph(const rv_run *run, uint32_t node) { return run->graphs.at[rv_run_place(run, node)->graph]; }
static inline const rv_node_def *rv_run_def(const rv_run *run, uint32_t node) { return &rv_run_graph(run,
    node)->nodes[run->nodes[node].def]; }
static inline const rv_policy *rv_run_policy(const rv_run *run, uint32_t node)
{
    const rv_graph *graph = rv_run_graph(run, node);
    return &graph->policies[graph->nodes[run->nodes[node].def].policy];
}
/* Of approve, input and wait nodes. */
static inline const rv_gate_def *rv_run_gate(const rv_run *run, uint32_t node)
{
    const rv_graph *graph = rv_run_graph(run, node);
    return &graph->gates[graph->nodes[run->nodes[node].def].aux];
}
static inline const rv_control_def *rv_run_control_def(const rv_run *run, uint32_t node)
{
    const rv_graph *graph = rv_run_graph(run, node);
    return &graph->controls[graph->nodes[run->nodes[node].def].aux];
}
static inline rv_kind rv_run_kind(const rv_run *run, uint32_t node) { return (rv_kind)rv_run_def(run, node)->kind; }
static inline bool rv_run_is_handler(const rv_run *run, uint32_t node) { return rv_run_place(run, node)->role == RV_SCOPE_HANDLERS; }
/* Its class among all of the run's, for admission. */
static inline uint32_t rv_run_class_of(const rv_run *run, uint32_t node)
{
    return run->class_base.at[rv_run_place(run, node)->graph] + rv_run_def(run, node)->class_index;
}
/* The place that a revision repeats; of another place itself. */
uint32_t rv_run_home(const rv_run *run, uint32_t place);
/* The instance of `def` that stands in the same place: the latest revision of it. */
uint32_t rv_run_at(const rv_run *run, uint32_t place, uint32_t def);
/* The predecessor that an entry of `pred` means for the nodes of `place`: its latest instance. */
uint32_t rv_run_pred(const rv_run *run, uint32_t place, uint32_t entry);
/* The node that `id` means to `submitter`: one beside it, one that it sees, or one of that whole id; its first instance. RV_NONE: none.
 * Indexes what is new, as rv_run_find. */
uint32_t rv_run_find_for(rv_run *run, uint32_t submitter, rv_str id);
/* The submission that a node stands in, whose params and environment it reads; NULL: it reads the run's. */
const rv_submission *rv_run_submission_of(const rv_run *run, uint32_t node);
/* Index in submissions of what `submitter` gave under `key`, or RV_NONE. */
uint32_t rv_run_submission(const rv_run *run, uint32_t submitter, rv_str key);
/* Append what stands before the names of nodes in `place` (no revision): `each[3].`, or nothing. */
void rv_run_id_within(const rv_run *run, uint32_t place, rv_buf *out);
/* Append a node's id [K1]: `build`, `each[3].build#2/e1`. */
void rv_run_id(const rv_run *run, uint32_t node, rv_buf *out);
/* The same in `arena`; a name of the file's own node is borrowed from its graph. */
rv_str rv_run_id_in(const rv_run *run, uint32_t node, rv_arena *arena);

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

/* After facts were applied one by one: forget what became due, as rv_run_replay does at the end of its row. */
void rv_run_replayed(rv_run *run);

/* The ready node of a class (of the run's, see rv_run_class_of) that goes first, or RV_NONE. O(1). */
uint32_t rv_run_ready_first(const rv_run *run, uint32_t class_index);
/* Take a READY node out of its ready queue: it has been admitted, and looks into the cache or waits for a mutex. It stays so until it
 * leaves READY. Not journaled: after a restart it is in its queue again. */
void rv_run_set_aside(rv_run *run, uint32_t node);
/* Whether node a goes before node b: higher priority, then lower index [K3]. */
bool rv_run_goes_before(const rv_run *run, uint32_t a, uint32_t b);
/* The earliest engine ms at which a TICK is wanted; 0: none, or the run does not go on (interrupted, ended). */
int64_t rv_run_due_ms(const rv_run *run);
/* A kept value of `node`: its result (JSON), stdout, error text; size 0: none. */
rv_str rv_run_result(const rv_run *run, uint32_t node);
rv_str rv_run_output(const rv_run *run, uint32_t node);
rv_str rv_run_error(const rv_run *run, uint32_t node);
/* For people: which nodes are at odds about which file, appended; nothing when none are. */
void rv_run_violation_words(const rv_run *run, rv_buf *out);
/* The text of the directive steers[index]. */
rv_str rv_run_steer(const rv_run *run, uint32_t index);
/* Node index of an id, or RV_NONE. The first call, and the first after the run grew, indexes what is new. */
uint32_t rv_run_find(rv_run *run, rv_str id);

/* ---- values ---- */
/* What `path` is where `node` stands: user.K, env.K, run.id, item, index, iteration, previous, left, right, feedback, or a
 * value of a node that it may see (the nearest of that name outwards). In the arena or borrowed until the run's next step; NULL:
 * there is no such value. Values of nodes that have not settled or were skipped are null [W12]. stdout only where the run keeps
 * it (RV_NODE_F_EXPR_OUTPUT). */
const rv_json *rv_run_value(rv_run *run, uint32_t node, rv_arena *arena, rv_str path);
/* Whether a node stands inside of a sub-workflow, whose ${user.K} are its own params. */
bool rv_run_is_inside(const rv_run *run, uint32_t node);
/* JSON of the item that an ITEM place is for. */
rv_str rv_run_item(rv_run *run, uint32_t place);
/* Of a tournament, as drawn: who had a bye in `round` (from 1), RV_NONE nobody; its matches are pairs[rounds[round - 1] …]. */
uint32_t rv_run_bye(const rv_run *run, const rv_control *control, uint32_t round);
/* The two entrants' nodes that a JUDGE place compares, as its judge sees them. */
void rv_run_sides(const rv_run *run, uint32_t place, uint32_t *ret_left, uint32_t *ret_right);
/* The node that `path` names where `node` stands; *path is left with what follows the name. RV_NONE: it names none (it may be a
 * value of another kind). */
uint32_t rv_run_see(rv_run *run, uint32_t node, rv_str *path);

/* ---- proof ---- */
/* The stored state, byte for byte: two runs are equal when their encodings are. */
void rv_run_encode(const rv_run *run, rv_buf *out);
/* Restore what rv_run_encode wrote into a new run of the same graph. RV_CORRUPT: not of this graph, or damaged. */
RV_MUST_USE rv_status rv_run_decode(rv_run *run, rv_str state, rv_error *err);
/* Every invariant over the whole state, derived fields recomputed the slow way. NULL: all hold; else static text of the first that
 * does not. */
const char *rv_run_check(const rv_run *run);

#endif
