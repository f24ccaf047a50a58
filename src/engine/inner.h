/* inner.h: what the parts of the engine share. engine.h tells what the engine promises.
 *
 * A turn. Inputs are stepped the moment they arrive; what they give is collected in the job's `out`. At the end of a
 * loop iteration the engine admits what may start, then decides whether to commit now: at once when somebody waits for
 * it (an effect, a person, a slot that would stay empty), else within LAZY_MS, so that short attempts share a commit.
 * One batch is in flight at a time; what happens meanwhile is the next batch. When it is written its effects are
 * performed and its notices published, in order.
 *
 * Starting ahead. When attempts are short, the next independent nodes are journaled as starting before a slot is free;
 * a slot that frees then starts one at once, without waiting for a commit. Only nodes without tags, never at-most-once
 * ones; the window follows the measured length of attempts, and is empty when they are long. */
#ifndef RV_ENGINE_INNER_H
#define RV_ENGINE_INNER_H

#include "base/failpoint.h"
#include "engine/asked.h"
#include "engine/cache.h"
#include "engine/describe.h"
#include "engine/engine.h"
#include "engine/machine.h"
#include "engine/trespass.h"
#include "kernel/admit.h"
#include "kernel/gate.h"
#include "kernel/run.h"
#include "spec/submission.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LAZY_MS 10
#define MOMENT_MS 100
#define TURN_ROUNDS_MAX 8 /* commits in one turn before descriptors are looked at again */
#define AHEAD_MAX 64u
#define HITS_A_TURN 512u /* settled by the cache before descriptors are looked at again */
#define WAITING_SIZE_MAX (512u << 10) /* bytes of journal: behind a batch in flight no more is admitted; 5,000 hits */
#define AHEAD_HORIZON_US 12000

/* One attempt of this engine's life: from ADMITTED until its outcome is in a batch. */
typedef struct rv_attempt {
    rv_job *job;
    uint32_t node, epoch, number;
    bool has_slot, is_started, is_ended, is_ghost; /* ghost: of a dead engine, only its row is kept up */
    bool is_refused;           /* what it needs of the machine cannot be had: `error` says why */
    bool is_output_over;       /* an expression reads its stdout, which is too large for that */
    rv_proc *proc;
    rv_log_attempt *log;
    rv_mask *mask;             /* the job's secrets and this token; made when there is something to mask */
    struct rv_slot_dir *dir;
    char token[65];            /* REEVE_TOKEN [W15] */
    rv_attempt_row row;        /* what is known for the attempt's row */
    rv_buf result;             /* JSON from $REEVE_OUTPUT */
    bool has_usage;            /* it said what it spent: */
    int64_t cost;              /* micro-dollars */
    uint64_t tokens_in, tokens_out, tokens_cached;
    rv_buf output;             /* stdout, where an expression reads it */
    rv_buf error;
    rv_buf artifacts;          /* names put into the batch at its end: JSON lines, see result.c */
    uint32_t submission_count; /* without a key of their own */
    int jobs_token;            /* jobserver tokens held: 0 or 1 */
    uint64_t started_us;
    uint32_t index; /* in engine->attempts */
} rv_attempt;

/* A scratch directory that attempts take turns in; kept while nothing was left in it. */
typedef struct rv_slot_dir {
    rv_engine *engine;
    char *path, *output, *artifacts; /* absolute; the last two are within: */
    char *env_output, *env_artifacts, *env_steer; /* REEVE_OUTPUT=…, REEVE_ARTIFACTS=…, REEVE_STEER=… */
    int watches[2];            /* of path and of artifacts, in engine->notify_fd; -1: not watched */
    bool is_busy, is_touched;  /* touched: somebody made, moved or removed something in it */
    bool is_looked_at;         /* when the attempt's result was collected; nothing of it lives since */
} rv_slot_dir;

