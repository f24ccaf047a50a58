/* What a workflow file becomes: graph, normal form, values, image [W1–W16]. */
#include "spec_help.h"
#include "folder.h"
#include <sys/stat.h>
#include <unistd.h>

static const char example[] =
    "reeve: 1\nname: release-notes\nparams:\n  topic: {type: string, default: llamas}\n  token: {type: string, secret: true}\n"
    "env: {LANG: C.UTF-8, A: top}\ndefaults: {timeout: 10m, env: {A: default, B: default}, retry: {max_attempts: 2, delay: 1s}, "
    "tags: [all]}\n"
    "concurrency: {default: 4, tags: {net: 2}}\ntimeout: 1h\n"
    "nodes:\n"
    "  fetch:   {run: [git, log, --oneline, -50], tags: [net, all], priority: -1}\n"
    "  draft:\n    run: [echo, \"about ${user.topic} from ${fetch.stdout}\"]\n    needs: [fetch]\n    output_schema: {type: "
    "object, required: [title]}\n"
    "    retry: {max_attempts: 3, backoff: exponential, delay_max: 1m, jitter: true, on: [75, timeout]}\n    leave: true\n"
    "  review:  {approve: {message: \"Publish ${draft.title}?\", on_reject: continue, deadline: 1d}, needs: [draft], priority: "
    "5}\n"
    "  publish:\n    needs: [review]\n    after: [fetch]\n    shell: ./publish.sh \"$BODY\"\n    env: {B: \"${draft.body}\", T: "
    "\"${user.token}\"}\n"
    "    when: '${review.decision} == \"approve\"'\n    dep_policy: all_terminal\n    delivery: at_most_once\n    retry: "
    "{max_attempts: 1}\n    on_unknown: fail\n"
    "  pause:   {wait: {until: \"2030-01-01T01:00:00+01:00\"}}\n"
    "  ask:     {input: {question: Which?, default: {b: 1, a: [2]}, deadline: 30s}}\n"
    "  values:  {set: {z: '${ask.value}', a: \"1 < 2\"}, needs: [ask]}\n"
    "  all:     {reduce: {reducer: concat, of: [fetch]}, needs: [fetch]}\n"
    "on:\n  failure: {run: [tell, \"${draft.error}\"]}\n  success: {shell: 'true'}\n";

static loaded load_example(void)
{
    static const rv_param_value vars[] = {{{"token", 5}, {"s3cret", 6}}};
    rv_spec_input input = input_of(example, false);
    input.vars = vars;
    input.var_count = 1;
    loaded l = load_input(&input);
    if (l.spec == NULL) print_error("%s", l.text.at);
    assert_non_null(l.spec);
    return l;
}

static void graph__nodes_keep_the_order_of_the_file(void **state)
{
    static const char *const names[] = {"fetch", "draft",  "review", "publish",    "pause",
                                        "ask",   "values", "all",    "on.success", "on.failure"};
    loaded l = load_example();
    const rv_graph *g = &l.spec->graph;
    assert_int_equal(g->node_count, 10);
    assert_int_equal(g->plain_count, 8);
    for (uint32_t i = 0; i < g->node_count; i++) assert_str(rv_graph_name(g, i), names[i]);
    assert_int_equal(g->nodes[8].handler, RV_HANDLER_SUCCESS);
    assert_int_equal(g->nodes[9].handler, RV_HANDLER_FAILURE);
    assert_str(rv_graph_str(g, g->name), "release-notes");
    assert_int_equal(g->concurrency, 4);
    assert_int_equal(g->timeout_ms, 3600000);
    loaded_free(&l);
}

static void graph__edges_are_hard_and_soft_both_ways(void **state)
{
    loaded l = load_example();
    const rv_graph *g = &l.spec->graph;
    assert_int_equal(g->edge_count, 6);
    assert_int_equal(g->pred_begin[4] - g->pred_begin[3], 2);
    assert_int_equal(g->pred[g->pred_begin[3]], 2);
    assert_int_equal(g->pred[g->pred_begin[3] + 1], 0 | RV_EDGE_SOFT);
    assert_int_equal(g->succ_begin[1] - g->succ_begin[0], 3);
    assert_int_equal(g->succ[0], 1);
    assert_int_equal(g->succ[1], 3 | RV_EDGE_SOFT);
    assert_int_equal(g->succ[2], 7);
    loaded_free(&l);
}

static void graph__order_is_by_priority_then_index(void **state)
{
    static const uint32_t order[] = {2, 1, 3, 4, 5, 6, 7, 0, 8, 9};
    loaded l = load_example();
    for (uint32_t i = 0; i < RV_COUNT(order); i++) {
        assert_int_equal(l.spec->graph.order[i], order[i]);
        assert_int_equal(l.spec->graph.position[order[i]], i);
    }
    loaded_free(&l);
}

