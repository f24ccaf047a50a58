#include "kernel/run_private.h"

/* A running attempt asks the gate before it calls a tool or touches memory or an artifact [K30, K32]. The input holds what was
 * known of the request, so that deciding again answers the same; every answer but a plain allow is a GATE fact. Nothing of the run
 * changes by it: who asked goes on, and holds to the answer. */

static bool take_truth(const rv_json *item, bool *ret)
{
    *ret = item->kind == RV_JSON_TRUE;
    return item->kind == RV_JSON_TRUE || item->kind == RV_JSON_FALSE;
}

static bool take_number(const rv_json *item, int64_t most, int64_t *ret)
{
    return item->kind == RV_JSON_NUMBER && rv_json_i64(item, ret) && *ret >= 0 && *ret <= most;
}

static bool take_text(const rv_json *item, rv_str *ret)
{
    *ret = item->text;
    return item->kind == RV_JSON_STRING;
}

static bool take_permission(const rv_json *item, rv_permission *ret)
{
    static const char *const words[] = {"allow", "deny", "ask"};
    for (uint32_t i = 0; i < RV_COUNT(words); i++) {
        if (item->kind != RV_JSON_STRING || !rv_str_is(item->text, words[i])) continue;
        *ret = (rv_permission)i;
        return true;
    }
    return false;
}

static bool take_rate(const rv_json *item, rv_gate_request *ret)
{
    const rv_json *most = rv_json_get(item, RV_STR("max")), *window = rv_json_get(item, RV_STR("window_ms"));
    int64_t number = 0;
    if (!most || !window || item->count != 2 || !take_number(most, UINT32_MAX, &number)) return false;
    ret->rate_max = (uint32_t)number;
    return take_number(window, RV_AMOUNT_MAX, &ret->window_ms);
}

static bool take_member(const rv_json *item, rv_gate_request *ret)
{
    int64_t number = 0;
    if (rv_str_is(item->key, "constraint")) return take_text(item, &ret->constraint);
    if (rv_str_is(item->key, "veto")) return take_text(item, &ret->veto);
    if (rv_str_is(item->key, "permission")) return take_permission(item, &ret->permission);
    if (rv_str_is(item->key, "rate")) return take_rate(item, ret);
    if (rv_str_is(item->key, "writes")) return take_truth(item, &ret->writes);
    if (rv_str_is(item->key, "is_sandboxed")) return take_truth(item, &ret->is_sandboxed);
    if (rv_str_is(item->key, "is_audited")) return take_truth(item, &ret->is_audited);
    if (rv_str_is(item->key, "oldest_ms")) return take_number(item, RV_AMOUNT_MAX, &ret->oldest_ms);
    bool is_count = rv_str_is(item->key, "recent") && take_number(item, UINT32_MAX, &number);
    ret->recent = (uint32_t)number;
    return is_count;
}

/* The tools that its node may use: `capabilities` of its body; a node that has none of its own may use all. */
static void take_capabilities(rv_arena *arena, const rv_run *run, rv_gate_request *ret)
{
    static const rv_str all[] = {RV_STR("*")};
    rv_json *body = NULL;
    rv_str text = rv_graph_str(rv_run_graph(run, ret->node), rv_run_def(run, ret->node)->body);
    const rv_json *list = rv_json_parse(arena, text, &body, NULL) == RV_OK ? rv_json_get(body, RV_STR("capabilities")) : NULL;
    ret->capabilities = all;
    ret->capability_count = 1;
    if (!list) return;
    rv_str *names = rv_arena_new(arena, rv_str, list->count + 1);
    ret->capability_count = 0;
    for (const rv_json *name = list->child; name; name = name->next) names[ret->capability_count++] = name->text;
    ret->capabilities = names;
}

static bool take_request(rv_arena *arena, const rv_run *run, const rv_event *input, rv_gate_request *ret)
{
    rv_json *value = NULL;
    *ret = (rv_gate_request){.verb = (rv_gate_verb)input->state, .node = input->node, .tool = input->key, .is_audited = true};
    if (input->state >= RV_GATE_VERB_COUNT || input->state == RV_GATE_VERB_SPAWN || input->state == RV_GATE_VERB_SUBMIT) return false;
    if (input->key.size == 0) return false;
    if (input->value.size == 0) return true;
    if (rv_json_parse(arena, input->value, &value, NULL) != RV_OK || value->kind != RV_JSON_OBJECT) return false;
    for (const rv_json *item = value->child; item; item = item->next)
        if (!take_member(item, ret)) return false;
    return true;
}

bool rv_ask_is_sound(const rv_run *run, const rv_event *input)
{
    rv_arena arena = {0};
    rv_gate_request request;
    bool is_sound = take_request(&arena, run, input, &request);
    rv_arena_deinit(&arena);
    return is_sound;
}

void rv_step_ask(rv_step *step)
{
    rv_arena arena = {0};
    rv_gate_request request;
    bool is_sound = take_request(&arena, step->run, step->input, &request);
    RV_ASSERT(is_sound); /* it was guarded */
    request.now = step->now;
    take_capabilities(&arena, step->run, &request);
    rv_gate_answer answer = rv_gate(step->run, &request);
    if (answer.kind != RV_GATE_ALLOW)
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_GATE, .node = request.node, .state = answer.kind, .key = rv_str_of(answer.stage),
                                       .text = rv_str_of(answer.reason)});
    rv_step_effect(step, RV_EFFECT_GATE, request.node, RV_DETAIL_NONE);
    rv_effect *effect = &step->out->effects.at[step->out->effects.count - 1];
    effect->state = answer.kind;
    effect->due_ms = answer.retry_after_ms ? rv_time_after(step->now.engine_ms, answer.retry_after_ms) : 0;
    rv_arena_deinit(&arena);
}
