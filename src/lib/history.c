#include "lib/history.h"

#include "blob/blob.h"
#include "kernel/gate.h"
#include "kernel/run.h"
#include "spec/spec.h"
#include "spec/submission.h"
#include "store/rows.h"

#include <stdio.h>

/* The journal is read through SQL, so that it does not matter who owns the store. */

#define PAGE_ROWS 500
#define CHECK_WORK_MAX UINT64_C(10000000) /* nodes looked at for invariants, over all rows */

typedef struct history_row {
    uint64_t first_seq;
    uint32_t event_count;
    int64_t version, wall_ms, engine_ms;
    rv_buf body;
    uint64_t checksum;
} history_row;
typedef rv_status history_fn(void *user, const history_row *row, rv_error *err);

static int64_t number_at(const rv_json *row, uint32_t column)
{
    int64_t value = 0;
    const rv_json *cell = rv_json_at(row, column);
    return cell && rv_json_i64(cell, &value) ? value : 0;
}

static rv_status give_row(const rv_json *cells, history_fn *fn, void *user, uint64_t *last_seq, rv_error *err)
{
    history_row row = {.first_seq = (uint64_t)number_at(cells, 0),
                       .event_count = (uint32_t)number_at(cells, 1),
                       .version = number_at(cells, 2),
                       .wall_ms = number_at(cells, 3),
                       .engine_ms = number_at(cells, 4),
                       .checksum = (uint64_t)number_at(cells, 6)};
    const rv_json *body = rv_json_at(cells, 5);
    const rv_json *encoded = body ? rv_json_get(body, RV_STR("base64")) : NULL;
    if (!encoded) return rv_error_set(err, RV_CORRUPT, "event %llu: the journal's body is not bytes", (unsigned long long)row.first_seq);
    rv_status status = rv_base64_read(encoded->text, &row.body) ? fn(user, &row, err) : rv_error_set(err, RV_CORRUPT, "base64 expected");
    rv_buf_deinit(&row.body);
    *last_seq = row.first_seq + row.event_count - 1;
    return status;
}

static rv_status each_row(rv_client *client, rv_str run, uint64_t after_seq, history_fn *fn, void *user, rv_error *err)
{
    char stream[96], seq[24];
    rv_status status = RV_OK;
    snprintf(stream, sizeof stream, "run/%.*s", RV_FMT(run));
    for (uint32_t count = PAGE_ROWS; status == RV_OK && count == PAGE_ROWS;) {
        rv_arena arena = {0};
        const rv_json *table = NULL;
        snprintf(seq, sizeof seq, "%llu", (unsigned long long)after_seq);
        rv_str args[2] = {rv_str_of(stream), rv_str_of(seq)};
        status =
            rv_client_query(client, &arena,
                            "SELECT first_seq, event_count, version, wall_ms, engine_ms, body, checksum FROM journal "
                            "WHERE stream = ?1 AND first_seq + event_count > CAST(?2 AS INTEGER) + 1 ORDER BY first_seq LIMIT 500",
                            args, 2, 0, &table, err);
        const rv_json *rows = status == RV_OK ? rv_json_get(table, RV_STR("rows")) : NULL;
        count = rows ? rows->count : 0;
        for (const rv_json *cells = rows ? rows->child : NULL; cells && status == RV_OK; cells = cells->next)
            status = give_row(cells, fn, user, &after_seq, err);
        rv_arena_deinit(&arena);
    }
    return status;
}

/* ---- the pinned workflow ---- */

