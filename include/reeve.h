/* reeve.h: libreeve, the engine of Reeve inside your program.
 *
 * Reeve runs graphs of work: commands, and people's decisions between them. It runs them in parallel, writes down
 * every step before it acts on it, and goes on after a crash with exactly what remained. A program that links this
 * library has that inside, as a program that links SQLite has a database inside. docs/embedding.md is the guide,
 * examples/embed a complete program.
 *
 *     cc program.c $(pkg-config --cflags --libs reeve)
 *
 * THE STORE. An engine owns a directory, its store, from reeve_open to reeve_close, under a lock: a second owner, in
 * this process or another, gets REEVE_CONFLICT. The program `reeve` works with the same store: while your engine owns
 * it, `reeve show`, `logs`, `sql`, `approve`, `cancel` … reach it through the engine's socket, which is answered
 * whenever your program calls reeve_dispatch or reeve_wait.
 *
 * THREADS. An engine belongs to the thread that opened it: every call on it is made there. (One thread more, which
 * the library starts, writes to the disk; it calls nothing of yours.) Different engines may live on different threads.
 *
 * THE LOOP. Nothing happens between calls: attempts that run go on, but what follows from their end waits. Either
 * call reeve_wait, or watch reeve_fd in your own loop and call reeve_dispatch when it is readable or reeve_timeout_ms
 * has passed.
 *
 * PROCESSES. `reeve` itself is guarded by a keeper process, which ends what runs if the engine dies. A library cannot
 * have one. So, when your program is killed (SIGKILL), processes of attempts live on until the store is opened the
 * next time: reeve_open, or any `reeve run`, finds them and ends them before anything is started again. Promise P8 of
 * docs/promises.md holds from then on, not from the moment of death. Everything else that is promised holds in full.
 * The library makes your process a child subreaper (prctl(2)) for good; it waits for no child that is not its own, and
 * touches no signal handlers.
 *
 * STANDARD ERROR gets a line when something is wrong that no call can return, such as a process of a dead engine that had
 * to be ended. Standard output is yours.
 *
 * STRINGS are NUL-terminated UTF-8, borrowed until the call returns unless it is said otherwise. What the library
 * allocates for you is freed with reeve_free. Running out of memory ends the process. */
#ifndef REEVE_H
#define REEVE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version ----------------------------------------------------------------------------------------------------
 * REEVE_VERSION_NUMBER is major * 1000000 + minor * 1000 + patch. Below 1.0.0 any minor version may change the
 * interface; from then on only a major one. */
#define REEVE_VERSION "0.1.0"
#define REEVE_VERSION_NUMBER 1000

const char *reeve_version(void);   /* of the library that is linked; compare with REEVE_VERSION */
int reeve_version_number(void);

/* ---- statuses ---------------------------------------------------------------------------------------------------
 * What fallible calls return: REEVE_OK, which is 0, or why not. After a failure nothing has changed, unless a call says
 * otherwise. The numbers do not change. */
typedef enum reeve_status {
    REEVE_OK = 0,
    REEVE_INVALID = 1,      /* a bad argument, a bad workflow, bad SQL */
    REEVE_DENIED = 2,       /* not permitted: a statement that would write */
    REEVE_NOT_FOUND = 3,    /* no such run, or nothing of that name waits */
    REEVE_CONFLICT = 4,     /* the store has another owner; it was decided already; the run has ended */
    REEVE_LIMIT = 5,        /* over a stated limit */
    REEVE_UNSUPPORTED = 6,  /* not by this version */
    REEVE_NO_MEMORY = 7,
    REEVE_IO = 8,
    REEVE_STORE_IO = 9,     /* the store cannot be read or written: close the engine */
    REEVE_STORE_FULL = 10,  /* the disk is full: close the engine */
    REEVE_UNKNOWN = 11,     /* whether it was written is not known: close the engine and open it again, which reads back */
    REEVE_CORRUPT = 12,     /* stored data is damaged */
    REEVE_UNAVAILABLE = 13, /* not now: try again later */
    REEVE_TIMEOUT = 14      /* the time given has passed */
} reeve_status;

const char *reeve_status_name(reeve_status status); /* "NOT_FOUND"; never NULL */
const char *reeve_status_text(reeve_status status); /* "no such object"; never NULL */

/* What went wrong, for people: names the thing, what is wrong with it and what to do. Every call that takes one
 * accepts NULL. Written on failure only. */
#define REEVE_ERROR_SIZE 1024
typedef struct reeve_error {
    reeve_status status;
    char text[REEVE_ERROR_SIZE];
} reeve_error;

/* ---- what you are told ------------------------------------------------------------------------------------------
 * Callbacks come from within reeve_wait, reeve_dispatch and the calls that say so, on the engine's thread, and only
 * after what they tell is written: it survives the death of your program. Each thing is told once, in the order of the
 * journal. Members may be NULL. From a callback call nothing that takes the engine but reeve_run_info (everything
 * else returns REEVE_INVALID there). All pointers are borrowed until the callback returns. */
