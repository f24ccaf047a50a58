/* show.c: `reeve show`: what happened in a run, as text or JSON. */
#include "blob/blob.h"
#include "cli/answer.h"
#include "cli/report.h"
#include "cli/verbs.h"
#include "kernel/gate.h"

#define NODES_SHOWN_MAX 60u  /* a longer table is cut to what did not succeed */
#define CHILDREN_SHOWN_MAX 8u /* rows of one controller's children */
#define BRACKETS_SHOWN_MAX 10u
#define RESULT_SHOWN_MAX 2000u
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

/* What attempts reported, where they did; of a node with all that is beneath it, or (RV_NONE) of the run. */
static void spent_line(rv_buf *out, const rv_report *r, uint32_t node)
{
    rv_purse purse = r->run ? rv_run_purse(r->run, node) : (rv_purse){0};
    bool has_money = purse.spent[RV_DIMENSION_USD] > 0, has_tokens = purse.spent[RV_DIMENSION_TOKENS] > 0;
    if (!has_money && !has_tokens) return;
    field(out, "spent");
    if (has_money) rv_budget_words(RV_DIMENSION_USD, purse.spent[RV_DIMENSION_USD], out);
    if (has_money && has_tokens) rv_buf_cstring(out, ", ");
    if (has_tokens) rv_budget_words(RV_DIMENSION_TOKENS, purse.spent[RV_DIMENSION_TOKENS], out);
    rv_buf_byte(out, '\n');
}

