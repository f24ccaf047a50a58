/* test_budget.c: reserve, spend, settle; what happens at a limit [K50–K54]. Money is in micro-dollars. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drive.h"
#include "kernel/gate.h"

static int64_t spent(const drive *d, rv_dimension dimension) { return d->run->purse.spent[dimension]; }
static int64_t reserved(const drive *d) { return d->run->purse.reserved[RV_DIMENSION_USD]; }
static int64_t spent_by(drive *d, const char *node) { return rv_run_purse(d->run, drive_index(d, node)).spent[RV_DIMENSION_USD]; }

static uint32_t facts_of(const drive *d, rv_event_type type)
{
    uint32_t count = 0;
    rv_event event;
    for (const char *at = d->journal.at, *end = at + d->journal.size; at < end;) {
        assert_int_equal(rv_event_read(&at, end, &event, NULL), RV_OK);
        count += event.type == type;
    }
    return count;
}

/* ---- reserving ---- */

static void k50__a_start_reserves_what_its_own_limit_leaves(void **state)
{
    drive *d = drive_new("%limit=usd/1000; a: %limit.usd=300 %attempts=2; b: %limit.usd=100");
    drive_admit(d, "a");
    assert_int_equal(reserved(d), 300);
    drive_admit(d, "b");
    assert_int_equal(reserved(d), 400);
    drive_usage(d, "a", 120, 0, RV_USAGE_FINAL);
    drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
    assert_int_equal(reserved(d), 100);
    assert_int_equal(spent(d, RV_DIMENSION_USD), 120);
    drive_admit(d, "a"); /* its second attempt has what is left of its limit */
    assert_int_equal(reserved(d), 280);
    drive_free(d);
}

static void k50__a_stated_estimate_is_reserved_and_the_rest_is_given_back(void **state)
{
    drive *d = drive_new("%limit=usd/1000; a: %estimate.usd=400");
    drive_admit(d, "a");
    assert_int_equal(reserved(d), 400);
    drive_usage(d, "a", 25, 0, RV_USAGE_FINAL);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_int_equal(reserved(d), 0);
    assert_int_equal(spent(d, RV_DIMENSION_USD), 25);
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

static void k50__who_states_nothing_reserves_the_fair_share(void **state)
{
    drive *d = drive_new("%limit=usd/1000; a; b; c: a; d: b");
    drive_admit(d, "a");
    assert_int_equal(reserved(d), 250);
    drive_admit(d, "b");
    assert_int_equal(reserved(d), 500);
    drive_usage(d, "a", 40, 0, RV_USAGE_FINAL);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    drive_admit(d, "c"); /* 1000 - 40 - 250 for c and d */
    assert_int_equal(reserved(d), 250 + 355);
    drive_free(d);
}

static void k50__under_stop_and_warn_who_states_nothing_reserves_nothing(void **state)
{
    static const char *const texts[] = {"%limit=usd/1000; %at_limit=stop; a; b", "%limit=usd/1000; %at_limit=warn; a; b"};
    for (size_t i = 0; i < RV_COUNT(texts); i++) {
        drive *d = drive_new(texts[i]);
        drive_admit(d, "a");
        assert_int_equal(reserved(d), 0);
        drive_free(d);
    }
}

/* ---- at the limit ---- */

static void k50__what_does_not_fit_pauses_until_more_is_given(void **state)
{
    drive *d = drive_new("%limit=usd/100; a: %estimate.usd=60; b: a %estimate.usd=60; c: a %estimate.usd=10");
    drive_spend(d, "a", 60, 0);
    assert_int_equal(drive_admit(d, "b"), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "b"), "waiting budget");
    assert_true(drive_has_effect(d, RV_EFFECT_PARK, "b"));
    assert_int_equal(d->run->status, RV_RUN_RUNNING);
    assert_true(rv_run_is_held_back(d->run));
    assert_int_equal(drive_admit(d, "c"), RV_ANSWER_TAKEN); /* nothing more is admitted, though it would fit */
    assert_string_equal(drive_says(d, "c"), "ready");
    drive_crash(d);
    assert_int_equal(drive_budget(d, RV_DIMENSION_USD, 10, 0), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "b"), "waiting budget");
    assert_int_equal(drive_budget(d, RV_DIMENSION_USD, 10, 0), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "b"), "ready");
    assert_true(drive_has_effect(d, RV_EFFECT_RESUMED, "b"));
    assert_false(rv_run_is_held_back(d->run));
    drive_spend(d, "b", 60, 0);
    drive_budget(d, RV_DIMENSION_USD, 10, 0);
    drive_spend(d, "c", 10, 0);
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

