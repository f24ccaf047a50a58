/* ui.h: what goes to people's eyes: colour, glyphs, columns, tables. Nothing here knows about runs.
 *
 * Colour is used only where standard output is a terminal and NO_COLOR is unset; glyphs beyond ASCII only where the
 * locale says UTF-8. Text that came from outside passes rv_ui_plain, so that it cannot move the cursor. */
#ifndef RV_UI_H
#define RV_UI_H

#include "base/mem.h"
#include "base/util.h"
#include "kernel/model.h"

typedef enum rv_style {
    RV_STYLE_NONE, RV_STYLE_BOLD, RV_STYLE_DIM, RV_STYLE_RED, RV_STYLE_GREEN, RV_STYLE_YELLOW, RV_STYLE_BLUE, RV_STYLE_CYAN, RV_STYLE_COUNT,
} rv_style;

/* What the terminal is; looked at once, at the first call. */
typedef struct rv_ui {
    bool is_terminal;  /* standard output is one */
    bool has_color, is_utf8;
} rv_ui;
const rv_ui *rv_ui_get(void);
/* Columns and rows of the terminal now; 100 and 30 where it is none. */
void rv_ui_size(uint32_t *ret_columns, uint32_t *ret_rows);

/* Append `text` in a style (as it is when there is no colour). */
void rv_ui_style(rv_buf *out, rv_style style, rv_str text);
void rv_ui_stylef(rv_buf *out, rv_style style, const char *fmt, ...) RV_PRINTF(3, 4);
/* Append `text` without what a terminal would obey: escape sequences are dropped, control bytes become spaces, bytes that are not
 * UTF-8 become `?`. At most columns_max columns, cut with an ellipsis; 0: no limit. */
void rv_ui_plain(rv_buf *out, rv_str text, uint32_t columns_max);
/* Columns that `text` takes, style sequences left out. */
uint32_t rv_ui_columns(rv_str text);
/* Append spaces until what was appended from `from` on takes `columns`. */
void rv_ui_pad(rv_buf *out, size_t from, uint32_t columns);

/* Glyph and colour of a state, ASCII where the locale is not UTF-8. Never NULL. */
const char *rv_ui_node_glyph(rv_node_state state);
rv_style rv_ui_node_style(rv_node_state state);
const char *rv_ui_run_glyph(rv_str status); /* by the word of the status */
rv_style rv_ui_run_style(rv_str status);
typedef enum rv_glyph {
    RV_GLYPH_DASH,
    RV_GLYPH_DOT,
    RV_GLYPH_BAR,
    RV_GLYPH_ELLIPSIS,
    RV_GLYPH_ARROW,
    RV_GLYPH_TEE,
    RV_GLYPH_ELBOW,
    RV_GLYPH_DOWN,
    RV_GLYPH_COUNT
} rv_glyph;
const char *rv_ui_glyph(rv_glyph glyph);

/* Local time of a wall clock time, for people: "14:03:07" of today, else "2026-01-31 14:03". 0: a dash. */
void rv_ui_time(rv_buf *out, int64_t wall_ms, int64_t now_ms);
int64_t rv_ui_now_ms(void);
/* A word for a shell: as it is, or in single quotes when it has anything special. */
void rv_ui_shell_word(rv_buf *out, rv_str word);
/* Write all of `text` to standard output (descriptor 1); while a run is driven a thread does (out.h). Else a closed pipe ends the
 * program quietly, as cat does (141), and any other failure with a word on standard error (75). */
void rv_ui_out(rv_str text);

/* ---- tables: a header, rows, two spaces between columns; the last column is cut to the terminal ---- */
#define RV_TABLE_COLUMNS_MAX 32
typedef struct rv_table {
    rv_buf cells;          /* row after row: size, columns, text of each */
    uint32_t width[RV_TABLE_COLUMNS_MAX]; /* columns of the widest cell */
    uint64_t cell_count;
    const char *titles[RV_TABLE_COLUMNS_MAX];
    bool is_right[RV_TABLE_COLUMNS_MAX];
    uint32_t column_count;
} rv_table; /* {0} */
/* A column; right-aligned when is_right (numbers, times). title is borrowed until rv_table_write. */
void rv_table_column(rv_table *table, const char *title, bool is_right);
/* The next cell, row by row; the text is copied. */
void rv_table_cell(rv_table *table, rv_str text);
void rv_table_cell_style(rv_table *table, rv_style style, rv_str text);
/* Append all, then free what the table holds. */
void rv_table_write_take(rv_table *table, rv_buf *out);
/* The same through rv_ui_out, piece by piece: a large table needs no second place in memory. */
void rv_table_print_take(rv_table *table);
/* Free what the table holds; nothing is written. */
void rv_table_deinit(rv_table *table);

#endif
