/* test_grown.c: exhaustive exploration of runs that grow: each controller [K11-K15] over the smallest bodies that show what it
 * does, every answer that its children can give it, in every order, with interrupts, crashes and ends in between.
 *
 *   test_grown          for every check
 *   test_grown whole    with losses, retries and more children */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "bracket.h"
#include "explore.h"
#include "spec/spec.h"

#define SHORT (MOVES_FAILURES | MOVES_INTERRUPTS | MOVES_ENDS | MOVES_FAIL_FAST | MOVES_VIOLATION)
#define WHOLE (SHORT | MOVES_LOSSES | MOVES_STARTED)

#define SPEND (MOVES_FAILURES | MOVES_LOSSES | MOVES_SPEND)
#define SUBMIT (MOVES_FAILURES | MOVES_LOSSES | MOVES_ENDS | MOVES_SUBMIT)

typedef struct grown {
    const char *name;
    bool is_long;
    const char *nodes;
    uint32_t groups;           /* 0: SHORT */
    const char *head;          /* other keys of the file; NULL: none */
} grown;

#define PAUSE "budget: {usd: 0.000002, at_limit: pause}\n"

static const grown all[] = {
    {"foreach all", false, "{e: {foreach: {items: [1, 2], do: {run: [x]}}}, z: {run: [x], needs: [e]}}"},
    {"foreach any", false, "{e: {foreach: {items: [1, 2], do: {run: [x]}, join: any}}, z: {run: [x], needs: [e]}}"},
    {"foreach any, lost", false, "{e: {foreach: {items: [1, 2], do: {run: [x]}, join: any}}}", MOVES_FAILURES | MOVES_LOSSES},
    {"foreach of four, two at a time", false, "{e: {foreach: {items: [1, 2, 3, 4], do: {run: [x]}, max_parallel: 2}}}",
     MOVES_FAILURES | MOVES_FAIL_FAST},
    {"foreach one at a time, beside a node", false, "{e: {foreach: {items: [1, 2], do: {run: [x]}, max_parallel: 1}}, y: {run: [x]}}"},
    {"foreach race", false, "{e: {foreach: {items: [1, 2], do: {run: [x]}, join: race}}}"},
    {"foreach all_settled, one at a time", false,
     "{e: {foreach: {items: [1, 2], do: {run: [x]}, join: all_settled, max_parallel: 1}}, z: {run: [x], needs: [e]}}"},
    {"foreach of graphs", false, "{e: {foreach: {items: [1, 2], do: {nodes: {a: {run: [x]}, b: {run: [x], needs: [a]}}}}}}"},
    {"foreach of nothing", false, "{e: {foreach: {items: [], do: {run: [x]}}}, z: {run: [x], needs: [e]}}"},
    {"foreach of three, two at a time", false, "{e: {foreach: {items: [1, 2, 3], do: {run: [x]}, max_parallel: 2, join: any}}}"},
    {"loop", false, "{l: {loop: {body: {run: [x]}, max: 3, until: \"${previous.n} == 9\"}}, z: {run: [x], needs: [l]}}"},
    {"loop beside a node", false, "{l: {loop: {body: {run: [x]}, max: 2}}, y: {run: [x]}, z: {run: [x], needs: [l, y]}}"},
    {"classify", false,
     "{c: {classify: {by: {run: [x]}, branches: {x: [a, both], y: [b, both]}}}, a: {run: [x], needs: [c]}, b: {run: [x], needs: [c]},"
     " both: {run: [x], needs: [c]}, after_a: {run: [x], needs: [a]}}"},
    {"tournament of three bodies", false, "{t: {tournament: {entrants: [{run: [x]}, {run: [x]}, {run: [x]}], judge: {run: [x]}}}}"},
    {"tournament of nodes, sides exchanged", false,
     "{a: {run: [x]}, b: {run: [x]}, t: {tournament: {entrants: [a, b], judge: {run: [x]}, swap: true}}}"},
    {"tournament, three judges", false,
     "{a: {set: {n: 1}}, b: {set: {n: 2}}, t: {tournament: {entrants: [a, b], judge: {run: [x]}, quorum: 3}}}"},
    {"tournament of five nodes", false,
     "{a: {set: {n: 1}}, b: {set: {n: 2}}, c: {set: {n: 3}}, d: {set: {n: 4}}, e: {set: {n: 5}},"
     " t: {tournament: {entrants: [a, b, c, d, e], judge: {run: [x]}}}}"},
    {"swiss of three, two rounds", false,
     "{a: {set: {n: 1}}, b: {set: {n: 2}}, c: {set: {n: 3}}, t: {tournament: {entrants: [a, b, c], judge: {run: [x]}, swiss: 2}}}"},
    {"swiss of four, three rounds", true,
     "{a: {set: {n: 1}}, b: {set: {n: 2}}, c: {set: {n: 3}}, d: {set: {n: 4}},"
     " t: {tournament: {entrants: [a, b, c, d], judge: {run: [x]}, swiss: 3}}}"},
    {"workflow", false, "{w: {workflow: {definition: {nodes: {a: {run: [x]}, b: {run: [x], needs: [a]}}}}}, z: {run: [x], needs: [w]}}"},
    {"revise", false,
     "{a: {run: [x]}, r: {run: [x], needs: [a], revise: {target: a, when: \"${r.n} == 9\", max: 1}}, z: {run: [x], needs: [r, a]}}"},
    {"revise, ask at the maximum", false,
     "{a: {set: {n: 1}}, r: {run: [x], needs: [a], revise: {target: a, when: \"${r.n} == 9\", max: 2, at_max: ask}},"
     " z: {run: [x], needs: [r]}}"},
    {"revise beside a reader of its target", true,
     "{a: {run: [x]}, r: {run: [x], needs: [a], revise: {target: a, when: \"${r.n} == 9\", max: 2}}, z: {run: [x], needs: [a]}}"},
    {"budget that pauses", false, "{a: {run: [x]}, b: {run: [x], needs: [a], budget: {estimate: {usd: 0.000002}}}}", SPEND, PAUSE},
    {"budget that pauses, at once", false, "{a: {run: [x], budget: {estimate: {usd: 0.000002}}}, b: {run: [x]}}",
     MOVES_FAILURES | MOVES_SPEND, PAUSE},
    {"budget that stops", false, "{a: {run: [x], budget: {estimate: {usd: 0.000002}}}, b: {run: [x], needs: [a]}, c: {run: [x]}}",
     MOVES_FAILURES | MOVES_SPEND, "budget: {usd: 0.000002, at_limit: stop}\n"},
    {"budget that stops, interrupted", false,
     "{a: {run: [x], budget: {estimate: {usd: 0.000002}}}, b: {run: [x], needs: [a]}, c: {run: [x]}}",
     MOVES_LOSSES | MOVES_INTERRUPTS, "budget: {usd: 0.000002, at_limit: stop}\nquota: {concurrent: 1}\n"},
    {"budget that stops, spent and interrupted", true, "{a: {run: [x], budget: {estimate: {usd: 0.000002}}}, c: {run: [x]}}",
     MOVES_LOSSES | MOVES_INTERRUPTS | MOVES_SPEND, "budget: {usd: 0.000002, at_limit: stop}\n"},
    {"budget that warns", false, "{a: {run: [x]}, b: {run: [x], needs: [a]}}", SPEND, "budget: {usd: 0.000002, at_limit: warn}\n"},
    {"budgets of nodes", false, "{a: {run: [x], budget: {usd: 0.000002}}, b: {run: [x], budget: {usd: 0.000002, at_limit: warn}}}",
     MOVES_FAILURES | MOVES_SPEND},
    {"budget of a controller", false,
     "{e: {foreach: {items: [1, 2], do: {run: [x]}, max_parallel: 1}, budget: {usd: 0.000002}}, z: {run: [x], needs: [e]}}",
     MOVES_FAILURES | MOVES_SPEND},
    {"quotas", false, "{a: {run: [x]}, b: {run: [x]}, c: {run: [x], needs: [a]}}", MOVES_FAILURES | MOVES_LOSSES,
     "quota: {concurrent: 1, attempts: 2}\n"},
    {"budget that pauses, interrupted and ended", true, "{a: {run: [x], budget: {estimate: {usd: 0.000002}}}, b: {run: [x], needs: [a]}}",
     SPEND | SHORT, PAUSE},
    {"submission", false, "{submits: {run: [x]}, z: {run: [x], needs: [submits]}}", SUBMIT},
    {"submission beside a node", true, "{a: {run: [x]}, submits: {run: [x]}}", SUBMIT | MOVES_INTERRUPTS},
    {"loop in foreach", true, "{e: {foreach: {items: [1, 2], do: {loop: {body: {run: [x]}, max: 2}}}}}"},
    {"foreach in loop", true, "{l: {loop: {body: {foreach: {items: [1, 2], do: {run: [x]}, join: any}}, max: 2}}}"},
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- what is submitted ---- */

typedef struct given { rv_str definition; rv_spec *spec; } given;
static given givens[2];

static const rv_graph *compile(void *user, rv_run *run, uint32_t submitter, rv_str definition)
{
    for (size_t i = 0; i < RV_COUNT(givens); i++)
        if (givens[i].spec && rv_str_eq(givens[i].definition, definition)) return &givens[i].spec->graph;
    return NULL;
}

static bool exists(void *user, rv_str id) { return rv_str_is(id, "submits"); }

/* Two that a node may give under one key: the second is refused once it gave the first, and the other way round. */
static void load_givens(move_submission *ret, char digests[2][RV_DIGEST_TEXT_SIZE + 1])
{
    static const char *const texts[] = {"reeve: 1\nnodes: {m: {run: [x]}, n: {run: [x], needs: [m, submits]}}\n",
                                      "reeve: 1\nnodes: {m: {set: {k: 1}}}\n"};
    for (size_t i = 0; i < RV_COUNT(texts); i++) {
        rv_problems problems = {0};
        rv_spec_input input = {.source = rv_str_of(texts[i]), .file = "more.yaml", .exists = exists};
        if (!givens[i].spec) assert_int_equal(rv_spec_load(&input, &givens[i].spec, &problems), RV_OK);
        givens[i].definition = givens[i].spec->graph.definition;
        rv_digest_text(givens[i].spec->graph.digest, digests[i]);
        ret[i] = (move_submission){"k", givens[i].definition, rv_str_of(digests[i])};
    }
}

static void explore_grown(const grown *g, const explore_bounds *given_bounds)
{
    explore_bounds own = *given_bounds, *bounds = &own;
    move_submission submissions[2];
    char digests[2][RV_DIGEST_TEXT_SIZE + 1];
    load_givens(submissions, digests);
    own.submissions = submissions, own.submission_count = 2, own.compile = compile;
    rv_buf source = {0}, text = {0};
    rv_spec *spec = NULL;
    rv_problems problems = {0};
    explore_figures figures = {0};
    double began_s = now_s();
    rv_buf_printf(&source, "reeve: 1\n%snodes: %s\n", g->head ? g->head : "", g->nodes);
    rv_spec_input input = {.source = rv_buf_str(&source), .file = "flow.yaml"};
    if (rv_spec_load(&input, &spec, &problems) != RV_OK) {
        rv_problems_text(&text, &problems, input.source, false, false);
        fail_msg("%s: %s", g->name, text.at);
    }
    explore_graph(&spec->graph, bounds, bracket_check, NULL, &figures);
    explore_print(g->name, &figures, now_s() - began_s);
    assert_true(figures.ends > 0);
    rv_spec_free(spec);
    rv_problems_deinit(&problems);
    rv_buf_deinit(&source);
}

static void explored__each_controller_budget_and_submission(void **state)
{
    for (size_t i = 0; i < RV_COUNT(all); i++) {
        explore_bounds bounds = {.groups = all[i].groups ? all[i].groups : SHORT, .attempts_max = all[i].groups ? 2 : 1,
                                 .states_max = 1000000};
        bool is_dear = (all[i].groups & MOVES_SPEND) && all[i].head && !strstr(all[i].head, "pause"); /* in the whole, with interrupts */
        if (!all[i].is_long && !is_dear) explore_grown(&all[i], &bounds);
    }
}

/* A child, a classifier, a judge or an iteration whose work was done before gives what it gave then. */
static void explored__hits_beneath_each_controller(void **state)
{
    for (size_t i = 0; i < RV_COUNT(all); i++) {
        explore_bounds bounds = {.groups = MOVES_FAILURES | MOVES_CACHE | MOVES_INTERRUPTS, .attempts_max = 1, .states_max = 1000000};
        if (!all[i].is_long && !all[i].groups) explore_grown(&all[i], &bounds);
    }
}

static void explored__each_controller_with_losses_and_more_children(void **state)
{
    for (size_t i = 0; i < RV_COUNT(all); i++) {
        bool is_large = all[i].is_long || all[i].groups, is_own = all[i].groups & (MOVES_SPEND | MOVES_SUBMIT);
        explore_bounds bounds = {.groups = is_own ? all[i].groups | MOVES_INTERRUPTS : is_large ? SHORT : WHOLE,
                                 .attempts_max = is_large && !(is_own && !all[i].is_long) ? 1 : 2, .states_max = 4000000};
        explore_grown(&all[i], &bounds);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest fast[] = {cmocka_unit_test(explored__each_controller_budget_and_submission)};
    const struct CMUnitTest whole[] = {cmocka_unit_test(explored__hits_beneath_each_controller),
                                       cmocka_unit_test(explored__each_controller_with_losses_and_more_children)};
    if (argc > 1 && strcmp(argv[1], "whole") == 0) return cmocka_run_group_tests_name("grown_whole", whole, NULL, NULL);
    return cmocka_run_group_tests_name("grown", fast, NULL, NULL);
}
