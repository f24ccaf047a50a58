/* test_check.c: the checker of invariants is itself checked: each sentence of src/kernel/check.c is made to fail by breaking
 * one field of a sound state, and a text there that nothing here provokes fails the last case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drive.h"

/* a ──► b   s softly after a, o optionally; people, time, an attempt at most once; handlers */
static const char *const GRAPH =
    "a: %attempts=3; b: a; s: ~a; o: a [optional]; i: !input; p: !approve; w: !wait %for=90;"
    " u: %delivery=at_most_once %unknown=ask; z: !wait %for=9999; e: !wait %event=go; f: !foreach %items=[1,2];"
    " on.failure; on.exit";
enum { A, B, S, O, I, P, W, U, Z, E, F, ON_FAILURE, ON_EXIT, F_0, F_1 };

/* ---- sound states ---- */

static void accepted(drive *d) { (void)d; }
static void loaded(drive *d) { drive_signal(d, RV_EVENT_LOAD); }

static void a_runs(drive *d)
{
    loaded(d);
    drive_admit(d, "a");
}

static void a_is_done(drive *d)
{
    a_runs(d);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
}

static void a_failed(drive *d)
{
    a_runs(d);
    drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_START, -1);
}

static void u_is_unknown(drive *d)
{
    loaded(d);
    drive_admit(d, "u");
    drive_lost(d, "u", RV_LOST_WAS_STARTED);
}

static void interrupted(drive *d)
{
    loaded(d);
    drive_signal(d, RV_EVENT_INTERRUPT);
}

static void interrupting(drive *d)
{
    a_runs(d);
    drive_signal(d, RV_EVENT_INTERRUPT);
}

/* The graph is over with a failure; its handler is ready. */
static void in_handlers(drive *d)
{
    a_failed(d);
    drive_ok(d, "o");
    drive_ok(d, "s");
    drive_ok(d, "u");
    drive_answer(d, "i", "{}");
    drive_decide(d, "p", RV_DECISION_APPROVE, NULL);
    drive_event(d, "go", NULL);
    drive_ok(d, "f[0]");
    drive_ok(d, "f[1]");
    drive_tick(d, 10000);
}

static void in_exit(drive *d)
{
    in_handlers(d);
    drive_ok(d, "on.failure");
}

static void over(drive *d)
{
    in_exit(d);
    drive_ok(d, "on.exit");
}

/* Budgets: a's attempt holds a reservation; the quota is full; p waits for the budget. */
static void a_holds(drive *d)
{
    loaded(d);
    drive_budget(d, RV_DIMENSION_USD, 1100, RV_BUDGET_SET);
    drive_admit(d, "a");
}

static void a_has_spent(drive *d)
{
    loaded(d);
    drive_budget(d, RV_DIMENSION_USD, 1100, RV_BUDGET_SET);
    drive_spend(d, "a", 100, 0);
}

static void crowd(drive *d)
{
    loaded(d);
    drive_quota(d, RV_QUOTA_CONCURRENT, 2);
    drive_admit(d, "a");
    drive_admit(d, "o");
}

static void paused(drive *d)
{
    loaded(d);
    drive_budget(d, RV_DIMENSION_ATTEMPTS, 0, RV_BUDGET_SET);
    drive_admit(d, "a");
}

/* ---- one field broken ---- */

typedef struct breakage {
    void (*reach)(drive *d);
    void (*spoil)(rv_run *run);
    const char *text;
} breakage;

