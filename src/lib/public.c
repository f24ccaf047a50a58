/* public.c: include/reeve.h over host.h and engine.h.
 *
 * (1) Every call first asks whether it comes from a callback (`depth`): from there only reeve_run_info is answered.
 * (2) A call that promises a barrier runs the loop until the engine says that it was reached, or that the store failed.
 * (3) Text for callbacks is copied into `scratch`, which lives until the outermost callback returns. */
#include "reeve.h"

#include "base/mem.h"
#include "lib/host.h"
#include "lib/hosted.h"
#include "lib/kernel.h"
#include "lib/public.h"
#include "lib/pinned.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SAME(name_) _Static_assert((int)REEVE_##name_ == (int)RV_##name_, "the public number of a status is its number")
SAME(OK); SAME(INVALID); SAME(DENIED); SAME(NOT_FOUND); SAME(CONFLICT); SAME(LIMIT); SAME(UNSUPPORTED); SAME(NO_MEMORY); SAME(IO);
SAME(STORE_IO); SAME(STORE_FULL); SAME(UNKNOWN); SAME(CORRUPT); SAME(UNAVAILABLE); SAME(TIMEOUT);
_Static_assert((int)REEVE_APPROVE == (int)RV_DECISION_APPROVE && (int)REEVE_AGAIN == (int)RV_DECISION_AGAIN, "likewise of a decision");
_Static_assert(REEVE_ERROR_SIZE == RV_ERROR_TEXT_MAX, "an error's text fits");

typedef struct driven {
    char id[REEVE_RUN_SIZE];
    rv_job *job;        /* the engine's, for as long as it lives */
    bool is_begun;      /* its beginning is synced */
    bool is_ended;
} driven;

typedef struct reducer { char *name; reeve_reducer_fn *fn; void *user; } reducer;

struct reeve {
    rv_host *host;
    rv_exec *exec;      /* hosted.h */
    RV_VEC(reducer) reducers;
    RV_VEC(const char *) reducer_names; /* NULL-terminated once there is one */
    reeve_options options;
    const char *const *environ;
    RV_VEC(driven *) runs;
    rv_arena scratch;
    int depth;          /* callbacks under way */
};

/* ---- errors ---- */

static reeve_status fail(rv_status status, reeve_error *error, const char *text)
{
    rv_error made;
    rv_error_set(&made, status, "%s", text);
    return rv_public_give(&made, error);
}

static bool is_callback(const reeve *engine, reeve_error *error, reeve_status *ret)
{
    if (engine->depth > 0) *ret = fail(RV_INVALID, error, "called from a callback; from there only reeve_run_info is answered");
    return engine->depth > 0;
}

const char *reeve_version(void) { return REEVE_VERSION; }
int reeve_version_number(void) { return REEVE_VERSION_NUMBER; }
const char *reeve_status_name(reeve_status status) { return rv_status_name((rv_status)status); }
const char *reeve_status_text(reeve_status status) { return rv_status_text((rv_status)status); }
void reeve_free(void *memory) { rv_free(memory); }

/* ---- runs that this engine drives ---- */

static driven *find(const reeve *engine, const char *id)
{
    for (uint32_t i = 0; i < engine->runs.count; i++)
        if (strcmp(engine->runs.at[i]->id, id) == 0) return engine->runs.at[i];
    return NULL;
}

static driven *note_run(reeve *engine, rv_job *job)
{
    char id[REEVE_RUN_SIZE];
    snprintf(id, sizeof id, "%.*s", RV_FMT(rv_job_id(job)));
    driven *run = find(engine, id);
    if (!run) {
        run = rv_alloc(sizeof *run);
        memcpy(run->id, id, sizeof id);
        rv_vec_push(&engine->runs, run);
    }
    run->job = job;
    return run;
}

