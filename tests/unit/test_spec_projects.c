/* test_spec_projects.c: one root, many projects [W20], and parts of a workflow [W21a], as the loader makes them. */
#include "spec_help.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- a tree of files ---- */

typedef struct tree {
    char dir[64];
    rv_buf names; /* that were made, a NUL behind each, in order */
} tree;

static void tree_open(tree *t)
{
    *t = (tree){.dir = "/tmp/reeve-projects-XXXXXX"};
    assert_non_null(mkdtemp(t->dir));
}

static void tree_write(tree *t, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", t->dir, name);
    for (char *slash = path + strlen(t->dir) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        if (mkdir(path, 0700) == 0) rv_buf_add(&t->names, path, strlen(path) + 1);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
    rv_buf_add(&t->names, path, strlen(path) + 1);
}

static void tree_close(tree *t)
{
    for (size_t end = t->names.size; end > 0;) { /* what was made last goes first */
        size_t begin = end - 1;
        while (begin > 0 && t->names.at[begin - 1] != 0) begin--;
        assert_int_equal(remove(t->names.at + begin), 0);
        end = begin;
    }
    assert_int_equal(rmdir(t->dir), 0);
    rv_buf_deinit(&t->names);
}

static loaded load_tree(const tree *t, const char *root)
{
    rv_spec_input input = input_of(root, false);
    input.dir = t->dir;
    return load_input(&input);
}

/* ---- projects ---- */

static void projects__become_one_flat_workflow_that_is_its_own_normal_form(void **state)
{
    tree t;
    tree_open(&t);
    tree_write(&t, "libs/b/reeve.yaml", "reeve: 1\ntags: [l, m]\ndefaults: {timeout: 1s, dir: sub}\nnodes:\n"
                                        "  x: {run: [a, '${y.k} ${root:r.stdout} ${c:x.k:-d}'], needs: [y, 'root:r', 'c:x'], tags: [m]}\n"
                                        "  y: {shell: s, dir: ., when: '${c:x.k} == 1', needs: ['c:x']}\n"
                                        "  z: {reduce: {reducer: concat, of: [x, 'c:x']}, needs: [x, 'c:x']}\n");
    tree_write(&t, "libs/c/reeve.yaml", "reeve: 1\nname: c\nnodes: {x: {run: [x], dir: '${user.p}', inputs: ['a*b', /r]}, "
                                        "i: {run: [x], isolation: none}}\n");
    tree_write(&t, "libs/plain/file", "");
    loaded l = load_tree(&t, "reeve: 1\nparams: {p: {default: q}}\nprojects: ['libs/*']\ntags: [top]\ndefault: 'b:x'\n"
                             "nodes: {r: {run: [x], mutex: {name: m, scope: project}}}\n");
    if (!l.spec) fail_msg("%s", l.text.at);
    assert_str(l.spec->graph.definition,
               "{\"default\":\"b:x\",\"nodes\":{\"r\":{\"mutex\":[{\"name\":\"m\",\"scope\":\"project\"}],\"run\":[\"x\"],"
               "\"tags\":[\"top\"]},"
               "\"b:x\":{\"dir\":\"libs/b/sub\",\"needs\":[\"b:y\",\"r\",\"c:x\"],\"run\":[\"a\",\"${b:y.k} ${r.stdout} ${c:x.k:-d}\"],"
               "\"tags\":[\"m\",\"l\"],\"timeout\":\"1000ms\"},"
               "\"b:y\":{\"dir\":\"libs/b\",\"needs\":[\"c:x\"],\"shell\":\"s\",\"tags\":[\"l\",\"m\"],\"timeout\":\"1000ms\","
               "\"when\":\"${c:x.k} == 1\"},"
               "\"b:z\":{\"needs\":[\"b:x\",\"c:x\"],\"reduce\":{\"of\":[\"b:x\",\"c:x\"],\"reducer\":\"concat\"},\"tags\":[\"l\",\"m\"]},"
               "\"c:x\":{\"dir\":\"libs/c/${user.p}\",\"inputs\":[\"/libs/c/a*b\",\"/r\"],\"run\":[\"x\"]},"
               "\"c:i\":{\"isolation\":\"none\",\"run\":[\"x\"]}},"
               "\"params\":{\"p\":{\"default\":\"q\"}},"
               "\"projects\":{\"b\":{\"dir\":\"libs/b\",\"tags\":[\"l\",\"m\"]},\"c\":{\"dir\":\"libs/c\"}},\"reeve\":1}");
    assert_idempotent(&l.spec->graph);
    assert_int_equal(l.problems.list.count, 0);
    loaded_free(&l);
    tree_close(&t);
}

static void projects__include_workflows_of_their_own_directory(void **state)
{
    tree t;
    tree_open(&t);
    tree_write(&t, "shared.yaml", "reeve: 1\nnodes: {s: {run: [s], inputs: [i, /r]}}\n");
    tree_write(&t, "p/flows/sub.yaml", "reeve: 1\nparams: {v: {}}\nnodes:\n"
                                       "  n: {run: [n, '${user.v}'], dir: d, outputs: [o], tags: [own]}\n"
                                       "  ask: {approve: {message: 'file://t'}}\n"
                                       "  deep: {workflow: {file: deep.yaml}}\n");
    tree_write(&t, "p/deep.yaml", "reeve: 1\nnodes: {z: {shell: z}}\n");
    tree_write(&t, "p/t", "text");
    tree_write(&t, "p/reeve.yaml", "reeve: 1\ntags: [l]\nenv: {E: e}\nnodes:\n  a: {set: {k: 1}}\n"
                                   "  w: {workflow: {file: ./flows/sub.yaml, params: {v: '${a.k}'}}, needs: [a]}\n"
                                   "  s: {workflow: {file: /shared.yaml}}\n");
    loaded l = load_tree(&t, "reeve: 1\nprojects: [p]\nenv: {ROOT: r}\n");
    if (!l.spec) fail_msg("%s", l.text.at);
    assert_str(l.spec->graph.definition,
               "{\"nodes\":{\"p:a\":{\"set\":{\"k\":\"1\"},\"tags\":[\"l\"]},"
               "\"p:w\":{\"needs\":[\"p:a\"],\"tags\":[\"l\"],\"workflow\":{\"definition\":{\"nodes\":{"
               "\"n\":{\"dir\":\"p/d\",\"outputs\":[\"/p/o\"],"
               "\"run\":[\"n\",\"${user.v}\"],\"tags\":[\"own\",\"l\"]},"
               "\"ask\":{\"approve\":{\"message\":\"text\"},\"tags\":[\"l\"]},"
               "\"deep\":{\"tags\":[\"l\"],"
               "\"workflow\":{\"definition\":{\"nodes\":{\"z\":{\"dir\":\"p\",\"shell\":\"z\",\"tags\":[\"l\"]}}}}}},"
               "\"params\":{\"v\":{}}},\"params\":{\"v\":\"${p:a.k}\"}}},"
               "\"p:s\":{\"tags\":[\"l\"],\"workflow\":{\"definition\":{\"nodes\":{"
               "\"s\":{\"dir\":\"p\",\"inputs\":[\"/p/i\",\"/r\"],\"run\":[\"s\"],\"tags\":[\"l\"]}}}}}},"
               "\"projects\":{\"p\":{\"dir\":\"p\",\"tags\":[\"l\"]}},\"reeve\":1}");
    assert_idempotent(&l.spec->graph);
    assert_int_equal(l.problems.list.count, 0);
    static const rv_str paths[] = {{"p/flows/sub.yaml", 16}, {"shared.yaml", 11}, {"p/t", 3}, {"p/reeve.yaml", 12}, {"sub.yaml", 8}};
    static const uint32_t is_included[] = {1, 1, 1, 1, 0};
    for (size_t i = 0; i < RV_COUNT(paths); i++) assert_int_equal(rv_spec_includes(l.spec, &paths[i], 1), is_included[i]);
    loaded_free(&l);
    tree_close(&t);
}

static void projects__say_which_included_file_is_wrong(void **state)
{
    tree t;
    tree_open(&t);
    tree_write(&t, "root.yaml", "reeve: 1\nnodes: {n: {run: [x]}}\n");
    tree_write(&t, "p/self.yaml", "reeve: 1\nnodes: {n: {workflow: {file: self.yaml}}}\n");
    static const char *const cases[][2] = {
        {"root.yaml", "p/reeve.yaml:2:30: `p/root.yaml`: No such file or directory"},
        {"../root.yaml", "p/reeve.yaml:2:30: `file` wants a relative path, not `../root.yaml`"},
        {".", "`.` is the workflow's own directory"},
        {"self.yaml", "p/self.yaml:2:30: a workflow includes itself: p/self.yaml -> p/self.yaml"}};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "reeve: 1\nnodes: {w: {workflow: {file: %s}}}\n", cases[i][0]);
        tree_write(&t, "p/reeve.yaml", text);
        loaded l = load_tree(&t, "reeve: 1\nprojects: [p]\n");
        assert_null(l.spec);
        if (!strstr(l.text.at, cases[i][1])) fail_msg("%s: `%s`, not `%s`", cases[i][0], l.text.at, cases[i][1]);
        loaded_free(&l);
        assert_int_equal(remove(t.names.at + t.names.size - strlen(t.dir) - 14), 0);
        t.names.size -= strlen(t.dir) + 14;
    }
    tree_close(&t);
}

