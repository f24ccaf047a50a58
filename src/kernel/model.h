/* model.h: the data model in one place. First what is stored (words, graph, rows), then how a graph is held.
 *
 * Every list of words here is the single source of its enum, its text (SQL CHECK, JSON, CLI) and its tests.
 * Numbers are stored in journals: a new word goes at the end of its list, none is ever renumbered. To change a
 * stored layout: raise RV_GRAPH_FORMAT or RV_JOURNAL_VERSION (event.h), say so in docs/journal.md, keep reading the old one. */
#ifndef RV_MODEL_H
#define RV_MODEL_H

#include "base/base.h"
#include "base/util.h"

#define RV_NODES_MAX 1000000u
#define RV_IDENTIFIER_MAX 64u
#define RV_NAME_MAX (2 * RV_IDENTIFIER_MAX + 1) /* bytes of a node's name: NODE, or PROJECT:NODE [W20] */
#define RV_RESULT_SIZE_MAX (1u << 20) /* bytes of JSON a node's result may have */

/* ======================================================================= words */

#define RV_KIND_MAP(X) /* name, key in the file, needs a slot */ \
    X(RUN, "run", 1)                                             \
    X(SHELL, "shell", 1)                                         \
    X(APPROVE, "approve", 0)                                     \
    X(INPUT, "input", 0)                                         \
    X(WAIT, "wait", 0)                                           \
    X(SET, "set", 0)                                             \
    X(REDUCE, "reduce", 0)                                       \
    X(FOREACH, "foreach", 0)                                     \
    X(LOOP, "loop", 0)                                           \
    X(CLASSIFY, "classify", 0)                                   \
    X(TOURNAMENT, "tournament", 0)                               \
    X(WORKFLOW, "workflow", 0)

#define RV_DEP_POLICY_MAP(X)         \
    X(ALL_SUCCESS, "all_success")    \
    X(ACCEPT_PARTIAL, "accept_partial") \
    X(ALL_TERMINAL, "all_terminal")  \
    X(OPTIONAL, "optional")

/* Node states [K2]; those from SUCCEEDED on are terminal. */
#define RV_NODE_STATE_MAP(X)  \
    X(PENDING, "pending")     \
    X(READY, "ready")         \
    X(RUNNING, "running")     \
    X(WAITING, "waiting")     \
    X(SUCCEEDED, "succeeded") \
    X(PARTIAL, "partial")     \
    X(FAILED, "failed")       \
    X(DENIED, "denied")       \
    X(SKIPPED, "skipped")     \
    X(CANCELLED, "cancelled")

/* Why a node is in its state: one list for all states, so that it fits a byte and a column.
 * group: n none, w what a waiting node waits for, s source of a success, k cause of a skip, c cause of a cancel,
 * e error.kind of a failure [A9]. */
#define RV_DETAIL_MAP(X) /* name, text, group */ \
    X(NONE, "", 'n')                             \
    X(QUESTION, "question", 'w')                 \
    X(INPUT, "input", 'w')                       \
    X(APPROVAL, "approval", 'w')                 \
    X(TIMER, "timer", 'w')                       \
    X(EVENT, "event", 'w')                       \
    X(CHILDREN, "children", 'w')                 \
    X(BUDGET, "budget", 'w')                     \
    X(UNKNOWN_OUTCOME, "unknown_outcome", 'w')   \
    X(FRESH, "fresh", 's')                       \
    X(CACHE, "cache", 's')                       \
    X(REPLAY, "replay", 's')                     \
    X(PERSON, "person", 's')                     \
    X(CONDITION, "condition", 'k')               \
    X(PRUNED, "pruned", 'k')                     \
    X(UPSTREAM, "upstream", 'k')                 \
    X(OVER_BUDGET, "over_budget", 'k')           \
    X(VIOLATION, "violation", 'k')               \
    X(FAIL_FAST, "fail_fast", 'k')               \
    X(SIGNALLED, "signalled", 'c')               \
    X(RUN_CANCELLED, "run", 'c')                 \
    X(UPSTREAM_CANCELLED, "upstream_cancelled", 'c') \
    X(SUPERSEDED, "superseded", 'c')             \
    X(EXIT, "exit", 'e')                         \
    X(SIGNAL, "signal", 'e')                     \
    X(TIMEOUT, "timeout", 'e')                   \
    X(START, "start", 'e')                       \
    X(WAIT, "wait", 'e')                         \
    X(CAPTURE, "capture", 'e')                   \
    X(OUTPUT_NOT_REGULAR, "output_not_regular", 'e') \
    X(OUTPUT_MISSING, "output_missing", 'e')     \
    X(OUTPUT_PATH, "output_path", 'e')           \
    X(SCHEMA, "schema", 'e')                     \
    X(REJECTED, "rejected", 'e')                 \
    X(DENIED, "denied", 'e')                     \
    X(LOST, "lost", 'e')                         \
    X(UNAVAILABLE, "unavailable", 'e')           \
    X(VALUE, "value", 'e')                       \
    X(REDUCER, "reducer", 'e')                   \
    X(DEADLINE, "deadline", 'e')                 \
    X(BRANCH, "branch", 'e')                     \
    X(JUDGE, "judge", 'e')                       \
    X(ITERATION, "iteration", 'e')               \
    X(CHILDREN_FAILED, "children", 'e')          \
    X(REVISE_MAX, "revise_max", 'e')             \
    X(BUDGET_SPENT, "over_budget", 'e')

