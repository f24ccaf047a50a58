/* test_values.c: what a reference means where a node stands [W10–W12]: names looked up outwards as far as scopes are open, values of places
 * (item, index, iteration, previous, left, right, feedback), of nodes, of the run; and what is filled into a controller's own text. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* `json` NULL: there is no such value. */
static void expect(world *w, const char *node, const char *path, const char *json)
{
    rv_arena arena = {0};
    rv_buf text = {0};
    const rv_json *value = rv_run_value(w->d->run, world_index(w, node), &arena, rv_str_of(path));
    if (value) rv_json_write(&text, value, true);
    bool is_right = json ? value && rv_str_is(rv_buf_str(&text), json) : !value;
    if (!is_right) fail_msg("at %s ${%s} is %s, not %s", node, path, value ? text.at : "missing", json ? json : "missing");
    rv_buf_deinit(&text);
    rv_arena_deinit(&arena);
}

#define DEEP "  top: {run: [x]}\n  reads: {run: [x, \"${top.n}\"], needs: [top]}\n  never: {run: [x], when: \"false\"}\n" \
    "  each: {needs: [top], foreach: {items: [{id: a}, b], do: {nodes: {m: {run: [x]}, l: {needs: [m], loop: {max: 3, body: " \
    "{tournament: {entrants: [{run: [x]}, {run: [y]}], judge: {run: [j]}}}}}, z: {run: [x], needs: [m], when: \"${m.n} == 1\"}}}}}\n" \
    "on: {exit: {run: [x]}}\n"

/* The second iteration of the loop in the first item: its judge is asked. */
static world *deep(void)
{
    world *w = world_of(DEEP);
    world_gives(w, "top", "{\"n\":7,\"s\":\"text\",\"nul\":null,\"list\":[10,[20,21]]}");
    world_gives(w, "each[0].m", "{\"n\":1}");
    world_gives(w, "each[0].l#1/e0", "{\"n\":1}");
    world_gives(w, "each[0].l#1/e1", "{\"n\":2}");
    world_gives(w, "each[0].l#1/r1m0", "{\"winner\":\"right\"}");
    world_gives(w, "each[0].l#2/e0", "{\"n\":3}");
    drive_ok(w->d, "each[0].l#2/e1");
    return w;
}

static void w10__a_reference_is_looked_up_outwards_from_where_its_node_stands(void **state)
{
    static const struct { const char *node, *path, *json; } cases[] = {
        {"each[0].l#2/r1m0", "left.id", "\"each[0].l#2/e0\""}, {"each[0].l#2/r1m0", "right.id", "\"each[0].l#2/e1\""},
        {"each[0].l#2/r1m0", "left.n", "3"}, {"each[0].l#2/r1m0", "right.n", NULL}, {"each[0].l#2/r1m0", "right", "null"},
        {"each[0].l#2/r1m0", "left.state", "\"succeeded\""},
        {"each[0].l#2/r1m0", "iteration", "2"}, {"each[0].l#2/r1m0", "iteration.x", NULL},
        {"each[0].l#2/r1m0", "previous.winner", "\"each[0].l#1/e1\""}, {"each[0].l#2/r1m0", "previous.gone", NULL},
        {"each[0].l#1/r1m0", "previous", "null"}, {"each[0].l#1/r1m0", "previous.winner", "null"}, {"each[0].l#1/e0", "iteration", "1"},
        {"each[0].l#2/r1m0", "item.id", "\"a\""}, {"each[0].l#2/r1m0", "index", "0"}, {"each[0].l#2/r1m0", "index.x", NULL},
        {"each[0].l#2/r1m0", "m.n", "1"}, {"each[0].l#2/r1m0", "top.n", "7"}, {"each[0].l#2/r1m0", "l.value", "null"},
        {"each[0].l#2/r1m0", "feedback", "null"}, {"each[0].l#2/r1m0", "user.topic", "\"llamas\""},
        {"each[0].l#2/e0", "left.id", NULL}, {"each[0].l#2/e0", "right.n", NULL},
        {"each[1].m", "item", "\"b\""}, {"each[1].m", "item.id", NULL}, {"each[1].m", "index", "1"}, {"each[1].m", "m.n", "null"},
        {"each[1].m", "iteration", NULL}, {"each[1].m", "previous.n", NULL}, {"each[1].m", "each.state", "\"waiting\""},
        {"top", "item", NULL}, {"top", "index", NULL}, {"top", "iteration", NULL}, {"top", "previous", NULL}, {"top", "left.id", NULL},
        {"top", "m.n", NULL}, {"top", "nobody.n", NULL}, {"top", "", NULL}, {"top", "run.id", "\"run-1\""}, {"top", "run.name", NULL},
        {"top", "env.HOME", NULL}, {"top", "user.n", "3"}, {"top", "user.gone", NULL}, {"top", "left.name", NULL}, {"each[0].l#2/r1m0",
            "m.id", NULL},
        {"top", "nobody-has-a-name-of-more-than-64-letters-and-this-one-has-66-letters.n", NULL},
        {"on.exit", "top.n", "7"}, {"on.exit", "each.state", "\"waiting\""}, {"on.exit", "m.n", NULL},
    };
    world *w = deep();
    for (size_t i = 0; i < RV_COUNT(cases); i++) expect(w, cases[i].node, cases[i].path, cases[i].json);
    world_end(w);
}