static rv_status load_workflow(rv_client *client, rv_str run, rv_arena *arena, rv_spec **ret, rv_error *err)
{
    const rv_json *table = NULL;
    rv_problems problems = {0};
    rv_status status =
        rv_client_query(client, arena, "SELECT w.body FROM run r JOIN workflow w ON w.hash = r.workflow_hash WHERE r.id = ?1", &run,
                        1, 1, &table, err);
    if (status != RV_OK) return status;
    const rv_json *row = rv_json_get(table, RV_STR("rows"))->child;
    if (!row) return rv_error_set(err, RV_NOT_FOUND, "no run %.*s, or its workflow is not stored", RV_FMT(run));
    rv_spec_input input = {.source = row->child->text, .file = "the pinned workflow", .dir = "/", .is_json = true, .skip_values = true,
                           .has_any_reducer = true};
    status = rv_spec_load(&input, ret, &problems);
    if (status != RV_OK) rv_error_set(err, RV_CORRUPT, "the pinned workflow of run %.*s does not load", RV_FMT(run));
    rv_problems_deinit(&problems);
    return status == RV_OK ? RV_OK : RV_CORRUPT;
}

/* ---- events, and the state that they make ---- */

struct rv_history {
    rv_client *client;
    rv_str run_id;
    rv_spec *spec;
    rv_run *run;           /* as of what was read */
    rv_compiler compiler;  /* of what its nodes submitted */
    bool is_broken;        /* a fact was not possible: nothing more is applied */
    rv_error broken;
    uint64_t last_seq;
    rv_client_event_fn *fn;
    void *user;
    rv_arena arena;
};

static rv_str id_of(void *user, uint32_t node)
{
    rv_history *history = user;
    if (node < history->run->graph->top_count) return rv_graph_name(history->run->graph, node);
    if (history->is_broken || node >= history->run->node_count) return (rv_str){0};
    return rv_run_id_in(history->run, node, &history->arena);
}

static rv_status tell_event(rv_history *history, const rv_event *event, uint64_t seq, int64_t wall_ms)
{
    rv_buf inner = {0}, text = {0};
    rv_json_writer w;
    rv_json_writer_init(&w, &inner, 0);
    rv_event_json(&w, event, id_of, history);
    rv_buf_printf(&text, "{\"v\":1,\"seq\":%llu,\"at\":%lld,", (unsigned long long)seq, (long long)wall_ms);
    rv_buf_add(&text, inner.at + 1, inner.size - 2);
    bool has_node = (rv_event_fields(event->type) & RV_F_NODE) && event->node < history->run->node_count;
    if (has_node && rv_run_is_quarantined(history->run, event->node)) rv_buf_cstring(&text, ",\"is_quarantined\":true"); /* [K33] */
    rv_buf_byte(&text, '}');
    rv_status status = history->fn(history->user, seq, rv_buf_str(&text));
    rv_buf_deinit(&inner);
    rv_buf_deinit(&text);
    return status;
}

static rv_status take_row(void *user, const history_row *row, rv_error *err)
{
    rv_history *history = user;
    const char *at = row->body.at, *end = at + row->body.size;
    rv_status status = RV_OK;
    rv_event event, cause = {0};
    bool has_cause = false;
    int64_t wall_ms = row->wall_ms;
    for (uint32_t i = 0; i < row->event_count && status == RV_OK; i++) {
        status = rv_event_read(&at, end, &event, err);
        if (status != RV_OK) break;
        if (!history->is_broken && rv_run_apply(history->run, &event, has_cause ? &cause : NULL, &history->broken) != RV_OK)
            history->is_broken = true;
        if (rv_event_is_input(event.type)) cause = event, has_cause = true;
        if (event.type == RV_EVENT_CLOCK) wall_ms = (int64_t)event.seed;
        history->last_seq = row->first_seq + i;
        if (history->fn) status = tell_event(history, &event, history->last_seq, wall_ms);
    }
    rv_run_replayed(history->run);
    return status;
}

