/* show_json.c: `reeve show --json`; the shape is in docs/json.md. */
#include "cli/report.h"
#include "kernel/gate.h"

static void time_member(rv_json_writer *w, const char *key, int64_t wall_ms)
{
    if (wall_ms) rv_jw_kv_i64(w, key, wall_ms);
}

static void text_member(rv_json_writer *w, const char *key, rv_str text)
{
    if (text.size) rv_jw_kv_str(w, key, text);
}

static void facts_members(rv_json_writer *w, const rv_outcome_facts *facts)
{
    text_member(w, "detail", facts->detail);
    text_member(w, "root", facts->root);
    text_member(w, "error", facts->error);
    if (facts->exit_status >= 0) rv_jw_kv_i64(w, "exit_status", facts->exit_status);
    if (facts->signal > 0) rv_jw_kv_i64(w, "signal", facts->signal);
}

/* Micro-dollars and tokens that attempts reported; of a node with all that is beneath it. */
static void spent_members(rv_json_writer *w, const rv_report *r, uint32_t node)
{
    rv_purse purse = r->run ? rv_run_purse(r->run, node) : (rv_purse){0};
    if (purse.spent[RV_DIMENSION_USD] > 0) rv_jw_kv_i64(w, "spent_micro_usd", purse.spent[RV_DIMENSION_USD]);
    if (purse.spent[RV_DIMENSION_TOKENS] > 0) rv_jw_kv_i64(w, "spent_tokens", purse.spent[RV_DIMENSION_TOKENS]);
    if (purse.cached > 0) rv_jw_kv_i64(w, "tokens_cached", purse.cached);
}

static void run_members(rv_json_writer *w, const rv_report *r)
{
    rv_jw_kv_str(w, "run", r->id);
    rv_jw_kv_str(w, "name", r->name);
    rv_jw_kv_str(w, "workflow", r->workflow);
    rv_jw_kv_str(w, "status", r->status);
    rv_jw_kv_str(w, "interaction", r->interaction);
    rv_jw_kv_bool(w, "is_live", r->is_live);
    text_member(w, "file", r->file);
    text_member(w, "dir", r->dir);
    text_member(w, "resumed_from", r->resumed_from);
    time_member(w, "created_ms", r->created_ms);
    time_member(w, "started_ms", r->started_ms);
    time_member(w, "ended_ms", r->ended_ms);
    if (r->ended_ms) rv_jw_kv_i64(w, "exit_status", r->exit_status);
    rv_jw_key(w, "counts");
    rv_jw_object(w);
    for (uint32_t state = 0; state < RV_NODE_STATE_COUNT; state++)
        if (r->counts[state]) rv_jw_kv_i64(w, rv_node_state_name((rv_node_state)state), r->counts[state]);
    rv_jw_object_end(w);
    rv_jw_kv_i64(w, "wall_ms", r->wall_ms);
    rv_jw_kv_i64(w, "busy_ms", r->busy_ms);
    rv_jw_kv_i64(w, "parallel_max", r->peak);
    spent_members(w, r, RV_NONE);
}

/* What a child is to its controller. */
static void place_members(rv_json_writer *w, const rv_report *r, uint32_t n)
{
    const rv_place *place = rv_run_place(r->run, n);
    if (place->role == RV_SCOPE_FILE || place->role == RV_SCOPE_HANDLERS) return;
    if (place->parent != RV_NONE) rv_jw_kv_str(w, "parent", r->nodes[place->parent].name);
    rv_jw_kv_cstring(w, "role", rv_scope_role_name((rv_scope_role)place->role));
    if (place->role != RV_SCOPE_JUDGE) {
        rv_jw_kv_i64(w, "ordinal", place->ordinal);
        return;
    }
    rv_jw_kv_i64(w, "round", RV_MATCH_ROUND(place->ordinal));
    rv_jw_kv_i64(w, "match", RV_MATCH_NUMBER(place->ordinal));
    rv_jw_kv_i64(w, "judge", RV_MATCH_JUDGE(place->ordinal));
    rv_jw_kv_bool(w, "is_swapped", RV_MATCH_SWAPPED(place->ordinal));
}

static void controller_members(rv_json_writer *w, const rv_report *r, uint32_t n)
{
    rv_buf words = {0};
    const rv_control *control = rv_report_control(r, n);
    if (!control) return;
    rv_report_controller_words(r, n, &words);
    rv_jw_kv_i64(w, "children", control->places.count);
    text_member(w, "summary", rv_buf_str(&words));
    rv_buf_deinit(&words);
    if (!rv_bracket_is_there(r, n)) return;
    rv_jw_key(w, "bracket");
    rv_bracket_json(r, n, w);
}

static bool is_wanted(const rv_report *r, uint32_t node, uint32_t only)
{
    return only == RV_NONE || rv_report_is_within(r, node, only);
}

