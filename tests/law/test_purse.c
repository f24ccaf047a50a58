/* test_purse.c: amounts at their edges [K50–K54]: facts that no purse has, limits that are changed, what is told of them, who is looked at
 * when something was spent; and the gate's requests that ask for little [K30, K32]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drive.h"
#include "kernel/gate.h"

/* ---- facts ---- */

static void refused(drive *d, const char *what, rv_event fact)
{
    rv_error error;
    rv_run *run = rv_run_new(d->graph);
    rv_buf bytes = {0};
    rv_run_encode(d->run, &bytes);
    assert_int_equal(rv_run_decode(run, rv_buf_str(&bytes), &error), RV_OK);
    if (rv_run_apply(run, &fact, NULL, &error) != RV_CORRUPT) fail_msg("applied: %s", what);
    rv_buf_deinit(&bytes);
    rv_run_free(run);
}

enum { RUNS, READY, ENDED, LATER };

static void k62__a_fact_that_no_purse_has_is_damage(void **state)
{
    const int64_t too_much = RV_AMOUNT_MAX + 1;
    const struct { const char *what; rv_event fact; } cases[] = {
        {"less than no money reserved", {.type = RV_EVENT_RESERVED, .node = READY, .cost = -1}},
        {"more money reserved than there is", {.type = RV_EVENT_RESERVED, .node = READY, .cost = too_much}},
        {"less than no tokens reserved", {.type = RV_EVENT_RESERVED, .node = READY, .amount = -1}},
        {"reserved twice", {.type = RV_EVENT_RESERVED, .node = RUNS}},
        {"reserved for who has ended", {.type = RV_EVENT_RESERVED, .node = ENDED}},
        {"reserved for who may not begin", {.type = RV_EVENT_RESERVED, .node = LATER}},
        {"raised by less than no money", {.type = RV_EVENT_RAISED, .node = RUNS, .cost = -1}},
        {"raised by less than no tokens", {.type = RV_EVENT_RAISED, .node = RUNS, .amount = -1}},
        {"raised where nothing is reserved", {.type = RV_EVENT_RAISED, .node = READY}},
        {"less than no money spent", {.type = RV_EVENT_SPENT, .node = RUNS, .cost = -1}},
        {"less than no tokens spent", {.type = RV_EVENT_SPENT, .node = RUNS, .amount = -1}},
        {"more cached tokens than there are", {.type = RV_EVENT_SPENT, .node = RUNS, .tokens_cached = (uint64_t)too_much}},
        {"less than no money used", {.type = RV_EVENT_USAGE, .node = RUNS, .cost = -1}},
        {"a warning of nothing", {.type = RV_EVENT_WARNED, .node = RUNS, .state = RV_DIMENSION_COUNT}},
        {"a budget of nothing", {.type = RV_EVENT_BUDGET, .node = RV_NONE, .state = RV_DIMENSION_COUNT}},
        {"a quota of nothing", {.type = RV_EVENT_QUOTA, .node = RV_NONE, .state = RV_QUOTA_COUNT}},
        {"a quota below none", {.type = RV_EVENT_QUOTA, .node = RV_NONE, .amount = -2}},
        {"a quota beyond all", {.type = RV_EVENT_QUOTA, .node = RV_NONE, .amount = too_much}},
    };
    drive *d = drive_new("%limit=usd/1000; runs; ready; ended; later: runs");
    drive_spend(d, "ended", 10, 10);
    drive_admit(d, "runs");
    for (size_t i = 0; i < RV_COUNT(cases); i++) refused(d, cases[i].what, cases[i].fact);
    drive_free(d);
}

/* ---- limits ---- */

