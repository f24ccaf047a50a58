/* logs.c: `reeve logs`: bytes of one node as they were, or the lines of all with their node. */
#include "blob/blob.h"
#include "cli/report.h"
#include "cli/verbs.h"
#include "kernel/gate.h"

#define LINE_SIZE_MAX 8192u

typedef struct reading {
    const rv_args *args;
    rv_session session;
    rv_report report;
    uint32_t node;       /* RV_NONE: all; a controller: what is beneath it */
    bool is_one;         /* the words of one node, byte by byte, and not lines with their node */
    uint32_t stream, epoch; /* 0: any */
    rv_buf out;
    RV_VEC(rv_str) names; /* of all nodes, as far as somebody asked */
    bool has_any;         /* something was printed */
    RV_VEC(rv_buf) lines; /* of all: lines[2 * node + (stream == 2)], what came after the last newline */
} reading;

static void flush(reading *r)
{
    r->has_any |= r->out.size > 0;
    rv_ui_out(rv_buf_str(&r->out));
    rv_buf_clear(&r->out);
}

static void cut_mark(reading *r, uint64_t cut)
{
    if (cut) rv_buf_printf(&r->out, "\n[... %llu bytes left out ...]\n", (unsigned long long)cut);
}

/* The run may have grown since it was read: then its journal says what the new nodes are. false: it does not. */
static bool know(reading *r, uint32_t node)
{
    rv_error ignored;
    const rv_run *run = r->report.run;
    if (node >= run->node_count && !r->report.run_bare && rv_history_read(r->report.history, NULL, NULL, &ignored) != RV_OK) return false;
    if (node >= run->node_count) return false;
    while (r->names.count <= node) {
        rv_str name = rv_run_id_in(run, r->names.count, &r->session.arena);
        rv_vec_push(&r->names, name);
    }
    while (r->lines.count < 2 * r->names.count) rv_vec_push(&r->lines, ((rv_buf){0}));
    return true;
}

static bool is_within(const reading *r, uint32_t node)
{
    if (r->node == RV_NONE) return true;
    while (node != r->node && node != RV_NONE) node = rv_run_place(r->report.run, node)->parent;
    return node == r->node;
}

static void line_out(reading *r, uint32_t node, rv_buf *line)
{
    rv_ui_style(&r->out, RV_STYLE_DIM, r->names.at[node]);
    if (rv_run_is_quarantined(r->report.run, node)) rv_ui_style(&r->out, RV_STYLE_YELLOW, RV_STR(RV_QUARANTINE_MARK));
    rv_ui_stylef(&r->out, RV_STYLE_DIM, " %s ", rv_ui_glyph(RV_GLYPH_BAR));
    if (rv_ui_get()->is_terminal) rv_ui_plain(&r->out, rv_buf_str(line), 0);
    else rv_buf_str_add(&r->out, rv_buf_str(line));
    rv_buf_byte(&r->out, '\n');
    rv_buf_clear(line);
    if (r->out.size > 64 * 1024) flush(r);
}

static void add_lines(reading *r, uint32_t node, int stream, rv_str bytes)
{
    rv_buf *line = &r->lines.at[2 * node + (stream == 2)];
    for (size_t at = 0; at < bytes.size;) {
        size_t end = rv_str_find(bytes, at, '\n');
        size_t size = RV_MIN((end == SIZE_MAX ? bytes.size : end) - at, LINE_SIZE_MAX - line->size);
        rv_buf_add(line, bytes.at + at, size);
        at += size;
        bool is_whole = at < bytes.size && bytes.at[at] == '\n';
        if (is_whole || line->size >= LINE_SIZE_MAX) line_out(r, node, line);
        at += is_whole;
    }
}

static rv_status on_attempt_frame(void *user, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    reading *r = user;
    (void)stream, (void)wall_ms;
    cut_mark(r, cut_before);
    rv_buf_str_add(&r->out, bytes);
    if (r->out.size > 64 * 1024) flush(r);
    return RV_OK;
}

static rv_status on_frame(void *user, uint32_t node, uint32_t epoch, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    reading *r = user;
    bool is_wanted = (r->stream == 0 || (int)r->stream == stream) && (r->epoch == 0 || r->epoch == epoch);
    if (!is_wanted || !know(r, node) || !is_within(r, node)) return RV_OK;
    if (!r->is_one) add_lines(r, node, stream, bytes);
    else return on_attempt_frame(r, stream, wall_ms, cut_before, bytes);
    return RV_OK;
}

/* The attempt that is meant: --attempt, else the node's last. */
static rv_status find_attempt(reading *r, uint32_t number, const rv_report_attempt **ret, rv_error *err)
{
    *ret = NULL;
    for (uint32_t i = 0; i < r->report.attempt_count; i++) {
        const rv_report_attempt *a = &r->report.attempts[i];
        if (a->node == r->node && (number == 0 || a->number == number)) *ret = a;
    }
    if (!*ret && number) return rv_error_set(err, RV_NOT_FOUND, "node %s has no attempt %u", rv_args_word(r->args, 1), number);
    return RV_OK;
}

/* The latest revision of a node that an earlier run has under this name: that one was kept. */
static uint32_t find_latest(const rv_report *report, rv_str name)
{
    uint32_t node = rv_report_find(report, name);
    return node == RV_NONE ? node : rv_run_at(report->run, report->run->nodes[node].place, report->run->nodes[node].def);
}

