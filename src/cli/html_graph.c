/* html_graph.c: the graph and the Gantt chart of a run as SVG. Sizes are pixels. */
#include <stdlib.h>

#include "cli/layout.h"
#include "cli/picture.h"

#define GANTT_ROWS_MAX 1500u
#define BOX_HEIGHT 30.0
#define ROW_HEIGHT 46.0
#define COLUMN_GAP 56.0
#define CHARACTER_WIDTH 7.3 /* of the 12 px monospace labels */
#define LABEL_CHARACTERS_MAX 26u
#define MARGIN 14.0

/* ---- graph ---- */

typedef struct drawing { const rv_report *report; rv_picture picture; rv_layout layout; double *x, *width; } drawing;

/* What stands in a box: the node's id, cut, or how many are folded. */
static void label_of(const drawing *d, uint32_t vertex, rv_buf *out)
{
    const rv_picture_vertex *v = &d->picture.vertices[vertex];
    rv_str name = d->report->nodes[v->node].name;
    if (v->folded) {
        rv_buf_printf(out, "%u more", v->folded);
        return;
    }
    rv_buf_str_add(out, rv_str_cut(name, 0, LABEL_CHARACTERS_MAX)); /* identifiers are ASCII */
    if (name.size <= LABEL_CHARACTERS_MAX) return;
    out->size -= 1;
    rv_buf_cstring(out, "…");
}

static double box_width(const drawing *d, uint32_t vertex)
{
    rv_buf label = {0};
    label_of(d, vertex, &label);
    double width = (double)rv_utf8_columns(rv_buf_str(&label)) * CHARACTER_WIDTH + 40;
    rv_buf_deinit(&label);
    return width;
}

/* x of each layer, as wide as its widest node. */
static void columns(drawing *d, rv_arena *arena)
{
    const rv_layout *l = &d->layout;
    double x = MARGIN;
    d->x = rv_arena_new(arena, double, l->layer_count + 1);
    d->width = rv_arena_new(arena, double, l->layer_count + 1);
    for (uint32_t k = 0; k < l->layer_count; k++) {
        for (uint32_t i = l->layer_begin[k]; i < l->layer_begin[k + 1]; i++) {
            uint32_t v = l->layer_vertices[i];
            if (v < l->node_count) d->width[k] = RV_MAX(d->width[k], box_width(d, v));
        }
        d->x[k] = x;
        x += d->width[k] + COLUMN_GAP;
    }
    d->x[l->layer_count] = x - COLUMN_GAP + MARGIN;
}

static double middle(const drawing *d, uint32_t vertex) { return MARGIN + d->layout.y[vertex] * ROW_HEIGHT + BOX_HEIGHT / 2; }

static void edge_line(const drawing *d, rv_buf *out, const rv_layout_segment *s)
{
    const rv_layout *l = &d->layout;
    uint32_t entry = d->picture.graph.succ[s->edge];
    bool from_node = s->from < l->node_count, to_node = s->to < l->node_count;
    double x1 = d->x[l->layer[s->from]] + d->width[l->layer[s->from]], y1 = middle(d, s->from);
    double x2 = d->x[l->layer[s->to]], y2 = middle(d, s->to), half = (x2 - x1) / 2;
    if (from_node) x1 = d->x[l->layer[s->from]] + box_width(d, s->from);
    /* A bend crosses its own layer as a straight line before it goes on. */
    rv_buf_printf(out, "<path class=\"edge%s\" d=\"M%.1f %.1f", entry & RV_PICTURE_INNER ? " inner" : entry & RV_EDGE_SOFT ? " soft" : "",
                  from_node ? x1 : d->x[l->layer[s->from]], y1);
    if (!from_node || x1 < d->x[l->layer[s->from]] + d->width[l->layer[s->from]]) {
        x1 = d->x[l->layer[s->from]] + d->width[l->layer[s->from]];
        rv_buf_printf(out, "L%.1f %.1f", x1, y1);
    }
    rv_buf_printf(out, "C%.1f %.1f %.1f %.1f %.1f %.1f\"%s/>\n", x1 + half, y1, x2 - half, y2, x2, y2,
                  to_node ? " marker-end=\"url(#tip)\"" : "");
}

