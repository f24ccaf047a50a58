#include "engine/describe.h"

/* What people are shown and what their words become [K16, P7]. */

/* What `approve --add` takes: as much again as the limit was, or what is missing when that is more. */
static void write_more(rv_json_writer *w, const rv_run *run, const rv_shortage *shortage)
{
    rv_buf text = {0};
    int64_t missing = shortage->wanted - shortage->left, more = RV_MAX(RV_MAX(run->limits.limit[shortage->dimension], missing), 1);
    rv_buf_printf(&text, "%s=", rv_dimension_name(shortage->dimension));
    if (shortage->dimension == RV_DIMENSION_TIME) rv_buf_printf(&text, "%lldms", (long long)more);
    else if (shortage->dimension != RV_DIMENSION_USD) rv_buf_printf(&text, "%lld", (long long)more);
    else rv_buf_printf(&text, "%lld.%06lld", (long long)(more / 1000000), (long long)(more % 1000000));
    while (shortage->dimension == RV_DIMENSION_USD && text.at[text.size - 1] == '0') text.size--;
    if (text.at[text.size - 1] == '.') text.size--;
    rv_jw_kv_str(w, "add", rv_buf_str(&text));
    rv_buf_deinit(&text);
}

/* What is missing, and how it is given. */
static void write_shortage(rv_json_writer *w, const rv_value_scope *scope)
{
    const rv_run *run = scope->values->run;
    int64_t wants[RV_DIMENSION_COUNT];
    rv_shortage shortage = {0};
    rv_buf text = {0}, left = {0}, wanted = {0};
    rv_budget_wants(run, scope->node, wants);
    if (rv_budget_fits(run, scope->node, wants, run->purse.since_ms, &shortage)) return;
    rv_budget_words(shortage.dimension, shortage.left, &left);
    rv_budget_words(shortage.dimension, shortage.wanted, &wanted);
    rv_buf_cstring(&text, "The budget does not do for ");
    rv_run_id(run, scope->node, &text);
    rv_str group = run->graph->budget ? rv_graph_str(run->graph, run->graph->budgets[run->graph->budget - 1].group) : RV_STR("");
    if (group.size && shortage.owner == RV_NONE) rv_buf_printf(&text, ", with the other runs of the group %.*s", RV_FMT(group));
    rv_buf_printf(&text, ": %s left, %s needed.", left.at, wanted.at);
    rv_jw_kv_str(w, "message", rv_buf_str(&text));
    rv_jw_kv_cstring(w, "dimension", rv_dimension_name(shortage.dimension));
    write_more(w, run, &shortage);
    rv_buf_deinit(&text);
    rv_buf_deinit(&left);
    rv_buf_deinit(&wanted);
}

void rv_question_payload(const rv_value_scope *scope, const rv_json *body, rv_detail reason, const rv_mask *mask, rv_buf *out)
{
    rv_json_writer w;
    rv_error error = {0};
    const rv_json *spec = rv_json_get(body, reason == RV_DETAIL_APPROVAL ? RV_STR("approve") : RV_STR("input"));
    if (reason == RV_DETAIL_BUDGET) spec = NULL;
    rv_buf raw = {0};
    rv_json_writer_init(&w, &raw, 0);
    rv_jw_object(&w);
    for (const rv_json *item = spec ? spec->child : NULL; item; item = item->next) {
        rv_buf text = {0};
        rv_json_writer inner;
        rv_json_writer_init(&inner, &text, 0);
        rv_status status = rv_value_render_json(scope, item, &inner, &error);
        rv_jw_key_str(&w, item->key);
        if (status == RV_OK) rv_jw_raw(&w, rv_buf_str(&text));
        else rv_jw_cstring(&w, error.text);
        rv_buf_deinit(&text);
    }
    if (reason == RV_DETAIL_APPROVAL && !spec) /* revise.at_max: ask */
        rv_jw_kv_cstring(&w, "message", "It was revised as often as `revise.max` allows, and its condition still holds. Take it as it is?");
    if (reason == RV_DETAIL_BUDGET) write_shortage(&w, scope);
    if (reason == RV_DETAIL_UNKNOWN_OUTCOME) {
        rv_jw_kv_cstring(&w, "message", "It may have run, or run in part, when the machine or the engine died. Did it happen?");
        rv_jw_kv_i64(&w, "epoch", scope->values->run->nodes[scope->node].epoch);
    }
    rv_jw_object_end(&w);
    rv_mask_whole(mask, rv_buf_str(&raw), out);
    rv_buf_deinit(&raw);
}

void rv_question_decision(rv_decision decision, rv_str by, rv_str comment, rv_buf *out)
{
    static const char *const words[] = {"approved", "rejected", "done", "failed", "again"};
    rv_json_writer w;
    RV_ASSERT((size_t)decision < RV_COUNT(words));
    rv_json_writer_init(&w, out, 0);
    rv_jw_object(&w);
    rv_jw_kv_cstring(&w, "decision", words[decision]);
    rv_jw_kv_str(&w, "by", by);
    if (comment.size) rv_jw_kv_str(&w, "comment", comment);
    rv_jw_object_end(&w);
}

rv_status rv_question_answer(const rv_json *body, rv_str value_json, rv_buf *out, rv_error *err)
{
    rv_arena arena = {0};
    rv_json *value = NULL;
    rv_buf violations = {0};
    rv_status status = rv_json_parse(&arena, value_json, &value, err);
    const rv_json *spec = rv_json_get(body, RV_STR("input"));
    const rv_json *schema = spec ? rv_json_get(spec, RV_STR("schema")) : NULL;
    if (status == RV_OK && value_json.size > RV_RESULT_SIZE_MAX) status = rv_error_set(err, RV_LIMIT, "the answer is over 1 MiB");
    if (status == RV_OK && schema && !rv_schema_check(schema, value, &violations))
        status = rv_error_set(err, RV_INVALID, "the answer does not fit: %.*s", RV_FMT(rv_buf_str(&violations)));
    if (status == RV_OK) {
        rv_buf_cstring(out, "{\"value\":");
        rv_buf_str_add(out, value_json);
        rv_buf_byte(out, '}');
    }
    rv_buf_deinit(&violations);
    rv_arena_deinit(&arena);
    return status;
}

bool rv_result_fits(const rv_json *body, rv_str result, rv_buf *out)
{
    const rv_json *schema = rv_json_get(body, RV_STR("output_schema"));
    rv_arena arena = {0};
    rv_json *value = NULL;
    if (!schema) return true;
    rv_status status = rv_json_parse(&arena, result.size ? result : RV_STR("null"), &value, NULL);
    RV_ASSERT(status == RV_OK); /* who has a result has parsed it */
    bool is_good = rv_schema_check(schema, value, out);
    rv_arena_deinit(&arena);
    return is_good;
}
