/* test_children.c: what a controller makes of its children [K11, K12, K15, K20, K31]: each way in which a child can end, each answer
 * that a body can give, what is called off and what is not, and what is too much. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/gate.h"

static void completes(world *w, const char *node, rv_attempt_state state, rv_detail detail)
{
    assert_int_equal(drive_complete(w->d, node, state, detail, state == RV_ATTEMPT_ERROR ? 3 : 0), RV_ANSWER_TAKEN);
}

static void partly(world *w, const char *node)
{
    assert_int_equal(drive_admit(w->d, node), RV_ANSWER_TAKEN);
    completes(w, node, RV_ATTEMPT_PARTIAL, RV_DETAIL_NONE);
}

/* ---- foreach [K15] ---- */

static void k15__a_partial_item_counts_and_a_sink_that_was_not_wanted_is_null(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], do: {nodes: {m: {run: [x]}, t: {run: [x], needs: [m], dep_policy: "
        "accept_partial},"
                        " u: {run: [x], when: \"false\"}}}}}\n");
    partly(w, "each[0].m");
    partly(w, "each[0].t");
    drive_to_end(w->d);
    world_expect_result(w, "each", "{\"results\":[{\"t\":{},\"u\":null},{\"t\":{\"n\":1},\"u\":null}],\"failed\":[]}");
    world_end(w);
    w = world_of("  each: {foreach: {items: [a], do: {run: [x]}}}\n");
    partly(w, "each[0]");
    world_expect_result(w, "each", "{\"results\":[{}],\"failed\":[]}");
    world_end(w);
}

static void k15__branches_pruned_in_an_item_do_it_no_harm(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a], do: {nodes: {k: {classify: {by: {run: [x]}, branches: {p: [one], q: [two]}}}, "
                        "one: {run: [x], needs: [k]}, two: {run: [x], needs: [k]}}}}}\n");
    world_gives(w, "each[0].k.by", "{\"branch\":\"q\"}");
    world_expect(w, "each[0].one", "skipped pruned");
    world_gives(w, "each[0].two", "{\"v\":2}");
    world_expect_result(w, "each", "{\"results\":[{\"one\":null,\"two\":{\"v\":2}}],\"failed\":[]}");
    world_end(w);
}

static void k15__the_error_of_a_controller_names_the_child_and_a_part_of_what_it_said(void **state)
{
    char text[700] = {0}, said[600];
    memset(text, 'e', sizeof text - 1);
    world *w = world_of("  each: {foreach: {items: [a], do: {loop: {body: {run: [x]}, max: 2}}}}\n");
    world_fails(w, "each[0]#1", text);
    world_expect(w, "each", "failed children root=each[0]#1");
    snprintf(said, sizeof said, "each[0]#1 failed: %.512s", text);
    assert_true(rv_str_is(rv_run_error(w->d->run, world_index(w, "each")), said));
    world_end(w);
    w = world_of("  each: {foreach: {items: [a], do: {run: [x]}}}\n");
    world_fails(w, "each[0]", "");
    assert_true(rv_str_is(rv_run_error(w->d->run, world_index(w, "each")), "each[0] failed"));
    world_end(w);
}

static void k15__a_denied_item_fails_its_foreach(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], do: {run: [x]}}}\n");
    drive_admit(w->d, "each[1]");
    completes(w, "each[1]", RV_ATTEMPT_DENIED, RV_DETAIL_DENIED);
    drive_ok(w->d, "each[0]");
    world_expect(w, "each", "failed children root=each[1]");
    world_end(w);
}

