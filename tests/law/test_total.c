/* test_total.c: a step is total: room is made before, nothing is allocated in it, what cannot be is refused; journals and states of
 * strange origin are refused whole; what expressions read, also where it is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drive.h"

/* ---- room ---- */

static void reserve__says_when_there_is_no_memory_and_changes_nothing(void **state)
{
    drive *d = drive_new("a; b: a");
    rv_out out = {0};
    rv_event event = {.type = RV_EVENT_ADMITTED, .node = 0};
    rv_alloc_fail_after(0);
    assert_int_equal(rv_run_reserve(d->run, &out, &event), RV_NO_MEMORY);
    rv_alloc_fail_after(-1);
    assert_int_equal(out.journal.capacity, 0);
    assert_int_equal(rv_run_reserve(d->run, &out, &event), RV_OK);
    rv_out_deinit(&out);
    drive_free(d);
}

/* Each of twelve reduces ends its pause and starts at once: two effects a node in one step. */
static void reserve__makes_the_room_that_the_largest_step_takes(void **state)
{
    rv_buf text = {0};
    for (int i = 0; i < 12; i++) rv_buf_printf(&text, "r%d: !reduce %%attempts=2 %%delay=10; ", i);
    drive *d = drive_new(text.at);
    for (int i = 0; i < 12; i++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", i);
        drive_complete(d, name, RV_ATTEMPT_ERROR, RV_DETAIL_UNAVAILABLE, -1);
    }
    rv_event tick = {.type = RV_EVENT_TICK, .node = RV_NONE};
    rv_out out = {0};
    rv_now later = {d->now.wall_ms + 10, d->now.engine_ms + 10};
    rv_run *run = rv_run_new(d->graph);
    rv_buf bytes = {0};
    rv_run_encode(d->run, &bytes);
    assert_int_equal(rv_run_decode(run, rv_buf_str(&bytes), NULL), RV_OK);
    assert_int_equal(rv_run_reserve(run, &out, &tick), RV_OK);
    uint32_t effects = out.effects.capacity;
    size_t journal = out.journal.capacity;
    assert_int_equal(rv_run_step(run, &tick, later, &out), RV_ANSWER_TAKEN);
    assert_true(out.effects.count >= 24);
    assert_int_equal(out.effects.capacity, effects);
    assert_int_equal(out.journal.capacity, journal);
    rv_out_deinit(&out);
    rv_buf_deinit(&bytes);
    rv_buf_deinit(&text);
    rv_run_free(run);
    rv_run_free(NULL);
    drive_free(d);
}

/* For a host that keeps no journal: the same states, the same effects, no bytes. */
static void step__without_a_journal_decides_the_same(void **state)
{
    drive *d = drive_new("a: %attempts=2; b: a");
    rv_run *other = rv_run_new(d->graph);
    rv_buf left = {0}, right = {0};
    rv_out out = {.leaves_out_journal = true};
    rv_run_encode(d->run, &left);
    assert_int_equal(rv_run_decode(other, rv_buf_str(&left), NULL), RV_OK);
    rv_event event = {.type = RV_EVENT_ADMITTED, .node = 0};
    assert_int_equal(rv_run_reserve(other, &out, &event), RV_OK);
    assert_int_equal(rv_run_step(other, &event, d->now, &out), RV_ANSWER_TAKEN);
    drive_admit(d, "a");
    rv_buf_clear(&left);
    rv_run_encode(d->run, &left);
    rv_run_encode(other, &right);
    assert_true(rv_str_eq(rv_buf_str(&left), rv_buf_str(&right)));
    assert_int_equal(out.journal.size, 0);
    assert_int_equal(out.event_count, d->out.event_count);
    assert_int_equal(out.effects.count, 1);
    rv_out_deinit(&out);
    rv_buf_deinit(&left);
    rv_buf_deinit(&right);
    rv_run_free(other);
    drive_free(d);
}

/* ---- what cannot be ---- */

