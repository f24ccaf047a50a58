/* show_html.c: `reeve show --html`: one page that loads nothing: inline style and SVG, no script, everything escaped. */
#include "cli/report.h"
#include "kernel/gate.h"

#define ROWS_MAX 5000u
#define FAILURES_MAX 50u
#define TAIL_LINES 60u
#define BRACKETS_MAX 20u

void rv_html_text(rv_buf *out, rv_str text)
{
    for (size_t i = 0; i < text.size;) {
        unsigned char byte = (unsigned char)text.at[i];
        size_t size = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
        bool is_valid = byte < 0x80 || (i + size <= text.size && rv_utf8_valid(rv_str_cut(text, i, size)) == size);
        if (!is_valid) rv_buf_cstring(out, "\xef\xbf\xbd"), size = 1; /* U+FFFD */
        else if (byte == '&') rv_buf_cstring(out, "&amp;");
        else if (byte == '<') rv_buf_cstring(out, "&lt;");
        else if (byte == '>') rv_buf_cstring(out, "&gt;");
        else if (byte == '"') rv_buf_cstring(out, "&quot;");
        else if (byte == '\'') rv_buf_cstring(out, "&#39;");
        else if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f) rv_buf_byte(out, ' ');
        else rv_buf_add(out, text.at + i, size);
        i += size;
    }
}

static const char style[] =
    ":root{--bg:#fbfbf9;--card:#fff;--ink:#20242a;--dim:#6c737d;--line:#dfe2e6;--edge:#a9b0b9;--ok:#2f8f4e;--bad:#c8372d;--wait:#"
    "b07908;"
    "--run:#2b6cb0;--skip:#9aa1ab;color-scheme:light dark}"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171b;--card:#1b1f25;--ink:#e4e7eb;--dim:#8f98a3;--line:#2d333b;--edge:#"
    "56606c;"
    "--ok:#58b877;--bad:#f0685c;--wait:#d9a334;--run:#6aa9e9;--skip:#69727d}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}"
    "main{max-width:1080px;margin:0 auto;padding:32px 20px 64px}h1{font-size:26px;margin:0}h2{font-size:17px;margin:36px 0 10px}"
    "code,pre,svg text,.mono{font:12px/1.45 ui-monospace,Menlo,Consolas,monospace}svg text{fill:var(--ink)}svg "
    ".dimtext{fill:var(--dim)}"
    ".dim{color:var(--dim)}.mark{color:var(--wait)}.badge{display:inline-block;padding:1px "
    "10px;border-radius:10px;color:var(--card);font-weight:600;font-size:13px;"
    "background:var(--c,var(--dim));vertical-align:4px;margin-left:10px}"
    ".facts{display:flex;flex-wrap:wrap;gap:10px;margin:18px 0 0}.fact{background:var(--card);border:1px solid "
    "var(--line);border-radius:8px;"
    "padding:8px 14px}.fact b{display:block;font-size:18px}.fact span{color:var(--dim);font-size:12px}"
    ".scroll{overflow-x:auto;background:var(--card);border:1px solid "
    "var(--line);border-radius:8px;max-height:80vh}svg{display:block}"
    ".edge{fill:none;stroke:var(--edge);stroke-width:1.3}.soft{stroke-dasharray:4 3}.inner{stroke-width:.9;stroke-dasharray:1.5 2.5}"
    ".fold .box{stroke-dasharray:5 3}.tip{fill:var(--edge)}"
    ".box{fill:var(--bg);stroke:var(--c);stroke-width:1.4}.dot,.bar{fill:var(--c)}.thin{opacity:.6}.grid{stroke:var(--line)}"
    "svg a{text-decoration:none}svg a:hover .box{stroke-width:2.6}"
    ".s-succeeded,.s-ok{--c:var(--ok)}.s-failed,.s-denied,.s-error,.s-timeout{--c:var(--bad)}.s-partial,.s-waiting,.s-"
    "interrupted,.s-cancelled{--c:var(--wait)}"
    ".s-running,.s-ready{--c:var(--run)}.s-skipped,.s-pending,.s-accepted{--c:var(--skip)}"
    "table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line);border-radius:8px}"
    "th,td{text-align:left;padding:5px 12px;border-top:1px solid var(--line);vertical-align:top}thead "
    "th{border:0;color:var(--dim);font-weight:500;"
    "font-size:13px}td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}tr:target{outline:2px solid "
    "var(--run)}"
    "td.state{color:var(--c);white-space:nowrap}pre{background:var(--card);border:1px solid var(--line);border-left:3px solid "
    "var(--bad);"
    "border-radius:4px;padding:10px 14px;overflow-x:auto;white-space:pre-wrap;margin:6px 0 0}"
    "pre.bracket{border-left-color:var(--run);white-space:pre;line-height:1.15}"
    "details summary{cursor:pointer;color:var(--dim)}footer{margin-top:40px;color:var(--dim);font-size:13px}";

