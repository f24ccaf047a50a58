/* problems.c: the list of problems and how it is shown [W6]. */
#include "spec/doc.h"
#include <stdlib.h>

#define LINE_COLUMNS_MAX 110u /* of a source line that is shown; the window moves so that the caret is in it */

void rv_problems_deinit(rv_problems *problems)
{
    rv_vec_deinit(&problems->list);
    rv_arena_deinit(&problems->arena);
    problems->error_count = problems->unsaid_count = 0;
    problems->is_silent = false;
}

void rv_problem_add(rv_problems *problems, const rv_problem *problem)
{
    problems->error_count += !problem->is_warning;
    problems->unsaid_count += problems->is_silent;
    if (problems->is_silent) return;
    if (problems->list.count > RV_PROBLEMS_MAX) return;
    rv_problem copy = *problem;
    if (problems->list.count == RV_PROBLEMS_MAX) {
        copy.what = RV_STR("there are more problems than are listed");
        copy.cure = RV_STR("correct these first");
        copy.line = copy.part = UINT32_MAX;
    }
    copy.file = rv_arena_str(&problems->arena, copy.file);
    copy.what = rv_arena_str(&problems->arena, copy.what);
    copy.cure = rv_arena_str(&problems->arena, copy.cure);
    rv_vec_push(&problems->list, copy);
}

static int compare(const rv_problem *a, const rv_problem *b)
{
    if (a->part != b->part) return a->part < b->part ? -1 : 1;
    if (a->line != b->line) return a->line < b->line ? -1 : 1;
    if (a->column != b->column) return a->column < b->column ? -1 : 1;
    if (a->is_warning != b->is_warning) return a->is_warning ? 1 : -1;
    return 0;
}

/* Merge sort: stable, so that problems at one position stay in the order in which they were found. */
static void sort(rv_problem *at, uint32_t count)
{
    rv_problem *other = rv_alloc(sizeof *other * RV_MAX(count, 1u));
    for (uint32_t width = 1; width < count; width *= 2) {
        for (uint32_t begin = 0; begin < count; begin += 2 * width) {
            uint32_t middle = RV_MIN(begin + width, count), end = RV_MIN(begin + 2 * width, count), a = begin, b = middle;
            for (uint32_t out = begin; out < end; out++)
                other[out] = a < middle && (b >= end || compare(&at[a], &at[b]) <= 0) ? at[a++] : at[b++];
        }
        memcpy(at, other, sizeof *at * count);
    }
    rv_free(other);
}

void rv_problems_sort(rv_problems *problems)
{
    if (problems->list.count > 1) sort(problems->list.at, problems->list.count);
}

/* ---- text ---- */

typedef struct cursor {
    size_t at;
    uint32_t line, character;
} cursor; /* goes forward only: problems are sorted */

static size_t character_size(rv_str source, size_t at)
{
    size_t size = 1;
    while (at + size < source.size && ((unsigned char)source.at[at + size] & 0xc0) == 0x80) size++;
    return size;
}

/* Move to the first character of the line that is shown. false: there is no such line. */
static bool move(cursor *c, rv_str source, uint32_t line, uint32_t first)
{
    for (; c->line < line; c->line++) {
        size_t end = rv_str_find(source, c->at, '\n');
        if (end == SIZE_MAX) return false;
        c->at = end + 1;
        c->character = 1;
    }
    for (; c->character < first && c->at < source.size && source.at[c->at] != '\n'; c->character++)
        c->at += character_size(source, c->at);
    return c->line == line && c->at < source.size;
}

static void caret(rv_buf *out, rv_str source, const cursor *c, uint32_t column, bool with_color)
{
    rv_buf pad = {0};
    uint32_t character = c->character, last = c->character + LINE_COLUMNS_MAX;
    rv_buf_cstring(out, "    ");
    for (size_t at = c->at; at < source.size && source.at[at] != '\n' && character < last; character++) {
        rv_str one = rv_str_cut(source, at, character_size(source, at));
        bool is_control = (unsigned char)one.at[0] < 0x20 || one.at[0] == 0x7f;
        if (is_control) rv_buf_byte(out, ' ');
        else rv_buf_str_add(out, one);
        if (character < column)
            for (size_t width = is_control ? 1 : rv_utf8_columns(one); width > 0; width--) rv_buf_byte(&pad, ' ');
        at += one.size;
    }
    rv_buf_cstring(out, "\n    ");
    rv_buf_str_add(out, rv_buf_str(&pad));
    rv_buf_cstring(out, with_color ? "\x1b[1;32m^\x1b[0m\n" : "^\n");
    rv_buf_deinit(&pad);
}

static void headline(rv_buf *out, const rv_problem *problem, bool with_color)
{
    if (with_color) rv_buf_cstring(out, "\x1b[1m");
    rv_buf_str_add(out, problem->file);
    if (problem->line && problem->line != UINT32_MAX) rv_buf_printf(out, ":%u:%u", problem->line, problem->column);
    rv_buf_cstring(out, ": ");
    if (with_color) rv_buf_cstring(out, problem->is_warning ? "\x1b[33m" : "\x1b[31m");
    if (problem->is_warning) rv_buf_cstring(out, "warning: ");
    if (with_color) rv_buf_cstring(out, "\x1b[0m");
    rv_buf_str_add(out, problem->what);
    if (problem->cure.size) {
        rv_buf_cstring(out, "; ");
        rv_buf_str_add(out, problem->cure);
    }
    rv_buf_byte(out, '\n');
}

void rv_problems_text(rv_buf *out, const rv_problems *problems, rv_str source, bool with_caret, bool with_color)
{
    uint32_t count = problems->list.count;
    cursor c = {.line = 1, .character = 1};
    if (count == 0) return;
    rv_problem *sorted = rv_alloc(sizeof *sorted * count);
    memcpy(sorted, problems->list.at, sizeof *sorted * count);
    sort(sorted, count);
    if (rv_str_starts(source, RV_STR("\xef\xbb\xbf"))) source = rv_str_from(source, 3);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t column = sorted[i].column;
        headline(out, &sorted[i], with_color);
        if (!with_caret || sorted[i].line == 0 || sorted[i].part > 0) continue;
        uint32_t first = column > LINE_COLUMNS_MAX * 3 / 4 ? column - LINE_COLUMNS_MAX * 3 / 4 : 1;
        if (move(&c, source, sorted[i].line, first)) caret(out, source, &c, column, with_color);
    }
    rv_free(sorted);
}

void rv_problems_json(rv_json_writer *w, const rv_problems *problems)
{
    rv_jw_array(w);
    for (uint32_t i = 0; i < problems->list.count; i++) {
        const rv_problem *problem = &problems->list.at[i];
        rv_jw_object(w);
        rv_jw_kv_str(w, "file", problem->file);
        rv_jw_kv_i64(w, "line", problem->line == UINT32_MAX ? 0 : problem->line);
        rv_jw_kv_i64(w, "column", problem->column);
        rv_jw_kv_cstring(w, "severity", problem->is_warning ? "warning" : "error");
        rv_jw_kv_str(w, "what", problem->what);
        rv_jw_kv_str(w, "cure", problem->cure);
        rv_jw_object_end(w);
    }
    rv_jw_array_end(w);
}