static void graph__policies_merge_defaults_and_own_keys(void **state)
{ /* [W3, W3a] */
    loaded l = load_example();
    const rv_graph *g = &l.spec->graph;
    const rv_policy *fetch = &g->policies[g->nodes[0].policy], *draft = &g->policies[g->nodes[1].policy],
                    *publish = &g->policies[g->nodes[3].policy];
    assert_int_equal(fetch->timeout_ms, 600000);
    assert_int_equal(fetch->max_attempts, 2);
    assert_int_equal(fetch->delay_ms, 1000);
    assert_int_equal(fetch->lost_max, 3);
    assert_int_equal(fetch->retry_on, RV_RETRY_ON_ANY_EXIT | RV_RETRY_ON_SIGNAL | RV_RETRY_ON_UNAVAILABLE);
    assert_int_equal(draft->max_attempts, 3);
    assert_int_equal(draft->delay_ms, 1000);
    assert_int_equal(draft->delay_ms_max, 60000);
    assert_int_equal(draft->backoff, RV_BACKOFF_EXPONENTIAL);
    assert_int_equal(draft->jitter, 1);
    assert_int_equal(draft->retry_on, RV_RETRY_ON_TIMEOUT);
    assert_true(draft->retry_exit[1] == (uint64_t)1 << 11);
    assert_int_equal(publish->delivery, RV_DELIVERY_AT_MOST_ONCE);
    assert_int_equal(publish->on_unknown, RV_ON_UNKNOWN_FAIL);
    assert_int_equal(g->policies[g->nodes[2].policy].timeout_ms, 0); /* an approval has no attempts */
    assert_int_equal(g->nodes[8].policy, g->nodes[0].policy);        /* equal policies are stored once */
    loaded_free(&l);
}

static void graph__gates_hold_what_is_waited_for(void **state)
{
    loaded l = load_example();
    const rv_graph *g = &l.spec->graph;
    const rv_gate_def *review = &g->gates[g->nodes[2].aux], *pause = &g->gates[g->nodes[4].aux],
                      *ask = &g->gates[g->nodes[5].aux];
    assert_int_equal(review->ms, 86400000);
    assert_int_equal(review->on_reject_continue, 1);
    assert_int_equal(pause->is_until, 1);
    assert_int_equal(pause->ms, 1893456000000);
    assert_int_equal(ask->ms, 30000);
    assert_str(rv_graph_str(g, ask->fallback), "{\"a\":[2],\"b\":1}");
    loaded_free(&l);
}

static void graph__set_items_and_conditions_are_plain_text(void **state)
{
    loaded l = load_example();
    const rv_graph *g = &l.spec->graph;
    const rv_node_def *values = &g->nodes[6];
    assert_int_equal(values->aux_count, 2);
    assert_str(rv_graph_str(g, g->set_items[values->aux].key), "a");
    assert_str(rv_graph_str(g, g->set_items[values->aux].expression), "1 < 2");
    assert_str(rv_graph_str(g, g->set_items[values->aux + 1].expression), "${ask.value}");
    assert_str(rv_graph_str(g, g->nodes[3].when), "${review.decision} == \"approve\"");
    assert_int_equal(g->nodes[3].dep_policy, RV_DEP_ALL_TERMINAL);
    loaded_free(&l);
}

static void graph__classes_are_sets_of_tags(void **state)
{
    loaded l = load_example();
    const rv_graph *g = &l.spec->graph;
    assert_int_equal(g->tag_count, 2);
    assert_str(rv_graph_str(g, g->tags[0].name), "net");
    assert_int_equal(g->tags[0].cap, 2);
    assert_int_equal(g->tags[1].cap, 0);
    assert_int_equal(g->class_count, 3);
    assert_int_equal(g->classes[0].count, 0);
    assert_int_equal(g->classes[g->nodes[0].class_index].count, 2);
    assert_int_equal(g->classes[g->nodes[1].class_index].count, 1);
    assert_int_equal(g->nodes[1].class_index, g->nodes[9].class_index);
    loaded_free(&l);
}

static void graph__flags_say_what_is_read(void **state)
{
    loaded l = load_example();
    const rv_graph *g = &l.spec->graph;
    assert_int_equal(g->nodes[0].flags, RV_NODE_F_READS_OUTPUT | RV_NODE_F_KEEP_RESULT); /* its stdout; and `all` takes it */
    assert_int_equal(g->nodes[1].flags, RV_NODE_F_KEEP_RESULT | RV_NODE_F_LEAVE | RV_NODE_F_HAS_SCHEMA);
    assert_int_equal(g->nodes[2].flags, RV_NODE_F_KEEP_RESULT);
    assert_int_equal(g->nodes[3].flags, 0);
    loaded_free(&l);
}

static void graph__flags_tell_expressions_from_templates(void **state)
{
    loaded l = load_good("reeve: 1\nnodes: {a: {run: [x]}, b: {run: [x]}, c: {run: [x, '${b.stderr}'], needs: [a, b], when: "
                         "'${a.stdout} == \"y\" && ${b.state} != \"z\"'}}\n");
    assert_int_equal(l.spec->graph.nodes[0].flags, RV_NODE_F_EXPR_OUTPUT);
    assert_int_equal(l.spec->graph.nodes[1].flags, RV_NODE_F_READS_OUTPUT);
    loaded_free(&l);
}

static void graph__name_is_the_files_when_it_gives_none(void **state)
{
    loaded l = load_good("reeve: 1\nnodes: {a: {run: [x]}}\n");
    assert_str(rv_graph_str(&l.spec->graph, l.spec->graph.name), "flow");
    loaded_free(&l);
}

static void normal_form__env_has_three_layers(void **state)
{ /* [W15] */
    loaded l = load_example();
    const rv_graph *g = &l.spec->graph;
    assert_str(
        rv_graph_str(g, g->nodes[0].body),
        "{\"env\":{\"A\":\"default\",\"B\":\"default\",\"LANG\":\"C.UTF-8\"},\"priority\":-1,\"retry\":{\"delay\":\"1000ms\","
        "\"max_attempts\":2},\"run\":[\"git\",\"log\",\"--oneline\",\"-50\"],\"tags\":[\"net\",\"all\"],\"timeout\":"
        "\"600000ms\"}");
    assert_non_null(strstr(rv_arena_cstring(&l.spec->arena, rv_graph_str(g, g->nodes[3].body)),
                           "\"env\":{\"A\":\"default\",\"B\":\"${draft.body}\",\"LANG\":\"C.UTF-8\",\"T\":\"${user.token}\"}"));
    loaded_free(&l);
}

