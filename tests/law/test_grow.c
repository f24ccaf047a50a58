/* test_grow.c: runs that grow [K1, K11–K13, K15, K62]: each kind of controller by name, and random lives of many graphs with
 * crashes, interrupts and late words; after every step the invariants, replay and decode, as in all laws (drive.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "world.h"

/* ---- foreach [K15] ---- */

static void k15__foreach_gives_results_in_item_order(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b, c], do: {run: [x, \"${item}\"]}}}\n  after: {run: [y], needs: [each]}\n");
    world_gives(w, "each[2]", "{\"n\":2}");
    world_gives(w, "each[0]", "{\"n\":0}");
    world_expect(w, "each", "waiting children");
    world_expect(w, "after", "pending");
    drive_ok(w->d, "each[1]");
    world_expect(w, "each", "succeeded");
    world_expect_result(w, "each", "{\"results\":[{\"n\":0},{},{\"n\":2}],\"failed\":[]}");
    drive_ok(w->d, "after");
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void k15__all_fails_when_an_item_failed_but_runs_the_others(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], do: {run: [x]}}}\n  after: {run: [y], needs: [each]}\n");
    drive_fail(w->d, "each[0]", 3);
    world_expect(w, "each", "waiting children");
    drive_ok(w->d, "each[1]");
    world_expect(w, "each", "failed children root=each[0]");
    world_expect(w, "after", "skipped upstream root=each[0]");
    assert_int_equal(w->d->run->status, RV_RUN_ERROR);
    world_end(w);
}

static void k15__all_settled_never_fails(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], do: {run: [x]}, join: all_settled}}\n");
    drive_fail(w->d, "each[0]", 3);
    world_gives(w, "each[1]", "{\"n\":1}");
    world_expect_result(w, "each", "{\"results\":[null,{\"n\":1}],\"failed\":[0]}");
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void k15__any_takes_the_first_success_and_stops_the_rest(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b, c, d], do: {run: [x]}, join: any}}\n  after: {run: [y], needs: [each]}\n");
    drive_fail(w->d, "each[0]", 3);
    assert_int_equal(drive_admit(w->d, "each[2]"), RV_ANSWER_TAKEN);
    drive_ok(w->d, "each[1]");
    world_expect(w, "each", "succeeded");
    world_expect(w, "each[3]", "cancelled superseded");
    assert_true(drive_has_effect(w->d, RV_EFFECT_STOP, "each[2]"));
    world_expect(w, "after", "ready");
    assert_int_equal(drive_complete(w->d, "each[2]", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1), RV_ANSWER_TAKEN);
    world_expect(w, "each[2]", "cancelled superseded");
    drive_ok(w->d, "after");
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void k15__an_item_whose_outcome_is_unknown_does_not_begin_again_when_nobody_needs_it(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], do: {run: [x], delivery: at_most_once}, join: any}}\n");
    assert_int_equal(drive_admit(w->d, "each[0]"), RV_ANSWER_TAKEN);
    assert_int_equal(drive_lost(w->d, "each[0]", RV_LOST_WAS_STARTED), RV_ANSWER_TAKEN);
    drive_ok(w->d, "each[1]");
    world_expect(w, "each", "succeeded");
    world_expect(w, "each[0]", "waiting unknown_outcome"); /* somebody says what it did */
    assert_int_equal(drive_decide(w->d, "each[0]", RV_DECISION_AGAIN, NULL), RV_ANSWER_TAKEN);
    world_expect(w, "each[0]", "cancelled superseded");
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void k5__a_foreach_that_would_begin_when_something_fails_fast_makes_no_item(void **state)
{
    world *w = world_of("  a: {run: [x]}\n  each: {foreach: {items: [a, b], do: {run: [x]}}, after: [a]}\n");
    assert_int_equal(drive_signal(w->d, RV_EVENT_FAIL_FAST), RV_ANSWER_TAKEN);
    drive_fail(w->d, "a", 1);
    world_expect(w, "each", "skipped fail_fast");
    assert_int_equal(w->d->run->status, RV_RUN_ERROR);
    world_end(w);
}

static void k15__race_fails_with_the_first_to_settle(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], do: {run: [x]}, join: race}}\n");
    drive_fail(w->d, "each[1]", 3);
    world_expect(w, "each", "failed children root=each[1]");
    world_expect(w, "each[0]", "cancelled superseded");
    assert_int_equal(w->d->run->status, RV_RUN_ERROR);
    world_end(w);
}

