/* test_inputs.c: inputs that cannot be taken [P9, K20, K50, K61]: words and amounts that there are not,
    submissions that do not fit the run;
 * what has begun of a submission that is not given again; and who is first among the ready. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void refused(world *w, const char *what, rv_event input)
{
    if (input.type == RV_EVENT_USAGE) input.epoch = w->d->run->nodes[input.node].epoch;
    if (drive_step(w->d, &input) != RV_ANSWER_ILLEGAL) fail_msg("taken: %s", what);
}

enum { RUNS, UNKNOWN, ASKS, TIMED };

static void p9__an_input_with_a_word_or_an_amount_that_there_is_not_is_illegal(void **state)
{
    static char long_text[RV_STEER_SIZE_MAX + 1];
    memset(long_text, 'x', sizeof long_text);
    const struct { const char *what; rv_event input; } cases[] = {
        {"a decision beyond the last", {.type = RV_EVENT_DECIDED, .node = UNKNOWN, .state = RV_DECISION_AGAIN + 1}},
        {"a verdict on what somebody must say", {.type = RV_EVENT_DECIDED, .node = UNKNOWN, .state = RV_DECISION_APPROVE}},
        {"a rejection of what somebody must say", {.type = RV_EVENT_DECIDED, .node = UNKNOWN, .state = RV_DECISION_REJECT}},
        {"a decision about an input", {.type = RV_EVENT_DECIDED, .node = ASKS, .state = RV_DECISION_DONE}},
        {"a decision about a wait for time", {.type = RV_EVENT_DECIDED, .node = TIMED, .state = RV_DECISION_DONE}},
        {"a decision about what runs", {.type = RV_EVENT_DECIDED, .node = RUNS, .state = RV_DECISION_DONE}},
        {"less than no money", {.type = RV_EVENT_USAGE, .node = RUNS, .cost = -1}},
        {"more money than there is", {.type = RV_EVENT_USAGE, .node = RUNS, .cost = RV_AMOUNT_MAX + 1}},
        {"too many tokens in", {.type = RV_EVENT_USAGE, .node = RUNS, .tokens_in = (uint64_t)RV_AMOUNT_MAX + 1}},
        {"too many tokens out", {.type = RV_EVENT_USAGE, .node = RUNS, .tokens_out = (uint64_t)RV_AMOUNT_MAX + 1}},
        {"too many tokens cached", {.type = RV_EVENT_USAGE, .node = RUNS, .tokens_cached = (uint64_t)RV_AMOUNT_MAX + 1}},
        {"a quota of another kind", {.type = RV_EVENT_QUOTA, .node = RV_NONE, .state = RV_QUOTA_COUNT, .amount = 1}},
        {"a quota below none", {.type = RV_EVENT_QUOTA, .node = RV_NONE, .amount = -2}},
        {"a quota beyond all", {.type = RV_EVENT_QUOTA, .node = RV_NONE, .amount = RV_AMOUNT_MAX + 1}},
        {"a budget of another kind", {.type = RV_EVENT_BUDGET, .node = RV_NONE, .state = RV_DIMENSION_COUNT, .flags = RV_BUDGET_SET}},
        {"a budget below nothing", {.type = RV_EVENT_BUDGET, .node = RV_NONE, .amount = -1, .flags = RV_BUDGET_SET}},
        {"more than there can be added", {.type = RV_EVENT_BUDGET, .node = RV_NONE, .amount = RV_AMOUNT_MAX + 1}},
        {"more than there can be taken away", {.type = RV_EVENT_BUDGET, .node = RV_NONE, .amount = -RV_AMOUNT_MAX - 1}},
        {"flags that there are not", {.type = RV_EVENT_BUDGET, .node = RV_NONE, .flags = 4}},
        {"an addition to no limit", {.type = RV_EVENT_BUDGET, .node = RV_NONE, .state = RV_DIMENSION_TOKENS, .amount = 1}},
        {"a directive that says nothing", {.type = RV_EVENT_STEER, .node = RUNS}},
        {"a directive of more than 64 KiB", {.type = RV_EVENT_STEER, .node = RUNS, .text = {long_text, sizeof long_text}}},
        {"a directive to who has no turns", {.type = RV_EVENT_STEER, .node = ASKS, .text = RV_STR("t")}},
    };
    world *w = world_of("  runs: {run: [x]}\n  unknown: {run: [x], delivery: at_most_once}\n  asks: {input: {question: q}}\n"
                        "  timed: {wait: {for: 9s}}\n");
    drive_budget(w->d, RV_DIMENSION_USD, 1000000, RV_BUDGET_SET);
    drive_admit(w->d, "runs");
    drive_admit(w->d, "unknown");
    drive_lost(w->d, "unknown", RV_LOST_WAS_STARTED);
    for (size_t i = 0; i < RV_COUNT(cases); i++) refused(w, cases[i].what, cases[i].input);
    world_end(w);
}

static void k61__a_run_keeps_4096_directives(void **state)
{
    world *w = world_of("  a: {run: [x]}\n");
    rv_event steer = {.type = RV_EVENT_STEER, .node = 0, .text = RV_STR("t")};
    w->d->is_quick = true;
    for (uint32_t i = 0; i < RV_STEERS_MAX; i++) assert_int_equal(drive_step(w->d, &steer), RV_ANSWER_TAKEN);
    w->d->is_quick = false;
    assert_int_equal(drive_step(w->d, &steer), RV_ANSWER_ILLEGAL);
    rv_error error;
    assert_int_equal(rv_run_apply(w->d->run, &steer, NULL, &error), RV_CORRUPT);
    world_end(w);
}

/* ---- submissions that do not fit ---- */