typedef struct reeve_node {
    const char *name;     /* of the node, as the workflow has it; on.failure and the like for handlers */
    const char *kind;     /* run, shell, approve, input, wait, set, reduce */
    const char *state;    /* pending, ready, running, waiting, succeeded, partial, failed, denied, skipped, cancelled */
    const char *detail;   /* why: fresh, condition, upstream, exit, timeout …; "" when there is nothing to say */
    const char *error;    /* for people; "": none */
    const char *root;     /* the node that this failure or skip comes from; "": none */
    uint32_t attempt;     /* 1 is the first; 0: none was made */
    uint32_t epoch;       /* of the attempt: strictly above all earlier ones of the node; 0: none */
    int32_t exit_status;  /* -1: none */
    int32_t signal;       /* that ended it; -1: none */
    int64_t started_ms, ended_ms; /* of the attempt, ms since the Unix epoch; 0: not yet */
} reeve_node;

typedef struct reeve_blocker {
    const char *key;      /* what to give reeve_decide or reeve_answer */
    const char *kind;     /* approval, input, unknown_outcome */
    const char *payload;  /* JSON: what is asked and shown, with every value filled in */
    const char *digest;   /* of the payload; a decision is for exactly this [P7] */
    int64_t deadline_ms;  /* ms since the Unix epoch; 0: none */
} reeve_blocker;

typedef struct reeve_observer {
    void *user;
    /* The run survives a loss of power: its id may be given out. Its first nodes may have begun, and been told of, before. */
    void (*run_started)(void *user, const char *run, int is_resumed);
    void (*attempt_started)(void *user, const char *run, const reeve_node *node);
    /* Bytes as they came, secrets masked; stream is 1 (standard output) or 2 (standard error). */
    void (*output)(void *user, const char *run, const char *node, int stream, const char *bytes, size_t size);
    void (*attempt_ended)(void *user, const char *run, const reeve_node *node, int will_retry, int64_t retry_in_ms);
    void (*node_ended)(void *user, const char *run, const reeve_node *node); /* also skipped and cancelled ones */
    void (*blocker_opened)(void *user, const char *run, const reeve_blocker *blocker);
    void (*blocker_closed)(void *user, const char *run, const char *key, const char *decision, const char *by);
    void (*note)(void *user, const char *run, const char *text); /* something was cut, dropped, given up: it is never silent */
    void (*idle)(void *user, const char *run); /* nothing of it runs: it waits for people or for a time */
    void (*run_ended)(void *user, const char *run, const char *state, int exit_status);
} reeve_observer;

/* ---- life ------------------------------------------------------------------------------------------------------- */
typedef struct reeve reeve; /* an engine with its store */

typedef struct reeve_options {
    size_t size;                 /* sizeof(reeve_options): tells what this version of the struct has */
    uint32_t slots;              /* how many commands may run at once; 0: what the workflow says, else one a processor */
    int64_t grace_ms;            /* between TERM and KILL for what must stop; 0: 5000 */
    const char *const *environ;  /* what commands inherit, NULL-terminated, must live as long as the engine; NULL: this process's */
    reeve_observer observer;     /* copied */
} reeve_options;
#define REEVE_OPTIONS_INIT {sizeof(reeve_options), 0, 0, NULL, {NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL}}

/* Open the store `directory`, made (mode 0700) when absent, and own it. What a dead owner left running is ended first.
 * options   NULL: as REEVE_OPTIONS_INIT
 * ret       written on REEVE_OK only; close it with reeve_close
 * REEVE_CONFLICT     it has a living owner; the error says who and since when. Waits up to 10 s for one that is dying
 * REEVE_STORE_IO, REEVE_STORE_FULL, REEVE_CORRUPT   the error says which path and what to do
 * REEVE_UNSUPPORTED  the store was made by a newer version
 * Blocks on the disk. */
reeve_status reeve_open(const char *directory, const reeve_options *options, reeve **ret, reeve_error *error);

/* End what runs, write and sync what is queued, give the store up. A run that has not ended stays resumable, as after a
 * crash; to stop in good order call reeve_interrupt and reeve_wait first. The engine is gone also when this fails:
 * that says that the last steps may not survive a power loss, or that the store had failed before. NULL is legal. */
reeve_status reeve_close(reeve *engine, reeve_error *error);

/* Free what the library allocated for you. NULL is legal. */
void reeve_free(void *memory);

/* ---- runs ------------------------------------------------------------------------------------------------------- */
#define REEVE_RUN_SIZE 64 /* bytes of a run's id with its NUL, at most */

