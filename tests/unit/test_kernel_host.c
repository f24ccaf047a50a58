/* test_kernel_host.c: reeve_kernel_* of include/reeve.h, as a host sees it: only the public header is used here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reeve.h"

static const char text[] =
    "reeve: 1\n"
    "params: {who: {type: string}}\n"
    "nodes:\n"
    "  a: {run: [echo, 'hello ${user.who}'], retry: {max_attempts: 2}}\n"
    "  b: {shell: 'cat', env: {X: '${a.stdout}'}, needs: [a], timeout: 3s}\n"
    "  q: {approve: {message: 'ok, ${a.k}?'}, needs: [a]}\n"
    "  r: {reduce: {reducer: longest, of: [a, b]}, needs: [a, b, q]}\n";

typedef struct scene {
    reeve_kernel *kernel;
    reeve_now now;
    reeve_step step;
    reeve_error error;
} scene;

static reeve_kernel *make(uint32_t slots)
{
    static const char *const reducers[] = {"longest", NULL};
    const reeve_var vars[] = {{"who", "Ada"}};
    reeve_workflow workflow = REEVE_WORKFLOW_INIT;
    reeve_kernel_options options = REEVE_KERNEL_OPTIONS_INIT;
    reeve_kernel *kernel = NULL;
    reeve_error error;
    char *problems = NULL;
    workflow.text = text;
    workflow.vars = vars;
    workflow.var_count = 1;
    options.reducers = reducers;
    options.slots = slots;
    if (reeve_kernel_new(&workflow, &options, &kernel, &problems, &error) != REEVE_OK) fail_msg("%s: %s", error.text, problems);
    return kernel;
}

static reeve_event event_of(const char *type, const char *node, uint32_t epoch)
{
    reeve_event event = REEVE_EVENT_INIT;
    event.type = type;
    event.node = node;
    event.epoch = epoch;
    return event;
}

static reeve_status give(scene *s, const reeve_event *event)
{
    s->now.wall_ms++, s->now.engine_ms++;
    return reeve_kernel_step(s->kernel, event, s->now, &s->step, &s->error);
}

static void take(scene *s, reeve_event event)
{
    if (give(s, &event) != REEVE_OK) fail_msg("%s: %s", event.type, s->error.text);
}

static void load(scene *s, uint32_t slots)
{
    *s = (scene){.kernel = make(slots), .now = {1000, 2000}};
    reeve_event event = event_of("load", NULL, 0);
    event.key = "run-1";
    event.seed = 9;
    take(s, event);
}

static const reeve_effect *effect_of(const scene *s, const char *type)
{
    for (size_t i = 0; i < s->step.effect_count; i++)
        if (strcmp(s->step.effects[i].type, type) == 0) return &s->step.effects[i];
    fail_msg("no effect %s", type);
    return NULL;
}

static void kernel__hands_out_asks_and_ends(void **state)
{
    scene s;
    (void)state;
    load(&s, 1);
    const reeve_spawn *spawn = effect_of(&s, "spawn")->spawns;
    assert_string_equal(spawn->argv[1], "hello Ada");
    assert_string_equal(spawn->key, "run-1/a/1");
    assert_null(spawn->output_schema);
    assert_null(spawn->inputs[0]);
    reeve_event done = event_of("completed", "a", 1);
    done.value = "{\"k\":\"yes\"}";
    done.output = "line\n";
    take(&s, done);
    spawn = effect_of(&s, "spawn")->spawns;
    assert_string_equal(spawn->node, "b");
    assert_int_equal(spawn->timeout_ms, 3000);
    const reeve_effect *park = effect_of(&s, "park");
    assert_string_equal(park->payload, "{\"message\":\"ok, yes?\"}");
    reeve_event decided = event_of("decided", "q", 0);
    decided.state = "approve";
    char digest[128];
    snprintf(digest, sizeof digest, "%s", park->digest);
    decided.digest = digest;
    take(&s, decided);
    done = event_of("completed", "b", 2);
    done.output = "longer line";
    take(&s, done);
    const reeve_effect *reduce = effect_of(&s, "reduce");
    assert_string_equal(reduce->reducer, "longest");
    assert_string_equal(reduce->inputs, "[{\"node\":\"a\",\"state\":\"succeeded\",\"value\":{\"k\":\"yes\"}},"
                                        "{\"node\":\"b\",\"state\":\"succeeded\",\"value\":\"longer line\"}]");
    done = event_of("completed", "r", reduce->epoch);
    done.value = "{\"value\":\"longer line\"}";
    take(&s, done);
    assert_string_equal(effect_of(&s, "run_ended")->state, "ok");
    reeve_kernel_free(s.kernel);
}

/* A NUL in an output cannot be a variable: the attempt fails with what to do, as in the engine. */
static void value__nul_byte_fails_the_node_before_it_is_handed_out(void **state)
{
    scene s;
    reeve_node node;
    (void)state;
    load(&s, 1);
    reeve_event done = event_of("completed", "a", 1);
    done.value = "{\"k\":1}";
    done.output = "a\0b";
    done.output_size = 3;
    take(&s, done);
    assert_int_equal(reeve_kernel_node(s.kernel, reeve_kernel_find(s.kernel, "b"), &node, NULL), REEVE_OK);
    assert_string_equal(node.state, "failed");
    assert_non_null(strstr(node.error, "NUL"));
    reeve_kernel_free(s.kernel);
}

