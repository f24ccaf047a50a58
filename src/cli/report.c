#include "cli/report.h"
#include "cli/select.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "blob/blob.h"

#define TAIL_SIZE_MAX (64u * 1024)

/* ---- rows ---- */

static rv_status read_run(rv_session *session, rv_report *r, rv_error *err)
{
    static const char sql[] = "select run.id, run.name, run.status, run.interaction, run.workflow_hash, run.file, run.dir, "
                              "run.resumed_from, run.created_ms, "
                              "run.started_ms, run.ended_ms, run.exit_status from run where run.id = ?1";
    rv_rows rows;
    rv_row row;
    rv_str bound[] = {rv_buf_str(&session->run)};
    rv_status status = rv_session_query(session, sql, bound, 1, 1, &rows, err);
    if (status) return status;
    if (!rv_rows_next(&rows, &row)) return rv_error_set(err, RV_NOT_FOUND, "there is no run %s in this store", session->run.at);
    rv_str *texts[] = {&r->id, &r->name, &r->status, &r->interaction, &r->workflow, &r->file, &r->dir, &r->resumed_from};
    for (uint32_t i = 0; i < RV_COUNT(texts); i++) *texts[i] = rv_row_str(&row, i);
    r->created_ms = rv_row_i64(&row, 8);
    r->started_ms = rv_row_i64(&row, 9);
    r->ended_ms = rv_row_i64(&row, 10);
    r->exit_status = rv_row_i64(&row, 11);
    return RV_OK;
}

/* The state as the journal tells it. One that cannot be replayed is told by what the rows say of the file's own nodes. */
static rv_status read_state(rv_session *session, rv_report *r, rv_error *err)
{
    rv_status status = rv_history_open(session->client, r->id, &r->history, err);
    if (status) return status;
    r->spec = rv_history_spec(r->history);
    if (rv_history_read(r->history, NULL, NULL, &r->broken) == RV_OK) r->run = rv_history_run(r->history, &r->broken);
    if (!r->run) r->run = r->run_bare = rv_run_new(&r->spec->graph);
    return RV_OK;
}

static void make_nodes(rv_report *r)
{
    const rv_run *run = r->run;
    r->node_count = run->node_count;
    r->nodes = rv_arena_new(r->arena, rv_report_node, run->node_count + 1);
    for (uint32_t n = 0; n < run->node_count; n++) {
        uint32_t parent = rv_run_place(run, n)->parent;
        rv_node_state state = (rv_node_state)run->nodes[n].state;
        r->nodes[n] = (rv_report_node){.name = rv_run_id_in(run, n, r->arena),
                                       .kind = rv_str_of(rv_kind_name(rv_run_kind(run, n))),
                                       .facts = {.exit_status = -1, .signal = -1},
                                       .log_last = UINT64_MAX,
                                       .parent = parent,
                                       .depth = parent == RV_NONE ? 0 : r->nodes[parent].depth + 1};
        r->nodes[n].facts.state = state == RV_NODE_RUNNING ? RV_NODE_READY : state; /* a start ahead of a slot has no row yet */
    }
}

/* 2^64-1 is stored as -1. */
static uint64_t log_offset(rv_report *r, rv_str text)
{
    long long offset = text.size ? strtoll(rv_arena_cstring(r->arena, text), NULL, 10) : -1;
    return offset < 0 ? UINT64_MAX : (uint64_t)offset;
}

static rv_status read_nodes(rv_session *session, rv_report *r, rv_error *err)
{
    static const char sql[] =
        "select \"index\", state, detail, root, error, attempts, ready_ms, started_ms, ended_ms, case kind when 'classify' then "
        "json_extract(nullif(result, ''), '$.branch') when 'loop' then cast(json_extract(nullif(result, ''), '$.exhausted') as text) end, "
        "cast(log_last as text) from node where run = ?1";
    rv_rows rows;
    rv_row row;
    rv_str bound[] = {rv_buf_str(&session->run)};
    rv_status status = rv_session_query(session, sql, bound, 1, 0, &rows, err);
    if (status) return status;
    while (rv_rows_next(&rows, &row)) {
        int64_t index = rv_row_i64(&row, 0);
        if (index < 0 || index >= r->node_count) continue;
        rv_report_node *node = &r->nodes[index];
        node->has_row = true;
        node->facts.state = rv_cli_node_state(rv_row_str(&row, 1));
        node->facts.detail = rv_row_str(&row, 2);
        node->facts.root = rv_row_str(&row, 3);
        node->facts.error = rv_row_str(&row, 4);
        node->attempts = (uint32_t)rv_row_i64(&row, 5);
        node->ready_ms = rv_row_i64(&row, 6);
        node->started_ms = rv_row_i64(&row, 7);
        node->ended_ms = rv_row_i64(&row, 8);
        node->note = rv_row_str(&row, 9);
        node->log_last = log_offset(r, rv_row_str(&row, 10));
    }
    for (uint32_t n = 0; n < r->node_count; n++)
        if (!rv_run_is_handler(r->run, n)) r->counts[r->nodes[n].facts.state]++;
    return RV_OK;
}

