/* test_stop.c: interrupt [W33], cancel [A11], preempt [K61], the run's timeout, failing fast, handlers [W1]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drive.h"

/* ---- interrupt ---- */

static void w33__an_interrupt_puts_back_what_ran_and_counts_for_nothing(void **state)
{
    drive *d = drive_new("a: %attempts=1; b; c: a");
    drive_admit(d, "a");
    drive_started(d, "a");
    drive_signal(d, RV_EVENT_INTERRUPT);
    assert_true(drive_has_effect(d, RV_EFFECT_STOP, "a"));
    assert_int_equal(drive_admit(d, "b"), RV_ANSWER_ILLEGAL); /* nothing more is admitted */
    assert_int_equal(d->run->status, RV_RUN_RUNNING);
    drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_string_equal(drive_says(d, "a"), "pending signalled");
    assert_int_equal(drive_node(d, "a")->failures + drive_node(d, "a")->losses, 0);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    assert_true(drive_has_effect(d, RV_EFFECT_RUN_ENDED, NULL));
    drive_crash(d);
    drive_signal(d, RV_EVENT_RESUME);
    assert_int_equal(d->run->status, RV_RUN_RUNNING);
    drive_ok(d, "a");
    drive_ok(d, "b");
    drive_ok(d, "c");
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

/* P3: whether it happened is not known, so nobody runs it again without being told to. */
static void p3__what_may_happen_once_is_unknown_when_an_interrupt_cuts_it(void **state)
{
    drive *d = drive_new("a: %delivery=at_most_once %unknown=ask; b: a");
    drive_admit(d, "a");
    drive_started(d, "a");
    drive_signal(d, RV_EVENT_INTERRUPT);
    drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_string_equal(drive_says(d, "a"), "waiting unknown_outcome");
    assert_int_equal(drive_node(d, "a")->attempt, RV_ATTEMPT_UNKNOWN);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    drive_crash(d);
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "a"), "waiting unknown_outcome");
    drive_free(d);
}

static void w33__what_ends_within_the_grace_keeps_its_outcome(void **state)
{
    drive *d = drive_new("a; b; c: a; e: b");
    drive_admit(d, "a");
    drive_admit(d, "b");
    drive_signal(d, RV_EVENT_INTERRUPT);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_string_equal(drive_says(d, "c"), "pending"); /* decided when the run goes on */
    drive_complete(d, "b", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "c"), "ready");
    assert_string_equal(drive_says(d, "e"), "skipped upstream root=b");
    drive_free(d);
}