static void expect_refused(scene *s, reeve_status status, reeve_event event)
{
    size_t size, after_size;
    const void *bytes = reeve_kernel_encode(s->kernel, &size);
    void *before = malloc(size);
    memcpy(before, bytes, size);
    s->error.text[0] = 0;
    assert_int_equal(give(s, &event), status);
    assert_true(s->error.text[0] != 0);
    bytes = reeve_kernel_encode(s->kernel, &after_size);
    assert_int_equal(after_size, size);
    assert_memory_equal(bytes, before, size);
    free(before);
}

static void refusal__changes_not_a_byte(void **state)
{
    scene s;
    (void)state;
    load(&s, 1);
    reeve_event event = event_of("completed", "a", 1);
    expect_refused(&s, REEVE_INVALID, event_of(NULL, NULL, 0));
    expect_refused(&s, REEVE_INVALID, event_of("run_state", NULL, 0));
    expect_refused(&s, REEVE_NOT_FOUND, event_of("completed", "zz", 1));
    expect_refused(&s, REEVE_CONFLICT, event_of("admitted", "a", 0));
    reeve_event second = event_of("load", NULL, 0);
    second.key = "run-2";
    expect_refused(&s, REEVE_CONFLICT, second);
    event.value = "{";
    expect_refused(&s, REEVE_INVALID, event);
    event.value = "\xff";
    expect_refused(&s, REEVE_INVALID, event);
    event.value = NULL;
    event.termination = "somehow";
    expect_refused(&s, REEVE_INVALID, event);
    event.termination = NULL;
    const reeve_var twice[] = {{"f", "/x"}, {"f", "/y"}};
    event.artifacts = twice;
    event.artifact_count = 2;
    expect_refused(&s, REEVE_INVALID, event);
    s.now.engine_ms -= 1000;
    expect_refused(&s, REEVE_INVALID, event_of("tick", NULL, 0));
    reeve_kernel_free(s.kernel);
}