typedef struct reeve_var { const char *name, *value; } reeve_var; /* a param's value, as after --var */

typedef struct reeve_workflow {
    size_t size;               /* sizeof(reeve_workflow) */
    const char *text;          /* the workflow, YAML or JSON (docs/workflow.md) */
    size_t text_size;          /* bytes; 0: up to its NUL */
    const char *name;          /* what problems call the text, as in "flow.yaml:3:7: …"; NULL: "workflow". One that ends in
                                  .json is read as strict JSON */
    const char *directory;     /* where its commands start and its file:// is found, absolute; NULL: the current one */
    const reeve_var *vars;     /* vars[0..var_count) */
    size_t var_count;
    int fail_fast;             /* start nothing more after a failure */
} reeve_workflow;
#define REEVE_WORKFLOW_INIT {sizeof(reeve_workflow), NULL, 0, NULL, NULL, NULL, 0, 0}

/* Check the workflow, write task and run down, and begin. On return the run survives power loss [P1]; its nodes start
 * with the next reeve_wait or reeve_dispatch. Callbacks may come from within.
 * ret_run       [REEVE_RUN_SIZE], its id, on REEVE_OK only
 * ret_problems  may be NULL; everything that is wrong with the text, a line each, `name:line:column: what; what to do`,
 *               also warnings when it is accepted; NULL if there is nothing. reeve_free it
 * REEVE_INVALID  a bad workflow, or a value is missing or of the wrong type; nothing was written
 * REEVE_STORE_IO, REEVE_STORE_FULL, REEVE_UNKNOWN  the store failed: close the engine
 * Blocks on the disk. Linear in the size of the text. */
reeve_status reeve_submit(reeve *engine, const reeve_workflow *workflow, char *ret_run, char **ret_problems, reeve_error *error);

/* Go on with a run of an earlier owner: its recorded steps are taken as they are, only what remained is started. A run
 * that failed gets a child run, which keeps what succeeded.
 * run      an id, or NULL: the latest run that has not ended
 * vars     secret params, which are never stored; others keep their recorded values
 * ret_run  [REEVE_RUN_SIZE], the run that goes on: the same id, or the child's
 * REEVE_NOT_FOUND  no such run     REEVE_CONFLICT  it ended well, was cancelled, or this engine drives it already
 * REEVE_INVALID    a secret is missing                   REEVE_CORRUPT  its journal does not verify
 * Blocks on the disk. Callbacks may come from within. */
reeve_status reeve_resume(reeve *engine, const char *run, const reeve_var *vars, size_t var_count, char *ret_run, reeve_error *error);

typedef struct reeve_run {
    size_t size;               /* set it to sizeof(reeve_run) before the call */
    const char *state;         /* accepted, running, interrupted, ok, error, timeout, cancelled; static */
    int is_ended;              /* nothing more will happen here: it ended, or was interrupted */
    int exit_status;           /* as `reeve run` would end; -1: it has not ended */
    uint32_t node_count, done_count, failed_count, running_count; /* done: in a terminal state, failed ones among them */
} reeve_run;
/* How a run that this engine drives, or drove, stands. May be called from a callback.
 * REEVE_NOT_FOUND  this engine never drove it: ask reeve_query */
reeve_status reeve_run_info(reeve *engine, const char *run, reeve_run *ret, reeve_error *error);

/* ---- the loop ---------------------------------------------------------------------------------------------------
 * Either wait … */

/* Work until `run` has ended or was interrupted (NULL: all runs of this engine), at most timeout_ms (< 0: for ever; 0: do
 * what can be done at once).
 * REEVE_TIMEOUT    not yet; call again
 * REEVE_NOT_FOUND  this engine does not drive it
 * REEVE_STORE_IO and others: the store failed; nothing more is done, close the engine */
reeve_status reeve_wait(reeve *engine, const char *run, int64_t timeout_ms, reeve_error *error);

/* … or have the engine in a loop of yours: poll reeve_fd for reading, for at most reeve_timeout_ms, then dispatch. The
 * descriptor is the engine's: do not read it or close it. */
int reeve_fd(reeve *engine);
int64_t reeve_timeout_ms(reeve *engine); /* -1: until the descriptor is readable; 0: at once. Ask after each call on the engine */
/* Do what is due, without waiting. Errors as reeve_wait, but never REEVE_TIMEOUT. */
reeve_status reeve_dispatch(reeve *engine, reeve_error *error);

/* ---- people's words ---------------------------------------------------------------------------------------------
 * On return they survive power loss. Callbacks may come from within.
 * by       who says so; NULL: ""
 * REEVE_NOT_FOUND  the run is not driven here (reeve_resume it first), or nothing of that key waits
 * REEVE_CONFLICT   it was decided already, or the run has ended */