static void w12__values_of_a_node_are_what_it_has_and_null_where_it_has_not_ended(void **state)
{
    static const struct { const char *path, *json; } cases[] = {
        {"top.n", "7"}, {"top.nul", "null"}, {"top.nul.x", NULL}, {"top.list.1.0", "20"}, {"top.list.2", NULL}, {"top.list.x", NULL},
        {"top.list.1234567890", NULL}, {"top.list.", "[10,[20,21]]"}, {"top.list./", NULL}, {"top.list.-1", NULL},
        {"top.list..0", NULL}, {"top.exit_code", "0"}, {"top.error", "null"}, {"top.stdout", "\"\""},
        {"top", "{\"list\":[10,[20,21]],\"n\":7,\"nul\":null,\"s\":\"text\"}"},
        {"never.n", "null"}, {"never.state", "\"skipped\""}, {"never.error", "null"}, {"never.exit_code", "null"},
        {"each.failed", "null"}, {"each.state", "\"waiting\""}, {"each.error", "null"},
    };
    world *w = deep();
    for (size_t i = 0; i < RV_COUNT(cases); i++) expect(w, "top", cases[i].path, cases[i].json);
    world_fails(w, "each[1].m", "it broke");
    expect(w, "each[1].l", "m.error", "\"it broke\"");
    expect(w, "each[1].l", "m.exit_code", "3");
    expect(w, "each[1].l", "m.n", "null"); /* a failure has no result */
    expect(w, "each[1].l", "l.exit_code", "null"); /* it was skipped */
    world_end(w);
}

static void w12__a_node_that_no_process_ended_has_no_exit_code_and_may_have_no_result(void **state)
{
    world *w = world_of("  wait: {wait: {for: 1s}}\n  z: {run: [x], needs: [wait]}\n  said: {run: [x]}\n  y: {run: [x], needs: [said], "
        "when: \"${said.n} == 1\"}\n");
    drive_until(w->d, rv_run_due_ms(w->d->run));
    expect(w, "z", "wait.exit_code", "null");
    expect(w, "z", "wait", "null");
    expect(w, "z", "wait.payload", NULL);
    world_gives(w, "said", "no JSON");
    expect(w, "z", "said", NULL);
    expect(w, "z", "said.n", NULL);
    world_end(w);
}

/* ---- sub-workflows see nothing of what is around them [W2c] ---- */

static void w2c__a_sub_workflow_sees_its_own_params_and_nothing_around_it(void **state)
{
    world *w = world_of("  top: {run: [x]}\n  each: {foreach: {items: [a], do: {workflow: {params: {who: \"${item}\"}, definition: "
        "{reeve: 1, name: part,"
                        " params: {who: {default: Ann}}, nodes: {p: {run: [x]}, q: {foreach: {items: [1, 2], do: {run: [x]}}}}}}}}}\n");
    expect(w, "each[0].p", "user.who", "\"a\"");
    expect(w, "each[0].q[1]", "user.who", "\"a\"");
    expect(w, "each[0].p", "user.topic", NULL);
    expect(w, "each[0].p", "env.HOME", NULL);
    expect(w, "each[0].p", "item", NULL);
    expect(w, "each[0].p", "top.state", NULL);
    expect(w, "each[0].q[1]", "item", "2");
    expect(w, "each[0].q[1]", "p.state", "\"ready\"");
    expect(w, "each[0].q[1]", "top.state", NULL);
    expect(w, "each[0]", "item", "\"a\""); /* the controller itself stands outside */
    assert_true(rv_run_is_inside(w->d->run, world_index(w, "each[0].q[1]")));
    assert_false(rv_run_is_inside(w->d->run, world_index(w, "each[0]")));
    world_end(w);
}