static void w33__an_interrupt_of_a_run_that_waits_takes_effect_at_once(void **state)
{
    drive *d = drive_new("a: !approve; b: a");
    drive_signal(d, RV_EVENT_INTERRUPT);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    assert_string_equal(drive_says(d, "a"), "waiting approval");
    assert_int_equal(drive_decide(d, "a", RV_DECISION_APPROVE, NULL), RV_ANSWER_TAKEN); /* no lost wake-up [K60] */
    assert_string_equal(drive_says(d, "b"), "pending");
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

/* A due time of a run that does not go on would wake its engine again and again: a tick cannot move it. */
static void w33__an_interrupted_run_wants_no_tick(void **state)
{
    drive *d = drive_new("a: !approve %deadline=40; b: a");
    assert_true(rv_run_due_ms(d->run) > 0);
    drive_signal(d, RV_EVENT_INTERRUPT);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    assert_int_equal(rv_run_due_ms(d->run), 0);
    drive_signal(d, RV_EVENT_RESUME);
    assert_true(rv_run_due_ms(d->run) > 0);
    drive_free(d);
}

static void w33__a_second_interrupt_repeats_nothing(void **state)
{
    drive *d = drive_new("a");
    drive_admit(d, "a");
    drive_signal(d, RV_EVENT_INTERRUPT);
    assert_int_equal(drive_signal(d, RV_EVENT_INTERRUPT), RV_ANSWER_STALE);
    assert_int_equal(drive_effect_count(d, RV_EFFECT_STOP), 1);
    drive_free(d);
}

/* A crash between the signal and the end of what was stopped. */
static void w33__an_interrupt_survives_a_crash(void **state)
{
    drive *d = drive_new("a; b");
    drive_admit(d, "a");
    drive_started(d, "a");
    drive_signal(d, RV_EVENT_INTERRUPT);
    drive_crash(d);
    drive_lost(d, "a", RV_LOST_STOPPED);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    assert_int_equal(drive_node(d, "a")->losses, 0);
    drive_signal(d, RV_EVENT_RESUME);
    drive_ok(d, "a");
    drive_ok(d, "b");
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

/* A reduce starts by itself: also the second time, but never in a run that is being interrupted. */
static void w33__a_reduce_is_not_started_while_interrupting(void **state)
{
    for (int way = 0; way < 2; way++) {
        drive *d = drive_new("a; r: !reduce %attempts=3 %lost_max=9");
        drive_signal(d, RV_EVENT_INTERRUPT);
        if (way) drive_complete(d, "r", RV_ATTEMPT_ERROR, RV_DETAIL_UNAVAILABLE, -1);
        else drive_lost(d, "r", 0);
        assert_string_equal(drive_says(d, "r"), "ready");
        assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
        drive_signal(d, RV_EVENT_RESUME);
        assert_string_equal(drive_says(d, "r"), "running");
        assert_true(drive_has_effect(d, RV_EFFECT_REDUCE, "r"));
        drive_free(d);
    }
}

static void w33__a_decision_for_an_interrupted_run_starts_nothing(void **state)
{
    drive *d = drive_new("a; r: !reduce %delivery=at_most_once %unknown=ask");
    drive_started(d, "r");
    drive_lost(d, "r", 0);
    drive_signal(d, RV_EVENT_INTERRUPT);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    drive_decide(d, "r", RV_DECISION_AGAIN, NULL);
    assert_string_equal(drive_says(d, "r"), "ready");
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "r"), "running");
    drive_free(d);
}

/* ---- cancel ---- */

/*   runs ──► after     ready ──► next     waits        each ends with the cause of [A11] */
static void a11__a_cancel_gives_each_node_its_cause(void **state)
{
    drive *d = drive_new("runs; ready; waits: !approve; done; after: runs; next: ready;"
                         " last: after; soft: ~runs; any: runs [all_terminal]");
    drive_ok(d, "done");
    drive_admit(d, "runs");
    drive_signal(d, RV_EVENT_CANCEL);
    assert_true(drive_has_effect(d, RV_EFFECT_STOP, "runs"));
    assert_string_equal(drive_says(d, "ready"), "cancelled run");
    assert_string_equal(drive_says(d, "waits"), "cancelled run");
    assert_string_equal(drive_says(d, "next"), "cancelled upstream_cancelled root=ready");
    assert_int_equal(d->run->status, RV_RUN_RUNNING);
    drive_complete(d, "runs", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_string_equal(drive_says(d, "runs"), "cancelled signalled");
    assert_string_equal(drive_says(d, "after"), "cancelled upstream_cancelled root=runs");
    assert_string_equal(drive_says(d, "last"), "cancelled upstream_cancelled root=runs");
    assert_string_equal(drive_says(d, "soft"), "cancelled run");
    assert_string_equal(drive_says(d, "any"), "cancelled run");
    assert_string_equal(drive_says(d, "done"), "succeeded");
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    drive_free(d);
}

/* However an attempt comes back after the cancel, nothing of the run begins again. */
static void a11__nothing_runs_again_after_a_cancel(void **state)
{
    static const struct { uint32_t lost_flags; bool is_failure; const char *then; } cases[] = {
        {0, false, "cancelled signalled"}, {RV_LOST_STOPPED, false, "cancelled signalled"},
        {RV_LOST_NEVER_STARTED, false, "cancelled signalled"}, {0, true, "failed exit"}};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        for (int started = 0; started < 2; started++) {
            drive *d = drive_new("a: %attempts=5; b: a");
            drive_admit(d, "a");
            if (started) drive_started(d, "a");
            drive_signal(d, RV_EVENT_CANCEL);
            if (cases[i].is_failure) drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
            else drive_lost(d, "a", cases[i].lost_flags);
            assert_string_equal(drive_says(d, "a"), cases[i].then);
            assert_int_equal(d->run->status, RV_RUN_CANCELLED);
            drive_free(d);
        }
    }
}