static bool has_ended(const reeve *engine, const driven *run)
{
    for (uint32_t i = 0; !run && i < engine->runs.count; i++)
        if (!engine->runs.at[i]->is_ended) return false;
    return !run || run->is_ended;
}

/* ---- callbacks ---- */

static void enter(reeve *engine) { engine->depth++; }

static void leave(reeve *engine)
{
    if (--engine->depth == 0) rv_arena_clear(&engine->scratch);
}

static const char *cstring(reeve *engine, rv_str text) { return text.size ? rv_arena_cstring(&engine->scratch, text) : ""; }

static reeve_node node_of(reeve *engine, const rv_node_view *view)
{
    return (reeve_node){.name = cstring(engine, view->name), .kind = rv_kind_name(view->kind), .state = rv_node_state_name(view->state),
                        .detail = rv_detail_name(view->detail), .error = cstring(engine, view->error), .root = cstring(engine, view->root),
                        .attempt = view->number, .epoch = view->epoch, .exit_status = view->exit_status, .signal = view->signal,
                        .started_ms = view->started_ms, .ended_ms = view->ended_ms};
}

/* Call member `member_` of the observer if there is one, with the run's id first. */
#define CALL(engine_, job_, member_, ...)                                                                              \
    do {                                                                                                               \
        const reeve_observer *observer_ = &(engine_)->options.observer;                                                \
        driven *run_ = note_run((engine_), (job_));                                                                    \
        enter(engine_);                                                                                                \
        if (observer_->member_) observer_->member_(observer_->user, run_->id __VA_OPT__(, ) __VA_ARGS__);              \
        leave(engine_);                                                                                                \
    } while (0)

static void on_run_started(void *user, rv_job *job, bool is_resumed)
{
    note_run(user, job)->is_begun = true;
    CALL((reeve *)user, job, run_started, is_resumed);
}

static void on_attempt_started(void *user, rv_job *job, const rv_node_view *view)
{
    reeve_node node = node_of(user, view);
    CALL((reeve *)user, job, attempt_started, &node);
}

static void on_output(void *user, rv_job *job, uint32_t node, int stream, rv_str bytes)
{
    CALL((reeve *)user, job, output, cstring(user, rv_job_node_name(job, node)), stream, bytes.at, bytes.size);
}

static void on_attempt_ended(void *user, rv_job *job, const rv_node_view *view, rv_attempt_state state, bool will_retry,
                             int64_t retry_in_ms)
{
    reeve_node node = node_of(user, view);
    node.state = rv_attempt_state_name(state);
    CALL((reeve *)user, job, attempt_ended, &node, will_retry, retry_in_ms);
}

static void on_node_ended(void *user, rv_job *job, const rv_node_view *view)
{
    reeve_node node = node_of(user, view);
    CALL((reeve *)user, job, node_ended, &node);
}

static void on_blocker_opened(void *user, rv_job *job, const rv_blocker_view *view)
{
    reeve_blocker blocker = {.key = cstring(user, view->key), .kind = cstring(user, view->kind), .payload = cstring(user, view->payload),
                             .digest = cstring(user, view->digest), .deadline_ms = view->deadline_ms};
    CALL((reeve *)user, job, blocker_opened, &blocker);
}

static void on_blocker_closed(void *user, rv_job *job, rv_str key, rv_str decision, rv_str by)
{
    CALL((reeve *)user, job, blocker_closed, cstring(user, key), cstring(user, decision), cstring(user, by));
}

static void on_note(void *user, rv_job *job, rv_str text) { CALL((reeve *)user, job, note, cstring(user, text)); }
static void on_idle(void *user, rv_job *job) { CALL((reeve *)user, job, idle); }

static void on_run_ended(void *user, rv_job *job, rv_run_state state)
{
    note_run(user, job)->is_ended = true;
    CALL((reeve *)user, job, run_ended, rv_run_state_name(state), rv_job_exit_status(job));
}

/* ---- executors and reducers of the program's ---- */