static void fact(rv_buf *out, const char *name, const rv_buf *value)
{
    rv_buf_cstring(out, "<div class=\"fact\"><b>");
    rv_html_text(out, rv_buf_str(value));
    rv_buf_printf(out, "</b><span>%s</span></div>", name);
}

static void duration_fact(rv_buf *out, const char *name, int64_t ms)
{
    rv_buf value = {0};
    rv_duration_write(&value, ms);
    fact(out, name, &value);
    rv_buf_deinit(&value);
}

static void facts(const rv_report *r, rv_buf *out)
{
    rv_buf value = {0};
    rv_buf_cstring(out, "<div class=\"facts\">");
    if (r->started_ms) duration_fact(out, r->ended_ms ? "took" : "so far", r->wall_ms);
    for (uint32_t state = 0; state < RV_NODE_STATE_COUNT; state++) {
        uint32_t count = r->counts[state] - (state == RV_NODE_CANCELLED ? r->spared : 0);
        if (!count) continue;
        rv_buf_clear(&value);
        rv_buf_u64(&value, count);
        fact(out, rv_node_state_name((rv_node_state)state), &value);
    }
    if (r->wall_ms > 0 && r->attempt_count) {
        rv_buf_clear(&value);
        rv_buf_printf(&value, "%.1f", (double)r->busy_ms / (double)r->wall_ms);
        fact(out, "parallel on average", &value);
        rv_buf_clear(&value);
        rv_buf_u64(&value, r->peak);
        fact(out, "at most at once", &value);
    }
    int64_t path_ms = 0;
    for (uint32_t i = 0; i < r->path_count; i++) path_ms += rv_report_path_ms(r, i);
    if (r->path_count > 1) duration_fact(out, "critical path", path_ms);
    rv_buf_cstring(out, "</div>\n");
    rv_buf_deinit(&value);
}

static void line_of(rv_buf *out, const char *name, rv_str value)
{
    if (value.size == 0) return;
    rv_buf_printf(out, "%s <code>", name);
    rv_html_text(out, value);
    rv_buf_cstring(out, "</code><br>");
}