static const char *body_text(const loaded *l, const char *node)
{
    const rv_graph *g = &l->spec->graph;
    return rv_arena_cstring(&l->spec->arena, rv_graph_str(g, g->nodes[node_named(g, node)].body));
}

static void normal_form__of_a_cached_node_says_deps_inputs_and_env_host(void **state)
{ /* [C1, W7b] */
    loaded l = load_good("reeve: 1\ndefaults: {env_host: [D]}\nnodes:\n"
                         "  a: {run: [x], cache: true, inputs: [src/**, /x], outputs: ['o/*']}\n"
                         "  b: {run: [x], cache: {inputs: [s], deps: files, env_host: [E]}}\n"
                         "  c: {run: [x], cache: {deps: values}}\n"
                         "  d: {run: [x], cache: false, inputs: [s]}\n"
                         "  e: {run: [x]}\n");
    const rv_graph *g = &l.spec->graph;
    assert_string_equal(body_text(&l, "a"), "{\"cache\":{\"deps\":\"all\"},\"env_host\":[\"D\"],\"inputs\":[\"src/**\",\"/x\"],"
                                            "\"outputs\":[\"o/*\"],\"run\":[\"x\"]}");
    assert_string_equal(body_text(&l, "b"),
                        "{\"cache\":{\"deps\":\"files\"},\"env_host\":[\"E\"],\"inputs\":[\"s\"],\"run\":[\"x\"]}");
    assert_string_equal(body_text(&l, "c"),
                        "{\"cache\":{\"deps\":\"values\"},\"env_host\":[\"D\"],\"inputs\":[],\"run\":[\"x\"]}");
    assert_string_equal(body_text(&l, "d"), "{\"env_host\":[\"D\"],\"inputs\":[\"s\"],\"run\":[\"x\"]}");
    for (uint32_t i = 0; i < g->node_count; i++) assert_int_equal((g->nodes[i].flags & RV_NODE_F_CACHED) != 0, i < 3);
    assert_int_equal(l.problems.list.count, 1); /* `c` names no inputs */
    assert_idempotent(g);
    loaded_free(&l);
}

static void normal_form__a_nodes_cache_is_laid_over_that_of_defaults(void **state)
{ /* [C1] */
    loaded l = load_good("reeve: 1\ndefaults: {cache: {inputs: [all/**], deps: values, env_host: [H]}}\nnodes:\n"
                         "  a: {run: [x]}\n"
                         "  b: {run: [x], cache: true, inputs: [b]}\n"
                         "  c: {run: [x], cache: {deps: files, inputs: []}}\n"
                         "  d: {run: [x], cache: false}\n"
                         "  e: {set: {k: '1'}}\n"
                         "  f: {loop: {max: 1, body: {shell: x, env_host: [F]}}}\n"
                         "  g: {workflow: {definition: {nodes: {n: {run: [x]}}}}}\n"
                         "on: {exit: {run: [x]}}\n");
    assert_string_equal(body_text(&l, "a"),
                        "{\"cache\":{\"deps\":\"values\"},\"env_host\":[\"H\"],\"inputs\":[\"all/**\"],\"run\":[\"x\"]}");
    assert_string_equal(body_text(&l, "b"),
                        "{\"cache\":{\"deps\":\"values\"},\"env_host\":[\"H\"],\"inputs\":[\"b\"],\"run\":[\"x\"]}");
    assert_string_equal(body_text(&l, "c"), "{\"cache\":{\"deps\":\"files\"},\"env_host\":[\"H\"],\"inputs\":[],\"run\":[\"x\"]}");
    assert_string_equal(body_text(&l, "d"), "{\"run\":[\"x\"]}");
    assert_string_equal(body_text(&l, "e"), "{\"set\":{\"k\":\"1\"}}");
    assert_string_equal(body_text(&l, "f"), "{\"loop\":{\"body\":{\"cache\":{\"deps\":\"values\"},\"env_host\":[\"F\"],"
                                            "\"inputs\":[\"all/**\"],\"shell\":\"x\"},\"max\":1}}");
    assert_string_equal(body_text(&l, "n"), "{\"run\":[\"x\"]}"); /* defaults do not reach into another workflow [W2c] */
    assert_string_equal(body_text(&l, "on.exit"), "{\"run\":[\"x\"]}"); /* a handler runs each time */
    assert_int_equal(l.problems.list.count, 0);
    assert_idempotent(&l.spec->graph);
    loaded_free(&l);
}

static void normal_form__body_is_a_slice_of_the_definition(void **state)
{
    loaded l = load_example();
    const rv_graph *g = &l.spec->graph;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const char *body = rv_graph_str(g, g->nodes[i].body).at;
        assert_true(body > g->definition.at && body < g->definition.at + g->definition.size);
    }
    assert_true(g->definition.at == g->strings.at);
    rv_digest digest = rv_sha256(g->definition);
    assert_memory_equal(&g->digest, &digest, sizeof digest);
    loaded_free(&l);
}

