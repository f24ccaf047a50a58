/* show.c: `reeve show`: what happened in a run, as text or JSON. */
#include "cli/answer.h"
#include "cli/report.h"
#include "cli/verbs.h"

#define NODES_SHOWN_MAX 60u  /* a longer table is cut to what did not succeed */
#define FAILURES_SHOWN_MAX 10u
#define TIMELINE_COLUMNS 24u

static void field(rv_buf *out, const char *name)
{
    rv_buf_cstring(out, "  ");
    rv_ui_stylef(out, RV_STYLE_DIM, "%-10s", name);
}

static void text_field(rv_buf *out, const char *name, rv_str text)
{
    if (text.size == 0) return;
    field(out, name);
    rv_ui_plain(out, text, 0);
    rv_buf_byte(out, '\n');
}

static void header(const rv_report *r, rv_buf *out)
{
    rv_ui_style(out, rv_ui_run_style(r->status), rv_str_of(rv_ui_run_glyph(r->status)));
    rv_buf_byte(out, ' ');
    rv_ui_style(out, RV_STYLE_BOLD, r->name);
    rv_buf_cstring(out, "  ");
    rv_ui_style(out, rv_ui_run_style(r->status), r->status);
    if (r->started_ms && r->wall_ms > 0) {
        rv_buf_cstring(out, r->ended_ms ? " after " : " for ");
        rv_duration_write(out, r->wall_ms);
    }
    bool is_orphan = !r->is_live && (rv_str_is(r->status, "running") || rv_str_is(r->status, "accepted"));
    if (is_orphan) rv_buf_cstring(out, ", but no process drives it; `reeve run --resume` goes on");
    rv_buf_byte(out, '\n');
    text_field(out, "run", r->id);
    text_field(out, "workflow", rv_str_cut(r->workflow, 0, 7 + 16));
    text_field(out, "file", r->file);
    text_field(out, "resumed", r->resumed_from);
    field(out, "began");
    rv_ui_time(out, r->created_ms, r->now_ms);
    if (r->ended_ms) {
        rv_buf_cstring(out, ", ended ");
        rv_ui_time(out, r->ended_ms, r->now_ms);
        rv_buf_printf(out, ", exit status %lld", (long long)r->exit_status);
    }
    rv_buf_byte(out, '\n');
    field(out, "nodes");
    rv_words_counts(out, r->counts);
    rv_buf_byte(out, '\n');
    if (r->wall_ms > 0 && r->attempt_count > 0) {
        field(out, "parallel");
        rv_buf_printf(out, "%.1f on average, %u at most\n", (double)r->busy_ms / (double)r->wall_ms, r->peak);
    }
}

/* When a node ran, as a bar within the run. */
static void timeline(const rv_report *r, const rv_report_node *node, rv_buf *out)
{
    int64_t took = rv_report_took_ms(r, node->started_ms, node->ended_ms);
    if (took < 0 || r->wall_ms <= 0) return;
    int64_t from = RV_MAX(node->started_ms - r->started_ms, 0);
    uint32_t begin = (uint32_t)RV_MIN(from * TIMELINE_COLUMNS / r->wall_ms, TIMELINE_COLUMNS - 1);
    uint32_t end = (uint32_t)RV_MIN((from + took) * TIMELINE_COLUMNS / r->wall_ms, (int64_t)TIMELINE_COLUMNS);
    end = RV_MAX(end, begin + 1);
    for (uint32_t i = 0; i < begin; i++) rv_buf_byte(out, ' ');
    for (uint32_t i = begin; i < end; i++) rv_buf_cstring(out, rv_ui_get()->is_utf8 ? "━" : "=");
}

