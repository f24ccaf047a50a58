/* ls.c: `reeve ls`: the runs of a store, newest first. */
#include "cli/cli.h"
#include "cli/verbs.h"

enum {
    ID,
    NAME,
    STATUS,
    INTERACTION,
    CREATED,
    STARTED,
    ENDED,
    TOTAL,
    SUCCEEDED,
    FAILED,
    SKIPPED,
    CANCELLED,
    EXIT,
    FILE_COLUMN,
    RESUMED_FROM,
    IS_WAITING,
    COST,
    TOKENS,
    CACHED
};
static const char runs_sql[] =
    "select * from (select id, name, status, interaction, created_ms, started_ms, ended_ms, nodes_total, nodes_succeeded, nodes_failed, "
    "nodes_skipped, nodes_cancelled, exit_status, file, resumed_from, "
    "status in ('running', 'interrupted') and exists (select 1 from blocker where blocker.run = run.id and blocker.state = "
    "'open') "
    "and not exists (select 1 from node where node.run = run.id and node.state in ('running', 'ready')) as is_waiting, "
    "cast(round(cost_usd * 1000000) as integer), tokens, tokens_cached from run) where ?1 = '' "
    "or status = ?1 or (is_waiting and ?1 = 'waiting') order by created_ms desc, id desc";

static void json_row(rv_json_writer *w, const rv_row *row)
{
    static const struct {
        const char *key;
        uint32_t column;
    } times[] = {{"created_ms", CREATED}, {"started_ms", STARTED}, {"ended_ms", ENDED}};
    static const struct { const char *key; uint32_t column; } counts[] = {
        {"total", TOTAL}, {"succeeded", SUCCEEDED}, {"failed", FAILED}, {"skipped", SKIPPED}, {"cancelled", CANCELLED}};
    static const struct { const char *key; uint32_t column; } spent[] = {
        {"spent_micro_usd", COST}, {"spent_tokens", TOKENS}, {"tokens_cached", CACHED}};
    rv_jw_object(w);
    rv_jw_kv_str(w, "run", rv_row_str(row, ID));
    rv_jw_kv_str(w, "name", rv_row_str(row, NAME));
    rv_jw_kv_str(w, "status", rv_row_i64(row, IS_WAITING) ? RV_STR("waiting") : rv_row_str(row, STATUS));
    rv_jw_kv_str(w, "interaction", rv_row_str(row, INTERACTION));
    for (size_t i = 0; i < RV_COUNT(times); i++)
        if (rv_row_i64(row, times[i].column)) rv_jw_kv_i64(w, times[i].key, rv_row_i64(row, times[i].column));
    if (rv_row_i64(row, ENDED)) rv_jw_kv_i64(w, "exit_status", rv_row_i64(row, EXIT));
    rv_jw_key(w, "nodes");
    rv_jw_object(w);
    for (size_t i = 0; i < RV_COUNT(counts); i++) rv_jw_kv_i64(w, counts[i].key, rv_row_i64(row, counts[i].column));
    rv_jw_object_end(w);
    for (size_t i = 0; i < RV_COUNT(spent); i++)
        if (rv_row_i64(row, spent[i].column)) rv_jw_kv_i64(w, spent[i].key, rv_row_i64(row, spent[i].column));
    if (rv_row_str(row, FILE_COLUMN).size) rv_jw_kv_str(w, "file", rv_row_str(row, FILE_COLUMN));
    if (rv_row_str(row, RESUMED_FROM).size) rv_jw_kv_str(w, "resumed_from", rv_row_str(row, RESUMED_FROM));
    rv_jw_object_end(w);
}

static void table_row(rv_table *table, const rv_row *row, int64_t now)
{
    rv_str status = rv_row_str(row, STATUS);
    if (rv_row_i64(row, IS_WAITING)) status = RV_STR("waiting");
    rv_buf cell = {0};
    rv_buf_printf(&cell, "%s %.*s", rv_ui_run_glyph(status), RV_FMT(status));
    rv_table_cell_style(table, rv_ui_run_style(status), rv_buf_str(&cell));
    rv_table_cell(table, rv_row_str(row, ID));
    rv_buf_clear(&cell);
    rv_ui_time(&cell, rv_row_i64(row, CREATED), now);
    rv_table_cell(table, rv_buf_str(&cell));
    rv_buf_clear(&cell);
    int64_t started = rv_row_i64(row, STARTED), ended = rv_row_i64(row, ENDED);
    if (started && ended) rv_duration_write(&cell, ended - started);
    else rv_buf_cstring(&cell, rv_ui_glyph(RV_GLYPH_DASH));
    rv_table_cell(table, rv_buf_str(&cell));
    rv_buf_clear(&cell);
    int64_t done = rv_row_i64(row, SUCCEEDED) + rv_row_i64(row, FAILED) + rv_row_i64(row, SKIPPED) + rv_row_i64(row, CANCELLED);
    rv_buf_printf(&cell, "%lld/%lld", (long long)done, (long long)rv_row_i64(row, TOTAL));
    rv_table_cell(table, rv_buf_str(&cell));
    rv_buf_clear(&cell);
    if (rv_row_i64(row, FAILED)) rv_buf_printf(&cell, "%lld", (long long)rv_row_i64(row, FAILED));
    rv_table_cell_style(table, RV_STYLE_RED, rv_buf_str(&cell));
    rv_table_cell(table, rv_row_str(row, NAME));
    rv_buf_deinit(&cell);
}