static void a11__an_unknown_outcome_does_not_hold_a_cancelled_run(void **state)
{
    drive *d = drive_new("a: %delivery=at_most_once %unknown=ask; b: a");
    drive_admit(d, "a");
    drive_started(d, "a");
    drive_signal(d, RV_EVENT_CANCEL);
    drive_lost(d, "a", 0);
    assert_int_equal(drive_node(d, "a")->attempt, RV_ATTEMPT_UNKNOWN);
    assert_string_equal(drive_says(d, "a"), "cancelled signalled");
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    drive_free(d);
}

static void a11__an_accepted_run_can_be_cancelled_before_it_is_loaded(void **state)
{
    drive *d = drive_new_bare("a; b: a");
    assert_int_equal(drive_signal(d, RV_EVENT_CANCEL), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "a"), "cancelled run");
    assert_string_equal(drive_says(d, "b"), "cancelled upstream_cancelled root=a");
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    drive_free(d);
}

/* What failed before the interrupt spoils its dependents also when the run is cancelled afterwards. */
static void a11__an_interrupted_run_can_be_cancelled(void **state)
{
    drive *d = drive_new("a; b; c: a; e: b");
    drive_admit(d, "a");
    drive_admit(d, "b");
    drive_signal(d, RV_EVENT_INTERRUPT);
    drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    drive_complete(d, "b", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    drive_signal(d, RV_EVENT_CANCEL);
    assert_string_equal(drive_says(d, "a"), "cancelled run");
    assert_string_equal(drive_says(d, "c"), "cancelled upstream_cancelled root=a");
    assert_string_equal(drive_says(d, "e"), "skipped upstream root=b"); /* [K4] */
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    assert_int_equal(drive_signal(d, RV_EVENT_RESUME), RV_ANSWER_ILLEGAL);
    drive_free(d);
}

static void a11__a_second_cancel_changes_nothing(void **state)
{
    drive *d = drive_new("a");
    drive_admit(d, "a");
    drive_signal(d, RV_EVENT_CANCEL);
    assert_int_equal(drive_signal(d, RV_EVENT_CANCEL), RV_ANSWER_STALE);
    assert_string_equal(drive_says(d, "a"), "running");
    drive_free(d);
}

static void a11__an_unknown_outcome_does_not_hold_a_run_whose_time_is_up(void **state)
{
    drive *d = drive_new("a: %delivery=at_most_once %unknown=ask; b: a; %timeout=50");
    drive_admit(d, "a");
    drive_tick(d, 50);
    drive_lost(d, "a", RV_LOST_WAS_STARTED);
    assert_string_equal(drive_says(d, "a"), "cancelled signalled");
    assert_int_equal(d->run->status, RV_RUN_TIMEOUT);
    drive_free(d);
}

/* ---- preempt ---- */

static void k61__a_preemption_cancels_everything_and_late_results_are_stale(void **state)
{
    drive *d = drive_new("a; b; c: a; w: !wait %for=100; on.cancel; on.exit");
    drive_admit(d, "a");
    drive_started(d, "a");
    drive_signal(d, RV_EVENT_PREEMPT);
    assert_true(drive_has_effect(d, RV_EFFECT_STOP, "a"));
    assert_string_equal(drive_says(d, "a"), "cancelled signalled");
    assert_string_equal(drive_says(d, "b"), "cancelled run");
    assert_string_equal(drive_says(d, "c"), "cancelled run");
    assert_string_equal(drive_says(d, "w"), "cancelled run");
    assert_string_equal(drive_says(d, "on.cancel"), "cancelled run");
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    assert_int_equal(drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0), RV_ANSWER_STALE);
    drive_free(d);
}

/* ---- the run's timeout ---- */

static void w1__the_runs_timeout_stops_it_and_says_timeout(void **state)
{
    drive *d = drive_new("a; b; c: a; w: !approve; on.failure; %timeout=1000");
    drive_admit(d, "a");
    drive_tick(d, 999);
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_tick(d, 1);
    assert_true(drive_has_effect(d, RV_EFFECT_STOP, "a"));
    assert_string_equal(drive_says(d, "b"), "cancelled run");
    assert_string_equal(drive_says(d, "w"), "cancelled run");
    drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_string_equal(drive_says(d, "on.failure"), "ready");
    assert_int_equal(rv_run_due_ms(d->run), 0); /* handlers have no part in the timeout */
    drive_ok(d, "on.failure");
    assert_int_equal(d->run->status, RV_RUN_TIMEOUT);
    drive_free(d);
}

