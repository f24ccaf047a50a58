/* test_hosted.c: executors and reducers that a program registers with its engine: only the public header is used here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reeve.h"
#include "folder.h"

#define ROUNDS_MAX 4000 /* of waits of 20 ms: generous */

typedef struct pending {
    char run[REEVE_RUN_SIZE], node[64], argv[8][128], feedback[256], artifacts[256], schema[128], more[256];
    uint32_t epoch, number;
} pending;

typedef struct scene {
    reeve *engine;
    char dir[64], store[96], ended[32], output[512], attempts[512];
    pending waiting[16];
    size_t waiting_count;
    int stops;
    char reduced[256];
} scene;

static const char *variable(const char *const *env, const char *name)
{
    for (size_t size = strlen(name); *env; env++)
        if (strncmp(*env, name, size) == 0 && (*env)[size] == '=') return *env + size + 1;
    return NULL;
}

static int on_start(void *user, const reeve_spawn *attempt)
{
    scene *s = user;
    if (strcmp(attempt->argv[0], "agent") != 0) return 0;
    pending *p = &s->waiting[s->waiting_count++];
    memset(p, 0, sizeof *p);
    snprintf(p->run, sizeof p->run, "%s", attempt->run);
    snprintf(p->node, sizeof p->node, "%s", attempt->node);
    for (int i = 0; attempt->argv[i] && i < 8; i++) snprintf(p->argv[i], sizeof p->argv[i], "%s", attempt->argv[i]);
    if (attempt->feedback) snprintf(p->feedback, sizeof p->feedback, "%s", attempt->feedback);
    if (attempt->output_schema) snprintf(p->schema, sizeof p->schema, "%s", attempt->output_schema);
    if (attempt->more) snprintf(p->more, sizeof p->more, "%s", attempt->more);
    snprintf(p->artifacts, sizeof p->artifacts, "%s", variable(attempt->env, "REEVE_ARTIFACTS"));
    p->epoch = attempt->epoch;
    p->number = attempt->number;
    return 1;
}

static void on_stop(void *user, const char *run, const char *node, uint32_t epoch)
{
    scene *s = user;
    (void)run, (void)node, (void)epoch;
    s->stops++;
}

static void on_output(void *user, const char *run, const char *node, int stream, const char *bytes, size_t size)
{
    scene *s = user;
    size_t used = strlen(s->output);
    (void)run;
    snprintf(s->output + used, sizeof s->output - used, "%s/%d:%.*s", node, stream, (int)size, bytes);
}

static void on_attempt_ended(void *user, const char *run, const reeve_node *node, int will_retry, int64_t retry_in_ms)
{
    scene *s = user;
    size_t used = strlen(s->attempts);
    (void)run, (void)will_retry, (void)retry_in_ms;
    snprintf(s->attempts + used, sizeof s->attempts - used, "%s#%u %s %s;", node->name, node->attempt, node->state, node->error);
}

static void on_ended(void *user, const char *run, const char *state, int exit_status)
{
    (void)run, (void)exit_status;
    snprintf(((scene *)user)->ended, sizeof ((scene *)user)->ended, "%s", state);
}

static const char *join(void *user, const char *run, const char *node, const char *inputs, reeve_error *error)
{
    scene *s = user;
    (void)run, (void)node;
    if (strstr(inputs, "refuse")) {
        snprintf(error->text, sizeof error->text, "it holds a word that is not wanted");
        return NULL;
    }
    snprintf(s->reduced, sizeof s->reduced, "%s", inputs ? inputs : "");
    return strstr(inputs, "broken") ? "{" : "\"joined\"";
}

static void scene_open(scene *s)
{
    reeve_options options = REEVE_OPTIONS_INIT;
    reeve_executor executor = REEVE_EXECUTOR_INIT;
    reeve_error error = {REEVE_OK, ""};
    options.slots = 4;
    options.grace_ms = 300;
    options.observer = (reeve_observer){.user = s, .output = on_output, .attempt_ended = on_attempt_ended, .run_ended = on_ended};
    if (reeve_open(s->store, &options, &s->engine, &error) != REEVE_OK) fail_msg("%s", error.text);
    executor.user = s;
    executor.start = on_start;
    executor.stop = on_stop;
    assert_int_equal(reeve_executor_register(s->engine, &executor, NULL), REEVE_OK);
    assert_int_equal(reeve_reducer_register(s->engine, "join", join, s, NULL), REEVE_OK);
}

