/* test_submit.c: nodes that a running node gives [K20, K62]: what becomes the run's and what is refused; a submitter that is run
 * again; edges to what was there before; and random lives that submit, die and submit again. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/gate.h"

static void refused(world *w, const char *node, const char *text, const char *words)
{
    rv_buf said = {0};
    uint32_t before = w->d->run->node_count;
    assert_int_equal(world_submit_said(w, node, "1", text, &said), RV_ANSWER_NOT_FOUND);
    if (!strstr(said.at, words)) fail_msg("said %s, not %s", said.at, words);
    assert_int_equal(w->d->run->node_count, before);
    rv_buf_deinit(&said);
}

#define PLAN "  fetch: {run: [x]}\n  plan: {run: [x]}\n  z: {run: [x], needs: [plan, fetch], dep_policy: all_terminal, " \
             "when: \"${fetch.n:-0} == 0\"}\n"

static void k20__submitted_nodes_are_the_runs_and_forward_edges_hold(void **state)
{
    world *w = world_of(PLAN);
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "nodes:\n  last: {run: [x], needs: [first]}\n  first: {run: [x]}\n"), RV_ANSWER_TAKEN);
    world_expect(w, "first", "ready");
    world_expect(w, "last", "pending");
    assert_int_equal(world_index(w, "last"), w->spec->graph.node_count);
    drive_crash(w->d);
    drive_crash(w->d);
    drive_complete(w->d, "plan", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    drive_ok(w->d, "first");
    world_expect(w, "last", "ready");
    drive_ok(w->d, "fetch");
    drive_ok(w->d, "z");
    assert_int_equal(w->d->run->status, RV_RUN_RUNNING); /* it ends with them */
    drive_fail(w->d, "last", 3);
    assert_int_equal(w->d->run->status, RV_RUN_ERROR); /* and as they do */
    world_end(w);
}

static void k20__what_the_run_had_before_may_be_needed_and_read(void **state)
{
    world *w = world_of(PLAN);
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "nodes:\n  more: {run: [x], needs: [fetch], when: \"${fetch.n} == 3\"}\n"
                                            "  soft: {run: [x], after: [fetch, plan]}\n"
                                            "  done: {run: [x], needs: [fetch], dep_policy: optional}\n"), RV_ANSWER_TAKEN);
    world_expect(w, "more", "pending");
    world_expect(w, "done", "ready");
    drive_admit(w->d, "fetch");
    drive_crash(w->d);
    drive_complete_value(w->d, "fetch", "{\"n\":3}", "");
    world_expect(w, "more", "ready");
    world_expect(w, "soft", "pending");
    drive_complete(w->d, "plan", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    world_expect(w, "soft", "ready");
    world_end(w);
}

static void k20__a_predecessor_from_outside_that_fails_is_their_root(void **state)
{
    world *w = world_of(PLAN);
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "nodes:\n  more: {run: [x], needs: [fetch]}\n"), RV_ANSWER_TAKEN);
    drive_fail(w->d, "fetch", 3);
    world_expect(w, "more", "skipped upstream root=fetch");
    assert_int_equal(world_submit(w, "plan", "2", "nodes:\n  late: {run: [x], needs: [more]}\n"), RV_ANSWER_TAKEN);
    world_expect(w, "late", "skipped upstream root=fetch");
    world_end(w);
}

static void k20__one_bad_node_refuses_all_and_is_named(void **state)
{
    world *w = world_of(PLAN);
    drive_admit(w->d, "plan");
    refused(w, "plan", "nodes:\n  good: {run: [x]}\n  fetch: {run: [x]}\n", "the run has a node `fetch` already");
    refused(w, "plan", "nodes:\n  good: {run: [x]}\n  bad: {run: [x], needs: [nobody]}\n", "`nobody`");
    refused(w, "plan", "nodes:\n  a: {run: [x], needs: [b]}\n  b: {run: [x], needs: [a]}\n", "a");
    refused(w, "plan", "nodes:\n  a: {run: [x]}\non: {exit: {run: [x]}}\n", "`on`");
    assert_false(world_has(w, "good"));
    world_end(w);
}