static void k15__max_parallel_bounds_what_is_open(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b, c], do: {run: [x]}, max_parallel: 1}}\n");
    assert_true(world_has(w, "each[0]"));
    assert_false(world_has(w, "each[1]"));
    drive_ok(w->d, "each[0]");
    assert_true(world_has(w, "each[1]"));
    assert_false(world_has(w, "each[2]"));
    drive_to_end(w->d);
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void k15__items_come_from_a_result_and_none_is_a_success(void **state)
{
    world *w = world_of("  list: {run: [x]}\n  each: {foreach: {items: \"${list.names}\", "
                       "do: {run: [x, \"${item.id}\"]}}, needs: [list]}\n");
    world_gives(w, "list", "{\"names\":[]}");
    world_expect_result(w, "each", "{\"results\":[],\"failed\":[]}");
    world_end(w);
    w = world_of("  list: {run: [x]}\n  each: {foreach: {items: \"${list.names}\", do: {run: [x, \"${item.id}\"]}}, needs: [list]}\n");
    world_gives(w, "list", "{\"names\":7}");
    world_expect(w, "each", "failed value");
    world_end(w);
}

static void k15__one_line_of_text_is_one_item(void **state)
{
    world *w = world_of("  list: {run: [x]}\n  each: {foreach: {items: \"${list.text}\", do: {run: [x, \"${item}\"]}}, needs: [list]}\n");
    world_gives(w, "list", "{\"text\":\"a quite long line without anything to escape\"}");
    uint32_t each = rv_run_find(w->d->run, RV_STR("each"));
    const rv_control *control = &w->d->run->controls.at[w->d->run->nodes[each].control - 1];
    assert_int_equal(control->count, 1);
    assert_true(rv_str_is(rv_run_item(w->d->run, control->places.at[0]), "\"a quite long line without anything to escape\""));
    world_end(w);
}

static void k15__items_that_are_a_text_are_the_list_it_holds_else_its_lines(void **state)
{
    static const struct { const char *value, *results; } cases[] = {
        {"{\"out\":\"a.txt\"}", "{\"results\":[{\"v\":\"a.txt\"}],\"failed\":[]}"}, /* no escape in it: not copied when parsed */
        {"{\"out\":\"a\\n\\nb c\\n\"}", "{\"results\":[{\"v\":\"a\"},{\"v\":\"b c\"}],\"failed\":[]}"},
        {"{\"out\":\"[1,2,[3]]\"}", "{\"results\":[{\"v\":1},{\"v\":2},{\"v\":[3]}],\"failed\":[]}"},
        {"{\"out\":\"{}\"}", "{\"results\":[{\"v\":\"{}\"}],\"failed\":[]}"},
        {"{\"out\":\"\"}", "{\"results\":[],\"failed\":[]}"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        world *w = world_of("  list: {run: [x]}\n"
                            "  each: {foreach: {items: \"${list.out}\", do: {set: {v: \"${item}\"}}}, needs: [list]}\n");
        world_gives(w, "list", cases[i].value);
        world_expect_result(w, "each", cases[i].results);
        world_end(w);
    }
}

static void k15__a_graph_for_each_item_gives_its_sinks(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], do: {nodes: {m: {run: [x]}, "
                       "t: {run: [y], needs: [m]}, u: {run: [z], needs: [m]}}}}}\n");
    world_expect(w, "each[1].t", "pending");
    drive_ok(w->d, "each[1].m");
    world_expect(w, "each[1].t", "ready");
    world_expect(w, "each[0].t", "pending");
    world_gives(w, "each[1].t", "{\"k\":1}");
    drive_to_end(w->d);
    world_expect_result(w, "each", "{\"results\":[{\"t\":{\"n\":1},\"u\":{\"n\":1}},{\"t\":{\"k\":1},\"u\":{\"n\":1}}],\"failed\":[]}");
    world_end(w);
}

/* ---- fail-fast beneath controllers [K5] ---- */

static void k5__fail_fast_reaches_into_a_foreach_that_has_begun(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b, c, d], do: {run: [x]}, max_parallel: 2}}\n  all: {foreach: {items: [a, b],"
                       " do: {run: [x]}}}\n  other: {run: [y]}\n  after: {run: [y], needs: [each]}\n");
    assert_int_equal(drive_signal(w->d, RV_EVENT_FAIL_FAST), RV_ANSWER_TAKEN);
    assert_int_equal(drive_admit(w->d, "each[1]"), RV_ANSWER_TAKEN);
    assert_int_equal(drive_admit(w->d, "all[1]"), RV_ANSWER_TAKEN);
    drive_fail(w->d, "each[0]", 3);
    assert_false(world_has(w, "each[2]"));
    world_expect(w, "all[0]", "skipped fail_fast");
    world_expect(w, "other", "skipped fail_fast");
    world_expect(w, "each", "waiting children");
    assert_int_equal(drive_complete(w->d, "each[1]", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0), RV_ANSWER_TAKEN);
    assert_false(world_has(w, "each[2]"));
    world_expect(w, "each", "failed children root=each[0]");
    world_expect(w, "after", "skipped upstream root=each[0]");
    assert_int_equal(drive_complete(w->d, "all[1]", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0), RV_ANSWER_TAKEN);
    world_expect(w, "all", "skipped fail_fast");
    assert_int_equal(w->d->run->status, RV_RUN_ERROR);
    world_end(w);
}