static rv_status read_attempts(rv_session *session, rv_report *r, rv_error *err)
{
    static const char sql[] = "select node_index, number, epoch, state, detail, error, exit_status, signal, started_ms, "
                              "ended_ms, stdout_size, stderr_size, user_us, "
                              "system_us, rss_max, cast(log_last as text) from attempt where run = ?1 order by started_ms, epoch";
    rv_rows rows;
    rv_row row;
    rv_str bound[] = {rv_buf_str(&session->run)};
    rv_status status = rv_session_query(session, sql, bound, 1, 0, &rows, err);
    if (status) return status;
    r->attempts = rv_arena_new(r->arena, rv_report_attempt, rows.count + 1);
    while (rv_rows_next(&rows, &row)) {
        rv_report_attempt *a = &r->attempts[r->attempt_count++];
        a->node = (uint32_t)rv_row_i64(&row, 0);
        a->number = (uint32_t)rv_row_i64(&row, 1);
        a->epoch = (uint32_t)rv_row_i64(&row, 2);
        a->state = rv_row_str(&row, 3);
        bool is_good = rv_str_is(a->state, "ok") || rv_str_is(a->state, "partial");
        a->facts = (rv_outcome_facts){.state = is_good ? RV_NODE_SUCCEEDED : RV_NODE_FAILED, .detail = rv_row_str(&row, 4),
                                      .error = rv_row_str(&row, 5), .exit_status = rv_row_i64(&row, 6), .signal = rv_row_i64(&row, 7)};
        a->started_ms = rv_row_i64(&row, 8);
        a->ended_ms = rv_row_i64(&row, 9);
        uint64_t *sizes[] = {&a->stdout_size, &a->stderr_size, &a->user_us, &a->system_us, &a->rss_max};
        for (uint32_t i = 0; i < RV_COUNT(sizes); i++) *sizes[i] = (uint64_t)rv_row_i64(&row, 10 + i);
        a->log_last = log_offset(r, rv_row_str(&row, 15));
        if (a->node >= r->node_count) {
            r->attempt_count--;
            continue;
        }
        rv_report_node *node = &r->nodes[a->node];
        node->facts.exit_status = a->facts.exit_status;
        node->facts.signal = a->facts.signal;
        if (a->log_last != UINT64_MAX) node->log_last = a->log_last;
    }
    return RV_OK;
}

static rv_status read_blockers(rv_session *session, rv_report *r, rv_error *err)
{
    rv_rows rows;
    rv_row row;
    rv_str bound[] = {rv_buf_str(&session->run)};
    rv_status status = rv_session_query(session,
                                        "select key, kind, payload, state, decision, by, comment, opened_ms, resolved_ms from "
                                        "blocker where run = ?1 order by opened_ms",
                                        bound, 1, 0, &rows, err);
    if (status) return status;
    r->blockers = rv_arena_new(r->arena, rv_report_blocker, rows.count + 1);
    while (rv_rows_next(&rows, &row)) {
        rv_report_blocker *b = &r->blockers[r->blocker_count++];
        rv_str *texts[] = {&b->key, &b->kind, &b->payload, &b->state, &b->decision, &b->by, &b->comment};
        for (uint32_t i = 0; i < RV_COUNT(texts); i++) *texts[i] = rv_row_str(&row, i);
        b->opened_ms = rv_row_i64(&row, 7);
        b->resolved_ms = rv_row_i64(&row, 8);
    }
    return RV_OK;
}