rv_status rv_history_open(rv_client *client, rv_str run, rv_history **ret, rv_error *err)
{
    rv_history *history = rv_alloc(sizeof *history);
    *history = (rv_history){.client = client};
    history->run_id = rv_arena_str(&history->arena, run);
    rv_status status = load_workflow(client, run, &history->arena, &history->spec, err);
    if (status != RV_OK) {
        rv_arena_deinit(&history->arena);
        rv_free(history);
        return status;
    }
    history->run = rv_run_new(&history->spec->graph);
    history->compiler.graph = &history->spec->graph;
    rv_compiler_serve(&history->compiler, history->run);
    *ret = history;
    return RV_OK;
}

rv_status rv_history_read(rv_history *history, rv_client_event_fn *event, void *user, rv_error *err)
{
    history->fn = event;
    history->user = user;
    return each_row(history->client, history->run_id, history->last_seq, take_row, history, err);
}

rv_run *rv_history_run(rv_history *history, rv_error *ret_broken)
{
    if (history->is_broken) *ret_broken = history->broken;
    return history->is_broken ? NULL : history->run;
}

const rv_spec *rv_history_spec(const rv_history *history) { return history->spec; }

void rv_history_close(rv_history *history)
{
    if (!history) return;
    rv_run_free(history->run);
    rv_compiler_deinit(&history->compiler);
    rv_spec_free(history->spec);
    rv_arena_deinit(&history->arena);
    rv_free(history);
}

/* ---- verify ---- */

typedef struct verifier {
    rv_client *client;
    rv_str run;
    rv_json_writer w;
    bool is_ok;
    rv_run *by_facts, *by_deciding;
    rv_compiler compilers[2]; /* of either */
    uint64_t next_seq, checksum, rows, events, attempts;
    uint64_t rows_old; /* of an earlier version: what it decided is not for this one to judge */
    uint64_t check_every; /* rows: rv_run_check looks at every node */
    rv_buf chain, replay, decide, promise; /* what went wrong, empty: nothing */
} verifier;

static void wrong(rv_buf *where, const char *text, uint64_t seq)
{
    if (where->size == 0) rv_buf_printf(where, "event %llu: %s", (unsigned long long)seq, text);
}

static void verify_chain(verifier *v, const history_row *row)
{
    char stream[96];
    snprintf(stream, sizeof stream, "run/%.*s", RV_FMT(v->run));
    rv_append_row append = {.stream = rv_str_of(stream),
                            .first_seq = row->first_seq,
                            .event_count = row->event_count,
                            .version = (uint32_t)row->version,
                            .wall_ms = row->wall_ms,
                            .engine_ms = row->engine_ms,
                            .body = rv_buf_str(&row->body)};
    if (row->first_seq != v->next_seq) wrong(&v->chain, "the journal has a gap before it", row->first_seq);
    else if (rv_journal_checksum(&append, v->checksum) != row->checksum)
        wrong(&v->chain, "the checksum of its row does not match", row->first_seq);
    v->next_seq = row->first_seq + row->event_count;
    v->checksum = row->checksum;
}

/* Copy what was decided: notes of late inputs stand without their input, clocks with them. */
static void decided_only(rv_str body, uint32_t event_count, rv_buf *out)
{
    const char *at = body.at, *end = at + body.size;
    rv_event event;
    for (uint32_t i = 0; i < event_count && rv_event_read(&at, end, &event, NULL) == RV_OK; i++)
        if (event.type != RV_EVENT_NOTE && event.type != RV_EVENT_CLOCK) rv_event_write(out, &event);
}