static void w1__a_lost_attempt_of_a_run_that_timed_out_is_not_tried_again(void **state)
{
    drive *d = drive_new("a; %timeout=1000");
    drive_admit(d, "a");
    drive_started(d, "a");
    drive_tick(d, 1000);
    drive_lost(d, "a", 0);
    assert_string_equal(drive_says(d, "a"), "cancelled signalled");
    assert_int_equal(d->run->status, RV_RUN_TIMEOUT);
    drive_free(d);
}

/* It ends for one reason, the first. */
static void w1__a_cancelled_run_does_not_time_out_while_it_ends(void **state)
{
    drive *d = drive_new("a; on.cancel; on.failure; %timeout=1000");
    drive_admit(d, "a");
    drive_signal(d, RV_EVENT_CANCEL);
    drive_tick(d, 5000);
    drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_string_equal(drive_says(d, "on.failure"), "skipped condition");
    drive_ok(d, "on.cancel");
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    drive_free(d);
}

/* ---- failing fast ---- */

static drive *fail_fast_run(const char *text)
{
    drive *d = drive_new_bare(text);
    rv_event load = {.type = RV_EVENT_LOAD, .flags = RV_LOAD_FAIL_FAST, .value = RV_STR("{}")};
    assert_int_equal(drive_step(d, &load), RV_ANSWER_TAKEN);
    return d;
}

