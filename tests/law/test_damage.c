/* test_damage.c: journals and states of runs that grew, damaged [K62]: facts that are not possible where they stand are refused and change
 * nothing; every number of an encoded state, made another one, is refused or gives a state that holds. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- facts ---- */

#define NODES "  go: {run: [x]}\n  never: {when: \"false\", foreach: {items: [a], do: {run: [x]}}}\n  done: {foreach: {items: [], do: " \
    "{run: [x]}}}\n" \
    "  each: {foreach: {items: [a, b], do: {run: [x]}, max_parallel: 1}}\n  l: {loop: {body: {run: [x]}, max: 5}}\n" \
    "  w: {wait: {for: 9s}}\n  bad: {run: [x]}\n"
enum { GO, NEVER, DONE, EACH, L, W, BAD };

static void refused(world *w, const char *what, rv_event fact)
{
    rv_buf before = {0}, after = {0};
    rv_error error;
    rv_run_encode(w->d->run, &before);
    if (rv_run_apply(w->d->run, &fact, NULL, &error) != RV_CORRUPT) fail_msg("applied: %s", what);
    rv_run_encode(w->d->run, &after);
    if (!rv_str_eq(rv_buf_str(&before), rv_buf_str(&after))) fail_msg("changed by: %s", what);
    assert_true(error.text[0] != 0);
    rv_buf_deinit(&before);
    rv_buf_deinit(&after);
}

static void k62__a_fact_that_is_not_possible_where_it_stands_is_refused(void **state)
{
    static const struct { const char *what; rv_event fact; } cases[] = {
        {"a command begins as a controller", {.type = RV_EVENT_CONTROL, .node = GO, .number = 1}},
        {"a controller begins again", {.type = RV_EVENT_CONTROL, .node = EACH, .number = 1}},
        {"a skipped controller begins", {.type = RV_EVENT_CONTROL, .node = NEVER, .number = 1}},
        {"a command grows", {.type = RV_EVENT_GREW, .node = GO, .flags = 1}},
        {"a controller that has ended grows", {.type = RV_EVENT_GREW, .node = DONE, .flags = 1}},
        {"a controller grows by a scope that it has not", {.type = RV_EVENT_GREW, .node = EACH, .state = 1, .number = 1, .flags = 1}},
        {"a controller grows by nothing", {.type = RV_EVENT_GREW, .node = EACH, .number = 1}},
        {"a controller grows beyond the run", {.type = RV_EVENT_GREW, .node = EACH, .number = 1, .flags = RV_RUN_NODES_MAX}},
        {"a command has a match", {.type = RV_EVENT_MATCH, .node = GO}},
        {"a controller that has ended has a match", {.type = RV_EVENT_MATCH, .node = DONE}},
        {"a failure has no root", {.type = RV_EVENT_NODE_STATE, .node = W, .state = RV_NODE_FAILED, .detail = RV_DETAIL_EXIT}},
        {"a denial has no root", {.type = RV_EVENT_NODE_STATE, .node = GO, .state = RV_NODE_DENIED, .detail = RV_DETAIL_DENIED}},
        {"a cancel has no root", {.type = RV_EVENT_NODE_STATE, .node = GO, .state = RV_NODE_CANCELLED, .detail = RV_DETAIL_RUN_CANCELLED}},
        {"a warning of no dimension", {.type = RV_EVENT_WARNED, .node = RV_NONE, .state = RV_DIMENSION_COUNT}},
        {"a warning of no dimension at a node", {.type = RV_EVENT_WARNED, .node = GO, .state = RV_DIMENSION_COUNT}},
        {"a wait for time takes an event", {.type = RV_EVENT_SIGNAL_TAKEN, .node = W}},
        {"a revision without a back-edge", {.type = RV_EVENT_REVISED, .node = DONE}},
        {"a directive to a node that there is not", {.type = RV_EVENT_STEER, .node = 999, .text = RV_STR("t")}},
    };
    world *w = world_of(NODES);
    assert_int_equal(drive_event(w->d, "heard", NULL), RV_ANSWER_TAKEN); /* kept: nobody waits for it */
    for (size_t i = 0; i < RV_COUNT(cases); i++) refused(w, cases[i].what, cases[i].fact);
    world_end(w);
}

