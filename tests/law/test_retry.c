/* test_retry.c: attempts, failures, losses and pauses [W3a], timeout_total, unknown outcomes, epochs [P4]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drive.h"
#include "kernel/run_private.h"

/* ---- which failures are tried again ---- */

static void w3a__which_kinds_are_tried_again(void **state)
{
    static const struct { const char *on; rv_attempt_state state; rv_detail detail; int32_t exit_status; bool again; } cases[] = {
        {"", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1, true},           {"", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 255, true},
        {"", RV_ATTEMPT_ERROR, RV_DETAIL_SIGNAL, -1, true},        {"", RV_ATTEMPT_ERROR, RV_DETAIL_UNAVAILABLE, -1, true},
        {"", RV_ATTEMPT_TIMEOUT, RV_DETAIL_TIMEOUT, -1, false},    {"", RV_ATTEMPT_ERROR, RV_DETAIL_START, -1, false},
        {"", RV_ATTEMPT_ERROR, RV_DETAIL_OUTPUT_MISSING, 0, false}, {"", RV_ATTEMPT_ERROR, RV_DETAIL_SCHEMA, 0, true},
        {"", RV_ATTEMPT_ERROR, RV_DETAIL_CAPTURE, 0, false},       {"", RV_ATTEMPT_ERROR, RV_DETAIL_VALUE, 0, false},
        {"%on=timeout", RV_ATTEMPT_TIMEOUT, RV_DETAIL_TIMEOUT, -1, true},
        {"%on=timeout", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1, false}, {"%on=timeout", RV_ATTEMPT_ERROR, RV_DETAIL_SIGNAL, -1, false},
        {"%on=75,201", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 75, true}, {"%on=75,201", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 201, true},
        {"%on=75,201", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 74, false}, {"%on=75", RV_ATTEMPT_ERROR, RV_DETAIL_UNAVAILABLE, -1, false},
        {"%on=75,255", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, -1, false}, {"%on=75", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 75 + 256, false},
        {"%on=signal", RV_ATTEMPT_ERROR, RV_DETAIL_SIGNAL, -1, true},
        {"%on=unavailable", RV_ATTEMPT_ERROR, RV_DETAIL_UNAVAILABLE, -1, true},
        {"%on=none", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1, false},  {"%on=none", RV_ATTEMPT_ERROR, RV_DETAIL_SCHEMA, 0, true},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char text[100];
        snprintf(text, sizeof text, "a: %%attempts=2 %s", cases[i].on);
        drive *d = drive_new(text);
        drive_admit(d, "a");
        drive_complete(d, "a", cases[i].state, cases[i].detail, cases[i].exit_status);
        assert_int_equal(drive_node(d, "a")->state, cases[i].again ? RV_NODE_READY : RV_NODE_FAILED);
        if (!cases[i].again) assert_int_equal(drive_node(d, "a")->detail, cases[i].detail);
        drive_free(d);
    }
}