static rv_exec *wrap_exec(void *user, rv_loop *loop, rv_exec *inner)
{
    reeve *engine = user;
    engine->exec = rv_hosted_new_take(loop, inner, &engine->depth);
    return engine->exec;
}

static const char *const *reducer_names(void *user) { return ((reeve *)user)->reducer_names.at; }

static rv_status reduce(void *user, rv_job *job, uint32_t node, rv_str name, rv_str inputs, rv_buf *ret_value, rv_error *err)
{
    reeve *engine = user;
    const reducer *found = NULL;
    reeve_error error = {REEVE_OK, ""};
    for (uint32_t i = 0; i < engine->reducers.count; i++)
        if (rv_str_is(name, engine->reducers.at[i].name)) found = &engine->reducers.at[i];
    if (!found) return rv_error_set(err, RV_NOT_FOUND, "no reducer %.*s is registered", RV_FMT(name));
    const char *id = cstring(engine, rv_run_id_in(rv_job_run(job), node, &engine->scratch)), *run = cstring(engine, rv_job_id(job)),
               *given = cstring(engine, inputs);
    enter(engine);
    const char *value = found->fn(found->user, run, id, given, &error);
    if (value) rv_buf_cstring(ret_value, value);
    leave(engine);
    return value ? RV_OK : rv_error_set(err, RV_INVALID, "%s: %s", found->name, error.text[0] ? error.text : "it failed");
}

reeve_status reeve_executor_register(reeve *engine, const reeve_executor *executor, reeve_error *error)
{
    reeve_status refused;
    if (is_callback(engine, error, &refused)) return refused;
    if (!executor->start) return fail(RV_INVALID, error, "the executor has no start");
    rv_hosted_add(engine->exec, executor);
    return REEVE_OK;
}

reeve_status reeve_complete(reeve *engine, const char *run, const reeve_event *completed, reeve_error *error)
{
    rv_error err = {0};
    reeve_status refused;
    reeve_event given = REEVE_EVENT_INIT;
    if (is_callback(engine, error, &refused)) return refused;
    memcpy(&given, completed, RV_MIN(completed->size, sizeof given));
    return rv_hosted_complete(engine->exec, rv_str_of(run), &given, &err) == RV_OK ? REEVE_OK : rv_public_give(&err, error);
}

reeve_status reeve_output(reeve *engine, const char *run, const char *node, uint32_t epoch, int stream, const char *bytes, size_t size,
                          reeve_error *error)
{
    rv_error err = {0};
    reeve_status refused;
    if (is_callback(engine, error, &refused)) return refused;
    rv_status status =
        rv_hosted_output(engine->exec, rv_str_of(run), rv_str_of(node), epoch, stream, (rv_str){bytes, size}, &err);
    return status == RV_OK ? REEVE_OK : rv_public_give(&err, error);
}

reeve_status reeve_reducer_register(reeve *engine, const char *name, reeve_reducer_fn *fn, void *user, reeve_error *error)
{
    rv_error err = {0};
    reeve_status refused;
    const char *const names[] = {name, NULL};
    if (is_callback(engine, error, &refused)) return refused;
    if (rv_kernel_check_reducers(names, &err) != RV_OK) return rv_public_give(&err, error);
    for (uint32_t i = 0; i < engine->reducers.count; i++)
        if (strcmp(engine->reducers.at[i].name, name) == 0) return fail(RV_CONFLICT, error, "a reducer of that name is registered already");
    rv_vec_push(&engine->reducers, ((reducer){rv_cstring_dup(rv_str_of(name)), fn, user}));
    rv_vec_clear(&engine->reducer_names);
    for (uint32_t i = 0; i < engine->reducers.count; i++) rv_vec_push(&engine->reducer_names, engine->reducers.at[i].name);
    rv_vec_push(&engine->reducer_names, NULL);
    return REEVE_OK;
}

/* ---- life ---- */

