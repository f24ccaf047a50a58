/* event.h: the closed lists of what goes into a run [K71], what it decides, and what it asks for.
 *
 * The journal keeps, for each turn, the input and then the facts decided from it. Replay applies the facts; it
 * never decides again, so a later kernel cannot rewrite history. One wide struct serves all types; the table says
 * which fields a type has, and only those are encoded, in the order of RV_FIELD_MAP. docs/journal.md is generated
 * from these tables. */
#ifndef RV_EVENT_H
#define RV_EVENT_H

#include "kernel/model.h"
#include "base/json.h"

#define RV_JOURNAL_VERSION 2u

/* Fields: name, JSON key, how it is encoded: u varint, i zigzag varint, s size and bytes. */
#define RV_FIELD_MAP(X)                                                             \
    X(NODE, node, "node", 'u')          /* index; name in JSON */                   \
    X(EPOCH, epoch, "epoch", 'u')                                                   \
    X(NUMBER, number, "number", 'u')    /* attempt number, from 1 */                \
    X(STATE, state, "state", 'u')       /* node, attempt or run state, by type */   \
    X(DETAIL, detail, "detail", 'u')    /* rv_detail */                             \
    X(ROOT, root, "root", 'u')          /* node index + 1; 0: none */               \
    X(EXIT_STATUS, exit_status, "exit_status", 'i') /* -1: none */                  \
    X(SIGNAL, signal, "signal", 'i')                                                \
    X(DUE, due_ms, "due_ms", 'i')       /* engine ms; 0: none */                    \
    X(PID, pid, "pid", 'u')                                                         \
    X(PID_START, pid_start, "pid_start", 'u') /* clock ticks since boot */          \
    X(SEED, seed, "seed", 'u')                                                      \
    X(FLAGS, flags, "flags", 'u')                                                   \
    X(KEY, key, "key", 's')                                                         \
    X(VALUE, value, "value", 's')       /* JSON */                                  \
    X(OUTPUT, output, "output", 's')    /* stdout, where an expression reads it */  \
    X(TEXT, text, "text", 's')          /* for people */                            \
    X(AMOUNT, amount, "amount", 'i')    /* of a dimension or a quota; tokens */     \
    X(COST, cost, "cost", 'i')          /* micro-dollars */                         \
    X(TOKENS_IN, tokens_in, "tokens_in", 'u')                                       \
    X(TOKENS_OUT, tokens_out, "tokens_out", 'u')                                    \
    X(TOKENS_CACHED, tokens_cached, "tokens_cached", 'u')