static void normal_form__is_its_own_normal_form(void **state)
{
    loaded l = load_example();
    assert_idempotent(&l.spec->graph);
    loaded_free(&l);
}

static void normal_form__yaml_and_json_of_one_workflow_have_one_digest(void **state)
{
    loaded y =
        load_good("nodes:\n  b:\n    env: &e {A: 1.10, \"B\": 'yes'}\n    run:\n    - echo\n    - -50\n    - |\n      two\n      "
                  "lines\n  a: {run: [x], env: *e, needs: [b], metadata: {z: [1.0, null, ~], y: no}}\nreeve: 1\n");
    loaded j =
        load_json("{\"nodes\":{\"b\":{\"run\":[\"echo\",\"-50\",\"two\\nlines\\n\"],\"env\":{\"B\":\"yes\",\"A\":\"1.10\"}},"
                  "\"a\":{\"needs\":[\"b\"],\"env\":{\"A\":\"1.10\",\"B\":\"yes\"},\"metadata\":{\"y\":\"no\",\"z\":[1,null,null]"
                  "},\"run\":[\"x\"]}},\"reeve\":1}");
    assert_non_null(j.spec);
    assert_true(rv_str_eq(y.spec->graph.definition, j.spec->graph.definition));
    assert_memory_equal(&y.spec->graph.digest, &j.spec->graph.digest, sizeof(rv_digest));
    loaded_free(&y);
    loaded_free(&j);
}

/* ---- random workflows ---- */

