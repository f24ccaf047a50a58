/* Bodies within nodes: foreach, loop, classify, tournament, sub-workflows, back-edges, as graph and as normal form [K11–K17, W2a]. */
#include "spec_help.h"
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "reeve: 1\nnodes:\n"

static const rv_scope_def *scope_of(const rv_graph *g, const char *owner, uint32_t nth)
{
    const rv_control_def *control = &g->controls[g->nodes[node_named(g, owner)].aux];
    assert_true(nth < control->scope_count);
    return &g->scopes[control->scope_first + nth];
}

static const rv_control_def *control_of(const rv_graph *g, const char *node)
{
    const rv_node_def *def = &g->nodes[node_named(g, node)];
    assert_true(rv_kind_is_controller((rv_kind)def->kind));
    return &g->controls[def->aux];
}

/* ---- foreach ---- */

static void foreach__body_of_one_node_is_a_nameless_scope(void **state)
{
    loaded l = load_good(HEAD "  list: {run: [ls]}\n"
                              "  each:\n    needs: [list]\n    foreach:\n      items: \"${list.files}\"\n      max_parallel: 4\n      join: any\n"
                              "      do: {run: [gcc, \"${item.path}\", \"${index}\", \"${list.flags:-}\"], when: '${item.ok} == true'}\n"
                              "  after: {run: [x, \"${each.results.0}\", \"${each.failed}\"], needs: [each]}\n"
                              "on: {failure: {run: [x]}}\n");
    const rv_graph *g = &l.spec->graph;
    assert_int_equal(g->plain_count, 3);
    assert_int_equal(g->top_count, 4);
    assert_int_equal(g->node_count, 5);
    assert_int_equal(g->scope_count, 3);
    const rv_scope_def *scope = scope_of(g, "each", 0);
    assert_int_equal(scope->role, RV_SCOPE_ITEM);
    assert_int_equal(scope->first, 4);
    assert_int_equal(scope->count, 1);
    assert_int_equal(scope->owner, 1);
    assert_false(scope->is_named);
    assert_false(scope->is_closed);
    assert_int_equal(g->nodes[4].name.size, 0);
    assert_int_equal(g->nodes[4].scope, 2);
    assert_str(rv_graph_str(g, g->nodes[4].when), "${item.ok} == true");
    assert_int_equal(g->nodes[4].flags, RV_NODE_F_KEEP_RESULT);
    assert_int_equal(g->nodes[0].flags, RV_NODE_F_KEEP_RESULT);
    const rv_control_def *control = control_of(g, "each");
    assert_str(rv_graph_str(g, control->items), "\"${list.files}\"");
    assert_int_equal(control->max, 4);
    assert_int_equal(control->join, RV_JOIN_ANY);
    assert_str(rv_graph_str(g, g->nodes[4].body),
               "{\"run\":[\"gcc\",\"${item.path}\",\"${index}\",\"${list.flags:-}\"],\"when\":\"${item.ok} == true\"}");
    assert_idempotent(g);
    loaded_free(&l);
}

static void foreach__graph_is_a_named_scope_with_edges_of_its_own(void **state)
{
    loaded l = load_good(HEAD "  each:\n    foreach:\n      items: [{n: 1, t: \"${user.p}\"}, b, 3, null]\n      do:\n        nodes:\n"
                              "          build: {run: [make, \"${item.n}\"], outputs: []}\n"
                              "          test: {run: [x, \"${build.stdout}\"], needs: [build]}\n"
                              "          lint: {run: [x], after: [build]}\n"
                              "  build: {run: [x]}\nparams: {p: {default: q}}\n");
    const rv_graph *g = &l.spec->graph;
    const rv_scope_def *scope = scope_of(g, "each", 0);
    assert_int_equal(scope->count, 3);
    assert_true(scope->is_named);
    assert_int_equal(scope->first, 2);
    assert_str(rv_graph_name(g, 2), "build");
    assert_int_equal(g->pred[g->pred_begin[3]], 2);
    assert_int_equal(g->pred[g->pred_begin[4]], 2 | RV_EDGE_SOFT);
    assert_int_equal(g->nodes[2].flags, RV_NODE_F_READS_OUTPUT); /* not a sink: its result is nobody's */
    assert_int_equal(g->nodes[3].flags, RV_NODE_F_KEEP_RESULT);
    assert_int_equal(g->nodes[4].flags, RV_NODE_F_KEEP_RESULT);
    assert_str(rv_graph_str(g, control_of(g, "each")->items), "[{\"n\":1,\"t\":\"${user.p}\"},\"b\",3,null]");
    assert_idempotent(g);
    loaded_free(&l);
}