static void violation_line(rv_buf *out, const rv_report *r)
{
    if (r->run->violation.path == 0) return;
    field(out, "at odds");
    rv_run_violation_words(r->run, out);
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
    rv_words_counts(out, r->counts, r->spared);
    rv_buf_byte(out, '\n');
    spent_line(out, r, RV_NONE);
    violation_line(out, r);
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

static void node_row(const rv_report *r, uint32_t n, uint32_t depth, rv_table *table)
{
    const rv_report_node *node = &r->nodes[n];
    rv_buf cell = {0};
    rv_style style = rv_ui_node_style(rv_report_look(r, n));
    rv_ui_style(&cell, style, rv_str_of(rv_ui_node_glyph(rv_report_look(r, n))));
    rv_table_cell(table, rv_buf_str(&cell));
    rv_buf_clear(&cell);
    rv_buf_printf(&cell, "%*s%.*s", (int)(2 * depth), "", RV_FMT(node->name));
    rv_table_cell(table, rv_buf_str(&cell));
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
    rv_report_words(r, n, &cell);
    if (cell.size == 0) rv_buf_cstring(&cell, node->facts.state == RV_NODE_SUCCEEDED ? "" : rv_node_state_name(node->facts.state));
    if (rv_run_is_quarantined(r->run, n)) rv_ui_style(&cell, RV_STYLE_YELLOW, RV_STR(RV_QUARANTINE_MARK));
    rv_table_cell(table, rv_buf_str(&cell));
    rv_buf_deinit(&cell);
}

/* Whether a child has a row of its own in the short picture: what is not over or went wrong, the latest iterations of a loop, a
 * classifier, a small sub-workflow. The controller's row counts the others. */
static bool is_worth_a_row(const rv_report *r, uint32_t n, uint32_t shown_beside)
{
    const rv_place *place = rv_run_place(r->run, n);
    rv_node_state state = r->nodes[n].facts.state;
    if (shown_beside >= CHILDREN_SHOWN_MAX) return false;
    if (state == RV_NODE_FAILED || state == RV_NODE_DENIED || state == RV_NODE_RUNNING || state == RV_NODE_WAITING) return true;
    if (place->role == RV_SCOPE_ITERATION)
        return place->ordinal + CHILDREN_SHOWN_MAX > rv_report_control(r, place->parent)->places.count;
    if (place->role == RV_SCOPE_WORKFLOW) return place->count <= CHILDREN_SHOWN_MAX;
    return place->role == RV_SCOPE_CLASSIFIER;
}

/* rows[0..return): the nodes that are shown, in order. only: what is within that node, whole. */
static uint32_t choose_rows(const rv_report *r, uint32_t only, bool is_all, uint32_t *rows)
{
    uint32_t count = 0, top = 0;
    bool *is_shown = rv_arena_new(r->arena, bool, r->node_count + 1);
    uint32_t *beside = rv_arena_new(r->arena, uint32_t, r->node_count + 1);
    for (uint32_t n = 0; n < r->node_count; n++) top += r->nodes[n].parent == RV_NONE;
    for (uint32_t i = 0; i < r->node_count; i++) {
        uint32_t n = r->order[i], parent = r->nodes[n].parent;
        rv_node_state state = r->nodes[n].facts.state;
        bool is_plain = state == RV_NODE_SUCCEEDED || state == RV_NODE_PENDING || state == RV_NODE_SKIPPED;
        if (rv_run_is_handler(r->run, n) && state == RV_NODE_PENDING) continue;
        if (only != RV_NONE) is_shown[n] = rv_report_is_within(r, n, only);
        else if (is_all) is_shown[n] = true;
        else if (parent == RV_NONE) is_shown[n] = top <= NODES_SHOWN_MAX || !is_plain;
        else is_shown[n] = is_shown[parent] && is_worth_a_row(r, n, beside[parent]);
        if (!is_shown[n]) continue;
        if (parent != RV_NONE) beside[parent]++;
        rows[count++] = n;
    }
    return count;
}

static void node_table(const rv_report *r, uint32_t only, bool is_all, rv_buf *out)
{
    rv_table table = {0};
    static const struct {
        const char *title;
        bool is_right;
    } columns[] = {{"", false}, {"node", false}, {"tries", true}, {"took", true}, {"when", false}, {"", false}};
    for (size_t i = 0; i < RV_COUNT(columns); i++) rv_table_column(&table, columns[i].title, columns[i].is_right);
    uint32_t *rows = rv_arena_new(r->arena, uint32_t, r->node_count + 1), count = choose_rows(r, only, is_all, rows), folded = 0;
    bool is_short = !is_all && only == RV_NONE;
    uint32_t shown = is_short ? RV_MIN(count, NODES_SHOWN_MAX) : count;
    uint32_t depth = only == RV_NONE ? 0 : r->nodes[only].depth;
    for (uint32_t i = 0; i < shown; i++) node_row(r, rows[i], r->nodes[rows[i]].depth - depth, &table);
    for (uint32_t n = 0; n < r->node_count; n++) folded += !(rv_run_is_handler(r->run, n) && r->nodes[n].facts.state == RV_NODE_PENDING);
    rv_buf_byte(out, '\n');
    if (shown) rv_table_write_take(&table, out);
    if (is_short && folded > shown)
        rv_ui_stylef(out, RV_STYLE_DIM, "%u of %u nodes; --all has every one, `reeve show %.*s NODE` what is beneath one\n", shown, folded,
                     RV_FMT(r->id));
    rv_table_deinit(&table);
}

static void brackets(const rv_report *r, uint32_t only, rv_buf *out)
{
    uint32_t columns, rows, shown = 0;
    rv_ui_size(&columns, &rows);
    for (uint32_t i = 0; i < r->node_count && shown < BRACKETS_SHOWN_MAX; i++) {
        uint32_t n = r->order[i];
        bool is_wanted = only == RV_NONE || rv_report_is_within(r, n, only);
        if (!is_wanted || !rv_bracket_is_there(r, n)) continue;
        shown++;
        rv_buf_byte(out, '\n');
        rv_ui_stylef(out, RV_STYLE_BOLD, "Bracket of %.*s", RV_FMT(r->nodes[n].name));
        rv_buf_byte(out, '\n');
        rv_bracket_text(r, n, 2, columns, rv_ui_get()->is_utf8, out);
    }
}

/* ---- one node ---- */

static void node_attempts(const rv_report *r, uint32_t n, rv_buf *out)
{
    for (uint32_t i = 0; i < r->attempt_count; i++) {
        const rv_report_attempt *a = &r->attempts[i];
        if (a->node != n) continue;
        rv_buf name = {0};
        rv_buf_printf(&name, "try %u", a->number);
        field(out, name.at);
        rv_buf_deinit(&name);
        rv_buf_str_add(out, a->state);
        size_t before = out->size;
        rv_buf_cstring(out, ", ");
        rv_words_why(out, &a->facts);
        if (out->size == before + 2) out->size = before;
        int64_t took = rv_report_took_ms(r, a->started_ms, a->ended_ms);
        if (took >= 0) rv_buf_cstring(out, ", "), rv_duration_write(out, took);
        rv_buf_byte(out, '\n');
    }
}

static void node_header(const rv_report *r, rv_session *session, uint32_t n, rv_buf *out)
{
    const rv_report_node *node = &r->nodes[n];
    rv_buf words = {0};
    rv_rows rows;
    rv_row row;
    rv_error ignored;
    rv_str bound[] = {r->id, node->name};
    rv_style style = rv_ui_node_style(rv_report_look(r, n));
    rv_ui_style(out, style, rv_str_of(rv_ui_node_glyph(rv_report_look(r, n))));
    rv_buf_byte(out, ' ');
    rv_ui_style(out, RV_STYLE_BOLD, node->name);
    rv_buf_printf(out, "  %.*s  ", RV_FMT(node->kind));
    rv_ui_style(out, style, rv_str_of(rv_node_state_name(node->facts.state)));
    if (rv_run_is_quarantined(r->run, n)) rv_ui_style(out, RV_STYLE_YELLOW, RV_STR(RV_QUARANTINE_MARK));
    rv_buf_byte(out, '\n');
    text_field(out, "run", r->id);
    rv_report_words(r, n, &words);
    text_field(out, "why", rv_buf_str(&words));
    rv_buf_deinit(&words);
    spent_line(out, r, n);
    node_attempts(r, n, out);
    if (rv_session_query(session, "select result from node where run = ?1 and id = ?2", bound, 2, 1, &rows, &ignored) == RV_OK &&
        rv_rows_next(&rows, &row))
        text_field(out, "result", rv_str_cut(rv_row_str(&row, 0), 0, RESULT_SHOWN_MAX));
    for (uint32_t i = 0; i < r->artifact_count; i++) {
        const rv_report_artifact *a = &r->artifacts[i];
        if (!rv_str_eq(a->node, node->name)) continue;
        rv_buf path = {0};
        rv_artifact_path(rv_client_store(session->client), r->id, a->node, a->name, &path);
        text_field(out, "artifact", rv_buf_str(&path));
        rv_buf_deinit(&path);
    }
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
        int64_t took = rv_report_path_ms(r, i);
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
        bool is_input = rv_answer_choices(b->kind)[0] == 0, is_budget = rv_str_is(b->kind, "budget");
        rv_buf_byte(out, '\n');
        rv_ui_stylef(out, RV_STYLE_YELLOW, "%s %.*s", rv_ui_node_glyph(RV_NODE_WAITING), RV_FMT(b->key));
        rv_buf_printf(out, "  waits for %s\n", is_input ? "an answer" : is_budget ? "more" : "a decision");
        rv_answer_prompt(out, b->kind, b->payload, 4);
        rv_buf_cstring(out, "    ");
        rv_answer_command(out, r->id, b->key, b->kind, b->payload, rv_buf_str(&store));
        rv_buf_byte(out, '\n');
    }
    rv_buf_deinit(&store);
}

