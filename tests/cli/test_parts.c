/* Parts of the program that can be held alone: the reader of options, the layout of graphs, text for terminals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/util.h"
#include "cli/layout.h"
#include "cli/options.h"
#include "cli/ui.h"

static int no_run(const rv_args *args) { return args->wants_help; }
static const rv_option options[] = {{"jobs", 'j', "N", "", 0},          {"fail-fast", 0, NULL, "", 0}, {"var", 0, "K=V", "", 0},
                                    {"resume", 0, "RUN", "", RV_OPTION_MAYBE}, {"json", 0, NULL, "", 0},      {NULL, 0, NULL, NULL, 0}};
static const rv_verb verb = {.name = "run", .usage = "[FILE]", .options = options, .words_max = 1, .run = no_run};
static const rv_verb tail_verb = {
    .name = "each", .usage = "CMD", .options = options, .words_min = 1, .words_max = 255, .is_tail_command = true, .run = no_run};

#define PARSE(verb_, ...)                                                                              \
    char *argv[] = {__VA_ARGS__};                                                                      \
    rv_args args = {0};                                                                                \
    rv_error err = {0};                                                                                \
    rv_status status = rv_args_parse((verb_), (int)RV_COUNT(argv), argv, &args, &err)

static void options__values_come_joined_or_as_the_next_word(void **state)
{
    PARSE(&verb, "-j4", "--var", "a=1", "--var=b=2", "flow.yaml", "--fail-fast");
    uint32_t number = 0, index = 0;
    assert_int_equal(status, RV_OK);
    assert_int_equal(rv_args_number(&args, "jobs", 1, 10, 0, &number, &err), RV_OK);
    assert_int_equal(number, 4);
    assert_string_equal(rv_args_next(&args, "var", &index), "a=1");
    assert_string_equal(rv_args_next(&args, "var", &index), "b=2");
    assert_null(rv_args_next(&args, "var", &index));
    assert_true(rv_args_has(&args, "fail-fast"));
    assert_string_equal(rv_args_word(&args, 0), "flow.yaml");
    rv_args_deinit(&args);
}

static void options__resume_takes_only_a_word_that_looks_like_a_run(void **state)
{
    static const struct { const char *next, *value; } rows[] = {
        {"20261121-a", "20261121-a"}, {"latest", "latest"}, {"flow.yaml", NULL}, {"dir/flow", NULL}, {"--json", NULL}};
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        PARSE(&verb, "--resume", (char *)rows[i].next);
        assert_int_equal(status, RV_OK);
        assert_true(rv_args_has(&args, "resume"));
        if (rows[i].value) assert_string_equal(rv_args_value(&args, "resume"), rows[i].value);
        else assert_null(rv_args_value(&args, "resume"));
        rv_args_deinit(&args);
    }
}

static void options__what_is_wrong_is_named_with_the_nearest(void **state)
{
    static const struct { const char *word, *text; } rows[] = {
        {"--fail-fats", "--fail-fast"}, {"--json=1", "takes no value"}, {"--jobs", "needs N"}, {"-x", "no option -x"}};
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        PARSE(&verb, (char *)rows[i].word);
        assert_int_equal(status, RV_INVALID);
        assert_non_null(strstr(err.text, rows[i].text));
        rv_args_deinit(&args);
    }
    PARSE(&verb, "a.yaml", "b.yaml");
    assert_int_equal(status, RV_INVALID);
    rv_args_deinit(&args);
}

static void options__a_command_line_of_somebody_else_is_left_alone(void **state)
{
    PARSE(&tail_verb, "-j2", "grep", "-j", "--json", "--", "x");
    assert_int_equal(status, RV_OK);
    assert_false(args.is_json);
    assert_int_equal(args.words.count, 5);
    assert_string_equal(rv_args_word(&args, 1), "-j");
    rv_args_deinit(&args);
}

/* ---- layout ---- */

typedef struct drawn { rv_graph graph; uint32_t *pred_begin, *pred, *succ_begin, *succ; } drawn;