static int setup(void **state)
{
    scene *s = calloc(1, sizeof *s);
    if (make_folder(s->dir, sizeof s->dir, "rv-hosted") != 0) return -1;
    snprintf(s->store, sizeof s->store, "%s/store", s->dir);
    scene_open(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    scene *s = *state;
    reeve_close(s->engine, NULL);
    int removed = remove_at(AT_FDCWD, s->dir); /* ours: …/rv-hosted-… */
    free(s);
    return removed;
}

static void submit(scene *s, const char *nodes, char *ret_run)
{
    char text[2048];
    reeve_workflow workflow = REEVE_WORKFLOW_INIT;
    reeve_error error = {REEVE_OK, ""};
    char *problems = NULL;
    snprintf(text, sizeof text, "reeve: 1\nname: t\nnodes:\n%s", nodes);
    workflow.text = text;
    workflow.directory = s->dir;
    if (reeve_submit(s->engine, &workflow, ret_run, &problems, &error) != REEVE_OK)
        fail_msg("%s: %s", error.text, problems ? problems : "");
    reeve_free(problems);
}

/* Until an attempt is handed out. */
static pending next(scene *s, const char *run)
{
    for (int i = 0; s->waiting_count == 0 && i < ROUNDS_MAX; i++)
        if (reeve_wait(s->engine, run, 20, NULL) != REEVE_TIMEOUT) break;
    if (s->waiting_count == 0) fail_msg("nothing was handed out; attempts: %s", s->attempts);
    pending p = s->waiting[0];
    memmove(&s->waiting[0], &s->waiting[1], --s->waiting_count * sizeof p);
    return p;
}

static reeve_event done_of(const pending *p, const char *value)
{
    reeve_event event = REEVE_EVENT_INIT;
    event.node = p->node;
    event.epoch = p->epoch;
    event.value = value;
    return event;
}

static void complete(scene *s, const pending *p, reeve_event event)
{
    reeve_error error = {REEVE_OK, ""};
    if (reeve_complete(s->engine, p->run, &event, &error) != REEVE_OK) fail_msg("%s", error.text);
}

static void expect_end(scene *s, const char *run, const char *state)
{
    reeve_error error = {REEVE_OK, ""};
    if (reeve_wait(s->engine, run, 60000, &error) != REEVE_OK) fail_msg("%s; attempts: %s", error.text, s->attempts);
    if (strcmp(s->ended, state) != 0) fail_msg("%s, not %s; attempts: %s", s->ended, state, s->attempts);
}

static char *ask(scene *s, const char *run, const char *sql)
{
    const char *args[] = {run};
    char *rows = NULL;
    assert_int_equal(reeve_query(s->engine, sql, args, 1, 0, &rows, NULL), REEVE_OK);
    return rows;
}

static void expect_row(scene *s, const char *run, const char *sql, const char *text)
{
    char *rows = ask(s, run, sql);
    if (!strstr(rows, text)) fail_msg("%s is not in %s", text, rows);
    reeve_free(rows);
}

/* ---- claims ---- */

static void executor__agents_and_commands_stand_in_one_graph(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE];
    submit(s,
           "  a: {run: [agent, find, llamas]}\n"
           "  b: {run: [echo, 'command ${a.k}'], needs: [a]}\n"
           "  c: {run: [agent, write, '${b.stdout}', '${a.artifact.f}'], needs: [b]}\n"
           "  d: {run: [cat, '${a.artifact.f}'], needs: [c], when: \"${c.branch} == 'left'\"}\n",
           run);
    pending p = next(s, run);
    assert_string_equal(p.argv[2], "llamas");
    char path[300];
    snprintf(path, sizeof path, "%s/f", p.artifacts);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("bytes of an artifact", file);
    fclose(file);
    assert_int_equal(reeve_output(s->engine, run, "a", p.epoch, 1, "on the way\n", 11, NULL), REEVE_OK);
    reeve_event done = done_of(&p, "{\"k\":\"of hosts\"}");
    done.output = "the end\n";
    complete(s, &p, done);
    p = next(s, run);
    assert_string_equal(p.argv[2], "command of hosts");
    assert_non_null(strstr(p.argv[3], "/f"));
    done = done_of(&p, NULL);
    done.branch = "left";
    done.cost_usd = 0.5;
    complete(s, &p, done);
    expect_end(s, run, "ok");
    assert_non_null(strstr(s->output, "a/1:on the way\na/1:the end\n"));
    assert_non_null(strstr(s->output, "d/1:bytes of an artifact"));
    expect_row(s, run, "select result from node where run = ?1 and id = 'c'", "\\\"branch\\\":\\\"left\\\"");
}