#define FETCH "  plan: {run: [x]}\n  fetch: {run: [x]}\n"

/* A world in which plan has given `text`; the graph that came of it is its run's second. */
static world *given(const char *nodes, const char *text)
{
    world *w = world_of(nodes);
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", text), RV_ANSWER_TAKEN);
    return w;
}

static rv_answer give(world *w, const rv_graph *graph)
{
    rv_event submit = {.type = RV_EVENT_SUBMIT, .node = world_index(w, "plan"), .key = RV_STR("9"), .value = RV_STR("{}"),
        .text = RV_STR("d"),
                       .epoch = w->d->run->nodes[world_index(w, "plan")].epoch, .graph = graph};
    return drive_step(w->d, &submit);
}

static void set_count(const rv_graph *graph, uint32_t count)
{
    *(uint32_t *)(uintptr_t)&graph->top_count = count;
    *(uint32_t *)(uintptr_t)&graph->scopes[0].count = count;
}

static void k20__a_graph_that_the_run_cannot_have_is_refused_whoever_compiled_it(void **state)
{
    world *from = given(FETCH, "nodes: {more: {run: [x], needs: [fetch]}}\n");
    const rv_graph *needs_fetch = from->d->run->graphs.at[1];
    world *w = world_of("  plan: {run: [x]}\n"), *same = world_of(FETCH "  more: {run: [x]}\n"), *handlers = world_of("  a: {run: [x]}\n"
                        "on: {exit: {run: [x]}}\n");
    drive_admit(w->d, "plan");
    drive_admit(same->d, "plan");
    assert_int_equal(give(w, needs_fetch), RV_ANSWER_ILLEGAL); /* there is no `fetch` here */
    assert_int_equal(give(same, needs_fetch), RV_ANSWER_ILLEGAL); /* there is a `more` already */
    assert_int_equal(give(w, &handlers->spec->graph), RV_ANSWER_ILLEGAL); /* handlers are a run's */
    set_count(needs_fetch, RV_RUN_NODES_MAX);
    assert_int_equal(give(same, needs_fetch), RV_ANSWER_ILLEGAL);
    set_count(needs_fetch, 1);
    world_end(handlers);
    world_end(same);
    world_end(w);
    world_end(from);
}

static const rv_graph *other_graph(void *user, rv_run *run, uint32_t submitter, rv_str definition)
{
    (void)run, (void)submitter, (void)definition;
    return user;
}

static void k62__a_state_whose_submission_became_another_graph_is_refused(void **state)
{
    world *w = given(FETCH, "nodes: {more: {run: [x], needs: [fetch]}}\n"), *handlers = world_of("  a: {run: [x]}\non: {exit: {run: "
        "[x]}}\n");
    world *from = given("  plan: {run: [x]}\n  other: {run: [x]}\n", "nodes: {more: {run: [x], needs: [other]}}\n");
    const rv_graph *graphs[] = {&handlers->spec->graph, from->d->run->graphs.at[1], NULL, w->d->run->graphs.at[1]};
    rv_buf bytes = {0};
    rv_error error;
    rv_run_encode(w->d->run, &bytes);
    for (size_t i = 0; i < RV_COUNT(graphs) + 1; i++) {
        bool is_large = i == RV_COUNT(graphs), is_right = i == RV_COUNT(graphs) - 1;
        const rv_graph *graph = graphs[RV_MIN(i, RV_COUNT(graphs) - 1)];
        rv_run *run = rv_run_new(&w->spec->graph);
        run->compile = other_graph;
        run->compile_user = (void *)(uintptr_t)graph;
        if (is_large) set_count(graph, RV_RUN_NODES_MAX);
        assert_int_equal(rv_run_decode(run, rv_buf_str(&bytes), &error), is_right ? RV_OK : RV_CORRUPT);
        if (is_large) set_count(graph, 1);
        rv_run_free(run);
    }
    rv_buf_deinit(&bytes);
    world_end(from);
    world_end(handlers);
    world_end(w);
}

