#include "lib/hosted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "kernel/run.h"
#include "lib/bring.h"
#include "lib/report.h"
#include "lib/spawn_describe.h"

/* Attempts that a program carries out itself. One ends when the program says so, or a grace after it was told to stop. */

typedef struct hosted_exec hosted_exec;
typedef struct hosted_proc {
    rv_exec *exec;         /* first: as the contract of exec.h has it */
    hosted_exec *owner;
    const reeve_executor *executor;
    char run[REEVE_RUN_SIZE];
    char *node, *artifacts; /* its id; its $REEVE_ARTIFACTS, NULL: none */
    uint32_t epoch;
    rv_stop_reason stopped;
    int64_t started_ms, grace_ms;
    rv_timer *timer;       /* its timeout, then its grace */
    rv_output_fn *output;
    rv_ended_fn *ended;
    void *user;
    uint32_t index;        /* in owner->procs */
} hosted_proc;

struct hosted_exec {
    const rv_exec_ops *ops; /* first */
    rv_exec *inner;
    rv_loop *loop;
    rv_engine *engine;
    int *depth;
    RV_VEC(reeve_executor *) executors;
    RV_VEC(hosted_proc *) procs;
};

/* ---- ends ---- */

static void drop(hosted_proc *proc)
{
    hosted_exec *exec = proc->owner;
    hosted_proc *last = rv_vec_pop(&exec->procs);
    if (last != proc) exec->procs.at[last->index = proc->index] = last;
    rv_timer_free(proc->timer);
    rv_free(proc->node);
    rv_free(proc->artifacts);
    rv_free(proc);
}

static void end(hosted_proc *proc, rv_exit exit)
{
    rv_ended_fn *ended = proc->ended;
    void *user = proc->user;
    rv_loop *loop = proc->owner->loop;
    exit.stopped = proc->stopped;
    exit.started_ms = proc->started_ms;
    exit.ended_ms = rv_loop_wall_ms(loop);
    drop(proc);
    ended(user, &exit);
    rv_loop_wake(loop);
}

static void tell_stop(hosted_proc *proc)
{
    const reeve_executor *executor = proc->executor;
    ++*proc->owner->depth;
    if (executor->stop) executor->stop(executor->user, proc->run, proc->node, proc->epoch);
    --*proc->owner->depth;
}

static void begin_stop(hosted_proc *proc, rv_stop_reason reason, int64_t grace_ms)
{
    if (proc->stopped != RV_STOP_NONE) return; /* the first reason stays */
    proc->stopped = reason;
    bool waits = proc->executor->stop != NULL;
    rv_timer_set(proc->timer, rv_loop_mono_ms(proc->owner->loop) + (waits ? grace_ms < 0 ? proc->grace_ms : grace_ms : 0));
    if (waits) tell_stop(proc);
}

/* Its timeout; or its grace, and then it is over whatever it still does: what it says comes too late. */
static void on_timer(void *user)
{
    hosted_proc *proc = user;
    if (proc->stopped == RV_STOP_NONE) begin_stop(proc, RV_STOP_TIMEOUT, -1);
    else end(proc, (rv_exit){.exit_status = -1, .signal = -1});
}

/* ---- starts ---- */

static const char *variable(const char *const *envp, const char *name)
{
    size_t size = strlen(name);
    for (; *envp; envp++)
        if (strncmp(*envp, name, size) == 0 && (*envp)[size] == '=') return *envp + size + 1;
    return NULL;
}

/* false: it is of no run that the engine drives. */
static bool describe(const hosted_exec *exec, const rv_spawn *spawn, rv_arena *arena, reeve_spawn *ret)
{
    rv_json *body = NULL;
    const char *run_id = variable(spawn->envp, "REEVE_RUN"), *name = variable(spawn->envp, "REEVE_NODE");
    rv_job *job = run_id && exec->engine ? rv_engine_job(exec->engine, rv_str_of(run_id)) : NULL;
    rv_run *run = job ? rv_job_run(job) : NULL;
    uint32_t node = run && name ? rv_run_find(run, rv_str_of(name)) : RV_NONE;
    if (node == RV_NONE) return false;
    rv_status status = rv_json_parse(arena, rv_graph_str(rv_run_graph(run, node), rv_run_def(run, node)->body), &body, NULL);
    RV_ASSERT(status == RV_OK); /* the normal form is of our own writing */
    rv_spawn_describe(run, node, run->nodes[node].number, body, arena, ret);
    ret->run = run_id;
    ret->epoch = run->nodes[node].epoch;
    ret->key = rv_arena_printf(arena, "%s/%s/%u", run_id, name, ret->epoch).at;
    ret->argv = spawn->held ? spawn->held : spawn->argv; /* isolation is the taker's to hold */
    ret->env = spawn->envp;
    ret->dir = spawn->dir;
    ret->timeout_ms = spawn->timeout_ms;
    return true;
}