/* Where the command would be held by something else, that is not what the executor is asked for. */
static void executor__is_offered_the_command_itself_under_every_isolation(void **state)
{
    static const char *const isolations[] = {"shared", "none", "read_only", "worktree"};
    scene *s = *state;
    char run[REEVE_RUN_SIZE], node[160], git[96];
    snprintf(git, sizeof git, "%s/.git", s->dir);
    assert_int_equal(mkdir(git, 0700), 0);
    for (size_t i = 0; i < sizeof isolations / sizeof *isolations; i++) {
        snprintf(node, sizeof node, "  a: {run: [agent, word], isolation: %s}\n", isolations[i]);
        submit(s, node, run);
        pending p = next(s, run);
        assert_string_equal(p.argv[1], "word");
        if (i > 0) assert_non_null(strstr(p.more, isolations[i]));
        complete(s, &p, done_of(&p, NULL));
        expect_end(s, run, "ok");
    }
}

static void completion__malformed_one_leaves_the_attempt_to_be_completed(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE];
    submit(s, "  a: {run: [agent], retry: {max_attempts: 2}, output_schema: {type: object, required: [k]}}\n", run);
    pending p = next(s, run);
    assert_non_null(strstr(p.schema, "required"));
    reeve_event bad = done_of(&p, "{");
    assert_int_equal(reeve_complete(s->engine, run, &bad, NULL), REEVE_INVALID);
    bad = done_of(&p, "[]");
    bad.branch = "x";
    assert_int_equal(reeve_complete(s->engine, run, &bad, NULL), REEVE_INVALID);
    bad = done_of(&p, NULL);
    bad.termination = "well";
    assert_int_equal(reeve_complete(s->engine, run, &bad, NULL), REEVE_INVALID);
    bad = done_of(&p, NULL);
    bad.epoch++;
    assert_int_equal(reeve_complete(s->engine, run, &bad, NULL), REEVE_CONFLICT);
    bad = done_of(&p, NULL);
    bad.node = "zz";
    assert_int_equal(reeve_complete(s->engine, run, &bad, NULL), REEVE_NOT_FOUND);
    assert_int_equal(reeve_complete(s->engine, "no-such-run", &bad, NULL), REEVE_NOT_FOUND);
    complete(s, &p, done_of(&p, "{\"n\":1}"));
    pending again = next(s, run);
    assert_int_equal(again.number, 2);
    assert_non_null(strstr(again.feedback, "k"));
    bad = done_of(&p, NULL);
    assert_int_equal(reeve_complete(s->engine, run, &bad, NULL), REEVE_CONFLICT);
    complete(s, &again, done_of(&again, "{\"k\":1}"));
    expect_end(s, run, "ok");
}