static void node_row(const rv_report *r, const rv_report_node *node, rv_table *table)
{
    rv_buf cell = {0};
    rv_style style = rv_ui_node_style(node->facts.state);
    rv_ui_style(&cell, style, rv_str_of(rv_ui_node_glyph(node->facts.state)));
    rv_table_cell(table, rv_buf_str(&cell));
    rv_table_cell(table, node->name);
    rv_buf_clear(&cell);
    if (node->attempts) rv_buf_u64(&cell, node->attempts);
    rv_table_cell(table, rv_buf_str(&cell));
    rv_buf_clear(&cell);
    int64_t took = rv_report_took_ms(r, node->started_ms, node->ended_ms);
    if (took >= 0) rv_duration_write(&cell, took);
    rv_table_cell(table, rv_buf_str(&cell));
    rv_buf_clear(&cell);
    timeline(r, node, &cell);
    rv_ui_pad(&cell, 0, TIMELINE_COLUMNS);
    rv_table_cell_style(table, style == RV_STYLE_GREEN ? RV_STYLE_NONE : style, rv_buf_str(&cell));
    rv_buf_clear(&cell);
    rv_words_why(&cell, &node->facts);
    if (cell.size == 0) rv_buf_cstring(&cell, node->facts.state == RV_NODE_SUCCEEDED ? "" : rv_node_state_name(node->facts.state));
    rv_table_cell(table, rv_buf_str(&cell));
    rv_buf_deinit(&cell);
}

static void node_table(const rv_report *r, rv_buf *out)
{
    bool is_cut = r->node_count > NODES_SHOWN_MAX;
    uint32_t shown = 0;
    rv_table table = {0};
    static const struct {
        const char *title;
        bool is_right;
    } columns[] = {{"", false}, {"node", false}, {"tries", true}, {"took", true}, {"when", false}, {"", false}};
    for (size_t i = 0; i < RV_COUNT(columns); i++) rv_table_column(&table, columns[i].title, columns[i].is_right);
    for (uint32_t n = 0; n < r->node_count && shown < NODES_SHOWN_MAX; n++) {
        rv_node_state state = r->nodes[n].facts.state;
        bool is_plain = state == RV_NODE_SUCCEEDED || state == RV_NODE_PENDING || state == RV_NODE_SKIPPED;
        bool is_handler = n >= r->spec->graph.plain_count;
        if ((is_cut && is_plain) || (is_handler && state == RV_NODE_PENDING)) continue;
        node_row(r, &r->nodes[n], &table);
        shown++;
    }
    rv_buf_byte(out, '\n');
    if (shown) rv_table_write_take(&table, out);
    if (is_cut)
        rv_ui_stylef(out, RV_STYLE_DIM, "%u nodes in all; --json and --html have every one, `reeve sql` finds some\n", r->node_count);
    rv_vec_deinit(&table.cells);
    rv_arena_deinit(&table.arena);
}

static void tail_lines(rv_buf *out, rv_str tail)
{
    for (size_t at = 0; at < tail.size;) {
        size_t end = rv_str_find(tail, at, '\n');
        rv_str line = rv_str_cut(tail, at, (end == SIZE_MAX ? tail.size : end) - at);
        rv_ui_stylef(out, RV_STYLE_DIM, "    %s ", rv_ui_glyph(RV_GLYPH_BAR));
        rv_ui_plain(out, line, 0);
        rv_buf_byte(out, '\n');
        at += line.size + 1;
    }
}

static void roots(const rv_report *r, rv_session *session, rv_buf *out)
{
    uint32_t shown = 0;
    for (uint32_t n = 0; n < r->node_count; n++) {
        const rv_report_node *node = &r->nodes[n];
        if (!rv_report_is_root(r, n) || shown++ >= FAILURES_SHOWN_MAX) continue;
        if (shown == 1) rv_ui_style(out, RV_STYLE_BOLD, RV_STR("\nWhere it failed\n"));
        uint32_t caused = r->caused[n];
        rv_buf_cstring(out, "  ");
        rv_ui_style(out, RV_STYLE_RED, node->name);
        rv_buf_cstring(out, "  ");
        rv_words_why(out, &node->facts);
        if (caused) rv_buf_printf(out, "; %u node%s did not run because of it", caused, caused == 1 ? "" : "s");
        rv_buf_byte(out, '\n');
        rv_buf tail = {0};
        rv_report_tail(r, session, n, 10, &tail);
        tail_lines(out, rv_buf_str(&tail));
        rv_buf_deinit(&tail);
    }
    if (shown > FAILURES_SHOWN_MAX) rv_buf_printf(out, "  and %u more\n", shown - FAILURES_SHOWN_MAX);
}