static void w33__failing_fast_lets_what_runs_finish_and_begins_nothing(void **state)
{
    drive *d = fail_fast_run("a; runs; ready; after: runs; dep: a; w: !approve; on.failure; on.success; on.exit");
    drive_admit(d, "runs");
    drive_fail(d, "a", 1);
    assert_int_equal(drive_effect_count(d, RV_EFFECT_STOP), 0);
    assert_string_equal(drive_says(d, "ready"), "skipped fail_fast");
    assert_string_equal(drive_says(d, "w"), "skipped fail_fast");
    assert_string_equal(drive_says(d, "dep"), "skipped upstream root=a");
    drive_complete(d, "runs", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_string_equal(drive_says(d, "runs"), "succeeded");
    assert_string_equal(drive_says(d, "after"), "skipped fail_fast");
    drive_ok(d, "on.failure"); /* handlers are outside the graph: they run */
    drive_ok(d, "on.exit");
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

static void w33__failing_fast_starts_no_second_attempt(void **state)
{
    static const char *const expected[] = {"failed exit", "skipped fail_fast", "skipped fail_fast", "skipped fail_fast"};
    for (int way = 0; way < 4; way++) {
        drive *d = fail_fast_run("a; b: %attempts=9");
        drive_admit(d, "b");
        if (way == 2) drive_started(d, "b");
        drive_fail(d, "a", 1);
        if (way == 0) drive_complete(d, "b", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
        if (way == 1 || way == 2) drive_lost(d, "b", 0);
        if (way == 3) drive_lost(d, "b", RV_LOST_STOPPED);
        assert_string_equal(drive_says(d, "b"), expected[way]);
        assert_int_equal(d->run->status, RV_RUN_ERROR);
        drive_free(d);
    }
}

static void w33__failing_fast_still_asks_about_an_unknown_outcome(void **state)
{
    for (int before = 0; before < 2; before++) {
        drive *d = fail_fast_run("a; b: %delivery=at_most_once %unknown=ask; c: b");
        drive_admit(d, "b");
        if (before) drive_lost(d, "b", 0);
        drive_fail(d, "a", 1);
        if (!before) drive_lost(d, "b", 0);
        assert_string_equal(drive_says(d, "b"), "waiting unknown_outcome");
        drive_decide(d, "b", before ? RV_DECISION_AGAIN : RV_DECISION_DONE, NULL);
        assert_string_equal(drive_says(d, "b"), before ? "skipped fail_fast" : "succeeded person");
        assert_int_equal(d->run->status, RV_RUN_ERROR);
        drive_free(d);
    }
}

static void w33__failing_fast_can_be_asked_for_later(void **state)
{
    drive *d = drive_new("a; b; c");
    drive_fail(d, "a", 1);
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_signal(d, RV_EVENT_FAIL_FAST);
    assert_string_equal(drive_says(d, "b"), "skipped fail_fast");
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

/* An interrupt while failing fast: what ran is put back, and then does not begin again. */
static void w33__an_interrupt_does_not_lift_failing_fast(void **state)
{
    drive *d = fail_fast_run("a; b; c: b");
    drive_admit(d, "b");
    drive_fail(d, "a", 1);
    drive_signal(d, RV_EVENT_INTERRUPT);
    drive_complete(d, "b", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "b"), "skipped fail_fast");
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

/* ---- handlers ---- */

#define ALL_HANDLERS "on.success; on.failure; on.cancel; on.exit"

static void w1__the_handler_of_the_outcome_runs_then_the_exit_handler(void **state)
{
    static const struct { const char *outcome, *handler; rv_run_state status; } cases[] = {
        {"ok", "on.success", RV_RUN_OK}, {"failed", "on.failure", RV_RUN_ERROR}, {"cancel", "on.cancel", RV_RUN_CANCELLED},
        {"timeout", "on.failure", RV_RUN_TIMEOUT}};
    static const char *const all[] = {"on.success", "on.failure", "on.cancel"};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        drive *d = drive_new("a; " ALL_HANDLERS "; %timeout=5000");
        if (i == 0) drive_ok(d, "a");
        if (i == 1) drive_fail(d, "a", 1);
        if (i == 2) drive_signal(d, RV_EVENT_CANCEL);
        if (i == 3) drive_tick(d, 5000);
        assert_string_equal(drive_says(d, "on.exit"), "pending");
        for (size_t h = 0; h < RV_COUNT(all); h++)
            assert_string_equal(drive_says(d, all[h]), strcmp(all[h], cases[i].handler) == 0 ? "ready" : "skipped condition");
        drive_crash(d);
        drive_signal(d, RV_EVENT_RESUME);
        drive_ok(d, cases[i].handler);
        assert_string_equal(drive_says(d, "on.exit"), "ready");
        assert_int_equal(d->run->status, RV_RUN_RUNNING);
        drive_ok(d, "on.exit");
        assert_int_equal(d->run->status, cases[i].status);
        drive_free(d);
    }
}

static void w1__a_failed_handler_makes_a_good_run_an_error(void **state)
{
    for (int which = 0; which < 2; which++) {
        drive *d = drive_new("a; on.success; on.exit");
        drive_ok(d, "a");
        if (which == 0) drive_fail(d, "on.success", 1);
        else drive_ok(d, "on.success");
        if (which == 0) drive_ok(d, "on.exit");
        else drive_fail(d, "on.exit", 1);
        assert_int_equal(d->run->status, RV_RUN_ERROR);
        drive_free(d);
    }
    drive *d = drive_new("a; on.failure");
    drive_signal(d, RV_EVENT_CANCEL);
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    drive_free(d);
}

static void w1__a_handler_is_tried_again_also_in_a_run_that_was_cancelled(void **state)
{
    drive *d = drive_new("a; on.cancel: %attempts=2");
    drive_signal(d, RV_EVENT_CANCEL);
    drive_fail(d, "on.cancel", 1);
    assert_string_equal(drive_says(d, "on.cancel"), "ready");
    drive_admit(d, "on.cancel");
    drive_crash(d);
    drive_lost(d, "on.cancel", 0);
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "on.cancel"), "ready");
    drive_ok(d, "on.cancel");
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    drive_free(d);
}

static void w1__an_undriven_cancel_runs_no_handler(void **state)
{
    drive *d = drive_new("a; on.cancel; on.exit");
    rv_event cancel = {.type = RV_EVENT_CANCEL, .node = RV_NONE, .flags = RV_CANCEL_UNDRIVEN, .text = RV_STR("somebody")};
    assert_int_equal(drive_step(d, &cancel), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "on.cancel"), "cancelled run");
    assert_string_equal(drive_says(d, "on.exit"), "cancelled run");
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    drive_free(d);
}