/* Give the row's inputs to a second machine, at the recorded times: it must decide what is recorded. */
static void verify_decisions(verifier *v, const history_row *row)
{
    const char *at = row->body.at, *end = at + row->body.size;
    rv_out out = {0};
    rv_buf recorded = {0}, again = {0};
    rv_now now = {row->wall_ms, row->engine_ms};
    rv_event event;
    if (row->version < RV_JOURNAL_VERSION) {
        rv_error error = {0};
        v->rows_old++;
        if (rv_run_replay(v->by_deciding, rv_buf_str(&row->body), row->event_count, &error) != RV_OK)
            wrong(&v->decide, error.text, row->first_seq);
        return;
    }
    for (uint32_t i = 0; i < row->event_count && rv_event_read(&at, end, &event, NULL) == RV_OK; i++) {
        if (event.type == RV_EVENT_CLOCK) now = (rv_now){(int64_t)event.seed, event.due_ms};
        if (!rv_event_is_input(event.type)) continue;
        if (rv_run_reserve(v->by_deciding, &out, &event) == RV_OK) rv_run_step(v->by_deciding, &event, now, &out);
    }
    decided_only(rv_buf_str(&row->body), row->event_count, &recorded);
    decided_only(rv_buf_str(&out.journal), out.event_count, &again);
    if (!rv_str_eq(rv_buf_str(&recorded), rv_buf_str(&again))) wrong(&v->decide, "deciding again gives something else", row->first_seq);
    rv_buf_deinit(&recorded);
    rv_buf_deinit(&again);
    rv_out_deinit(&out);
}

static void verify_promises(verifier *v, const history_row *row)
{
    const char *at = row->body.at, *end = at + row->body.size;
    rv_event event;
    for (uint32_t i = 0; i < row->event_count && rv_event_read(&at, end, &event, NULL) == RV_OK; i++) {
        if (event.type != RV_EVENT_ATTEMPT_STATE || event.state != RV_ATTEMPT_STARTING ||
            event.node >= v->by_facts->node_count)
            continue;
        const rv_node_run *node = &v->by_facts->nodes[event.node];
        v->attempts++;
        if (rv_node_state_is_terminal((rv_node_state)node->state))
            wrong(&v->promise, "P3: a node with a recorded outcome was started again", row->first_seq + i);
        if (event.epoch <= node->epoch) wrong(&v->promise, "P4: an epoch does not rise", row->first_seq + i);
    }
}

static void verify_invariants(verifier *v, uint64_t seq)
{
    const char *broken = v->replay.size ? NULL : rv_run_check(v->by_facts);
    if (broken) wrong(&v->promise, broken, seq);
}

/* Look at all invariants after each row, unless that is too much work: then after every so many. */
static rv_status choose_checks(verifier *v, rv_error *err)
{
    char stream[96];
    rv_arena arena = {0};
    const rv_json *table = NULL;
    snprintf(stream, sizeof stream, "run/%.*s", RV_FMT(v->run));
    rv_str arg = rv_str_of(stream);
    rv_status status = rv_client_query(v->client, &arena,
                                       "SELECT count(*), (SELECT count(*) FROM node WHERE 'run/' || run = ?1) "
                                       "FROM journal WHERE stream = ?1",
                                       &arg, 1, 0, &table, err);
    if (status == RV_OK) {
        const rv_json *counts = rv_json_get(table, RV_STR("rows"))->child;
        uint64_t rows = (uint64_t)number_at(counts, 0), nodes = (uint64_t)number_at(counts, 1); /* as many as it has grown to */
        v->check_every = rows * RV_MAX(nodes, (uint64_t)v->by_facts->node_count) / CHECK_WORK_MAX + 1;
    }
    rv_arena_deinit(&arena);
    return status;
}

static rv_status verify_row(void *user, const history_row *row, rv_error *err)
{
    verifier *v = user;
    rv_error error = {0};
    if (row->version > RV_JOURNAL_VERSION)
        return rv_error_set(err, RV_UNSUPPORTED, "event %llu: written by a later version of reeve (journal version %lld, this reads %u)",
                            (unsigned long long)row->first_seq, (long long)row->version, RV_JOURNAL_VERSION);
    verify_chain(v, row);
    verify_promises(v, row);
    if (v->replay.size == 0 && rv_run_replay(v->by_facts, rv_buf_str(&row->body), row->event_count, &error) != RV_OK)
        wrong(&v->replay, error.text, row->first_seq);
    if (v->rows % v->check_every == 0) verify_invariants(v, row->first_seq);
    if (v->decide.size == 0 && v->replay.size == 0) verify_decisions(v, row);
    v->rows++;
    v->events += row->event_count;
    return RV_OK;
}