static void completion__how_it_ended_decides_what_follows(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE];
    submit(s,
           "  a: {run: [agent], retry: {max_attempts: 2, on: [unavailable]}}\n"
           "  b: {run: [agent], needs: [a]}\n"
           "  c: {run: [echo, '${b.n}'], needs: [b], dep_policy: accept_partial}\n"
           "  d: {run: [agent], needs: [c]}\n",
           run);
    pending p = next(s, run);
    reeve_event failed = done_of(&p, NULL);
    failed.termination = "error";
    failed.detail = "unavailable";
    failed.text = "the model is away";
    complete(s, &p, failed);
    p = next(s, run);
    assert_string_equal(p.feedback, "the model is away");
    complete(s, &p, done_of(&p, NULL));
    p = next(s, run);
    assert_string_equal(p.node, "b");
    reeve_event part = done_of(&p, "{\"n\":7}");
    part.termination = "max_turns";
    complete(s, &p, part);
    p = next(s, run);
    assert_string_equal(p.node, "d");
    assert_non_null(strstr(s->output, "c/1:7"));
    failed = done_of(&p, NULL);
    failed.exit_status = 3;
    complete(s, &p, failed);
    expect_end(s, run, "error");
    assert_non_null(strstr(s->attempts, "d#1 error exit status 3;"));
    expect_row(s, run, "select state from node where run = ?1 and id = 'b'", "partial");
}

static void executor__told_to_stop_and_what_comes_after_is_late(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE];
    submit(s, "  a: {run: [agent], timeout: 30ms}\n", run);
    pending p = next(s, run);
    expect_end(s, run, "error"); /* nobody completes it: its grace passes */
    assert_int_equal(s->stops, 1);
    assert_non_null(strstr(s->attempts, "a#1 timeout"));
    reeve_event late = done_of(&p, NULL);
    assert_int_equal(reeve_complete(s->engine, run, &late, NULL), REEVE_CONFLICT);
    submit(s, "  a: {run: [agent]}\n", run);
    p = next(s, run);
    assert_int_equal(reeve_cancel(s->engine, run, "test", NULL), REEVE_OK);
    for (int i = 0; s->stops < 2 && i < ROUNDS_MAX; i++) (void)reeve_wait(s->engine, run, 20, NULL);
    assert_int_equal(s->stops, 2);
    reeve_event done = done_of(&p, "{\"k\":1}"); /* it finished all the same: it was called off */
    (void)reeve_complete(s->engine, run, &done, NULL);
    expect_end(s, run, "cancelled");
}

static void run__goes_on_after_the_engine_was_closed_under_an_attempt(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE], again[REEVE_RUN_SIZE];
    submit(s, "  a: {run: [agent]}\n  b: {run: [agent], needs: [a]}\n", run);
    pending a = next(s, run);
    complete(s, &a, done_of(&a, NULL));
    pending b = next(s, run);
    assert_int_equal(reeve_close(s->engine, NULL), REEVE_OK);
    assert_int_equal(s->stops, 1);
    scene_open(s);
    assert_int_equal(reeve_resume(s->engine, NULL, NULL, 0, again, NULL), REEVE_OK);
    assert_string_equal(again, run);
    pending second = next(s, run);
    assert_string_equal(second.node, "b");
    assert_true(second.epoch > b.epoch);
    reeve_event late = done_of(&b, NULL);
    assert_int_equal(reeve_complete(s->engine, run, &late, NULL), REEVE_CONFLICT);
    complete(s, &second, done_of(&second, NULL));
    expect_end(s, run, "ok");
    expect_row(s, run, "select count(*) from attempt where run = ?1 and node = 'a'", "[[1]]");
}

/* ---- the gate [K30–K32] ---- */

static reeve_status ask_gate(scene *s, const pending *p, const char *what, const char *key, const char *value, reeve_gate *ret)
{
    reeve_event event = done_of(p, value);
    event.state = what;
    event.key = key;
    ret->size = sizeof *ret;
    return reeve_ask(s->engine, p->run, &event, ret, NULL);
}

static void expect_gate(scene *s, const pending *p, const char *what, const char *key, const char *value, const char *answer,
                        const char *stage)
{
    reeve_gate gate = {0};
    assert_int_equal(ask_gate(s, p, what, key, value, &gate), REEVE_OK);
    if (strcmp(gate.answer, answer) != 0 || strcmp(gate.stage, stage) != 0)
        fail_msg("%s %s: %s at `%s` (%s), not %s", what, key, gate.answer, gate.stage, gate.reason, answer);
    assert_int_equal(gate.reason[0] == 0, strcmp(answer, "allow") == 0);
    assert_int_equal(gate.retry_ms > 0, strcmp(answer, "rate_limited") == 0);
}

