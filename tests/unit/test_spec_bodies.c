/* Bodies within nodes: foreach, loop, classify, tournament, sub-workflows, back-edges, as graph and as normal form [K11–K17, W2a]. */
#include "spec/load.h"
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
                              "  each:\n    needs: [list]\n    foreach:\n      items: \"${list.files}\"\n      max_parallel: 4\n      "
                              "join: any\n"
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
               "{\"foreach\":{\"do\":{\"env\":{\"A\":\"a\",\"B\":\"b\",\"C\":\"c\"},\"priority\":3,\"run\":[\"x\"],\"tags\":[\"t\"],"
               "\"timeout\":\"600000ms\"},\"items\":[1]},\"priority\":3,\"tags\":[\"t\"]}");
    assert_int_equal(g->policies[g->nodes[1].policy].timeout_ms, 600000);
    assert_int_equal(g->nodes[1].priority, 3);
    assert_int_equal(g->nodes[1].class_index, g->nodes[0].class_index);
    assert_idempotent(g);
    loaded_free(&l);
}

/* ---- loop ---- */

static void loop__body_reads_the_previous_iteration(void **state)
{
    loaded l = load_good(HEAD "  try:\n    loop:\n      body: {run: [./try, \"${iteration}\", \"${previous.hint:-}\"], output_schema: "
                              "{properties: "
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
    loaded l = load_good(HEAD "  sort:\n    classify:\n      by: {input: {question: \"Which?\"}}\n      branches: {small bug: [fix], "
                              "idea: [plan, write, plan], none: []}\n"
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
                              "      judge: {run: [j, \"${left.stdout}\", \"${right.score}\", \"${left.id}\"], when: '${right.stdout} "
                              "!= \"\"'}\n"
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
    assert_int_equal(g->pred_begin[3] - g->pred_begin[2], 2); /* a as well: an entrant is waited for */
    assert_int_equal(g->pred[g->pred_begin[2]], 1);
    assert_int_equal(g->pred[g->pred_begin[2] + 1], 0 | RV_EDGE_SOFT);
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

/* ---- workflows within workflows ---- */

static char dir[] = "/tmp/reeve_bodies_XXXXXX";

static int make_dir(void **state) { return mkdtemp(dir) ? 0 : -1; }
static int remove_dir(void **state)
{
    static const char *const names[] = {"a.yaml", "b.yaml", "c.json", "sub/d.yaml", "note.txt", "graph"};
    char path[256];
    for (size_t i = 0; i < RV_COUNT(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)snprintf(path, sizeof path, "%s/sub", dir);
    (void)rmdir(path);
    return rmdir(dir);
}
static void put(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/sub", dir);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}
static loaded load_in_dir(const char *source)
{
    rv_spec_input input = input_of(source, false);
    input.dir = dir;
    return load_input(&input);
}
static loaded load_good_in_dir(const char *source)
{
    loaded l = load_in_dir(source);
    if (l.spec == NULL) print_error("%s", l.text.at);
    assert_non_null(l.spec);
    return l;
}

static const char part[] = "reeve: 1\nname: part\nparams: {who: {}, n: {type: integer, default: 3}, t: {default: \"a ${x} $\"}}\n"
                           "env: {E: e}\ndefaults: {timeout: 1m}\n"
                           "nodes:\n  ask: {run: [ask, \"${user.who}\", \"${user.n}\"]}\n  tell: {run: [tell, \"${ask.answer}\"], "
                           "needs: [ask]}\n"
                           "result: {answer: '${ask.answer}', code: '${tell.exit_code}'}\n";

static void workflow__file_becomes_a_closed_scope_and_part_of_the_normal_form(void **state)
{
    put("a.yaml", part);
    loaded l = load_good_in_dir("reeve: 1\nparams: {name: {default: x}}\ndefaults: {priority: 4}\nnodes:\n  first: {run: [x]}\n"
                                "  sub: {workflow: {file: ./a.yaml, params: {who: \"${user.name} ${first.v}\"}}, needs: [first]}\n"
                                "  last: {run: [x, \"${sub.answer}\"], needs: [sub]}\n");
    const rv_graph *g = &l.spec->graph;
    const rv_scope_def *scope = scope_of(g, "sub", 0);
    const rv_control_def *control = control_of(g, "sub");
    assert_int_equal(scope->role, RV_SCOPE_WORKFLOW);
    assert_true(scope->is_named && scope->is_closed);
    assert_int_equal(scope->count, 2);
    assert_str(rv_graph_name(g, scope->first), "ask");
    assert_int_equal(g->nodes[scope->first].priority, 0); /* the defaults of the file around it are not its */
    assert_int_equal(g->policies[g->nodes[scope->first].policy].timeout_ms, 60000);
    assert_int_equal(g->nodes[scope->first].flags, RV_NODE_F_KEEP_RESULT);
    assert_int_equal(g->nodes[scope->first + 1].flags, 0); /* `result` reads no more of it than its exit code */
    assert_int_equal(g->nodes[0].flags, RV_NODE_F_KEEP_RESULT);
    assert_str(rv_graph_str(g, control->params), "{\"n\":3,\"t\":\"a $${x} $\",\"who\":\"${user.name} ${first.v}\"}");
    assert_int_equal(control->result_count, 2);
    assert_str(rv_graph_str(g, g->set_items[control->result_first].key), "answer");
    assert_str(rv_graph_str(g, g->set_items[control->result_first + 1].expression), "${tell.exit_code}");
    assert_str(rv_graph_str(g, g->nodes[1].body),
               "{\"needs\":[\"first\"],\"priority\":4,\"workflow\":{\"definition\":{\"name\":\"part\",\"nodes\":{"
               "\"ask\":{\"env\":{\"E\":\"e\"},\"run\":[\"ask\",\"${user.who}\",\"${user.n}\"],\"timeout\":\"60000ms\"},"
               "\"tell\":{\"env\":{\"E\":\"e\"},\"needs\":[\"ask\"],\"run\":[\"tell\",\"${ask.answer}\"],\"timeout\":\"60000ms\"}},"
               "\"params\":{\"n\":{\"default\":3,\"type\":\"integer\"},\"t\":{\"default\":\"a ${x} $\"},\"who\":{}},"
               "\"result\":{\"answer\":\"${ask.answer}\",\"code\":\"${tell.exit_code}\"}},\"params\":{\"who\":\"${user.name} "
               "${first.v}\"}}}");
    assert_idempotent(g);
    loaded_free(&l);
}

static void workflow__without_result_has_that_of_its_last_nodes(void **state)
{
    put("c.json", "{\"reeve\":1,\"nodes\":{\"a\":{\"run\":[\"x\"]},\"b\":{\"run\":[\"x\"],\"needs\":[\"a\"]},\"c\":{\"run\":[\"x\"]}}}");
    loaded l = load_good_in_dir(HEAD "  s: {workflow: {file: c.json}}\n  t: {run: [x, \"${s.b.v}\", \"${s.c}\"], needs: [s]}\n");
    const rv_graph *g = &l.spec->graph;
    uint32_t first = scope_of(g, "s", 0)->first;
    assert_int_equal(control_of(g, "s")->result_count, 0);
    assert_int_equal(control_of(g, "s")->params.size, 0);
    assert_int_equal(g->nodes[first].flags, 0);
    assert_int_equal(g->nodes[first + 1].flags, RV_NODE_F_KEEP_RESULT);
    assert_int_equal(g->nodes[first + 2].flags, RV_NODE_F_KEEP_RESULT);
    loaded_free(&l);
    l = load_in_dir(HEAD "  s: {workflow: {file: c.json}}\n  t: {run: [x, \"${s.a}\"], needs: [s]}\n");
    assert_str(rv_buf_str(&l.text), "flow.yaml:4:17: `${s.a}`: `s` has no output `a`; a sub-workflow has the keys of its `result`, else "
                                    "the names "
                                    "of its last nodes, state, error\n");
    loaded_free(&l);
}

static void workflow__problems_of_its_file_have_their_own_positions(void **state)
{
    put("b.yaml", "reeve: 1\nnodes:\n  \xc3\xa4: {run: [x]}\n  a: {run: [x, \"${outer.v}\"], need: [x]}\n");
    const char *source = HEAD "  outer: {run: [x]}\n  s: {workflow: {file: b.yaml}, needs: [outer], leave: true}\n";
    rv_spec_input input = input_of(source, false);
    input.dir = dir;
    loaded l = load_input(&input);
    rv_buf text = {0};
    rv_problems_text(&text, &l.problems, input.source, true, false);
    assert_str(rv_buf_str(&text),
               "flow.yaml:4:49: `leave` does not apply to `workflow`; remove it\n"
               "      s: {workflow: {file: b.yaml}, needs: [outer], leave: true}\n                                                    ^\n"
               "b.yaml:3:3: `\xc3\xa4` is not a name; use A-Z a-z 0-9 _ -, a letter or digit first, at most 64\n"
               "b.yaml:4:17: `outer.v`: there is no node `outer`; values are those of user, env, run, attempt and of nodes\n"
               "b.yaml:4:31: unknown key `need` in a node; did you mean `needs`?\n");
    rv_buf_deinit(&text);
    loaded_free(&l);
}

static void workflow__files_that_include_each_other_are_named_in_a_chain(void **state)
{
    put("a.yaml", HEAD "  b: {workflow: {file: ./b.yaml}}\n");
    put("b.yaml", HEAD "  d: {foreach: {items: [1], do: {workflow: {file: sub//d.yaml}}}}\n");
    put("sub/d.yaml", HEAD "  b: {workflow: {file: b.yaml}}\n");
    loaded l = load_in_dir(HEAD "  a: {workflow: {file: a.yaml}}\n");
    assert_str(rv_buf_str(&l.text), "sub/d.yaml:3:24: a workflow includes itself: b.yaml -> sub/d.yaml -> b.yaml; let one of "
                                    "them not include the next\n");
    loaded_free(&l);
    put("a.yaml", HEAD "  a: {workflow: {file: a.yaml}}\n");
    l = load_in_dir(HEAD "  a: {workflow: {file: a.yaml}}\n"); /* the workflow that is run, under another name */
    assert_str(rv_buf_str(&l.text),
               "flow.yaml:3:24: a workflow includes itself: flow.yaml -> a.yaml; let one of them not include the next\n");
    loaded_free(&l);
    l = load_in_dir(HEAD "  a: {workflow: {file: ./.}}\n");
    assert_str(rv_buf_str(&l.text), "flow.yaml:3:24: `./.` is the workflow's own directory; name a workflow file in it\n");
    loaded_free(&l);
}

static void workflow__params_are_checked_where_they_are_literal(void **state)
{
    put("a.yaml", "reeve: 1\nparams: {s: {}, n: {type: integer}, e: {enum: [x, y], default: x}, l: {type: array, default: []}}\n"
                  "nodes: {a: {run: [x, \"${user.s}\"]}}\n");
    loaded l = load_in_dir(HEAD "  a: {run: [x]}\n"
                                "  b: {workflow: {file: a.yaml, params: {s: 1.10, n: '5', e: z, l: {}, q: 1}}}\n"
                                "  c: {workflow: {file: a.yaml}}\n"
                                "  d: {workflow: {file: a.yaml, params: {s: \"${a.v}\", n: \"${a.n}\", e: \"${a.e}\"}}, needs: [a]}\n"
                                "  e: {workflow: {file: a.yaml, params: {s: \"${a.v}\", n: 1}}}\n");
    assert_str(rv_buf_str(&l.text),
               "flow.yaml:4:44: the sub-workflow's param `s` is of type string; put it in quotes\n"
               "flow.yaml:4:54: the sub-workflow's param `n` is of type integer; correct it\n"
               "flow.yaml:4:61: the value of the sub-workflow's param `e` is not allowed; give one of its `enum`\n"
               "flow.yaml:4:67: the sub-workflow's param `l` is of type array; correct it\n"
               "flow.yaml:4:71: the sub-workflow has no param `q`; declare it under the sub-workflow's `params`, or remove it\n"
               "flow.yaml:5:17: the sub-workflow's param `s` has no value; add `s` to `params`\n"
               "flow.yaml:5:17: the sub-workflow's param `n` has no value; add `n` to `params`\n"
               "flow.yaml:7:45: `e` reads `a`, which need not have ended by then; add `a` to its `needs`\n");
    loaded_free(&l);
}

static void workflow__what_belongs_to_a_run_is_refused_in_it(void **state)
{
    put("a.yaml", "nodes: {a: {run: [x]}}\non: {exit: {run: [x]}}\ntimeout: 1h\nconcurrency: {default: 2}\nparams: {k: {secret: true}}\n");
    loaded l = load_in_dir(HEAD "  a: {workflow: {file: a.yaml, params: {k: x}}}\n  b: {workflow: {file: none.yaml}}\n"
                                "  c: {workflow: {}}\n  d: {workflow: {file: a.yaml, definition: {nodes: {a: {run: [x]}}}}}\n");
    assert_non_null(l.text.at);
    assert_non_null(strstr(l.text.at, "flow.yaml:4:24: `none.yaml`: No such file or directory; name a workflow file beneath the "
                                      "directory of the "
                                      "workflow that is run\n"
                                      "flow.yaml:5:17: `workflow` has none of `definition` and `file`; give one of them\n"
                                      "flow.yaml:6:17: `workflow` has several of `definition` and `file`; give one of them\n"
                                      "a.yaml:1:1: warning: the file does not say which version of the format it is in; add `reeve: 1`\n"
                                      "a.yaml:2:1: `on` of an included workflow is not supported by this version; move it to the "
                                      "workflow that is run\n"
                                      "a.yaml:3:1: `timeout` of an included"));
    assert_non_null(strstr(l.text.at, "a.yaml:4:1: `concurrency` of an included"));
    assert_non_null(strstr(l.text.at, "a.yaml:5:22: a secret param of an included workflow is not supported by this version"));
    loaded_free(&l);
}

static void workflow__text_of_a_file_within_is_read_and_pinned(void **state)
{
    put("note.txt", "echo \"hi\"\n");
    put("a.yaml", HEAD "  a: {shell: file://note.txt}\n");
    loaded l = load_good_in_dir(HEAD "  s: {workflow: {file: a.yaml}}\n");
    char path[256];
    rv_error err = {0};
    rv_spec *mapped = NULL;
    rv_problems problems = {0};
    rv_spec_input input = input_of("", false);
    input.dir = dir;
    (void)snprintf(path, sizeof path, "%s/graph", dir);
    assert_int_equal(rv_spec_save(l.spec, path, &err), RV_OK);
    assert_int_equal(rv_spec_map(path, &input, &mapped, &problems, &err), RV_OK);
    assert_true(rv_str_eq(mapped->graph.definition, l.spec->graph.definition));
    assert_str(rv_graph_str(&mapped->graph, mapped->graph.nodes[1].body), "{\"shell\":\"echo \\\"hi\\\"\\n\"}");
    rv_spec_free(mapped);
    put("a.yaml", HEAD "  b: {shell: file://note.txt}\n");
    assert_int_equal(rv_spec_map(path, &input, &mapped, &problems, &err), RV_NOT_FOUND); /* it is compiled anew */
    assert_idempotent(&l.spec->graph);
    rv_problems_deinit(&problems);
    loaded_free(&l);
}

static void workflow__files_within_cannot_multiply_without_bound(void **state)
{
    rv_buf source = {0}, file = {0};
    rv_buf_cstring(&file, "reeve: 1\nparams:\n  p:\n    type: array\n    default:\n      - &a [1,1,1,1,1,1,1,1,1,1]\n");
    for (int i = 0; i < 5; i++) {
        rv_buf_printf(&file, "      - &%c [", 'b' + i);
        for (int k = 0; k < 9; k++) rv_buf_printf(&file, "%s*%c", k ? "," : "", 'a' + i);
        rv_buf_cstring(&file, "]\n");
    }
    rv_buf_cstring(&file, "nodes: {a: {run: [x]}}\n");
    put("b.yaml", file.at);
    rv_buf_cstring(&source, "reeve: 1\nnodes:\n");
    for (int i = 0; i < 12; i++) rv_buf_printf(&source, "  n%d: {workflow: {file: b.yaml}}\n", i);
    loaded l = load_in_dir(source.at);
    assert_null(l.spec);
    assert_non_null(strstr(l.text.at, "the files that are included hold more than 4000000 values; include less, or use fewer aliases"));
    loaded_free(&l);
    rv_buf_deinit(&source);
    rv_buf_deinit(&file);
}

/* ---- back-edges ---- */

static void revise__members_are_what_lies_between(void **state)
{
    loaded l = load_good(HEAD "  a: {run: [x]}\n  b: {run: [x, \"${feedback}\"], needs: [a]}\n  c: {run: [x, \"${feedback.why:-}\"], "
                              "needs: [b]}\n"
                              "  side: {run: [x], needs: [a]}\n  other: {run: [x], needs: [b]}\n"
                              "  d:\n    run: [x]\n    needs: [c, side]\n    revise: {target: b, when: '${d.ok} == false && ${a.v} == 1 "
                              "&& ${d.stdout} != \"\"', "
                              "max: 2, at_max: ask}\n"
                              "  e: {run: [x], needs: [d, other]}\n");
    const rv_graph *g = &l.spec->graph;
    static const uint32_t members[] = {1, 2, 5};
    assert_int_equal(g->revise_count, 1);
    const rv_revise_def *revise = &g->revises[0];
    assert_int_equal(g->nodes[5].revise, 1);
    assert_int_equal(revise->node, 5);
    assert_int_equal(revise->target, 1);
    assert_int_equal(revise->max, 2);
    assert_int_equal(revise->at_max_ask, 1);
    assert_str(rv_graph_str(g, revise->when), "${d.ok} == false && ${a.v} == 1 && ${d.stdout} != \"\"");
    assert_int_equal(revise->member_count, 3);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(g->revise_nodes[revise->member_first + i], members[i]);
    assert_int_equal(g->nodes[5].flags, RV_NODE_F_KEEP_RESULT | RV_NODE_F_EXPR_OUTPUT);
    assert_idempotent(g);
    loaded_free(&l);
}

static void revise__one_within_another_is_allowed(void **state)
{
    loaded l = load_good(HEAD "  a: {run: [x]}\n  b: {run: [x], needs: [a]}\n  c: {run: [x], needs: [b], revise: {target: b, when: "
                              "'true'}}\n"
                              "  d: {run: [x], needs: [c], revise: {target: a, when: 'true'}}\n  e: {run: [x], needs: [d]}\n"
                              "  f: {run: [x], needs: [e], revise: {target: e, when: 'true'}}\n");
    assert_int_equal(l.spec->graph.revise_count, 3);
    assert_int_equal(l.spec->graph.revises[0].max, 5);
    assert_int_equal(l.spec->graph.revises[1].member_count, 4);
    assert_idempotent(&l.spec->graph);
    loaded_free(&l);
}

/* Over an optional edge a node may end while what it needs still runs: that cannot be done again with it. */
static void revise__what_is_optional_is_no_way_back(void **state)
{
    loaded l = load_good(HEAD "  a: {run: [x]}\n  b: {run: [x], needs: [a], dep_policy: optional}\n"
                              "  c: {run: [x], needs: [a, b], revise: {target: a, when: 'true'}}\n");
    assert_int_equal(l.spec->graph.revises[0].member_count, 2); /* a and c */
    loaded_free(&l);
    l = load_good(HEAD "  a: {run: [x]}\n  b: {run: [x], after: [a], needs: [z], dep_policy: optional}\n"
                       "  c: {run: [x], needs: [b], revise: {target: a, when: 'true'}}\n  z: {run: [x]}\n");
    assert_int_equal(l.spec->graph.revises[0].member_count, 3); /* `after` is waited for */
    loaded_free(&l);
}

/* What a pruned branch needs may still run: the node with the back-edge waits for it itself. Others wait for nothing more. */
static void revise__waits_for_what_a_branch_on_its_way_needs(void **state)
{
    loaded l = load_good(HEAD "  c: {classify: {by: {run: [x]}, branches: {x: [a], y: [b]}}}\n  a: {run: [x], needs: [c]}\n"
                              "  b: {run: [x], needs: [c, a]}\n  r: {run: [x], needs: [b], revise: {target: c, when: 'true'}}\n"
                              "  s: {run: [x], needs: [b]}\n");
    const rv_graph *g = &l.spec->graph;
    uint32_t r = node_named(g, "r"), at = g->pred_begin[r];
    assert_int_equal(g->pred_begin[r + 1] - at, 2);
    assert_int_equal(g->pred[at], node_named(g, "b"));
    assert_int_equal(g->pred[at + 1], node_named(g, "a") | RV_EDGE_SOFT);
    assert_int_equal(g->pred_begin[r + 2] - g->pred_begin[r + 1], 1);
    assert_idempotent(g);
    loaded_free(&l);
}

static rv_status map_changed(const rv_spec *spec, const char *path, size_t offset, uint32_t value)
{
    rv_error err = {0};
    rv_spec *mapped = NULL;
    rv_problems problems = {0};
    rv_spec_input input = input_of("", false);
    char *bytes = rv_alloc(spec->image_size);
    memcpy(bytes, spec->image, spec->image_size);
    memcpy(bytes + offset, &value, sizeof value);
    rv_image_seal((rv_image *)(void *)bytes);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, spec->image_size, file), spec->image_size);
    assert_int_equal(fclose(file), 0);
    rv_status status = rv_spec_map(path, &input, &mapped, &problems, &err);
    rv_spec_free(mapped);
    rv_problems_deinit(&problems);
    rv_free(bytes);
    return status;
}

/* However its bytes were changed, and sealed again: other members than those that lie on the way are no image of ours. */
static void revise__image_with_other_members_is_refused(void **state)
{
    loaded l = load_good(HEAD "  a: {run: [x]}\n  b: {run: [x], needs: [a]}\n  side: {run: [x], needs: [a]}\n"
                              "  c: {run: [x], needs: [b], after: [side]}\n  out: {run: [x], needs: [b]}\n"
                              "  d: {run: [x], needs: [c], revise: {target: a, when: 'true'}}\n  e: {run: [x], needs: [d, out]}\n"
                              "  f: {loop: {body: {run: [x]}, max: 2}}\n");
    const rv_graph *g = &l.spec->graph;
    const char *image = (const char *)l.spec->image;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/graph", dir);
    const uint32_t *members = g->revise_nodes, count = g->revises[0].member_count;
    assert_int_equal(count, 5);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t value = 0; value <= g->node_count; value++)
            assert_int_equal(map_changed(l.spec, path, (size_t)((const char *)&members[i] - image), value),
                             value == members[i] ? RV_OK : RV_CORRUPT);
    const rv_revise_def *revise = &g->revises[0];
    const uint32_t *const fields[] = {&revise->node, &revise->target, &revise->member_first, &revise->member_count, &g->nodes[0].revise,
                                      &g->nodes[revise->node].revise};
    for (size_t i = 0; i < RV_COUNT(fields); i++)
        for (uint32_t value = 0; value <= g->node_count; value++)
            assert_int_equal(map_changed(l.spec, path, (size_t)((const char *)fields[i] - image), value),
                             value == *fields[i] ? RV_OK : RV_CORRUPT);
    loaded_free(&l);
    l = load_good(HEAD "  a: {run: [x]}\n  b: {run: [x], needs: [a], dep_policy: optional}\n" /* b is not waited for: no member */
                       "  c: {run: [x], needs: [a, b], revise: {target: a, when: 'true'}}\n");
    assert_int_equal(map_changed(l.spec, path, offsetof(rv_image, magic), *(const uint32_t *)(const void *)l.spec->image), RV_OK);
    loaded_free(&l);
}

/* ---- all together ---- */

static void bodies__nest_and_an_image_of_them_is_mapped(void **state)
{
    loaded l = load_good_in_dir(
        "reeve: 1\nparams: {list: {type: array, default: [1]}}\nnodes:\n  pre: {run: [x]}\n"
        "  each:\n    needs: [pre]\n    foreach:\n      items: '${user.list}'\n      join: all_settled\n      do:\n        nodes:\n"
        "          a: {loop: {max: 3, body: {tournament: {entrants: [{run: [x, \"${item}\", \"${iteration}\"]}, {run: [y]}], "
        "judge: {run: [j, \"${left.id}\", \"${index}\", \"${previous.value:-}\", \"${pre.v}\"]}}}}}\n"
        "          b: {classify: {by: {run: [x, \"${a.value.winner}\"]}, branches: {one: [c]}}, needs: [a]}\n"
        "          c: {workflow: {definition: {params: {p: {}}, nodes: {n: {foreach: {items: [1, 2], do: {run: [x, \"${item}\", "
        "\"${user.p}\"]}}}}}, "
        "params: {p: \"${item.p}\"}}, needs: [b]}\n");
    const rv_graph *g = &l.spec->graph;
    char path[256];
    rv_error err = {0};
    rv_spec *mapped = NULL;
    rv_problems problems = {0};
    rv_spec_input input = input_of("", false);
    input.dir = dir;
    (void)snprintf(path, sizeof path, "%s/graph", dir);
    assert_int_equal(g->node_count, 12);
    assert_int_equal(g->scope_count, 10);
    for (uint32_t i = 2; i < g->scope_count; i++) assert_true(g->scopes[i].first == g->scopes[i - 1].first + g->scopes[i - 1].count);
    assert_idempotent(g);
    assert_int_equal(rv_spec_save(l.spec, path, &err), RV_OK);
    assert_int_equal(rv_spec_map(path, &input, &mapped, &problems, &err), RV_OK);
    assert_int_equal(mapped->graph.control_count, g->control_count);
    assert_memory_equal(mapped->graph.controls, g->controls, sizeof *g->controls * g->control_count);
    rv_spec_free(mapped);
    rv_problems_deinit(&problems);
    loaded_free(&l);
}

/* As deep as a file may be; no part of loading recurses. */
static void bodies__nest_as_deep_as_a_file_may(void **state)
{
    for (uint32_t depth = 27; depth < 34; depth++) {
        rv_buf source = {0};
        rv_buf_cstring(&source, "{\"reeve\":1,\"defaults\":{\"env\":{\"A\":\"a\"},\"retry\":{\"on\":[1]}},\"nodes\":{\"a\":");
        for (uint32_t i = 0; i < depth; i++) rv_buf_cstring(&source, "{\"loop\":{\"max\":1,\"body\":");
        rv_buf_cstring(&source, "{\"shell\":\"x\"}");
        for (uint32_t i = 0; i < depth; i++) rv_buf_cstring(&source, "}}");
        rv_buf_cstring(&source, "}}");
        loaded l = load_json(source.at);
        assert_int_equal(l.spec != NULL, depth <= 28);
        if (l.spec) assert_idempotent(&l.spec->graph);
        else assert_non_null(strstr(l.text.at, depth < 31 ? "nodes within nodes nested deeper than 64 levels" : "nested more than 64 "
                                                                                                    "deep"));
        loaded_free(&l);
        rv_buf_deinit(&source);
    }
}

/* ---- nodes that are submitted to a run ---- */

static bool run_has(void *user, rv_str id)
{
    static const char *const ids[] = {"fetch", "each[3].build", "plan", "other"};
    (*(uint32_t *)user)++;
    for (size_t i = 0; i < RV_COUNT(ids); i++)
        if (rv_str_is(id, ids[i])) return true;
    return false;
}

static loaded load_submitted(const char *source)
{
    static uint32_t asked;
    rv_spec_input input = input_of(source, false);
    input.exists = run_has;
    input.exists_user = &asked;
    input.params = RV_STR("{\"city\":{\"default\":\"x\"},\"key\":{\"secret\":true},\"l\":{\"type\":\"array\"}}");
    loaded l = load_input(&input);
    assert_true(asked > 0);
    return l;
}

static void submitted__nodes_of_the_run_are_externals(void **state)
{
    loaded l = load_submitted("nodes:\n  a: {run: [x, \"${fetch.stdout}\", \"${user.city}\"], needs: [fetch], env: {K: \"${user.key}\"}}\n"
                              "  b: {run: [x, \"${fetch.v}\"], needs: [a], after: [\"each[3].build\", fetch]}\n"
                              "  c: {foreach: {items: \"${user.l}\", do: {run: [x, \"${fetch.n}\", \"${item}\"]}}, needs: [b]}\n");
    if (l.spec == NULL) print_error("%s", l.text.at);
    assert_non_null(l.spec);
    const rv_graph *g = &l.spec->graph;
    assert_int_equal(l.problems.list.count, 0); /* a batch need not say `reeve: 1` */
    assert_int_equal(g->node_count, 4);
    assert_int_equal(g->external_count, 2);
    assert_str(rv_graph_str(g, g->externals[0].name), "fetch");
    assert_str(rv_graph_str(g, g->externals[1].name), "each[3].build");
    assert_int_equal(g->externals[0].flags, RV_NODE_F_KEEP_RESULT | RV_NODE_F_READS_OUTPUT);
    assert_int_equal(g->externals[1].flags, 0);
    assert_int_equal(g->edge_count, 5);
    assert_int_equal(g->pred[0], RV_EDGE_EXTERNAL | 0);
    assert_int_equal(g->pred[1], 0);
    assert_int_equal(g->pred[2], RV_EDGE_EXTERNAL | RV_EDGE_SOFT | 1);
    assert_int_equal(g->pred[3], RV_EDGE_EXTERNAL | RV_EDGE_SOFT | 0);
    assert_int_equal(g->pred[4], 1);
    assert_int_equal(g->succ_begin[4], 2);
    assert_int_equal(g->succ[0], 1);
    assert_int_equal(g->succ[1], 2);
    assert_str(rv_buf_str(&l.spec->user), "{}");
    char *again = rv_cstring_dup(g->definition);
    loaded second = load_submitted(again);
    assert_non_null(second.spec);
    assert_true(rv_str_eq(second.spec->graph.definition, g->definition));
    rv_free(again);
    loaded_free(&second);
    loaded_free(&l);
}

static void submitted__problems_name_the_node(void **state)
{
    loaded l = load_submitted("nodes:\n  plan: {run: [x]}\n"
                              "  a: {run: [x, \"${fetch.v}\", \"${user.town}\", \"${user.key}\"], needs: [nothing]}\n"
                              "  t: {tournament: {entrants: [fetch, {run: [x]}], judge: {run: [x]}}, needs: [fetch]}\n"
                              "  r: {run: [x], needs: [fetch], revise: {target: fetch, when: '${other.v} == 1'}}\n"
                              "on: {exit: {run: [x]}}\nparams: {s: {secret: true}}\n");
    assert_null(l.spec);
    assert_str(rv_buf_str(&l.text),
               "flow.yaml:2:3: the run has a node `plan` already; give it another name\n"
               "flow.yaml:3:17: `a` reads `fetch`, which need not have ended by then; add `fetch` to its `needs`\n"
               "flow.yaml:3:31: `${user.town}`: there is no such param; declare it under `params`\n"
               "flow.yaml:3:47: `${user.key}`: there is no such param; declare it under `params`\n"
               "flow.yaml:3:70: `needs` of `a` names `nothing`, which is no node; add the node or remove the name\n"
               "flow.yaml:4:31: `entrants` of `t` names `fetch`, which is no node beside it; name a node that "
               "stands beside the tournament\n"
               "flow.yaml:5:50: `target` of `r` names `fetch`, which is no node beside it; name a node that stands beside it\n"
               "flow.yaml:5:64: `other.v`: the run's node `other` need not have ended by then; add `other` to `needs`\n"
               "flow.yaml:6:1: `on` of submitted nodes is not supported by this version; move it to the workflow that is run\n"
               "flow.yaml:7:22: a secret param of submitted nodes is not supported by this version; let its nodes take it from "
               "${env.NAME}\n");
    loaded_free(&l);
}

static void submitted__image_with_externals_is_mapped(void **state)
{
    loaded l = load_submitted("nodes: {a: {run: [x], needs: [fetch]}, b: {run: [x], needs: [a, plan]}}\n");
    char path[256];
    rv_error err = {0};
    rv_spec *mapped = NULL;
    rv_problems problems = {0};
    rv_spec_input input = input_of("", false);
    assert_non_null(l.spec);
    (void)snprintf(path, sizeof path, "%s/graph", dir);
    assert_int_equal(rv_spec_save(l.spec, path, &err), RV_OK);
    assert_int_equal(rv_spec_map(path, &input, &mapped, &problems, &err), RV_OK);
    assert_int_equal(mapped->graph.external_count, 2);
    assert_int_equal(mapped->graph.pred[0], RV_EDGE_EXTERNAL);
    rv_spec_free(mapped);
    rv_problems_deinit(&problems);
    loaded_free(&l);
}

#define T(name_) cmocka_unit_test(name_)
/* `large`: what takes seconds under the sanitizers. */
int main(int argc, char **argv)
{
    const struct CMUnitTest large[] = {T(workflow__files_within_cannot_multiply_without_bound)};
    if (argc > 1 && strcmp(argv[1], "large") == 0) return cmocka_run_group_tests_name("spec bodies, large", large, make_dir, remove_dir);
    const struct CMUnitTest tests[] = {
        T(foreach__body_of_one_node_is_a_nameless_scope),
        T(foreach__graph_is_a_named_scope_with_edges_of_its_own),
        T(foreach__items_and_their_templates_are_read_by_the_kernel),
        T(bodies__defaults_reach_them_as_any_node),
        T(loop__body_reads_the_previous_iteration),
        T(classify__branches_are_sorted_lists_of_nodes),
        T(tournament__entrants_are_nodes_and_bodies_then_the_judge),
        T(wait__event_has_a_payload_of_any_shape),
        T(workflow__file_becomes_a_closed_scope_and_part_of_the_normal_form),
        T(workflow__without_result_has_that_of_its_last_nodes),
        T(workflow__problems_of_its_file_have_their_own_positions),
        T(workflow__files_that_include_each_other_are_named_in_a_chain),
        T(workflow__params_are_checked_where_they_are_literal),
        T(workflow__what_belongs_to_a_run_is_refused_in_it),
        T(workflow__text_of_a_file_within_is_read_and_pinned),
        T(revise__members_are_what_lies_between),
        T(revise__one_within_another_is_allowed), T(revise__what_is_optional_is_no_way_back),
        T(revise__waits_for_what_a_branch_on_its_way_needs), T(revise__image_with_other_members_is_refused),
        T(bodies__nest_and_an_image_of_them_is_mapped),
        T(bodies__nest_as_deep_as_a_file_may),
        T(submitted__nodes_of_the_run_are_externals),
        T(submitted__problems_name_the_node),
        T(submitted__image_with_externals_is_mapped),
    };
    return cmocka_run_group_tests_name("spec bodies", tests, make_dir, remove_dir);
}
