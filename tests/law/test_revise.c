/* test_revise.c: back-edges [K17]: what is made anew, who waits for it, what happens at the maximum and beyond a quota. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "world.h"

#define REVISE "  draft: {run: [x, \"${feedback.why:-none}\"]}\n  tone: {run: [x], needs: [draft]}\n" \
    "  review: {run: [x], needs: [tone], revise: {target: draft, when: \"${review.ok} == false\", max: 2%s}}\n" \
    "  publish: {run: [x], needs: [review]}\n  log: {run: [x], needs: [draft]}\n"

static void k17__a_revision_makes_the_paths_anew_and_dependents_wait_for_the_latest(void **state)
{
    char text[600];
    snprintf(text, sizeof text, REVISE, "");
    world *w = world_of(text);
    drive_ok(w->d, "draft");
    drive_ok(w->d, "log");
    drive_ok(w->d, "tone");
    world_gives(w, "review", "{\"ok\":false,\"why\":\"dull\"}");
    world_expect(w, "draft~1", "ready");
    world_expect(w, "tone~1", "pending");
    world_expect(w, "publish", "pending");
    assert_false(world_has(w, "log~1"));
    drive_ok(w->d, "draft~1");
    drive_ok(w->d, "tone~1");
    world_gives(w, "review~1", "{\"ok\":true}");
    world_expect(w, "publish", "ready");
    drive_ok(w->d, "publish");
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void k17__at_the_maximum_it_fails_or_asks(void **state)
{
    for (int asks = 0; asks < 2; asks++) {
        char text[600];
        snprintf(text, sizeof text, REVISE, asks ? ", at_max: ask" : "");
        world *w = world_of(text);
        const char *ids[][3] = {{"draft", "tone", "review"}, {"draft~1", "tone~1", "review~1"}, {"draft~2", "tone~2", "review~2"}};
        for (int i = 0; i < 3; i++) {
            drive_ok(w->d, ids[i][0]);
            drive_ok(w->d, ids[i][1]);
            world_gives(w, ids[i][2], "{\"ok\":false}");
        }
        world_expect(w, "review~2", asks ? "waiting approval" : "failed revise_max");
        if (asks) drive_decide(w->d, "review~2", RV_DECISION_APPROVE, NULL);
        world_expect(w, "publish", asks ? "ready" : "skipped upstream root=review~2");
        world_end(w);
    }
}

static void k17__an_approval_that_may_not_be_done_again_is_asked_about_once(void **state)
{
    static const char *const given[] = {"{\"decision\":\"approved\"}", NULL};
    for (int i = 0; i < 4; i++) {
        rv_decision last = i % 2 ? RV_DECISION_REJECT : RV_DECISION_APPROVE;
        world *w = world_of("  a: {run: [x]}\n  ok: {approve: {message: m}, needs: [a], revise: {target: a, "
                           "when: \"${ok.state} != \\\"failed\\\"\", max: 1, at_max: ask}}\n");
        drive_ok(w->d, "a");
        drive_decide(w->d, "ok", RV_DECISION_APPROVE, given[i / 2]);
        drive_ok(w->d, "a~1");
        drive_decide(w->d, "ok~1", RV_DECISION_APPROVE, given[i / 2]);
        world_expect(w, "ok~1", "waiting approval");
        drive_decide(w->d, "ok~1", last, given[i / 2]);
        world_expect(w, "ok~1", last == RV_DECISION_APPROVE ? "succeeded person" : "failed revise_max");
        world_end(w);
    }
}

static void k31__a_back_edge_beyond_the_quota_of_nodes_denies_its_node(void **state)
{
    for (int most = 7; most <= 8; most++) { /* five of the file, three more */
        char text[600];
        snprintf(text, sizeof text, REVISE, "");
        world *w = world_of(text);
        drive_quota(w->d, RV_QUOTA_NODES, most);
        drive_quota(w->d, RV_QUOTA_DEPTH, 0); /* a revision stands no deeper than what it repeats */
        drive_ok(w->d, "draft");
        drive_ok(w->d, "tone");
        world_gives(w, "review", "{\"ok\":false}");
        assert_int_equal(world_has(w, "review~1"), most == 8);
        if (most == 8) {
            world_end(w);
            continue;
        }
        world_expect(w, "review", "denied denied");
        world_expect(w, "publish", "skipped upstream root=review"); /* [K34] */
        assert_true(rv_str_eq(rv_run_error(w->d->run, drive_index(w->d, "review")),
                              RV_STR("denied at stage growth: the run may have 7 nodes, it has 5 and would grow by 3")));
        drive_ok(w->d, "log");
        assert_int_equal(w->d->run->status, RV_RUN_ERROR);
        world_end(w);
    }
}

