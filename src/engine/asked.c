#include "engine/asked.h"

void rv_asked_deinit(rv_asked_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) rv_free(list->at[i].key);
    rv_vec_deinit(list);
}

void rv_asked_keep(rv_asked_list *list, rv_gate_verb verb, rv_str key, int64_t at_ms)
{
    if (list->count == RV_ASKED_MAX) {
        uint32_t half = list->count / 2;
        for (uint32_t i = 0; i < half; i++) rv_free(list->at[i].key);
        list->count -= half;
        memmove(list->at, list->at + half, sizeof *list->at * list->count);
    }
    rv_vec_push(list, ((rv_asked){at_ms, verb, rv_cstring_dup(key)}));
}

/* A plain allow is recorded by nothing but its ASK: no GATE follows. */
void rv_asked_replay(rv_asked_list *list, rv_str body, uint32_t event_count, int64_t at_ms)
{
    const char *at = body.at, *end = body.at + body.size;
    rv_event event, asked = {.type = RV_EVENT_TYPE_MAX};
    for (uint32_t i = 0; i <= event_count; i++) {
        bool is_there = i < event_count && rv_event_read(&at, end, &event, NULL) == RV_OK;
        if (asked.type == RV_EVENT_ASK && !(is_there && event.type == RV_EVENT_GATE))
            rv_asked_keep(list, (rv_gate_verb)asked.state, asked.key, at_ms);
        if (!is_there) return;
        if (event.type == RV_EVENT_CLOCK) at_ms = event.due_ms;
        asked = event;
    }
}

/* How often the same was allowed in the window that ends now: writes to memory of the whole run, calls of one tool. */
static uint32_t recent_of(const rv_asked_list *list, const rv_event *ask, int64_t now_ms, int64_t window_ms, int64_t *ret_oldest_ms)
{
    uint32_t count = 0;
    for (uint32_t i = list->count; i-- > 0 && list->at[i].at_ms > now_ms - window_ms;) {
        const rv_asked *asked = &list->at[i];
        bool is_same = asked->verb == ask->state && (ask->state == RV_GATE_VERB_MEMORY_WRITE || rv_str_is(ask->key, asked->key));
        if (is_same) *ret_oldest_ms = asked->at_ms;
        count += is_same;
    }
    return count;
}

rv_status rv_asked_complete(const rv_asked_list *list, const rv_run *run, int64_t now_ms, rv_arena *arena, rv_event *ask, rv_error *err)
{
    rv_json *value = NULL;
    int64_t window_ms = run->limits.window_ms, oldest_ms = 0;
    rv_str given = ask->value.size ? ask->value : RV_STR("{}");
    if (given.size > RV_RESULT_SIZE_MAX) return rv_error_set(err, RV_LIMIT, "`value` is over 1 MiB");
    rv_error parse;
    if (rv_json_parse(arena, given, &value, &parse) != RV_OK) return rv_error_set(err, RV_INVALID, "`value`: %s", parse.text);
    if (value->kind != RV_JSON_OBJECT) return rv_error_set(err, RV_INVALID, "ask: `value` is an object");
    if (rv_json_get(value, RV_STR("recent")) || rv_json_get(value, RV_STR("oldest_ms")))
        return rv_error_set(err, RV_INVALID, "ask: `recent` and `oldest_ms` are counted by the kernel");
    const rv_json *rate = ask->state == RV_GATE_VERB_TOOL ? rv_json_get(value, RV_STR("rate")) : NULL;
    const rv_json *window = rate ? rv_json_get(rate, RV_STR("window_ms")) : NULL;
    if (rate && !(window && rv_json_i64(window, &window_ms) && window_ms >= 0))
        return rv_error_set(err, RV_INVALID, "ask: `rate` wants {\"max\": 5, \"window_ms\": 1000}");
    rv_buf text = {0};
    uint32_t recent = recent_of(list, ask, now_ms, window_ms, &oldest_ms);
    rv_json_write(&text, value, false);
    text.size--;
    rv_buf_printf(&text, "%s\"recent\":%u,\"oldest_ms\":%lld}", value->count ? "," : "", recent, (long long)oldest_ms);
    ask->value = rv_arena_str(arena, rv_buf_str(&text));
    rv_buf_deinit(&text);
    return RV_OK;
}

rv_status rv_asked_check(const rv_run *run, const rv_event *ask, rv_error *err)
{
    if (rv_ask_is_sound(run, ask)) return RV_OK;
    return rv_error_set(err, RV_INVALID, "ask: `state` is tool, memory_read, memory_write or artifact_read, `key` its name, and `value` "
                        "has constraint, veto, permission (allow, deny, ask), rate, writes, is_sandboxed, is_audited");
}

bool rv_asked_answer(rv_str events, rv_event *ret)
{
    const char *at = events.at, *end = events.at + events.size;
    while (at < end && rv_event_read(&at, end, ret, NULL) == RV_OK)
        if (ret->type == RV_EVENT_GATE) return true;
    return false;
}
