#include "engine/inner.h"

#include <sys/stat.h>

/* What people say: decisions, answers, cancel, interrupt. Each is one input; its giver is told once it is synced. */

static void refuse(rv_engine_done_fn *done, void *user, rv_status status, const char *fmt, rv_str what)
{
    rv_error error = {0};
    rv_error_set(&error, status, fmt, RV_FMT(what));
    if (done) done(user, status, &error);
}

static void finish(rv_engine *engine, rv_answer answer, rv_str what, rv_engine_done_fn *done, void *user)
{
    switch (answer) {
    case RV_ANSWER_TAKEN:
        if (done) rv_vec_push(&rv_engine_flight(engine)->done, ((rv_done_item){done, user}));
        rv_engine_urgent(engine);
        return;
    case RV_ANSWER_STALE: refuse(done, user, RV_CONFLICT, "%.*s has been settled already", what); return;
    case RV_ANSWER_NOT_FOUND: refuse(done, user, RV_NOT_FOUND, "no node %.*s in this run", what); return;
    case RV_ANSWER_ILLEGAL:
        refuse(done, user, RV_CONFLICT, "%.*s does not wait for that now; `reeve show` tells what it waits for", what);
        return;
    }
}

/* The node of an open blocker that `key` names; RV_NONE: refused, and the giver was told. */
static uint32_t find_open(rv_engine *engine, rv_str run, rv_str key, rv_job **ret_job, rv_engine_done_fn *done, void *user)
{
    uint32_t revision, node;
    *ret_job = rv_engine_job(engine, run);
    if (!*ret_job) {
        refuse(done, user, RV_NOT_FOUND, "run %.*s is not driven here", run);
        return RV_NONE;
    }
    node = rv_blocker_find(*ret_job, key, &revision);
    if (node == RV_NONE) {
        refuse(done, user, RV_NOT_FOUND, "no node or question %.*s in this run", key);
        return RV_NONE;
    }
    if (revision && revision != (*ret_job)->blocker_revision[node]) {
        refuse(done, user, RV_CONFLICT, "question %.*s is not the one that is open now", key);
        return RV_NONE;
    }
    return node;
}

/* What was said held a secret: that stands in the result beside it, and whoever watches is told [P9]. */
static void tell_masked(rv_job *job, uint32_t node, rv_buf *result)
{
    rv_buf text = {0};
    RV_ASSERT(result->size && result->at[result->size - 1] == '}');
    result->size--;
    rv_buf_cstring(result, ",\"note\":\"it held a secret of the run, which is recorded as ***\"}");
    rv_str name = rv_job_node_id(job, node);
    rv_buf_printf(&text, "what was said of %.*s held a secret of the run, which is recorded as ***", RV_FMT(name));
    rv_engine_notice(job->engine, (rv_notice){.type = NOTICE_NOTE, .job = job}, rv_buf_str(&text), RV_STR(""));
    rv_buf_deinit(&text);
}

static bool mask_comment(rv_job *job, rv_str comment, rv_buf *out)
{
    rv_arena arena = {0};
    rv_json *text = NULL;
    rv_buf quoted = {0}, masked = {0};
    rv_json_quote(&quoted, comment);
    bool was_masked = rv_said_mask(job, rv_buf_str(&quoted), &masked) && rv_json_parse(&arena, rv_buf_str(&masked), &text, NULL) == RV_OK;
    if (was_masked) rv_buf_str_add(out, text->text);
    rv_buf_deinit(&quoted);
    rv_buf_deinit(&masked);
    rv_arena_deinit(&arena);
    return was_masked;
}

void rv_engine_decide(rv_engine *engine, rv_str run, rv_str key, rv_decision decision, rv_str by, rv_str comment,
                      rv_engine_done_fn *done, void *user)
{
    rv_engine_decide_shown(engine, run, key, RV_STR(""), decision, by, comment, done, user);
}

void rv_engine_decide_shown(rv_engine *engine, rv_str run, rv_str key, rv_str digest, rv_decision decision, rv_str by, rv_str comment,
                            rv_engine_done_fn *done, void *user)
{
    rv_job *job;
    uint32_t node = find_open(engine, run, key, &job, done, user);
    if (node == RV_NONE) return;
    rv_buf value = {0}, masked = {0};
    const rv_shown *shown = rv_blocker_shown(job, node);
    if (digest.size && shown && !rv_str_eq(digest, shown->digest)) {
        refuse(done, user, RV_CONFLICT, "%.*s shows something else now than what was decided on; look again with `reeve show`", key);
        return;
    }
    bool was_masked = comment.size && mask_comment(job, comment, &masked);
    rv_question_decision(decision, by, was_masked ? rv_buf_str(&masked) : comment, &value);
    if (was_masked) tell_masked(job, node, &value);
    rv_event event = {.type = RV_EVENT_DECIDED,
                      .node = node,
                      .state = decision,
                      .key = key,
                      .value = rv_buf_str(&value),
                      .text = shown ? shown->digest : RV_STR("")};
    finish(engine, rv_engine_step(job, &event, true), key, done, user);
    rv_buf_deinit(&value);
    rv_buf_deinit(&masked);
}