static void projects__are_those_directories_that_the_patterns_mean(void **state)
{
    tree t;
    tree_open(&t);
    static const char *const dirs[] = {"a", "a/in", "b/deep/er", ".hidden", "c"};
    char name[64];
    for (size_t i = 0; i < RV_COUNT(dirs); i++) {
        (void)snprintf(name, sizeof name, "%s/reeve.yaml", dirs[i]);
        char text[64];
        (void)snprintf(text, sizeof text, "reeve: 1\nname: p%zu\nnodes: {n: {run: [x]}}\n", i);
        tree_write(&t, name, text);
    }
    static const struct { const char *patterns, *names; } cases[] = {
        {"['*']", "p0 p4 "}, {"['**']", "p3 p0 p1 p2 p4 "}, {"['**/er']", "p2 "}, {"[a, '*']", "p0 p4 "}, {"['{a/in,c}']", "p1 p4 "},
        {"['[!a]', '.*']", "p4 p3 "}, {"[./b/deep/../deep/er]", "p2 "}};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char root[256];
        (void)snprintf(root, sizeof root, "reeve: 1\nprojects: %s\n", cases[i].patterns);
        loaded l = load_tree(&t, root);
        if (!l.spec) fail_msg("%s: %s", cases[i].patterns, l.text.at);
        rv_buf names = {0};
        for (uint32_t n = 0; n < l.spec->graph.plain_count; n++) {
            rv_str whole = rv_graph_name(&l.spec->graph, n);
            rv_buf_printf(&names, "%.*s ", (int)rv_str_find(whole, 0, ':'), whole.at);
        }
        if (!rv_str_is(rv_buf_str(&names), cases[i].names)) fail_msg("%s: `%s`, not `%s`", cases[i].patterns, names.at, cases[i].names);
        assert_idempotent(&l.spec->graph);
        rv_buf_deinit(&names);
        loaded_free(&l);
    }
    assert_true(rv_spec_has_project(RV_STR("projects: ['b/**/er']\n"), false, RV_STR("b/deep/er")));
    assert_false(rv_spec_has_project(RV_STR("projects: [b]\n"), false, RV_STR("b/deep/er")));
    assert_false(rv_spec_has_project(RV_STR("projects: {b: {dir: b}}\n"), false, RV_STR("b")));
    assert_false(rv_spec_has_project(RV_STR("projects: [b\n"), false, RV_STR("b")));
    tree_close(&t);
}