static void foreach__items_and_their_templates_are_read_by_the_kernel(void **state)
{
    loaded l = load_good(HEAD "  a: {run: [x]}\n  b: {foreach: {items: [\"${a.stdout}\"], do: {set: {x: '${item}'}}}, needs: [a]}\n");
    assert_int_equal(l.spec->graph.nodes[0].flags, RV_NODE_F_EXPR_OUTPUT);
    loaded_free(&l);
}

static void bodies__defaults_reach_them_as_any_node(void **state)
{
    loaded l = load_good("reeve: 1\ndefaults: {timeout: 10m, priority: 3, tags: [t], env: {A: a}}\nenv: {B: b}\nnodes:\n"
                         "  each: {foreach: {items: [1], do: {run: [x], env: {C: c}}}}\n");
    const rv_graph *g = &l.spec->graph;
    assert_str(rv_graph_str(g, g->nodes[0].body),
               "{\"foreach\":{\"do\":{\"env\":{\"A\":\"a\",\"B\":\"b\",\"C\":\"c\"},\"priority\":3,\"run\":[\"x\"],\"tags\":[\"t\"],\"timeout\":"
               "\"600000ms\"},\"items\":[1]},\"priority\":3,\"tags\":[\"t\"]}");
    assert_int_equal(g->policies[g->nodes[1].policy].timeout_ms, 600000);
    assert_int_equal(g->nodes[1].priority, 3);
    assert_int_equal(g->nodes[1].class_index, g->nodes[0].class_index);
    assert_idempotent(g);
    loaded_free(&l);
}

/* ---- loop ---- */

static void loop__body_reads_the_previous_iteration(void **state)
{
    loaded l = load_good(HEAD "  try:\n    loop:\n      body: {run: [./try, \"${iteration}\", \"${previous.hint:-}\"], output_schema: {properties: "
                              "{hint: {}, score: {}}, additionalProperties: false}}\n"
                              "      max: 7\n      until: '${previous.score} >= 0.9 || contains(${previous.stdout}, \"ok\")'\n"
                              "  use: {run: [x, \"${try.value.score}\", \"${try.exhausted}\", \"${try.iterations}\"], needs: [try]}\n");
    const rv_graph *g = &l.spec->graph;
    const rv_control_def *control = control_of(g, "try");
    assert_int_equal(control->max, 7);
    assert_str(rv_graph_str(g, control->until), "${previous.score} >= 0.9 || contains(${previous.stdout}, \"ok\")");
    assert_int_equal(scope_of(g, "try", 0)->role, RV_SCOPE_ITERATION);
    assert_int_equal(g->nodes[2].flags, RV_NODE_F_KEEP_RESULT | RV_NODE_F_EXPR_OUTPUT | RV_NODE_F_HAS_SCHEMA);
    assert_idempotent(g);
    loaded_free(&l);
}

/* ---- classify ---- */

static void classify__branches_are_sorted_lists_of_nodes(void **state)
{
    loaded l = load_good(HEAD "  sort:\n    classify:\n      by: {input: {question: \"Which?\"}}\n      branches: {small bug: [fix], idea: [plan, write, plan], none: []}\n"
                              "  fix: {run: [x], needs: [sort]}\n  write: {run: [x], needs: [plan]}\n  plan: {run: [x], after: [sort]}\n"
                              "  end: {run: [x, \"${sort.branch}\"], needs: [fix, write]}\n");
    const rv_graph *g = &l.spec->graph;
    const rv_control_def *control = control_of(g, "sort");
    static const char *const labels[] = {"idea", "none", "small bug"};
    static const uint32_t counts[] = {2, 0, 1};
    assert_int_equal(control->branch_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_str(rv_graph_str(g, g->branches[control->branch_first + i].label), labels[i]);
        assert_int_equal(g->branches[control->branch_first + i].count, counts[i]);
    }
    const rv_branch_def *idea = &g->branches[control->branch_first];
    assert_int_equal(g->branch_nodes[idea->first], 2);
    assert_int_equal(g->branch_nodes[idea->first + 1], 3);
    assert_int_equal(scope_of(g, "sort", 0)->role, RV_SCOPE_CLASSIFIER);
    assert_int_equal(g->nodes[5].kind, RV_KIND_INPUT);
    assert_int_equal(g->nodes[5].flags, RV_NODE_F_KEEP_RESULT);
    assert_idempotent(g);
    loaded_free(&l);
}