typedef enum reeve_decision {
    REEVE_APPROVE = 0, REEVE_REJECT = 1,           /* of an approval */
    REEVE_DONE = 2, REEVE_FAILED = 3, REEVE_AGAIN = 4 /* of an at-most-once node of which it is not known whether it ran */
} reeve_decision;
reeve_status reeve_decide(reeve *engine, const char *run, const char *key, reeve_decision decision, const char *by, const char *comment,
                          reeve_error *error);
/* value_json: the answer to an input; text needs its quotes. REEVE_INVALID: not JSON, or not what the input's schema wants.
 * key "budget" (where no input of that name asks): {"add":{"usd":5}} gives the run's budget more, also before it pauses; {"quota":
 * {"concurrent":8}} sets quotas, "none" for no limit. REEVE_CONFLICT also: the run has no budget of that dimension. */
reeve_status reeve_answer(reeve *engine, const char *run, const char *key, const char *value_json, const char *by, reeve_error *error);
/* An event from outside: every node that waits for it (`wait: {event: NAME}`) succeeds, with value_json (NULL: nothing) as its result; when
 * none waits yet, it is kept for the first that will. Errors as above, and
 * REEVE_INVALID   no such name can be (1 to 64 of [A-Za-z0-9_-], the first alphanumeric), or value_json is not JSON
 * REEVE_LIMIT     value_json is over 1 MiB
 * REEVE_CONFLICT  also: 4096 events are kept already. After any of these nothing has changed. */
reeve_status reeve_signal(reeve *engine, const char *run, const char *name, const char *value_json, const char *by, reeve_error *error);
/* A directive for the next turn of a node that has not ended: a command finds it in the file $REEVE_STEER. Nothing else follows.
 * Errors as above, and
 * REEVE_INVALID   text (NUL-terminated) has not 1 to 65536 bytes
 * REEVE_CONFLICT  also: the node is no command, or the run has 4096 directives already. After any of these nothing has changed. */
reeve_status reeve_steer(reeve *engine, const char *run, const char *node, const char *text, const char *by, reeve_error *error);
/* End a run for good: what runs is stopped (TERM, grace, KILL), the rest is not started. run_ended comes when it is over. */
reeve_status reeve_cancel(reeve *engine, const char *run, const char *by, reeve_error *error);
/* Stop all runs so that they can be resumed: start nothing more, stop what runs. run_ended comes for each, with state
 * `interrupted`; reeve_wait(engine, NULL, …) returns when all are there. */
reeve_status reeve_interrupt(reeve *engine, reeve_error *error);

/* ---- what a program carries out itself --------------------------------------------------------------------------
 * Commands are processes of the engine's, unless an executor of the program's takes them: an agent, a queue, a call to
 * somewhere. It is told what to do and says later, on the engine's thread, how it ended; everything else is as with
 * commands: slots, retries, timeouts, masking, the journal. Register before runs are submitted or resumed. */
struct reeve_spawn; /* below, with the kernel: what an executor needs to know of an attempt */
struct reeve_event; /* likewise: how it ended, a `completed` */

typedef struct reeve_executor {
    size_t size;               /* sizeof(reeve_executor) */
    void *user;
    /* An attempt is to begin. 1: this executor carries it out, and reeve_complete will say how it ended; 0: not one of its,
     * ask the next, at last the engine. Here argv, env (complete: REEVE_OUTPUT, REEVE_ARTIFACTS and the rest are there) and
     * dir are those that the command would have; an `isolation` stands in `more` and is for the executor to hold.
     * Borrowed for the call; begin, do not wait. A callback as the observer's. */
    int (*start)(void *user, const struct reeve_spawn *attempt);
    /* It shall end: its timeout, a cancel, an interrupt, reeve_close. Complete it soon, however it ends; it is recorded as
     * stopped. After options.grace_ms it is over without. NULL: it is over at once. A callback as the observer's. */
    void (*stop)(void *user, const char *run, const char *node, uint32_t epoch);
} reeve_executor;
#define REEVE_EXECUTOR_INIT {sizeof(reeve_executor), NULL, NULL, NULL}

/* Copied. Executors are asked in the order in which they were registered. REEVE_INVALID: it has no start. */
reeve_status reeve_executor_register(reeve *engine, const reeve_executor *executor, reeve_error *error);
/* Nodes that an attempt which goes on gives to its run, as a command does with `reeve submit`: they may need nodes that the run has, run as
 * soon as they may, and the run ends with them. The same key with the same nodes, given again by a later attempt, gives the same ids.
 * node, epoch   the attempt: of an executor's, or any command's
 * key           tells what a node gives apart, 1 to 64 of [A-Za-z0-9_-]; NULL: its number among those of the attempt
 * nodes         text (`nodes: {…}`, or a whole workflow), text_size and name; the rest is not looked at
 * ret_told      may be NULL; on REEVE_OK {"key","is_new","nodes":[ids]}; reeve_free it
 * ret_problems  as of reeve_submit
 * REEVE_INVALID    a bad workflow: nothing of it is taken; no key; it holds a secret of the run, which would be recorded
 * REEVE_NOT_FOUND  no such run or node here         REEVE_DENIED  a quota of the run
 * REEVE_CONFLICT   that attempt does not go on, is a handler's, or has given other nodes under this key
 * REEVE_LIMIT      the run would be too large. After any of these nothing has changed
 * On return it survives power loss. Callbacks may come from within. */