static const char *const ASKING = "  a: {run: [agent], capabilities: [git, 'fs.*']}\n  b: {run: [agent], needs: [a]}\n"
                                  "quota: {writes: {max: 2, per: 1h}}\n";

static void gate__answers_what_attempts_ask_in_the_order_of_its_stages(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE];
    submit(s, ASKING, run);
    pending p = next(s, run);
    expect_gate(s, &p, "tool", "fs.read", NULL, "allow", "");
    expect_gate(s, &p, "tool", "curl", "{\"veto\":\"no\"}", "deny", "capability");
    expect_gate(s, &p, "tool", "git", "{\"constraint\":\"not there\",\"permission\":\"deny\"}", "deny", "constraint");
    expect_gate(s, &p, "tool", "git", "{\"permission\":\"ask\"}", "gate", "permission");
    expect_gate(s, &p, "tool", "git", "{\"permission\":\"allow\"}", "allow", ""); /* somebody said so */
    expect_gate(s, &p, "tool", "git", "{\"rate\":{\"max\":1,\"window_ms\":3600000}}", "rate_limited", "rate");
    expect_gate(s, &p, "tool", "git", "{\"is_audited\":false}", "deny", "audit");
    expect_gate(s, &p, "tool", "fs.write", "{\"rate\":{\"max\":1,\"window_ms\":3600000}}", "allow", ""); /* of this tool */
    expect_gate(s, &p, "tool", "fs.rm", "{\"veto\":\"not now\"}", "deny", "veto");
    expect_gate(s, &p, "tool", "fs.rm", "{\"rate\":{\"max\":1,\"window_ms\":3600000}}", "allow", ""); /* what was refused was no call */
    expect_gate(s, &p, "artifact_read", "x", NULL, "allow", "");
    complete(s, &p, done_of(&p, NULL));
    p = next(s, run);
    expect_gate(s, &p, "tool", "curl", NULL, "allow", "");
    complete(s, &p, done_of(&p, NULL));
    expect_end(s, run, "ok");
}

static void gate__counts_what_it_allowed_also_after_the_engine_is_gone(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE];
    submit(s, ASKING, run);
    pending p = next(s, run);
    expect_gate(s, &p, "memory_write", "k", NULL, "allow", "");
    expect_gate(s, &p, "tool", "git", "{\"permission\":\"deny\"}", "deny", "permission");
    assert_int_equal(reeve_close(s->engine, NULL), REEVE_OK);
    scene_open(s);
    assert_int_equal(reeve_resume(s->engine, run, NULL, 0, run, NULL), REEVE_OK);
    p = next(s, run);
    expect_gate(s, &p, "tool", "git", "{\"rate\":{\"max\":1,\"window_ms\":3600000}}", "allow", "");
    expect_gate(s, &p, "memory_write", "l", NULL, "allow", "");
    expect_gate(s, &p, "memory_write", "k", NULL, "rate_limited", "rate");
    complete(s, &p, done_of(&p, NULL));
    p = next(s, run);
    expect_gate(s, &p, "memory_write", "k", NULL, "rate_limited", "rate"); /* of the whole run */
    complete(s, &p, done_of(&p, NULL));
    expect_end(s, run, "ok");
}

static void gate__malformed_and_late_questions_change_nothing(void **state)
{
    static const char *const bad[][3] = {{"spawn", "k", NULL}, {"fly", "k", NULL}, {NULL, "k", NULL}, {"tool", NULL, NULL},
                                         {"tool", "\xff", NULL}, {"tool", "k", "{"}, {"tool", "k", "[]"}, {"tool", "k", "{\"recent\":0}"},
                                         {"tool", "k", "{\"rate\":{\"max\":1}}"}, {"tool", "k", "{\"permission\":\"perhaps\"}"}};
    scene *s = *state;
    char run[REEVE_RUN_SIZE];
    reeve_gate gate = {.answer = "untouched"};
    submit(s, ASKING, run);
    pending p = next(s, run), other = p;
    char *before = ask(s, run, "select sum(event_count) from journal where stream = 'run/' || ?1");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ask_gate(s, &p, bad[i][0], bad[i][1], bad[i][2], &gate), REEVE_INVALID);
    snprintf(other.node, sizeof other.node, "nobody");
    assert_int_equal(ask_gate(s, &other, "tool", "k", NULL, &gate), REEVE_NOT_FOUND);
    char *after = ask(s, run, "select sum(event_count) from journal where stream = 'run/' || ?1");
    assert_string_equal(after, before);
    reeve_free(before);
    reeve_free(after);
    snprintf(other.node, sizeof other.node, "b");
    assert_int_equal(ask_gate(s, &other, "tool", "k", NULL, &gate), REEVE_CONFLICT); /* it has not begun */
    assert_string_equal(gate.answer, "untouched");
    complete(s, &p, done_of(&p, NULL));
    assert_int_equal(ask_gate(s, &p, "tool", "git", NULL, &gate), REEVE_CONFLICT);
    p = next(s, run);
    complete(s, &p, done_of(&p, NULL));
    expect_end(s, run, "ok");
}

