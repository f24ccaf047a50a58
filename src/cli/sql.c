/* sql.c: `reeve sql`: read the store in its own language. */
#include "cli/cli.h"
#include "cli/verbs.h"

/* A field as RFC 4180 wants it. */
static void csv_field(rv_buf *out, rv_str text)
{
    bool is_quoted = false;
    for (size_t i = 0; i < text.size; i++) is_quoted |= strchr("\",\r\n", text.at[i]) && text.at[i];
    if (!is_quoted) {
        rv_buf_str_add(out, text);
        return;
    }
    rv_buf_byte(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '"') rv_buf_byte(out, '"');
        rv_buf_byte(out, text.at[i]);
    }
    rv_buf_byte(out, '"');
}

static rv_str cell_text(rv_arena *arena, const rv_json *cell)
{
    return cell->kind == RV_JSON_NULL ? (rv_str){0} : rv_cli_json_as_text(arena, cell);
}

static void csv(rv_session *session, const rv_rows *rows, rv_buf *out)
{
    for (const rv_json *column = rows->columns->child; column; column = column->next) {
        if (column != rows->columns->child) rv_buf_byte(out, ',');
        csv_field(out, column->text);
    }
    rv_buf_cstring(out, "\r\n");
    for (const rv_json *row = rows->next; row; row = row->next) {
        for (const rv_json *cell = row->child; cell; cell = cell->next) {
            if (cell != row->child) rv_buf_byte(out, ',');
            csv_field(out, cell_text(&session->arena, cell));
        }
        rv_buf_cstring(out, "\r\n");
    }
}

static rv_status table(rv_session *session, const rv_rows *rows, rv_buf *out, rv_error *err)
{
    rv_table shown = {0};
    if (rows->columns->count > RV_TABLE_COLUMNS_MAX)
        return rv_error_set(err, RV_LIMIT, "more than %d columns; name those you want, or take --csv or --json", RV_TABLE_COLUMNS_MAX);
    rv_buf cell = {0};
    for (const rv_json *column = rows->columns->child; column; column = column->next) {
        const rv_json *first = rows->next ? rv_json_at(rows->next, shown.column_count) : NULL;
        rv_table_column(&shown, rv_arena_cstring(&session->arena, column->text), first && first->kind == RV_JSON_NUMBER);
    }
    for (const rv_json *row = rows->next; row; row = row->next)
        for (const rv_json *value = row->child; value; value = value->next) {
            rv_buf_clear(&cell);
            rv_ui_plain(&cell, cell_text(&session->arena, value), 0);
            rv_table_cell(&shown, rv_buf_str(&cell));
        }
    rv_table_write_take(&shown, out);
    rv_buf_deinit(&cell);
    return RV_OK;
}

static void json(const rv_rows *rows, rv_buf *out)
{
    rv_json_writer w;
    rv_buf value = {0};
    rv_cli_json_begin(&w, out);
    rv_jw_key(&w, "columns");
    rv_json_write(&value, rows->columns, false);
    rv_jw_raw(&w, rv_buf_str(&value));
    rv_jw_key(&w, "rows");
    rv_jw_array(&w);
    for (const rv_json *row = rows->next; row; row = row->next) {
        rv_buf_clear(&value);
        rv_json_write(&value, row, false);
        rv_jw_raw(&w, rv_buf_str(&value));
    }
    rv_jw_array_end(&w);
    rv_jw_kv_bool(&w, "cut", rows->is_cut);
    rv_buf_deinit(&value);
    rv_cli_json_end(&w);
}

int rv_verb_sql(const rv_args *args)
{
    rv_error err = {0};
    rv_session session = {0};
    rv_rows rows = {0};
    rv_buf out = {0};
    uint32_t limit = 1000;
    if (args->is_json && rv_args_has(args, "csv")) return rv_cli_failf(args, RV_INVALID, "--json and --csv: give one of them");
    rv_status failed = rv_args_number(args, "limit", 0, UINT32_MAX, 1000, &limit, &err);
    if (failed == RV_OK) failed = rv_session_open(args, false, NULL, &session, &err);
    if (failed == RV_OK) failed = rv_session_query(&session, rv_args_word(args, 0), NULL, 0, limit, &rows, &err);
    if (failed == RV_OK && args->is_json) json(&rows, &out);
    else if (failed == RV_OK && rv_args_has(args, "csv")) csv(&session, &rows, &out);
    else if (failed == RV_OK) failed = table(&session, &rows, &out, &err);
    if (failed == RV_OK && !args->is_json) {
        rv_ui_out(rv_buf_str(&out));
        if (rows.is_cut) rv_cli_note("cut after %u rows; --limit 0 shows all", limit);
    }
    rv_buf_deinit(&out);
    rv_session_close(&session);
    return failed ? rv_cli_fail(args, &err) : 0;
}