static void head(const rv_report *r, rv_buf *out)
{
    rv_buf_cstring(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
                        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>");
    rv_html_text(out, r->name);
    rv_buf_cstring(out, ": ");
    rv_html_text(out, r->status);
    rv_buf_printf(out, "</title><style>%s</style></head>\n<body><main>\n<h1>", style);
    rv_html_text(out, r->name);
    rv_buf_cstring(out, "<span class=\"badge s-");
    rv_html_text(out, r->status);
    rv_buf_cstring(out, "\">");
    rv_html_text(out, r->status);
    rv_buf_cstring(out, "</span></h1>\n<p class=\"dim\">");
    rv_buf when = {0};
    rv_time_write(&when, r->created_ms);
    line_of(out, "run", r->id);
    line_of(out, "began", rv_buf_str(&when));
    line_of(out, "file", r->file);
    line_of(out, "definition", r->workflow);
    line_of(out, "goes on from", r->resumed_from);
    rv_buf_deinit(&when);
    rv_buf_cstring(out, "</p>\n");
}

static void failures(const rv_report *r, rv_session *session, rv_buf *out)
{
    uint32_t shown = 0;
    rv_buf text = {0};
    for (uint32_t n = 0; n < r->node_count; n++) {
        if (!rv_report_is_root(r, n) || shown++ >= FAILURES_MAX) continue;
        if (shown == 1) rv_buf_cstring(out, "<h2>Where it failed</h2>\n");
        rv_buf_clear(&text);
        rv_words_why(&text, &r->nodes[n].facts);
        rv_buf_cstring(out, "<p><b>");
        rv_html_text(out, r->nodes[n].name);
        rv_buf_cstring(out, "</b> ");
        rv_html_text(out, rv_buf_str(&text));
        if (r->caused[n]) rv_buf_printf(out, " <span class=\"dim\">%u more did not run because of it</span>", r->caused[n]);
        rv_buf_clear(&text);
        rv_report_tail(r, session, n, TAIL_LINES, &text);
        rv_buf plain = {0};
        for (size_t at = 0; at < text.size;) {
            size_t end = rv_str_find(rv_buf_str(&text), at, '\n');
            rv_str line = rv_str_cut(rv_buf_str(&text), at, (end == SIZE_MAX ? text.size : end) - at);
            rv_ui_plain(&plain, line, 0);
            rv_buf_byte(&plain, '\n');
            at += line.size + 1;
        }
        if (plain.size) {
            rv_buf_cstring(out, "</p><pre>");
            rv_html_text(out, rv_buf_str(&plain));
            rv_buf_cstring(out, "</pre>\n");
        } else {
            rv_buf_cstring(out, "</p>\n");
        }
        rv_buf_deinit(&plain);
    }
    if (shown > FAILURES_MAX) rv_buf_printf(out, "<p class=\"dim\">and %u more</p>\n", shown - FAILURES_MAX);
    rv_buf_deinit(&text);
}

static void node_row(const rv_report *r, rv_buf *out, uint32_t n)
{
    const rv_report_node *node = &r->nodes[n];
    rv_buf text = {0};
    rv_buf_printf(out, "<tr id=\"n%u\" class=\"s-%s\"><td class=\"mono\" style=\"padding-left:%upx\">", n,
                  rv_node_state_name(rv_report_look(r, n)), 12 + 16 * RV_MIN(node->depth, 20u));
    rv_html_text(out, node->name);
    if (rv_run_is_quarantined(r->run, n)) rv_buf_cstring(out, "<span class=\"mark\">" RV_QUARANTINE_MARK "</span>");
    rv_buf_printf(out, "</td><td class=\"dim\">%.*s</td><td class=\"state\">%s</td>", RV_FMT(node->kind),
                  rv_node_state_name(node->facts.state));
    if (node->attempts) rv_buf_printf(out, "<td class=\"number\">%u</td>", node->attempts);
    else rv_buf_cstring(out, "<td></td>");
    int64_t took = rv_report_took_ms(r, node->started_ms, node->ended_ms);
    if (took >= 0) rv_duration_write(&text, took);
    rv_buf_cstring(out, "<td class=\"number\">");
    rv_html_text(out, rv_buf_str(&text));
    rv_buf_clear(&text);
    rv_report_words(r, n, &text);
    rv_buf_cstring(out, "</td><td>");
    rv_html_text(out, rv_buf_str(&text));
    rv_buf_cstring(out, "</td></tr>\n");
    rv_buf_deinit(&text);
}

static void table_head(rv_buf *out)
{
    rv_buf_cstring(out, "<div class=\"scroll\"><table><thead><tr><th>node</th><th>kind</th><th>state</th><th "
                        "class=\"number\">tries</th>"
                        "<th class=\"number\">took</th><th>why</th></tr></thead><tbody>\n");
}

static void left_out(rv_buf *out, uint32_t shown, uint32_t all)
{
    rv_buf_cstring(out, "</tbody></table></div>\n");
    if (shown < all)
        rv_buf_printf(out, "<p class=\"dim\">%u of %u nodes: those that did not succeed, at most %u.</p>\n", shown, all, ROWS_MAX);
}

static void node_table(const rv_report *r, rv_buf *out)
{
    uint32_t shown = 0, all = 0;
    rv_buf_cstring(out, "<h2>Nodes</h2>\n");
    table_head(out);
    for (uint32_t n = 0; n < r->node_count; n++) all += r->nodes[n].parent == RV_NONE;
    for (uint32_t i = 0; i < r->node_count; i++) {
        uint32_t n = r->order[i];
        bool is_good = r->nodes[n].facts.state == RV_NODE_SUCCEEDED;
        bool is_idle_handler = rv_run_is_handler(r->run, n) && r->nodes[n].facts.state == RV_NODE_PENDING;
        if (r->nodes[n].parent != RV_NONE) continue;
        all -= is_idle_handler;
        if (is_idle_handler || (all > ROWS_MAX && is_good) || shown >= ROWS_MAX) continue;
        node_row(r, out, n);
        shown++;
    }
    left_out(out, shown, all);
}

/* What is in a controller, whole, folded away; order[from..to) are the nodes beneath it. */
static void group(const rv_report *r, uint32_t owner, uint32_t from, uint32_t to, rv_buf *out)
{
    uint32_t shown = 0;
    rv_buf words = {0};
    rv_report_controller_words(r, owner, &words);
    rv_buf_printf(out, "<details class=\"s-%s\"%s><summary><code>", rv_node_state_name(r->nodes[owner].facts.state),
                  r->nodes[owner].facts.state == RV_NODE_FAILED ? " open" : "");
    rv_html_text(out, r->nodes[owner].name);
    rv_buf_printf(out, "</code> %.*s, ", RV_FMT(r->nodes[owner].kind));
    rv_html_text(out, rv_buf_str(&words));
    rv_buf_cstring(out, "</summary>\n");
    table_head(out);
    for (uint32_t i = from; i < to; i++) {
        bool is_good = r->nodes[r->order[i]].facts.state == RV_NODE_SUCCEEDED;
        if ((to - from > ROWS_MAX && is_good) || shown >= ROWS_MAX) continue;
        node_row(r, out, r->order[i]);
        shown++;
    }
    left_out(out, shown, to - from);
    rv_buf_cstring(out, "</details>\n");
    rv_buf_deinit(&words);
}

static void groups(const rv_report *r, rv_buf *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->node_count;) {
        uint32_t owner = r->order[i], from = ++i;
        while (i < r->node_count && r->nodes[r->order[i]].parent != RV_NONE) i++;
        if (from == i || r->nodes[owner].parent != RV_NONE) continue;
        if (count++ == 0) rv_buf_cstring(out, "<h2>Inside</h2>\n");
        group(r, owner, from, i, out);
    }
}