/* Who fails fast skips what has not begun; a controller shares what befell its children, with their root. */
static void k5__a_controller_whose_children_were_skipped_is_skipped_for_the_same_cause(void **state)
{
    static const struct { const char *body, *says; } cases[] = {
        {"{run: [x]}", "skipped fail_fast"},
        {"{nodes: {a: {run: [x], needs: [m]}, m: {run: [x]}}}", "skipped upstream root=each[0].m"},
        {"{nodes: {m: {run: [x]}, z: {run: [x], needs: [m]}}}", "skipped fail_fast"},
        {"{loop: {body: {run: [x]}, max: 3}}", "skipped fail_fast"},
        {"{classify: {by: {run: [x]}, branches: {a: []}}}", "skipped fail_fast"},
        {"{workflow: {definition: {reeve: 1, name: part, nodes: {m: {run: [x]}}}}}", "skipped fail_fast"},
        {"{tournament: {entrants: [{run: [x]}, {run: [x]}], judge: {run: [j]}}}", "skipped fail_fast"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char text[300];
        snprintf(text, sizeof text, "  bad: {run: [x]}\n  each: {foreach: {items: [a, b], do: %s}}\n", cases[i].body);
        world *w = world_of(text);
        drive_signal(w->d, RV_EVENT_FAIL_FAST);
        drive_fail(w->d, "bad", 1);
        world_expect(w, "each", cases[i].says);
        assert_int_equal(w->d->run->status, RV_RUN_ERROR);
        world_end(w);
    }
}

static void k5__a_failed_item_outweighs_a_skipped_one_whichever_came_first(void **state)
{
    for (int last = 0; last < 2; last++) {
        world *w = world_of("  bad: {run: [x]}\n  each: {foreach: {items: [a, b, c], do: {run: [x]}}}\n");
        const char *failing = last ? "each[2]" : "each[0]";
        drive_signal(w->d, RV_EVENT_FAIL_FAST);
        drive_admit(w->d, failing);
        drive_fail(w->d, "bad", 1);
        world_expect(w, "each[1]", "skipped fail_fast");
        completes(w, failing, RV_ATTEMPT_ERROR, RV_DETAIL_EXIT);
        world_expect(w, "each", last ? "failed children root=each[2]" : "failed children root=each[0]");
        world_end(w);
    }
}

static void k5__items_that_had_not_begun_when_somebody_failed_never_begin(void **state)
{
    world *w = world_of("  bad: {run: [x]}\n  each: {foreach: {items: [a, b, c], do: {run: [x]}, max_parallel: 1}}\n"
                        "  any: {foreach: {items: [a, b, c], do: {run: [x]}, max_parallel: 1, join: any}}\n");
    drive_signal(w->d, RV_EVENT_FAIL_FAST);
    drive_admit(w->d, "each[0]");
    drive_admit(w->d, "any[0]");
    drive_fail(w->d, "bad", 1);
    completes(w, "each[0]", RV_ATTEMPT_OK, RV_DETAIL_NONE);
    world_expect(w, "each", "skipped fail_fast");
    assert_false(world_has(w, "each[1]"));
    completes(w, "any[0]", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT);
    world_expect(w, "any", "failed children root=any[0]");
    assert_false(world_has(w, "any[1]"));
    world_end(w);
    w = world_of("  bad: {run: [x]}\n  each: {foreach: {items: [a, b, c], do: {run: [x]}, max_parallel: 1, join: all_settled}}\n");
    drive_signal(w->d, RV_EVENT_FAIL_FAST);
    drive_admit(w->d, "each[0]");
    drive_fail(w->d, "bad", 1);
    completes(w, "each[0]", RV_ATTEMPT_OK, RV_DETAIL_NONE);
    world_expect(w, "each", "skipped fail_fast");
    world_end(w);
}

static void k15__any_fails_as_its_last_item_did_when_none_succeeded(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], do: {run: [x]}, join: any}}\n");
    drive_fail(w->d, "each[1]", 1);
    world_expect(w, "each", "waiting children");
    drive_fail(w->d, "each[0]", 1);
    world_expect(w, "each", "failed children root=each[0]");
    world_end(w);
}