static void check(verifier *v, const char *name, const rv_buf *problem, const char *detail)
{
    bool is_ok = problem->size == 0;
    rv_jw_object(&v->w);
    rv_jw_kv_cstring(&v->w, "name", name);
    rv_jw_kv_bool(&v->w, "ok", is_ok);
    rv_jw_kv_cstring(&v->w, "detail", is_ok ? detail : problem->at);
    rv_jw_object_end(&v->w);
    v->is_ok &= is_ok;
}

/* The rows that people query say what the replayed state says. */
static void verify_rows(verifier *v, rv_buf *problem, uint32_t *ret_count)
{
    rv_arena arena = {0};
    rv_error error = {0};
    const rv_json *table = NULL;
    rv_status status =
        rv_client_query(v->client, &arena, "SELECT \"index\", state, detail, epoch, attempts FROM node WHERE run = ?1", &v->run, 1,
                        0, &table, &error);
    if (status != RV_OK) rv_buf_cstring(problem, error.text);
    const rv_json *rows = status == RV_OK ? rv_json_get(table, RV_STR("rows")) : NULL;
    *ret_count = rows ? rows->count : 0;
    for (const rv_json *row = rows ? rows->child : NULL; row && !problem->size; row = row->next) {
        uint64_t index = (uint64_t)number_at(row, 0);
        if (index >= v->by_facts->node_count) {
            rv_buf_printf(problem, "a row for node %llu, which the workflow does not have", (unsigned long long)index);
            break;
        }
        const rv_node_run *node = &v->by_facts->nodes[index];
        bool is_same = rv_str_is(rv_json_at(row, 1)->text, rv_node_state_name((rv_node_state)node->state)) &&
                       rv_str_is(rv_json_at(row, 2)->text, rv_detail_name((rv_detail)node->detail)) &&
                       number_at(row, 3) == node->epoch && number_at(row, 4) == node->number;
        /* a start that was only journaled ahead has not touched the row yet */
        bool is_ahead = node->state == RV_NODE_RUNNING || node->state == RV_NODE_READY;
        rv_str name = rv_run_id_in(v->by_facts, (uint32_t)index, &arena);
        if (!is_same && !is_ahead) rv_buf_printf(problem, "the row of node %.*s does not say what the journal says", RV_FMT(name));
    }
    rv_arena_deinit(&arena);
}

/* The row of a run that goes on is written when something of it is told: its counts may lag, its status and end may not. */
static void verify_run_row(verifier *v, rv_buf *problem)
{
    rv_arena arena = {0};
    rv_error error = {0};
    const rv_json *table = NULL;
    const rv_run *run = v->by_facts;
    rv_status status = rv_client_query(v->client, &arena,
                                       "SELECT status, nodes_succeeded, nodes_failed, nodes_cancelled, last_seq, "
                                       "cast(round(cost_usd * 1000000) AS INTEGER), tokens, tokens_cached FROM run WHERE id = ?1",
                                       &v->run, 1, 1, &table, &error);
    const rv_json *row = status == RV_OK ? rv_json_get(table, RV_STR("rows"))->child : NULL;
    if (!row) rv_buf_cstring(problem, status == RV_OK ? "the run has no row" : error.text);
    bool is_read_whole = row && (uint64_t)number_at(row, 4) < v->next_seq; /* else it was written after the journal was read */
    rv_run_state state = (rv_run_state)run->status;
    if (is_read_whole && rv_run_state_is_terminal(state) && v->replay.size == 0) {
        bool is_same = rv_str_is(rv_json_at(row, 0)->text, rv_run_state_name(state)) &&
                       number_at(row, 1) == run->counts[RV_NODE_SUCCEEDED] &&
                       number_at(row, 2) == (int64_t)run->counts[RV_NODE_FAILED] + run->counts[RV_NODE_DENIED] &&
                       number_at(row, 3) == run->counts[RV_NODE_CANCELLED] &&
                       number_at(row, 5) == run->purse.spent[RV_DIMENSION_USD] &&
                       number_at(row, 6) == run->purse.spent[RV_DIMENSION_TOKENS] && number_at(row, 7) == run->purse.cached;
        if (!is_same) rv_buf_cstring(problem, "the row of the run does not say what the journal says");
    } else if (is_read_whole && v->replay.size == 0) {
        rv_run_state told = RV_RUN_STATE_COUNT;
        for (uint32_t i = 0; i < RV_RUN_STATE_COUNT; i++)
            if (rv_str_is(rv_json_at(row, 0)->text, rv_run_state_name((rv_run_state)i))) told = (rv_run_state)i;
        if (told == RV_RUN_STATE_COUNT || rv_run_state_is_terminal(told))
            rv_buf_cstring(problem, "the row of the run says that it has ended, the journal does not");
    }
    rv_arena_deinit(&arena);
}