static const reeve_executor *offer(hosted_exec *exec, const reeve_spawn *attempt)
{
    const reeve_executor *taker = NULL;
    ++*exec->depth;
    for (uint32_t i = 0; i < exec->executors.count && !taker; i++)
        if (exec->executors.at[i]->start(exec->executors.at[i]->user, attempt)) taker = exec->executors.at[i];
    --*exec->depth;
    return taker;
}

static rv_proc *take(hosted_exec *exec, const rv_spawn *spawn, const reeve_spawn *attempt, const reeve_executor *taker)
{
    hosted_proc *proc = rv_alloc(sizeof *proc);
    *proc = (hosted_proc){.exec = (rv_exec *)exec, .owner = exec, .executor = taker, .node = rv_cstring_dup(rv_str_of(attempt->node)),
                          .epoch = attempt->epoch,
                          .started_ms = rv_loop_wall_ms(exec->loop), .grace_ms = spawn->grace_ms, .output = spawn->output,
                          .ended = spawn->ended, .user = spawn->user, .index = exec->procs.count};
    snprintf(proc->run, sizeof proc->run, "%s", attempt->run);
    const char *artifacts = variable(spawn->envp, "REEVE_ARTIFACTS");
    if (artifacts) proc->artifacts = rv_cstring_dup(rv_str_of(artifacts));
    proc->timer = rv_timer_new(exec->loop, on_timer, proc);
    if (spawn->timeout_ms) rv_timer_set(proc->timer, rv_loop_mono_ms(exec->loop) + spawn->timeout_ms);
    rv_vec_push(&exec->procs, proc);
    return (rv_proc *)proc;
}

static rv_status start(rv_exec *self, const rv_spawn *spawn, rv_proc **ret, int64_t *ret_pid, uint64_t *ret_start_ticks, rv_error *err)
{
    hosted_exec *exec = (hosted_exec *)self;
    rv_arena arena = {0};
    reeve_spawn attempt;
    const reeve_executor *taker = NULL;
    if (exec->executors.count && describe(exec, spawn, &arena, &attempt)) taker = offer(exec, &attempt);
    if (taker) {
        *ret = take(exec, spawn, &attempt, taker);
        *ret_pid = -1;
        *ret_start_ticks = 0;
    }
    rv_arena_deinit(&arena);
    return taker ? RV_OK : rv_exec_start(exec->inner, spawn, ret, ret_pid, ret_start_ticks, err);
}

static void stop(rv_proc *proc, rv_stop_reason reason, int64_t grace_ms) { begin_stop((hosted_proc *)proc, reason, grace_ms); }

static uint32_t live(const rv_exec *self)
{
    const hosted_exec *exec = (const hosted_exec *)self;
    return exec->procs.count + rv_exec_live(exec->inner);
}

static void free_exec(rv_exec *self)
{
    hosted_exec *exec = (hosted_exec *)self;
    for (uint32_t i = 0; i < exec->procs.count; i++)
        if (exec->procs.at[i]->stopped == RV_STOP_NONE) tell_stop(exec->procs.at[i]);
    while (exec->procs.count) drop(exec->procs.at[exec->procs.count - 1]);
    for (uint32_t i = 0; i < exec->executors.count; i++) rv_free(exec->executors.at[i]);
    rv_vec_deinit(&exec->executors);
    rv_vec_deinit(&exec->procs);
    rv_exec_free(exec->inner);
    rv_free(exec);
}

rv_exec *rv_hosted_new_take(rv_loop *loop, rv_exec *inner, int *callback_depth)
{
    static const rv_exec_ops ops = {.start = start, .stop = stop, .live = live, .free = free_exec};
    hosted_exec *exec = rv_alloc(sizeof *exec);
    *exec = (hosted_exec){.ops = &ops, .inner = inner, .loop = loop, .depth = callback_depth};
    return (rv_exec *)exec;
}

void rv_hosted_bind(rv_exec *exec, rv_engine *engine) { ((hosted_exec *)exec)->engine = engine; }

void rv_hosted_add(rv_exec *exec, const reeve_executor *executor)
{
    reeve_executor *copy = rv_alloc(sizeof *copy);
    memcpy(copy, executor, RV_MIN(executor->size, sizeof *copy));
    rv_vec_push(&((hosted_exec *)exec)->executors, copy);
}

/* ---- what the program says ---- */