/* `budget` is the run's own question, unless a node of that name asks something. More may be given before it is asked for. */
static bool is_for_budget(rv_engine *engine, rv_str run, rv_str key)
{
    rv_job *job = rv_engine_job(engine, run);
    uint32_t node = job && rv_str_is(key, "budget") ? rv_run_find(job->run, key) : RV_NONE;
    bool is_asking = node != RV_NONE && job->run->nodes[node].state == RV_NODE_WAITING && job->run->nodes[node].detail == RV_DETAIL_INPUT;
    return job && rv_str_is(key, "budget") && !is_asking;
}

static void add_to_budget(rv_job *job, rv_str value_json, rv_str by, rv_engine_done_fn *done, void *user)
{
    rv_error error = {0};
    rv_answer answer = RV_ANSWER_TAKEN;
    rv_status status = rv_usage_more(job, value_json, by, &answer, &error);
    if (status == RV_OK) finish(job->engine, answer, RV_STR("the run"), done, user);
    else if (done) done(user, status, &error);
}

void rv_engine_answer(rv_engine *engine, rv_str run, rv_str key, rv_str value_json, rv_str by, rv_engine_done_fn *done, void *user)
{
    rv_job *job;
    rv_error error = {0};
    if (is_for_budget(engine, run, key)) {
        add_to_budget(rv_engine_job(engine, run), value_json, by, done, user);
        return;
    }
    uint32_t node = find_open(engine, run, key, &job, done, user);
    if (node == RV_NONE) return;
    rv_buf value = {0}, masked = {0};
    rv_status status = rv_question_answer(rv_job_body(job, node), value_json, &value, &error); /* as it was said, it has to fit */
    rv_arena_clear(&engine->scratch);
    if (status == RV_OK && rv_said_mask(job, value_json, &masked)) {
        rv_buf_clear(&value);
        rv_buf_printf(&value, "{\"value\":%.*s}", RV_FMT(rv_buf_str(&masked)));
        tell_masked(job, node, &value);
    }
    rv_buf_deinit(&masked);
    if (status != RV_OK) {
        rv_buf_deinit(&value);
        if (done) done(user, status, &error);
        return;
    }
    rv_event event = {.type = RV_EVENT_ANSWER, .node = node, .key = key, .value = rv_buf_str(&value), .text = by};
    finish(engine, rv_engine_step(job, &event, true), key, done, user);
    rv_buf_deinit(&value);
}

void rv_engine_steer(rv_engine *engine, rv_str run, rv_str node, rv_str text, rv_str by, rv_engine_done_fn *done, void *user)
{
    rv_buf masked = {0};
    rv_job *job = rv_engine_job(engine, run);
    uint32_t index = job ? rv_run_find(job->run, node) : RV_NONE;
    if (!job) refuse(done, user, RV_NOT_FOUND, "run %.*s is not driven here", run);
    else if (index == RV_NONE) refuse(done, user, RV_NOT_FOUND, "no node %.*s in this run", node);
    else if (text.size == 0 || text.size > RV_STEER_SIZE_MAX)
        refuse(done, user, RV_INVALID, "a directive for %.*s has 1 to 65536 bytes", node);
    if (!job || index == RV_NONE || text.size == 0 || text.size > RV_STEER_SIZE_MAX) return;
    bool was_masked = mask_comment(job, text, &masked);
    rv_event event = {.type = RV_EVENT_STEER, .node = index, .key = by, .text = was_masked ? rv_buf_str(&masked) : text};
    rv_answer answer = rv_engine_step(job, &event, true);
    if (answer == RV_ANSWER_ILLEGAL)
        refuse(done, user, RV_CONFLICT, "%.*s takes no directives: only commands do, and a run no more than 4096", node);
    else finish(engine, answer, node, done, user);
    rv_buf_deinit(&masked);
}

/* Is it an event that can be taken at all? */
static rv_status check_signal(rv_str name, rv_str value_json, rv_error *err)
{
    rv_arena arena = {0};
    rv_json *value;
    rv_status status = RV_OK;
    if (!rv_is_identifier(name))
        return rv_error_set(err, RV_INVALID, "`%.*s` is no name of an event: 1 to 64 of [A-Za-z0-9_-], the first one alphanumeric",
                            RV_FMT(name));
    if (value_json.size > RV_RESULT_SIZE_MAX) return rv_error_set(err, RV_LIMIT, "what comes with %.*s is over 1 MiB", RV_FMT(name));
    if (value_json.size) status = rv_json_parse(&arena, value_json, &value, err);
    rv_arena_deinit(&arena);
    return status == RV_OK ? RV_OK : rv_error_context(err, "what comes with %.*s is not JSON", RV_FMT(name));
}