/* What a damaged list or number says is not there is null or missing, for whoever asks. */
static void k62__items_and_iterations_that_no_list_has_are_nothing(void **state)
{
    world *w = world_of(NODES);
    rv_run *run = rv_run_new(&w->spec->graph);
    rv_event facts[] = {{.type = RV_EVENT_LOAD, .key = RV_STR("r"), .value = RV_STR("{}")},
                        {.type = RV_EVENT_RUN_STATE, .state = RV_RUN_RUNNING},
                        {.type = RV_EVENT_CONTROL, .node = EACH, .number = 2, .value = RV_STR("no JSON")},
                        {.type = RV_EVENT_NODE_STATE, .node = EACH, .state = RV_NODE_WAITING, .detail = RV_DETAIL_CHILDREN},
                        {.type = RV_EVENT_GREW, .node = EACH, .number = 0, .flags = 1},
                        {.type = RV_EVENT_CONTROL, .node = L, .number = 1},
                        {.type = RV_EVENT_NODE_STATE, .node = L, .state = RV_NODE_WAITING, .detail = RV_DETAIL_CHILDREN},
                        {.type = RV_EVENT_GREW, .node = L, .number = 9, .flags = 1}};
    for (size_t i = 0; i < RV_COUNT(facts); i++) assert_int_equal(rv_run_apply(run, &facts[i], NULL, NULL), RV_OK);
    rv_event error = {.type = RV_EVENT_ERROR_TEXT, .node = GO}, result = {.type = RV_EVENT_RESULT, .node = GO}; /* of no input */
    assert_int_equal(rv_run_apply(run, &error, NULL, NULL), RV_OK);
    assert_int_equal(rv_run_apply(run, &result, NULL, NULL), RV_OK);
    assert_int_equal(rv_run_error(run, GO).size + rv_run_result(run, GO).size, 0);
    rv_arena arena = {0};
    uint32_t item = rv_run_find(run, RV_STR("each[0]")), ninth = rv_run_find(run, RV_STR("l#9"));
    assert_int_equal(rv_run_item(run, run->nodes[item].place).size, 0);
    assert_null(rv_run_value(run, item, &arena, RV_STR("item")));
    assert_int_equal(rv_run_value(run, ninth, &arena, RV_STR("previous"))->kind, RV_JSON_NULL);
    rv_arena_deinit(&arena);
    rv_run_free(run);
    world_end(w);
}

/* ---- encoded states ---- */

/* A run with everything that a state can have. */
static world *rich(void)
{
    world *w = world_of("  fetch: {run: [x]}\n  plan: {run: [x]}\n  t: {tournament: {entrants: [{run: [x]}, fetch, {run: [x]}, {run: "
        "[x]}], judge: {run: [j]}, "
                        "swap: true}}\n  each: {foreach: {items: [a, b], do: {nodes: {m: {run: [x]}, l: {loop: {body: {run: [x]}, max: "
                            "3}}}}}}\n"
                        "  draft: {run: [x]}\n  review: {run: [x], needs: [draft], revise: {target: draft, when: \"${review.ok} == "
                            "false\", max: 2}}\n"
                        "  u: {tournament: {entrants: [{run: [x]}, {run: [x]}, {run: [x]}, {run: [x]}], judge: {run: [j]}}}\n  w: "
                            "{wait: {event: go}}\n  slow: {run: [x], timeout_total: 90s, retry: {max_attempts: 3, delay: 7s}}\n"
                        "on: {failure: {run: [x]}, exit: {run: [x]}}\n");
    drive *d = w->d;
    drive_budget(d, RV_DIMENSION_USD, 9000000, RV_BUDGET_SET);
    drive_budget(d, RV_DIMENSION_TOKENS, 70000, RV_BUDGET_ELSEWHERE);
    drive_quota(d, RV_QUOTA_CONCURRENT, 9);
    drive_spend(d, "fetch", 1000, 50);
    for (int i = 0; i < 4; i += 1 + (i == 0)) {
        char id[24];
        snprintf(id, sizeof id, "t/e%d", i);
        drive_spend(d, id, 3000, 70);
    }
    world_gives(w, "t/r1m0", "{\"winner\":\"right\"}");
    world_gives(w, "t/r1m0s", "{\"winner\":\"right\"}");
    world_gives(w, "t/r1m1", "{\"winner\":\"left\"}");
    world_gives(w, "t/r1m1s", "{\"winner\":\"right\"}");
    world_gives(w, "t/r2m0", "{\"winner\":\"left\"}");
    for (int i = 0; i < 4; i++) {
        char id[24];
        snprintf(id, sizeof id, "u/e%d", i);
        drive_ok(d, id);
    }
    world_gives(w, "u/r1m1", "{\"winner\":\"left\"}");
    drive_admit(d, "plan");
    assert_int_equal(world_submit(w, "plan", "1", "nodes: {more: {run: [x], needs: [fetch, t]}, again: {run: [x]}}\n"), RV_ANSWER_TAKEN);
    drive_ok(d, "draft");
    world_gives(w, "review", "{\"ok\":false}");
    drive_ok(d, "draft~1");
    world_gives(w, "review~1", "{\"ok\":false}");
    drive_admit(d, "draft~2");
    drive_started(d, "draft~2");
    drive_usage(d, "draft~2", 500, 10, 0);
    drive_ok(d, "each[0].l#1");
    world_fails(w, "slow", "it broke");
    drive_event(d, "heard", "{\"n\":1}");
    drive_step(d, &(rv_event){.type = RV_EVENT_STEER, .node = world_index(w, "plan"), .text = RV_STR("go left")});
    return w;
}

/* What was compiled once, for every decode. */
static const rv_graph *compiled(void *user, rv_run *run, uint32_t submitter, rv_str definition)
{
    const world *w = user;
    (void)submitter;
    return rv_str_eq(definition, w->d->run->submissions.at[0].definition) && run != w->d->run ? w->d->run->graphs.at[1] : NULL;
}