/* Types: name, number (stored), JSON name, class (I input, F fact), fields. */
#define RV_EVENT_MAP(X)                                                                                                   \
    /* inputs */                                                                                                          \
    /* key: graph digest; value: {"user":…,"env":…} */                                                                    \
    X(LOAD, 1, "load", 'I', RV_F_SEED | RV_F_FLAGS | RV_F_KEY | RV_F_VALUE)                                               \
    X(ADMITTED, 2, "admitted", 'I', RV_F_NODE)                                                                            \
    X(STARTED, 3, "started", 'I', RV_F_NODE | RV_F_EPOCH | RV_F_PID | RV_F_PID_START)                                     \
    /* state: rv_attempt_state */                                                                                         \
    X(COMPLETED, 4, "completed", 'I', RV_F_NODE | RV_F_EPOCH | RV_F_STATE | RV_F_DETAIL | RV_F_EXIT_STATUS |              \
      RV_F_SIGNAL | RV_F_VALUE | RV_F_OUTPUT | RV_F_TEXT)                                                                 \
    X(LOST, 5, "lost", 'I', RV_F_NODE | RV_F_EPOCH | RV_F_FLAGS | RV_F_TEXT) /* flags: rv_lost_flag */                    \
    /* key: the blocker's; text: by whom */                                                                               \
    X(ANSWER, 6, "answer", 'I', RV_F_NODE | RV_F_KEY | RV_F_VALUE | RV_F_TEXT)                                            \
    /* state: rv_decision; value: the result; text: digest of what was shown */                                           \
    X(DECIDED, 7, "decided", 'I', RV_F_NODE | RV_F_STATE | RV_F_KEY | RV_F_VALUE | RV_F_TEXT)                             \
    X(INTERRUPT, 8, "interrupt", 'I', RV_F_SIGNAL)                                                                        \
    X(CANCEL, 9, "cancel", 'I', RV_F_FLAGS | RV_F_TEXT) /* flags: rv_cancel_flag; text: by whom */                        \
    X(PREEMPT, 10, "preempt", 'I', RV_F_TEXT)                                                                             \
    X(TICK, 11, "tick", 'I', 0)                                                                                           \
    X(RESUME, 12, "resume", 'I', RV_F_FLAGS) /* flags: rv_resume_flag */                                                  \
    /* an outcome of an earlier run is kept [R1]; text: which */                                                          \
    X(ADOPT, 14, "adopt", 'I', RV_F_NODE | RV_F_EXIT_STATUS | RV_F_VALUE | RV_F_OUTPUT | RV_F_TEXT)                       \
    /* the same work was done before, and what it made has been restored [A3, C12]; key: of the cache's entry */                          \
    X(CACHED, 20, "cached", 'I', RV_F_NODE | RV_F_EXIT_STATUS | RV_F_KEY | RV_F_VALUE | RV_F_OUTPUT)                       \
    /* two nodes made, or one made and the other read before, the same file [A8]; root: the other one; state: rv_violation_kind; key: its\
     * path */                                                                                                            \
    X(VIOLATION, 21, "violation", 'I', RV_F_NODE | RV_F_STATE | RV_F_ROOT | RV_F_KEY)                                      \
    X(FAIL_FAST, 13, "fail_fast", 'I', 0)                                                                                 \
    /* an event from outside; key: its name; value: what comes with it; text: by whom */                                  \
    X(SIGNAL, 15, "signal", 'I', RV_F_KEY | RV_F_VALUE | RV_F_TEXT)                                                       \
    /* state: rv_dimension; flags: rv_budget_flag; text: by whom */                                                       \
    X(BUDGET, 50, "budget", 'I', RV_F_STATE | RV_F_FLAGS | RV_F_TEXT | RV_F_AMOUNT)                                       \
    X(QUOTA, 51, "quota", 'I', RV_F_STATE | RV_F_TEXT | RV_F_AMOUNT) /* state: rv_quota; amount: -1 no limit */           \
    /* what an attempt has spent so far, in all; before its completion, or as it goes */                                  \
    X(USAGE, 52, "usage", 'I', RV_F_NODE | RV_F_EPOCH | RV_F_FLAGS | RV_F_COST | RV_F_TOKENS_IN | RV_F_TOKENS_OUT |\
      RV_F_TOKENS_CACHED) /* flags: rv_usage_flag */ \
    /* nodes that a running node gives [K20]; key: its own for them; value: their definition in normal form; output: {"user":…,"env":…} of \
     * load time, what it has of its own; text: digest of the definition */                                               \
    X(SUBMIT, 16, "submit", 'I', RV_F_NODE | RV_F_EPOCH | RV_F_KEY | RV_F_VALUE | RV_F_OUTPUT | RV_F_TEXT)                \
    /* a directive for a node's next turn, and nothing else; key: by whom */                                              \
    X(STEER, 18, "steer", 'I', RV_F_NODE | RV_F_KEY | RV_F_TEXT)                                                          \
    /* a running attempt asks the gate; state: rv_gate_verb; key: the tool, the memory's key, the artifact; value: what is known of it */ \
    X(ASK, 19, "ask", 'I', RV_F_NODE | RV_F_EPOCH | RV_F_STATE | RV_F_KEY | RV_F_VALUE)                                    \
    /* facts */                                                                                                           \
    X(RUN_STATE, 32, "run_state", 'F', RV_F_STATE | RV_F_DETAIL | RV_F_ROOT)                                              \
    X(NODE_STATE, 33, "node_state", 'F', RV_F_NODE | RV_F_STATE | RV_F_DETAIL | RV_F_ROOT)                                \
    /* flags: rv_timer_kind; node RV_NONE: the run's */                                                                   \
    X(NODE_TIMER, 34, "node_timer", 'F', RV_F_NODE | RV_F_DUE | RV_F_FLAGS)                                               \
    X(ATTEMPT_STATE, 35, "attempt_state", 'F', RV_F_NODE | RV_F_EPOCH | RV_F_NUMBER | RV_F_STATE | RV_F_DETAIL)           \
    X(RESULT, 36, "result", 'F', RV_F_NODE | RV_F_VALUE)    /* empty value: the input's */                                \
    X(KEPT, 37, "kept", 'F', RV_F_NODE | RV_F_FLAGS)        /* the input's answer waits for its node */                   \
    X(NOTE, 38, "note", 'F', RV_F_NODE | RV_F_DETAIL | RV_F_TEXT) /* dropped, stale, refused … [P9] */                    \
    X(ERROR_TEXT, 39, "error_text", 'F', RV_F_NODE | RV_F_TEXT)                                                           \
    X(EXPIRED, 41, "expired", 'F', RV_F_NODE)              /* timeout_total has passed */                                 \
    /* a controller begins; number: items or entrants; value: the items, the params */                                    \
    X(CONTROL, 43, "control", 'F', RV_F_NODE | RV_F_NUMBER | RV_F_VALUE)                                                  \
    /* places of a controller: state: which of its scopes, number: the first's ordinal, flags: how many */                \
    X(GREW, 44, "grew", 'F', RV_F_NODE | RV_F_NUMBER | RV_F_STATE | RV_F_FLAGS)                                           \
    /* a match of a tournament; number: RV_MATCH, state: the entrant that won, flags: 1 drawn by the seed */              \
    X(MATCH, 46, "match", 'F', RV_F_NODE | RV_F_NUMBER | RV_F_STATE | RV_F_FLAGS)                                         \
    /* the paths from the target of its back-edge to this node are made anew; number: how often so far; value: the feedback */ \
    X(REVISED, 47, "revised", 'F', RV_F_NODE | RV_F_NUMBER | RV_F_VALUE)                                                  \
    X(CALLED_OFF, 45, "called_off", 'F', RV_F_NODE)        /* its controller needs it no more */                                 \
    X(SIGNAL_KEPT, 48, "signal_kept", 'F', 0)              /* nobody waits for the input's event: it is kept */            \
    X(SIGNAL_TAKEN, 49, "signal_taken", 'F', RV_F_NODE)    /* the first kept event of its name is the node's */            \
    /* an attempt begins; due: engine ms now; cost, amount: micro-dollars and tokens that are reserved for it */          \
    X(RESERVED, 53, "reserved", 'F', RV_F_NODE | RV_F_DUE | RV_F_AMOUNT | RV_F_COST)                                      \
    X(RAISED, 54, "raised", 'F', RV_F_NODE | RV_F_AMOUNT | RV_F_COST) /* its reservation, by so much */                   \
    /* it has ended: what it spent; its reservation is given back */                                                      \
    X(SPENT, 55, "spent", 'F', RV_F_NODE | RV_F_DUE | RV_F_AMOUNT | RV_F_COST | RV_F_TOKENS_CACHED)                       \
    X(WARNED, 56, "warned", 'F', RV_F_NODE | RV_F_STATE)   /* node: whose limit, none: the run's; state: rv_dimension */  \
    X(GATE, 57, "gate", 'F', RV_F_NODE | RV_F_STATE | RV_F_KEY | RV_F_TEXT) /* state: rv_gate_kind; key: stage */         \
    X(OVERSPENT, 58, "overspent", 'F', RV_F_NODE)          /* its attempt is being stopped for what it spends */          \
    X(SUBMITTED, 59, "submitted", 'F', RV_F_NODE | RV_F_EPOCH) /* the input's nodes are the run's, or were already */     \
    /* the time of what follows in this row; seed: wall ms, due: engine ms */                                             \
    X(CLOCK, 42, "clock", 'F', RV_F_SEED | RV_F_DUE)                                                                      \
    X(PHASE, 40, "phase", 'F', RV_F_STATE | RV_F_FLAGS)     /* state: rv_phase; flags: rv_closing */