void rv_engine_signal(rv_engine *engine, rv_str run, rv_str name, rv_str value_json, rv_str by, rv_engine_done_fn *done, void *user)
{
    rv_error error = {0};
    rv_buf masked = {0};
    rv_job *job = rv_engine_job(engine, run);
    rv_status status = job ? check_signal(name, value_json, &error)
                           : rv_error_set(&error, RV_NOT_FOUND, "run %.*s is not driven here", RV_FMT(run));
    if (status != RV_OK) {
        if (done) done(user, status, &error);
        return;
    }
    if (value_json.size && rv_said_mask(job, value_json, &masked)) {
        value_json = rv_buf_str(&masked);
        rv_engine_notice(engine, (rv_notice){.type = NOTICE_NOTE, .job = job},
                         RV_STR("what came with an event held a secret of the run, which is recorded as ***"), RV_STR(""));
    }
    rv_event event = {.type = RV_EVENT_SIGNAL, .node = RV_NONE, .key = name, .value = value_json, .text = by};
    rv_answer answer = rv_engine_step(job, &event, true);
    if (answer == RV_ANSWER_ILLEGAL) refuse(done, user, RV_CONFLICT, "%.*s cannot be kept: too many events wait to be waited for", name);
    else finish(engine, answer, answer == RV_ANSWER_STALE ? run : name, done, user);
    rv_buf_deinit(&masked);
}

void rv_engine_cancel(rv_engine *engine, rv_str run, rv_str by, rv_engine_done_fn *done, void *user)
{
    rv_job *job = rv_engine_job(engine, run);
    if (!job) {
        refuse(done, user, RV_NOT_FOUND, "run %.*s is not driven here", run);
        return;
    }
    if (job->is_undriven) rv_job_settle_lost(job);
    rv_event event = {.type = RV_EVENT_CANCEL, .text = by, .flags = job->is_undriven ? RV_CANCEL_UNDRIVEN : 0};
    finish(engine, rv_engine_step(job, &event, true), run, done, user);
}

void rv_engine_interrupt(rv_engine *engine, int signal)
{
    for (uint32_t i = 0; i < engine->jobs.count; i++) {
        rv_job *job = engine->jobs.at[i];
        job->exit_signal = signal;
        rv_engine_step(job, &(rv_event){.type = RV_EVENT_INTERRUPT, .signal = signal}, true);
    }
    rv_engine_urgent(engine);
}

uint32_t rv_job_owner(const rv_job *job, uint32_t node) { return rv_run_place(job->run, node)->parent; }

void rv_job_children(const rv_job *job, uint32_t node, uint32_t *ret_total, uint32_t *ret_ended)
{
    const rv_run *run = job->run;
    *ret_total = *ret_ended = 0;
    if (!run->nodes[node].control) return;
    const rv_control *control = &run->controls.at[run->nodes[node].control - 1];
    *ret_total = rv_run_kind(run, node) == RV_KIND_FOREACH ? control->count : control->places.count;
    *ret_ended = control->places.count - control->open;
}

/* An input with a deadline and a default goes on without anybody, as a timer does. */
static bool settles_itself(const rv_run *run, uint32_t node)
{
    if (rv_run_kind(run, node) != RV_KIND_INPUT) return false;
    const rv_gate_def *gate = rv_run_gate(run, node);
    return gate->ms > 0 && gate->fallback.size > 0;
}

bool rv_job_waits_for_people(const rv_job *job)
{
    const rv_run *run = job->run;
    bool is_asked = false;
    if (run->running > 0 || (run->ready_count > 0 && !run->paused)) return false; /* in a pause what is ready waits, too */
    for (uint32_t node = 0; node < run->node_count; node++) {
        if (run->nodes[node].state != RV_NODE_WAITING || run->nodes[node].detail == RV_DETAIL_CHILDREN) continue;
        bool is_event = run->nodes[node].detail == RV_DETAIL_EVENT; /* somebody outside must send it */
        if (!is_event && (!rv_blocker_is_for_people((rv_detail)run->nodes[node].detail) || settles_itself(run, node))) return false;
        is_asked = true;
    }
    return is_asked;
}

bool rv_job_waits_for_event(const rv_job *job)
{
    for (uint32_t node = 0; node < job->run->node_count; node++)
        if (job->run->nodes[node].state == RV_NODE_WAITING && job->run->nodes[node].detail == RV_DETAIL_EVENT) return true;
    return false;
}

uint64_t rv_job_log_size(const rv_job *job)
{
    struct stat info;
    rv_buf path = {0};
    rv_buf_printf(&path, "%s/logs/%s.log", job->engine->config.root, job->id);
    uint64_t size = stat(path.at, &info) == 0 ? (uint64_t)info.st_size : 0;
    rv_buf_deinit(&path);
    return size;
}