static void artifact__that_the_program_names_is_the_attempts(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE], path[96];
    snprintf(path, sizeof path, "%s/report", s->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("of the program", file);
    fclose(file);
    submit(s, "  a: {run: [agent, a]}\n  b: {run: [cat, '${a.artifact.f}'], needs: [a]}\n", run);
    pending p = next(s, run);
    const reeve_var refused[][2] = {{{"../f", path}}, {{"/f", path}}, {{"", path}}, {{"f", path}, {"f", path}}, {{"f", s->dir}},
                                    {{"f", path}, {"g", "/nowhere/at/all"}}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        reeve_event event = done_of(&p, NULL);
        event.artifacts = refused[i];
        event.artifact_count = refused[i][1].name ? 2 : 1;
        assert_int_equal(reeve_complete(s->engine, run, &event, NULL), i == 5 ? REEVE_NOT_FOUND : REEVE_INVALID);
    }
    reeve_event done = done_of(&p, NULL);
    const reeve_var given[] = {{"f", path}, {"deep/g", path}};
    done.artifacts = given;
    done.artifact_count = 2;
    complete(s, &p, done);
    assert_int_equal(truncate(path, 0), 0); /* it is the program's again */
    expect_end(s, run, "ok");
    assert_non_null(strstr(s->output, "b/1:of the program"));
    expect_row(s, run, "select name from artifact where run = ?1 order by name", "[\"deep/g\"],[\"f\"]");
}

static reeve_status give(scene *s, const pending *p, const char *key, const char *text, char **ret_told, char **ret_problems)
{
    reeve_workflow nodes = REEVE_WORKFLOW_INIT;
    nodes.text = text;
    return reeve_submit_nodes(s->engine, p->run, p->node, p->epoch, key, &nodes, ret_told, ret_problems, NULL);
}

static void submission__an_attempt_gives_nodes_that_use_a_reducer_of_the_program(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE], *told = NULL, *problems = NULL;
    const char *text = "nodes: {more: {run: [agent, more]}, both: {reduce: {reducer: join, of: [more, first]}, needs: [more, first]}}";
    submit(s, "  first: {run: [echo, one]}\n  plan: {run: [agent, plan], needs: [first]}\n", run);
    pending p = next(s, run), wrong = p;
    assert_int_equal(give(s, &p, "k", "nodes: {bad: {run: [x], needs: [nobody]}}", &told, &problems), REEVE_INVALID);
    assert_null(told);
    assert_non_null(strstr(problems, "nobody"));
    reeve_free(problems);
    assert_int_equal(give(s, &p, "no key", text, NULL, NULL), REEVE_INVALID);
    wrong.epoch++;
    assert_int_equal(give(s, &wrong, "k", text, NULL, NULL), REEVE_CONFLICT);
    snprintf(wrong.node, sizeof wrong.node, "nobody");
    assert_int_equal(give(s, &wrong, "k", text, NULL, NULL), REEVE_NOT_FOUND);
    assert_int_equal(give(s, &p, "k", text, &told, &problems), REEVE_OK);
    assert_string_equal(told, "{\"key\":\"k\",\"is_new\":true,\"nodes\":[\"more\",\"both\"]}");
    assert_null(problems);
    reeve_free(told);
    assert_int_equal(give(s, &p, "k", text, NULL, NULL), REEVE_OK);
    assert_int_equal(give(s, &p, "k", "nodes: {other: {run: [x]}}", NULL, NULL), REEVE_CONFLICT);
    complete(s, &p, done_of(&p, NULL));
    assert_int_equal(give(s, &p, "later", text, NULL, NULL), REEVE_CONFLICT);
    p = next(s, run);
    assert_string_equal(p.node, "more");
    complete(s, &p, done_of(&p, "{\"n\":1}"));
    expect_end(s, run, "ok");
    assert_non_null(strstr(s->reduced, "\"node\":\"first\""));
    expect_row(s, run, "select result from node where run = ?1 and id = 'both'", "joined");
}

