/* test_settle.c: when a node may begin and what becomes of it when it may not [K1–K5], conditions [W12, W13], `set`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drive.h"

static void k1__nodes_are_their_indices_and_survive_replay(void **state)
{
    drive *d = drive_new("a; b: a; c: b");
    drive_ok(d, "a");
    assert_int_equal(rv_run_find(d->run, RV_STR("c")), 2);
    drive_crash(d);
    assert_int_equal(rv_run_find(d->run, RV_STR("c")), 2);
    assert_int_equal(rv_run_find(d->run, RV_STR("nobody")), RV_NONE);
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

static void k2__a_success_names_its_source(void **state)
{
    drive *d = drive_new("a; b; c: !approve");
    drive_ok(d, "a");
    drive_admit(d, "b");
    drive_complete(d, "b", RV_ATTEMPT_OK, RV_DETAIL_CACHE, 0);
    drive_decide(d, "c", RV_DECISION_APPROVE, "{\"decision\":\"approve\"}");
    assert_int_equal(drive_node(d, "a")->detail, RV_DETAIL_FRESH);
    assert_int_equal(drive_node(d, "b")->detail, RV_DETAIL_CACHE);
    assert_int_equal(drive_node(d, "c")->detail, RV_DETAIL_PERSON);
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

/*   fast ──► next        slow is still running when next begins */
static void k3__a_fast_branch_is_not_held_back_by_a_slow_one(void **state)
{
    drive *d = drive_new("slow; fast; next: fast; last: slow next");
    drive_admit(d, "slow");
    drive_ok(d, "fast");
    assert_string_equal(drive_says(d, "next"), "ready");
    drive_ok(d, "next");
    assert_string_equal(drive_says(d, "last"), "pending");
    drive_complete(d, "slow", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_string_equal(drive_says(d, "last"), "ready");
    drive_free(d);
}

static void k3__order_of_admission_is_priority_then_index(void **state)
{
    drive *d = drive_new("a; b: %priority=5; c: @t; e: %priority=5 @t; f: %priority=-1");
    rv_admission all = {0};
    rv_admit admit;
    rv_admit_open(&admit, &all, d->run, 100, RV_STR("/root"));
    const char *const expected[] = {"b", "e", "a", "c", "f"};
    for (size_t i = 0; i < RV_COUNT(expected); i++) {
        uint32_t node = rv_admit_next(&admit);
        assert_int_equal(node, rv_graph_text_node(d->graph, expected[i]));
        drive_admit(d, expected[i]);
    }
    assert_int_equal(rv_admit_next(&admit), RV_NONE);
    rv_admit_close(&admit);
    rv_admission_deinit(&all);
    drive_free(d);
}

/* What each policy accepts, for each way in which its one predecessor can end. */
static void k3__each_policy_accepts_what_it_says(void **state)
{
    static const struct { const char *pred, *policy, *then; } cases[] = {
        {"ok", "all_success", "ready"},      {"partial", "all_success", "skipped upstream root=a"},
        {"failed", "all_success", "skipped upstream root=a"}, {"denied", "all_success", "skipped upstream root=a"},
        {"condition", "all_success", "ready"}, {"upstream", "all_success", "skipped upstream root=x"},
        {"ok", "accept_partial", "ready"},   {"partial", "accept_partial", "ready"},
        {"failed", "accept_partial", "skipped upstream root=a"}, {"condition", "accept_partial", "ready"},
        {"upstream", "accept_partial", "skipped upstream root=x"},
        {"ok", "all_terminal", "ready"},     {"partial", "all_terminal", "ready"}, {"failed", "all_terminal", "ready"},
        {"denied", "all_terminal", "ready"}, {"condition", "all_terminal", "ready"}, {"upstream", "all_terminal", "ready"},
        {"failed", "optional", "ready"},     {"upstream", "optional", "ready"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char text[200];
        bool is_condition = !strcmp(cases[i].pred, "condition"), is_upstream = !strcmp(cases[i].pred, "upstream");
        snprintf(text, sizeof text, "x; a: x%s %s; b: a [%s]; keep_open", is_upstream ? "" : " [all_terminal]",
                 is_condition ? "when ${x.state} == \"failed\"" : "", cases[i].policy);
        if (is_condition) snprintf(text, sizeof text, "x; a: x when ${x.state} == \"failed\"; b: a [%s]; keep_open", cases[i].policy);
        drive *d = drive_new(text);
        if (is_upstream) drive_fail(d, "x", 1);
        else drive_ok(d, "x");
        if (!is_condition && !is_upstream) {
            drive_admit(d, "a");
            if (!strcmp(cases[i].pred, "ok")) drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
            if (!strcmp(cases[i].pred, "partial")) drive_complete(d, "a", RV_ATTEMPT_PARTIAL, RV_DETAIL_NONE, 0);
            if (!strcmp(cases[i].pred, "failed")) drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 3);
            if (!strcmp(cases[i].pred, "denied")) drive_complete(d, "a", RV_ATTEMPT_DENIED, RV_DETAIL_DENIED, -1);
        }
        assert_string_equal(drive_says(d, "b"), cases[i].then);
        drive_free(d);
    }
}

/*   x ─(optional)─► a        a neither waits for x nor minds how it ends */
static void k3__optional_edges_neither_gate_nor_wait(void **state)
{
    drive *d = drive_new("x; a: x [optional]; b: x ~a [optional]");
    assert_string_equal(drive_says(d, "a"), "ready");
    assert_string_equal(drive_says(d, "b"), "pending"); /* its soft edge still orders it */
    drive_ok(d, "a");
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

/* Give `node` a state that only later kinds can lead to, through the journal's door. */
static void force_state(drive *d, const char *node, rv_node_state to, rv_detail detail)
{
    rv_event fact = {.type = RV_EVENT_NODE_STATE, .node = rv_graph_text_node(d->graph, node), .state = to, .detail = detail};
    rv_event event = {.type = RV_EVENT_RESUME, .node = RV_NONE};
    rv_buf body = {0};
    rv_event_write(&body, &event);
    rv_event_write(&body, &fact);
    assert_int_equal(rv_run_replay(d->run, rv_buf_str(&body), 2, NULL), RV_OK);
    drive_row row = {d->journal.size, body.size, 2, d->now};
    rv_buf_str_add(&d->journal, rv_buf_str(&body));
    rv_vec_push(&d->rows, row);
    rv_buf_deinit(&body);
}

/*   p ──► a ──► a2        p is pruned: a too, and a2; b has another predecessor that was not; c has soft ties only;
 *   p,x ─► b              o does not hang on p at all */
static void k3__a_node_all_of_whose_hard_predecessors_are_pruned_is_pruned(void **state)
{
    drive *d = drive_new("p; x; a: p; a2: a [all_terminal]; b: p x; c: ~p; o: p ~p [optional]");
    drive_ok(d, "x");
    force_state(d, "p", RV_NODE_SKIPPED, RV_DETAIL_PRUNED);
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "a"), "skipped pruned");
    assert_string_equal(drive_says(d, "a2"), "skipped pruned");
    assert_string_equal(drive_says(d, "b"), "ready");
    assert_string_equal(drive_says(d, "c"), "ready");
    assert_string_equal(drive_says(d, "o"), "ready");
    rv_run_free(d->run);
    d->run = rv_run_new(d->graph); /* the forced row stands for no real run: leave the comparison with replay out */
    d->rows.count = 0;
    drive_free(d);
}