static void expect_corrupt(rv_run *run, rv_event event)
{
    rv_buf before = {0}, after = {0};
    rv_error error;
    rv_run_encode(run, &before);
    assert_int_equal(rv_run_apply(run, &event, NULL, &error), RV_CORRUPT);
    rv_run_encode(run, &after);
    assert_true(rv_str_eq(rv_buf_str(&before), rv_buf_str(&after)));
    rv_buf_deinit(&before);
    rv_buf_deinit(&after);
}

static void apply__refuses_types_phases_and_timers_that_there_are_not(void **state)
{
    drive *d = drive_new("a; b: a");
    expect_corrupt(d->run, (rv_event){.type = (rv_event_type)63});
    expect_corrupt(d->run, (rv_event){.type = RV_EVENT_TYPE_MAX});
    expect_corrupt(d->run, (rv_event){.type = RV_EVENT_PHASE, .state = RV_PHASE_OVER + 1});
    expect_corrupt(d->run, (rv_event){.type = RV_EVENT_PHASE, .flags = RV_CLOSING_COUNT});
    expect_corrupt(d->run, (rv_event){.type = RV_EVENT_NODE_TIMER, .flags = RV_TIMER_RUN + 1});
    expect_corrupt(d->run, (rv_event){.type = RV_EVENT_NODE_TIMER, .flags = RV_TIMER_RUN, .node = 0});
    expect_corrupt(d->run, (rv_event){.type = RV_EVENT_NODE_TIMER, .flags = RV_TIMER_NODE, .node = RV_NONE});
    expect_corrupt(d->run, (rv_event){.type = RV_EVENT_NODE_TIMER, .flags = RV_TIMER_NODE, .node = 0, .due_ms = -1}); /* never held */
    expect_corrupt(d->run, (rv_event){.type = RV_EVENT_NODE_TIMER, .flags = RV_TIMER_TOTAL, .node = 0, .due_ms = INT64_MIN});
    expect_corrupt(d->run, (rv_event){.type = RV_EVENT_NODE_TIMER, .flags = RV_TIMER_RUN, .node = RV_NONE, .due_ms = INT64_MIN});
    expect_corrupt(d->run, (rv_event){.type = RV_EVENT_NODE_STATE, .state = RV_NODE_SKIPPED, .root = 3, .node = 1});
    expect_corrupt(d->run, (rv_event){.type = RV_EVENT_LOAD});
    assert_int_equal(rv_run_apply(d->run, &(rv_event){.type = RV_EVENT_PHASE, .state = RV_PHASE_HANDLERS}, NULL, NULL), RV_OK);
    expect_corrupt(d->run, (rv_event){.type = RV_EVENT_PHASE, .state = RV_PHASE_GRAPH}); /* phases do not go back */
    d->run->phase = RV_PHASE_GRAPH;
    drive_free(d);
}

/* A journal that ends right behind LOAD: the run is loaded, though it says that it is not running yet. */
static void load__is_given_once(void **state)
{
    drive *d = drive_new_bare("a");
    rv_event load = {.type = RV_EVENT_LOAD, .key = RV_STR("run-1"), .value = RV_STR("{}")};
    rv_run *run = rv_run_new(d->graph);
    rv_out out = {0};
    assert_int_equal(rv_run_apply(run, &load, NULL, NULL), RV_OK);
    assert_int_equal(rv_run_reserve(run, &out, &load), RV_OK);
    assert_int_equal(rv_run_step(run, &load, d->now, &out), RV_ANSWER_ILLEGAL);
    rv_out_deinit(&out);
    rv_run_free(run);
    drive_free(d);
}