/* All items are skipped in the step in which they are made: their controller has its result once, and is asked about once. */
static void k17__a_foreach_whose_items_settle_in_one_step_is_asked_about_once(void **state)
{
    world *w = world_of("  a: {set: {n: 1}}\n  each: {foreach: {items: [1, 2, 3, 4], max_parallel: 2, do: {run: [x], when: \"1 == 2\"}}, "
                       "needs: [a], revise: {target: a, when: \"${each.state} != \\\"failed\\\"\", max: 1, at_max: ask}}\n");
    uint32_t asked = 0;
    for (uint32_t i = 0; i < w->d->effects.count; i++)
        asked += w->d->effects.at[i].type == RV_EFFECT_PARK && w->d->effects.at[i].detail == RV_DETAIL_APPROVAL;
    assert_int_equal(asked, 1);
    world_expect(w, "each~1", "waiting approval");
    assert_int_equal(drive_decide(w->d, "each~1", RV_DECISION_APPROVE, NULL), RV_ANSWER_TAKEN);
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static void k31__a_node_that_needs_no_start_is_denied_its_back_edge_too(void **state)
{
    world *w = world_of("  a: {run: [x]}\n  s: {set: {n: \"1\"}, needs: [a], revise: {target: a, when: \"${s.n} == 1\"}}\n");
    drive_quota(w->d, RV_QUOTA_NODES, 2);
    drive_ok(w->d, "a");
    world_expect(w, "s", "denied denied");
    assert_true(w->d->pairs_seen[RV_NODE_PENDING][RV_NODE_DENIED]);
    world_end(w);
}

/* c says x: n2, of the branch y, is pruned before n1 has ended, which it needs and which is done again with it. */
static void k17__what_a_pruned_branch_needs_is_waited_for_by_the_back_edge_over_it(void **state)
{
    world *w = world_of("  c: {classify: {by: {run: [x]}, branches: {x: [n1], y: [n2]}}}\n  n1: {run: [x], needs: [c]}\n"
                       "  n2: {run: [x], needs: [c, n1]}\n"
                       "  r: {run: [x], needs: [c], after: [n2], revise: {target: c, when: \"${r.n} == 1\"}}\n");
    world_gives(w, "c.by", "{\"branch\":\"x\"}");
    world_expect(w, "n2", "skipped pruned");
    world_expect(w, "r", "pending");
    drive_ok(w->d, "n1");
    world_gives(w, "r", "{\"n\":1}");
    world_gives(w, "c~1.by", "{\"branch\":\"y\"}");
    world_expect(w, "n1~1", "skipped pruned");
    drive_ok(w->d, "n2~1");
    world_gives(w, "r~1", "{\"n\":2}");
    assert_int_equal(w->d->run->status, RV_RUN_OK);
    world_end(w);
}

static rv_answer signal_go(world *w)
{
    return drive_step(w->d, &(rv_event){.type = RV_EVENT_SIGNAL, .node = RV_NONE, .key = RV_STR("go"), .text = RV_STR("me")});
}

static void k17__a_wait_that_is_asked_about_leaves_an_event_for_the_next(void **state)
{
    world *w = world_of("  a: {set: {n: 1}}\n  e: {wait: {event: go}, needs: [a], revise: {target: a, when: "
                       "\"${e.state} != \\\"failed\\\"\", max: 1, at_max: ask}}\n  z: {wait: {event: go}, needs: [e]}\n");
    assert_int_equal(signal_go(w), RV_ANSWER_TAKEN);
    assert_int_equal(signal_go(w), RV_ANSWER_TAKEN);
    world_expect(w, "e~1", "waiting approval");
    assert_int_equal(signal_go(w), RV_ANSWER_TAKEN);
    world_expect(w, "e~1", "waiting approval");
    assert_int_equal(drive_decide(w->d, "e~1", RV_DECISION_APPROVE, NULL), RV_ANSWER_TAKEN);
    world_expect(w, "z", "succeeded");
    world_end(w);
}

static void k17__a_controller_may_be_revised_and_asked_about(void **state)
{
    world *w = world_of("  a: {run: [x]}\n  l: {loop: {body: {run: [x]}, max: 1}, needs: [a], revise: {target: a, "
                       "when: \"${l.exhausted}\", max: 1, at_max: ask}}\n  z: {run: [x], needs: [l]}\n");
    drive_ok(w->d, "a");
    drive_ok(w->d, "l#1");
    drive_ok(w->d, "a~1");
    drive_ok(w->d, "l~1#1");
    world_expect(w, "l~1", "waiting approval");
    assert_true(w->d->pairs_seen[RV_NODE_WAITING][RV_NODE_WAITING]);
    drive_decide(w->d, "l~1", RV_DECISION_REJECT, NULL);
    world_expect(w, "l~1", "failed revise_max");
    world_expect(w, "z", "skipped upstream root=l~1");
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(k17__a_revision_makes_the_paths_anew_and_dependents_wait_for_the_latest),
        cmocka_unit_test(k17__at_the_maximum_it_fails_or_asks),
        cmocka_unit_test(k17__an_approval_that_may_not_be_done_again_is_asked_about_once),
        cmocka_unit_test(k31__a_back_edge_beyond_the_quota_of_nodes_denies_its_node),
        cmocka_unit_test(k17__a_foreach_whose_items_settle_in_one_step_is_asked_about_once),
        cmocka_unit_test(k31__a_node_that_needs_no_start_is_denied_its_back_edge_too),
        cmocka_unit_test(k17__what_a_pruned_branch_needs_is_waited_for_by_the_back_edge_over_it),
        cmocka_unit_test(k17__a_wait_that_is_asked_about_leaves_an_event_for_the_next),
        cmocka_unit_test(k17__a_controller_may_be_revised_and_asked_about),
    };
    return cmocka_run_group_tests_name("revise", tests, NULL, NULL);
}