static rv_status count_frame(void *user, uint32_t node, uint32_t epoch, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    uint64_t *frames = user;
    (void)node, (void)epoch, (void)stream, (void)wall_ms, (void)cut_before, (void)bytes;
    ++*frames;
    return RV_OK;
}

static void verify_log(verifier *v, rv_buf *problem, uint64_t *ret_frames)
{
    rv_error error = {0};
    uint64_t offset = 0;
    if (rv_log_scan(rv_client_store(v->client), v->run, &offset, count_frame, ret_frames, &error) != RV_OK)
        rv_buf_cstring(problem, error.text);
}

static void verify_artifacts(verifier *v, rv_buf *problem, uint32_t *ret_count)
{
    rv_arena arena = {0};
    rv_error error = {0};
    const rv_json *table = NULL;
    rv_blobs *blobs = NULL;
    rv_status status =
        rv_client_query(v->client, &arena, "SELECT node, name, digest FROM artifact WHERE run = ?1", &v->run, 1, 0, &table, &error);
    if (status == RV_OK) status = rv_blobs_open(rv_client_store(v->client), &blobs, &error);
    if (status != RV_OK) rv_buf_cstring(problem, error.text);
    const rv_json *rows = status == RV_OK ? rv_json_get(table, RV_STR("rows")) : NULL;
    *ret_count = rows ? rows->count : 0;
    for (const rv_json *row = rows ? rows->child : NULL; row && !problem->size; row = row->next) {
        rv_digest digest;
        rv_buf bytes = {0};
        bool is_digest = rv_digest_parse(rv_json_at(row, 2)->text, &digest);
        status = is_digest ? rv_blob_read(blobs, digest, UINT64_MAX, &bytes, &error) : rv_error_set(&error, RV_CORRUPT, "not a digest");
        if (status != RV_OK)
            rv_buf_printf(problem, "artifact %.*s of %.*s: %s", RV_FMT(rv_json_at(row, 1)->text), RV_FMT(rv_json_at(row, 0)->text),
                          error.text);
        rv_buf_deinit(&bytes);
    }
    rv_blobs_close(blobs);
    rv_arena_deinit(&arena);
}