static void node_title(const drawing *d, uint32_t n, rv_buf *out)
{
    const rv_report_node *node = &d->report->nodes[n];
    int64_t took = rv_report_took_ms(d->report, node->started_ms, node->ended_ms);
    rv_buf_printf(out, "%.*s: %s", RV_FMT(node->name), rv_node_state_name(node->facts.state));
    if (took >= 0) {
        rv_buf_cstring(out, ", ");
        rv_duration_write(out, took);
    }
    if (node->facts.state == RV_NODE_SUCCEEDED && !rv_report_control(d->report, n)) return;
    rv_buf_cstring(out, " ");
    rv_report_words(d->report, n, out);
}

static void fold_title(const drawing *d, const rv_picture_vertex *v, rv_buf *out)
{
    const char *before = ": ";
    rv_buf_printf(out, "%u more of %.*s", v->folded, RV_FMT(d->report->nodes[v->node].name));
    for (uint32_t s = 0; s < RV_NODE_STATE_COUNT; s++) {
        if (!v->states[s]) continue;
        rv_buf_printf(out, "%s%u %s", before, v->states[s], rv_node_state_name((rv_node_state)s));
        before = ", ";
    }
}

/* Of what is folded the state that most are in; a failure counts before all. */
static rv_node_state fold_state(const rv_picture_vertex *v)
{
    uint32_t most = 0;
    if (v->states[RV_NODE_FAILED] || v->states[RV_NODE_DENIED]) return RV_NODE_FAILED;
    for (uint32_t s = 1; s < RV_NODE_STATE_COUNT; s++)
        if (v->states[s] > v->states[most]) most = s;
    return (rv_node_state)most;
}

static void vertex_box(const drawing *d, rv_buf *out, uint32_t vertex)
{
    const rv_picture_vertex *v = &d->picture.vertices[vertex];
    uint32_t layer = d->layout.layer[vertex];
    rv_node_state state = v->folded ? fold_state(v) : rv_report_look(d->report, v->node);
    double x = d->x[layer], y = middle(d, vertex) - BOX_HEIGHT / 2, width = box_width(d, vertex);
    rv_buf title = {0}, label = {0};
    label_of(d, vertex, &label);
    if (v->folded) fold_title(d, v, &title);
    else node_title(d, v->node, &title);
    rv_buf_printf(out, "<a href=\"#n%u\"><g class=\"node%s s-%s\"><title>", v->node, v->folded ? " fold" : "", rv_node_state_name(state));
    rv_html_text(out, rv_buf_str(&title));
    rv_buf_printf(out,
                  "</title><rect class=\"box\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\" rx=\"6\"/>"
                  "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\"/><text x=\"%.1f\" y=\"%.1f\">",
                  x, y, width, BOX_HEIGHT, x + 15, y + BOX_HEIGHT / 2, x + 28, y + BOX_HEIGHT / 2 + 4);
    rv_html_text(out, rv_buf_str(&label));
    rv_buf_cstring(out, "</text></g></a>\n");
    rv_buf_deinit(&title);
    rv_buf_deinit(&label);
}

/* Too large to be drawn node by node: a bar for each layer, parted by state. */
static void layer_summary(const rv_report *r, rv_buf *out, rv_arena *arena)
{
    rv_layout l;
    rv_layout_layers(&l, arena, &r->spec->graph);
    uint32_t widest = 1, shown = RV_MIN(l.layer_count, 200u);
    for (uint32_t k = 0; k < l.layer_count; k++) widest = RV_MAX(widest, l.layer_begin[k + 1] - l.layer_begin[k]);
    rv_buf_printf(out, "<p class=\"dim\">The file's %u nodes are too many to draw one by one: each bar is a layer, parted by state.",
                  r->spec->graph.plain_count);
    uint32_t grown = r->node_count - r->spec->graph.top_count;
    if (grown) rv_buf_printf(out, " The %u that grew beneath them are told below.", grown);
    rv_buf_cstring(out, "</p>");
    rv_buf_printf(out, "<div class=\"scroll\"><svg width=\"900\" height=\"%u\" role=\"img\" aria-label=\"layers\">\n", shown * 20 + 10);
    for (uint32_t k = 0; k < shown; k++) {
        uint32_t counts[RV_NODE_STATE_COUNT] = {0}, total = l.layer_begin[k + 1] - l.layer_begin[k];
        for (uint32_t i = l.layer_begin[k]; i < l.layer_begin[k + 1]; i++) counts[r->nodes[l.layer_vertices[i]].facts.state]++;
        double x = 110;
        rv_buf_printf(out, "<text x=\"96\" y=\"%u\" text-anchor=\"end\">layer %u</text>", k * 20 + 15, k + 1);
        for (uint32_t s = 0; s < RV_NODE_STATE_COUNT; s++) {
            if (!counts[s]) continue;
            double width = 700.0 * counts[s] / widest;
            rv_buf_printf(out,
                          "<g class=\"s-%s\"><title>%u %s</title><rect class=\"bar\" x=\"%.1f\" y=\"%u\" width=\"%.1f\" "
                          "height=\"14\"/></g>",
                          rv_node_state_name((rv_node_state)s), counts[s], rv_node_state_name((rv_node_state)s), x, k * 20 + 4,
                          RV_MAX(width, 0.5));
            x += width;
        }
        rv_buf_printf(out, "<text class=\"dimtext\" x=\"%.1f\" y=\"%u\">%u</text>\n", x + 6, k * 20 + 15, total);
    }
    rv_buf_cstring(out, "</svg></div>\n");
    if (l.layer_count > shown) rv_buf_printf(out, "<p class=\"dim\">and %u more layers</p>\n", l.layer_count - shown);
}