/* The controllers of `bodies` stand in each other; its deepest node is the one that fails. */
static bool closes(const char *body, const char *fails)
{
    char text[512];
    snprintf(text, sizeof text, "  c: %s\n  other: {run: [y]}\n", body);
    world *w = world_of(text);
    drive_signal(w->d, RV_EVENT_FAIL_FAST);
    drive_fail(w->d, fails, 3);
    bool is_closing = w->d->run->closing == RV_CLOSING_FAIL_FAST;
    if (!is_closing) world_expect(w, "other", "ready");
    drive_to_end(w->d);
    assert_int_equal(w->d->run->status, is_closing ? RV_RUN_ERROR : RV_RUN_OK);
    world_end(w);
    return is_closing;
}

static void k5__fail_fast_leaves_to_a_controller_what_it_can_bear(void **state)
{
    assert_true(closes("{foreach: {items: [a, b], do: {workflow: {definition: {nodes: {p: {run: [x]}, q: {run: [x]}}}}}}}", "c[1].q"));
    assert_true(closes("{loop: {max: 2, body: {foreach: {items: [a, b], do: {run: [x]}}}}}", "c#1[0]"));
    assert_true(closes("{workflow: {definition: {nodes: {p: {run: [x]}, q: {run: [x]}}}}}", "c.p"));
    assert_false(closes("{foreach: {items: [a, b], do: {run: [x]}, join: all_settled}}", "c[0]"));
    assert_false(closes("{foreach: {items: [a, b], do: {run: [x]}, join: any}}", "c[0]"));
    assert_false(closes("{foreach: {items: [a], join: all_settled, do: {foreach: {items: [a, b], do: {run: [x]}}}}}", "c[0][1]"));
}

static void k5__fail_fast_that_is_asked_for_later_counts_what_failed_before(void **state)
{
    for (int interrupted = 0; interrupted < 2; interrupted++) {
        world *w = world_of("  each: {foreach: {items: [a, b, c], do: {run: [x]}, max_parallel: 2}}\n");
        assert_int_equal(drive_admit(w->d, "each[0]"), RV_ANSWER_TAKEN);
        if (interrupted) drive_signal(w->d, RV_EVENT_FAIL_FAST);
        if (interrupted) drive_signal(w->d, RV_EVENT_INTERRUPT);
        assert_int_equal(drive_complete(w->d, "each[0]", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 3), RV_ANSWER_TAKEN);
        assert_int_equal(w->d->run->status, interrupted ? RV_RUN_INTERRUPTED : RV_RUN_RUNNING);
        drive_signal(w->d, interrupted ? RV_EVENT_RESUME : RV_EVENT_FAIL_FAST);
        world_expect(w, "each[1]", "skipped fail_fast");
        world_expect(w, "each", "failed children root=each[0]");
        assert_int_equal(w->d->run->status, RV_RUN_ERROR);
        world_end(w);
    }
}

/* ---- kept from an earlier run [R1] ---- */

static void r1__a_controller_whose_children_were_all_kept_was_kept_too(void **state)
{
    for (uint32_t kept = 0; kept <= 2; kept++) {
        world *w = world_of("  each: {foreach: {items: [a, b], do: {nodes: {p: {run: [x]}, s: {set: {v: \"1\"}, needs: [p]}}}}}\n");
        char node[32];
        for (uint32_t i = 0; i < 2; i++) {
            snprintf(node, sizeof node, "each[%u].p", i);
            if (i < kept) assert_int_equal(drive_adopt(w->d, node), RV_ANSWER_TAKEN);
            else drive_ok(w->d, node);
        }
        world_expect(w, "each", kept == 2 ? "succeeded replay" : "succeeded");
        world_end(w);
    }
}

static void k12__a_person_may_give_the_label(void **state)
{
    world *w = world_of("  sort: {classify: {by: {input: {question: q}}, branches: {left: [l], right: [r]}}}\n"
                       "  l: {run: [y], needs: [sort]}\n  r: {run: [y], needs: [sort]}\n"
                       "  ok: {classify: {by: {approve: {message: m, on_reject: continue}}, branches: {approved: [a], rejected: [b]}}}\n"
                       "  a: {run: [y], needs: [ok]}\n  b: {run: [y], needs: [ok]}\n"
                       "  bad: {classify: {by: {input: {question: q}}, branches: {left: [c]}}}\n  c: {run: [y], needs: [bad]}\n");
    assert_int_equal(drive_answer(w->d, "sort.by", "{\"value\":\"right\"}"), RV_ANSWER_TAKEN);
    world_expect_result(w, "sort", "{\"branch\":\"right\"}");
    world_expect(w, "l", "skipped pruned");
    assert_int_equal(drive_decide(w->d, "ok.by", RV_DECISION_REJECT, "{\"decision\":\"rejected\"}"), RV_ANSWER_TAKEN);
    world_expect(w, "a", "skipped pruned");
    world_expect(w, "b", "ready");
    assert_int_equal(drive_answer(w->d, "bad.by", "{\"value\":7}"), RV_ANSWER_TAKEN);
    world_expect(w, "bad", "failed branch");
    world_end(w);
}

