/* engine.h: the imperative shell around the kernel: collect inputs → step → commit → perform → publish.
 *
 *  (1) Nothing is performed before the batch that asked for it is written (for what spends money or may happen at
 *      most once: synced). (2) Inputs that arrive while a commit is in flight are stepped at once and go into the next batch.
 *  (3) If a commit fails nothing of it is performed, the state in memory is thrown away and read back.
 *  (4) One thread: all calls come from the loop's thread; callbacks of the observer come from within the loop, after
 *      the commit of what they tell. */
#ifndef RV_ENGINE_H
#define RV_ENGINE_H

#include "blob/blob.h"
#include "exec/exec.h"
#include "kernel/event.h"
#include "loop/loop.h"
#include "spec/spec.h"
#include "store/store.h"

#define RV_CAPTURE_SIZE_MAX (UINT64_C(64) << 20) /* bytes of output kept an attempt [E32] */

typedef struct rv_engine rv_engine;
typedef struct rv_job rv_job; /* one run that this engine drives */

/* What a watcher sees [A20], each once, in an order consistent with the journal. All pointers are borrowed for the call. */
typedef struct rv_node_view {
    uint32_t node;
    rv_str name;
    rv_kind kind;
    rv_node_state state;
    rv_detail detail;
    rv_str root;           /* name of the root cause; empty: none */
    rv_str error;          /* for people; empty: none */
    uint32_t number, epoch; /* of the attempt that is spoken of; 0: none */
    int32_t exit_status, signal; /* -1: none */
    int64_t started_ms, ended_ms; /* wall, of the attempt */
} rv_node_view;
typedef struct rv_blocker_view { rv_str key, kind, payload /* JSON */, digest; int64_t deadline_ms; uint32_t node; } rv_blocker_view;
typedef struct rv_observer {
    void *user;
    void (*run_started)(void *user, rv_job *job, bool is_resumed);
    void (*attempt_started)(void *user, rv_job *job, const rv_node_view *view);
    void (*output)(void *user, rv_job *job, uint32_t node, int stream, rv_str masked_bytes);
    void (*attempt_ended)(void *user, rv_job *job, const rv_node_view *view, rv_attempt_state state, bool will_retry, int64_t retry_in_ms);
    void (*node_ended)(void *user, rv_job *job, const rv_node_view *view); /* also skipped, cancelled */
    void (*blocker_opened)(void *user, rv_job *job, const rv_blocker_view *view);
    void (*blocker_closed)(void *user, rv_job *job, rv_str key, rv_str decision, rv_str by);
    void (*note)(void *user, rv_job *job, rv_str text);     /* [P9] */
    void (*run_ended)(void *user, rv_job *job, rv_run_state state); /* also INTERRUPTED; synced */
    void (*idle)(void *user, rv_job *job);                  /* nothing runs and the run only waits for people or time */
} rv_observer; /* members may be NULL */

typedef struct rv_engine_config {
    rv_loop *loop;
    rv_store *store;
    rv_exec *exec;
    rv_blobs *blobs;
    const char *root;          /* absolute directory of the store */
    const char *socket;        /* given to attempts as REEVE_SOCKET; NULL: none */
    const char *store_mark;    /* given to attempts as REEVE_STORE_MARK */
    const char *const *environ; /* what attempts inherit; NULL-terminated */
    uint32_t slots;            /* -j; 0: the file's concurrency.default or the number of processors */
    int64_t grace_ms;          /* between TERM and KILL; 0: 5000 */
    bool executes_nothing;     /* exec only makes attempts up (simulator): no program has to be there to hold them (read_only, worktree) */
    uint64_t *seed;            /* NULL: ids, seeds and tokens cannot be guessed; else they follow from this (simulator) */
    rv_observer observer;
    /* Reduce with a reducer of the host's: inputs as rv_reduce_inputs (describe.h); append the value, JSON. NULL: it has none. */
    rv_status (*reduce)(void *user, rv_job *job, uint32_t node, rv_str reducer, rv_str inputs, rv_buf *ret_value, rv_error *err);
    const char *const *(*reducers)(void *user); /* the names of these, as of now, NULL-terminated; NULL: there are none. For submissions */
    void *reduce_user;
    void (*failed)(void *user, const rv_error *err); /* the store failed: nothing more is taken; end with the error's exit status */
    void *failed_user;
    struct rv_memo *memo;      /* of the run that is submitted next, looked at early (memo.h), or NULL; the engine's from here on */
} rv_engine_config;

/* Make an engine on parts that outlive it. STORE_IO, CORRUPT, STORE_FULL: the store cannot be read or its folders not made;
 * nothing is left behind. */
RV_MUST_USE rv_status rv_engine_new(const rv_engine_config *config, rv_engine **ret, rv_error *err);
void rv_engine_free(rv_engine *engine); /* stops nothing: end its jobs first; NULL is legal */