reeve_status reeve_submit_nodes(reeve *engine, const char *run, const char *node, uint32_t epoch, const char *key,
                                const reeve_workflow *nodes, char **ret_told, char **ret_problems, reeve_error *error);
/* An attempt has ended. completed: node and epoch say which; type is not looked at. artifacts are files of the program's, copied before
 * this returns; what is in REEVE_ARTIFACTS of the attempt's environment counts too. Written with the next reeve_wait or
 * reeve_dispatch, which also starts what follows.
 * REEVE_NOT_FOUND  no such run or node here
 * REEVE_CONFLICT   that attempt is over, or an executor never took it; nothing changed
 * REEVE_INVALID, REEVE_LIMIT   as of reeve_kernel_step, or an artifact's name leads elsewhere, or it is no regular file
 * REEVE_IO, REEVE_STORE_FULL   an artifact cannot be copied. After these three it is still to be completed */
reeve_status reeve_complete(reeve *engine, const char *run, const struct reeve_event *completed, reeve_error *error);
/* May an attempt that goes on call this tool, or touch this memory or artifact? It passes the workflow's `capabilities` and
 * `quota.writes` and what the program knows of the request, in the order of [K32]; nothing of the run follows from it: who asked
 * holds to the answer. Nobody else is asked either: a `gate` opens no blocker, appears in no `reeve ls`, and waits for nothing. The
 * program asks whom it will, itself, and asks the gate again with what they said (examples/embed does).
 * request   an `ask`: node, epoch, state (tool, memory_read …), key, value as in docs/kernel-protocol.md; type is not looked at
 * ret       on REEVE_OK only. Every answer but a plain allow is recorded (`reeve events`); what was allowed counts in the windows of rates,
 *           also after a resume
 * On return it survives power loss. Callbacks may come from within.
 * REEVE_NOT_FOUND  no such run or node here        REEVE_CONFLICT  that attempt does not go on
 * REEVE_INVALID, REEVE_LIMIT   malformed; err says what an ask is made of. After any of these nothing has changed */
typedef struct reeve_gate {
    size_t size;               /* set it to sizeof(reeve_gate) before the call */
    const char *answer;        /* allow; deny; gate: somebody must permit it, ask again with their word as `permission`;
                                  rate_limited. Static */
    char stage[16];            /* that did not allow it: capability, constraint, permission, veto, rate, sandbox, audit, writes …; "" */
    char reason[160];          /* for people; "" */
    int64_t retry_ms;          /* rate_limited: in how many ms it may be asked again; else 0 */
} reeve_gate;
reeve_status reeve_ask(reeve *engine, const char *run, const struct reeve_event *request, reeve_gate *ret, reeve_error *error);
/* Bytes that it says as it goes: stream 1 or 2, to the run's log and the observer. Errors as reeve_complete. */
reeve_status reeve_output(reeve *engine, const char *run, const char *node, uint32_t epoch, int stream, const char *bytes, size_t size,
                          reeve_error *error);

/* Reduce: inputs is a JSON array of {"node","state","value"}, those that succeeded, in the file's order. Return the value as
 * JSON, valid until the function is called again or the engine is closed; NULL: it fails, and error->text says why.
 * A callback as the observer's. */
typedef const char *reeve_reducer_fn(void *user, const char *run, const char *node, const char *inputs, reeve_error *error);
/* Let `reduce: {reducer: NAME, …}` mean fn. Workflows that name it load in this engine; elsewhere that is an error.
 * REEVE_INVALID   not a name [A-Za-z0-9_-], or one of Reeve's own
 * REEVE_CONFLICT  it is registered already */
reeve_status reeve_reducer_register(reeve *engine, const char *name, reeve_reducer_fn *fn, void *user, reeve_error *error);

/* ---- asking -----------------------------------------------------------------------------------------------------
 * SQL, read only, over the tables of docs/schema.md. Sees every step that callbacks told of.
 * args      args[0..arg_count) are bound to ?1 … as text; NULL when there are none
 * row_max   rows at most; 0: all
 * ret_json  {"columns":[…],"rows":[[…],…],"cut":true|false}; reeve_free it
 * REEVE_INVALID, REEVE_DENIED, REEVE_TIMEOUT (over 30 s), REEVE_STORE_IO. Blocks on the disk. */