#define SPOIL(name_, ...) static void name_(rv_run *run) { __VA_ARGS__; }
#define NODE(node_) run->nodes[node_]
SPOIL(epoch_too_high, run->epoch_last = 0)
SPOIL(number_too_high, NODE(A).number = 5)
SPOIL(no_epoch, NODE(A).epoch = 0, NODE(A).number = 0)
SPOIL(epoch_alone, NODE(B).epoch = 1)
SPOIL(no_attempt_state, NODE(A).attempt = RV_ATTEMPT_PENDING)
SPOIL(too_many_failures, NODE(A).failures = 1)
SPOIL(too_many_losses, NODE(A).losses = 1)
SPOIL(attempt_over, NODE(A).attempt = RV_ATTEMPT_OK)
SPOIL(attempt_at_input, NODE(I).number = 1, NODE(I).epoch = 1, NODE(I).attempt = RV_ATTEMPT_OK)
SPOIL(strange_flag, NODE(A).flags = 128)
SPOIL(kept_at_shell, NODE(A).flags = RV_NODE_R_KEPT)
SPOIL(b_succeeded, NODE(B).state = RV_NODE_SUCCEEDED, NODE(B).detail = RV_DETAIL_FRESH)
SPOIL(b_cancelled_badly, NODE(B).state = RV_NODE_CANCELLED, NODE(B).detail = RV_DETAIL_EXIT)
SPOIL(gating_low, NODE(B).gating = 0)
SPOIL(skip_as_exit, NODE(B).detail = RV_DETAIL_EXIT)
SPOIL(success_as_exit, NODE(A).detail = RV_DETAIL_EXIT)
SPOIL(failure_as_fresh, NODE(A).detail = RV_DETAIL_FRESH)
SPOIL(waits_for_an_input, NODE(P).detail = RV_DETAIL_INPUT)
SPOIL(waits_for_an_approval, NODE(I).detail = RV_DETAIL_APPROVAL)
SPOIL(input_waits_for_time, NODE(I).detail = RV_DETAIL_TIMER)
SPOIL(waits_for_no_time, NODE(W).due_ms = 0)
SPOIL(waits_for_no_event, NODE(W).detail = RV_DETAIL_EVENT)
SPOIL(event_is_kept, rv_vec_push(&run->signals, ((rv_signal){RV_STR("go"), 0})))
SPOIL(waits_for_children, NODE(W).detail = RV_DETAIL_CHILDREN)
SPOIL(approval_is_unknown, NODE(P).detail = RV_DETAIL_UNKNOWN_OUTCOME)
SPOIL(known_is_unknown, NODE(U).attempt = RV_ATTEMPT_LOST)
SPOIL(root_beyond, NODE(B).root = 99)
SPOIL(no_root, NODE(B).root = 0)
SPOIL(not_in_ready_set, rv_vec_clear(&run->classes.at[0].ready.row), run->classes.at[0].ready.row_begin = 0)
SPOIL(ready_without_need, NODE(I).state = RV_NODE_READY)
SPOIL(open_at_the_end, run->status = RV_RUN_OK)
SPOIL(result_beyond, NODE(A).result = 99)
SPOIL(output_beyond, NODE(A).output = 99)
SPOIL(error_beyond, NODE(A).error = 99)
SPOIL(a_undecided, NODE(A).state = RV_NODE_PENDING)
SPOIL(handler_early, NODE(ON_EXIT).state = RV_NODE_SUCCEEDED, NODE(ON_EXIT).detail = RV_DETAIL_FRESH, run->handler_open--,
      run->places.at[1].open--)
SPOIL(next_phase, run->phase = RV_PHASE_EXIT)
SPOIL(epochs_spent, run->epoch_last = UINT32_MAX)
SPOIL(over_in_exit, run->phase = RV_PHASE_EXIT)
SPOIL(over_before_the_end, run->phase = RV_PHASE_OVER)
SPOIL(handlers_early, run->phase = RV_PHASE_HANDLERS)
SPOIL(accepted_in_handlers, run->status = RV_RUN_ACCEPTED)
SPOIL(accepted_and_closed, run->closing = RV_CLOSING_CANCEL)
SPOIL(accepted_with_epochs, run->epoch_last = 1)
SPOIL(accepted_and_begun, run->status = RV_RUN_ACCEPTED, run->epoch_last = 0)
SPOIL(interrupted_and_open, run->closing = RV_CLOSING_NO)
SPOIL(interrupted_and_running, run->status = RV_RUN_INTERRUPTED)
SPOIL(interrupted_unsaid, run->status = RV_RUN_RUNNING)
SPOIL(graph_again, run->phase = RV_PHASE_GRAPH)
SPOIL(timeout_in_handlers, run->due_ms = 5)
SPOIL(node_time_held, NODE(A).total_due_ms = -5)
SPOIL(run_time_held, run->due_ms = -5)
SPOIL(hurried, run->is_hurried = 1)
SPOIL(counts_off, run->counts[RV_NODE_READY]++)
SPOIL(running_off, run->running++)
SPOIL(ready_off, run->ready_count++)
SPOIL(handler_open_off, run->handler_open++)
SPOIL(handler_failed_off, run->handler_failed++)
SPOIL(failed_off, run->failed++)
SPOIL(elsewhere, NODE(A).place = 1)
SPOIL(open_off, run->places.at[0].open++)
SPOIL(ownerless, run->places.at[1].parent = A)
SPOIL(controller_unknown, rv_vec_push(&run->controls, ((rv_control){.node = A})))
SPOIL(controller_idle, rv_vec_push(&run->controls, ((rv_control){.node = A})), NODE(A).control = 2)
SPOIL(held_off, run->accounts.at[0].held[RV_DIMENSION_USD]++)
SPOIL(reserved_off, run->purse.reserved[RV_DIMENSION_USD]--)
SPOIL(live_off, run->purse.live++)
SPOIL(too_much, run->purse.spent[RV_DIMENSION_USD] = 1101)
SPOIL(account_elsewhere, NODE(A).account = 0)
SPOIL(held_by_nobody, NODE(A).state = RV_NODE_FAILED, NODE(A).detail = RV_DETAIL_START, NODE(A).attempt = RV_ATTEMPT_ERROR,
    NODE(A).root = A + 1,
      run->counts[RV_NODE_RUNNING]--, run->counts[RV_NODE_FAILED]++, run->running--, run->failed++, run->places.at[0].open--,
      NODE(B).gating = 0, NODE(S).gating = 0, NODE(B).state = NODE(S).state = RV_NODE_SKIPPED,
      NODE(B).detail = NODE(S).detail = RV_DETAIL_PRUNED, run->counts[RV_NODE_PENDING] -= 2, run->counts[RV_NODE_SKIPPED] += 2,
      run->places.at[0].open -= 2)
