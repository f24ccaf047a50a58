/* workflow_laws.h: what must hold for any bytes that are loaded as a workflow: it ends; it is accepted, or there is an error with a
 * position inside of the text; what is accepted has a sound graph and a normal form that is its own normal form. */
#ifndef WORKFLOW_LAWS_H
#define WORKFLOW_LAWS_H

#include "spec/spec.h"

static inline void check_graph(const rv_graph *graph)
{
    RV_ASSERT(graph->plain_count >= 1 && graph->plain_count <= graph->node_count);
    RV_ASSERT(graph->pred_begin[graph->node_count] == graph->edge_count &&
              graph->succ_begin[graph->node_count] == graph->edge_count);
    for (uint32_t node = 0; node < graph->node_count; node++) {
        const rv_node_def *def = &graph->nodes[node];
        rv_str body = rv_graph_str(graph, def->body);
        RV_ASSERT(graph->position[graph->order[node]] == node);
        RV_ASSERT(body.size >= 2 && body.at[0] == '{' && body.at[body.size - 1] == '}');
        RV_ASSERT((def->handler == RV_HANDLER_NONE) == (node < graph->plain_count));
        RV_ASSERT(graph->policies[def->policy].max_attempts >= 1);
        for (uint32_t i = graph->pred_begin[node]; i < graph->pred_begin[node + 1]; i++)
            RV_ASSERT(RV_EDGE_NODE(graph->pred[i]) != node);
    }
}

static inline void load_workflow(const uint8_t *data, size_t size, bool is_json)
{
    rv_spec_input input = {.source = {(const char *)data, size}, .file = "fuzz", .is_json = is_json, .skip_values = true};
    rv_problems problems = {0}, again = {0};
    rv_spec *spec = NULL, *normal = NULL;
    rv_status status = rv_spec_load(&input, &spec, &problems);
    rv_buf text = {0};
    rv_problems_text(&text, &problems, input.source, true, true);
    RV_ASSERT((status == RV_OK) == (problems.error_count == 0));
    for (uint32_t i = 0; i < problems.list.count; i++)
        RV_ASSERT(problems.list.at[i].what.size > 0 &&
                  (problems.list.at[i].line == UINT32_MAX || problems.list.at[i].line <= size + 1));
    if (spec) {
        check_graph(&spec->graph);
        input.source = spec->graph.definition;
        input.is_json = true;
        RV_ASSERT(rv_spec_load(&input, &normal, &again) == RV_OK);
        RV_ASSERT(rv_str_eq(normal->graph.definition, spec->graph.definition));
        RV_ASSERT(memcmp(&normal->graph.digest, &spec->graph.digest, sizeof(rv_digest)) == 0);
    }
    rv_buf_deinit(&text);
    rv_spec_free(spec);
    rv_spec_free(normal);
    rv_problems_deinit(&problems);
    rv_problems_deinit(&again);
}

#endif