/* Attempt states [S3]. VOID: journaled as starting, never seen to start; burns its epoch, counts against nothing. */
#define RV_ATTEMPT_STATE_MAP(X) /* name, text, is terminal */ \
    X(PENDING, "pending", 0)                                  \
    X(STARTING, "starting", 0)                                \
    X(RUNNING, "running", 0)                                  \
    X(OK, "ok", 1)                                            \
    X(PARTIAL, "partial", 1)                                  \
    X(ERROR, "error", 1)                                      \
    X(TIMEOUT, "timeout", 1)                                  \
    X(DENIED, "denied", 1)                                    \
    X(CANCELLED, "cancelled", 1)                              \
    X(LOST, "lost", 1)                                        \
    X(UNKNOWN, "unknown", 1)                                  \
    X(VOID, "void", 1)

/* Run status [S2]; INTERRUPTED is not terminal. */
#define RV_RUN_STATE_MAP(X) /* name, text, is terminal */ \
    X(ACCEPTED, "accepted", 0)                            \
    X(RUNNING, "running", 0)                              \
    X(INTERRUPTED, "interrupted", 0)                      \
    X(OK, "ok", 1)                                        \
    X(ERROR, "error", 1)                                  \
    X(TIMEOUT, "timeout", 1)                              \
    X(CANCELLED, "cancelled", 1)                          \
    X(OVER_BUDGET, "over_budget", 1)

/* Task states (spec 4). */
#define RV_TASK_STATE_MAP(X)  \
    X(QUEUED, "queued")       \
    X(RUNNING, "running")     \
    X(WAITING, "waiting")     \
    X(SLEEPING, "sleeping")   \
    X(DONE, "done")           \
    X(ERROR, "error")         \
    X(DROPPED, "dropped")     \
    X(CANCELLED, "cancelled")

#define RV_INTERACTION_MAP(X)                  \
    X(WORKING, "working")                      \
    X(WAITING_FOR_INPUT, "waiting_for_input")  \
    X(CLOSED, "closed")

#define RV_BLOCKER_STATE_MAP(X) X(OPEN, "open") X(RESOLVED, "resolved") X(SUPERSEDED, "superseded")

/* What a scope is to its owner; a place (run.h) has the same role, and a node's id says it [K1]. */
#define RV_SCOPE_MAP(X)                                                       \
    X(FILE, "file")           /* the file's own nodes: NAME */                \
    X(HANDLERS, "handlers")   /* on.success … */                              \
    X(ITEM, "item")           /* foreach: NAME[3], or NAME[3].CHILD */        \
    X(ITERATION, "iteration") /* loop: NAME#3 */                              \
    X(CLASSIFIER, "classifier") /* classify: NAME.by */                       \
    X(ENTRANT, "entrant")     /* tournament: NAME/e2 */                       \
    X(JUDGE, "judge")         /* tournament: NAME/r1m0 */                     \
    X(WORKFLOW, "workflow")   /* sub-graph: NAME.CHILD */                     \
    X(REVISION, "revision")   /* places only: NAME~k */                       \
    X(SUBMITTED, "submitted") /* places only: nodes that a running node gave */

/* When a foreach has its outcome [K15]. */
#define RV_JOIN_MAP(X) X(ALL, "all") X(ANY, "any") X(RACE, "race") X(ALL_SETTLED, "all_settled")

/* Handlers: nodes outside the graph that run when it has ended. */
#define RV_HANDLER_MAP(X) X(NONE, "") X(SUCCESS, "success") X(FAILURE, "failure") X(CANCEL, "cancel") X(EXIT, "exit")