static void projects__without_a_directory_are_refused(void **state)
{
    loaded l = load_yaml("reeve: 1\nprojects: [a]\nnodes: {n: {run: [x]}}\n");
    assert_null(l.spec);
    assert_non_null(strstr(l.text.at, "flow.yaml:2:11: this workflow has no directory, so it has no projects"));
    loaded_free(&l);
}

/* ---- parts ---- */

#define TWIN_NODES 14u

static loaded load_cut(const rv_graph *graph, const uint8_t *keep, const uint8_t *named)
{
    rv_buf source = {0};
    rv_spec_cut(graph, keep, named, &source);
    rv_spec_input input = {.source = rv_buf_str(&source), .file = "flow.json", .is_json = true};
    loaded l = load_input(&input);
    if (!l.spec) fail_msg("%s\n%s", l.text.at, source.at);
    rv_buf_deinit(&source);
    return l;
}

/* Hard predecessors until nothing is added. */
static void slow_closure(uint8_t edges[TWIN_NODES][TWIN_NODES], uint8_t *keep)
{
    for (bool grows = true; grows;) {
        grows = false;
        for (uint32_t n = 0; n < TWIN_NODES; n++)
            for (uint32_t p = 0; keep[n] && p < n; p++)
                if (edges[n][p] == 1 && !keep[p]) keep[p] = 1, grows = true;
    }
}