static void w2c__submitted_nodes_have_their_own_params_where_they_came_with_some(void **state)
{
    world *w = world_of("  plan: {run: [x]}\n  fetch: {run: [x]}\n  reads: {run: [x, \"${fetch.n}\"], needs: [fetch]}\n");
    drive_admit(w->d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "params: {town: {default: Oslo}}\nnodes:\n  a: {run: [x], needs: [fetch], when: "
                                  "\"${fetch.n} == 1\"}\n  l: {loop: {max: 2, body: {run: [x]}}}\n"), RV_ANSWER_TAKEN);
    assert_int_equal(world_submit(w, "plan", "2", "nodes: {b: {run: [x]}}\n"), RV_ANSWER_TAKEN);
    world_gives(w, "fetch", "{\"n\":1}");
    expect(w, "a", "user.town", "\"Oslo\"");
    expect(w, "l#1", "user.town", "\"Oslo\"");
    expect(w, "l#1", "user.topic", "\"llamas\""); /* what they have not is the run's */
    expect(w, "b", "user.topic", "\"llamas\"");
    expect(w, "b", "user.town", NULL);
    expect(w, "a", "fetch.n", "1");
    expect(w, "l#1", "fetch.n", "1");
    expect(w, "b", "fetch.n", NULL); /* no edge of its own graph leads there */
    assert_true(rv_run_is_inside(w->d->run, world_index(w, "l#1")));
    assert_false(rv_run_is_inside(w->d->run, world_index(w, "b")));
    world_end(w);
}

/* Its environment alone was recorded with it. */
static void w2c__submitted_nodes_without_params_read_the_runs(void **state)
{
    world *w = world_of("  plan: {run: [x]}\n");
    drive_admit(w->d, "plan");
    rv_event event = {.type = RV_EVENT_SUBMIT, .node = 0, .epoch = w->d->run->nodes[0].epoch, .key = RV_STR("1"), .text = RV_STR("digest"),
                      .value = RV_STR("{\"name\":\"s\",\"nodes\":{\"c\":{\"run\":[\"x\"]}},\"reeve\":1}"),
                      .output = RV_STR("{\"env\":{\"A\":\"1\"}}")};
    assert_int_equal(drive_step(w->d, &event), RV_ANSWER_TAKEN);
    expect(w, "c", "env.A", "\"1\"");
    expect(w, "c", "user.topic", "\"llamas\"");
    expect(w, "plan", "env.A", NULL);
    assert_false(rv_run_is_inside(w->d->run, world_index(w, "c")));
    world_end(w);
}

/* Other nodes under other names, for those who read of them what the run does not hold. */
static void w10__names_of_nodes_and_of_roles_lead_to_nodes(void **state)
{
    static char long_name[RV_NAME_MAX + 2]; /* one byte more than a name may have */
    memset(long_name, 'x', RV_NAME_MAX + 1);
    const struct { const char *node, *path, *id, *rest; } cases[] = {
        {"each[0].l#2/r1m0", "left.artifact.a", "each[0].l#2/e0", "artifact.a"}, {"each[0].l#2/r1m0", "right.stdout", "each[0].l#2/e1",
            "stdout"},
        {"each[0].l#2/r1m0", "previous.stdout", "each[0].l#1", "stdout"}, {"each[0].l#2/e0", "m", "each[0].m", ""},
        {"each[0].l#2/e0", "top.n.x", "top", "n.x"}, {"each[0].l#1/e0", "previous.stdout", NULL, "previous.stdout"},
        {"each[0].m", "previous.stdout", NULL, "previous.stdout"}, {"each[0].m", "left", NULL, "left"}, {"each[0].m", "", NULL, ""},
        {"each[0].m", long_name, NULL, long_name},
    };
    world *w = deep();
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        rv_str path = rv_str_of(cases[i].path);
        uint32_t found = rv_run_see(w->d->run, world_index(w, cases[i].node), &path);
        uint32_t wanted = cases[i].id ? world_index(w, cases[i].id) : RV_NONE;
        if (found != wanted || !rv_str_is(path, cases[i].rest)) fail_msg("%s at %s leads to %u", cases[i].path, cases[i].node, found);
    }
    world_end(w);
}

/* ---- feedback [K17] ---- */