/* Items that settle in the step in which they begin: several are tended together, and room is given once. */
static void k15__max_parallel_holds_when_items_settle_together(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b, c, d, e, f, g], do: {set: {v: \"${index}\"}}, max_parallel: 2}}\n");
    world_expect_result(w, "each", "{\"results\":[{\"v\":0},{\"v\":1},{\"v\":2},{\"v\":3},{\"v\":4},{\"v\":5},{\"v\":6}],\"failed\":[]}");
    world_end(w);
    w = world_of("  each: {foreach: {items: [a, b, c, d, e], do: {input: {question: q, deadline: 5s}}, max_parallel: 3, join: "
        "all_settled}}\n");
    assert_int_equal(drive_until(w->d, rv_run_due_ms(w->d->run)), RV_ANSWER_TAKEN);
    assert_true(world_has(w, "each[4]"));
    uint32_t open = w->d->run->controls.at[0].open;
    assert_int_equal(open, 2);
    drive_to_end(w->d);
    world_end(w);
}

static void k15__what_is_called_off_beneath_a_decided_controller_is_stopped_once(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], join: race, do: {nodes: {"
                        "in: {foreach: {items: [1, 2, 3], do: {run: [x]}, join: any}}, other: {run: [x]}}}}}\n");
    assert_int_equal(drive_admit(w->d, "each[0].in[0]"), RV_ANSWER_TAKEN);
    drive_ok(w->d, "each[0].in[1]");
    world_expect(w, "each[0].in", "succeeded");
    assert_true(drive_has_effect(w->d, RV_EFFECT_STOP, "each[0].in[0]"));
    drive_ok(w->d, "each[1].in[2]");
    drive_ok(w->d, "each[1].other");
    world_expect(w, "each", "succeeded");
    world_expect(w, "each[0].other", "cancelled superseded");
    assert_false(drive_has_effect(w->d, RV_EFFECT_STOP, "each[0].in[0]")); /* it was told */
    completes(w, "each[0].in[0]", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED);
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void k15__calling_off_reaches_the_children_of_children(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], join: race, do: {foreach: {items: [1, 2, 3], do: {run: [x]}}}}}\n");
    assert_int_equal(drive_admit(w->d, "each[0][0]"), RV_ANSWER_TAKEN);
    drive_ok(w->d, "each[0][1]");
    for (int i = 0; i < 3; i++) {
        char id[16];
        snprintf(id, sizeof id, "each[1][%d]", i);
        drive_ok(w->d, id);
    }
    world_expect(w, "each[0]", "cancelled superseded");
    world_expect(w, "each[0][1]", "succeeded");
    world_expect(w, "each[0][2]", "cancelled superseded");
    assert_true(drive_has_effect(w->d, RV_EFFECT_STOP, "each[0][0]"));
    completes(w, "each[0][0]", RV_ATTEMPT_OK, RV_DETAIL_NONE);
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void k15__calling_off_reaches_many_and_passes_over_what_has_settled(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], join: race, do: {nodes: {done: {foreach: {items: [1, 2], do: {set: {v: "
        "\"1\"}}}}, "
                        "many: {foreach: {items: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20], do: {run: "
                            "[x]}}}}}}}\n");
    for (int i = 0; i < 20; i++) {
        char id[24];
        snprintf(id, sizeof id, "each[1].many[%d]", i);
        drive_ok(w->d, id);
    }
    world_expect(w, "each[0].done", "succeeded");
    world_expect(w, "each[0].many[0]", "cancelled superseded");
    world_expect(w, "each[0].many[19]", "cancelled superseded");
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void k15__items_that_were_never_made_are_null_in_the_result(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b, c, d], do: {run: [x]}, max_parallel: 2, join: any}}\n");
    drive_fail(w->d, "each[1]", 1);
    world_gives(w, "each[2]", "{\"n\":2}");
    world_expect_result(w, "each", "{\"results\":[null,null,{\"n\":2},null],\"failed\":[1]}");
    assert_false(world_has(w, "each[3]"));
    world_end(w);
}

static void k2__an_unknown_outcome_is_not_called_off_somebody_must_say_what_it_did(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b, c], do: {run: [x], delivery: at_most_once}, join: any}}\n");
    drive_admit(w->d, "each[0]");
    drive_lost(w->d, "each[0]", RV_LOST_WAS_STARTED);
    world_expect(w, "each[0]", "waiting unknown_outcome");
    drive_ok(w->d, "each[1]");
    world_expect(w, "each", "succeeded");
    world_expect(w, "each[0]", "waiting unknown_outcome");
    world_expect(w, "each[2]", "cancelled superseded");
    drive_decide(w->d, "each[0]", RV_DECISION_DONE, NULL);
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void r1__an_adopted_controller_calls_off_what_it_had_begun(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], do: {run: [x]}}}\n");
    drive_ok(w->d, "each[0]");
    assert_int_equal(drive_adopt(w->d, "each"), RV_ANSWER_TAKEN);
    world_expect(w, "each", "succeeded replay");
    world_expect(w, "each[1]", "cancelled superseded");
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