static void k50__a_pause_ends_by_itself_when_a_reservation_is_given_back(void **state)
{
    drive *d = drive_new("%limit=usd/100; a: %estimate.usd=60; b: %estimate.usd=60");
    drive_admit(d, "a");
    drive_admit(d, "b");
    assert_string_equal(drive_says(d, "b"), "waiting budget");
    drive_usage(d, "a", 40, 0, RV_USAGE_FINAL);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_free(d);
}

static void k50__a_stop_skips_the_rest_and_lets_what_runs_finish(void **state)
{
    drive *d = drive_new("%limit=usd/100; %at_limit=stop; a; b; c: b; e; g: !approve; on.failure; on.success");
    drive_admit(d, "e");
    drive_spend(d, "a", 101, 0);
    drive_admit(d, "b");
    assert_string_equal(drive_says(d, "b"), "skipped over_budget");
    assert_string_equal(drive_says(d, "c"), "skipped upstream root=b");
    assert_string_equal(drive_says(d, "g"), "skipped over_budget");
    assert_string_equal(drive_says(d, "e"), "running");
    drive_crash(d);
    drive_complete(d, "e", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_string_equal(drive_says(d, "e"), "succeeded");
    drive_ok(d, "on.failure"); /* handlers are not held up */
    assert_int_equal(d->run->status, RV_RUN_OVER_BUDGET);
    drive_free(d);
}

static void k50__a_stopped_run_stays_stopped_over_an_interrupt(void **state)
{
    drive *d = drive_new("%limit=usd/100; %at_limit=stop; a; b; c: b; e: %attempts=3");
    drive_admit(d, "e");
    drive_spend(d, "a", 101, 0);
    drive_admit(d, "b");
    drive_signal(d, RV_EVENT_INTERRUPT);
    drive_complete(d, "e", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "e"), "skipped over_budget");
    assert_int_equal(d->run->status, RV_RUN_OVER_BUDGET);
    drive_free(d);
}