/* ---- runs ---- */
typedef struct rv_submit {
    rv_spec *spec;             /* taken on success */
    const char *file, *dir;    /* absolute; file may be "" */
    bool fail_fast;
    rv_str resumed_from;       /* id of the failed run that this child goes on from; empty: none */
} rv_submit;
/* Make task and run, each with an id that no other one of the store has, step `load`, commit. *ret_job is there at once; its id is
 * printed only after run_started (synced). On failure nothing was made: the store could not be read, or resumed_from does not agree. */
RV_MUST_USE rv_status rv_engine_submit(rv_engine *engine, const rv_submit *submit, rv_job **ret_job, rv_error *err);
/* Go on with an unfinished run: replay its journal, kill leftovers, settle what was lost, start what remains. `spec` is the pinned
 * definition with its values (taken on success). CONFLICT: it is terminal. CORRUPT: its journal does not verify. */
RV_MUST_USE rv_status rv_engine_resume(rv_engine *engine, rv_str run_id, rv_spec *spec, bool fail_fast, rv_job **ret_job, rv_error *err);

/* Load an unfinished run without driving it: people's words can be taken and are committed, nothing is started. Errors as resume. */
RV_MUST_USE rv_status rv_engine_load(rv_engine *engine, rv_str run_id, rv_spec *spec, rv_job **ret_job, rv_error *err);
/* The keyed hash by which a secret's value is recognised without being stored [E31]; NUL-terminated. */
void rv_engine_secret_hash(rv_engine *engine, rv_str value, char ret_text[72]);

/* Id, and the workflow's name (its file's when it has none). Borrowed from the job. */
rv_str rv_job_id(const rv_job *job);
rv_str rv_job_name(const rv_job *job);
const rv_graph *rv_job_graph(const rv_job *job);
struct rv_run;
/* Its state in the kernel, to be read. */
struct rv_run *rv_job_run(const rv_job *job);
/* Nodes that the run has now; it grows as controllers make children. The id of one [K1], borrowed from the job. */
uint32_t rv_job_node_count(const rv_job *job);
rv_str rv_job_node_name(const rv_job *job, uint32_t node);
/* The controller whose child a node is; RV_NONE: none. */
uint32_t rv_job_owner(const rv_job *job, uint32_t node);
/* Of a controller that has begun: how many children it is to have, as far as is known, and how many of them have ended. Others: 0. */
void rv_job_children(const rv_job *job, uint32_t node, uint32_t *ret_total, uint32_t *ret_ended);
rv_run_state rv_job_state(const rv_job *job);
/* Counts by node state, and of attempts that run now. */
void rv_job_counts(const rv_job *job, uint32_t ret_counts[RV_NODE_STATE_COUNT], uint32_t *ret_running);
/* Nothing of it goes on without a person's word: no attempt runs or may start, and what waits waits for people, who may not leave it to
 * a deadline with a default. O(nodes). */
bool rv_job_waits_for_people(const rv_job *job);
/* Whether a node waits for an event from outside (`reeve signal`). */
bool rv_job_waits_for_event(const rv_job *job);
rv_node_state rv_job_node_state(const rv_job *job, uint32_t node);
void rv_job_node_view(const rv_job *job, uint32_t node, rv_node_view *ret);
int64_t rv_job_started_ms(const rv_job *job);
uint64_t rv_job_last_seq(const rv_job *job);
uint64_t rv_job_log_size(const rv_job *job);
/* Exit status of `reeve run` for this job's state [W32]. */
int rv_job_exit_status(const rv_job *job);

/* ---- people ---- NOT_FOUND, CONFLICT as in client.h; effects and rows follow after the commit. `done` (may be NULL) is called
 * once it is synced. */
typedef void rv_engine_done_fn(void *user, rv_status status, const rv_error *err);
void rv_engine_decide(rv_engine *engine, rv_str run, rv_str key, rv_decision decision, rv_str by, rv_str comment,
                      rv_engine_done_fn *done, void *user);
/* The same, by someone who saw what has this digest (empty: not told). CONFLICT also: it shows something else now. */
void rv_engine_decide_shown(rv_engine *engine, rv_str run, rv_str key, rv_str digest, rv_decision decision, rv_str by, rv_str comment,
                            rv_engine_done_fn *done, void *user);
void rv_engine_answer(rv_engine *engine, rv_str run, rv_str key, rv_str value_json, rv_str by, rv_engine_done_fn *done, void *user);
/* An event from outside [K60]: it ends every `wait` for it that has begun; when there is none it is kept for the first that will.
 * name: an identifier; value_json: what comes with it, size 0 nothing. CONFLICT also: the run keeps as many as it may.
 * INVALID: no name, or not JSON; LIMIT: over 1 MiB. */
void rv_engine_signal(rv_engine *engine, rv_str run, rv_str name, rv_str value_json, rv_str by, rv_engine_done_fn *done, void *user);
/* A directive for a node's next turn [K61]: in $REEVE_STEER of the attempt that runs, and of those to come. CONFLICT also: it has ended, or
 * has no turns; INVALID: no text, or over 64 KiB. */