static uint64_t seed_of(void)
{
    const char *text = getenv("REEVE_TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 20260131;
    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

/* A quarter of them in the fast set; spec_load_long plays all. */
static int rounds_of(int all) { return getenv("REEVE_TEST_LONG") ? all : all / 4; }

static void random_common(rv_buf *out, uint64_t *rng, bool is_process)
{
    static const char *const common[] = {",\"tags\":[\"b\",\"a\"]",
                                         ",\"priority\":-3",
                                         ",\"description\":\"x \\\"y\\\" \\u00e4\"",
                                         ",\"metadata\":{\"z\":[1e2,{\"b\":null,\"a\":true}],\"k\":\"\"}",
                                         ",\"dep_policy\":\"optional\"",
                                         ",\"when\":\"${user.p} != \\\"q\\\"\""};
    static const char *const process[] = {
        ",\"timeout\":\"1h30m\"",
        ",\"retry\":{\"on\":[1,\"signal\"],\"delay\":\"90s\"}",
        ",\"env\":{\"Z\":\"${env.HOME:-x}\",\"A\":\"${user.s}\"}",
        ",\"delivery\":\"at_least_once\"",
        ",\"outputs\":[]",
        ",\"timeout_total\":\"2d\"",
        ",\"dir\":\"a/${user.p}\"",
        ",\"output_schema\":{\"type\":[\"object\",\"null\"],\"properties\":{\"b\":{\"minimum\":1.50},\"a\":{}}}",
        ",\"env_host\":[\"A\"]"};
    for (size_t i = 0; i < RV_COUNT(common); i++)
        if (rv_rng_below(rng, 4) == 0) rv_buf_cstring(out, common[i]);
    static const char *const caches[] = {",\"leave\":true", ",\"cache\":true,\"inputs\":[]", ",\"cache\":false",
                                         ",\"cache\":{\"inputs\":[\"b/**\",\"/a\"],\"env_host\":[\"B\"],\"deps\":\"values\"}"};
    bool has_env_host = false;
    for (size_t i = 0; i < RV_COUNT(process) && is_process; i++) {
        if (rv_rng_below(rng, 4)) continue;
        rv_buf_cstring(out, process[i]);
        has_env_host |= i == RV_COUNT(process) - 1;
    }
    if (is_process) rv_buf_cstring(out, caches[rv_rng_below(rng, RV_COUNT(caches) - has_env_host)]);
}

static void random_workflow(rv_buf *out, uint64_t *rng)
{
    static const char *const kinds[] = {"\"run\":[\"echo\",\"${user.p}\",\"$${x}\"]",
                                        "\"shell\":\"a \\\"$B\\\"\\n\"",
                                        "\"approve\":{\"show\":[\"x\"],\"message\":\"m\",\"deadline\":\"3h\"}",
                                        "\"input\":{\"question\":\"q\",\"default\":{\"b\":1,\"a\":[]}}",
                                        "\"wait\":{\"for\":\"0s\"}",
                                        "\"wait\":{\"until\":\"2031-02-28T23:59:59.5-05:30\"}",
                                        "\"set\":{\"b\":\"1\",\"a\":\"\\\"t\\\"\"}"};
    uint32_t count = 1 + rv_rng_below(rng, 12);
    rv_buf_cstring(out, "{\"reeve\":1,\"params\":{\"s\":{\"secret\":true},\"p\":{\"default\":\"q\",\"enum\":[\"q\",\"r\"]}}");
    if (rv_rng_below(rng, 2)) rv_buf_cstring(out, ",\"env\":{\"T\":\"top\",\"A\":\"top\"}");
    if (rv_rng_below(rng, 2))
        rv_buf_cstring(out, ",\"defaults\":{\"retry\":{\"max_attempts\":4,\"delay\":\"1s\"},\"env\":{\"A\":\"d\"},\"tags\":["
                            "\"d\"],\"timeout\":\"1d\",\"shell_name\":\"bash\"}");
    if (rv_rng_below(rng, 2))
        rv_buf_cstring(
            out,
            ",\"concurrency\":{\"tags\":{\"b\":2},\"default\":\"auto\"},\"timeout\":\"5m\",\"name\":\"n\",\"description\":\"d\"");
    rv_buf_cstring(out, ",\"nodes\":{");
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = rv_rng_below(rng, RV_COUNT(kinds));
        rv_buf_printf(out, "%s\"n%u\":{%s", i ? "," : "", (i * 7) % 13, kinds[kind]);
        random_common(out, rng, kind < 2);
        if (i > 0)
            rv_buf_printf(out, ",\"%s\":[\"n%u\"]", rv_rng_below(rng, 2) ? "needs" : "after", (rv_rng_below(rng, i) * 7) % 13);
        rv_buf_byte(out, '}');
    }
    rv_buf_byte(out, '}');
    if (rv_rng_below(rng, 2))
        rv_buf_cstring(out, ",\"on\":{\"success\":{\"run\":[\"${n0.state}\"]},\"cancel\":{\"shell\":\"x\",\"priority\":9}}");
    rv_buf_byte(out, '}');
}

static void normal_form__of_random_workflows_is_idempotent_and_the_same_from_yaml(void **state)
{
    uint64_t rng = seed_of();
    for (int round = 0; round < rounds_of(500); round++) {
        rv_buf source = {0};
        random_workflow(&source, &rng);
        rv_spec_input input = input_of(source.at, true);
        input.skip_values = true;
        loaded j = load_input(&input);
        if (j.spec == NULL) fail_msg("%s\n%s", source.at, j.text.at);
        input.is_json = false; /* JSON is YAML */
        loaded y = load_input(&input);
        assert_non_null(y.spec);
        assert_true(rv_str_eq(j.spec->graph.definition, y.spec->graph.definition));
        assert_idempotent(&j.spec->graph);
        loaded_free(&j);
        loaded_free(&y);
        rv_buf_deinit(&source);
    }
}

/* ---- graphs against slow twins ---- */

#define SMALL 24u
typedef struct twin {
    bool edge[SMALL][SMALL], reach[SMALL][SMALL];
    uint32_t count;
} twin; /* reach[a][b]: b waits for a */

static void twin_close(twin *t)
{
    memcpy(t->reach, t->edge, sizeof t->edge);
    for (uint32_t k = 0; k < t->count; k++)
        for (uint32_t i = 0; i < t->count; i++)
            for (uint32_t j = 0; j < t->count; j++) t->reach[i][j] |= t->reach[i][k] && t->reach[k][j];
}

static void write_twin(rv_buf *out, const twin *t, const uint32_t *reads, uint64_t *rng)
{
    rv_buf_cstring(out, "{\"reeve\":1,\"nodes\":{");
    for (uint32_t i = 0; i < t->count; i++) {
        rv_buf_printf(out, "%s\"n%u\":{\"run\":[\"x\"", i ? "," : "", i);
        if (reads && reads[i] != RV_NONE) rv_buf_printf(out, ",\"${n%u.v}\"", reads[i]);
        for (int soft = 0; soft < 2; soft++) {
            const char *separator = "";
            rv_buf_printf(out, "],\"%s\":[", soft ? "after" : "needs");
            for (uint32_t j = 0; j < t->count; j++)
                if (t->edge[j][i] && (int)((j * 31 + i) % 3 == 0) == soft) {
                    rv_buf_printf(out, "%s\"n%u\"", separator, j);
                    separator = ",";
                }
        }
        rv_buf_cstring(out, "]}");
    }
    rv_buf_cstring(out, "}}");
}

static void cycles__are_found_exactly_where_a_slow_twin_finds_them(void **state)
{
    uint64_t rng = seed_of();
    uint32_t cyclic = 0;
    for (int round = 0; round < rounds_of(400); round++) {
        twin t = {.count = 2 + rv_rng_below(&rng, SMALL - 2)};
        for (uint32_t e = rv_rng_below(&rng, 2 * t.count); e > 0; e--) {
            uint32_t a = rv_rng_below(&rng, t.count), b = rv_rng_below(&rng, t.count);
            if (a != b) t.edge[a][b] = true;
        }
        twin_close(&t);
        uint32_t components = 0; /* of nodes on cycles */
        for (uint32_t i = 0; i < t.count; i++) {
            bool is_first = t.reach[i][i];
            for (uint32_t j = 0; j < i; j++) is_first &= !(t.reach[i][j] && t.reach[j][i]);
            components += is_first;
        }
        rv_buf source = {0};
        write_twin(&source, &t, NULL, &rng);
        loaded l = load_json(source.at);
        assert_int_equal(l.problems.error_count, components);
        cyclic += components > 0;
        loaded_free(&l);
        rv_buf_deinit(&source);
    }
    assert_true(cyclic > (uint32_t)rounds_of(50) && cyclic < (uint32_t)rounds_of(390));
}

static void ancestors__are_those_that_a_slow_twin_reaches(void **state)
{
    uint64_t rng = seed_of();
    uint32_t right = 0, wrong = 0;
    for (int round = 0; round < rounds_of(400); round++) {
        twin t = {.count = 2 + rv_rng_below(&rng, SMALL - 2)};
        uint32_t reads[SMALL], expected = 0;
        for (uint32_t i = 0; i < t.count; i++)
            for (uint32_t j = 0; j < i; j++) t.edge[j][i] = rv_rng_below(&rng, t.count) < 2;
        twin_close(&t);
        for (uint32_t i = 0; i < t.count; i++) {
            reads[i] = rv_rng_below(&rng, t.count);
            if (reads[i] == i) reads[i] = RV_NONE;
            if (reads[i] == RV_NONE) continue;
            expected += !t.reach[reads[i]][i];
            right += t.reach[reads[i]][i];
        }
        wrong += expected;
        rv_buf source = {0};
        write_twin(&source, &t, reads, &rng);
        loaded l = load_json(source.at);
        assert_int_equal(l.problems.error_count, expected);
        loaded_free(&l);
        rv_buf_deinit(&source);
    }
    assert_true(right > (uint32_t)rounds_of(80) && wrong > (uint32_t)rounds_of(80));
}

/* 3,000 nodes in a row, each reading one far behind: beyond the short walk, so that the batches decide. */
static void ancestors__far_behind_are_found(void **state)
{
    rv_buf source = {0};
    rv_buf_cstring(&source, "reeve: 1\nnodes:\n  stray: {run: [x]}\n  n0: {run: [x]}\n");
    for (int i = 1; i < 3000; i++) rv_buf_printf(&source, "  n%d: {run: [x, \"${n%d.v}\"], needs: [n%d]}\n", i, i / 2, i - 1);
    loaded l = load_yaml(source.at);
    assert_non_null(l.spec);
    loaded_free(&l);
    rv_buf_cstring(&source, "  last: {run: [x, \"${stray.v}\", \"${n7.v}\"], needs: [n2999]}\n");
    l = load_yaml(source.at);
    assert_int_equal(l.problems.error_count, 1);
    assert_non_null(strstr(l.text.at, "`last` reads `stray`"));
    loaded_free(&l);
    rv_buf_deinit(&source);
}

/* Large maps are searched through an index, small ones pair by pair: both find the same. */
static void values__members_of_large_maps_are_found(void **state)
{
    for (int count = 14; count <= 19; count++) {
        rv_buf source = {0};
        rv_buf_cstring(&source, "{\"reeve\":1,\"params\":{\"p0\":{\"default\":\"x\"}");
        for (int i = 1; i < count; i++) rv_buf_printf(&source, ",\"p%d\":{\"default\":\"x\"}", i);
        rv_buf_cstring(&source, "},\"nodes\":{\"s\":{\"set\":{\"k0\":\"1\"");
        for (int i = 1; i < count; i++) rv_buf_printf(&source, ",\"k%d\":\"1\"", i);
        rv_buf_printf(
            &source,
            "}},\"r\":{\"needs\":[\"s\"],\"run\":[\"${s.k%d}\",\"${user.p%d}\",\"${s.k%d}\",\"${user.p%d}\",\"${s.k0}\"]}}}",
            count - 1, count - 1, count, count);
        loaded l = load_json(source.at);
        assert_null(l.spec);
        assert_int_equal(l.problems.error_count, 2);
        assert_non_null(strstr(l.text.at, "`s` has no output"));
        assert_non_null(strstr(l.text.at, "there is no such param"));
        loaded_free(&l);
        rv_buf_deinit(&source);
    }
}

/* Columns are counted over blocks of 4 KiB: a slow twin counts from the beginning. */
static void problems__columns_far_to_the_right_are_exact(void **state)
{
    for (uint32_t pad = 4070; pad < 4130; pad += 3) {
        rv_buf source = {0};
        rv_buf_cstring(&source, "{\"reeve\":1,\"nodes\":{\"a\":{\"run\":[\"");
        for (uint32_t i = 0; i < pad; i++) rv_buf_cstring(&source, i % 3 ? "x" : "\xc3\xa4");
        rv_buf_cstring(&source, "\"],\"leave\":3}}}");
        uint32_t column = 1;
        for (const char *at = source.at; at < strstr(source.at, "3}}}"); at++) column += ((unsigned char)*at & 0xc0) != 0x80;
        loaded l = load_json(source.at);
        assert_int_equal(l.problems.list.count, 1);
        assert_int_equal(l.problems.list.at[0].column, column);
        loaded_free(&l);
        rv_buf_deinit(&source);
    }
}

static void graph__of_20000_nodes_loads(void **state)
{ /* [W8] */
    rv_buf source = {0};
    uint64_t rng = seed_of();
    rv_buf_cstring(&source, "{\"reeve\":1,\"nodes\":{\"n0\":{\"run\":[\"true\"]}");
    for (uint32_t i = 1; i < 20000; i++)
        rv_buf_printf(&source, ",\"n%u\":{\"run\":[\"true\"],\"needs\":[\"n%u\"]}", i, rv_rng_below(&rng, i));
    rv_buf_cstring(&source, "}}");
    loaded l = load_json(source.at);
    assert_non_null(l.spec);
    assert_int_equal(l.spec->graph.node_count, 20000);
    assert_int_equal(l.spec->graph.edge_count, 19999);
    loaded_free(&l);
    rv_buf_deinit(&source);
}

/* ---- values of a run ---- */

static void values__params_have_their_types(void **state)
{ /* [W10] */
    static const rv_param_value vars[] = {
        {{"i", 1}, {"7", 1}}, {{"a", 1}, {"[1, 2]", 6}}, {{"s", 1}, {"7", 1}}, {{"k", 1}, {"hush", 4}}};
    static const char *const environ_[] = {"A=1", "HOME=/root", NULL};
    rv_spec_input input = input_of(
        "reeve: 1\nparams: {i: {type: integer}, a: {type: array}, s: {}, d: {type: boolean, default: true}, k: {secret: true}}\n"
        "nodes: {a: {run: [\"${env.HOME}\", \"${env.NONE:-x}\", \"${user.a}\"]}}\n",
        false);
    input.vars = vars;
    input.var_count = RV_COUNT(vars);
    input.environ = environ_;
    loaded l = load_input(&input);
    assert_non_null(l.spec);
    assert_str(rv_buf_str(&l.spec->user), "{\"a\":[1,2],\"d\":true,\"i\":7,\"s\":\"7\"}");
    assert_str(rv_buf_str(&l.spec->secret_names), "[\"k\"]");
    assert_str(rv_buf_str(&l.spec->env), "{\"HOME\":\"/root\"}");
    assert_int_equal(l.spec->secrets.count, 1);
    assert_str(l.spec->secrets.at[0].value, "hush");
    assert_null(memmem(l.spec->image, l.spec->image_size, "hush", 4));
    loaded_free(&l);
}

static void values__what_is_missing_or_wrong_is_said_at_once(void **state)
{ /* [W10, W12] */
    static const rv_param_value vars[] = {{{"i", 1}, {"x", 1}}, {{"e", 1}, {"z", 1}}, {{"topik", 5}, {"7", 1}}};
    rv_spec_input input = input_of("reeve: 1\nparams:\n  i: {type: integer}\n  topic: {}\n  k: {secret: true}\n  e: {enum: [a, "
                                   "b]}\nnodes: {a: {run: [\"${env.NOT_SET}\"]}}\n",
                                   false);
    input.vars = vars;
    input.var_count = RV_COUNT(vars);
    loaded l = load_input(&input);
    assert_null(l.spec);
    assert_str(rv_buf_str(&l.text),
               "flow.yaml: --var topik: the workflow has no such param; did you mean `topic`?\n"
               "flow.yaml:3:3: param `i` wants a whole number; correct --var\n"
               "flow.yaml:4:3: param `topic` has no value; give it with --var topic=…\n"
               "flow.yaml:5:3: secret `k` has no value; give it with --var k=…\n"
               "flow.yaml:6:3: the value of param `e` is not allowed; give one of [\"a\",\"b\"]\n"
               "flow.yaml:7:20: the environment variable NOT_SET is not set; set it, or write ${env.NOT_SET:-default}\n");
    loaded_free(&l);
    input.skip_values = true;
    input.var_count = 0;
    l = load_input(&input);
    assert_non_null(l.spec);
    loaded_free(&l);
}

/* ---- files ---- */

static char dir[128];
static void write_file(const char *name, const void *bytes, size_t size)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}
static int make_dir(void **state)
{
    char path[256];
    if (make_folder(dir, sizeof dir, "reeve-spec") != 0) return -1;
    (void)snprintf(path, sizeof path, "%s/sub", dir);
    if (mkdir(path, 0700) != 0) return -1;
    (void)snprintf(path, sizeof path, "%s/sub/out", dir);
    return symlink("/etc", path);
}
static int remove_dir(void **state)
{
    return remove_at(AT_FDCWD, dir);
}