/* ---- tournament ---- */

static void tournament__entrants_are_nodes_and_bodies_then_the_judge(void **state)
{
    loaded l = load_good(HEAD "  a: {run: [x]}\n  b: {run: [x]}\n"
                              "  best:\n    needs: [b]\n    tournament:\n      entrants: [a, {run: [one]}, b, {shell: two}]\n"
                              "      judge: {run: [j, \"${left.stdout}\", \"${right.score}\", \"${left.id}\"], when: '${right.stdout} != \"\"'}\n"
                              "      quorum: 3\n      swap: true\n      swiss: 5\n"
                              "  use: {run: [x, \"${best.winner}\", \"${best.value.score}\", \"${best.rounds}\"], needs: [best]}\n");
    const rv_graph *g = &l.spec->graph;
    const rv_control_def *control = control_of(g, "best");
    const rv_entrant_def *entrants = &g->entrants[control->entrant_first];
    assert_int_equal(control->quorum, 3);
    assert_int_equal(control->swap, 1);
    assert_int_equal(control->max, 5);
    assert_int_equal(control->scope_count, 3);
    assert_int_equal(control->entrant_count, 4);
    assert_int_equal(entrants[0].node, 0);
    assert_int_equal(entrants[0].scope, RV_NONE);
    assert_int_equal(entrants[1].node, RV_NONE);
    assert_int_equal(entrants[1].scope, control->scope_first);
    assert_int_equal(entrants[2].node, 1);
    assert_int_equal(entrants[3].scope, control->scope_first + 1);
    assert_int_equal(g->scopes[control->scope_first + 1].role, RV_SCOPE_ENTRANT);
    assert_int_equal(g->scopes[control->scope_first + 2].role, RV_SCOPE_JUDGE);
    assert_int_equal(g->pred_begin[3] - g->pred_begin[2], 2); /* a as well: an entrant is needed */
    assert_int_equal(g->pred[g->pred_begin[2]], 1);
    assert_int_equal(g->pred[g->pred_begin[2] + 1], 0);
    for (uint32_t i = 0; i < 6; i++)
        if (i < 2 || i > 3) assert_int_equal(g->nodes[i].flags, RV_NODE_F_KEEP_RESULT | RV_NODE_F_READS_OUTPUT | RV_NODE_F_EXPR_OUTPUT);
    assert_idempotent(g);
    loaded_free(&l);
}

/* ---- waiting for an event ---- */

static void wait__event_has_a_payload_of_any_shape(void **state)
{
    loaded l = load_good(HEAD "  w: {wait: {event: deployed}}\n  b: {run: [x, \"${w.version.major}\"], needs: [w]}\n");
    const rv_graph *g = &l.spec->graph;
    assert_str(rv_graph_str(g, g->gates[g->nodes[0].aux].event), "deployed");
    assert_int_equal(g->nodes[0].flags, RV_NODE_F_KEEP_RESULT);
    assert_idempotent(g);
    loaded_free(&l);
}

#define T(name_) cmocka_unit_test(name_)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(foreach__body_of_one_node_is_a_nameless_scope),
        T(foreach__graph_is_a_named_scope_with_edges_of_its_own),
        T(foreach__items_and_their_templates_are_read_by_the_kernel),
        T(bodies__defaults_reach_them_as_any_node),
        T(loop__body_reads_the_previous_iteration),
        T(classify__branches_are_sorted_lists_of_nodes),
        T(tournament__entrants_are_nodes_and_bodies_then_the_judge),
        T(wait__event_has_a_payload_of_any_shape),
    };
    return cmocka_run_group_tests_name("spec bodies", tests, NULL, NULL);
}