static void brackets(const rv_report *r, rv_buf *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->node_count; i++) {
        uint32_t n = r->order[i];
        if (!rv_bracket_is_there(r, n) || count++ >= BRACKETS_MAX) continue;
        rv_buf text = {0};
        rv_bracket_text(r, n, 0, 400, true, &text);
        rv_buf_cstring(out, "<h2>Bracket of ");
        rv_html_text(out, r->nodes[n].name);
        rv_buf_cstring(out, "</h2>\n<pre class=\"bracket\">");
        rv_html_text(out, rv_buf_str(&text));
        rv_buf_cstring(out, "</pre>\n");
        rv_buf_deinit(&text);
    }
    if (count > BRACKETS_MAX) rv_buf_printf(out, "<p class=\"dim\">and %u more</p>\n", count - BRACKETS_MAX);
}

static void decisions(const rv_report *r, rv_buf *out)
{
    if (r->blocker_count == 0) return;
    rv_buf_cstring(out, "<h2>Decisions</h2>\n<table><thead><tr><th>asked "
                        "by</th><th>kind</th><th>state</th><th>answer</th><th>by</th><th>comment</th>"
                        "</tr></thead><tbody>\n");
    for (uint32_t i = 0; i < r->blocker_count; i++) {
        const rv_report_blocker *b = &r->blockers[i];
        const rv_str cells[] = {b->key, b->kind, b->state, b->decision, b->by, b->comment};
        rv_buf_cstring(out, "<tr>");
        for (size_t c = 0; c < RV_COUNT(cells); c++) {
            rv_buf_cstring(out, "<td>");
            rv_html_text(out, cells[c]);
            rv_buf_cstring(out, "</td>");
        }
        rv_buf_cstring(out, "</tr>\n");
    }
    rv_buf_cstring(out, "</tbody></table>\n");
}

static void artifacts(const rv_report *r, rv_buf *out)
{
    if (r->artifact_count == 0) return;
    uint32_t shown = RV_MIN(r->artifact_count, ROWS_MAX);
    rv_buf size = {0};
    rv_buf_cstring(out, "<h2>Artifacts</h2>\n<table><thead><tr><th>node</th><th>name</th><th "
                        "class=\"number\">size</th><th>content</th></tr></thead><tbody>\n");
    for (uint32_t i = 0; i < shown; i++) {
        const rv_report_artifact *a = &r->artifacts[i];
        rv_buf_clear(&size);
        rv_size_write(&size, a->size);
        rv_buf_cstring(out, "<tr><td>");
        rv_html_text(out, a->node);
        rv_buf_cstring(out, "</td><td class=\"mono\">");
        rv_html_text(out, a->name);
        rv_buf_printf(out, "</td><td class=\"number\">%s</td><td class=\"mono dim\">", size.at);
        rv_html_text(out, rv_str_cut(a->digest, 0, 7 + 16));
        rv_buf_cstring(out, "</td></tr>\n");
    }
    rv_buf_cstring(out, "</tbody></table>\n");
    if (r->artifact_count > shown) rv_buf_printf(out, "<p class=\"dim\">and %u more</p>\n", r->artifact_count - shown);
    rv_buf_deinit(&size);
}

void rv_report_html(const rv_report *r, rv_session *session, rv_buf *out)
{
    rv_buf when = {0};
    head(r, out);
    facts(r, out);
    failures(r, session, out);
    rv_buf_cstring(out, "<h2>Graph</h2>\n");
    rv_html_graph(r, out);
    rv_buf_cstring(out, "<h2>When it ran</h2>\n");
    rv_html_gantt(r, out);
    brackets(r, out);
    decisions(r, out);
    node_table(r, out);
    groups(r, out);
    artifacts(r, out);
    rv_time_write(&when, r->now_ms);
    rv_buf_printf(out, "<footer>Written by reeve at %s</footer>\n</main></body></html>\n", when.at);
    rv_buf_deinit(&when);
}