/* A node that runs though its attempt has ended is damage; what is said to that attempt is late. */
static void lost__of_an_attempt_that_has_ended_is_stale(void **state)
{
    drive *d = drive_new("a");
    rv_run *run = rv_run_new(d->graph);
    rv_event facts[] = {{.type = RV_EVENT_LOAD, .key = RV_STR("r"), .value = RV_STR("{}")},
                        {.type = RV_EVENT_RUN_STATE, .state = RV_RUN_RUNNING},
                        {.type = RV_EVENT_ATTEMPT_STATE, .state = RV_ATTEMPT_STARTING, .epoch = 1, .number = 1},
                        {.type = RV_EVENT_NODE_STATE, .state = RV_NODE_RUNNING},
                        {.type = RV_EVENT_ATTEMPT_STATE, .state = RV_ATTEMPT_ERROR, .epoch = 1, .number = 1}};
    rv_event lost = {.type = RV_EVENT_LOST, .epoch = 1};
    rv_out out = {0};
    assert_int_equal(rv_run_apply(run, &facts[0], NULL, NULL), RV_OK);
    assert_int_equal(rv_run_apply(run, &facts[1], NULL, NULL), RV_OK);
    assert_int_equal(rv_run_apply(run, &(rv_event){.type = RV_EVENT_NODE_STATE, .state = RV_NODE_READY}, NULL, NULL), RV_OK);
    for (size_t i = 2; i < RV_COUNT(facts); i++) assert_int_equal(rv_run_apply(run, &facts[i], NULL, NULL), RV_OK);
    assert_int_equal(rv_run_reserve(run, &out, &lost), RV_OK);
    assert_int_equal(rv_run_step(run, &lost, d->now, &out), RV_ANSWER_STALE);
    rv_out_deinit(&out);
    rv_run_free(run);
    drive_free(d);
}

/* ---- encoded states ---- */

static void expect_damaged(const rv_graph *graph, rv_str bytes)
{
    rv_run *run = rv_run_new(graph);
    rv_error error;
    assert_int_equal(rv_run_decode(run, bytes, &error), RV_CORRUPT);
    rv_run_free(run);
}

static void decode__refuses_another_version_another_graph_and_bytes_that_are_too_few_or_too_many(void **state)
{
    drive *d = drive_new("a");
    const rv_graph *other = rv_graph_text("a; ");
    rv_buf bytes = {0};
    rv_run_encode(d->run, &bytes);
    for (size_t size = 0; size < bytes.size; size++) expect_damaged(d->graph, rv_str_cut(rv_buf_str(&bytes), 0, size));
    expect_damaged(other, rv_buf_str(&bytes));
    rv_buf_byte(&bytes, 0);
    expect_damaged(d->graph, rv_buf_str(&bytes));
    bytes.at[0] = 2;
    expect_damaged(d->graph, rv_buf_str(&bytes));
    rv_buf_deinit(&bytes);
    rv_graph_text_free(other);
    drive_free(d);
}

/* Behind the fields of the first node that come before it. */
static void decode__refuses_an_exit_status_that_is_none(void **state)
{
    drive *d = drive_new("a");
    const int64_t statuses[] = {(int64_t)INT32_MAX + 1, (int64_t)INT32_MIN - 1};
    for (size_t i = 0; i < RV_COUNT(statuses); i++) {
        rv_buf bytes = {0}, head = {0}, tail = {0};
        d->run->nodes[0].exit_status = 77777;
        rv_run_encode(d->run, &bytes);
        d->run->nodes[0].exit_status = -1;
        rv_buf_varint_signed(&tail, 77777);
        const char *found = memmem(bytes.at, bytes.size, tail.at, tail.size);
        assert_non_null(found);
        rv_buf_add(&head, bytes.at, (size_t)(found - bytes.at));
        rv_buf_varint_signed(&head, statuses[i]);
        rv_buf_str_add(&head, rv_str_from(rv_buf_str(&bytes), (size_t)(found - bytes.at) + tail.size));
        expect_damaged(d->graph, rv_buf_str(&head));
        rv_buf_deinit(&bytes);
        rv_buf_deinit(&head);
        rv_buf_deinit(&tail);
    }
    drive_free(d);
}