reeve_status reeve_query(reeve *engine, const char *sql, const char *const *args, size_t arg_count, uint64_t row_max, char **ret_json,
                         reeve_error *error);

/* ---- the kernel alone -------------------------------------------------------------------------------------------
 * One run as a pure state machine, for a host that carries out what runs itself: its own agents, its own queue, its own
 * store. No file, no clock, no process, no thread, no random number: events go in with the time at which they happened,
 * effects come out, and the same events at the same times give the same effects and the same journal, byte for byte, as
 * `reeve run` and reeve_submit would write. docs/kernel-protocol.md tells what each event and each effect means, and
 * speaks the same machine as JSON lines (`reeve kernel`); examples/host has two programs.
 *
 * COMMIT FIRST, THEN PERFORM. Keep the row that a step returns where it survives, and only then do what its effects say.
 * After a crash give the rows to reeve_kernel_replay, `lost` for each attempt that nobody carries out any more, and then
 * `resume`. An attempt is named by its node and its epoch; nothing from an earlier epoch is accepted.
 *
 * A kernel belongs to one thread at a time. Texts that a call returns are borrowed until the next step or replay has
 * returned, so that they may stand in its event; the arrays of a step until the next one begins. */
typedef struct reeve_kernel reeve_kernel;

typedef struct reeve_now {
    int64_t wall_ms;             /* ms since the Unix epoch; may jump; 0 .. 2^53-1 */
    int64_t engine_ms;           /* ms of a clock of the host's that never goes back; 0 .. 2^53-1 */
} reeve_now;

typedef struct reeve_kernel_options {
    size_t size;                 /* sizeof(reeve_kernel_options) */
    const char *const *environ;  /* what ${env.NAME} stands for: NAME=VALUE, NULL-terminated; NULL: nothing is set. Not inherited */
    const char *const *reducers; /* names of reducers that the host has [A-Za-z0-9_-]; NULL-terminated; NULL: none. Copied */
    uint32_t slots;              /* > 0: the kernel admits what is ready by itself, at most so many attempts at once and as the
                                    caps of tags allow; 0: the host gives an `admitted` for each */
} reeve_kernel_options;
#define REEVE_KERNEL_OPTIONS_INIT {sizeof(reeve_kernel_options), NULL, NULL, 0}

/* Check the workflow and make a kernel, whose run has yet to be loaded: give it the event `load`, or the rows of an
 * earlier life. Files that the text names (file://) are read beneath workflow->directory; NULL there: none may be named.
 * options       NULL: as REEVE_KERNEL_OPTIONS_INIT
 * ret           on REEVE_OK only; reeve_kernel_free it
 * ret_problems  as of reeve_submit
 * REEVE_INVALID  a bad workflow, or a value is missing or of the wrong type, or a reducer's name is Reeve's own */
reeve_status reeve_kernel_new(const reeve_workflow *workflow, const reeve_kernel_options *options, reeve_kernel **ret, char **ret_problems,
                              reeve_error *error);
void reeve_kernel_free(reeve_kernel *kernel); /* NULL is legal */

/* What may happen. `type` says which members count; the others are not looked at. Texts are UTF-8. Begin with
 * REEVE_EVENT_INIT, so that a member that is not set means none. docs/kernel-protocol.md lists the types with their members. */