static rv_status find(hosted_exec *exec, rv_str run, rv_str node, uint32_t epoch, hosted_proc **ret, rv_error *err)
{
    rv_job *job = rv_engine_job(exec->engine, run);
    for (uint32_t i = 0; i < exec->procs.count; i++) {
        hosted_proc *proc = exec->procs.at[i];
        if (proc->epoch != epoch || !rv_str_is(run, proc->run) || !rv_str_is(node, proc->node)) continue;
        *ret = proc;
        return RV_OK;
    }
    if (!job || rv_run_find(rv_job_run(job), node) == RV_NONE)
        return rv_error_set(err, RV_NOT_FOUND, "this engine drives no node %.*s of a run %.*s", RV_FMT(node), RV_FMT(run));
    return rv_error_set(err, RV_CONFLICT, "attempt %u of node %.*s is over, or no executor took it", epoch, RV_FMT(node));
}

/* State and detail of the event → how an executor says it. */
static rv_exit exit_of(hosted_proc *proc, const reeve_event *event, const rv_event *completed)
{
    rv_exit exit = {.exit_status = event->exit_status, .signal = event->signal};
    rv_attempt_state state = (rv_attempt_state)completed->state;
    bool tells_how = completed->detail == RV_DETAIL_SIGNAL || (completed->detail == RV_DETAIL_EXIT && event->exit_status > 0);
    bool is_plain = !event->text && tells_how;
    const char *text = event->text ? event->text : event->termination ? event->termination : "error";
    if ((state == RV_ATTEMPT_OK || state == RV_ATTEMPT_PARTIAL) && exit.exit_status < 0) exit.exit_status = 0;
    exit.is_partial = state == RV_ATTEMPT_PARTIAL;
    if (proc->stopped == RV_STOP_NONE && state == RV_ATTEMPT_TIMEOUT) proc->stopped = RV_STOP_TIMEOUT;
    if (proc->stopped == RV_STOP_NONE && state == RV_ATTEMPT_CANCELLED) proc->stopped = RV_STOP_CANCEL;
    if ((state == RV_ATTEMPT_ERROR || state == RV_ATTEMPT_DENIED) && !is_plain) {
        exit.error = (rv_detail)completed->detail;
        snprintf(exit.error_text, sizeof exit.error_text, "%s", text);
    }
    return exit;
}

rv_status rv_hosted_complete(rv_exec *self, rv_str run, const reeve_event *event, rv_error *err)
{
    hosted_exec *exec = (hosted_exec *)self;
    hosted_proc *proc = NULL;
    rv_arena arena = {0};
    rv_json *value = NULL;
    rv_event completed = {.type = RV_EVENT_COMPLETED, .signal = event->signal, .value = rv_str_of(event->value)};
    if (!event->node) return rv_error_set(err, RV_INVALID, "`node` is missing");
    rv_status status = find(exec, run, rv_str_of(event->node), event->epoch, &proc, err);
    if (status == RV_OK) status = rv_report_termination(event, &completed, err);
    if (status == RV_OK && (completed.state >= RV_ATTEMPT_LOST || !rv_attempt_state_is_terminal((rv_attempt_state)completed.state)))
        status = rv_error_set(err, RV_INVALID, "`state` is ok, partial, error, timeout, denied or cancelled");
    bool is_error = completed.state == RV_ATTEMPT_ERROR || completed.state == RV_ATTEMPT_DENIED;
    if (status == RV_OK && is_error && rv_detail_group((rv_detail)completed.detail) != 'e')
        status = rv_error_set(err, RV_INVALID, "`detail` is no kind of error");
    if (status == RV_OK) status = rv_report_value(&arena, completed.value, &value, err);
    if (status == RV_OK) status = rv_report_result(&arena, event, value, &completed.value, err);
    if (status == RV_OK) status = rv_bring_artifacts(proc->artifacts, event->artifacts, event->artifact_count, err);
    if (status == RV_OK) {
        rv_str output = {event->output, event->output_size ? event->output_size : event->output ? strlen(event->output) : 0};
        if (output.size) proc->output(proc->user, 1, output);
        if (event->error_output && event->error_output[0]) proc->output(proc->user, 2, rv_str_of(event->error_output));
        rv_exit exit = exit_of(proc, event, &completed);
        exit.result = completed.value;
        end(proc, exit);
    }
    rv_arena_deinit(&arena);
    return status;
}

rv_status rv_hosted_output(rv_exec *self, rv_str run, rv_str node, uint32_t epoch, int stream, rv_str bytes, rv_error *err)
{
    hosted_proc *proc = NULL;
    if (stream != 1 && stream != 2) return rv_error_set(err, RV_INVALID, "a stream is 1 or 2");
    rv_status status = find((hosted_exec *)self, run, node, epoch, &proc, err);
    if (status == RV_OK && bytes.size) proc->output(proc->user, stream, bytes);
    return status;
}