reeve_status reeve_open(const char *directory, const reeve_options *options, reeve **ret, reeve_error *error)
{
    rv_error err;
    reeve *engine = rv_alloc(sizeof *engine);
    if (options) memcpy(&engine->options, options, RV_MIN(options->size, sizeof engine->options));
    engine->environ = engine->options.environ ? engine->options.environ : (const char *const *)environ;
    rv_host_config config = {.store_dir = directory, .environ = engine->environ, .slots = engine->options.slots,
                             .grace_ms = engine->options.grace_ms,
                             .keeper_fd = -1, .shares_children = true,
                             .wrap = wrap_exec, .wrap_user = engine, .reduce = reduce, .reducers = reducer_names, .reduce_user = engine};
    config.observer = (rv_observer){.user = engine, .run_started = on_run_started, .attempt_started = on_attempt_started,
                                    .output = on_output,
                                    .attempt_ended = on_attempt_ended, .node_ended = on_node_ended, .blocker_opened = on_blocker_opened,
                                    .blocker_closed = on_blocker_closed, .note = on_note, .run_ended = on_run_ended, .idle = on_idle};
    if (rv_host_open(&config, &engine->host, &err) != RV_OK) {
        rv_free(engine);
        return rv_public_give(&err, error);
    }
    rv_hosted_bind(engine->exec, rv_host_engine(engine->host));
    *ret = engine;
    return REEVE_OK;
}

reeve_status reeve_close(reeve *engine, reeve_error *error)
{
    rv_error err;
    reeve_status refused;
    if (!engine) return REEVE_OK;
    if (is_callback(engine, error, &refused)) return refused;
    rv_status status = rv_host_close(engine->host, &err);
    for (uint32_t i = 0; i < engine->runs.count; i++) rv_free(engine->runs.at[i]);
    for (uint32_t i = 0; i < engine->reducers.count; i++) rv_free(engine->reducers.at[i].name);
    rv_vec_deinit(&engine->runs);
    rv_vec_deinit(&engine->reducers);
    rv_vec_deinit(&engine->reducer_names);
    rv_arena_deinit(&engine->scratch);
    rv_free(engine);
    return status == RV_OK ? REEVE_OK : rv_public_give(&err, error);
}

/* ---- the loop ---- */

int reeve_fd(reeve *engine) { return rv_loop_fd(rv_host_loop(engine->host)); }
int64_t reeve_timeout_ms(reeve *engine) { return rv_loop_timeout_ms(rv_host_loop(engine->host)); }

/* One step of the loop; not RV_OK: the store failed. */
static rv_status step(reeve *engine, int64_t wait_ms, rv_error *err)
{
    if (rv_host_has_failed(engine->host, err)) return err->status;
    (void)rv_loop_step(rv_host_loop(engine->host), wait_ms);
    return rv_host_has_failed(engine->host, err) ? err->status : RV_OK;
}

reeve_status reeve_dispatch(reeve *engine, reeve_error *error)
{
    rv_error err;
    reeve_status refused;
    if (is_callback(engine, error, &refused)) return refused;
    return step(engine, 0, &err) == RV_OK ? REEVE_OK : rv_public_give(&err, error);
}

reeve_status reeve_wait(reeve *engine, const char *id, int64_t timeout_ms, reeve_error *error)
{
    rv_error err;
    reeve_status refused;
    rv_loop *loop = rv_host_loop(engine->host);
    if (is_callback(engine, error, &refused)) return refused;
    const driven *run = id ? find(engine, id) : NULL;
    if (id && !run) return fail(RV_NOT_FOUND, error, "this engine does not drive such a run");
    int64_t until_ms = timeout_ms < 0 ? INT64_MAX : rv_loop_mono_ms(loop) + timeout_ms;
    int64_t wait_ms = 0; /* the first step only does what is due */
    while (!has_ended(engine, run)) {
        if (step(engine, wait_ms, &err) != RV_OK) return rv_public_give(&err, error);
        int64_t left_ms = timeout_ms < 0 ? -1 : until_ms - rv_loop_mono_ms(loop);
        if (timeout_ms >= 0 && left_ms <= 0 && !has_ended(engine, run)) return fail(RV_TIMEOUT, error, "the run has not ended yet");
        wait_ms = left_ms;
    }
    return REEVE_OK;
}