static void w3a__a_denied_attempt_is_never_tried_again(void **state)
{
    drive *d = drive_new("a: %attempts=9; b: a");
    drive_admit(d, "a");
    drive_complete(d, "a", RV_ATTEMPT_DENIED, RV_DETAIL_DENIED, -1);
    assert_string_equal(drive_says(d, "a"), "denied denied");
    assert_int_equal(drive_node(d, "a")->failures, 1); /* a refusal is a recorded failure */
    assert_string_equal(drive_says(d, "b"), "skipped upstream root=a"); /* [K34] */
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

static void k10__a_command_is_tried_until_success_a_final_failure_or_the_maximum(void **state)
{
    drive *d = drive_new("good: %attempts=3; final: %attempts=3; often: %attempts=3");
    drive_fail(d, "good", 1);
    drive_ok(d, "good");
    assert_string_equal(drive_says(d, "good"), "succeeded");
    assert_int_equal(drive_node(d, "good")->number, 2);
    drive_fail(d, "final", 1);
    drive_admit(d, "final");
    drive_complete(d, "final", RV_ATTEMPT_ERROR, RV_DETAIL_START, -1); /* there is no such command: nothing to try again */
    assert_string_equal(drive_says(d, "final"), "failed start");
    assert_int_equal(drive_node(d, "final")->number, 2);
    for (int i = 0; i < 3; i++) drive_fail(d, "often", 1);
    assert_string_equal(drive_says(d, "often"), "failed exit");
    assert_int_equal(drive_node(d, "often")->number, 3);
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

/* [P3] */
static void w3a__recorded_failures_never_exceed_max_attempts(void **state)
{
    drive *d = drive_new("a: %attempts=3");
    for (int i = 0; i < 3; i++) drive_fail(d, "a", 1);
    assert_string_equal(drive_says(d, "a"), "failed exit");
    assert_int_equal(drive_node(d, "a")->failures, 3);
    assert_int_equal(drive_admit(d, "a"), RV_ANSWER_ILLEGAL);
    drive_free(d);
}

/* ---- the pause between attempts ---- */

static void w3a__a_retry_waits_for_its_delay_and_not_longer(void **state)
{
    drive *d = drive_new("a: %attempts=2 %delay=500; b");
    drive_fail(d, "a", 1);
    assert_string_equal(drive_says(d, "a"), "waiting timer");
    assert_int_equal(rv_run_due_ms(d->run), 1500);
    assert_true(drive_has_effect(d, RV_EFFECT_ARM_TIMER, NULL));
    drive_tick(d, 499);
    assert_string_equal(drive_says(d, "a"), "waiting timer");
    drive_crash(d); /* [K62] the pause goes on where it was */
    drive_tick(d, 1);
    assert_string_equal(drive_says(d, "a"), "ready");
    drive_free(d);
}

static void w3a__exponential_delays_double_up_to_their_bound(void **state)
{
    rv_policy policy = {.delay_ms = 100, .delay_ms_max = 1000, .backoff = RV_BACKOFF_EXPONENTIAL};
    static const int64_t expected[] = {100, 200, 400, 800, 1000, 1000};
    for (uint32_t i = 0; i < RV_COUNT(expected); i++) assert_int_equal(rv_retry_delay_ms(&policy, 1, 0, i + 1), expected[i]);
    policy.backoff = RV_BACKOFF_FIXED;
    for (uint32_t i = 1; i < 6; i++) assert_int_equal(rv_retry_delay_ms(&policy, 1, 0, i), 100);
    policy.delay_ms = 5000;
    assert_int_equal(rv_retry_delay_ms(&policy, 1, 0, 1), 1000);
}

/* The largest numbers that a file can state must not overflow. */
static void w3a__no_delay_overflows(void **state)
{
    rv_policy policy = {.delay_ms = INT64_MAX / 2 + 2, .delay_ms_max = INT64_MAX, .backoff = RV_BACKOFF_EXPONENTIAL, .jitter = 1};
    for (uint32_t failures = 1; failures < 200; failures++) {
        int64_t delay_ms = rv_retry_delay_ms(&policy, failures, 1, failures);
        assert_true(delay_ms >= policy.delay_ms / 2);
    }
    drive *d = drive_new("a: %attempts=2 %delay=9223372036854775000 %delay_max=9223372036854775807; w: !wait %for=9223372036854775807;"
                         "u: !wait %until=9223372036854775807; t: %total=9223372036854775807; %timeout=9223372036854775807");
    drive_fail(d, "a", 1);
    assert_string_equal(drive_says(d, "a"), "waiting timer");
    assert_string_equal(drive_says(d, "w"), "waiting timer");
    drive_tick(d, 1);
    drive_free(d);
}

static void w3a__jitter_stays_in_bounds_and_is_a_function_of_the_seed(void **state)
{
    rv_policy policy = {.delay_ms = 1000, .jitter = 1};
    bool differs = false;
    for (uint32_t node = 0; node < 200; node++) {
        int64_t delay_ms = rv_retry_delay_ms(&policy, 7, node, 1);
        assert_in_range(delay_ms, 500, 1000);
        assert_int_equal(delay_ms, rv_retry_delay_ms(&policy, 7, node, 1));
        differs |= delay_ms != rv_retry_delay_ms(&policy, 8, node, 1);
    }
    assert_true(differs);
    policy.delay_ms = 1;
    assert_int_equal(rv_retry_delay_ms(&policy, 7, 3, 1), 1);
}

/* ---- losses ---- */

static void w3a__lost_attempts_are_counted_apart_from_failures(void **state)
{
    drive *d = drive_new("a: %attempts=2 %lost_max=2");
    for (int i = 0; i < 2; i++) {
        drive_admit(d, "a");
        drive_started(d, "a");
        drive_lost(d, "a", 0);
        assert_string_equal(drive_says(d, "a"), "ready");
    }
    drive_fail(d, "a", 1);
    assert_string_equal(drive_says(d, "a"), "ready");
    assert_int_equal(drive_node(d, "a")->failures, 1);
    assert_int_equal(drive_node(d, "a")->losses, 2);
    drive_admit(d, "a");
    drive_lost(d, "a", RV_LOST_WAS_STARTED); /* the pid was found otherwise */
    assert_string_equal(drive_says(d, "a"), "failed lost");
    drive_free(d);
}

static void w3a__void_attempts_count_for_nothing_but_their_epoch(void **state)
{
    drive *d = drive_new("a: %attempts=1 %lost_max=0");
    for (uint32_t i = 1; i <= 50; i++) {
        drive_admit(d, "a");
        assert_int_equal(drive_node(d, "a")->epoch, i); /* [P4] */
        drive_lost(d, "a", 0);
        assert_string_equal(drive_says(d, "a"), "ready");
        assert_int_equal(drive_node(d, "a")->attempt, RV_ATTEMPT_VOID);
    }
    assert_int_equal(drive_node(d, "a")->losses + drive_node(d, "a")->failures, 0);
    drive_ok(d, "a");
    drive_free(d);
}

/* ---- at most once ---- */

static void w3a__an_unknown_outcome_asks_fails_or_runs_again(void **state)
{
    static const struct { const char *text, *then; } cases[] = {
        {"a: %delivery=at_most_once %unknown=ask; b", "waiting unknown_outcome"},
        {"a: %delivery=at_most_once %unknown=fail; b", "failed lost"},
        {"a: %delivery=at_most_once %unknown=retry; b", "ready"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        for (int started = 0; started < 2; started++) {
            drive *d = drive_new(cases[i].text);
            drive_admit(d, "a");
            if (started) drive_started(d, "a");
            drive_lost(d, "a", 0); /* also one that was only journaled: it may have started [P3] */
            assert_string_equal(drive_says(d, "a"), cases[i].then);
            assert_int_equal(drive_node(d, "a")->attempt, RV_ATTEMPT_UNKNOWN);
            drive_free(d);
        }
    }
}

static void w3a__one_that_surely_did_not_start_is_void_even_at_most_once(void **state)
{
    drive *d = drive_new("a: %delivery=at_most_once %unknown=ask");
    drive_admit(d, "a");
    drive_lost(d, "a", RV_LOST_NEVER_STARTED);
    assert_string_equal(drive_says(d, "a"), "ready");
    assert_int_equal(drive_node(d, "a")->attempt, RV_ATTEMPT_VOID);
    drive_free(d);
}

static void w3a__a_person_decides_an_unknown_outcome(void **state)
{
    static const struct { rv_decision decision; const char *then; } cases[] = {
        {RV_DECISION_DONE, "succeeded person"}, {RV_DECISION_FAILED, "failed lost"}, {RV_DECISION_AGAIN, "ready"}};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        drive *d = drive_new("a: %delivery=at_most_once %unknown=ask; b");
        drive_admit(d, "a");
        drive_lost(d, "a", 0);
        assert_int_equal(drive_decide(d, "a", RV_DECISION_APPROVE, NULL), RV_ANSWER_ILLEGAL);
        assert_int_equal(drive_decide(d, "a", cases[i].decision, NULL), RV_ANSWER_TAKEN);
        assert_true(drive_has_effect(d, RV_EFFECT_RESUMED, "a"));
        assert_string_equal(drive_says(d, "a"), cases[i].then);
        drive_free(d);
    }
}

/* ---- timeout_total ---- */

static void w3__timeout_total_ends_a_node_that_waits_for_its_retry(void **state)
{
    drive *d = drive_new("a: %attempts=9 %delay=800 %total=1000; b: a");
    drive_fail(d, "a", 1);
    drive_tick(d, 800);
    drive_fail(d, "a", 1);
    drive_tick(d, 199);
    assert_string_equal(drive_says(d, "a"), "waiting timer");
    drive_tick(d, 1);
    assert_string_equal(drive_says(d, "a"), "failed timeout");
    assert_string_equal(drive_says(d, "b"), "skipped upstream root=a");
    drive_free(d);
}

static void w3__timeout_total_ends_a_node_that_is_ready(void **state)
{
    drive *d = drive_new("a: %total=1000; b");
    drive_tick(d, 1000);
    assert_string_equal(drive_says(d, "a"), "failed timeout");
    drive_free(d);
}

/* What runs is stopped; however it comes back it is not tried again. */
static void w3__timeout_total_stops_what_runs_and_forbids_a_retry(void **state)
{
    for (int way = 0; way < 5; way++) {
        drive *d = drive_new("a: %attempts=9 %lost_max=9 %total=1000; b");
        drive_admit(d, "a");
        drive_started(d, "a");
        drive_tick(d, 1000);
        assert_string_equal(drive_says(d, "a"), "running");
        assert_true(drive_has_effect(d, RV_EFFECT_STOP, "a"));
        if (way == 0) drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
        if (way == 1) drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_SIGNAL, -1);
        if (way == 2) drive_lost(d, "a", 0);
        if (way == 3) drive_lost(d, "a", RV_LOST_STOPPED);
        if (way == 4) drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0); /* it was done already */
        assert_string_equal(drive_says(d, "a"), way == 4 ? "succeeded" : "failed timeout");
        drive_free(d);
    }
}