static rv_status read_artifacts(rv_session *session, rv_report *r, rv_error *err)
{
    rv_rows rows;
    rv_row row;
    rv_str bound[] = {rv_buf_str(&session->run)};
    rv_status status =
        rv_session_query(session, "select node, name, digest, media_type, size from artifact where run = ?1 order by node, name",
                         bound, 1, 0, &rows, err);
    if (status) return status;
    r->artifacts = rv_arena_new(r->arena, rv_report_artifact, rows.count + 1);
    while (rv_rows_next(&rows, &row))
        r->artifacts[r->artifact_count++] = (rv_report_artifact){rv_row_str(&row, 0), rv_row_str(&row, 1), rv_row_str(&row, 2),
                                                                 rv_row_str(&row, 3), (uint64_t)rv_row_i64(&row, 4)};
    return RV_OK;
}

/* ---- what follows from them ---- */

int64_t rv_report_took_ms(const rv_report *r, int64_t started_ms, int64_t ended_ms)
{
    if (started_ms == 0) return -1;
    if (ended_ms == 0) {
        if (!r->is_live) return -1; /* nobody runs it: its clock stands still */
        ended_ms = r->now_ms;
    }
    return RV_MAX(ended_ms - started_ms, 0);
}

typedef struct edge_time { int64_t at; int32_t change; } edge_time;

static int by_time(const void *a, const void *b)
{
    const edge_time *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return x->change - y->change; /* an end before a start at the same instant */
}

static void parallelism(rv_report *r)
{
    edge_time *edges = rv_arena_new(r->arena, edge_time, 2 * (size_t)r->attempt_count + 1);
    uint32_t count = 0;
    int32_t now = 0;
    for (uint32_t i = 0; i < r->attempt_count; i++) {
        int64_t took = rv_report_took_ms(r, r->attempts[i].started_ms, r->attempts[i].ended_ms);
        if (took < 0) continue;
        r->busy_ms += took;
        edges[count++] = (edge_time){r->attempts[i].started_ms, 1};
        edges[count++] = (edge_time){r->attempts[i].started_ms + took, -1};
    }
    qsort(edges, count, sizeof *edges, by_time);
    for (uint32_t i = 0; i < count; i++) {
        now += edges[i].change;
        r->peak = RV_MAX(r->peak, (uint32_t)RV_MAX(now, 0));
    }
    if (r->peak == 0 && count > 0) r->peak = 1; /* all of them shorter than a millisecond */
}

bool rv_report_is_root(const rv_report *r, uint32_t node)
{
    const rv_outcome_facts *facts = &r->nodes[node].facts;
    bool is_bad = facts->state == RV_NODE_FAILED || facts->state == RV_NODE_DENIED;
    return is_bad && (facts->root.size == 0 || rv_str_eq(facts->root, r->nodes[node].name));
}

/* caused[n]: how many nodes name n as their root. */
static void count_caused(rv_report *r)
{
    rv_map names = {0};
    rv_map_reserve(&names, r->node_count);
    r->caused = rv_arena_new(r->arena, uint32_t, r->node_count + 1);
    for (uint32_t n = 0; n < r->node_count; n++) rv_map_add(&names, r->nodes[n].name, n);
    for (uint32_t n = 0; n < r->node_count; n++) {
        uint32_t root = r->nodes[n].facts.root.size ? rv_map_get(&names, r->nodes[n].facts.root) : RV_NONE;
        if (root != RV_NONE && root != n) r->caused[root]++;
    }
    rv_map_deinit(&names);
}

/* How long it took; of a run that nobody drives, until the last thing that is known of it. */
static void wall(rv_report *r)
{
    bool has_open = false;
    int64_t last_ms = r->ended_ms;
    for (uint32_t i = 0; i < r->blocker_count; i++) has_open |= rv_str_is(r->blockers[i].state, "open");
    bool is_open = rv_str_is(r->status, "running") || rv_str_is(r->status, "interrupted");
    if (is_open && has_open && r->counts[RV_NODE_RUNNING] == 0 && r->counts[RV_NODE_READY] == 0) r->status = RV_STR("waiting");
    for (uint32_t n = 0; !r->is_live && r->ended_ms == 0 && n < r->node_count; n++) last_ms = RV_MAX(last_ms, r->nodes[n].ended_ms);
    r->wall_ms = RV_MAX(rv_report_took_ms(r, r->started_ms, last_ms), 0);
}

