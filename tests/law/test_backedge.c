/* test_backedge.c: back-edges beyond the usual [K17]: what failed on the way, several in one place, dependents that have begun, conditions
 * that cannot be asked, runs that are ending, the times of what waits for a revision [K52], and facts that no back-edge can have. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void says(world *w, const char *node, bool ok) { world_gives(w, node, ok ? "{\"ok\":true}" : "{\"ok\":false}"); }

/* ---- what is superseded ---- */

static void k17__a_failure_that_a_revision_made_good_is_not_the_runs(void **state)
{
    static const rv_attempt_state ends[] = {RV_ATTEMPT_ERROR, RV_ATTEMPT_DENIED};
    for (size_t i = 0; i < RV_COUNT(ends); i++) {
        world *w = world_of("  a: {run: [x]}\n  b: {run: [x], needs: [a], dep_policy: all_terminal, revise: {target: a, "
                            "when: \"${a.state} != \\\"succeeded\\\"\", max: 2}}\n");
        drive_admit(w->d, "a");
        drive_complete(w->d, "a", ends[i], i ? RV_DETAIL_DENIED : RV_DETAIL_EXIT, 1);
        assert_int_equal(w->d->run->failed, 1);
        drive_ok(w->d, "b");
        world_expect(w, "a", i ? "denied denied" : "failed exit");
        world_expect(w, "a~1", "ready");
        assert_int_equal(w->d->run->failed, 0);
        drive_crash(w->d);
        drive_crash(w->d);
        drive_signal(w->d, RV_EVENT_FAIL_FAST); /* nothing has failed that counts */
        world_expect(w, "a~1", "ready");
        drive_ok(w->d, "a~1");
        drive_ok(w->d, "b~1");
        assert_int_equal(w->d->run->status, RV_RUN_OK);
        world_end(w);
    }
}

static void k17__a_failure_made_good_within_an_item_is_not_its_items(void **state)
{
    world *w = world_of("  each: {foreach: {items: [1], do: {nodes: {a: {run: [x]}, b: {run: [x], needs: [a], dep_policy: "
        "all_terminal, revise: "
                        "{target: a, when: \"${a.state} != \\\"succeeded\\\"\", max: 2}}}}}}\n");
    drive_fail(w->d, "each[0].a", 1);
    drive_ok(w->d, "each[0].b");
    drive_ok(w->d, "each[0].a~1");
    drive_ok(w->d, "each[0].b~1");
    world_expect_result(w, "each", "{\"results\":[{\"b\":{}}],\"failed\":[]}");
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void k17__two_back_edges_of_one_place_are_counted_apart(void **state)
{
    world *w = world_of("  a: {run: [x]}\n  r: {run: [x], needs: [a], revise: {target: a, when: \"${r.ok} == false\", max: 1}}\n"
                        "  c: {run: [x], needs: [r]}\n  s: {run: [x], needs: [c], revise: {target: c, when: \"${s.ok} == false\", max: "
                            "1}}\n");
    drive_ok(w->d, "a");
    says(w, "r", false);
    drive_ok(w->d, "a~1");
    says(w, "r~1", true);
    drive_ok(w->d, "c");
    says(w, "s", false); /* r's one does not count for s */
    world_expect(w, "c~1", "ready");
    drive_ok(w->d, "c~1");
    says(w, "s~1", false);
    world_expect(w, "s~1", "failed revise_max");
    world_expect_error(w, "s~1", "was revised 1 times");
    world_end(w);
}

static void k20__a_submitted_dependent_that_has_begun_keeps_what_it_began_with(void **state)
{
    world *w = world_of("  plan: {run: [x]}\n  a: {run: [x]}\n  b: {run: [x], needs: [a], revise: {target: a, when: \"${b.ok} == "
        "false\", max: 2}}\n");
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "nodes: {one: {run: [x], needs: [a]}, two: {run: [x], needs: [a, one]}}\n"),
        RV_ANSWER_TAKEN);
    drive_ok(w->d, "a");
    drive_admit(w->d, "one");
    says(w, "b", false);
    world_expect(w, "one", "running");
    world_expect(w, "two", "pending");
    drive_complete(w->d, "one", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    world_expect(w, "two", "pending"); /* it waits for the latest */
    drive_crash(w->d);
    drive_ok(w->d, "a~1");
    world_expect(w, "two", "ready");
    world_end(w);
}

/* ---- when it may not, or cannot ---- */

