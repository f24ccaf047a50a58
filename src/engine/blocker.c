#include "engine/inner.h"

/* Blockers: what people are asked, as rows and as notices; and their answers [K16, K60, P7]. A blocker's payload is
 * rendered once, when it opens; what was shown is kept, and a decision is for its digest. */

bool rv_blocker_is_for_people(rv_detail reason)
{
    return reason == RV_DETAIL_APPROVAL || reason == RV_DETAIL_INPUT || reason == RV_DETAIL_UNKNOWN_OUTCOME ||
           reason == RV_DETAIL_BUDGET;
}

static const char *kind_of(rv_detail reason)
{
    if (reason == RV_DETAIL_BUDGET) return "budget";
    return reason == RV_DETAIL_APPROVAL ? "approval" : reason == RV_DETAIL_INPUT ? "input" : "unknown_outcome";
}

static void make_payload(rv_job *job, uint32_t node, rv_detail reason, rv_buf *out)
{
    rv_value_scope scope = {.values = &job->values, .node = node};
    rv_question_payload(&scope, rv_job_body(job, node), reason, job->mask, out);
    rv_arena_clear(&job->engine->scratch);
}

/* A pause is the run's: whoever it is that waits first, its key is `budget`. A node's second question is ID@2: no id has an @, while
 * ID~2 is a node's second revision. */
static rv_str key_of(rv_job *job, uint32_t node, rv_detail reason, uint32_t revision)
{
    if (reason == RV_DETAIL_BUDGET) return RV_STR("budget");
    rv_str name = rv_job_node_id(job, node);
    return revision <= 1 ? name : rv_arena_printf(&job->arena, "%.*s@%u", RV_FMT(name), revision);
}

const rv_shown *rv_blocker_shown(rv_job *job, uint32_t node)
{
    for (uint32_t i = 0; i < job->shown.count; i++)
        if (job->shown.at[i].node == node) return &job->shown.at[i];
    return NULL;
}

rv_str rv_blocker_digest(rv_job *job, uint32_t node, rv_detail reason)
{
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_buf payload = {0};
    make_payload(job, node, reason, &payload);
    rv_digest_text(rv_sha256(rv_buf_str(&payload)), digest);
    rv_buf_deinit(&payload);
    return rv_arena_str(&job->arena, rv_str_of(digest));
}

static const rv_shown *show(rv_job *job, uint32_t node, rv_detail reason)
{
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_buf payload = {0};
    make_payload(job, node, reason, &payload);
    rv_digest_text(rv_sha256(rv_buf_str(&payload)), digest);
    rv_shown shown = {.node = node,
                      .payload = rv_arena_str(&job->arena, rv_buf_str(&payload)),
                      .digest = rv_arena_str(&job->arena, rv_str_of(digest)),
                      .opened_ms = rv_engine_now(job->engine).wall_ms};
    rv_buf_deinit(&payload);
    rv_vec_push(&job->shown, shown);
    return &job->shown.at[job->shown.count - 1];
}

static void forget(rv_job *job, uint32_t node)
{
    for (uint32_t i = 0; i < job->shown.count; i++)
        if (job->shown.at[i].node == node) job->shown.at[i--] = job->shown.at[--job->shown.count];
}

static void take_shown(rv_job *job, const rv_json *cells)
{
    int64_t opened_ms = 0;
    uint32_t node = rv_run_find(job->run, rv_json_at(cells, 0)->text);
    bool is_known = node != RV_NONE && rv_json_i64(rv_json_at(cells, 3), &opened_ms);
    if (is_known) rv_vec_push(&job->shown, ((rv_shown){node, rv_json_at(cells, 1)->text, rv_json_at(cells, 2)->text, opened_ms}));
}

rv_status rv_blocker_load(rv_job *job, rv_error *err)
{
    rv_buf lines = {0};
    bool is_cut;
    rv_str run = rv_str_of(job->id);
    rv_status status = rv_store_query(
        job->engine->config.store, RV_STR("SELECT node, payload, digest, opened_ms FROM blocker WHERE run = ?1 AND state = 'open'"),
        &run, 1, 0, &lines, &is_cut, err);
    rv_str rest = rv_arena_str(&job->arena, rv_buf_str(&lines));
    for (uint32_t line_number = 0; status == RV_OK && rest.size; line_number++) {
        size_t end = rv_str_find(rest, 0, '\n');
        rv_str line = end == SIZE_MAX ? rest : rv_str_cut(rest, 0, end);
        rv_json *cells = NULL;
        rest = end == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(rest, end + 1);
        if (line_number == 0 || !line.size) continue; /* the first one names the columns */
        status = rv_json_parse(&job->arena, line, &cells, err);
        if (status == RV_OK && cells->count == 4) take_shown(job, cells);
    }
    rv_buf_deinit(&lines);
    return status == RV_UNSUPPORTED ? RV_OK : status; /* a memory store has nothing to resume */
}