/* A time at a node that does not wait for one, as only a damaged snapshot has it, passes without effect. */
static void tick__of_a_wait_that_no_time_ends_changes_nothing(void **state)
{
    drive *d = drive_new("a: %delivery=at_most_once %unknown=ask; b: a");
    drive_admit(d, "a");
    drive_lost(d, "a", RV_LOST_WAS_STARTED);
    d->run->nodes[0].due_ms = d->now.engine_ms + 5;
    rv_buf bytes = {0};
    rv_run *run = rv_run_new(d->graph);
    rv_out out = {0};
    rv_event tick = {.type = RV_EVENT_TICK, .node = RV_NONE};
    rv_run_encode(d->run, &bytes);
    d->run->nodes[0].due_ms = 0;
    assert_int_equal(rv_run_decode(run, rv_buf_str(&bytes), NULL), RV_OK);
    assert_int_equal(rv_run_reserve(run, &out, &tick), RV_OK);
    assert_int_equal(rv_run_step(run, &tick, (rv_now){d->now.wall_ms + 5, d->now.engine_ms + 5}, &out), RV_ANSWER_TAKEN);
    assert_int_equal(run->nodes[0].state, RV_NODE_WAITING);
    assert_int_equal(run->nodes[0].due_ms, 0);
    assert_null(rv_run_check(run));
    rv_run_free(run);
    rv_out_deinit(&out);
    rv_buf_deinit(&bytes);
    drive_free(d);
}

/* Deadlines that no longer count are dropped when room runs out, so that there is never more of it than for a few. */
static void timers__that_no_longer_count_take_no_room(void **state)
{
    rv_buf text = {0};
    rv_buf_cstring(&text, "p0: !approve %deadline=1000; ");
    for (int i = 1; i < 300; i++) rv_buf_printf(&text, "p%d: p%d !approve %%deadline=1000; ", i, i - 1);
    drive *d = drive_new(text.at);
    for (int i = 0; i < 300; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(drive_decide(d, name, RV_DECISION_APPROVE, NULL), RV_ANSWER_TAKEN);
    }
    assert_int_equal(d->run->status, RV_RUN_OK);
    assert_true(d->run->timers.capacity < 100);
    rv_buf_deinit(&text);
    drive_free(d);
}

static void timers__of_many_nodes_come_due_in_their_order(void **state)
{
    rv_buf text = {0};
    for (int i = 0; i < 200; i++) rv_buf_printf(&text, "w%d: !wait %%for=%d; ", i, 1 + i * 37 % 200);
    drive *d = drive_new(text.at);
    for (uint32_t ended = 1; ended <= 200; ended++) {
        drive_tick(d, 1);
        assert_int_equal(d->run->counts[RV_NODE_SUCCEEDED], ended);
    }
    assert_int_equal(d->run->status, RV_RUN_OK);
    rv_buf_deinit(&text);
    drive_free(d);
}

/* ---- what expressions read ---- */

/* `said` is the result of s with its value, or its state where there is none. */
static void expect_set(const char *expression, const char *said)
{
    char text[300];
    snprintf(text, sizeof text, "a: %%attempts=2; c: when false; d; e: %%attempts=1; s: a c e d [all_terminal] !set `v=%s`", expression);
    drive *d = drive_new(text);
    drive_admit(d, "a");
    rv_event failed = {.type = RV_EVENT_COMPLETED, .epoch = 1, .state = RV_ATTEMPT_ERROR, .detail = RV_DETAIL_EXIT, .exit_status = 3,
                       .text = RV_STR("it broke")};
    assert_int_equal(drive_step(d, &failed), RV_ANSWER_TAKEN);
    drive_admit(d, "a");
    drive_complete_value(d, "a", "{\"list\":[10,[20,21]],\"o\":{\"k\":\"x\"},\"n\":null}", "line");
    drive_fail(d, "e", 9);
    drive_admit(d, "d");
    drive_complete_value(d, "d", "no JSON", "");
    rv_str result = rv_run_result(d->run, rv_graph_text_node(d->graph, "s"));
    char got[300];
    snprintf(got, sizeof got, "%.*s", RV_FMT(result));
    assert_string_equal(result.size ? got : drive_says(d, "s"), said);
    drive_free(d);
}