static void k17__a_condition_that_cannot_be_asked_fails_the_node(void **state)
{
    static const struct { const char *when, *said; } cases[] = {
        {"${b.n}", "`revise.when` is neither true nor false"}, {"${b.gone} == 1", "b.gone"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char text[200];
        snprintf(text, sizeof text, "  a: {run: [x]}\n  b: {run: [x], needs: [a], revise: {target: a, when: \"%s\", max: 2}}\n",
            cases[i].when);
        world *w = world_of(text);
        drive_ok(w->d, "a");
        world_gives(w, "b", "{\"n\":7}");
        world_expect(w, "b", "failed value");
        world_expect_error(w, "b", cases[i].said);
        world_end(w);
    }
}

static void k17__a_run_that_is_ending_takes_no_back_edge(void **state)
{
    static const rv_event_type ends[] = {RV_EVENT_CANCEL, RV_EVENT_FAIL_FAST, RV_EVENT_INTERRUPT};
    for (size_t i = 0; i < RV_COUNT(ends); i++) {
        world *w = world_of("  bad: {run: [x]}\n  a: {run: [x]}\n  b: {run: [x], needs: [a], revise: {target: a, when: \"${b.ok} == "
            "false\", max: 2}}\n");
        drive_ok(w->d, "a");
        drive_admit(w->d, "b");
        drive_signal(w->d, ends[i]);
        if (ends[i] == RV_EVENT_FAIL_FAST) drive_fail(w->d, "bad", 1);
        drive_complete_value(w->d, "b", "{\"ok\":false}", "");
        world_expect(w, "b", "succeeded");
        assert_int_equal(world_has(w, "a~1"), ends[i] == RV_EVENT_INTERRUPT); /* that one goes on */
        world_end(w);
    }
}

/* A graph whose back-edge leads over so many nodes; none can be written, so one's count is changed. */
static void k1__a_revision_that_the_run_has_no_room_for_is_as_one_too_many(void **state)
{
    world *w = world_of("  a: {run: [x]}\n  b: {run: [x], needs: [a], revise: {target: a, when: \"${b.ok} == false\", max: 2}}\n");
    rv_revise_def *revise = (rv_revise_def *)(uintptr_t)&w->spec->graph.revises[0];
    drive_ok(w->d, "a");
    revise->member_count = RV_RUN_NODES_MAX;
    says(w, "b", false);
    world_expect(w, "b", "failed revise_max");
    world_end(w);
}

/* ---- the times of what was put back and waits for a revision [K52] ---- */

static void k52__time_that_passes_while_a_node_waits_for_a_revision_is_not_its_own(void **state)
{
    world *w = world_of("  a: {run: [x]}\n  late: {run: [x], needs: [a], timeout_total: 10s}\n"
                        "  b: {run: [x], needs: [a], revise: {target: a, when: \"${b.ok} == false\", max: 2}}\n");
    drive_ok(w->d, "a");
    drive_admit(w->d, "late");
    drive_admit(w->d, "b");
    drive_signal(w->d, RV_EVENT_INTERRUPT);
    drive_complete(w->d, "late", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    drive_complete_value(w->d, "b", "{\"ok\":false}", "");
    drive_signal(w->d, RV_EVENT_RESUME);
    world_expect(w, "late", "pending signalled"); /* it was put back, and its predecessor is being made anew */
    drive_tick(w->d, 5000);
    world_expect(w, "late", "pending signalled");
    drive_ok(w->d, "a~1");
    world_expect(w, "late", "ready");
    drive_tick(w->d, 9000);
    world_expect(w, "late", "ready");
    drive_tick(w->d, 2000);
    world_expect(w, "late", "failed timeout"); /* its time has begun anew */
    world_end(w);
}

/* Journals of a version that let it go on. */
static void k52__a_time_that_ran_out_before_its_node_began_begins_with_it(void **state)
{
    world *w = world_of("  a: {run: [x]}\n  late: {run: [x], needs: [a], timeout_total: 10s}\n");
    rv_run *run = rv_run_new(&w->spec->graph);
    rv_out out = {0};
    rv_event facts[] = {{.type = RV_EVENT_LOAD, .key = RV_STR("r"), .value = RV_STR("{}")},
                        {.type = RV_EVENT_RUN_STATE, .state = RV_RUN_RUNNING},
                        {.type = RV_EVENT_NODE_STATE, .node = 0, .state = RV_NODE_READY},
                        {.type = RV_EVENT_NODE_TIMER, .node = 1, .flags = RV_TIMER_TOTAL, .due_ms = 5}};
    for (size_t i = 0; i < RV_COUNT(facts); i++) assert_int_equal(rv_run_apply(run, &facts[i], NULL, NULL), RV_OK);
    rv_event tick = {.type = RV_EVENT_TICK, .node = RV_NONE};
    assert_int_equal(rv_run_reserve(run, &out, &tick), RV_OK);
    assert_int_equal(rv_run_step(run, &tick, (rv_now){.engine_ms = 50}, &out), RV_ANSWER_TAKEN);
    assert_int_equal(run->nodes[1].state, RV_NODE_PENDING);
    assert_int_equal(run->nodes[1].total_due_ms, 0);
    assert_null(rv_run_check(run));
    rv_out_deinit(&out);
    rv_run_free(run);
    world_end(w);
}

/* ---- facts that no back-edge has ---- */

static void refused(world *w, const char *node)
{
    rv_buf before = {0}, after = {0};
    rv_error error;
    rv_event fact = {.type = RV_EVENT_REVISED, .node = world_index(w, node), .number = 1};
    rv_run_encode(w->d->run, &before);
    assert_int_equal(rv_run_apply(w->d->run, &fact, NULL, &error), RV_CORRUPT);
    rv_run_encode(w->d->run, &after);
    assert_true(rv_str_eq(rv_buf_str(&before), rv_buf_str(&after)));
    rv_buf_deinit(&before);
    rv_buf_deinit(&after);
}

static void k62__a_revision_of_what_has_none_or_has_not_succeeded_is_damage(void **state)
{
    world *w = world_of("  a: {run: [x]}\n  b: {run: [x], needs: [a], revise: {target: a, when: \"${b.ok} == false\", max: 2}}\n");
    refused(w, "a");
    refused(w, "b");
    drive_ok(w->d, "a");
    says(w, "b", false);
    refused(w, "b"); /* it was revised */
    drive_ok(w->d, "a~1");
    says(w, "b~1", true);
    rv_revise_def *revise = (rv_revise_def *)(uintptr_t)&w->spec->graph.revises[0];
    uint32_t members = revise->member_count;
    revise->member_count = RV_RUN_NODES_MAX;
    refused(w, "b~1");
    revise->member_count = members;
    world_end(w);
    w = world_of("  a: {run: [x]}\n  b: {run: [x], needs: [a], revise: {target: a, when: \"${b.ok} == false\", max: 2}}\n");
    rv_run *run = rv_run_new(&w->spec->graph); /* b has succeeded, what it needs has not ended */
    rv_event facts[] = {{.type = RV_EVENT_LOAD, .key = RV_STR("r"), .value = RV_STR("{}")},
                        {.type = RV_EVENT_RUN_STATE, .state = RV_RUN_RUNNING},
                        {.type = RV_EVENT_NODE_STATE, .node = 1, .state = RV_NODE_SUCCEEDED, .detail = RV_DETAIL_FRESH}};
    for (size_t i = 0; i < RV_COUNT(facts); i++) assert_int_equal(rv_run_apply(run, &facts[i], NULL, NULL), RV_OK);
    assert_int_equal(rv_run_apply(run, &(rv_event){.type = RV_EVENT_REVISED, .node = 1, .number = 1}, NULL, NULL), RV_CORRUPT);
    rv_run_free(run);
    world_end(w);
}

int main(void)
{
#define T(fn_) cmocka_unit_test(fn_)
    const struct CMUnitTest tests[] = {
        T(k17__a_failure_that_a_revision_made_good_is_not_the_runs), T(k17__a_failure_made_good_within_an_item_is_not_its_items),
        T(k17__two_back_edges_of_one_place_are_counted_apart), T(k20__a_submitted_dependent_that_has_begun_keeps_what_it_began_with),
        T(k17__a_condition_that_cannot_be_asked_fails_the_node), T(k17__a_run_that_is_ending_takes_no_back_edge),
        T(k1__a_revision_that_the_run_has_no_room_for_is_as_one_too_many),
        T(k52__time_that_passes_while_a_node_waits_for_a_revision_is_not_its_own),
        T(k52__a_time_that_ran_out_before_its_node_began_begins_with_it),
        T(k62__a_revision_of_what_has_none_or_has_not_succeeded_is_damage),
    };
    return cmocka_run_group_tests_name("backedge", tests, NULL, NULL);
}