/* A graph whose edges go from lower to higher numbers, so that it has no cycle. */
static drawn random_graph(rv_arena *arena, uint64_t *seed, uint32_t count)
{
    drawn d = {0};
    bool *has = rv_arena_new(arena, bool, (size_t)count * count + 1);
    uint32_t edges = 0, wanted = count ? rv_rng_below(seed, 3 * count) : 0;
    for (uint32_t i = 0; i < wanted && count > 1; i++) {
        uint32_t from = rv_rng_below(seed, count - 1), to = from + 1 + rv_rng_below(seed, count - from - 1);
        edges += !has[from * count + to];
        has[from * count + to] = true;
    }
    d.pred_begin = rv_arena_new(arena, uint32_t, count + 2);
    d.succ_begin = rv_arena_new(arena, uint32_t, count + 2);
    d.pred = rv_arena_new(arena, uint32_t, edges + 1);
    d.succ = rv_arena_new(arena, uint32_t, edges + 1);
    for (uint32_t n = 0, p = 0, s = 0; n < count; n++) {
        for (uint32_t m = 0; m < count; m++) {
            if (has[n * count + m]) d.succ[s++] = m;
            if (has[m * count + n]) d.pred[p++] = n > m ? m : 0;
        }
        d.pred_begin[n + 1] = p;
        d.succ_begin[n + 1] = s;
    }
    d.graph = (rv_graph){.node_count = count, .plain_count = count, .edge_count = edges, .pred_begin = d.pred_begin, .pred = d.pred,
                         .succ_begin = d.succ_begin, .succ = d.succ};
    return d;
}

static void check_layout(const rv_layout *l, const rv_graph *graph)
{
    uint32_t seen = 0;
    for (uint32_t n = 0; n < graph->plain_count; n++) { /* the longest path, by its definition */
        uint32_t least = 0;
        for (uint32_t i = graph->pred_begin[n]; i < graph->pred_begin[n + 1]; i++) least = RV_MAX(least, l->layer[graph->pred[i]] + 1);
        assert_int_equal(l->layer[n], least);
    }
    for (uint32_t s = 0; s < l->segment_count; s++) assert_true(l->layer[l->segments[s].from] < l->layer[l->segments[s].to]);
    for (uint32_t k = 0; k < l->layer_count; k++)
        for (uint32_t i = l->layer_begin[k]; i < l->layer_begin[k + 1]; i++, seen++) {
            uint32_t v = l->layer_vertices[i];
            assert_int_equal(l->layer[v], k);
            assert_true(l->y[v] >= -1e-6 && l->y[v] <= l->height);
            if (i == l->layer_begin[k]) continue;
            uint32_t above = l->layer_vertices[i - 1];
            bool are_nodes = v < l->node_count && above < l->node_count;
            assert_true(l->y[v] - l->y[above] > (are_nodes ? 1 - 1e-6 : 0.4)); /* boxes do not overlap */
        }
    assert_int_equal(seen, l->vertex_count);
}

static void layout__boxes_stand_in_layers_and_do_not_overlap(void **state)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20260131;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    for (uint32_t round = 0; round < 300; round++) {
        rv_arena arena = {0};
        rv_layout layout;
        drawn d = random_graph(&arena, &seed, rv_rng_below(&seed, 40));
        rv_layout_place(&layout, &arena, &d.graph);
        check_layout(&layout, &d.graph);
        rv_arena_deinit(&arena);
    }
}

/* ---- text ---- */

static void text__nothing_from_outside_can_move_the_cursor(void **state)
{
    static const struct { const char *in, *out;
    } rows[] = {{"plain", "plain"},
                {"a\033[31mred\033[0m", "ared"},
                {"a\033]0;title\ab", "ab"},
                {"a\rb", "a b"},
                {"bad\xff.", "bad?."},
                {"\xc2\x9b"
                 "2J",
                 "??2J"}};
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        rv_buf out = {0};
        rv_ui_plain(&out, rv_str_of(rows[i].in), 0);
        assert_string_equal(out.at, rows[i].out);
        rv_buf_deinit(&out);
    }
}

static void text__a_shell_reads_a_quoted_word_back(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {{"a-b/c.yaml", "a-b/c.yaml"}, {"a b", "'a b'"}, {"it's", "'it'\\''s'"}, {"", "''"}, {"~x", "'~x'"}};
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        rv_buf out = {0};
        rv_ui_shell_word(&out, rv_str_of(rows[i].in));
        assert_string_equal(out.at, rows[i].out);
        rv_buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options__values_come_joined_or_as_the_next_word),
        cmocka_unit_test(options__resume_takes_only_a_word_that_looks_like_a_run),
        cmocka_unit_test(options__what_is_wrong_is_named_with_the_nearest),
        cmocka_unit_test(options__a_command_line_of_somebody_else_is_left_alone),
        cmocka_unit_test(layout__boxes_stand_in_layers_and_do_not_overlap),
        cmocka_unit_test(text__nothing_from_outside_can_move_the_cursor),
        cmocka_unit_test(text__a_shell_reads_a_quoted_word_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