void rv_engine_steer(rv_engine *engine, rv_str run, rv_str node, rv_str text, rv_str by, rv_engine_done_fn *done, void *user);
/* Nodes that a running command submits [K20]. token: its REEVE_TOKEN, or, of a caller who need not prove it, size 0 and which attempt it
 * is; key: its own name for them, size 0 their number among those without one; source: YAML or JSON, `file` its name in messages.
 * OK: ret_told is appended {"key","is_new","nodes":[ids]}. DENIED: no attempt that goes on has this token, or a quota of the run.
 * NOT_FOUND: no such run or node is driven here. INVALID: ret_told is appended an array of problems, none where it holds a secret or
 * the key is none. CONFLICT: the key was given with other nodes before, or by a handler. LIMIT: the run would be too large. Nothing
 * changed then. ret_told is whole when this returns, and may be given away once `done` was called. */
typedef struct rv_submit_nodes {
    rv_str token, run, node;
    uint32_t epoch;
    rv_str key, source;
    const char *file;
    bool is_json;
    rv_buf *ret_problems;      /* what is wrong, for people, a line each; also warnings; NULL: not wanted */
} rv_submit_nodes;
void rv_engine_submit_nodes(rv_engine *engine, const rv_submit_nodes *given, rv_buf *ret_told, rv_engine_done_fn *done, void *user);
/* ---- the gate ---- */
/* What an attempt that goes on wants to do with a tool, or with what others see [K30, K32]. */
typedef struct rv_gate_ask {
    rv_str run, node;
    uint32_t epoch;
    rv_gate_verb verb;
    rv_str key, value_json;    /* the tool, the memory's key, the artifact; what is known of it, as rv_ask_is_sound has it */
} rv_gate_ask;
typedef struct rv_gate_told {
    rv_gate_kind kind;         /* ALLOW, DENY, GATE (somebody must permit it), RATE_LIMITED */
    char stage[16];            /* that did not allow it; "" */
    char reason[160];          /* for people; "" */
    int64_t retry_ms;          /* RATE_LIMITED: in how many ms it may be asked again */
} rv_gate_told;
/* Ask the gate. The answer is there when this returns, and holds once `done` was called with OK: then it is synced. Nothing of the run
 * follows from it; what was allowed counts in the windows of rates, also after a resume.
 * NOT_FOUND: no such run or node is driven here. CONFLICT: that attempt does not go on. INVALID, LIMIT: malformed. Nothing changed then. */
void rv_engine_ask(rv_engine *engine, const rv_gate_ask *asked, rv_gate_told *ret, rv_engine_done_fn *done, void *user);
/* ---- the cache ---- */
/* How many nodes of the run the cache settled under this engine, and how long they took when they were run. nothing_ran: and no attempt of
 * the run was ever begun. */
void rv_job_cached(const rv_job *job, uint32_t *ret_hits, int64_t *ret_saved_ms, bool *ret_nothing_ran);
#define RV_CACHE_MODE_MAP(X) X(STALE, "stale") X(AGE, "age") X(SIZE, "size") X(ALL, "all")
#define X(name_, text_) RV_CACHE_##name_,
typedef enum rv_cache_mode { RV_CACHE_MODE_MAP(X) RV_CACHE_MODE_COUNT } rv_cache_mode;
#undef X
/* What to remove from the cache [C15]. An entry is counted once, under the first that takes it: stale (it cannot be used: of another
 * revision, damaged, or a blob of it is gone), used last strictly longer ago than age_ms_max, and then, oldest use first, as many
 * as bring the sizes of those that stay to at most size_max; or all. Blobs that nobody needs go with any of them. */
typedef struct rv_cache_wish {
    bool stale, all, has_age, has_size;
    bool dry_run;              /* count, and change nothing */
    int64_t age_ms_max, now_ms;
    uint64_t size_max;
} rv_cache_wish;
typedef struct rv_cache_tally {
    uint64_t entries, bytes;   /* before */
    struct { uint64_t entries, bytes; } removed[RV_CACHE_MODE_COUNT]; /* or that would be */
    uint64_t blobs, blob_bytes; /* removed, or that would be */
} rv_cache_tally;
/* In steps of a few milliseconds; runs go on. *ret is written before `done` is called with RV_OK, and lives until then. CONFLICT: it is
 * being cleaned already. The engine was made with blobs. */
void rv_engine_cache_clean(rv_engine *engine, const rv_cache_wish *wish, rv_cache_tally *ret, rv_engine_done_fn *done, void *user);
const char *rv_cache_mode_name(rv_cache_mode mode);
/* In a run that is only loaded, attempts that its dead engine left open are settled as lost first: their processes are gone. */
void rv_engine_cancel(rv_engine *engine, rv_str run, rv_str by, rv_engine_done_fn *done, void *user);
/* Stop admitting, stop what runs, record it as interrupted; run_ended(INTERRUPTED) follows. A run that is being cancelled or has
 * passed its timeout ends as it was ending, without the handlers that have not begun [W33]. */
void rv_engine_interrupt(rv_engine *engine, int signal);
/* Call `fn` after each batch that was written, and when output was logged: for those who watch from outside. */
void rv_engine_on_change(rv_engine *engine, rv_loop_fn *fn, void *user);
/* The run by id, or NULL. */
rv_job *rv_engine_job(rv_engine *engine, rv_str run);

#endif
