/* test_interrupt.c: the time that an interrupt leaves out [K52]; a signal while a run ends for good [W33]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drive.h"

/* ---- time that an interrupt leaves out [K52] ---- */

#define NIGHT_MS 36000000 /* ten hours */

static void k52__an_interrupted_run_has_as_much_of_its_timeout_left_in_the_morning(void **state)
{
    for (int crashes = 0; crashes < 2; crashes++) {
        drive *d = drive_new("a; b: a; %timeout=1000");
        drive_tick(d, 400);
        drive_admit(d, "a");
        drive_signal(d, RV_EVENT_INTERRUPT);
        drive_tick(d, 5000); /* the grace does not count either */
        drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
        assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
        if (crashes) drive_crash(d);
        drive_tick(d, NIGHT_MS);
        drive_signal(d, RV_EVENT_RESUME);
        drive_admit(d, "a");
        drive_tick(d, 599);
        assert_int_equal(d->run->closing, RV_CLOSING_NO);
        drive_tick(d, 1);
        assert_int_equal(d->run->closing, RV_CLOSING_TIMEOUT);
        drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
        assert_int_equal(d->run->status, RV_RUN_TIMEOUT);
        drive_free(d);
    }
}

/* It neither runs on over night nor begins anew: three interrupts leave 1000 - 3 × 300. */
static void k52__timeout_total_goes_on_where_an_interrupt_held_it(void **state)
{
    drive *d = drive_new("a: %total=1000");
    for (int i = 0; i < 3; i++) {
        drive_admit(d, "a");
        drive_tick(d, 300);
        drive_signal(d, RV_EVENT_INTERRUPT);
        drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
        if (i == 1) drive_crash(d);
        drive_tick(d, NIGHT_MS);
        drive_signal(d, RV_EVENT_RESUME);
    }
    drive_admit(d, "a");
    drive_tick(d, 99);
    assert_false(drive_has_effect(d, RV_EFFECT_STOP, "a"));
    drive_tick(d, 1);
    assert_true(drive_has_effect(d, RV_EFFECT_STOP, "a"));
    drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_string_equal(drive_says(d, "a"), "failed timeout");
    drive_free(d);
}

/* The same for one that is ready, one that waits for its next attempt, and one whose time was just over. */
static void k52__timeout_total_stands_still_whatever_its_node_does(void **state)
{
    drive *d = drive_new("ready: %total=1000; off: %total=1000 %attempts=2 %delay=10; over: %total=500");
    drive_fail(d, "off", 1);
    d->now.engine_ms += 500;
    d->now.wall_ms += 500;
    drive_signal(d, RV_EVENT_INTERRUPT);
    assert_int_equal(drive_node(d, "over")->total_due_ms, -1);
    drive_tick(d, NIGHT_MS); /* stale: nobody drives it */
    drive_signal(d, RV_EVENT_RESUME);
    drive_tick(d, 1);
    assert_string_equal(drive_says(d, "over"), "failed timeout");
    assert_string_equal(drive_says(d, "off"), "ready");
    drive_tick(d, 498);
    assert_string_equal(drive_says(d, "ready"), "ready");
    assert_string_equal(drive_says(d, "off"), "ready");
    drive_tick(d, 1);
    assert_string_equal(drive_says(d, "ready"), "failed timeout");
    assert_string_equal(drive_says(d, "off"), "failed timeout");
    drive_free(d);
}

/* A deadline for a person is told to that person as a time of day: it goes on. */
static void k52__what_waits_for_a_person_or_a_time_is_not_held(void **state)
{
    drive *d = drive_new("w: !wait %for=1000; q: !approve %deadline=1000");
    drive_signal(d, RV_EVENT_INTERRUPT);
    d->now.engine_ms += NIGHT_MS;
    d->now.wall_ms += NIGHT_MS;
    drive_signal(d, RV_EVENT_RESUME);
    drive_tick(d, 0);
    assert_string_equal(drive_says(d, "w"), "succeeded");
    assert_string_equal(drive_says(d, "q"), "failed deadline");
    drive_free(d);
}

/* Version 1 kept no time at an interrupt: its timers go on to count, and a timeout_total begins anew. */
static void k52__a_journal_of_version_1_is_read_as_it_was_meant(void **state)
{
    drive *d = drive_new("a: %total=1000; %timeout=5000");
    int64_t run_due_ms = d->run->due_ms;
    drive_admit(d, "a");
    rv_run *run = rv_run_new(d->graph);
    for (uint32_t i = 0; i < d->rows.count; i++) {
        rv_str body = {d->journal.at + d->rows.at[i].at, d->rows.at[i].size};
        assert_int_equal(rv_run_replay(run, body, d->rows.at[i].event_count, NULL), RV_OK);
    }
    const rv_event old[] = {
        {.type = RV_EVENT_INTERRUPT, .signal = 2},
        {.type = RV_EVENT_PHASE, .state = RV_PHASE_GRAPH, .flags = RV_CLOSING_INTERRUPT},
        {.type = RV_EVENT_COMPLETED, .node = 0, .epoch = 1, .state = RV_ATTEMPT_CANCELLED, .detail = RV_DETAIL_SIGNALLED},
        {.type = RV_EVENT_ATTEMPT_STATE, .node = 0, .epoch = 1, .number = 1, .state = RV_ATTEMPT_CANCELLED, .detail = RV_DETAIL_SIGNALLED},
        {.type = RV_EVENT_NODE_STATE, .node = 0, .state = RV_NODE_PENDING, .detail = RV_DETAIL_SIGNALLED},
        {.type = RV_EVENT_RUN_STATE, .state = RV_RUN_INTERRUPTED},
    };
    rv_buf body = {0};
    for (size_t i = 0; i < RV_COUNT(old); i++) rv_event_write(&body, &old[i]);
    assert_int_equal(rv_run_replay(run, rv_buf_str(&body), RV_COUNT(old), NULL), RV_OK);
    assert_null(rv_run_check(run));
    assert_int_equal(run->status, RV_RUN_INTERRUPTED);
    assert_int_equal(run->due_ms, run_due_ms);
    assert_int_equal(run->nodes[0].total_due_ms, 0);
    rv_buf_deinit(&body);
    rv_run_free(run);
    drive_free(d);
}