/* drive_adopt gives {"n":1}: here a host gives what the classifier said. */
static void r1__a_classify_that_is_kept_prunes_what_it_pruned(void **state)
{
    world *w = world_of("  sort: {classify: {by: {run: [x]}, branches: {left: [l], right: [r]}}}\n  l: {run: [y], needs: [sort]}\n"
                       "  r: {run: [y], needs: [sort]}\n");
    rv_event adopt = {.type = RV_EVENT_ADOPT, .node = drive_index(w->d, "sort"), .value = RV_STR("{\"branch\":\"right\"}")};
    assert_int_equal(drive_step(w->d, &adopt), RV_ANSWER_TAKEN);
    world_expect(w, "sort", "succeeded replay");
    world_expect(w, "sort.by", "cancelled superseded");
    world_expect(w, "l", "skipped pruned");
    world_expect(w, "r", "ready");
    drive_ok(w->d, "r");
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

/* ---- loop [K11] ---- */

static void k11__a_loop_goes_on_until_its_body_says_no(void **state)
{
    world *w = world_of("  try: {loop: {body: {run: [x, \"${previous.n:-0}\"]}, max: 5}}\n");
    world_gives(w, "try#1", "{\"n\":1}");
    assert_true(world_has(w, "try#2"));
    world_gives(w, "try#2", "{\"n\":2,\"continue\":false}");
    assert_false(world_has(w, "try#3"));
    world_expect_result(w, "try", "{\"value\":{\"n\":2,\"continue\":false},\"iterations\":2,\"exhausted\":false}");
    world_end(w);
}

static void k11__a_no_may_be_a_line_of_text(void **state)
{
    world *w = world_of("  try: {loop: {body: {run: [x]}, max: 5}}\n");
    world_gives(w, "try#1", "{\"continue\":\"true\"}");
    world_gives(w, "try#2", "{\"continue\":\"false\"}");
    world_expect(w, "try", "succeeded");
    world_end(w);
}

static void k11__until_ends_a_loop_and_max_exhausts_it(void **state)
{
    world *w = world_of("  try: {loop: {body: {run: [x]}, max: 3, until: \"${previous.n} > 1 || ${iteration} == 3\"}}\n");
    world_gives(w, "try#1", "{\"n\":1}");
    world_gives(w, "try#2", "{\"n\":2}");
    world_expect_result(w, "try", "{\"value\":{\"n\":2},\"iterations\":2,\"exhausted\":false}");
    world_end(w);
    w = world_of("  try: {loop: {body: {run: [x]}, max: 2, until: \"${previous.n} > 9\"}}\n");
    world_gives(w, "try#1", "{\"n\":1}");
    world_gives(w, "try#2", "{\"n\":2}");
    world_expect_result(w, "try", "{\"value\":{\"n\":2},\"iterations\":2,\"exhausted\":true}");
    world_end(w);
}

static void k11__a_failed_iteration_fails_the_loop(void **state)
{
    world *w = world_of("  try: {loop: {body: {run: [x]}, max: 5}}\n");
    drive_ok(w->d, "try#1");
    drive_fail(w->d, "try#2", 1);
    world_expect(w, "try", "failed iteration root=try#2");
    assert_false(world_has(w, "try#3"));
    world_end(w);
}

/* ---- classify [K12] ---- */

#define CLASSIFY "  kind: {classify: {by: {run: [x]}, branches: {a: [p, s], b: [q, s]}}}\n  p: {run: [x], needs: [kind]}\n" \
    "  q: {run: [x], needs: [kind]}\n  s: {run: [x], needs: [kind]}\n  qq: {run: [x], needs: [q]}\n  j: {run: [x], needs: [p, qq]}\n"

static void k12__the_other_branches_are_pruned_and_what_is_shared_runs(void **state)
{
    world *w = world_of(CLASSIFY);
    world_gives(w, "kind.by", "{\"branch\":\"a\"}");
    world_expect_result(w, "kind", "{\"branch\":\"a\"}");
    world_expect(w, "q", "skipped pruned");
    world_expect(w, "qq", "skipped pruned");
    world_expect(w, "p", "ready");
    world_expect(w, "s", "ready");
    drive_ok(w->d, "p");
    world_expect(w, "j", "ready");
    drive_to_end(w->d);
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void k12__an_unknown_label_fails_the_node(void **state)
{
    world *w = world_of(CLASSIFY);
    world_gives(w, "kind.by", "{\"branch\":\"c\"}");
    world_expect(w, "kind", "failed branch");
    world_expect(w, "p", "skipped upstream root=kind");
    world_expect(w, "q", "skipped upstream root=kind");
    world_end(w);
}

/* ---- tournament [K13] ---- */

#define FIVE "  t: {tournament: {entrants: [{run: [a]}, {run: [b]}, {run: [c]}, {run: [d]}, {run: [e]}], judge: {run: [j]}%s}}\n"

static world *five(const char *more)
{
    char text[400];
    snprintf(text, sizeof text, FIVE, more);
    return world_of(text);
}

static void entrants(world *w, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char id[16], value[16];
        snprintf(id, sizeof id, "t/e%u", i);
        snprintf(value, sizeof value, "{\"e\":%u}", i);
        world_gives(w, id, value);
    }
}

static void k13__winners_meet_in_match_order_and_the_odd_one_gets_a_bye(void **state)
{
    world *w = five("");
    entrants(w, 5);
    world_gives(w, "t/r1m1", "{\"winner\":\"right\"}"); /* e3 */
    assert_false(world_has(w, "t/r2m0"));
    world_gives(w, "t/r1m0", "{\"winner\":\"left\"}");  /* e0 */
    world_gives(w, "t/r2m0", "{\"winner\":\"right\"}"); /* e0 against e3: e3 */
    assert_true(world_has(w, "t/r3m0"));
    world_gives(w, "t/r3m0", "{\"winner\":\"right\"}"); /* e3 against e4, who had two byes */
    world_expect_result(w, "t", "{\"winner\":\"t/e4\",\"value\":{\"e\":4},\"rounds\":3}");
    assert_int_equal(rv_run_bye(w->d->run, &w->d->run->controls.at[0], 1), 4);
    assert_int_equal(rv_run_bye(w->d->run, &w->d->run->controls.at[0], 2), 4);
    assert_int_equal(rv_run_bye(w->d->run, &w->d->run->controls.at[0], 3), RV_NONE);
    world_end(w);
}

static void k13__those_that_failed_are_out_one_survivor_wins_and_none_fails(void **state)
{
    world *w = world_of("  t: {tournament: {entrants: [{run: [a]}, {run: [b]}, {run: [c]}], judge: {run: [j]}}}\n");
    drive_fail(w->d, "t/e0", 1);
    drive_fail(w->d, "t/e2", 1);
    world_gives(w, "t/e1", "{\"e\":1}");
    world_expect_result(w, "t", "{\"winner\":\"t/e1\",\"value\":{\"e\":1},\"rounds\":0}");
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
    w = world_of("  t: {tournament: {entrants: [{run: [a]}, {run: [b]}], judge: {run: [j]}}}\n");
    drive_fail(w->d, "t/e0", 1);
    drive_fail(w->d, "t/e1", 1);
    world_expect(w, "t", "failed children");
    world_end(w);
}

static void k13__a_judge_that_names_no_winner_fails_unless_a_quorum_decides(void **state)
{
    world *w = five("");
    entrants(w, 5);
    drive_ok(w->d, "t/r1m0");
    world_expect(w, "t", "failed judge");
    world_expect(w, "t/r1m1", "cancelled superseded");
    world_end(w);
    w = world_of("  t: {tournament: {entrants: [{run: [a]}, {run: [b]}], judge: {run: [j]}, quorum: 3}}\n");
    entrants(w, 2);
    drive_ok(w->d, "t/r1m0");
    world_gives(w, "t/r1m0j1", "{\"winner\":\"right\"}");
    world_gives(w, "t/r1m0j2", "{\"winner\":\"right\"}");
    world_expect_result(w, "t", "{\"winner\":\"t/e1\",\"value\":{\"e\":1},\"rounds\":1}");
    world_end(w);
}

static void k13__exchanged_sides_are_judged_too_and_the_seed_decides_a_split(void **state)
{
    world *w = world_of("  t: {tournament: {entrants: [{run: [a]}, {run: [b]}], judge: {run: [j]}, swap: true}}\n");
    entrants(w, 2);
    world_gives(w, "t/r1m0", "{\"winner\":\"left\"}");
    world_gives(w, "t/r1m0s", "{\"winner\":\"right\"}"); /* the same one */
    world_expect_result(w, "t", "{\"winner\":\"t/e0\",\"value\":{\"e\":0},\"rounds\":1}");
    assert_int_equal(w->d->run->controls.at[0].matches.at[0].is_drawn, 0);
    world_end(w);
    w = world_of("  t: {tournament: {entrants: [{run: [a]}, {run: [b]}], judge: {run: [j]}, swap: true}}\n");
    entrants(w, 2);
    world_gives(w, "t/r1m0", "{\"winner\":\"left\"}");
    world_gives(w, "t/r1m0s", "{\"winner\":\"left\"}");
    assert_int_equal(w->d->run->controls.at[0].matches.at[0].is_drawn, 1);
    world_expect(w, "t", "succeeded");
    world_end(w);
}

static void k13__judges_that_settle_in_one_step_decide_a_match_once(void **state)
{
    world *w = world_of("  t: {tournament: {entrants: [{run: [a]}, {run: [b]}, {run: [c]}, {run: [d]}], swap: true, "
                       "judge: {set: {winner: \"\\\"left\\\"\"}}}}\n");
    entrants(w, 4);
    uint32_t drawn = 0;
    const rv_control *c = &w->d->run->controls.at[0];
    for (uint32_t i = 0; i < c->matches.count; i++) drawn += c->matches.at[i].is_drawn;
    assert_int_equal(c->matches.count, 3);
    assert_int_equal(drawn, 3);
    world_expect(w, "t", "succeeded");
    world_end(w);
    w = world_of("  t: {tournament: {entrants: [{run: [a]}, {run: [b]}], quorum: 2, judge: {input: {question: q, deadline: 5s}}}}\n");
    entrants(w, 2);
    assert_int_equal(drive_until(w->d, rv_run_due_ms(w->d->run)), RV_ANSWER_TAKEN);
    world_expect(w, "t", "failed judge");
    world_end(w);
}

static void k13__entrants_that_settle_in_one_step_begin_a_round_once(void **state)
{
    world *w = world_of("  a: {run: [x]}\n  t: {needs: [a], tournament: {entrants: [{set: {n: \"1\"}}, {set: {n: \"2\"}}, "
                       "{set: {n: \"3\"}}], swap: true, judge: {set: {winner: \"\\\"left\\\"\"}}}}\n");
    drive_ok(w->d, "a");
    assert_int_equal(w->d->run->controls.at[0].matches.count, 2);
    world_expect(w, "t", "succeeded");
    world_end(w);
}

static void k13__swiss_plays_its_rounds_and_nobody_meets_twice(void **state)
{
    world *w = five(", swiss: 3");
    entrants(w, 5);
    for (uint32_t round = 1; round <= 3; round++)
        for (uint32_t match = 0; match < 2; match++) { /* the lower number wins */
            char id[16];
            snprintf(id, sizeof id, "t/r%um%u", round, match);
            const rv_control *c = &w->d->run->controls.at[0];
            rv_pair pair = c->pairs.at[c->rounds.at[round - 1] + match];
            for (uint32_t i = 0; i < c->rounds.at[round - 1] + match; i++)
                assert_false((c->pairs.at[i].left == pair.left && c->pairs.at[i].right == pair.right) ||
                             (c->pairs.at[i].left == pair.right && c->pairs.at[i].right == pair.left));
            world_gives(w, id, pair.left < pair.right ? "{\"winner\":\"left\"}" : "{\"winner\":\"right\"}");
        }
    world_expect_result(w, "t", "{\"winner\":\"t/e0\",\"value\":{\"e\":0},\"rounds\":3}");
    world_end(w);
}

static void k13__existing_nodes_may_enter(void **state)
{
    world *w = world_of("  a: {run: [x]}\n  b: {run: [x]}\n  t: {tournament: {entrants: [a, {run: [c]}, b], judge: {run: [j]}}}\n");
    drive_fail(w->d, "a", 1);
    world_gives(w, "b", "{\"e\":9}");
    world_gives(w, "t/e1", "{\"e\":1}");
    world_gives(w, "t/r1m0", "{\"winner\":\"right\"}");
    world_expect_result(w, "t", "{\"winner\":\"b\",\"value\":{\"e\":9},\"rounds\":1}");
    world_end(w);
}

/* ---- nesting ---- */

static void k1__ids_say_where_a_node_stands(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], do: {nodes: {build: {loop: {body: {tournament: {entrants: [{run: [x]}, "
                       "{run: [y]}], judge: {run: [j]}}}, max: 2}}}}}}\n");
    assert_true(world_has(w, "each[1].build#1/e1"));
    world_gives(w, "each[1].build#1/e0", "{}");
    world_gives(w, "each[1].build#1/e1", "{}");
    world_gives(w, "each[1].build#1/r1m0", "{\"winner\":\"left\"}");
    assert_true(world_has(w, "each[1].build#2/e1"));
    assert_false(world_has(w, "each[0].build#2/e1"));
    world_end(w);
}

static void k61__preempting_ends_children_too(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b, c], do: {loop: {body: {run: [x]}, max: 3}}}}\n  z: {run: [x], needs: [each]}\n");
    assert_int_equal(drive_admit(w->d, "each[1]#1"), RV_ANSWER_TAKEN);
    assert_int_equal(drive_signal(w->d, RV_EVENT_PREEMPT), RV_ANSWER_TAKEN);
    assert_int_equal(w->d->run->status, RV_RUN_CANCELLED);
    world_expect(w, "each[1]#1", "cancelled signalled");
    world_expect(w, "each[0]#1", "cancelled run");
    assert_int_equal(drive_complete(w->d, "each[1]#1", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0), RV_ANSWER_STALE);
    world_end(w);
}

/* ---- random lives ---- */

static const char *const lives[] = {
    "  each: {foreach: {items: [a, b, c, d], do: {run: [x], retry: {max_attempts: 2}}, max_parallel: 2}}\n  z: {run: [x], needs: [each]}\n",
    "  each: {foreach: {items: [a, b, c], do: {nodes: {m: {run: [x]}, t: {run: [y], needs: [m]}}}, join: any}}\n"
    "  z: {run: [x], needs: [each]}\n",
    "  each: {foreach: {items: \"${user.list}\", do: {loop: {body: {run: [x]}, max: 3, until: \"${previous.ok:-true}\"}}, join: race}}\n",
    "  each: {foreach: {items: [a, b, c], do: {loop: {body: {run: [x]}, max: 2}}, join: all_settled}}\n  z: {run: [x], needs: [each]}\n",
    CLASSIFY,
    "  a: {run: [x]}\n  t: {tournament: {entrants: [{run: [a]}, a, {run: [c]}, {run: [d]}, {run: [e]}], judge: {run: [j]}, quorum: 3}}\n",
    "  t: {tournament: {entrants: [{run: [a]}, {run: [b]}, {run: [c]}, {run: [d]}, {run: [e]}], judge: {run: [j]}, swap: "
    "true, swiss: 2}}\n",
    "  draft: {run: [x]}\n  tone: {run: [x], needs: [draft]}\n  review: {run: [x], needs: [tone], revise: {target: draft, when: "
    "\"${review.ok:-true} == false\", max: 2, at_max: ask}}\n  publish: {run: [x], needs: [review]}\n"
    "  log: {run: [x], needs: [draft, tone]}\n",
    "  a: {run: [x]}\n  l: {loop: {body: {run: [x]}, max: 2}, needs: [a], revise: {target: a, when: \"${l.exhausted}\", max: 2}}\n"
    "  z: {run: [x], needs: [l], dep_policy: all_terminal}\n",
    "  each: {foreach: {items: [a, b], do: {nodes: {d: {run: [x]}, r: {run: [x], needs: [d], "
    "revise: {target: d, when: \"${r.ok:-true} == false\", max: 1}}}}}}\n  z: {run: [x], needs: [each]}\n",
};

typedef struct life { world *w; uint64_t seed; } life;

static uint32_t below(life *l, uint32_t n) { return rv_rng_below(&l->seed, n); }

static const char *const values[] = {"{\"ok\":false,\"branch\":\"a\",\"winner\":\"left\"}",
                                     "{\"ok\":true,\"branch\":\"b\",\"winner\":\"right\"}",
                                     "{\"ok\":true,\"branch\":\"c\"}", ""};

static void touch(life *l, uint32_t node)
{
    drive *d = l->w->d;
    const rv_node_run *at = &d->run->nodes[node];
    rv_event event = {.node = node, .epoch = at->epoch, .exit_status = -1, .signal = -1};
    if (at->state == RV_NODE_READY && d->run->closing != RV_CLOSING_INTERRUPT) {
        event.type = RV_EVENT_ADMITTED;
    } else if (at->state == RV_NODE_RUNNING && at->attempt == RV_ATTEMPT_STARTING && below(l, 2)) {
        event.type = RV_EVENT_STARTED;
        event.pid = 4242;
    } else if (at->state == RV_NODE_RUNNING) {
        bool is_stopped = (at->flags & RV_NODE_R_CALLED_OFF) || d->run->closing != RV_CLOSING_NO;
        event.type = RV_EVENT_COMPLETED;
        event.state = below(l, 5) ? RV_ATTEMPT_OK : is_stopped ? RV_ATTEMPT_CANCELLED : RV_ATTEMPT_ERROR;
        event.detail = event.state == RV_ATTEMPT_OK ? RV_DETAIL_NONE : event.state == RV_ATTEMPT_ERROR ? RV_DETAIL_EXIT
            : RV_DETAIL_SIGNALLED;
        event.exit_status = event.state == RV_ATTEMPT_OK ? 0 : event.state == RV_ATTEMPT_ERROR ? 3 : -1;
        event.value = rv_str_of(values[below(l, RV_COUNT(values))]);
    } else if (at->state == RV_NODE_WAITING && at->detail == RV_DETAIL_APPROVAL) {
        event.type = RV_EVENT_DECIDED;
        event.state = below(l, 2) ? RV_DECISION_APPROVE : RV_DECISION_REJECT;
    } else {
        return;
    }
    (void)drive_step(d, &event);
}

static world *lived(const char *nodes, uint64_t seed)
{
    life l = {.w = world_of(nodes), .seed = seed};
    drive *d = l.w->d;
    d->seed = seed;
    d->is_quick = below(&l, 3) != 0;
    for (uint32_t steps = 0; !rv_run_state_is_terminal((rv_run_state)d->run->status); steps++) {
        if (steps > 20000) fail_msg("seed %llu: it does not end", (unsigned long long)seed);
        uint32_t choice = below(&l, 200);
        if (choice == 0) world_crash(l.w, &l.seed);
        else if (choice == 1) (void)drive_signal(d, RV_EVENT_INTERRUPT);
        else if (choice == 2 && below(&l, 20) == 0) (void)drive_signal(d, RV_EVENT_CANCEL);
        else if (choice == 3 && below(&l, 20) == 0) (void)drive_signal(d, RV_EVENT_PREEMPT);
        else if (choice == 4 && below(&l, 10) == 0) (void)drive_signal(d, RV_EVENT_FAIL_FAST);
        else if (choice < 8) drive_check_replay(d);
        else if (choice < 12 && rv_run_due_ms(d->run)) (void)drive_until(d, rv_run_due_ms(d->run));
        else touch(&l, below(&l, d->run->node_count));
        if (d->run->status == RV_RUN_INTERRUPTED) (void)drive_signal(d, RV_EVENT_RESUME);
    }
    return l.w;
}

static void k62__random_lives_end_and_replay_to_the_byte(void **state)
{
    const char *given = getenv("RV_SEED");
    uint64_t first = given ? strtoull(given, NULL, 0) : 1, last = given ? first : 150;
    print_message("seeds %llu to %llu of %zu graphs\n", (unsigned long long)first, (unsigned long long)last, RV_COUNT(lives));
    for (uint64_t seed = first; seed <= last; seed++)
        for (size_t i = 0; i < RV_COUNT(lives); i++) {
            world *w = lived(lives[i], seed * 1000 + i);
            world_end(w);
        }
}

static void k62__a_run_cut_at_any_row_comes_to_the_same_end(void **state)
{
    uint32_t cuts = 0;
    for (uint64_t seed = 1; seed <= 4; seed++)
        for (size_t i = 0; i < RV_COUNT(lives); i++) {
            world *w = lived(lives[i], seed * 2000 + i);
            drive_check_cuts(w->d);
            cuts += w->d->rows.count;
            world_end(w);
        }
    print_message("# figure: runs that grow, cut at %u rows\n", cuts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(k15__foreach_gives_results_in_item_order),
        cmocka_unit_test(k15__all_fails_when_an_item_failed_but_runs_the_others),
        cmocka_unit_test(k15__all_settled_never_fails),
        cmocka_unit_test(k15__any_takes_the_first_success_and_stops_the_rest),
        cmocka_unit_test(k15__race_fails_with_the_first_to_settle),
        cmocka_unit_test(k5__a_foreach_that_would_begin_when_something_fails_fast_makes_no_item),
        cmocka_unit_test(k15__an_item_whose_outcome_is_unknown_does_not_begin_again_when_nobody_needs_it),
        cmocka_unit_test(k15__max_parallel_bounds_what_is_open),
        cmocka_unit_test(k15__items_come_from_a_result_and_none_is_a_success),
        cmocka_unit_test(k15__one_line_of_text_is_one_item),
        cmocka_unit_test(k15__items_that_are_a_text_are_the_list_it_holds_else_its_lines),
        cmocka_unit_test(k15__a_graph_for_each_item_gives_its_sinks),
        cmocka_unit_test(k5__fail_fast_reaches_into_a_foreach_that_has_begun),
        cmocka_unit_test(k5__fail_fast_leaves_to_a_controller_what_it_can_bear),
        cmocka_unit_test(k5__fail_fast_that_is_asked_for_later_counts_what_failed_before),
        cmocka_unit_test(r1__a_controller_whose_children_were_all_kept_was_kept_too),
        cmocka_unit_test(k12__a_person_may_give_the_label),
        cmocka_unit_test(r1__a_classify_that_is_kept_prunes_what_it_pruned),
        cmocka_unit_test(k11__a_loop_goes_on_until_its_body_says_no),
        cmocka_unit_test(k11__a_no_may_be_a_line_of_text),
        cmocka_unit_test(k11__until_ends_a_loop_and_max_exhausts_it),
        cmocka_unit_test(k11__a_failed_iteration_fails_the_loop),
        cmocka_unit_test(k12__the_other_branches_are_pruned_and_what_is_shared_runs),
        cmocka_unit_test(k12__an_unknown_label_fails_the_node),
        cmocka_unit_test(k13__winners_meet_in_match_order_and_the_odd_one_gets_a_bye),
        cmocka_unit_test(k13__those_that_failed_are_out_one_survivor_wins_and_none_fails),
        cmocka_unit_test(k13__a_judge_that_names_no_winner_fails_unless_a_quorum_decides),
        cmocka_unit_test(k13__exchanged_sides_are_judged_too_and_the_seed_decides_a_split),
        cmocka_unit_test(k13__judges_that_settle_in_one_step_decide_a_match_once),
        cmocka_unit_test(k13__entrants_that_settle_in_one_step_begin_a_round_once),
        cmocka_unit_test(k13__swiss_plays_its_rounds_and_nobody_meets_twice),
        cmocka_unit_test(k13__existing_nodes_may_enter),
        cmocka_unit_test(k1__ids_say_where_a_node_stands),
        cmocka_unit_test(k61__preempting_ends_children_too),
        cmocka_unit_test(k62__random_lives_end_and_replay_to_the_byte),
        cmocka_unit_test(k62__a_run_cut_at_any_row_comes_to_the_same_end),
    };
    return cmocka_run_group_tests_name("grow", tests, NULL, NULL);
}