/* What an interrupt put back counts against nothing: its time begins anew too. */
static void w3__timeout_total_does_not_decide_an_unknown_outcome(void **state)
{
    for (int way = 0; way < 2; way++) {
        drive *d = drive_new("a: %total=1000 %delivery=at_most_once %unknown=ask; b: a");
        drive_admit(d, "a");
        drive_lost(d, "a", 0);
        drive_tick(d, 2000);
        assert_string_equal(drive_says(d, "a"), "waiting unknown_outcome");
        drive_decide(d, "a", way ? RV_DECISION_AGAIN : RV_DECISION_DONE, NULL);
        assert_string_equal(drive_says(d, "a"), way ? "failed timeout" : "succeeded person");
        drive_free(d);
    }
}

/* ---- epochs [P4] ---- */

/* A start that was written and not synced is forgotten with the power; its epoch must not be given again. */
static void p4__after_a_death_epochs_begin_above_what_may_be_forgotten(void **state)
{
    drive *d = drive_new("a: %attempts=3; b: a");
    drive_admit(d, "a");
    drive_crash(d);
    rv_event resume = {.type = RV_EVENT_RESUME, .node = RV_NONE, .flags = RV_RESUME_AFTER_DEATH};
    assert_int_equal(drive_step(d, &resume), RV_ANSWER_TAKEN);
    drive_lost(d, "a", RV_LOST_NEVER_STARTED);
    drive_admit(d, "a");
    uint32_t first = drive_node(d, "a")->epoch;
    assert_true(first > RV_EPOCH_GAP);
    drive_crash(d);
    assert_int_equal(drive_signal(d, RV_EVENT_RESUME), RV_ANSWER_TAKEN); /* as old journals have it: no gap */
    drive_lost(d, "a", RV_LOST_NEVER_STARTED);
    drive_admit(d, "a");
    assert_int_equal(drive_node(d, "a")->epoch, first + 1);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    drive_admit(d, "b");
    drive_complete(d, "b", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    drive_free(d);
}

static void p4__epochs_rise_over_the_whole_run_and_stale_ones_are_refused(void **state)
{
    drive *d = drive_new("a: %attempts=4; b: %attempts=4; c");
    uint32_t last = 0;
    for (int i = 0; i < 3; i++) {
        drive_admit(d, "a");
        assert_true(drive_node(d, "a")->epoch > last);
        last = drive_node(d, "a")->epoch;
        drive_admit(d, "b");
        assert_true(drive_node(d, "b")->epoch > last);
        last = drive_node(d, "b")->epoch;
        drive_crash(d);
        drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
        drive_lost(d, "b", 0);
    }
    drive_admit(d, "a");
    static const rv_event_type types[] = {RV_EVENT_STARTED, RV_EVENT_COMPLETED, RV_EVENT_LOST};
    for (uint32_t epoch = 0; epoch < 20; epoch++) {
        if (epoch == drive_node(d, "a")->epoch) continue;
        for (size_t t = 0; t < RV_COUNT(types); t++) {
            rv_event event = {.type = types[t], .node = 0, .epoch = epoch, .state = RV_ATTEMPT_OK};
            assert_int_equal(drive_step(d, &event), RV_ANSWER_STALE);
        }
    }
    assert_string_equal(drive_says(d, "a"), "running");
    drive_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(w3a__which_kinds_are_tried_again),
        cmocka_unit_test(w3a__a_denied_attempt_is_never_tried_again),
        cmocka_unit_test(k10__a_command_is_tried_until_success_a_final_failure_or_the_maximum),
        cmocka_unit_test(w3a__recorded_failures_never_exceed_max_attempts),
        cmocka_unit_test(w3a__a_retry_waits_for_its_delay_and_not_longer),
        cmocka_unit_test(w3a__exponential_delays_double_up_to_their_bound),
        cmocka_unit_test(w3a__no_delay_overflows),
        cmocka_unit_test(w3a__jitter_stays_in_bounds_and_is_a_function_of_the_seed),
        cmocka_unit_test(w3a__lost_attempts_are_counted_apart_from_failures),
        cmocka_unit_test(w3a__void_attempts_count_for_nothing_but_their_epoch),
        cmocka_unit_test(w3a__an_unknown_outcome_asks_fails_or_runs_again),
        cmocka_unit_test(w3a__one_that_surely_did_not_start_is_void_even_at_most_once),
        cmocka_unit_test(w3a__a_person_decides_an_unknown_outcome),
        cmocka_unit_test(w3__timeout_total_ends_a_node_that_waits_for_its_retry),
        cmocka_unit_test(w3__timeout_total_ends_a_node_that_is_ready),
        cmocka_unit_test(w3__timeout_total_stops_what_runs_and_forbids_a_retry),
        cmocka_unit_test(w3__timeout_total_does_not_decide_an_unknown_outcome),
        cmocka_unit_test(p4__after_a_death_epochs_begin_above_what_may_be_forgotten),
        cmocka_unit_test(p4__epochs_rise_over_the_whole_run_and_stale_ones_are_refused),
    };
    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