/* ---- a signal while it ends for good [W33] ---- */

static void w33__a_signal_during_a_cancel_calls_off_what_has_not_begun(void **state)
{
    static const char *const began[] = {"a", "on.cancel", "on.exit"};
    for (size_t i = 0; i < RV_COUNT(began); i++) {
        for (int is_timeout = 0; is_timeout < 2; is_timeout++) {
            drive *d = drive_new("a; on.cancel: %attempts=3; on.failure: %attempts=3; on.exit: %attempts=3; %timeout=1000");
            const char *handler = is_timeout ? "on.failure" : "on.cancel";
            const char *running = i == 1 ? handler : began[i];
            drive_admit(d, "a");
            if (is_timeout) drive_tick(d, 1000);
            else drive_signal(d, RV_EVENT_CANCEL);
            if (i > 0) drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
            if (i > 1) drive_ok(d, handler);
            if (i > 0) drive_admit(d, running);
            assert_int_equal(drive_signal(d, RV_EVENT_INTERRUPT), RV_ANSWER_TAKEN);
            assert_true(drive_has_effect(d, RV_EFFECT_STOP, running));
            if (i < 2) assert_string_equal(drive_says(d, "on.exit"), "cancelled signalled");
            if (i < 1) assert_string_equal(drive_says(d, handler), "cancelled signalled");
            assert_int_equal(drive_signal(d, RV_EVENT_INTERRUPT), RV_ANSWER_STALE);
            drive_crash(d);
            drive_complete(d, running, RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
            assert_int_equal(d->run->status, is_timeout ? RV_RUN_TIMEOUT : RV_RUN_CANCELLED);
            drive_free(d);
        }
    }
}

/* However the handler comes back, also after a crash, it is not tried again. */
static void w33__after_such_a_signal_no_handler_is_tried_again(void **state)
{
    static const char *const expected[] = {"failed exit", "cancelled signalled", "cancelled signalled", "cancelled signalled"};
    for (int way = 0; way < 4; way++) {
        drive *d = drive_new("a; on.cancel: %attempts=9; on.exit");
        drive_signal(d, RV_EVENT_CANCEL);
        drive_admit(d, "on.cancel");
        drive_started(d, "on.cancel");
        drive_signal(d, RV_EVENT_INTERRUPT);
        drive_crash(d);
        if (way == 3) drive_signal(d, RV_EVENT_RESUME);
        if (way == 0) drive_complete(d, "on.cancel", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
        else drive_lost(d, "on.cancel", way == 1 ? 0 : RV_LOST_STOPPED);
        assert_string_equal(drive_says(d, "on.cancel"), expected[way]);
        assert_int_equal(d->run->status, RV_RUN_CANCELLED);
        drive_free(d);
    }
}

/* A handler that waits for its next attempt has not begun that one. */
static void w33__a_handler_that_waits_is_called_off_at_once(void **state)
{
    drive *d = drive_new("a; on.cancel: %attempts=9 %delay=1000; on.exit");
    drive_signal(d, RV_EVENT_CANCEL);
    drive_fail(d, "on.cancel", 1);
    assert_string_equal(drive_says(d, "on.cancel"), "waiting timer");
    drive_signal(d, RV_EVENT_INTERRUPT);
    assert_string_equal(drive_says(d, "on.cancel"), "cancelled signalled");
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    drive_free(d);
}

/* P3 holds for handlers too: a cancel is no leave to run one twice. */
static void p3__a_cancel_does_not_rerun_a_handler_that_may_happen_once(void **state)
{
    drive *d = drive_new("a; on.cancel: %delivery=at_most_once %unknown=ask");
    drive_signal(d, RV_EVENT_CANCEL);
    drive_admit(d, "on.cancel");
    drive_started(d, "on.cancel");
    drive_crash(d);
    drive_signal(d, RV_EVENT_RESUME);
    drive_lost(d, "on.cancel", 0);
    assert_string_equal(drive_says(d, "on.cancel"), "waiting unknown_outcome");
    drive_decide(d, "on.cancel", RV_DECISION_DONE, NULL);
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    drive_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(k52__an_interrupted_run_has_as_much_of_its_timeout_left_in_the_morning),
        cmocka_unit_test(k52__timeout_total_goes_on_where_an_interrupt_held_it),
        cmocka_unit_test(k52__timeout_total_stands_still_whatever_its_node_does),
        cmocka_unit_test(k52__what_waits_for_a_person_or_a_time_is_not_held),
        cmocka_unit_test(k52__a_journal_of_version_1_is_read_as_it_was_meant),
        cmocka_unit_test(w33__a_signal_during_a_cancel_calls_off_what_has_not_begun),
        cmocka_unit_test(w33__after_such_a_signal_no_handler_is_tried_again),
        cmocka_unit_test(w33__a_handler_that_waits_is_called_off_at_once),
        cmocka_unit_test(p3__a_cancel_does_not_rerun_a_handler_that_may_happen_once),
    };
    return cmocka_run_group_tests_name("interrupt", tests, NULL, NULL);
}