#define X(name_, ...) RV_FIELD_##name_,
typedef enum rv_field { RV_FIELD_MAP(X) RV_FIELD_COUNT } rv_field;
#undef X
#define X(name_, ...) RV_F_##name_ = 1u << RV_FIELD_##name_,
enum { RV_FIELD_MAP(X) };
#undef X
#define X(name_, number_, ...) RV_EVENT_##name_ = number_,
typedef enum rv_event_type { RV_EVENT_MAP(X) RV_EVENT_TYPE_MAX = 64 } rv_event_type;
#undef X

enum rv_lost_flag {
    RV_LOST_NEVER_STARTED = 4 /* the giver knows that no process was started */,
    RV_LOST_WAS_STARTED = 1,
    RV_LOST_STOPPED = 2 /* stopped by an interrupt: counts against nothing */
};
/* The engine before died. If the power went with it, starts that were written and not synced are forgotten, and their epochs with
 * them: those to come begin above whatever they were [P4]. */
enum rv_resume_flag { RV_RESUME_AFTER_DEATH = 1 };
#define RV_EPOCH_GAP (1u << 16) /* more attempts than start between two syncs */
enum rv_load_flag { RV_LOAD_FAIL_FAST = 1 };
enum rv_cancel_flag { RV_CANCEL_UNDRIVEN = 1 /* no engine drives the run: its handlers are skipped */ };
enum rv_timer_kind { RV_TIMER_NODE, RV_TIMER_TOTAL, RV_TIMER_RUN };
/* Where a run stands: its graph, the handlers of its outcome, the exit handler, over. */
enum rv_phase { RV_PHASE_GRAPH, RV_PHASE_HANDLERS, RV_PHASE_EXIT, RV_PHASE_OVER };
/* Why nothing more is admitted. */
enum rv_closing { RV_CLOSING_NO, RV_CLOSING_INTERRUPT, RV_CLOSING_CANCEL, RV_CLOSING_TIMEOUT, RV_CLOSING_FAIL_FAST,
    RV_CLOSING_BUDGET, RV_CLOSING_VIOLATION, RV_CLOSING_COUNT };