/* Of runs that an engine left as it died: nobody owns the store, and nobody has it go on. */
static void tell_left(const rv_args *args, const rv_session *session, rv_str last, uint32_t count)
{
    rv_buf store = {0};
    if (rv_client_is_remote(session->client) || count == 0) return;
    rv_cli_store_option(args, &store);
    if (count == 1)
        rv_cli_note("no process drives the run that is `running`; `reeve run --resume %.*s%.*s` goes on with it", RV_FMT(last),
                    RV_FMT(rv_buf_str(&store)));
    else
        rv_cli_note("no process drives the %u runs that are `running`; `reeve run --resume %.*s%.*s` goes on with the latest", count,
                    RV_FMT(last), RV_FMT(rv_buf_str(&store)));
    rv_buf_deinit(&store);
}

static void print(const rv_args *args, const rv_session *session, rv_rows *rows)
{
    rv_buf out = {0};
    rv_row row;
    rv_str left = {0};
    uint32_t left_count = 0;
    if (args->is_json) {
        rv_json_writer w;
        rv_cli_json_begin(&w, &out);
        rv_jw_key(&w, "runs");
        rv_jw_array(&w);
        while (rv_rows_next(rows, &row)) json_row(&w, &row);
        rv_jw_array_end(&w);
        rv_jw_kv_bool(&w, "cut", rows->is_cut);
        rv_cli_json_end(&w);
        return;
    }
    if (rows->count == 0) {
        rv_ui_out(RV_STR("No runs. Begin one with `reeve run`.\n"));
        return;
    }
    static const struct { const char *title; bool is_right; } columns[] = {
        {"status", false}, {"run", false}, {"began", false}, {"took", true}, {"nodes", true}, {"failed", true}, {"workflow", false}};
    rv_table table = {0};
    for (size_t i = 0; i < RV_COUNT(columns); i++) rv_table_column(&table, columns[i].title, columns[i].is_right);
    int64_t now = rv_ui_now_ms();
    while (rv_rows_next(rows, &row)) {
        table_row(&table, &row, now);
        bool is_left = rv_str_is(rv_row_str(&row, STATUS), "running") && !rv_row_i64(&row, IS_WAITING);
        if (is_left && left_count++ == 0) left = rv_row_str(&row, ID);
    }
    rv_table_write_take(&table, &out);
    if (rows->is_cut) rv_buf_cstring(&out, "and more: --limit N\n");
    rv_ui_out(rv_buf_str(&out));
    tell_left(args, session, left, left_count);
    rv_buf_deinit(&out);
}

int rv_verb_ls(const rv_args *args)
{
    rv_error err = {0};
    uint32_t limit = 20;
    rv_session session = {0};
    rv_rows rows;
    const char *status_word = rv_args_value(args, "status");
    rv_str wanted = rv_str_of(status_word ? status_word : "");
    bool is_known = wanted.size == 0 || rv_str_is(wanted, "waiting"); /* as it is shown; the row has another */
    for (uint32_t i = 0; i < RV_RUN_STATE_COUNT; i++) is_known |= rv_str_is(wanted, rv_run_state_name((rv_run_state)i));
    if (!is_known) return rv_cli_failf(args, RV_INVALID, "there is no status `%s`; see `reeve ls --help`", status_word);
    rv_status failed = rv_args_number(args, "limit", 1, 1000000, 20, &limit, &err);
    if (failed == RV_OK) failed = rv_session_open(args, false, NULL, &session, &err);
    if (failed == RV_OK) failed = rv_session_query(&session, runs_sql, &wanted, 1, limit, &rows, &err);
    if (failed == RV_OK) print(args, &session, &rows);
    rv_session_close(&session);
    return failed ? rv_cli_fail(args, &err) : 0;
}