static void k50__a_warning_is_said_once_a_dimension_and_everything_goes_on(void **state)
{
    drive *d = drive_new("%limit=usd/100; %limit=tokens/5; %at_limit=warn; a; b: a; c: b");
    drive_spend(d, "a", 101, 1);
    drive_spend(d, "b", 500, 9);
    drive_spend(d, "c", 500, 0);
    assert_int_equal(facts_of(d, RV_EVENT_WARNED), 2);
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

static void k52__exactly_at_the_limit_is_not_over_it(void **state)
{
    drive *d = drive_new("%limit=usd/100; %at_limit=stop; a; b: a; c: b");
    drive_spend(d, "a", 100, 0);
    drive_spend(d, "b", 0, 0);
    drive_spend(d, "c", 1, 0);
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
    d = drive_new("%limit=usd/100; a: %estimate.usd=100");
    drive_spend(d, "a", 100, 0);
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

static void k50__attempts_and_nodes_are_counted(void **state)
{
    drive *d = drive_new("%limit=attempts/3; %limit=nodes/2; a: %attempts=2; b: a; c: b");
    drive_fail(d, "a", 1);
    drive_ok(d, "a");
    assert_int_equal(spent(d, RV_DIMENSION_ATTEMPTS), 2);
    assert_int_equal(spent(d, RV_DIMENSION_NODES), 1);
    drive_ok(d, "b");
    drive_admit(d, "c");
    assert_string_equal(drive_says(d, "c"), "waiting budget");
    drive_budget(d, RV_DIMENSION_ATTEMPTS, 1, 0);
    assert_string_equal(drive_says(d, "c"), "waiting budget");
    drive_budget(d, RV_DIMENSION_NODES, 1, 0);
    drive_ok(d, "c");
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

/* [K52] */
static void k52__time_counts_while_something_runs_and_only_then(void **state)
{
    drive *d = drive_new("%limit=time/100; a; b; p: !approve a b; c: p");
    drive_admit(d, "a");
    drive_tick(d, 40);
    drive_admit(d, "b");
    drive_tick(d, 20);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    drive_tick(d, 30);
    drive_complete(d, "b", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_int_equal(spent(d, RV_DIMENSION_TIME), 90); /* not 60 + 50 */
    drive_tick(d, 100000);
    drive_decide(d, "p", RV_DECISION_APPROVE, NULL);
    drive_admit(d, "c");
    assert_string_equal(drive_says(d, "c"), "running");
    drive_tick(d, 11);
    drive_complete(d, "c", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_int_equal(spent(d, RV_DIMENSION_TIME), 101);
    drive_free(d);
}

static void k52__cached_tokens_are_counted_apart(void **state)
{
    drive *d = drive_new("%limit=tokens/90; a");
    drive_spend(d, "a", 0, 90);
    assert_int_equal(spent(d, RV_DIMENSION_TOKENS), 90);
    assert_int_equal(d->run->purse.cached, 45);
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

static void k52__what_handlers_spend_counts_and_does_not_hold_them_up(void **state)
{
    drive *d = drive_new("%limit=usd/100; %limit=attempts/1; a; on.exit");
    drive_spend(d, "a", 150, 0);
    drive_spend(d, "on.exit", 30, 0);
    assert_int_equal(spent(d, RV_DIMENSION_USD), 180);
    assert_int_equal(spent(d, RV_DIMENSION_ATTEMPTS), 1);
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

static void k50__what_is_reported_is_counted_without_a_budget_too(void **state)
{
    drive *d = drive_new("a; b: a");
    drive_spend(d, "a", 150, 4);
    drive_ok(d, "b");
    assert_int_equal(spent(d, RV_DIMENSION_USD), 150);
    assert_int_equal(spent_by(d, "a"), 150);
    assert_int_equal(facts_of(d, RV_EVENT_SPENT), 1);
    drive_free(d);
}

/* ---- a node's own budget [K54] ---- */

static void k54__a_node_beyond_its_own_limit_fails_and_its_result_is_discarded(void **state)
{
    drive *d = drive_new("a: %limit.usd=50; b: a when ${a.n} == 1");
    drive_admit(d, "a");
    drive_usage(d, "a", 51, 0, RV_USAGE_FINAL);
    drive_complete_value(d, "a", "{\"n\":1}", "");
    assert_string_equal(drive_says(d, "a"), "failed over_budget");
    assert_int_equal(drive_node(d, "a")->result, 0);
    assert_string_equal(drive_says(d, "b"), "skipped upstream root=a");
    drive_free(d);
}

static void k54__under_warn_its_result_is_kept(void **state)
{
    drive *d = drive_new("a: %limit.usd=50 %at_limit=warn");
    drive_spend(d, "a", 51, 0);
    assert_string_equal(drive_says(d, "a"), "succeeded");
    assert_int_equal(facts_of(d, RV_EVENT_WARNED), 1);
    drive_free(d);
}

static void k54__an_exhausted_node_is_not_tried_again(void **state)
{
    drive *d = drive_new("a: %attempts=5 %limit.usd=50");
    drive_admit(d, "a");
    drive_usage(d, "a", 50, 0, RV_USAGE_FINAL);
    drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
    assert_string_equal(drive_says(d, "a"), "failed exit");
    drive_free(d);
    d = drive_new("a: %attempts=5 %limit.usd=50 %at_limit=warn");
    drive_admit(d, "a");
    drive_usage(d, "a", 50, 0, RV_USAGE_FINAL);
    drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
    assert_string_equal(drive_says(d, "a"), "ready");
    drive_free(d);
}

static void k54__attempts_of_a_node_are_bounded_by_its_own_budget(void **state)
{
    drive *d = drive_new("a: %attempts=5 %limit.attempts=2; b");
    drive_fail(d, "a", 1);
    drive_fail(d, "a", 1);
    assert_string_equal(drive_says(d, "a"), "failed exit");
    drive_free(d);
    d = drive_new("a: %limit.attempts=1"); /* lost attempts count, too: here a start does not fit */
    drive_admit(d, "a");
    drive_lost(d, "a", RV_LOST_WAS_STARTED);
    drive_admit(d, "a");
    assert_string_equal(drive_says(d, "a"), "failed over_budget");
    drive_free(d);
}

/* ---- controllers [K52] ---- */

static void k52__what_a_child_spends_counts_for_its_controller(void **state)
{
    drive *d = drive_new("f: !foreach %items=[1,2]; b: f");
    drive_spend(d, "f[0]", 30, 0);
    drive_spend(d, "f[1]", 12, 0);
    assert_string_equal(drive_says(d, "f"), "succeeded");
    assert_int_equal(spent_by(d, "f"), 42);
    assert_int_equal(spent_by(d, "b"), 0);
    drive_free(d);
}

static void k54__a_controller_beyond_its_limit_fails_and_calls_its_children_off(void **state)
{
    drive *d = drive_new("f: !foreach %items=[1,2,3] %limit.usd=50; b: f");
    drive_admit(d, "f[1]");
    drive_spend(d, "f[0]", 51, 0);
    assert_string_equal(drive_says(d, "f"), "failed over_budget");
    assert_true(drive_has_effect(d, RV_EFFECT_STOP, "f[1]"));
    assert_string_equal(drive_says(d, "f[2]"), "cancelled superseded");
    assert_string_equal(drive_says(d, "b"), "skipped upstream root=f");
    drive_crash(d);
    drive_usage(d, "f[1]", 9, 0, RV_USAGE_FINAL);
    drive_complete(d, "f[1]", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_int_equal(spent_by(d, "f"), 60);
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

static void k54__a_child_that_does_not_fit_fails_its_controller_before_it_starts(void **state)
{
    drive *d = drive_new("f: !foreach %items=[1,2] %limit.attempts=1; b: f");
    drive_ok(d, "f[0]");
    drive_admit(d, "f[1]");
    assert_string_equal(drive_says(d, "f"), "failed over_budget");
    assert_string_equal(drive_says(d, "f[1]"), "cancelled superseded");
    drive_free(d);
}

static void k54__a_controller_that_only_warns_goes_on(void **state)
{
    drive *d = drive_new("f: !foreach %items=[1,2] %limit.usd=50 %at_limit=warn; b: f");
    drive_spend(d, "f[0]", 51, 0);
    drive_spend(d, "f[1]", 51, 0);
    assert_string_equal(drive_says(d, "f"), "succeeded");
    assert_int_equal(facts_of(d, RV_EVENT_WARNED), 1);
    drive_free(d);
}

/* [K31] */
static void k31__a_controller_is_denied_to_grow_beyond_the_quota(void **state)
{
    drive *d = drive_new("f: !foreach %items=[1,2,3]; b: f; %quota=nodes/4");
    assert_string_equal(drive_says(d, "f"), "denied denied");
    assert_string_equal(drive_says(d, "b"), "skipped upstream root=f");
    assert_int_equal(d->run->node_count, 2);
    drive_free(d);
    d = drive_new("f: !foreach %items=[1]; %quota=depth/0");
    assert_string_equal(drive_says(d, "f"), "denied denied");
    drive_free(d);
}

/* ---- spend as it goes [P10] ---- */

static void p10__a_reservation_is_raised_while_the_budget_has_room(void **state)
{
    drive *d = drive_new("%limit=usd/100; a: %estimate.usd=20");
    drive_admit(d, "a");
    assert_int_equal(drive_usage(d, "a", 70, 0, 0), RV_ANSWER_TAKEN);
    assert_int_equal(reserved(d), 70);
    assert_false(drive_has_effect(d, RV_EFFECT_STOP, "a"));
    drive_usage(d, "a", 80, 0, RV_USAGE_FINAL);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_int_equal(reserved(d), 0);
    assert_int_equal(spent(d, RV_DIMENSION_USD), 80);
    drive_free(d);
}

static void p10__an_attempt_that_spends_more_than_there_is_is_stopped(void **state)
{
    drive *d = drive_new("%limit=usd/100; a: %estimate.usd=20");
    drive_admit(d, "a");
    drive_usage(d, "a", 101, 0, 0);
    assert_true(drive_has_effect(d, RV_EFFECT_STOP, "a"));
    drive_usage(d, "a", 102, 0, 0);
    assert_false(drive_has_effect(d, RV_EFFECT_STOP, "a")); /* once */
    drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_string_equal(drive_says(d, "a"), "waiting budget");
    assert_int_equal(spent(d, RV_DIMENSION_USD), 102);
    drive_budget(d, RV_DIMENSION_USD, 50, 0);
    drive_spend(d, "a", 20, 0);
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
    d = drive_new("%limit=usd/100; %at_limit=stop; a: %estimate.usd=20");
    drive_admit(d, "a");
    drive_usage(d, "a", 101, 0, 0);
    drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_string_equal(drive_says(d, "a"), "failed over_budget");
    drive_free(d);
}

static void p10__what_may_happen_once_is_asked_about_when_it_was_stopped_for_its_spend(void **state)
{
    drive *d = drive_new("%limit=usd/100; a: %estimate.usd=20 %delivery=at_most_once %unknown=ask");
    drive_admit(d, "a");
    drive_usage(d, "a", 101, 0, 0);
    drive_complete(d, "a", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1);
    assert_string_equal(drive_says(d, "a"), "waiting unknown_outcome");
    drive_free(d);
}

static void p10__a_lost_attempt_is_charged_what_was_reserved_for_it(void **state)
{
    drive *d = drive_new("%limit=usd/100; a: %estimate.usd=20");
    drive_admit(d, "a");
    drive_lost(d, "a", RV_LOST_WAS_STARTED);
    assert_int_equal(spent(d, RV_DIMENSION_USD), 20);
    drive_admit(d, "a");
    drive_lost(d, "a", RV_LOST_NEVER_STARTED);
    assert_int_equal(spent(d, RV_DIMENSION_USD), 20);
    drive_free(d);
}

/* ---- limits that change ---- */

static void k50__a_budget_can_be_set_while_the_run_goes_on(void **state)
{
    drive *d = drive_new("a; b: a; c: b");
    assert_int_equal(drive_budget(d, RV_DIMENSION_ATTEMPTS, 1, 0), RV_ANSWER_ILLEGAL); /* there is none to add to */
    drive_ok(d, "a");
    assert_int_equal(drive_budget(d, RV_DIMENSION_ATTEMPTS, 2, RV_BUDGET_SET), RV_ANSWER_TAKEN);
    drive_ok(d, "b");
    drive_admit(d, "c");
    assert_string_equal(drive_says(d, "c"), "waiting budget");
    assert_int_equal(drive_budget(d, RV_DIMENSION_USD, -1, RV_BUDGET_SET), RV_ANSWER_ILLEGAL);
    assert_int_equal(drive_budget(d, RV_DIMENSION_COUNT, 1, RV_BUDGET_SET), RV_ANSWER_ILLEGAL);
    drive_free(d);
}

static void k50__a_limit_may_be_lowered_beneath_what_is_spent(void **state)
{
    drive *d = drive_new("%limit=usd/100; a; b: a");
    drive_spend(d, "a", 90, 0);
    drive_budget(d, RV_DIMENSION_USD, -60, 0);
    drive_admit(d, "b");
    assert_string_equal(drive_says(d, "b"), "waiting budget");
    drive_free(d);
}

/* [K53] */
static void k53__what_other_runs_of_the_group_spend_leaves_less(void **state)
{
    drive *d = drive_new("%limit=usd/100; a: %estimate.usd=50");
    drive_budget(d, RV_DIMENSION_USD, 51, RV_BUDGET_ELSEWHERE);
    drive_admit(d, "a");
    assert_string_equal(drive_says(d, "a"), "waiting budget");
    drive_budget(d, RV_DIMENSION_USD, 50, RV_BUDGET_ELSEWHERE);
    assert_string_equal(drive_says(d, "a"), "ready");
    drive_free(d);
}

static void k50__a_paused_run_can_be_cancelled_and_interrupted(void **state)
{
    drive *d = drive_new("%limit=usd/10; a: %estimate.usd=50; b: a");
    drive_admit(d, "a");
    drive_signal(d, RV_EVENT_INTERRUPT);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    drive_budget(d, RV_DIMENSION_USD, 100, 0); /* while it stands still */
    assert_string_equal(drive_says(d, "a"), "waiting budget");
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "a"), "ready");
    drive_free(d);
    d = drive_new("%limit=usd/10; a: %estimate.usd=50; b: a");
    drive_admit(d, "a");
    drive_signal(d, RV_EVENT_CANCEL);
    assert_string_equal(drive_says(d, "a"), "cancelled run");
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    drive_free(d);
}

/* [K52] What was left of a time at the pause is left when it ends. */
static void k52__a_pause_in_which_nothing_runs_is_nobodys_time(void **state)
{
    drive *d = drive_new("%limit=usd/100; %timeout=1000; a: %estimate.usd=60 %total=500 %attempts=2; b: %estimate.usd=60");
    drive_admit(d, "a");
    drive_admit(d, "b");
    assert_string_equal(drive_says(d, "b"), "waiting budget");
    drive_tick(d, 100); /* a runs: its time and the run's go on */
    assert_int_equal(d->run->due_ms, 2000);
    drive_usage(d, "a", 50, 0, RV_USAGE_FINAL);
    drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
    assert_string_equal(drive_says(d, "a"), "ready");
    assert_int_equal(d->run->due_ms, -900);
    assert_int_equal(drive_node(d, "a")->total_due_ms, -400);
    drive_crash(d);
    drive_tick(d, 100000);
    assert_int_equal(d->run->status, RV_RUN_RUNNING);
    drive_signal(d, RV_EVENT_INTERRUPT); /* and in the night somebody goes home */
    drive_tick(d, 100000);
    drive_signal(d, RV_EVENT_RESUME);
    assert_int_equal(d->run->due_ms, -900);
    drive_budget(d, RV_DIMENSION_USD, 100, 0);
    assert_int_equal(d->run->due_ms, d->now.engine_ms + 900);
    assert_int_equal(drive_node(d, "a")->total_due_ms, d->now.engine_ms + 400);
    drive_tick(d, 399);
    assert_string_equal(drive_says(d, "a"), "ready");
    drive_tick(d, 1);
    assert_string_equal(drive_says(d, "a"), "failed timeout");
    drive_tick(d, 500);
    assert_int_equal(d->run->status, RV_RUN_TIMEOUT);
    drive_free(d);
}

static void k52__who_is_cancelled_in_a_pause_has_no_time_left_over(void **state)
{
    drive *d = drive_new("%limit=usd/10; %timeout=1000; a: %estimate.usd=60; on.cancel: %total=100");
    drive_admit(d, "a");
    assert_int_equal(d->run->due_ms, -1000);
    drive_signal(d, RV_EVENT_CANCEL);
    assert_int_equal(d->run->due_ms, 0);
    drive_ok(d, "on.cancel");
    assert_int_equal(d->run->status, RV_RUN_CANCELLED);
    drive_free(d);
}

static void k51__the_headroom_says_what_is_used_and_what_remains(void **state)
{
    drive *d = drive_new("%limit=usd/1500000; %limit=time/1000; %quota=concurrent/2; a: %estimate.usd=250000; b");
    rv_buf text = {0};
    rv_json_writer w;
    drive_admit(d, "a");
    drive_tick(d, 10);
    rv_json_writer_init(&w, &text, 0);
    assert_true(rv_run_headroom(d->run, d->now.engine_ms, &w));
    assert_string_equal(text.at, "{\"usd\":{\"used\":0,\"reserved\":0.25,\"max\":1.5,\"remaining\":1.25},"
                                 "\"time\":{\"used\":10,\"reserved\":0,\"max\":1000,\"remaining\":990},\"running\":1,"
                                 "\"quota\":{\"concurrent\":{\"used\":1,\"max\":2,\"remaining\":1}}}");
    drive_free(d);
    d = drive_new("a");
    rv_buf_clear(&text);
    rv_json_writer_init(&w, &text, 0);
    assert_false(rv_run_headroom(d->run, d->now.engine_ms, &w));
    assert_int_equal(text.size, 0);
    rv_buf_deinit(&text);
    drive_free(d);
}

/* ---- the arithmetic against a slow oracle ---- */

typedef struct ledger { int64_t limit, spent; int64_t held[4], used[4]; bool is_warn; } ledger;

static int64_t held_of(const ledger *l) { return l->held[0] + l->held[1] + l->held[2] + l->held[3]; }

static const char *const names[] = {"a", "b", "c", "e"};
static const int64_t estimates[] = {30, 50, 20, 70};

/* One random thing; the books are kept twice. */
static void one_move(drive *d, ledger *l, uint64_t *rng)
{
    uint32_t n = (uint32_t)(rv_rng_next(rng) % RV_COUNT(names));
    const char *name = names[n];
    rv_node_state before = (rv_node_state)drive_node(d, name)->state;
    uint64_t draw = rv_rng_next(rng) % 6;
    int64_t amount = (int64_t)(rv_rng_next(rng) % 90);
    if (before == RV_NODE_READY && !d->run->paused) {
        bool fits = l->is_warn || l->spent + held_of(l) + estimates[n] <= l->limit;
        drive_admit(d, name);
        assert_int_equal(drive_node(d, name)->state, fits ? RV_NODE_RUNNING : RV_NODE_WAITING);
        if (fits) l->held[n] = estimates[n], l->used[n] = 0;
    } else if (before == RV_NODE_RUNNING && draw < 2) {
        bool fits = l->is_warn || amount <= l->held[n] || l->spent + held_of(l) - l->held[n] + amount <= l->limit;
        if (drive_node(d, name)->flags & RV_NODE_R_OVERSPENT) return;
        drive_usage(d, name, amount, 0, 0);
        l->used[n] = amount;
        assert_int_equal(drive_has_effect(d, RV_EFFECT_STOP, name), !fits);
        if (fits) l->held[n] = RV_MAX(l->held[n], amount);
    } else if (before == RV_NODE_RUNNING) {
        int64_t cost = draw == 2 ? RV_MAX(l->used[n], l->held[n]) : l->used[n];
        l->spent += cost;
        l->held[n] = 0;
        if (draw == 2) drive_lost(d, name, RV_LOST_WAS_STARTED);
        else if (draw == 3) drive_complete(d, name, RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
        else drive_complete(d, name, RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
    } else if (d->run->paused && draw == 0) {
        l->limit += amount;
        drive_budget(d, RV_DIMENSION_USD, amount, 0);
    } else if (draw == 1) {
        drive_crash(d);
    }
    assert_int_equal(d->run->purse.spent[RV_DIMENSION_USD], l->spent);
    assert_int_equal(reserved(d), held_of(l));
}

static void k50__the_books_agree_with_a_slow_twin(void **state)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        uint64_t rng = seed;
        ledger l = {.limit = 200, .is_warn = seed % 5 == 0};
        char text[400];
        snprintf(text, sizeof text, "%%limit=usd/200; %%at_limit=%s; a: %%estimate.usd=30 %%attempts=9 %%lost_max=99;"
                 "b: %%estimate.usd=50 %%attempts=9; c: %%estimate.usd=20 %%attempts=9; e: %%estimate.usd=70 %%attempts=9",
                 l.is_warn ? "warn" : "pause");
        drive *d = drive_new(text);
        d->seed = seed;
        for (uint32_t i = 0; i < 120 && d->run->status == RV_RUN_RUNNING; i++) one_move(d, &l, &rng);
        drive_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(k50__a_start_reserves_what_its_own_limit_leaves),
        cmocka_unit_test(k50__a_stated_estimate_is_reserved_and_the_rest_is_given_back),
        cmocka_unit_test(k50__who_states_nothing_reserves_the_fair_share),
        cmocka_unit_test(k50__under_stop_and_warn_who_states_nothing_reserves_nothing),
        cmocka_unit_test(k50__what_does_not_fit_pauses_until_more_is_given),
        cmocka_unit_test(k50__a_pause_ends_by_itself_when_a_reservation_is_given_back),
        cmocka_unit_test(k50__a_stop_skips_the_rest_and_lets_what_runs_finish),
        cmocka_unit_test(k50__a_stopped_run_stays_stopped_over_an_interrupt),
        cmocka_unit_test(k50__a_warning_is_said_once_a_dimension_and_everything_goes_on),
        cmocka_unit_test(k52__exactly_at_the_limit_is_not_over_it),
        cmocka_unit_test(k50__attempts_and_nodes_are_counted),
        cmocka_unit_test(k52__time_counts_while_something_runs_and_only_then),
        cmocka_unit_test(k52__cached_tokens_are_counted_apart),
        cmocka_unit_test(k52__what_handlers_spend_counts_and_does_not_hold_them_up),
        cmocka_unit_test(k50__what_is_reported_is_counted_without_a_budget_too),
        cmocka_unit_test(k54__a_node_beyond_its_own_limit_fails_and_its_result_is_discarded),
        cmocka_unit_test(k54__under_warn_its_result_is_kept),
        cmocka_unit_test(k54__an_exhausted_node_is_not_tried_again),
        cmocka_unit_test(k54__attempts_of_a_node_are_bounded_by_its_own_budget),
        cmocka_unit_test(k52__what_a_child_spends_counts_for_its_controller),
        cmocka_unit_test(k54__a_controller_beyond_its_limit_fails_and_calls_its_children_off),
        cmocka_unit_test(k54__a_child_that_does_not_fit_fails_its_controller_before_it_starts),
        cmocka_unit_test(k54__a_controller_that_only_warns_goes_on),
        cmocka_unit_test(k31__a_controller_is_denied_to_grow_beyond_the_quota),
        cmocka_unit_test(p10__a_reservation_is_raised_while_the_budget_has_room),
        cmocka_unit_test(p10__an_attempt_that_spends_more_than_there_is_is_stopped),
        cmocka_unit_test(p10__what_may_happen_once_is_asked_about_when_it_was_stopped_for_its_spend),
        cmocka_unit_test(p10__a_lost_attempt_is_charged_what_was_reserved_for_it),
        cmocka_unit_test(k50__a_budget_can_be_set_while_the_run_goes_on),
        cmocka_unit_test(k50__a_limit_may_be_lowered_beneath_what_is_spent),
        cmocka_unit_test(k53__what_other_runs_of_the_group_spend_leaves_less),
        cmocka_unit_test(k50__a_paused_run_can_be_cancelled_and_interrupted),
        cmocka_unit_test(k52__a_pause_in_which_nothing_runs_is_nobodys_time),
        cmocka_unit_test(k52__who_is_cancelled_in_a_pause_has_no_time_left_over),
        cmocka_unit_test(k51__the_headroom_says_what_is_used_and_what_remains),
        cmocka_unit_test(k50__the_books_agree_with_a_slow_twin),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