typedef enum rv_notice_type {
    NOTICE_STARTED,
    NOTICE_ENDED,
    NOTICE_NODE,
    NOTICE_BLOCKER,
    NOTICE_UNBLOCKED,
    NOTICE_NOTE,
    NOTICE_RUN
} rv_notice_type;
typedef struct rv_notice {
    rv_notice_type type;
    rv_job *job;
    rv_node_view view;
    rv_attempt_state attempt_state;
    bool will_retry;
    int64_t retry_in_ms;
    uint32_t text, text_size, text2, text2_size; /* slices of the turn's text buffer */
} rv_notice;

typedef struct rv_effect_item { rv_job *job; rv_effect effect; } rv_effect_item;
typedef struct rv_done_item { rv_engine_done_fn *fn; void *user; } rv_done_item;

/* What waits for a batch: performed and published when it is written, `done` and run_ended when it is synced. */
typedef struct rv_flight {
    uint64_t batch_id;
    bool wants_sync;
    RV_VEC(rv_effect_item) effects;
    RV_VEC(rv_notice) notices;
    RV_VEC(rv_effect_item) synced_effects; /* SPAWN of at-most-once nodes, RUN_ENDED */
    RV_VEC(rv_done_item) done;
    rv_buf text;
    struct rv_flight *next; /* in engine->syncing */
} rv_flight;

/* What a person was shown, kept until it is decided: a decision is for its digest [P7]. */
typedef struct rv_shown { uint32_t node; rv_str payload, digest; int64_t opened_ms; } rv_shown;

typedef struct rv_output_ref { uint32_t node; uint64_t log_last; rv_str run; /* whose log */ } rv_output_ref;

struct rv_job {
    rv_engine *engine;
    rv_spec *spec;             /* owned */
    const rv_graph *graph;
    rv_run *run;
    rv_compiler compiler;      /* of what its nodes submit */
    rv_asked_list asked;       /* what its attempts were allowed, for rates [K31, K32] */
    uint32_t submission_rows;  /* submissions whose workflow is a row, or goes with the next batch */
    rv_out out;                /* of this turn */
    rv_arena arena;
    char *id, *task, *stream;  /* NUL-terminated, in the arena */
    char *file, *dir, *name;
    char *env_run;             /* REEVE_RUN=… */
    rv_str env_trace;          /* TRACEPARENT=… up to the span, which is a hash with trace_seed */
    uint64_t trace_seed;
    rv_str resumed_from;
    uint64_t last_seq;         /* of what was stepped */
    rv_str group;              /* the budget's, in the graph; size 0: none */
    int64_t group_stored[RV_DIMENSION_COUNT]; /* what its runs that this engine does not drive have taken */
    rv_purse purse_written;    /* as the run's row has it */
    bool is_second_child;      /* an earlier child used what people had said: they are asked again [P7] */
    bool is_new, is_resumed, is_undriven, is_announced, row_is_dirty, is_ended;
    uint32_t task_version;
    rv_task_state task_state;
    rv_admit admit;
    struct rv_trespass *trespass; /* files of its nodes; NULL: they need not be kept in mind */
    uint32_t graphs_watched;   /* of the run's graphs, how many were looked at for that */
    rv_json *definition;       /* parsed normal form's top level (not the nodes) */
    rv_buf load_value;         /* {"user":…,"env":…} */
    rv_values values;          /* what its templates name */
    rv_buf secrets_json;       /* name → keyed hash */
    rv_mask *mask;
    rv_str *secrets;           /* secrets[0..spec->secrets.count), one place to spare */
    rv_log_writer *log;
    /* by node, as far as node_capacity; they grow with the run */
    uint32_t node_capacity, id_count;
    uint32_t *attempt_of;      /* attempt_of[node]: index + 1 in engine->attempts, 0 none */
    uint32_t *stamp;           /* stamp[node]: turn in which its row was written last */
    int64_t *started_ms;       /* started_ms[node]: wall ms, 0 not yet */
    uint32_t *blocker_revision; /* how often this node's blocker was opened */
    rv_str *ids;               /* of the first id_count nodes; of the file's own nodes borrowed from the graph */
    RV_VEC(rv_attempt *) ended; /* attempts whose end is not in a batch yet */
    RV_VEC(uint32_t) ahead;    /* nodes whose start is written and that wait for a slot, from ahead_begin on */
    uint32_t ahead_begin, ahead_unwritten;
    struct rv_cache_part *cache; /* its part in the engine's cache; NULL: no node of it was looked up */
    struct rv_parent *parent;  /* the run that this one goes on from; NULL: none, or nobody drives it */
    RV_VEC(rv_shown) shown;    /* open blockers */
    RV_VEC(struct rv_output_ref) outputs; /* where the output of nodes that templates read ends in the log */
    int64_t created_ms, started_run_ms, ended_ms;
    int exit_signal;           /* of an interrupt */
};