typedef struct tried { uint32_t refused, held; } tried;

static void try(world *w, rv_str bytes, tried *count)
{
    rv_run *run = rv_run_new(&w->spec->graph);
    rv_error error = {0};
    run->compile = compiled;
    run->compile_user = w;
    rv_status status = rv_run_decode(run, bytes, &error);
    if (status == RV_OK) {
        count->held++;
        assert_null(rv_run_check(run));
    } else {
        count->refused++;
        assert_int_equal(status, RV_CORRUPT);
        assert_true(error.text[0] != 0);
    }
    rv_run_free(run);
}

/* `bytes` with `cut` of them at `at` replaced. */
static void replaced(world *w, const rv_buf *bytes, size_t at, size_t cut, const char *with, size_t size, tried *count)
{
    rv_buf text = {0};
    rv_buf_add(&text, bytes->at, at);
    rv_buf_add(&text, with, size);
    rv_buf_add(&text, bytes->at + at + cut, bytes->size - at - cut);
    try(w, rv_buf_str(&text), count);
    rv_buf_deinit(&text);
}

static void k62__every_number_of_a_state_made_another_is_refused_or_holds(void **state)
{
    static const struct { const char *bytes; size_t size; } others[] = {
        {"\x00", 1}, {"\x01", 1}, {"\x02", 1}, {"\x03", 1}, {"\x05", 1}, {"\x07", 1}, {"\x0b", 1}, {"\x7f", 1}, {"\xff\x01", 2},
        {"\xff\xff\xff\xff\x0f", 5}, {"\xff\xff\xff\xff\x07", 5}, {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10}, {"", 0},
        {"\x80", 1},
    };
    world *w = rich();
    rv_buf bytes = {0};
    tried count = {0};
    rv_run_encode(w->d->run, &bytes);
    try(w, rv_buf_str(&bytes), &count);
    assert_int_equal(count.held, 1);
    for (size_t at = 0; at < bytes.size; at++) {
        size_t size = 1; /* of the varint that may begin here */
        while (at + size < bytes.size && (bytes.at[at + size - 1] & 0x80)) size++;
        for (size_t i = 0; i < RV_COUNT(others); i++) replaced(w, &bytes, at, size, others[i].bytes, others[i].size, &count);
        char next = (char)(bytes.at[at] + 1), previous = (char)(bytes.at[at] - 1);
        replaced(w, &bytes, at, 1, &next, 1, &count);
        replaced(w, &bytes, at, 1, &previous, 1, &count);
        try(w, rv_str_cut(rv_buf_str(&bytes), 0, at), &count);
    }
    rv_place *last = &w->d->run->places.at[w->d->run->places.count - 1]; /* a revision of a revision */
    while (last->role != RV_SCOPE_REVISION) last--;
    for (uint32_t i = 0; i < w->d->run->places.count && last->origin == 0; i++)
        if (w->d->run->places.at[i].role == RV_SCOPE_REVISION) last->origin = i;
    rv_buf_clear(&bytes);
    rv_run_encode(w->d->run, &bytes);
    try(w, rv_buf_str(&bytes), &count);
    last->origin = 0;
    print_message("# figure: damaged states: %zu bytes, %u refused, %u hold\n", bytes.size, count.refused, count.held);
    assert_true(count.refused > 2 * count.held);
    rv_buf_deinit(&bytes);
    world_end(w);
}

/* A graph whose bodies and back-edges lead over so many nodes; none can be written, so a count is changed. */
static void k1__a_state_with_more_nodes_than_a_run_may_have_is_refused(void **state)
{
    world *w = rich();
    rv_buf bytes = {0};
    tried count = {0};
    rv_run_encode(w->d->run, &bytes);
    for (uint32_t i = 0; i < w->spec->graph.scope_count + w->spec->graph.revise_count; i++) {
        bool is_scope = i < w->spec->graph.scope_count;
        uint32_t revise = i - w->spec->graph.scope_count;
        uint32_t *size = (uint32_t *)(uintptr_t)(is_scope ? &w->spec->graph.scopes[i].count : &w->spec->graph.revises[revise].member_count);
        uint32_t sound = *size;
        if (i < 2) continue; /* every run has those */
        *size = RV_RUN_NODES_MAX;
        try(w, rv_buf_str(&bytes), &count);
        *size = sound;
    }
    assert_int_equal(count.held, 0);
    try(w, rv_buf_str(&bytes), &count);
    assert_int_equal(count.held, 1);
    rv_buf_deinit(&bytes);
    world_end(w);
}

int main(void)
{
#define T(fn_) cmocka_unit_test(fn_)
    const struct CMUnitTest tests[] = {
        T(k62__a_fact_that_is_not_possible_where_it_stands_is_refused), T(k62__items_and_iterations_that_no_list_has_are_nothing),
        T(k62__every_number_of_a_state_made_another_is_refused_or_holds), T(k1__a_state_with_more_nodes_than_a_run_may_have_is_refused),
    };
    return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