/* A node that was kept did not run here: its words are in the log of the run that ran it [R1]. Go back to that one. */
static rv_status go_to_origin(reading *r, rv_error *err)
{
    const char *name = rv_args_word(r->args, 1);
    rv_str asked = rv_arena_str(&r->session.arena, r->report.id);
    rv_status status = RV_OK;
    bool is_kept = true, has_moved = false;
    while (status == RV_OK && is_kept) {
        is_kept = rv_report_keeper(&r->report, r->node) != RV_NONE;
        if (!is_kept) break;
        rv_str from = rv_arena_str(&r->session.arena, r->report.resumed_from);
        rv_buf_clear(&r->session.run);
        rv_buf_str_add(&r->session.run, from);
        rv_report_deinit(&r->report);
        r->report = (rv_report){0};
        status = rv_report_read(&r->session, &r->report, err);
        if (status == RV_OK && (r->node = find_latest(&r->report, rv_str_of(name))) == RV_NONE)
            status = rv_error_set(err, RV_NOT_FOUND, "run %.*s kept %s, but run %.*s has no such node", RV_FMT(asked), name, RV_FMT(from));
        has_moved = true;
    }
    if (status == RV_OK && has_moved)
        rv_cli_note("%s was kept in run %.*s; this is what it wrote in run %.*s", name, RV_FMT(asked), RV_FMT(r->report.id));
    return status;
}

/* Scan the whole log, and with -f what is added to it until nothing drives the run any more. */
static rv_status scan(reading *r, bool follows, rv_error *err)
{
    const char *root = rv_client_store(r->session.client);
    uint64_t offset = 0;
    rv_watch_state watch = {.is_live = true};
    for (;;) {
        rv_status status = rv_log_scan(root, r->report.id, &offset, on_frame, r, err);
        flush(r);
        if (status == RV_NOT_FOUND) status = RV_OK; /* nothing was written yet */
        if (status || !follows || !watch.is_live) return status;
        status = rv_client_watch(r->session.client, r->report.id, watch.last_seq, offset, &watch, err);
        if (status == RV_UNAVAILABLE) watch.is_live = false; /* the owner has gone: what is there is all */
        else if (status) return status;
    }
}

static rv_status print(reading *r, uint32_t number, rv_error *err)
{
    bool follows = rv_args_has(r->args, "follow") && r->report.is_live;
    const rv_report_attempt *attempt = NULL;
    r->is_one = r->node != RV_NONE && !rv_kind_is_controller(rv_run_kind(r->report.run, r->node));
    if (r->is_one) {
        rv_status status = find_attempt(r, number, &attempt, err);
        if (status) return status;
        if (attempt) r->epoch = attempt->epoch;
        bool is_whole = attempt && attempt->ended_ms && (number || !follows);
        if (is_whole && attempt->log_last == UINT64_MAX) return RV_OK;
        if (is_whole) {
            status = rv_log_read(rv_client_store(r->session.client), r->report.id, attempt->log_last, (int)r->stream,
                                 on_attempt_frame, r, err);
            flush(r);
            return status;
        }
        if (follows && !number) r->epoch = 0; /* later attempts too */
    }
    rv_status status = scan(r, follows, err);
    for (uint32_t i = 0; i < r->lines.count; i++)
        if (r->lines.at[i].size) line_out(r, i / 2, &r->lines.at[i]);
    flush(r);
    return status;
}

/* Nothing to be seen would look like something that went wrong. */
static void tell_silence(const reading *r)
{
    const char *name = rv_args_word(r->args, 1);
    const char *part = r->stream == 1 ? " to standard output" : r->stream == 2 ? " to standard error" : "";
    if (name) rv_cli_note("%s wrote nothing%s; `reeve show %.*s %s` says what became of it", name, part, RV_FMT(r->report.id), name);
    else rv_cli_note("nothing was written%s in run %.*s; `reeve show` says what became of it", part, RV_FMT(r->report.id));
}

int rv_verb_logs(const rv_args *args)
{
    reading r = {.args = args, .node = RV_NONE};
    rv_error err = {0};
    uint32_t number = 0;
    const char *name = rv_args_word(args, 1);
    rv_status failed = rv_args_number(args, "stream", 1, 2, 0, &r.stream, &err);
    if (failed == RV_OK) failed = rv_args_number(args, "attempt", 1, UINT32_MAX, 0, &number, &err);
    if (failed == RV_OK && number && !name)
        failed = rv_error_set(&err, RV_INVALID, "--attempt is about one node; name it: reeve logs RUN NODE --attempt N");
    if (failed == RV_OK) failed = rv_session_open(args, true, rv_args_word(args, 0), &r.session, &err);
    if (failed == RV_OK) failed = rv_report_read(&r.session, &r.report, &err);
    if (failed == RV_OK && name) r.node = rv_report_named(&r.report, rv_str_of(name));
    if (failed == RV_OK && name && r.node == RV_NONE)
        failed = rv_error_set(&err, RV_NOT_FOUND, "run %.*s has no node `%s`; `reeve show %.*s` lists them", RV_FMT(r.report.id),
                              name, RV_FMT(r.report.id));
    if (failed == RV_OK && name) failed = go_to_origin(&r, &err);
    if (failed == RV_OK) failed = print(&r, number, &err);
    if (failed == RV_OK && !r.has_any) tell_silence(&r);
    for (uint32_t i = 0; i < r.lines.count; i++) rv_buf_deinit(&r.lines.at[i]);
    rv_vec_deinit(&r.lines);
    rv_vec_deinit(&r.names);
    rv_buf_deinit(&r.out);
    rv_report_deinit(&r.report);
    rv_session_close(&r.session);
    return failed ? rv_cli_fail(args, &err) : 0;
}
