#include "engine/inner.h"

/* What an attempt asks before it calls a tool or touches what others see [K30, K32]: one step, whose answer is there at once and is
 * given away when it is synced, so that nothing was ever allowed that the next life does not count. */

static rv_status check(rv_engine *engine, const rv_gate_ask *asked, rv_job **ret_job, uint32_t *ret_node, rv_error *err)
{
    rv_job *job = rv_engine_job(engine, asked->run);
    uint32_t node = job ? rv_run_find(job->run, asked->node) : RV_NONE;
    if (node == RV_NONE)
        return rv_error_set(err, RV_NOT_FOUND, "this engine drives no node %.*s of a run %.*s", RV_FMT(asked->node), RV_FMT(asked->run));
    if (asked->key.size > RV_RESULT_SIZE_MAX) return rv_error_set(err, RV_LIMIT, "`key` is over 1 MiB");
    if (rv_utf8_valid(asked->key) != asked->key.size) return rv_error_set(err, RV_INVALID, "`key` is not UTF-8");
    *ret_job = job;
    *ret_node = node;
    return RV_OK;
}

/* What is asked is recorded: without the secrets of the run [E31]. */
static rv_status mask(rv_job *job, rv_arena *arena, rv_event *ask, rv_error *err)
{
    rv_status status = RV_OK;
    rv_json *tree = NULL;
    rv_buf value = {0}, quoted = {0}, key = {0};
    rv_json_quote(&quoted, ask->key);
    if (rv_said_mask(job, ask->value, &value)) ask->value = rv_arena_str(arena, rv_buf_str(&value));
    if (rv_said_mask(job, rv_buf_str(&quoted), &key)) status = rv_json_parse(arena, rv_arena_str(arena, rv_buf_str(&key)), &tree, err);
    if (status == RV_OK && tree) ask->key = tree->text;
    rv_buf_deinit(&value);
    rv_buf_deinit(&quoted);
    rv_buf_deinit(&key);
    return status == RV_OK ? rv_asked_check(job->run, ask, err) : status;
}

/* journal_before: how many bytes there were before the step. What is kept has the time of the step, which the journal has. */
static void take_answer(rv_job *job, const rv_event *ask, size_t journal_before, rv_gate_told *ret)
{
    int64_t now_ms = job->out.last_now.engine_ms;
    rv_event gate;
    rv_str events = rv_str_from(rv_buf_str(&job->out.journal), journal_before);
    const rv_effect *effect = &job->out.effects.at[job->out.effects.count - 1];
    while (effect->type != RV_EFFECT_GATE) effect--; /* this step's own is the latest */
    *ret = (rv_gate_told){.kind = RV_GATE_ALLOW};
    if (!rv_asked_answer(events, &gate)) {
        rv_asked_keep(&job->asked, (rv_gate_verb)ask->state, ask->key, now_ms);
        return;
    }
    ret->kind = (rv_gate_kind)gate.state;
    snprintf(ret->stage, sizeof ret->stage, "%.*s", RV_FMT(gate.key));
    snprintf(ret->reason, sizeof ret->reason, "%.*s", RV_FMT(gate.text));
    if (effect->due_ms) ret->retry_ms = RV_MAX(effect->due_ms - now_ms, 1);
}

void rv_engine_ask(rv_engine *engine, const rv_gate_ask *asked, rv_gate_told *ret, rv_engine_done_fn *done, void *user)
{
    rv_job *job = NULL;
    uint32_t node = RV_NONE;
    rv_arena arena = {0};
    rv_error error = {0};
    int64_t now_ms = rv_engine_now(engine).engine_ms;
    rv_event ask = {.type = RV_EVENT_ASK, .epoch = asked->epoch, .state = asked->verb, .key = asked->key, .value = asked->value_json};
    rv_status status = check(engine, asked, &job, &node, &error);
    ask.node = node;
    if (status == RV_OK) status = rv_asked_complete(&job->asked, job->run, now_ms, &arena, &ask, &error);
    if (status == RV_OK) status = mask(job, &arena, &ask, &error);
    if (status == RV_OK) {
        size_t journal_before = job->out.journal.size;
        rv_answer answer = rv_engine_step(job, &ask, true);
        if (answer == RV_ANSWER_TAKEN) take_answer(job, &ask, journal_before, ret);
        else
            status = rv_error_set(&error, RV_CONFLICT, "attempt %u of node %.*s does not go on", asked->epoch, RV_FMT(asked->node));
    }
    rv_arena_deinit(&arena);
    if (status == RV_OK) {
        if (done) rv_vec_push(&rv_engine_flight(engine)->done, ((rv_done_item){done, user}));
        rv_engine_urgent(engine);
    } else if (done) done(user, status, &error);
}