typedef struct reeve_event reeve_event;
struct reeve_event {
    size_t size;                 /* sizeof(reeve_event) */
    const char *type;            /* load, admitted, started, completed, lost, answer, decided, adopt, interrupt, resume, cancel,
                                    preempt, fail_fast, signal, submit, steer, ask, tick */
    const char *node;            /* its id */
    uint32_t epoch;              /* of the attempt */
    uint32_t flags;              /* REEVE_LOST_…, REEVE_RESUME_…, REEVE_CANCEL_… */
    int32_t exit_status, signal; /* started commands: how they ended; -1: none */
    uint64_t pid, pid_start;     /* started: for people and for recovery; 0: none */
    uint64_t seed;               /* load: of the run's draws, below 2^63 */
    const char *key;             /* load: the run's id, 1 to 63 of [A-Za-z0-9_-]; answer, decided: the question's key; NULL: the node's;
                                    signal: the event's name; ask: of the tool, the memory or the artifact */
    const char *value;           /* JSON, at most 1 MiB. completed, adopt: the result; answer: the answer; signal: what came with it;
                                    ask: what is known of the request, see docs/kernel-protocol.md */
    const char *output;          /* completed: standard output, for templates and expressions that read it */
    size_t output_size;          /* bytes; 0: up to its NUL */
    const char *text;            /* completed: the error, for people; cancel, preempt, signal: by whom; adopt: of which run;
                                    steer: the directive */
    const char *state;           /* ask: tool, memory_read, memory_write, artifact_read;
                                    decided: approve, reject, done, failed, again; completed: instead of `termination` the state of the
                                    attempt: ok, partial, error, timeout, denied, cancelled */
    const char *detail;          /* completed: why, as error.kind: exit, signal, unavailable …; of a success: cache; NULL: by the rest */
    /* completed: how it ended, and what the executor reports */
    const char *termination;     /* completed, max_turns, token_budget, timeout, user_abort, error, milestone_exceeded; NULL: by exit_status
                                    and signal, else completed */
    const char *error_output;    /* standard error, for templates that read it */
    const reeve_var *artifacts;  /* artifacts[0..artifact_count): name and path, for ${node.artifact.NAME} */
    size_t artifact_count;
    int64_t turns, tokens_in, tokens_out, tokens_cached; /* -1: not reported */
    double cost_usd;             /* < 0: not reported */
    int goes_on;                 /* `continue` of a loop's body: 1, 0; -1: not said */
    const char *branch;          /* of a classifier; NULL: not said */
    const char *winner;          /* of a judge: left, right; NULL: not said */
    /* answer, decided */
    const char *by, *comment;    /* who says so, and why; NULL: "" */
    const char *digest;          /* decided: of what was shown; refused when it shows something else now; NULL: not compared */
    int64_t amount;              /* budget: micro-dollars, tokens, ms or a count, as the dimension in `state` has it; quota: -1 no limit */
};
#define REEVE_EVENT_INIT                                                                                                        \
    {sizeof(reeve_event), NULL, NULL, 0, 0, -1, -1, 0, 0, 0, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, -1, -1, \
     -1, -1, -1.0, -1, NULL, NULL, NULL, NULL, NULL, 0}

enum { REEVE_LOST_WAS_STARTED = 1, REEVE_LOST_STOPPED = 2, REEVE_LOST_NEVER_STARTED = 4 }; /* flags of `lost` */
enum { REEVE_RESUME_AFTER_DEATH = 1 }; /* of `resume`: rows whose effects were carried out may be lost, as after a loss of power: epochs go
                                          on 65,536 higher, so that none is given twice */
enum { REEVE_BUDGET_SET = 1, REEVE_BUDGET_ELSEWHERE = 2, REEVE_USAGE_FINAL = 1 }; /* of `budget` and `usage` */
enum { REEVE_CANCEL_UNDRIVEN = 1 }; /* of `cancel`: nobody carries anything out any more: handlers do not run */

/* What an executor needs to carry out one attempt, and nothing else [K41]. Optional members are NULL, 0 or -1. */
typedef struct reeve_spawn reeve_spawn;
struct reeve_spawn {
    const char *run, *node, *kind; /* ids; run, shell */
    uint32_t epoch, number;      /* of the attempt; number counts from 1 at its node */
    const char *key;             /* RUN/NODE/EPOCH: idempotency key of its side effects */
    const char *const *argv;     /* NULL-terminated; a script is {SHELL, "-c", SCRIPT} */
    const char *const *env;      /* NAME=VALUE to set over what commands inherit, NULL-terminated; values may be secret */
    const char *dir;             /* where it starts, relative to where the run's commands do; NULL: there */
    int64_t timeout_ms;          /* it may take so long, then complete it with `timeout`; 0: no limit */
    int64_t deadline_ms;         /* engine ms at which the kernel will call it off by itself (timeout_total); 0: none */
    int is_at_most_once;         /* must not be begun before the row that asked for it survives power loss */
    int leaves;                  /* processes that it leaves behind are not to be ended */
    const char *const *inputs;   /* ids of the nodes that it depends on, NULL-terminated */
    const char *output_schema;   /* JSON Schema that its result must fit; NULL: none. The kernel checks it */
    const char *feedback;        /* what was wrong with the attempt before; NULL: it is the first, or nothing is known */
    const char *more;            /* JSON object of what else the workflow says of it: role, isolation, inherit, trust, model, max_turns,
                                    capabilities, criteria, cache, inputs, outputs, tags, metadata …; NULL: nothing */
};

typedef struct reeve_effect {
    const char *type;            /* spawn, reduce, park, resumed, stop, steer, gate, arm_timer, run_ended, note */
    const char *node;            /* its id; NULL: it is the run's */
    uint32_t epoch, number;      /* stop, reduce: of the attempt; else of the node's latest; 0: none */
    const char *state;           /* gate: allow, deny, gate (somebody must permit it), rate_limited;
                                    run_ended: ok, error, timeout, cancelled, interrupted …; else "" */
    const char *detail;          /* park, resumed: what it waits or waited for: approval, input, timer, unknown_outcome …; stop: why */
    int64_t due_ms;              /* arm_timer: the engine ms at which a `tick` is wanted; park: of its deadline; gate: when it
                                    may be asked again; 0: none */
    const char *text;            /* note, gate: for people; steer: the directive */
    const reeve_spawn *spawns;   /* spawn: spawns[0..spawn_count), in order of admission */
    size_t spawn_count;
    const char *budget;          /* spawn: JSON object, the headroom after these; NULL: nothing is bounded */
    const char *key;             /* gate: the stage that did not allow it, or ""; park: of the question; reduce: RUN/NODE/EPOCH */
    const char *payload, *digest; /* park of a question: JSON of what people are shown, and its digest [P7]; else NULL */
    const char *reducer;         /* reduce: one of the host's; complete its node with {"value": …} as the result */
    const char *inputs;          /* reduce: JSON array of {"node","state","value"}, those that succeeded, in order */
} reeve_effect;