static rv_blocker_row row_of(rv_job *job, uint32_t node, rv_detail reason, const rv_shown *shown)
{
    uint32_t revision = job->blocker_revision[node];
    rv_now now = rv_engine_now(job->engine);
    int64_t due_ms = job->run->nodes[node].due_ms;
    return (rv_blocker_row){.run = rv_str_of(job->id),
                            .node = rv_job_node_id(job, node),
                            .kind = rv_str_of(kind_of(reason)),
                            .revision = revision,
                            .key = key_of(job, node, reason, revision),
                            .payload = shown->payload,
                            .digest = shown->digest,
                            .opened_ms = shown->opened_ms,
                            .deadline_ms = due_ms ? now.wall_ms + (due_ms - now.engine_ms) : 0};
}

void rv_blocker_open(rv_job *job, uint32_t node, rv_detail reason, rv_batch *batch)
{
    if (!rv_blocker_is_for_people(reason)) return;
    if (job->run->nodes[node].detail == RV_DETAIL_REPLAY) return; /* decided in the run that this one goes on from: closed already */
    if (batch) job->blocker_revision[node]++;
    if (batch && job->run->nodes[node].state != RV_NODE_WAITING) return; /* closed again in the same turn */
    if (batch) forget(job, node);
    const rv_shown *shown = rv_blocker_shown(job, node);
    if (!shown) shown = show(job, node, reason);
    rv_blocker_row row = row_of(job, node, reason, shown);
    row.state = RV_BLOCKER_OPEN;
    if (batch) rv_batch_blocker(batch, &row);
    rv_notice notice = {.type = NOTICE_BLOCKER, .job = job, .view = {.node = node, .name = row.key}, .retry_in_ms = row.deadline_ms};
    rv_engine_notice(job->engine, notice, row.payload, row.kind);
}

static void take_decision(rv_blocker_row *row, rv_arena *arena)
{
    rv_json *result = NULL;
    if (!row->answer.size || rv_json_parse(arena, row->answer, &result, NULL) != RV_OK || result->kind != RV_JSON_OBJECT) return;
    const rv_json *decision = rv_json_get(result, RV_STR("decision")), *by = rv_json_get(result, RV_STR("by")),
                  *comment = rv_json_get(result, RV_STR("comment"));
    if (decision) row->decision = decision->text;
    if (by) row->by = by->text;
    if (comment) row->comment = comment->text;
}

void rv_blocker_close(rv_job *job, uint32_t node, rv_detail reason, rv_batch *batch)
{
    rv_arena arena = {0};
    if (!rv_blocker_is_for_people(reason)) return;
    const rv_node_run *state = &job->run->nodes[node];
    bool is_kept = state->detail == RV_DETAIL_REPLAY; /* its row is written, so that a child of this run can keep it too */
    if (is_kept) job->blocker_revision[node]++;
    const rv_shown *shown = rv_blocker_shown(job, node);
    if (!shown) shown = show(job, node, reason);
    rv_blocker_row row = row_of(job, node, reason, shown);
    bool is_called_off = state->state == RV_NODE_CANCELLED || state->state == RV_NODE_SKIPPED ||
                         state->detail == RV_DETAIL_DEADLINE || state->detail == RV_DETAIL_TIMEOUT;
    row.state = is_called_off ? RV_BLOCKER_SUPERSEDED : RV_BLOCKER_RESOLVED;
    row.resolved_ms = rv_engine_now(job->engine).wall_ms;
    row.answer = rv_run_result(job->run, node);
    if (reason != RV_DETAIL_INPUT) take_decision(&row, &arena);
    if (reason == RV_DETAIL_BUDGET && !is_called_off) row.decision = RV_STR("there is enough");
    if (row.decision.size == 0) row.decision = is_called_off ? RV_STR("called off") : RV_STR("answered");
    rv_batch_blocker(batch, &row);
    if (!is_kept)
        rv_engine_notice(job->engine, (rv_notice){.type = NOTICE_UNBLOCKED, .job = job, .view = {.node = node, .name = row.key}},
                     row.decision, row.by);
    forget(job, node);
    rv_arena_deinit(&arena);
}

/* The end of a key's `@` and a number after it; 0 where it has none. */
static size_t split_revision(rv_str key, uint32_t *ret_revision)
{
    size_t at = key.size;
    uint32_t revision = 0;
    while (at > 0 && key.at[at - 1] != '@') at--;
    for (size_t i = at; i < key.size; i++) {
        if (key.at[i] < '0' || key.at[i] > '9' || revision > 1000000) return 0;
        revision = revision * 10 + (uint32_t)(key.at[i] - '0');
    }
    if (at > 0) *ret_revision = revision;
    return at;
}

uint32_t rv_blocker_find(rv_job *job, rv_str key, uint32_t *ret_revision)
{
    rv_run *run = job->run;
    uint32_t node = rv_run_find(run, key), revision = 0;
    size_t end = node == RV_NONE ? split_revision(key, &revision) : 0;
    if (end > 0) node = rv_run_find(run, rv_str_cut(key, 0, end - 1));
    bool is_pause = run->paused && rv_str_is(key, "budget") && (node == RV_NONE || run->nodes[node].state != RV_NODE_WAITING);
    for (uint32_t i = 0; i < run->node_count && is_pause; i++)
        if (run->nodes[i].state == RV_NODE_WAITING && run->nodes[i].detail == RV_DETAIL_BUDGET) node = i, is_pause = false;
    if (node != RV_NONE) *ret_revision = revision;
    return node;
}
