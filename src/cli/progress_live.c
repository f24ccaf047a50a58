/* progress_live.c: the region at the bottom of the terminal. */
#include "cli/progress.h"

#include "cli/words.h"

#define REGION_NODES_MAX 12u

/* 12 cells of a bar; only for those whose terminal can draw it. */
static void bar(rv_buf *out, uint32_t done, uint32_t total)
{
    if (!rv_ui_get()->is_utf8 || total == 0) return;
    uint32_t full = (uint32_t)((uint64_t)done * 12 / total);
    rv_buf cells = {0};
    for (uint32_t i = 0; i < full; i++) rv_buf_cstring(&cells, "━");
    rv_ui_style(out, RV_STYLE_GREEN, rv_buf_str(&cells));
    rv_buf_clear(&cells);
    for (uint32_t i = full; i < 12; i++) rv_buf_cstring(&cells, "━");
    rv_ui_style(out, RV_STYLE_DIM, rv_buf_str(&cells));
    rv_buf_deinit(&cells);
    rv_buf_cstring(out, "  ");
}

/* Elapsed times tick in whole seconds: what changes ten times a second cannot be read. */
static void elapsed(rv_buf *out, int64_t ms)
{
    if (ms < 60000) rv_buf_printf(out, "%llds", (long long)ms / 1000);
    else rv_duration_write(out, ms / 1000 * 1000);
}

static void progress_line(const rv_progress *p, rv_buf *out, int64_t now)
{
    const char *dot = rv_ui_glyph(RV_GLYPH_DOT);
    uint32_t counts[RV_NODE_STATE_COUNT], running, total, done = 0;
    const rv_graph *graph = rv_job_graph(p->job);
    total = rv_job_node_count(p->job) - (graph->top_count - graph->plain_count); /* it grows with the run */
    rv_job_counts(p->job, counts, &running);
    for (uint32_t state = RV_NODE_SUCCEEDED; state < RV_NODE_STATE_COUNT; state++) done += counts[state];
    done = RV_MIN(done, total);
    bar(out, done, total);
    rv_buf_printf(out, "%u/%u", done, total);
    if (running) rv_buf_printf(out, " %s %u running", dot, running);
    if (counts[RV_NODE_WAITING]) rv_buf_printf(out, " %s %u waiting", dot, counts[RV_NODE_WAITING]);
    if (counts[RV_NODE_FAILED]) {
        rv_buf_printf(out, " %s ", dot);
        rv_ui_stylef(out, RV_STYLE_RED, "%u failed", counts[RV_NODE_FAILED]);
    }
    if (counts[RV_NODE_SKIPPED]) rv_buf_printf(out, " %s %u skipped", dot, counts[RV_NODE_SKIPPED]);
    rv_buf_printf(out, " %s ", dot);
    elapsed(out, now - p->begun_mono_ms);
    if (p->signal) rv_ui_style(out, RV_STYLE_YELLOW, RV_STR("  stopping"));
}

static void node_line(const rv_progress *p, rv_buf *out, const rv_slot *slot, int64_t now, uint32_t name_columns, uint32_t columns)
{
    size_t begin = out->size;
    rv_str name = rv_job_node_name(p->job, slot->node);
    rv_ui_style(out, rv_ui_node_style(RV_NODE_RUNNING), rv_str_of(rv_ui_node_glyph(RV_NODE_RUNNING)));
    rv_buf_byte(out, ' ');
    rv_ui_plain(out, name, name_columns);
    rv_ui_pad(out, begin, name_columns + 2);
    rv_buf time = {0};
    elapsed(&time, now - slot->begun_mono_ms);
    rv_ui_stylef(out, RV_STYLE_DIM, " %6s  ", time.at);
    rv_buf_deinit(&time);
    uint32_t used = name_columns + 2 + 9;
    /* A line that is still being written, such as a prompt or a progress bar, is the newest there is. */
    rv_str line = slot->line[0].size ? rv_buf_str(&slot->line[0]) : rv_buf_str(&slot->last);
    size_t last_return = 0;
    for (size_t i = 0; i + 1 < line.size; i++)
        if (line.at[i] == '\r') last_return = i + 1;
    if (columns > used + 4) rv_ui_plain(out, rv_str_from(line, last_return), columns - used - 1);
}

uint32_t rv_region_write(rv_progress *p, rv_buf *out)
{
    uint32_t columns, rows, lines = 0, shown = 0, name_columns = 8;
    rv_ui_size(&columns, &rows);
    if (!p->job) return 0;
    if (p->mode == RV_OUTPUT_QUIET) return rv_ask_region(p, out, columns);
    int64_t now = rv_loop_mono_ms(rv_host_loop(p->host));
    uint32_t room = RV_MIN(REGION_NODES_MAX, rows > 8 ? rows - 6 : 2);
    for (uint32_t i = 0; i < p->slots.count; i++)
        if (p->slots.at[i].is_used)
            name_columns = RV_MAX(name_columns, (uint32_t)rv_job_node_name(p->job, p->slots.at[i].node).size);
    name_columns = RV_MIN(name_columns, columns / 3);
    for (uint32_t i = 0; i < p->slots.count && shown < room; i++) {
        if (!p->slots.at[i].is_used) continue;
        node_line(p, out, &p->slots.at[i], now, name_columns, columns);
        rv_buf_byte(out, '\n');
        shown++;
    }
    lines += shown;
    if (p->used_slots > shown) {
        rv_ui_stylef(out, RV_STYLE_DIM, "  and %u more", p->used_slots - shown);
        rv_buf_byte(out, '\n');
        lines++;
    }
    progress_line(p, out, now);
    lines++;
    if (p->questions.count == 0 || !p->ask) return lines;
    rv_buf_byte(out, '\n');
    return lines + rv_ask_region(p, out, columns);
}