static void path(const rv_report *r, rv_buf *out)
{
    if (r->path_count < 2) return;
    int64_t total = 0;
    rv_buf steps = {0};
    uint32_t shown = RV_MIN(r->path_count, 12u);
    for (uint32_t i = 0; i < r->path_count; i++) {
        const rv_report_node *node = &r->nodes[r->path[i]];
        int64_t took = RV_MAX(rv_report_took_ms(r, node->started_ms, node->ended_ms), 0);
        total += took;
        if (i >= shown) continue;
        rv_buf_printf(&steps, "%s%.*s ", i ? (rv_ui_get()->is_utf8 ? " → " : " > ") : "", RV_FMT(node->name));
        rv_duration_write(&steps, took);
    }
    if (r->path_count > shown) rv_buf_printf(&steps, " and %u more", r->path_count - shown);
    rv_ui_style(out, RV_STYLE_BOLD, RV_STR("\nCritical path"));
    rv_buf_cstring(out, "  ");
    rv_duration_write(out, total);
    rv_buf_cstring(out, " of ");
    rv_duration_write(out, r->wall_ms);
    rv_buf_printf(out, "\n  %s\n", steps.at);
    rv_buf_deinit(&steps);
}

static void waiting(const rv_args *args, const rv_report *r, rv_buf *out)
{
    rv_buf store = {0};
    rv_cli_store_option(args, &store);
    for (uint32_t i = 0; i < r->blocker_count; i++) {
        const rv_report_blocker *b = &r->blockers[i];
        if (!rv_str_is(b->state, "open")) continue;
        bool is_input = rv_answer_choices(b->kind)[0] == 0;
        rv_buf_byte(out, '\n');
        rv_ui_stylef(out, RV_STYLE_YELLOW, "%s %.*s", rv_ui_node_glyph(RV_NODE_WAITING), RV_FMT(b->key));
        rv_buf_printf(out, "  waits for %s\n", is_input ? "an answer" : "a decision");
        rv_answer_prompt(out, b->kind, b->payload, 4);
        rv_buf_printf(out, "    reeve %s %.*s %.*s%s%s\n", is_input ? "answer" : "approve", RV_FMT(r->id), RV_FMT(b->key),
                      is_input ? " VALUE" : "", store.size ? store.at : "");
    }
    rv_buf_deinit(&store);
}

static void text(const rv_args *args, const rv_report *r, rv_session *session)
{
    rv_buf out = {0};
    header(r, &out);
    node_table(r, &out);
    roots(r, session, &out);
    path(r, &out);
    waiting(args, r, &out);
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
}

static int page(const rv_args *args, const rv_report *r, rv_session *session)
{
    const char *file = rv_args_value(args, "html");
    rv_error err = {0};
    rv_buf out = {0};
    rv_report_html(r, session, &out);
    rv_status failed = RV_OK;
    if (strcmp(file, "-") == 0) rv_ui_out(rv_buf_str(&out));
    else failed = rv_cli_write_file(file, rv_buf_str(&out), &err);
    rv_buf_clear(&out);
    if (!failed && strcmp(file, "-") != 0) {
        rv_buf_printf(&out, "Wrote %s\n", file);
        rv_ui_out(rv_buf_str(&out));
    }
    rv_buf_deinit(&out);
    return failed ? rv_cli_fail(args, &err) : 0;
}

int rv_verb_show(const rv_args *args)
{
    rv_error err = {0};
    rv_session session = {0};
    rv_report report = {0};
    int status = 0;
    if (args->is_json && rv_args_has(args, "html")) return rv_cli_failf(args, RV_INVALID, "--json and --html: give one of them");
    rv_status failed = rv_session_open(args, true, rv_args_word(args, 0), &session, &err);
    if (failed == RV_OK) failed = rv_report_read(&session, &report, &err);
    if (failed) status = rv_cli_fail(args, &err);
    else if (rv_args_has(args, "html")) status = page(args, &report, &session);
    else if (args->is_json) rv_report_json(&report);
    else text(args, &report, &session);
    rv_report_deinit(&report);
    rv_session_close(&session);
    return status;
}