/* What is counted of a run [K50]: micro-dollars, tokens, ms in which something of it ran, attempts and nodes that were started. */
#define RV_DIMENSION_MAP(X) X(USD, "usd") X(TOKENS, "tokens") X(TIME, "time") X(ATTEMPTS, "attempts") X(NODES, "nodes")

/* What becomes of a run, or of a node, whose budget does not do. */
#define RV_AT_LIMIT_MAP(X) X(PAUSE, "pause") X(STOP, "stop") X(WARN, "warn")

/* Limits that are no budget [K31]. */
#define RV_QUOTA_MAP(X)            \
    X(CONCURRENT, "concurrent")    /* attempts at a time */        \
    X(ATTEMPTS, "attempts")        /* in all */                    \
    X(DEPTH, "depth")              /* controllers within each other */ \
    X(NODES, "nodes")              /* of the run, with all that grew */ \
    X(WRITES, "writes")            /* in a window of time */

/* Roles [K40]: isolation and inheritance where a node says nothing of its own. */
#define RV_ISOLATION_MAP(X) X(DEFAULT, "") X(NONE, "none") X(READ_ONLY, "read_only") X(SHARED, "shared") X(WORKTREE, "worktree")
#define RV_INHERIT_MAP(X) X(DEFAULT, "") X(NONE, "none") X(SYSTEM_ONLY, "system_only") X(FULL, "full")
#define RV_ROLE_MAP(X) /* name, word, isolation, inheritance */ \
    X(CUSTOM, "custom", SHARED, NONE)                           \
    X(EXPLORE, "explore", READ_ONLY, SYSTEM_ONLY)               \
    X(VERIFY, "verify", READ_ONLY, NONE)                        \
    X(PLAN, "plan", SHARED, FULL)                               \
    X(IMPLEMENT, "implement", WORKTREE, FULL)

/* Whom a mutex keeps apart [A5]: the nodes of one root, of one project, of this machine. */
#define RV_MUTEX_SCOPE_MAP(X) X(ROOT, "root") X(PROJECT, "project") X(HOST, "host")

#define RV_ENUM_2(prefix_, name_) prefix_##name_,
#define X(name_, text_, ...) RV_KIND_##name_,
typedef enum rv_kind { RV_KIND_MAP(X) RV_KIND_COUNT } rv_kind;
#undef X
#define X(name_, text_, ...) RV_DEP_##name_,
typedef enum rv_dep_policy { RV_DEP_POLICY_MAP(X) RV_DEP_COUNT } rv_dep_policy;
#undef X
#define X(name_, text_, ...) RV_NODE_##name_,
typedef enum rv_node_state { RV_NODE_STATE_MAP(X) RV_NODE_STATE_COUNT } rv_node_state;
#undef X
#define X(name_, text_, ...) RV_DETAIL_##name_,
typedef enum rv_detail { RV_DETAIL_MAP(X) RV_DETAIL_COUNT } rv_detail;
#undef X
#define X(name_, text_, ...) RV_ATTEMPT_##name_,
typedef enum rv_attempt_state { RV_ATTEMPT_STATE_MAP(X) RV_ATTEMPT_STATE_COUNT } rv_attempt_state;
#undef X
#define X(name_, text_, ...) RV_RUN_##name_,
typedef enum rv_run_state { RV_RUN_STATE_MAP(X) RV_RUN_STATE_COUNT } rv_run_state;
#undef X
#define X(name_, text_, ...) RV_TASK_##name_,
typedef enum rv_task_state { RV_TASK_STATE_MAP(X) RV_TASK_STATE_COUNT } rv_task_state;
#undef X
#define X(name_, text_, ...) RV_INTERACTION_##name_,
typedef enum rv_interaction { RV_INTERACTION_MAP(X) RV_INTERACTION_COUNT } rv_interaction;
#undef X
#define X(name_, text_, ...) RV_BLOCKER_##name_,
typedef enum rv_blocker_state { RV_BLOCKER_STATE_MAP(X) RV_BLOCKER_STATE_COUNT } rv_blocker_state;
#undef X
#define X(name_, text_, ...) RV_SCOPE_##name_,
typedef enum rv_scope_role { RV_SCOPE_MAP(X) RV_SCOPE_COUNT } rv_scope_role;
#undef X
#define X(name_, text_, ...) RV_JOIN_##name_,
typedef enum rv_join { RV_JOIN_MAP(X) RV_JOIN_COUNT } rv_join;
#undef X
#define X(name_, text_, ...) RV_HANDLER_##name_,
typedef enum rv_handler { RV_HANDLER_MAP(X) RV_HANDLER_COUNT } rv_handler;
#undef X
#define X(name_, text_) RV_DIMENSION_##name_,
typedef enum rv_dimension { RV_DIMENSION_MAP(X) RV_DIMENSION_COUNT } rv_dimension;
#undef X
#define X(name_, text_) RV_AT_LIMIT_##name_,
typedef enum rv_at_limit { RV_AT_LIMIT_MAP(X) RV_AT_LIMIT_COUNT } rv_at_limit;
#undef X
#define X(name_, text_) RV_QUOTA_##name_,
typedef enum rv_quota { RV_QUOTA_MAP(X) RV_QUOTA_COUNT } rv_quota;
#undef X
#define X(name_, text_) RV_ISOLATION_##name_,
typedef enum rv_isolation { RV_ISOLATION_MAP(X) RV_ISOLATION_COUNT } rv_isolation;
#undef X
#define X(name_, text_) RV_INHERIT_##name_,
typedef enum rv_inherit { RV_INHERIT_MAP(X) RV_INHERIT_COUNT } rv_inherit;
#undef X
#define X(name_, ...) RV_ROLE_##name_,
typedef enum rv_role { RV_ROLE_MAP(X) RV_ROLE_COUNT } rv_role;
#undef X
#define X(name_, text_) RV_MUTEX_##name_,
typedef enum rv_mutex_scope { RV_MUTEX_SCOPE_MAP(X) RV_MUTEX_SCOPE_COUNT } rv_mutex_scope;
#undef X
#undef RV_ENUM_2