/* Run the loop until *is_there, or until the store has failed. */
static rv_status step_until(reeve *engine, const bool *is_there, rv_error *err)
{
    rv_status status = RV_OK;
    for (int64_t wait_ms = 0; status == RV_OK && !*is_there; wait_ms = -1) status = step(engine, wait_ms, err);
    return status;
}

/* ---- runs ---- */

static rv_status load(const reeve *engine, const reeve_workflow *workflow, const char *directory, rv_spec **ret,
                      char **ret_problems, rv_error *err)
{
    return rv_public_load(workflow, directory, engine->environ, engine->reducer_names.at, ret, ret_problems, err);
}

/* A run began: wait until its beginning is synced, then tell its id [P1]. */
static reeve_status begun(reeve *engine, rv_job *job, char *ret_run, reeve_error *error)
{
    rv_error err;
    driven *run = note_run(engine, job);
    if (step_until(engine, &run->is_begun, &err) != RV_OK) return rv_public_give(&err, error);
    memcpy(ret_run, run->id, sizeof run->id);
    return REEVE_OK;
}

reeve_status reeve_submit(reeve *engine, const reeve_workflow *workflow, char *ret_run, char **ret_problems, reeve_error *error)
{
    char here[PATH_MAX];
    reeve_workflow given = REEVE_WORKFLOW_INIT;
    rv_spec *spec = NULL;
    rv_job *job = NULL;
    rv_error err;
    reeve_status refused;
    if (is_callback(engine, error, &refused)) return refused;
    if (ret_problems) *ret_problems = NULL;
    memcpy(&given, workflow, RV_MIN(workflow->size, sizeof given));
    if (!given.text) return fail(RV_INVALID, error, "there is no text in the workflow");
    if (given.directory && given.directory[0] != '/') return fail(RV_INVALID, error, "the workflow's directory is not absolute");
    if (!given.directory && !getcwd(here, sizeof here)) return fail(RV_IO, error, "the current directory cannot be named; give one");
    const char *directory = given.directory ? given.directory : here;
    if (load(engine, &given, directory, &spec, ret_problems, &err) != RV_OK) return rv_public_give(&err, error);
    rv_submit submit = {.spec = spec, .file = "", .dir = directory, .fail_fast = given.fail_fast != 0};
    if (rv_engine_submit(rv_host_engine(engine->host), &submit, &job, &err) != RV_OK) {
        rv_spec_free(spec);
        return rv_public_give(&err, error);
    }
    return begun(engine, job, ret_run, error);
}

/* The row of `id`, or (NULL) of the latest run that has not ended. */
static rv_status find_row(reeve *engine, const char *id, rv_arena *arena, rv_run_row *ret, rv_error *err)
{
    rv_run_rows rows = {0};
    rv_store *store = rv_host_store(engine->host);
    if (id) return rv_store_run(store, arena, rv_str_of(id), ret, err);
    rv_status status = rv_store_runs(store, arena, &(rv_run_filter){.unfinished = true, .limit = 1}, &rows, err);
    if (status == RV_OK && rows.count == 0) status = rv_error_set(err, RV_NOT_FOUND, "every run of this store has ended");
    if (status == RV_OK) *ret = rows.at[0];
    rv_vec_deinit(&rows);
    return status;
}