static void reducer__of_the_program_is_known_and_called(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE];
    reeve_workflow workflow = REEVE_WORKFLOW_INIT;
    char *problems = NULL;
    assert_int_equal(reeve_reducer_register(s->engine, "join", join, s, NULL), REEVE_CONFLICT);
    assert_int_equal(reeve_reducer_register(s->engine, "concat", join, s, NULL), REEVE_INVALID);
    assert_int_equal(reeve_reducer_register(s->engine, "no name", join, s, NULL), REEVE_INVALID);
    workflow.text = "reeve: 1\nnodes:\n  a: {run: [echo, x]}\n  r: {reduce: {reducer: other, of: [a]}, needs: [a]}\n";
    assert_int_equal(reeve_submit(s->engine, &workflow, run, &problems, NULL), REEVE_INVALID);
    assert_non_null(strstr(problems, "other"));
    reeve_free(problems);
    submit(s,
           "  a: {run: [echo, one]}\n"
           "  b: {shell: 'echo n=2 >$REEVE_OUTPUT'}\n"
           "  r: {reduce: {reducer: join, of: [a, b]}, needs: [a, b]}\n"
           "  t: {run: [echo, '${r.value}'], needs: [r]}\n",
           run);
    expect_end(s, run, "ok");
    assert_string_equal(s->reduced, "[{\"node\":\"a\",\"state\":\"succeeded\",\"value\":\"one\"},"
                                    "{\"node\":\"b\",\"state\":\"succeeded\",\"value\":{\"n\":\"2\"}}]");
    assert_non_null(strstr(s->output, "t/1:joined"));
    submit(s, "  a: {run: [echo, refuse]}\n  r: {reduce: {reducer: join, of: [a]}, needs: [a]}\n", run);
    expect_end(s, run, "error");
    expect_row(s, run, "select error from node where run = ?1 and id = 'r'", "a word that is not wanted");
    submit(s, "  a: {run: [echo, broken]}\n  r: {reduce: {reducer: join, of: [a]}, needs: [a]}\n", run);
    expect_end(s, run, "error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(executor__agents_and_commands_stand_in_one_graph, setup, teardown),
        cmocka_unit_test_setup_teardown(executor__is_offered_the_command_itself_under_every_isolation, setup, teardown),
        cmocka_unit_test_setup_teardown(completion__malformed_one_leaves_the_attempt_to_be_completed, setup, teardown),
        cmocka_unit_test_setup_teardown(completion__how_it_ended_decides_what_follows, setup, teardown),
        cmocka_unit_test_setup_teardown(executor__told_to_stop_and_what_comes_after_is_late, setup, teardown),
        cmocka_unit_test_setup_teardown(run__goes_on_after_the_engine_was_closed_under_an_attempt, setup, teardown),
        cmocka_unit_test_setup_teardown(gate__answers_what_attempts_ask_in_the_order_of_its_stages, setup, teardown),
        cmocka_unit_test_setup_teardown(gate__counts_what_it_allowed_also_after_the_engine_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(gate__malformed_and_late_questions_change_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(artifact__that_the_program_names_is_the_attempts, setup, teardown),
        cmocka_unit_test_setup_teardown(submission__an_attempt_gives_nodes_that_use_a_reducer_of_the_program, setup, teardown),
        cmocka_unit_test_setup_teardown(reducer__of_the_program_is_known_and_called, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