SPOIL(crowded, run->limits.quota[RV_QUOTA_CONCURRENT] = 1, run->limits.crowd = 0)
SPOIL(paused_off, run->paused--)
SPOIL(stopped_unsaid, run->closing = RV_CLOSING_BUDGET)
SPOIL(violated_unsaid, run->closing = RV_CLOSING_VIOLATION)
SPOIL(no_control, NODE(F).control = 0)
SPOIL(control_open_off, run->controls.at[0].open++)
SPOIL(control_value_beyond, run->controls.at[0].value = 99)
SPOIL(place_value_beyond, run->places.at[2].value = 99)
SPOIL(child_cancelled, NODE(F_0).state = RV_NODE_CANCELLED, NODE(F_0).detail = RV_DETAIL_SUPERSEDED, NODE(F_0).root = F_0 + 1,
      run->counts[RV_NODE_READY]--, run->ready_count--, run->counts[RV_NODE_CANCELLED]++, run->places.at[2].open--,
          run->controls.at[0].open--)
SPOIL(children_settled, NODE(F_0).state = NODE(F_1).state = RV_NODE_SUCCEEDED, NODE(F_0).detail = NODE(F_1).detail = RV_DETAIL_FRESH,
      run->counts[RV_NODE_READY] -= 2, run->ready_count -= 2, run->counts[RV_NODE_SUCCEEDED] += 2, run->places.at[2].open--,
      run->places.at[3].open--, run->controls.at[0].open -= 2)
SPOIL(first_not_ready, run->classes.at[0].ready.row.at[run->classes.at[0].ready.row_begin].node = B)
SPOIL(first_is_aside, NODE(A).is_aside = true)
SPOIL(aside_and_pending, NODE(B).is_aside = true)
SPOIL(no_root_of_its_own, NODE(A).root = 0)
SPOIL(accepted_and_skipped, NODE(E).state = RV_NODE_SKIPPED, NODE(E).detail = RV_DETAIL_CONDITION, run->counts[RV_NODE_PENDING]--,
      run->counts[RV_NODE_SKIPPED]++, run->places.at[0].open--)
SPOIL(accepted_and_grown, rv_vec_push(&run->places, ((rv_place){.base = ON_EXIT, .parent = RV_NONE})))
SPOIL(money_left_held, run->accounts.at[0].held[0] = 1, run->accounts.at[0].purse.reserved[0]++, run->purse.reserved[0]++)
SPOIL(tokens_left_held, run->accounts.at[0].held[1] = 1, run->accounts.at[0].purse.reserved[1]++, run->purse.reserved[1]++)
SPOIL(tend_left, rv_vec_push(&run->tend, 0))
SPOIL(work_left, rv_vec_push(&run->work, 0))

