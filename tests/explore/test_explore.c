/* test_explore.c: exhaustive exploration of the kernel over small graphs [K1-K5, K10, K16, K60-K62]. The figures are printed.
 *
 *   test_explore           the small spaces, for every check
 *   test_explore NAME      one of the whole spaces: plain, cache, attempts, kinds, handlers
 *   test_explore NAME P/N  the P-th of N parts of it: every N-th graph, from the P-th (from 0) on */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "agree.h"
#include "explore.h"
#include "graph_text.h"

#define LEAN (MOVES_FAILURES | MOVES_INTERRUPTS | MOVES_ENDS | MOVES_FAIL_FAST)
#define CACHE (MOVES_CACHE | MOVES_VIOLATION)

static const shape_variant policies[] = {
    {"", false}, {"[accept_partial]", true}, {"[all_terminal]", true}, {"[optional]", true}};
static const shape_variant retries[] = {{"%attempts=3 %lost_max=1", false}, {"%attempts=3 %lost_max=1 [all_terminal]", true}};
static const shape_variant kinds[] = {
    {"%attempts=2 %lost_max=1", false},
    {"%attempts=3 %delay=10 %total=25 %lost_max=1", false},
    {"%delivery=at_most_once %unknown=ask %attempts=2", false},
    {"%delivery=at_most_once %unknown=fail", false},
    {"%delivery=at_most_once %unknown=retry", false},
    {"!approve %deadline=50", false},
    {"!approve %reject=continue", false},
    {"!input", false},
    {"!input %deadline=40 %default=2", false},
    {"!wait %for=30", false},
    {"!wait %event=go", false},
    {"!reduce %attempts=2 %lost_max=1", false},
    {"!set `n=1`", false},
    {"when false", false}};

static uint32_t part, parts = 1;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Every graph of the space; every second one is written last node first, so that indices go against the edges. */
static void explore_space(const char *what, const shape_space *space, const explore_bounds *bounds, explore_figures *figures)
{
    explore_figures own = {0};
    double began_s = now_s();
    shape s;
    uint32_t number = 0;
    for (bool has = shape_first(space, &s); has; has = shape_next(space, &s), number++) {
        rv_buf text = {0};
        bool is_reversed = number % 2;
        if (number % parts != part) continue;
        shape_text(space, &s, is_reversed, &text);
        const rv_graph *graph = rv_graph_text(text.at);
        agree_graph made_from = {&s, is_reversed};
        explore_graph(graph, bounds, agree_check, &made_from, &own);
        rv_graph_text_free(graph);
        rv_buf_deinit(&text);
    }
    explore_print(what, &own, now_s() - began_s);
    *figures = own;
}

static void explore_sizes(const char *what, uint32_t size_min, uint32_t size_max, shape_space space, explore_bounds bounds)
{
    for (uint32_t size = size_min; size <= size_max; size++) {
        char name[160];
        explore_figures figures;
        space.node_count = size;
        snprintf(name, sizeof name, "%s, nodes: %u%s%s", what, size, space.suffix[0] ? ", " : "", space.suffix);
        explore_space(name, &space, &bounds, &figures);
        if (parts == 1) assert_true(figures.graphs > 0 && figures.ends > 0 && figures.compared > 0);
    }
}

static const shape_space plain_space = {.has_soft = true, .variants = policies, .variant_count = RV_COUNT(policies), .suffix = ""};
static const explore_bounds plain_bounds = {.groups = LEAN, .attempts_max = 1, .states_max = 1000000};
static const explore_bounds cache_bounds = {.groups = LEAN | CACHE, .attempts_max = 1, .states_max = 1000000};
static const shape_space attempts_space = {.has_soft = true, .variants = retries, .variant_count = RV_COUNT(retries), .suffix = ""};
static const explore_bounds attempts_bounds = {
    .groups = LEAN | MOVES_OUTCOMES | MOVES_STARTED | MOVES_LOSSES | MOVES_ADOPT, .attempts_max = 3, .states_max = 4000000};