/* One row of the journal. Give it back to reeve_kernel_replay as it is. */
typedef struct reeve_row {
    uint64_t first_seq;          /* number of its first event; rows follow each other without a gap, the first begins at 1 */
    uint32_t event_count;
    reeve_now now;
    const void *body;            /* body[0..body_size): packed events, docs/journal.md; NULL: the step recorded nothing */
    size_t body_size;
    const char *values;          /* JSON: outputs and artifacts that templates will read and the journal does not hold; NULL: none */
} reeve_row;

typedef struct reeve_step {
    int is_stale;                /* it came too late and changed nothing; the row, if there is one, notes it */
    const reeve_effect *effects; /* effects[0..effect_count), to be carried out in this order once the row is kept */
    size_t effect_count;
    const reeve_node *nodes;     /* nodes[0..node_count) whose record changed; started_ms and ended_ms are 0: the host knows */
    size_t node_count;
    reeve_row row;
} reeve_step;

/* Take one event at `now`.
 * REEVE_INVALID    it is malformed: an unknown type or word, a bad value, a clock that goes back
 * REEVE_LIMIT      a value or an output that is read is over 1 MiB
 * REEVE_NOT_FOUND  no such node
 * REEVE_CONFLICT   it is not possible in this state, or (decided) something else is shown now
 * After a failure nothing has changed, not a byte of the state. O(1) + what changes. */
reeve_status reeve_kernel_step(reeve_kernel *kernel, const reeve_event *event, reeve_now now, reeve_step *ret, reeve_error *error);

/* Go on from the journal of an earlier life: apply rows[0..row_count) to a kernel that has not been loaded, or whose rows
 * so far were replayed. Nothing is decided and no effect comes out. Secret params are given anew with the workflow.
 * REEVE_CONFLICT  the kernel has taken events already
 * REEVE_CORRUPT   the rows are not this workflow's, not in order or damaged: free the kernel */
reeve_status reeve_kernel_replay(reeve_kernel *kernel, const reeve_row *rows, size_t row_count, reeve_error *error);

typedef struct reeve_kernel_info {
    size_t size;                 /* set it to sizeof(reeve_kernel_info) before the call */
    const char *run;             /* its id; "": not loaded */
    const char *state;           /* accepted, running, interrupted, ok, error, timeout, cancelled, over_budget */
    int is_ended;                /* in a terminal state */
    int64_t due_ms;              /* engine ms at which a `tick` is wanted; 0: none */
    uint64_t last_seq;           /* of the journal */
    uint32_t node_count;         /* handlers included: indices 0..node_count-1 */
    uint32_t pending_count, ready_count, running_count, waiting_count; /* without handlers */
    uint32_t done_count, failed_count; /* in a terminal state; failed ones are among them */
} reeve_kernel_info;
void reeve_kernel_state(reeve_kernel *kernel, reeve_kernel_info *ret);
/* A node by its index. started_ms and ended_ms are 0. *ret_result (may be NULL): the result that is kept, JSON; NULL: none.
 * REEVE_NOT_FOUND  no such index */
reeve_status reeve_kernel_node(reeve_kernel *kernel, uint32_t index, reeve_node *ret, const char **ret_result);
/* The effect `park` of a node that waits, as when it began to: for a host that has replayed, and asks people anew.
 * REEVE_NOT_FOUND  no such index, or it does not wait */
reeve_status reeve_kernel_waiting(reeve_kernel *kernel, uint32_t index, reeve_effect *ret);
/* The index of a node by its id; UINT32_MAX: none. O(1). */
uint32_t reeve_kernel_find(reeve_kernel *kernel, const char *node);
/* Ids of nodes that may be admitted, in order of admission, at most name_max of them; returns how many. Caps are not looked at. */
size_t reeve_kernel_ready(reeve_kernel *kernel, const char **ret_names, size_t name_max);
/* The whole stored state as bytes, and how many: equal states have equal bytes. */
const void *reeve_kernel_encode(reeve_kernel *kernel, size_t *ret_size);

#ifdef __cplusplus
}
#endif

#endif
