/* test_wait.c: nodes that need no process and hold no slot [K16]: approvals, input, wait; answers that come early [K60]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drive.h"
#include "kernel/run_private.h"

static void k16__waiting_nodes_hold_no_slot(void **state)
{
    drive *d = drive_new("a: !approve; i: !input; w: !wait %for=100; x");
    assert_int_equal(d->run->running, 0);
    assert_int_equal(drive_effect_count(d, RV_EFFECT_PARK), 3);
    assert_int_equal(drive_effect_count(d, RV_EFFECT_SPAWN), 0);
    assert_int_equal(drive_admit(d, "a"), RV_ANSWER_ILLEGAL);
    drive_free(d);
}

/* ---- approvals ---- */

static void w2__an_approval_lets_its_dependents_go_on(void **state)
{
    drive *d = drive_new("a: !approve; b: a when ${a.decision} == \"approve\"");
    drive_decide(d, "a", RV_DECISION_APPROVE, "{\"decision\":\"approve\",\"by\":\"ann\"}");
    assert_string_equal(drive_says(d, "a"), "succeeded person");
    assert_true(drive_has_effect(d, RV_EFFECT_RESUMED, "a"));
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

static void w2__a_rejection_fails_the_node(void **state)
{
    drive *d = drive_new("a: !approve; b: a");
    drive_decide(d, "a", RV_DECISION_REJECT, "{\"decision\":\"reject\"}");
    assert_string_equal(drive_says(d, "a"), "failed rejected");
    assert_string_equal(drive_says(d, "b"), "skipped upstream root=a");
    drive_free(d);
}

static void w2__on_reject_continue_makes_a_rejection_a_result(void **state)
{
    drive *d = drive_new("a: !approve %reject=continue; b: a when ${a.decision} == \"reject\"");
    drive_decide(d, "a", RV_DECISION_REJECT, "{\"decision\":\"reject\"}");
    assert_string_equal(drive_says(d, "a"), "succeeded person");
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

static void w2__an_approval_that_nobody_gives_ends_at_its_deadline(void **state)
{
    drive *d = drive_new("a: !approve %deadline=1000; b: a");
    assert_int_equal(rv_run_due_ms(d->run), 2000);
    drive_tick(d, 999);
    assert_string_equal(drive_says(d, "a"), "waiting approval");
    drive_crash(d);
    drive_tick(d, 1);
    assert_string_equal(drive_says(d, "a"), "failed deadline");
    assert_true(rv_run_error(d->run, 0).size > 0);
    assert_true(drive_has_effect(d, RV_EFFECT_RESUMED, "a")); /* its blocker closes */
    assert_int_equal(drive_decide(d, "a", RV_DECISION_APPROVE, NULL), RV_ANSWER_STALE); /* [P2] */
    drive_free(d);
}

/* [P7] it binds what was shown: before it was shown there is nothing to approve; the second one comes too late. */
static void p7__an_approval_is_used_once_and_not_before_it_was_asked(void **state)
{
    drive *d = drive_new("x; a: x !approve; b: a");
    assert_int_equal(drive_decide(d, "a", RV_DECISION_APPROVE, NULL), RV_ANSWER_ILLEGAL);
    drive_ok(d, "x");
    assert_int_equal(drive_answer(d, "a", "1"), RV_ANSWER_ILLEGAL);
    assert_int_equal(drive_decide(d, "a", RV_DECISION_DONE, NULL), RV_ANSWER_ILLEGAL);
    assert_int_equal(drive_decide(d, "a", RV_DECISION_APPROVE, NULL), RV_ANSWER_TAKEN);
    assert_int_equal(drive_decide(d, "a", RV_DECISION_REJECT, NULL), RV_ANSWER_STALE);
    assert_string_equal(drive_says(d, "a"), "succeeded person");
    drive_free(d);
}

/* ---- input ---- */

static void w2__an_answer_is_the_result(void **state)
{
    drive *d = drive_new("i: !input; b: i when ${i.value} == 7");
    drive_answer(d, "i", "{\"value\":7}");
    assert_string_equal(drive_says(d, "i"), "succeeded person");
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

static void w2__the_default_is_taken_at_the_deadline(void **state)
{
    drive *d = drive_new("i: !input %deadline=50 %default=7; b: i when ${i.value} == 7; j: !input %deadline=50");
    drive_tick(d, 50);
    assert_string_equal(drive_says(d, "i"), "succeeded");
    assert_string_equal(drive_says(d, "b"), "ready");
    assert_string_equal(drive_says(d, "j"), "failed deadline");
    drive_free(d);
}

static void k60__an_answer_before_the_wait_is_kept_and_consumed(void **state)
{
    drive *d = drive_new("x; i: x !input; b: i when ${i.value} == 7");
    assert_int_equal(drive_answer(d, "i", "{\"value\":7}"), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "i"), "pending");
    assert_int_equal(drive_answer(d, "i", "{\"value\":8}"), RV_ANSWER_STALE); /* the first one counts */
    drive_crash(d);
    drive_ok(d, "x");
    assert_string_equal(drive_says(d, "i"), "succeeded person");
    assert_string_equal(drive_says(d, "b"), "ready");
    assert_int_equal(drive_effect_count(d, RV_EFFECT_PARK), 0); /* nobody is asked what was answered */
    drive_free(d);
}

static void k60__an_answer_kept_for_a_node_that_is_skipped_is_null(void **state)
{
    drive *d = drive_new("x; i: x !input when false; b: i when ${i.value} == null");
    drive_answer(d, "i", "{\"value\":7}");
    drive_ok(d, "x");
    assert_string_equal(drive_says(d, "i"), "skipped condition");
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

static void k60__an_answer_between_crash_and_resume_is_not_lost(void **state)
{
    drive *d = drive_new("i: !input; b: i");
    drive_crash(d);
    drive_answer(d, "i", "{\"value\":1}");
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

static void k60__each_wait_is_announced_and_closed_once(void **state)
{
    drive *d = drive_new("i: !input; a: !approve; w: !wait %for=10; b: i a w");
    drive_crash(d);
    drive_signal(d, RV_EVENT_RESUME);
    drive_answer(d, "i", "{\"value\":1}");
    drive_decide(d, "a", RV_DECISION_APPROVE, NULL);
    drive_tick(d, 10);
    assert_int_equal(drive_effect_count(d, RV_EFFECT_PARK), 3);
    assert_int_equal(drive_effect_count(d, RV_EFFECT_RESUMED), 3);
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

/* ---- wait ---- */

static void w2__wait_for_lasts_as_long_as_it_says(void **state)
{
    drive *d = drive_new("w: !wait %for=1000; b: w; z: !wait");
    assert_string_equal(drive_says(d, "z"), "succeeded");
    drive_tick(d, 999);
    assert_string_equal(drive_says(d, "w"), "waiting timer");
    drive_tick(d, 1);
    assert_string_equal(drive_says(d, "w"), "succeeded");
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

/* Engine time, not wall time: a clock that is set forward does not shorten it. */
static void w2__wait_for_does_not_look_at_the_wall_clock(void **state)
{
    drive *d = drive_new("w: !wait %for=1000");
    d->now.wall_ms += 3600 * 1000;
    drive_tick(d, 10);
    assert_string_equal(drive_says(d, "w"), "waiting timer");
    drive_free(d);
}

static void w2__wait_until_follows_a_wall_clock_that_is_set_back(void **state)
{
    drive *d = drive_new("w: !wait %until=1700000005000; past: !wait %until=1600000000000");
    assert_string_equal(drive_says(d, "past"), "succeeded");
    d->now.wall_ms -= 3000; /* set back while it waits */
    drive_tick(d, 5000);
    assert_string_equal(drive_says(d, "w"), "waiting timer");
    assert_int_equal(rv_run_due_ms(d->run), d->now.engine_ms + 3000);
    assert_true(drive_has_effect(d, RV_EFFECT_ARM_TIMER, NULL));
    drive_tick(d, 3000);
    assert_string_equal(drive_says(d, "w"), "succeeded");
    drive_free(d);
}

static void w2__timers_come_due_in_their_order_in_one_tick(void **state)
{
    drive *d = drive_new("c: !wait %for=30; a: !wait %for=10; b: !wait %for=20; n: a b c");
    drive_tick(d, 1000);
    assert_string_equal(drive_says(d, "n"), "ready");
    assert_int_equal(rv_run_due_ms(d->run), 0);
    drive_free(d);
}

static void timer__a_restored_run_has_its_timers(void **state)
{
    drive *d = drive_new("w: !wait %for=500; a: %attempts=2 %delay=300; t: %total=800; %timeout=900");
    drive_fail(d, "a", 1);
    drive_crash(d); /* by replay */
    drive_crash(d); /* from a snapshot */
    assert_int_equal(rv_run_due_ms(d->run), 1300);
    drive_tick(d, 300);
    assert_string_equal(drive_says(d, "a"), "ready");
    assert_int_equal(rv_run_due_ms(d->run), 1500);
    drive_tick(d, 200);
    assert_string_equal(drive_says(d, "w"), "succeeded");
    assert_int_equal(rv_run_due_ms(d->run), 1800);
    drive_tick(d, 300);
    assert_string_equal(drive_says(d, "t"), "failed timeout");
    assert_int_equal(rv_run_due_ms(d->run), 1900);
    drive_free(d);
}

/* The heap against sorting: random times, some cleared, some moved, taken out a few at a time. */
static void timer__items_come_out_by_time_then_node(void **state)
{
    uint64_t seed = 99;
    rv_buf text = {0};
    for (int n = 0; n < 300; n++) rv_buf_printf(&text, "n%d; ", n);
    for (int round = 0; round < 30; round++) {
        const rv_graph *graph = rv_graph_text(text.at);
        rv_run *run = rv_run_new(graph);
        uint32_t left = 0;
        for (int i = 0; i < 700; i++) {
            uint32_t node = rv_rng_below(&seed, 300);
            run->nodes[node].due_ms = rv_rng_below(&seed, 5) ? 1 + rv_rng_below(&seed, 200) : 0;
            if (run->nodes[node].due_ms) rv_run_timer_push(run, run->nodes[node].due_ms, node, RV_TIMER_NODE);
        }
        for (uint32_t node = 0; node < 300; node++) left += run->nodes[node].due_ms != 0;
        rv_timer_item item, last = {0};
        for (int64_t now_ms = 0; now_ms <= 200; now_ms += rv_rng_below(&seed, 20)) {
            while (rv_run_timer_pop(run, now_ms, &item)) {
                assert_true(item.due_ms <= now_ms && run->nodes[item.node].due_ms == item.due_ms);
                assert_true(item.due_ms > last.due_ms || (item.due_ms == last.due_ms && item.node > last.node));
                run->nodes[item.node].due_ms = 0;
                last = item;
                left--;
            }
            for (uint32_t node = 0; node < 300; node++) assert_true(run->nodes[node].due_ms == 0 || run->nodes[node].due_ms > now_ms);
        }
        while (rv_run_timer_pop(run, 200, &item)) run->nodes[item.node].due_ms = 0, left--;
        assert_int_equal(left, 0);
        rv_run_free(run);
        rv_graph_text_free(graph);
    }
    rv_buf_deinit(&text);
}

/* Deadlines come and go: the heap of timers does not grow with what is over. */
static void w2__timers_that_are_over_are_forgotten(void **state)
{
    drive *d = drive_new("a: %attempts=100000 %total=1000000000; b");
    for (int i = 0; i < 3000; i++) {
        d->now.engine_ms++;
        drive_admit(d, "a");
        rv_event lost = {.type = RV_EVENT_LOST, .node = 0, .epoch = drive_node(d, "a")->epoch};
        drive_step(d, &lost);
        drive_signal(d, RV_EVENT_INTERRUPT); /* each makes the total stand still and go on: one timer each time */
        drive_signal(d, RV_EVENT_RESUME);
        drive_admit(d, "a");
        drive_signal(d, RV_EVENT_INTERRUPT);
        drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
        drive_signal(d, RV_EVENT_RESUME);
    }
    assert_true(d->run->timers.capacity <= 256);
    drive_free(d);
}

/* ---- events from outside ---- */

static void k16__a_wait_for_an_event_ends_with_what_comes_with_it(void **state)
{
    drive *d = drive_new("w: !wait %event=go; b: w when ${w.n} == 3");
    assert_string_equal(drive_says(d, "w"), "waiting event");
    assert_true(drive_has_effect(d, RV_EFFECT_PARK, "w"));
    assert_int_equal(d->run->running, 0);
    assert_int_equal(drive_event(d, "other", "{\"n\":1}"), RV_ANSWER_TAKEN); /* nobody's */
    assert_string_equal(drive_says(d, "w"), "waiting event");
    drive_crash(d);
    assert_int_equal(drive_event(d, "go", "{\"n\":3}"), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "w"), "succeeded");
    assert_true(drive_has_effect(d, RV_EFFECT_RESUMED, "w"));
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

static void k60__an_event_before_the_wait_is_kept_and_consumed_once(void **state)
{
    drive *d = drive_new("a; w: a !wait %event=go; x: w !wait %event=go");
    assert_int_equal(drive_event(d, "go", "{\"n\":1}"), RV_ANSWER_TAKEN);
    assert_int_equal(d->run->signals.count, 1);
    drive_crash(d); /* replays the journal */
    drive_crash(d); /* restores a snapshot */
    assert_int_equal(d->run->signals.count, 1);
    drive_ok(d, "a");
    assert_string_equal(drive_says(d, "w"), "succeeded");
    assert_false(drive_has_effect(d, RV_EFFECT_PARK, "w"));
    assert_int_equal(d->run->signals.count, 0);
    rv_str result = rv_run_result(d->run, 1);
    assert_int_equal(result.size, strlen("{\"n\":1}"));
    assert_memory_equal(result.at, "{\"n\":1}", result.size);
    assert_string_equal(drive_says(d, "x"), "waiting event"); /* it was one event */
    drive_free(d);
}

static void k60__kept_events_are_consumed_in_the_order_of_their_coming(void **state)
{
    drive *d = drive_new("a; w: a !wait %event=go; x: w !wait %event=go; y: x !wait %event=go");
    drive_event(d, "go", "1");
    drive_event(d, "stop", NULL);
    drive_event(d, "go", NULL);
    drive_ok(d, "a");
    assert_string_equal(drive_says(d, "w"), "succeeded");
    assert_string_equal(drive_says(d, "x"), "succeeded");
    assert_string_equal(drive_says(d, "y"), "waiting event");
    assert_true(rv_str_is(rv_run_result(d->run, 1), "1"));
    assert_int_equal(rv_run_result(d->run, 2).size, 0); /* nothing came with it */
    assert_int_equal(d->run->signals.count, 1);
    drive_free(d);
}

static void k16__one_event_ends_every_wait_that_has_begun(void **state)
{
    drive *d = drive_new("v: !wait %event=go; w: !wait %event=go; x: w !wait %event=go; y: !wait %event=stop");
    assert_int_equal(drive_event(d, "go", NULL), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "v"), "succeeded");
    assert_string_equal(drive_says(d, "w"), "succeeded");
    assert_string_equal(drive_says(d, "x"), "waiting event"); /* it began after it */
    assert_string_equal(drive_says(d, "y"), "waiting event");
    assert_int_equal(d->run->signals.count, 0);
    drive_free(d);
}

static void k60__an_event_between_interrupt_and_resume_is_not_lost(void **state)
{
    drive *d = drive_new("v: !wait %event=go; a; w: a v !wait %event=more; b: w");
    drive_admit(d, "a");
    drive_signal(d, RV_EVENT_INTERRUPT);
    drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    assert_int_equal(drive_event(d, "go", NULL), RV_ANSWER_TAKEN);
    assert_int_equal(drive_event(d, "more", NULL), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "v"), "succeeded");
    drive_crash(d);
    drive_signal(d, RV_EVENT_RESUME);
    drive_ok(d, "a");
    assert_string_equal(drive_says(d, "w"), "succeeded");
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

static void k60__events_of_no_name_and_for_no_run_are_refused(void **state)
{
    drive *d = drive_new_bare("w: !wait %event=go");
    assert_int_equal(drive_event(d, "go", NULL), RV_ANSWER_ILLEGAL); /* not loaded yet */
    drive_signal(d, RV_EVENT_LOAD);
    assert_int_equal(drive_event(d, "", NULL), RV_ANSWER_ILLEGAL);
    drive_event(d, "go", NULL);
    assert_int_equal(d->run->status, RV_RUN_OK);
    assert_int_equal(drive_event(d, "go", NULL), RV_ANSWER_STALE); /* [P2] */
    drive_free(d);
}

static void k60__as_many_events_are_kept_as_there_is_room_for(void **state)
{
    drive *d = drive_new("w: !wait %event=go; a");
    d->is_quick = true;
    for (uint32_t i = 0; i < RV_SIGNALS_MAX; i++) assert_int_equal(drive_event(d, "other", NULL), RV_ANSWER_TAKEN);
    assert_int_equal(drive_event(d, "other", NULL), RV_ANSWER_ILLEGAL);
    assert_int_equal(drive_event(d, "go", NULL), RV_ANSWER_TAKEN); /* somebody waits for it */
    assert_string_equal(drive_says(d, "w"), "succeeded");
    drive_free(d);
}

static void k60__a_journal_that_keeps_or_takes_an_event_that_is_none_is_damaged(void **state)
{
    drive *d = drive_new("w: !wait %event=go; v: !wait %for=1000; a; x: a !wait %event=more");
    rv_error error = {0};
    rv_event kept = {.type = RV_EVENT_SIGNAL_KEPT, .node = RV_NONE}, tick = {.type = RV_EVENT_TICK},
             signal = {.type = RV_EVENT_SIGNAL, .key = RV_STR("go")};
    rv_run *run = rv_run_new(d->graph);
    assert_int_equal(rv_run_apply(run, &kept, NULL, &error), RV_CORRUPT);
    assert_int_equal(rv_run_apply(run, &kept, &tick, &error), RV_CORRUPT);
    for (uint32_t node = 0; node < 4; node++) {
        rv_event taken = {.type = RV_EVENT_SIGNAL_TAKEN, .node = node};
        assert_int_equal(rv_run_apply(run, &taken, NULL, &error), RV_CORRUPT); /* no such event is kept */
    }
    for (uint32_t i = 0; i < RV_SIGNALS_MAX; i++) assert_int_equal(rv_run_apply(run, &kept, &signal, &error), RV_OK);
    assert_int_equal(rv_run_apply(run, &kept, &signal, &error), RV_CORRUPT);
    rv_event skip = {.type = RV_EVENT_NODE_STATE, .node = 0, .state = RV_NODE_SKIPPED, .detail = RV_DETAIL_CONDITION};
    assert_int_equal(rv_run_apply(run, &skip, NULL, &error), RV_OK);
    assert_int_equal(rv_run_apply(run, &(rv_event){.type = RV_EVENT_SIGNAL_TAKEN, .node = 0}, NULL, &error), RV_CORRUPT); /* it is over */
    rv_run_free(run);
    drive_free(d);
}

/* ---- directives ---- */

static void k61__a_directive_is_kept_told_to_who_runs_and_changes_nothing_else(void **state)
{
    drive *d = drive_new("a; b: a; i: !input");
    rv_event steer = {.type = RV_EVENT_STEER, .node = 0, .key = RV_STR("ann"), .text = RV_STR("shorter")};
    assert_int_equal(drive_step(d, &steer), RV_ANSWER_TAKEN);
    assert_false(drive_has_effect(d, RV_EFFECT_STEER, "a")); /* nobody runs yet */
    drive_admit(d, "a");
    steer.text = RV_STR("longer");
    assert_int_equal(drive_step(d, &steer), RV_ANSWER_TAKEN);
    assert_true(drive_has_effect(d, RV_EFFECT_STEER, "a"));
    assert_string_equal(drive_says(d, "a"), "running");
    drive_crash(d);
    drive_crash(d);
    assert_int_equal(d->run->steers.count, 2);
    assert_true(rv_str_is(rv_run_steer(d->run, 0), "shorter") && rv_str_is(rv_run_steer(d->run, 1), "longer"));
    steer.text = (rv_str){NULL, 0};
    assert_int_equal(drive_step(d, &steer), RV_ANSWER_ILLEGAL);
    steer.text = RV_STR("x");
    steer.node = 2;
    assert_int_equal(drive_step(d, &steer), RV_ANSWER_ILLEGAL); /* a person has no turns */
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    steer.node = 0;
    assert_int_equal(drive_step(d, &steer), RV_ANSWER_STALE);
    drive_free(d);
}

static void k61__a_run_keeps_no_more_directives_than_it_may(void **state)
{
    drive *d = drive_new("a");
    rv_error error = {0};
    d->is_quick = true;
    rv_event steer = {.type = RV_EVENT_STEER, .node = 0, .text = RV_STR("x")};
    for (uint32_t i = 0; i < RV_STEERS_MAX; i++) assert_int_equal(drive_step(d, &steer), RV_ANSWER_TAKEN);
    assert_int_equal(drive_step(d, &steer), RV_ANSWER_ILLEGAL);
    assert_int_equal(rv_run_apply(d->run, &steer, NULL, &error), RV_CORRUPT);
    rv_run *run = rv_run_new(d->graph);
    steer.text = (rv_str){NULL, 0};
    assert_int_equal(rv_run_apply(run, &steer, NULL, &error), RV_CORRUPT);
    rv_run_free(run);
    drive_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(k16__waiting_nodes_hold_no_slot),
        cmocka_unit_test(w2__an_approval_lets_its_dependents_go_on),
        cmocka_unit_test(w2__a_rejection_fails_the_node),
        cmocka_unit_test(w2__on_reject_continue_makes_a_rejection_a_result),
        cmocka_unit_test(w2__an_approval_that_nobody_gives_ends_at_its_deadline),
        cmocka_unit_test(p7__an_approval_is_used_once_and_not_before_it_was_asked),
        cmocka_unit_test(w2__an_answer_is_the_result),
        cmocka_unit_test(w2__the_default_is_taken_at_the_deadline),
        cmocka_unit_test(k60__an_answer_before_the_wait_is_kept_and_consumed),
        cmocka_unit_test(k60__an_answer_kept_for_a_node_that_is_skipped_is_null),
        cmocka_unit_test(k60__an_answer_between_crash_and_resume_is_not_lost),
        cmocka_unit_test(k60__each_wait_is_announced_and_closed_once),
        cmocka_unit_test(w2__wait_for_lasts_as_long_as_it_says),
        cmocka_unit_test(w2__wait_for_does_not_look_at_the_wall_clock),
        cmocka_unit_test(w2__wait_until_follows_a_wall_clock_that_is_set_back),
        cmocka_unit_test(w2__timers_come_due_in_their_order_in_one_tick),
        cmocka_unit_test(timer__a_restored_run_has_its_timers),
        cmocka_unit_test(timer__items_come_out_by_time_then_node),
        cmocka_unit_test(w2__timers_that_are_over_are_forgotten),
        cmocka_unit_test(k61__a_directive_is_kept_told_to_who_runs_and_changes_nothing_else),
        cmocka_unit_test(k61__a_run_keeps_no_more_directives_than_it_may),
        cmocka_unit_test(k16__a_wait_for_an_event_ends_with_what_comes_with_it),
        cmocka_unit_test(k60__an_event_before_the_wait_is_kept_and_consumed_once),
        cmocka_unit_test(k60__kept_events_are_consumed_in_the_order_of_their_coming),
        cmocka_unit_test(k16__one_event_ends_every_wait_that_has_begun),
        cmocka_unit_test(k60__an_event_between_interrupt_and_resume_is_not_lost),
        cmocka_unit_test(k60__events_of_no_name_and_for_no_run_are_refused),
        cmocka_unit_test(k60__as_many_events_are_kept_as_there_is_room_for),
        cmocka_unit_test(k60__a_journal_that_keeps_or_takes_an_event_that_is_none_is_damaged),
    };
    return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