static const breakage breakages[] = {
    {a_runs, epoch_too_high, "an epoch above the last one given"},
    {a_runs, number_too_high, "more attempts than epochs"},
    {a_runs, no_epoch, "an attempt without a state, or the reverse"},
    {a_runs, epoch_alone, "attempts without an epoch, or an epoch without an attempt"},
    {a_runs, no_attempt_state, "an attempt without a state, or the reverse"},
    {a_runs, too_many_failures, "more attempts ended than began"},
    {a_runs, too_many_losses, "more attempts ended than began"},
    {a_runs, attempt_over, "a live attempt without a running node, or the reverse"},
    {a_runs, attempt_at_input, "an attempt at a node that needs none"},
    {loaded, ready_without_need, "a node that needs no attempt is ready for one"},
    {loaded, strange_flag, "a flag that is none"},
    {loaded, kept_at_shell, "an answer kept for a node that asks nothing"},
    {loaded, b_succeeded, "a node began before a predecessor that gates it was terminal"},
    {loaded, b_cancelled_badly, "a cancel without a cause"},
    {loaded, gating_low, "a gating counter disagrees with the edges"},
    {a_failed, skip_as_exit, "a skip without a cause"},
    {a_is_done, success_as_exit, "a success without a source"},
    {a_failed, failure_as_fresh, "a failure without a kind"},
    {loaded, waits_for_an_input, "a wait that nothing can end"},
    {loaded, waits_for_an_approval, "a wait that nothing can end"},
    {loaded, input_waits_for_time, "a wait that nothing can end"},
    {loaded, waits_for_no_time, "a wait that nothing can end"},
    {loaded, waits_for_children, "a wait that nothing can end"},
    {loaded, waits_for_no_event, "a wait that nothing can end"},
    {loaded, event_is_kept, "a node waits for an event that is kept"},
    {loaded, approval_is_unknown, "a wait that nothing can end"},
    {u_is_unknown, known_is_unknown, "a wait that nothing can end"},
    {a_failed, root_beyond, "a root that is no node"},
    {a_failed, no_root, "a root that is no node"},
    {loaded, not_in_ready_set, "a ready node is in no queue"},
    {loaded, open_at_the_end, "a run ended with a node that has not"},
    {a_is_done, result_beyond, "a value that is not kept"},
    {a_is_done, output_beyond, "a value that is not kept"},
    {a_is_done, error_beyond, "a value that is not kept"},
    {loaded, a_undecided, "a node that nothing holds back was not decided"},
    {in_handlers, handler_early, "a handler began before its turn"},
    {in_handlers, next_phase, "a handler outlived its turn"},
    {loaded, epochs_spent, "epochs are running out"},
    {over, over_in_exit, "a run ended before its last phase, or did not end in it"},
    {in_exit, over_before_the_end, "a run ended before its last phase, or did not end in it"},
    {loaded, handlers_early, "handlers began before the graph had ended"},
    {in_handlers, accepted_in_handlers, "a run began before it was loaded"},
    {accepted, accepted_and_closed, "a run began before it was loaded"},
    {accepted, accepted_with_epochs, "a run began before it was loaded"},
    {loaded, accepted_and_begun, "a run began before it was loaded"},
    {interrupted, interrupted_and_open, "an interrupted run in which something runs"},
    {interrupting, interrupted_and_running, "an interrupted run in which something runs"},
    {interrupted, interrupted_unsaid, "an interrupted run that does not say so"},
    {in_handlers, graph_again, "a run that has nothing left to do goes on"},
    {in_handlers, timeout_in_handlers, "the run's timeout outlived its graph"},
    {loaded, failed_off, "the count of failures disagrees"},
    {loaded, elsewhere, "a node does not stand in its place"},
    {loaded, open_off, "a place's count of open nodes disagrees"},
    {loaded, ownerless, "a place beneath a node that is no controller"},
    {loaded, controller_unknown, "a controller's count of open places disagrees"},
    {loaded, controller_idle, "a controller that has begun has nothing to wait for"},
    {a_runs, node_time_held, "the time of a node stands still"},
    {loaded, run_time_held, "the time of a run that goes on stands still"},
    {loaded, hurried, "a hurried run that is not called off"},
    {interrupted, hurried, "a hurried run that is not called off"},
    {loaded, counts_off, "the counts disagree with the nodes"},
    {loaded, running_off, "running or ready disagrees with the nodes"},
    {loaded, ready_off, "running or ready disagrees with the nodes"},
    {loaded, handler_open_off, "the handlers' counts disagree"},
    {loaded, handler_failed_off, "the handlers' counts disagree"},
    {a_holds, held_off, "what is reserved is not what attempts hold"},
    {a_holds, reserved_off, "what is reserved is not what attempts hold"},
    {a_holds, live_off, "a count of attempts in flight disagrees"},
    {a_holds, too_much, "more is spent and reserved than the budget has"},
    {a_holds, account_elsewhere, "an account is not its node's"},
    {a_holds, held_by_nobody, "a reservation without an attempt"},
    {crowd, crowded, "more attempts run than the quota allows"},
    {paused, paused_off, "the count of nodes that wait for the budget disagrees"},
    {loaded, stopped_unsaid, "a budget stopped a run that is not over it"},
    {loaded, violated_unsaid, "a violation stopped a run that has none"},
    {loaded, no_control, "a wait that nothing can end"},
    {loaded, control_open_off, "a controller's count of open places disagrees"},
    {loaded, control_value_beyond, "a controller has a value that is not kept"},
    {loaded, place_value_beyond, "a place has a value that is not kept"},
    {loaded, child_cancelled, "a node was cancelled beneath a controller that goes on"},
    {loaded, children_settled, "a controller that has begun has nothing to wait for"},
    {loaded, first_not_ready, "what is first in a queue is not ready"},
    {loaded, first_is_aside, "what is first in a queue has been admitted"},
    {loaded, aside_and_pending, "a node that is not ready has been set aside"},
    {a_failed, no_root_of_its_own, "a failure without a root"},
    {accepted, accepted_and_skipped, "a run began before it was loaded"},
    {accepted, accepted_and_grown, "a run began before it was loaded"},
    {a_has_spent, money_left_held, "a reservation without an attempt"},
    {a_has_spent, tokens_left_held, "a reservation without an attempt"},
    {loaded, tend_left, "a cascade was left unfinished"},
    {loaded, work_left, "a cascade was left unfinished"},
};