static void k20__a_submitter_run_again_repeats_itself_without_doubling(void **state)
{
    static const char one[] = "nodes:\n  a: {run: [x]}\n  b: {run: [x], needs: [a]}\n",
                      two[] = "nodes: {c: {run: [x]}, d: {approve: {message: ok}}}\n";
    world *w = world_of(PLAN);
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", one), RV_ANSWER_TAKEN);
    assert_int_equal(world_submit(w, "plan", "2", two), RV_ANSWER_TAKEN);
    uint32_t count = w->d->run->node_count, a = world_index(w, "a");
    drive_ok(w->d, "a");
    drive_crash(w->d);
    drive_lost(w->d, "plan", RV_LOST_WAS_STARTED);
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "nodes: {q: {run: [x]}}\n"), RV_ANSWER_ILLEGAL); /* another digest is a conflict */
    assert_int_equal(world_submit(w, "plan", "1", one), RV_ANSWER_TAKEN);
    assert_int_equal(w->d->run->node_count, count);
    assert_int_equal(world_index(w, "a"), a);
    world_expect(w, "a", "succeeded");
    drive_crash(w->d);
    drive_complete(w->d, "plan", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    world_expect(w, "b", "ready"); /* given again */
    world_expect(w, "c", "cancelled superseded");
    world_expect(w, "d", "cancelled superseded");
    world_end(w);
}

static void k20__what_has_started_is_not_superseded(void **state)
{
    world *w = world_of(PLAN);
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "nodes: {a: {run: [x]}, b: {run: [x], needs: [a]}, c: {run: [x]}}\n"), RV_ANSWER_TAKEN);
    drive_admit(w->d, "a");
    drive_lost(w->d, "plan", RV_LOST_WAS_STARTED);
    drive_ok(w->d, "plan");
    world_expect(w, "a", "running");
    world_expect(w, "b", "cancelled superseded");
    world_expect(w, "c", "cancelled superseded");
    drive_complete(w->d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    world_end(w);
}

static void k20__only_a_running_attempt_submits(void **state)
{
    world *w = world_of(PLAN "on: {exit: {run: [x]}}\n");
    static const char one[] = "nodes: {a: {run: [x]}}\n";
    assert_int_equal(world_submit(w, "plan", "1", one), RV_ANSWER_STALE);
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "", one), RV_ANSWER_ILLEGAL);
    rv_event event = {.type = RV_EVENT_SUBMIT, .node = 1, .epoch = 77, .key = RV_STR("1"), .value = RV_STR("{}"), .text = RV_STR("x")};
    assert_int_equal(drive_step(w->d, &event), RV_ANSWER_STALE);
    event.epoch = w->d->run->nodes[1].epoch;
    assert_int_equal(drive_step(w->d, &event), RV_ANSWER_ILLEGAL); /* it cannot be compiled */
    event.node = 99;
    assert_int_equal(drive_step(w->d, &event), RV_ANSWER_NOT_FOUND);
    drive_complete(w->d, "plan", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_int_equal(world_submit(w, "plan", "1", one), RV_ANSWER_STALE);
    drive_ok(w->d, "fetch");
    drive_ok(w->d, "z");
    drive_admit(w->d, "on.exit");
    assert_int_equal(world_submit(w, "on.exit", "1", one), RV_ANSWER_ILLEGAL); /* the graph is over */
    world_end(w);
}