/* The text of a word; never NULL for a word in its list. Pure. */
const char *rv_kind_name(rv_kind kind);
bool rv_kind_needs_slot(rv_kind kind);
/* Whether a node of this kind is a controller: it executes nothing, its outcome follows from its children's. */
bool rv_kind_is_controller(rv_kind kind);
const char *rv_dep_policy_name(rv_dep_policy policy);
const char *rv_node_state_name(rv_node_state state);
static inline bool rv_node_state_is_terminal(rv_node_state state) { return state >= RV_NODE_SUCCEEDED; }
/* Whether a node in it always has a root cause, if only itself. */
static inline bool rv_node_state_has_root(rv_node_state state)
{
    return state == RV_NODE_FAILED || state == RV_NODE_DENIED || state == RV_NODE_CANCELLED;
}
const char *rv_detail_name(rv_detail detail);
char rv_detail_group(rv_detail detail);
const char *rv_attempt_state_name(rv_attempt_state state);
bool rv_attempt_state_is_terminal(rv_attempt_state state);
const char *rv_run_state_name(rv_run_state state);
bool rv_run_state_is_terminal(rv_run_state state);
const char *rv_task_state_name(rv_task_state state);
const char *rv_interaction_name(rv_interaction interaction);
const char *rv_blocker_state_name(rv_blocker_state state);
const char *rv_handler_name(rv_handler handler);
const char *rv_scope_role_name(rv_scope_role role);
const char *rv_join_name(rv_join join);
const char *rv_dimension_name(rv_dimension dimension);
const char *rv_at_limit_name(rv_at_limit at_limit);
const char *rv_quota_name(rv_quota quota);
const char *rv_isolation_name(rv_isolation isolation);
const char *rv_inherit_name(rv_inherit inherit);
const char *rv_role_name(rv_role role);

/* ======================================================================= graph
 * A validated workflow in arrays. Immutable. Nothing in it is a pointer but the section pointers of rv_graph
 * itself, so that a graph is one image that can be written to a file and mapped again.
 *
 * A *def* is what the file says of a node; a *node* of a run is an instance of one (run.h). Defs stand in scopes, each
 * a row of its own, and edges never leave a scope:
 *
 *     nodes   | the file's  | handlers   | a body | a body …
 *     index   0 .. plain_count .. top_count .. .. .. node_count
 *     scope   0             1            2        3
 *
 * The defs 0..top_count-1 are the first instances of every run, with the same numbers. A body (what a foreach does for
 * each item, a loop's iteration, an entrant, a judge, a classifier, a sub-workflow) becomes instances when its owner
 * starts it, as often as it does. Handlers are named `on.success` …, and have no edges; so has a body of one node,
 * whose name is empty. All texts are slices (at, size) of `strings`. */

#define RV_GRAPH_FORMAT 5u