static rv_status resume_row(reeve *engine, const rv_run_row *row, const rv_pinned *pinned, rv_arena *arena, rv_job **ret, rv_error *err)
{
    rv_spec *spec = NULL;
    bool is_failed = row->status == RV_RUN_ERROR || row->status == RV_RUN_TIMEOUT;
    if (rv_run_state_is_terminal(row->status) && !is_failed)
        return rv_error_set(err, RV_CONFLICT, "run %.*s has ended: %s", RV_FMT(row->id), rv_run_state_name(row->status));
    rv_status status = rv_pinned_load(pinned, rv_host_store(engine->host), row, arena, &spec, err);
    if (status != RV_OK) return status;
    rv_submit child = {.spec = spec, .file = rv_arena_cstring(arena, row->file), .dir = rv_arena_cstring(arena, row->dir),
                       .resumed_from = row->id};
    status = is_failed ? rv_engine_submit(rv_host_engine(engine->host), &child, ret, err)
                       : rv_engine_resume(rv_host_engine(engine->host), row->id, spec, false, ret, err);
    if (status != RV_OK) rv_spec_free(spec);
    return status;
}

reeve_status reeve_resume(reeve *engine, const char *id, const reeve_var *vars, size_t var_count, char *ret_run, reeve_error *error)
{
    rv_arena arena = {0};
    rv_run_row row = {0};
    rv_job *job = NULL;
    rv_error err = {0};
    reeve_status refused;
    if (is_callback(engine, error, &refused)) return refused;
    rv_param_value *given = rv_arena_new(&arena, rv_param_value, var_count + 1);
    for (size_t i = 0; i < var_count; i++) given[i] = (rv_param_value){rv_str_of(vars[i].name), rv_str_of(vars[i].value)};
    rv_pinned pinned = {.vars = given, .var_count = (uint32_t)var_count, .environ = engine->environ,
                        .reducers = engine->reducer_names.at};
    rv_status status = find_row(engine, id, &arena, &row, &err);
    const driven *mine = status == RV_OK ? find(engine, rv_arena_cstring(&arena, row.id)) : NULL;
    if (mine && !mine->is_ended) status = rv_error_set(&err, RV_CONFLICT, "this engine drives run %s already", mine->id);
    if (status == RV_OK) status = resume_row(engine, &row, &pinned, &arena, &job, &err);
    rv_arena_deinit(&arena);
    return status == RV_OK ? begun(engine, job, ret_run, error) : rv_public_give(&err, error);
}

reeve_status reeve_run_info(reeve *engine, const char *id, reeve_run *ret, reeve_error *error)
{
    uint32_t counts[RV_NODE_STATE_COUNT], running, count = 0;
    const driven *run = find(engine, id);
    if (!run) return fail(RV_NOT_FOUND, error, "this engine does not drive such a run; reeve_query knows all of the store");
    rv_job_counts(run->job, counts, &running);
    reeve_run row = {.size = ret->size, .state = rv_run_state_name(rv_job_state(run->job)), .is_ended = run->is_ended,
                     .exit_status = run->is_ended ? rv_job_exit_status(run->job) : -1, .running_count = running,
                     .failed_count = counts[RV_NODE_FAILED] + counts[RV_NODE_DENIED]};
    for (uint32_t state = 0; state < RV_NODE_STATE_COUNT; state++) {
        count += counts[state];
        if (rv_node_state_is_terminal((rv_node_state)state)) row.done_count += counts[state];
    }
    row.node_count = count;
    memcpy(ret, &row, RV_MIN(ret->size, sizeof row));
    return REEVE_OK;
}

/* ---- people's words ---- */

typedef struct word { bool is_done; rv_status status; rv_error error; } word;

static void on_done(void *user, rv_status status, const rv_error *err)
{
    word *said = user;
    said->is_done = true;
    said->status = status;
    if (status == RV_OK) return;
    if (err) said->error = *err;
    else rv_error_set(&said->error, status, "%s", rv_status_text(status));
}