static void file__content_becomes_part_of_the_digest(void **state)
{ /* [W16] */
    rv_spec_input input =
        input_of("reeve: 1\nnodes: {a: {approve: {message: file://sub/ask.txt}}, b: {shell: file://s.sh}}\n", false);
    input.dir = dir;
    write_file("sub/ask.txt", "Go ${run.id}?", 13);
    write_file("s.sh", "echo hi\n", 8);
    loaded l = load_input(&input);
    assert_non_null(l.spec);
    assert_str(l.spec->graph.definition,
               "{\"nodes\":{\"a\":{\"approve\":{\"message\":\"Go ${run.id}?\"}},\"b\":{\"shell\":\"echo hi\\n\"}},\"reeve\":1}");
    assert_idempotent(&l.spec->graph);
    loaded_free(&l);
}

static void file__nothing_outside_of_the_directory_is_read(void **state)
{ /* [W16] */
    static const char *const names[] = {"/etc/passwd", "../x", "sub/../../x", "sub/out/passwd", "sub", "nothing", ""};
    for (size_t i = 0; i < RV_COUNT(names); i++) {
        char source[200];
        (void)snprintf(source, sizeof source, "reeve: 1\nnodes: {b: {shell: 'file://%s'}}\n", names[i]);
        rv_spec_input input = input_of(source, false);
        input.dir = dir;
        loaded l = load_input(&input);
        assert_null(l.spec);
        assert_int_equal(l.problems.error_count, 1);
        assert_non_null(strstr(l.text.at, "flow.yaml:2:21: "));
        loaded_free(&l);
    }
}