static rv_run *copy_of(const drive *d)
{
    rv_run *run = rv_run_new(d->graph);
    rv_buf bytes = {0};
    rv_run_encode(d->run, &bytes);
    assert_int_equal(rv_run_decode(run, rv_buf_str(&bytes), NULL), RV_OK);
    rv_buf_deinit(&bytes);
    return run;
}

static void check__each_broken_field_is_said_by_name(void **state)
{
    for (size_t i = 0; i < RV_COUNT(breakages); i++) {
        drive *d = drive_new_bare(GRAPH);
        breakages[i].reach(d);
        rv_run *run = copy_of(d);
        assert_null(rv_run_check(run));
        breakages[i].spoil(run);
        const char *said = rv_run_check(run);
        if (!said || strcmp(said, breakages[i].text) != 0)
            fail_msg("breakage %zu: '%s' was said instead of '%s'", i, said ? said : "nothing", breakages[i].text);
        rv_run_free(run);
        drive_free(d);
    }
}

/* ---- none is left out ---- */

static void read_source(const char *name, rv_buf *out)
{
    const char *root = getenv("REEVE_SOURCE_ROOT");
    char path[1000], bytes[4096];
    assert_non_null(root);
    snprintf(path, sizeof path, "%s/src/kernel/%s", root, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (size_t size; (size = fread(bytes, 1, sizeof bytes, file)) > 0;) rv_buf_add(out, bytes, size);
    fclose(file);
}

static bool is_provoked(rv_str text)
{
    for (size_t i = 0; i < RV_COUNT(breakages); i++)
        if (rv_str_is(text, breakages[i].text)) return true;
    return false;
}

/* The text of a HOLDS is the last thing in it: `"…")`. */
static void check__each_sentence_of_the_checker_is_provoked(void **state)
{
    rv_buf source = {0};
    uint32_t count = 0;
    read_source("check.c", &source);
    for (const char *at = source.at; (at = strstr(at, "    HOLDS("));) {
        const char *end = strstr(at, "\");"), *begin = end;
        assert_non_null(end);
        while (begin[-1] != '"') begin--;
        rv_str text = {begin, (size_t)(end - begin)};
        if (!is_provoked(text)) fail_msg("nothing provokes '%.*s'", RV_FMT(text));
        count++;
        at = end;
    }
    assert_true(count >= 30);
    rv_buf_deinit(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check__each_broken_field_is_said_by_name),
        cmocka_unit_test(check__each_sentence_of_the_checker_is_provoked),
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