static void text(const rv_args *args, const rv_report *r, rv_session *session, uint32_t only)
{
    rv_buf out = {0};
    if (r->broken.text[0])
        rv_cli_note("the journal cannot be replayed, so children are left out: %s; `reeve verify` tells more", r->broken.text);
    if (only != RV_NONE) {
        node_header(r, session, only, &out);
        if (rv_report_control(r, only)) node_table(r, only, true, &out);
        brackets(r, only, &out);
        rv_ui_out(rv_buf_str(&out));
        rv_buf_deinit(&out);
        return;
    }
    header(r, &out);
    node_table(r, RV_NONE, rv_args_has(args, "all"), &out);
    brackets(r, RV_NONE, &out);
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
    uint32_t only = RV_NONE;
    const char *name = rv_args_word(args, 1);
    if (args->is_json && rv_args_has(args, "html")) return rv_cli_failf(args, RV_INVALID, "--json and --html: give one of them");
    if (name && rv_args_has(args, "html")) return rv_cli_failf(args, RV_INVALID, "--html is about a whole run; leave NODE out");
    rv_status failed = rv_session_open(args, true, rv_args_word(args, 0), &session, &err);
    if (failed == RV_OK) failed = rv_report_read(&session, &report, &err);
    if (failed == RV_OK && name && (only = rv_report_named(&report, rv_str_of(name))) == RV_NONE)
        failed = rv_error_set(&err, RV_NOT_FOUND, "run %.*s has no node `%s`; `reeve show %.*s --all` lists them", RV_FMT(report.id), name,
                              RV_FMT(report.id));
    if (failed) status = rv_cli_fail(args, &err);
    else if (rv_args_has(args, "html")) status = page(args, &report, &session);
    else if (args->is_json) rv_report_json(&report, only);
    else text(args, &report, &session, only);
    rv_report_deinit(&report);
    rv_session_close(&session);
    return status;
}