static void k20__a_whole_id_may_be_needed(void **state)
{
    world *w = world_of("  f: {foreach: {items: [a, b], do: {run: [x]}}}\n  each: {foreach: {items: [a], do: {run: [x]}}}\n");
    drive_admit(w->d, "each[0]");
    assert_int_equal(world_submit(w, "each[0]", "1", "nodes: {more: {run: [x], needs: [\"f[1]\"]}}\n"), RV_ANSWER_TAKEN);
    world_expect(w, "each[0].more", "pending");
    drive_ok(w->d, "f[1]");
    world_expect(w, "each[0].more", "ready");
    world_end(w);
}

/* [K17] an edge from outside means the latest of both its ends. */
static void k17__an_edge_from_outside_leads_to_the_latest_instance(void **state)
{
    world *w = world_of("  plan: {run: [x]}\n  a: {run: [x]}\n  b: {run: [x], needs: [a], revise: {target: a, when: \"${b.ok} == "
        "false\", max: 2}}\n");
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "nodes: {more: {run: [x], needs: [a]}, s: {run: [x], needs: [more], revise: {target: "
        "more, "
                                                  "when: \"${s.ok} == false\", max: 1}}}\n"), RV_ANSWER_TAKEN);
    drive_ok(w->d, "a");
    drive_ok(w->d, "more");
    drive_admit(w->d, "b");
    drive_signal(w->d, RV_EVENT_INTERRUPT); /* what is made meanwhile stays pending */
    drive_signal(w->d, RV_EVENT_RESUME);
    world_gives(w, "s", "{\"ok\":false}");
    world_expect(w, "more~1", "ready");
    drive_complete_value(w->d, "b", "{\"ok\":false}", "");
    world_expect(w, "a~1", "ready");
    world_expect(w, "more~1", "ready"); /* it has begun */
    drive_crash(w->d);
    drive_ok(w->d, "a~1");
    world_expect(w, "more~1", "ready");
    world_end(w);
}

static void k20__of_what_is_not_given_again_only_what_has_not_begun_is_superseded(void **state)
{
    world *w = given(FETCH, "nodes: {f: {foreach: {items: [1], do: {run: [x]}}}, g: {run: [x], retry: {max_attempts: 2, delay: 9s}}, "
                            "h: {approve: {message: m}}, i: {run: [x], needs: [fetch]}}\n");
    drive_fail(w->d, "g", 1);
    world_expect(w, "g", "waiting timer");
    drive_lost(w->d, "plan", RV_LOST_WAS_STARTED);
    drive_ok(w->d, "plan");
    world_expect(w, "f", "waiting children");
    world_expect(w, "g", "waiting timer");
    world_expect(w, "h", "cancelled superseded");
    world_expect(w, "i", "cancelled superseded");
    world_end(w);
}

/* ---- who is first ---- */

static void k3__who_became_ready_late_goes_before_who_stands_behind_him(void **state)
{
    world *w = world_of("  n0: {run: [x]}\n  n1: {run: [x]}\n  n2: {run: [x], needs: [n1]}\n  n3: {run: [x]}\n  n4: {run: [x], needs: "
        "[n1], priority: 5}\n");
    assert_int_equal(rv_run_ready_first(w->d->run, 0), 0);
    drive_ok(w->d, "n1");
    assert_int_equal(rv_run_ready_first(w->d->run, 0), 4);
    drive_ok(w->d, "n4");
    assert_int_equal(rv_run_ready_first(w->d->run, 0), 0); /* the first in the row, before the first of the heap */
    drive_ok(w->d, "n0");
    assert_int_equal(rv_run_ready_first(w->d->run, 0), 2);
    drive_ok(w->d, "n3");
    assert_int_equal(rv_run_ready_first(w->d->run, 0), 2); /* nobody is left in the row */
    drive_ok(w->d, "n2");
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

int main(void)
{
#define T(fn_) cmocka_unit_test(fn_)
    const struct CMUnitTest tests[] = {
        T(p9__an_input_with_a_word_or_an_amount_that_there_is_not_is_illegal), T(k61__a_run_keeps_4096_directives),
        T(k20__a_graph_that_the_run_cannot_have_is_refused_whoever_compiled_it),
        T(k62__a_state_whose_submission_became_another_graph_is_refused), T(k20__a_whole_id_may_be_needed),
        T(k17__an_edge_from_outside_leads_to_the_latest_instance),
        T(k20__of_what_is_not_given_again_only_what_has_not_begun_is_superseded),
        T(k3__who_became_ready_late_goes_before_who_stands_behind_him),
    };
    return cmocka_run_group_tests_name("inputs", tests, NULL, NULL);
}