static const shape_space three_attempts_space = {.has_soft = true, .variants = retries, .variant_count = 1, .suffix = ""};
static const explore_bounds three_attempts_bounds = {
    .groups = MOVES_FAILURES | MOVES_LOSSES | MOVES_INTERRUPTS, .attempts_max = 3, .states_max = 4000000};
static const shape_space kinds_space = {.has_soft = false, .variants = kinds, .variant_count = RV_COUNT(kinds), .suffix = ""};
static const explore_bounds three_kinds_bounds = {
    .groups = MOVES_FAILURES | MOVES_LOSSES | MOVES_INTERRUPTS | MOVES_ENDS, .attempts_max = 1, .states_max = 4000000};
static const explore_bounds kinds_bounds = {.groups = MOVES_ALL, .attempts_max = 2, .states_max = 4000000};

/* Two handlers at a time: all four at once are a quarter of a million states for a single node. */
static const char *const handlers[] = {
    "on.success: !reduce; on.exit; %timeout=100",
    "on.failure: %attempts=2 %lost_max=1; on.exit: !reduce",
    "on.cancel: %lost_max=0; on.exit; %timeout=100",
    "on.success; on.failure; on.cancel; %timeout=100"};
static const explore_bounds handlers_bounds = {
    .groups = LEAN | MOVES_OUTCOMES | MOVES_LOSSES, .attempts_max = 2, .states_max = 4000000};

static void explore_handlers(uint32_t size_max, explore_bounds bounds)
{
    for (size_t i = 0; i < RV_COUNT(handlers); i++) {
        shape_space space = {.has_soft = false, .variants = retries, .variant_count = RV_COUNT(retries), .suffix = handlers[i]};
        explore_sizes("handlers", 1, size_max, space, bounds);
    }
}

/* ---- for every check ---- */

/* OEIS A003087: the acyclic digraphs of n nodes that nobody named. */
static void shape__each_graph_comes_once_up_to_isomorphism(void **state)
{
    static const uint32_t known[] = {1, 2, 6, 31};
    for (uint32_t size = 1; size <= SHAPE_NODES_MAX; size++) {
        shape_space space = {.node_count = size, .variants = policies, .variant_count = 1, .suffix = ""};
        shape s;
        uint32_t count = 0;
        for (bool has = shape_first(&space, &s); has; has = shape_next(&space, &s)) count++;
        assert_int_equal(count, known[size - 1]);
    }
}


static void explored__plain_graphs_of_up_to_3_nodes(void **state) { explore_sizes("plain", 1, 3, plain_space, plain_bounds); }

static void explored__hits_and_violations_in_plain_graphs_of_up_to_2_nodes(void **state)
{
    explore_sizes("plain, hits and violations", 1, 2, plain_space, cache_bounds);
}

static void explored__three_attempts_at_1_node(void **state) { explore_sizes("attempts", 1, 1, attempts_space, attempts_bounds); }
static void explored__every_kind_alone(void **state) { explore_sizes("kinds", 1, 1, kinds_space, kinds_bounds); }

static void explored__1_node_with_handlers(void **state)
{
    explore_handlers(1, (explore_bounds){.groups = LEAN | CACHE, .attempts_max = 1, .states_max = 100000});
}

/* What explore.h says of states that are one: with nothing renamed there are more of them, but none is new. */
static void renaming_loses_nothing(uint32_t groups, uint32_t attempts_max)
{
    static const char *const texts[] = {"a: %attempts=3 %lost_max=1; b: a", "a: %attempts=2 %delay=10; b", "a: !input; b: ~a %attempts=2",
                                        "a: !reduce; b: !wait %for=30; on.exit",
                                        "a: %attempts=2 %lost_max=1; on.failure: %lost_max=1; on.exit: !reduce"};
    for (size_t i = 0; i < RV_COUNT(texts); i++) {
        explore_bounds bounds = {.groups = groups, .attempts_max = attempts_max, .states_max = 4000000};
        const rv_graph *graph = rv_graph_text(texts[i]);
        uint64_t renamed = explore_digest(graph, &bounds);
        bounds.is_literal = true;
        assert_int_equal(renamed, explore_digest(graph, &bounds));
        rv_graph_text_free(graph);
    }
}