typedef struct rv_slice { uint32_t at, size; } rv_slice; /* of rv_graph.strings */

enum rv_node_flag {
    RV_NODE_F_KEEP_RESULT = 1,  /* some reference reads its result: the run's state keeps it */
    RV_NODE_F_LEAVE = 2,        /* `leave: true`: processes it leaves behind are not killed */
    RV_NODE_F_READS_OUTPUT = 4, /* some template reads its stdout or stderr (from the log) */
    RV_NODE_F_HAS_SCHEMA = 8,   /* output_schema is set */
    RV_NODE_F_QUARANTINED = 256, /* `trust: quarantined` */
    RV_NODE_F_AT_ODDS = 1024,   /* its files may turn out to be another node's: outputs with wildcards, an input of a node not waited for */
    RV_NODE_F_CACHED = 512,     /* its attempts are looked up in the cache, and kept there [C1]; its body has `cache` and `inputs` */
    RV_NODE_F_EXPR_OUTPUT = 16, /* an expression (`when`, `set`) reads its stdout: the completion carries it, the run keeps it */
};

typedef struct rv_node_def {
    rv_slice name;
    rv_slice body;     /* the node's body in normal form: one JSON object, with exactly one kind key */
    rv_slice when;     /* the condition's text (size 0: none) */
    uint32_t policy;   /* index in policies */
    uint32_t aux;      /* RUN, SHELL: see rv_node_claims; APPROVE, INPUT, WAIT: index in gates; SET: first of its set_items;
                        * controllers: index in controls; else 0 */
    uint32_t aux_count; /* SET: how many set_items */
    uint32_t scope;    /* index in scopes: where it stands */
    uint32_t revise;   /* index + 1 in revises; 0: none */
    uint32_t class_index; /* index in classes: the set of tags, hence of caps, that it needs */
    int32_t priority;  /* higher goes first */
    uint32_t budget;   /* index + 1 in budgets; 0: none of its own */
    uint16_t flags;    /* rv_node_flag */
    uint8_t kind;      /* rv_kind */
    uint8_t dep_policy; /* rv_dep_policy */
    uint8_t handler;   /* rv_handler; NONE for the nodes of the graph */
    uint8_t role;      /* rv_role */
    uint8_t isolation, inherit; /* rv_isolation, rv_inherit; DEFAULT: the role's, see rv_node_isolation */
} rv_node_def;

enum { RV_BACKOFF_FIXED, RV_BACKOFF_EXPONENTIAL };
enum { RV_DELIVERY_AT_LEAST_ONCE, RV_DELIVERY_AT_MOST_ONCE };
enum { RV_ON_UNKNOWN_ASK, RV_ON_UNKNOWN_FAIL, RV_ON_UNKNOWN_RETRY };
enum rv_retry_on { RV_RETRY_ON_SIGNAL = 1, RV_RETRY_ON_TIMEOUT = 2, RV_RETRY_ON_UNAVAILABLE = 4, RV_RETRY_ON_ANY_EXIT = 8 };

/* Attempts, retries and times of a node [W3, W3a]; equal policies are stored once. */
typedef struct rv_policy {
    int64_t timeout_ms;       /* per attempt; 0: none */
    int64_t timeout_total_ms; /* all attempts and waits between them; 0: none */
    int64_t delay_ms, delay_ms_max; /* delay_ms_max 0: no bound */
    uint64_t retry_exit[4];   /* bit n: exit status n is retried (when ANY_EXIT is not set) */
    uint32_t max_attempts;    /* recorded failures allowed, ≥ 1 */
    uint32_t lost_max;
    uint8_t retry_on;         /* rv_retry_on */
    uint8_t backoff, jitter, delivery, on_unknown;
    uint8_t reserved[3];
} rv_policy;

/* What a node without a process waits for. */
typedef struct rv_gate_def {
    int64_t ms;         /* WAIT: `for` in ms, or `until` in wall ms; APPROVE, INPUT: deadline in ms after it opened; 0: none */
    rv_slice fallback;  /* INPUT: the default's JSON (size 0: none) */
    rv_slice event;     /* WAIT: the name of the event that it waits for (size 0: none) */
    uint8_t is_until;   /* WAIT: ms is a wall time */
    uint8_t on_reject_continue; /* APPROVE: a rejection is a result, not a failure */
    uint8_t reserved[6];
} rv_gate_def;

typedef struct rv_set_item { rv_slice key, expression; } rv_set_item;

