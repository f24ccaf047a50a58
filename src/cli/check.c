/* check.c: `reeve check`: every problem of a file at once [W6]. */
#include "cli/load.h"
#include "cli/verbs.h"

static void report_good(const rv_args *args, const rv_load *load)
{
    const rv_graph *graph = &load->spec->graph;
    rv_buf out = {0};
    uint32_t inner = graph->node_count - graph->top_count;
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_digest_text(graph->digest, digest);
    if (!args->is_json) {
        rv_ui_style(&out, RV_STYLE_GREEN, rv_str_of(rv_ui_node_glyph(RV_NODE_SUCCEEDED)));
        rv_buf_printf(&out, " %.*s  %u node%s, %u edge%s, %u handler%s", RV_FMT(rv_graph_str(graph, graph->name)), graph->plain_count,
                      graph->plain_count == 1 ? "" : "s", graph->edge_count, graph->edge_count == 1 ? "" : "s",
                      graph->top_count - graph->plain_count, graph->top_count - graph->plain_count == 1 ? "" : "s");
        if (inner) rv_buf_printf(&out, ", %u in bodies", inner);
        rv_buf_byte(&out, '\n');
        rv_ui_out(rv_buf_str(&out));
        rv_buf_deinit(&out);
        return;
    }
    rv_json_writer w;
    rv_cli_json_begin(&w, &out);
    rv_jw_kv_bool(&w, "ok", true);
    rv_jw_kv_str(&w, "file", rv_buf_str(&load->path));
    rv_jw_kv_str(&w, "name", rv_graph_str(graph, graph->name));
    rv_jw_kv_cstring(&w, "workflow", digest);
    rv_jw_kv_i64(&w, "nodes", graph->plain_count);
    rv_jw_kv_i64(&w, "edges", graph->edge_count);
    rv_jw_kv_i64(&w, "handlers", graph->top_count - graph->plain_count);
    rv_jw_kv_i64(&w, "inner_nodes", inner);
    rv_jw_key(&w, "problems");
    rv_problems_json(&w, &load->problems);
    rv_cli_json_end(&w);
}

int rv_verb_check(const rv_args *args)
{
    rv_load load = {0};
    int status = 0;
    if (rv_load_file(&load, args, rv_args_word(args, 0), true, NULL, &status) == RV_OK) report_good(args, &load);
    rv_load_deinit(&load);
    return status;
}