static void explored__renaming_loses_no_state(void **state) { renaming_loses_nothing(LEAN | MOVES_LOSSES, 1); }

/* ---- whole spaces, one a program run ---- */

static void explored__renaming_loses_no_state_of_any_move(void **state) { renaming_loses_nothing(MOVES_ALL & ~MOVES_OUTCOMES, 2); }

static void explored__plain_graphs_of_up_to_4_nodes(void **state) { explore_sizes("plain", 1, 4, plain_space, plain_bounds); }

static void explored__hits_and_violations_in_plain_graphs(void **state)
{
    shape_space hard_space = {.has_soft = false, .variants = policies, .variant_count = 1, .suffix = ""};
    explore_sizes("plain, hits and violations", 1, 3, plain_space, cache_bounds);
    explore_sizes("plain, hits and violations, hard edges alone", 4, 4, hard_space, cache_bounds);
}

static void explored__three_attempts_at_up_to_3_nodes(void **state)
{
    explore_sizes("attempts", 1, 2, attempts_space, attempts_bounds);
    explore_sizes("attempts (no cancel, adopt, timeout …)", 3, 3, three_attempts_space, three_attempts_bounds);
}

static void explored__mixed_kinds_of_up_to_3_nodes(void **state)
{
    explore_sizes("kinds", 1, 2, kinds_space, kinds_bounds);
    explore_sizes("kinds (one attempt, no adopt, timeout …)", 3, 3, kinds_space, three_kinds_bounds);
}

static void explored__up_to_3_nodes_with_handlers(void **state)
{
    explore_handlers(2, handlers_bounds);
    explore_handlers(3, (explore_bounds){.groups = LEAN | MOVES_LOSSES, .attempts_max = 1, .states_max = 4000000});
}

int main(int argc, char **argv)
{
    const struct CMUnitTest fast[] = {
        cmocka_unit_test(shape__each_graph_comes_once_up_to_isomorphism),
        cmocka_unit_test(explored__plain_graphs_of_up_to_3_nodes),
        cmocka_unit_test(explored__hits_and_violations_in_plain_graphs_of_up_to_2_nodes),
        cmocka_unit_test(explored__three_attempts_at_1_node),
        cmocka_unit_test(explored__every_kind_alone),
        cmocka_unit_test(explored__1_node_with_handlers),
        cmocka_unit_test(explored__renaming_loses_no_state),
    };
    const struct { const char *name; struct CMUnitTest test; } whole[] = {
        {"renaming", cmocka_unit_test(explored__renaming_loses_no_state_of_any_move)},
        {"plain", cmocka_unit_test(explored__plain_graphs_of_up_to_4_nodes)},
        {"cache", cmocka_unit_test(explored__hits_and_violations_in_plain_graphs)},
        {"attempts", cmocka_unit_test(explored__three_attempts_at_up_to_3_nodes)},
        {"kinds", cmocka_unit_test(explored__mixed_kinds_of_up_to_3_nodes)},
        {"handlers", cmocka_unit_test(explored__up_to_3_nodes_with_handlers)},
    };
    if (argc < 2) return cmocka_run_group_tests_name("explore", fast, NULL, NULL);
    if (argc > 2 && (sscanf(argv[2], "%u/%u", &part, &parts) != 2 || part >= parts)) argc = 1;
    for (size_t i = 0; argc > 1 && i < RV_COUNT(whole); i++) {
        if (strcmp(argv[1], whole[i].name) != 0) continue;
        const struct CMUnitTest one[] = {whole[i].test};
        return cmocka_run_group_tests_name(argv[1], one, NULL, NULL);
    }
    fprintf(stderr, "usage: %s [renaming|plain|cache|attempts|kinds|handlers [PART/PARTS]]\n", argv[0]);
    return 2;
}