/* Limits, and what an attempt is expected to spend. Bit d of the sets says that dimension d has one. */
typedef struct rv_budget_def {
    int64_t limit[RV_DIMENSION_COUNT];
    int64_t estimate[RV_DIMENSION_COUNT]; /* of a node, USD and TOKENS only */
    rv_slice group;       /* of a run: counts are shared with the runs of this name (size 0: none) */
    uint8_t limits, estimates; /* bits 1 << rv_dimension */
    uint8_t at_limit;     /* rv_at_limit; of a node STOP or WARN */
    uint8_t reserved[5];
} rv_budget_def;

typedef struct rv_quota_def {
    int64_t limit[RV_QUOTA_COUNT];
    int64_t window_ms;    /* WRITES */
    uint8_t limits;       /* bits 1 << rv_quota */
    uint8_t reserved[7];
} rv_quota_def;

typedef struct rv_scope_def {
    uint32_t first, count; /* of nodes */
    uint32_t owner;        /* def whose body it is; RV_NONE: the file's nodes, handlers */
    uint8_t role;          /* rv_scope_role */
    uint8_t is_named;      /* its nodes have names: a foreach over {nodes}, a sub-workflow */
    uint8_t is_closed;     /* its nodes see nothing of what is around it: a sub-workflow from a file */
    uint8_t reserved;
} rv_scope_def;

/* What the file tells a controller. */
typedef struct rv_control_def {
    uint32_t scope_first, scope_count; /* its scopes: the body; TOURNAMENT: the entrants that are bodies, then the judge */
    rv_slice items;   /* FOREACH: JSON: a list, or a string that is one reference; rv_run_fill makes the list of it */
    rv_slice until;   /* LOOP: expression (size 0: none) */
    rv_slice params;  /* WORKFLOW: JSON object of templates (size 0: none): what ${user.K} is inside */
    uint32_t result_first, result_count; /* WORKFLOW: of set_items: its `result`; count 0: {name: result} of its sinks */
    uint32_t max;     /* LOOP: iterations; FOREACH: max_parallel, 0 no bound; TOURNAMENT: swiss rounds, 0 elimination */
    uint32_t quorum;  /* TOURNAMENT: judges a match, ≥ 1 */
    uint32_t entrant_first, entrant_count; /* TOURNAMENT: of entrants */
    uint32_t branch_first, branch_count;   /* CLASSIFY: of branches */
    uint8_t join;     /* FOREACH: rv_join */
    uint8_t swap;     /* TOURNAMENT: each pair is judged twice, with sides exchanged */
    uint8_t reserved[6];
} rv_control_def;

/* An entrant in the file's order: an existing def of the tournament's own scope, or a body. */
typedef struct rv_entrant_def { uint32_t node /* RV_NONE: a body */, scope /* RV_NONE: a node */; } rv_entrant_def;
/* A label, and the defs of the classifier's own scope that are its branch: branch_nodes[first .. first+count). */
typedef struct rv_branch_def { rv_slice label; uint32_t first, count; } rv_branch_def;

/* A back-edge [K17]. Its members are all defs on the paths from target to this node, both included, in index order:
 * revise_nodes[member_first .. member_first+member_count). */
typedef struct rv_revise_def {
    uint32_t node, target;
    uint32_t member_first, member_count;
    rv_slice when;     /* expression */
    uint32_t max;
    uint8_t at_max_ask; /* at the maximum somebody is asked; else the node fails */
    uint8_t reserved[3];
} rv_revise_def;

/* A set of tags, and whether its nodes are admitted in two phases: those that have a mutex or look into the cache first [A2, A3];
 * those with a tag whose cap is the machine's are, too.
 * Class 0 has no tags and one phase. A node needs a slot under the global cap and under each tag of its class. */
typedef struct rv_class_def { uint32_t first, count; /* of class_tags */ uint32_t is_staged; } rv_class_def;
typedef struct rv_tag_def {
    rv_slice name;
    uint32_t cap;      /* 0: no cap of its own */
    uint32_t is_host;  /* the machine's [A7] */
} rv_tag_def;

/* Mutexes [A5]. A claim is one of a node: index in mutexes, shifted by one, with bit 0 set where it is exclusive. */
typedef struct rv_mutex_def { rv_slice name, project /* of PROJECT scope */; uint32_t scope; /* rv_mutex_scope */ } rv_mutex_def;
#define RV_CLAIMS_MAX 16u /* of a set */
typedef struct rv_claim_set { uint32_t first, count; /* of claims */ } rv_claim_set;
#define RV_CLAIM_MUTEX(claim_) ((claim_) >> 1)
#define RV_CLAIM_IS_EXCLUSIVE(claim_) ((claim_) & 1u)