rv_status rv_report_read(rv_session *session, rv_report *ret, rv_error *err)
{
    *ret = (rv_report){.arena = &session->arena, .now_ms = rv_ui_now_ms(), .is_live = rv_client_is_remote(session->client)};
    rv_status status = read_run(session, ret, err);
    if (status == RV_OK) status = read_state(session, ret, err);
    if (status == RV_OK) make_nodes(ret);
    if (status == RV_OK) status = read_nodes(session, ret, err);
    if (status == RV_OK) status = read_attempts(session, ret, err);
    if (status == RV_OK) status = read_blockers(session, ret, err);
    if (status == RV_OK) status = read_artifacts(session, ret, err);
    if (status) {
        rv_report_deinit(ret);
        return status;
    }
    wall(ret);
    count_caused(ret);
    rv_report_arrange(ret);
    parallelism(ret);
    return RV_OK;
}

void rv_report_deinit(rv_report *report)
{
    rv_run_free(report->run_bare);
    rv_history_close(report->history);
    report->run = report->run_bare = NULL;
    report->history = NULL;
}

bool rv_report_is_spared(const rv_report *report, uint32_t node)
{
    bool is_called_off = report->nodes[node].facts.state == RV_NODE_CANCELLED && rv_str_is(report->nodes[node].facts.detail, "superseded");
    return is_called_off && rv_report_keeper(report, node) != RV_NONE;
}

rv_node_state rv_report_look(const rv_report *report, uint32_t node)
{
    return rv_report_is_spared(report, node) ? RV_NODE_SKIPPED : report->nodes[node].facts.state;
}

uint32_t rv_report_keeper(const rv_report *report, uint32_t node)
{
    bool is_open = !rv_node_state_is_terminal(report->nodes[node].facts.state);
    if (report->nodes[node].attempts > 0 || report->resumed_from.size == 0 || is_open) return RV_NONE;
    uint32_t at = node;
    while (at != RV_NONE && !rv_str_is(report->nodes[at].facts.detail, "replay")) at = report->nodes[at].parent;
    return at;
}

uint32_t rv_report_find(const rv_report *r, rv_str id)
{
    return rv_run_find(r->run, id);
}

uint32_t rv_report_named(const rv_report *r, rv_str word)
{
    char here[PATH_MAX], root[PATH_MAX];
    uint32_t node = rv_report_find(r, word);
    rv_str stood = {NULL, 0};
    if (node != RV_NONE || !getcwd(here, sizeof here) || !realpath(rv_arena_cstring(r->arena, r->dir), root)) return node;
    rv_str path = rv_str_of(here), dir = rv_str_of(root);
    if (rv_str_starts(path, dir) && path.size > dir.size && path.at[dir.size] == '/') stood = rv_str_from(path, dir.size + 1);
    return rv_select_node(&r->spec->graph, stood, word);
}

bool rv_report_is_within(const rv_report *r, uint32_t node, uint32_t owner)
{
    while (node != owner && r->nodes[node].parent != RV_NONE) node = r->nodes[node].parent;
    return node == owner;
}

/* ---- last lines of a log ---- */

static rv_status keep_tail(void *user, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    rv_buf *tail = user;
    (void)stream, (void)wall_ms, (void)cut_before;
    rv_buf_str_add(tail, bytes);
    if (tail->size > 2 * TAIL_SIZE_MAX) {
        memmove(tail->at, tail->at + tail->size - TAIL_SIZE_MAX, TAIL_SIZE_MAX);
        tail->size = TAIL_SIZE_MAX;
    }
    return RV_OK;
}

void rv_report_tail(const rv_report *r, rv_session *session, uint32_t node, uint32_t lines_max, rv_buf *out)
{
    rv_buf tail = {0};
    rv_error ignored;
    if (r->nodes[node].log_last == UINT64_MAX) return;
    rv_status status = rv_log_read(rv_client_store(session->client), r->id, r->nodes[node].log_last, 0, keep_tail, &tail, &ignored);
    size_t begin = tail.size ? tail.size - 1 : 0;
    for (uint32_t lines = 0; begin > 0; begin--)
        if (tail.at[begin - 1] == '\n' && ++lines == lines_max) break;
    if (status == RV_OK && tail.size) rv_buf_add(out, tail.at + begin, tail.size - begin);
    rv_buf_deinit(&tail);
}