static void k17__feedback_is_the_revisions_else_what_the_last_attempt_violated(void **state)
{
    world *w = world_of("  a: {run: [x], retry: {max_attempts: 3}}\n  b: {run: [x], needs: [a], revise: {target: a, when: \"${b.ok} == "
        "false && ${a.state} == "
                        "\\\"succeeded\\\"\", max: 2}}\n");
    expect(w, "a", "feedback", "null");
    drive_admit(w->d, "a");
    rv_event bad = {.type = RV_EVENT_COMPLETED, .epoch = 1, .state = RV_ATTEMPT_ERROR, .detail = RV_DETAIL_SCHEMA, .exit_status = 0,
                    .signal = -1, .text = RV_STR("n is no number")};
    assert_int_equal(drive_step(w->d, &bad), RV_ANSWER_TAKEN);
    expect(w, "a", "feedback", "\"n is no number\"");
    expect(w, "a", "feedback.why", "null");
    drive_ok(w->d, "a");
    expect(w, "b", "a.error", "null"); /* in the end it did not fail */
    world_gives(w, "b", "{\"ok\":false,\"why\":\"dull\"}");
    expect(w, "a~1", "feedback.why", "\"dull\"");
    expect(w, "a~1", "feedback", "{\"ok\":false,\"why\":\"dull\"}");
    expect(w, "a~1", "feedback.gone", NULL);
    expect(w, "b~1", "a.state", "\"ready\""); /* the latest */
    bad.epoch = 0;
    drive_admit(w->d, "a~1");
    bad.node = world_index(w, "a~1");
    bad.epoch = w->d->run->nodes[bad.node].epoch;
    bad.text = RV_STR("");
    assert_int_equal(drive_step(w->d, &bad), RV_ANSWER_TAKEN);
    expect(w, "a~1", "feedback.why", "\"dull\"");
    world_end(w);
    w = world_of("  a: {run: [x], retry: {max_attempts: 3}}\n");
    bad.node = 0;
    bad.epoch = 1;
    drive_admit(w->d, "a");
    assert_int_equal(drive_step(w->d, &bad), RV_ANSWER_TAKEN);
    expect(w, "a", "feedback", "null"); /* it failed and said nothing */
    world_end(w);
}

/* ---- what is filled in ---- */

static void w11__each_string_is_filled_once_and_a_lone_reference_becomes_its_value(void **state)
{
    static const struct { const char *json, *filled; } cases[] = {
        {"7", "7"}, {"\"plain\"", "\"plain\""}, {"\"${top.n}\"", "7"}, {"\"${top.list}\"", "[10,[20,21]]"}, {"\"${top.s}\"", "\"text\""},
        {"\"n=${top.n}, s=${top.s}, l=${top.list}\"", "\"n=7, s=text, l=[10,[20,21]]\""}, {"\"${top.n}!\"", "\"7!\""},
        {"\"<${top.nul}>\"", "\"<>\""}, {"\"${top.nul}\"", "null"}, {"\"${top.nul:-d}\"", "\"d\""}, {"\"${top.gone:-d}\"", "\"d\""},
        {"\"<${top.gone:-d}>\"", "\"<d>\""}, {"\"$${top.n}\"", "\"${top.n}\""}, {"\"a $ b\"", "\"a $ b\""},
        {"[[\"${top.n}\"],{\"a\":[],\"k\":\"${top.s}\",\"o\":{}},true]", "[[7],{\"a\":[],\"k\":\"text\",\"o\":{}},true]"},
        {"[[[1]],[\"${top.n}\"]]", "[[[1]],[7]]"},
        {"\"${top.gone}\"", NULL}, {"\"<${top.gone}>\"", NULL}, {"\"${top.n\"", NULL}, {"\"a ${top.n\"", NULL}, {"[1", NULL},
    };
    world *w = deep();
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        rv_buf out = {0};
        rv_error error = {0};
        rv_status status = rv_run_fill(w->d->run, 0, rv_str_of(cases[i].json), &out, &error);
        bool is_right = cases[i].filled ? status == RV_OK && rv_str_is(rv_buf_str(&out), cases[i].filled) : status != RV_OK &&
            error.text[0];
        if (!is_right) fail_msg("%s was filled to %s (%s)", cases[i].json, out.size ? out.at : "nothing", error.text);
        rv_buf_deinit(&out);
    }
    world_end(w);
}

static void k11__an_until_may_ask_about_any_node(void **state)
{
    world *w = world_of("  top: {run: [x]}\n  try: {needs: [top], loop: {body: {run: [x]}, max: 3, until: \"${top.n} == 7 && "
        "${iteration} == 2\"}}\n");
    world_gives(w, "top", "{\"n\":7}");
    drive_ok(w->d, "try#1");
    drive_ok(w->d, "try#2");
    world_expect(w, "try", "succeeded");
    world_end(w);
}

int main(void)
{
#define T(fn_) cmocka_unit_test(fn_)
    const struct CMUnitTest tests[] = {
        T(w10__a_reference_is_looked_up_outwards_from_where_its_node_stands),
        T(w12__values_of_a_node_are_what_it_has_and_null_where_it_has_not_ended),
        T(w12__a_node_that_no_process_ended_has_no_exit_code_and_may_have_no_result),
        T(w2c__a_sub_workflow_sees_its_own_params_and_nothing_around_it),
        T(w2c__submitted_nodes_have_their_own_params_where_they_came_with_some),
        T(w2c__submitted_nodes_without_params_read_the_runs), T(w10__names_of_nodes_and_of_roles_lead_to_nodes),
        T(k17__feedback_is_the_revisions_else_what_the_last_attempt_violated),
        T(w11__each_string_is_filled_once_and_a_lone_reference_becomes_its_value), T(k11__an_until_may_ask_about_any_node),
    };
    return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