/*   a ──► b ──► c ──► e        the root is a, for e too; d lost only its order */
static void k4__every_skipped_node_names_the_root_cause(void **state)
{
    drive *d = drive_new("a; b: a; c: b; d: ~b; e: c");
    drive_fail(d, "a", 7);
    assert_string_equal(drive_says(d, "a"), "failed exit");
    assert_string_equal(drive_says(d, "b"), "skipped upstream root=a");
    assert_string_equal(drive_says(d, "c"), "skipped upstream root=a");
    assert_string_equal(drive_says(d, "e"), "skipped upstream root=a");
    assert_string_equal(drive_says(d, "d"), "ready");
    drive_ok(d, "d");
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

/* Of several roots the first in the order of `needs` is named, whichever failed first. */
static void k4__the_root_does_not_depend_on_who_failed_first(void **state)
{
    for (int order = 0; order < 2; order++) {
        drive *d = drive_new("a; b; c: a b");
        drive_fail(d, order ? "a" : "b", 1);
        drive_fail(d, order ? "b" : "a", 1);
        assert_string_equal(drive_says(d, "c"), "skipped upstream root=a");
        drive_free(d);
    }
}

static void k4__an_unknown_outcome_holds_its_dependents(void **state)
{
    drive *d = drive_new("a: %delivery=at_most_once %unknown=ask; b: a; c: a [all_terminal]");
    drive_admit(d, "a");
    drive_started(d, "a");
    drive_lost(d, "a", 0);
    assert_string_equal(drive_says(d, "a"), "waiting unknown_outcome");
    assert_true(drive_has_effect(d, RV_EFFECT_PARK, "a"));
    assert_string_equal(drive_says(d, "b"), "pending");
    assert_string_equal(drive_says(d, "c"), "pending");
    assert_int_equal(d->run->status, RV_RUN_RUNNING);
    drive_decide(d, "a", RV_DECISION_DONE, NULL);
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

static void k5__one_failure_never_aborts_the_others(void **state)
{
    drive *d = drive_new("a; b; c: b");
    drive_admit(d, "b");
    drive_fail(d, "a", 1);
    assert_int_equal(drive_effect_count(d, RV_EFFECT_STOP), 0);
    drive_complete(d, "b", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    drive_ok(d, "c");
    assert_string_equal(drive_says(d, "c"), "succeeded");
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

static void k5__a_run_that_only_skips_ends_at_once(void **state)
{
    drive *d = drive_new("a: when 1 == 2; b: a when false");
    assert_string_equal(drive_says(d, "a"), "skipped condition");
    assert_string_equal(drive_says(d, "b"), "skipped condition");
    assert_int_equal(d->run->status, RV_RUN_OK); /* skipped alone is no failure [W32] */
    assert_true(drive_has_effect(d, RV_EFFECT_RUN_ENDED, NULL));
    drive_free(d);
}

/* The first step has room for the worst that can become of all nodes: more than a megabyte here. */
static void k5__a_step_of_thousands_of_nodes_has_its_room_before(void **state)
{
    enum { COUNT = 8000 };
    rv_buf text = {0};
    rv_out out = {0};
    for (uint32_t i = 0; i < COUNT; i++) rv_buf_printf(&text, "%sn%u", i ? "; " : "", i);
    const rv_graph *graph = rv_graph_text(text.at);
    rv_run *run = rv_run_new(graph);
    rv_event load = {.type = RV_EVENT_LOAD, .node = RV_NONE, .exit_status = -1, .signal = -1, .key = RV_STR("big"), .value = RV_STR("{}")};
    assert_int_equal(rv_run_reserve(run, &out, &load), RV_OK);
    size_t room = out.journal.capacity;
    assert_true(room > (1u << 20));
    assert_int_equal(rv_run_step(run, &load, (rv_now){.wall_ms = 1, .engine_ms = 1}, &out), RV_ANSWER_TAKEN);
    assert_int_equal(run->ready_count, COUNT);
    assert_int_equal(out.journal.capacity, room);
    rv_out_deinit(&out);
    rv_run_free(run);
    rv_graph_text_free(graph);
    rv_buf_deinit(&text);
}

static void k62__resume_after_a_crash_spawns_only_what_remains(void **state)
{
    drive *d = drive_new("a; b: a; c: a");
    drive_ok(d, "a");
    drive_admit(d, "b");
    drive_crash(d);
    drive_lost(d, "b", 0);
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "a"), "succeeded");
    assert_string_equal(drive_says(d, "b"), "ready");
    assert_string_equal(drive_says(d, "c"), "ready");
    drive_ok(d, "b");
    drive_ok(d, "c");
    assert_int_equal(d->run->status, RV_RUN_OK);
    assert_int_equal(drive_node(d, "a")->number, 1);
    drive_free(d);
}

static void k62__a_run_restored_before_its_load_can_be_loaded(void **state)
{
    drive *d = drive_new_bare("a");
    drive_crash(d);
    drive_crash(d); /* from a snapshot */
    assert_int_equal(drive_signal(d, RV_EVENT_LOAD), RV_ANSWER_TAKEN);
    drive_free(d);
}

static void k62__a_duplicate_completion_changes_nothing(void **state)
{
    drive *d = drive_new("a; b");
    drive_ok(d, "a");
    assert_int_equal(drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 9), RV_ANSWER_STALE); /* drive_step compares the bytes */
    assert_int_equal(drive_effect_count(d, RV_EFFECT_NOTE), 1); /* [P9] and it is said */
    drive_free(d);
}

/* [R1] What an earlier run completed is kept; nothing is run for it, once it has begun here it is too late. */
static void r1__an_adopted_outcome_stands_for_an_attempt(void **state)
{
    drive *d = drive_new("a; b: a when ${a.n} == 1 && ${a.exit_code} == 0 && ${a.stdout} == \"out\"; c: a; e: b");
    assert_int_equal(drive_adopt(d, "b"), RV_ANSWER_STALE); /* its predecessors decide first whether it is wanted */
    assert_int_equal(drive_adopt(d, "a"), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "a"), "succeeded replay");
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_crash(d);
    assert_int_equal(drive_node(d, "a")->exit_status, 0);
    drive_admit(d, "c");
    assert_int_equal(drive_adopt(d, "c"), RV_ANSWER_STALE);
    assert_int_equal(drive_adopt(d, "a"), RV_ANSWER_STALE);
    assert_int_equal(drive_adopt(d, "b"), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "e"), "ready");
    assert_int_equal(drive_effect_count(d, RV_EFFECT_SPAWN), 1);
    drive_free(d);
}

