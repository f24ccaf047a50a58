/* workflow_laws.h: what must hold for any bytes that are loaded as a workflow: it ends; it is accepted, or there is an error with a
 * position inside of the text; what is accepted has a sound graph and a normal form that is its own normal form; it is the same when the
 * text is spent. */
#ifndef WORKFLOW_LAWS_H
#define WORKFLOW_LAWS_H

#include "../unit/spec_spent.h"

static inline void check_graph(const rv_graph *graph)
{
    RV_ASSERT(graph->plain_count >= 1 && graph->plain_count <= graph->node_count);
    uint32_t outer = 0;
    for (uint32_t i = 0; i < graph->edge_count; i++) outer += (graph->pred[i] & RV_EDGE_EXTERNAL) != 0;
    RV_ASSERT(graph->pred_begin[graph->node_count] == graph->edge_count &&
              graph->succ_begin[graph->node_count] == graph->edge_count - outer);
    for (uint32_t node = 0; node < graph->node_count; node++) {
        const rv_node_def *def = &graph->nodes[node];
        rv_str body = rv_graph_str(graph, def->body);
        RV_ASSERT(graph->position[graph->order[node]] == node);
        RV_ASSERT(body.size >= 2 && body.at[0] == '{' && body.at[body.size - 1] == '}');
        RV_ASSERT((def->handler == RV_HANDLER_NONE) == (node < graph->plain_count || node >= graph->top_count));
        const rv_scope_def *scope = &graph->scopes[def->scope];
        RV_ASSERT(node - scope->first < scope->count && (scope->owner < node) == (node >= graph->top_count));
        RV_ASSERT((def->name.size > 0) == (scope->is_named || def->handler));
        RV_ASSERT(graph->policies[def->policy].max_attempts >= 1);
        for (uint32_t i = graph->pred_begin[node]; i < graph->pred_begin[node + 1]; i++)
            if (graph->pred[i] & RV_EDGE_EXTERNAL) RV_ASSERT(RV_EDGE_NODE(graph->pred[i]) < graph->external_count);
            else RV_ASSERT(RV_EDGE_NODE(graph->pred[i]) != node && graph->nodes[RV_EDGE_NODE(graph->pred[i])].scope == def->scope);
        if (rv_kind_is_controller((rv_kind)def->kind)) {
            const rv_control_def *control = &graph->controls[def->aux];
            RV_ASSERT(control->scope_count >= 1);
            for (uint32_t i = 0; i < control->scope_count; i++) RV_ASSERT(graph->scopes[control->scope_first + i].owner == node);
        }
    }
    for (uint32_t i = 0; i < graph->revise_count; i++) {
        const rv_revise_def *revise = &graph->revises[i];
        RV_ASSERT(revise->member_count >= 2 && graph->nodes[revise->node].revise == i + 1);
        for (uint32_t k = 0; k < revise->member_count; k++)
            RV_ASSERT(graph->nodes[graph->revise_nodes[revise->member_first + k]].scope == graph->nodes[revise->node].scope);
    }
}

static inline bool run_has(void *user, rv_str id) { return id.size > 0 && id.at[0] < 'c'; }

static inline void load_workflow_of(const uint8_t *data, size_t size, bool is_json, bool is_submitted)
{
    rv_spec_input input = {.source = {(const char *)data, size}, .file = "fuzz", .is_json = is_json, .skip_values = true};
    if (is_submitted) input.exists = run_has;
    rv_problems problems = {0}, again = {0};
    rv_spec *spec = NULL, *normal = NULL;
    rv_status status = rv_spec_load(&input, &spec, &problems);
    rv_buf text = {0};
    rv_problems_text(&text, &problems, input.source, true, true);
    RV_ASSERT((status == RV_OK) == (problems.error_count == 0));
    check_spent(&input, status, spec, &problems);
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

/* As a workflow, and as nodes for a run that has every node whose id begins with a sign before `c`. */
static inline void load_workflow(const uint8_t *data, size_t size, bool is_json)
{
    load_workflow_of(data, size, is_json, false);
    load_workflow_of(data, size, is_json, true);
}

#endif