static void nodes_member(rv_json_writer *w, const rv_report *r, uint32_t only)
{
    rv_jw_key(w, "nodes");
    rv_jw_array(w);
    for (uint32_t n = 0; n < r->node_count; n++) {
        const rv_report_node *node = &r->nodes[n];
        if (!is_wanted(r, n, only)) continue;
        rv_jw_object(w);
        rv_jw_kv_str(w, "node", node->name);
        rv_jw_kv_str(w, "kind", node->kind);
        rv_jw_kv_cstring(w, "state", rv_node_state_name(node->facts.state));
        facts_members(w, &node->facts);
        rv_jw_kv_i64(w, "attempts", node->attempts);
        time_member(w, "ready_ms", node->ready_ms);
        time_member(w, "started_ms", node->started_ms);
        time_member(w, "ended_ms", node->ended_ms);
        spent_members(w, r, n);
        if (r->run && rv_run_is_quarantined(r->run, n)) rv_jw_kv_bool(w, "is_quarantined", true);
        place_members(w, r, n);
        controller_members(w, r, n);
        rv_jw_object_end(w);
    }
    rv_jw_array_end(w);
}

static void attempts_member(rv_json_writer *w, const rv_report *r, uint32_t only)
{
    rv_jw_key(w, "attempts");
    rv_jw_array(w);
    for (uint32_t i = 0; i < r->attempt_count; i++) {
        const rv_report_attempt *a = &r->attempts[i];
        if (!is_wanted(r, a->node, only)) continue;
        rv_jw_object(w);
        rv_jw_kv_str(w, "node", r->nodes[a->node].name);
        rv_jw_kv_i64(w, "attempt", a->number);
        rv_jw_kv_i64(w, "epoch", a->epoch);
        rv_jw_kv_str(w, "state", a->state);
        facts_members(w, &a->facts);
        time_member(w, "started_ms", a->started_ms);
        time_member(w, "ended_ms", a->ended_ms);
        rv_jw_key(w, "stdout_size");
        rv_jw_u64(w, a->stdout_size);
        rv_jw_key(w, "stderr_size");
        rv_jw_u64(w, a->stderr_size);
        rv_jw_key(w, "user_us");
        rv_jw_u64(w, a->user_us);
        rv_jw_key(w, "system_us");
        rv_jw_u64(w, a->system_us);
        rv_jw_key(w, "rss_max");
        rv_jw_u64(w, a->rss_max);
        rv_jw_object_end(w);
    }
    rv_jw_array_end(w);
}

static void blockers_member(rv_json_writer *w, const rv_report *r)
{
    rv_jw_key(w, "blockers");
    rv_jw_array(w);
    for (uint32_t i = 0; i < r->blocker_count; i++) {
        const rv_report_blocker *b = &r->blockers[i];
        rv_jw_object(w);
        rv_jw_kv_str(w, "key", b->key);
        rv_jw_kv_str(w, "kind", b->kind);
        rv_jw_kv_str(w, "state", b->state);
        rv_jw_key(w, "payload");
        if (b->payload.size) rv_jw_raw(w, b->payload);
        else rv_jw_null(w);
        text_member(w, "decision", b->decision);
        text_member(w, "by", b->by);
        text_member(w, "comment", b->comment);
        time_member(w, "opened_ms", b->opened_ms);
        time_member(w, "resolved_ms", b->resolved_ms);
        rv_jw_object_end(w);
    }
    rv_jw_array_end(w);
}

static void rest_members(rv_json_writer *w, const rv_report *r)
{
    rv_jw_key(w, "artifacts");
    rv_jw_array(w);
    for (uint32_t i = 0; i < r->artifact_count; i++) {
        const rv_report_artifact *a = &r->artifacts[i];
        rv_jw_object(w);
        rv_jw_kv_str(w, "node", a->node);
        rv_jw_kv_str(w, "name", a->name);
        rv_jw_kv_str(w, "digest", a->digest);
        text_member(w, "media_type", a->media_type);
        uint32_t maker = rv_report_find(r, a->node);
        if (maker != RV_NONE && rv_run_is_quarantined(r->run, maker)) rv_jw_kv_bool(w, "is_quarantined", true);
        rv_jw_key(w, "size");
        rv_jw_u64(w, a->size);
        rv_jw_object_end(w);
    }
    rv_jw_array_end(w);
    rv_jw_key(w, "failed");
    rv_jw_array(w);
    for (uint32_t n = 0; n < r->node_count; n++) {
        const rv_report_node *node = &r->nodes[n];
        if (!rv_report_is_root(r, n)) continue;
        rv_buf why = {0};
        rv_words_why(&why, &node->facts);
        rv_jw_object(w);
        rv_jw_kv_str(w, "node", node->name);
        rv_jw_kv_str(w, "why", rv_buf_str(&why));
        rv_jw_kv_i64(w, "caused", r->caused[n]);
        rv_jw_object_end(w);
        rv_buf_deinit(&why);
    }
    rv_jw_array_end(w);
    rv_jw_key(w, "critical_path");
    rv_jw_array(w);
    for (uint32_t i = 0; i < r->path_count; i++) rv_jw_str(w, r->nodes[r->path[i]].name);
    rv_jw_array_end(w);
}

void rv_report_json(const rv_report *r, uint32_t only)
{
    rv_buf out = {0};
    rv_json_writer w;
    rv_cli_json_begin(&w, &out);
    run_members(&w, r);
    nodes_member(&w, r, only);
    attempts_member(&w, r, only);
    blockers_member(&w, r);
    rest_members(&w, r);
    rv_cli_json_end(&w);
}