static void k50__a_limit_is_taken_down_to_nothing_and_no_further(void **state)
{
    drive *d = drive_new("%limit=usd/1000; a; b");
    drive_spend(d, "a", 400, 0);
    assert_int_equal(drive_budget(d, RV_DIMENSION_USD, -5000, 0), RV_ANSWER_TAKEN);
    assert_int_equal(d->run->limits.limit[RV_DIMENSION_USD], 0);
    rv_buf text = {0};
    rv_json_writer w;
    rv_json_writer_init(&w, &text, 0);
    assert_true(rv_run_headroom(d->run, d->now.engine_ms, &w));
    assert_non_null(strstr(text.at, "\"remaining\":-0.0004")); /* over by what was spent */
    rv_buf_deinit(&text);
    drive_to_end(d);
    drive_free(d);
}

static void k51__without_a_budget_or_a_quota_of_the_run_there_is_no_headroom(void **state)
{
    static const struct { const char *graph; bool told; } cases[] = {
        {"a", false}, {"%quota=depth/3; a", false}, {"%quota=nodes/3; a", true}, {"%limit=time/3; a", true},
        {"%limit=usd/3; %quota=concurrent/2; a", true},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        drive *d = drive_new(cases[i].graph);
        rv_buf text = {0};
        rv_json_writer w;
        rv_json_writer_init(&w, &text, 0);
        assert_int_equal(rv_run_headroom(d->run, d->now.engine_ms, &w), cases[i].told);
        assert_int_equal(text.size > 0, cases[i].told);
        rv_buf_deinit(&text);
        drive_free(d);
    }
}