static void write_graph(rv_buf *out, uint8_t edges[TWIN_NODES][TWIN_NODES])
{
    rv_buf_cstring(out, "reeve: 1\nnodes:\n");
    for (uint32_t n = 0; n < TWIN_NODES; n++) {
        static const char *const keys[] = {"needs", "after"};
        rv_buf_printf(out, "  n%u: {run: [x]", n);
        for (uint32_t k = 0; k < RV_COUNT(keys); k++) {
            rv_buf_printf(out, ", %s: [", keys[k]);
            for (uint32_t p = 0, count = 0; p < n; p++)
                if (edges[n][p] == k + 1) rv_buf_printf(out, "%sn%u", count++ ? ", " : "", p);
            rv_buf_cstring(out, "]");
        }
        rv_buf_cstring(out, "}\n");
    }
}

static void part__is_what_a_slow_twin_finds_with_the_edges_among_it(void **state)
{
    uint64_t seed = 20260214;
    for (int round = 0; round < 300; round++) {
        uint8_t edges[TWIN_NODES][TWIN_NODES] = {{0}}, named[TWIN_NODES + 1] = {0}, keep[TWIN_NODES + 1], slow[TWIN_NODES];
        for (uint32_t n = 0; n < TWIN_NODES; n++)
            for (uint32_t p = 0; p < n; p++)
                if (rv_rng_below(&seed, 5) == 0) edges[n][p] = (uint8_t)(1 + rv_rng_below(&seed, 2));
        for (uint32_t i = 0; i < 2; i++) named[rv_rng_below(&seed, TWIN_NODES)] = 1;
        memcpy(keep, named, sizeof keep);
        memcpy(slow, named, sizeof slow);
        rv_buf source = {0};
        write_graph(&source, edges);
        loaded l = load_good(source.at);
        rv_spec_closure(&l.spec->graph, keep);
        slow_closure(edges, slow);
        assert_memory_equal(keep, slow, sizeof slow);
        loaded part = load_cut(&l.spec->graph, keep, named);
        const rv_graph *g = &part.spec->graph;
        uint32_t at = 0, edge_count = 0;
        for (uint32_t n = 0; n < TWIN_NODES; n++) {
            if (!keep[n]) continue;
            assert_true(rv_str_eq(rv_graph_name(g, at++), rv_graph_name(&l.spec->graph, n)));
            for (uint32_t p = 0; p < n; p++) edge_count += edges[n][p] && keep[p];
        }
        assert_int_equal(g->plain_count, at);
        assert_int_equal(g->edge_count, edge_count);
        assert_idempotent(g);
        loaded_free(&part);
        loaded_free(&l);
        rv_buf_deinit(&source);
    }
}

static void part__of_one_text_or_another_of_the_same_nodes_has_one_digest(void **state)
{
    loaded a = load_good("reeve: 1\ndefault: y\nnodes:\n  x: {run: [x]}\n  y: {run: [y], needs: [x], after: [z]}\n  z: {run: [z]}\n");
    loaded b = load_good("reeve: 1\nnodes:\n  z: {run: [other]}\n  x: {run: [x]}\n  q: {run: [q], needs: [z]}\n"
                         "  y: {run: [y], needs: [x]}\n");
    uint8_t keep_a[] = {1, 1, 0}, named_a[] = {0, 1, 0}, keep_b[] = {0, 1, 0, 1}, named_b[] = {0, 0, 0, 1};
    loaded part_a = load_cut(&a.spec->graph, keep_a, named_a), part_b = load_cut(&b.spec->graph, keep_b, named_b);
    assert_str(rv_graph_str(&part_a.spec->graph, part_a.spec->graph.only), "[\"y\"]");
    static const char text[] = "{\"nodes\":{\"x\":{\"run\":[\"x\"]},"
                               "\"y\":{\"needs\":[\"x\"],\"run\":[\"y\"]}},\"only\":[\"y\"],\"reeve\":1}";
    assert_str(part_a.spec->graph.definition, text);
    assert_str(part_b.spec->graph.definition, text);
    loaded_free(&a);
    loaded_free(&b);
    loaded_free(&part_a);
    loaded_free(&part_b);
}

#define T(name_) cmocka_unit_test(name_)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(projects__become_one_flat_workflow_that_is_its_own_normal_form),
        T(projects__include_workflows_of_their_own_directory),
        T(projects__say_which_included_file_is_wrong),
        T(projects__are_those_directories_that_the_patterns_mean),
        T(projects__without_a_directory_are_refused),
        T(part__is_what_a_slow_twin_finds_with_the_edges_among_it),
        T(part__of_one_text_or_another_of_the_same_nodes_has_one_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