static void k1__submitted_ids_stand_where_the_submitter_stands(void **state)
{
    world *w = world_of("  top: {run: [x]}\n  each: {foreach: {items: [a, b], do: {nodes: {plan: {run: [x]}, t: {run: [x]}}}}}\n"
                        "  l: {loop: {body: {run: [x]}, max: 2}}\n");
    static const char more[] = "nodes:\n  more: {run: [x], needs: [t, top]}\n  m: {foreach: {items: [1], do: {run: [x]}}}\n";
    drive_admit(w->d, "each[0].plan");
    drive_admit(w->d, "each[1].plan");
    drive_admit(w->d, "l#1");
    assert_int_equal(world_submit(w, "each[1].plan", "1", more), RV_ANSWER_TAKEN);
    assert_int_equal(world_submit(w, "each[0].plan", "1", more), RV_ANSWER_TAKEN);
    assert_int_equal(world_submit(w, "l#1", "1", "nodes: {more: {run: [x]}}\n"), RV_ANSWER_TAKEN);
    assert_true(world_has(w, "each[1].more") && world_has(w, "each[0].more") && world_has(w, "l#1.more") && world_has(w, "each[1].m[0]"));
    assert_false(world_has(w, "more"));
    refused(w, "each[1].plan", "nodes: {t: {run: [x]}}\n", "the run has a node `t` already");
    drive_ok(w->d, "each[0].t");
    drive_ok(w->d, "top");
    world_expect(w, "each[0].more", "ready");
    world_expect(w, "each[1].more", "pending");
    drive_admit(w->d, "each[0].more");
    assert_int_equal(world_submit(w, "each[0].more", "1", "nodes: {again: {run: [x], needs: [t]}}\n"), RV_ANSWER_TAKEN);
    world_expect(w, "each[0].again", "ready");
    drive_crash(w->d);
    drive_crash(w->d);
    world_end(w);
}

static void k20__params_are_the_runs_but_for_a_workflow_with_its_own(void **state)
{
    world *w = world_of(PLAN);
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "params: {town: {default: Oslo}}\nnodes:\n  a: {set: {v: \"${user.town}\"}}\n"),
                     RV_ANSWER_TAKEN);
    assert_true(rv_str_is(rv_run_result(w->d->run, world_index(w, "a")), "{\"v\":\"Oslo\"}"));
    assert_true(rv_run_is_inside(w->d->run, world_index(w, "a")));
    assert_int_equal(world_submit(w, "plan", "2", "nodes: {b: {run: [x, \"${user.city}\"]}}\n"), RV_ANSWER_TAKEN);
    assert_false(rv_run_is_inside(w->d->run, world_index(w, "b")));
    refused(w, "plan", "nodes: {c: {run: [x, \"${user.town}\"]}}\n", "no such param");
    world_end(w);
}

/* [K17] edges mean the latest instance, also those from outside. */
static void k17__submitted_nodes_wait_for_the_latest_revision(void **state)
{
    world *w = world_of("  plan: {run: [x]}\n  a: {run: [x]}\n  b: {run: [x], needs: [a], "
                        "revise: {target: a, when: \"${b.ok} == false\", max: 2}}\n");
    drive_ok(w->d, "a");
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "nodes: {more: {run: [x], needs: [a, b]}, s: {run: [x], needs: [more],"
                                            " revise: {target: more, when: \"${s.ok} == false\", max: 1}}}\n"), RV_ANSWER_TAKEN);
    world_expect(w, "more", "pending");
    drive_admit(w->d, "b");
    drive_complete_value(w->d, "b", "{\"ok\":false}", "");
    world_expect(w, "a~1", "ready");
    world_expect(w, "more", "pending");
    drive_ok(w->d, "a~1");
    drive_crash(w->d);
    drive_admit(w->d, "b~1");
    drive_complete_value(w->d, "b~1", "{\"ok\":true}", "");
    world_expect(w, "more", "ready");
    drive_ok(w->d, "more");
    drive_admit(w->d, "s");
    drive_complete_value(w->d, "s", "{\"ok\":false}", "");
    world_expect(w, "more~1", "ready");
    drive_crash(w->d);
    drive_crash(w->d);
    world_end(w);
}

