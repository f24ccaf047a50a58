/* table.c: cells one after another as they come, the widest of each column beside them; written when all are there. */
#include "cli/ui.h"

#define PRINTED_SIZE (64u * 1024) /* bytes of a large table that go to standard output at once */

void rv_table_column(rv_table *table, const char *title, bool is_right)
{
    RV_ASSERT(table->column_count < RV_TABLE_COLUMNS_MAX);
    table->titles[table->column_count] = title;
    table->is_right[table->column_count++] = is_right;
}

void rv_table_cell(rv_table *table, rv_str text)
{
    uint32_t columns = rv_ui_columns(text), at = (uint32_t)(table->cell_count++ % table->column_count);
    table->width[at] = RV_MAX(table->width[at], columns);
    rv_buf_varint(&table->cells, text.size);
    rv_buf_varint(&table->cells, columns);
    rv_buf_str_add(&table->cells, text);
}

void rv_table_cell_style(rv_table *table, rv_style style, rv_str text)
{
    if (style == RV_STYLE_NONE || !rv_ui_get()->has_color) {
        rv_table_cell(table, text);
        return;
    }
    rv_buf cell = {0};
    rv_ui_style(&cell, style, text);
    rv_table_cell(table, rv_buf_str(&cell));
    rv_buf_deinit(&cell);
}

static void spaces(rv_buf *out, uint32_t have, uint32_t width)
{
    if (have < width) memset(rv_buf_extend(out, width - have), ' ', width - have);
}

static void table_cell_write(const rv_table *table, rv_buf *out, uint32_t column, rv_str text, uint32_t have, uint32_t room)
{
    bool is_last = column + 1 == table->column_count;
    if (is_last && have > room && rv_ui_get()->is_terminal) {
        rv_ui_plain(out, text, RV_MAX(room, 8u)); /* cut to the terminal, without its style */
        return;
    }
    if (table->is_right[column]) spaces(out, have, table->width[column]);
    rv_buf_str_add(out, text);
    if (is_last) return;
    if (!table->is_right[column]) spaces(out, have, table->width[column]);
    rv_buf_cstring(out, "  ");
}

static void table_titles_write(const rv_table *table, rv_buf *out, uint32_t room)
{
    rv_buf title = {0};
    for (uint32_t c = 0; c < table->column_count; c++) {
        rv_buf_clear(&title);
        rv_ui_style(&title, RV_STYLE_DIM, rv_str_of(table->titles[c]));
        table_cell_write(table, out, c, rv_buf_str(&title), rv_ui_columns(rv_buf_str(&title)), room);
    }
    rv_buf_byte(out, '\n');
    rv_buf_deinit(&title);
}

/* is_printed: what has come together in `out` goes to standard output. */
static void table_write(rv_table *table, rv_buf *out, bool is_printed)
{
    uint32_t terminal_columns, terminal_rows, used = 0;
    rv_ui_size(&terminal_columns, &terminal_rows);
    for (uint32_t c = 0; c < table->column_count; c++)
        table->width[c] = RV_MAX(table->width[c], rv_ui_columns(rv_str_of(table->titles[c])));
    for (uint32_t c = 0; c + 1 < table->column_count; c++) used += table->width[c] + 2;
    uint32_t room = terminal_columns > used ? terminal_columns - used : 0, column = 0;
    table_titles_write(table, out, room);
    const char *at = table->cells.at, *end = at + table->cells.size;
    while (at < end) {
        uint64_t size = 0, columns = 0;
        bool is_whole = rv_varint_read(&at, end, &size) && rv_varint_read(&at, end, &columns);
        RV_ASSERT(is_whole && size <= (size_t)(end - at));
        table_cell_write(table, out, column, (rv_str){at, size}, (uint32_t)columns, room);
        at += size;
        column = column + 1 == table->column_count ? 0 : column + 1;
        if (column == 0) rv_buf_byte(out, '\n');
        if (!is_printed || out->size < PRINTED_SIZE) continue;
        rv_ui_out(rv_buf_str(out));
        rv_buf_clear(out);
    }
    if (is_printed) rv_ui_out(rv_buf_str(out));
    rv_table_deinit(table);
}

void rv_table_write_take(rv_table *table, rv_buf *out) { table_write(table, out, false); }

void rv_table_print_take(rv_table *table)
{
    rv_buf out = {0};
    table_write(table, &out, true);
    rv_buf_deinit(&out);
}

void rv_table_deinit(rv_table *table)
{
    rv_buf_deinit(&table->cells);
    *table = (rv_table){0};
}