static void k50__amounts_are_told_in_words(void **state)
{
    static const struct { rv_dimension dimension; int64_t amount; const char *words; } cases[] = {
        {RV_DIMENSION_USD, 500000, "usd 0.50"}, {RV_DIMENSION_USD, -1500000, "usd -1.50"}, {RV_DIMENSION_USD, 1, "usd 0.000001"},
        {RV_DIMENSION_TOKENS, 7, "tokens 7"}, {RV_DIMENSION_TIME, 90000, "time 90000 ms"}, {RV_DIMENSION_ATTEMPTS, -3, "attempts -3"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        rv_buf text = {0};
        rv_budget_words(cases[i].dimension, cases[i].amount, &text);
        assert_string_equal(text.at, cases[i].words);
        rv_buf_deinit(&text);
    }
}

/* ---- a node's own ---- */

static void k54__a_node_that_only_warns_may_be_tried_again_though_nothing_is_left(void **state)
{
    drive *d = drive_new("%limit=usd/1000; a: %limit.usd=100 %at_limit=warn %attempts=3");
    drive_admit(d, "a");
    drive_usage(d, "a", 150, 0, RV_USAGE_FINAL);
    drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
    assert_string_equal(drive_says(d, "a"), "ready");
    drive_admit(d, "a"); /* it wants what its limit leaves: nothing */
    assert_int_equal(d->run->purse.reserved[RV_DIMENSION_USD], 0);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

static void k52__a_controller_beneath_which_nothing_has_begun_is_not_over_its_budget(void **state)
{
    drive *d = drive_new("f: !foreach %items=[1,2] %limit.usd=100");
    rv_event steer = {.type = RV_EVENT_STEER, .node = drive_index(d, "f[0]"), .text = RV_STR("shorter")};
    assert_int_equal(drive_step(d, &steer), RV_ANSWER_TAKEN);
    drive_usage(d, "f[0]", 10, 0, 0);
    assert_string_equal(drive_says(d, "f"), "waiting children");
    drive_spend(d, "f[0]", 10, 0);
    drive_spend(d, "f[1]", 10, 0);
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

static void k52__what_only_tokens_or_a_cache_cost_is_charged_too(void **state)
{
    drive *d = drive_new("a; b");
    drive_admit(d, "a"); /* nothing is counted here: only what is reported is */
    drive_usage(d, "a", 0, 1, 0);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    drive_admit(d, "b");
    rv_event cached = {.type = RV_EVENT_USAGE, .node = 1, .epoch = d->run->nodes[1].epoch, .tokens_cached = 5};
    assert_int_equal(drive_step(d, &cached), RV_ANSWER_TAKEN);
    drive_complete(d, "b", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_int_equal(d->run->purse.spent[RV_DIMENSION_TOKENS], 1);
    assert_int_equal(d->run->purse.cached, 5);
    drive_free(d);
    d = drive_new("a: %attempts=2");
    drive_admit(d, "a");
    drive_usage(d, "a", 7, 0, 0);
    drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
    drive_ok(d, "a"); /* this one said nothing */
    assert_int_equal(d->run->purse.spent[RV_DIMENSION_USD], 7);
    drive_free(d);
}

static void k50__tokens_beyond_a_reservation_raise_it_and_stop_the_attempt_when_there_are_no_more(void **state)
{
    drive *d = drive_new("%limit=tokens/100; a: %estimate.tokens=10; b: %estimate.tokens=10");
    drive_admit(d, "a");
    drive_usage(d, "a", 0, 60, 0);
    assert_int_equal(d->run->purse.reserved[RV_DIMENSION_TOKENS], 60);
    drive_usage(d, "a", 0, 200, 0);
    assert_true(drive_has_effect(d, RV_EFFECT_STOP, "a"));
    drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_string_equal(drive_says(d, "a"), "waiting budget");
    drive_to_end(d);
    drive_free(d);
}

/* Where nobody can give more, or its own budget has nothing left, who was stopped fails. */
static void k54__who_was_stopped_fails_unless_the_run_can_wait_for_more(void **state)
{
    static const struct { const char *graph; rv_event_type then; const char *says; } cases[] = {
        {"%limit=usd/100; a: %estimate.usd=10", RV_EVENT_TICK, "waiting budget"},
        {"%limit=usd/100; %at_limit=stop; a: %estimate.usd=10", RV_EVENT_TICK, "failed over_budget"},
        {"%limit=usd/100; a: %limit.usd=90", RV_EVENT_TICK, "failed over_budget"},
        {"%limit=usd/100; a: %estimate.usd=10; bad", RV_EVENT_FAIL_FAST, "failed over_budget"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        drive *d = drive_new(cases[i].graph);
        drive_admit(d, "a");
        drive_usage(d, "a", 500, 0, 0);
        assert_true(drive_has_effect(d, RV_EFFECT_STOP, "a"));
        if (cases[i].then == RV_EVENT_FAIL_FAST) {
            drive_budget(d, RV_DIMENSION_USD, 1000, 0);
            drive_signal(d, RV_EVENT_FAIL_FAST);
            drive_fail(d, "bad", 1);
        }
        drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
        assert_string_equal(drive_says(d, "a"), cases[i].says);
        drive_to_end(d);
        drive_free(d);
    }
}

/* A pause ends for the gate to look again also where by now a controller's budget would not do: that one fails then. */
static void k50__who_waits_and_would_fail_for_its_controller_is_not_kept_waiting(void **state)
{
    const rv_graph *graph = rv_graph_text("%limit=usd/100; f: !foreach %items=[1,2] %limit.usd=150; z: %estimate.usd=60");
    for (uint32_t node = graph->top_count; node < graph->node_count; node++) /* each item is expected to cost what z does */
        ((rv_node_def *)(uintptr_t)graph->nodes)[node].budget = graph->nodes[rv_graph_text_node(graph, "z")].budget;
    drive *d = drive_new_graph(graph);
    drive_admit(d, "f[0]");
    drive_admit(d, "f[1]");
    assert_string_equal(drive_says(d, "f[1]"), "waiting budget");
    drive_usage(d, "f[0]", 149, 0, RV_USAGE_FINAL);
    drive_complete(d, "f[0]", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_string_equal(drive_says(d, "f[1]"), "ready");
    drive_admit(d, "f[1]");
    assert_string_equal(drive_says(d, "f"), "failed over_budget");
    drive_to_end(d);
    drive_free(d);
    rv_graph_text_free(graph);
}

static void k54__a_handler_that_was_charged_nothing_may_be_tried_again(void **state)
{
    drive *d = drive_new("a; on.failure: %limit.usd=5 %attempts=2");
    drive_fail(d, "a", 1);
    drive_fail(d, "on.failure", 1);
    assert_string_equal(drive_says(d, "on.failure"), "ready");
    drive_ok(d, "on.failure");
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

/* ---- the gate ---- */

static rv_gate_answer asked(drive *d, rv_gate_request request)
{
    request.now = d->now;
    return rv_gate(d->run, &request);
}

static void k30__more_calls_than_can_be_counted_cannot_be_asked_about(void **state)
{
    drive *d = drive_new("a");
    drive_admit(d, "a");
    rv_event ask = {.type = RV_EVENT_ASK, .node = 0, .epoch = d->run->nodes[0].epoch, .state = RV_GATE_VERB_TOOL, .key = RV_STR("git"),
                    .value = RV_STR("{\"recent\":4294967296}")};
    assert_int_equal(drive_step(d, &ask), RV_ANSWER_ILLEGAL);
    ask.value = RV_STR("{\"recent\":4294967295}");
    assert_int_equal(drive_step(d, &ask), RV_ANSWER_TAKEN);
    drive_free(d);
}

static void k30__what_nothing_limits_is_allowed(void **state)
{
    static const rv_str capabilities[] = {{"", 0}, {"*", 1}};
    drive *d = drive_new("a; w: %isolation=worktree; n: %isolation=none; q: %trust=quarantined; s: %isolation=shared");
    assert_int_equal(asked(d, (rv_gate_request){.verb = RV_GATE_VERB_MEMORY_WRITE, .recent = 99}).kind, RV_GATE_ALLOW);
    assert_int_equal(asked(d, (rv_gate_request){.verb = RV_GATE_VERB_MEMORY_READ}).kind, RV_GATE_ALLOW);
    rv_gate_request call = {.verb = RV_GATE_VERB_TOOL, .tool = RV_STR("rm"), .capabilities = capabilities, .capability_count = 2,
                            .is_audited = true, .recent = 99};
    assert_int_equal(asked(d, call).kind, RV_GATE_ALLOW); /* no rate */
    call.capability_count = 1;
    assert_string_equal(asked(d, call).stage, "capability"); /* an empty one is for no tool */
    call.capability_count = 2;
    call.writes = true;
    static const bool may_write[] = {true, true, false, false, true};
    for (uint32_t node = 0; node < RV_COUNT(may_write); node++) {
        call.node = node;
        assert_int_equal(asked(d, call).kind, may_write[node] ? RV_GATE_ALLOW : RV_GATE_DENY);
    }
    drive_free(d);
}

int main(void)
{
#define T(fn_) cmocka_unit_test(fn_)
    const struct CMUnitTest tests[] = {
        T(k62__a_fact_that_no_purse_has_is_damage), T(k50__a_limit_is_taken_down_to_nothing_and_no_further),
        T(k51__without_a_budget_or_a_quota_of_the_run_there_is_no_headroom), T(k50__amounts_are_told_in_words),
        T(k54__a_node_that_only_warns_may_be_tried_again_though_nothing_is_left),
        T(k52__a_controller_beneath_which_nothing_has_begun_is_not_over_its_budget),
        T(k52__what_only_tokens_or_a_cache_cost_is_charged_too),
        T(k50__tokens_beyond_a_reservation_raise_it_and_stop_the_attempt_when_there_are_no_more),
        T(k54__who_was_stopped_fails_unless_the_run_can_wait_for_more),
        T(k54__a_handler_that_was_charged_nothing_may_be_tried_again),
        T(k50__who_waits_and_would_fail_for_its_controller_is_not_kept_waiting), T(k30__what_nothing_limits_is_allowed),
        T(k30__more_calls_than_can_be_counted_cannot_be_asked_about),
    };
    return cmocka_run_group_tests_name("purse", tests, NULL, NULL);
}