/* Every prefix of the rows is a legal beginning: replayed, it has the state that was there then. */
static void replay__each_prefix_gives_the_state_of_then(void **state)
{
    enum { ROWS = 4 };
    scene s;
    reeve_row rows[ROWS] = {0};
    void *states[ROWS];
    size_t sizes[ROWS];
    (void)state;
    load(&s, 1);
    for (int i = 0; i < ROWS; i++) {
        if (i == 1) take(&s, event_of("started", "a", 1));
        if (i == 2 || i == 3) {
            reeve_event done = event_of("completed", "a", i == 2 ? 1 : 2);
            done.exit_status = i == 2 ? 1 : 0;
            done.output = "told";
            take(&s, done);
        }
        rows[i] = s.step.row;
        rows[i].body = memcpy(malloc(rows[i].body_size), s.step.row.body, rows[i].body_size);
        rows[i].values = s.step.row.values ? strdup(s.step.row.values) : NULL;
        const void *bytes = reeve_kernel_encode(s.kernel, &sizes[i]);
        states[i] = memcpy(malloc(sizes[i]), bytes, sizes[i]);
    }
    for (size_t count = 1; count <= ROWS; count++) {
        size_t size;
        reeve_kernel *again = make(1);
        if (reeve_kernel_replay(again, rows, count, &s.error) != REEVE_OK) fail_msg("%s", s.error.text);
        const void *bytes = reeve_kernel_encode(again, &size);
        assert_int_equal(size, sizes[count - 1]);
        assert_memory_equal(bytes, states[count - 1], size);
        reeve_kernel_free(again);
    }
    assert_int_equal(reeve_kernel_replay(s.kernel, rows, 1, &s.error), REEVE_CONFLICT);
    reeve_kernel_free(s.kernel);
    for (int i = 0; i < ROWS; i++) free(states[i]), free((void *)rows[i].body), free((void *)rows[i].values);
}

static void ready__is_in_order_of_admission(void **state)
{
    scene s;
    const char *names[8];
    reeve_kernel_info info = {.size = sizeof info};
    (void)state;
    load(&s, 0);
    assert_int_equal(s.step.effect_count, 0);
    assert_int_equal(reeve_kernel_ready(s.kernel, names, 8), 1);
    assert_string_equal(names[0], "a");
    reeve_kernel_state(s.kernel, &info);
    assert_string_equal(info.state, "running");
    assert_string_equal(info.run, "run-1");
    assert_int_equal(info.node_count, 4);
    assert_int_equal(info.ready_count, 1);
    assert_int_equal(reeve_kernel_find(s.kernel, "nobody"), UINT32_MAX);
    take(&s, event_of("admitted", "a", 0));
    assert_int_equal(effect_of(&s, "spawn")->spawn_count, 1);
    reeve_kernel_free(s.kernel);
}

/* What a call returned may be given to the next step as it is. */
static void text__of_one_step_may_stand_in_the_next_event(void **state)
{
    scene s;
    reeve_node node;
    (void)state;
    load(&s, 1);
    const reeve_spawn *spawn = effect_of(&s, "spawn")->spawns;
    take(&s, event_of("started", spawn->node, spawn->epoch));
    assert_int_equal(reeve_kernel_node(s.kernel, 0, &node, NULL), REEVE_OK);
    reeve_event lost = event_of("lost", node.name, node.epoch);
    lost.flags = REEVE_LOST_WAS_STARTED;
    take(&s, lost);
    assert_int_equal(effect_of(&s, "spawn")->spawns->number, 2);
    reeve_kernel_free(s.kernel);
}

static void load__bad_workflow_or_reducer_is_refused(void **state)
{
    static const char *const own[] = {"concat", NULL};
    reeve_workflow workflow = REEVE_WORKFLOW_INIT;
    reeve_kernel_options options = REEVE_KERNEL_OPTIONS_INIT;
    reeve_kernel *kernel = NULL;
    reeve_error error;
    char *problems = NULL;
    (void)state;
    workflow.text = text;
    assert_int_equal(reeve_kernel_new(&workflow, NULL, &kernel, &problems, &error), REEVE_INVALID);
    assert_non_null(strstr(problems, "longest"));
    reeve_free(problems);
    options.reducers = own;
    assert_int_equal(reeve_kernel_new(&workflow, &options, &kernel, NULL, &error), REEVE_INVALID);
    assert_non_null(strstr(error.text, "concat"));
    assert_null(kernel);
    reeve_kernel_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel__hands_out_asks_and_ends),
        cmocka_unit_test(value__nul_byte_fails_the_node_before_it_is_handed_out),
        cmocka_unit_test(refusal__changes_not_a_byte),
        cmocka_unit_test(replay__each_prefix_gives_the_state_of_then),
        cmocka_unit_test(ready__is_in_order_of_admission),
        cmocka_unit_test(text__of_one_step_may_stand_in_the_next_event),
        cmocka_unit_test(load__bad_workflow_or_reducer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