void rv_html_graph(const rv_report *r, rv_buf *out)
{
    rv_arena arena = {0};
    if (r->spec->graph.plain_count > RV_PICTURE_NODES_MAX) {
        layer_summary(r, out, &arena);
        rv_arena_deinit(&arena);
        return;
    }
    drawing d = {.report = r};
    rv_picture_make(r, &arena, &d.picture);
    rv_layout_place(&d.layout, &arena, &d.picture.graph);
    columns(&d, &arena);
    double width = d.x[d.layout.layer_count], height = 2 * MARGIN + d.layout.height * ROW_HEIGHT - (ROW_HEIGHT - BOX_HEIGHT);
    rv_buf_printf(out,
                  "<div class=\"scroll\"><svg width=\"%.0f\" height=\"%.0f\" role=\"img\" aria-label=\"graph\">"
                  "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">"
                  "<path class=\"tip\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n",
                  width, RV_MAX(height, 40.0));
    for (uint32_t s = 0; s < d.layout.segment_count; s++) edge_line(&d, out, &d.layout.segments[s]);
    for (uint32_t v = 0; v < d.picture.graph.plain_count; v++) vertex_box(&d, out, v);
    rv_buf_cstring(out, "</svg></div>\n");
    rv_arena_deinit(&arena);
}

/* ---- Gantt ---- */

typedef struct gantt_row { uint32_t node; int64_t started_ms, took_ms; } gantt_row;