#define RV_VIOLATION_MAP(X)                                                  \
    X(OVERLAP, "overlap") /* both nodes made the file */                     \
    X(CYCLE, "cycle")     /* the node made what one that it depends on has read */
#define X(name_, text_) RV_VIOLATION_##name_,
typedef enum rv_violation_kind { RV_VIOLATION_MAP(X) RV_VIOLATION_COUNT } rv_violation_kind;
#undef X
const char *rv_violation_name(rv_violation_kind kind);
enum rv_budget_flag {
    RV_BUDGET_SET = 1,       /* the amount is the limit; else it is added to it */
    RV_BUDGET_ELSEWHERE = 2  /* the amount is what other runs of the group have spent and reserved [K53] */
};
enum rv_usage_flag { RV_USAGE_FINAL = 1 /* its completion follows: there is nothing to stop */ };
/* What a gate answers [K30]. */
#define RV_GATE_MAP(X) X(ALLOW, "allow") X(DENY, "deny") X(ASK, "gate") X(DEFER, "defer") X(RATE_LIMITED, "rate_limited")
#define X(name_, text_) RV_GATE_##name_,
typedef enum rv_gate_kind { RV_GATE_MAP(X) RV_GATE_COUNT } rv_gate_kind;
#undef X
const char *rv_gate_name(rv_gate_kind kind);
/* What may be asked of it. */
#define RV_GATE_VERB_MAP(X)                    \
    X(SPAWN, "spawn")                          \
    X(SUBMIT, "submit")                        \
    X(TOOL, "tool")                            \
    X(MEMORY_READ, "memory_read")              \
    X(MEMORY_WRITE, "memory_write")            \
    X(ARTIFACT_READ, "artifact_read")