static void read__a_directory_and_a_missing_file_are_named(void **state)
{
    rv_buf out = {0};
    rv_error err = {0};
    assert_int_equal(rv_spec_read(dir, &out, &err), RV_INVALID);
    assert_non_null(strstr(err.text, "is a directory; name the workflow file in it"));
    assert_int_equal(rv_spec_read("/nonexistent.yaml", &out, &err), RV_NOT_FOUND);
    assert_string_equal(err.text, "/nonexistent.yaml: there is no such file; `reeve init` writes an example");
    rv_buf_deinit(&out);
}

static void image__maps_to_the_same_graph(void **state)
{
    char path[256];
    rv_error err = {0};
    (void)snprintf(path, sizeof path, "%s/image", dir);
    loaded l = load_example();
    assert_int_equal(rv_spec_save(l.spec, path, &err), RV_OK);
    static const rv_param_value vars[] = {{{"token", 5}, {"other", 5}}, {{"topic", 5}, {"cats", 4}}};
    rv_spec_input input = {.file = "flow.yaml", .vars = vars, .var_count = 2};
    rv_problems problems = {0};
    rv_spec *mapped = NULL;
    assert_int_equal(rv_spec_map(path, &input, &mapped, &problems, &err), RV_OK);
    assert_true(mapped->is_mapped);
    assert_memory_equal(&mapped->graph.digest, &l.spec->graph.digest, sizeof(rv_digest));
    assert_true(rv_str_eq(mapped->graph.definition, l.spec->graph.definition));
    assert_int_equal(mapped->graph.timeout_ms, 3600000);
    assert_memory_equal(mapped->image, l.spec->image, l.spec->image_size);
    assert_str(rv_buf_str(&mapped->user), "{\"topic\":\"cats\"}");
    assert_str(mapped->secrets.at[0].value, "other");
    rv_spec_free(mapped);
    input.var_count = 0; /* values are wanted anew */
    assert_int_equal(rv_spec_map(path, &input, &mapped, &problems, &err), RV_INVALID);
    assert_int_equal(problems.error_count, 1);
    rv_problems_deinit(&problems);
    assert_int_equal(rv_spec_map("/nonexistent", &input, &mapped, &problems, &err), RV_NOT_FOUND);
    loaded_free(&l);
}