struct rv_engine {
    rv_engine_config config;
    rv_admission admission;    /* over all jobs */
    struct rv_machine *machine; /* what the machine shares; NULL: nothing was needed of it yet */
    RV_VEC(rv_job *) jobs;
    RV_VEC(rv_attempt *) attempts; RV_VEC(rv_attempt *) attempts_free;
    RV_VEC(rv_slot_dir *) dirs;
    int notify_fd;             /* inotify, of all scratch directories; -1: none */
    uint64_t batch_last;
    uint32_t turn_number;
    uint64_t moment;           /* raised when files may have changed: when an attempt begins or has ended, with each turn while one runs */
    uint64_t unrest;           /* raised with it, but not where time alone has passed */
    int64_t moment_ms;         /* when it was raised in a turn */
    bool is_disturbed;         /* since then a run was stepped by something else than a hit or its beginning */
    rv_flight *flying, *next_flight; /* in flight; being collected */
    rv_flight *spare_flight;   /* empty, with room; NULL: none */
    rv_flight *syncing;        /* written, their syncs are waited for; latest first */
    rv_timer *lazy_timer, *due_timer;
    bool lazy_is_set, is_urgent, is_in_turn, has_landed, has_failed;
    uint8_t random[1024]; uint32_t random_left; /* for tokens: one system call for many */
    rv_watch *store_watch;
    int64_t mono0_ms, engine0_ms, engine_saved_ms;
    uint32_t slots;
    int64_t attempt_us;        /* running mean of attempts' length */
    rv_arena scratch;          /* cleared after each use */
    rv_buf scratch_buf;
    uint8_t key[32];           /* the store's key for keyed hashes */
    RV_VEC(const char *) base_env; /* inherited, without Reeve's own */
    RV_VEC(const char *) own_env;  /* Reeve's own that are the same for every attempt; in `constants` */
    RV_VEC(const char *) envp;     /* of the attempt that is being started; room that is kept */
    rv_arena constants;
    int jobs_fds[2];           /* GNU jobserver pipe, -1: none */
    int jobs_own[2];           /* the same pipe through descriptions of our own that do not block */
    uint32_t jobs_lent;        /* tokens that attempts of ours hold */
    uint32_t jobs_kept;        /* tokens given back in this turn, for the next attempt; none while the loop waits */
    rv_watch *jobs_watch;
    char *path_tmp;
    rv_cache *cache;           /* NULL: nothing was looked up yet */
    struct rv_cleaner *cleaner; /* NULL: nobody cleans it */
    rv_error failure;
    rv_loop_fn *on_change;
    void *on_change_user;
};

/* engine.c */
rv_now rv_engine_now(rv_engine *engine);
rv_flight *rv_engine_flight(rv_engine *engine); /* the one being collected */
/* Step one input of `job` now; its effects and rows go with the next batch. urgent: somebody waits for it. */
rv_answer rv_engine_step(rv_job *job, const rv_event *input, bool urgent);
/* `wanted` slots, or as many as the open descriptors allowed to this process serve; says so when that is fewer. */
uint32_t rv_engine_slots_max(const rv_engine *engine, uint32_t wanted);
void rv_engine_random(const rv_engine *engine, void *ret_bytes, size_t size);
/* Give back what a node was admitted with: the machine's, its mutexes, then its slots [A6]. */
void rv_engine_release(rv_job *job, uint32_t node, bool has_slots);
void rv_engine_urgent(rv_engine *engine); /* commit at the end of this turn */
/* A turn or a run begins: raise engine->moment where files may have changed. It is left as it is only from one turn of hits to the next,
 * and for MOMENT_MS at most: while nothing of ours runs, nothing came from outside, no timer was due. Who changes a file and then says
 * something is heard in that order. */