#define X(name_, text_) RV_GATE_VERB_##name_,
typedef enum rv_gate_verb { RV_GATE_VERB_MAP(X) RV_GATE_VERB_COUNT } rv_gate_verb;
#undef X
typedef enum rv_decision { RV_DECISION_APPROVE, RV_DECISION_REJECT, RV_DECISION_DONE, RV_DECISION_FAILED, RV_DECISION_AGAIN } rv_decision;

typedef struct rv_event {
    rv_event_type type;
    uint32_t node; /* encoded as index + 1, so that RV_NONE is 0 */
    uint32_t epoch, number, state, detail, root, flags;
    int32_t exit_status, signal;
    int64_t due_ms;
    uint64_t pid, pid_start, seed;
    int64_t amount, cost;
    uint64_t tokens_in, tokens_out, tokens_cached;
    rv_str key, value, output, text; /* borrowed */
    const struct rv_graph *graph;    /* SUBMIT: what `value` says, compiled; outlives the run; NULL: the run compiles it. Not encoded */
} rv_event;

const char *rv_event_name(rv_event_type type); /* NULL: no such type */
uint32_t rv_event_fields(rv_event_type type);  /* bits RV_F_*; 0 also for no such type */
bool rv_event_is_input(rv_event_type type);
/* The type of that JSON name, or RV_EVENT_TYPE_MAX. */
rv_event_type rv_event_find(rv_str name);
/* The number of a word of the field `state` of that type, or of a detail; RV_NONE: there is no such word. */
uint32_t rv_event_state_find(rv_event_type type, rv_str word);
uint32_t rv_event_detail_find(rv_str word);

/* Append the encoding of `event`: type varint, then its fields. */
void rv_event_write(rv_buf *out, const rv_event *event);
/* Decode one at *at, moving past it. Strings of *ret point into the input.
 * RV_CORRUPT: cut short, unknown type, a field out of range; *at and *ret then undefined. Never reads past `end`. */
RV_MUST_USE rv_status rv_event_read(const char **at, const char *end, rv_event *ret, rv_error *err);
/* The id of a node; size 0: it has none, its number is written. Borrowed until the next call. */
typedef rv_str rv_event_id_fn(void *user, uint32_t node);
/* One JSON object, ids instead of indices where `id` is given (NULL: numbers). */
void rv_event_json(rv_json_writer *w, const rv_event *event, rv_event_id_fn *id, void *user);

/* ---- effects: what the outside must do, after the commit of the turn that asked for it ---- */
#define RV_EFFECT_MAP(X)                                                           \
    X(SPAWN, "spawn")           /* start attempt (node, epoch, number) */          \
    X(REDUCE, "reduce")         /* run the node's reducer; no slot */              \
    X(PARK, "park")             /* node waits: open a blocker; detail says why */  \
    X(RESUMED, "resumed")       /* a parked node goes on: close its blocker */     \
    X(STOP, "stop")             /* stop attempt (node, epoch): TERM, grace, KILL */ \
    X(ARM_TIMER, "arm_timer")   /* the earliest due time is now due_ms (engine) */ \
    X(RUN_ENDED, "run_ended")   /* the run reached `state` (also INTERRUPTED) */   \
    X(NOTE, "note")             \
    X(STEER, "steer")           /* the running attempt (node, epoch) is given the node's latest directive */ \
    X(GATE, "gate")             /* the answer to an ASK of the attempt; state: rv_gate_kind; due_ms: when it may ask again (engine) */
#define X(name_, text_) RV_EFFECT_##name_,
typedef enum rv_effect_type { RV_EFFECT_MAP(X) RV_EFFECT_COUNT } rv_effect_type;
#undef X
const char *rv_effect_name(rv_effect_type type);

typedef struct rv_effect {
    rv_effect_type type;
    uint32_t node, epoch, number, state, detail;
    int64_t due_ms;
} rv_effect; /* idempotency key: (run, type, node, epoch) */

#endif