static reeve_status said(reeve *engine, word *asked, reeve_error *error)
{
    rv_error err;
    if (step_until(engine, &asked->is_done, &err) != RV_OK) return rv_public_give(&err, error);
    return asked->status == RV_OK ? REEVE_OK : rv_public_give(&asked->error, error);
}

reeve_status reeve_decide(reeve *engine, const char *run, const char *key, reeve_decision decision, const char *by,
                          const char *comment, reeve_error *error)
{
    word asked = {0};
    reeve_status refused;
    if (is_callback(engine, error, &refused)) return refused;
    if ((int)decision < REEVE_APPROVE || (int)decision > REEVE_AGAIN) return fail(RV_INVALID, error, "there is no such decision");
    rv_engine_decide(rv_host_engine(engine->host), rv_str_of(run), rv_str_of(key), (rv_decision)decision, rv_str_of(by),
                     rv_str_of(comment), on_done, &asked);
    return said(engine, &asked, error);
}

reeve_status reeve_answer(reeve *engine, const char *run, const char *key, const char *value_json, const char *by, reeve_error *error)
{
    word asked = {0};
    reeve_status refused;
    if (is_callback(engine, error, &refused)) return refused;
    rv_engine_answer(rv_host_engine(engine->host), rv_str_of(run), rv_str_of(key), rv_str_of(value_json), rv_str_of(by), on_done, &asked);
    return said(engine, &asked, error);
}

reeve_status reeve_signal(reeve *engine, const char *run, const char *name, const char *value_json, const char *by, reeve_error *error)
{
    word asked = {0};
    reeve_status refused;
    if (is_callback(engine, error, &refused)) return refused;
    rv_engine_signal(rv_host_engine(engine->host), rv_str_of(run), rv_str_of(name), rv_str_of(value_json), rv_str_of(by), on_done, &asked);
    return said(engine, &asked, error);
}

reeve_status reeve_steer(reeve *engine, const char *run, const char *node, const char *text, const char *by, reeve_error *error)
{
    word asked = {0};
    reeve_status refused;
    if (is_callback(engine, error, &refused)) return refused;
    rv_engine_steer(rv_host_engine(engine->host), rv_str_of(run), rv_str_of(node), rv_str_of(text), rv_str_of(by), on_done, &asked);
    return said(engine, &asked, error);
}

reeve_status reeve_submit_nodes(reeve *engine, const char *run, const char *node, uint32_t epoch, const char *key,
                                const reeve_workflow *nodes, char **ret_told, char **ret_problems, reeve_error *error)
{
    word asked = {0};
    rv_buf told = {0}, problems = {0};
    reeve_status refused;
    reeve_workflow given = REEVE_WORKFLOW_INIT;
    if (ret_problems) *ret_problems = NULL;
    if (is_callback(engine, error, &refused)) return refused;
    memcpy(&given, nodes, RV_MIN(nodes->size, sizeof given));
    if (!given.text) return fail(RV_INVALID, error, "there is no text in the workflow");
    if (!run || !node) return fail(RV_INVALID, error, "which run and which node is not said");
    rv_submit_nodes submit = {.run = rv_str_of(run), .node = rv_str_of(node), .epoch = epoch, .key = rv_str_of(key),
                              .source = {given.text, given.text_size ? given.text_size : strlen(given.text)},
                              .file = given.name ? given.name : "nodes", .ret_problems = &problems};
    submit.is_json = rv_str_ends(rv_str_of(submit.file), RV_STR(".json"));
    rv_engine_submit_nodes(rv_host_engine(engine->host), &submit, &told, on_done, &asked);
    reeve_status status = said(engine, &asked, error);
    if (status == REEVE_OK && ret_told) *ret_told = told.at;
    else rv_buf_deinit(&told);
    if (ret_problems && problems.size) *ret_problems = problems.at;
    else rv_buf_deinit(&problems);
    return status;
}