static void write_checks(verifier *v)
{
    char text[192], every[64] = "after each of them";
    rv_buf rows = {0}, blobs = {0}, same = {0}, run = {0}, log = {0};
    uint32_t count;
    uint64_t frames = 0;
    snprintf(text, sizeof text, "%llu events in %llu rows, gapless, each chained to the one before", (unsigned long long)v->events,
             (unsigned long long)v->rows);
    check(v, "journal", &v->chain, text);
    check(v, "replay", &v->replay, "every recorded fact was possible when it was recorded");
    snprintf(text, sizeof text, "deciding again gives what is recorded, byte for byte");
    if (v->rows_old)
        snprintf(text, sizeof text, "deciding again gives what is recorded; %llu rows of an earlier version were only replayed",
                 (unsigned long long)v->rows_old);
    check(v, "decisions", &v->decide, text);
    if (v->replay.size == 0 && v->decide.size == 0) {
        rv_buf a = {0}, b = {0};
        rv_run_encode(v->by_facts, &a);
        rv_run_encode(v->by_deciding, &b);
        if (!rv_str_eq(rv_buf_str(&a), rv_buf_str(&b))) rv_buf_cstring(&same, "the replayed state differs from the decided one");
        rv_buf_deinit(&a);
        rv_buf_deinit(&b);
    }
    check(v, "state", &same, "replayed state = decided state, byte for byte");
    verify_invariants(v, v->next_seq ? v->next_seq - 1 : 0);
    if (v->check_every > 1) snprintf(every, sizeof every, "after every %lluth row and the last", (unsigned long long)v->check_every);
    snprintf(text, sizeof text, "P3 and P4 held in each of %llu rows, every invariant %s; %llu attempts",
             (unsigned long long)v->rows, every,
             (unsigned long long)v->attempts);
    check(v, "promises", &v->promise, text);
    verify_rows(v, &rows, &count);
    snprintf(text, sizeof text, "%u node rows say what the journal says", count);
    check(v, "rows", &rows, text);
    verify_run_row(v, &run);
    check(v, "run", &run, "the run's row says what the journal says: status, counts and spend");
    verify_log(v, &log, &frames);
    snprintf(text, sizeof text, "%llu frames of output are whole", (unsigned long long)frames);
    check(v, "log", &log, text);
    verify_artifacts(v, &blobs, &count);
    snprintf(text, sizeof text, "%u artifacts match their digests", count);
    check(v, "artifacts", &blobs, text);
    rv_buf_deinit(&rows);
    rv_buf_deinit(&blobs);
    rv_buf_deinit(&same);
    rv_buf_deinit(&run);
    rv_buf_deinit(&log);
}

rv_status rv_history_verify(rv_client *client, rv_str run, rv_buf *out, rv_error *err)
{
    rv_arena arena = {0};
    rv_spec *spec = NULL;
    rv_buf checks = {0};
    rv_status status = load_workflow(client, run, &arena, &spec, err);
    if (status != RV_OK) {
        rv_arena_deinit(&arena);
        return status;
    }
    verifier v = {.client = client,
                  .run = run,
                  .is_ok = true,
                  .next_seq = 1,
                  .by_facts = rv_run_new(&spec->graph),
                  .by_deciding = rv_run_new(&spec->graph)};
    for (int i = 0; i < 2; i++) {
        v.compilers[i].graph = &spec->graph;
        rv_compiler_serve(&v.compilers[i], i ? v.by_deciding : v.by_facts);
    }
    status = choose_checks(&v, err);
    if (status == RV_OK) status = each_row(client, run, 0, verify_row, &v, err);
    if (status == RV_OK) {
        rv_json_writer_init(&v.w, &checks, 0);
        rv_jw_array(&v.w);
        write_checks(&v);
        rv_jw_array_end(&v.w);
        rv_buf_printf(out, "{\"run\":\"%.*s\",\"ok\":%s,\"checks\":", RV_FMT(run), v.is_ok ? "true" : "false");
        rv_buf_str_add(out, rv_buf_str(&checks));
        rv_buf_byte(out, '}');
    }
    rv_buf_deinit(&checks);
    rv_buf_deinit(&v.chain), rv_buf_deinit(&v.replay), rv_buf_deinit(&v.decide), rv_buf_deinit(&v.promise);
    rv_run_free(v.by_facts);
    rv_run_free(v.by_deciding);
    for (int i = 0; i < 2; i++) rv_compiler_deinit(&v.compilers[i]);
    rv_spec_free(spec);
    rv_arena_deinit(&arena);
    return status;
}