void rv_engine_moment(rv_engine *engine);
/* A node of a turn is about to be looked up: the same where the turn has gone on for MOMENT_MS since. */
void rv_engine_moment_again(rv_engine *engine);
/* Files have changed, or may have, within a turn: what was seen of any does not hold any more. */
static inline void rv_engine_stir(rv_engine *engine) { engine->moment++, engine->unrest++; }
void rv_engine_fail(rv_engine *engine, const rv_error *err);
void rv_engine_notice(rv_engine *engine, rv_notice notice, rv_str text, rv_str text2);

/* job.c */
/* Make room for the nodes that the run has now; after each step and replay. */
void rv_job_fit(rv_job *job);
/* The id of a node [K1], borrowed from the job. */
static inline rv_str rv_job_node_id(const rv_job *job, uint32_t node)
{
    RV_ASSERT(node < job->id_count);
    return job->ids[node];
}
/* Whether an attempt of `node` may cost money: the run or the node has a budget of it. Its start waits until it is synced [P5]. */
static inline bool rv_job_spends_money(const rv_job *job, uint32_t node)
{
    const rv_run *run = job->run;
    uint32_t own = rv_run_def(run, node)->budget, money = 1u << RV_DIMENSION_USD;
    if (run->limits.limits & money) return true;
    const rv_budget_def *budget = own ? &rv_run_graph(run, node)->budgets[own - 1] : NULL;
    return budget && (budget->limits | budget->estimates) & money;
}
void rv_job_free(rv_job *job);
/* The attempts that a dead engine left open end as lost; their processes are gone already. */
void rv_job_settle_lost(rv_job *job);
rv_attempt *rv_job_attempt(rv_job *job, uint32_t node); /* NULL: none */
/* Put rows and journal of this turn into `batch`; effects and notices into the flight. */
void rv_job_collect(rv_job *job, rv_batch *batch, rv_flight *flight);

/* cache.c: the engine's cache, opened when it is first needed. */
rv_cache *rv_cache_of(rv_engine *engine);
/* cache_clean.c */
typedef struct rv_cleaner rv_cleaner;
/* Add what is dropped next to a batch, whether NULL or not. */
void rv_cleaner_collect(rv_cleaner *cleaner, rv_batch *batch, rv_flight *flight);
bool rv_cleaner_wants_batch(const rv_cleaner *cleaner);
void rv_cleaner_free(rv_cleaner *cleaner); /* without telling anybody; NULL is legal */

/* said.c */
/* Append what somebody said (JSON) to `out`, with the run's secrets masked [E31]: true. false: it holds none, and is appended as it is.
 * A run that is only loaded knows keyed hashes alone: there a whole string or a word of it that equals a secret is found. */
bool rv_said_mask(rv_job *job, rv_str json, rv_buf *out);

/* submit.c: the workflow rows of what was submitted since the last batch. */
void rv_submit_rows(rv_job *job, rv_batch *batch);

/* rows.c */
void rv_rows_collect(rv_job *job, rv_batch *batch);
void rv_rows_run(rv_job *job, rv_batch *batch);

/* attempt.c */
/* The attempt is over: give back its slot, step its end, keep it until its row is written. */
void rv_attempt_end(rv_attempt *attempt, rv_attempt_state state, rv_detail detail);
/* Is `err` of storage that takes no more? That is the store's failure and not the attempt's: then the engine fails, and nothing
 * of the attempt is recorded; it runs again when there is room. */