/* The run was interrupted in the middle of a handler, then cancelled from outside: it must still come to an end. */
static void w1__an_undriven_cancel_ends_a_run_whose_handler_was_put_back(void **state)
{
    for (int in_exit = 0; in_exit < 2; in_exit++) {
        drive *d = drive_new("a; on.success; on.exit");
        drive_ok(d, "a");
        if (in_exit) drive_ok(d, "on.success");
        drive_admit(d, in_exit ? "on.exit" : "on.success");
        drive_signal(d, RV_EVENT_INTERRUPT);
        drive_complete(d, in_exit ? "on.exit" : "on.success", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
        assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
        rv_event cancel = {.type = RV_EVENT_CANCEL, .node = RV_NONE, .flags = RV_CANCEL_UNDRIVEN};
        assert_int_equal(drive_step(d, &cancel), RV_ANSWER_TAKEN);
        assert_int_equal(d->run->status, RV_RUN_CANCELLED);
        drive_free(d);
    }
}

static void w1__an_interrupted_handler_goes_on_after_resume(void **state)
{
    drive *d = drive_new("a; on.success; on.exit");
    drive_ok(d, "a");
    drive_admit(d, "on.success");
    drive_signal(d, RV_EVENT_INTERRUPT);
    drive_complete(d, "on.success", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    drive_crash(d);
    drive_signal(d, RV_EVENT_RESUME);
    drive_ok(d, "on.success");
    drive_ok(d, "on.exit");
    assert_int_equal(d->run->status, RV_RUN_OK);
    assert_int_equal(drive_node(d, "a")->number, 1);
    drive_free(d);
}

static void w1__a_cancel_during_a_handler_still_runs_the_exit_handler(void **state)
{
    drive *d = drive_new("a; on.success; on.exit");
    drive_ok(d, "a");
    drive_admit(d, "on.success");
    drive_signal(d, RV_EVENT_CANCEL);
    assert_true(drive_has_effect(d, RV_EFFECT_STOP, "on.success"));
    drive_complete(d, "on.success", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    drive_ok(d, "on.exit");
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    drive_free(d);
}

static void w1__a_handlers_condition_is_looked_at(void **state)
{
    drive *d = drive_new("a; on.failure: when ${a.exit_code} == 7; on.exit: when ${a.exit_code} == 8");
    drive_fail(d, "a", 7);
    assert_string_equal(drive_says(d, "on.failure"), "ready");
    drive_ok(d, "on.failure");
    assert_string_equal(drive_says(d, "on.exit"), "skipped condition");
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

/* Found by the explorer: what needs no slot began in the very step of the failure. */
static void k2__what_is_due_in_the_step_of_a_failure_does_not_begin_under_fail_fast(void **state)
{
    drive *d = fail_fast_run("a; r: ~a !reduce; s: ~a !set `n=1`; w: ~a !approve; t: !reduce %attempts=2 %delay=10");
    drive_complete(d, "t", RV_ATTEMPT_ERROR, RV_DETAIL_UNAVAILABLE, -1);
    drive_fail(d, "a", 1);
    for (const char *name = "rsw"; *name; name++) assert_string_equal(drive_says(d, (char[2]){*name, 0}), "skipped fail_fast");
    assert_int_equal(drive_effect_count(d, RV_EFFECT_REDUCE), 1); /* t's first */
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
    d = fail_fast_run("u: !input %deadline=10; t: !reduce %attempts=2 %delay=10"); /* a deadline fails, and a pause ends, in one step */
    drive_complete(d, "t", RV_ATTEMPT_ERROR, RV_DETAIL_UNAVAILABLE, -1);
    drive_tick(d, 10);
    assert_string_equal(drive_says(d, "u"), "failed deadline");
    assert_string_equal(drive_says(d, "t"), "skipped fail_fast");
    drive_free(d);
}

static void k2__a_resume_starts_no_reduce_after_a_failure_under_fail_fast(void **state)
{
    drive *d = fail_fast_run("a; r: !reduce %attempts=2");
    drive_admit(d, "a");
    drive_signal(d, RV_EVENT_INTERRUPT);
    drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_START, -1);
    drive_complete(d, "r", RV_ATTEMPT_ERROR, RV_DETAIL_UNAVAILABLE, -1);
    assert_string_equal(drive_says(d, "r"), "ready");
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "r"), "skipped fail_fast");
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

static void k50__what_an_interrupt_put_back_does_not_begin_in_a_run_that_its_budget_stopped(void **state)
{
    drive *d = drive_new("%limit=attempts/2; %at_limit=stop; a: %lost_max=3; b; c");
    drive_admit(d, "a");
    drive_admit(d, "b");
    drive_admit(d, "c");
    assert_string_equal(drive_says(d, "c"), "skipped over_budget");
    drive_signal(d, RV_EVENT_INTERRUPT);
    drive_lost(d, "a", RV_LOST_WAS_STARTED);
    drive_complete(d, "b", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "a"), "skipped over_budget");
    assert_int_equal(d->run->status, RV_RUN_OVER_BUDGET);
    drive_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(w33__an_interrupt_puts_back_what_ran_and_counts_for_nothing),
        cmocka_unit_test(p3__what_may_happen_once_is_unknown_when_an_interrupt_cuts_it),
        cmocka_unit_test(w33__what_ends_within_the_grace_keeps_its_outcome),
        cmocka_unit_test(w33__an_interrupt_of_a_run_that_waits_takes_effect_at_once),
        cmocka_unit_test(w33__an_interrupted_run_wants_no_tick),
        cmocka_unit_test(w33__a_second_interrupt_repeats_nothing),
        cmocka_unit_test(w33__an_interrupt_survives_a_crash),
        cmocka_unit_test(w33__a_reduce_is_not_started_while_interrupting),
        cmocka_unit_test(w33__a_decision_for_an_interrupted_run_starts_nothing),
        cmocka_unit_test(w1__a_cancelled_run_does_not_time_out_while_it_ends),
        cmocka_unit_test(a11__a_cancel_gives_each_node_its_cause),
        cmocka_unit_test(a11__nothing_runs_again_after_a_cancel),
        cmocka_unit_test(a11__an_unknown_outcome_does_not_hold_a_cancelled_run),
        cmocka_unit_test(a11__an_unknown_outcome_does_not_hold_a_run_whose_time_is_up),
        cmocka_unit_test(a11__an_accepted_run_can_be_cancelled_before_it_is_loaded),
        cmocka_unit_test(a11__an_interrupted_run_can_be_cancelled),
        cmocka_unit_test(a11__a_second_cancel_changes_nothing),
        cmocka_unit_test(k61__a_preemption_cancels_everything_and_late_results_are_stale),
        cmocka_unit_test(w1__the_runs_timeout_stops_it_and_says_timeout),
        cmocka_unit_test(w1__a_lost_attempt_of_a_run_that_timed_out_is_not_tried_again),
        cmocka_unit_test(w33__failing_fast_lets_what_runs_finish_and_begins_nothing),
        cmocka_unit_test(w33__failing_fast_starts_no_second_attempt),
        cmocka_unit_test(w33__failing_fast_still_asks_about_an_unknown_outcome),
        cmocka_unit_test(w33__failing_fast_can_be_asked_for_later),
        cmocka_unit_test(w33__an_interrupt_does_not_lift_failing_fast),
        cmocka_unit_test(w1__the_handler_of_the_outcome_runs_then_the_exit_handler),
        cmocka_unit_test(w1__a_failed_handler_makes_a_good_run_an_error),
        cmocka_unit_test(w1__a_handler_is_tried_again_also_in_a_run_that_was_cancelled),
        cmocka_unit_test(w1__an_undriven_cancel_runs_no_handler),
        cmocka_unit_test(w1__an_undriven_cancel_ends_a_run_whose_handler_was_put_back),
        cmocka_unit_test(w1__an_interrupted_handler_goes_on_after_resume),
        cmocka_unit_test(w1__a_cancel_during_a_handler_still_runs_the_exit_handler),
        cmocka_unit_test(w1__a_handlers_condition_is_looked_at),
        cmocka_unit_test(k2__what_is_due_in_the_step_of_a_failure_does_not_begin_under_fail_fast),
        cmocka_unit_test(k2__a_resume_starts_no_reduce_after_a_failure_under_fail_fast),
        cmocka_unit_test(k50__what_an_interrupt_put_back_does_not_begin_in_a_run_that_its_budget_stopped),
    };
    return cmocka_run_group_tests_name("stop", tests, NULL, NULL);
}