/* Trust and quotas are the gate's: what is submitted stands beneath its submitter. */
static void k21__what_a_quarantined_node_submits_is_quarantined(void **state)
{
    world *w = world_of(PLAN);
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "nodes: {a: {run: [x]}, l: {loop: {body: {run: [x]}, max: 2}}}\n"), RV_ANSWER_TAKEN);
    drive_admit(w->d, "a");
    assert_int_equal(world_submit(w, "a", "1", "nodes: {b: {run: [x]}}\n"), RV_ANSWER_TAKEN);
    assert_false(rv_run_is_quarantined(w->d->run, world_index(w, "b")));
    rv_node_def *plan = (rv_node_def *)(uintptr_t)&w->spec->graph.nodes[1];
    plan->flags |= RV_NODE_F_QUARANTINED;
    assert_true(rv_run_is_quarantined(w->d->run, world_index(w, "a")));
    assert_true(rv_run_is_quarantined(w->d->run, world_index(w, "b")));
    assert_true(rv_run_is_quarantined(w->d->run, world_index(w, "l#1")));
    assert_false(rv_run_is_quarantined(w->d->run, world_index(w, "z")));
    plan->flags &= (uint16_t)~RV_NODE_F_QUARANTINED;
    world_end(w);
}

static void k31__a_quota_of_nodes_or_depth_denies_a_submission(void **state)
{
    world *w = world_of(PLAN);
    drive_admit(w->d, "plan");
    rv_event quota = {.type = RV_EVENT_QUOTA, .node = RV_NONE, .state = RV_QUOTA_NODES, .amount = 4};
    assert_int_equal(drive_step(w->d, &quota), RV_ANSWER_TAKEN);
    assert_int_equal(world_submit(w, "plan", "1", "nodes: {a: {run: [x]}, b: {run: [x]}}\n"), RV_ANSWER_ILLEGAL);
    assert_int_equal(world_submit(w, "plan", "1", "nodes: {a: {run: [x]}}\n"), RV_ANSWER_TAKEN);
    quota.amount = -1;
    drive_step(w->d, &quota);
    quota = (rv_event){.type = RV_EVENT_QUOTA, .node = RV_NONE, .state = RV_QUOTA_DEPTH, .amount = 1};
    drive_step(w->d, &quota);
    drive_admit(w->d, "a");
    assert_int_equal(world_submit(w, "a", "1", "nodes: {b: {run: [x]}}\n"), RV_ANSWER_ILLEGAL);
    world_end(w);
}

static void k61__preempting_ends_what_was_submitted_too(void **state)
{
    world *w = world_of(PLAN);
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "nodes: {a: {run: [x]}, b: {run: [x], needs: [a, fetch]}, "
                                            "c: {foreach: {items: [1, 2], do: {run: [x]}}}}\n"),
                     RV_ANSWER_TAKEN);
    drive_admit(w->d, "c[1]");
    assert_int_equal(drive_signal(w->d, RV_EVENT_PREEMPT), RV_ANSWER_TAKEN);
    assert_int_equal(w->d->run->status, RV_RUN_CANCELLED);
    for (uint32_t node = 0; node < w->d->run->node_count; node++)
        assert_true(rv_node_state_is_terminal((rv_node_state)w->d->run->nodes[node].state));
    assert_int_equal(world_submit(w, "plan", "2", "nodes: {d: {run: [x]}}\n"), RV_ANSWER_STALE);
    assert_int_equal(drive_complete(w->d, "c[1]", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0), RV_ANSWER_STALE);
    world_end(w);
}