static void w12__a_reference_finds_what_is_there_and_null_where_nothing_can_be(void **state)
{
    expect_set("${a.list.0}", "{\"v\":10}");
    expect_set("${a.list.1.1}", "{\"v\":21}");
    expect_set("${a.o.k}", "{\"v\":\"x\"}");
    expect_set("${a.state}", "{\"v\":\"succeeded\"}");
    expect_set("${a.exit_code}", "{\"v\":0}");
    expect_set("${a.stdout}", "{\"v\":\"line\"}");
    expect_set("${a.error}", "{\"v\":null}"); /* it failed once, but in the end it did not */
    expect_set("${e.exit_code}", "{\"v\":9}");
    expect_set("${e.n}", "{\"v\":null}"); /* a failure has no result */
    expect_set("${c.error}", "{\"v\":null}"); /* skipped */
    expect_set("${user.topic}", "{\"v\":\"llamas\"}");
    expect_set("${run.id}", "{\"v\":\"run-1\"}");
}

static void w12__a_reference_to_what_is_not_there_fails_the_node(void **state)
{
    static const char *const missing[] = {"${a.list.2}", "${a.list.x}", "${a.list.-1}", "${a.list..0}", "${a.list.1234567890}", "${a.o.z}",
                                          "${a.o.k.z}", "${d.n}", "${nobody.n}", "${env.HOME}", "${run.name}"};
    for (size_t i = 0; i < RV_COUNT(missing); i++) expect_set(missing[i], "failed value");
}

static void w12__what_has_not_ended_is_null_and_what_was_not_given_is_missing(void **state)
{
    drive *d = drive_new_bare("a; s: a [optional] !set `n=${a.n}` `state=${a.state}`; t: !set `u=${user.topic}`");
    rv_event load = {.type = RV_EVENT_LOAD, .key = RV_STR("run-1")};
    assert_int_equal(drive_step(d, &load), RV_ANSWER_TAKEN);
    assert_true(rv_str_is(rv_run_result(d->run, rv_graph_text_node(d->graph, "s")), "{\"n\":null,\"state\":\"ready\"}"));
    assert_string_equal(drive_says(d, "t"), "failed value");
    drive_free(d);
}

static void w12__a_set_ends_with_its_first_field_that_cannot_be_computed(void **state)
{
    drive *d = drive_new("a; s: a !set `x=1` `y=${a.gone}` `z=${a.gone_too}`");
    drive_ok(d, "a");
    assert_string_equal(drive_says(d, "s"), "failed value");
    rv_str error = rv_run_error(d->run, rv_graph_text_node(d->graph, "s"));
    assert_non_null(memmem(error.at, error.size, "a.gone}", 7));
    assert_int_equal(rv_run_result(d->run, rv_graph_text_node(d->graph, "s")).size, 0);
    drive_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserve__says_when_there_is_no_memory_and_changes_nothing),
        cmocka_unit_test(reserve__makes_the_room_that_the_largest_step_takes),
        cmocka_unit_test(step__without_a_journal_decides_the_same),
        cmocka_unit_test(apply__refuses_types_phases_and_timers_that_there_are_not),
        cmocka_unit_test(load__is_given_once),
        cmocka_unit_test(lost__of_an_attempt_that_has_ended_is_stale),
        cmocka_unit_test(decode__refuses_another_version_another_graph_and_bytes_that_are_too_few_or_too_many),
        cmocka_unit_test(decode__refuses_an_exit_status_that_is_none),
        cmocka_unit_test(tick__of_a_wait_that_no_time_ends_changes_nothing),
        cmocka_unit_test(timers__of_many_nodes_come_due_in_their_order),
        cmocka_unit_test(timers__that_no_longer_count_take_no_room),
        cmocka_unit_test(w12__a_reference_finds_what_is_there_and_null_where_nothing_can_be),
        cmocka_unit_test(w12__a_reference_to_what_is_not_there_fails_the_node),
        cmocka_unit_test(w12__what_has_not_ended_is_null_and_what_was_not_given_is_missing),
        cmocka_unit_test(w12__a_set_ends_with_its_first_field_that_cannot_be_computed),
    };
    return cmocka_run_group_tests_name("total", tests, NULL, NULL);
}