bool rv_attempt_storage_failed(rv_attempt *attempt, const rv_error *err);
rv_attempt *rv_attempt_new(rv_job *job, uint32_t node);
void rv_attempt_free(rv_attempt *attempt);
/* What must not be seen of this attempt's words: the job's secrets and its own token [E31, W15]. */
const rv_mask *rv_attempt_mask(rv_attempt *attempt);
/* Perform SPAWN: render, start. Takes the slot if it has none. */
void rv_attempt_start(rv_job *job, uint32_t node, uint32_t epoch);
void rv_attempt_stop(rv_job *job, uint32_t node, uint32_t epoch, rv_stop_reason reason);
/* Start what was started ahead while slots are free. */
void rv_attempt_start_ahead(rv_job *job);

/* output.c */
/* Where the output of a node ends that ended under this engine, under an earlier one, or in the run that this one goes on from. false:
 * nothing is recorded of it; *ret then says that there is no output. */
bool rv_output_find(rv_job *job, uint32_t node, rv_output_ref *ret);
/* The parsed body of a node, in the engine's scratch arena. */
const rv_json *rv_job_body(rv_job *job, uint32_t node);
/* Fill job->values: where its templates find what they name. */
void rv_job_take_values(rv_job *job);

/* result.c: what an attempt left behind; given: the result that its executor gave itself, size 0: $REEVE_OUTPUT has it. Sets
 * row.detail, error, result; false: the attempt failed by it. */
bool rv_result_collect(rv_attempt *attempt, rv_str given);
/* Of an attempt that has no result: what it left all the same (given, or in $REEVE_OUTPUT), so that its spend is known; else nothing
 * changes. */
void rv_result_look(rv_attempt *attempt, rv_str given);
/* Give a blob the name that its maker gave it (rv_artifact_path), replacing what has it. false: errno says why. */
bool rv_artifact_link(rv_job *job, uint32_t node, rv_digest digest, rv_str name);
/* Append an artifact as rv_artifact_rows reads it: a line of JSON. */
void rv_artifact_note(rv_buf *out, rv_str name, rv_digest digest, uint64_t size);
/* Their rows. epoch: of the attempt that made them; 0: they came from the cache. */
void rv_artifact_rows(rv_job *job, uint32_t node, uint32_t epoch, rv_str lines, int64_t created_ms, rv_batch *batch);

/* steer.c: $REEVE_STEER: the directives of the attempt's node, one JSON object a line; not there while there are none. */
#define RV_STEER_IS "REEVE_STEER="
void rv_steer_write(rv_attempt *attempt);

/* scratch.c: the directories in which attempts leave it */
rv_slot_dir *rv_slot_dir_take(rv_engine *engine, rv_error *err);
/* Of an attempt of which nothing lives: is there anything in its directory, or may there be? */
bool rv_slot_dir_look(rv_slot_dir *dir);
void rv_slot_dir_give(rv_slot_dir *dir);
/* Remove a file or folder with all that is in it, links as such; as far as that is possible. */
void rv_tree_remove(const char *path);
rv_status rv_slot_dirs_open(rv_engine *engine, rv_error *err);
void rv_slot_dirs_free(rv_engine *engine);

/* perform.c: perform a REDUCE effect and step its completion. */
void rv_reduce_perform(rv_job *job, uint32_t node, uint32_t epoch);

/* blocker.c */
/* The open blocker of `node`, or NULL. */
const rv_shown *rv_blocker_shown(rv_job *job, uint32_t node);
/* After a replay: read what was shown from the store. */
rv_status rv_blocker_load(rv_job *job, rv_error *err);
void rv_blocker_open(rv_job *job, uint32_t node, rv_detail reason, rv_batch *batch);
void rv_blocker_close(rv_job *job, uint32_t node, rv_detail reason, rv_batch *batch);
/* Whether a node that waits for this waits for a person, hence has a blocker. */
bool rv_blocker_is_for_people(rv_detail reason);
/* Digest of what `node` would show now, in the job's arena. */
rv_str rv_blocker_digest(rv_job *job, uint32_t node, rv_detail reason);
/* The node that a blocker's key names: a node's id, or one with `@N`, the N-th question of it. `*ret_revision` is that
 * N, or 0 where the key names none. RV_NONE: no such node; it is untouched then. */
uint32_t rv_blocker_find(rv_job *job, rv_str key, uint32_t *ret_revision);