static void k20__a_run_that_is_being_ended_takes_them_and_ends_them(void **state)
{
    static const rv_event_type ends[] = {RV_EVENT_CANCEL, RV_EVENT_FAIL_FAST, RV_EVENT_INTERRUPT};
    for (size_t i = 0; i < RV_COUNT(ends); i++) {
        world *w = world_of(PLAN);
        drive_admit(w->d, "plan");
        if (ends[i] == RV_EVENT_FAIL_FAST) drive_fail(w->d, "fetch", 1);
        drive_signal(w->d, ends[i]);
        assert_int_equal(world_submit(w, "plan", "1", "nodes: {a: {run: [x]}, b: {run: [x], needs: [a]}}\n"), RV_ANSWER_TAKEN);
        drive_complete(w->d, "plan", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
        assert_int_equal(rv_run_state_is_terminal((rv_run_state)w->d->run->status), ends[i] != RV_EVENT_INTERRUPT);
        drive_signal(w->d, RV_EVENT_RESUME);
        world_expect(w, "a", ends[i] == RV_EVENT_CANCEL ? "cancelled run" : ends[i] == RV_EVENT_FAIL_FAST ? "skipped fail_fast" : "ready");
        world_end(w);
    }
}

static void k62__a_journal_or_state_whose_submission_is_none_is_damaged(void **state)
{
    world *w = world_of(PLAN);
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "nodes: {a: {run: [x], needs: [fetch]}}\n"), RV_ANSWER_TAKEN);
    rv_error error = {0};
    rv_event submitted = {.type = RV_EVENT_SUBMITTED, .node = 1, .epoch = 1}, tick = {.type = RV_EVENT_TICK},
             cause = {.type = RV_EVENT_SUBMIT, .node = 1, .epoch = 1, .key = RV_STR("1"), .value = RV_STR("{}"), .text = RV_STR("other")};
    rv_run *run = rv_run_new(&w->spec->graph);
    assert_int_equal(rv_run_apply(run, &submitted, &cause, &error), RV_CORRUPT); /* it does not run */
    assert_int_equal(rv_run_apply(w->d->run, &submitted, NULL, &error), RV_CORRUPT);
    assert_int_equal(rv_run_apply(w->d->run, &submitted, &tick, &error), RV_CORRUPT);
    assert_int_equal(rv_run_apply(w->d->run, &submitted, &cause, &error), RV_CORRUPT); /* another digest under its key */
    cause.key = RV_STR("2");
    assert_int_equal(rv_run_apply(w->d->run, &submitted, &cause, &error), RV_CORRUPT); /* it does not compile */
    cause.node = 0;
    assert_int_equal(rv_run_apply(w->d->run, &submitted, &cause, &error), RV_CORRUPT);
    rv_buf bytes = {0};
    rv_run_encode(w->d->run, &bytes);
    assert_int_equal(rv_run_decode(run, rv_buf_str(&bytes), &error), RV_CORRUPT); /* nobody compiles for it */
    rv_buf_deinit(&bytes);
    rv_run_free(run);
    world_end(w);
}

/* ---- random lives ---- */

static const char *const given[] = {
    "nodes: {a: {run: [x]}, b: {run: [x], needs: [a, fetch]}}\n",
    "nodes: {c: {foreach: {items: [1, 2], do: {run: [x]}}}, d: {run: [x], needs: [c], after: [plan]}}\n",
    "nodes: {e: {run: [x], retry: {max_attempts: 2}}, f: {run: [x], needs: [e], "
    "revise: {target: e, when: \"${f.ok:-true} == false\", max: 1}}}\n",
    "nodes: {g: {wait: {event: go}}, h: {approve: {message: ok}, needs: [g], dep_policy: all_terminal}, "
    "i: {run: [x], needs: [fetch], dep_policy: optional}}\n",
    "nodes: {j: {run: [x], needs: [plan]}, k: {loop: {body: {run: [x]}, max: 2}, needs: [j]}}\n",
};

static uint32_t below(uint64_t *seed, uint32_t n) { return rv_rng_below(seed, n); }

