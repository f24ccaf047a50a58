#include "engine/inner.h"

/* Blockers: what people are asked, as rows and as notices; and their answers [K16, K60, P7]. A blocker's payload is
 * rendered from the definition and recorded values alone, so that it can be made again, byte for byte, for its digest. */

bool rv_blocker_is_for_people(rv_detail reason)
{
    return reason == RV_DETAIL_APPROVAL || reason == RV_DETAIL_INPUT || reason == RV_DETAIL_UNKNOWN_OUTCOME;
}

static const char *kind_of(rv_detail reason)
{
    return reason == RV_DETAIL_APPROVAL ? "approval" : reason == RV_DETAIL_INPUT ? "input" : "unknown_outcome";
}

void rv_blocker_payload(rv_job *job, uint32_t node, rv_detail reason, rv_buf *out)
{
    rv_value_scope scope = {.job = job, .node = node};
    rv_json_writer w;
    rv_error error = {0};
    const rv_json *body = rv_value_body(job, node);
    const rv_json *spec = rv_json_get(body, reason == RV_DETAIL_APPROVAL ? RV_STR("approve") : RV_STR("input"));
    rv_buf raw = {0};
    rv_json_writer_init(&w, &raw, 0);
    rv_jw_object(&w);
    for (const rv_json *item = spec ? spec->child : NULL; item; item = item->next) {
        rv_buf text = {0};
        rv_json_writer inner;
        rv_json_writer_init(&inner, &text, 0);
        rv_status status = rv_value_render_json(&scope, item, &inner, &error);
        rv_jw_key_str(&w, item->key);
        if (status == RV_OK) rv_jw_raw(&w, rv_buf_str(&text));
        else rv_jw_cstring(&w, error.text);
        rv_buf_deinit(&text);
    }
    if (reason == RV_DETAIL_UNKNOWN_OUTCOME) {
        rv_jw_kv_cstring(&w, "message", "It may have run, or run in part, when the machine or the engine died. Did it happen?");
        rv_jw_kv_i64(&w, "epoch", job->run->nodes[node].epoch);
    }
    rv_jw_object_end(&w);
    rv_mask_whole(job->mask, rv_buf_str(&raw), out);
    rv_buf_deinit(&raw);
    rv_arena_clear(&job->engine->scratch);
}

static rv_str key_of(rv_job *job, uint32_t node, uint32_t revision)
{
    rv_str name = rv_graph_name(job->graph, node);
    return revision <= 1 ? name : rv_arena_printf(&job->arena, "%.*s~%u", RV_FMT(name), revision);
}

static rv_blocker_row row_of(rv_job *job, uint32_t node, rv_detail reason, const rv_buf *payload, char digest[RV_DIGEST_TEXT_SIZE + 1])
{
    uint32_t revision = job->blocker_revision[node];
    rv_now now = rv_engine_now(job->engine);
    rv_digest_text(rv_sha256(rv_buf_str(payload)), digest);
    int64_t due_ms = job->run->nodes[node].due_ms;
    return (rv_blocker_row){.run = rv_str_of(job->id), .node = rv_graph_name(job->graph, node), .kind = rv_str_of(kind_of(reason)), .revision = revision,
                            .key = key_of(job, node, revision), .payload = rv_buf_str(payload), .digest = rv_str_of(digest),
                            .opened_ms = job->started_ms[node] ? job->started_ms[node] : now.wall_ms,
                            .deadline_ms = due_ms ? now.wall_ms + (due_ms - now.engine_ms) : 0};
}

void rv_blocker_open(rv_job *job, uint32_t node, rv_detail reason, rv_batch *batch, rv_flight *flight)
{
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_buf payload = {0};
    (void)flight;
    if (!rv_blocker_is_for_people(reason)) return;
    if (batch) job->blocker_revision[node]++;
    rv_blocker_payload(job, node, reason, &payload);
    rv_blocker_row row = row_of(job, node, reason, &payload, digest);
    row.state = RV_BLOCKER_OPEN;
    if (batch && job->run->nodes[node].state == RV_NODE_WAITING) rv_batch_blocker(batch, &row);
    rv_notice notice = {.type = NOTICE_BLOCKER, .job = job, .view = {.node = node, .name = row.key}, .retry_in_ms = row.deadline_ms};
    rv_engine_notice(job->engine, notice, rv_buf_str(&payload), row.kind);
    rv_buf_deinit(&payload);
}

void rv_blocker_close(rv_job *job, uint32_t node, rv_detail reason, rv_batch *batch, rv_flight *flight)
{
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_buf payload = {0};
    rv_arena arena = {0};
    rv_json *result = NULL;
    (void)flight;
    if (!rv_blocker_is_for_people(reason)) return;
    const rv_node_run *state = &job->run->nodes[node];
    rv_blocker_payload(job, node, reason, &payload);
    rv_blocker_row row = row_of(job, node, reason, &payload, digest);
    row.state = RV_BLOCKER_RESOLVED;
    row.resolved_ms = rv_engine_now(job->engine).wall_ms;
    row.answer = rv_run_result(job->run, node);
    bool is_called_off = state->state == RV_NODE_CANCELLED || state->state == RV_NODE_SKIPPED || state->detail == RV_DETAIL_DEADLINE || state->detail == RV_DETAIL_TIMEOUT;
    if (is_called_off) row.state = RV_BLOCKER_SUPERSEDED;
    if (row.answer.size && rv_json_parse(&arena, row.answer, &result, NULL) == RV_OK && result->kind == RV_JSON_OBJECT) {
        const rv_json *decision = rv_json_get(result, RV_STR("decision")), *by = rv_json_get(result, RV_STR("by")), *comment = rv_json_get(result, RV_STR("comment"));
        if (decision && reason != RV_DETAIL_INPUT) row.decision = decision->text;
        if (by && reason != RV_DETAIL_INPUT) row.by = by->text;
        if (comment && reason != RV_DETAIL_INPUT) row.comment = comment->text;
    }
    if (row.decision.size == 0) row.decision = is_called_off ? RV_STR("called off") : RV_STR("answered");
    rv_batch_blocker(batch, &row);
    rv_engine_notice(job->engine, (rv_notice){.type = NOTICE_UNBLOCKED, .job = job, .view = {.node = node, .name = row.key}}, row.decision, row.by);
    rv_buf_deinit(&payload);
    rv_arena_deinit(&arena);
}

uint32_t rv_blocker_find(rv_job *job, rv_str key, uint32_t *ret_revision)
{
    size_t tilde = rv_str_find(key, 0, '~');
    rv_str name = tilde == SIZE_MAX ? key : rv_str_cut(key, 0, tilde);
    *ret_revision = 0;
    for (size_t i = tilde == SIZE_MAX ? key.size : tilde + 1; i < key.size; i++) {
        if (key.at[i] < '0' || key.at[i] > '9' || *ret_revision > 1000000) return RV_NONE;
        *ret_revision = *ret_revision * 10 + (uint32_t)(key.at[i] - '0');
    }
    return rv_run_find(job->run, name);
}