reeve_status reeve_ask(reeve *engine, const char *run, const reeve_event *request, reeve_gate *ret, reeve_error *error)
{
    word asked = {0};
    rv_gate_told answer;
    reeve_status refused;
    reeve_event given = REEVE_EVENT_INIT;
    if (is_callback(engine, error, &refused)) return refused;
    memcpy(&given, request, RV_MIN(request->size, sizeof given));
    uint32_t verb = rv_event_state_find(RV_EVENT_ASK, rv_str_of(given.state));
    if (!run || !given.node || verb == RV_NONE)
        return fail(RV_INVALID, error, "an ask has a run, a node, and as state tool, memory_read, memory_write or artifact_read");
    rv_gate_ask ask = {.run = rv_str_of(run), .node = rv_str_of(given.node), .epoch = given.epoch, .verb = (rv_gate_verb)verb,
                  .key = rv_str_of(given.key), .value_json = rv_str_of(given.value)};
    rv_engine_ask(rv_host_engine(engine->host), &ask, &answer, on_done, &asked);
    reeve_status status = said(engine, &asked, error);
    if (status != REEVE_OK) return status;
    reeve_gate row = {.size = ret->size, .answer = rv_gate_name(answer.kind), .retry_ms = answer.retry_ms};
    memcpy(row.stage, answer.stage, sizeof row.stage);
    memcpy(row.reason, answer.reason, sizeof row.reason);
    memcpy(ret, &row, RV_MIN(ret->size, sizeof row));
    return REEVE_OK;
}

reeve_status reeve_cancel(reeve *engine, const char *run, const char *by, reeve_error *error)
{
    word asked = {0};
    reeve_status refused;
    if (is_callback(engine, error, &refused)) return refused;
    rv_engine_cancel(rv_host_engine(engine->host), rv_str_of(run), rv_str_of(by), on_done, &asked);
    return said(engine, &asked, error);
}

reeve_status reeve_interrupt(reeve *engine, reeve_error *error)
{
    reeve_status refused;
    if (is_callback(engine, error, &refused)) return refused;
    rv_engine_interrupt(rv_host_engine(engine->host), SIGTERM);
    return REEVE_OK;
}

/* ---- asking ---- */

/* The store answers in lines: an array of column names, then an array a row. */
static char *table_of(rv_str lines, bool is_cut)
{
    rv_buf out = {0};
    size_t end = rv_str_find(lines, 0, '\n');
    rv_str rest = rv_str_from(lines, end == SIZE_MAX ? lines.size : end + 1);
    rv_buf_cstring(&out, "{\"columns\":");
    rv_buf_str_add(&out, rv_str_cut(lines, 0, end));
    rv_buf_cstring(&out, ",\"rows\":[");
    while (rest.size && rest.at[rest.size - 1] == '\n') rest.size--;
    for (size_t i = 0; i < rest.size; i++) rv_buf_byte(&out, rest.at[i] == '\n' ? ',' : rest.at[i]);
    rv_buf_printf(&out, "],\"cut\":%s}", is_cut ? "true" : "false");
    return out.at;
}

reeve_status reeve_query(reeve *engine, const char *sql, const char *const *args, size_t arg_count, uint64_t row_max,
                         char **ret_json, reeve_error *error)
{
    rv_buf lines = {0};
    bool is_cut = false;
    rv_error err;
    reeve_status refused;
    if (is_callback(engine, error, &refused)) return refused;
    rv_str *bound = rv_alloc(sizeof *bound * (arg_count + 1));
    for (size_t i = 0; i < arg_count; i++) bound[i] = rv_str_of(args[i]);
    rv_status status = rv_store_query(rv_host_store(engine->host), rv_str_of(sql), bound, (uint32_t)arg_count, row_max, &lines,
                                      &is_cut, &err);
    if (status == RV_OK) *ret_json = table_of(rv_buf_str(&lines), is_cut);
    rv_buf_deinit(&lines);
    rv_free(bound);
    return status == RV_OK ? REEVE_OK : rv_public_give(&err, error);
}