static void touch(world *w, uint64_t *seed, uint32_t node)
{
    drive *d = w->d;
    const rv_node_run *at = &d->run->nodes[node];
    rv_event event = {.type = RV_EVENT_TICK, .node = node, .epoch = at->epoch, .exit_status = -1, .signal = -1};
    bool is_plan = node == 1 || node == 0;
    if (at->state == RV_NODE_READY) event.type = RV_EVENT_ADMITTED;
    else if (at->state == RV_NODE_RUNNING && is_plan && below(seed, 3)) {
        char key[2] = {(char)('1' + below(seed, RV_COUNT(given))), 0}; /* which key a node gives what under does not change */
        rv_buf said = {0}, id = {0};
        rv_run_id(d->run, node, &id);
        (void)world_submit_said(w, id.at, key, given[key[0] - '1'], &said);
        rv_buf_deinit(&said);
        rv_buf_deinit(&id);
        return;
    } else if (at->state == RV_NODE_RUNNING) {
        event.type = RV_EVENT_COMPLETED;
        event.state = below(seed, 5) ? RV_ATTEMPT_OK : RV_ATTEMPT_ERROR;
        event.detail = event.state == RV_ATTEMPT_OK ? RV_DETAIL_NONE : RV_DETAIL_EXIT;
        event.exit_status = event.state == RV_ATTEMPT_OK ? 0 : 3;
        event.value = below(seed, 2) ? RV_STR("{\"ok\":false}") : RV_STR("{\"ok\":true}");
    } else if (at->state == RV_NODE_WAITING && at->detail == RV_DETAIL_APPROVAL) event.type = RV_EVENT_DECIDED;
    else if (at->state == RV_NODE_WAITING && at->detail == RV_DETAIL_EVENT) event.type = RV_EVENT_SIGNAL, event.key = RV_STR("go");
    (void)drive_step(d, &event);
}

/* At each crash, and at the end, what is replayed, restored and decided again is compared (drive.h). */
static void k62__random_lives_that_submit_end_and_replay_to_the_byte(void **state)
{
    for (uint64_t first = 1; first <= 150; first++) {
        uint64_t seed = first * 7919;
        world *w = world_of("  fetch: {run: [x], retry: {max_attempts: 2}}\n  plan: {run: [x], retry: {max_attempts: 3}}\n"
                            "  z: {run: [x], needs: [plan], dep_policy: all_terminal}\n");
        w->d->seed = first;
        for (uint32_t steps = 0; steps < 80 && !rv_run_state_is_terminal((rv_run_state)w->d->run->status); steps++) {
            touch(w, &seed, below(&seed, w->d->run->node_count));
            uint32_t rare = below(&seed, 60);
            if (rare == 0) world_crash(w, &seed);
            if (rare == 1) drive_signal(w->d, below(&seed, 5) ? RV_EVENT_INTERRUPT : RV_EVENT_CANCEL);
            if (w->d->run->status == RV_RUN_INTERRUPTED) drive_signal(w->d, RV_EVENT_RESUME);
        }
        drive_to_end(w->d);
        if (first <= 12) drive_check_cuts(w->d); /* [K62], cut at every row */
        world_end(w);
    }
}

int main(void)
{
#define T(fn_) cmocka_unit_test(fn_)
    const struct CMUnitTest tests[] = {
        T(k20__submitted_nodes_are_the_runs_and_forward_edges_hold), T(k20__what_the_run_had_before_may_be_needed_and_read),
        T(k20__a_predecessor_from_outside_that_fails_is_their_root), T(k20__one_bad_node_refuses_all_and_is_named),
        T(k20__a_submitter_run_again_repeats_itself_without_doubling), T(k20__what_has_started_is_not_superseded),
        T(k20__only_a_running_attempt_submits), T(k1__submitted_ids_stand_where_the_submitter_stands),
        T(k20__params_are_the_runs_but_for_a_workflow_with_its_own), T(k17__submitted_nodes_wait_for_the_latest_revision),
        T(k21__what_a_quarantined_node_submits_is_quarantined), T(k31__a_quota_of_nodes_or_depth_denies_a_submission),
        T(k61__preempting_ends_what_was_submitted_too), T(k20__a_run_that_is_being_ended_takes_them_and_ends_them),
        T(k62__a_journal_or_state_whose_submission_is_none_is_damaged), T(k62__random_lives_that_submit_end_and_replay_to_the_byte),
    };
    return cmocka_run_group_tests_name("submit", tests, NULL, NULL);
}