#define RV_EDGE_SOFT 0x80000000u /* set in a pred or succ entry: `after`, order only */
#define RV_EDGE_EXTERNAL 0x40000000u /* set in a pred entry of submitted nodes [K20]: the rest is an index in externals */
#define RV_EDGE_NODE(entry_) ((entry_) & ~(RV_EDGE_SOFT | RV_EDGE_EXTERNAL))

/* A node that the run had before these were submitted to it, and that one of them depends on. */
typedef struct rv_external_def {
    rv_slice name;     /* its id */
    uint16_t flags;    /* rv_node_flag: what the submitted nodes read of it; it can only be read where its own def has kept it */
    uint8_t reserved[6];
} rv_external_def;

typedef struct rv_graph {
    /* stored */
    rv_digest digest;          /* of `definition`: the workflow's name for good */
    uint32_t node_count, plain_count, top_count, edge_count, policy_count, gate_count, set_item_count;
    uint32_t class_count, class_tag_count, tag_count;
    uint32_t mutex_count, claim_set_count, claim_count;
    uint32_t external_count;
    uint32_t scope_count, control_count, entrant_count, branch_count, branch_node_count, revise_count, revise_node_count;
    uint32_t concurrency;      /* global cap from the file; 0: auto */
    uint32_t budget_count, budget; /* the run's: index + 1 in budgets; 0: none */
    rv_quota_def quota;
    int64_t timeout_ms;        /* the run's; 0: none */
    rv_slice name;
    rv_slice default_node;     /* `default` of the file (size 0: none) */
    rv_slice projects;         /* JSON object of its projects: {dir, tags, default} by name (size 0: it has none) */
    rv_slice only;             /* of a part of a workflow: JSON list of the nodes that were named (size 0: it is no part) */
    const rv_node_def *nodes;
    const uint32_t *pred_begin, *pred; /* preds of n: pred[pred_begin[n] .. pred_begin[n+1]) */
    const uint32_t *succ_begin, *succ;
    const uint32_t *order;     /* order[position] = def: by priority, then index [K3]; for those who plan without running */
    const uint32_t *position;  /* the inverse of order */
    const rv_policy *policies;
    const rv_gate_def *gates;
    const rv_set_item *set_items;
    const rv_class_def *classes;
    const uint32_t *class_tags; /* indices in tags */
    const rv_tag_def *tags;
    const rv_mutex_def *mutexes;
    const rv_claim_set *claim_sets;
    const uint32_t *claims;
    const rv_budget_def *budgets;
    const rv_scope_def *scopes; /* 0: the file's, 1: the handlers' */
    const rv_control_def *controls;
    const rv_entrant_def *entrants;
    const rv_branch_def *branches;
    const uint32_t *branch_nodes; /* defs */
    const rv_revise_def *revises;
    const uint32_t *revise_nodes; /* defs */
    const rv_external_def *externals; /* have no successors here: succ has no entries for them */
    rv_str strings;
    rv_str definition;         /* the whole workflow in normal form: canonical JSON, itself a valid workflow file */
} rv_graph;

static inline rv_str rv_graph_str(const rv_graph *graph, rv_slice slice) { return (rv_str){graph->strings.at + slice.at, slice.size}; }
/* What holds for a node: its own, else its role's [K40]. Never DEFAULT. Pure. */
rv_isolation rv_node_isolation(const rv_node_def *node);
/* The mutexes that it needs: index + 1 in claim_sets; 0: none. Pure. */
uint32_t rv_node_claims(const rv_node_def *node);
rv_inherit rv_node_inherit(const rv_node_def *node);
static inline rv_str rv_graph_name(const rv_graph *graph, uint32_t node) { return rv_graph_str(graph, graph->nodes[node].name); }

/* ======================================================================= rows
 * What people query; written in the transaction of the events that changed them, and rebuildable from the
 * journal. Strings are borrowed for the call. Times are wall ms; 0 where it has not happened. */

typedef struct rv_workflow_row {
    rv_str workspace, hash /* "sha256:…" */, name, body /* normal form */;
    int64_t created_ms;
} rv_workflow_row;

typedef struct rv_task_row {
    rv_str workspace, id, workflow_hash, name, params /* JSON object, no secrets */;
    rv_task_state state;
    uint32_t version;      /* raised by each write; preconditions compare it */
    int32_t priority;
    rv_str target_run;
    int64_t accepted_ms, dispatched_ms, settled_ms;
} rv_task_row;