/* ---- values ---- */

static void w13__a_condition_sees_states_results_codes_and_parameters(void **state)
{
    static const struct { const char *when, *then; } cases[] = {
        {"${a.state} == \"succeeded\"", "ready"},      {"${a.n} == 5", "ready"},
        {"${a.n} > 5", "skipped condition"},           {"${a.list.1} == \"y\"", "ready"},
        {"${a.stdout} == \"out\"", "ready"},           {"${a.exit_code} == 0", "ready"},
        {"${user.topic} == \"llamas\"", "ready"},      {"${run.id} == \"run-1\"", "ready"},
        {"${a.error} == null", "ready"},               {"${s.n} == null", "ready"},
        {"${s.state} == \"skipped\"", "ready"},        {"${a.gone:-7} == 7", "ready"},
        {"${a.gone} == 7", "failed value"},            {"${a.n}", "failed value"},
        {"${f.n} == null", "ready"},                   {"${f.error} == \"it broke\"", "ready"},
        {"${f.exit_code} == 3", "ready"},              {"${user.missing} == 1", "failed value"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char text[200];
        snprintf(text, sizeof text, "a; s: when false; f; b: a s f [all_terminal] when %s; keep_open", cases[i].when);
        drive *d = drive_new(text);
        drive_admit(d, "f");
        rv_event failed = {.type = RV_EVENT_COMPLETED, .node = 2, .epoch = drive_node(d, "f")->epoch, .state = RV_ATTEMPT_ERROR,
                           .detail = RV_DETAIL_EXIT, .exit_status = 3, .signal = -1, .text = RV_STR("it broke")};
        drive_step(d, &failed);
        drive_admit(d, "a");
        drive_complete_value(d, "a", "{\"n\":5,\"list\":[\"x\",\"y\"]}", "out");
        if (strcmp(drive_says(d, "b"), cases[i].then) != 0) print_message("when %s\n", cases[i].when);
        assert_string_equal(drive_says(d, "b"), cases[i].then);
        drive_free(d);
    }
}

static void w13__a_condition_that_cannot_be_evaluated_says_why(void **state)
{
    drive *d = drive_new("a; b: a when ${a.gone} == 1");
    drive_ok(d, "a");
    assert_string_equal(drive_says(d, "b"), "failed value");
    assert_true(rv_run_error(d->run, 1).size > 0);
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

static void w2__set_computes_its_fields_without_a_process(void **state)
{
    drive *d = drive_new("a; s: a !set `n=${a.n}` `big=${a.n} > 4` `who=${user.topic}`; b: s when ${s.big}; c: s when ${s.n} == 6");
    drive_admit(d, "a");
    drive_complete_value(d, "a", "{\"n\":5}", NULL);
    assert_string_equal(drive_says(d, "s"), "succeeded");
    rv_str result = rv_run_result(d->run, 1);
    assert_true(rv_str_is(result, "{\"n\":5,\"big\":true,\"who\":\"llamas\"}"));
    assert_string_equal(drive_says(d, "b"), "ready");
    assert_string_equal(drive_says(d, "c"), "skipped condition");
    assert_int_equal(drive_effect_count(d, RV_EFFECT_SPAWN), 1);
    drive_free(d);
}

static void w2__a_set_that_misses_a_value_fails(void **state)
{
    drive *d = drive_new("a; s: a !set `n=${a.gone}`; b: s");
    drive_ok(d, "a");
    assert_string_equal(drive_says(d, "s"), "failed value");
    assert_string_equal(drive_says(d, "b"), "skipped upstream root=s");
    drive_free(d);
}

/* A value belongs to the node that gave it: what is decided in the same step must not take it. */
static void w14__the_output_of_one_node_is_not_kept_for_another(void **state)
{
    drive *d = drive_new("a; s: a !set `n=1`; b: a s when ${s.stdout} == \"\" && ${a.stdout} == \"out\"; keep_open");
    drive_admit(d, "a");
    drive_complete_value(d, "a", NULL, "out");
    assert_int_equal(rv_run_output(d->run, 1).size, 0);
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

/* ---- reduce: needs no slot, is performed by the engine ---- */

static void k14__a_reduce_starts_by_itself_and_may_be_tried_again(void **state)
{
    drive *d = drive_new("a; r: a !reduce %attempts=2; b: r");
    drive_ok(d, "a");
    assert_string_equal(drive_says(d, "r"), "running");
    assert_true(drive_has_effect(d, RV_EFFECT_REDUCE, "r"));
    assert_int_equal(drive_admit(d, "r"), RV_ANSWER_ILLEGAL);
    drive_complete(d, "r", RV_ATTEMPT_ERROR, RV_DETAIL_UNAVAILABLE, -1);
    assert_string_equal(drive_says(d, "r"), "running");
    assert_true(drive_has_effect(d, RV_EFFECT_REDUCE, "r"));
    assert_int_equal(drive_node(d, "r")->number, 2);
    drive_complete(d, "r", RV_ATTEMPT_OK, RV_DETAIL_NONE, -1);
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(k1__nodes_are_their_indices_and_survive_replay),
        cmocka_unit_test(k2__a_success_names_its_source),
        cmocka_unit_test(k3__a_fast_branch_is_not_held_back_by_a_slow_one),
        cmocka_unit_test(k3__order_of_admission_is_priority_then_index),
        cmocka_unit_test(k3__each_policy_accepts_what_it_says),
        cmocka_unit_test(k3__optional_edges_neither_gate_nor_wait),
        cmocka_unit_test(k3__a_node_all_of_whose_hard_predecessors_are_pruned_is_pruned),
        cmocka_unit_test(k4__every_skipped_node_names_the_root_cause),
        cmocka_unit_test(k4__the_root_does_not_depend_on_who_failed_first),
        cmocka_unit_test(k4__an_unknown_outcome_holds_its_dependents),
        cmocka_unit_test(k5__one_failure_never_aborts_the_others),
        cmocka_unit_test(k5__a_run_that_only_skips_ends_at_once),
        cmocka_unit_test(k5__a_step_of_thousands_of_nodes_has_its_room_before),
        cmocka_unit_test(k62__resume_after_a_crash_spawns_only_what_remains),
        cmocka_unit_test(k62__a_run_restored_before_its_load_can_be_loaded),
        cmocka_unit_test(k62__a_duplicate_completion_changes_nothing),
        cmocka_unit_test(r1__an_adopted_outcome_stands_for_an_attempt),
        cmocka_unit_test(w13__a_condition_sees_states_results_codes_and_parameters),
        cmocka_unit_test(w13__a_condition_that_cannot_be_evaluated_says_why),
        cmocka_unit_test(w2__set_computes_its_fields_without_a_process),
        cmocka_unit_test(w2__a_set_that_misses_a_value_fails),
        cmocka_unit_test(w14__the_output_of_one_node_is_not_kept_for_another),
        cmocka_unit_test(k14__a_reduce_starts_by_itself_and_may_be_tried_again),
    };
    return cmocka_run_group_tests_name("settle", tests, NULL, NULL);
}