static void image__every_damaged_byte_is_noticed(void **state)
{
    char path[256];
    rv_error err = {0};
    rv_problems problems = {0};
    rv_spec *mapped = NULL;
    (void)snprintf(path, sizeof path, "%s/damaged", dir);
    loaded l = load_good("reeve: 1\nnodes: {a: {run: [x], tags: [t]}, b: {set: {k: '1'}, needs: [a]}}\n");
    rv_spec_input input = {.file = "flow.yaml", .skip_values = true};
    char *bytes = rv_alloc(l.spec->image_size);
    for (size_t at = 0; at < l.spec->image_size; at++) {
        memcpy(bytes, l.spec->image, l.spec->image_size);
        bytes[at] ^= (char)(1 << at % 8);
        write_file("damaged", bytes, l.spec->image_size);
        rv_status status = rv_spec_map(path, &input, &mapped, &problems, &err);
        assert_true(status == RV_CORRUPT || status == RV_NOT_FOUND); /* not found: of another format */
    }
    for (size_t size = 0; size < l.spec->image_size; size += 61) {
        write_file("damaged", l.spec->image, size);
        assert_int_equal(rv_spec_map(path, &input, &mapped, &problems, &err), RV_CORRUPT);
    }
    rv_free(bytes);
    loaded_free(&l);
}

static void image__is_stale_when_an_included_file_changes(void **state)
{
    char path[256];
    rv_error err = {0};
    rv_problems problems = {0};
    rv_spec *mapped = NULL;
    rv_spec_input input = input_of("reeve: 1\nnodes: {b: {shell: file://t.sh}}\n", false);
    input.dir = dir;
    (void)snprintf(path, sizeof path, "%s/stale", dir);
    write_file("t.sh", "a", 1);
    loaded l = load_input(&input);
    assert_int_equal(rv_spec_save(l.spec, path, &err), RV_OK);
    assert_int_equal(rv_spec_map(path, &input, &mapped, &problems, &err), RV_OK);
    rv_spec_free(mapped);
    write_file("t.sh", "b", 1);
    assert_int_equal(rv_spec_map(path, &input, &mapped, &problems, &err), RV_NOT_FOUND);
    loaded_free(&l);
}

#define T(name_) cmocka_unit_test(name_)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(normal_form__of_a_cached_node_says_deps_inputs_and_env_host),
        T(normal_form__a_nodes_cache_is_laid_over_that_of_defaults),
        T(graph__nodes_keep_the_order_of_the_file),
        T(graph__edges_are_hard_and_soft_both_ways),
        T(graph__order_is_by_priority_then_index),
        T(graph__policies_merge_defaults_and_own_keys),
        T(graph__gates_hold_what_is_waited_for),
        T(graph__set_items_and_conditions_are_plain_text),
        T(graph__classes_are_sets_of_tags),
        T(graph__flags_say_what_is_read),
        T(graph__flags_tell_expressions_from_templates),
        T(graph__name_is_the_files_when_it_gives_none),
        T(normal_form__env_has_three_layers),
        T(normal_form__body_is_a_slice_of_the_definition),
        T(normal_form__is_its_own_normal_form),
        T(normal_form__yaml_and_json_of_one_workflow_have_one_digest),
        T(normal_form__of_random_workflows_is_idempotent_and_the_same_from_yaml),
        T(cycles__are_found_exactly_where_a_slow_twin_finds_them),
        T(ancestors__are_those_that_a_slow_twin_reaches),
        T(ancestors__far_behind_are_found),
        T(graph__of_20000_nodes_loads),
        T(values__members_of_large_maps_are_found),
        T(problems__columns_far_to_the_right_are_exact),
        T(values__params_have_their_types),
        T(values__what_is_missing_or_wrong_is_said_at_once),
        T(file__content_becomes_part_of_the_digest),
        T(file__nothing_outside_of_the_directory_is_read),
        T(read__a_directory_and_a_missing_file_are_named),
        T(image__maps_to_the_same_graph),
        T(image__every_damaged_byte_is_noticed),
        T(image__is_stale_when_an_included_file_changes),
    };
    return cmocka_run_group_tests_name("spec load", tests, make_dir, remove_dir);
}