/* adopt.c: a child run keeps what its parent completed, node by node, as far as nothing above it has changed [R1]. */
rv_status rv_adopt_load(rv_job *job, rv_error *err);
/* Of a new child whose parent is loaded. CONFLICT: nodes of the parent were at odds about a file, and its workflow is the child's [A8]. */
rv_status rv_adopt_agrees(const rv_job *job, rv_error *err);
void rv_adopt_changed(rv_job *job, uint32_t first_changed);
/* The result of an adopted node, as the parent's row has it; size 0: none. */
rv_str rv_adopt_result(rv_job *job, uint32_t node);
/* Whether the parent had begun an attempt of `node`, which may happen once, and nobody knows what it did: then it is never just started. */
bool rv_adopt_is_unknown(rv_job *job, uint32_t node);
/* Such a node is ready: begin that attempt and call it lost; its policy then asks, fails or runs it again. Where a gate of the run holds
 * it back it stays as it is. */
void rv_adopt_ask(rv_job *job, uint32_t node);
/* The rows of what an adopted node made, under this run, once. Nothing for other nodes. */
void rv_adopt_rows(rv_job *job, uint32_t node, rv_batch *batch);

/* isolation.c: let a command be held as its node's isolation says: its argv, and *dir where it starts. UNAVAILABLE: what holds it is not
 * there, or its directory cannot be made. */
RV_MUST_USE rv_status rv_isolate(rv_attempt *attempt, rv_command *command, const char **dir, rv_error *err);

/* Why the command of an attempt that has ended was never started in its worktree, into ret_text; false: it was, or it has none. */
RV_MUST_USE bool rv_worktree_failure(const rv_attempt *attempt, rv_buf *ret_text);

/* Take away the entry that git keeps of a worktree in a scratch directory, which is about to be removed; nothing if there is none. */
void rv_worktree_forget(const char *slot_dir);

/* usage.c */
/* Take what the attempt's result says of its spend. */
void rv_usage_take(rv_attempt *attempt);
/* Step it, before the completion. */
void rv_usage_tell(rv_attempt *attempt);
/* Add to the run's budget what {"add":{"usd":5}} says, or set the quotas of {"quota":{"concurrent":4}}, all or nothing. INVALID,
 * CONFLICT: nothing was changed; else *ret is the kernel's answer to the last of it. */
RV_MUST_USE rv_status rv_usage_more(rv_job *job, rv_str value_json, rv_str by, rv_answer *ret, rv_error *err);

/* group.c */
/* Of a run whose budget has a group [K53]: sum up what the others of it have taken that this engine does not drive, from their rows;
 * once, when the job is in engine->jobs. Others: nothing. On failure nothing changed. */
RV_MUST_USE rv_status rv_group_load(rv_job *job, rv_error *err);
/* Before a step of `next` (or when the run may go on): tell its run what the others have taken, where that has changed. */
void rv_group_look(rv_job *job, rv_event_type next);

/* environment.c */
/* Take what is inherited and make what is the same for all; after rv_jobserver_open. */
void rv_environment_open(rv_engine *engine);
void rv_environment_job(rv_job *job); /* likewise what is the same for all of a job; needs its id */
/* Make engine->envp, NULL-terminated, of an attempt that has its directory and token; a cached node is given of the caller's only what
 * `env_host` of its body names [W15]. env: NAME=VALUE entries of the workflow. Texts are in engine->scratch or borrowed. Returns the
 * value of REEVE_ATTEMPT. */
const char *rv_environment_make(rv_attempt *attempt, const rv_json *body, const char *const *env, uint32_t env_count);

/* jobserver.c: lend slots to make, ninja and cargo below us. */
void rv_jobserver_open(rv_engine *engine);
void rv_jobserver_close(rv_engine *engine);
bool rv_jobserver_take(rv_engine *engine, rv_attempt *attempt); /* false: all tokens are lent out */
void rv_jobserver_give(rv_engine *engine, rv_attempt *attempt);
/* Hand out what no attempt of this turn took again: before the loop waits. */
void rv_jobserver_settle(rv_engine *engine);

#endif