/* Kept is what was carried out, once and for all; what is computed anyway does not count [R1]. */
static void r1__a_controller_was_kept_if_all_that_was_carried_out_beneath_it_was(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a], do: {nodes: {p: {run: [x]}, r: {needs: [p], reduce: {reducer: count, of: "
        "[p]}}}}}}\n");
    assert_int_equal(drive_adopt(w->d, "each[0].p"), RV_ANSWER_TAKEN);
    completes(w, "each[0].r", RV_ATTEMPT_OK, RV_DETAIL_NONE);
    world_expect(w, "each", "succeeded replay");
    world_end(w);
    w = world_of("  each: {foreach: {items: [a], do: {nodes: {p: {run: [x]}, r: {run: [x], needs: [p], revise: {target: p, "
                 "when: \"${r.ok} == false\", max: 2}}}}}}\n");
    assert_int_equal(drive_adopt(w->d, "each[0].p"), RV_ANSWER_TAKEN);
    world_gives(w, "each[0].r", "{\"ok\":false}");
    drive_ok(w->d, "each[0].p~1");
    world_gives(w, "each[0].r~1", "{\"ok\":true}");
    world_expect(w, "each", "succeeded");
    world_end(w);
}

static void r1__a_classify_that_is_kept_without_a_branch_prunes_nothing(void **state)
{
    world *w = world_of("  kind: {classify: {by: {run: [x]}, branches: {a: [p], b: [q]}}}\n  p: {run: [x], needs: [kind]}\n"
                        "  q: {run: [x], needs: [kind]}\n");
    assert_int_equal(drive_adopt(w->d, "kind"), RV_ANSWER_TAKEN);
    world_expect(w, "kind", "succeeded replay");
    world_expect(w, "p", "ready");
    world_expect(w, "q", "ready");
    world_end(w);
}

/* ---- too much ---- */

/* A JSON list of `count` ones. */
static void many_ones(rv_buf *out, uint32_t count)
{
    rv_buf_cstring(out, "{\"l\":[1");
    for (uint32_t i = 1; i < count; i++) rv_buf_add(out, ",1", 2);
    rv_buf_cstring(out, "]}");
}

static void k1__a_run_that_would_have_more_nodes_than_it_may_fails_the_controller(void **state)
{
    static const struct { uint32_t count; const char *says; } cases[] = {
        {600000, "more than 1048576 nodes"}, /* times two */
        {1000001, "more than 1000000 items"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        world *w = world_of("  list: {run: [x]}\n  each: {foreach: {items: \"${list.l}\", do: {nodes: {a: {run: [x]}, b: {run: [x]}}}},"
                            " needs: [list]}\n");
        rv_buf text = {0};
        many_ones(&text, cases[i].count);
        world_gives(w, "list", text.at);
        world_expect_error(w, "each", cases[i].says);
        assert_int_equal(w->d->run->node_count, 2);
        assert_int_equal(w->d->run->status, RV_RUN_ERROR);
        rv_buf_deinit(&text);
        world_end(w);
    }
}

static void k15__results_of_more_than_16_mib_together_fail_the_controller(void **state)
{
    world *w = world_of("  each: {foreach: {items: [a, b], do: {run: [x]}}}\n  z: {run: [x], needs: [each], when: "
        "\"${each.failed.0:-0} == 0\"}\n");
    rv_buf text = {0};
    rv_buf_cstring(&text, "{\"t\":\"");
    memset(rv_buf_extend(&text, 9u << 20), 'a', 9u << 20);
    rv_buf_cstring(&text, "\"}");
    w->d->is_quick = true;
    world_gives(w, "each[0]", text.at);
    world_gives(w, "each[1]", text.at);
    world_expect(w, "each", "failed value");
    world_expect_error(w, "each", "over 16 MiB together");
    rv_buf_deinit(&text);
    world_end(w);
}

static void k31__a_controller_that_a_quota_denies_to_grow_is_denied_and_its_children_called_off(void **state)
{
    static const struct { const char *node; int64_t nodes; const char *open; } cases[] = {
        {"{foreach: {items: [a, b, c], do: {run: [x]}, max_parallel: 1}}", 3, "c[0]"},
        {"{loop: {body: {run: [x]}, max: 3}}", 3, "c#1"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char text[200];
        snprintf(text, sizeof text, "  go: {run: [x]}\n  c: {needs: [go], %s\n", cases[i].node + 1);
        world *w = world_of(text);
        drive_quota(w->d, RV_QUOTA_NODES, cases[i].nodes);
        drive_ok(w->d, "go");
        drive_ok(w->d, cases[i].open);
        world_expect(w, "c", "denied denied");
        world_expect_error(w, "c", "denied at stage growth: the run may have 3 nodes");
        world_end(w);
    }
    world *w = world_of("  go: {run: [x]}\n  c: {needs: [go], foreach: {items: [a, b], do: {run: [x]}}}\n");
    drive_quota(w->d, RV_QUOTA_NODES, 2);
    drive_ok(w->d, "go");
    world_expect(w, "c", "denied denied");
    assert_int_equal(w->d->run->status, RV_RUN_ERROR);
    world_end(w);
}

/* ---- loop [K11] ---- */

static void k11__only_a_false_ends_a_loop(void **state)
{
    static const struct { const char *value; bool ends; } cases[] = {
        {"{\"continue\":false}", true}, {"{\"continue\":\"false\"}", true}, {"{\"continue\":true}", false}, {"{\"continue\":0}", false},
        {"{\"continue\":\"no\"}", false}, {"{\"continue\":null}", false}, {"{\"n\":1}", false}, {"no JSON", false}, {"", false},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        world *w = world_of("  try: {loop: {body: {run: [x]}, max: 5}}\n");
        world_gives(w, "try#1", cases[i].value);
        if (world_has(w, "try#2") == cases[i].ends) fail_msg("after %s", cases[i].value);
        world_end(w);
    }
}

static void k11__an_until_that_cannot_be_asked_fails_the_loop(void **state)
{
    static const struct { const char *until, *said; } cases[] = {
        {"${previous.n}", "neither true nor false"},
        {"${previous.gone} == 1", "previous.gone"},
        {"${previous.n} == 1 || ${previous.n} == 2 || ${previous.n} == 3 || ${previous.n} == 4 || ${previous.n} == 5 || ${previous.n} == 6"
         " || ${previous.n} == 8 || ${previous.gone} == 77", "…"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char text[400];
        snprintf(text, sizeof text, "  try: {loop: {body: {run: [x]}, max: 5, until: \"%s\"}}\n", cases[i].until);
        world *w = world_of(text);
        world_gives(w, "try#1", "{\"n\":7}");
        world_expect(w, "try", "failed value");
        world_expect_error(w, "try", cases[i].said);
        world_end(w);
    }
}

static void k11__an_iteration_that_was_not_wanted_is_the_last(void **state)
{
    world *w = world_of("  try: {loop: {body: {run: [x], when: \"${iteration} < 3\"}, max: 5}}\n");
    world_gives(w, "try#1", "{\"n\":1}");
    world_gives(w, "try#2", "{\"n\":2}");
    world_expect(w, "try#3", "skipped condition");
    world_expect_result(w, "try", "{\"value\":null,\"iterations\":3,\"exhausted\":false}");
    world_end(w);
}

/* ---- classify [K12] ---- */

static void k12__what_is_no_label_fails_the_node_and_says_so(void **state)
{
    char label[120] = {0}, value[160];
    memset(label, 'l', sizeof label - 1);
    snprintf(value, sizeof value, "{\"branch\":\"%s\"}", label);
    const struct { const char *value, *said; } cases[] = {
        {"{\"branch\":\"c\"}", "`c` is none of its branches"},
        {value, "llll` is none of its branches"},
        {"{\"branch\":7}", "named no branch"}, {"{\"b\":1}", "named no branch"}, {"no JSON", "named no branch"}, {"", "named no branch"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        world *w = world_of("  kind: {classify: {by: {run: [x]}, branches: {a: [p], b: [q]}}}\n  p: {run: [x], needs: [kind]}\n"
                            "  q: {run: [x], needs: [kind]}\n");
        world_gives(w, "kind.by", cases[i].value);
        world_expect(w, "kind", "failed branch");
        world_expect_error(w, "kind", cases[i].said);
        world_expect(w, "p", "skipped upstream root=kind");
        world_end(w);
    }
}

static void k12__a_classifier_that_failed_fails_the_node(void **state)
{
    world *w = world_of("  kind: {classify: {by: {run: [x]}, branches: {a: [p]}}}\n  p: {run: [x], needs: [kind]}\n");
    drive_fail(w->d, "kind.by", 1);
    world_expect(w, "kind", "failed children root=kind.by");
    world_end(w);
}

static void k12__a_node_of_another_branch_that_has_begun_is_not_pruned(void **state)
{
    world *w = world_of("  kind: {classify: {by: {run: [x]}, branches: {a: [p], b: [q]}}}\n  p: {run: [x], needs: [kind]}\n"
                        "  q: {run: [x], needs: [kind], dep_policy: optional}\n");
    world_expect(w, "q", "ready");
    world_gives(w, "kind.by", "{\"branch\":\"a\"}");
    world_expect(w, "q", "ready");
    world_expect(w, "p", "ready");
    world_end(w);
}

/* ---- sub-workflows [K15, W2c] ---- */

#define PART "definition: {reeve: 1, name: part, params: {who: {default: Ann}, n: {type: number, default: 1}}, nodes: {a: {set: {v: " \
    "\"${user.who}\"}}, " \
    "b: {run: [x]}, c: {run: [x], needs: [b]}}%s}"

static world *part(const char *more, const char *beside)
{
    char text[700];
    snprintf(text, sizeof text, "  first: {run: [x]}\n  sub: {workflow: {" PART "%s}, needs: [first]}\n", more, beside);
    return world_of(text);
}

static void k15__a_sub_workflow_gives_its_sinks_or_its_own_result(void **state)
{
    world *w = part("", "");
    drive_ok(w->d, "first");
    world_expect_result(w, "sub.a", "{\"v\":\"Ann\"}");
    drive_ok(w->d, "sub.b");
    world_gives(w, "sub.c", "{\"n\":3}");
    world_expect_result(w, "sub", "{\"a\":{\"v\":\"Ann\"},\"c\":{\"n\":3}}");
    world_end(w);
    w = part(", result: {one: \"${c.n}\", two: \"${a.v}\"}", ", params: {who: \"${first.name}\", n: \"${first.n}\"}");
    world_gives(w, "first", "{\"name\":\"Bob\",\"n\":7}");
    drive_ok(w->d, "sub.b");
    world_gives(w, "sub.c", "{\"n\":3}");
    world_expect_result(w, "sub", "{\"one\":3,\"two\":\"Bob\"}");
    world_end(w);
}

static void k15__a_controller_fails_as_its_child_its_values_or_its_result_does(void **state)
{
    world *w = world_of("  a: {run: [x]}\n  each: {foreach: {items: \"${a.gone}\", do: {run: [x]}}, needs: [a]}\n");
    drive_ok(w->d, "a");
    world_expect(w, "each", "failed value");
    world_expect_error(w, "each", "`${a.gone}`: there is no such value");
    world_end(w);
    w = part("", "");
    drive_ok(w->d, "first");
    drive_fail(w->d, "sub.b", 1);
    world_expect(w, "sub", "failed children root=sub.b");
    world_end(w);
    w = part("", ", params: {who: \"${first.name}\"}");
    world_gives(w, "first", "{\"n\":1}");
    world_expect(w, "sub", "failed value");
    world_expect_error(w, "sub", "there is no such value");
    assert_false(world_has(w, "sub.b"));
    world_end(w);
    w = part(", result: {one: \"${c.n}\", two: \"${c.n}\"}", "");
    drive_ok(w->d, "first");
    drive_ok(w->d, "sub.b");
    world_gives(w, "sub.c", "{\"m\":3}");
    world_expect(w, "sub", "failed value");
    world_expect_error(w, "sub", "c.n");
    world_end(w);
}

int main(void)
{
#define T(fn_) cmocka_unit_test(fn_)
    const struct CMUnitTest tests[] = {
        T(k15__a_partial_item_counts_and_a_sink_that_was_not_wanted_is_null), T(k15__branches_pruned_in_an_item_do_it_no_harm),
        T(k15__the_error_of_a_controller_names_the_child_and_a_part_of_what_it_said), T(k15__a_denied_item_fails_its_foreach),
        T(k5__a_controller_whose_children_were_skipped_is_skipped_for_the_same_cause),
        T(k5__a_failed_item_outweighs_a_skipped_one_whichever_came_first),
        T(k5__items_that_had_not_begun_when_somebody_failed_never_begin),
        T(k15__any_fails_as_its_last_item_did_when_none_succeeded), T(k15__max_parallel_holds_when_items_settle_together),
        T(k15__what_is_called_off_beneath_a_decided_controller_is_stopped_once), T(k15__calling_off_reaches_the_children_of_children),
        T(k15__calling_off_reaches_many_and_passes_over_what_has_settled), T(k15__items_that_were_never_made_are_null_in_the_result),
        T(k2__an_unknown_outcome_is_not_called_off_somebody_must_say_what_it_did), T(r1__an_adopted_controller_calls_off_what_it_had_begun),
        T(r1__a_controller_was_kept_if_all_that_was_carried_out_beneath_it_was),
        T(r1__a_classify_that_is_kept_without_a_branch_prunes_nothing),
        T(k1__a_run_that_would_have_more_nodes_than_it_may_fails_the_controller),
        T(k15__results_of_more_than_16_mib_together_fail_the_controller),
        T(k31__a_controller_that_a_quota_denies_to_grow_is_denied_and_its_children_called_off),
        T(k11__only_a_false_ends_a_loop), T(k11__an_until_that_cannot_be_asked_fails_the_loop),
        T(k11__an_iteration_that_was_not_wanted_is_the_last), T(k12__what_is_no_label_fails_the_node_and_says_so),
        T(k12__a_classifier_that_failed_fails_the_node), T(k12__a_node_of_another_branch_that_has_begun_is_not_pruned),
        T(k15__a_sub_workflow_gives_its_sinks_or_its_own_result), T(k15__a_controller_fails_as_its_child_its_values_or_its_result_does),
    };
    return cmocka_run_group_tests_name("children", tests, NULL, NULL);
}