typedef struct rv_run_row {
    rv_str workspace, id, task, workflow_hash, name;
    uint32_t number;       /* from 1 within its task */
    rv_run_state status;
    rv_interaction interaction;
    rv_str file;           /* absolute path of the workflow file; empty when it came otherwise */
    rv_str dir;            /* absolute working directory of its nodes */
    rv_str params, secrets /* JSON object: name → keyed hash, never a value */, env /* JSON: load-time ${env.K} */;
    rv_str resumed_from, forked_from;
    int64_t created_ms, started_ms, ended_ms;
    int32_t exit_status;   /* what `reeve run` returned or would; -1 while not ended */
    uint32_t nodes_total, nodes_succeeded, nodes_failed, nodes_skipped, nodes_cancelled;
    uint64_t last_seq;     /* of its stream */
    rv_str budget_group;   /* whose limits it shares with other runs [K53]; empty: none */
    /* what it was charged so far [K52]: micro-dollars, tokens in and out, tokens that a provider's cache gave; and what is reserved */
    int64_t cost_micro, tokens, tokens_cached, reserved_micro, reserved_tokens;
    int64_t counted_ms;    /* time in which something of it ran, where it has a budget or a quota of attempts; up to its last end */
    uint64_t counted_attempts, counted_nodes; /* likewise: attempts and nodes that were started */
} rv_run_row;

typedef struct rv_node_row {
    rv_str run, id;        /* id: the node's name */
    uint32_t index;        /* in the graph */
    rv_kind kind;
    rv_node_state state;
    rv_detail detail;
    rv_str root;           /* name of the node that is the root cause; empty: none */
    uint32_t attempts, epoch;
    rv_str error;          /* for people; empty: none */
    rv_str result;         /* JSON; empty: none */
    int64_t ready_ms, started_ms, ended_ms, due_ms;
    uint64_t log_last;     /* of one that the cache settled: offset of its last frame in the run's log; UINT64_MAX: no output */
} rv_node_row;

typedef struct rv_attempt_row {
    rv_str run, node;
    uint32_t node_index, number, epoch;
    rv_attempt_state state;
    rv_detail detail;      /* error.kind; NONE on success */
    rv_str error_source;   /* task | engine | executor | policy; empty: none */
    rv_str error;
    int32_t exit_status, signal; /* -1: none */
    int64_t pid, pid_start_ticks; /* 0: not recorded */
    int64_t started_ms, ended_ms;
    uint64_t stdout_size, stderr_size; /* bytes that the process wrote, also where the capture was cut */
    uint64_t log_last;     /* offset of its last frame in the run's log; UINT64_MAX: no output */
    uint64_t user_us, system_us, rss_max; /* CPU time, peak bytes */
    int64_t cost_micro;    /* micro-dollars that it reported */
    uint64_t tokens_in, tokens_out, tokens_cached; /* likewise */
} rv_attempt_row;

typedef struct rv_artifact_row {
    rv_str run, node, name, media_type, digest /* "sha256:…" */;
    uint32_t epoch;
    uint64_t size;
    bool is_complete;
    int64_t created_ms;
} rv_artifact_row;

typedef struct rv_blocker_row {
    rv_str run, node, kind /* approval | input | unknown_outcome */;
    uint32_t revision;     /* from 1: which opening of this node's blocker */
    rv_str key;            /* "NODE" or "NODE~revision": what approve and answer name */
    rv_str payload;        /* JSON: message, show, question, schema, default */
    rv_str digest;         /* "sha256:…" of payload: what was shown [P7] */
    rv_blocker_state state;
    rv_str decision, by, comment, answer /* JSON */;
    int64_t opened_ms, resolved_ms, deadline_ms;
} rv_blocker_row;

/* An entry of the cache [C10]: what an attempt left, under the hash of all that it depended on. */
typedef struct rv_cache_row {
    uint64_t id;           /* given by the store: above those of all that are there; 0 in what is written */
    rv_str key;            /* the 32 bytes of a hash */
    rv_str node;           /* id of the node that stored it, for people */
    uint64_t owner;        /* a hash of the workflow and this node: its entries follow each other */
    uint64_t size;         /* bytes that it keeps: of the blobs that it names, and its own */
    int64_t created_ms;
    rv_str manifest;       /* bytes: what a hit restores (docs/cache.md) */
    rv_str made_of;        /* bytes: what the key was made of, to say what changed since */
} rv_cache_row;

#endif
