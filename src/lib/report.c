#include "lib/report.h"

#include "kernel/termination.h"

rv_status rv_report_value(rv_arena *arena, rv_str json, rv_json **ret, rv_error *err)
{
    rv_error parse;
    if (json.size == 0) return RV_OK;
    if (json.size > RV_RESULT_SIZE_MAX) return rv_error_set(err, RV_LIMIT, "`value` is over 1 MiB; give large things as artifacts");
    if (rv_json_parse(arena, json, ret, &parse) != RV_OK) return rv_error_set(err, RV_INVALID, "`value`: %s", parse.text);
    return RV_OK;
}

/* ---- what an executor reports, as a command would have written it to $REEVE_OUTPUT ---- */

static void put_reports(const reeve_event *event, rv_json_writer *w)
{
    if (event->turns >= 0) rv_jw_kv_i64(w, "turns", event->turns);
    if (event->tokens_in >= 0) rv_jw_kv_i64(w, "tokens_in", event->tokens_in);
    if (event->tokens_out >= 0) rv_jw_kv_i64(w, "tokens_out", event->tokens_out);
    if (event->tokens_cached >= 0) rv_jw_kv_i64(w, "tokens_cached", event->tokens_cached);
    if (event->cost_usd >= 0) rv_jw_key(w, "cost_usd"), rv_jw_double(w, event->cost_usd);
    if (event->goes_on >= 0) rv_jw_kv_bool(w, "continue", event->goes_on != 0);
    if (event->branch) rv_jw_kv_cstring(w, "branch", event->branch);
    if (event->winner) rv_jw_kv_cstring(w, "winner", event->winner);
}

static bool has_reports(const reeve_event *event)
{
    return event->turns >= 0 || event->tokens_in >= 0 || event->tokens_out >= 0 || event->tokens_cached >= 0 || event->cost_usd >= 0 ||
           event->goes_on >= 0 || event->branch || event->winner;
}

rv_status rv_report_result(rv_arena *arena, const reeve_event *event, const rv_json *value, rv_str *ret, rv_error *err)
{
    rv_buf reports = {0}, out = {0};
    rv_json_writer w;
    rv_json *laid = NULL;
    if (!has_reports(event)) return RV_OK;
    if (value && value->kind != RV_JSON_OBJECT)
        return rv_error_set(err, RV_INVALID, "`value` is no object: turns, tokens, cost, continue, branch and winner have no place in it");
    rv_json_writer_init(&w, &reports, 0);
    rv_jw_object(&w);
    put_reports(event, &w);
    rv_jw_object_end(&w);
    rv_status status = rv_json_parse(arena, rv_buf_str(&reports), &laid, err);
    rv_json_writer_init(&w, &out, 0);
    rv_jw_object(&w);
    for (const rv_json *item = status == RV_OK && value ? value->child : NULL; item; item = item->next) {
        rv_buf text = {0};
        if (rv_json_get(laid, item->key)) continue;
        rv_json_write(&text, item, false);
        rv_jw_key_str(&w, item->key);
        rv_jw_raw(&w, rv_buf_str(&text));
        rv_buf_deinit(&text);
    }
    if (status == RV_OK) put_reports(event, &w);
    rv_jw_object_end(&w);
    if (status == RV_OK && out.size > RV_RESULT_SIZE_MAX)
        status = rv_error_set(err, RV_LIMIT, "`value` with what is reported is over 1 MiB");
    if (status == RV_OK) *ret = rv_arena_str(arena, rv_buf_str(&out));
    rv_buf_deinit(&reports);
    rv_buf_deinit(&out);
    return status;
}

rv_status rv_report_termination(const reeve_event *event, rv_event *ret, rv_error *err)
{
    bool has_ended_badly = event->signal > 0 || event->exit_status > 0;
    rv_termination termination = event->termination ? rv_termination_find(rv_str_of(event->termination))
                                 : has_ended_badly ? RV_TERMINATION_ERROR : RV_TERMINATION_COMPLETED;
    if (termination == RV_TERMINATION_COUNT)
        return rv_error_set(err, RV_INVALID, "there is no termination `%s`; docs/kernel-protocol.md lists them", event->termination);
    ret->state = rv_termination_state(termination);
    ret->detail = rv_termination_detail(termination);
    if (ret->detail == RV_DETAIL_EXIT && event->signal > 0) ret->detail = RV_DETAIL_SIGNAL;
    if (event->state) ret->state = rv_event_state_find(RV_EVENT_COMPLETED, rv_str_of(event->state));
    if (ret->state == RV_NONE) return rv_error_set(err, RV_INVALID, "an attempt has no state `%s`", event->state);
    if (event->state && !event->termination) {
        bool is_error = ret->state == RV_ATTEMPT_ERROR;
        ret->detail = is_error && event->signal > 0 ? RV_DETAIL_SIGNAL : is_error ? RV_DETAIL_EXIT
                      : ret->state == RV_ATTEMPT_TIMEOUT ? RV_DETAIL_TIMEOUT : ret->state == RV_ATTEMPT_DENIED ? RV_DETAIL_DENIED
                      : ret->state == RV_ATTEMPT_CANCELLED ? RV_DETAIL_SIGNALLED : RV_DETAIL_NONE;
    }
    if (event->detail) ret->detail = rv_event_detail_find(rv_str_of(event->detail));
    return ret->detail == RV_NONE ? rv_error_set(err, RV_INVALID, "there is no detail `%s`", event->detail) : RV_OK;
}