static int by_start(const void *a, const void *b)
{
    const gantt_row *x = a, *y = b;
    if (x->started_ms != y->started_ms) return x->started_ms < y->started_ms ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

static int by_took(const void *a, const void *b)
{
    const gantt_row *x = a, *y = b;
    return x->took_ms > y->took_ms ? -1 : x->took_ms < y->took_ms;
}

/* The step of a time axis: 1, 2 or 5 times a power of ten, minutes beyond, about eight of them. */
static int64_t tick_ms(int64_t wall_ms)
{
    static const int64_t steps[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000,
                                    600000, 900000, 1800000, 3600000, 7200000, 14400000, 43200000, 86400000};
    for (size_t i = 0; i < RV_COUNT(steps); i++)
        if (wall_ms / steps[i] <= 8) return steps[i];
    return (wall_ms / 8 / 86400000 + 1) * 86400000;
}

static void axis(const rv_report *r, rv_buf *out, double left, double scale, double height)
{
    int64_t step = tick_ms(r->wall_ms);
    rv_buf label = {0};
    for (int64_t at = 0; at <= r->wall_ms; at += step) {
        double x = left + (double)at * scale;
        rv_buf_clear(&label);
        if (at == 0) rv_buf_byte(&label, '0');
        else rv_duration_write(&label, at);
        rv_buf_printf(out,
                      "<line class=\"grid\" x1=\"%.1f\" y1=\"18\" x2=\"%.1f\" y2=\"%.0f\"/><text class=\"dimtext\" x=\"%.1f\" "
                      "y=\"12\" text-anchor=\"middle\">%s</text>\n",
                      x, x, height, x, label.at);
    }
    rv_buf_deinit(&label);
}

static uint32_t collect_rows(const rv_report *r, rv_arena *arena, gantt_row **ret, uint32_t *ret_all)
{
    gantt_row *rows = rv_arena_new(arena, gantt_row, r->node_count + 1);
    uint32_t count = 0;
    for (uint32_t n = 0; n < r->node_count; n++) {
        int64_t took = rv_report_took_ms(r, r->nodes[n].started_ms, r->nodes[n].ended_ms);
        if (took >= 0) rows[count++] = (gantt_row){n, r->nodes[n].started_ms, took};
    }
    *ret = rows;
    *ret_all = count;
    if (count > GANTT_ROWS_MAX) {
        qsort(rows, count, sizeof *rows, by_took);
        count = GANTT_ROWS_MAX;
    }
    qsort(rows, count, sizeof *rows, by_start);
    return count;
}

static void gantt_bars(const rv_report *r, rv_buf *out, const uint32_t *row_of, double left, double scale)
{
    rv_buf title = {0};
    for (uint32_t i = 0; i < r->attempt_count; i++) {
        const rv_report_attempt *a = &r->attempts[i];
        int64_t took = rv_report_took_ms(r, a->started_ms, a->ended_ms);
        if (row_of[a->node] == 0 || took < 0) continue;
        rv_buf_clear(&title);
        rv_buf_printf(&title, "%.*s, attempt %u: %.*s, ", RV_FMT(r->nodes[a->node].name), a->number, RV_FMT(a->state));
        rv_duration_write(&title, took);
        bool is_running = a->ended_ms == 0;
        const char *state = is_running ? "running" : rv_node_state_name(a->facts.state);
        rv_buf_printf(out, "<g class=\"s-%s\"><title>", state);
        rv_html_text(out, rv_buf_str(&title));
        rv_buf_printf(out, "</title><rect class=\"bar\" x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"12\" rx=\"2\"/></g>\n",
                      left + (double)RV_MAX(a->started_ms - r->started_ms, 0) * scale, row_of[a->node] * 18 + 7,
                      RV_MAX((double)took * scale, 1.5));
    }
    rv_buf_deinit(&title);
}

void rv_html_gantt(const rv_report *r, rv_buf *out)
{
    rv_arena arena = {0};
    gantt_row *rows = NULL;
    uint32_t all = 0, count = collect_rows(r, &arena, &rows, &all);
    if (count == 0 || r->wall_ms <= 0) {
        rv_buf_cstring(out, "<p class=\"dim\">Nothing ran long enough to be drawn.</p>\n");
        rv_arena_deinit(&arena);
        return;
    }
    double left = 200, scale = 760.0 / (double)r->wall_ms, height = count * 18.0 + 26;
    uint32_t *row_of = rv_arena_new(&arena, uint32_t, r->node_count + 1); /* row + 1 */
    if (count < all) rv_buf_printf(out, "<p class=\"dim\">The %u that took longest, of %u.</p>\n", count, all);
    rv_buf_printf(out, "<div class=\"scroll\"><svg width=\"1000\" height=\"%.0f\" role=\"img\" aria-label=\"Gantt chart\">\n", height);
    axis(r, out, left, scale, height);
    for (uint32_t i = 0; i < count; i++) {
        const rv_report_node *node = &r->nodes[rows[i].node];
        row_of[rows[i].node] = i + 1;
        rv_buf_printf(out, "<text x=\"%.0f\" y=\"%u\" text-anchor=\"end\">", left - 8, (i + 1) * 18 + 17);
        rv_html_text(out, rv_str_cut(node->name, 0, LABEL_CHARACTERS_MAX));
        rv_buf_cstring(out, "</text>\n");
        if (node->attempts == 0) /* it waited, and ran nothing */
            rv_buf_printf(out, "<g class=\"s-%s\"><rect class=\"bar thin\" x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"4\"/></g>\n",
                          rv_node_state_name(node->facts.state), left + (double)RV_MAX(rows[i].started_ms - r->started_ms, 0) * scale,
                          (i + 1) * 18 + 11, RV_MAX((double)rows[i].took_ms * scale, 1.5));
    }
    gantt_bars(r, out, row_of, left, scale);
    rv_buf_cstring(out, "</svg></div>\n");
    rv_arena_deinit(&arena);
}
